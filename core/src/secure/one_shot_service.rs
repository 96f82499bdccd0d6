//! The service's side of one-shot message security: every request brings its key, and its answer is protected with that.

use super::answer::{BootstrapKey, PlainFault};
use super::binding::Binding;
use super::bootstrap::{Answering, bootstrap_key, seal_answer, seal_certified_answer};
use super::emit::UniqueIds;
use super::exchange::Outgoing;
use super::keyring::{Keyring, decoy_key};
use super::open::open;
use super::opened::{OpenContext, Opened, ProtectionToken};
use super::peek::{LONGEST_URI, Peek, peek};
use super::protection::SealError;
use super::replay::ReplayTable;
use super::session_message::SessionMessage;
use super::{Credentials, Element, Encryption, Refusal, WireFault};
use crate::base64;
use crate::chance::{Chance, Entropy, Uuid};
use crate::crypto::{Backend, RustCrypto, SecretKey};
use crate::soap::fault::write_fault_envelope;
use crate::soap::{AddressingVersion, HeaderBlock};
use crate::time::{Instant, Wall};
use crate::xml::Writer;
use core::marker::PhantomData;
use heapless::Vec;

/// Longest certificate (DER) that an answer can be made for, in bytes. Usual ones have 700 to 2000.
pub(super) const LONGEST_CERTIFICATE: usize = 3072;

/// A service's own settings.
#[derive(Clone, Copy, Debug)]
pub struct OneShotSettings {
    /// `xml:lang` of fault reasons. WCF writes its culture; the invariant culture is the empty string.
    pub language: &'static str,
    /// How a request's body must be protected, by its action; `None` is an action that the contract does not have. Without
    /// WS-Addressing the action is HTTP's, which nothing protects: it is asked for the empty one then.
    pub contract: fn(action: &[u8]) -> Option<Encryption>,
}

impl PartialEq for OneShotSettings {
    fn eq(&self, other: &Self) -> bool {
        // Every field by name, so that a new one cannot be left out.
        let Self { language, contract } = self;
        *language == other.language && core::ptr::fn_addr_eq(*contract, other.contract)
    }
}

impl Eq for OneShotSettings {}

impl Default for OneShotSettings {
    fn default() -> Self {
        Self { language: "en-US", contract: |_| Some(Encryption::Required) }
    }
}

/// What a request is owed: its exchange is answered with a reply, a fault, or an empty acceptance.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "an exchange that is not answered stays open"]
pub struct Owed {
    message_id: Vec<u8, LONGEST_URI>,
    action: Vec<u8, LONGEST_URI>,
    /// Empty is anonymous.
    reply_to: Vec<u8, LONGEST_URI>,
    due: Due,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Due {
    /// The application's reply, under the request's key.
    Reply(BootstrapKey),
    /// The application's reply, for the client's certificate (DER).
    CertifiedReply(Vec<u8, LONGEST_CERTIFICATE>),
    /// A one-way message was taken: 202.
    Acceptance,
    /// A fault without protection.
    Fault(PlainFault),
    /// Not SOAP: 400, no body.
    BadRequest,
}

impl Owed {
    /// Does the application owe it a reply? If not, [`OneShotService::write_answer`] answers it. Without WS-Addressing any request
    /// may get one; what is one-way is for the contract to know.
    pub const fn reply(&self) -> bool {
        matches!(self.due, Due::Reply(_) | Due::CertifiedReply(_))
    }
}

/// What a received request was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OneShotIncoming {
    /// A request of the application, in the message that was received.
    Request {
        /// The message.
        opened: Opened,
        /// What its exchange is owed: [`OneShotService::seal_reply`], or [`OneShotService::write_answer`] for a one-way one.
        owed: Owed,
    },
    /// Refused, with the exact reason; the client gets a fault, which says less.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The fault that its exchange is owed: [`OneShotService::write_answer`].
        owed: Owed,
    },
}

/// The service's side of one-shot message security at one endpoint.
///
/// It keeps nothing of a request: what is needed for the answer goes to the caller, as [`Owed`]. `REPLAY` (a power of two)
/// bounds the messages accepted within the replay window; 2 is enough over a protected transport, where nothing is remembered.
///
/// A copy of a message is known by its signature, which may be encrypted: there is nothing outside by which a copy could be led
/// to the one of several machines that took the original. So a service has one of these, or each of them takes a copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OneShotService<E = Chance, const REPLAY: usize = 1024, B = RustCrypto> {
    binding: Binding,
    settings: OneShotSettings,
    wall: Wall,
    entropy: E,
    ids: UniqueIds,
    decoy: SecretKey,
    replay: ReplayTable<REPLAY>,
    backend: PhantomData<B>,
}

impl<E: Entropy + Clone, const REPLAY: usize, B: Backend> OneShotService<E, REPLAY, B> {
    /// A service.
    pub fn new(binding: Binding, settings: OneShotSettings, wall: Wall, mut entropy: E) -> Self {
        let ids = UniqueIds::new(Uuid::random(&mut entropy), 1);
        let mut decoy = SecretKey::zeroed(32).unwrap_or_default();
        entropy.fill(decoy.as_mut_bytes());
        let replay = ReplayTable::default();
        Self { binding, settings, wall, entropy, ids, decoy, replay, backend: PhantomData }
    }

    /// The binding.
    pub const fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The settings.
    pub const fn settings(&self) -> &OneShotSettings {
        &self.settings
    }

    /// The calendar clock was set: where it stands now at the driver's zero.
    pub const fn set_wall(&mut self, wall: Wall) {
        self.wall = wall;
    }

    /// Counts Ids on from `ids`, as [`Acceptor::continue_ids`](super::Acceptor::continue_ids) does.
    pub const fn continue_ids(&mut self, ids: UniqueIds) {
        self.ids = ids;
    }

    /// Takes a request in; it is decrypted in place.
    pub fn open_request<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        message: &mut [u8],
    ) -> OneShotIncoming {
        let (peeked, outcome) = match peek(message, self.binding.one_shot_addressing(), &self.binding.limits) {
            Ok(peeked) => {
                let outcome = self.judge(now, credentials, message, &peeked.action);
                (peeked, outcome)
            }
            Err(refusal) => (Peek::default(), Err(refusal)),
        };
        let due = match &outcome {
            Ok((_, due)) => due.clone(),
            Err(Refusal::UnknownAction) => Due::Fault(PlainFault::UnrecognizedAction),
            Err(refusal) => match refusal.wire() {
                WireFault::BadContextToken => Due::Fault(PlainFault::BadContextToken),
                WireFault::InvalidSecurityToken => Due::Fault(PlainFault::InvalidSecurityToken),
                WireFault::InvalidSecurity => Due::Fault(PlainFault::InvalidSecurity),
                WireFault::None => Due::BadRequest,
            },
        };
        let Peek { action, message_id, reply_to, .. } = peeked;
        let owed = Owed { message_id, action, reply_to, due };
        match outcome {
            Ok((opened, _)) => OneShotIncoming::Request { opened, owed },
            Err(refusal) => OneShotIncoming::Refused { refusal, owed },
        }
    }

    fn judge<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        message: &mut [u8],
        action: &[u8],
    ) -> Result<(Opened, Due), Refusal> {
        let wall = self.wall.at(now);
        let body = (self.settings.contract)(action).ok_or(Refusal::UnknownAction)?;
        let policy = self.binding.one_shot_policy(false, body);
        let keyring = NoKeys::<B> { decoy: &self.decoy, len: self.binding.key_len(), backend: PhantomData };
        let context = OpenContext {
            policy: &policy,
            limits: &self.binding.limits,
            keyring: &keyring,
            credentials,
            now: Some(wall),
        };
        let opened = open::<B, _, _>(message, &context)?;
        let due = match opened.token {
            ProtectionToken::Certificate { text, .. } => Due::CertifiedReply(certificate(text.of(message))?),
            ProtectionToken::SecurityContext(_) | ProtectionToken::EncryptedKey { .. } | ProtectionToken::Transport => {
                Due::Reply(bootstrap_key(message, &opened, self.binding.bootstrap)?)
            }
        };
        self.replay.remember(&opened.signature, wall, now, &self.binding.clock)?;
        // Without MessageID nothing can be related to it; without WS-Addressing only the contract knows.
        let two_way = !self.binding.addressed || !opened.addressing.message_id.is_empty();
        Ok((opened, if two_way { due } else { Due::Acceptance }))
    }

    /// Seals the application's reply into `out`. Returns its length and its HTTP status: 200, or 500 for a fault.
    ///
    /// # Errors
    /// [`SealError`]: too little room, or the reply is not well-formed. Nothing has changed. What is owed no reply gets
    /// [`SealError::NotOwed`].
    pub fn seal_reply<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        owed: &Owed,
        reply: &impl Outgoing,
        out: &mut [u8],
    ) -> Result<(usize, u16), SealError> {
        let headers = self.headers(owed, reply);
        let message = SessionMessage { headers: &headers, body: reply.body(), encrypt_body: true };
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let answer = Answering { binding: &self.binding, order: self.binding.order, wall: self.wall.at(now), message };
        let len = match &owed.due {
            Due::Reply(key) => seal_answer::<B>(&answer, key, &mut ids, &mut entropy, out)?,
            Due::CertifiedReply(recipient) => {
                seal_certified_answer::<B, C>(&answer, credentials, recipient, &mut ids, &mut entropy, out)?
            }
            Due::Acceptance | Due::Fault(_) | Due::BadRequest => return Err(SealError::NotOwed),
        };
        (self.ids, self.entropy) = (ids, entropy);
        Ok((len, if reply.is_fault() { 500 } else { 200 }))
    }

    /// Writes what is owed without the application: a fault (500), the acceptance of a one-way message (202, empty), or
    /// nothing that SOAP could say (400, empty). Returns its length and its HTTP status.
    ///
    /// # Errors
    /// [`SealError::Grow`]: too little room. What is owed a reply gets [`SealError::NotOwed`].
    pub fn write_answer(&self, owed: &Owed, out: &mut [u8]) -> Result<(usize, u16), SealError> {
        match &owed.due {
            Due::Reply(_) | Due::CertifiedReply(_) => Err(SealError::NotOwed),
            Due::Acceptance => Ok((0, 202)),
            Due::BadRequest => Ok((0, 400)),
            Due::Fault(plain) => {
                let binding = &self.binding;
                let fault = plain.fault(binding.version, &owed.action, self.settings.language);
                let relates_to = Some(owed.message_id.as_slice()).filter(|id| !id.is_empty());
                let mut w = Writer::new(out);
                write_fault_envelope(&mut w, binding.soap, binding.one_shot_addressing(), relates_to, &fault);
                Ok((w.finish()?, 500))
            }
        }
    }

    /// The header blocks of a reply. It says To unless that is anonymous; 2004/08 says it even then.
    fn headers<'h>(&self, owed: &'h Owed, reply: &'h impl Outgoing) -> Vec<HeaderBlock<'h>, 4> {
        let block = reply.not_understood().map(HeaderBlock::NotUnderstood);
        let Some(addressing) = self.binding.one_shot_addressing() else { return block.into_iter().collect() };
        let anonymous = addressing.anonymous().as_bytes();
        let to = if owed.reply_to.is_empty() { anonymous } else { &owed.reply_to };
        let said = addressing == AddressingVersion::August2004 || to != anonymous;
        let blocks = [
            Some(HeaderBlock::Action(reply.action())),
            block,
            Some(HeaderBlock::RelatesTo(&owed.message_id)),
            said.then_some(HeaderBlock::To(to)),
        ];
        blocks.into_iter().flatten().collect()
    }
}

/// The DER of the certificate that a client signed with, for the answer.
pub(super) fn certificate(text: &[u8]) -> Result<Vec<u8, LONGEST_CERTIFICATE>, Refusal> {
    let element = Element::BinarySecurityToken;
    let too_long = Refusal::TooMany { element, limit: LONGEST_CERTIFICATE as u16 };
    let mut der = Vec::new();
    der.resize(LONGEST_CERTIFICATE, 0).map_err(|_| too_long)?;
    let len = base64::decode(text, &mut der).map_err(|_| too_long)?;
    der.truncate(len);
    Ok(der)
}

/// No keys are agreed before a message.
struct NoKeys<'d, B> {
    decoy: &'d SecretKey,
    len: usize,
    backend: PhantomData<B>,
}

impl<B: Backend> Keyring for NoKeys<'_, B> {
    fn security_context(&self, _: &[u8], _: Option<&[u8]>) -> Option<SecretKey> {
        None
    }

    fn encrypted_key(&self, _: &[u8; 20]) -> Option<SecretKey> {
        None
    }

    fn decoy(&self, sha1: &[u8; 20]) -> SecretKey {
        decoy_key::<B>(self.decoy, self.len, sha1)
    }
}
