//! The keys of sessions that are being renewed: those that wait for their first use, and those that were in use before.
//!
//! Most sessions have none most of the time: WCF renews a key after ten hours, and keeps the old one for five minutes. So all
//! sessions share one table: a place for each of them, which no other can take, and a few for what a session has besides.

use super::server_session::{Generation, KeyUse, Session, SessionId};
use crate::crypto::{AlgorithmSuite, Backend};
use crate::time::{Duration, Instant};
use heapless::Vec;

/// Renewed keys of one session that wait for their first use. WCF: `MaximumPendingKeysPerSession`, fixed.
const MAX_PENDING_KEYS: usize = 5;

/// Keys of all sessions together that are not their session's first here: what one session may have, its old key included.
const SPARE: usize = 6;

/// A key that is not its session's current one.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Renewed {
    session: SessionId,
    /// Until when the key before the last rollover is accepted; `None`: it waits for its first use.
    until: Option<Instant>,
    generation: Generation,
}

/// The keys of all sessions but for their current ones. When there is no place for one more it is refused as an invalid
/// request, as it is when five of the session's own wait.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct RenewedKeys<const SESSIONS: usize> {
    /// At most one of each session, so that there is always room for the first.
    firsts: Vec<Renewed, SESSIONS>,
    spare: Vec<Renewed, SPARE>,
}

impl<const SESSIONS: usize> RenewedKeys<SESSIONS> {
    fn iter(&self) -> impl Iterator<Item = &Renewed> {
        self.firsts.iter().chain(&self.spare)
    }

    fn push(&mut self, key: Renewed) {
        let _ = if self.has_first(key.session) { self.spare.push(key) } else { self.firsts.push(key) };
    }

    fn has_first(&self, session: SessionId) -> bool {
        self.firsts.iter().any(|key| key.session == session)
    }

    fn retain(&mut self, keep: impl Fn(&Renewed) -> bool) {
        self.firsts.retain(&keep);
        self.spare.retain(&keep);
    }

    /// The key that `instance` names, if it is still (or already) good.
    pub(super) fn find<'k>(
        &'k self,
        session: &'k Session,
        instance: Option<&[u8]>,
    ) -> Option<(KeyUse, &'k Generation)> {
        if session.current.is(instance) {
            return Some((KeyUse::Current, &session.current));
        }
        let mut keys = self.iter().enumerate();
        let (index, key) = keys.find(|(_, key)| key.session == session.id && key.generation.is(instance))?;
        let key_use = if key.until.is_some() { KeyUse::Previous } else { KeyUse::Pending(index) };
        Some((key_use, &key.generation))
    }

    /// Is there room for one more key of this session?
    pub(super) fn has_room_for(&self, session: SessionId) -> bool {
        let pending = self.iter().filter(|key| key.session == session && key.until.is_none()).count();
        pending < MAX_PENDING_KEYS && !(self.has_first(session) && self.spare.is_full())
    }

    /// Adds a renewed key, for which there is room.
    pub(super) fn add(&mut self, session: SessionId, generation: Generation) {
        self.push(Renewed { session, until: None, generation });
    }

    /// The first message under a renewed key: it becomes the current one, the others that waited are dropped, and the one
    /// before stays good for the rollover interval.
    pub(super) fn used<B: Backend>(
        &mut self,
        session: &mut Session,
        key: KeyUse,
        now: Instant,
        rollover: Duration,
        suite: AlgorithmSuite,
    ) {
        let KeyUse::Pending(index) = key else { return };
        let Some(next) = self.iter().nth(index).map(|key| key.generation.clone()) else { return };
        let generation = session.roll_over::<B>(next, suite);
        self.forget(session.id);
        // The place of the key that is in use now is free.
        self.push(Renewed { session: session.id, until: Some(now.after(rollover)), generation });
    }

    /// Forgets old keys whose time is over.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.retain(|key| key.until.is_none_or(|until| now < until));
    }

    /// Forgets a session's keys.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.retain(|key| key.session != session);
    }
}
