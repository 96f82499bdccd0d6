//! Many calls, calls that nobody waits for, and calls that have to wait.

use crate::stand::{Seen, Stand, body, gated, plain, reliable, secure, secure_reliable, soon, unordered};
use crate::world::{eventually, resident, run};
use futures_lite::future::poll_once;
use soap_session_core::lifetime::CommunicationState;
use soap_session_core::throttle::Throttle;
use soap_session_driver::{Binding, CallError, Client, Runtime, ServerOptions};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A client has room for 64 calls: who calls beyond them waits, and is served.
pub(crate) async fn more_calls_than_there_is_room_for<R: Runtime + Default>() {
    for binding in [plain(), unordered(), secure()] {
        let seen = Arc::new(Seen::default());
        let (gate, service) = gated(&seen);
        let mut options = ServerOptions::new(binding.clone());
        options.throttle.max_concurrent_calls = 1000;
        let stand = Stand::<R, _>::start(options, &binding, service).await;
        let client = stand.client().await;
        let calls: Vec<_> = (0..200)
            .map(|number| {
                let client = client.clone();
                run(&stand.runtime, async move { client.call("urn:gated", body(number)).await })
            })
            .collect();
        let full = eventually(&stand.runtime, Duration::from_secs(5), || client.calls() == 64).await;
        assert!(full, "{}", client.calls());
        drop(gate);
        for (number, call) in calls.into_iter().enumerate() {
            let reply = soon(&stand.runtime, "a call that waited", call.recv()).await.unwrap().unwrap();
            assert_eq!(*reply.body, *body(number).as_bytes());
        }
        assert_eq!((seen.ran.load(Ordering::SeqCst), client.calls()), (200, 0));
        client.close().await.unwrap();
        drop(client);
        stand.end().await;
    }
}

/// A call whose future is dropped runs, and leaves nothing behind.
pub(crate) async fn dropped_calls<R: Runtime + Default>() {
    for binding in [reliable(), unordered(), secure(), plain()] {
        let seen = Arc::new(Seen::default());
        let (_gate, service) = gated(&seen);
        let stand = Stand::<R, _>::of(&binding, service).await;
        let client = stand.client().await;
        let mut begun = 0;
        for number in 0..1000 {
            // As many as one signature's table takes in a quarter of an hour, with all that answers them.
            if number == 400 && binding.needs_user() {
                break;
            }
            if client.calls() == 64 {
                let over = eventually(&stand.runtime, Duration::from_secs(10), || client.calls() == 0).await;
                assert!(over, "{} calls are still under way", client.calls());
            }
            let action = "urn:echo";
            // Some are over by then.
            let over = poll_once(pin!(client.call(action, body(number)))).await;
            assert!(!matches!(over, Some(Err(_))), "call {number}: {over:?}");
            begun += 1;
        }
        let over = eventually(&stand.runtime, Duration::from_secs(10), || client.calls() == 0).await;
        assert!(over, "{} calls are still under way", client.calls());
        assert_eq!(seen.ran.load(Ordering::SeqCst), begun, "each ran once");
        assert_eq!(client.state(), CommunicationState::Opened);
        // None of them stands in the way of one that somebody waits for.
        let reply = soon(&stand.runtime, "a call after", client.call("urn:echo", body("last"))).await.unwrap();
        assert_eq!(*reply.body, *body("last").as_bytes());
        client.close().await.unwrap();
        drop(client);
        stand.end().await;
    }
}

/// Who no longer waits for an open or a close has begun it all the same: it goes on to its end, and nothing is left of it.
pub(crate) async fn dropped_opens_and_closes<R: Runtime + Default>() {
    for binding in [plain(), secure(), reliable(), secure_reliable()] {
        let (gate, service) = gated(&Arc::default());
        let stand = Stand::<R, _>::of(&binding, service).await;
        let within = Duration::from_secs(10);

        // With its client: it is given up, however far it has come.
        for polls in 0..20 {
            let (url, options) = (stand.url(), stand.options());
            let mut connecting = pin!(Client::<R>::connect(&url, options));
            for _ in 0..polls {
                if poll_once(connecting.as_mut()).await.is_some() {
                    break;
                }
                crate::world::sleep(&stand.runtime, Duration::from_millis(1)).await;
            }
        }

        // Without: the client is open after a while.
        let client = Client::<R>::new(&stand.url(), stand.options()).unwrap();
        let _ = poll_once(pin!(client.open())).await;
        let opened = || client.state() == CommunicationState::Opened;
        assert!(eventually(&stand.runtime, within, opened).await, "{}: {:?}", binding.name(), client.state());
        let reply = soon(&stand.runtime, "a call", client.call("urn:echo", body(1))).await.unwrap();
        assert_eq!(*reply.body, *body(1).as_bytes());

        // A close waits for the call that is under way, whoever waits for the close.
        let in_task = client.clone();
        let call = run(&stand.runtime, async move { in_task.call("urn:gated", body(2)).await });
        assert!(eventually(&stand.runtime, within, || client.calls() == 1).await);
        let _ = poll_once(pin!(client.close())).await;
        assert_eq!(client.state(), CommunicationState::Closing);
        assert!(matches!(client.call("urn:echo", body(3)).await, Err(CallError::Refused(_))));
        drop(gate);
        let reply = soon(&stand.runtime, "the call", call.recv()).await.unwrap().unwrap();
        assert_eq!(*reply.body, *body(2).as_bytes());
        soon(&stand.runtime, "the close", client.finished()).await;
        assert_eq!(client.state(), CommunicationState::Closed);
        assert!(client.error().is_none(), "{:?}", client.error());
        client.close().await.unwrap();
        assert!(eventually(&stand.runtime, within, || stand.watch.sessions() == 0).await, "{}", binding.name());
        drop(client);
        stand.end().await;
    }
}

/// Many clients and a service that takes its time: callers wait, the service is not overrun, nothing is lost.
pub(crate) async fn a_slow_service<R: Runtime + Default>() {
    for binding in [plain(), secure(), secure().with_reliable_session(false).unwrap()] {
        slow::<R>(binding).await;
    }
}

async fn slow<R: Runtime + Default>(binding: Binding) {
    const CLIENTS: usize = 24;
    const EACH: usize = 16;
    let seen = Arc::new(Seen::default());
    let (gate, service) = gated(&seen);
    let mut options = ServerOptions::new(binding.clone());
    options.throttle.max_concurrent_calls = 4;
    options.throttle.max_concurrent_sessions = 30;
    // One shard has to do for all.
    options.security.max_pending_sessions = 20;
    let stand = Stand::<R, _>::start(options, &binding, service).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = stand.client().await;
        // Until then it only stands at the door, where few may stand.
        client.call("urn:echo", body("first")).await.unwrap();
        clients.push(client);
    }
    let filler = "x".repeat(8 * 1024);
    let before = resident(std::process::id());
    let calls: Vec<_> = (0..CLIENTS * EACH)
        .map(|number| {
            let client = clients.get(number % CLIENTS).unwrap().clone();
            let content = body(format_args!("{number} {filler}"));
            let sent = content.clone();
            (content, run(&stand.runtime, async move { client.call("urn:gated", sent).await }))
        })
        .collect();
    let throttled =
        || stand.watch.pressure(Throttle::Calls).used == 4 && clients.iter().all(|client| client.calls() == EACH);
    assert!(eventually(&stand.runtime, Duration::from_secs(5), throttled).await);
    crate::world::sleep(&stand.runtime, Duration::from_millis(700)).await;
    assert_eq!(seen.running.load(Ordering::SeqCst), 4, "no more run than may");
    let grown = resident(std::process::id()).zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
    println!("{}: {} calls wait, {grown} KiB more", binding.name(), CLIENTS * EACH);
    // 3 MiB of bodies wait; each is somewhere between the callers, the sockets and the service a few times.
    assert!(grown < 64 * 1024, "{grown} KiB");
    drop(gate);
    for (content, call) in calls {
        let reply = soon(&stand.runtime, "a call that waited", call.recv()).await.unwrap().unwrap();
        assert_eq!(*reply.body, *content.as_bytes());
    }
    assert_eq!(seen.ran.load(Ordering::SeqCst), CLIENTS * (1 + EACH), "nothing is lost, nothing runs twice");
    assert_eq!(seen.most.load(Ordering::SeqCst), 4);
    for client in clients {
        client.close().await.unwrap();
    }
    stand.end().await;
}

/// A reliable session whose service does not go on: its window is full, nothing more goes out, and all is delivered in order.
pub(crate) async fn a_full_window<R: Runtime + Default>() {
    const CALLS: usize = 30;
    let seen = Arc::new(Seen::default());
    let (gate, service) = gated(&seen);
    let binding = reliable();
    let stand = Stand::<R, _>::of(&binding, service).await;
    let client = stand.client().await;
    let calls: Vec<_> = (0..CALLS)
        .map(|number| {
            let client = client.clone();
            run(&stand.runtime, async move { client.call("urn:gated", body(number)).await })
        })
        .collect();
    assert!(eventually(&stand.runtime, Duration::from_secs(5), || client.calls() == CALLS).await);
    crate::world::sleep(&stand.runtime, Duration::from_millis(500)).await;
    assert_eq!(seen.ran.load(Ordering::SeqCst), 1, "one at a time");
    drop(gate);
    for call in calls {
        soon(&stand.runtime, "a call behind a window", call.recv()).await.unwrap().unwrap();
    }
    assert_eq!(seen.ran.load(Ordering::SeqCst), CALLS);
    client.close().await.unwrap();
    drop(client);
    stand.end().await;
}
