//! Opening recorded messages: their keys as a keyring, the strict policies they were sent under, and what was heard.

use std::collections::HashMap;

use soap_session_core::base64;
use soap_session_core::crypto::{
    AlgorithmSuite, AsymmetricSignature, Backend, DigestAlgorithm, Hasher, KeyTransport, RustCrypto, SecretKey,
    SuiteSet,
};
use soap_session_core::secure::{
    CertificateReference, Confirmations, CredentialError, Credentials, Element, Encryption, Keyring, OpenContext,
    Opened, Policy, ProtectionOrder, ProtectionToken, Refusal, open,
};
use soap_session_core::soap::ScVersion;
use soap_session_core::time::UnixMillis;
use soap_session_core::xml::{Limits, Span};

use crate::{Recording, forge};

/// The keys that a recording's `keys.json` tells.
#[derive(Clone, Debug, Default)]
pub struct RecordedKeys {
    contexts: HashMap<(Vec<u8>, Option<Vec<u8>>), SecretKey>,
    wrapped: HashMap<[u8; 20], SecretKey>,
    /// The thumbprint of the certificate that the keys are wrapped for.
    recipient: Vec<u8>,
    /// The service unwraps; a client, or an inspector, has the keys.
    service: bool,
}

impl RecordedKeys {
    /// Every issued token, and every key that a request wraps. `None` if the recording has no `keys.json`.
    ///
    /// # Panics
    /// On a recording that is not what `vectors/README.md` says.
    pub fn of(recording: &Recording) -> Option<Self> {
        let secrets = recording.secrets().ok()?;
        let mut keys = Self::default();
        for (_, c) in secrets.issued() {
            let name = (c.identifier.clone().into_bytes(), c.instance.clone().map(String::into_bytes));
            keys.contexts.insert(name, SecretKey::new(&c.key).unwrap());
        }
        for message in &recording.messages {
            let Some(key) = secrets.of(&message.file).and_then(|k| k.encrypted_key.as_ref()) else { continue };
            let text = String::from_utf8_lossy(&message.bytes);
            let Some((_, rest)) = text.split_once("<e:EncryptedKey") else { continue };
            let wrapped = from_base64(between(rest, "<e:CipherValue>", "<"));
            keys.wrapped.insert(sha1(&wrapped), SecretKey::new(key).unwrap());
            if let Some((head, _)) = rest.split_once("</o:KeyIdentifier>") {
                keys.recipient = from_base64(head.rsplit('>').next().unwrap());
            }
        }
        Some(keys)
    }

    /// Takes in one more session's token.
    ///
    /// # Panics
    /// If the key is longer than any suite's.
    pub fn know(&mut self, identifier: &str, key: &[u8]) {
        self.contexts.insert((identifier.as_bytes().to_vec(), None), SecretKey::new(key).unwrap());
    }
}

impl Keyring for RecordedKeys {
    fn security_context(&self, identifier: &[u8], instance: Option<&[u8]>) -> Option<SecretKey> {
        self.contexts.get(&(identifier.to_vec(), instance.map(<[u8]>::to_vec))).cloned()
    }
    fn encrypted_key(&self, sha1: &[u8; 20]) -> Option<SecretKey> {
        self.wrapped.get(sha1).filter(|_| !self.service).cloned()
    }
    fn decoy(&self, _: &[u8; 20]) -> SecretKey {
        SecretKey::new(&[0x5A; 32]).unwrap()
    }
}

/// Unwraps what the recording tells, and believes every certificate and password: who is trusted is tested elsewhere.
impl Credentials for RecordedKeys {
    fn unwrap_key(
        &self,
        recipient: CertificateReference<'_>,
        _: KeyTransport,
        wrapped: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        if recipient != CertificateReference::ThumbprintSha1(&self.recipient) {
            return Err(CredentialError::UnknownCertificate);
        }
        let key = self.wrapped.get(&sha1(wrapped)).ok_or(CredentialError::WrongKey)?;
        out[..key.len()].copy_from_slice(key.as_bytes());
        Ok(key.len())
    }
    fn verify_signature(
        &self,
        _: CertificateReference<'_>,
        _: AsymmetricSignature,
        _: &[u8],
        _: &[u8],
    ) -> Result<(), CredentialError> {
        Ok(())
    }
    fn check_user(&self, _: &str, _: &str) -> Result<(), CredentialError> {
        Ok(())
    }
}

fn sha1(octets: &[u8]) -> [u8; 20] {
    let mut hasher = <RustCrypto as Backend>::Hasher::new(DigestAlgorithm::Sha1);
    hasher.update(octets);
    hasher.finish().as_bytes().try_into().unwrap()
}

/// The octets of some base64.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn from_base64(text: &str) -> Vec<u8> {
    let mut octets = text.as_bytes().to_vec();
    let len = base64::decode_in_place(&mut octets).unwrap();
    octets.truncate(len);
    octets
}

/// What stands between `start` and the `end` after it.
///
/// # Panics
/// If either is not there.
pub fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map(|(value, _)| value).expect(start)
}

/// `text` with its only `from` replaced.
///
/// # Panics
/// If `from` does not stand in it exactly once: an attack that changes nothing would prove nothing.
#[must_use]
pub fn swap(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} is not there exactly once");
    text.replacen(from, to, 1)
}

/// A recorded message with everything that its receiver had.
#[derive(Clone, Debug)]
pub struct Case {
    /// As it was sent.
    pub text: String,
    /// The recording's keys.
    pub keys: RecordedKeys,
    /// The strict policy of its kind.
    pub policy: Policy,
    /// A second after it was created.
    pub now: UnixMillis,
    /// WCF's defaults.
    pub limits: Limits,
    /// The message's derived keys, in the order of their tokens: signing, encryption.
    pub derived: Vec<Vec<u8>>,
    /// The key of the session's first token; empty if the recording has none.
    pub session_key: Vec<u8>,
}

/// What a strict receiver expects of a message of this kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Body encrypted, no confirmation: session messages and bootstrap requests.
    Message,
    /// Nothing encrypted: Cancel.
    Clear,
    /// A renewal, which a second signature endorses.
    Endorsed,
    /// A bootstrap's answer, which confirms the request's signature.
    Confirming,
}

impl Case {
    /// The message `file` of a recording.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(recording: &str, file: &str, kind: Kind, suite: AlgorithmSuite, order: ProtectionOrder) -> Self {
        let recording = Recording::open(recording).unwrap();
        let message = recording.messages.iter().find(|m| m.file == file).unwrap();
        let text = String::from_utf8(message.bytes.clone()).unwrap();
        let version =
            if text.contains("ws-secureconversation/200512") { ScVersion::V13 } else { ScVersion::February2005 };
        let mut policy = Policy::session(SuiteSet::only(suite), version, order);
        match kind {
            Kind::Message => {}
            Kind::Clear => policy.body = Encryption::None,
            Kind::Endorsed => policy.endorsement = true,
            Kind::Confirming => policy.confirmations = Confirmations::Required,
        }
        let created = UnixMillis::parse(between(&text, "<u:Created>", "<").as_bytes()).unwrap();
        let secrets = recording.secrets().unwrap();
        let derived = secrets.of(file).map(|k| k.derived.iter().map(|d| d.key.clone()).collect());
        let mut keys = RecordedKeys::of(&recording).unwrap();
        keys.service = file.contains("c2s");
        Self {
            keys,
            derived: derived.unwrap_or_default(),
            session_key: secrets.issued().next().map(|(_, c)| c.key.clone()).unwrap_or_default(),
            policy,
            now: UnixMillis(created.0 + 1000),
            limits: Limits::default(),
            text,
        }
    }

    /// A request of a secure session (Basic256, Feb-2005, SOAP 1.2), signature and body encrypted.
    pub fn request() -> Self {
        Self::new("wcf/sc-anon", "03-c2s.xml", Kind::Message, AlgorithmSuite::Basic256, ProtectionOrder::default())
    }

    /// The Cancel of that session: everything in clear, so that structure can be edited at will.
    pub fn cancel() -> Self {
        Self::new("wcf/sc-anon", "21-c2s.xml", Kind::Clear, AlgorithmSuite::Basic256, ProtectionOrder::default())
    }

    /// The answer to that Cancel.
    pub fn cancel_reply() -> Self {
        Self::new("wcf/sc-anon", "22-s2c.xml", Kind::Clear, AlgorithmSuite::Basic256, ProtectionOrder::default())
    }

    /// The Cancel after `edit`, its signature made good again.
    ///
    /// # Errors
    /// As [`open`].
    pub fn forged(&self, edit: impl Fn(&str) -> String) -> Result<Heard, Refusal> {
        self.open(forge::resign(&edit(&self.text), &self.derived[0]))
    }

    /// Opens `text` in the place of the recorded message.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(&self, text: impl AsRef<[u8]>) -> Result<Heard, Refusal> {
        let mut bytes = text.as_ref().to_vec();
        let opened = self.open_in(&mut bytes)?;
        Ok(Heard::new(&opened, &bytes))
    }

    /// Opens `bytes` in place.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open_in(&self, bytes: &mut [u8]) -> Result<Opened, Refusal> {
        let context = OpenContext {
            policy: &self.policy,
            limits: &self.limits,
            keyring: &self.keys,
            credentials: &self.keys,
            now: Some(self.now),
        };
        open::<RustCrypto, _, _>(bytes, &context)
    }
}

/// All that an opened message hands on, read out of its buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Action, MessageID, RelatesTo, To, ReplyTo.
    pub addressing: [Vec<u8>; 5],
    /// The body's content.
    pub body: Vec<u8>,
    /// Every header block but `Security`.
    pub headers: Vec<(Element, Vec<u8>)>,
    /// The token that protected it.
    pub token: ProtectionToken,
    /// Created and Expires.
    pub times: [Option<UnixMillis>; 2],
    /// The signature's value.
    pub signature: Vec<u8>,
    /// Confirmed signatures, base64.
    pub confirmations: Vec<Vec<u8>>,
    /// The parts that were signed, and those that were encrypted.
    pub covered: [Vec<Element>; 2],
    /// A block to be understood.
    pub must_understand: Option<Vec<u8>>,
}

impl Heard {
    /// Reads `opened` out of its message.
    pub fn new(opened: &Opened, bytes: &[u8]) -> Self {
        let of = |span: &Span| span.of(bytes).to_vec();
        let a = &opened.addressing;
        Self {
            addressing: [of(&a.action), of(&a.message_id), of(&a.relates_to), of(&a.to), of(&a.reply_to)],
            body: of(&opened.body),
            headers: opened.headers.iter().map(|(kind, span)| (*kind, of(span))).collect(),
            token: opened.token.clone(),
            times: [opened.created, opened.expires],
            signature: opened.signature.as_bytes().to_vec(),
            confirmations: opened.confirmations.iter().map(of).collect(),
            covered: [opened.coverage.signed.to_vec(), opened.coverage.encrypted.to_vec()],
            must_understand: opened.must_understand.as_ref().map(of),
        }
    }
}

/// Asserts that a message is refused with exactly this refusal, and that its sender is told only that its security is
/// invalid: what failed is nobody's business.
#[macro_export]
macro_rules! assert_refused {
    ($result:expr, $pattern:pat $(if $guard:expr)?) => {
        match $result {
            Err(refusal @ $pattern) $(if $guard)? => {
                assert_eq!(refusal.wire(), soap_session_core::secure::WireFault::InvalidSecurity, "{refusal}");
            }
            Err(other) => panic!("expected {}, got {other:?}", stringify!($pattern)),
            Ok(_) => panic!("expected {}, but it was accepted", stringify!($pattern)),
        }
    };
}
