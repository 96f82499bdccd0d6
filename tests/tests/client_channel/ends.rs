//! Closing and aborting.

use crate::{as_recorded, opened};
use soap_session_core::lifetime::{CommunicationState as State, Timeouts};
use soap_session_core::session::CloseBegun;
use soap_session_tests::channel_world::{ADD_TO, Fate, Over, SLOW, START, World};

#[test]
fn an_abort_sends_what_the_recordings_sent() {
    for (over, wire) in [
        (Over::Plain, &[][..]),
        (Over::Secure, &[]),
        (Over::Reliable, &["fault", "<202"]),
        (Over::Reliable11, &["fault", "<202"]),
        (Over::Both, &["fault", "<202", "Cancel"]),
    ] {
        let mut world = opened(over);
        world.abort();
        assert_eq!(world.seen, ["channel Closed"], "{over:?}");
        let sent: Vec<_> = world.wire.iter().map(String::as_str).take(wire.len()).collect();
        assert_eq!(sent, wire, "{over:?}: {:?}", world.wire);
        assert!(world.wire.len() <= wire.len() + 1, "{:?}", world.wire);
    }
}

#[test]
fn an_abort_ends_the_calls_under_way() {
    for over in Over::ALL {
        let mut world = opened(over);
        world.call(SLOW, 5000).expect("it is open");
        world.run();
        world.abort();
        let aborted = "System.ServiceModel.CommunicationObjectAbortedException";
        assert_eq!(world.seen[0], "channel Closed");
        assert!(world.seen[1].starts_with(&format!("Slow -> THREW {aborted}")), "{:?}", world.seen);
        world.wait(60_000);
        assert_eq!(world.seen.len(), 2, "each end is told once");
        let refused = world.call(ADD_TO, 1).expect_err("it is closed");
        assert_eq!(refused.wcf_exception(), aborted);
    }
}

#[test]
fn closing_what_is_not_open_is_an_abort_without_an_error() {
    for over in Over::ALL {
        let mut world = World::new(over, Timeouts::default());
        assert_eq!(world.close(), "close -> closed");
        assert_eq!((world.wire.len(), world.state()), (0, State::Closed));
        let refused = world.call(START, 1).expect_err("it is closed");
        assert_eq!(refused.wcf_exception(), "System.ObjectDisposedException");

        let mut world = World::new(over, Timeouts::default());
        world.call(START, 1).expect("it opens");
        assert_eq!(world.state(), State::Opening);
        assert_eq!(world.close(), "close -> closed");
        assert_eq!(world.seen.len(), 3, "{:?}", world.seen);
        assert!(world.seen[1].starts_with("Start -> THREW System.ServiceModel.CommunicationObjectAbortedException"));
    }
}

#[test]
fn a_close_waits_for_the_calls_under_way() {
    for over in Over::ALL {
        let mut world = opened(over);
        world.call(SLOW, 5000).expect("it is open");
        world.run();
        assert_eq!(world.close(), "close -> closed", "{over:?} {:?}", world.seen);
        assert_eq!(world.seen, ["Slow -> reply", "channel Closed", "close -> closed"], "{over:?}");
    }
}

#[test]
fn a_cancellation_that_is_lost_fails_the_close_and_closes_all_the_same() {
    for (fate, story) in [("Cancel", "sc-lost-cancel-request"), ("<200", "sc-lost-cancel-response")] {
        let mut world = opened(Over::Secure);
        world.fate = Box::new(move |line| if line == fate { Fate::Lost } else { Fate::Arrives });
        let said = world.close();
        let port = if fate == "Cancel" { "37542" } else { "37562" };
        as_recorded(&said.replace("localhost/calc", &format!("127.0.0.1:{port}/probe")), story, "close");
        assert_eq!(world.seen[0], "channel Closed");
        assert_eq!(world.state(), State::Closed);
    }
}

#[test]
fn closing_twice_is_closing_once() {
    for over in Over::ALL {
        let mut world = opened(over);
        assert_eq!(world.client.close(world.now), Ok(CloseBegun::UnderWay));
        assert_eq!(world.client.close(world.now), Ok(CloseBegun::Nothing));
        let refused = world.call(ADD_TO, 1).expect_err("it is closing");
        assert_eq!(refused.wcf_exception(), "System.ObjectDisposedException");
        world.seen.clear();
        world.run();
        assert_eq!(world.seen, ["channel Closed", "close -> closed"]);
        assert_eq!(world.client.close(world.now), Ok(CloseBegun::Nothing));
    }
}

#[test]
fn an_abort_interrupts_a_close() {
    for over in Over::SESSIONS {
        let mut world = opened(over);
        world.fate = Box::new(|_| Fate::Hangs);
        assert_eq!(world.client.close(world.now), Ok(CloseBegun::UnderWay));
        world.run();
        assert_eq!(world.state(), State::Closing);
        world.abort();
        assert_eq!(world.state(), State::Closed);
        assert!(world.seen[1].starts_with("close -> THREW System.ServiceModel.CommunicationObjectAborted"));
    }
}

#[test]
fn what_is_over_stays_silent() {
    for over in Over::ALL {
        let mut world = opened(over);
        world.close();
        world.wire.clear();
        let told = world.events.len();
        world.wait(3_600_000);
        assert_eq!((world.wire.len(), world.events.len()), (0, told), "{over:?}");
        assert_eq!(world.client.timers().count(), 0);
    }
}
