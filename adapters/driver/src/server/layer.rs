//! The layer of sessions that an endpoint stands on, whichever of them it is.

use crate::letter::Letter;
use soap_session_core::chance::{Chance, ShardMark};
use soap_session_core::door::{Census, Outcome};
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::Timer;
use soap_session_core::reliable::Place;
use soap_session_core::secure::{Credentials, Incoming, Misuse, Refusal, Unsealed};
use soap_session_core::service::AbortReason;
use soap_session_core::session::{
    Kept, LayerAction, LayerHeard, OneShotLayer, Owner, PlainLayer, ReliableLayer, SecureLayer, ServiceHeard,
    ServiceLayer, Wording,
};
use soap_session_core::soap::SoapError;
use soap_session_core::time::Instant;
use std::fmt;

/// Sessions in one shard.
pub(super) const SEATS: usize = 64;
/// Messages of a session's window.
pub(super) const WINDOW: usize = 16;
/// Exchanges of one shard that wait for their answers: of token requests; of calls, where there is no reliable messaging.
const EXCHANGES: usize = 64;
/// Exchanges that wait for their answers, of a shard without sessions: there is no other bound on the calls that come at once.
const PLAIN_EXCHANGES: usize = 512;
/// The same of one whose messages are protected one by one: each keeps some 4 KB for its answer.
const ONE_SHOT_EXCHANGES: usize = 512;
/// Signatures that one shard remembers, for a quarter of an hour (WCF: 900 000 for a whole service).
const REPLAY: usize = 65_536;
/// The same where a service has one shard, for all.
const WHOLE_REPLAY: usize = 262_144;
/// Conversations that tokens carry, and whose state is kept so that it need not be opened for each message.
const STATELESS_SEATS: usize = 256;

pub(super) type Plain = PlainLayer<Letter, PLAIN_EXCHANGES>;
pub(super) type OneShot = OneShotLayer<Letter, Chance, ONE_SHOT_EXCHANGES, WHOLE_REPLAY>;
/// The same over a protected transport: no signature is remembered.
pub(super) type OverTransport = OneShotLayer<Letter, Chance, ONE_SHOT_EXCHANGES, 2>;
pub(super) type Secure = SecureLayer<Letter, Chance, SEATS, EXCHANGES, REPLAY>;
/// The same where tokens carry their conversation.
pub(super) type Stateless = SecureLayer<Letter, Chance, STATELESS_SEATS, PLAIN_EXCHANGES, WHOLE_REPLAY>;
pub(super) type Reliable = ReliableLayer<Letter, SEATS, WINDOW, { WINDOW + 1 }, { 2 * WINDOW }, { 2 * WINDOW }, REPLAY>;
/// The same without security: no signature is remembered.
pub(super) type Unsecured = ReliableLayer<Letter, SEATS, WINDOW, { WINDOW + 1 }, { 2 * WINDOW }, { 2 * WINDOW }, 2>;

/// One of the layers. Each is large, and made on the heap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Layer {
    Plain(Box<Plain>),
    OneShot(Box<OneShot>),
    OverTransport(Box<OverTransport>),
    Secure(Box<Secure>),
    Stateless(Box<Stateless>),
    Reliable(Box<Reliable>),
    Unsecured(Box<Unsecured>),
}

/// What a layer heard that was not the application's.
#[allow(clippy::large_enum_variant, reason = "it lives for a moment, and is kept nowhere")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    NotSoap(SoapError),
    OneShot(Refusal),
    Secure(Incoming),
    Reliable(ServiceHeard),
}

impl Heard {
    /// Was something opened?
    pub(super) fn outcome(&self) -> Outcome {
        let opened = match self {
            Self::NotSoap(_) | Self::OneShot(_) => false,
            Self::Secure(heard) => matches!(heard, Incoming::Issued(_) | Incoming::Renewed(_)),
            Self::Reliable(heard) => {
                matches!(heard, ServiceHeard::Conversation(_) | ServiceHeard::Session { session: Some(_), .. })
            }
        };
        if opened { Outcome::Opened } else { Outcome::Refused }
    }
}

impl Heard {
    /// Was the message not read, or not believed?
    pub(super) const fn refused(&self) -> bool {
        matches!(
            self,
            Self::NotSoap(_)
                | Self::OneShot(_)
                | Self::Secure(Incoming::Refused(_))
                | Self::Reliable(ServiceHeard::NotRead(_))
        )
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSoap(error) => write!(f, "not taken: {error}"),
            Self::OneShot(refusal) => write!(f, "refused: {refusal}"),
            Self::Secure(heard) => match heard {
                Incoming::Refused(refusal) => write!(f, "refused: {refusal}"),
                heard => write!(f, "{heard:?}"),
            },
            Self::Reliable(heard) => match heard {
                ServiceHeard::NotRead(why) => write!(f, "refused: {why}"),
                ServiceHeard::Conversation(id) => write!(f, "conversation {}", id.0),
                ServiceHeard::Session { heard, .. } => write!(f, "{heard:?}"),
            },
        }
    }
}

/// Does the same on whichever layer it is.
macro_rules! each {
    ($self:expr, $layer:ident => $does:expr) => {
        match $self {
            Layer::Plain($layer) => $does,
            Layer::OneShot($layer) => $does,
            Layer::OverTransport($layer) => $does,
            Layer::Secure($layer) => $does,
            Layer::Stateless($layer) => $does,
            Layer::Reliable($layer) => $does,
            Layer::Unsecured($layer) => $does,
        }
    };
}

impl Layer {
    /// How it stands, for the door.
    pub(super) fn census(&self) -> Census {
        match self {
            Self::Plain(_) | Self::OneShot(_) | Self::OverTransport(_) => Census::default(),
            Self::Secure(layer) => Census::from(layer.acceptor()),
            Self::Stateless(layer) => Census::from(layer.acceptor()),
            Self::Reliable(layer) => Census::from(layer.service()),
            Self::Unsecured(layer) => Census::from(layer.service()),
        }
    }

    /// How many secure conversations are in use. In cookie mode: of how many tokens the state is kept.
    pub(super) fn conversations(&self) -> usize {
        match self {
            Self::Plain(_) | Self::OneShot(_) | Self::OverTransport(_) | Self::Unsecured(_) => 0,
            Self::Secure(layer) => {
                let acceptor = layer.acceptor();
                acceptor.sessions().saturating_sub(acceptor.pending_sessions())
            }
            Self::Stateless(layer) => {
                let acceptor = layer.acceptor();
                acceptor.sessions().saturating_sub(acceptor.pending_sessions())
            }
            Self::Reliable(layer) => {
                let service = layer.service();
                service.conversations().saturating_sub(service.pending_conversations())
            }
        }
    }

    /// Nothing opens here while `full` is a limit.
    pub(super) const fn set_full(&mut self, full: Option<u16>) {
        match self {
            Self::Plain(_) | Self::OneShot(_) | Self::OverTransport(_) => {}
            Self::Secure(layer) => layer.acceptor_mut().set_full(full),
            Self::Stateless(layer) => layer.acceptor_mut().set_full(full),
            Self::Reliable(layer) => layer.service_mut().set_full(full),
            Self::Unsecured(layer) => layer.service_mut().set_full(full),
        }
    }

    /// The place of this message, if it seems to have overtaken another one.
    pub(super) fn comes_early(&self, message: &[u8]) -> Option<Place> {
        match self {
            Self::Plain(_) | Self::OneShot(_) | Self::OverTransport(_) | Self::Secure(_) | Self::Stateless(_) => None,
            Self::Reliable(layer) => layer.service().comes_early(message),
            Self::Unsecured(layer) => layer.service().comes_early(message),
        }
    }

    /// Is a message at this place still early?
    pub(super) fn is_early(&self, place: &Place) -> bool {
        match self {
            Self::Plain(_) | Self::OneShot(_) | Self::OverTransport(_) | Self::Secure(_) | Self::Stateless(_) => false,
            Self::Reliable(layer) => layer.service().is_early(place),
            Self::Unsecured(layer) => layer.service().is_early(place),
        }
    }

    pub(super) fn set_shard(&mut self, mark: ShardMark) {
        match self {
            Self::Plain(_) | Self::OneShot(_) | Self::OverTransport(_) => {}
            Self::Secure(layer) => layer.acceptor_mut().set_shard(mark),
            Self::Stateless(layer) => layer.acceptor_mut().set_shard(mark),
            Self::Reliable(layer) => layer.service_mut().set_shard(mark),
            Self::Unsecured(layer) => layer.service_mut().set_shard(mark),
        }
    }

    /// Takes nothing new from now on.
    pub(super) const fn stop(&mut self) {
        match self {
            Self::Plain(_) | Self::OneShot(_) | Self::OverTransport(_) => {}
            Self::Secure(layer) => layer.acceptor_mut().set_full(Some(0)),
            Self::Stateless(layer) => layer.acceptor_mut().set_full(Some(0)),
            Self::Reliable(layer) => layer.service_mut().stop(),
            Self::Unsecured(layer) => layer.service_mut().stop(),
        }
    }
}

impl ServiceLayer<Letter> for Layer {
    type Heard = Heard;
    type Refused = Misuse;

    fn sessionful(&self) -> bool {
        each!(self, layer => layer.sessionful())
    }

    fn set_room(&mut self, room: Option<u32>) {
        each!(self, layer => layer.set_room(room));
    }

    fn wording(&self) -> Wording {
        each!(self, layer => layer.wording())
    }

    fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        from: Exchange,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<LayerHeard<Heard>, Misuse> {
        fn heard<H>(heard: LayerHeard<H>, other: impl FnOnce(H) -> Heard) -> LayerHeard<Heard> {
            match heard {
                LayerHeard::Message(delivered) => LayerHeard::Message(delivered),
                LayerHeard::Other(heard) => LayerHeard::Other(other(heard)),
            }
        }
        Ok(match self {
            Self::Plain(layer) => heard(layer.receive(now, from, credentials, message)?, Heard::NotSoap),
            Self::OneShot(layer) => heard(layer.receive(now, from, credentials, message)?, Heard::OneShot),
            Self::OverTransport(layer) => heard(layer.receive(now, from, credentials, message)?, Heard::OneShot),
            Self::Secure(layer) => heard(layer.receive(now, from, credentials, message)?, Heard::Secure),
            Self::Stateless(layer) => heard(layer.receive(now, from, credentials, message)?, Heard::Secure),
            Self::Reliable(layer) => heard(layer.receive(now, from, credentials, message)?, Heard::Reliable),
            Self::Unsecured(layer) => heard(layer.receive(now, from, credentials, message)?, Heard::Reliable),
        })
    }

    fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        out: &'o mut [u8],
    ) -> Result<LayerAction<'o>, Unsealed> {
        each!(self, layer => layer.poll(now, credentials, out))
    }

    fn accept(&mut self) -> Option<Owner> {
        each!(self, layer => layer.accept())
    }

    fn take(&mut self, now: Instant, owner: Owner) -> Option<Kept> {
        each!(self, layer => layer.take(now, owner))
    }

    fn reply(&mut self, now: Instant, kept: Kept, reply: Letter) -> Result<(), Letter> {
        each!(self, layer => layer.reply(now, kept, reply))
    }

    fn finish(&mut self, kept: Kept) {
        each!(self, layer => layer.finish(kept));
    }

    fn refuse_action(&mut self, kept: Kept) -> bool {
        each!(self, layer => layer.refuse_action(kept))
    }

    fn close(&mut self, now: Instant, owner: Owner) {
        each!(self, layer => layer.close(now, owner));
    }

    fn abort(&mut self, owner: Owner, reason: AbortReason) {
        each!(self, layer => layer.abort(owner, reason));
    }

    fn exchange_failed(&mut self, exchange: Exchange) {
        each!(self, layer => layer.exchange_failed(exchange));
    }

    fn timers(&self, owner: Owner, tell: &mut dyn FnMut(Timer)) {
        each!(self, layer => layer.timers(owner, tell));
    }

    fn session_id(&self, owner: Owner) -> Option<&[u8]> {
        each!(self, layer => layer.session_id(owner))
    }
}
