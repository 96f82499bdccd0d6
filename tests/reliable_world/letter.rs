//! A message between two machines: what a `Frame` says, kept until it is delivered as an `Arrival`.

use soap_session_core::exchange::Outgoing;
use soap_session_core::reliable::{
    AcknowledgementHeader, Arrival, Frame, FrameAction, FrameBody, Identifier, Offer, Range, Ranges, RmAction, RmBody,
    RmFaultKind, RmFaultSeen, SequenceHeader,
};
use soap_session_core::soap::FaultCode;

/// What an application says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    /// Its text, different for every message of a world.
    pub text: Vec<u8>,
    /// Does it want a reply?
    pub two_way: bool,
}

impl Payload {
    /// A message without a reply.
    pub fn one_way(text: &str) -> Self {
        Self { text: text.into(), two_way: false }
    }

    /// A request.
    pub fn request(text: &str) -> Self {
        Self { text: text.into(), two_way: true }
    }
}

impl Outgoing for Payload {
    fn action(&self) -> &[u8] {
        b"urn:world/Say"
    }
    fn body(&self) -> &[u8] {
        &self.text
    }
    fn two_way(&self) -> bool {
        self.two_way
    }
}

/// A `SequenceAcknowledgement`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ack {
    /// The sequence.
    pub identifier: Vec<u8>,
    /// Its ranges.
    pub ranges: Vec<Range>,
    /// `Final`.
    pub is_final: bool,
    /// `BufferRemaining`.
    pub room: Option<u32>,
}

/// What stands in the body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Nothing of the protocol.
    None,
    /// CreateSequence: `AcksTo`, offer.
    Create(Vec<u8>, Option<Vec<u8>>),
    /// CreateSequenceResponse: identifier, `Accept/AcksTo`.
    Created(Vec<u8>, Option<Vec<u8>>),
    /// CloseSequence.
    Close(Vec<u8>, Option<u64>),
    /// CloseSequenceResponse.
    Closed(Vec<u8>),
    /// TerminateSequence.
    Terminate(Vec<u8>, Option<u64>),
    /// TerminateSequenceResponse.
    Terminated(Vec<u8>),
    /// A fault.
    Fault(FaultCode, Option<RmFaultKind>, Option<Vec<u8>>),
}

/// A message under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// The action, if it is the protocol's.
    pub action: Option<RmAction>,
    /// `MessageID`.
    pub message_id: Option<Vec<u8>>,
    /// `RelatesTo`.
    pub relates_to: Option<Vec<u8>>,
    /// `To`.
    pub to: Option<Vec<u8>>,
    /// `ReplyTo`.
    pub reply_to: Option<Vec<u8>>,
    /// `Sequence`: identifier, number, last.
    pub sequence: Option<(Vec<u8>, u64, bool)>,
    /// `SequenceAcknowledgement`.
    pub ack: Option<Ack>,
    /// `AckRequested`.
    pub ack_requested: Option<Vec<u8>>,
    /// The body.
    pub body: Body,
    /// The application's content.
    pub text: Vec<u8>,
}

impl Letter {
    /// A letter that says nothing.
    pub const fn blank() -> Self {
        Self {
            action: None,
            message_id: None,
            relates_to: None,
            to: None,
            reply_to: None,
            sequence: None,
            ack: None,
            ack_requested: None,
            body: Body::None,
            text: Vec::new(),
        }
    }

    /// What this frame says.
    pub fn of(frame: &Frame<'_>) -> Self {
        let bytes = |identifier: &Identifier| identifier.as_bytes().to_vec();
        let body = match &frame.body {
            FrameBody::Empty | FrameBody::Payload(_) => Body::None,
            FrameBody::CreateSequence { acks_to, offer, .. } => {
                Body::Create(acks_to.to_vec(), offer.map(|(offer, _)| bytes(offer)))
            }
            FrameBody::CreateSequenceResponse { identifier, accept_acks_to, .. } => {
                Body::Created(bytes(identifier), accept_acks_to.map(<[u8]>::to_vec))
            }
            FrameBody::CloseSequence { identifier, last } => Body::Close(bytes(identifier), *last),
            FrameBody::CloseSequenceResponse(identifier) => Body::Closed(bytes(identifier)),
            FrameBody::TerminateSequence { identifier, last } => Body::Terminate(bytes(identifier), *last),
            FrameBody::TerminateSequenceResponse(identifier) => Body::Terminated(bytes(identifier)),
            FrameBody::Fault(fault, _) => {
                let identifier = Some(fault.identifier.to_vec()).filter(|identifier| !identifier.is_empty());
                Body::Fault(fault.code, Some(fault.kind), identifier)
            }
        };
        Self {
            action: match frame.action {
                FrameAction::Rm(action) => Some(action),
                FrameAction::Application(_) => None,
                FrameAction::Fault => Some(RmAction::Fault),
            },
            message_id: frame.message_id.map(|id| bytes(&Identifier::of(id))),
            relates_to: frame.relates_to.map(<[u8]>::to_vec),
            to: frame.to.map(<[u8]>::to_vec),
            reply_to: frame.reply_to.map(<[u8]>::to_vec),
            sequence: frame.sequence.map(|place| (bytes(place.identifier), place.number, place.last)),
            ack: frame.acknowledgement.map(|ack| Ack {
                identifier: bytes(ack.identifier),
                ranges: ack.ranges.to_vec(),
                is_final: ack.is_final,
                room: ack.buffer_remaining,
            }),
            ack_requested: frame.ack_requested.map(bytes),
            body,
            text: match frame.body {
                FrameBody::Payload(text) => text.to_vec(),
                _ => Vec::new(),
            },
        }
    }

    /// As a machine reads it.
    pub fn arrival(&self) -> Arrival<'_> {
        let body = match &self.body {
            Body::None => RmBody::None,
            Body::Create(acks_to, offer) => RmBody::CreateSequence {
                acks_to,
                expires: None,
                offer: offer.as_deref().map(|identifier| Offer { identifier, endpoint: Some(acks_to), expires: None }),
                token: None,
            },
            Body::Created(identifier, accept) => {
                RmBody::CreateSequenceResponse { identifier, accept_acks_to: accept.as_deref() }
            }
            Body::Close(identifier, last) => RmBody::CloseSequence { identifier, last: *last },
            Body::Closed(identifier) => RmBody::CloseSequenceResponse { identifier },
            Body::Terminate(identifier, last) => RmBody::TerminateSequence { identifier, last: *last },
            Body::Terminated(identifier) => RmBody::TerminateSequenceResponse { identifier },
            Body::Fault(code, kind, identifier) => {
                RmBody::Fault(RmFaultSeen { code: *code, kind: *kind, identifier: identifier.as_deref(), reason: b"" })
            }
        };
        Arrival {
            action_uri: if self.action.is_some() { b"urn:rm" } else { b"urn:world/Say" },
            action: self.action,
            message_id: self.message_id.as_deref(),
            relates_to: self.relates_to.as_deref(),
            to: self.to.as_deref(),
            reply_to: self.reply_to.as_deref(),
            sequence: self.sequence.as_ref().map(|(identifier, number, last)| SequenceHeader {
                identifier,
                number: *number,
                last: *last,
            }),
            acknowledgement: self.ack.as_ref().map(|ack| {
                let mut ranges = Ranges::new();
                for range in &ack.ranges {
                    let _ = ranges.merge(*range);
                }
                AcknowledgementHeader {
                    identifier: &ack.identifier,
                    ranges,
                    is_final: ack.is_final,
                    buffer_remaining: ack.room,
                }
            }),
            ack_requested: self.ack_requested.as_deref(),
            uses_sequence_str: false,
            uses_sequence_ssl: false,
            body,
        }
    }
}
