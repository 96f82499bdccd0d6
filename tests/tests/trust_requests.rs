//! What a service issues, and what it does not.

use soap_session_core::crypto::AlgorithmSuite;
use soap_session_core::secure::trust::RequestedKey;
use soap_session_core::secure::{
    AcceptorSettings, Binding, Failure, Incoming, InitiatorSettings, KeyEntropyMode, Received, Refusal,
};
use soap_session_tests::pair::{MIDNIGHT, Note, Pair};
use soap_session_tests::tampered_trust::Forger;

#[test]
fn each_entropy_mode_gives_both_sides_one_key() {
    for entropy in [KeyEntropyMode::Combined, KeyEntropyMode::Client, KeyEntropyMode::Server] {
        let binding = Binding { entropy, ..Binding::default() };
        let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
        pair.client.open().unwrap();
        pair.client.call(Note::request("urn:calc/Add", "<n/>")).unwrap();
        assert!(matches!(pair.run()[..], [(Received::Established, _), (Received::Reply(_), _)]), "{entropy:?}");
    }
}

#[test]
fn sides_that_disagree_on_the_entropy_have_no_session() {
    use KeyEntropyMode::{Client, Combined, Server};
    for (ours, theirs) in [
        (Combined, Client),
        (Combined, Server),
        (Client, Combined),
        (Client, Server),
        (Server, Combined),
        (Server, Client),
    ] {
        let binding = |entropy| Binding { entropy, ..Binding::default() };
        let mut pair = Pair::new(&binding(ours), InitiatorSettings::default(), AcceptorSettings::default(), 1);
        let other = Pair::new(&binding(theirs), InitiatorSettings::default(), AcceptorSettings::default(), 1);
        pair.service = other.service;
        pair.client.open().unwrap();
        let heard = pair.run();
        assert!(
            matches!(heard[..], [(Received::Failed(Failure::Unexpected | Failure::Fault(_)), _)]),
            "{ours:?} {theirs:?} {heard:?}"
        );
    }
}

#[test]
fn a_key_size_outside_the_suite_is_an_invalid_request() {
    // Least and greatest: WCF's table of suites.
    let suites = [
        (AlgorithmSuite::Basic256, 256),
        (AlgorithmSuite::Basic192, 192),
        (AlgorithmSuite::Basic128, 128),
        (AlgorithmSuite::TripleDes, 192),
    ];
    for (suite, least) in suites {
        for bits in [64, 120, 128, 136, 184, 192, 200, 248, 256, 264, 512, 131_072] {
            let binding = Forger::binding(Binding { suite, ..Binding::default() });
            let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
            let mut forger = Forger::new(binding, MIDNIGHT);
            let entropy = vec![3; (bits as usize / 8).min(64)];
            let request = forger.issue(pair.now, &RequestedKey { entropy_id: b"e", entropy: Some(&entropy), bits });
            let (incoming, status, text) = forger.ask(&mut pair.service, pair.now, request);
            if (least..=256).contains(&bits) {
                assert!(matches!(incoming, Incoming::Issued(_)), "{suite:?} {bits} {incoming:?}");
                assert_eq!(status, Some(200));
            } else {
                assert_eq!(
                    (incoming, status),
                    (Incoming::Refused(Refusal::InvalidTrustRequest), Some(500)),
                    "{suite:?} {bits}"
                );
                assert!(text.starts_with("secured: ") && text.contains("InvalidRequest"), "{text}");
                assert_eq!(pair.service.sessions(), 0);
            }
        }
    }
}

#[test]
fn entropy_that_is_no_key_is_an_invalid_request() {
    let binding = Forger::binding(Binding::default());
    let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
    let mut forger = Forger::new(binding, MIDNIGHT);
    for entropy in [None, Some(&[][..]), Some(&[1; 31][..]), Some(&[1; 33][..])] {
        let request = forger.issue(pair.now, &RequestedKey { entropy_id: b"e", entropy, bits: 256 });
        let (incoming, _, text) = forger.ask(&mut pair.service, pair.now, request);
        assert_eq!(incoming, Incoming::Refused(Refusal::InvalidTrustRequest), "{entropy:?}");
        assert!(text.starts_with("secured: ") && text.contains("InvalidRequest"), "{text}");
    }
    assert_eq!(pair.service.sessions(), 0);
}
