//! Over is over: a client that is closed or faulted sends nothing, takes no calls and keeps no token.

use super::moves::{bindings, moves};
use super::world::{AMPLE, Sent, Step, World, client_poll};
use proptest::prelude::*;
use soap_session_core::secure::InitiatorPhase;
use soap_session_core::time::Duration;
use soap_session_tests::pair::{Client, Note};

fn is_over(client: &Client) -> bool {
    matches!(client.phase(), InitiatorPhase::Closed | InitiatorPhase::Faulted)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn over_is_over(binding in bindings(), moves in moves(), seed: u8) {
        let mut world = World::new(&binding, seed);
        let mut over = [false; 2];
        for step in moves {
            for step in world.step(step) {
                if let Step::ClientPolled { before, sent, .. } = step {
                    prop_assert!(!is_over(&before) || sent == Sent::Wait, "{:?}", sent);
                }
            }
            for (client, over) in world.clients.iter().zip(&mut over) {
                prop_assert!(!*over || is_over(client), "back from {:?}", client.phase());
                *over = is_over(client);
                if *over {
                    let mut client = client.clone();
                    prop_assert!(client.identifier().is_none() && client.calls() == 0);
                    prop_assert!(client.call(Note::request("urn:world/Say", "<n/>")).is_err());
                    prop_assert!(client.open().is_err());
                    let later = world.now.after(Duration::from_secs(3600));
                    prop_assert_eq!(client_poll(&mut client, later, &world.paper, AMPLE), Sent::Wait);
                }
            }
        }
    }
}
