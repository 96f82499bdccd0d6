//! The faults that a session sends, with the reasons that WCF writes. Reasons are for people, not protocol.

use super::arrival::RmFaultKind;
use super::client_frames::bare;
use super::common::{Common, OwedFault};
use super::frame::{Acknowledgement, FaultReason, Frame, FrameAction, FrameBody, RmFault};
use super::identifier::Identifier;
use super::reason::{SessionError, Violation};
use crate::chance::Entropy;
use crate::exchange::Outgoing;

/// The message that tells the other side of `fault`.
pub(super) fn frame<'a, P: Outgoing, E: Entropy, const WINDOW: usize, const RANGES: usize>(
    common: &'a Common<P, E, WINDOW, RANGES>,
    fault: &'a OwedFault,
    to: Option<&'a [u8]>,
) -> Frame<'a> {
    let identifier = common.faulted_identifier(fault);
    let inbound = common.inbound.as_ref();
    let acknowledgement: Option<Acknowledgement<'_>> =
        inbound.filter(|_| fault.acknowledges).map(|inbound| common.acknowledgement(inbound));
    let body = RmFault { kind: fault.kind, code: fault.code, identifier, reason: reason(fault.kind, fault.error) };
    Frame {
        relates_to: fault.relates_to.as_ref().map(Identifier::as_bytes),
        acknowledgement,
        body: FrameBody::Fault(body, acknowledgement),
        ..bare(FrameAction::Fault, to)
    }
}

/// The reason of a fault.
pub(super) const fn reason(kind: RmFaultKind, error: Option<SessionError>) -> FaultReason<'static> {
    FaultReason::Text(match (kind, error) {
        (RmFaultKind::UnknownSequence, _) => "The value of wsrm:Identifier is not a known Sequence identifier.",
        (RmFaultKind::InvalidAcknowledgement, _) => {
            "The SequenceAcknowledgement violates the cumulative acknowledgement invariant."
        }
        (RmFaultKind::MessageNumberRollover, _) => "The maximum value for wsrm:MessageNumber has been exceeded.",
        (RmFaultKind::LastMessageNumberExceeded, _) => {
            "The value for wsrm:MessageNumber exceeds the value of the MessageNumber accompanying a LastMessage element \
             in this Sequence."
        }
        (RmFaultKind::SequenceClosed, _) => "The Sequence is closed and cannot accept new messages.",
        (RmFaultKind::CreateSequenceRefused, _) => "The request to create a reliable session has been refused.",
        (RmFaultKind::ConnectionLimitReached, _) => {
            "The request to create a reliable session has been refused by the RM Destination. The server is too busy to \
             process this request. Try again later."
        }
        (RmFaultKind::WsrmRequired, _) => {
            "The incoming message is not a WS-ReliableMessaging 1.1 message and could not be processed."
        }
        (RmFaultKind::ActionNotSupported, _) => "The action cannot be processed at the receiver.",
        (RmFaultKind::AddressingHeaderRequired, _) => {
            "A required header representing a Message Addressing Property is not present"
        }
        (RmFaultKind::EndpointUnavailable, _) => "The endpoint is not accepting new reliable sessions.",
        (RmFaultKind::SequenceTerminated, Some(error)) => terminated(error),
        (RmFaultKind::SequenceTerminated, None) => "The reliable session cannot continue.",
    })
}

const fn terminated(error: SessionError) -> &'static str {
    match error {
        SessionError::Inactive { .. } => "The inactivity timeout has been exceeded.",
        SessionError::RetriesExhausted { .. } => {
            "The maximum retry count has been exceeded with no response from the remote endpoint. The reliable session \
             was faulted."
        }
        SessionError::ReplyTimeout { .. } => {
            "The user of the remote endpoint's reliable session stopped waiting for a reply."
        }
        SessionError::Aborted | SessionError::CloseTimeout { .. } => {
            "Due to a user abort the reliable session cannot continue."
        }
        SessionError::StoppedListening => {
            "The user of the remote endpoint's reliable session expects no more messages and a new message arrived. Due \
             to this the reliable session cannot continue."
        }
        SessionError::UnansweredRequests => {
            "The reliable session was closed before all requests were answered. Due to this it cannot continue."
        }
        SessionError::Violation(violation) => match violation {
            Violation::EarlyTerminate => "A TerminateSequence came before all messages of the sequence had arrived.",
            Violation::RepliesUnacknowledged => {
                "The sequence is being ended before all replies were acknowledged. The reliable session cannot continue."
            }
            Violation::ReplyWithoutAcknowledgement => {
                "A reply came without a SequenceAcknowledgement. The reliable session cannot continue."
            }
            Violation::WrongDirection => {
                "The sequence to be closed or terminated is not one that the remote endpoint sends. The reliable session \
                 cannot continue."
            }
            Violation::ResponseUnrelated
            | Violation::OfferMismatch
            | Violation::AcksTo
            | Violation::UnexpectedAnswer
            | Violation::AcknowledgedNeverSent
            | Violation::AcknowledgementInconsistent
            | Violation::FinalAcknowledgementIncomplete
            | Violation::FinalAcknowledgementUnasked
            | Violation::BehindLast
            | Violation::LastNumberTooSmall
            | Violation::LastNumberChanged
            | Violation::ReplyTo
            | Violation::UnexpectedMessage => {
                "The remote endpoint sent a message that the reliable session does not allow."
            }
        },
        SessionError::Remote { .. }
        | SessionError::OpenTimeout { .. }
        | SessionError::Rollover
        | SessionError::Lower => "The reliable session cannot continue.",
    }
}
