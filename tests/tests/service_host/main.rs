//! The service host, row by row: permits, instances, sessions, timers; and what users tell of services.
//!
//! The tests play the room above and the application. Time is simulated.

mod instances;
mod limits;
mod permits;
mod sessions;
mod stories;

use soap_session_core::service::{
    Called, ChannelId, Dispatch, DispatchFault, HostAction, HostSettings, HostTables, InstanceId, Listener, Outcome,
    Request, ServiceHost,
};
use soap_session_core::throttle::{NO_LIMIT, Pressure, Throttle, ThrottleSettings};
use soap_session_core::time::{Deadline, Duration, Instant};
use soap_session_tests::heap_store::Heap;

/// Any operation, as WCF's attributes have it.
const ANY: Called = Called { operation: 0, two_way: true, is_initiating: true, is_terminating: false };
const ONE_WAY: Called = Called { operation: 1, two_way: false, ..ANY };
const NEXT: Called = Called { operation: 2, is_initiating: false, ..ANY };
const LAST: Called = Called { operation: 3, is_terminating: true, ..NEXT };

const PLENTY: u32 = 50;

/// A host, and what time it is.
struct World {
    host: ServiceHost<u32, Heap>,
    now: Instant,
}

/// A message that was dispatched, with what came before it in the drain.
type Calls = Vec<Dispatch<u32>>;

impl World {
    /// With limits to calls, sessions and instances.
    fn new(settings: HostSettings, [calls, sessions, instances]: [u32; 3]) -> Self {
        let table = Heap(PLENTY as usize);
        let limits = ThrottleSettings {
            max_concurrent_calls: calls,
            max_concurrent_sessions: sessions,
            max_concurrent_instances: Some(instances),
        };
        let tables = HostTables { channels: table, calls: table, instances: table, permits: Heap(120) };
        Self { host: ServiceHost::new(settings, limits, tables).expect("limits that fit"), now: Instant::default() }
    }

    fn with(settings: HostSettings) -> Self {
        Self::new(settings, [PLENTY; 3])
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    #[track_caller]
    fn accept(&mut self, listener: u8, owner: u64) -> ChannelId {
        self.host.accept(self.now, Listener(listener), owner, true, true).expect("it is accepted")
    }

    /// A session that has its permit.
    #[track_caller]
    fn session(&mut self, owner: u64) -> ChannelId {
        let channel = self.accept(0, owner);
        assert!(self.host.is_open(channel), "it waits");
        channel
    }

    /// The channel of a listener without sessions.
    #[track_caller]
    fn datagrams(&mut self) -> ChannelId {
        self.host.accept(self.now, Listener(7), 0, false, false).expect("it is accepted")
    }

    #[track_caller]
    fn take(&mut self, channel: ChannelId, message: u32, called: impl Into<Option<Called>>) {
        let request = Request { message, called: called.into(), understood: true };
        self.host.take(self.now, channel, request).expect("the pump takes it");
    }

    /// Everything until the host waits.
    #[track_caller]
    fn drain(&mut self) -> (Vec<HostAction<u32>>, Deadline) {
        let mut actions = Vec::new();
        for _ in 0..1000 {
            match self.host.poll(self.now) {
                HostAction::Wait(deadline) => return (actions, deadline),
                action => actions.push(action),
            }
        }
        panic!("it never waits: {actions:?}");
    }

    /// What is dispatched now. That channels are bound, and that limits are reached, is not asked here.
    #[track_caller]
    fn calls(&mut self) -> Calls {
        let (actions, _) = self.drain();
        let mut calls = Calls::new();
        for action in actions {
            match action {
                HostAction::Dispatch(dispatch) => calls.push(dispatch),
                HostAction::Bound(_) | HostAction::Waits(..) | HostAction::Throttle(_) => {}
                other => panic!("{other:?}"),
            }
        }
        calls
    }

    /// The messages of [`calls`](Self::calls).
    #[track_caller]
    fn messages(&mut self) -> Vec<u32> {
        self.calls().iter().map(|call| call.message).collect()
    }

    /// Takes a message that is dispatched at once, alone.
    #[track_caller]
    fn run(&mut self, channel: ChannelId, message: u32, called: Called) -> Dispatch<u32> {
        self.take(channel, message, called);
        let mut calls = self.calls();
        assert_eq!(calls.iter().map(|call| call.message).collect::<Vec<_>>(), [message]);
        calls.remove(0)
    }

    /// Takes a message that the dispatcher refuses at once.
    #[track_caller]
    fn refused(&mut self, channel: ChannelId, message: u32, called: impl Into<Option<Called>>) -> DispatchFault {
        self.take(channel, message, called);
        match self.drain().0.into_iter().find(|action| !matches!(action, HostAction::Throttle(_))) {
            Some(HostAction::Refuse { channel: of, message: refused, fault, .. }) => {
                assert_eq!((of, refused), (channel, message));
                fault
            }
            other => panic!("{other:?}"),
        }
    }

    /// The call has ended well. Which instance goes with it.
    #[track_caller]
    fn done(&mut self, call: &Dispatch<u32>) -> Option<InstanceId> {
        self.host.returned(self.now, call.call, Outcome::Handled).expect("it was under way")
    }

    #[track_caller]
    fn failed(&mut self, call: &Dispatch<u32>) -> Option<InstanceId> {
        self.host.returned(self.now, call.call, Outcome::Unhandled).expect("it was under way")
    }

    /// The channel is gone. Which instance goes with it.
    #[track_caller]
    fn closed(&mut self, channel: ChannelId) -> Option<InstanceId> {
        self.host.closed(self.now, channel).expect("it was there").instance
    }

    fn pressure(&self, throttle: Throttle) -> Pressure {
        self.host.pressure(throttle, self.now)
    }

    /// Calls, sessions and instances that hold a permit.
    fn used(&self) -> [u32; 3] {
        Throttle::ALL.map(|throttle| self.pressure(throttle).used)
    }

    /// And those that wait for one.
    fn waiting(&self) -> [u32; 3] {
        Throttle::ALL.map(|throttle| self.pressure(throttle).waiting)
    }
}
