//! What smol brings.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use smol::Timer;
use smol::net::{TcpListener, TcpStream};
use soap_session_driver::Runtime;

/// Smol's sockets, timers and global executor (whose threads the environment's `SMOL_THREADS` counts; one by default).
#[derive(Clone, Copy, Debug, Default)]
pub struct Smol;

impl Runtime for Smol {
    type Stream = TcpStream;
    type Listener = TcpListener;

    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((host, port)).await?;
        // Messages are written whole: waiting for more only costs time.
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    fn local_addr(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = listener.accept().await?;
        // Only costs time if it fails.
        let _ = stream.set_nodelay(true);
        Ok((stream, peer))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    async fn sleep_until(&self, until: Instant) {
        Timer::at(until).await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }
}
