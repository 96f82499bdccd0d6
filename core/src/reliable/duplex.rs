//! What is heard on a duplex session, by either side: two sequences, acknowledgements at any time.

use super::arrival::{Arrival, RmBody};
use super::common::{Common, Heard};
use super::identifier::Identifier;
use super::reason::{SessionError, Violation};
use super::version::{RmAction, RmVersion};
use crate::chance::Entropy;
use crate::exchange::Outgoing;
use crate::time::Instant;

/// A message of the session. `remote` is the other side's address, if it has one. `Err` ends the session, and the other side is
/// to be told.
pub(super) fn hear<P: Outgoing, E: Entropy, const WINDOW: usize, const RANGES: usize>(
    common: &mut Common<P, E, WINDOW, RANGES>,
    now: Instant,
    arrival: &Arrival<'_>,
    remote: Option<&[u8]>,
) -> Result<Heard, SessionError> {
    if let Some(header) = &arrival.acknowledgement {
        common.hear_acknowledgement(now, header)?;
    }
    if arrival.sequence.is_some() {
        return common.hear_numbered(now, arrival);
    }
    if arrival.ack_requested.is_some()
        && let Some(inbound) = &mut common.inbound
    {
        inbound.owe(now);
    }
    let request = || arrival.message_id.and_then(Identifier::new);
    let sends =
        |identifier: &[u8]| common.outbound.as_ref().is_some_and(|outbound| outbound.source.identifier.is(identifier));
    match arrival.body {
        RmBody::CloseSequence { identifier, last } => {
            if sends(identifier) {
                return Err(SessionError::Violation(Violation::WrongDirection));
            }
            common.check_reply_to(arrival, remote)?;
            common.hear_close(last)?;
            common.owed.close = request();
        }
        RmBody::TerminateSequence { identifier, last } => {
            if sends(identifier) {
                return Err(SessionError::Violation(Violation::WrongDirection));
            }
            common.check_reply_to(arrival, remote)?;
            let verdict = common.hear_terminate(last);
            if common.version() == RmVersion::V11 {
                common.owed.terminate = request();
            }
            verdict?;
        }
        RmBody::CloseSequenceResponse { .. } => {
            if let Some(outbound) = &mut common.outbound {
                outbound.close_answered(now, &mut common.entropy);
            }
        }
        RmBody::TerminateSequenceResponse { .. } => {
            if let Some(outbound) = &mut common.outbound {
                outbound.terminate_answered();
            }
        }
        RmBody::None | RmBody::Fault(_) => match arrival.action {
            Some(RmAction::SequenceAcknowledgement | RmAction::AckRequested) => {}
            Some(_) | None => return Err(SessionError::Violation(Violation::UnexpectedMessage)),
        },
        // A repeated answer to the CreateSequence.
        RmBody::CreateSequenceResponse { .. } => {}
        RmBody::CreateSequence { .. } => return Err(SessionError::Violation(Violation::UnexpectedMessage)),
    }
    common.look_whether_over();
    Ok(Heard::Protocol)
}
