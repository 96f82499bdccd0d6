//! The content of a body, taken out of its envelope.

use crate::fault::meant;
use bytes::{BufMut, Bytes, BytesMut};
use soap_session_core::session::Message;
use soap_session_core::xml::{Error, Limits, Reader, Scope, Span, Token};

/// The content of a body as XML that stands for itself: prefixes that it uses and that were declared around it are declared in
/// it. Nothing is copied where nothing has to be declared, which is how WCF writes bodies.
///
/// A prefix counts as used where its name stands before a colon: a `QName` in a text or in an attribute's value needs it too.
pub(crate) fn standalone(message: &Bytes, body: Span, scope: &Scope) -> Bytes {
    let content = message.get(body.range()).unwrap_or(&[]);
    let around: Vec<(&[u8], &[u8])> =
        scope.in_scope(message).filter(|(prefix, _)| prefix.is_empty() || mentions(content, prefix)).collect();
    let whole = message.slice_ref(content);
    if around.is_empty() {
        return whole;
    }
    // What was opened has been read before: nothing in it is new to the reader.
    declare(message, body, scope, &around).unwrap_or(whole)
}

fn declare(message: &[u8], body: Span, scope: &Scope, around: &[(&[u8], &[u8])]) -> Result<Bytes, Error> {
    let mut reader = Reader::resume(message, body, scope, &Limits::MAX)?;
    let mut out = BytesMut::with_capacity(body.len() as usize + 64 * around.len());
    let mut written = body.start;
    while let Some(start) = reader.next_element()? {
        let tag = start.span.of(message);
        let name = tag.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        let behind = start.span.start + u32::try_from(name.unwrap_or(tag.len())).unwrap_or(0);
        out.put(Span::new(written, behind).of(message));
        written = behind;
        let depth = reader.depth();
        for (prefix, uri) in around.iter().filter(|(prefix, _)| !reader.scope().is_declared_at(message, prefix, depth))
        {
            out.put(&b" xmlns"[..]);
            if !prefix.is_empty() {
                out.put_u8(b':');
                out.put(*prefix);
            }
            out.put(&b"=\""[..]);
            // As it is written there, but for the quotes around it.
            uri.iter().for_each(|byte| match byte {
                b'"' => out.put(&b"&quot;"[..]),
                byte => out.put_u8(*byte),
            });
            out.put_u8(b'"');
        }
        reader.skip()?;
    }
    out.put(Span::new(written, body.end).of(message));
    Ok(out.freeze())
}

/// The namespace and the name of the first header block that must be understood; both empty if it is not found again.
pub(crate) fn marked_block(message: &Message, bytes: &[u8]) -> Option<(String, String)> {
    message.must_understand?;
    let name = message.not_understood(bytes);
    Some(name.map(|name| (name.namespace.to_owned(), name.local.to_owned())).unwrap_or_default())
}

/// Does `prefix:` stand in it, and not at the end of a longer name?
fn mentions(content: &[u8], prefix: &[u8]) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || !byte.is_ascii();
    let found = |(place, window): (usize, &[u8])| {
        window.strip_prefix(prefix) == Some(b":")
            && place.checked_sub(1).and_then(|before| content.get(before)).is_none_or(|before| !name(*before))
    };
    content.windows(prefix.len() + 1).enumerate().any(found)
}

/// The text of the first element of this local name, in whatever namespace.
pub(crate) fn text_of(body: &[u8], local: &str) -> Option<String> {
    let mut reader = Reader::document(body, &Limits::MAX).ok()?;
    loop {
        match reader.next().ok()? {
            Token::Start(start) if start.name.local == local.as_bytes() => {
                return reader.text().ok().map(|text| meant(&text));
            }
            Token::Eof => return None,
            Token::Start(_) | Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use soap_session_core::soap::{PlainMessage, SoapVersion};

    fn body_of(message: &str) -> String {
        let message = Bytes::copy_from_slice(message.as_bytes());
        let read = PlainMessage::read(&message, SoapVersion::Soap11, None, &Limits::default());
        let Ok(read) = read else { return "not read".to_owned() };
        String::from_utf8_lossy(&standalone(&message, read.body, &read.body_scope)).into_owned()
    }

    fn envelope(declarations: &str, body: &str) -> String {
        format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"{declarations}><s:Body>{body}</s:Body></s:Envelope>"
        )
    }

    #[test]
    fn what_wcf_writes_is_left_alone() {
        let body = "<Add xmlns=\"urn:c\"><n>1</n></Add>";
        assert_eq!(body_of(&envelope(" xmlns:a=\"urn:a\"", body)), body);
    }

    #[test]
    fn what_is_declared_around_is_declared_inside() {
        let around = " xmlns:c=\"urn:c\" xmlns:x='urn:\"x' xmlns:unused=\"urn:u\"";
        let body = "<c:Add t=\"x:int\"><c:n/></c:Add> <c:Two xmlns:c=\"urn:2\"/>";
        let expected = "<c:Add xmlns:c=\"urn:c\" xmlns:x=\"urn:&quot;x\" t=\"x:int\"><c:n/></c:Add> \
                        <c:Two xmlns:x=\"urn:&quot;x\" xmlns:c=\"urn:2\"/>";
        assert_eq!(body_of(&envelope(around, body)), expected);
    }

    #[test]
    fn a_default_namespace_around_goes_along_unless_it_is_undeclared() {
        assert_eq!(body_of(&envelope(" xmlns=\"urn:d\"", "<A/>")), "<A xmlns=\"urn:d\"/>");
        assert_eq!(body_of(&envelope(" xmlns=\"urn:d\"", "<A xmlns=\"\"/>")), "<A xmlns=\"\"/>");
    }

    #[test]
    fn the_text_of_an_element_is_read_as_it_is_meant() {
        let body =
            b"<c:Say xmlns:c=\"urn:c\"><c:to>ada</c:to><c:text>a &amp; b</c:text><c:text>2</c:text><c:none/></c:Say>";
        assert_eq!(text_of(body, "text").as_deref(), Some("a & b"));
        assert_eq!(text_of(body, "none").as_deref(), Some(""));
        assert_eq!((text_of(body, "Say"), text_of(body, "other"), text_of(b"", "text")), (None, None, None));
    }

    #[test]
    fn an_empty_body_is_empty() {
        assert_eq!(body_of(&envelope(" xmlns:a=\"urn:a\"", "")), "");
    }
}
