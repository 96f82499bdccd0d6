//! What an insider may not do: holders of a session's keys sign what they like, and are still held to sign everything,
//! with the suite's algorithms, by plain references, in time.

use soap_session_core::secure::{Element, Refusal, ReplayTable, SignatureValue};
use soap_session_core::time::{Duration, Instant, UnixMillis};
use soap_session_tests::assert_refused;
use soap_session_tests::forge::{references, remac, sign};
use soap_session_tests::opening::{Case, between, swap};

type Table = ReplayTable<4>;

const ACTION: &str = "<a:Action ";

#[test]
fn forging_itself_works() {
    let case = Case::cancel();
    let original = case.open(&case.text).unwrap();
    // Made over the recorded bytes, the forger's digests and MAC are the recorded ones.
    assert_eq!(case.forged(str::to_owned), Ok(original));
    let another = case.forged(|text| text.replace("RST/SCT/Cancel", "RST/SCT/Evil")).unwrap();
    assert!(another.addressing[0].ends_with(b"Evil"));
}

#[test]
fn every_part_must_be_signed() {
    let request = Case::cancel();
    let reply = Case::cancel_reply();
    let stamp = |case: &Case| between(&case.text, "<u:Timestamp u:Id=\"", "\"").to_owned();
    let parts = |case: &Case, wanted: &[(&str, Element)]| {
        for (open, element) in wanted {
            let id = if open.is_empty() {
                stamp(case)
            } else {
                let tag = between(&case.text, open, ">");
                between(tag, "u:Id=\"", "\"").to_owned()
            };
            let kept: Vec<String> = references(&case.text).into_iter().filter(|kept| *kept != id).collect();
            assert_eq!(kept.len() + 1, references(&case.text).len());
            let answer = case.open(sign(&case.text, &kept, &case.derived[0]));
            assert_refused!(answer, Refusal::NotSigned(found) if found == *element);
            // Without its Id too, so that nothing could sign it.
            let unnamed = swap(&case.text, &format!(" u:Id=\"{id}\""), "");
            let answer = case.open(sign(&unnamed, &kept, &case.derived[0]));
            assert_refused!(answer, Refusal::NotSigned(found) if found == *element);
        }
    };
    parts(
        &request,
        &[
            ("<s:Body", Element::Body),
            (ACTION, Element::Action),
            ("<a:MessageID", Element::MessageId),
            ("<a:ReplyTo", Element::ReplyTo),
            ("<a:To", Element::To),
            ("", Element::Timestamp),
        ],
    );
    parts(&reply, &[("<s:Body", Element::Body), ("<a:RelatesTo", Element::RelatesTo), ("", Element::Timestamp)]);
}

#[test]
fn no_action_at_all() {
    let case = Case::cancel();
    let action = format!("{ACTION}{}</a:Action>", between(&case.text, ACTION, "</a:Action>"));
    let kept: Vec<String> = references(&case.text).into_iter().filter(|id| id != "_1").collect();
    let answer = case.open(sign(&swap(&case.text, &action, ""), &kept, &case.derived[0]));
    assert_refused!(answer, Refusal::Missing(Element::Action));
}

#[test]
fn confirmation_that_nobody_asked_for() {
    let case = Case::cancel();
    let element = "<k:SignatureConfirmation u:Id=\"_9\" Value=\"AAAA\" \
                   xmlns:k=\"http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd\"/>";
    let added = case.text.replace("<Signature ", &format!("{element}<Signature "));
    assert_refused!(case.open(&added), Refusal::NotSigned(Element::SignatureConfirmation));
    let mut ids = references(&added);
    ids.push("_9".to_owned());
    assert_refused!(case.open(sign(&added, &ids, &case.derived[0])), Refusal::Confirmation);
}

#[test]
fn references_that_are_not_plain() {
    let case = Case::cancel();
    let key = &case.derived[0];
    let first = "<Reference URI=\"#_0\">";
    for uri in ["", "#", "_0", "http://evil.example/#_0", "cid:_0", "&#35;_0"] {
        let text = swap(&case.text, first, &format!("<Reference URI=\"{uri}\">"));
        assert_refused!(case.open(remac(&text, key)), Refusal::Malformed { element: Element::Reference, .. });
    }
    let text = swap(&case.text, first, "<Reference>");
    assert_refused!(case.open(remac(&text, key)), Refusal::Malformed { element: Element::Reference, .. });
    for uri in ["#xpointer(id('_0'))", "#xpointer(/)", "#_0 ", "#_00"] {
        let text = swap(&case.text, first, &format!("<Reference URI=\"{uri}\">"));
        assert_refused!(case.open(remac(&text, key)), Refusal::DanglingReference { .. });
    }
    // None, and more than fit.
    let all = format!("<Reference {}", between(&case.text, "<Reference ", "</SignedInfo>"));
    let none = remac(&swap(&case.text, &all, ""), key);
    assert_refused!(case.open(none), Refusal::Malformed { element: Element::Signature, .. });
    let mut ids = references(&case.text);
    ids.resize(40, "_0".to_owned());
    case.open(sign(&case.text, &ids, key)).unwrap();
    ids.push("_0".to_owned());
    let answer = case.open(sign(&case.text, &ids, key));
    assert_refused!(answer, Refusal::TooMany { element: Element::Reference, limit: 40 });
}

#[test]
fn additions_to_the_signature() {
    let case = Case::cancel();
    let key = &case.derived[0];
    for (from, to) in [
        ("</KeyInfo></Signature>", "</KeyInfo><Object><evil/></Object></Signature>"),
        ("<SignedInfo>", "<Object/><SignedInfo>"),
        ("</SignatureValue>", "</SignatureValue><SignatureValue>AAAA</SignatureValue>"),
    ] {
        let text = remac(&swap(&case.text, from, to), key);
        assert_refused!(case.open(text), Refusal::Malformed { element: Element::Signature, .. });
    }
    // A value cut short is another value, however much of it is right.
    let value = between(&case.text, "<SignatureValue>", "<").to_owned();
    for shorter in [&value[..4], &value[..24], ""] {
        let text = swap(&case.text, &value, shorter);
        assert_refused!(case.open(text), Refusal::SignatureValue(Element::Signature));
    }
    let two = swap(&case.text, "</KeyInfo>", "<o:SecurityTokenReference/></KeyInfo>");
    assert_refused!(case.open(two), Refusal::Malformed { element: Element::SecurityTokenReference, .. });
}

#[test]
fn signed_with_the_session_key_itself() {
    let case = Case::cancel();
    let key_info = between(&case.text, "<KeyInfo>", "</KeyInfo>");
    let token = between(&case.text, "<c:SecurityContextToken u:Id=\"", "\"");
    let reference = format!("<o:SecurityTokenReference><o:Reference URI=\"#{token}\"/></o:SecurityTokenReference>");
    let text = remac(&swap(&case.text, key_info, &reference), &case.session_key);
    assert_refused!(case.open(&text), Refusal::KeyNotDerived { element: Element::Signature });
    // The same by a reference out of the message.
    let context = between(&case.text, "<c:Identifier>", "<");
    let value_type = "http://schemas.xmlsoap.org/ws/2005/02/sc/sct";
    let external = format!(
        "<o:SecurityTokenReference><o:Reference URI=\"{context}\" ValueType=\"{value_type}\"/></o:SecurityTokenReference>"
    );
    let text = remac(&swap(&case.text, key_info, &external), &case.session_key);
    assert_refused!(case.open(&text), Refusal::KeyNotDerived { element: Element::Signature });
    let mut lenient = case.clone();
    lenient.policy.underived_keys = true;
    lenient.open(&text).unwrap();
}

#[test]
fn times_outside_the_window() {
    let case = Case::cancel();
    let created = case.now.0 - 1000;
    let at = |now: i64, text: &str| Case { now: UnixMillis(now), ..case.clone() }.open(text);
    let minute = 60_000;
    assert_refused!(at(created + 10 * minute, &case.text), Refusal::Stale { by_ms: 0 });
    assert_refused!(at(created + 20 * minute, &case.text), Refusal::Stale { by_ms: 600_000 });
    at(created + 10 * minute - 1, &case.text).unwrap();
    assert_refused!(at(created - 5 * minute, &case.text), Refusal::FromTheFuture { by_ms: 0 });
    assert_refused!(at(created - 5 * minute - 7, &case.text), Refusal::FromTheFuture { by_ms: 7 });
    at(created - 5 * minute + 1, &case.text).unwrap();
    // Signed to end early: 1 minute after it was created.
    let brief = swap(&case.text, "<u:Expires>2026-11-21T02:45:", "<u:Expires>2026-11-21T02:41:");
    let brief = sign(&brief, &references(&brief), &case.derived[0]);
    assert_refused!(at(created + 6 * minute, &brief), Refusal::Expired { by_ms: 0 });
    assert_refused!(at(created + 6 * minute + 9, &brief), Refusal::Expired { by_ms: 9 });
    at(created + 6 * minute - 1, &brief).unwrap();
    for extreme in [i64::MIN, i64::MAX] {
        at(extreme, &case.text).unwrap_err();
    }
}

#[test]
fn timestamps_that_say_nothing_or_nonsense() {
    let case = Case::cancel();
    let created = "<u:Created>2026-11-21T02:40:12.890Z</u:Created>";
    let expires = "<u:Expires>2026-11-21T02:45:12.890Z</u:Expires>";
    let bad = [
        (created, String::new()),
        (created, format!("{created}{created}")),
        (expires, expires.replace("45:12", "40:12")),
        (expires, expires.replace("02:45", "01:45")),
        (expires, format!("{expires}{expires}")),
        (expires, format!("{expires}<u:Other/>")),
        (created, created.replace(".890Z", ".12345678Z")),
        (created, created.replace(".890Z", ".890")),
        (created, created.replace(".890Z", ".Z")),
        (created, created.replace(".890Z", ".890+00:00")),
        (created, created.replace("11-21", "02-30")),
        (created, created.replace("2026", "+2026")),
    ];
    for (from, to) in bad {
        let answer = case.forged(|text| swap(text, from, &to));
        assert_refused!(answer, Refusal::Malformed { element: Element::Timestamp, .. });
    }
    for fraction in ["", ".8", ".89", ".890", ".8900000"] {
        let heard = case.forged(|text| swap(text, created, &created.replace(".890", fraction))).unwrap();
        let millis = if fraction.is_empty() {
            0
        } else if fraction == ".8" {
            800
        } else {
            890
        };
        assert_eq!(heard.times[0].unwrap().0.rem_euclid(1000), millis, "{fraction}");
    }
    let endless = case.forged(|text| swap(text, expires, "")).unwrap();
    assert_eq!(endless.times[1], None);
}

#[test]
fn replayed_messages_fill_the_table_and_run_out() {
    let case = Case::cancel();
    let clock = case.policy.clock;
    let seen = SignatureValue::new(&case.open(&case.text).unwrap().signature).unwrap();
    let value = |n: u8| SignatureValue::new(&[n; 20]).unwrap();
    let mut table = Table::default();
    let start = case.now;
    let after = |ms: u64| (start.after(Duration::from_millis(ms)), Instant::from_millis(ms));
    let remember = |table: &mut Table, value: &SignatureValue, at: (UnixMillis, Instant)| {
        table.remember(value, at.0, at.1, &clock)
    };
    let check = |table: &mut Table, value: &SignatureValue, at: (UnixMillis, Instant)| table.check(value, at.0, at.1);
    remember(&mut table, &seen, after(0)).unwrap();
    assert_refused!(remember(&mut table, &seen, after(1)), Refusal::Replay);
    for n in 1..4 {
        remember(&mut table, &value(n), after(u64::from(n))).unwrap();
    }
    // Full: what is new is refused, and what may still be replayed stays known.
    let full = table.clone();
    assert_refused!(remember(&mut table, &value(9), after(899_999)), Refusal::ReplayTableFull { capacity: 4 });
    assert_refused!(check(&mut table, &seen, after(899_999)), Refusal::Replay);
    assert_eq!(table, full);
    // Fifteen minutes after it came, the first is forgotten, and only the first.
    remember(&mut table, &value(9), after(900_000)).unwrap();
    assert_eq!(table.len(), 4);
    assert_refused!(check(&mut table, &value(1), after(900_000)), Refusal::Replay);
    assert!(check(&mut table, &seen, after(900_001)).is_ok());
    // By then the message itself is too old.
    let late = Case { now: after(900_000).0, ..case.clone() };
    assert_refused!(late.open(&case.text), Refusal::Stale { .. });
}

#[test]
fn a_client_remembers_the_latest_answers() {
    let case = Case::cancel();
    let clock = case.policy.clock;
    let value = |n: u8| SignatureValue::new(&[n; 20]).unwrap();
    let at = |ms: u64| (case.now.after(Duration::from_millis(ms)), Instant::from_millis(ms));
    let mut table = Table::default();
    // Four fit, and nothing runs out within fifteen minutes.
    for n in 0..200 {
        let (wall, now) = at(u64::from(n));
        table.remember_latest(&value(n), wall, now, &clock).unwrap();
        let before = table.clone();
        assert_refused!(table.remember_latest(&value(n), wall, now, &clock), Refusal::Replay);
        assert_eq!(table, before, "a refusal leaves no trace");
    }
    let (wall, now) = at(200);
    for n in 196..200 {
        assert_refused!(table.check(&value(n), wall, now), Refusal::Replay);
    }
    table.remember_latest(&value(0), wall, now, &clock).unwrap();
    assert_eq!(table.len(), 4);
}
