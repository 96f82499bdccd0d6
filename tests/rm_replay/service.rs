//! Our acceptor in the place of the recorded service.

use super::arrival::arrival;
use super::host::{Host, Told};
use super::names::Names;
use super::report::{Message, Report, settings, shape};
use crate::rm_story::{Concurrency, Event, Line, RmStory, Shape as StoryShape};
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{
    Heard, ReliableAcceptor, ReliableSessionId, SessionError, SessionPhase, Told as SessionTold,
};
use soap_session_core::time::{Deadline, Instant};
use std::collections::{BTreeMap, BTreeSet};

type Machine = ReliableAcceptor<Message, 16, 64, 128, 64, 64>;

/// Plays the service of a story.
pub fn replay_service(story: &RmStory) -> Report {
    Play::new(story).run()
}

pub(super) struct Play<'a> {
    pub(super) story: &'a RmStory,
    pub(super) host: Host,
    pub(super) machine: Machine,
    pub(super) names: Names,
    pub(super) now: u64,
    /// The sessions by their place in the story, and how they end.
    pub(super) sessions: BTreeMap<usize, ReliableSessionId>,
    pub(super) ends: BTreeMap<ReliableSessionId, (SessionPhase, Option<SessionError>)>,
    /// How many messages each session sent again.
    pub(super) again: BTreeMap<ReliableSessionId, u64>,
    pub(super) channels: BTreeMap<u32, ReliableSessionId>,
    /// The sessions that the application has begun to work at.
    pub(super) started: BTreeSet<ReliableSessionId>,
    /// The operation that runs on the thread that reads: until its reply is there, nothing else is sent.
    pub(super) reading: Option<String>,
    /// Requests by their MessageID: session and number.
    pub(super) requests: BTreeMap<String, (ReliableSessionId, u64)>,
    pub(super) two_way: BTreeSet<(ReliableSessionId, u64)>,
    /// The requests that the application works at.
    pub(super) running: BTreeSet<(ReliableSessionId, u64)>,
    pub(super) sent: BTreeMap<(usize, String), usize>,
    pub(super) done: BTreeSet<u32>,
    pub(super) report: Report,
}

impl<'a> Play<'a> {
    fn new(story: &'a RmStory) -> Self {
        Self {
            story,
            host: Host::of(story),
            machine: Self::machine(story, 1),
            names: Names::default(),
            now: 0,
            sessions: BTreeMap::new(),
            ends: BTreeMap::new(),
            again: BTreeMap::new(),
            channels: BTreeMap::new(),
            started: BTreeSet::new(),
            reading: None,
            requests: BTreeMap::new(),
            two_way: BTreeSet::new(),
            running: BTreeSet::new(),
            sent: BTreeMap::new(),
            done: BTreeSet::new(),
            report: Report::default(),
        }
    }

    fn machine(story: &RmStory, life: u8) -> Machine {
        Machine::new(settings(&story.server), shape(story), Chance::new(&[life; 32]))
    }

    pub(super) fn wrong(&mut self, what: impl AsRef<str>) {
        self.report.wrong.push(format!("{} at {}: {}", self.story.name, self.now, what.as_ref()));
    }

    fn run(mut self) -> Report {
        loop {
            let told = self.host.next_at();
            let due = match self.machine.deadline() {
                Deadline::At(at) if self.reading.is_none() => at.as_millis(),
                Deadline::At(_) | Deadline::Never => u64::MAX,
            };
            // What time brings comes before what arrives at that instant.
            let told = told.filter(|at| due > *at || due <= self.now);
            let next = told.unwrap_or(u64::MAX).min(due);
            if next > self.host.end {
                break;
            }
            if due <= self.now && told.is_none_or(|at| at > self.now) {
                self.wrong("the deadline is past, and nothing is wanted");
                match told {
                    Some(at) => self.now = at,
                    None => break,
                }
            }
            self.now = self.now.max(next);
            if told.is_some_and(|at| at <= self.now)
                && let Some(told) = self.host.take()
            {
                self.take_in(told);
            }
            self.pump();
            self.work();
        }
        self.compare_ends();
        self.report.retransmissions = self.again.values().sum();
        self.report
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn take_in(&mut self, told: Told) {
        match told {
            Told::Killed => {
                self.machine = Self::machine(self.story, 2);
                self.channels.clear();
                self.ends.clear();
                self.sessions.clear();
                self.running.clear();
                self.started.clear();
                self.reading = None;
            }
            Told::Arrived(event) => self.hear(event),
            Told::Accepted(channel) => {
                let session = self.story.moments.iter().find_map(|moment| match &moment.line {
                    Line::Accepted { channel: of, session } if *of == channel && moment.ms <= self.now => Some(session),
                    _ => None,
                });
                let place = self.story.sessions.iter().position(|known| known.granted.as_ref() == session);
                match place.and_then(|place| self.sessions.get(&place)).copied() {
                    Some(id) => {
                        self.channels.insert(channel, id);
                        self.started.insert(id);
                    }
                    None => self.wrong(format!("there is no session for channel {channel}")),
                }
            }
            Told::Aborted(channel) => {
                let id = self.channels.get(&channel).copied();
                if let Some(id) = id {
                    // It may be forgotten.
                    let _ = self.machine.abort(id);
                }
            }
            Told::Closing(channel) => {
                let now = self.now();
                let id = self.channels.get(&channel).copied();
                if let Some(id) = id
                    && self.machine.session(id).is_some_and(|session| !session.phase().is_over())
                {
                    self.machine.close(now, id).expect("it can be closed");
                }
            }
            Told::Replied(event) => self.reply(event),
        }
    }

    pub(super) fn event(&self, number: u32) -> &'a Event {
        self.story.event(number).expect("an event")
    }

    pub(super) fn place(&self, number: u32) -> Option<usize> {
        self.story.sessions.iter().position(|session| session.events.contains(&number))
    }

    fn hear(&mut self, number: u32) {
        let envelope = self.event(number).reliable().expect("an envelope");
        let arrival = arrival(envelope, self.story.server.version, &mut self.names);
        let token = envelope.conversation.as_deref().map(str::as_bytes);
        let admission = self.machine.hear(self.now(), Exchange(number), token, &arrival);
        let Some(id) = admission.session else { return };
        if let Some(place) = self.place(number) {
            self.sessions.entry(place).or_insert(id);
        }
        if let Heard::Message { number } = admission.heard
            && let Some(message_id) = &envelope.message_id
        {
            self.requests.insert(message_id.clone(), (id, number));
            self.two_way.insert((id, number));
            let replies = |event: &Event| event.reliable().is_some_and(|e| e.relates_to.as_ref() == Some(message_id));
            // An operation runs where its request was read. Only then is the request acknowledged, unless the reply did.
            if self.story.shape() != StoryShape::RequestReply
                && envelope.ack_requested.is_some()
                && self.story.events.iter().any(replies)
            {
                self.work();
                let begins = number == 1 && !self.started.contains(&id);
                self.reading = (begins || self.running.contains(&(id, number))).then(|| message_id.clone());
            }
        }
    }

    /// The application takes what waits: one at a time, or all at once.
    fn work(&mut self) {
        let now = self.now();
        let multiple = self.story.server.concurrency == Some(Concurrency::Multiple);
        let ids: Vec<ReliableSessionId> = self.machine.sessions().map(|session| session.id()).collect();
        for id in ids {
            let ever = self.channel_of(id).is_some();
            while let Some(told) = self.machine.told_of(now, id) {
                // Nobody tells of a channel that the application never got to work at.
                if let SessionTold::EndOfMessages = told
                    && !ever
                {
                    self.machine.close(now, id).expect("it can be closed");
                    self.pump();
                }
            }
            while self.started.contains(&id) || !ever {
                let busy = self.running.iter().any(|(of, _)| *of == id);
                let duplex = self.story.shape() != StoryShape::RequestReply;
                if busy && !multiple && !duplex {
                    break;
                }
                let Some(number) = self.machine.take(now, id) else { break };
                if self.two_way.contains(&(id, number)) {
                    self.running.insert((id, number));
                }
                self.pump();
            }
        }
    }

    fn reply(&mut self, number: u32) {
        let event = self.event(number);
        let envelope = event.reliable().expect("an envelope");
        let message = Message {
            action: envelope.action.clone(),
            two_way: envelope.message_id.is_some(),
            relates_to: envelope.relates_to.clone(),
            fault: envelope.fault().is_some(),
        };
        let now = self.now();
        if self.reading.is_some() && self.reading == envelope.relates_to {
            self.reading = None;
        }
        if self.story.shape() == StoryShape::RequestReply {
            let request = envelope.relates_to.as_ref().and_then(|id| self.requests.get(id)).copied();
            let Some((id, request)) = request else {
                self.wrong(format!("#{number:02} answers a request that did not come"));
                return;
            };
            // The host itself answers what it cannot dispatch, before the application hears of the session.
            if self.started.insert(id) {
                self.work();
            }
            self.running.remove(&(id, request));
            let known = self.machine.session(id).is_some();
            let replied = known.then(|| self.machine.reply(id, request, message));
            match replied {
                Some(Ok(())) => {}
                Some(Err((_, refused))) => self.wrong(format!("#{number:02}: the reply is refused: {refused}")),
                None => self.wrong(format!("#{number:02}: there is no session")),
            }
            return;
        }
        // The application's own calls carry MessageIDs of the machine.
        let relates_to = message.relates_to.map(|id| self.names.to_ours(&id));
        if let Some((id, request)) = envelope.relates_to.as_ref().and_then(|id| self.requests.get(id)) {
            self.running.remove(&(*id, *request));
        }
        let id = self.place(number).and_then(|place| self.sessions.get(&place)).copied();
        let id = id.filter(|id| self.machine.session(*id).is_some());
        let sent = id.map(|id| self.machine.send(now, id, Message { relates_to, ..message }));
        match sent {
            Some(Ok(_)) => {}
            Some(Err((_, refused))) => self.wrong(format!("#{number:02} is refused: {refused}")),
            None => self.wrong(format!("#{number:02}: there is no session")),
        }
    }

    /// The channel that the timeline tells of a session.
    fn channel_of(&self, id: ReliableSessionId) -> Option<u32> {
        let place = self.sessions.iter().find(|(_, of)| **of == id).map(|(place, _)| *place)?;
        let granted = self.story.sessions.get(place)?.granted.as_deref()?;
        self.story.moments.iter().find_map(|moment| match &moment.line {
            Line::Accepted { channel, session } if session == granted => Some(*channel),
            _ => None,
        })
    }

    fn pump(&mut self) {
        if self.reading.is_some() {
            return;
        }
        let now = self.now();
        // The host accepts one session ahead of those that the application works at.
        let ahead = |machine: &Machine, started: &BTreeSet<ReliableSessionId>| {
            let open = |phase| matches!(phase, SessionPhase::Opened | SessionPhase::Closing);
            machine.sessions().filter(|s| open(s.phase()) && !started.contains(&s.id())).count()
        };
        while (self.story.moments.is_empty() || ahead(&self.machine, &self.started) == 0)
            && self.machine.accept().is_some()
        {}
        for round in 0.. {
            if round > 200 {
                self.wrong("it does not fall silent");
                return;
            }
            let Some(want) = self.machine.next(now) else { break };
            self.send(now, want);
        }
        let states = self.machine.sessions().map(|s| (s.id(), (s.phase(), s.error()), s.retransmissions()));
        for (id, state, again) in states.collect::<Vec<_>>() {
            self.ends.insert(id, state);
            self.again.insert(id, again);
            self.machine.forget(id);
        }
    }
}
