//! The parts that the recording's applications and certificates have in a story.

use crate::vectors_root;
use soap_session_core::crypto::{AsymmetricSignature, KeyTransport, SecretKey};
use soap_session_core::secure::{
    CertificateReference, CredentialError, Credentials, Keyring, MAX_STATE, Outgoing, OwnCertificate, SecurityState,
    StateEncoder, StateError, Ticks,
};
use soap_session_core::time::UnixMillis;
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What an application says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Action.
    pub action: String,
    /// Body content.
    pub body: Vec<u8>,
    /// Expects a reply?
    pub two_way: bool,
    /// Is it a fault?
    pub fault: bool,
}

impl Outgoing for Said {
    fn action(&self) -> &[u8] {
        self.action.as_bytes()
    }
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn two_way(&self) -> bool {
        self.two_way
    }
    fn is_fault(&self) -> bool {
        self.fault
    }
}

/// The keys of a recording.
#[derive(Clone, Default)]
pub struct Recorded {
    pub(crate) contexts: HashMap<(Vec<u8>, Option<Vec<u8>>), SecretKey>,
    pub(crate) hashes: HashMap<[u8; 20], SecretKey>,
    pub(crate) wrapped: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) thumbprint: [u8; 20],
    /// The client's certificate and key, where it has one; the service trusts it.
    pub(crate) client: Option<Arc<CredentialStore>>,
    /// The cookies that the recorded service issued, and the state inside.
    pub(crate) cookies: Vec<(Vec<u8>, SecurityState)>,
}

/// The certificate of the recorded clients: the client signs with it, and the service trusts it.
///
/// # Panics
/// If the vectors lack it.
#[must_use]
pub fn client_store() -> Arc<CredentialStore> {
    let keys = vectors_root().join("keys");
    let certificate = || Certificate::from_file(keys.join("client.cert.pem")).expect("a certificate");
    let key = PrivateKey::from_file(keys.join("client.key.pem")).expect("a key");
    let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_262_400);
    let store = CredentialStore::new().with_own(certificate(), key).expect("they belong together");
    Arc::new(store.with_trusted(certificate()).with_clock(move || noon))
}

impl Keyring for Recorded {
    fn security_context(&self, identifier: &[u8], instance: Option<&[u8]>) -> Option<SecretKey> {
        self.contexts.get(&(identifier.to_vec(), instance.map(<[u8]>::to_vec))).cloned()
    }
    fn encrypted_key(&self, sha1: &[u8; 20]) -> Option<SecretKey> {
        self.hashes.get(sha1).cloned()
    }
    fn decoy(&self, _: &[u8; 20]) -> SecretKey {
        SecretKey::default()
    }
}

fn put(octets: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
    let room = out.get_mut(..octets.len()).ok_or(CredentialError::Room { needed: octets.len() })?;
    room.copy_from_slice(octets);
    Ok(octets.len())
}

/// RSA by looking it up, and the password that the recorded service knew.
impl Credentials for Recorded {
    fn unwrap_key(
        &self,
        _: CertificateReference<'_>,
        _: KeyTransport,
        wrapped: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        let (_, key) = self.wrapped.iter().find(|(octets, _)| octets == wrapped).ok_or(CredentialError::WrongKey)?;
        put(key, out)
    }
    fn wrap_key(&self, _: KeyTransport, key: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        let (octets, _) = self.wrapped.iter().find(|(_, known)| known == key).ok_or(CredentialError::Unsupported)?;
        put(octets, out)
    }
    fn service_thumbprint(&self) -> Result<[u8; 20], CredentialError> {
        Ok(self.thumbprint)
    }
    fn own_certificate(&self) -> Result<OwnCertificate<'_>, CredentialError> {
        self.client.as_ref().ok_or(CredentialError::NoCertificate)?.own_certificate()
    }
    fn sign(&self, algorithm: AsymmetricSignature, digest: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        self.client.as_ref().ok_or(CredentialError::NoCertificate)?.sign(algorithm, digest, out)
    }
    fn verify_signature(
        &self,
        signer: CertificateReference<'_>,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError> {
        let client = self.client.as_ref().ok_or(CredentialError::NotTrusted)?;
        client.verify_signature(signer, algorithm, digest, signature)
    }
    fn check_user(&self, name: &str, password: &str) -> Result<(), CredentialError> {
        if (name, password) == ("alice", "wonder") { Ok(()) } else { Err(CredentialError::BadPassword) }
    }
    fn state_encoder(&self) -> Option<&dyn StateEncoder> {
        Some(self)
    }
}

/// A state's octets.
///
/// # Panics
/// If it is longer than a state can be.
pub(crate) fn written(state: &SecurityState) -> Vec<u8> {
    let mut out = vec![0; MAX_STATE];
    let len = state.write(&mut out).expect("room");
    out.truncate(len);
    out
}

/// The state with its times cut to milliseconds: the clock of the recorded service was finer than ours.
fn coarse(state: &SecurityState) -> SecurityState {
    let millis = |ticks: Ticks| Ticks::from(ticks.millis());
    SecurityState {
        effective: millis(state.effective),
        expires: millis(state.expires),
        key_effective: millis(state.key_effective),
        key_expires: millis(state.key_expires),
        ..state.clone()
    }
}

/// The recorded encoder, by looking it up: the state must be, octet for octet, the one that was sealed there.
impl StateEncoder for Recorded {
    fn seal(&self, _: UnixMillis, state: &[u8], out: &mut [u8]) -> Result<usize, StateError> {
        let known = self.cookies.iter().find(|(_, known)| written(&coarse(known)) == state);
        let (cookie, _) = known.ok_or(StateError::Unavailable)?;
        put(cookie, out).map_err(|_| StateError::Room { needed: cookie.len() })
    }

    fn open(&self, _: UnixMillis, cookie: &[u8], out: &mut [u8]) -> Result<usize, StateError> {
        let known = self.cookies.iter().find(|(known, _)| known == cookie);
        let (_, state) = known.ok_or(StateError::NotACookie)?;
        put(&written(state), out).map_err(|_| StateError::Room { needed: MAX_STATE })
    }
}
