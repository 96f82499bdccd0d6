//! The service's side: the reliable sessions of one endpoint, and the door to them.
//!
//! ```text
//!   hear(CreateSequence)  -> a session that waits   poll -> CreateSequenceResponse    accept() -> it is the application's
//!   hear(message)         -> Heard::Message         take(), reply(), send()           poll -> reply, acknowledgement
//!   hear(TerminateSequence)                         close()                           poll -> the last answers
//! ```
//!
//! Every table has a capacity, chosen at construction, and a refusal on the wire when it is full.

use super::arrival::{Arrival, Offer, RmBody, RmFaultKind};
use super::client::LONGEST_ADDRESS;
use super::client_timers::ReliableTimers;
use super::common::{Heard, Shape, Told, fatal_fault};
use super::frame::{Frame, FrameAction, FrameBody, RmFault};
use super::identifier::Identifier;
use super::idle::Idle;
use super::name::Name;
use super::phase::SessionPhase;
use super::read::Place;
use super::reason::{SendRefused, SessionError, Unwritten};
use super::service::{Holding, ReliableSessionId, Service, ServiceWant};
use super::settings::ReliableSettings;
use super::source::Ticket;
use super::table::Table;
use super::version::RmVersion;
use super::view::SessionView;
use crate::chance::{Chance, Entropy, ShardMark, Uuid};
use crate::exchange::{Exchange, Outgoing};
use crate::soap::{AddressingVersion, FaultCode};
use crate::time::{Deadline, Instant};
use heapless::Vec;

/// Refusals that wait to be sent, to who has no session.
const REFUSALS: usize = 8;

/// What the acceptor wants to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AcceptorWant {
    /// Something of this session.
    Session(ReliableSessionId, ServiceWant),
    /// A fault for who has no session, in answer to what came by this exchange or connection.
    Refusal(Exchange),
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Admission {
    /// The session that it belongs to, if it has one.
    pub session: Option<ReliableSessionId>,
    /// What it was.
    pub heard: Heard,
}

/// A fault for who has no session.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Refusal {
    from: Exchange,
    /// `None`: no fault at all, HTTP's 202.
    kind: Option<RmFaultKind>,
    code: FaultCode,
    /// What it is about: the sequence, the service's address, or the action.
    about: Option<Identifier>,
    relates_to: Option<Identifier>,
    /// The secure conversation that the message came under.
    token: Option<Identifier>,
}

/// The reliable sessions of one endpoint, all of one [`Shape`].
///
/// `SESSIONS` bounds the sessions, `BUSY` those of them that are busy: with an exchange that waits for its answer, a message
/// that waits for the application or for its acknowledgement, a reply that is to be made, an end under way. The other
/// capacities are those of one busy session, see [`Service`]. With `BUSY` sessions busy, a message for another one is not taken
/// ([`Heard::NoRoom`], HTTP's 202), so that its client sends it again, and a new sequence is refused with
/// ConnectionLimitReached. Without a number, all may be busy at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReliableAcceptor<
    P,
    const SESSIONS: usize = 16,
    const WINDOW: usize = 8,
    const RANGES: usize = 9,
    const REQUESTS: usize = 16,
    const EXCHANGES: usize = 16,
    const BUSY: usize = SESSIONS,
> {
    shape: Shape,
    entropy: Chance,
    sessions: Table<P, SESSIONS, WINDOW, RANGES, REQUESTS, EXCHANGES, BUSY>,
    refusals: Vec<Refusal, REFUSALS>,
    next_id: u32,
    accepting: bool,
    mark: Option<ShardMark>,
    full: bool,
}

impl<
    P: Outgoing,
    const SESSIONS: usize,
    const WINDOW: usize,
    const RANGES: usize,
    const REQUESTS: usize,
    const EXCHANGES: usize,
    const BUSY: usize,
> ReliableAcceptor<P, SESSIONS, WINDOW, RANGES, REQUESTS, EXCHANGES, BUSY>
{
    /// An endpoint without sessions.
    pub const fn new(settings: ReliableSettings, shape: Shape, entropy: Chance) -> Self {
        let sessions = Table::new(settings, shape);
        Self { shape, entropy, sessions, refusals: Vec::new(), next_id: 1, accepting: true, mark: None, full: false }
    }

    const fn settings(&self) -> &ReliableSettings {
        &self.sessions.settings
    }

    /// Takes no new sequences from now on: they are refused with EndpointUnavailable.
    pub const fn stop(&mut self) {
        self.accepting = false;
    }

    /// The identifiers of the sequences that are received carry this mark from now on.
    pub fn set_shard(&mut self, mark: ShardMark) {
        self.mark = Some(mark);
    }

    /// Somebody else counts, too: `true` refuses every new sequence from now on, with `ConnectionLimitReached`; `false`, as
    /// at first, leaves it to this machine's own limits.
    pub const fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// The next session that waits to be accepted, oldest first. Until then its messages wait too.
    pub fn accept(&mut self) -> Option<ReliableSessionId> {
        let index = self.sessions.iter().position(|session| session.phase() == SessionPhase::Opening)?;
        match self.sessions.idle(index) {
            Some(idle) => idle.accept(),
            None => self.sessions.wake(index)?.accept(),
        }
        Some(self.sessions.get(index)?.id())
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.sessions.len() == 0
    }

    /// How many sessions are busy: something is under way, or waits. The others take no room among the `BUSY`.
    pub fn busy(&self) -> usize {
        self.sessions.busy()
    }

    /// How many sessions wait to be accepted: those that `max_pending_channels` counts.
    pub fn pending(&self) -> usize {
        self.sessions.iter().filter(|session| session.phase() == SessionPhase::Opening).count()
    }

    /// A session; `None` once it is forgotten.
    pub fn session(&self, id: ReliableSessionId) -> Option<SessionView<'_, P, WINDOW, RANGES, REQUESTS, EXCHANGES>> {
        self.sessions.get(self.sessions.at(id)?)
    }

    /// The timers of a session that are running.
    pub fn timers(&self, id: ReliableSessionId) -> ReliableTimers {
        self.session(id).map_or(ReliableTimers::NONE, |session| session.timers(self.settings()))
    }

    /// The sessions, oldest first.
    pub fn sessions(&self) -> impl Iterator<Item = SessionView<'_, P, WINDOW, RANGES, REQUESTS, EXCHANGES>> {
        self.sessions.iter()
    }

    /// Tells a session something; `no_room` is what it is told when it is idle and `BUSY` others are busy.
    fn tell<T>(
        &mut self,
        id: ReliableSessionId,
        tell: impl FnOnce(Result<&mut Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>, NoRoom<'_, P>>) -> T,
    ) -> T {
        let Some(index) = self.sessions.at(id) else { return tell(Err(NoRoom::Unknown)) };
        if let Some(session) = self.sessions.wake(index) {
            let told = tell(Ok(session));
            self.sessions.settle(index);
            return told;
        }
        match self.sessions.idle(index) {
            Some(idle) => tell(Err(NoRoom::Idle(idle))),
            None => tell(Err(NoRoom::Unknown)),
        }
    }

    /// The next message for the application, by its number: see [`Service::take`].
    pub fn take(&mut self, now: Instant, id: ReliableSessionId) -> Option<u64> {
        // Nothing waits in an idle one.
        self.sessions.working(id)?;
        self.tell(id, |session| session.ok()?.take(now))
    }

    /// Gives the reply to a request: see [`Service::reply`].
    ///
    /// # Errors
    /// As [`Service::reply`].
    pub fn reply(&mut self, id: ReliableSessionId, number: u64, reply: P) -> Result<(), (P, SendRefused)> {
        self.tell(id, |session| match session {
            Ok(session) => session.reply(number, reply),
            // A request that waits keeps its session busy.
            Err(no_room) => Err((reply, no_room.phase_if_over().unwrap_or(SendRefused::Unknown))),
        })
    }

    /// Ends a request without a reply: see [`Service::finish`].
    ///
    /// # Errors
    /// As [`Service::finish`].
    pub fn finish(&mut self, id: ReliableSessionId, number: u64) -> Result<(), SendRefused> {
        self.tell(id, |session| session.map_err(|_| SendRefused::Unknown)?.finish(number))
    }

    /// Hands over a message (duplex): see [`Service::send`].
    ///
    /// # Errors
    /// As [`Service::send`], and [`SendRefused::Busy`] if the session is idle and `BUSY` others are busy.
    pub fn send(&mut self, now: Instant, id: ReliableSessionId, message: P) -> Result<Ticket, (P, SendRefused)> {
        self.tell(id, |session| match session {
            Ok(session) => session.send(now, message),
            Err(NoRoom::Unknown) => Err((message, SendRefused::Unknown)),
            Err(NoRoom::Idle(idle)) if idle.may_send() => Err((message, SendRefused::Busy { limit: BUSY })),
            Err(NoRoom::Idle(idle)) => Err((message, SendRefused::Phase(idle.phase))),
        })
    }

    /// Closes a session: see [`Service::close`]. While `BUSY` others are busy it ends its sequence later.
    ///
    /// # Errors
    /// As [`Service::close`].
    pub fn close(&mut self, now: Instant, id: ReliableSessionId) -> Result<(), SendRefused> {
        let timeout = self.settings().close_timeout;
        self.tell(id, |session| match session {
            Ok(session) => session.close(now),
            Err(NoRoom::Unknown) => Err(SendRefused::Unknown),
            Err(NoRoom::Idle(idle)) => idle.close(now, timeout),
        })
    }

    /// Gives a session up: see [`Service::abort`]. While `BUSY` others are busy the other side is told later.
    ///
    /// # Errors
    /// [`SendRefused::Unknown`].
    pub fn abort(&mut self, id: ReliableSessionId) -> Result<(), SendRefused> {
        self.tell(id, |session| match session {
            Ok(session) => {
                session.abort();
                Ok(())
            }
            Err(NoRoom::Unknown) => Err(SendRefused::Unknown),
            Err(NoRoom::Idle(idle)) => {
                idle.abort(SessionError::Aborted);
                Ok(())
            }
        })
    }

    /// Forgets a session that is over and has nothing left to send or to tell. What still comes for it is answered with
    /// UnknownSequence. `false` if it is not so far.
    pub fn forget(&mut self, id: ReliableSessionId) -> bool {
        let spent = self.sessions.iter().position(|session| session.id() == id && session.is_spent());
        match spent {
            Some(index) => {
                self.sessions.remove(index);
                true
            }
            None => false,
        }
    }

    /// The exchange is gone: its client went away.
    pub fn exchange_failed(&mut self, exchange: Exchange) {
        self.refusals.retain(|refusal| refusal.from != exchange);
        self.sessions.exchange_failed(exchange);
    }

    /// Would the message at this place be dropped now, as one before it has not come? An ordered session of requests takes none before
    /// its turn: WCF answers it with 202, and its client sends it again after the retransmission timeout.
    pub fn comes_early(&self, place: &Place) -> bool {
        let settings = self.settings();
        if !settings.ordered || self.shape != Shape::RequestReply {
            return false;
        }
        let named = self.sessions.iter().find(|session| session.identifier() == Some(place.identifier.as_bytes()));
        named.is_some_and(|session| {
            let row = session.received().first().filter(|range| range.lower == 1);
            let next = row.map_or(1, |row| row.upper.saturating_add(1));
            let missing = place.number.saturating_sub(next);
            missing > 0 && missing < u64::from(settings.window(WINDOW))
        })
    }

    /// Takes a message in that came by this exchange or, on duplex sessions, this connection. `token`: the identifier of
    /// the secure conversation that protected it. Over exchanges each gets an answer through [`next`](Self::next).
    pub fn hear(&mut self, now: Instant, from: Exchange, token: Option<&[u8]>, arrival: &Arrival<'_>) -> Admission {
        if let RmBody::CreateSequence { .. } = arrival.body {
            return self.create(now, from, token, arrival);
        }
        let nobody = |heard| Admission { session: None, heard };
        let index = self.sessions.iter().position(|session| is_named_by(&session, arrival));
        let live = index.filter(|index| {
            // One that is over knows its sequence no more, whether or not it has been forgotten.
            self.sessions.get(*index).is_some_and(|session| session.is_bound_to(token) && !session.phase().is_over())
        });
        match live {
            Some(index) => {
                let connection = self.shape == Shape::Duplex;
                match self.sessions.wake(index).filter(|session| session.has_room_to_hold() || connection) {
                    Some(session) => {
                        let heard = session.hear(now, from, arrival);
                        let session = Some(session.id());
                        self.sessions.settle(index);
                        Admission { session, heard }
                    }
                    None => self.hear_without_room(from, index, arrival),
                }
            }
            None => {
                let (kind, code) = self.kind_of_stranger(arrival);
                let about = named_by(arrival).unwrap_or(arrival.action_uri);
                self.refuse(from, arrival, (kind, code), about, token);
                nobody(Heard::Refused(SessionError::Remote { kind: Some(kind), code }))
            }
        }
    }

    /// What a message for no session is answered with.
    fn kind_of_stranger(&self, arrival: &Arrival<'_>) -> (RmFaultKind, FaultCode) {
        let names_a_sequence = named_by(arrival).is_some();
        let kind = match (names_a_sequence, self.settings().version, arrival.action) {
            (true, _, _) => RmFaultKind::UnknownSequence,
            (false, RmVersion::V11, _) => RmFaultKind::WsrmRequired,
            (false, RmVersion::February2005, _) => RmFaultKind::ActionNotSupported,
        };
        (kind, FaultCode::Sender)
    }

    /// A message for a session that has no room to be busy with it. Nothing changes, and the client tries again; but for a
    /// fault, which it says only once.
    fn hear_without_room(&mut self, from: Exchange, index: usize, arrival: &Arrival<'_>) -> Admission {
        let no_room = match self.shape {
            Shape::OneWay | Shape::RequestReply => self.refuse_room(from),
            Shape::Duplex => Admission { session: None, heard: Heard::NoRoom },
        };
        match (fatal_fault(arrival), self.sessions.idle(index)) {
            (Some(error), Some(idle)) => {
                idle.fault(error, false);
                Admission { session: Some(idle.id), heard: Heard::Refused(error) }
            }
            (Some(_) | None, _) => no_room,
        }
    }

    fn refuse_room(&mut self, from: Exchange) -> Admission {
        let refusal =
            Refusal { from, kind: None, code: FaultCode::Receiver, about: None, relates_to: None, token: None };
        let _ = self.refusals.push(refusal);
        Admission { session: None, heard: Heard::NoRoom }
    }

    fn refuse(
        &mut self,
        from: Exchange,
        arrival: &Arrival<'_>,
        (kind, code): (RmFaultKind, FaultCode),
        about: &[u8],
        token: Option<&[u8]>,
    ) {
        if self.refusals.is_full() {
            // The oldest has waited longest for a driver that does not come.
            self.refusals.remove(0);
        }
        let about = Identifier::new(about);
        let relates_to = arrival.message_id.and_then(Identifier::new);
        let token = token.and_then(Identifier::new);
        let _ = self.refusals.push(Refusal { from, kind: Some(kind), code, about, relates_to, token });
    }

    /// CreateSequence.
    fn create(&mut self, now: Instant, from: Exchange, token: Option<&[u8]>, arrival: &Arrival<'_>) -> Admission {
        match self.admit(now, from, token, arrival) {
            // It is there, and its answer has to wait: the client asks again.
            Ok(None) if self.shape == Shape::Duplex => Admission { session: None, heard: Heard::NoRoom },
            Ok(None) => self.refuse_room(from),
            Ok(Some(id)) => Admission { session: Some(id), heard: Heard::Protocol },
            Err((kind, code)) => {
                self.refuse(from, arrival, (kind, code), arrival.to.unwrap_or(&[]), token);
                Admission { session: None, heard: Heard::Refused(SessionError::Remote { kind: Some(kind), code }) }
            }
        }
    }

    fn admit(
        &mut self,
        now: Instant,
        from: Exchange,
        token: Option<&[u8]>,
        arrival: &Arrival<'_>,
    ) -> Result<Option<ReliableSessionId>, (RmFaultKind, FaultCode)> {
        let refused = || (RmFaultKind::CreateSequenceRefused, FaultCode::Sender);
        let RmBody::CreateSequence { acks_to, expires, offer, token: named } = arrival.body else {
            return Err(refused());
        };
        let message_id = arrival.message_id.ok_or((RmFaultKind::AddressingHeaderRequired, FaultCode::Sender))?;
        let wants_reply_to = self.settings().addressing == AddressingVersion::August2004;
        if wants_reply_to && arrival.reply_to.is_none() {
            return Err((RmFaultKind::AddressingHeaderRequired, FaultCode::Sender));
        }
        let message_id = Identifier::new(message_id).ok_or_else(refused)?;
        // 1.1 says by a header that it is so; over TLS instead WCF does not speak it.
        let says_so = arrival.uses_sequence_str == token.is_some() && !arrival.uses_sequence_ssl;
        if self.settings().version == RmVersion::V11 && !says_so {
            return Err(refused());
        }
        // Under a secure conversation the sequence is bound to its token, which must be the one that protects the message.
        if token.is_some() && named != token {
            return Err(refused());
        }
        let offer = self.offered(offer, acks_to)?;
        if let Some(index) = self.repeated(&message_id, offer.as_ref(), token) {
            let known = self.sessions.wake(index);
            let id = known.map(|known| {
                known.answer_create(from, message_id);
                known.id()
            });
            return Ok(id);
        }
        let address = arrival.to.unwrap_or(&[]);
        let address: Vec<u8, LONGEST_ADDRESS> = Vec::from_slice(address).map_err(|_| refused())?;
        let anonymous = self.settings().addressing.anonymous().as_bytes();
        let client = match arrival.reply_to.filter(|reply_to| *reply_to != anonymous) {
            Some(reply_to) => Some(Vec::from_slice(reply_to).map_err(|_| refused())?),
            None => None,
        };
        let expires: Vec<u8, 32> = Vec::from_slice(expires.unwrap_or(&[])).map_err(|_| refused())?;
        let token = match token {
            Some(token) => Some(Identifier::new(token).ok_or_else(refused)?),
            None => None,
        };
        if !self.accepting {
            // WCF blames the sender.
            return Err((RmFaultKind::EndpointUnavailable, FaultCode::Sender));
        }
        let pending = self.pending() >= usize::from(self.settings().max_pending_channels);
        if self.full || pending || self.sessions.is_full() || !self.sessions.has_room() {
            return Err((RmFaultKind::ConnectionLimitReached, FaultCode::Receiver));
        }
        let id = ReliableSessionId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let sequence = Identifier::of(Uuid::marked(&mut self.entropy, self.mark.as_ref()));
        let mut seed = [0; 32];
        self.entropy.fill(&mut seed);
        let mut session = Service::new(id, now, self.shape, self.settings(), sequence, offer, Chance::new(&seed));
        (session.address, session.client, session.expires, session.token) = (address, client, expires, token);
        session.answer_create(from, message_id);
        // Room was seen above.
        self.sessions.push(session);
        Ok(Some(id))
    }

    /// The offer, if it is one that this shape takes.
    fn offered(
        &self,
        offer: Option<Offer<'_>>,
        acks_to: &[u8],
    ) -> Result<Option<Identifier>, (RmFaultKind, FaultCode)> {
        let refused = || (RmFaultKind::CreateSequenceRefused, FaultCode::Sender);
        match (offer, self.shape, self.settings().version) {
            (None, Shape::OneWay, _) => Ok(None),
            (None, Shape::RequestReply | Shape::Duplex, _) => Err(refused()),
            (Some(_), Shape::OneWay, RmVersion::February2005) => Err(refused()),
            // 1.1 may leave an offer aside.
            (Some(_), Shape::OneWay, RmVersion::V11) => Ok(None),
            (Some(offer), Shape::RequestReply | Shape::Duplex, version) => {
                if version == RmVersion::V11 && offer.endpoint != Some(acks_to) {
                    return Err(refused());
                }
                Identifier::new(offer.identifier).map(Some).ok_or_else(refused)
            }
        }
    }

    /// The session that this CreateSequence has made before: by what it offers, or else by its MessageID.
    fn repeated(&self, message_id: &Identifier, offer: Option<&Identifier>, token: Option<&[u8]>) -> Option<usize> {
        self.sessions.iter().position(|session| {
            session.was_made_by(message_id, offer) && session.is_bound_to(token) && !session.phase().is_over()
        })
    }

    /// What an application should know, of which session; ask until there is nothing.
    pub fn told(&mut self, now: Instant) -> Option<(ReliableSessionId, Told<P>)> {
        self.sessions.told(now)
    }

    /// What an application should know of this session; ask until there is nothing.
    pub fn told_of(&mut self, now: Instant, id: ReliableSessionId) -> Option<Told<P>> {
        self.sessions.told_at(now, self.sessions.at(id)?)
    }

    /// Forgets every session that is over and has nothing left to send or to tell.
    pub fn forget_spent(&mut self) {
        for index in (0..self.sessions.len()).rev() {
            if self.sessions.get(index).is_some_and(|session| session.is_spent()) {
                self.sessions.remove(index);
            }
        }
    }

    /// The client ended the secure conversation of this token. Of the sessions that are bound to it those go on of which everything
    /// has arrived, until their application closes; the others fail. There is nobody to tell.
    pub fn lower_ended(&mut self, token: Option<&Identifier>) {
        let token = token.map(Identifier::as_bytes);
        for index in 0..self.sessions.len() {
            if self.sessions.get(index).is_none_or(|session| !session.is_bound_to(token)) {
                continue;
            }
            match self.sessions.idle(index) {
                Some(idle) => idle.fault(SessionError::Lower, false),
                None => {
                    if let Some(session) = self.sessions.wake(index) {
                        session.lower_ended();
                    }
                }
            }
        }
    }

    /// What wants something is busy.
    fn end_unsendable(&mut self, id: ReliableSessionId, want: ServiceWant, error: SessionError) {
        self.tell(id, |session| {
            if let Ok(session) = session {
                session.unsendable(want, error);
            }
        });
    }

    /// The message for `want` cannot be written, or has nobody left to go to: its session ends.
    pub fn unsendable(&mut self, now: Instant, want: AcceptorWant) {
        match want {
            AcceptorWant::Session(id, want) => {
                self.end_unsendable(id, want, SessionError::Unsendable);
            }
            AcceptorWant::Refusal(_) => self.sent(now, want),
        }
    }

    /// [`frame`](Self::frame) has nothing for what [`next`](Self::next) has just named, though it is one with a message. Its
    /// session ends by that, loudly: it would go on without what the other side waits for.
    pub fn unwritten(&mut self, now: Instant, want: AcceptorWant) {
        match want {
            AcceptorWant::Session(id, want) => {
                self.end_unsendable(id, want, SessionError::Unwritten(Unwritten::Service(want)));
            }
            AcceptorWant::Refusal(_) => self.sent(now, want),
        }
    }

    /// Does a session, or a fault that is not sent yet, need the secure conversation of this token?
    pub fn needs_token(&self, token: &[u8]) -> bool {
        let is = |own: &Option<Identifier>| own.as_ref().map(Identifier::as_bytes) == Some(token);
        self.sessions.iter().any(|session| session.is_bound_to(Some(token)))
            || self.refusals.iter().any(|refusal| is(&refusal.token))
    }

    /// The token that the session is bound to which a message names.
    pub fn token_named_by(&self, arrival: &Arrival<'_>) -> Option<Identifier> {
        self.sessions.iter().find(|session| is_named_by(session, arrival))?.token()
    }

    /// Binds the session which a message names to another token, of the same client.
    pub fn rebind(&mut self, arrival: &Arrival<'_>, token: &[u8]) {
        let named = self.sessions.iter().position(|session| is_named_by(&session, arrival));
        let (Some(index), Some(token)) = (named, Identifier::new(token)) else { return };
        match (self.sessions.idle(index), Name::of(&token)) {
            (Some(idle), Some(name)) => idle.rebind(name),
            // A name that is too long to be kept short, or a session that is busy already.
            _ => {
                if let Some(session) = self.sessions.wake(index) {
                    session.token = Some(token);
                }
            }
        }
    }

    /// The secure conversation under which the message for `want` goes.
    pub fn token_of(&self, want: AcceptorWant) -> Option<&Identifier> {
        match want {
            AcceptorWant::Session(id, _) => self.sessions.working(id)?.token.as_ref(),
            AcceptorWant::Refusal(from) => self.refusals.iter().find(|refusal| refusal.from == from)?.token.as_ref(),
        }
    }

    /// The connection that the message for `want` goes by (duplex): the one that its receiver was last heard on.
    pub fn connection_of(&self, want: AcceptorWant) -> Exchange {
        match want {
            AcceptorWant::Session(id, _) => self.sessions.working(id).map_or(Exchange(0), |session| session.connection),
            AcceptorWant::Refusal(from) => from,
        }
    }

    /// Is the message for `want` a fault? HTTP carries it with status 500.
    pub fn is_fault(&self, want: AcceptorWant) -> bool {
        match want {
            AcceptorWant::Session(id, want) => self.sessions.working(id).is_some_and(|session| session.is_fault(want)),
            AcceptorWant::Refusal(_) => true,
        }
    }

    /// What is to be sent now, if anything.
    pub fn next(&mut self, now: Instant) -> Option<AcceptorWant> {
        if let Some(refusal) = self.refusals.first() {
            return Some(AcceptorWant::Refusal(refusal.from));
        }
        self.sessions.next(now).map(|(id, want)| AcceptorWant::Session(id, want))
    }

    /// The message to be written for `want`; `None` for one without a message.
    pub fn frame(&self, want: AcceptorWant) -> Option<Frame<'_>> {
        match want {
            AcceptorWant::Session(id, want) => self.sessions.working(id)?.frame(want),
            AcceptorWant::Refusal(from) => {
                let refusal = self.refusals.iter().find(|refusal| refusal.from == from)?;
                let kind = refusal.kind?;
                let anonymous = self.settings().addressing.anonymous().as_bytes();
                let says_to =
                    self.shape == Shape::Duplex || self.settings().addressing == AddressingVersion::August2004;
                let about = refusal.about.as_ref().map_or(&[][..], Identifier::as_bytes);
                let reason = super::faults::reason(kind, None, about);
                let identifier = if kind.has_sequence() { about } else { &[] };
                let fault = RmFault { kind, code: refusal.code, identifier, reason };
                Some(Frame {
                    relates_to: refusal.relates_to.as_ref().map(Identifier::as_bytes),
                    body: FrameBody::Fault(fault, None),
                    ..super::client_frames::bare(FrameAction::Fault, says_to.then_some(anonymous))
                })
            }
        }
    }

    /// It was written, and goes out now.
    pub fn sent(&mut self, now: Instant, want: AcceptorWant) {
        match want {
            AcceptorWant::Session(id, want) => {
                self.tell(id, |session| {
                    if let Ok(session) = session {
                        session.sent(now, want);
                    }
                });
            }
            AcceptorWant::Refusal(from) => {
                if let Some(index) = self.refusals.iter().position(|refusal| refusal.from == from) {
                    self.refusals.remove(index);
                }
            }
        }
    }

    /// Until when there is nothing to do.
    pub fn deadline(&self) -> Deadline {
        self.sessions.iter().map(|session| session.deadline(self.settings())).min().unwrap_or(Deadline::Never)
    }
}

/// The sequence that a message names, if it names one. UnknownSequence tells the acknowledged one first, as WCF does.
fn named_by<'a>(arrival: &Arrival<'a>) -> Option<&'a [u8]> {
    let body = match arrival.body {
        RmBody::CloseSequence { identifier, .. }
        | RmBody::TerminateSequence { identifier, .. }
        | RmBody::CloseSequenceResponse { identifier }
        | RmBody::TerminateSequenceResponse { identifier } => Some(identifier),
        RmBody::Fault(fault) => fault.identifier,
        RmBody::None | RmBody::CreateSequence { .. } | RmBody::CreateSequenceResponse { .. } => None,
    };
    let acknowledged = arrival.acknowledgement.as_ref().map(|header| header.identifier);
    let sequence = arrival.sequence.map(|sequence| sequence.identifier);
    acknowledged.or(sequence).or(arrival.ack_requested).or(body)
}

/// Does every sequence that the message names belong to this session, and does it name one?
fn is_named_by<P, const WINDOW: usize, const RANGES: usize, const REQUESTS: usize, const EXCHANGES: usize>(
    session: &SessionView<'_, P, WINDOW, RANGES, REQUESTS, EXCHANGES>,
    arrival: &Arrival<'_>,
) -> bool
where
    P: Outgoing,
{
    let mut named = false;
    let mut ours = true;
    let mut note = |own: bool| {
        named = true;
        ours &= own;
    };
    if let Some(sequence) = arrival.sequence {
        note(session.receives(sequence.identifier));
    }
    if let Some(identifier) = arrival.ack_requested {
        note(session.receives(identifier));
    }
    if let Some(header) = &arrival.acknowledgement {
        note(session.sends(header.identifier));
    }
    match arrival.body {
        RmBody::CloseSequence { identifier, .. } | RmBody::TerminateSequence { identifier, .. } => {
            // The other direction's is an offence of this session, not a stranger's.
            note(session.receives(identifier) || session.sends(identifier));
        }
        RmBody::CloseSequenceResponse { identifier } | RmBody::TerminateSequenceResponse { identifier } => {
            note(session.sends(identifier));
        }
        RmBody::Fault(fault) => {
            if let Some(identifier) = fault.identifier {
                note(session.receives(identifier) || session.sends(identifier));
            }
        }
        RmBody::None | RmBody::CreateSequence { .. } | RmBody::CreateSequenceResponse { .. } => {}
    }
    named && ours
}

/// Why a session cannot be told something.
enum NoRoom<'s, P> {
    /// There is none of this name.
    Unknown,
    /// It is idle, and as many are busy as there may be.
    Idle(&'s mut Idle<P>),
}

impl<P> NoRoom<'_, P> {
    fn phase_if_over(&self) -> Option<SendRefused> {
        match self {
            Self::Idle(idle) if idle.phase.is_over() => Some(SendRefused::Phase(idle.phase)),
            Self::Idle(_) | Self::Unknown => None,
        }
    }
}

impl<P: Outgoing, const WINDOW: usize, const RANGES: usize, const REQUESTS: usize, const EXCHANGES: usize>
    Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>
{
    /// The CreateSequence, first or repeated, gets its answer.
    fn answer_create(&mut self, from: Exchange, message_id: Identifier) {
        self.created_by = Some(message_id.clone());
        if self.common.connection() {
            self.connection = from;
            self.owes_create = true;
        } else {
            self.hold(from, Holding::Created(Some(message_id)));
        }
    }
}
