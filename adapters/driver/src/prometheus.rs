//! The [metrics](crate::telemetry#metrics) as Prometheus reads them: `GET /metrics`, on an address of its own.
//!
//! The page is not protected, and tells how much a service is used: bind it where only Prometheus comes.

use crate::Runtime;
use crate::group::Group;
use crate::http::{HttpResponse, HttpServer, Limits};
use crate::telemetry::{self, CALL_DURATION};
use crate::timing::sleep;
use futures_lite::future::or;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Where the page is.
pub const PATH: &str = "/metrics";
/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Upper bounds of the durations of calls, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// How often durations that nobody has read are put together.
const UPKEEP: Duration = Duration::from_secs(5);
/// Connections at once.
const CONNECTIONS: usize = 16;

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Why there are no metrics to be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum PrometheusError {
    /// The process has another recorder already: there can be only one.
    Recorder(BuildError),
    /// The address cannot be bound.
    Bind(io::Error),
}

impl fmt::Display for PrometheusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorder(error) => write!(f, "this process has another recorder of metrics: {error}"),
            Self::Bind(error) => write!(f, "cannot bind the address for metrics: {error}"),
        }
    }
}

impl Error for PrometheusError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Recorder(error) => Some(error),
            Self::Bind(error) => Some(error),
        }
    }
}

/// Records this process's metrics from now on: call it before clients and servers are made. A second call does nothing.
///
/// Without a [server](serve) nobody puts together what is recorded: call [`render`] now and then.
///
/// # Errors
/// [`PrometheusError::Recorder`].
pub fn install() -> Result<(), PrometheusError> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if RECORDER.get().is_some() {
        return Ok(());
    }
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Full(CALL_DURATION.to_owned()), BUCKETS);
    let handle = builder.and_then(PrometheusBuilder::install_recorder).map_err(PrometheusError::Recorder)?;
    telemetry::describe();
    RECORDER.get_or_init(|| handle);
    Ok(())
}

/// The page, in Prometheus' text format; empty unless [installed](install).
pub fn render() -> String {
    RECORDER.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// [Installs](install) the recorder and serves the page at `address` until `shutdown` is ready.
///
/// # Errors
/// [`PrometheusError`].
pub async fn serve<R: Runtime>(
    runtime: R,
    address: SocketAddr,
    shutdown: impl Future<Output = ()>,
) -> Result<(), PrometheusError> {
    Endpoint::bind(runtime, address).await?.serve(shutdown).await;
    Ok(())
}

/// The page's server, bound to its address and not yet served.
#[derive(Debug)]
pub struct Endpoint<R: Runtime> {
    http: HttpServer<R>,
    runtime: R,
}

impl<R: Runtime> Endpoint<R> {
    /// [Installs](install) the recorder and binds the address; port 0 lets the system choose.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn bind(runtime: R, address: SocketAddr) -> Result<Self, PrometheusError> {
        install()?;
        let limits = Limits { body: 0, connections: CONNECTIONS, drain: Duration::ZERO, ..Limits::default() };
        let http = HttpServer::bind(runtime.clone(), address, limits, None).await.map_err(PrometheusError::Bind)?;
        Ok(Self { http: http.with_page(PATH, page), runtime })
    }

    /// The address.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// Serves until `shutdown` is ready.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { http, runtime } = self;
        let upkeep = Group::default();
        let ticking = runtime.clone();
        upkeep.spawn(&runtime, |group| async move {
            let tick = async {
                loop {
                    sleep(&ticking, UPKEEP).await;
                    RECORDER.get().inspect(|recorder| recorder.run_upkeep());
                }
            };
            or(group.asked_to_finish(), tick).await;
        });
        // No request gets as far as this: whatever is not the page is answered before.
        http.serve(|_| async { page() }, shutdown).await;
        upkeep.cut();
        upkeep.room_below(1).await;
    }
}

fn page() -> HttpResponse {
    HttpResponse { status: 200, content_type: Some(TEXT.to_owned()), body: render().into() }
}
