//! Where nobody shall wait, who opens a session too many is told at once, whichever shard it comes to.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_driver::{
    Answer, Binding, Client, ClientCredentialType, ClientOptions, NewError, SecurityMode, Server, ServerOptions,
    Timeouts, UserCredential, service_fn,
};
use soap_session_smol::Smol;
use std::time::Duration;

const PERMITS: u32 = 2;

fn key_file(name: &str) -> String {
    format!("{}/../credentials/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Opens as many sessions as there are permits, and then ten more.
async fn crowd(mut binding: Binding) {
    let patience = Some(Duration::from_secs(20));
    // Idle sessions keep their permits until the end.
    binding.timeouts = Timeouts { open: patience, close: patience, send: patience, ..binding.timeouts };
    let service = Certificate::from_file(key_file("service.cert.pem")).unwrap();
    let key = PrivateKey::from_file(key_file("service.key.pem")).unwrap();
    let store = CredentialStore::new().with_key(service.clone(), key).unwrap();
    let mut options = ServerOptions::new(binding.clone())
        .with_credentials(store.with_user_check(|name, password| name == "ada" && password == "secret"));
    options.throttle.max_concurrent_sessions = PERMITS;
    options.host.refuse_when_busy = true;
    let echo = service_fn(|call| async move { Answer::reply(format!("{}Response", call.action), call.body) });
    let server = Server::<Smol, _>::bind("127.0.0.1:0".parse().unwrap(), options, echo).await.unwrap();
    let url = format!("http://{}/echo", server.local_addr().unwrap());
    let (stop, stopped) = futures_channel::oneshot::channel::<()>();
    let serving = smol::spawn(server.serve(async {
        let _ = stopped.await;
    }));

    let mut options =
        ClientOptions::new(binding.clone()).with_credentials(CredentialStore::new().with_service(service).unwrap());
    if binding.needs_user() {
        options = options.with_user(UserCredential::new("ada", "secret").unwrap());
    }
    let mut open = Vec::new();
    for _ in 0..PERMITS {
        let client = Client::<Smol>::connect(&url, options.clone()).await.unwrap();
        client.call("urn:echo", "<Echo xmlns=\"urn:echo\"/>").await.unwrap();
        open.push(client);
    }
    for round in 0..10 {
        match Client::<Smol>::connect(&url, options.clone()).await {
            Err(NewError::Open(failed)) => {
                let exception = failed.error.wcf_exception();
                assert_eq!(exception, "System.ServiceModel.ServerTooBusyException", "round {round}: {failed}");
            }
            other => panic!("round {round}: {other:?}"),
        }
    }
    // A permit that is given back is the next one's.
    open.remove(0).close().await.unwrap();
    let next = Client::<Smol>::connect(&url, options).await.unwrap();
    next.call("urn:echo", "<Echo xmlns=\"urn:echo\"/>").await.unwrap();
    next.close().await.unwrap();
    for client in open {
        client.close().await.unwrap();
    }
    drop(stop);
    serving.await;
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
