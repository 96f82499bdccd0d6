//! One generation of a session's key, and the two derived keys that a side repeats in every message under it.

use super::emit::{Id, UniqueId, UniqueIds};
use super::protection::{DerivedKey, MessageKeys};
use super::tokens::DEFAULT_LABEL;
use crate::chance::Entropy;
use crate::crypto::{AlgorithmSuite, Backend, SecretKey, p_sha1};

/// Length of the nonces that WCF sends, in bytes.
pub(super) const NONCE_LEN: usize = 16;

/// A key derived from a token, with the nonce that says how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Derived {
    nonce: [u8; NONCE_LEN],
    secret: SecretKey,
}

impl Derived {
    /// Derives a key of `len` bytes (at most [`SecretKey::MAX`]) with a fresh nonce.
    pub(super) fn fresh<B: Backend>(source: &SecretKey, len: usize, entropy: &mut dyn Entropy) -> Self {
        let mut nonce = [0u8; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut secret = SecretKey::zeroed(len.min(SecretKey::MAX)).unwrap_or_default();
        p_sha1::<B>(source.as_bytes(), DEFAULT_LABEL, &nonce, 0, secret.as_mut_bytes());
        Self { nonce, secret }
    }

    pub(super) fn key(&self) -> DerivedKey<'_> {
        DerivedKey { nonce: &self.nonce, secret: &self.secret }
    }
}

/// The signing and the encryption key of one message or of one side of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct KeyPair {
    signing: Derived,
    encryption: Derived,
}

impl KeyPair {
    pub(super) fn fresh<B: Backend>(source: &SecretKey, suite: AlgorithmSuite, entropy: &mut dyn Entropy) -> Self {
        let signing = Derived::fresh::<B>(source, suite.signature_key_len(), entropy);
        let encryption = Derived::fresh::<B>(source, suite.encryption_key_len(), entropy);
        Self { signing, encryption }
    }

    pub(super) fn per_message(&self) -> MessageKeys<'_> {
        MessageKeys::PerMessage { signing: self.signing.key(), encryption: self.encryption.key() }
    }
}

/// The derived keys that one side made for one session key, with the Ids of their tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SessionKeys {
    pair: KeyPair,
    signing_id: UniqueId,
    encryption_id: UniqueId,
}

impl SessionKeys {
    pub(super) fn fresh<B: Backend>(
        source: &SecretKey,
        suite: AlgorithmSuite,
        ids: &mut UniqueIds,
        entropy: &mut dyn Entropy,
    ) -> Self {
        let pair = KeyPair::fresh::<B>(source, suite, entropy);
        Self { pair, signing_id: ids.next_id(), encryption_id: ids.next_id() }
    }

    pub(super) fn keys(&self) -> MessageKeys<'_> {
        MessageKeys::PerSession {
            signing_id: Id::Unique(self.signing_id),
            signing: self.pair.signing.key(),
            encryption_id: Id::Unique(self.encryption_id),
            encryption: self.pair.encryption.key(),
        }
    }
}
