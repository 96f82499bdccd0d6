//! What the tests share: a runtime that counts its tasks, a server that runs, raw octets.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use soap_session_driver::Runtime;
use soap_session_driver::http::{ContentHeaders, HttpClient, HttpRequest, HttpResponse, HttpServer, Limits};
use soap_session_driver::tls::{ClientTls, ServerTls};

/// A runtime that knows how many tasks run.
#[derive(Clone)]
pub(crate) struct Counted<R> {
    runtime: R,
    tasks: Arc<AtomicUsize>,
}

struct Leaves(Arc<AtomicUsize>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<R> Counted<R> {
    pub(crate) fn new(runtime: R) -> Self {
        Self { runtime, tasks: Arc::default() }
    }

    pub(crate) fn tasks(&self) -> usize {
        self.tasks.load(Ordering::SeqCst)
    }
}

impl<R: Runtime> Runtime for Counted<R> {
    type Stream = R::Stream;
    type Listener = R::Listener;

    async fn connect(&self, host: &str, port: u16) -> io::Result<R::Stream> {
        self.runtime.connect(host, port).await
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<R::Listener> {
        self.runtime.listen(address).await
    }

    fn local_addr(&self, listener: &R::Listener) -> io::Result<SocketAddr> {
        self.runtime.local_addr(listener)
    }

    async fn accept(&self, listener: &R::Listener) -> io::Result<(R::Stream, SocketAddr)> {
        self.runtime.accept(listener).await
    }

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    async fn sleep_until(&self, until: Instant) {
        self.runtime.sleep_until(until).await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.fetch_add(1, Ordering::SeqCst);
        let leaves = Leaves(Arc::clone(&self.tasks));
        self.runtime.spawn(async move {
            task.await;
            drop(leaves);
        });
    }
}

/// Runs a test, which may not take long, and whose clients' connections end once they are dropped.
pub(crate) async fn whole<R: Runtime>(runtime: &Counted<R>, test: impl Future<Output = ()>) {
    let late = runtime.now() + Duration::from_secs(60);
    let bounded = async {
        test.await;
        while runtime.tasks() > 0 {
            runtime.sleep_until(runtime.now() + Duration::from_millis(1)).await;
        }
    };
    let timeout = async {
        runtime.sleep_until(late).await;
        panic!("takes too long; {} tasks run", runtime.tasks());
    };
    or(bounded, timeout).await;
}

pub(crate) async fn sleep<R: Runtime>(runtime: &R, time: Duration) {
    runtime.sleep_until(runtime.now() + time).await;
}

/// Runs a task whose result somebody may want.
pub(crate) fn run<R: Runtime, T: Send + 'static>(
    runtime: &R,
    task: impl Future<Output = T> + Send + 'static,
) -> Receiver<T> {
    let (tell, told) = async_channel::bounded(1);
    runtime.spawn(async move {
        let _ = tell.try_send(task.await);
    });
    told
}

/// A server that runs.
pub(crate) struct Running<R> {
    pub(crate) runtime: R,
    pub(crate) address: SocketAddr,
    pub(crate) stop: Sender<()>,
    pub(crate) stopped: Receiver<()>,
}

pub(crate) const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

impl<R: Runtime> Running<R> {
    pub(crate) async fn start<H, F>(runtime: &R, limits: Limits, tls: Option<ServerTls>, handler: H) -> Self
    where
        H: Fn(HttpRequest) -> F + Send + Sync + 'static,
        F: Future<Output = HttpResponse> + Send + 'static,
    {
        let server = HttpServer::bind(runtime.clone(), LOCAL, limits, tls).await.unwrap();
        let address = server.local_addr().unwrap();
        let (stop, asked) = async_channel::bounded::<()>(1);
        let stopped = run(runtime, async move {
            server
                .serve(handler, async {
                    let _ = asked.recv().await;
                })
                .await;
        });
        Self { runtime: runtime.clone(), address, stop, stopped }
    }

    /// A server that says what it got.
    pub(crate) async fn echo(runtime: &R, limits: Limits, tls: Option<ServerTls>) -> Self {
        Self::start(runtime, limits, tls, |request| async move {
            let action = request.action.unwrap_or_default();
            let said = format!("{} {} {action} ", request.connection, request.path);
            HttpResponse::reply(request.content_type, [said.as_bytes(), &request.body].concat())
        })
        .await
    }

    pub(crate) fn client(&self) -> HttpClient<R> {
        let url = format!("http://{}/probe?x=1", self.address);
        HttpClient::new(self.runtime.clone(), &url, None).unwrap()
    }

    pub(crate) fn https(&self, tls: ClientTls) -> HttpClient<R> {
        let url = format!("https://localhost:{}/probe", self.address.port());
        HttpClient::new(self.runtime.clone(), &url, Some(tls)).unwrap()
    }

    pub(crate) async fn connect(&self) -> R::Stream {
        self.runtime.connect("127.0.0.1", self.address.port()).await.unwrap()
    }

    /// Writes raw octets and reads until the server closes.
    pub(crate) async fn raw(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        read_all(stream).await
    }

    /// An ordinary request over another connection is answered.
    pub(crate) async fn still_serves(&self, after: &str) {
        let reply = self.client().exchange(&ContentHeaders::soap12(), "<ok/>", 100).await;
        assert!(reply.as_ref().is_ok_and(|reply| reply.status == 200), "after {after}: {reply:?}");
    }

    /// Stops the server. Of its tasks none is left when it returns.
    pub(crate) async fn stop(&self) {
        self.stop.send(()).await.unwrap();
        self.stopped.recv().await.unwrap();
    }
}

pub(crate) async fn read_all(mut stream: impl futures_lite::AsyncRead + Unpin) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A server that takes `times` connections, reads each until it has seen `until`, writes `answer` and closes.
pub(crate) async fn canned<R: Runtime>(
    runtime: &R,
    times: usize,
    until: &'static [u8],
    answer: impl AsRef<[u8]> + Send + Sync + 'static,
) -> HttpClient<R> {
    let listener = runtime.listen(LOCAL).await.unwrap();
    let url = format!("http://{}/", runtime.local_addr(&listener).unwrap());
    let server = runtime.clone();
    runtime.spawn(async move {
        for _ in 0..times {
            let (mut stream, _) = server.accept(&listener).await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(until) {
                let mut octet = [0];
                stream.read_exact(&mut octet).await.unwrap();
                seen.extend(octet);
            }
            // The client may have seen enough already.
            let _ = stream.write_all(answer.as_ref()).await;
        }
    });
    HttpClient::new(runtime.clone(), &url, None).unwrap()
}

pub(crate) fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}
