//! Instance modes with and without sessions, and how many calls run in one instance.

use super::*;
use soap_session_core::service::{ConcurrencyMode, HostRefused, InstanceContextMode};

fn world(instances: InstanceContextMode, concurrency: ConcurrencyMode) -> World {
    World::with(HostSettings { instances, concurrency, ..HostSettings::default() })
}

use ConcurrencyMode::{Multiple, Reentrant, Single as OneAtATime};
use InstanceContextMode::{PerCall, PerSession, Single};

// How long instances live.

#[test]
fn per_session_is_wcfs_default_and_one_call_at_a_time() {
    let settings = HostSettings::default();
    assert_eq!((settings.instances, settings.concurrency), (PerSession, OneAtATime));
}

#[test]
fn per_session_a_session_has_one_instance_until_its_channel_is_gone() {
    let mut world = world(PerSession, OneAtATime);
    let (one, two) = (world.session(1), world.session(2));
    let first = world.run(one, 1, ANY);
    assert!(first.new_instance);
    assert_eq!(world.done(&first), None);
    let again = world.run(one, 2, ANY);
    assert_eq!((again.instance, again.new_instance), (first.instance, false));
    // No two sessions share one.
    let other = world.run(two, 3, ANY);
    assert!(other.new_instance && other.instance != first.instance);
    assert_eq!(world.used()[2], 2);
    world.done(&again);
    assert_eq!(world.closed(one), Some(first.instance));
    assert_eq!(world.used()[2], 1);
}

#[test]
fn per_session_a_message_without_a_session_has_an_instance_of_its_own() {
    let mut world = world(PerSession, OneAtATime);
    let channel = world.datagrams();
    let (first, second) = (world.run(channel, 1, ANY), world.run(channel, 2, ANY));
    assert!(first.new_instance && second.new_instance && first.instance != second.instance);
    assert_eq!(world.done(&first), Some(first.instance));
    assert_eq!(world.used()[2], 1);
    assert_eq!(world.done(&second), Some(second.instance));
    assert_eq!(world.used()[2], 0);
}

#[test]
fn per_session_a_contract_that_sees_no_session_has_an_instance_for_each_call() {
    // SessionMode.NotAllowed over a secure conversation: a permit for the session, and no session for the application.
    let mut world = world(PerSession, OneAtATime);
    let channel = world.host.accept(world.now, Listener(0), 1, true, false).expect("accepted");
    let (first, second) = (world.run(channel, 1, ANY), world.run(channel, 2, ANY));
    assert!(first.new_instance && second.new_instance && first.instance != second.instance);
    assert_eq!(world.used(), [2, 1, 2]);
}

#[test]
fn per_call_each_call_of_a_session_has_an_instance_that_ends_with_it() {
    let mut world = world(PerCall, OneAtATime);
    let channel = world.session(1);
    let first = world.run(channel, 1, ANY);
    assert_eq!((first.new_instance, world.done(&first)), (true, Some(first.instance)));
    let second = world.run(channel, 2, ANY);
    assert!(second.new_instance && second.instance != first.instance);
    assert_eq!(world.used()[2], 1);
    // Its session may go before it.
    assert_eq!(world.closed(channel), None);
    assert_eq!(world.done(&second), Some(second.instance));
    assert_eq!(world.used(), [0; 3]);
}

#[test]
fn per_call_each_message_without_a_session_has_an_instance_that_ends_with_it() {
    let mut world = world(PerCall, OneAtATime);
    let channel = world.datagrams();
    let calls = [1, 2, 3].map(|message| world.run(channel, message, ANY));
    assert_eq!(world.used()[2], 3);
    for call in calls {
        assert!(call.new_instance);
        assert_eq!(world.done(&call), Some(call.instance));
    }
    assert_eq!(world.used()[2], 0);
}

#[test]
fn a_single_instance_serves_sessions_and_messages_without_and_outlives_them() {
    let mut world = world(Single, OneAtATime);
    let (session, datagrams) = (world.session(1), world.datagrams());
    let first = world.run(session, 1, ANY);
    assert!(first.new_instance);
    assert_eq!(world.done(&first), None);
    assert_eq!(world.closed(session), None);
    assert_eq!(world.used(), [0, 0, 1]);
    let second = world.run(datagrams, 2, ANY);
    assert_eq!((second.instance, second.new_instance), (first.instance, false));
    assert_eq!(world.failed(&second), None);
    assert_eq!(world.used(), [0, 0, 1]);
}

#[test]
fn the_single_instance_is_new_for_whoever_is_dispatched_first() {
    // Both are ready to run before either is told, and the one that came second is told first.
    let settings = HostSettings { instances: Single, concurrency: Multiple, ..HostSettings::default() };
    let mut world = World::new(settings, [PLENTY, 1, PLENTY]);
    let open = world.session(1);
    let (waits, datagrams) = (world.accept(0, 2), world.datagrams());
    world.take(datagrams, 1, ANY);
    world.closed(open);
    world.take(waits, 2, ANY);
    let calls = world.calls();
    assert_eq!(calls.iter().map(|call| call.new_instance).collect::<Vec<_>>(), [true, false], "{calls:?}");
}

// One call at a time.

#[test]
fn one_at_a_time_the_next_message_of_a_session_is_not_received_until_the_call_returns() {
    // As recorded: while an operation runs, the acknowledgements of its reliable session say that one message stands in
    // the buffer. It holds no permit.
    for instances in [PerSession, PerCall, Single] {
        let mut world = world(instances, OneAtATime);
        let channel = world.session(1);
        let first = world.run(channel, 1, ANY);
        assert!(!world.host.may_take(channel));
        assert_eq!(world.used()[0], 1);
        world.done(&first);
        assert!(world.host.may_take(channel));
        let _ = world.run(channel, 2, ANY);
    }
}

#[test]
fn one_at_a_time_sessions_take_turns_in_a_single_instance() {
    let mut world = world(Single, OneAtATime);
    let channels = [1, 2, 3].map(|owner| world.session(owner));
    let mut running = world.run(channels[0], 1, ANY);
    world.take(channels[2], 3, ANY);
    world.take(channels[1], 2, ANY);
    // Each holds its call meanwhile.
    assert_eq!((world.messages(), world.used()), (vec![], [3, 3, 1]));
    for message in [3, 2] {
        world.done(&running);
        let mut calls = world.calls();
        assert_eq!(calls.iter().map(|call| call.message).collect::<Vec<_>>(), [message]);
        running = calls.remove(0);
    }
    world.done(&running);
    let _ = world.run(channels[0], 4, ANY);
}

#[test]
fn one_at_a_time_calls_of_other_instances_run_beside() {
    let mut world = world(PerSession, OneAtATime);
    let (one, two) = (world.session(1), world.session(2));
    let _ = (world.run(one, 1, ANY), world.run(two, 2, ANY));
    assert_eq!(world.host.calls(), 2);
}

#[test]
fn one_at_a_time_a_call_that_calls_out_keeps_its_turn() {
    let mut world = world(Single, OneAtATime);
    let (one, two) = (world.session(1), world.session(2));
    let first = world.run(one, 1, ANY);
    world.take(two, 2, ANY);
    world.host.calls_out(first.call).expect("known");
    assert!(world.messages().is_empty());
    assert_eq!(world.host.comes_back(first.call), Ok(true));
}

// Reentrant.

#[test]
fn reentrant_messages_are_taken_while_a_call_runs_and_wait_for_their_turn_in_order() {
    let mut world = world(PerSession, Reentrant);
    let channel = world.session(1);
    let first = world.run(channel, 1, ANY);
    world.take(channel, 2, ANY);
    assert_eq!((world.messages(), world.used()[0]), (vec![], 2));
    world.done(&first);
    assert_eq!(world.messages(), [2]);
}

#[test]
fn reentrant_another_runs_while_a_call_is_out_and_the_one_that_comes_back_goes_first() {
    let mut world = world(PerSession, Reentrant);
    let channel = world.session(1);
    let first = world.run(channel, 1, ANY);
    world.host.calls_out(first.call).expect("known");
    let second = world.run(channel, 2, ANY);
    world.take(channel, 3, ANY);
    // Message 3 came before.
    assert_eq!(world.host.comes_back(first.call), Ok(false));
    assert_eq!(world.drain().0, []);
    world.done(&second);
    assert_eq!(world.drain().0, [HostAction::Resume(first.call)]);
    world.done(&first);
    assert_eq!(world.messages(), [3]);
}

#[test]
fn reentrant_a_call_comes_back_at_once_if_nobody_has_the_turn() {
    let mut world = world(PerSession, Reentrant);
    let channel = world.session(1);
    let first = world.run(channel, 1, ANY);
    world.host.calls_out(first.call).expect("known");
    assert_eq!(world.host.comes_back(first.call), Ok(true));
    world.take(channel, 2, ANY);
    assert_eq!(world.drain().0, []);
    world.done(&first);
    assert_eq!(world.messages(), [2]);
}

#[test]
fn reentrant_several_come_back_in_order() {
    let mut world = world(PerSession, Reentrant);
    let channel = world.session(1);
    let calls = [1, 2, 3].map(|message| {
        let call = world.run(channel, message, ANY);
        world.host.calls_out(call.call).expect("known");
        call
    });
    let running = world.run(channel, 4, ANY);
    for call in [&calls[1], &calls[2], &calls[0]] {
        assert_eq!(world.host.comes_back(call.call), Ok(false));
        // Asking again changes nothing.
        assert_eq!(world.host.comes_back(call.call), Ok(false));
    }
    world.done(&running);
    for call in [&calls[1], &calls[2], &calls[0]] {
        assert_eq!(world.drain().0, [HostAction::Resume(call.call)]);
        world.done(call);
    }
    assert_eq!(world.drain().0, []);
}

#[test]
fn reentrant_a_call_may_return_while_it_is_out_or_waits_to_come_back() {
    let mut world = world(PerSession, Reentrant);
    let channel = world.session(1);
    let out = world.run(channel, 1, ANY);
    world.host.calls_out(out.call).expect("known");
    let running = world.run(channel, 2, ANY);
    world.done(&out);
    // It did not have the turn to give it up.
    world.take(channel, 3, ANY);
    assert!(world.messages().is_empty());
    world.host.calls_out(running.call).expect("known");
    let calls = world.calls();
    assert_eq!(world.host.comes_back(running.call), Ok(false));
    world.done(&running);
    world.done(&calls[0]);
    assert_eq!((world.drain().0, world.used()), (vec![], [0, 1, 1]));
    let _ = world.run(channel, 4, ANY);
}

#[test]
fn reentrant_a_turn_that_was_given_is_told_once() {
    let mut world = world(PerSession, Reentrant);
    let channel = world.session(1);
    let first = world.run(channel, 1, ANY);
    world.host.calls_out(first.call).expect("known");
    let second = world.run(channel, 2, ANY);
    assert_eq!(world.host.comes_back(first.call), Ok(false));
    world.done(&second);
    // Asked before it was polled for.
    assert_eq!(world.host.comes_back(first.call), Ok(true));
    assert_eq!(world.drain().0, []);
    // Or it is out again before it was told: it has no turn.
    world.host.calls_out(first.call).expect("known");
    let third = world.run(channel, 3, ANY);
    assert_eq!(world.host.comes_back(first.call), Ok(false));
    world.done(&third);
    world.host.calls_out(first.call).expect("known");
    assert_eq!(world.drain().0, []);
    let _ = world.run(channel, 4, ANY);
}

#[test]
fn reentrant_a_call_that_returns_before_it_is_told_of_its_turn_is_not_told() {
    let mut world = world(PerSession, Reentrant);
    let channel = world.session(1);
    let first = world.run(channel, 1, ANY);
    world.host.calls_out(first.call).expect("known");
    let second = world.run(channel, 2, ANY);
    assert_eq!(world.host.comes_back(first.call), Ok(false));
    world.take(channel, 3, ANY);
    world.done(&second);
    world.done(&first);
    // It had the turn all the same, and gives it up.
    assert_eq!(world.messages(), [3]);
}

#[test]
fn reentrant_the_channel_may_go_while_its_call_is_out() {
    let mut world = world(PerSession, Reentrant);
    let channel = world.session(1);
    let (first, second) = {
        let first = world.run(channel, 1, ANY);
        world.host.calls_out(first.call).expect("known");
        (first, world.run(channel, 2, ANY))
    };
    assert_eq!(world.host.comes_back(first.call), Ok(false));
    assert_eq!(world.closed(channel), None);
    assert_eq!(world.done(&second), None);
    assert_eq!(world.drain().0, [HostAction::Resume(first.call)]);
    assert_eq!(world.done(&first), Some(first.instance));
    assert_eq!(world.used(), [0; 3]);
}

// Any number.

#[test]
fn multiple_calls_run_beside_each_other_in_one_instance_in_the_order_of_receipt() {
    let mut world = world(PerSession, Multiple);
    let channel = world.session(1);
    let calls = [1, 2, 3].map(|message| world.run(channel, message, ANY));
    assert!(calls.iter().all(|call| call.instance == calls[0].instance));
    assert_eq!(world.used(), [3, 1, 1]);
    // Calling out changes nothing.
    world.host.calls_out(calls[0].call).expect("known");
    assert_eq!(world.host.comes_back(calls[0].call), Ok(true));
    // They return in any order.
    for call in [&calls[1], &calls[0], &calls[2]] {
        world.done(call);
    }
    assert_eq!(world.used(), [0, 1, 1]);
}

#[test]
fn an_old_call_is_unknown() {
    let mut world = world(PerSession, Reentrant);
    let channel = world.session(1);
    let call = world.run(channel, 1, ANY);
    world.done(&call);
    // Its place has another tenant.
    let _ = world.run(channel, 2, ANY);
    let before = world.host.clone();
    assert_eq!(world.host.calls_out(call.call), Err(HostRefused::Unknown));
    assert_eq!(world.host.comes_back(call.call), Err(HostRefused::Unknown));
    assert_eq!(world.host.returned(world.now, call.call, Outcome::Handled), Err(HostRefused::Unknown));
    assert_eq!(world.host, before);
}
