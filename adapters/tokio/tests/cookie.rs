//! Cookie mode with real processes: a service that is killed and started again, and two behind one address.
//!
//! A process is this test program again, told to be a service.
#![allow(clippy::unwrap_used)]

use futures_channel::oneshot;
use soap_session_core::lifetime::{CommunicationState, Timeouts};
use soap_session_core::secure::{AcceptorSettings, Failure};
use soap_session_core::session::ChannelError;
use soap_session_core::soap::fault::KnownFault;
use soap_session_credentials::{Certificate, CredentialStore, KeyRing, PrivateKey, Rotation};
use soap_session_tokio::http::{ContentHeaders, HttpClient, HttpRequest, HttpResponse, HttpServer, Limits};
use soap_session_tokio::{
    Answer, Binding, CallError, Client, ClientCredentialType, ClientOptions, Failed, SecurityMode, Server,
    ServerOptions, Tokio, service_fn,
};
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const NAME: &str = "http://localhost/calc";
const BODY: &str = "<Where xmlns=\"urn:echo\"/>";

fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../credentials/tests/keys").join(name)
}

fn certificate() -> Certificate {
    Certificate::from_file(key_file("service.cert.pem")).unwrap()
}

/// A secure conversation that is cancelled at its end, or one whose state is in a cookie.
fn binding(cookie: bool) -> Binding {
    let mut binding = Binding::ws_http().with_security(SecurityMode::Message, ClientCredentialType::None).unwrap();
    binding.security_binding().unwrap().require_cancellation = !cookie;
    let patience = Some(Duration::from_secs(15));
    binding.timeouts = Timeouts { open: patience, close: patience, send: patience, ..binding.timeouts };
    binding
}

/// Not a test: the process that the tests start.
#[tokio::test]
#[ignore = "the other tests start it as a process of its own"]
async fn a_service_process() {
    let Ok(address) = env::var("COOKIE_TEST_ADDRESS") else { return };
    let mut store = CredentialStore::new()
        .with_key(certificate(), PrivateKey::from_file(key_file("service.key.pem")).unwrap())
        .unwrap();
    let ring = env::var("COOKIE_TEST_RING").ok();
    let mut options = ServerOptions::new(binding(ring.is_some()));
    if let Some(file) = ring {
        store = store.with_state_encoder(Arc::new(KeyRing::open_or_create(file, NAME).unwrap()));
    }
    let lifetime = env::var("COOKIE_TEST_LIFETIME").unwrap().parse().unwrap();
    options.security =
        AcceptorSettings { issued_cookie_lifetime: Duration::from_millis(lifetime), ..AcceptorSettings::default() };
    options.close = Duration::from_millis(200);
    // Says which process it is.
    let service = service_fn(|call| async move {
        let body = format!("<WhereResponse xmlns=\"urn:echo\">{}</WhereResponse>", std::process::id());
        Answer::reply(format!("{}Response", call.action), body)
    });
    let options = options.with_credentials(store);
    let server = Server::bind(address.parse().unwrap(), options, service).await.unwrap();
    println!("\nREADY {}", server.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    // It ends with whoever started it.
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = stop.send(());
    });
    server
        .serve(async move {
            let _ = stopped.await;
        })
        .await;
}

/// How processes are started.
struct Farm {
    ring: Option<PathBuf>,
    /// Of tokens, in milliseconds.
    lifetime: u64,
}

struct Process {
    child: Child,
    address: SocketAddr,
}

impl Farm {
    fn new(test: &str, lifetime: u64) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cookie-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self { ring: Some(folder.join("cookies.ring")), lifetime }
    }

    fn start(&self, address: &str) -> Process {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "a_service_process", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env("COOKIE_TEST_ADDRESS", address).env("COOKIE_TEST_LIFETIME", self.lifetime.to_string());
        if let Some(ring) = &self.ring {
            command.env("COOKIE_TEST_RING", ring);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("READY ")?.to_owned()));
        Process { child, address: ready.expect("it listens").parse().unwrap() }
    }
}

impl Process {
    /// SIGKILL on Unix: it has no time for anything.
    fn kill(mut self) -> SocketAddr {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.address
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client(address: SocketAddr, cookie: bool) -> Client {
    let store = CredentialStore::new().with_service(certificate()).unwrap();
    let options = ClientOptions::new(binding(cookie)).with_credentials(store).with_service_address(NAME);
    Client::new(&format!("http://{address}/calc"), options).unwrap()
}

async fn call(client: &Client) -> Result<String, CallError> {
    let reply = client.call("urn:echo/Where", BODY).await?;
    Ok(String::from_utf8(reply.body.to_vec()).unwrap())
}

/// The fault that a conversation's message was answered with.
fn fault(error: CallError) -> Option<KnownFault> {
    match error {
        CallError::Failed(Failed { error: ChannelError::Conversation(Failure::Fault(fault)), .. }) => fault.known,
        other => panic!("{other}"),
    }
}

const LONG: u64 = 36_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_survives_its_service_being_killed() {
    let farm = Farm::new("killed", LONG);
    let mut process = farm.start("127.0.0.1:0");
    let client = client(process.address, true);
    let first = call(&client).await.unwrap();
    let token = client.session_id().unwrap();
    let mut seen = BTreeSet::from([first]);
    for round in 0..3 {
        let address = process.kill();
        // Nobody listens: the call fails, the conversation does not.
        let failed = call(&client).await.unwrap_err();
        assert!(
            matches!(&failed, CallError::Failed(Failed { error: ChannelError::NoAnswer, transport: Some(_), .. })),
            "{failed}"
        );
        if round == 1 {
            KeyRing::open(farm.ring.as_ref().unwrap(), NAME).unwrap().rotate(Rotation::default()).unwrap();
        }
        process = farm.start(&address.to_string());
        let here = call(&client).await.expect("the first call after the restart");
        assert!(seen.insert(here), "another process answers");
        assert_eq!(client.session_id().as_ref(), Some(&token), "the same token");
    }
    client.close().await.unwrap();
    assert_eq!(client.state(), CommunicationState::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_does_not_and_is_opened_anew() {
    let farm = Farm { ring: None, lifetime: LONG };
    let process = farm.start("127.0.0.1:0");
    let session = client(process.address, false);
    call(&session).await.unwrap();
    let address = process.kill();
    let process = farm.start(&address.to_string());
    let error = call(&session).await.unwrap_err();
    assert_eq!(fault(error), Some(KnownFault::BadContextToken));
    assert_eq!(session.state(), CommunicationState::Faulted);
    let again = client(process.address, false);
    call(&again).await.unwrap();
    again.close().await.unwrap();
}

/// Hands every request to the next service in turn, and knows nothing of sessions.
async fn round_robin(backends: Vec<SocketAddr>) -> (SocketAddr, oneshot::Sender<()>) {
    let proxy = HttpServer::bind(Tokio, "127.0.0.1:0".parse().unwrap(), Limits::default(), None).await.unwrap();
    let address = proxy.local_addr().unwrap();
    let backends: Vec<_> = backends
        .iter()
        .map(|at| Arc::new(HttpClient::new(Tokio, &format!("http://{at}/calc"), None).unwrap()))
        .collect();
    let next = Arc::new(AtomicUsize::new(0));
    let (stop, stopped) = oneshot::channel::<()>();
    let handler = move |request: HttpRequest| {
        let backend = Arc::clone(&backends[next.fetch_add(1, Ordering::SeqCst) % backends.len()]);
        async move {
            let headers = ContentHeaders { content_type: request.content_type, soap_action: request.action };
            match backend.exchange(&headers, request.body, 1 << 20).await {
                Ok(reply) => HttpResponse { status: reply.status, content_type: reply.content_type, body: reply.body },
                Err(_) => HttpResponse { status: 502, content_type: None, body: Vec::new().into() },
            }
        }
    };
    tokio::spawn(proxy.serve(handler, async move {
        let _ = stopped.await;
    }));
    (address, stop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_behind_one_address_share_their_tokens_while_keys_are_rotated() {
    // Tokens live so shortly that several are issued on the way.
    let farm = Farm::new("farm", 6000);
    let file = farm.ring.clone().unwrap();
    let (left, right) = (farm.start("127.0.0.1:0"), farm.start("127.0.0.1:0"));
    let (address, _proxy) = round_robin(vec![left.address, right.address]).await;
    let operator = KeyRing::open(&file, NAME).unwrap();
    let clients = [client(address, true), client(address, true)];
    let (mut seen, mut tokens) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..60 {
        for client in &clients {
            seen.insert(call(client).await.expect("every call succeeds"));
            tokens.insert(client.session_id().unwrap());
        }
        if round % 15 == 5 {
            operator.rotate(Rotation::default()).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(80)).await;
    }
    println!("{} processes, {} tokens, {} keys", seen.len(), tokens.len(), operator.keys().len());
    assert_eq!((seen.len(), operator.keys().len()), (2, 5));
    assert!(tokens.len() > 2, "tokens were renewed on the way");
    drop((left, right));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_removed_costs_one_call() {
    let farm = Farm::new("removed", LONG);
    let process = farm.start("127.0.0.1:0");
    let client = client(process.address, true);
    call(&client).await.unwrap();
    let token = client.session_id().unwrap();
    let operator = KeyRing::open(farm.ring.as_ref().unwrap(), NAME).unwrap();
    let old = operator.keys()[0].number;
    operator.rotate(Rotation::default()).unwrap();
    operator.remove(old).unwrap();
    let _process = farm.start(&process.kill().to_string());
    let error = call(&client).await.unwrap_err();
    // One fault for everything that does not verify.
    assert_eq!(fault(error), Some(KnownFault::InvalidSecurity));
    assert_eq!(client.state(), CommunicationState::Opened);
    call(&client).await.expect("under a token of its own");
    assert_ne!(client.session_id().unwrap(), token);
}
