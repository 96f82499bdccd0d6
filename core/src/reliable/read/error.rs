//! Why a message cannot be taken, and what WCF answers.

use core::fmt;

use crate::reliable::reasons;
use crate::reliable::version::{RmVersion, Versions};
use crate::soap::fault::{FaultAction, QName, Reason};
use crate::soap::{Fault, FaultCode, SoapError};
use crate::xml::{self, Span};

/// What is wrong with a message. All but `Scratch` are the sender's doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RmProblem {
    /// Not XML, or an addressing header or a fault that cannot be taken.
    Soap(SoapError),
    /// Not an envelope of the SOAP version that was agreed.
    NotSoap {
        /// Byte offset of the element that stands there instead.
        offset: u32,
    },
    /// More header blocks than are looked at.
    TooManyHeaders {
        /// How many are.
        limit: u16,
    },
    /// A header block of WS-ReliableMessaging that stands twice.
    Duplicate {
        /// Its local name.
        element: &'static str,
        /// Byte offset of the second one.
        offset: u32,
    },
    /// An element that must be there is not.
    Missing {
        /// Its local name.
        element: &'static str,
        /// Byte offset of what stands there instead, or of the element that should hold it.
        offset: u32,
    },
    /// An element that cannot stand here.
    Misplaced {
        /// The local name of the element that holds it.
        inside: &'static str,
        /// Its byte offset.
        offset: u32,
    },
    /// Not a number, or out of its bounds: 1 to 2^63 - 1 for message numbers.
    Number {
        /// The element that holds it.
        element: &'static str,
        /// Byte offset of the element.
        offset: u32,
    },
    /// An `AcknowledgementRange` whose bounds are not numbers, are turned round, or hold a 0 that may not be there.
    Range {
        /// Its byte offset.
        offset: u32,
    },
    /// More separate ranges than an acknowledgement may have.
    TooManyRanges {
        /// Byte offset of the one too many.
        offset: u32,
        /// How many are allowed.
        limit: u16,
    },
    /// A value that the element cannot have.
    Value {
        /// The element that holds it.
        element: &'static str,
        /// Its byte offset.
        offset: u32,
    },
    /// An identifier that is empty or longer than `limit` bytes.
    Identifier {
        /// Byte offset of its element.
        offset: u32,
        /// How long it may be.
        limit: u16,
    },
    /// `Offer/Endpoint` is not `AcksTo` (1.1).
    EndpointDiffers,
    /// `AcksTo` is not `ReplyTo`.
    AcksToDiffers,
    /// A required addressing header is not there.
    NoHeader {
        /// Its local name.
        header: &'static str,
    },
    /// A message of the protocol whose body is empty.
    EmptyBody,
    /// Neither `Sequence` nor any other sign of this version of WS-ReliableMessaging.
    NotReliable,
    /// There is not enough room for values with references in them: lend more.
    Scratch {
        /// Byte offset of the value that did not fit.
        offset: u32,
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that are left.
        have: usize,
    },
}

impl From<SoapError> for RmProblem {
    fn from(error: SoapError) -> Self {
        Self::Soap(error)
    }
}

impl From<xml::Error> for RmProblem {
    fn from(error: xml::Error) -> Self {
        Self::Soap(SoapError::Xml(error))
    }
}

impl fmt::Display for RmProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Soap(error) => error.fmt(f),
            Self::NotSoap { offset } => write!(f, "no envelope of the configured SOAP version at byte {offset}"),
            Self::TooManyHeaders { limit } => write!(f, "more than {limit} header blocks"),
            Self::Duplicate { element, offset } => write!(f, "a second header block {element} at byte {offset}"),
            Self::Missing { element, offset } => write!(f, "{element} was due at byte {offset}"),
            Self::Misplaced { inside, offset } => {
                write!(f, "the element at byte {offset} cannot stand at this place of {inside}")
            }
            Self::Number { element, offset } => {
                write!(f, "{element} at byte {offset} holds no number from its range (at most 2^63 - 1)")
            }
            Self::Range { offset } => {
                write!(
                    f,
                    "the AcknowledgementRange at byte {offset} needs Lower and Upper, 1 or more and in this order"
                )
            }
            Self::TooManyRanges { offset, limit } => {
                write!(f, "the AcknowledgementRange at byte {offset} is one more than the {limit} that are taken")
            }
            Self::Value { element, offset } => write!(f, "{element} at byte {offset} has a value that it cannot have"),
            Self::Identifier { offset, limit } => {
                write!(f, "the identifier at byte {offset} is empty or longer than {limit} bytes")
            }
            Self::EndpointDiffers => f.write_str("Offer/Endpoint and AcksTo differ; WCF wants one address"),
            Self::AcksToDiffers => f.write_str("AcksTo and ReplyTo differ; WCF wants one address"),
            Self::NoHeader { header } => {
                write!(f, "{header} is missing; WS-Addressing requires it on this message of WS-ReliableMessaging")
            }
            Self::EmptyBody => f.write_str("the body is empty, but the action says that it is not"),
            Self::NotReliable => f.write_str("no message of the configured version of WS-ReliableMessaging"),
            Self::Scratch { offset, needed, have } => {
                write!(f, "the value at byte {offset} needs {needed} bytes of scratch, {have} are left")
            }
        }
    }
}

/// What WCF answers to a message that it cannot take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RmAnswer {
    /// Nothing.
    Nothing,
    /// The fault CreateSequenceRefused, which blames the sender.
    CreateSequenceRefused,
    /// Addressing's fault about a header that is required.
    AddressingHeaderRequired,
    /// Addressing's fault about a header that stands twice.
    InvalidAddressingHeader,
    /// Addressing's fault ActionNotSupported (February 2005).
    ActionNotSupported,
    /// The fault WsrmRequired (1.1).
    WsrmRequired,
    /// The fault MustUnderstand about this header block of WS-ReliableMessaging, whether it was marked so or not.
    MustUnderstand(&'static str),
}

/// Why a message was not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RmReadError {
    /// What is wrong.
    pub problem: RmProblem,
    /// What WCF answers.
    pub answer: RmAnswer,
    /// Where the text of `Action` is written, for the answer; empty if it is not known.
    pub action: Span,
    /// Where the text of `MessageID` is written, for `RelatesTo` of the answer; empty if it is not known.
    pub message_id: Span,
}

impl RmReadError {
    /// The fault that WCF answers, to be written with [`write_fault_envelope`](crate::soap::fault::write_fault_envelope)
    /// or sealed; `None` where it answers nothing. `action` is the action of the message.
    pub fn fault<'a>(&self, versions: Versions, action: &'a [u8]) -> Option<Fault<'a>> {
        let rm = FaultAction::Uri(versions.reliable.fault_action(versions.addressing));
        match self.answer {
            RmAnswer::Nothing => None,
            RmAnswer::CreateSequenceRefused => {
                let [before, after] = reasons::REFUSED;
                let reason = Reason::with(before, self.refusal().as_bytes(), after);
                Some(fault(versions.reliable.namespace(), "CreateSequenceRefused", reason, rm))
            }
            RmAnswer::AddressingHeaderRequired => Some(Fault::addressing_header_required(versions.addressing)),
            RmAnswer::InvalidAddressingHeader => Some(Fault::invalid_addressing_header(versions.addressing, true)),
            RmAnswer::ActionNotSupported => {
                let [before, after] = reasons::ACTION_NOT_SUPPORTED;
                let reason = Reason::with(before, action, after);
                Some(fault(versions.addressing.namespace(), "ActionNotSupported", reason, FaultAction::Addressing))
            }
            RmAnswer::WsrmRequired => {
                Some(fault(versions.reliable.namespace(), "WsrmRequired", Reason::plain(reasons::REQUIRED), rm))
            }
            RmAnswer::MustUnderstand(local) => {
                Some(Fault::must_understand(QName { namespace: versions.reliable.namespace(), local }))
            }
        }
    }

    /// The sentence in the middle of the reason of CreateSequenceRefused.
    const fn refusal(&self) -> &'static str {
        match self.problem {
            RmProblem::EndpointDiffers => "The Endpoint of the Offer must be the AcksTo of the request.",
            RmProblem::AcksToDiffers => "The AcksTo of the request must be its ReplyTo.",
            RmProblem::EmptyBody => "The body of the request is empty.",
            RmProblem::Soap(_)
            | RmProblem::NotSoap { .. }
            | RmProblem::TooManyHeaders { .. }
            | RmProblem::Duplicate { .. }
            | RmProblem::Missing { .. }
            | RmProblem::Misplaced { .. }
            | RmProblem::Number { .. }
            | RmProblem::Range { .. }
            | RmProblem::TooManyRanges { .. }
            | RmProblem::Value { .. }
            | RmProblem::Identifier { .. }
            | RmProblem::NoHeader { .. }
            | RmProblem::NotReliable
            | RmProblem::Scratch { .. } => "The request could not be read.",
        }
    }
}

fn fault<'a>(namespace: &'a str, local: &'a str, reason: Reason<'a>, action: FaultAction) -> Fault<'a> {
    Fault {
        code: FaultCode::Sender,
        subcode: Some(QName { namespace, local }),
        nested: None,
        reason,
        lang: "en-US",
        action,
        detail: &[],
        not_understood: None,
    }
}

impl RmVersion {
    /// What WCF answers to a message that is none of this version.
    pub(super) const fn stranger(self) -> RmAnswer {
        match self {
            Self::February2005 => RmAnswer::ActionNotSupported,
            Self::V11 => RmAnswer::WsrmRequired,
        }
    }
}

impl fmt::Display for RmReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl core::error::Error for RmReadError {}
