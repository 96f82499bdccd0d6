//! Plain messages as a layer: no sessions, one channel.

use super::super::heard::Message;
use super::datagrams::Datagrams;
use super::layer::{Delivered, Kept, LayerAction, LayerHeard, Owner, ServiceLayer, Wording};
use crate::exchange::{Exchange, Outgoing};
use crate::lifetime::Timer;
use crate::secure::{Credentials, Misuse, Unsealed};
use crate::service::AbortReason;
use crate::soap::fault::FaultForm;
use crate::soap::{AddressingVersion, HeaderBlock, PlainMessage, SoapError, SoapVersion, write_plain};
use crate::time::{Deadline, Instant};
use crate::xml::Limits;
use heapless::Vec;

/// The longest `MessageID` that is taken.
const MESSAGE_ID: usize = 256;

/// What an exchange gets.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Answer<P> {
    /// What the application says.
    Application,
    /// This.
    Reply(P),
    /// 202.
    Accepted,
    /// 400: it was no SOAP.
    BadRequest,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Open<P> {
    exchange: Exchange,
    message_id: Vec<u8, MESSAGE_ID>,
    answer: Answer<P>,
}

/// Messages without security and without sessions, as a service's endpoint stands on them: `BasicHttpBinding`, and
/// `WSHttpBinding` without security.
///
/// Without WS-Addressing the action is HTTP's, and the driver's to know: that of a [`Delivered`] is empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlainLayer<P, const EXCHANGES: usize = 16> {
    soap: SoapVersion,
    addressing: Option<AddressingVersion>,
    limits: Limits,
    language: &'static str,
    inbox: Datagrams<EXCHANGES>,
    open: Vec<Open<P>, EXCHANGES>,
}

impl<P: Outgoing, const EXCHANGES: usize> PlainLayer<P, EXCHANGES> {
    /// A layer for messages of these versions.
    pub const fn new(soap: SoapVersion, addressing: Option<AddressingVersion>, limits: Limits) -> Self {
        Self { soap, addressing, limits, language: "en-US", inbox: Datagrams::new(), open: Vec::new() }
    }

    /// `xml:lang` of fault reasons. WCF writes its culture; the invariant culture is the empty string.
    #[must_use]
    pub const fn with_language(mut self, language: &'static str) -> Self {
        self.language = language;
        self
    }

    fn waiting(&mut self, kept: Kept) -> Option<&mut Open<P>> {
        let exchange = kept.exchange();
        self.open.iter_mut().find(|open| open.exchange == exchange && matches!(open.answer, Answer::Application))
    }
}

impl<P: Outgoing, const EXCHANGES: usize> ServiceLayer<P> for PlainLayer<P, EXCHANGES> {
    type Heard = SoapError;
    type Refused = Misuse;

    fn sessionful(&self) -> bool {
        false
    }

    fn set_room(&mut self, _: Option<u32>) {}

    fn wording(&self) -> Wording {
        // Without WS-Addressing any version will do.
        let (soap, language) = (self.soap, self.language);
        let addressing = self.addressing.unwrap_or_default();
        let form = self.addressing.map_or(FaultForm::Bare, FaultForm::Clear);
        Wording { soap, addressing, form, language, addressed: self.addressing.is_some() }
    }

    fn receive<C: Credentials + ?Sized>(
        &mut self,
        _: Instant,
        from: Exchange,
        _: &C,
        message: &mut [u8],
    ) -> Result<LayerHeard<SoapError>, Misuse> {
        if self.open.is_full() || self.inbox.is_full() {
            return Err(Misuse::TooManyCalls { limit: u16::try_from(EXCHANGES).unwrap_or(u16::MAX) });
        }
        let read = PlainMessage::read(message, self.soap, self.addressing, &self.limits);
        let read = read.and_then(|read| match Vec::from_slice(read.message_id.of(message)) {
            Ok(id) => Ok((read, id)),
            Err(_) => Err(SoapError::Unexpected {
                expected: "a MessageID of at most 256 bytes",
                offset: read.message_id.start,
            }),
        });
        let (read, message_id) = match read {
            Ok(read) => read,
            Err(error) => {
                let _ = self.open.push(Open { exchange: from, message_id: Vec::new(), answer: Answer::BadRequest });
                return Ok(LayerHeard::Other(error));
            }
        };
        // Without MessageID nothing can be related to it; without WS-Addressing only the contract knows.
        let two_way = self.addressing.is_none() || !message_id.is_empty();
        // Room was seen above.
        let _ = self.open.push(Open { exchange: from, message_id, answer: Answer::Application });
        let kept = self.inbox.push(from);
        let PlainMessage { action, message_id, relates_to, body, body_scope, must_understand, .. } = read;
        let message = Message { action, message_id, relates_to, body, body_scope, must_understand };
        Ok(LayerHeard::Message(Delivered { kept, message, two_way }))
    }

    fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        _: Instant,
        _: &C,
        out: &'o mut [u8],
    ) -> Result<LayerAction<'o>, Unsealed> {
        let ready = self.open.iter().position(|open| !matches!(open.answer, Answer::Application));
        let Some((index, open)) = ready.and_then(|index| Some((index, self.open.get(index)?))) else {
            return Ok(LayerAction::Wait(Deadline::Never));
        };
        let exchange = open.exchange;
        let (len, status) = match &open.answer {
            Answer::Reply(reply) => {
                let relates_to = (!open.message_id.is_empty()).then_some(HeaderBlock::RelatesTo(&open.message_id));
                let anonymous = self.addressing.filter(|version| *version == AddressingVersion::August2004);
                // This version's To is not optional.
                let to = anonymous.map(|version| HeaderBlock::To(version.anonymous().as_bytes()));
                let block = reply.not_understood().map(HeaderBlock::NotUnderstood);
                let headers: Vec<HeaderBlock<'_>, 4> =
                    [Some(HeaderBlock::Action(reply.action())), block, relates_to, to].into_iter().flatten().collect();
                let written = write_plain(out, self.soap, self.addressing, &headers, reply.body());
                let status = if reply.is_fault() { 500 } else { 200 };
                match written {
                    Ok(len) => (len, status),
                    Err(grow) => return Ok(LayerAction::Grow(grow)),
                }
            }
            Answer::Application | Answer::Accepted => (0, 202),
            Answer::BadRequest => (0, 400),
        };
        self.open.remove(index);
        Ok(LayerAction::Answer { exchange, status, message: out.get(..len).unwrap_or(&[]) })
    }

    fn accept(&mut self) -> Option<Owner> {
        self.inbox.accept()
    }

    fn take(&mut self, _: Instant, owner: Owner) -> Option<Kept> {
        self.inbox.take(owner)
    }

    fn reply(&mut self, _: Instant, kept: Kept, reply: P) -> Result<(), P> {
        match self.waiting(kept) {
            Some(open) => {
                open.answer = Answer::Reply(reply);
                Ok(())
            }
            None => Err(reply),
        }
    }

    fn finish(&mut self, kept: Kept) {
        if let Some(open) = self.waiting(kept) {
            open.answer = Answer::Accepted;
        }
    }

    fn close(&mut self, _: Instant, _: Owner) {}

    fn abort(&mut self, _: Owner, _: AbortReason) {}

    fn exchange_failed(&mut self, exchange: Exchange) {
        // A request whose client has gone is run all the same, as in WCF.
        self.open.retain(|open| open.exchange != exchange);
    }

    fn timers(&self, _: Owner, _: &mut dyn FnMut(Timer)) {}

    fn session_id(&self, _: Owner) -> Option<&[u8]> {
        None
    }
}
