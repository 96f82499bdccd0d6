//! What both sides of a secure conversation share: message Ids, what can go wrong, and the key agreement.

use super::binding::{Binding, KeyEntropyMode};
use super::opened::Opened;
use super::phase::InitiatorPhase;
use super::protection::SealError;
use super::trust::{
    BinarySecret, ProofToken, RequestSecurityToken, RequestSecurityTokenResponse, SecretKind, TrustError, read_request,
    read_response,
};
use super::{CredentialError, Element, Refusal, SignatureValue};
use crate::base64;
use crate::chance::{Entropy, Uuid};
use crate::crypto::{Backend, SecretKey, p_sha1};
use crate::soap::fault::{KnownFault, read_fault};
use crate::soap::{FaultCode, ScVersion, SoapVersion, names};
use crate::xml::{Grow, Limits, Reader, Span, Start};
use core::fmt;

/// A GUID as WCF writes identifiers: `urn:uuid:`, lower case. MessageIDs, context identifiers, instances.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct UrnUuid([u8; 45]);

impl Default for UrnUuid {
    fn default() -> Self {
        Self::of(Uuid::default())
    }
}

impl UrnUuid {
    pub(super) fn fresh(entropy: &mut dyn Entropy) -> Self {
        Self::of(Uuid::random(entropy))
    }

    pub(super) fn of(uuid: Uuid) -> Self {
        let mut text = *b"urn:uuid:00000000-0000-0000-0000-000000000000";
        let mut guid = [0u8; Uuid::TEXT_LEN];
        uuid.write(&mut guid);
        for (to, from) in text.iter_mut().skip(9).zip(guid) {
            *to = from;
        }
        Self(text)
    }

    pub(super) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn uuid(&self) -> Uuid {
        Uuid::parse(&self.0).unwrap_or_default()
    }
}

/// The caller did what the machine's state does not allow. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Misuse {
    /// Not in this state.
    Phase(InitiatorPhase),
    /// The bootstrap wants a user, and there is none.
    NoUser,
    /// An address is longer than 256 bytes.
    AddressTooLong,
    /// So many calls are under way already.
    TooManyCalls {
        /// The limit, chosen at construction.
        limit: u16,
    },
    /// No session, or no request that waits for an answer, has this number.
    Unknown,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phase(phase) => write!(f, "the conversation is {phase:?}: this cannot be done now"),
            Self::NoUser => f.write_str("the bootstrap needs a user name and a password"),
            Self::AddressTooLong => f.write_str("the address is longer than 256 bytes"),
            Self::TooManyCalls { limit } => {
                write!(f, "{limit} calls are under way, as many as there may be: wait for one")
            }
            Self::Unknown => f.write_str("there is no such session, or no such request waits for an answer"),
        }
    }
}

impl core::error::Error for Misuse {}

/// A fault that a peer sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultSeen {
    /// Who is to blame.
    pub code: FaultCode,
    /// What it is, if its subcode is known.
    pub known: Option<KnownFault>,
    /// The version in whose namespace a WS-SecureConversation fault was written.
    pub version: Option<ScVersion>,
    /// The reason's text, in the message; empty if it has none.
    pub reason: Span,
    /// Was it verified?
    pub secured: bool,
}

impl FaultSeen {
    /// Does an unsecured fault end the client's session? WCF's client believes those of the security namespaces that it
    /// speaks; a `BadContextToken` of the other version is only this call's failure.
    pub(super) fn ends_session(&self, version: ScVersion) -> bool {
        let spoken = self.version.is_none_or(|seen| seen == version);
        spoken && self.known.is_some_and(KnownFault::is_security)
    }
}

/// Why a call or a conversation failed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The peer sent a fault.
    Fault(FaultSeen),
    /// The answer was refused.
    Refused(Refusal),
    /// The exchange ended without an answer.
    NoAnswer,
    /// The cancellation was not confirmed; the conversation is closed all the same.
    CloseUnconfirmed,
    /// The answer is not one to this request.
    Unexpected,
    /// The answer's trust body is not what WS-Trust says.
    Trust(TrustError),
    /// The answer offers a key that the suite does not accept.
    Key {
        /// Bits offered.
        bits: u32,
    },
    /// The key has to be renewed, and renewing is not allowed.
    KeyExpired,
    /// Certificates or passwords did not do.
    Credential(CredentialError),
    /// The message to send cannot be sealed.
    Unsendable(SealError),
    /// So many requests wait for their answers already.
    TooManyCalls {
        /// The limit, chosen at construction.
        limit: u16,
    },
    /// The buffer to seal into is too small.
    Room(Grow),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => {
                let secured = if fault.secured { "a" } else { "an unsecured" };
                match fault.known {
                    Some(known) => write!(f, "the peer sent {secured} fault: {known:?}"),
                    None => write!(f, "the peer sent {secured} fault of code {:?}", fault.code),
                }
            }
            Self::Refused(refusal) => write!(f, "the answer was refused: {refusal}"),
            Self::NoAnswer => f.write_str("the exchange ended without an answer"),
            Self::CloseUnconfirmed => f.write_str("the service did not confirm the cancellation"),
            Self::Unexpected => f.write_str("the answer is not one to this request"),
            Self::Trust(error) => write!(f, "{error}"),
            Self::Key { bits } => write!(f, "the service offers a key of {bits} bits, which the suite does not accept"),
            Self::KeyExpired => f.write_str("the key has to be renewed, and renewing is not allowed"),
            Self::Credential(error) => write!(f, "{error}"),
            Self::Unsendable(error) => write!(f, "{error}"),
            Self::TooManyCalls { limit } => {
                write!(f, "{limit} requests wait for their answers, as many as there may be")
            }
            Self::Room(grow) => write!(f, "{grow}"),
        }
    }
}

impl core::error::Error for Failure {}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Grow(grow) => Self::Room(grow),
            SealError::Credential(error) => Self::Credential(error),
            SealError::Xml(_) | SealError::TooMany | SealError::KeyLength | SealError::NotOwed => {
                Self::Unsendable(error)
            }
        }
    }
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        Self::Trust(error)
    }
}

/// The fault in an unsecured envelope: there is no `Security` header, and the body is a fault.
pub(super) fn unsecured_fault(message: &[u8], limits: &Limits) -> Option<FaultSeen> {
    // WCF reads no unsecured fault over 16 KiB.
    const LARGEST: usize = 16_384;
    if message.len() > LARGEST {
        return None;
    }
    let mut reader = Reader::document(message, limits).ok()?;
    let envelope = reader.next_element().ok()??;
    let soap = SoapVersion::from_namespace(envelope.name.namespace)?;
    let mut next = reader.next_element().ok()??;
    if next.name.is(soap.namespace(), "Header") {
        while let Some(block) = reader.next_element().ok()? {
            if block.name.is(names::WSSE, "Security") {
                return None;
            }
            reader.skip().ok()?;
        }
        next = reader.next_element().ok()??;
    }
    if !next.name.is(soap.namespace(), "Body") {
        return None;
    }
    let start = reader.next_element().ok()??;
    fault(&mut reader, &start, false)
}

/// The fault in a verified body, if it is one.
pub(super) fn body_fault(message: &[u8], opened: &Opened, limits: &Limits) -> Option<FaultSeen> {
    let mut reader = Reader::resume(message, opened.body, &opened.body_scope, limits).ok()?;
    let start = reader.next_element().ok()??;
    fault(&mut reader, &start, true)
}

fn fault<'a>(reader: &mut Reader<'a>, start: &Start<'a>, secured: bool) -> Option<FaultSeen> {
    let view = read_fault(reader, start).ok()?;
    Some(FaultSeen {
        code: view.code,
        known: view.known(),
        version: view.subcode.and_then(|name| ScVersion::from_namespace(name.namespace)),
        reason: view.reason.map(|text| text.span()).unwrap_or_default(),
        secured,
    })
}

/// Reads the RST of a verified body.
pub(super) fn trust_request<'m>(
    message: &'m [u8],
    opened: &Opened,
    binding: &Binding,
) -> Result<RequestSecurityToken<'m>, Refusal> {
    let malformed = Refusal::InvalidTrustRequest;
    let mut reader = Reader::resume(message, opened.body, &opened.body_scope, &binding.limits)?;
    let start = reader.next_element()?.ok_or(malformed)?;
    let request = read_request(&mut reader, &start).map_err(|_| malformed)?;
    if request.version == binding.version.trust() { Ok(request) } else { Err(malformed) }
}

/// Reads the RSTR of a verified body and hands it to `then`.
pub(super) fn with_response<'m, T>(
    message: &'m [u8],
    opened: &Opened,
    limits: &Limits,
    then: impl FnOnce(&RequestSecurityTokenResponse<'m>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let broken = |error| Failure::Refused(Refusal::Xml(error));
    let mut reader = Reader::resume(message, opened.body, &opened.body_scope, limits).map_err(broken)?;
    let start = reader.next_element().map_err(broken)?.ok_or(Failure::Refused(Refusal::Missing(Element::Body)))?;
    let response = read_response(&mut reader, &start)?;
    then(&response)
}

/// The octets of a `BinarySecret`.
pub(super) fn octets(secret: &BinarySecret<'_>) -> Option<SecretKey> {
    let mut key = SecretKey::zeroed(SecretKey::MAX)?;
    let len = base64::decode(secret.text.raw(), key.as_mut_bytes()).ok()?;
    SecretKey::new(key.as_bytes().get(..len)?)
}

/// The session key from both sides' entropy: P_SHA1 with the requestor's as secret and the issuer's as seed, no label
/// (WS-Trust, section 4.4).
pub(super) fn combined_key<B: Backend>(requestor: &SecretKey, issuer: &SecretKey, len: usize) -> Option<SecretKey> {
    let mut key = SecretKey::zeroed(len)?;
    p_sha1::<B>(requestor.as_bytes(), &[], issuer.as_bytes(), 0, key.as_mut_bytes());
    Some(key)
}

/// The key that a response gives, with the client's own share.
pub(super) fn session_key<B: Backend>(
    response: &RequestSecurityTokenResponse<'_>,
    own: &SecretKey,
    binding: &Binding,
) -> Result<SecretKey, Failure> {
    let bits = response.key_size.unwrap_or_else(|| binding.suite.default_key_bits());
    if !binding.suite.accepts_key_bits(bits) {
        return Err(Failure::Key { bits });
    }
    let len = (bits / 8) as usize;
    let key = match (binding.entropy, response.proof, response.entropy) {
        (KeyEntropyMode::Combined, Some(ProofToken::ComputedPsha1), Some(entropy))
            if entropy.kind == SecretKind::Nonce =>
        {
            octets(&entropy).and_then(|issuer| combined_key::<B>(own, &issuer, len))
        }
        (KeyEntropyMode::Server, Some(ProofToken::Key(secret)), None) => octets(&secret),
        (KeyEntropyMode::Client, None, None) => Some(own.clone()),
        _ => None,
    };
    key.filter(|key| key.len() == len).ok_or(Failure::Unexpected)
}

/// A signature value from its base64.
pub(super) fn signature_value(text: &[u8]) -> Option<SignatureValue> {
    let mut octets = [0u8; 32];
    let len = base64::decode(text, &mut octets).ok()?;
    SignatureValue::new(octets.get(..len)?)
}
