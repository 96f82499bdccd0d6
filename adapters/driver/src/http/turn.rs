//! Whose turn it is to be written: exchanges that have an order, though each has a connection of its own.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

use crate::Runtime;
use crate::timing::within;

/// How long a message waits for the one before it: by then WCF takes that for lost, and it may go on waiting for its connection for
/// long.
const PATIENCE: Duration = Duration::from_millis(400);

/// Those that go out one after the other.
#[derive(Default)]
pub(crate) struct Row {
    last: Option<oneshot::Receiver<Infallible>>,
}

/// A message's place in a row.
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<Infallible>>,
    next: Next,
}

/// Dropped once its message is with the system, or never will be: then it is the next one's turn.
struct Next {
    _told: oneshot::Sender<Infallible>,
}

impl Row {
    /// The place behind everybody.
    pub(crate) fn place(&mut self) -> Turn {
        let (told, waits) = oneshot::channel();
        Turn { before: self.last.replace(waits), next: Next { _told: told } }
    }
}

/// What a connection has taken, and has not handed on to the system yet.
#[derive(Clone, Default)]
pub(crate) struct Taken(Arc<Mutex<Option<Next>>>);

impl Taken {
    /// Everything that was taken has been handed on.
    pub(crate) fn flushed(&self) {
        drop(self.put(None));
    }

    fn put(&self, next: Option<Next>) -> Option<Next> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), next)
    }
}

/// The body of a request, which may have a turn.
pub(crate) struct Posted {
    body: Full<Bytes>,
    turn: Option<Turn>,
    by: Taken,
}

impl Posted {
    pub(crate) fn new(body: Bytes, turn: Option<Turn>) -> Self {
        Self { body: Full::new(body), turn, by: Taken::default() }
    }

    /// Waits until it is its turn to go out by this connection.
    pub(crate) async fn come<R: Runtime>(&mut self, runtime: &R, by: &Taken) {
        self.by = by.clone();
        if let Some(before) = self.turn.as_mut().and_then(|turn| turn.before.take()) {
            let _ = within(runtime, PATIENCE, before).await;
        }
    }
}

impl Body for Posted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if self.body.is_end_stream() {
            let next = self.turn.take().map(|turn| turn.next);
            drop(self.by.put(next));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]

    use super::*;
    use futures_lite::future::{block_on, poll_once};
    use std::future::poll_fn;

    /// Three messages in a row; the second and the third with what they wait for.
    fn three() -> (Posted, [oneshot::Receiver<Infallible>; 2], [Turn; 2]) {
        let mut row = Row::default();
        let turns = [(); 3].map(|()| row.place());
        let [first, mut second, mut third] = turns;
        assert!(first.before.is_none());
        let before = [second.before.take().unwrap(), third.before.take().unwrap()];
        (Posted::new(Bytes::from_static(b"<a/>"), Some(first)), before, [second, third])
    }

    fn is_over(before: &mut oneshot::Receiver<Infallible>) -> bool {
        block_on(poll_once(before)).is_some()
    }

    #[test]
    fn the_next_one_goes_when_the_one_before_is_with_the_system() {
        let (mut first, [mut second, mut third], [turn, last]) = three();
        let by = first.by.clone();
        assert!(!is_over(&mut second));
        let frame = block_on(poll_fn(|cx| Pin::new(&mut first).poll_frame(cx)));
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), "<a/>");
        // The connection has it, and the system has not.
        assert!(!is_over(&mut second));
        drop(first);
        assert!(!is_over(&mut second));
        by.flushed();
        assert!(is_over(&mut second) && !is_over(&mut third));
        drop((turn, last));
    }

    #[test]
    fn who_goes_away_lets_the_next_one_go() {
        let (first, [mut second, mut third], [turn, last]) = three();
        // Its connection could not be made, or nobody waits for it any more.
        drop(first);
        assert!(is_over(&mut second) && !is_over(&mut third));
        drop(turn);
        assert!(is_over(&mut third));
        drop(last);
    }

    #[test]
    fn a_connection_that_ends_lets_the_next_one_go() {
        let (mut first, [mut second, _], _turns) = three();
        let by = std::mem::take(&mut first.by);
        first.by = by.clone();
        let _ = block_on(poll_fn(|cx| Pin::new(&mut first).poll_frame(cx)));
        drop(first);
        assert!(!is_over(&mut second));
        drop(by);
        assert!(is_over(&mut second));
    }
}
