//! Laws of the house: no trace, no room, no strangers.

use crate::opened;
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::{CommunicationState as State, Timeouts};
use soap_session_core::secure::NoCredentials;
use soap_session_core::session::{ChannelAction, ChannelHeard};
use soap_session_tests::channel_world::{ADD_TO, BOOM, Fate, Over, START, World};

#[test]
fn a_refusal_leaves_no_trace() {
    for over in Over::ALL {
        let mut worlds = vec![World::new(over, Timeouts::default()), opened(over)];
        let mut closing = opened(over);
        closing.fate = Box::new(|_| Fate::Hangs);
        closing.client.close(closing.now).expect("it is open");
        worlds.push(closing);
        let mut closed = opened(over);
        closed.close();
        worlds.push(closed);
        let mut aborted = opened(over);
        aborted.abort();
        worlds.push(aborted);
        if over != Over::Plain {
            let mut faulted = opened(over);
            faulted.done(BOOM, 1);
            faulted.run();
            worlds.push(faulted);
        }
        for mut world in worlds {
            let (before, state) = (world.client.clone(), world.state());
            let (now, legal) = (world.now, matches!(state, State::Created | State::Opened));
            if state != State::Created {
                assert!(world.client.open(now).is_err(), "{state:?}");
                assert_eq!(world.client, before);
            }
            if !legal {
                assert!(world.call(START, 1).is_err(), "{state:?}");
                assert_eq!(world.client, before);
            }
        }
    }
}

#[test]
fn too_little_room_changes_nothing_on_the_wire() {
    for over in Over::ALL {
        let mut world = World::new(over, Timeouts::default());
        world.call(START, 1).expect("it opens");
        loop {
            match world.client.poll(world.now, &NoCredentials, &mut []) {
                ChannelAction::Event(_) => {}
                ChannelAction::Grow(grow) => {
                    assert!(grow.needed > 100);
                    break;
                }
                // Without a certificate no token can be asked for, which is found out first.
                other => panic!("{other:?}"),
            }
            if world.client.calls() == 0 {
                break;
            }
        }
        if matches!(over, Over::Secure | Over::Both) {
            continue;
        }
        let before = world.client.clone();
        assert!(matches!(world.client.poll(world.now, &NoCredentials, &mut [0; 80]), ChannelAction::Grow(_)));
        assert_eq!(world.client, before);
        assert_eq!(world.done(ADD_TO, 1), "AddTo -> reply");
    }
}

#[test]
fn strangers_answers_are_nothing() {
    for over in Over::ALL {
        let mut world = opened(over);
        for exchange in [0, 7, 1 << 20, u32::MAX] {
            let exchange = Some(Exchange(exchange));
            let mut bytes = b"<a/>".to_vec();
            let heard = world.client.receive(world.now, exchange, &NoCredentials, &mut bytes);
            assert_eq!(heard, ChannelHeard::Protocol);
        }
        world.run();
        assert_eq!(world.done(ADD_TO, 1), "AddTo -> reply", "{over:?}");
    }
}
