//! What our acceptor sends, beside what the recorded service sent.

use super::facts::Facts;
use super::host::refused_below;
use super::plan::{key, sent};
use super::report::{instant, tolerance};
use super::service::Play;
use crate::Direction;
use crate::rm_story::{Content, Event, Shape as StoryShape, State};
use soap_session_core::reliable::{AcceptorWant, ServiceWant, SessionPhase};
use soap_session_core::time::Instant;

impl Play<'_> {
    pub(super) fn send(&mut self, now: Instant, want: AcceptorWant) {
        let server = &self.story.server;
        let frame = self.machine.frame(want);
        let ours = frame.as_ref().map(|frame| Facts::ours(frame, server.version, server.addressing));
        let name = frame.as_ref().map(|frame| key(frame, server.version));
        let exchange = match want {
            AcceptorWant::Session(
                _,
                ServiceWant::Answer(exchange) | ServiceWant::Empty(exchange) | ServiceWant::Drop(exchange),
            )
            | AcceptorWant::Refusal(exchange) => Some(exchange.0),
            AcceptorWant::Session(..) => None,
        };
        let session = match want {
            AcceptorWant::Session(id, _) => self.sessions.iter().find(|(_, of)| **of == id).map(|(place, _)| *place),
            AcceptorWant::Refusal(from) => self.place(from.0),
        };
        self.machine.sent(now, want);
        if self.story.shape() == StoryShape::RequestReply {
            self.answer(exchange.expect("an exchange"), ours.as_ref());
        } else if let (Some(ours), Some(name)) = (ours, name) {
            self.message(session.unwrap_or(0), &ours, name);
        }
    }

    /// The answer of an exchange: the recorded one's is known.
    fn answer(&mut self, request: u32, ours: Option<&Facts>) {
        let recorded = self.story.exchange(request).and_then(|exchange| exchange.answer);
        let Some(recorded) = recorded.and_then(|number| self.story.event(number)) else {
            if ours.is_some() {
                self.wrong(format!("#{request:02} was not answered"));
            }
            return;
        };
        self.done.insert(recorded.number);
        self.report.compared += 1;
        match (ours, recorded.reliable()) {
            (None, None) => {}
            (Some(ours), Some(theirs)) => {
                let differences = ours.differences(&Facts::recorded(theirs), &mut self.names);
                if !differences.is_empty() {
                    self.wrong(format!("#{:02} {}: {}", recorded.number, theirs.verb(), differences.join("; ")));
                }
            }
            (Some(_), None) => self.wrong(format!("#{:02} is empty", recorded.number)),
            (None, Some(theirs)) => self.wrong(format!("#{:02} is not empty but {}", recorded.number, theirs.verb())),
        }
        let (asked, at) = (self.event(request), instant(self.story, recorded.number, recorded.ms));
        self.time(recorded, at.saturating_sub(instant(self.story, request, asked.ms)));
    }

    /// A message of a duplex session: the recorded one is the next of its kind.
    fn message(&mut self, session: usize, ours: &Facts, name: String) {
        let of = sent(self.story, &self.story.sessions[session], Direction::ServerToClient);
        let count = self.sent.entry((session, name.clone())).or_default();
        let mut same = of.iter().filter(|event| super::plan::recorded_key(event).as_ref() == Some(&name));
        let recorded = same.nth(*count).copied();
        let near = recorded.is_some_and(|event| event.ms <= self.now + 60);
        if !near && self.host.is_dead(self.now) {
            return;
        }
        *count += 1;
        let Some(recorded) = recorded else {
            self.wrong(format!("{name} was not recorded"));
            return;
        };
        self.done.insert(recorded.number);
        self.report.compared += 1;
        let theirs = recorded.reliable().expect("an envelope");
        let differences = ours.differences(&Facts::recorded(theirs), &mut self.names);
        if !differences.is_empty() {
            self.wrong(format!("#{:02} {name}: {}", recorded.number, differences.join("; ")));
        }
        self.time(recorded, 0);
    }

    fn time(&mut self, recorded: &Event, interval: u64) {
        let at = instant(self.story, recorded.number, recorded.ms);
        let apart = self.now.abs_diff(at);
        // What a process does for the first time it compiles first.
        let slack = match recorded.reliable() {
            _ if self.is_first_of_kind(recorded) => 1000,
            // Exchanges of a session that broke are let go of in their own time.
            None => 300,
            Some(_) => 0,
        };
        if slack == 0 {
            self.report.longest = self.report.longest.max(apart);
        }
        if apart > tolerance(interval) + slack {
            self.wrong(format!("#{:02} was at {at}, after {interval} ms", recorded.number));
        }
    }

    /// Is it the first message of its action, or the first answer to a message of its action?
    fn is_first_of_kind(&self, recorded: &Event) -> bool {
        let action = |event: &Event| event.reliable().map(|envelope| envelope.action.clone());
        let first = |of: &Event| {
            let same = |other: &&Event| other.way == of.way && action(other) == action(of) && action(of).is_some();
            self.story.events.iter().find(same).is_some_and(|first| first.number == of.number)
        };
        let asked = self.story.exchange(recorded.number).filter(|exchange| exchange.request != recorded.number);
        first(recorded) || asked.and_then(|exchange| self.story.event(exchange.request)).is_some_and(first)
    }

    pub(super) fn compare_ends(&mut self) {
        let story = self.story;
        let owed = story.events.iter().filter(|event| {
            let genuine = event.way == Direction::ServerToClient && !self.done.contains(&event.number);
            let request = story.exchange(event.number).map(|exchange| exchange.request);
            let below = request
                .is_some_and(|request| refused_below(story, request) || self.event(request).reliable().is_none());
            genuine && matches!(event.content, Content::Envelope(_)) && !below
        });
        let missing: Vec<String> = owed
            .map(|event| format!("#{:02} {}", event.number, event.reliable().map_or("", |envelope| envelope.verb())))
            .collect();
        if !missing.is_empty() {
            self.wrong(format!("never sent: {}", missing.join(", ")));
        }
        for (index, states) in story.server_states().into_iter().enumerate() {
            let channel = u32::try_from(index + 1).expect("a number");
            let Some((phase, error)) = self.channels.get(&channel).and_then(|id| self.ends.get(id)).copied() else {
                continue;
            };
            let good = match (states.contains(&State::Faulted), states.last()) {
                (true, _) => phase == SessionPhase::Faulted,
                // A channel that closes does not change to broken any more.
                (false, Some(State::Closed)) => phase == SessionPhase::Closed || error.is_some(),
                (false, _) => true,
            };
            if !good {
                self.wrong(format!("channel {channel} ends {phase:?} {error:?}, not {states:?}"));
            }
        }
    }
}
