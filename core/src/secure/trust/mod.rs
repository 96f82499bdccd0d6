//! WS-Trust and WS-SecureConversation elements: RequestSecurityToken and its response, SecurityContextToken,
//! SecurityTokenReference.
//!
//! What is read borrows from the message; what is written is, byte for byte, what WCF writes. Both versions, February
//! 2005 and 1.3, have the same shapes under other names. Readers stand behind the start tag of the element they read
//! and consume it through its end tag.

mod error;
mod reference;
mod rst;
mod rstr;
mod sct;
mod secret;

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;

pub use error::{Problem, TrustError};
pub use reference::{
    ContextReference, KeyIdentifier, LocalToken, ReferenceStyle, ReferenceTo, SecurityTokenReference, TokenReference,
    read_reference, write_reference,
};
pub use rst::{RequestSecurityToken, RequestedKey, read_request, write_cancel, write_issue, write_renew};
pub use rstr::{
    IssuedToken, Lifetime, ProofToken, RequestSecurityTokenResponse, ResponseKey, read_response, write_cancelled,
    write_response,
};
pub use sct::{SecurityContextToken, read_sct, write_sct};
pub use secret::{Base64, BinarySecret, SecretKind, read_binary_secret};

use crate::xml::{Reader, Text, Writer};

/// Key sizes that WCF finds sane, in bits; its algorithm suite narrows them further.
pub const KEY_SIZE_BITS: core::ops::RangeInclusive<u32> = 64..=131_072;

/// Writes the parts one behind the other.
fn put(writer: &mut Writer<'_>, parts: &[&str]) {
    for part in parts {
        writer.put_str(part);
    }
}

/// `<prefix:local>text</prefix:local>`; the text is one of our own constants.
fn simple(writer: &mut Writer<'_>, prefix: &str, local: &str, text: &str) {
    put(writer, &["<", prefix, ":", local, ">", text, "</", prefix, ":", local, ">"]);
}

/// Text whose bytes are compared and kept as they are written: identifiers, and references to them.
fn plain<'a>(text: Text<'a>, element: &'static str) -> Result<&'a [u8], TrustError> {
    let text = text.trim();
    let offset = text.span().start;
    match text.plain() {
        Some([]) => Err(TrustError::Value { element, problem: Problem::Empty, offset }),
        Some(bytes) => Ok(bytes),
        None => Err(TrustError::Value { element, problem: Problem::Escaped, offset }),
    }
}

/// The simple content of the open element, as [`plain`].
fn identifier<'a>(reader: &mut Reader<'a>, element: &'static str) -> Result<&'a [u8], TrustError> {
    plain(reader.text()?, element)
}

/// Keeps `value`, unless there already is one.
fn once<T>(slot: &mut Option<T>, element: &'static str, offset: u32, value: T) -> Result<(), TrustError> {
    if slot.is_some() {
        return Err(TrustError::Duplicate { element, offset });
    }
    *slot = Some(value);
    Ok(())
}

/// `KeySize`: bits, a positive multiple of 8 in [`KEY_SIZE_BITS`].
fn key_size(reader: &mut Reader<'_>) -> Result<u32, TrustError> {
    let text = reader.text()?.trim();
    let offset = text.span().start;
    let digits = text.plain().and_then(|bytes| core::str::from_utf8(bytes).ok());
    let bits: u32 = digits
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or(TrustError::Value { element: "KeySize", problem: Problem::NotANumber, offset })?;
    if KEY_SIZE_BITS.contains(&bits) && bits.is_multiple_of(8) {
        Ok(bits)
    } else {
        Err(TrustError::KeySize { bits, offset })
    }
}
