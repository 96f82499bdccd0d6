//! A message to seal, how it is to be protected, and what came of it.

use super::emit::Id;
use super::{CertificateReference, CredentialError, OwnCertificate, ProtectionOrder, SignatureValue};
use crate::crypto::{AlgorithmSuite, AsymmetricSignature, SecretKey};
use crate::soap::{AddressingVersion, HeaderBlock, ScVersion, SoapVersion};
use crate::time::UnixMillis;
use crate::xml::{self, Grow};
use core::fmt;

/// The timestamp of an outgoing message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timestamp {
    /// Its Id.
    pub id: Id,
    /// When the message was made.
    pub created: UnixMillis,
    /// When it ends to be valid; WCF: five minutes later.
    pub expires: UnixMillis,
}

/// The token that protects a message, and how the message names it.
#[derive(Clone, Copy, Debug)]
pub enum SigningToken<'k> {
    /// A client's session messages: the `SecurityContextToken` as the service issued it stands in every one.
    SecurityContext {
        /// The element, byte for byte as it was issued.
        element: &'k [u8],
        /// Its `u:Id`.
        id: &'k [u8],
    },
    /// A service's session messages: the token is named, not sent.
    ExternalContext {
        /// `urn:uuid:...`.
        identifier: &'k [u8],
        /// `urn:uuid:...` after the first renewal.
        instance: Option<&'k [u8]>,
    },
    /// A client's bootstrap: a fresh key, wrapped for the service's certificate.
    NewEncryptedKey {
        /// Id of the `EncryptedKey`.
        id: Id,
        /// SHA-1 thumbprint of the service's certificate.
        thumbprint: &'k [u8; 20],
        /// The wrapped key.
        wrapped: &'k [u8],
    },
    /// A service's answer to a bootstrap: the request's key, by the SHA-1 of its wrapped octets.
    EncryptedKeySha1(&'k [u8; 20]),
    /// WSS 1.0: the sender's certificate signs, and a fresh key is wrapped for the receiver's. The key is used as it is:
    /// [`MessageKeys::Underived`].
    Certificate {
        /// Signs.
        signer: EndorsingCertificate<'k>,
        /// Does the message carry the signer's certificate? Requests do, answers name it.
        attached: bool,
        /// The receiver's certificate.
        recipient: CertificateReference<'k>,
        /// The wrapped key.
        wrapped: &'k [u8],
    },
    /// The transport protects the message (TLS): no primary signature, nothing encrypted. What endorses it signs the
    /// timestamp, and a certificate the address too.
    Transport,
}

/// A derived key and its token's nonce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DerivedKey<'k> {
    /// The nonce of its `DerivedKeyToken`.
    pub nonce: &'k [u8],
    /// The derived key.
    pub secret: &'k SecretKey,
}

/// The keys that sign and encrypt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageKeys<'k> {
    /// Two derived keys, made for this message: their tokens get local Ids.
    PerMessage {
        /// Signs.
        signing: DerivedKey<'k>,
        /// Encrypts.
        encryption: DerivedKey<'k>,
    },
    /// Two derived keys that the side made once for this session key and repeats in every message.
    PerSession {
        /// Id of the signing key's token.
        signing_id: Id,
        /// Signs.
        signing: DerivedKey<'k>,
        /// Id of the encryption key's token.
        encryption_id: Id,
        /// Encrypts.
        encryption: DerivedKey<'k>,
    },
    /// The token's own key does both (`RequireDerivedKeys` off).
    Underived(&'k SecretKey),
    /// None, with [`SigningToken::Transport`].
    None,
}

/// A second token, whose signature endorses the primary one (Renew).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndorsingToken<'k> {
    /// The `SecurityContextToken` element.
    pub element: &'k [u8],
    /// Its `u:Id`.
    pub id: &'k [u8],
    /// The key derived from it for this one signature; `None` signs with `secret` itself.
    pub derived: Option<DerivedKey<'k>>,
    /// The token's key.
    pub secret: &'k SecretKey,
}

/// Makes the signatures of a certificate: whoever holds its private key.
pub trait CertificateSigner {
    /// RSA PKCS#1 v1.5 over `digest`; returns the signature's length in bytes.
    ///
    /// # Errors
    /// Whatever keeps the key from signing.
    fn sign(&self, algorithm: AsymmetricSignature, digest: &[u8], out: &mut [u8]) -> Result<usize, CredentialError>;
}

/// A client's certificate, whose signature endorses the primary one (MutualCertificate).
#[derive(Clone, Copy)]
pub struct EndorsingCertificate<'k> {
    /// Id of its `BinarySecurityToken`.
    pub id: Id,
    /// The certificate and the length of its signatures.
    pub certificate: OwnCertificate<'k>,
    /// Signs.
    pub signer: &'k dyn CertificateSigner,
}

impl fmt::Debug for EndorsingCertificate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndorsingCertificate").field("id", &self.id).finish_non_exhaustive()
    }
}

/// User name and password, sent signed and encrypted, or in clear over a protected transport.
#[derive(Clone, Copy)]
pub struct UsernameToken<'k> {
    /// Id of the token.
    pub id: Id,
    /// Name.
    pub name: &'k str,
    /// Password.
    pub password: &'k str,
}

impl fmt::Debug for UsernameToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsernameToken").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a message is protected.
#[derive(Clone, Copy, Debug)]
pub struct Protection<'k> {
    /// Algorithms.
    pub suite: AlgorithmSuite,
    /// Version of the token elements.
    pub version: ScVersion,
    /// Order of signing and encrypting.
    pub order: ProtectionOrder,
    /// Write the attributes that the Basic Security Profile wants: so do wsHttpBinding and its kin.
    pub bsp: bool,
    /// The timestamp.
    pub timestamp: Timestamp,
    /// The token.
    pub token: SigningToken<'k>,
    /// The keys.
    pub keys: MessageKeys<'k>,
    /// The user, with UserNameForCertificate.
    pub username: Option<UsernameToken<'k>>,
    /// The client's certificate, with MutualCertificate.
    pub certificate: Option<EndorsingCertificate<'k>>,
    /// The endorsing token, with Renew.
    pub endorsing: Option<EndorsingToken<'k>>,
    /// Base64 of the request's signature values that this reply confirms.
    pub confirmations: &'k [&'k [u8]],
}

impl Protection<'_> {
    /// Is there a signature over the primary one?
    pub(super) const fn endorsed(&self) -> bool {
        self.certificate.is_some() || self.endorsing.is_some()
    }
}

/// A message to seal.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingMessage<'m> {
    /// Envelope version.
    pub soap: SoapVersion,
    /// Addressing version.
    pub addressing: AddressingVersion,
    /// Header blocks, in order.
    pub headers: &'m [HeaderBlock<'m>],
    /// The body's content: XML that declares the prefixes it uses.
    pub body: &'m [u8],
    /// Is the body encrypted?
    pub encrypt_body: bool,
}

/// What came of sealing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// Length of the message, in bytes.
    pub len: usize,
    /// The primary signature's value, or its SHA-256 where a certificate made it; [`SignatureValue::NONE`] with [`SigningToken::Transport`].
    pub signature: SignatureValue,
    /// The endorsing signature's value, if there is one.
    pub endorsing_signature: Option<SignatureValue>,
    /// SHA-256 of the value of the certificate's signature, if there is one: the value itself may have 512 bytes.
    pub certificate_signature: Option<[u8; 32]>,
}

/// Why a message was not sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SealError {
    /// The buffer is too small; says by how much.
    Grow(Grow),
    /// The body (or a header's content) is not well-formed XML, or over a limit.
    Xml(xml::Error),
    /// More header blocks, confirmations or parts than one message may have.
    TooMany,
    /// A key has not the length that the suite wants.
    KeyLength,
    /// Nobody waits for this: the exchange is owed something else.
    NotOwed,
    /// The certificate's key did not sign.
    Credential(CredentialError),
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grow(grow) => write!(f, "{grow}"),
            Self::Xml(error) => write!(f, "the message to send: {error}"),
            Self::TooMany => f.write_str("more header blocks or confirmations than one message may have"),
            Self::KeyLength => f.write_str("a key has not the length that the algorithm suite wants"),
            Self::NotOwed => f.write_str("the exchange is owed another kind of answer"),
            Self::Credential(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for SealError {}

impl From<Grow> for SealError {
    fn from(grow: Grow) -> Self {
        Self::Grow(grow)
    }
}

impl From<xml::Error> for SealError {
    fn from(error: xml::Error) -> Self {
        Self::Xml(error)
    }
}
