//! A session while nothing is under way: what has to be kept of it until it is spoken to again.
//!
//! Settings are the acceptor's, addresses stand in its table, and whatever only a session has that is busy (exchanges that
//! wait for their answers, requests, messages that are not acknowledged, messages that wait for the application) is not there.
//! A session that cannot be kept so, because one of its names is too long, counts as busy until it is over.

use super::client::LONGEST_ADDRESS;
use super::client_timers::ReliableTimers;
use super::common::{Common, Shape, Told};
use super::destination::{Destination, IdleDestination};
use super::identifier::Identifier;
use super::name::{Name, UuidText, text_of};
use super::outbound::Outbound;
use super::phase::{SessionEvent, SessionPhase};
use super::reason::{SendRefused, SessionError};
use super::service::{ReliableSessionId, Request, RequestState, Service};
use super::settings::ReliableSettings;
use super::source::IdleSource;
use crate::chance::Chance;
use crate::exchange::{Exchange, Outgoing};
use crate::time::{Deadline, Duration, Instant};
use heapless::Vec;

/// The longest address of a client that is kept, in bytes. WCF's own, of dual HTTP, have some 130.
const LONGEST_CLIENT: usize = 160;

/// An address that several sessions share.
pub(super) type Address = Vec<u8, LONGEST_ADDRESS>;

/// A session that is idle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Idle<P> {
    pub(super) id: ReliableSessionId,
    pub(super) phase: SessionPhase,
    told_opened: bool,
    told_over: bool,
    /// It has ended, and the other side is to be told (duplex).
    tells: bool,
    /// The application has closed it, and its sequence is to be ended (duplex).
    ends: bool,
    /// Where its own address stands in the table.
    pub(super) address: u8,
    pub(super) error: Option<SessionError>,
    sequence: UuidText,
    /// What was offered; without an offer, the MessageID of the CreateSequence: either tells a repeated one.
    known_by: Name,
    token: Option<Name>,
    client: Option<Vec<u8, LONGEST_CLIENT, u8>>,
    expires: Vec<u8, 32, u8>,
    connection: Exchange,
    last_heard: Instant,
    last_sent: Instant,
    close_until: Instant,
    entropy: Chance,
    inbound: IdleDestination,
    role: Role<P>,
}

/// The last reply of a session whose requests are answered.
#[derive(Clone, PartialEq, Eq, Debug)]
struct LastReply<P> {
    number: u64,
    two_way: bool,
    message_id: Option<Name>,
    reply: u64,
    message: P,
}

/// What differs by the shape.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Role<P> {
    OneWay,
    Replies {
        /// The last request, whose reply the client acknowledges only with the next one.
        last: Option<LastReply<P>>,
        next_reply: u64,
    },
    Duplex {
        outbound: IdleSource,
        next_ticket: u64,
    },
}

impl<P: Outgoing> Idle<P> {
    /// Keeps an idle session; `None`, and nothing changed, if it is busy. `address` finds a place for its address.
    pub(super) fn of<const WINDOW: usize, const RANGES: usize, const REQUESTS: usize, const EXCHANGES: usize>(
        session: &mut Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>,
        address: impl FnOnce(&[u8]) -> Option<u8>,
    ) -> Option<Self> {
        let common = &session.common;
        let alive = match common.phase {
            SessionPhase::Opening | SessionPhase::Opened => true,
            SessionPhase::Closing => !common.connection(),
            SessionPhase::Created | SessionPhase::Closed | SessionPhase::Faulted => false,
        };
        if !alive || !session.held.is_empty() || session.owes_create || !common.owes_nothing() {
            return None;
        }
        let answered = match session.requests.as_slice() {
            [] => true,
            [only] => matches!(only.state, RequestState::Replied(..)) && !only.last,
            _ => false,
        };
        if !answered || session.last_reply.is_some() {
            return None;
        }
        let inbound = common.inbound.as_ref()?;
        let known_by = session.offer.as_ref().or(session.created_by.as_ref())?;
        let mut role = match (common.shape, &common.outbound) {
            (Shape::OneWay, None) if session.requests.is_empty() => Role::OneWay,
            (Shape::RequestReply, None) => Role::Replies { last: None, next_reply: session.next_reply },
            (Shape::Duplex, Some(outbound)) => {
                Role::Duplex { outbound: outbound.rest()?, next_ticket: common.next_ticket }
            }
            (Shape::OneWay | Shape::RequestReply | Shape::Duplex, _) => return None,
        };
        let client = match &session.client {
            Some(client) => Some(Vec::from_slice(client).ok()?),
            None => None,
        };
        let token = match &session.token {
            Some(token) => Some(Name::of(token)?),
            None => None,
        };
        let message_id = match session.requests.first().and_then(|request| request.message_id.as_ref()) {
            Some(message_id) => Some(Name::of(message_id)?),
            None => None,
        };
        let (sequence, known_by) = (text_of(&inbound.identifier)?, Name::of(known_by)?);
        let expires = Vec::from_slice(&session.expires).ok()?;
        let inbound = inbound.rest()?;
        let address = address(&session.address)?;
        if let Role::Replies { last, .. } = &mut role
            && let Some(Request { number, two_way, state: RequestState::Replied(reply, message), .. }) =
                session.requests.pop()
        {
            *last = Some(LastReply { number, two_way, message_id, reply, message });
        }
        let common = &session.common;
        Some(Self {
            id: session.id,
            phase: common.phase,
            told_opened: common.told_opened,
            told_over: common.told_over,
            tells: false,
            ends: false,
            address,
            error: common.error,
            sequence,
            known_by,
            token,
            client,
            expires,
            connection: session.connection,
            last_heard: common.last_heard,
            last_sent: common.last_sent,
            close_until: common.close_until,
            entropy: common.entropy.clone(),
            inbound,
            role,
        })
    }

    /// The session as it was, with room for what makes it busy.
    pub(super) fn wake<const WINDOW: usize, const RANGES: usize, const REQUESTS: usize, const EXCHANGES: usize>(
        self,
        shape: Shape,
        settings: &ReliableSettings,
        addresses: &[Address],
    ) -> Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES> {
        let known_by = self.known_by.identifier();
        let (offer, created_by) = if shape.offers() { (Some(known_by), None) } else { (None, Some(known_by)) };
        let mut common = Common::new(settings.clone(), shape, true, self.entropy);
        (common.told_opened, common.told_over) = (self.told_opened, self.told_over);
        (common.last_heard, common.last_sent, common.close_until) = (self.last_heard, self.last_sent, self.close_until);
        let sequence = Identifier::new(&self.sequence).unwrap_or_default();
        common.inbound = Some(Destination::resume(sequence, &self.inbound, shape != Shape::RequestReply, settings));
        let (mut requests, mut next_reply) = (Vec::new(), 1);
        match self.role {
            Role::OneWay => {}
            Role::Replies { last, next_reply: next } => {
                next_reply = next;
                if let Some(LastReply { number, two_way, message_id, reply, message }) = last {
                    let state = RequestState::Replied(reply, message);
                    let message_id = message_id.as_ref().map(Name::identifier);
                    // Room for one there was before.
                    let _ = requests.push(Request { number, two_way, last: false, message_id, state });
                }
            }
            Role::Duplex { outbound, next_ticket } => {
                common.next_ticket = next_ticket;
                if let Some(offer) = offer.clone() {
                    common.outbound = Some(Outbound::resume(offer, &outbound, shape, settings));
                }
            }
        }
        if let Some(error) = self.error {
            common.over(error, self.tells);
        }
        common.phase = self.phase;
        if self.ends {
            // When the application closed.
            let timeout = u64::try_from(settings.close_timeout.as_millis()).unwrap_or(u64::MAX);
            common.end_outbound(Instant::from_millis(self.close_until.as_millis().saturating_sub(timeout)));
        }
        Service {
            id: self.id,
            common,
            connection: self.connection,
            address: addresses.get(usize::from(self.address)).cloned().unwrap_or_default(),
            client: self.client.map(|client| Vec::from_slice(&client).unwrap_or_default()),
            expires: Vec::from_slice(&self.expires).unwrap_or_default(),
            offer,
            token: self.token.map(|token| token.identifier()),
            created_by,
            owes_create: false,
            requests,
            held: Vec::new(),
            next_reply,
            last_reply: None,
        }
    }

    pub(super) const fn identifier(&self) -> &[u8] {
        &self.sequence
    }

    pub(super) fn token(&self) -> Option<Identifier> {
        self.token.as_ref().map(Name::identifier)
    }

    /// Is it the sequence that was offered?
    pub(super) fn sends(&self, identifier: &[u8]) -> bool {
        !matches!(self.role, Role::OneWay) && self.known_by.is(identifier)
    }

    /// Has this CreateSequence made it before?
    pub(super) fn was_made_by(&self, message_id: &Identifier, offer: Option<&Identifier>) -> bool {
        match offer {
            Some(offer) => self.sends(offer.as_bytes()),
            None => matches!(self.role, Role::OneWay) && self.known_by.is(message_id.as_bytes()),
        }
    }

    pub(super) fn is_bound_to(&self, token: Option<&[u8]>) -> bool {
        match (&self.token, token) {
            (Some(own), Some(token)) => own.is(token),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    pub(super) fn inbound(&self) -> &IdleDestination {
        &self.inbound
    }

    pub(super) fn retransmissions(&self) -> u64 {
        match &self.role {
            Role::OneWay | Role::Replies { .. } => 0,
            Role::Duplex { outbound, .. } => outbound.retransmissions(),
        }
    }

    /// The application has it from now on.
    pub(super) fn accept(&mut self) {
        self.phase = self.phase.next(SessionEvent::Created).unwrap_or(self.phase);
    }

    /// The application closes, and there is no room to be busy with it: see [`Service::close`]. A duplex session ends its
    /// sequence when there is room.
    pub(super) fn close(&mut self, now: Instant, timeout: Duration) -> Result<(), SendRefused> {
        let before = self.phase;
        self.phase = before.next(SessionEvent::Close).ok_or(SendRefused::Phase(before))?;
        if matches!(before, SessionPhase::Opening | SessionPhase::Opened) {
            self.close_until = now.after(timeout);
            self.ends = matches!(self.role, Role::Duplex { .. });
        }
        Ok(())
    }

    /// The session ends by this error: see [`Common::fault`].
    pub(super) fn fault(&mut self, error: SessionError, tell: bool) {
        if let Some(next) = self.phase.next(SessionEvent::Fault) {
            self.phase = next;
            self.over(error, tell);
        }
    }

    /// The session is given up: see [`Common::abort`].
    pub(super) fn abort(&mut self, error: SessionError) {
        let over = self.phase.is_over();
        self.phase = self.phase.next(SessionEvent::Abort).unwrap_or(self.phase);
        if !over {
            self.over(error, true);
        }
    }

    fn over(&mut self, error: SessionError, tell: bool) {
        self.error = Some(error);
        self.ends = false;
        match &mut self.role {
            Role::OneWay => {}
            Role::Replies { last, .. } => *last = None,
            // The others tell by the answer of an exchange, and none is open.
            Role::Duplex { .. } => self.tells = tell,
        }
    }

    /// Everything that time brings.
    pub(super) fn tick(&mut self, now: Instant, settings: &ReliableSettings) {
        let timeout = settings.inactivity_timeout;
        if !self.phase.is_over() && self.inactive_at(settings).due(now) {
            self.fault(SessionError::Inactive { timeout }, true);
        }
        if self.phase == SessionPhase::Closing && now >= self.close_until {
            self.abort(SessionError::CloseTimeout { timeout: settings.close_timeout });
        }
    }

    /// What the application should know; ask until there is nothing.
    pub(super) fn told(&mut self, now: Instant, settings: &ReliableSettings) -> Option<Told<P>> {
        self.tick(now, settings);
        let opened = matches!(self.phase, SessionPhase::Opened | SessionPhase::Closing);
        if opened && !self.told_opened {
            self.told_opened = true;
            return Some(Told::Opened);
        }
        if self.phase.is_over() && !self.told_over {
            self.told_over = true;
            return Some(self.error.map_or(Told::Closed, Told::Ended));
        }
        None
    }

    /// Could it send a message, with room to be busy?
    pub(super) fn may_send(&self) -> bool {
        self.phase == SessionPhase::Opened && matches!(self.role, Role::Duplex { .. })
    }

    /// Does it want to send something, and needs room for that?
    pub(super) const fn wants_room(&self) -> bool {
        self.tells || self.ends
    }

    /// Is it over, with nothing left to send or to tell?
    pub(super) const fn is_spent(&self) -> bool {
        self.phase.is_over() && self.told_over && !self.tells
    }

    fn inactive_at(&self, settings: &ReliableSettings) -> Deadline {
        Deadline::At(self.last_heard.after(settings.inactivity_timeout))
    }

    /// From now on the session is bound to this token.
    pub(super) fn rebind(&mut self, token: Name) {
        self.token = Some(token);
    }

    /// Until when there is nothing to do.
    pub(super) fn timers(&self, settings: &ReliableSettings) -> ReliableTimers {
        if self.phase.is_over() {
            return ReliableTimers::NONE;
        }
        let closing = self.phase == SessionPhase::Closing;
        ReliableTimers {
            inactivity: self.inactive_at(settings),
            close: if closing { Deadline::At(self.close_until) } else { Deadline::Never },
            ..ReliableTimers::NONE
        }
    }

    pub(super) fn deadline(&self, settings: &ReliableSettings) -> Deadline {
        match self.phase {
            SessionPhase::Closed | SessionPhase::Faulted => Deadline::Never,
            SessionPhase::Closing => self.inactive_at(settings).min(Deadline::At(self.close_until)),
            SessionPhase::Created | SessionPhase::Opening | SessionPhase::Opened => self.inactive_at(settings),
        }
    }
}
