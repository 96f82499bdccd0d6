//! Any bytes are survived, by both machines in every state, and none of them is taken for a message.

use super::moves::{Move, bindings};
use super::world::{AMPLE, Sent, World, client_poll};
use proptest::prelude::*;
use soap_session_core::secure::{Exchange, Incoming, InitiatorPhase, Received};
use soap_session_tests::{Recording, vectors_root};
use std::sync::LazyLock;

/// What WCF's machines said to each other.
static RECORDED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    ["anon-cert", "sc-anon", "sc-user", "sc-anon-v13", "sc-mutual"]
        .iter()
        .filter(|name| vectors_root().join("wcf").join(name).is_dir())
        .filter_map(|name| Recording::open(&format!("wcf/{name}")).ok())
        .flat_map(|recording| recording.messages.into_iter().map(|message| message.bytes))
        .collect()
});

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let recorded =
        (any::<prop::sample::Index>(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4))
            .prop_map(|(which, changes)| {
                let mut bytes = which.get(&RECORDED).clone();
                for (at, byte) in changes {
                    let at = at.index(bytes.len().max(1));
                    if let Some(old) = bytes.get_mut(at) {
                        *old = byte;
                    }
                }
                bytes
            });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">[ -~]{0,80}</s:Envelope>"
            .prop_map(String::into_bytes),
        recorded,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_survived(binding in bindings(), seed: u8, opened: bool, mut bytes in bytes()) {
        prop_assert!(RECORDED.len() > 20, "the recordings are there");
        let mut world = World::new(&binding, seed);
        let _ = world.step(Move::Open(0));
        if opened {
            let _ = world.step(Move::Run);
            prop_assert_eq!(world.clients[0].phase(), InitiatorPhase::Opened);
        }
        let _ = world.step(Move::Call(0, true));
        let Sent::Message(exchange, _) = client_poll(&mut world.clients[0], world.now, &world.paper, AMPLE) else {
            return Err(TestCaseError::fail("nothing was sent"));
        };
        let sessions = world.service.sessions();
        let heard = world.service.receive(world.now, Exchange(77), &world.paper, &mut bytes.clone());
        prop_assert!(matches!(heard, Ok(Incoming::Refused(_))), "{:?}", heard);
        prop_assert_eq!(world.service.sessions(), sessions);
        let received = world.clients[0].receive(world.now, exchange, &world.paper, &mut bytes);
        prop_assert!(matches!(received, Ok(Received::Failed(_)) | Err(_)), "{:?}", received);
    }
}
