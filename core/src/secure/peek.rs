//! A first look at a request, before anything is verified: just enough to choose the policy that it must satisfy.
//!
//! Nothing found here is believed. What a message means is taken from what was verified afterwards.

use super::Refusal;
use super::context_name::ContextName;
use super::trust::{ContextReference, read_reference, read_sct};
use crate::soap::{Addressing, AddressingVersion, ScVersion, SoapVersion, names};
use crate::xml::{Error, Limits, Reader, Span, Text, Token};
use heapless::Vec;

/// Longest action, MessageID or address, in bytes. Our own cap.
pub(super) const LONGEST_URI: usize = 256;

/// What a request says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Peek {
    /// `Action`; empty if there is none, or if it is longer than [`LONGEST_URI`]. As the others, it is as it is meant, not
    /// as it is written.
    pub(super) action: Vec<u8, LONGEST_URI>,
    /// `MessageID`; empty if there is none.
    pub(super) message_id: Vec<u8, LONGEST_URI>,
    /// `RelatesTo`; empty if there is none.
    pub(super) relates_to: Vec<u8, LONGEST_URI>,
    /// `ReplyTo/Address`; empty if there is none.
    pub(super) reply_to: Vec<u8, LONGEST_URI>,
    /// The first `SecurityContextToken`, or the first reference to one.
    pub(super) context: Option<ContextName>,
    /// The cookie of that token: base64, in the message.
    pub(super) cookie: Option<Span>,
    /// `wsu:Id` of that token; empty if it has none, or one that no service issues.
    pub(super) token_id: Vec<u8, 128>,
}

/// Looks at `message`. `addressing`: `None` reads no header of it.
pub(super) fn peek(
    message: &[u8],
    addressing: impl Into<Option<AddressingVersion>>,
    limits: &Limits,
) -> Result<Peek, Refusal> {
    let wire = Limits { string_content: limits.message, ..limits.clone() };
    let mut reader = Reader::document(message, &wire)?;
    let envelope = reader.next_element()?.ok_or(Refusal::NotSoap)?;
    let soap = SoapVersion::from_namespace(envelope.name.namespace).ok_or(Refusal::NotSoap)?;
    let mut found = Peek::default();
    let Some(header) = reader.next_element()?.filter(|s| s.name.is(soap.namespace(), "Header")) else {
        return Ok(found);
    };
    debug_assert!(!header.name.local.is_empty());
    let addressing = addressing.into();
    let mut values = Addressing::new(addressing.unwrap_or_default());
    while let Some(block) = reader.next_element()? {
        // One for another role is passed over, as by verification.
        if block.name.is(names::WSSE, "Security") && for_us(&reader, soap) && found.context.is_none() {
            security(&mut reader, &mut found)?;
        } else if addressing.is_none() || !matches!(values.read(&mut reader, &block), Ok(true)) {
            // What addressing refuses, verification will refuse again, with the reason.
            if reader.skip().is_err() {
                break;
            }
        }
    }
    found.action = meant(values.action().ok());
    found.message_id = meant(values.message_id);
    found.relates_to = meant(values.relates_to);
    found.reply_to = meant(values.reply_to);
    Ok(found)
}

/// The characters as they are meant; none if they are too many.
fn meant(text: Option<Text<'_>>) -> Vec<u8, LONGEST_URI> {
    let mut octets = [0u8; LONGEST_URI];
    let decoded = text.and_then(|text| text.decode(&mut octets).ok());
    decoded.and_then(|decoded| Vec::from_slice(decoded).ok()).unwrap_or_default()
}

/// Is a header block, behind whose start tag this is, for no other role?
pub(crate) fn for_us(reader: &Reader<'_>, soap: SoapVersion) -> bool {
    reader.attribute(soap.namespace(), soap.role_attribute()).is_none()
}

/// Looks through the security header for the conversation that it names.
fn security(reader: &mut Reader<'_>, found: &mut Peek) -> Result<(), Refusal> {
    let Some(Named { context, cookie, id }) = next_named(reader)? else { return Ok(()) };
    found.context = ContextName::new(context);
    found.cookie = cookie;
    found.token_id = Vec::from_slice(id).unwrap_or_default();
    while reader.next_element()?.is_some() {
        reader.skip()?;
    }
    Ok(())
}

/// A `SecurityContextToken`, or a reference to one.
struct Named<'a> {
    context: ContextReference<'a>,
    /// A token's, if it has one.
    cookie: Option<Span>,
    /// A token's; empty if it has none.
    id: &'a [u8],
}

/// Behind the start tag of `Security`, or where the last one was found: the next `SecurityContextToken`, or reference to one
/// from a `DerivedKeyToken`, whose name is not longer than those that are issued. `None` behind the end tag. What it gives is not
/// to be believed; but the router and the shard must find the same.
pub(crate) fn next_context<'a>(reader: &mut Reader<'a>) -> Result<Option<ContextReference<'a>>, Error> {
    Ok(next_named(reader)?.map(|named| named.context))
}

fn next_named<'a>(reader: &mut Reader<'a>) -> Result<Option<Named<'a>>, Error> {
    while let Some(child) = reader.next_element()? {
        let depth = reader.depth();
        let mut found = None;
        if child.name.local == b"SecurityContextToken" {
            found = read_sct(reader, &child).ok().map(|token| Named {
                context: token.context,
                cookie: token.cookie.map(|text| text.span()),
                id: token.id.unwrap_or(&[]),
            });
        } else if child.name.local == b"DerivedKeyToken"
            && ScVersion::from_namespace(child.name.namespace).is_some()
            && let Some(start) = reader.next_element()?
        {
            let context = read_reference(reader, &start).ok().and_then(|reference| reference.context());
            found = context.map(|context| Named { context, cookie: None, id: &[] });
        }
        // Wherever that came to in it.
        while reader.depth() >= depth && !matches!(reader.next()?, Token::Eof) {}
        if found.as_ref().is_some_and(|named| ContextName::new(named.context).is_some()) {
            return Ok(found);
        }
    }
    Ok(None)
}
