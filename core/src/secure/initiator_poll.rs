//! What a client sends: trust requests and calls, sealed when they are asked for.

use super::bootstrap::{RequestProtection, Signs};
use super::client_token::ClientToken;
use super::confirmation::SentSignatures;
use super::conversation::{Failure, UrnUuid};
use super::emit::{Id, IdText, UniqueIds};
use super::exchange::{Exchange, Outgoing};
use super::initiator::{Initiator, TrustExchange};
use super::phase::{InitiatorEvent, InitiatorPhase};
use super::protection::{
    EndorsingToken, MessageKeys, OutgoingMessage, Protection, SealError, Sealed, SigningToken, Timestamp, UsernameToken,
};
use super::seal::seal;
use super::session_keys::{Derived, KeyPair};
use super::trust::{RequestedKey, write_cancel, write_issue, write_renew};
use super::{Credentials, KeyEntropyMode, ProtectionOrder, SessionMessage};
use crate::chance::Entropy;
use crate::crypto::{Backend, SecretKey};
use crate::soap::{HeaderBlock, RequestType};
use crate::time::{Instant, UnixMillis};
use crate::xml::{Grow, Writer};
use heapless::Vec;

/// What the client's machine wants done.
#[derive(Debug)]
#[must_use = "an action that is not carried out is lost"]
pub enum InitiatorAction<'o> {
    /// Open an exchange and send these bytes.
    Transmit {
        /// The exchange to open; its answer goes to [`Initiator::receive`] with the same number.
        exchange: Exchange,
        /// The action as it is meant, not as XML escapes it: for SOAP 1.1's `SOAPAction` header.
        action: &'o [u8],
        /// The message.
        message: &'o [u8],
    },
    /// The buffer is too small; nothing has changed.
    Grow(Grow),
    /// Nothing to do until something is told.
    Wait,
}

impl<P: Outgoing, E: Entropy + Clone, const CALLS: usize, const REPLAY: usize, B: Backend>
    Initiator<P, E, CALLS, REPLAY, B>
{
    /// Asks what to do at `now`. The order of wants: a trust request, then calls, then waiting.
    ///
    /// # Errors
    /// [`Failure`]: the message to send is not well-formed, or the credentials cannot make a key; the call (or the
    /// conversation) has then failed.
    pub fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        out: &'o mut [u8],
    ) -> Result<InitiatorAction<'o>, Failure> {
        let wall = self.wall.at(now);
        let queued = self.calls.iter().any(|call| call.request.is_some());
        let mut phase = self.phase;
        if phase == InitiatorPhase::Opened && queued && self.renewal_due(wall) {
            phase = phase.next(InitiatorEvent::RenewDue).unwrap_or(phase);
        }
        let cookie_mode = self.binding.cookie_mode();
        if phase == InitiatorPhase::Renewing && !self.settings.can_renew && !cookie_mode {
            self.fault();
            return Err(Failure::KeyExpired);
        }
        let wanted = match phase {
            InitiatorPhase::Issuing => Some(RequestType::Issue),
            // A token with a cookie is renewed by issuing another.
            InitiatorPhase::Renewing if cookie_mode => Some(RequestType::Issue),
            InitiatorPhase::Renewing => Some(RequestType::Renew),
            InitiatorPhase::Closing => Some(RequestType::Cancel),
            InitiatorPhase::Created | InitiatorPhase::Opened | InitiatorPhase::Closed | InitiatorPhase::Faulted => None,
        };
        if let (Some(request), None) = (wanted, &self.trust) {
            let action = self.binding.version.trust().request_action(request).as_bytes();
            let sent = match request {
                RequestType::Issue | RequestType::Renew => self.request_token(action, request, wall, credentials, out),
                RequestType::Cancel => self.cancel(action, wall, out),
            };
            if phase == InitiatorPhase::Renewing && !matches!(sent, Err(Failure::Room(_))) {
                self.phase = phase;
            }
            return self.transmit(sent, action, out);
        }
        if phase == InitiatorPhase::Opened && queued {
            // A call forgets its request when it is sent: the action is kept behind the message.
            let (have, kept) = (out.len(), self.next_call().map_or(0, |(_, request)| request.action().len()));
            let (out, action) = out.split_at_mut(have.saturating_sub(kept));
            if let Some((_, request)) = self.next_call().filter(|_| action.len() == kept) {
                action.copy_from_slice(request.action());
            }
            let sent = match self.send_call(wall, out) {
                Err(Failure::Room(grow)) => Err(Failure::Room(Grow { needed: grow.needed.saturating_add(kept), have })),
                sent => sent,
            };
            return self.transmit(sent, action, out);
        }
        Ok(InitiatorAction::Wait)
    }

    /// The first call that is not sent.
    fn next_call(&self) -> Option<(usize, &P)> {
        self.calls.iter().enumerate().find_map(|(index, call)| call.request.as_ref().map(|request| (index, request)))
    }

    /// RST/SCT or RST/SCT/Renew: under the bootstrap, with a key wrapped for the service.
    fn request_token<C: Credentials + ?Sized>(
        &mut self,
        action: &[u8],
        request: RequestType,
        wall: UnixMillis,
        credentials: &C,
        out: &mut [u8],
    ) -> Result<Sent, Failure> {
        let (mut ids, mut user_ids, mut entropy) = (self.ids.clone(), self.user_ids.clone(), self.entropy.clone());
        let key_len = self.binding.key_len();
        let mut secret = SecretKey::zeroed(key_len).ok_or(Failure::Unexpected)?;
        entropy.fill(secret.as_mut_bytes());
        let secret_id = IdText::of(Id::Unique(ids.next_id()));
        let mut body = [0u8; 2048];
        let mut w = Writer::new(&mut body);
        let bits = self.binding.suite.default_key_bits();
        let version = self.binding.version.trust();
        let own = (self.binding.entropy != KeyEntropyMode::Server).then(|| secret.as_bytes());
        let key = RequestedKey { entropy_id: secret_id.as_bytes(), entropy: own, bits };
        match self.tokens.current() {
            Some(token) if request == RequestType::Renew => write_renew(&mut w, version, &key, token.reference()),
            _ => write_issue(&mut w, version, &key),
        }
        let len = w.finish().map_err(|_| Failure::Unexpected)?;
        let content = body.get(..len).unwrap_or(&[]);
        let key = RequestProtection::fresh::<B, C>(&self.binding, credentials, &mut ids, &mut entropy)?;
        let current = self.tokens.current().filter(|_| request == RequestType::Renew);
        let fresh = current
            .filter(|_| self.binding.derived_keys && !self.binding.bootstrap.over_transport())
            .map(|token| Derived::fresh::<B>(token.key(), self.binding.suite.signature_key_len(), &mut entropy));
        let endorsing = current.map(|token| EndorsingToken {
            element: token.element(),
            id: token.id(),
            derived: fresh.as_ref().map(Derived::key),
            secret: token.key(),
        });
        let signer = Signs(credentials);
        let certificate = signer.endorsing(&self.binding, &mut user_ids)?;
        let user = self.user.as_ref().filter(|_| self.binding.bootstrap.user_name());
        let timestamp = self.binding.timestamp(wall, &mut ids);
        let username = user.map(|user| UsernameToken {
            id: Id::Unique(user_ids.next_id()),
            name: &user.name,
            password: core::str::from_utf8(user.password.as_bytes()).unwrap_or(""),
        });
        let (token, keys) = key.token(&self.binding, &signer, &mut user_ids)?;
        let protection = Protection {
            order: ProtectionOrder::default(),
            username,
            certificate,
            endorsing,
            ..self.protection(token, keys, timestamp)
        };
        let message_id = UrnUuid::fresh(&mut entropy);
        let sealed = {
            let headers = self.headers(action, Some(&message_id));
            let message = SessionMessage { headers: &headers, body: content, encrypt_body: true };
            self.seal(&message, &protection, &mut entropy, out)?
        };
        let exchange = self.exchange();
        self.trust = Some(TrustExchange {
            exchange,
            request,
            message_id,
            entropy: secret,
            wrapped: key.wrapped(),
            signatures: SentSignatures::from(&sealed),
        });
        (self.ids, self.user_ids, self.entropy) = (ids, user_ids, entropy);
        Ok(Sent { exchange, len: sealed.len })
    }

    /// RST/SCT/Cancel: under the session's own token, in clear.
    fn cancel(&mut self, action: &[u8], wall: UnixMillis, out: &mut [u8]) -> Result<Sent, Failure> {
        let token = self.tokens.current().ok_or(Failure::Unexpected)?;
        let mut body = [0u8; 1024];
        let mut w = Writer::new(&mut body);
        write_cancel(&mut w, self.binding.version.trust(), token.reference());
        let len = w.finish().map_err(|_| Failure::Unexpected)?;
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let message_id = UrnUuid::fresh(&mut entropy);
        let sealed = {
            let headers = self.headers(action, Some(&message_id));
            let body = body.get(..len).unwrap_or(&[]);
            let message = SessionMessage { headers: &headers, body, encrypt_body: false };
            self.seal_in_session(token, wall, &message, &mut ids, &mut entropy, out)?
        };
        let exchange = self.exchange();
        (self.ids, self.entropy) = (ids, entropy);
        if self.cancelled {
            // The service has cancelled too: neither side answers.
            let _ = self.step(InitiatorEvent::Cancelled);
            self.end();
            return Ok(Sent { exchange, len: sealed.len });
        }
        self.trust = Some(TrustExchange {
            exchange,
            request: RequestType::Cancel,
            message_id,
            entropy: SecretKey::default(),
            wrapped: None,
            signatures: SentSignatures::from(&sealed),
        });
        Ok(Sent { exchange, len: sealed.len })
    }

    fn send_call(&mut self, wall: UnixMillis, out: &mut [u8]) -> Result<Sent, Failure> {
        let token = self.tokens.current().ok_or(Failure::Unexpected)?;
        let (index, request) = self.next_call().ok_or(Failure::Unexpected)?;
        let call = self.calls.get(index).ok_or(Failure::Unexpected)?;
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let message_id = UrnUuid::fresh(&mut entropy);
        let exchange = call.exchange;
        let sealed = {
            let headers = self.headers(request.action(), call.two_way.then_some(&message_id));
            let message = SessionMessage { headers: &headers, body: request.body(), encrypt_body: true };
            self.seal_in_session(token, wall, &message, &mut ids, &mut entropy, out)
        };
        let sealed = match sealed.map_err(Failure::from) {
            Ok(sealed) => sealed,
            Err(Failure::Room(grow)) => return Err(Failure::Room(grow)),
            Err(failure) => {
                // The message itself is at fault: it would be so for ever.
                let _ = self.take_call(exchange);
                return Err(failure);
            }
        };
        if let Some(call) = self.calls.get_mut(index) {
            call.request = None;
            call.message_id = message_id;
        }
        (self.ids, self.entropy) = (ids, entropy);
        Ok(Sent { exchange, len: sealed.len })
    }

    /// The header blocks of a request, or of a one-way message, which has no MessageID.
    fn headers<'h>(&'h self, action: &'h [u8], message_id: Option<&'h UrnUuid>) -> Vec<HeaderBlock<'h>, 4> {
        let mut headers = Vec::new();
        // There is room for four.
        let mut put = |block| headers.push(block).unwrap_or(());
        put(HeaderBlock::Action(action));
        if let Some(id) = message_id {
            let anonymous = self.binding.addressing.anonymous().as_bytes();
            put(HeaderBlock::MessageId(id.as_bytes()));
            put(HeaderBlock::ReplyTo(if self.reply_to.is_empty() { anonymous } else { &self.reply_to }));
        }
        put(HeaderBlock::To(&self.to));
        headers
    }

    /// Seals under the session's current key.
    pub(super) fn seal_in_session(
        &self,
        token: &ClientToken,
        wall: UnixMillis,
        message: &SessionMessage<'_>,
        ids: &mut UniqueIds,
        entropy: &mut dyn Entropy,
        out: &mut [u8],
    ) -> Result<Sealed, SealError> {
        let timestamp = self.binding.timestamp(wall, ids);
        let (element, id, secret) = (token.element(), token.id(), token.key());
        let pair;
        let protection = if self.binding.bootstrap.over_transport() {
            let endorsing = Some(EndorsingToken { element, id, derived: None, secret });
            Protection { endorsing, ..self.protection(SigningToken::Transport, MessageKeys::None, timestamp) }
        } else {
            let keys = match token.keys() {
                _ if !self.binding.derived_keys => MessageKeys::Underived(secret),
                Some(keys) => keys.keys(),
                None => {
                    pair = KeyPair::fresh::<B>(secret, self.binding.suite, entropy);
                    pair.per_message()
                }
            };
            self.protection(SigningToken::SecurityContext { element, id }, keys, timestamp)
        };
        self.seal(message, &protection, entropy, out)
    }

    fn seal(
        &self,
        message: &SessionMessage<'_>,
        protection: &Protection<'_>,
        entropy: &mut dyn Entropy,
        out: &mut [u8],
    ) -> Result<Sealed, SealError> {
        let SessionMessage { headers, body, encrypt_body } = *message;
        let (soap, addressing) = (self.binding.soap, self.binding.addressing);
        let message = OutgoingMessage { soap, addressing, headers, body, encrypt_body };
        seal::<B>(&message, protection, &self.binding.limits, entropy, out)
    }

    fn protection<'k>(&self, token: SigningToken<'k>, keys: MessageKeys<'k>, timestamp: Timestamp) -> Protection<'k> {
        Protection {
            suite: self.binding.suite,
            version: self.binding.version,
            order: self.binding.order,
            bsp: self.binding.bsp,
            timestamp,
            token,
            keys,
            username: None,
            certificate: None,
            endorsing: None,
            confirmations: &[],
        }
    }

    pub(super) fn renewal_due(&self, wall: UnixMillis) -> bool {
        self.renew_now || self.tokens.current().is_some_and(|token| token.renewal_due(wall, &self.settings))
    }

    fn transmit<'o>(
        &mut self,
        sent: Result<Sent, Failure>,
        action: &'o [u8],
        out: &'o [u8],
    ) -> Result<InitiatorAction<'o>, Failure> {
        match sent {
            Ok(Sent { exchange, len }) => {
                Ok(InitiatorAction::Transmit { exchange, action, message: out.get(..len).unwrap_or(&[]) })
            }
            Err(Failure::Room(grow)) => Ok(InitiatorAction::Grow(grow)),
            Err(failure) => {
                // A trust request that cannot be made now never can.
                if self.phase != InitiatorPhase::Opened {
                    self.fault();
                }
                Err(failure)
            }
        }
    }
}

struct Sent {
    exchange: Exchange,
    len: usize,
}
