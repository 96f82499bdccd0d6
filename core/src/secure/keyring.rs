//! Where the keys of tokens come from that a message names but does not carry.

use crate::crypto::{Backend, SecretKey, p_sha1};

/// Keys that were agreed before this message.
pub trait Keyring {
    /// The key of a `SecurityContextToken`: `identifier` and `instance` as the message writes them (`urn:uuid:...`).
    /// `None` is a `BadContextToken` fault.
    fn security_context(&self, identifier: &[u8], instance: Option<&[u8]>) -> Option<SecretKey>;

    /// The key whose wrapped octets have this SHA-1 (`#EncryptedKeySHA1`): a reply to a request that carried the
    /// `EncryptedKey`.
    fn encrypted_key(&self, sha1: &[u8; 20]) -> Option<SecretKey>;

    /// The key of `EncryptedData` that names none, where both sides agreed on one outside the message. WCF never does;
    /// without one, such data is the business of the message's only token.
    fn unnamed(&self) -> Option<SecretKey> {
        None
    }

    /// A key that nobody knows, for an `EncryptedKey` that does not unwrap: the message then fails where a forged
    /// signature fails, so that unwrapping is no oracle (Bleichenbacher). Must depend on `sha1` and on a secret.
    fn decoy(&self, sha1: &[u8; 20]) -> SecretKey;
}

/// The [`Keyring::decoy`] of a service: `len` bytes that depend on `sha1` and on the service's own `secret`.
pub(super) fn decoy_key<B: Backend>(secret: &SecretKey, len: usize, sha1: &[u8; 20]) -> SecretKey {
    let mut key = SecretKey::zeroed(len).unwrap_or_default();
    p_sha1::<B>(secret.as_bytes(), &[], sha1, 0, key.as_mut_bytes());
    key
}
