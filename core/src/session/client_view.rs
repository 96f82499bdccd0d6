//! What a room above needs of a client's reliable session, beyond the verbs: its parts, its timers, what is left of a deadline.

use super::client::SessionClient;
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::exchange::Outgoing;
use crate::reliable::{ReliableTimers, RmVersion, SendRefused, Shape, Ticket, Told};
use crate::time::{Deadline, Duration, Instant};
use crate::xml::Limits;

impl<P, E, const WINDOW: usize, const RANGES: usize, const EXCHANGES: usize, const REPLAY: usize, B>
    SessionClient<P, E, WINDOW, RANGES, EXCHANGES, REPLAY, B>
where
    P: Outgoing,
    E: Entropy + Clone,
    B: Backend,
{
    /// The version of WS-ReliableMessaging.
    pub const fn version(&self) -> RmVersion {
        self.versions.reliable
    }

    /// How messages travel.
    pub const fn shape(&self) -> Shape {
        self.reliable.shape()
    }

    /// Reader quotas and the greatest message.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The service's address.
    pub fn to(&self) -> &[u8] {
        self.reliable.to()
    }

    /// The timers of the reliable session.
    pub fn timers(&self) -> ReliableTimers {
        self.reliable.timers()
    }

    /// The conversation's timers, if there is one: when its key is due for renewal, and when the old key is forgotten.
    pub fn key_timers(&self) -> [Deadline; 2] {
        self.security.as_ref().map_or([Deadline::Never; 2], |security| [security.renewal_at(), security.rollover_at()])
    }

    /// Something that the application should know; [`poll`](Self::poll) tells it as well.
    pub fn told(&mut self, now: Instant) -> Option<Told<P>> {
        self.reliable.told(now)
    }

    /// How long an open or a close that begins from now on may take.
    pub const fn allow(&mut self, open: Duration, close: Duration) {
        self.reliable.allow(open, close);
    }

    /// Hands over a message that may take so long.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_within(&mut self, now: Instant, message: P, allowance: Duration) -> Result<Ticket, (P, SendRefused)> {
        self.reliable.send_within(now, message, allowance)
    }
}
