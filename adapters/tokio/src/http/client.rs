//! The client's side: one service address, and the connections to it that are free.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::ContentHeaders;

/// Free connections kept at most; a burst of exchanges may use more.
const MAX_IDLE: usize = 8;
/// A free connection is not used again after this time: servers close idle connections (http.sys after 120 s, Mono after
/// 15 s), and a request that meets the close is lost without a trace.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// A connection whose last answer came before its request was fully sent may never get free.
const FREE_WITHIN: Duration = Duration::from_millis(100);
/// Most bytes of an answer's head.
const MAX_HEAD: usize = 64 * 1024;

type Sender = SendRequest<Full<Bytes>>;

/// Posts messages to one address over connections that it keeps open between exchanges.
///
/// Exchanges may overlap; each has a connection of its own, for HTTP/1.1 answers in order. The number of open exchanges
/// is the caller's to bound. To give an exchange up, drop its future: the connection is then closed. There is no time
/// limit here, for only the caller knows the deadline.
pub struct HttpClient {
    host: String,
    port: u16,
    target: Uri,
    authority: HeaderValue,
    idle: Mutex<Vec<(Sender, Instant)>>,
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// HTTP status code.
    pub status: u16,
    /// `Content-Type`, if there is one; an empty answer has none.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Why an exchange brought no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum HttpError {
    /// The address is not of the form `http://host[:port]/path`, or has a user name in it.
    BadUrl,
    /// `https` is not built yet.
    HttpsNotSupported,
    /// The content type or the action has characters that a header must not have.
    BadHeader,
    /// The server cannot be reached. Nothing was sent.
    Connect(io::Error),
    /// The connection ended before the whole answer was here. The server may or may not have got the request.
    ClosedEarly,
    /// The answer's body is longer than allowed.
    BodyTooLarge {
        /// Most bytes allowed.
        limit: usize,
    },
    /// The answer is not HTTP/1.1.
    Protocol(hyper::Error),
}

impl HttpClient {
    /// A client of the service at `url`. Connects when it is first used.
    ///
    /// # Errors
    /// [`HttpError::BadUrl`] or [`HttpError::HttpsNotSupported`].
    pub fn new(url: &str) -> Result<Self, HttpError> {
        let url: Uri = url.parse().map_err(|_| HttpError::BadUrl)?;
        match url.scheme_str() {
            Some("http") => (),
            Some("https") => return Err(HttpError::HttpsNotSupported),
            _ => return Err(HttpError::BadUrl),
        }
        let authority = url.authority().ok_or(HttpError::BadUrl)?;
        // IPv6 addresses have brackets in a URL but not in a socket address.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        // A port that is no number up to 65535 is no default port either.
        let port_is_bad = authority.port().is_none() && authority.as_str().len() != authority.host().len();
        if host.is_empty() || authority.as_str().contains('@') || port_is_bad {
            return Err(HttpError::BadUrl);
        }
        let target = url.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(80),
            target: target.parse().map_err(|_| HttpError::BadUrl)?,
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| HttpError::BadUrl)?,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Posts `body` and waits for the whole answer, whose body has at most `limit` bytes. Every status is an answer.
    ///
    /// # Errors
    /// [`HttpError`]; the address and `https` were checked before.
    pub async fn exchange(
        &self,
        headers: &ContentHeaders,
        body: impl Into<Bytes>,
        limit: usize,
    ) -> Result<HttpReply, HttpError> {
        let mut request = self.request(headers, body.into())?;
        if let Some(mut sender) = self.take_idle().await {
            match sender.try_send_request(request).await {
                Ok(response) => return self.read(sender, response, limit).await,
                // The connection was gone before a byte was written: that is no exchange yet, so a fresh connection may
                // take it. Whatever was written is for the caller to judge.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(from_hyper(failed.into_error())),
                },
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await.map_err(from_hyper)?;
        self.read(sender, response, limit).await
    }

    fn request(&self, headers: &ContentHeaders, body: Bytes) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut request = Request::post(self.target.clone()).header(HOST, self.authority.clone());
        let content_type = HeaderValue::from_str(&headers.content_type).map_err(|_| HttpError::BadHeader)?;
        request = request.header(CONTENT_TYPE, content_type);
        if let Some(action) = &headers.soap_action {
            if action.contains('"') {
                return Err(HttpError::BadHeader);
            }
            let quoted = HeaderValue::from_str(&format!("\"{action}\"")).map_err(|_| HttpError::BadHeader)?;
            request = request.header("SOAPAction", quoted);
        }
        request.body(Full::new(body)).map_err(|_| HttpError::BadHeader)
    }

    async fn connect(&self) -> Result<Sender, HttpError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(HttpError::Connect)?;
        // Messages are written whole: waiting for more only costs time.
        stream.set_nodelay(true).map_err(HttpError::Connect)?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(from_hyper)?;
        // Ends when the sender is dropped or the server closes; its error reaches us through the sender.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// A connection that is free and young enough. The youngest goes first, so that the others may age and go.
    async fn take_idle(&self) -> Option<Sender> {
        loop {
            let mut sender = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE_LIMIT);
                idle.pop()?.0
            };
            if let Ok(Ok(())) = timeout(FREE_WITHIN, sender.ready()).await {
                return Some(sender);
            }
        }
    }

    async fn read(
        &self,
        sender: Sender,
        response: hyper::Response<hyper::body::Incoming>,
        limit: usize,
    ) -> Result<HttpReply, HttpError> {
        let (head, body) = response.into_parts();
        // An announced length is believed before any of it is read.
        if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(HttpError::BodyTooLarge { limit });
        }
        let body = Limited::new(body, limit).collect().await.map_err(|error| from_body(error, limit))?.to_bytes();
        let content_type = head.headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into());
        if !sender.is_closed() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MAX_IDLE {
                idle.push((sender, Instant::now()));
            }
        }
        Ok(HttpReply { status: head.status.as_u16(), content_type, body })
    }
}

fn from_body(error: Box<dyn Error + Send + Sync>, limit: usize) -> HttpError {
    if error.is::<LengthLimitError>() {
        return HttpError::BodyTooLarge { limit };
    }
    // Nothing else than the two can come out of a limited body.
    error.downcast::<hyper::Error>().map_or(HttpError::ClosedEarly, |error| from_hyper(*error))
}

fn from_hyper(error: hyper::Error) -> HttpError {
    let socket_failed = error.source().is_some_and(|source| source.is::<io::Error>());
    if socket_failed || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        HttpError::ClosedEarly
    } else {
        HttpError::Protocol(error)
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("authority", &self.authority).field("target", &self.target).finish()
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadUrl => f.write_str("the address is not of the form http://host[:port]/path"),
            Self::HttpsNotSupported => f.write_str("https is not supported yet; use http with message security"),
            Self::BadHeader => {
                f.write_str("the content type or action has characters that an HTTP header must not have")
            }
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::ClosedEarly => f.write_str("the connection ended before the whole answer was received"),
            Self::BodyTooLarge { limit } => write!(f, "the answer is longer than the {limit} bytes allowed"),
            Self::Protocol(error) => write!(f, "the answer is not HTTP/1.1: {error}"),
        }
    }
}

impl Error for HttpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Protocol(error) => Some(error),
            Self::BadUrl
            | Self::HttpsNotSupported
            | Self::BadHeader
            | Self::ClosedEarly
            | Self::BodyTooLarge { .. } => None,
        }
    }
}
