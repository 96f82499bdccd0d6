//! The faults that a session sends, and their reasons, which are for people and not protocol.

use super::arrival::RmFaultKind;
use super::client_frames::bare;
use super::common::{Common, OwedFault};
use super::frame::{Acknowledgement, FaultReason, Frame, FrameAction, FrameBody, RmFault};
use super::identifier::Identifier;
use super::reason::{SessionError, Violation};
use super::reasons;
use crate::chance::Entropy;
use crate::exchange::Outgoing;

/// The message that tells the other side of `fault`. `sends`: the sequence that this side sends.
pub(super) fn frame<'a, P: Outgoing, E: Entropy, const WINDOW: usize, const RANGES: usize>(
    common: &'a Common<P, E, WINDOW, RANGES>,
    fault: &'a OwedFault,
    sends: Option<&'a Identifier>,
    to: Option<&'a [u8]>,
) -> Frame<'a> {
    let identifier = common.faulted_identifier(fault);
    let (ranges, is_final) = &common.blamed;
    let blamed = sends
        .filter(|_| fault.kind == RmFaultKind::InvalidAcknowledgement)
        .map(|identifier| Acknowledgement { identifier, ranges, is_final: *is_final, buffer_remaining: None });
    let inbound = common.inbound.as_ref();
    let acknowledgement: Option<Acknowledgement<'_>> =
        inbound.filter(|_| fault.acknowledges).map(|inbound| common.acknowledgement(inbound));
    let reason = match (fault.error, &fault.time) {
        (Some(SessionError::Inactive { .. }), Some(time)) => reasons::inactivity(time.as_bytes()),
        (error, _) => reason(fault.kind, error, &[]),
    };
    let body = RmFault { kind: fault.kind, code: fault.code, identifier, reason };
    Frame {
        relates_to: fault.relates_to.as_ref().map(Identifier::as_bytes),
        acknowledgement,
        body: FrameBody::Fault(body, blamed),
        ..bare(FrameAction::Fault, to)
    }
}

/// The reason of a fault. `value` is what it speaks of: the service's address, or an action.
pub(super) fn reason(kind: RmFaultKind, error: Option<SessionError>, value: &[u8]) -> FaultReason<'_> {
    let plain = FaultReason::Text;
    match (kind, error) {
        (RmFaultKind::UnknownSequence, _) => plain(reasons::UNKNOWN),
        (RmFaultKind::InvalidAcknowledgement, _) => plain(reasons::INVALID_ACKNOWLEDGEMENT),
        (RmFaultKind::MessageNumberRollover, _) => plain(reasons::ROLLOVER),
        (RmFaultKind::LastMessageNumberExceeded, _) => plain(reasons::LAST_EXCEEDED),
        (RmFaultKind::SequenceClosed, _) => plain(reasons::CLOSED),
        (RmFaultKind::CreateSequenceRefused, _) => {
            let [before, after] = reasons::REFUSED;
            FaultReason::With(before, &[], after)
        }
        (RmFaultKind::ConnectionLimitReached, _) => reasons::connection_limit(value),
        (RmFaultKind::WsrmRequired, _) => plain(reasons::REQUIRED),
        (RmFaultKind::EndpointUnavailable, _) => plain(reasons::UNAVAILABLE),
        (RmFaultKind::ActionNotSupported, _) => {
            let [before, after] = reasons::ACTION_NOT_SUPPORTED;
            FaultReason::With(before, value, after)
        }
        (RmFaultKind::AddressingHeaderRequired, _) => {
            plain("A required header representing a Message Addressing Property is not present")
        }
        (RmFaultKind::SequenceTerminated, Some(error)) => plain(terminated(error)),
        (RmFaultKind::SequenceTerminated, None) => plain("The reliable session cannot continue."),
    }
}

const fn terminated(error: SessionError) -> &'static str {
    match error {
        SessionError::RetriesExhausted { .. } => reasons::RETRIES,
        SessionError::ReplyTimeout { .. } => reasons::STOPPED_WAITING,
        SessionError::Aborted
        | SessionError::CloseTimeout { .. }
        | SessionError::Unsendable
        | SessionError::Unwritten(_) => reasons::ABORTED,
        SessionError::StoppedListening => reasons::CLOSING,
        SessionError::UnansweredRequests => {
            "The service closed its end before every request was answered. The reliable session cannot continue."
        }
        SessionError::Violation(violation) => match violation {
            Violation::EarlyTerminate => {
                "TerminateSequence came before all messages of the sequence. The reliable session cannot continue."
            }
            Violation::RepliesUnacknowledged => {
                "The sequence is being ended before all replies are acknowledged. The reliable session cannot continue."
            }
            Violation::ReplyWithoutAcknowledgement => {
                "A reply came without SequenceAcknowledgement. The reliable session cannot continue."
            }
            Violation::WrongDirection => {
                "The sequence to be ended is not one that the sender sends. The reliable session cannot continue."
            }
            Violation::LastNumberTooSmall => {
                "CloseSequence says a last number below one that has arrived. The reliable session cannot continue."
            }
            Violation::LastNumberChanged => {
                "TerminateSequence says another last number than CloseSequence. The reliable session cannot continue."
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
            | Violation::ReplyTo
            | Violation::UnexpectedMessage => {
                "A message came that the reliable session does not allow. The reliable session cannot continue."
            }
        },
        SessionError::Inactive { .. }
        | SessionError::Remote { .. }
        | SessionError::OpenTimeout { .. }
        | SessionError::Rollover
        | SessionError::Lower => "The reliable session cannot continue.",
    }
}
