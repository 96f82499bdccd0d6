//! Replies go to the calls that they belong to, whatever their order, and lack of room is no event.

use soap_session_core::chance::Chance;
use soap_session_core::secure::{
    AcceptorSettings, Binding, Bootstrap, Exchange, Failure, Incoming, InitiatorAction, InitiatorPhase,
    InitiatorSettings, Received, Refusal,
};
use soap_session_core::soap::SoapVersion;
use soap_session_tests::pair::{MIDNIGHT, Note, Pair, Service};
use std::time::Duration;

fn note(number: u32) -> Note {
    Note::request("urn:calc/Add", &format!("<n>{number}</n>"))
}

fn opened() -> Pair {
    let mut pair = Pair::new(&Binding::default(), InitiatorSettings::default(), AcceptorSettings::default(), 1);
    pair.client.open().unwrap();
    assert_eq!(pair.run().len(), 1);
    pair
}

/// Three calls that the service has taken and not answered.
fn three_calls(pair: &mut Pair) -> Vec<Exchange> {
    let calls = (0..3).map(|number| pair.client.call(note(number)).unwrap()).collect();
    while let Some((exchange, mut request)) = pair.client_sends() {
        assert!(matches!(pair.service_hears(exchange, &mut request), Ok(Incoming::Request { .. })));
    }
    calls
}

#[test]
fn replies_in_any_order_reach_their_calls() {
    let mut pair = opened();
    let calls = three_calls(&mut pair);
    for number in [2, 0, 1u32] {
        let call = calls[number as usize];
        pair.service.reply(call, note(number)).unwrap();
        assert!(pair.service.reply(call, note(number)).is_err(), "one reply a request");
        let (exchange, status, mut answer) = pair.service_sends().unwrap();
        assert_eq!((exchange, status), (call, 200));
        let received = pair.client.receive(pair.now, exchange, &pair.paper, &mut answer);
        let Ok(Received::Reply(opened)) = received else { panic!("{received:?}") };
        assert_eq!(opened.body.of(&answer), note(number).body.as_bytes());
        assert!(pair.service_sends().is_none());
    }
}

#[test]
fn a_reply_to_another_call_fails_both() {
    let mut pair = opened();
    let calls = three_calls(&mut pair);
    for number in [0, 1] {
        pair.service.reply(calls[number], note(0)).unwrap();
    }
    let (_, _, mut first) = pair.service_sends().unwrap();
    let (_, _, mut second) = pair.service_sends().unwrap();
    let unexpected = Ok(Received::Failed(Failure::Unexpected));
    assert_eq!(pair.client.receive(pair.now, calls[0], &pair.paper, &mut second), unexpected);
    assert_eq!(pair.client.receive(pair.now, calls[1], &pair.paper, &mut first), unexpected);
    assert_eq!((pair.client.calls(), pair.client.phase()), (1, InitiatorPhase::Opened));
}

#[test]
fn a_renewal_that_finds_no_room_has_not_begun() {
    let mut pair = opened();
    pair.wait(Duration::from_secs(9 * 3600));
    pair.client.call(note(0)).unwrap();
    let before = pair.client.clone();
    let mut little = [0; 100];
    let action = pair.client.poll(pair.now, &pair.paper, &mut little);
    assert!(matches!(action, Ok(InitiatorAction::Grow(_))));
    assert!(pair.client == before);
    assert_eq!(pair.client.phase(), InitiatorPhase::Opened);
    assert!(pair.client_sends().is_some());
    assert_eq!(pair.client.phase(), InitiatorPhase::Renewing);
}

/// Two clients with the same chance ask for the same key by the same MessageID, a second apart. Whatever the one is
/// answered the other can read, and only the confirmed signature tells that it was not meant.
#[test]
fn an_answer_that_confirms_another_signature_is_refused() {
    let mut pair = Pair::new(&Binding::default(), InitiatorSettings::default(), AcceptorSettings::default(), 1);
    pair.client.open().unwrap();
    let twin = pair.client.clone();
    let (exchange, mut request) = pair.client_sends().unwrap();
    assert!(matches!(pair.service_hears(exchange, &mut request), Ok(Incoming::Issued(_))));
    let (_, _, answer) = pair.service_sends().unwrap();
    assert_eq!(
        pair.client.receive(pair.now, exchange, &pair.paper, &mut answer.clone()),
        Ok(Received::Established),
        "its own"
    );
    pair.client = twin;
    pair.wait(Duration::from_secs(1));
    let (exchange, _) = pair.client_sends().unwrap();
    assert_eq!(
        pair.client.receive(pair.now, exchange, &pair.paper, &mut answer.clone()),
        Ok(Received::Failed(Failure::Refused(Refusal::Confirmation)))
    );
}

/// The same between two services: what renews another conversation, under the right key, renews nothing.
#[test]
fn an_answer_that_renews_another_conversation_is_refused() {
    // Username bootstraps confirm no signatures: nothing but the identifier can tell.
    let binding = Binding::ws2007_http(Bootstrap::UserNameForCertificate);
    let mut answers = Vec::new();
    let mut pairs = [2u8, 3].map(|seed| {
        let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
        let chance = Chance::new(&[seed; 32]);
        pair.service = Service::new(binding.clone(), AcceptorSettings::default(), MIDNIGHT, chance);
        pair.client.open().unwrap();
        assert_eq!(pair.run().len(), 1);
        pair
    });
    for pair in &mut pairs {
        pair.wait(Duration::from_secs(9 * 3600));
        pair.client.call(note(0)).unwrap();
        let (exchange, mut request) = pair.client_sends().unwrap();
        assert!(matches!(pair.service_hears(exchange, &mut request), Ok(Incoming::Renewed(_))));
        answers.push((exchange, pair.service_sends().unwrap().2));
    }
    let [first, second] = &mut pairs;
    let (exchange, answer) = &mut answers[0];
    let received = second.client.receive(second.now, *exchange, &second.paper, &mut answer.clone());
    assert_eq!(received, Ok(Received::Failed(Failure::Unexpected)), "the other's");
    assert_eq!(first.client.receive(first.now, *exchange, &first.paper, answer), Ok(Received::Renewed), "its own");
}

#[test]
fn an_action_that_needs_escaping_is_reported_as_it_is_meant() {
    for soap in [SoapVersion::Soap11, SoapVersion::Soap12] {
        let binding = Binding { soap, ..Binding::default() };
        let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
        pair.client.open().unwrap();
        pair.run();
        pair.client.call(Note::request("urn:calc?a=1&b=<2>", "<Add xmlns=\"urn:calc\"/>")).unwrap();
        let before = pair.client.clone();
        let mut out = vec![0; 20_000];
        let Ok(InitiatorAction::Transmit { action, message, .. }) = pair.client.poll(pair.now, &pair.paper, &mut out)
        else {
            panic!("nothing is sent");
        };
        // For SOAP 1.1's SOAPAction header, which is not XML.
        assert_eq!(action, b"urn:calc?a=1&b=<2>");
        assert!(String::from_utf8_lossy(message).contains(">urn:calc?a=1&amp;b=&lt;2&gt;</a:Action>"));
        // The action takes room of its own: what is said to be needed includes it.
        for room in 0..40 {
            let mut client = before.clone();
            let Ok(InitiatorAction::Grow(grow)) = client.poll(pair.now, &pair.paper, &mut vec![0; room]) else {
                panic!("no word of room");
            };
            assert!(client == before && grow.have == room);
            let mut out = vec![0; grow.needed];
            assert!(matches!(client.poll(pair.now, &pair.paper, &mut out), Ok(InitiatorAction::Transmit { .. })));
        }
    }
}
