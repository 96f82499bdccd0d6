//! A copy of a message that is protected by itself runs nothing, by whichever connection it comes, and however many processors
//! share the work.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod common;

use common::Running;
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_driver::http::{ContentHeaders, HttpClient};
use soap_session_driver::{
    Answer, Binding, Call, Client, ClientCredentialType, ClientOptions, Observer, Passed, SecurityMode, ServerOptions,
    Way, service_fn,
};
use soap_session_smol::Smol;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

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

async fn replayed(binding: Binding) {
    let service = CredentialStore::new().with_key(certificate("service"), key("service")).unwrap();
    let service = service.with_own(certificate("service"), key("service")).unwrap().with_trusted(certificate("client"));
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
    let stolen = thief.0.lock().unwrap().pop().unwrap();
    for _ in 0..16 {
        let http = HttpClient::new(Smol, &url, None).unwrap();
        let answer = http.exchange(&ContentHeaders::of(binding.soap(), "urn:pay"), stolen.clone(), 65_536).await;
        assert_eq!(answer.unwrap().status, 500);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    server.stop().await;
}

#[test]
fn of_a_single_message() {
    let message = |binding: Binding, credential| binding.with_security(SecurityMode::Message, credential).unwrap();
    let alone = |credential| message(Binding::ws_http(), credential).without_secure_session().unwrap();
    smol::block_on(replayed(alone(ClientCredentialType::None)));
    smol::block_on(replayed(alone(ClientCredentialType::Certificate)));
    smol::block_on(replayed(message(Binding::basic_http(), ClientCredentialType::Certificate)));
}
