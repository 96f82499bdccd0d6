//! A refusal leaves no trace, but for the answer that it owes and the signature of a message that was verified.

use super::moves::{bindings, moves};
use super::world::{Step, World};
use proptest::prelude::*;
use soap_session_core::secure::{Exchange, Incoming, Refusal};
use soap_session_tests::pair::{Paper, Service};

/// The service once time has done its part: a message that is none at all makes it look at the clock and nothing else.
fn timed(service: &Service, world: &World) -> Service {
    let mut service = service.clone();
    let nobody = Exchange(u32::MAX);
    let heard = service.receive(world.now, nobody, &Paper::default(), &mut []);
    assert!(matches!(heard, Ok(Incoming::Refused(_)) | Err(_)), "{heard:?}");
    service.exchange_failed(nobody);
    service
}

/// Everything that can be seen but the signatures that were remembered.
fn books(service: &Service) -> String {
    let text = format!("{service:?}");
    let (head, tail) = text.split_once("replay: ReplayTable").expect("a replay table");
    let (_, tail) = tail.split_once("next_session").expect("what follows it");
    format!("{head}{tail}")
}

/// Found out only after the message was verified and its signature remembered.
fn is_late(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::KeyExpired
            | Refusal::TooManySessions { .. }
            | Refusal::InvalidTrustRequest
            | Refusal::TokenMismatch
            | Refusal::UnknownSecurityContext
            | Refusal::Missing(_)
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_refusal_leaves_no_trace(binding in bindings(), moves in moves(), seed: u8) {
        let mut world = World::new(&binding, seed);
        for step in moves {
            for step in world.step(step) {
                match step {
                    Step::ServiceHeard { before, after, exchange, heard: Ok(Incoming::Refused(refusal)), .. } => {
                        let before = timed(&before, &world);
                        let mut after = *after;
                        after.exchange_failed(exchange);
                        if is_late(&refusal) {
                            prop_assert_eq!(books(&before), books(&after), "{:?}", refusal);
                        } else if refusal == Refusal::Replay {
                            // What ran out of the replay table went when it was asked.
                            prop_assert_eq!(books(&before), books(&after));
                        } else {
                            prop_assert!(before == after, "{:?}", refusal);
                        }
                    }
                    Step::ServiceHeard { before, after, heard: Err(_), .. } => prop_assert!(before == after),
                    Step::ClientTold { before, after, misuse: Some(_) } => prop_assert!(before == after),
                    _ => {}
                }
            }
        }
    }
}
