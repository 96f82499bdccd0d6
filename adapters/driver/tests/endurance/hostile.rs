//! What is no message of a session, told to a server that has one, and clients that take their time to read.

use crate::stand::{Stand, body, gated, plain, reliable, secure, secure_reliable, soon};
use crate::world::{run, sleep};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use soap_session_core::service::{Contract, Operation, SessionMode};
use soap_session_driver::http::{ContentHeaders, HttpClient, SOAP12};
use soap_session_driver::{Answer, Binding, Call, Runtime, Service, SessionId};
use std::sync::Arc;
use std::time::Duration;

const OPERATIONS: &[Operation<'static>] = &[Operation::new("Echo", "urn:echo")];
const CONTRACT: Contract<'static> =
    Contract { name: "IEcho", session_mode: SessionMode::Allowed, callbacks: false, operations: OPERATIONS };

/// It knows one action only.
struct Echo;

impl Service for Echo {
    type Instance = ();

    fn contract(&self) -> &Contract<'_> {
        &CONTRACT
    }

    fn instance(&self, _: Option<&SessionId>) {}

    async fn call(&self, (): &(), call: Call) -> Answer {
        Answer::reply("urn:echoResponse", call.body)
    }
}

fn envelope(namespace: &str, action: &str, to: &str, more: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{namespace}\" xmlns:a=\"http://www.w3.org/2005/08/addressing\"><s:Header>\
         <a:Action s:mustUnderstand=\"1\">{action}</a:Action><a:MessageID>urn:uuid:6f6d7f2e-2ab7-4b62-9f0e-4f9a1f0c5a11</a:MessageID>\
         <a:To s:mustUnderstand=\"1\">{to}</a:To>{more}</s:Header><s:Body><Echo xmlns=\"urn:echo\">1</Echo></s:Body></s:Envelope>"
    )
}

const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";
const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// What is sent, and what its answer is: the status, and words that are in it.
struct Case {
    name: &'static str,
    content_type: &'static str,
    message: Vec<u8>,
    status: u16,
    says: &'static [&'static str],
}

fn case(name: &'static str, message: impl Into<Vec<u8>>, status: u16, says: &'static [&'static str]) -> Case {
    Case { name, content_type: SOAP12, message: message.into(), status, says }
}

/// Whatever the binding, this is no message. Where messages are protected, who cannot be understood is told the same as who has
/// no token that is known, as soon as there is an envelope to speak of: `opened`.
fn never_a_message(to: &str, opened: (u16, &'static [&'static str])) -> Vec<Case> {
    let (status, says) = opened;
    let good = envelope(SOAP_12, "urn:echo", to, "");
    let half = good.split_at(good.len() / 2).0.to_owned();
    vec![
        case("nothing", "", 400, &[]),
        case("no XML", "Hello, service!", 400, &[]),
        case("no UTF-8", [b"<s:Envelope>".as_slice(), &[0xff, 0xfe, 0x00]].concat(), 400, &[]),
        case("half an envelope", half, status, says),
        case("no envelope", "<Echo xmlns=\"urn:echo\">1</Echo>", 400, &[]),
        case("a document type", format!("<!DOCTYPE x [<!ENTITY y \"z\">]>{good}"), 400, &[]),
        case("nested too deep", format!("{}1{}", "<a>".repeat(200), "</a>".repeat(200)), 400, &[]),
        case("beyond the greatest message", "x".repeat(65_537), 413, &["65536"]),
        Case {
            content_type: "text/xml; charset=utf-8",
            ..case(
                "the other SOAP's content type",
                envelope(SOAP_11, "urn:echo", to, ""),
                415,
                &["application/soap+xml"],
            )
        },
        case("the other SOAP", envelope(SOAP_11, "urn:echo", to, ""), status, says),
    ]
}

async fn table<R: Runtime + Default>(binding: Binding, cases: impl FnOnce(&str) -> Vec<Case>) {
    let stand = Stand::<R, _>::of(&binding, Echo).await;
    let client = stand.client().await;
    client.call("urn:echo", body(0)).await.unwrap();
    let url = stand.url();
    let raw = HttpClient::new(stand.runtime.clone(), &url, None).unwrap();
    let mut wrong = Vec::new();
    for Case { name, content_type, message, status, says } in cases(&url) {
        let headers = ContentHeaders { content_type: content_type.into(), soap_action: None };
        let reply = soon(&stand.runtime, name, raw.exchange(&headers, message, 100_000)).await.unwrap();
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        if reply.status != status || !says.iter().all(|words| said.contains(words)) {
            wrong.push(format!("{name}: {} {said}", reply.status));
        }
        // Nobody else is concerned.
        let reply = client.call("urn:echo", body(name)).await.unwrap();
        assert_eq!(*reply.body, *body(name).as_bytes(), "after {name}");
    }
    assert!(wrong.is_empty(), "{}:\n{}", binding.name(), wrong.join("\n"));
    client.close().await.unwrap();
    drop((client, raw));
    stand.end().await;
}

pub(crate) async fn hostile_messages<R: Runtime + Default>() {
    const REFUSED: (u16, &[&str]) = (400, &[]);
    const NO_TOKEN: (u16, &[&str]) = (500, &["BadContextToken"]);
    table::<R>(plain(), |to| {
        let mut cases = never_a_message(to, REFUSED);
        let strange = "<x:Strange xmlns:x=\"urn:x\" s:mustUnderstand=\"1\"/>";
        cases.extend([
            case(
                "an unknown action",
                envelope(SOAP_12, "urn:unknown", to, ""),
                500,
                &["a:ActionNotSupported", "urn:unknown"],
            ),
            case(
                "a header to be understood",
                envelope(SOAP_12, "urn:echo", to, strange),
                500,
                &["MustUnderstand", "Strange"],
            ),
        ]);
        cases
    })
    .await;
    table::<R>(secure(), |to| {
        let mut cases = never_a_message(to, NO_TOKEN);
        let token = "<o:Security s:mustUnderstand=\"1\" xmlns:o=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\">\
             <c:SecurityContextToken xmlns:c=\"http://schemas.xmlsoap.org/ws/2005/02/sc\">\
             <c:Identifier>urn:uuid:00000000-0000-4000-8000-000000000000</c:Identifier></c:SecurityContextToken></o:Security>";
        cases.extend([
            case("without security", envelope(SOAP_12, "urn:echo", to, ""), 500, &["BadContextToken"]),
            case("a token that nobody issued", envelope(SOAP_12, "urn:echo", to, token), 500, &["BadContextToken"]),
        ]);
        cases
    })
    .await;
    table::<R>(reliable(), |to| {
        let mut cases = never_a_message(to, REFUSED);
        let sequence = "<r:Sequence s:mustUnderstand=\"1\" xmlns:r=\"http://docs.oasis-open.org/ws-rx/wsrm/200702\">\
             <r:Identifier>urn:uuid:00000000-0000-4000-8000-000000000000</r:Identifier><r:MessageNumber>1</r:MessageNumber></r:Sequence>";
        cases.extend([
            case("without a sequence", envelope(SOAP_12, "urn:echo", to, ""), 500, &["WsrmRequired"]),
            case("a sequence that nobody made", envelope(SOAP_12, "urn:echo", to, sequence), 500, &["UnknownSequence"]),
        ]);
        cases
    })
    .await;
    table::<R>(secure_reliable(), |to| {
        let mut cases = never_a_message(to, NO_TOKEN);
        cases.push(case("without security", envelope(SOAP_12, "urn:echo", to, ""), 500, &["BadContextToken"]));
        cases
    })
    .await;
}

/// Clients that read their answers one octet at a time, or not at all: others are served meanwhile.
pub(crate) async fn a_slow_reader<R: Runtime + Default>() {
    let binding = plain();
    let (_gate, service) = gated(&Arc::default());
    let stand = Stand::<R, _>::of(&binding, service).await;
    let text = "y".repeat(50_000);
    let message = envelope(SOAP_12, "urn:echo", &stand.url(), "").replace(">1<", &format!(">{text}<"));
    let request = format!(
        "POST /service HTTP/1.1\r\nHost: localhost\r\nContent-Type: {SOAP12}\r\nContent-Length: {}\r\n\r\n{message}",
        message.len()
    );
    let mut slow = Vec::new();
    for number in 0..20 {
        let mut stream = stand.runtime.connect("127.0.0.1", stand.address.port()).await.unwrap();
        let (runtime, request) = (stand.runtime.clone(), request.clone());
        slow.push(run(&stand.runtime, async move {
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut read = 0;
            // Some never come to read the rest.
            let enough = if number % 2 == 0 { 100 } else { 50_000 };
            let mut octet = vec![0; 1 + number * 10];
            while read < enough {
                read += stream.read(&mut octet).await.unwrap();
                sleep(&runtime, Duration::from_millis(1)).await;
            }
        }));
    }
    let client = stand.client().await;
    for number in 0..50 {
        soon(&stand.runtime, "a call meanwhile", client.call("urn:echo", body(number))).await.unwrap();
    }
    for reader in slow {
        soon(&stand.runtime, "a slow reader", reader.recv()).await.unwrap();
    }
    client.close().await.unwrap();
    drop(client);
    stand.end().await;
}
