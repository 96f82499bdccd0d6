//! `SecurityHeaderLayout`: the order of the security header's children, which no signature fixes. Every order below is of
//! the same recorded request; what each layout makes of it is the reference's section 6.4.

use soap_session_core::secure::{Element, Layout, Refusal};
use soap_session_tests::opening::{Case, swap};

const ALL: [Layout; 4] = [Layout::Strict, Layout::Lax, Layout::LaxTimestampFirst, Layout::LaxTimestampLast];

/// The child of `Security` that starts with `open` and ends with the first `close` after it.
fn child(text: &str, open: &str, close: &str) -> String {
    let start = text.find(open).unwrap();
    let end = start + text[start..].find(close).unwrap() + close.len();
    text[start..end].to_owned()
}

/// `text` with `part` moved to the end of the security header.
fn last(text: &str, part: &str) -> String {
    swap(&swap(text, part, ""), "</o:Security>", &format!("{part}</o:Security>"))
}

/// What each layout says of `text`.
fn verdicts(text: &str) -> [Result<(), Refusal>; 4] {
    ALL.map(|layout| {
        let mut case = Case::request();
        case.policy.layout = layout;
        case.open(text).map(|_| ())
    })
}

fn layout_of(element: Element) -> impl Fn(&Result<(), Refusal>) -> bool {
    move |verdict| matches!(verdict, Err(Refusal::Layout { element: found, .. }) if *found == element)
}

#[test]
fn as_wcf_writes_it_only_timestamp_last_refuses() {
    let [strict, lax, first, end] = verdicts(&Case::request().text);
    assert_eq!((strict, lax, first), (Ok(()), Ok(()), Ok(())));
    assert!(layout_of(Element::Timestamp)(&end), "{end:?}");
}

#[test]
fn a_timestamp_at_the_end_is_only_timestamp_firsts_concern() {
    let text = Case::request().text;
    let timestamp = child(&text, "<u:Timestamp", "</u:Timestamp>");
    let [strict, lax, first, end] = verdicts(&last(&text, &timestamp));
    assert_eq!((strict, lax, end), (Ok(()), Ok(()), Ok(())));
    assert!(layout_of(Element::Timestamp)(&first), "{first:?}");
}

#[test]
fn strict_wants_a_reference_list_before_what_it_lists() {
    let text = Case::request().text;
    let list = child(&text, "<e:ReferenceList", "</e:ReferenceList>");
    let [strict, lax, first, _] = verdicts(&last(&text, &list));
    assert!(layout_of(Element::EncryptedData)(&strict), "{strict:?}");
    assert_eq!((lax, first), (Ok(()), Ok(())));
}

#[test]
fn strict_wants_a_token_before_the_keys_derived_from_it() {
    let text = Case::request().text;
    let token = child(&text, "<c:SecurityContextToken", "</c:SecurityContextToken>");
    let [strict, lax, first, _] = verdicts(&last(&text, &token));
    assert!(layout_of(Element::DerivedKeyToken)(&strict), "{strict:?}");
    assert_eq!((lax, first), (Ok(()), Ok(())));
}

#[test]
fn strict_wants_a_derived_key_before_what_uses_it() {
    // The signing key of a Cancel, whose signature is in clear.
    let mut case = Case::cancel();
    let key = child(&case.text, "<c:DerivedKeyToken", "</c:DerivedKeyToken>");
    let moved = last(&case.text, &key);
    let strict = case.open(&moved).map(|_| ());
    assert!(layout_of(Element::Signature)(&strict), "{strict:?}");
    case.policy.layout = Layout::Lax;
    assert_eq!(case.open(&moved).map(|_| ()), Ok(()));
}

#[test]
fn strict_wants_the_encryption_key_before_the_ciphertext() {
    let text = Case::request().text;
    let signing = child(&text, "<c:DerivedKeyToken", "</c:DerivedKeyToken>");
    let rest = swap(&text, &signing, "");
    let encryption = child(&rest, "<c:DerivedKeyToken", "</c:DerivedKeyToken>");
    let [strict, lax, first, _] = verdicts(&last(&text, &encryption));
    assert!(layout_of(Element::EncryptedData)(&strict), "{strict:?}");
    assert_eq!((lax, first), (Ok(()), Ok(())));
}
