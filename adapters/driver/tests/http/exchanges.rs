//! Exchanges as they should be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use soap_session_core::soap::SoapVersion;
use soap_session_driver::Runtime;
use soap_session_driver::http::{ContentHeaders, HttpClient, HttpError, HttpResponse, Limits, SOAP12};

use crate::world::{Counted, LOCAL, Running, canned, run, sleep, text};

pub(crate) async fn a_message_goes_and_its_answer_comes<R: Runtime>(runtime: R) {
    let server = Running::echo(&runtime, Limits::default(), None).await;
    let client = server.client();
    let reply = client.exchange(&ContentHeaders::soap12(), "<s/>", 1000).await.unwrap();
    assert_eq!((reply.status, reply.content_type.as_deref()), (200, Some(SOAP12)));
    assert_eq!((reply.soap().unwrap(), text(&reply.body)), (Some(SoapVersion::Soap12), "1 /probe  <s/>"));

    let reply = client.exchange(&ContentHeaders::soap11("urn:a/b"), "<t/>", 1000).await.unwrap();
    assert_eq!((reply.status, reply.content_type.as_deref()), (200, Some("text/xml; charset=utf-8")));
    assert_eq!((reply.soap().unwrap(), text(&reply.body)), (Some(SoapVersion::Soap11), "1 /probe urn:a/b <t/>"));

    // SOAP 1.2 has its action in the content type, and whatever SOAPAction says is not it.
    let content_type = "application/soap+xml; charset=utf-8; action=\"urn:c;d\"".to_owned();
    let headers = ContentHeaders { content_type, soap_action: Some("urn:other".to_owned()) };
    let reply = client.exchange(&headers, "<u/>", 1000).await.unwrap();
    assert_eq!(text(&reply.body), "1 /probe urn:c;d <u/>");
    server.stop().await;
}

pub(crate) async fn statuses_pass_through_and_an_empty_answer_has_no_type<R: Runtime>(runtime: R) {
    let server = Running::start(&runtime, Limits::default(), None, |request| async move {
        match request.body.as_ref() {
            b"fault" => HttpResponse::fault(SOAP12, "<f/>"),
            b"none" => HttpResponse::accepted(),
            b"odd" => HttpResponse { status: 200, content_type: Some("a\nb".to_owned()), body: "x".into() },
            _ => HttpResponse { status: 99, content_type: None, body: "x".into() },
        }
    })
    .await;
    let client = server.client();
    let headers = ContentHeaders::soap12();
    let ask = |body: &'static str| client.exchange(&headers, body, 100);
    let fault = ask("fault").await.unwrap();
    assert_eq!((fault.status, fault.content_type.as_deref(), text(&fault.body)), (500, Some(SOAP12), "<f/>"));
    assert_eq!(fault.soap().unwrap(), Some(SoapVersion::Soap12));
    let none = ask("none").await.unwrap();
    assert_eq!((none.status, none.content_type.as_deref(), none.body.len()), (202, None, 0));
    assert_eq!(none.soap().unwrap(), None);
    // What HTTP cannot say is an internal error.
    for body in ["odd", "other"] {
        let failed = ask(body).await.unwrap();
        assert_eq!((failed.status, text(&failed.body)), (500, "The service answered what HTTP cannot say."), "{body}");
    }
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n";
    let raw = server.raw(&format!("{head}\r\nnone")).await.to_ascii_lowercase();
    assert!(raw.starts_with("http/1.1 202 ") && raw.contains("content-length: 0\r\n"), "{raw}");
    assert!(!raw.contains("content-type"), "{raw}");
    // .NET Framework asks before it sends.
    let raw = server.raw(&format!("{head}Expect: 100-continue\r\n\r\nnone")).await;
    assert!(raw.starts_with("HTTP/1.1 100 ") && raw.contains("HTTP/1.1 202 "), "{raw}");
}

pub(crate) async fn connections_are_reused_and_overlapping_exchanges_have_their_own<R: Runtime>(runtime: R) {
    let (arrived, arrivals) = async_channel::unbounded();
    let server = Running::start(&runtime, Limits::default(), None, move |request| {
        let arrived = arrived.clone();
        async move {
            let (answer, answered) = async_channel::bounded::<()>(1);
            arrived.send((request.connection, request.tls, answer)).await.unwrap();
            answered.recv().await.unwrap();
            HttpResponse::accepted()
        }
    })
    .await;
    let client = Arc::new(server.client());
    let start = || {
        let client = Arc::clone(&client);
        run(&runtime, async move { client.exchange(&ContentHeaders::soap12(), "a", 100).await.unwrap().status })
    };
    for _ in 0..3 {
        let exchange = start();
        let (connection, tls, answer) = arrivals.recv().await.unwrap();
        answer.send(()).await.unwrap();
        assert_eq!(exchange.recv().await.unwrap(), 202);
        assert_eq!((connection, tls), (1, false), "one after the other");
    }
    let (first, second) = (start(), start());
    let (one, two) = (arrivals.recv().await.unwrap(), arrivals.recv().await.unwrap());
    let mut numbers = [one.0, two.0];
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2], "at the same time");
    // Answered in the other order than asked.
    two.2.send(()).await.unwrap();
    one.2.send(()).await.unwrap();
    assert_eq!((first.recv().await.unwrap(), second.recv().await.unwrap()), (202, 202));
}

pub(crate) async fn a_connection_that_the_server_ends_is_not_used_again<R: Runtime>(runtime: R) {
    let answer = b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let client = canned(&runtime, 3, b"<s/>", answer).await;
    for _ in 0..3 {
        assert_eq!(client.exchange(&ContentHeaders::soap12(), "<s/>", 100).await.unwrap().status, 202);
    }
    // One that says nothing of it, but closes when nothing came for a while.
    let limits = Limits { head: Duration::from_millis(300), ..Limits::default() };
    let server = Running::echo(&runtime, limits, None).await;
    let client = server.client();
    for connection in 1..4 {
        let reply = client.exchange(&ContentHeaders::soap12(), "<s/>", 100).await.unwrap();
        assert_eq!(text(&reply.body), format!("{connection} /probe  <s/>"));
        sleep(&runtime, Duration::from_millis(600)).await;
    }
}

pub(crate) async fn what_is_allowed_though_unusual<R: Runtime>(runtime: R) {
    let limits = Limits { body: 8, path: Some("/calculator".to_owned()), ..Limits::default() };
    let server = Running::echo(&runtime, limits, None).await;
    for (name, head, body) in [
        ("a body of the limit's length", "Content-Length: 8", &b"12345678"[..]),
        ("chunks", "Transfer-Encoding: chunked", b"3\r\n123\r\n5;x=y\r\n45678\r\n0\r\n\r\n"),
        ("chunks with a trailer", "Transfer-Encoding: chunked", b"8\r\n12345678\r\n0\r\nX-Sum: 1\r\n\r\n"),
        ("identity", "Content-Encoding: identity\r\nContent-Length: 8", b"12345678"),
    ] {
        let mut request = format!(
            "POST /calculator?a=b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: text/xml\r\nSOAPAction: urn:bare\r\n{head}\r\n\r\n"
        )
        .into_bytes();
        request.extend(body);
        let answer = server.raw(&request).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{name}: {answer}");
        assert!(answer.ends_with(" /calculator urn:bare 12345678"), "{name}: {answer}");
    }
}

pub(crate) async fn no_more_connections_are_served_than_allowed<R: Runtime>(runtime: R) {
    let busy = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let counted = Arc::clone(&busy);
    let limits = Limits { connections: 2, ..Limits::default() };
    let clock = runtime.clone();
    let server = Running::start(&runtime, limits, None, move |_| {
        let (busy, clock) = (Arc::clone(&counted), clock.clone());
        async move {
            let now = busy.0.fetch_add(1, Ordering::SeqCst) + 1;
            busy.1.fetch_max(now, Ordering::SeqCst);
            sleep(&clock, Duration::from_millis(10)).await;
            busy.0.fetch_sub(1, Ordering::SeqCst);
            HttpResponse::accepted()
        }
    })
    .await;
    let exchanges: Vec<_> = (0..8)
        .map(|_| {
            // A client of its own, that frees its connection by being dropped.
            let client = server.client();
            run(&runtime, async move { client.exchange(&ContentHeaders::soap12(), "a", 100).await.unwrap().status })
        })
        .collect();
    for exchange in exchanges {
        assert_eq!(exchange.recv().await.unwrap(), 202);
    }
    assert_eq!(busy.1.load(Ordering::SeqCst), 2);
}

pub(crate) async fn giving_an_exchange_up_is_seen_by_the_server<R: Runtime>(runtime: Counted<R>) {
    struct Told(async_channel::Sender<&'static str>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.try_send("dropped");
        }
    }
    let (tell, told) = async_channel::unbounded();
    let server = Running::start(&runtime, Limits::default(), None, move |_| {
        let tell = tell.clone();
        async move {
            tell.send("arrived").await.unwrap();
            let _told = Told(tell);
            std::future::pending().await
        }
    })
    .await;
    let client = server.client();
    let headers = ContentHeaders::soap12();
    let exchange = async {
        let _ = client.exchange(&headers, "a", 100).await;
    };
    futures_lite::future::or(exchange, async { assert_eq!(told.recv().await, Ok("arrived")) }).await;
    assert_eq!(told.recv().await, Ok("dropped"));

    // A server that does not even read.
    let listener = runtime.listen(LOCAL).await.unwrap();
    let url = format!("http://{}/", runtime.local_addr(&listener).unwrap());
    let client = HttpClient::new(runtime.clone(), &url, None).unwrap();
    // The server's.
    let tasks = 1;
    while runtime.tasks() > tasks {
        sleep(&runtime, Duration::from_millis(1)).await;
    }
    let exchange = async {
        let _ = client.exchange(&headers, vec![b'a'; 20_000_000], 100).await;
    };
    let give_up = async {
        let stream = runtime.accept(&listener).await.unwrap();
        sleep(&runtime, Duration::from_millis(50)).await;
        assert_eq!(runtime.tasks(), tasks + 1);
        stream
    };
    let stream = futures_lite::future::or(
        async {
            exchange.await;
            panic!("it was answered")
        },
        give_up,
    )
    .await;
    while runtime.tasks() > tasks {
        sleep(&runtime, Duration::from_millis(1)).await;
    }
    drop(stream);
}

pub(crate) async fn what_cannot_be_sent_is_refused<R: Runtime>(runtime: R) {
    let client = |url: &str| HttpClient::new(runtime.clone(), url, None);
    for url in
        ["", "nonsense", "/probe", "ftp://a/", "http://", "http:///a", "http://u:p@a/", "http://a:99999/", "http://a:/"]
    {
        let refused = client(url);
        assert!(matches!(refused, Err(HttpError::BadUrl)), "{url}: {refused:?}");
    }
    assert!(matches!(client("https://a/"), Err(HttpError::TlsNotConfigured)));
    for url in ["http://a", "http://a:81/x?y", "http://[::1]/", "http://[::1]:81/"] {
        assert!(client(url).is_ok(), "{url}");
    }
    // A port that was free a moment ago.
    let address = runtime.local_addr(&runtime.listen(LOCAL).await.unwrap()).unwrap();
    let client = client(&format!("http://{address}/")).unwrap();
    let refused = client.exchange(&ContentHeaders::soap12(), "a", 1).await;
    assert!(matches!(refused, Err(HttpError::Connect(_))), "{refused:?}");
    for action in ["a\"b", "a\r\nb"] {
        let refused = client.exchange(&ContentHeaders::soap11(action), "a", 1).await;
        assert!(matches!(refused, Err(HttpError::BadHeader)), "{refused:?}");
    }
}
