//! Whether there was reason for what the host says, and whether its books are right when it says nothing.

use super::model::{Channel, Running, Turn, World, understood};
use soap_session_core::service::{
    AbortReason, Called, Dispatch, DispatchFault, HostAction, InstanceContextMode, Outcome,
};
use soap_session_core::throttle::Throttle;
use soap_session_core::time::{Deadline, Duration, Instant};

impl World {
    /// The host has said this. Was there reason to?
    pub(super) fn heard(&mut self, action: HostAction<u32>) -> Option<Deadline> {
        let (now, eager) = (self.now, self.setup.eager);
        match action {
            HostAction::Bound(id) => {
                let channel = self.channel(id).expect("a channel");
                assert!(!std::mem::replace(&mut channel.told_bound, true), "bound twice");
            }
            HostAction::Dispatch(dispatch) => self.dispatched(dispatch),
            HostAction::Refuse { channel: id, message, two_way, fault } => {
                let place = self.held.iter().position(|held| held.message == message).expect("it was held");
                let held = self.held.remove(place);
                assert_eq!((held.channel, two_way), (id, held.called.is_none_or(|called| called.two_way)));
                let refuses = self.setup.settings.refuse_when_busy;
                let small = self.permits < self.limits.into_iter().max().unwrap_or(0) as usize + self.setup.tables[0];
                let channel = self.channel(id).expect("a channel");
                let suits = |called: Called| called.is_initiating || channel.told_bound || !channel.session;
                match fault {
                    DispatchFault::SessionTerminated => assert!(held.too_late),
                    DispatchFault::ActionNotSupported | DispatchFault::UnhandledAction => {
                        assert!(!held.too_late && !held.called.is_some_and(suits));
                        let in_use = channel.session && channel.told_bound;
                        assert_eq!(fault == DispatchFault::UnhandledAction, in_use);
                        channel.broken |= in_use;
                    }
                    DispatchFault::ServerTooBusy(throttle) => {
                        assert!(!held.too_late && (refuses || small));
                        assert_ne!(throttle, Throttle::Sessions);
                    }
                    DispatchFault::MustUnderstand => {
                        assert!(!held.too_late && held.called.is_some_and(suits) && !understood(message));
                    }
                    DispatchFault::InternalServiceFault => panic!("the application's"),
                }
            }
            HostAction::Resume(id) => {
                let place = self.running.iter().position(|call| call.dispatch.call == id).expect("it runs");
                assert_eq!(self.running[place].turn, Turn::WaitsBack);
                self.nobody_runs_in(self.running[place].dispatch.instance);
                self.running[place].turn = Turn::Has;
            }
            HostAction::Close(id) => {
                let quiet = self.calls_of(id) == 0 && !self.holds(id);
                let channel = self.channel(id).expect("a channel");
                assert!(!std::mem::replace(&mut channel.told_ending, true), "ended twice");
                assert!(channel.broken || (channel.ended && quiet), "{channel:?} closes");
            }
            HostAction::Abort(id, reason) => {
                let settings = self.setup.settings;
                let channel = self.channel(id).expect("a channel");
                assert!(!std::mem::replace(&mut channel.told_ending, true), "ended twice");
                let (since, timeout) = match reason {
                    AbortReason::Idle => (Some(channel.active), settings.receive_timeout),
                    AbortReason::NotClosed => (channel.terminated_at, settings.close_timeout),
                };
                let due = since.zip(timeout).map(|(since, timeout)| since.after(timeout)).expect("it has a timeout");
                assert!(due <= now, "{reason:?} is due at {due:?}");
            }
            HostAction::Waits(id, pressure) => {
                assert!(!self.setup.settings.refuse_when_busy);
                let holds = self.holds(id);
                let channel = self.channel(id).expect("a channel");
                if pressure.throttle == Throttle::Sessions {
                    assert!(!channel.open && !std::mem::replace(&mut channel.told_waits, true), "told twice");
                } else {
                    assert!(holds && channel.open);
                }
                assert!(pressure.waiting > 0 || !eager);
            }
            HostAction::Throttle(event) => assert!(event.pressure().used <= event.pressure().limit),
            HostAction::Wait(deadline) => return Some(deadline),
        }
        None
    }

    pub(super) fn dispatched(&mut self, dispatch: Dispatch<u32>) {
        let place =
            self.held.iter().position(|held| held.message == dispatch.message).expect("it was held, and told once");
        let held = self.held.remove(place);
        assert_eq!((held.channel, held.called), (dispatch.channel, Some(dispatch.called)));
        assert!(understood(dispatch.message));
        assert!(!held.too_late);
        let known = self.instances.contains(&dispatch.instance);
        assert_eq!(known, !dispatch.new_instance);
        if self.one_at_a_time() {
            self.nobody_runs_in(dispatch.instance);
        }
        let back =
            self.running.iter().any(|call| call.dispatch.instance == dispatch.instance && call.turn == Turn::WaitsBack);
        assert!(!back || !self.setup.eager, "who comes back goes first");
        // First come, first served.
        if self.setup.eager && dispatch.new_instance {
            let last = std::mem::replace(&mut self.last_new, dispatch.message);
            assert!(last < dispatch.message || self.one_at_a_time());
        } else if self.setup.eager {
            let instance = dispatch.instance;
            if let Some((_, last)) = self.last_old.iter().rfind(|(id, _)| *id == instance) {
                assert!(*last < dispatch.message, "{last} before {}", dispatch.message);
            }
            self.last_old.push((instance, dispatch.message));
        }
        if dispatch.new_instance {
            self.instances.push(dispatch.instance);
        }
        let per_session = self.setup.settings.instances == InstanceContextMode::PerSession;
        let channel = self.channel(dispatch.channel).expect("a channel");
        assert!(channel.open && channel.told_bound, "{channel:?}");
        if per_session && channel.session {
            assert!(channel.instance.is_none_or(|instance| instance == dispatch.instance));
            channel.instance = Some(dispatch.instance);
        } else if per_session {
            assert!(dispatch.new_instance);
        }
        channel.terminated |= channel.session && dispatch.called.is_terminating;
        let session = channel.session;
        assert!(!self.all_calls.contains(&dispatch.call), "the name of another");
        self.all_calls.push(dispatch.call);
        self.running.push(Running { dispatch, session, turn: Turn::Has });
    }

    /// Until the host waits: soon, and for the right time.
    pub(super) fn drain(&mut self) {
        // Of each channel: bound, waits, a message, ends; of each call: resumed; of each throttle: three events.
        let most = 4 * self.channels.len() + self.running.len() + 9;
        for _ in 0..=most {
            let action = self.host.poll(self.now);
            if let Some(deadline) = self.heard(action) {
                return self.waits_until(deadline);
            }
        }
        panic!("more than {most} actions");
    }

    pub(super) fn waits_until(&self, deadline: Deadline) {
        let settings = self.setup.settings;
        let ends = |channel: &Channel| {
            let done = channel.ended && self.calls_of(channel.id) == 0 && !self.holds(channel.id);
            assert!(channel.told_ending || !(done || channel.broken), "{channel:?} is to end");
            channel.told_ending
        };
        let staying = self.channels.iter().filter(|channel| !ends(channel) && channel.open && channel.permit);
        let due = staying.flat_map(|channel| {
            let due = |since: Instant, timeout: Option<Duration>| timeout.map(|timeout| since.after(timeout));
            let idle = due(channel.active, settings.receive_timeout).filter(|_| !channel.closing);
            let terminated = channel.terminated_at.and_then(|since| due(since, settings.close_timeout));
            [idle, terminated]
        });
        let due = due.flatten().min();
        assert_eq!(deadline, due.map_or(Deadline::Never, Deadline::At));
        assert!(deadline > Deadline::At(self.now), "that is due");
        assert_eq!(self.host.deadline(), deadline);
        self.books();
    }

    /// Nothing is about to happen: every permit is with somebody that we know.
    pub(super) fn books(&self) {
        let [calls, sessions, instances] = Throttle::ALL.map(|throttle| self.host.pressure(throttle, self.now));
        for (pressure, limit) in [calls, sessions, instances].into_iter().zip(self.limits) {
            assert_eq!(pressure.limit, limit);
            assert!(pressure.used <= limit);
            assert!(pressure.waiting == 0 || pressure.used == limit, "{pressure} while one waits");
        }
        assert_eq!((sessions.used as usize, sessions.waiting as usize), (self.open_sessions(), self.queue.len()));
        for channel in &self.channels {
            assert_eq!(self.host.is_open(channel.id), channel.open, "{channel:?}");
        }
        // Whatever is held still waits: for a call without a permit, for anything else with one.
        let held = self.held.len();
        assert_eq!(calls.used as usize + calls.waiting as usize, self.running.len() + held);
        assert_eq!(self.host.calls() as usize, self.running.len());
        let turns = held - calls.waiting as usize - instances.waiting as usize;
        let waiting = self.host_waits();
        assert_eq!(waiting, held + self.queue.len());
        let busy = self.running.iter().any(|call| call.turn == Turn::Has);
        assert!(turns == 0 || (busy && self.one_at_a_time()), "{turns} wait for a turn that nobody has");
        for call in self.running.iter().filter(|call| call.turn == Turn::WaitsBack) {
            let instance = call.dispatch.instance;
            let has = |other: &Running| other.dispatch.instance == instance && other.turn == Turn::Has;
            assert!(self.running.iter().any(has), "{call:?} waits for a turn that nobody has");
        }
        // The one instance may be there before the application is told to make it: its first message went away.
        let unmade = usize::from(self.single() && self.instances.is_empty() && instances.used == 1);
        assert_eq!(instances.used as usize, self.instances.len() + unmade);
        assert_eq!(self.host.instances(), instances.used);
        assert_eq!(self.host.channels() as usize, self.channels.len());
    }

    pub(super) fn host_waits(&self) -> usize {
        self.channels.iter().filter(|channel| self.host.waits(channel.id)).count()
    }

    /// Everything is given back.
    pub(super) fn end(&mut self) {
        self.drain();
        while let Some(id) = self.running.first().map(|call| call.dispatch.call) {
            self.returned(id, Outcome::Handled);
            self.drain();
        }
        while let Some(id) = self.channels.first().map(|channel| channel.id) {
            self.closed(id);
            self.drain();
            while let Some(id) = self.running.first().map(|call| call.dispatch.call) {
                self.returned(id, Outcome::Unhandled);
                self.drain();
            }
        }
        let used = Throttle::ALL.map(|throttle| self.host.pressure(throttle, self.now));
        assert!(used.iter().all(|pressure| pressure.waiting == 0));
        let [calls, sessions, instances] = used.map(|pressure| pressure.used);
        assert_eq!((calls, sessions, self.host.calls(), self.host.channels()), (0, 0, 0, 0));
        assert_eq!(instances, self.host.instances());
        assert!(instances == 0 || (self.single() && instances == 1));
        assert_eq!(self.host.deadline(), Deadline::Never);
    }
}
