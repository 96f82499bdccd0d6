//! The service's side in cookie mode: a token carries its conversation's state, and nothing is kept but a bounded cache.
//!
//! ```text
//!   receive(RST/SCT)        -> Incoming::Issued     poll -> Answer(RSTR/SCT with the cookie)
//!   receive(request)        -> Incoming::Request    reply(..)   poll -> Answer(reply)
//! ```
//!
//! A request under a token that is not in the cache brings its state along. It is believed once the encoder has opened the
//! cookie, and goes into the cache once the message was verified with the key inside. There is no Cancel and no Renew: both are
//! actions like any other, which the contract does not have. What the application gets as a session is the cache's entry: good
//! for answering the request, and not for telling clients apart.
//!
//! A token issued here says nothing of signatures that other processes have seen: a copy of a message is refused as a replay
//! by the process that took the message, not by its siblings behind one address, nor after a restart. WCF's service is no
//! different.

use super::acceptor::{Acceptor, Contract, Held, Incoming, Rejection, invalid_request, user_of};
use super::answer::{Answer, BootstrapFault, NewToken, PlainFault};
use super::context_name::ContextName;
use super::conversation::UrnUuid;
use super::cookie::{CookieFlaw, MAX_COOKIE, MAX_STATE, SecurityState, StateError, StateField, Ticks};
use super::emit::{Id, IdText};
use super::exchange::{Exchange, Outgoing};
use super::peek::Peek;
use super::phase::AcceptorEvent;
use super::server_session::{Generation, Session, SessionId, UserDigest};
use super::{Credentials, Refusal};
use crate::base64;
use crate::chance::{Entropy, Uuid};
use crate::crypto::{Backend, SecretKey};
use crate::soap::RequestType;
use crate::time::{Instant, UnixMillis};
use heapless::{String, Vec};
use zeroize::Zeroizing;

/// A cookie until its token is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct IssuedCookie {
    pub(super) exchange: Exchange,
    octets: Vec<u8, MAX_COOKIE>,
}

impl<P: Outgoing, E: Entropy + Clone, const SESSIONS: usize, const EXCHANGES: usize, const REPLAY: usize, B: Backend>
    Acceptor<P, E, SESSIONS, EXCHANGES, REPLAY, B>
{
    pub(super) fn judge_stateless<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Exchange,
        credentials: &C,
        needs: (Contract<'_>, Held<'_>),
        message: &mut [u8],
        peeked: &Peek,
    ) -> Result<(Incoming, Answer<P>), Rejection<P>> {
        let issue = self.binding.version.trust().request_action(RequestType::Issue);
        if peeked.action == issue.as_bytes() {
            self.issue_with_cookie(now, exchange, credentials, message)
        } else {
            self.message_with_cookie(now, credentials, needs, message, peeked)
        }
    }

    pub(super) fn cookie_of(&self, exchange: Exchange) -> Option<&[u8]> {
        self.cookies.iter().find(|cookie| cookie.exchange == exchange).map(|cookie| cookie.octets.as_slice())
    }

    /// RST/SCT.
    fn issue_with_cookie<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Exchange,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<(Incoming, Answer<P>), Rejection<P>> {
        let policy = self.binding.bootstrap_policy(false, false);
        let opened = self.open_beside(now, credentials, message, &policy, None)?;
        let key = self.bootstrap_key(message, &opened)?;
        if self.cookies.is_full() {
            let limit = u16::try_from(self.cookies.capacity()).unwrap_or(u16::MAX);
            let answer = Answer::BootstrapFault(key, BootstrapFault::ServerTooBusy);
            return Err(Rejection { refusal: Refusal::TooManySessions { limit }, answer });
        }
        let user = user_of(message, &opened);
        let Some((entropy, len)) = self.requested(message, &opened, RequestType::Issue) else {
            return Err(invalid_request(key));
        };
        let identifier = Uuid::marked(&mut self.entropy, self.mark.as_ref());
        let wall = self.wall.at(now);
        let life = (wall, wall.after(self.settings.issued_cookie_lifetime));
        let (secret, token) = self.new_token(identifier, None, &entropy, len, life);
        match sealed(credentials, wall, &token, secret, user) {
            Ok(octets) => {
                // Room was seen above.
                let _ = self.cookies.push(IssuedCookie { exchange, octets });
            }
            Err(error) => {
                let refusal = Refusal::Cookie(CookieFlaw::Encoder(error));
                return Err(Rejection { refusal, answer: Answer::BootstrapFault(key, BootstrapFault::ServerTooBusy) });
            }
        }
        Ok((Incoming::Issued(self.next_id()), Answer::Token { renewed: false, key, token }))
    }

    /// Any other message: under a token whose state is cached, or comes with it.
    fn message_with_cookie<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        (contract, held): (Contract<'_>, Held<'_>),
        message: &mut [u8],
        peeked: &Peek,
    ) -> Result<(Incoming, Answer<P>), Rejection<P>> {
        let body = contract(&peeked.action).ok_or(Rejection {
            refusal: Refusal::UnknownAction,
            answer: Answer::Fault(PlainFault::UnrecognizedAction),
        })?;
        let policy = self.binding.session_policy(body);
        let wall = self.wall.at(now);
        let cached = |name: &ContextName| self.sessions.iter().any(|s| s.named(name) && s.current.is(name.instance()));
        // Without a name there is no token: verification will say what is wrong.
        let brought = match peeked.context.as_ref().filter(|name| !cached(name)) {
            Some(name) => Some(self.recovered(credentials, wall, message, peeked, name)?),
            None => None,
        };
        if brought.is_some() && !self.can_admit(held) {
            let limit = self.settings.max_cached_cookies;
            return Err(Rejection { refusal: Refusal::TooManySessions { limit }, answer: Answer::NoRoom });
        }
        let opened = self.open_beside(now, credentials, message, &policy, brought.as_ref())?;
        // Over a protected transport the token's key endorses the message.
        let name = opened.session_context().ok_or(Refusal::TokenMismatch)?;
        let id = match brought.filter(|session| session.named(name)) {
            Some(session) => self.admit(session, wall, held),
            None => {
                let session = self.sessions.iter().find(|session| session.named(name));
                let session = session.ok_or(Refusal::UnknownSecurityContext)?;
                in_time(session.current.expires, wall).map_err(Refusal::Cookie)?;
                session.id
            }
        };
        let two_way = !opened.addressing.message_id.is_empty();
        let answer = if two_way { Answer::Application(id) } else { Answer::Accepted };
        Ok((Incoming::Request { session: id, two_way, opened }, answer))
    }

    /// The session that a message's cookie tells of. Nothing is kept of it yet.
    fn recovered<C: Credentials + ?Sized>(
        &self,
        credentials: &C,
        wall: UnixMillis,
        message: &[u8],
        peeked: &Peek,
        name: &ContextName,
    ) -> Result<Session, Refusal> {
        let cookie = peeked.cookie.ok_or(Refusal::UnknownSecurityContext)?;
        let state = opened(credentials, wall, cookie.of(message)).map_err(Refusal::Cookie)?;
        self.session_of(state, wall, peeked, name).map_err(Refusal::Cookie)
    }

    fn session_of(
        &self,
        state: SecurityState,
        wall: UnixMillis,
        peeked: &Peek,
        name: &ContextName,
    ) -> Result<Session, CookieFlaw> {
        let SecurityState { id, context, key, generation, effective, expires, key_effective, key_expires, user } =
            state;
        if UrnUuid::of(context).as_bytes() != name.identifier() {
            return Err(CookieFlaw::Mismatch(StateField::ContextId));
        }
        if generation.map(UrnUuid::of).as_ref().map(UrnUuid::as_bytes) != name.instance() {
            return Err(CookieFlaw::Mismatch(StateField::KeyGeneration));
        }
        if id.as_bytes() != peeked.token_id.as_slice() {
            return Err(CookieFlaw::Mismatch(StateField::Id));
        }
        let len = u8::try_from(key.len()).unwrap_or(u8::MAX);
        if !self.binding.suite.accepts_key_bits(u32::from(len).saturating_mul(8)) {
            return Err(CookieFlaw::KeyLength { len });
        }
        // Its issuer may be another machine, with a clock of its own. WCF allows no skew here.
        let skewed = wall.after(self.binding.clock.max_clock_skew);
        let early = effective.max(key_effective).millis().0.saturating_sub(skewed.0);
        if early > 0 {
            return Err(CookieFlaw::NotYetValid { by_ms: early.unsigned_abs() });
        }
        let expires = expires.min(key_expires).millis();
        in_time(expires, wall)?;
        let generation = Generation::in_cookie(generation, &key, expires);
        let user = UserDigest::of::<B>(&user);
        let mut session = Session::new::<B>(SessionId::default(), context, generation, self.binding.suite, user);
        session.step(AcceptorEvent::Message);
        Ok(session)
    }

    /// How many sessions are cached at most. One has to be, to be answered.
    fn cache_len(&self) -> usize {
        usize::from(self.settings.max_cached_cookies).clamp(1, SESSIONS.max(1))
    }

    /// Does an exchange wait for its answer under this session, here or in the layer above?
    fn is_busy(&self, session: &Session, held: Held<'_>) -> bool {
        let waits = self.exchanges.iter().any(|open| open.session() == Some(session.id));
        waits || held(session.id, session.identifier.as_bytes())
    }

    /// Is there room for one more, or somebody who can go?
    fn can_admit(&self, held: Held<'_>) -> bool {
        self.sessions.len() < self.cache_len() || self.sessions.iter().any(|session| !self.is_busy(session, held))
    }

    /// Takes a session into the cache: others go first if it is full, those whose time is over, or else the fifth that expires
    /// first. None goes that owes an answer.
    fn admit(&mut self, mut session: Session, wall: UnixMillis, held: Held<'_>) -> SessionId {
        let (limit, mut at) = (self.cache_len(), 0);
        if self.sessions.len() >= limit {
            while let Some(old) = self.sessions.get(at) {
                if in_time(old.current.expires, wall).is_err() && !self.is_busy(old, held) {
                    self.sessions.swap_remove(at);
                } else {
                    at = at.saturating_add(1);
                }
            }
        }
        if self.sessions.len() >= limit {
            for _ in 0..(limit / 5).max(1) {
                let idle = self.sessions.iter().enumerate().filter(|(_, session)| !self.is_busy(session, held));
                let Some((first, _)) = idle.min_by_key(|(_, session)| (session.current.expires, session.id)) else {
                    break;
                };
                self.sessions.swap_remove(first);
            }
        }
        session.id = self.next_id();
        let id = session.id;
        // Room was seen before the message was opened, and made just now.
        let _ = self.sessions.push(session);
        id
    }
}

/// WCF's token is good until its last moment, that one included.
fn in_time(expires: UnixMillis, wall: UnixMillis) -> Result<(), CookieFlaw> {
    let late = wall.0.saturating_sub(expires.0);
    if late > 0 { Err(CookieFlaw::Expired { by_ms: late.unsigned_abs() }) } else { Ok(()) }
}

/// The cookie of a token.
fn sealed<C: Credentials + ?Sized>(
    credentials: &C,
    wall: UnixMillis,
    token: &NewToken,
    key: SecretKey,
    user: String<128>,
) -> Result<Vec<u8, MAX_COOKIE>, StateError> {
    let encoder = credentials.state_encoder().ok_or(StateError::NoEncoder)?;
    let id = IdText::of(Id::Unique(token.token_id));
    let (effective, expires) = (Ticks::from(token.created), Ticks::from(token.expires));
    let state = SecurityState {
        id: core::str::from_utf8(id.as_bytes()).ok().and_then(|id| String::try_from(id).ok()).unwrap_or_default(),
        context: token.identifier.uuid(),
        key,
        generation: None,
        effective,
        expires,
        key_effective: effective,
        key_expires: expires,
        user,
    };
    let mut plain = Zeroizing::new([0u8; MAX_STATE]);
    let len = state.write(plain.as_mut_slice()).map_err(|grow| StateError::Room { needed: grow.needed })?;
    let mut octets = Vec::new();
    octets.resize(MAX_COOKIE, 0).map_err(|_| StateError::Room { needed: MAX_COOKIE })?;
    let sealed = encoder.seal(wall, plain.get(..len).unwrap_or(&[]), &mut octets)?;
    octets.truncate(sealed);
    Ok(octets)
}

/// The state in a cookie, which is base64 still.
fn opened<C: Credentials + ?Sized>(
    credentials: &C,
    wall: UnixMillis,
    text: &[u8],
) -> Result<SecurityState, CookieFlaw> {
    let encoder = credentials.state_encoder().ok_or(CookieFlaw::Encoder(StateError::NoEncoder))?;
    let mut octets = [0u8; MAX_COOKIE];
    let len = base64::decode(text, &mut octets).map_err(|_| CookieFlaw::Unreadable)?;
    let mut plain = Zeroizing::new([0u8; MAX_STATE]);
    let cookie = octets.get(..len).unwrap_or(&[]);
    let len = encoder.open(wall, cookie, plain.as_mut_slice()).map_err(CookieFlaw::Encoder)?;
    let state = plain.get(..len).ok_or(CookieFlaw::Encoder(StateError::Room { needed: len }))?;
    SecurityState::read(state).map_err(CookieFlaw::State)
}
