//! SecurityTokenReference: how one part of a message names a token (WS-Security 1.1, chapter 7).

use super::{Problem, TrustError, plain, put};
use crate::soap::{ScVersion, names};
use crate::xml::{Reader, Span, Start, Text, Writer};

/// A SecurityTokenReference that was read.
#[derive(Clone, Copy, Debug)]
pub struct SecurityTokenReference<'a> {
    /// `k:TokenType`, where it is told.
    pub token_type: Option<Text<'a>>,
    /// What it refers to.
    pub to: TokenReference<'a>,
}

/// What a SecurityTokenReference refers to.
#[derive(Clone, Copy, Debug)]
pub enum TokenReference<'a> {
    /// A token of the same message, by its Id.
    Local {
        /// The Id, without `#`.
        id: &'a [u8],
        /// Where the Id is written.
        span: Span,
        /// `ValueType`, where it is told.
        value_type: Option<Text<'a>>,
    },
    /// A SecurityContextToken that the receiver knows.
    ExternalSct(ContextReference<'a>),
    /// A token by something computed from it.
    KeyIdentifier {
        /// Which kind of identifier.
        value_type: Text<'a>,
        /// Base64.
        text: Text<'a>,
    },
    /// A certificate by who issued it.
    IssuerSerial {
        /// The issuer's distinguished name.
        issuer: Text<'a>,
        /// The serial number in decimal digits.
        serial: Text<'a>,
    },
}

/// One key of a security context: the context, and the key's generation in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContextReference<'a> {
    /// The context's Identifier, a URI.
    pub identifier: &'a [u8],
    /// The key's Instance; the first key has none.
    pub instance: Option<&'a [u8]>,
}

impl<'a> SecurityTokenReference<'a> {
    /// The context that it refers to, if that is what it refers to.
    pub const fn context(&self) -> Option<ContextReference<'a>> {
        match self.to {
            TokenReference::ExternalSct(context) => Some(context),
            TokenReference::Local { .. }
            | TokenReference::KeyIdentifier { .. }
            | TokenReference::IssuerSerial { .. } => None,
        }
    }
}

const PARENT: &str = "SecurityTokenReference";

/// Reads a SecurityTokenReference.
///
/// # Errors
/// `start` is none; it holds anything but exactly one Reference, KeyIdentifier or X509IssuerSerial; a Reference has no
/// URI, or a ValueType that is not a SecurityContextToken's though it leads out of the message; a KeyIdentifier has no
/// ValueType or is not base64; or the XML is not well-formed.
pub fn read_reference<'a>(
    reader: &mut Reader<'a>,
    start: &Start<'a>,
) -> Result<SecurityTokenReference<'a>, TrustError> {
    if !start.name.is(names::WSSE, PARENT) {
        return Err(TrustError::Unexpected { parent: "KeyInfo", expected: PARENT, offset: start.span.start });
    }
    let token_type = reader.attribute(names::WSSE11, "TokenType");
    let child = reader.next_element()?.ok_or(TrustError::Missing { parent: PARENT, element: "Reference" })?;
    let to = if child.name.is(names::WSSE, "Reference") {
        let to = direct(reader, child.span.start)?;
        reader.skip()?;
        to
    } else if child.name.is(names::WSSE, "KeyIdentifier") {
        key_identifier(reader)?
    } else if child.name.is(names::DSIG, "X509Data") {
        issuer_serial(reader)?
    } else {
        return Err(unexpected("Reference, KeyIdentifier or X509Data", &child));
    };
    finish(reader, PARENT)?;
    Ok(SecurityTokenReference { token_type, to })
}

/// `Reference`, from its attributes.
fn direct<'a>(reader: &Reader<'a>, offset: u32) -> Result<TokenReference<'a>, TrustError> {
    const URI: &str = "Reference/@URI";
    let text = reader.attribute("", "URI").ok_or(TrustError::Missing { parent: "Reference", element: "URI" })?.trim();
    let value_type = reader.attribute("", "ValueType");
    let uri = plain(text, URI)?;
    if let Some(id) = uri.strip_prefix(b"#") {
        if id.is_empty() {
            return Err(TrustError::Value { element: URI, problem: Problem::Empty, offset });
        }
        let span = Span::new(text.span().start.saturating_add(1), text.span().end);
        return Ok(TokenReference::Local { id, span, value_type });
    }
    // WCF takes a reference out of the message without ValueType as one to a SecurityContextToken.
    if let Some(kind) =
        value_type.filter(|kind| !ScVersion::ALL.iter().any(|version| kind.eq(version.sct_token_type())))
    {
        let offset = kind.span().start;
        return Err(TrustError::Value { element: "Reference/@ValueType", problem: Problem::UnknownUri, offset });
    }
    let instance = ScVersion::ALL.iter().find_map(|version| reader.attribute(version.namespace(), "Instance"));
    let instance = instance.map(|text| plain(text, "Reference/@Instance")).transpose()?;
    Ok(TokenReference::ExternalSct(ContextReference { identifier: uri, instance }))
}

fn key_identifier<'a>(reader: &mut Reader<'a>) -> Result<TokenReference<'a>, TrustError> {
    let value_type = reader
        .attribute("", "ValueType")
        .ok_or(TrustError::Missing { parent: "KeyIdentifier", element: "ValueType" })?;
    // Absent means base64 to WCF, and to the Basic Security Profile.
    if let Some(encoding) = reader.attribute("", "EncodingType").filter(|encoding| !encoding.eq(names::BASE64_BINARY)) {
        let offset = encoding.span().start;
        return Err(TrustError::Value { element: "KeyIdentifier/@EncodingType", problem: Problem::Encoding, offset });
    }
    let text = reader.text()?.trim();
    if text.raw().is_empty() {
        let offset = text.span().start;
        return Err(TrustError::Value { element: "KeyIdentifier", problem: Problem::Empty, offset });
    }
    Ok(TokenReference::KeyIdentifier { value_type, text })
}

fn issuer_serial<'a>(reader: &mut Reader<'a>) -> Result<TokenReference<'a>, TrustError> {
    child(reader, "X509Data", "X509IssuerSerial")?;
    child(reader, "X509IssuerSerial", "X509IssuerName")?;
    let issuer = reader.text()?.trim();
    child(reader, "X509IssuerSerial", "X509SerialNumber")?;
    let serial = reader.text()?.trim();
    finish(reader, "X509IssuerSerial")?;
    finish(reader, "X509Data")?;
    Ok(TokenReference::IssuerSerial { issuer, serial })
}

fn child(reader: &mut Reader<'_>, parent: &'static str, element: &'static str) -> Result<(), TrustError> {
    match reader.next_element()? {
        Some(start) if start.name.is(names::DSIG, element) => Ok(()),
        Some(start) => Err(TrustError::Unexpected { parent, expected: element, offset: start.span.start }),
        None => Err(TrustError::Missing { parent, element }),
    }
}

/// The end of an element that may hold nothing more.
pub(super) fn finish(reader: &mut Reader<'_>, parent: &'static str) -> Result<(), TrustError> {
    match reader.next_element()? {
        Some(start) => Err(TrustError::Unexpected { parent, expected: "nothing more", offset: start.span.start }),
        None => Ok(()),
    }
}

const fn unexpected(expected: &'static str, start: &Start<'_>) -> TrustError {
    TrustError::Unexpected { parent: PARENT, expected, offset: start.span.start }
}

/// The kind of a token of the same message, which the Basic Security Profile wants told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalToken {
    /// A SecurityContextToken.
    Sct(ScVersion),
    /// A DerivedKeyToken.
    DerivedKey(ScVersion),
    /// An EncryptedKey.
    EncryptedKey,
    /// A BinarySecurityToken with an X.509 certificate.
    X509,
    /// A UsernameToken.
    Username,
}

impl LocalToken {
    /// `ValueType`.
    pub const fn value_type(self) -> &'static str {
        match self {
            Self::Sct(version) => version.sct_token_type(),
            Self::DerivedKey(version) => version.dk_token_type(),
            Self::EncryptedKey => names::ENCRYPTED_KEY,
            Self::X509 => names::X509_V3,
            Self::Username => names::USERNAME_TOKEN,
        }
    }
}

/// The kinds of key identifiers that are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyIdentifier {
    /// SHA-1 of a certificate.
    Thumbprint,
    /// A certificate's SubjectKeyIdentifier.
    SubjectKeyIdentifier,
    /// SHA-1 of an EncryptedKey's wrapped octets.
    EncryptedKeySha1,
}

impl KeyIdentifier {
    /// `ValueType`.
    pub const fn value_type(self) -> &'static str {
        match self {
            Self::Thumbprint => names::THUMBPRINT_SHA1,
            Self::SubjectKeyIdentifier => names::X509_SKI,
            Self::EncryptedKeySha1 => names::ENCRYPTED_KEY_SHA1,
        }
    }
}

/// A SecurityTokenReference to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReferenceTo<'a> {
    /// A token of the same message.
    Local {
        /// Its Id.
        id: &'a [u8],
        /// What it is.
        token: LocalToken,
    },
    /// A SecurityContextToken that the receiver knows.
    Sct {
        /// The version, for `ValueType` and `Instance`.
        version: ScVersion,
        /// The key.
        context: ContextReference<'a>,
    },
    /// A token by something computed from it.
    KeyIdentifier {
        /// Which kind.
        kind: KeyIdentifier,
        /// The octets.
        octets: &'a [u8],
    },
    /// A certificate by who issued it.
    IssuerSerial {
        /// The issuer's distinguished name.
        issuer: &'a [u8],
        /// The serial number in decimal digits.
        serial: &'a [u8],
    },
}

/// How WCF spells a SecurityTokenReference, which depends on where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReferenceStyle {
    /// With the attributes of the Basic Security Profile: the `...BasicSecurityProfile10` versions.
    pub bsp: bool,
    /// `<o:Reference ...></o:Reference>`, as in the bodies of trust messages; else `<o:Reference .../>`.
    pub long: bool,
    /// Declare the prefix `o`: everywhere but directly in the Security header.
    pub declare_wsse: bool,
    /// Declare the prefix of WS-SecureConversation where an Instance needs it: everywhere but in a DerivedKeyToken.
    pub declare_sc: bool,
}

impl ReferenceStyle {
    /// In a token of the Security header; a DerivedKeyToken has its own prefix in scope.
    pub const fn header(bsp: bool) -> Self {
        Self { bsp, long: false, declare_wsse: false, declare_sc: false }
    }

    /// In the body of a trust message.
    pub const fn body(bsp: bool) -> Self {
        Self { bsp, long: true, declare_wsse: true, declare_sc: true }
    }
}

/// Writes a SecurityTokenReference with the prefix `o`.
pub fn write_reference(writer: &mut Writer<'_>, style: ReferenceStyle, to: &ReferenceTo<'_>) {
    let encrypted_key = match to {
        ReferenceTo::Local { token, .. } => style.bsp && *token == LocalToken::EncryptedKey,
        // WCF tells it here without the Basic Security Profile too.
        ReferenceTo::KeyIdentifier { kind, .. } => *kind == KeyIdentifier::EncryptedKeySha1,
        ReferenceTo::Sct { .. } | ReferenceTo::IssuerSerial { .. } => false,
    };
    writer.put_str("<o:SecurityTokenReference");
    if encrypted_key {
        put(writer, &[" k:TokenType=\"", names::ENCRYPTED_KEY, "\""]);
    }
    if style.declare_wsse {
        put(writer, &[" xmlns:o=\"", names::WSSE, "\""]);
    }
    if encrypted_key {
        put(writer, &[" xmlns:k=\"", names::WSSE11, "\""]);
    }
    writer.put_str(">");
    match to {
        ReferenceTo::Local { id, token } => {
            writer.put_str("<o:Reference");
            if style.bsp {
                put(writer, &[" ValueType=\"", token.value_type(), "\""]);
            }
            writer.put_str(" URI=\"#");
            writer.attribute_value(id);
            writer.put_str("\"");
            close(writer, style);
        }
        ReferenceTo::Sct { version, context } => {
            writer.put_str("<o:Reference URI=\"");
            writer.attribute_value(context.identifier);
            writer.put_str("\"");
            if let Some(instance) = context.instance {
                put(writer, &[" ", version.prefix(), ":Instance=\""]);
                writer.attribute_value(instance);
                writer.put_str("\"");
            }
            put(writer, &[" ValueType=\"", version.sct_token_type(), "\""]);
            if context.instance.is_some() && style.declare_sc {
                put(writer, &[" xmlns:", version.prefix(), "=\"", version.namespace(), "\""]);
            }
            close(writer, style);
        }
        ReferenceTo::KeyIdentifier { kind, octets } => {
            put(writer, &["<o:KeyIdentifier ValueType=\"", kind.value_type(), "\""]);
            if style.bsp {
                put(writer, &[" EncodingType=\"", names::BASE64_BINARY, "\""]);
            }
            writer.put_str(">");
            writer.base64(octets);
            writer.put_str("</o:KeyIdentifier>");
        }
        ReferenceTo::IssuerSerial { issuer, serial } => {
            put(writer, &["<X509Data xmlns=\"", names::DSIG, "\"><X509IssuerSerial><X509IssuerName>"]);
            writer.text(issuer);
            writer.put_str("</X509IssuerName><X509SerialNumber>");
            writer.text(serial);
            writer.put_str("</X509SerialNumber></X509IssuerSerial></X509Data>");
        }
    }
    writer.put_str("</o:SecurityTokenReference>");
}

fn close(writer: &mut Writer<'_>, style: ReferenceStyle) {
    writer.put_str(if style.long { "></o:Reference>" } else { "/>" });
}
