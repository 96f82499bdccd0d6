//! A reliable session over tokens that carry their conversation: what it is bound to, when a token takes another's place, and
//! that a crowd does not push its token out.

use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{
    ReliableSessionId, ReliableSettings, RmVersion, SessionError, SessionPhase, Shape, Told,
};
use soap_session_core::secure::{
    Binding, Bootstrap, Initiator, InitiatorAction, InitiatorPhase, InitiatorSettings, Received, UserCredential,
};
use soap_session_core::session::ServiceAction;
use soap_session_core::time::Duration;
use soap_session_tests::pair::{MIDNIGHT, Note, Paper};
use soap_session_tests::session_pair::{Letter, SessionPair};

fn binding(bootstrap: Bootstrap) -> Binding {
    Binding { require_cancellation: false, ..Binding::ws2007_http(bootstrap) }
}

fn opened(shape: Shape, version: RmVersion, bootstrap: Bootstrap) -> SessionPair {
    let day = Duration::from_secs(86_400);
    let settings = ReliableSettings { version, inactivity_timeout: day, ..ReliableSettings::default() };
    let mut pair = SessionPair::new(shape, &settings, Some(&binding(bootstrap)), 3);
    pair.open();
    assert_eq!(pair.client_told, [Told::Opened]);
    pair
}

fn ask(pair: &mut SessionPair, number: usize) {
    pair.send(Letter::request("urn:n/Ask", &format!("<n xmlns=\"urn:n\">{number}</n>"))).expect("an open session");
    pair.run();
}

#[test]
fn it_opens_calls_and_closes_and_cancels_nothing() {
    for shape in [Shape::RequestReply, Shape::Duplex] {
        for version in [RmVersion::February2005, RmVersion::V11] {
            for bootstrap in [Bootstrap::AnonymousForCertificate, Bootstrap::UserNameForCertificate] {
                let mut pair = opened(shape, version, bootstrap);
                for number in 1..=5 {
                    ask(&mut pair, number);
                }
                assert!(pair.run_until(50, |pair| pair.replies.len() == 5), "{}", pair.story());
                assert_eq!(pair.service.conversations(), 1);
                assert!(pair.close() && pair.closed_well(), "{}", pair.story());
                assert_eq!(pair.client.conversation(), Some(InitiatorPhase::Closed));
                let cancels = |message: &[u8]| String::from_utf8_lossy(message).contains("/RST/SCT/Cancel");
                assert!(!pair.wire.iter().any(|(_, message)| cancels(message)));
            }
        }
    }
}

#[test]
fn a_users_session_goes_over_to_the_next_token() {
    for shape in [Shape::RequestReply, Shape::Duplex] {
        for version in [RmVersion::February2005, RmVersion::V11] {
            let mut pair = opened(shape, version, Bootstrap::UserNameForCertificate);
            ask(&mut pair, 1);
            assert!(pair.run_until(50, |pair| pair.replies.len() == 1), "{}", pair.story());
            // 60 % of ten hours, twice over.
            for number in [2, 3] {
                pair.now = pair.now.after(Duration::from_secs(6 * 3600));
                ask(&mut pair, number);
                assert!(pair.run_until(50, |pair| pair.replies.len() == number), "{}", pair.story());
                assert_eq!(pair.service.conversations(), number);
            }
            assert_eq!(pair.client.phase(), SessionPhase::Opened);
            assert!(pair.close() && pair.closed_well(), "{}", pair.story());
        }
    }
}

#[test]
fn a_nameless_clients_session_ends_with_its_token() {
    let mut pair = opened(Shape::RequestReply, RmVersion::V11, Bootstrap::AnonymousForCertificate);
    ask(&mut pair, 1);
    assert_eq!(pair.replies.len(), 1);
    pair.now = pair.now.after(Duration::from_secs(6 * 3600));
    ask(&mut pair, 2);
    pair.run_until(20, |pair| pair.client.phase().is_over());
    assert_eq!(pair.client.phase(), SessionPhase::Faulted, "{}", pair.story());
    assert!(matches!(pair.client.error(), Some(SessionError::Remote { .. })), "{:?}", pair.client.error());
    assert_eq!(pair.replies.len(), 1);
}

/// Another client gets a token and uses it.
fn somebody(pair: &mut SessionPair, seed: u8) {
    let binding = binding(Bootstrap::AnonymousForCertificate);
    let settings = InitiatorSettings::default();
    let chance = Chance::new(&[seed; 32]);
    let user = UserCredential::new("mallory", "wonder");
    let machine = Initiator::new(binding, settings, "http://localhost/calc", user, MIDNIGHT, chance);
    let mut machine: Initiator<Note, Chance, 1, 64> = machine.expect("a client");
    let paper = Paper::default();
    machine.open().expect("not opened yet");
    machine.call(Note::request("urn:n/Ask", "<n xmlns=\"urn:n\"/>")).expect("an open conversation");
    let mut out = vec![0; 32_768];
    for number in 0..2 {
        let polled = machine.poll(pair.now, &paper, &mut out).expect("a request");
        let InitiatorAction::Transmit { exchange, message, .. } = polled else { panic!("no request: {polled:?}") };
        let mut request = message.to_vec();
        let from = Exchange(1_000_000 + u32::from(seed) * 2 + number);
        pair.service.receive(pair.now, from, &paper, &mut request).expect("room");
        let mut answer = match pair.service.poll(pair.now, &mut out).expect("it can be written") {
            ServiceAction::Transmit { connection, message, .. } if connection == from => message.to_vec(),
            other => panic!("not its answer: {:.60}", format!("{other:?}")),
        };
        // The second is a fault: it has no sequence.
        let received = machine.receive(pair.now, exchange, &paper, &mut answer);
        assert!(number == 1 || received == Ok(Received::Established), "{received:?}");
    }
}

#[test]
fn a_crowd_does_not_push_its_token_out() {
    let mut pair = opened(Shape::Duplex, RmVersion::V11, Bootstrap::AnonymousForCertificate);
    // Its token is the oldest, and would be the first to go.
    pair.now = pair.now.after(Duration::from_secs(1));
    for seed in 10..40 {
        somebody(&mut pair, seed);
        assert!(pair.service.conversations() <= 8);
    }
    assert_eq!(pair.service.conversations(), 8);
    // The service has something to say before the client brings the token again.
    let letter = Letter::one_way("urn:n/Tell", "<n xmlns=\"urn:n\"/>");
    pair.service.send(pair.now, ReliableSessionId(1), letter).expect("an open session");
    pair.run();
    assert_eq!(pair.replies.len(), 1, "{}", pair.story());
    assert!(pair.close() && pair.closed_well(), "{}", pair.story());
}
