//! A recorded story of reliable messaging, taken apart for whoever plays either role again: how both ends were configured,
//! what went over the wire and what became of it, what both applications did and saw.
//!
//! ```text
//! RmStory::open("wcf-stories/rm10-drop-request-hang")
//!   .server, .client   Settings: what config.txt says, and WCF's defaults
//!   .events            Event: every message and frame; its Envelope says what reliable messaging reads
//!   .exchanges         Exchange: which answer of HTTP belongs to which request, and how it ended for its asker
//!   .moments           Moment: calls, states of channels, operations, kills and cuts
//!   .sessions          Session: one for each reliable session that was asked for, with its two sequences
//! ```
//!
//! All times are milliseconds since the story began, by the one clock of the machine that ran both ends and the proxy. A
//! message's time is when the proxy had read it: the sender sent it before, by at most a few milliseconds, and
//! [`Event::delivered`] is when the proxy passed it on.

mod exchanges;
mod facts;
mod sessions;
mod settings;
mod timeline;
mod wire;

pub use exchanges::{End as ExchangeEnd, Exchange};
pub use facts::{Acknowledgement, Body, Code, End, Envelope, Fault, HeaderName, Offer, Sequence};
pub use sessions::Session;
pub use settings::{Concurrency, Protection, Settings, Transport};
pub use timeline::{Call, Line, Moment, Operation, Outcome, State};
pub use wire::{Connection, Content, Event, Proxy, Start};

use crate::Direction;
use crate::census::folders;
use crate::story::{Config, recorded_configs};
use std::collections::BTreeMap;
use std::io;

/// The recordings without times and timeline that hold reliable sessions, with their configuration in the stories' words. Of
/// `wcf/dual-none` only the connection to the service was recorded, not that of the callbacks.
pub const UNTIMED: [(&str, &str); 8] = [
    ("wcf/dual-none", "b=dual"),
    ("wcf/rm-custom", "rm=10"),
    ("wcf/rm-custom-11", "rm=11"),
    ("wcf/rm-sc-anon", "rm=10,sec=sc"),
    ("wcf/rm-ws-none", "b=ws,rm=10"),
    ("wcf/ws-rmsec-cert", "b=ws,rm=10,sec=cert"),
    ("wcf/ws2007-none-rm", "b=ws,rm=11,sec=sc,ver=13"),
    ("wcf/ws2007-username-rm", "b=ws,rm=11,sec=user,ver=13"),
];

/// The names of all stories of reliable messaging, those of [`UNTIMED`] first.
///
/// # Errors
/// The folder cannot be read.
pub fn rm_stories() -> io::Result<Vec<String>> {
    let mut names: Vec<String> = UNTIMED.iter().map(|(name, _)| (*name).to_owned()).collect();
    for name in folders("wcf-stories", |file| file == "config.txt")? {
        let (server, _) = recorded_configs(&name);
        if server.get("rm").is_some() || server.get("b") == Some("dual") {
            names.push(name);
        }
    }
    Ok(names)
}

/// What a story's timeline tells beside its messages, of any story.
pub fn moments(name: &str) -> Vec<Moment> {
    timeline::read(name)
}

/// The messages of any story, and the exchanges of HTTP that they make.
///
/// # Panics
/// If the recording is not what `vectors/README.md` says.
pub fn messages(name: &str) -> (Vec<Event>, Vec<Exchange>) {
    let events = wire::read(name, &moments(name));
    let exchanges = exchanges::pair(&events);
    (events, exchanges)
}

/// One story.
#[derive(Clone, Debug)]
pub struct RmStory {
    /// Folder under `vectors/`.
    pub name: String,
    /// The service's configuration.
    pub server: Settings,
    /// The client's configuration.
    pub client: Settings,
    /// Every message and frame, in the order in which the proxy saw them.
    pub events: Vec<Event>,
    /// The exchanges of HTTP; none over net.tcp.
    pub exchanges: Vec<Exchange>,
    /// Everything else that the timeline tells.
    pub moments: Vec<Moment>,
    /// The reliable sessions that clients asked for, in the order in which they did.
    pub sessions: Vec<Session>,
}

/// Which of reliable messaging's patterns a story shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Shape {
    /// One sequence, from the client to the service.
    OneWay,
    /// Two sequences; answers come back over the exchange of their request.
    RequestReply,
    /// Two sequences; both ends post, and the answers of HTTP are empty.
    DuplexHttp,
    /// Two sequences over net.tcp.
    Tcp,
}

/// How a client's channel ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ClientEnd {
    /// Closed in good order.
    Closed,
    /// Aborted by its application while it was in good order.
    Aborted,
    /// `Close` threw an exception, which let go of the channel.
    CloseFailed,
    /// Broken; whatever closed or aborted it later only let go of it.
    Faulted,
    /// Still open.
    Open,
}

impl RmStory {
    /// Opens a story, or one of [`UNTIMED`].
    ///
    /// # Panics
    /// If the recording is not what `vectors/README.md` says.
    pub fn open(name: &str) -> Self {
        let (server, client) = match UNTIMED.iter().find(|(untimed, _)| *untimed == name) {
            Some((_, config)) => (Config::parse(config), Config::parse(config)),
            None => recorded_configs(name),
        };
        let moments = timeline::read(name);
        let events = wire::read(name, &moments);
        let exchanges = exchanges::pair(&events);
        let clients = calls(&moments).filter(|(_, call)| call.operation == "make").map(|(_, call)| call.client.clone());
        let sessions = sessions::read(&events, &exchanges, &clients.collect::<Vec<_>>());
        Self {
            name: name.to_owned(),
            server: Settings::of(&server),
            client: Settings::of(&client),
            events,
            exchanges,
            moments,
            sessions,
        }
    }

    /// An event by its number.
    pub fn event(&self, number: u32) -> Option<&Event> {
        self.events.iter().find(|event| event.number == number)
    }

    /// The exchange that an event began, or ended.
    pub fn exchange(&self, number: u32) -> Option<&Exchange> {
        self.exchanges.iter().find(|exchange| exchange.request == number || exchange.answer == Some(number))
    }

    /// What clients' applications asked for, in the order in which they were told how it ended.
    pub fn calls(&self) -> impl Iterator<Item = (&Moment, &Call)> {
        calls(&self.moments)
    }

    /// The pattern.
    pub fn shape(&self) -> Shape {
        let offers = |event: &Event| match &event.reliable()?.body {
            Body::CreateSequence { offer, .. } => Some(offer.is_some()),
            _ => None,
        };
        match self.server.transport {
            Transport::DuplexHttp => Shape::DuplexHttp,
            Transport::Tcp => Shape::Tcp,
            Transport::Http if self.events.iter().find_map(offers) == Some(false) => Shape::OneWay,
            Transport::Http => Shape::RequestReply,
        }
    }

    /// What reached the end towards which messages of this way go, in the order of arrival, with the time of it. The proxy's
    /// copies arrive; what it swallowed does not.
    pub fn arrivals(&self, way: Direction) -> Vec<(u64, &Event)> {
        let of_way = self.events.iter().filter(|event| event.way == way);
        let mut arrivals: Vec<(u64, &Event)> = of_way.filter_map(|event| Some((event.delivered?, event))).collect();
        arrivals.sort_by_key(|(at, _)| *at);
        arrivals
    }

    /// How each client's channel ended.
    pub fn client_ends(&self) -> BTreeMap<String, ClientEnd> {
        let mut ends: BTreeMap<String, ClientEnd> = BTreeMap::new();
        for (client, states) in self.client_states() {
            let asked = |operation: &str| {
                let mut calls = self.calls().filter(|(_, call)| call.client == client && call.operation == operation);
                calls.next().map(|(_, call)| call.returned().is_some())
            };
            let end = match (asked("close"), asked("abort")) {
                _ if states.contains(&State::Faulted) => ClientEnd::Faulted,
                (Some(false), _) => ClientEnd::CloseFailed,
                (_, Some(_)) => ClientEnd::Aborted,
                _ if states.contains(&State::Closed) => ClientEnd::Closed,
                _ => ClientEnd::Open,
            };
            ends.insert(client, end);
        }
        ends
    }

    /// The states that the timeline tells of each client's channel, in order, each once in a row. (That a channel was opened is
    /// told only where the client was asked for its state.)
    pub fn client_states(&self) -> BTreeMap<String, Vec<State>> {
        let mut states = BTreeMap::<String, Vec<State>>::new();
        for moment in &self.moments {
            let (client, state) = match &moment.line {
                Line::ClientChannel { client, state } => (client, *state),
                Line::Call(Call { client, outcome: Outcome::Threw { state, .. }, .. }) => (client, *state),
                Line::Call(call) => match (call.operation.as_str(), call.returned()) {
                    ("state", Some(state)) => (&call.client, State::read(state)),
                    ("close" | "abort", Some(_)) => (&call.client, State::Closed),
                    _ => continue,
                },
                _ => continue,
            };
            let known = states.entry(client.clone()).or_default();
            if known.last() != Some(&state) {
                known.push(state);
            }
        }
        states
    }

    /// How each of the service's channels went: its states in order, the first of which is [`State::Opened`]. Channels of a
    /// server that was started again are counted on.
    pub fn server_states(&self) -> Vec<Vec<State>> {
        let mut channels: Vec<Vec<State>> = Vec::new();
        let mut started = 0;
        for moment in &self.moments {
            match moment.line {
                Line::ServerReady => started = channels.len(),
                Line::Accepted { .. } => channels.push(vec![State::Opened]),
                Line::ServerChannel { channel, state } => channels[started + channel as usize - 1].push(state),
                _ => {}
            }
        }
        channels
    }
}

fn calls(moments: &[Moment]) -> impl Iterator<Item = (&Moment, &Call)> {
    moments.iter().filter_map(|moment| match &moment.line {
        Line::Call(call) => Some((moment, call)),
        _ => None,
    })
}
