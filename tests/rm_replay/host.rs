//! What a recorded service's host and application did, and when.

use super::plan::{dead, sent};
use super::report::instant;
use crate::Direction;
use crate::rm_story::{Line, RmStory, State};
use std::collections::BTreeMap;

/// Something that happens to the service.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// Its process was killed.
    Killed,
    /// The application lets go of this channel.
    Aborted(u32),
    /// This message arrived.
    Arrived(u32),
    /// The channel of this number was accepted.
    Accepted(u32),
    /// The application closes this channel.
    Closing(u32),
    /// The application gave this reply, or sent this message.
    Replied(u32),
}

pub(super) struct Host {
    told: BTreeMap<(u64, u32, usize), Told>,
    dead: Vec<(u64, u64)>,
    pub(super) end: u64,
}

impl Host {
    pub(super) fn of(story: &RmStory) -> Self {
        let mut host = Self { told: BTreeMap::new(), dead: dead(story), end: 0 };
        for (at, event) in story.arrivals(Direction::ClientToServer) {
            if event.reliable().is_some() && !refused_below(story, event.number) {
                host.add(instant(story, event.number, at), event.number, Told::Arrived(event.number));
            }
        }
        host.channels(story);
        host.messages(story);
        let events = story.events.iter().map(|event| instant(story, event.number, event.delivered.unwrap_or(event.ms)));
        host.end = story.moments.iter().map(|moment| moment.ms).chain(events).max().unwrap_or(0) + 50;
        host
    }

    fn add(&mut self, at: u64, event: u32, told: Told) {
        self.told.insert((at, event, self.told.len()), told);
    }

    fn channels(&mut self, story: &RmStory) {
        let mut broken: Vec<u32> = Vec::new();
        for moment in &story.moments {
            match &moment.line {
                Line::Accepted { channel, .. } => self.add(moment.ms, u32::MAX, Told::Accepted(*channel)),
                Line::ServerKilled => {
                    broken.clear();
                    self.add(moment.ms, 0, Told::Killed);
                }
                Line::ServerChannel { channel, state: State::Faulted } => broken.push(*channel),
                // A channel that is broken is only let go of.
                Line::ServerChannel { channel, state: State::Closing } if !broken.contains(channel) => {
                    let let_go = is_let_go(story, *channel, moment.ms);
                    let told = if let_go { Told::Aborted(*channel) } else { Told::Closing(*channel) };
                    self.add(moment.ms, u32::MAX, told);
                }
                _ => {}
            }
        }
    }

    /// The first transmission of every numbered message of the application.
    fn messages(&mut self, story: &RmStory) {
        for session in &story.sessions {
            let mut seen: Vec<u64> = Vec::new();
            for event in sent(story, session, Direction::ServerToClient) {
                let envelope = event.reliable().expect("an envelope");
                let Some(sequence) = envelope.sequence.as_ref().filter(|_| envelope.verb() != "LastMessage") else {
                    continue;
                };
                if !seen.contains(&sequence.number) {
                    seen.push(sequence.number);
                    self.add(instant(story, event.number, event.ms), event.number, Told::Replied(event.number));
                }
            }
        }
    }

    pub(super) fn next_at(&self) -> Option<u64> {
        self.told.keys().next().map(|(at, ..)| *at)
    }

    pub(super) fn take(&mut self) -> Option<Told> {
        self.told.pop_first().map(|(_, told)| told)
    }

    /// Was there no connection at this instant (net.tcp)?
    pub(super) fn is_dead(&self, at: u64) -> bool {
        self.dead.iter().any(|(from, until)| (*from..*until).contains(&at))
    }
}

/// Was this message refused by the secure conversation below?
pub(super) fn refused_below(story: &RmStory, request: u32) -> bool {
    let answer = story.exchange(request).and_then(|exchange| story.event(exchange.answer?)?.envelope()?.fault());
    let below = ["BadContextToken", "InvalidSecurity", "InvalidSecurityToken"];
    answer.is_some_and(|fault| fault.codes.iter().any(|code| below.contains(&code.local.as_str())))
}

/// Did a channel that began to close at this instant end before anything else was said?
fn is_let_go(story: &RmStory, channel: u32, at: u64) -> bool {
    let closed = story.moments.iter().find(|moment| {
        let end = Line::ServerChannel { channel, state: State::Closed };
        moment.ms >= at && moment.line == end
    });
    let granted = story.moments.iter().find_map(|moment| match &moment.line {
        Line::Accepted { channel: of, session } if *of == channel => Some(session),
        _ => None,
    });
    let session = story.sessions.iter().find(|session| session.granted.as_ref() == granted);
    let (Some(closed), Some(session)) = (closed, session) else { return false };
    let said = session.events.iter().filter_map(|number| story.event(*number));
    // A session that the client ended is closed in good order, whenever the timeline says so.
    let ended = said.clone().any(|event| {
        let verb = event.reliable().map(|envelope| envelope.verb().to_owned());
        verb.as_deref() == Some("TerminateSequence") && event.ms <= closed.ms
    });
    !ended && !said.clone().any(|event| (at..=closed.ms).contains(&event.ms))
}
