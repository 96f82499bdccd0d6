//! How servers and clients end.

use crate::stand::{Seen, Stand, body, gated, no_task_is_left, plain, reliable, secure, secure_reliable, soon};
use crate::world::{LOCAL, eventually, run, service_store};
use soap_session_core::lifetime::CommunicationState;
use soap_session_driver::{CallError, Client, Runtime, Server, ServerOptions};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A server that is told to stop takes no new session, and waits for those that there are.
pub(crate) async fn sessions_are_waited_for<R: Runtime + Default>() {
    for binding in [secure(), reliable(), secure_reliable()] {
        let (_gate, service) = gated(&Arc::default());
        let stand = Stand::<R, _>::of(&binding, service).await;
        let client = stand.client().await;
        client.call("urn:echo", body(1)).await.unwrap();
        stand.stop();
        // Until a new one is refused.
        let late = stand.runtime.now() + Duration::from_secs(5);
        while Client::<R>::connect(&stand.url(), stand.options()).await.is_ok() {
            assert!(stand.runtime.now() < late, "new sessions are still taken");
        }
        client.call("urn:echo", body(2)).await.unwrap();
        client.close().await.unwrap();
        soon(&stand.runtime, "a server without sessions", stand.stopped()).await;
        drop(client);
        no_task_is_left(&stand.runtime).await;
    }
}

/// Those that are not closed in time are aborted.
pub(crate) async fn sessions_are_not_waited_for_for_ever<R: Runtime + Default>() {
    for mut binding in [secure(), reliable(), secure_reliable()] {
        binding.timeouts.send = Some(Duration::from_secs(2));
        let seen = Arc::default();
        let (_gate, service) = gated(&seen);
        let mut options = ServerOptions::new(binding.clone());
        options.close = Duration::from_millis(300);
        options.http.drain = Duration::from_millis(300);
        let stand = Stand::<R, _>::start(options, &binding, service).await;
        let client = stand.client().await;
        client.call("urn:echo", body(1)).await.unwrap();
        // One stays in the service for ever.
        let in_task = client.clone();
        let call = run(&stand.runtime, async move { in_task.call("urn:gated", body(2)).await });
        assert!(eventually(&stand.runtime, Duration::from_secs(5), || seen.running.load(Ordering::SeqCst) == 1).await);
        let begun = stand.runtime.now();
        stand.stop();
        soon(&stand.runtime, "a server that stops", stand.stopped()).await;
        let took = stand.runtime.now() - begun;
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(3), "{took:?}");
        assert_eq!((stand.watch.sessions(), seen.running.load(Ordering::SeqCst)), (0, 0));
        let failed = soon(&stand.runtime, "the call", call.recv()).await.unwrap().unwrap_err();
        println!("{}: {failed}", binding.name());
        client.abort();
        drop(client);
        no_task_is_left(&stand.runtime).await;
    }
}

/// A server that is dropped while it serves ends everything, calls that run included.
pub(crate) async fn a_server_that_is_dropped<R: Runtime + Default>() {
    for binding in [plain(), secure(), reliable()] {
        let seen = Arc::new(Seen::default());
        let (_gate, service) = gated(&seen);
        let runtime = R::default();
        let options = ServerOptions::new(binding.clone()).with_credentials(service_store());
        let server = Server::<R, _>::bind(LOCAL, options, service).await.unwrap();
        let url = format!("http://{}/", server.local_addr().unwrap());
        let watch = server.watch();
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let served = run(&runtime, async move {
            futures_lite::future::or(server.serve(std::future::pending()), async {
                let _ = stopped.recv().await;
            })
            .await;
        });
        let client = Client::<R>::connect(&url, crate::stand::client_options(&binding)).await.unwrap();
        let in_task = client.clone();
        let call = run(&runtime, async move { in_task.call("urn:gated", body(1)).await });
        assert!(eventually(&runtime, Duration::from_secs(5), || seen.running.load(Ordering::SeqCst) == 1).await);
        drop(stop);
        served.recv().await.unwrap();
        let ended = eventually(&runtime, Duration::from_secs(5), || seen.running.load(Ordering::SeqCst) == 0).await;
        assert!(ended, "the call runs on");
        client.abort();
        soon(&runtime, "the call", call.recv()).await.unwrap().unwrap_err();
        client.finished().await;
        drop(client);
        no_task_is_left(&runtime).await;
        drop(watch);
    }
}

/// What may be done to a client in the wrong order, or at the wrong time.
pub(crate) async fn clients_that_are_ill_treated<R: Runtime + Default>() {
    for binding in [plain(), secure(), reliable(), secure_reliable()] {
        let (gate, service) = gated(&Arc::default());
        let stand = Stand::<R, _>::of(&binding, service).await;

        // Dropped before it is opened, and while it opens.
        drop(Client::<R>::new(&stand.url(), stand.options()).unwrap());
        let opening = Client::<R>::new(&stand.url(), stand.options()).unwrap();
        let _ = futures_lite::future::poll_once(opening.open()).await;
        drop(opening);

        // Opened twice, closed twice, called afterwards.
        let client = stand.client().await;
        client.open().await.unwrap_err();
        let (first, second) = futures_lite::future::zip(client.close(), client.close()).await;
        first.unwrap();
        second.unwrap();
        client.close().await.unwrap();
        assert!(matches!(client.call("urn:echo", body(1)).await, Err(CallError::Refused(_))));
        client.open().await.unwrap_err();
        client.abort();
        client.finished().await;

        // Aborted while it closes, with a call under way.
        let client = stand.client().await;
        let clones: Vec<_> = (0..1000).map(|_| client.clone()).collect();
        let in_task = client.clone();
        let call = run(&stand.runtime, async move { in_task.call("urn:gated", body(2)).await });
        assert!(eventually(&stand.runtime, Duration::from_secs(5), || client.calls() == 1).await);
        let in_task = client.clone();
        let close = run(&stand.runtime, async move { in_task.close().await });
        let closing = || client.state() == CommunicationState::Closing;
        assert!(eventually(&stand.runtime, Duration::from_secs(5), closing).await);
        client.abort();
        soon(&stand.runtime, "the call", call.recv()).await.unwrap().unwrap_err();
        soon(&stand.runtime, "the close", close.recv()).await.unwrap().unwrap_err();
        assert_eq!(client.state(), CommunicationState::Closed);
        drop(gate);
        drop(clones);
        soon(&stand.runtime, "the client", client.finished()).await;
        drop(client);

        stand.stop();
        soon(&stand.runtime, "the server", stand.stopped()).await;
        no_task_is_left(&stand.runtime).await;
    }
}
