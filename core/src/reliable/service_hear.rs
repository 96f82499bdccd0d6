//! What a service hears in an exchange: every message is answered, at once or when the application has.

use super::arrival::{Arrival, RmBody, RmFaultKind};
use super::common::{Heard, OwedFault, Shape};
use super::destination::Place;
use super::duplex;
use super::identifier::Identifier;
use super::phase::SessionPhase;
use super::reason::{SessionError, Violation};
use super::service::{Holding, Request, RequestState, Service};
use super::version::{RmAction, RmVersion};
use crate::exchange::{Exchange, Outgoing};
use crate::time::Instant;

impl<P: Outgoing, const WINDOW: usize, const RANGES: usize, const REQUESTS: usize, const EXCHANGES: usize>
    Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>
{
    /// Takes in what came by an exchange, or (duplex) a connection.
    pub(super) fn hear(&mut self, now: Instant, from: Exchange, arrival: &Arrival<'_>) -> Heard {
        self.tick(now);
        if self.common.phase.is_over() {
            if !self.common.connection() {
                self.hold(from, Holding::Drop);
            }
            return Heard::Protocol;
        }
        self.common.last_heard = now;
        if let Some(error) = self.common.hear_fault(arrival) {
            self.common.fault(error, false);
            self.drop_exchanges();
            if !self.common.connection() {
                self.hold(from, Holding::Empty);
            }
            return Heard::Refused(error);
        }
        let result = match self.common.shape {
            Shape::Duplex => {
                self.connection = from;
                duplex::hear(&mut self.common, now, arrival, self.client.as_deref())
            }
            Shape::OneWay => self.hear_one_way(from, arrival),
            Shape::RequestReply => self.hear_request(from, arrival),
        };
        match result {
            Ok(heard) => {
                self.look_whether_over();
                heard
            }
            Err(error) => self.refuse(from, error, arrival),
        }
    }

    /// The session ends, and the exchange tells why.
    fn refuse(&mut self, from: Exchange, error: SessionError, arrival: &Arrival<'_>) -> Heard {
        self.common.blame(arrival);
        // A session that is closing relates its fault to nothing, as WCF's does.
        let closing = self.common.phase == SessionPhase::Closing;
        let relates_to = arrival.message_id.filter(|_| !closing).and_then(Identifier::new);
        let fault = self.common.fault_of(error, Some(from), relates_to);
        self.common.fault(error, self.common.connection());
        if !self.common.connection() {
            self.hold(from, Holding::Fault(fault));
        }
        self.drop_exchanges();
        Heard::Refused(error)
    }

    /// Notes what an exchange gets. With no room for another, it gets nothing now: the client tries again.
    pub(super) fn hold(&mut self, exchange: Exchange, holding: Holding) -> bool {
        self.held.push((exchange, holding)).is_ok()
    }

    pub(super) fn has_room_to_hold(&self) -> bool {
        !self.held.is_full()
    }

    /// One way: every message is acknowledged by the answer of its own exchange.
    fn hear_one_way(&mut self, from: Exchange, arrival: &Arrival<'_>) -> Result<Heard, SessionError> {
        let relates_to = || arrival.message_id.and_then(Identifier::new);
        let (holding, heard) = match arrival.body {
            RmBody::CloseSequence { last, .. } => {
                self.common.check_reply_to(arrival, self.client.as_deref())?;
                self.common.hear_close(last)?;
                (Holding::Close(relates_to()), Heard::Protocol)
            }
            RmBody::TerminateSequence { last, .. } => {
                self.common.check_reply_to(arrival, self.client.as_deref())?;
                let verdict = self.common.hear_terminate(last);
                match self.common.version() {
                    RmVersion::V11 => {
                        self.hold(from, Holding::Terminate(relates_to()));
                        if let Err(error) = verdict {
                            self.common.fault(error, false);
                        }
                        return Ok(Heard::Protocol);
                    }
                    RmVersion::February2005 => {
                        verdict?;
                        (Holding::Empty, Heard::Protocol)
                    }
                }
            }
            RmBody::None
            | RmBody::CreateSequence { .. }
            | RmBody::CreateSequenceResponse { .. }
            | RmBody::CloseSequenceResponse { .. }
            | RmBody::TerminateSequenceResponse { .. }
            | RmBody::Fault(_) => self.hear_one_way_message(arrival)?,
        };
        self.hold(from, holding);
        Ok(heard)
    }

    fn hear_one_way_message(&mut self, arrival: &Arrival<'_>) -> Result<(Holding, Heard), SessionError> {
        let (Some(header), Some(inbound)) = (&arrival.sequence, &mut self.common.inbound) else {
            return match arrival.ack_requested {
                Some(_) => Ok((Holding::Acknowledgement(None), Heard::Protocol)),
                None => Err(SessionError::Violation(Violation::UnexpectedMessage)),
            };
        };
        let silent = arrival.action == Some(RmAction::LastMessage);
        let closing = self.common.phase == SessionPhase::Closing && !silent;
        Ok(match inbound.place(header.number, header.last, silent) {
            Place::New if closing => self.refuse_closed(arrival)?,
            Place::New => {
                inbound.take_in(header.number, header.last, silent);
                let heard = if silent { Heard::Protocol } else { Heard::Message { number: header.number } };
                (Holding::Acknowledgement(None), heard)
            }
            Place::Duplicate => (Holding::Acknowledgement(None), Heard::Duplicate),
            Place::NoRoom => (Holding::Acknowledgement(None), Heard::NoRoom),
            Place::BeyondLast => return Err(SessionError::Violation(Violation::BehindLast)),
            Place::Closed => self.refuse_closed(arrival)?,
        })
    }

    /// A message came that nobody takes any more. Under 1.1 the sequence survives that.
    fn refuse_closed(&self, arrival: &Arrival<'_>) -> Result<(Holding, Heard), SessionError> {
        let error = SessionError::StoppedListening;
        match self.common.version() {
            RmVersion::February2005 => Err(error),
            RmVersion::V11 => {
                let relates_to = arrival.message_id.and_then(Identifier::new);
                let fault = OwedFault {
                    kind: RmFaultKind::SequenceClosed,
                    acknowledges: true,
                    ..self.common.fault_of(error, None, relates_to)
                };
                Ok((Holding::Fault(fault), Heard::Refused(error)))
            }
        }
    }

    /// Request-reply: the answer is the reply, or waits for it.
    fn hear_request(&mut self, from: Exchange, arrival: &Arrival<'_>) -> Result<Heard, SessionError> {
        if let Some(header) = &arrival.acknowledgement {
            if header.ranges.last().is_some_and(|greatest| greatest >= self.next_reply) {
                return Err(SessionError::Violation(Violation::AcknowledgedNeverSent));
            }
            let done = |request: &Request<P>| matches!(request.state, RequestState::Replied(reply, _) if header.ranges.contains(reply));
            // Who still asks for such a reply need not get it again.
            while let Some(request) = self.requests.iter().find(|request| done(request)) {
                self.answer_without_reply(request.number);
            }
        }
        match arrival.body {
            RmBody::CloseSequence { last, .. } => self.hear_close_sequence(from, last, arrival),
            RmBody::TerminateSequence { last, .. } => self.hear_terminate_sequence(from, last, arrival),
            RmBody::None
            | RmBody::CreateSequence { .. }
            | RmBody::CreateSequenceResponse { .. }
            | RmBody::CloseSequenceResponse { .. }
            | RmBody::TerminateSequenceResponse { .. }
            | RmBody::Fault(_) => match (&arrival.sequence, arrival.ack_requested) {
                (Some(_), _) => self.hear_numbered_request(from, arrival),
                (None, Some(_)) => {
                    self.hold(from, Holding::Acknowledgement(None));
                    Ok(Heard::Protocol)
                }
                (None, None) => Err(SessionError::Violation(Violation::UnexpectedMessage)),
            },
        }
    }

    fn hear_numbered_request(&mut self, from: Exchange, arrival: &Arrival<'_>) -> Result<Heard, SessionError> {
        let (Some(header), Some(inbound)) = (&arrival.sequence, &mut self.common.inbound) else {
            return Ok(Heard::Protocol);
        };
        let number = header.number;
        let silent = arrival.action == Some(RmAction::LastMessage);
        let closing = self.common.phase == SessionPhase::Closing && !silent;
        match inbound.place(number, header.last, silent) {
            Place::New if closing => {
                let (holding, heard) = self.refuse_closed(arrival)?;
                self.hold(from, holding);
                Ok(heard)
            }
            Place::New if silent => {
                inbound.take_in(number, true, true);
                if self.last_reply.is_none() {
                    self.last_reply = Some(self.next_reply);
                    self.next_reply = self.next_reply.saturating_add(1);
                }
                self.hold(from, Holding::Last);
                Ok(Heard::Protocol)
            }
            Place::New => {
                let window = usize::from(self.common.settings.window(WINDOW));
                let unacknowledged =
                    self.requests.iter().filter(|request| matches!(request.state, RequestState::Replied(..))).count();
                if unacknowledged >= window || self.requests.is_full() {
                    self.hold(from, Holding::Empty);
                    return Ok(Heard::NoRoom);
                }
                inbound.take_in(number, header.last, false);
                let two_way = arrival.message_id.is_some();
                // Room was seen above.
                let message_id = arrival.message_id.and_then(Identifier::new);
                let state = RequestState::Queued;
                let _ = self.requests.push(Request { number, two_way, last: header.last, message_id, state });
                self.hold(from, Holding::Request(number));
                Ok(Heard::Message { number })
            }
            Place::Duplicate => {
                let known = self.requests.iter().any(|request| request.number == number);
                let holding = if silent {
                    Holding::Last
                } else if known {
                    Holding::Request(number)
                } else {
                    // The reply was acknowledged, or there was none: everything that has arrived is.
                    Holding::Acknowledgement(None)
                };
                self.hold(from, holding);
                Ok(Heard::Duplicate)
            }
            Place::NoRoom => {
                self.hold(from, Holding::Empty);
                Ok(Heard::NoRoom)
            }
            Place::BeyondLast => Err(SessionError::Violation(Violation::BehindLast)),
            Place::Closed => {
                let (holding, heard) = self.refuse_closed(arrival)?;
                self.hold(from, holding);
                Ok(heard)
            }
        }
    }

    /// Are there replies that the client has not acknowledged?
    fn owes_replies(&self) -> bool {
        self.requests.iter().any(|request| matches!(request.state, RequestState::Replied(..)))
    }

    /// A sequence is closed and terminated from its own address, and when every reply is acknowledged.
    fn check_ending(&self, arrival: &Arrival<'_>) -> Result<(), SessionError> {
        self.common.check_reply_to(arrival, self.client.as_deref())?;
        if self.owes_replies() {
            return Err(SessionError::Violation(Violation::RepliesUnacknowledged));
        }
        Ok(())
    }

    fn hear_close_sequence(
        &mut self,
        from: Exchange,
        last: Option<u64>,
        arrival: &Arrival<'_>,
    ) -> Result<Heard, SessionError> {
        // WCF wants the client's acknowledgement to say `Final` too, gSOAP's does not. What matters is that it is complete.
        self.check_ending(arrival)?;
        self.common.hear_close(last)?;
        self.hold_newest(from, Holding::Close(arrival.message_id.and_then(Identifier::new)));
        Ok(Heard::Protocol)
    }

    fn hear_terminate_sequence(
        &mut self,
        from: Exchange,
        last: Option<u64>,
        arrival: &Arrival<'_>,
    ) -> Result<Heard, SessionError> {
        self.check_ending(arrival)?;
        if let Err(error) = self.common.hear_terminate(last) {
            if self.common.version() == RmVersion::February2005 {
                return Err(error);
            }
            // The replies are over as well; then the session is.
            self.hold(from, Holding::Early);
            self.common.fault(error, false);
            self.drop_exchanges();
            return Ok(Heard::Refused(error));
        }
        self.hold_newest(from, Holding::Terminate(arrival.message_id.and_then(Identifier::new)));
        Ok(Heard::Protocol)
    }

    /// A repeated request takes the place of the one before, whose exchange gets nothing.
    fn hold_newest(&mut self, from: Exchange, holding: Holding) {
        for (_, older) in &mut self.held {
            if core::mem::discriminant(older) == core::mem::discriminant(&holding) {
                *older = Holding::Empty;
            }
        }
        self.hold(from, holding);
    }
}
