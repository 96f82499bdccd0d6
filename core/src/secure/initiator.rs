//! The client's side of a secure conversation: opens it, calls through it, renews its key, cancels it.
//!
//! ```text
//!   open()                         poll -> Transmit(RST/SCT)          receive(RSTR/SCT) -> Established
//!   call(..)                       poll -> Transmit(request)          receive(reply)    -> Reply
//!   (the key grows old)            poll -> Transmit(RST/SCT/Renew)    receive(RSTR/..)  -> Renewed
//!   close()                        poll -> Transmit(RST/SCT/Cancel)   receive(RSTR/..)  -> Closed
//! ```
//!
//! What is to be sent is computed when [`poll`](Initiator::poll) asks; nothing is queued but the calls that the caller
//! handed over. A refusal changes nothing.

use super::binding::{Binding, InitiatorSettings};
use super::client_token::{ClientToken, ClientTokens, Wrapped};
use super::confirmation::SentSignatures;
use super::conversation::{Failure, Misuse, UrnUuid};
use super::emit::UniqueIds;
use super::exchange::{Exchange, Outgoing, UserCredential};
use super::phase::{InitiatorEvent, InitiatorPhase};
use super::replay::ReplayTable;
use crate::chance::{Chance, Entropy, Uuid};
use crate::crypto::{Backend, RustCrypto, SecretKey};
use crate::soap::RequestType;
use crate::time::Wall;
use core::marker::PhantomData;
use heapless::Vec;

/// A call that was handed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Call<P> {
    pub(super) exchange: Exchange,
    /// The request, until it is sent.
    pub(super) request: Option<P>,
    pub(super) two_way: bool,
    pub(super) message_id: UrnUuid,
}

/// A trust exchange that is under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TrustExchange {
    pub(super) exchange: Exchange,
    pub(super) request: RequestType,
    pub(super) message_id: UrnUuid,
    pub(super) entropy: SecretKey,
    pub(super) wrapped: Option<Wrapped>,
    pub(super) signatures: SentSignatures,
}

/// The client's side of one secure conversation.
///
/// `CALLS` bounds the calls under way, `REPLAY` (a power of two) the signatures of answers that are remembered: a copy of one of
/// these is known as a replay; a copy of an older one answers no request that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Initiator<P, E = Chance, const CALLS: usize = 8, const REPLAY: usize = 1024, B = RustCrypto> {
    pub(super) binding: Binding,
    pub(super) settings: InitiatorSettings,
    pub(super) to: Vec<u8, 256>,
    /// Empty: anonymous.
    pub(super) reply_to: Vec<u8, 256>,
    pub(super) user: Option<UserCredential>,
    pub(super) wall: Wall,
    pub(super) entropy: E,
    pub(super) ids: UniqueIds,
    pub(super) user_ids: UniqueIds,
    pub(super) phase: InitiatorPhase,
    pub(super) tokens: ClientTokens,
    pub(super) trust: Option<TrustExchange>,
    pub(super) calls: Vec<Call<P>, CALLS>,
    pub(super) next_exchange: u32,
    pub(super) renew_now: bool,
    /// The service has cancelled too, and answers no cancellation any more.
    pub(super) cancelled: bool,
    pub(super) replay: ReplayTable<REPLAY>,
    pub(super) backend: PhantomData<B>,
}

impl<P: Outgoing, E: Entropy + Clone, const CALLS: usize, const REPLAY: usize, B: Backend>
    Initiator<P, E, CALLS, REPLAY, B>
{
    /// A client of the service at `to`. Nothing happens until [`open`](Self::open).
    ///
    /// # Errors
    /// [`Misuse::AddressTooLong`] over 256 bytes; [`Misuse::NoUser`] where the bootstrap wants a user and has none.
    pub fn new(
        binding: Binding,
        settings: InitiatorSettings,
        to: &str,
        user: Option<UserCredential>,
        wall: Wall,
        mut entropy: E,
    ) -> Result<Self, Misuse> {
        if binding.bootstrap.user_name() && user.is_none() {
            return Err(Misuse::NoUser);
        }
        let ids = UniqueIds::new(Uuid::random(&mut entropy), 1);
        let user_ids = UniqueIds::new(Uuid::random(&mut entropy), 1);
        Ok(Self {
            to: Vec::from_slice(to.as_bytes()).map_err(|_| Misuse::AddressTooLong)?,
            reply_to: Vec::new(),
            binding,
            settings,
            user,
            wall,
            entropy,
            ids,
            user_ids,
            phase: InitiatorPhase::Created,
            tokens: ClientTokens::default(),
            trust: None,
            calls: Vec::new(),
            next_exchange: 1,
            renew_now: false,
            cancelled: false,
            replay: ReplayTable::default(),
            backend: PhantomData,
        })
    }

    /// Opens the conversation: the next [`poll`](Self::poll) asks for a token.
    ///
    /// # Errors
    /// [`Misuse::Phase`] unless it was just made.
    pub fn open(&mut self) -> Result<(), Misuse> {
        self.step(InitiatorEvent::Open)
    }

    /// Hands over a request. It goes out once the conversation is open and its key is fresh.
    ///
    /// # Errors
    /// The request comes back with [`Misuse::Phase`] after close or fault, [`Misuse::TooManyCalls`] when `CALLS` are
    /// under way.
    pub fn call(&mut self, request: P) -> Result<Exchange, (P, Misuse)> {
        use InitiatorPhase as Phase;
        match self.phase {
            Phase::Issuing | Phase::Opened | Phase::Renewing => {}
            Phase::Created | Phase::Closing | Phase::Closed | Phase::Faulted => {
                return Err((request, Misuse::Phase(self.phase)));
            }
        }
        if self.calls.is_full() {
            return Err((request, Misuse::TooManyCalls { limit: u16::try_from(CALLS).unwrap_or(u16::MAX) }));
        }
        let exchange = self.exchange();
        let two_way = request.two_way();
        let message_id = UrnUuid::default();
        // Room was seen above.
        let _ = self.calls.push(Call { exchange, request: Some(request), two_way, message_id });
        Ok(exchange)
    }

    /// Closes: calls not sent yet are dropped, and the next [`poll`](Self::poll) cancels the token. In cookie mode there is
    /// nothing to cancel: it is closed at once.
    ///
    /// # Errors
    /// [`Misuse::Phase`] after a fault.
    pub fn close(&mut self) -> Result<(), Misuse> {
        let nothing_to_cancel = self.binding.cookie_mode() && self.phase != InitiatorPhase::Faulted;
        self.step(if nothing_to_cancel { InitiatorEvent::Abort } else { InitiatorEvent::Close })?;
        self.end();
        self.calls.clear();
        if self.trust.as_ref().is_some_and(|trust| trust.request != RequestType::Cancel) {
            self.trust = None;
        }
        Ok(())
    }

    /// Gives up at once: nothing is sent (WCF's client sends nothing either).
    pub fn abort(&mut self) {
        let _ = self.step(InitiatorEvent::Abort);
        self.end();
    }

    /// An exchange ended without an answer: connection lost, timed out, or an empty error.
    ///
    /// As WCF's client: without a token it is a fault, during a cancellation the end; a lost call is only that call's
    /// failure. A lost renewal is the failure of the calls that waited for it: they are dropped, the conversation stays open,
    /// and the next call renews again.
    pub fn exchange_failed(&mut self, exchange: Exchange) -> Option<Failure> {
        if self.trust.as_ref().is_some_and(|trust| trust.exchange == exchange) {
            let closing = self.phase == InitiatorPhase::Closing;
            self.trust_failed();
            return Some(if closing { Failure::CloseUnconfirmed } else { Failure::NoAnswer });
        }
        self.take_call(exchange).map(|_| Failure::NoAnswer)
    }

    /// Where answers are wanted, trust answers included: the address that dual HTTP listens on. Otherwise it is the anonymous
    /// one, the channel that the request went out on.
    ///
    /// # Errors
    /// [`Misuse::AddressTooLong`] over 256 bytes.
    pub fn set_reply_to(&mut self, address: &str) -> Result<(), Misuse> {
        self.reply_to = Vec::from_slice(address.as_bytes()).map_err(|_| Misuse::AddressTooLong)?;
        Ok(())
    }

    /// The calendar clock was set: where it stands now at the driver's zero.
    pub const fn set_wall(&mut self, wall: Wall) {
        self.wall = wall;
    }

    /// Counts Ids on from `ids`: for a process that numbers the Ids of all its conversations in one row, as WCF does. A
    /// conversation otherwise draws a prefix of its own and starts with 1.
    pub const fn continue_ids(&mut self, ids: UniqueIds) {
        self.ids = ids;
    }

    /// The same for the Ids of `UsernameToken`s, which WCF numbers in a row of their own.
    pub const fn continue_user_ids(&mut self, ids: UniqueIds) {
        self.user_ids = ids;
    }

    /// The state.
    pub const fn phase(&self) -> InitiatorPhase {
        self.phase
    }

    /// The conversation's identifier (`urn:uuid:...`), once it is open.
    pub fn identifier(&self) -> Option<&[u8]> {
        self.tokens.current().map(ClientToken::identifier)
    }

    /// The current key's instance, after a renewal.
    pub fn instance(&self) -> Option<&[u8]> {
        self.tokens.current().and_then(ClientToken::instance)
    }

    /// How many calls are under way or wait to be sent.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    pub(super) const fn exchange(&mut self) -> Exchange {
        let exchange = Exchange(self.next_exchange);
        self.next_exchange = self.next_exchange.wrapping_add(1);
        exchange
    }

    pub(super) fn take_call(&mut self, exchange: Exchange) -> Option<Call<P>> {
        let index = self.calls.iter().position(|call| call.exchange == exchange)?;
        Some(self.calls.remove(index))
    }

    pub(super) fn step(&mut self, event: InitiatorEvent) -> Result<(), Misuse> {
        self.phase = self.phase.next(event).ok_or(Misuse::Phase(self.phase))?;
        Ok(())
    }

    pub(super) fn fault(&mut self) {
        let _ = self.step(InitiatorEvent::Fault);
        self.end();
    }

    /// A trust request came to nothing. WCF's client has the calls that wait for a renewal fail and keeps its old key and its
    /// channel; without a token it faults.
    pub(super) fn trust_failed(&mut self) {
        self.trust = None;
        match self.step(InitiatorEvent::RenewalFailed) {
            Ok(()) => self.calls.retain(|call| call.request.is_none()),
            Err(_) => self.fault(),
        }
    }

    /// Forgets keys and calls once the conversation is over.
    pub(super) fn end(&mut self) {
        if matches!(self.phase, InitiatorPhase::Closed | InitiatorPhase::Faulted) {
            self.tokens = ClientTokens::default();
            self.trust = None;
            self.calls.clear();
        }
    }
}
