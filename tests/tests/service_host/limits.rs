//! The limits themselves, and what is told of them.

use super::*;
use soap_session_core::service::InstanceContextMode;
use soap_session_core::throttle::{MAX_STATEFUL_NEGOTIATIONS, ThrottleError, ThrottleEvent};

fn per_call() -> HostSettings {
    HostSettings { instances: InstanceContextMode::PerCall, ..HostSettings::default() }
}

#[test]
fn negotiations_have_limits_of_their_own() {
    let room = Heap(200);
    let tables = || HostTables { channels: room, calls: room, instances: room, permits: room };
    let limits = ThrottleSettings::negotiation(MAX_STATEFUL_NEGOTIATIONS);
    let mut negotiations = ServiceHost::<u32, _>::new(per_call(), limits, tables()).expect("it fits");
    let service = ServiceHost::<u32, _>::new(per_call(), ThrottleSettings::wcf3(), tables()).expect("it fits");
    let now = Instant::default();
    let channel = negotiations.accept(now, Listener(0), 0, false, false).expect("accepted");
    let mut dispatched = 0;
    for message in 0..129 {
        negotiations.take(now, channel, Request { message, called: Some(ANY), understood: true }).expect("taken");
        while let HostAction::Dispatch(_) | HostAction::Bound(_) = negotiations.poll(now) {
            dispatched = negotiations.calls();
        }
    }
    let pressure = negotiations.pressure(Throttle::Calls, now);
    assert_eq!((dispatched, pressure.limit, pressure.used, pressure.waiting), (128, 128, 128, 1));
    // The service's own are another host's.
    assert_eq!(service.pressure(Throttle::Calls, now).used, 0);
}

#[test]
fn limits_are_held_to_the_tables() {
    let tables = HostTables { channels: Heap(9), calls: Heap(3), instances: Heap(4), permits: Heap(20) };
    let limits = ThrottleSettings { max_concurrent_instances: Some(NO_LIMIT), ..ThrottleSettings::wcf3() };
    let host = ServiceHost::<u32, _>::new(HostSettings::default(), limits, tables).expect("it fits");
    let limit = |throttle| host.pressure(throttle, Instant::default()).limit;
    assert_eq!(Throttle::ALL.map(limit), [3, 10, 4]);
    let none = HostTables { channels: Heap(9), calls: Heap(0), instances: Heap(4), permits: Heap(20) };
    assert_eq!(
        ServiceHost::<u32, _>::new(HostSettings::default(), limits, none),
        Err(ThrottleError::NotPositive { throttle: Throttle::Calls })
    );
}

#[test]
fn who_waits_is_told_once_for_each_permit_and_whoever_watches_once_for_each_limit() {
    let mut world = World::new(HostSettings::default(), [1, 2, 1]);
    let (one, two) = (world.session(1), world.session(2));
    let first = world.run(one, 1, ANY);
    let three = world.accept(0, 3);
    let (told, _) = world.drain();
    let [HostAction::Throttle(ThrottleEvent::LimitReached(reached)), HostAction::Waits(who, pressure)] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((*who, pressure.throttle, pressure.waiting, reached.limit), (three, Throttle::Sessions, 1, 2));
    assert_eq!(pressure.oldest.and_then(|oldest| ChannelId::of_holder(oldest.holder)), Some(one));
    assert_eq!(world.drain().0, []);

    // A message waits for the call, and then for an instance.
    world.take(two, 2, ANY);
    let waits = |actions: Vec<HostAction<u32>>| {
        let of = |action| match action {
            HostAction::Waits(who, pressure) => Some((who, pressure.throttle)),
            _ => None,
        };
        actions.into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(waits(world.drain().0), [(two, Throttle::Calls)]);
    world.done(&first);
    assert_eq!(waits(world.drain().0), [(two, Throttle::Instances)]);
    // The session that waited has its permit, and its first message waits, too.
    world.closed(one);
    let calls = world.calls();
    assert_eq!(calls[0].channel, two);
    world.take(three, 3, ANY);
    assert_eq!(waits(world.drain().0), [(three, Throttle::Calls)]);
    // Below 70 % it is told that it has eased.
    world.done(&calls[0]);
    world.closed(two);
    let calls = world.calls();
    world.done(&calls[0]);
    let (told, _) = world.drain();
    assert!(matches!(&told[..], [HostAction::Throttle(ThrottleEvent::AtSeventyPercent(_))]), "{told:?}");
}

#[test]
fn where_nobody_waits_messages_are_refused() {
    let settings = HostSettings { refuse_when_busy: true, ..HostSettings::default() };
    let mut world = World::new(settings, [1, PLENTY, PLENTY]);
    let (one, two) = (world.session(1), world.session(2));
    let _ = world.run(one, 1, ANY);
    world.take(two, 2, ANY);
    let (told, _) = world.drain();
    let [HostAction::Throttle(ThrottleEvent::Refused(pressure)), HostAction::Refuse { fault, message: 2, .. }] =
        &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(*fault, DispatchFault::ServerTooBusy(Throttle::Calls));
    assert_eq!((pressure.throttle, pressure.used, pressure.waiting), (Throttle::Calls, 1, 0));

    let mut world = World::new(settings, [PLENTY, PLENTY, 1]);
    let (one, two) = (world.session(1), world.session(2));
    let first = world.run(one, 1, ANY);
    world.take(two, 2, ANY);
    let (told, _) = world.drain();
    let busy = DispatchFault::ServerTooBusy(Throttle::Instances);
    assert!(matches!(told.last(), Some(HostAction::Refuse { fault, .. }) if *fault == busy), "{told:?}");
    assert_eq!((world.used(), world.waiting()), ([1, 2, 1], [0; 3]));
    // The session goes on, and has its instance when there is one.
    world.done(&first);
    world.closed(one);
    assert!(world.run(two, 3, ANY).new_instance);
}

#[test]
fn a_limit_of_nothing_is_an_error() {
    let tables = HostTables { channels: Heap(9), calls: Heap(9), instances: Heap(9), permits: Heap(9) };
    let limits = ThrottleSettings { max_concurrent_sessions: 0, ..ThrottleSettings::wcf4(1) };
    let error = ServiceHost::<u32, _>::new(HostSettings::default(), limits, tables).expect_err("0 is no limit");
    assert_eq!(error, ThrottleError::NotPositive { throttle: Throttle::Sessions });
}
