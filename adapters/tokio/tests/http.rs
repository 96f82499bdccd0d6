//! The HTTP layer over loopback: our two ends against each other, and each against raw bytes.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use soap_session_tokio::http::{
    ContentHeaders, HttpClient, HttpError, HttpRequest, HttpResponse, HttpServer, Limits, SOAP12,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// No test may take longer.
async fn bounded<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), work).await.unwrap()
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start<H, F>(limits: Limits, handler: H) -> Self
    where
        H: Fn(HttpRequest) -> F + Send + Sync + 'static,
        F: Future<Output = HttpResponse> + Send + 'static,
    {
        let server = HttpServer::bind("127.0.0.1:0").await.unwrap().with_limits(limits);
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.serve(handler, async { stopped.await.unwrap_or(()) }));
        Self { address, stop, task }
    }

    /// A server that says what it got.
    async fn echo(limits: Limits) -> Self {
        Self::start(limits, |request| async move {
            let action = request.soap_action.unwrap_or_default();
            let said = format!("{} {} {action} ", request.peer.port(), request.path);
            HttpResponse::reply(request.content_type, [said.as_bytes(), &request.body].concat())
        })
        .await
    }

    fn client(&self) -> HttpClient {
        HttpClient::new(&format!("http://{}/probe?x=1", self.address)).unwrap()
    }

    /// Writes raw bytes and reads until the server closes.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// A server that reads until it has seen `until` and then writes `answer` and closes.
async fn canned(until: &'static [u8], answer: &'static [u8]) -> HttpClient {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = HttpClient::new(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(until) {
                seen.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer).await.unwrap();
        }
    });
    client
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

#[tokio::test]
async fn a_message_goes_and_its_answer_comes() {
    bounded(async {
        let server = Running::echo(Limits::default()).await;
        let client = server.client();
        let reply = client.exchange(&ContentHeaders::soap12(), "<s/>", 1000).await.unwrap();
        assert_eq!((reply.status, reply.content_type.as_deref()), (200, Some(SOAP12)));
        assert!(text(&reply.body).ends_with(" /probe  <s/>"), "{reply:?}");

        let reply = client.exchange(&ContentHeaders::soap11("urn:a/b"), "<t/>", 1000).await.unwrap();
        assert_eq!((reply.status, reply.content_type.as_deref()), (200, Some("text/xml; charset=utf-8")));
        assert!(text(&reply.body).ends_with(" /probe urn:a/b <t/>"), "{reply:?}");
    })
    .await;
}

#[tokio::test]
async fn statuses_pass_through_and_an_empty_answer_has_no_type() {
    bounded(async {
        let server = Running::start(Limits::default(), |request| async move {
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
        assert_eq!((fault.status, fault.content_type.as_deref(), &fault.body[..]), (500, Some(SOAP12), &b"<f/>"[..]));
        let none = ask("none").await.unwrap();
        assert_eq!((none.status, none.content_type, none.body.len()), (202, None, 0));
        // What HTTP cannot say is an internal error.
        for body in ["odd", "other"] {
            let failed = ask(body).await.unwrap();
            assert_eq!((failed.status, failed.content_type, failed.body.len()), (500, None, 0), "{body}");
        }
        let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n";
        let raw = server.raw(&format!("{head}\r\nnone")).await.to_ascii_lowercase();
        assert!(raw.starts_with("http/1.1 202 ") && raw.contains("content-length: 0\r\n"), "{raw}");
        assert!(!raw.contains("content-type"), "{raw}");
        // .NET Framework asks before it sends.
        let raw = server.raw(&format!("{head}Expect: 100-continue\r\n\r\nnone")).await;
        assert!(raw.starts_with("HTTP/1.1 100 ") && raw.contains("HTTP/1.1 202 "), "{raw}");
    })
    .await;
}

#[tokio::test]
async fn connections_are_reused_and_overlapping_exchanges_have_their_own() {
    bounded(async {
        let (arrived, mut arrivals) = mpsc::unbounded_channel();
        let server = Running::start(Limits::default(), move |request| {
            let arrived = arrived.clone();
            async move {
                let (answer, answered) = oneshot::channel::<()>();
                arrived.send((request.peer.port(), answer)).unwrap();
                answered.await.unwrap();
                HttpResponse::accepted()
            }
        })
        .await;
        let client = Arc::new(server.client());
        let start = || {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.exchange(&ContentHeaders::soap12(), "a", 100).await.unwrap().status })
        };
        let mut ports = Vec::new();
        for _ in 0..3 {
            let exchange = start();
            let (port, answer) = arrivals.recv().await.unwrap();
            answer.send(()).unwrap();
            assert_eq!(exchange.await.unwrap(), 202);
            ports.push(port);
        }
        assert!(ports.iter().all(|port| *port == ports[0]), "one after the other: {ports:?}");

        let (first, second) = (start(), start());
        let (one, two) = (arrivals.recv().await.unwrap(), arrivals.recv().await.unwrap());
        assert_ne!(one.0, two.0, "at the same time");
        // Answered in the other order than asked.
        two.1.send(()).unwrap();
        one.1.send(()).unwrap();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (202, 202));
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_not_used_again() {
    bounded(async {
        let answer = b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let client = canned(b"<s/>", answer).await;
        for _ in 0..3 {
            assert_eq!(client.exchange(&ContentHeaders::soap12(), "<s/>", 100).await.unwrap().status, 202);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_soap_request_is_refused_before_the_handler() {
    bounded(async {
        let limits = Limits { body: 8, ..Limits::default() };
        let server = Running::start(limits, |_| async { HttpResponse::accepted() }).await;
        let soap = "Content-Type: application/soap+xml; charset=utf-8\r\n";
        for (request, status) in [
            (format!("POST / HTTP/1.1\r\n{soap}Content-Length: 8\r\n\r\n12345678"), 202),
            (format!("POST / HTTP/1.1\r\n{soap}Content-Length: 9\r\n\r\n123456789"), 413),
            (format!("POST / HTTP/1.1\r\n{soap}Content-Length: 99999999999\r\n\r\n"), 413),
            (format!("POST / HTTP/1.1\r\n{soap}Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n0\r\n\r\n"), 202),
            (
                format!(
                    "POST / HTTP/1.1\r\n{soap}Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n3\r\n789\r\n0\r\n\r\n"
                ),
                413,
            ),
            (format!("POST / HTTP/1.1\r\n{soap}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 400),
            (format!("GET / HTTP/1.1\r\n{soap}\r\n"), 405),
            ("GET /?wsdl HTTP/1.1\r\n\r\n".to_owned(), 405),
            (format!("PUT / HTTP/1.1\r\n{soap}Content-Length: 1\r\n\r\na"), 405),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na".to_owned(), 415),
            ("POST / HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\na".to_owned(), 415),
            ("POST / HTTP/1.1\r\nContent-Type: text/xml; charset=utf-16\r\nContent-Length: 1\r\n\r\na".to_owned(), 415),
            (format!("POST / HTTP/1.1\r\n{soap}{soap}Content-Length: 1\r\n\r\na"), 415),
            (format!("POST / HTTP/1.1\r\n{soap}Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na"), 415),
            ("nonsense\r\n\r\n".to_owned(), 400),
        ] {
            let closing = request.replacen("HTTP/1.1\r\n", "HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", 1);
            let answer = server.raw(&closing).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{answer}");
            assert_eq!(answer.to_ascii_lowercase().contains("allow: post\r\n"), status == 405, "{answer}");
        }
        // Which 4xx a length that no body can have gets is hyper's choice.
        let absurd = format!("POST / HTTP/1.1\r\nHost: a\r\n{soap}Content-Length: 18446744073709551615\r\n\r\n");
        let answer = server.raw(&absurd).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn a_slow_client_is_not_waited_for_but_a_slow_handler_is() {
    bounded(async {
        let short = Duration::from_millis(150);
        let limits = Limits { head: short, body_time: short, ..Limits::default() };
        let server = Running::start(limits, move |_| async move {
            tokio::time::sleep(short * 3).await;
            HttpResponse::accepted()
        })
        .await;
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n";
        // Half a head; then a head and half a body.
        let answer = server.raw(head).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
        let answer = server.raw(&format!("{head}\r\nab")).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        // Afterwards the idle connection is closed too, or this would not return.
        let answer = server.raw(&format!("{head}\r\nabcd")).await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn no_more_connections_are_served_than_allowed() {
    bounded(async {
        let busy = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let counted = Arc::clone(&busy);
        let limits = Limits { connections: 2, ..Limits::default() };
        let server = Running::start(limits, move |_| {
            let busy = Arc::clone(&counted);
            async move {
                let now = busy.0.fetch_add(1, Ordering::SeqCst) + 1;
                busy.1.fetch_max(now, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(10)).await;
                busy.0.fetch_sub(1, Ordering::SeqCst);
                HttpResponse::accepted()
            }
        })
        .await;
        let exchanges: Vec<_> = (0..8)
            .map(|_| {
                // A client of its own, that frees its connection by being dropped.
                let client = server.client();
                tokio::spawn(async move { client.exchange(&ContentHeaders::soap12(), "a", 100).await.unwrap().status })
            })
            .collect();
        for exchange in exchanges {
            assert_eq!(exchange.await.unwrap(), 202);
        }
        assert!(busy.1.load(Ordering::SeqCst) <= 2);
    })
    .await;
}

#[tokio::test]
async fn stopping_finishes_open_exchanges() {
    bounded(async {
        let (arrived, mut arrivals) = mpsc::unbounded_channel();
        let server = Running::start(Limits::default(), move |_| {
            let arrived = arrived.clone();
            async move {
                let (answer, answered) = oneshot::channel::<()>();
                arrived.send(answer).unwrap();
                answered.await.unwrap();
                HttpResponse::accepted()
            }
        })
        .await;
        let client = Arc::new(server.client());
        let in_task = Arc::clone(&client);
        let exchange = tokio::spawn(async move { in_task.exchange(&ContentHeaders::soap12(), "a", 100).await });
        let idle = TcpStream::connect(server.address).await.unwrap();
        let answer = arrivals.recv().await.unwrap();
        server.stop.send(()).unwrap();
        // Nobody else gets in: the socket is closed when it refuses.
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        answer.send(()).unwrap();
        assert_eq!(exchange.await.unwrap().unwrap().status, 202);
        server.task.await.unwrap();
        drop(idle);
        let refused = client.exchange(&ContentHeaders::soap12(), "a", 100).await;
        assert!(matches!(refused, Err(HttpError::Connect(_))), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    bounded(async {
        let (arrived, mut arrivals) = mpsc::unbounded_channel();
        let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
        let server = Running::start(limits, move |_| {
            arrived.send(()).unwrap();
            std::future::pending()
        })
        .await;
        let client = server.client();
        let exchange = tokio::spawn(async move { client.exchange(&ContentHeaders::soap12(), "a", 100).await });
        arrivals.recv().await.unwrap();
        server.stop.send(()).unwrap();
        server.task.await.unwrap();
        assert!(matches!(exchange.await.unwrap(), Err(HttpError::ClosedEarly)));
    })
    .await;
}

#[tokio::test]
async fn giving_an_exchange_up_is_seen_by_the_server() {
    bounded(async {
        struct Told(mpsc::UnboundedSender<&'static str>);
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.send("dropped");
            }
        }
        let (tell, mut told) = mpsc::unbounded_channel();
        let server = Running::start(Limits::default(), move |_| {
            let tell = tell.clone();
            async move {
                tell.send("arrived").unwrap();
                let _told = Told(tell);
                std::future::pending().await
            }
        })
        .await;
        let client = server.client();
        let exchange = tokio::spawn(async move { client.exchange(&ContentHeaders::soap12(), "a", 100).await });
        assert_eq!(told.recv().await, Some("arrived"));
        exchange.abort();
        assert_eq!(told.recv().await, Some("dropped"));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_misbehaves_is_a_typed_error() {
    bounded(async {
        let ask = |answer: &'static [u8]| async move {
            canned(b"<s/>", answer).await.exchange(&ContentHeaders::soap12(), "<s/>", 8).await
        };
        for early in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\nContent-",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ] {
            let answer = ask(early).await;
            assert!(matches!(answer, Err(HttpError::ClosedEarly)), "{answer:?}");
        }
        for long in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n3\r\n789\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n123456789",
        ] {
            let answer = ask(long).await;
            assert!(matches!(answer, Err(HttpError::BodyTooLarge { limit: 8 })), "{answer:?}");
        }
        let enough = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678").await.unwrap();
        assert_eq!((&enough.body[..], enough.content_type), (&b"12345678"[..], None));
        let no_http = ask(b"220 mail.example ESMTP\r\n\r\n").await;
        assert!(matches!(no_http, Err(HttpError::Protocol(_))), "{no_http:?}");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused() {
    bounded(async {
        for url in [
            "",
            "nonsense",
            "/probe",
            "ftp://a/",
            "http://",
            "http:///a",
            "http://u:p@a/",
            "http://a:99999/",
            "http://a:/",
        ] {
            let refused = HttpClient::new(url);
            assert!(matches!(refused, Err(HttpError::BadUrl)), "{url}: {refused:?}");
        }
        assert!(matches!(HttpClient::new("https://a/"), Err(HttpError::HttpsNotSupported)));
        for url in ["http://a", "http://a:81/x?y", "http://[::1]/", "http://[::1]:81/"] {
            assert!(HttpClient::new(url).is_ok(), "{url}");
        }
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let client = HttpClient::new(&format!("http://{address}/")).unwrap();
        let refused = client.exchange(&ContentHeaders::soap12(), "a", 1).await;
        assert!(matches!(refused, Err(HttpError::Connect(_))), "{refused:?}");
        for action in ["a\"b", "a\r\nb"] {
            let refused = client.exchange(&ContentHeaders::soap11(action), "a", 1).await;
            assert!(matches!(refused, Err(HttpError::BadHeader)), "{refused:?}");
        }
    })
    .await;
}
