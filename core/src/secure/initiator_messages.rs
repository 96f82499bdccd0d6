//! The client's face for a layer above that has books of its own: messages sealed and opened one by one.
//!
//! The trust exchanges stay the machine's: [`poll`](Initiator::poll) sends them, [`receive`](Initiator::receive) takes their
//! answers.

use super::context_name::ContextName;
use super::conversation::{Misuse, trust_request};
use super::exchange::{Exchange, Outgoing};
use super::initiator::Initiator;
use super::peek::peek;
use super::phase::{InitiatorEvent, InitiatorPhase};
use super::session_message::{Heard, SessionMessage, Unsealed};
use super::trust::{ReferenceStyle, ReferenceTo, write_reference};
use super::{Credentials, Encryption, Refusal};
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::soap::RequestType;
use crate::time::Instant;
use crate::xml::Writer;

impl<P: Outgoing, E: Entropy + Clone, const CALLS: usize, const REPLAY: usize, B: Backend>
    Initiator<P, E, CALLS, REPLAY, B>
{
    /// Does the key have to be renewed before the next message? Renewing is not begun before there is one, as with WCF: see
    /// [`renew`](Self::renew).
    pub fn needs_renewal(&self, now: Instant) -> bool {
        self.phase == InitiatorPhase::Opened && self.renewal_due(self.wall.at(now))
    }

    /// Renews the key: the next [`poll`](Self::poll) asks for a new one, or fails with
    /// [`Failure::KeyExpired`](super::Failure::KeyExpired) where renewing is not allowed. Messages wait until then.
    ///
    /// # Errors
    /// [`Misuse::Phase`] unless it is open.
    pub fn renew(&mut self) -> Result<(), Misuse> {
        self.step(InitiatorEvent::RenewDue)
    }

    /// Seals a message under the session's current key into `out`. Returns its length.
    ///
    /// # Errors
    /// [`Unsealed`]: not open, the key is due for renewal, or too little room. Nothing has changed.
    pub fn seal_message(
        &mut self,
        now: Instant,
        message: &SessionMessage<'_>,
        out: &mut [u8],
    ) -> Result<usize, Unsealed> {
        match self.phase {
            InitiatorPhase::Opened => {}
            InitiatorPhase::Renewing => return Err(Unsealed::RenewalDue),
            InitiatorPhase::Created
            | InitiatorPhase::Issuing
            | InitiatorPhase::Closing
            | InitiatorPhase::Closed
            | InitiatorPhase::Faulted => return Err(Misuse::Phase(self.phase).into()),
        }
        let wall = self.wall.at(now);
        if self.renewal_due(wall) {
            return Err(Unsealed::RenewalDue);
        }
        let token = self.tokens.current().ok_or(Misuse::Phase(self.phase))?;
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let sealed = self.seal_in_session(token, wall, message, &mut ids, &mut entropy, out)?;
        (self.ids, self.entropy) = (ids, entropy);
        Ok(sealed.len)
    }

    /// Opens a message of the session in place. Whose answer it is, the caller has to find out.
    ///
    /// `body` says of an action how the body must be protected. WCF's receiver takes the body of a WS-ReliableMessaging
    /// message as it comes, in clear or encrypted ([`Encryption::Optional`]), and insists on ciphertext for all others.
    ///
    /// A fault of the secure conversation, verified or without security, is told as [`Heard::Fault`]. A dispatcher's
    /// `InternalServiceFault` is a message like any other: what it ends, the layer above knows.
    ///
    /// # Errors
    /// A [`Refusal`] changes nothing.
    pub fn open_message<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        body: impl FnOnce(&[u8]) -> Encryption,
        message: &mut [u8],
    ) -> Result<Heard, Refusal> {
        self.tokens.forget_old(now, self.settings.key_rollover_interval);
        if self.tokens.current().is_none() {
            return Err(Refusal::UnknownSecurityContext);
        }
        if let Some(fault) = self.unsecured(message) {
            return Ok(Heard::Fault(fault));
        }
        let peeked = peek(message, self.binding.addressing, &self.binding.limits)?;
        let trust = self.binding.version.trust();
        let cancel = peeked.action == trust.request_action(RequestType::Cancel).as_bytes();
        let policy =
            if cancel { self.binding.cancel_policy() } else { self.binding.session_policy(body(&peeked.action)) };
        let policy = self.binding.answering(policy);
        let opened = self.open_secured(now, credentials, message, &policy, None)?;
        if cancel {
            let request = trust_request(message, &opened, &self.binding)?;
            let target = request.cancel_target.and_then(|reference| reference.context()).and_then(ContextName::new);
            if target.as_ref().map(ContextName::identifier) != self.identifier() {
                return Err(Refusal::TokenMismatch);
            }
        }
        self.remember(now, &opened)?;
        if cancel {
            self.cancelled = true;
            if self.phase == InitiatorPhase::Closing && self.trust.is_some() {
                // Both have cancelled, and neither answers.
                let _ = self.step(InitiatorEvent::Cancelled);
                self.end();
            }
            return Ok(Heard::Cancelled);
        }
        Ok(match self.secured(message, &opened) {
            Some(fault) => Heard::Fault(fault),
            None => Heard::Message(opened),
        })
    }

    /// The trust exchange that `message` answers by its `RelatesTo`: where messages go both ways on one channel, an answer is
    /// known by nothing else. Give it to [`receive`](Self::receive) with this number.
    pub fn trust_exchange_related_to(&self, message: &[u8]) -> Option<Exchange> {
        let trust = self.trust.as_ref()?;
        let peeked = peek(message, self.binding.addressing, &self.binding.limits).ok()?;
        (peeked.relates_to == trust.message_id.as_bytes()).then_some(trust.exchange)
    }

    /// Writes the `SecurityTokenReference` that names the session's token from outside, as WS-ReliableMessaging's
    /// `CreateSequence` holds it. Returns its length.
    ///
    /// # Errors
    /// [`Unsealed::Misuse`] without a token, [`Unsealed::Room`].
    pub fn write_token_reference(&self, out: &mut [u8]) -> Result<usize, Unsealed> {
        let token = self.tokens.current().ok_or(Misuse::Phase(self.phase))?;
        let style = ReferenceStyle { declare_wsse: true, declare_sc: true, ..ReferenceStyle::header(self.binding.bsp) };
        let mut w = Writer::new(out);
        let to = ReferenceTo::Sct { version: self.binding.version, context: token.reference() };
        write_reference(&mut w, style, &to);
        Ok(w.finish()?)
    }
}
