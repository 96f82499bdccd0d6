//! What Tokio brings.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use soap_session_driver::Runtime;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// Tokio's sockets, timers and tasks. Everything has to be called inside a Tokio runtime, as usual there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

impl Runtime for Tokio {
    type Stream = Compat<TcpStream>;
    type Listener = TcpListener;

    async fn connect(&self, host: &str, port: u16) -> io::Result<Compat<TcpStream>> {
        let stream = TcpStream::connect((host, port)).await?;
        // Messages are written whole: waiting for more only costs time.
        stream.set_nodelay(true)?;
        Ok(stream.compat())
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    fn local_addr(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(Compat<TcpStream>, SocketAddr)> {
        let (stream, peer) = listener.accept().await?;
        // Only costs time if it fails.
        let _ = stream.set_nodelay(true);
        Ok((stream.compat(), peer))
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    async fn sleep_until(&self, until: Instant) {
        tokio::time::sleep_until(until.into()).await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }
}
