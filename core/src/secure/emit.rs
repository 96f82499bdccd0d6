//! The elements of a security header as WCF writes them, byte for byte.

use super::protection::{
    EndorsingCertificate, EndorsingToken, OutgoingMessage, Protection, SealError, SigningToken, UsernameToken,
};
use super::trust::{ContextReference, KeyIdentifier, LocalToken, ReferenceStyle, ReferenceTo, write_reference};
use super::{CertificateReference, ProtectionOrder};
use crate::base64;
use crate::chance::Uuid;
use crate::crypto::{AlgorithmSuite, DigestAlgorithm, KeyTransport};
use crate::soap::{ScVersion, names};
use crate::xml::{Span, Writer};
use heapless::Vec;

/// An Id: `_n` of one message, or `uuid-<guid>-<n>` of one process side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Id {
    /// `_n`: counts within one message.
    Local(u16),
    /// `uuid-<guid>-<n>`: counts for the life of a session's side.
    Unique(UniqueId),
}

/// `uuid-<guid>-<n>`, as WCF's `SecurityUniqueId` makes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UniqueId {
    /// The side's prefix.
    pub prefix: Uuid,
    /// The number.
    pub number: u64,
}

/// Makes the [`UniqueId`]s of one side of a session: one prefix, numbers from 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UniqueIds {
    prefix: Uuid,
    next: u64,
}

impl UniqueIds {
    /// A side's Ids: `prefix` is fresh chance, the first number is `first` (WCF starts with 1).
    pub const fn new(prefix: Uuid, first: u64) -> Self {
        Self { prefix, next: first }
    }

    /// The next Id.
    pub const fn next_id(&mut self) -> UniqueId {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        UniqueId { prefix: self.prefix, number }
    }
}

impl UniqueId {
    /// Writes the Id's text.
    pub fn write(&self, w: &mut Writer<'_>) {
        w.put(b"uuid-");
        let mut text = [0u8; 36];
        self.prefix.write(&mut text);
        w.put(&text);
        w.put(b"-");
        w.number(self.number);
    }
}

pub(super) fn id(w: &mut Writer<'_>, id: Id) {
    match id {
        Id::Local(n) => {
            w.put(b"_");
            w.number(u64::from(n));
        }
        Id::Unique(unique) => unique.write(w),
    }
}

pub(super) fn span_from(start: usize, w: &Writer<'_>) -> Span {
    Span::new(u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(w.position()).unwrap_or(u32::MAX))
}

/// Writes what `content` writes and returns where it stands.
pub(super) fn spanned(w: &mut Writer<'_>, content: impl FnOnce(&mut Writer<'_>)) -> Span {
    let start = w.position();
    content(w);
    span_from(start, w)
}

fn attribute(w: &mut Writer<'_>, name: &str, value: &str) {
    w.put(b" ");
    w.put_str(name);
    w.put(b"=\"");
    w.put_str(value);
    w.put(b"\"");
}

fn xmlns(w: &mut Writer<'_>, prefix: &str, namespace: &str) {
    w.put(if prefix.is_empty() { b" xmlns" } else { b" xmlns:" });
    w.put_str(prefix);
    w.put(b"=\"");
    w.put_str(namespace);
    w.put(b"\"");
}

/// The envelope up to its first header block, with the prefixes that its blocks share.
pub(super) fn envelope_head(w: &mut Writer<'_>, message: &OutgoingMessage<'_>) -> Result<(), SealError> {
    w.put(b"<s:Envelope");
    xmlns(w, "s", message.soap.namespace());
    let mut declared: Vec<&str, 4> = Vec::new();
    for (prefix, namespace) in message.headers.iter().filter_map(|h| h.shared_prefix(message.addressing)) {
        if !declared.contains(&prefix) {
            xmlns(w, prefix, namespace);
            declared.push(prefix).map_err(|_| SealError::TooMany)?;
        }
    }
    xmlns(w, "u", names::WSU);
    w.put(b"><s:Header>");
    Ok(())
}

pub(super) fn security_start(w: &mut Writer<'_>) {
    w.put(b"<o:Security s:mustUnderstand=\"1\"");
    xmlns(w, "o", names::WSSE);
    w.put(b">");
}

pub(super) fn timestamp(w: &mut Writer<'_>, p: &Protection<'_>) {
    w.put(b"<u:Timestamp u:Id=\"");
    id(w, p.timestamp.id);
    w.put(b"\"><u:Created>");
    w.put(&p.timestamp.created.text());
    w.put(b"</u:Created><u:Expires>");
    w.put(&p.timestamp.expires.text());
    w.put(b"</u:Expires></u:Timestamp>");
}

/// An Id as text.
pub(super) struct IdText([u8; 64], usize);

impl IdText {
    pub(super) fn of(own: Id) -> Self {
        let mut text = [0u8; 64];
        let mut w = Writer::new(&mut text);
        id(&mut w, own);
        // `uuid-`, 36 characters, `-` and at most 20 digits always fit.
        let len = w.finish().unwrap_or(0);
        Self(text, len)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or(&[])
    }
}

fn local_reference(w: &mut Writer<'_>, style: ReferenceStyle, token: LocalToken, target: Id) {
    write_reference(w, style, &ReferenceTo::Local { id: IdText::of(target).as_bytes(), token });
}

/// The reference by which a derived key, or underived data, names its token.
pub(super) fn token_reference(w: &mut Writer<'_>, p: &Protection<'_>, style: ReferenceStyle) {
    match &p.token {
        SigningToken::SecurityContext { id, .. } => {
            write_reference(w, style, &ReferenceTo::Local { id, token: LocalToken::Sct(p.version) });
        }
        SigningToken::ExternalContext { identifier, instance } => {
            let context = ContextReference { identifier, instance: *instance };
            write_reference(w, style, &ReferenceTo::Sct { version: p.version, context });
        }
        SigningToken::NewEncryptedKey { id, .. } => local_reference(w, style, LocalToken::EncryptedKey, *id),
        SigningToken::EncryptedKeySha1(sha1) => {
            let kind = KeyIdentifier::EncryptedKeySha1;
            write_reference(w, style, &ReferenceTo::KeyIdentifier { kind, octets: *sha1 });
        }
        SigningToken::Certificate { .. } => local_reference(w, style, LocalToken::EncryptedKey, CERTIFIED_KEY),
        // It has no element to refer to.
        SigningToken::Transport => {}
    }
}

fn close_empty(w: &mut Writer<'_>, name: &str, long: bool) {
    if long {
        w.put(b"></");
        w.put_str(name);
        w.put(b">");
    } else {
        w.put(b"/>");
    }
}

/// `wsc:DerivedKeyToken`. Offset and Length are left out where the length is the default of 32 (WCF's rule).
pub(super) fn derived_key(
    w: &mut Writer<'_>,
    version: ScVersion,
    own: Id,
    length: usize,
    nonce: &[u8],
    reference: impl FnOnce(&mut Writer<'_>),
) {
    let prefix = version.prefix();
    let tag = |w: &mut Writer<'_>, open: &[u8], local: &str| {
        w.put(open);
        w.put_str(prefix);
        w.put(b":");
        w.put_str(local);
    };
    tag(w, b"<", "DerivedKeyToken");
    w.put(b" u:Id=\"");
    id(w, own);
    w.put(b"\"");
    xmlns(w, prefix, version.namespace());
    w.put(b">");
    reference(w);
    if length != 32 {
        tag(w, b"<", "Offset>0");
        tag(w, b"</", "Offset>");
        tag(w, b"<", "Length>");
        w.number(length as u64);
        tag(w, b"</", "Length>");
    }
    tag(w, b"<", "Nonce>");
    w.base64(nonce);
    tag(w, b"</", "Nonce>");
    tag(w, b"</", "DerivedKeyToken>");
}

/// The references of a `ReferenceList`, in WCF's order.
pub(super) fn data_references(w: &mut Writer<'_>, declare: bool, list: &[u16]) {
    w.put(b"<e:ReferenceList");
    if declare {
        xmlns(w, "e", names::XENC);
    }
    w.put(b">");
    for number in list {
        w.put(b"<e:DataReference URI=\"#");
        id(w, Id::Local(*number));
        w.put(b"\"/>");
    }
    w.put(b"</e:ReferenceList>");
}

/// The `EncryptedKey` that a client makes for the service's certificate.
pub(super) fn encrypted_key(w: &mut Writer<'_>, p: &Protection<'_>, list: Option<&[u16]>) {
    let (own, recipient, wrapped) = match &p.token {
        SigningToken::NewEncryptedKey { id, thumbprint, wrapped } => {
            (*id, CertificateReference::ThumbprintSha1(*thumbprint), *wrapped)
        }
        SigningToken::Certificate { recipient, wrapped, .. } => (CERTIFIED_KEY, *recipient, *wrapped),
        SigningToken::SecurityContext { .. }
        | SigningToken::ExternalContext { .. }
        | SigningToken::EncryptedKeySha1(_)
        | SigningToken::Transport => return,
    };
    w.put(b"<e:EncryptedKey Id=\"");
    id(w, own);
    w.put(b"\"");
    xmlns(w, "e", names::XENC);
    w.put(b"><e:EncryptionMethod");
    let transport = p.suite.key_transport();
    attribute(w, "Algorithm", transport.uri());
    if matches!(transport, KeyTransport::RsaOaepMgf1p) {
        // OAEP's digest stays SHA-1, in the SHA-256 suites too.
        w.put(b"><DigestMethod");
        attribute(w, "Algorithm", DigestAlgorithm::Sha1.uri());
        xmlns(w, "", names::DSIG);
        w.put(b"/></e:EncryptionMethod>");
    } else {
        w.put(b"/>");
    }
    w.put(b"<KeyInfo");
    xmlns(w, "", names::DSIG);
    w.put(b">");
    certificate_name(w, recipient, ReferenceStyle::header(p.bsp));
    w.put(b"</KeyInfo><e:CipherData><e:CipherValue>");
    w.base64(wrapped);
    w.put(b"</e:CipherValue></e:CipherData>");
    if let Some(list) = list {
        data_references(w, false, list);
    }
    w.put(b"</e:EncryptedKey>");
}

/// What stands in an `EncryptedData` before its base64.
pub(super) fn encrypted_data_start(
    w: &mut Writer<'_>,
    p: &Protection<'_>,
    own: u16,
    kind: &str,
    style: ReferenceStyle,
    key: Option<Id>,
) {
    w.put(b"<e:EncryptedData Id=\"");
    id(w, Id::Local(own));
    w.put(b"\"");
    attribute(w, "Type", kind);
    xmlns(w, "e", names::XENC);
    w.put(b"><e:EncryptionMethod");
    attribute(w, "Algorithm", p.suite.encryption().uri());
    close_empty(w, "e:EncryptionMethod", style.long);
    // Without derived keys the data is listed in the EncryptedKey itself, which names the key; unless it was encrypted
    // first, and the list comes last.
    let in_key = matches!(p.token, SigningToken::NewEncryptedKey { .. } | SigningToken::Certificate { .. });
    if key.is_some() || !in_key || p.order == ProtectionOrder::EncryptBeforeSign {
        w.put(b"<KeyInfo");
        xmlns(w, "", names::DSIG);
        w.put(b">");
        key_reference(w, p, style, key);
        w.put(b"</KeyInfo>");
    }
    w.put(b"<e:CipherData><e:CipherValue>");
}

pub(super) const ENCRYPTED_DATA_END: &[u8] = b"</e:CipherValue></e:CipherData></e:EncryptedData>";

/// A reference to a derived key, or to the token itself where none is derived.
pub(super) fn key_reference(w: &mut Writer<'_>, p: &Protection<'_>, style: ReferenceStyle, key: Option<Id>) {
    match key {
        Some(own) => local_reference(w, style, LocalToken::DerivedKey(p.version), own),
        None => token_reference(w, p, ReferenceStyle { declare_sc: true, ..style }),
    }
}

/// A digest or signature value yet to be made: where its base64 stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Hole(pub(super) Span);

fn hole(w: &mut Writer<'_>, octets: usize) -> Hole {
    let start = w.position();
    for _ in 0..base64::encoded_len(octets) {
        w.put(b"A");
    }
    Hole(span_from(start, w))
}

/// A `Signature` with holes for its digests and its value. `references` are the Ids it covers.
pub(super) struct SignatureHoles {
    pub(super) element: Span,
    pub(super) signed_info: Span,
    pub(super) value: Hole,
}

/// The algorithms of a signature and the length of its value.
#[derive(Clone, Copy)]
pub(super) struct SignatureKind {
    uri: &'static str,
    value_len: usize,
    digest: DigestAlgorithm,
}

impl SignatureKind {
    pub(super) const fn symmetric(suite: AlgorithmSuite) -> Self {
        let mac = suite.signature();
        Self { uri: mac.uri(), value_len: mac.len(), digest: suite.digest() }
    }

    pub(super) const fn asymmetric(suite: AlgorithmSuite, value_len: usize) -> Self {
        Self { uri: suite.asymmetric_signature().uri(), value_len, digest: suite.digest() }
    }
}

pub(super) fn signature(
    w: &mut Writer<'_>,
    kind: SignatureKind,
    own: Option<u16>,
    references: &mut [(Id, Hole)],
    key: impl FnOnce(&mut Writer<'_>),
) -> SignatureHoles {
    let digest = kind.digest;
    let start = w.position();
    w.put(b"<Signature");
    if let Some(own) = own {
        w.put(b" Id=\"");
        id(w, Id::Local(own));
        w.put(b"\"");
    }
    xmlns(w, "", names::DSIG);
    w.put(b">");
    let signed_info = spanned(w, |w| {
        w.put(b"<SignedInfo><CanonicalizationMethod");
        attribute(w, "Algorithm", names::EXC_C14N);
        w.put(b"/><SignatureMethod");
        attribute(w, "Algorithm", kind.uri);
        w.put(b"/>");
        for (target, digest_hole) in references {
            w.put(b"<Reference URI=\"#");
            id(w, *target);
            w.put(b"\"><Transforms><Transform");
            attribute(w, "Algorithm", names::EXC_C14N);
            w.put(b"/></Transforms><DigestMethod");
            attribute(w, "Algorithm", digest.uri());
            w.put(b"/><DigestValue>");
            *digest_hole = hole(w, digest.len());
            w.put(b"</DigestValue></Reference>");
        }
        w.put(b"</SignedInfo>");
    });
    w.put(b"<SignatureValue>");
    let value = hole(w, kind.value_len);
    w.put(b"</SignatureValue><KeyInfo>");
    key(w);
    w.put(b"</KeyInfo></Signature>");
    SignatureHoles { element: span_from(start, w), signed_info, value }
}

/// `k:SignatureConfirmation`; an encrypted one declares `u` itself.
pub(super) fn confirmation(w: &mut Writer<'_>, own: u16, value: &[u8], encrypted: bool) {
    w.put(b"<k:SignatureConfirmation u:Id=\"");
    id(w, Id::Local(own));
    w.put(b"\" Value=\"");
    w.put(value);
    w.put(b"\"");
    xmlns(w, "k", names::WSSE11);
    if encrypted {
        xmlns(w, "u", names::WSU);
    }
    w.put(b"/>");
}

/// `o:UsernameToken` with a password in clear: it only ever travels encrypted, by itself or by the transport. `standalone`
/// declares its prefixes, as what is encrypted must.
pub(super) fn username_token(w: &mut Writer<'_>, user: &UsernameToken<'_>, bsp: bool, standalone: bool) {
    w.put(b"<o:UsernameToken u:Id=\"");
    id(w, user.id);
    w.put(b"\"");
    if standalone {
        xmlns(w, "o", names::WSSE);
        xmlns(w, "u", names::WSU);
    }
    w.put(b"><o:Username>");
    w.text(user.name.as_bytes());
    w.put(b"</o:Username><o:Password");
    if bsp {
        attribute(w, "Type", names::PASSWORD_TEXT);
    }
    w.put(b">");
    w.text(user.password.as_bytes());
    w.put(b"</o:Password></o:UsernameToken>");
}

/// `o:BinarySecurityToken` with a certificate.
pub(super) fn certificate_token(w: &mut Writer<'_>, own: Id, der: &[u8], bsp: bool) {
    w.put(b"<o:BinarySecurityToken u:Id=\"");
    id(w, own);
    w.put(b"\"");
    attribute(w, "ValueType", names::X509_V3);
    if bsp {
        attribute(w, "EncodingType", names::BASE64_BINARY);
    }
    w.put(b">");
    w.base64(der);
    w.put(b"</o:BinarySecurityToken>");
}

/// The Id of the `EncryptedKey` that a certificate's holder makes (WSS 1.0): the first of the message.
const CERTIFIED_KEY: Id = Id::Local(0);

/// A reference to a certificate that the message does not carry.
fn certificate_name(w: &mut Writer<'_>, name: CertificateReference<'_>, style: ReferenceStyle) {
    let identifier = |kind, octets| ReferenceTo::KeyIdentifier { kind, octets };
    let to = match name {
        CertificateReference::ThumbprintSha1(octets) => identifier(KeyIdentifier::Thumbprint, octets),
        CertificateReference::SubjectKeyIdentifier(octets) => identifier(KeyIdentifier::SubjectKeyIdentifier, octets),
        CertificateReference::IssuerSerial { issuer, serial } => ReferenceTo::IssuerSerial { issuer, serial },
        // No reference holds a whole certificate; it would have to be a token of the message.
        CertificateReference::Der(_) => return,
    };
    write_reference(w, style, &to);
}

/// The reference by which a primary signature names the certificate that made it.
pub(super) fn signer_reference(
    w: &mut Writer<'_>,
    signer: &EndorsingCertificate<'_>,
    attached: bool,
    style: ReferenceStyle,
) {
    if attached {
        certificate_reference(w, signer.id, style);
    } else {
        certificate_name(w, signer.certificate.name, style);
    }
}

/// The reference by which a signature names the certificate in the message.
pub(super) fn certificate_reference(w: &mut Writer<'_>, own: Id, style: ReferenceStyle) {
    local_reference(w, style, LocalToken::X509, own);
}

/// The endorsing token of a Renew: the current `SecurityContextToken` and a fresh key derived from it.
pub(super) fn endorsing_tokens(w: &mut Writer<'_>, p: &Protection<'_>, token: &EndorsingToken<'_>, own: u16) {
    w.put(token.element);
    if let Some(key) = token.derived {
        derived_key(w, p.version, Id::Local(own), key.secret.len(), key.nonce, |w| {
            let sct = ReferenceTo::Local { id: token.id, token: LocalToken::Sct(p.version) };
            write_reference(w, ReferenceStyle::header(p.bsp), &sct);
        });
    }
}

/// The reference by which an endorsing signature names its key.
pub(super) fn endorsing_reference(
    w: &mut Writer<'_>,
    p: &Protection<'_>,
    token: &EndorsingToken<'_>,
    own: u16,
    style: ReferenceStyle,
) {
    if token.derived.is_some() {
        key_reference(w, p, style, Some(Id::Local(own)));
    } else {
        let sct = ReferenceTo::Local { id: token.id, token: LocalToken::Sct(p.version) };
        write_reference(w, style, &sct);
    }
}
