//! Deadlines on a runtime's clock, for futures and for hyper.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_lite::future::or;
use hyper::rt::{Sleep, Timer};

use crate::Runtime;

/// Waits that long.
pub(crate) async fn sleep<R: Runtime>(runtime: &R, time: Duration) {
    match runtime.now().checked_add(time) {
        Some(until) => runtime.sleep_until(until).await,
        // Further away than the clock goes.
        None => std::future::pending().await,
    }
}

/// What `work` brings, or nothing if it takes longer than `time`.
///
/// On the heap: futures that hold futures by value double in size with every one around them.
pub(crate) fn within<R: Runtime, T>(
    runtime: &R,
    time: Duration,
    work: impl Future<Output = T> + Send,
) -> impl Future<Output = Option<T>> + Send {
    let mut work = Box::pin(work);
    let work = poll_fn(move |cx| work.as_mut().poll(cx).map(Some));
    or(work, async move {
        sleep(runtime, time).await;
        None
    })
}

/// The runtime's clock as hyper asks for it.
pub(crate) struct HyperTimer<R>(pub(crate) R);

/// Hyper wants a future that may be looked at from several threads, though nobody does; the lock is never contended.
struct Sleeping(Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl<R: Runtime> Timer for HyperTimer<R> {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let runtime = self.0.clone();
        Box::pin(Sleeping(Mutex::new(Box::pin(async move { sleep(&runtime, duration).await }))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let runtime = self.0.clone();
        Box::pin(Sleeping(Mutex::new(Box::pin(async move { runtime.sleep_until(deadline).await }))))
    }

    fn now(&self) -> Instant {
        self.0.now()
    }
}

impl Sleep for Sleeping {}

impl Future for Sleeping {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(cx)
    }
}
