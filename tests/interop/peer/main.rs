//! This project's half of the conversations with other implementations over HTTP; the scripts beside this folder hold them together.
//!
//! Services listen on a free port of 127.0.0.1, answer with what they are sent, print `listening PORT`, `heard TEXT` for each message and
//! `over` for each session that ended, and stop when their standard input ends. Clients print `got TEXT` for each reply, and `closed`; or
//! what went wrong.
//!
//! - `serve VERSION SHAPE`, `call VERSION SHAPE ORDER URL COUNT PACE`: reliable sessions. VERSION is that of WS-ReliableMessaging, `1.0` or
//!   `1.1`; SHAPE is `request-reply` or `one-way`; ORDER is `ordered` or `unordered`; PACE is `one-by-one` or `at-once`.
//! - `serve-secure VERSION CERTIFICATE KEY`, `call-secure VERSION CERTIFICATE URL COUNT`: secure conversations, opened by an anonymous client
//!   with the service's certificate. VERSION is that of WS-SecureConversation, `c` (February 2005) or `sc` (1.3).
//!
//! Only this file knows the adapters' names: whatever loses messages stands between it and the other side.

use soap_session_core::reliable::{ReliableSettings, RmVersion, Shape};
use soap_session_core::secure::{AcceptorSettings, Binding, Bootstrap, InitiatorSettings, NoCredentials};
use soap_session_core::soap::SoapVersion;
use soap_session_core::time::Duration;
use soap_session_core::xml::Limits;
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey, random_seed};
use soap_session_tokio::{
    Call, ReliableClient, ReliableError, ReliableServer, Response, SecureClient, SecureServer, Service,
};
use std::collections::VecDeque;
use std::error::Error;
use std::io::Read as _;
use std::process::ExitCode;
use std::sync::Arc;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    run().map_or_else(
        |error| {
            println!("failed: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn run() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", version, shape] => runtime.block_on(serve(settings(version)?, self::shape(shape)?)),
        ["call", version, shape, order @ ("ordered" | "unordered"), url, count, pace @ ("one-by-one" | "at-once")] => {
            let settings = ReliableSettings { ordered: *order == "ordered", ..settings(version)? };
            runtime.block_on(call(settings, self::shape(shape)?, url, count.parse()?, *pace == "at-once"))
        }
        ["serve-secure", version, certificate, key] => {
            runtime.block_on(serve_secure(binding(version)?, certificate, key))
        }
        ["call-secure", version, certificate, url, count] => {
            runtime.block_on(call_secure(binding(version)?, certificate, url, count.parse()?))
        }
        _ => Err("usage: peer (serve | call | serve-secure | call-secure) ARGUMENT...".into()),
    }
}

fn settings(version: &str) -> Outcome<ReliableSettings> {
    let version = match version {
        "1.0" => RmVersion::February2005,
        "1.1" => RmVersion::V11,
        _ => return Err("the version is 1.0 or 1.1".into()),
    };
    // WCF's minutes are more than a check has.
    let (seconds, requestor_interval) = (Duration::from_secs(6), Duration::from_millis(500));
    Ok(ReliableSettings {
        version,
        requestor_interval,
        send_timeout: seconds,
        open_timeout: seconds,
        close_timeout: seconds,
        ..ReliableSettings::default()
    })
}

fn shape(name: &str) -> Outcome<Shape> {
    match name {
        "request-reply" => Ok(Shape::RequestReply),
        "one-way" => Ok(Shape::OneWay),
        _ => Err("the shape is request-reply or one-way".into()),
    }
}

fn binding(version: &str) -> Outcome<Binding> {
    match version {
        "c" => Ok(Binding::ws_http(Bootstrap::AnonymousForCertificate)),
        "sc" => Ok(Binding::ws2007_http(Bootstrap::AnonymousForCertificate)),
        _ => Err("the version is c or sc".into()),
    }
}

/// Answers with what it is sent.
struct Echo;

impl<Id: Send + 'static> Service<Id> for Echo {
    async fn call(&self, call: Call<Id>) -> Response {
        let text = text(&call.body);
        println!("heard {text}");
        let body = format!("<echoResponse xmlns=\"urn:interop\"><out>{text}</out></echoResponse>").into_bytes();
        Response { action: format!("{}Response", call.action), body, fault: false }
    }

    fn closed(&self, _: Id) {
        println!("over");
    }
}

/// The text of the innermost element. What is sent here needs no escaping.
fn text(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let until = body.find("</").unwrap_or(0);
    let (before, _) = body.split_at(until);
    before.rsplit('>').next().unwrap_or_default().to_owned()
}

async fn serve(settings: ReliableSettings, shape: Shape) -> Outcome<()> {
    let (soap, limits, seed) = (SoapVersion::Soap12, Limits::default(), random_seed()?);
    let server = ReliableServer::bind_plain("127.0.0.1:0", shape, settings, soap, limits, Echo, &seed).await?;
    println!("listening {}", server.local_addr()?.port());
    server.serve(end_of_input()).await;
    Ok(())
}

async fn end_of_input() {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    let _ = end.await;
}

async fn call(settings: ReliableSettings, shape: Shape, url: &str, count: u32, at_once: bool) -> Outcome<()> {
    let (soap, limits, seed) = (SoapVersion::Soap12, Limits::default(), random_seed()?);
    let client = Arc::new(ReliableClient::plain(url, shape, settings, soap, limits, &seed)?);
    client.open().await?;
    let mut calls = VecDeque::new();
    for n in 1..=count {
        // Tasks of a runtime with one thread begin in the order in which they were made.
        calls.push_back(tokio::spawn(say(Arc::clone(&client), shape, n)));
        while !(at_once && n < count)
            && let Some(call) = calls.pop_front()
        {
            if let Some(reply) = call.await?? {
                println!("got {reply}");
            }
        }
    }
    client.close().await?;
    println!("closed");
    Ok(())
}

async fn say(
    client: Arc<ReliableClient<NoCredentials>>,
    shape: Shape,
    n: u32,
) -> Result<Option<String>, ReliableError> {
    let body = |operation| format!("<{operation} xmlns=\"urn:interop\"><in>message {n}</in></{operation}>");
    if shape == Shape::OneWay {
        return client.notify("urn:interop/notify", body("notify").as_bytes()).await.map(|()| None);
    }
    let reply = client.call("urn:interop/echo", body("echo").as_bytes()).await?;
    Ok(Some(text(&reply.body)))
}

async fn serve_secure(binding: Binding, certificate: &str, key: &str) -> Outcome<()> {
    let store = CredentialStore::new().with_key(Certificate::from_file(certificate)?, PrivateKey::from_file(key)?)?;
    let (settings, seed) = (AcceptorSettings::default(), random_seed()?);
    let server = SecureServer::bind("127.0.0.1:0", binding, settings, store, Echo, &seed).await?;
    println!("listening {}", server.local_addr()?.port());
    server.serve(end_of_input()).await;
    Ok(())
}

async fn call_secure(binding: Binding, certificate: &str, url: &str, count: u32) -> Outcome<()> {
    let store = CredentialStore::new().with_service(Certificate::from_file(certificate)?)?;
    let mut client = SecureClient::new(url, binding, InitiatorSettings::default(), store, None, &random_seed()?)?;
    client.open().await?;
    for n in 1..=count {
        let body = format!("<echo xmlns=\"urn:interop\"><in>message {n}</in></echo>");
        let reply = client.call("urn:interop/echo", body.as_bytes()).await?;
        println!("got {}", text(&reply.body));
    }
    client.close().await?;
    println!("closed");
    Ok(())
}
