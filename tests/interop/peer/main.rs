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
//! - `serve-basic MODE KEYS`, `call-basic MODE KEYS URL COUNT`: basicHttpBinding with message credentials, without sessions. MODE is
//!   `certificate`, `username-over-https` or `certificate-over-https`; KEYS is the folder of the certificates.
//!
//! Only this file knows the adapters' names: whatever loses messages stands between it and the other side.

use soap_session_core::lifetime::Timeouts;
use soap_session_core::reliable::{ReliableSettings, RmVersion};
use soap_session_core::secure::UserCredential;
use soap_session_core::service::{CATCH_ALL, Contract, Operation, SessionMode};
use soap_session_core::time::Duration;
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_tokio::tls::{Authorities, ClientCertificates, ClientTls, Identity, ServerTls};
use soap_session_tokio::{
    Answer, Binding, Call, CallError, Client, ClientCredentialType, ClientOptions, SecurityMode, Server, ServerOptions,
    Service, SessionId,
};
use std::collections::VecDeque;
use std::error::Error;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Who may log in, and by which password.
const USER: (&str, &str) = ("ann & bob", "<secret>");

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
        ["serve", version, shape] => {
            let options = ServerOptions::new(reliable(version, true)?);
            runtime.block_on(serve(options, self::shape(shape)?))
        }
        ["call", version, shape, order @ ("ordered" | "unordered"), url, count, pace @ ("one-by-one" | "at-once")] => {
            let options = ClientOptions::new(reliable(version, *order == "ordered")?);
            runtime.block_on(call(options, self::shape(shape)?, url, count.parse()?, *pace == "at-once"))
        }
        ["serve-secure", version, certificate, key] => {
            let key = PrivateKey::from_file(key)?;
            let store = CredentialStore::new().with_key(Certificate::from_file(certificate)?, key)?;
            let options = ServerOptions::new(secure(version)?).with_credentials(store);
            runtime.block_on(serve(options, Shape::RequestReply))
        }
        ["call-secure", version, certificate, url, count] => {
            let store = CredentialStore::new().with_service(Certificate::from_file(certificate)?)?;
            let options = ClientOptions::new(secure(version)?).with_credentials(store);
            runtime.block_on(call(options, Shape::RequestReply, url, count.parse()?, false))
        }
        ["serve-basic", mode, keys] => runtime.block_on(serve(basic_server(mode, Path::new(keys))?, Shape::Datagram)),
        ["call-basic", mode, keys, url, count] => {
            let options = basic_client(mode, Path::new(keys))?;
            runtime.block_on(call(options, Shape::Datagram, url, count.parse()?, false))
        }
        _ => Err("usage: peer (serve | call)[-secure | -basic] ARGUMENT...".into()),
    }
}

/// How messages travel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    RequestReply,
    OneWay,
    /// Requests and replies without a session.
    Datagram,
}

fn shape(name: &str) -> Outcome<Shape> {
    match name {
        "request-reply" => Ok(Shape::RequestReply),
        "one-way" => Ok(Shape::OneWay),
        _ => Err("the shape is request-reply or one-way".into()),
    }
}

fn reliable(version: &str, ordered: bool) -> Outcome<Binding> {
    let version = match version {
        "1.0" => RmVersion::February2005,
        "1.1" => RmVersion::V11,
        _ => return Err("the version is 1.0 or 1.1".into()),
    };
    // WCF's minutes are more than a check has.
    let (seconds, requestor_interval) = (Some(Duration::from_secs(6)), Duration::from_millis(500));
    let settings = ReliableSettings { version, ordered, requestor_interval, ..ReliableSettings::default() };
    let mut binding = Binding::ws_http().with_reliable_settings(settings)?;
    binding.timeouts = Timeouts { open: seconds, close: seconds, send: seconds, ..binding.timeouts };
    Ok(binding)
}

fn secure(version: &str) -> Outcome<Binding> {
    let binding = match version {
        "c" => Binding::ws_http(),
        "sc" => Binding::ws2007_http(),
        _ => return Err("the version is c or sc".into()),
    };
    Ok(binding.with_security(SecurityMode::Message, ClientCredentialType::None)?)
}

fn basic(mode: &str) -> Outcome<Binding> {
    use ClientCredentialType::{Certificate, UserName};
    let (mode, credential) = match mode {
        "certificate" => (SecurityMode::Message, Certificate),
        "username-over-https" => (SecurityMode::TransportWithMessageCredential, UserName),
        "certificate-over-https" => (SecurityMode::TransportWithMessageCredential, Certificate),
        _ => return Err("the mode is certificate, username-over-https or certificate-over-https".into()),
    };
    Ok(Binding::basic_http().with_security(mode, credential)?)
}

fn certificate(keys: &Path, name: &str) -> Outcome<Certificate> {
    Ok(Certificate::from_file(keys.join(format!("{name}.cert.pem")))?)
}

fn key(keys: &Path, name: &str) -> Outcome<PrivateKey> {
    Ok(PrivateKey::from_file(keys.join(format!("{name}.key.pem")))?)
}

fn basic_server(mode: &str, keys: &Path) -> Outcome<ServerOptions> {
    let store = CredentialStore::new()
        .with_key(certificate(keys, "service")?, key(keys, "service")?)?
        .with_own(certificate(keys, "service")?, key(keys, "service")?)?
        .with_trusted(certificate(keys, "client")?)
        .with_user_check(|name, password| (name, password) == USER);
    let binding = basic(mode)?;
    let https = binding.needs_https();
    let options = ServerOptions::new(binding).with_credentials(store);
    if !https {
        return Ok(options);
    }
    let identity = Identity::from_pem_files(keys.join("tls/server.cert.pem"), keys.join("tls/server.key.pem"))?;
    Ok(options.with_tls(ServerTls::new(&identity, &ClientCertificates::NotAsked)?))
}

fn basic_client(mode: &str, keys: &Path) -> Outcome<ClientOptions> {
    let store = CredentialStore::new()
        .with_service(certificate(keys, "service")?)?
        .with_own(certificate(keys, "client")?, key(keys, "client")?)?;
    let binding = basic(mode)?;
    let (https, user) = (binding.needs_https(), binding.needs_user());
    let mut options = ClientOptions::new(binding).with_credentials(store);
    if user {
        options = options.with_user(UserCredential::new(USER.0, USER.1).ok_or("a user")?);
    }
    if !https {
        return Ok(options);
    }
    let trusted = Authorities::from_files([keys.join("tls/authority.cert.pem")])?;
    Ok(options.with_tls(ClientTls::new(&trusted, None)?))
}

/// Answers with what it is sent.
struct Echo(Contract<'static>);

impl Echo {
    const fn new(shape: Shape) -> Self {
        const ECHO: &[Operation<'static>] = &[Operation::new("Echo", CATCH_ALL)];
        const TELL: &[Operation<'static>] = &[Operation::new("Tell", CATCH_ALL).one_way()];
        let (operations, session_mode) = match shape {
            Shape::RequestReply => (ECHO, SessionMode::Required),
            Shape::OneWay => (TELL, SessionMode::Required),
            Shape::Datagram => (ECHO, SessionMode::NotAllowed),
        };
        Self(Contract { name: "Echo", session_mode, callbacks: false, operations })
    }
}

impl Service for Echo {
    type Instance = ();

    fn contract(&self) -> &Contract<'_> {
        &self.0
    }

    fn instance(&self, _: Option<&SessionId>) {}

    async fn call(&self, (): &(), call: Call) -> Answer {
        let text = text(&call.body);
        println!("heard {text}");
        let body = format!("<echoResponse xmlns=\"urn:interop\"><out>{text}</out></echoResponse>");
        Answer::reply(format!("{}Response", call.action), body)
    }

    fn disposed(&self, (): &()) {
        if self.0.session_mode == SessionMode::Required {
            println!("over");
        }
    }
}

/// The text of the innermost element. What is sent here needs no escaping.
fn text(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let until = body.find("</").unwrap_or(0);
    let (before, _) = body.split_at(until);
    before.rsplit('>').next().unwrap_or_default().to_owned()
}

async fn serve(options: ServerOptions, shape: Shape) -> Outcome<()> {
    let server = Server::bind("127.0.0.1:0".parse()?, options, Echo::new(shape)).await?;
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

async fn call(options: ClientOptions, shape: Shape, url: &str, count: u32, at_once: bool) -> Outcome<()> {
    let options = if shape == Shape::OneWay { options.one_way_contract() } else { options };
    let client = Client::connect(url, options).await?;
    let mut calls = VecDeque::new();
    for n in 1..=count {
        // Tasks of a runtime with one thread begin in the order in which they were made.
        calls.push_back(tokio::spawn(say(client.clone(), shape, n)));
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

async fn say(client: Client, shape: Shape, n: u32) -> Result<Option<String>, CallError> {
    let body = |operation| format!("<{operation} xmlns=\"urn:interop\"><in>message {n}</in></{operation}>");
    if shape == Shape::OneWay {
        return client.notify("urn:interop/notify", body("notify")).await.map(|()| None);
    }
    let reply = client.call("urn:interop/echo", body("echo")).await?;
    Ok(Some(text(&reply.body)))
}
