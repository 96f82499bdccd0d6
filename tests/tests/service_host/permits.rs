//! Each permit: when it is taken, when it is given back, and what stands still while it is waited for.

use super::*;
use soap_session_core::service::{AbortReason, ConcurrencyMode, HostRefused, InstanceContextMode};

fn multiple() -> HostSettings {
    HostSettings { concurrency: ConcurrencyMode::Multiple, ..HostSettings::default() }
}

// Sessions.

#[test]
fn the_session_permit_is_taken_when_a_session_is_accepted() {
    let mut world = World::with(HostSettings::default());
    let channel = world.session(1);
    assert_eq!(world.used(), [0, 1, 0]);
    // Once for its channel.
    let call = world.run(channel, 1, ANY);
    world.done(&call);
    let _ = world.run(channel, 2, ANY);
    assert_eq!(world.used()[1], 1);
}

#[test]
fn without_sessions_no_session_permit_is_taken() {
    let mut world = World::with(HostSettings::default());
    let channel = world.datagrams();
    let _ = world.run(channel, 1, ANY);
    assert_eq!(world.used(), [1, 0, 1]);
}

#[test]
fn the_session_permit_is_given_back_with_the_channel() {
    let mut world = World::with(HostSettings::default());
    // Closed in good order.
    let closed = world.session(1);
    world.host.ended(closed).expect("known");
    assert_eq!(world.drain().0, [HostAction::Close(closed)]);
    assert_eq!(world.used()[1], 1, "until it is closed");
    world.closed(closed);
    assert_eq!(world.used()[1], 0);
    // Aborted.
    let aborted = world.session(2);
    world.pass(600);
    assert_eq!(world.drain().0, [HostAction::Abort(aborted, AbortReason::Idle)]);
    world.closed(aborted);
    assert_eq!(world.used()[1], 0);
    // Broken, or never opened, or ended before its first message.
    let faulted = world.session(3);
    world.closed(faulted);
    assert_eq!((world.used(), world.host.channels()), ([0; 3], 0));
}

#[test]
fn while_a_session_waits_its_listener_accepts_no_other() {
    let mut world = World::new(HostSettings::default(), [PLENTY, 1, PLENTY]);
    let first = world.session(1);
    let second = world.accept(0, 2);
    assert!(!world.host.is_open(second) && world.host.waits(second));
    let before = world.host.clone();
    assert!(!world.host.may_accept(Listener(0)));
    assert_eq!(world.host.accept(world.now, Listener(0), 3, true, true), Err(HostRefused::NotAccepting));
    assert_eq!(world.host, before);
    // That is its own pump; another listener has one, too.
    let third = world.accept(1, 3);
    assert!(!world.host.is_open(third));
    // None of its messages is taken.
    let refused = world.host.take(world.now, second, Request { message: 1, called: Some(ANY), understood: true });
    assert_eq!(refused.map_err(|(_, refused)| refused), Err(HostRefused::PumpStopped));
    // First come, first served, whatever the listener.
    world.closed(first);
    assert!(world.host.is_open(second) && !world.host.is_open(third));
    assert!(world.host.may_accept(Listener(0)) && !world.host.may_accept(Listener(1)));
    world.closed(second);
    assert!(world.host.is_open(third));
    assert_eq!((world.used()[1], world.waiting()[1]), (1, 0));
}

#[test]
fn a_session_that_finds_no_room_to_wait_leaves_no_trace() {
    let tables = HostTables { channels: Heap(9), calls: Heap(1), instances: Heap(1), permits: Heap(2) };
    let limits = ThrottleSettings { max_concurrent_sessions: 1, ..ThrottleSettings::wcf3() };
    let mut host = ServiceHost::<u32, _>::new(HostSettings::default(), limits, tables).expect("it fits");
    let now = Instant::default();
    for listener in [0, 1] {
        host.accept(now, Listener(listener), 0, true, true).expect("one has a permit, one waits");
    }
    let before = host.clone();
    assert_eq!(host.accept(now, Listener(2), 0, true, true), Err(HostRefused::NotAccepting));
    assert_eq!(host, before);
}

#[test]
fn a_session_that_is_given_up_while_it_waits_takes_no_permit() {
    // The recorded services spend it on the client that has gone, and the next one waits longer.
    let mut world = World::new(HostSettings::default(), [PLENTY, 1, PLENTY]);
    let first = world.session(1);
    let (gone, next) = (world.accept(0, 2), world.accept(1, 3));
    world.closed(gone);
    assert!(world.host.may_accept(Listener(0)));
    world.closed(first);
    assert!(world.host.is_open(next));
    assert_eq!((world.used()[1], world.waiting()[1]), (1, 0));
}

// Calls.

#[test]
fn the_call_permit_is_taken_for_each_message_and_given_back_when_the_call_returns() {
    let mut world = World::with(multiple());
    let channel = world.session(1);
    let calls = [(1, ANY), (2, ONE_WAY), (3, ANY)].map(|(message, called)| world.run(channel, message, called));
    assert_eq!(world.used(), [3, 1, 1]);
    world.done(&calls[1]);
    assert_eq!(world.used()[0], 2);
    world.failed(&calls[2]);
    assert_eq!(world.used()[0], 1);
    world.done(&calls[0]);
    assert_eq!(world.used()[0], 0);
    assert_eq!(world.host.returned(world.now, calls[0].call, Outcome::Handled), Err(HostRefused::Unknown));
}

#[test]
fn while_a_call_waits_its_channel_is_not_read_and_others_are() {
    let mut world = World::new(multiple(), [2, PLENTY, PLENTY]);
    let (one, two) = (world.session(1), world.session(2));
    let first = world.run(one, 1, ANY);
    let second = world.run(one, 2, ANY);
    world.take(one, 3, ANY);
    assert!(world.messages().is_empty());
    assert!(world.host.waits(one) && !world.host.may_take(one));
    let before = world.host.clone();
    let request = Request { message: 4, called: Some(ANY), understood: true };
    assert_eq!(world.host.take(world.now, one, request.clone()), Err((request, HostRefused::PumpStopped)));
    assert_eq!(world.host, before);
    // The other session is read, and waits behind.
    world.take(two, 5, ANY);
    assert!(world.messages().is_empty());
    assert_eq!(world.waiting()[0], 2);
    world.done(&second);
    assert_eq!(world.messages(), [3]);
    world.done(&first);
    assert_eq!(world.messages(), [5]);
}

#[test]
fn a_call_that_calls_out_keeps_its_permit() {
    let settings = HostSettings { concurrency: ConcurrencyMode::Reentrant, ..HostSettings::default() };
    let mut world = World::new(settings, [1, PLENTY, PLENTY]);
    let channel = world.session(1);
    let call = world.run(channel, 1, ANY);
    world.host.calls_out(call.call).expect("known");
    world.take(channel, 2, ANY);
    assert_eq!((world.messages(), world.used()[0], world.waiting()[0]), (vec![], 1, 1));
}

#[test]
fn calls_that_wait_do_not_time_out() {
    let mut world = World::new(HostSettings::default(), [1, PLENTY, PLENTY]);
    let channel = world.datagrams();
    let first = world.run(channel, 1, ANY);
    world.take(channel, 2, ANY);
    world.pass(24 * 3600);
    assert!(world.messages().is_empty());
    world.done(&first);
    assert_eq!(world.messages(), [2]);
}

#[test]
fn a_request_whose_client_has_gone_is_dispatched_all_the_same() {
    let mut world = World::new(HostSettings::default(), [1, PLENTY, PLENTY]);
    let (one, two) = (world.session(1), world.session(2));
    let first = world.run(one, 1, ANY);
    world.take(two, 2, ANY);
    world.host.ended(two).expect("known");
    assert!(world.messages().is_empty());
    world.done(&first);
    let calls = world.calls();
    assert_eq!(calls.iter().map(|call| call.message).collect::<Vec<_>>(), [2]);
    world.done(&calls[0]);
    assert_eq!(world.drain().0.last(), Some(&HostAction::Close(two)));
}

#[test]
fn a_message_that_is_refused_gives_its_call_permit_back_and_takes_no_instance() {
    let mut world = World::new(HostSettings::default(), [1, PLENTY, PLENTY]);
    let (one, two) = (world.session(1), world.session(2));
    assert_eq!(world.refused(one, 1, None), DispatchFault::ActionNotSupported);
    assert_eq!(world.used(), [0, 2, 0]);
    // It had one while it stood in the pump.
    world.take(one, 2, NEXT);
    assert_eq!(world.used()[0], 1);
    world.take(two, 3, ANY);
    assert_eq!(world.waiting()[0], 1);
    let (actions, _) = world.drain();
    assert!(matches!(actions.last(), Some(HostAction::Dispatch(dispatch)) if dispatch.message == 3), "{actions:?}");
}

// Instances.

#[test]
fn the_instance_permit_is_taken_for_a_new_instance_only() {
    let mut world = World::with(multiple());
    let channel = world.session(1);
    for message in 1..=3 {
        let call = world.run(channel, message, ANY);
        assert_eq!((call.new_instance, world.used()[2]), (message == 1, 1));
    }
}

#[test]
fn the_instance_permit_is_given_back_with_the_instance() {
    let mut world = World::new(HostSettings::default(), [PLENTY, PLENTY, 1]);
    let (one, two) = (world.session(1), world.session(2));
    let first = world.run(one, 1, ANY);
    world.done(&first);
    world.take(two, 2, ANY);
    assert_eq!((world.messages(), world.waiting()[2]), (vec![], 1));
    assert_eq!(world.closed(one), Some(first.instance));
    let calls = world.calls();
    assert_eq!(calls.iter().map(|call| (call.message, call.new_instance)).collect::<Vec<_>>(), [(2, true)]);
    assert_eq!((world.used(), world.waiting()), ([1, 1, 1], [0; 3]));
}

#[test]
fn an_instance_whose_session_closed_keeps_its_permit_until_its_last_call_returns() {
    let mut world = World::with(multiple());
    let channel = world.session(1);
    let calls = [1, 2].map(|message| world.run(channel, message, ANY));
    assert_eq!(world.closed(channel), None);
    assert_eq!(world.done(&calls[0]), None);
    assert_eq!(world.used(), [1, 0, 1]);
    assert_eq!(world.done(&calls[1]), Some(calls[0].instance));
    assert_eq!(world.used(), [0; 3]);
}

// The order.

#[test]
fn a_sessions_first_message_holds_session_call_and_instance() {
    let mut world = World::with(HostSettings::default());
    let channel = world.session(1);
    assert_eq!(world.used(), [0, 1, 0]);
    world.take(channel, 1, ANY);
    assert_eq!(world.used(), [1, 1, 1]);
}

#[test]
fn who_waits_for_a_call_holds_no_instance_and_who_waits_for_an_instance_holds_a_call() {
    let mut world = World::new(HostSettings::default(), [1, PLENTY, PLENTY]);
    let (one, two) = (world.session(1), world.session(2));
    world.take(one, 1, ANY);
    world.take(two, 2, ANY);
    assert_eq!((world.used(), world.waiting()), ([1, 2, 1], [1, 0, 0]));

    let mut world = World::new(HostSettings::default(), [PLENTY, PLENTY, 1]);
    let (one, two) = (world.session(1), world.session(2));
    world.take(one, 1, ANY);
    world.take(two, 2, ANY);
    assert_eq!((world.used(), world.waiting()), ([2, 2, 1], [0, 0, 1]));
}

#[test]
fn a_terminated_channel_is_seen_before_a_call_is_asked_for() {
    let mut world = World::new(HostSettings::default(), [1, PLENTY, PLENTY]);
    let (one, two) = (world.session(1), world.session(2));
    for called in [ANY, LAST] {
        let call = world.run(one, 1, called);
        world.done(&call);
    }
    let _ = world.run(two, 2, ANY);
    assert_eq!(world.refused(one, 3, ANY), DispatchFault::SessionTerminated);
    assert_eq!((world.used()[0], world.waiting()[0]), (1, 0));
}

#[test]
fn the_action_is_seen_before_an_instance_is_asked_for() {
    let mut world = World::new(HostSettings::default(), [PLENTY, PLENTY, 1]);
    let (one, two) = (world.session(1), world.session(2));
    let _ = world.run(one, 1, ANY);
    assert_eq!(world.refused(two, 2, None), DispatchFault::ActionNotSupported);
    assert_eq!(world.waiting()[2], 0);
}

#[test]
fn a_message_that_ends_where_it_waits_gives_everything_back() {
    // For a call.
    let mut world = World::new(HostSettings::default(), [1, PLENTY, PLENTY]);
    let (one, two) = (world.session(1), world.session(2));
    let first = world.run(one, 1, ANY);
    world.take(two, 2, ANY);
    assert_eq!(world.host.closed(world.now, two).map(|gone| (gone.message, gone.instance)), Ok((Some(2), None)));
    world.done(&first);
    world.closed(one);
    assert_eq!((world.used(), world.waiting()), ([0; 3], [0; 3]));

    // For an instance.
    let mut world = World::new(HostSettings::default(), [PLENTY, PLENTY, 1]);
    let (one, two) = (world.session(1), world.session(2));
    let _ = world.run(one, 1, ANY);
    world.take(two, 2, ANY);
    world.closed(two);
    assert_eq!((world.used(), world.waiting()), ([1, 1, 1], [0; 3]));

    // For its turn.
    let mut world = World::with(HostSettings { instances: InstanceContextMode::Single, ..HostSettings::default() });
    let (one, two, three) = (world.session(1), world.session(2), world.session(3));
    let first = world.run(one, 1, ANY);
    world.take(two, 2, ANY);
    world.take(three, 3, ANY);
    world.closed(two);
    assert_eq!(world.used(), [2, 2, 1]);
    world.done(&first);
    assert_eq!(world.messages(), [3]);

    // And ready to be dispatched: the turn goes on.
    let mut world = World::with(HostSettings { instances: InstanceContextMode::Single, ..HostSettings::default() });
    let (one, two) = (world.session(1), world.session(2));
    world.take(one, 1, ANY);
    world.take(two, 2, ANY);
    world.closed(one);
    let calls = world.calls();
    // Nobody was told of the instance yet.
    assert_eq!(calls.iter().map(|call| (call.message, call.new_instance)).collect::<Vec<_>>(), [(2, true)]);
    assert_eq!(world.used(), [1, 1, 1]);
}

#[test]
fn an_instance_that_nobody_was_told_of_is_not_let_go() {
    let mut world = World::with(HostSettings::default());
    let channel = world.session(1);
    world.take(channel, 1, ANY);
    assert_eq!(world.closed(channel), None);
    assert_eq!((world.used(), world.host.instances()), ([0; 3], 0));
}
