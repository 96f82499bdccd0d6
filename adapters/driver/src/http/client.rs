//! The client's side: one service address, and the connections to it that are free.

use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_lite::future::or;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use hyper::{Request, Response, Uri};
use soap_session_core::soap::SoapVersion;

use super::encoding::Encoding;
use super::media::Media;
use super::turn::{Posted, Taken, Turn};
use super::{ContentHeaders, HttpError, MAX_HEAD};
use crate::Runtime;
use crate::stream::{HyperStream, Peeked, Transport};
use crate::timing::within;
use crate::tls::ClientTls;

/// Free connections kept at most; a burst of exchanges may use more.
const MAX_IDLE: usize = 8;
/// A free connection is not used again after this time: servers close idle connections (http.sys after 120 s, Mono after
/// 15 s), and a request that meets the close is lost without a trace.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// A connection whose last answer came before its request was fully sent may never get free.
const FREE_WITHIN: Duration = Duration::from_millis(100);
/// Most characters of a refusal's text that an error repeats.
const SAID: usize = 200;

/// A connection that an exchange holds, or nobody. Its task ends when it is dropped, whatever it was at.
struct Lease {
    sender: SendRequest<Posted>,
    taken: Taken,
    /// Why the connection ended, if nobody was told otherwise.
    end: Arc<Mutex<Option<HttpError>>>,
    _held: async_channel::Sender<Infallible>,
}

/// Posts messages to one address over connections that it keeps open between exchanges.
///
/// Exchanges may overlap; each has a connection of its own, for HTTP/1.1 answers in order. The number of open exchanges
/// is the caller's to bound. To give an exchange up, drop its future: the connection is then closed. There is no time
/// limit here, for only the caller knows the deadline.
pub struct HttpClient<R> {
    runtime: R,
    host: String,
    port: u16,
    target: Uri,
    authority: HeaderValue,
    tls: Option<ClientTls>,
    idle: Mutex<Vec<(Lease, Instant)>>,
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// HTTP status code.
    pub status: u16,
    /// `Content-Type`, if there is one; an empty answer has none.
    pub content_type: Option<String>,
    /// Where a redirection points, which is not followed: the address that a message is meant for is part of the message.
    pub location: Option<String>,
    /// The login that a 401 asks for (`WWW-Authenticate`).
    pub authenticate: Option<String>,
    /// The body, decompressed.
    pub body: Bytes,
}

impl HttpReply {
    /// Which SOAP message this is: a reply (200) or a fault (500, from some servers 400). Nothing if there is none, and none was
    /// promised: 202, or a success without a body.
    ///
    /// # Errors
    /// [`HttpError::NotSoap`] with what the server said instead.
    pub fn soap(&self) -> Result<Option<SoapVersion>, HttpError> {
        let success = (200..300).contains(&self.status);
        if success && (self.status == 202 || self.body.is_empty()) {
            return Ok(None);
        }
        let media = self.content_type.as_deref().and_then(Media::read);
        match media {
            Some(media) if success || matches!(self.status, 400 | 500) => Ok(Some(media.version)),
            _ => Err(HttpError::NotSoap {
                status: self.status,
                content_type: self.content_type.clone(),
                said: self.said(),
            }),
        }
    }

    fn said(&self) -> Option<String> {
        if let Some(location) = &self.location {
            return Some(format!("look at {location}"));
        }
        if let Some(authenticate) = &self.authenticate {
            return Some(format!("log in by {authenticate}"));
        }
        let plain = self.content_type.as_deref()?.trim_start().get(..10)?.eq_ignore_ascii_case("text/plain");
        let said: String = String::from_utf8_lossy(&self.body)
            .chars()
            .take(SAID)
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        (plain && !said.is_empty()).then_some(said)
    }
}

impl<R: Runtime> HttpClient<R> {
    /// A client of the service at `url`. Connects when it is first used. `tls` is for `https` and not looked at otherwise.
    ///
    /// # Errors
    /// [`HttpError::BadUrl`] or [`HttpError::TlsNotConfigured`].
    pub fn new(runtime: R, url: &str, tls: Option<ClientTls>) -> Result<Self, HttpError> {
        let url: Uri = url.parse().map_err(|_| HttpError::BadUrl)?;
        let (usual_port, tls) = match url.scheme_str() {
            Some("http") => (80, None),
            Some("https") => (443, Some(tls.ok_or(HttpError::TlsNotConfigured)?)),
            _ => return Err(HttpError::BadUrl),
        };
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
            runtime,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(usual_port),
            target: target.parse().map_err(|_| HttpError::BadUrl)?,
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| HttpError::BadUrl)?,
            tls,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Posts `body` and waits for the whole answer, whose body has at most `limit` octets. Every status is an answer;
    /// [`HttpReply::soap`] judges it.
    ///
    /// # Errors
    /// [`HttpError`]; the address was checked before.
    pub async fn exchange(
        &self,
        headers: &ContentHeaders,
        body: impl Into<Bytes>,
        limit: usize,
    ) -> Result<HttpReply, HttpError> {
        self.exchange_with(headers, &[], body, limit).await
    }

    /// The same with these headers besides: names and values.
    ///
    /// # Errors
    /// [`HttpError`]; the address was checked before.
    pub async fn exchange_with(
        &self,
        headers: &ContentHeaders,
        more: &[(&str, &str)],
        body: impl Into<Bytes>,
        limit: usize,
    ) -> Result<HttpReply, HttpError> {
        let request = self.request(headers, more, Posted::new(body.into(), None))?;
        self.send(request, limit).await
    }

    /// The same, when it is its turn. Its connection is made, or found, meanwhile.
    pub(crate) async fn exchange_in_turn(
        &self,
        headers: &ContentHeaders,
        body: Bytes,
        limit: usize,
        turn: Option<Turn>,
    ) -> Result<HttpReply, HttpError> {
        let request = self.request(headers, &[], Posted::new(body, turn))?;
        self.send(request, limit).await
    }

    async fn send(&self, mut request: Request<Posted>, limit: usize) -> Result<HttpReply, HttpError> {
        if let Some(mut lease) = self.take_idle().await {
            request.body_mut().come(&self.runtime, &lease.taken).await;
            match lease.sender.try_send_request(request).await {
                Ok(response) => return self.read(lease, response, limit).await,
                // The connection was gone before an octet was written: that is no exchange yet, so a fresh connection may
                // take it. Whatever was written is for the caller to judge.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(lease.why(failed.into_error())),
                },
            }
        }
        let mut lease = self.connect().await?;
        request.body_mut().come(&self.runtime, &lease.taken).await;
        match lease.sender.send_request(request).await {
            Ok(response) => self.read(lease, response, limit).await,
            Err(error) => Err(lease.why(error)),
        }
    }

    fn request(
        &self,
        headers: &ContentHeaders,
        more: &[(&str, &str)],
        body: Posted,
    ) -> Result<Request<Posted>, HttpError> {
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
        for (name, value) in more {
            let value = HeaderValue::from_str(value).map_err(|_| HttpError::BadHeader)?;
            request = request.header(*name, value);
        }
        request.body(body).map_err(|_| HttpError::BadHeader)
    }

    async fn connect(&self) -> Result<Lease, HttpError> {
        let stream = self.runtime.connect(&self.host, self.port).await.map_err(HttpError::Connect)?;
        let stream = Peeked::new(stream);
        let transport = match &self.tls {
            None => Transport::Plain(stream),
            Some(tls) => Transport::Tls(Box::new(tls.connect(&self.host, stream).await.map_err(HttpError::Tls)?)),
        };
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD);
        let taken = Taken::default();
        let handshake = builder.handshake(HyperStream::of_client(transport, taken.clone())).await;
        let (sender, connection) = handshake.map_err(HttpError::from_hyper)?;
        let (held, holder) = async_channel::bounded::<Infallible>(1);
        let end = Arc::new(Mutex::new(None));
        let told = Arc::clone(&end);
        self.runtime.spawn(async move {
            // Dropped after the reason is told: whoever waits for an answer learns by that it will not come.
            let mut connection = pin!(connection);
            let whole = async {
                if let Err(error) = connection.as_mut().await {
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(HttpError::from_hyper(error));
                }
            };
            or(whole, async {
                let _ = holder.recv().await;
            })
            .await;
        });
        Ok(Lease { sender, taken, end, _held: held })
    }

    /// A connection that is free and young enough. The youngest goes first, so that the others may age and go.
    async fn take_idle(&self) -> Option<Lease> {
        loop {
            let mut lease = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                let now = self.runtime.now();
                idle.retain(|(lease, since)| {
                    !lease.sender.is_closed() && now.saturating_duration_since(*since) < IDLE_LIMIT
                });
                idle.pop()?.0
            };
            if let Some(Ok(())) = within(&self.runtime, FREE_WITHIN, lease.sender.ready()).await {
                return Some(lease);
            }
        }
    }

    async fn read(&self, lease: Lease, response: Response<Incoming>, limit: usize) -> Result<HttpReply, HttpError> {
        let (head, body) = response.into_parts();
        let encodings =
            head.headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| value.as_bytes().split(is_comma));
        let encoding = Encoding::read(encodings).map_err(HttpError::Encoding)?;
        // An announced length is believed before any of it is read.
        let announced = body.size_hint().lower();
        if announced > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(HttpError::BodyTooLarge { limit, announced: Some(announced) });
        }
        let body = Limited::new(body, limit).collect().await.map_err(|error| HttpError::from_body(error, limit))?;
        if !lease.sender.is_closed() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MAX_IDLE {
                idle.push((lease, self.runtime.now()));
            }
        }
        let text = |name: HeaderName| {
            head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Ok(HttpReply {
            status: head.status.as_u16(),
            content_type: text(CONTENT_TYPE),
            location: text(LOCATION),
            authenticate: text(WWW_AUTHENTICATE),
            body: encoding.open(body.to_bytes(), limit).map_err(HttpError::Encoding)?,
        })
    }
}

impl Lease {
    /// Why an exchange failed. A server that refuses our certificate says so to the connection, not to the request.
    fn why(&self, error: hyper::Error) -> HttpError {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner).take();
        match end {
            Some(tls @ HttpError::Tls(_)) => tls,
            _ => HttpError::from_hyper(error),
        }
    }
}

fn is_comma(octet: &u8) -> bool {
    *octet == b','
}

impl<R> fmt::Debug for HttpClient<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("authority", &self.authority)
            .field("target", &self.target)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}
