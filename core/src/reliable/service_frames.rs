//! The messages that a service writes.

use super::client::ClientWant;
use super::client_frames::{bare, ending, is_one_way_terminate, numbered, response};
use super::common::Shape;
use super::frame::{Acknowledgement, Frame, FrameAction, FrameBody, HeaderOrder, SequencePlace};
use super::identifier::Identifier;
use super::ranges::Range;
use super::service::{Holding, RequestState, Service, ServiceWant};
use super::version::{RmAction, RmVersion};
use crate::exchange::{Exchange, Outgoing};
use crate::soap::AddressingVersion;

pub(super) fn frame<P, const WINDOW: usize, const RANGES: usize, const REQUESTS: usize, const EXCHANGES: usize>(
    service: &Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>,
    want: ServiceWant,
) -> Option<Frame<'_>>
where
    P: Outgoing,
{
    let common = &service.common;
    let to = service.to();
    let of = |action| bare(FrameAction::Rm(action), to);
    let outbound = common.outbound.as_ref();
    let frame = match want {
        ServiceWant::Answer(exchange) => return service.answer(exchange),
        ServiceWant::Empty(_) | ServiceWant::Drop(_) => return None,
        ServiceWant::Fault => {
            return Some(super::faults::frame(common, common.owed.fault.as_ref()?, service.offer.as_ref(), to));
        }
        ServiceWant::CreateResponse => return service.create_response(service.created_by.as_ref()),
        ServiceWant::CloseResponse => return response(common, ClientWant::CloseResponse, to),
        ServiceWant::TerminateResponse => return response(common, ClientWant::TerminateResponse, to),
        ServiceWant::Ask => Frame { ack_requested: Some(&outbound?.source.identifier), ..of(RmAction::AckRequested) },
        ServiceWant::Message(number) => numbered(outbound?, number, &service.address, to?)?,
        ServiceWant::Close | ServiceWant::Terminate => {
            let (action, body) = ending(outbound?, want == ServiceWant::Close)?;
            let asks = want == ServiceWant::Close || !is_one_way_terminate(common);
            let requestor = outbound?.requestor.as_ref().filter(|_| asks);
            Frame {
                message_id: requestor.map(|requestor| requestor.message_id),
                reply_to: requestor.map(|_| service.address.as_slice()),
                body,
                ..of(action)
            }
        }
        ServiceWant::Acknowledge => {
            let acknowledgement = Some(common.acknowledgement(common.inbound.as_ref()?));
            return Some(Frame { acknowledgement, ..of(RmAction::SequenceAcknowledgement) });
        }
    };
    Some(Frame { acknowledgement: common.piggyback().filter(|_| want.acknowledges()), ..frame })
}

impl<P: Outgoing, const WINDOW: usize, const RANGES: usize, const REQUESTS: usize, const EXCHANGES: usize>
    Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>
{
    /// Messages of a duplex session always say where they go; answers of an exchange only under the August 2004 version.
    pub(super) fn to(&self) -> Option<&[u8]> {
        let settings = &self.common.settings;
        let anonymous = settings.addressing.anonymous().as_bytes();
        match (self.common.shape, settings.addressing) {
            (Shape::Duplex, _) => Some(self.client.as_deref().unwrap_or(anonymous)),
            (Shape::OneWay | Shape::RequestReply, AddressingVersion::August2004) => Some(anonymous),
            (Shape::OneWay | Shape::RequestReply, AddressingVersion::Wsa10) => None,
        }
    }

    fn create_response<'a>(&'a self, relates_to: Option<&'a Identifier>) -> Option<Frame<'a>> {
        let inbound = self.common.inbound.as_ref()?;
        Some(Frame {
            relates_to: relates_to.map(Identifier::as_bytes),
            body: FrameBody::CreateSequenceResponse {
                identifier: &inbound.identifier,
                expires: Some(self.expires.as_slice()).filter(|expires| !expires.is_empty()),
                behavior: self.common.settings.behavior(),
                accept_acks_to: self.offer.as_ref().map(|_| self.address.as_slice()),
            },
            ..bare(FrameAction::Rm(RmAction::CreateSequenceResponse), self.to())
        })
    }

    /// The acknowledgement of an answer. A reply session always tells its room.
    fn acknowledgement<'a>(&'a self, frozen: Option<&'a Range>) -> Option<Acknowledgement<'a>> {
        let inbound = self.common.inbound.as_ref()?;
        let settings = &self.common.settings;
        let tells = settings.flow_control || self.common.shape == Shape::RequestReply;
        Some(Acknowledgement {
            identifier: &inbound.identifier,
            ranges: frozen.map_or_else(|| inbound.ranges(), core::slice::from_ref),
            is_final: settings.version == RmVersion::V11 && inbound.last().is_some(),
            buffer_remaining: tells.then(|| inbound.room()),
        })
    }

    /// The answer of an exchange.
    fn answer(&self, exchange: Exchange) -> Option<Frame<'_>> {
        let (_, holding) = self.held.iter().find(|(open, _)| *open == exchange)?;
        let inbound = self.common.inbound.as_ref()?;
        let of = |action| Frame {
            acknowledgement: self.acknowledgement(None),
            order: HeaderOrder::SequenceFirst,
            ..bare(FrameAction::Rm(action), self.to())
        };
        Some(match holding {
            Holding::Request(number) => {
                let request = self.requests.iter().find(|request| request.number == *number)?;
                let RequestState::Replied(reply, message) = &request.state else { return None };
                Frame {
                    action: FrameAction::Application(message.action()),
                    relates_to: request.message_id.as_ref().map(Identifier::as_bytes),
                    not_understood: message.not_understood(),
                    sequence: Some(SequencePlace {
                        identifier: self.offer.as_ref()?,
                        number: *reply,
                        last: self.last_reply == Some(*reply),
                    }),
                    body: FrameBody::Payload(message.body()),
                    ..of(RmAction::SequenceAcknowledgement)
                }
            }
            Holding::Last => match (&self.offer, self.last_reply) {
                (Some(identifier), Some(number)) => {
                    let sequence = Some(SequencePlace { identifier, number, last: true });
                    Frame { sequence, ..of(RmAction::LastMessage) }
                }
                _ => of(RmAction::SequenceAcknowledgement),
            },
            Holding::Close(relates_to) => Frame {
                relates_to: relates_to.as_ref().map(Identifier::as_bytes),
                body: FrameBody::CloseSequenceResponse(&inbound.identifier),
                ..of(RmAction::CloseSequenceResponse)
            },
            Holding::Terminate(relates_to) => match (self.common.version(), &self.offer) {
                (RmVersion::V11, _) => Frame {
                    relates_to: relates_to.as_ref().map(Identifier::as_bytes),
                    body: FrameBody::TerminateSequenceResponse(&inbound.identifier),
                    ..of(RmAction::TerminateSequenceResponse)
                },
                (RmVersion::February2005, Some(identifier)) => Frame {
                    body: FrameBody::TerminateSequence { identifier, last: None },
                    ..of(RmAction::TerminateSequence)
                },
                (RmVersion::February2005, None) => of(RmAction::SequenceAcknowledgement),
            },
            Holding::Early => Frame {
                body: FrameBody::TerminateSequence { identifier: self.offer.as_ref()?, last: None },
                ..of(RmAction::TerminateSequence)
            },
            Holding::Created(relates_to) => return self.create_response(relates_to.as_ref()),
            Holding::Acknowledgement(frozen) => Frame {
                acknowledgement: self.acknowledgement(frozen.as_ref()),
                ..of(RmAction::SequenceAcknowledgement)
            },
            Holding::Fault(fault) => super::faults::frame(&self.common, fault, self.offer.as_ref(), self.to()),
            Holding::Empty | Holding::Drop => return None,
        })
    }
}
