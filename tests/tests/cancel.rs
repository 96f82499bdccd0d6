//! Ending a conversation: the confirmation waits for the service, and nobody ends another's.

use soap_session_core::secure::{
    AcceptorPhase, AcceptorSettings, Binding, Exchange, Failure, Incoming, InitiatorPhase, InitiatorSettings, Received,
    Refusal,
};
use soap_session_core::soap::fault::KnownFault;
use soap_session_tests::pair::{MIDNIGHT, Note, Pair};
use soap_session_tests::tampered_trust::Forger;
use std::time::Duration;

fn note() -> Note {
    Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>")
}

fn opened(service: AcceptorSettings) -> Pair {
    let mut pair = Pair::new(&Binding::default(), InitiatorSettings::default(), service, 1);
    pair.client.open().unwrap();
    pair.client.call(note()).unwrap();
    assert_eq!(pair.run().len(), 2);
    pair
}

#[test]
fn a_cancellation_is_held_until_the_service_closes() {
    let mut pair = opened(AcceptorSettings::default());
    pair.client.call(note()).unwrap();
    let (slow, mut request) = pair.client_sends().unwrap();
    assert!(matches!(pair.service_hears(slow, &mut request), Ok(Incoming::Request { .. })));
    let mut other = pair.client.clone();
    pair.client.close().unwrap();
    let (cancel, mut request) = pair.client_sends().unwrap();
    let Ok(Incoming::Cancelled(id)) = pair.service_hears(cancel, &mut request) else { panic!("not cancelled") };
    assert_eq!(pair.service.phase(id), Some(AcceptorPhase::Closing));
    assert!(pair.service_sends().is_none());
    pair.wait(Duration::from_secs(3600));
    assert!(pair.service_sends().is_none());
    // What was under way is still answered, what is new is not taken.
    pair.service.reply(slow, note()).unwrap();
    assert!(matches!(pair.service_sends(), Some((exchange, 200, _)) if exchange == slow));
    other.call(note()).unwrap();
    std::mem::swap(&mut pair.client, &mut other);
    let (_, mut request) = pair.client_sends().unwrap();
    std::mem::swap(&mut pair.client, &mut other);
    let incoming = pair.service_hears(Exchange(90), &mut request).unwrap();
    assert_eq!(incoming, Incoming::Refused(Refusal::UnknownSecurityContext));
    assert!(matches!(pair.service_sends(), Some((Exchange(90), 500, _))));
    // Closing twice is closing once.
    pair.service.close(id).unwrap();
    pair.service.close(id).unwrap();
    let (exchange, status, mut answer) = pair.service_sends().unwrap();
    assert_eq!((exchange, status), (cancel, 200));
    let received = pair.client.receive(pair.now, exchange, &pair.paper, &mut answer);
    assert_eq!(received, Ok(Received::Closed));
    assert_eq!((pair.service.sessions(), pair.service.phase(id)), (0, None));
    assert_eq!(pair.service.close(id), Err(soap_session_core::secure::Misuse::Unknown));
}

#[test]
fn after_the_cancellation_the_token_is_unknown() {
    let mut pair = opened(AcceptorSettings::default());
    let stale = pair.client.clone();
    pair.client.close().unwrap();
    assert!(matches!(pair.run()[..], [(Received::Closed, _)]));
    pair.client = stale;
    pair.client.call(note()).unwrap();
    let heard = pair.run();
    let [(Received::Failed(Failure::Fault(fault)), _)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((fault.known, fault.secured), (Some(KnownFault::BadContextToken), false));
    assert_eq!(pair.client.phase(), InitiatorPhase::Faulted);
}

#[test]
fn nobody_cancels_anothers_session() {
    let binding = Forger::binding(Binding::default());
    let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
    let mut forger = Forger::new(binding, MIDNIGHT);
    let (mine, my_token) = forger.session(&mut pair.service, pair.now, 1);
    let (theirs, their_token) = forger.session(&mut pair.service, pair.now, 2);
    let request = forger.cancel(pair.now, &their_token, &my_token);
    let (incoming, status, text) = forger.ask(&mut pair.service, pair.now, request);
    assert_eq!((incoming, status), (Incoming::Refused(Refusal::TokenMismatch), Some(500)));
    assert!(text.contains("InvalidSecurity"), "{text}");
    for session in [mine, theirs] {
        assert_eq!(pair.service.phase(session), Some(AcceptorPhase::Pending));
    }
    let request = forger.cancel(pair.now, &my_token, &my_token);
    let (incoming, status, _) = forger.ask(&mut pair.service, pair.now, request);
    assert_eq!((incoming, status), (Incoming::Cancelled(mine), None));
    assert_eq!(pair.service.phase(mine), Some(AcceptorPhase::Closing));
}

#[test]
fn a_refused_message_does_not_roll_the_key_over() {
    let short = AcceptorSettings { key_renewal_interval: Duration::from_secs(1000), ..AcceptorSettings::default() };
    let mut pair = opened(short);
    let mut old = pair.client.clone();
    pair.wait(Duration::from_secs(600));
    pair.client.call(note()).unwrap();
    let (renewal, mut request) = pair.client_sends().unwrap();
    assert!(matches!(pair.service_hears(renewal, &mut request), Ok(Incoming::Renewed(_))));
    let (_, _, mut answer) = pair.service_sends().unwrap();
    assert_eq!(pair.client.receive(pair.now, renewal, &pair.paper, &mut answer), Ok(Received::Renewed));
    let (late, mut message) = pair.client_sends().unwrap();
    // One who never heard of the new key cancels; a message under the new key comes too late.
    old.close().unwrap();
    pair.client = old;
    let (cancel, mut request) = pair.client_sends().unwrap();
    let Ok(Incoming::Cancelled(id)) = pair.service_hears(cancel, &mut request) else { panic!("not cancelled") };
    assert!(matches!(pair.service_hears(late, &mut message), Ok(Incoming::Refused(_))));
    assert!(matches!(pair.service_sends(), Some((exchange, 500, _)) if exchange == late));
    pair.service.close(id).unwrap();
    let (_, _, mut answer) = pair.service_sends().unwrap();
    assert_eq!(pair.client.receive(pair.now, cancel, &pair.paper, &mut answer), Ok(Received::Closed));
}

#[test]
fn an_unconfirmed_cancellation_closes_all_the_same() {
    let mut pair = opened(AcceptorSettings::default());
    pair.client.close().unwrap();
    let (exchange, _) = pair.client_sends().unwrap();
    assert_eq!(pair.client.exchange_failed(exchange), Some(Failure::CloseUnconfirmed));
    assert_eq!(pair.client.phase(), InitiatorPhase::Closed);
    assert!(pair.client_sends().is_none());
}

#[test]
fn an_aborted_session_answers_nobody() {
    let mut pair = opened(AcceptorSettings::default());
    pair.client.call(note()).unwrap();
    let (slow, mut request) = pair.client_sends().unwrap();
    let Ok(Incoming::Request { session, .. }) = pair.service_hears(slow, &mut request) else { panic!("no request") };
    pair.service.abort(session).unwrap();
    assert!(pair.service.reply(slow, note()).is_err());
    let action = pair.service.poll(pair.now, &mut []).unwrap();
    assert!(matches!(action, soap_session_core::secure::AcceptorAction::Drop(exchange) if exchange == slow));
    assert_eq!(pair.client.exchange_failed(slow), Some(Failure::NoAnswer));
    assert_eq!(pair.client.phase(), InitiatorPhase::Opened);
}
