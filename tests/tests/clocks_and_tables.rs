//! Clocks that differ, copies of messages, and tables that are full.

use soap_session_core::secure::{
    AcceptorSettings, Binding, Exchange, Failure, Incoming, InitiatorPhase, InitiatorSettings, Misuse, Received,
    Refusal,
};
use soap_session_core::soap::fault::KnownFault;
use soap_session_core::time::Wall;
use soap_session_tests::pair::{MIDNIGHT, Note, Pair};
use std::time::Duration;

fn note() -> Note {
    Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>")
}

fn pair() -> Pair {
    Pair::new(&Binding::default(), InitiatorSettings::default(), AcceptorSettings::default(), 1)
}

fn opened() -> Pair {
    let mut pair = pair();
    pair.client.open().unwrap();
    pair.client.call(note()).unwrap();
    assert_eq!(pair.run().len(), 2);
    pair
}

fn off(minutes: i64) -> Wall {
    Wall { unix_ms_at_zero: MIDNIGHT.unix_ms_at_zero + minutes * 60_000 }
}

#[test]
fn clocks_four_minutes_apart_do_and_ten_do_not() {
    // From the recordings of WCF with its client's clock off.
    for minutes in [-4, 4] {
        let mut pair = pair();
        pair.client.set_wall(off(minutes));
        pair.client.open().unwrap();
        pair.client.call(note()).unwrap();
        assert!(matches!(pair.run()[..], [(Received::Established, _), (Received::Reply(_), _)]), "{minutes}");
    }
    for minutes in [-11, -10, 10, 11] {
        let mut pair = pair();
        pair.client.set_wall(off(minutes));
        pair.client.open().unwrap();
        // The message was a moment under way.
        let (exchange, mut request) = pair.client_sends().unwrap();
        pair.wait(Duration::from_millis(1));
        let Ok(Incoming::Refused(refusal)) = pair.service_hears(exchange, &mut request) else { panic!("{minutes}") };
        match minutes {
            ..0 => assert!(matches!(refusal, Refusal::Stale { .. } | Refusal::Expired { .. }), "{minutes} {refusal:?}"),
            _ => assert!(matches!(refusal, Refusal::FromTheFuture { .. }), "{minutes} {refusal:?}"),
        }
        let fault = pair.client_hears_fault(exchange);
        assert_eq!((fault.known, fault.secured), (Some(KnownFault::InvalidSecurity), false));
        assert_eq!(pair.client.phase(), InitiatorPhase::Faulted);
    }
}

#[test]
fn a_clock_that_is_set_during_a_session_ends_calls_but_not_the_session() {
    let mut pair = opened();
    pair.service.set_wall(off(10));
    pair.client.call(note()).unwrap();
    let (exchange, mut request) = pair.client_sends().unwrap();
    pair.wait(Duration::from_millis(1));
    assert!(matches!(pair.service_hears(exchange, &mut request), Ok(Incoming::Refused(_))));
    let _ = pair.service_sends();
    assert_eq!(pair.client.exchange_failed(exchange), Some(Failure::NoAnswer));
    pair.service.set_wall(off(4));
    pair.client.call(note()).unwrap();
    assert!(matches!(pair.run()[..], [(Received::Reply(_), _)]));
}

#[test]
fn copies_are_refused_and_the_session_goes_on() {
    let mut pair = pair();
    pair.client.open().unwrap();
    let (exchange, request) = pair.client_sends().unwrap();
    assert!(matches!(pair.service_hears(exchange, &mut request.clone()), Ok(Incoming::Issued(_))));
    let copy = pair.service_hears(Exchange(90), &mut request.clone());
    assert_eq!(copy, Ok(Incoming::Refused(Refusal::Replay)));
    let (_, _, mut answer) = pair.service_sends().unwrap();
    assert_eq!(pair.client.receive(pair.now, exchange, &pair.paper, &mut answer), Ok(Received::Established));
    // WCF answers a byte copy with InvalidSecurity.
    let (_, status, fault) = pair.service_sends().unwrap();
    assert_eq!(status, 500);
    assert!(String::from_utf8(fault).unwrap().contains("InvalidSecurity"));
    pair.client.call(note()).unwrap();
    let (exchange, request) = pair.client_sends().unwrap();
    assert!(matches!(pair.service_hears(exchange, &mut request.clone()), Ok(Incoming::Request { .. })));
    // As long as its age would be accepted.
    for _ in 0..3 {
        let copy = pair.service_hears(Exchange(91), &mut request.clone());
        assert_eq!(copy, Ok(Incoming::Refused(Refusal::Replay)));
        let _ = pair.service_sends();
        pair.wait(Duration::from_secs(199));
    }
    pair.wait(Duration::from_secs(4));
    let copy = pair.service_hears(Exchange(91), &mut request.clone());
    assert!(matches!(copy, Ok(Incoming::Refused(Refusal::Stale { .. } | Refusal::Expired { .. }))), "{copy:?}");
    let _ = pair.service_sends();
    pair.service.reply(exchange, note()).unwrap();
    let (_, _, answer) = pair.service_sends().unwrap();
    let first = pair.client.receive(pair.now, exchange, &pair.paper, &mut answer.clone());
    assert!(matches!(first, Ok(Received::Reply(_))));
    let second = pair.client.receive(pair.now, exchange, &pair.paper, &mut answer.clone());
    assert_eq!(second, Ok(Received::Failed(Failure::Unexpected)));
    // As the answer to another call it is a replay.
    let next = pair.client.call(note()).unwrap();
    let _ = pair.client_sends().unwrap();
    let third = pair.client.receive(pair.now, next, &pair.paper, &mut answer.clone());
    assert_eq!(third, Err(Refusal::Replay));
    pair.client.call(note()).unwrap();
    assert!(matches!(pair.run()[..], [(Received::Reply(_), _)]));
}

#[test]
fn a_clock_set_ahead_and_back_does_not_make_copies_fresh() {
    let mut pair = opened();
    pair.client.call(note()).unwrap();
    let (exchange, request) = pair.client_sends().unwrap();
    assert!(matches!(pair.service_hears(exchange, &mut request.clone()), Ok(Incoming::Request { .. })));
    // An hour ahead, and a message from there: the calendar says that the first has long run out.
    for clock in [off(60), off(0)] {
        pair.client.set_wall(clock);
        pair.service.set_wall(clock);
        pair.client.call(note()).unwrap();
        let (exchange, mut other) = pair.client_sends().unwrap();
        assert!(matches!(pair.service_hears(exchange, &mut other), Ok(Incoming::Request { .. })));
    }
    let copy = pair.service_hears(Exchange(90), &mut request.clone());
    assert_eq!(copy, Ok(Incoming::Refused(Refusal::Replay)));
}

#[test]
fn a_full_table_of_calls_refuses_and_recovers() {
    let mut pair = opened();
    for _ in 0..4 {
        pair.client.call(note()).unwrap();
    }
    let before = pair.client.clone();
    let (returned, misuse) = pair.client.call(note()).unwrap_err();
    assert_eq!((returned, misuse), (note(), Misuse::TooManyCalls { limit: 4 }));
    assert!(pair.client == before);
    assert_eq!(pair.run().len(), 4);
    assert_eq!(pair.client.calls(), 0);
    pair.client.call(note()).unwrap();
    assert_eq!(pair.run().len(), 1);
}

#[test]
fn a_full_table_of_exchanges_refuses_and_recovers() {
    let mut pair = opened();
    for number in 0..8 {
        let incoming = pair.service_hears(Exchange(100 + number), &mut b"no message".to_vec());
        assert!(matches!(incoming, Ok(Incoming::Refused(Refusal::Xml(_)))), "{incoming:?}");
    }
    pair.client.call(note()).unwrap();
    let (exchange, mut request) = pair.client_sends().unwrap();
    let before = pair.service.clone();
    let refused = pair.service_hears(exchange, &mut request);
    assert_eq!(refused, Err(Misuse::TooManyCalls { limit: 8 }));
    assert!(pair.service == before);
    let (first, status, message) = pair.service_sends().unwrap();
    assert_eq!((first, status, message.len()), (Exchange(100), 400, 0));
    assert!(matches!(pair.service_hears(exchange, &mut request), Ok(Incoming::Request { .. })));
    assert!(matches!(pair.service_hears(Exchange(120), &mut []), Err(Misuse::TooManyCalls { .. })));
    pair.service.exchange_failed(Exchange(101));
    assert!(pair.service_hears(Exchange(120), &mut []).is_ok());
}

#[test]
fn a_full_replay_table_takes_nothing_until_its_oldest_runs_out() {
    let mut pair = opened();
    // 64 signatures, two of which opened the conversation and made the first call.
    for _ in 0..62 {
        pair.client.call(note()).unwrap();
        let (exchange, mut request) = pair.client_sends().unwrap();
        assert!(matches!(pair.service_hears(exchange, &mut request), Ok(Incoming::Request { .. })));
        pair.service.exchange_failed(exchange);
        let _ = pair.client.exchange_failed(exchange);
    }
    for (wait, taken) in [(0, false), (899_999, false), (1, true)] {
        pair.wait(Duration::from_millis(wait));
        pair.client.call(note()).unwrap();
        let (exchange, mut request) = pair.client_sends().unwrap();
        let incoming = pair.service_hears(exchange, &mut request).unwrap();
        if taken {
            assert!(matches!(incoming, Incoming::Request { .. }), "{incoming:?}");
        } else {
            assert_eq!(incoming, Incoming::Refused(Refusal::ReplayTableFull { capacity: 64 }));
        }
        pair.service.exchange_failed(exchange);
        let _ = pair.client.exchange_failed(exchange);
    }
}
