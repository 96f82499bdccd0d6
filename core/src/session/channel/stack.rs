//! The four stacks that a client's channel may stand on, behind one face.

use super::super::heard::message_in;
use super::super::{ClientAction, ClientHeard, Message, SessionClient};
use super::error::{ChannelError, TimedOutAt};
use super::one_shot::{NotWritten, OneShotAnswer, OneShotCalls, Written};
use super::plain::{Answer, PlainClient};
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::exchange::{Exchange, Outgoing};
use crate::lifetime::{Timer, TimerEffect, TimerName};
use crate::reliable::{
    Heard, Identifier, ReliableTimers, RmVersion, SendRefused, SessionError, SessionPhase, Shape, Ticket, Told,
};
use crate::secure::{Credentials, Failure, Initiator, InitiatorAction, InitiatorPhase, Received};
use crate::time::{Deadline, Duration, Instant};
use crate::xml::{Grow, Limits};

/// What is below the channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Stack<
    P,
    E,
    const CALLS: usize,
    const REPLAY: usize,
    const WINDOW: usize,
    const RANGES: usize,
    const EXCHANGES: usize,
    B,
> {
    Plain(PlainClient<P, E, CALLS>),
    OneShot(OneShotCalls<P, E, CALLS, REPLAY, B>),
    Secure(Initiator<P, E, CALLS, REPLAY, B>),
    Reliable(SessionClient<P, E, WINDOW, RANGES, EXCHANGES, REPLAY, B>),
}

/// How a stack names a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Handle {
    Exchange(Exchange),
    Ticket(Ticket),
}

/// Where a stack is, all its layers together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Opening,
    Opened,
    Closing,
    Closed,
    Failed,
}

/// Why a message was not taken.
pub(super) enum NotTaken {
    /// There is no room now.
    Later,
    /// It never will be.
    Never(ChannelError),
}

pub(super) enum StackAction<'o> {
    Transmit { exchange: Option<Exchange>, action: &'o [u8], message: &'o [u8] },
    Failed(Failure),
    Grow(Grow),
    Wait(Deadline),
}

pub(super) enum StackHeard {
    Reply {
        handle: Handle,
        message: Message,
    },
    Accepted(Handle),
    Failed {
        handle: Handle,
        error: ChannelError,
        /// What it means for the conversation, its phase says.
        cause: Option<Failure>,
    },
    /// The conversation failed, or one of its own messages.
    Lower(Failure),
    Protocol,
}

/// The message at the front of `out`, with its action behind it.
fn transmit(exchange: Exchange, out: &[u8], len: usize, action: usize) -> StackAction<'_> {
    let (message, behind) = out.split_at_checked(len).unwrap_or((out, &[]));
    let action = behind.get(..action).unwrap_or(&[]);
    StackAction::Transmit { exchange: Some(exchange), action, message }
}

impl<
    P: Outgoing,
    E: Entropy + Clone,
    const CALLS: usize,
    const REPLAY: usize,
    const WINDOW: usize,
    const RANGES: usize,
    const EXCHANGES: usize,
    B: Backend,
> Stack<P, E, CALLS, REPLAY, WINDOW, RANGES, EXCHANGES, B>
{
    pub(super) const fn has_session(&self) -> bool {
        match self {
            Self::Plain(_) | Self::OneShot(_) => false,
            Self::Secure(_) | Self::Reliable(_) => true,
        }
    }

    pub(super) const fn is_reliable(&self) -> bool {
        match self {
            Self::Plain(_) | Self::OneShot(_) | Self::Secure(_) => false,
            Self::Reliable(_) => true,
        }
    }

    /// Is it a reliable session without replies, on which nothing answers a message but its acknowledgement?
    pub(super) fn is_one_way(&self) -> bool {
        matches!(self, Self::Reliable(client) if client.shape() == Shape::OneWay)
    }

    pub(super) const fn limits(&self) -> &Limits {
        match self {
            Self::Plain(client) => client.limits(),
            Self::OneShot(calls) => &calls.client().binding().limits,
            Self::Secure(client) => &client.binding().limits,
            Self::Reliable(client) => client.limits(),
        }
    }

    pub(super) fn to(&self) -> &[u8] {
        match self {
            Self::Plain(client) => client.to(),
            Self::OneShot(calls) => calls.client().to(),
            Self::Secure(client) => client.to(),
            Self::Reliable(client) => client.to(),
        }
    }

    pub(super) fn session_id(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) | Self::OneShot(_) => None,
            Self::Secure(client) => client.identifier(),
            Self::Reliable(client) => client.identifier().map(Identifier::as_bytes),
        }
    }

    pub(super) fn retransmissions(&self) -> u64 {
        match self {
            Self::Plain(_) | Self::OneShot(_) | Self::Secure(_) => 0,
            Self::Reliable(client) => client.retransmissions(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Plain(_) | Self::OneShot(_) => Phase::Opened,
            Self::Secure(client) => match client.phase() {
                InitiatorPhase::Created | InitiatorPhase::Issuing => Phase::Opening,
                InitiatorPhase::Opened | InitiatorPhase::Renewing => Phase::Opened,
                InitiatorPhase::Closing => Phase::Closing,
                InitiatorPhase::Closed => Phase::Closed,
                InitiatorPhase::Faulted => Phase::Failed,
            },
            Self::Reliable(client) => match client.phase() {
                SessionPhase::Created | SessionPhase::Opening => Phase::Opening,
                SessionPhase::Opened => Phase::Opened,
                SessionPhase::Closed if client.error().is_none() && client.is_over() => Phase::Closed,
                SessionPhase::Closed if client.error().is_some() => Phase::Failed,
                SessionPhase::Closing | SessionPhase::Closed => Phase::Closing,
                SessionPhase::Faulted => Phase::Failed,
            },
        }
    }

    /// Why it has failed; `cause` is what has just happened to the conversation. `opened`: was the channel open before?
    pub(super) fn blame(&self, cause: Option<Failure>, opened: bool) -> ChannelError {
        let Self::Reliable(client) = self else {
            return cause.map_or(ChannelError::Conversation(Failure::Unexpected), ChannelError::conversation);
        };
        match (client.error(), cause) {
            (Some(SessionError::Lower) | None, Some(failure)) => {
                if opened {
                    ChannelError::Lower(failure)
                } else {
                    ChannelError::conversation(failure)
                }
            }
            (Some(SessionError::OpenTimeout { timeout }), _) => {
                ChannelError::TimedOut { at: TimedOutAt::Open, allotted: timeout }
            }
            (Some(SessionError::CloseTimeout { timeout }), _) => {
                ChannelError::TimedOut { at: self.closes_with(), allotted: timeout }
            }
            (Some(error), _) => ChannelError::Reliable(error),
            (None, None) => ChannelError::Reliable(SessionError::Lower),
        }
    }

    /// What an open that takes too long waits for.
    pub(super) fn opens_with(&self) -> TimedOutAt {
        match self {
            Self::Reliable(client) if client.conversation() != Some(InitiatorPhase::Issuing) => TimedOutAt::Open,
            Self::Plain(_) | Self::OneShot(_) | Self::Secure(_) | Self::Reliable(_) => TimedOutAt::Token,
        }
    }

    /// What a close that takes too long waits for.
    pub(super) fn closes_with(&self) -> TimedOutAt {
        match self {
            Self::Plain(_) | Self::OneShot(_) => TimedOutAt::Reply,
            Self::Secure(_) => TimedOutAt::Cancel,
            // The sequences are ended: what is left is the conversation.
            Self::Reliable(client) if client.phase().is_over() && client.error().is_none() => TimedOutAt::Cancel,
            Self::Reliable(client) => match client.version() {
                RmVersion::February2005 => TimedOutAt::LastMessage,
                RmVersion::V11 => TimedOutAt::Close,
            },
        }
    }

    pub(super) fn open(&mut self, now: Instant, left: Duration) {
        match self {
            Self::Plain(_) | Self::OneShot(_) => {}
            Self::Secure(client) => drop(client.open()),
            Self::Reliable(client) => {
                client.allow(left, left);
                let _ = client.open(now);
            }
        }
    }

    /// What is left for the layers that are not open yet.
    pub(super) const fn allow(&mut self, left: Duration) {
        if let Self::Reliable(client) = self {
            client.allow(left, left);
        }
    }

    pub(super) fn close(&mut self, now: Instant, left: Duration) {
        match self {
            Self::Plain(_) | Self::OneShot(_) => {}
            Self::Secure(client) => drop(client.close()),
            Self::Reliable(client) => {
                client.allow(left, left);
                let _ = client.close(now);
            }
        }
    }

    pub(super) fn abort(&mut self) {
        match self {
            Self::Plain(client) => client.forget_all(),
            Self::OneShot(calls) => calls.forget_all(),
            Self::Secure(client) => client.abort(),
            Self::Reliable(client) => client.abort(),
        }
    }

    pub(super) fn send(&mut self, now: Instant, message: P, left: Duration) -> Result<Handle, (P, NotTaken)> {
        match self {
            Self::Plain(client) => match client.call(message) {
                Ok(exchange) => Ok(Handle::Exchange(exchange)),
                Err(message) => Err((message, NotTaken::Later)),
            },
            Self::OneShot(calls) => match calls.call(message) {
                Ok(call) => Ok(Handle::Exchange(call)),
                Err(message) => Err((message, NotTaken::Later)),
            },
            Self::Secure(client) => match client.call(message) {
                Ok(exchange) => Ok(Handle::Exchange(exchange)),
                Err((message, _)) => Err((message, NotTaken::Later)),
            },
            Self::Reliable(client) => match client.send_within(now, message, left) {
                Ok(ticket) => Ok(Handle::Ticket(ticket)),
                Err((message, SendRefused::Rollover)) => {
                    Err((message, NotTaken::Never(ChannelError::Reliable(SessionError::Rollover))))
                }
                Err((
                    message,
                    SendRefused::Phase(_) | SendRefused::Full { .. } | SendRefused::Busy { .. } | SendRefused::Unknown,
                )) => Err((message, NotTaken::Later)),
            },
        }
    }

    /// Nobody waits for this call any more. What was handed to a reliable session goes on: its number is taken.
    pub(super) fn forget(&mut self, handle: Handle) {
        match (self, handle) {
            (Self::Plain(client), Handle::Exchange(exchange)) => drop(client.forget(exchange)),
            (Self::OneShot(calls), Handle::Exchange(call)) => calls.forget(call),
            (Self::Secure(client), Handle::Exchange(exchange)) => drop(client.exchange_failed(exchange)),
            (Self::Reliable(_), _) | (_, Handle::Ticket(_)) => {}
        }
    }

    /// Does it know this call? What it could not send, it forgets.
    pub(super) fn knows(&self, handle: Handle) -> bool {
        match (self, handle) {
            (Self::Secure(client), Handle::Exchange(exchange)) => client.has_call(exchange),
            (Self::OneShot(calls), Handle::Exchange(call)) => calls.knows(call),
            (Self::Plain(_) | Self::Reliable(_), _) | (_, Handle::Ticket(_)) => true,
        }
    }

    /// A message that waited for room too long. Everything else is in the phase.
    pub(super) fn timed_out(&mut self, now: Instant) -> Option<Handle> {
        let Self::Reliable(client) = self else { return None };
        loop {
            match client.told(now)? {
                Told::TimedOut(ticket, _) => return Some(Handle::Ticket(ticket)),
                Told::Opened | Told::EndOfMessages | Told::Closed | Told::Ended(_) => {}
            }
        }
    }

    pub(super) fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        out: &'o mut [u8],
    ) -> StackAction<'o> {
        match self {
            Self::Plain(client) => match client.write(out) {
                None => StackAction::Wait(Deadline::Never),
                Some(Err(grow)) => StackAction::Grow(grow),
                Some(Ok((exchange, len, action))) => transmit(exchange, out, len, action),
            },
            Self::OneShot(calls) => match calls.write(now, credentials, out) {
                None => StackAction::Wait(Deadline::Never),
                Some(Err(NotWritten::Grow(grow))) => StackAction::Grow(grow),
                Some(Err(NotWritten::Failed(failure))) => StackAction::Failed(failure),
                Some(Ok(Written { exchange, len, action })) => transmit(exchange, out, len, action),
            },
            Self::Secure(client) => match client.poll(now, credentials, out) {
                Ok(InitiatorAction::Transmit { exchange, action, message }) => {
                    StackAction::Transmit { exchange: Some(exchange), action, message }
                }
                Ok(InitiatorAction::Grow(grow)) => StackAction::Grow(grow),
                Ok(InitiatorAction::Wait) => StackAction::Wait(Deadline::Never),
                Err(failure) => StackAction::Failed(failure),
            },
            Self::Reliable(client) => match client.poll(now, credentials, out) {
                ClientAction::Transmit { exchange, action, message } => {
                    StackAction::Transmit { exchange, action, message }
                }
                // Asked for before; whatever else is told now, the phase says too.
                ClientAction::Told(_) => StackAction::Wait(Deadline::At(now)),
                ClientAction::Failed(failure) => StackAction::Failed(failure),
                ClientAction::Grow(grow) => StackAction::Grow(grow),
                ClientAction::Wait(deadline) => StackAction::Wait(deadline),
            },
        }
    }

    pub(super) fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Option<Exchange>,
        credentials: &C,
        message: &mut [u8],
    ) -> StackHeard {
        match (self, exchange) {
            (Self::Plain(_) | Self::OneShot(_) | Self::Secure(_), None) => StackHeard::Protocol,
            (Self::Plain(client), Some(exchange)) => {
                let handle = Handle::Exchange(exchange);
                match client.receive(exchange, message) {
                    None => StackHeard::Protocol,
                    Some(Answer::Accepted) => StackHeard::Accepted(handle),
                    Some(Answer::Failed(error)) => StackHeard::Failed { handle, error, cause: None },
                    Some(Answer::Reply(message)) => StackHeard::Reply { handle, message },
                }
            }
            (Self::OneShot(calls), Some(exchange)) => match calls.receive(now, exchange, credentials, message) {
                None => StackHeard::Protocol,
                Some((call, OneShotAnswer::Accepted)) => StackHeard::Accepted(Handle::Exchange(call)),
                Some((call, OneShotAnswer::Failed(error))) => {
                    StackHeard::Failed { handle: Handle::Exchange(call), error, cause: None }
                }
                Some((call, OneShotAnswer::Reply(message))) => {
                    StackHeard::Reply { handle: Handle::Exchange(call), message }
                }
            },
            (Self::Secure(client), Some(exchange)) => {
                let handle = Handle::Exchange(exchange);
                let called = client.has_call(exchange);
                let failed = |failure: Failure, empty: bool| {
                    if !called {
                        return StackHeard::Lower(failure);
                    }
                    let error = if empty && failure == Failure::NoAnswer {
                        ChannelError::EmptyAnswer
                    } else if failure == Failure::Unexpected {
                        ChannelError::Unrelated
                    } else {
                        ChannelError::conversation(failure.clone())
                    };
                    StackHeard::Failed { handle, error, cause: Some(failure) }
                };
                match client.receive(now, exchange, credentials, message) {
                    Ok(Received::Established | Received::Renewed | Received::Closed) => StackHeard::Protocol,
                    Ok(Received::Reply(opened)) => StackHeard::Reply { handle, message: message_in(&opened) },
                    Ok(Received::Accepted) => StackHeard::Accepted(handle),
                    // The answer of a call that nobody waits for any more.
                    Ok(Received::Failed(Failure::Unexpected))
                        if !called && client.phase() != InitiatorPhase::Faulted =>
                    {
                        StackHeard::Protocol
                    }
                    Ok(Received::Failed(failure)) => failed(failure, message.is_empty()),
                    Err(refusal) => failed(Failure::Refused(refusal), false),
                }
            }
            (Self::Reliable(client), exchange) => match client.receive(now, exchange, credentials, message) {
                ClientHeard::Session(Heard::Reply { ticket }, Some(message)) => {
                    StackHeard::Reply { handle: Handle::Ticket(ticket), message }
                }
                ClientHeard::Session(Heard::Accepted { ticket }, _) => StackHeard::Accepted(Handle::Ticket(ticket)),
                ClientHeard::Session(
                    Heard::Reply { .. }
                    | Heard::Message { .. }
                    | Heard::Protocol
                    | Heard::Duplicate
                    | Heard::NoRoom
                    | Heard::Refused(_),
                    _,
                )
                | ClientHeard::Conversation
                | ClientHeard::NotRead(_) => StackHeard::Protocol,
                ClientHeard::Failed(failure) => StackHeard::Lower(failure),
            },
        }
    }

    pub(super) fn exchange_failed(&mut self, now: Instant, exchange: Exchange) -> StackHeard {
        match self {
            Self::Plain(client) => {
                if client.forget(exchange) {
                    let (handle, error) = (Handle::Exchange(exchange), ChannelError::NoAnswer);
                    StackHeard::Failed { handle, error, cause: None }
                } else {
                    StackHeard::Protocol
                }
            }
            Self::OneShot(calls) => match calls.exchange_failed(exchange) {
                Some(call) => {
                    let (handle, error) = (Handle::Exchange(call), ChannelError::NoAnswer);
                    StackHeard::Failed { handle, error, cause: None }
                }
                None => StackHeard::Protocol,
            },
            Self::Secure(client) => {
                let called = client.has_call(exchange);
                match client.exchange_failed(exchange) {
                    Some(_) if called => {
                        let (handle, error) = (Handle::Exchange(exchange), ChannelError::NoAnswer);
                        StackHeard::Failed { handle, error, cause: None }
                    }
                    Some(failure) => StackHeard::Lower(failure),
                    None => StackHeard::Protocol,
                }
            }
            Self::Reliable(client) => {
                client.exchange_failed(now, exchange).map_or(StackHeard::Protocol, StackHeard::Lower)
            }
        }
    }

    /// The timers of the layers, those that are running.
    pub(super) fn timers(
        &self,
    ) -> impl Iterator<Item = Timer> + use<P, E, CALLS, REPLAY, WINDOW, RANGES, EXCHANGES, B> {
        let (reliable, [renewal, rollover]) = match self {
            Self::Plain(_) | Self::OneShot(_) => (ReliableTimers::NONE, [Deadline::Never; 2]),
            Self::Secure(client) => (ReliableTimers::NONE, [client.renewal_at(), client.rollover_at()]),
            Self::Reliable(client) => (client.timers(), client.key_timers()),
        };
        [
            (TimerName::InactivityTimeout, reliable.inactivity, TimerEffect::Faults),
            (TimerName::Retransmission, reliable.retransmission, TimerEffect::SendsAgain),
            (TimerName::Acknowledgement, reliable.acknowledgement, TimerEffect::Acknowledges),
            (TimerName::KeepAlive, reliable.keep_alive, TimerEffect::Asks),
            (TimerName::RequestRetry, reliable.request, TimerEffect::SendsAgain),
            (TimerName::KeyRenewal, renewal, TimerEffect::RenewsBeforeNextMessage),
            (TimerName::KeyRollover, rollover, TimerEffect::ForgetsOldKey),
        ]
        .into_iter()
        .filter_map(|(name, due, effect)| Timer::running(name, due, effect))
    }
}
