//! Opening a message that the transport protects: the timestamp, who endorses it by signing that, and the user.

use super::open::{Opening, Verified};
use super::opened::{Endorsement, Endorser, OpenContext, Opened, ProtectionToken};
use super::scan::MAX_CHILDREN;
use super::signature::{Method, SignatureView};
use super::tokens::{Root, Sources};
use super::verify::endorsed_enough;
use super::{
    AddressingUse, Confirmations, Credentials, Element, Keyring, Layout, ProtectionOrder, Refusal, SignatureValue,
};
use crate::crypto::Backend;
use crate::xml::Span;
use heapless::Vec;

impl Opening {
    pub(super) fn run_over_transport<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
    ) -> Result<Opened, Refusal> {
        let policy = context.policy;
        let (created, expires) = self.timestamp(buf, context)?;
        if self.map.body.encrypted.is_some() {
            return Err(Refusal::Encrypted(Element::Body));
        }
        for child in &self.map.children {
            let element = child.kind;
            if matches!(element, Element::EncryptedKey | Element::EncryptedData | Element::ReferenceList) {
                return Err(Refusal::WrongToken { element, offset: child.span.start });
            }
            if element == Element::SignatureConfirmation && policy.confirmations == Confirmations::Refused {
                return Err(Refusal::Confirmation);
            }
        }
        let wire = self.wire.clone();
        let sources = Sources {
            keyring: context.keyring,
            credentials: context.credentials,
            version: policy.version,
            underived_keys: policy.underived_keys,
            limits: &wire,
        };
        self.keys.collect::<B, K, C>(buf, &self.map, &mut self.suites, &sources, &mut self.listed)?;
        let endorsements = self.over_timestamp::<B, K, C>(buf, context, &sources)?;
        self.addressed(policy)?;
        let user = self.user(buf, context)?;
        self.age(context, created, expires)?;
        let verified = Verified {
            body: self.map.body.content,
            token: ProtectionToken::Transport,
            order: ProtectionOrder::default(),
            created,
            expires,
            signature: SignatureValue::NONE,
            endorsements,
            user,
            confirmations: Vec::new(),
        };
        self.opened(buf, verified)
    }

    /// Every signature: each must be over the timestamp, a certificate's over the address too.
    fn over_timestamp<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
        sources: &Sources<'_, K, C>,
    ) -> Result<Vec<Endorsement, 2>, Refusal> {
        let element = Element::EndorsingSignature;
        let policy = context.policy;
        let stamp = self.map.children.iter().find(|c| c.kind == Element::Timestamp).map(|c| c.id).unwrap_or_default();
        let to = self.map.headers.iter().find(|h| h.kind == Element::To).map(|h| h.id);
        let mut found: Vec<Endorsement, 2> = Vec::new();
        for index in 0..self.map.children.len().min(MAX_CHILDREN) {
            let Some(child) = self.map.children.get(index).copied() else { break };
            if child.kind != Element::Signature {
                continue;
            }
            let offset = child.span.start;
            let view = SignatureView::read(buf, child.span, &self.map, &self.wire, &mut self.suites)?;
            let by = match view.method {
                Method::Symmetric(algorithm) => {
                    let key = self.keys.resolve(buf, &view.key, offset, sources)?;
                    let key = self.keys.get(key).ok_or(Refusal::DanglingReference { offset })?;
                    let Root::Context(name) = key.root else { return Err(Refusal::WrongToken { element, offset }) };
                    let secret = key.secret.as_ref().ok_or(Refusal::DanglingReference { offset })?;
                    if policy.layout == Layout::Strict && key.at > offset {
                        return Err(Refusal::Layout { element, offset });
                    }
                    self.long_enough(key.derived, secret)?;
                    if !view.authentic::<B>(buf, &self.map, &self.wire, algorithm, secret.as_bytes())? {
                        return Err(Refusal::SignatureValue(element));
                    }
                    Endorser::SecurityContext(self.keys.context(name).cloned().unwrap_or_default())
                }
                Method::Asymmetric(_) => self.certified::<B, K, C>(buf, context, sources, &view, offset)?,
            };
            for reference in &view.references {
                self.reference::<B>(buf, reference, context.limits)?;
            }
            let covers =
                |id: Span| !id.is_empty() && view.references.iter().any(|reference| reference.id.of(buf) == id.of(buf));
            if !covers(stamp) {
                return Err(Refusal::NotSigned(Element::Timestamp));
            }
            // The signature of a certificate could otherwise be carried to another service. Without WS-Addressing there is no
            // address to sign.
            let addressed = to.is_none_or(covers) && (to.is_some() || policy.addressing != AddressingUse::Required);
            if matches!(by, Endorser::Certificate { .. }) && !addressed {
                return Err(Refusal::NotSigned(Element::To));
            }
            self.endorsed_by(by, view.value_text, &mut found)?;
        }
        endorsed_enough(policy, &found)?;
        Ok(found)
    }
}
