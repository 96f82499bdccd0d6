//! The signatures of a request that its answer confirms: what a service keeps of them, and how a client compares.

use super::conversation::signature_value;
use super::opened::{Endorser, Opened};
use super::seal::MAX_CONFIRMATIONS;
use super::sign::sha256;
use super::signature::MAX_VALUE;
use super::{Refusal, Sealed, SignatureValue};
use crate::base64;
use crate::crypto::Backend;
use heapless::Vec;

/// Base64 of the longest value.
const LONGEST_TEXT: usize = MAX_VALUE.div_ceil(3) * 4;

/// The signatures of a request, as a service keeps them for the answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct ToConfirm {
    /// The primary signature's value and, with Renew, the conversation's.
    symmetric: Vec<SignatureValue, 2>,
    /// The value of the client certificate's.
    certificate: Vec<u8, MAX_VALUE>,
}

impl ToConfirm {
    /// All signatures of `opened`.
    pub(super) fn of(message: &[u8], opened: &Opened) -> Result<Self, Refusal> {
        let mut kept = Self::default();
        // There is room for the primary one and one of each kind.
        let _ = kept.symmetric.push(opened.signature);
        for endorsement in &opened.endorsements {
            let text = endorsement.value.of(message);
            match endorsement.by {
                Endorser::SecurityContext(_) => {
                    let value = signature_value(text).ok_or(Refusal::Confirmation)?;
                    let _ = kept.symmetric.push(value);
                }
                Endorser::Certificate { .. } => {
                    kept.certificate.resize(MAX_VALUE, 0).map_err(|_| Refusal::Confirmation)?;
                    let len = base64::decode(text, &mut kept.certificate).map_err(|_| Refusal::Confirmation)?;
                    kept.certificate.truncate(len);
                }
            }
        }
        Ok(kept)
    }
}

/// Base64 of the values, in the order in which WCF confirms them: the primary one, the certificate's, the conversation's.
pub(super) struct ConfirmedTexts {
    symmetric: [[u8; 44]; 2],
    certificate: [u8; LONGEST_TEXT],
}

impl ConfirmedTexts {
    pub(super) const fn new() -> Self {
        Self { symmetric: [[0; 44]; 2], certificate: [0; LONGEST_TEXT] }
    }

    /// The texts; none where nothing is to be confirmed.
    pub(super) fn write(&mut self, kept: &ToConfirm) -> Option<Vec<&[u8], MAX_CONFIRMATIONS>> {
        let [first, second] = &mut self.symmetric;
        let mut values = Vec::new();
        if let Some(value) = kept.symmetric.first() {
            values.push(encode(value.as_bytes(), first)?).ok()?;
        }
        if !kept.certificate.is_empty() {
            values.push(encode(&kept.certificate, &mut self.certificate)?).ok()?;
        }
        if let Some(value) = kept.symmetric.get(1) {
            values.push(encode(value.as_bytes(), second)?).ok()?;
        }
        Some(values)
    }
}

fn encode<'t>(octets: &[u8], text: &'t mut [u8]) -> Option<&'t [u8]> {
    let len = base64::encode(octets, text)?;
    text.get(..len)
}

/// The signatures of a request, as a client keeps them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SentSignatures {
    primary: SignatureValue,
    /// SHA-256 of the value of the certificate's.
    certificate: Option<[u8; 32]>,
    endorsing: Option<SignatureValue>,
}

impl From<&Sealed> for SentSignatures {
    fn from(sealed: &Sealed) -> Self {
        Self {
            primary: sealed.signature,
            certificate: sealed.certificate_signature,
            endorsing: sealed.endorsing_signature,
        }
    }
}

impl SentSignatures {
    /// Does the reply confirm exactly these signatures?
    pub(super) fn confirmed<B: Backend>(&self, message: &[u8], opened: &Opened) -> bool {
        let wanted = [Some(self.primary), self.endorsing];
        let wanted = wanted.iter().flatten();
        let seen = |value: &SignatureValue| {
            opened.confirmations.iter().any(|span| signature_value(span.of(message)) == Some(*value))
        };
        let certificate = self.certificate.is_none_or(|wanted| {
            opened.confirmations.iter().any(|span| {
                let mut octets = [0u8; MAX_VALUE];
                let len = base64::decode(span.of(message), &mut octets).ok();
                len.and_then(|len| octets.get(..len)).is_some_and(|value| sha256::<B>(value) == wanted)
            })
        });
        let count = wanted.clone().count().saturating_add(usize::from(self.certificate.is_some()));
        opened.confirmations.len() == count && wanted.clone().all(seen) && certificate
    }
}
