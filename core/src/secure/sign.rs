//! The second half of sealing: digests, signatures, and encryption of what was written in clear.

use super::SignatureValue;
use super::emit::{self, Hole};
use super::protection::{EndorsingCertificate, MessageKeys, SealError, SigningToken};
use super::seal::{MAX_REGIONS, Place, Region, Sealing};
use super::signature::{Authenticating, Digesting, MAX_VALUE};
use crate::base64;
use crate::chance::Entropy;
use crate::crypto::{AlgorithmSuite, Backend, BlockCipher, DigestAlgorithm, DigestOutput, Hasher, Mac, SecretKey, pad};
use crate::xml::{self, Exclusive, Limits, Reader, Scope, Sink, Span, Writer};
use heapless::Vec;

/// The values of the signatures that were made.
pub(super) struct Made {
    pub(super) primary: SignatureValue,
    /// SHA-256 of the value of the certificate's.
    pub(super) certificate: Option<[u8; 32]>,
    pub(super) endorsing: Option<SignatureValue>,
}

impl Sealing<'_> {
    /// Signs and encrypts what was written.
    pub(super) fn finish<B: Backend>(
        &self,
        limits: &Limits,
        entropy: &mut dyn Entropy,
        out: &mut [u8],
    ) -> Result<Made, SealError> {
        let (signing, encryption) = match self.p.keys {
            MessageKeys::PerMessage { signing, encryption } | MessageKeys::PerSession { signing, encryption, .. } => {
                (signing.secret, encryption.secret)
            }
            MessageKeys::Underived(secret) => (secret, secret),
            MessageKeys::None => return Err(SealError::KeyLength),
        };
        let cipher = B::Cipher::new(self.p.suite.encryption(), encryption.as_bytes()).ok_or(SealError::KeyLength)?;
        // IVs are drawn in the order of the Ids: the body's, the signature's, then tokens and confirmations.
        let mut regions: Vec<&Region, MAX_REGIONS> = self.regions.iter().collect();
        regions.sort_unstable_by_key(|region| region.number);
        if self.encrypt_first() {
            for region in &regions {
                self.encrypt::<B>(region, &cipher, entropy, out)?;
            }
        }
        let contexts = Contexts::find(out, self.security, limits)?;
        self.digests::<B>(&contexts, limits, out)?;
        let primary = self.primary.as_ref().ok_or(SealError::TooMany)?;
        let mut room = [0u8; MAX_VALUE];
        let value = if let SigningToken::Certificate { signer, .. } = &self.p.token {
            let value = certified::<B>(self.p.suite, signer, primary, &contexts, limits, out, &mut room)?;
            fill(out, primary.value, value);
            SignatureValue::new(&sha256::<B>(value))
        } else {
            let value = mac::<B>(self.p.suite, signing, primary, &contexts, limits, out)?;
            fill(out, primary.value, value.as_bytes());
            SignatureValue::new(value.as_bytes())
        };
        let mut made = Made { primary: value.ok_or(SealError::KeyLength)?, certificate: None, endorsing: None };
        if let (Some((endorsing, digest)), Some(token)) = (&self.certificate, &self.p.certificate) {
            let over = digest_of::<B>(self.p.suite, primary.element, &contexts.security, limits, out)?;
            fill(out, *digest, over.as_bytes());
            let value = certified::<B>(self.p.suite, token, endorsing, &contexts, limits, out, &mut room)?;
            fill(out, endorsing.value, value);
            made.certificate = Some(sha256::<B>(value));
        }
        if let (Some((endorsing, digest)), Some(token)) = (&self.endorsing, &self.p.endorsing) {
            let over = digest_of::<B>(self.p.suite, primary.element, &contexts.security, limits, out)?;
            fill(out, *digest, over.as_bytes());
            let secret = token.derived.map_or(token.secret, |key| key.secret);
            let value = mac::<B>(self.p.suite, secret, endorsing, &contexts, limits, out)?;
            fill(out, endorsing.value, value.as_bytes());
            made.endorsing = SignatureValue::new(value.as_bytes());
        }
        if !self.encrypt_first() {
            for region in &regions {
                self.encrypt::<B>(region, &cipher, entropy, out)?;
            }
        }
        Ok(made)
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

/// The namespace bindings around the parts of the written message.
pub(super) struct Contexts {
    envelope: Scope,
    pub(super) header: Scope,
    pub(super) security: Scope,
}

impl Contexts {
    pub(super) fn find(out: &[u8], security: Span, limits: &Limits) -> Result<Self, SealError> {
        let outer = Limits { message: u32::MAX, ..limits.clone() };
        // The start tags of Envelope and Header stand before it; the body, which may be long, is not looked at here.
        let before = out.get(..security.start as usize).unwrap_or(&[]);
        let mut reader = Reader::document(before, &outer)?;
        reader.next_element()?;
        let envelope = reader.scope().clone();
        reader.next_element()?;
        let header = reader.scope().clone();
        let mut reader = Reader::resume(out, security, &header, &outer)?;
        reader.next_element()?;
        Ok(Self { envelope, header, security: reader.scope().clone() })
    }
}

pub(super) fn digest_of<B: Backend>(
    suite: AlgorithmSuite,
    span: Span,
    scope: &Scope,
    limits: &Limits,
    out: &[u8],
) -> Result<DigestOutput, SealError> {
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

pub(super) fn mac<B: Backend>(
    suite: AlgorithmSuite,
    key: &SecretKey,
    signature: &emit::SignatureHoles,
    contexts: &Contexts,
    limits: &Limits,
    out: &[u8],
) -> Result<DigestOutput, SealError> {
    let mut sink = Authenticating::<B>(B::Mac::new(suite.signature(), key.as_bytes()));
    signed_info(signature, contexts, limits, out, &mut sink)?;
    Ok(sink.0.finish())
}

/// Has the certificate's key sign. Returns the value, in `room`.
pub(super) fn certified<'r, B: Backend>(
    suite: AlgorithmSuite,
    token: &EndorsingCertificate<'_>,
    signature: &emit::SignatureHoles,
    contexts: &Contexts,
    limits: &Limits,
    out: &[u8],
    room: &'r mut [u8; MAX_VALUE],
) -> Result<&'r [u8], SealError> {
    let algorithm = suite.asymmetric_signature();
    let mut sink = Digesting::<B>(B::Hasher::new(algorithm.digest()));
    signed_info(signature, contexts, limits, out, &mut sink)?;
    let len = token.signer.sign(algorithm, sink.0.finish().as_bytes(), room).map_err(SealError::Credential)?;
    // There is a hole of just this size.
    if len != token.certificate.signature_len {
        return Err(SealError::KeyLength);
    }
    room.get(..len).ok_or(SealError::KeyLength)
}

/// Streams the canonical `SignedInfo` of a written signature into `sink`.
fn signed_info<S: Sink>(
    signature: &emit::SignatureHoles,
    contexts: &Contexts,
    limits: &Limits,
    out: &[u8],
    sink: &mut S,
) -> Result<(), SealError> {
    let mut reader = Reader::resume(out, signature.element, &contexts.security, limits)?;
    reader.next_element()?;
    if let Some(info) = reader.next_element()? {
        debug_assert_eq!(info.span.start, signature.signed_info.start);
        let method = Exclusive { comments: false, inclusive: b"" };
        method.element(&mut reader, &info, sink, &mut |_, _| Ok(()))?;
    }
    Ok(())
}

/// SHA-256, by which the value of a certificate's signature is remembered.
pub(super) fn sha256<B: Backend>(octets: &[u8]) -> [u8; 32] {
    let mut hasher = B::Hasher::new(DigestAlgorithm::Sha256);
    hasher.update(octets);
    let mut out = [0u8; 32];
    for (to, from) in out.iter_mut().zip(hasher.finish().as_bytes()) {
        *to = *from;
    }
    out
}

/// Writes the base64 of `octets` into a hole of exactly that size.
pub(super) fn fill(out: &mut [u8], hole: Hole, octets: &[u8]) {
    if let Some(place) = out.get_mut(hole.0.start as usize..hole.0.end as usize) {
        let _ = base64::encode(octets, place);
    }
}
