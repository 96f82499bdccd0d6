//! What a runtime has to bring.

use futures_io::{AsyncRead, AsyncWrite};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

/// Sockets, a clock and tasks.
///
/// A runtime decides nothing: it does what it is told, as its names say.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connection. Dropping it closes it.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// A socket that takes connections.
    type Listener: Send + Sync + 'static;

    /// Connects to the first of the host's addresses that answers.
    fn connect(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Takes connections on this address; port 0 lets the system choose.
    fn listen(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// The address that connections are taken on.
    ///
    /// # Errors
    /// The system's.
    fn local_addr(&self, listener: &Self::Listener) -> io::Result<SocketAddr>;

    /// Waits for the next connection.
    fn accept(&self, listener: &Self::Listener) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Now, by the clock that [`sleep_until`](Self::sleep_until) waits for.
    fn now(&self) -> Instant;

    /// The calendar's time, of which a client and a server take note when they are made: timestamps are that and what passes by
    /// [`now`](Self::now) from then on. A runtime whose time is simulated has a calendar of its own, so that a test does not hang
    /// on the day it is run.
    fn calendar(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Waits until then.
    fn sleep_until(&self, until: Instant) -> impl Future<Output = ()> + Send;

    /// Runs a task that nobody waits for.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}
