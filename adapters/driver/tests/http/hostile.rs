//! What clients should not do, and what they are answered. After each, others are served as before.

use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use soap_session_core::soap::SoapVersion;
use soap_session_driver::Runtime;
use soap_session_driver::http::{HttpResponse, Limits, MAX_HEAD};
use std::io::Write as _;

use crate::world::{Counted, Running, read_all, sleep};

const SOAP: &str = "Content-Type: application/soap+xml; charset=utf-8\r\n";

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A head, a body, and the answer: its status and its text.
struct Row(&'static str, String, Vec<u8>, u16, String);

fn post(headers: &str) -> String {
    format!("POST /calculator HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n")
}

fn sized(headers: &str, body: &[u8]) -> String {
    post(&format!("{headers}Content-Length: {}\r\n", body.len()))
}

const NOT_HTTP: &str = "This is not HTTP/1.1.";
const BAD_BODY: &str = "The message is cut short, or not chunked as it should be.";
const POST_ONLY: &str = "SOAP messages are sent by POST.";
const ONE_TYPE: &str = "One Content-Type is needed.";

fn not_expected(content_type: &str) -> String {
    format!(
        "Cannot process the message because the content type '{content_type}' was not the expected type 'application/soap+xml; charset=utf-8'."
    )
}

/// Of a server that takes SOAP 1.2 messages of up to 64 octets at `/calculator`.
fn table() -> Vec<Row> {
    let body = b"<s/>".to_vec();
    let (long, longer) = (vec![b'a'; 65], vec![b'a'; 800_000]);
    let row =
        |name, head: String, body: &[u8], status, text: &str| Row(name, head, body.to_vec(), status, text.to_owned());
    let typed = |content_type: &str| sized(&format!("Content-Type: {content_type}\r\n"), &body);
    let encoded = |encoding: &str, body: &[u8]| sized(&format!("{SOAP}Content-Encoding: {encoding}\r\n"), body);
    let chunked = || post(&format!("{SOAP}Transfer-Encoding: chunked\r\n"));
    let bomb = gzip(&vec![b'a'; 40_000]);
    let short_bomb = zlib(&vec![b'a'; 4000]);
    assert!(bomb.len() > 64 && short_bomb.len() < 64);
    let (zip, cut) = (gzip(&body), gzip(&body)[..15].to_vec());
    let mut wrong_sum = zip.clone();
    wrong_sum[zip.len() - 5] ^= 1;
    let trailing = [zlib(&body), b"more".to_vec()].concat();
    let unknown = "Cannot read the message: the content encoding is none of gzip, deflate.";
    let damaged = "Cannot read the message: the body is not compressed as its content encoding says.";
    let too_long = "Cannot read the message: the body is longer than the 64 octets allowed once it is decompressed.";
    vec![
        row("garbage", String::new(), b"\x00\x01\x02\x03garbage\r\n\r\n", 400, NOT_HTTP),
        row("another protocol", String::new(), b"EHLO example.org\r\n\r\n", 400, NOT_HTTP),
        row("HTTP/2", String::new(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, NOT_HTTP),
        row("TLS on a plain port", String::new(), b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 400, NOT_HTTP),
        row("a header without a colon", "POST / HTTP/1.1\r\nnonsense\r\n\r\n".to_owned(), b"", 400, NOT_HTTP),
        row(
            "a head that is too long",
            post(&format!("X: {}\r\n", "a".repeat(2 * MAX_HEAD))),
            b"",
            431,
            "The head of the request is longer than 65536 octets.",
        ),
        row(
            "a target that is too long",
            format!("POST /{} HTTP/1.1\r\n\r\n", "a".repeat(65_534)),
            b"",
            431,
            "The head of the request is longer than 65536 octets.",
        ),
        row("two lengths", post(&format!("{SOAP}Content-Length: 4\r\nContent-Length: 5\r\n")), b"<s/>a", 400, NOT_HTTP),
        row("a length that is none", post(&format!("{SOAP}Content-Length: four\r\n")), b"<s/>", 400, NOT_HTTP),
        row("a negative length", post(&format!("{SOAP}Content-Length: -4\r\n")), b"<s/>", 400, NOT_HTTP),
        row(
            "another path",
            format!("POST /other HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{SOAP}Content-Length: 4\r\n\r\n"),
            &body,
            404,
            "There is no service here; it is at '/calculator'.",
        ),
        row("GET", post("").replacen("POST", "GET", 1), b"", 405, POST_ONLY),
        row(
            "GET of the description",
            "GET /calculator?wsdl HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
            b"",
            405,
            POST_ONLY,
        ),
        row("PUT", sized(SOAP, &body).replacen("POST", "PUT", 1), &body, 405, POST_ONLY),
        row("no content type", sized("", &body), &body, 415, ONE_TYPE),
        row("two content types", sized(&format!("{SOAP}{SOAP}"), &body), &body, 415, ONE_TYPE),
        row("HTML", typed("text/html"), &body, 415, &not_expected("text/html")),
        row(
            "SOAP of the other version",
            typed("text/xml; charset=utf-8"),
            &body,
            415,
            &not_expected("text/xml; charset=utf-8"),
        ),
        row(
            "UTF-16",
            typed("application/soap+xml; charset=utf-16"),
            &body,
            415,
            &not_expected("application/soap+xml; charset=utf-16"),
        ),
        row("binary XML", typed("application/soap+msbin1"), &body, 415, &not_expected("application/soap+msbin1")),
        row(
            "a body that announces too much",
            sized(SOAP, &long),
            &long,
            413,
            "The message has 65 octets; at most 64 are taken.",
        ),
        // Closed at once with all of that unread, the connection would be reset before the client sees why.
        row(
            "a body that announces too much, and comes",
            sized(SOAP, &longer),
            &longer,
            413,
            "The message has 800000 octets; at most 64 are taken.",
        ),
        row(
            "a body that announces very much",
            post(&format!("{SOAP}Content-Length: 99999999999\r\n")),
            b"",
            413,
            "The message has 99999999999 octets; at most 64 are taken.",
        ),
        row(
            "very much, if we want it",
            post(&format!("{SOAP}Content-Length: 99999999999\r\nExpect: 100-continue\r\n")),
            b"",
            413,
            "The message has 99999999999 octets; at most 64 are taken.",
        ),
        row(
            "chunks that are too much",
            chunked(),
            &[b"28\r\n".to_vec(), vec![b'a'; 40], b"\r\n28\r\n".to_vec(), vec![b'a'; 40], b"\r\n0\r\n\r\n".to_vec()]
                .concat(),
            413,
            "The message is longer than the 64 octets taken.",
        ),
        row(
            "a chunk that never ends",
            chunked(),
            b"ffffffffffff\r\naaaa",
            408,
            "The message was not here within 500 ms.",
        ),
        row("chunks that are none", chunked(), b"zz\r\n", 400, BAD_BODY),
        row("half a body", sized(SOAP, &body), b"<s", 408, "The message was not here within 500 ms."),
        row("an unknown encoding", encoded("br", &body), &body, 415, unknown),
        row("an encoding in another", encoded("gzip, gzip", &body), &body, 415, unknown),
        row(
            "a body that is not compressed",
            encoded("gzip", &body),
            &body,
            400,
            "Cannot read the message: the compressed body is cut short.",
        ),
        row("damaged gzip", encoded("gzip", &wrong_sum), &wrong_sum, 400, damaged),
        row(
            "truncated gzip",
            encoded("gzip", &cut),
            &cut,
            400,
            "Cannot read the message: the compressed body is cut short.",
        ),
        row("zlib and something behind", encoded("deflate", &trailing), &trailing, 400, damaged),
        row(
            "a bomb that is itself too long",
            encoded("gzip", &bomb),
            &bomb,
            413,
            &format!("The message has {} octets; at most 64 are taken.", bomb.len()),
        ),
        row("a bomb", encoded("deflate", &short_bomb), &short_bomb, 413, too_long),
    ]
}

pub(crate) async fn hostile_requests<R: Runtime>(runtime: R) {
    let limits = Limits {
        body: 64,
        head: Duration::from_millis(500),
        body_time: Duration::from_millis(500),
        path: Some("/calculator".to_owned()),
        expected: Some(SoapVersion::Soap12),
        ..Limits::default()
    };
    let server = Running::start(&runtime, limits, None, |_| async { HttpResponse::accepted() }).await;
    for Row(name, head, body, status, text) in table() {
        let answer = server.raw([head.as_bytes(), &body].concat()).await;
        let (head, said) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{name}: {answer:?}"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        assert_eq!(said, text, "{name}");
        let head = format!("{}\r\n", head.to_ascii_lowercase());
        assert!(head.contains("content-type: text/plain; charset=utf-8\r\n"), "{name}: {head}");
        assert_eq!(head.contains("allow: post\r\n"), status == 405, "{name}: {head}");
        // WCF's clients show the reason and not the body.
        assert_eq!(head.contains("cannot process the message"), said.starts_with("Cannot process"), "{name}: {head}");
        let good = server.raw([sized(SOAP, b"<s/>").as_bytes(), b"<s/>"].concat()).await;
        assert!(good.starts_with("HTTP/1.1 202 "), "after {name}: {good}");
    }
    server.stop().await;
}

pub(crate) async fn slow_requests<R: Runtime>(runtime: R) {
    let short = Duration::from_millis(200);
    let limits = Limits { head: short, body_time: short, ..Limits::default() };
    let clock = runtime.clone();
    let server = Running::start(&runtime, limits, None, move |request| {
        let clock = clock.clone();
        async move {
            if request.body == "slow" {
                sleep(&clock, short * 3).await;
            }
            HttpResponse::reply("text/xml", "")
        }
    })
    .await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n";
    let late = "The head of the request was not here within 200 ms.";

    let answer = server.raw(head).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with(late), "half a head: {answer}");
    server.still_serves("half a head").await;

    let answer = server.raw("").await;
    assert_eq!(answer, "", "nothing at all");

    // Octet by octet, each well within the limit.
    let mut stream = server.connect().await;
    let mut written = 0;
    for octet in head.bytes().cycle() {
        if stream.write_all(&[octet]).await.is_err() || runtime_is_late(&runtime, &mut stream).await {
            break;
        }
        written += 1;
    }
    assert!(written < 400, "{written} octets in 200 ms");
    server.still_serves("slow loris").await;

    let answer = server.raw(&format!("{head}\r\nab")).await;
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("The message was not here within 200 ms."),
        "{answer}"
    );
    server.still_serves("half a body").await;

    // A slow handler is waited for; afterwards the idle connection is closed without a word, or this would not return.
    let answer = server.raw(&format!("{head}\r\nslow")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.matches("HTTP/1.1").count() == 1, "{answer}");

    // A second request that comes by half.
    let answer = server.raw(&format!("{head}\r\nfast{head}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(late), "{answer}");
}

/// Waits a moment. Has the server answered meanwhile?
async fn runtime_is_late<R: Runtime>(runtime: &R, stream: &mut R::Stream) -> bool {
    let mut octet = [0];
    let read = async { stream.read(&mut octet).await.is_ok() };
    let wait = async {
        sleep(runtime, Duration::from_millis(20)).await;
        false
    };
    futures_lite::future::or(read, wait).await
}

pub(crate) async fn pipelined_requests<R: Runtime>(runtime: R) {
    let server = Running::echo(&runtime, Limits::default(), None).await;
    let request = |body: &str, more: &str| {
        format!(
            "POST /p HTTP/1.1\r\nHost: a\r\n{more}Content-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let answer =
        server.raw([request("one", ""), request("two", ""), request("three", "Connection: close\r\n")].concat()).await;
    let said: Vec<_> =
        answer.split("HTTP/1.1 200 OK").filter_map(|one| one.split_once("\r\n\r\n")).map(|one| one.1).collect();
    assert_eq!(said, ["1 /p  one", "1 /p  two", "1 /p  three"]);
    // What comes behind a good one is answered behind it.
    let answer = server.raw([request("one", ""), "nonsense\r\n\r\n".to_owned()].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("HTTP/1.1 400 "), "{answer}");
    let refused = request("one", "").replacen("text/xml", "text/html", 1);
    let answer = server.raw([refused, request("two", "Connection: close\r\n")].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    // Smuggling: two ways to say where the body ends. RFC 9112, 6.1: the chunks say it, and the connection ends after the answer.
    let both = request("0\r\n\r\n", "Transfer-Encoding: chunked\r\n");
    let answer = server.raw([both, request("two", "")].concat()).await;
    assert!(answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
    server.still_serves("pipelined requests").await;
}

pub(crate) async fn clients_that_go_away<R: Runtime>(runtime: R) {
    let server = Running::echo(&runtime, Limits::default(), None).await;
    let whole = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n\r\nabcd";
    for end in (0..=whole.len()).step_by(13) {
        let mut stream = server.connect().await;
        stream.write_all(&whole.as_bytes()[..end]).await.unwrap();
        drop(stream);
        server.still_serves(&format!("a client that went after {end} octets")).await;
    }
    // One that says that it is done, but waits.
    for (end, status) in [(whole.len(), "200"), (whole.len() - 1, "400")] {
        let mut stream = server.connect().await;
        stream.write_all(&whole.as_bytes()[..end]).await.unwrap();
        stream.close().await.unwrap();
        let answer = read_all(stream).await;
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status} ")), "{end}: {answer}");
        server.still_serves("half a connection").await;
    }
    // A server whose clients are gone has nothing to wait for.
    server.stop().await;
}

pub(crate) async fn clients_that_do_not_read<R: Runtime>(runtime: Counted<R>) {
    let limits = Limits { body_time: Duration::from_millis(200), ..Limits::default() };
    let long = vec![b'a'; 20_000_000];
    let server = Running::start(&runtime, limits, None, move |_| {
        std::future::ready(HttpResponse::reply("text/xml", long.clone()))
    })
    .await;
    let idle = runtime.tasks();
    let mut stream = server.connect().await;
    stream.write_all([sized(SOAP, b"<s/>").as_bytes(), b"<s/>"].concat().as_slice()).await.unwrap();
    while runtime.tasks() == idle {
        futures_lite::future::yield_now().await;
    }
    // One that reads slowly gets all of it, however long it takes.
    let mut slow = server.connect().await;
    slow.write_all([sized(SOAP, b"<s/>").as_bytes(), b"<s/>"].concat().as_slice()).await.unwrap();
    let (mut got, mut part) = (0, vec![0; 500_000]);
    loop {
        match slow.read(&mut part).await.unwrap() {
            0 => break,
            octets => got += octets,
        }
        sleep(&runtime, Duration::from_millis(10)).await;
    }
    assert!(got > 20_000_000, "{got}");
    drop(slow);
    // The other's connection has ended meanwhile, and its task.
    while runtime.tasks() > idle {
        sleep(&runtime, Duration::from_millis(1)).await;
    }
    drop(stream);
}

pub(crate) async fn who_is_refused_may_finish_what_he_says<R: Runtime>(runtime: R) {
    let server = Running::echo(&runtime, Limits { body: 64, ..Limits::default() }, None).await;
    let (body, moment) = (vec![b'a'; 100_000], Duration::from_millis(50));
    let mut stream = server.connect().await;
    stream.write_all(post(&format!("{SOAP}Content-Length: 300000\r\n")).as_bytes()).await.unwrap();
    // Not everybody reads before he has said all. A server that closed at once would reset the connection, and what it has
    // answered would be lost with it on some systems.
    for _ in 0..3 {
        stream.write_all(&body).await.unwrap();
        sleep(&runtime, moment).await;
    }
    let answer = read_all(stream).await;
    assert!(answer.ends_with("The message has 300000 octets; at most 64 are taken."), "{answer}");
    // Nobody shall send a next one on it.
    assert!(answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
}
