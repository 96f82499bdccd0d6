//! The WS-Addressing headers of one message.

use super::{AddressingVersion, SoapError};
use crate::xml::{Reader, Start, Text};

/// The addressing headers found in one `Header`, as they stand in the message.
///
/// Offer every child of `Header` to [`Addressing::read`], then ask [`Addressing::action`].
#[derive(Clone, Copy, Debug)]
pub struct Addressing<'a> {
    version: AddressingVersion,
    action: Option<Text<'a>>,
    /// `MessageID`.
    pub message_id: Option<Text<'a>>,
    /// `RelatesTo` whose relationship is "reply", which is the default. Others are skipped.
    pub relates_to: Option<Text<'a>>,
    /// `To`. Absent means anonymous (WS-Addressing 1.0 core, section 3.2).
    pub to: Option<Text<'a>>,
    /// `ReplyTo/Address`. WCF takes an absent one as anonymous in a two-way exchange under WS-Addressing 1.0.
    pub reply_to: Option<Text<'a>>,
    /// `From/Address`.
    pub from: Option<Text<'a>>,
    /// `FaultTo/Address`.
    pub fault_to: Option<Text<'a>>,
}

impl<'a> Addressing<'a> {
    /// None found yet, in a message of this version.
    pub const fn new(version: AddressingVersion) -> Self {
        Self {
            version,
            action: None,
            message_id: None,
            relates_to: None,
            to: None,
            reply_to: None,
            from: None,
            fault_to: None,
        }
    }

    /// The version that was asked for.
    pub const fn version(&self) -> AddressingVersion {
        self.version
    }

    /// `Action`.
    ///
    /// # Errors
    /// [`SoapError::Missing`]: both versions require it.
    pub fn action(&self) -> Result<Text<'a>, SoapError> {
        self.action.ok_or(SoapError::Missing { element: "Action" })
    }

    /// Takes the header block whose start tag the reader has just returned, if it is one of this version, and consumes
    /// it; `false` leaves the reader where it was, behind the start tag.
    ///
    /// # Errors
    /// The block stands twice, which WCF refuses too (WS-Addressing 1.0 SOAP binding, section 3.2: invalid
    /// cardinality), holds no `Address` where one is due, or is not well-formed.
    pub fn read(&mut self, reader: &mut Reader<'a>, start: &Start<'a>) -> Result<bool, SoapError> {
        if start.name.namespace != self.version.namespace().as_bytes() {
            return Ok(false);
        }
        let offset = start.span.start;
        match start.name.local {
            b"Action" => once(&mut self.action, "Action", offset, reader.text()?.trim())?,
            b"MessageID" => once(&mut self.message_id, "MessageID", offset, reader.text()?.trim())?,
            b"To" => once(&mut self.to, "To", offset, reader.text()?.trim())?,
            b"RelatesTo" => {
                // The 2004/08 default is a QName, the 1.0 default an IRI; whoever spells it out means it.
                let reply = reader.attribute("", "RelationshipType").is_none_or(|kind| {
                    kind.eq("http://www.w3.org/2005/08/addressing/reply") || kind.raw().ends_with(b":Reply")
                });
                let text = reader.text()?.trim();
                if reply {
                    once(&mut self.relates_to, "RelatesTo", offset, text)?;
                }
            }
            b"ReplyTo" => once(&mut self.reply_to, "ReplyTo", offset, self.version.address(reader)?)?,
            b"From" => once(&mut self.from, "From", offset, self.version.address(reader)?)?,
            b"FaultTo" => once(&mut self.fault_to, "FaultTo", offset, self.version.address(reader)?)?,
            // Reference parameters and what later versions may add.
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl AddressingVersion {
    /// Reads an endpoint reference behind its start tag and gives its `Address`; reference parameters, metadata and
    /// extensions are passed over.
    ///
    /// # Errors
    /// No `Address`, two of them, or not well-formed.
    pub fn address<'a>(self, reader: &mut Reader<'a>) -> Result<Text<'a>, SoapError> {
        let mut address = None;
        while let Some(child) = reader.next_element()? {
            if child.name.is(self.namespace(), "Address") {
                once(&mut address, "Address", child.span.start, reader.text()?.trim())?;
            } else {
                reader.skip()?;
            }
        }
        address.ok_or(SoapError::Missing { element: "Address" })
    }
}

fn once<'a>(slot: &mut Option<Text<'a>>, element: &'static str, offset: u32, text: Text<'a>) -> Result<(), SoapError> {
    if slot.is_some() {
        return Err(SoapError::Duplicate { element, offset });
    }
    *slot = Some(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at a surprise")]

    use super::*;
    use crate::xml::{Limits, Token};

    fn read(headers: &str) -> Result<Addressing<'_>, SoapError> {
        let mut reader = Reader::document(headers.as_bytes(), &Limits::default()).unwrap();
        assert!(matches!(reader.next().unwrap(), Token::Start(_)));
        let mut found = Addressing::new(AddressingVersion::Wsa10);
        while let Some(start) = reader.next_element()? {
            if !found.read(&mut reader, &start)? {
                reader.skip()?;
            }
        }
        Ok(found)
    }

    macro_rules! header {
        ($inside:literal) => {
            concat!("<h xmlns:a='http://www.w3.org/2005/08/addressing'>", $inside, "</h>")
        };
    }

    #[test]
    fn a_request_as_wcf_writes_it() {
        let found = read(header!(
            "<a:Action>urn:x/RST</a:Action><a:MessageID>urn:uuid:1</a:MessageID><a:ReplyTo><a:Address>\
             http://www.w3.org/2005/08/addressing/anonymous</a:Address><a:ReferenceParameters><p/>\
             </a:ReferenceParameters></a:ReplyTo><a:To> http://127.0.0.1/probe </a:To><b:Action xmlns:b='urn:b'/>"
        ))
        .unwrap();
        assert!(found.action().unwrap().eq("urn:x/RST"));
        assert!(found.message_id.unwrap().eq("urn:uuid:1"));
        assert!(found.reply_to.unwrap().eq(AddressingVersion::Wsa10.anonymous()));
        assert!(found.to.unwrap().eq("http://127.0.0.1/probe"));
        assert!(found.relates_to.is_none() && found.from.is_none() && found.fault_to.is_none());
    }

    #[test]
    fn what_the_specification_forbids_is_refused() {
        let twice = read(header!("<a:Action>x</a:Action><a:Action>x</a:Action>"));
        assert!(matches!(twice, Err(SoapError::Duplicate { element: "Action", .. })));
        let none = read(header!("<a:To>x</a:To>")).unwrap();
        assert!(matches!(none.action(), Err(SoapError::Missing { element: "Action" })));
        let no_address = read(header!("<a:ReplyTo/>"));
        assert!(matches!(no_address, Err(SoapError::Missing { element: "Address" })));
        assert!(read(header!("<a:Action><b/></a:Action>")).is_err());
    }

    #[test]
    fn only_replies_relate() {
        let found =
            read(header!("<a:RelatesTo RelationshipType='urn:other'>1</a:RelatesTo><a:RelatesTo>2</a:RelatesTo>"))
                .unwrap();
        assert!(found.relates_to.unwrap().eq("2"));
    }
}
