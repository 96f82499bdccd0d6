//! What each failure does to the call and to the channel.

use crate::{as_recorded, opened};
use soap_session_core::lifetime::CommunicationState as State;
use soap_session_core::session::ChannelError;
use soap_session_tests::channel_world::{ADD_TO, BOOM, DETAIL, Fate, MISSING, Over, recorded};

#[test]
fn an_undeclared_failure_ends_a_session_at_once() {
    for (over, story) in [
        (Over::Secure, "sc-unhandled-exception"),
        (Over::Reliable, "rm10-faults"),
        (Over::Reliable11, "rm11-faults"),
        (Over::Both, "rm10-faults"),
    ] {
        let mut world = opened(over);
        assert_eq!(world.done(BOOM, 1), "Boom -> THREW System.ServiceModel.FaultException", "{over:?}");
        assert!(recorded(story, "Boom").starts_with("THREW System.ServiceModel.FaultException: "));
        assert_eq!(world.state(), State::Faulted);
        world.run();
        assert_eq!(world.seen.last().map(String::as_str), Some("channel Faulted"));
        world.call(ADD_TO, 2).expect_err("it is faulted");
        let said = world.seen.last().expect("it was refused").clone();
        let (wcf, ours) = said.split_once(" It faulted because").expect("what made it fault");
        as_recorded(wcf, story, "AddTo");
        assert!(ours.contains("InternalServiceFault"), "{ours}");
        let said = world.close();
        as_recorded(said.split_once(" It faulted because").expect("the original fault").0, story, "close");
        assert_eq!(world.state(), State::Closed);
        assert!(matches!(world.client.error(), Some(ChannelError::Fault(_))), "the first fault is kept");
    }
}

#[test]
fn an_undeclared_failure_without_a_session_is_only_the_calls() {
    let mut world = opened(Over::Plain);
    assert_eq!(world.done(BOOM, 1), "Boom -> THREW System.ServiceModel.FaultException");
    // Recorded: ws-none-faults, basic-faults.
    assert_eq!(world.state(), State::Opened);
}

#[test]
fn other_faults_leave_it_open() {
    for over in Over::ALL {
        let mut world = opened(over);
        assert_eq!(world.done(DETAIL, 7), "Detail -> THREW System.ServiceModel.FaultException");
        world.call_as(ADD_TO, "Terminated", 1).expect("it is open");
        world.run();
        assert_eq!(world.seen.last().unwrap(), "AddTo -> THREW System.ServiceModel.ChannelTerminatedException");
        assert!(
            recorded("sc-call-after-terminating", "AddTo")
                .starts_with("THREW System.ServiceModel.ChannelTerminatedException")
        );
        if over != Over::Secure {
            let said = world.done(MISSING, 1);
            assert_eq!(said, "NoSuchOperation -> THREW System.ServiceModel.ActionNotSupportedException");
            assert!(recorded("rm10-wrong-action", "Missing").starts_with(said.split_once(" -> ").unwrap().1));
        }
        assert_eq!((world.state(), world.client.error()), (State::Opened, None), "{over:?}");
        assert_eq!(world.done(ADD_TO, 3), "AddTo -> reply");
    }
}

#[test]
fn an_unknown_action_under_a_secure_conversation_faults_it() {
    let mut world = opened(Over::Secure);
    let said = world.done(MISSING, 1);
    as_recorded(&said, "sc-wrong-action", "Missing");
    assert_eq!(world.state(), State::Faulted);
}

#[test]
fn a_service_that_was_restarted_knows_nobody() {
    for (over, story) in [
        (Over::Secure, "sc-server-restarted"),
        (Over::Reliable, "rm10-server-restarted"),
        (Over::Reliable11, "rm11-server-restarted"),
        (Over::Both, "rm10-sc-server-restarted"),
    ] {
        let mut world = opened(over);
        world.restart();
        assert_eq!(world.state(), State::Opened);
        let said = world.done(ADD_TO, 2);
        as_recorded(&said, story, "AddTo");
        assert_eq!(world.state(), State::Faulted, "{over:?}");
        world.seen.clear();
        world.abort();
        assert_eq!(world.seen, ["channel Closed"]);
    }
}

#[test]
fn a_lost_exchange_is_only_the_calls_without_reliable_messaging() {
    for over in [Over::Plain, Over::Secure] {
        let mut world = opened(over);
        world.fate = Box::new(|line| if line == "AddTo" { Fate::Lost } else { Fate::Arrives });
        let said = world.done(ADD_TO, 2);
        as_recorded(&said.replace("localhost/calc", "127.0.0.1:37502/probe"), "sc-lost-request", "AddTo");
        assert_eq!(world.state(), State::Opened);
        assert_eq!(world.close(), "close -> closed");
    }
}

#[test]
fn a_lost_exchange_is_nothing_under_reliable_messaging() {
    for over in [Over::Reliable, Over::Reliable11, Over::Both] {
        let mut world = opened(over);
        let mut lost = 0;
        world.fate = Box::new(move |line| {
            lost += usize::from(line == "AddTo");
            if line == "AddTo" && lost == 1 { Fate::Lost } else { Fate::Arrives }
        });
        assert_eq!(world.done(ADD_TO, 2), "AddTo -> reply", "{over:?}");
    }
}
