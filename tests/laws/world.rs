//! Two clients, one service, and the messages between them: moved by hand, watched at every step.

use super::moves::Move;
use soap_session_core::chance::Chance;
use soap_session_core::secure::{
    AcceptorAction, AcceptorSettings, Binding, Exchange, Failure, Incoming, InitiatorAction, InitiatorSettings, Misuse,
    Received, Refusal, SessionId, UserCredential,
};
use soap_session_core::time::{Deadline, Duration, Instant, Wall};
use soap_session_core::xml::Span;
use soap_session_tests::pair::{Client, MIDNIGHT, Note, Paper, Service};
use std::collections::{BTreeMap, BTreeSet};

/// Room for every message of a world.
pub(crate) const AMPLE: usize = 32_768;

/// What a client's poll did.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Sent {
    Message(Exchange, Vec<u8>),
    Grow(usize),
    Wait,
    Failed(Failure),
}

/// What a service's poll did.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Did {
    Answer(Exchange, u16, Vec<u8>),
    Drop(Exchange),
    Swept(SessionId),
    Grow(usize),
    Wait(Deadline),
}

/// What happened to a machine, with the machine before and after.
pub(crate) enum Step {
    ClientPolled { before: Box<Client>, after: Box<Client>, sent: Sent },
    ClientTold { before: Box<Client>, after: Box<Client>, misuse: Option<Misuse> },
    ClientHeard { client: usize, exchange: Exchange, received: Result<Received, Refusal>, message: Vec<u8> },
    ServicePolled { before: Box<Service>, after: Box<Service>, did: Did },
    ServiceHeard { before: Box<Service>, after: Box<Service>, exchange: Exchange, heard: Result<Incoming, Misuse> },
}

/// A message under way; `from` is the client and its exchange, if anybody waits for the answer.
struct Flight {
    from: Option<(usize, Exchange)>,
    bytes: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) clients: [Client; 2],
    pub(crate) service: Service,
    pub(crate) paper: Paper,
    pub(crate) now: Instant,
    pub(crate) log: Vec<String>,
    /// Bodies of calls, by client and exchange.
    pub(crate) calls: BTreeMap<(usize, Exchange), String>,
    /// Bodies that the service's application was given.
    pub(crate) delivered: Vec<String>,
    /// The service's exchanges that have no answer yet.
    pub(crate) owed: BTreeSet<Exchange>,
    requests: Vec<Flight>,
    answers: Vec<Flight>,
    old: Vec<Vec<u8>>,
    /// The service's open exchanges, and whose they are.
    asked: BTreeMap<Exchange, Option<(usize, Exchange)>>,
    waiting: Vec<(Exchange, Note)>,
    cancelled: Vec<SessionId>,
    sessions: Vec<SessionId>,
    next: u32,
}

pub(crate) fn client_poll(client: &mut Client, now: Instant, paper: &Paper, room: usize) -> Sent {
    let mut out = vec![0; room];
    match client.poll(now, paper, &mut out) {
        Ok(InitiatorAction::Transmit { exchange, message, .. }) => Sent::Message(exchange, message.to_vec()),
        Ok(InitiatorAction::Grow(grow)) => Sent::Grow(grow.needed),
        Ok(InitiatorAction::Wait) => Sent::Wait,
        Err(failure) => Sent::Failed(failure),
    }
}

pub(crate) fn service_poll(service: &mut Service, now: Instant, room: usize) -> Did {
    let mut out = vec![0; room];
    match service.poll(now, &mut out).expect("replies are well-formed") {
        AcceptorAction::Answer { exchange, status, message } => Did::Answer(exchange, status, message.to_vec()),
        AcceptorAction::Drop(exchange) => Did::Drop(exchange),
        AcceptorAction::Swept(session) => Did::Swept(session),
        AcceptorAction::Grow(grow) => Did::Grow(grow.needed),
        AcceptorAction::Wait(deadline) => Did::Wait(deadline),
    }
}

fn pick<T>(list: &mut Vec<T>, index: u8) -> Option<T> {
    if list.is_empty() { None } else { Some(list.remove(usize::from(index) % list.len())) }
}

impl World {
    pub(crate) fn new(binding: &Binding, seed: u8) -> Self {
        let client = |number: u8| {
            let user = UserCredential::new("alice", "wonder");
            let chance = Chance::new(&[seed ^ number; 32]);
            let settings = InitiatorSettings::default();
            Client::new(binding.clone(), settings, "http://localhost/calc", user, MIDNIGHT, chance).expect("a client")
        };
        let settings = AcceptorSettings { max_pending_sessions: 3, ..AcceptorSettings::default() };
        Self {
            clients: [client(1), client(2)],
            service: Service::new(binding.clone(), settings, MIDNIGHT, Chance::new(&[!seed; 32])),
            paper: Paper { password: "wonder".into(), ..Paper::default() },
            now: Instant::from_millis(1000),
            log: Vec::new(),
            calls: BTreeMap::new(),
            delivered: Vec::new(),
            owed: BTreeSet::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            old: Vec::new(),
            asked: BTreeMap::new(),
            waiting: Vec::new(),
            cancelled: Vec::new(),
            sessions: Vec::new(),
            next: 1,
        }
    }

    /// Makes one move; returns what it did to the machines.
    pub(crate) fn step(&mut self, step: Move) -> Vec<Step> {
        let mut steps = Vec::new();
        match step {
            Move::Open(c) => self.tell(c, &mut steps, |client| client.open().err()),
            Move::Call(c, two_way) => {
                let number = self.calls.len();
                let body = format!("<n xmlns=\"urn:world\">{number}</n>");
                let note = Note { two_way, ..Note::request("urn:world/Say", &body) };
                let mut made = None;
                self.tell(c, &mut steps, |client| match client.call(note) {
                    Ok(exchange) => {
                        made = Some(exchange);
                        None
                    }
                    Err((_, misuse)) => Some(misuse),
                });
                if let Some(exchange) = made {
                    self.calls.insert((usize::from(c) % 2, exchange), body);
                }
            }
            Move::Close(c) => self.tell(c, &mut steps, |client| client.close().err()),
            // Rare on purpose: what is over stays over.
            Move::Abort(c) if c < 2 => self.tell(c, &mut steps, |client| {
                client.abort();
                None
            }),
            Move::Abort(_) => {}
            Move::Poll(c) => self.poll_client(usize::from(c) % 2, &mut steps),
            Move::Answer => self.poll_service(&mut steps),
            Move::Deliver(i) => {
                if let Some(flight) = pick(&mut self.requests, i) {
                    self.deliver(flight, &mut steps);
                }
            }
            Move::Again(i) => {
                if let Some(index) = usize::from(i).checked_rem(self.old.len()) {
                    let bytes = self.old[index].clone();
                    self.deliver(Flight { from: None, bytes }, &mut steps);
                }
            }
            Move::Reply(i) => {
                if let Some((exchange, note)) = pick(&mut self.waiting, i) {
                    let _ = self.service.reply(exchange, note);
                }
            }
            Move::Return(i) => {
                if let Some(flight) = pick(&mut self.answers, i) {
                    self.bring_back(flight, &mut steps);
                }
            }
            Move::LoseRequest(i) => {
                let lost = pick(&mut self.requests, i);
                self.lose(lost.and_then(|flight| flight.from));
            }
            Move::LoseAnswer(i) => {
                let lost = pick(&mut self.answers, i);
                self.lose(lost.and_then(|flight| flight.from));
            }
            Move::Cut(i) => {
                let mut open: Vec<Exchange> = self.asked.keys().copied().collect();
                if let Some(exchange) = pick(&mut open, i) {
                    self.service.exchange_failed(exchange);
                    self.owed.remove(&exchange);
                    let from = self.asked.remove(&exchange).flatten();
                    self.lose(from);
                }
            }
            Move::SpoilRequest(i, at, by) => Self::spoil(&mut self.requests, i, at, by),
            Move::SpoilAnswer(i, at, by) => Self::spoil(&mut self.answers, i, at, by),
            Move::Swap(i) => {
                if let [first, rest @ ..] = &mut self.answers[..]
                    && let Some(index) = usize::from(i).checked_rem(rest.len())
                {
                    std::mem::swap(&mut first.bytes, &mut rest[index].bytes);
                }
            }
            Move::Wait(seconds) => self.now = self.now.after(Duration::from_secs(seconds.into())),
            Move::ServiceClose => {
                for session in std::mem::take(&mut self.cancelled) {
                    let _ = self.service.close(session);
                }
            }
            Move::ServiceAbort(i) => {
                if let Some(session) = pick(&mut self.sessions, i) {
                    let _ = self.service.abort(session);
                }
            }
            Move::Clock(who, minutes) => {
                let wall = Wall { unix_ms_at_zero: MIDNIGHT.unix_ms_at_zero + i64::from(minutes) * 60_000 };
                match who {
                    0 | 1 => self.clients[usize::from(who)].set_wall(wall),
                    _ => self.service.set_wall(wall),
                }
            }
            Move::Run => self.run(&mut steps),
        }
        self.log.push(format!(
            "{step:?} {:?} {:?} {:?}",
            self.clients[0].phase(),
            self.clients[1].phase(),
            self.service.sessions()
        ));
        steps
    }

    /// Fair weather until both are silent: every message arrives, every request is replied to, every cancellation confirmed.
    fn run(&mut self, steps: &mut Vec<Step>) {
        for _ in 0..100 {
            let before = steps.iter().filter(|step| is_news(step)).count();
            self.poll_client(0, steps);
            self.poll_client(1, steps);
            while let Some(flight) = pick(&mut self.requests, 0) {
                self.deliver(flight, steps);
                self.settle(steps);
            }
            self.settle(steps);
            while let Some(flight) = pick(&mut self.answers, 0) {
                self.bring_back(flight, steps);
            }
            if steps.iter().filter(|step| is_news(step)).count() == before {
                return;
            }
        }
        panic!("fair weather does not fall silent: {:?}", self.log);
    }

    /// The service's application does all it owes, and the service says all it has to say.
    fn settle(&mut self, steps: &mut Vec<Step>) {
        while let Some((exchange, note)) = pick(&mut self.waiting, 0) {
            let _ = self.service.reply(exchange, note);
        }
        for session in std::mem::take(&mut self.cancelled) {
            let _ = self.service.close(session);
        }
        for _ in 0..100 {
            self.poll_service(steps);
            if matches!(steps.last(), Some(Step::ServicePolled { did: Did::Wait(_), .. })) {
                return;
            }
        }
        panic!("the service does not fall silent");
    }

    fn tell(&mut self, c: u8, steps: &mut Vec<Step>, what: impl FnOnce(&mut Client) -> Option<Misuse>) {
        let client = &mut self.clients[usize::from(c) % 2];
        let before = Box::new(client.clone());
        let misuse = what(client);
        steps.push(Step::ClientTold { before, after: Box::new(client.clone()), misuse });
    }

    fn poll_client(&mut self, c: usize, steps: &mut Vec<Step>) {
        let before = Box::new(self.clients[c].clone());
        let sent = client_poll(&mut self.clients[c], self.now, &self.paper, AMPLE);
        if let Sent::Message(exchange, bytes) = &sent {
            self.old.push(bytes.clone());
            self.requests.push(Flight { from: Some((c, *exchange)), bytes: bytes.clone() });
        }
        steps.push(Step::ClientPolled { before, after: Box::new(self.clients[c].clone()), sent });
    }

    fn poll_service(&mut self, steps: &mut Vec<Step>) {
        let before = Box::new(self.service.clone());
        let did = service_poll(&mut self.service, self.now, AMPLE);
        match &did {
            Did::Answer(exchange, _, bytes) => {
                if let Some(from) = self.asked.remove(exchange).flatten() {
                    self.answers.push(Flight { from: Some(from), bytes: bytes.clone() });
                }
            }
            Did::Drop(exchange) => {
                let from = self.asked.remove(exchange).flatten();
                self.lose(from);
            }
            Did::Swept(_) | Did::Grow(_) | Did::Wait(_) => {}
        }
        steps.push(Step::ServicePolled { before, after: Box::new(self.service.clone()), did });
    }

    fn deliver(&mut self, mut flight: Flight, steps: &mut Vec<Step>) {
        let exchange = Exchange(self.next);
        self.next += 1;
        let before = Box::new(self.service.clone());
        let heard = self.service.receive(self.now, exchange, &self.paper, &mut flight.bytes);
        let after = Box::new(self.service.clone());
        self.log.push(format!("{heard:?}").chars().take(60).collect());
        match &heard {
            Ok(incoming) => {
                self.owed.insert(exchange);
                self.asked.insert(exchange, flight.from);
                match incoming {
                    Incoming::Request { two_way, opened, .. } => {
                        let body = text(opened.body, &flight.bytes);
                        self.delivered.push(body.clone());
                        if *two_way {
                            self.waiting.push((exchange, Note::request("urn:world/SayResponse", &body)));
                        }
                    }
                    Incoming::Issued(session) => self.sessions.push(*session),
                    Incoming::Cancelled(session) => self.cancelled.push(*session),
                    Incoming::Renewed(_) | Incoming::Refused(_) => {}
                }
            }
            Err(_) => self.lose(flight.from),
        }
        steps.push(Step::ServiceHeard { before, after, exchange, heard });
    }

    fn bring_back(&mut self, mut flight: Flight, steps: &mut Vec<Step>) {
        let Some((client, exchange)) = flight.from else { return };
        let received = self.clients[client].receive(self.now, exchange, &self.paper, &mut flight.bytes);
        self.log.push(format!("{client} {received:?}").chars().take(60).collect());
        steps.push(Step::ClientHeard { client, exchange, received, message: flight.bytes });
    }

    fn lose(&mut self, from: Option<(usize, Exchange)>) {
        if let Some((client, exchange)) = from {
            let _ = self.clients[client].exchange_failed(exchange);
        }
    }

    fn spoil(flights: &mut [Flight], i: u8, at: u16, by: u8) {
        if let Some(index) = usize::from(i).checked_rem(flights.len()) {
            let bytes = &mut flights[index].bytes;
            if let Some(at) = usize::from(at).checked_rem(bytes.len()) {
                bytes[at] ^= by;
            }
        }
    }
}

pub(crate) fn text(span: Span, message: &[u8]) -> String {
    String::from_utf8_lossy(span.of(message)).into_owned()
}

fn is_news(step: &Step) -> bool {
    !matches!(
        step,
        Step::ClientPolled { sent: Sent::Wait, .. } | Step::ServicePolled { did: Did::Wait(_) | Did::Swept(_), .. }
    )
}
