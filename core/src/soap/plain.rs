//! Messages with nothing above SOAP but, perhaps, WS-Addressing: `BasicHttpBinding`, `WSHttpBinding` without security.

use super::{Addressing, AddressingVersion, HeaderBlock, SoapError, SoapVersion};
use crate::xml::{Grow, Limits, Reader, Scope, Span, Start, Text, Token, Writer};

/// A message that was read: where its parts stand. A part that is not there, or has references (`&amp;`) in it, is empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlainMessage {
    /// `Action`. Without WS-Addressing it is HTTP's.
    pub action: Span,
    /// `MessageID`.
    pub message_id: Span,
    /// `RelatesTo`.
    pub relates_to: Span,
    /// The content of the body.
    pub body: Span,
    /// Namespace bindings around it.
    pub body_scope: Scope,
    /// Does the body hold a fault?
    pub fault: bool,
    /// The first header block that must be understood and is not WS-Addressing's.
    pub must_understand: Option<Span>,
}

impl PlainMessage {
    /// Reads an envelope of this version. `addressing`: `None` reads no header.
    ///
    /// # Errors
    /// It is no such envelope, or one that the limits forbid.
    pub fn read(
        message: &[u8],
        soap: SoapVersion,
        addressing: Option<AddressingVersion>,
        limits: &Limits,
    ) -> Result<Self, SoapError> {
        let mut reader = Reader::document(message, limits)?;
        let due = |start: Option<Start<'_>>, expected: &'static str| match start {
            Some(start) if start.name.is(soap.namespace(), expected) => Ok(start.span),
            Some(start) => Err(SoapError::Unexpected { expected, offset: start.span.start }),
            None => Err(SoapError::Missing { element: expected }),
        };
        let start = reader.next_element()?;
        due(start, "Envelope")?;
        let mut found = addressing.map(Addressing::new);
        let mut must_understand = None;
        let mut next = reader.next_element()?;
        if next.is_some_and(|start| start.name.is(soap.namespace(), "Header")) {
            while let Some(start) = reader.next_element()? {
                let marked = reader
                    .attribute(soap.namespace(), "mustUnderstand")
                    .is_some_and(|value| value.eq("1") || value.eq("true"));
                let ours = soap.is_for_us(&reader);
                if let Some(found) = found.as_mut().filter(|_| ours)
                    && found.read(&mut reader, &start)?
                {
                    continue;
                }
                let span = reader.skip()?;
                let known = addressing.is_some_and(|version| start.name.namespace == version.namespace().as_bytes());
                if marked && ours && !known && must_understand.is_none() {
                    must_understand = Some(Span::new(start.span.start, span.end));
                }
            }
            next = reader.next_element()?;
        }
        let start = due(next, "Body")?;
        let body_scope = reader.scope().clone();
        let inside = reader.depth();
        let mut end = start.end;
        let mut fault = None;
        while reader.depth() >= inside {
            // An element written `<s:Body/>` ends, without width, where its start tag does.
            end = reader.position();
            match reader.next()? {
                Token::Start(start) if fault.is_none() => fault = Some(start.name.is(soap.namespace(), "Fault")),
                Token::Eof => break,
                Token::Start(_) | Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
            }
        }
        if let Some(behind) = reader.next_element()? {
            return Err(SoapError::Unexpected { expected: "the end", offset: behind.span.start });
        }
        while !matches!(reader.next()?, Token::Eof) {}
        // A value with references in it stands nowhere as it is meant.
        let plain = |text: &Text<'_>| text.plain().is_some();
        let span = |text: Option<Text<'_>>| text.filter(plain).map_or_else(Span::default, |text| text.span());
        let found = found.as_ref();
        Ok(Self {
            // Who has no action has no operation: that is the dispatcher's to say.
            action: span(found.and_then(|found| found.action().ok())),
            message_id: span(found.and_then(|found| found.message_id)),
            relates_to: span(found.and_then(|found| found.relates_to)),
            body: Span::new(start.end, end),
            body_scope,
            fault: fault == Some(true),
            must_understand,
        })
    }
}

/// Writes an envelope as WCF does. `headers` are in their order; without WS-Addressing none of it is written, and no `Header` if
/// nothing else is there. Returns its length.
///
/// # Errors
/// `out` is too small; says how much is needed.
pub fn write_plain(
    out: &mut [u8],
    soap: SoapVersion,
    addressing: Option<AddressingVersion>,
    headers: &[HeaderBlock<'_>],
    body: &[u8],
) -> Result<usize, Grow> {
    let mut w = Writer::new(out);
    w.put(b"<s:Envelope xmlns:s=\"");
    w.put_str(soap.namespace());
    w.put(b"\"");
    if let Some(version) = addressing {
        w.put(b" xmlns:a=\"");
        w.put_str(version.namespace());
        w.put(b"\"><s:Header>");
        for block in headers {
            block.write(&mut w, None);
        }
        w.put(b"</s:Header>");
    } else {
        w.put(b">");
        let mut others = headers.iter().filter(|block| matches!(block, HeaderBlock::NotUnderstood(_))).peekable();
        if others.peek().is_some() {
            w.put(b"<s:Header>");
            others.for_each(|block| block.write(&mut w, None));
            w.put(b"</s:Header>");
        }
    }
    if body.is_empty() {
        w.put(b"<s:Body/>");
    } else {
        w.put(b"<s:Body>");
        w.put(body);
        w.put(b"</s:Body>");
    }
    w.put(b"</s:Envelope>");
    w.finish()
}

impl SoapVersion {
    /// Is the header block, whose start tag was just read, for the ultimate receiver, or for whoever gets it?
    pub fn is_for_us(self, reader: &Reader<'_>) -> bool {
        let Some(role) = reader.attribute(self.namespace(), self.role_attribute()) else { return true };
        let known: &[&str] = match self {
            Self::Soap11 => &["", "http://schemas.xmlsoap.org/soap/actor/next"],
            Self::Soap12 => &[
                "",
                "http://www.w3.org/2003/05/soap-envelope/role/next",
                "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
            ],
        };
        known.iter().any(|known| role.eq(known))
    }
}
