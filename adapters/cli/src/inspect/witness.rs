//! What the inspector was given, and how it answers the core's questions with it.

use super::follower::Follower;
use soap_session_core::crypto::{AsymmetricSignature, KeyTransport, SecretKey};
use soap_session_core::secure::{CertificateReference, CredentialError, Credentials, Keyring};
use soap_session_credentials::{Certificate, PrivateKey};
use std::cell::Cell;

/// Keys, secrets, users and certificates that the inspector was given.
#[derive(Default)]
pub struct Evidence {
    /// Private keys. Each is tried, whichever certificate a message names: its SHA-1 does not tell the key.
    pub keys: Vec<PrivateKey>,
    /// Keys of `SecurityContextToken`s whose issue is not among the messages.
    pub secrets: Vec<SecretKey>,
    /// Users and their passwords. Empty: every user is believed, because an inspector does not judge users.
    pub users: Vec<(String, String)>,
    /// Client certificates. Empty: any is believed, but must have made its signature.
    pub trusted: Vec<Certificate>,
}

/// The evidence for one attempt to open one message.
pub(super) struct Witness<'w> {
    evidence: &'w Evidence,
    follower: &'w Follower,
    key: usize,
    secret: usize,
    tried_secret: Cell<bool>,
    tried_key: Cell<bool>,
    wrong_key: Cell<bool>,
}

impl<'w> Witness<'w> {
    pub(super) const fn new(evidence: &'w Evidence, follower: &'w Follower, key: usize, secret: usize) -> Self {
        let [tried_secret, tried_key, wrong_key] = [const { Cell::new(false) }; 3];
        Self { evidence, follower, key, secret, tried_secret, tried_key, wrong_key }
    }

    /// Was a secret used that was given, and not learnt?
    pub(super) const fn tried_secret(&self) -> bool {
        self.tried_secret.get()
    }

    /// Was there a key to unwrap?
    pub(super) const fn tried_key(&self) -> bool {
        self.tried_key.get()
    }

    /// Did that fail?
    pub(super) const fn wrong_key(&self) -> bool {
        self.wrong_key.get()
    }
}

impl Keyring for Witness<'_> {
    fn security_context(&self, identifier: &[u8], instance: Option<&[u8]>) -> Option<SecretKey> {
        self.follower.context(identifier, instance).or_else(|| {
            self.tried_secret.set(true);
            self.evidence.secrets.get(self.secret).cloned()
        })
    }

    /// A second secret is the key of data that names none: gSOAP has one for signatures and one for encryption.
    fn unnamed(&self) -> Option<SecretKey> {
        let others = self.evidence.secrets.len() > 1;
        let next = (self.secret + 1) % self.evidence.secrets.len().max(1);
        self.evidence.secrets.get(next).filter(|_| others).cloned()
    }

    fn encrypted_key(&self, sha1: &[u8; 20]) -> Option<SecretKey> {
        self.follower.wrapped(sha1)
    }

    fn decoy(&self, _: &[u8; 20]) -> SecretKey {
        // Nobody learns from an inspector's answers; it is only one more key that does not fit.
        self.follower.decoy()
    }
}

impl Credentials for Witness<'_> {
    fn unwrap_key(
        &self,
        _: CertificateReference<'_>,
        transport: KeyTransport,
        wrapped: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        self.tried_key.set(true);
        let key = self.evidence.keys.get(self.key).ok_or(CredentialError::UnknownCertificate);
        let unwrapped = key.and_then(|key| key.unwrap(transport, wrapped, out));
        self.wrong_key.set(self.wrong_key.get() || unwrapped.is_err());
        unwrapped
    }

    fn verify_signature(
        &self,
        signer: CertificateReference<'_>,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError> {
        if let Some(certificate) = self.evidence.trusted.iter().find(|certificate| certificate.is_named_by(signer)) {
            return certificate.verify(algorithm, digest, signature);
        }
        let CertificateReference::Der(der) = signer else {
            // A service that is only named: whoever has one of the keys that were given may have signed.
            let by = |key: &PrivateKey| key.verify(algorithm, digest, signature).is_ok();
            let known = self.evidence.keys.iter().any(by);
            return if known { Ok(()) } else { Err(CredentialError::UnknownCertificate) };
        };
        if !self.evidence.trusted.is_empty() {
            return Err(CredentialError::NotTrusted);
        }
        let certificate = Certificate::from_der(der).map_err(|_| CredentialError::Unsupported)?;
        certificate.verify(algorithm, digest, signature)
    }

    fn check_user(&self, name: &str, password: &str) -> Result<(), CredentialError> {
        let users = &self.evidence.users;
        if users.is_empty() || users.iter().any(|(known, secret)| known == name && secret == password) {
            Ok(())
        } else {
            Err(CredentialError::BadPassword)
        }
    }
}
