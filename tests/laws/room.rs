//! Too little room changes nothing: asked again with enough, a machine says what it would have said at once.

use super::moves::{bindings, moves};
use super::world::{AMPLE, Did, Sent, Step, World, client_poll, service_poll};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn too_little_room_changes_nothing(binding in bindings(), moves in moves(), seed: u8, share in 0usize..1000) {
        let mut world = World::new(&binding, seed);
        for step in moves {
            for step in world.step(step) {
                match step {
                    Step::ClientPolled { before, after, sent: Sent::Message(exchange, message) } => {
                        let mut client = before.clone();
                        let less = message.len().saturating_sub(1) * share / 1000;
                        let Sent::Grow(needed) = client_poll(&mut client, world.now, &world.paper, less) else {
                            return Err(TestCaseError::fail("no Grow"));
                        };
                        prop_assert!(client == before, "a client changed for lack of room");
                        prop_assert!((message.len()..=AMPLE).contains(&needed), "{} for {}", needed, message.len());
                        let again = client_poll(&mut client, world.now, &world.paper, needed);
                        prop_assert!(again == Sent::Message(exchange, message), "{:?}", again);
                        prop_assert!(client == after);
                    }
                    Step::ServicePolled { before, after, did: Did::Answer(exchange, status, message) } => {
                        if message.is_empty() {
                            continue;
                        }
                        let mut service = before.clone();
                        // The sweep is time's work, not the message's.
                        let _ = service_poll(&mut service, world.now, 0);
                        let swept = service.clone();
                        let less = message.len().saturating_sub(1) * share / 1000;
                        let Did::Grow(needed) = service_poll(&mut service, world.now, less) else {
                            return Err(TestCaseError::fail("no Grow"));
                        };
                        prop_assert!(service == swept, "a service changed for lack of room");
                        prop_assert!((message.len()..=AMPLE).contains(&needed), "{} for {}", needed, message.len());
                        let again = service_poll(&mut service, world.now, needed);
                        prop_assert!(again == Did::Answer(exchange, status, message), "{:?}", again);
                        prop_assert!(service == after);
                    }
                    _ => {}
                }
            }
        }
    }
}
