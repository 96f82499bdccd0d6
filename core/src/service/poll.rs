//! What a host says when it is asked, and until when it has nothing to say.

use super::DispatchFault;
use super::host::{
    AbortReason, Admission, Call, CallId, ChannelId, Dispatch, Ending, HostAction, InstanceId, Request, ServiceHost,
    Stage, attention, resumed,
};
use super::list::Links;
use super::modes::ConcurrencyMode;
use crate::lifetime::{Timer, TimerEffect, TimerName};
use crate::store::{Key, Store};
use crate::throttle::Throttle;
use crate::time::{Deadline, Duration, Instant};

impl<M, S: Store> ServiceHost<M, S> {
    /// Asks what to do at `now`, until it says [`HostAction::Wait`].
    pub fn poll(&mut self, now: Instant) -> HostAction<M> {
        if let Some(call) = self.resumed.pop(&mut self.calls, resumed) {
            return HostAction::Resume(CallId(call));
        }
        if let Some(event) = self.notices.next() {
            return HostAction::Throttle(event);
        }
        self.see_timers(now);
        while let Some(key) = self.attention.first() {
            if let Some(action) = self.look_at(now, key) {
                return action;
            }
            self.attention.remove(&mut self.channels, key, attention);
        }
        HostAction::Wait(self.deadline())
    }

    fn look_at(&mut self, now: Instant, key: Key) -> Option<HostAction<M>> {
        let channel = self.channels.get_mut(key)?;
        let id = ChannelId(key);
        if channel.bound && !channel.told_bound {
            channel.told_bound = true;
            return Some(HostAction::Bound(id));
        }
        if matches!(channel.pump, Some((_, Stage::Ready { .. } | Stage::Refused { .. }))) {
            let (request, stage) = channel.pump.take()?;
            channel.told_waits = None;
            return self.out_of_pump(now, id, request, stage);
        }
        let waits = match (channel.admission, &channel.pump) {
            (Admission::Waits(_), _) => Some(Throttle::Sessions),
            (Admission::Free | Admission::Has(_), Some((_, stage))) => stage.throttle(),
            (Admission::Free | Admission::Has(_), None) => None,
        };
        if let Some(throttle) = waits.filter(|_| channel.told_waits != waits) {
            channel.told_waits = waits;
            return Some(HostAction::Waits(id, self.throttle.pressure(now, throttle)));
        }
        let ending = channel.ending.filter(|_| !channel.told_ending)?;
        channel.told_ending = true;
        Some(match ending {
            Ending::Close => HostAction::Close(id),
            Ending::Abort(reason) => HostAction::Abort(id, reason),
        })
    }

    /// Gives the message that a pump held to the application, or its refusal to the client.
    fn out_of_pump(&mut self, now: Instant, id: ChannelId, request: Request<M>, stage: Stage) -> Option<HostAction<M>> {
        let Request { message, called, .. } = request;
        match (stage, called) {
            (Stage::Ready { call: permit, instance }, Some(called)) => {
                let has_turn = self.settings.concurrency != ConcurrencyMode::Multiple;
                let terminating = called.is_terminating;
                let (back, resumed) = (Links::default(), Links::default());
                let call = Call { channel: id.0, permit, instance, terminating, has_turn, back, resumed };
                // Each call has a permit, and there are no more permits than places.
                let call = self.calls.insert(call)?;
                let session = self.channels.get(id.0).is_some_and(|channel| channel.session);
                self.change(id.0, |channel| {
                    channel.calls = channel.calls.saturating_add(1);
                    channel.terminated |= terminating && session;
                });
                let known = self.instances.get_mut(instance);
                let new_instance = known.is_some_and(|known| !core::mem::replace(&mut known.made, true));
                let (call, instance) = (CallId(call), InstanceId(instance));
                Some(HostAction::Dispatch(Dispatch { call, channel: id, instance, new_instance, called, message }))
            }
            (Stage::Refused { call, fault }, called) => {
                if let Some(call) = call {
                    self.let_go(now, call);
                }
                if fault == DispatchFault::UnhandledAction {
                    // WCF closes the channel then.
                    self.end(id.0, Ending::Close);
                }
                self.close_if_done(id.0);
                let two_way = called.is_none_or(|called| called.two_way);
                Some(HostAction::Refuse { channel: id, message, two_way, fault })
            }
            _ => None,
        }
    }

    fn see_timers(&mut self, now: Instant) {
        while let Some((key, Deadline::At(due), reason)) = self.next_timer() {
            if due > now {
                return;
            }
            self.end(key, Ending::Abort(reason));
        }
    }

    fn next_timer(&self) -> Option<(Key, Deadline, AbortReason)> {
        let due = |since: Instant, timeout: Option<Duration>| match timeout {
            Some(timeout) => Deadline::At(since.after(timeout)),
            None => Deadline::Never,
        };
        let idle = self.idle.first().and_then(|key| {
            let channel = self.channels.get(key)?;
            Some((key, due(channel.active, self.settings.receive_timeout), AbortReason::Idle))
        });
        let terminating = self.terminating.first().and_then(|key| {
            let channel = self.channels.get(key)?;
            Some((key, due(channel.terminated_at, self.settings.close_timeout), AbortReason::NotClosed))
        });
        idle.into_iter().chain(terminating).min_by_key(|(_, due, _)| *due)
    }

    /// Until when there is nothing to do.
    pub fn deadline(&self) -> Deadline {
        self.next_timer().map_or(Deadline::Never, |(_, due, _)| due)
    }

    /// When this channel will be aborted if nothing comes of its client.
    pub fn idle_deadline(&self, channel: ChannelId) -> Deadline {
        match (self.channels.get(channel.0).filter(|channel| channel.idle.linked()), self.settings.receive_timeout) {
            (Some(channel), Some(timeout)) => Deadline::At(channel.active.after(timeout)),
            (Some(_) | None, _) => Deadline::Never,
        }
    }

    /// The timers of a channel: each that is running.
    pub fn timers(&self, channel: ChannelId) -> [Option<Timer>; 2] {
        let terminated = match (self.channels.get(channel.0), self.settings.close_timeout) {
            (Some(channel), Some(timeout)) if channel.terminating.linked() => {
                Deadline::At(channel.terminated_at.after(timeout))
            }
            (Some(_) | None, _) => Deadline::Never,
        };
        [
            Timer::running(TimerName::ReceiveTimeout, self.idle_deadline(channel), TimerEffect::Aborts),
            Timer::running(TimerName::Terminated, terminated, TimerEffect::Aborts),
        ]
    }
}
