//! `open` survives any bytes, never grows a message, and says the same of the same message every time.

use proptest::prelude::*;
use soap_session_core::crypto::AlgorithmSuite::Basic256;
use soap_session_core::secure::{Policy, ProtectionOrder};
use soap_session_tests::opening::{Case, Heard, Kind};
use std::sync::LazyLock;

/// One message of each kind: encrypted, in clear, with a wrapped key, signed over its ciphertext, endorsed.
static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let order = ProtectionOrder::default();
    let ebs = ProtectionOrder::EncryptBeforeSign;
    vec![
        Case::request(),
        Case::cancel(),
        Case::cancel_reply(),
        Case::new("wcf/sc-anon", "01-c2s.xml", Kind::Message, Basic256, order),
        Case::new("wcf-stories/sc-encrypt-before-sign", "03-c2s.xml", Kind::Message, Basic256, ebs),
        Case::new("wcf-stories/sc-renew-client-5s", "07-c2s.xml", Kind::Endorsed, Basic256, order),
    ]
});

/// Opens twice, under the strict policy and under an inspector's: the same answer, the same bytes, the same length.
fn check(case: &Case, bytes: &[u8]) -> Result<bool, TestCaseError> {
    let inspector = Case { policy: Policy::inspection(), ..case.clone() };
    let mut accepted = false;
    for case in [case, &inspector] {
        let (mut first, mut second) = (bytes.to_vec(), bytes.to_vec());
        let answers = (case.open_in(&mut first), case.open_in(&mut second));
        prop_assert_eq!(&answers.0, &answers.1);
        prop_assert_eq!(&first, &second);
        prop_assert_eq!(first.len(), bytes.len());
        if let Ok(opened) = answers.0 {
            let size = u32::try_from(bytes.len()).unwrap();
            for (_, span) in opened.headers.iter().chain([&(soap_session_core::secure::Element::Body, opened.body)]) {
                prop_assert!(span.start <= span.end && span.end <= size);
            }
            prop_assert!(std::str::from_utf8(opened.body.of(&first)).is_ok());
            accepted = true;
        }
    }
    Ok(accepted)
}

/// A change to a message.
#[derive(Clone, Debug)]
enum Change {
    Put(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
    Splice(prop::sample::Index, prop::sample::Index, prop::sample::Index, usize),
    Insert(prop::sample::Index, String),
    Truncate(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (at(), 1usize..400).prop_map(|(at, len)| Change::Cut(at, len)),
        (at(), 1usize..400).prop_map(|(at, len)| Change::Double(at, len)),
        (at(), at(), at(), 1usize..400).prop_map(|(at, other, from, len)| Change::Splice(at, other, from, len)),
        (at(), "(<!--.{0,8}-->|<[a-z]:[A-Z][a-z]{0,5}>|</?[a-z]{1,3}/?>|&#?[a-z0-9]{1,5};|<!\\[CDATA\\[|\\]\\]>|[ -~]{1,6})")
            .prop_map(|(at, text)| Change::Insert(at, text)),
        at().prop_map(Change::Truncate),
    ]
}

fn changed(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let range = |at: &prop::sample::Index, len: usize, of: usize| {
        let start = at.index(of);
        start..(start + len).min(of)
    };
    match change {
        Change::Put(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Cut(at, len) => drop(bytes.drain(range(at, *len, bytes.len()))),
        Change::Double(at, len) => {
            let range = range(at, *len, bytes.len());
            let copy = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, copy);
        }
        Change::Splice(at, other, from, len) => {
            let other = CASES[other.index(CASES.len())].text.as_bytes();
            let copy = other[range(from, *len, other.len())].to_vec();
            let range = range(at, *len, bytes.len());
            bytes.splice(range, copy);
        }
        Change::Insert(at, text) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, text.bytes());
        }
        Change::Truncate(at) => bytes.truncate(at.index(bytes.len())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(!check(&CASES[0], &bytes)?);
    }

    #[test]
    fn any_text_is_survived(text in "(<\\?xml version='1.0'\\?>)?<[a-z]:Envelope( xmlns:[a-z]='[ -~]{0,20}')*>[ -~\u{80}-\u{ff}]{0,200}") {
        check(&CASES[0], text.as_bytes())?;
    }

    #[test]
    fn any_mutilation_is_survived(which in any::<prop::sample::Index>(), changes in prop::collection::vec(change(), 1..6)) {
        let case = &CASES[which.index(CASES.len())];
        let mut bytes = case.text.clone().into_bytes();
        for change in &changes {
            changed(&mut bytes, change);
        }
        check(case, &bytes)?;
    }

    #[test]
    fn what_is_accepted_after_one_change_is_what_was_sent(which in any::<prop::sample::Index>(), change in change()) {
        let case = &CASES[which.index(CASES.len())];
        let mut bytes = case.text.clone().into_bytes();
        changed(&mut bytes, &change);
        if let Ok(heard) = case.open(&bytes) {
            let sent = case.open(&case.text).unwrap();
            prop_assert_eq!(without_comments(heard), without_comments(sent));
        }
    }
}

/// Comments are not signed: canonicalization drops them, and readers of the values pass them over or refuse them. Unknown
/// headers may be added by anyone, and are told apart by nobody having signed them.
fn without_comments(mut heard: Heard) -> Heard {
    use soap_session_core::secure::Element::HeaderBlock;
    let strip = |octets: &mut Vec<u8>| {
        let mut text = String::from_utf8_lossy(octets).into_owned();
        while let Some((before, rest)) = text.split_once("<!--") {
            let after = rest.split_once("-->").map_or("", |(_, after)| after);
            text = format!("{before}{after}");
        }
        *octets = text.into_bytes();
    };
    strip(&mut heard.body);
    heard.headers.retain(|(kind, _)| *kind != HeaderBlock);
    heard.headers.iter_mut().for_each(|(_, octets)| strip(octets));
    heard
}
