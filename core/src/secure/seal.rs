//! Sealing a message: the envelope, its security header and its body as WCF writes them, signed and encrypted.
//!
//! The message is written once, in clear, with comments where ciphertext will need more room and with holes where digests
//! go. Canonicalization drops comments, so the clear message can be signed as it stands; then each part to be encrypted is
//! encrypted where it lies. One run over a buffer that is too small tells exactly how much is lacking.

use super::ProtectionOrder;
use super::emit::{self, Hole, Id};
use super::numbers::{Numbers, encrypted_extras};
use super::protection::{MessageKeys, OutgoingMessage, Protection, SealError, Sealed, SigningToken};
use super::transport;
use super::trust::ReferenceStyle;
use crate::base64;
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::soap::names;
use crate::xml::{Limits, Span, Writer};
use heapless::Vec;

/// Most header blocks of an outgoing message.
pub(super) const MAX_BLOCKS: usize = 16;
/// Most parts under one signature.
const MAX_PARTS: usize = 24;
/// Most signatures that one reply confirms: the primary one, a certificate's and a conversation's.
pub(super) const MAX_CONFIRMATIONS: usize = 3;
/// Most encrypted parts of one message: body, signature, two endorsing signatures and a token, or three confirmations.
pub(super) const MAX_REGIONS: usize = 5;

/// A stretch of the message that is encrypted at the end.
#[derive(Clone, Copy)]
pub(super) struct Region {
    /// The whole place, comments included.
    pub(super) place: Span,
    pub(super) plain: Span,
    pub(super) number: u16,
    pub(super) body: bool,
}

/// A part under the primary signature.
#[derive(Clone, Copy)]
pub(super) enum Place {
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
    if message.headers.len() > MAX_BLOCKS || p.confirmations.len() > MAX_CONFIRMATIONS {
        return Err(SealError::TooMany);
    }
    if matches!(p.token, SigningToken::Transport) {
        return transport::seal::<B>(message, p, limits, out);
    }
    let mut sealing = Sealing::new(message, p);
    let mut w = Writer::new(out);
    sealing.write(&mut w)?;
    let len = w.finish()?;
    let out = out.get_mut(..len).ok_or(SealError::TooMany)?;
    let made = sealing.finish::<B>(limits, entropy, out)?;
    Ok(Sealed {
        len,
        signature: made.primary,
        endorsing_signature: made.endorsing,
        certificate_signature: made.certificate,
    })
}

pub(super) struct Sealing<'m> {
    pub(super) message: &'m OutgoingMessage<'m>,
    pub(super) p: &'m Protection<'m>,
    pub(super) numbers: Numbers,
    /// Nothing else encrypted: the signature stays in clear too (WCF's downgrade rule).
    pub(super) sealed_signature: bool,
    pub(super) parts: Vec<(Place, Span), MAX_PARTS>,
    pub(super) holes: Vec<(Id, Hole), MAX_PARTS>,
    pub(super) regions: Vec<Region, MAX_REGIONS>,
    pub(super) security: Span,
    pub(super) primary: Option<emit::SignatureHoles>,
    pub(super) certificate: Option<(emit::SignatureHoles, Hole)>,
    pub(super) endorsing: Option<(emit::SignatureHoles, Hole)>,
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
            certificate: None,
            endorsing: None,
        }
    }

    fn part(&mut self, place: Place, id: Id, span: Span) -> Result<(), SealError> {
        self.parts.push((place, span)).map_err(|_| SealError::TooMany)?;
        self.holes.push((id, Hole::default())).map_err(|_| SealError::TooMany)
    }

    pub(super) fn encrypt_first(&self) -> bool {
        self.p.order == ProtectionOrder::EncryptBeforeSign
    }

    /// Writes the whole message in clear, comments and holes included.
    fn write(&mut self, w: &mut Writer<'_>) -> Result<(), SealError> {
        let (message, p) = (self.message, self.p);
        emit::envelope_head(w, message)?;
        let mut headers: Vec<(Id, Span), MAX_BLOCKS> = Vec::new();
        for (block, number) in message.headers.iter().zip(self.numbers.headers) {
            let span = emit::spanned(w, |w| block.write(w, Some(number)));
            headers.push((Id::Local(number), span)).map_err(|_| SealError::TooMany)?;
        }
        let security = w.position();
        emit::security_start(w);
        let timestamp = emit::spanned(w, |w| emit::timestamp(w, p));
        let body_list = self.encrypted_numbers();
        let list_first = message.encrypt_body && !self.encrypt_first();
        let underived_key =
            matches!((&p.token, &p.keys), (SigningToken::NewEncryptedKey { .. }, MessageKeys::Underived(_)))
                || matches!(p.token, SigningToken::Certificate { .. });
        let in_key = list_first && underived_key;
        self.tokens(w, in_key.then_some(body_list.as_slice()));
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

    /// Tokens and derived keys, up to the reference list, which an `EncryptedKey` that is used as it is holds itself.
    fn tokens(&self, w: &mut Writer<'_>, list_in_key: Option<&[u16]>) {
        let p = self.p;
        if let SigningToken::SecurityContext { element, .. } = p.token {
            w.put(element);
        }
        if let SigningToken::Certificate { signer, attached: true, .. } = &p.token {
            emit::certificate_token(w, signer.id, signer.certificate.der, p.bsp);
        }
        emit::encrypted_key(w, p, list_in_key);
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
        add(n.certificate_data, self.sealed_signature && self.p.certificate.is_some());
        add(n.endorsing_data, self.sealed_signature && self.p.endorsing.is_some());
        list
    }

    fn supporting(&mut self, w: &mut Writer<'_>) -> Result<(), SealError> {
        let p = self.p;
        let extra_data = self.numbers.extra_data;
        if let (Some(user), Some(number)) = (p.username, extra_data.first()) {
            let span = self.region(w, *number, false, |_, w| {
                Ok(emit::spanned(w, |w| emit::username_token(w, &user, p.bsp, true)))
            })?;
            // What is encrypted first is signed as ciphertext.
            match self.regions.last().filter(|_| self.encrypt_first()) {
                Some(region) => self.part(Place::Security, Id::Local(region.number), region.place)?,
                None => self.part(Place::Security, user.id, span)?,
            }
        }
        if let Some(endorsing) = &p.certificate {
            emit::certificate_token(w, endorsing.id, endorsing.certificate.der, p.bsp);
        }
        if let Some(endorsing) = &p.endorsing {
            emit::endorsing_tokens(w, p, endorsing, self.numbers.endorsing);
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
            MessageKeys::Underived(_) | MessageKeys::None => None,
            MessageKeys::PerMessage { .. } | MessageKeys::PerSession { .. } => Some(self.numbers.signing),
        };
        let own = p.endorsed().then_some(self.numbers.signature);
        let write = |sealing: &mut Self, w: &mut Writer<'_>| {
            let certificate = if let SigningToken::Certificate { signer, attached, .. } = &p.token {
                Some((signer, *attached))
            } else {
                None
            };
            let reference = |w: &mut Writer<'_>| match certificate {
                Some((signer, attached)) => emit::signer_reference(w, signer, attached, style),
                None => emit::key_reference(w, p, style, key),
            };
            let kind = match certificate {
                Some((signer, _)) => emit::SignatureKind::asymmetric(p.suite, signer.certificate.signature_len),
                None => emit::SignatureKind::symmetric(p.suite),
            };
            let signature = emit::signature(w, kind, own, &mut sealing.holes, reference);
            let element = signature.element;
            sealing.primary = Some(signature);
            Ok(element)
        };
        if self.sealed_signature {
            self.region(w, self.numbers.signature_data, false, write)?;
        } else {
            write(self, w)?;
        }
        let target = Id::Local(self.numbers.signature);
        if let Some(endorsing) = &p.certificate {
            let write = |sealing: &mut Self, w: &mut Writer<'_>| {
                let mut holes = [(target, Hole::default())];
                let kind = emit::SignatureKind::asymmetric(p.suite, endorsing.certificate.signature_len);
                let signature = emit::signature(w, kind, None, &mut holes, |w| {
                    emit::certificate_reference(w, endorsing.id, style);
                });
                let element = signature.element;
                let [(_, digest)] = holes;
                sealing.certificate = Some((signature, digest));
                Ok(element)
            };
            if self.sealed_signature {
                self.region(w, self.numbers.certificate_data, false, write)?;
            } else {
                write(self, w)?;
            }
        }
        let Some(endorsing) = &p.endorsing else { return Ok(()) };
        let own_key = self.numbers.endorsing;
        let write = |sealing: &mut Self, w: &mut Writer<'_>| {
            let mut holes = [(target, Hole::default())];
            let kind = emit::SignatureKind::symmetric(p.suite);
            let signature = emit::signature(w, kind, None, &mut holes, |w| {
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

    pub(super) fn data_start(&self, w: &mut Writer<'_>, number: u16, body: bool) {
        let key = match self.p.keys {
            MessageKeys::Underived(_) | MessageKeys::None => None,
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
}

/// PKCS#7: always at least one byte of padding.
fn padded(len: usize, block: usize) -> usize {
    len.checked_div(block).unwrap_or(0).saturating_add(1).saturating_mul(block)
}
