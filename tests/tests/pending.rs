//! Sessions that were issued and never used: how many there may be, and how long.

use soap_session_core::chance::Chance;
use soap_session_core::secure::{
    Acceptor, AcceptorAction, AcceptorPhase, AcceptorSettings, Binding, Exchange, Failure, Incoming, InitiatorPhase,
    InitiatorSettings, Received, Refusal, UserCredential,
};
use soap_session_core::soap::fault::KnownFault;
use soap_session_core::time::{Deadline, Instant};
use soap_session_tests::pair::{Client, MIDNIGHT, Note, Pair, Paper};
use std::time::Duration;

fn client(seed: u8) -> Client {
    let user = UserCredential::new("alice", "wonder");
    let chance = Chance::new(&[seed; 32]);
    let binding = Binding::default();
    Client::new(binding, InitiatorSettings::default(), "http://localhost/calc", user, MIDNIGHT, chance).unwrap()
}

fn pair(service: AcceptorSettings) -> Pair {
    Pair::new(&Binding::default(), InitiatorSettings::default(), service, 0)
}

/// Another client comes and opens; what it heard.
fn opens(pair: &mut Pair, seed: u8) -> Received {
    pair.client = client(seed);
    pair.client.open().unwrap();
    pair.run().remove(0).0
}

fn is_too_busy(received: &Received) -> bool {
    matches!(received, Received::Failed(Failure::Fault(fault)) if fault.known == Some(KnownFault::ServerTooBusy) && fault.secured)
}

#[test]
fn wcf_allows_128_pending_sessions() {
    let run = || {
        type Big = Acceptor<Note, Chance, 130, 2, 1024>;
        let mut service =
            Box::new(Big::new(Binding::default(), AcceptorSettings::default(), MIDNIGHT, Chance::new(&[9; 32])));
        let (now, paper, mut out) = (Instant::from_millis(0), Paper::default(), vec![0; 32_768]);
        for number in 0..129u32 {
            let mut client = client(number as u8);
            client.open().unwrap();
            let Ok(soap_session_core::secure::InitiatorAction::Transmit { message, .. }) =
                client.poll(now, &paper, &mut out)
            else {
                panic!("a request")
            };
            let incoming = service.receive(now, Exchange(number), &paper, &mut message.to_vec()).unwrap();
            if number < 128 {
                assert!(matches!(incoming, Incoming::Issued(_)), "{number}: {incoming:?}");
            } else {
                assert_eq!(incoming, Incoming::Refused(Refusal::TooManySessions { limit: 128 }));
            }
            assert!(matches!(service.poll(now, &mut out), Ok(AcceptorAction::Answer { .. })));
        }
        assert_eq!((service.sessions(), service.pending_sessions()), (128, 128));
    };
    // The machine is one value of many sessions: a test's stack is too small for it.
    std::thread::Builder::new().stack_size(64 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn the_client_hears_server_too_busy_under_its_bootstrap_and_a_used_session_makes_room() {
    let mut pair = pair(AcceptorSettings { max_pending_sessions: 2, ..AcceptorSettings::default() });
    assert_eq!(opens(&mut pair, 1), Received::Established);
    let first = pair.client.clone();
    assert_eq!(opens(&mut pair, 2), Received::Established);
    assert!(is_too_busy(&opens(&mut pair, 3)));
    assert_eq!(pair.client.phase(), InitiatorPhase::Faulted);
    pair.client = first;
    pair.client.call(Note::request("urn:calc/Add", "<n/>")).unwrap();
    assert!(matches!(pair.run()[..], [(Received::Reply(_), _)]));
    assert_eq!((pair.service.sessions(), pair.service.pending_sessions()), (2, 1));
    assert_eq!(opens(&mut pair, 4), Received::Established);
}

#[test]
fn an_unused_session_is_swept_after_two_to_four_minutes() {
    let mut pair = pair(AcceptorSettings::default());
    let start = pair.now;
    let at = |millis: u64| start.after(Duration::from_millis(millis));
    assert_eq!(opens(&mut pair, 1), Received::Established);
    assert_eq!(pair.service_waits(), Deadline::At(at(120_000)));
    pair.now = at(119_999);
    assert_eq!(opens(&mut pair, 2), Received::Established);
    pair.now = at(120_000);
    assert_eq!(pair.service_waits(), Deadline::At(at(240_000)));
    pair.now = at(239_999);
    assert_eq!(pair.service_waits(), Deadline::At(at(240_000)));
    assert_eq!((pair.service.sessions(), pair.service.pending_sessions()), (2, 2));
    pair.now = at(240_000);
    // 4 minutes for the first, 2 for the second.
    let mut swept = 0;
    while let AcceptorAction::Swept(_) = pair.service.poll(pair.now, &mut []).unwrap() {
        swept += 1;
    }
    assert_eq!((swept, pair.service.sessions()), (2, 0));
    assert_eq!(pair.service_waits(), Deadline::Never);
}

#[test]
fn a_used_session_is_never_swept_and_a_swept_one_is_unknown() {
    let mut pair = pair(AcceptorSettings::default());
    assert_eq!(opens(&mut pair, 1), Received::Established);
    let idle = pair.client.clone();
    assert_eq!(opens(&mut pair, 2), Received::Established);
    pair.wait(Duration::from_secs(121));
    assert!(matches!(pair.service_waits(), Deadline::At(_)));
    pair.client.call(Note::request("urn:calc/Add", "<n/>")).unwrap();
    assert!(matches!(pair.run()[..], [(Received::Reply(_), _)]));
    pair.wait(Duration::from_secs(3600));
    assert!(matches!(pair.service.poll(pair.now, &mut []), Ok(AcceptorAction::Swept(_))));
    pair.wait(Duration::from_secs(3600));
    assert_eq!((pair.service.sessions(), pair.service_waits()), (1, Deadline::Never));
    pair.client.call(Note::request("urn:calc/Add", "<n/>")).unwrap();
    assert!(matches!(pair.run()[..], [(Received::Reply(_), _)]));
    pair.client = idle;
    pair.client.call(Note::request("urn:calc/Add", "<n/>")).unwrap();
    let heard = pair.run();
    let [(Received::Failed(Failure::Fault(fault)), _)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((fault.known, fault.secured), (Some(KnownFault::BadContextToken), false));
    assert_eq!(pair.client.phase(), InitiatorPhase::Faulted);
}

#[test]
fn a_cancellation_of_a_session_that_the_sweep_took_is_refused() {
    let mut pair = pair(AcceptorSettings::default());
    assert_eq!(opens(&mut pair, 1), Received::Established);
    pair.client.close().unwrap();
    pair.wait(Duration::from_secs(120));
    let _ = pair.service_waits();
    pair.wait(Duration::from_secs(120));
    // An answer that does not fit keeps the service from telling what it swept.
    pair.service_hears(
        Exchange(80),
        &mut b"<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header/><s:Body/></s:Envelope>"
            .to_vec(),
    )
    .unwrap();
    assert!(matches!(pair.service.poll(pair.now, &mut []), Ok(AcceptorAction::Grow(_))));
    let (exchange, mut request) = pair.client_sends().unwrap();
    let incoming = pair.service_hears(exchange, &mut request).unwrap();
    assert_eq!(incoming, Incoming::Refused(Refusal::UnknownSecurityContext));
}

#[test]
fn a_full_table_of_sessions_refuses_and_recovers() {
    let mut pair = pair(AcceptorSettings::default());
    let mut sessions = Vec::new();
    for seed in 1..=8 {
        pair.client = client(seed);
        pair.client.open().unwrap();
        let (exchange, mut request) = pair.client_sends().unwrap();
        let Incoming::Issued(id) = pair.service_hears(exchange, &mut request).unwrap() else { panic!("{seed}") };
        assert_eq!(pair.service.phase(id), Some(AcceptorPhase::Pending));
        sessions.push(id);
        let _ = pair.service_sends().unwrap();
    }
    assert!(is_too_busy(&opens(&mut pair, 9)));
    assert!(is_too_busy(&opens(&mut pair, 10)));
    pair.service.abort(sessions[3]).unwrap();
    assert_eq!(opens(&mut pair, 11), Received::Established);
    assert!(is_too_busy(&opens(&mut pair, 12)));
}
