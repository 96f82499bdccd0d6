//! A client without a session: each call is an exchange of its own.

use super::super::{Message, heard};
use super::error::ChannelError;
use crate::chance::{Chance, Entropy, Uuid};
use crate::exchange::{Exchange, Outgoing};
use crate::reliable::Identifier;
use crate::secure::Misuse;
use crate::soap::{Addressing, AddressingVersion, HeaderBlock, SoapError, SoapVersion};
use crate::xml::{Grow, Limits, Reader, Scope, Span, Text, Token, Writer};
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

/// The header that a reply must be understood with, its addressing, its body.
struct Envelope<'a> {
    addressing: Option<Addressing<'a>>,
    must_understand: Option<Span>,
    body: Span,
    body_scope: Scope,
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
        let mut w = Writer::new(out);
        w.put(b"<s:Envelope xmlns:s=\"");
        w.put_str(self.soap.namespace());
        w.put(b"\"");
        if let Some(addressing) = self.addressing {
            w.put(b" xmlns:a=\"");
            w.put_str(addressing.namespace());
            w.put(b"\"><s:Header>");
            HeaderBlock::Action(request.action()).write(&mut w, None);
            if call.two_way {
                HeaderBlock::MessageId(message_id.as_bytes()).write(&mut w, None);
                HeaderBlock::ReplyTo(addressing.anonymous().as_bytes()).write(&mut w, None);
            }
            HeaderBlock::To(&self.to).write(&mut w, None);
            w.put(b"</s:Header");
        }
        w.put(b"><s:Body>");
        w.put(request.body());
        w.put(b"</s:Body></s:Envelope>");
        let len = w.position();
        // The action is kept behind the message: the request is forgotten when it is sent.
        w.put(request.action());
        let kept = request.action().len();
        let exchange = call.exchange;
        if let Err(grow) = w.finish() {
            return Some(Err(grow));
        }
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
        let envelope = match self.read(message) {
            Ok(envelope) => envelope,
            Err(error) => return Some(Answer::Failed(ChannelError::NotSoap(error))),
        };
        let place = |text: Option<Text<'_>>| heard::span_of(message, text.and_then(|text| text.plain()));
        let addressing = envelope.addressing.as_ref();
        let relates_to = addressing.and_then(|addressing| addressing.relates_to);
        if relates_to.is_some_and(|id| id.plain() != Some(call.message_id.as_bytes())) {
            return Some(Answer::Failed(ChannelError::Unrelated));
        }
        Some(Answer::Reply(Message {
            action: place(addressing.and_then(|addressing| addressing.action().ok())),
            message_id: place(addressing.and_then(|addressing| addressing.message_id)),
            relates_to: place(relates_to),
            body: envelope.body,
            body_scope: envelope.body_scope,
            must_understand: envelope.must_understand,
        }))
    }

    fn read<'a>(&self, message: &'a [u8]) -> Result<Envelope<'a>, SoapError> {
        let soap = self.soap.namespace();
        let mut reader = Reader::document(message, &self.limits)?;
        let envelope = reader.next_element()?.ok_or(SoapError::Missing { element: "Envelope" })?;
        if !envelope.name.is(soap, "Envelope") {
            return Err(SoapError::Unexpected { expected: "Envelope", offset: envelope.span.start });
        }
        let mut addressing = self.addressing.map(Addressing::new);
        let mut must_understand = None;
        let mut next = reader.next_element()?;
        if next.is_some_and(|start| start.name.is(soap, "Header")) {
            while let Some(block) = reader.next_element()? {
                let marked =
                    reader.attribute(soap, "mustUnderstand").is_some_and(|value| value.eq("1") || value.eq("true"))
                        && reader.attribute(soap, self.soap.role_attribute()).is_none();
                let known = match &mut addressing {
                    Some(addressing) => addressing.read(&mut reader, &block)?,
                    None => false,
                };
                if !known {
                    let span = reader.skip()?;
                    if marked && must_understand.is_none() {
                        must_understand = Some(span);
                    }
                }
            }
            next = reader.next_element()?;
        }
        let start = next.ok_or(SoapError::Missing { element: "Body" })?;
        if !start.name.is(soap, "Body") {
            return Err(SoapError::Unexpected { expected: "Body", offset: start.span.start });
        }
        let body_scope = reader.scope().clone();
        let inside = reader.depth();
        let mut end = start.span.end;
        while reader.depth() >= inside {
            // An element written `<s:Body/>` ends, without width, where its start tag does.
            end = reader.position();
            if let Token::Eof = reader.next()? {
                break;
            }
        }
        while !matches!(reader.next()?, Token::Eof) {}
        Ok(Envelope { addressing, must_understand, body: Span::new(start.span.end, end), body_scope })
    }
}
