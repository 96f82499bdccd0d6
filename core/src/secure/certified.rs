//! Signatures that certificates made: a client's that endorses a message, or the primary one under WSS 1.0.

use super::open::Opening;
use super::opened::{Endorser, OpenContext};
use super::scan::Child;
use super::sign::sha256;
use super::signature::{Method, SignatureView};
use super::tokens::{Root, Sources, certificate_reference};
use super::trust::TokenReference;
use super::verify::Primary;
use super::{
    CertificateReference, CertificateUse, CredentialError, Credentials, Element, Keyring, Layout, Refusal,
    SignatureValue, Signer,
};
use crate::base64;
use crate::crypto::Backend;
use crate::xml::Span;

/// A certificate that made a signature.
pub(super) struct Holder {
    /// Base64 of its DER, in the message; empty where the message only names it.
    text: Span,
    /// SHA-256 of its DER, or of whatever names it.
    sha256: [u8; 32],
}

impl Opening {
    /// An endorsing signature made with a client certificate.
    pub(super) fn certified<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
        sources: &Sources<'_, K, C>,
        view: &SignatureView<'_>,
        offset: u32,
    ) -> Result<Endorser, Refusal> {
        let element = Element::EndorsingSignature;
        // WCF's client sends its certificate with every message, and its service knows clients by nothing else.
        let attached = match context.policy.certificate {
            CertificateUse::Refused => return Err(Refusal::WrongToken { element, offset }),
            CertificateUse::Required => true,
            CertificateUse::Tolerated => false,
        };
        let by = (Signer::Client, attached, element, offset);
        let Holder { text, sha256 } = self.holder::<B, K, C>(buf, context, sources, view, by)?;
        Ok(Endorser::Certificate { text, sha256 })
    }

    /// A primary signature made with a certificate.
    pub(super) fn certified_primary<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
        sources: &Sources<'_, K, C>,
        view: &SignatureView<'_>,
        child: &Child,
    ) -> Result<Primary, Refusal> {
        let by = (context.policy.signer, context.policy.signer == Signer::Client, Element::Signature, child.span.start);
        let Holder { text, sha256: certificate } = self.holder::<B, K, C>(buf, context, sources, view, by)?;
        let value = SignatureValue::new(&sha256::<B>(&view.value));
        let primary = Primary {
            id: child.id,
            span: child.span,
            root: Root::Certificate(text),
            secret: None,
            certificate: Some(certificate),
            value: value.ok_or(Refusal::SignatureValue(Element::Signature))?,
        };
        for reference in &view.references {
            self.reference::<B>(buf, reference, context.limits)?;
        }
        Ok(primary)
    }

    /// Verifies the signature and tells whose it is.
    #[inline(never)]
    fn holder<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
        sources: &Sources<'_, K, C>,
        view: &SignatureView<'_>,
        (signer, attached, element, offset): (Signer, bool, Element, u32),
    ) -> Result<Holder, Refusal> {
        let wrong = Refusal::WrongToken { element, offset };
        let Method::Asymmetric(algorithm) = view.method else { return Err(wrong) };
        if attached && !matches!(view.key.to, TokenReference::Local { .. }) {
            return Err(wrong);
        }
        let digest = view.digest::<B>(buf, &self.map, &self.wire, algorithm.digest())?;
        // A certificate is some 1 to 2 KiB of DER; this bounds the stack as well as the peer.
        let mut der = [0u8; 6144];
        let mut octets = [0u8; 64];
        let (named, text, sha256) = if let Some(named) = certificate_reference(&view.key, &mut octets) {
            let digest = match named {
                CertificateReference::ThumbprintSha1(octets)
                | CertificateReference::SubjectKeyIdentifier(octets)
                | CertificateReference::IssuerSerial { serial: octets, .. }
                | CertificateReference::Der(octets) => sha256::<B>(octets),
            };
            (named, Span::default(), digest)
        } else {
            let key = self.keys.resolve(buf, &view.key, offset, sources)?;
            let key = self.keys.get(key).ok_or(Refusal::DanglingReference { offset })?;
            let Root::Certificate(text) = key.root else { return Err(wrong) };
            if context.policy.layout == Layout::Strict && key.at > offset {
                return Err(Refusal::Layout { element, offset });
            }
            let bad = Refusal::Malformed { element: Element::BinarySecurityToken, offset: text.start };
            let len = base64::decode(text.of(buf), &mut der).map_err(|_| bad)?;
            let der = der.get(..len).ok_or(bad)?;
            (CertificateReference::Der(der), text, sha256::<B>(der))
        };
        let (credentials, octets) = (context.credentials, digest.as_bytes());
        let client = || credentials.verify_signature(named, algorithm, octets, &view.value);
        let service = || credentials.verify_service_signature(named, algorithm, octets, &view.value);
        let verified = match signer {
            Signer::Client => client(),
            Signer::Service => service(),
            Signer::Any => client().or_else(|error| service().map_err(|_| error)),
            Signer::Symmetric => Err(CredentialError::NotTrusted),
        };
        verified.map_err(Refusal::Credential)?;
        Ok(Holder { text, sha256 })
    }
}
