//! How a server is put together.

use super::drive::{Gate, HostState, Shared};
use super::heap::Heap;
use super::layer::{Layer, OneShot, OverTransport, Plain, Reliable, SEATS, Secure, Stateless, Unsecured, WINDOW};
use super::service::Service;
use super::shard::{Due, Shard, State};
use super::telemetry::{ShardTelemetry, ThrottleGauges};
use crate::binding::{Binding, Security};
use crate::clock::Clock;
use crate::group::Group;
use crate::http::{HttpError, Limits};
use crate::large_stack;
use crate::observe::{Observer, Watched};
use crate::tls::ServerTls;
use crate::{Runtime, seeds};
use event_listener::Event;
use soap_session_core::chance::{Chance, ShardKey};
use soap_session_core::door::{Door, DoorSettings, NameSlot, Opens, Router, ShardBooks};
use soap_session_core::reliable::Shape;
use soap_session_core::secure::{
    Acceptor, AcceptorSettings, CredentialError, Credentials, NoCredentials, OneShotService, OneShotSettings,
};
use soap_session_core::service::{
    ChannelKind, ChosenChannel, ContractError, HostSettings, HostTables, Listener, ServiceHost,
};
use soap_session_core::session::{
    OneShotLayer, PlainLayer, ReliableLayer, SecureLayer, ServiceEndpoint, SessionService,
};
use soap_session_core::throttle::{ThrottleError, ThrottleSettings};
use soap_session_core::time::Duration;
use soap_session_credentials::LoadError;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::thread;

/// Most sessions of one server.
pub(super) const MOST_SESSIONS: u32 = 65_536;
/// Most calls of one server at a time.
const MOST_CALLS: u32 = 16_384;

/// How a server speaks, hosts its service, and what it may spend.
#[derive(Clone)]
pub struct ServerOptions {
    pub(super) binding: Binding,
    pub(super) credentials: Arc<dyn Credentials + Send + Sync>,
    pub(super) tls: Option<ServerTls>,
    /// Instances, concurrency; its receive and close timeouts are the binding's.
    pub host: HostSettings,
    /// Calls, sessions, instances. The default is .NET 4's for this machine's processors.
    pub throttle: ThrottleSettings,
    /// What HTTP may spend. The greatest body is the binding's greatest message.
    pub http: Limits,
    /// Lifetimes of keys and tokens, and how many may be pending (`LocalServiceSecuritySettings`).
    pub security: AcceptorSettings,
    /// How long open sessions get to be closed by their clients once the server is told to stop. WCF: 10 s.
    pub close: Duration,
    /// How long a request of an ordered reliable session waits for one that it has overtaken: its client writes them in order, but each to
    /// a connection of its own, and connections are read in no order. Then, and with 0 at once as in WCF, it is not taken, and sent again
    /// after its client's retransmission timeout. 50 ms; a minute at most.
    pub reorder_wait: Duration,
    pub(super) observer: Option<Arc<dyn Observer>>,
}

impl ServerOptions {
    /// A server that speaks this binding, with WCF's defaults.
    pub fn new(binding: Binding) -> Self {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            binding,
            credentials: Arc::new(NoCredentials),
            tls: None,
            host: HostSettings::default(),
            throttle: ThrottleSettings::wcf4(u32::try_from(processors).unwrap_or(1)),
            http: Limits::default(),
            security: AcceptorSettings::default(),
            close: Duration::from_secs(10),
            reorder_wait: Duration::from_millis(50),
            observer: None,
        }
    }

    /// With this certificate and its key, and these users and clients that are believed.
    #[must_use]
    pub fn with_credentials(mut self, credentials: impl Credentials + Send + Sync + 'static) -> Self {
        self.credentials = Arc::new(credentials);
        self
    }

    /// With HTTPS.
    #[must_use]
    pub fn with_tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// With somebody who sees every envelope that passes.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { binding, host, throttle, http, close, .. } = self;
        let mut shown = f.debug_struct("ServerOptions");
        shown.field("binding", binding).field("host", host).field("throttle", throttle).field("http", http);
        shown.field("close", close).finish_non_exhaustive()
    }
}

/// Why a server cannot be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be bound.
    Bind(io::Error),
    /// The binding cannot carry the contract, in WCF's words.
    Contract(String),
    /// A limit that cannot be.
    Throttle(ThrottleError),
    /// The binding leaves the protection of messages to HTTPS, and there is no TLS.
    NeedsHttps,
    /// The service signs its answers (WSS 1.0), and has no certificate of its own to do so.
    NoCertificate(CredentialError),
    /// TLS.
    Tls(HttpError),
    /// A setting is beyond what this adapter's tables hold.
    Limit {
        /// Which.
        setting: &'static str,
        /// What was asked for.
        asked: u64,
        /// The greatest.
        limit: u64,
    },
    /// The contract calls its client back, which HTTP request and reply cannot do.
    Duplex,
    /// The system gives no randomness.
    Random(LoadError),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(error) => write!(f, "cannot bind the address: {error}"),
            Self::Contract(error) => f.write_str(error),
            Self::Throttle(error) => write!(f, "{error}"),
            Self::NeedsHttps => f.write_str(
                "this binding leaves the protection of messages to HTTPS: give the server a certificate and a key for TLS",
            ),
            Self::NoCertificate(error) => {
                write!(f, "this binding has the service sign its answers: give it its certificate as its own ({error})")
            }
            Self::Tls(error) => write!(f, "{error}"),
            Self::Limit { setting, asked, limit } => {
                write!(f, "{setting} is {asked}, and this adapter has room for {limit}")
            }
            Self::Duplex => f.write_str("a contract with callbacks needs a duplex channel, which HTTP exchanges are not"),
            Self::Random(error) => write!(f, "{error}"),
        }
    }
}

impl Error for ServeError {}

impl From<ContractError<'_>> for ServeError {
    fn from(error: ContractError<'_>) -> Self {
        Self::Contract(error.to_string())
    }
}

impl From<ThrottleError> for ServeError {
    fn from(error: ThrottleError) -> Self {
        Self::Throttle(error)
    }
}

/// How many shards there have to be.
fn shards_for(options: &ServerOptions, sessionful: bool) -> u32 {
    // A copy of a message without a session is known by its signature alone, which is hidden until it is opened: one shard for
    // all, as WCF has one table for a listener. Elsewhere no shard but one knows the token of the original.
    if options.binding.detects_replays_alone() {
        return 1;
    }
    if !sessionful {
        return u32::try_from(thread::available_parallelism().map_or(1, std::num::NonZero::get)).unwrap_or(1).min(64);
    }
    let sessions = options.throttle.max_concurrent_sessions.min(MOST_SESSIONS);
    let waiting = u32::from(options.security.max_pending_sessions);
    // A quarter more: nobody fills one shard to its last seat before others.
    let seats = sessions.saturating_add(waiting);
    seats.saturating_add(seats / 4).div_ceil(SEATS as u32).max(1)
}

pub(super) fn make<R: Runtime, S: Service>(
    runtime: R,
    mut options: ServerOptions,
    service: S,
) -> Result<Arc<Shared<R, S>>, ServeError> {
    if options.binding.needs_https() && options.tls.is_none() {
        return Err(ServeError::NeedsHttps);
    }
    if options.binding.signs_answers()
        && let Err(error) = options.credentials.own_certificate()
    {
        return Err(ServeError::NoCertificate(error));
    }
    let contract = service.contract();
    if contract.callbacks {
        return Err(ServeError::Duplex);
    }
    let chosen = contract.over(&options.binding.shapes())?;
    if let Some(reliable) = &options.binding.reliable {
        let (asked, limit) = (u64::from(reliable.max_transfer_window_size), WINDOW as u64);
        if asked > limit {
            return Err(ServeError::Limit { setting: "max_transfer_window_size", asked, limit });
        }
    }
    let timeouts = options.binding.timeouts;
    options.host.receive_timeout = timeouts.receive;
    options.host.close_timeout = timeouts.close;
    let clock = Clock::start(&runtime);
    let sessionful = options.binding.is_sessionful();
    let count = shards_for(&options, sessionful);
    let secret = seeds().map_err(ServeError::Random)?[0];
    let router = Router::new(ShardKey::new(secret), count, options.binding.limits.clone());
    let mut shards = Vec::new();
    for number in 0..u16::try_from(count).unwrap_or(u16::MAX) {
        let seeds = seeds().map_err(ServeError::Random)?;
        let mut layer = large_stack::run(|| layer(&options, chosen, &clock, seeds)).map_err(ServeError::Bind)??;
        if let Some(mark) = router.mark(number).filter(|_| sessionful) {
            layer.set_shard(mark);
        }
        let census = layer.census();
        let endpoint = ServiceEndpoint::new(layer, number, Listener(0), chosen, Heap(SEATS));
        shards.push(Shard::new(State {
            endpoint,
            out: vec![0; 16 * 1024],
            waiting: HashMap::new(),
            room: Event::new(),
            taken: Event::new(),
            early: 0,
            kept: HashMap::new(),
            sessions: HashMap::new(),
            census,
            telemetry: ShardTelemetry::default(),
        }));
    }
    let host = host(&options, count)?;
    let cancels = match &options.binding.security {
        Security::Message { binding, session } => *session && binding.require_cancellation,
        Security::None => false,
    };
    let gate = (sessionful || options.binding.is_stateless()).then(|| gate(&options, router, count, sessionful));
    Ok(Arc::new(Shared {
        runtime,
        clock,
        service,
        credentials: options.credentials,
        soap: options.binding.soap(),
        shards,
        gate,
        host: Mutex::new(HostState {
            host,
            instances: HashMap::new(),
            gauges: ThrottleGauges::default(),
            held_up: false,
        }),
        host_due: Due::never(),
        next_exchange: AtomicU32::new(1),
        changed: Event::new(),
        gone: Event::new(),
        cancels,
        stopping: AtomicBool::new(false),
        refuse_when_busy: options.host.refuse_when_busy,
        reorder_wait: options.reorder_wait.min(Duration::from_secs(60)),
        calls: Group::default(),
        observer: Watched(options.observer),
    }))
}

/// `sessionful`: are there books to be kept? A token that carries its conversation takes no seat.
fn gate(options: &ServerOptions, router: Router, shards: u32, sessionful: bool) -> Gate {
    if !sessionful {
        return Gate { router, door: None };
    }
    let secure = matches!(options.binding.security, Security::Message { .. }) && !options.binding.is_stateless();
    let settings = DoorSettings {
        max_pending_sessions: options.security.max_pending_sessions,
        max_pending_channels: options.binding.reliable.as_ref().map_or(4, |reliable| reliable.max_pending_channels),
        seats_per_shard: SEATS as u16,
        seat: if secure { Opens::Token } else { Opens::Sequence },
        ..DoorSettings::default()
    };
    let books = vec![ShardBooks::default(); shards as usize];
    let names = vec![NameSlot::default(); 2 * SEATS * shards as usize];
    let door = Door::new(router.clone(), settings, books, names);
    // There are as many books as shards.
    let door = Some(Mutex::new(door.unwrap_or_else(|misfit| unreachable!("{misfit}"))));
    Gate { router, door }
}

fn host(
    options: &ServerOptions,
    shards: u32,
) -> Result<ServiceHost<soap_session_core::session::Kept, Heap>, ServeError> {
    options.throttle.validate()?;
    let channels = SEATS * shards as usize;
    let calls = options.throttle.max_concurrent_calls.min(MOST_CALLS);
    let instances = calls as usize + channels;
    let largest = options.throttle.max_concurrent_sessions.min(MOST_SESSIONS).max(calls) as usize;
    let mut throttle = options.throttle;
    throttle.max_concurrent_sessions = throttle.max_concurrent_sessions.min(MOST_SESSIONS);
    throttle.max_concurrent_calls = calls;
    let tables = HostTables {
        channels: Heap(channels),
        calls: Heap(calls as usize),
        instances: Heap(instances),
        permits: Heap(largest.max(instances) + channels),
    };
    Ok(ServiceHost::new(options.host, throttle, tables)?)
}

fn layer(
    options: &ServerOptions,
    chosen: ChosenChannel,
    clock: &Clock,
    seeds: [[u8; 32]; 2],
) -> Result<Layer, ServeError> {
    let binding = &options.binding;
    let (soap, limits, wall) = (binding.soap(), binding.limits.clone(), clock.wall());
    let [first, second] = seeds.map(|seed| Chance::new(&seed));
    Ok(match (&binding.reliable, &binding.security) {
        (None, Security::None) => Layer::Plain(Box::<Plain>::new(PlainLayer::new(soap, binding.addressing(), limits))),
        (None, Security::Message { binding: security, session: true }) => {
            let (security, settings) = (binding.limited(security), options.security.clone());
            if binding.detects_replays_alone() {
                let acceptor = Acceptor::new(security, settings, wall, first);
                Layer::Stateless(Box::<Stateless>::new(SecureLayer::new(acceptor)))
            } else {
                let acceptor = Acceptor::new(security, settings, wall, first);
                Layer::Secure(Box::<Secure>::new(SecureLayer::new(acceptor)))
            }
        }
        (None, Security::Message { binding: security, session: false }) => {
            let (security, settings) = (binding.limited(security), OneShotSettings::default());
            if security.bootstrap.over_transport() {
                let service = OneShotService::new(security, settings, wall, first);
                Layer::OverTransport(Box::<OverTransport>::new(OneShotLayer::new(service)))
            } else {
                let service = OneShotService::new(security, settings, wall, first);
                Layer::OneShot(Box::<OneShot>::new(OneShotLayer::new(service)))
            }
        }
        (Some(reliable), security) => {
            let shape = if chosen.shape.kind == ChannelKind::OneWay { Shape::OneWay } else { Shape::RequestReply };
            let reliable = binding.timed(reliable);
            match security {
                Security::None => {
                    let service = SessionService::plain(reliable, soap, shape, limits, first);
                    Layer::Unsecured(Box::<Unsecured>::new(ReliableLayer::new(service)))
                }
                Security::Message { binding: security, .. } => {
                    let (security, settings) = (binding.limited(security), options.security.clone());
                    let service = SessionService::secure(reliable, shape, security, settings, wall, first, second);
                    Layer::Reliable(Box::<Reliable>::new(ReliableLayer::new(service)))
                }
            }
        }
    })
}
