//! Renewals that come to nothing: WCF's client has what waited for one fail, and keeps its key and its channel.

use soap_session_core::reliable::{ReliableSettings, RmVersion, Shape, Told};
use soap_session_core::secure::{
    AcceptorSettings, Binding, Bootstrap, Failure, InitiatorPhase, InitiatorSettings, Received,
};
use soap_session_core::time::{Deadline, Duration};
use soap_session_tests::pair::{Note, Pair};
use soap_session_tests::session_pair::{Fate, Letter, PATIENCE, SessionPair};
use std::cell::Cell;
use std::rc::Rc;

const HOUR: Duration = Duration::from_secs(3600);

fn note() -> Note {
    Note::request("urn:n/Ask", "<n xmlns=\"urn:n\"/>")
}

#[test]
fn a_lost_renewal_fails_the_calls_that_wait_for_it_and_the_next_call_renews() {
    let mut pair = Pair::new(&Binding::default(), InitiatorSettings::default(), AcceptorSettings::default(), 1);
    pair.client.open().unwrap();
    pair.client.call(note()).unwrap();
    pair.run();
    pair.wait(HOUR * 9);
    for _ in 0..2 {
        pair.client.call(note()).unwrap();
        let (renewal, _) = pair.client_sends().unwrap();
        assert_eq!(pair.client.phase(), InitiatorPhase::Renewing);
        assert_eq!(pair.client.exchange_failed(renewal), Some(Failure::NoAnswer));
        assert_eq!((pair.client.phase(), pair.client.calls()), (InitiatorPhase::Opened, 0));
        assert!(pair.client_sends().is_none(), "nobody waits for a key");
    }
    // Hours after its key has expired it still renews.
    pair.wait(HOUR * 9);
    pair.client.call(note()).unwrap();
    assert!(matches!(pair.run()[..], [(Received::Renewed, _), (Received::Reply(_), _)]));
}

/// Found by `laws::sessions`: a client whose question was due while its renewal was under way asked to be asked again at once,
/// and again, until the answer came.
#[test]
fn a_client_that_renews_does_not_ask_to_be_asked_at_once() {
    for shape in [Shape::OneWay, Shape::RequestReply, Shape::Duplex] {
        let settings = ReliableSettings {
            inactivity_timeout: HOUR * 100,
            idle_poll_interval: Some(HOUR * 10),
            ..ReliableSettings::default()
        };
        let binding = Binding::ws2007_http(Bootstrap::UserNameForCertificate);
        let mut pair = SessionPair::new(shape, &settings, Some(&binding), 1);
        pair.open();
        pair.fate = Box::new(|_, _| Fate::Hangs);
        assert!(pair.run_until(9, |pair| pair.client.conversation() == Some(InitiatorPhase::Renewing)), "{shape:?}");
        let Deadline::At(next) = pair.deadline() else { panic!("{shape:?}: nobody gives the renewal up") };
        assert_eq!(next, pair.now.after(PATIENCE), "{shape:?}");
    }
}

/// Found by `laws::sessions` (seed bb5082da36a9e1b0): acknowledgements of a duplex session were lost for eleven hours, then its renewal, and the
/// conversation ended by that.
#[test]
fn a_night_longer_than_the_life_of_the_key_does_not_end_the_session() {
    let patient = Duration::from_secs(1_000_000_000);
    for (shape, version) in [Shape::OneWay, Shape::RequestReply, Shape::Duplex]
        .into_iter()
        .flat_map(|shape| [RmVersion::February2005, RmVersion::V11].map(|version| (shape, version)))
    {
        let settings = ReliableSettings {
            version,
            max_retry_count: 1000,
            send_timeout: patient,
            close_timeout: patient,
            inactivity_timeout: patient,
            idle_poll_interval: Some(HOUR),
            keep_alive_interval: Some(HOUR),
            ..ReliableSettings::default()
        };
        let binding = Binding::ws2007_http(Bootstrap::UserNameForCertificate);
        let mut pair = SessionPair::new(shape, &settings, Some(&binding), 1);
        pair.open();
        let night = Rc::new(Cell::new(true));
        let dark = Rc::clone(&night);
        pair.fate = Box::new(move |client, _| if client && dark.get() { Fate::Lost } else { Fate::Arrives });
        let letter = match shape {
            Shape::OneWay => Letter::one_way("urn:n/Say", "<n xmlns=\"urn:n\"/>"),
            Shape::RequestReply | Shape::Duplex => Letter::request("urn:n/Ask", "<n xmlns=\"urn:n\"/>"),
        };
        pair.send(letter.clone()).expect("room");
        // The key is to be renewed after nine hours, and expires after fifteen.
        let morning = pair.now.after(HOUR * 20);
        assert!(pair.run_until(1000, |pair| pair.now >= morning), "{}", pair.story());
        assert_eq!(pair.client.conversation(), Some(InitiatorPhase::Opened), "{shape:?} {version:?}: {}", pair.story());
        assert_eq!(pair.client_told, [Told::Opened], "{shape:?} {version:?}");
        night.set(false);
        pair.send(letter).expect("room");
        let replies = if shape == Shape::OneWay { 0 } else { 2 };
        let all = |pair: &SessionPair| pair.taken.len() >= 2 && pair.replies.len() >= replies;
        assert!(pair.run_until(1000, all), "{shape:?} {version:?}: {}", pair.story());
        assert_eq!((pair.taken.len(), pair.replies.len()), (2, replies), "{shape:?} {version:?}");
        assert!(pair.close() && pair.closed_well(), "{shape:?} {version:?}: {}", pair.story());
    }
}
