//! A copy of a message that is protected by itself runs nothing, by whichever connection it comes, and however many processors
//! share the work.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod common;

use common::Running;
use soap_session_credentials::{Certificate, CredentialStore, KeyRing, PrivateKey};
use soap_session_driver::http::{ContentHeaders, HttpClient};
use soap_session_driver::{
    Answer, Binding, Call, Client, ClientCredentialType, ClientOptions, Observer, Passed, SecurityMode, ServerOptions,
    Way, service_fn,
};
use soap_session_smol::Smol;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../credentials/tests/keys").join(name)
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_file(key_file(&format!("{name}.cert.pem"))).unwrap()
}

fn key(name: &str) -> PrivateKey {
    PrivateKey::from_file(key_file(&format!("{name}.key.pem"))).unwrap()
}

/// Who listens on the way.
#[derive(Default)]
struct Thief(Mutex<Vec<Vec<u8>>>);

impl Observer for Thief {
    fn passed(&self, passed: &Passed<'_>) {
        if passed.way == Way::Sent && passed.status.is_none() {
            self.0.lock().unwrap().push(passed.message.to_vec());
        }
    }
}

const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSSC: &str = "http://schemas.xmlsoap.org/ws/2005/02/sc";

async fn replayed(binding: Binding) {
    let service = CredentialStore::new().with_key(certificate("service"), key("service")).unwrap();
    let service = service.with_own(certificate("service"), key("service")).unwrap().with_trusted(certificate("client"));
    static RING: OnceLock<Arc<KeyRing>> = OnceLock::new();
    let ring = RING.get_or_init(|| {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("replays-{}.ring", std::process::id()));
        Arc::new(KeyRing::open_or_create(file, "replays").unwrap())
    });
    let service = service.with_state_encoder(ring.clone());
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let echo = service_fn(move |call: Call| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Answer::reply(format!("{}Response", call.action), call.body) }
    });
    let options = ServerOptions::new(binding.clone()).with_credentials(service);
    let server = Running::<Smol, _>::start(options, echo).await;
    let url = server.url();
    let store = CredentialStore::new().with_service(certificate("service")).unwrap();
    let store = store.with_own(certificate("client"), key("client")).unwrap();
    let thief = Arc::new(Thief::default());
    let options = ClientOptions::new(binding.clone()).with_credentials(store).with_observer(thief.clone());
    let client = Client::<Smol>::connect(&url, options).await.unwrap();
    client.call("urn:pay", "<Pay xmlns=\"urn:bank\"/>").await.unwrap();
    client.close().await.unwrap();
    client.finished().await;
    let stolen = String::from_utf8(thief.0.lock().unwrap().pop().unwrap()).unwrap();
    for number in 0..64 {
        let http = HttpClient::new(Smol, &url, None).unwrap();
        // What is for somebody else is no part of the message, and must not tell where the message belongs.
        let decoy = format!(
            "<s:Header><o:Security xmlns:o=\"{WSSE}\" s:role=\"urn:other\"><c:SecurityContextToken xmlns:c=\"{WSSC}\">\
             <c:Identifier>urn:{number}</c:Identifier></c:SecurityContextToken></o:Security>"
        );
        let message = if number < 16 { stolen.clone() } else { stolen.replacen("<s:Header>", &decoy, 1) };
        let answer = http.exchange(&ContentHeaders::of(binding.soap(), "urn:pay"), message, 65_536).await;
        assert_eq!(answer.unwrap().status, 500);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    server.stop().await;
}

#[test]
fn under_a_token_that_carries_its_conversation() {
    for binding in [Binding::ws_http(), Binding::ws2007_http()] {
        let secure = binding.with_security(SecurityMode::Message, ClientCredentialType::None).unwrap();
        smol::block_on(replayed(secure.with_stateless_tokens().unwrap()));
    }
}

#[test]
fn of_a_single_message() {
    let message = |binding: Binding, credential| binding.with_security(SecurityMode::Message, credential).unwrap();
    let alone = |credential| message(Binding::ws_http(), credential).without_secure_session().unwrap();
    smol::block_on(replayed(alone(ClientCredentialType::None)));
    smol::block_on(replayed(alone(ClientCredentialType::Certificate)));
    smol::block_on(replayed(message(Binding::basic_http(), ClientCredentialType::Certificate)));
}
