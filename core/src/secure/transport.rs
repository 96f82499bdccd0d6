//! Sealing where the transport protects the message: a timestamp, the tokens, and signatures of those that have a key over
//! the timestamp. Nothing is encrypted, and the body is not signed.

use super::SignatureValue;
use super::emit::{self, Hole, Id, SignatureHoles, SignatureKind};
use super::protection::{OutgoingMessage, Protection, SealError, Sealed};
use super::sign::{Contexts, certified, digest_of, fill, mac, sha256};
use super::signature::MAX_VALUE;
use super::trust::ReferenceStyle;
use crate::crypto::Backend;
use crate::soap::HeaderBlock;
use crate::xml::{Limits, Span, Writer};

/// The `n` of the address's Id: that of the timestamp is 0.
const TO: u16 = 1;

type Holes = [(Id, Hole); 2];

/// Writes `message` into `out`, as [`seal`](super::seal()) does.
pub(super) fn seal<B: Backend>(
    message: &OutgoingMessage<'_>,
    p: &Protection<'_>,
    limits: &Limits,
    out: &mut [u8],
) -> Result<Sealed, SealError> {
    let mut written = Written::default();
    let mut w = Writer::new(out);
    written.write(message, p, &mut w)?;
    let len = w.finish()?;
    let out = out.get_mut(..len).ok_or(SealError::TooMany)?;
    let mut sealed =
        Sealed { len, signature: SignatureValue::NONE, endorsing_signature: None, certificate_signature: None };
    if written.certificate.is_none() && written.endorsing.is_none() {
        return Ok(sealed);
    }
    let contexts = Contexts::find(out, written.security, limits)?;
    let stamp = digest_of::<B>(p.suite, written.timestamp, &contexts.security, limits, out)?;
    if let (Some((signature, [(_, over_stamp), (_, over_to)])), Some(token)) = (&written.certificate, &p.certificate) {
        fill(out, *over_stamp, stamp.as_bytes());
        if let Some(to) = written.to {
            let made = digest_of::<B>(p.suite, to, &contexts.header, limits, out)?;
            fill(out, *over_to, made.as_bytes());
        }
        let mut value = [0u8; MAX_VALUE];
        let value = certified::<B>(p.suite, token, signature, &contexts, limits, out, &mut value)?;
        fill(out, signature.value, value);
        sealed.certificate_signature = Some(sha256::<B>(value));
    }
    if let (Some((signature, [(_, over_stamp), _])), Some(token)) = (&written.endorsing, &p.endorsing) {
        fill(out, *over_stamp, stamp.as_bytes());
        let secret = token.derived.map_or(token.secret, |key| key.secret);
        let value = mac::<B>(p.suite, secret, signature, &contexts, limits, out)?;
        fill(out, signature.value, value.as_bytes());
        sealed.endorsing_signature = SignatureValue::new(value.as_bytes());
    }
    Ok(sealed)
}

/// Where what is signed stands, and the signatures with their holes.
#[derive(Default)]
struct Written {
    security: Span,
    timestamp: Span,
    to: Option<Span>,
    certificate: Option<(SignatureHoles, Holes)>,
    endorsing: Option<(SignatureHoles, Holes)>,
}

impl Written {
    fn write(
        &mut self,
        message: &OutgoingMessage<'_>,
        p: &Protection<'_>,
        w: &mut Writer<'_>,
    ) -> Result<(), SealError> {
        emit::envelope_head(w, message)?;
        // A certificate signs the address too: its signature could otherwise be carried to another service. A key that is
        // shared with one service only needs none.
        let addressed = p.certificate.is_some();
        for block in message.headers {
            let own = (addressed && matches!(block, HeaderBlock::To(_))).then_some(TO);
            let span = emit::spanned(w, |w| block.write(w, own));
            if own.is_some() {
                self.to = Some(span);
            }
        }
        let security = w.position();
        emit::security_start(w);
        self.timestamp = emit::spanned(w, |w| emit::timestamp(w, p));
        if let Some(user) = &p.username {
            emit::username_token(w, user, p.bsp, false);
        }
        if let Some(endorsing) = &p.certificate {
            emit::certificate_token(w, endorsing.id, endorsing.certificate.der, p.bsp);
        }
        if let Some(endorsing) = &p.endorsing {
            emit::endorsing_tokens(w, p, endorsing, TO.saturating_add(1));
        }
        let style = ReferenceStyle::header(p.bsp);
        let holes = || [(p.timestamp.id, Hole::default()), (Id::Local(TO), Hole::default())];
        if let Some(endorsing) = &p.certificate {
            let mut holes = holes();
            let covered = if self.to.is_some() { holes.as_mut_slice() } else { holes.split_at_mut(1).0 };
            let kind = SignatureKind::asymmetric(p.suite, endorsing.certificate.signature_len);
            let signature =
                emit::signature(w, kind, None, covered, |w| emit::certificate_reference(w, endorsing.id, style));
            self.certificate = Some((signature, holes));
        }
        if let Some(endorsing) = &p.endorsing {
            let mut holes = holes();
            let signature = emit::signature(w, SignatureKind::symmetric(p.suite), None, holes.split_at_mut(1).0, |w| {
                emit::endorsing_reference(w, p, endorsing, TO.saturating_add(1), style);
            });
            self.endorsing = Some((signature, holes));
        }
        w.put(b"</o:Security>");
        self.security = emit::span_from(security, w);
        w.put(b"</s:Header>");
        if message.body.is_empty() {
            w.put(b"<s:Body/>");
        } else {
            w.put(b"<s:Body>");
            w.put(message.body);
            w.put(b"</s:Body>");
        }
        w.put(b"</s:Envelope>");
        Ok(())
    }
}
