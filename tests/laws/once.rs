//! Said is heard at most once: requests by the service, replies by the call they belong to; every exchange has one answer.

use super::moves::{Move, bindings, moves};
use super::world::{Did, Step, World, text};
use proptest::prelude::*;
use soap_session_core::secure::Received;
use std::collections::BTreeSet;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_exchange_is_answered_once(binding in bindings(), moves in moves(), seed: u8) {
        let mut world = World::new(&binding, seed);
        let mut answered = BTreeSet::new();
        for step in moves.into_iter().chain([Move::Run]) {
            for step in world.step(step) {
                if let Step::ServicePolled { did: Did::Answer(exchange, ..) | Did::Drop(exchange), .. } = step {
                    prop_assert!(answered.insert(exchange), "{:?} twice", exchange);
                    prop_assert!(world.owed.remove(&exchange), "{:?} was not open", exchange);
                }
            }
        }
        prop_assert!(world.owed.is_empty(), "no answer: {:?}", world.owed);
    }

    #[test]
    fn a_request_is_delivered_once(binding in bindings(), moves in moves(), seed: u8) {
        let mut world = World::new(&binding, seed);
        // Where the transport protects the messages, WCF leaves copies to the transport too.
        let tells_copies = !binding.bootstrap.over_transport();
        for step in moves.into_iter().filter(|step| tells_copies || !matches!(step, Move::Again(_))) {
            let _ = world.step(step);
        }
        let different: BTreeSet<_> = world.delivered.iter().collect();
        prop_assert_eq!(different.len(), world.delivered.len(), "{:?}", world.delivered);
        prop_assert!(world.delivered.iter().all(|body| world.calls.values().any(|call| call == body)));
    }

    #[test]
    fn a_reply_goes_to_its_call_once(binding in bindings(), moves in moves(), seed: u8) {
        let mut world = World::new(&binding, seed);
        let mut replied = BTreeSet::new();
        for step in moves.into_iter().chain([Move::Run]) {
            for step in world.step(step) {
                if let Step::ClientHeard { client, exchange, received: Ok(Received::Reply(opened)), message } = step {
                    let body = text(opened.body, &message);
                    if opened.addressing.action.of(&message) == b"urn:world/SayResponse" {
                        prop_assert_eq!(world.calls.get(&(client, exchange)), Some(&body));
                    }
                    prop_assert!(replied.insert((client, exchange)), "{:?} twice", exchange);
                }
            }
        }
    }
}
