//! Testing one's own logic in simulated time, on a network that loses messages: a property test without sockets and without sleeps.
//!
//! Client and service live in one process. The clock is a number that jumps to whatever happens next, so that hours pass in
//! milliseconds, and a seed decides what is lost and how late the rest comes: the same seed is the same world, and a failure can be
//! looked at again. The property here: every deposit is booked once, and in order.
//!
//! It is put to two designs. One leaves losses to a reliable session. The other has no session, and calls again when a call has
//! failed, as is often written: the property finds the world in which the answer was lost, and not the request.
//!
//! ```sh
//! cargo run -p soap-session-examples --example simulated_time
//! ```

use soap_session_core::chance::{Chance, Entropy};
use soap_session_core::exchange::{Exchange, Outgoing};
use soap_session_core::lifetime::{CommunicationState, Timeouts};
use soap_session_core::reliable::{ClientAddresses, ReliableSettings, Shape};
use soap_session_core::secure::NoCredentials;
use soap_session_core::service::{
    BindingShapes, Called, Contract, HostSettings, HostTables, Listener, Operation, ServiceHost, SessionMode,
};
use soap_session_core::session::{
    CallAnswer, ChannelAction, ChannelEvent, ChannelHeard, ClientChannel, FaultReply, Kept, LayerAction, LayerHeard,
    OperationUse, Order, PlainClient, PlainLayer, ReliableLayer, ServiceEndpoint, ServiceLayer, SessionClient,
    SessionService,
};
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::store::Fixed;
use soap_session_core::throttle::ThrottleSettings;
use soap_session_core::time::{Deadline, Duration, Instant};
use soap_session_core::xml::Limits;
use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;

const DEPOSITS: u32 = 20;
const WORLDS: u8 = 200;
const OPERATIONS: &[Operation<'static>] = &[Operation::new("Deposit", "urn:bank/Deposit")];
const SOAP: SoapVersion = SoapVersion::Soap12;

type Client = ClientChannel<Letter, Chance, 4, 16, 8, 9, 16>;

/// A message of the application: here its body is a number.
struct Letter(&'static str, String);

impl Outgoing for Letter {
    fn action(&self) -> &[u8] {
        self.0.as_bytes()
    }
    fn body(&self) -> &[u8] {
        self.1.as_bytes()
    }
}

impl FaultReply for Letter {
    fn fault(_: &str, body: &[u8], _: Kept) -> Self {
        Self("urn:bank/fault", String::from_utf8_lossy(body).into_owned())
    }
}

/// What is on its way.
enum Flying {
    Request(Exchange, Vec<u8>),
    Answer(Exchange, Vec<u8>),
    /// The client's connection breaks.
    Failure(Exchange),
}

struct World<L: ServiceLayer<Letter>> {
    now: Instant,
    weather: Chance,
    flying: BTreeMap<(Instant, u32), Flying>,
    sent: u32,
    lost: u32,
    client: Client,
    endpoint: ServiceEndpoint<Letter, L, Fixed<16>>,
    host: ServiceHost<Kept, Fixed<16>>,
    kept: HashMap<Kept, u32>,
    /// The service's state: what was booked.
    booked: Vec<u32>,
    /// The client's: the deposit that has to be made now.
    next: u32,
}

impl<L: ServiceLayer<Letter>> World<L> {
    fn new(seed: u8, client: Client, layer: L, binding: BindingShapes<'static>) -> Self {
        let contract =
            Contract { name: "IBank", session_mode: SessionMode::Allowed, callbacks: false, operations: OPERATIONS };
        let chosen = contract.over(&binding).expect("the contract asks for nothing");
        let limits =
            ThrottleSettings { max_concurrent_sessions: 8, max_concurrent_calls: 8, ..ThrottleSettings::wcf3() };
        let tables = HostTables { channels: Fixed, calls: Fixed, instances: Fixed, permits: Fixed };
        Self {
            now: Instant::from_millis(0),
            weather: Chance::new(&[seed; 32]),
            flying: BTreeMap::new(),
            sent: 0,
            lost: 0,
            client,
            endpoint: ServiceEndpoint::new(layer, 0, Listener(0), chosen, Fixed),
            host: ServiceHost::new(HostSettings::default(), limits, tables).expect("the limits fit the tables"),
            kept: HashMap::new(),
            booked: Vec::new(),
            next: 1,
        }
    }

    /// A message sets out: a tenth of them is lost, the others take up to a quarter of a second.
    fn carry(&mut self, exchange: Exchange, message: Flying) {
        let mut drawn = [0; 2];
        self.weather.fill(&mut drawn);
        self.sent += 1;
        let arrives = self.now.after(Duration::from_millis(u64::from(drawn[0])));
        let message = if drawn[1] < 26 { Flying::Failure(exchange) } else { message };
        self.lost += u32::from(drawn[1] < 26);
        self.flying.insert((arrives, self.sent), message);
    }

    /// The client's application: one deposit after the other, and again if a call has failed.
    fn apply(&mut self) {
        if self.client.calls() > 0 {
            return;
        }
        match self.client.state() {
            CommunicationState::Created | CommunicationState::Opened if self.next <= DEPOSITS => {
                let letter = Letter("urn:bank/Deposit", format!("<n xmlns=\"urn:bank\">{}</n>", self.next));
                let called = self.client.call(self.now, OperationUse::new("Deposit"), letter);
                assert!(called.is_ok(), "nothing else is under way");
            }
            CommunicationState::Opened => drop(self.client.close(self.now)),
            _ => {}
        }
    }

    /// What the client has to say, until it waits.
    fn client_turn(&mut self, out: &mut [u8]) -> Deadline {
        loop {
            match self.client.poll(self.now, &NoCredentials, out) {
                ChannelAction::Transmit { exchange: Some(exchange), message, .. } => {
                    let message = message.to_vec();
                    self.carry(exchange, Flying::Request(exchange, message));
                }
                ChannelAction::Event(ChannelEvent::CallDone(..)) => self.apply(),
                ChannelAction::Transmit { .. } | ChannelAction::Event(_) => {}
                ChannelAction::Grow(grow) => unreachable!("{grow}"),
                ChannelAction::Wait(deadline) => return deadline,
            }
        }
    }

    /// What the service has to say and to do, until it waits.
    fn service_turn(&mut self, out: &mut [u8]) -> Deadline {
        loop {
            let deadline = match self.endpoint.poll(self.now, &NoCredentials, out).expect("replies are well-formed") {
                LayerAction::Answer { exchange, message, .. } => {
                    let message = message.to_vec();
                    self.carry(exchange, Flying::Answer(exchange, message));
                    continue;
                }
                LayerAction::Drop(exchange) => {
                    self.carry(exchange, Flying::Failure(exchange));
                    continue;
                }
                LayerAction::Wait(deadline) => deadline,
                _ => Deadline::At(self.now),
            };
            match self.endpoint.order(self.now, &mut self.host) {
                Order::Look(kept) => {
                    let called = Called { operation: 0, two_way: true, is_initiating: true, is_terminating: false };
                    self.endpoint.looked(self.now, &mut self.host, kept, Some(called)).expect("its session is there");
                }
                Order::Run(run) => {
                    let deposit = self.kept.remove(&run.message).expect("it was kept");
                    self.booked.push(deposit);
                    let reply = Letter("urn:bank/DepositResponse", format!("<n xmlns=\"urn:bank\">{deposit}</n>"));
                    let answered = self.endpoint.answered(
                        self.now,
                        &mut self.host,
                        run.call,
                        run.message,
                        CallAnswer::Reply(reply),
                    );
                    answered.expect("it was under way");
                }
                Order::Wait(until) if until.min(deadline) > Deadline::At(self.now) => return until.min(deadline),
                _ => {}
            }
        }
    }

    fn arrive(&mut self, message: Flying) {
        match message {
            Flying::Request(exchange, mut bytes) => {
                let heard = self.endpoint.receive(self.now, exchange, &NoCredentials, &mut bytes);
                if let Ok(LayerHeard::Message(delivered)) = heard {
                    self.kept.insert(delivered.kept, number(delivered.message.body.of(&bytes)));
                }
            }
            Flying::Answer(exchange, mut bytes) => {
                let heard = self.client.receive(self.now, Some(exchange), &NoCredentials, &mut bytes);
                if let ChannelHeard::Reply { message, .. } = heard {
                    assert_eq!(number(message.body.of(&bytes)), self.next, "the answer is that of another call");
                    self.next += 1;
                }
            }
            Flying::Failure(exchange) => self.client.exchange_failed(self.now, exchange),
        }
    }

    /// Lives until the client has closed, and says what the property thinks of it.
    fn live(mut self) -> Result<Self, String> {
        let mut out = vec![0; 16 * 1024];
        while self.client.state() != CommunicationState::Closed {
            self.apply();
            let deadline = self.client_turn(&mut out).min(self.service_turn(&mut out));
            let arrival = self.flying.first_key_value().map_or(Deadline::Never, |((at, _), _)| Deadline::At(*at));
            match deadline.min(arrival) {
                Deadline::At(at) => self.now = self.now.max(at),
                Deadline::Never if self.client.state() == CommunicationState::Closed => break,
                Deadline::Never => return Err("nothing will ever happen again".to_owned()),
            }
            while let Some(((at, _), _)) = self.flying.first_key_value()
                && *at <= self.now
                && let Some((_, message)) = self.flying.pop_first()
            {
                self.arrive(message);
            }
            if let Some(error) = self.client.error() {
                return Err(error.to_string());
            }
        }
        if self.booked.iter().copied().eq(1..=DEPOSITS) { Ok(self) } else { Err(format!("booked {:?}", self.booked)) }
    }
}

fn number(body: &[u8]) -> u32 {
    let digits = body.iter().filter(|octet| octet.is_ascii_digit());
    digits.fold(0, |number, digit| 10 * number + u32::from(digit - b'0'))
}

fn with_a_reliable_session(seed: u8) -> World<ReliableLayer<Letter, 2, 8, 9, 8, 16, 2>> {
    let (settings, shape) = (ReliableSettings::default(), Shape::RequestReply);
    let addresses = ClientAddresses::new("http://bank.example/", None).expect("it is short");
    let client =
        SessionClient::plain(settings.clone(), SOAP, shape, addresses, Limits::default(), Chance::new(&[!seed; 32]));
    let service = SessionService::plain(settings, SOAP, shape, Limits::default(), Chance::new(&[seed ^ 0x55; 32]));
    let client = Client::over_reliable(client, Timeouts { send: None, ..Timeouts::default() });
    World::new(seed, client, ReliableLayer::new(service), BindingShapes::reliable_session("WSHttpBinding"))
}

fn without(seed: u8) -> World<PlainLayer<Letter, 16>> {
    let (addressing, limits) = (Some(AddressingVersion::Wsa10), Limits::default());
    let client = PlainClient::new(SOAP, addressing, "http://bank.example/", limits.clone(), Chance::new(&[!seed; 32]));
    let client = Client::plain(client.expect("a short address"), Timeouts::default());
    World::new(seed, client, PlainLayer::new(SOAP, addressing, limits), BindingShapes::datagram("WSHttpBinding"))
}

fn main() -> ExitCode {
    let (mut sent, mut lost, mut millis) = (0, 0, 0);
    for seed in 0..WORLDS {
        match with_a_reliable_session(seed).live() {
            Ok(world) => (sent, lost, millis) = (sent + world.sent, lost + world.lost, millis + world.now.as_millis()),
            Err(why) => {
                println!("with a reliable session, seed {seed}: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!(
        "with a reliable session: {WORLDS} worlds, {lost} of {sent} messages lost, every deposit booked once, in order"
    );
    println!("  that took {} minutes of their time", millis / 60_000);
    let contradicts = (0..WORLDS).find_map(|seed| without(seed).live().err().map(|why| (seed, why)));
    let Some((seed, why)) = contradicts else {
        println!("without, calling again: no world contradicts; is it the right property?");
        return ExitCode::FAILURE;
    };
    println!("without, calling again: seed {seed}: {why}");
    ExitCode::SUCCESS
}
