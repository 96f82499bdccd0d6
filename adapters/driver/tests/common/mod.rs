//! What tests share.

use futures_channel::oneshot;
use soap_session_driver::{Runtime, Server, ServerOptions, Service, Watch};
use std::net::SocketAddr;

/// A server that runs until it is told to stop.
pub(crate) struct Running<R: Runtime, S: Service> {
    pub(crate) address: SocketAddr,
    pub(crate) watch: Watch<R, S>,
    stop: oneshot::Sender<()>,
    served: oneshot::Receiver<()>,
}

impl<R: Runtime + Default, S: Service> Running<R, S> {
    /// Serves at a port of the system's choice.
    pub(crate) async fn start(options: ServerOptions, service: S) -> Self {
        let server = Server::<R, _>::bind("127.0.0.1:0".parse().unwrap(), options, service).await.unwrap();
        let (address, watch) = (server.local_addr().unwrap(), server.watch());
        let (stop, stopped) = oneshot::channel();
        let (tell, served) = oneshot::channel();
        R::default().spawn(async move {
            server
                .serve(async {
                    let _ = stopped.await;
                })
                .await;
            let _ = tell.send(());
        });
        Self { address, watch, stop, served }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(self) -> Watch<R, S> {
        drop(self.stop);
        self.served.await.unwrap();
        self.watch
    }
}
