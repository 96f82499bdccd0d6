//! Renewing a session's key: when, by whom, and how long the old one is good. The expectations are WCF's, from the
//! recordings `sc-renew-*` and its documented defaults.

use soap_session_core::secure::{
    AcceptorSettings, Binding, Bootstrap, Exchange, Failure, FaultSeen, Incoming, InitiatorPhase, InitiatorSettings,
    Received, Refusal,
};
use soap_session_core::soap::fault::KnownFault;
use soap_session_tests::pair::{MIDNIGHT, Note, Pair};
use soap_session_tests::tampered_trust::{Forger, answer_of};
use std::time::Duration;

fn note() -> Note {
    Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>")
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A pair after its first call.
fn opened(binding: &Binding, client: InitiatorSettings, service: AcceptorSettings) -> Pair {
    let mut pair = Pair::new(binding, client, service, 1);
    pair.client.open().unwrap();
    pair.client.call(note()).unwrap();
    assert_eq!(pair.run().len(), 2);
    pair
}

fn service(interval: u64) -> AcceptorSettings {
    AcceptorSettings { key_renewal_interval: seconds(interval), ..AcceptorSettings::default() }
}

/// Does a call so many milliseconds after the opening renew the key?
fn renews(service_interval: u64, after_ms: u64) -> bool {
    let mut pair = opened(&Binding::default(), InitiatorSettings::default(), service(service_interval));
    pair.wait(Duration::from_millis(after_ms));
    pair.client.call(note()).unwrap();
    let heard = pair.run();
    assert!(matches!(heard.last(), Some((Received::Reply(_), _))));
    matches!(heard[0].0, Received::Renewed)
}

#[test]
fn a_key_is_renewed_at_60_percent_of_its_lifetime_or_after_10_hours() {
    const HOUR: u64 = 3_600_000;
    // 60 % of WCF's 15 hours.
    assert!(!renews(15 * 3600, 9 * HOUR - 1) && renews(15 * 3600, 9 * HOUR));
    assert!(!renews(1000, 599_999) && renews(1000, 600_000));
    // 60 % of 20 hours are 12: the renewal interval is earlier.
    assert!(!renews(20 * 3600, 10 * HOUR - 1) && renews(20 * 3600, 10 * HOUR));
}

#[test]
fn the_service_takes_the_old_key_for_five_minutes_after_the_new_ones_first_use() {
    for binding in [Binding::default(), Binding::ws2007_http(Bootstrap::AnonymousForCertificate)] {
        for (after, taken) in [(299_999, true), (300_000, false)] {
            let late = InitiatorSettings { renewal_threshold_percent: 100, ..InitiatorSettings::default() };
            let mut pair = opened(&binding, late, service(1000));
            // A message under the old key is slow.
            pair.wait(seconds(999));
            let before = pair.client.clone();
            pair.client.call(note()).unwrap();
            let (_, mut message) = pair.client_sends().unwrap();
            pair.client = before;
            pair.wait(seconds(1));
            pair.client.call(note()).unwrap();
            assert!(matches!(pair.run()[..], [(Received::Renewed, _), (Received::Reply(_), _)]));
            pair.wait(Duration::from_millis(after));
            let incoming = pair.service_hears(Exchange(90), &mut message).unwrap();
            if taken {
                assert!(matches!(incoming, Incoming::Request { .. }), "{incoming:?}");
            } else {
                assert_eq!(incoming, Incoming::Refused(Refusal::UnknownSecurityContext));
                let (status, fault) = answer_of(&mut pair.service, pair.now, Exchange(90)).unwrap();
                let fault = String::from_utf8(fault).unwrap();
                assert_eq!(status, 500);
                // Not secured, and in February 2005's namespace whatever the binding's version.
                assert!(fault.contains("BadContextToken") && !fault.contains("Security>"), "{fault}");
                assert!(fault.contains("http://schemas.xmlsoap.org/ws/2005/02/sc\""), "{fault}");
            }
        }
    }
}

#[test]
fn the_client_takes_the_old_key_for_five_minutes_after_the_renewal() {
    for (after, taken) in [(299_999, true), (300_000, false)] {
        let mut pair = opened(&Binding::default(), InitiatorSettings::default(), service(1000));
        pair.client.call(note()).unwrap();
        let (slow, mut request) = pair.client_sends().unwrap();
        assert!(matches!(pair.service_hears(slow, &mut request).unwrap(), Incoming::Request { .. }));
        pair.wait(seconds(700));
        pair.client.call(note()).unwrap();
        let (renewal, mut request) = pair.client_sends().unwrap();
        assert!(matches!(pair.service_hears(renewal, &mut request).unwrap(), Incoming::Renewed(_)));
        let (_, _, mut answer) = pair.service_sends().unwrap();
        let received = pair.client.receive(pair.now, renewal, &pair.paper, &mut answer);
        assert!(matches!(received, Ok(Received::Renewed)));
        // The new key is not used yet: the service replies to the slow call under the old one.
        pair.wait(Duration::from_millis(after));
        pair.service.reply(slow, note()).unwrap();
        let (_, _, mut answer) = pair.service_sends().unwrap();
        let received = pair.client.receive(pair.now, slow, &pair.paper, &mut answer);
        assert_eq!(matches!(received, Ok(Received::Reply(_))), taken, "{received:?}");
        assert_eq!(received.is_err(), !taken);
    }
}

#[test]
fn five_renewed_keys_may_wait_for_their_first_use() {
    let binding = Forger::binding(Binding::default());
    let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
    let mut forger = Forger::new(binding, MIDNIGHT);
    let (id, held) = forger.session(&mut pair.service, pair.now, 1);
    for _ in 0..5 {
        let request = forger.renew(pair.now, &held, &held);
        let (incoming, status, _) = forger.ask(&mut pair.service, pair.now, request);
        assert_eq!((incoming, status), (Incoming::Renewed(id), Some(200)));
    }
    let request = forger.renew(pair.now, &held, &held);
    let (incoming, status, text) = forger.ask(&mut pair.service, pair.now, request);
    assert_eq!((incoming, status), (Incoming::Refused(Refusal::InvalidTrustRequest), Some(500)));
    assert!(text.starts_with("secured: ") && text.contains("InvalidRequest"), "{text}");
}

#[test]
fn renewed_keys_of_others_leave_room_for_one() {
    let binding = Forger::binding(Binding::default());
    let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
    let mut forger = Forger::new(binding, MIDNIGHT);
    let held: Vec<_> = (1..=4).map(|place| forger.session(&mut pair.service, pair.now, place)).collect();
    // Each session's first renewed key has a place of its own; all share six more.
    for (session, renewed) in [(0, 5), (1, 3), (2, 1), (3, 1)] {
        let (id, held) = &held[session];
        for _ in 0..renewed {
            let request = forger.renew(pair.now, held, held);
            assert_eq!(forger.ask(&mut pair.service, pair.now, request).0, Incoming::Renewed(*id));
        }
        let request = forger.renew(pair.now, held, held);
        let (incoming, status, _) = forger.ask(&mut pair.service, pair.now, request);
        assert_eq!((incoming, status), (Incoming::Refused(Refusal::InvalidTrustRequest), Some(500)), "{session}");
    }
    // What a session had goes with it.
    pair.service.close(held[0].0).unwrap();
    let request = forger.renew(pair.now, &held[3].1, &held[3].1);
    assert_eq!(forger.ask(&mut pair.service, pair.now, request).0, Incoming::Renewed(held[3].0));
}

#[test]
fn only_the_sessions_own_user_may_renew() {
    let binding = Forger::binding(Binding { bootstrap: Bootstrap::UserNameForCertificate, ..Binding::default() });
    let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
    let mut forger = Forger::new(binding, MIDNIGHT);
    forger.user = Some(("alice", "wonder"));
    let (id, held) = forger.session(&mut pair.service, pair.now, 1);
    for (user, wanted) in [("mallory", None), ("alice", Some(id)), ("alic", None), ("alice2", None)] {
        forger.user = Some((user, "wonder"));
        let request = forger.renew(pair.now, &held, &held);
        let (incoming, _, text) = forger.ask(&mut pair.service, pair.now, request);
        match wanted {
            Some(id) => assert_eq!(incoming, Incoming::Renewed(id)),
            None => {
                assert_eq!(incoming, Incoming::Refused(Refusal::InvalidTrustRequest), "{user}");
                assert!(text.starts_with("secured: ") && text.contains("InvalidRequest"), "{text}");
            }
        }
    }
}

#[test]
fn the_renew_target_has_to_be_the_endorsing_token() {
    let binding = Forger::binding(Binding::default());
    let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
    let mut forger = Forger::new(binding, MIDNIGHT);
    let (_, mine) = forger.session(&mut pair.service, pair.now, 1);
    let (_, other) = forger.session(&mut pair.service, pair.now, 2);
    let request = forger.renew(pair.now, &other, &mine);
    let (incoming, _, text) = forger.ask(&mut pair.service, pair.now, request);
    assert_eq!(incoming, Incoming::Refused(Refusal::InvalidTrustRequest));
    assert!(text.starts_with("secured: ") && text.contains("InvalidRequest"), "{text}");
    // Endorsed with a key that is not the session's: not even verified.
    let thief =
        soap_session_tests::tampered_trust::Held { identifier: other.identifier.clone(), key: mine.key.clone() };
    let request = forger.renew(pair.now, &other, &thief);
    let (incoming, _, text) = forger.ask(&mut pair.service, pair.now, request);
    assert!(matches!(incoming, Incoming::Refused(refusal) if refusal != Refusal::InvalidTrustRequest), "{incoming:?}");
    assert!(text.contains("InvalidSecurity"), "{text}");
}

/// A call whose key of ten minutes expires while its request is under way.
fn late(pair: &mut Pair) -> FaultSeen {
    pair.wait(seconds(359));
    pair.client.call(note()).unwrap();
    let (exchange, mut request) = pair.client_sends().unwrap();
    pair.wait(seconds(242));
    let incoming = pair.service_hears(exchange, &mut request).unwrap();
    assert_eq!(incoming, Incoming::Refused(Refusal::KeyExpired));
    pair.client_hears_fault(exchange)
}

#[test]
fn renew_needed_fails_the_call_and_renews_before_the_next() {
    let mut pair = opened(&Binding::default(), InitiatorSettings::default(), service(600));
    let fault = late(&mut pair);
    assert_eq!((fault.known, fault.secured), (Some(KnownFault::RenewNeeded), true));
    assert_eq!(pair.client.phase(), InitiatorPhase::Opened);
    pair.client.call(note()).unwrap();
    assert!(matches!(pair.run()[..], [(Received::Renewed, _), (Received::Reply(_), _)]));
}

#[test]
fn renew_needed_is_believed_whatever_the_clock_says() {
    // The client's clock is behind: it would not renew of itself.
    let mut pair = opened(&Binding::default(), InitiatorSettings::default(), service(600));
    pair.wait(seconds(620));
    let behind = MIDNIGHT.unix_ms_at_zero - 280_000;
    pair.client.set_wall(soap_session_core::time::Wall { unix_ms_at_zero: behind });
    pair.client.call(note()).unwrap();
    let heard = pair.run();
    assert!(matches!(heard[..], [(Received::Failed(Failure::Fault(_)), _)]), "{heard:?}");
    pair.client.call(note()).unwrap();
    assert!(matches!(pair.run()[..], [(Received::Renewed, _), (Received::Reply(_), _)]));
}

#[test]
fn a_renewed_key_expires_before_its_first_use_too() {
    let late = InitiatorSettings { renewal_threshold_percent: 100, ..InitiatorSettings::default() };
    let mut pair = opened(&Binding::default(), late, service(500));
    pair.wait(seconds(500));
    pair.client.call(note()).unwrap();
    let (renewal, mut request) = pair.client_sends().unwrap();
    assert!(matches!(pair.service_hears(renewal, &mut request).unwrap(), Incoming::Renewed(_)));
    let (_, _, mut answer) = pair.service_sends().unwrap();
    let received = pair.client.receive(pair.now, renewal, &pair.paper, &mut answer);
    assert!(matches!(received, Ok(Received::Renewed)));
    let (exchange, mut request) = pair.client_sends().unwrap();
    pair.wait(seconds(500));
    let incoming = pair.service_hears(exchange, &mut request).unwrap();
    assert_eq!(incoming, Incoming::Refused(Refusal::KeyExpired));
}

#[test]
fn a_client_that_may_not_renew_faults_when_it_would_have_to() {
    let never = InitiatorSettings { can_renew: false, ..InitiatorSettings::default() };
    let mut pair = opened(&Binding::default(), never, service(1000));
    pair.wait(seconds(600));
    pair.client.call(note()).unwrap();
    let failure = pair.client.poll(pair.now, &pair.paper, &mut []).unwrap_err();
    assert_eq!(failure, Failure::KeyExpired);
    assert_eq!(pair.client.phase(), InitiatorPhase::Faulted);
}

#[test]
fn a_service_that_may_not_renew_refuses_an_expired_key() {
    let never = AcceptorSettings { can_renew: false, ..service(600) };
    let mut pair = opened(&Binding::default(), InitiatorSettings::default(), never);
    let fault = late(&mut pair);
    assert_eq!((fault.known, fault.secured), (Some(KnownFault::InvalidSecurity), false));
    assert_eq!(pair.client.phase(), InitiatorPhase::Faulted);
}

/// A pair and a copy of its client, both a moment before the key has to be renewed.
fn twins() -> (Pair, soap_session_tests::pair::Client) {
    let mut pair = opened(&Binding::default(), InitiatorSettings::default(), service(1000));
    let twin = pair.client.clone();
    pair.wait(seconds(600));
    (pair, twin)
}

#[test]
fn only_the_current_key_endorses_a_renewal() {
    let (mut pair, old) = twins();
    pair.client.call(note()).unwrap();
    assert!(matches!(pair.run()[..], [(Received::Renewed, _), (Received::Reply(_), _)]));
    // The old key is still good for messages, and no longer for renewals.
    pair.wait(seconds(1));
    pair.client = old;
    pair.client.call(note()).unwrap();
    let heard = pair.run();
    let [(Received::Failed(Failure::Fault(fault)), _)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((fault.known, fault.secured), (Some(KnownFault::InvalidRequest), true));
}

#[test]
fn the_first_renewed_key_in_use_ends_the_others() {
    let (mut pair, mut twin) = twins();
    let mut calls = Vec::new();
    for _ in 0..2 {
        std::mem::swap(&mut pair.client, &mut twin);
        pair.wait(seconds(1));
        pair.client.call(note()).unwrap();
        let (renewal, mut request) = pair.client_sends().unwrap();
        assert!(matches!(pair.service_hears(renewal, &mut request).unwrap(), Incoming::Renewed(_)));
        let (_, _, mut answer) = pair.service_sends().unwrap();
        let received = pair.client.receive(pair.now, renewal, &pair.paper, &mut answer);
        assert!(matches!(received, Ok(Received::Renewed)));
        calls.push(pair.client_sends().unwrap());
    }
    let (_, mut first) = calls.remove(0);
    assert!(matches!(pair.service_hears(Exchange(90), &mut first).unwrap(), Incoming::Request { .. }));
    let (_, mut second) = calls.remove(0);
    let incoming = pair.service_hears(Exchange(91), &mut second).unwrap();
    assert_eq!(incoming, Incoming::Refused(Refusal::UnknownSecurityContext));
}
