//! The send timeout: what it does over each stack.

use crate::{as_recorded, send_timeout};
use soap_session_core::lifetime::CommunicationState as State;
use soap_session_core::session::{ChannelError, ChannelEvent};
use soap_session_core::time::Duration;
use soap_session_tests::channel_world::{ADD_TO, Over, SLOW};

#[test]
fn under_a_secure_conversation_the_call_has_timed_out_and_the_channel_stays_open() {
    for over in [Over::Plain, Over::Secure] {
        let mut world = send_timeout(over, 3);
        let began = world.now;
        let said = world.done(SLOW, 6000);
        assert_eq!(world.now.since(began), Duration::from_secs(3));
        as_recorded(&said, "sc-send-timeout-3s-slow-operation", "Slow");
        assert_eq!((world.state(), world.client.error()), (State::Opened, None));
        assert_eq!(world.done(ADD_TO, 1), "AddTo -> reply");
        world.wait(10_000);
        assert_eq!(world.seen.len(), 2, "the late reply is dropped: {:?}", world.seen);
        assert_eq!(world.close(), "close -> closed");
    }
}

#[test]
fn under_reliable_messaging_the_session_goes_with_the_call() {
    for (over, story) in [
        (Over::Reliable, "rm10-send-timeout-3s-slow-operation"),
        (Over::Reliable11, "rm11-send-timeout-3s-slow-operation"),
        (Over::Both, "rm10-send-timeout-3s-slow-operation"),
    ] {
        let mut world = send_timeout(over, 3);
        let began = world.now;
        let said = world.done(SLOW, 8000);
        assert_eq!(world.now.since(began), Duration::from_secs(3));
        as_recorded(&said, story, "Slow");
        assert_eq!(world.seen.first().map(String::as_str), Some("channel Faulted"));
        assert_eq!(world.state(), State::Faulted);
        assert!(world.wire.contains(&"fault".to_owned()), "the other side is told: {:?}", world.wire);
        world.call(ADD_TO, 1).expect_err("it is faulted");
        let said = world.seen.last().expect("it was refused").clone();
        as_recorded(said.split_once(" It faulted because").map_or(&said, |(said, _)| said), story, "AddTo");
        world.abort();
        assert_eq!(world.state(), State::Closed);
    }
}

#[test]
fn other_calls_hear_that_the_session_failed_and_not_that_they_were_late() {
    let mut world = send_timeout(Over::Reliable, 3);
    world.call(SLOW, 9000).expect("it is open");
    world.wait(1000);
    world.call(SLOW, 8000).expect("it is open");
    world.wait(3000);
    let outcomes: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            ChannelEvent::CallDone(_, Err(error)) => Some(error.clone()),
            _ => None,
        })
        .collect();
    assert!(matches!(outcomes.as_slice(), [ChannelError::TimedOut { .. }, ChannelError::Reliable(_)]), "{outcomes:?}");
}

#[test]
fn calls_that_have_timed_out_leave_their_places_to_others() {
    for over in [Over::Plain, Over::Secure] {
        let mut world = send_timeout(over, 3);
        // There are four places.
        for _ in 0..6 {
            assert!(world.done(SLOW, 600_000).starts_with("Slow -> THREW System.TimeoutException"));
        }
        assert_eq!(world.done(ADD_TO, 1), "AddTo -> reply", "{over:?}");
    }
}
