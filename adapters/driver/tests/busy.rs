//! Where nobody shall wait, who opens a session too many is told at once, whichever shard it comes to.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod common;

use common::Running;
use soap_session_core::throttle::Throttle;
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_driver::{
    Answer, Binding, Client, ClientCredentialType, ClientOptions, NewError, Runtime, SecurityMode, ServerOptions,
    Service, Timeouts, UserCredential, service_fn,
};
use soap_session_smol::Smol;
use soap_session_tokio::Tokio;
use std::time::{Duration, Instant};

const PERMITS: u32 = 2;
/// Who wants to open a session at the same moment.
const CROWD: usize = 48;

fn key_file(name: &str) -> String {
    format!("{}/../credentials/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Both sides, where nobody waits.
fn options(mut binding: Binding, permits: u32) -> (ServerOptions, ClientOptions) {
    let patience = Some(Duration::from_secs(20));
    // Idle sessions keep their permits until the end.
    binding.timeouts = Timeouts { open: patience, close: patience, send: patience, ..binding.timeouts };
    let service = Certificate::from_file(key_file("service.cert.pem")).unwrap();
    let key = PrivateKey::from_file(key_file("service.key.pem")).unwrap();
    let store = CredentialStore::new().with_key(service.clone(), key).unwrap();
    let mut server = ServerOptions::new(binding.clone())
        .with_credentials(store.with_user_check(|name, password| name == "ada" && password == "secret"));
    server.throttle.max_concurrent_sessions = permits;
    server.host.refuse_when_busy = true;
    let mut client =
        ClientOptions::new(binding.clone()).with_credentials(CredentialStore::new().with_service(service).unwrap());
    if binding.needs_user() {
        client = client.with_user(UserCredential::new("ada", "secret").unwrap());
    }
    (server, client)
}

fn is_too_busy(refused: &NewError) -> bool {
    let NewError::Open(failed) = refused else { return false };
    failed.error.wcf_exception() == "System.ServiceModel.ServerTooBusyException"
}

/// Opens as many sessions as there are permits, and then ten more.
async fn crowd(binding: Binding) {
    let (server, options) = options(binding, PERMITS);
    let echo = service_fn(|call| async move { Answer::reply(format!("{}Response", call.action), call.body) });
    let server = Running::<Smol, _>::start(server, echo).await;
    let url = server.url();
    let mut open = Vec::new();
    for _ in 0..PERMITS {
        let client = Client::<Smol>::connect(&url, options.clone()).await.unwrap();
        client.call("urn:echo", "<Echo xmlns=\"urn:echo\"/>").await.unwrap();
        open.push(client);
    }
    for round in 0..10 {
        match Client::<Smol>::connect(&url, options.clone()).await {
            Err(refused) if is_too_busy(&refused) => {}
            other => panic!("round {round}: {other:?}"),
        }
    }
    // A permit that is given back is the next one's.
    open.remove(0).close().await.unwrap();
    given_back(&server, PERMITS - 1).await;
    let next = Client::<Smol>::connect(&url, options).await.unwrap();
    next.call("urn:echo", "<Echo xmlns=\"urn:echo\"/>").await.unwrap();
    next.close().await.unwrap();
    for client in open {
        client.close().await.unwrap();
    }
    server.stop().await;
}

#[test]
fn reliable_sessions() {
    smol::block_on(crowd(Binding::ws_http().with_reliable_session(true).unwrap()));
}

#[test]
fn secure_reliable_sessions() {
    let secure = Binding::ws2007_http().with_security(SecurityMode::Message, ClientCredentialType::UserName).unwrap();
    smol::block_on(crowd(secure.with_reliable_session(true).unwrap()));
}

/// Waits until only so many have a permit: it is given back behind the answer that a client waits for.
async fn given_back<R: Runtime + Default, S: Service>(server: &Running<R, S>, left: u32) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let used = server.watch.pressure(Throttle::Sessions).used;
        if used <= left {
            return;
        }
        assert!(Instant::now() < until, "{used} have permits, and {left} would be right");
        R::default().sleep_until(R::default().now() + Duration::from_millis(5)).await;
    }
}

/// All at once, on two threads, in several shards: as many get in as there are permits, neither more nor fewer.
async fn rush(binding: Binding) {
    const PERMITS: u32 = 7;
    let (server, options) = options(binding, PERMITS);
    let echo = service_fn(|call| async move { Answer::reply(format!("{}Response", call.action), call.body) });
    let server = Running::<Tokio, _>::start(server, echo).await;
    let url = server.url();
    for round in 0..3 {
        let rushing: Vec<_> = (0..CROWD)
            .map(|_| {
                let (url, options) = (url.clone(), options.clone());
                tokio::spawn(async move { Client::<Tokio>::connect(&url, options).await })
            })
            .collect();
        let mut open = Vec::new();
        for rushing in rushing {
            match rushing.await.unwrap() {
                Ok(client) => open.push(client),
                Err(refused) => assert!(is_too_busy(&refused), "round {round}: {refused}"),
            }
        }
        assert_eq!(open.len(), PERMITS as usize, "round {round}");
        // Whoever is in is in: no call of theirs waits, nor is refused.
        for client in &open {
            client.call("urn:echo", "<Echo xmlns=\"urn:echo\"/>").await.unwrap();
        }
        assert_eq!(server.watch.pressure(Throttle::Sessions).used, PERMITS, "round {round}");
        for client in open {
            client.close().await.unwrap();
            client.finished().await;
        }
        given_back(&server, 0).await;
    }
    server.stop().await;
}

fn on_two_threads(rush: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(rush);
}

#[test]
fn a_rush_for_reliable_sessions() {
    let mut binding = Binding::ws_http().with_reliable_session(true).unwrap();
    // WCF refuses a fifth that is pending, whatever permits there are.
    binding.reliable_settings().unwrap().max_pending_channels = 64;
    on_two_threads(rush(binding));
}

#[test]
fn a_rush_for_secure_sessions() {
    on_two_threads(rush(
        Binding::ws2007_http().with_security(SecurityMode::Message, ClientCredentialType::UserName).unwrap(),
    ));
}

#[test]
fn a_rush_for_secure_reliable_sessions() {
    let secure = Binding::ws2007_http().with_security(SecurityMode::Message, ClientCredentialType::UserName).unwrap();
    let mut binding = secure.with_reliable_session(true).unwrap();
    binding.reliable_settings().unwrap().max_pending_channels = 64;
    on_two_threads(rush(binding));
}

/// A session that was opened and never used is nobody's to close: it holds nothing up, and nothing is left of it.
#[test]
fn a_session_without_a_message_ends_with_its_server() {
    on_two_threads(async {
        let (mut server, options) = options(Binding::ws_http().with_reliable_session(true).unwrap(), PERMITS);
        server.close = Duration::from_secs(60);
        let echo = service_fn(|call| async move { Answer::reply(format!("{}Response", call.action), call.body) });
        let server = Running::<Tokio, _>::start(server, echo).await;
        let url = server.url();
        let silent = Client::<Tokio>::connect(&url, options).await.unwrap();
        assert_eq!((server.watch.sessions(), server.watch.pressure(Throttle::Sessions).used), (0, 1));
        // A third of the time that sessions get.
        let watch = tokio::time::timeout(Duration::from_secs(20), server.stop()).await.unwrap();
        assert_eq!((watch.sessions(), watch.pressure(Throttle::Sessions).used), (0, 0));
        silent.abort();
    });
}
