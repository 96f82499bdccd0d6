//! Replay detection: every signature value that is still within its window, in a table of fixed size that fails closed.

use super::{ClockRules, Refusal, SignatureValue};
use crate::time::{Instant, UnixMillis};
use core::time::Duration;
use heapless::deque::Deque;
use heapless::index_set::FnvIndexSet;

/// What is kept of a signature value: enough of an HMAC that two messages never share it.
type Mark = [u8; 16];

/// When a signature has run out: on the calendar, and by the driver's clock.
type Until = (UnixMillis, Instant);

/// The signatures seen within the replay window, as WCF's `NonceCache` keeps them.
///
/// WCF holds 900 000 for 15 minutes. `CAPACITY` (a power of two) is the caller's choice: it bounds the messages that one
/// side accepts within [`retention`](Self::retention). When the table is full and nothing in it has run out, a new message
/// is refused; nothing that could still be replayed is ever evicted. So it is at a service. A client takes an answer only for a
/// request that waits for it, and may [forget](Self::remember_latest) older ones.
///
/// A signature runs out when its time has passed on both clocks. The calendar alone could be set far ahead and back again,
/// and what was forgotten in between would be fresh once more.
#[derive(Clone, Debug)]
pub struct ReplayTable<const CAPACITY: usize> {
    marks: FnvIndexSet<Mark, CAPACITY>,
    /// In order of arrival, which is the order of running out: the retention is one for all.
    order: Deque<(Mark, Until), CAPACITY>,
}

impl<const CAPACITY: usize> Default for ReplayTable<CAPACITY> {
    fn default() -> Self {
        Self { marks: FnvIndexSet::new(), order: Deque::new() }
    }
}

impl<const CAPACITY: usize> PartialEq for ReplayTable<CAPACITY> {
    fn eq(&self, other: &Self) -> bool {
        self.order.iter().eq(other.order.iter())
    }
}

impl<const CAPACITY: usize> Eq for ReplayTable<CAPACITY> {}

impl<const CAPACITY: usize> ReplayTable<CAPACITY> {
    /// How long a signature is remembered: the replay window and twice the clock skew (WCF: 15 minutes).
    pub const fn retention(clock: &ClockRules) -> Duration {
        clock.replay_window.saturating_add(clock.max_clock_skew).saturating_add(clock.max_clock_skew)
    }

    /// Was this signature seen, or is there no room to remember it? Asked before a message has any effect.
    ///
    /// # Errors
    /// [`Refusal::Replay`], [`Refusal::ReplayTableFull`].
    pub fn check(&mut self, value: &SignatureValue, wall: UnixMillis, now: Instant) -> Result<(), Refusal> {
        self.purge(wall, now);
        if self.marks.contains(&mark(value)) {
            return Err(Refusal::Replay);
        }
        if self.order.is_full() {
            return Err(Refusal::ReplayTableFull { capacity: u32::try_from(CAPACITY).unwrap_or(u32::MAX) });
        }
        Ok(())
    }

    /// Remembers the signature of a message that was verified.
    ///
    /// # Errors
    /// [`Refusal::Replay`] if it is there, [`Refusal::ReplayTableFull`] if there is no room. Nothing has changed then.
    pub fn remember(
        &mut self,
        value: &SignatureValue,
        wall: UnixMillis,
        now: Instant,
        clock: &ClockRules,
    ) -> Result<(), Refusal> {
        // WCF detects no replays where the transport protects the messages.
        if *value == SignatureValue::NONE {
            return Ok(());
        }
        self.check(value, wall, now)?;
        let retention = Self::retention(clock);
        let until = (wall.after(retention), now.after(retention));
        // Both have room: they hold the same marks, and `check` has looked.
        let _ = self.marks.insert(mark(value));
        let _ = self.order.push_back((mark(value), until));
        Ok(())
    }

    /// As [`remember`](Self::remember), but forgets the oldest where there is no room: for a side that takes an answer only for a
    /// request that waits for it, and so a copy of one never.
    ///
    /// # Errors
    /// [`Refusal::Replay`] if it is there. Nothing has changed then.
    pub fn remember_latest(
        &mut self,
        value: &SignatureValue,
        wall: UnixMillis,
        now: Instant,
        clock: &ClockRules,
    ) -> Result<(), Refusal> {
        if self.order.is_full()
            && !self.marks.contains(&mark(value))
            && let Some((oldest, _)) = self.order.pop_front()
        {
            self.marks.remove(&oldest);
        }
        self.remember(value, wall, now, clock)
    }

    /// How many signatures are remembered.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Is none remembered?
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Forgets what has run out.
    fn purge(&mut self, wall: UnixMillis, now: Instant) {
        while self.order.front().is_some_and(|(_, until)| until.0 <= wall && until.1 <= now) {
            if let Some((mark, _)) = self.order.pop_front() {
                self.marks.remove(&mark);
            }
        }
    }
}

fn mark(value: &SignatureValue) -> Mark {
    let mut mark = Mark::default();
    for (to, from) in mark.iter_mut().zip(value.as_bytes()) {
        *to = *from;
    }
    mark
}
