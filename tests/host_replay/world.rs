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
use crate::rm_story::{Line, Moment, Settings, moments};
use crate::story::{Config, recorded_configs};
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::Timeouts;
use soap_session_core::reliable::{ClientAddresses, Shape};
use soap_session_core::secure::{Acceptor, AcceptorSettings, Initiator, InitiatorSettings};
use soap_session_core::service::{BindingShapes, Contract};
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

/// Plays a story.
///
/// # Panics
/// If it is not one of these stories.
pub fn play(name: &str) -> Narrative {
    let name = name.to_owned();
    // A machine has its tables inside itself, and moves some times before it rests.
    let player = std::thread::Builder::new().stack_size(64 << 20).spawn(move || on_a_stack(&name));
    player.expect("a thread").join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn on_a_stack(name: &str) -> Narrative {
    let (server, client) = recorded_configs(name);
    let contract = contract(&contract_name(name));
    let mut narrative = Narrative::default();
    let chosen = match contract.over(&shapes(&server)) {
        Ok(chosen) => chosen,
        Err(error) => {
            let text = masked(&format!("System.InvalidOperationException: \"{error}\""));
            narrative.not_opened = Some(text);
            if let Err(error) = contract.over(&shapes(&client)) {
                let text = masked(&format!("System.InvalidOperationException: \"{error}\""));
                narrative.client("A", format!("make -> THREW {text}"));
            }
            return narrative;
        }
    };
    let limits = Limits::default;
    let seeds = [Chance::new(&[3; 32]), Chance::new(&[4; 32])];
    match kind(&server) {
        Kind::Plain(soap, addressing) => {
            let layer = PlainLayer::<Said, 32>::new(soap, addressing, limits());
            World::new(name, RecordedService::new(layer, &server, contract, chosen), client, contract).run(narrative)
        }
        Kind::Secure => {
            let [seed, _] = seeds;
            let acceptor = Acceptor::<Said, Chance, 32, 32>::new(server.binding(), conversations(&server), MIDNIGHT, seed);
            let layer = SecureLayer::new(acceptor);
            World::new(name, RecordedService::new(layer, &server, contract, chosen), client, contract).run(narrative)
        }
        Kind::Reliable => {
            let of = Settings::of(&without_host(&server));
            let service = match server.get("sec") {
                None => SessionService::<Said, 32, 8, 9, 16, 32>::plain(settings(&of), of.soap, Shape::RequestReply, limits(), seeds[0].clone()),
                Some(_) => {
                    let [first, second] = seeds;
                    let conversations = conversations(&server);
                    SessionService::secure(settings(&of), Shape::RequestReply, server.binding(), conversations, MIDNIGHT, first, second)
                }
            };
            let layer = ReliableLayer::new(service);
            World::new(name, RecordedService::new(layer, &server, contract, chosen), client, contract).run(narrative)
        }
        Kind::Tcp => tcp::play(name, &server, contract, chosen),
    }
}

/// The name of a story's contract.
fn contract_name(name: &str) -> String {
    let text = std::fs::read_to_string(crate::vectors_root().join(name).join("config.txt")).expect("config.txt");
    text.lines().find_map(|line| line.strip_prefix("contract ")).expect("a contract").trim().to_owned()
}

/// The part of a configuration that is the binding's.
fn without_host(config: &Config) -> Config {
    config.without(&["calls", "sessions", "instances", "inst", "conc"])
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

struct World<L: ServiceLayer<Said>> {
    name: String,
    service: RecordedService<L>,
    client: Config,
    contract: Contract<'static>,
    knows: bool,
    clients: BTreeMap<String, RecordedClient>,
    script: Vec<Moment>,
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

impl<L: ServiceLayer<Said>> World<L> {
    fn new(name: &str, service: RecordedService<L>, client: Config, contract: Contract<'static>) -> Self {
        let is_call = |moment: &Moment| matches!(moment.line, Line::Call(_));
        let mut script: Vec<Moment> = moments(name).into_iter().filter(is_call).collect();
        script.sort_by_key(Moment::began);
        // In these the recorded client has another contract than its service.
        let knows = !name.contains("call-after-terminating") && !name.contains("non-initiating-first");
        Self {
            name: name.to_owned(),
            service,
            client,
            contract,
            knows,
            clients: BTreeMap::new(),
            script,
            under_way: BTreeMap::new(),
            sent: 0,
            exchanges: BTreeMap::new(),
            next_exchange: 1,
            seen: BTreeSet::new(),
        }
    }

    fn make(&self, name: &str) -> RecordedClient {
        let config = &self.client;
        let seconds = |key: &str, standard: u64| Some(config.seconds(key).unwrap_or(Duration::from_secs(standard)));
        let own = OWN_TIMEOUTS.iter().find(|(story, client, _)| (*story, *client) == (self.name.as_str(), name));
        let timeouts = Timeouts {
            open: seconds("open", 60),
            close: seconds("close", 60),
            send: own.map_or(seconds("send", 60), |(.., send)| Some(Duration::from_secs(*send))),
            receive: seconds("recv", 600),
        };
        let number = u8::try_from(self.clients.len()).expect("few clients");
        let (seed, other) = (Chance::new(&[10 + number; 32]), Chance::new(&[100 + number; 32]));
        let channel = match kind(config) {
            Kind::Plain(soap, addressing) => {
                Channel::plain(PlainClient::new(soap, addressing, TO, Limits::default(), seed).expect("short"), timeouts)
            }
            Kind::Secure => {
                let initiator = Initiator::new(config.binding(), InitiatorSettings::default(), TO, None, MIDNIGHT, seed);
                Channel::over_secure(initiator.expect("short"), timeouts)
            }
            Kind::Reliable => {
                let of = Settings::of(config);
                let addresses = ClientAddresses::new(TO, None).expect("short");
                let shape = Shape::RequestReply;
                let session = match config.get("sec") {
                    None => SessionClient::plain(settings(&of), of.soap, shape, addresses, Limits::default(), seed),
                    Some(_) => {
                        let security = InitiatorSettings::default();
                        SessionClient::secure(settings(&of), shape, addresses, config.binding(), security, None, MIDNIGHT, seed, other)
                            .expect("short")
                    }
                };
                Channel::over_reliable(session, timeouts)
            }
            Kind::Tcp => unreachable!("played elsewhere"),
        };
        RecordedClient::new(name, channel, self.contract, self.knows)
    }

    fn run(mut self, mut narrative: Narrative) -> Narrative {
        let script = std::mem::take(&mut self.script);
        let last = script.iter().map(|moment| moment.ms).max().unwrap_or_default();
        let mut script = script.into_iter().peekable();
        let mut now = 0;
        // The applications are done; what is under way still has some time to arrive.
        let end = last + 5_000;
        loop {
            let due = self.settle(now, &mut narrative);
            let next = [
                script.peek().map(Moment::began),
                self.under_way.keys().next().map(|(at, _)| *at),
                match due {
                    Deadline::At(at) => Some(at.as_millis().max(now)),
                    Deadline::Never => None,
                },
            ];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else { return narrative };
            now = next.max(now);
            let arrived: Vec<(u64, u64)> = self.under_way.range(..=(now, u64::MAX)).map(|(key, _)| *key).collect();
            for key in arrived {
                let letter = self.under_way.remove(&key).expect("a letter");
                self.deliver(now, letter, &mut narrative);
                self.settle(now, &mut narrative);
            }
            while let Some(Moment { line: Line::Call(call), .. }) = script.next_if(|moment| moment.began() <= now) {
                if call.operation == "make" {
                    let made = self.make(&call.client);
                    self.clients.insert(call.client.clone(), made);
                    continue;
                }
                let client = self.clients.get_mut(&call.client).expect("a client that was made");
                client.does(Instant::from_millis(now), &call.operation, &call.argument, &mut narrative);
                self.settle(now, &mut narrative);
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
