//! Every timer by its name: when it is due, and what it will then do.

use crate::time::Deadline;
use core::fmt;

/// A timer that is running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timer {
    /// Which.
    pub name: TimerName,
    /// When it is due.
    pub due: Deadline,
    /// What it then does.
    pub effect: TimerEffect,
}

impl Timer {
    /// A timer, if it is running.
    pub const fn running(name: TimerName, due: Deadline, effect: TimerEffect) -> Option<Self> {
        match due {
            Deadline::At(_) => Some(Self { name, due, effect }),
            Deadline::Never => None,
        }
    }
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.due {
            Deadline::At(at) => write!(f, "{}: {} at {} ms", self.name, self.effect, at.as_millis()),
            Deadline::Never => write!(f, "{}: {}, never", self.name, self.effect),
        }
    }
}

/// The names of the timers, WCF's where it has one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum TimerName {
    /// All of an open: `OpenTimeout`.
    OpenTimeout,
    /// All of a close: `CloseTimeout`.
    CloseTimeout,
    /// All of one call: `SendTimeout`.
    SendTimeout {
        /// Which call.
        call: u64,
    },
    /// A service's session without activity: `ReceiveTimeout`.
    ReceiveTimeout,
    /// Nothing heard in a reliable session: `reliableSession/inactivityTimeout`.
    InactivityTimeout,
    /// A message of a reliable session that is not acknowledged.
    Retransmission,
    /// An acknowledgement that a reliable session keeps back.
    Acknowledgement,
    /// A reliable session that asks whether the other side is there.
    KeepAlive,
    /// CreateSequence, CloseSequence or TerminateSequence without an answer.
    RequestRetry,
    /// The key of a secure conversation has to be renewed: `sessionKeyRenewalInterval`, or a share of its lifetime.
    KeyRenewal,
    /// The key before the last renewal is forgotten: `sessionKeyRolloverInterval`.
    KeyRollover,
    /// Issued tokens that were never used: `localServiceSettings/inactivityTimeout`.
    PendingSweep,
    /// A negotiation that is not finished: `negotiationTimeout`.
    NegotiationTimeout,
    /// A session whose terminating operation was called, and that the client does not close.
    Terminated,
}

impl fmt::Display for TimerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenTimeout => "OpenTimeout",
            Self::CloseTimeout => "CloseTimeout",
            Self::SendTimeout { call } => return write!(f, "SendTimeout of call {call}"),
            Self::ReceiveTimeout => "ReceiveTimeout",
            Self::InactivityTimeout => "InactivityTimeout",
            Self::Retransmission => "retransmission",
            Self::Acknowledgement => "acknowledgement",
            Self::KeepAlive => "keep-alive",
            Self::RequestRetry => "request of the protocol",
            Self::KeyRenewal => "key renewal",
            Self::KeyRollover => "key rollover",
            Self::PendingSweep => "sweep of pending tokens",
            Self::NegotiationTimeout => "NegotiationTimeout",
            Self::Terminated => "CloseTimeout after a terminating operation",
        })
    }
}

/// What a timer does when it is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum TimerEffect {
    /// The channel or session faults.
    Faults,
    /// The channel or session is aborted, without a word to the other side.
    Aborts,
    /// The close is given up: it ends as an abort, and says so.
    EndsClose,
    /// The call fails; the channel goes on.
    FailsCall,
    /// The call fails, and the reliable session with it.
    FailsCallAndFaults,
    /// A message is sent again.
    SendsAgain,
    /// An acknowledgement is sent.
    Acknowledges,
    /// The other side is asked whether it is there.
    Asks,
    /// The next message has the key renewed first.
    RenewsBeforeNextMessage,
    /// The old key is forgotten.
    ForgetsOldKey,
    /// What was issued and never used is forgotten.
    Sweeps,
}

impl fmt::Display for TimerEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Faults => "faults the session",
            Self::Aborts => "aborts the session",
            Self::EndsClose => "gives the close up, and reports it",
            Self::FailsCall => "fails the call, the channel stays open",
            Self::FailsCallAndFaults => "fails the call and faults the session",
            Self::SendsAgain => "sends a message again",
            Self::Acknowledges => "sends an acknowledgement",
            Self::Asks => "asks whether the other side is there",
            Self::RenewsBeforeNextMessage => "has the key renewed before the next message",
            Self::ForgetsOldKey => "forgets the old key",
            Self::Sweeps => "forgets tokens that were never used",
        })
    }
}
