//! Operations that begin and end sessions, timers, and what failures do to a session.

use super::*;
use soap_session_core::service::{
    AbortReason, CATCH_ALL, ConcurrencyMode, Contract, HostRefused, Operation, SessionMode,
};
use soap_session_tests::vectors_root;
use std::fs;

fn default() -> World {
    World::with(HostSettings::default())
}

fn multiple() -> World {
    World::with(HostSettings { concurrency: ConcurrencyMode::Multiple, ..HostSettings::default() })
}

fn at(seconds: u64) -> Deadline {
    Deadline::At(Instant::from_millis(seconds * 1000))
}

// Operations that begin.

#[test]
fn a_session_that_begins_with_another_operation_is_not_bound() {
    let mut world = default();
    let channel = world.session(1);
    for (message, called) in [(1, NEXT), (2, LAST)] {
        assert_eq!(world.refused(channel, message, called), DispatchFault::ActionNotSupported);
    }
    assert_eq!(world.refused(channel, 3, None), DispatchFault::ActionNotSupported);
    // It goes on, unbound, until an operation comes that may be the first.
    assert_eq!((world.drain().0, world.host.may_take(channel)), (vec![], true));
    world.take(channel, 4, ANY);
    let (actions, _) = world.drain();
    assert_eq!(actions.first(), Some(&HostAction::Bound(channel)));
    let Some(HostAction::Dispatch(call)) = actions.last() else { panic!("{actions:?}") };
    world.done(call);
    // Once.
    world.take(channel, 5, NEXT);
    let (actions, _) = world.drain();
    assert!(matches!(&actions[..], [HostAction::Dispatch(_)]), "{actions:?}");
}

#[test]
fn an_action_that_is_not_in_the_contract_closes_a_session_in_use() {
    // As recorded on reliable sessions and net.tcp.
    let mut world = default();
    let channel = world.session(1);
    let call = world.run(channel, 1, ANY);
    world.done(&call);
    world.take(channel, 2, None);
    let fault = DispatchFault::UnhandledAction;
    let refuse = HostAction::Refuse { channel, message: 2, two_way: true, fault };
    assert_eq!(world.drain().0, [refuse, HostAction::Close(channel)]);
}

#[test]
fn without_a_session_an_action_that_is_not_in_the_contract_is_refused_and_no_more() {
    let mut world = default();
    let channel = world.datagrams();
    let call = world.run(channel, 1, ANY);
    assert_eq!(world.refused(channel, 2, None), DispatchFault::ActionNotSupported);
    assert_eq!((world.drain().0, world.host.may_take(channel)), (vec![], true));
    world.done(&call);
}

#[test]
fn a_contract_says_what_an_action_calls() {
    const OPERATIONS: &[Operation<'static>] = &[
        Operation::new("Ask", "urn:t/Ask"),
        Operation::new("Tell", "urn:t/Tell").one_way(),
        Operation::new("Next", "urn:t/Next").not_initiating(),
        Operation::new("Last", "urn:t/Last").not_initiating().terminating(),
    ];
    let contract =
        Contract { name: "IThing", session_mode: SessionMode::Required, callbacks: false, operations: OPERATIONS };
    let called = ["urn:t/Ask", "urn:t/Tell", "urn:t/Next", "urn:t/Last", "urn:t/ask", ""];
    let expected = [Some(ANY), Some(ONE_WAY), Some(NEXT), Some(LAST), None, None];
    assert_eq!(called.map(|action| contract.called(action.as_bytes())), expected);
}

#[test]
fn what_no_other_operation_has_is_the_catch_alls() {
    // WCF: an operation with `Action = "*"` is the handler of what no other has, wherever it stands in the contract.
    const OPERATIONS: &[Operation<'static>] = &[
        Operation::new("Any", CATCH_ALL).one_way(),
        Operation::new("Ask", "urn:t/Ask"),
        Operation::new("Next", "urn:t/Next").not_initiating(),
    ];
    let contract =
        Contract { name: "IRouter", session_mode: SessionMode::Required, callbacks: false, operations: OPERATIONS };
    let any = Called { operation: 0, ..ONE_WAY };
    let [ask, next] = [Called { operation: 1, ..ANY }, NEXT];
    for (action, called) in
        [("urn:t/Ask", ask), ("urn:t/Next", next), ("urn:t/ask", any), ("", any), ("*", any), ("urn:x", any)]
    {
        assert_eq!(contract.called(action.as_bytes()), Some(called), "{action}");
    }
    assert_eq!(contract.operation(b"urn:x").map(|(number, operation)| (number, operation.name)), Some((0, "Any")));
}

#[test]
fn a_message_that_is_not_understood_is_refused_and_no_more() {
    let mut world = default();
    let channel = world.session(1);
    let not_understood = |world: &mut World, message, called| {
        let request = Request { message, called, understood: false };
        world.host.take(world.now, channel, request).expect("the pump takes it");
        world.drain().0
    };
    let refuse = |message, two_way, fault| HostAction::Refuse { channel, message, two_way, fault };
    // Who calls nothing is refused for that, as the dispatcher looks for the operation first.
    for called in [None, Some(NEXT)] {
        let actions = not_understood(&mut world, 1, called);
        assert_eq!(actions, [refuse(1, true, DispatchFault::ActionNotSupported)]);
    }
    // The first that suits the contract binds the session, as it would if it ran.
    let actions = not_understood(&mut world, 2, Some(ANY));
    assert_eq!(actions, [HostAction::Bound(channel), refuse(2, true, DispatchFault::MustUnderstand)]);
    assert_eq!((world.used(), world.host.calls()), ([0, 1, 0], 0));
    let call = world.run(channel, 3, NEXT);
    world.done(&call);
    // It ends nothing, and neither does it begin to.
    for called in [LAST, ANY] {
        assert_eq!(not_understood(&mut world, 4, Some(called)), [refuse(4, true, DispatchFault::MustUnderstand)]);
    }
    assert_eq!(not_understood(&mut world, 5, Some(ONE_WAY)), [refuse(5, false, DispatchFault::MustUnderstand)]);
    let last = world.run(channel, 6, LAST);
    world.done(&last);
    assert_eq!(not_understood(&mut world, 7, Some(ANY)), [refuse(7, true, DispatchFault::SessionTerminated)]);
}

#[test]
fn a_message_that_is_not_understood_waits_for_its_permit_all_the_same() {
    let mut world = World::new(HostSettings::default(), [1, PLENTY, PLENTY]);
    let [first, second] = [1, 2].map(|owner| world.session(owner));
    let call = world.run(first, 1, ANY);
    let request = Request { message: 2, called: Some(ANY), understood: false };
    world.host.take(world.now, second, request).expect("the pump takes it");
    assert!(world.calls().is_empty() && world.host.waits(second));
    world.done(&call);
    let fault = DispatchFault::MustUnderstand;
    let refuse = HostAction::Refuse { channel: second, message: 2, two_way: true, fault };
    assert!(world.drain().0.contains(&refuse));
    assert_eq!((world.used()[0], world.waiting()), (0, [0; 3]));
}

#[test]
fn a_one_way_message_that_is_refused_waits_for_no_answer() {
    let mut world = default();
    let channel = world.session(1);
    let one_way = Called { is_initiating: false, ..ONE_WAY };
    world.take(channel, 1, one_way);
    let (actions, _) = world.drain();
    assert!(matches!(actions[..], [HostAction::Refuse { two_way: false, .. }]), "{actions:?}");
}

// Operations that end.

#[test]
fn after_a_terminating_operation_any_other_is_refused() {
    let mut world = multiple();
    let channel = world.session(1);
    let first = world.run(channel, 1, ANY);
    let last = world.run(channel, 2, LAST);
    // From when it was dispatched.
    assert_eq!(world.refused(channel, 3, ANY), DispatchFault::SessionTerminated);
    world.done(&last);
    assert_eq!(world.refused(channel, 4, LAST), DispatchFault::SessionTerminated);
    assert_eq!(world.refused(channel, 5, None), DispatchFault::SessionTerminated);
    world.done(&first);
    assert_eq!(world.used(), [0, 1, 1]);
}

#[test]
fn after_a_terminating_operation_the_channel_is_aborted_when_the_close_timeout_is_over() {
    let mut world = default();
    let channel = world.session(1);
    let first = world.run(channel, 1, ANY);
    world.done(&first);
    let last = world.run(channel, 2, LAST);
    // It counts from the reply.
    world.pass(100);
    assert_eq!(world.drain().0, []);
    world.done(&last);
    assert_eq!(world.drain(), (vec![], at(160)));
    // What it is sent meanwhile changes nothing.
    world.pass(30);
    assert_eq!(world.refused(channel, 3, ANY), DispatchFault::SessionTerminated);
    world.pass(29);
    assert_eq!(world.drain(), (vec![], at(160)));
    world.pass(1);
    assert_eq!(world.drain(), (vec![HostAction::Abort(channel, AbortReason::NotClosed)], Deadline::Never));
    assert_eq!(world.closed(channel), Some(last.instance));
    assert_eq!(world.used(), [0; 3]);
}

#[test]
fn after_a_terminating_operation_a_client_that_closes_is_closed() {
    let mut world = default();
    let channel = world.session(1);
    let last = world.run(channel, 1, Called { is_initiating: true, ..LAST });
    world.done(&last);
    world.pass(59);
    world.host.ended(channel).expect("known");
    assert_eq!(world.drain(), (vec![HostAction::Close(channel)], Deadline::Never));
    world.pass(3600);
    assert_eq!(world.drain().0, []);
}

#[test]
fn each_session_that_was_terminated_has_its_own_timeout() {
    let mut world = default();
    let channels = [1, 2, 3].map(|owner| world.session(owner));
    for channel in channels {
        let last = world.run(channel, 1, Called { is_initiating: true, ..LAST });
        world.done(&last);
        world.pass(10);
    }
    world.closed(channels[0]);
    assert_eq!(world.drain().1, at(70));
    world.pass(40);
    assert_eq!(world.drain(), (vec![HostAction::Abort(channels[1], AbortReason::NotClosed)], at(80)));
}

#[test]
fn a_session_that_is_about_to_end_is_not_ended_again() {
    // It is idle while its last call runs: aborted; and then that call returns.
    let mut world = default();
    let channel = world.session(1);
    let last = world.run(channel, 1, Called { is_initiating: true, ..LAST });
    world.pass(600);
    assert_eq!(world.drain(), (vec![HostAction::Abort(channel, AbortReason::Idle)], Deadline::Never));
    world.done(&last);
    assert_eq!(world.drain(), (vec![], Deadline::Never));
    world.pass(3600);
    assert_eq!(world.drain(), (vec![], Deadline::Never));
}

// Timers.

#[test]
fn a_session_is_aborted_when_no_message_came_for_ten_minutes() {
    let mut world = default();
    let (idle, busy) = (world.session(1), world.session(2));
    assert_eq!(world.drain().1, at(600));
    world.pass(300);
    let call = world.run(busy, 1, ANY);
    world.done(&call);
    assert_eq!([idle, busy].map(|channel| world.host.idle_deadline(channel)), [at(600), at(900)]);
    world.pass(300);
    assert_eq!(world.drain(), (vec![HostAction::Abort(idle, AbortReason::Idle)], at(900)));
    // No message of it is taken any more; it has its permit until it is gone.
    assert!(!world.host.may_take(idle));
    assert_eq!(world.used()[1], 2);
    // What is refused is a message, too.
    assert_eq!(world.refused(busy, 2, None), DispatchFault::UnhandledAction);
}

#[test]
fn a_message_that_is_refused_keeps_its_session_from_being_idle() {
    let mut world = default();
    let channel = world.session(1);
    world.pass(599);
    assert_eq!(world.refused(channel, 1, None), DispatchFault::ActionNotSupported);
    assert_eq!(world.drain(), (vec![], at(1199)));
}

#[test]
fn a_session_that_waits_for_its_permit_is_not_idle_until_it_has_it() {
    let mut world = World::new(
        HostSettings { receive_timeout: Some(Duration::from_secs(60)), ..HostSettings::default() },
        [9, 1, 9],
    );
    let first = world.session(1);
    let second = world.accept(0, 2);
    world.pass(59);
    let _ = world.drain();
    world.closed(first);
    assert_eq!(world.drain(), (vec![], at(119)));
    assert_eq!(world.host.idle_deadline(second), at(119));
}

#[test]
fn timeouts_may_be_infinite() {
    let settings = HostSettings { receive_timeout: None, close_timeout: None, ..HostSettings::default() };
    let mut world = World::with(settings);
    let channel = world.session(1);
    let last = world.run(channel, 1, Called { is_initiating: true, ..LAST });
    world.done(&last);
    world.pass(1_000_000);
    assert_eq!(world.drain(), (vec![], Deadline::Never));
    assert_eq!(world.host.idle_deadline(channel), Deadline::Never);
}

#[test]
fn without_a_session_there_is_no_idle_timeout() {
    let mut world = default();
    let channel = world.datagrams();
    world.pass(1_000_000);
    assert_eq!(world.drain(), (vec![], Deadline::Never));
    let _ = world.run(channel, 1, ANY);
}

#[test]
fn the_recorded_services_count_from_when_the_session_was_accepted_and_not_from_the_reply() {
    for story in ["sc-receive-timeout-5s", "sc-receive-timeout-5s-v13", "rm10-receive-timeout-server-5s"] {
        let timeline = fs::read_to_string(vectors_root().join("wcf-stories").join(story).join("timeline.txt"));
        let timeline = timeline.expect("a timeline");
        let when = |what: &str| {
            let line = timeline.lines().find(|line| line.contains(what)).expect("it happened");
            line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).expect("a time")
        };
        let [accepted, replied, closing] =
            ["server: channel 1 accepted", "urn:cap/Calc/StartResponse", "server: channel 1 Closing"].map(when);
        let settings = HostSettings { receive_timeout: Some(Duration::from_secs(5)), ..HostSettings::default() };
        let mut world = World::with(settings);
        world.now = Instant::from_millis(accepted);
        let channel = world.session(1);
        let call = world.run(channel, 1, ANY);
        world.now = Instant::from_millis(replied);
        world.done(&call);
        let Deadline::At(due) = world.drain().1 else { panic!("it has a timeout") };
        // As exact as the recorded clock was.
        assert!((0..10).contains(&(closing - due.as_millis())), "{story}: {closing} and {}", due.as_millis());
        world.now = due;
        assert_eq!(world.drain().0, [HostAction::Abort(channel, AbortReason::Idle)]);
    }
}

// Failures.

#[test]
fn an_unhandled_failure_closes_the_session_and_its_instance_goes_with_it() {
    let mut world = default();
    let channel = world.session(1);
    let call = world.run(channel, 1, ANY);
    // The reply was given before.
    assert_eq!(world.failed(&call), None);
    assert!(!world.host.may_take(channel));
    assert_eq!(world.drain().0, [HostAction::Close(channel)]);
    assert_eq!(world.closed(channel), Some(call.instance));
    assert_eq!(world.used(), [0; 3]);
}

#[test]
fn a_fault_that_is_declared_changes_nothing() {
    let mut world = default();
    let channel = world.session(1);
    let call = world.run(channel, 1, ANY);
    // The host is not told: to it a fault is a reply.
    world.done(&call);
    assert_eq!(world.drain().0, []);
    assert_eq!(world.run(channel, 2, ANY).instance, call.instance);
}

#[test]
fn without_a_session_an_unhandled_failure_ends_nothing_but_its_call() {
    let mut world = default();
    let channel = world.datagrams();
    let call = world.run(channel, 1, ANY);
    assert_eq!(world.failed(&call), Some(call.instance));
    assert_eq!(world.drain().0, []);
    let _ = world.run(channel, 2, ANY);
}

#[test]
fn an_unhandled_failure_of_a_terminating_operation_closes_at_once() {
    let mut world = default();
    let channel = world.session(1);
    let last = world.run(channel, 1, Called { is_initiating: true, ..LAST });
    world.failed(&last);
    assert_eq!(world.drain(), (vec![HostAction::Close(channel)], Deadline::Never));
}

#[test]
fn a_client_that_vanished_over_http_keeps_its_session_until_the_receive_timeout() {
    let mut world = default();
    let channel = world.session(1);
    let call = world.run(channel, 1, ANY);
    world.done(&call);
    world.pass(599);
    assert_eq!((world.drain().0, world.used()[1]), (vec![], 1));
    world.pass(1);
    assert_eq!(world.drain().0, [HostAction::Abort(channel, AbortReason::Idle)]);
}

// The end.

#[test]
fn a_session_is_closed_when_its_client_has_ended_and_its_calls_have_returned() {
    let mut world = multiple();
    let channel = world.session(1);
    let calls = [1, 2].map(|message| world.run(channel, message, ANY));
    world.host.ended(channel).expect("known");
    assert!(!world.host.may_take(channel));
    world.done(&calls[0]);
    assert_eq!(world.drain().0, []);
    world.done(&calls[1]);
    assert_eq!(world.drain().0, [HostAction::Close(channel)]);
}

#[test]
fn closing_the_host_closes_each_session_when_its_calls_have_returned() {
    let mut world = World::new(HostSettings::default(), [PLENTY, 2, PLENTY]);
    let (idle, busy) = (world.session(1), world.session(2));
    let call = world.run(busy, 1, ANY);
    let waits = world.accept(0, 3);
    let _ = world.drain();
    world.host.close_all();
    assert_eq!(world.drain().0, [HostAction::Close(idle), HostAction::Close(waits)]);
    assert!(!world.host.may_take(busy));
    // Twice is as good as once.
    world.host.close_all();
    assert_eq!(world.drain(), (vec![], Deadline::Never));
    world.done(&call);
    assert_eq!(world.drain().0, [HostAction::Close(busy)]);
    for channel in [idle, busy, waits] {
        world.closed(channel);
    }
    assert_eq!((world.used(), world.host.channels(), world.host.instances()), ([0; 3], 0, 0));
}

#[test]
fn a_session_that_is_given_up_while_it_waits_and_has_its_permit_then_is_ended_once() {
    let mut world = World::new(HostSettings::default(), [PLENTY, 1, PLENTY]);
    let first = world.session(1);
    let second = world.accept(0, 2);
    world.host.ended(second).expect("known");
    world.closed(first);
    let (actions, deadline) = world.drain();
    assert_eq!((actions.last(), deadline), (Some(&HostAction::Close(second)), Deadline::Never));
    // It is not idle, however long its closing takes.
    world.pass(3600);
    assert_eq!(world.drain(), (vec![], Deadline::Never));
    world.closed(second);
    assert_eq!(world.used(), [0; 3]);
}

#[test]
fn a_channel_that_is_gone_is_unknown() {
    let mut world = default();
    let old = world.session(1);
    world.closed(old);
    let _ = world.session(2);
    let before = world.host.clone();
    assert_eq!(world.host.ended(old), Err(HostRefused::Unknown));
    assert_eq!(world.host.closed(world.now, old), Err(HostRefused::Unknown));
    let request = Request { message: 1, called: Some(ANY), understood: true };
    assert_eq!(world.host.take(world.now, old, request.clone()), Err((request, HostRefused::Unknown)));
    assert_eq!((world.host.may_take(old), world.host.is_open(old), world.host.owner(old)), (false, false, None));
    assert_eq!(world.host, before);
}
