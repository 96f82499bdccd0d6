//! A service that remembers what it heard, on a wire that can lose.

use soap_session_core::reliable::{ReliableSessionId, ReliableSettings, RmVersion, Shape};
use soap_session_core::secure::{AcceptorSettings, Binding, InitiatorSettings, NoCredentials, UserCredential};
use soap_session_core::soap::SoapVersion;
use soap_session_core::time::Duration;
use soap_session_core::xml::Limits;
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey, random_seed};
use soap_session_tokio::{Call, ReliableClient, ReliableServer, Response, Service};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../credentials/tests/keys").join(name)
}

fn certificate() -> Certificate {
    Certificate::from_file(key_file("service.cert.pem")).unwrap()
}

/// What the service saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub heard: Mutex<Vec<String>>,
    pub closed: Mutex<Vec<ReliableSessionId>>,
}

impl Seen {
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Answers with the request's body; a `Fault` action by a fault, a `Slow` one when it is let, a `Panic` one never.
pub(crate) struct Echo {
    seen: Arc<Seen>,
    gate: Arc<Semaphore>,
}

impl Service<ReliableSessionId> for Echo {
    async fn call(&self, call: Call<ReliableSessionId>) -> Response {
        if call.action.ends_with("Slow") {
            self.gate.acquire().await.unwrap().forget();
        }
        assert!(!call.action.ends_with("Panic"), "as it was told");
        self.seen.heard.lock().unwrap().push(String::from_utf8(call.body.clone()).unwrap());
        if call.action.ends_with("Fault") {
            return Response {
                action: "http://www.w3.org/2005/08/addressing/soap/fault".into(),
                body: b"<Fault xmlns=\"http://www.w3.org/2003/05/soap-envelope\"><Code><Value>Sender</Value></Code><Reason>\
                        <Text xml:lang=\"en-US\">no</Text></Reason></Fault>"
                    .to_vec(),
                fault: true,
            };
        }
        Response { action: format!("{}Response", call.action), body: call.body, fault: false }
    }

    fn closed(&self, session: ReliableSessionId) {
        self.seen.closed.lock().unwrap().push(session);
    }
}

pub(crate) fn settings(version: RmVersion) -> ReliableSettings {
    // A lost request of the protocol is sent again after this: nobody wants to wait 10 s in a test.
    ReliableSettings { version, requestor_interval: Duration::from_millis(300), ..ReliableSettings::default() }
}

/// A running service, and how its clients reach it.
pub(crate) struct World {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    pub gate: Arc<Semaphore>,
    shape: Shape,
    settings: ReliableSettings,
    binding: Option<Binding>,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
}

/// With or without security, one face.
pub(crate) enum Client {
    Plain(ReliableClient<NoCredentials>),
    Secure(ReliableClient<CredentialStore>),
}

/// The same call for both.
#[macro_export]
macro_rules! on {
    ($client:expr, $inner:ident => $call:expr) => {
        match $client {
            $crate::world::Client::Plain($inner) => $call,
            $crate::world::Client::Secure($inner) => $call,
        }
    };
}

impl World {
    pub(crate) async fn start(shape: Shape, settings: ReliableSettings, binding: Option<Binding>) -> Self {
        let (seen, gate) = (Arc::new(Seen::default()), Arc::new(Semaphore::new(0)));
        let echo = Echo { seen: Arc::clone(&seen), gate: Arc::clone(&gate) };
        let seed = random_seed().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move {
            let _ = stopped.await;
        };
        let (address, serving) = match binding.clone() {
            None => {
                let (soap, limits) = (SoapVersion::Soap12, Limits::default());
                let server =
                    ReliableServer::bind_plain("127.0.0.1:0", shape, settings.clone(), soap, limits, echo, &seed);
                let server = server.await.unwrap();
                (server.local_addr().unwrap(), tokio::spawn(server.serve(stopped)))
            }
            Some(binding) => {
                let store = CredentialStore::new()
                    .with_key(certificate(), PrivateKey::from_file(key_file("service.key.pem")).unwrap())
                    .unwrap()
                    .with_user_check(|name, password| (name, password) == ("alice", "wonder"));
                let conversations = AcceptorSettings::default();
                let settings = settings.clone();
                let server =
                    ReliableServer::bind("127.0.0.1:0", shape, settings, binding, conversations, store, echo, &seed);
                let server = server.await.unwrap();
                (server.local_addr().unwrap(), tokio::spawn(server.serve(stopped)))
            }
        };
        Self { address, seen, gate, shape, settings, binding, stop, serving }
    }

    pub(crate) fn client(&self) -> Client {
        self.client_of(self.address)
    }

    pub(crate) fn client_of(&self, address: SocketAddr) -> Client {
        let (shape, settings) = (self.shape, self.settings.clone());
        let url = format!("http://{address}/echo");
        let seed = random_seed().unwrap();
        match self.binding.clone() {
            None => {
                let (soap, limits) = (SoapVersion::Soap12, Limits::default());
                Client::Plain(ReliableClient::plain(&url, shape, settings, soap, limits, &seed).unwrap())
            }
            Some(binding) => {
                let store = CredentialStore::new().with_service(certificate()).unwrap();
                let (initiator, user) = (InitiatorSettings::default(), UserCredential::new("alice", "wonder"));
                let client = ReliableClient::secure(&url, shape, settings, binding, initiator, store, user, &seed);
                Client::Secure(client.unwrap())
            }
        }
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.serving.await.unwrap();
    }

    /// The service is gone at once, with all connections.
    pub(crate) async fn vanish(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }
}

/// A way to `address` on which `lost` says what becomes of each request (even questions) and each answer (odd ones): a lost one
/// cuts the connection. Every message has a connection of its own.
pub(crate) async fn losing_way(
    address: SocketAddr,
    lost: impl Fn(usize) -> bool + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = listener.local_addr().unwrap();
    let lost = Arc::new(lost);
    tokio::spawn(async move {
        for number in 0.. {
            let (mut client, _) = listener.accept().await.unwrap();
            let lost = Arc::clone(&lost);
            tokio::spawn(async move {
                let request = http_message(&mut client).await?;
                if lost(2 * number) {
                    return None;
                }
                let mut service = TcpStream::connect(address).await.ok()?;
                service.write_all(&request).await.ok()?;
                let answer = http_message(&mut service).await?;
                if !lost(2 * number + 1) {
                    client.write_all(&answer).await.ok()?;
                }
                Some(())
            });
        }
    });
    way
}

/// Reads a head and as much body as it announces.
async fn http_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if bytes.len() >= end + length.unwrap_or(0) {
                return Some(bytes);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
