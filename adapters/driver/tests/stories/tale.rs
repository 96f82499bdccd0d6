//! A recorded story as its script: what happens one after the other, at which recorded time.

use crate::secured::{Eyes, Seen, bare, is_secured};
use crate::stage::skew;
use soap_session_tests::Direction;
use soap_session_tests::dom::Node;
use soap_session_tests::rm_story::{Call, Event, Exchange, ExchangeEnd, Line, Moment, messages, moments};
use soap_session_tests::story::{Config, recorded_configs};
use soap_session_tests::wire::{created, lifetime_created};
use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// A story.
pub(crate) struct Tale {
    /// Its name, without the folder.
    pub(crate) name: String,
    /// The server's configuration.
    pub(crate) server: Config,
    /// The client's.
    pub(crate) client: Config,
    /// The contract.
    pub(crate) contract: String,
    /// Every message.
    pub(crate) events: Vec<Event>,
    /// The exchanges.
    pub(crate) exchanges: Vec<Exchange>,
    /// Everything else.
    pub(crate) moments: Vec<Moment>,
    /// What is seen of protected messages, by their numbers.
    seen: HashMap<u32, Seen>,
}

/// What happens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Step {
    /// An exchange ends for its asker, in the way that it says: its place.
    Ends(usize),
    /// A call ends: its place among the moments.
    Told(usize),
    /// Something happens to the server's process: its place among the moments.
    Server(usize),
    /// A call begins: its place among the moments.
    Deed(usize),
    /// A request is made: the exchange's place.
    Asks(usize),
}

impl Tale {
    /// Opens a story.
    pub(crate) fn open(name: &str) -> Self {
        let folder = format!("wcf-stories/{name}");
        let (server, client) = recorded_configs(&folder);
        let config = fs::read_to_string(soap_session_tests::vectors_root().join(&folder).join("config.txt")).unwrap();
        let contract = config.lines().find_map(|line| line.strip_prefix("contract ")).unwrap().trim().to_owned();
        let (events, mut exchanges) = messages(&folder);
        // When the server closed its connections is not told; here it was when everything was over.
        for exchange in exchanges.iter_mut().filter(|_| name == "throttle-sessions-10-sc") {
            if let ExchangeEnd::Closed(_) = exchange.end {
                exchange.end = ExchangeEnd::Hung;
            }
        }
        let mut seen = HashMap::new();
        if server.get("sec").is_some() {
            let mut eyes = Eyes::open();
            // What the proxy copied is no message of its own.
            for event in events.iter().filter(|event| event.is_genuine() && is_secured(&event.bytes)) {
                let saw = eyes.see(event.way, &event.bytes);
                let body = event.envelope().unwrap().body_bytes();
                assert_eq!((&saw.flaw, &*saw.body), (&None, body), "#{:02}", event.number);
                seen.insert(event.number, saw);
            }
        }
        Self { name: name.to_owned(), server, client, contract, events, exchanges, moments: moments(&folder), seen }
    }

    /// Are its messages protected?
    pub(crate) fn is_secured(&self) -> bool {
        !self.seen.is_empty()
    }

    /// A message by its number.
    pub(crate) fn event(&self, number: u32) -> &Event {
        self.events.iter().find(|event| event.number == number).unwrap()
    }

    /// The head that went with it.
    pub(crate) fn head(&self, event: &Event) -> String {
        let file = format!("wcf-stories/{}/{:02}-{}.head", self.name, event.number, event.way.tag());
        let head = fs::read_to_string(soap_session_tests::vectors_root().join(file)).unwrap();
        head.trim_end().replace("\r\n", "\n").replace('\n', "\r\n") + "\r\n"
    }

    /// What it says, as it would be without security.
    pub(crate) fn text(&self, event: &Event) -> String {
        match event.envelope() {
            Some(envelope) if is_secured(&event.bytes) => bare(&String::from_utf8_lossy(&envelope.bytes)),
            _ => String::from_utf8_lossy(&event.bytes).into_owned(),
        }
    }

    /// All of it that has to be the same.
    pub(crate) fn sight(&self, event: &Event) -> String {
        self.seen.get(&event.number).map_or_else(|| self.text(event), |seen| seen.text.clone())
    }

    /// When the token that an exchange brought was made, as its lifetime tells: that is when the request was worked on.
    pub(crate) fn issued(&self, exchange: &Exchange) -> Option<u64> {
        let clear = |number: u32| Some(Node::parse(&self.event(number).envelope()?.bytes));
        let made = lifetime_created(&clear(exchange.answer?)?)?;
        let asked = created(&clear(exchange.request)?)? - skew(self);
        let (from, to) = (self.event(exchange.request).ms, self.event(exchange.answer?).ms);
        Some(from.saturating_add_signed(made - asked).clamp(from, to))
    }

    /// The call at this place.
    pub(crate) fn call(&self, place: usize) -> &Call {
        match &self.moments[place].line {
            Line::Call(call) => call,
            other => panic!("{other:?}"),
        }
    }

    /// When each call was begun: not before the last one of the same client was over.
    fn began(&self, place: usize) -> u64 {
        let (moment, call) = (&self.moments[place], self.call(place));
        let began = moment.began();
        let before = self.moments.iter().enumerate().filter_map(|(other, earlier)| match &earlier.line {
            Line::Call(of) if other < place && of.client == call.client && earlier.ms <= began + 3 => Some(earlier.ms),
            _ => None,
        });
        before.max().unwrap_or(0).max(began)
    }

    /// The number in its sequence of the message that a call was, where it can be told from others.
    fn first_message(&self, place: usize) -> Option<u64> {
        let call = self.call(place);
        let (opens, argument) = (format!("<s:Body><{} ", call.operation), format!(">{}<", call.argument));
        let is = |event: &&Event| {
            let text = self.text(event);
            event.way == Direction::ClientToServer && text.contains(&opens) && text.contains(&argument)
        };
        let first = self.events.iter().find(is)?;
        let id =
            |event: &Event| event.envelope().map(|e| (e.message_id.clone(), e.sequence.as_ref().map(|s| s.number)));
        let alone = self.events.iter().filter(is).all(|event| id(event) == id(first));
        let number = first.envelope().and_then(|envelope| envelope.sequence.as_ref()).map(|sequence| sequence.number);
        alone.then_some(number.unwrap_or_else(|| u64::from(first.number)))
    }

    /// Of calls that were made at the same time, that goes first whose message was first.
    fn put_in_order(&self, steps: &mut [(u64, Step)]) {
        for at in 1..steps.len() {
            for other in 0..at {
                let ((earlier, Step::Deed(one)), (later, Step::Deed(two))) = (steps[other], steps[at]) else {
                    continue;
                };
                if later - earlier < 100
                    && self.call(one).client == self.call(two).client
                    && let (Some(first), Some(second)) = (self.first_message(one), self.first_message(two))
                    && first > second
                {
                    (steps[other].1, steps[at].1) = (Step::Deed(two), Step::Deed(one));
                }
            }
        }
    }

    /// A call goes before its message, though their times are rounded.
    fn put_before(&self, steps: &mut Vec<(u64, Step)>) {
        let made = |moment: &&Moment| matches!(&moment.line, Line::Call(call) if call.operation == "make");
        if self.moments.iter().filter(made).count() > 1 {
            // Another client's call may be the same.
            return;
        }
        for (place, exchange) in self.exchanges.iter().enumerate() {
            let request = self.event(exchange.request);
            let Some(asks) = steps.iter().position(|(_, step)| *step == Step::Asks(place)) else { continue };
            let text = self.text(request);
            let is = |call: &Call| {
                let closes =
                    ["LastMessage", "CloseSequence"].iter().any(|last| request.told.contains(&format!("/{last}")));
                let body = format!("<s:Body><{} ", call.operation);
                (call.operation == "close" && closes)
                    || (text.contains(&body) && text.contains(&format!(">{}<", call.argument)))
            };
            let ms = steps[asks].0;
            let late = steps.iter().enumerate().skip(asks).find_map(|(at, (when, step))| match step {
                Step::Deed(deed) if *when <= ms + 8 && is(self.call(*deed)) => Some(at),
                _ => None,
            });
            if let Some(late) = late {
                let (_, deed) = steps.remove(late);
                steps.insert(asks, (ms, deed));
            }
        }
    }

    /// The steps of who plays the client (`clients`: requests leave it), or of who hears it (requests reach the server).
    pub(crate) fn steps(&self, clients: bool) -> Vec<(u64, Step)> {
        // Beside the time in milliseconds, what has to go first of the same one.
        let mut steps: Vec<((u64, u8), Step)> = Vec::new();
        for (place, exchange) in self.exchanges.iter().enumerate() {
            let request = self.event(exchange.request);
            let (asked, ended) = if clients && request.is_genuine() {
                let end = match exchange.end {
                    ExchangeEnd::Answered(ms) | ExchangeEnd::Closed(ms) | ExchangeEnd::Refused(ms, _) => Some(ms),
                    ExchangeEnd::Hung | ExchangeEnd::Unanswered => None,
                };
                (Some(request.ms), end)
            } else if clients {
                (None, None)
            } else {
                let end = exchange.answer.map(|answer| self.event(answer).ms);
                let received = exchange.received.map(|received| self.issued(exchange).unwrap_or(received));
                (received, end.filter(|_| received.is_some()))
            };
            steps.extend(asked.map(|ms| ((ms, 4), Step::Asks(place))));
            steps.extend(ended.map(|ms| ((ms, if asked == ended { 5 } else { 0 }), Step::Ends(place))));
        }
        let late = |ms: u64| steps.iter().any(|((at, order), _)| (*at, *order) == (ms, 5));
        let told = |ms: u64| (ms, if late(ms) { 6 } else { 1 });
        let mut more = Vec::new();
        let mut ready = 0;
        for (place, moment) in self.moments.iter().enumerate() {
            match &moment.line {
                Line::Call(_) if clients => {
                    let began = self.began(place);
                    let after = if began > moment.began() { told(began).1 + 1 } else { 3 };
                    more.push(((began, after), Step::Deed(place)));
                    more.push((told(moment.ms), Step::Told(place)));
                }
                Line::ServerReady => {
                    ready += 1;
                    if ready > 1 {
                        more.push(((moment.ms, 2), Step::Server(place)));
                    }
                }
                Line::ServerKilled => more.push(((moment.ms, 2), Step::Server(place))),
                Line::HostClosed(took) => more.push(((moment.ms - took.min(&moment.ms), 2), Step::Server(place))),
                _ => {}
            }
        }
        steps.extend(more);
        steps.sort();
        let mut steps: Vec<(u64, Step)> = steps.into_iter().map(|((ms, _), step)| (ms, step)).collect();
        self.put_in_order(&mut steps);
        self.put_before(&mut steps);
        steps
    }

    /// How much longer than the wire shows the first exchange of a session may have taken for its client: as the first message that
    /// was sent again tells, or else between nothing and the whole time that the first call took beside it.
    pub(crate) fn leads(&self) -> Vec<u64> {
        let of = |told: &str| {
            let exchange = self.exchanges.iter().find(|exchange| self.event(exchange.request).told.ends_with(told))?;
            Some((self.event(exchange.request).ms, self.event(exchange.answer?).ms))
        };
        let Some((asked, answered)) = of("/CreateSequence") else { return vec![0] };
        let sent: Vec<&Event> =
            self.events.iter().filter(|event| event.way == Direction::ClientToServer && event.is_genuine()).collect();
        let number = |event: &Event| Some(event.envelope()?.sequence.as_ref()?.number);
        let again = sent.iter().enumerate().find_map(|(at, event)| {
            let number = number(event)?;
            let later = sent[at + 1..].iter().find(|later| self.number_of(later) == Some(number))?;
            Some(later.ms - event.ms)
        });
        let began = self.moments.iter().filter_map(|moment| match &moment.line {
            Line::Call(call) if call.operation != "make" => Some(moment.began()),
            _ => None,
        });
        let next = sent.iter().find(|event| number(event).is_some()).map_or(answered, |event| event.ms);
        let longest = asked.saturating_sub(began.min().unwrap_or(asked)) + next.saturating_sub(answered);
        let mut leads = Vec::new();
        if let Some(again) = again {
            let likely = (again / 4).saturating_sub(answered - asked);
            leads.extend([
                likely,
                likely + likely / 10,
                likely - likely / 10,
                likely + likely / 4,
                likely - likely / 4,
            ]);
        }
        leads.extend((0..=12).rev().map(|part| longest * part / 12));
        leads
    }

    fn number_of(&self, event: &Event) -> Option<u64> {
        Some(event.envelope()?.sequence.as_ref()?.number)
    }

    /// How long the host waited for its sessions when it was closed.
    pub(crate) fn closing(&self) -> Option<Duration> {
        self.moments.iter().find_map(|moment| match moment.line {
            Line::HostClosed(took) => Some(Duration::from_secs(took / 1000)),
            _ => None,
        })
    }
}
