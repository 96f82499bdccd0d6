//! Initiating and terminating operations, one-way messages, how many calls.

use crate::{as_recorded, opened, send_timeout};
use soap_session_core::lifetime::{CommunicationState as State, Timeouts};
use soap_session_core::session::{CallRefused, CloseBegun};
use soap_session_core::time::Duration;
use soap_session_tests::channel_world::{ADD_TO, FINISH, Fate, NOTIFY, Over, SLOW, START, World};

#[test]
fn the_first_call_must_be_of_an_initiating_operation() {
    for over in Over::ALL {
        let mut world = World::new(over, Timeouts::default());
        let before = world.client.clone();
        let refused = world.call(FINISH, 0).expect_err("it does not initiate");
        assert_eq!(world.client, before, "no trace");
        world.run();
        assert_eq!((world.wire.len(), world.state()), (0, State::Created));
        assert_eq!(refused, CallRefused::NotInitiating { operation: "Finish" });
        assert_eq!(
            refused.to_string(),
            "The operation 'Finish' cannot be the first operation to be called because IsInitiating is false."
        );
        assert_eq!(world.done(START, 1), "Start -> reply", "and then the channel is as good as new");
    }
}

#[test]
fn a_terminating_call_is_over_when_the_channel_is_closed() {
    for (over, wire) in [
        (Over::Secure, &["Finish", "<200", "Cancel", "<200"][..]),
        (Over::Reliable, &["Finish", "<200", "LastMessage", "<200", "TerminateSequence", "<200"]),
        (Over::Reliable11, &["Finish", "<200", "CloseSequence", "<200", "TerminateSequence", "<200"]),
        (Over::Both, &["Finish", "<200", "LastMessage", "<200", "TerminateSequence", "<200", "Cancel", "<200"]),
    ] {
        let mut world = opened(over);
        assert_eq!(world.done(FINISH, 0), "Finish -> reply");
        assert_eq!(world.seen, ["channel Closed", "Finish -> reply"], "{over:?}");
        assert_eq!(
            (world.wire.as_slice(), world.state()),
            (wire.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>().as_slice(), State::Closed)
        );
    }
}

#[test]
fn after_a_terminating_call_others_are_refused_without_a_trace() {
    for (over, story) in [
        (Over::Secure, "sc-terminating"),
        (Over::Reliable, "rm10-terminating"),
        (Over::Reliable11, "rm11-terminating"),
        (Over::Both, "sc-terminating"),
    ] {
        let mut world = opened(over);
        world.done(FINISH, 0);
        world.wire.clear();
        let before = world.client.clone();
        let refused = world.call(ADD_TO, 2).expect_err("the session is over");
        assert_eq!(world.client, before, "no trace");
        world.wait(10_000);
        assert_eq!(world.wire, [""; 0], "nothing on the wire");
        assert_eq!(refused, CallRefused::Terminated { operation: "Finish" });
        let said = world.seen.last().expect("it was refused").clone();
        as_recorded(&said, story, "AddTo");
        assert_eq!(world.close(), "close -> closed");
    }
}

#[test]
fn while_a_terminating_call_closes_the_channel_its_reply_is_held() {
    let mut world = opened(Over::Secure);
    world.fate = Box::new(|line| if line == "Cancel" { Fate::Late(500) } else { Fate::Arrives });
    world.call(FINISH, 0).expect("it is open");
    world.wait(400);
    assert_eq!((world.state(), world.seen.len()), (State::Closing, 0), "the reply is here, and not told");
    assert_eq!(world.client.close(world.now), Ok(CloseBegun::Nothing));
    world.wait(200);
    assert_eq!(world.seen, ["channel Closed", "Finish -> reply"]);
}

#[test]
fn a_terminating_call_whose_close_fails_fails() {
    let mut world = send_timeout(Over::Secure, 3);
    world.fate = Box::new(|line| if line == "Cancel" { Fate::Hangs } else { Fate::Arrives });
    let began = world.now;
    let said = world.done(FINISH, 0);
    assert!(said.starts_with("Finish -> THREW System.TimeoutException"), "{said}");
    assert_eq!(world.now.since(began), Duration::from_secs(3), "the close has what is left of the call's time");
    assert_eq!(world.state(), State::Closed);
}

#[test]
fn a_one_way_operation_may_terminate_too() {
    for over in Over::SESSIONS {
        let mut world = opened(over);
        assert_eq!(world.done(NOTIFY.terminating(), 1), "Notify -> ok", "{over:?}");
        assert_eq!(world.state(), State::Closed);
    }
}

#[test]
fn one_way_messages_are_over_when_they_are_taken() {
    for over in Over::ALL {
        let mut world = opened(over);
        assert_eq!(world.done(NOTIFY, 1), "Notify -> ok", "{over:?}");
        assert_eq!(world.done(ADD_TO, 1), "AddTo -> reply");
    }
}

#[test]
fn there_are_only_so_many_calls_at_a_time() {
    for over in Over::ALL {
        let mut world = opened(over);
        for _ in 0..4 {
            world.call(SLOW, 1000).expect("there is room");
        }
        let before = world.client.clone();
        assert_eq!(world.call(ADD_TO, 1), Err(CallRefused::TooManyCalls { limit: 4 }));
        assert_eq!(world.client, before);
        world.wait(20_000);
        assert_eq!(world.seen.iter().filter(|line| *line == "Slow -> reply").count(), 4, "{over:?} {:?}", world.seen);
        assert_eq!(world.done(ADD_TO, 1), "AddTo -> reply");
    }
}
