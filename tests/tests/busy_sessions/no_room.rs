//! One session is busy, as many as may be: what becomes of the others.

use super::bench::{Bench, create, fault, request};
use soap_session_core::reliable::{Heard, RmFaultKind, SendRefused, SessionError, SessionPhase, Shape, Told};
use soap_session_core::soap::FaultCode;
use soap_session_core::time::{Deadline, Duration};
use soap_session_tests::reliable_world::{Body, Payload};

const OFFERS: [&[u8]; 2] =
    [b"urn:uuid:00000000-0000-4000-8000-00000000000a", b"urn:uuid:00000000-0000-4000-8000-00000000000b"];

#[test]
fn a_request_gets_202_and_is_taken_when_it_comes_again() {
    let mut bench = Bench::new(Shape::RequestReply);
    let (first, first_sequence) = bench.opened(OFFERS[0]);
    let (second, second_sequence) = bench.opened(OFFERS[1]);
    assert_eq!(bench.acceptor.busy(), 0);
    let held = bench.busy(&first_sequence, 1);
    let before = bench.acceptor.clone();
    for _ in 0..3 {
        let (exchange, heard, session) = bench.hears(&request(&second_sequence, 1));
        assert_eq!((heard, session), (Heard::NoRoom, None));
        assert_eq!(bench.says(), [(exchange, None)], "HTTP's 202");
    }
    assert!(bench.acceptor == before, "no trace is left");
    assert_eq!(bench.acceptor.take(bench.now, first), Some(1));
    bench.acceptor.reply(first, 1, Payload::one_way("there")).expect("it waits");
    let said = bench.says();
    assert!(matches!(&said[..], [(exchange, Some(_))] if *exchange == held), "{said:?}");
    // The reply is not acknowledged yet: that alone keeps nobody busy.
    assert_eq!(bench.acceptor.busy(), 0);
    bench.busy(&second_sequence, 1);
    assert_eq!(bench.acceptor.take(bench.now, second), Some(1));
    // The reply is still there for a client that missed it.
    bench.acceptor.reply(second, 1, Payload::one_way("here")).expect("it waits");
    bench.says();
    let (exchange, heard, _) = bench.hears(&request(&first_sequence, 1));
    assert_eq!(heard, Heard::Duplicate);
    let said = bench.says();
    let [(to, Some(letter))] = &said[..] else { panic!("{said:?}") };
    assert_eq!(
        (*to, &letter.text[..], letter.sequence.as_ref().map(|place| place.1)),
        (exchange, &b"there"[..], Some(1))
    );
}

#[test]
fn a_new_sequence_is_refused_and_a_known_one_asks_again() {
    let mut bench = Bench::new(Shape::RequestReply);
    let (_, sequence) = bench.opened(OFFERS[0]);
    let (known, _) = bench.opened(OFFERS[1]);
    bench.busy(&sequence, 1);
    let before = bench.acceptor.clone();
    let (exchange, heard, session) = bench.hears(&create(OFFERS[1], b"http://service/"));
    assert_eq!((heard, session, bench.says()), (Heard::NoRoom, None, vec![(exchange, None)]));
    let stranger = b"urn:uuid:00000000-0000-4000-8000-00000000000c";
    let (_, heard, session) = bench.hears(&create(stranger, b"http://service/"));
    let (kind, code) = (RmFaultKind::ConnectionLimitReached, FaultCode::Receiver);
    assert_eq!((heard, session), (Heard::Refused(SessionError::Remote { kind: Some(kind), code }), None));
    let said = bench.says();
    assert!(
        matches!(&said[..], [(_, Some(letter))] if matches!(letter.body, Body::Fault(_, Some(said), _) if said == kind)),
        "{said:?}"
    );
    assert!(bench.acceptor == before, "no trace is left");
    assert!(bench.acceptor.session(known).is_some_and(|session| session.is_idle()));
}

#[test]
fn a_duplex_session_ends_its_sequence_when_there_is_room() {
    let mut bench = Bench::new(Shape::Duplex);
    let (first, sequence) = bench.opened(OFFERS[0]);
    let (second, _) = bench.opened(OFFERS[1]);
    bench.busy(&sequence, 1);
    let closed_at = bench.now;
    assert_eq!(bench.acceptor.close(bench.now, second), Ok(()));
    assert_eq!(bench.acceptor.session(second).map(|session| session.phase()), Some(SessionPhase::Closing));
    assert_eq!((bench.says(), bench.told()), (vec![], vec![]));
    assert_eq!(bench.acceptor.close(bench.now, second), Ok(()), "closing again changes nothing");
    // The first one is done: its message is taken and acknowledged.
    assert_eq!(bench.acceptor.take(bench.now, first), Some(1));
    bench.now = bench.now.after(Duration::from_millis(200));
    let said = bench.says();
    let [_, (_, Some(close))] = &said[..] else { panic!("{said:?}") };
    assert_eq!(close.body, Body::Close(OFFERS[1].to_vec(), None));
    assert!(bench.acceptor.session(second).is_some_and(|session| !session.is_idle()));
    // Closing ends in time, counted from when the application closed.
    bench.now = closed_at.after(Duration::from_secs(60));
    let told = bench.told();
    let timeout = Duration::from_secs(60);
    assert_eq!(told, [(second, Told::Ended(SessionError::CloseTimeout { timeout }))]);
}

#[test]
fn closing_ends_in_time_without_room() {
    for shape in [Shape::RequestReply, Shape::Duplex] {
        let mut bench = Bench::new(shape);
        let (_, sequence) = bench.opened(OFFERS[0]);
        let (second, _) = bench.opened(OFFERS[1]);
        bench.busy(&sequence, 1);
        assert_eq!(bench.acceptor.close(bench.now, second), Ok(()));
        bench.now = bench.now.after(Duration::from_millis(59_999));
        assert_eq!(bench.told(), []);
        bench.now = bench.now.after(Duration::from_millis(1));
        let timeout = Duration::from_secs(60);
        assert_eq!(bench.told(), [(second, Told::Ended(SessionError::CloseTimeout { timeout }))]);
    }
}

#[test]
fn the_other_side_is_told_of_the_end_when_there_is_room() {
    let mut bench = Bench::new(Shape::Duplex);
    let (first, sequence) = bench.opened(OFFERS[0]);
    let (second, _) = bench.opened(OFFERS[1]);
    bench.busy(&sequence, 1);
    assert_eq!(bench.acceptor.abort(second), Ok(()));
    assert_eq!(bench.told(), [(second, Told::Ended(SessionError::Aborted))]);
    assert_eq!(bench.says(), []);
    bench.acceptor.forget_spent();
    assert_eq!(bench.acceptor.session(second).map(|session| session.phase()), Some(SessionPhase::Closed));
    // A wait is honest: there is nothing to do for it before room is there.
    assert!(bench.acceptor.deadline() > Deadline::At(bench.now));
    assert_eq!(bench.acceptor.take(bench.now, first), Some(1));
    bench.now = bench.now.after(Duration::from_millis(200));
    let said = bench.says();
    let [_, (_, Some(letter))] = &said[..] else { panic!("{said:?}") };
    let Body::Fault(code, kind, _) = &letter.body else { panic!("{letter:?}") };
    assert_eq!((*code, *kind), (FaultCode::Receiver, Some(RmFaultKind::SequenceTerminated)));
    bench.acceptor.forget_spent();
    assert_eq!(bench.acceptor.len(), 1);
}

#[test]
fn an_idle_session_ends_by_silence_without_room() {
    for shape in [Shape::RequestReply, Shape::Duplex] {
        let mut bench = Bench::new(shape);
        let (_, sequence) = bench.opened(OFFERS[0]);
        let (second, _) = bench.opened(OFFERS[1]);
        bench.now = bench.now.after(Duration::from_secs(1));
        bench.busy(&sequence, 1);
        let timeout = Duration::from_secs(600);
        bench.now = bench.now.after(timeout - Duration::from_secs(1));
        bench.says();
        assert_eq!(bench.told(), [(second, Told::Ended(SessionError::Inactive { timeout }))], "{shape:?}");
        let error = bench.acceptor.session(second).and_then(|session| session.error());
        assert_eq!(error, Some(SessionError::Inactive { timeout }));
        bench.acceptor.forget_spent();
        // A duplex session has to tell it first.
        let left = if shape == Shape::Duplex { 2 } else { 1 };
        assert_eq!(bench.acceptor.len(), left, "{shape:?}");
    }
}

#[test]
fn a_fault_is_heard_without_room() {
    for shape in [Shape::RequestReply, Shape::Duplex] {
        let mut bench = Bench::new(shape);
        let (_, first_sequence) = bench.opened(OFFERS[0]);
        let (second, second_sequence) = bench.opened(OFFERS[1]);
        bench.busy(&first_sequence, 1);
        let (exchange, heard, session) = bench.hears(&fault(&second_sequence));
        let error = SessionError::Remote { kind: Some(RmFaultKind::SequenceTerminated), code: FaultCode::Sender };
        assert_eq!((heard, session), (Heard::Refused(error), Some(second)));
        let answers = if shape == Shape::Duplex { vec![] } else { vec![(exchange, None)] };
        assert_eq!(bench.says(), answers);
        assert_eq!(bench.told(), [(second, Told::Ended(error))]);
        bench.acceptor.forget_spent();
        assert_eq!(bench.acceptor.len(), 1);
    }
}

#[test]
fn what_an_application_says_without_room_comes_back() {
    let mut bench = Bench::new(Shape::Duplex);
    let (first, sequence) = bench.opened(OFFERS[0]);
    let (second, _) = bench.opened(OFFERS[1]);
    bench.busy(&sequence, 1);
    let before = bench.acceptor.clone();
    let message = Payload::one_way("hello");
    let refused = bench.acceptor.send(bench.now, second, message.clone());
    assert_eq!(refused, Err((message.clone(), SendRefused::Busy { limit: 1 })));
    assert_eq!(bench.acceptor.finish(second, 1), Err(SendRefused::Unknown));
    let refused = bench.acceptor.reply(second, 1, message.clone());
    assert_eq!(refused, Err((message.clone(), SendRefused::Unknown)));
    assert_eq!(bench.acceptor.take(bench.now, second), None);
    assert!(bench.acceptor == before, "no trace is left");
    // It does not stand in the way of the one that is busy.
    assert!(bench.acceptor.send(bench.now, first, message).is_ok());
}

#[test]
fn a_session_is_accepted_without_room() {
    let mut bench = Bench::new(Shape::RequestReply);
    let (_, sequence) = bench.opened(OFFERS[0]);
    let (_, _, id) = bench.hears(&create(OFFERS[1], b"http://service/"));
    bench.says();
    bench.busy(&sequence, 1);
    assert_eq!(bench.acceptor.pending(), 1);
    assert_eq!(bench.acceptor.accept(), id);
    assert_eq!((bench.told(), bench.acceptor.pending()), (vec![(id.expect("it is known"), Told::Opened)], 0));
}
