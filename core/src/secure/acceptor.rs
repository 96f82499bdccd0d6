//! The service's side: many secure conversations with one binding.
//!
//! ```text
//!   receive(RST/SCT)        -> Incoming::Issued     poll -> Answer(RSTR/SCT)
//!   receive(request)        -> Incoming::Request    reply(..)   poll -> Answer(reply)
//!   receive(RST/SCT/Renew)  -> Incoming::Renewed    poll -> Answer(RSTR/SCT/Renew)
//!   receive(RST/SCT/Cancel) -> Incoming::Cancelled  close(..)   poll -> Answer(RSTR/SCT/Cancel)
//!   receive(anything else)  -> Incoming::Refused    poll -> Answer(fault)
//! ```
//!
//! Every table has a capacity, chosen at construction, and a refusal on the wire when it is full.
//!
//! In cookie mode a session is no more than an entry in a cache: see [`Binding::require_cancellation`]. Its number is good for
//! answering the request that it came with, and may be another one next time.

use super::acceptor_certified::CertifiedAnswers;
use super::acceptor_cookie::IssuedCookie;
use super::answer::{Answer, BootstrapFault, BootstrapKey, NewToken, OpenExchange, PlainFault};
use super::binding::{AcceptorSettings, Binding, KeyEntropyMode};
use super::context_name::ContextName;
use super::conversation::{Misuse, UrnUuid, combined_key, octets, trust_request};
use super::emit::UniqueIds;
use super::exchange::{Exchange, Outgoing};
use super::keyring::{Keyring, decoy_key};
use super::open::open;
use super::opened::{OpenContext, Opened, ProtectionToken};
use super::peek::{Peek, peek};
use super::phase::{AcceptorEvent, AcceptorPhase};
use super::renewed::RenewedKeys;
use super::replay::ReplayTable;
use super::server_session::{Generation, KeyUse, Session, SessionId, UserDigest};
use super::{Credentials, Element, Encryption, Policy, Refusal, WireFault};
use crate::chance::{Chance, Entropy, ShardMark, Uuid};
use crate::crypto::{Backend, RustCrypto, SecretKey};
use crate::soap::RequestType;
use crate::time::{Deadline, Instant, UnixMillis, Wall};
use core::fmt::Write;
use core::marker::PhantomData;
use heapless::{String, Vec};

/// Most cookies on their way to their clients; while there are so many, further requests are told that the service is too
/// busy. A driver that asks what to send whenever it has told something needs one.
const MAX_ISSUED: usize = 4;

/// How a request's body must be protected, by its action.
pub(super) type Contract<'c> = &'c dyn Fn(&[u8]) -> Option<Encryption>;

/// Which sessions a layer above still needs, by number and identifier.
pub(super) type Held<'h> = &'h dyn Fn(SessionId, &[u8]) -> bool;

/// What a received request was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// A new session; its token is on its way.
    Issued(SessionId),
    /// A session got a new key, which is on its way.
    Renewed(SessionId),
    /// A request of the application, in the message that was received.
    Request {
        /// Its session.
        session: SessionId,
        /// Does it wait for [`Acceptor::reply`]? A one-way message does not.
        two_way: bool,
        /// The message.
        opened: Opened,
    },
    /// The client cancelled: answered once the service has [closed](Acceptor::close) the session.
    Cancelled(SessionId),
    /// Refused, with the exact reason; the client gets a fault, which says less.
    Refused(Refusal),
}

/// The service's side of the secure conversations of one endpoint.
///
/// `SESSIONS` bounds the sessions, `EXCHANGES` the requests that wait for an answer, `REPLAY` (a power of two) the messages
/// accepted within the replay window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acceptor<
    P,
    E = Chance,
    const SESSIONS: usize = 16,
    const EXCHANGES: usize = 16,
    const REPLAY: usize = 1024,
    B = RustCrypto,
> {
    pub(super) binding: Binding,
    pub(super) settings: AcceptorSettings,
    pub(super) wall: Wall,
    pub(super) entropy: E,
    pub(super) ids: UniqueIds,
    decoy: SecretKey,
    pub(super) sessions: Vec<Session, SESSIONS>,
    renewed: RenewedKeys<SESSIONS>,
    pub(super) exchanges: Vec<OpenExchange<P>, EXCHANGES>,
    replay: ReplayTable<REPLAY>,
    /// Cookies on their way to their clients.
    pub(super) cookies: Vec<IssuedCookie, MAX_ISSUED>,
    /// Answers that the service's certificate has signed, on their way too.
    pub(super) certified: CertifiedAnswers,
    next_session: u32,
    /// Used sessions that a room above has not accepted yet.
    queued: usize,
    pub(super) next_sweep: Deadline,
    pub(super) mark: Option<ShardMark>,
    full: Option<u16>,
    pub(super) backend: PhantomData<B>,
}

impl<P: Outgoing, E: Entropy + Clone, const SESSIONS: usize, const EXCHANGES: usize, const REPLAY: usize, B: Backend>
    Acceptor<P, E, SESSIONS, EXCHANGES, REPLAY, B>
{
    /// A service without sessions.
    pub fn new(binding: Binding, settings: AcceptorSettings, wall: Wall, mut entropy: E) -> Self {
        let ids = UniqueIds::new(Uuid::random(&mut entropy), 1);
        let mut decoy = SecretKey::zeroed(32).unwrap_or_default();
        entropy.fill(decoy.as_mut_bytes());
        Self {
            binding,
            settings,
            wall,
            entropy,
            ids,
            decoy,
            sessions: Vec::new(),
            renewed: RenewedKeys::default(),
            exchanges: Vec::new(),
            replay: ReplayTable::default(),
            cookies: Vec::new(),
            certified: CertifiedAnswers::default(),
            next_session: 1,
            queued: 0,
            next_sweep: Deadline::Never,
            mark: None,
            full: None,
            backend: PhantomData,
        }
    }

    /// How many sessions there are, issued ones that were never used included. In cookie mode: how many tokens are cached.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How many sessions are issued and unused: those that `max_pending_sessions` counts.
    pub fn pending_sessions(&self) -> usize {
        self.sessions.iter().filter(|session| session.is_pending()).count()
    }

    /// What was agreed on.
    pub const fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The settings.
    pub const fn settings(&self) -> &AcceptorSettings {
        &self.settings
    }

    /// How many used sessions wait to be accepted by the room above: `max_pending_sessions` counts them too.
    pub const fn set_queued(&mut self, queued: usize) {
        self.queued = queued;
    }

    /// How many used sessions wait so.
    pub const fn queued(&self) -> usize {
        self.queued
    }

    /// A session's state; `None` once it is gone.
    pub fn phase(&self, session: SessionId) -> Option<AcceptorPhase> {
        self.session(session).map(|session| session.phase)
    }

    /// A session's identifier (`urn:uuid:...`): what a reference to its token has to name, whatever the key's instance.
    pub fn identifier(&self, session: SessionId) -> Option<&[u8]> {
        self.session(session).map(|session| session.identifier.as_bytes())
    }

    /// Is it in cookie mode, so that tokens carry their conversations?
    pub const fn is_stateless(&self) -> bool {
        self.binding.cookie_mode()
    }

    /// Did the same user open both sessions? An anonymous client is nobody, and so the same as nobody.
    pub fn same_user(&self, one: SessionId, other: SessionId) -> bool {
        let nobody = UserDigest::of::<B>("");
        let user = |id| self.session(id).map(Session::user).filter(|user| *user != nobody);
        user(one).is_some_and(|one| Some(one) == user(other))
    }

    /// The calendar clock was set: where it stands now at the driver's zero.
    pub const fn set_wall(&mut self, wall: Wall) {
        self.wall = wall;
    }

    /// Counts Ids on from `ids`: for a process that numbers the Ids of all its endpoints in one row, as WCF does. An endpoint
    /// otherwise draws a prefix of its own and starts with 1.
    pub const fn continue_ids(&mut self, ids: UniqueIds) {
        self.ids = ids;
    }

    /// The identifiers of tokens carry this mark from now on: see [`Door`](crate::door).
    pub fn set_shard(&mut self, mark: ShardMark) {
        self.mark = Some(mark);
    }

    /// Somebody else counts, too: `Some(limit)` refuses every RST/SCT from now on, with the fault and the words with which
    /// `max_pending_sessions` refuses; `None`, as at first, leaves it to this machine's own limits.
    pub const fn set_full(&mut self, full: Option<u16>) {
        self.full = full;
    }

    /// Gives the reply to a request.
    ///
    /// # Errors
    /// The reply comes back with [`Misuse::Unknown`] if no request of this exchange waits for one.
    pub fn reply(&mut self, exchange: Exchange, reply: P) -> Result<(), (P, Misuse)> {
        let waiting = self.exchanges.iter_mut().find(|open| open.exchange == exchange);
        match waiting.and_then(|open| open.application().map(|session| (open, session))) {
            Some((open, session)) => {
                open.answer = Answer::Reply(session, reply);
                Ok(())
            }
            None => Err((reply, Misuse::Unknown)),
        }
    }

    /// A request gets no reply: HTTP's 202.
    pub fn finish(&mut self, exchange: Exchange) {
        let waiting = self.exchanges.iter_mut().find(|open| open.exchange == exchange);
        if let Some(open) = waiting.filter(|open| open.application().is_some()) {
            open.answer = Answer::Accepted;
        }
    }

    /// Refuses a request for its action, which the service's contract has not: what [`AcceptorSettings::contract`] would have
    /// said, by who knows the contract only now. WCF's message security answers it by a fault without protection, and the session
    /// stays what it is. A one-way message may have its 202 already; then nothing more is said. `false`: the transport protects
    /// messages, whose actions are the dispatcher's business alone.
    pub fn refuse_action(&mut self, exchange: Exchange) -> bool {
        if self.binding.bootstrap.over_transport() {
            return false;
        }
        let open = self.exchanges.iter_mut().find(|open| open.exchange == exchange);
        if let Some(open) = open.filter(|open| matches!(open.answer, Answer::Application(_) | Answer::Accepted)) {
            open.answer = Answer::Fault(PlainFault::UnrecognizedAction);
        }
        true
    }

    /// Closes a session: a cancellation that waits is confirmed; without one the session is forgotten, and what still comes
    /// under its token is answered with `BadContextToken`, as WCF's service does over request-reply.
    ///
    /// # Errors
    /// [`Misuse::Unknown`].
    pub fn close(&mut self, session: SessionId) -> Result<(), Misuse> {
        // Once confirmed, the session goes with the confirmation: closing again must not take that away.
        let cancelled = self
            .exchanges
            .iter_mut()
            .find(|open| matches!(open.answer, Answer::CancelHeld(id) | Answer::Cancelled(id) if id == session));
        if let Some(open) = cancelled {
            open.answer = Answer::Cancelled(session);
            return Ok(());
        }
        self.forget(session)
    }

    /// Gives a session up: nothing is sent, and exchanges that wait get no answer.
    ///
    /// # Errors
    /// [`Misuse::Unknown`].
    pub fn abort(&mut self, session: SessionId) -> Result<(), Misuse> {
        self.forget(session)
    }

    /// The exchange is gone: its client went away.
    pub fn exchange_failed(&mut self, exchange: Exchange) {
        self.exchanges.retain(|open| open.exchange != exchange);
        self.forget_answer(exchange);
    }

    /// Frees what is kept for an exchange's answer.
    pub(super) fn forget_answer(&mut self, exchange: Exchange) {
        self.cookies.retain(|cookie| cookie.exchange != exchange);
        self.certified.forget(exchange);
    }

    /// Takes a request in; it is decrypted in place. Whatever it was, its exchange is answered through
    /// [`poll`](Self::poll).
    ///
    /// # Errors
    /// [`Misuse::TooManyCalls`] when `EXCHANGES` wait for their answers. Nothing has changed.
    pub fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Exchange,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<Incoming, Misuse> {
        let contract = self.settings.contract;
        let (incoming, open) = self.take(now, exchange, credentials, (&contract, &|_, _| false), message)?;
        // `take` has seen the room.
        let _ = self.exchanges.push(open);
        Ok(incoming)
    }

    /// Judges a request. What its exchange is owed comes beside it, and is not in the books yet; there is room for it.
    ///
    /// # Errors
    /// [`Misuse::TooManyCalls`]. Nothing has changed.
    pub(super) fn take<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Exchange,
        credentials: &C,
        (contract, held): (Contract<'_>, Held<'_>),
        message: &mut [u8],
    ) -> Result<(Incoming, OpenExchange<P>), Misuse> {
        if self.exchanges.is_full() {
            return Err(Misuse::TooManyCalls { limit: u16::try_from(EXCHANGES).unwrap_or(u16::MAX) });
        }
        self.renewed.forget_old(now);
        let (peeked, outcome) = match peek(message, self.binding.addressing, &self.binding.limits) {
            Ok(peeked) => {
                let outcome = if self.binding.cookie_mode() {
                    self.judge_stateless(now, exchange, credentials, (contract, held), message, &peeked)
                } else {
                    self.judge(now, credentials, contract, message, &peeked)
                };
                (peeked, outcome)
            }
            Err(refusal) => (Peek::default(), Err(refusal.into())),
        };
        let (incoming, answer) = match outcome {
            Ok(done) => done,
            Err(Rejection { refusal, answer }) => (Incoming::Refused(refusal), answer),
        };
        let Peek { action, message_id, reply_to, .. } = peeked;
        let open = OpenExchange { exchange, message_id, action, reply_to, answer };
        Ok(match open.recipient() {
            Some(text) => self.certify(now, credentials, text.of(message), incoming, open),
            None => (incoming, open),
        })
    }

    fn judge<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        contract: Contract<'_>,
        message: &mut [u8],
        peeked: &Peek,
    ) -> Result<(Incoming, Answer<P>), Rejection<P>> {
        let trust = self.binding.version.trust();
        let is = |request: RequestType| peeked.action == trust.request_action(request).as_bytes();
        if is(RequestType::Issue) {
            self.issue(now, credentials, message)
        } else if is(RequestType::Renew) && self.settings.can_renew {
            self.renew(now, credentials, message)
        } else {
            let contract = (!is(RequestType::Cancel)).then_some(contract);
            self.session_message(now, credentials, message, peeked, contract)
        }
    }

    /// A message under a session's token. `contract` says of its action how the body must be protected; there is none for a
    /// cancellation.
    fn session_message<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        message: &mut [u8],
        peeked: &Peek,
        contract: Option<Contract<'_>>,
    ) -> Result<(Incoming, Answer<P>), Rejection<P>> {
        let unknown = |fault| Rejection { refusal: Refusal::UnknownSecurityContext, answer: Answer::Fault(fault) };
        let name = peeked.context.as_ref().ok_or_else(|| unknown(PlainFault::NoSession))?;
        let known = self.sessions.iter().find(|s| s.named(name)).ok_or_else(|| unknown(PlainFault::NoSession))?;
        if self.renewed.find(known, name.instance()).is_none() {
            return Err(unknown(PlainFault::BadContextToken));
        }
        let cancel = contract.is_none();
        let policy = match contract {
            None => self.binding.cancel_policy(),
            Some(contract) => {
                let body = contract(&peeked.action).ok_or(Rejection {
                    refusal: Refusal::UnknownAction,
                    answer: Answer::Fault(PlainFault::UnrecognizedAction),
                })?;
                self.binding.session_policy(body)
            }
        };
        let opened = self.open(now, credentials, message, &policy)?;
        let name = opened.session_context().ok_or(Refusal::TokenMismatch)?;
        let wall = self.wall.at(now);
        let rollover = self.settings.key_rollover_interval;
        let can_renew = self.settings.can_renew;
        let index = self.sessions.iter().position(|s| s.named(name)).ok_or(Refusal::UnknownSecurityContext)?;
        let session = self.sessions.get_mut(index).ok_or(Refusal::UnknownSecurityContext)?;
        let (key, generation) = self.renewed.find(session, name.instance()).ok_or(Refusal::UnknownSecurityContext)?;
        // The old key has a limit of its own: the rollover interval. A key that waited too long for its first use has not.
        if generation.expires <= wall && !cancel && key != KeyUse::Previous {
            let answer =
                if can_renew { Answer::RenewNeeded(session.id) } else { Answer::Fault(PlainFault::InvalidSecurity) };
            return Err(Rejection { refusal: Refusal::KeyExpired, answer });
        }
        let id = session.id;
        if cancel {
            let request = trust_request(message, &opened, &self.binding)?;
            let target = request.cancel_target.and_then(|reference| reference.context());
            if target.and_then(ContextName::new).as_ref() != Some(name) {
                return Err(Refusal::TokenMismatch.into());
            }
        }
        if !session.step(if cancel { AcceptorEvent::Cancel } else { AcceptorEvent::Message }) {
            return Err(unknown(PlainFault::NoSession));
        }
        // Only now: a refused message must not roll the key over.
        self.renewed.used::<B>(session, key, now, rollover, self.binding.suite);
        if cancel {
            // Who cancels again has given up waiting for the first answer.
            let before =
                self.exchanges.iter_mut().find(|open| matches!(open.answer, Answer::CancelHeld(other) if other == id));
            if let Some(open) = before {
                open.answer = Answer::Abort;
            }
            return Ok((Incoming::Cancelled(id), Answer::CancelHeld(id)));
        }
        let two_way = !opened.addressing.message_id.is_empty();
        let answer = if two_way { Answer::Application(id) } else { Answer::Accepted };
        Ok((Incoming::Request { session: id, two_way, opened }, answer))
    }

    /// RST/SCT.
    fn issue<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<(Incoming, Answer<P>), Rejection<P>> {
        let policy = self.binding.bootstrap_policy(false, false);
        let opened = self.open(now, credentials, message, &policy)?;
        let key = self.bootstrap_key(message, &opened)?;
        let limit = self.full.unwrap_or(self.settings.max_pending_sessions);
        let pending = self.pending_sessions().saturating_add(self.queued);
        if self.full.is_some() || pending >= usize::from(limit) || self.sessions.is_full() {
            return Err(Rejection {
                refusal: Refusal::TooManySessions { limit },
                answer: Answer::BootstrapFault(key, BootstrapFault::ServerTooBusy),
            });
        }
        let user = user_of(message, &opened);
        let Some((entropy, len)) = self.requested(message, &opened, RequestType::Issue) else {
            return Err(invalid_request(key));
        };
        let id = self.next_id();
        let identifier = Uuid::marked(&mut self.entropy, self.mark.as_ref());
        let wall = self.wall.at(now);
        let (generation, token) = self.generation(identifier, None, &entropy, len, wall);
        // Room was seen above.
        let user = UserDigest::of::<B>(&user);
        let _ = self.sessions.push(Session::new::<B>(id, identifier, generation, self.binding.suite, user));
        if self.next_sweep == Deadline::Never {
            self.next_sweep = Deadline::At(now.after(self.settings.inactivity_timeout));
        }
        Ok((Incoming::Issued(id), Answer::Token { renewed: false, key, token }))
    }

    /// RST/SCT/Renew: under the bootstrap again, endorsed by the session's current key.
    fn renew<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<(Incoming, Answer<P>), Rejection<P>> {
        let policy = self.binding.bootstrap_policy(false, true);
        let opened = self.open(now, credentials, message, &policy)?;
        let key = self.bootstrap_key(message, &opened)?;
        let Some(name) = opened.endorsing_context() else {
            return Err(Refusal::Missing(Element::EndorsingSignature).into());
        };
        let target = trust_request(message, &opened, &self.binding)
            .ok()
            .and_then(|request| request.renew_target)
            .and_then(|reference| reference.context())
            .and_then(ContextName::new);
        let user = UserDigest::of::<B>(&user_of(message, &opened));
        let requested = self.requested(message, &opened, RequestType::Renew);
        let index = self.sessions.iter().position(|session| {
            // The session's own user, with its current key, and room for one more.
            let current = session.current.is(name.instance());
            session.named(name) && current && session.is_of(user) && self.renewed.has_room_for(session.id)
        });
        let (Some(index), Some((entropy, len)), true) = (index, requested, target.as_ref() == Some(name)) else {
            return Err(invalid_request(key));
        };
        let instance = Uuid::random(&mut self.entropy);
        let identifier = self.sessions.get(index).map(|session| session.identifier.uuid()).unwrap_or_default();
        let wall = self.wall.at(now);
        let (generation, token) = self.generation(identifier, Some(instance), &entropy, len, wall);
        let session = self.sessions.get(index).ok_or(Refusal::UnknownSecurityContext)?;
        // Room was seen above.
        self.renewed.add(session.id, generation);
        Ok((Incoming::Renewed(session.id), Answer::Token { renewed: true, key, token }))
    }

    pub(super) const fn next_id(&mut self) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session = self.next_session.wrapping_add(1);
        id
    }

    /// A new key and the token that tells of it.
    fn generation(
        &mut self,
        identifier: Uuid,
        instance: Option<Uuid>,
        requestor: &SecretKey,
        len: usize,
        wall: UnixMillis,
    ) -> (Generation, NewToken) {
        let lifetime = self.settings.key_renewal_interval;
        let (key, token) = self.new_token(identifier, instance, requestor, len, (wall, wall.after(lifetime)));
        let generation = Generation::new(instance, &key, token.expires, &mut self.ids, &mut self.entropy);
        (generation, token)
    }

    /// A token that is good from one time to another, and its key.
    pub(super) fn new_token(
        &mut self,
        identifier: Uuid,
        instance: Option<Uuid>,
        requestor: &SecretKey,
        len: usize,
        (created, expires): (UnixMillis, UnixMillis),
    ) -> (SecretKey, NewToken) {
        let mut share = SecretKey::zeroed(len).unwrap_or_default();
        self.entropy.fill(share.as_mut_bytes());
        let key = match self.binding.entropy {
            KeyEntropyMode::Combined => combined_key::<B>(requestor, &share, len).unwrap_or_default(),
            KeyEntropyMode::Client => requestor.clone(),
            KeyEntropyMode::Server => share.clone(),
        };
        let (token_id, secret_id) = (self.ids.next_id(), self.ids.next_id());
        let token = NewToken {
            identifier: UrnUuid::of(identifier),
            instance: instance.map(UrnUuid::of),
            token_id,
            secret_id,
            share,
            created,
            expires,
        };
        (key, token)
    }

    /// The entropy and the key length in bytes that a request asks for; `None` is an invalid request.
    pub(super) fn requested(&self, message: &[u8], opened: &Opened, wanted: RequestType) -> Option<(SecretKey, usize)> {
        let request = trust_request(message, opened, &self.binding).ok()?;
        // WCF takes a missing RequestType for Issue, not for Renew.
        let asked = request.request_type.or_else(|| (wanted == RequestType::Issue).then_some(RequestType::Issue));
        let kind = self.binding.version.sct_token_type();
        if asked != Some(wanted) || request.token_type.is_some_and(|text| !text.trim().eq(kind)) {
            return None;
        }
        let bits = request.key_size.unwrap_or_else(|| self.binding.suite.default_key_bits());
        if !self.binding.suite.accepts_key_bits(bits) {
            return None;
        }
        let entropy = match (self.binding.entropy, &request.entropy) {
            (KeyEntropyMode::Server, _) => SecretKey::default(),
            (KeyEntropyMode::Combined | KeyEntropyMode::Client, Some(secret)) => octets(secret)?,
            (KeyEntropyMode::Combined | KeyEntropyMode::Client, None) => return None,
        };
        let len = (bits / 8) as usize;
        let short = self.binding.entropy == KeyEntropyMode::Client && entropy.len() != len;
        (!short).then_some((entropy, len))
    }

    fn open<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        message: &mut [u8],
        policy: &Policy,
    ) -> Result<Opened, Rejection<P>> {
        self.open_beside(now, credentials, message, policy, None)
    }

    /// Opens a message under the key of a session in the table, or of the one `beside` it.
    pub(super) fn open_beside<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        message: &mut [u8],
        policy: &Policy,
        beside: Option<&Session>,
    ) -> Result<Opened, Rejection<P>> {
        let wall = self.wall.at(now);
        let keyring = SessionKeyring::<SESSIONS, B> {
            sessions: &self.sessions,
            renewed: &self.renewed,
            beside,
            decoy: &self.decoy,
            len: self.binding.key_len(),
            backend: PhantomData,
        };
        let context =
            OpenContext { policy, limits: &self.binding.limits, keyring: &keyring, credentials, now: Some(wall) };
        let opened = open::<B, _, _>(message, &context)?;
        self.replay.remember(&opened.signature, wall, now, &self.binding.clock)?;
        Ok(opened)
    }

    pub(super) fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }

    /// Removes a session; what waits for its answers gets none.
    pub(super) fn forget(&mut self, id: SessionId) -> Result<(), Misuse> {
        let index = self.sessions.iter().position(|session| session.id == id).ok_or(Misuse::Unknown)?;
        self.sessions.swap_remove(index);
        self.renewed.forget(id);
        for open in self.exchanges.iter_mut().filter(|open| open.session() == Some(id)) {
            open.answer = Answer::Abort;
        }
        Ok(())
    }
}

/// A refusal and the answer that it gets.
pub(super) struct Rejection<P> {
    pub(super) refusal: Refusal,
    pub(super) answer: Answer<P>,
}

impl<P> From<Refusal> for Rejection<P> {
    fn from(refusal: Refusal) -> Self {
        let answer = match refusal.wire() {
            WireFault::BadContextToken => Answer::Fault(PlainFault::BadContextToken),
            WireFault::InvalidSecurityToken => Answer::Fault(PlainFault::InvalidSecurityToken),
            WireFault::InvalidSecurity => Answer::Fault(PlainFault::InvalidSecurity),
            WireFault::None => Answer::BadRequest,
        };
        Self { refusal, answer }
    }
}

pub(super) fn invalid_request<P>(key: BootstrapKey) -> Rejection<P> {
    let answer = Answer::BootstrapFault(key, BootstrapFault::InvalidRequest);
    Rejection { refusal: Refusal::InvalidTrustRequest, answer }
}

/// The user who sent the message, or the SHA-256 of the certificate that endorsed or signed it; empty for an anonymous one. A name
/// longer than the table's is cut: it only has to be the same at every renewal.
pub(super) fn user_of(message: &[u8], opened: &Opened) -> String<128> {
    let mut user = String::new();
    let signer = if let ProtectionToken::Certificate { sha256, .. } = &opened.token { Some(sha256) } else { None };
    if let Some(certificate) = signer.or_else(|| opened.endorsing_certificate()) {
        for byte in certificate {
            let _ = write!(user, "{byte:02x}");
        }
    }
    if let Some(known) = opened.user {
        for character in core::str::from_utf8(known.name.of(message)).unwrap_or("").chars() {
            if user.push(character).is_err() {
                break;
            }
        }
    }
    user
}

/// The keys of all sessions.
struct SessionKeyring<'s, const KEYS: usize, B> {
    sessions: &'s [Session],
    renewed: &'s RenewedKeys<KEYS>,
    beside: Option<&'s Session>,
    decoy: &'s SecretKey,
    len: usize,
    backend: PhantomData<B>,
}

impl<const KEYS: usize, B: Backend> Keyring for SessionKeyring<'_, KEYS, B> {
    fn security_context(&self, identifier: &[u8], instance: Option<&[u8]>) -> Option<SecretKey> {
        let mut all = self.sessions.iter().chain(self.beside);
        let session = all.find(|session| session.identifier.as_bytes() == identifier)?;
        self.renewed.find(session, instance).map(|(_, generation)| generation.key())
    }

    fn encrypted_key(&self, _: &[u8; 20]) -> Option<SecretKey> {
        None
    }

    fn decoy(&self, sha1: &[u8; 20]) -> SecretKey {
        decoy_key::<B>(self.decoy, self.len, sha1)
    }
}
