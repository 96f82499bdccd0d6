//! A service host loses no permit and makes none up, runs every message once or says why not, and gives everything back,
//! whatever comes and goes in whatever order, in time or late, under names that are stale.
//!
//! A naive model counts beside it: who is open, what was taken, what runs, in which instance.

use proptest::prelude::*;
use soap_session_core::service::{
    AbortReason, CallId, Called, ChannelId, ConcurrencyMode, Dispatch, DispatchFault, HostAction, HostRefused,
    HostSettings, HostTables, InstanceContextMode, InstanceId, LISTENERS, Listener, Outcome, Request, ServiceHost,
};
use soap_session_core::throttle::{Throttle, ThrottleSettings};
use soap_session_core::time::{Deadline, Duration, Instant};
use soap_session_tests::heap_store::Heap;
use std::collections::VecDeque;

type Index = prop::sample::Index;

#[derive(Clone, Copy, Debug)]
enum Move {
    /// Seconds go by.
    Pass(u8),
    Accept {
        listener: u8,
        permit: bool,
        session: bool,
    },
    /// Of all channels and calls that ever were, those that are gone included.
    Take(Index, Option<Called>),
    Return(Index, Outcome),
    CallOut(Index),
    ComeBack(Index),
    Ended(Index),
    Closed(Index),
    CloseAll,
    Poll,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let kinds = prop_oneof![8 => Just((true, true)), 1 => Just((true, false)), 2 => Just((false, false))];
    let accept = (0..3u8, kinds);
    let called = (any::<bool>(), prop::bool::weighted(0.7), prop::bool::weighted(0.15));
    let called = called.prop_map(|(two_way, is_initiating, is_terminating)| Called {
        operation: 0,
        two_way,
        is_initiating,
        is_terminating,
    });
    let outcome = prop_oneof![5 => Just(Outcome::Handled), 1 => Just(Outcome::Unhandled)];
    let one = prop_oneof![
        4 => (0..20u8).prop_map(Move::Pass),
        8 => accept.prop_map(|(listener, (permit, session))| Move::Accept { listener, permit, session }),
        1 => Just(Move::Accept { listener: LISTENERS as u8, permit: true, session: true }),
        16 => (any::<Index>(), prop::option::weighted(0.95, called)).prop_map(|(of, called)| Move::Take(of, called)),
        10 => (any::<Index>(), outcome).prop_map(|(of, outcome)| Move::Return(of, outcome)),
        5 => any::<Index>().prop_map(Move::CallOut),
        5 => any::<Index>().prop_map(Move::ComeBack),
        2 => any::<Index>().prop_map(Move::Ended),
        4 => any::<Index>().prop_map(Move::Closed),
        8 => Just(Move::Poll),
    ];
    // Now and then the host is closed on the way.
    let end = prop_oneof![3 => Just(Vec::new()), 1 => Just(vec![Move::CloseAll])];
    (prop::collection::vec(one.clone(), 0..120), end, prop::collection::vec(one, 0..40))
        .prop_map(|(start, end, rest)| [start, end, rest].concat())
}

#[derive(Clone, Copy, Debug)]
struct Setup {
    settings: HostSettings,
    /// Calls, sessions, instances.
    limits: [u32; 3],
    /// Channels, calls, instances, and permits beyond the largest limit.
    tables: [usize; 4],
    /// Is everything carried out at once?
    eager: bool,
}

fn setups() -> impl Strategy<Value = Setup> {
    use ConcurrencyMode::{Multiple, Reentrant, Single};
    let instances = prop::sample::select(vec![
        InstanceContextMode::PerSession,
        InstanceContextMode::PerCall,
        InstanceContextMode::Single,
    ]);
    let timeout = || prop::option::weighted(0.8, (1..60u64).prop_map(Duration::from_secs));
    let settings = (instances, prop::sample::select(vec![Single, Reentrant, Multiple]), timeout(), timeout());
    let settings = (settings, prop::bool::weighted(0.2)).prop_map(|(settings, refuse_when_busy)| {
        let (instances, concurrency, receive_timeout, close_timeout) = settings;
        HostSettings { instances, concurrency, receive_timeout, close_timeout, refuse_when_busy }
    });
    let room = || prop_oneof![1 => 0..3usize, 4 => Just(20usize)];
    (settings, [1..=5u32, 1..=5, 1..=5], [1..=8usize, 1..=6, 1..=6], room(), prop::bool::weighted(0.7)).prop_map(
        |(settings, limits, [channels, calls, instances], permits, eager)| Setup {
            settings,
            limits,
            tables: [channels, calls, instances, permits],
            eager,
        },
    )
}

/// What is known of a channel from outside.
#[derive(Clone, Debug)]
struct Channel {
    id: ChannelId,
    listener: u8,
    permit: bool,
    session: bool,
    open: bool,
    told_bound: bool,
    told_waits: bool,
    /// It was told to close or to be aborted.
    told_ending: bool,
    /// It has to end although something runs.
    broken: bool,
    ended: bool,
    terminated: bool,
    terminated_at: Option<Instant>,
    active: Instant,
    /// The host was closed: it is not idle any more.
    closing: bool,
    instance: Option<InstanceId>,
}

#[derive(Clone, Debug)]
struct Held {
    channel: ChannelId,
    message: u32,
    called: Option<Called>,
    /// It came after a terminating operation.
    too_late: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    Has,
    Out,
    WaitsBack,
}

#[derive(Clone, Debug)]
struct Running {
    dispatch: Dispatch<u32>,
    session: bool,
    turn: Turn,
}

struct World {
    setup: Setup,
    host: ServiceHost<u32, Heap>,
    now: Instant,
    limits: [u32; 3],
    permits: usize,
    channels: Vec<Channel>,
    /// Sessions that wait, in order.
    queue: VecDeque<ChannelId>,
    held: Vec<Held>,
    running: Vec<Running>,
    /// Instances that the application has.
    instances: Vec<InstanceId>,
    /// The last message that was dispatched with a new instance, and into each that there was.
    last_new: u32,
    last_old: Vec<(InstanceId, u32)>,
    all_channels: Vec<ChannelId>,
    all_calls: Vec<CallId>,
    messages: u32,
}

impl World {
    fn new(setup: Setup) -> Self {
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

    fn channel(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.channels.iter_mut().find(|channel| channel.id == id)
    }

    fn calls_of(&self, id: ChannelId) -> usize {
        self.running.iter().filter(|call| call.dispatch.channel == id).count()
    }

    fn holds(&self, id: ChannelId) -> bool {
        self.held.iter().any(|held| held.channel == id)
    }

    fn open_sessions(&self) -> usize {
        self.channels.iter().filter(|channel| channel.permit && channel.open).count()
    }

    fn one_at_a_time(&self) -> bool {
        self.setup.settings.concurrency != ConcurrencyMode::Multiple
    }

    fn single(&self) -> bool {
        self.setup.settings.instances == InstanceContextMode::Single
    }

    fn make(&mut self, step: Move) {
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

    fn accept(&mut self, listener: u8, permit: bool, session: bool) {
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

    fn take(&mut self, id: ChannelId, called: Option<Called>) {
        let before = self.host.clone();
        self.messages += 1;
        let message = self.messages;
        let request = Request { message, called };
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
    fn gone(&mut self, told: Option<InstanceId>, wanted: Option<InstanceId>) {
        assert_eq!(told, wanted);
        if let Some(id) = told {
            assert!(self.instances.contains(&id));
            self.instances.retain(|other| *other != id);
        }
    }

    fn returned(&mut self, id: CallId, outcome: Outcome) {
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

    fn call_out(&mut self, id: CallId) {
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

    fn come_back(&mut self, id: CallId) {
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

    fn nobody_runs_in(&self, instance: InstanceId) {
        let running = |call: &&Running| call.dispatch.instance == instance && call.turn == Turn::Has;
        assert_eq!(self.running.iter().find(running).map(|call| &call.dispatch), None, "two at a time");
    }

    fn ended(&mut self, id: ChannelId) {
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

    fn closed(&mut self, id: ChannelId) {
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

    fn admit_next(&mut self) {
        let now = self.now;
        if let Some(next) = self.queue.pop_front() {
            let channel = self.channel(next).expect("it waits");
            (channel.open, channel.active) = (true, now);
        }
    }

    /// The host has said this. Was there reason to?
    fn heard(&mut self, action: HostAction<u32>) -> Option<Deadline> {
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
                    DispatchFault::ActionNotSupported => {
                        assert!(!held.too_late && !held.called.is_some_and(suits));
                        channel.broken |= channel.session && channel.told_bound;
                    }
                    DispatchFault::ServerTooBusy(throttle) => {
                        assert!(!held.too_late && (refuses || small));
                        assert_ne!(throttle, Throttle::Sessions);
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

    fn dispatched(&mut self, dispatch: Dispatch<u32>) {
        let place =
            self.held.iter().position(|held| held.message == dispatch.message).expect("it was held, and told once");
        let held = self.held.remove(place);
        assert_eq!((held.channel, held.called), (dispatch.channel, Some(dispatch.called)));
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
    fn drain(&mut self) {
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

    fn waits_until(&mut self, deadline: Deadline) {
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
    fn books(&self) {
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

    fn host_waits(&self) -> usize {
        self.channels.iter().filter(|channel| self.host.waits(channel.id)).count()
    }

    /// Everything is given back.
    fn end(&mut self) {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_host_keeps_its_books(setup in setups(), moves in moves()) {
        let mut world = World::new(setup);
        for step in moves {
            world.make(step);
            if setup.eager {
                world.drain();
            }
        }
        world.end();
    }
}
