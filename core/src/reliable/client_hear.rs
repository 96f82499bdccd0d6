//! What a client hears.

use super::arrival::{AcknowledgementHeader, Arrival, RmBody, RmFaultKind};
use super::client::{Client, Purpose};
use super::common::{Heard, Shape};
use super::destination::Place;
use super::duplex;
use super::identifier::Identifier;
use super::phase::SourcePhase;
use super::reason::{SessionError, Violation};
use super::source::Item;
use super::version::{RmAction, RmVersion};
use crate::chance::Entropy;
use crate::exchange::{Exchange, Outgoing};
use crate::time::Instant;

/// After so many empty answers a LastMessage counts as taken, and TerminateSequence as answered: gSOAP never acknowledges the former,
/// and gives its answer to the latter once.
const BARE_ANSWERS: u8 = 2;

impl<P: Outgoing, E: Entropy, const WINDOW: usize, const RANGES: usize, const EXCHANGES: usize>
    Client<P, E, WINDOW, RANGES, EXCHANGES>
{
    /// Takes in what came: the answer of an exchange, or (duplex, no exchange) a message by itself. An answer without a
    /// message is HTTP's 202.
    pub fn hear(&mut self, now: Instant, exchange: Option<Exchange>, arrival: Option<&Arrival<'_>>) -> Heard {
        self.tick(now);
        let heard = self.take_in(now, exchange, arrival);
        self.common.look_whether_over();
        heard
    }

    fn take_in(&mut self, now: Instant, exchange: Option<Exchange>, arrival: Option<&Arrival<'_>>) -> Heard {
        let purpose = match exchange {
            Some(exchange) => match self.exchanges.iter().find(|(open, _)| *open == exchange) {
                Some((_, purpose)) => Some(*purpose),
                None => return Heard::Protocol,
            },
            // Over exchanges nothing comes by itself.
            None if !self.common.connection() => return Heard::Protocol,
            None => None,
        };
        let over = self.common.phase.is_over();
        if let (Some(exchange), Some(arrival)) = (exchange, arrival)
            && !over
            && !self.is_ours(arrival)
        {
            // A stranger's answer is none.
            self.exchange_failed(now, exchange);
            return Heard::Refused(SessionError::Violation(Violation::UnexpectedAnswer));
        }
        let Some(arrival) = arrival else {
            if let (Some(exchange), Some(purpose)) = (exchange, purpose) {
                self.hear_nothing(now, exchange, purpose);
            }
            return Heard::Protocol;
        };
        if let Some(exchange) = exchange {
            self.forget(exchange);
        }
        if over {
            return Heard::Protocol;
        }
        if !self.is_ours(arrival) {
            return Heard::Refused(SessionError::Violation(Violation::UnexpectedAnswer));
        }
        self.heard_from(now);
        if let Some(error) = self.common.hear_fault(arrival) {
            return self.hear_fault(now, purpose, arrival, error);
        }
        let result = match (purpose, self.common.shape) {
            (Some(Purpose::Create), _) => self.hear_created(now, arrival),
            (None, _) if self.creating.is_some() => self.hear_created(now, arrival),
            (Some(Purpose::Message(number)), Shape::RequestReply) => self.hear_reply(now, number, arrival),
            (Some(Purpose::Message(_) | Purpose::Poll), _) => self.hear_acknowledged(now, arrival),
            (Some(Purpose::Close), _) => self.hear_close_answer(now, arrival),
            (Some(Purpose::Terminate), _) => self.hear_terminate_answer(arrival),
            (Some(Purpose::Fault), _) => Ok(Heard::Protocol),
            (None, _) => duplex::hear(&mut self.common, now, arrival, Some(&self.addresses.to)),
        };
        match result {
            Ok(heard) => heard,
            Err(error) => {
                self.common.blame(arrival);
                self.refuse(error, true)
            }
        }
    }

    /// Does every sequence that the message names belong to this session?
    fn is_ours(&self, arrival: &Arrival<'_>) -> bool {
        let outbound = self.common.outbound.as_ref().map(|outbound| &outbound.source.identifier);
        let sends = |identifier: &[u8]| outbound.is_none_or(|own| own.is(identifier));
        let receives = |identifier: &[u8]| self.offer.as_ref().is_none_or(|own| own.is(identifier));
        arrival.sequence.is_none_or(|sequence| receives(sequence.identifier))
            && arrival.ack_requested.is_none_or(receives)
            && arrival.acknowledgement.as_ref().is_none_or(|header| sends(header.identifier))
            && match arrival.body {
                RmBody::CloseSequenceResponse { identifier } | RmBody::TerminateSequenceResponse { identifier } => {
                    sends(identifier)
                }
                // The other direction's is an offence of this session, not a stranger's.
                RmBody::CloseSequence { identifier, .. } | RmBody::TerminateSequence { identifier, .. } => {
                    receives(identifier) || sends(identifier)
                }
                RmBody::Fault(fault) => {
                    fault.identifier.is_none_or(|identifier| receives(identifier) || sends(identifier))
                }
                RmBody::None | RmBody::CreateSequence { .. } | RmBody::CreateSequenceResponse { .. } => true,
            }
    }

    /// 202, or an answer without a message.
    fn hear_nothing(&mut self, now: Instant, exchange: Exchange, purpose: Purpose) {
        let unanswered = match purpose {
            Purpose::Terminate => {
                let asked = self.common.outbound.as_ref().is_none_or(|outbound| outbound.requestor.is_some());
                self.bare_end = self.bare_end.saturating_add(u8::from(asked));
                asked && self.bare_end < BARE_ANSWERS
            }
            Purpose::Create | Purpose::Close => true,
            Purpose::Message(_) | Purpose::Poll | Purpose::Fault => false,
        };
        if unanswered {
            self.exchange_failed(now, exchange);
            return;
        }
        self.forget(exchange);
        let Some(outbound) = &mut self.common.outbound else { return };
        if purpose == Purpose::Terminate && outbound.requestor.is_some() {
            outbound.terminate_answered();
        }
        let Purpose::Message(number) = purpose else { return };
        let is_last = outbound.source.slot(number).is_some_and(|slot| matches!(slot.item, Some(Item::Last)));
        if is_last && outbound.source.is_head(number) {
            self.bare_last = self.bare_last.saturating_add(1);
            if self.bare_last >= BARE_ANSWERS {
                let _ = outbound.answered(now, number, None);
                outbound.advance(now, &mut self.common.entropy);
            }
            return;
        }
        if let Err(error) = outbound.refused(now, number) {
            self.common.fault(error, true);
        }
    }

    fn hear_fault(
        &mut self,
        now: Instant,
        purpose: Option<Purpose>,
        arrival: &Arrival<'_>,
        error: SessionError,
    ) -> Heard {
        // The service has forgotten a sequence that is ended: what was wanted is so.
        let unknown = matches!(&arrival.body, RmBody::Fault(fault) if fault.kind == Some(RmFaultKind::UnknownSequence));
        let terminating = self.common.outbound.as_ref().is_some_and(|out| out.phase == SourcePhase::Terminating);
        if unknown && terminating {
            if let Some(outbound) = &mut self.common.outbound {
                outbound.terminate_answered();
            }
            return Heard::Protocol;
        }
        // Its own end has come, and the service's may have been lost: something late reached a service that has forgotten.
        let ended = self.common.outbound.as_ref().is_some_and(|out| out.phase == SourcePhase::Ended);
        if purpose == Some(Purpose::Fault) || (unknown && ended) {
            return Heard::Protocol;
        }
        // A fault of another trade, without a place in the sequence, on a connection: not about the session.
        let related = arrival.relates_to.is_some() || purpose.is_some();
        let known = matches!(
            &arrival.body,
            RmBody::Fault(fault) if fault.kind.is_some_and(|kind| kind != RmFaultKind::ActionNotSupported)
        );
        if !known && !related {
            return Heard::Protocol;
        }
        let _ = now;
        self.refuse(error, false)
    }

    fn hear_created(&mut self, now: Instant, arrival: &Arrival<'_>) -> Result<Heard, SessionError> {
        let violation = |what| Err(SessionError::Violation(what));
        let Some(creating) = &self.creating else { return Ok(Heard::Protocol) };
        let RmBody::CreateSequenceResponse { identifier, accept_acks_to } = arrival.body else {
            // On a connection a message of the offered sequence may overtake the response. It will come again.
            return if !self.common.connection() {
                violation(Violation::UnexpectedAnswer)
            } else if arrival.sequence.is_some() {
                Ok(Heard::NoRoom)
            } else {
                Ok(Heard::Protocol)
            };
        };
        let own = Identifier::of(creating.message_id);
        if arrival.relates_to != Some(own.as_bytes()) {
            return violation(Violation::ResponseUnrelated);
        }
        if self.offer.is_some() != accept_acks_to.is_some() {
            return violation(Violation::OfferMismatch);
        }
        if accept_acks_to.is_some_and(|address| address != self.addresses.to.as_slice()) {
            return violation(Violation::AcksTo);
        }
        match Identifier::new(identifier) {
            Some(identifier) => self.opened(now, identifier),
            None => return violation(Violation::UnexpectedAnswer),
        }
        Ok(Heard::Protocol)
    }

    /// The answer of a request's exchange.
    fn hear_reply(&mut self, now: Instant, number: u64, arrival: &Arrival<'_>) -> Result<Heard, SessionError> {
        let violation = |what| Err(SessionError::Violation(what));
        let Some(header) = &arrival.acknowledgement else { return violation(Violation::ReplyWithoutAcknowledgement) };
        let common = &mut self.common;
        let (Some(outbound), Some(inbound)) = (&mut common.outbound, &mut common.inbound) else {
            return Ok(Heard::Protocol);
        };
        if header.ranges.last().is_some_and(|greatest| greatest > outbound.source.last_sent()) {
            return violation(Violation::AcknowledgedNeverSent);
        }
        // Only an answer to this very request completes it.
        let Some(slot) = outbound.source.slot(number).filter(|slot| !slot.transferred()) else {
            // Late: it may even tell what the service learnt since.
            return Ok(Heard::Duplicate);
        };
        if header.is_final {
            return violation(Violation::FinalAcknowledgementUnasked);
        }
        if !header.ranges.contains(number) {
            return Ok(Heard::Protocol);
        }
        let (ticket, is_last) = (slot.ticket, matches!(slot.item, Some(Item::Last)));
        if let Some(place) = arrival.sequence {
            match inbound.place(place.number, false, false) {
                Place::New => {
                    inbound.take_in(place.number, false, false);
                    let _ = inbound.take();
                }
                Place::Duplicate | Place::NoRoom | Place::BeyondLast | Place::Closed => return Ok(Heard::Duplicate),
            }
        }
        let result = outbound.answered(now, number, header.buffer_remaining);
        outbound.advance(now, &mut common.entropy);
        result?;
        Ok(match arrival.sequence {
            _ if is_last => Heard::Protocol,
            Some(_) => Heard::Reply { ticket },
            None => Heard::Accepted { ticket },
        })
    }

    /// An acknowledgement in an answer: of a one-way message, or to AckRequested.
    fn hear_acknowledged(&mut self, now: Instant, arrival: &Arrival<'_>) -> Result<Heard, SessionError> {
        let Some(header) = &arrival.acknowledgement else {
            return Err(SessionError::Violation(Violation::ReplyWithoutAcknowledgement));
        };
        // A request is complete only with an answer of its own.
        if self.common.shape != Shape::RequestReply {
            self.common.hear_acknowledgement(now, header)?;
        }
        Ok(Heard::Protocol)
    }

    /// The final acknowledgement of an answer to CloseSequence or TerminateSequence (1.1).
    fn check_final(&self, header: Option<&AcknowledgementHeader<'_>>) -> Result<(), SessionError> {
        let Some(header) = header else {
            return Err(SessionError::Violation(Violation::ReplyWithoutAcknowledgement));
        };
        let last = self.common.outbound.as_ref().and_then(|outbound| outbound.source.last).unwrap_or(0);
        // WCF wants `Final` to be said too, gSOAP does not say it. What is complete is final.
        if !header.ranges.is_complete(last) {
            return Err(SessionError::Violation(Violation::FinalAcknowledgementIncomplete));
        }
        Ok(())
    }

    fn hear_close_answer(&mut self, now: Instant, arrival: &Arrival<'_>) -> Result<Heard, SessionError> {
        let RmBody::CloseSequenceResponse { .. } = arrival.body else {
            return Err(SessionError::Violation(Violation::UnexpectedAnswer));
        };
        self.check_final(arrival.acknowledgement.as_ref())?;
        if let Some(outbound) = &mut self.common.outbound {
            outbound.close_answered(now, &mut self.common.entropy);
        }
        Ok(Heard::Protocol)
    }

    fn hear_terminate_answer(&mut self, arrival: &Arrival<'_>) -> Result<Heard, SessionError> {
        if self.common.version() == RmVersion::V11 {
            if arrival.action != Some(RmAction::TerminateSequenceResponse) {
                return Err(SessionError::Violation(Violation::UnexpectedAnswer));
            }
            self.check_final(arrival.acknowledgement.as_ref())?;
        }
        if let Some(outbound) = &mut self.common.outbound {
            outbound.terminate_answered();
        }
        Ok(Heard::Protocol)
    }
}
