//! Client and server of every binding, over either runtime: one script for both.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod common;

use common::Running;
use soap_session_core::lifetime::{CommunicationState, Timeouts};
use soap_session_core::secure::{CredentialError, UserCredential};
use soap_session_core::service::{Contract, Operation, SessionMode};
use soap_session_core::soap::SoapVersion;
use soap_session_credentials::{Certificate, CredentialStore, KeyRing, PrivateKey};
use soap_session_driver::tls::{Authorities, ClientCertificates, ClientTls, Identity, ServerTls};
use soap_session_driver::{
    Answer, Binding, BindingError, Call, CallError, Client, ClientCredentialType, ClientOptions, Fault, Runtime,
    SecurityMode, ServeError, Server, ServerOptions, Service, SessionId, service_fn,
};
use soap_session_smol::Smol;
use soap_session_tokio::Tokio;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../credentials/tests/keys").join(name)
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_file(key_file(&format!("{name}.cert.pem"))).unwrap()
}

fn service_store() -> CredentialStore {
    // One ring for all: the tests do not look at what is in it.
    static RING: OnceLock<Arc<KeyRing>> = OnceLock::new();
    let ring = RING.get_or_init(|| {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("sessions-{}.ring", std::process::id()));
        Arc::new(KeyRing::open_or_create(file, "sessions").unwrap())
    });
    CredentialStore::new()
        .with_state_encoder(ring.clone())
        .with_key(certificate("service"), PrivateKey::from_file(key_file("service.key.pem")).unwrap())
        .unwrap()
        .with_own(certificate("service"), PrivateKey::from_file(key_file("service.key.pem")).unwrap())
        .unwrap()
        .with_trusted(certificate("client"))
        .with_user_check(|name, password| name == "ada" && password == "secret")
}

fn client_store() -> CredentialStore {
    CredentialStore::new()
        .with_service(certificate("service"))
        .unwrap()
        .with_own(certificate("client"), PrivateKey::from_file(key_file("client.key.pem")).unwrap())
        .unwrap()
}

fn tls_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/keys/tls").join(name)
}

fn server_tls() -> ServerTls {
    let identity = Identity::from_pem_files(tls_file("server.cert.pem"), tls_file("server.key.pem")).unwrap();
    ServerTls::new(&identity, &ClientCertificates::NotAsked).unwrap()
}

fn client_tls() -> ClientTls {
    ClientTls::new(&Authorities::from_files([tls_file("authority.cert.pem")]).unwrap(), None).unwrap()
}

async fn echo(call: Call) -> Answer {
    match call.action.as_str() {
        "urn:fail" => Fault::sender("urn:faults", "Wrong", "it is wrong").with_detail("<d xmlns=\"urn:d\"/>").into(),
        "urn:panic" => panic!("an operation may"),
        action => Answer::reply(format!("{action}Response"), call.body),
    }
}

/// A session from its first word to its last.
async fn session<R: Runtime + Default>(mut binding: Binding) {
    let patience = Some(Duration::from_secs(10));
    binding.timeouts = Timeouts { open: patience, close: patience, send: patience, ..binding.timeouts };
    let mut options = ServerOptions::new(binding.clone()).with_credentials(service_store());
    if binding.needs_https() {
        options = options.with_tls(server_tls());
    }
    let server = Running::<R, _>::start(options, service_fn(echo)).await;
    let scheme = if binding.needs_https() { "https" } else { "http" };
    let url = format!("{scheme}://localhost:{}/echo", server.address.port());

    let mut options = ClientOptions::new(binding.clone()).with_credentials(client_store());
    if binding.needs_user() {
        options = options.with_user(UserCredential::new("ada", "secret").unwrap());
    }
    if binding.needs_https() {
        options = options.with_tls(client_tls());
    }
    let client = Client::<R>::connect(&url, options.clone()).await.unwrap();
    assert_eq!(client.state(), CommunicationState::Opened);
    for round in 0..5 {
        let body = format!("<Echo xmlns=\"urn:echo\">{round} &amp; ü</Echo>");
        let reply = client.call("urn:echo", body.clone()).await.unwrap();
        let action = if binding.addressing().is_some() { "urn:echoResponse" } else { "" };
        assert_eq!((reply.action.as_str(), &*reply.body), (action, body.as_bytes()));
    }
    client.notify("urn:note", "<Note xmlns=\"urn:echo\"/>").await.unwrap();
    match client.call("urn:fail", "<Fail xmlns=\"urn:echo\"/>").await.unwrap_err() {
        CallError::Fault(fault) => {
            assert_eq!(fault.subcode, Some(("urn:faults".to_owned(), "Wrong".to_owned())));
            assert_eq!((fault.reason.as_str(), &*fault.detail), ("it is wrong", &b"<d xmlns=\"urn:d\"/>"[..]));
        }
        other => panic!("{other}"),
    }
    assert_eq!(client.state(), CommunicationState::Opened, "a declared fault ends nothing");
    client.close().await.unwrap();
    assert_eq!(client.state(), CommunicationState::Closed);
    client.finished().await;

    let client = Client::<R>::connect(&url, options).await.unwrap();
    let failed = client.call("urn:panic", "<Panic xmlns=\"urn:echo\"/>").await.unwrap_err();
    assert!(matches!(failed, CallError::Fault(_)), "{failed}");
    client.abort();
    client.finished().await;
    assert_eq!(server.stop().await.sessions(), 0);
}

/// Hears, and says nothing.
struct Listener(Contract<'static>, Arc<Mutex<Vec<String>>>);

impl Service for Listener {
    type Instance = ();

    fn contract(&self) -> &Contract<'_> {
        &self.0
    }

    fn instance(&self, _: Option<&SessionId>) {}

    async fn call(&self, (): &(), call: Call) -> Answer {
        self.1.lock().unwrap().push(String::from_utf8_lossy(&call.body).into_owned());
        Answer::Nothing
    }
}

/// A contract without replies: a reliable session then has one sequence, and a message is sent once the window has it.
async fn one_way<R: Runtime + Default>(mut binding: Binding) {
    const TELL: &[Operation<'static>] = &[Operation::new("Tell", "urn:tell").one_way()];
    let patience = Some(Duration::from_secs(10));
    binding.timeouts = Timeouts { open: patience, close: patience, send: patience, ..binding.timeouts };
    // Messages go over several connections and overtake each other: one that came too early is sent again at once.
    let settings = binding.reliable_settings().unwrap();
    settings.transmission.fast_retransmission = Some(1);
    // A service that has no room says so, and is asked again.
    settings.keep_alive_interval = Some(Duration::from_millis(50));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let contract = Contract { name: "Tell", session_mode: SessionMode::Required, callbacks: false, operations: TELL };
    let options = ServerOptions::new(binding.clone()).with_credentials(service_store());
    let listener = Listener(contract, Arc::clone(&heard));
    let server = Running::<R, _>::start(options, listener).await;
    let options = ClientOptions::new(binding).with_credentials(client_store()).one_way_contract();
    let client = Client::<R>::connect(&server.url(), options).await.unwrap();
    let said: Vec<String> = (0..20).map(|n| format!("<Tell xmlns=\"urn:t\">{n}</Tell>")).collect();
    for text in &said {
        client.notify("urn:tell", text.clone()).await.unwrap();
    }
    client.close().await.unwrap();
    client.finished().await;
    // The close has waited until every message had arrived, and not until the last had been run.
    let until = R::default().now() + Duration::from_secs(10);
    while heard.lock().unwrap().len() < said.len() && R::default().now() < until {
        R::default().sleep_until(R::default().now() + Duration::from_millis(5)).await;
    }
    assert_eq!(*heard.lock().unwrap(), said);
    server.stop().await;
}

/// Security refuses it, as it refuses a call of no operation; that its client is not told is what one-way is.
async fn nothing_is_called<R: Runtime + Default>() {
    const TELL: &[Operation<'static>] = &[Operation::new("Tell", "urn:tell").one_way()];
    let binding = Binding::ws_http().with_security(MESSAGE, ClientCredentialType::None).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let contract = Contract { name: "Tell", session_mode: SessionMode::Required, callbacks: false, operations: TELL };
    let options = ServerOptions::new(binding.clone()).with_credentials(service_store());
    let server = Running::<R, _>::start(options, Listener(contract, Arc::clone(&heard))).await;
    let options = ClientOptions::new(binding).with_credentials(client_store());
    let client = Client::<R>::connect(&server.url(), options).await.unwrap();
    for action in ["urn:nothing", "urn:tell", "urn:nothing", "urn:tell"] {
        client.notify(action, format!("<Tell xmlns=\"urn:t\">{action}</Tell>")).await.unwrap();
    }
    client.close().await.unwrap();
    client.finished().await;
    assert_eq!(server.stop().await.sessions(), 0);
    assert_eq!(*heard.lock().unwrap(), ["<Tell xmlns=\"urn:t\">urn:tell</Tell>"; 2]);
}

#[test]
fn a_one_way_message_of_no_operation_ends_no_secure_session() {
    on_tokio(nothing_is_called::<Tokio>());
    on_smol(nothing_is_called::<Smol>());
}

#[test]
fn one_way_contracts() {
    for binding in [Binding::ws_http(), Binding::ws2007_http()] {
        let secured = binding.clone().with_security(MESSAGE, ClientCredentialType::None).unwrap();
        for binding in [binding, secured] {
            let binding = binding.with_reliable_session(true).unwrap();
            on_tokio(one_way::<Tokio>(binding.clone()));
            on_smol(one_way::<Smol>(binding));
        }
    }
}

/// Told when it begins to serve, and not by answers that never come.
#[test]
fn a_service_that_has_to_sign_needs_its_own_certificate() {
    let binding = Binding::basic_http().with_security(MESSAGE, ClientCredentialType::Certificate).unwrap();
    on_smol(async {
        let key = PrivateKey::from_file(key_file("service.key.pem")).unwrap();
        let store = CredentialStore::new().with_key(certificate("service"), key).unwrap();
        let options = ServerOptions::new(binding).with_credentials(store);
        let refused = Server::<Smol, _>::bind("127.0.0.1:0".parse().unwrap(), options, service_fn(echo)).await;
        assert!(matches!(refused, Err(ServeError::NoCertificate(CredentialError::NoCertificate))));
    });
}

/// What WCF's binding has not.
#[test]
fn basic_http_has_neither_sessions_nor_other_credentials() {
    use ClientCredentialType::{Certificate, None as Anonymous, UserName};
    for (mode, credential) in [(MESSAGE, UserName), (MESSAGE, Anonymous), (TRANSPORT, Anonymous)] {
        let refused = Binding::basic_http().with_security(mode, credential);
        assert!(matches!(refused, Err(BindingError::Credential { binding: "BasicHttpBinding", .. })), "{refused:?}");
    }
    let protected = || Binding::basic_http().with_security(MESSAGE, Certificate).unwrap();
    assert!(matches!(protected().with_reliable_session(true), Err(BindingError::NoSessions { .. })));
    assert!(matches!(protected().with_stateless_tokens(), Err(BindingError::NoSecurity)));
    assert_eq!(protected().without_secure_session(), Ok(protected()));
    assert_eq!(protected().addressing(), None);
}

fn on_tokio(test: impl Future<Output = ()> + Send + 'static) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

fn on_smol(test: impl Future<Output = ()> + Send + 'static) {
    smol::block_on(test);
}

macro_rules! on_both {
    ($($name:ident: $binding:expr;)*) => {
        mod tokio_runtime {
            use super::*;
            $(#[test] fn $name() { on_tokio(session::<Tokio>($binding)); })*
        }
        mod smol_runtime {
            use super::*;
            $(#[test] fn $name() { on_smol(session::<Smol>($binding)); })*
        }
    };
}

const MESSAGE: SecurityMode = SecurityMode::Message;
const TRANSPORT: SecurityMode = SecurityMode::TransportWithMessageCredential;

on_both! {
    basic_http: Binding::basic_http();
    basic_http_certificate: Binding::basic_http().with_security(MESSAGE, ClientCredentialType::Certificate).unwrap();
    basic_http_user_over_https: Binding::basic_http().with_security(TRANSPORT, ClientCredentialType::UserName).unwrap();
    basic_http_certificate_over_https: Binding::basic_http()
        .with_security(TRANSPORT, ClientCredentialType::Certificate).unwrap();
    ws_http_user_over_https: Binding::ws_http().with_security(TRANSPORT, ClientCredentialType::UserName).unwrap();
    custom_without_addressing_certificate: Binding::custom(SoapVersion::Soap12, None)
        .with_security(MESSAGE, ClientCredentialType::Certificate).unwrap();
    custom_without_addressing: Binding::custom(SoapVersion::Soap12, None);
    ws_http: Binding::ws_http();
    ws_http_reliable: Binding::ws_http().with_reliable_session(true).unwrap();
    ws2007_reliable_unordered: Binding::ws2007_http().with_reliable_session(false).unwrap();
    ws_http_anonymous: Binding::ws_http().with_security(MESSAGE, ClientCredentialType::None).unwrap();
    ws2007_user: Binding::ws2007_http().with_security(MESSAGE, ClientCredentialType::UserName).unwrap();
    ws2007_certificate: Binding::ws2007_http().with_security(MESSAGE, ClientCredentialType::Certificate).unwrap();
    ws2007_one_shot_user: Binding::ws2007_http()
        .with_security(MESSAGE, ClientCredentialType::UserName).unwrap().without_secure_session().unwrap();
    ws_http_one_shot_certificate: Binding::ws_http()
        .with_security(MESSAGE, ClientCredentialType::Certificate).unwrap().without_secure_session().unwrap();
    ws2007_stateless: Binding::ws2007_http()
        .with_security(MESSAGE, ClientCredentialType::None).unwrap().with_stateless_tokens().unwrap();
    ws_http_stateless_reliable: Binding::ws_http()
        .with_security(MESSAGE, ClientCredentialType::None).unwrap().with_stateless_tokens().unwrap()
        .with_reliable_session(true).unwrap();
    ws_http_secure_reliable: Binding::ws_http()
        .with_security(MESSAGE, ClientCredentialType::None).unwrap().with_reliable_session(true).unwrap();
    ws2007_secure_reliable: Binding::ws2007_http()
        .with_security(MESSAGE, ClientCredentialType::UserName).unwrap().with_reliable_session(true).unwrap();
}
