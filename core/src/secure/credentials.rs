//! What the core asks of whoever holds certificates, private keys and passwords.

use super::StateEncoder;
use crate::crypto::{AsymmetricSignature, KeyTransport};
use core::fmt;

/// Which certificate a message names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CertificateReference<'a> {
    /// SHA-1 over the DER certificate (`#ThumbprintSHA1`).
    ThumbprintSha1(&'a [u8]),
    /// The SubjectKeyIdentifier extension's octets.
    SubjectKeyIdentifier(&'a [u8]),
    /// `X509IssuerSerial`: issuer as the message writes it, serial as decimal text.
    IssuerSerial {
        /// Distinguished name, RFC 2253-like, as .NET writes it.
        issuer: &'a [u8],
        /// Decimal digits.
        serial: &'a [u8],
    },
    /// The DER certificate itself, from a `BinarySecurityToken`.
    Der(&'a [u8]),
}

/// Why a credential operation failed. Never sent to the peer: outside, all of them are one fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CredentialError {
    /// No certificate of ours is the one that the message names.
    UnknownCertificate,
    /// The private key does not unwrap what was sent.
    WrongKey,
    /// The operation is not configured on this side, or the key has a kind or size that is not supported.
    Unsupported,
    /// This side has to prove itself with a certificate and has none.
    NoCertificate,
    /// The peer's certificate is not trusted.
    NotTrusted,
    /// This certificate of the peer's is not accepted.
    Certificate {
        /// SHA-1 over its DER.
        thumbprint: [u8; 20],
        /// Why.
        problem: CertificateProblem,
    },
    /// No certificate of ours has the thumbprint that the message names.
    UnknownThumbprint([u8; 20]),
    /// The asymmetric signature does not verify.
    BadSignature,
    /// The user name or the password is wrong.
    BadPassword,
    /// The buffer for the result is too small.
    Room {
        /// Bytes needed.
        needed: usize,
    },
}

/// What is wrong with a peer's certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CertificateProblem {
    /// Nobody who is trusted vouches for it.
    NotTrusted,
    /// Its validity period is over.
    Expired,
    /// Its validity period has not begun.
    NotYetValid,
    /// It is not meant for this: its key usage or extended key usage says so.
    WrongUsage,
    /// Its authority has taken it back, or that of one between them.
    Revoked,
    /// Whether it was taken back cannot be told: its authority's list is out of date, or not the authority's.
    RevocationUnknown,
    /// It is another's: a service's that bears another name than the one expected.
    WrongIdentity,
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTrusted => "is not trusted: neither it nor an authority that issued it was added",
            Self::Expired => "has expired",
            Self::NotYetValid => "is not valid yet",
            Self::WrongUsage => "is not meant for this use: its key usage or extended key usage excludes it",
            Self::Revoked => "is revoked: an authority's list names it, or one between it and the authority",
            Self::RevocationUnknown => {
                "may be revoked: its authority's list has expired or does not verify, add the current one"
            }
            Self::WrongIdentity => "bears another name than the service that is expected",
        })
    }
}

fn hex(f: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCertificate => f.write_str("the certificate that the message names is not one of ours"),
            Self::WrongKey => f.write_str("our private key does not unwrap the key that was sent"),
            Self::Unsupported => {
                f.write_str("this credential operation is not configured, or the key is of an unsupported kind or size")
            }
            Self::NoCertificate => f.write_str("a certificate of our own is needed here, and none is configured"),
            Self::Certificate { thumbprint, problem } => {
                f.write_str("the peer's certificate ")?;
                hex(f, thumbprint)?;
                write!(f, " {problem}")
            }
            Self::UnknownThumbprint(thumbprint) => {
                f.write_str("none of our certificates has the thumbprint ")?;
                hex(f, thumbprint)?;
                f.write_str(", which the message names")
            }
            Self::NotTrusted => f.write_str("the peer's certificate is not trusted"),
            Self::BadSignature => f.write_str("the certificate's signature does not verify"),
            Self::BadPassword => f.write_str("the user name or the password is wrong"),
            Self::Room { needed } => write!(f, "the result needs a buffer of {needed} bytes"),
        }
    }
}

impl core::error::Error for CredentialError {}

/// The certificate by which a side proves itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnCertificate<'c> {
    /// DER.
    pub der: &'c [u8],
    /// Length of a signature that its key makes, in bytes: that of the RSA modulus, at most 512.
    pub signature_len: usize,
    /// How messages name it that do not carry it (WSS 1.0): by its SubjectKeyIdentifier or, without one, by issuer and
    /// serial number.
    pub name: CertificateReference<'c>,
}

/// Certificates, private keys and passwords. RSA lives outside the core: an adapters package implements this.
///
/// Every method is a pure question; none may remember anything between calls that changes an answer (a key ring that was
/// rotated meanwhile is no memory of calls). What a side does not need it leaves to the default, which refuses.
pub trait Credentials {
    /// Recipient side: unwraps the key that a client made for one of our certificates. Returns its length in bytes.
    ///
    /// # Errors
    /// [`CredentialError::UnknownCertificate`] when `recipient` is not ours, [`CredentialError::WrongKey`] when the
    /// octets do not unwrap.
    fn unwrap_key(
        &self,
        recipient: CertificateReference<'_>,
        transport: KeyTransport,
        wrapped: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        let _ = (recipient, transport, wrapped, out);
        Err(CredentialError::UnknownCertificate)
    }

    /// Client side: wraps `key` for the service's certificate. Returns the wrapped length in bytes (at most 512).
    ///
    /// # Errors
    /// [`CredentialError::Unsupported`] when no service certificate is configured.
    fn wrap_key(&self, transport: KeyTransport, key: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        let _ = (transport, key, out);
        Err(CredentialError::Unsupported)
    }

    /// SHA-1 thumbprint of the service's certificate, by which a client names it in the `EncryptedKey`.
    ///
    /// # Errors
    /// [`CredentialError::Unsupported`] when no service certificate is configured.
    fn service_thumbprint(&self) -> Result<[u8; 20], CredentialError> {
        Err(CredentialError::Unsupported)
    }

    /// How a client names the service's certificate under WSS 1.0, which has no thumbprints: by its SubjectKeyIdentifier or,
    /// without one, by issuer and serial number.
    ///
    /// # Errors
    /// [`CredentialError::Unsupported`] when no service certificate is configured.
    fn service_name(&self) -> Result<CertificateReference<'_>, CredentialError> {
        Err(CredentialError::Unsupported)
    }

    /// Service side of WSS 1.0: wraps `key` for a client's certificate (DER), which signed the request that is answered.
    /// Returns the wrapped length in bytes (at most 512).
    ///
    /// # Errors
    /// [`CredentialError::Unsupported`] when the certificate's key does not wrap.
    fn wrap_key_for(
        &self,
        recipient: &[u8],
        transport: KeyTransport,
        key: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        let _ = (recipient, transport, key, out);
        Err(CredentialError::Unsupported)
    }

    /// How a message names a client's certificate (DER) under WSS 1.0 without carrying it: by its SubjectKeyIdentifier or, without
    /// one, by issuer and serial number. The octets of the name are written to `out`, which has room for a kibibyte.
    ///
    /// # Errors
    /// [`CredentialError::Unsupported`] when it is no certificate, [`CredentialError::Room`].
    fn certificate_name<'o>(
        &self,
        certificate: &[u8],
        out: &'o mut [u8],
    ) -> Result<CertificateReference<'o>, CredentialError> {
        let _ = (certificate, out);
        Err(CredentialError::Unsupported)
    }

    /// The certificate by which this side proves itself (MutualCertificate).
    ///
    /// # Errors
    /// [`CredentialError::NoCertificate`] when there is none.
    fn own_certificate(&self) -> Result<OwnCertificate<'_>, CredentialError> {
        Err(CredentialError::NoCertificate)
    }

    /// Signs the digest of a `SignedInfo` with the key of [`own_certificate`](Self::own_certificate): RSA, PKCS#1 v1.5.
    /// Returns the signature's length in bytes, which must be the one told there.
    ///
    /// # Errors
    /// [`CredentialError::NoCertificate`] when there is none, or whatever keeps the key from signing.
    fn sign(&self, algorithm: AsymmetricSignature, digest: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        let _ = (algorithm, digest, out);
        Err(CredentialError::NoCertificate)
    }

    /// Verifies a client certificate's signature over the given digest of `SignedInfo`, and that the certificate is
    /// trusted.
    ///
    /// # Errors
    /// [`CredentialError::NotTrusted`] or [`CredentialError::BadSignature`].
    fn verify_signature(
        &self,
        signer: CertificateReference<'_>,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError> {
        let _ = (signer, algorithm, digest, signature);
        Err(CredentialError::NotTrusted)
    }

    /// Client side of WSS 1.0: verifies the service certificate's signature over the given digest of `SignedInfo`. Only the
    /// certificate that requests are encrypted for will do.
    ///
    /// # Errors
    /// [`CredentialError::NotTrusted`] or [`CredentialError::BadSignature`].
    fn verify_service_signature(
        &self,
        signer: CertificateReference<'_>,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError> {
        let _ = (signer, algorithm, digest, signature);
        Err(CredentialError::NotTrusted)
    }

    /// Is this user who they say they are?
    ///
    /// # Errors
    /// [`CredentialError::BadPassword`].
    fn check_user(&self, name: &str, password: &str) -> Result<(), CredentialError> {
        let _ = (name, password);
        Err(CredentialError::BadPassword)
    }

    /// Service side, in cookie mode: who seals the state that tokens carry. `None` issues no such token and takes none.
    fn state_encoder(&self) -> Option<&dyn StateEncoder> {
        None
    }
}

/// No credentials at all: for sessions whose keys were agreed elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoCredentials;

impl Credentials for NoCredentials {}
