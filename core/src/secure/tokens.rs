//! The security tokens of one message: what they are rooted in, and the keys derived from them.

use super::context_name::ContextName;
use super::derived_key_token::{DerivedKeyToken, MAX_NONCE};
use super::reference_list::Listed;
use super::scan::{Child, Map};
use super::trust::{ContextReference, SecurityTokenReference, TokenReference, read_reference, read_sct};
use super::{AlgorithmSlot, CertificateReference, CredentialError, Credentials, Element, Keyring, Refusal, WireFault};
use crate::base64;
use crate::crypto::{Backend, DigestAlgorithm, Hasher, KeyTransport, SecretKey, SuiteSet, p_sha1};
use crate::soap::{ScVersion, names};
use crate::xml::{Limits, Reader, Span, Start};
use heapless::Vec;

/// Most keys of one message: tokens and derived keys. WCF allows 2 x (2 + supporting tokens) derived keys.
const MAX_KEYS: usize = 12;
/// Most conversations that one message names: its own, and with Renew the one that endorses.
const MAX_CONTEXTS: usize = 2;
/// WCF's `MaxDerivedKeys` rule with one supporting token, the most that its session bindings send.
const MAX_DERIVED: usize = 6;
/// RSA moduli up to 4096 bits.
const MAX_WRAPPED: usize = 512;
/// The label of a derived key whose token has none: the specification's default for either party, twice.
pub(super) const DEFAULT_LABEL: &[u8] = b"WS-SecureConversationWS-SecureConversation";

/// What a key comes from in the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Root {
    /// A `SecurityContextToken`: which of the message's contexts.
    Context(usize),
    /// An `EncryptedKey`, by the SHA-1 of its wrapped octets.
    Wrapped([u8; 20]),
    /// A key that no element names ([`Keyring::unnamed`]).
    Unnamed,
    /// A certificate in a `BinarySecurityToken`: where its base64 stands.
    Certificate(Span),
}

/// One key of the message.
pub(super) struct Key {
    /// Id of the element that brings it; empty where it is known by an external reference only.
    pub(super) id: Span,
    /// Where that element starts, for the Strict layout.
    pub(super) at: u32,
    pub(super) derived: bool,
    pub(super) root: Root,
    pub(super) secret: Option<SecretKey>,
}

/// The keys of the message that is being opened.
#[derive(Default)]
pub(super) struct Keys {
    list: Vec<Key, MAX_KEYS>,
    contexts: Vec<ContextName, MAX_CONTEXTS>,
    derived: usize,
    /// An `EncryptedKey` did not unwrap; a decoy stands in for its key.
    unwrap_failed: Option<CredentialError>,
}

/// Everything that resolving a token may need.
pub(super) struct Sources<'s, K: ?Sized, C: ?Sized> {
    pub(super) keyring: &'s K,
    pub(super) credentials: &'s C,
    pub(super) version: Option<ScVersion>,
    /// May keys be used as they are?
    pub(super) underived_keys: bool,
    pub(super) limits: &'s Limits,
}

impl Keys {
    /// Why an `EncryptedKey` did not unwrap, if that is why a message does not hold. To the peer it looks like a forged
    /// signature, whatever the credentials make of it: anything else would tell about the padding.
    pub(super) fn unwrapping(&self) -> Option<Refusal> {
        let refusal = Refusal::Credential(self.unwrap_failed?);
        (refusal.wire() == WireFault::InvalidSecurity).then_some(refusal)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Key> {
        self.list.get(index)
    }

    /// The `EncryptedKey` at `at`, whose own `ReferenceList` names what it encrypts.
    pub(super) fn listing(&self, at: u32) -> Option<usize> {
        self.list.iter().position(|key| key.at == at && matches!(key.root, Root::Wrapped(_)) && !key.derived)
    }

    /// The key that was agreed on for data that names none.
    pub(super) fn unnamed<K: Keyring + ?Sized, C: ?Sized>(&mut self, sources: &Sources<'_, K, C>) -> Option<usize> {
        if let Some(index) = self.list.iter().position(|key| key.root == Root::Unnamed) {
            return Some(index);
        }
        let secret = Some(sources.keyring.unnamed()?);
        self.push(Key { id: Span::default(), at: 0, derived: false, root: Root::Unnamed, secret }).ok()
    }

    /// The only root of the message, where data is encrypted without naming its key (implied reference).
    pub(super) fn implied(&self) -> Option<usize> {
        let mut roots = self.list.iter().enumerate().filter(|(_, key)| !key.derived && key.secret.is_some());
        match (roots.next(), roots.next()) {
            (Some((index, _)), None) => Some(index),
            _ => None,
        }
    }

    fn push(&mut self, key: Key) -> Result<usize, Refusal> {
        let index = self.list.len();
        self.list
            .push(key)
            .map_err(|_| Refusal::TooMany { element: Element::DerivedKeyToken, limit: MAX_KEYS as u16 })?;
        Ok(index)
    }

    /// Where the token stands that the derived key at `at` is derived from.
    pub(super) fn source_position(&self, at: u32) -> Option<u32> {
        let derived = self.list.iter().find(|key| key.derived && key.at == at)?;
        self.token(derived.root).map(|key| key.at)
    }

    /// The token that is this root.
    pub(super) fn token(&self, root: Root) -> Option<&Key> {
        self.list.iter().find(|key| !key.derived && key.root == root)
    }

    /// The name of a context of this message.
    pub(super) fn context(&self, index: usize) -> Option<&ContextName> {
        self.contexts.get(index)
    }

    /// The root of this context, whose key the keyring has to know.
    fn context_root<K: Keyring + ?Sized, C: ?Sized>(
        &mut self,
        context: ContextReference<'_>,
        at: u32,
        sources: &Sources<'_, K, C>,
    ) -> Result<(Root, SecretKey), Refusal> {
        let malformed = Refusal::Malformed { element: Element::SecurityContextToken, offset: at };
        let name = ContextName::new(context).ok_or(malformed)?;
        let secret = sources
            .keyring
            .security_context(context.identifier, context.instance)
            .ok_or(Refusal::UnknownSecurityContext)?;
        let index = match self.contexts.iter().position(|known| *known == name) {
            Some(index) => index,
            None => {
                self.contexts.push(name).map_err(|_| Refusal::TooMany {
                    element: Element::SecurityContextToken,
                    limit: MAX_CONTEXTS as u16,
                })?;
                self.contexts.len().saturating_sub(1)
            }
        };
        Ok((Root::Context(index), secret))
    }

    /// Takes in every token of the security header; then every derived key. `listed` collects what `EncryptedKey`s list.
    pub(super) fn collect<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        buf: &[u8],
        map: &Map,
        suites: &mut SuiteSet,
        sources: &Sources<'_, K, C>,
        listed: &mut Listed,
    ) -> Result<(), Refusal> {
        for child in &map.children {
            if child.kind == Element::SecurityContextToken {
                self.context_token(buf, map, child, sources)?;
            } else if child.kind == Element::EncryptedKey {
                self.encrypted_key::<B, K, C>(buf, map, child, suites, sources, listed)?;
            } else if child.kind == Element::BinarySecurityToken {
                self.certificate(buf, map, child, sources)?;
            }
        }
        for child in map.children.iter().filter(|c| c.kind == Element::DerivedKeyToken) {
            self.derived::<B, K, C>(buf, map, child, suites, sources)?;
        }
        Ok(())
    }

    /// A certificate: only its place is kept, it is decoded when a signature names it.
    fn certificate<K: ?Sized, C: ?Sized>(
        &mut self,
        buf: &[u8],
        map: &Map,
        child: &Child,
        sources: &Sources<'_, K, C>,
    ) -> Result<(), Refusal> {
        let (mut reader, _) = enter(buf, child.span, map, sources.limits)?;
        let is = |name: &str, wanted: &str| reader.attribute("", name).map(|value| value.eq(wanted));
        // Without an encoding it is base64 (WCF writes none without the Basic Security Profile).
        let readable =
            is("ValueType", names::X509_V3) == Some(true) && is("EncodingType", names::BASE64_BINARY) != Some(false);
        if !readable {
            return Err(Refusal::WrongToken { element: Element::BinarySecurityToken, offset: child.span.start });
        }
        let root = Root::Certificate(reader.text()?.trim().span());
        self.push(Key { id: child.id, at: child.span.start, derived: false, root, secret: None })?;
        Ok(())
    }

    fn context_token<K: Keyring + ?Sized, C: ?Sized>(
        &mut self,
        buf: &[u8],
        map: &Map,
        child: &Child,
        sources: &Sources<'_, K, C>,
    ) -> Result<(), Refusal> {
        let malformed = Refusal::Malformed { element: Element::SecurityContextToken, offset: child.span.start };
        let (mut reader, start) = enter(buf, child.span, map, sources.limits)?;
        check_version(&start, sources.version, Element::SecurityContextToken)?;
        let token = read_sct(&mut reader, &start).map_err(|_| malformed)?;
        let (root, secret) = self.context_root(token.context, child.span.start, sources)?;
        self.push(Key { id: child.id, at: child.span.start, derived: false, root, secret: Some(secret) })?;
        Ok(())
    }

    fn encrypted_key<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        buf: &[u8],
        map: &Map,
        child: &Child,
        suites: &mut SuiteSet,
        sources: &Sources<'_, K, C>,
        listed: &mut Listed,
    ) -> Result<(), Refusal> {
        let malformed = Refusal::Malformed { element: Element::EncryptedKey, offset: child.span.start };
        let (mut reader, _) = enter(buf, child.span, map, sources.limits)?;
        let method = reader.next_element()?.filter(|s| s.name.is(names::XENC, "EncryptionMethod")).ok_or(malformed)?;
        let algorithm = Refusal::Algorithm { slot: AlgorithmSlot::KeyTransport, offset: method.span.start };
        let transport = reader
            .attribute("", "Algorithm")
            .and_then(|uri| uri.plain())
            .and_then(KeyTransport::from_uri)
            .ok_or(algorithm)?;
        *suites = suites.narrow_transport(transport);
        if suites.is_empty() {
            return Err(algorithm);
        }
        while let Some(inner) = reader.next_element()? {
            // OAEP's digest is SHA-1 in every suite; anything else is another algorithm.
            let digest = inner.name.is(names::DSIG, "DigestMethod");
            let sha1 = reader.attribute("", "Algorithm").is_some_and(|uri| uri.eq(DigestAlgorithm::Sha1.uri()));
            if !(digest && sha1) {
                return Err(algorithm);
            }
            reader.skip()?;
        }
        let info = reader.next_element()?.filter(|s| s.name.is(names::DSIG, "KeyInfo")).ok_or(malformed)?;
        let reference = key_info(&mut reader, &info)?;
        reader.next_element()?.filter(|s| s.name.is(names::XENC, "CipherData")).ok_or(malformed)?;
        reader.next_element()?.filter(|s| s.name.is(names::XENC, "CipherValue")).ok_or(malformed)?;
        let value = reader.text()?;
        if reader.next_element()?.is_some() {
            return Err(malformed);
        }
        if let Some(list) = reader.next_element()? {
            if !list.name.is(names::XENC, "ReferenceList") {
                return Err(malformed);
            }
            listed.read(&mut reader, child.span.start)?;
        }
        let mut wrapped = [0u8; MAX_WRAPPED];
        let len = base64::decode(value.raw(), &mut wrapped).map_err(|_| malformed)?;
        let wrapped = wrapped.get(..len).ok_or(malformed)?;
        let sha1 = sha1::<B>(wrapped);
        // The same octets as before: a renewed request, or an inspector who follows both sides.
        let secret = match sources.keyring.encrypted_key(&sha1) {
            Some(known) => known,
            None => {
                // Made whether or not it is needed, so that time does not tell.
                let decoy = sources.keyring.decoy(&sha1);
                let key = unwrap(sources.credentials, &reference, transport, wrapped).and_then(|key| {
                    // A key of another length is none: to stop at it would tell that it was unwrapped (RSA 1.5).
                    if usable(&key, suites, sources.underived_keys) { Ok(key) } else { Err(CredentialError::WrongKey) }
                });
                key.unwrap_or_else(|error| {
                    self.unwrap_failed = Some(error);
                    decoy
                })
            }
        };
        self.push(Key {
            id: child.id,
            at: child.span.start,
            derived: false,
            root: Root::Wrapped(sha1),
            secret: Some(secret),
        })?;
        Ok(())
    }

    fn derived<B: Backend, K: Keyring + ?Sized, C: ?Sized>(
        &mut self,
        buf: &[u8],
        map: &Map,
        child: &Child,
        suites: &SuiteSet,
        sources: &Sources<'_, K, C>,
    ) -> Result<(), Refusal> {
        self.derived = self.derived.saturating_add(1);
        if self.derived > MAX_DERIVED {
            return Err(Refusal::TooMany { element: Element::DerivedKeyToken, limit: MAX_DERIVED as u16 });
        }
        let (mut reader, start) = enter(buf, child.span, map, sources.limits)?;
        let token = DerivedKeyToken::read(&mut reader, &start, sources.version)?;
        let longest = suites.iter().map(|s| s.encryption_key_len().max(s.signature_key_len())).max().unwrap_or(0);
        let (offset, length) = token.bounds(longest)?;
        let source = self.resolve(buf, &token.reference, child.span.start, sources)?;
        let key = self.list.get(source).ok_or(Refusal::DanglingReference { offset: child.span.start })?;
        let dangling = Refusal::DanglingReference { offset: child.span.start };
        // A key may be derived from a token only, not from another derived key.
        if key.derived {
            return Err(dangling);
        }
        let secret = key.secret.as_ref().ok_or(dangling)?;
        let root = key.root;
        let mut seed = [0u8; MAX_NONCE];
        let nonce = token.nonce(&mut seed)?;
        let label = token.label.map_or(DEFAULT_LABEL, |l| l.raw());
        let mut out = SecretKey::zeroed(length).ok_or(dangling)?;
        p_sha1::<B>(secret.as_bytes(), label, nonce, offset, out.as_mut_bytes());
        self.push(Key { id: child.id, at: child.span.start, derived: true, root, secret: Some(out) })?;
        Ok(())
    }

    /// The key that a `SecurityTokenReference` means. `at` is where it is used.
    pub(super) fn resolve<K: Keyring + ?Sized, C: ?Sized>(
        &mut self,
        buf: &[u8],
        reference: &SecurityTokenReference<'_>,
        at: u32,
        sources: &Sources<'_, K, C>,
    ) -> Result<usize, Refusal> {
        let dangling = Refusal::DanglingReference { offset: at };
        match &reference.to {
            TokenReference::Local { id, .. } => {
                let id = *id;
                self.list.iter().position(|key| !key.id.is_empty() && key.id.of(buf) == id).ok_or(dangling)
            }
            TokenReference::ExternalSct(context) => {
                let (root, secret) = self.context_root(*context, at, sources)?;
                if let Some(index) = self.list.iter().position(|key| !key.derived && key.root == root) {
                    return Ok(index);
                }
                self.push(Key { id: Span::default(), at: 0, derived: false, root, secret: Some(secret) })
            }
            TokenReference::KeyIdentifier { value_type, text } => {
                if !value_type.eq(names::ENCRYPTED_KEY_SHA1) {
                    return Err(dangling);
                }
                let mut sha1 = [0u8; 20];
                let len = base64::decode(text.raw(), &mut sha1).map_err(|_| dangling)?;
                if len != sha1.len() {
                    return Err(dangling);
                }
                let root = Root::Wrapped(sha1);
                if let Some(index) = self.list.iter().position(|key| !key.derived && key.root == root) {
                    return Ok(index);
                }
                let secret = sources.keyring.encrypted_key(&sha1).ok_or(Refusal::UnknownEncryptedKey)?;
                self.push(Key { id: Span::default(), at: 0, derived: false, root, secret: Some(secret) })
            }
            TokenReference::IssuerSerial { .. } => Err(dangling),
        }
    }
}

/// Enters the child of the security header that stands at `span`.
pub(super) fn enter<'a>(
    buf: &'a [u8],
    span: Span,
    map: &Map,
    limits: &Limits,
) -> Result<(Reader<'a>, Start<'a>), Refusal> {
    let mut reader = Reader::resume(buf, span, &map.security_scope, limits)?;
    let start = reader.next_element()?.ok_or(Refusal::Missing(Element::Security))?;
    Ok((reader, start))
}

/// Reads a `KeyInfo` whose start tag was just read: exactly one `SecurityTokenReference`.
pub(super) fn key_info<'a>(reader: &mut Reader<'a>, info: &Start<'a>) -> Result<SecurityTokenReference<'a>, Refusal> {
    let malformed = Refusal::Malformed { element: Element::SecurityTokenReference, offset: info.span.start };
    let start = reader.next_element()?.filter(|s| s.name.is(names::WSSE, "SecurityTokenReference")).ok_or(malformed)?;
    let reference = read_reference(reader, &start).map_err(|_| malformed)?;
    if reader.next_element()?.is_some() {
        return Err(malformed);
    }
    Ok(reference)
}

pub(super) fn check_version(
    start: &Start<'_>,
    wanted: Option<ScVersion>,
    element: Element,
) -> Result<ScVersion, Refusal> {
    let wrong = Refusal::WrongToken { element, offset: start.span.start };
    let version = ScVersion::from_namespace(start.name.namespace).ok_or(wrong)?;
    if wanted.is_some_and(|wanted| wanted != version) { Err(wrong) } else { Ok(version) }
}

fn unwrap<C: Credentials + ?Sized>(
    credentials: &C,
    reference: &SecurityTokenReference<'_>,
    transport: KeyTransport,
    wrapped: &[u8],
) -> Result<SecretKey, CredentialError> {
    let mut octets = [0u8; 64];
    let recipient = certificate_reference(reference, &mut octets).ok_or(CredentialError::UnknownCertificate)?;
    let mut key = SecretKey::zeroed(SecretKey::MAX).ok_or(CredentialError::Unsupported)?;
    let len = credentials.unwrap_key(recipient, transport, wrapped, key.as_mut_bytes()).map_err(|error| {
        // Told which one was looked for; the peer is not.
        let named =
            if let CertificateReference::ThumbprintSha1(octets) = recipient { octets.try_into().ok() } else { None };
        let unknown = named.filter(|_| error == CredentialError::UnknownCertificate);
        unknown.map_or(error, CredentialError::UnknownThumbprint)
    })?;
    key.as_bytes().get(..len).and_then(SecretKey::new).ok_or(CredentialError::WrongKey)
}

/// Has a wrapped key a length with which the message can go on? One that is used as it is has its cipher's.
fn usable(key: &SecretKey, suites: &SuiteSet, underived_keys: bool) -> bool {
    let bits = u32::try_from(key.len().saturating_mul(8)).unwrap_or(0);
    suites.iter().any(|suite| {
        if underived_keys { suite.encryption_key_len() == key.len() } else { suite.accepts_key_bits(bits) }
    })
}

/// The certificate that a reference names, its octets decoded into `out`.
pub(super) fn certificate_reference<'o>(
    reference: &'o SecurityTokenReference<'o>,
    out: &'o mut [u8; 64],
) -> Option<CertificateReference<'o>> {
    match &reference.to {
        TokenReference::KeyIdentifier { value_type, text } => {
            let len = base64::decode(text.raw(), out).ok()?;
            let octets = out.get(..len)?;
            if value_type.eq(names::THUMBPRINT_SHA1) {
                Some(CertificateReference::ThumbprintSha1(octets))
            } else if value_type.eq(names::X509_SKI) {
                Some(CertificateReference::SubjectKeyIdentifier(octets))
            } else {
                None
            }
        }
        TokenReference::IssuerSerial { issuer, serial } => {
            Some(CertificateReference::IssuerSerial { issuer: issuer.plain()?, serial: serial.plain()? })
        }
        TokenReference::Local { .. } | TokenReference::ExternalSct(_) => None,
    }
}

pub(super) fn sha1<B: Backend>(bytes: &[u8]) -> [u8; 20] {
    let mut hasher = B::Hasher::new(DigestAlgorithm::Sha1);
    hasher.update(bytes);
    let mut out = [0u8; 20];
    for (to, from) in out.iter_mut().zip(hasher.finish().as_bytes()) {
        *to = *from;
    }
    out
}
