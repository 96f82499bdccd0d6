//! A reliable session between two machines, as bytes: plain or over a secure conversation, over a wire that loses what it is told
//! to lose.

use crate::pair::{MIDNIGHT, Note, Paper};
use soap_session_core::chance::Chance;
use soap_session_core::exchange::{Exchange, Outgoing};
use soap_session_core::reliable::{
    ClientAddresses, Heard, ReliableSessionId, ReliableSettings, SendRefused, SessionPhase, Shape, Ticket, Told,
};
use soap_session_core::secure::{AcceptorSettings, Binding, InitiatorSettings, UserCredential};
use soap_session_core::session::{
    ClientAction, ClientHeard, Message, ServiceAction, ServiceHeard, SessionClient, SessionService,
};
use soap_session_core::soap::SoapVersion;
use soap_session_core::time::{Deadline, Duration, Instant};
use soap_session_core::xml::{Limits, Span};
use std::collections::{BTreeMap, VecDeque};

/// A reply: it answers a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// What it says.
    pub note: Note,
    /// The MessageID that it answers.
    pub relates_to: Option<Vec<u8>>,
}

impl Letter {
    /// A request with this body.
    pub fn request(action: &str, body: &str) -> Self {
        Self { note: Note::request(action, body), relates_to: None }
    }

    /// A message that nothing answers.
    pub fn one_way(action: &str, body: &str) -> Self {
        Self { note: Note { two_way: false, ..Note::request(action, body) }, relates_to: None }
    }

    /// The answer to a message.
    pub fn reply(action: &str, body: &str, relates_to: &[u8]) -> Self {
        Self { relates_to: Some(relates_to.to_vec()), ..Self::one_way(action, body) }
    }
}

impl Outgoing for Letter {
    fn action(&self) -> &[u8] {
        self.note.action()
    }
    fn body(&self) -> &[u8] {
        self.note.body()
    }
    fn two_way(&self) -> bool {
        self.note.two_way
    }
    fn relates_to(&self) -> Option<&[u8]> {
        self.relates_to.as_deref()
    }
}

/// A message that one side heard and keeps until it is taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// Its action.
    pub action: String,
    /// Its body.
    pub body: String,
    /// Its MessageID.
    pub message_id: Vec<u8>,
    /// What it answers.
    pub relates_to: Vec<u8>,
}

/// Exchanges of copies have numbers from here.
const COPIES: u32 = 1 << 30;

/// How long the driver waits for the answer of an exchange: WCF's send timeout.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The client's machine.
pub type Client = SessionClient<Letter, Chance, 8, 9, 32>;
/// The service's machine.
pub type Service = SessionService<Letter, 8, 8, 9, 16, 32>;

/// What the wire does with one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It arrives at once.
    Arrives,
    /// It arrives after so many milliseconds, and may be overtaken.
    Late(u64),
    /// It arrives, and so does a copy of it, after so many milliseconds each. Nobody hears what a copy is answered.
    Twice(u64, u64),
    /// It is lost, and the exchange with it.
    Lost,
    /// It is lost, and so is the exchange, which the client is told after [`PATIENCE`].
    Hangs,
}

/// A message under way: the client's or not, its exchange, its bytes (none: 202).
type Flying = (bool, Option<Exchange>, Vec<u8>);

/// A client, a service, and the wire between them.
pub struct SessionPair {
    /// The client.
    pub client: Client,
    /// The service.
    pub service: Service,
    shape: Shape,
    paper: Paper,
    /// Now.
    pub now: Instant,
    /// Messages under way, by the time of their arrival.
    under_way: BTreeMap<(Instant, usize), Flying>,
    /// Exchanges that are given up, and when.
    waiting: VecDeque<(Instant, Exchange)>,
    /// The number of the next exchange that a copy of a request came by.
    next_copy: u32,
    /// Messages that were refused or not read.
    pub not_read: u32,
    /// Messages that the service keeps, by session and number.
    pub kept: BTreeMap<(ReliableSessionId, u64), Kept>,
    /// Messages that the client keeps (duplex).
    pub held: BTreeMap<u64, Kept>,
    /// Replies of a duplex session that wait for room in the outbox.
    unsent: VecDeque<(ReliableSessionId, Letter)>,
    /// What the service's application took, in order.
    pub taken: Vec<Kept>,
    /// Replies that the client heard.
    pub replies: Vec<(Ticket, Kept)>,
    /// What the client's application was told.
    pub client_told: Vec<Told<Letter>>,
    /// What the service's application was told.
    pub service_told: Vec<Told<Letter>>,
    /// Every message on the wire, in order: true if the client's.
    pub wire: Vec<(bool, Vec<u8>)>,
    /// Messages that were copies to their receiver.
    pub duplicates: u32,
    /// Does the service's application take no messages now?
    pub busy: bool,
    /// What becomes of the next messages.
    pub fate: Box<dyn FnMut(bool, usize) -> Fate>,
    sent: usize,
    arrived: usize,
}

impl SessionPair {
    /// Two machines with these settings; `binding` secures them.
    ///
    /// # Panics
    /// If the settings need more than these tests give.
    pub fn new(shape: Shape, settings: &ReliableSettings, binding: Option<&Binding>, seed: u8) -> Self {
        let addresses = ClientAddresses::new("http://localhost/calc", None).expect("an address");
        let chance = |salt: u8| Chance::new(&[seed ^ salt; 32]);
        let (client, service) = match binding {
            None => {
                let limits = Limits::default();
                let client =
                    Client::plain(settings.clone(), SoapVersion::Soap12, shape, addresses, limits.clone(), chance(1));
                (client, Service::plain(settings.clone(), SoapVersion::Soap12, shape, limits, chance(2)))
            }
            Some(binding) => {
                let client = Client::secure(
                    settings.clone(),
                    shape,
                    addresses,
                    binding.clone(),
                    InitiatorSettings::default(),
                    UserCredential::new("alice", "wonder"),
                    MIDNIGHT,
                    chance(3),
                    chance(4),
                );
                let security = AcceptorSettings { duplex: shape == Shape::Duplex, ..AcceptorSettings::default() };
                let service =
                    Service::secure(settings.clone(), shape, binding.clone(), security, MIDNIGHT, chance(5), chance(6));
                (client.expect("a client"), service)
            }
        };
        Self {
            client,
            service,
            shape,
            paper: Paper { password: "wonder".into(), ..Paper::default() },
            now: Instant::from_millis(1000),
            under_way: BTreeMap::new(),
            waiting: VecDeque::new(),
            next_copy: COPIES,
            not_read: 0,
            kept: BTreeMap::new(),
            held: BTreeMap::new(),
            unsent: VecDeque::new(),
            taken: Vec::new(),
            replies: Vec::new(),
            client_told: Vec::new(),
            service_told: Vec::new(),
            wire: Vec::new(),
            duplicates: 0,
            busy: false,
            fate: Box::new(|_, _| Fate::Arrives),
            sent: 0,
            arrived: 0,
        }
    }

    /// Opens, and runs until both are silent.
    ///
    /// # Panics
    /// If it was opened before.
    pub fn open(&mut self) {
        self.client.open(self.now).expect("not opened yet");
        self.run();
    }

    /// Hands a message to the client.
    ///
    /// # Errors
    /// As the client's.
    pub fn send(&mut self, letter: Letter) -> Result<Ticket, (Letter, SendRefused)> {
        self.client.send(self.now, letter)
    }

    /// Everything that can be done now. `false` if nothing was.
    fn turn(&mut self) -> bool {
        let before = (self.wire.len(), self.client_told.len(), self.service_told.len(), self.arrived);
        self.client_speaks();
        self.arrive();
        self.application();
        self.service_speaks();
        self.arrive();
        before != (self.wire.len(), self.client_told.len(), self.service_told.len(), self.arrived)
    }

    /// Runs until nothing happens at this moment.
    ///
    /// # Panics
    /// If the machines never fall silent.
    pub fn run(&mut self) {
        for _ in 0..10_000 {
            if !self.turn() {
                return;
            }
        }
        panic!("the machines do not fall silent at {:?}", self.now);
    }

    /// Runs, and lets time pass from deadline to deadline until `done`, or `limit` deadlines have passed.
    pub fn run_until(&mut self, limit: usize, done: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..limit {
            self.run();
            if done(self) {
                return true;
            }
            match self.deadline() {
                Deadline::At(at) => self.now = self.now.max(at),
                Deadline::Never => return done(self),
            }
        }
        done(self)
    }

    /// When one of the two next wants to be asked.
    pub fn deadline(&mut self) -> Deadline {
        let mut out = vec![0; 65_536];
        let client = match self.client.poll(self.now, &self.paper, &mut out) {
            ClientAction::Wait(deadline) => deadline,
            other => panic!("the client is not waiting: {:.40}", format!("{other:?}")),
        };
        let service = match self.service.poll(self.now, &mut out) {
            Ok(ServiceAction::Wait(deadline)) => deadline,
            other => panic!("the service is not waiting: {:.40}", format!("{other:?}")),
        };
        let wire = self.under_way.first_key_value().map_or(Deadline::Never, |((at, _), _)| Deadline::At(*at));
        let patience = self.waiting.front().map_or(Deadline::Never, |(at, _)| Deadline::At(*at));
        client.min(service).min(wire).min(patience)
    }

    /// Puts a message on the wire. The client learns at once that its exchange has failed, if it does.
    fn carry(&mut self, client: bool, exchange: Option<Exchange>, bytes: Vec<u8>) {
        self.sent += 1;
        let fate = (self.fate)(client, self.sent);
        self.wire.push((client, bytes.clone()));
        let ours = exchange.filter(|exchange| exchange.0 < COPIES);
        // Answers of a connection come by themselves: nothing but patience tells that the one to a trust request is lost.
        if let Some(exchange) = ours.filter(|_| fate == Fate::Hangs || (client && self.shape == Shape::Duplex)) {
            self.waiting.push_back((self.now.after(PATIENCE), exchange));
        }
        let after = |millis| self.now.after(Duration::from_millis(millis));
        match fate {
            Fate::Arrives => drop(self.under_way.insert((self.now, self.sent), (client, exchange, bytes))),
            Fate::Late(millis) => drop(self.under_way.insert((after(millis), self.sent), (client, exchange, bytes))),
            Fate::Twice(first, second) => {
                let (first, second) = (after(first), after(second));
                self.under_way.insert((first, self.sent), (client, exchange, bytes.clone()));
                self.sent += 1;
                let copy = match exchange {
                    // The client reads one answer an exchange.
                    Some(_) if !client => return,
                    Some(_) => {
                        self.next_copy += 1;
                        Some(Exchange(self.next_copy))
                    }
                    None => None,
                };
                self.under_way.insert((second, self.sent), (client, copy, bytes));
            }
            Fate::Lost => {
                if let Some(exchange) = ours {
                    let _ = self.client.exchange_failed(self.now, exchange);
                }
            }
            Fate::Hangs => {}
        }
    }

    /// What is due arrives, and what has not arrived for long is given up.
    fn arrive(&mut self) {
        while let Some((at, exchange)) = self.waiting.front().copied()
            && at <= self.now
        {
            self.waiting.pop_front();
            self.arrived += 1;
            // One that has its answer is not known any more.
            let _ = self.client.exchange_failed(self.now, exchange);
        }
        while let Some(((at, serial), _)) = self.under_way.first_key_value()
            && *at <= self.now
        {
            let key = (*at, *serial);
            let Some((client, exchange, bytes)) = self.under_way.remove(&key) else { return };
            self.arrived += 1;
            match (client, exchange) {
                (true, exchange) => self.service_hears(exchange, bytes),
                (false, Some(exchange)) if exchange.0 >= COPIES => {}
                (false, exchange) => self.client_hears(exchange, bytes),
            }
        }
    }

    fn client_speaks(&mut self) {
        let mut out = vec![0; 64];
        loop {
            match self.client.poll(self.now, &self.paper, &mut out) {
                ClientAction::Transmit { exchange, message, .. } => {
                    let bytes = message.to_vec();
                    self.carry(true, exchange, bytes);
                }
                ClientAction::Told(told) => self.client_told.push(told),
                ClientAction::Failed(failure) => panic!("the conversation failed: {failure}"),
                ClientAction::Grow(grow) => out = vec![0; grow.needed],
                ClientAction::Wait(_) => return,
            }
        }
    }

    fn service_hears(&mut self, exchange: Option<Exchange>, mut bytes: Vec<u8>) {
        let from = exchange.unwrap_or(Exchange(1));
        match self.service.receive(self.now, from, &self.paper, &mut bytes).expect("room for an exchange") {
            ServiceHeard::Session { session, heard, message } => {
                self.duplicates += u32::from(heard == Heard::Duplicate);
                if let (Some(session), Heard::Message { number }, Some(message)) = (session, heard, message) {
                    let new = self.kept.insert((session, number), kept(&bytes, &message));
                    assert!(new.is_none(), "message {number} was given twice");
                }
            }
            ServiceHeard::Conversation(_) => {}
            // A copy of a secured message is a replay.
            ServiceHeard::NotRead(_) => self.not_read += 1,
        }
    }

    fn client_hears(&mut self, exchange: Option<Exchange>, mut bytes: Vec<u8>) {
        match self.client.receive(self.now, exchange, &self.paper, &mut bytes) {
            ClientHeard::Session(Heard::Reply { ticket }, Some(message)) => {
                self.replies.push((ticket, kept(&bytes, &message)));
            }
            ClientHeard::Session(Heard::Message { number }, Some(message)) => {
                assert!(self.held.insert(number, kept(&bytes, &message)).is_none(), "message {number} was given twice");
            }
            ClientHeard::Session(..) | ClientHeard::Conversation => {}
            // The service has forgotten the token of a session that broke before the client cancelled it.
            ClientHeard::Failed(_) if self.client.phase().is_over() => {}
            ClientHeard::Failed(failure) => panic!("the conversation failed: {failure}"),
            ClientHeard::NotRead(_) => self.not_read += 1,
        }
    }

    fn service_speaks(&mut self) {
        let mut out = vec![0; 64];
        loop {
            match self.service.poll(self.now, &mut out).expect("the service can write") {
                ServiceAction::Answer { exchange, message, .. } => {
                    let bytes = message.to_vec();
                    self.carry(false, Some(exchange), bytes);
                }
                ServiceAction::Transmit { message, .. } => {
                    let bytes = message.to_vec();
                    self.carry(false, None, bytes);
                }
                ServiceAction::Drop(exchange) => {
                    if exchange.0 < COPIES {
                        let _ = self.client.exchange_failed(self.now, exchange);
                    }
                }
                ServiceAction::Told(id, told) => {
                    if told == Told::EndOfMessages {
                        let _ = self.service.close(self.now, id);
                    }
                    self.service_told.push(told);
                }
                ServiceAction::Swept(_) => {}
                ServiceAction::Grow(grow) => out = vec![0; grow.needed],
                ServiceAction::Wait(_) => return,
            }
        }
    }

    /// The service's application: accepts, takes, echoes. The client's takes, too.
    fn application(&mut self) {
        while self.service.accept().is_some() {}
        let ids: Vec<ReliableSessionId> = self.kept.keys().map(|(id, _)| *id).filter(|_| !self.busy).collect();
        for id in ids {
            while let Some(number) = self.service.take(self.now, id) {
                let kept = self.kept.remove(&(id, number)).expect("the message was kept");
                if !kept.message_id.is_empty() {
                    let reply = Letter::reply(&format!("{}Response", kept.action), &kept.body, &kept.message_id);
                    if self.shape == Shape::Duplex {
                        self.unsent.push_back((id, reply));
                    } else {
                        self.service.reply(id, number, reply).expect("the request waits");
                    }
                }
                self.taken.push(kept);
            }
        }
        while let Some((id, reply)) = self.unsent.pop_front() {
            if let Err((reply, _)) = self.service.send(self.now, id, reply) {
                self.unsent.push_front((id, reply));
                break;
            }
        }
        while let Some(number) = self.client.take(self.now) {
            let kept = self.held.remove(&number).expect("the message was kept");
            self.replies.push((Ticket(u64::MAX), kept));
        }
    }

    /// Closes, and lets time pass until both are over.
    ///
    /// # Panics
    /// If the client cannot be closed.
    pub fn close(&mut self) -> bool {
        self.client.close(self.now).expect("the session can be closed");
        self.run_until(200, |pair| pair.client.is_over() && pair.service.sessions() == 0)
    }

    /// Where things stand, for who has to find out.
    pub fn story(&self) -> String {
        format!(
            "at {:?}, the client {:?} ({:?}, {:?}, told {:?}), {} messages on the wire, {} not read, {} retransmissions",
            self.now,
            self.client.phase(),
            self.client.conversation(),
            self.client.error(),
            self.client_told,
            self.wire.len(),
            self.not_read,
            self.client.retransmissions(),
        )
    }

    /// Is the client's session over in good order?
    pub fn closed_well(&self) -> bool {
        self.client.phase() == SessionPhase::Closed && self.client.error().is_none()
    }
}

fn kept(bytes: &[u8], message: &Message) -> Kept {
    let text = |span: Span| String::from_utf8_lossy(span.of(bytes)).into_owned();
    Kept {
        action: text(message.action),
        body: text(message.body),
        message_id: message.message_id.of(bytes).to_vec(),
        relates_to: message.relates_to.of(bytes).to_vec(),
    }
}
