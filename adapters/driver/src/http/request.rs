//! What a server gets, may spend, and answers.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use soap_session_core::soap::SoapVersion;

/// What one server takes and may spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a request's body, compressed or not; more is answered with 413. Default 65 536, WCF's
    /// `MaxReceivedMessageSize`.
    pub body: usize,
    /// Connections open at once; more wait in the system's queue. Default 1024. At least 1.
    pub connections: usize,
    /// Time for a request's head, which is answered with 408 afterwards; for a connection to be idle before it; and for a TLS
    /// handshake. Default 30 s.
    pub head: Duration,
    /// Time for a request's body, which is answered with 408 afterwards; and for a client that takes nothing of an answer, whose
    /// connection ends afterwards. Default 60 s.
    pub body_time: Duration,
    /// Time that open exchanges get to finish once the server is told to stop. Default 10 s, as WCF's close timeout of
    /// a self-hosted service.
    pub drain: Duration,
    /// The only SOAP version that is taken; the other is answered with 415, as by WCF, whose bindings speak one version each.
    /// Default: both.
    pub expected: Option<SoapVersion>,
    /// The only path that is served, as in `/calculator`; others are answered with 404. Default: all.
    pub path: Option<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 65_536,
            connections: 1024,
            head: Duration::from_secs(30),
            body_time: Duration::from_secs(60),
            drain: Duration::from_secs(10),
            expected: None,
            path: None,
        }
    }
}

/// A `POST` with a SOAP body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Who sent it.
    pub peer: SocketAddr,
    /// The connection it came by: a number that the server gives to one connection only.
    pub connection: u64,
    /// The connection is protected by TLS.
    pub tls: bool,
    /// The client's certificate of a TLS connection, verified, as DER. Only if [`ServerTls`](crate::tls::ServerTls) asks for it.
    pub client_certificate: Option<Bytes>,
    /// Path of the target, without its query.
    pub path: String,
    /// `Content-Type`: SOAP text in UTF-8.
    pub content_type: String,
    /// The SOAP version that the content type says.
    pub version: SoapVersion,
    /// The action outside the message: `SOAPAction` of SOAP 1.1, the content type's `action` of SOAP 1.2; without quotes.
    pub action: Option<String>,
    /// The body, decompressed, at most [`Limits::body`] octets.
    pub body: Bytes,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// HTTP status code.
    pub status: u16,
    /// `Content-Type`; none for an empty body.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl HttpResponse {
    /// 200 with a reply.
    pub fn reply(content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { status: 200, content_type: Some(content_type.into()), body: body.into() }
    }

    /// 500 with a fault, secured or not.
    pub fn fault(content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { status: 500, content_type: Some(content_type.into()), body: body.into() }
    }

    /// 202, empty: taken, and there is nothing to say.
    pub fn accepted() -> Self {
        Self { status: 202, content_type: None, body: Bytes::new() }
    }
}
