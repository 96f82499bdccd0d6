//! `DerivedKeyToken`: which key of a token a signature or ciphertext uses (WS-SecureConversation, section 7).

use super::tokens::check_version;
use super::trust::{SecurityTokenReference, read_reference};
use super::{AlgorithmSlot, Element, Refusal};
use crate::base64;
use crate::soap::{ScVersion, names};
use crate::xml::{Reader, Start, Text};

/// WCF accepts labels up to this many characters.
const MAX_LABEL: usize = 128;

/// WCF's greatest offset into the derived key stream, bytes.
const MAX_OFFSET: u64 = 64;

/// WCF accepts nonces up to this many bytes.
pub(super) const MAX_NONCE: usize = 128;

/// A `DerivedKeyToken` as written.
pub(super) struct DerivedKeyToken<'a> {
    pub(super) reference: SecurityTokenReference<'a>,
    pub(super) generation: Option<u64>,
    pub(super) offset: Option<u64>,
    pub(super) length: Option<u64>,
    pub(super) label: Option<Text<'a>>,
    nonce: Text<'a>,
}

impl<'a> DerivedKeyToken<'a> {
    pub(super) fn read(
        reader: &mut Reader<'a>,
        start: &Start<'a>,
        version: Option<ScVersion>,
    ) -> Result<Self, Refusal> {
        let malformed = Refusal::Malformed { element: Element::DerivedKeyToken, offset: start.span.start };
        let version = check_version(start, version, Element::DerivedKeyToken)?;
        if let Some(algorithm) = reader.attribute("", "Algorithm")
            && !algorithm.eq(version.p_sha1())
        {
            return Err(Refusal::Algorithm { slot: AlgorithmSlot::KeyDerivation, offset: start.span.start });
        }
        let first = reader.next_element()?.filter(|s| s.name.is(names::WSSE, "SecurityTokenReference"));
        let reference = read_reference(reader, &first.ok_or(malformed)?).map_err(|_| malformed)?;
        let (mut generation, mut offset, mut length, mut label, mut nonce) = (None, None, None, None, None);
        while let Some(child) = reader.next_element()? {
            if child.name.namespace != start.name.namespace {
                return Err(malformed);
            }
            let local = child.name.local;
            let text = reader.text()?;
            let number = |child| {
                number(text.trim().raw()).ok_or(Refusal::DerivedKeyBounds { child, value: u64::MAX, limit: MAX_OFFSET })
            };
            let repeated = match local {
                b"Generation" => generation.replace(number("Generation")?).is_some(),
                b"Offset" => offset.replace(number("Offset")?).is_some(),
                b"Length" => length.replace(number("Length")?).is_some(),
                b"Label" => label.replace(text).is_some(),
                b"Nonce" => nonce.replace(text).is_some(),
                // `Properties` and whatever else: WCF does not read it.
                _ => true,
            };
            if repeated {
                return Err(malformed);
            }
        }
        Ok(Self { reference, generation, offset, length, label, nonce: nonce.ok_or(malformed)? })
    }

    /// Offset and length in bytes, checked against WCF's limits; `longest` is the suite's longest derived key.
    pub(super) fn bounds(&self, longest: usize) -> Result<(usize, usize), Refusal> {
        // WCF reads a missing Length as 32.
        let length = self.length.unwrap_or(32);
        let limit = longest as u64;
        if length == 0 || length > limit {
            return Err(Refusal::DerivedKeyBounds { child: "Length", value: length, limit });
        }
        let offset = match (self.generation, self.offset) {
            (Some(generation), None) => {
                generation.checked_mul(length).filter(|o| *o <= MAX_OFFSET).ok_or_else(|| {
                    Refusal::DerivedKeyBounds {
                        child: "Generation",
                        value: generation,
                        limit: MAX_OFFSET.checked_div(length).unwrap_or(0),
                    }
                })?
            }
            (None, offset) => offset.unwrap_or(0),
            // WS-SecureConversation section 7: one or the other.
            (Some(value), Some(_)) => return Err(Refusal::DerivedKeyBounds { child: "Generation", value, limit: 0 }),
        };
        if offset > MAX_OFFSET {
            return Err(Refusal::DerivedKeyBounds { child: "Offset", value: offset, limit: MAX_OFFSET });
        }
        if let Some(label) = self.label {
            let characters = label.raw().len() as u64;
            if characters > MAX_LABEL as u64 || label.plain().is_none() {
                return Err(Refusal::DerivedKeyBounds { child: "Label", value: characters, limit: MAX_LABEL as u64 });
            }
        }
        Ok((usize::try_from(offset).unwrap_or(usize::MAX), usize::try_from(length).unwrap_or(usize::MAX)))
    }

    pub(super) fn nonce<'o>(&self, out: &'o mut [u8; MAX_NONCE]) -> Result<&'o [u8], Refusal> {
        let raw = self.nonce.raw();
        // Three bytes for four characters, near enough for what is too long, or no base64 at all.
        let bytes = (raw.len() as u64 / 4).saturating_mul(3);
        let too_long = Refusal::DerivedKeyBounds { child: "Nonce", value: bytes, limit: MAX_NONCE as u64 };
        let len = base64::decode(raw, out).map_err(|_| too_long)?;
        out.get(..len).filter(|nonce| !nonce.is_empty()).ok_or(too_long)
    }
}

/// A decimal number without sign; `None` if it is not one or does not fit.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|d| *d <= 9)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
