//! A request of the protocol that is repeated until it is answered: CreateSequence, CloseSequence, TerminateSequence.

use crate::chance::Uuid;
use crate::exchange::Exchange;
use crate::time::{Deadline, Duration, Instant};

/// Every attempt carries the same MessageID.
///
/// Over exchanges an attempt lasts until its exchange fails, and the next one starts the interval after the start of the
/// failed one, if there is still that much time. Without exchanges it is repeated every interval.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Requestor {
    pub(super) message_id: Uuid,
    /// When the first attempt went out: the round trip is measured from here, as WCF does.
    first: Option<Instant>,
    attempt: Instant,
    /// The exchange of the attempt that is under way.
    exchange: Option<Exchange>,
    next: Deadline,
    until: Instant,
}

impl Requestor {
    /// The first attempt is due at once; after `until` there is none.
    pub(super) const fn new(message_id: Uuid, now: Instant, until: Instant) -> Self {
        Self { message_id, first: None, attempt: now, exchange: None, next: Deadline::At(now), until }
    }

    pub(super) const fn next(&self) -> Deadline {
        self.next
    }

    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    /// An attempt went out.
    pub(super) fn sent(&mut self, now: Instant, exchange: Option<Exchange>, interval: Duration) {
        self.first = self.first.or(Some(now));
        self.attempt = now;
        self.exchange = exchange;
        self.next = match exchange {
            Some(_) => Deadline::Never,
            None => self.within(now.after(interval)),
        };
    }

    /// Whether this exchange is the attempt's; the next attempt is then timed.
    pub(super) fn failed(&mut self, now: Instant, exchange: Exchange, interval: Duration) -> bool {
        if self.exchange != Some(exchange) {
            return false;
        }
        self.exchange = None;
        let next = self.attempt.after(interval);
        // Not at all if less than an interval is left.
        self.next = if now.after(interval) > self.until { Deadline::Never } else { self.within(next) };
        true
    }

    fn within(&self, at: Instant) -> Deadline {
        if at > self.until { Deadline::Never } else { Deadline::At(at) }
    }

    /// Is an attempt under way, or to come?
    pub(super) const fn hopes(&self) -> bool {
        self.exchange.is_some() || matches!(self.next, Deadline::At(_))
    }

    /// From the first attempt to `now`.
    pub(super) fn round_trip(&self, now: Instant) -> Option<Duration> {
        self.first.map(|first| now.since(first))
    }

    /// From the attempt that was answered to `now`. Only an exchange tells which of several that was (Karn's rule).
    pub(super) fn certain_round_trip(&self, now: Instant) -> Option<Duration> {
        let certain = self.exchange.is_some() || self.first == Some(self.attempt);
        certain.then(|| now.since(self.attempt))
    }
}
