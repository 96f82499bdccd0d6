//! The lifetime of one channel or session.

use super::course::{Course, Refused, Verb, course};
use super::phase::{CommunicationState, LifetimeEvent};
use super::timeouts::{Allowance, Timeouts};
use super::timer::{Timer, TimerEffect, TimerName};
use crate::time::{Deadline, Instant};

/// The lifetime of one channel or session: its state, its first fault, the deadline of its open or close.
///
/// `R` is the reason of a fault. The first one is kept, whatever comes after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetime<R> {
    state: CommunicationState,
    timeouts: Timeouts,
    first: Option<R>,
    close_called: bool,
    aborted: bool,
    /// Of the open or close under way. One for all layers: each is given what is left.
    until: Deadline,
}

/// What [`Lifetime::close`] leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a close that has to be carried out is carried out by who asks for it"]
pub enum Closing<R> {
    /// Close the layers below in good order, the last by this deadline; then say [`Lifetime::closed`].
    Graceful(Deadline),
    /// Closed: give the layers below up. Nobody gets an error.
    Abort,
    /// Closed: give the layers below up, and tell the caller the first fault.
    AbortAndReport(Refused<R>),
    /// It is closing or closed already.
    Nothing,
}

impl<R: Clone> Lifetime<R> {
    /// One that was just made.
    pub const fn new(timeouts: Timeouts) -> Self {
        Self {
            state: CommunicationState::Created,
            timeouts,
            first: None,
            close_called: false,
            aborted: false,
            until: Deadline::Never,
        }
    }

    /// The state.
    pub const fn state(&self) -> CommunicationState {
        self.state
    }

    /// The timeouts.
    pub const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// What made it fault first; kept after a close.
    pub const fn first_fault(&self) -> Option<&R> {
        self.first.as_ref()
    }

    /// Was it given up: by an abort, by closing what was not open, or by a close that failed?
    pub const fn is_aborted(&self) -> bool {
        self.aborted
    }

    /// Until when the open or the close that is under way has to be done.
    pub const fn deadline(&self) -> Deadline {
        self.until
    }

    /// What is left of the open or the close that is under way, for the next layer; `None` is without end.
    pub const fn remaining(&self, now: Instant) -> Allowance {
        self.until.remaining(now)
    }

    /// What `verb` would do now.
    pub const fn course(&self, verb: Verb) -> Course {
        course(self.state, verb, self.close_called)
    }

    /// May it be used so?
    ///
    /// # Errors
    /// [`Refused`], with the first fault if it has faulted.
    pub fn check(&self, verb: Verb) -> Result<(), Refused<R>> {
        match self.course(verb) {
            Course::Refuse(refusal) => {
                let faulted = self.state == CommunicationState::Faulted;
                Err(Refused { refusal, first: self.first.clone().filter(|_| faulted) })
            }
            Course::Open
            | Course::Graceful
            | Course::Abort
            | Course::AbortAndReport
            | Course::Fault
            | Course::Go
            | Course::Nothing => Ok(()),
        }
    }

    /// Begins to open, within the open timeout.
    ///
    /// # Errors
    /// [`Refused`] unless it was just made. Nothing has changed.
    pub fn open(&mut self, now: Instant) -> Result<(), Refused<R>> {
        self.open_until(Deadline::within(now, self.timeouts.open))
    }

    /// Begins to open, until then: a call that opens the channel gives what it has itself.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_until(&mut self, until: Deadline) -> Result<(), Refused<R>> {
        self.check(Verb::Open)?;
        self.step(LifetimeEvent::Open);
        self.until = until;
        Ok(())
    }

    /// All layers are open.
    pub fn opened(&mut self) {
        if self.step(LifetimeEvent::Opened) {
            self.until = Deadline::Never;
        }
    }

    /// Begins to close, within the close timeout.
    pub fn close(&mut self, now: Instant) -> Closing<R> {
        self.close_until(Deadline::within(now, self.timeouts.close))
    }

    /// Begins to close, until then.
    pub fn close_until(&mut self, until: Deadline) -> Closing<R> {
        let course = self.course(Verb::Close);
        match course {
            Course::Graceful => {
                self.close_called = true;
                self.step(LifetimeEvent::Close);
                self.until = until;
                Closing::Graceful(until)
            }
            Course::Abort => {
                self.close_called = true;
                self.abort();
                Closing::Abort
            }
            Course::AbortAndReport => {
                let refused = Refused { refusal: super::Refusal::Faulted, first: self.first.clone() };
                self.close_called = true;
                self.abort();
                Closing::AbortAndReport(refused)
            }
            Course::Open | Course::Fault | Course::Go | Course::Nothing | Course::Refuse(_) => {
                // What was given up and is then closed counts as closed.
                self.close_called = true;
                Closing::Nothing
            }
        }
    }

    /// All layers are closed.
    pub fn closed(&mut self) {
        if self.step(LifetimeEvent::Closed) {
            self.until = Deadline::Never;
        }
    }

    /// Gives up: Closing, then Closed. `false` if it was closed already. A close that fails ends so, too.
    pub fn abort(&mut self) -> bool {
        if self.state == CommunicationState::Closed {
            return false;
        }
        self.step(LifetimeEvent::Abort);
        self.aborted = true;
        self.closed();
        true
    }

    /// Faults for this reason. `false` if it was closing, closed or faulted already: the first fault stays.
    pub fn fault(&mut self, reason: R) -> bool {
        if !self.step(LifetimeEvent::Fault) {
            return false;
        }
        self.first = Some(reason);
        self.until = Deadline::Never;
        true
    }

    /// The timer that has run out at `now`: of the open or of the close. What follows is the caller's: an open that is late is a
    /// [`fault`](Self::fault), a close that is late an [`abort`](Self::abort).
    pub fn overdue(&self, now: Instant) -> Option<TimerName> {
        self.timer().filter(|timer| timer.due.due(now)).map(|timer| timer.name)
    }

    /// The timer that is running, if one is.
    pub const fn timer(&self) -> Option<Timer> {
        match self.state {
            CommunicationState::Opening => Timer::running(TimerName::OpenTimeout, self.until, TimerEffect::Faults),
            CommunicationState::Closing => Timer::running(TimerName::CloseTimeout, self.until, TimerEffect::EndsClose),
            CommunicationState::Created
            | CommunicationState::Opened
            | CommunicationState::Closed
            | CommunicationState::Faulted => None,
        }
    }

    fn step(&mut self, event: LifetimeEvent) -> bool {
        match self.state.next(event) {
            Some(next) => {
                self.state = next;
                true
            }
            None => false,
        }
    }
}
