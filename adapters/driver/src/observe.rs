//! Seeing what passes.

use bytes::Bytes;
use soap_session_core::exchange::Exchange;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which way an envelope went, from where it was seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Way {
    /// It was sent.
    Sent,
    /// It was received.
    Received,
}

/// An envelope that passed, as it was on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passed<'m> {
    /// No other envelope of this process has this number.
    pub number: u64,
    /// Which way.
    pub way: Way,
    /// HTTP status of an answer; `None` for a request, which goes towards the service.
    pub status: Option<u16>,
    /// The envelope; empty for an answer without one.
    pub message: &'m [u8],
    /// The exchange that it belongs to: a number of its client's or server's own.
    pub exchange: Exchange,
}

/// Sees every envelope that passes. It is called from the task that carries the message, without any lock: it must not block.
pub trait Observer: Send + Sync {
    /// An envelope passed.
    fn passed(&self, passed: &Passed<'_>);

    /// Are envelopes that were received to be shown once more, [`opened`](Self::opened)? Each is then copied once more, too.
    fn wants_opened(&self) -> bool {
        false
    }

    /// An envelope that was received, after the machine decrypted it: [`Passed::message`] is in clear, and the rest is as it was in
    /// [`passed`](Self::passed). It says nothing about whether the machine believed what it read. Envelopes that were sent are
    /// not shown, nor those in which nothing was encrypted, nor those that were refused.
    fn opened(&self, opened: &Passed<'_>) {
        let _ = opened;
    }
}

/// The number of the next envelope.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Somebody who watches, or nobody.
#[derive(Clone, Default)]
pub(crate) struct Watched(pub(crate) Option<Arc<dyn Observer>>);

/// An envelope that was received, and is to be shown once more when it is opened.
pub(crate) struct Seen {
    number: u64,
    status: Option<u16>,
    exchange: Exchange,
    wire: Bytes,
    opened: Option<Bytes>,
}

impl Seen {
    /// What the machine has made of it.
    pub(crate) fn opened(&mut self, message: &Bytes) {
        if self.wire != *message {
            self.opened = Some(message.clone());
        }
    }
}

impl Watched {
    pub(crate) fn passed(&self, way: Way, status: Option<u16>, message: &Bytes, exchange: Exchange) -> Option<Seen> {
        let observer = self.0.as_ref()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        observer.passed(&Passed { number, way, status, message, exchange });
        let again = way == Way::Received && observer.wants_opened();
        again.then(|| Seen { number, status, exchange, wire: message.clone(), opened: None })
    }

    pub(crate) fn opened(&self, seen: Option<Seen>) {
        if let (Some(observer), Some(Seen { number, status, exchange, opened: Some(message), .. })) = (&self.0, seen) {
            observer.opened(&Passed { number, way: Way::Received, status, message: &message, exchange });
        }
    }
}
