//! No byte of a secured message can be changed unnoticed: it is refused, or it is one of the few bytes that mean nothing,
//! and then everything handed on is what it was.

use std::collections::BTreeMap;

use soap_session_core::crypto::AlgorithmSuite::{self, Basic128, Basic256, Basic256Sha256};
use soap_session_core::secure::ProtectionOrder::{self, EncryptBeforeSign, SignBeforeEncryptAndEncryptSignature};
use soap_session_tests::opening::{Case, Kind};

/// Where a byte stands, in words: the element, and the attribute, tag or text in it.
fn place(text: &str, at: usize) -> String {
    let before = &text.as_bytes()[..at];
    let open = before.iter().rposition(|b| *b == b'<');
    let close = before.iter().rposition(|b| *b == b'>');
    let name = |start: usize| {
        let name: String = text[start + 1..].chars().take_while(|c| !" />".contains(*c)).collect();
        name.rsplit(':').next().unwrap_or_default().to_owned()
    };
    match (open, close) {
        (Some(open), close) if close.is_none_or(|close| close < open) => {
            let tag = &text[open..at];
            if tag.matches('"').count() % 2 == 1 {
                let attribute = tag.rsplit_once("=\"").map_or("", |(head, _)| head.rsplit(' ').next().unwrap_or(""));
                format!("{}/@{attribute}", name(open))
            } else {
                format!("{} tag", name(open))
            }
        }
        (Some(open), _) => format!("{} text", name(open)),
        (None, _) => "start".to_owned(),
    }
}

/// `Security`'s own `mustUnderstand`: nothing signs it, and whoever opens the message has understood the header anyway.
const SECURITY: [&str; 2] = ["Security tag", "Security/@s:mustUnderstand"];
/// Attributes of key references that say only what kind of token is meant. The token found decides, whatever they say.
const TOKEN_TYPE: &[&str] =
    &["SecurityTokenReference tag", "SecurityTokenReference/@k:TokenType", "SecurityTokenReference/@xmlns:k"];
const VALUE_TYPE: &[&str] = &["Reference tag", "Reference/@ValueType"];

/// Walks every byte of a message. `meaningless` are the places whose bytes may change without a refusal.
fn walk(recording: &str, file: &str, kind: Kind, suite: AlgorithmSuite, order: ProtectionOrder, meaningless: &[&str]) {
    let case = Case::new(recording, file, kind, suite, order);
    let original = case.open(&case.text).unwrap_or_else(|e| panic!("{recording}/{file}: {e}"));
    let mut bytes = case.text.clone().into_bytes();
    let (mut tried, mut accepted) = (0, BTreeMap::<String, (usize, String)>::new());
    for at in 0..bytes.len() {
        let was = bytes[at];
        for now in [was ^ 0x01, was ^ 0x20, was ^ 0x80, b' ', b'<'] {
            if now == was {
                continue;
            }
            tried += 1;
            bytes[at] = now;
            if let Ok(heard) = case.open(&bytes) {
                let place = place(&case.text, at);
                assert_eq!(heard, original, "{recording}/{file}: byte {at}, {was:#04x} -> {now:#04x}, {place}");
                let around = String::from_utf8_lossy(&bytes[at.saturating_sub(8)..(at + 8).min(bytes.len())]);
                accepted.entry(place).or_insert_with(|| (0, around.into_owned())).0 += 1;
            }
        }
        bytes[at] = was;
    }
    println!("{recording}/{file}: {} positions, {tried} changes, accepted:", bytes.len());
    for (place, (count, example)) in &accepted {
        println!("  {count:4} {place}   ({example})");
    }
    for place in accepted.keys() {
        assert!(SECURITY.iter().chain(meaningless).any(|p| p == place), "{recording}/{file}: {place} may be changed");
    }
}

#[test]
fn bootstrap_request_with_an_encrypted_key() {
    walk("wcf/sc-anon", "01-c2s.xml", Kind::Message, Basic256, SignBeforeEncryptAndEncryptSignature, &[]);
}

#[test]
fn bootstrap_reply_with_a_signature_confirmation() {
    walk("wcf/sc-anon", "02-s2c.xml", Kind::Confirming, Basic256, SignBeforeEncryptAndEncryptSignature, TOKEN_TYPE);
}

#[test]
fn session_request() {
    walk("wcf/sc-anon", "03-c2s.xml", Kind::Message, Basic256, SignBeforeEncryptAndEncryptSignature, &[]);
}

#[test]
fn session_reply() {
    walk(
        "wcf/sc-anon-basic128",
        "04-s2c.xml",
        Kind::Message,
        Basic128,
        SignBeforeEncryptAndEncryptSignature,
        VALUE_TYPE,
    );
}

#[test]
fn cancel_in_clear() {
    walk("wcf/sc-anon", "21-c2s.xml", Kind::Clear, Basic256, SignBeforeEncryptAndEncryptSignature, &[]);
}

#[test]
fn request_encrypted_before_it_was_signed() {
    walk("wcf-stories/sc-encrypt-before-sign", "03-c2s.xml", Kind::Message, Basic256, EncryptBeforeSign, &[]);
}

#[test]
fn request_of_version_1_3_with_basic_security_profile_attributes() {
    walk("wcf/ws2007-none", "03-c2s.xml", Kind::Message, Basic256, SignBeforeEncryptAndEncryptSignature, VALUE_TYPE);
}

#[test]
fn request_of_soap_1_1_with_addressing_of_2004() {
    walk("wcf-stories/sc-soap11a04", "03-c2s.xml", Kind::Message, Basic256, SignBeforeEncryptAndEncryptSignature, &[]);
}

#[test]
fn request_with_sha256() {
    let name = "wcf-stories/sc-v13-Basic256Sha256";
    walk(name, "03-c2s.xml", Kind::Message, Basic256Sha256, SignBeforeEncryptAndEncryptSignature, &[]);
}

#[test]
fn renewal_endorsed_by_the_old_key() {
    let name = "wcf-stories/sc-renew-client-5s";
    walk(name, "07-c2s.xml", Kind::Endorsed, Basic256, SignBeforeEncryptAndEncryptSignature, &[]);
}
