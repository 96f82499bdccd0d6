//! One look at the head of a message: what it names and what it wants, all of it unverified.

use super::router::Why;
use crate::reliable::RmVersion;
use crate::secure::{for_us, next_context};
use crate::soap::{AddressingVersion, SoapVersion, names};
use crate::xml::{Error, Limits, Reader, Start, Text, Token};

/// Most bytes of a message that are looked at. The head of a WCF message, security included, has some 10 000.
const HEAD: usize = 65_536;

/// What a message says of itself. Of what stands twice, the first.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    pub(super) action: Option<Text<'a>>,
    pub(super) message_id: Option<Text<'a>>,
    /// The identifier of the secure conversation.
    pub(super) token: Option<&'a [u8]>,
    /// A sequence that only the service can have made: the message is in it, or asks for its acknowledgement.
    pub(super) received: Option<Text<'a>>,
    /// A sequence that either side may have made: what ends it, or a fault about it.
    pub(super) either: Option<Text<'a>>,
    /// A sequence that only the client can have made: offered, acknowledged, or answered for.
    pub(super) sent: Option<Text<'a>>,
}

/// Looks at `message`. What was found before something could not be read stays.
pub(super) fn survey<'a>(message: &'a [u8], limits: &Limits, found: &mut Found<'a>) -> Result<(), Why> {
    let head = head_of(message);
    // What is written may be as long as the message: the shard will say what is too long.
    let wire = Limits { string_content: HEAD as u32, message: HEAD as u32, ..*limits };
    let mut reader = Reader::document(head, &wire)?;
    let envelope = reader.next_element()?.ok_or(Why::NotSoap)?;
    let soap = SoapVersion::from_namespace(envelope.name.namespace).ok_or(Why::NotSoap)?;
    let mut next = reader.next_element()?;
    if next.is_some_and(|start| start.name.is(soap.namespace(), "Header")) {
        while let Some(block) = reader.next_element()? {
            found.header(&mut reader, &block, soap)?;
            if found.is_enough() {
                return Ok(());
            }
        }
        next = if found.token.is_none() { reader.next_element()? } else { None };
    }
    // The body matters only where no token tells the way, and is in clear then.
    if next.is_some_and(|start| start.name.is(soap.namespace(), "Body"))
        && let Some(first) = reader.next_element()?
    {
        found.body(&mut reader, &first, soap)?;
    }
    Ok(())
}

/// The first [`HEAD`] bytes at most, in whole characters.
fn head_of(message: &[u8]) -> &[u8] {
    let Some((head, [first, ..])) = message.split_at_checked(HEAD) else { return message };
    let inside = |byte: u8| byte & 0xC0 == 0x80;
    if !inside(*first) {
        return head;
    }
    let tail = head.iter().rev().take_while(|byte| inside(**byte)).count().saturating_add(1);
    head.get(..head.len().saturating_sub(tail)).unwrap_or(head)
}

impl<'a> Found<'a> {
    /// Is the rest of no consequence? The token decides where the message goes, the action what it opens there.
    const fn is_enough(&self) -> bool {
        self.token.is_some() && self.action.is_some()
    }

    fn header(&mut self, reader: &mut Reader<'a>, block: &Start<'a>, soap: SoapVersion) -> Result<(), Error> {
        if block.name.is(names::WSSE, "Security") && self.token.is_none() && for_us(reader, soap) {
            self.token = next_context(reader)?.map(|context| context.identifier);
            // WCF writes the action before it: then the longest part of the head is not read.
            while self.token.is_some() && !self.is_enough() && reader.next_element()?.is_some() {
                reader.skip()?;
            }
            return Ok(());
        }
        if AddressingVersion::from_namespace(block.name.namespace).is_some() {
            let slot = match block.name.local {
                b"Action" => &mut self.action,
                b"MessageID" => &mut self.message_id,
                _ => return reader.skip().map(|_| ()),
            };
            let text = reader.text()?.trim();
            slot.get_or_insert(text);
            return Ok(());
        }
        if RmVersion::from_namespace(block.name.namespace).is_some() {
            let slot = match block.name.local {
                b"Sequence" | b"AckRequested" => &mut self.received,
                b"SequenceAcknowledgement" => &mut self.sent,
                b"SequenceFault" => &mut self.either,
                _ => return reader.skip().map(|_| ()),
            };
            return first_identifier(reader, slot);
        }
        reader.skip().map(|_| ())
    }

    fn body(&mut self, reader: &mut Reader<'a>, first: &Start<'a>, soap: SoapVersion) -> Result<(), Error> {
        let slot = match first.name.local {
            b"Fault" if first.name.is(soap.namespace(), "Fault") => &mut self.either,
            _ if RmVersion::from_namespace(first.name.namespace).is_none() => return Ok(()),
            b"CloseSequence" | b"TerminateSequence" => &mut self.either,
            // CreateSequence's is the one that it offers.
            b"CreateSequence" | b"CloseSequenceResponse" | b"TerminateSequenceResponse" => &mut self.sent,
            _ => return Ok(()),
        };
        first_identifier(reader, slot)
    }
}

/// Behind a start tag: consumes the element; the first `Identifier` of WS-ReliableMessaging in it goes into `slot` if that is
/// empty.
fn first_identifier<'a>(reader: &mut Reader<'a>, slot: &mut Option<Text<'a>>) -> Result<(), Error> {
    let depth = reader.depth();
    while reader.depth() >= depth {
        match reader.next()? {
            Token::Start(start) if slot.is_none() && is_identifier(&start) => *slot = Some(reader.text()?.trim()),
            Token::Eof => break,
            Token::Start(_) | Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
        }
    }
    Ok(())
}

fn is_identifier(start: &Start<'_>) -> bool {
    start.name.local == b"Identifier" && RmVersion::from_namespace(start.name.namespace).is_some()
}
