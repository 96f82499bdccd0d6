//! The timers of a client's reliable session, each by itself, and how long things may take from now on.

use super::client::Client;
use super::destination::Destination;
use super::reason::SendRefused;
use super::requestor::Requestor;
use super::source::Ticket;
use crate::chance::Entropy;
use crate::exchange::Outgoing;
use crate::time::{Deadline, Duration, Instant};
use core::mem;

/// The timers of a reliable session: when each is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReliableTimers {
    /// Nothing was heard for the inactivity timeout: the session faults.
    pub inactivity: Deadline,
    /// A message is not acknowledged: it is sent again.
    pub retransmission: Deadline,
    /// An acknowledgement is kept back (duplex): it is sent by itself.
    pub acknowledgement: Deadline,
    /// The other side is asked whether it is there.
    pub keep_alive: Deadline,
    /// CreateSequence, CloseSequence or TerminateSequence is sent again.
    pub request: Deadline,
    /// A service's close is given up. (A client's belongs to the channel above.)
    pub close: Deadline,
}

impl ReliableTimers {
    /// None is running.
    pub const NONE: Self = Self {
        inactivity: Deadline::Never,
        retransmission: Deadline::Never,
        acknowledgement: Deadline::Never,
        keep_alive: Deadline::Never,
        request: Deadline::Never,
        close: Deadline::Never,
    };
}

impl<P: Outgoing, E: Entropy, const WINDOW: usize, const RANGES: usize, const EXCHANGES: usize>
    Client<P, E, WINDOW, RANGES, EXCHANGES>
{
    /// The service's address.
    pub fn to(&self) -> &[u8] {
        &self.addresses.to
    }

    /// The timers that are running.
    pub fn timers(&self) -> ReliableTimers {
        if self.common.phase.is_over() {
            return ReliableTimers::NONE;
        }
        let outbound = self.common.outbound.as_ref();
        let requestor = outbound.and_then(|outbound| outbound.requestor.as_ref()).or(self.creating.as_ref());
        ReliableTimers {
            inactivity: self.common.inactive_at(),
            retransmission: outbound.map_or(Deadline::Never, |outbound| outbound.source.timer()),
            acknowledgement: self.common.inbound.as_ref().map_or(Deadline::Never, Destination::timer),
            keep_alive: self.poll_at(),
            request: requestor.map_or(Deadline::Never, Requestor::next),
            close: Deadline::Never,
        }
    }

    /// How long an open or a close that begins from now on may take. A layer above that has a deadline for all its layers says
    /// what is left of it.
    pub const fn allow(&mut self, open: Duration, close: Duration) {
        self.common.settings.open_timeout = open;
        self.common.settings.close_timeout = close;
    }

    /// As [`send`](Self::send), for a caller who waits so long and not the send timeout.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_within(&mut self, now: Instant, message: P, allowance: Duration) -> Result<Ticket, (P, SendRefused)> {
        let usual = mem::replace(&mut self.common.settings.send_timeout, allowance);
        let sent = self.send(now, message);
        self.common.settings.send_timeout = usual;
        sent
    }
}
