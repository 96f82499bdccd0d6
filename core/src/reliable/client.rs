//! The client's side of one reliable session.
//!
//! ```text
//!   open()     poll -> CreateSequence             hear(CreateSequenceResponse) -> Opened
//!   send(..)   poll -> message, again and again   hear(acknowledgement, reply) -> Reply
//!   close()    poll -> LastMessage / CloseSequence, then TerminateSequence     -> Closed
//! ```
//!
//! What is to be sent is asked for with [`Client::next`], looked at with [`Client::frame`], and only once it is written,
//! [`Client::sent`] changes the state.

use super::common::{Common, Heard, Shape, Told};
use super::destination::Destination;
use super::frame::Frame;
use super::identifier::Identifier;
use super::outbound::{Outbound, OutboundWant};
use super::phase::{DestinationEvent, DestinationPhase, SessionEvent, SessionPhase, SourcePhase};
use super::ranges::Range;
use super::reason::{SendRefused, SessionError, Unwritten};
use super::requestor::Requestor;
use super::settings::ReliableSettings;
use super::source::{Slot, Ticket};
use crate::chance::{Chance, Entropy, Uuid};
use crate::exchange::{Exchange, Outgoing};
use crate::time::{Deadline, Duration, Instant};
use heapless::Vec;

/// The longest address, in bytes.
pub const LONGEST_ADDRESS: usize = 256;

/// Something that the client wants to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientWant {
    /// The fault that ends the session.
    Fault,
    /// CreateSequence.
    Create,
    /// CloseSequenceResponse (duplex).
    CloseResponse,
    /// TerminateSequenceResponse (duplex).
    TerminateResponse,
    /// AckRequested, before the sequence is closed (duplex, 1.1).
    Ask,
    /// The message of this number, for the first time or again.
    Message(u64),
    /// CloseSequence.
    Close,
    /// TerminateSequence.
    Terminate,
    /// SequenceAcknowledgement by itself (duplex).
    Acknowledge,
    /// AckRequested by itself, to hear whether the other side is there.
    Poll,
}

impl ClientWant {
    /// Does it carry the acknowledgement that a duplex session owes? WCF's requests and ends of a sequence do not.
    pub(super) const fn acknowledges(self) -> bool {
        match self {
            Self::CloseResponse
            | Self::TerminateResponse
            | Self::Ask
            | Self::Message(_)
            | Self::Acknowledge
            | Self::Poll => true,
            Self::Fault | Self::Create | Self::Close | Self::Terminate => false,
        }
    }
}

/// What an exchange carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    Create,
    Message(u64),
    Poll,
    Close,
    Terminate,
    Fault,
}

/// Where the client's messages go, and what they name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientAddresses {
    /// The service's address.
    pub to: Vec<u8, LONGEST_ADDRESS>,
    /// The client's own address; `None` is anonymous: answers come on the exchange or the connection.
    pub local: Option<Vec<u8, LONGEST_ADDRESS>>,
}

impl ClientAddresses {
    /// `None` if an address is longer than [`LONGEST_ADDRESS`].
    pub fn new(to: &str, local: Option<&str>) -> Option<Self> {
        let local = match local {
            Some(local) => Some(Vec::from_slice(local.as_bytes()).ok()?),
            None => None,
        };
        Some(Self { to: Vec::from_slice(to.as_bytes()).ok()?, local })
    }
}

/// The client's side of one reliable session.
///
/// `WINDOW` is the number of messages that may be unacknowledged or wait for room (at least the transfer window),
/// `RANGES` that of the ranges of numbers received (the window and one are enough in order; WCF keeps 128), `EXCHANGES` that
/// of open exchanges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Client<P, E = Chance, const WINDOW: usize = 8, const RANGES: usize = 9, const EXCHANGES: usize = 16> {
    pub(super) common: Common<P, E, WINDOW, RANGES>,
    pub(super) addresses: ClientAddresses,
    /// The `SecurityTokenReference` of the conversation under the session; empty without one.
    pub(super) token_reference: Vec<u8, 512>,
    pub(super) creating: Option<Requestor>,
    pub(super) offer: Option<Identifier>,
    pub(super) exchanges: Vec<(Exchange, Purpose), EXCHANGES>,
    next_exchange: u32,
    /// AckRequested has gone unanswered since something was last heard.
    polled: bool,
    /// How often a LastMessage was answered by nothing at all.
    pub(super) bare_last: u8,
    /// How often TerminateSequence was, although an answer is due.
    pub(super) bare_end: u8,
}

impl<P: Outgoing, E: Entropy, const WINDOW: usize, const RANGES: usize, const EXCHANGES: usize>
    Client<P, E, WINDOW, RANGES, EXCHANGES>
{
    /// A client. Nothing happens until [`open`](Self::open).
    pub fn new(settings: ReliableSettings, shape: Shape, addresses: ClientAddresses, entropy: E) -> Self {
        Self {
            common: Common::new(settings, shape, false, entropy),
            addresses,
            token_reference: Vec::new(),
            creating: None,
            offer: None,
            exchanges: Vec::new(),
            next_exchange: 1,
            polled: false,
            bare_last: 0,
            bare_end: 0,
        }
    }

    /// How messages travel.
    pub const fn shape(&self) -> Shape {
        self.common.shape
    }

    /// Binds the session to a secure conversation: the CreateSequence names its token by this `SecurityTokenReference`.
    /// Say it before [`open`](Self::open). `false` if it is longer than 512 bytes.
    pub fn bind(&mut self, token_reference: &[u8]) -> bool {
        self.token_reference.clear();
        self.token_reference.extend_from_slice(token_reference).is_ok()
    }

    /// Opens the session: a CreateSequence is wanted.
    ///
    /// # Errors
    /// [`SendRefused::Phase`] unless it was just made.
    pub fn open(&mut self, now: Instant) -> Result<(), SendRefused> {
        let common = &mut self.common;
        common.step(SessionEvent::Open)?;
        let message_id = Uuid::random(&mut common.entropy);
        self.creating = Some(Requestor::new(message_id, now, now.after(common.settings.open_timeout)));
        self.offer = common.shape.offers().then(|| Identifier::of(Uuid::random(&mut common.entropy)));
        (common.last_heard, common.last_sent) = (now, now);
        Ok(())
    }

    /// Hands over a message. It goes out as soon as the window has room for it.
    ///
    /// # Errors
    /// It comes back with [`SendRefused::Phase`] unless the session is open, [`SendRefused::Full`] when every place of the
    /// outbox is taken, [`SendRefused::Rollover`] when the numbers have run out.
    pub fn send(&mut self, now: Instant, message: P) -> Result<Ticket, (P, SendRefused)> {
        self.common.send(now, message)
    }

    /// Closes: what was handed over is still delivered, then the sequence is ended.
    ///
    /// # Errors
    /// [`SendRefused::Phase`] after a fault.
    pub fn close(&mut self, now: Instant) -> Result<(), SendRefused> {
        let before = self.common.phase;
        self.common.step(SessionEvent::Close)?;
        match before {
            SessionPhase::Opening | SessionPhase::Opened => {
                self.common.close_until = now.after(self.common.settings.close_timeout);
                self.common.end_outbound(now);
            }
            SessionPhase::Created | SessionPhase::Closing | SessionPhase::Closed | SessionPhase::Faulted => {}
        }
        Ok(())
    }

    /// Gives up: messages not acknowledged are forgotten, and the other side is told by a SequenceTerminated fault.
    pub fn abort(&mut self) {
        self.common.abort(SessionError::Aborted, true);
        self.creating = None;
    }

    /// The layer below failed for good: there is nobody to tell.
    pub fn lower_failed(&mut self) {
        self.common.fault(SessionError::Lower, false);
        self.creating = None;
    }

    /// The message for `want` cannot be written: the application's is not well-formed. The session ends by that.
    pub fn unsendable(&mut self, want: ClientWant) {
        if want == ClientWant::Fault {
            self.common.owed.fault = None;
        }
        self.common.fault(SessionError::Unsendable, true);
        self.creating = None;
    }

    /// [`frame`](Self::frame) has nothing for what [`next`](Self::next) has just named. The session ends by that, loudly: waiting
    /// would be for ever, as the same want comes first again each time.
    pub fn unwritten(&mut self, want: ClientWant) {
        match want {
            ClientWant::Fault => self.common.owed.fault = None,
            ClientWant::TerminateResponse => self.common.owed.terminate = None,
            ClientWant::Create
            | ClientWant::CloseResponse
            | ClientWant::Ask
            | ClientWant::Message(_)
            | ClientWant::Close
            | ClientWant::Terminate
            | ClientWant::Acknowledge
            | ClientWant::Poll => {}
        }
        self.common.fault(SessionError::Unwritten(Unwritten::Client(want)), true);
        self.creating = None;
    }

    /// An exchange ended without an answer. The message counts as lost and its timer goes on; a request of the protocol is
    /// repeated after its interval.
    pub fn exchange_failed(&mut self, now: Instant, exchange: Exchange) {
        let Some(purpose) = self.forget(exchange) else { return };
        let interval = self.common.settings.requestor_interval;
        match purpose {
            Purpose::Create => {
                if let Some(creating) = &mut self.creating {
                    creating.failed(now, exchange, interval);
                }
            }
            Purpose::Close | Purpose::Terminate => {
                if let Some(requestor) = self.common.outbound.as_mut().and_then(|out| out.requestor.as_mut()) {
                    requestor.failed(now, exchange, interval);
                }
            }
            Purpose::Message(number) => {
                let lost = self.common.outbound.as_mut().map(|outbound| outbound.lost(now, number));
                if let Some(Err(error)) = lost {
                    self.common.fault(error, true);
                }
            }
            Purpose::Poll | Purpose::Fault => {}
        }
        self.tick(now);
    }

    /// The state.
    pub const fn phase(&self) -> SessionPhase {
        self.common.phase
    }

    /// Why the session ended, if not in good order.
    pub const fn error(&self) -> Option<SessionError> {
        self.common.error
    }

    /// The identifier of the sequence that the client sends: WCF's session id.
    pub fn identifier(&self) -> Option<&Identifier> {
        self.common.outbound.as_ref().map(|outbound| &outbound.source.identifier)
    }

    /// The identifier of the sequence that the client offered.
    pub const fn offered(&self) -> Option<&Identifier> {
        self.offer.as_ref()
    }

    /// The `MessageID` of a message that was handed over and that is not acknowledged yet: replies relate to it.
    pub fn message_id(&self, ticket: Ticket) -> Option<Uuid> {
        let outbound = self.common.outbound.as_ref()?;
        outbound.source.slots().find(|slot| slot.ticket == ticket).map(|slot| slot.message_id)
    }

    /// How many messages were sent again so far.
    pub fn retransmissions(&self) -> u64 {
        self.common.outbound.as_ref().map_or(0, |outbound| outbound.source.retransmissions())
    }

    /// How many messages may be under way now.
    pub fn window(&self) -> u32 {
        self.common.outbound.as_ref().map_or(0, |outbound| outbound.source.window())
    }

    /// The retransmission timeout now.
    pub fn retransmission_timeout(&self) -> Option<Duration> {
        self.common.outbound.as_ref().map(|outbound| outbound.source.timeout())
    }

    /// Are all messages that were handed over acknowledged?
    pub fn is_drained(&self) -> bool {
        self.common.outbound.as_ref().is_none_or(|outbound| outbound.source.is_drained())
    }

    /// Is the session over, and what says so still on its way: a TerminateSequence that nothing answers, or a fault?
    pub fn takes_leave(&self) -> bool {
        let leaves = |purpose: &Purpose| matches!(purpose, Purpose::Terminate | Purpose::Fault);
        self.common.phase.is_over() && self.exchanges.iter().any(|(_, purpose)| leaves(purpose))
    }

    /// Numbers received so far, as ranges.
    pub fn received(&self) -> &[Range] {
        self.common.inbound.as_ref().map_or(&[], Destination::ranges)
    }

    /// The next message for the application (duplex), by its number.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        let inbound = self.common.inbound.as_mut()?;
        let number = inbound.take()?;
        // The other side waits to hear that there is room again.
        if inbound.told_no_room() {
            inbound.owe(now);
        }
        Some(number)
    }

    /// What the application should know; ask until there is nothing.
    pub fn told(&mut self, now: Instant) -> Option<Told<P>> {
        self.tick(now);
        self.common.told(now)
    }

    /// What is to be sent now, if anything: look at it with [`frame`](Self::frame), then say [`sent`](Self::sent).
    pub fn next(&mut self, now: Instant) -> Option<ClientWant> {
        self.tick(now);
        let common = &self.common;
        if common.owed.fault.is_some() {
            return Some(ClientWant::Fault);
        }
        if common.phase.is_over() {
            return common.owed.terminate.is_some().then_some(ClientWant::TerminateResponse);
        }
        if self.creating.as_ref().is_some_and(|creating| creating.next().due(now)) {
            return Some(ClientWant::Create);
        }
        if common.owed.close.is_some() {
            return Some(ClientWant::CloseResponse);
        }
        if common.owed.terminate.is_some() {
            return Some(ClientWant::TerminateResponse);
        }
        if common.owed.ask {
            return Some(ClientWant::Ask);
        }
        match common.outbound.as_ref().and_then(|outbound| outbound.want(now)) {
            Some(OutboundWant::Message(number)) if self.has_exchange_for(number) => {
                return Some(ClientWant::Message(number));
            }
            Some(OutboundWant::Close) => return Some(ClientWant::Close),
            Some(OutboundWant::Terminate) => return Some(ClientWant::Terminate),
            Some(OutboundWant::Message(_)) | None => {}
        }
        if common.connection() && common.inbound.as_ref().is_some_and(|inbound| inbound.timer().due(now)) {
            return Some(ClientWant::Acknowledge);
        }
        (self.poll_at().due(now) && !self.exchanges.is_full()).then_some(ClientWant::Poll)
    }

    /// Until when there is nothing to do.
    pub fn deadline(&self) -> Deadline {
        if self.common.phase.is_over() {
            return Deadline::Never;
        }
        let creating = self.creating.as_ref();
        let create = creating.map_or(Deadline::Never, |creating| creating.next().min(Deadline::At(creating.until())));
        let close = if self.common.phase == SessionPhase::Closing {
            Deadline::At(self.common.close_until)
        } else {
            Deadline::Never
        };
        // Without an exchange for it no question is asked.
        let poll = if self.exchanges.is_full() { Deadline::Never } else { self.poll_at() };
        self.common.deadline().min(create).min(close).min(poll).min(self.reply_deadline())
    }

    /// Until when nothing happens by itself while nothing can be sent: the layer below is busy, and what is wanted waits for it.
    /// That something is to be sent by now is then no reason to be asked again.
    pub fn unsent_deadline(&self) -> Deadline {
        let common = &self.common;
        if common.phase.is_over() {
            return Deadline::Never;
        }
        let create = self.creating.as_ref().map_or(Deadline::Never, |creating| Deadline::At(creating.until()));
        let close =
            if common.phase == SessionPhase::Closing { Deadline::At(common.close_until) } else { Deadline::Never };
        let source = common.outbound.as_ref().map(|outbound| &outbound.source);
        let source = source.map_or(Deadline::Never, |source| source.timer().min(source.next_give_up()));
        common.inactive_at().min(create).min(close).min(source).min(self.reply_deadline())
    }

    /// It was written, and goes out now. Over HTTP it opens the exchange that is returned; the answer is told to
    /// [`hear`](Self::hear), a failure to [`exchange_failed`](Self::exchange_failed).
    pub fn sent(&mut self, now: Instant, want: ClientWant) -> Option<Exchange> {
        let purpose = match want {
            ClientWant::Create => Some(Purpose::Create),
            ClientWant::Message(number) => Some(Purpose::Message(number)),
            ClientWant::Poll | ClientWant::Ask => Some(Purpose::Poll),
            ClientWant::Close => Some(Purpose::Close),
            ClientWant::Terminate => Some(Purpose::Terminate),
            ClientWant::Fault => Some(Purpose::Fault),
            ClientWant::Acknowledge | ClientWant::CloseResponse | ClientWant::TerminateResponse => None,
        };
        let exchange = purpose.filter(|_| !self.common.connection()).map(|purpose| self.open_exchange(purpose));
        let common = &mut self.common;
        if want != ClientWant::Fault {
            common.last_sent = now;
        }
        if want.acknowledges() {
            common.acknowledged();
        }
        match want {
            ClientWant::Fault => common.owed.fault = None,
            ClientWant::Create => {
                let interval = common.settings.requestor_interval;
                if let Some(creating) = &mut self.creating {
                    creating.sent(now, exchange, interval);
                }
            }
            ClientWant::CloseResponse => common.owed.close = None,
            ClientWant::TerminateResponse => common.owed.terminate = None,
            ClientWant::Ask => common.owed.ask = false,
            ClientWant::Message(number) => common.outbound_sent(now, OutboundWant::Message(number), exchange),
            ClientWant::Close => common.outbound_sent(now, OutboundWant::Close, exchange),
            ClientWant::Terminate => common.outbound_sent(now, OutboundWant::Terminate, exchange),
            ClientWant::Acknowledge => {}
            ClientWant::Poll => self.polled = true,
        }
        self.common.look_whether_over();
        exchange
    }

    /// The message to be written for `want`. `None` if that is not wanted any more.
    pub fn frame(&self, want: ClientWant) -> Option<Frame<'_>> {
        super::client_frames::frame(self, want)
    }

    /// Something was heard from the other side.
    pub(super) fn heard_from(&mut self, now: Instant) {
        self.common.last_heard = now;
        self.polled = false;
    }

    pub(super) fn forget(&mut self, exchange: Exchange) -> Option<Purpose> {
        let index = self.exchanges.iter().position(|(open, _)| *open == exchange)?;
        Some(self.exchanges.remove(index).1)
    }

    /// A message that is sent again may take the place of its own oldest exchange.
    fn has_exchange_for(&self, number: u64) -> bool {
        self.common.connection()
            || !self.exchanges.is_full()
            || self.exchanges.iter().any(|(_, purpose)| *purpose == Purpose::Message(number))
    }

    fn open_exchange(&mut self, purpose: Purpose) -> Exchange {
        let exchange = Exchange(self.next_exchange);
        self.next_exchange = self.next_exchange.wrapping_add(1);
        if self.exchanges.is_full() {
            let same = self.exchanges.iter().position(|(_, open)| *open == purpose);
            self.exchanges.remove(same.unwrap_or(0));
        }
        let _ = self.exchanges.push((exchange, purpose));
        exchange
    }

    /// When the other side is asked whether it is there: half the inactivity timeout after the last thing sent or heard, and
    /// after an unanswered question that much divided by the retries. While it has no room, at least every half send timeout.
    pub(super) fn poll_at(&self) -> Deadline {
        let common = &self.common;
        let Some(outbound) = common.outbound.as_ref() else { return Deadline::Never };
        if common.phase != SessionPhase::Opened && outbound.phase != SourcePhase::Draining {
            return Deadline::Never;
        }
        let half = common.settings.inactivity_timeout.checked_div(2).unwrap_or_default();
        let half = common.settings.idle_poll_interval.unwrap_or(half);
        let keep_alive = half.checked_div(common.settings.max_retry_count.max(1)).unwrap_or_default();
        let keep_alive = common.settings.keep_alive_interval.unwrap_or(keep_alive);
        let no_room = common.settings.flow_control && outbound.source.quota_is_exhausted();
        let interval = if no_room {
            common.settings.send_timeout.checked_div(2).unwrap_or_default().min(keep_alive)
        } else if self.polled {
            keep_alive
        } else {
            half
        };
        Deadline::At(common.last_sent.max(common.last_heard).after(interval.max(Duration::from_millis(1))))
    }

    /// The requests that wait for their replies (request-reply over exchanges).
    fn waiting(&self) -> impl Iterator<Item = (u64, &Slot<P>)> {
        let outbound = self.common.outbound.as_ref().filter(|_| self.common.shape == Shape::RequestReply);
        outbound.into_iter().flat_map(|outbound| outbound.source.in_window_slots())
    }

    fn reply_deadline(&self) -> Deadline {
        self.waiting()
            .filter(|(_, slot)| slot.awaits_reply())
            .map(|(_, slot)| slot.give_up)
            .min()
            .unwrap_or(Deadline::Never)
    }

    /// Everything that time brings.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.common.phase.is_over() {
            return;
        }
        if let Some(creating) = &self.creating
            && (!creating.hopes() || now >= creating.until())
        {
            let timeout = self.common.settings.open_timeout;
            self.creating = None;
            self.common.fault(SessionError::OpenTimeout { timeout }, false);
            return;
        }
        self.common.tick(now);
        let late = self.waiting().find(|(_, slot)| slot.awaits_reply() && slot.give_up.due(now));
        if let Some(number) = late.map(|(number, _)| number) {
            let timeout = self.common.settings.send_timeout;
            self.common.fault(SessionError::ReplyTimeout { number, timeout }, true);
        }
        self.tick_closing(now);
        self.common.look_whether_over();
    }

    /// Closing ends in bounded time: without a LastMessage or CloseSequence that was acknowledged it has failed; without
    /// an answer to TerminateSequence it has not.
    fn tick_closing(&mut self, now: Instant) {
        let common = &mut self.common;
        if common.phase != SessionPhase::Closing {
            return;
        }
        let late = now >= common.close_until;
        let timeout = common.settings.close_timeout;
        let Some(outbound) = &mut common.outbound else {
            if late {
                common.abort(SessionError::CloseTimeout { timeout }, false);
            }
            return;
        };
        let hopeless = outbound.requestor.as_ref().is_some_and(|requestor| !requestor.hopes());
        match outbound.phase {
            SourcePhase::Open | SourcePhase::Draining if late => {
                common.abort(SessionError::CloseTimeout { timeout }, true);
            }
            SourcePhase::Closing if late || hopeless => {
                common.abort(SessionError::CloseTimeout { timeout }, true);
            }
            SourcePhase::Terminating if late || hopeless => outbound.terminate_answered(),
            // Everything came, but not the TerminateSequence, which February 2005 says once.
            SourcePhase::Ended
                if late
                    && common.inbound.as_ref().is_some_and(|inbound| inbound.phase == DestinationPhase::Complete) =>
            {
                if let Some(inbound) = &mut common.inbound {
                    inbound.step(DestinationEvent::Terminate);
                }
            }
            SourcePhase::Ended if late => common.abort(SessionError::CloseTimeout { timeout }, true),
            SourcePhase::Open
            | SourcePhase::Draining
            | SourcePhase::Closing
            | SourcePhase::Terminating
            | SourcePhase::Ended => {}
        }
    }

    /// The sequence is there.
    pub(super) fn opened(&mut self, now: Instant, identifier: Identifier) {
        let fast = self.common.settings.transmission.fast_retransmission.is_some();
        let round_trip = self.creating.take().and_then(|creating| match fast {
            // Where nothing is measured from what was sent again, an attempt's lost exchange would never be forgotten.
            true => creating.certain_round_trip(now),
            false => creating.round_trip(now),
        });
        let common = &mut self.common;
        let connection = common.connection();
        common.outbound = Some(Outbound::new(identifier, round_trip, common.shape, &common.settings));
        common.inbound = self.offer.clone().map(|offer| {
            // Replies are for who waits for them: they need no turn.
            let ordered = common.settings.ordered && connection;
            let settings = ReliableSettings { ordered, ..common.settings.clone() };
            Destination::new(offer, true, &settings)
        });
        if common.phase == SessionPhase::Closing {
            common.end_outbound(now);
        } else {
            let _ = common.step(SessionEvent::Created);
        }
    }

    /// A message was refused: the session is over, and the other side is told.
    pub(super) fn refuse(&mut self, error: SessionError, tell: bool) -> Heard {
        self.common.fault(error, tell);
        self.creating = None;
        Heard::Refused(error)
    }
}
