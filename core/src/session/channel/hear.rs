//! What a client's channel hears.

use super::super::Message;
use super::ClientChannel;
use super::error::ChannelError;
use super::stack::{Handle, StackHeard};
use super::types::{Answered, CallId, ChannelHeard};
use super::{Handshake, left};
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::exchange::{Exchange, Outgoing};
use crate::lifetime::{Closing, CommunicationState};
use crate::secure::{Credentials, Failure, FaultSeen};
use crate::soap::ScVersion;
use crate::soap::fault::{KnownFault, read_fault};
use crate::time::Instant;
use crate::xml::{Limits, Reader};

impl<
    P: Outgoing,
    E: Entropy + Clone,
    const CALLS: usize,
    const REPLAY: usize,
    const WINDOW: usize,
    const RANGES: usize,
    const EXCHANGES: usize,
    B: Backend,
> ClientChannel<P, E, CALLS, REPLAY, WINDOW, RANGES, EXCHANGES, B>
{
    /// Takes in the answer of `exchange`; it is decrypted in place. An empty message is HTTP's 202.
    pub fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Option<Exchange>,
        credentials: &C,
        message: &mut [u8],
    ) -> ChannelHeard {
        self.tick(now);
        if self.life.state() == CommunicationState::Opening {
            self.stack.allow(left(self.life.remaining(now)));
        }
        let heard = self.stack.receive(now, exchange, credentials, message);
        let (heard, cause) = match heard {
            StackHeard::Reply { handle, message: place } => (self.replied(handle, message, place), None),
            StackHeard::Accepted(handle) => {
                self.accepted(handle);
                (ChannelHeard::Protocol, None)
            }
            StackHeard::Failed { handle, error, cause } => (self.failed(handle, error), cause),
            StackHeard::Lower(failure) => {
                self.not_sent(&failure);
                (ChannelHeard::Protocol, Some(failure))
            }
            StackHeard::Protocol => (ChannelHeard::Protocol, None),
        };
        self.follow(cause);
        heard
    }

    /// The exchange ended without an answer: connection lost, timed out, or an empty error.
    pub fn exchange_failed(&mut self, now: Instant, exchange: Exchange) {
        self.tick(now);
        match self.stack.exchange_failed(now, exchange) {
            StackHeard::Failed { handle, error, .. } => self.call_done(handle, Some(Err(error))),
            StackHeard::Lower(failure) => {
                self.not_sent(&failure);
                self.follow(Some(failure));
            }
            StackHeard::Reply { .. } | StackHeard::Accepted(_) | StackHeard::Protocol => self.follow(None),
        }
    }

    fn replied(&mut self, handle: Handle, bytes: &[u8], message: Message) -> ChannelHeard {
        let Some(index) = self.index_of(handle) else { return ChannelHeard::Protocol };
        if let Some(fault) = fault_in(bytes, &message, self.stack.limits()) {
            let call = self.calls.remove(index).id;
            if fault.known == Some(KnownFault::InternalServiceFault) && self.stack.has_session() {
                self.fault(ChannelError::Fault(fault));
            }
            return ChannelHeard::Fault { call, fault, message: Some(message) };
        }
        match self.terminate(index, Answered::Reply) {
            Some(call) => ChannelHeard::Held { call, message },
            None => ChannelHeard::Reply { call: self.calls.remove(index).id, message },
        }
    }

    pub(super) fn accepted(&mut self, handle: Handle) {
        let Some(index) = self.index_of(handle) else { return };
        let one_way = self.calls.get(index).is_some_and(|call| !call.operation.two_way);
        if !one_way {
            self.call_done(handle, Some(Err(ChannelError::EmptyAnswer)));
        } else if self.terminate(index, Answered::Accepted).is_none() {
            self.call_done(handle, Some(Ok(Answered::Accepted)));
        }
    }

    fn failed(&mut self, handle: Handle, error: ChannelError) -> ChannelHeard {
        let Some(index) = self.index_of(handle) else { return ChannelHeard::Protocol };
        let call = self.calls.remove(index).id;
        if let ChannelError::Conversation(Failure::Fault(fault)) = error
            && fault.known == Some(KnownFault::InternalServiceFault)
        {
            self.fault(ChannelError::Fault(fault));
            return ChannelHeard::Fault { call, fault, message: None };
        }
        if matches!(error, ChannelError::UnsecuredFault(_)) && self.fault(error.clone()) {
            self.stack.abort();
        }
        ChannelHeard::Failed { call, error }
    }

    /// After the answer of a terminating operation the channel closes, with what is left of the call's time; the call is over
    /// after that. `None` if it does not.
    fn terminate(&mut self, index: usize, answered: Answered) -> Option<CallId> {
        let call = self.calls.get_mut(index).filter(|call| call.operation.is_terminating)?;
        self.terminated = Some(call.operation.name);
        if !self.stack.has_session() {
            return None;
        }
        match self.life.close_until(call.until) {
            Closing::Graceful(_) => {
                self.handshake = Handshake::Waits;
                self.allotted = call.allotted;
            }
            // A close that the application began ends it too.
            Closing::Nothing if self.life.state() == CommunicationState::Closing => {}
            Closing::Nothing | Closing::Abort | Closing::AbortAndReport(_) => return None,
        }
        call.held = Some(answered);
        Some(call.id)
    }
}

/// The fault in a reply, if it is one.
fn fault_in(bytes: &[u8], message: &Message, limits: &Limits) -> Option<FaultSeen> {
    let mut reader = Reader::resume(bytes, message.body, &message.body_scope, limits).ok()?;
    let start = reader.next_element().ok()??;
    let view = read_fault(&mut reader, &start).ok()?;
    Some(FaultSeen {
        code: view.code,
        known: view.known(),
        version: view.subcode.and_then(|name| ScVersion::from_namespace(name.namespace)),
        reason: view.reason.map(|text| text.span()).unwrap_or_default(),
        secured: true,
    })
}
