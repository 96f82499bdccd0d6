//! Limits of sessions and of connections.

use crate::stand::{Seen, Stand, body, gated, plain, reliable, secure, secure_reliable, soon};
use crate::world::{eventually, run, sleep};
use futures_lite::AsyncWriteExt;
use soap_session_core::throttle::Throttle;
use soap_session_driver::{CallError, Client, NewError, Runtime, ServerOptions};
use std::sync::Arc;
use std::time::Duration;

/// More clients than there may be sessions, in many shards: each has its turn as soon as another has closed.
pub(crate) async fn sessions_wait_for_their_turn<R: Runtime + Default>() {
    for binding in [secure(), reliable(), secure_reliable()] {
        let (_gate, service) = gated(&Arc::default());
        let mut options = ServerOptions::new(binding.clone());
        options.throttle.max_concurrent_sessions = 2;
        options.security.max_pending_sessions = 640;
        let stand = Stand::<R, _>::start(options, &binding, service).await;
        let (url, options) = (stand.url(), stand.options());
        let clients: Vec<_> = (0..12)
            .map(|number| {
                let (url, options, runtime) = (url.clone(), options.clone(), stand.runtime.clone());
                run(&stand.runtime, async move {
                    let begun = runtime.now();
                    let client = loop {
                        // Few sequences may wait to be accepted.
                        match Client::<R>::connect(&url, options.clone()).await {
                            Ok(client) => break client,
                            Err(_) => sleep(&runtime, Duration::from_millis(20)).await,
                        }
                    };
                    let reply = client.call("urn:echo", body(number)).await?;
                    client.close().await.unwrap();
                    assert_eq!(*reply.body, *body(number).as_bytes());
                    Ok::<_, CallError>(runtime.now() - begun)
                })
            })
            .collect();
        let mut slowest = Duration::ZERO;
        for client in clients {
            let took = soon(&stand.runtime, "a client", client.recv()).await.unwrap().unwrap();
            slowest = slowest.max(took);
        }
        println!("{}: the last of 12 had its turn after {slowest:?}", binding.name());
        // Nobody waited for a retransmission or a timeout.
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
        stand.end().await;
    }
}

/// Where nobody is to wait, who comes too late is told so at once, and those who are there go on.
pub(crate) async fn too_busy<R: Runtime + Default>() {
    for binding in [secure(), reliable(), secure_reliable()] {
        let (_gate, service) = gated(&Arc::default());
        let mut options = ServerOptions::new(binding.clone());
        options.throttle.max_concurrent_sessions = 2;
        options.security.max_pending_sessions = 640;
        options.host.refuse_when_busy = true;
        let stand = Stand::<R, _>::start(options, &binding, service).await;
        let mut clients = [stand.client().await, stand.client().await].to_vec();
        for client in &clients {
            client.call("urn:echo", body(1)).await.unwrap();
        }
        assert_eq!(stand.watch.pressure(Throttle::Sessions).used, 2);
        for _ in 0..20 {
            let begun = stand.runtime.now();
            let refused = Client::<R>::connect(&stand.url(), stand.options()).await;
            let took = stand.runtime.now() - begun;
            let Err(NewError::Open(failed)) = refused else { panic!("{}: {refused:?}", binding.name()) };
            assert!(failed.error.wcf_exception().ends_with("ServerTooBusyException"), "{failed}");
            assert!(took < Duration::from_secs(2), "{took:?}");
        }
        clients.pop().unwrap().close().await.unwrap();
        assert!(eventually(&stand.runtime, Duration::from_secs(5), || stand.watch.sessions() == 1).await);
        let client = stand.client().await;
        client.call("urn:echo", body(2)).await.unwrap();
        client.close().await.unwrap();
        clients.pop().unwrap().close().await.unwrap();
        drop(client);
        stand.end().await;
    }
}

/// No more connections than may be; who comes later waits for one to end.
pub(crate) async fn connections<R: Runtime + Default>() {
    let binding = plain();
    let (_gate, service) = gated(&Arc::new(Seen::default()));
    let mut options = ServerOptions::new(binding.clone());
    options.http.connections = 2;
    let stand = Stand::<R, _>::start(options, &binding, service).await;
    let port = stand.address.port();
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = stand.runtime.connect("127.0.0.1", port).await.unwrap();
        stream.write_all(b"POST /").await.unwrap();
        open.push(stream);
    }
    sleep(&stand.runtime, Duration::from_millis(100)).await;
    let client = Client::<R>::new(&stand.url(), stand.options()).unwrap();
    let in_task = client.clone();
    let call = run(&stand.runtime, async move { in_task.call("urn:echo", body(1)).await });
    sleep(&stand.runtime, Duration::from_millis(300)).await;
    assert!(call.is_empty(), "a third connection was served");
    open.pop();
    soon(&stand.runtime, "the call", call.recv()).await.unwrap().unwrap();
    client.close().await.unwrap();
    drop((client, open));
    stand.end().await;
}
