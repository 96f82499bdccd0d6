//! A session in an acceptor's table, to be looked at.

use super::client_timers::ReliableTimers;
use super::identifier::Identifier;
use super::idle::Idle;
use super::phase::SessionPhase;
use super::ranges::Range;
use super::reason::SessionError;
use super::service::{ReliableSessionId, Service};
use super::settings::ReliableSettings;
use crate::exchange::Outgoing;
use crate::time::Deadline;

/// A session in an acceptor's table, busy or idle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionView<'a, P, const WINDOW: usize, const RANGES: usize, const REQUESTS: usize, const EXCHANGES: usize>(
    pub(super) Seen<'a, P, WINDOW, RANGES, REQUESTS, EXCHANGES>,
);

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Seen<'a, P, const WINDOW: usize, const RANGES: usize, const REQUESTS: usize, const EXCHANGES: usize> {
    Idle(&'a Idle<P>),
    Busy(&'a Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>),
}

impl<'a, P: Outgoing, const WINDOW: usize, const RANGES: usize, const REQUESTS: usize, const EXCHANGES: usize>
    SessionView<'a, P, WINDOW, RANGES, REQUESTS, EXCHANGES>
{
    /// Its name at the acceptor.
    pub const fn id(&self) -> ReliableSessionId {
        match self.0 {
            Seen::Idle(idle) => idle.id,
            Seen::Busy(session) => session.id(),
        }
    }

    /// Is nothing under way: no exchange open, no message waiting or unacknowledged, but for the last reply? An idle session
    /// takes no place among the busy ones.
    pub const fn is_idle(&self) -> bool {
        matches!(self.0, Seen::Idle(_))
    }

    /// The identifier of the sequence that the client sends: WCF's session id.
    pub fn identifier(&self) -> Option<&'a [u8]> {
        match self.0 {
            Seen::Idle(idle) => Some(idle.identifier()),
            Seen::Busy(session) => session.identifier().map(Identifier::as_bytes),
        }
    }

    /// The identifier of the secure conversation that the session is bound to.
    pub fn token(&self) -> Option<Identifier> {
        match self.0 {
            Seen::Idle(idle) => idle.token(),
            Seen::Busy(session) => session.token().cloned(),
        }
    }

    /// The state. [`SessionPhase::Opening`]: not accepted yet.
    pub const fn phase(&self) -> SessionPhase {
        match self.0 {
            Seen::Idle(idle) => idle.phase,
            Seen::Busy(session) => session.phase(),
        }
    }

    /// Why the session ended, if not in good order.
    pub const fn error(&self) -> Option<SessionError> {
        match self.0 {
            Seen::Idle(idle) => idle.error,
            Seen::Busy(session) => session.error(),
        }
    }

    /// Numbers received so far, as ranges.
    pub fn received(&self) -> &'a [Range] {
        match self.0 {
            Seen::Idle(idle) => idle.inbound().ranges(),
            Seen::Busy(session) => session.received(),
        }
    }

    /// How many messages were sent again so far (duplex).
    pub fn retransmissions(&self) -> u64 {
        match self.0 {
            Seen::Idle(idle) => idle.retransmissions(),
            Seen::Busy(session) => session.retransmissions(),
        }
    }

    /// Is it over, with nothing left to send or to tell?
    pub fn is_spent(&self) -> bool {
        match self.0 {
            Seen::Idle(idle) => idle.is_spent(),
            Seen::Busy(session) => session.is_spent(),
        }
    }

    pub(super) fn timers(&self, settings: &ReliableSettings) -> ReliableTimers {
        match self.0 {
            Seen::Idle(idle) => idle.timers(settings),
            Seen::Busy(session) => session.timers(),
        }
    }

    pub(super) fn deadline(&self, settings: &ReliableSettings) -> Deadline {
        match self.0 {
            Seen::Idle(idle) => idle.deadline(settings),
            Seen::Busy(session) => session.deadline(),
        }
    }

    pub(super) fn is_bound_to(&self, token: Option<&[u8]>) -> bool {
        match self.0 {
            Seen::Idle(idle) => idle.is_bound_to(token),
            Seen::Busy(session) => session.token.as_ref().map(Identifier::as_bytes) == token,
        }
    }

    /// Is it the sequence that this side receives?
    pub(super) fn receives(&self, identifier: &[u8]) -> bool {
        self.identifier() == Some(identifier)
    }

    /// Is it the sequence that was offered?
    pub(super) fn sends(&self, identifier: &[u8]) -> bool {
        match self.0 {
            Seen::Idle(idle) => idle.sends(identifier),
            Seen::Busy(session) => session.offer.as_ref().is_some_and(|own| own.is(identifier)),
        }
    }

    /// Has this CreateSequence made it before: by what it offers, or else by its MessageID?
    pub(super) fn was_made_by(&self, message_id: &Identifier, offer: Option<&Identifier>) -> bool {
        match self.0 {
            Seen::Idle(idle) => idle.was_made_by(message_id, offer),
            Seen::Busy(session) => match (offer, &session.offer) {
                (Some(offered), Some(known)) => offered == known,
                (Some(_), None) => false,
                (None, _) => session.created_by.as_ref() == Some(message_id),
            },
        }
    }
}
