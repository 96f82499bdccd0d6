//! Replies go to the calls that they belong to, whatever their order, and lack of room is no event.

use soap_session_core::secure::{
    AcceptorSettings, Binding, Exchange, Failure, Incoming, InitiatorAction, InitiatorPhase, InitiatorSettings,
    Received,
};
use soap_session_tests::pair::{Note, Pair};
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
