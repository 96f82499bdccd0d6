//! The service's side of reliable sessions, over secure conversations or without.

use super::action::ServiceAction;
use super::client::blocks_of;
use super::endpoint::Wording;
use super::heard::{Message, NotRead, ServiceHeard, message_of};
use super::{NoCalls, SCRATCH, encryption};
use crate::chance::{Chance, ShardMark};
use crate::crypto::{Backend, RustCrypto};
use crate::exchange::{Exchange, Outgoing};
use crate::reliable::{
    AcceptorWant, Arrival, Heard, Identifier, Place, ReliableAcceptor, ReliableSessionId, ReliableSettings,
    ReliableTimers, Rendered, RmReadError, SendRefused, ServiceWant, SessionPhase, SessionView, Shape, Versions,
    peek_sequence,
};
use crate::secure::{
    Acceptor, AcceptorAction, AcceptorSettings, Binding, Credentials, Incoming, Misuse, Opened, SessionId,
    SessionMessage, Unsealed,
};
use crate::soap::fault::{FaultForm, write_fault_body, write_fault_envelope};
use crate::soap::{AddressingVersion, HeaderBlock, SoapVersion};
use crate::time::{Deadline, Instant, Wall};
use crate::xml::{Grow, Limits, Writer};
use heapless::Vec;

/// Most messages that could not be read and wait for their fault.
const UNREAD: usize = 8;

/// A message that could not be read, until its fault is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Unread {
    exchange: Exchange,
    conversation: Option<SessionId>,
    error: RmReadError,
    action: Vec<u8, 256>,
    message_id: Option<Identifier>,
}

/// The service's side of reliable sessions of one endpoint, over secure conversations or without.
///
/// Capacities are those of [`Acceptor`] and [`ReliableAcceptor`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionService<
    P,
    const SESSIONS: usize = 16,
    const WINDOW: usize = 8,
    const RANGES: usize = 9,
    const REQUESTS: usize = 16,
    const EXCHANGES: usize = 16,
    const REPLAY: usize = 1024,
    B = RustCrypto,
    const BUSY: usize = SESSIONS,
> {
    security: Option<Acceptor<NoCalls, Chance, SESSIONS, EXCHANGES, REPLAY, B>>,
    reliable: ReliableAcceptor<P, SESSIONS, WINDOW, RANGES, REQUESTS, EXCHANGES, BUSY>,
    unread: Vec<Unread, UNREAD>,
    shape: Shape,
    versions: Versions,
    limits: Limits,
    language: &'static str,
}

impl<
    P,
    const SESSIONS: usize,
    const WINDOW: usize,
    const RANGES: usize,
    const REQUESTS: usize,
    const EXCHANGES: usize,
    const REPLAY: usize,
    B,
    const BUSY: usize,
> SessionService<P, SESSIONS, WINDOW, RANGES, REQUESTS, EXCHANGES, REPLAY, B, BUSY>
where
    P: Outgoing,
    B: Backend,
{
    /// An endpoint without security.
    pub fn plain(settings: ReliableSettings, soap: SoapVersion, shape: Shape, limits: Limits, entropy: Chance) -> Self {
        let versions = Versions { soap, addressing: settings.addressing, reliable: settings.version };
        let reliable = ReliableAcceptor::new(settings, shape, entropy);
        Self { security: None, reliable, unread: Vec::new(), shape, versions, limits, language: "en-US" }
    }

    /// An endpoint whose sessions are bound to secure conversations. Versions of SOAP and WS-Addressing are the binding's.
    pub fn secure(
        mut settings: ReliableSettings,
        shape: Shape,
        binding: Binding,
        security: AcceptorSettings,
        wall: Wall,
        entropy: Chance,
        reliable_entropy: Chance,
    ) -> Self {
        settings.addressing = binding.addressing;
        let (soap, limits, language) = (binding.soap, binding.limits.clone(), security.language);
        let acceptor = Acceptor::new(binding, security, wall, entropy);
        let mut service = Self::plain(settings, soap, shape, limits, reliable_entropy);
        (service.security, service.language) = (Some(acceptor), language);
        service
    }

    /// How the dispatcher's faults are written here.
    pub(super) fn wording(&self) -> Wording {
        let Versions { soap, addressing, .. } = self.versions;
        let form = if self.security.is_some() { FaultForm::Encrypted } else { FaultForm::Clear(addressing) };
        Wording { soap, addressing, form, language: self.language, addressed: true }
    }

    /// How messages travel.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// The timers of a session that are running, and when tokens that were never used are swept next.
    pub fn timers(&self, id: ReliableSessionId) -> (ReliableTimers, Deadline) {
        (self.reliable.timers(id), self.security.as_ref().map_or(Deadline::Never, Acceptor::sweep_at))
    }

    /// The calendar clock was set: where it stands now at the driver's zero.
    pub const fn set_wall(&mut self, wall: Wall) {
        if let Some(security) = &mut self.security {
            security.set_wall(wall);
        }
    }

    /// Takes no new sequences from now on.
    pub const fn stop(&mut self) {
        self.reliable.stop();
    }

    /// Identifiers of tokens and sequences carry this mark from now on.
    pub fn set_shard(&mut self, mark: ShardMark) {
        if let Some(security) = &mut self.security {
            security.set_shard(mark.clone());
        }
        self.reliable.set_shard(mark);
    }

    /// Somebody else counts, too: `Some(limit)` refuses, from now on, every new token with ServerTooBusy and every new
    /// sequence with ConnectionLimitReached; `None`, as at first, leaves it to this machine's own limits.
    pub const fn set_full(&mut self, full: Option<u16>) {
        self.set_full_each(full, full.is_some());
    }

    /// As [`set_full`](Self::set_full), of tokens and of sequences.
    pub(super) const fn set_full_each(&mut self, tokens: Option<u16>, sequences: bool) {
        if let Some(security) = &mut self.security {
            security.set_full(tokens);
        }
        self.reliable.set_full(sequences);
    }

    /// The next session that waits to be accepted, oldest first. Until then its messages wait too.
    pub fn accept(&mut self) -> Option<ReliableSessionId> {
        self.reliable.accept()
    }

    /// A session; `None` once it is forgotten.
    pub fn session(&self, id: ReliableSessionId) -> Option<SessionView<'_, P, WINDOW, RANGES, REQUESTS, EXCHANGES>> {
        self.reliable.session(id)
    }

    /// How many reliable sessions there are.
    pub fn sessions(&self) -> usize {
        self.reliable.len()
    }

    /// How many reliable sessions are busy: see [`ReliableAcceptor::busy`].
    pub fn busy(&self) -> usize {
        self.reliable.busy()
    }

    /// How many secure conversations there are.
    pub fn conversations(&self) -> usize {
        self.security.as_ref().map_or(0, Acceptor::sessions)
    }

    /// How many of them are issued and unused.
    pub fn pending_conversations(&self) -> usize {
        self.security.as_ref().map_or(0, Acceptor::pending_sessions)
    }

    /// How many reliable sessions wait to be accepted.
    pub fn pending_sessions(&self) -> usize {
        self.reliable.pending()
    }

    /// Does security protect its messages?
    pub const fn is_secure(&self) -> bool {
        self.security.is_some()
    }

    /// The next message for the application, by its number.
    pub fn take(&mut self, now: Instant, id: ReliableSessionId) -> Option<u64> {
        self.reliable.take(now, id)
    }

    /// Gives the reply to a request: see [`ReliableAcceptor::reply`].
    ///
    /// # Errors
    /// As [`ReliableAcceptor::reply`].
    pub fn reply(&mut self, id: ReliableSessionId, number: u64, reply: P) -> Result<(), (P, SendRefused)> {
        self.reliable.reply(id, number, reply)
    }

    /// Ends a request without a reply: see [`ReliableAcceptor::finish`].
    ///
    /// # Errors
    /// As [`ReliableAcceptor::finish`].
    pub fn finish(&mut self, id: ReliableSessionId, number: u64) -> Result<(), SendRefused> {
        self.reliable.finish(id, number)
    }

    /// Hands over a message (duplex).
    ///
    /// # Errors
    /// As [`ReliableAcceptor::send`].
    pub fn send(&mut self, now: Instant, id: ReliableSessionId, message: P) -> Result<(), (P, SendRefused)> {
        self.reliable.send(now, id, message).map(|_| ())
    }

    /// Closes a session.
    ///
    /// # Errors
    /// As [`ReliableAcceptor::close`].
    pub fn close(&mut self, now: Instant, id: ReliableSessionId) -> Result<(), SendRefused> {
        self.reliable.close(now, id)
    }

    /// Gives a session up.
    ///
    /// # Errors
    /// [`SendRefused::Unknown`].
    pub fn abort(&mut self, id: ReliableSessionId) -> Result<(), SendRefused> {
        self.reliable.abort(id)
    }

    /// The exchange is gone: its client went away.
    pub fn exchange_failed(&mut self, exchange: Exchange) {
        if let Some(security) = &mut self.security {
            security.exchange_failed(exchange);
        }
        self.reliable.exchange_failed(exchange);
        self.unread.retain(|unread| unread.exchange != exchange);
    }

    /// The place of this message, if it seems to have overtaken another one of its session, and [would be
    /// dropped](ReliableAcceptor::comes_early) for that. Nothing is verified, and nothing changes. Who reads messages from several
    /// connections, which have no order among them, may give the other one a moment, and then
    /// [receive](Self::receive) this one whether that has come or not.
    pub fn comes_early(&self, message: &[u8]) -> Option<Place> {
        peek_sequence(message, self.versions, &self.limits).filter(|place| self.is_early(place))
    }

    /// Would a message at this place be dropped now?
    pub fn is_early(&self, place: &Place) -> bool {
        self.reliable.comes_early(place)
    }

    /// Takes a message in that came by this exchange or, on duplex sessions, this connection; it is decrypted in place.
    /// Over exchanges each is answered through [`poll`](Self::poll).
    ///
    /// # Errors
    /// [`Misuse::TooManyCalls`] when the tables of exchanges are full. Nothing has changed.
    pub fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        from: Exchange,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<ServiceHeard, Misuse> {
        if self.unread.is_full() {
            return Err(Misuse::TooManyCalls { limit: UNREAD as u16 });
        }
        let mut scratch = [0; SCRATCH];
        let (versions, limits) = (self.versions, self.limits.clone());
        let Some(security) = &mut self.security else {
            return Ok(match Arrival::read_envelope(message, versions, &limits, &mut scratch) {
                Ok((arrival, parts)) => {
                    let place = message_of(message, &arrival, parts.body, parts.body_scope, parts.must_understand);
                    self.hear(now, from, None, &arrival, place)
                }
                Err(error) => self.not_read(from, None, message, error),
            });
        };
        let contract = |action: &[u8]| Some(encryption(versions, action));
        let (reliable, unread) = (&self.reliable, &self.unread);
        let held = |id: SessionId, token: &[u8]| {
            reliable.needs_token(token) || unread.iter().any(|unread| unread.conversation == Some(id))
        };
        let incoming = security.open_message_beside(now, from, credentials, contract, held, message)?;
        Ok(match incoming {
            Incoming::Issued(id) | Incoming::Renewed(id) => ServiceHeard::Conversation(id),
            Incoming::Cancelled(id) => {
                let token = security.identifier(id).and_then(Identifier::new);
                self.reliable.lower_ended(token.as_ref());
                ServiceHeard::Conversation(id)
            }
            Incoming::Refused(refusal) => ServiceHeard::NotRead(NotRead::Refused(refusal)),
            Incoming::Request { session, opened, .. } => {
                self.hear_opened(now, from, session, message, &opened, &mut scratch)
            }
        })
    }

    fn hear_opened(
        &mut self,
        now: Instant,
        from: Exchange,
        conversation: SessionId,
        message: &[u8],
        opened: &Opened,
        scratch: &mut [u8],
    ) -> ServiceHeard {
        let (versions, limits) = (self.versions, self.limits.clone());
        match Arrival::read_blocks(message, blocks_of(opened), versions, &limits, scratch) {
            Ok((arrival, must_understand)) => {
                let scope = opened.body_scope.clone();
                let place = message_of(message, &arrival, opened.body, scope, must_understand);
                self.hear(now, from, Some(conversation), &arrival, place)
            }
            Err(error) => self.not_read(from, Some(conversation), message, error),
        }
    }

    fn hear(
        &mut self,
        now: Instant,
        from: Exchange,
        conversation: Option<SessionId>,
        arrival: &Arrival<'_>,
        place: Message,
    ) -> ServiceHeard {
        let token = conversation.and_then(|id| self.security.as_ref()?.identifier(id));
        if let Some(token) = token.filter(|_| conversation.is_some_and(|id| self.is_renewed(id, arrival))) {
            self.reliable.rebind(arrival, token);
        }
        let admission = self.reliable.hear(now, from, token, arrival);
        let message = match admission.heard {
            Heard::Message { .. } | Heard::Reply { .. } => Some(place),
            Heard::Accepted { .. } | Heard::Protocol | Heard::Duplicate | Heard::NoRoom | Heard::Refused(_) => None,
        };
        ServiceHeard::Session { session: admission.session, heard: admission.heard, message }
    }

    /// In cookie mode another token takes the place of one that grows old, and nothing in it says so. A session goes over to a
    /// token of the same user. A client without a name is nobody else's: its session stays with its token.
    fn is_renewed(&self, conversation: SessionId, arrival: &Arrival<'_>) -> bool {
        let Some(security) = self.security.as_ref().filter(|security| security.is_stateless()) else { return false };
        let bound = self.reliable.token_named_by(arrival).and_then(|token| security.named(token.as_bytes()));
        bound.is_some_and(|bound| bound != conversation && security.same_user(bound, conversation))
    }

    fn not_read(
        &mut self,
        exchange: Exchange,
        conversation: Option<SessionId>,
        message: &[u8],
        error: RmReadError,
    ) -> ServiceHeard {
        let action = Vec::from_slice(error.action.of(message)).unwrap_or_default();
        let message_id = Identifier::new(error.message_id.of(message));
        // Room was seen when the message came.
        let _ = self.unread.push(Unread { exchange, conversation, error, action, message_id });
        ServiceHeard::NotRead(NotRead::Unreadable(error))
    }

    /// Asks what to do at `now`, until it says [`ServiceAction::Wait`].
    ///
    /// # Errors
    /// [`Unsealed::Unsendable`]: a reply of the application is not well-formed; its session has ended.
    pub fn poll<'o>(&mut self, now: Instant, out: &'o mut [u8]) -> Result<ServiceAction<'o, P>, Unsealed> {
        let told = self.reliable.told(now);
        if let Some((id, told)) = told {
            return Ok(ServiceAction::Told(id, told));
        }
        self.end_conversations();
        self.reliable.forget_spent();
        self.confirm_cancellation();
        let mut sweep = Deadline::Never;
        if let Some(security) = &mut self.security {
            // First to see whether it wants anything: what it writes cannot be kept while others are asked.
            match security.wait(now) {
                Some(deadline) => sweep = deadline,
                None => return self.poll_conversations(now, out),
            }
        }
        if let Some(unread) = self.unread.first().cloned() {
            return self.answer_unread(now, &unread, out);
        }
        match self.reliable.next(now) {
            Some(want) => self.transmit(now, want, out),
            None => Ok(ServiceAction::Wait(self.reliable.deadline().min(sweep))),
        }
    }

    /// A session that broke takes its conversation with it, once it has said its last: as in WCF, where the one is the other's
    /// channel. One that closed in good order leaves it to be cancelled.
    fn end_conversations(&mut self) {
        let Some(security) = &mut self.security else { return };
        for session in self.reliable.sessions().filter(|session| session.is_spent() && session.error().is_some()) {
            if let Some(id) = session.token().and_then(|token| security.named(token.as_bytes())) {
                let _ = security.abort(id);
            }
        }
    }

    /// A client that cancels has its answer when nothing needs the conversation any more: a session of which everything had arrived
    /// is closed by its application first, as in WCF. Those that wait so take no more than half the exchanges: nothing of such a
    /// session is left to be sent, and the one that has waited longest need not wait.
    fn confirm_cancellation(&mut self) {
        let Some(security) = &mut self.security else { return };
        let (reliable, unread) = (&self.reliable, &self.unread);
        let needed = |id: SessionId| {
            security.identifier(id).is_some_and(|token| reliable.needs_token(token))
                || unread.iter().any(|unread| unread.conversation == Some(id))
        };
        let unneeded = security.cancelled().find(|id| !needed(*id));
        let crowded = security.held().nth(EXCHANGES / 2).and_then(|_| security.held().next());
        for id in [unneeded, crowded].into_iter().flatten() {
            let _ = security.close(id);
        }
    }

    fn poll_conversations<'o>(&mut self, now: Instant, out: &'o mut [u8]) -> Result<ServiceAction<'o, P>, Unsealed> {
        let Some(security) = &mut self.security else { return Ok(ServiceAction::Wait(self.reliable.deadline())) };
        Ok(match security.poll(now, out)? {
            AcceptorAction::Answer { exchange: connection, message, .. } if self.shape == Shape::Duplex => {
                ServiceAction::Transmit { connection, session: None, message }
            }
            AcceptorAction::Answer { exchange, status, message } => ServiceAction::Answer { exchange, status, message },
            AcceptorAction::Drop(exchange) => ServiceAction::Drop(exchange),
            AcceptorAction::Swept(id) => ServiceAction::Swept(id),
            AcceptorAction::Grow(grow) => ServiceAction::Grow(grow),
            AcceptorAction::Wait(deadline) => ServiceAction::Wait(deadline.min(self.reliable.deadline())),
        })
    }

    fn transmit<'o>(
        &mut self,
        now: Instant,
        want: AcceptorWant,
        out: &'o mut [u8],
    ) -> Result<ServiceAction<'o, P>, Unsealed> {
        let versions = self.versions;
        let Some(frame) = self.reliable.frame(want) else {
            return Ok(match want {
                AcceptorWant::Session(_, ServiceWant::Drop(exchange)) => {
                    self.reliable.sent(now, want);
                    ServiceAction::Drop(exchange)
                }
                AcceptorWant::Session(_, ServiceWant::Empty(exchange)) | AcceptorWant::Refusal(exchange) => {
                    self.reliable.sent(now, want);
                    ServiceAction::Answer { exchange, status: 202, message: &[] }
                }
                // Unreachable from outside, as with the client's; told all the same, as the other side waits for it.
                AcceptorWant::Session(_, _) => {
                    self.reliable.unwritten(now, want);
                    match self.reliable.told(now) {
                        Some((id, told)) => ServiceAction::Told(id, told),
                        None => ServiceAction::Wait(Deadline::At(now)),
                    }
                }
            });
        };
        let token = self.reliable.token_of(want);
        let written = match &mut self.security {
            None => frame.write_envelope(versions, self.language, out).map_err(Unsealed::Room),
            Some(security) => {
                let mut scratch = [0; SCRATCH];
                let id = token.and_then(|token| security.named(token.as_bytes()));
                let seal = |rendered: Rendered<'_>| {
                    let Rendered { headers, body, encrypt_body, .. } = rendered;
                    let message = SessionMessage { headers, body, encrypt_body };
                    security.seal_message(now, id.ok_or(Misuse::Unknown)?, &message, out)
                };
                frame.render(versions, self.language, &mut scratch, seal).map_err(Unsealed::Room).flatten()
            }
        };
        match written {
            Ok(len) => {
                let status = if self.reliable.is_fault(want) { 500 } else { 200 };
                let connection = self.reliable.connection_of(want);
                self.reliable.sent(now, want);
                let message = out.get(..len).unwrap_or(&[]);
                Ok(match (want, connection) {
                    (AcceptorWant::Session(_, ServiceWant::Answer(exchange)), _) => {
                        ServiceAction::Answer { exchange, status, message }
                    }
                    (AcceptorWant::Refusal(exchange), _) if self.shape != Shape::Duplex => {
                        ServiceAction::Answer { exchange, status, message }
                    }
                    (AcceptorWant::Refusal(connection), _) => {
                        ServiceAction::Transmit { connection, session: None, message }
                    }
                    (AcceptorWant::Session(id, _), connection) => {
                        ServiceAction::Transmit { connection, session: Some(id), message }
                    }
                })
            }
            Err(Unsealed::Room(grow)) => Ok(ServiceAction::Grow(grow)),
            Err(Unsealed::RenewalDue | Unsealed::Misuse(_)) => {
                // Its conversation is gone, and the message has nobody left to go to.
                self.reliable.unsendable(now, want);
                Ok(ServiceAction::Wait(Deadline::At(now)))
            }
            Err(error @ Unsealed::Unsendable(_)) => {
                self.reliable.unsendable(now, want);
                Err(error)
            }
        }
    }

    /// Answers a message that could not be read with the fault that WCF answers, if it answers at all.
    fn answer_unread<'o>(
        &mut self,
        now: Instant,
        unread: &Unread,
        out: &'o mut [u8],
    ) -> Result<ServiceAction<'o, P>, Unsealed> {
        let versions = self.versions;
        let exchange = unread.exchange;
        let Some(fault) = unread.error.fault(versions, &unread.action) else {
            self.unread.remove(0);
            return Ok(match self.shape {
                Shape::Duplex => ServiceAction::Wait(Deadline::At(now)),
                Shape::OneWay | Shape::RequestReply => ServiceAction::Answer { exchange, status: 400, message: &[] },
            });
        };
        let fault = fault.in_language(self.language);
        let relates_to = unread.message_id.as_ref().map(Identifier::as_bytes);
        let written = match (&mut self.security, unread.conversation) {
            (Some(security), Some(conversation)) => {
                let mut body = [0; SCRATCH];
                let mut w = Writer::new(&mut body);
                // Its action decides: faults of 1.1 go in clear, all others are encrypted.
                let uri = fault.action_uri(versions.addressing).as_bytes();
                let encrypt_body = encryption(versions, uri) == crate::secure::Encryption::Required;
                let form = if encrypt_body { FaultForm::Encrypted } else { FaultForm::Clear(versions.addressing) };
                write_fault_body(&mut w, versions.soap, form, &fault);
                let len = w.finish()?;
                let anonymous = versions.addressing.anonymous().as_bytes();
                let says_to = self.shape == Shape::Duplex || versions.addressing == AddressingVersion::August2004;
                let headers: Vec<HeaderBlock<'_>, 3> = [
                    Some(HeaderBlock::Action(uri)),
                    relates_to.map(HeaderBlock::RelatesTo),
                    says_to.then_some(HeaderBlock::To(anonymous)),
                ]
                .into_iter()
                .flatten()
                .collect();
                let body = body.get(..len).unwrap_or(&[]);
                let message = SessionMessage { headers: &headers, body, encrypt_body };
                security.seal_message(now, conversation, &message, out)
            }
            _ => {
                let mut w = Writer::new(out);
                write_fault_envelope(&mut w, versions.soap, versions.addressing, relates_to, &fault);
                w.finish().map_err(Unsealed::Room)
            }
        };
        match written {
            Err(Unsealed::Room(Grow { needed, have })) => Ok(ServiceAction::Grow(Grow { needed, have })),
            written => {
                self.unread.remove(0);
                let len = written?;
                let message = out.get(..len).unwrap_or(&[]);
                Ok(match self.shape {
                    Shape::Duplex => ServiceAction::Transmit { connection: exchange, session: None, message },
                    Shape::OneWay | Shape::RequestReply => ServiceAction::Answer { exchange, status: 500, message },
                })
            }
        }
    }

    /// The state of a session, if it is known.
    pub fn phase(&self, id: ReliableSessionId) -> Option<SessionPhase> {
        self.reliable.session(id).map(|session| session.phase())
    }
}
