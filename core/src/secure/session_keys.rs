//! One generation of a session's key, and the two derived keys that a side repeats in every message under it.

use super::emit::{Id, UniqueId, UniqueIds};
use super::protection::{DerivedKey, MessageKeys};
use super::tokens::DEFAULT_LABEL;
use crate::chance::{Entropy, Uuid};
use crate::crypto::{AlgorithmSuite, Backend, SecretKey, ShortKey, p_sha1};

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
        Self::with::<B>(source, len, nonce)
    }

    fn with<B: Backend>(source: &SecretKey, len: usize, nonce: [u8; NONCE_LEN]) -> Self {
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

/// What makes a session key's derived keys: as much as is kept of a key that is not in use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct KeySeeds {
    signing: [u8; NONCE_LEN],
    encryption: [u8; NONCE_LEN],
    /// Of the signing key's token; that of the encryption key's is the next one.
    signing_id: UniqueId,
}

/// The two derived keys of a session key in use, as they are kept. No suite's are longer: [`AlgorithmSuite::signature_key_len`],
/// [`AlgorithmSuite::encryption_key_len`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct KeptKeys {
    signing: ShortKey<24>,
    encryption: ShortKey<32>,
}

impl KeySeeds {
    /// For a key from which others are derived for each message.
    pub(super) const NONE: Self = Self {
        signing: [0; NONCE_LEN],
        encryption: [0; NONCE_LEN],
        signing_id: UniqueId { prefix: Uuid([0; 16]), number: 0 },
    };

    /// Draws what [`SessionKeys::fresh`] draws, in the same order.
    pub(super) fn fresh(ids: &mut UniqueIds, entropy: &mut dyn Entropy) -> Self {
        let (mut signing, mut encryption) = ([0; NONCE_LEN], [0; NONCE_LEN]);
        entropy.fill(&mut signing);
        entropy.fill(&mut encryption);
        let signing_id = ids.next_id();
        let _ = ids.next_id();
        Self { signing, encryption, signing_id }
    }

    pub(super) fn derive<B: Backend>(&self, source: &SecretKey, suite: AlgorithmSuite) -> KeptKeys {
        let signing = Derived::with::<B>(source, suite.signature_key_len(), self.signing);
        let encryption = Derived::with::<B>(source, suite.encryption_key_len(), self.encryption);
        KeptKeys { signing: ShortKey::of(&signing.secret), encryption: ShortKey::of(&encryption.secret) }
    }

    pub(super) fn keys(&self, kept: &KeptKeys) -> SessionKeys {
        let signing = Derived { nonce: self.signing, secret: kept.signing.secret() };
        let encryption = Derived { nonce: self.encryption, secret: kept.encryption.secret() };
        let UniqueId { prefix, number } = self.signing_id;
        let encryption_id = UniqueId { prefix, number: number.wrapping_add(1) };
        SessionKeys { pair: KeyPair { signing, encryption }, signing_id: self.signing_id, encryption_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;
    use crate::crypto::RustCrypto;

    #[test]
    fn kept_keys_are_those_that_were_made() {
        for suite in AlgorithmSuite::ALL {
            let mut seed = Chance::new(&[7; 32]);
            let mut source = SecretKey::zeroed(32).unwrap_or_default();
            seed.fill(source.as_mut_bytes());
            let (mut ids, mut entropy) = (UniqueIds::new(Uuid::default(), u64::MAX), seed.clone());
            let made = SessionKeys::fresh::<RustCrypto>(&source, suite, &mut ids, &mut entropy);
            let (mut same_ids, mut same_entropy) = (UniqueIds::new(Uuid::default(), u64::MAX), seed);
            let seeds = KeySeeds::fresh(&mut same_ids, &mut same_entropy);
            assert_eq!((&ids, &entropy), (&same_ids, &same_entropy));
            assert_eq!(seeds.keys(&seeds.derive::<RustCrypto>(&source, suite)), made, "{suite:?}");
            assert_eq!(made.pair.encryption.secret.len(), suite.encryption_key_len());
        }
    }
}
