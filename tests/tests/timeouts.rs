//! The rows of WCF's timeout table that a client shows, in simulated time. What is recorded is compared with the recording.

use soap_session_core::lifetime::{CommunicationState as State, Timeouts, TimerEffect, TimerName};
use soap_session_core::reliable::{ReliableSettings, RmVersion};
use soap_session_core::secure::InitiatorSettings;
use soap_session_core::session::{ChannelError, ChannelEvent, TimedOutAt};
use soap_session_core::time::{Deadline, Duration, Instant};
use soap_session_tests::channel_world::{ADD_TO, Fate, Over, SLOW, START, World, recorded};

const fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn opened(over: Over, timeouts: Timeouts) -> World {
    let mut world = World::new(over, timeouts);
    assert_eq!(world.done(START, 1), "Start -> reply");
    world.seen.clear();
    world.wire.clear();
    world
}

/// Lets time pass until something of this kind is told; after how long.
fn told(world: &mut World, kind: impl Fn(&ChannelEvent) -> bool) -> Duration {
    let began = world.now;
    assert!(world.run_until(|world| world.events.iter().any(&kind)), "it is never told: {:?}", world.events);
    world.now.since(began)
}

fn open_is_done(event: &ChannelEvent) -> bool {
    matches!(event, ChannelEvent::OpenDone(_))
}

fn close_is_done(event: &ChannelEvent) -> bool {
    matches!(event, ChannelEvent::CloseDone(_))
}

mod defaults {
    use super::*;

    #[test]
    fn are_wcfs() {
        let Timeouts { open, close, send, receive } = Timeouts::default();
        assert_eq!([open, close, send, receive], [seconds(60), seconds(60), seconds(60), seconds(600)]);
        let reliable = ReliableSettings::default();
        assert_eq!(Some(reliable.inactivity_timeout), seconds(600));
    }
}

mod open_timeout {
    use super::*;

    #[test]
    fn of_a_token_that_is_not_issued() {
        for over in [Over::Secure, Over::Both] {
            let mut world = World::new(over, Timeouts { open: seconds(20), ..Timeouts::default() });
            world.fate = Box::new(|_| Fate::Hangs);
            world.client.open(world.now).expect("it was just made");
            assert_eq!(told(&mut world, open_is_done), Duration::from_secs(20));
            let late = ChannelError::TimedOut { at: TimedOutAt::Token, allotted: Duration::from_secs(20) };
            let ends = [ChannelEvent::Faulted(late.clone()), ChannelEvent::OpenDone(Err(late))];
            assert_eq!((world.events.as_slice(), world.state()), (&ends[..], State::Faulted));
            assert_eq!(world.wire, ["SCT"], "nothing more is sent");
        }
    }

    #[test]
    fn of_a_sequence_that_is_not_created() {
        for (over, story) in
            [(Over::Reliable, "rm10-create-drop-request"), (Over::Reliable11, "rm11-create-drop-request")]
        {
            let mut world = World::new(over, Timeouts { open: seconds(20), ..Timeouts::default() });
            world.fate = Box::new(|_| Fate::Hangs);
            world.client.open(world.now).expect("it was just made");
            assert_eq!(told(&mut world, open_is_done), Duration::from_secs(20));
            let said = world.seen.last().expect("it was told").clone();
            let (ours, theirs) = (said.split_once("THREW").unwrap().1, recorded(story, "Start"));
            let text = ours.split_once(" after 00:00:20. ").expect("the time").0;
            assert!(theirs.contains(text), "{text}\n{theirs}");
            assert_eq!(world.state(), State::Faulted);
            assert!(world.close().starts_with("close -> THREW System.ServiceModel.CommunicationObjectFaulted"));
        }
    }

    #[test]
    fn is_one_for_all_layers() {
        let mut world = World::new(Over::Both, Timeouts { open: seconds(60), ..Timeouts::default() });
        world.fate = Box::new(|line| match line {
            "SCT" => Fate::Late(45_000),
            "CreateSequence" => Fate::Hangs,
            _ => Fate::Arrives,
        });
        world.client.open(world.now).expect("it was just made");
        assert_eq!(told(&mut world, open_is_done), Duration::from_secs(60), "the sequence has the 15 s that are left");
        assert!(matches!(
            world.client.error(),
            Some(ChannelError::TimedOut { at: TimedOutAt::Open, allotted }) if *allotted == Duration::from_secs(15)
        ));
    }

    #[test]
    fn is_not_that_of_a_call_that_opens() {
        for over in Over::SESSIONS {
            let timeouts = Timeouts { open: seconds(5), send: seconds(30), ..Timeouts::default() };
            let mut world = World::new(over, timeouts);
            world.fate = Box::new(|_| Fate::Hangs);
            let began = world.now;
            let said = world.done(START, 1);
            assert!(said.starts_with("Start -> THREW System.TimeoutException"), "{said}");
            assert_eq!((world.now.since(began), world.state()), (Duration::from_secs(30), State::Faulted), "{over:?}");
        }
    }

    #[test]
    fn may_be_infinite() {
        for over in Over::SESSIONS {
            let mut world = World::new(over, Timeouts { open: None, ..Timeouts::default() });
            world.fate = Box::new(|_| Fate::Hangs);
            world.client.open(world.now).expect("it was just made");
            world.wait(100_000_000);
            assert_eq!((world.state(), world.seen.len()), (State::Opening, 0), "{over:?}");
        }
    }

    #[test]
    fn ends_with_the_open() {
        for over in Over::ALL {
            let mut world = opened(over, Timeouts { open: seconds(1), ..Timeouts::default() });
            world.wait(10_000);
            assert_eq!(world.state(), State::Opened);
        }
    }
}

mod send_timeout {
    use super::*;

    #[test]
    fn covers_the_whole_call_the_opening_included() {
        for over in Over::SESSIONS {
            let mut world = World::new(over, Timeouts { send: seconds(10), ..Timeouts::default() });
            // Opening takes 4 s for each layer; what is left is less than the operation takes.
            world.fate = Box::new(|line| match line {
                "SCT" | "CreateSequence" => Fate::Late(4000),
                _ => Fate::Arrives,
            });
            let began = world.now;
            let slow = soap_session_core::session::OperationUse { is_initiating: true, ..SLOW };
            let said = world.done(slow, 8000);
            assert!(said.starts_with("Slow -> THREW System.TimeoutException"), "{over:?} {said}");
            assert_eq!(world.now.since(began), Duration::from_secs(10), "{over:?}");
        }
    }

    #[test]
    fn is_each_calls_own() {
        let mut world = opened(Over::Secure, Timeouts { send: seconds(10), ..Timeouts::default() });
        world.call(SLOW, 60_000).expect("it is open");
        world.wait(4000);
        world.call(SLOW, 60_000).expect("it is open");
        let due: Vec<_> = world.client.timers().filter(|timer| timer.name != TimerName::KeyRenewal).collect();
        assert_eq!(due.len(), 2);
        assert!(due.iter().all(|timer| timer.effect == TimerEffect::FailsCall));
        world.wait(6000);
        assert_eq!(world.seen.len(), 1);
        world.wait(4000);
        assert_eq!((world.seen.len(), world.state()), (2, State::Opened));
    }

    #[test]
    fn covers_the_wait_for_room_in_the_window() {
        // The window is one message: the second waits for room, which comes in time.
        let timeouts = Timeouts { send: seconds(10), ..Timeouts::default() };
        let settings = ReliableSettings { max_transfer_window_size: 1, ..ReliableSettings::default() };
        let mut world = World::with(Over::Reliable, timeouts, &settings, &InitiatorSettings::default());
        world.done(START, 1);
        world.call(SLOW, 9000).expect("it is open");
        world.wait(1);
        world.call(ADD_TO, 1).expect("it is open");
        world.wait(9500);
        assert_eq!(world.seen, ["Start -> reply", "Slow -> reply", "AddTo -> reply"]);
    }

    #[test]
    fn may_be_infinite() {
        for over in Over::ALL {
            let mut world = opened(over, Timeouts { send: None, ..Timeouts::default() });
            assert_eq!(world.done(SLOW, 100_000), "Slow -> reply", "{over:?}");
        }
    }
}

mod close_timeout {
    use super::*;

    #[test]
    fn of_a_cancellation_ends_as_an_abort_and_says_so() {
        let mut world = opened(Over::Secure, Timeouts::default());
        world.fate = Box::new(|_| Fate::Hangs);
        world.client.close(world.now).expect("it is open");
        assert_eq!(told(&mut world, close_is_done), Duration::from_secs(60));
        // Recorded: throttle-sessions-10-sc, S12 close.
        assert_eq!(
            world.seen,
            [
                "channel Closed",
                "close -> THREW System.TimeoutException: \"The request channel timed out while waiting for a reply after \
                 00:01:00. Increase the timeout value passed to the call to Request or increase the SendTimeout value on the \
                 Binding. The time allotted to this operation may have been a portion of a longer timeout.\""
            ]
        );
        assert_eq!(world.state(), State::Closed);
    }

    #[test]
    fn of_a_sequence_that_cannot_be_ended_is_recorded() {
        for (over, story) in [(Over::Reliable, "rm10-close-all-lost"), (Over::Reliable11, "rm11-close-all-lost")] {
            let mut world = opened(over, Timeouts { close: seconds(9), ..Timeouts::default() });
            world.fate = Box::new(|_| Fate::Lost);
            world.client.close(world.now).expect("it is open");
            let took = told(&mut world, close_is_done);
            // WCF gives CloseSequence up when it is lost and less than 10 s are left for another.
            assert_eq!(took, Duration::from_secs(if over == Over::Reliable { 9 } else { 0 }));
            let said = world.seen.last().expect("it was told").clone();
            let text = said.split_once("THREW").unwrap().1.split_once(" 00:").expect("the time").0;
            let theirs = recorded(story, "close");
            assert!(theirs.contains(text), "{text}\n{theirs}");
            assert_eq!(
                (world.state(), world.seen.first().map(String::as_str)),
                (State::Closed, Some("channel Closed"))
            );
            world.run();
            assert_eq!(world.wire.last().map(String::as_str), Some("fault"), "the other side is told");
        }
    }

    #[test]
    fn is_one_for_all_layers() {
        let mut world = opened(Over::Both, Timeouts { close: seconds(60), ..Timeouts::default() });
        world.fate = Box::new(|line| match line {
            "LastMessage" => Fate::Late(0),
            "TerminateSequence" => Fate::Late(25_000),
            "Cancel" => Fate::Hangs,
            _ => Fate::Arrives,
        });
        world.client.close(world.now).expect("it is open");
        assert_eq!(told(&mut world, close_is_done), Duration::from_secs(60));
        assert!(matches!(
            world.events.last(),
            Some(ChannelEvent::CloseDone(Err(ChannelError::TimedOut { at: TimedOutAt::Cancel, .. })))
        ));
    }

    #[test]
    fn covers_the_calls_that_a_close_waits_for() {
        for over in [Over::Plain, Over::Secure] {
            let mut world = opened(over, Timeouts { close: seconds(5), ..Timeouts::default() });
            world.call(SLOW, 30_000).expect("it is open");
            world.run();
            world.client.close(world.now).expect("it is open");
            assert_eq!(told(&mut world, close_is_done), Duration::from_secs(5));
            assert_eq!(world.seen.len(), 3, "closed, the call, the close: {:?}", world.seen);
        }
    }

    #[test]
    fn may_be_infinite() {
        let mut world = opened(Over::Secure, Timeouts { close: None, ..Timeouts::default() });
        world.fate = Box::new(|_| Fate::Hangs);
        world.client.close(world.now).expect("it is open");
        world.wait(100_000_000);
        assert_eq!(world.state(), State::Closing);
    }
}

mod receive_timeout {
    use super::*;

    #[test]
    fn is_nothing_to_a_client_over_exchanges() {
        for over in [Over::Plain, Over::Secure] {
            let mut world = opened(over, Timeouts { receive: seconds(5), ..Timeouts::default() });
            assert!(world.client.timers().all(|timer| timer.name != TimerName::ReceiveTimeout));
            world.wait(3_600_000);
            assert_eq!((world.state(), world.wire.len()), (State::Opened, 0));
            assert_eq!(world.done(ADD_TO, 1), "AddTo -> reply");
        }
    }
}

mod inactivity_timeout {
    use super::*;

    fn idle(over: Over) -> World {
        let version = if over == Over::Reliable11 { RmVersion::V11 } else { RmVersion::February2005 };
        let inactivity_timeout = Duration::from_secs(5);
        let settings = ReliableSettings { version, inactivity_timeout, ..ReliableSettings::default() };
        let mut world = World::with(over, Timeouts::default(), &settings, &InitiatorSettings::default());
        world.done(START, 1);
        world.seen.clear();
        world
    }

    #[test]
    fn of_a_service_that_is_silent_faults_the_session() {
        for (over, story) in
            [(Over::Reliable, "rm10-inactivity-client-5s"), (Over::Reliable11, "rm11-inactivity-client-5s")]
        {
            let mut world = idle(over);
            world.fate = Box::new(|_| Fate::Hangs);
            assert_eq!(told(&mut world, |event| matches!(event, ChannelEvent::Faulted(_))), Duration::from_secs(5));
            let error = world.client.error().expect("it faulted").clone();
            let said = format!("THREW {}: \"{}\"", error.wcf_exception(), error.wcf_text(b""));
            assert_eq!(
                said,
                "THREW System.ServiceModel.CommunicationException: \"The inactivity timeout of (00:00:05) has been exceeded.\""
            );
            let theirs = recorded(story, "Slow");
            assert!(theirs.starts_with(&said), "{theirs}");
        }
    }

    #[test]
    fn is_kept_off_by_asking() {
        for over in [Over::Reliable, Over::Reliable11] {
            let mut world = idle(over);
            let timers: Vec<_> = world.client.timers().map(|timer| (timer.name, timer.effect)).collect();
            assert!(timers.contains(&(TimerName::InactivityTimeout, TimerEffect::Faults)), "{timers:?}");
            assert!(timers.contains(&(TimerName::KeepAlive, TimerEffect::Asks)), "{timers:?}");
            world.wait(60_000);
            assert_eq!(world.state(), State::Opened);
            assert!(world.wire.contains(&"AckRequested".to_owned()));
        }
    }
}

mod keys {
    use super::*;

    /// 60 % of 15 hours comes before the renewal interval of 10 hours.
    #[test]
    fn are_renewed_before_a_call_and_not_by_themselves() {
        for over in [Over::Secure, Over::Both] {
            let mut world = opened(over, Timeouts::default());
            let renewal = world.client.timers().find(|timer| timer.name == TimerName::KeyRenewal).expect("it runs");
            assert_eq!(renewal.effect, TimerEffect::RenewsBeforeNextMessage);
            assert_eq!(renewal.due, Deadline::At(Instant::from_millis(1000 + 9 * 3_600_000)));
            if over == Over::Both {
                continue;
            }
            world.wait(9 * 3_600_000);
            assert_eq!(world.wire.len(), 0, "not before a call");
            assert_eq!(world.done(ADD_TO, 1), "AddTo -> reply");
            assert_eq!(world.wire, ["Renew", "<200", "AddTo", "<200"]);
            let rollover = world.client.timers().find(|timer| timer.name == TimerName::KeyRollover).expect("it runs");
            assert_eq!(rollover.effect, TimerEffect::ForgetsOldKey);
            assert_eq!(rollover.due, Deadline::At(world.now.after(Duration::from_secs(300))));
        }
    }
}

mod all_timers {
    use super::*;

    fn names(world: &World) -> Vec<String> {
        world.client.timers().map(|timer| timer.name.to_string()).collect()
    }

    #[test]
    fn can_be_read_in_one_place() {
        let mut world = World::new(Over::Both, Timeouts::default());
        assert_eq!(names(&world), [""; 0]);
        world.fate = Box::new(|line| if line == "Slow" { Fate::Hangs } else { Fate::Late(100) });
        world.client.open(world.now).expect("it was just made");
        assert_eq!(names(&world), ["OpenTimeout"]);
        world.run();
        assert_eq!(names(&world), ["OpenTimeout"]);
        world.wait(1000);
        assert_eq!(names(&world), ["InactivityTimeout", "keep-alive", "key renewal"]);
        world.call(SLOW, 1).expect("it is open");
        world.run();
        assert_eq!(
            names(&world),
            ["SendTimeout of call 1", "InactivityTimeout", "retransmission", "keep-alive", "key renewal"]
        );
        let send = world.client.timers().next().expect("the first");
        assert_eq!(send.effect.to_string(), "fails the call and faults the session");
        world.abort();
        world.wait(1000);
        assert_eq!(names(&world), [""; 0]);
    }

    #[test]
    fn are_all_waited_for() {
        for over in Over::ALL {
            let mut world = World::new(over, Timeouts::default());
            world.call(START, 1).expect("it opens");
            world.fate = Box::new(|_| Fate::Hangs);
            world.run();
            let first = world
                .client
                .timers()
                .filter(|timer| {
                    // The key's are of the next message, and wake nobody.
                    !matches!(timer.name, TimerName::KeyRenewal | TimerName::KeyRollover)
                })
                .map(|timer| timer.due)
                .min()
                .expect("a timer");
            let waits = match world.client.poll(world.now, &soap_session_core::secure::NoCredentials, &mut []) {
                soap_session_core::session::ChannelAction::Wait(deadline) => deadline,
                other => panic!("{other:?}"),
            };
            assert_eq!(waits, first, "{over:?}");
        }
    }
}
