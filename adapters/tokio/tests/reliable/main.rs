//! Reliable sessions over loopback HTTP, with and without secure conversations.

mod world;

use soap_session_core::reliable::{
    ReliableSettings, RmFaultKind, RmVersion, SendRefused, SessionError, SessionPhase, Shape,
};
use soap_session_core::secure::{Binding, Bootstrap};
use soap_session_core::time::Duration;
use soap_session_tokio::ReliableError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use world::{World, losing_way, settings};

fn bindings() -> [Option<Binding>; 3] {
    [
        None,
        Some(Binding::ws_http(Bootstrap::AnonymousForCertificate)),
        Some(Binding::ws2007_http(Bootstrap::UserNameForCertificate)),
    ]
}

fn body(n: u32) -> String {
    format!("<n xmlns=\"urn:n\">{n}</n>")
}

fn bodies(count: u32) -> Vec<String> {
    (0..count).map(body).collect()
}

/// Lets tasks run until it is so.
async fn until(so: impl Fn() -> bool) {
    tokio::time::timeout(Duration::from_secs(20), async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn requests_are_answered_in_order_in_both_versions_secured_or_not() {
    for version in RmVersion::ALL {
        for binding in bindings() {
            let world = World::start(Shape::RequestReply, settings(version), binding).await;
            let client = world.client();
            on!(&client, client => {
                client.open().await.unwrap();
                assert!(client.identifier().unwrap().starts_with("urn:uuid:"));
                for n in 0..5 {
                    let reply = client.call("urn:n/Ask", body(n).as_bytes()).await.unwrap();
                    assert_eq!((reply.status, reply.action.as_str()), (200, "urn:n/AskResponse"));
                    assert_eq!(reply.body, body(n).as_bytes());
                }
                let fault = client.call("urn:n/Fault", body(5).as_bytes()).await.unwrap();
                assert_eq!(fault.status, 500);
                client.notify("urn:n/Tell", body(6).as_bytes()).await.unwrap();
                client.close().await.unwrap();
                assert_eq!(client.phase(), SessionPhase::Closed);
                let late = client.call("urn:n/Ask", b"<n/>").await.unwrap_err();
                assert!(matches!(late, ReliableError::Refused(SendRefused::Phase(SessionPhase::Closed))), "{late}");
                client.close().await.unwrap();
            });
            assert_eq!(world.seen.heard(), bodies(7));
            until(|| world.seen.closed.lock().unwrap().len() == 1).await;
            world.stop().await;
        }
    }
}

#[tokio::test]
async fn messages_go_one_way_in_both_versions_secured_or_not() {
    for version in RmVersion::ALL {
        for binding in bindings() {
            let world = World::start(Shape::OneWay, settings(version), binding).await;
            let client = world.client();
            on!(&client, client => {
                client.open().await.unwrap();
                for n in 0..12 {
                    client.notify("urn:n/Tell", body(n).as_bytes()).await.unwrap();
                }
                assert!(matches!(client.call("urn:n/Ask", b"<n/>").await, Err(ReliableError::NoReply)));
                client.close().await.unwrap();
            });
            until(|| world.seen.closed.lock().unwrap().len() == 1).await;
            assert_eq!(world.seen.heard(), bodies(12));
            world.stop().await;
        }
    }
}

#[tokio::test]
async fn calls_overlap_and_each_gets_its_own_reply() {
    for binding in bindings() {
        let world = World::start(Shape::RequestReply, settings(RmVersion::V11), binding).await;
        let client = Arc::new(world.client());
        on!(&*client, client => client.open().await.unwrap());
        let callers: Vec<_> = (0..6)
            .map(|caller| {
                let client = Arc::clone(&client);
                tokio::spawn(async move {
                    for n in 0..10 {
                        let body = body(caller * 10 + n);
                        let reply = on!(&*client, client => client.call("urn:n/Ask", body.as_bytes()).await.unwrap());
                        assert_eq!(reply.body, body.as_bytes());
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        on!(&*client, client => client.close().await.unwrap());
        let mut heard = world.seen.heard();
        heard.sort();
        heard.dedup();
        assert_eq!(heard.len(), 60);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_slow_handler_holds_back_more_callers_than_there_is_room_for() {
    let world = World::start(Shape::RequestReply, settings(RmVersion::V11), None).await;
    let client = Arc::new(world.client());
    on!(&*client, client => client.open().await.unwrap());
    let callers: Vec<_> = (0..40)
        .map(|n| {
            let client = Arc::clone(&client);
            tokio::spawn(async move {
                on!(&*client, client => client.call("urn:n/Slow", body(n).as_bytes()).await.unwrap())
            })
        })
        .collect();
    // One after the other: nothing is heard before the one in front is let go.
    for let_go in 0..40 {
        until(|| world.seen.heard().len() == let_go).await;
        world.gate.add_permits(1);
    }
    for (n, caller) in callers.into_iter().enumerate() {
        assert_eq!(caller.await.unwrap().body, body(n as u32).as_bytes());
    }
    on!(&*client, client => client.close().await.unwrap());
    // Who came first was first.
    assert_eq!(world.seen.heard(), bodies(40));
    world.stop().await;
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_wedges_nothing() {
    let world = World::start(Shape::RequestReply, settings(RmVersion::V11), None).await;
    let client = Arc::new(world.client());
    on!(&*client, client => client.open().await.unwrap());
    let callers: Vec<_> = (0..20)
        .map(|n| {
            let client = Arc::clone(&client);
            tokio::spawn(async move {
                on!(&*client, client => client.call("urn:n/Slow", body(n).as_bytes()).await.map(|_| ()))
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    for caller in callers {
        caller.abort();
        let _ = caller.await;
    }
    world.gate.add_permits(100);
    let reply = on!(&*client, client => client.call("urn:n/Ask", b"<a/>").await.unwrap());
    assert_eq!(reply.body, b"<a/>");
    on!(&*client, client => client.close().await.unwrap());
    // Those that had a place are delivered all the same, in order; those that had none are not.
    let heard = world.seen.heard();
    assert!(heard.len() < 20, "{heard:?}");
    assert_eq!(heard[..heard.len() - 1], bodies(heard.len() as u32 - 1));
    world.stop().await;
}

#[tokio::test]
async fn each_message_is_heard_once_on_a_wire_that_loses() {
    for (shape, version) in [
        (Shape::RequestReply, RmVersion::V11),
        (Shape::RequestReply, RmVersion::February2005),
        (Shape::OneWay, RmVersion::V11),
        (Shape::OneWay, RmVersion::February2005),
    ] {
        let world = World::start(shape, settings(version), None).await;
        // Not the first exchange: how long it takes to open is the first guess of the round trip.
        let noise = |n: usize| {
            let noise = (n as u32 + 1).wrapping_mul(2_654_435_761).rotate_left(15).wrapping_mul(2_246_822_519);
            n > 1 && noise >> 16 < 65_536 / 6
        };
        let client = Arc::new(world.client_of(losing_way(world.address, noise).await));
        on!(&*client, client => client.open().await.unwrap());
        let callers: Vec<_> = (0..3)
            .map(|caller| {
                let client = Arc::clone(&client);
                tokio::spawn(async move {
                    for n in 0..4 {
                        let body = body(caller * 4 + n);
                        on!(&*client, client => if shape == Shape::OneWay {
                            client.notify("urn:n/Tell", body.as_bytes()).await.unwrap();
                        } else {
                            let reply = client.call("urn:n/Ask", body.as_bytes()).await.unwrap();
                            assert_eq!(reply.body, body.as_bytes());
                        });
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        on!(&*client, client => {
            assert!(client.retransmissions() > 0);
            client.close().await.unwrap();
        });
        until(|| world.seen.closed.lock().unwrap().len() == 1).await;
        let mut heard = world.seen.heard();
        heard.sort_by_key(|body| (body.len(), body.clone()));
        assert_eq!(heard, bodies(12), "{shape:?} {version:?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_service_that_is_gone_is_told_within_the_limits() {
    for binding in bindings() {
        let settings =
            ReliableSettings { max_retry_count: 1, send_timeout: Duration::from_secs(3), ..settings(RmVersion::V11) };
        let world = World::start(Shape::RequestReply, settings, binding).await;
        let client = world.client();
        on!(&client, client => {
            client.open().await.unwrap();
            client.call("urn:n/Ask", b"<a/>").await.unwrap();
        });
        world.vanish().await;
        on!(&client, client => {
            let error = client.call("urn:n/Ask", b"<b/>").await.unwrap_err();
            let ReliableError::Ended { error, exchange } = error else { panic!("{error}") };
            assert!(
                matches!(error, SessionError::RetriesExhausted { number: 2, limit: 1 } | SessionError::ReplyTimeout { number: 2, .. }),
                "{error}"
            );
            assert!(exchange.is_some());
            assert_eq!(client.phase(), SessionPhase::Faulted);
            let again = client.close().await.unwrap_err();
            assert!(matches!(again, ReliableError::Ended { error: same, .. } if same == error), "{again}");
        });
    }
}

#[tokio::test]
async fn a_reply_that_never_comes_ends_the_session_by_the_send_timeout() {
    let settings = ReliableSettings { send_timeout: Duration::from_millis(300), ..settings(RmVersion::V11) };
    let world = World::start(Shape::RequestReply, settings, None).await;
    let client = world.client();
    on!(&client, client => {
        client.open().await.unwrap();
        // The one in front is not answered; the one behind has no room and comes back, or ends with the session.
        let (first, second) =
            tokio::join!(client.call("urn:n/Slow", b"<a/>"), client.call("urn:n/Ask", b"<b/>"));
        let first = first.unwrap_err();
        assert!(
            matches!(first, ReliableError::Ended { error: SessionError::ReplyTimeout { number: 1, .. }, .. }),
            "{first}"
        );
        assert!(matches!(second, Err(ReliableError::Ended { .. } | ReliableError::TimedOut)), "{second:?}");
    });
    // The service was told.
    until(|| world.seen.closed.lock().unwrap().len() == 1).await;
    world.gate.add_permits(1);
    world.stop().await;
}

#[tokio::test]
async fn nobody_there_is_told_when_opening() {
    for binding in bindings() {
        let settings = ReliableSettings { open_timeout: Duration::from_millis(700), ..settings(RmVersion::V11) };
        let world = World::start(Shape::RequestReply, settings, binding).await;
        let client = world.client();
        world.vanish().await;
        let error = on!(&client, client => client.open().await.unwrap_err());
        let told = matches!(
            error,
            ReliableError::Ended { error: SessionError::OpenTimeout { .. }, exchange: Some(_) }
                | ReliableError::Conversation { .. }
        );
        assert!(told, "{error}");
    }
}

#[tokio::test]
async fn an_aborted_session_tells_both_sides() {
    for binding in bindings() {
        let world = World::start(Shape::RequestReply, settings(RmVersion::V11), binding).await;
        let client = Arc::new(world.client());
        on!(&*client, client => client.open().await.unwrap());
        let caller = Arc::clone(&client);
        let calling = tokio::spawn(async move { on!(&*caller, client => client.call("urn:n/Slow", b"<a/>").await) });
        tokio::time::sleep(Duration::from_millis(50)).await;
        on!(&*client, client => client.abort());
        let error = calling.await.unwrap().unwrap_err();
        assert!(matches!(error, ReliableError::Ended { error: SessionError::Aborted, .. }), "{error}");
        until(|| world.seen.closed.lock().unwrap().len() == 1).await;
        world.gate.add_permits(1);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_dropped_client_leaves_no_session_behind() {
    let world = World::start(Shape::OneWay, settings(RmVersion::February2005), None).await;
    let client = world.client();
    on!(&client, client => client.open().await.unwrap());
    drop(client);
    until(|| world.seen.closed.lock().unwrap().len() == 1).await;
    world.stop().await;
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_session_and_no_other() {
    let world = World::start(Shape::RequestReply, settings(RmVersion::V11), None).await;
    let (one, other) = (world.client(), world.client());
    on!(&one, client => client.open().await.unwrap());
    on!(&other, client => client.open().await.unwrap());
    let error = on!(&one, client => client.call("urn:n/Panic", b"<a/>").await.unwrap_err());
    let ReliableError::Ended { error: SessionError::Remote { kind, .. }, .. } = error else { panic!("{error}") };
    assert_eq!(kind, Some(RmFaultKind::SequenceTerminated));
    on!(&other, client => client.call("urn:n/Ask", b"<a/>").await.unwrap());
    on!(&other, client => client.close().await.unwrap());
    world.stop().await;
}

#[tokio::test]
async fn stopping_lets_a_session_end_and_takes_no_other() {
    let world = World::start(Shape::RequestReply, settings(RmVersion::V11), None).await;
    let (client, late) = (world.client(), world.client());
    on!(&client, client => client.open().await.unwrap());
    let stopped = Arc::new(AtomicBool::new(false));
    let (seen, note) = (Arc::clone(&world.seen), Arc::clone(&stopped));
    let stopping = tokio::spawn(async move {
        world.stop().await;
        note.store(true, Ordering::SeqCst);
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let error = on!(&late, client => client.open().await.unwrap_err());
    assert!(matches!(error, ReliableError::Ended { error: SessionError::Remote { .. }, .. }), "{error}");
    on!(&client, client => client.call("urn:n/Ask", b"<a/>").await.unwrap());
    assert!(!stopped.load(Ordering::SeqCst));
    on!(&client, client => client.close().await.unwrap());
    stopping.await.unwrap();
    assert_eq!(seen.closed.lock().unwrap().len(), 1);
}
