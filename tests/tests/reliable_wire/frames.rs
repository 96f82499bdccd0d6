//! Frames with the facts of arrivals.

use soap_session_core::chance::Uuid;
use soap_session_core::reliable::{
    Acknowledgement, Arrival, FaultReason, Frame, FrameAction, FrameBody, HeaderOrder, Identifier,
    IncompleteSequenceBehavior, RmBody, RmFault, SequencePlace,
};
use soap_session_core::xml::Span;
use std::collections::BTreeMap;

/// Everything that a frame borrows.
pub(crate) struct Owned {
    identifiers: BTreeMap<Vec<u8>, Identifier>,
}

impl Owned {
    pub(crate) fn new(arrival: &Arrival<'_>) -> Self {
        let mut all: Vec<&[u8]> = Vec::new();
        all.extend(arrival.sequence.map(|sequence| sequence.identifier));
        all.extend(arrival.acknowledgement.as_ref().map(|ack| ack.identifier));
        all.extend(arrival.ack_requested);
        match arrival.body {
            RmBody::CreateSequence { offer, .. } => all.extend(offer.map(|offer| offer.identifier)),
            RmBody::CreateSequenceResponse { identifier, .. }
            | RmBody::CloseSequence { identifier, .. }
            | RmBody::CloseSequenceResponse { identifier }
            | RmBody::TerminateSequence { identifier, .. }
            | RmBody::TerminateSequenceResponse { identifier } => all.push(identifier),
            RmBody::None | RmBody::Fault(_) => {}
        }
        Self { identifiers: all.into_iter().map(|id| (id.to_vec(), Identifier::new(id).unwrap())).collect() }
    }

    fn get(&self, identifier: &[u8]) -> &Identifier {
        &self.identifiers[identifier]
    }
}

/// The frame with the facts of `arrival`. What an arrival does not tell (the order of headers, what of an ordered
/// sequence an initiator may discard, the reference to a token) is taken from the message.
pub(crate) fn frame<'f>(
    message: &'f [u8],
    arrival: &'f Arrival<'f>,
    body: Span,
    owned: &'f Owned,
    token_reference: Option<&'f [u8]>,
) -> Frame<'f> {
    let text = std::str::from_utf8(message).unwrap();
    let behavior = if text.contains(">NoDiscard<") {
        IncompleteSequenceBehavior::NoDiscard
    } else {
        IncompleteSequenceBehavior::DiscardFollowingFirstGap
    };
    let at = |tag: &str| text.find(tag).unwrap_or(usize::MAX);
    let order = if at("<r:Sequence ") < at("<r:SequenceAcknowledgement") && at("<r:SequenceAck") != usize::MAX {
        HeaderOrder::SequenceFirst
    } else {
        HeaderOrder::AcknowledgementFirst
    };
    let known_fault = matches!(arrival.body, RmBody::Fault(fault) if fault.kind.is_some());
    let frame_body = match arrival.body {
        RmBody::None if body.is_empty() => FrameBody::Empty,
        RmBody::None => FrameBody::Payload(body.of(message)),
        RmBody::CreateSequence { acks_to, offer, .. } => FrameBody::CreateSequence {
            acks_to,
            offer: offer.map(|offer| (owned.get(offer.identifier), behavior)),
            token_reference,
        },
        RmBody::CreateSequenceResponse { identifier, accept_acks_to } => FrameBody::CreateSequenceResponse {
            identifier: owned.get(identifier),
            expires: None,
            behavior,
            accept_acks_to,
        },
        RmBody::CloseSequence { identifier, last } => {
            FrameBody::CloseSequence { identifier: owned.get(identifier), last }
        }
        RmBody::CloseSequenceResponse { identifier } => FrameBody::CloseSequenceResponse(owned.get(identifier)),
        RmBody::TerminateSequence { identifier, last } => {
            FrameBody::TerminateSequence { identifier: owned.get(identifier), last }
        }
        RmBody::TerminateSequenceResponse { identifier } => FrameBody::TerminateSequenceResponse(owned.get(identifier)),
        RmBody::Fault(fault) => match fault.kind {
            Some(kind) => FrameBody::Fault(
                RmFault {
                    kind,
                    code: fault.code,
                    identifier: fault.identifier.unwrap_or_default(),
                    reason: FaultReason::Text(std::str::from_utf8(fault.reason).unwrap()),
                },
                None,
            ),
            None => FrameBody::Payload(body.of(message)),
        },
    };
    let action = match arrival.action {
        _ if known_fault => FrameAction::Fault,
        Some(action) => FrameAction::Rm(action),
        None => FrameAction::Application(arrival.action_uri),
    };
    let urn = |id: &[u8]| Uuid::parse(id.strip_prefix(b"urn:uuid:").unwrap()).unwrap();
    Frame {
        action,
        message_id: arrival.message_id.map(urn),
        relates_to: arrival.relates_to,
        reply_to: arrival.reply_to,
        to: arrival.to,
        sequence: arrival.sequence.map(|s| SequencePlace {
            identifier: owned.get(s.identifier),
            number: s.number,
            last: s.last,
        }),
        acknowledgement: arrival.acknowledgement.as_ref().map(|ack| Acknowledgement {
            identifier: owned.get(ack.identifier),
            ranges: ack.ranges.as_slice(),
            is_final: ack.is_final,
            buffer_remaining: ack.buffer_remaining,
        }),
        ack_requested: arrival.ack_requested.map(|id| owned.get(id)),
        not_understood: None,
        uses_sequence_str: arrival.uses_sequence_str,
        order,
        body: frame_body,
    }
}
