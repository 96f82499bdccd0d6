//! Silence when done, and a wait that is honest.

use super::moves::{Move, bindings, moves};
use super::world::{AMPLE, Did, Sent, Step, World, client_poll, service_poll};
use proptest::prelude::*;
use soap_session_core::time::{Deadline, Duration, Instant};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn who_has_nothing_to_say_is_silent(binding in bindings(), moves in moves(), seed: u8) {
        let mut world = World::new(&binding, seed);
        for step in moves {
            for step in world.step(step) {
                match step {
                    Step::ClientPolled { after, sent: Sent::Wait, .. } => {
                        let mut client = after.clone();
                        prop_assert_eq!(client_poll(&mut client, world.now, &world.paper, AMPLE), Sent::Wait);
                        prop_assert!(client == after);
                    }
                    Step::ServicePolled { after, did: Did::Wait(deadline), .. } => {
                        let mut service = after.clone();
                        prop_assert_eq!(service_poll(&mut service, world.now, 0), Did::Wait(deadline));
                        prop_assert!(service == after);
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_wait_is_honest(binding in bindings(), moves in moves(), seed: u8, share in 0u64..1000) {
        let mut world = World::new(&binding, seed);
        for step in moves.into_iter().chain([Move::Run]) {
            for step in world.step(step) {
                match step {
                    // A client has no timer: it waits until it is told something, however long that takes.
                    Step::ClientPolled { after, sent: Sent::Wait, .. } => {
                        let mut client = after.clone();
                        let later = world.now.after(Duration::from_secs(share * 100));
                        prop_assert_eq!(client_poll(&mut client, later, &world.paper, AMPLE), Sent::Wait);
                        prop_assert!(client == after);
                    }
                    Step::ServicePolled { after, did: Did::Wait(Deadline::At(at)), .. } => {
                        prop_assert!(at > world.now, "a deadline in the past");
                        let left = at.as_millis() - world.now.as_millis();
                        let early = Instant::from_millis(world.now.as_millis() + (left - 1) * share / 999);
                        let mut service = after.clone();
                        prop_assert_eq!(service_poll(&mut service, early, AMPLE), Did::Wait(Deadline::At(at)));
                        prop_assert!(service == after, "a service changed before its deadline");
                        let then = service_poll(&mut service, at, AMPLE);
                        let later = match &then {
                            Did::Wait(next) => *next > Deadline::At(at),
                            _ => true,
                        };
                        prop_assert!(later, "nothing happened at the deadline: {:?}", then);
                    }
                    Step::ServicePolled { after, did: Did::Wait(Deadline::Never), .. } => {
                        let mut service = after.clone();
                        let later = world.now.after(Duration::from_secs(share * 100));
                        prop_assert_eq!(service_poll(&mut service, later, AMPLE), Did::Wait(Deadline::Never));
                        prop_assert_eq!(service.pending_sessions(), 0, "a session that is never swept");
                    }
                    _ => {}
                }
            }
        }
    }
}
