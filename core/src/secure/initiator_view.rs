//! What a client's conversation shows of itself: where it speaks to, and its timers.

use super::binding::Binding;
use super::exchange::{Exchange, Outgoing};
use super::initiator::Initiator;
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::time::{Deadline, Instant};

impl<P: Outgoing, E: Entropy + Clone, const CALLS: usize, const REPLAY: usize, B: Backend>
    Initiator<P, E, CALLS, REPLAY, B>
{
    /// The binding.
    pub const fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The service's address.
    pub fn to(&self) -> &[u8] {
        &self.to
    }

    /// Is this call waiting to be sent, or under way?
    pub fn has_call(&self, exchange: Exchange) -> bool {
        self.calls.iter().any(|call| call.exchange == exchange)
    }

    /// From when on a message has the key renewed first. Nothing happens at that time by itself.
    pub fn renewal_at(&self) -> Deadline {
        let Some(token) = self.tokens.current() else { return Deadline::Never };
        let due = token.renewal_at(&self.settings).0.saturating_sub(self.wall.unix_ms_at_zero);
        // Before the driver's zero: it is due already.
        Deadline::At(Instant::from_millis(u64::try_from(due).unwrap_or(0)))
    }

    /// Until when the key before the last renewal is accepted.
    pub fn rollover_at(&self) -> Deadline {
        let since = self.tokens.replaced_at();
        since.map_or(Deadline::Never, |since| Deadline::At(since.after(self.settings.key_rollover_interval)))
    }
}
