//! Verification: the primary signature, every digest under it, and the signatures that endorse it.

use super::open::Opening;
use super::opened::{Endorsement, Endorser, OpenContext};
use super::scan::MAX_CHILDREN;
use super::signature::{Method, Reference, SignatureView};
use super::tokens::{Root, Sources};
use super::{
    CertificateUse, Credentials, Element, Encryption, Keyring, Layout, Policy, ProtectionOrder, Refusal,
    SignatureValue, Signer,
};
use crate::crypto::{Backend, SecretKey};
use crate::xml::{self, Limits, Reader, Span};
use heapless::Vec;

/// The primary signature, verified.
pub(super) struct Primary {
    pub(super) id: Span,
    pub(super) span: Span,
    pub(super) root: Root,
    pub(super) secret: Option<SecretKey>,
    /// SHA-256 of the certificate that made it, if one did.
    pub(super) certificate: Option<[u8; 32]>,
    pub(super) value: SignatureValue,
}

impl Opening {
    /// Finds, reads and verifies the primary signature, and marks what it covers.
    pub(super) fn primary<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
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
        let relaxed = context.policy.body == Encryption::Optional && child.was_encrypted;
        if agreed && child.was_encrypted != wanted && !relaxed {
            return Err(Refusal::Order { element: Element::Signature });
        }
        let view = SignatureView::read(buf, child.span, &self.map, &self.wire, &mut self.suites)?;
        let algorithm = match (view.method, context.policy.signer) {
            (Method::Symmetric(algorithm), Signer::Symmetric | Signer::Any) => algorithm,
            (Method::Asymmetric(_), Signer::Client | Signer::Service | Signer::Any) => {
                return self.certified_primary::<B, K, C>(buf, context, sources, &view, &child);
            }
            // Where a certificate must sign, an anonymous key must not do.
            (Method::Symmetric(_), Signer::Client | Signer::Service) | (Method::Asymmetric(_), Signer::Symmetric) => {
                return Err(Refusal::WrongToken { element: Element::Signature, offset: child.span.start });
            }
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
        self.long_enough(key.derived, secret)?;
        if let Some(root) = self.encryption_root
            && root != key.root
        {
            return Err(Refusal::TokenMismatch);
        }
        if !view.authentic::<B>(buf, &self.map, &self.wire, algorithm, secret.as_bytes())? {
            return Err(self.keys.unwrapping().unwrap_or(Refusal::SignatureValue(Element::Signature)));
        }
        let primary = Primary {
            id: child.id,
            span: child.span,
            root: key.root,
            secret: self.keys.token(key.root).and_then(|token| token.secret.clone()),
            certificate: None,
            value: SignatureValue::new(&view.value).ok_or(Refusal::SignatureValue(Element::Signature))?,
        };
        for reference in &view.references {
            self.reference::<B>(buf, reference, context.limits)?;
        }
        Ok(primary)
    }

    /// A derived key must be as long as the suite signs with: the sender chooses its length, and a short one is guessed.
    pub(super) fn long_enough(&self, derived: bool, secret: &SecretKey) -> Result<(), Refusal> {
        let shortest = self.suites.iter().map(|s| s.signature_key_len()).min().unwrap_or(0);
        if derived && secret.len() < shortest {
            let (value, limit) = (secret.len() as u64, shortest as u64);
            return Err(Refusal::DerivedKeyBounds { child: "Length", value, limit });
        }
        Ok(())
    }

    /// Verifies one reference of the primary signature and marks the part that it covers.
    pub(super) fn reference<B: Backend>(
        &mut self,
        buf: &[u8],
        reference: &Reference,
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

    /// Signatures after the primary one: each must be over the primary signature and nothing else. One may be a
    /// certificate's, one a conversation's.
    pub(super) fn endorsements<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
        sources: &Sources<'_, K, C>,
        primary: &Primary,
    ) -> Result<Vec<Endorsement, 2>, Refusal> {
        let element = Element::EndorsingSignature;
        let mut found: Vec<Endorsement, 2> = Vec::new();
        for index in 0..self.map.children.len().min(MAX_CHILDREN) {
            let Some(child) = self.map.children.get(index).copied() else { break };
            if child.kind != Element::Signature || child.span == primary.span {
                continue;
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
            let by = match view.method {
                Method::Symmetric(algorithm) => {
                    let key = self.keys.resolve(buf, &view.key, offset, sources)?;
                    let key = self.keys.get(key).ok_or(Refusal::DanglingReference { offset })?;
                    let Root::Context(index) = key.root else {
                        return Err(Refusal::WrongToken { element, offset });
                    };
                    let secret = key.secret.as_ref().ok_or(Refusal::DanglingReference { offset })?;
                    if !key.derived && !context.policy.underived_keys {
                        return Err(Refusal::KeyNotDerived { element });
                    }
                    self.long_enough(key.derived, secret)?;
                    if !view.authentic::<B>(buf, &self.map, &self.wire, algorithm, secret.as_bytes())? {
                        return Err(Refusal::SignatureValue(element));
                    }
                    Endorser::SecurityContext(self.keys.context(index).cloned().unwrap_or_default())
                }
                Method::Asymmetric(_) => self.certified::<B, K, C>(buf, context, sources, &view, offset)?,
            };
            self.endorsed_by(by, view.value_text, &mut found)?;
        }
        endorsed_enough(context.policy, &found)?;
        Ok(found)
    }

    /// Notes who endorsed the message: one of each kind.
    pub(super) fn endorsed_by(
        &mut self,
        by: Endorser,
        value: Span,
        found: &mut Vec<Endorsement, 2>,
    ) -> Result<(), Refusal> {
        let again = |other: &Endorsement| core::mem::discriminant(&other.by) == core::mem::discriminant(&by);
        if found.iter().any(again) {
            return Err(Refusal::TooMany { element: Element::EndorsingSignature, limit: 1 });
        }
        // There is room for one of each kind.
        let _ = found.push(Endorsement { by, value });
        self.coverage.endorsing = self.coverage.endorsing.saturating_add(1);
        Ok(())
    }
}

/// Did everybody endorse the message of whom the policy wants it?
pub(super) fn endorsed_enough(policy: &Policy, found: &[Endorsement]) -> Result<(), Refusal> {
    let by_context = found.iter().any(|e| matches!(e.by, Endorser::SecurityContext(_)));
    let by_certificate = found.iter().any(|e| matches!(e.by, Endorser::Certificate { .. }));
    let certificate = policy.certificate == CertificateUse::Required;
    if (policy.endorsement && !by_context) || (certificate && !by_certificate) {
        return Err(Refusal::Missing(Element::EndorsingSignature));
    }
    Ok(())
}
