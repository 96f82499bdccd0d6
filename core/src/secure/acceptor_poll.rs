//! What a service sends: the answers that its exchanges are owed, sealed when they are asked for.

use super::acceptor::Acceptor;
use super::answer::{Answer, BootstrapFault, BootstrapKey, NewToken, OpenExchange};
use super::binding::KeyEntropyMode;
use super::bootstrap::{Answering, seal_answer};
use super::conversation::UrnUuid;
use super::emit::{Id, IdText};
use super::exchange::{Exchange, Outgoing};
use super::phase::{AcceptorEvent, AcceptorPhase};
use super::protection::{MessageKeys, OutgoingMessage, Protection, SealError, Sealed, SigningToken};
use super::seal::seal;
use super::server_session::{Session, SessionId};
use super::session_keys::KeyPair;
use super::trust::{Base64, ContextReference, IssuedToken, ResponseKey, write_cancelled, write_response};
use super::{ProtectionOrder, SessionMessage};
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::soap::fault::{FaultForm, write_fault_body, write_fault_envelope};
use crate::soap::{AddressingVersion, Fault, HeaderBlock, RequestType};
use crate::time::{Deadline, Instant, UnixMillis};
use crate::xml::{Grow, Limits, Writer};
use heapless::Vec;

/// Longest body that carries a token, in bytes: with the longest cookie and a key of 64 octets it has 3 KB.
pub(super) const LONGEST_TOKEN: usize = 4096;

/// What the service's machine wants done.
#[derive(Debug)]
#[must_use = "an action that is not carried out is lost"]
pub enum AcceptorAction<'o> {
    /// Answer an exchange and forget it.
    Answer {
        /// The exchange.
        exchange: Exchange,
        /// HTTP status: 200, 202 without a message, 400, 503, or 500 for every fault.
        status: u16,
        /// The message; empty for 202, 400 and 503.
        message: &'o [u8],
    },
    /// End an exchange without an answer: its session was aborted.
    Drop(Exchange),
    /// A session that was issued and never used has been swept.
    Swept(SessionId),
    /// The buffer is too small; nothing has changed.
    Grow(Grow),
    /// Nothing to do before this time, or before something is told.
    Wait(Deadline),
}

impl<P: Outgoing, E: Entropy + Clone, const SESSIONS: usize, const EXCHANGES: usize, const REPLAY: usize, B: Backend>
    Acceptor<P, E, SESSIONS, EXCHANGES, REPLAY, B>
{
    /// Asks what to do at `now`: answers first, then what the sweep removed, then waiting.
    ///
    /// # Errors
    /// [`SealError`]: the application's reply is not well-formed. Its exchange is given up, and ends with
    /// [`AcceptorAction::Drop`].
    pub fn poll<'o>(&mut self, now: Instant, out: &'o mut [u8]) -> Result<AcceptorAction<'o>, SealError> {
        self.sweep(now);
        if let Some(index) = self.exchanges.iter().position(OpenExchange::ready) {
            return self.answer(now, index, out);
        }
        if let Some(gone) = self.sessions.iter().find(|s| s.phase == AcceptorPhase::Closed).map(|s| s.id) {
            let _ = self.forget(gone);
            return Ok(AcceptorAction::Swept(gone));
        }
        Ok(AcceptorAction::Wait(self.next_sweep))
    }

    /// Two generations: what was issued before the last sweep and is still unused goes.
    fn sweep(&mut self, now: Instant) {
        if !self.next_sweep.due(now) {
            return;
        }
        for session in &mut self.sessions {
            session.step(AcceptorEvent::Sweep);
        }
        let pending = self.sessions.iter().any(Session::is_pending);
        let next = Deadline::At(now.after(self.settings.inactivity_timeout));
        self.next_sweep = if pending { next } else { Deadline::Never };
    }

    fn answer<'o>(&mut self, now: Instant, index: usize, out: &'o mut [u8]) -> Result<AcceptorAction<'o>, SealError> {
        let Some(open) = self.exchanges.get(index) else { return Ok(AcceptorAction::Wait(Deadline::Never)) };
        let exchange = open.exchange;
        if matches!(open.answer, Answer::Abort) {
            self.exchanges.remove(index);
            self.forget_answer(exchange);
            return Ok(AcceptorAction::Drop(exchange));
        }
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let wall = self.wall.at(now);
        let mut sealing = Sealing { acceptor: self, wall, ids: &mut ids, entropy: &mut entropy };
        match sealing.write(open, out) {
            Ok((len, status)) => {
                let cancelled = if let Answer::Cancelled(session) = open.answer { Some(session) } else { None };
                (self.ids, self.entropy) = (ids, entropy);
                self.exchanges.remove(index);
                self.forget_answer(exchange);
                if let Some(session) = cancelled {
                    let _ = self.forget(session);
                }
                Ok(AcceptorAction::Answer { exchange, status, message: out.get(..len).unwrap_or(&[]) })
            }
            Err(SealError::Grow(grow)) => Ok(AcceptorAction::Grow(grow)),
            Err(error) => {
                if let Some(open) = self.exchanges.get_mut(index) {
                    open.answer = Answer::Abort;
                }
                Err(error)
            }
        }
    }
}

/// One message being written. Ids and chance are copies: they are kept only if the message fitted.
pub(super) struct Sealing<'s, P, E, const S: usize, const X: usize, const R: usize, B> {
    pub(super) acceptor: &'s Acceptor<P, E, S, X, R, B>,
    pub(super) wall: UnixMillis,
    pub(super) ids: &'s mut super::UniqueIds,
    pub(super) entropy: &'s mut E,
}

impl<'s, P: Outgoing, E: Entropy + Clone, const S: usize, const X: usize, const R: usize, B: Backend>
    Sealing<'s, P, E, S, X, R, B>
{
    /// Returns the message's length and its HTTP status.
    fn write(&mut self, open: &OpenExchange<P>, out: &mut [u8]) -> Result<(usize, u16), SealError> {
        match &open.answer {
            Answer::Accepted => Ok((0, 202)),
            Answer::NoRoom => Ok((0, 503)),
            Answer::BadRequest | Answer::Abort | Answer::Application(_) | Answer::CancelHeld(_) => Ok((0, 400)),
            Answer::Fault(plain) => {
                let fault = plain.fault(self.acceptor.binding.version, &open.action, self.acceptor.settings.language);
                let mut w = Writer::new(out);
                let relates_to = Some(open.message_id.as_slice()).filter(|id| !id.is_empty());
                let binding = &self.acceptor.binding;
                write_fault_envelope(&mut w, binding.soap, binding.addressing, relates_to, &fault);
                Ok((w.finish()?, 500))
            }
            Answer::Reply(session, reply) => {
                let status = if reply.is_fault() { 500 } else { 200 };
                self.answer(open, *session, reply.action(), reply.body(), true, out).map(|len| (len, status))
            }
            Answer::RenewNeeded(session) => {
                let fault = Fault::renew_needed(self.acceptor.binding.version);
                let (body, action) = self.fault_body(&fault)?;
                self.answer(open, *session, action.as_bytes(), &body, true, out).map(|len| (len, 500))
            }
            Answer::Cancelled(session) => {
                let trust = self.acceptor.binding.version.trust();
                let mut body = [0u8; 512];
                let mut w = Writer::new(&mut body);
                write_cancelled(&mut w, trust);
                let len = w.finish()?;
                let action = trust.response_action(RequestType::Cancel).as_bytes();
                let body = body.get(..len).unwrap_or(&[]);
                self.answer(open, *session, action, body, false, out).map(|len| (len, 200))
            }
            Answer::Certified => self.acceptor.certified.copy(open.exchange, out),
            Answer::BootstrapFault(key, kind) => {
                let (body, action) = self.bootstrap_fault(*kind)?;
                self.under_bootstrap(open, key, action.as_bytes(), &body, out).map(|len| (len, 500))
            }
            Answer::Token { renewed, key, token } => {
                let action = self.acceptor.token_action(*renewed).as_bytes();
                let mut body = [0u8; LONGEST_TOKEN];
                let len = self.token_body(token, open.exchange, &mut body)?;
                self.under_bootstrap(open, key, action, body.get(..len).unwrap_or(&[]), out).map(|len| (len, 200))
            }
        }
    }

    pub(super) fn bootstrap_fault(&self, kind: BootstrapFault) -> Result<(Vec<u8, 1024>, &'static str), SealError> {
        self.fault_body(&match kind {
            BootstrapFault::ServerTooBusy => Fault::too_many_pending_sessions(),
            BootstrapFault::InvalidRequest => Fault::invalid_request(),
        })
    }

    pub(super) fn token_body(&self, token: &NewToken, exchange: Exchange, body: &mut [u8]) -> Result<usize, SealError> {
        let binding = &self.acceptor.binding;
        let (token_id, secret_id) = (IdText::of(Id::Unique(token.token_id)), IdText::of(Id::Unique(token.secret_id)));
        let issued = IssuedToken {
            token_id: token_id.as_bytes(),
            context: ContextReference {
                identifier: token.identifier.as_bytes(),
                instance: token.instance.as_ref().map(UrnUuid::as_bytes),
            },
            cookie: self.acceptor.cookie_of(exchange).map(Base64::Octets),
            key: match binding.entropy {
                KeyEntropyMode::Combined => ResponseKey::Combined(token.share.as_bytes()),
                KeyEntropyMode::Server => ResponseKey::Issuer(token.share.as_bytes()),
                KeyEntropyMode::Client => ResponseKey::Requestor,
            },
            secret_id: secret_id.as_bytes(),
            created: &token.created.text(),
            expires: &token.expires.text(),
            bits: u32::try_from(token.share.len().saturating_mul(8)).unwrap_or(u32::MAX),
            bsp: binding.bsp,
        };
        let mut w = Writer::new(body);
        write_response(&mut w, binding.version.trust(), &issued);
        Ok(w.finish()?)
    }

    fn fault_body(&self, fault: &Fault<'_>) -> Result<(Vec<u8, 1024>, &'static str), SealError> {
        let binding = &self.acceptor.binding;
        let fault = fault.in_language(self.acceptor.settings.language);
        let mut body = Vec::new();
        body.resize(body.capacity(), 0).map_err(|_| SealError::TooMany)?;
        let mut w = Writer::new(&mut body);
        write_fault_body(&mut w, binding.soap, FaultForm::Encrypted, &fault);
        let len = w.finish()?;
        body.truncate(len);
        Ok((body, fault.action_uri(binding.addressing)))
    }

    /// An answer under a session's current key.
    fn answer(
        &mut self,
        open: &OpenExchange<P>,
        session: SessionId,
        action: &[u8],
        body: &[u8],
        encrypt_body: bool,
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        let headers = self.headers(open, action);
        self.under_session(session, &SessionMessage { headers: &headers, body, encrypt_body }, out)
    }

    /// Seals under a session's current key.
    pub(super) fn under_session(
        &mut self,
        id: SessionId,
        message: &SessionMessage<'_>,
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        let acceptor = self.acceptor;
        let Some(session) = acceptor.session(id) else { return Err(SealError::TooMany) };
        let binding = &acceptor.binding;
        // As short as they are kept, they are made for one message.
        let (session_keys, key, instance) = (session.keys(), session.current.key(), session.current.instance());
        let pair;
        let keys = if !binding.derived_keys {
            MessageKeys::Underived(&key)
        } else if binding.cookie_mode() {
            pair = KeyPair::fresh::<B>(&key, binding.suite, self.entropy);
            pair.per_message()
        } else {
            session_keys.keys()
        };
        let context = SigningToken::ExternalContext {
            identifier: session.identifier.as_bytes(),
            instance: instance.as_ref().map(UrnUuid::as_bytes),
        };
        let over_transport = binding.bootstrap.over_transport();
        let (token, keys) = if over_transport { (SigningToken::Transport, MessageKeys::None) } else { (context, keys) };
        let protection = self.protection(binding.order, token, keys);
        self.seal(message, &protection, out)
    }

    /// Seals under the key of a bootstrap request.
    fn under_bootstrap(
        &mut self,
        open: &OpenExchange<P>,
        key: &BootstrapKey,
        action: &[u8],
        body: &[u8],
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        let headers = self.headers(open, action);
        let answer = self.bootstrap_answer(&headers, body);
        seal_answer::<B>(&answer, key, self.ids, self.entropy, out)
    }

    /// An answer that the bootstrap protects.
    pub(super) fn bootstrap_answer<'a>(&self, headers: &'a [HeaderBlock<'a>], body: &'a [u8]) -> Answering<'a>
    where
        's: 'a,
    {
        Answering {
            binding: &self.acceptor.binding,
            // The bootstrap of a secure conversation keeps the default order.
            order: ProtectionOrder::default(),
            wall: self.wall,
            message: SessionMessage { headers, body, encrypt_body: true },
        }
    }

    fn protection<'k>(
        &mut self,
        order: ProtectionOrder,
        token: SigningToken<'k>,
        keys: MessageKeys<'k>,
    ) -> Protection<'k> {
        let binding = &self.acceptor.binding;
        Protection {
            suite: binding.suite,
            version: binding.version,
            order,
            bsp: binding.bsp,
            timestamp: binding.timestamp(self.wall, self.ids),
            token,
            keys,
            username: None,
            certificate: None,
            endorsing: None,
            confirmations: &[],
        }
    }

    /// The header blocks of an answer. It says To unless that is anonymous; 2004/08 and duplex sessions say it even then.
    pub(super) fn headers<'h>(&self, open: &'h OpenExchange<P>, action: &'h [u8]) -> Vec<HeaderBlock<'h>, 3> {
        let addressing = self.acceptor.binding.addressing;
        let anonymous = addressing.anonymous().as_bytes();
        let august = addressing == AddressingVersion::August2004;
        let to = if open.reply_to.is_empty() { anonymous } else { &open.reply_to };
        let said = august || self.acceptor.settings.duplex || to != anonymous;
        let (to, relates_to) = (said.then_some(HeaderBlock::To(to)), HeaderBlock::RelatesTo(&open.message_id));
        // WCF puts it before RelatesTo in the answer to Cancel only, and there only with 2004/08.
        let blocks = if august && matches!(open.answer, Answer::Cancelled(_)) {
            [Some(HeaderBlock::Action(action)), to, Some(relates_to)]
        } else {
            [Some(HeaderBlock::Action(action)), Some(relates_to), to]
        };
        blocks.into_iter().flatten().collect()
    }

    fn seal(
        &mut self,
        message: &SessionMessage<'_>,
        protection: &Protection<'_>,
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        let SessionMessage { headers, body, encrypt_body } = *message;
        let binding = &self.acceptor.binding;
        let (soap, addressing) = (binding.soap, binding.addressing);
        let message = OutgoingMessage { soap, addressing, headers, body, encrypt_body };
        let Sealed { len, .. } = seal::<B>(&message, protection, &Limits::MAX, self.entropy, out)?;
        Ok(len)
    }
}
