//! The sending side of one sequence: numbers, window, retransmission.
//!
//! The algorithm is that of WCF's sender: a window that starts at 1, slow start and congestion avoidance, and one timer for
//! the oldest unacknowledged message.

use super::arrival::AcknowledgementHeader;
use super::estimate::{Estimate, IdleEstimate};
use super::identifier::Identifier;
use super::ranges::{MAX_MESSAGE_NUMBER, Range};
use super::settings::{ReliableSettings, TransmissionSettings};
use crate::chance::Uuid;
use crate::time::{Deadline, Duration, Instant};
use heapless::Deque;

/// The receiver's room when it does not say.
const UNLIMITED: u32 = i32::MAX.unsigned_abs();

/// A message that the application handed over, unique for the life of a machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// What a place in the sequence holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Item<P> {
    /// The application's.
    Message(P),
    /// The empty LastMessage of February 2005.
    Last,
}

/// A message of the sequence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Slot<P> {
    /// `None` once it was acknowledged before its predecessors.
    pub(super) item: Option<Item<P>>,
    pub(super) ticket: Ticket,
    pub(super) message_id: Uuid,
    /// Does it carry AckRequested?
    pub(super) ack_requested: bool,
    /// Until when the caller waits for room, and then for the reply.
    pub(super) give_up: Deadline,
    retries: u32,
    last_attempt: Instant,
    wanted: bool,
    /// Was it sent before?
    sent: bool,
    /// Was it sent again before its time? Once is enough, until its time is over.
    hurried: bool,
    /// How often its own time was over in a row (fast retransmission).
    backoff: u32,
    /// The other side said that it does not take it before its turn.
    refused: bool,
}

impl<P> Slot<P> {
    pub(super) const fn transferred(&self) -> bool {
        self.item.is_none()
    }

    /// Does it wait for its own time? What was refused waits for its turn instead, unless that has come.
    const fn has_own_time(&self, index: usize) -> bool {
        !self.transferred() && (!self.refused || index == 0)
    }

    /// When it is taken for lost, by itself (fast retransmission).
    fn own_time(&self, timeout: Duration) -> Instant {
        let doubled = 1_u64
            .checked_shl(self.backoff)
            .map_or(u64::MAX, |times| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).saturating_mul(times));
        self.last_attempt.after(Duration::from_millis(doubled))
    }

    /// Is it a message of the application that is not answered yet?
    pub(super) const fn awaits_reply(&self) -> bool {
        matches!(self.item, Some(Item::Message(_)))
    }
}

/// Why an acknowledgement cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BadAcknowledgement {
    /// It names a number that was never sent.
    NeverSent,
    /// It takes back a number while it brings a new one.
    Inconsistent,
}

/// One retransmission more than there may be, of the message of this number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Exhausted(pub(super) u64);

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Source<P, const WINDOW: usize> {
    pub(super) identifier: Identifier,
    /// From the oldest unacknowledged message; those behind `next` wait for room in the window.
    slots: Deque<Slot<P>, WINDOW>,
    /// The number of the first slot.
    start: u64,
    /// The number of the first message that is not in the window yet.
    next: u64,
    /// The number of the last message, once it is known.
    pub(super) last: Option<u64>,
    window: u32,
    max_window: u32,
    threshold: u32,
    loss_window: u32,
    congestion_acks: u32,
    startup: bool,
    estimate: Estimate,
    timer: Deadline,
    quota: u32,
    /// Nothing before this number is wanted.
    cursor: u64,
    request_acks: bool,
    flow_control: bool,
    max_retry_count: u32,
    fast: Option<u16>,
    /// Fast retransmission: before this the window is not made smaller again.
    shrunk: Deadline,
    retransmissions: u64,
}

/// What is kept of a sequence that sends nothing now. The rest are settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct IdleSource {
    /// The number of the next message.
    next: u64,
    estimate: IdleEstimate,
    shrunk: Deadline,
    retransmissions: u64,
    quota: u32,
    congestion_acks: u32,
    // Windows have at most `MAX_TRANSFER_WINDOW` messages.
    window: u16,
    threshold: u16,
    loss_window: u16,
    startup: bool,
}

impl IdleSource {
    pub(super) const fn retransmissions(&self) -> u64 {
        self.retransmissions
    }
}

impl<P, const WINDOW: usize> Source<P, WINDOW> {
    /// What is to be kept of it, if it sends nothing now.
    pub(super) fn rest(&self) -> Option<IdleSource> {
        let silent = self.slots.is_empty()
            && (self.next, self.cursor) == (self.start, self.start)
            && self.last.is_none()
            && self.timer == Deadline::Never;
        let short = |window: u32| u16::try_from(window).ok();
        let (window, threshold) = (short(self.window)?, short(self.threshold)?);
        silent.then_some(IdleSource {
            next: self.next,
            estimate: self.estimate.rest(),
            shrunk: self.shrunk,
            retransmissions: self.retransmissions,
            quota: self.quota,
            congestion_acks: self.congestion_acks,
            window,
            threshold,
            loss_window: short(self.loss_window)?,
            startup: self.startup,
        })
    }

    /// The sequence that was kept so.
    pub(super) fn resume(
        identifier: Identifier,
        idle: &IdleSource,
        request_acks: bool,
        settings: &ReliableSettings,
    ) -> Self {
        Self {
            start: idle.next,
            next: idle.next,
            cursor: idle.next,
            estimate: Estimate::resume(idle.estimate, &settings.transmission),
            shrunk: idle.shrunk,
            retransmissions: idle.retransmissions,
            quota: idle.quota,
            congestion_acks: idle.congestion_acks,
            window: idle.window.into(),
            threshold: idle.threshold.into(),
            loss_window: idle.loss_window.into(),
            startup: idle.startup,
            ..Self::new(identifier, None, request_acks, settings)
        }
    }

    /// `round_trip`: of the CreateSequence. `request_acks`: a message that fills the window asks for an acknowledgement
    /// (duplex).
    pub(super) fn new(
        identifier: Identifier,
        round_trip: Option<Duration>,
        request_acks: bool,
        settings: &ReliableSettings,
    ) -> Self {
        let transmission: &TransmissionSettings = &settings.transmission;
        let max_window = u32::from(settings.window(WINDOW));
        Self {
            identifier,
            slots: Deque::new(),
            start: 1,
            next: 1,
            last: None,
            window: u32::from(transmission.initial_window).clamp(1, max_window),
            max_window,
            threshold: max_window,
            loss_window: max_window,
            congestion_acks: 0,
            startup: true,
            estimate: Estimate::new(round_trip.unwrap_or(transmission.unknown_round_trip), transmission),
            timer: Deadline::Never,
            quota: UNLIMITED,
            cursor: 1,
            request_acks,
            flow_control: settings.flow_control,
            max_retry_count: settings.max_retry_count.max(1),
            fast: transmission.fast_retransmission,
            shrunk: Deadline::At(Instant::from_millis(0)),
            retransmissions: 0,
        }
    }

    /// Messages in the window.
    fn in_window(&self) -> u32 {
        u32::try_from(self.next.saturating_sub(self.start)).unwrap_or(u32::MAX)
    }

    /// The greatest number that was given a place in the window.
    pub(super) const fn last_sent(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// Is every message acknowledged, and none waiting?
    pub(super) fn is_drained(&self) -> bool {
        self.slots.is_empty()
    }

    /// Has the last message been acknowledged?
    pub(super) fn is_done(&self) -> bool {
        self.last.is_some_and(|last| self.start == last.saturating_add(1))
    }

    pub(super) const fn quota_is_exhausted(&self) -> bool {
        self.quota == 0
    }

    pub(super) const fn window(&self) -> u32 {
        self.window
    }

    pub(super) const fn retransmissions(&self) -> u64 {
        self.retransmissions
    }

    pub(super) const fn max_retry_count(&self) -> u32 {
        self.max_retry_count
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.estimate.timeout()
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots.is_full()
    }

    /// Have the numbers run out? WCF: when the next one would be the greatest.
    pub(super) fn rolls_over(&self) -> bool {
        let end = self.start.saturating_add(self.slots.len() as u64);
        end >= MAX_MESSAGE_NUMBER
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.start)?).ok()
    }

    /// Is it the oldest unacknowledged message?
    pub(super) const fn is_head(&self, number: u64) -> bool {
        self.start == number
    }

    /// A message in the window.
    pub(super) fn slot(&self, number: u64) -> Option<&Slot<P>> {
        if number >= self.next { None } else { self.slots.get(self.index(number)?) }
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot<P>> {
        self.slots.iter()
    }

    /// The messages in the window, with their numbers.
    pub(super) fn in_window_slots(&self) -> impl Iterator<Item = (u64, &Slot<P>)> {
        (self.start..self.next).zip(self.slots.iter())
    }

    /// Takes a message in behind the others. It comes back if there is no slot.
    pub(super) fn push(
        &mut self,
        now: Instant,
        item: Item<P>,
        ticket: Ticket,
        message_id: Uuid,
        give_up: Deadline,
    ) -> Result<(), Item<P>> {
        if matches!(item, Item::Last) {
            self.last = Some(self.start.saturating_add(self.slots.len() as u64));
        }
        let slot = Slot {
            item: Some(item),
            ticket,
            message_id,
            ack_requested: false,
            give_up,
            retries: 0,
            last_attempt: now,
            wanted: false,
            sent: false,
            hurried: false,
            backoff: 0,
            refused: false,
        };
        match self.slots.push_back(slot) {
            Ok(()) => {
                // It does not overtake those that wait.
                if self.slots.len() == (self.in_window() as usize).saturating_add(1) {
                    self.admit(now, 1);
                }
                Ok(())
            }
            Err(Slot { item: Some(item), .. }) => Err(item),
            Err(Slot { item: None, .. }) => Ok(()),
        }
    }

    /// No message follows (1.1).
    pub(super) fn set_last(&mut self) {
        if self.last.is_none() {
            self.last = Some(self.start.saturating_add(self.slots.len() as u64).saturating_sub(1));
        }
    }

    /// Messages in the window that do not count against its size: with fast retransmission those that have arrived.
    fn not_in_flight(&self) -> u32 {
        if self.fast.is_none() {
            return 0;
        }
        let arrived = self.slots.iter().take(self.in_window() as usize).filter(|slot| slot.transferred()).count();
        u32::try_from(arrived).unwrap_or(u32::MAX)
    }

    /// Lets messages that wait into the window. WCF counts those in flight against the receiver's room a second time here.
    fn admit_waiting(&mut self, now: Instant) {
        let most = match self.fast {
            Some(_) => u32::MAX,
            None => self.window.min(self.quota).saturating_sub(self.in_window()),
        };
        self.admit(now, most);
    }

    /// Lets messages into the window, `most` at most, as many as it and the receiver have room for.
    fn admit(&mut self, now: Instant, most: u32) {
        let arrived = self.not_in_flight();
        for _ in 0..most {
            let all = self.in_window();
            let flying = all.saturating_sub(arrived);
            if flying >= self.window || all >= self.max_window || self.quota == 0 {
                return;
            }
            let fills = flying.saturating_add(1) >= self.window || self.quota == 1;
            let ask = self.request_acks && fills;
            let timeout = self.estimate.timeout();
            let Some(slot) = self.slots.get_mut(all as usize) else { return };
            slot.wanted = true;
            slot.last_attempt = now;
            slot.ack_requested = ask;
            // With fast retransmission the others may have longer to wait.
            let own = Deadline::At(now.after(timeout));
            if all == 0 {
                self.timer = own;
            } else if self.fast.is_some() {
                self.timer = self.timer.min(own);
            }
            self.cursor = self.cursor.min(self.next);
            self.next = self.next.saturating_add(1);
            self.quota = self.quota.saturating_sub(1);
        }
    }

    /// The lowest number that is to be sent now.
    pub(super) fn wanted(&self) -> Option<u64> {
        let skip = self.index(self.cursor.max(self.start))?;
        let found = self.slots.iter().take(self.in_window() as usize).skip(skip).position(|slot| slot.wanted)?;
        self.start.checked_add(u64::try_from(skip.saturating_add(found)).ok()?)
    }

    /// It was sent.
    pub(super) fn sent(&mut self, number: u64) {
        let Some(index) = self.index(number) else { return };
        if let Some(slot) = self.slots.get_mut(index) {
            slot.wanted = false;
            self.retransmissions = self.retransmissions.saturating_add(u64::from(slot.sent));
            slot.sent = true;
        }
        // A message before it may have become wanted meanwhile.
        if self.wanted().is_none_or(|next| next > number) {
            self.cursor = number.saturating_add(1);
        }
    }

    /// Wants a message of the window again.
    fn again(&mut self, index: usize, now: Instant) -> Result<(), Exhausted> {
        let number = self.start.saturating_add(index as u64);
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        slot.last_attempt = now;
        slot.retries = slot.retries.saturating_add(1);
        slot.wanted = true;
        self.cursor = self.cursor.min(number);
        if slot.retries > self.max_retry_count { Err(Exhausted(number)) } else { Ok(()) }
    }

    /// When the retransmission timer ends.
    pub(super) const fn timer(&self) -> Deadline {
        self.timer
    }

    /// The retransmission timer: when it is due, the oldest message goes out again and the window shrinks to 1.
    pub(super) fn expire(&mut self, now: Instant) -> Result<(), Exhausted> {
        if !self.timer.due(now) || self.in_window() == 0 {
            return Ok(());
        }
        if self.fast.is_some() {
            return self.expire_each(now);
        }
        self.congestion_acks = 0;
        self.threshold = (self.window >> 1).max(1);
        self.loss_window = self.window;
        self.window = 1;
        self.startup = false;
        self.estimate.expired();
        self.timer = Deadline::At(now.after(self.estimate.timeout()));
        self.again(0, now)
    }

    /// Beyond WCF: every message has a timer of its own, so that one loss does not keep the others back. It doubles with the
    /// attempts of that message alone.
    fn expire_each(&mut self, now: Instant) -> Result<(), Exhausted> {
        let timeout = self.estimate.timeout();
        let mut result = Ok(());
        for index in 0..self.in_window() as usize {
            let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.has_own_time(index)) else { continue };
            if slot.own_time(timeout) <= now {
                slot.backoff = slot.backoff.saturating_add(1);
                slot.hurried = false;
                let done = self.again(index, now);
                result = result.and(done);
            }
        }
        self.shrink(now);
        self.arm(now);
        result
    }

    /// Beyond WCF: the window after a loss. What is lost on a wire says little of how much it carries, so that the window loses a
    /// quarter and is not closed, and that once in a timeout only.
    fn shrink(&mut self, now: Instant) {
        if self.shrunk.due(now) {
            self.congestion_acks = 0;
            self.loss_window = self.window;
            self.threshold = self.window.saturating_sub(self.window >> 2).max(1);
            self.window = self.threshold;
            self.shrunk = Deadline::At(now.after(self.estimate.timeout()));
        }
    }

    /// Sets the timer anew, when a message was acknowledged: a whole timeout for what is left, or (beyond WCF) until the first
    /// message's own time is over.
    fn arm(&mut self, now: Instant) {
        let timeout = self.estimate.timeout();
        let under_way = self.slots.iter().take(self.in_window() as usize).enumerate();
        self.timer = match self.fast {
            None if self.in_window() > 0 => Deadline::At(now.after(timeout)),
            None => Deadline::Never,
            Some(_) => {
                let own = under_way.filter(|(index, slot)| slot.has_own_time(*index));
                let own = own.map(|(_, slot)| slot.own_time(timeout));
                own.min().map_or(Deadline::Never, |first| Deadline::At(first.max(now)))
            }
        };
    }

    /// Measures the round trip of a message that has arrived. Beyond WCF, one that was sent again is not measured (Karn's rule:
    /// nobody knows which attempt was answered), but shows that the wire works: a doubled timeout is forgotten.
    fn measure(&mut self, now: Instant, last_attempt: Instant, retries: u32) {
        if self.fast.is_some() && retries > 0 {
            self.estimate.answered();
        } else {
            self.estimate.measured(now.since(last_attempt));
        }
    }

    /// Can this acknowledgement be?
    pub(super) fn check(&self, ranges: &[Range]) -> Result<(), BadAcknowledgement> {
        let (first, last) = (self.start, self.last_sent());
        let acked = first.saturating_sub(1);
        let known = self.slots.iter().take(self.in_window() as usize);
        let mut transferred = known.filter(|slot| slot.transferred()).count();
        let (mut new, mut old) = (false, false);
        for range in ranges {
            if range.upper > last {
                return Err(BadAcknowledgement::NeverSent);
            }
            old |= (range.lower > 1 && range.lower <= acked) || range.upper < acked;
            if range.upper < first {
                continue;
            }
            new |= range.lower <= first;
            let from = self.index(range.lower.max(first)).unwrap_or(0);
            let until = self.index(range.upper).unwrap_or(0).saturating_add(1);
            let among = self.slots.iter().take(until).skip(from);
            let known = among.filter(|slot| slot.transferred()).count();
            new |= known < until.saturating_sub(from);
            if !old {
                transferred = transferred.saturating_sub(known);
            }
        }
        if new && (old || transferred > 0) { Err(BadAcknowledgement::Inconsistent) } else { Ok(()) }
    }

    /// Takes an acknowledgement in that [`check`](Self::check) let pass (one-way and duplex).
    pub(super) fn acknowledge(&mut self, now: Instant, header: &AcknowledgementHeader<'_>) -> Result<(), Exhausted> {
        let mut result = Ok(());
        for range in header.ranges.as_slice() {
            let done = self.transfer(now, *range, header.buffer_remaining);
            result = result.and(done);
        }
        result
    }

    /// The request of this number has its answer (request-reply).
    pub(super) fn answered(&mut self, now: Instant, number: u64, remaining: Option<u32>) -> Result<(), Exhausted> {
        self.transfer(now, Range { lower: number, upper: number }, remaining)
    }

    fn transfer(&mut self, now: Instant, range: Range, remaining: Option<u32>) -> Result<(), Exhausted> {
        let remaining = remaining.filter(|_| self.flow_control);
        if range.upper < self.start {
            if range.upper == self.start.saturating_sub(1)
                && let Some(room) = remaining.filter(|room| *room > self.quota)
            {
                self.quota = room.saturating_sub(self.window.min(self.in_window()));
                self.admit_waiting(now);
            }
            return Ok(());
        }
        if range.lower > self.start {
            return self.out_of_order(now, range);
        }
        let count = u32::try_from(range.upper.saturating_sub(self.start).saturating_add(1)).unwrap_or(u32::MAX);
        let mut slide = count.min(self.in_window());
        // WCF: requests are transferred one at a time, so that one answer may free those behind it too. With fast
        // retransmission, whatever has arrived goes.
        if slide == 1 || self.fast.is_some() {
            let behind = self.slots.iter().take(self.in_window() as usize).skip(slide as usize);
            let arrived = behind.take_while(|slot| slot.transferred()).count();
            slide = slide.saturating_add(u32::try_from(arrived).unwrap_or(u32::MAX));
        }
        if let Some(room) = remaining {
            let in_flight = self.window.min(self.in_window()).saturating_sub(slide);
            self.quota = room.saturating_sub(in_flight);
        }
        let old_end = self.start.saturating_add(u64::from(self.window));
        for _ in 0..slide {
            // With fast retransmission, what had arrived before was measured then.
            if let Some(slot) = self.slots.pop_front()
                && !(self.fast.is_some() && slot.transferred())
            {
                self.measure(now, slot.last_attempt, slot.retries);
            }
        }
        self.start = self.start.saturating_add(u64::from(slide));
        self.cursor = self.cursor.max(self.start);
        let opened = old_end.saturating_sub(self.start);
        let from = match (self.grow(slide), self.fast) {
            (true, None) => 0,
            (false, None) => usize::try_from(opened).unwrap_or(usize::MAX),
            // Every message has its own timer.
            (_, Some(_)) => usize::MAX,
        };
        let mut result = Ok(());
        for index in from..self.window.min(self.in_window()) as usize {
            if self.slots.get(index).is_some_and(|slot| !slot.transferred() && !slot.wanted) {
                let done = self.again(index, now);
                result = result.and(done);
            }
        }
        self.offer_again(now);
        self.arm(now);
        self.admit_waiting(now);
        result
    }

    /// The other side has not taken this message: something before it is missing there (request-reply, in order). Beyond WCF, the
    /// oldest message is then taken for lost, and this one waits for its turn instead of a timeout.
    pub(super) fn refused(&mut self, now: Instant, number: u64) -> Result<(), Exhausted> {
        let Some(index) = self.index(number).filter(|_| self.fast.is_some() && number < self.next) else {
            return Ok(());
        };
        let Some(slot) = self.slots.get_mut(index).filter(|slot| !slot.transferred() && !slot.wanted) else {
            return Ok(());
        };
        slot.refused = true;
        let sent = slot.last_attempt;
        let mut result = Ok(());
        if let Some(head) = self.slots.front_mut().filter(|_| index > 0)
            && !head.transferred()
            && !head.wanted
            && !head.hurried
            && head.last_attempt <= sent
        {
            head.hurried = true;
            result = self.again(0, now);
        }
        self.arm(now);
        result
    }

    /// The exchange of this message has failed: it, or its answer, is lost. Beyond WCF, which waits for the timeout all the same,
    /// it goes out again at once; a second time it waits.
    pub(super) fn lost(&mut self, now: Instant, number: u64) -> Result<(), Exhausted> {
        let Some(index) = self.index(number).filter(|_| self.fast.is_some() && number < self.next) else {
            return Ok(());
        };
        let eager = |slot: &&mut Slot<P>| !slot.transferred() && !slot.wanted && !slot.hurried;
        let Some(slot) = self.slots.get_mut(index).filter(eager) else { return Ok(()) };
        slot.hurried = true;
        let result = self.again(index, now);
        self.arm(now);
        result
    }

    /// The oldest message has arrived: those that were refused before their turn go out again. That is no retry, as nothing was
    /// lost.
    fn offer_again(&mut self, now: Instant) {
        for index in 0..self.in_window() as usize {
            let number = self.start.saturating_add(index as u64);
            if let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.refused) {
                (slot.refused, slot.hurried, slot.backoff) = (false, false, 0);
                (slot.wanted, slot.last_attempt) = (true, now);
                self.cursor = self.cursor.min(number);
            }
        }
    }

    /// Opens the window for `slide` acknowledged messages: slow start up to the threshold, congestion avoidance above.
    /// `true` if everything in it is to be sent again.
    fn grow(&mut self, slide: u32) -> bool {
        if self.window <= self.threshold {
            let most = self.threshold.saturating_add(1).min(self.max_window);
            self.window = self.window.saturating_add(slide).min(most);
            return !self.startup;
        }
        self.congestion_acks = self.congestion_acks.saturating_add(slide);
        let segment = (self.loss_window.saturating_sub(self.threshold) >> 3).max(1);
        let enough = self.window.saturating_sub(self.threshold).saturating_mul(self.window);
        if self.congestion_acks > enough.checked_div(segment).unwrap_or(enough) {
            self.congestion_acks = 0;
            self.window = self.window.saturating_add(1).min(self.max_window);
        }
        false
    }

    /// Numbers that have arrived while an older one has not.
    fn out_of_order(&mut self, now: Instant, range: Range) -> Result<(), Exhausted> {
        let in_window = self.in_window() as usize;
        let from = self.index(range.lower).unwrap_or(usize::MAX);
        let until = self.index(range.upper).map_or(0, |index| index.saturating_add(1)).min(in_window);
        for index in from..until {
            let Some(slot) = self.slots.get_mut(index) else { break };
            let arrived = !slot.transferred();
            (slot.item, slot.wanted, slot.refused) = (None, false, false);
            let (last_attempt, retries) = (slot.last_attempt, slot.retries);
            if arrived && self.fast.is_some() {
                self.measure(now, last_attempt, retries);
            }
        }
        let Some(enough) = self.fast else { return Ok(()) };
        let result = self.hurry(now, usize::from(enough.max(1)));
        self.admit_waiting(now);
        result
    }

    /// Fast retransmission: what `enough` later messages have overtaken is taken for lost.
    fn hurry(&mut self, now: Instant, enough: usize) -> Result<(), Exhausted> {
        let mut result = Ok(());
        let mut later = self.slots.iter().take(self.in_window() as usize).filter(|slot| slot.transferred()).count();
        let mut lost = false;
        for index in 0..self.in_window() as usize {
            let Some(slot) = self.slots.get_mut(index) else { break };
            if slot.transferred() {
                later = later.saturating_sub(1);
            } else if later < enough {
                break;
            } else if !slot.hurried && !slot.wanted {
                slot.hurried = true;
                lost = true;
                let done = self.again(index, now);
                result = result.and(done);
            }
        }
        if lost {
            self.shrink(now);
            self.arm(now);
        }
        result
    }

    /// When the first caller that waits for room gives up.
    pub(super) fn next_give_up(&self) -> Deadline {
        let waiting = self.slots.iter().skip(self.in_window() as usize);
        waiting.map(|slot| slot.give_up).min().unwrap_or(Deadline::Never)
    }

    /// Takes back a message that has waited for room too long.
    pub(super) fn give_up(&mut self, now: Instant) -> Option<Slot<P>> {
        let waiting = self.in_window() as usize;
        let late = self.slots.iter().skip(waiting).position(|slot| slot.give_up.due(now))?;
        let mut index = waiting.saturating_add(late);
        // The others keep their order.
        while index.saturating_add(1) < self.slots.len() {
            self.slots.swap(index, index.saturating_add(1));
            index = index.saturating_add(1);
        }
        let slot = self.slots.pop_back();
        if let Some(Slot { item: Some(Item::Last), .. }) = slot {
            self.last = None;
        } else if let Some(last) = &mut self.last {
            *last = last.saturating_sub(1);
        }
        slot
    }

    /// Forgets every message: the sequence is over.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.next = self.start;
        self.timer = Deadline::Never;
    }
}
