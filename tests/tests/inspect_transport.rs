//! `soap-session inspect` knows by itself what only the transport can have protected, follows its conversations, and does not take
//! a message for such a one that had more and lost it.

use soap_session_cli::inspect::{Evidence, Inspector, MessageReport, Summary, Verdict, messages};
use soap_session_core::chance::Chance;
use soap_session_core::secure::{
    AcceptorSettings, Binding, Bootstrap, InitiatorSettings, OneShotClient, ProtectionOrder, UserCredential,
};
use soap_session_core::time::{Duration, Instant};
use soap_session_credentials::{Certificate, PrivateKey};
use soap_session_tests::actors::client_store;
use soap_session_tests::opening::{between, swap};
use soap_session_tests::pair::{MIDNIGHT, Note, Pair};
use soap_session_tests::vectors_root;
use std::fs;
use std::path::Path;

/// What an inspector makes of these messages: requests and answers in turns, as files.
fn inspected(test: &str, said: &[Vec<u8>], evidence: Evidence) -> (Vec<MessageReport>, Summary) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("inspect-{test}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (index, message) in said.iter().enumerate() {
        let way = ["c2s", "s2c"][index % 2];
        fs::write(folder.join(format!("{:02}-{way}.xml", index + 1)), message).unwrap();
    }
    let mut inspector = Inspector::new(evidence, None).unwrap();
    let mut summary = Summary::default();
    let mut reports = Vec::new();
    for file in messages(&folder).unwrap() {
        let report = inspector.inspect(&file).unwrap();
        summary.count(&report);
        reports.push(report);
    }
    fs::remove_dir_all(&folder).unwrap();
    (reports, summary)
}

/// A conversation over a protected transport, from its token to its end.
fn conversation(bootstrap: Bootstrap) -> Vec<Vec<u8>> {
    let binding = Binding::ws2007_http(bootstrap);
    let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 5);
    let mut said = Vec::new();
    pair.client.open().unwrap();
    for step in 0..4 {
        match step {
            1 => pair.client.call(Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>")).map(|_| ()).unwrap(),
            2 => {
                pair.wait(Duration::from_secs(9 * 3600));
                pair.client.call(Note::request("urn:calc/Sub", "<Sub xmlns=\"urn:calc\"/>")).map(|_| ()).unwrap();
            }
            3 => pair.client.close().unwrap(),
            _ => {}
        }
        while let Some((exchange, mut message)) = pair.client_sends() {
            said.push(message.clone());
            match pair.service_hears(exchange, &mut message).unwrap() {
                soap_session_core::secure::Incoming::Request { .. } => {
                    let reply = Note::request("urn:calc/Response", "<Response xmlns=\"urn:calc\"/>");
                    pair.service.reply(exchange, reply).unwrap();
                }
                soap_session_core::secure::Incoming::Cancelled(session) => pair.service.close(session).unwrap(),
                _ => {}
            }
            let (_, _, mut answer) = pair.service_sends().unwrap();
            said.push(answer.clone());
            pair.client.receive(pair.now, exchange, &pair.paper, &mut answer).unwrap();
        }
    }
    said
}

#[test]
fn conversations_over_the_transport_are_followed() {
    // The tests' certificates are of paper: an inspector can verify those of users only.
    let said = conversation(Bootstrap::UserNameOverTransport);
    let (reports, summary) = inspected("conversation", &said, Evidence::default());
    let plain: Vec<_> = reports.iter().map(|report| (report.file.as_str(), &report.verdict, &report.note)).collect();
    assert_eq!((summary.messages, summary.transport, summary.failed), (10, 10, 0), "{plain:#?}");
    assert_eq!(reports[0].user.as_deref(), Some("alice"));
    assert!(reports[0].signed.is_empty() && reports[0].note.is_none());
    // The token's key was learnt from the two before, and after the renewal from these.
    for at in [2, 4, 6, 8] {
        let endorser = reports[at].endorser.as_deref();
        assert!(endorser.is_some_and(|by| by.starts_with("urn:uuid:")), "{at}: {endorser:?}");
        assert_eq!(reports[at].signed, ["Timestamp"], "{at}");
    }
    assert_eq!(reports[2].body, b"<Add xmlns=\"urn:calc\"/>");
    assert_eq!(summary.text(), "inspect: 10 messages, 0 verified, 10 left to the transport, 0 plain, 0 failed");
    assert_eq!(reports[2].json(false)["token"]["kind"], "Transport");
    // A time stamp that was changed, and a password that is not the given one.
    let text = String::from_utf8(said[2].clone()).unwrap();
    let expires = between(&text, "<u:Expires>", "<").to_owned();
    let mut forged = said.clone();
    forged[2] = swap(&text, &expires, "2026-11-21T00:06:00.000Z").into_bytes();
    let users = vec![("alice".to_owned(), "another".to_owned())];
    let (reports, summary) = inspected("forged", &forged, Evidence { users, ..Evidence::default() });
    let failed =
        |at: usize| if let Verdict::Failed(reason) = &reports[at].verdict { reason.clone() } else { String::new() };
    assert_eq!(failed(0), "the user name or the password is wrong");
    // Without the request the key of its token is not known.
    assert!(!failed(2).is_empty() && summary.transport < 10, "{summary:?}");
}

fn one_shot(binding: &Binding) -> String {
    let store = client_store();
    let user = UserCredential::new("alice", "wonder");
    let to = "http://localhost/calc";
    let client = OneShotClient::<_, 4, 64>::new(binding.clone(), to, user, MIDNIGHT, Chance::new(&[7; 32]));
    let mut out = vec![0; 32_768];
    let note = Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>");
    let paper = soap_session_tests::pair::Paper::default();
    let now = Instant::from_millis(1000);
    let sealed = if binding.bootstrap.over_transport() {
        client.unwrap().seal_request(now, &*store, &note, &mut out)
    } else {
        client.unwrap().seal_request(now, &paper, &note, &mut out)
    };
    String::from_utf8(out[..sealed.unwrap().1].to_vec()).unwrap()
}

#[test]
fn an_endorsing_certificate_is_verified() {
    let text = one_shot(&Binding::ws_http(Bootstrap::CertificateOverTransport));
    let (reports, _) = inspected("certificate", &[text.clone().into_bytes()], Evidence::default());
    assert_eq!(reports[0].verdict, Verdict::Transport);
    assert_eq!(
        (reports[0].endorser.as_deref(), &reports[0].signed[..]),
        (Some("certificate"), &["Timestamp", "To"][..])
    );
    // Copies are the transport's business: it does not say that it was one.
    let twice = [text.clone().into_bytes(), Vec::new(), text.clone().into_bytes()];
    assert_eq!(inspected("copies", &twice, Evidence::default()).1.transport, 2);
    let keys = vectors_root().join("keys");
    let trusted = vec![Certificate::from_file(keys.join("service.cert.pem")).unwrap()];
    let (reports, _) = inspected("strange", &[text.clone().into_bytes()], Evidence { trusted, ..Evidence::default() });
    assert_eq!(reports[0].verdict, Verdict::Failed("the peer's certificate is not trusted".to_owned()));
    let elsewhere = swap(&text, "localhost/calc</a:To>", "elsewhere/calc</a:To>").into_bytes();
    let (reports, _) = inspected("elsewhere", &[elsewhere], Evidence::default());
    assert_eq!(reports[0].verdict, Verdict::Failed("the digest of To is not the signed one".to_owned()));
    // The body is another: nothing in the message tells.
    let other = swap(&text, "<Add xmlns=\"urn:calc\"/>", "<Sub xmlns=\"urn:calc\"/>").into_bytes();
    let (reports, _) = inspected("other", &[other], Evidence::default());
    assert_eq!(reports[0].verdict, Verdict::Transport);
}

/// What had a signature or a key, or should have, is judged as a message that protects itself.
#[test]
fn a_message_that_lost_its_protection_is_not_one_of_the_transports() {
    let binding =
        Binding { order: ProtectionOrder::SignBeforeEncrypt, ..Binding::ws_http(Bootstrap::AnonymousForCertificate) };
    let text = one_shot(&binding);
    let signature = format!("<Signature xmlns={}</Signature>", between(&text, "<Signature xmlns=", "</Signature>"));
    let certified = one_shot(&Binding::ws_http(Bootstrap::CertificateOverTransport));
    let endorsing =
        format!("<Signature xmlns={}</Signature>", between(&certified, "<Signature xmlns=", "</Signature>"));
    let stamp = format!("<u:Timestamp{}</u:Timestamp>", between(&certified, "<u:Timestamp", "</u:Timestamp>"));
    let context = "<c:SecurityContextToken xmlns:c=\"http://schemas.xmlsoap.org/ws/2005/02/sc\"><c:Identifier>urn:x</c:Identifier>\
                   </c:SecurityContextToken></o:Security>";
    let data = "<e:EncryptedData xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\"/>";
    let key = || vec![PrivateKey::from_file(vectors_root().join("keys/service.key.pem")).unwrap()];
    for (what, message) in [
        ("its signature is gone", swap(&text, &signature, "")),
        ("its endorsing signature is gone", swap(&certified, &endorsing, "")),
        ("there is no timestamp", swap(&certified, &stamp, "")),
        ("a token that signed nothing", swap(&swap(&certified, &endorsing, ""), "</o:Security>", context)),
        ("an encrypted body", swap(&certified, "<Add xmlns=\"urn:calc\"/>", data)),
    ] {
        let evidence = Evidence { keys: key(), ..Evidence::default() };
        let (reports, summary) = inspected("lost", &[message.into_bytes()], evidence);
        assert_eq!((summary.failed, summary.transport), (1, 0), "{what}: {:?}", reports[0].verdict);
    }
}
