//! What is known of the host from outside, and what each move should come to.

use super::{Index, Move, Setup};
use soap_session_core::service::{
    CallId, Called, ChannelId, ConcurrencyMode, Dispatch, HostRefused, HostTables, InstanceContextMode, InstanceId,
    LISTENERS, Listener, Outcome, Request, ServiceHost,
};
use soap_session_core::throttle::{Throttle, ThrottleSettings};
use soap_session_core::time::{Duration, Instant};
use soap_session_tests::heap_store::Heap;
use std::collections::VecDeque;

/// What is known of a channel from outside.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) id: ChannelId,
    pub(super) listener: u8,
    pub(super) permit: bool,
    pub(super) session: bool,
    pub(super) open: bool,
    pub(super) told_bound: bool,
    pub(super) told_waits: bool,
    /// It was told to close or to be aborted.
    pub(super) told_ending: bool,
    /// It has to end although something runs.
    pub(super) broken: bool,
    pub(super) ended: bool,
    pub(super) terminated: bool,
    pub(super) terminated_at: Option<Instant>,
    pub(super) active: Instant,
    /// The host was closed: it is not idle any more.
    pub(super) closing: bool,
    pub(super) instance: Option<InstanceId>,
}

#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) channel: ChannelId,
    pub(super) message: u32,
    pub(super) called: Option<Called>,
    /// It came after a terminating operation.
    pub(super) too_late: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    Has,
    Out,
    WaitsBack,
}

#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) dispatch: Dispatch<u32>,
    pub(super) session: bool,
    pub(super) turn: Turn,
}

pub(super) struct World {
    pub(super) setup: Setup,
    pub(super) host: ServiceHost<u32, Heap>,
    pub(super) now: Instant,
    pub(super) limits: [u32; 3],
    pub(super) permits: usize,
    pub(super) channels: Vec<Channel>,
    /// Sessions that wait, in order.
    pub(super) queue: VecDeque<ChannelId>,
    pub(super) held: Vec<Held>,
    pub(super) running: Vec<Running>,
    /// Instances that the application has.
    pub(super) instances: Vec<InstanceId>,
    /// The last message that was dispatched with a new instance, and into each that there was.
    pub(super) last_new: u32,
    pub(super) last_old: Vec<(InstanceId, u32)>,
    pub(super) all_channels: Vec<ChannelId>,
    pub(super) all_calls: Vec<CallId>,
    pub(super) messages: u32,
}

/// Is every header block of this message understood?
pub(super) const fn understood(message: u32) -> bool {
    !message.is_multiple_of(7)
}

impl World {
    pub(super) fn new(setup: Setup) -> Self {
        let [channels, calls, instances, permits] = setup.tables;
        let limits = [setup.limits[0].min(calls as u32), setup.limits[1], setup.limits[2].min(instances as u32)];
        let permits = permits + limits.into_iter().max().unwrap_or(0) as usize;
        let throttle = ThrottleSettings {
            max_concurrent_calls: setup.limits[0],
            max_concurrent_sessions: setup.limits[1],
            max_concurrent_instances: Some(setup.limits[2]),
        };
        let tables = HostTables {
            channels: Heap(channels),
            calls: Heap(calls),
            instances: Heap(instances),
            permits: Heap(permits),
        };
        Self {
            setup,
            host: ServiceHost::new(setup.settings, throttle, tables).expect("it fits"),
            now: Instant::default(),
            limits,
            permits,
            channels: Vec::new(),
            queue: VecDeque::new(),
            held: Vec::new(),
            running: Vec::new(),
            instances: Vec::new(),
            last_new: 0,
            last_old: Vec::new(),
            all_channels: Vec::new(),
            all_calls: Vec::new(),
            messages: 0,
        }
    }

    pub(super) fn channel(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.channels.iter_mut().find(|channel| channel.id == id)
    }

    pub(super) fn calls_of(&self, id: ChannelId) -> usize {
        self.running.iter().filter(|call| call.dispatch.channel == id).count()
    }

    pub(super) fn holds(&self, id: ChannelId) -> bool {
        self.held.iter().any(|held| held.channel == id)
    }

    pub(super) fn open_sessions(&self) -> usize {
        self.channels.iter().filter(|channel| channel.permit && channel.open).count()
    }

    pub(super) fn one_at_a_time(&self) -> bool {
        self.setup.settings.concurrency != ConcurrencyMode::Multiple
    }

    pub(super) fn single(&self) -> bool {
        self.setup.settings.instances == InstanceContextMode::Single
    }

    pub(super) fn make(&mut self, step: Move) {
        let pick = |index: Index, of: &[ChannelId]| (!of.is_empty()).then(|| *index.get(of));
        let pick_call = |index: Index, of: &[CallId]| (!of.is_empty()).then(|| *index.get(of));
        match step {
            Move::Pass(seconds) => self.now = self.now.after(Duration::from_secs(seconds.into())),
            Move::Accept { listener, permit, session } => self.accept(listener, permit, session),
            Move::Take(index, called) => {
                if let Some(id) = pick(index, &self.all_channels) {
                    self.take(id, called);
                }
            }
            Move::Return(index, outcome) => {
                if let Some(id) = pick_call(index, &self.all_calls) {
                    self.returned(id, outcome);
                }
            }
            Move::CallOut(index) => {
                if let Some(id) = pick_call(index, &self.all_calls) {
                    self.call_out(id);
                }
            }
            Move::ComeBack(index) => {
                if let Some(id) = pick_call(index, &self.all_calls) {
                    self.come_back(id);
                }
            }
            Move::Ended(index) => {
                if let Some(id) = pick(index, &self.all_channels) {
                    self.ended(id);
                }
            }
            Move::Closed(index) => {
                if let Some(id) = pick(index, &self.all_channels) {
                    self.closed(id);
                }
            }
            Move::CloseAll => {
                self.host.close_all();
                for channel in self.channels.iter_mut().filter(|channel| channel.permit) {
                    channel.ended = true;
                    channel.closing = true;
                }
            }
            Move::Poll => {
                let action = self.host.poll(self.now);
                self.heard(action);
            }
        }
    }

    pub(super) fn accept(&mut self, listener: u8, permit: bool, session: bool) {
        let before = self.host.clone();
        let owner = self.all_channels.len() as u64;
        let answer = self.host.accept(self.now, Listener(listener), owner, permit, session);
        let (open, waiting) = (self.open_sessions(), self.queue.len());
        let stuck = self.channels.iter().any(|channel| !channel.open && channel.listener == listener);
        let would_wait = open >= self.limits[1] as usize;
        let wanted = if usize::from(listener) >= LISTENERS {
            Err(HostRefused::Listener)
        } else if stuck || self.channels.len() >= self.setup.tables[0] {
            Err(HostRefused::NotAccepting)
        } else if permit && would_wait && self.setup.settings.refuse_when_busy {
            Err(HostRefused::Busy(self.host.pressure(Throttle::Sessions, self.now)))
        } else if permit && open + waiting >= self.permits {
            Err(HostRefused::NotAccepting)
        } else {
            Ok(!permit || !would_wait)
        };
        match (answer, wanted) {
            (Ok(id), Ok(open)) => {
                assert!(!self.all_channels.contains(&id), "{id:?} is the name of another");
                assert_eq!((self.host.is_open(id), self.host.owner(id)), (open, Some(owner)));
                self.all_channels.push(id);
                self.channels.push(Channel {
                    id,
                    listener,
                    permit,
                    session,
                    open,
                    told_bound: false,
                    told_waits: false,
                    told_ending: false,
                    broken: false,
                    ended: false,
                    terminated: false,
                    terminated_at: None,
                    active: self.now,
                    closing: false,
                    instance: None,
                });
                if !open {
                    self.queue.push_back(id);
                }
            }
            (answer, wanted) => {
                assert_eq!(answer.map(|_| true), wanted);
                assert_eq!(self.host, before);
            }
        }
    }

    pub(super) fn take(&mut self, id: ChannelId, called: Option<Called>) {
        let before = self.host.clone();
        self.messages += 1;
        let message = self.messages;
        let request = Request { message, called, understood: understood(message) };
        let may = self.host.may_take(id);
        let answer = self.host.take(self.now, id, request.clone());
        let (busy, holds) = (self.calls_of(id) != 0, self.holds(id));
        let one_by_one = self.setup.settings.concurrency == ConcurrencyMode::Single;
        let (now, eager) = (self.now, self.setup.eager);
        let Some(channel) = self.channel(id) else {
            assert_eq!((answer, may), (Err((request, HostRefused::Unknown)), false));
            return assert_eq!(self.host, before);
        };
        let stopped = holds
            || !channel.open
            || channel.ended
            || channel.told_ending
            || channel.broken
            || (one_by_one && channel.session && busy);
        match answer {
            Ok(()) => {
                assert!(may && !stopped, "{channel:?} takes");
                channel.active = now;
                let too_late = channel.terminated;
                self.held.push(Held { channel: id, message, called, too_late });
            }
            Err(refused) => {
                assert_eq!((refused, may), ((request, HostRefused::PumpStopped), false));
                // If not everything is carried out at once it may be about to end, which is not told yet.
                assert!(stopped || !eager, "{channel:?} does not take");
                assert_eq!(self.host, before);
            }
        }
    }

    /// Instances go with the last call, or with their channel.
    pub(super) fn gone(&mut self, told: Option<InstanceId>, wanted: Option<InstanceId>) {
        assert_eq!(told, wanted);
        if let Some(id) = told {
            assert!(self.instances.contains(&id));
            self.instances.retain(|other| *other != id);
        }
    }

    pub(super) fn returned(&mut self, id: CallId, outcome: Outcome) {
        let before = self.host.clone();
        let answer = self.host.returned(self.now, id, outcome);
        let Some(place) = self.running.iter().position(|call| call.dispatch.call == id) else {
            assert_eq!(answer, Err(HostRefused::Unknown));
            return assert_eq!(self.host, before);
        };
        let Running { dispatch, session, .. } = self.running.remove(place);
        let instance = dispatch.instance;
        let used = self.running.iter().any(|call| call.dispatch.instance == instance);
        let mode = self.setup.settings.instances;
        let per_call = mode == InstanceContextMode::PerCall || (mode == InstanceContextMode::PerSession && !session);
        let now = self.now;
        let channel = self.channel(dispatch.channel);
        let goes = per_call || (mode == InstanceContextMode::PerSession && channel.is_none() && !used);
        if let Some(channel) = channel {
            channel.broken |= session && outcome == Outcome::Unhandled;
            if session && outcome == Outcome::Handled && dispatch.called.is_terminating {
                channel.terminated_at = Some(now);
            }
        }
        self.gone(answer.expect("it was under way"), goes.then_some(instance));
    }

    pub(super) fn call_out(&mut self, id: CallId) {
        let before = self.host.clone();
        let answer = self.host.calls_out(id);
        let reentrant = self.setup.settings.concurrency == ConcurrencyMode::Reentrant;
        match self.running.iter_mut().find(|call| call.dispatch.call == id) {
            Some(call) => {
                assert_eq!(answer, Ok(()));
                if reentrant && call.turn == Turn::Has {
                    call.turn = Turn::Out;
                } else if reentrant && call.turn == Turn::WaitsBack {
                    // It may have been given the turn without having been told, and is out then; or it goes on waiting.
                    let waits = self.host.clone().comes_back(id) == Ok(false) && self.host == before;
                    if !waits {
                        call.turn = Turn::Out;
                    }
                }
            }
            None => {
                assert_eq!(answer, Err(HostRefused::Unknown));
                assert_eq!(self.host, before);
            }
        }
    }

    pub(super) fn come_back(&mut self, id: CallId) {
        let before = self.host.clone();
        let answer = self.host.comes_back(id);
        let reentrant = self.setup.settings.concurrency == ConcurrencyMode::Reentrant;
        let Some(place) = self.running.iter().position(|call| call.dispatch.call == id) else {
            assert_eq!(answer, Err(HostRefused::Unknown));
            return assert_eq!(self.host, before);
        };
        let has_turn = !reentrant || self.running[place].turn == Turn::Has;
        let instance = self.running[place].dispatch.instance;
        match answer {
            Ok(true) if has_turn => {}
            Ok(true) => {
                self.nobody_runs_in(instance);
                self.running[place].turn = Turn::Has;
            }
            answer => {
                assert_eq!((answer, has_turn), (Ok(false), false));
                self.running[place].turn = Turn::WaitsBack;
            }
        }
    }

    pub(super) fn nobody_runs_in(&self, instance: InstanceId) {
        let running = |call: &&Running| call.dispatch.instance == instance && call.turn == Turn::Has;
        assert_eq!(self.running.iter().find(running).map(|call| &call.dispatch), None, "two at a time");
    }

    pub(super) fn ended(&mut self, id: ChannelId) {
        let before = self.host.clone();
        let answer = self.host.ended(id);
        match self.channel(id) {
            Some(channel) => {
                assert_eq!(answer, Ok(()));
                channel.ended = true;
            }
            None => {
                assert_eq!(answer, Err(HostRefused::Unknown));
                assert_eq!(self.host, before);
            }
        }
    }

    pub(super) fn closed(&mut self, id: ChannelId) {
        let before = self.host.clone();
        let answer = self.host.closed(self.now, id);
        let Some(place) = self.channels.iter().position(|channel| channel.id == id) else {
            assert_eq!(answer, Err(HostRefused::Unknown));
            return assert_eq!(self.host, before);
        };
        let channel = self.channels.remove(place);
        let held = self.held.iter().position(|held| held.channel == id).map(|place| self.held.remove(place));
        let gone = answer.expect("it was there");
        assert_eq!(gone.message, held.map(|held| held.message));
        let unused = |id: &InstanceId| !self.running.iter().any(|call| call.dispatch.instance == *id);
        self.gone(gone.instance, channel.instance.filter(unused));
        self.queue.retain(|other| *other != id);
        // Whose turn it is.
        if channel.permit && channel.open {
            self.admit_next();
        }
    }

    pub(super) fn admit_next(&mut self) {
        let now = self.now;
        if let Some(next) = self.queue.pop_front() {
            let channel = self.channel(next).expect("it waits");
            (channel.open, channel.active) = (true, now);
        }
    }
}
