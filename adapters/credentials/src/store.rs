//! The certificates, keys and users of one side of a conversation.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey, PublicEncryptingKey};

use crate::certificate::{Certificate, MIN_TRANSPORT_KEY_BITS, check_bits};
use crate::error::{LoadError, LoadProblem};
use crate::private_key::PrivateKey;
use soap_session_core::crypto::{AsymmetricSignature, KeyTransport};
use soap_session_core::secure::{CertificateReference, CredentialError, Credentials, StateEncoder};

/// Answers whether a name and a password belong together.
pub type UserCheck = dyn Fn(&str, &str) -> bool + Send + Sync;

/// The certificates, keys and users of one side of a conversation.
///
/// ```no_run
/// use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
/// # fn main() -> Result<(), soap_session_credentials::LoadError> {
/// let service = CredentialStore::new()
///     .with_key(Certificate::from_file("service.cert.pem")?, PrivateKey::from_file("service.key.pem")?)?
///     .with_trusted(Certificate::from_file("client.cert.pem")?)
///     .with_user_check(|name, password| name == "ada" && password == "secret");
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct CredentialStore {
    keys: Vec<(Certificate, PrivateKey)>,
    service: Option<Service>,
    trusted: Vec<Certificate>,
    users: Option<Box<UserCheck>>,
    states: Option<Arc<dyn StateEncoder + Send + Sync>>,
    clock: Option<Box<dyn Fn() -> SystemTime + Send + Sync>>,
}

struct Service {
    certificate: Certificate,
    oaep: OaepPublicEncryptingKey,
    pkcs1: Pkcs1PublicEncryptingKey,
}

impl CredentialStore {
    /// A store that knows nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Service: adds a certificate that clients may encrypt for, and its key. Several may be added, as while one
    /// replaces another. Their validity period is not checked: that is the client's business.
    ///
    /// # Errors
    /// [`LoadProblem::KeyOfAnotherCertificate`] if the two do not belong together.
    pub fn with_key(mut self, certificate: Certificate, key: PrivateKey) -> Result<Self, LoadError> {
        if certificate.subject_public_key_info() != key.subject_public_key_info() {
            return Err(LoadProblem::KeyOfAnotherCertificate.into());
        }
        self.keys.push((certificate, key));
        Ok(self)
    }

    /// Client: the certificate of the service. Giving it is trusting it; neither its chain nor its validity period is
    /// checked. A second call replaces the first.
    ///
    /// # Errors
    /// [`LoadProblem::KeyTooSmall`] if its key has fewer than [`MIN_TRANSPORT_KEY_BITS`] bits.
    pub fn with_service(mut self, certificate: Certificate) -> Result<Self, LoadError> {
        check_bits(certificate.key_bits(), MIN_TRANSPORT_KEY_BITS)?;
        let key = PublicEncryptingKey::from_der(certificate.subject_public_key_info())
            .map_err(|_| LoadProblem::BadCertificate)?;
        self.service = Some(Service {
            certificate,
            oaep: OaepPublicEncryptingKey::new(key.clone()).map_err(|_| LoadProblem::BadCertificate)?,
            pkcs1: Pkcs1PublicEncryptingKey::new(key).map_err(|_| LoadProblem::BadCertificate)?,
        });
        Ok(self)
    }

    /// Service: trusts this client certificate while it is valid: WCF's `PeerTrust`. Trust by chain (`ChainTrust`, WCF's
    /// default) is not built: a certificate that was not added here is refused, whoever issued it.
    pub fn with_trusted(mut self, certificate: Certificate) -> Self {
        self.trusted.push(certificate);
        self
    }

    /// Service: who may log in with a name and a password. Without it nobody can. The check should take as long for a
    /// wrong password as for an unknown user, and compare secrets in constant time.
    pub fn with_user_check(mut self, check: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        self.users = Some(Box::new(check));
        self
    }

    /// Service, in cookie mode: who seals the state that tokens carry, a [`KeyRing`](crate::KeyRing) for one. Without it no such
    /// token is issued or taken.
    pub fn with_state_encoder(mut self, encoder: Arc<dyn StateEncoder + Send + Sync>) -> Self {
        self.states = Some(encoder);
        self
    }

    /// Replaces the system clock, by which the validity of trusted certificates is judged.
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(clock));
        self
    }

    fn now(&self) -> SystemTime {
        self.clock.as_ref().map_or_else(SystemTime::now, |clock| clock())
    }
}

impl Credentials for CredentialStore {
    fn unwrap_key(
        &self,
        recipient: CertificateReference<'_>,
        transport: KeyTransport,
        wrapped: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        let named = self.keys.iter().find(|(certificate, _)| certificate.is_named_by(recipient));
        let (_, key) = named.ok_or(CredentialError::UnknownCertificate)?;
        key.unwrap(transport, wrapped, out)
    }

    fn wrap_key(&self, transport: KeyTransport, key: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        let service = self.service.as_ref().ok_or(CredentialError::Unsupported)?;
        let needed = service.oaep.ciphertext_size();
        let out = out.get_mut(..needed).ok_or(CredentialError::Room { needed })?;
        // The only way to fail is a key too long for the padding, which no suite has.
        let wrapped = match transport {
            KeyTransport::RsaOaepMgf1p => service.oaep.encrypt(&OAEP_SHA1_MGF1SHA1, key, out, None),
            KeyTransport::Rsa15 => service.pkcs1.encrypt(key, out),
        };
        wrapped.map(|bytes| bytes.len()).map_err(|_| CredentialError::Unsupported)
    }

    fn service_thumbprint(&self) -> Result<[u8; 20], CredentialError> {
        let service = self.service.as_ref().ok_or(CredentialError::Unsupported)?;
        Ok(service.certificate.thumbprint())
    }

    fn verify_signature(
        &self,
        signer: CertificateReference<'_>,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError> {
        let certificate = self.trusted.iter().find(|certificate| certificate.is_named_by(signer));
        let certificate = match (certificate, signer) {
            (Some(certificate), _) => certificate,
            // We have been shown it; it is only that nobody vouches for it.
            (None, CertificateReference::Der(_)) => return Err(CredentialError::NotTrusted),
            (None, _) => return Err(CredentialError::UnknownCertificate),
        };
        if !certificate.is_valid_at(self.now()) {
            return Err(CredentialError::NotTrusted);
        }
        certificate.verify(algorithm, digest, signature)
    }

    fn check_user(&self, name: &str, password: &str) -> Result<(), CredentialError> {
        let check = self.users.as_ref().ok_or(CredentialError::Unsupported)?;
        if check(name, password) { Ok(()) } else { Err(CredentialError::BadPassword) }
    }

    fn state_encoder(&self) -> Option<&dyn StateEncoder> {
        self.states.as_deref().map(|states| states as &dyn StateEncoder)
    }
}

impl fmt::Debug for CredentialStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialStore")
            .field("keys", &self.keys)
            .field("service", &self.service.as_ref().map(|service| &service.certificate))
            .field("trusted", &self.trusted)
            .field("checks_users", &self.users.is_some())
            .finish()
    }
}
