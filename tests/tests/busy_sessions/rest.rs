//! What a session is does not depend on whether it is busy.

use super::bench::{Bench, create, request};
use soap_session_core::reliable::{Heard, Range, Shape};
use soap_session_tests::reliable_world::{Ack, Body, Letter, Payload};

/// A whole request, from its letter to its reply.
fn call(bench: &mut Bench, sequence: &[u8], replies: &[u8], number: u64) -> Letter {
    // It acknowledges the reply before.
    let ranges = if number > 1 { vec![Range { lower: 1, upper: number - 1 }] } else { Vec::new() };
    let ack = Ack { identifier: replies.to_vec(), ranges, is_final: false, room: None };
    let (exchange, heard, id) = bench.hears(&Letter { ack: Some(ack), ..request(sequence, number) });
    assert_eq!(heard, Heard::Message { number });
    let id = id.expect("a session");
    assert_eq!(bench.acceptor.take(bench.now, id), Some(number));
    bench.acceptor.reply(id, number, Payload::one_way("there")).expect("it waits");
    let mut said = bench.says();
    assert_eq!((said.len(), said[0].0), (1, exchange));
    said.remove(0).1.expect("a reply")
}

#[test]
fn names_come_back_byte_for_byte() {
    let names = [
        "urn:uuid:00112233-4455-4677-8899-aabbccddeeff",
        "urn:uuid:00112233-4455-4677-8899-AABBCCDDEEFF",
        "URN:UUID:00112233-4455-4677-8899-aabbccddeeff",
        "uuid:00112233-4455-4677-8899-aabbccddeeff",
        "http://client/sequences/1",
        &format!("urn:{}", "long/".repeat(20)),
    ];
    let mut bench = Bench::new(Shape::RequestReply);
    let mut busy = 0;
    for name in names {
        // What is longer than a GUID's name with some prefix keeps its session busy.
        busy += usize::from(name.len() > 46);
        let (_, sequence) = bench.opened(name.as_bytes());
        assert_eq!(bench.acceptor.busy(), busy, "{name}");
        for number in 1..3 {
            let reply = call(&mut bench, &sequence, name.as_bytes(), number);
            assert_eq!(reply.sequence, Some((name.as_bytes().to_vec(), number, false)));
            assert_eq!(reply.ack.map(|ack| ack.identifier), Some(sequence.clone()));
        }
    }
    // The last one is busy, and asks for what it is.
    let sessions: Vec<_> = bench.acceptor.sessions().map(|session| (session.id(), session.is_idle())).collect();
    assert_eq!(sessions.iter().filter(|(_, idle)| !idle).count(), 1);
    // A name in other letters is another name: its session is none of these.
    let other = "urn:uuid:00112233-4455-4677-8899-aabbccddeefF";
    let (_, heard, _) = bench.hears(&create(other.as_bytes(), b"http://service/"));
    assert!(matches!(heard, Heard::Refused(_)), "there is no room for one more: {heard:?}");
}

#[test]
fn a_one_way_session_is_known_by_its_message_id() {
    let mut bench = Bench::new(Shape::OneWay);
    let (id, _) = bench.opened(b"");
    assert_eq!(bench.acceptor.busy(), 0);
    let (_, heard, again) = bench.hears(&create(b"", b"http://service/"));
    assert_eq!((heard, again, bench.acceptor.len()), (Heard::Protocol, Some(id), 1));
    bench.says();
    assert_eq!(bench.acceptor.busy(), 0);
}

#[test]
fn nine_addresses_are_one_too_many_to_be_idle() {
    let mut bench = Bench::new(Shape::RequestReply);
    let mut opened = Vec::new();
    for index in 0..9 {
        let offer = format!("urn:uuid:00000000-0000-4000-8000-00000000000{index}");
        let address = format!("http://service/{index}");
        let letter = create(offer.as_bytes(), address.as_bytes());
        let (_, heard, id) = bench.hears(&letter);
        assert_eq!(heard, Heard::Protocol);
        let said = bench.says();
        let [(_, Some(Letter { body: Body::Created(sequence, acks_to), .. }))] = &said[..] else { panic!("{said:?}") };
        assert_eq!(acks_to.as_deref(), Some(address.as_bytes()));
        opened.push((id.expect("a session"), letter, sequence.clone(), address));
        bench.acceptor.accept();
        bench.told();
        assert_eq!(bench.acceptor.busy(), index / 8);
    }
    // Each keeps its own: a repeated CreateSequence is answered as the first was. There is room for one at a time.
    let (last, ..) = opened.pop().expect("nine");
    assert_eq!(bench.acceptor.close(bench.now, last), Ok(()));
    assert_eq!(bench.acceptor.abort(last), Ok(()));
    bench.told();
    bench.acceptor.forget_spent();
    assert_eq!(bench.acceptor.busy(), 0);
    for (_, letter, sequence, address) in &opened {
        bench.hears(letter);
        let said = bench.says();
        let [(_, Some(Letter { body, .. }))] = &said[..] else { panic!("{said:?}") };
        assert_eq!(*body, Body::Created(sequence.clone(), Some(address.clone().into_bytes())));
        assert_eq!(bench.acceptor.busy(), 0);
    }
    // One that nobody has any more gives its place up.
    let (id, ..) = opened[3];
    assert_eq!(bench.acceptor.abort(id), Ok(()));
    bench.told();
    bench.acceptor.forget_spent();
    bench.hears(&create(b"urn:uuid:00000000-0000-4000-8000-000000000010", b"http://service/new"));
    bench.says();
    assert_eq!(bench.acceptor.busy(), 0);
    for (_, letter, sequence, address) in opened.iter().filter(|(known, ..)| *known != id) {
        bench.hears(letter);
        let said = bench.says();
        let [(_, Some(Letter { body, .. }))] = &said[..] else { panic!("{said:?}") };
        assert_eq!(*body, Body::Created(sequence.clone(), Some(address.clone().into_bytes())));
    }
}
