//! Laws of the house: no trace, no room, no strangers.

use crate::opened;
use soap_session_core::chance::{Chance, Entropy};
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::{CommunicationState as State, Timeouts};
use soap_session_core::secure::NoCredentials;
use soap_session_core::session::{ChannelAction, ChannelEvent, ChannelHeard};
use soap_session_tests::channel_world::{ADD_TO, BOOM, DETAIL, FINISH, Fate, NOTIFY, Over, SLOW, START, World};

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

/// Whatever the application does and whatever the wire loses: each call that was taken is over once, each state is told once,
/// the end is final, and the channel then falls silent.
#[test]
fn every_call_ends_once_and_every_channel_ends() {
    for over in Over::ALL {
        for seed in 0..120u8 {
            let mut chance = Chance::new(&[seed; 32]);
            let mut draw = move |most: u8| {
                let mut byte = [0];
                chance.fill(&mut byte);
                byte[0] % most
            };
            let mut world = World::new(over, Timeouts::default());
            let mut weather = Chance::new(&[!seed; 32]);
            world.fate = Box::new(move |_| {
                let mut byte = [0];
                weather.fill(&mut byte);
                match byte[0] {
                    0..16 => Fate::Lost,
                    16..24 => Fate::Hangs,
                    24..60 => Fate::Late(u64::from(byte[0]) * 50),
                    _ => Fate::Arrives,
                }
            });
            let mut taken = 0;
            for _ in 0..20 {
                let operations = [START, START, ADD_TO, ADD_TO, NOTIFY, DETAIL, SLOW, BOOM, FINISH];
                match draw(16) {
                    choice @ 0..9 => {
                        let value = u32::from(draw(200)) * 50;
                        taken += usize::from(world.call(operations[usize::from(choice)], value).is_ok());
                    }
                    9 => drop(world.client.close(world.now)),
                    10 if draw(3) == 0 => world.client.abort(),
                    11 if draw(4) == 0 => world.restart(),
                    _ => world.wait(u64::from(draw(200)) * 100),
                }
                if draw(2) == 0 {
                    world.run();
                }
            }
            let _ = world.client.close(world.now);
            world.wait(200_000);
            assert_eq!((world.state(), world.client.calls()), (State::Closed, 0), "{over:?} {seed} {:?}", world.seen);
            assert_eq!(world.ended, taken, "{over:?} {seed}: each call is over once");
            for state in [ChannelEvent::Opened, ChannelEvent::Closed] {
                let told = world.events.iter().filter(|event| **event == state).count();
                assert!(told <= 1, "{state:?} was told {told} times");
            }
            let faulted = world.events.iter().filter(|event| matches!(event, ChannelEvent::Faulted(_))).count();
            assert_eq!(faulted, usize::from(world.client.error().is_some()), "{over:?} {seed}");
            assert_eq!(
                world.client.timers().count(),
                0,
                "{over:?} {seed} {:?} {:?} {:?}",
                world.client.timers().collect::<Vec<_>>(),
                world.seen,
                world.wire
            );
            let (sent, told) = (world.wire.len(), world.events.len());
            world.wait(3_600_000);
            assert_eq!((world.wire.len(), world.events.len()), (sent, told), "{over:?} {seed}: it falls silent");
        }
    }
}
