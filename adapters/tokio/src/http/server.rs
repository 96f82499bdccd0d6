//! The server's side: takes connections, checks the outside of each request and hands it to one handler.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::is_soap;

/// Most bytes read ahead on a connection; a request's head must fit.
const MAX_HEAD: usize = 64 * 1024;
/// Pause when the system has no more sockets to give.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(100);

/// What one server may spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body; more is answered with 413. Default 65 536, WCF's `MaxReceivedMessageSize`.
    pub body: usize,
    /// Connections open at once; more wait in the system's queue. Default 1024. At least 1.
    pub connections: usize,
    /// Time for a request's head, and for a connection to be idle before it. Default 30 s.
    pub head: Duration,
    /// Time for a request's body, which is answered with 408 afterwards. Default 60 s.
    pub body_time: Duration,
    /// Time that open exchanges get to finish once the server is told to stop. Default 10 s, as WCF's close timeout of
    /// a self-hosted service.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 65_536,
            connections: 1024,
            head: Duration::from_secs(30),
            body_time: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

/// A `POST` with a SOAP body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Who sent it.
    pub peer: SocketAddr,
    /// Path of the target, without its query.
    pub path: String,
    /// `Content-Type`: SOAP 1.1 or 1.2 text in UTF-8.
    pub content_type: String,
    /// `SOAPAction` without its quotes.
    pub soap_action: Option<String>,
    /// The body, at most [`Limits::body`] bytes.
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

/// A bound socket that is not served yet.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    limits: Limits,
}

impl HttpServer {
    /// Binds a socket; port 0 lets the system choose.
    ///
    /// # Errors
    /// The system's error.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, limits: Limits::default() })
    }

    /// Replaces the limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` is ready, then finishes open exchanges within [`Limits::drain`]. Dropping the future ends
    /// everything at once.
    ///
    /// The handler sees only `POST`s with a SOAP content type and a body within the limit. Its future is dropped if the
    /// client goes away: work that must go on needs a task of its own.
    pub async fn serve<H, F>(self, handler: H, shutdown: impl Future<Output = ()>)
    where
        H: Fn(HttpRequest) -> F + Send + Sync + 'static,
        F: Future<Output = HttpResponse> + Send + 'static,
    {
        let Self { listener, limits } = self;
        let handler = Arc::new(handler);
        let limits = Arc::new(limits);
        let (stop, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => (),
                (stream, peer) = accept(&listener), if connections.len() < limits.connections.max(1) => {
                    let (handler, limits, stopped) = (Arc::clone(&handler), Arc::clone(&limits), stopped.clone());
                    connections.spawn(connection(stream, peer, handler, limits, stopped));
                }
            }
        }
        drop(listener);
        drop(stop);
        // Whoever is not done by then is cut off when the set is dropped.
        let _ = timeout(limits.drain, async { while connections.join_next().await.is_some() {} }).await;
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client was gone before we came: nothing to wait for.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => (),
            Err(_) => sleep(OUT_OF_SOCKETS).await,
        }
    }
}

async fn connection<H, F>(
    stream: TcpStream,
    peer: SocketAddr,
    handler: Arc<H>,
    limits: Arc<Limits>,
    mut stopped: watch::Receiver<()>,
) where
    H: Fn(HttpRequest) -> F + Send + Sync + 'static,
    F: Future<Output = HttpResponse> + Send + 'static,
{
    // Only costs time if it fails.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let (handler, limits) = (Arc::clone(&handler), Arc::clone(&limits));
        async move {
            Ok::<_, Infallible>(match check(request, peer, &limits).await {
                Ok(request) => answer(handler(request).await),
                Err(refused) => refused,
            })
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(MAX_HEAD);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // How a connection ends is of no interest: the client is gone, or the exchange was answered.
    tokio::select! {
        _ = connection.as_mut() => return,
        // The sender is only ever dropped.
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Reads a request, or answers it here if it is no SOAP message that we can take.
async fn check(
    request: Request<Incoming>,
    peer: SocketAddr,
    limits: &Limits,
) -> Result<HttpRequest, Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        let mut refused = empty(StatusCode::METHOD_NOT_ALLOWED);
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Err(refused);
    }
    let text = |name: HeaderName| text(&head.headers, name);
    let content_type = text(CONTENT_TYPE).filter(|value| is_soap(value));
    let content_type = content_type.ok_or_else(|| empty(StatusCode::UNSUPPORTED_MEDIA_TYPE))?;
    if head.headers.contains_key(CONTENT_ENCODING) {
        return Err(empty(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    // An announced length is believed before any of it is read.
    if body.size_hint().lower() > u64::try_from(limits.body).unwrap_or(u64::MAX) {
        return Err(empty(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let body = match timeout(limits.body_time, Limited::new(body, limits.body).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(empty(StatusCode::PAYLOAD_TOO_LARGE)),
        // The connection broke, or the chunks are no chunks.
        Ok(Err(_)) => return Err(empty(StatusCode::BAD_REQUEST)),
        Err(_) => return Err(empty(StatusCode::REQUEST_TIMEOUT)),
    };
    let soap_action = text(HeaderName::from_static("soapaction")).map(|action| {
        let action = action.trim();
        action.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(action).to_owned()
    });
    Ok(HttpRequest { peer, path: head.uri.path().to_owned(), content_type, soap_action, body })
}

/// A header's value, if it is there once and in ASCII.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.to_owned();
    if values.next().is_some() { None } else { Some(value) }
}

fn answer(response: HttpResponse) -> Response<Full<Bytes>> {
    let mut builder = Response::builder().status(response.status);
    if let Some(content_type) = response.content_type {
        builder = builder.header(CONTENT_TYPE, content_type);
    }
    // A status or content type that HTTP does not know is the handler's mistake, not the client's.
    builder.body(Full::new(response.body)).unwrap_or_else(|_| empty(StatusCode::INTERNAL_SERVER_ERROR))
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}
