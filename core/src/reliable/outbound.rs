//! The sequence that this side sends, from its first message to its end.

use super::arrival::AcknowledgementHeader;
use super::common::Shape;
use super::identifier::Identifier;
use super::phase::{SourceEvent, SourcePhase};
use super::reason::{SessionError, Violation};
use super::requestor::Requestor;
use super::settings::ReliableSettings;
use super::source::{BadAcknowledgement, Exhausted, IdleSource, Item, Source, Ticket};
use super::version::RmVersion;
use crate::chance::{Entropy, Uuid};
use crate::exchange::Exchange;
use crate::time::{Deadline, Duration, Instant};

/// What the sequence wants to send.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum OutboundWant {
    /// The message of this number.
    Message(u64),
    /// CloseSequence.
    Close,
    /// TerminateSequence.
    Terminate,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Outbound<P, const WINDOW: usize> {
    pub(super) source: Source<P, WINDOW>,
    pub(super) phase: SourcePhase,
    version: RmVersion,
    /// TerminateSequence is answered: always under 1.1, and where replies come in exchanges.
    terminate_is_answered: bool,
    pub(super) requestor: Option<Requestor>,
    /// A LastMessage waits for a place in the outbox.
    wants_last: bool,
    until: Instant,
    interval: Duration,
}

impl<P, const WINDOW: usize> Outbound<P, WINDOW> {
    pub(super) fn new(
        identifier: Identifier,
        round_trip: Option<Duration>,
        shape: Shape,
        settings: &ReliableSettings,
    ) -> Self {
        Self {
            source: Source::new(identifier, round_trip, shape == Shape::Duplex, settings),
            phase: SourcePhase::Open,
            version: settings.version,
            terminate_is_answered: shape == Shape::RequestReply || settings.version == RmVersion::V11,
            requestor: None,
            wants_last: false,
            until: Instant::from_millis(u64::MAX),
            interval: settings.requestor_interval,
        }
    }

    /// What is to be kept of it, if it sends nothing now and is not being ended.
    pub(super) fn rest(&self) -> Option<IdleSource> {
        let open = self.phase == SourcePhase::Open && self.requestor.is_none() && !self.wants_last;
        self.source.rest().filter(|_| open)
    }

    /// The sequence that was kept so.
    pub(super) fn resume(identifier: Identifier, idle: &IdleSource, shape: Shape, settings: &ReliableSettings) -> Self {
        let source = Source::resume(identifier.clone(), idle, shape == Shape::Duplex, settings);
        Self { source, ..Self::new(identifier, None, shape, settings) }
    }

    fn step(&mut self, event: SourceEvent) -> bool {
        match self.phase.next(event) {
            Some(next) => {
                self.phase = next;
                true
            }
            None => false,
        }
    }

    /// No message follows.
    pub(super) fn close<E: Entropy>(&mut self, now: Instant, until: Instant, entropy: &mut E) {
        if !self.step(SourceEvent::Close) {
            return;
        }
        self.until = until;
        match self.version {
            RmVersion::February2005 => self.wants_last = true,
            RmVersion::V11 => self.source.set_last(),
        }
        self.advance(now, entropy);
    }

    /// Goes on as far as it can: LastMessage into the outbox, then CloseSequence, then TerminateSequence.
    pub(super) fn advance<E: Entropy>(&mut self, now: Instant, entropy: &mut E) {
        if self.phase != SourcePhase::Draining {
            return;
        }
        if self.wants_last && !self.source.is_full() {
            self.wants_last = false;
            // A place was seen above; it waits for room in the window as long as closing may take.
            let until = Deadline::At(self.until);
            let _ = self.source.push(now, Item::Last, Ticket(u64::MAX), Uuid::default(), until);
        }
        let done = match self.source.last {
            Some(0) => true,
            _ => self.source.is_done(),
        };
        if done {
            self.step(match self.version {
                RmVersion::February2005 => SourceEvent::Drained10,
                RmVersion::V11 => SourceEvent::Drained11,
            });
            self.requestor = Some(Requestor::new(Uuid::random(entropy), now, self.until));
        }
    }

    /// What to send now.
    pub(super) fn want(&self, now: Instant) -> Option<OutboundWant> {
        let due = self.requestor.as_ref().is_some_and(|requestor| requestor.next().due(now));
        match self.phase {
            SourcePhase::Open | SourcePhase::Draining => self.source.wanted().map(OutboundWant::Message),
            SourcePhase::Closing => due.then_some(OutboundWant::Close),
            SourcePhase::Terminating => due.then_some(OutboundWant::Terminate),
            SourcePhase::Ended => None,
        }
    }

    /// CloseSequence was answered.
    pub(super) fn close_answered<E: Entropy>(&mut self, now: Instant, entropy: &mut E) {
        if self.step(SourceEvent::CloseAnswered) {
            self.requestor = Some(Requestor::new(Uuid::random(entropy), now, self.until));
        }
    }

    /// TerminateSequence was answered, or there is no hope that it will be.
    pub(super) fn terminate_answered(&mut self) {
        if self.step(SourceEvent::TerminateAnswered) {
            self.requestor = None;
        }
    }

    /// What was wanted went out, by this exchange if it opened one.
    pub(super) fn sent(&mut self, now: Instant, want: OutboundWant, exchange: Option<Exchange>) {
        if let OutboundWant::Message(number) = want {
            self.source.sent(number);
            return;
        }
        let interval = self.interval;
        if let Some(requestor) = &mut self.requestor {
            requestor.sent(now, exchange, interval);
        }
        if want == OutboundWant::Terminate && !self.terminate_is_answered {
            self.terminate_answered();
        }
    }

    /// `LastMsgNumber` of CloseSequence and TerminateSequence under 1.1.
    pub(super) fn last_number(&self) -> Option<u64> {
        match self.version {
            RmVersion::February2005 => None,
            RmVersion::V11 => self.source.last.filter(|last| *last > 0),
        }
    }

    pub(super) fn fail(&mut self) {
        self.step(SourceEvent::Fail);
        self.requestor = None;
        self.source.clear();
    }

    /// Takes in an acknowledgement of this sequence (one-way and duplex).
    pub(super) fn acknowledge(&mut self, now: Instant, header: &AcknowledgementHeader<'_>) -> Result<(), SessionError> {
        let violation = |what| Err(SessionError::Violation(what));
        if header.is_final {
            // Before CloseSequence nobody asked for it; after it everything must be there.
            match self.phase {
                SourcePhase::Open | SourcePhase::Draining => return violation(Violation::FinalAcknowledgementUnasked),
                SourcePhase::Closing | SourcePhase::Terminating => {
                    if !header.ranges.is_complete(self.source.last.unwrap_or(0)) {
                        return violation(Violation::FinalAcknowledgementIncomplete);
                    }
                }
                SourcePhase::Ended => {}
            }
        }
        match self.source.check(header.ranges.as_slice()) {
            Ok(()) => {}
            Err(BadAcknowledgement::NeverSent) => return violation(Violation::AcknowledgedNeverSent),
            Err(BadAcknowledgement::Inconsistent) => return violation(Violation::AcknowledgementInconsistent),
        }
        self.source.acknowledge(now, header).map_err(|error| self.exhausted(error))
    }

    /// The request of this number has its answer (request-reply).
    pub(super) fn answered(&mut self, now: Instant, number: u64, remaining: Option<u32>) -> Result<(), SessionError> {
        self.source.answered(now, number, remaining).map_err(|error| self.exhausted(error))
    }

    /// The request of this number was not taken: it came before its turn.
    pub(super) fn refused(&mut self, now: Instant, number: u64) -> Result<(), SessionError> {
        self.source.refused(now, number).map_err(|error| self.exhausted(error))
    }

    /// The exchange of this message has failed.
    pub(super) fn lost(&mut self, now: Instant, number: u64) -> Result<(), SessionError> {
        self.source.lost(now, number).map_err(|error| self.exhausted(error))
    }

    /// The retransmission timer.
    pub(super) fn expire(&mut self, now: Instant) -> Result<(), SessionError> {
        self.source.expire(now).map_err(|error| self.exhausted(error))
    }

    const fn exhausted(&self, Exhausted(number): Exhausted) -> SessionError {
        SessionError::RetriesExhausted { number, limit: self.source.max_retry_count() }
    }

    /// The next instant at which something happens.
    pub(super) fn deadline(&self) -> Deadline {
        let request = self.requestor.as_ref().map_or(Deadline::Never, Requestor::next);
        self.source.timer().min(request).min(self.source.next_give_up())
    }
}
