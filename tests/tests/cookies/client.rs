//! The client's side: when it asks for another token, and what it makes of faults.

use super::world::{Caller, Encoder, Host, cookie_mode, key, ring, ring_of};
use soap_session_core::secure::{
    AcceptorSettings, Binding, Encryption, Exchange, Failure, Heard, Incoming, InitiatorPhase, InitiatorSettings,
    NoCredentials, Received, SessionMessage, Unsealed,
};
use soap_session_core::soap::fault::KnownFault;
use soap_session_core::soap::{HeaderBlock, ScVersion};
use soap_session_core::time::{Duration, Instant};

const START: Instant = Instant::from_millis(1000);
const SERVICE: &str = "http://localhost/calc";

fn host(encoder: &Encoder, lifetime: u64) -> Host {
    let settings =
        AcceptorSettings { issued_cookie_lifetime: Duration::from_secs(lifetime), ..AcceptorSettings::default() };
    Host::new(&cookie_mode(), settings, Some(encoder.clone()), 1)
}

#[test]
fn another_token_is_asked_for_at_60_percent_of_the_lifetime_and_the_interval_does_not_matter() {
    let encoder = ring("renewal", SERVICE);
    let six_hours = 6 * 3_600_000;
    // WCF's ten hours; twenty, of which the renewal interval of ten hours would leave less; a short one at 90 percent.
    for (lifetime, percent, due) in [(36_000, 60, six_hours), (72_000, 60, 2 * six_hours), (100, 90, 90_000)] {
        for (after, renewed) in [(due - 1, false), (due, true)] {
            let settings = InitiatorSettings {
                renewal_threshold_percent: percent,
                // Only sessions may be forbidden to renew.
                can_renew: false,
                ..InitiatorSettings::default()
            };
            let mut client = Caller::seeded(&cookie_mode(), settings, 1);
            let mut host = host(&encoder, lifetime);
            client.call(START, &mut host);
            let first = client.machine.identifier().unwrap().to_vec();
            let now = START.after(Duration::from_millis(after));
            assert_eq!(client.machine.needs_renewal(now), renewed);
            let heard = client.call(now, &mut host);
            if renewed {
                assert!(matches!(heard[..], [Ok(Received::Renewed), Ok(Received::Reply(_))]), "{heard:?}");
                assert_ne!(client.machine.identifier(), Some(first.as_slice()), "another conversation");
                assert_eq!(client.machine.instance(), None);
            } else {
                assert!(matches!(heard[..], [Ok(Received::Reply(_))]), "{heard:?}");
                assert_eq!(client.machine.identifier(), Some(first.as_slice()));
            }
        }
    }
}

#[test]
fn a_reply_under_the_token_before_is_taken_for_five_minutes() {
    let encoder = ring("before", SERVICE);
    for (after, taken) in [(299_999, true), (300_000, false)] {
        let (mut client, mut host) = (Caller::new(&cookie_mode()), host(&encoder, 10_000));
        client.call(START, &mut host);
        client.asks();
        let (slow, request) = client.sends(START).unwrap();
        let (ours, _) = host.takes(START, &request);
        let later = START.after(Duration::from_secs(6000));
        assert!(matches!(client.call(later, &mut host)[..], [Ok(Received::Renewed), Ok(Received::Reply(_))]));
        let now = later.after(Duration::from_millis(after));
        let note = soap_session_tests::pair::Note::request("urn:calc/AddResponse", "<AddResponse/>");
        host.machine.reply(ours, note).unwrap();
        let (_, answer) = host.answers(now).unwrap();
        let heard = client.hears(now, slow, &answer);
        assert_eq!(matches!(heard, Ok(Received::Reply(_))), taken, "{heard:?}");
    }
}

#[test]
fn closing_says_nothing() {
    let encoder = ring("close", SERVICE);
    let (mut client, mut host) = (Caller::new(&cookie_mode()), host(&encoder, 10_000));
    client.call(START, &mut host);
    client.machine.close().unwrap();
    assert_eq!(client.machine.phase(), InitiatorPhase::Closed);
    assert!(client.sends(START).is_none());
    assert_eq!(client.machine.identifier(), None);
    client.machine.close().unwrap();
    // Before there is a token, too, and with one under way.
    let mut client = Caller::new(&cookie_mode());
    let (exchange, message) = client.sends(START).unwrap();
    client.machine.close().unwrap();
    let (_, _, answer) = host.hears(START, &message);
    assert!(matches!(client.hears(START, exchange, &answer), Ok(Received::Failed(Failure::Unexpected))));
    assert_eq!(client.machine.phase(), InitiatorPhase::Closed);
}

#[test]
fn a_cookie_that_is_not_taken_costs_one_call_and_the_next_brings_another() {
    let encoder = ring("not-taken", SERVICE);
    let other: Encoder = ring_of("not-taken-other", SERVICE, &[key(2, "-")]);
    let (mut client, mut first) = (Caller::new(&cookie_mode()), host(&encoder, 36_000));
    client.call(START, &mut first);
    let mut second = host(&other, 36_000);
    let heard = client.call(START, &mut second);
    let [Ok(Received::Failed(Failure::Fault(fault)))] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((fault.known, fault.secured), (Some(KnownFault::InvalidSecurity), false));
    assert_eq!(client.machine.phase(), InitiatorPhase::Opened);
    let heard = client.call(START, &mut second);
    assert!(matches!(heard[..], [Ok(Received::Renewed), Ok(Received::Reply(_))]), "{heard:?}");
    assert!(matches!(client.call(START, &mut second)[..], [Ok(Received::Reply(_))]));
    // A lost call is only that call's failure.
    client.asks();
    let (exchange, _) = client.sends(START).unwrap();
    assert_eq!(client.machine.exchange_failed(exchange), Some(Failure::NoAnswer));
    assert!(matches!(client.call(START, &mut second)[..], [Ok(Received::Reply(_))]));
}

#[test]
fn a_token_whose_time_is_over_there_costs_one_call_in_either_version() {
    let encoder = ring("over-there", SERVICE);
    for version in [ScVersion::February2005, ScVersion::V13] {
        let binding = Binding { version, ..cookie_mode() };
        let settings =
            AcceptorSettings { issued_cookie_lifetime: Duration::from_secs(100), ..AcceptorSettings::default() };
        let mut host = Host::new(&binding, settings, Some(encoder.clone()), 1);
        let mut client = Caller::new(&binding);
        client.call(START, &mut host);
        client.asks();
        let (exchange, message) = client.sends(START).unwrap();
        let (_, status, answer) = host.hears(START.after(Duration::from_secs(101)), &message);
        let heard = client.hears(START, exchange, &answer);
        let Ok(Received::Failed(Failure::Fault(fault))) = &heard else { panic!("{heard:?}") };
        assert_eq!((status, fault.known, fault.secured), (500, Some(KnownFault::BadContextToken), false));
        assert_eq!(fault.version, Some(ScVersion::February2005));
        let heard = client.call(START, &mut host);
        assert!(matches!(heard[..], [Ok(Received::Renewed), Ok(Received::Reply(_))]), "{heard:?}");
    }
}

#[test]
fn messages_are_sealed_and_opened_one_by_one_too() {
    let encoder = ring("one-by-one", SERVICE);
    let (mut client, mut host) = (Caller::new(&cookie_mode()), host(&encoder, 100));
    let (exchange, message) = client.sends(START).unwrap();
    let (_, _, answer) = host.hears(START, &message);
    client.hears(START, exchange, &answer).unwrap();
    let headers = [HeaderBlock::Action(b"urn:calc/Tell"), HeaderBlock::To(b"http://localhost/calc")];
    let message = SessionMessage { headers: &headers, body: b"<Tell xmlns=\"urn:calc\"/>", encrypt_body: true };
    let mut out = vec![0; 16_384];
    let len = client.machine.seal_message(START, &message, &mut out).unwrap();
    let contract = |_: &[u8]| Some(Encryption::Required);
    let incoming = host.opens(START, Exchange(90), contract, &mut out[..len]);
    let Incoming::Request { session, .. } = incoming else { panic!("{incoming:?}") };
    let name = host.machine.identifier(session).unwrap().to_vec();
    assert_eq!(client.machine.identifier(), Some(name.as_slice()));
    assert_eq!(host.machine.named(&name), Some(session));
    let headers = [HeaderBlock::Action(b"urn:calc/Told"), HeaderBlock::RelatesTo(b"urn:uuid:1")];
    let message = SessionMessage { headers: &headers, ..message };
    let len = host.machine.seal_message(START, session, &message, &mut out).unwrap();
    let heard = client.machine.open_message(START, &NoCredentials, |_| Encryption::Required, &mut out[..len]);
    assert!(matches!(heard, Ok(Heard::Message(_))), "{heard:?}");
    let late = START.after(Duration::from_secs(60));
    assert_eq!(client.machine.seal_message(late, &message, &mut out), Err(Unsealed::RenewalDue));
    client.machine.renew().unwrap();
    let (exchange, request) = client.sends(late).unwrap();
    let (incoming, _, answer) = host.hears(late, &request);
    assert!(matches!(incoming, Incoming::Issued(_)), "{incoming:?}");
    assert!(matches!(client.hears(late, exchange, &answer), Ok(Received::Renewed)));
    assert!(client.machine.seal_message(late, &message, &mut out).is_ok());
}
