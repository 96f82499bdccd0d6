//! One secure conversation in a service's table.

use super::context_name::ContextName;
use super::conversation::UrnUuid;
use super::emit::UniqueIds;
use super::phase::{AcceptorEvent, AcceptorPhase};
use super::session_keys::{KeptKeys, KeySeeds, SessionKeys};
use crate::chance::{Entropy, Uuid};
use crate::crypto::{AlgorithmSuite, Backend, DigestAlgorithm, Hasher, SecretKey, ShortKey};
use crate::time::UnixMillis;

/// The number of a session at one acceptor, unique for the acceptor's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SessionId(pub u32);

/// Longest key of a session, in bytes: [`AlgorithmSuite::accepts_key_bits`](crate::crypto::AlgorithmSuite::accepts_key_bits).
const MAX_KEY: usize = 32;

/// One key of a session, and what the keys are made of that the service derives from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Generation {
    /// `None` for the first key.
    instance: Option<Uuid>,
    key: ShortKey<MAX_KEY>,
    seeds: KeySeeds,
    pub(super) expires: UnixMillis,
}

impl Generation {
    pub(super) fn new(
        instance: Option<Uuid>,
        key: &SecretKey,
        expires: UnixMillis,
        ids: &mut UniqueIds,
        entropy: &mut dyn Entropy,
    ) -> Self {
        Self { instance, key: ShortKey::of(key), seeds: KeySeeds::fresh(ids, entropy), expires }
    }

    /// The key of a token that carries its state: keys are derived from it for each message.
    pub(super) fn in_cookie(instance: Option<Uuid>, key: &SecretKey, expires: UnixMillis) -> Self {
        Self { instance, key: ShortKey::of(key), seeds: KeySeeds::NONE, expires }
    }

    pub(super) fn key(&self) -> SecretKey {
        self.key.secret()
    }

    pub(super) fn instance(&self) -> Option<UrnUuid> {
        self.instance.map(UrnUuid::of)
    }

    pub(super) fn is(&self, instance: Option<&[u8]>) -> bool {
        self.instance().as_ref().map(UrnUuid::as_bytes) == instance
    }
}

/// One session. Its other keys, if it has any, are among the [`RenewedKeys`](super::renewed::RenewedKeys).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) phase: AcceptorPhase,
    pub(super) identifier: UrnUuid,
    pub(super) current: Generation,
    keys: KeptKeys,
    user: UserDigest,
}

/// Who opened a session: the SHA-256 of their name, which is empty for an anonymous client. Only they may renew it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct UserDigest([u8; 32]);

impl UserDigest {
    pub(super) fn of<B: Backend>(name: &str) -> Self {
        let mut hasher = B::Hasher::new(DigestAlgorithm::Sha256);
        hasher.update(name.as_bytes());
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(hasher.finish().as_bytes()) {
            *to = *from;
        }
        Self(digest)
    }
}

/// Which of a session's keys protected a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeyUse {
    Current,
    /// The one before the last rollover.
    Previous,
    /// A renewed one that waits for its first use, at this place among the renewed keys.
    Pending(usize),
}

impl Session {
    pub(super) fn new<B: Backend>(
        id: SessionId,
        identifier: Uuid,
        current: Generation,
        suite: AlgorithmSuite,
        user: UserDigest,
    ) -> Self {
        let keys = current.seeds.derive::<B>(&current.key(), suite);
        Self { id, phase: AcceptorPhase::Pending, identifier: UrnUuid::of(identifier), current, keys, user }
    }

    /// The keys that are derived from the current one.
    pub(super) fn keys(&self) -> SessionKeys {
        self.current.seeds.keys(&self.keys)
    }

    /// Is this the name of one of the session's keys?
    pub(super) fn named(&self, name: &ContextName) -> bool {
        self.identifier.as_bytes() == name.identifier()
    }

    pub(super) const fn user(&self) -> UserDigest {
        self.user
    }

    pub(super) fn is_of(&self, user: UserDigest) -> bool {
        self.user == user
    }

    /// From now on this is the current key; the one before comes back.
    pub(super) fn roll_over<B: Backend>(&mut self, next: Generation, suite: AlgorithmSuite) -> Generation {
        self.keys = next.seeds.derive::<B>(&next.key(), suite);
        core::mem::replace(&mut self.current, next)
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
