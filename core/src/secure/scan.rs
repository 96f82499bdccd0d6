//! One look over a whole envelope: where its headers, security tokens and body are, and that no Id stands twice.
//!
//! The result is plain data (byte ranges), so that decryption may change the ciphertext in place afterwards while every
//! other range stays valid.

use super::peek::for_us;
use super::{Element, Refusal};
use crate::soap::{AddressingVersion, ScVersion, SoapVersion, names};
use crate::xml::{Limits, Reader, Scope, Span, Start, Token};
use heapless::Vec;

/// Most header blocks in one message. Our own cap: WCF bounds them by the header's size only.
pub(super) const MAX_HEADERS: usize = 32;
/// Most children of the security header. WCF's own messages have at most 11.
pub(super) const MAX_CHILDREN: usize = 24;
/// Most Ids in the headers and on the body.
pub(super) const MAX_IDS: usize = 96;

/// A header block other than `Security`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) kind: Element,
    pub(super) span: Span,
    pub(super) id: Span,
    pub(super) signed: bool,
    pub(super) must_understand: bool,
}

/// A child of the security header. An encrypted child changes its `kind` and `span` when it is decrypted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Child {
    pub(super) kind: Element,
    pub(super) span: Span,
    pub(super) id: Span,
    pub(super) signed: bool,
    pub(super) was_encrypted: bool,
}

/// The body: `span` is the whole element, `content` what stands between its tags.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Body {
    pub(super) span: Span,
    pub(super) content: Span,
    pub(super) id: Span,
    pub(super) signed: bool,
    /// The `EncryptedData` that is all of its content, if it is.
    pub(super) encrypted: Option<Span>,
    /// Its Id; empty if it has none.
    pub(super) data_id: Span,
}

/// Where everything is.
pub(super) struct Map {
    pub(super) soap: SoapVersion,
    pub(super) addressing: Option<AddressingVersion>,
    pub(super) headers: Vec<Header, MAX_HEADERS>,
    pub(super) children: Vec<Child, MAX_CHILDREN>,
    pub(super) security: Option<Span>,
    pub(super) body: Body,
    pub(super) ids: Ids,
    /// Bindings inside `Envelope`: the context of `Body`.
    pub(super) envelope_scope: Scope,
    /// Bindings inside `Header`: the context of a header block.
    pub(super) header_scope: Scope,
    /// Bindings inside `Security`: the context of its children.
    pub(super) security_scope: Scope,
}

/// The Ids seen so far. Every Id that a signature could name is in here once.
#[derive(Default)]
pub(super) struct Ids(Vec<Span, MAX_IDS>);

impl Ids {
    /// Notes the Id of `start`, if it has one.
    pub(super) fn note<'a>(&mut self, buf: &'a [u8], reader: &Reader<'a>, start: &Start<'a>) -> Result<Span, Refusal> {
        let Some(id) = id_of(reader, start)? else { return Ok(Span::default()) };
        if self.contains(buf, id.of(buf)) {
            return Err(Refusal::DuplicateId { offset: id.start });
        }
        self.0.push(id).map_err(|_| Refusal::TooMany { element: Element::HeaderBlock, limit: MAX_IDS as u16 })?;
        Ok(id)
    }

    /// Refuses an Id inside the body that one of the noted elements has.
    pub(super) fn check<'a>(&self, buf: &'a [u8], reader: &Reader<'a>, start: &Start<'a>) -> Result<(), Refusal> {
        match id_of(reader, start)? {
            Some(id) if self.contains(buf, id.of(buf)) => Err(Refusal::DuplicateId { offset: id.start }),
            _ => Ok(()),
        }
    }

    fn contains(&self, buf: &[u8], id: &[u8]) -> bool {
        self.0.iter().any(|span| span.of(buf) == id)
    }
}

/// The Id by which a signature or a reference can name this element: `wsu:Id` anywhere, a bare `Id` on the elements of
/// XML Signature and XML Encryption. Ids with references in them are refused: two spellings of one name help nobody.
fn id_of<'a>(reader: &Reader<'a>, start: &Start<'a>) -> Result<Option<Span>, Refusal> {
    let own = || {
        let ns = start.name.namespace;
        let bare = ns == names::DSIG.as_bytes() || ns == names::XENC.as_bytes();
        if bare { reader.attribute("", "Id") } else { None }
    };
    let Some(text) = reader.attribute(names::WSU, "Id").or_else(own) else { return Ok(None) };
    let span = text.span();
    if text.plain().is_none() || span.is_empty() {
        return Err(Refusal::Malformed { element: Element::HeaderBlock, offset: span.start });
    }
    Ok(Some(span))
}

/// Consumes the element whose start tag was just read, noting the Ids inside it. Returns its whole span.
pub(super) fn walk<'a>(buf: &'a [u8], reader: &mut Reader<'a>, ids: &mut Ids) -> Result<Span, Refusal> {
    reader.visit(|reader, inner| ids.note(buf, reader, inner).map(|_| ()))
}

/// What a child of the security header is.
pub(super) fn child_kind(start: &Start<'_>) -> Element {
    const CHILDREN: [(&str, &str, Element); 8] = [
        (names::WSU, "Timestamp", Element::Timestamp),
        (names::XENC, "EncryptedKey", Element::EncryptedKey),
        (names::XENC, "ReferenceList", Element::ReferenceList),
        (names::XENC, "EncryptedData", Element::EncryptedData),
        (names::DSIG, "Signature", Element::Signature),
        (names::WSSE11, "SignatureConfirmation", Element::SignatureConfirmation),
        (names::WSSE, "BinarySecurityToken", Element::BinarySecurityToken),
        (names::WSSE, "UsernameToken", Element::UsernameToken),
    ];
    if ScVersion::from_namespace(start.name.namespace).is_some() {
        return match start.name.local {
            b"SecurityContextToken" => Element::SecurityContextToken,
            b"DerivedKeyToken" => Element::DerivedKeyToken,
            _ => Element::HeaderBlock,
        };
    }
    CHILDREN.iter().find(|(ns, local, _)| start.name.is(ns, local)).map_or(Element::HeaderBlock, |(_, _, kind)| *kind)
}

fn header_kind(start: &Start<'_>, addressed: bool) -> (Element, Option<AddressingVersion>) {
    const RELIABLE: [&[u8]; 2] =
        [b"http://schemas.xmlsoap.org/ws/2005/02/rm", b"http://docs.oasis-open.org/ws-rx/wsrm/200702"];
    if let Some(version) = AddressingVersion::from_namespace(start.name.namespace).filter(|_| addressed) {
        let kind = match start.name.local {
            b"Action" => Element::Action,
            b"To" => Element::To,
            b"From" => Element::From,
            b"ReplyTo" => Element::ReplyTo,
            b"FaultTo" => Element::FaultTo,
            b"MessageID" => Element::MessageId,
            b"RelatesTo" => Element::RelatesTo,
            _ => Element::HeaderBlock,
        };
        return (kind, Some(version));
    }
    if RELIABLE.contains(&start.name.namespace) {
        return (Element::ReliableMessagingHeader, None);
    }
    (Element::HeaderBlock, None)
}

fn must_understand(reader: &Reader<'_>, soap: SoapVersion) -> bool {
    reader.attribute(soap.namespace(), "mustUnderstand").is_some_and(|value| value.eq("1") || value.eq("true"))
}

/// Finds everything in `buf`. `addressed`: are the headers of WS-Addressing known?
pub(super) fn scan(buf: &[u8], limits: &Limits, addressed: bool) -> Result<Map, Refusal> {
    let mut reader = Reader::document(buf, limits)?;
    let envelope = reader.next_element()?.ok_or(Refusal::NotSoap)?;
    let soap = SoapVersion::from_namespace(envelope.name.namespace).ok_or(Refusal::NotSoap)?;
    if !envelope.name.is(soap.namespace(), "Envelope") {
        return Err(Refusal::NotSoap);
    }
    let mut map = Map {
        soap,
        addressing: None,
        headers: Vec::new(),
        children: Vec::new(),
        security: None,
        body: Body::default(),
        ids: Ids::default(),
        envelope_scope: reader.scope().clone(),
        header_scope: Scope::EMPTY,
        security_scope: Scope::EMPTY,
    };
    let mut next = reader.next_element()?.ok_or(Refusal::Missing(Element::Body))?;
    if next.name.is(soap.namespace(), "Header") {
        map.header_scope = reader.scope().clone();
        while let Some(block) = reader.next_element()? {
            header(buf, &mut reader, &block, addressed, &mut map)?;
        }
        next = reader.next_element()?.ok_or(Refusal::Missing(Element::Body))?;
    }
    if !next.name.is(soap.namespace(), "Body") {
        return Err(Refusal::Missing(Element::Body));
    }
    body(buf, &mut reader, &next, &mut map)?;
    if reader.next_element()?.is_some() {
        return Err(Refusal::Repeated(Element::Body));
    }
    loop {
        match reader.next()? {
            Token::Eof => return Ok(map),
            Token::Comment(_) | Token::Text(_) => {}
            Token::Start(_) | Token::End(_) => return Err(Refusal::NotSoap),
        }
    }
}

fn header<'a>(
    buf: &'a [u8],
    reader: &mut Reader<'a>,
    block: &Start<'a>,
    addressed: bool,
    map: &mut Map,
) -> Result<(), Refusal> {
    let id = map.ids.note(buf, reader, block)?;
    let must_understand = must_understand(reader, map.soap);
    // A header for another role is not ours to judge: it is passed over, and cannot be what a signature must cover.
    let ours = for_us(reader, map.soap);
    if block.name.is(names::WSSE, "Security") && ours {
        if map.security.is_some() {
            return Err(Refusal::Repeated(Element::Security));
        }
        map.security_scope = reader.scope().clone();
        let start = block.span.start;
        while let Some(child) = reader.next_element()? {
            let id = map.ids.note(buf, reader, &child)?;
            let kind = child_kind(&child);
            let span = walk(buf, reader, &mut map.ids)?;
            map.children
                .push(Child { kind, span, id, signed: false, was_encrypted: false })
                .map_err(|_| Refusal::TooMany { element: Element::Security, limit: MAX_CHILDREN as u16 })?;
        }
        map.security = Some(Span::new(start, reader.position()));
        return Ok(());
    }
    let (kind, version) = header_kind(block, addressed);
    let span = walk(buf, reader, &mut map.ids)?;
    if let Some(version) = version {
        // Two addressing versions in one message would give every header two meanings.
        if map.addressing.is_some_and(|known| known != version) {
            return Err(Refusal::Repeated(kind));
        }
        map.addressing = Some(version);
        let single = !matches!(kind, Element::HeaderBlock);
        if single && map.headers.iter().any(|h| h.kind == kind) {
            return Err(Refusal::Repeated(kind));
        }
    }
    map.headers
        .push(Header { kind, span, id, signed: false, must_understand: must_understand && ours })
        .map_err(|_| Refusal::TooMany { element: Element::HeaderBlock, limit: MAX_HEADERS as u16 })
}

fn body<'a>(buf: &'a [u8], reader: &mut Reader<'a>, start: &Start<'a>, map: &mut Map) -> Result<(), Refusal> {
    let id = map.ids.note(buf, reader, start)?;
    let mut encrypted = None;
    let mut data_id = Span::default();
    let mut others = false;
    let mut content_end = start.span.end;
    loop {
        match reader.next()? {
            Token::Start(child) => {
                if child.name.is(names::XENC, "EncryptedData") && encrypted.is_none() && !others {
                    data_id = map.ids.note(buf, reader, &child)?;
                    encrypted = Some(walk_body(buf, reader, &map.ids)?);
                } else {
                    others = true;
                    map.ids.check(buf, reader, &child)?;
                    walk_body(buf, reader, &map.ids)?;
                }
            }
            Token::Text(text) => others |= !text.is_blank(),
            Token::Comment(_) => {}
            Token::End(end) => {
                // An empty-element tag has no content and its synthetic end no width.
                if !start.empty {
                    content_end = end.span.start;
                }
                map.body = Body {
                    span: Span::new(start.span.start, end.span.end),
                    content: Span::new(start.span.end, content_end),
                    id,
                    signed: false,
                    encrypted: if others { None } else { encrypted },
                    data_id,
                };
                return Ok(());
            }
            Token::Eof => return Err(Refusal::Missing(Element::Body)),
        }
    }
}

/// As [`walk`], for content whose Ids are not kept: they may only not be those of a noted element.
fn walk_body<'a>(buf: &'a [u8], reader: &mut Reader<'a>, ids: &Ids) -> Result<Span, Refusal> {
    reader.visit(|reader, inner| ids.check(buf, reader, inner))
}
