//! The rows of `times.tsv` with what their files say: everything the recording proxy saw, in the order in which it saw it.

use super::facts::Envelope;
use super::timeline::{Line, Moment};
use crate::recording::{StartLine, vectors_root};
use crate::{Direction, Head};
use std::fs;
use std::path::Path;

/// One row.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number.
    pub number: u32,
    /// Who sent it.
    pub way: Direction,
    /// The connection it went over.
    pub connection: Connection,
    /// When the proxy had read it from its sender, in milliseconds since the story began; 0 in a recording without times.
    pub ms: u64,
    /// What it was to the transport.
    pub start: Start,
    /// What `times.tsv` tells of it, with single spaces; empty in a recording without times.
    pub told: String,
    /// What the proxy did with it.
    pub proxy: Proxy,
    /// When the other end got it: later than [`Self::ms`] if the proxy held it, `None` if it never did.
    pub delivered: Option<u64>,
    /// What was in it.
    pub content: Content,
    /// The body as it went over the wire; empty for net.tcp in binary, which is not kept.
    pub bytes: Vec<u8>,
}

/// What a message was to the transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// A request of HTTP.
    Post,
    /// An answer of HTTP.
    Status(u16),
    /// A frame of net.tcp.
    Frame,
}

/// Which connection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Connection {
    /// The client's to the service.
    Client(u32),
    /// The service's to the client's callback address.
    Callback(u32),
    /// The proxy's own to the service, for the copy of a message of this connection of the client.
    Copy(u32),
}

/// What the proxy did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Proxy {
    /// Passed it on.
    Pass,
    /// Swallowed it and left the connection open.
    DropHang,
    /// Swallowed it and closed the connection.
    DropClose,
    /// Passed it on later, after a time or when it was told to.
    Delay,
    /// Passed on something else that it made of it.
    Replace,
    /// Passed it on, and sent a copy later.
    Duplicate,
    /// Made it: a copy of this message.
    CopyOf(u32),
    /// Discarded it: the answer to this copy.
    AnswerToCopy(u32),
    /// Swallowed it and answered this status with an empty body.
    Status(u16),
    /// Found no server to pass it on to, and closed the connection.
    Refused,
    /// Passed it on over a connection whose server was dead by then, and closed the connection.
    HungUp,
}

/// What a message carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// No envelope: an empty body.
    Nothing,
    /// A frame of net.tcp without an envelope, in the words of `times.tsv`.
    Frame(String),
    /// An envelope of the secure conversation below: a token is asked for, issued, cancelled.
    Trust(Box<Envelope>),
    /// Any other envelope.
    Envelope(Box<Envelope>),
}

impl Event {
    /// The envelope, of whichever layer.
    pub fn envelope(&self) -> Option<&Envelope> {
        match &self.content {
            Content::Trust(envelope) | Content::Envelope(envelope) => Some(envelope),
            Content::Nothing | Content::Frame(_) => None,
        }
    }

    /// The envelope, if it is not one of the secure conversation below.
    pub fn reliable(&self) -> Option<&Envelope> {
        match &self.content {
            Content::Envelope(envelope) => Some(envelope),
            _ => None,
        }
    }

    /// Did the end that seems to have sent it send it? Copies are the proxy's.
    pub fn is_genuine(&self) -> bool {
        !matches!(self.proxy, Proxy::CopyOf(_))
    }
}

impl Connection {
    fn read(name: &str) -> Self {
        let number = |text: &str| text.parse().expect("a connection");
        if let Some(number_of) = name.strip_prefix("cb") {
            Self::Callback(number(number_of))
        } else if let Some(number_of) = name.strip_suffix('d') {
            Self::Copy(number(number_of))
        } else {
            Self::Client(number(name))
        }
    }
}

impl Proxy {
    fn read(text: &str) -> Self {
        let named = || text.split(['#', ' ', ',']).find_map(|word| word.parse().ok()).expect("a number");
        let (verb, value) = text.split_once(':').unwrap_or((text, ""));
        match verb {
            "" => Self::Pass,
            "drop-hang" => Self::DropHang,
            "drop-close" => Self::DropClose,
            "delay" | "hold" => Self::Delay,
            "replace" => Self::Replace,
            "dup" => Self::Duplicate,
            "status" => Self::Status(value.parse().expect("a status")),
            "server closed the connection without an answer" => Self::HungUp,
            _ if text.starts_with("upstream ConnectionRefusedError") => Self::Refused,
            _ if text.starts_with("duplicate of") => Self::CopyOf(named()),
            _ if text.starts_with("answer to the duplicate") => Self::AnswerToCopy(named()),
            other => panic!("{other}: what did the proxy do?"),
        }
    }

    fn delivers(self) -> bool {
        match self {
            Self::Pass | Self::Delay | Self::Replace | Self::Duplicate | Self::CopyOf(_) => true,
            Self::DropHang
            | Self::DropClose
            | Self::AnswerToCopy(_)
            | Self::Status(_)
            | Self::Refused
            | Self::HungUp => false,
        }
    }
}

/// The events of a story; those of a recording without times have only an order.
pub(super) fn read(name: &str, timeline: &[Moment]) -> Vec<Event> {
    let folder = vectors_root().join(name);
    match fs::read_to_string(folder.join("times.tsv")) {
        Ok(rows) => rows.lines().skip(1).map(|row| timed(&folder, row, timeline)).collect(),
        Err(_) => untimed(&folder),
    }
}

fn timed(folder: &Path, row: &str, timeline: &[Moment]) -> Event {
    let cells: Vec<&str> = row.split('\t').collect();
    let [number, tag, connection, ms, status, told, proxy] = cells[..] else { panic!("{row}") };
    let (number, ms) = (number.parse().expect("a number"), ms.parse().expect("milliseconds"));
    let proxy = Proxy::read(proxy);
    let released = timeline.iter().find(|moment| moment.line == Line::Released(number)).map(|moment| moment.ms);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = match status {
        "" => Start::Frame,
        "POST" => Start::Post,
        status => Start::Status(status.parse().expect("a status")),
    };
    let (content, bytes) = content(folder, number, tag, &told);
    Event {
        number,
        way: way(tag),
        connection: Connection::read(connection),
        ms,
        start,
        delivered: proxy.delivers().then(|| released.unwrap_or(ms)),
        told,
        proxy,
        content,
        bytes,
    }
}

fn untimed(folder: &Path) -> Vec<Event> {
    let files = fs::read_dir(folder).expect("a folder");
    let mut heads: Vec<String> = files
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .filter_map(|file| file.strip_suffix(".head").map(str::to_owned))
        .collect();
    heads.sort();
    heads
        .iter()
        .map(|stem| {
            let (number, tag) = stem.split_once('-').expect("a number and a way");
            let number = number.parse().expect("a number");
            let head = fs::read_to_string(folder.join(format!("{stem}.head"))).expect("a head");
            let start = match Head::parse(&head).expect("a head").start {
                StartLine::Request { .. } => Start::Post,
                StartLine::Status(status) => Start::Status(status),
            };
            let (content, bytes) = content(folder, number, tag, "");
            Event {
                number,
                way: way(tag),
                connection: Connection::Client(1),
                ms: 0,
                start,
                told: String::new(),
                proxy: Proxy::Pass,
                delivered: Some(0),
                content,
                bytes,
            }
        })
        .collect()
}

fn way(tag: &str) -> Direction {
    [Direction::ClientToServer, Direction::ServerToClient].into_iter().find(|way| way.tag() == tag).expect("a way")
}

/// What is in clear: the decrypted envelope, or the text of a binary one, or the body itself.
fn content(folder: &Path, number: u32, tag: &str, told: &str) -> (Content, Vec<u8>) {
    let file = |end: &str| fs::read(folder.join(format!("{number:02}-{tag}{end}"))).ok();
    let bytes = file(".xml");
    let Some(clear) = file(".plain.xml").or_else(|| file(".decoded.xml")).or_else(|| bytes.clone()) else {
        assert!(!told.is_empty() && !told.starts_with("SizedEnvelope"), "{number:02}-{tag} is not there");
        return (Content::Frame(told.to_owned()), Vec::new());
    };
    let bytes = bytes.unwrap_or_default();
    if clear.is_empty() {
        return (Content::Nothing, bytes);
    }
    let envelope = Box::new(Envelope::read(&clear));
    let content = if envelope.is_trust() { Content::Trust(envelope) } else { Content::Envelope(envelope) };
    (content, bytes)
}
