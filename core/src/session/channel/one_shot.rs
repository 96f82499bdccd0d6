//! A client of one-shot message security: each call is an exchange of its own, and protected by itself.

use super::super::Message;
use super::super::heard::message_in;
use super::error::ChannelError;
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::exchange::{Exchange, Outgoing};
use crate::secure::{Credentials, Failure, OneShotClient, Received};
use crate::time::Instant;
use crate::xml::Grow;
use heapless::Vec;

/// The machine, and the calls that it has not sealed yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OneShotCalls<P, E, const CALLS: usize, const REPLAY: usize, B> {
    client: OneShotClient<E, CALLS, REPLAY, B>,
    calls: Vec<Call<P>, CALLS>,
    next_call: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Call<P> {
    /// Its number here: the machine numbers exchanges, and opens one only for what can be sealed.
    call: Exchange,
    state: CallState<P>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum CallState<P> {
    Unsent(P),
    /// It waits for the answer of this exchange.
    Sent(Exchange),
}

/// A request that was sealed: its exchange, and the lengths of the message and, behind it, of the action.
pub(super) struct Written {
    pub(super) exchange: Exchange,
    pub(super) len: usize,
    pub(super) action: usize,
}

/// Why a request was not written.
pub(super) enum NotWritten {
    /// The buffer is too small; nothing has changed.
    Grow(Grow),
    /// It never can be: its call is forgotten.
    Failed(Failure),
}

/// What the answer of an exchange was.
pub(super) enum OneShotAnswer {
    Reply(Message),
    Accepted,
    Failed(ChannelError),
}

impl<P: Outgoing, E: Entropy + Clone, const CALLS: usize, const REPLAY: usize, B: Backend>
    OneShotCalls<P, E, CALLS, REPLAY, B>
{
    pub(super) const fn new(client: OneShotClient<E, CALLS, REPLAY, B>) -> Self {
        Self { client, calls: Vec::new(), next_call: 1 }
    }

    pub(super) const fn client(&self) -> &OneShotClient<E, CALLS, REPLAY, B> {
        &self.client
    }

    /// Takes a request in. It comes back when `CALLS` are under way.
    pub(super) fn call(&mut self, request: P) -> Result<Exchange, P> {
        if self.calls.is_full() {
            return Err(request);
        }
        let call = Exchange(self.next_call);
        self.next_call = self.next_call.wrapping_add(1);
        // Room was seen above.
        let _ = self.calls.push(Call { call, state: CallState::Unsent(request) });
        Ok(call)
    }

    /// Is this call under way?
    pub(super) fn knows(&self, call: Exchange) -> bool {
        self.calls.iter().any(|known| known.call == call)
    }

    /// Forgets a call: what still comes of it is nobody's.
    pub(super) fn forget(&mut self, call: Exchange) {
        if let Some(index) = self.calls.iter().position(|known| known.call == call)
            && let CallState::Sent(exchange) = self.calls.remove(index).state
        {
            let _ = self.client.exchange_failed(exchange);
        }
    }

    /// Forgets every call.
    pub(super) fn forget_all(&mut self) {
        while let Some(call) = self.calls.first().map(|call| call.call) {
            self.forget(call);
        }
    }

    /// Seals the next request that is not sent.
    pub(super) fn write<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        out: &mut [u8],
    ) -> Option<Result<Written, NotWritten>> {
        let index = self.calls.iter().position(|call| matches!(call.state, CallState::Unsent(_)))?;
        let call = self.calls.get_mut(index)?;
        let CallState::Unsent(request) = &call.state else { return None };
        // The action is kept behind the message, as the request is forgotten when it is sent; sealing leaves room for it.
        let (have, action) = (out.len(), request.action().len());
        let room = out.get_mut(..have.saturating_sub(action)).unwrap_or_default();
        match self.client.seal_request(now, credentials, request, room) {
            Ok((exchange, len)) => {
                if let Some(place) = out.get_mut(len..len.saturating_add(action)) {
                    place.copy_from_slice(request.action());
                }
                call.state = CallState::Sent(exchange);
                Some(Ok(Written { exchange, len, action }))
            }
            Err(Failure::Room(grow)) => {
                let needed = grow.needed.saturating_add(action);
                Some(Err(NotWritten::Grow(Grow { needed, have })))
            }
            Err(failure) => {
                self.calls.remove(index);
                Some(Err(NotWritten::Failed(failure)))
            }
        }
    }

    /// Takes the answer of an exchange in; an empty one is HTTP's 202. `None`: nobody waits for it.
    pub(super) fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Exchange,
        credentials: &C,
        message: &mut [u8],
    ) -> Option<(Exchange, OneShotAnswer)> {
        let call = self.answered(exchange)?;
        let error = match self.client.open_reply(now, exchange, credentials, message) {
            Ok(Received::Reply(opened)) => return Some((call, OneShotAnswer::Reply(message_in(&opened)))),
            Ok(Received::Accepted) => return Some((call, OneShotAnswer::Accepted)),
            Ok(Received::Failed(Failure::NoAnswer)) => ChannelError::EmptyAnswer,
            Ok(Received::Failed(Failure::Fault(fault))) => ChannelError::UnsecuredFault(fault),
            Ok(
                Received::Established | Received::Renewed | Received::Closed | Received::Failed(Failure::Unexpected),
            ) => ChannelError::Unrelated,
            Ok(Received::Failed(failure)) => ChannelError::conversation(failure),
            Err(refusal) => ChannelError::conversation(Failure::Refused(refusal)),
        };
        Some((call, OneShotAnswer::Failed(error)))
    }

    /// An exchange ended without an answer. The call that waited for one.
    pub(super) fn exchange_failed(&mut self, exchange: Exchange) -> Option<Exchange> {
        let call = self.answered(exchange)?;
        let _ = self.client.exchange_failed(exchange);
        Some(call)
    }

    /// The call of an exchange that is over.
    fn answered(&mut self, exchange: Exchange) -> Option<Exchange> {
        let sent = |call: &Call<P>| matches!(call.state, CallState::Sent(of) if of == exchange);
        let index = self.calls.iter().position(sent)?;
        Some(self.calls.remove(index).call)
    }
}
