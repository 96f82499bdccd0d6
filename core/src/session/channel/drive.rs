//! What time and the layers below do to a client's channel, and what it wants to be done.

use super::error::{ChannelError, TimedOutAt};
use super::stack::{Handle, NotTaken, Phase, StackAction};
use super::types::{Answered, ChannelAction, ChannelEvent};
use super::{Call, ClientChannel, Handshake, left};
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::exchange::Outgoing;
use crate::lifetime::{CommunicationState, TimerName};
use crate::secure::{Credentials, Failure};
use crate::time::{Deadline, Instant};
use heapless::Vec;

impl<
    P: Outgoing,
    E: Entropy + Clone,
    const CALLS: usize,
    const REPLAY: usize,
    const WINDOW: usize,
    const RANGES: usize,
    const EXCHANGES: usize,
    B: Backend,
> ClientChannel<P, E, CALLS, REPLAY, WINDOW, RANGES, EXCHANGES, B>
{
    /// What the stack has become, the channel follows. `cause`: what has just happened to the conversation.
    pub(super) fn follow(&mut self, cause: Option<Failure>) {
        use CommunicationState as State;
        match (self.life.state(), self.stack.phase()) {
            (State::Opening, Phase::Opened) => {
                self.life.opened();
                self.was_opened = true;
            }
            (State::Opening | State::Opened, Phase::Failed) => {
                let error = self.stack.blame(cause, self.was_opened);
                self.fault(error);
            }
            (State::Closing, Phase::Failed) => {
                let error = self.stack.blame(cause, self.was_opened);
                self.close_ended(Some(error));
            }
            (State::Closing, Phase::Closed) => {
                let failure = cause.map(|cause| self.stack.blame(Some(cause), false));
                self.close_ended(failure);
            }
            (State::Created | State::Closed | State::Faulted, _)
            | (State::Opening, Phase::Opening | Phase::Closing | Phase::Closed)
            | (State::Opened, Phase::Opening | Phase::Opened | Phase::Closing | Phase::Closed)
            | (State::Closing, Phase::Opening | Phase::Opened | Phase::Closing) => {}
        }
    }

    /// Everything that time brings, and what can go on now.
    pub(super) fn tick(&mut self, now: Instant) {
        while let Some(handle) = self.stack.timed_out(now) {
            self.call_done(handle, None);
        }
        self.expire_under_session(now);
        self.follow(None);
        match self.life.overdue(now) {
            Some(TimerName::OpenTimeout) => {
                let error = ChannelError::TimedOut { at: self.stack.opens_with(), allotted: left(self.allotted) };
                self.stack.abort();
                self.fault(error);
            }
            Some(_) => {
                let error = ChannelError::TimedOut { at: self.stack.closes_with(), allotted: left(self.allotted) };
                self.close_ended(Some(error));
            }
            None => {}
        }
        self.expire(now);
        self.hand_over(now);
        self.begin_handshake(now);
    }

    /// A reliable session that a call's time has ended: that call has timed out, the others hear that the session failed.
    fn expire_under_session(&mut self, now: Instant) {
        if self.stack.phase() == Phase::Failed && self.stack.is_reliable() {
            self.expire(now);
        }
    }

    /// Calls whose time is over.
    fn expire(&mut self, now: Instant) {
        let at =
            if self.life.state() == CommunicationState::Opening { self.stack.opens_with() } else { TimedOutAt::Reply };
        for call in self.calls.iter_mut().filter(|call| call.is_pending() && call.until.due(now)) {
            call.message = None;
            if let Some(handle) = call.handle.take() {
                self.stack.forget(handle);
            }
            call.outcome = Some(Err(ChannelError::TimedOut { at, allotted: left(call.allotted) }));
        }
    }

    fn hand_over(&mut self, now: Instant) {
        // A close waits for what was called before it.
        let open = self.life.state() == CommunicationState::Opened
            || (self.life.state() == CommunicationState::Closing && self.handshake == Handshake::Waits);
        if !open {
            return;
        }
        let unanswered = self.stack.is_one_way();
        let mut sent: Vec<Handle, CALLS> = Vec::new();
        for call in self.calls.iter_mut().filter(|call| call.is_pending()) {
            let Some(message) = call.message.take() else { continue };
            match self.stack.send(now, message, left(call.until.remaining(now))) {
                Ok(handle) => {
                    call.handle = Some(handle);
                    if unanswered {
                        // As many as there are calls.
                        let _ = sent.push(handle);
                    }
                }
                Err((message, NotTaken::Later)) => {
                    call.message = Some(message);
                    break;
                }
                Err((_, NotTaken::Never(error))) => call.outcome = Some(Err(error)),
            }
        }
        // WCF's one-way channel returns once the transfer window has the message: whether it arrives is the session's business, and
        // its close waits for that.
        for handle in sent {
            self.accepted(handle);
        }
    }

    fn begin_handshake(&mut self, now: Instant) {
        if self.handshake != Handshake::Waits {
            return;
        }
        // A reliable session waits itself for what it was given.
        let reliable = self.stack.is_reliable();
        let busy = |call: &Call<P>| call.is_pending() && (!reliable || call.message.is_some());
        if self.calls.iter().any(busy) {
            return;
        }
        self.handshake = Handshake::Begun;
        self.stack.close(now, left(self.life.remaining(now)));
        if self.stack.has_session() {
            self.follow(None);
        } else {
            self.close_ended(None);
        }
    }

    pub(super) fn index_of(&self, handle: Handle) -> Option<usize> {
        self.calls.iter().position(|call| call.handle == Some(handle) && call.is_pending())
    }

    /// A call is over without an answer that would have to be shown; `None`: its time is over.
    pub(super) fn call_done(&mut self, handle: Handle, outcome: Option<Result<Answered, ChannelError>>) {
        let Some(call) = self.index_of(handle).and_then(|index| self.calls.get_mut(index)) else { return };
        let late = ChannelError::TimedOut { at: TimedOutAt::Reply, allotted: left(call.allotted) };
        call.outcome = Some(outcome.unwrap_or(Err(late)));
    }

    /// The next thing that the application should know.
    pub(super) fn next_event(&mut self) -> Option<ChannelEvent> {
        if self.was_opened && !self.told.opened {
            self.told.opened = true;
            return Some(ChannelEvent::Opened);
        }
        if let Some(error) = self.life.first_fault().filter(|_| !self.told.faulted) {
            self.told.faulted = true;
            return Some(ChannelEvent::Faulted(error.clone()));
        }
        if self.life.state() == CommunicationState::Closed && !self.told.closed {
            self.told.closed = true;
            return Some(ChannelEvent::Closed);
        }
        if self.owes_open && self.life.state() != CommunicationState::Opening {
            self.owes_open = false;
            let error = self.life.first_fault().cloned().unwrap_or(ChannelError::Aborted);
            return Some(ChannelEvent::OpenDone(if self.was_opened { Ok(()) } else { Err(error) }));
        }
        if let Some(index) = self.calls.iter().position(|call| call.outcome.is_some()) {
            let call = self.calls.remove(index);
            return Some(ChannelEvent::CallDone(call.id, call.outcome.unwrap_or(Err(ChannelError::Aborted))));
        }
        if self.owes_close && self.life.state() == CommunicationState::Closed {
            self.owes_close = false;
            return Some(ChannelEvent::CloseDone(self.close_failure.clone().map_or(Ok(()), Err)));
        }
        None
    }

    /// Asks what to do at `now`, until it says [`ChannelAction::Wait`].
    pub fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        out: &'o mut [u8],
    ) -> ChannelAction<'o> {
        self.tick(now);
        if let Some(event) = self.next_event() {
            return ChannelAction::Event(event);
        }
        match self.stack.poll(now, credentials, out) {
            StackAction::Transmit { exchange, action, message } => {
                ChannelAction::Transmit { exchange, action, message }
            }
            StackAction::Failed(failure) => {
                self.not_sent(&failure);
                self.follow(Some(failure));
                self.next_event().map_or(ChannelAction::Wait(Deadline::At(now)), ChannelAction::Event)
            }
            StackAction::Grow(grow) => ChannelAction::Grow(grow),
            StackAction::Wait(deadline) => ChannelAction::Wait(deadline.min(self.deadline())),
        }
    }

    /// Calls that the conversation has dropped are over: what could not be sealed, or waited for a renewal that came to nothing.
    pub(super) fn not_sent(&mut self, failure: &Failure) {
        for call in self.calls.iter_mut().filter(|call| call.is_pending()) {
            if call.handle.is_some_and(|handle| !self.stack.knows(handle)) {
                let unsendable = matches!(failure, Failure::Unsendable(_));
                let error = ChannelError::conversation(failure.clone()).kept();
                call.outcome = Some(Err(if unsendable { ChannelError::Unsendable } else { error }));
            }
        }
    }

    fn deadline(&self) -> Deadline {
        let calls = self.calls.iter().filter(|call| call.is_pending()).map(|call| call.until).min();
        calls.unwrap_or(Deadline::Never).min(self.life.deadline())
    }
}
