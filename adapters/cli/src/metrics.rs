//! The page of numbers that Prometheus reads.

use crate::serve::say;
use crate::trouble::Trouble;
use soap_session_tokio::Tokio;
use soap_session_tokio::prometheus::{Endpoint, PATH};
use std::net::SocketAddr;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The page, while it is served.
pub(crate) struct Metrics {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Metrics {
    /// Counts from now on, and serves the page. Call it before clients and servers are made.
    pub(crate) async fn start(address: Option<SocketAddr>) -> Result<Option<Self>, Trouble> {
        let Some(address) = address else { return Ok(None) };
        let wrong = |error: &dyn std::fmt::Display| Trouble::other(error).about(format_args!("--metrics {address}"));
        let endpoint = Endpoint::bind(Tokio, address).await.map_err(|error| wrong(&error))?;
        let address = endpoint.local_addr().map_err(|error| wrong(&error))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(endpoint.serve(async {
            let _ = stopped.await;
        }));
        Ok(Some(Self { address, stop, serving }))
    }

    /// Says where it is.
    pub(crate) fn told(&self) {
        say(format_args!("Metrics at http://{}{PATH}.", self.address));
    }

    pub(crate) async fn stop(self) {
        let Self { stop, serving, .. } = self;
        drop(stop);
        let _ = serving.await;
    }
}
