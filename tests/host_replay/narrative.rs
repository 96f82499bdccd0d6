//! What a story tells of lifetimes: what each application saw, which channels and instances the service had, what it ran, and
//! which messages went over the wire. The same words for a recording and for a play of it.

use crate::dom::Node;
use crate::rm_story::{Call, Line, Moment, Outcome, moments};
use crate::{Direction, Recording};
use std::collections::{BTreeMap, BTreeSet};

/// A story, told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Narrative {
    /// Of each client, in order: how its calls ended, and the states of its channel.
    pub clients: BTreeMap<String, Vec<String>>,
    /// Of each channel of the service: its states.
    pub channels: BTreeMap<u32, Vec<String>>,
    /// Of each instance: that it was made, what ran in it, that it was let go.
    pub instances: BTreeMap<u32, Vec<String>>,
    /// What the service accepted and began to run, in order.
    pub service: Vec<String>,
    /// Messages, in order, without those that were sent again and without empty answers.
    pub wire: Vec<String>,
    /// What the host told of its throttles. A recording tells nothing of them.
    pub throttles: Vec<String>,
    /// Why the host did not open.
    pub not_opened: Option<String>,
}

impl Narrative {
    /// Notes something of a client.
    pub fn client(&mut self, client: &str, line: impl Into<String>) {
        self.clients.entry(client.to_owned()).or_default().push(line.into());
    }

    /// Notes something of a channel.
    pub fn channel(&mut self, channel: u32, line: impl Into<String>) {
        self.channels.entry(channel).or_default().push(line.into());
    }

    /// Notes something of an instance, if there is one that is told of.
    pub fn instance(&mut self, instance: Option<u32>, line: impl Into<String>) {
        if let Some(instance) = instance {
            self.instances.entry(instance).or_default().push(line.into());
        }
    }

    /// What differs from `other`, which was recorded.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut compare = |what: &str, ours: &[String], theirs: &[String]| {
            let most = ours.len().max(theirs.len());
            for index in 0..most {
                let (own, their) = (ours.get(index), theirs.get(index));
                if own != their {
                    wrong.push(format!("{what}, line {}: {own:?} instead of {their:?}", index + 1));
                    // What follows is shifted.
                    break;
                }
            }
        };
        for (name, ours, theirs) in pairs(&self.clients, &other.clients) {
            compare(&format!("client {name}"), ours, theirs);
        }
        for (number, ours, theirs) in pairs(&self.channels, &other.channels) {
            compare(&format!("channel {number}"), ours, theirs);
        }
        for (number, ours, theirs) in pairs(&self.instances, &other.instances) {
            compare(&format!("instance {number}"), ours, theirs);
        }
        compare("service", &self.service, &other.service);
        compare("wire", &self.wire, &other.wire);
        let opened = |narrative: &Self| narrative.not_opened.clone().into_iter().collect::<Vec<_>>();
        compare("host", &opened(self), &opened(other));
        wrong
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        let of = |lists: &mut dyn Iterator<Item = &Vec<String>>| lists.map(Vec::len).sum::<usize>();
        of(&mut self.clients.values())
            + of(&mut self.channels.values())
            + of(&mut self.instances.values())
            + self.service.len()
            + self.wire.len()
            + usize::from(self.not_opened.is_some())
    }

    /// Is nothing told?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was recorded of a story.
    ///
    /// # Panics
    /// On lines that no story has.
    pub fn recorded(name: &str) -> Self {
        let mut told = Self::default();
        for Moment { line, .. } in moments(name) {
            told.note(line);
        }
        told.wire = wire(name);
        told
    }

    fn note(&mut self, line: Line) {
        match line {
            Line::Call(call) => {
                if let Some(line) = call_line(&call) {
                    self.client(&call.client, line);
                }
            }
            Line::ClientChannel { client, state } => self.client(&client, format!("channel {state:?}")),
            Line::Accepted { channel, session } => {
                let session = if session == "(null)" { "without" } else { "with" };
                self.channel(channel, format!("accepted {session} a session"));
                self.service.push(format!("accepted {channel}"));
            }
            Line::ServerChannel { channel, state } => self.channel(channel, format!("{state:?}")),
            Line::Operation(operation) => {
                let rest = operation.rest.split("sid=").next().unwrap_or_default().trim().to_owned();
                let text = format!("{}({}) {rest}", operation.name, operation.argument);
                let text = text.trim_end().to_owned();
                self.instance(operation.instance, text.clone());
                if rest != "ends" {
                    let instance = operation.instance.map(|number| format!("[{number}] ")).unwrap_or_default();
                    self.service.push(format!("{instance}{text}"));
                }
            }
            Line::Instance(number, made) => {
                self.instance(Some(number), if made { "made" } else { "let go" });
            }
            Line::Note(text) => {
                if let Some(failed) = text.strip_prefix("server: OPEN-FAILED ") {
                    self.not_opened = Some(masked(failed));
                }
            }
            // What WCF's error handler logs is its own affair; the processes, and what the recorder did, are not the story.
            Line::ErrorHandler(_)
            | Line::ServerReady
            | Line::ClientReady
            | Line::HostClosed(_)
            | Line::ServerKilled
            | Line::Released(_)
            | Line::Cut(_)
            | Line::ConnectionRefused
            | Line::Callback { .. } => {}
        }
    }
}

type Pair<'a, K> = (&'a K, &'a [String], &'a [String]);

fn pairs<'a, K: Ord>(ours: &'a BTreeMap<K, Vec<String>>, theirs: &'a BTreeMap<K, Vec<String>>) -> Vec<Pair<'a, K>> {
    let keys: BTreeSet<&K> = ours.keys().chain(theirs.keys()).collect();
    let of = |lists: &'a BTreeMap<K, Vec<String>>, key: &K| lists.get(key).map_or(&[][..], Vec::as_slice);
    keys.into_iter().map(|key| (key, of(ours, key), of(theirs, key))).collect()
}

/// How a recorded call ended; `None` for what only the recorder's own scripting says.
fn call_line(call: &Call) -> Option<String> {
    let what = format!("{} {}", call.operation, call.argument).trim().to_owned();
    Some(match &call.outcome {
        Outcome::Returned(text) if text.starts_with("sid=") => format!("{what} -> sid"),
        Outcome::Returned(text) if call.operation == "make" && text == "made" => return None,
        Outcome::Returned(text) => format!("{what} -> {text}").trim_end().to_owned(),
        Outcome::Threw { exception, .. }
            if exception.starts_with("System.Exception:") || exception.starts_with("System.NullReferenceException") =>
        {
            return None;
        }
        Outcome::Threw { exception, .. } if call.operation == "make" => format!("make -> THREW {}", masked(exception)),
        Outcome::Threw { exception, state } => format!("{what} -> THREW {} state {state:?}", masked(exception)),
    })
}

/// An exception's type and text: what is inside it, and times and addresses, are not compared.
pub(super) fn masked(exception: &str) -> String {
    let (kind, text) = exception.split_once(": \"").unwrap_or((exception, ""));
    // The text ends where a quotation mark is followed by what is inside, by codes, or by nothing.
    let ends = ["\" <- inner", "\" {code"].into_iter().filter_map(|end| text.find(end)).min();
    let text = &text[..ends.unwrap_or_else(|| text.trim_end_matches('"').len())];
    let words = text.split(' ').map(|word| {
        if word.starts_with("00:") {
            "TIME."
        } else if word.starts_with("'http://127.0.0.1") {
            "'ADDRESS'"
        } else {
            word
        }
    });
    format!("{kind}: {}", words.collect::<Vec<_>>().join(" ").trim_end())
}

/// The last part of an action: what a story's timeline and a message agree on.
pub(super) fn tail(action: &str) -> &str {
    action.trim_matches('"').rsplit('/').next().unwrap_or_default()
}

/// A message in a narrative's words. `status` is HTTP's, of an answer.
pub(super) fn message_line(status: Option<u16>, action: &str, fault: Option<(String, String)>) -> String {
    let way = status.map_or_else(|| "->".to_owned(), |status| format!("<- {status}"));
    let fault = fault.map(|(code, reason)| format!(" {code}: {reason}")).unwrap_or_default();
    format!("{way} {}{fault}", tail(action)).trim_end().to_owned()
}

/// The fault in a message that is not encrypted: the innermost code, and its reason.
pub(super) fn clear_fault(tree: &Node) -> Option<(String, String)> {
    let fault = tree.path(&["Body", "Fault"])?;
    let local = |text: &str| text.trim().rsplit(':').next().unwrap_or_default().to_owned();
    if let Some(code) = fault.children.iter().find(|child| child.local == "faultcode") {
        let reason = fault.children.iter().find(|child| child.local == "faultstring");
        return Some((local(&code.text), reason.map(|node| node.text.clone()).unwrap_or_default()));
    }
    let mut code = fault.path(&["Code"])?;
    while let Some(inner) = code.path(&["Subcode"]) {
        code = inner;
    }
    let reason = fault.path(&["Reason", "Text"]).map(|node| node.text.clone()).unwrap_or_default();
    Some((local(&code.path(&["Value"])?.text), reason))
}

/// The recorded messages. Over net.tcp there are none: their frames are told elsewhere.
fn wire(name: &str) -> Vec<String> {
    let Ok(recording) = Recording::open(name) else { return Vec::new() };
    let mut seen = BTreeSet::new();
    let lines = recording.messages.iter().filter_map(|message| {
        let head = message.head.as_ref()?;
        let status = (message.direction == Direction::ServerToClient).then(|| head.status().expect("a status"));
        // An empty answer.
        let tree = (!message.bytes.is_empty()).then(|| Node::parse(&message.bytes))?;
        told(&tree, status, &mut seen, || head.field("soapaction").unwrap_or_default().to_owned())
    });
    lines.collect()
}

/// A message in a narrative's words, unless it was told before. `soap_action`: where the action is if no header has it.
pub(super) fn told(
    tree: &Node,
    status: Option<u16>,
    seen: &mut BTreeSet<String>,
    soap_action: impl FnOnce() -> String,
) -> Option<String> {
    let header = |name: &str| tree.path(&["Header", name]).map(|node| node.text.trim().to_owned());
    let action = header("Action").unwrap_or_else(soap_action);
    if let Some(id) = header(if status.is_none() { "MessageID" } else { "RelatesTo" })
        && !seen.insert(format!("{action} {id}"))
    {
        return None;
    }
    let fault = clear_fault(tree).map(|(code, reason)| (code, reason.split_whitespace().collect::<Vec<_>>().join(" ")));
    Some(message_line(status, &action, fault))
}
