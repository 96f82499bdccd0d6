//! Opening a secured message: decrypt in place, verify by element identity, hand on what was verified.
//!
//! The order is: find everything, learn the keys, decrypt what a reference list names, verify the primary signature and
//! every digest in it, verify endorsing signatures, and only then judge what had to be covered. Decrypted text takes the
//! place of its `EncryptedData`, with comments around it where the ciphertext was longer; canonicalization drops them, so
//! that the message stays one well-formed document and no byte moves.

use super::scan::{Child, MAX_CHILDREN, Map, child_kind, scan, walk};
use super::signature::{MAX_REFERENCES, Method, SignatureView};
use super::tokens::{ContextName, Keys, Listed, Root, Sources, certificate_reference, enter, key_info};
use super::{
    AlgorithmSlot, CertificateReference, Confirmations, Credentials, Element, Encryption, Keyring, Layout, Policy,
    ProtectionOrder, Refusal, SignatureValue,
};
use crate::base64;
use crate::crypto::{Backend, BlockCipher, CipherAlgorithm, SecretKey, SuiteSet, unpad};
use crate::soap::{Addressing, AddressingVersion, SoapVersion, names};
use crate::time::UnixMillis;
use crate::xml::{self, Limits, Reader, Scope, Span, Token, fill_comment};
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

/// A user that a `UsernameToken` names, and that [`Credentials::check_user`] believed.
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
    /// The holder of a certificate: base64 of the DER, in the message.
    Certificate(Span),
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
    pub headers: Vec<(Element, Span), { super::scan::MAX_HEADERS }>,
    /// The first header block that must be understood and that is not WS-Addressing's or WS-ReliableMessaging's.
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
    /// The primary signature's value: what a replay table keeps, and what a reply confirms.
    pub signature: SignatureValue,
    /// Base64 of the endorsing signature's value, in the message, if there is one.
    pub endorsing_signature: Option<Span>,
    /// Who endorsed.
    pub endorser: Option<Endorser>,
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

/// Decrypts `message` in place and verifies it.
///
/// # Errors
/// A [`Refusal`] with the exact reason. The bytes may have been decrypted in part: a refused message is not to be read.
pub fn open<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
    message: &mut [u8],
    context: &OpenContext<'_, K, C>,
) -> Result<Opened, Refusal> {
    // Ciphertext is one long run of text: it is bounded by the message, the quotas are for what the application reads.
    let wire = Limits { string_content: context.limits.message, ..context.limits.clone() };
    let map = scan(message, &wire)?;
    if map.security.is_none() {
        return Err(Refusal::Missing(Element::Security));
    }
    let mut opening = Opening {
        suites: context.policy.suites,
        map,
        keys: Keys::default(),
        listed: Listed::default(),
        encryption_root: None,
        undecryptable: None,
        wire,
        coverage: Coverage::default(),
    };
    opening.run::<B, K, C>(message, context)
}

struct Opening {
    map: Map,
    keys: Keys,
    listed: Listed,
    suites: SuiteSet,
    /// The token that everything encrypted used.
    encryption_root: Option<Root>,
    /// Ciphertext with bad padding. Told only after the signature was judged, so that the two look alike in time too.
    undecryptable: Option<Element>,
    wire: Limits,
    coverage: Coverage,
}

impl Opening {
    fn run<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        message: &mut [u8],
        context: &OpenContext<'_, K, C>,
    ) -> Result<Opened, Refusal> {
        let policy = context.policy;
        let (created, expires) = self.timestamp(message, context)?;
        self.reference_lists(message)?;
        let wire = self.wire.clone();
        let sources = Sources {
            keyring: context.keyring,
            credentials: context.credentials,
            version: policy.version,
            limits: &wire,
        };
        self.keys.collect::<B, K, C>(message, &self.map, &mut self.suites, &sources, &mut self.listed)?;
        self.strict_tokens(policy)?;
        let order = self.order(policy)?;
        let body_encrypted = self.map.body.encrypted.is_some_and(|span| {
            let id = self.encrypted_id(message, span);
            self.listed.position_of(message, id).is_some()
        });
        match policy.body {
            Encryption::Required if !body_encrypted => return Err(Refusal::NotEncrypted(Element::Body)),
            Encryption::None if self.map.body.encrypted.is_some() => return Err(Refusal::Encrypted(Element::Body)),
            Encryption::Required | Encryption::None | Encryption::Optional => {}
        }
        let body_id = self.map.body.encrypted.map(|span| self.encrypted_id(message, span)).unwrap_or_default();
        let known = |id: Span| {
            let id = id.of(message);
            let child = |c: &Child| c.kind == Element::EncryptedData && c.id.of(message) == id;
            body_id.of(message) == id || self.map.children.iter().any(child)
        };
        if let Some(offset) = self.listed.dangling(known) {
            return Err(Refusal::DanglingReference { offset });
        }
        let plain_first = order == ProtectionOrder::EncryptBeforeSign;
        let mut body = self.map.body.content;
        if !plain_first {
            self.decrypt_children::<B, K, C>(message, policy, &sources)?;
            if body_encrypted {
                body = self.decrypt_body::<B, K, C>(message, policy, &sources)?;
            }
        }
        let primary = self.primary::<B, K, C>(message, context, &sources, order, body_encrypted)?;
        if plain_first {
            self.decrypt_children::<B, K, C>(message, policy, &sources)?;
            if body_encrypted {
                body = self.decrypt_body::<B, K, C>(message, policy, &sources)?;
                self.check_plain_body(message, context.limits)?;
            }
        }
        if let Some(element) = self.undecryptable {
            return Err(Refusal::Undecryptable(element));
        }
        let (endorser, endorsing_signature) = self.endorsements::<B, K, C>(message, context, &sources, &primary)?;
        self.covered(policy)?;
        let confirmations = self.confirmations(message, policy)?;
        let user = self.user(message, context)?;
        self.age(context, created, expires)?;
        let token = self.token(&primary)?;
        let must_understand =
            self.map.headers.iter().find(|h| h.must_understand && h.kind == Element::HeaderBlock).map(|h| h.span);
        Ok(Opened {
            soap: self.map.soap,
            addressing_version: self.map.addressing,
            addressing: self.addressing(message)?,
            body,
            body_scope: self.map.envelope_scope.clone(),
            header_scope: self.map.header_scope.clone(),
            headers: self.map.headers.iter().map(|h| (h.kind, h.span)).collect(),
            must_understand,
            token,
            suites: self.suites,
            order,
            created,
            expires,
            signature: primary.value,
            endorsing_signature,
            endorser,
            user,
            confirmations,
            coverage: core::mem::take(&mut self.coverage),
        })
    }

    /// Reads the timestamp; its age is judged after the signature.
    fn timestamp<K: ?Sized, C: ?Sized>(
        &self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
    ) -> Result<(Option<UnixMillis>, Option<UnixMillis>), Refusal> {
        let mut stamps = self.map.children.iter().filter(|c| c.kind == Element::Timestamp);
        let stamp = stamps.next();
        if stamps.next().is_some() {
            return Err(Refusal::Repeated(Element::Timestamp));
        }
        let Some(stamp) = stamp else {
            return if context.policy.timestamp { Err(Refusal::Missing(Element::Timestamp)) } else { Ok((None, None)) };
        };
        let misplaced = match context.policy.layout {
            Layout::LaxTimestampFirst => self.map.children.first().is_some_and(|c| c.span != stamp.span),
            Layout::LaxTimestampLast => self.map.children.last().is_some_and(|c| c.span != stamp.span),
            Layout::Strict | Layout::Lax => false,
        };
        if misplaced {
            return Err(Refusal::Layout { element: Element::Timestamp, offset: stamp.span.start });
        }
        let bad = Refusal::Malformed { element: Element::Timestamp, offset: stamp.span.start };
        let (mut reader, _) = enter(buf, stamp.span, &self.map, &self.wire)?;
        reader.next_element()?.filter(|s| s.name.is(names::WSU, "Created")).ok_or(bad)?;
        let created = UnixMillis::parse(reader.text()?.trim().raw()).ok_or(bad)?;
        let mut expires = None;
        if let Some(start) = reader.next_element()? {
            if !start.name.is(names::WSU, "Expires") {
                return Err(bad);
            }
            expires = Some(UnixMillis::parse(reader.text()?.trim().raw()).ok_or(bad)?);
        }
        // Created must come before Expires (WCF refuses the contrary whatever the clock says).
        if reader.next_element()?.is_some() || expires.is_some_and(|end| end <= created) {
            return Err(bad);
        }
        Ok((Some(created), expires))
    }

    fn reference_lists(&mut self, buf: &[u8]) -> Result<(), Refusal> {
        for child in self.map.children.iter().filter(|c| c.kind == Element::ReferenceList) {
            let (mut reader, _) = enter(buf, child.span, &self.map, &self.wire)?;
            self.listed.read(&mut reader, child.span.start)?;
        }
        Ok(())
    }

    /// Strict layout: a token stands before what uses it.
    fn strict_tokens(&self, policy: &Policy) -> Result<(), Refusal> {
        if policy.layout != Layout::Strict {
            return Ok(());
        }
        for child in self.map.children.iter().filter(|c| c.kind == Element::DerivedKeyToken) {
            if self.keys.source_position(child.span.start).is_some_and(|at| at > child.span.start) {
                return Err(Refusal::Layout { element: Element::DerivedKeyToken, offset: child.span.start });
            }
        }
        Ok(())
    }

    /// The protection order that the message shows, checked against the one agreed.
    fn order(&self, policy: &Policy) -> Result<ProtectionOrder, Refusal> {
        let clear_signature = self.map.children.iter().find(|c| c.kind == Element::Signature).map(|c| c.span.start);
        let list = self.map.children.iter().find(|c| c.kind == Element::ReferenceList).map(|c| c.span.start);
        let shown = match (clear_signature, list) {
            (Some(signature), Some(list)) if signature < list => ProtectionOrder::EncryptBeforeSign,
            (Some(_), _) => ProtectionOrder::SignBeforeEncrypt,
            (None, _) => ProtectionOrder::SignBeforeEncryptAndEncryptSignature,
        };
        let Some(agreed) = policy.order else { return Ok(shown) };
        // With nothing encrypted all three orders look like SignBeforeEncrypt: WCF's downgrade rule.
        let nothing = self.map.body.encrypted.is_none() && self.listed.is_empty();
        if agreed == shown || (nothing && shown == ProtectionOrder::SignBeforeEncrypt) {
            return Ok(agreed);
        }
        // Lax layouts may put the list anywhere, so that the position tells nothing about the order.
        let lax = policy.layout != Layout::Strict && clear_signature.is_some();
        if lax && agreed != ProtectionOrder::SignBeforeEncryptAndEncryptSignature {
            return Ok(agreed);
        }
        Err(Refusal::Order { element: Element::Signature })
    }

    fn encrypted_id(&self, buf: &[u8], span: Span) -> Span {
        Reader::resume(buf, span, &self.map.envelope_scope, &self.wire)
            .ok()
            .and_then(|mut reader| {
                reader.next_element().ok()??;
                reader.attribute("", "Id").map(|text| text.span())
            })
            .unwrap_or_default()
    }

    /// Decrypts every listed `EncryptedData` of the security header, and learns what it was.
    fn decrypt_children<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        message: &mut [u8],
        policy: &Policy,
        sources: &Sources<'_, K, C>,
    ) -> Result<(), Refusal> {
        for index in 0..self.map.children.len().min(MAX_CHILDREN) {
            let Some(child) = self.map.children.get(index).copied() else { break };
            if child.kind != Element::EncryptedData {
                continue;
            }
            let offset = child.span.start;
            let list = self.listed.position_of(message, child.id).ok_or(Refusal::Unlisted { offset })?;
            if policy.layout == Layout::Strict
                && policy.order != Some(ProtectionOrder::EncryptBeforeSign)
                && list > offset
            {
                return Err(Refusal::Layout { element: Element::EncryptedData, offset });
            }
            let scope = self.map.security_scope.clone();
            let underived = policy.underived_keys;
            let plain =
                self.decrypt::<B, K, C>(message, child.span, &scope, names::XENC_ELEMENT, underived, sources)?;
            let opened = self.decrypted_child(message, plain, child)?;
            if let Some(slot) = self.map.children.get_mut(index) {
                *slot = opened;
            }
            let _ = self.coverage.encrypted.push(opened.kind);
        }
        Ok(())
    }

    /// The one element that a decrypted child of the security header must be.
    fn decrypted_child(&mut self, buf: &[u8], plain: Span, child: Child) -> Result<Child, Refusal> {
        let broken = Refusal::Undecryptable(Element::EncryptedData);
        let mut reader = Reader::resume(buf, plain, &self.map.security_scope, &self.wire).map_err(|_| broken)?;
        let start = reader.next_element().map_err(|_| broken)?.ok_or(broken)?;
        let kind = child_kind(&start);
        let id = self.map.ids.note(buf, &reader, &start)?;
        let span = walk(buf, &mut reader, &start, &mut self.map.ids)?;
        let alone = matches!(reader.next(), Ok(Token::Eof));
        // Only what may be encrypted: a token or signature, never another layer of encryption, a key or a list.
        let usable = matches!(kind, Element::Signature | Element::UsernameToken | Element::SignatureConfirmation);
        if !alone || !usable {
            return Err(broken);
        }
        let id = if id.is_empty() { child.id } else { id };
        Ok(Child { kind, span, id, signed: child.signed, was_encrypted: true })
    }

    fn decrypt_body<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        message: &mut [u8],
        policy: &Policy,
        sources: &Sources<'_, K, C>,
    ) -> Result<Span, Refusal> {
        let Some(span) = self.map.body.encrypted else { return Ok(self.map.body.content) };
        let scope = self.map.envelope_scope.clone();
        let _ = self.coverage.encrypted.push(Element::Body);
        self.decrypt::<B, K, C>(message, span, &scope, names::XENC_CONTENT, policy.underived_keys, sources)
    }

    /// Replaces the `EncryptedData` at `span` by its plain text and comments. Returns where the plain text stands.
    fn decrypt<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        message: &mut [u8],
        span: Span,
        scope: &Scope,
        wanted_type: &str,
        underived: bool,
        sources: &Sources<'_, K, C>,
    ) -> Result<Span, Refusal> {
        let bad = Refusal::Malformed { element: Element::EncryptedData, offset: span.start };
        let broken = Refusal::Undecryptable(Element::EncryptedData);
        let buf: &[u8] = message;
        let mut reader = Reader::resume(buf, span, scope, &self.wire)?;
        reader.next_element()?.ok_or(bad)?;
        let id = reader.attribute("", "Id").map(|text| text.span()).unwrap_or_default();
        let listed = self.listed.position_of(buf, id).unwrap_or(0);
        if !reader.attribute("", "Type").is_some_and(|kind| kind.eq(wanted_type)) {
            return Err(bad);
        }
        let method = reader.next_element()?.filter(|s| s.name.is(names::XENC, "EncryptionMethod")).ok_or(bad)?;
        let refused = Refusal::Algorithm { slot: AlgorithmSlot::Encryption, offset: method.span.start };
        let uri = reader.attribute("", "Algorithm").and_then(|uri| uri.plain());
        let algorithm = uri.and_then(CipherAlgorithm::from_uri).ok_or(refused)?;
        self.suites = self.suites.narrow_cipher(algorithm);
        if self.suites.is_empty() || reader.next_element()?.is_some() {
            return Err(refused);
        }
        let mut next = reader.next_element()?.ok_or(bad)?;
        let key = if next.name.is(names::DSIG, "KeyInfo") {
            let reference = key_info(&mut reader, &next)?;
            next = reader.next_element()?.ok_or(bad)?;
            self.keys.resolve(buf, &reference, span.start, sources)?
        } else {
            self.keys
                .listing(listed)
                .or_else(|| self.keys.implied())
                .ok_or(Refusal::DanglingReference { offset: span.start })?
        };
        if !next.name.is(names::XENC, "CipherData") {
            return Err(bad);
        }
        reader.next_element()?.filter(|s| s.name.is(names::XENC, "CipherValue")).ok_or(bad)?;
        let value = reader.text()?.span();
        if reader.next_element()?.is_some() || reader.next_element()?.is_some() {
            return Err(bad);
        }
        let key = self.keys.get(key).ok_or(bad)?;
        let secret = key.secret.as_ref().ok_or(bad)?;
        if !key.derived && !underived {
            return Err(Refusal::KeyNotDerived { element: Element::EncryptedData });
        }
        match self.encryption_root {
            Some(root) if root != key.root => return Err(Refusal::TokenMismatch),
            _ => self.encryption_root = Some(key.root),
        }
        let cipher = B::Cipher::new(algorithm, secret.as_bytes()).ok_or(bad)?;
        let range = value.start as usize..value.end as usize;
        let octets = message.get_mut(range).ok_or(bad)?;
        let len = base64::decode_in_place(octets).map_err(|_| bad)?;
        let octets = octets.get_mut(..len).ok_or(bad)?;
        let block = algorithm.block_len();
        let (iv, data) = octets.split_at_mut_checked(block).ok_or(broken)?;
        if data.is_empty() || !cipher.decrypt_cbc(iv, data) {
            return Err(broken);
        }
        let unpadded = unpad(block, data);
        if !bool::from(unpadded.valid) {
            self.undecryptable = Some(Element::EncryptedData);
        }
        let start = value.start.saturating_add(block as u32);
        let plain = Span::new(start, start.saturating_add(unpadded.len as u32));
        let filled = fill_comment(message, Span::new(span.start, plain.start))
            && fill_comment(message, Span::new(plain.end, span.end));
        if filled { Ok(plain) } else { Err(bad) }
    }

    /// Finds, reads and verifies the primary signature, and marks what it covers.
    fn primary<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
        sources: &Sources<'_, K, C>,
        order: ProtectionOrder,
        body_encrypted: bool,
    ) -> Result<Primary, Refusal> {
        let index = self.map.children.iter().position(|c| c.kind == Element::Signature);
        let index = index.ok_or(Refusal::Missing(Element::Signature))?;
        let child = self.map.children.get(index).copied().ok_or(Refusal::Missing(Element::Signature))?;
        let agreed = context.policy.order.is_some();
        let wanted = order == ProtectionOrder::SignBeforeEncryptAndEncryptSignature && body_encrypted;
        if agreed && child.was_encrypted != wanted {
            return Err(Refusal::Order { element: Element::Signature });
        }
        let view = SignatureView::read(buf, child.span, &self.map, &self.wire, &mut self.suites)?;
        let Method::Symmetric(algorithm) = view.method else {
            return Err(Refusal::WrongToken { element: Element::Signature, offset: child.span.start });
        };
        let key = self.keys.resolve(buf, &view.key, child.span.start, sources)?;
        let key = self.keys.get(key).ok_or(Refusal::Missing(Element::Signature))?;
        let secret = key.secret.as_ref().ok_or(Refusal::DanglingReference { offset: child.span.start })?;
        if !key.derived && !context.policy.underived_keys {
            return Err(Refusal::KeyNotDerived { element: Element::Signature });
        }
        if context.policy.layout == Layout::Strict && key.at > child.span.start {
            return Err(Refusal::Layout { element: Element::Signature, offset: child.span.start });
        }
        let shortest = self.suites.iter().map(|s| s.signature_key_len()).min().unwrap_or(0);
        if key.derived && secret.len() < shortest {
            let limit = shortest as u64;
            return Err(Refusal::DerivedKeyBounds { child: "Length", value: secret.len() as u64, limit });
        }
        if let Some(root) = self.encryption_root
            && root != key.root
        {
            return Err(Refusal::TokenMismatch);
        }
        if !view.authentic::<B>(buf, &self.map, &self.wire, algorithm, secret.as_bytes())? {
            return Err(match self.keys.unwrap_failed {
                Some(error) => Refusal::Credential(error),
                None => Refusal::SignatureValue(Element::Signature),
            });
        }
        let primary = Primary {
            id: child.id,
            span: child.span,
            root: key.root,
            secret: self.keys.token(key.root).and_then(|token| token.secret.clone()),
            value: SignatureValue::new(&view.value).ok_or(Refusal::SignatureValue(Element::Signature))?,
        };
        for reference in &view.references {
            self.reference::<B>(buf, reference, context.limits)?;
        }
        Ok(primary)
    }

    /// Verifies one reference of the primary signature and marks the part that it covers.
    fn reference<B: Backend>(
        &mut self,
        buf: &[u8],
        reference: &super::signature::Reference,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        let id = reference.id.of(buf);
        let is = |span: Span| !span.is_empty() && span.of(buf) == id;
        let mut duplicate = None;
        let map = &mut self.map;
        let (element, holds) = if is(map.body.id) {
            map.body.signed = true;
            let ids = &map.ids;
            let own = map.body.span.start;
            let data = map.body.encrypted.map_or(own, |span| span.start);
            let mut look = |reader: &Reader<'_>, start: &xml::Start<'_>| {
                // The body's own Id and that of its ciphertext are known; every other in it must be new.
                if start.span.start != own
                    && start.span.start != data
                    && let Err(refusal) = ids.check(buf, reader, start)
                {
                    duplicate.get_or_insert(refusal);
                }
                Ok(())
            };
            (Element::Body, reference.holds::<B>(buf, map.body.span, &map.envelope_scope, limits, &mut look)?)
        } else if let Some(header) = map.headers.iter_mut().find(|h| is(h.id)) {
            header.signed = true;
            let held = reference.holds::<B>(buf, header.span, &map.header_scope, &self.wire, &mut |_, _| Ok(()))?;
            (header.kind, held)
        } else if let Some(child) = map.children.iter_mut().find(|c| is(c.id)) {
            child.signed = true;
            let held = reference.holds::<B>(buf, child.span, &map.security_scope, &self.wire, &mut |_, _| Ok(()))?;
            (child.kind, held)
        } else {
            return Err(Refusal::DanglingReference { offset: reference.id.start });
        };
        if !holds {
            return Err(Refusal::Digest { element });
        }
        if let Some(refusal) = duplicate {
            return Err(refusal);
        }
        let _ = self.coverage.signed.push(element);
        Ok(())
    }

    /// EncryptBeforeSign: the digest was over the ciphertext, so the plain text is looked at here.
    fn check_plain_body(&self, buf: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let mut reader = Reader::resume(buf, self.map.body.content, &self.map.envelope_scope, limits)?;
        loop {
            match reader.next()? {
                Token::Start(start) => self.map.ids.check(buf, &reader, &start)?,
                Token::Eof => return Ok(()),
                Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
            }
        }
    }

    /// Signatures after the primary one: each must be over the primary signature and nothing else.
    fn endorsements<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
        sources: &Sources<'_, K, C>,
        primary: &Primary,
    ) -> Result<(Option<Endorser>, Option<Span>), Refusal> {
        let element = Element::EndorsingSignature;
        let mut found = (None, None);
        for index in 0..self.map.children.len().min(MAX_CHILDREN) {
            let Some(child) = self.map.children.get(index).copied() else { break };
            if child.kind != Element::Signature || child.span == primary.span {
                continue;
            }
            if found.0.is_some() {
                return Err(Refusal::TooMany { element, limit: 1 });
            }
            let offset = child.span.start;
            let view = SignatureView::read(buf, child.span, &self.map, &self.wire, &mut self.suites)?;
            let [reference] = view.references.as_slice() else {
                return Err(Refusal::Malformed { element, offset });
            };
            if primary.id.is_empty() || reference.id.of(buf) != primary.id.of(buf) {
                return Err(Refusal::DanglingReference { offset });
            }
            if !reference.holds::<B>(buf, primary.span, &self.map.security_scope, &self.wire, &mut |_, _| Ok(()))? {
                return Err(Refusal::Digest { element: Element::Signature });
            }
            let endorser = match view.method {
                Method::Symmetric(algorithm) => {
                    let key = self.keys.resolve(buf, &view.key, offset, sources)?;
                    let key = self.keys.get(key).ok_or(Refusal::DanglingReference { offset })?;
                    let Root::Context(index) = key.root else {
                        return Err(Refusal::WrongToken { element, offset });
                    };
                    let secret = key.secret.as_ref().ok_or(Refusal::DanglingReference { offset })?;
                    if !view.authentic::<B>(buf, &self.map, &self.wire, algorithm, secret.as_bytes())? {
                        return Err(Refusal::SignatureValue(element));
                    }
                    Endorser::SecurityContext(self.keys.context(index).cloned().unwrap_or_default())
                }
                Method::Asymmetric(_) => self.certified::<B, K, C>(buf, context, sources, &view, offset)?,
            };
            found = (Some(endorser), Some(view.value_text));
            self.coverage.endorsing = self.coverage.endorsing.saturating_add(1);
        }
        if context.policy.endorsement && found.0.is_none() {
            return Err(Refusal::Missing(element));
        }
        Ok(found)
    }

    /// An endorsing signature made with a client certificate.
    #[inline(never)]
    fn certified<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
        sources: &Sources<'_, K, C>,
        view: &SignatureView<'_>,
        offset: u32,
    ) -> Result<Endorser, Refusal> {
        let element = Element::EndorsingSignature;
        let Method::Asymmetric(algorithm) = view.method else { return Err(Refusal::WrongToken { element, offset }) };
        let digest = view.digest::<B>(buf, &self.map, &self.wire, algorithm.digest())?;
        // A certificate is some 1 to 2 KiB of DER; this bounds the stack as well as the peer.
        let mut der = [0u8; 6144];
        let mut octets = [0u8; 64];
        let (signer, place) = if let Some(named) = certificate_reference(&view.key, &mut octets) {
            (named, Span::default())
        } else {
            let key = self.keys.resolve(buf, &view.key, offset, sources)?;
            let key = self.keys.get(key).ok_or(Refusal::DanglingReference { offset })?;
            let Root::Certificate(text) = key.root else { return Err(Refusal::WrongToken { element, offset }) };
            let bad = Refusal::Malformed { element: Element::BinarySecurityToken, offset: text.start };
            let len = base64::decode(text.of(buf), &mut der).map_err(|_| bad)?;
            (CertificateReference::Der(der.get(..len).ok_or(bad)?), text)
        };
        context
            .credentials
            .verify_signature(signer, algorithm, digest.as_bytes(), &view.value)
            .map_err(Refusal::Credential)?;
        Ok(Endorser::Certificate(place))
    }

    /// Everything that must be signed is, and nothing encrypted went unlisted.
    fn covered(&self, policy: &Policy) -> Result<(), Refusal> {
        if !self.map.body.signed {
            return Err(Refusal::NotSigned(Element::Body));
        }
        for header in &self.map.headers {
            if header.kind != Element::HeaderBlock && !header.signed {
                return Err(Refusal::NotSigned(header.kind));
            }
        }
        if policy.addressing && !self.map.headers.iter().any(|h| h.kind == Element::Action) {
            return Err(Refusal::Missing(Element::Action));
        }
        for child in &self.map.children {
            let must =
                matches!(child.kind, Element::Timestamp | Element::SignatureConfirmation | Element::UsernameToken);
            if must && !child.signed {
                return Err(Refusal::NotSigned(child.kind));
            }
        }
        Ok(())
    }

    fn confirmations(&self, buf: &[u8], policy: &Policy) -> Result<Vec<Span, 4>, Refusal> {
        let mut values = Vec::new();
        for child in self.map.children.iter().filter(|c| c.kind == Element::SignatureConfirmation) {
            if policy.confirmations == Confirmations::Refused {
                return Err(Refusal::Confirmation);
            }
            let (reader, _) = enter(buf, child.span, &self.map, &self.wire)?;
            let value = reader.attribute("", "Value").ok_or(Refusal::Confirmation)?;
            values
                .push(value.span())
                .map_err(|_| Refusal::TooMany { element: Element::SignatureConfirmation, limit: 4 })?;
        }
        if policy.confirmations == Confirmations::Required && values.is_empty() {
            return Err(Refusal::Confirmation);
        }
        Ok(values)
    }

    fn user<K: ?Sized, C: Credentials + ?Sized>(
        &self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
    ) -> Result<Option<User>, Refusal> {
        let mut tokens = self.map.children.iter().filter(|c| c.kind == Element::UsernameToken);
        let Some(child) = tokens.next() else {
            return if context.policy.username { Err(Refusal::Missing(Element::UsernameToken)) } else { Ok(None) };
        };
        if tokens.next().is_some() {
            return Err(Refusal::Repeated(Element::UsernameToken));
        }
        if !child.was_encrypted {
            return Err(Refusal::NotEncrypted(Element::UsernameToken));
        }
        super::username::check(buf, child.span, &self.map.security_scope, &self.wire, context.credentials).map(Some)
    }

    /// Timestamp rules of WCF: Expires > now - skew, Created < now + skew, Created > now - (window + skew).
    fn age<K: ?Sized, C: ?Sized>(
        &self,
        context: &OpenContext<'_, K, C>,
        created: Option<UnixMillis>,
        expires: Option<UnixMillis>,
    ) -> Result<(), Refusal> {
        let Some(created) = created else { return Ok(()) };
        let now = context.now.unwrap_or(created);
        let skew = i64::try_from(context.policy.clock.max_clock_skew.as_millis()).unwrap_or(i64::MAX);
        let window = i64::try_from(context.policy.clock.replay_window.as_millis()).unwrap_or(i64::MAX);
        let ahead = created.0.saturating_sub(now.0.saturating_add(skew));
        if ahead >= 0 {
            return Err(Refusal::FromTheFuture { by_ms: ahead.unsigned_abs() });
        }
        let behind = now.0.saturating_sub(skew).saturating_sub(window).saturating_sub(created.0);
        if behind >= 0 {
            return Err(Refusal::Stale { by_ms: behind.unsigned_abs() });
        }
        let past = expires.map(|end| now.0.saturating_sub(skew).saturating_sub(end.0));
        match past {
            Some(past) if past >= 0 => Err(Refusal::Expired { by_ms: past.unsigned_abs() }),
            _ => Ok(()),
        }
    }

    fn token(&self, primary: &Primary) -> Result<ProtectionToken, Refusal> {
        match primary.root {
            Root::Context(index) => {
                Ok(ProtectionToken::SecurityContext(self.keys.context(index).cloned().unwrap_or_default()))
            }
            Root::Wrapped(sha1) => {
                let key = primary.secret.clone().ok_or(Refusal::TokenMismatch)?;
                Ok(ProtectionToken::EncryptedKey { sha1, key })
            }
            Root::Certificate(_) => Err(Refusal::TokenMismatch),
        }
    }

    /// The text of each addressing header. Values with a comment or a reference inside are refused by the reader.
    fn addressing(&self, buf: &[u8]) -> Result<AddressingValues, Refusal> {
        let Some(version) = self.map.addressing else { return Ok(AddressingValues::default()) };
        let mut found = Addressing::new(version);
        for header in self.map.headers.iter().filter(|h| h.kind != Element::HeaderBlock) {
            let mut reader = Reader::resume(buf, header.span, &self.map.header_scope, &self.wire)?;
            let malformed = Refusal::Malformed { element: header.kind, offset: header.span.start };
            let start = reader.next_element()?.ok_or(malformed)?;
            found.read(&mut reader, &start).map_err(|_| malformed)?;
        }
        let span = |text: Option<xml::Text<'_>>| text.map(|text| text.span()).unwrap_or_default();
        Ok(AddressingValues {
            action: span(found.action().ok()),
            message_id: span(found.message_id),
            relates_to: span(found.relates_to),
            to: span(found.to),
            reply_to: span(found.reply_to),
        })
    }
}

/// The primary signature, verified.
struct Primary {
    id: Span,
    span: Span,
    root: Root,
    secret: Option<SecretKey>,
    value: SignatureValue,
}
