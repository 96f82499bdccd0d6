//! How sessions end when something is wrong, and unusual bindings, over either runtime.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use soap_session_core::lifetime::{CommunicationState, Timeouts};
use soap_session_core::reliable::SessionError;
use soap_session_core::secure::{self, Bootstrap, Failure, FaultSeen, KeyEntropyMode, UserCredential};
use soap_session_core::service::{Contract, Operation, SessionMode};
use soap_session_core::session::ChannelError;
use soap_session_core::soap::fault::KnownFault;
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_driver::{
    Answer, Binding, Call, CallError, Client, ClientCredentialType, ClientOptions, Failed, NewError, Runtime,
    SecurityMode, Server, ServerOptions, Service, SessionId, Watch,
};
use soap_session_smol::Smol;
use soap_session_tokio::Tokio;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../credentials/tests/keys").join(name)
}

fn certificate() -> Certificate {
    Certificate::from_file(key_file("service.cert.pem")).unwrap()
}

fn in_time(mut binding: Binding) -> Binding {
    let patience = Some(PATIENCE);
    binding.timeouts = Timeouts { open: patience, close: patience, send: patience, ..binding.timeouts };
    binding
}

/// Takes everything.
struct Hears;

const ANY: Contract<'static> = Contract {
    name: "Hears",
    session_mode: SessionMode::Allowed,
    callbacks: false,
    operations: &[Operation::new("Any", "*")],
};
impl Service for Hears {
    type Instance = ();

    fn contract(&self) -> &Contract<'_> {
        &ANY
    }

    fn instance(&self, _: Option<&SessionId>) {}

    async fn call(&self, (): &(), call: Call) -> Answer {
        match call.action.as_str() {
            "urn:never" => std::future::pending().await,
            "urn:fail" => Answer::Unhandled,
            action => Answer::reply(format!("{action}Response"), call.body),
        }
    }
}

/// A server that runs until it is dropped.
struct Running<R: Runtime> {
    address: SocketAddr,
    watch: Watch<R, Hears>,
    stop: Option<futures_channel::oneshot::Sender<()>>,
}

async fn start<R: Runtime + Default>(mut options: ServerOptions) -> Running<R> {
    let store = CredentialStore::new()
        .with_key(certificate(), PrivateKey::from_file(key_file("service.key.pem")).unwrap())
        .unwrap()
        .with_user_check(|name, password| name == "ada" && password == "secret");
    options.close = Duration::from_millis(300);
    let server = Server::<R, _>::bind("127.0.0.1:0".parse().unwrap(), options.with_credentials(store), Hears);
    let server = server.await.unwrap();
    let (stop, stopped) = futures_channel::oneshot::channel::<()>();
    let (address, watch) = (server.local_addr().unwrap(), server.watch());
    R::default().spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        server.serve(stopped).await;
    });
    Running { address, watch, stop: Some(stop) }
}

impl<R: Runtime + Default> Running<R> {
    fn options(&self, binding: Binding) -> ClientOptions {
        let store = CredentialStore::new().with_service(certificate()).unwrap();
        ClientOptions::new(binding).with_credentials(store)
    }

    fn client(&self, options: ClientOptions) -> Client<R> {
        Client::new(&format!("http://{}/", self.address), options).unwrap()
    }

    /// Waits until the server has no session.
    async fn has_no_session(&self) {
        let until = Instant::now() + PATIENCE;
        while self.watch.sessions() > 0 {
            assert!(Instant::now() < until, "a session is left");
            R::default().sleep_until(Instant::now() + Duration::from_millis(10)).await;
        }
    }
}

impl<R: Runtime> Drop for Running<R> {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }
}

fn protected(credential: ClientCredentialType) -> Binding {
    in_time(Binding::ws_http().with_security(SecurityMode::Message, credential).unwrap())
}

fn reliable() -> Binding {
    in_time(Binding::ws2007_http().with_reliable_session(true).unwrap())
}

/// The fault that a conversation failed by.
fn fault_of(failed: &Failed) -> FaultSeen {
    match &failed.error {
        ChannelError::Conversation(Failure::Fault(fault)) => *fault,
        _ => panic!("{failed}"),
    }
}

async fn a_wrong_password_is_one_fault_that_does_not_say_why<R: Runtime + Default>() {
    let binding = protected(ClientCredentialType::UserName);
    let running = start::<R>(ServerOptions::new(binding.clone())).await;
    let client = running.client(running.options(binding).with_user(UserCredential::new("ada", "nope").unwrap()));
    let failed = client.open().await.unwrap_err();
    let fault = fault_of(&failed);
    assert_eq!((fault.known, fault.secured), (Some(KnownFault::InvalidSecurityToken), false));
    assert_eq!(client.state(), CommunicationState::Faulted);
    // As recorded in `ws-user-session-bad-password`.
    assert_eq!(failed.reason, "An error occurred when processing the security tokens in the message.");
    assert_eq!(client.error().unwrap().reason, failed.reason);
    tells(&NewError::Open(failed), &["cannot be opened", "InvalidSecurityToken", "security tokens", "password"]);
}

/// What was being done, which fault it was, in whose words, and what may be done now.
fn tells(error: &dyn std::error::Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{text}");
    }
}

async fn a_session_that_is_refused_is_told_in_the_services_words<R: Runtime + Default>() {
    let mut options = ServerOptions::new(reliable());
    options.throttle.max_concurrent_sessions = 1;
    options.host.refuse_when_busy = true;
    let running = start::<R>(options).await;
    let [first, second] = [(); 2].map(|()| running.client(running.options(reliable())));
    first.call("urn:ask", "<a/>").await.unwrap();
    let failed = second.open().await.unwrap_err();
    // As recorded in `rm11-pending-limit`.
    let reason = format!(
        "The request to create a reliable session has been refused by the RM Destination. Server 'http://{}/' is too busy to \
         process this request. Try again later. The channel could not be opened.",
        running.address
    );
    assert_eq!(failed.reason, reason);
    // The reason gives the advice already.
    assert!(!failed.to_string().contains("try again later"), "{failed}");
    tells(&NewError::Open(failed), &["cannot be opened", "ConnectionLimitReached", &reason]);
    // A session that the service has ended: here, because its host goes away.
    let in_use = first.call("urn:fail", "<a/>").await.unwrap_err();
    tells(&in_use, &["InternalServiceFault"]);
    let failed = first.call("urn:ask", "<a/>").await.unwrap_err();
    assert!(matches!(failed, CallError::Refused(_)), "{failed}");
}

async fn pending_sessions_are_limited_and_that_is_told_under_protection<R: Runtime + Default>() {
    let binding = protected(ClientCredentialType::None);
    let mut options = ServerOptions::new(binding.clone());
    options.security.max_pending_sessions = 1;
    let running = start::<R>(options).await;
    let [first, second, third] = [(); 3].map(|()| running.client(running.options(binding.clone())));
    first.open().await.unwrap();
    let failed = second.open().await.unwrap_err();
    let fault = fault_of(&failed);
    assert_eq!((fault.known, fault.secured), (Some(KnownFault::ServerTooBusy), true));
    // The first session's first use makes room.
    first.call("urn:ask", "<a/>").await.unwrap();
    third.open().await.unwrap();
}

async fn unusual_bindings_carry_a_session<R: Runtime + Default>() {
    let old = secure::Binding {
        soap: SoapVersion::Soap11,
        addressing: AddressingVersion::August2004,
        ..secure::Binding::ws_http(Bootstrap::AnonymousForCertificate)
    };
    let served = secure::Binding {
        entropy: KeyEntropyMode::Server,
        ..secure::Binding::ws_http(Bootstrap::AnonymousForCertificate)
    };
    for security in [old, served] {
        let binding = in_time(Binding::custom(security.soap, Some(security.addressing)));
        let binding = binding.with_custom_security(security, true);
        let running = start::<R>(ServerOptions::new(binding.clone())).await;
        let client = running.client(running.options(binding));
        let reply = client.call("urn:ask", "<a>\u{fc}</a>").await.unwrap();
        assert_eq!((reply.action.as_str(), &*reply.body), ("urn:askResponse", "<a>\u{fc}</a>".as_bytes()));
        client.close().await.unwrap();
    }
}

async fn a_reply_that_never_comes_ends_by_the_send_timeout<R: Runtime + Default>() {
    let mut binding = reliable();
    let running = start::<R>(ServerOptions::new(binding.clone())).await;
    binding.timeouts.send = Some(Duration::from_millis(500));
    binding.reliable_settings().unwrap().send_timeout = Duration::from_millis(500);
    let client = running.client(running.options(binding));
    client.open().await.unwrap();
    let began = Instant::now();
    let error = client.call("urn:never", "<a/>").await.unwrap_err();
    let in_time = matches!(
        &error,
        CallError::Failed(Failed {
            error: ChannelError::TimedOut { .. } | ChannelError::Reliable(SessionError::ReplyTimeout { .. }),
            ..
        })
    );
    assert!(in_time && began.elapsed() < PATIENCE, "{error}");
    client.abort();
    running.has_no_session().await;
}

async fn nobody_there_is_told_when_opening<R: Runtime + Default>() {
    // Bound, and let go: nobody listens.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for binding in [reliable(), protected(ClientCredentialType::None)] {
        let mut binding = binding;
        binding.timeouts.open = Some(Duration::from_millis(700));
        let store = CredentialStore::new().with_service(certificate()).unwrap();
        let options = ClientOptions::new(binding).with_credentials(store);
        let error = Client::<R>::connect(&format!("http://{address}/"), options).await.unwrap_err();
        let NewError::Open(failed) = &error else { panic!("{error}") };
        assert!(failed.transport.is_some() && failed.to_string().contains("cannot connect"), "{failed}");
    }
}

async fn an_abort_ends_the_session_on_both_sides<R: Runtime + Default>() {
    let running = start::<R>(ServerOptions::new(reliable())).await;
    let client = running.client(running.options(reliable()));
    client.call("urn:ask", "<a/>").await.unwrap();
    assert_eq!(running.watch.sessions(), 1);
    client.abort();
    assert!(client.call("urn:ask", "<a/>").await.is_err());
    running.has_no_session().await;
    // Who is dropped aborts.
    let client = running.client(running.options(reliable()));
    client.call("urn:ask", "<a/>").await.unwrap();
    drop(client);
    running.has_no_session().await;
}

async fn what_an_operation_does_not_declare_ends_its_session_and_no_other<R: Runtime + Default>() {
    let running = start::<R>(ServerOptions::new(reliable())).await;
    let [one, other] = [(); 2].map(|()| running.client(running.options(reliable())));
    for client in [&one, &other] {
        client.call("urn:ask", "<a/>").await.unwrap();
    }
    one.call("urn:fail", "<a/>").await.unwrap_err();
    other.call("urn:ask", "<a/>").await.unwrap();
    other.close().await.unwrap();
    one.abort();
    running.has_no_session().await;
}

fn on_tokio(test: impl Future<Output = ()> + Send + 'static) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

macro_rules! on_both {
    ($($name:ident)*) => {
        mod tokio_runtime {
            $(#[test] fn $name() { super::on_tokio(super::$name::<super::Tokio>()); })*
        }
        mod smol_runtime {
            $(#[test] fn $name() { smol::block_on(super::$name::<super::Smol>()); })*
        }
    };
}

on_both! {
    a_wrong_password_is_one_fault_that_does_not_say_why
    a_session_that_is_refused_is_told_in_the_services_words
    pending_sessions_are_limited_and_that_is_told_under_protection
    unusual_bindings_carry_a_session
    a_reply_that_never_comes_ends_by_the_send_timeout
    nobody_there_is_told_when_opening
    an_abort_ends_the_session_on_both_sides
    what_an_operation_does_not_declare_ends_its_session_and_no_other
}
