//! One-shot message security as a layer: no sessions, one channel, every message protected by itself.

use super::super::heard::message_in;
use super::datagrams::Datagrams;
use super::layer::{Delivered, Kept, LayerAction, LayerHeard, Owner, ServiceLayer, Wording};
use crate::chance::{Chance, Entropy};
use crate::crypto::{Backend, RustCrypto};
use crate::exchange::{Exchange, Outgoing};
use crate::lifetime::Timer;
use crate::secure::{Credentials, Misuse, OneShotIncoming, OneShotService, Owed, Refusal, SealError, Unsealed};
use crate::service::AbortReason;
use crate::soap::fault::FaultForm;
use crate::time::{Deadline, Instant};
use heapless::Vec;

/// What an exchange gets.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Answer<P> {
    /// What the application says.
    Application,
    /// This, sealed.
    Reply(P),
    /// What the machine owes it without the application: a fault in clear, or 400.
    Machine,
    /// 202.
    Accepted,
    /// Nothing: its reply could not be sealed.
    Drop,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Open<P> {
    exchange: Exchange,
    owed: Owed,
    answer: Answer<P>,
}

/// Messages that the bootstrap itself protects, as a service's endpoint stands on them: `WSHttpBinding` with message security
/// and `establishSecurityContext` off; `BasicHttpBinding` with message credentials.
///
/// Without WS-Addressing the action is HTTP's, and the driver's to know: that of a [`Delivered`] is empty.
///
/// `EXCHANGES` bounds the requests that wait for an answer; of each it keeps what the answer needs, some 4 KB. A message that
/// security refuses gets the one fault that says nothing, and [`receive`](ServiceLayer::receive) tells the exact reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OneShotLayer<P, E = Chance, const EXCHANGES: usize = 16, const REPLAY: usize = 1024, B = RustCrypto> {
    service: OneShotService<E, REPLAY, B>,
    wording: Wording,
    inbox: Datagrams<EXCHANGES>,
    open: Vec<Open<P>, EXCHANGES>,
}

impl<P: Outgoing, E: Entropy + Clone, const EXCHANGES: usize, const REPLAY: usize, B: Backend>
    OneShotLayer<P, E, EXCHANGES, REPLAY, B>
{
    /// A layer over this machine.
    pub fn new(service: OneShotService<E, REPLAY, B>) -> Self {
        let binding = service.binding();
        // What the transport protects is not encrypted, and a fault is written as WCF writes it in clear.
        let form = match (binding.bootstrap.over_transport(), binding.one_shot_addressing()) {
            (false, _) => FaultForm::Encrypted,
            (true, Some(addressing)) => FaultForm::Clear(addressing),
            (true, None) => FaultForm::Bare,
        };
        let wording = Wording {
            soap: binding.soap,
            addressing: binding.addressing,
            form,
            language: service.settings().language,
            addressed: binding.addressed,
        };
        Self { service, wording, inbox: Datagrams::new(), open: Vec::new() }
    }

    /// The machine, to be read.
    pub const fn service(&self) -> &OneShotService<E, REPLAY, B> {
        &self.service
    }

    /// The machine, to be told what is not a message's.
    pub const fn service_mut(&mut self) -> &mut OneShotService<E, REPLAY, B> {
        &mut self.service
    }

    fn waiting(&mut self, kept: Kept) -> Option<&mut Open<P>> {
        let exchange = kept.exchange();
        self.open.iter_mut().find(|open| open.exchange == exchange && matches!(open.answer, Answer::Application))
    }
}

impl<P: Outgoing, E: Entropy + Clone, const EXCHANGES: usize, const REPLAY: usize, B: Backend> ServiceLayer<P>
    for OneShotLayer<P, E, EXCHANGES, REPLAY, B>
{
    type Heard = Refusal;
    type Refused = Misuse;

    fn sessionful(&self) -> bool {
        false
    }

    fn set_room(&mut self, _: Option<u32>) {}

    fn wording(&self) -> Wording {
        self.wording
    }

    fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        from: Exchange,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<LayerHeard<Refusal>, Misuse> {
        // First: what is verified counts as seen, and would be a replay when it came again.
        if self.open.is_full() || self.inbox.is_full() {
            return Err(Misuse::TooManyCalls { limit: u16::try_from(EXCHANGES).unwrap_or(u16::MAX) });
        }
        match self.service.open_request(now, credentials, message) {
            OneShotIncoming::Request { opened, owed } => {
                let two_way = owed.reply();
                // Room was seen above.
                let _ = self.open.push(Open { exchange: from, owed, answer: Answer::Application });
                let kept = self.inbox.push(from);
                Ok(LayerHeard::Message(Delivered { kept, message: message_in(&opened), two_way }))
            }
            OneShotIncoming::Refused { refusal, owed } => {
                let _ = self.open.push(Open { exchange: from, owed, answer: Answer::Machine });
                Ok(LayerHeard::Other(refusal))
            }
        }
    }

    fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        out: &'o mut [u8],
    ) -> Result<LayerAction<'o>, Unsealed> {
        let ready = self.open.iter().position(|open| !matches!(open.answer, Answer::Application));
        let Some((index, open)) = ready.and_then(|index| Some((index, self.open.get_mut(index)?))) else {
            return Ok(LayerAction::Wait(Deadline::Never));
        };
        let exchange = open.exchange;
        let written = match &open.answer {
            Answer::Reply(reply) => self.service.seal_reply(now, credentials, &open.owed, reply, out),
            Answer::Machine => self.service.write_answer(&open.owed, out),
            Answer::Application | Answer::Accepted => Ok((0, 202)),
            Answer::Drop => {
                self.open.remove(index);
                return Ok(LayerAction::Drop(exchange));
            }
        };
        match written {
            Ok((len, status)) => {
                self.open.remove(index);
                Ok(LayerAction::Answer { exchange, status, message: out.get(..len).unwrap_or(&[]) })
            }
            Err(SealError::Grow(grow)) => Ok(LayerAction::Grow(grow)),
            Err(error) => {
                open.answer = Answer::Drop;
                Err(error.into())
            }
        }
    }

    fn accept(&mut self) -> Option<Owner> {
        self.inbox.accept()
    }

    fn take(&mut self, _: Instant, owner: Owner) -> Option<Kept> {
        self.inbox.take(owner)
    }

    fn reply(&mut self, _: Instant, kept: Kept, reply: P) -> Result<(), P> {
        match self.waiting(kept) {
            Some(open) if open.owed.reply() => {
                open.answer = Answer::Reply(reply);
                Ok(())
            }
            // One-way: nothing is owed but that it was taken.
            Some(open) => {
                open.answer = Answer::Accepted;
                Err(reply)
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
