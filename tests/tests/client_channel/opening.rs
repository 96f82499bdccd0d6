//! Opening, and what it costs when it fails.

use crate::{as_recorded, opened};
use soap_session_core::lifetime::{CommunicationState as State, Refusal, Timeouts};
use soap_session_core::session::{CallRefused, ChannelError, ChannelEvent};
use soap_session_tests::channel_world::{ADD_TO, Fate, Over, START, World};

#[test]
fn the_session_opens_on_the_first_call_and_closes_in_good_order() {
    for over in Over::ALL {
        let mut world = World::new(over, Timeouts::default());
        assert_eq!(world.state(), State::Created);
        assert_eq!(world.done(START, 1), "Start -> reply", "{over:?}");
        assert_eq!(world.state(), State::Opened);
        assert_eq!(world.done(ADD_TO, 1), "AddTo -> reply");
        assert_eq!(world.close(), "close -> closed", "{over:?}: {:?}", world.wire);
        assert_eq!(world.state(), State::Closed);
        assert_eq!(world.seen, ["Start -> reply", "AddTo -> reply", "channel Closed", "close -> closed"], "{over:?}");
    }
}

#[test]
fn what_goes_over_the_wire_is_in_order() {
    let open_and_close = |over| {
        let mut world = opened(over);
        world.close();
        world.wire
    };
    assert_eq!(open_and_close(Over::Plain), [""; 0]);
    assert_eq!(open_and_close(Over::Secure), ["Cancel", "<200"]);
    assert_eq!(open_and_close(Over::Reliable), ["LastMessage", "<200", "TerminateSequence", "<200"]);
    assert_eq!(open_and_close(Over::Reliable11), ["CloseSequence", "<200", "TerminateSequence", "<200"]);
    let both = ["LastMessage", "<200", "TerminateSequence", "<200", "Cancel", "<200"];
    assert_eq!(open_and_close(Over::Both), both);
}

#[test]
fn it_can_be_opened_by_itself_and_says_when_it_is() {
    for over in Over::ALL {
        let mut world = World::new(over, Timeouts::default());
        world.client.open(world.now).expect("it was just made");
        assert_eq!(world.state(), State::Opening);
        world.run();
        assert_eq!((world.state(), world.seen.as_slice()), (State::Opened, &["open -> opened".to_owned()][..]));
        assert_eq!(world.events, [ChannelEvent::Opened, ChannelEvent::OpenDone(Ok(()))]);
        world.done(ADD_TO, 1);
    }
}

#[test]
fn the_session_id_is_the_tokens_or_the_sequences() {
    let id = |over| opened(over).client.session_id().map(|id| String::from_utf8_lossy(id).into_owned());
    assert_eq!(id(Over::Plain), None);
    for over in Over::SESSIONS {
        assert!(id(over).is_some_and(|id| id.starts_with("urn:uuid:") && id.len() == 45), "{over:?}");
    }
    assert_ne!(id(Over::Secure), id(Over::Both), "with both it is the sequence's");
    assert_eq!(World::new(Over::Secure, Timeouts::default()).client.session_id(), None);
}

#[test]
fn calls_wait_while_a_call_opens_the_channel() {
    for over in Over::ALL {
        let mut world = World::new(over, Timeouts::default());
        world.call(START, 1).expect("the first opens");
        assert_eq!(world.state(), State::Opening);
        world.call(ADD_TO, 1).expect("it is no longer Created: as WCF, it waits");
        world.run();
        assert_eq!(world.seen, ["Start -> reply", "AddTo -> reply"], "{over:?}");
    }
}

#[test]
fn calls_are_refused_while_the_application_opens_the_channel() {
    for over in Over::ALL {
        let mut world = World::new(over, Timeouts::default());
        world.client.open(world.now).expect("it was just made");
        let before = world.client.clone();
        let refused = world.call(START, 1).expect_err("it is not open");
        assert!(matches!(refused, CallRefused::State(ref refused) if refused.refusal == Refusal::NotOpen));
        assert_eq!(refused.wcf_exception(), "System.InvalidOperationException");
        assert_eq!(world.client, before);
    }
}

#[test]
fn a_lost_request_for_a_token_faults_the_channel() {
    for over in [Over::Secure, Over::Both] {
        let mut world = World::new(over, Timeouts::default());
        world.fate = Box::new(|line| if line == "SCT" { Fate::Lost } else { Fate::Arrives });
        let said = world.done(START, 1);
        as_recorded(&said.replace("localhost/calc", "127.0.0.1:37582/probe"), "sc-lost-rst", "Start");
        assert_eq!(world.state(), State::Faulted);
        assert_eq!(world.seen.first().map(String::as_str), Some("channel Faulted"));
        assert_eq!(world.client.error(), Some(&ChannelError::NoAnswer));
        assert!(world.close().starts_with("close -> THREW System.ServiceModel.CommunicationObjectFaultedException"));
    }
}
