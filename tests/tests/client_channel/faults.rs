//! What each failure does to the call and to the channel.

use crate::{as_recorded, opened};
use soap_session_core::lifetime::{CommunicationState as State, Timeouts};
use soap_session_core::secure::AcceptorSettings;
use soap_session_core::session::ChannelError;
use soap_session_core::time::Duration;
use soap_session_tests::channel_world::{ADD_TO, BOOM, DETAIL, Fate, MISSING, Over, SLOW, START, World, recorded};

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

#[test]
fn a_service_with_too_many_pending_conversations_is_too_busy() {
    for over in [Over::Secure, Over::Both] {
        let acceptor = AcceptorSettings { max_pending_sessions: 1, ..AcceptorSettings::default() };
        let mut world = World::new(over, Timeouts::default()).served_by(over, &acceptor);
        if over == Over::Secure {
            world.client.open(world.now).expect("it was just made");
        } else {
            // The conversation of a client whose sequence is not created yet.
            world.fate = Box::new(|line| if line == "CreateSequence" { Fate::Hangs } else { Fate::Arrives });
            world.client.open(world.now).expect("it was just made");
        }
        world.run();
        world.replace(Timeouts::default());
        world.seen.clear();
        let said = world.done(START, 1).replace("localhost/calc", "127.0.0.1:26542/probe");
        as_recorded(&said, "sc-pending-limit-1", "B open");
        assert_eq!((world.state(), world.seen[0].as_str()), (State::Faulted, "channel Faulted"));
    }
}

#[test]
fn a_service_with_too_many_pending_sessions_is_too_busy() {
    for (over, story) in [(Over::Reliable, "rm10-pending-limit"), (Over::Reliable11, "rm11-pending-limit")] {
        let mut world = World::new(over, Timeouts::default());
        world.accepts = false;
        for _ in 0..4 {
            world.client.open(world.now).expect("it was just made");
            world.run();
            assert_eq!(world.state(), State::Opened);
            world.replace(Timeouts::default());
        }
        world.seen.clear();
        let said = world.done(START, 1);
        let theirs = recorded(story, "D Start");
        let port = theirs.split_once("127.0.0.1:").and_then(|(_, rest)| rest.split_once('/')).expect("an address").0;
        as_recorded(&said.replace("localhost/calc", &format!("127.0.0.1:{port}/probe")), story, "D Start");
        assert_eq!(world.state(), State::Faulted);
    }
}

#[test]
fn a_key_that_has_expired_on_the_way_fails_the_call_and_is_renewed_for_the_next() {
    let acceptor = AcceptorSettings { key_renewal_interval: Duration::from_secs(5), ..AcceptorSettings::default() };
    let mut world = World::new(Over::Secure, Timeouts::default()).served_by(Over::Secure, &acceptor);
    world.done(START, 1);
    world.fate = Box::new(|line| if line == "Slow" { Fate::Late(7000) } else { Fate::Arrives });
    let said = world.done(SLOW, 1);
    as_recorded(&said, "sc-renew-needed-fault", "Slow");
    assert_eq!(world.state(), State::Opened);
    world.wire.clear();
    assert_eq!(world.done(ADD_TO, 2), "AddTo -> reply");
    assert_eq!(world.wire, ["Renew", "<200", "AddTo", "<200"]);
}

#[test]
fn versions_of_reliable_messaging_that_differ_are_told_apart() {
    for (client, service, story) in [
        (Over::Reliable11, Over::Reliable, "rm10-server-rm11-client"),
        (Over::Reliable, Over::Reliable11, "rm11-server-rm10-client"),
    ] {
        let mut world = World::new(client, Timeouts::default()).served_by(service, &AcceptorSettings::default());
        let said = world.done(START, 1);
        let exception = said.split_once(" -> ").and_then(|(_, said)| said.split_once(':')).expect("an exception").0;
        let theirs = recorded(story, "");
        assert!(theirs.starts_with(exception), "{said}\n{theirs}");
        assert_eq!(world.state(), State::Faulted);
    }
}

#[test]
fn a_renewal_that_is_lost_fails_the_call_that_waited_for_it() {
    let mut world = opened(Over::Secure);
    world.wait(9 * 3_600_000);
    let mut renewals = 0;
    world.fate = Box::new(move |line| {
        renewals += usize::from(line == "Renew");
        if line == "Renew" && renewals == 1 { Fate::Lost } else { Fate::Arrives }
    });
    let began = world.now;
    let said = world.done(ADD_TO, 2);
    assert!(said.starts_with("AddTo -> THREW System.ServiceModel.CommunicationException"), "{said}");
    assert_eq!((world.now, world.state(), world.client.error()), (began, State::Opened, None));
    assert_eq!(world.done(ADD_TO, 2), "AddTo -> reply");
    assert_eq!(world.wire, ["Renew", "Renew", "<200", "AddTo", "<200"]);
}
