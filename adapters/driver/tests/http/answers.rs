//! What servers should not answer, and what the client says of it.

use soap_session_driver::Runtime;
use soap_session_driver::http::{ContentHeaders, EncodingProblem, HttpError, HttpReply};

use crate::hostile::{deflate, gzip, zlib};
use crate::world::{canned, text};

async fn ask<R: Runtime>(
    runtime: &R,
    answer: impl AsRef<[u8]> + Send + Sync + 'static,
) -> Result<HttpReply, HttpError> {
    canned(runtime, 1, b"<s/>", answer).await.exchange(&ContentHeaders::soap12(), "<s/>", 8).await
}

fn encoded(encoding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub(crate) async fn hostile_answers<R: Runtime>(runtime: R) {
    const EARLY: &str = "the connection ended before the whole answer was received";
    const LONG: &str = "the answer is longer than the 8 octets allowed";
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", b"".to_vec(), EARLY),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-".to_vec(), EARLY),
        ("half a body", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc".to_vec(), EARLY),
        ("chunks without an end", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".to_vec(), EARLY),
        (
            "too long",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789".to_vec(),
            "the answer has 9 octets, more than the 8 allowed",
        ),
        (
            "much too long",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec(),
            "the answer has 99999999999 octets, more than the 8 allowed",
        ),
        (
            "chunks too long",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n3\r\n789\r\n0\r\n\r\n".to_vec(),
            LONG,
        ),
        ("too long up to the end", b"HTTP/1.1 200 OK\r\n\r\n123456789".to_vec(), LONG),
        (
            "another protocol",
            b"220 mail.example ESMTP\r\n\r\n".to_vec(),
            "the answer is not HTTP/1.1: invalid HTTP version parsed",
        ),
        (
            "a head that is too long",
            [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 70_000], b"\r\n\r\n".to_vec()].concat(),
            "the answer is not HTTP/1.1: message head is too large",
        ),
        (
            "truncated gzip",
            encoded("gzip", &gzip(b"12345678")[..20]),
            "the answer cannot be opened: the compressed body is cut short",
        ),
        ("no gzip", encoded("gzip", b"12345678"), "the answer cannot be opened: the compressed body is cut short"),
        (
            "an unknown encoding",
            encoded("br", b"12345678"),
            "the answer cannot be opened: the content encoding is none of gzip, deflate",
        ),
    ];
    for (name, answer, text) in rows {
        let limit = if name.contains("gzip") { 28 } else { 8 };
        let client = canned(&runtime, 1, b"<s/>", answer).await;
        let failed = client.exchange(&ContentHeaders::soap12(), "<s/>", limit).await.unwrap_err();
        assert_eq!(failed.to_string(), text, "{name}");
    }
    let bomb = zlib(&[b'a'; 4000]);
    let client = canned(&runtime, 1, b"<s/>", encoded("deflate", &bomb)).await;
    let failed = client.exchange(&ContentHeaders::soap12(), "<s/>", 100).await;
    assert!(matches!(failed, Err(HttpError::Encoding(EncodingProblem::TooLong { limit: 100 }))), "{failed:?}");

    let enough = ask(&runtime, b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678").await.unwrap();
    assert_eq!((text(&enough.body), enough.content_type), ("12345678", None));
    for (encoding, body) in [
        ("gzip", gzip(b"12345678")),
        ("x-gzip", gzip(b"12345678")),
        ("deflate", zlib(b"12345678")),
        ("Deflate", deflate(b"12345678")),
        ("identity", b"12345678".to_vec()),
    ] {
        let client = canned(&runtime, 1, b"<s/>", encoded(encoding, &body)).await;
        let reply = client.exchange(&ContentHeaders::soap12(), "<s/>", body.len()).await.unwrap();
        assert_eq!(text(&reply.body), "12345678", "{encoding}");
    }
}

pub(crate) async fn answers_that_are_no_soap<R: Runtime>(runtime: R) {
    for (name, answer, said) in [
        (
            "a redirection",
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
            "the answer is no SOAP message: HTTP status 307, no content type: look at https://elsewhere.example/",
        ),
        (
            "a page that is not there",
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 8\r\n\r\n<html/>\n",
            "the answer is no SOAP message: HTTP status 404, content type 'text/html'",
        ),
        (
            "a login",
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n",
            "the answer is no SOAP message: HTTP status 401, no content type: log in by Negotiate",
        ),
        (
            "a page that says that all is well",
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 8\r\n\r\n<html/>\n",
            "the answer is no SOAP message: HTTP status 200, content type 'text/html'",
        ),
        (
            "a proxy",
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nnot\r\nnow",
            "the answer is no SOAP message: HTTP status 503, content type 'text/plain': not  now",
        ),
    ] {
        let reply = ask(&runtime, answer).await.unwrap();
        assert_eq!(reply.soap().unwrap_err().to_string(), said, "{name}");
    }
    let empty = ask(&runtime, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!(empty.soap().unwrap(), None);
}
