//! What a machine wants to say, before it is written.

use super::arrival::IncompleteSequenceBehavior;
use super::arrival::RmFaultKind;
use super::identifier::Identifier;
use super::ranges::Range;
use super::version::RmAction;
use crate::chance::Uuid;
use crate::soap::FaultCode;
use crate::soap::fault::QName;

/// `SequenceAcknowledgement` to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acknowledgement<'a> {
    /// The sequence.
    pub identifier: &'a Identifier,
    /// Its ranges. Empty: February 2005 writes the range 0 to 0, 1.1 writes `None`.
    pub ranges: &'a [Range],
    /// `Final` (1.1).
    pub is_final: bool,
    /// `netrm:BufferRemaining`.
    pub buffer_remaining: Option<u32>,
}

/// `Sequence` to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SequencePlace<'a> {
    /// The sequence.
    pub identifier: &'a Identifier,
    /// The number.
    pub number: u64,
    /// `LastMessage` (February 2005).
    pub last: bool,
}

/// A fault to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RmFault<'a> {
    /// What.
    pub kind: RmFaultKind,
    /// Who is to blame, as the reference says of each kind.
    pub code: FaultCode,
    /// The sequence: `Identifier` of the detail.
    pub identifier: &'a [u8],
    /// For people.
    pub reason: FaultReason<'a>,
}

/// The reasons that WCF writes. They are not protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultReason<'a> {
    /// As it is.
    Text(&'a str),
    /// A text, a value and the rest of the text.
    With(&'a str, &'a [u8], &'a str),
}

/// What stands in the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameBody<'a> {
    /// Nothing.
    Empty,
    /// The application's: content of the payload.
    Payload(&'a [u8]),
    /// CreateSequence.
    CreateSequence {
        /// `AcksTo`, and `Offer/Endpoint` (1.1).
        acks_to: &'a [u8],
        /// `Offer`, with the behaviour (1.1).
        offer: Option<(&'a Identifier, IncompleteSequenceBehavior)>,
        /// The `SecurityTokenReference` to the conversation's token: XML, as the token's version writes it.
        token_reference: Option<&'a [u8]>,
    },
    /// CreateSequenceResponse.
    CreateSequenceResponse {
        /// `Identifier`.
        identifier: &'a Identifier,
        /// `Expires`, echoed.
        expires: Option<&'a [u8]>,
        /// The behaviour (1.1).
        behavior: IncompleteSequenceBehavior,
        /// `Accept/AcksTo`, if something was offered and accepted.
        accept_acks_to: Option<&'a [u8]>,
    },
    /// CloseSequence (1.1).
    CloseSequence {
        /// `Identifier`.
        identifier: &'a Identifier,
        /// `LastMsgNumber`; absent when no message was sent.
        last: Option<u64>,
    },
    /// CloseSequenceResponse (1.1).
    CloseSequenceResponse(&'a Identifier),
    /// TerminateSequence.
    TerminateSequence {
        /// `Identifier`.
        identifier: &'a Identifier,
        /// `LastMsgNumber` (1.1).
        last: Option<u64>,
    },
    /// TerminateSequenceResponse (1.1).
    TerminateSequenceResponse(&'a Identifier),
    /// A fault. InvalidAcknowledgement holds the whole acknowledgement in its detail.
    Fault(RmFault<'a>, Option<Acknowledgement<'a>>),
}

/// The action of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameAction<'a> {
    /// The protocol's.
    Rm(RmAction),
    /// The application's.
    Application(&'a [u8]),
    /// A fault's: [`RmVersion::fault_action`](super::RmVersion::fault_action), or addressing's for EndpointUnavailable.
    Fault,
}

/// In which order the headers of the protocol stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderOrder {
    /// SequenceAcknowledgement, AckRequested, Sequence: requests, and both ways of a duplex session.
    AcknowledgementFirst,
    /// Sequence, SequenceAcknowledgement: answers of a reply session.
    SequenceFirst,
}

/// One message to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// The action.
    pub action: FrameAction<'a>,
    /// `MessageID`.
    pub message_id: Option<Uuid>,
    /// `RelatesTo`.
    pub relates_to: Option<&'a [u8]>,
    /// `NotUnderstood`, of SOAP 1.2.
    pub not_understood: Option<QName<'a>>,
    /// `ReplyTo/Address`.
    pub reply_to: Option<&'a [u8]>,
    /// `To`.
    pub to: Option<&'a [u8]>,
    /// `Sequence`.
    pub sequence: Option<SequencePlace<'a>>,
    /// `SequenceAcknowledgement`.
    pub acknowledgement: Option<Acknowledgement<'a>>,
    /// `AckRequested`.
    pub ack_requested: Option<&'a Identifier>,
    /// `UsesSequenceSTR` (1.1, under a secure conversation).
    pub uses_sequence_str: bool,
    /// The order of the headers.
    pub order: HeaderOrder,
    /// The body.
    pub body: FrameBody<'a>,
}
