//! The service's face for a layer above that has books of its own: messages opened and sealed one by one.
//!
//! Token requests, cancellations and refusals keep their exchanges here, and are answered through
//! [`poll`](Acceptor::poll). All other messages are the layer's, and so are their exchanges.

use super::Credentials;
use super::Encryption;
use super::acceptor::{Acceptor, Incoming};
use super::acceptor_poll::Sealing;
use super::answer::OpenExchange;
use super::conversation::{Misuse, UrnUuid};
use super::exchange::{Exchange, Outgoing};
use super::phase::AcceptorPhase;
use super::server_session::SessionId;
use super::session_message::{SessionMessage, Unsealed};
use super::trust::{ContextReference, write_cancel};
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::time::{Deadline, Instant};
use crate::xml::Writer;

impl<P: Outgoing, E: Entropy + Clone, const SESSIONS: usize, const EXCHANGES: usize, const REPLAY: usize, B: Backend>
    Acceptor<P, E, SESSIONS, EXCHANGES, REPLAY, B>
{
    /// Takes a message in as [`receive`](Self::receive) does, but leaves a session's message, and its exchange, to the
    /// caller: after [`Incoming::Request`] the exchange is not known here, whether or not the message has a MessageID. After
    /// any other outcome it is answered through [`poll`](Self::poll).
    ///
    /// `contract` says of an action how the body must be protected; `None` refuses it. WCF's receiver takes the body of a
    /// WS-ReliableMessaging message as it comes, in clear or encrypted ([`Encryption::Optional`]), and insists on ciphertext
    /// for all others.
    ///
    /// # Errors
    /// [`Misuse::TooManyCalls`] when `EXCHANGES` wait for their answers: this message might need one too. Nothing has changed.
    pub fn open_message<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Exchange,
        credentials: &C,
        contract: impl Fn(&[u8]) -> Option<Encryption>,
        message: &mut [u8],
    ) -> Result<Incoming, Misuse> {
        self.open_message_beside(now, exchange, credentials, contract, |_, _| false, message)
    }

    /// As [`open_message`](Self::open_message). In cookie mode, where tokens that are not used make room for others, those stay
    /// that are `held`: sessions that the layer above has still something to send under, by number and identifier.
    ///
    /// # Errors
    /// As [`open_message`](Self::open_message).
    pub fn open_message_beside<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Exchange,
        credentials: &C,
        contract: impl Fn(&[u8]) -> Option<Encryption>,
        held: impl Fn(SessionId, &[u8]) -> bool,
        message: &mut [u8],
    ) -> Result<Incoming, Misuse> {
        let (incoming, open) = self.take(now, exchange, credentials, (&contract, &held), message)?;
        match incoming {
            Incoming::Request { .. } => {}
            Incoming::Issued(_) | Incoming::Renewed(_) | Incoming::Cancelled(_) | Incoming::Refused(_) => {
                // `take` has seen the room.
                let _ = self.exchanges.push(open);
            }
        }
        Ok(incoming)
    }

    /// The session whose token has this identifier.
    pub fn named(&self, identifier: &[u8]) -> Option<SessionId> {
        self.sessions.iter().find(|session| session.identifier.as_bytes() == identifier).map(|session| session.id)
    }

    /// Until when [`poll`](Self::poll) has nothing to do; `None` if it has something now.
    pub fn wait(&self, now: Instant) -> Option<Deadline> {
        let gone = self.sessions.iter().any(|session| session.phase == AcceptorPhase::Closed);
        let busy = gone || self.next_sweep.due(now) || self.exchanges.iter().any(OpenExchange::ready);
        (!busy).then_some(self.next_sweep)
    }

    /// Seals a message under a session's current key into `out`. Returns its length.
    ///
    /// # Errors
    /// [`Unsealed`]: no such session, or too little room. Nothing has changed.
    pub fn seal_message(
        &mut self,
        now: Instant,
        session: SessionId,
        message: &SessionMessage<'_>,
        out: &mut [u8],
    ) -> Result<usize, Unsealed> {
        self.session(session).ok_or(Misuse::Unknown)?;
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let wall = self.wall.at(now);
        let mut sealing = Sealing { acceptor: self, wall, ids: &mut ids, entropy: &mut entropy };
        let len = sealing.under_session(session, message, out)?;
        (self.ids, self.entropy) = (ids, entropy);
        Ok(len)
    }

    /// Writes the body of a cancellation by the service, which WCF's service sends where messages go both ways (net.tcp, dual
    /// HTTP). It goes in clear. Returns its length.
    ///
    /// # Errors
    /// [`Unsealed`]: no such session, or too little room.
    pub fn write_cancel(&self, session: SessionId, out: &mut [u8]) -> Result<usize, Unsealed> {
        let session = self.session(session).ok_or(Misuse::Unknown)?;
        let instance = session.current.instance();
        let identifier = session.identifier.as_bytes();
        let target = ContextReference { identifier, instance: instance.as_ref().map(UrnUuid::as_bytes) };
        let mut w = Writer::new(out);
        write_cancel(&mut w, self.binding.version.trust(), target);
        Ok(w.finish()?)
    }
}
