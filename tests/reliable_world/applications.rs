//! What the applications of both sides do.

use super::letter::Payload;
use super::network::Event;
use super::world::World;
use soap_session_core::reliable::{ReliableSessionId, SendRefused, SessionPhase, Shape};

impl World {
    /// What applications do at once: take, if they dwell on nothing, and close when all is said and heard.
    pub(super) fn applications(&mut self) {
        if self.plan.dwell == 0 {
            while self.take() {
                self.act();
            }
        }
        let all_said = self.said.len() >= self.plan.client_says;
        let all_heard = self.plan.shape != Shape::Duplex || {
            let back = self.returned.iter().filter(|text| text.starts_with('s')).count();
            self.client_heard.len() + back >= self.plan.service_says
        };
        if all_said && all_heard && !self.client_closes && self.client.phase() == SessionPhase::Opened {
            self.client_closes = true;
            self.act();
            self.client.close(self.now).expect("it is open");
        }
    }

    /// Takes one message of each direction, if there is one.
    pub(super) fn take(&mut self) -> bool {
        let now = self.now;
        let mut took = false;
        if let Some(number) = self.client.take(now) {
            let letter = self.client_goods.remove(&number).expect("what is taken was heard");
            self.client_heard.push(String::from_utf8_lossy(&letter.text).into_owned());
            took = true;
        }
        let Some(id) = self.session else { return took };
        if let Some(number) = self.acceptor.take(now, id) {
            let letter = self.goods.remove(&number).expect("what is taken was heard");
            let text = String::from_utf8_lossy(&letter.text).into_owned();
            self.heard.push(text.clone());
            self.heard_at = now;
            if self.plan.shape == Shape::RequestReply && letter.message_id.is_some() {
                self.unanswered.insert(number, text);
                let think = self.plan.think;
                let delay = self.dice.upto(think);
                self.at(delay, Event::Reply(number));
            }
            took = true;
        }
        took
    }

    pub(super) fn take_one(&mut self) {
        if self.take() {
            let dwell = self.plan.dwell.saturating_sub(1);
            let delay = 1 + self.dice.upto(dwell);
            self.at(delay, Event::Take);
        } else {
            self.blocked.push(Event::Take);
        }
    }

    pub(super) fn say(&mut self) {
        let pause = self.plan.pause;
        if self.said.len() >= self.plan.client_says {
            return;
        }
        let text = format!("c{}", self.said.len());
        let share = self.plan.one_way;
        let two_way = self.plan.shape == Shape::RequestReply && !self.dice.percent(share);
        let before = self.watched.then(|| self.client.clone());
        let payload = Payload { text: text.clone().into_bytes(), two_way };
        match self.client.send(self.now, payload.clone()) {
            Ok(ticket) => {
                assert!(self.tickets.insert(ticket, text.clone()).is_none(), "a ticket is given once");
                self.said.push(text);
                let delay = self.dice.upto(pause);
                self.at(delay, Event::Say);
            }
            Err((back, refused)) => {
                assert_eq!(back, payload);
                if let Some(before) = before {
                    assert!(before == self.client, "a refusal left a trace");
                }
                match refused {
                    SendRefused::Phase(phase) if phase.is_over() => {}
                    _ => self.blocked.push(Event::Say),
                }
            }
        }
    }

    pub(super) fn service_say(&mut self) {
        let now = self.now;
        if self.service_said.len() >= self.plan.service_says {
            return;
        }
        let text = format!("s{}", self.service_said.len());
        let Some(id) = self.session.filter(|id| self.acceptor.session(*id).is_some()) else { return };
        match self.acceptor.send(now, id, Payload::one_way(&text)) {
            Ok(_) => {
                self.unblock();
                self.service_said.push(text);
                let pause = self.plan.pause;
                let delay = self.dice.upto(pause);
                self.at(delay, Event::ServiceSay);
            }
            Err((_, SendRefused::Phase(phase))) if phase.is_over() => {}
            Err(_) => self.blocked.push(Event::ServiceSay),
        }
    }

    /// Every tenth request has no reply.
    pub(super) fn reply(&mut self, number: u64) {
        let Some(text) = self.unanswered.remove(&number) else { return };
        let finish = self.dice.percent(10);
        let Some(id) = self.session else { return };
        if self.acceptor.session(id).is_none_or(|session| session.phase().is_over()) {
            return;
        }
        if finish {
            self.acceptor.finish(id, number).expect("the request waits");
            self.finished.insert(text);
        } else {
            let reply = Payload::one_way(&format!("re:{text}"));
            self.acceptor.reply(id, number, reply).expect("the request waits");
        }
    }

    pub(super) fn service_close(&mut self, id: ReliableSessionId) {
        let now = self.now;
        let waits = !self.unanswered.is_empty() || self.service_said.len() < self.plan.service_says;
        if self.acceptor.session(id).is_none_or(|session| session.phase().is_over()) {
            return;
        }
        if waits && self.session == Some(id) {
            self.blocked.push(Event::ServiceClose(id));
        } else {
            self.acceptor.close(now, id).expect("it is open");
        }
    }
}
