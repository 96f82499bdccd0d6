//! One secure session each way, over loopback HTTP with real keys.

use soap_session_core::secure::{
    AcceptorSettings, Binding, Bootstrap, CredentialError, InitiatorPhase, InitiatorSettings, KeyEntropyMode,
    SessionId, UserCredential,
};
use soap_session_core::soap::fault::KnownFault;
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey, random_seed};
use soap_session_tokio::{Call, ClientError, Passed, Response, SecureClient, SecureServer, Service, Trace, Way};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../credentials/tests/keys").join(name)
}

fn certificate() -> Certificate {
    Certificate::from_file(key_file("service.cert.pem")).unwrap()
}

/// Answers with the request's body; counts one-way messages and closed sessions.
#[derive(Default)]
struct Echo {
    heard: AtomicU32,
    closed: Arc<Mutex<Vec<SessionId>>>,
}

impl Service for Echo {
    async fn call(&self, call: Call) -> Response {
        self.heard.fetch_add(1, Ordering::SeqCst);
        Response { action: format!("{}Response", call.action), body: call.body, fault: false }
    }

    fn closed(&self, session: SessionId) {
        self.closed.lock().unwrap().push(session);
    }
}

struct Running {
    address: SocketAddr,
    closed: Arc<Mutex<Vec<SessionId>>>,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start(binding: &Binding, settings: AcceptorSettings, trace: Option<Trace>) -> Self {
        let store = CredentialStore::new()
            .with_key(certificate(), PrivateKey::from_file(key_file("service.key.pem")).unwrap())
            .unwrap()
            .with_user_check(|name, password| (name, password) == ("alice", "wonder"));
        let echo = Echo::default();
        let closed = Arc::clone(&echo.closed);
        let seed = random_seed().unwrap();
        let server = SecureServer::bind("127.0.0.1:0", binding.clone(), settings, store, echo, &seed).await.unwrap();
        let server = match trace {
            Some(trace) => server.with_trace(trace),
            None => server,
        };
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async move {
            let _ = stopped.await;
        }));
        Self { address, closed, stop, serving }
    }

    fn client(&self, binding: &Binding, password: &str) -> SecureClient<CredentialStore> {
        let store = CredentialStore::new().with_service(certificate()).unwrap();
        let user = UserCredential::new("alice", password);
        let url = format!("http://{}/echo", self.address);
        let seed = random_seed().unwrap();
        SecureClient::new(&url, binding.clone(), InitiatorSettings::default(), store, user, &seed).unwrap()
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        self.serving.await.unwrap();
    }
}

const BODY: &[u8] = b"<Echo xmlns=\"urn:echo\"><text>a &amp; b</text></Echo>";

#[tokio::test]
async fn a_session_opens_calls_and_closes_in_several_bindings() {
    let bindings = [
        Binding::default(),
        Binding::ws_http(Bootstrap::UserNameForCertificate),
        Binding::ws2007_http(Bootstrap::AnonymousForCertificate),
        Binding { soap: SoapVersion::Soap11, addressing: AddressingVersion::August2004, ..Binding::default() },
        Binding { entropy: KeyEntropyMode::Server, ..Binding::default() },
    ];
    for binding in bindings {
        let running = Running::start(&binding, AcceptorSettings::default(), None).await;
        let mut client = running.client(&binding, "wonder");
        // The first call opens the conversation.
        let reply = client.call("urn:echo/Echo", BODY).await.unwrap();
        assert_eq!((reply.status, reply.action.as_str(), reply.body.as_slice()), (200, "urn:echo/EchoResponse", BODY));
        client.notify("urn:echo/Tell", BODY).await.unwrap();
        client.close().await.unwrap();
        assert_eq!(client.phase(), InitiatorPhase::Closed);
        assert_eq!(*running.closed.lock().unwrap(), [SessionId(1)]);
        assert!(matches!(client.call("urn:echo/Echo", BODY).await, Err(ClientError::Misuse(_))));
        running.stop().await;
    }
}

#[tokio::test]
async fn eight_clients_talk_at_once_and_stay_apart() {
    let binding = Binding::default();
    let running = Running::start(&binding, AcceptorSettings::default(), None).await;
    let mut tasks = Vec::new();
    for number in 0..8 {
        let mut client = running.client(&binding, "");
        tasks.push(tokio::spawn(async move {
            for round in 0..5 {
                let body = format!("<n xmlns=\"urn:echo\">{number}.{round}</n>");
                let reply = client.call("urn:echo/Echo", body.as_bytes()).await.unwrap();
                assert_eq!(reply.body, body.as_bytes());
            }
            client.close().await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(running.closed.lock().unwrap().len(), 8);
    running.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_as_one_fault_and_ends_the_session() {
    let binding = Binding::ws_http(Bootstrap::UserNameForCertificate);
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&reasons);
    let trace: Trace = Arc::new(move |passed: Passed<'_>| {
        if passed.way == Way::Request {
            note.lock().unwrap().push((passed.verified, passed.action.to_owned()));
        }
    });
    let running = Running::start(&binding, AcceptorSettings::default(), Some(trace)).await;
    let mut client = running.client(&binding, "nope");
    let error = client.open().await.unwrap_err();
    let ClientError::Fault(fault, reason) = &error else { panic!("{error}") };
    assert_eq!((fault.known, fault.secured), (Some(KnownFault::InvalidSecurityToken), false));
    assert_eq!(reason, "An error occurred when processing the security tokens in the message.");
    assert_eq!(client.phase(), InitiatorPhase::Faulted);
    // The exact reason stays inside.
    assert_eq!(*reasons.lock().unwrap(), [(Some(false), CredentialError::BadPassword.to_string())]);
    running.stop().await;
}

#[tokio::test]
async fn a_restarted_service_does_not_know_the_session() {
    let binding = Binding::default();
    let first = Running::start(&binding, AcceptorSettings::default(), None).await;
    let mut client = first.client(&binding, "");
    client.call("urn:echo/Echo", BODY).await.unwrap();
    let address = first.address;
    first.stop().await;
    // Nobody listens: the call fails, the session does not.
    assert!(matches!(client.call("urn:echo/Echo", BODY).await, Err(ClientError::Http(_))));
    assert_eq!(client.phase(), InitiatorPhase::Opened);
    // Another service at the same address: it never issued this token.
    let store = CredentialStore::new()
        .with_key(certificate(), PrivateKey::from_file(key_file("service.key.pem")).unwrap())
        .unwrap();
    let seed = random_seed().unwrap();
    let server =
        SecureServer::bind(address, binding, AcceptorSettings::default(), store, Echo::default(), &seed).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async move {
        let _ = stopped.await;
    }));
    let error = client.call("urn:echo/Echo", BODY).await.unwrap_err();
    let ClientError::Fault(fault, _) = &error else { panic!("{error}") };
    assert_eq!(fault.known, Some(KnownFault::BadContextToken));
    assert_eq!(client.phase(), InitiatorPhase::Faulted);
    let _ = stop.send(());
    serving.await.unwrap();
}

#[tokio::test]
async fn the_pending_limit_is_told_under_protection() {
    let binding = Binding::default();
    let settings = AcceptorSettings { max_pending_sessions: 1, ..AcceptorSettings::default() };
    let running = Running::start(&binding, settings, None).await;
    let mut first = running.client(&binding, "");
    let mut second = running.client(&binding, "");
    first.open().await.unwrap();
    let error = second.open().await.unwrap_err();
    let ClientError::Fault(fault, reason) = &error else { panic!("{error}") };
    assert_eq!((fault.known, fault.secured), (Some(KnownFault::ServerTooBusy), true));
    assert_eq!(reason, "There are too many pending secure conversations on the server. Please retry later.");
    // The first session's first use makes room.
    first.call("urn:echo/Echo", BODY).await.unwrap();
    running.client(&binding, "").open().await.unwrap();
    running.stop().await;
}
