//! Why sessions end, and what a caller may not do.

use super::arrival::RmFaultKind;
use super::client::ClientWant;
use super::phase::SessionPhase;
use super::service::ServiceWant;
use crate::soap::FaultCode;
use crate::time::Duration;
use core::fmt;

/// Why a session ended other than in good order. The peer is to blame for [`Remote`](Self::Remote) and
/// [`Violation`](Self::Violation), nobody for the rest but [`Aborted`](Self::Aborted).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The other side sent a fault.
    Remote {
        /// What; `None` for a fault of another trade, in answer to a message of the protocol.
        kind: Option<RmFaultKind>,
        /// Who is to blame, in its eyes.
        code: FaultCode,
    },
    /// The other side did what the protocol does not allow.
    Violation(Violation),
    /// Nothing was heard for so long.
    Inactive {
        /// The timeout.
        timeout: Duration,
    },
    /// A message was sent again as often as there may be, and not acknowledged.
    RetriesExhausted {
        /// Its number.
        number: u64,
        /// The limit.
        limit: u32,
    },
    /// A request got no reply in time.
    ReplyTimeout {
        /// Its number.
        number: u64,
        /// The timeout.
        timeout: Duration,
    },
    /// Opening took too long, or could not be tried again in time.
    OpenTimeout {
        /// The timeout.
        timeout: Duration,
    },
    /// Closing took too long.
    CloseTimeout {
        /// The timeout.
        timeout: Duration,
    },
    /// The message numbers have run out (2^63 - 1).
    Rollover,
    /// A message cannot be written: what the application handed over is not well-formed. Its number is taken, so that the
    /// sequence cannot go on without it.
    Unsendable,
    /// The machine wanted to send something and had nothing to write in it: a defect of this library, to be reported.
    Unwritten(Unwritten),
    /// The application gave up.
    Aborted,
    /// The layer below failed for good: the secure conversation, or the connection.
    Lower,
    /// The application stopped taking messages, and one more came.
    StoppedListening,
    /// A service closed while requests waited for their replies.
    UnansweredRequests,
}

/// What a machine wanted to send and could not write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unwritten {
    /// A client's.
    Client(ClientWant),
    /// A service's.
    Service(ServiceWant),
}

/// What the other side did wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Violation {
    /// CreateSequenceResponse relates to another message.
    ResponseUnrelated,
    /// An offer was made and not accepted, or accepted and not made.
    OfferMismatch,
    /// `Accept/AcksTo` is not the address that the CreateSequence went to.
    AcksTo,
    /// An answer that is not one to this request.
    UnexpectedAnswer,
    /// A reply without the acknowledgement that it must carry.
    ReplyWithoutAcknowledgement,
    /// An acknowledgement of numbers that were never sent.
    AcknowledgedNeverSent,
    /// An acknowledgement that takes back what an earlier one said.
    AcknowledgementInconsistent,
    /// The final acknowledgement lacks messages.
    FinalAcknowledgementIncomplete,
    /// A final acknowledgement that nobody asked for.
    FinalAcknowledgementUnasked,
    /// A message behind the last one.
    BehindLast,
    /// CloseSequence with a last number below one that was received.
    LastNumberTooSmall,
    /// TerminateSequence before everything had arrived.
    EarlyTerminate,
    /// CloseSequence or TerminateSequence for the sequence of the other direction.
    WrongDirection,
    /// CloseSequence, LastMessage or TerminateSequence while replies are unacknowledged.
    RepliesUnacknowledged,
    /// TerminateSequence whose last number is not that of the CloseSequence.
    LastNumberChanged,
    /// `ReplyTo` of CloseSequence or TerminateSequence is not the session's.
    ReplyTo,
    /// A message that a session of this shape does not have.
    UnexpectedMessage,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote { kind: Some(kind), code } => {
                write!(f, "the other side ended the session with the fault {kind:?} and blames the {code:?}")
            }
            Self::Remote { kind: None, code } => {
                write!(f, "the other side answered a message of the protocol with a fault that blames the {code:?}")
            }
            Self::Violation(violation) => write!(f, "the other side broke the protocol: {violation}"),
            Self::Inactive { timeout } => {
                write!(f, "nothing was heard for {} ms, the inactivity timeout", timeout.as_millis())
            }
            Self::RetriesExhausted { number, limit } => {
                write!(f, "message {number} was sent again {limit} times, as often as allowed, and not acknowledged")
            }
            Self::ReplyTimeout { number, timeout } => {
                write!(f, "request {number} got no reply within {} ms, the send timeout", timeout.as_millis())
            }
            Self::OpenTimeout { timeout } => {
                write!(f, "no sequence was given within {} ms, the open timeout", timeout.as_millis())
            }
            Self::CloseTimeout { timeout } => {
                write!(f, "the session could not be closed within {} ms, the close timeout", timeout.as_millis())
            }
            Self::Rollover => f.write_str("the sequence has no more message numbers: open a new session"),
            Self::Unsendable => f.write_str("a message of the application cannot be written, and its number is taken"),
            Self::Unwritten(Unwritten::Client(want)) => unwritten(f, want),
            Self::Unwritten(Unwritten::Service(want)) => unwritten(f, want),
            Self::Aborted => f.write_str("the application aborted the session"),
            Self::Lower => f.write_str("the conversation or connection below failed"),
            Self::StoppedListening => f.write_str("a message came after the application had stopped to take any"),
            Self::UnansweredRequests => f.write_str("the service closed the session while requests waited for replies"),
        }
    }
}

fn unwritten(f: &mut fmt::Formatter<'_>, want: &dyn fmt::Debug) -> fmt::Result {
    write!(
        f,
        "{want:?} was to be sent, and there was nothing to write in it: a defect of soap-session, please report it"
    )
}

impl core::error::Error for SessionError {}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ResponseUnrelated => "CreateSequenceResponse does not relate to the CreateSequence",
            Self::OfferMismatch => "CreateSequenceResponse must hold Accept if, and only if, a sequence was offered",
            Self::AcksTo => "Accept/AcksTo is not the address that the CreateSequence was sent to",
            Self::UnexpectedAnswer => "the answer is not one to this message of the protocol",
            Self::ReplyWithoutAcknowledgement => "a reply carries no SequenceAcknowledgement",
            Self::AcknowledgedNeverSent => "SequenceAcknowledgement names a message that was never sent",
            Self::AcknowledgementInconsistent => "SequenceAcknowledgement takes back what an earlier one said",
            Self::FinalAcknowledgementIncomplete => "the final SequenceAcknowledgement lacks messages",
            Self::FinalAcknowledgementUnasked => "a final SequenceAcknowledgement came before CloseSequence",
            Self::BehindLast => "a message came whose number is behind the last one",
            Self::LastNumberTooSmall => "CloseSequence says a last number below one that was received",
            Self::EarlyTerminate => "TerminateSequence came before every message had",
            Self::WrongDirection => "the sequence to be ended is the one that this side sends",
            Self::RepliesUnacknowledged => "the sequence is being ended before all replies were acknowledged",
            Self::LastNumberChanged => "TerminateSequence says another last number than CloseSequence",
            Self::ReplyTo => "ReplyTo is not the address that the session answers to",
            Self::UnexpectedMessage => "a session of this shape has no such message",
        })
    }
}

impl core::error::Error for Violation {}

/// The caller did what the session's state does not allow. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SendRefused {
    /// Not in this state.
    Phase(SessionPhase),
    /// Every place of the outbox is taken; wait until messages are acknowledged.
    Full {
        /// Places, chosen at construction.
        limit: usize,
    },
    /// The session is idle, and so many others are busy as may be at once; wait until one of them is done.
    Busy {
        /// Sessions, chosen at construction.
        limit: usize,
    },
    /// The numbers of the sequence have run out.
    Rollover,
    /// No session, or no request that waits for a reply, has this name.
    Unknown,
}

impl fmt::Display for SendRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phase(phase) => write!(f, "the session is {phase:?}: this cannot be done now"),
            Self::Full { limit } => {
                write!(f, "{limit} messages are unacknowledged or wait, as many as there are places: wait for one")
            }
            Self::Busy { limit } => {
                write!(f, "{limit} other sessions are busy, as many as may be at once: wait for one")
            }
            Self::Rollover => f.write_str("the sequence has no more message numbers: open a new session"),
            Self::Unknown => f.write_str("there is no such session, or no such request waits for a reply"),
        }
    }
}

impl core::error::Error for SendRefused {}
