//! The client's side of one-shot message security: every message is protected by the bootstrap itself, and there is no
//! session (`establishSecurityContext` off).

use super::binding::Binding;
use super::bootstrap::{RequestProtection, Signs};
use super::confirmation::SentSignatures;
use super::conversation::{Failure, Misuse, UrnUuid, unsecured_fault};
use super::emit::{Id, UniqueId, UniqueIds};
use super::exchange::{Exchange, Outgoing, UserCredential};
use super::initiator_receive::Received;
use super::keyring::Keyring;
use super::open::open;
use super::opened::{OpenContext, Opened, ProtectionToken};
use super::protection::{OutgoingMessage, Protection, UsernameToken};
use super::replay::ReplayTable;
use super::seal::seal;
use super::{Confirmations, Credentials, Encryption, Refusal};
use crate::chance::{Chance, Entropy, Uuid};
use crate::crypto::{Backend, RustCrypto, SecretKey};
use crate::soap::HeaderBlock;
use crate::time::{Instant, Wall};
use core::marker::PhantomData;
use heapless::Vec;

/// A request that waits for its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Waiting {
    exchange: Exchange,
    two_way: bool,
    message_id: UrnUuid,
    /// The key of the answer and the SHA-1 that names it; none where certificates or the transport protect it.
    key: Option<([u8; 20], SecretKey)>,
    signatures: SentSignatures,
}

/// The client's side of one-shot message security.
///
/// ```text
///   seal_request(..)   -> the message, and the exchange to send it by
///   open_reply(..)     -> Reply, Accepted (a one-way message was taken) or Failed
/// ```
///
/// `WAITING` bounds the requests that wait for their answers, `REPLAY` (a power of two) the signatures of answers that are
/// remembered: a copy of one of these is known as a replay; a copy of an older one answers no request that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OneShotClient<E = Chance, const WAITING: usize = 8, const REPLAY: usize = 1024, B = RustCrypto> {
    binding: Binding,
    to: Vec<u8, 256>,
    /// Empty: anonymous.
    reply_to: Vec<u8, 256>,
    user: Option<UserCredential>,
    /// The user's token is one and the same in every message, as WCF's is.
    user_id: UniqueId,
    wall: Wall,
    entropy: E,
    ids: UniqueIds,
    token_ids: UniqueIds,
    waiting: Vec<Waiting, WAITING>,
    next_exchange: u32,
    replay: ReplayTable<REPLAY>,
    backend: PhantomData<B>,
}

impl<E: Entropy + Clone, const WAITING: usize, const REPLAY: usize, B: Backend> OneShotClient<E, WAITING, REPLAY, B> {
    /// A client of the service at `to`.
    ///
    /// # Errors
    /// [`Misuse::AddressTooLong`] over 256 bytes; [`Misuse::NoUser`] where the binding wants a user and there is none.
    pub fn new(
        binding: Binding,
        to: &str,
        user: Option<UserCredential>,
        wall: Wall,
        mut entropy: E,
    ) -> Result<Self, Misuse> {
        if binding.bootstrap.user_name() && user.is_none() {
            return Err(Misuse::NoUser);
        }
        let ids = UniqueIds::new(Uuid::random(&mut entropy), 1);
        let mut token_ids = UniqueIds::new(Uuid::random(&mut entropy), 1);
        Ok(Self {
            to: Vec::from_slice(to.as_bytes()).map_err(|_| Misuse::AddressTooLong)?,
            reply_to: Vec::new(),
            binding,
            user,
            user_id: token_ids.next_id(),
            wall,
            entropy,
            ids,
            token_ids,
            waiting: Vec::new(),
            next_exchange: 1,
            replay: ReplayTable::default(),
            backend: PhantomData,
        })
    }

    /// The binding.
    pub const fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The service's address.
    pub fn to(&self) -> &[u8] {
        &self.to
    }

    /// Where answers are wanted, if not in the exchange of their requests.
    ///
    /// # Errors
    /// [`Misuse::AddressTooLong`] over 256 bytes.
    pub fn set_reply_to(&mut self, address: &str) -> Result<(), Misuse> {
        self.reply_to = Vec::from_slice(address.as_bytes()).map_err(|_| Misuse::AddressTooLong)?;
        Ok(())
    }

    /// The calendar clock was set: where it stands now at the driver's zero.
    pub const fn set_wall(&mut self, wall: Wall) {
        self.wall = wall;
    }

    /// Counts Ids on from `ids`, as [`Initiator::continue_ids`](super::Initiator::continue_ids) does.
    pub const fn continue_ids(&mut self, ids: UniqueIds) {
        self.ids = ids;
    }

    /// The same for the Ids of the client's own tokens, which WCF numbers in a row of their own.
    pub fn continue_user_ids(&mut self, ids: UniqueIds) {
        // A client has a user or a certificate, never both.
        self.user_id = ids.clone().next_id();
        self.token_ids = ids;
    }

    /// How many requests wait for their answers.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Seals `request` into `out`. Returns the exchange to send it by, and its length. Every exchange ends with
    /// [`open_reply`](Self::open_reply) or [`exchange_failed`](Self::exchange_failed).
    ///
    /// # Errors
    /// [`Failure`]: too many wait, the message is not well-formed, the credentials cannot make a key, or too little room.
    /// Nothing has changed.
    pub fn seal_request<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        request: &impl Outgoing,
        out: &mut [u8],
    ) -> Result<(Exchange, usize), Failure> {
        if self.waiting.is_full() {
            return Err(Failure::TooManyCalls { limit: u16::try_from(WAITING).unwrap_or(u16::MAX) });
        }
        let (mut ids, mut token_ids, mut entropy) = (self.ids.clone(), self.token_ids.clone(), self.entropy.clone());
        let binding = &self.binding;
        let key = RequestProtection::fresh::<B, C>(binding, credentials, &mut ids, &mut entropy)?;
        let signer = Signs(credentials);
        let certificate = signer.endorsing(binding, &mut token_ids)?;
        let (token, keys) = key.token(binding, &signer, &mut token_ids)?;
        let user = self.user.as_ref().filter(|_| binding.bootstrap.user_name());
        let username = user.map(|user| UsernameToken {
            id: Id::Unique(self.user_id),
            name: &user.name,
            password: core::str::from_utf8(user.password.as_bytes()).unwrap_or(""),
        });
        let protection = Protection {
            suite: binding.suite,
            version: binding.version,
            order: binding.order,
            bsp: binding.bsp,
            timestamp: binding.timestamp(self.wall.at(now), &mut ids),
            token,
            keys,
            username,
            certificate,
            endorsing: None,
            confirmations: &[],
        };
        let message_id = UrnUuid::fresh(&mut entropy);
        let sealed = {
            let headers = self.headers(request.action(), request.two_way().then_some(&message_id));
            let (soap, addressing, body) = (binding.soap, binding.addressing, request.body());
            let message = OutgoingMessage { soap, addressing, headers: &headers, body, encrypt_body: true };
            seal::<B>(&message, &protection, &binding.limits, &mut entropy, out)?
        };
        let exchange = Exchange(self.next_exchange);
        let waiting = Waiting {
            exchange,
            two_way: request.two_way(),
            message_id,
            key: key.wrapped().map(|wrapped| (*wrapped.sha1(), wrapped.key.clone())),
            signatures: SentSignatures::from(&sealed),
        };
        // Room was seen above.
        let _ = self.waiting.push(waiting);
        self.next_exchange = self.next_exchange.wrapping_add(1);
        (self.ids, self.token_ids, self.entropy) = (ids, token_ids, entropy);
        Ok((exchange, sealed.len))
    }

    /// Takes the answer of `exchange` in; it is decrypted in place. An empty `message` is HTTP's 202.
    ///
    /// # Errors
    /// A [`Refusal`]: the call has failed, nothing else has changed.
    pub fn open_reply<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Exchange,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<Received, Refusal> {
        let Some(waiting) = self.take(exchange) else { return Ok(Received::Failed(Failure::Unexpected)) };
        if message.is_empty() {
            return Ok(if waiting.two_way { Received::Failed(Failure::NoAnswer) } else { Received::Accepted });
        }
        if let Some(fault) = unsecured_fault(message, &self.binding.limits) {
            return Ok(Received::Failed(Failure::Fault(fault)));
        }
        let opened = self.open(now, credentials, &waiting, message)?;
        // Without WS-Addressing it is the exchange alone that relates an answer to its request.
        let related = opened.addressing.relates_to.of(message) == waiting.message_id.as_bytes();
        if self.binding.addressed && !related {
            return Ok(Received::Failed(Failure::Unexpected));
        }
        // Last: an answer that came to the wrong exchange may still come to the right one.
        self.replay.remember_latest(&opened.signature, self.wall.at(now), now, &self.binding.clock)?;
        Ok(Received::Reply(opened))
    }

    /// An exchange ended without an answer.
    pub fn exchange_failed(&mut self, exchange: Exchange) -> Option<Failure> {
        self.take(exchange).map(|_| Failure::NoAnswer)
    }

    fn open<C: Credentials + ?Sized>(
        &self,
        now: Instant,
        credentials: &C,
        waiting: &Waiting,
        message: &mut [u8],
    ) -> Result<Opened, Refusal> {
        let wall = self.wall.at(now);
        let policy = self.binding.one_shot_policy(true, Encryption::Required);
        let keyring = OneKey(waiting);
        let context = OpenContext {
            policy: &policy,
            limits: &self.binding.limits,
            keyring: &keyring,
            credentials,
            now: Some(wall),
        };
        let opened = open::<B, _, _>(message, &context)?;
        // The keyring knows one key only; this says that it was that.
        let protected = match &opened.token {
            ProtectionToken::EncryptedKey { sha1, .. } => waiting.key.as_ref().is_some_and(|(own, _)| own == sha1),
            // The policy has seen which of the two it has to be.
            ProtectionToken::Transport | ProtectionToken::Certificate { .. } => waiting.key.is_none(),
            ProtectionToken::SecurityContext(_) => false,
        };
        if !protected {
            return Err(Refusal::TokenMismatch);
        }
        if policy.confirmations == Confirmations::Required && !waiting.signatures.confirmed::<B>(message, &opened) {
            return Err(Refusal::Confirmation);
        }
        Ok(opened)
    }

    fn headers<'h>(&'h self, action: &'h [u8], message_id: Option<&'h UrnUuid>) -> Vec<HeaderBlock<'h>, 4> {
        let Some(addressing) = self.binding.one_shot_addressing() else { return Vec::new() };
        let anonymous = addressing.anonymous().as_bytes();
        let reply_to = if self.reply_to.is_empty() { anonymous } else { &self.reply_to };
        let blocks = [
            Some(HeaderBlock::Action(action)),
            message_id.map(|id| HeaderBlock::MessageId(id.as_bytes())),
            message_id.map(|_| HeaderBlock::ReplyTo(reply_to)),
            Some(HeaderBlock::To(&self.to)),
        ];
        blocks.into_iter().flatten().collect()
    }

    fn take(&mut self, exchange: Exchange) -> Option<Waiting> {
        let index = self.waiting.iter().position(|waiting| waiting.exchange == exchange)?;
        Some(self.waiting.swap_remove(index))
    }
}

/// The key of one request, which alone may protect its answer.
struct OneKey<'w>(&'w Waiting);

impl Keyring for OneKey<'_> {
    fn security_context(&self, _: &[u8], _: Option<&[u8]>) -> Option<SecretKey> {
        None
    }

    fn encrypted_key(&self, sha1: &[u8; 20]) -> Option<SecretKey> {
        self.0.key.as_ref().filter(|(own, _)| own == sha1).map(|(_, key)| key.clone())
    }

    fn decoy(&self, _: &[u8; 20]) -> SecretKey {
        // Nobody wraps keys for a client; without a private key there is nothing that a decoy would hide.
        SecretKey::default()
    }
}
