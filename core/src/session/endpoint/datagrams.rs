//! The one channel of a layer without sessions, and the messages that wait in it.

use super::layer::{Kept, Owner};
use crate::exchange::Exchange;
use heapless::deque::Deque;

/// Messages that wait for the application, in their order. There is one channel, as soon as there is a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Datagrams<const EXCHANGES: usize> {
    accepted: bool,
    inbox: Deque<Exchange, EXCHANGES>,
}

impl<const EXCHANGES: usize> Datagrams<EXCHANGES> {
    pub(super) const fn new() -> Self {
        Self { accepted: false, inbox: Deque::new() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.inbox.is_full()
    }

    /// The message of this exchange waits; under which name to keep it. Whether there is room was asked before.
    pub(super) fn push(&mut self, from: Exchange) -> Kept {
        let _ = self.inbox.push_back(from);
        Kept { owner: Owner::Datagram, number: u64::from(from.0) }
    }

    /// The channel, when it is to be accepted.
    pub(super) fn accept(&mut self) -> Option<Owner> {
        let first = !self.accepted && !self.inbox.is_empty();
        self.accepted |= first;
        first.then_some(Owner::Datagram)
    }

    /// The next message.
    pub(super) fn take(&mut self, owner: Owner) -> Option<Kept> {
        let exchange = self.inbox.pop_front()?;
        Some(Kept { owner, number: u64::from(exchange.0) })
    }
}
