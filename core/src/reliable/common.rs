//! What both roles of a reliable session share: its state, its two sequences, its end.

use super::arrival::{AcknowledgementHeader, Arrival, RmBody, RmFaultKind};
use super::destination::{Destination, Place};
use super::frame::Acknowledgement;
use super::identifier::Identifier;
use super::outbound::{Outbound, OutboundWant};
use super::phase::{DestinationEvent, DestinationPhase, SessionEvent, SessionPhase, SourcePhase};
use super::ranges::Range;
use super::reason::{SendRefused, SessionError, Violation};
use super::reasons::TimeSpan;
use super::settings::ReliableSettings;
use super::source::{Item, Slot, Ticket};
use super::version::{RmAction, RmVersion};
use crate::chance::{Entropy, Uuid};
use crate::exchange::{Exchange, Outgoing};
use crate::soap::FaultCode;
use crate::time::{Deadline, Instant};
use heapless::Vec;

/// How messages travel, and which sequences there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Shape {
    /// Messages go one way, each in an HTTP exchange whose answer acknowledges it (WCF: output and input channels).
    OneWay,
    /// Requests go in HTTP exchanges, replies come as their answers (WCF: request and reply channels).
    #[default]
    RequestReply,
    /// Messages go both ways at any time: one connection, or two addressable endpoints (WCF: duplex channels).
    Duplex,
}

impl Shape {
    /// Does the client offer a sequence for the other direction?
    pub const fn offers(self) -> bool {
        matches!(self, Self::RequestReply | Self::Duplex)
    }
}

/// Something that the application should know. Each is told once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told<P> {
    /// The sequence is there: messages go out.
    Opened,
    /// The other side sends no more, and everything was taken: time to close.
    EndOfMessages,
    /// A message waited for room longer than the send timeout. It was not sent and comes back; the session goes on.
    TimedOut(Ticket, P),
    /// The session is over, in good order.
    Closed,
    /// The session is over, and why.
    Ended(SessionError),
}

/// How many ranges of an impossible acknowledgement its fault shows.
const BLAMED: usize = 4;

/// A fault that is owed to the other side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OwedFault {
    pub(super) kind: RmFaultKind,
    pub(super) code: FaultCode,
    /// Is it about the sequence that this side receives?
    pub(super) inbound: bool,
    /// What made it.
    pub(super) error: Option<SessionError>,
    /// The timeout that its reason tells.
    pub(super) time: Option<TimeSpan>,
    /// The exchange that it answers.
    pub(super) exchange: Option<Exchange>,
    /// The message that it answers.
    pub(super) relates_to: Option<Identifier>,
    /// Does it carry an acknowledgement?
    pub(super) acknowledges: bool,
}

/// Answers that are owed on a duplex session: the MessageIDs of their requests.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Owed {
    pub(super) close: Option<Identifier>,
    pub(super) terminate: Option<Identifier>,
    pub(super) fault: Option<OwedFault>,
    /// AckRequested by itself, before a sequence is closed (1.1).
    pub(super) ask: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Common<P, E, const WINDOW: usize, const RANGES: usize> {
    pub(super) settings: ReliableSettings,
    pub(super) shape: Shape,
    /// Is it the service's side? The sequence that it receives is the one that names the session.
    serves: bool,
    pub(super) entropy: E,
    pub(super) phase: SessionPhase,
    pub(super) error: Option<SessionError>,
    pub(super) told_opened: bool,
    pub(super) told_end: bool,
    pub(super) told_over: bool,
    pub(super) outbound: Option<Outbound<P, WINDOW>>,
    pub(super) inbound: Option<Destination<WINDOW, RANGES>>,
    pub(super) owed: Owed,
    /// The acknowledgement that cannot be, its first ranges and whether it is final: the fault shows it.
    pub(super) blamed: (Vec<Range, BLAMED>, bool),
    /// When something was last heard from the other side.
    pub(super) last_heard: Instant,
    /// When something was last sent.
    pub(super) last_sent: Instant,
    /// Until when closing may take.
    pub(super) close_until: Instant,
    pub(super) next_ticket: u64,
}

/// What came of a message of a duplex session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A message of the application: keep it under its number until it is taken.
    Message {
        /// Its number.
        number: u64,
    },
    /// The reply to a request. A `None` ticket: the request is not known any more.
    Reply {
        /// The request.
        ticket: Ticket,
    },
    /// A one-way message, or a request without a reply, has arrived.
    Accepted {
        /// The message.
        ticket: Ticket,
    },
    /// Nothing for the application.
    Protocol,
    /// It was here before; nothing for the application.
    Duplicate,
    /// There is no room for it, or it came before its turn: it was not taken, and will come again.
    NoRoom,
    /// It was refused, and the other side is told why.
    Refused(SessionError),
}

impl<P: Outgoing, E: Entropy, const WINDOW: usize, const RANGES: usize> Common<P, E, WINDOW, RANGES> {
    pub(super) const fn new(settings: ReliableSettings, shape: Shape, serves: bool, entropy: E) -> Self {
        let zero = Instant::from_millis(0);
        Self {
            settings,
            shape,
            serves,
            entropy,
            phase: SessionPhase::Created,
            error: None,
            told_opened: false,
            told_end: false,
            told_over: false,
            outbound: None,
            inbound: None,
            owed: Owed { close: None, terminate: None, fault: None, ask: false },
            blamed: (Vec::new(), false),
            last_heard: zero,
            last_sent: zero,
            close_until: zero,
            next_ticket: 0,
        }
    }

    pub(super) const fn connection(&self) -> bool {
        matches!(self.shape, Shape::Duplex)
    }

    pub(super) const fn version(&self) -> RmVersion {
        self.settings.version
    }

    pub(super) fn step(&mut self, event: SessionEvent) -> Result<(), SendRefused> {
        self.phase = self.phase.next(event).ok_or(SendRefused::Phase(self.phase))?;
        Ok(())
    }

    /// Takes a message of the application in.
    pub(super) fn send(&mut self, now: Instant, message: P) -> Result<Ticket, (P, SendRefused)> {
        let refused = match self.phase {
            SessionPhase::Opened => None,
            SessionPhase::Created
            | SessionPhase::Opening
            | SessionPhase::Closing
            | SessionPhase::Closed
            | SessionPhase::Faulted => Some(SendRefused::Phase(self.phase)),
        };
        let Some(outbound) = self.outbound.as_mut().filter(|_| refused.is_none()) else {
            return Err((message, refused.unwrap_or(SendRefused::Phase(self.phase))));
        };
        if outbound.source.rolls_over() {
            return Err((message, SendRefused::Rollover));
        }
        if outbound.source.is_full() {
            return Err((message, SendRefused::Full { limit: WINDOW }));
        }
        let ticket = Ticket(self.next_ticket);
        let message_id = Uuid::random(&mut self.entropy);
        let give_up = Deadline::At(now.after(self.settings.send_timeout));
        match outbound.source.push(now, Item::Message(message), ticket, message_id, give_up) {
            Ok(()) => {
                self.next_ticket = self.next_ticket.wrapping_add(1);
                Ok(ticket)
            }
            Err(Item::Message(message)) => Err((message, SendRefused::Full { limit: WINDOW })),
            Err(Item::Last) => Ok(ticket),
        }
    }

    /// Ends the session with this error; `tell` the other side by a SequenceTerminated fault.
    pub(super) fn fault(&mut self, error: SessionError, tell: bool) {
        if self.step(SessionEvent::Fault).is_err() {
            return;
        }
        self.over(error, tell);
    }

    /// Gives up: the other side is told, the application is not asked.
    pub(super) fn abort(&mut self, error: SessionError, tell: bool) {
        let over = self.phase.is_over() || self.phase == SessionPhase::Created;
        let _ = self.step(SessionEvent::Abort);
        if !over {
            self.over(error, tell);
        }
    }

    pub(super) fn over(&mut self, error: SessionError, tell: bool) {
        self.error = Some(error);
        let has_sequence = self.outbound.is_some() || self.inbound.is_some();
        // A TerminateSequence of 1.1 that comes too early has its answer, and nothing else tells that it was one.
        let early = self.connection()
            && self.version() == RmVersion::V11
            && error == SessionError::Violation(Violation::EarlyTerminate);
        let terminate = self.owed.terminate.take().filter(|_| early);
        self.owed = Owed { terminate, ..Owed::default() };
        if tell && has_sequence && !early {
            self.owed.fault = Some(self.fault_of(error, None, None));
        }
        if let Some(outbound) = &mut self.outbound {
            outbound.fail();
        }
        if let Some(inbound) = &mut self.inbound {
            inbound.step(DestinationEvent::Fail);
        }
    }

    /// The fault that tells the other side of `error`.
    pub(super) fn fault_of(
        &self,
        error: SessionError,
        exchange: Option<Exchange>,
        relates_to: Option<Identifier>,
    ) -> OwedFault {
        let (kind, code) = fault_kind(self.version(), error);
        // Which sequence the detail names is WCF's habit: its own for what its sender noticed, that of the session's name for
        // silence, else the one received.
        let outbound = match error {
            SessionError::Inactive { .. } => !self.serves,
            SessionError::RetriesExhausted { .. } => true,
            SessionError::Violation(violation) => matches!(
                violation,
                Violation::AcknowledgedNeverSent
                    | Violation::AcknowledgementInconsistent
                    | Violation::FinalAcknowledgementIncomplete
                    | Violation::FinalAcknowledgementUnasked
                    | Violation::ReplyWithoutAcknowledgement
                    | Violation::UnexpectedAnswer
                    | Violation::WrongDirection
            ),
            SessionError::Remote { .. }
            | SessionError::ReplyTimeout { .. }
            | SessionError::OpenTimeout { .. }
            | SessionError::CloseTimeout { .. }
            | SessionError::Rollover
            | SessionError::Unsendable
            | SessionError::Unwritten(_)
            | SessionError::Aborted
            | SessionError::Lower
            | SessionError::StoppedListening
            | SessionError::UnansweredRequests => false,
        };
        OwedFault {
            kind,
            code,
            inbound: self.inbound.is_some() && (!outbound || self.outbound.is_none()),
            error: Some(error),
            time: if let SessionError::Inactive { timeout } = error { Some(TimeSpan::new(timeout)) } else { None },
            exchange,
            relates_to,
            acknowledges: false,
        }
    }

    /// Keeps the acknowledgement of a message that is refused.
    pub(super) fn blame(&mut self, arrival: &Arrival<'_>) {
        let Some(header) = &arrival.acknowledgement else { return };
        let ranges = header.ranges.as_slice().iter().take(BLAMED).copied().collect();
        self.blamed = (ranges, header.is_final);
    }

    /// The identifier that a fault is about.
    pub(super) fn faulted_identifier(&self, fault: &OwedFault) -> &[u8] {
        let inbound = self.inbound.as_ref().map(|inbound| inbound.identifier.as_bytes());
        let outbound = self.outbound.as_ref().map(|outbound| outbound.source.identifier.as_bytes());
        if fault.inbound { inbound.or(outbound) } else { outbound.or(inbound) }.unwrap_or(&[])
    }

    /// Starts to end the sequence that this side sends.
    pub(super) fn end_outbound(&mut self, now: Instant) {
        let Some(outbound) = &mut self.outbound else { return };
        outbound.close(now, self.close_until, &mut self.entropy);
        // WCF asks for what is missing before it closes the sequence.
        self.owed.ask = self.settings.version == RmVersion::V11
            && self.shape == Shape::Duplex
            && outbound.phase == SourcePhase::Draining;
    }

    /// The sequences are over: so is the session.
    pub(super) fn look_whether_over(&mut self) {
        // A client that closes before it has its sequences waits for them, to end them.
        if self.outbound.is_none() && self.inbound.is_none() {
            return;
        }
        let out = self.outbound.as_ref().is_none_or(|outbound| outbound.phase == SourcePhase::Ended);
        let inward =
            !self.connection() || self.inbound.as_ref().is_none_or(|inbound| inbound.phase == DestinationPhase::Ended);
        let answered = self.owed.close.is_none() && self.owed.terminate.is_none();
        if self.phase == SessionPhase::Closing && out && inward && answered {
            let _ = self.step(SessionEvent::Ended);
        }
    }

    /// Is nothing owed to the other side, and has nothing gone wrong?
    pub(super) fn owes_nothing(&self) -> bool {
        let (blamed, is_final) = &self.blamed;
        let blames = *is_final || !blamed.is_empty();
        self.owed == Owed::default() && self.error.is_none() && !self.told_end && !blames
    }

    /// Does the application know that the session is over?
    pub(super) const fn has_told_all(&self) -> bool {
        self.told_over
    }

    /// What the application should know now.
    pub(super) fn told(&mut self, now: Instant) -> Option<Told<P>> {
        if let Some(outbound) = &mut self.outbound {
            while let Some(Slot { item, ticket, .. }) = outbound.source.give_up(now) {
                match item {
                    Some(Item::Message(message)) => return Some(Told::TimedOut(ticket, message)),
                    Some(Item::Last) | None => {}
                }
            }
        }
        let opened = matches!(self.phase, SessionPhase::Opened | SessionPhase::Closing);
        // A client that closes before the sequence is there has not opened.
        if opened && !self.told_opened && (self.outbound.is_some() || self.inbound.is_some()) {
            self.told_opened = true;
            return Some(Told::Opened);
        }
        let finished = self.inbound.as_ref().is_some_and(Destination::is_finished);
        if opened && finished && !self.told_end {
            self.told_end = true;
            return Some(Told::EndOfMessages);
        }
        if self.phase.is_over() && !self.told_over {
            self.told_over = true;
            return Some(self.error.map_or(Told::Closed, Told::Ended));
        }
        None
    }

    /// Inactivity, retransmission, acknowledgements: whatever is due without a role.
    pub(super) fn tick(&mut self, now: Instant) {
        let alive = matches!(self.phase, SessionPhase::Opening | SessionPhase::Opened | SessionPhase::Closing);
        if !alive {
            return;
        }
        if let Some(outbound) = &mut self.outbound {
            outbound.advance(now, &mut self.entropy);
            if let Err(error) = outbound.expire(now) {
                self.fault(error, true);
                return;
            }
        }
        if self.inactive_at().due(now) {
            let timeout = self.settings.inactivity_timeout;
            self.fault(SessionError::Inactive { timeout }, true);
        }
    }

    pub(super) fn inactive_at(&self) -> Deadline {
        if self.phase.is_over() || (self.outbound.is_none() && self.inbound.is_none()) {
            Deadline::Never
        } else {
            Deadline::At(self.last_heard.after(self.settings.inactivity_timeout))
        }
    }

    /// When something is due without a role.
    pub(super) fn deadline(&self) -> Deadline {
        let outbound = self.outbound.as_ref().map_or(Deadline::Never, Outbound::deadline);
        let inbound = self.inbound.as_ref().map_or(Deadline::Never, Destination::timer);
        outbound.min(inbound).min(self.inactive_at())
    }

    /// A message went out that carries the acknowledgement that a duplex session owes.
    pub(super) fn acknowledged(&mut self) {
        let connection = self.connection();
        if let Some(inbound) = self.inbound.as_mut().filter(|inbound| connection && inbound.owes()) {
            inbound.acknowledged();
        }
    }

    /// What the sequence of this side wanted went out.
    pub(super) fn outbound_sent(&mut self, now: Instant, want: OutboundWant, exchange: Option<Exchange>) {
        if let Some(outbound) = &mut self.outbound {
            outbound.sent(now, want, exchange);
        }
    }

    /// The acknowledgement that a message of a duplex session carries: when one is owed.
    pub(super) fn piggyback(&self) -> Option<Acknowledgement<'_>> {
        self.inbound.as_ref().filter(|inbound| inbound.owes()).map(|inbound| self.acknowledgement(inbound))
    }

    /// The acknowledgement as it stands.
    pub(super) fn acknowledgement<'s>(&self, inbound: &'s Destination<WINDOW, RANGES>) -> Acknowledgement<'s> {
        Acknowledgement {
            identifier: &inbound.identifier,
            ranges: inbound.ranges(),
            is_final: self.version() == RmVersion::V11 && inbound.last().is_some(),
            buffer_remaining: self.settings.flow_control.then(|| inbound.room()),
        }
    }

    /// Takes the acknowledgement of a message in.
    pub(super) fn hear_acknowledgement(
        &mut self,
        now: Instant,
        header: &AcknowledgementHeader<'_>,
    ) -> Result<(), SessionError> {
        let Some(outbound) = &mut self.outbound else { return Ok(()) };
        outbound.acknowledge(now, header)?;
        outbound.advance(now, &mut self.entropy);
        Ok(())
    }

    /// Takes in a numbered message of a sequence whose messages are kept until the application takes them.
    pub(super) fn hear_numbered(&mut self, now: Instant, arrival: &Arrival<'_>) -> Result<Heard, SessionError> {
        let (Some(inbound), Some(header)) = (&mut self.inbound, &arrival.sequence) else { return Ok(Heard::Protocol) };
        let silent = arrival.action == Some(RmAction::LastMessage);
        let closing = self.phase == SessionPhase::Closing && !silent;
        let interval = self.settings.acknowledgement_interval;
        match inbound.place(header.number, header.last, silent) {
            // Nobody takes it any more.
            Place::New if closing => self.refuse_closed(),
            Place::New => {
                inbound.take_in(header.number, header.last, silent);
                let full = inbound.unacknowledged() >= u32::from(self.settings.window(WINDOW));
                let at_once = full || inbound.last().is_some() || arrival.ack_requested.is_some();
                inbound.owe(if at_once { now } else { now.after(interval) });
                Ok(if silent { Heard::Protocol } else { Heard::Message { number: header.number } })
            }
            Place::Duplicate => {
                inbound.owe(now);
                Ok(Heard::Duplicate)
            }
            Place::NoRoom => {
                if arrival.ack_requested.is_some() || inbound.last().is_some() {
                    inbound.owe(now);
                }
                Ok(Heard::NoRoom)
            }
            Place::BeyondLast => Err(SessionError::Violation(Violation::BehindLast)),
            Place::Closed => self.refuse_closed(),
        }
    }

    /// A message came that nobody takes any more. Under 1.1 the sequence survives that.
    fn refuse_closed(&mut self) -> Result<Heard, SessionError> {
        let error = SessionError::StoppedListening;
        match self.version() {
            RmVersion::February2005 => Err(error),
            RmVersion::V11 => {
                let kind = RmFaultKind::SequenceClosed;
                self.owed.fault = Some(OwedFault { kind, acknowledges: true, ..self.fault_of(error, None, None) });
                Ok(Heard::Refused(error))
            }
        }
    }

    /// CloseSequence of the sequence that this side receives: `Ok` if it can be.
    pub(super) fn hear_close(&mut self, last: Option<u64>) -> Result<(), SessionError> {
        let Some(inbound) = &mut self.inbound else {
            return Err(SessionError::Violation(Violation::UnexpectedMessage));
        };
        let last = last.unwrap_or(0);
        if !inbound.may_end_with(last) {
            return Err(SessionError::Violation(Violation::LastNumberTooSmall));
        }
        inbound.learn_last(last);
        Ok(())
    }

    /// TerminateSequence of the sequence that this side receives. `Err`: it came too early, or says another last number;
    /// the sequence is over all the same.
    pub(super) fn hear_terminate(&mut self, last: Option<u64>) -> Result<(), SessionError> {
        let version = self.version();
        let Some(inbound) = &mut self.inbound else {
            return Err(SessionError::Violation(Violation::UnexpectedMessage));
        };
        let verdict = match version {
            RmVersion::February2005 => match inbound.phase {
                DestinationPhase::Complete | DestinationPhase::Ended => Ok(()),
                DestinationPhase::Open | DestinationPhase::LastKnown => Err(Violation::EarlyTerminate),
            },
            RmVersion::V11 => match inbound.last() {
                Some(known) if known != last.unwrap_or(0) => Err(Violation::LastNumberChanged),
                Some(_) => Ok(()),
                None if inbound.is_complete_with(last) => Ok(()),
                None if !inbound.may_end_with(last.unwrap_or(0)) => Err(Violation::LastNumberTooSmall),
                None => Err(Violation::EarlyTerminate),
            },
        };
        inbound.step(DestinationEvent::Terminate);
        verdict.map_err(SessionError::Violation)
    }

    /// `ReplyTo` of a CloseSequence or TerminateSequence must be where the session answers to: `remote`, or anonymous.
    pub(super) fn check_reply_to(&self, arrival: &Arrival<'_>, remote: Option<&[u8]>) -> Result<(), SessionError> {
        let anonymous = self.settings.addressing.anonymous().as_bytes();
        let same = arrival.reply_to.unwrap_or(anonymous) == remote.unwrap_or(anonymous);
        // February 2005 does not look: where nothing answers a TerminateSequence, it says no ReplyTo.
        if same || self.version() == RmVersion::February2005 {
            Ok(())
        } else {
            Err(SessionError::Violation(Violation::ReplyTo))
        }
    }

    /// What a received fault does to the session.
    pub(super) fn hear_fault(&self, arrival: &Arrival<'_>) -> Option<SessionError> {
        fatal_fault(arrival)
    }
}

/// The error by which a received fault ends its session, if it does.
pub(super) fn fatal_fault(arrival: &Arrival<'_>) -> Option<SessionError> {
    let RmBody::Fault(fault) = &arrival.body else { return None };
    let error = SessionError::Remote { kind: fault.kind, code: fault.code };
    match fault.kind {
        Some(
            RmFaultKind::SequenceTerminated
            | RmFaultKind::UnknownSequence
            | RmFaultKind::InvalidAcknowledgement
            | RmFaultKind::MessageNumberRollover
            | RmFaultKind::LastMessageNumberExceeded
            | RmFaultKind::SequenceClosed
            | RmFaultKind::CreateSequenceRefused
            | RmFaultKind::ConnectionLimitReached
            | RmFaultKind::WsrmRequired
            | RmFaultKind::EndpointUnavailable,
        ) => Some(error),
        // An application's fault has a place in the sequence.
        Some(RmFaultKind::ActionNotSupported | RmFaultKind::AddressingHeaderRequired) | None => {
            arrival.sequence.is_none().then_some(error)
        }
    }
}

/// Which fault tells the other side of an error, and whom it blames.
fn fault_kind(version: RmVersion, error: SessionError) -> (RmFaultKind, FaultCode) {
    match error {
        SessionError::Violation(violation) => {
            let kind = match (version, violation) {
                (
                    _,
                    Violation::AcknowledgedNeverSent
                    | Violation::AcknowledgementInconsistent
                    | Violation::FinalAcknowledgementIncomplete,
                ) => RmFaultKind::InvalidAcknowledgement,
                (RmVersion::February2005, Violation::BehindLast) => RmFaultKind::LastMessageNumberExceeded,
                _ => RmFaultKind::SequenceTerminated,
            };
            (kind, FaultCode::Sender)
        }
        SessionError::Rollover => (RmFaultKind::MessageNumberRollover, FaultCode::Sender),
        SessionError::StoppedListening | SessionError::UnansweredRequests => {
            (RmFaultKind::SequenceTerminated, FaultCode::Sender)
        }
        SessionError::Remote { .. }
        | SessionError::Inactive { .. }
        | SessionError::RetriesExhausted { .. }
        | SessionError::ReplyTimeout { .. }
        | SessionError::OpenTimeout { .. }
        | SessionError::CloseTimeout { .. }
        | SessionError::Unsendable
        | SessionError::Unwritten(_)
        | SessionError::Aborted
        | SessionError::Lower => (RmFaultKind::SequenceTerminated, FaultCode::Receiver),
    }
}
