//! What opening a message takes, and what it gives.

use super::context_name::ContextName;
use super::scan::MAX_HEADERS;
use super::signature::MAX_REFERENCES;
use super::{Element, Policy, ProtectionOrder, SignatureValue};
use crate::crypto::{SecretKey, SuiteSet};
use crate::soap::{AddressingVersion, SoapVersion};
use crate::time::UnixMillis;
use crate::xml::{Limits, Scope, Span};
use heapless::Vec;

/// The token that protected a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProtectionToken {
    /// A secure conversation's `SecurityContextToken`.
    SecurityContext(ContextName),
    /// A key that the client wrapped for the service's certificate.
    EncryptedKey {
        /// SHA-1 of the wrapped octets, by which the reply names the key.
        sha1: [u8; 20],
        /// The key itself.
        key: SecretKey,
    },
    /// A certificate, which signed the message; what is encrypted has a key of its own (WSS 1.0).
    Certificate {
        /// Base64 of its DER, in the message. Empty where the message only names it.
        text: Span,
        /// SHA-256 of the DER, or of whatever names it.
        sha256: [u8; 32],
    },
    /// None: the transport protects the message, and whoever endorses it signs its timestamp only.
    Transport,
}

/// Where the WS-Addressing values of a message stand: the text of each header, or nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AddressingValues {
    /// `Action`.
    pub action: Span,
    /// `MessageID`.
    pub message_id: Span,
    /// `RelatesTo`.
    pub relates_to: Span,
    /// `To`.
    pub to: Span,
    /// `ReplyTo/Address`.
    pub reply_to: Span,
}

impl Opened {
    /// The conversation that the message belongs to: its token protects it or, over a protected transport, endorses it.
    pub fn session_context(&self) -> Option<&ContextName> {
        match &self.token {
            ProtectionToken::SecurityContext(name) => Some(name),
            ProtectionToken::Transport => self.endorsing_context(),
            ProtectionToken::EncryptedKey { .. } | ProtectionToken::Certificate { .. } => None,
        }
    }

    /// The conversation that endorsed the message (Renew).
    pub fn endorsing_context(&self) -> Option<&ContextName> {
        self.endorsements.iter().find_map(|endorsement| match &endorsement.by {
            Endorser::SecurityContext(name) => Some(name),
            Endorser::Certificate { .. } => None,
        })
    }

    /// SHA-256 of the certificate that endorsed the message.
    pub fn endorsing_certificate(&self) -> Option<&[u8; 32]> {
        self.endorsements.iter().find_map(|endorsement| match &endorsement.by {
            Endorser::Certificate { sha256, .. } => Some(sha256),
            Endorser::SecurityContext(_) => None,
        })
    }
}

/// What was covered, for logs and inspectors.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Coverage {
    /// Parts under the primary signature, in the order of its references.
    pub signed: Vec<Element, MAX_REFERENCES>,
    /// Parts that were encrypted.
    pub encrypted: Vec<Element, 8>,
    /// Endorsing signatures that hold.
    pub endorsing: u8,
}

/// A user that a `UsernameToken` names, and that [`Credentials::check_user`](super::Credentials::check_user) believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct User {
    /// The name's text in the message.
    pub name: Span,
}

/// Who endorsed the message with a second signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Endorser {
    /// The holder of a secure conversation's key (Renew).
    SecurityContext(ContextName),
    /// The holder of a certificate (MutualCertificate).
    Certificate {
        /// Base64 of its DER, in the message. Empty where the message only names it.
        text: Span,
        /// SHA-256 of the DER, or of whatever names it.
        sha256: [u8; 32],
    },
}

/// A signature over the primary one, verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endorsement {
    /// Who made it.
    pub by: Endorser,
    /// Base64 of its value, in the message.
    pub value: Span,
}

/// A message that holds: everything below was decrypted and verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// SOAP version of the envelope.
    pub soap: SoapVersion,
    /// WS-Addressing version of its headers, if it has any.
    pub addressing_version: Option<AddressingVersion>,
    /// Addressing values. All of them are signed.
    pub addressing: AddressingValues,
    /// The body's content, decrypted, in the message buffer.
    pub body: Span,
    /// Namespace bindings around the body's content.
    pub body_scope: Scope,
    /// Namespace bindings around the header blocks.
    pub header_scope: Scope,
    /// The header blocks other than `Security`: what they are and where.
    pub headers: Vec<(Element, Span), { MAX_HEADERS }>,
    /// The first header block that must be understood and that is not WS-Addressing's or WS-ReliableMessaging's. Whether the
    /// application understands it is not for security to know: who does not, answers `MustUnderstand` (SOAP 1.2, 5.4.8).
    pub must_understand: Option<Span>,
    /// The token that signed (and, where anything is encrypted, encrypted).
    pub token: ProtectionToken,
    /// What is left of the policy's suites after the message showed its algorithms.
    pub suites: SuiteSet,
    /// The protection order that the message shows.
    pub order: ProtectionOrder,
    /// `Created` of the timestamp.
    pub created: Option<UnixMillis>,
    /// `Expires` of the timestamp.
    pub expires: Option<UnixMillis>,
    /// The primary signature's value: what a replay table keeps, and what a reply confirms. [`SignatureValue::NONE`] where
    /// the transport protects the message; the SHA-256 of the value where a certificate made it.
    pub signature: SignatureValue,
    /// Who endorsed: at most one certificate and one conversation, in the order of the message.
    pub endorsements: Vec<Endorsement, 2>,
    /// The user, with UserNameForCertificate.
    pub user: Option<User>,
    /// Base64 of the signature values that the message confirms, in the message.
    pub confirmations: Vec<Span, 4>,
    /// What was signed and encrypted.
    pub coverage: Coverage,
}

/// What opening needs beside the message.
pub struct OpenContext<'c, K: ?Sized, C: ?Sized> {
    /// What to insist on.
    pub policy: &'c Policy,
    /// Reader quotas for the plain text, and the greatest message.
    pub limits: &'c Limits,
    /// Keys agreed before.
    pub keyring: &'c K,
    /// Certificates and passwords.
    pub credentials: &'c C,
    /// The receiver's clock. `None` judges the timestamp by its own `Created` (for inspection of old messages only).
    pub now: Option<UnixMillis>,
}
