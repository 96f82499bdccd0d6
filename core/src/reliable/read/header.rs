//! The header blocks of WS-ReliableMessaging.

use super::error::RmProblem;
use super::value::{Scratch, number};
use crate::reliable::arrival::{AcknowledgementHeader, SequenceHeader};
use crate::reliable::ranges::{MAX_RANGES, Range, Ranges};
use crate::reliable::version::{NETRM, RmVersion, Versions};
use crate::soap::SoapVersion;
use crate::soap::fault::read_qname;
use crate::xml::{Reader, Start, Text};

/// A header block, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Sequence,
    Acknowledgement,
    AckRequested,
    UsesSequenceStr,
    UsesSequenceSsl,
    SequenceFault,
}

impl Kind {
    pub(super) fn of(versions: Versions, start: &Start<'_>) -> Option<Self> {
        if start.name.namespace != versions.reliable.namespace().as_bytes() {
            return None;
        }
        let v11 = versions.reliable == RmVersion::V11;
        match start.name.local {
            b"Sequence" => Some(Self::Sequence),
            b"SequenceAcknowledgement" => Some(Self::Acknowledgement),
            b"AckRequested" => Some(Self::AckRequested),
            b"UsesSequenceSTR" if v11 => Some(Self::UsesSequenceStr),
            b"UsesSequenceSSL" if v11 => Some(Self::UsesSequenceSsl),
            b"SequenceFault" if versions.soap == SoapVersion::Soap11 => Some(Self::SequenceFault),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sequence => "Sequence",
            Self::Acknowledgement => "SequenceAcknowledgement",
            Self::AckRequested => "AckRequested",
            Self::UsesSequenceStr => "UsesSequenceSTR",
            Self::UsesSequenceSsl => "UsesSequenceSSL",
            Self::SequenceFault => "SequenceFault",
        }
    }
}

/// `SequenceFault` (SOAP 1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SequenceFaultHeader<'a> {
    /// Local name of `FaultCode`; empty if it is in another namespace.
    pub code: &'a [u8],
    /// The sequence that the detail names.
    pub identifier: Option<&'a [u8]>,
}

/// The header blocks of WS-ReliableMessaging found in one `Header`.
///
/// Offer every child of `Header` to [`RmReader::read`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RmReader<'a> {
    versions: Versions,
    /// `Sequence`.
    pub sequence: Option<SequenceHeader<'a>>,
    /// `SequenceAcknowledgement`.
    pub acknowledgement: Option<AcknowledgementHeader<'a>>,
    /// `AckRequested/Identifier`.
    pub ack_requested: Option<&'a [u8]>,
    /// `UsesSequenceSTR` (1.1).
    pub uses_sequence_str: bool,
    /// `UsesSequenceSSL` (1.1).
    pub uses_sequence_ssl: bool,
    /// `SequenceFault` (SOAP 1.1).
    pub sequence_fault: Option<SequenceFaultHeader<'a>>,
}

impl<'a> RmReader<'a> {
    /// None found yet, in a message of these versions.
    pub const fn new(versions: Versions) -> Self {
        Self {
            versions,
            sequence: None,
            acknowledgement: None,
            ack_requested: None,
            uses_sequence_str: false,
            uses_sequence_ssl: false,
            sequence_fault: None,
        }
    }

    /// Takes the header block whose start tag the reader has just returned, if it is one of this version, and consumes
    /// it; `false` leaves the reader where it was, behind the start tag.
    ///
    /// # Errors
    /// The block stands twice, is not well-formed, or says something that it cannot say. The reader is then of no use.
    pub fn read(
        &mut self,
        reader: &mut Reader<'a>,
        start: &Start<'a>,
        scratch: &mut Scratch<'a>,
    ) -> Result<bool, RmProblem> {
        let Some(kind) = Kind::of(self.versions, start) else { return Ok(false) };
        let twice = match kind {
            Kind::Sequence => self.sequence.is_some(),
            Kind::Acknowledgement => self.acknowledgement.is_some(),
            Kind::AckRequested => self.ack_requested.is_some(),
            Kind::UsesSequenceStr => self.uses_sequence_str,
            Kind::UsesSequenceSsl => self.uses_sequence_ssl,
            Kind::SequenceFault => self.sequence_fault.is_some(),
        };
        if twice {
            return Err(RmProblem::Duplicate { element: kind.name(), offset: start.span.start });
        }
        let mut block = Block { version: self.versions.reliable, reader, start: *start, scratch };
        match kind {
            Kind::Sequence => self.sequence = Some(block.sequence()?),
            Kind::Acknowledgement => self.acknowledgement = Some(block.acknowledgement()?),
            Kind::AckRequested => self.ack_requested = Some(block.ack_requested()?),
            Kind::UsesSequenceStr => {
                empty(reader, kind.name())?;
                self.uses_sequence_str = true;
            }
            Kind::UsesSequenceSsl => {
                empty(reader, kind.name())?;
                self.uses_sequence_ssl = true;
            }
            Kind::SequenceFault => self.sequence_fault = Some(block.sequence_fault()?),
        }
        Ok(true)
    }
}

/// One block while it is read.
struct Block<'r, 'a> {
    version: RmVersion,
    reader: &'r mut Reader<'a>,
    start: Start<'a>,
    scratch: &'r mut Scratch<'a>,
}

impl<'a> Block<'_, 'a> {
    fn identifier(&mut self) -> Result<&'a [u8], RmProblem> {
        let ns = self.version.namespace();
        let start = expect(self.reader, &self.start, ns, "Identifier")?;
        identifier_text(self.reader, &start, self.scratch)
    }

    fn sequence(&mut self) -> Result<SequenceHeader<'a>, RmProblem> {
        let ns = self.version.namespace();
        let identifier = self.identifier()?;
        let place = expect(self.reader, &self.start, ns, "MessageNumber")?;
        let wrong = RmProblem::Number { element: "MessageNumber", offset: place.span.start };
        let number = number(&self.reader.text()?).filter(|number| *number > 0).ok_or(wrong)?;
        let mut next = self.reader.next_element()?;
        let mut last = false;
        if let (RmVersion::February2005, Some(child)) = (self.version, next)
            && child.name.is(ns, "LastMessage")
        {
            empty(self.reader, "LastMessage")?;
            last = true;
            next = self.reader.next_element()?;
        }
        skip_rest(self.reader, next)?;
        Ok(SequenceHeader { identifier, number, last })
    }

    fn ack_requested(&mut self) -> Result<&'a [u8], RmProblem> {
        let identifier = self.identifier()?;
        let mut next = self.reader.next_element()?;
        if let (RmVersion::February2005, Some(child)) = (self.version, next)
            && child.name.is(self.version.namespace(), "MessageNumber")
        {
            // Read as WCF reads it, and of no consequence.
            let wrong = RmProblem::Number { element: "MessageNumber", offset: child.span.start };
            number(&self.reader.text()?).ok_or(wrong)?;
            next = self.reader.next_element()?;
        }
        skip_rest(self.reader, next)?;
        Ok(identifier)
    }

    fn acknowledgement(&mut self) -> Result<AcknowledgementHeader<'a>, RmProblem> {
        acknowledgement(self.version, self.reader, &self.start, self.scratch)
    }

    /// In February 2005 the detail stands in the header itself, in 1.1 in `Detail`.
    fn sequence_fault(&mut self) -> Result<SequenceFaultHeader<'a>, RmProblem> {
        let ns = self.version.namespace();
        expect(self.reader, &self.start, ns, "FaultCode")?;
        let name = read_qname(self.reader, "FaultCode")?;
        let code = if name.namespace == ns.as_bytes() { name.local } else { &[] };
        let mut identifier = None;
        while let Some(child) = self.reader.next_element()? {
            if self.version == RmVersion::V11 && child.name.is(ns, "Detail") {
                while let Some(child) = self.reader.next_element()? {
                    self.detail(&child, &mut identifier)?;
                }
            } else {
                self.detail(&child, &mut identifier)?;
            }
        }
        Ok(SequenceFaultHeader { code, identifier })
    }

    fn detail(&mut self, child: &Start<'a>, found: &mut Option<&'a [u8]>) -> Result<(), RmProblem> {
        match detail_identifier(self.version, self.reader, child, self.scratch)? {
            Some(identifier) if found.is_none() => *found = Some(identifier),
            Some(_) | None => {}
        }
        Ok(())
    }
}

/// Consumes a child of a fault's detail; gives the sequence if that is what it names.
pub(super) fn detail_identifier<'a>(
    version: RmVersion,
    reader: &mut Reader<'a>,
    child: &Start<'a>,
    scratch: &mut Scratch<'a>,
) -> Result<Option<&'a [u8]>, RmProblem> {
    if child.name.is(version.namespace(), "Identifier") {
        return identifier_text(reader, child, scratch).map(Some);
    }
    if child.name.is(version.namespace(), "SequenceAcknowledgement") {
        return acknowledgement(version, reader, child, scratch).map(|ack| Some(ack.identifier));
    }
    reader.skip()?;
    Ok(None)
}

/// Behind the start tag of `SequenceAcknowledgement`.
pub(super) fn acknowledgement<'a>(
    version: RmVersion,
    reader: &mut Reader<'a>,
    start: &Start<'a>,
    scratch: &mut Scratch<'a>,
) -> Result<AcknowledgementHeader<'a>, RmProblem> {
    const ELEMENT: &str = "SequenceAcknowledgement";
    let (ns, v11) = (version.namespace(), version == RmVersion::V11);
    let first = expect(reader, start, ns, "Identifier")?;
    let mut ack = AcknowledgementHeader {
        identifier: identifier_text(reader, &first, scratch)?,
        ranges: Ranges::new(),
        is_final: false,
        buffer_remaining: None,
    };
    // Has something said what has arrived? WCF wants that before anything else.
    let (mut ranges, mut none, mut nack) = (false, false, false);
    // gSOAP writes `Final` before the ranges: then, and only then, may ranges follow it.
    let (mut final_first, mut extensions) = (false, false);
    while let Some(child) = reader.next_element()? {
        let offset = child.span.start;
        let misplaced = RmProblem::Misplaced { inside: ELEMENT, offset };
        let said = ranges || none;
        if child.name.is(ns, "AcknowledgementRange") {
            if extensions || none || nack || (ack.is_final && !final_first) {
                return Err(misplaced);
            }
            if let Some(range) = range(version, reader).ok_or(RmProblem::Range { offset })? {
                let limit = MAX_RANGES as u16;
                if !ack.ranges.merge(range) {
                    return Err(RmProblem::TooManyRanges { offset, limit });
                }
            }
            empty(reader, "AcknowledgementRange")?;
            ranges = true;
        } else if v11 && child.name.is(ns, "None") {
            if extensions || said || nack || (ack.is_final && !final_first) {
                return Err(misplaced);
            }
            empty(reader, "None")?;
            none = true;
        } else if v11 && child.name.is(ns, "Final") {
            if extensions || nack || ack.is_final {
                return Err(misplaced);
            }
            empty(reader, "Final")?;
            final_first = !said;
            ack.is_final = true;
        } else if child.name.is(ns, "Nack") {
            if extensions || said || ack.is_final {
                return Err(misplaced);
            }
            number(&reader.text()?).ok_or(RmProblem::Number { element: "Nack", offset })?;
            nack = true;
        } else {
            if !said && !nack {
                return Err(RmProblem::Missing { element: "AcknowledgementRange", offset });
            }
            extensions = true;
            if child.name.is(NETRM, "BufferRemaining") {
                if ack.buffer_remaining.is_some() {
                    return Err(misplaced);
                }
                let wrong = RmProblem::Number { element: "BufferRemaining", offset };
                let value = number(&reader.text()?).and_then(|value| i32::try_from(value).ok());
                ack.buffer_remaining = Some(value.and_then(|value| u32::try_from(value).ok()).ok_or(wrong)?);
            } else {
                reader.skip()?;
            }
        }
    }
    if ranges || none || nack {
        Ok(ack)
    } else {
        Err(RmProblem::Missing { element: "AcknowledgementRange", offset: start.span.start })
    }
}

/// The bounds of the range whose start tag was just read; `Some(None)` for the range 0 to 0, which is February 2005's
/// way to say that nothing has arrived.
fn range(version: RmVersion, reader: &Reader<'_>) -> Option<Option<Range>> {
    let bound = |name| reader.attribute("", name).and_then(|text: Text<'_>| number(&text));
    let (lower, upper) = (bound("Lower")?, bound("Upper")?);
    match (version, lower, upper) {
        (RmVersion::February2005, 0, 0) => Some(None),
        (_, 0, _) => None,
        (_, lower, upper) => (lower <= upper).then_some(Some(Range { lower, upper })),
    }
}

/// The next child, which has to be this one.
pub(super) fn expect<'a>(
    reader: &mut Reader<'a>,
    parent: &Start<'_>,
    namespace: &str,
    element: &'static str,
) -> Result<Start<'a>, RmProblem> {
    match reader.next_element()? {
        Some(child) if child.name.is(namespace, element) => Ok(child),
        Some(child) => Err(RmProblem::Missing { element, offset: child.span.start }),
        None => Err(RmProblem::Missing { element, offset: parent.span.start }),
    }
}

/// The text of an identifier whose start tag was just read.
pub(super) fn identifier_text<'a>(
    reader: &mut Reader<'a>,
    start: &Start<'_>,
    scratch: &mut Scratch<'a>,
) -> Result<&'a [u8], RmProblem> {
    let text = scratch.text(&reader.text()?.trim())?;
    if text.is_empty() {
        let limit = crate::reliable::LONGEST_IDENTIFIER as u16;
        return Err(RmProblem::Identifier { offset: start.span.start, limit });
    }
    Ok(text)
}

/// The end of an element that has to be empty.
fn empty(reader: &mut Reader<'_>, element: &'static str) -> Result<(), RmProblem> {
    let text = reader.text()?;
    if text.is_blank() { Ok(()) } else { Err(RmProblem::Value { element, offset: text.span().start }) }
}

/// Passes over the element whose start tag was just read, if there is one, and over its younger siblings.
pub(super) fn skip_rest<'a>(reader: &mut Reader<'a>, mut next: Option<Start<'a>>) -> Result<(), RmProblem> {
    while next.is_some() {
        reader.skip()?;
        next = reader.next_element()?;
    }
    Ok(())
}
