//! A client without a session: each call is an exchange of its own.

use super::super::Message;
use super::error::ChannelError;
use crate::chance::{Chance, Entropy, Uuid};
use crate::exchange::{Exchange, Outgoing};
use crate::reliable::Identifier;
use crate::secure::Misuse;
use crate::soap::{AddressingVersion, HeaderBlock, PlainMessage, SoapVersion, write_plain};
use crate::xml::{Grow, Limits};
use heapless::Vec;

/// A client without a session, as over basicHttpBinding, or over wsHttpBinding without security.
///
/// `CALLS` bounds the calls under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlainClient<P, E = Chance, const CALLS: usize = 8> {
    soap: SoapVersion,
    addressing: Option<AddressingVersion>,
    to: Vec<u8, 256>,
    limits: Limits,
    entropy: E,
    calls: Vec<Call<P>, CALLS>,
    next_exchange: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Call<P> {
    exchange: Exchange,
    /// The request, until it is sent.
    request: Option<P>,
    two_way: bool,
    message_id: Identifier,
}

/// What the answer of an exchange was.
pub(super) enum Answer {
    Reply(Message),
    Accepted,
    Failed(ChannelError),
}

impl<P: Outgoing, E: Entropy + Clone, const CALLS: usize> PlainClient<P, E, CALLS> {
    /// A client of the service at `to`. `addressing` `None` writes no WS-Addressing headers, as basicHttpBinding does: the
    /// action goes into SOAP 1.1's `SOAPAction` alone.
    ///
    /// # Errors
    /// [`Misuse::AddressTooLong`] over 256 bytes.
    pub fn new(
        soap: SoapVersion,
        addressing: Option<AddressingVersion>,
        to: &str,
        limits: Limits,
        entropy: E,
    ) -> Result<Self, Misuse> {
        let to = Vec::from_slice(to.as_bytes()).map_err(|_| Misuse::AddressTooLong)?;
        Ok(Self { soap, addressing, to, limits, entropy, calls: Vec::new(), next_exchange: 1 })
    }

    pub(super) fn to(&self) -> &[u8] {
        &self.to
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes a request in. It comes back when `CALLS` are under way.
    pub(super) fn call(&mut self, request: P) -> Result<Exchange, P> {
        if self.calls.is_full() {
            return Err(request);
        }
        let exchange = Exchange(self.next_exchange);
        self.next_exchange = self.next_exchange.wrapping_add(1);
        let two_way = request.two_way();
        // Room was seen above.
        let _ = self.calls.push(Call { exchange, request: Some(request), two_way, message_id: Identifier::default() });
        Ok(exchange)
    }

    /// Forgets a call: what still comes of it is nobody's. `false` if it was not known.
    pub(super) fn forget(&mut self, exchange: Exchange) -> bool {
        let found = self.calls.iter().position(|call| call.exchange == exchange);
        found.map(|index| self.calls.remove(index)).is_some()
    }

    /// Forgets every call.
    pub(super) fn forget_all(&mut self) {
        self.calls.clear();
    }

    /// Writes the next request that is not sent: its exchange, and the lengths of the message and, behind it, of the action.
    pub(super) fn write(&mut self, out: &mut [u8]) -> Option<Result<(Exchange, usize, usize), Grow>> {
        let index = self.calls.iter().position(|call| call.request.is_some())?;
        let call = self.calls.get(index)?;
        let request = call.request.as_ref()?;
        let mut entropy = self.entropy.clone();
        let message_id = Identifier::of(Uuid::random(&mut entropy));
        let two_way = self.addressing.filter(|_| call.two_way);
        let headers: Vec<HeaderBlock<'_>, 4> = [
            Some(HeaderBlock::Action(request.action())),
            two_way.map(|_| HeaderBlock::MessageId(message_id.as_bytes())),
            two_way.map(|addressing| HeaderBlock::ReplyTo(addressing.anonymous().as_bytes())),
            Some(HeaderBlock::To(&self.to)),
        ]
        .into_iter()
        .flatten()
        .collect();
        // The action is kept behind the message: the request is forgotten when it is sent.
        let (have, kept) = (out.len(), request.action().len());
        let written = write_plain(out, self.soap, self.addressing, &headers, request.body());
        let (len, needed) = match written {
            Ok(len) => (len, len.saturating_add(kept)),
            Err(grow) => return Some(Err(Grow { needed: grow.needed.saturating_add(kept), have })),
        };
        let Some(place) = out.get_mut(len..needed) else { return Some(Err(Grow { needed, have })) };
        place.copy_from_slice(request.action());
        let exchange = call.exchange;
        drop(headers);
        self.entropy = entropy;
        if let Some(call) = self.calls.get_mut(index) {
            call.request = None;
            call.message_id = message_id;
        }
        Some(Ok((exchange, len, kept)))
    }

    /// Takes the answer of an exchange in; an empty one is HTTP's 202. `None`: nobody waits for it.
    pub(super) fn receive(&mut self, exchange: Exchange, message: &[u8]) -> Option<Answer> {
        let index = self.calls.iter().position(|call| call.exchange == exchange)?;
        let call = self.calls.remove(index);
        if message.is_empty() {
            return Some(if call.two_way { Answer::Failed(ChannelError::EmptyAnswer) } else { Answer::Accepted });
        }
        let read = match PlainMessage::read(message, self.soap, self.addressing, &self.limits) {
            Ok(read) => read,
            Err(error) => return Some(Answer::Failed(ChannelError::NotSoap(error))),
        };
        let PlainMessage { action, message_id, relates_to, body, body_scope, must_understand, .. } = read;
        let related = relates_to.of(message);
        if !related.is_empty() && related != call.message_id.as_bytes() {
            return Some(Answer::Failed(ChannelError::Unrelated));
        }
        Some(Answer::Reply(Message { action, message_id, relates_to, body, body_scope, must_understand }))
    }
}
