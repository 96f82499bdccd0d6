//! Our client in the place of a recorded one.

use super::arrival::arrival;
use super::facts::Facts;
use super::names::Names;
use super::plan::{Input, Plan, key};
use super::report::{Message, Report, instant, settings, shape, tolerance};
use crate::rm_story::{ClientEnd, ExchangeEnd, RmStory, Session, Shape as StoryShape};
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{Client, ClientAddresses, ClientWant, Heard, SessionError, SessionPhase, Told};
use soap_session_core::time::{Deadline, Instant};
use std::collections::{BTreeMap, BTreeSet};

type Machine = Client<Message, Chance, 64, 128, 64>;

/// Plays every client of a story.
///
/// The round trip from which a client's first timeout follows is not on the wire: it began before the recorder's machine had
/// compiled what writes a message. It is looked for between what the wire shows and the time that the whole call took, as
/// the one with which the story comes out best. So the first timeout tells nothing; all others follow from it.
pub fn replay_client(story: &RmStory) -> Report {
    let mut report = Report::default();
    for session in &story.sessions {
        let plan = Plan::of(story, session);
        let most = plan.longest_lead;
        let mut best = Play::new(story, session, &plan, 0).run();
        let mut at = 0_u64;
        for step in [most.div_ceil(40).max(1), most.div_ceil(1600).max(1)] {
            let around =
                if step > most / 100 { 0..=most } else { at.saturating_sub(step * 40)..=most.min(at + step * 40) };
            for lead in around.step_by(usize::try_from(step).expect("a step")) {
                if best.wrong.is_empty() && best.longest <= 8 {
                    break;
                }
                let other = Play::new(story, session, &plan, lead).run();
                if (other.wrong.len(), other.longest) < (best.wrong.len(), best.longest) {
                    (best, at) = (other, lead);
                }
            }
        }
        report.add(best);
    }
    report
}

struct Play<'a> {
    story: &'a RmStory,
    session: &'a Session,
    plan: &'a Plan,
    machine: Machine,
    names: Names,
    now: u64,
    inputs: BTreeMap<(u64, u32, usize), Input>,
    count: usize,
    /// How many messages of each key were sent.
    sent: BTreeMap<String, usize>,
    /// When the last one of each key was sent, by us and by them.
    last: BTreeMap<String, (u64, u64)>,
    matched: BTreeSet<u32>,
    order: Vec<u32>,
    answered: usize,
    report: Report,
}

impl<'a> Play<'a> {
    fn new(story: &'a RmStory, session: &'a Session, plan: &'a Plan, lead: u64) -> Self {
        let local = plan.local.as_deref();
        let addresses = ClientAddresses::new(&plan.to, local).expect("short addresses");
        let seed = [u8::try_from(story.name.len()).expect("a short name"); 32];
        let mut machine = Machine::new(settings(&story.client), shape(story), addresses, Chance::new(&seed));
        if plan.token {
            assert!(machine.bind(b"<reference/>"));
        }
        let mut play = Self {
            story,
            session,
            plan,
            machine,
            names: Names::default(),
            now: plan.open_at.saturating_sub(lead),
            inputs: BTreeMap::new(),
            count: 0,
            sent: BTreeMap::new(),
            last: BTreeMap::new(),
            matched: BTreeSet::new(),
            order: Vec::new(),
            answered: 0,
            report: Report::default(),
        };
        for (at, event, input) in &plan.inputs {
            play.feed(*at, *event, input.clone());
        }
        play
    }

    /// `event`: which recorded one it comes with, among those of the same instant.
    fn feed(&mut self, at: u64, event: u32, input: Input) {
        self.count += 1;
        self.inputs.insert((at.max(self.now), event, self.count), input);
    }

    fn wrong(&mut self, what: impl AsRef<str>) {
        let client = if self.story.sessions.len() > 1 { self.session.client.as_str() } else { "" };
        self.report.wrong.push(format!("{}{client} at {}: {}", self.story.name, self.now, what.as_ref()));
    }

    fn run(mut self) -> Report {
        let now = Instant::from_millis(self.now);
        self.machine.open(now).expect("a new client");
        self.pump();
        loop {
            let input = self.inputs.keys().next().copied();
            let due = match self.machine.deadline() {
                Deadline::At(at) => at.as_millis(),
                Deadline::Never => u64::MAX,
            };
            // What time brings comes before what arrives at that instant.
            let input = input.filter(|(at, ..)| due > *at || due <= self.now);
            let next = input.map_or(u64::MAX, |(at, ..)| at).min(due);
            if next > self.plan.end {
                break;
            }
            if due <= self.now && input.is_none_or(|(at, ..)| at > self.now) {
                self.wrong("the deadline is past, and nothing is wanted");
                match input {
                    Some((at, ..)) => self.now = at,
                    None => break,
                }
            }
            self.now = self.now.max(next);
            if let Some(input) = input.filter(|(at, ..)| *at <= self.now).and_then(|key| self.inputs.remove(&key)) {
                self.take_in(input);
            }
            self.pump();
        }
        self.compare_ends();
        self.report.retransmissions = self.machine.retransmissions();
        self.report
    }

    fn take_in(&mut self, input: Input) {
        let now = Instant::from_millis(self.now);
        match input {
            Input::Send(number, mut message) => {
                message.relates_to = message.relates_to.map(|id| self.names.to_ours(&id));
                if let Err((_, refused)) = self.machine.send(now, message) {
                    self.wrong(format!("message {number} is refused: {refused}"));
                }
            }
            Input::Close => {
                if !self.machine.phase().is_over() {
                    self.machine.close(now).expect("it can be closed");
                }
            }
            Input::Abort => self.machine.abort(),
            Input::Failed(exchange) => self.machine.exchange_failed(now, exchange),
            Input::Answer(exchange, event) => self.hear(Some(exchange), event),
            Input::Hear(event) => self.hear(None, event),
        }
    }

    fn hear(&mut self, exchange: Option<Exchange>, event: u32) {
        let envelope = self.story.event(event).and_then(|event| event.reliable());
        let arrival = envelope.map(|envelope| arrival(envelope, self.story.client.version, &mut self.names));
        let heard = self.machine.hear(Instant::from_millis(self.now), exchange, arrival.as_ref());
        match heard {
            Heard::Reply { .. } | Heard::Accepted { .. } => self.answered += 1,
            Heard::Message { .. } => while self.machine.take(Instant::from_millis(self.now)).is_some() {},
            Heard::Protocol | Heard::Duplicate | Heard::NoRoom | Heard::Refused(_) => {}
        }
    }

    /// Everything that the machine wants now.
    fn pump(&mut self) {
        let now = Instant::from_millis(self.now);
        for round in 0.. {
            if round > 200 {
                self.wrong("it does not fall silent");
                return;
            }
            while let Some(told) = self.machine.told(now) {
                if let Told::TimedOut(..) = told {
                    self.wrong("a message found no room in time");
                }
            }
            let Some(want) = self.machine.next(now) else { return };
            self.send(now, want);
        }
    }

    fn send(&mut self, now: Instant, want: ClientWant) {
        let client = &self.story.client;
        let Some(frame) = self.machine.frame(want) else {
            self.wrong(format!("{want:?} is wanted and cannot be written"));
            self.machine.sent(now, want);
            return;
        };
        let ours = Facts::ours(&frame, client.version, client.addressing);
        let name = key(&frame, client.version);
        let exchange = self.machine.sent(now, want);
        let count = self.sent.entry(name.clone()).or_default();
        let of_key = self.plan.recorded.iter().filter(|(known, _)| *known == name);
        let recorded = of_key.map(|(_, number)| *number).nth(*count);
        // What is written into a connection that is cut, or that nobody takes, is lost unseen.
        let near = recorded.and_then(|number| self.story.event(number)).is_some_and(|event| event.ms <= self.now + 60);
        if !near && self.plan.is_dead(self.now) {
            return;
        }
        *count += 1;
        let Some(event) = recorded.and_then(|number| self.story.event(number)) else {
            // A message that follows the last recorded one of its kind too closely to have been in the recording.
            self.wrong(format!("{name} number {} was not recorded", self.sent[&name]));
            return;
        };
        self.matched.insert(event.number);
        self.order.push(event.number);
        self.report.compared += 1;
        let theirs = Facts::recorded(event.reliable().expect("an envelope"));
        let differences = ours.differences(&theirs, &mut self.names);
        if !differences.is_empty() {
            self.wrong(format!("#{:02} {name}: {}", event.number, differences.join("; ")));
        }
        let at = instant(self.story, event.number, event.ms);
        let apart = self.now.abs_diff(at).min(self.since_the_last(&name, at));
        self.last.insert(name.clone(), (self.now, at));
        let is_first = name.ends_with("/CreateSequence") && self.sent[&name] == 1;
        if !is_first {
            self.report.longest = self.report.longest.max(apart);
            let interval = self.plan.interval(self.story, event);
            // What a process does for the first time it compiles first.
            let slack = if self.plan.is_first_of_kind(self.story, event) { 200 } else { 0 };
            if apart > tolerance(interval) + slack {
                self.wrong(format!("#{:02} {name} was at {at}, after {interval} ms", event.number));
            }
        }
        if let Some(exchange) = exchange {
            self.answer_as_recorded(exchange, event.number);
        }
    }

    /// The difference between our and the recorded time since the same message's last transmission, from which its rule
    /// measures.
    fn since_the_last(&self, name: &str, at: u64) -> u64 {
        let since = |(ours, theirs): &(u64, u64)| (self.now - ours).abs_diff(at - theirs);
        self.last.get(name).map_or(u64::MAX, since)
    }

    /// The exchange ends as that of the recorded message did.
    fn answer_as_recorded(&mut self, exchange: Exchange, number: u32) {
        let Some(recorded) = self.story.exchange(number) else { return };
        match recorded.end {
            ExchangeEnd::Answered(at) => {
                let answer = recorded.answer.expect("an answer");
                self.feed(instant(self.story, answer, at), answer, Input::Answer(exchange, answer));
            }
            ExchangeEnd::Closed(at) | ExchangeEnd::Refused(at, _) => self.feed(at, number, Input::Failed(exchange)),
            ExchangeEnd::Hung | ExchangeEnd::Unanswered => {}
        }
    }

    fn compare_ends(&mut self) {
        let missing: Vec<String> = self
            .plan
            .recorded
            .iter()
            .filter(|(_, number)| !self.matched.contains(number))
            .map(|(name, number)| format!("#{number:02} {name}"))
            .collect();
        if !missing.is_empty() {
            self.wrong(format!("never sent: {}", missing.join(", ")));
        }
        self.compare_order();
        let ends = self.story.client_ends();
        let phase = self.machine.phase();
        let error = self.machine.error();
        let (phase_wanted, good) = match ends.get(&self.session.client) {
            Some(ClientEnd::Closed) => (SessionPhase::Closed, error.is_none()),
            Some(ClientEnd::Aborted) => (SessionPhase::Closed, error.is_some()),
            Some(ClientEnd::CloseFailed) => (
                phase,
                phase.is_over()
                    && matches!(error, Some(SessionError::CloseTimeout { .. } | SessionError::Remote { .. })),
            ),
            // The layer above broke the channel, and then gave ours up.
            Some(ClientEnd::Faulted) if self.plan.broken_above => {
                (SessionPhase::Closed, error == Some(SessionError::Aborted))
            }
            Some(ClientEnd::Faulted) => (SessionPhase::Faulted, error.is_some()),
            Some(ClientEnd::Open) | None => (phase, true),
        };
        if phase != phase_wanted || !good {
            self.wrong(format!("it ends {phase:?} {error:?}, not {:?}", ends.get(&self.session.client)));
        }
        let closed = phase == SessionPhase::Closed && error.is_none();
        let sends = self.plan.inputs.iter().filter(|(.., input)| matches!(input, Input::Send(..))).count();
        if closed && self.story.shape() == StoryShape::RequestReply && sends != self.answered {
            self.wrong(format!("{} of {sends} messages are answered", self.answered));
        }
    }

    /// Two messages may pass each other only within the tolerance.
    fn compare_order(&mut self) {
        let at =
            |number: &u32| self.story.event(*number).map_or(0, |event| instant(self.story, event.number, event.ms));
        let passed: Vec<String> = self
            .order
            .windows(2)
            .filter(|pair| pair[0] > pair[1] && at(&pair[0]) > at(&pair[1]) + tolerance(0))
            .map(|pair| format!("#{:02} after #{:02}", pair[1], pair[0]))
            .collect();
        if !passed.is_empty() {
            self.wrong(format!("another order: {}", passed.join(", ")));
        }
    }
}
