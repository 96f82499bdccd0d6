//! What a client receives: the answers of its exchanges, verified, and what they mean for the conversation.

use super::client_token::{ClientToken, Wrapped};
use super::conversation::{Failure, FaultSeen, body_fault, session_key, unsecured_fault, with_response};
use super::exchange::{Exchange, Outgoing};
use super::initiator::Initiator;
use super::open::open;
use super::opened::{OpenContext, Opened, ProtectionToken};
use super::phase::{InitiatorEvent, InitiatorPhase};
use super::{Confirmations, Credentials, Encryption, Policy, Refusal};
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::soap::fault::KnownFault;
use crate::soap::{RequestType, names};
use crate::time::Instant;

/// What a received answer was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// The conversation is open: calls go out.
    Established,
    /// The key was renewed.
    Renewed,
    /// The service confirmed the cancellation.
    Closed,
    /// A reply to a call, in the message that was received. It may be a fault of the application.
    Reply(Opened),
    /// A one-way message was accepted.
    Accepted,
    /// The call or the conversation failed.
    Failed(Failure),
}

impl<P: Outgoing, E: Entropy + Clone, const CALLS: usize, const REPLAY: usize, B: Backend>
    Initiator<P, E, CALLS, REPLAY, B>
{
    /// Takes the answer of `exchange` in; it is decrypted in place.
    ///
    /// An empty `message` is HTTP's 202.
    ///
    /// # Errors
    /// A [`Refusal`] changes nothing but the call that it answers: that call has failed.
    pub fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Exchange,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<Received, Refusal> {
        self.tokens.forget_old(now, self.settings.key_rollover_interval);
        if self.trust.as_ref().is_some_and(|trust| trust.exchange == exchange) {
            return Ok(match self.receive_trust(now, credentials, message) {
                Ok(received) => received,
                Err(failure) => {
                    self.trust_failed();
                    Received::Failed(failure)
                }
            });
        }
        let Some(call) = self.take_call(exchange) else { return Ok(Received::Failed(Failure::Unexpected)) };
        if message.is_empty() {
            return Ok(if call.two_way { Received::Failed(Failure::NoAnswer) } else { Received::Accepted });
        }
        if let Some(fault) = self.unsecured(message) {
            return Ok(Received::Failed(Failure::Fault(fault)));
        }
        let policy = self.binding.answering(self.binding.session_policy(Encryption::Required));
        let opened = self.open_once(now, credentials, message, &policy, None)?;
        if opened.addressing.relates_to.of(message) != call.message_id.as_bytes() {
            return Ok(Received::Failed(Failure::Unexpected));
        }
        if let Some(fault) = self.secured(message, &opened) {
            return Ok(Received::Failed(Failure::Fault(fault)));
        }
        if opened.addressing.action.of(message) == names::DISPATCHER_FAULT_ACTION.as_bytes()
            && let Some(fault) = body_fault(message, &opened, &self.binding.limits)
            && fault.known == Some(KnownFault::InternalServiceFault)
        {
            // A sessionful client channel faults at once on it.
            self.fault();
            return Ok(Received::Failed(Failure::Fault(fault)));
        }
        Ok(Received::Reply(opened))
    }

    /// The fault in a message without security, and what it means for the conversation.
    pub(super) fn unsecured(&mut self, message: &[u8]) -> Option<FaultSeen> {
        let fault = unsecured_fault(message, &self.binding.limits)?;
        if self.binding.cookie_mode() {
            // There is no session that could end. Whatever the service has against the token or its cookie, the next call
            // brings another. WCF tells a token whose time is over in February 2005's namespace, whatever the version.
            self.renew_now |= fault.known.is_some_and(KnownFault::is_security);
        } else if fault.ends_session(self.binding.version) && self.phase != InitiatorPhase::Closing {
            // Once it is cancelled, a message that was under way is told that its token is gone. How the close ends, the answer to
            // Cancel tells.
            self.fault();
        }
        Some(fault)
    }

    /// The secure conversation's own fault in a verified message, and what it means for the conversation.
    pub(super) fn secured(&mut self, message: &[u8], opened: &Opened) -> Option<FaultSeen> {
        if opened.addressing.action.of(message) != names::SECURE_CONVERSATION_FAULT_ACTION.as_bytes() {
            return None;
        }
        let fault = body_fault(message, opened, &self.binding.limits)?;
        match fault.known {
            Some(KnownFault::RenewNeeded) => self.renew_now = true,
            Some(KnownFault::SecuritySessionAborted) => self.fault(),
            _ => return None,
        }
        Some(fault)
    }

    /// As [`open_secured`](Self::open_secured), and the message is not taken a second time.
    fn open_once<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        message: &mut [u8],
        policy: &Policy,
        wrapped: Option<&Wrapped>,
    ) -> Result<Opened, Refusal> {
        let opened = self.open_secured(now, credentials, message, policy, wrapped)?;
        self.remember(now, &opened)?;
        Ok(opened)
    }

    /// A client forgets the oldest signature where its table is full: an answer is taken for a request that waits for it only, or,
    /// where a layer above has numbers for its messages, for a number that was not there before.
    pub(super) fn remember(&mut self, now: Instant, opened: &Opened) -> Result<(), Refusal> {
        self.replay.remember_latest(&opened.signature, self.wall.at(now), now, &self.binding.clock)
    }

    /// Opens a message of the service's: under the key that was `wrapped` for it, or else under the session's.
    pub(super) fn open_secured<C: Credentials + ?Sized>(
        &self,
        now: Instant,
        credentials: &C,
        message: &mut [u8],
        policy: &Policy,
        wrapped: Option<&Wrapped>,
    ) -> Result<Opened, Refusal> {
        let wall = self.wall.at(now);
        let keyring = self.tokens.keyring(wrapped);
        let context =
            OpenContext { policy, limits: &self.binding.limits, keyring: &keyring, credentials, now: Some(wall) };
        let opened = open::<B, _, _>(message, &context)?;
        if matches!(opened.token, ProtectionToken::EncryptedKey { .. }) != wrapped.is_some() {
            return Err(Refusal::TokenMismatch);
        }
        Ok(opened)
    }

    fn receive_trust<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<Received, Failure> {
        if message.is_empty() {
            return Err(Failure::NoAnswer);
        }
        if let Some(fault) = unsecured_fault(message, &self.binding.limits) {
            return Err(Failure::Fault(fault));
        }
        let Some(trust) = self.trust.clone() else { return Err(Failure::Unexpected) };
        let policy = match trust.request {
            RequestType::Issue => self.binding.bootstrap_policy(true, false),
            RequestType::Renew => self.binding.bootstrap_policy(true, true),
            RequestType::Cancel => self.binding.answering(self.binding.cancel_policy()),
        };
        let opened =
            self.open_once(now, credentials, message, &policy, trust.wrapped.as_ref()).map_err(Failure::Refused)?;
        if opened.addressing.relates_to.of(message) != trust.message_id.as_bytes() {
            return Err(Failure::Unexpected);
        }
        if policy.confirmations == Confirmations::Required && !trust.signatures.confirmed::<B>(message, &opened) {
            return Err(Failure::Refused(Refusal::Confirmation));
        }
        let version = self.binding.version.trust();
        if opened.addressing.action.of(message) != version.response_action(trust.request).as_bytes() {
            let fault = body_fault(message, &opened, &self.binding.limits);
            return Err(fault.map_or(Failure::Unexpected, Failure::Fault));
        }
        if trust.request == RequestType::Cancel {
            with_response(message, &opened, &self.binding.limits, |response| {
                if response.cancelled { Ok(()) } else { Err(Failure::Unexpected) }
            })?;
            self.trust = None;
            let _ = self.step(InitiatorEvent::Cancelled);
            self.end();
            return Ok(Received::Closed);
        }
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let token = with_response(message, &opened, &self.binding.limits, |response| {
            let key = session_key::<B>(response, &trust.entropy, &self.binding)?;
            ClientToken::new::<B>(response, message, key, &self.binding, &mut ids, &mut entropy)
        })?;
        if trust.request == RequestType::Renew && self.identifier() != Some(token.identifier()) {
            return Err(Failure::Unexpected);
        }
        (self.ids, self.entropy) = (ids, entropy);
        let renewed = self.tokens.current().is_some();
        self.tokens.replace(token, now);
        self.trust = None;
        self.renew_now = false;
        let _ = self.step(InitiatorEvent::Token);
        Ok(if renewed { Received::Renewed } else { Received::Established })
    }
}
