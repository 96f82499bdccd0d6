//! The messages that a client writes.

use super::client::{Client, ClientWant};
use super::common::{Common, Shape};
use super::frame::{Acknowledgement, Frame, FrameAction, FrameBody};
use super::outbound::Outbound;
use super::source::{Item, Slot};
use super::version::{RmAction, RmVersion};
use crate::chance::{Entropy, Uuid};
use crate::exchange::Outgoing;
use crate::soap::AddressingVersion;

/// A message with nothing in it but its action and where it goes.
pub(super) const fn bare<'a>(action: FrameAction<'a>, to: Option<&'a [u8]>) -> Frame<'a> {
    Frame {
        action,
        message_id: None,
        relates_to: None,
        not_understood: None,
        reply_to: None,
        to,
        sequence: None,
        acknowledgement: None,
        ack_requested: None,
        uses_sequence_str: false,
        order: super::frame::HeaderOrder::AcknowledgementFirst,
        body: FrameBody::Empty,
    }
}

/// The frame of a numbered message: the application's, or LastMessage.
pub(super) fn numbered<'a, P: Outgoing, const WINDOW: usize>(
    outbound: &'a Outbound<P, WINDOW>,
    number: u64,
    reply_to: &'a [u8],
    to: &'a [u8],
) -> Option<Frame<'a>> {
    let slot: &Slot<P> = outbound.source.slot(number)?;
    let identifier = &outbound.source.identifier;
    let last = matches!(slot.item, Some(Item::Last));
    let frame = match slot.item.as_ref()? {
        Item::Message(message) => {
            let two_way = message.two_way();
            Frame {
                message_id: two_way.then_some(slot.message_id),
                reply_to: two_way.then_some(reply_to),
                relates_to: message.relates_to(),
                not_understood: message.not_understood(),
                body: FrameBody::Payload(message.body()),
                ..bare(FrameAction::Application(message.action()), Some(to))
            }
        }
        Item::Last => bare(FrameAction::Rm(RmAction::LastMessage), Some(to)),
    };
    Some(Frame {
        sequence: Some(super::frame::SequencePlace { identifier, number, last }),
        ack_requested: slot.ack_requested.then_some(identifier),
        ..frame
    })
}

pub(super) fn frame<P, E, const WINDOW: usize, const RANGES: usize, const EXCHANGES: usize>(
    client: &Client<P, E, WINDOW, RANGES, EXCHANGES>,
    want: ClientWant,
) -> Option<Frame<'_>>
where
    P: Outgoing,
    E: Entropy,
{
    let common = &client.common;
    let to = client.addresses.to.as_slice();
    let anonymous = common.settings.addressing.anonymous().as_bytes();
    let local = client.addresses.local.as_deref();
    // Requests of the protocol say ReplyTo only where it says something: absent means anonymous in WS-Addressing 1.0.
    let explicit = common.settings.addressing == AddressingVersion::August2004;
    let reply_to = local.or_else(|| explicit.then_some(anonymous));
    let of = |action| bare(FrameAction::Rm(action), Some(to));
    let request = |message_id: Uuid, action, body| Frame { message_id: Some(message_id), reply_to, body, ..of(action) };
    let outbound = common.outbound.as_ref();
    let acknowledgement = acknowledgement(common, want);
    let frame = match want {
        ClientWant::Fault => {
            let fault = common.owed.fault.as_ref()?;
            let sends = outbound.map(|outbound| &outbound.source.identifier);
            return Some(super::faults::frame(common, fault, sends, Some(to)));
        }
        ClientWant::Create => Frame {
            uses_sequence_str: common.version() == RmVersion::V11 && !client.token_reference.is_empty(),
            ..request(
                client.creating.as_ref()?.message_id,
                RmAction::CreateSequence,
                FrameBody::CreateSequence {
                    acks_to: local.unwrap_or(anonymous),
                    offer: client.offer.as_ref().map(|offer| (offer, common.settings.behavior())),
                    token_reference: Some(client.token_reference.as_slice()).filter(|bytes| !bytes.is_empty()),
                },
            )
        },
        ClientWant::CloseResponse | ClientWant::TerminateResponse => return response(common, want, Some(to)),
        ClientWant::Message(number) => numbered(outbound?, number, local.unwrap_or(anonymous), to)?,
        ClientWant::Close | ClientWant::Terminate => {
            let ending = ending(outbound?, want == ClientWant::Close)?;
            let message_id = if want == ClientWant::Terminate && is_one_way_terminate(common) {
                None
            } else {
                Some(outbound?.requestor.as_ref()?.message_id)
            };
            let reply_to = message_id.and(reply_to);
            Frame { message_id, reply_to, body: ending.1, ..of(ending.0) }
        }
        ClientWant::Acknowledge => of(RmAction::SequenceAcknowledgement),
        ClientWant::Ask | ClientWant::Poll => {
            Frame { ack_requested: Some(&outbound?.source.identifier), ..of(RmAction::AckRequested) }
        }
    };
    Some(Frame { acknowledgement, ..frame })
}

/// February 2005 over a connection, or one way: nothing answers a TerminateSequence.
pub(super) fn is_one_way_terminate<P: Outgoing, E: Entropy, const WINDOW: usize, const RANGES: usize>(
    common: &Common<P, E, WINDOW, RANGES>,
) -> bool {
    common.version() == RmVersion::February2005 && common.shape != Shape::RequestReply
}

/// CloseSequence or TerminateSequence of the sequence that this side sends.
pub(super) fn ending<P, const WINDOW: usize>(
    outbound: &Outbound<P, WINDOW>,
    close: bool,
) -> Option<(RmAction, FrameBody<'_>)> {
    let identifier = &outbound.source.identifier;
    let last = outbound.last_number();
    Some(if close {
        (RmAction::CloseSequence, FrameBody::CloseSequence { identifier, last })
    } else {
        (RmAction::TerminateSequence, FrameBody::TerminateSequence { identifier, last })
    })
}

/// The answer to CloseSequence or TerminateSequence on a duplex session.
pub(super) fn response<'a, P: Outgoing, E: Entropy, const WINDOW: usize, const RANGES: usize>(
    common: &'a Common<P, E, WINDOW, RANGES>,
    want: ClientWant,
    to: Option<&'a [u8]>,
) -> Option<Frame<'a>> {
    let inbound = common.inbound.as_ref()?;
    let identifier = &inbound.identifier;
    let (action, request, body) = if want == ClientWant::CloseResponse {
        (RmAction::CloseSequenceResponse, &common.owed.close, FrameBody::CloseSequenceResponse(identifier))
    } else {
        (RmAction::TerminateSequenceResponse, &common.owed.terminate, FrameBody::TerminateSequenceResponse(identifier))
    };
    // What ends a sequence says that nothing more is taken, even when it came too early.
    let acknowledgement =
        Acknowledgement { is_final: common.version() == RmVersion::V11, ..common.acknowledgement(inbound) };
    Some(Frame {
        relates_to: Some(request.as_ref()?.as_bytes()),
        body,
        acknowledgement: Some(acknowledgement),
        ..bare(FrameAction::Rm(action), to)
    })
}

/// Which acknowledgement a client's message carries.
fn acknowledgement<P: Outgoing, E: Entropy, const WINDOW: usize, const RANGES: usize>(
    common: &Common<P, E, WINDOW, RANGES>,
    want: ClientWant,
) -> Option<Acknowledgement<'_>> {
    let inbound = common.inbound.as_ref()?;
    match want {
        ClientWant::Create | ClientWant::Fault => None,
        ClientWant::Acknowledge | ClientWant::CloseResponse | ClientWant::TerminateResponse => {
            Some(common.acknowledgement(inbound))
        }
        ClientWant::Message(_) | ClientWant::Close | ClientWant::Terminate | ClientWant::Ask | ClientWant::Poll => {
            if common.connection() {
                return common.piggyback().filter(|_| want.acknowledges());
            }
            // Replies are acknowledged in every request, without the client's room; the request that closes the sequence
            // under 1.1 says that they are all.
            let ending = matches!(want, ClientWant::Close | ClientWant::Terminate);
            let is_final = ending && common.version() == RmVersion::V11;
            let acknowledgement = Acknowledgement {
                identifier: &inbound.identifier,
                ranges: inbound.ranges(),
                is_final,
                buffer_remaining: None,
            };
            (is_final || !inbound.ranges().is_empty()).then_some(acknowledgement)
        }
    }
}
