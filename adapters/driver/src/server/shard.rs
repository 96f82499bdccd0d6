//! One shard of a server: an endpoint, and the goods that it keeps books of.

use super::heap::Heap;
use super::layer::Layer;
use super::service::SessionId;
use super::telemetry::ShardTelemetry;
use crate::http::HttpResponse;
use crate::letter::Letter;
use bytes::Bytes;
use event_listener::Event;
use futures_channel::oneshot;
use soap_session_core::door::Census;
use soap_session_core::exchange::Exchange;
use soap_session_core::session::{Kept, Owner, ServiceEndpoint};
use soap_session_core::time::{Deadline, Instant};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A message that waits for its turn.
pub(super) struct Held {
    pub(super) action: String,
    pub(super) body: Bytes,
    pub(super) two_way: bool,
    /// The namespace and the name of a header block that must be understood and is not.
    pub(super) block: Option<(String, String)>,
}

pub(super) struct State {
    pub(super) endpoint: ServiceEndpoint<Letter, Layer, Heap>,
    /// Where messages are written.
    pub(super) out: Vec<u8>,
    /// Who waits for the answer of an exchange.
    pub(super) waiting: HashMap<Exchange, oneshot::Sender<HttpResponse>>,
    /// One of them waits no longer.
    pub(super) room: Event,
    /// A message was taken in: those that overtook it may follow.
    pub(super) taken: Event,
    /// How many wait for that.
    pub(super) early: usize,
    pub(super) kept: HashMap<Kept, Held>,
    pub(super) sessions: HashMap<Owner, Option<SessionId>>,
    /// What the door was last told.
    pub(super) census: Census,
    pub(super) telemetry: ShardTelemetry,
}

impl State {
    /// Somebody else may wait in its place.
    pub(super) fn no_longer_waits(&mut self, exchange: Exchange) -> Option<oneshot::Sender<HttpResponse>> {
        let waited = self.waiting.remove(&exchange)?;
        self.room.notify_additional(1);
        Some(waited)
    }
}

pub(super) struct Shard {
    state: Mutex<State>,
    deadline: Due,
}

impl Shard {
    pub(super) const fn new(state: State) -> Self {
        Self { state: Mutex::new(state), deadline: Due::never() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn deadline(&self) -> &Due {
        &self.deadline
    }
}

/// A deadline that is read without a lock.
pub(super) struct Due(AtomicU64);

impl Due {
    pub(super) const fn never() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }

    pub(super) fn get(&self) -> Deadline {
        match self.0.load(Ordering::SeqCst) {
            u64::MAX => Deadline::Never,
            millis => Deadline::At(Instant::from_millis(millis)),
        }
    }

    pub(super) fn set(&self, deadline: Deadline) {
        let millis = match deadline {
            Deadline::At(at) => at.as_millis(),
            Deadline::Never => u64::MAX,
        };
        self.0.store(millis, Ordering::SeqCst);
    }
}
