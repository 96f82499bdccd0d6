//! The service's side of one reliable session.

use super::client::LONGEST_ADDRESS;
use super::client_timers::ReliableTimers;
use super::common::{Common, OwedFault, Shape, Told};
use super::destination::Destination;
use super::frame::Frame;
use super::identifier::Identifier;
use super::outbound::{Outbound, OutboundWant};
use super::phase::{DestinationEvent, DestinationPhase, SessionEvent, SessionPhase, SourcePhase};
use super::ranges::Range;
use super::reason::{SendRefused, SessionError};
use super::settings::ReliableSettings;
use super::source::Ticket;
use crate::chance::Chance;
use crate::exchange::{Exchange, Outgoing};
use crate::time::{Deadline, Instant};
use heapless::Vec;

/// A reliable session at one acceptor, unique for the acceptor's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReliableSessionId(pub u32);

/// Something that the service wants to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceWant {
    /// The answer that an exchange waits for.
    Answer(Exchange),
    /// The exchange gets no message: HTTP's 202.
    Empty(Exchange),
    /// The exchange is abandoned: no answer at all.
    Drop(Exchange),
    /// The fault that ends the session, or refuses a message (duplex).
    Fault,
    /// CreateSequenceResponse (duplex).
    CreateResponse,
    /// CloseSequenceResponse (duplex).
    CloseResponse,
    /// TerminateSequenceResponse (duplex).
    TerminateResponse,
    /// AckRequested, before the sequence is closed (duplex, 1.1).
    Ask,
    /// The message of this number, for the first time or again (duplex).
    Message(u64),
    /// CloseSequence (duplex).
    Close,
    /// TerminateSequence (duplex).
    Terminate,
    /// SequenceAcknowledgement by itself (duplex).
    Acknowledge,
}

impl ServiceWant {
    /// Does it carry the acknowledgement that a duplex session owes? WCF's requests and ends of a sequence do not.
    pub(super) const fn acknowledges(self) -> bool {
        match self {
            Self::CloseResponse | Self::TerminateResponse | Self::Ask | Self::Message(_) | Self::Acknowledge => true,
            Self::Answer(_)
            | Self::Empty(_)
            | Self::Drop(_)
            | Self::Fault
            | Self::CreateResponse
            | Self::Close
            | Self::Terminate => false,
        }
    }
}

/// What is known of a request whose reply is not acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum RequestState<P> {
    /// It waits for the application.
    Queued,
    /// The application has it.
    Taken,
    /// It has a reply, of this number in the sequence of replies.
    Replied(u64, P),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Request<P> {
    pub(super) number: u64,
    /// Does it want a reply?
    pub(super) two_way: bool,
    /// Did it say that it is the last (February 2005)?
    pub(super) last: bool,
    /// Its MessageID, which its reply relates to.
    pub(super) message_id: Option<Identifier>,
    pub(super) state: RequestState<P>,
}

/// What an exchange that is open gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Holding {
    /// The reply to the request of this number, once there is one.
    Request(u64),
    /// The last reply, once the application has closed (February 2005).
    Last,
    /// CloseSequenceResponse, once the application has closed; the MessageID.
    Close(Option<Identifier>),
    /// TerminateSequenceResponse or TerminateSequence, once the application has closed; the MessageID.
    Terminate(Option<Identifier>),
    /// TerminateSequence of the replies, in answer to one that came too early (1.1); the session is over.
    Early,
    /// CreateSequenceResponse; the MessageID.
    Created(Option<Identifier>),
    /// An acknowledgement: as it stands, or as it stood when the message came.
    Acknowledgement(Option<Range>),
    /// A fault.
    Fault(OwedFault),
    /// 202.
    Empty,
    /// Nothing at all.
    Drop,
}

/// The service's side of one reliable session.
///
/// `REQUESTS` is the number of requests whose replies are not acknowledged, `EXCHANGES` that of exchanges that wait for an
/// answer; the others are those of [`Client`](super::Client).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service<P, const WINDOW: usize, const RANGES: usize, const REQUESTS: usize, const EXCHANGES: usize> {
    pub(super) id: ReliableSessionId,
    pub(super) common: Common<P, Chance, WINDOW, RANGES>,
    /// The connection that the other side was last heard on (duplex).
    pub(super) connection: Exchange,
    /// `To` of the CreateSequence: the service's own address.
    pub(super) address: Vec<u8, LONGEST_ADDRESS>,
    /// `ReplyTo` of the CreateSequence; `None` is anonymous.
    pub(super) client: Option<Vec<u8, LONGEST_ADDRESS>>,
    /// `Expires` of the CreateSequence, which is echoed.
    pub(super) expires: Vec<u8, 32>,
    /// The sequence that was offered, and accepted.
    pub(super) offer: Option<Identifier>,
    /// The secure conversation that the session is bound to.
    pub(super) token: Option<Identifier>,
    /// The MessageID of the CreateSequence, by which a repeated one is known where nothing was offered.
    pub(super) created_by: Option<Identifier>,
    pub(super) owes_create: bool,
    pub(super) requests: Vec<Request<P>, REQUESTS>,
    pub(super) held: Vec<(Exchange, Holding), EXCHANGES>,
    /// The number of the next reply.
    pub(super) next_reply: u64,
    /// The number of the last reply, once the sequence of replies is ended (February 2005).
    pub(super) last_reply: Option<u64>,
}

impl<P: Outgoing, const WINDOW: usize, const RANGES: usize, const REQUESTS: usize, const EXCHANGES: usize>
    Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>
{
    pub(super) fn new(
        id: ReliableSessionId,
        now: Instant,
        shape: Shape,
        settings: &ReliableSettings,
        sequence: Identifier,
        offer: Option<Identifier>,
        entropy: Chance,
    ) -> Self {
        let mut common = Common::new(settings.clone(), shape, true, entropy);
        let _ = common.step(SessionEvent::Open);
        (common.last_heard, common.last_sent) = (now, now);
        // An ordered reply session takes a request only in its turn.
        common.inbound = Some(Destination::new(sequence, shape != Shape::RequestReply, settings));
        if let Some(offer) = offer.clone().filter(|_| shape == Shape::Duplex) {
            common.outbound = Some(Outbound::new(offer, None, shape, settings));
        }
        Self {
            id,
            common,
            connection: Exchange(0),
            address: Vec::new(),
            client: None,
            expires: Vec::new(),
            offer,
            token: None,
            created_by: None,
            owes_create: false,
            requests: Vec::new(),
            held: Vec::new(),
            next_reply: 1,
            last_reply: None,
        }
    }

    /// Its name at the acceptor.
    pub const fn id(&self) -> ReliableSessionId {
        self.id
    }

    /// The identifier of the sequence that the client sends: WCF's session id.
    pub fn identifier(&self) -> Option<&Identifier> {
        self.common.inbound.as_ref().map(|inbound| &inbound.identifier)
    }

    /// The identifier of the secure conversation that the session is bound to.
    pub const fn token(&self) -> Option<&Identifier> {
        self.token.as_ref()
    }

    /// The state. [`SessionPhase::Opening`]: not accepted yet.
    pub const fn phase(&self) -> SessionPhase {
        self.common.phase
    }

    /// Why the session ended, if not in good order.
    pub const fn error(&self) -> Option<SessionError> {
        self.common.error
    }

    /// Numbers received so far, as ranges.
    pub fn received(&self) -> &[Range] {
        self.common.inbound.as_ref().map_or(&[], Destination::ranges)
    }

    /// How many messages were sent again so far (duplex).
    pub fn retransmissions(&self) -> u64 {
        self.common.outbound.as_ref().map_or(0, |outbound| outbound.source.retransmissions())
    }

    pub(super) fn accept(&mut self) {
        let _ = self.common.step(SessionEvent::Created);
    }

    /// The next message for the application, by its number. A one-way message of a reply session is acknowledged by this.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        if !matches!(self.common.phase, SessionPhase::Opened | SessionPhase::Closing) {
            return None;
        }
        let connection = self.common.connection();
        let inbound = self.common.inbound.as_mut()?;
        let number = inbound.take()?;
        if connection && inbound.told_no_room() {
            inbound.owe(now);
        }
        if let Some(request) = self.requests.iter_mut().find(|request| request.number == number) {
            if request.two_way {
                request.state = RequestState::Taken;
            } else {
                self.answer_without_reply(number);
            }
        }
        Some(number)
    }

    /// Gives the reply to a request (request-reply).
    ///
    /// # Errors
    /// It comes back with [`SendRefused::Unknown`] if no request of this number waits for one.
    pub fn reply(&mut self, number: u64, reply: P) -> Result<(), (P, SendRefused)> {
        if self.common.phase.is_over() {
            return Err((reply, SendRefused::Phase(self.common.phase)));
        }
        let Some(request) = self.requests.iter_mut().find(|request| request.number == number) else {
            return Err((reply, SendRefused::Unknown));
        };
        match request.state {
            RequestState::Taken => {
                request.state = RequestState::Replied(self.next_reply, reply);
                if request.last {
                    self.last_reply = Some(self.next_reply);
                }
                self.next_reply = self.next_reply.saturating_add(1);
                Ok(())
            }
            RequestState::Queued | RequestState::Replied(..) => Err((reply, SendRefused::Unknown)),
        }
    }

    /// Ends a request without a reply: an operation that returns nothing. It is acknowledged by itself.
    ///
    /// # Errors
    /// [`SendRefused::Unknown`] if no request of this number waits for a reply.
    pub fn finish(&mut self, number: u64) -> Result<(), SendRefused> {
        let waits = |request: &Request<P>| request.number == number && matches!(request.state, RequestState::Taken);
        if !self.requests.iter().any(waits) {
            return Err(SendRefused::Unknown);
        }
        self.answer_without_reply(number);
        Ok(())
    }

    pub(super) fn answer_without_reply(&mut self, number: u64) {
        self.requests.retain(|request| request.number != number);
        let frozen = self.frozen(number);
        for (_, holding) in &mut self.held {
            if *holding == Holding::Request(number) {
                *holding = Holding::Acknowledgement(frozen);
            }
        }
    }

    /// The acknowledgement as it stood when the message of this number came: in order, everything up to it.
    pub(super) fn frozen(&self, number: u64) -> Option<Range> {
        self.common.settings.ordered.then_some(Range { lower: 1, upper: number })
    }

    /// Hands over a message (duplex).
    ///
    /// # Errors
    /// As [`Client::send`](super::Client::send).
    pub fn send(&mut self, now: Instant, message: P) -> Result<Ticket, (P, SendRefused)> {
        self.common.send(now, message)
    }

    /// Closes. The answers that waited for it go out, and a duplex session ends the sequence that it sends.
    ///
    /// # Errors
    /// [`SendRefused::Phase`] after a fault.
    pub fn close(&mut self, now: Instant) -> Result<(), SendRefused> {
        let before = self.common.phase;
        self.common.step(SessionEvent::Close)?;
        match before {
            SessionPhase::Opening | SessionPhase::Opened => {}
            SessionPhase::Created | SessionPhase::Closing | SessionPhase::Closed | SessionPhase::Faulted => {
                return Ok(());
            }
        }
        self.common.close_until = now.after(self.common.settings.close_timeout);
        let unanswered = self.requests.iter().any(|request| !matches!(request.state, RequestState::Replied(..)));
        if unanswered {
            self.fail(SessionError::UnansweredRequests);
            return Ok(());
        }
        self.common.end_outbound(now);
        self.look_whether_over();
        Ok(())
    }

    /// Gives up. Whoever waits is told by a SequenceTerminated fault, if there is a way to tell.
    pub fn abort(&mut self) {
        self.common.abort(SessionError::Aborted, true);
        self.drop_exchanges();
    }

    /// The client ended the layer below. A session of which everything has arrived stays until its application has had it and
    /// closes; any other one fails.
    pub fn lower_ended(&mut self) {
        if let Some(inbound) = self.common.inbound.as_mut().filter(|inbound| inbound.has_all()) {
            inbound.step(DestinationEvent::Terminate);
            return;
        }
        self.common.fault(SessionError::Lower, false);
        self.drop_exchanges();
    }

    /// The message for `want` cannot be written, or has nobody left to go to. The session ends by this error.
    pub(super) fn unsendable(&mut self, want: ServiceWant, error: SessionError) {
        let exchange = match want {
            ServiceWant::Answer(exchange) | ServiceWant::Empty(exchange) | ServiceWant::Drop(exchange) => {
                Some(exchange)
            }
            ServiceWant::Fault
            | ServiceWant::CreateResponse
            | ServiceWant::CloseResponse
            | ServiceWant::TerminateResponse
            | ServiceWant::Ask
            | ServiceWant::Message(_)
            | ServiceWant::Close
            | ServiceWant::Terminate
            | ServiceWant::Acknowledge => None,
        };
        for (open, holding) in &mut self.held {
            if Some(*open) == exchange {
                *holding = Holding::Drop;
            }
        }
        self.common.owed.fault = None;
        if want == ServiceWant::TerminateResponse {
            self.common.owed.terminate = None;
        }
        self.fail(error);
    }

    /// Ends the session by this error.
    pub(super) fn fail(&mut self, error: SessionError) {
        self.common.fault(error, true);
        self.drop_exchanges();
    }

    /// The session is over: one open exchange tells the other side, the others end.
    pub(super) fn drop_exchanges(&mut self) {
        if !self.common.phase.is_over() {
            return;
        }
        self.requests.clear();
        if self.common.connection() {
            return;
        }
        let mut fault = self.common.owed.fault.take();
        for (_, holding) in &mut self.held {
            if !matches!(holding, Holding::Fault(_) | Holding::Early) {
                *holding = fault.take().map_or(Holding::Drop, Holding::Fault);
            }
        }
    }

    /// An exchange is gone: its client went away.
    pub fn exchange_failed(&mut self, exchange: Exchange) {
        self.held.retain(|(open, _)| *open != exchange);
    }

    /// What the application should know; ask until there is nothing.
    pub fn told(&mut self, now: Instant) -> Option<Told<P>> {
        self.tick(now);
        self.common.told(now)
    }

    /// Is it over, with nothing left to send or to tell?
    pub fn is_spent(&self) -> bool {
        self.common.phase.is_over()
            && self.common.has_told_all()
            && self.held.is_empty()
            && self.common.owed.fault.is_none()
            && self.common.owed.terminate.is_none()
    }

    /// Everything that time brings.
    pub(super) fn tick(&mut self, now: Instant) {
        let over = self.common.phase.is_over();
        self.common.tick(now);
        if !over && self.common.phase.is_over() {
            self.drop_exchanges();
        }
        self.tick_closing(now);
        self.look_whether_over();
    }

    /// Closing ends in bounded time: without the client's CloseSequence or LastMessage it has failed, without its
    /// TerminateSequence it has not.
    fn tick_closing(&mut self, now: Instant) {
        let common = &mut self.common;
        if common.phase != SessionPhase::Closing {
            return;
        }
        let late = now >= common.close_until;
        let timeout = common.settings.close_timeout;
        let mut failed = false;
        if let Some(outbound) = &mut common.outbound {
            let hopeless = outbound.requestor.as_ref().is_some_and(|requestor| !requestor.hopes());
            match outbound.phase {
                SourcePhase::Open | SourcePhase::Draining => failed |= late,
                SourcePhase::Closing => failed |= late || hopeless,
                SourcePhase::Terminating if late || hopeless => outbound.terminate_answered(),
                SourcePhase::Terminating | SourcePhase::Ended => {}
            }
        }
        if late && let Some(inbound) = &mut common.inbound {
            match inbound.phase {
                DestinationPhase::Open | DestinationPhase::LastKnown => failed = true,
                DestinationPhase::Complete => inbound.step(DestinationEvent::Terminate),
                DestinationPhase::Ended => {}
            }
        }
        if failed {
            self.common.abort(SessionError::CloseTimeout { timeout }, true);
            self.drop_exchanges();
        }
    }

    /// Both sequences are over, and nothing is owed.
    pub(super) fn look_whether_over(&mut self) {
        if self.common.connection() {
            self.common.look_whether_over();
            return;
        }
        let ended = self.common.inbound.as_ref().is_none_or(|inbound| inbound.phase == DestinationPhase::Ended);
        let answered =
            self.held.iter().all(|(_, holding)| !matches!(holding, Holding::Terminate(_) | Holding::Close(_)));
        if self.common.phase == SessionPhase::Closing && ended && answered {
            let _ = self.common.step(SessionEvent::Ended);
            self.requests.clear();
            // Whoever waits for nothing in particular gets its answer all the same; the others get none.
            for (_, holding) in &mut self.held {
                if matches!(holding, Holding::Request(_) | Holding::Last) {
                    *holding = Holding::Empty;
                }
            }
        }
    }

    /// Is this exchange's answer there?
    fn ready(&self, holding: &Holding) -> bool {
        match holding {
            Holding::Request(number) => self
                .requests
                .iter()
                .any(|request| request.number == *number && matches!(request.state, RequestState::Replied(..))),
            Holding::Last | Holding::Close(_) | Holding::Terminate(_) => {
                self.common.phase == SessionPhase::Closing || self.common.shape == Shape::OneWay
            }
            Holding::Early
            | Holding::Created(_)
            | Holding::Acknowledgement(_)
            | Holding::Fault(_)
            | Holding::Empty
            | Holding::Drop => true,
        }
    }

    /// What is to be sent now, if anything: look at it with [`frame`](Self::frame), then say [`sent`](Self::sent).
    pub fn next(&mut self, now: Instant) -> Option<ServiceWant> {
        self.tick(now);
        if let Some((exchange, holding)) = self.held.iter().find(|(_, holding)| self.ready(holding)) {
            return Some(match holding {
                Holding::Empty => ServiceWant::Empty(*exchange),
                Holding::Drop => ServiceWant::Drop(*exchange),
                Holding::Request(_)
                | Holding::Last
                | Holding::Close(_)
                | Holding::Terminate(_)
                | Holding::Created(_)
                | Holding::Acknowledgement(_)
                | Holding::Early
                | Holding::Fault(_) => ServiceWant::Answer(*exchange),
            });
        }
        let common = &self.common;
        if !common.connection() {
            return None;
        }
        if common.owed.fault.is_some() {
            return Some(ServiceWant::Fault);
        }
        if common.phase.is_over() {
            return common.owed.terminate.is_some().then_some(ServiceWant::TerminateResponse);
        }
        if self.owes_create {
            return Some(ServiceWant::CreateResponse);
        }
        if common.owed.close.is_some() {
            return Some(ServiceWant::CloseResponse);
        }
        if common.owed.terminate.is_some() {
            return Some(ServiceWant::TerminateResponse);
        }
        if common.owed.ask {
            return Some(ServiceWant::Ask);
        }
        match common.outbound.as_ref().and_then(|outbound| outbound.want(now)) {
            Some(OutboundWant::Message(number)) => return Some(ServiceWant::Message(number)),
            Some(OutboundWant::Close) => return Some(ServiceWant::Close),
            Some(OutboundWant::Terminate) => return Some(ServiceWant::Terminate),
            None => {}
        }
        let due = common.inbound.as_ref().is_some_and(|inbound| inbound.timer().due(now));
        due.then_some(ServiceWant::Acknowledge)
    }

    /// Until when there is nothing to do.
    pub fn deadline(&self) -> Deadline {
        match self.common.phase {
            SessionPhase::Closed | SessionPhase::Faulted => Deadline::Never,
            SessionPhase::Closing => self.own_deadline().min(Deadline::At(self.common.close_until)),
            SessionPhase::Created | SessionPhase::Opening | SessionPhase::Opened => self.own_deadline(),
        }
    }

    fn own_deadline(&self) -> Deadline {
        // Over exchanges acknowledgements ride on answers: no timer sends one.
        if self.common.connection() { self.common.deadline() } else { self.common.inactive_at() }
    }

    pub(super) fn timers(&self) -> ReliableTimers {
        let common = &self.common;
        if common.phase.is_over() {
            return ReliableTimers::NONE;
        }
        let closing = common.phase == SessionPhase::Closing;
        // Over exchanges nothing is sent but in answer.
        let duplex = |due: Deadline| if common.connection() { due } else { Deadline::Never };
        let source = |outbound: &Outbound<P, WINDOW>| outbound.source.timer();
        ReliableTimers {
            inactivity: common.inactive_at(),
            retransmission: duplex(common.outbound.as_ref().map_or(Deadline::Never, source)),
            acknowledgement: duplex(common.inbound.as_ref().map_or(Deadline::Never, Destination::timer)),
            close: if closing { Deadline::At(common.close_until) } else { Deadline::Never },
            ..ReliableTimers::NONE
        }
    }

    /// It was written, and goes out now.
    pub fn sent(&mut self, now: Instant, want: ServiceWant) {
        let common = &mut self.common;
        common.last_sent = now;
        if want.acknowledges() {
            common.acknowledged();
        }
        match want {
            ServiceWant::Answer(exchange) | ServiceWant::Empty(exchange) | ServiceWant::Drop(exchange) => {
                self.held.retain(|(open, _)| *open != exchange);
            }
            ServiceWant::Fault => common.owed.fault = None,
            ServiceWant::CreateResponse => self.owes_create = false,
            ServiceWant::CloseResponse => common.owed.close = None,
            ServiceWant::TerminateResponse => common.owed.terminate = None,
            ServiceWant::Ask => common.owed.ask = false,
            ServiceWant::Message(number) => common.outbound_sent(now, OutboundWant::Message(number), None),
            ServiceWant::Close => common.outbound_sent(now, OutboundWant::Close, None),
            ServiceWant::Terminate => common.outbound_sent(now, OutboundWant::Terminate, None),
            ServiceWant::Acknowledge => {}
        }
        self.look_whether_over();
    }

    /// The message to be written for `want`; `None` for one without a message, or that is not wanted any more.
    pub fn frame(&self, want: ServiceWant) -> Option<Frame<'_>> {
        super::service_frames::frame(self, want)
    }

    /// Is the message for `want` a fault? HTTP carries it with status 500.
    pub fn is_fault(&self, want: ServiceWant) -> bool {
        let ServiceWant::Answer(exchange) = want else { return want == ServiceWant::Fault };
        match self.held.iter().find(|(open, _)| *open == exchange).map(|(_, holding)| holding) {
            Some(Holding::Fault(_)) => true,
            Some(Holding::Request(number)) => self.requests.iter().any(|request| {
                request.number == *number
                    && matches!(&request.state, RequestState::Replied(_, message) if message.is_fault())
            }),
            Some(
                Holding::Last
                | Holding::Close(_)
                | Holding::Terminate(_)
                | Holding::Early
                | Holding::Created(_)
                | Holding::Acknowledgement(_)
                | Holding::Empty
                | Holding::Drop,
            )
            | None => false,
        }
    }
}
