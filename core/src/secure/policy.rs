//! What a receiver insists on: algorithms, protection order, layout, clock, and which parts must be covered.

use crate::crypto::SuiteSet;
use crate::soap::ScVersion;
use core::time::Duration;

/// In which order a message was signed and encrypted (`MessageProtectionOrder` in WCF).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ProtectionOrder {
    /// Sign, then encrypt the body; the signature stays in clear.
    SignBeforeEncrypt,
    /// As above, and the signature is encrypted too: the default of every WCF binding element. When nothing that the
    /// signature covers is encrypted, the signature is left in clear (WCF's downgrade rule).
    #[default]
    SignBeforeEncryptAndEncryptSignature,
    /// Encrypt the body, then sign the `Body` element that holds the ciphertext.
    EncryptBeforeSign,
}

/// How strictly the order of the security header's children is read (`SecurityHeaderLayout` in WCF).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Layout {
    /// Every token before its use, `ReferenceList` before what it lists. Default of all bindings but basicHttp.
    #[default]
    Strict,
    /// Any order, but for signatures: the first is the primary one, and those that endorse it follow. WCF finds out which is
    /// which by what they refer to; where one endorses, it writes them in this order too. basicHttp.
    Lax,
    /// Any order, but the `Timestamp` comes first.
    LaxTimestampFirst,
    /// Any order, but the `Timestamp` comes last.
    LaxTimestampLast,
}

/// Whether a receiver wants a part to be encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encryption {
    /// The part in clear is refused.
    Required,
    /// Ciphertext or clear text, as the message has it, and the signature likewise: what WCF's receiver does where it does
    /// not insist, with WS-ReliableMessaging's own messages for one.
    Optional,
    /// The part must be in clear: RST/SCT/Cancel and its reply.
    None,
}

/// The clock rules of `LocalServiceSecuritySettings` and `LocalClientSecuritySettings`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockRules {
    /// How far the two clocks may be apart. WCF: 5 minutes.
    pub max_clock_skew: Duration,
    /// How old a message may be, beside the skew. WCF: 5 minutes.
    pub replay_window: Duration,
    /// Lifetime written into outgoing timestamps. WCF: 5 minutes.
    pub timestamp_validity: Duration,
}

impl Default for ClockRules {
    fn default() -> Self {
        let five = Duration::from_secs(300);
        Self { max_clock_skew: five, replay_window: five, timestamp_validity: five }
    }
}

/// What [`open`](super::open) insists on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The algorithm suites that may protect the message. A session allows exactly one.
    pub suites: SuiteSet,
    /// The WS-SecureConversation version whose tokens are read; `None` reads both.
    pub version: Option<ScVersion>,
    /// The protection order; `None` takes the order that the message shows (for inspection only).
    pub order: Option<ProtectionOrder>,
    /// Layout of the security header.
    pub layout: Layout,
    /// Is the body encrypted?
    pub body: Encryption,
    /// What the headers of WS-Addressing are.
    pub addressing: AddressingUse,
    /// Must there be a signed `Timestamp`?
    pub timestamp: bool,
    /// Clock skew and age.
    pub clock: ClockRules,
    /// Are `SignatureConfirmation` elements expected (WSS 1.1 bootstraps), tolerated, or refused?
    pub confirmations: Confirmations,
    /// May keys be used without derivation (`RequireDerivedKeys` off, and Cancel messages)?
    pub underived_keys: bool,
    /// Must the message carry a `UsernameToken` (UserNameForCertificate)?
    pub username: bool,
    /// Who makes the primary signature: the holder of a symmetric key, or of a certificate (WSS 1.0).
    pub signer: Signer,
    /// Does the transport protect the message? Then nothing is encrypted, the body is not signed, and whoever endorses the
    /// message signs its timestamp.
    pub transport: bool,
    /// Must a second signature, made with a secure conversation's key, endorse the primary one (Renew)?
    pub endorsement: bool,
    /// Must a signature made with a client's certificate endorse the primary one (MutualCertificate)?
    pub certificate: CertificateUse,
}

/// What a receiver does with `SignatureConfirmation` elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confirmations {
    /// The reply must confirm exactly the signatures of the request.
    Required,
    /// They may be there; they must be signed (for inspection only).
    Tolerated,
    /// One is a reason to refuse the message: WCF's rule where `RequireSignatureConfirmation` is off.
    Refused,
}

/// What the headers of WS-Addressing are to a receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressingUse {
    /// There must be an `Action`, and each of them must be signed where a message is signed at all.
    Required,
    /// They may be there, and must then be signed (for inspection only).
    Tolerated,
    /// The binding has none (`AddressingVersion.None` in WCF). One that is there says nothing: it need not be signed, and is
    /// not understood where it must be.
    Unknown,
}

/// Who makes the primary signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signer {
    /// Whoever has the key of the message's token.
    Symmetric,
    /// A client, with a certificate that the message carries.
    Client,
    /// The service, with its certificate.
    Service,
    /// Whoever it is (for inspection only).
    Any,
}

/// What an endorsing signature with a client's certificate is to a receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CertificateUse {
    /// The message must have one, with the certificate in it: MutualCertificate.
    Required,
    /// One may be there, and is verified (for inspection only).
    Tolerated,
    /// One is a reason to refuse the message: the binding has no such token.
    Refused,
}

impl Policy {
    /// The policy of a session's application messages: one suite, everything signed, body encrypted.
    pub fn session(suites: SuiteSet, version: ScVersion, order: ProtectionOrder) -> Self {
        Self {
            suites,
            version: Some(version),
            order: Some(order),
            layout: Layout::Strict,
            body: Encryption::Required,
            addressing: AddressingUse::Required,
            timestamp: true,
            clock: ClockRules::default(),
            confirmations: Confirmations::Refused,
            underived_keys: false,
            username: false,
            signer: Signer::Symmetric,
            transport: false,
            endorsement: false,
            certificate: CertificateUse::Refused,
        }
    }

    /// The policy of an inspector: any known suite, order and version, as long as everything present is verified.
    pub fn inspection() -> Self {
        Self {
            suites: SuiteSet::ALL,
            version: None,
            order: None,
            layout: Layout::Lax,
            body: Encryption::Optional,
            addressing: AddressingUse::Tolerated,
            timestamp: false,
            clock: ClockRules::default(),
            confirmations: Confirmations::Tolerated,
            underived_keys: true,
            username: false,
            signer: Signer::Any,
            transport: false,
            endorsement: false,
            certificate: CertificateUse::Tolerated,
        }
    }
}
