//! A story played: our clients, our service, a wire between them that loses nothing, and what the recorded applications did.

use super::application::contract;
use super::narrative::{Narrative, masked, told};
use super::recorded_client::{Channel, RecordedClient};
use super::recorded_service::RecordedService;
use super::tcp;
use crate::actors::Said;
use crate::dom::Node;
use crate::pair::MIDNIGHT;
use crate::rm_replay::settings;
use crate::rm_story::{Line, Settings, moments};
use crate::story::{Config, recorded_configs};
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::Timeouts;
use soap_session_core::reliable::{ClientAddresses, Shape};
use soap_session_core::secure::{Acceptor, AcceptorSettings, Initiator, InitiatorSettings};
use soap_session_core::service::{BindingShapes, ChosenChannel, Contract};
use soap_session_core::session::{
    PlainClient, PlainLayer, ReliableLayer, SecureLayer, ServiceLayer, SessionClient, SessionService,
};
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::time::{Deadline, Duration, Instant};
use soap_session_core::xml::Limits;
use std::collections::{BTreeMap, BTreeSet};

/// How long a message is under way, in milliseconds.
const LATENCY: u64 = 1;
const TO: &str = "http://127.0.0.1:8000/probe";

/// What a story's binding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Plain(SoapVersion, Option<AddressingVersion>),
    Secure,
    Reliable,
    Tcp,
}

fn kind(config: &Config) -> Kind {
    let reliable = config.get("rm").is_some();
    match (config.get("b"), config.get("tr"), config.get("sec")) {
        (Some("nettcp"), ..) | (_, Some("tcp"), _) => Kind::Tcp,
        _ if reliable => Kind::Reliable,
        (_, _, Some("sc")) => Kind::Secure,
        (Some("basic"), ..) => Kind::Plain(SoapVersion::Soap11, None),
        (Some("ws"), ..) => Kind::Plain(SoapVersion::Soap12, Some(AddressingVersion::Wsa10)),
        other => panic!("{other:?}"),
    }
}

/// The binding of a story, as a contract sees it.
pub(super) fn shapes(config: &Config) -> BindingShapes<'static> {
    match (kind(config), config.get("b")) {
        (Kind::Plain(..), Some("basic")) => BindingShapes::datagram("BasicHttpBinding"),
        (Kind::Plain(..), _) => BindingShapes::datagram("WSHttpBinding"),
        (Kind::Secure, _) if config.get("cancel") == Some("0") => BindingShapes::datagram("CustomBinding"),
        (Kind::Secure, _) => BindingShapes::secure_session("CustomBinding"),
        (Kind::Reliable, _) => BindingShapes::reliable_session("CustomBinding"),
        (Kind::Tcp, _) => BindingShapes::duplex_session("NetTcpBinding"),
    }
}

/// Something that a client's application does, or the service's host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deed {
    /// When, in milliseconds.
    pub at: u64,
    /// Who: a client's name, or `host`.
    pub who: String,
    /// `make`, `open`, `close`, `abort`, `state`, `recycle` or `timers` of the host, or an operation of the contract.
    pub does: String,
    /// The operation's argument.
    pub argument: String,
}

/// What there is to play.
#[derive(Clone, Debug)]
pub struct Scene {
    /// For what a recorded story has of its own.
    name: String,
    server: Config,
    client: Config,
    contract: Contract<'static>,
    /// Do clients know which operations may not be first, or are the last?
    knows: bool,
    /// Are clients told at once that the service is too busy?
    refuses: bool,
    deeds: Vec<Deed>,
    until: u64,
}

impl Scene {
    /// A recorded story.
    ///
    /// # Panics
    /// If it is not one of these stories.
    fn recorded(name: &str) -> Self {
        let (server, client) = recorded_configs(name);
        let recorded = moments(name);
        let mut deeds: Vec<Deed> = recorded
            .iter()
            .filter_map(|moment| {
                let Line::Call(call) = &moment.line else { return None };
                let (who, does, argument) = (call.client.clone(), call.operation.clone(), call.argument.clone());
                Some(Deed { at: moment.began(), who, does, argument })
            })
            .collect();
        deeds.sort_by_key(|deed| deed.at);
        // In these the recorded client has another contract than its service.
        let knows = !name.contains("call-after-terminating") && !name.contains("non-initiating-first");
        let last = recorded.iter().map(|moment| moment.ms).max().unwrap_or_default();
        let contract = contract(&contract_name(name));
        // The applications are done; what is under way still has some time to arrive.
        let until = last + 5_000;
        Self { name: name.to_owned(), server, client, contract, knows, refuses: false, deeds, until }
    }

    /// A scene of our own. `server` and `client` are configurations in the stories' words; each deed is a time in milliseconds and
    /// `who does argument`.
    ///
    /// # Panics
    /// On words that mean nothing.
    pub fn new(server: &str, client: &str, contract_name: &str, deeds: &[(u64, &str)], until: u64) -> Self {
        let deeds = deeds.iter().map(|(at, text)| {
            let mut words = text.split(' ').map(str::to_owned);
            let (who, does) = (words.next().expect("who"), words.next().expect("what"));
            Deed { at: *at, who, does, argument: words.next().unwrap_or_default() }
        });
        Self {
            name: String::new(),
            server: Config::parse(server),
            client: Config::parse(client),
            contract: contract(contract_name),
            knows: true,
            refuses: false,
            deeds: deeds.collect(),
            until,
        }
    }

    /// Clients do not know which operations may not be first, or are the last.
    #[must_use]
    pub fn unknowing(self) -> Self {
        Self { knows: false, ..self }
    }

    /// Clients are told at once that the service is too busy.
    #[must_use]
    pub fn refusing(self) -> Self {
        Self { refuses: true, ..self }
    }

    /// Plays it.
    ///
    /// # Panics
    /// If something happens that must not.
    pub fn play(self) -> Narrative {
        // A machine has its tables inside itself, and moves some times before it rests.
        let player = std::thread::Builder::new().stack_size(64 << 20).spawn(move || on_a_stack(&self));
        player.expect("a thread").join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Plays a recorded story.
///
/// # Panics
/// If it is not one of these stories.
pub fn play(name: &str) -> Narrative {
    Scene::recorded(name).play()
}

fn on_a_stack(scene: &Scene) -> Narrative {
    let Scene { name, server, client, contract, .. } = scene;
    let mut narrative = Narrative::default();
    let chosen = match contract.over(&shapes(server)) {
        Ok(chosen) => chosen,
        Err(error) => {
            let text = masked(&format!("System.InvalidOperationException: \"{error}\""));
            narrative.not_opened = Some(text);
            if let Err(error) = contract.over(&shapes(client)) {
                let text = masked(&format!("System.InvalidOperationException: \"{error}\""));
                narrative.client("A", format!("make -> THREW {text}"));
            }
            return narrative;
        }
    };
    let of = || Settings::of(&without_host(server));
    match kind(server) {
        Kind::Plain(soap, addressing) => {
            World::run(scene, chosen, |_| PlainLayer::<Said, 64>::new(soap, addressing, Limits::default()))
        }
        Kind::Secure => World::run(scene, chosen, |[seed, _]| {
            let conversations = conversations(server);
            SecureLayer::new(Acceptor::<Said, Chance, 64, 64>::new(server.binding(), conversations, MIDNIGHT, seed))
        }),
        Kind::Reliable if server.get("sec").is_none() => World::run(scene, chosen, |[_, seed]| {
            let (of, shape) = (of(), Shape::RequestReply);
            let limits = Limits::default();
            ReliableLayer::new(SessionService::<Said, 64, 8, 9, 16, 64>::plain(
                settings(&of),
                of.soap,
                shape,
                limits,
                seed,
            ))
        }),
        Kind::Reliable => World::run(scene, chosen, |[seed, other]| {
            let (settings, shape, conversations) = (settings(&of()), Shape::RequestReply, conversations(server));
            let binding = server.binding();
            let service = SessionService::<Said, 64, 8, 9, 16, 64>::secure(
                settings,
                shape,
                binding,
                conversations,
                MIDNIGHT,
                seed,
                other,
            );
            ReliableLayer::new(service)
        }),
        Kind::Tcp => tcp::play(name, server, *contract, chosen),
    }
}

/// The name of a story's contract.
fn contract_name(name: &str) -> String {
    let text = std::fs::read_to_string(crate::vectors_root().join(name).join("config.txt")).expect("config.txt");
    text.lines().find_map(|line| line.strip_prefix("contract ")).expect("a contract").trim().to_owned()
}

/// The part of a configuration that is the binding's.
fn without_host(config: &Config) -> Config {
    config.without(&["calls"])
}

fn conversations(config: &Config) -> AcceptorSettings {
    let standard = AcceptorSettings::default();
    AcceptorSettings {
        max_pending_sessions: config.get("spend").map_or(128, |limit| limit.parse().expect("a number")),
        inactivity_timeout: config.seconds("sinact").unwrap_or(standard.inactivity_timeout),
        ..standard
    }
}

/// Clients whose SendTimeout was another than their story's: what their exceptions say.
const OWN_TIMEOUTS: [(&str, &str, u64); 1] = [("wcf-stories/throttle-sessions-10-sc", "S12", 30)];

struct World<'s, L: ServiceLayer<Said>, M: Fn([Chance; 2]) -> L> {
    scene: &'s Scene,
    chosen: ChosenChannel,
    make_layer: M,
    /// How often the service was started.
    starts: u8,
    service: RecordedService<L>,
    clients: BTreeMap<String, RecordedClient>,
    /// Messages under way: for the service (with HTTP's action), or for a client.
    under_way: BTreeMap<(u64, u64), Letter>,
    sent: u64,
    /// Whose exchange each of the service's is.
    exchanges: BTreeMap<Exchange, (String, Exchange)>,
    next_exchange: u32,
    seen: BTreeSet<String>,
}

enum Letter {
    ToService(Exchange, String, Vec<u8>),
    ToClient(Exchange, Option<Vec<u8>>),
}

impl<L: ServiceLayer<Said>, M: Fn([Chance; 2]) -> L> World<'_, L, M> {
    fn run(scene: &Scene, chosen: ChosenChannel, make_layer: M) -> Narrative {
        let service = Self::start(scene, chosen, &make_layer, 0);
        let world = World {
            scene,
            chosen,
            make_layer,
            starts: 1,
            service,
            clients: BTreeMap::new(),
            under_way: BTreeMap::new(),
            sent: 0,
            exchanges: BTreeMap::new(),
            next_exchange: 1,
            seen: BTreeSet::new(),
        };
        world.lives()
    }

    fn start(scene: &Scene, chosen: ChosenChannel, make_layer: &M, starts: u8) -> RecordedService<L> {
        let layer = make_layer([Chance::new(&[200 + starts; 32]), Chance::new(&[220 + starts; 32])]);
        RecordedService::new(layer, &scene.server, scene.contract, chosen, scene.refuses)
    }

    fn make(&self, name: &str) -> RecordedClient {
        let config = &self.scene.client;
        let seconds =
            |key: &str, standard: u64| Some(config.seconds(key).unwrap_or_else(|| Duration::from_secs(standard)));
        let own = OWN_TIMEOUTS.iter().find(|(story, client, _)| (*story, *client) == (&self.scene.name, name));
        let timeouts = Timeouts {
            open: seconds("open", 60),
            close: seconds("close", 60),
            send: own.map_or_else(|| seconds("send", 60), |(.., send)| Some(Duration::from_secs(*send))),
            receive: seconds("recv", 600),
        };
        let number = u8::try_from(self.clients.len()).expect("few clients");
        let (seed, other) = (Chance::new(&[10 + number; 32]), Chance::new(&[100 + number; 32]));
        let channel = match kind(config) {
            Kind::Plain(soap, addressing) => Channel::plain(
                PlainClient::new(soap, addressing, TO, Limits::default(), seed).expect("short"),
                timeouts,
            ),
            Kind::Secure => {
                let initiator =
                    Initiator::new(config.binding(), InitiatorSettings::default(), TO, None, MIDNIGHT, seed);
                Channel::over_secure(initiator.expect("short"), timeouts)
            }
            Kind::Reliable => {
                let of = Settings::of(config);
                let (settings, shape) = (settings(&of), Shape::RequestReply);
                let addresses = ClientAddresses::new(TO, None).expect("short");
                let session = match config.get("sec") {
                    None => SessionClient::plain(settings, of.soap, shape, addresses, Limits::default(), seed),
                    Some(_) => {
                        let (binding, security) = (config.binding(), InitiatorSettings::default());
                        SessionClient::secure(
                            settings, shape, addresses, binding, security, None, MIDNIGHT, seed, other,
                        )
                        .expect("short")
                    }
                };
                Channel::over_reliable(session, timeouts)
            }
            Kind::Tcp => unreachable!("played elsewhere"),
        };
        RecordedClient::new(name, channel, self.scene.contract, self.scene.knows)
    }

    fn lives(mut self) -> Narrative {
        let mut narrative = Narrative::default();
        let mut deeds = self.scene.deeds.iter().peekable();
        let mut now = 0;
        loop {
            let due = self.settle(now, &mut narrative);
            let next = [
                deeds.peek().map(|deed| deed.at),
                self.under_way.keys().next().map(|(at, _)| *at),
                match due {
                    Deadline::At(at) => Some(at.as_millis().max(now)),
                    Deadline::Never => None,
                },
            ];
            let next = next.into_iter().flatten().min().filter(|next| *next <= self.scene.until);
            let Some(next) = next else { return narrative };
            now = next.max(now);
            let arrived: Vec<(u64, u64)> = self.under_way.range(..=(now, u64::MAX)).map(|(key, _)| *key).collect();
            for key in arrived {
                let letter = self.under_way.remove(&key).expect("a letter");
                self.deliver(now, letter, &mut narrative);
                self.settle(now, &mut narrative);
            }
            while let Some(deed) = deeds.next_if(|deed| deed.at <= now) {
                self.does(now, deed, &mut narrative);
                self.settle(now, &mut narrative);
            }
        }
    }

    fn does(&mut self, now: u64, deed: &Deed, narrative: &mut Narrative) {
        match (deed.who.as_str(), deed.does.as_str()) {
            ("host", "recycle") => {
                self.service = Self::start(self.scene, self.chosen, &self.make_layer, self.starts);
                self.starts += 1;
            }
            ("host", "timers") => self.service.tells_timers(narrative),
            (who, "make") => {
                let made = self.make(who);
                self.clients.insert(who.to_owned(), made);
            }
            (who, does) => {
                let client = self.clients.get_mut(who).expect("a client that was made");
                client.does(Instant::from_millis(now), does, &deed.argument, narrative);
            }
        }
    }

    /// Everybody does what there is to do now. Returns when there is more.
    fn settle(&mut self, now: u64, narrative: &mut Narrative) -> Deadline {
        let instant = Instant::from_millis(now);
        let mut due = Deadline::Never;
        let names: Vec<String> = self.clients.keys().cloned().collect();
        for name in names {
            let client = self.clients.get_mut(&name).expect("a client");
            let (sent, until) = client.goes_on(instant, narrative);
            due = due.min(until);
            for (exchange, action, message) in sent {
                let at = Exchange(self.next_exchange);
                self.next_exchange += 1;
                self.exchanges.insert(at, (name.clone(), exchange));
                narrative.wire.extend(told(&Node::parse(&message), None, &mut self.seen, || action.clone()));
                self.send(now, Letter::ToService(at, action, message));
            }
        }
        let (sent, until) = self.service.goes_on(instant, narrative);
        for (exchange, status, message) in sent {
            if !message.is_empty() {
                narrative.wire.extend(told(&Node::parse(&message), Some(status), &mut self.seen, String::new));
            }
            let message = (status != 0).then_some(message);
            self.send(now, Letter::ToClient(exchange, message));
        }
        due.min(until)
    }

    fn send(&mut self, now: u64, letter: Letter) {
        self.sent += 1;
        self.under_way.insert((now + LATENCY, self.sent), letter);
    }

    fn deliver(&mut self, now: u64, letter: Letter, narrative: &mut Narrative) {
        let instant = Instant::from_millis(now);
        match letter {
            Letter::ToService(exchange, action, mut message) => {
                self.service.hears(instant, exchange, &action, &mut message);
            }
            Letter::ToClient(exchange, message) => {
                let (name, exchange) = self.exchanges.remove(&exchange).expect("an exchange");
                let client = self.clients.get_mut(&name).expect("a client");
                let mut message = message;
                client.hears(instant, exchange, message.as_deref_mut(), narrative);
            }
        }
    }
}
