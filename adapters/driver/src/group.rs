//! Tasks that belong together: how many run, when to finish, when to be gone.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use event_listener::Event;
use futures_lite::future::or;

use crate::Runtime;

/// Something that happens once, and that everybody may wait for.
#[derive(Default)]
pub(crate) struct Signal {
    raised: AtomicBool,
    event: Event,
}

impl Signal {
    pub(crate) fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
        self.event.notify(usize::MAX);
    }

    pub(crate) async fn raised(&self) {
        wait_until(&self.event, || self.raised.load(Ordering::SeqCst)).await;
    }
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    ended: Event,
    finish: Signal,
    cut: Signal,
}

/// Tasks of one owner. Dropping it cuts off those that still run.
#[derive(Default)]
pub(crate) struct Group(Arc<Shared>);

/// A task's place in its group.
struct Place(Arc<Shared>);

/// What a task knows of its group.
pub(crate) struct Membership(Arc<Shared>);

impl Membership {
    /// The owner asks everybody to come to an end.
    pub(crate) async fn asked_to_finish(&self) {
        self.0.finish.raised().await;
    }
}

impl Group {
    /// Runs a task, whose future is dropped when the group cuts it off.
    pub(crate) fn spawn<R: Runtime, F>(&self, runtime: &R, task: impl FnOnce(Membership) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.running.fetch_add(1, Ordering::SeqCst);
        let place = Place(Arc::clone(&self.0));
        // On the heap at once: it is moved from hand to hand until it runs.
        let task = Box::pin(task(Membership(Arc::clone(&self.0))));
        runtime.spawn(async move {
            or(place.0.cut.raised(), task).await;
            // What the task held is gone before its place is.
            drop(place);
        });
    }

    /// Fewer than `limit` tasks run.
    pub(crate) async fn room_below(&self, limit: usize) {
        wait_until(&self.0.ended, || self.0.running.load(Ordering::SeqCst) < limit).await;
    }

    /// Asks everybody to come to an end.
    pub(crate) fn finish(&self) {
        self.0.finish.raise();
    }

    /// Ends everybody at once.
    pub(crate) fn cut(&self) {
        self.0.cut.raise();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.notify(usize::MAX);
    }
}

async fn wait_until(event: &Event, holds: impl Fn() -> bool) {
    while !holds() {
        let next = event.listen();
        // It may have become true before we listened.
        if holds() {
            return;
        }
        next.await;
    }
}
