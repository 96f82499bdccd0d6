//! Many clients of a service that can be busy with two of them.

use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{
    self, AcceptorWant, ClientAddresses, Heard, ReliableAcceptor, ReliableSessionId, ReliableSettings, RmFaultKind,
    RmVersion, SendRefused, ServiceWant, SessionError, Shape, Told,
};
use soap_session_core::time::{Deadline, Duration, Instant};
use soap_session_tests::reliable_world::{Dice, Letter, Payload, Plan};
use std::collections::{BTreeMap, VecDeque};

const CLIENTS: usize = 6;
const MESSAGES: usize = 6;
const BUSY: usize = 2;
/// Exchanges of one client have numbers below this.
const ALL: u32 = 1_000_000;
/// The connection of a client of a duplex session.
const CONNECTION: u32 = ALL - 1;

type Client = reliable::Client<Payload, Chance, 8, 9, 32>;
type Acceptor = ReliableAcceptor<Payload, 8, 8, 9, 16, 16, BUSY>;

enum Event {
    Open(usize),
    Say(usize, usize),
    ToService(usize, Option<Exchange>, Letter),
    ToClient(usize, Option<Exchange>, Option<Letter>),
    Fails(usize, Exchange),
    Reply(ReliableSessionId, u64, String),
}

struct Crowd {
    shape: Shape,
    settings: ReliableSettings,
    now: Instant,
    dice: Dice,
    loss: u64,
    clients: Vec<Client>,
    acceptor: Acceptor,
    events: BTreeMap<(u64, usize), Event>,
    serial: usize,
    goods: BTreeMap<(ReliableSessionId, u64), String>,
    /// What the service's application wants to say (duplex), until it can.
    answers: VecDeque<(ReliableSessionId, String)>,
    /// The numbers of what was taken, by client.
    heard: Vec<Vec<u64>>,
    /// Answers that clients had.
    answered: Vec<Vec<String>>,
    client_goods: BTreeMap<(usize, u64), String>,
    ends: Vec<Vec<Option<SessionError>>>,
    /// How often there was no room for a message, and for a sequence.
    no_room: usize,
    refused: usize,
    too_busy: usize,
}

impl Crowd {
    fn new(seed: u64, shape: Shape, version: RmVersion, loss: u64) -> Self {
        let settings = ReliableSettings {
            max_retry_count: 10_000,
            requestor_interval: Duration::from_secs(1),
            send_timeout: Duration::from_secs(1_000_000),
            inactivity_timeout: Duration::from_secs(1_000_000),
            close_timeout: Duration::from_secs(100_000),
            ..Plan::new(seed, shape, version).settings
        };
        let acceptor = Acceptor::new(settings.clone(), shape, Chance::new(&[9; 32]));
        let mut crowd = Self {
            shape,
            settings,
            now: Instant::from_millis(1000),
            dice: Dice(seed),
            loss,
            clients: Vec::new(),
            acceptor,
            events: BTreeMap::new(),
            serial: 0,
            goods: BTreeMap::new(),
            answers: VecDeque::new(),
            heard: vec![Vec::new(); CLIENTS],
            answered: vec![Vec::new(); CLIENTS],
            client_goods: BTreeMap::new(),
            ends: vec![Vec::new(); CLIENTS],
            no_room: 0,
            refused: 0,
            too_busy: 0,
        };
        for index in 0..CLIENTS {
            let client = crowd.client(index);
            crowd.clients.push(client);
            let delay = crowd.dice.upto(3000);
            crowd.at(delay, Event::Open(index));
        }
        crowd
    }

    fn client(&self, index: usize) -> Client {
        let addresses = ClientAddresses::new("urn:service", None).expect("short");
        let mut seed = [index as u8; 32];
        seed[1] = self.refused as u8;
        Client::new(self.settings.clone(), self.shape, addresses, Chance::new(&seed))
    }

    fn at(&mut self, delay: u64, event: Event) {
        self.serial += 1;
        self.events.insert((self.now.as_millis() + delay, self.serial), event);
    }

    fn run(&mut self) {
        for _ in 0..200_000 {
            self.pump();
            if self.events.is_empty() && self.acceptor.is_empty() && self.clients.iter().all(|c| c.phase().is_over()) {
                return;
            }
            let deadlines = self.clients.iter().map(Client::deadline).chain([self.acceptor.deadline()]);
            let timer = match deadlines.min() {
                Some(Deadline::At(at)) => at.as_millis(),
                Some(Deadline::Never) | None => u64::MAX,
            };
            assert!(timer > self.now.as_millis(), "a deadline in the past");
            let first = self.events.first_key_value().map(|(key, _)| *key);
            match first.filter(|(at, _)| *at <= timer) {
                Some(key) => {
                    self.now = Instant::from_millis(key.0);
                    let event = self.events.remove(&key).expect("it is there");
                    self.happen(event);
                }
                None if timer == u64::MAX => return,
                None => self.now = Instant::from_millis(timer),
            }
        }
        panic!("it does not end: {} sessions, {} busy", self.acceptor.len(), self.acceptor.busy());
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Open(index) => {
                self.clients[index].open(now).expect("it is new");
                for number in 0..MESSAGES {
                    let delay = self.dice.upto(3000);
                    self.at(delay + 500 * number as u64, Event::Say(index, number));
                }
            }
            Event::Say(index, number) => {
                let said = self.clients[index].phase() == reliable::SessionPhase::Opened;
                let text = format!("{index}");
                let payload =
                    if self.shape == Shape::RequestReply { Payload::request(&text) } else { Payload::one_way(&text) };
                if !said || self.clients[index].send(now, payload).is_err() {
                    self.at(200, Event::Say(index, number));
                }
            }
            Event::ToService(index, exchange, letter) => {
                let own = exchange.map_or(CONNECTION, |exchange| exchange.0);
                let from = Exchange(u32::try_from(index).expect("small") * ALL + own);
                let admission = self.acceptor.hear(now, from, None, &letter.arrival());
                match admission.heard {
                    Heard::Message { number } => {
                        let id = admission.session.expect("a session");
                        let text = String::from_utf8_lossy(&letter.text).into_owned();
                        assert_eq!(self.goods.insert((id, number), text), None, "it came twice");
                    }
                    Heard::NoRoom => self.no_room += 1,
                    Heard::Refused(SessionError::Remote {
                        kind: Some(RmFaultKind::ConnectionLimitReached), ..
                    }) => self.refused += 1,
                    _ => {}
                }
            }
            Event::ToClient(index, exchange, letter) => {
                let text = letter.as_ref().map(|letter| String::from_utf8_lossy(&letter.text).into_owned());
                let arrival = letter.as_ref().map(Letter::arrival);
                match self.clients[index].hear(now, exchange, arrival.as_ref()) {
                    Heard::Reply { .. } => self.answered[index].push(text.expect("a reply")),
                    Heard::Message { number } => {
                        self.client_goods.insert((index, number), text.expect("a message"));
                    }
                    _ => {}
                }
                while let Some(number) = self.clients[index].take(now) {
                    let text = self.client_goods.remove(&(index, number)).expect("it was heard");
                    self.answered[index].push(text);
                }
            }
            Event::Fails(index, exchange) => self.clients[index].exchange_failed(now, exchange),
            Event::Reply(id, number, text) => {
                self.acceptor.reply(id, number, Payload::one_way(&text)).expect("the request waits");
            }
        }
    }

    fn pump(&mut self) {
        let now = self.now;
        for index in 0..CLIENTS {
            while let Some(told) = self.clients[index].told(now) {
                match told {
                    Told::Closed => self.ends[index].push(None),
                    Told::Ended(SessionError::Remote { kind: Some(RmFaultKind::ConnectionLimitReached), .. }) => {
                        // It tries again, as somebody else.
                        self.clients[index] = self.client(index);
                        self.events.retain(|_, event| match event {
                            Event::Say(of, _) | Event::ToClient(of, ..) | Event::Fails(of, _) => *of != index,
                            Event::Open(_) | Event::ToService(..) | Event::Reply(..) => true,
                        });
                        let delay = self.dice.upto(2000);
                        self.at(delay, Event::Open(index));
                    }
                    Told::Ended(error) => self.ends[index].push(Some(error)),
                    Told::Opened | Told::EndOfMessages => {}
                    Told::TimedOut(..) => panic!("nothing times out"),
                }
            }
            let one_way = self.shape == Shape::OneWay;
            let got = if one_way { self.heard[index].len() } else { self.answered[index].len() };
            let client = &mut self.clients[index];
            let done = got == MESSAGES && client.is_drained();
            if done && client.phase() == reliable::SessionPhase::Opened {
                client.close(now).expect("it is open");
            }
            while let Some(want) = self.clients[index].next(now) {
                let letter = Letter::of(&self.clients[index].frame(want).expect("what is wanted can be written"));
                let exchange = self.clients[index].sent(now, want);
                let trip = 5 + self.dice.upto(10);
                match (self.dice.percent(self.loss), exchange) {
                    (false, _) => self.at(trip, Event::ToService(index, exchange, letter)),
                    (true, Some(exchange)) => self.at(trip, Event::Fails(index, exchange)),
                    (true, None) => {}
                }
            }
        }
        self.pump_service();
        // What was sent may have ended a session.
        self.pump_service();
    }

    fn pump_service(&mut self) {
        let now = self.now;
        while self.acceptor.accept().is_some() {}
        while let Some((id, told)) = self.acceptor.told(now) {
            if told == Told::EndOfMessages {
                self.acceptor.close(now, id).expect("it can be closed");
            }
        }
        self.acceptor.forget_spent();
        let ids: Vec<_> = self.acceptor.sessions().map(|session| session.id()).collect();
        for id in ids {
            while let Some(number) = self.acceptor.take(now, id) {
                let text = self.goods.remove(&(id, number)).expect("it was heard");
                self.heard[text.parse::<usize>().expect("a client's number")].push(number);
                match self.shape {
                    Shape::OneWay => {}
                    Shape::RequestReply => {
                        let think = self.dice.upto(100);
                        self.at(think, Event::Reply(id, number, text));
                    }
                    Shape::Duplex => self.answers.push_back((id, text)),
                }
            }
        }
        for _ in 0..self.answers.len() {
            let Some((id, text)) = self.answers.pop_front() else { break };
            // Half of them wait until their sessions are idle.
            if self.dice.percent(50) && self.acceptor.session(id).is_some_and(|session| !session.is_idle()) {
                self.answers.push_back((id, text));
                continue;
            }
            match self.acceptor.send(now, id, Payload::one_way(&text)) {
                Ok(_) => {}
                Err((_, SendRefused::Busy { limit })) => {
                    assert_eq!((limit, self.acceptor.busy()), (BUSY, BUSY));
                    self.too_busy += 1;
                    self.answers.push_back((id, text));
                }
                Err((_, refused)) => panic!("{refused}"),
            }
        }
        while let Some(want) = self.acceptor.next(now) {
            let letter = self.acceptor.frame(want).map(|frame| Letter::of(&frame));
            let connection = self.acceptor.connection_of(want);
            self.acceptor.sent(now, want);
            let (to, dropped) = match want {
                AcceptorWant::Session(_, ServiceWant::Drop(exchange)) => (exchange, true),
                AcceptorWant::Session(_, ServiceWant::Answer(exchange) | ServiceWant::Empty(exchange))
                | AcceptorWant::Refusal(exchange) => (exchange, false),
                AcceptorWant::Session(..) => (connection, false),
            };
            let index = usize::try_from(to.0 / ALL).expect("small");
            let exchange = Some(Exchange(to.0 % ALL)).filter(|exchange| exchange.0 != CONNECTION);
            let trip = 5 + self.dice.upto(10);
            match (dropped || self.dice.percent(self.loss), exchange) {
                (true, Some(exchange)) => self.at(trip, Event::Fails(index, exchange)),
                (true, None) => {}
                (false, exchange) => self.at(trip, Event::ToClient(index, exchange, letter)),
            }
        }
        self.acceptor.forget_spent();
        assert!(self.acceptor.busy() <= BUSY);
    }
}

#[test]
fn nothing_is_lost_where_more_want_to_be_busy_than_can() {
    let (mut no_room, mut refused, mut too_busy) = (0, 0, 0);
    for shape in [Shape::OneWay, Shape::RequestReply, Shape::Duplex] {
        for version in RmVersion::ALL {
            for (seed, loss) in [(1, 0), (2, 0), (3, 5), (4, 20)] {
                let mut crowd = Crowd::new(seed, shape, version, loss);
                crowd.run();
                let case = format!("{shape:?} {version:?} {seed}");
                for index in 0..CLIENTS {
                    let all: Vec<u64> = (1..=MESSAGES as u64).collect();
                    assert_eq!(crowd.heard[index], all, "{case}");
                    let answers = if shape == Shape::OneWay { 0 } else { MESSAGES };
                    assert_eq!(crowd.answered[index], vec![format!("{index}"); answers], "{case}");
                    assert_eq!(crowd.ends[index], [None], "{case}");
                }
                assert_eq!((crowd.acceptor.len(), crowd.acceptor.busy()), (0, 0), "{case}");
                (no_room, refused, too_busy) =
                    (no_room + crowd.no_room, refused + crowd.refused, too_busy + crowd.too_busy);
            }
        }
    }
    println!("{no_room} messages and {refused} sequences had no room, {too_busy} answers waited");
    assert!(no_room > 50 && refused > 0, "{no_room} {refused}");
}
