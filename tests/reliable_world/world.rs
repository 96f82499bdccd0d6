//! The world: two machines, what is under way between them, and the clock.

use super::letter::{Letter, Payload};
use super::network::Event;
use super::plan::{Dice, Plan};
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{
    self, AcceptorWant, ClientAddresses, ReliableAcceptor, ReliableSessionId, ServiceWant, SessionError, Shape, Ticket,
    Told,
};
use soap_session_core::time::{Deadline, Instant};
use std::collections::{BTreeMap, BTreeSet};

/// The client's machine.
pub type Client = reliable::Client<Payload, Chance, 64, 65, 32>;
/// The service's machine.
pub type Acceptor = ReliableAcceptor<Payload, 4, 64, 65, 128, 64>;

/// More than so many steps is a world without end.
const ENDLESS: u32 = 200_000;
/// More than this at one instant is a loop without end.
const BUSY: u64 = 5_000;

/// Two machines in simulated time. Everything that happened is kept.
#[derive(Clone, PartialEq, Debug)]
pub struct World {
    /// What it was made from.
    pub plan: Plan,
    /// The client.
    pub client: Client,
    /// The service. Its tables are large: they would crowd a test's stack.
    pub acceptor: Box<Acceptor>,
    /// The time.
    pub now: Instant,
    /// Texts that the client's application handed over, in order.
    pub said: Vec<String>,
    /// And their tickets.
    pub tickets: BTreeMap<Ticket, String>,
    /// Texts that the service's application took.
    pub heard: Vec<String>,
    /// Replies, by request.
    pub replies: BTreeMap<Ticket, Vec<String>>,
    /// Requests that were acknowledged without a reply.
    pub accepted: BTreeMap<Ticket, u32>,
    /// Texts whose requests the service ended without a reply.
    pub finished: BTreeSet<String>,
    /// Texts that the service's application handed over (duplex).
    pub service_said: Vec<String>,
    /// Texts that the client's application took (duplex).
    pub client_heard: Vec<String>,
    /// Texts that came back: they waited too long.
    pub returned: Vec<String>,
    /// What the client's application was told.
    pub client_told: Vec<Told<Payload>>,
    /// What the service's application was told of the first session.
    pub service_told: Vec<Told<Payload>>,
    /// The first session that the service accepted.
    pub session: Option<ReliableSessionId>,
    /// When the service's application took its last message.
    pub heard_at: Instant,
    /// Messages sent by either side.
    pub sent: u64,
    /// Look at every wait whether it is honest, and at every want whether it keeps.
    pub watched: bool,
    pub(super) dice: Dice,
    pub(super) events: BTreeMap<(u64, u64), Event>,
    pub(super) serial: u64,
    pub(super) next_exchange: u32,
    /// The service's exchanges, and whose they are.
    pub(super) asked: BTreeMap<Exchange, Option<Exchange>>,
    /// Messages that wait for the service's application.
    pub(super) goods: BTreeMap<u64, Letter>,
    /// Messages that wait for the client's application.
    pub(super) client_goods: BTreeMap<u64, Letter>,
    /// Requests that were taken and wait for their replies.
    pub(super) unanswered: BTreeMap<u64, String>,
    pub(super) client_closes: bool,
    /// What an application could not do yet: it tries again when something else has happened.
    pub(super) blocked: Vec<Event>,
    at_once: u64,
}

impl World {
    /// A world before its first moment. The client opens, its application starts to speak.
    pub fn new(plan: Plan) -> Self {
        let seed = plan.seed.to_le_bytes();
        let mut material = [0; 32];
        material[..8].copy_from_slice(&seed);
        let addresses = ClientAddresses::new("urn:service", None).expect("short");
        let mut world = Self {
            client: Client::new(plan.settings.clone(), plan.shape, addresses, Chance::new(&material)),
            acceptor: Box::new(Acceptor::new(
                plan.settings.clone(),
                plan.shape,
                Chance::new(&material.map(|octet| !octet)),
            )),
            now: Instant::from_millis(1000),
            said: Vec::new(),
            tickets: BTreeMap::new(),
            heard: Vec::new(),
            replies: BTreeMap::new(),
            accepted: BTreeMap::new(),
            finished: BTreeSet::new(),
            service_said: Vec::new(),
            client_heard: Vec::new(),
            returned: Vec::new(),
            client_told: Vec::new(),
            service_told: Vec::new(),
            session: None,
            heard_at: Instant::default(),
            sent: 0,
            watched: false,
            dice: Dice(plan.seed),
            events: BTreeMap::new(),
            serial: 0,
            next_exchange: 1,
            asked: BTreeMap::new(),
            goods: BTreeMap::new(),
            client_goods: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            client_closes: false,
            blocked: Vec::new(),
            at_once: 0,
            plan,
        };
        world.client.open(world.now).expect("it was just made");
        world.at(1, Event::Say);
        if world.plan.dwell > 0 {
            world.at(1, Event::Take);
        }
        world
    }

    /// Something happens in so many milliseconds.
    pub(super) fn at(&mut self, delay: u64, event: Event) {
        self.serial += 1;
        self.events.insert((self.now.as_millis().saturating_add(delay), self.serial), event);
    }

    /// Something has happened: whoever could not go on tries again.
    pub(super) fn unblock(&mut self) {
        for event in std::mem::take(&mut self.blocked) {
            self.at(0, event);
        }
    }

    /// When a machine wants to be asked.
    pub fn deadline(&self) -> Deadline {
        self.client.deadline().min(self.acceptor.deadline())
    }

    /// Runs until nothing is left to happen, or until this moment.
    pub fn run_until(&mut self, until: u64) {
        self.pump();
        for steps in 0.. {
            assert!(steps < ENDLESS, "the world does not come to an end: {:?}", self.plan);
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let timer = match self.deadline() {
                Deadline::At(at) => Some(at.as_millis()),
                Deadline::Never => None,
            };
            let Some(next) = event.into_iter().chain(timer).min().filter(|next| *next <= until) else { return };
            self.wait_until(next, timer.filter(|timer| event.is_none_or(|event| *timer < event)).is_some());
            while let Some(((at, serial), _)) = self.events.first_key_value()
                && *at <= next
            {
                let key = (*at, *serial);
                if let Some(event) = self.events.remove(&key) {
                    self.happen(event);
                    self.pump();
                }
            }
        }
    }

    /// Runs until nothing is left to happen.
    pub fn run(&mut self) {
        self.run_until(u64::MAX);
    }

    /// Lets time pass. `timer`: a machine asked for it, so something has to come of it.
    fn wait_until(&mut self, next: u64, timer: bool) {
        let now = self.now.as_millis();
        if self.watched && next > now + 1 {
            let early = Instant::from_millis(now + 1 + self.serial.wrapping_mul(7919) % (next - now - 1));
            let (mut client, mut acceptor) = (self.client.clone(), self.acceptor.clone());
            assert_eq!((client.next(early), client.told(early)), (None, None), "the client spoke before its deadline");
            assert!(client == self.client, "the client changed before its deadline");
            assert_eq!(acceptor.next(early), None, "the service spoke before its deadline");
            assert!(acceptor == self.acceptor, "the service changed before its deadline");
        }
        self.now = Instant::from_millis(next.max(now));
        self.at_once = 0;
        if timer {
            let before = self.watched.then(|| (self.client.clone(), self.acceptor.clone()));
            self.pump();
            if let Some((client, acceptor)) = before {
                assert!(client != self.client || acceptor != self.acceptor, "nothing happened at the deadline");
            }
        }
    }

    /// Sets the clock, and goes on from there as long as anything is left to happen within a day.
    pub fn jump(&mut self, at: Instant) {
        self.now = at;
        self.at_once = 0;
        self.pump();
        self.run_until(at.as_millis().saturating_add(86_400_000));
    }

    /// Asks both machines until they have nothing to say.
    pub fn pump(&mut self) {
        loop {
            let before = self.at_once;
            self.pump_client();
            self.pump_service();
            self.applications();
            if self.at_once == before {
                break;
            }
        }
        let deadline = self.deadline();
        assert!(deadline > Deadline::At(self.now), "a deadline in the past: {deadline:?} at {:?}", self.now);
    }

    pub(super) fn act(&mut self) {
        self.at_once += 1;
        assert!(self.at_once < BUSY, "the machines do not fall silent: {:?} {:?}", self.client, self.acceptor);
    }

    fn pump_client(&mut self) {
        let now = self.now;
        while let Some(told) = self.client.told(now) {
            self.act();
            if let Told::TimedOut(ticket, payload) = &told {
                assert_eq!(self.tickets.get(ticket).map(String::as_bytes), Some(&payload.text[..]));
                self.returned.push(self.tickets[ticket].clone());
            }
            self.client_told.push(told);
            self.unblock();
        }
        while let Some(want) = self.client.next(now) {
            self.act();
            if self.watched {
                let before = self.client.clone();
                assert_eq!(self.client.next(now), Some(want), "asked twice");
                assert!(self.client == before, "asking twice changed the client");
            }
            let letter = Letter::of(&self.client.frame(want).expect("what is wanted can be written"));
            let exchange = self.client.sent(now, want);
            assert_eq!(exchange.is_some(), self.plan.shape != Shape::Duplex);
            self.post(exchange, letter);
        }
    }

    fn pump_service(&mut self) {
        let now = self.now;
        while let Some(id) = self.acceptor.accept() {
            self.act();
            if self.session.is_none() {
                self.session = Some(id);
                self.at(0, Event::ServiceSay);
            }
        }
        let sessions: Vec<_> = self.acceptor.sessions().map(|session| session.id()).collect();
        for id in sessions {
            while let Some(told) = self.acceptor.told_of(now, id) {
                self.act();
                self.service_is_told(id, told);
            }
        }
        while let Some(want) = self.acceptor.next(now) {
            self.act();
            if self.watched {
                let before = self.acceptor.clone();
                assert_eq!(self.acceptor.next(now), Some(want), "asked twice");
                assert!(self.acceptor == before, "asking twice changed the acceptor");
            }
            let letter = self.acceptor.frame(want).map(|frame| Letter::of(&frame));
            self.acceptor.sent(now, want);
            match want {
                AcceptorWant::Refusal(from)
                | AcceptorWant::Session(_, ServiceWant::Answer(from) | ServiceWant::Empty(from))
                    if self.plan.shape != Shape::Duplex =>
                {
                    self.answer(from, letter);
                }
                AcceptorWant::Session(_, ServiceWant::Drop(from)) => self.drop_exchange(from),
                AcceptorWant::Refusal(_) | AcceptorWant::Session(..) => {
                    self.post_back(None, Some(letter.expect("what is wanted can be written")));
                }
            }
        }
    }

    fn service_is_told(&mut self, id: ReliableSessionId, told: Told<Payload>) {
        if let Told::TimedOut(_, payload) = &told {
            self.returned.push(String::from_utf8_lossy(&payload.text).into_owned());
        }
        if matches!(told, Told::EndOfMessages) {
            let delay = self.dice.upto(500);
            self.at(delay, Event::ServiceClose(id));
        }
        if matches!(told, Told::Closed | Told::Ended(_)) {
            let delay = self.dice.upto(20_000);
            self.at(delay, Event::Forget(id));
        }
        self.unblock();
        if self.session == Some(id) {
            self.service_told.push(told);
        }
    }

    /// How the client ended: `Some(None)` is in good order.
    pub fn client_end(&self) -> Option<Option<SessionError>> {
        end(&self.client_told)
    }

    /// How the service's session ended.
    pub fn service_end(&self) -> Option<Option<SessionError>> {
        end(&self.service_told)
    }
}

/// The end that was told. It is told once.
fn end(told: &[Told<Payload>]) -> Option<Option<SessionError>> {
    let mut ends = told.iter().filter_map(|told| match told {
        Told::Closed => Some(None),
        Told::Ended(error) => Some(Some(*error)),
        Told::Opened | Told::EndOfMessages | Told::TimedOut(..) => None,
    });
    let end = ends.next();
    assert_eq!(ends.next(), None, "the end was told twice");
    end
}
