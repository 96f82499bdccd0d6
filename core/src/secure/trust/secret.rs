//! BinarySecret: entropy, or a key.

use core::fmt;

use super::{Problem, TrustError, put};
use crate::soap::{TrustVersion, names};
use crate::xml::{Reader, Start, Text, Writer};

/// What the octets of a BinarySecret are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretKind {
    /// One side's share of a key that both compute.
    Nonce,
    /// The key itself. A BinarySecret without `Type` is one (WS-Trust, section 3.3).
    SymmetricKey,
}

/// A BinarySecret as it stands in the message. Debug does not show the secret.
#[derive(Clone, Copy)]
pub struct BinarySecret<'a> {
    /// What it is.
    pub kind: SecretKind,
    /// Base64, possibly with white space. Decode it and wipe it: it is as secret as the key.
    pub text: Text<'a>,
}

impl fmt::Debug for BinarySecret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BinarySecret").field("kind", &self.kind).field("span", &self.text.span()).finish()
    }
}

/// Reads a BinarySecret, of either version: WCF takes both, whatever the request around it is written in.
///
/// # Errors
/// `start` is no BinarySecret, its Type is neither Nonce nor SymmetricKey, it is empty, or not well-formed.
pub fn read_binary_secret<'a>(
    reader: &mut Reader<'a>,
    start: &Start<'a>,
    parent: &'static str,
) -> Result<BinarySecret<'a>, TrustError> {
    let offset = start.span.start;
    if start.name.local != b"BinarySecret" || TrustVersion::from_namespace(start.name.namespace).is_none() {
        return Err(TrustError::Unexpected { parent, expected: "BinarySecret", offset });
    }
    let kind = match reader.attribute("", "Type") {
        None => SecretKind::SymmetricKey,
        Some(uri) if TrustVersion::ALL.iter().any(|version| uri.eq(version.nonce())) => SecretKind::Nonce,
        Some(uri) if TrustVersion::ALL.iter().any(|version| uri.eq(version.symmetric_key())) => {
            SecretKind::SymmetricKey
        }
        Some(uri) => {
            let offset = uri.span().start;
            return Err(TrustError::Value { element: "BinarySecret/@Type", problem: Problem::UnknownUri, offset });
        }
    };
    let text = reader.text()?.trim();
    if text.raw().is_empty() {
        return Err(TrustError::Value { element: "BinarySecret", problem: Problem::Empty, offset });
    }
    Ok(BinarySecret { kind, text })
}

/// Octets to be written in base64. Debug shows only their number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Base64<'a> {
    /// The octets.
    Octets(&'a [u8]),
    /// Base64 already.
    Text(&'a [u8]),
}

impl fmt::Debug for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Octets(octets) => write!(f, "Octets({} bytes)", octets.len()),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
        }
    }
}

impl Base64<'_> {
    /// Writes the base64 text.
    pub fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Octets(octets) => writer.base64(octets),
            Self::Text(text) => writer.text(text),
        }
    }
}

/// Writes a BinarySecret. `id` is its wsu:Id. WCF gives entropy a Type and a key none. `declare`: `u` is not in scope.
pub(super) fn write_binary_secret(
    writer: &mut Writer<'_>,
    version: TrustVersion,
    kind: SecretKind,
    id: &[u8],
    declare: bool,
    octets: &[u8],
) {
    let prefix = version.prefix();
    put(writer, &["<", prefix, ":BinarySecret u:Id=\""]);
    writer.attribute_value(id);
    writer.put_str("\"");
    if kind == SecretKind::Nonce {
        put(writer, &[" Type=\"", version.nonce(), "\""]);
    }
    if declare {
        put(writer, &[" xmlns:u=\"", names::WSU, "\""]);
    }
    writer.put_str(">");
    writer.base64(octets);
    put(writer, &["</", prefix, ":BinarySecret>"]);
}
