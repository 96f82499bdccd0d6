//! Why a message was refused: exact inside, uniform outside.

use super::{CookieFlaw, CredentialError};
use crate::xml;
use core::fmt;

/// The part of a message that a refusal is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the variants are the element names of the specifications")]
pub enum Element {
    Envelope,
    Header,
    Body,
    Security,
    Timestamp,
    SecurityContextToken,
    DerivedKeyToken,
    EncryptedKey,
    EncryptedData,
    ReferenceList,
    BinarySecurityToken,
    UsernameToken,
    Signature,
    SignedInfo,
    Reference,
    EndorsingSignature,
    SignatureConfirmation,
    SecurityTokenReference,
    Action,
    To,
    From,
    ReplyTo,
    FaultTo,
    MessageId,
    RelatesTo,
    ReliableMessagingHeader,
    HeaderBlock,
}

impl Element {
    /// The element's local name, as the specifications write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Envelope => "Envelope",
            Self::Header => "Header",
            Self::Body => "Body",
            Self::Security => "Security",
            Self::Timestamp => "Timestamp",
            Self::SecurityContextToken => "SecurityContextToken",
            Self::DerivedKeyToken => "DerivedKeyToken",
            Self::EncryptedKey => "EncryptedKey",
            Self::EncryptedData => "EncryptedData",
            Self::ReferenceList => "ReferenceList",
            Self::BinarySecurityToken => "BinarySecurityToken",
            Self::UsernameToken => "UsernameToken",
            Self::Signature => "Signature",
            Self::SignedInfo => "SignedInfo",
            Self::Reference => "Reference",
            Self::EndorsingSignature => "endorsing Signature",
            Self::SignatureConfirmation => "SignatureConfirmation",
            Self::SecurityTokenReference => "SecurityTokenReference",
            Self::Action => "Action",
            Self::To => "To",
            Self::From => "From",
            Self::ReplyTo => "ReplyTo",
            Self::FaultTo => "FaultTo",
            Self::MessageId => "MessageID",
            Self::RelatesTo => "RelatesTo",
            Self::ReliableMessagingHeader => "WS-ReliableMessaging header",
            Self::HeaderBlock => "header block",
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which algorithm of a message was not the suite's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the variants are the slots' names")]
pub enum AlgorithmSlot {
    Canonicalization,
    Transform,
    Digest,
    Signature,
    Encryption,
    KeyTransport,
    KeyDerivation,
}

impl fmt::Display for AlgorithmSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Canonicalization => "canonicalization",
            Self::Transform => "transform",
            Self::Digest => "digest",
            Self::Signature => "signature",
            Self::Encryption => "encryption",
            Self::KeyTransport => "key transport",
            Self::KeyDerivation => "key derivation",
        })
    }
}

/// Why a message was refused. Local: it never travels; the peer is told [`wire`](Self::wire).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes are not the XML that SOAP allows, or over a limit.
    Xml(xml::Error),
    /// The envelope is XML, but not what was found in it: decrypted text that is none or over a limit, or a child of the
    /// security header of another shape. To the peer it looks like any other failure: a receiver that answers broken
    /// plain text otherwise than a broken signature decrypts for whoever asks (Jager and Somorovsky, 2011).
    Unreadable(xml::Error),
    /// Not a SOAP 1.1 or 1.2 envelope.
    NotSoap,
    /// A required element is missing.
    Missing(Element),
    /// An element that must be there once is there more often.
    Repeated(Element),
    /// An element's content is not what its specification says; `offset` is where it starts.
    Malformed {
        /// Which element.
        element: Element,
        /// Byte offset in the message.
        offset: u32,
    },
    /// More of something than fits or is allowed.
    TooMany {
        /// Of what.
        element: Element,
        /// The limit.
        limit: u16,
    },
    /// Two elements share one Id, so that a signature could mean either.
    DuplicateId {
        /// Byte offset of the second one.
        offset: u32,
    },
    /// An algorithm outside the session's suite.
    Algorithm {
        /// Which slot.
        slot: AlgorithmSlot,
        /// Byte offset of the element that names it.
        offset: u32,
    },
    /// The security header's children are not in the order that the layout wants.
    Layout {
        /// The child that came too early or too late.
        element: Element,
        /// Byte offset of it.
        offset: u32,
    },
    /// The protection order or the downgrade of the signature is not the one agreed.
    Order {
        /// The element that shows it.
        element: Element,
    },
    /// A token of another version, or of a kind that this binding does not use.
    WrongToken {
        /// Which element.
        element: Element,
        /// Byte offset of it.
        offset: u32,
    },
    /// A reference points at nothing in the message or at something that cannot be meant.
    DanglingReference {
        /// Byte offset of the reference.
        offset: u32,
    },
    /// A derived key's offset, length, generation, nonce or label is out of bounds (WS-SecureConversation 7).
    DerivedKeyBounds {
        /// Which child: `Offset`, `Length`, `Generation`, `Nonce`, `Label`.
        child: &'static str,
        /// The value that was sent (bytes, or characters of the label).
        value: u64,
        /// The greatest value allowed.
        limit: u64,
    },
    /// A key was used as it is where only derived keys are allowed.
    KeyNotDerived {
        /// Where it was used.
        element: Element,
    },
    /// No session has this `SecurityContextToken`: expired, cancelled, or never issued here.
    UnknownSecurityContext,
    /// The token's cookie does not do, or none could be made for a new token.
    Cookie(CookieFlaw),
    /// A reply names an `EncryptedKey` that we did not send.
    UnknownEncryptedKey,
    /// The `EncryptedKey` could not be unwrapped, or a certificate or password did not convince.
    Credential(CredentialError),
    /// A part must be encrypted and is in clear.
    NotEncrypted(Element),
    /// A part must be in clear and is encrypted.
    Encrypted(Element),
    /// Encrypted data that no `ReferenceList` names.
    Unlisted {
        /// Byte offset of the `EncryptedData`.
        offset: u32,
    },
    /// Ciphertext that does not decrypt to what it stood for: wrong length, padding, or content that breaks out.
    Undecryptable(Element),
    /// A signature covers something else than what it was made over: the digest differs.
    Digest {
        /// The part whose digest differs.
        element: Element,
    },
    /// The signature value is not that of the key.
    SignatureValue(Element),
    /// A part that must be signed is not covered by the primary signature.
    NotSigned(Element),
    /// The primary signature and the encryption use different tokens.
    TokenMismatch,
    /// The message's `Created` is too far ahead of our clock: by so many milliseconds beyond the skew.
    FromTheFuture {
        /// Milliseconds beyond what is allowed.
        by_ms: u64,
    },
    /// The message is older than the replay window and the skew allow: by so many milliseconds.
    Stale {
        /// Milliseconds beyond what is allowed.
        by_ms: u64,
    },
    /// The message's `Expires` is past by so many milliseconds beyond the skew.
    Expired {
        /// Milliseconds beyond what is allowed.
        by_ms: u64,
    },
    /// This signature was seen before: a copy of an earlier message.
    Replay,
    /// The replay table is full of signatures that may still be replayed; nothing is evicted, so nothing more is taken.
    ReplayTableFull {
        /// Its capacity.
        capacity: u32,
    },
    /// The reply confirms a signature that the request did not have, or does not confirm one that it had.
    Confirmation,
    /// The contract has no such action.
    UnknownAction,
    /// The session's key is past its time and has to be renewed.
    KeyExpired,
    /// So many sessions are issued and unused, or the table of sessions is full.
    TooManySessions {
        /// The limit on pending sessions.
        limit: u16,
    },
    /// A RequestSecurityToken that cannot be served: wrong type, size, target, endorser or user.
    InvalidTrustRequest,
}

/// The one fault that a refusal becomes on the wire. All that fails in verification looks alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WireFault {
    /// `wsse:InvalidSecurity`.
    InvalidSecurity,
    /// `wsse:InvalidSecurityToken`.
    InvalidSecurityToken,
    /// `sc:BadContextToken`.
    BadContextToken,
    /// No fault can be sent: what came was not SOAP. HTTP 400.
    None,
}

impl Refusal {
    /// What the peer is told (reference: WSS 1.0 section 12, WS-SecureConversation section 9).
    #[allow(clippy::wildcard_enum_match_arm, reason = "uniform: what is not named looks like a forged signature")]
    pub const fn wire(&self) -> WireFault {
        match self {
            // WCF tells a token whose time is over from a cookie that it cannot make anything of.
            Self::UnknownSecurityContext
            | Self::Cookie(CookieFlaw::NotYetValid { .. } | CookieFlaw::Expired { .. }) => WireFault::BadContextToken,
            Self::Credential(
                CredentialError::BadPassword | CredentialError::NotTrusted | CredentialError::Certificate { .. },
            ) => WireFault::InvalidSecurityToken,
            Self::Xml(_) | Self::NotSoap => WireFault::None,
            _ => WireFault::InvalidSecurity,
        }
    }
}

impl From<xml::Error> for Refusal {
    fn from(error: xml::Error) -> Self {
        Self::Xml(error)
    }
}

/// Milliseconds, told as seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s", self.0 / 1000, self.0 % 1000)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xml(error) => write!(f, "{error}"),
            Self::Unreadable(error) => write!(f, "a secured part is not readable: {error}"),
            Self::NotSoap => f.write_str("not a SOAP 1.1 or 1.2 envelope"),
            Self::Missing(element) => write!(f, "there is no {element}"),
            Self::Repeated(element) => write!(f, "there is more than one {element}"),
            Self::Malformed { element, offset } => write!(f, "malformed {element} at byte {offset}"),
            Self::TooMany { element, limit } => write!(f, "more than {limit} of {element}"),
            Self::DuplicateId { offset } => write!(f, "the Id at byte {offset} stands elsewhere in the message too"),
            Self::Algorithm { slot, offset } => write!(f, "the {slot} algorithm at byte {offset} is not the suite's"),
            Self::Layout { element, offset } => write!(f, "{element} at byte {offset} is out of the layout's order"),
            Self::Order { element } => write!(f, "{element} shows another protection order than the one agreed"),
            Self::WrongToken { element, offset } => {
                write!(f, "{element} at byte {offset} is not a token of this binding")
            }
            Self::DanglingReference { offset } => write!(f, "the reference at byte {offset} points at nothing usable"),
            Self::DerivedKeyBounds { child, value, limit } => {
                write!(f, "DerivedKeyToken/{child} is {value}, the limit is {limit}")
            }
            Self::KeyNotDerived { element } => write!(f, "{element} uses a key that was not derived"),
            Self::UnknownSecurityContext => f.write_str("no session has this SecurityContextToken"),
            Self::Cookie(flaw) => write!(f, "{flaw}"),
            Self::UnknownEncryptedKey => f.write_str("the message names an EncryptedKey that was not sent"),
            Self::Credential(error) => write!(f, "{error}"),
            Self::NotEncrypted(element) => write!(f, "{element} must be encrypted and is in clear"),
            Self::Encrypted(element) => write!(f, "{element} must be in clear and is encrypted"),
            Self::Unlisted { offset } => write!(f, "no ReferenceList names the EncryptedData at byte {offset}"),
            Self::Undecryptable(element) => write!(f, "the ciphertext of {element} does not decrypt"),
            Self::Digest { element } => write!(f, "the digest of {element} is not the signed one"),
            Self::SignatureValue(element) => write!(f, "the value of the {element} is not its key's"),
            Self::NotSigned(element) => write!(f, "{element} is not signed"),
            Self::TokenMismatch => f.write_str("signature and encryption use different tokens"),
            Self::FromTheFuture { by_ms } => {
                write!(f, "the clocks differ: Created lies {} beyond the clock skew in the future", Seconds(*by_ms))
            }
            Self::Stale { by_ms } => {
                write!(f, "Created is {} older than replay window and clock skew allow", Seconds(*by_ms))
            }
            Self::Expired { by_ms } => write!(f, "Expires passed {} before the clock skew's end", Seconds(*by_ms)),
            Self::Replay => f.write_str("a message with this signature was received before"),
            Self::ReplayTableFull { capacity } => {
                write!(f, "the replay table is full: {capacity} signatures are still within their window")
            }
            Self::Confirmation => f.write_str("the SignatureConfirmations are not those of the request"),
            Self::UnknownAction => f.write_str("the contract has no operation for this action"),
            Self::KeyExpired => f.write_str("the session's key has to be renewed before the next message"),
            Self::TooManySessions { limit } => {
                write!(f, "no more sessions: {limit} may be issued and unused, or the table is full")
            }
            Self::InvalidTrustRequest => f.write_str("the RequestSecurityToken cannot be served"),
        }
    }
}

impl core::error::Error for Refusal {}
