//! Cookie mode: tokens that carry their conversation's state, services that forget it, and what they make of cookies that are
//! not what they were. Sealed by the real key ring.

mod cache;
mod client;
mod over_transport;
mod refused;
mod world;

use soap_session_core::crypto::AlgorithmSuite;
use soap_session_core::secure::{
    AcceptorSettings, Binding, Bootstrap, Incoming, KeyEntropyMode, ProtectionOrder, Received, Refusal,
};
use soap_session_core::soap::{AddressingVersion, ScVersion, SoapVersion};
use soap_session_core::time::Instant;
use world::{Caller, Host, cookie_mode, ring};

fn bindings() -> Vec<Binding> {
    let mut list = Vec::new();
    for bootstrap in Bootstrap::ALL {
        let plain = Binding { bootstrap, ..cookie_mode() };
        list.extend([
            plain.clone(),
            Binding { version: ScVersion::V13, bsp: true, ..plain.clone() },
            Binding { suite: AlgorithmSuite::TripleDes, ..plain.clone() },
            Binding { suite: AlgorithmSuite::Basic128Sha256, ..plain.clone() },
            Binding { derived_keys: false, ..plain.clone() },
            Binding { entropy: KeyEntropyMode::Server, ..plain.clone() },
            Binding { entropy: KeyEntropyMode::Client, ..plain.clone() },
            Binding { order: ProtectionOrder::EncryptBeforeSign, ..plain.clone() },
            Binding { soap: SoapVersion::Soap11, addressing: AddressingVersion::August2004, ..plain },
        ]);
    }
    list
}

#[test]
fn a_token_outlives_its_service_in_every_binding() {
    let ring = ring("outlives", "http://localhost/calc");
    for binding in bindings() {
        let (mut client, mut now) = (Caller::new(&binding), Instant::from_millis(1000));
        let mut first = Host::new(&binding, AcceptorSettings::default(), Some(ring.clone()), 1);
        assert!(matches!(client.call(now, &mut first)[..], [Ok(Received::Established), Ok(Received::Reply(_))]));
        // Nothing was kept until the token was used.
        assert_eq!(first.machine.sessions(), 1);
        let token = client.machine.identifier().unwrap().to_vec();
        for seed in [2, 3] {
            now = Instant::from_millis(now.as_millis() + 60_000);
            let mut next = Host::new(&binding, AcceptorSettings::default(), Some(ring.clone()), seed);
            assert!(matches!(client.call(now, &mut next)[..], [Ok(Received::Reply(_))]), "{binding:?}");
            assert!(matches!(client.call(now, &mut next)[..], [Ok(Received::Reply(_))]));
            assert_eq!((next.machine.sessions(), next.opened()), (1, 1), "the second call is under a cached token");
        }
        assert_eq!(client.machine.identifier(), Some(token.as_slice()));
    }
}

#[test]
fn keys_are_derived_anew_for_every_message() {
    let ring = ring("anew", "http://localhost/calc");
    let (mut client, now) = (Caller::new(&cookie_mode()), Instant::from_millis(1000));
    let mut host = Host::new(&cookie_mode(), AcceptorSettings::default(), Some(ring), 1);
    client.call(now, &mut host);
    client.call(now, &mut host);
    let nonces = |messages: &[Vec<u8>]| {
        let mut all = Vec::new();
        for message in messages {
            let text = String::from_utf8_lossy(message).into_owned();
            let found: Vec<String> =
                text.split("Nonce>").skip(1).step_by(2).map(|rest| rest[..24].to_owned()).collect();
            assert_eq!(found.len(), 2);
            all.extend(found);
        }
        all.sort();
        let len = all.len();
        all.dedup();
        assert_eq!(all.len(), len, "no nonce comes twice");
    };
    nonces(&client.sent[1..]);
    nonces(&host.said[1..]);
}

#[test]
fn copies_are_refused_by_the_service_that_has_them_and_by_no_other() {
    let ring = ring("copies", "http://localhost/calc");
    let (mut client, now) = (Caller::new(&cookie_mode()), Instant::from_millis(1000));
    let mut host = Host::new(&cookie_mode(), AcceptorSettings::default(), Some(ring.clone()), 1);
    client.call(now, &mut host);
    let copy = client.sent.last().unwrap().clone();
    assert_eq!(host.hears(now, &copy).0, Incoming::Refused(Refusal::Replay));
    // As the documentation says: another process has not seen it.
    let mut other = Host::new(&cookie_mode(), AcceptorSettings::default(), Some(ring), 2);
    assert!(matches!(other.hears(now, &copy).0, Incoming::Request { .. }));
    assert_eq!(other.hears(now, &copy).0, Incoming::Refused(Refusal::Replay));
}
