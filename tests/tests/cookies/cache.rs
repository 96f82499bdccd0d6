//! What a service keeps: so many tokens that were used, and who goes when there are too many.

use super::world::{Caller, Encoder, Host, cookie_mode, ring};
use soap_session_core::secure::{AcceptorSettings, Exchange, Incoming, Received, Refusal, SessionId};
use soap_session_core::time::{Duration, Instant};

const START: Instant = Instant::from_millis(1000);

fn host(encoder: &Encoder, max_cached_cookies: u16) -> Host {
    let settings = AcceptorSettings {
        max_cached_cookies,
        issued_cookie_lifetime: Duration::from_secs(1000),
        ..AcceptorSettings::default()
    };
    Host::new(&cookie_mode(), settings, Some(encoder.clone()), 1)
}

/// Clients with tokens of their own, each issued a second after the one before; none was used.
fn clients(host: &mut Host, count: u8) -> Vec<Caller> {
    (0..count)
        .map(|seed| {
            let now = START.after(Duration::from_secs(u64::from(seed)));
            let mut client = Caller::seeded(&cookie_mode(), Default::default(), seed);
            let (exchange, message) = client.sends(now).unwrap();
            let (incoming, _, answer) = host.hears(now, &message);
            assert!(matches!(incoming, Incoming::Issued(_)));
            assert!(matches!(client.hears(now, exchange, &answer), Ok(Received::Established)));
            client
        })
        .collect()
}

/// Calls; did the cookie have to be opened?
fn opens(client: &mut Caller, host: &mut Host, now: Instant) -> bool {
    let before = host.opened();
    assert!(matches!(client.call(now, host)[..], [Ok(Received::Reply(_))]));
    host.opened() > before
}

#[test]
fn a_token_is_cached_by_its_first_use_and_by_none_before() {
    let encoder = ring("first-use", "calc");
    let mut host = host(&encoder, 1000);
    let mut clients = clients(&mut host, 3);
    assert_eq!((host.machine.sessions(), host.machine.pending_sessions()), (0, 0));
    let now = START.after(Duration::from_secs(10));
    assert!(opens(&mut clients[1], &mut host, now) && !opens(&mut clients[1], &mut host, now));
    assert_eq!((host.machine.sessions(), host.machine.pending_sessions()), (1, 0));
    // WCF's limit on tokens that were issued and not used is for sessions.
    let settings = AcceptorSettings { max_pending_sessions: 0, ..AcceptorSettings::default() };
    let mut strict = Host::new(&cookie_mode(), settings, Some(encoder), 2);
    assert_eq!(super::cache::clients(&mut strict, 2).len(), 2);
}

#[test]
fn a_full_cache_gives_up_the_fifth_that_expires_first_and_they_come_back() {
    let encoder = ring("fifth", "calc");
    // The table of these tests has room for eight: a fifth is one.
    for (limit, room) in [(1000, 8), (5, 5), (1, 1), (0, 1)] {
        let mut host = host(&encoder, limit);
        let mut clients = clients(&mut host, 9);
        let now = START.after(Duration::from_secs(10));
        for at in [8, 7, 6, 5, 4, 3, 2, 1] {
            assert!(opens(&mut clients[at], &mut host, now));
            assert!(host.machine.sessions() <= room);
        }
        assert_eq!(host.machine.sessions(), room);
        if room == 8 {
            // One more, and the one that was issued first has gone, whoever came first here.
            assert!(opens(&mut clients[0], &mut host, now));
            assert!(!opens(&mut clients[0], &mut host, now));
            assert!(!opens(&mut clients[8], &mut host, now));
            assert!(opens(&mut clients[1], &mut host, now));
        }
        for client in &mut clients {
            opens(client, &mut host, now);
            assert_eq!(host.machine.sessions(), room);
        }
    }
}

#[test]
fn those_whose_time_is_over_go_first() {
    let encoder = ring("over", "calc");
    let mut host = host(&encoder, 1000);
    let mut old = clients(&mut host, 8);
    let now = START.after(Duration::from_secs(10));
    for client in &mut old {
        assert!(opens(client, &mut host, now));
    }
    // The first five are over: they were issued at 0, 1, 2, 3 and 4 seconds, for 1000.
    let now = START.after(Duration::from_millis(1_004_500));
    let mut new = Caller::seeded(&cookie_mode(), Default::default(), 77);
    let (exchange, message) = new.sends(now).unwrap();
    let (_, _, answer) = host.hears(now, &message);
    new.hears(now, exchange, &answer).unwrap();
    assert!(opens(&mut new, &mut host, now));
    assert_eq!(host.machine.sessions(), 4);
}

#[test]
fn a_token_that_is_owed_an_answer_stays() {
    let encoder = ring("owed", "calc");
    let mut host = host(&encoder, 2);
    let mut clients = clients(&mut host, 4);
    let now = START.after(Duration::from_secs(10));
    let mut waiting = Vec::new();
    for client in &mut clients[..2] {
        client.asks();
        let (theirs, message) = client.sends(now).unwrap();
        let (ours, incoming) = host.takes(now, &message);
        let Incoming::Request { session, .. } = incoming else { panic!("{incoming:?}") };
        waiting.push((theirs, ours, session));
    }
    assert_ne!(waiting[0].2, waiting[1].2);
    // Nobody can go: there is no room for a third, and it is told so before its message is opened.
    let third = clients[2].request(now);
    let (incoming, status, answer) = host.hears(now, &third);
    assert_eq!(incoming, Incoming::Refused(Refusal::TooManySessions { limit: 2 }));
    assert_eq!((status, answer.len(), host.machine.sessions()), (503, 0, 2));
    // One is answered, and goes though it expires last: the other is still owed its answer.
    let reply = |host: &mut Host, at: usize, clients: &mut [Caller]| {
        let (theirs, ours, _): (Exchange, Exchange, SessionId) = waiting[at];
        let note = soap_session_tests::pair::Note::request("urn:calc/AddResponse", "<AddResponse/>");
        host.machine.reply(ours, note).unwrap();
        let (status, answer) = host.answers(now).unwrap();
        assert_eq!(status, 200);
        assert!(matches!(clients[at].hears(now, theirs, &answer), Ok(Received::Reply(_))));
    };
    reply(&mut host, 1, &mut clients);
    // The same message: it was not remembered.
    assert!(matches!(host.hears(now, &third).0, Incoming::Request { .. }));
    reply(&mut host, 0, &mut clients);
}

#[test]
fn a_closed_token_is_forgotten_and_comes_back_by_its_cookie() {
    let encoder = ring("closed", "calc");
    let mut host = host(&encoder, 1000);
    let mut clients = clients(&mut host, 1);
    let request = clients[0].request(START);
    let (incoming, ..) = host.hears(START, &request);
    let Incoming::Request { session, .. } = incoming else { panic!("{incoming:?}") };
    host.machine.close(session).unwrap();
    assert_eq!((host.machine.sessions(), host.machine.phase(session)), (0, None));
    assert!(opens(&mut clients[0], &mut host, START));
}

#[test]
fn four_tokens_may_be_on_their_way() {
    let encoder = ring("on-their-way", "calc");
    let mut host = host(&encoder, 1000);
    let requests: Vec<(Caller, Exchange, Vec<u8>)> = (0..5)
        .map(|seed| {
            let mut client = Caller::seeded(&cookie_mode(), Default::default(), seed);
            let (exchange, message) = client.sends(START).unwrap();
            (client, exchange, message)
        })
        .collect();
    for (_, _, message) in &requests[..4] {
        assert!(matches!(host.takes(START, message).1, Incoming::Issued(_)));
    }
    assert_eq!(host.takes(START, &requests[4].2).1, Incoming::Refused(Refusal::TooManySessions { limit: 4 }));
    let mut answers = Vec::new();
    while let Some((_, answer)) = host.answers(START) {
        answers.push(answer);
    }
    for (index, (mut client, exchange, _)) in requests.into_iter().enumerate() {
        let heard = client.hears(START, exchange, &answers[index]);
        if index < 4 {
            assert!(matches!(heard, Ok(Received::Established)), "{heard:?}");
            assert!(opens(&mut client, &mut host, START));
        } else {
            assert!(format!("{heard:?}").contains("ServerTooBusy"), "{heard:?}");
        }
    }
}
