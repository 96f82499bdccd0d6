//! Whole messages.

use super::body::BodyReader;
use super::error::{RmAnswer, RmProblem, RmReadError};
use super::header::{Kind, RmReader};
use super::value::Scratch;
use crate::reliable::arrival::{Arrival, RmBody};
use crate::reliable::version::{RmAction, RmVersion, Versions};
use crate::soap::{Addressing, AddressingVersion, SoapError, SoapVersion};
use crate::xml::{Limits, Reader, Scope, Span, Start, Text, Token};
use heapless::Vec;

/// Most header blocks in one message. Our own cap: WCF bounds them by the header's size only.
const MAX_HEADERS: usize = 32;

/// Where the parts of a message are that somebody else has taken apart, as WS-Security does when it opens one.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'s, H> {
    /// The header blocks.
    pub headers: H,
    /// Namespace bindings around them.
    pub header_scope: &'s Scope,
    /// The content of the body.
    pub body: Span,
    /// Namespace bindings around it.
    pub body_scope: &'s Scope,
}

/// What of a message is not WS-ReliableMessaging's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parts {
    /// The content of the body.
    pub body: Span,
    /// Namespace bindings around it.
    pub body_scope: Scope,
    /// The first header block that must be understood and that is neither WS-Addressing's nor, in this message,
    /// WS-ReliableMessaging's.
    pub must_understand: Option<Span>,
}

impl<'a> Arrival<'a> {
    /// Reads a message that is not secured. `scratch` is for values that are written with references in them.
    ///
    /// # Errors
    /// WCF would not take the message either, or there is not enough room.
    pub fn read_envelope(
        message: &'a [u8],
        versions: Versions,
        limits: &Limits,
        scratch: &'a mut [u8],
    ) -> Result<(Self, Parts), RmReadError> {
        let map = Map::of(message, versions.soap, limits).map_err(RmReadError::early)?;
        let blocks = Blocks {
            headers: map.headers.iter().copied(),
            header_scope: &map.header_scope,
            body: map.body,
            body_scope: &map.body_scope,
        };
        let (arrival, must_understand) = Self::read_blocks(message, blocks, versions, limits, scratch)?;
        Ok((arrival, Parts { body: map.body, body_scope: map.body_scope, must_understand }))
    }

    /// Reads a message whose parts are known; gives the first header block that must be understood and is not read
    /// here. A `Security` header should not be among the blocks.
    ///
    /// # Errors
    /// As [`Arrival::read_envelope`].
    pub fn read_blocks(
        message: &'a [u8],
        blocks: Blocks<'_, impl Iterator<Item = Span>>,
        versions: Versions,
        limits: &Limits,
        scratch: &'a mut [u8],
    ) -> Result<(Self, Option<Span>), RmReadError> {
        let mut reading = Reading {
            message,
            versions,
            limits,
            scratch: Scratch::new(scratch),
            addressing: Addressing::new(versions.addressing),
            rm: RmReader::new(versions),
            strange: None,
            marked: Vec::new(),
            faulty: false,
            heading: true,
        };
        let (body, body_scope) = (blocks.body, blocks.body_scope);
        reading.read(blocks, body, body_scope).map_err(|problem| reading.error(problem))
    }
}

/// Where the parts of an envelope are.
struct Map {
    headers: Vec<Span, MAX_HEADERS>,
    header_scope: Scope,
    body: Span,
    body_scope: Scope,
}

impl Map {
    fn of(message: &[u8], soap: SoapVersion, limits: &Limits) -> Result<Self, RmProblem> {
        let mut reader = Reader::document(message, limits)?;
        let due = |start: Option<Start<'_>>, local: &str| match start {
            Some(start) if start.name.is(soap.namespace(), local) => Ok(start.span),
            Some(start) => Err(RmProblem::NotSoap { offset: start.span.start }),
            None => Err(RmProblem::NotSoap { offset: 0 }),
        };
        let start = reader.next_element()?;
        due(start, "Envelope")?;
        let mut map =
            Self { headers: Vec::new(), header_scope: Scope::EMPTY, body: Span::default(), body_scope: Scope::EMPTY };
        let mut next = reader.next_element()?;
        if next.is_some_and(|start| start.name.is(soap.namespace(), "Header")) {
            map.header_scope = reader.scope().clone();
            while reader.next_element()?.is_some() {
                let span = reader.skip()?;
                map.headers.push(span).map_err(|_| RmProblem::TooManyHeaders { limit: MAX_HEADERS as u16 })?;
            }
            next = reader.next_element()?;
        }
        let start = due(next, "Body")?;
        map.body_scope = reader.scope().clone();
        let inside = reader.depth();
        let mut end = start.end;
        while reader.depth() >= inside {
            // An element written `<s:Body/>` ends, without width, where its start tag does.
            end = reader.position();
            if let Token::Eof = reader.next()? {
                break;
            }
        }
        map.body = Span::new(start.end, end);
        if let Some(behind) = reader.next_element()? {
            return Err(RmProblem::NotSoap { offset: behind.span.start });
        }
        while !matches!(reader.next()?, Token::Eof) {}
        Ok(map)
    }
}

/// One message while it is read.
struct Reading<'r, 'a> {
    message: &'a [u8],
    versions: Versions,
    limits: &'r Limits,
    scratch: Scratch<'a>,
    addressing: Addressing<'a>,
    rm: RmReader<'a>,
    /// The first block of another trade that must be understood.
    strange: Option<Span>,
    /// Blocks of WS-ReliableMessaging that must be understood.
    marked: Vec<(Kind, Span), 6>,
    /// The body holds a fault.
    faulty: bool,
    /// Still among the headers.
    heading: bool,
}

impl<'a> Reading<'_, 'a> {
    fn read(
        &mut self,
        blocks: Blocks<'_, impl Iterator<Item = Span>>,
        body: Span,
        body_scope: &Scope,
    ) -> Result<(Arrival<'a>, Option<Span>), RmProblem> {
        let mut reader = Reader::resume(self.message, body, body_scope, self.limits)?;
        let first = reader.next_element();
        self.faulty = matches!(&first, Ok(Some(start)) if start.name.is(self.versions.soap.namespace(), "Fault"));
        for span in blocks.headers {
            self.block(span, blocks.header_scope)?;
        }
        let action_uri = self.text(self.addressing.action().ok())?.unwrap_or_default();
        let action = self.versions.reliable.from_action(action_uri);
        let must_understand = self.settle(action);
        let (relates_to, message_id) = (self.text(self.addressing.relates_to)?, self.text(self.addressing.message_id)?);
        let (to, reply_to) = (self.text(self.addressing.to)?, self.text(self.addressing.reply_to)?);
        self.heading = false;
        self.response(action, relates_to)?;
        let rm = self.rm.clone();
        let mut inside = BodyReader {
            versions: self.versions,
            limits: self.limits,
            reader: &mut reader,
            scratch: &mut self.scratch,
        };
        // A fault that has a place in the sequence is the application's, whatever it says.
        let body = match (action, first) {
            (_, Ok(Some(start))) if self.faulty => {
                if rm.sequence.is_some() {
                    RmBody::None
                } else {
                    RmBody::Fault(inside.fault(&start, rm.sequence_fault)?)
                }
            }
            (Some(action), first) => inside.protocol(action, first)?,
            (None, _) => RmBody::None,
        };
        let arrival = Arrival {
            action_uri,
            action,
            message_id,
            relates_to,
            to,
            reply_to,
            sequence: rm.sequence,
            acknowledgement: rm.acknowledgement,
            ack_requested: rm.ack_requested,
            uses_sequence_str: rm.uses_sequence_str,
            uses_sequence_ssl: rm.uses_sequence_ssl,
            body,
        };
        self.check(&arrival)?;
        Ok((arrival, must_understand))
    }

    fn text(&mut self, text: Option<Text<'a>>) -> Result<Option<&'a [u8]>, RmProblem> {
        text.map(|text| self.scratch.text(&text)).transpose()
    }

    fn block(&mut self, span: Span, scope: &Scope) -> Result<(), RmProblem> {
        let mut reader = Reader::resume(self.message, span, scope, self.limits)?;
        let Some(start) = reader.next_element()? else { return Ok(()) };
        let soap = self.versions.soap;
        if !soap.is_for_us(&reader) {
            return Ok(());
        }
        let marked =
            reader.attribute(soap.namespace(), "mustUnderstand").is_some_and(|value| value.eq("1") || value.eq("true"));
        if self.addressing.read(&mut reader, &start)? {
            return Ok(());
        }
        if self.rm.read(&mut reader, &start, &mut self.scratch)? {
            if let (true, Some(kind)) = (marked, Kind::of(self.versions, &start)) {
                // There are six kinds, and none stands twice.
                let _ = self.marked.push((kind, span));
            }
        } else if marked
            && self.strange.is_none()
            && start.name.namespace != self.versions.addressing.namespace().as_bytes()
        {
            self.strange = Some(span);
        }
        Ok(())
    }

    /// Forgets the blocks that WCF does not read in a message with this action, and finds the first one that must be
    /// understood and is not.
    fn settle(&mut self, action: Option<RmAction>) -> Option<Span> {
        let read = |kind: Kind| match (action, kind) {
            (Some(RmAction::CreateSequence), Kind::UsesSequenceStr | Kind::UsesSequenceSsl) => true,
            (Some(RmAction::CreateSequence | RmAction::CreateSequenceResponse), _) => false,
            (_, Kind::UsesSequenceStr | Kind::UsesSequenceSsl) => false,
            (_, Kind::Sequence | Kind::Acknowledgement | Kind::AckRequested | Kind::SequenceFault) => true,
        };
        if !read(Kind::Sequence) {
            (self.rm.sequence, self.rm.acknowledgement, self.rm.ack_requested) = (None, None, None);
        }
        if !read(Kind::UsesSequenceStr) {
            (self.rm.uses_sequence_str, self.rm.uses_sequence_ssl) = (false, false);
        }
        let unread = self.marked.iter().filter(|(kind, _)| !read(*kind)).map(|(_, span)| *span);
        unread.chain(self.strange).min_by_key(|span| span.start)
    }

    /// What WCF wants of a message as a whole.
    fn check(&self, arrival: &Arrival<'_>) -> Result<(), RmProblem> {
        let v11 = self.versions.reliable == RmVersion::V11;
        match arrival.action {
            Some(RmAction::CreateSequence) => {
                self.request(arrival)?;
                let anonymous = self.versions.addressing.anonymous().as_bytes();
                let reply_to = arrival.reply_to.unwrap_or(anonymous);
                if let RmBody::CreateSequence { acks_to, .. } = arrival.body
                    && acks_to != reply_to
                {
                    return Err(RmProblem::AcksToDiffers);
                }
                Ok(())
            }
            Some(RmAction::CloseSequence) => self.request(arrival),
            Some(RmAction::TerminateSequence) if v11 => self.request(arrival),
            Some(_) => Ok(()),
            None if arrival.sequence.is_none() && arrival.action_uri.is_empty() => {
                Err(if v11 { RmProblem::NotReliable } else { RmProblem::NoHeader { header: "Action" } })
            }
            None => {
                let any = arrival.sequence.is_some()
                    || arrival.acknowledgement.is_some()
                    || arrival.ack_requested.is_some()
                    || self.rm.sequence_fault.is_some()
                    || self.faulty;
                if any { Ok(()) } else { Err(RmProblem::NotReliable) }
            }
        }
    }

    /// The headers of a response of the protocol.
    fn response(&self, action: Option<RmAction>, relates_to: Option<&[u8]>) -> Result<(), RmProblem> {
        let responds = matches!(
            action,
            Some(
                RmAction::CreateSequenceResponse
                    | RmAction::CloseSequenceResponse
                    | RmAction::TerminateSequenceResponse
            )
        );
        if responds && relates_to.is_none() && !self.faulty {
            return Err(RmProblem::NoHeader { header: "RelatesTo" });
        }
        Ok(())
    }

    /// The headers of a request of the protocol.
    fn request(&self, arrival: &Arrival<'_>) -> Result<(), RmProblem> {
        if arrival.message_id.is_none() {
            return Err(RmProblem::NoHeader { header: "MessageID" });
        }
        // In 1.0 an absent one is anonymous.
        match self.versions.addressing {
            AddressingVersion::August2004 if arrival.reply_to.is_none() => {
                Err(RmProblem::NoHeader { header: "ReplyTo" })
            }
            AddressingVersion::August2004 | AddressingVersion::Wsa10 => Ok(()),
        }
    }

    fn error(&self, problem: RmProblem) -> RmReadError {
        let action = self.addressing.action().ok();
        let is = |wanted: RmAction| action.is_some_and(|uri| uri.eq(self.versions.reliable.action(wanted)));
        let answer = match problem {
            // A fault is never answered, and lack of room is not the sender's.
            _ if self.faulty || matches!(problem, RmProblem::Scratch { .. }) => RmAnswer::Nothing,
            RmProblem::Duplicate { element, .. } => RmAnswer::MustUnderstand(element),
            RmProblem::NoHeader { .. } => RmAnswer::AddressingHeaderRequired,
            RmProblem::NotReliable => self.versions.reliable.stranger(),
            RmProblem::Soap(SoapError::Duplicate { .. }) if self.heading => RmAnswer::InvalidAddressingHeader,
            RmProblem::Soap(_)
            | RmProblem::NotSoap { .. }
            | RmProblem::TooManyHeaders { .. }
            | RmProblem::Missing { .. }
            | RmProblem::Misplaced { .. }
            | RmProblem::Number { .. }
            | RmProblem::Range { .. }
            | RmProblem::TooManyRanges { .. }
            | RmProblem::Value { .. }
            | RmProblem::Identifier { .. }
            | RmProblem::EndpointDiffers
            | RmProblem::AcksToDiffers
            | RmProblem::EmptyBody
            | RmProblem::Scratch { .. } => {
                if is(RmAction::CreateSequence) {
                    RmAnswer::CreateSequenceRefused
                } else {
                    RmAnswer::Nothing
                }
            }
        };
        let span = |text: Option<Text<'_>>| text.map_or_else(Span::default, |text| text.span());
        RmReadError { problem, answer, action: span(action), message_id: span(self.addressing.message_id) }
    }
}

impl RmReadError {
    /// Before any header was read.
    const fn early(problem: RmProblem) -> Self {
        Self { problem, answer: RmAnswer::Nothing, action: Span::new(0, 0), message_id: Span::new(0, 0) }
    }
}
