//! A connection, plain or protected, and its face to hyper.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsStream;
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::Runtime;
use crate::http::Taken;
use crate::timing::sleep;

/// Octets moved from a socket at once.
const CHUNK: usize = 8 * 1024;

/// A connection, plain or protected by TLS.
pub(crate) enum Transport<S> {
    Plain(Peeked<S>),
    Tls(Box<TlsStream<Peeked<S>>>),
}

/// A stream whose first octet was looked at.
pub(crate) struct Peeked<S> {
    first: Option<u8>,
    stream: S,
}

impl<S> Peeked<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { first: None, stream }
    }
}

impl<S: AsyncRead + Unpin> Peeked<S> {
    /// The first octet, which will be read again. Nothing at the end of the stream.
    pub(crate) async fn first(&mut self) -> io::Result<Option<u8>> {
        let mut octet = [0; 1];
        if futures_lite::AsyncReadExt::read(&mut self.stream, &mut octet).await? == 1 {
            self.first = octet.first().copied();
        }
        Ok(self.first)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Peeked<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if let (Some(octet), Some(room)) = (self.first, buffer.first_mut()) {
            *room = octet;
            self.first = None;
            return Poll::Ready(Ok(1));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Peeked<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Transport<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_close(cx),
            Self::Tls(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}

/// What a server's connection and its service tell each other.
#[derive(Default)]
pub(crate) struct Progress {
    /// A request is being answered: from its head to the last octet of its answer.
    busy: AtomicBool,
    /// Its answer is ready to be written.
    answered: AtomicBool,
    /// Some of its body was not read.
    unread: AtomicBool,
}

impl Progress {
    pub(crate) fn request(&self) {
        self.busy.store(true, Ordering::Relaxed);
        // Hyper has read over what was left of the one before.
        self.unread.store(false, Ordering::Relaxed);
    }

    pub(crate) fn answer(&self, whole_body_read: bool) {
        self.answered.store(true, Ordering::Relaxed);
        if !whole_body_read {
            self.unread.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    pub(crate) fn left_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    fn flushed(&self) {
        if self.answered.swap(false, Ordering::Relaxed) {
            self.busy.store(false, Ordering::Relaxed);
        }
    }
}

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long the other side may take nothing of what is written.
pub(crate) struct Patience {
    begin: Box<dyn Fn() -> Waiting + Send>,
    waiting: Option<Waiting>,
}

impl Patience {
    pub(crate) fn new<R: Runtime>(runtime: &R, limit: Duration) -> Self {
        let runtime = runtime.clone();
        let begin = move || {
            let runtime = runtime.clone();
            Box::pin(async move { sleep(&runtime, limit).await }) as Waiting
        };
        Self { begin: Box::new(begin), waiting: None }
    }

    fn lost(&mut self, cx: &mut Context<'_>) -> bool {
        self.waiting.get_or_insert_with(&self.begin).as_mut().poll(cx).is_ready()
    }
}

/// The face to hyper.
pub(crate) struct HyperStream<S> {
    stream: S,
    /// A server's.
    progress: Option<Arc<Progress>>,
    /// A client's.
    taken: Option<Taken>,
    patience: Option<Patience>,
    /// Hyper refused a head with this status; its words were held back.
    refused: Option<u16>,
}

impl<S> HyperStream<S> {
    /// Of a client, whose next message may wait until this connection has handed on what it has taken.
    pub(crate) fn of_client(stream: S, taken: Taken) -> Self {
        Self { stream, progress: None, taken: Some(taken), patience: None, refused: None }
    }

    /// Of a server, which words what hyper refuses by itself, for hyper says the status only, and which does not wait for ever for a
    /// client to read.
    pub(crate) fn of_server(stream: S, progress: Arc<Progress>, patience: Patience) -> Self {
        Self { stream, progress: Some(progress), taken: None, patience: Some(patience), refused: None }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// The status with which hyper refused a head; nothing was written.
    pub(crate) fn refused(&self) -> Option<u16> {
        self.refused
    }

    fn refusal_by_hyper(&self, octets: &[u8]) -> Option<u16> {
        if self.progress.as_ref()?.is_busy() {
            return None;
        }
        let status = octets.strip_prefix(b"HTTP/1.1 ")?.first_chunk::<3>()?;
        std::str::from_utf8(status).ok()?.parse().ok().filter(|status| (400..500).contains(status))
    }
}

impl<S> HyperStream<S> {
    fn unless_stalled<T>(&mut self, outcome: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Some(patience) = &mut self.patience else { return outcome };
        if outcome.is_ready() {
            patience.waiting = None;
            outcome
        } else if patience.lost(cx) {
            Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
        } else {
            Poll::Pending
        }
    }
}

impl<S: AsyncRead + Unpin> Read for HyperStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // Hyper's buffer cannot be lent without unsafe code; the copy is small beside the system call.
        let mut chunk = [0; CHUNK];
        let room = chunk.len().min(buffer.remaining());
        let (room, _) = chunk.split_at_mut(room);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, room))?;
        let (read, _) = room.split_at(read.min(room.len()));
        buffer.put_slice(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Write for HyperStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.refused = self.refused.or_else(|| self.refusal_by_hyper(octets));
        if self.refused.is_some() {
            return Poll::Ready(Ok(octets.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, octets);
        self.unless_stalled(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        ready!(self.unless_stalled(flushed, cx))?;
        if let Some(progress) = &self.progress {
            progress.flushed();
        }
        if let Some(taken) = &self.taken {
            taken.flushed();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
