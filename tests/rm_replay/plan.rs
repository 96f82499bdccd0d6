//! What a recorded client's application did, and when.

use super::report::{Message, instant};
use crate::Direction;
use crate::rm_story::{Body, Content, Event, Line, Moment, RmStory, Session, Shape, State};
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{Frame, FrameAction, FrameBody, RmVersion};

/// Something that happens to the client.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// The application sends its message of this number.
    Send(u64, Message),
    /// The application closes.
    Close,
    /// The application gives up.
    Abort,
    /// An exchange is answered, with this event.
    Answer(Exchange, u32),
    /// An exchange fails.
    Failed(Exchange),
    /// A message comes by itself (duplex).
    Hear(u32),
}

/// A client's side of a story.
pub(super) struct Plan {
    pub(super) to: String,
    pub(super) local: Option<String>,
    pub(super) token: bool,
    /// When the CreateSequence was seen.
    pub(super) open_at: u64,
    /// How much earlier than that the client may have begun to measure its round trip.
    pub(super) longest_lead: u64,
    pub(super) end: u64,
    /// Did the layer above break the channel?
    pub(super) broken_above: bool,
    /// From when until when there was no connection (net.tcp).
    dead: Vec<(u64, u64)>,
    /// Every message that the client sent: its key, and its number in the recording.
    pub(super) recorded: Vec<(String, u32)>,
    /// When, after which event of the same instant, and what.
    pub(super) inputs: Vec<(u64, u32, Input)>,
}

/// What messages of a kind are counted by: the place in the sequence, or the action.
pub(super) fn key(frame: &Frame<'_>, version: RmVersion) -> String {
    match (&frame.sequence, frame.action) {
        (Some(sequence), _) => format!("message {}", sequence.number),
        (None, FrameAction::Rm(action)) => version.action(action).to_owned(),
        (None, FrameAction::Application(action)) => String::from_utf8_lossy(action).into_owned(),
        (None, FrameAction::Fault) => match frame.body {
            FrameBody::Fault(fault, _) => format!("fault {:?}", fault.code),
            _ => "fault".to_owned(),
        },
    }
}

/// The same of a recorded message.
pub(super) fn recorded_key(event: &Event) -> Option<String> {
    let envelope = event.reliable()?;
    Some(match (&envelope.sequence, envelope.fault()) {
        (Some(sequence), _) => format!("message {}", sequence.number),
        (None, Some(fault)) => format!("fault {:?}", super::arrival::fault_kind(fault).1),
        (None, None) => envelope.action.clone(),
    })
}

/// Every message that this side of a session sent.
pub(super) fn sent<'a>(story: &'a RmStory, session: &Session, way: Direction) -> Vec<&'a Event> {
    let own = session.events.iter().filter_map(|number| story.event(*number));
    own.filter(|event| event.way == way && event.is_genuine() && event.reliable().is_some()).collect()
}

impl Plan {
    pub(super) fn of(story: &RmStory, session: &Session) -> Self {
        let sent = sent(story, session, Direction::ClientToServer);
        let at = |event: &Event| instant(story, event.number, event.ms);
        let create = sent.first().expect("a CreateSequence");
        let envelope = create.reliable().expect("an envelope");
        let Body::CreateSequence { acks_to, token_reference, .. } = &envelope.body else { panic!("no CreateSequence") };
        let addressable = story.shape() == Shape::DuplexHttp;
        let mut plan = Self {
            to: envelope.to.clone().expect("To"),
            local: addressable.then(|| acks_to.clone()),
            token: *token_reference,
            open_at: at(create),
            longest_lead: 0,
            end: 0,
            broken_above: false,
            dead: dead(story),
            recorded: sent.iter().filter_map(|event| Some((recorded_key(event)?, event.number))).collect(),
            inputs: Vec::new(),
        };
        plan.messages(story, session, &sent);
        plan.application(story, session, &sent);
        if story.shape() != Shape::RequestReply {
            for (when, event) in story.arrivals(Direction::ServerToClient) {
                if session.events.contains(&event.number) && event.reliable().is_some() {
                    plan.inputs.push((instant(story, event.number, when), event.number, Input::Hear(event.number)));
                }
            }
        }
        plan.lead(story, session, &sent);
        let last = session.events.iter().filter_map(|number| story.event(*number));
        let last = last.map(|event| instant(story, event.number, event.delivered.unwrap_or(event.ms))).max();
        // The recording of a session ends with its last message, or with the end of its client.
        let ended = story.moments.iter().filter(|moment| match &moment.line {
            Line::ClientChannel { client, .. } => *client == session.client,
            Line::Call(call) => call.client == session.client && call.operation != "state",
            _ => false,
        });
        plan.end = ended.map(|moment| moment.ms).chain(last).max().unwrap_or(0) + 50;
        plan
    }

    /// The application's messages, in the order of their numbers.
    fn messages(&mut self, story: &RmStory, session: &Session, sent: &[&Event]) {
        let mut waited = waited(story, session);
        let mut numbered: Vec<(u64, u64, u32, Message)> = Vec::new();
        for event in sent {
            let envelope = event.reliable().expect("an envelope");
            let Some(sequence) = envelope.sequence.as_ref().filter(|_| envelope.verb() != "LastMessage") else {
                continue;
            };
            if numbered.iter().all(|(number, ..)| *number != sequence.number) {
                let message = Message {
                    action: envelope.action.clone(),
                    two_way: envelope.message_id.is_some(),
                    relates_to: envelope.relates_to.clone(),
                    fault: envelope.fault().is_some(),
                };
                numbered.push((sequence.number, instant(story, event.number, event.ms), event.number, message));
            }
        }
        numbered.sort_by_key(|(number, ..)| *number);
        // Where several calls ran at once, a message may have waited for room in the window.
        for (_, at, _, message) in &mut numbered {
            let verb = message.action.rsplit('/').next();
            if let Some(call) = waited.iter().position(|(_, operation)| Some(operation.as_str()) == verb) {
                *at = (*at).min(waited.remove(call).0);
            }
        }
        // Threads may pass each other between taking a number and sending.
        let mut before = (u64::MAX, u32::MAX);
        for (number, at, event, message) in numbered.into_iter().rev() {
            before = before.min((at, event));
            self.inputs.push((before.0, before.1, Input::Send(number, message)));
        }
        self.inputs.reverse();
    }

    /// When the application closed or aborted.
    fn application(&mut self, story: &RmStory, session: &Session, sent: &[&Event]) {
        let first = |wanted: &dyn Fn(&Event) -> bool| {
            sent.iter().find(|event| wanted(event)).map(|event| (instant(story, event.number, event.ms), event.number))
        };
        let asked = |operation: &str| {
            let mut calls =
                story.calls().filter(|(_, call)| call.client == session.client && call.operation == operation);
            calls.next().map(|(moment, _)| (moment.began(), moment.ms))
        };
        let last = first(&|event| event.reliable().is_some_and(|envelope| envelope.verb() == "LastMessage"));
        let close = first(&|event| event.reliable().is_some_and(|envelope| envelope.verb() == "CloseSequence"));
        let began = asked("close").map(|(began, _)| (began, u32::MAX));
        // Where an operation ended the session, the channel was closed before the application asked for it.
        let closes = match (last, close) {
            (Some(last), _) => Some(last),
            (None, Some(close)) => Some(began.filter(|began| *began <= close).unwrap_or(close)),
            (None, None) => began,
        };
        // A channel that is broken is only let go of, by whatever name.
        let broken = |moment: &&Moment| matches!(&moment.line, Line::ClientChannel { client, state: State::Faulted } if *client == session.client);
        let broken = story.moments.iter().find(broken).map_or(u64::MAX, |moment| moment.ms);
        self.inputs.extend(closes.filter(|(at, _)| *at <= broken).map(|(at, event)| (at, event, Input::Close)));
        if let Some((began, ended)) = asked("abort").filter(|(began, _)| *began <= broken) {
            let fault = first(&|event| event.reliable().is_some_and(|envelope| envelope.fault().is_some()));
            let (at, event) = fault.filter(|(at, _)| *at >= began && *at <= ended + 500).unwrap_or((began, u32::MAX));
            self.inputs.push((at, event, Input::Abort));
        }
        // The layer above breaks the channel when an operation has failed without a declared fault; ours learns of it when
        // the application lets go of the channel.
        self.broken_above = story.arrivals(Direction::ServerToClient).into_iter().any(|(_, event)| {
            let fault = event.reliable().and_then(|envelope| envelope.fault());
            let internal =
                fault.is_some_and(|fault| fault.codes.iter().any(|code| code.local == "InternalServiceFault"));
            internal && session.events.contains(&event.number)
        });
        if self.broken_above {
            let told = first(&|event| event.reliable().is_some_and(|envelope| envelope.fault().is_some()));
            let let_go = asked("abort").or_else(|| asked("close")).map(|(began, _)| (began, u32::MAX));
            self.inputs.extend(told.or(let_go).map(|(at, event)| (at, event, Input::Abort)));
        }
    }

    fn lead(&mut self, story: &RmStory, session: &Session, sent: &[&Event]) {
        let calls = story.calls().filter(|(_, call)| call.client == session.client);
        let opened = calls.filter(|(_, call)| !matches!(call.operation.as_str(), "make" | "state"));
        let began = opened.map(|(moment, _)| moment.began()).min();
        let messages = sent.iter().filter(|event| event.reliable().is_some_and(|envelope| envelope.sequence.is_some()));
        let opened = story.calls().find(|(_, call)| call.client == session.client && call.operation == "open");
        let first = messages.map(|event| event.ms).next().or_else(|| opened.map(|(moment, _)| moment.ms));
        let answers = story.events.iter().filter(|event| session.events.contains(&event.number));
        let granted = answers.filter(|event| {
            event.reliable().is_some_and(|envelope| matches!(envelope.body, Body::CreateSequenceResponse { .. }))
        });
        let granted = granted.filter_map(|event| event.delivered).next();
        if let (Some(began), Some(first), Some(granted)) = (began, first, granted) {
            // Before the message was seen, and after the answer was.
            self.longest_lead = self.open_at.saturating_sub(began) + first.saturating_sub(granted);
        }
    }

    /// What a rule that sent this message measured: from the same message's last transmission, or else from what came before.
    pub(super) fn interval(&self, story: &RmStory, event: &Event) -> u64 {
        let at = instant(story, event.number, event.ms);
        let name = recorded_key(event);
        // A session's end is timed from the last message that was new, or later.
        if event.reliable().is_some_and(|envelope| envelope.fault().is_some()) {
            let sends = self.inputs.iter().filter(|(when, _, input)| *when <= at && matches!(input, Input::Send(..)));
            return sends.map(|(when, ..)| at - when).min().unwrap_or(0);
        }
        let mut same =
            self.recorded.iter().filter(|(known, number)| Some(known) == name.as_ref() && *number < event.number);
        let before = same.next_back().map(|(_, number)| *number);
        let before =
            before.or_else(|| self.recorded.iter().map(|(_, number)| *number).rfind(|number| *number < event.number));
        let before = before.and_then(|number| story.event(number));
        before.map_or(0, |before| at.saturating_sub(instant(story, before.number, before.ms)))
    }
    /// Is it the first message of its action that this side of the story sent?
    pub(super) fn is_first_of_kind(&self, story: &RmStory, event: &Event) -> bool {
        let action = |event: &Event| event.reliable().map(|envelope| envelope.action.clone());
        let first = story.events.iter().find(|other| other.way == event.way && action(other) == action(event));
        first.is_some_and(|first| first.number == event.number)
    }
    /// Was there no connection at this instant (net.tcp)?
    pub(super) fn is_dead(&self, at: u64) -> bool {
        self.dead.iter().any(|(from, until)| (*from..*until).contains(&at))
    }
}

/// From each cut until the client's next preamble was over.
pub(super) fn dead(story: &RmStory) -> Vec<(u64, u64)> {
    if story.shape() != Shape::Tcp {
        return Vec::new();
    }
    let cuts = story.moments.iter().filter(|moment| matches!(moment.line, Line::Cut(_) | Line::ServerKilled));
    let over = |event: &&Event| matches!(&event.content, Content::Frame(told) if told.starts_with("PreambleEnd"));
    let preambles: Vec<u64> = story.events.iter().filter(over).map(|event| event.ms).collect();
    cuts.map(|cut| (cut.ms, preambles.iter().copied().find(|at| *at > cut.ms).unwrap_or(u64::MAX))).collect()
}

/// The calls that began while another one ran: when, and their operation.
fn waited(story: &RmStory, session: &Session) -> Vec<(u64, String)> {
    let own = |operation: &str| !matches!(operation, "make" | "open" | "close" | "abort" | "state");
    let calls = story.calls().filter(|(_, call)| call.client == session.client && own(&call.operation));
    let calls: Vec<_> = calls.map(|(moment, call)| (moment.began(), moment.ms, call.operation.clone())).collect();
    let busy = |at: u64, end: u64| {
        calls.iter().any(|(began, ended, _)| (*began, *ended) != (at, end) && *began <= at && at < *ended)
    };
    let overlapping = calls.iter().filter(|(began, ended, _)| busy(*began, *ended));
    let mut waited: Vec<(u64, String)> = overlapping.map(|(began, _, operation)| (*began, operation.clone())).collect();
    waited.sort();
    waited
}
