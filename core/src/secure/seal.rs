//! Sealing a message: the envelope, its security header and its body as WCF writes them, signed and encrypted.
//!
//! The message is written once, in clear, with comments where ciphertext will need more room and with holes where digests
//! go. Canonicalization drops comments, so the clear message can be signed as it stands; then each part to be encrypted is
//! encrypted where it lies. One run over a buffer that is too small tells exactly how much is lacking.

use super::emit::{self, Hole, Id};
use super::signature::{Authenticating, Digesting};
use super::trust::ReferenceStyle;
use super::{ProtectionOrder, SignatureValue};
use crate::base64;
use crate::chance::Entropy;
use crate::crypto::{AlgorithmSuite, Backend, BlockCipher, Hasher, Mac, SecretKey, pad};
use crate::soap::{AddressingVersion, HeaderBlock, ScVersion, SoapVersion, names};
use crate::time::UnixMillis;
use crate::xml::{self, Exclusive, Grow, Limits, Reader, Scope, Span, Writer};
use core::fmt;
use heapless::Vec;

/// Most header blocks of an outgoing message.
const MAX_BLOCKS: usize = 16;
/// Most parts under one signature.
const MAX_PARTS: usize = 24;
/// Most encrypted parts of one message: body, signature, endorsing signature, and a token or two confirmations.
const MAX_REGIONS: usize = 5;

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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

/// User name and password, sent signed and encrypted.
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
    /// The endorsing token, with Renew.
    pub endorsing: Option<EndorsingToken<'k>>,
    /// Base64 of the request's signature values that this reply confirms.
    pub confirmations: &'k [&'k [u8]],
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
    /// The primary signature's value.
    pub signature: SignatureValue,
    /// The endorsing signature's value, if there is one.
    pub endorsing_signature: Option<SignatureValue>,
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
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grow(grow) => write!(f, "{grow}"),
            Self::Xml(error) => write!(f, "the message to send: {error}"),
            Self::TooMany => f.write_str("more header blocks or confirmations than one message may have"),
            Self::KeyLength => f.write_str("a key has not the length that the algorithm suite wants"),
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

/// The local Ids of one message, in the order in which WCF hands them out.
struct Numbers {
    next: u16,
    signing: Id,
    encryption: Id,
    signature: u16,
    confirmations: [u16; 2],
    body: u16,
    body_data: u16,
    headers: [u16; MAX_BLOCKS],
    endorsing: u16,
    signature_data: u16,
    extra_data: [u16; 2],
    endorsing_data: u16,
}

impl Numbers {
    fn take(&mut self) -> u16 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }

    fn assign(message: &OutgoingMessage<'_>, p: &Protection<'_>, sealed_signature: bool) -> Self {
        let zero = Id::Local(0);
        let mut n = Self {
            next: 0,
            signing: zero,
            encryption: zero,
            signature: 0,
            confirmations: [0; 2],
            body: 0,
            body_data: 0,
            headers: [0; MAX_BLOCKS],
            endorsing: 0,
            signature_data: 0,
            extra_data: [0; 2],
            endorsing_data: 0,
        };
        let encrypt_first = p.order == ProtectionOrder::EncryptBeforeSign;
        let per_message = matches!(p.keys, MessageKeys::PerMessage { .. });
        if let MessageKeys::PerSession { signing_id, encryption_id, .. } = p.keys {
            (n.signing, n.encryption) = (signing_id, encryption_id);
        }
        if per_message && encrypt_first && message.encrypt_body {
            n.encryption = Id::Local(n.take());
        }
        if per_message {
            n.signing = Id::Local(n.take());
        }
        if p.endorsing.is_some() {
            n.signature = n.take();
        }
        for index in 0..p.confirmations.len().min(n.confirmations.len()) {
            let number = n.take();
            if let Some(slot) = n.confirmations.get_mut(index) {
                *slot = number;
            }
        }
        if per_message && !encrypt_first && message.encrypt_body {
            n.encryption = Id::Local(n.take());
        }
        if encrypt_first && message.encrypt_body {
            n.body_data = n.take();
            n.body = n.take();
        } else {
            n.body = n.take();
            if message.encrypt_body {
                n.body_data = n.take();
            }
        }
        for index in 0..message.headers.len().min(MAX_BLOCKS) {
            let number = n.take();
            if let Some(slot) = n.headers.get_mut(index) {
                *slot = number;
            }
        }
        if p.endorsing.is_some_and(|e| e.derived.is_some()) {
            n.endorsing = n.take();
        }
        if sealed_signature {
            n.signature_data = n.take();
        }
        for index in 0..encrypted_extras(message, p, sealed_signature) {
            let number = n.take();
            if let Some(slot) = n.extra_data.get_mut(index) {
                *slot = number;
            }
        }
        if sealed_signature && p.endorsing.is_some() {
            n.endorsing_data = n.take();
        }
        n
    }
}

/// How many user tokens and confirmations are encrypted: a password always is, a confirmation if its signature was.
fn encrypted_extras(message: &OutgoingMessage<'_>, p: &Protection<'_>, sealed_signature: bool) -> usize {
    let confirmations = if sealed_signature { p.confirmations.len() } else { 0 };
    let users = usize::from(p.username.is_some() && message.encrypt_body);
    confirmations.saturating_add(users).min(2)
}

/// A stretch of the message that is encrypted at the end.
#[derive(Clone, Copy)]
struct Region {
    /// The whole place, comments included.
    place: Span,
    plain: Span,
    number: u16,
    body: bool,
}

/// A part under the primary signature.
#[derive(Clone, Copy)]
enum Place {
    Body,
    Header,
    Security,
}

/// Writes `message`, protected by `p`, into `out`.
///
/// # Errors
/// [`SealError::Grow`] says how many bytes are needed; `entropy` has then not been asked for anything.
pub fn seal<B: Backend>(
    message: &OutgoingMessage<'_>,
    p: &Protection<'_>,
    limits: &Limits,
    entropy: &mut dyn Entropy,
    out: &mut [u8],
) -> Result<Sealed, SealError> {
    if message.headers.len() > MAX_BLOCKS || p.confirmations.len() > 2 {
        return Err(SealError::TooMany);
    }
    let mut sealing = Sealing::new(message, p);
    let mut w = Writer::new(out);
    sealing.write(&mut w)?;
    let len = w.finish()?;
    let out = out.get_mut(..len).ok_or(SealError::TooMany)?;
    let signature = sealing.finish::<B>(limits, entropy, out)?;
    let (signature, endorsing_signature) = signature;
    Ok(Sealed { len, signature, endorsing_signature })
}

struct Sealing<'m> {
    message: &'m OutgoingMessage<'m>,
    p: &'m Protection<'m>,
    numbers: Numbers,
    /// Nothing else encrypted: the signature stays in clear too (WCF's downgrade rule).
    sealed_signature: bool,
    parts: Vec<(Place, Span), MAX_PARTS>,
    holes: Vec<(Id, Hole), MAX_PARTS>,
    regions: Vec<Region, MAX_REGIONS>,
    security: Span,
    primary: Option<emit::SignatureHoles>,
    endorsing: Option<(emit::SignatureHoles, Hole)>,
}

impl<'m> Sealing<'m> {
    fn new(message: &'m OutgoingMessage<'m>, p: &'m Protection<'m>) -> Self {
        let sealed_signature = p.order == ProtectionOrder::SignBeforeEncryptAndEncryptSignature && message.encrypt_body;
        Self {
            message,
            p,
            numbers: Numbers::assign(message, p, sealed_signature),
            sealed_signature,
            parts: Vec::new(),
            holes: Vec::new(),
            regions: Vec::new(),
            security: Span::default(),
            primary: None,
            endorsing: None,
        }
    }

    fn part(&mut self, place: Place, id: Id, span: Span) -> Result<(), SealError> {
        self.parts.push((place, span)).map_err(|_| SealError::TooMany)?;
        self.holes.push((id, Hole::default())).map_err(|_| SealError::TooMany)
    }

    fn encrypt_first(&self) -> bool {
        self.p.order == ProtectionOrder::EncryptBeforeSign
    }

    /// Writes the whole message in clear, comments and holes included.
    fn write(&mut self, w: &mut Writer<'_>) -> Result<(), SealError> {
        let (message, p) = (self.message, self.p);
        emit::envelope_start(w, message.soap);
        let mut declared: Vec<&str, 4> = Vec::new();
        for (prefix, namespace) in message.headers.iter().filter_map(|h| h.shared_prefix(message.addressing)) {
            if !declared.contains(&prefix) {
                emit::declare(w, prefix, namespace);
                declared.push(prefix).map_err(|_| SealError::TooMany)?;
            }
        }
        emit::declare(w, "u", names::WSU);
        w.put(b"><s:Header>");
        let mut headers: Vec<(Id, Span), MAX_BLOCKS> = Vec::new();
        for (block, number) in message.headers.iter().zip(self.numbers.headers) {
            let span = emit::spanned(w, |w| block.write(w, Some(number)));
            headers.push((Id::Local(number), span)).map_err(|_| SealError::TooMany)?;
        }
        let security = w.position();
        emit::security_start(w);
        let timestamp = emit::spanned(w, |w| emit::timestamp(w, p));
        self.tokens(w);
        let body_list = self.encrypted_numbers();
        let list_first = message.encrypt_body && !self.encrypt_first();
        let in_key = matches!((&p.token, &p.keys), (SigningToken::NewEncryptedKey { .. }, MessageKeys::Underived(_)));
        if list_first && !in_key {
            emit::data_references(w, true, &body_list);
        }
        // The body comes first among the references, then headers, timestamp, confirmations, tokens; its place in the
        // message is known only at the end.
        self.part(Place::Body, Id::Local(self.numbers.body), Span::default())?;
        for (id, span) in headers {
            self.part(Place::Header, id, span)?;
        }
        self.part(Place::Security, p.timestamp.id, timestamp)?;
        self.supporting(w)?;
        self.signatures(w)?;
        if message.encrypt_body && self.encrypt_first() {
            emit::data_references(w, true, &body_list);
        }
        w.put(b"</o:Security>");
        self.security = emit::span_from(security, w);
        w.put(b"</s:Header>");
        let body = w.position();
        w.put(b"<s:Body u:Id=\"");
        emit::id(w, Id::Local(self.numbers.body));
        let empty = message.body.is_empty() && !message.encrypt_body;
        w.put(if empty { b"\"/>" } else { b"\">" });
        if message.encrypt_body {
            self.region(w, self.numbers.body_data, true, |_, w| {
                let plain = emit::spanned(w, |w| w.put(message.body));
                Ok(plain)
            })?;
        } else {
            w.put(message.body);
        }
        if !empty {
            w.put(b"</s:Body>");
        }
        if let Some((_, span)) = self.parts.first_mut() {
            *span = emit::span_from(body, w);
        }
        w.put(b"</s:Envelope>");
        Ok(())
    }

    /// Tokens and derived keys, up to the reference list.
    fn tokens(&self, w: &mut Writer<'_>) {
        let p = self.p;
        if let SigningToken::SecurityContext { element, .. } = p.token {
            w.put(element);
        }
        let underived = matches!(p.keys, MessageKeys::Underived(_));
        let list = self.encrypted_numbers();
        let in_key = underived && self.message.encrypt_body && !self.encrypt_first();
        emit::encrypted_key(w, p, in_key.then_some(list.as_slice()));
        let (MessageKeys::PerMessage { signing, encryption } | MessageKeys::PerSession { signing, encryption, .. }) =
            p.keys
        else {
            return;
        };
        let style = ReferenceStyle::header(p.bsp);
        let reference = |w: &mut Writer<'_>| emit::token_reference(w, p, style);
        emit::derived_key(w, p.version, self.numbers.signing, signing.secret.len(), signing.nonce, reference);
        if self.message.encrypt_body {
            emit::derived_key(
                w,
                p.version,
                self.numbers.encryption,
                encryption.secret.len(),
                encryption.nonce,
                reference,
            );
        }
    }

    /// The Ids of all encrypted data, in the order of WCF's reference list.
    fn encrypted_numbers(&self) -> Vec<u16, MAX_REGIONS> {
        let n = &self.numbers;
        let mut list = Vec::new();
        let mut add = |number: u16, wanted: bool| {
            if wanted {
                let _ = list.push(number);
            }
        };
        add(n.body_data, self.message.encrypt_body);
        add(n.signature_data, self.sealed_signature);
        let extras = encrypted_extras(self.message, self.p, self.sealed_signature);
        for (index, number) in n.extra_data.iter().enumerate() {
            add(*number, index < extras);
        }
        add(n.endorsing_data, self.sealed_signature && self.p.endorsing.is_some());
        list
    }

    fn supporting(&mut self, w: &mut Writer<'_>) -> Result<(), SealError> {
        let p = self.p;
        let extra_data = self.numbers.extra_data;
        if let Some(endorsing) = &p.endorsing {
            emit::endorsing_tokens(w, p, endorsing, self.numbers.endorsing);
        }
        if let (Some(user), Some(number)) = (p.username, extra_data.first()) {
            let span = self.region(w, *number, false, |_, w| {
                Ok(emit::spanned(w, |w| emit::username_token(w, user.id, user.name, user.password, p.bsp)))
            })?;
            self.part(Place::Security, user.id, span)?;
        }
        let encrypted = self.sealed_signature;
        let confirmations = self.numbers.confirmations;
        for ((value, own), number) in p.confirmations.iter().zip(confirmations).zip(extra_data) {
            let write = |w: &mut Writer<'_>| emit::spanned(w, |w| emit::confirmation(w, own, value, encrypted));
            let span = if encrypted { self.region(w, number, false, |_, w| Ok(write(w)))? } else { write(w) };
            self.part(Place::Security, Id::Local(own), span)?;
        }
        Ok(())
    }

    fn signatures(&mut self, w: &mut Writer<'_>) -> Result<(), SealError> {
        let p = self.p;
        let style = ReferenceStyle { declare_wsse: self.sealed_signature, ..ReferenceStyle::header(p.bsp) };
        let key = match p.keys {
            MessageKeys::Underived(_) => None,
            MessageKeys::PerMessage { .. } | MessageKeys::PerSession { .. } => Some(self.numbers.signing),
        };
        let own = p.endorsing.is_some().then_some(self.numbers.signature);
        let write = |sealing: &mut Self, w: &mut Writer<'_>| {
            let mut holes = sealing.holes.clone();
            let signature = emit::signature(w, p.suite, own, &mut holes, |w| emit::key_reference(w, p, style, key));
            sealing.holes = holes;
            let element = signature.element;
            sealing.primary = Some(signature);
            Ok(element)
        };
        if self.sealed_signature {
            self.region(w, self.numbers.signature_data, false, write)?;
        } else {
            write(self, w)?;
        }
        let Some(endorsing) = &p.endorsing else { return Ok(()) };
        let target = Id::Local(self.numbers.signature);
        let own_key = self.numbers.endorsing;
        let write = |sealing: &mut Self, w: &mut Writer<'_>| {
            let mut holes = [(target, Hole::default())];
            let signature = emit::signature(w, p.suite, None, &mut holes, |w| {
                emit::endorsing_reference(w, p, endorsing, own_key, style);
            });
            let element = signature.element;
            let [(_, digest)] = holes;
            sealing.endorsing = Some((signature, digest));
            Ok(element)
        };
        if self.sealed_signature {
            self.region(w, self.numbers.endorsing_data, false, write)?;
        } else {
            write(self, w)?;
        }
        Ok(())
    }

    fn style(&self, body: bool) -> ReferenceStyle {
        let long = body && self.encrypt_first();
        ReferenceStyle { declare_wsse: body, long, ..ReferenceStyle::header(self.p.bsp) }
    }

    fn data_start(&self, w: &mut Writer<'_>, number: u16, body: bool) {
        let key = match self.p.keys {
            MessageKeys::Underived(_) => None,
            MessageKeys::PerMessage { .. } | MessageKeys::PerSession { .. } => Some(self.numbers.encryption),
        };
        let kind = if body { names::XENC_CONTENT } else { names::XENC_ELEMENT };
        emit::encrypted_data_start(w, self.p, number, kind, self.style(body), key);
    }

    /// Writes plain text with comments around it that leave room for its `EncryptedData`.
    fn region(
        &mut self,
        w: &mut Writer<'_>,
        number: u16,
        body: bool,
        plain: impl FnOnce(&mut Self, &mut Writer<'_>) -> Result<Span, SealError>,
    ) -> Result<Span, SealError> {
        let block = self.p.suite.encryption().block_len();
        let mut counting = Writer::new(&mut []);
        self.data_start(&mut counting, number, body);
        let start = w.position();
        w.filler(counting.position().saturating_add(block));
        let plain = plain(self, w)?;
        let octets = padded(plain.len() as usize, block).saturating_add(block);
        let total = counting
            .position()
            .saturating_add(base64::encoded_len(octets))
            .saturating_add(emit::ENCRYPTED_DATA_END.len());
        w.filler(total.saturating_sub(w.position().saturating_sub(start)));
        let place = emit::span_from(start, w);
        self.regions.push(Region { place, plain, number, body }).map_err(|_| SealError::TooMany)?;
        Ok(plain)
    }

    /// Signs and encrypts what was written.
    fn finish<B: Backend>(
        &self,
        limits: &Limits,
        entropy: &mut dyn Entropy,
        out: &mut [u8],
    ) -> Result<(SignatureValue, Option<SignatureValue>), SealError> {
        let (signing, encryption) = match self.p.keys {
            MessageKeys::PerMessage { signing, encryption } | MessageKeys::PerSession { signing, encryption, .. } => {
                (signing.secret, encryption.secret)
            }
            MessageKeys::Underived(secret) => (secret, secret),
        };
        let cipher = B::Cipher::new(self.p.suite.encryption(), encryption.as_bytes()).ok_or(SealError::KeyLength)?;
        if self.encrypt_first() {
            for region in self.regions.iter().filter(|r| r.body) {
                self.encrypt::<B>(region, &cipher, entropy, out)?;
            }
        }
        let contexts = Contexts::find(out, self.security, limits)?;
        self.digests::<B>(&contexts, limits, out)?;
        let primary = self.primary.as_ref().ok_or(SealError::TooMany)?;
        let value = mac::<B>(self.p.suite, signing, primary, &contexts, limits, out)?;
        fill(out, primary.value, value.as_bytes());
        let mut endorsed = None;
        if let (Some((endorsing, digest)), Some(token)) = (&self.endorsing, &self.p.endorsing) {
            let made = digest_of::<B>(self.p.suite, primary.element, &contexts.security, limits, out)?;
            fill(out, *digest, made.as_bytes());
            let secret = token.derived.map_or(token.secret, |key| key.secret);
            let made = mac::<B>(self.p.suite, secret, endorsing, &contexts, limits, out)?;
            fill(out, endorsing.value, made.as_bytes());
            endorsed = SignatureValue::new(made.as_bytes());
        }
        // IVs are drawn in the order of the Ids: the body's, the signature's, then tokens and confirmations.
        let done = |region: &&Region| !(self.encrypt_first() && region.body);
        let mut order: Vec<&Region, MAX_REGIONS> = self.regions.iter().filter(done).collect();
        order.sort_unstable_by_key(|region| region.number);
        for region in order {
            self.encrypt::<B>(region, &cipher, entropy, out)?;
        }
        Ok((SignatureValue::new(value.as_bytes()).ok_or(SealError::KeyLength)?, endorsed))
    }

    fn digests<B: Backend>(&self, contexts: &Contexts, limits: &Limits, out: &mut [u8]) -> Result<(), SealError> {
        for ((place, span), (_, hole)) in self.parts.iter().zip(&self.holes) {
            let scope = match place {
                Place::Body => &contexts.envelope,
                Place::Header => &contexts.header,
                Place::Security => &contexts.security,
            };
            let made = digest_of::<B>(self.p.suite, *span, scope, limits, out)?;
            fill(out, *hole, made.as_bytes());
        }
        Ok(())
    }

    /// Puts the `EncryptedData` of `region` into its place.
    fn encrypt<B: Backend>(
        &self,
        region: &Region,
        cipher: &B::Cipher,
        entropy: &mut dyn Entropy,
        out: &mut [u8],
    ) -> Result<(), SealError> {
        let block = self.p.suite.encryption().block_len();
        let range = region.place.start as usize..region.place.end as usize;
        let place = out.get_mut(range).ok_or(SealError::TooMany)?;
        let mut w = Writer::new(place);
        self.data_start(&mut w, region.number, region.body);
        let start = w.finish()?;
        let (_, rest) = place.split_at_mut_checked(start).ok_or(SealError::TooMany)?;
        let end = rest.len().saturating_sub(emit::ENCRYPTED_DATA_END.len());
        let (value, tail) = rest.split_at_mut_checked(end).ok_or(SealError::TooMany)?;
        tail.copy_from_slice(emit::ENCRYPTED_DATA_END);
        let (iv, data) = value.split_at_mut_checked(block).ok_or(SealError::TooMany)?;
        entropy.fill(iv);
        let len = pad(block, data, region.plain.len() as usize).ok_or(SealError::TooMany)?;
        let data = data.get_mut(..len).ok_or(SealError::TooMany)?;
        if !cipher.encrypt_cbc(iv, data) {
            return Err(SealError::KeyLength);
        }
        base64::encode_in_place(value, len.saturating_add(block)).ok_or(SealError::TooMany)?;
        Ok(())
    }
}

/// PKCS#7: always at least one byte of padding.
fn padded(len: usize, block: usize) -> usize {
    len.checked_div(block).unwrap_or(0).saturating_add(1).saturating_mul(block)
}

/// Writes the base64 of `octets` into a hole of exactly that size.
fn fill(out: &mut [u8], hole: Hole, octets: &[u8]) {
    if let Some(place) = out.get_mut(hole.0.start as usize..hole.0.end as usize) {
        let _ = base64::encode(octets, place);
    }
}

/// The namespace bindings around the parts of the written message.
struct Contexts {
    envelope: Scope,
    header: Scope,
    security: Scope,
}

impl Contexts {
    fn find(out: &[u8], security: Span, limits: &Limits) -> Result<Self, SealError> {
        let outer = Limits { message: u32::MAX, ..limits.clone() };
        let mut reader = Reader::document(out, &outer)?;
        reader.next_element()?;
        let envelope = reader.scope().clone();
        reader.next_element()?;
        let header = reader.scope().clone();
        let mut reader = Reader::resume(out, security, &header, &outer)?;
        reader.next_element()?;
        Ok(Self { envelope, header, security: reader.scope().clone() })
    }
}

fn digest_of<B: Backend>(
    suite: AlgorithmSuite,
    span: Span,
    scope: &Scope,
    limits: &Limits,
    out: &[u8],
) -> Result<crate::crypto::DigestOutput, SealError> {
    let mut reader = Reader::resume(out, span, scope, limits)?;
    let mut sink = Digesting::<B>(B::Hasher::new(suite.digest()));
    if let Some(start) = reader.next_element()? {
        let method = Exclusive { comments: false, inclusive: b"" };
        let whole = method.element(&mut reader, &start, &mut sink, &mut |_, _| Ok(()))?;
        // Content that closes its element early would be signed only in part.
        if whole != span {
            return Err(SealError::Xml(xml::Error { kind: xml::ErrorKind::MismatchedEnd, offset: whole.end }));
        }
    }
    Ok(sink.0.finish())
}

fn mac<B: Backend>(
    suite: AlgorithmSuite,
    key: &SecretKey,
    signature: &emit::SignatureHoles,
    contexts: &Contexts,
    limits: &Limits,
    out: &[u8],
) -> Result<crate::crypto::DigestOutput, SealError> {
    let mut reader = Reader::resume(out, signature.element, &contexts.security, limits)?;
    reader.next_element()?;
    let mut sink = Authenticating::<B>(B::Mac::new(suite.signature(), key.as_bytes()));
    if let Some(info) = reader.next_element()? {
        debug_assert_eq!(info.span.start, signature.signed_info.start);
        let method = Exclusive { comments: false, inclusive: b"" };
        method.element(&mut reader, &info, &mut sink, &mut |_, _| Ok(()))?;
    }
    Ok(sink.0.finish())
}
