//! XML signatures as WS-Security uses them: what one says, and whether it is true.

use super::scan::Map;
use super::tokens::{enter, key_info};
use super::trust::SecurityTokenReference;
use super::{AlgorithmSlot, Element, Refusal};
use crate::base64;
use crate::crypto::{AsymmetricSignature, Backend, DigestAlgorithm, DigestOutput, Hasher, Mac, MacAlgorithm, SuiteSet};
use crate::soap::names;
use crate::xml::{self, Exclusive, Limits, Reader, Scope, Sink, Span, Start};
use heapless::Vec;

/// Most references of one signature: every header, the body, the timestamp, tokens and confirmations.
pub(super) const MAX_REFERENCES: usize = 40;
/// Longest signature value: RSA with 4096 bits.
pub(super) const MAX_VALUE: usize = 512;

/// A digest as a sink for canonical XML.
pub(super) struct Digesting<B: Backend>(pub(super) B::Hasher);

impl<B: Backend> Sink for Digesting<B> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// A MAC as a sink for canonical XML.
pub(super) struct Authenticating<B: Backend>(pub(super) B::Mac);

impl<B: Backend> Sink for Authenticating<B> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// The algorithm of `SignatureMethod`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Method {
    Symmetric(MacAlgorithm),
    Asymmetric(AsymmetricSignature),
}

/// One `Reference` of a signature.
pub(super) struct Reference {
    /// The Id that it names, without `#`.
    pub(super) id: Span,
    /// `PrefixList` of its exclusive canonicalization.
    inclusive: Span,
    digest: DigestAlgorithm,
    value: [u8; 32],
    value_len: usize,
}

/// A signature as written.
pub(super) struct SignatureView<'a> {
    pub(super) method: Method,
    pub(super) references: Vec<Reference, MAX_REFERENCES>,
    pub(super) value: Vec<u8, MAX_VALUE>,
    /// Where its base64 stands.
    pub(super) value_text: Span,
    pub(super) key: SecurityTokenReference<'a>,
    span: Span,
    inclusive: Span,
}

fn malformed(at: &Start<'_>) -> Refusal {
    Refusal::Malformed { element: Element::Signature, offset: at.span.start }
}

/// Reads `Algorithm` and the children of a method or transform that must be exclusive C14N without comments. Returns the
/// `PrefixList`.
fn exclusive(reader: &mut Reader<'_>, start: &Start<'_>, slot: AlgorithmSlot) -> Result<Span, Refusal> {
    let refused = Refusal::Algorithm { slot, offset: start.span.start };
    if !reader.attribute("", "Algorithm").is_some_and(|uri| uri.eq(names::EXC_C14N)) {
        return Err(refused);
    }
    let mut inclusive = Span::default();
    while let Some(child) = reader.next_element()? {
        if !child.name.is(names::EXC_C14N, "InclusiveNamespaces") {
            return Err(refused);
        }
        let list = reader.attribute("", "PrefixList").ok_or(refused)?;
        list.plain().ok_or(refused)?;
        inclusive = list.span();
        reader.skip()?;
    }
    Ok(inclusive)
}

fn expect<'a>(reader: &mut Reader<'a>, parent: &Start<'_>, local: &str) -> Result<Start<'a>, Refusal> {
    reader.next_element()?.filter(|s| s.name.is(names::DSIG, local)).ok_or_else(|| malformed(parent))
}

impl<'a> SignatureView<'a> {
    /// Reads the `Signature` at `span`, narrowing `suites` to those that have its algorithms.
    pub(super) fn read(
        buf: &'a [u8],
        span: Span,
        map: &Map,
        limits: &Limits,
        suites: &mut SuiteSet,
    ) -> Result<Self, Refusal> {
        let (mut reader, signature) = enter(buf, span, map, limits)?;
        let info = expect(&mut reader, &signature, "SignedInfo")?;
        let method = expect(&mut reader, &info, "CanonicalizationMethod")?;
        let inclusive = exclusive(&mut reader, &method, AlgorithmSlot::Canonicalization)?;
        let start = expect(&mut reader, &info, "SignatureMethod")?;
        let method = signature_method(&mut reader, &start, suites)?;
        let mut references = Vec::new();
        while let Some(start) = reader.next_element()? {
            if !start.name.is(names::DSIG, "Reference") {
                return Err(malformed(&start));
            }
            let reference = reference(&mut reader, &start, suites)?;
            references
                .push(reference)
                .map_err(|_| Refusal::TooMany { element: Element::Reference, limit: MAX_REFERENCES as u16 })?;
        }
        if references.is_empty() {
            return Err(malformed(&info));
        }
        let start = expect(&mut reader, &signature, "SignatureValue")?;
        let text = reader.text()?;
        let mut value = Vec::new();
        value.resize(MAX_VALUE, 0).map_err(|_| malformed(&start))?;
        let len = base64::decode(text.raw(), &mut value).map_err(|_| malformed(&start))?;
        value.truncate(len);
        let info = expect(&mut reader, &signature, "KeyInfo")?;
        let key = key_info(&mut reader, &info)?;
        if reader.next_element()?.is_some() {
            return Err(malformed(&signature));
        }
        Ok(Self { method, references, value, value_text: text.span(), key, span, inclusive })
    }

    /// Streams the canonical `SignedInfo` into `sink`.
    fn signed_info<S: Sink>(&self, buf: &[u8], map: &Map, limits: &Limits, sink: &mut S) -> Result<(), Refusal> {
        let (mut reader, signature) = enter(buf, self.span, map, limits)?;
        let info = expect(&mut reader, &signature, "SignedInfo")?;
        let method = Exclusive { comments: false, inclusive: self.inclusive.of(buf) };
        method.element(&mut reader, &info, sink, &mut |_, _| Ok(()))?;
        Ok(())
    }

    /// Is the value the MAC of `SignedInfo` under `key`?
    pub(super) fn authentic<B: Backend>(
        &self,
        buf: &[u8],
        map: &Map,
        limits: &Limits,
        algorithm: MacAlgorithm,
        key: &[u8],
    ) -> Result<bool, Refusal> {
        let mut sink = Authenticating::<B>(B::Mac::new(algorithm, key));
        self.signed_info(buf, map, limits, &mut sink)?;
        // HMACOutputLength is not read, so a truncated value never compares equal.
        Ok(sink.0.finish().ct_eq(&self.value))
    }

    /// The digest of `SignedInfo`, for a signature made with a certificate.
    pub(super) fn digest<B: Backend>(
        &self,
        buf: &[u8],
        map: &Map,
        limits: &Limits,
        algorithm: DigestAlgorithm,
    ) -> Result<DigestOutput, Refusal> {
        let mut sink = Digesting::<B>(B::Hasher::new(algorithm));
        self.signed_info(buf, map, limits, &mut sink)?;
        Ok(sink.0.finish())
    }
}

impl Reference {
    /// Does the element at `span` have the digest that this reference says? `visit` sees every start tag in it.
    ///
    /// The element is found by its place, not by looking its Id up again: what is digested is what was scanned.
    pub(super) fn holds<B: Backend>(
        &self,
        buf: &[u8],
        span: Span,
        scope: &Scope,
        limits: &Limits,
        visit: &mut dyn for<'r> FnMut(&Reader<'r>, &Start<'r>) -> Result<(), xml::Error>,
    ) -> Result<bool, xml::Error> {
        let mut reader = Reader::resume(buf, span, scope, limits)?;
        let Some(start) = reader.next_element()? else { return Ok(false) };
        let mut sink = Digesting::<B>(B::Hasher::new(self.digest));
        let method = Exclusive { comments: false, inclusive: self.inclusive.of(buf) };
        let digested = method.element(&mut reader, &start, &mut sink, visit)?;
        // The element must fill its place: decrypted content that closes it early has moved its end.
        let whole = digested == span;
        let wanted = self.value.get(..self.value_len).unwrap_or(&[]);
        Ok(whole & sink.0.finish().ct_eq(wanted))
    }
}

fn signature_method(reader: &mut Reader<'_>, start: &Start<'_>, suites: &mut SuiteSet) -> Result<Method, Refusal> {
    let refused = Refusal::Algorithm { slot: AlgorithmSlot::Signature, offset: start.span.start };
    let uri = reader.attribute("", "Algorithm").and_then(|uri| uri.plain()).ok_or(refused)?;
    let method = if let Some(mac) = MacAlgorithm::from_uri(uri) {
        *suites = suites.narrow_mac(mac);
        Method::Symmetric(mac)
    } else {
        let asymmetric = AsymmetricSignature::from_uri(uri).ok_or(refused)?;
        *suites = suites.narrow_asymmetric(asymmetric);
        Method::Asymmetric(asymmetric)
    };
    if suites.is_empty() || reader.next_element()?.is_some() {
        return Err(refused);
    }
    Ok(method)
}

fn reference(reader: &mut Reader<'_>, start: &Start<'_>, suites: &mut SuiteSet) -> Result<Reference, Refusal> {
    let bad = Refusal::Malformed { element: Element::Reference, offset: start.span.start };
    let uri = reader.attribute("", "URI").ok_or(bad)?;
    // Same-document references by Id only: no XPointer, no external URI, and not the whole document ("").
    if !uri.plain().is_some_and(|raw| raw.len() > 1 && raw.first() == Some(&b'#')) {
        return Err(bad);
    }
    let span = uri.span();
    let id = Span::new(span.start.saturating_add(1), span.end);
    let transforms = reader.next_element()?.filter(|s| s.name.is(names::DSIG, "Transforms")).ok_or(bad)?;
    let transform = expect(reader, &transforms, "Transform")?;
    let inclusive = exclusive(reader, &transform, AlgorithmSlot::Transform)?;
    if let Some(second) = reader.next_element()? {
        return Err(Refusal::Algorithm { slot: AlgorithmSlot::Transform, offset: second.span.start });
    }
    let method = expect(reader, start, "DigestMethod")?;
    let refused = Refusal::Algorithm { slot: AlgorithmSlot::Digest, offset: method.span.start };
    let algorithm = reader.attribute("", "Algorithm").and_then(|uri| uri.plain()).and_then(DigestAlgorithm::from_uri);
    let digest = algorithm.ok_or(refused)?;
    *suites = suites.narrow_digest(digest);
    if suites.is_empty() || reader.next_element()?.is_some() {
        return Err(refused);
    }
    expect(reader, start, "DigestValue")?;
    let text = reader.text()?;
    let mut value = [0u8; 32];
    let value_len = base64::decode(text.raw(), &mut value).map_err(|_| bad)?;
    if value_len != digest.len() || reader.next_element()?.is_some() {
        return Err(bad);
    }
    Ok(Reference { id, inclusive, digest, value, value_len })
}
