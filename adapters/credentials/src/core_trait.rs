//! What the core asks of a key store. The core owns this trait; the copy here lets the package build on its own until
//! the core exports it.

use core::fmt;

/// How a symmetric key is wrapped for a certificate (`EncryptedKey/EncryptionMethod`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyTransport {
    /// `http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p`: OAEP with SHA-1 and MGF1-SHA-1, in every WCF suite without
    /// `Rsa15` in its name (the `Sha256` suites included).
    RsaOaepMgf1p,
    /// `http://www.w3.org/2001/04/xmlenc#rsa-1_5`: PKCS#1 v1.5.
    Rsa15,
}

/// How a certificate signs (`SignedInfo/SignatureMethod`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsymmetricSignature {
    /// `http://www.w3.org/2000/09/xmldsig#rsa-sha1`.
    RsaSha1,
    /// `http://www.w3.org/2001/04/xmldsig-more#rsa-sha256`.
    RsaSha256,
}

/// Which certificate a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateReference<'a> {
    /// SHA-1 over the DER certificate, 20 bytes (`#ThumbprintSHA1`).
    ThumbprintSha1(&'a [u8]),
    /// The value of the subject key identifier extension (`#X509SubjectKeyIdentifier`).
    SubjectKeyIdentifier(&'a [u8]),
    /// `X509IssuerSerial`.
    IssuerSerial {
        /// The issuer's distinguished name as text, UTF-8.
        issuer: &'a [u8],
        /// The serial number in decimal digits.
        serial: &'a [u8],
    },
    /// The certificate itself (`BinarySecurityToken` of type `#X509v3`).
    Der(&'a [u8]),
}

/// Why credentials refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialError {
    /// The message names a certificate that is not here.
    UnknownCertificate,
    /// The wrapped key does not open with the named certificate's key.
    WrongKey,
    /// Nothing is configured for this, or the key cannot do it.
    Unsupported,
    /// The certificate is known but must not be believed now.
    NotTrusted,
    /// The signature is not the signer's.
    BadSignature,
    /// This user and this password do not belong together.
    BadPassword,
    /// The caller's buffer is too small; nothing was written.
    Room {
        /// Bytes that would have been enough.
        needed: usize,
    },
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCertificate => f.write_str("the message names a certificate that is not configured here"),
            Self::WrongKey => f.write_str("the wrapped key does not open with the named certificate's private key"),
            Self::Unsupported => f.write_str("no certificate, key or user check is configured for this"),
            Self::NotTrusted => f.write_str("the certificate is not trusted, or not valid at this time"),
            Self::BadSignature => f.write_str("the signature does not verify with the signer's certificate"),
            Self::BadPassword => f.write_str("unknown user or wrong password"),
            Self::Room { needed } => write!(f, "the buffer is too small: {needed} bytes are needed"),
        }
    }
}

impl core::error::Error for CredentialError {}

/// Certificates, keys and users, as the core asks for them.
pub trait Credentials {
    /// Recipient: unwraps the key that a client made for one of our certificates. Returns its length in bytes.
    fn unwrap_key(
        &self,
        recipient: CertificateReference<'_>,
        transport: KeyTransport,
        wrapped: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError>;

    /// Client: wraps `key` for the service's certificate. Returns the length in bytes, that of the RSA modulus.
    fn wrap_key(&self, transport: KeyTransport, key: &[u8], out: &mut [u8]) -> Result<usize, CredentialError>;

    /// Client: SHA-1 thumbprint of the service's certificate, which the `EncryptedKey` names.
    fn service_thumbprint(&self) -> Result<[u8; 20], CredentialError>;

    /// Verifies an endorsing signature over the digest of a `SignedInfo`.
    fn verify_signature(
        &self,
        signer: CertificateReference<'_>,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError>;

    /// Is this user who they say they are?
    fn check_user(&self, name: &str, password: &str) -> Result<(), CredentialError>;
}
