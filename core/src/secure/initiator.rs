//! The client's side of a secure conversation: opens it, calls through it, renews its key, cancels it.
//!
//! ```text
//!   open()                         poll -> Transmit(RST/SCT)          receive(RSTR/SCT) -> Established
//!   call(..)                       poll -> Transmit(request)          receive(reply)    -> Reply
//!   (the key grows old)            poll -> Transmit(RST/SCT/Renew)    receive(RSTR/..)  -> Renewed
//!   close()                        poll -> Transmit(RST/SCT/Cancel)   receive(RSTR/..)  -> Closed
//! ```
//!
//! What is to be sent is computed when [`poll`](Initiator::poll) asks; nothing is queued but the calls that the caller
//! handed over. A refusal changes nothing.

use super::binding::{Binding, Bootstrap, InitiatorSettings};
use super::client_token::{ClientToken, ClientTokens, Wrapped};
use super::conversation::{
    Failure, FaultSeen, Misuse, UrnUuid, body_fault, session_key, signature_value, unsecured_fault, with_response,
};
use super::emit::{Id, IdText, UniqueIds};
use super::open::{OpenContext, Opened, ProtectionToken, open};
use super::phase::{InitiatorEvent, InitiatorPhase};
use super::replay::ReplayTable;
use super::seal::{
    EndorsingToken, OutgoingMessage, Protection, SealError, SigningToken, Timestamp, UsernameToken, seal,
};
use super::session_keys::{Derived, KeyPair};
use super::trust::{RequestedKey, write_cancel, write_issue, write_renew};
use super::{Confirmations, Credentials, Encryption, Refusal, SignatureValue};
use crate::chance::{Chance, Entropy, Uuid};
use crate::crypto::{Backend, RustCrypto, SecretKey};
use crate::soap::fault::KnownFault;
use crate::soap::{HeaderBlock, RequestType, names};
use crate::time::{Instant, UnixMillis, Wall};
use crate::xml::{Grow, Limits, Reader, Writer};
use core::marker::PhantomData;
use heapless::Vec;

/// A request that the application hands over. It stays the caller's: the core reads it once, when it seals.
pub trait Outgoing {
    /// The action URI.
    fn action(&self) -> &[u8];
    /// The body's content: XML that declares the prefixes it uses.
    fn body(&self) -> &[u8];
    /// Does it expect a reply? A one-way message has no MessageID and no ReplyTo.
    fn two_way(&self) -> bool {
        true
    }
    /// Is it a SOAP fault? HTTP carries faults with status 500.
    fn is_fault(&self) -> bool {
        false
    }
}

/// The number of one HTTP exchange (request and answer), unique for the life of a machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Exchange(pub u32);

/// What the client's machine wants done.
#[derive(Debug)]
#[must_use = "an action that is not carried out is lost"]
pub enum InitiatorAction<'o> {
    /// Open an exchange and send these bytes.
    Transmit {
        /// The exchange to open; its answer goes to [`Initiator::receive`] with the same number.
        exchange: Exchange,
        /// The action, for SOAP 1.1's `SOAPAction` header.
        action: &'o [u8],
        /// The message.
        message: &'o [u8],
    },
    /// The buffer is too small; nothing has changed.
    Grow(Grow),
    /// Nothing to do until something is told.
    Wait,
}

/// What a received answer was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// The conversation is open: calls go out.
    Established,
    /// The key was renewed.
    Renewed,
    /// The service confirmed the cancellation.
    Closed,
    /// A reply to a call, in the message that was received. It may be a fault of the application.
    Reply(Opened),
    /// A one-way message was accepted.
    Accepted,
    /// The call or the conversation failed.
    Failed(Failure),
}

/// A call that was handed over.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Call<P> {
    exchange: Exchange,
    /// The request, until it is sent.
    request: Option<P>,
    two_way: bool,
    message_id: UrnUuid,
}

/// A trust exchange that is under way.
#[derive(Clone, PartialEq, Eq, Debug)]
struct TrustExchange {
    exchange: Exchange,
    request: RequestType,
    message_id: UrnUuid,
    entropy: SecretKey,
    wrapped: Option<Wrapped>,
    signature: SignatureValue,
    endorsing: Option<SignatureValue>,
}

/// A name and a password, kept for the bootstrap of issue and renewal.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCredential {
    name: heapless::String<128>,
    password: SecretKey,
}

impl UserCredential {
    /// `None` if the name is longer than 128 or the password longer than 64 bytes.
    pub fn new(name: &str, password: &str) -> Option<Self> {
        Some(Self { name: heapless::String::try_from(name).ok()?, password: SecretKey::new(password.as_bytes())? })
    }
}

impl core::fmt::Debug for UserCredential {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("UserCredential").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The client's side of one secure conversation.
///
/// `CALLS` bounds the calls under way, `REPLAY` (a power of two) the replies accepted within the replay window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Initiator<P, E = Chance, const CALLS: usize = 8, const REPLAY: usize = 1024, B = RustCrypto> {
    binding: Binding,
    settings: InitiatorSettings,
    to: Vec<u8, 256>,
    user: Option<UserCredential>,
    wall: Wall,
    entropy: E,
    ids: UniqueIds,
    user_ids: UniqueIds,
    phase: InitiatorPhase,
    tokens: ClientTokens,
    trust: Option<TrustExchange>,
    calls: Vec<Call<P>, CALLS>,
    next_exchange: u32,
    renew_now: bool,
    replay: ReplayTable<REPLAY>,
    backend: PhantomData<B>,
}

impl<P: Outgoing, E: Entropy + Clone, const CALLS: usize, const REPLAY: usize, B: Backend>
    Initiator<P, E, CALLS, REPLAY, B>
{
    /// A client of the service at `to`. Nothing happens until [`open`](Self::open).
    ///
    /// # Errors
    /// [`Misuse::AddressTooLong`] over 256 bytes; [`Misuse::NoUser`] where the bootstrap wants a user and has none.
    pub fn new(
        binding: Binding,
        settings: InitiatorSettings,
        to: &str,
        user: Option<UserCredential>,
        wall: Wall,
        mut entropy: E,
    ) -> Result<Self, Misuse> {
        if binding.bootstrap == Bootstrap::UserNameForCertificate && user.is_none() {
            return Err(Misuse::NoUser);
        }
        let ids = UniqueIds::new(Uuid::random(&mut entropy), 1);
        let user_ids = UniqueIds::new(Uuid::random(&mut entropy), 1);
        Ok(Self {
            to: Vec::from_slice(to.as_bytes()).map_err(|_| Misuse::AddressTooLong)?,
            binding,
            settings,
            user,
            wall,
            entropy,
            ids,
            user_ids,
            phase: InitiatorPhase::Created,
            tokens: ClientTokens::default(),
            trust: None,
            calls: Vec::new(),
            next_exchange: 1,
            renew_now: false,
            replay: ReplayTable::default(),
            backend: PhantomData,
        })
    }

    /// Opens the conversation: the next [`poll`](Self::poll) asks for a token.
    ///
    /// # Errors
    /// [`Misuse::Phase`] unless it was just made.
    pub fn open(&mut self) -> Result<(), Misuse> {
        self.step(InitiatorEvent::Open)
    }

    /// Hands over a request. It goes out once the conversation is open and its key is fresh.
    ///
    /// # Errors
    /// The request comes back with [`Misuse::Phase`] after close or fault, [`Misuse::TooManyCalls`] when `CALLS` are
    /// under way.
    pub fn call(&mut self, request: P) -> Result<Exchange, (P, Misuse)> {
        use InitiatorPhase as Phase;
        match self.phase {
            Phase::Issuing | Phase::Opened | Phase::Renewing => {}
            Phase::Created | Phase::Closing | Phase::Closed | Phase::Faulted => {
                return Err((request, Misuse::Phase(self.phase)));
            }
        }
        if self.calls.is_full() {
            return Err((request, Misuse::TooManyCalls { limit: u16::try_from(CALLS).unwrap_or(u16::MAX) }));
        }
        let exchange = self.exchange();
        let two_way = request.two_way();
        let message_id = UrnUuid::default();
        // Room was seen above.
        let _ = self.calls.push(Call { exchange, request: Some(request), two_way, message_id });
        Ok(exchange)
    }

    /// Closes: calls not sent yet are dropped, and the next [`poll`](Self::poll) cancels the token.
    ///
    /// # Errors
    /// [`Misuse::Phase`] after a fault.
    pub fn close(&mut self) -> Result<(), Misuse> {
        self.step(InitiatorEvent::Close)?;
        self.calls.clear();
        if self.trust.as_ref().is_some_and(|trust| trust.request != RequestType::Cancel) {
            self.trust = None;
        }
        Ok(())
    }

    /// Gives up at once: nothing is sent (WCF's client sends nothing either).
    pub fn abort(&mut self) {
        let _ = self.step(InitiatorEvent::Abort);
        self.end();
    }

    /// An exchange ended without an answer: connection lost, timed out, or an empty error.
    ///
    /// As WCF's client: without a token it is a fault, during a cancellation the end; a lost call is only that call's
    /// failure.
    pub fn exchange_failed(&mut self, exchange: Exchange) -> Option<Failure> {
        if self.trust.as_ref().is_some_and(|trust| trust.exchange == exchange) {
            let closing = self.phase == InitiatorPhase::Closing;
            self.trust = None;
            self.fault();
            return Some(if closing { Failure::CloseUnconfirmed } else { Failure::NoAnswer });
        }
        self.take_call(exchange).map(|_| Failure::NoAnswer)
    }

    /// The calendar clock was set: where it stands now at the driver's zero.
    pub const fn set_wall(&mut self, wall: Wall) {
        self.wall = wall;
    }

    /// The state.
    pub const fn phase(&self) -> InitiatorPhase {
        self.phase
    }

    /// The conversation's identifier (`urn:uuid:...`), once it is open.
    pub fn identifier(&self) -> Option<&[u8]> {
        self.tokens.current().map(ClientToken::identifier)
    }

    /// The current key's instance, after a renewal.
    pub fn instance(&self) -> Option<&[u8]> {
        self.tokens.current().and_then(ClientToken::instance)
    }

    /// How many calls are under way or wait to be sent.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Asks what to do at `now`. The order of wants: a trust request, then calls, then waiting.
    ///
    /// # Errors
    /// [`Failure`]: the message to send is not well-formed, or the credentials cannot make a key; the call (or the
    /// conversation) has then failed.
    pub fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        out: &'o mut [u8],
    ) -> Result<InitiatorAction<'o>, Failure> {
        let wall = self.wall.at(now);
        let queued = self.calls.iter().any(|call| call.request.is_some());
        if self.phase == InitiatorPhase::Opened && queued && self.renewal_due(wall) {
            if !self.settings.can_renew {
                self.fault();
                return Err(Failure::KeyExpired);
            }
            let _ = self.step(InitiatorEvent::RenewDue);
        }
        let wanted = match self.phase {
            InitiatorPhase::Issuing => Some(RequestType::Issue),
            InitiatorPhase::Renewing => Some(RequestType::Renew),
            InitiatorPhase::Closing => Some(RequestType::Cancel),
            InitiatorPhase::Created | InitiatorPhase::Opened | InitiatorPhase::Closed | InitiatorPhase::Faulted => None,
        };
        if let (Some(request), None) = (wanted, &self.trust) {
            let sent = match request {
                RequestType::Issue | RequestType::Renew => self.request_token(request, wall, credentials, out),
                RequestType::Cancel => self.cancel(wall, out),
            };
            return self.transmit(sent, out);
        }
        if self.phase == InitiatorPhase::Opened && queued {
            let sent = self.send_call(wall, out);
            return self.transmit(sent, out);
        }
        Ok(InitiatorAction::Wait)
    }

    /// Takes the answer of `exchange` in; it is decrypted in place.
    ///
    /// An empty `message` is HTTP's 202.
    ///
    /// # Errors
    /// A [`Refusal`] changes nothing but the call that it answers: that call has failed.
    pub fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Exchange,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<Received, Refusal> {
        let wall = self.wall.at(now);
        if self.trust.as_ref().is_some_and(|trust| trust.exchange == exchange) {
            return Ok(match self.receive_trust(now, credentials, message) {
                Ok(received) => received,
                Err(failure) => {
                    self.trust = None;
                    self.fault();
                    Received::Failed(failure)
                }
            });
        }
        let Some(call) = self.take_call(exchange) else { return Ok(Received::Failed(Failure::Unexpected)) };
        if message.is_empty() {
            return Ok(if call.two_way { Received::Failed(Failure::NoAnswer) } else { Received::Accepted });
        }
        if let Some(fault) = unsecured_fault(message, &self.binding.limits) {
            if fault.ends_session(self.binding.version) {
                self.fault();
            }
            return Ok(Received::Failed(Failure::Fault(fault)));
        }
        self.tokens.forget_old(now, self.settings.key_rollover_interval);
        let policy = self.binding.session_policy(Encryption::Required);
        let opened = self.open_reply(wall, credentials, message, &policy)?;
        if opened.addressing.relates_to.of(message) != call.message_id.as_bytes() {
            return Ok(Received::Failed(Failure::Unexpected));
        }
        let action = opened.addressing.action.of(message);
        if (action == names::SECURE_CONVERSATION_FAULT_ACTION.as_bytes()
            || action == names::DISPATCHER_FAULT_ACTION.as_bytes())
            && let Some(fault) = body_fault(message, &opened, &self.binding.limits)
        {
            return Ok(self.session_fault(fault, opened));
        }
        Ok(Received::Reply(opened))
    }

    fn session_fault(&mut self, fault: FaultSeen, opened: Opened) -> Received {
        match fault.known {
            Some(KnownFault::RenewNeeded) => {
                self.renew_now = true;
                Received::Failed(Failure::Fault(fault))
            }
            Some(KnownFault::SecuritySessionAborted | KnownFault::InternalServiceFault) => {
                // A sessionful client channel faults at once on InternalServiceFault.
                self.fault();
                Received::Failed(Failure::Fault(fault))
            }
            _ => Received::Reply(opened),
        }
    }

    fn open_reply<C: Credentials + ?Sized>(
        &mut self,
        wall: UnixMillis,
        credentials: &C,
        message: &mut [u8],
        policy: &super::Policy,
    ) -> Result<Opened, Refusal> {
        let keyring = self.tokens.keyring(self.trust.as_ref().and_then(|trust| trust.wrapped.as_ref()));
        let context =
            OpenContext { policy, limits: &self.binding.limits, keyring: &keyring, credentials, now: Some(wall) };
        let opened = open::<B, _, _>(message, &context)?;
        self.replay.remember(&opened.signature, wall, &self.binding.clock)?;
        Ok(opened)
    }

    fn receive_trust<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<Received, Failure> {
        let wall = self.wall.at(now);
        if message.is_empty() {
            return Err(Failure::NoAnswer);
        }
        if let Some(fault) = unsecured_fault(message, &self.binding.limits) {
            return Err(Failure::Fault(fault));
        }
        let Some(trust) = self.trust.clone() else { return Err(Failure::Unexpected) };
        let policy = match trust.request {
            RequestType::Issue => self.binding.bootstrap_policy(true, false),
            RequestType::Renew => self.binding.bootstrap_policy(true, true),
            RequestType::Cancel => {
                super::Policy { underived_keys: true, ..self.binding.session_policy(Encryption::None) }
            }
        };
        let opened = self.open_reply(wall, credentials, message, &policy).map_err(Failure::Refused)?;
        if opened.addressing.relates_to.of(message) != trust.message_id.as_bytes() {
            return Err(Failure::Unexpected);
        }
        if policy.confirmations == Confirmations::Required && !confirmed(message, &opened, &trust) {
            return Err(Failure::Refused(Refusal::Confirmation));
        }
        let version = self.binding.version.trust();
        if opened.addressing.action.of(message) != version.response_action(trust.request).as_bytes() {
            let fault = body_fault(message, &opened, &self.binding.limits);
            return Err(fault.map_or(Failure::Unexpected, Failure::Fault));
        }
        let protected_by_wrapped = matches!(opened.token, ProtectionToken::EncryptedKey { .. });
        if protected_by_wrapped == (trust.request == RequestType::Cancel) {
            return Err(Failure::Refused(Refusal::TokenMismatch));
        }
        if trust.request == RequestType::Cancel {
            with_response(message, &opened, &self.binding.limits, |response| {
                if response.cancelled { Ok(()) } else { Err(Failure::Unexpected) }
            })?;
            self.trust = None;
            let _ = self.step(InitiatorEvent::Cancelled);
            self.end();
            return Ok(Received::Closed);
        }
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let token = with_response(message, &opened, &self.binding.limits, |response| {
            let key = session_key::<B>(response, &trust.entropy, &self.binding)?;
            ClientToken::new::<B>(response, message, key, &self.binding, &mut ids, &mut entropy)
        })?;
        if trust.request == RequestType::Renew && self.identifier() != Some(token.identifier()) {
            return Err(Failure::Unexpected);
        }
        (self.ids, self.entropy) = (ids, entropy);
        self.tokens.replace(token, now);
        self.trust = None;
        self.renew_now = false;
        let _ = self.step(InitiatorEvent::Token);
        Ok(if trust.request == RequestType::Issue { Received::Established } else { Received::Renewed })
    }

    /// RST/SCT or RST/SCT/Renew: under the bootstrap, with a key wrapped for the service.
    fn request_token<C: Credentials + ?Sized>(
        &mut self,
        request: RequestType,
        wall: UnixMillis,
        credentials: &C,
        out: &mut [u8],
    ) -> Result<Sent, Failure> {
        let (mut ids, mut user_ids, mut entropy) = (self.ids.clone(), self.user_ids.clone(), self.entropy.clone());
        let key_len = self.binding.key_len();
        let mut secret = SecretKey::zeroed(key_len).ok_or(Failure::Unexpected)?;
        entropy.fill(secret.as_mut_bytes());
        let secret_id = IdText::of(Id::Unique(ids.next_id()));
        let mut body = [0u8; 2048];
        let mut w = Writer::new(&mut body);
        let bits = self.binding.suite.default_key_bits();
        let version = self.binding.version.trust();
        let own = (self.binding.entropy != super::KeyEntropyMode::Server).then(|| secret.as_bytes());
        let key = RequestedKey { entropy_id: secret_id.as_bytes(), entropy: own, bits };
        match self.tokens.current() {
            Some(token) if request == RequestType::Renew => write_renew(&mut w, version, &key, token.reference()),
            _ => write_issue(&mut w, version, &key),
        }
        let len = w.finish().map_err(|_| Failure::Unexpected)?;
        let content = body.get(..len).unwrap_or(&[]);
        let wrapped = Wrapped::fresh::<B, C>(key_len, self.binding.suite, credentials, &mut entropy)?;
        let key_id = Id::Unique(ids.next_id());
        let pair = KeyPair::fresh::<B>(&wrapped.key, self.binding.suite, &mut entropy);
        let current = self.tokens.current().filter(|_| request == RequestType::Renew);
        let fresh = current
            .filter(|_| self.binding.derived_keys)
            .map(|token| Derived::fresh::<B>(token.key(), self.binding.suite.signature_key_len(), &mut entropy));
        let endorsing = current.map(|token| EndorsingToken {
            element: token.element(),
            id: token.id(),
            derived: fresh.as_ref().map(Derived::key),
            secret: token.key(),
        });
        let user = self.user.as_ref().filter(|_| self.binding.bootstrap == Bootstrap::UserNameForCertificate);
        let timestamp = self.timestamp(Id::Unique(ids.next_id()), wall);
        let username = user.map(|user| UsernameToken {
            id: Id::Unique(user_ids.next_id()),
            name: &user.name,
            password: core::str::from_utf8(user.password.as_bytes()).unwrap_or(""),
        });
        let keys =
            if self.binding.derived_keys { pair.per_message() } else { super::MessageKeys::Underived(&wrapped.key) };
        let protection = Protection {
            order: super::ProtectionOrder::default(),
            timestamp,
            token: SigningToken::NewEncryptedKey {
                id: key_id,
                thumbprint: &wrapped.thumbprint,
                wrapped: wrapped.octets(),
            },
            keys,
            username,
            endorsing,
            ..self.protection(keys)
        };
        let message_id = UrnUuid::fresh(&mut entropy);
        let sealed = self.seal(
            version.request_action(request).as_bytes(),
            Some(&message_id),
            content,
            true,
            &protection,
            &mut entropy,
            out,
        )?;
        let exchange = self.exchange();
        self.trust = Some(TrustExchange {
            exchange,
            request,
            message_id,
            entropy: secret,
            wrapped: Some(wrapped),
            signature: sealed.signature,
            endorsing: sealed.endorsing,
        });
        (self.ids, self.user_ids, self.entropy) = (ids, user_ids, entropy);
        Ok(Sent { exchange, len: sealed.len })
    }

    /// RST/SCT/Cancel: under the session's own token, in clear.
    fn cancel(&mut self, wall: UnixMillis, out: &mut [u8]) -> Result<Sent, Failure> {
        let token = self.tokens.current().ok_or(Failure::Unexpected)?;
        let mut body = [0u8; 1024];
        let mut w = Writer::new(&mut body);
        write_cancel(&mut w, self.binding.version.trust(), token.reference());
        let len = w.finish().map_err(|_| Failure::Unexpected)?;
        let content = body.get(..len).unwrap_or(&[]);
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let timestamp = self.timestamp(Id::Unique(ids.next_id()), wall);
        let protection = Protection { timestamp, ..self.session_protection(token) };
        let message_id = UrnUuid::fresh(&mut entropy);
        let action = self.binding.version.trust().request_action(RequestType::Cancel);
        let sealed = self.seal(action.as_bytes(), Some(&message_id), content, false, &protection, &mut entropy, out)?;
        let exchange = self.exchange();
        self.trust = Some(TrustExchange {
            exchange,
            request: RequestType::Cancel,
            message_id,
            entropy: SecretKey::default(),
            wrapped: None,
            signature: sealed.signature,
            endorsing: None,
        });
        (self.ids, self.entropy) = (ids, entropy);
        Ok(Sent { exchange, len: sealed.len })
    }

    fn send_call(&mut self, wall: UnixMillis, out: &mut [u8]) -> Result<Sent, Failure> {
        let token = self.tokens.current().ok_or(Failure::Unexpected)?;
        let index = self.calls.iter().position(|call| call.request.is_some()).ok_or(Failure::Unexpected)?;
        let call = self.calls.get(index).ok_or(Failure::Unexpected)?;
        let request = call.request.as_ref().ok_or(Failure::Unexpected)?;
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let timestamp = self.timestamp(Id::Unique(ids.next_id()), wall);
        let protection = Protection { timestamp, ..self.session_protection(token) };
        let message_id = UrnUuid::fresh(&mut entropy);
        let id = call.two_way.then_some(&message_id);
        let sealed = self.seal(request.action(), id, request.body(), true, &protection, &mut entropy, out);
        let exchange = call.exchange;
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(Failure::Room(grow)) => return Err(Failure::Room(grow)),
            Err(failure) => {
                // The message itself is at fault: it would be so for ever.
                let _ = self.take_call(exchange);
                return Err(failure);
            }
        };
        if let Some(call) = self.calls.get_mut(index) {
            call.request = None;
            call.message_id = message_id;
        }
        (self.ids, self.entropy) = (ids, entropy);
        Ok(Sent { exchange, len: sealed.len })
    }

    #[allow(clippy::too_many_arguments, reason = "one private call site per kind of message")]
    fn seal(
        &self,
        action: &[u8],
        message_id: Option<&UrnUuid>,
        body: &[u8],
        encrypt_body: bool,
        protection: &Protection<'_>,
        entropy: &mut dyn Entropy,
        out: &mut [u8],
    ) -> Result<SealedRequest, Failure> {
        let anonymous = self.binding.addressing.anonymous().as_bytes();
        let two_way;
        let one_way;
        let headers: &[HeaderBlock<'_>] = if let Some(id) = message_id {
            two_way = [
                HeaderBlock::Action(action),
                HeaderBlock::MessageId(id.as_bytes()),
                HeaderBlock::ReplyTo(anonymous),
                HeaderBlock::To(&self.to),
            ];
            &two_way
        } else {
            one_way = [HeaderBlock::Action(action), HeaderBlock::To(&self.to)];
            &one_way
        };
        let message = OutgoingMessage {
            soap: self.binding.soap,
            addressing: self.binding.addressing,
            headers,
            body,
            encrypt_body,
        };
        let sealed =
            seal::<B>(&message, protection, &self.binding.limits, entropy, out).map_err(|error| match error {
                SealError::Grow(grow) => Failure::Room(grow),
                SealError::Xml(_) | SealError::TooMany | SealError::KeyLength => Failure::Unsendable(error),
            })?;
        Ok(SealedRequest { len: sealed.len, signature: sealed.signature, endorsing: sealed.endorsing_signature })
    }

    fn protection<'k>(&self, keys: super::MessageKeys<'k>) -> Protection<'k> {
        Protection {
            suite: self.binding.suite,
            version: self.binding.version,
            order: self.binding.order,
            bsp: self.binding.bsp,
            timestamp: self.timestamp(Id::Local(0), UnixMillis(0)),
            token: SigningToken::ExternalContext { identifier: b"", instance: None },
            keys,
            username: None,
            endorsing: None,
            confirmations: &[],
        }
    }

    fn session_protection<'k>(&self, token: &'k ClientToken) -> Protection<'k> {
        let keys = token.keys(self.binding.derived_keys);
        Protection {
            token: SigningToken::SecurityContext { element: token.element(), id: token.id() },
            ..self.protection(keys)
        }
    }

    fn timestamp(&self, id: Id, created: UnixMillis) -> Timestamp {
        let validity = i64::try_from(self.binding.clock.timestamp_validity.as_millis()).unwrap_or(i64::MAX);
        Timestamp { id, created, expires: UnixMillis(created.0.saturating_add(validity)) }
    }

    fn renewal_due(&self, wall: UnixMillis) -> bool {
        self.renew_now || self.tokens.current().is_some_and(|token| token.renewal_due(wall, &self.settings))
    }

    fn transmit<'o>(&mut self, sent: Result<Sent, Failure>, out: &'o [u8]) -> Result<InitiatorAction<'o>, Failure> {
        match sent {
            Ok(Sent { exchange, len }) => {
                let message = out.get(..len).unwrap_or(&[]);
                Ok(InitiatorAction::Transmit { exchange, action: action_of(message), message })
            }
            Err(Failure::Room(grow)) => Ok(InitiatorAction::Grow(grow)),
            Err(failure) => {
                // A trust request that cannot be made now never can.
                if self.phase != InitiatorPhase::Opened {
                    self.fault();
                }
                Err(failure)
            }
        }
    }

    const fn exchange(&mut self) -> Exchange {
        let exchange = Exchange(self.next_exchange);
        self.next_exchange = self.next_exchange.wrapping_add(1);
        exchange
    }

    fn take_call(&mut self, exchange: Exchange) -> Option<Call<P>> {
        let index = self.calls.iter().position(|call| call.exchange == exchange)?;
        Some(self.calls.remove(index))
    }

    fn step(&mut self, event: InitiatorEvent) -> Result<(), Misuse> {
        self.phase = self.phase.next(event).ok_or(Misuse::Phase(self.phase))?;
        Ok(())
    }

    fn fault(&mut self) {
        let _ = self.step(InitiatorEvent::Fault);
        self.end();
    }

    /// Forgets keys and calls once the conversation is over.
    fn end(&mut self) {
        if matches!(self.phase, InitiatorPhase::Closed | InitiatorPhase::Faulted) {
            self.tokens = ClientTokens::default();
            self.trust = None;
            self.calls.clear();
        }
    }
}

struct Sent {
    exchange: Exchange,
    len: usize,
}

struct SealedRequest {
    len: usize,
    signature: SignatureValue,
    endorsing: Option<SignatureValue>,
}

/// The action of a message that this side wrote.
fn action_of(message: &[u8]) -> &[u8] {
    let text = |message| -> Option<&[u8]> {
        let mut reader = Reader::document(message, &Limits::MAX).ok()?;
        for _ in 0..3 {
            reader.next_element().ok()??;
        }
        reader.text().ok()?.plain()
    };
    text(message).unwrap_or(&[])
}

/// Does the reply confirm exactly the signatures of the request?
fn confirmed(message: &[u8], opened: &Opened, trust: &TrustExchange) -> bool {
    let wanted = [Some(trust.signature), trust.endorsing];
    let wanted = wanted.iter().flatten();
    let seen = |value: &SignatureValue| {
        opened.confirmations.iter().any(|span| signature_value(span.of(message)) == Some(*value))
    };
    opened.confirmations.len() == wanted.clone().count() && wanted.clone().all(seen)
}
