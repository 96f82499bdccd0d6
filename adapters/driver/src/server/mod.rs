//! A server: a service at an address, and its sessions.

mod calls;
mod drive;
mod heap;
mod layer;
mod make;
mod requests;
mod service;
mod session_fn;
mod shard;
mod telemetry;

pub use make::{ServeError, ServerOptions};
pub use service::{Answer, Call, Service, ServiceFn, SessionId, service_fn};
pub use session_fn::{SessionFn, session_fn};

use crate::Runtime;
use crate::group::Group;
use crate::http::HttpServer;
use crate::timing::within;
use drive::Shared;
use soap_session_core::throttle::{Pressure, Throttle};
use soap_session_core::time::Duration;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// A server that is bound to its address, and not yet served.
///
/// ```no_run
/// # async fn example<R: soap_session_driver::Runtime + Default>() -> Result<(), Box<dyn std::error::Error>> {
/// use soap_session_driver::{Answer, Binding, Server, ServerOptions, service_fn};
/// let echo = service_fn(|call| async move { Answer::reply(format!("{}Response", call.action), call.body) });
/// let options = ServerOptions::new(Binding::ws_http().with_reliable_session(true)?);
/// let server = Server::<R, _>::bind("127.0.0.1:8000".parse()?, options, echo).await?;
/// server.serve(std::future::pending()).await;
/// # Ok(()) }
/// ```
pub struct Server<R: Runtime, S: Service> {
    http: HttpServer<R>,
    shared: Arc<Shared<R, S>>,
    close: Duration,
}

impl<R: Runtime + Default, S: Service> Server<R, S> {
    /// A server of `service` at `address`; port 0 lets the system choose.
    ///
    /// # Errors
    /// [`ServeError`]: the binding cannot carry the contract, a limit cannot be, or the address cannot be bound.
    pub async fn bind(address: SocketAddr, options: ServerOptions, service: S) -> Result<Self, ServeError> {
        let runtime = R::default();
        let (tls, close) = (options.tls.clone(), options.close);
        let mut limits = options.http.clone();
        limits.body = options.binding.limits.message as usize;
        limits.expected = Some(options.binding.soap());
        let shared = make::make(runtime.clone(), options, service)?;
        let http = HttpServer::bind(runtime, address, limits, tls).await.map_err(ServeError::Bind)?;
        Ok(Self { http, shared, close })
    }
}

impl<R: Runtime, S: Service> Server<R, S> {
    /// The address.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// What can be asked while it is served.
    pub fn watch(&self) -> Watch<R, S> {
        Watch { shared: Arc::clone(&self.shared) }
    }

    /// Serves until `shutdown` is ready. Then no new session is taken, those that there are get [`ServerOptions::close`] to be
    /// closed by their clients, and the rest is aborted, as WCF's host does. When this returns no task of the server is left.
    /// Dropping the future ends everything at once.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { http, shared, close } = self;
        telemetry::serves(http.local_addr().ok());
        // Calls hold what they are part of: it would not go before them.
        let _cut = Cut(&shared);
        let timer = Group::default();
        timer.spawn(&shared.runtime, |_| Arc::clone(&shared).keep_time());
        let ending = Arc::clone(&shared);
        let wound_up = async move {
            shutdown.await;
            telemetry::stops(ending.sessions());
            if within(&ending.runtime, close, ending.wind_up()).await.is_none() {
                telemetry::unclosed(ending.sessions());
            }
            // Those that were opened and never used are nobody's to close.
            ending.abort_all();
        };
        let serving = Arc::clone(&shared);
        http.serve(move |request| Arc::clone(&serving).exchange(request), wound_up).await;
        timer.cut();
        timer.room_below(1).await;
        shared.calls.cut();
        shared.calls.room_below(1).await;
        telemetry::stopped();
    }
}

/// Ends the calls that run, when serving ends before its time.
struct Cut<'s, R: Runtime, S: Service>(&'s Shared<R, S>);

impl<R: Runtime, S: Service> Drop for Cut<'_, R, S> {
    fn drop(&mut self) {
        self.0.calls.cut();
    }
}

impl<R: Runtime, S: Service> fmt::Debug for Server<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.local_addr().ok()).finish_non_exhaustive()
    }
}

/// How a server stands, while it is served.
pub struct Watch<R: Runtime, S: Service> {
    shared: Arc<Shared<R, S>>,
}

impl<R: Runtime, S: Service> Clone for Watch<R, S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<R: Runtime, S: Service> Watch<R, S> {
    /// How many sessions there are whose first message has been taken.
    pub fn sessions(&self) -> usize {
        self.shared.sessions()
    }

    /// How a throttle stands: in words, with [`Display`](fmt::Display).
    pub fn pressure(&self, throttle: Throttle) -> Pressure {
        self.shared.pressure(throttle)
    }

    /// The service.
    pub fn service(&self) -> &S {
        &self.shared.service
    }
}

impl<R: Runtime, S: Service> fmt::Debug for Watch<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("sessions", &self.sessions()).finish_non_exhaustive()
    }
}
