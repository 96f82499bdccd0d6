//! SecurityContextToken: the name of a conversation's key (WS-SecureConversation, section 2).

use super::reference::finish;
use super::{Base64, ContextReference, TrustError, identifier, plain, put};
use crate::soap::{ScVersion, names};
use crate::xml::{Reader, Span, Start, Text, Writer};

/// A SecurityContextToken that was read.
#[derive(Clone, Copy, Debug)]
pub struct SecurityContextToken<'a> {
    /// The version whose namespace it is in.
    pub version: ScVersion,
    /// wsu:Id, where there is one.
    pub id: Option<&'a [u8]>,
    /// The context, and the key's generation.
    pub context: ContextReference<'a>,
    /// WCF's Cookie, base64: the state that a stateless server wants back with every message.
    pub cookie: Option<Text<'a>>,
    /// The whole element.
    pub span: Span,
}

const SCT: &str = "SecurityContextToken";

/// Reads a SecurityContextToken: Identifier, then at most one Instance, then at most one Cookie, then nothing. WCF
/// insists on that order.
///
/// # Errors
/// `start` is no SecurityContextToken of either version, its children are others or in another order, the Identifier
/// is missing, empty or escaped, or the XML is not well-formed.
pub fn read_sct<'a>(reader: &mut Reader<'a>, start: &Start<'a>) -> Result<SecurityContextToken<'a>, TrustError> {
    let offset = start.span.start;
    let version = ScVersion::from_namespace(start.name.namespace)
        .filter(|_| start.name.local == SCT.as_bytes())
        .ok_or(TrustError::Unexpected { parent: "RequestedSecurityToken or Security", expected: SCT, offset })?;
    let id = reader.attribute(names::WSU, "Id").map(|id| plain(id, "SecurityContextToken/@Id")).transpose()?;

    let first = reader.next_element()?.ok_or(TrustError::Missing { parent: SCT, element: "Identifier" })?;
    if !first.name.is(version.namespace(), "Identifier") {
        return Err(TrustError::Unexpected { parent: SCT, expected: "Identifier", offset: first.span.start });
    }
    let context = identifier(reader, "Identifier")?;
    let mut instance = None;
    let mut cookie = None;
    let mut next = reader.next_element()?;
    if next.is_some_and(|start| start.name.is(version.namespace(), "Instance")) {
        instance = Some(identifier(reader, "Instance")?);
        next = reader.next_element()?;
    }
    if next.is_some_and(|start| start.name.is(names::DNSE, "Cookie")) {
        cookie = Some(reader.text()?.trim());
        finish(reader, SCT)?;
    } else if let Some(start) = next {
        return Err(TrustError::Unexpected {
            parent: SCT,
            expected: "Instance, Cookie or nothing",
            offset: start.span.start,
        });
    }
    let context = ContextReference { identifier: context, instance };
    Ok(SecurityContextToken { version, id, context, cookie, span: Span::new(offset, reader.position()) })
}

/// Writes a SecurityContextToken that declares its own prefix; `u` has to be in scope.
pub fn write_sct(
    writer: &mut Writer<'_>,
    version: ScVersion,
    id: &[u8],
    context: ContextReference<'_>,
    cookie: Option<Base64<'_>>,
) {
    let prefix = version.prefix();
    put(writer, &["<", prefix, ":SecurityContextToken u:Id=\""]);
    writer.attribute_value(id);
    put(writer, &["\" xmlns:", prefix, "=\"", version.namespace(), "\"><", prefix, ":Identifier>"]);
    writer.text(context.identifier);
    put(writer, &["</", prefix, ":Identifier>"]);
    if let Some(instance) = context.instance {
        put(writer, &["<", prefix, ":Instance>"]);
        writer.text(instance);
        put(writer, &["</", prefix, ":Instance>"]);
    }
    if let Some(cookie) = cookie {
        put(writer, &["<dnse:Cookie xmlns:dnse=\"", names::DNSE, "\">"]);
        cookie.write(writer);
        writer.put_str("</dnse:Cookie>");
    }
    put(writer, &["</", prefix, ":SecurityContextToken>"]);
}
