//! What `timeline.txt` tells beside the messages: both applications, the proxy, and who pulled which plug.

use crate::recording::vectors_root;
use std::fs;

/// A line, and when it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moment {
    /// Milliseconds since the story began.
    pub ms: u64,
    /// What happened.
    pub line: Line,
}

/// A line that is not a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// A client's application asked for something and was told how it ended. The moment is that of the end.
    Call(Call),
    /// A client's channel changed its state.
    ClientChannel {
        /// The client: `A`, `B`, ...
        client: String,
        /// The new state.
        state: State,
    },
    /// The client's application was called by the service.
    Callback {
        /// The operation.
        operation: String,
        /// Its argument.
        argument: String,
    },
    /// The service took a channel.
    Accepted {
        /// Its number.
        channel: u32,
        /// Its session's name: with reliable messaging, the identifier of the client's sequence.
        session: String,
    },
    /// A channel of the service changed its state.
    ServerChannel {
        /// Its number.
        channel: u32,
        /// The new state.
        state: State,
    },
    /// An operation of the service ran, began, ended, in the words of the timeline.
    Operation(Operation),
    /// An instance of the service was made (`true`) or let go.
    Instance(u32, bool),
    /// The service's error handler saw an exception: its text.
    ErrorHandler(String),
    /// The service was closed by its own host, which took so many milliseconds.
    HostClosed(u64),
    /// The process of the server is ready: at the beginning, or again after it was killed.
    ServerReady,
    /// The process of the client is ready.
    ClientReady,
    /// The process of the server was killed.
    ServerKilled,
    /// The proxy let go of a message that it had held.
    Released(u32),
    /// The proxy cut this connection of net.tcp.
    Cut(u32),
    /// The proxy refused a connection of net.tcp.
    ConnectionRefused,
    /// A connection of net.tcp was made, or one of its directions ended, or the recorder says something, in the timeline's words.
    Note(String),
}

/// The state of a channel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    /// In use.
    Opened,
    /// Being closed in good order.
    Closing,
    /// Closed, or aborted: what closes a channel in the state [`State::Faulted`] only lets go of it.
    Closed,
    /// Broken.
    Faulted,
    /// There is no channel: it could not be made.
    None,
}

/// What a client's application asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The client: `A`, `B`, ...
    pub client: String,
    /// `make`, `open`, `close`, `abort`, `state`, or the contract's operation.
    pub operation: String,
    /// Its argument; empty if it has none.
    pub argument: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How many milliseconds it took. (Of `state`, always 0.)
    pub took: u64,
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// With this.
    Returned(String),
    /// With an exception.
    Threw {
        /// Its type and text, then those of the exceptions inside, in the words of the timeline.
        exception: String,
        /// The state in which the channel was then.
        state: State,
    },
}

/// An operation of the service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// The service's instance, where the timeline tells it.
    pub instance: Option<u32>,
    /// Its name.
    pub name: String,
    /// Its argument; empty if it has none.
    pub argument: String,
    /// What the timeline says behind it: `begins`, `ends`, `= 102`, `sid=...`, or nothing.
    pub rest: String,
}

impl Moment {
    /// When a call began; of any other line, when it was.
    pub fn began(&self) -> u64 {
        match &self.line {
            Line::Call(call) => self.ms - call.took.min(self.ms),
            _ => self.ms,
        }
    }
}

impl State {
    pub(super) fn read(text: &str) -> Self {
        match text {
            "Opened" => Self::Opened,
            "Closing" => Self::Closing,
            "Closed" => Self::Closed,
            "Faulted" => Self::Faulted,
            "-" => Self::None,
            other => panic!("{other} is no state"),
        }
    }
}

impl Call {
    /// The exception's type, if there was one.
    pub fn exception(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Threw { exception, .. } => exception.split(':').next(),
            Outcome::Returned(_) => None,
        }
    }

    /// What was returned, if anything was.
    pub fn returned(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Returned(text) => Some(text),
            Outcome::Threw { .. } => None,
        }
    }
}

/// Every line of a story's timeline that is not a message; none of a recording that has no timeline.
pub(super) fn read(name: &str) -> Vec<Moment> {
    let text = fs::read_to_string(vectors_root().join(name).join("timeline.txt")).unwrap_or_default();
    let moments = text.lines().filter_map(|line| {
        let (ms, rest) = line.trim_start().split_once(' ').unwrap_or_else(|| panic!("{line}"));
        let rest = rest.trim();
        let ms = ms.parse().expect("milliseconds");
        (!rest.starts_with('#')).then(|| Moment { ms, line: read_line(rest) })
    });
    moments.collect()
}

fn read_line(text: &str) -> Line {
    let number = |text: &str| text.split_whitespace().find_map(|word| word.parse().ok()).expect("a number");
    if let Some(text) = text.strip_prefix("client: ") {
        client(text)
    } else if let Some(text) = text.strip_prefix("server: ") {
        server(text)
    } else if let Some(released) = text.strip_prefix("proxy releases #") {
        Line::Released(released.parse().expect("a number"))
    } else if text.starts_with("proxy CUTS connection") {
        Line::Cut(number(text))
    } else if text == "proxy refuses a connection" {
        Line::ConnectionRefused
    } else if text == "lab: server process killed" {
        Line::ServerKilled
    } else {
        Line::Note(text.to_owned())
    }
}

fn client(text: &str) -> Line {
    if text == "READY" {
        return Line::ClientReady;
    }
    if let Some(call) = text.strip_prefix("callback ") {
        let (operation, argument) = call.split_once('(').expect("an operation");
        let argument = argument.strip_suffix(')').expect("an argument").to_owned();
        return Line::Callback { operation: operation.to_owned(), argument };
    }
    let (client, rest) = text.split_once(' ').expect("a client");
    let client = client.to_owned();
    if let Some(state) = rest.strip_prefix("channel ") {
        return Line::ClientChannel { client, state: State::read(state) };
    }
    let (what, end) = rest.split_once(" -> ").unwrap_or_else(|| panic!("{text}"));
    let (operation, argument) = what.split_once(' ').unwrap_or((what, ""));
    let (end, after) = end.rsplit_once(" [").or_else(|| end.strip_prefix('[').map(|rest| ("", rest))).expect("a time");
    let (took, state) = after.split_once(" ms]").expect("a time");
    let outcome = match end.strip_prefix("THREW ") {
        None => Outcome::Returned(end.to_owned()),
        Some(exception) => Outcome::Threw {
            exception: exception.to_owned(),
            state: State::read(state.strip_prefix(" state ").expect("a state")),
        },
    };
    let took = took.parse().expect("milliseconds");
    Line::Call(Call { client, operation: operation.to_owned(), argument: argument.trim().to_owned(), outcome, took })
}

fn server(text: &str) -> Line {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |text: &str| text.parse::<u32>().expect("a number");
    match words[..] {
        ["READY"] => Line::ServerReady,
        ["channel", channel, "accepted", session] => Line::Accepted {
            channel: number(channel),
            session: session.strip_prefix("sid=").expect("a session").to_owned(),
        },
        ["channel", channel, state] => Line::ServerChannel { channel: number(channel), state: State::read(state) },
        ["app", "instance", instance, "created"] => Line::Instance(number(instance), true),
        ["app", "instance", instance, "disposed"] => Line::Instance(number(instance), false),
        ["host", "closed", took, "ms]"] => Line::HostClosed(took.trim_start_matches('[').parse().expect("a time")),
        ["app", ..] => Line::Operation(operation(text.strip_prefix("app ").unwrap_or_default())),
        ["error", "handler:", ..] => {
            Line::ErrorHandler(text.strip_prefix("error handler: ").unwrap_or_default().to_owned())
        }
        _ => Line::Note(format!("server: {text}")),
    }
}

/// `[1] AddTo(2) = 102`, `[1] Finish`, `Say(hello), calls back`, `AskBack got why!`.
fn operation(text: &str) -> Operation {
    let (instance, text) = match text.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((instance, rest)) => (Some(instance.parse().expect("a number")), rest),
        None => (None, text),
    };
    let (name, rest) = text.split_at(text.find([' ', '(']).unwrap_or(text.len()));
    let (argument, rest) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).unwrap_or(("", rest));
    let rest = rest.trim_start_matches(',').trim().to_owned();
    Operation { instance, name: name.to_owned(), argument: argument.to_owned(), rest }
}
