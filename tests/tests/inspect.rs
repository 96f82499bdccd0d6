//! `soap-session inspect` judges every secured recording as it was judged when it was recorded, and reads the same text.

use soap_session_cli::inspect::{Evidence, Inspector, MessageReport, Summary, Verdict, messages};
use soap_session_core::crypto::SecretKey;
use soap_session_core::time::UnixMillis;
use soap_session_credentials::{Certificate, PrivateKey};
use soap_session_tests::{Census, FAMILIES, Recording, census, from_hex, vectors_root};
use std::collections::BTreeMap;

/// What an inspector must refuse: recording, file, reason.
///
/// The recorded service refused more than these (`vectors/server-verdicts.tsv`), for reasons that are not in the message,
/// so an inspector verifies them:
/// - its clock: `01-c2s` of `sc-client-clock-{minus,plus}-600s` and `oneshot-client-clock-{minus,plus}-600s`; `--now`
///   refuses them, see [`a_clock_refuses_what_is_old_and_what_is_early`];
/// - its table of tokens, swept, timed out, aborted or lost with the process: `07-c2s` of `sc-server-restarted{,-v13}`,
///   `09-c2s` of `rm1x-sc-server-restarted`, `03-c2s` of `sc-pending-swept`, `05-c2s` of `sc-receive-timeout-5s{,-v13}`,
///   `07-c2s` of `rm1x-sc-inactivity-server-5s`, `11-c2s` of `rm1x-sc-client-abort`, `15-c2s` of `rm10-sc-faults`, `07-c2s`
///   of `sc-renew-old-key-after-rollover{,-v13}`, `05-c2s` of `sc-renew-needed-fault`, `03-c2s` of `sc-pending-limit-1{,-v13}`;
/// - its contract: `05-c2s` of `sc-wrong-action`;
/// - its users: `01-c2s` of `ws-user-session-bad-password`; `--user` refuses it, see [`users_are_judged_if_they_are_given`].
const REFUSED: [(&str, &str, &str); 4] = [
    // The proxy changed the Action.
    ("wcf-stories/sc-tampered-request", "05-c2s.rewritten.xml", "the digest of Action is not the signed one"),
    // The proxy sent a copy.
    ("wcf-stories/sc-replayed-request", "07-c2s.xml", REPLAY),
    ("wcf-stories/rm10-sc-dup-request", "09-c2s.xml", REPLAY),
    ("wcf-stories/rm11-sc-dup-request", "09-c2s.xml", REPLAY),
];

const REPLAY: &str = "a message with this signature was received before";

fn key(name: &str) -> PrivateKey {
    PrivateKey::from_file(vectors_root().join(format!("keys/{name}.key.pem"))).unwrap()
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_file(vectors_root().join(format!("keys/{name}.cert.pem"))).unwrap()
}

/// What opens the recordings of a family. A duplex service wraps keys for its client, hence two private keys; the
/// secrets are those of the families' `SECRETS.txt`.
fn evidence(family: &str) -> Evidence {
    let secret = |hex: &str| vec![SecretKey::new(&from_hex(hex).unwrap()).unwrap()];
    match family {
        "gsoap" => Evidence {
            // One key for signatures, which the token names, and one for encryption, which nothing names.
            secrets: [
                secret("3031323334353637383961626364656630313233343536373839414243444500"),
                secret("6665646362613938373635343332313046454443424139383736353433323100"),
            ]
            .concat(),
            ..Evidence::default()
        },
        "wss4j" => Evidence {
            secrets: secret("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
            ..Evidence::default()
        },
        _ => Evidence { keys: vec![key("service"), key("client")], ..Evidence::default() },
    }
}

fn inspect(name: &str, evidence: Evidence, now: Option<&str>) -> (Vec<MessageReport>, Summary) {
    let now = now.map(|text| UnixMillis::parse(text.as_bytes()).unwrap());
    let mut inspector = Inspector::new(evidence, now).unwrap();
    let mut summary = Summary::default();
    let mut reports = Vec::new();
    for file in messages(&vectors_root().join(name)).unwrap() {
        let report = inspector.inspect(&file).unwrap();
        summary.count(&report);
        reports.push(report);
    }
    (reports, summary)
}

/// What stands between the tags of `Body`.
fn body(envelope: &[u8]) -> &[u8] {
    let text = std::str::from_utf8(envelope).unwrap();
    let prefix = text.split_once(":Envelope").unwrap().0.rsplit('<').next().unwrap();
    let tag = text.find(&format!("<{prefix}:Body")).unwrap();
    let start = tag + text[tag..].find('>').unwrap() + 1;
    if text[..start].ends_with("/>") {
        return &[];
    }
    let end = text.rfind(&format!("</{prefix}:Body>")).unwrap();
    &envelope[start..end]
}

#[test]
fn every_recording_is_judged_as_it_was_made() {
    let mut refused = Vec::new();
    let mut families = BTreeMap::<&str, Summary>::new();
    for Census { name, messages, secured, .. } in census().unwrap() {
        let family = FAMILIES.into_iter().find(|f| name.split('/').next() == Some(f)).unwrap();
        let (reports, summary) = inspect(&name, evidence(family), None);
        assert_eq!(summary.messages, messages, "{name}");
        assert_eq!(summary.verified + summary.failed, secured, "{name}");
        assert_eq!(summary.plain, messages - secured, "{name}");
        for report in &reports {
            match &report.verdict {
                Verdict::Failed(reason) => refused.push((name.clone(), report.file.clone(), reason.clone())),
                Verdict::Verified => {
                    // Whatever these stacks sign, they sign the body and the time.
                    assert!(report.signed.contains(&"Body"), "{name}/{}", report.file);
                    assert!(report.signed.contains(&"Timestamp"), "{name}/{}", report.file);
                    // gSOAP says the same thing twice within a second, without a MessageID: its messages 02 are 01 again.
                    let again = family == "gsoap" && report.file.starts_with("02");
                    assert_eq!(report.note.is_some(), again, "{name}/{}: {:?}", report.file, report.note);
                }
                Verdict::Transport => panic!("{name}/{}: none of these was recorded over TLS", report.file),
                Verdict::Plain => assert!(report.signed.is_empty() && report.encrypted.is_empty()),
            }
        }
        let sum = families.entry(family).or_default();
        sum.messages += summary.messages;
        sum.verified += summary.verified;
        sum.plain += summary.plain;
        sum.failed += summary.failed;
    }
    for (family, summary) in &families {
        println!("{family}: {}", summary.text());
    }
    assert_eq!(refused.len(), REFUSED.len(), "{refused:#?}");
    for (name, file, reason) in REFUSED {
        let found = refused.iter().find(|(n, f, _)| n == name && f == file);
        let (.., found) = found.unwrap_or_else(|| panic!("{name}/{file} was to be refused"));
        assert!(reason.is_empty() || found == reason, "{name}/{file}: {found}");
    }
    // The families' rows of the census in vectors/README.md, added up, less what is refused above.
    let counts = families.values().map(|s| (s.messages, s.verified, s.plain, s.failed)).collect::<Vec<_>>();
    assert_eq!(counts, [(174, 8, 166, 0), (914, 782, 132, 0), (2559, 900, 1655, 4), (20, 20, 0, 0)]);
}

#[test]
fn what_is_refused_as_a_copy_is_one() {
    for (name, file, _) in REFUSED.into_iter().filter(|row| row.2 == REPLAY) {
        let recording = Recording::open(name).unwrap();
        let copy = recording.messages.iter().position(|m| m.file == file).unwrap();
        let copied = |m: &&soap_session_tests::Message| {
            m.direction == recording.messages[copy].direction && m.bytes == recording.messages[copy].bytes
        };
        assert_eq!(recording.messages[..copy].iter().filter(copied).count(), 1, "{name}/{file}");
    }
}

#[test]
fn opened_bodies_are_the_recorded_ones() {
    let (mut equal, mut encrypted) = (0, 0);
    for name in census().unwrap().into_iter().filter(|c| c.decrypted > 0).map(|c| c.name) {
        let recording = Recording::open(&name).unwrap();
        let (reports, _) = inspect(&name, evidence("wcf"), None);
        assert_eq!(reports.len(), recording.messages.len());
        for (report, message) in reports.iter().zip(&recording.messages) {
            let (Some(plain), Verdict::Verified) = (&message.plain, &report.verdict) else { continue };
            assert_eq!(report.body, body(plain), "{name}/{}", message.file);
            equal += 1;
            encrypted += usize::from(report.encrypted.contains(&"Body"));
        }
    }
    println!("{equal} bodies equal, {encrypted} of them were encrypted");
    // All whose decrypted form is kept, 1686, but the four that are refused.
    assert_eq!(equal, 1682);
    assert!(encrypted > 1000, "{encrypted}");
}

#[test]
fn without_keys_nothing_is_verified() {
    for name in ["wcf/sc-anon", "wcf/anon-cert-Basic256Rsa15", "wss4j/wss4j-sc0502"] {
        let (reports, summary) = inspect(name, Evidence::default(), None);
        assert_eq!(summary.verified, 0, "{name}: {reports:#?}");
        assert!(summary.failed > 0);
        assert!(reports.iter().filter(|r| r.verdict != Verdict::Plain).all(|r| r.body.is_empty()));
    }
    // Another's key unwraps nothing either, with both ways of wrapping.
    for name in ["wcf/sc-anon", "wcf/anon-cert-Basic256Rsa15"] {
        let stranger = Evidence { keys: vec![key("client")], ..Evidence::default() };
        let (reports, summary) = inspect(name, stranger, None);
        assert_eq!(summary.verified, 0, "{name}");
        // With PKCS#1 v1.5 not even the holder of the key is told that unwrapping failed.
        let reason = match name {
            "wcf/sc-anon" => "no private key that was given unwraps its EncryptedKey",
            _ => "the ciphertext of EncryptedData does not decrypt",
        };
        assert!(matches!(&reports[0].verdict, Verdict::Failed(found) if found == reason), "{:?}", reports[0].verdict);
    }
}

#[test]
fn users_are_judged_if_they_are_given() {
    let with = |user: &str, password: &str| Evidence {
        keys: vec![key("service")],
        users: vec![(user.to_owned(), password.to_owned())],
        ..Evidence::default()
    };
    let story = "wcf-stories/ws-user-session-bad-password";
    let (reports, _) = inspect(story, evidence("wcf"), None);
    assert_eq!(reports[0].verdict, Verdict::Verified);
    let user = reports[0].user.clone().unwrap();
    // vectors/wcf-stories/ws-user-session-bad-password: the password was `nope`.
    assert_eq!(inspect(story, with(&user, "nope"), None).1.failed, 0);
    let (reports, _) = inspect(story, with(&user, "another"), None);
    assert_eq!(reports[0].verdict, Verdict::Failed("the user name or the password is wrong".to_owned()));
}

#[test]
fn certificates_are_judged_if_they_are_given() {
    let trusting =
        |name: &str| Evidence { keys: vec![key("service")], trusted: vec![certificate(name)], ..Evidence::default() };
    for name in ["wcf/mutual-cert", "wcf/sc-mutual"] {
        let (reports, summary) = inspect(name, trusting("client"), None);
        assert_eq!(summary.failed, 0, "{name}");
        assert_eq!(reports[0].endorser.as_deref(), Some("certificate"));
        let (reports, _) = inspect(name, trusting("service"), None);
        assert_eq!(reports[0].verdict, Verdict::Failed("the peer's certificate is not trusted".to_owned()), "{name}");
    }
}

fn old(by: u32) -> String {
    format!("Created is {}.{:03} s older than replay window and clock skew allow", by / 1000, by % 1000)
}

fn early(by: u32) -> String {
    let (seconds, rest) = (by / 1000, by % 1000);
    format!("the clocks differ: Created lies {seconds}.{rest:03} s beyond the clock skew in the future")
}

#[test]
fn a_clock_refuses_what_is_old_and_what_is_early() {
    // The service's clock when each came; the milliseconds are `now` less the message's `Created`, less 10 or 5 minutes.
    for (story, now, reason) in [
        ("sc-client-clock-minus-600s", "2026-11-21T03:23:50Z", old(1306)),
        ("sc-client-clock-plus-600s", "2026-11-21T03:23:49.700Z", early(300_011)),
        ("oneshot-client-clock-minus-600s", "2026-11-21T03:23:55Z", old(1054)),
        ("oneshot-client-clock-plus-600s", "2026-11-21T03:23:55.600Z", early(300_567)),
    ] {
        let (reports, _) = inspect(&format!("wcf-stories/{story}"), evidence("wcf"), Some(now));
        assert_eq!(reports[0].verdict, Verdict::Failed(reason), "{story}");
    }
    for story in ["sc-client-clock-minus-240s", "sc-client-clock-plus-240s"] {
        let (_, summary) = inspect(&format!("wcf-stories/{story}"), evidence("wcf"), Some("2026-11-21T03:23:54Z"));
        assert_eq!((summary.verified, summary.failed), (4, 0), "{story}");
    }
}

#[test]
fn one_line_a_message() {
    let (reports, summary) = inspect("wcf/sc-anon", evidence("wcf"), None);
    let mut line = Vec::new();
    reports[2].write_text(&mut line, false).unwrap();
    assert_eq!(
        String::from_utf8(line).unwrap(),
        "03 c2s urn:probe/Echo/Echo  verified  signed: Body Action MessageID ReplyTo To Timestamp  encrypted: Signature Body\n"
    );
    assert_eq!(summary.text(), "inspect: 22 messages, 21 verified, 1 plain, 0 failed");
    let json = reports[2].json(true);
    assert_eq!(json["verdict"], "verified");
    assert_eq!(json["suite"], serde_json::json!(["Basic256", "Basic256Rsa15"]));
    assert_eq!(json["token"]["identifier"], "urn:uuid:aa66382a-7e7d-495c-a597-aeeddde758c2");
    assert!(json["body"].as_str().is_some_and(|body| body.starts_with("<Echo ")));
}
