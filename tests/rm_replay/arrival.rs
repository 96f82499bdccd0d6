//! A recorded envelope as our machines read one.

use super::names::Names;
use crate::rm_story::{Body, Envelope, Fault};
use soap_session_core::reliable::{
    AcknowledgementHeader, Arrival, Offer, Range, Ranges, RmBody, RmFaultKind, RmFaultSeen, RmVersion, SequenceHeader,
};
use soap_session_core::soap::FaultCode;

fn keep(text: String) -> &'static [u8] {
    String::leak(text).as_bytes()
}

/// What the machine of this version reads in a recorded envelope. Strings are leaked: a test is short.
pub fn arrival(envelope: &Envelope, version: RmVersion, names: &mut Names) -> Arrival<'static> {
    let mut id = |text: &str| keep(names.to_ours(text));
    let text = |text: &str| keep(text.to_owned());
    // Headers and bodies of the other version are nothing to it.
    let known = envelope.version.is_none_or(|of| of == version);
    let mut arrival = Arrival {
        action_uri: text(&envelope.action),
        action: version.from_action(envelope.action.as_bytes()),
        message_id: envelope.message_id.as_deref().map(&mut id),
        relates_to: envelope.relates_to.as_deref().map(&mut id),
        to: envelope.to.as_deref().map(text),
        reply_to: envelope.reply_to.as_deref().map(text),
        sequence: None,
        acknowledgement: None,
        ack_requested: None,
        uses_sequence_str: envelope.uses_sequence_str && known,
        uses_sequence_ssl: false,
        body: RmBody::None,
    };
    if known {
        arrival.sequence = envelope.sequence.as_ref().map(|sequence| SequenceHeader {
            identifier: id(&sequence.id),
            number: sequence.number,
            last: sequence.last,
        });
        arrival.acknowledgement = envelope.acknowledgements.first().map(|ack| {
            let mut ranges = Ranges::new();
            for &(lower, upper) in ack.ranges.iter().filter(|range| range.1 > 0) {
                assert!(ranges.merge(Range { lower, upper }), "too many ranges");
            }
            AcknowledgementHeader { identifier: id(&ack.id), ranges, is_final: ack.last, buffer_remaining: ack.buffer }
        });
        arrival.ack_requested = envelope.ack_requested.as_deref().map(&mut id);
    }
    if known || envelope.fault().is_some() {
        arrival.body = body(envelope, &mut id);
    }
    arrival
}

fn body(envelope: &Envelope, id: &mut impl FnMut(&str) -> &'static [u8]) -> RmBody<'static> {
    let text = |text: &str| keep(text.to_owned());
    match &envelope.body {
        Body::Empty | Body::Other { .. } => RmBody::None,
        Body::CreateSequence { acks_to, expires, offer, token_reference } => RmBody::CreateSequence {
            acks_to: text(acks_to),
            expires: expires.as_deref().map(text),
            offer: offer.as_ref().map(|offer| Offer {
                identifier: id(&offer.id),
                endpoint: offer.endpoint.as_deref().map(text),
                expires: None,
            }),
            token: token_reference.then(|| text(envelope.conversation.as_deref().unwrap_or_default())),
        },
        Body::CreateSequenceResponse { id: of, accept_acks_to, .. } => {
            RmBody::CreateSequenceResponse { identifier: id(of), accept_acks_to: accept_acks_to.as_deref().map(text) }
        }
        Body::CloseSequence(end) => RmBody::CloseSequence { identifier: id(&end.id), last: end.last },
        Body::CloseSequenceResponse(end) => RmBody::CloseSequenceResponse { identifier: id(&end.id) },
        Body::TerminateSequence(end) => RmBody::TerminateSequence { identifier: id(&end.id), last: end.last },
        Body::TerminateSequenceResponse(end) => RmBody::TerminateSequenceResponse { identifier: id(&end.id) },
        Body::Fault(fault) => {
            let (kind, code) = fault_kind(fault);
            let identifier = fault.identifier.as_deref().map(id);
            RmBody::Fault(RmFaultSeen { code, kind, identifier, reason: text(&fault.reason) })
        }
    }
}

/// What a recorded fault is.
pub(super) fn fault_kind(fault: &Fault) -> (Option<RmFaultKind>, FaultCode) {
    let named = |local: &str| {
        Some(match local {
            "SequenceTerminated" => RmFaultKind::SequenceTerminated,
            "UnknownSequence" => RmFaultKind::UnknownSequence,
            "InvalidAcknowledgement" => RmFaultKind::InvalidAcknowledgement,
            "MessageNumberRollover" => RmFaultKind::MessageNumberRollover,
            "LastMessageNumberExceeded" => RmFaultKind::LastMessageNumberExceeded,
            "SequenceClosed" => RmFaultKind::SequenceClosed,
            "CreateSequenceRefused" => RmFaultKind::CreateSequenceRefused,
            "ConnectionLimitReached" => RmFaultKind::ConnectionLimitReached,
            "WsrmRequired" => RmFaultKind::WsrmRequired,
            "EndpointUnavailable" => RmFaultKind::EndpointUnavailable,
            "ActionNotSupported" => RmFaultKind::ActionNotSupported,
            "MessageAddressingHeaderRequired" => RmFaultKind::AddressingHeaderRequired,
            _ => return None,
        })
    };
    let codes = fault.sequence_fault.iter().chain(fault.codes.iter().rev());
    let kind = codes.clone().find_map(|code| named(&code.local));
    let code = match fault.codes.first().map(|code| code.local.as_str()) {
        Some("Sender" | "Client") => FaultCode::Sender,
        Some("Receiver" | "Server") => FaultCode::Receiver,
        Some("MustUnderstand") => FaultCode::MustUnderstand,
        Some("VersionMismatch") => FaultCode::VersionMismatch,
        Some(_) | None => FaultCode::Other,
    };
    (kind, code)
}
