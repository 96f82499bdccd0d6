//! The bodies of the protocol's messages, and faults.

use super::error::RmProblem;
use super::header::{SequenceFaultHeader, detail_identifier, expect, identifier_text, skip_rest};
use super::value::{Scratch, duration, number};
use crate::reliable::arrival::{IncompleteSequenceBehavior, Offer, RmBody, RmFaultKind, RmFaultSeen};
use crate::reliable::identifier::LONGEST_IDENTIFIER;
use crate::reliable::version::{NETRM, RmAction, RmVersion, Versions};
use crate::soap::fault::read_fault;
use crate::soap::{FaultCode, FaultView, ScVersion, names};
use crate::time::Duration;
use crate::xml::{self, Limits, Name, Reader, Start};

/// What stands in a body: the reader is at the beginning of its content.
pub(super) struct BodyReader<'r, 'a> {
    pub(super) versions: Versions,
    pub(super) limits: &'r Limits,
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) scratch: &'r mut Scratch<'a>,
}

impl<'a> BodyReader<'_, 'a> {
    /// The body of a message with this action; `first` is its first element, if it begins with one.
    pub(super) fn protocol(
        &mut self,
        action: RmAction,
        first: Result<Option<Start<'a>>, xml::Error>,
    ) -> Result<RmBody<'a>, RmProblem> {
        let local = match action {
            RmAction::CreateSequence => "CreateSequence",
            RmAction::CreateSequenceResponse => "CreateSequenceResponse",
            RmAction::CloseSequence => "CloseSequence",
            RmAction::CloseSequenceResponse => "CloseSequenceResponse",
            RmAction::TerminateSequence => "TerminateSequence",
            RmAction::TerminateSequenceResponse => "TerminateSequenceResponse",
            // Nothing in them is read.
            RmAction::SequenceAcknowledgement | RmAction::AckRequested | RmAction::LastMessage | RmAction::Fault => {
                return Ok(RmBody::None);
            }
        };
        let start = first?.ok_or(RmProblem::EmptyBody)?;
        if !start.name.is(self.namespace(), local) {
            return Err(RmProblem::Missing { element: local, offset: start.span.start });
        }
        let body = match action {
            RmAction::CreateSequence => self.create_sequence(&start)?,
            RmAction::CreateSequenceResponse => self.create_sequence_response(&start)?,
            RmAction::CloseSequence => {
                let (identifier, last) = self.ending(&start)?;
                RmBody::CloseSequence { identifier, last }
            }
            RmAction::TerminateSequence => {
                let (identifier, last) = self.ending(&start)?;
                RmBody::TerminateSequence { identifier, last }
            }
            RmAction::CloseSequenceResponse => {
                RmBody::CloseSequenceResponse { identifier: self.only_identifier(&start)? }
            }
            RmAction::TerminateSequenceResponse => {
                RmBody::TerminateSequenceResponse { identifier: self.only_identifier(&start)? }
            }
            RmAction::SequenceAcknowledgement | RmAction::AckRequested | RmAction::LastMessage | RmAction::Fault => {
                RmBody::None
            }
        };
        match self.reader.next_element()? {
            None => Ok(body),
            Some(behind) => Err(RmProblem::Misplaced { inside: "Body", offset: behind.span.start }),
        }
    }

    const fn namespace(&self) -> &'static str {
        self.versions.reliable.namespace()
    }

    fn identifier(&mut self, parent: &Start<'a>) -> Result<&'a [u8], RmProblem> {
        let start = expect(self.reader, parent, self.namespace(), "Identifier")?;
        identifier_text(self.reader, &start, self.scratch)
    }

    /// An identifier that has to be kept, so that it has a greatest length.
    fn kept_identifier(&mut self, parent: &Start<'a>) -> Result<&'a [u8], RmProblem> {
        let identifier = self.identifier(parent)?;
        if identifier.len() > LONGEST_IDENTIFIER {
            let limit = LONGEST_IDENTIFIER as u16;
            return Err(RmProblem::Identifier { offset: parent.span.start, limit });
        }
        Ok(identifier)
    }

    fn address(&mut self, parent: &Start<'a>, element: &'static str) -> Result<&'a [u8], RmProblem> {
        let start = expect(self.reader, parent, self.namespace(), element)?;
        let text = self.versions.addressing.address(self.reader)?;
        let address = self.scratch.text(&text)?;
        if address.is_empty() { Err(RmProblem::Value { element, offset: start.span.start }) } else { Ok(address) }
    }

    /// `Expires`, if `next` is that: its text and its meaning. `next` becomes what follows.
    fn expires(&mut self, next: &mut Option<Start<'a>>) -> Result<Option<(&'a [u8], Duration)>, RmProblem> {
        let Some(start) = next.filter(|start| start.name.is(self.namespace(), "Expires")) else { return Ok(None) };
        let text = self.reader.text()?.trim();
        let wrong = RmProblem::Value { element: "Expires", offset: start.span.start };
        let meaning = duration(&text).ok_or(wrong)?;
        let text = self.scratch.text(&text)?;
        *next = self.reader.next_element()?;
        Ok(Some((text, meaning)))
    }

    /// `IncompleteSequenceBehavior`, if `next` is that. WCF checks its value and forgets it.
    ///
    /// It is 1.1's, but gSOAP writes it in February 2005 too, where WCF would then not find what follows it.
    fn behavior(&mut self, next: &mut Option<Start<'a>>) -> Result<(), RmProblem> {
        const ELEMENT: &str = "IncompleteSequenceBehavior";
        let Some(start) = next.filter(|start| start.name.is(self.namespace(), ELEMENT)) else { return Ok(()) };
        let text = self.reader.text()?;
        let known = IncompleteSequenceBehavior::ALL.iter().any(|behavior| text.eq(behavior.name()));
        if self.versions.reliable == RmVersion::V11 && !known {
            return Err(RmProblem::Value { element: ELEMENT, offset: start.span.start });
        }
        *next = self.reader.next_element()?;
        Ok(())
    }

    fn create_sequence(&mut self, start: &Start<'a>) -> Result<RmBody<'a>, RmProblem> {
        let acks_to = self.address(start, "AcksTo")?;
        let mut next = self.reader.next_element()?;
        let expires = self.expires(&mut next)?.map(|(text, _)| text);
        let mut offer = None;
        if let Some(child) = next
            && child.name.is(self.namespace(), "Offer")
        {
            offer = Some(self.offer(&child, acks_to)?);
            next = self.reader.next_element()?;
        }
        let mut token = None;
        while let Some(child) = next {
            if child.name.is(names::WSSE, "SecurityTokenReference") && token.is_none_or(<[u8]>::is_empty) {
                token = Some(self.token()?);
            } else {
                self.reader.skip()?;
            }
            next = self.reader.next_element()?;
        }
        Ok(RmBody::CreateSequence { acks_to, expires, offer, token })
    }

    fn offer(&mut self, start: &Start<'a>, acks_to: &[u8]) -> Result<Offer<'a>, RmProblem> {
        let identifier = self.kept_identifier(start)?;
        let endpoint = match self.versions.reliable {
            // gSOAP writes one here too, an empty one; it is passed over with the other extensions.
            RmVersion::February2005 => None,
            RmVersion::V11 => Some(self.address(start, "Endpoint")?),
        };
        if endpoint.is_some_and(|endpoint| endpoint != acks_to) {
            return Err(RmProblem::EndpointDiffers);
        }
        let mut next = self.reader.next_element()?;
        let expires = self.expires(&mut next)?.map(|(_, meaning)| meaning);
        self.behavior(&mut next)?;
        skip_rest(self.reader, next)?;
        Ok(Offer { identifier, endpoint, expires })
    }

    /// Behind the start tag of a `SecurityTokenReference`: the SecurityContextToken that it names from afar, or nothing.
    fn token(&mut self) -> Result<&'a [u8], RmProblem> {
        let mut identifier: &[u8] = &[];
        while let Some(child) = self.reader.next_element()? {
            if child.name.is(names::WSSE, "Reference") {
                let kind = self.reader.attribute("", "ValueType");
                let is_context =
                    kind.is_none_or(|kind| ScVersion::ALL.iter().any(|version| kind.eq(version.sct_token_type())));
                if let Some(uri) = self.reader.attribute("", "URI")
                    && is_context
                    && !uri.raw().starts_with(b"#")
                {
                    identifier = self.scratch.text(&uri)?;
                }
            }
            self.reader.skip()?;
        }
        Ok(identifier)
    }

    fn create_sequence_response(&mut self, start: &Start<'a>) -> Result<RmBody<'a>, RmProblem> {
        let identifier = self.kept_identifier(start)?;
        let mut next = self.reader.next_element()?;
        let _ = self.expires(&mut next)?;
        self.behavior(&mut next)?;
        let mut accept_acks_to = None;
        if let Some(accept) = next
            && accept.name.is(self.namespace(), "Accept")
        {
            accept_acks_to = Some(self.address(&accept, "AcksTo")?);
            let rest = self.reader.next_element()?;
            skip_rest(self.reader, rest)?;
            next = self.reader.next_element()?;
        }
        skip_rest(self.reader, next)?;
        Ok(RmBody::CreateSequenceResponse { identifier, accept_acks_to })
    }

    /// CloseSequence or TerminateSequence: the sequence, and its last number where 1.1 tells it.
    fn ending(&mut self, start: &Start<'a>) -> Result<(&'a [u8], Option<u64>), RmProblem> {
        let identifier = self.identifier(start)?;
        let mut next = self.reader.next_element()?;
        let mut last = None;
        if let (RmVersion::V11, Some(child)) = (self.versions.reliable, next)
            && child.name.is(self.namespace(), "LastMsgNumber")
        {
            let wrong = RmProblem::Number { element: "LastMsgNumber", offset: child.span.start };
            last = Some(number(&self.reader.text()?).filter(|number| *number > 0).ok_or(wrong)?);
            next = self.reader.next_element()?;
        }
        skip_rest(self.reader, next)?;
        Ok((identifier, last))
    }

    fn only_identifier(&mut self, start: &Start<'a>) -> Result<&'a [u8], RmProblem> {
        let identifier = self.identifier(start)?;
        let next = self.reader.next_element()?;
        skip_rest(self.reader, next)?;
        Ok(identifier)
    }

    /// A fault, whose start tag was just read. `header` is its `SequenceFault` (SOAP 1.1).
    pub(super) fn fault(
        &mut self,
        start: &Start<'a>,
        header: Option<SequenceFaultHeader<'a>>,
    ) -> Result<RmFaultSeen<'a>, RmProblem> {
        let scope = self.reader.scope().clone();
        let view = read_fault(self.reader, start)?;
        let mut identifier = None;
        if let Some(detail) = view.detail {
            let mut inside = Reader::resume(self.reader.buffer(), detail, &scope, self.limits)?;
            // Two steps in: `Detail`, and its first child.
            if inside.next_element()?.is_some()
                && let Some(child) = inside.next_element()?
                && child.name.namespace == self.namespace().as_bytes()
            {
                identifier = detail_identifier(self.versions.reliable, &mut inside, &child, self.scratch)?;
            }
        }
        let namespace = self.namespace().as_bytes();
        let code = header.filter(|header| !header.code.is_empty());
        let (subcode, identifier) = match code {
            Some(header) => (Some(Name { namespace, local: header.code }), header.identifier),
            None => (view.subcode, identifier),
        };
        let reason = match &view.reason {
            // For people: as it is written, rather than not at all.
            Some(text) => self.scratch.text(text).unwrap_or_else(|_| text.raw()),
            None => &[],
        };
        let kind = subcode.and_then(|name| self.kind(&view, name, identifier.is_some()));
        Ok(RmFaultSeen { code: view.code, kind, identifier, reason })
    }

    /// What WCF takes a fault for. A fault of WS-ReliableMessaging that it does not know, but that names a sequence, is
    /// the end of that sequence.
    fn kind(&self, view: &FaultView<'_>, name: Name<'_>, detail: bool) -> Option<RmFaultKind> {
        if name.is(self.versions.addressing.namespace(), "EndpointUnavailable") {
            return Some(RmFaultKind::EndpointUnavailable);
        }
        if name.is(self.versions.addressing.namespace(), "ActionNotSupported") {
            return Some(RmFaultKind::ActionNotSupported);
        }
        if name.namespace != self.namespace().as_bytes() {
            return None;
        }
        let sender = view.code == FaultCode::Sender;
        let v11 = self.versions.reliable == RmVersion::V11;
        match name.local {
            b"CreateSequenceRefused" => {
                let busy = view.nested.is_some_and(|nested| nested.is(NETRM, "ConnectionLimitReached"));
                Some(if busy { RmFaultKind::ConnectionLimitReached } else { RmFaultKind::CreateSequenceRefused })
            }
            b"WsrmRequired" if v11 => Some(RmFaultKind::WsrmRequired),
            b"InvalidAcknowledgement" if sender => Some(RmFaultKind::InvalidAcknowledgement),
            b"MessageNumberRollover" if sender => Some(RmFaultKind::MessageNumberRollover),
            b"UnknownSequence" if sender => Some(RmFaultKind::UnknownSequence),
            b"LastMessageNumberExceeded" if sender && !v11 => Some(RmFaultKind::LastMessageNumberExceeded),
            b"SequenceClosed" if sender && v11 => Some(RmFaultKind::SequenceClosed),
            b"SequenceTerminated" => Some(RmFaultKind::SequenceTerminated),
            _ => detail.then_some(RmFaultKind::SequenceTerminated),
        }
    }
}

impl IncompleteSequenceBehavior {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::DiscardEntireSequence, Self::DiscardFollowingFirstGap, Self::NoDiscard];

    /// Its text on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DiscardEntireSequence => "DiscardEntireSequence",
            Self::DiscardFollowingFirstGap => "DiscardFollowingFirstGap",
            Self::NoDiscard => "NoDiscard",
        }
    }
}
