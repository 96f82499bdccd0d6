//! What a client sends: trust requests and calls, sealed when they are asked for.

use super::binding::Bootstrap;
use super::client_token::{ClientToken, Wrapped};
use super::conversation::{Failure, UrnUuid};
use super::emit::{Id, IdText};
use super::exchange::{Exchange, Outgoing};
use super::initiator::{Initiator, TrustExchange};
use super::phase::{InitiatorEvent, InitiatorPhase};
use super::protection::{
    EndorsingToken, MessageKeys, OutgoingMessage, Protection, SealError, SigningToken, Timestamp, UsernameToken,
};
use super::seal::seal;
use super::session_keys::{Derived, KeyPair};
use super::trust::{RequestedKey, write_cancel, write_issue, write_renew};
use super::{Credentials, KeyEntropyMode, ProtectionOrder, SignatureValue};
use crate::chance::Entropy;
use crate::crypto::{Backend, SecretKey};
use crate::soap::{HeaderBlock, RequestType};
use crate::time::{Instant, UnixMillis};
use crate::xml::{Grow, Limits, Reader, Writer};

/// What the client's machine wants done.
#[derive(Debug)]
#[must_use = "an action that is not carried out is lost"]
pub enum InitiatorAction<'o> {
    /// Open an exchange and send these bytes.
    Transmit {
        /// The exchange to open; its answer goes to [`Initiator::receive`] with the same number.
        exchange: Exchange,
        /// The action, for SOAP 1.1's `SOAPAction` header.
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
            if !self.settings.can_renew {
                self.fault();
                return Err(Failure::KeyExpired);
            }
            phase = phase.next(InitiatorEvent::RenewDue).unwrap_or(phase);
        }
        let wanted = match phase {
            InitiatorPhase::Issuing => Some(RequestType::Issue),
            InitiatorPhase::Renewing => Some(RequestType::Renew),
            InitiatorPhase::Closing => Some(RequestType::Cancel),
            InitiatorPhase::Created | InitiatorPhase::Opened | InitiatorPhase::Closed | InitiatorPhase::Faulted => None,
        };
        if let (Some(request), None) = (wanted, &self.trust) {
            let sent = match request {
                RequestType::Issue | RequestType::Renew => self.request_token(request, wall, credentials, out),
                RequestType::Cancel => self.cancel(wall, out),
            };
            if !matches!(sent, Err(Failure::Room(_))) {
                self.phase = phase;
            }
            return self.transmit(sent, out);
        }
        if phase == InitiatorPhase::Opened && queued {
            let sent = self.send_call(wall, out);
            return self.transmit(sent, out);
        }
        Ok(InitiatorAction::Wait)
    }

    /// RST/SCT or RST/SCT/Renew: under the bootstrap, with a key wrapped for the service.
    fn request_token<C: Credentials + ?Sized>(
        &mut self,
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
        let wrapped = Wrapped::fresh::<B, C>(key_len, self.binding.suite, credentials, &mut entropy)?;
        let key_id = Id::Unique(ids.next_id());
        let pair = KeyPair::fresh::<B>(&wrapped.key, self.binding.suite, &mut entropy);
        let current = self.tokens.current().filter(|_| request == RequestType::Renew);
        let fresh = current
            .filter(|_| self.binding.derived_keys)
            .map(|token| Derived::fresh::<B>(token.key(), self.binding.suite.signature_key_len(), &mut entropy));
        let endorsing = current.map(|token| EndorsingToken {
            element: token.element(),
            id: token.id(),
            derived: fresh.as_ref().map(Derived::key),
            secret: token.key(),
        });
        let user = self.user.as_ref().filter(|_| self.binding.bootstrap == Bootstrap::UserNameForCertificate);
        let timestamp = self.timestamp(Id::Unique(ids.next_id()), wall);
        let username = user.map(|user| UsernameToken {
            id: Id::Unique(user_ids.next_id()),
            name: &user.name,
            password: core::str::from_utf8(user.password.as_bytes()).unwrap_or(""),
        });
        let keys = if self.binding.derived_keys { pair.per_message() } else { MessageKeys::Underived(&wrapped.key) };
        let token =
            SigningToken::NewEncryptedKey { id: key_id, thumbprint: &wrapped.thumbprint, wrapped: wrapped.octets() };
        let protection = Protection {
            order: ProtectionOrder::default(),
            username,
            endorsing,
            ..self.protection(token, keys, timestamp)
        };
        let message_id = UrnUuid::fresh(&mut entropy);
        let sealed = self.seal(
            version.request_action(request).as_bytes(),
            Some(&message_id),
            content,
            true,
            &protection,
            &mut entropy,
            out,
        )?;
        let exchange = self.exchange();
        self.trust = Some(TrustExchange {
            exchange,
            request,
            message_id,
            entropy: secret,
            wrapped: Some(wrapped),
            signature: sealed.signature,
            endorsing: sealed.endorsing,
        });
        (self.ids, self.user_ids, self.entropy) = (ids, user_ids, entropy);
        Ok(Sent { exchange, len: sealed.len })
    }

    /// RST/SCT/Cancel: under the session's own token, in clear.
    fn cancel(&mut self, wall: UnixMillis, out: &mut [u8]) -> Result<Sent, Failure> {
        let token = self.tokens.current().ok_or(Failure::Unexpected)?;
        let mut body = [0u8; 1024];
        let mut w = Writer::new(&mut body);
        write_cancel(&mut w, self.binding.version.trust(), token.reference());
        let len = w.finish().map_err(|_| Failure::Unexpected)?;
        let content = body.get(..len).unwrap_or(&[]);
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let timestamp = self.timestamp(Id::Unique(ids.next_id()), wall);
        let protection = self.session_protection(token, timestamp);
        let message_id = UrnUuid::fresh(&mut entropy);
        let action = self.binding.version.trust().request_action(RequestType::Cancel);
        let sealed = self.seal(action.as_bytes(), Some(&message_id), content, false, &protection, &mut entropy, out)?;
        let exchange = self.exchange();
        self.trust = Some(TrustExchange {
            exchange,
            request: RequestType::Cancel,
            message_id,
            entropy: SecretKey::default(),
            wrapped: None,
            signature: sealed.signature,
            endorsing: None,
        });
        (self.ids, self.entropy) = (ids, entropy);
        Ok(Sent { exchange, len: sealed.len })
    }

    fn send_call(&mut self, wall: UnixMillis, out: &mut [u8]) -> Result<Sent, Failure> {
        let token = self.tokens.current().ok_or(Failure::Unexpected)?;
        let index = self.calls.iter().position(|call| call.request.is_some()).ok_or(Failure::Unexpected)?;
        let call = self.calls.get(index).ok_or(Failure::Unexpected)?;
        let request = call.request.as_ref().ok_or(Failure::Unexpected)?;
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let timestamp = self.timestamp(Id::Unique(ids.next_id()), wall);
        let protection = self.session_protection(token, timestamp);
        let message_id = UrnUuid::fresh(&mut entropy);
        let id = call.two_way.then_some(&message_id);
        let sealed = self.seal(request.action(), id, request.body(), true, &protection, &mut entropy, out);
        let exchange = call.exchange;
        let sealed = match sealed {
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

    #[allow(clippy::too_many_arguments, reason = "one private call site per kind of message")]
    fn seal(
        &self,
        action: &[u8],
        message_id: Option<&UrnUuid>,
        body: &[u8],
        encrypt_body: bool,
        protection: &Protection<'_>,
        entropy: &mut dyn Entropy,
        out: &mut [u8],
    ) -> Result<SealedRequest, Failure> {
        let anonymous = self.binding.addressing.anonymous().as_bytes();
        let two_way;
        let one_way;
        let headers: &[HeaderBlock<'_>] = if let Some(id) = message_id {
            two_way = [
                HeaderBlock::Action(action),
                HeaderBlock::MessageId(id.as_bytes()),
                HeaderBlock::ReplyTo(anonymous),
                HeaderBlock::To(&self.to),
            ];
            &two_way
        } else {
            one_way = [HeaderBlock::Action(action), HeaderBlock::To(&self.to)];
            &one_way
        };
        let message = OutgoingMessage {
            soap: self.binding.soap,
            addressing: self.binding.addressing,
            headers,
            body,
            encrypt_body,
        };
        let sealed =
            seal::<B>(&message, protection, &self.binding.limits, entropy, out).map_err(|error| match error {
                SealError::Grow(grow) => Failure::Room(grow),
                SealError::Xml(_) | SealError::TooMany | SealError::KeyLength => Failure::Unsendable(error),
            })?;
        Ok(SealedRequest { len: sealed.len, signature: sealed.signature, endorsing: sealed.endorsing_signature })
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
            endorsing: None,
            confirmations: &[],
        }
    }

    fn session_protection<'k>(&self, token: &'k ClientToken, timestamp: Timestamp) -> Protection<'k> {
        let keys = token.keys(self.binding.derived_keys);
        self.protection(SigningToken::SecurityContext { element: token.element(), id: token.id() }, keys, timestamp)
    }

    fn timestamp(&self, id: Id, created: UnixMillis) -> Timestamp {
        Timestamp { id, created, expires: created.after(self.binding.clock.timestamp_validity) }
    }

    fn renewal_due(&self, wall: UnixMillis) -> bool {
        self.renew_now || self.tokens.current().is_some_and(|token| token.renewal_due(wall, &self.settings))
    }

    fn transmit<'o>(&mut self, sent: Result<Sent, Failure>, out: &'o [u8]) -> Result<InitiatorAction<'o>, Failure> {
        match sent {
            Ok(Sent { exchange, len }) => {
                let message = out.get(..len).unwrap_or(&[]);
                Ok(InitiatorAction::Transmit { exchange, action: action_of(message), message })
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

struct SealedRequest {
    len: usize,
    signature: SignatureValue,
    endorsing: Option<SignatureValue>,
}

/// The action of a message that this side wrote.
fn action_of(message: &[u8]) -> &[u8] {
    let text = |message| -> Option<&[u8]> {
        let mut reader = Reader::document(message, &Limits::MAX).ok()?;
        for _ in 0..3 {
            reader.next_element().ok()??;
        }
        reader.text().ok()?.plain()
    };
    text(message).unwrap_or(&[])
}
