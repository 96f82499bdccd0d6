//! The certificates, keys and users of one side of a conversation.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey, PublicEncryptingKey};

use crate::certificate::{Certificate, MIN_TRANSPORT_KEY_BITS, check_bits};
use crate::error::{LoadError, LoadProblem};
use crate::private_key::PrivateKey;
use crate::service_identity::ServiceIdentity;
use crate::validation::{CertificateValidation, Part, Trust};
use soap_session_core::crypto::{AsymmetricSignature, KeyTransport};
use soap_session_core::secure::{
    CertificateProblem, CertificateReference, CredentialError, Credentials, OwnCertificate, StateEncoder,
};

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
    own: Option<(Certificate, PrivateKey)>,
    service: Option<Recipient>,
    /// How the service's certificate is validated whenever it is used; not at all if giving it was trusting it.
    service_validation: Option<CertificateValidation>,
    trust: Trust,
    users: Option<Box<UserCheck>>,
    states: Option<Arc<dyn StateEncoder + Send + Sync>>,
    clock: Option<Box<dyn Fn() -> SystemTime + Send + Sync>>,
}

/// A certificate to encrypt for.
struct Recipient {
    certificate: Certificate,
    oaep: OaepPublicEncryptingKey,
    pkcs1: Pkcs1PublicEncryptingKey,
}

impl Recipient {
    fn new(certificate: Certificate) -> Result<Self, LoadError> {
        check_bits(certificate.key_bits(), MIN_TRANSPORT_KEY_BITS)?;
        let key = PublicEncryptingKey::from_der(certificate.subject_public_key_info())
            .map_err(|_| LoadProblem::BadCertificate)?;
        Ok(Self {
            certificate,
            oaep: OaepPublicEncryptingKey::new(key.clone()).map_err(|_| LoadProblem::BadCertificate)?,
            pkcs1: Pkcs1PublicEncryptingKey::new(key).map_err(|_| LoadProblem::BadCertificate)?,
        })
    }

    fn wrap(&self, transport: KeyTransport, key: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        let needed = self.oaep.ciphertext_size();
        let out = out.get_mut(..needed).ok_or(CredentialError::Room { needed })?;
        // The only way to fail is a key too long for the padding, which no suite has.
        let wrapped = match transport {
            KeyTransport::RsaOaepMgf1p => self.oaep.encrypt(&OAEP_SHA1_MGF1SHA1, key, out, None),
            KeyTransport::Rsa15 => self.pkcs1.encrypt(key, out),
        };
        wrapped.map(|bytes| bytes.len()).map_err(|_| CredentialError::Unsupported)
    }
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

    /// The certificate by which this side proves itself, and its key: a client's, or a service's where it signs its answers
    /// (WSS 1.0). A second call replaces the first.
    ///
    /// # Errors
    /// [`LoadProblem::KeyOfAnotherCertificate`] if the two do not belong together.
    pub fn with_own(mut self, certificate: Certificate, key: PrivateKey) -> Result<Self, LoadError> {
        if certificate.subject_public_key_info() != key.subject_public_key_info() {
            return Err(LoadProblem::KeyOfAnotherCertificate.into());
        }
        self.own = Some((certificate, key));
        Ok(self)
    }

    /// Client: the certificate of the service. Giving it is trusting it; neither its chain nor its validity period is
    /// checked: see [`with_service_validated`](Self::with_service_validated). A second call replaces the first.
    ///
    /// # Errors
    /// [`LoadProblem::KeyTooSmall`] if its key has fewer than [`MIN_TRANSPORT_KEY_BITS`] bits.
    pub fn with_service(mut self, certificate: Certificate) -> Result<Self, LoadError> {
        self.service = Some(Recipient::new(certificate)?);
        self.service_validation = None;
        Ok(self)
    }

    /// Client: the certificate of the service, validated as WCF's client does by `ServiceCertificate.Authentication`: it is trusted
    /// as `mode` says by what was added before (authorities, intermediates, revocation lists, and peers by
    /// [`with_trusted`](Self::with_trusted)), in its validity period, meant for a server and for wrapping keys, and its subject
    /// is `identity`. It is validated again, by the clock, whenever a key is wrapped for it or it has signed an answer, so that
    /// it expires: [`CredentialError::Certificate`] says then what is wrong. With [`CertificateValidation::None`] the identity
    /// alone is checked. A second call replaces the first.
    ///
    /// # Errors
    /// [`LoadProblem::NotAccepted`] with the [`CertificateProblem`], or [`LoadProblem::KeyTooSmall`] if its key has fewer than
    /// [`MIN_TRANSPORT_KEY_BITS`] bits.
    pub fn with_service_validated(
        mut self,
        certificate: Certificate,
        identity: ServiceIdentity<'_>,
        mode: CertificateValidation,
    ) -> Result<Self, LoadError> {
        match self.trust.judge(&mode, Part::Service, &certificate, self.now()) {
            Ok(()) if identity.is_of(&certificate) => {}
            Ok(()) => return Err(LoadProblem::NotAccepted(CertificateProblem::WrongIdentity).into()),
            Err(CredentialError::Certificate { problem, .. }) => return Err(LoadProblem::NotAccepted(problem).into()),
            Err(_) => return Err(LoadProblem::NotAccepted(CertificateProblem::NotTrusted).into()),
        }
        self.service = Some(Recipient::new(certificate)?);
        self.service_validation = Some(mode);
        Ok(self)
    }

    /// A certificate revocation list (DER) of an authority or an intermediate: what it names is refused by ChainTrust as
    /// [`CertificateProblem::Revoked`]. WCF's `X509RevocationMode.Online` fetches such lists; here the caller does, and adds a
    /// newer one before the old one's `nextUpdate`: after that the authority's certificates are refused as
    /// [`CertificateProblem::RevocationUnknown`]. An authority without a list is not asked (`NoCheck`). Of several lists of one
    /// authority the last that was added counts.
    ///
    /// # Errors
    /// [`LoadProblem::BadRevocationList`]. That its authority signed it is checked when it is used.
    pub fn with_revocation_list(mut self, der: &[u8]) -> Result<Self, LoadError> {
        self.trust.add_revocation_list(der)?;
        Ok(self)
    }

    /// Service: trusts this client certificate while it is valid: WCF's `PeerTrust`.
    pub fn with_trusted(mut self, certificate: Certificate) -> Self {
        self.trust.peers.push(certificate);
        self
    }

    /// Trusts certificates that this authority (a certificate, DER) issued, while they are valid: WCF's `ChainTrust`.
    ///
    /// # Errors
    /// [`LoadProblem::BadCertificate`].
    pub fn with_authority(mut self, der: &[u8]) -> Result<Self, LoadError> {
        self.trust.add_authority(der)?;
        Ok(self)
    }

    /// A certificate (DER) that may stand between an authority and a peer's. It is not trusted by itself.
    pub fn with_intermediate(mut self, der: &[u8]) -> Self {
        self.trust.add_intermediate(der);
        self
    }

    /// Service: how client certificates are validated. The default is [`CertificateValidation::PeerOrChainTrust`].
    pub fn with_validation(mut self, mode: CertificateValidation) -> Self {
        self.trust.mode = mode;
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

    /// The service's certificate, if it is (still) accepted.
    fn accepted_service(&self) -> Result<&Recipient, CredentialError> {
        let service = self.service.as_ref().ok_or(CredentialError::Unsupported)?;
        if let Some(mode) = &self.service_validation {
            self.trust.judge(mode, Part::Service, &service.certificate, self.now())?;
        }
        Ok(service)
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
        // A client's own certificate is one to encrypt for too, under WSS 1.0.
        let named = self.keys.iter().chain(&self.own).find(|(certificate, _)| certificate.is_named_by(recipient));
        let (_, key) = named.ok_or(CredentialError::UnknownCertificate)?;
        key.unwrap(transport, wrapped, out)
    }

    fn wrap_key(&self, transport: KeyTransport, key: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        self.accepted_service()?.wrap(transport, key, out)
    }

    fn service_thumbprint(&self) -> Result<[u8; 20], CredentialError> {
        let service = self.service.as_ref().ok_or(CredentialError::Unsupported)?;
        Ok(service.certificate.thumbprint())
    }

    fn service_name(&self) -> Result<CertificateReference<'_>, CredentialError> {
        let service = self.service.as_ref().ok_or(CredentialError::Unsupported)?;
        Ok(service.certificate.name())
    }

    fn wrap_key_for(
        &self,
        recipient: &[u8],
        transport: KeyTransport,
        key: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        let certificate = Certificate::from_der(recipient).map_err(|_| CredentialError::Unsupported)?;
        Recipient::new(certificate).map_err(|_| CredentialError::Unsupported)?.wrap(transport, key, out)
    }

    fn certificate_name<'o>(
        &self,
        certificate: &[u8],
        out: &'o mut [u8],
    ) -> Result<CertificateReference<'o>, CredentialError> {
        use CertificateReference::{Der, IssuerSerial, SubjectKeyIdentifier, ThumbprintSha1};
        let certificate = Certificate::from_der(certificate).map_err(|_| CredentialError::Unsupported)?;
        let (first, second) = match certificate.name() {
            IssuerSerial { issuer, serial } => (issuer, serial),
            SubjectKeyIdentifier(octets) | ThumbprintSha1(octets) | Der(octets) => (octets, &[][..]),
        };
        let needed = first.len() + second.len();
        let room = out.get_mut(..needed).ok_or(CredentialError::Room { needed })?;
        let (one, other) = room.split_at_mut(first.len());
        one.copy_from_slice(first);
        other.copy_from_slice(second);
        Ok(match certificate.name() {
            IssuerSerial { .. } => IssuerSerial { issuer: one, serial: other },
            SubjectKeyIdentifier(_) => SubjectKeyIdentifier(one),
            ThumbprintSha1(_) => ThumbprintSha1(one),
            Der(_) => Der(one),
        })
    }

    fn own_certificate(&self) -> Result<OwnCertificate<'_>, CredentialError> {
        let (certificate, key) = self.own.as_ref().ok_or(CredentialError::NoCertificate)?;
        Ok(OwnCertificate { der: certificate.der(), signature_len: key.size(), name: certificate.name() })
    }

    fn sign(&self, algorithm: AsymmetricSignature, digest: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        let (_, key) = self.own.as_ref().ok_or(CredentialError::NoCertificate)?;
        key.sign(algorithm, digest, out)
    }

    fn verify_signature(
        &self,
        signer: CertificateReference<'_>,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError> {
        let shown;
        let certificate = match signer {
            // What is shown is read, unless it is known.
            CertificateReference::Der(der) => match self.trust.peers.iter().find(|peer| peer.der() == der) {
                Some(known) => known,
                None => {
                    shown = Certificate::from_der(der).map_err(|_| CredentialError::NotTrusted)?;
                    &shown
                }
            },
            CertificateReference::ThumbprintSha1(_)
            | CertificateReference::SubjectKeyIdentifier(_)
            | CertificateReference::IssuerSerial { .. } => {
                let known = self.trust.peers.iter().find(|peer| peer.is_named_by(signer));
                known.ok_or(CredentialError::UnknownCertificate)?
            }
        };
        self.trust.judge(&self.trust.mode, Part::Client, certificate, self.now())?;
        certificate.verify(algorithm, digest, signature)
    }

    fn verify_service_signature(
        &self,
        signer: CertificateReference<'_>,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError> {
        // It is this one and no other.
        let service = self.accepted_service()?;
        if !service.certificate.is_named_by(signer) {
            return Err(CredentialError::NotTrusted);
        }
        if self.service_validation.is_some() && !service.certificate.signs() {
            let (thumbprint, problem) = (service.certificate.thumbprint(), CertificateProblem::WrongUsage);
            return Err(CredentialError::Certificate { thumbprint, problem });
        }
        service.certificate.verify(algorithm, digest, signature)
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
            .field("own", &self.own)
            .field("service", &self.service.as_ref().map(|service| &service.certificate))
            .field("validation", &self.trust.mode)
            .field("trusted", &self.trust.peers)
            .field("authorities", &self.trust.authorities())
            .field("checks_users", &self.users.is_some())
            .finish()
    }
}
