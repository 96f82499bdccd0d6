//! What carries messages, and loses, doubles and delays them.

use super::letter::Letter;
use super::world::World;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{Heard, ReliableSessionId, Shape};

/// The connection of a duplex session.
const CONNECTION: Exchange = Exchange(u32::MAX);

/// Something that happens at its time.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Event {
    /// A message arrives at the service.
    ToService(Exchange, Letter),
    /// A message, or an answer without one, arrives at the client.
    ToClient(Option<Exchange>, Option<Letter>),
    /// The client learns that an exchange has failed.
    ClientFails(Exchange),
    /// The service learns that an exchange has failed.
    ServiceFails(Exchange),
    /// The client's application says something.
    Say,
    /// The service's application says something.
    ServiceSay,
    /// Both applications take a message.
    Take,
    /// The service's application replies.
    Reply(u64),
    /// The service's application closes.
    ServiceClose(ReliableSessionId),
    /// The service's application forgets a session.
    Forget(ReliableSessionId),
}

impl World {
    fn is_lost(&mut self, share: u64) -> bool {
        self.plan.weather.night.is_some_and(|night| self.now.as_millis() >= night) || self.dice.percent(share)
    }

    fn trip(&mut self) -> u64 {
        let jitter = self.plan.weather.jitter;
        self.plan.weather.latency + self.dice.upto(jitter)
    }

    /// The client sends.
    pub(super) fn post(&mut self, exchange: Option<Exchange>, letter: Letter) {
        self.sent += 1;
        let weather = self.plan.weather;
        let lost = self.is_lost(weather.loss_out);
        let twice = self.dice.percent(weather.duplication);
        let Some(exchange) = exchange else {
            for _ in 0..u8::from(!lost) + u8::from(twice) {
                let trip = self.trip();
                self.at(trip, Event::ToService(CONNECTION, letter.clone()));
            }
            return;
        };
        if twice {
            // A copy whose answer nobody hears.
            let copy = self.open(None);
            let trip = self.trip();
            let patience = self.dice.upto(10_000);
            self.at(trip, Event::ToService(copy, letter.clone()));
            self.at(trip + patience, Event::ServiceFails(copy));
        }
        if lost {
            self.fail(exchange);
        } else {
            let own = self.open(Some(exchange));
            let trip = self.trip();
            self.at(trip, Event::ToService(own, letter));
        }
    }

    fn open(&mut self, whose: Option<Exchange>) -> Exchange {
        let exchange = Exchange(self.next_exchange);
        self.next_exchange += 1;
        self.asked.insert(exchange, whose);
        exchange
    }

    /// An exchange of the client will not be answered.
    fn fail(&mut self, exchange: Exchange) {
        let weather = self.plan.weather;
        let long = if self.dice.percent(weather.hanging) { self.dice.upto(60_000) } else { 0 };
        let trip = self.trip() * 2;
        self.at(trip + long, Event::ClientFails(exchange));
    }

    /// The service answers an exchange.
    pub(super) fn answer(&mut self, from: Exchange, letter: Option<Letter>) {
        let whose = self.asked.remove(&from).expect("an exchange is answered once");
        if whose.is_some() {
            self.post_back(whose, letter);
        }
    }

    /// The service abandons an exchange.
    pub(super) fn drop_exchange(&mut self, from: Exchange) {
        if let Some(exchange) = self.asked.remove(&from).expect("an exchange is answered once") {
            let trip = self.trip();
            self.at(trip, Event::ClientFails(exchange));
        }
    }

    /// The service sends.
    pub(super) fn post_back(&mut self, exchange: Option<Exchange>, letter: Option<Letter>) {
        self.sent += 1;
        let weather = self.plan.weather;
        let lost = self.is_lost(weather.loss_back);
        match exchange {
            Some(exchange) if lost => self.fail(exchange),
            Some(_) => {
                let trip = self.trip();
                self.at(trip, Event::ToClient(exchange, letter));
            }
            None => {
                let twice = self.dice.percent(weather.duplication);
                for _ in 0..u8::from(!lost) + u8::from(twice) {
                    let trip = self.trip();
                    self.at(trip, Event::ToClient(None, letter.clone()));
                }
            }
        }
    }

    /// Something happens.
    pub(super) fn happen(&mut self, event: Event) {
        let now = self.now;
        if matches!(event, Event::ToService(..) | Event::ToClient(..) | Event::Reply(_)) {
            self.unblock();
        }
        match event {
            Event::ToService(from, letter) => {
                let admission = self.acceptor.hear(now, from, None, &letter.arrival());
                if let Heard::Message { number } = admission.heard {
                    assert!(admission.session.is_some() && admission.session == self.session_of(&letter));
                    assert_eq!(letter.sequence.as_ref().map(|(_, number, _)| *number), Some(number));
                    assert!(self.goods.insert(number, letter).is_none(), "number {number} came twice");
                }
            }
            Event::ToClient(exchange, letter) => {
                let heard = self.client.hear(now, exchange, letter.as_ref().map(Letter::arrival).as_ref());
                self.client_hears(heard, letter);
            }
            Event::ClientFails(exchange) => self.client.exchange_failed(now, exchange),
            Event::ServiceFails(exchange) => {
                if self.asked.remove(&exchange).is_some() {
                    self.acceptor.exchange_failed(exchange);
                }
            }
            Event::Say => self.say(),
            Event::ServiceSay => self.service_say(),
            Event::Take => self.take_one(),
            Event::Reply(number) => self.reply(number),
            Event::ServiceClose(id) => self.service_close(id),
            Event::Forget(id) => {
                if !self.acceptor.forget(id) && self.acceptor.session(id).is_some() {
                    self.at(1000, Event::Forget(id));
                }
            }
        }
    }

    /// The session whose sequence the letter names.
    fn session_of(&self, letter: &Letter) -> Option<ReliableSessionId> {
        let (identifier, ..) = letter.sequence.as_ref()?;
        let own = Some(identifier.as_slice());
        self.acceptor.sessions().find(|session| session.identifier() == own).map(|session| session.id())
    }

    fn client_hears(&mut self, heard: Heard, letter: Option<Letter>) {
        let text = letter.as_ref().map(|letter| String::from_utf8_lossy(&letter.text).into_owned()).unwrap_or_default();
        match heard {
            Heard::Message { number } => {
                assert_eq!(self.plan.shape, Shape::Duplex);
                let letter = letter.expect("a message is in a letter");
                assert!(self.client_goods.insert(number, letter).is_none(), "number {number} came twice");
            }
            Heard::Reply { ticket } => {
                let replies = self.replies.entry(ticket).or_default();
                replies.push(text);
                assert_eq!(replies.len(), 1, "a request has one reply");
            }
            Heard::Accepted { ticket } => {
                let accepted = self.accepted.entry(ticket).or_default();
                *accepted += 1;
                assert_eq!(*accepted, 1, "a message is accepted once");
            }
            Heard::Protocol | Heard::Duplicate | Heard::NoRoom | Heard::Refused(_) => {}
        }
    }
}

impl World {
    /// The identifiers of all sequences.
    pub fn identifiers(&self) -> Vec<Vec<u8>> {
        let own = self.client.identifier().into_iter().chain(self.client.offered());
        own.map(|identifier| identifier.as_bytes().to_vec()).collect()
    }

    /// A letter that neither side has sent arrives at both: at the client by this exchange.
    pub fn forge(&mut self, letter: &Letter, exchange: Option<Exchange>) {
        let (now, from) = (self.now, self.open_for_forgery());
        let admission = self.acceptor.hear(now, from, None, &letter.arrival());
        if let Heard::Message { number } = admission.heard
            && admission.session == self.session
        {
            assert!(self.goods.insert(number, letter.clone()).is_none(), "number {number} came twice");
        }
        match self.client.hear(now, exchange, Some(&letter.arrival())) {
            Heard::Message { number } => {
                assert!(self.client_goods.insert(number, letter.clone()).is_none(), "number {number} came twice");
            }
            Heard::Reply { ticket } | Heard::Accepted { ticket } => {
                assert!(self.tickets.contains_key(&ticket), "a reply to nothing");
            }
            Heard::Protocol | Heard::Duplicate | Heard::NoRoom | Heard::Refused(_) => {}
        }
        self.unblock();
    }

    fn open_for_forgery(&mut self) -> Exchange {
        if self.plan.shape == Shape::Duplex { CONNECTION } else { self.open(None) }
    }
}
