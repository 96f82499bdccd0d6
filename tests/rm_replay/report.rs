//! How a replay is configured, and what came of it.

use crate::rm_story::{RmStory, Settings, Shape as StoryShape};
use soap_session_core::exchange::Outgoing;
use soap_session_core::reliable::{ReliableSettings, Shape};
use std::fmt;

/// How a replay relates to its story. What differs is named by a part of the report's line, and has its reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The same messages, facts, order, times and end.
    Same,
    /// The same but for these, which are nothing of the machine's.
    SameBut(&'static [(&'static str, &'static str)]),
    /// Different on purpose in these.
    Deviates(&'static [(&'static str, &'static str)]),
    /// It cannot be played, for this reason.
    Unplayed(&'static str),
}

impl Verdict {
    /// The word in the printed table.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::SameBut(_) => "same but",
            Self::Deviates(_) => "deviates",
            Self::Unplayed(_) => "unplayed",
        }
    }

    const fn named(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::SameBut(named) | Self::Deviates(named) => named,
            Self::Same | Self::Unplayed(_) => &[],
        }
    }

    /// Why it is not the same.
    pub fn reasons(self) -> Vec<&'static str> {
        match self {
            Self::Unplayed(reason) => vec![reason],
            _ => {
                let mut reasons: Vec<&'static str> = self.named().iter().map(|(_, reason)| *reason).collect();
                reasons.dedup();
                reasons
            }
        }
    }

    /// What the verdict does not say: differences without a reason, reasons without a difference.
    pub fn unexplained(self, report: &Report) -> Vec<String> {
        let named = self.named();
        let without = report.wrong.iter().filter(|line| named.iter().all(|(part, _)| !line.contains(part)));
        let idle = named.iter().filter(|(part, _)| report.wrong.iter().all(|line| !line.contains(part)));
        without.cloned().chain(idle.map(|(part, _)| format!("nothing differs in \"{part}\""))).collect()
    }
}

/// What came of a replay.
#[derive(Clone, Default, Debug)]
pub struct Report {
    /// Messages that were sent and compared.
    pub compared: usize,
    /// Messages that our machine sent again.
    pub retransmissions: u64,
    /// The longest distance in time of two compared messages, in milliseconds.
    pub longest: u64,
    /// Whatever differs.
    pub wrong: Vec<String>,
}

impl Report {
    /// Adds another session's.
    pub fn add(&mut self, other: Self) {
        self.compared += other.compared;
        self.retransmissions += other.retransmissions;
        self.longest = self.longest.max(other.longest);
        self.wrong.extend(other.wrong);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:3} messages, {:2} again, {:4} ms", self.compared, self.retransmissions, self.longest)
    }
}

/// The application's message: its action matters, its body does not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The action URI.
    pub action: String,
    /// Does it expect a reply?
    pub two_way: bool,
    /// The `MessageID` of the request that it answers (duplex), as our machine knows it.
    pub relates_to: Option<String>,
    /// Is it a fault?
    pub fault: bool,
}

impl Outgoing for Message {
    fn action(&self) -> &[u8] {
        self.action.as_bytes()
    }
    fn body(&self) -> &[u8] {
        b"<body/>"
    }
    fn two_way(&self) -> bool {
        self.two_way
    }
    fn relates_to(&self) -> Option<&[u8]> {
        self.relates_to.as_deref().map(str::as_bytes)
    }
    fn is_fault(&self) -> bool {
        self.fault
    }
}

/// How far apart two instants may be whose rule measures `interval` milliseconds: 60 ms (the recorder's machine compiled
/// its code while it ran, and its timers tick every 15 ms), or 3 %.
pub const fn tolerance(interval: u64) -> u64 {
    let share = interval * 3 / 100;
    if share > 60 { share } else { 60 }
}

/// One end's settings in our machine's words.
pub fn settings(of: &Settings) -> ReliableSettings {
    ReliableSettings {
        version: of.version,
        addressing: of.addressing,
        ordered: of.ordered,
        max_transfer_window_size: u16::try_from(of.window).expect("a window"),
        max_retry_count: of.retries,
        acknowledgement_interval: of.acknowledgement,
        inactivity_timeout: of.inactivity,
        flow_control: of.flow_control,
        send_timeout: of.send,
        open_timeout: of.open,
        close_timeout: of.close,
        max_pending_channels: u16::try_from(of.pending).expect("a number"),
        ..ReliableSettings::default()
    }
}

/// The machine's shape for a story's.
pub(super) fn shape(story: &RmStory) -> Shape {
    match story.shape() {
        StoryShape::OneWay => Shape::OneWay,
        StoryShape::RequestReply => Shape::RequestReply,
        StoryShape::DuplexHttp | StoryShape::Tcp => Shape::Duplex,
    }
}

/// When a recorded instant is. In a story without times messages come 20 ms apart.
pub(super) fn instant(story: &RmStory, number: u32, ms: u64) -> u64 {
    if story.moments.is_empty() { u64::from(number) * 20 } else { ms }
}
