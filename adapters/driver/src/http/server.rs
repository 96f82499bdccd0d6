//! The server's side: takes connections, and hands what comes by them to one handler.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use soap_session_core::soap::SoapVersion;

use super::encoding::Encoding;
use super::media::{Media, unquoted};
use super::refusal::Refusal;
use super::{HttpRequest, HttpResponse, Limits, MAX_HEAD};
use crate::Runtime;
use crate::group::{Group, Membership};
use crate::stream::{HyperStream, Patience, Peeked, Progress, Transport};
use crate::timing::{HyperTimer, sleep, within};
use crate::tls::ServerTls;

/// Pause when the system has no more sockets to give.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(100);
/// A connection that ends while its client still sends is read on for so long and so far: closed at once, it would be reset, and
/// the client would not see why.
const LINGER: Duration = Duration::from_secs(1);
/// Octets read on.
const LINGER_OCTETS: usize = 1 << 20;

/// A bound socket that is not served yet.
pub struct HttpServer<R: Runtime> {
    listener: R::Listener,
    shared: Shared<R>,
}

/// What all connections of a server know.
struct Shared<R> {
    runtime: R,
    limits: Limits,
    tls: Option<ServerTls>,
    page: Option<Page>,
}

/// What a request by GET brings: a path, and what is to be read there.
type Page = (&'static str, fn() -> HttpResponse);

/// What all requests of a connection have in common.
#[derive(Clone)]
struct Origin {
    peer: SocketAddr,
    connection: u64,
    tls: bool,
    client_certificate: Option<Bytes>,
}

impl<R: Runtime> HttpServer<R> {
    /// Binds a socket; port 0 lets the system choose. With `tls` it speaks HTTPS only.
    ///
    /// # Errors
    /// The system's error.
    pub async fn bind(runtime: R, address: SocketAddr, limits: Limits, tls: Option<ServerTls>) -> io::Result<Self> {
        Ok(Self { listener: runtime.listen(address).await?, shared: Shared { runtime, limits, tls, page: None } })
    }

    /// The same, of a page that is read by GET and of nothing else.
    #[cfg(feature = "prometheus")]
    pub(crate) const fn with_page(mut self, path: &'static str, page: fn() -> HttpResponse) -> Self {
        self.shared.page = Some((path, page));
        self
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.runtime.local_addr(&self.listener)
    }

    /// Serves until `shutdown` is ready, then finishes open exchanges within [`Limits::drain`]. No task is left when it returns.
    /// Dropping the future ends everything at once.
    ///
    /// The handler sees only `POST`s with a SOAP content type and a body within the limit; anything else is answered here, with a
    /// line of text that says what is wrong. Its future is dropped if the client goes away: work that must go on needs a task of
    /// its own.
    pub async fn serve<H, F>(self, handler: H, shutdown: impl Future<Output = ()>)
    where
        H: Fn(HttpRequest) -> F + Send + Sync + 'static,
        F: Future<Output = HttpResponse> + Send + 'static,
    {
        let Self { listener, shared } = self;
        let (shared, handler) = (Arc::new(shared), Arc::new(handler));
        let (runtime, limits) = (&shared.runtime, &shared.limits);
        let connections = Group::default();
        let take = async {
            let mut number = 0_u64;
            loop {
                connections.room_below(limits.connections.max(1)).await;
                let (stream, peer) = accept(runtime, &listener).await;
                number = number.wrapping_add(1);
                let (shared, handler) = (Arc::clone(&shared), Arc::clone(&handler));
                connections.spawn(runtime, |group| async move {
                    let origin = Origin { peer, connection: number, tls: false, client_certificate: None };
                    connection(Peeked::new(stream), origin, &shared, handler, &group).await;
                });
            }
        };
        or(shutdown, take).await;
        drop(listener);
        connections.finish();
        // Whoever is not done by then is cut off.
        let _ = within(runtime, limits.drain, connections.room_below(1)).await;
        connections.cut();
        connections.room_below(1).await;
    }
}

async fn accept<R: Runtime>(runtime: &R, listener: &R::Listener) -> (R::Stream, SocketAddr) {
    loop {
        match runtime.accept(listener).await {
            Ok(accepted) => return accepted,
            // The client was gone before we came: nothing to wait for.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => (),
            Err(_) => sleep(runtime, OUT_OF_SOCKETS).await,
        }
    }
}

/// How a connection ends is of no interest: the client is gone, or was told.
async fn connection<R, H, F>(
    mut stream: Peeked<R::Stream>,
    mut origin: Origin,
    shared: &Arc<Shared<R>>,
    handler: Arc<H>,
    group: &Membership,
) where
    R: Runtime,
    H: Fn(HttpRequest) -> F + Send + Sync + 'static,
    F: Future<Output = HttpResponse> + Send + 'static,
{
    let Some(tls) = &shared.tls else {
        return Box::pin(requests(Transport::Plain(stream), origin, shared, handler, group)).await;
    };
    let limit = shared.limits.head;
    let handshake = async {
        if !tls.is_hello(stream.first().await.ok()??) {
            refuse(stream, &Refusal::NotTls, shared).await;
            return None;
        }
        match tls.accept(stream).await {
            Ok(stream) => Some(stream),
            // The alert that says why is written already.
            Err(stream) => {
                linger(stream, shared).await;
                None
            }
        }
    };
    // Nobody waits for a handshake when the server is told to stop.
    let handshake = or(
        async {
            group.asked_to_finish().await;
            None
        },
        async { within(&shared.runtime, limit, handshake).await? },
    );
    if let Some(stream) = handshake.await {
        origin.tls = true;
        origin.client_certificate = crate::tls::peer_certificate(&stream);
        Box::pin(requests(Transport::Tls(Box::new(stream)), origin, shared, handler, group)).await;
    }
}

/// Serves the requests of one connection until it ends.
async fn requests<R, H, F>(
    stream: Transport<R::Stream>,
    origin: Origin,
    shared: &Arc<Shared<R>>,
    handler: Arc<H>,
    group: &Membership,
) where
    R: Runtime,
    H: Fn(HttpRequest) -> F + Send + Sync + 'static,
    F: Future<Output = HttpResponse> + Send + 'static,
{
    let progress = Arc::new(Progress::default());
    let service = service_fn(|request: Request<Incoming>| {
        progress.request();
        let (handler, shared, progress) = (Arc::clone(&handler), Arc::clone(shared), Arc::clone(&progress));
        let origin = origin.clone();
        let answer = async move {
            if let Some(page) = shared.page {
                progress.answer(request.body().is_end_stream());
                return Ok(answer(read(&request, page)));
            }
            let checked = check(request, origin, &shared).await;
            let whole = checked.is_ok();
            let response = match checked {
                Ok(request) => answer(handler(request).await),
                Err(refusal) => refusal.response(),
            };
            progress.answer(whole);
            Ok::<_, Infallible>(response)
        };
        Box::pin(answer) as Pin<Box<dyn Future<Output = _> + Send>>
    });
    let limits = &shared.limits;
    let mut builder = http1::Builder::new();
    builder.timer(HyperTimer(shared.runtime.clone())).header_read_timeout(limits.head).max_buf_size(MAX_HEAD);
    let patience = Patience::new(&shared.runtime, limits.body_time);
    let stream = HyperStream::of_server(stream, Arc::clone(&progress), patience);
    let mut connection = builder.serve_connection(stream, service);
    let mut finish = pin!(group.asked_to_finish());
    let mut finishing = false;
    let ended = poll_fn(|cx| {
        if !finishing && finish.as_mut().poll(cx).is_ready() {
            finishing = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        connection.poll_without_shutdown(cx)
    })
    .await;
    let parts = connection.into_parts();
    let refused = parts.io.refused();
    let mut stream = parts.io.into_inner();
    match (ended, refused) {
        (_, Some(status)) => refuse(stream, &Refusal::Head { status }, shared).await,
        (Err(error), None) if error.is_timeout() && !parts.read_buf.is_empty() => {
            refuse(stream, &Refusal::HeadTime(limits.head), shared).await;
        }
        // Hyper has no words for HTTP/2.
        (Err(error), None) if error.is_parse() && !progress.is_busy() => {
            refuse(stream, &Refusal::Head { status: 400 }, shared).await;
        }
        (Ok(()), None) if progress.left_unread() => linger(stream, shared).await,
        (Ok(()) | Err(_), None) => drop(within(&shared.runtime, LINGER, stream.close()).await),
    }
}

/// Answers without hyper, and ends the connection.
async fn refuse<R: Runtime>(
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    refusal: &Refusal,
    shared: &Shared<R>,
) {
    if let Some(Ok(())) = within(&shared.runtime, LINGER, stream.write_all(&refusal.octets())).await {
        linger(stream, shared).await;
    }
}

/// Says that nothing more comes, and reads on until the client has noticed.
async fn linger<R: Runtime>(mut stream: impl AsyncRead + AsyncWrite + Unpin + Send, shared: &Shared<R>) {
    let read_on = async {
        stream.close().await?;
        let mut unread = vec![0; 4096];
        let mut left = LINGER_OCTETS;
        while left > 0 {
            match stream.read(&mut unread).await? {
                0 => break,
                octets => left = left.saturating_sub(octets),
            }
        }
        Ok::<_, io::Error>(())
    };
    let _ = within(&shared.runtime, LINGER, read_on).await;
}

/// Reads a request that the handler may see.
async fn check<R: Runtime>(
    request: Request<Incoming>,
    origin: Origin,
    shared: &Shared<R>,
) -> Result<HttpRequest, Refusal> {
    let limits = &shared.limits;
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if let Some(served) = limits.path.as_ref().filter(|served| *served != path) {
        return Err(Refusal::Path { served: served.clone() });
    }
    if head.method != Method::POST {
        return Err(Refusal::Method);
    }
    let content_type = text(&head.headers, CONTENT_TYPE);
    let media = content_type.as_deref().and_then(Media::read);
    let media = media.filter(|media| limits.expected.is_none_or(|expected| media.version == expected));
    let (Some(content_type), Some(media)) = (content_type.clone(), media) else {
        return Err(Refusal::ContentType { got: content_type, expected: limits.expected });
    };
    let encodings =
        head.headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| value.as_bytes().split(|octet| *octet == b','));
    let encoding = Encoding::read(encodings).map_err(Refusal::Encoding)?;
    // An announced length is believed before any of it is read.
    let announced = body.size_hint().lower();
    if announced > u64::try_from(limits.body).unwrap_or(u64::MAX) {
        return Err(Refusal::TooLarge { limit: limits.body, announced: Some(announced) });
    }
    let collected = within(&shared.runtime, limits.body_time, Limited::new(body, limits.body).collect());
    let body = match collected.await {
        Some(Ok(body)) => body.to_bytes(),
        Some(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(Refusal::TooLarge { limit: limits.body, announced: None });
        }
        Some(Err(_)) => return Err(Refusal::BadBody),
        None => return Err(Refusal::BodyTime(limits.body_time)),
    };
    let body = encoding.open(body, limits.body).map_err(Refusal::Encoding)?;
    let action = match media.version {
        SoapVersion::Soap11 => {
            text(&head.headers, HeaderName::from_static("soapaction")).map(|action| unquoted(&action).to_owned())
        }
        SoapVersion::Soap12 => media.action,
    };
    let Origin { peer, connection, tls, client_certificate } = origin;
    let (path, version) = (path.to_owned(), media.version);
    Ok(HttpRequest { peer, connection, tls, client_certificate, path, content_type, version, action, body })
}

/// Answers who reads a page.
fn read(request: &Request<Incoming>, (path, page): Page) -> HttpResponse {
    if request.uri().path() == path && matches!(*request.method(), Method::GET | Method::HEAD) {
        return page();
    }
    let text = format!("There is only '{path}' here, to be read by GET.");
    HttpResponse { status: 404, content_type: Some("text/plain; charset=utf-8".to_owned()), body: text.into() }
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
    builder.body(Full::new(response.body)).unwrap_or_else(|_| Refusal::Handler.response())
}

impl<R: Runtime> fmt::Debug for HttpServer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("address", &self.local_addr())
            .field("limits", &self.shared.limits)
            .field("tls", &self.shared.tls.is_some())
            .finish()
    }
}
