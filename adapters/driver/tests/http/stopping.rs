//! The end of a server.

use std::sync::Arc;
use std::time::Duration;

use futures_lite::AsyncWriteExt;
use soap_session_driver::Runtime;
use soap_session_driver::http::{ContentHeaders, HttpError, HttpResponse, HttpServer, Limits};

use crate::world::{Counted, LOCAL, Running, run};

pub(crate) async fn stopping_finishes_open_exchanges<R: Runtime>(runtime: Counted<R>) {
    let (arrived, arrivals) = async_channel::unbounded();
    let server = Running::start(&runtime, Limits::default(), None, move |_| {
        let arrived = arrived.clone();
        async move {
            let (answer, answered) = async_channel::bounded::<()>(1);
            arrived.send(answer).await.unwrap();
            answered.recv().await.unwrap();
            HttpResponse::accepted()
        }
    })
    .await;
    let client = Arc::new(server.client());
    let in_task = Arc::clone(&client);
    let exchange = run(&runtime, async move { in_task.exchange(&ContentHeaders::soap12(), "a", 100).await });
    let idle = server.connect().await;
    let answer = arrivals.recv().await.unwrap();
    server.stop.send(()).await.unwrap();
    // Nobody else gets in: the socket is closed when it refuses.
    while runtime.connect("127.0.0.1", server.address.port()).await.is_ok() {
        futures_lite::future::yield_now().await;
    }
    answer.send(()).await.unwrap();
    assert_eq!(exchange.recv().await.unwrap().unwrap().status, 202);
    server.stopped.recv().await.unwrap();
    drop(idle);
    let refused = client.exchange(&ContentHeaders::soap12(), "a", 100).await;
    assert!(matches!(refused, Err(HttpError::Connect(_))), "{refused:?}");
}

pub(crate) async fn stopping_does_not_wait_for_ever<R: Runtime>(runtime: Counted<R>) {
    let (arrived, arrivals) = async_channel::unbounded();
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let server = HttpServer::bind(runtime.clone(), LOCAL, limits, None).await.unwrap();
    let port = server.local_addr().unwrap().port();
    // Clients that would have their connections open for ever: in a handler, in a body, in a head, before it.
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n\r\n";
    let mut clients = Vec::new();
    for octets in [&format!("{head}abcd"), &format!("{head}ab"), "POST / HT", ""] {
        let mut client = runtime.connect("127.0.0.1", port).await.unwrap();
        client.write_all(octets.as_bytes()).await.unwrap();
        clients.push(client);
    }
    let handler = move |_| {
        arrived.try_send(()).unwrap();
        std::future::pending()
    };
    // It runs in this task, so that all tasks there are at the end are those that it has left.
    let before = runtime.tasks();
    let shutdown = async { arrivals.recv().await.unwrap() };
    server.serve(handler, shutdown).await;
    // A task's place in the group is gone a moment before the task is.
    while runtime.tasks() > before {
        futures_lite::future::yield_now().await;
    }
    for client in clients {
        // Closed, or reset with what it had written and nobody had read.
        let mut octet = [0];
        let read = futures_lite::AsyncReadExt::read(&mut { client }, &mut octet).await;
        assert!(read.as_ref().is_ok_and(|read| *read == 0) || read.is_err(), "{read:?}");
    }
}

pub(crate) async fn a_server_that_is_dropped_ends_everything<R: Runtime>(runtime: Counted<R>) {
    let (arrived, arrivals) = async_channel::unbounded();
    let server = HttpServer::bind(runtime.clone(), LOCAL, Limits::default(), None).await.unwrap();
    let url = format!("http://{}/", server.local_addr().unwrap());
    let client = soap_session_driver::http::HttpClient::new(runtime.clone(), &url, None).unwrap();
    let exchange = run(&runtime, async move { client.exchange(&ContentHeaders::soap12(), "a", 100).await });
    let serve = server.serve(
        move |_| {
            arrived.try_send(()).unwrap();
            std::future::pending()
        },
        std::future::pending(),
    );
    futures_lite::future::or(serve, async { arrivals.recv().await.unwrap() }).await;
    assert!(matches!(exchange.recv().await.unwrap(), Err(HttpError::ClosedEarly)));
}
