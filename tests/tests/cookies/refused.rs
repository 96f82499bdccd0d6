//! Cookies that are not what they were: each is refused with its exact reason inside, and one fault outside.

use super::world::{Caller, Encoder, Host, cookie_mode, key, ring, ring_of};
use soap_session_core::base64;
use soap_session_core::crypto::SecretKey;
use soap_session_core::secure::{
    AcceptorSettings, Binding, CookieFlaw, Incoming, MAX_COOKIE, MAX_STATE, Received, Refusal, SecurityState,
    StateEncoder, StateError, StateField, StateFlaw,
};
use soap_session_core::soap::ScVersion;
use soap_session_core::time::{Duration, Instant, UnixMillis};
use std::sync::Arc;

const SERVICE: &str = "http://localhost/calc";
const START: Instant = Instant::from_millis(1000);

/// A request under a token that a service with this encoder issued.
pub(crate) fn request(binding: &Binding, encoder: &Encoder) -> Vec<u8> {
    let mut client = Caller::new(binding);
    client.call(START, &mut Host::new(binding, AcceptorSettings::default(), Some(encoder.clone()), 1));
    client.request(START)
}

/// The message with another cookie.
pub(crate) fn with_cookie(message: &[u8], change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    with_text(message, |text| {
        let mut octets = vec![0; MAX_COOKIE];
        let len = base64::decode(text.as_bytes(), &mut octets).unwrap();
        octets.truncate(len);
        let octets = change(octets);
        let mut text = vec![0; base64::encoded_len(octets.len())];
        let len = base64::encode(&octets, &mut text).unwrap();
        String::from_utf8(text[..len].to_vec()).unwrap()
    })
}

pub(crate) fn with_text(message: &[u8], change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let text = str::from_utf8(message).unwrap();
    let (head, rest) =
        text.split_once("<dnse:Cookie xmlns:dnse=\"http://schemas.microsoft.com/ws/2006/05/security\">").unwrap();
    let (cookie, tail) = rest.split_once("</dnse:Cookie>").unwrap();
    let cookie = change(cookie);
    format!("{head}<c:Cookie xmlns:c=\"http://schemas.microsoft.com/ws/2006/05/security\">{cookie}</c:Cookie>{tail}")
        .into_bytes()
}

/// What a service that knows nothing makes of a message.
pub(crate) fn judged(binding: &Binding, encoder: Option<Encoder>, now: Instant, message: &[u8]) -> (Refusal, String) {
    let mut host = Host::new(binding, AcceptorSettings::default(), encoder, 9);
    let (incoming, status, answer) = host.hears(now, message);
    let Incoming::Refused(refusal) = incoming else { panic!("taken: {incoming:?}") };
    assert_eq!((status, host.machine.sessions()), (500, 0), "{refusal}");
    let answer = String::from_utf8(answer).unwrap();
    assert!(!answer.contains("Security "), "the fault is not secured");
    (refusal, answer)
}

/// The message is refused with this reason, and the client is told of a message that does not verify.
#[track_caller]
fn invalid(encoder: &Encoder, message: &[u8], wanted: CookieFlaw) {
    let (refusal, answer) = judged(&cookie_mode(), Some(encoder.clone()), START, message);
    assert_eq!(refusal, Refusal::Cookie(wanted));
    assert!(answer.contains(">a:InvalidSecurity<"), "{answer}");
    let text = "An error occurred when verifying security for the message.";
    assert!(answer.contains(text), "{answer}");
}

#[test]
fn a_changed_cookie() {
    let encoder = ring("changed", SERVICE);
    let good = request(&cookie_mode(), &encoder);
    assert!(matches!(
        Host::new(&cookie_mode(), AcceptorSettings::default(), Some(encoder.clone()), 9).hears(START, &good).0,
        Incoming::Request { .. }
    ));
    let encoder_says = |error| CookieFlaw::Encoder(error);
    let not_genuine = encoder_says(StateError::NotGenuine { key: 1 });
    let len = {
        let mut len = 0;
        with_cookie(&good, |cookie| {
            len = cookie.len();
            cookie
        });
        len
    };
    for at in (9..len).step_by(7).chain([len - 1]) {
        let flipped = with_cookie(&good, |mut cookie| {
            cookie[at] ^= 0x10;
            cookie
        });
        invalid(&encoder, &flipped, not_genuine);
    }
    for keep in [0, 1, 20, 36, 37, len - 1] {
        let wanted = if keep < 37 { encoder_says(StateError::NotACookie) } else { not_genuine };
        invalid(&encoder, &with_cookie(&good, |cookie| cookie[..keep].to_vec()), wanted);
    }
    let longer = with_cookie(&good, |cookie| [cookie.as_slice(), &[0]].concat());
    invalid(&encoder, &longer, not_genuine);
    let endless = with_cookie(&good, |cookie| cookie.repeat(MAX_COOKIE / cookie.len() + 1));
    invalid(&encoder, &endless, CookieFlaw::Unreadable);
    invalid(&encoder, &with_text(&good, |_| "no base64!".into()), CookieFlaw::Unreadable);
    // White space is none of its characters.
    let spaced = with_text(&good, |text| format!(" {}\n{}\t", &text[..10], &text[10..]));
    let taken = Host::new(&cookie_mode(), AcceptorSettings::default(), Some(encoder.clone()), 9).hears(START, &spaced);
    assert!(matches!(taken.0, Incoming::Request { .. }), "{taken:?}");
}

#[test]
fn a_cookie_of_another_service_ring_or_key() {
    let keys = [key(1, "-")];
    let ours: Encoder = ring_of("ours", SERVICE, &keys);
    let theirs: Encoder = ring_of("theirs", "http://localhost/other", &keys);
    let foreign = request(&cookie_mode(), &theirs);
    invalid(&ours, &foreign, CookieFlaw::Encoder(StateError::NotGenuine { key: 1 }));
    let other: Encoder = ring_of("other-ring", SERVICE, &[key(2, "-")]);
    let good = request(&cookie_mode(), &ours);
    invalid(&other, &good, CookieFlaw::Encoder(StateError::UnknownKey { key: 1 }));
    // On the ring still, and past its time; MIDNIGHT is that of the 21st.
    let retired: Encoder = ring_of("retired", SERVICE, &[key(1, "2026-11-20T23:59:59Z"), key(2, "-")]);
    invalid(&retired, &good, CookieFlaw::Encoder(StateError::RetiredKey { key: 1 }));
    let older: Encoder = ring_of("older", SERVICE, &[key(1, "2026-11-21T10:00:00Z"), key(2, "-")]);
    let mut host = Host::new(&cookie_mode(), AcceptorSettings::default(), Some(older), 9);
    assert!(matches!(host.hears(START, &good).0, Incoming::Request { .. }));
    assert_eq!(
        CookieFlaw::Encoder(StateError::RetiredKey { key: 1 }).to_string(),
        "the cookie's key 0000000000000001 is retired"
    );
}

#[test]
fn a_cookie_whose_time_is_over_or_has_not_come() {
    let encoder = ring("time", SERVICE);
    for version in [ScVersion::February2005, ScVersion::V13] {
        let binding = Binding { version, ..cookie_mode() };
        let settings =
            AcceptorSettings { issued_cookie_lifetime: Duration::from_secs(100), ..AcceptorSettings::default() };
        let mut client = Caller::new(&binding);
        let mut issuer = Host::new(&binding, settings.clone(), Some(encoder.clone()), 1);
        client.call(START, &mut issuer);
        let good = client.request(START);
        let end = START.after(Duration::from_secs(100));
        let bad_token = |answer: &str| {
            // The code path does not know the version: February 2005's namespace in both.
            assert!(answer.contains(">a:BadContextToken<"), "{answer}");
            assert!(answer.contains("xmlns:a=\"http://schemas.xmlsoap.org/ws/2005/02/sc\""), "{answer}");
        };
        for (now, wanted) in [(end, None), (end.after(Duration::from_millis(1)), Some(1))] {
            let mut host = Host::new(&binding, settings.clone(), Some(encoder.clone()), 9);
            let (incoming, _, answer) = host.hears(now, &good);
            let Some(by_ms) = wanted else {
                assert!(matches!(incoming, Incoming::Request { .. }), "{incoming:?}");
                continue;
            };
            assert_eq!(incoming, Incoming::Refused(Refusal::Cookie(CookieFlaw::Expired { by_ms })));
            bad_token(&String::from_utf8(answer).unwrap());
        }
        // The one that has it cached knows as well.
        let slow = client.request(START);
        let (incoming, _, answer) = issuer.hears(end.after(Duration::from_millis(5)), &slow);
        assert_eq!(incoming, Incoming::Refused(Refusal::Cookie(CookieFlaw::Expired { by_ms: 5 })));
        bad_token(&String::from_utf8(answer).unwrap());
        // Its issuer's clock may be ahead by the skew of five minutes.
        let before = Instant::from_millis(0);
        let mut client = Caller::new(&binding);
        let ahead = before.after(Duration::from_secs(300));
        client.call(ahead, &mut Host::new(&binding, settings.clone(), Some(encoder.clone()), 1));
        client.machine.set_wall(soap_session_tests::pair::MIDNIGHT);
        let early = client.request(ahead);
        let now = Instant::from_millis(1);
        let mut host = Host::new(&binding, settings.clone(), Some(encoder.clone()), 9);
        assert!(matches!(host.hears(now, &early).0, Incoming::Request { .. }));
        let mut client = Caller::new(&binding);
        let ahead = now.after(Duration::from_secs(301));
        client.call(ahead, &mut Host::new(&binding, settings, Some(encoder.clone()), 1));
        let early = client.request(ahead);
        let (refusal, answer) = judged(&binding, Some(encoder.clone()), now, &early);
        assert_eq!(refusal, Refusal::Cookie(CookieFlaw::NotYetValid { by_ms: 1000 }));
        bad_token(&answer);
    }
}

#[test]
fn a_token_without_its_cookie_or_with_anothers() {
    let encoder = ring("anothers", SERVICE);
    let binding = cookie_mode();
    let mut host = Host::new(&binding, AcceptorSettings::default(), Some(encoder.clone()), 1);
    let mut requests = Vec::new();
    for seed in [1, 2] {
        let mut client = Caller::seeded(&binding, Default::default(), seed);
        client.call(START, &mut host);
        requests.push(client.request(START));
    }
    let text = |message: &[u8]| {
        let mut found = String::new();
        with_text(message, |text| {
            found = text.to_owned();
            found.clone()
        });
        found
    };
    let other = text(&requests[1]);
    let swapped = with_text(&requests[0], |_| other.clone());
    invalid(&encoder, &swapped, CookieFlaw::Mismatch(StateField::ContextId));
    // The same token under another Id, in its element and in the references to it.
    let whole = String::from_utf8(requests[0].clone()).unwrap();
    let id = whole.split("SecurityContextToken u:Id=\"").nth(1).unwrap().split('"').next().unwrap();
    let renamed = whole.replace(&format!("\"{id}\""), "\"x\"").replace(&format!("\"#{id}\""), "\"#x\"");
    invalid(&encoder, renamed.as_bytes(), CookieFlaw::Mismatch(StateField::Id));
    // Where it is cached the cookie is not looked at.
    assert!(matches!(host.hears(START, &swapped).0, Incoming::Request { .. }));
    let bare = whole.split("<dnse:Cookie").next().unwrap().to_owned() + whole.split("</dnse:Cookie>").nth(1).unwrap();
    let (refusal, answer) = judged(&binding, Some(encoder.clone()), START, bare.as_bytes());
    assert_eq!(refusal, Refusal::UnknownSecurityContext);
    assert!(answer.contains(">a:BadContextToken<"), "{answer}");
}

#[test]
fn a_genuine_cookie_does_not_make_a_message_genuine() {
    let encoder = ring("genuine", SERVICE);
    let good = String::from_utf8(request(&cookie_mode(), &encoder)).unwrap();
    let forged = good.replace("urn:calc/Add", "urn:calc/Sub");
    assert_ne!(forged, good);
    let (refusal, _) = judged(&cookie_mode(), Some(encoder), START, forged.as_bytes());
    assert!(!matches!(refusal, Refusal::Cookie(_)), "{refusal}");
}

/// Says whatever it is told to.
struct Says(Result<Vec<u8>, StateError>);

impl StateEncoder for Says {
    fn seal(&self, _: UnixMillis, _: &[u8], _: &mut [u8]) -> Result<usize, StateError> {
        self.0.as_ref().map(Vec::len).map_err(|error| *error)
    }
    fn open(&self, _: UnixMillis, _: &[u8], out: &mut [u8]) -> Result<usize, StateError> {
        let state = self.0.as_ref().map_err(|error| *error)?;
        let len = state.len().min(out.len());
        out[..len].copy_from_slice(&state[..len]);
        Ok(state.len())
    }
}

#[test]
fn an_encoder_that_says_nonsense() {
    let encoder = ring("nonsense", SERVICE);
    let good = request(&cookie_mode(), &encoder);
    let says = |what: Result<Vec<u8>, StateError>| -> Encoder { Arc::new(Says(what)) };
    invalid(&says(Err(StateError::Unavailable)), &good, CookieFlaw::Encoder(StateError::Unavailable));
    invalid(&says(Ok(Vec::new())), &good, CookieFlaw::State(StateFlaw::Malformed { offset: 0 }));
    invalid(&says(Ok(vec![0x42; 3])), &good, CookieFlaw::State(StateFlaw::Malformed { offset: 0 }));
    let too_long = CookieFlaw::Encoder(StateError::Room { needed: MAX_STATE + 1 });
    invalid(&says(Ok(vec![0; MAX_STATE + 1])), &good, too_long);
    // Its own state, with a key that is none of the suite's.
    let mut plain = vec![0; MAX_STATE];
    let mut length = 0;
    with_cookie(&good, |cookie| {
        length = encoder.open(UnixMillis(1_795_219_201_000), &cookie, &mut plain).unwrap();
        cookie
    });
    let mut state = SecurityState::read(&plain[..length]).unwrap();
    assert_eq!(state.user.as_str(), "");
    for len in [16, 24, 33] {
        state.key = SecretKey::new(&vec![1; len]).unwrap();
        let mut out = vec![0; MAX_STATE];
        let written = state.write(&mut out).unwrap();
        out.truncate(written);
        invalid(&says(Ok(out)), &good, CookieFlaw::KeyLength { len: len as u8 });
    }
    // And with an instance, which a token of this mode has not.
    let mut renewed = SecurityState::read(&plain[..length]).unwrap();
    renewed.generation = Some(renewed.context);
    let mut out = vec![0; MAX_STATE];
    let written = renewed.write(&mut out).unwrap();
    out.truncate(written);
    invalid(&says(Ok(out)), &good, CookieFlaw::Mismatch(StateField::KeyGeneration));
}

#[test]
fn without_an_encoder_no_token_is_issued_and_none_is_taken() {
    let binding = cookie_mode();
    let encoder = ring("without", SERVICE);
    let good = request(&binding, &encoder);
    let (refusal, _) = judged(&binding, None, START, &good);
    assert_eq!(refusal, Refusal::Cookie(CookieFlaw::Encoder(StateError::NoEncoder)));
    let old: Encoder = ring_of("no-current", SERVICE, &[]);
    for (encoder, error) in [(None, StateError::NoEncoder), (Some(old), StateError::NoCurrentKey)] {
        let mut client = Caller::new(&binding);
        let mut host = Host::new(&binding, AcceptorSettings::default(), encoder, 1);
        let (exchange, message) = client.sends(START).unwrap();
        let (incoming, status, answer) = host.hears(START, &message);
        assert_eq!(incoming, Incoming::Refused(Refusal::Cookie(CookieFlaw::Encoder(error))));
        assert_eq!(status, 500);
        // "Please retry later", under the bootstrap's protection.
        let heard = client.hears(START, exchange, &answer);
        assert!(format!("{heard:?}").contains("ServerTooBusy"), "{heard:?}");
    }
}

#[test]
fn what_only_sessions_have_is_refused() {
    let encoder = ring("sessions", SERVICE);
    // A client that believes in sessions: it takes the token, and at the end it cancels.
    let mut client = Caller::new(&Binding::default());
    let mut host = Host::new(&cookie_mode(), AcceptorSettings::default(), Some(encoder.clone()), 1);
    assert!(matches!(client.call(START, &mut host)[..], [Ok(Received::Established), Ok(Received::Reply(_))]));
    client.machine.close().unwrap();
    let (_, cancel) = client.sends(START).unwrap();
    let (incoming, status, _) = host.hears(START, &cancel);
    assert!(matches!(incoming, Incoming::Refused(_)), "{incoming:?}");
    assert_eq!((status, host.machine.sessions()), (500, 1));
    // It renews when the token is old.
    let mut client = Caller::seeded(&Binding::default(), Default::default(), 2);
    client.call(START, &mut host);
    let late = START.after(Duration::from_secs(9 * 3600));
    client.asks();
    let (_, renew) = client.sends(late).unwrap();
    let (incoming, status, _) = host.hears(late, &renew);
    assert!(matches!(incoming, Incoming::Refused(_)), "{incoming:?}");
    assert_eq!(status, 500);
}
