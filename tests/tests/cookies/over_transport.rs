//! Cookie mode over a protected transport: the token with the cookie travels in clear inside TLS, and its key endorses the
//! timestamp. What the cookie says is believed no sooner than elsewhere.

use super::refused::{judged, request, with_cookie, with_text};
use super::world::{Caller, Encoder, Host, key, ring, ring_of};
use soap_session_core::secure::{
    AcceptorSettings, Binding, Bootstrap, CookieFlaw, Element, Incoming, Received, Refusal, StateError, StateField,
};
use soap_session_core::time::{Duration, Instant};
use soap_session_tests::opening::{between, swap};

const SERVICE: &str = "http://localhost/calc";
const START: Instant = Instant::from_millis(1000);

/// Both bindings over TLS, in cookie mode.
fn bindings() -> [Binding; 2] {
    [Bootstrap::CertificateOverTransport, Bootstrap::UserNameOverTransport]
        .map(|bootstrap| Binding { require_cancellation: false, ..Binding::ws2007_http(bootstrap) })
}

fn host(binding: &Binding, encoder: &Encoder, seed: u8) -> Host {
    Host::new(binding, AcceptorSettings::default(), Some(encoder.clone()), seed)
}

/// Why a service that knows nothing refuses `text`; whatever it is, the client hears that security failed.
#[track_caller]
fn refusal(binding: &Binding, encoder: &Encoder, text: &str) -> Refusal {
    let (refusal, answer) = judged(binding, Some(encoder.clone()), START, text.as_bytes());
    assert!(answer.contains(">a:InvalidSecurity<"), "{refusal}: {answer}");
    refusal
}

#[test]
fn a_farm_of_two_takes_turns_and_keys_are_retired_meanwhile() {
    for binding in bindings() {
        let name = format!("farm-{:?}", binding.bootstrap);
        let before: Encoder = ring_of(&format!("{name}-1"), SERVICE, &[key(1, "2026-11-21T00:10:00Z")]);
        let after: Encoder = ring_of(&format!("{name}-2"), SERVICE, &[key(1, "2026-11-21T00:10:00Z"), key(2, "-")]);
        let mut farm = [host(&binding, &before, 1), host(&binding, &after, 2)];
        let mut client = Caller::new(&binding);
        let mut now = START;
        assert!(matches!(client.call(now, &mut farm[0])[..], [Ok(Received::Established), Ok(Received::Reply(_))]));
        for turn in 1..6 {
            now = now.after(Duration::from_secs(60));
            assert!(matches!(client.call(now, &mut farm[turn % 2])[..], [Ok(Received::Reply(_))]), "{turn}");
        }
        assert_eq!(farm.map(|host| host.opened()), [0, 1].map(|_| 1), "each opened the cookie once");
        // The key is retired: a new server of the farm takes the old token no more, and the next call brings another.
        now = START.after(Duration::from_secs(700));
        let mut third = host(&binding, &after, 3);
        let heard = client.call(now, &mut third);
        assert!(matches!(heard[..], [Ok(Received::Failed(_))]), "{heard:?}");
        let heard = client.call(now, &mut third);
        assert!(matches!(heard[..], [Ok(Received::Renewed), Ok(Received::Reply(_))]), "{heard:?}");
    }
}

#[test]
fn a_cookie_that_is_not_what_it_was() {
    for binding in bindings() {
        let name = format!("transport-{:?}", binding.bootstrap);
        let encoder = ring(&name, SERVICE);
        let good = request(&binding, &encoder);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let flipped = with_cookie(&good, |mut cookie| {
            cookie[40] ^= 1;
            cookie
        });
        let not_genuine = Refusal::Cookie(CookieFlaw::Encoder(StateError::NotGenuine { key: 1 }));
        assert_eq!(refusal(&binding, &encoder, &text(flipped)), not_genuine);
        let theirs: Encoder = ring_of(&format!("{name}-theirs"), "http://localhost/other", &[key(1, "-")]);
        assert_eq!(refusal(&binding, &encoder, &text(request(&binding, &theirs))), not_genuine);
        let retired = [key(1, "2026-11-20T23:59:59Z"), key(2, "-")];
        let retired: Encoder = ring_of(&format!("{name}-retired"), SERVICE, &retired);
        let gone = Refusal::Cookie(CookieFlaw::Encoder(StateError::RetiredKey { key: 1 }));
        assert_eq!(refusal(&binding, &retired, &text(good.clone())), gone);
        // Another's cookie in one's own token.
        let mut issuer = host(&binding, &encoder, 4);
        let mut other = Caller::seeded(&binding, Default::default(), 7);
        other.call(START, &mut issuer);
        let mut cookie = String::new();
        with_text(&other.request(START), |text| {
            cookie = text.to_owned();
            cookie.clone()
        });
        let swapped = with_text(&good, |_| cookie.clone());
        let mismatch = Refusal::Cookie(CookieFlaw::Mismatch(StateField::ContextId));
        assert_eq!(refusal(&binding, &encoder, &text(swapped)), mismatch);
    }
}

#[test]
fn a_genuine_cookie_does_not_make_a_message_genuine() {
    for binding in bindings() {
        let encoder = ring(&format!("not-genuine-{:?}", binding.bootstrap), SERVICE);
        let good = String::from_utf8(request(&binding, &encoder)).unwrap();
        let refused = |text: &str| refusal(&binding, &encoder, text);
        let signature = format!("<Signature xmlns{}</Signature>", between(&good, "<Signature xmlns", "</Signature>"));
        let missing = Refusal::Missing(Element::EndorsingSignature);
        assert_eq!(refused(&swap(&good, &signature, "")), missing);
        assert_eq!(
            refused(&swap(&good, ":05:01.000Z", ":05:02.000Z")),
            Refusal::Digest { element: Element::Timestamp }
        );
        let value = between(&good, "<SignatureValue>", "<");
        let flipped = value.strip_prefix('A').map_or_else(|| format!("A{}", &value[1..]), |rest| format!("B{rest}"));
        let forged = refused(&swap(&good, value, &flipped));
        assert_eq!(forged, Refusal::SignatureValue(Element::EndorsingSignature));
        // The signature of another conversation, with a key that its sender has.
        let mut other = Caller::seeded(&binding, Default::default(), 7);
        other.call(START, &mut host(&binding, &encoder, 5));
        let other = String::from_utf8(other.request(START)).unwrap();
        let foreign = format!("<Signature xmlns{}</Signature>", between(&other, "<Signature xmlns", "</Signature>"));
        assert_ne!(signature, foreign);
        refused(&swap(&good, &signature, &foreign));
        // Nothing of these was kept, and the message itself is still good.
        let mut fresh = host(&binding, &encoder, 6);
        assert!(matches!(fresh.hears(START, good.as_bytes()).0, Incoming::Request { .. }));
    }
}

/// The bootstrap itself is no way around the conversation, nor the other way round.
#[test]
fn a_request_under_the_bootstrap_alone_is_not_taken() {
    let [certificate, user] = bindings();
    for (binding, other) in [(&certificate, &user), (&user, &certificate)] {
        let encoder = ring(&format!("alone-{:?}", binding.bootstrap), SERVICE);
        // The token request of the other bootstrap proves the wrong thing.
        let (_, theirs) = Caller::new(other).sends(START).unwrap();
        let (refused, _) = judged(binding, Some(encoder.clone()), START, &theirs);
        assert!(matches!(refused, Refusal::Missing(_) | Refusal::WrongToken { .. }), "{refused}");
        // A token request that pretends to be a message of the contract.
        let (_, own) = Caller::new(binding).sends(START).unwrap();
        let own = String::from_utf8(own).unwrap();
        let action = between(&own, "<a:Action s:mustUnderstand=\"1\">", "<");
        let pretended = swap(&own, action, "urn:calc/Add");
        let (refused, _) = judged(binding, Some(encoder), START, pretended.as_bytes());
        assert!(matches!(refused, Refusal::Missing(_) | Refusal::WrongToken { .. }), "{refused}");
    }
}
