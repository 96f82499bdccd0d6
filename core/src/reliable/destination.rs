//! The receiving side of one sequence: what has arrived, what is handed on, what is acknowledged.

use super::identifier::Identifier;
use super::phase::{DestinationEvent, DestinationPhase};
use super::ranges::{Range, Ranges};
use super::settings::ReliableSettings;
use super::version::RmVersion;
use crate::time::{Deadline, Instant};
use heapless::Deque;

/// What a numbered message is to its sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// It is new, and taken.
    New,
    /// It was taken before.
    Duplicate,
    /// There is no room now, or it came before its turn where nothing is kept: it was never here.
    NoRoom,
    /// Behind the last number, or another last number (February 2005).
    BeyondLast,
    /// The sequence was closed (1.1).
    Closed,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Destination<const WINDOW: usize, const RANGES: usize> {
    pub(super) identifier: Identifier,
    version: RmVersion,
    pub(super) phase: DestinationPhase,
    ranges: Ranges<RANGES>,
    ordered: bool,
    /// Keep what comes before its turn? An ordered reply session does not.
    keeps: bool,
    window: u32,
    /// Ordered: the last number that the application took.
    taken: u64,
    /// Unordered: numbers that wait for the application.
    ready: Deque<u64, WINDOW>,
    last: Option<u64>,
    /// The number of a LastMessage that has nothing for the application.
    silent: Option<u64>,
    /// Messages that no acknowledgement has named yet.
    unacknowledged: u32,
    /// When an acknowledgement goes out by itself.
    timer: Deadline,
    /// The room that was told last.
    told: Option<u32>,
}

/// What is kept of a sequence of which everything that came has been taken, in order. The rest are settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct IdleDestination {
    /// One range from 1 on, or none.
    received: Ranges<1>,
    unacknowledged: u32,
    told: Option<u32>,
}

impl IdleDestination {
    pub(super) fn ranges(&self) -> &[Range] {
        self.received.as_slice()
    }
}

impl<const WINDOW: usize, const RANGES: usize> Destination<WINDOW, RANGES> {
    /// What is to be kept of it, if nothing is missing, waits or is owed.
    pub(super) fn rest(&self) -> Option<IdleDestination> {
        let open = self.phase == DestinationPhase::Open && self.last.is_none() && self.silent.is_none();
        let all_taken = self.enqueued() == 0 && self.ranges.contiguous() == self.ranges.last().unwrap_or(0);
        if !open || !all_taken || self.timer != Deadline::Never {
            return None;
        }
        let mut received = Ranges::new();
        let fits = self.ranges().iter().all(|range| received.merge(*range));
        fits.then_some(IdleDestination { received, unacknowledged: self.unacknowledged, told: self.told })
    }

    /// The sequence that was kept so.
    pub(super) fn resume(
        identifier: Identifier,
        idle: &IdleDestination,
        keeps: bool,
        settings: &ReliableSettings,
    ) -> Self {
        let mut destination = Self::new(identifier, keeps, settings);
        for range in idle.ranges() {
            // One range fits.
            let _ = destination.ranges.merge(*range);
        }
        destination.taken = if settings.ordered { destination.ranges.contiguous() } else { 0 };
        (destination.unacknowledged, destination.told) = (idle.unacknowledged, idle.told);
        destination
    }

    /// `keeps`: keep messages that come before their turn.
    pub(super) fn new(identifier: Identifier, keeps: bool, settings: &ReliableSettings) -> Self {
        Self {
            identifier,
            version: settings.version,
            phase: DestinationPhase::Open,
            ranges: Ranges::new(),
            ordered: settings.ordered,
            keeps: keeps || !settings.ordered,
            window: u32::from(settings.window(WINDOW)),
            taken: 0,
            ready: Deque::new(),
            last: None,
            silent: None,
            unacknowledged: 0,
            timer: Deadline::Never,
            told: None,
        }
    }

    pub(super) fn ranges(&self) -> &[Range] {
        self.ranges.as_slice()
    }

    pub(super) const fn last(&self) -> Option<u64> {
        self.last
    }

    /// Messages that were taken in and wait for the application, those that came before their turn included.
    fn enqueued(&self) -> u32 {
        if self.ordered {
            let silent = self.silent.is_some_and(|number| number > self.taken);
            let all = self.ranges.count().saturating_sub(self.taken);
            u32::try_from(all).unwrap_or(u32::MAX).saturating_sub(u32::from(silent))
        } else {
            u32::try_from(self.ready.len()).unwrap_or(u32::MAX)
        }
    }

    /// How many more there is room for: `netrm:BufferRemaining`.
    pub(super) fn room(&self) -> u32 {
        self.window.saturating_sub(self.enqueued())
    }

    /// Where the message `number` belongs; [`take_in`](Self::take_in) puts it there. `last`: it says that it is the last
    /// one (February 2005).
    pub(super) fn place(&self, number: u64, last: bool, silent: bool) -> Place {
        let known = self.ranges.contains(number);
        match (self.version, self.last) {
            (RmVersion::February2005, Some(end)) => {
                let fits = if last { number == end } else { number < end };
                if !fits {
                    return Place::BeyondLast;
                }
            }
            (RmVersion::February2005, None) => {
                if last && self.ranges.last().is_some_and(|greatest| number < greatest) {
                    return Place::BeyondLast;
                }
            }
            (RmVersion::V11, Some(_)) => {
                if !known {
                    return Place::Closed;
                }
            }
            (RmVersion::V11, None) => {}
        }
        if known {
            return Place::Duplicate;
        }
        let waits = self.ordered && number > self.ranges.contiguous().saturating_add(1);
        // An empty LastMessage takes no room.
        let full = self.enqueued() >= self.window && !silent;
        if full || (waits && !self.keeps) || !self.ranges.has_room_for(number) {
            return Place::NoRoom;
        }
        Place::New
    }

    /// Takes a [`Place::New`] message in. `silent`: it has nothing for the application.
    pub(super) fn take_in(&mut self, number: u64, last: bool, silent: bool) {
        if !self.ranges.insert(number) {
            return;
        }
        if silent {
            self.silent = Some(number);
        } else if !self.ordered {
            let _ = self.ready.push_back(number);
        }
        if last {
            self.learn_last(number);
        }
        self.look_whether_all();
        self.unacknowledged = self.unacknowledged.saturating_add(1);
    }

    /// The last number is known (LastMessage, CloseSequence).
    pub(super) fn learn_last(&mut self, number: u64) {
        self.last = Some(number);
        self.step(DestinationEvent::Last);
        self.look_whether_all();
    }

    fn look_whether_all(&mut self) {
        if self.last.is_some_and(|last| self.ranges.is_complete(last)) {
            self.step(DestinationEvent::AllReceived);
        }
    }

    /// Could this be the last number of a CloseSequence? Nothing greater may have arrived.
    pub(super) fn may_end_with(&self, number: u64) -> bool {
        self.last.is_none_or(|last| last == number) && self.ranges.last().is_none_or(|greatest| greatest <= number)
    }

    pub(super) fn is_complete_with(&self, last: Option<u64>) -> bool {
        self.ranges.is_complete(last.unwrap_or(0))
    }

    pub(super) fn step(&mut self, event: DestinationEvent) {
        if let Some(next) = self.phase.next(event) {
            self.phase = next;
        }
    }

    /// The next message for the application.
    pub(super) fn take(&mut self) -> Option<u64> {
        if !self.ordered {
            return self.ready.pop_front();
        }
        let next = self.taken.saturating_add(1);
        if !self.ranges.contains(next) || self.silent == Some(next) {
            return None;
        }
        self.taken = next;
        Some(next)
    }

    /// Is there a message for the application?
    pub(super) fn has_next(&self) -> bool {
        if !self.ordered {
            return !self.ready.is_empty();
        }
        let next = self.taken.saturating_add(1);
        self.ranges.contains(next) && self.silent != Some(next)
    }

    /// Has everything arrived?
    pub(super) const fn has_all(&self) -> bool {
        matches!(self.phase, DestinationPhase::Complete | DestinationPhase::Ended)
    }

    /// Has everything arrived and been taken?
    pub(super) fn is_finished(&self) -> bool {
        self.has_all() && !self.has_next()
    }

    /// An acknowledgement is due at `at`, if none goes out before (duplex).
    pub(super) fn owe(&mut self, at: Instant) {
        self.timer = self.timer.min(Deadline::At(at));
    }

    pub(super) const fn timer(&self) -> Deadline {
        self.timer
    }

    /// Are there messages that no acknowledgement has named, or is one due?
    pub(super) const fn owes(&self) -> bool {
        self.unacknowledged > 0 || matches!(self.timer, Deadline::At(_))
    }

    pub(super) const fn unacknowledged(&self) -> u32 {
        self.unacknowledged
    }

    /// The last acknowledgement told that there is no room.
    pub(super) fn told_no_room(&self) -> bool {
        self.told == Some(0)
    }

    /// An acknowledgement went out.
    pub(super) fn acknowledged(&mut self) {
        self.unacknowledged = 0;
        self.timer = Deadline::Never;
        self.told = Some(self.room());
    }
}
