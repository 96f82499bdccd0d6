//! One secure conversation in a service's table.

use super::Binding;
use super::context_name::ContextName;
use super::conversation::UrnUuid;
use super::emit::UniqueIds;
use super::phase::{AcceptorEvent, AcceptorPhase};
use super::session_keys::SessionKeys;
use crate::chance::{Entropy, Uuid};
use crate::crypto::{Backend, SecretKey};
use crate::time::{Duration, Instant, UnixMillis};
use heapless::{String, Vec};

/// Renewed keys that wait for their first use. WCF: `MaximumPendingKeysPerSession`, fixed.
pub(super) const MAX_PENDING_KEYS: usize = 5;

/// The number of a session at one acceptor, unique for the acceptor's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SessionId(pub u32);

/// One key of a session, and the derived keys that the service uses under it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Generation {
    /// `None` for the first key.
    pub(super) instance: Option<UrnUuid>,
    pub(super) key: SecretKey,
    /// In cookie mode keys are derived for each message.
    pub(super) keys: Option<SessionKeys>,
    pub(super) expires: UnixMillis,
}

impl Generation {
    pub(super) fn new<B: Backend>(
        instance: Option<Uuid>,
        key: SecretKey,
        expires: UnixMillis,
        binding: &Binding,
        ids: &mut UniqueIds,
        entropy: &mut dyn Entropy,
    ) -> Self {
        let keys = SessionKeys::fresh::<B>(&key, binding.suite, ids, entropy);
        Self { instance: instance.map(UrnUuid::of), key, keys: Some(keys), expires }
    }

    /// The key of a token that carries its state.
    pub(super) fn in_cookie(instance: Option<Uuid>, key: SecretKey, expires: UnixMillis) -> Self {
        Self { instance: instance.map(UrnUuid::of), key, keys: None, expires }
    }

    fn is(&self, instance: Option<&[u8]>) -> bool {
        self.instance.as_ref().map(UrnUuid::as_bytes) == instance
    }
}

/// One session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) phase: AcceptorPhase,
    pub(super) identifier: UrnUuid,
    pub(super) current: Generation,
    /// The key before the last rollover, and until when it is accepted.
    previous: Option<(Generation, Instant)>,
    pending: Vec<Generation, MAX_PENDING_KEYS>,
    /// Who opened it; empty for an anonymous client. Only they may renew it.
    pub(super) user: String<128>,
}

/// Which of a session's keys protected a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeyUse {
    Current,
    Previous,
    Pending(usize),
}

impl Session {
    pub(super) fn new(id: SessionId, identifier: Uuid, current: Generation, user: String<128>) -> Self {
        Self {
            id,
            phase: AcceptorPhase::Pending,
            identifier: UrnUuid::of(identifier),
            current,
            previous: None,
            pending: Vec::new(),
            user,
        }
    }

    /// The key that `instance` names, if it is still (or already) good.
    pub(super) fn find(&self, instance: Option<&[u8]>) -> Option<(KeyUse, &Generation)> {
        if self.current.is(instance) {
            return Some((KeyUse::Current, &self.current));
        }
        if let Some((previous, _)) = self.previous.as_ref().filter(|(previous, _)| previous.is(instance)) {
            return Some((KeyUse::Previous, previous));
        }
        let index = self.pending.iter().position(|pending| pending.is(instance))?;
        Some((KeyUse::Pending(index), self.pending.get(index)?))
    }

    /// Is this the name of one of the session's keys?
    pub(super) fn named(&self, name: &ContextName) -> bool {
        self.identifier.as_bytes() == name.identifier()
    }

    /// Adds a renewed key; `Err` gives it back when too many wait for their first use.
    pub(super) fn add_pending(&mut self, generation: Generation) -> Result<(), Generation> {
        self.pending.push(generation)
    }

    pub(super) fn pending_is_full(&self) -> bool {
        self.pending.is_full()
    }

    /// The first message under a renewed key: it becomes the current one, the others that waited are dropped, and the one
    /// before stays good for the rollover interval.
    pub(super) fn used(&mut self, key: KeyUse, now: Instant, rollover: Duration) {
        let KeyUse::Pending(index) = key else { return };
        if index < self.pending.len() {
            let next = self.pending.swap_remove(index);
            let old = core::mem::replace(&mut self.current, next);
            self.previous = Some((old, now.after(rollover)));
            self.pending.clear();
        }
    }

    /// Forgets the old key when its time is over.
    pub(super) fn forget_old(&mut self, now: Instant) {
        if self.previous.as_ref().is_some_and(|(_, until)| now >= *until) {
            self.previous = None;
        }
    }

    /// `false` refuses the event; nothing has changed then.
    pub(super) fn step(&mut self, event: AcceptorEvent) -> bool {
        match self.phase.next(event) {
            Some(next) => {
                self.phase = next;
                true
            }
            None => false,
        }
    }

    pub(super) const fn is_pending(&self) -> bool {
        matches!(self.phase, AcceptorPhase::Pending | AcceptorPhase::Aging)
    }
}
