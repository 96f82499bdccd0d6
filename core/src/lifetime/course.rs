//! Which call is legal in which state, and what it does there.

use super::phase::CommunicationState;
use core::fmt;

/// What is asked of a channel or session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verb {
    /// Open it.
    Open,
    /// Close it in good order.
    Close,
    /// Give it up.
    Abort,
    /// It cannot go on (from inside).
    Fault,
    /// Send or receive for the application.
    Use,
    /// Send or receive for the protocol itself, as a closing handshake does (WCF: `ThrowIfClosedOrNotOpen`).
    Protocol,
}

impl Verb {
    /// All verbs, in table order.
    pub const ALL: [Self; 6] = [Self::Open, Self::Close, Self::Abort, Self::Fault, Self::Use, Self::Protocol];
}

/// What then happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Course {
    /// It opens.
    Open,
    /// It closes in good order.
    Graceful,
    /// It is given up: Closing, then Closed. Nothing is exchanged for it, and nobody gets an error.
    Abort,
    /// It is given up: Closing, then Closed; and the caller is told what made it fault.
    AbortAndReport,
    /// It faults.
    Fault,
    /// It may be used.
    Go,
    /// Nothing happens, and that is no error.
    Nothing,
    /// Nothing happens, and the caller is told why.
    Refuse(Refusal),
}

/// Why a call is not legal. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Refusal {
    /// It is not open.
    NotOpen,
    /// It was opened before.
    AlreadyOpen,
    /// It is closing, or was closed.
    Disposed,
    /// It was given up.
    Aborted,
    /// It has faulted.
    Faulted,
}

impl Refusal {
    /// The exception that WCF throws.
    pub const fn wcf_exception(self) -> &'static str {
        match self {
            Self::NotOpen | Self::AlreadyOpen => "System.InvalidOperationException",
            Self::Disposed => "System.ObjectDisposedException",
            Self::Aborted => "System.ServiceModel.CommunicationObjectAbortedException",
            Self::Faulted => "System.ServiceModel.CommunicationObjectFaultedException",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOpen => "The channel is not open: open it first, or wait until it is.",
            Self::AlreadyOpen => "The channel was opened before: a channel opens once.",
            Self::Disposed => "The channel was closed: open a new one.",
            Self::Aborted => {
                "The communication object, System.ServiceModel.Channels.ServiceChannel, cannot be used for \
                 communication because it has been Aborted."
            }
            Self::Faulted => {
                "The communication object, System.ServiceModel.Channels.ServiceChannel, cannot be used for \
                 communication because it is in the Faulted state."
            }
        })
    }
}

impl core::error::Error for Refusal {}

/// Why a call is not legal, with what made the channel fault, if it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused<R> {
    /// Why.
    pub refusal: Refusal,
    /// What made it fault first, where that is why.
    pub first: Option<R>,
}

impl<R: fmt::Display> fmt::Display for Refused<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.refusal)?;
        match &self.first {
            Some(first) => write!(f, " It faulted because: {first}"),
            None => Ok(()),
        }
    }
}

impl<R: fmt::Debug + fmt::Display> core::error::Error for Refused<R> {}

/// What `verb` does in `state`. `close_called`: was it closed, and not only aborted?
///
/// ```text
///         | Open        Close          Abort   Fault   Use              Protocol
/// Created | Open        Abort          Abort   Fault   NotOpen          NotOpen
/// Opening | AlreadyOpen Abort          Abort   Fault   NotOpen          NotOpen
/// Opened  | AlreadyOpen Graceful       Abort   Fault   Go               Go
/// Closing | gone        Nothing        Abort   Nothing gone             Go
/// Closed  | gone        Nothing        Nothing Nothing gone             gone
/// Faulted | Faulted     AbortAndReport Abort   Nothing Faulted          Faulted
/// ```
///
/// `gone` is [`Refusal::Disposed`] after a close and [`Refusal::Aborted`] after an abort alone. A client's proxy opens by itself
/// when it is used in Created.
pub const fn course(state: CommunicationState, verb: Verb, close_called: bool) -> Course {
    use CommunicationState as S;
    use Course as C;
    let gone = C::Refuse(if close_called { Refusal::Disposed } else { Refusal::Aborted });
    match (state, verb) {
        (S::Created, Verb::Open) => C::Open,
        (S::Opening | S::Opened, Verb::Open) => C::Refuse(Refusal::AlreadyOpen),
        (S::Created | S::Opening, Verb::Close) => C::Abort,
        (S::Opened, Verb::Close) => C::Graceful,
        (S::Closing | S::Closed, Verb::Close) | (S::Closed, Verb::Abort) => C::Nothing,
        (S::Faulted, Verb::Close) => C::AbortAndReport,
        (S::Created | S::Opening | S::Opened | S::Closing | S::Faulted, Verb::Abort) => C::Abort,
        (S::Created | S::Opening | S::Opened, Verb::Fault) => C::Fault,
        (S::Closing | S::Closed | S::Faulted, Verb::Fault) => C::Nothing,
        (S::Created | S::Opening, Verb::Use | Verb::Protocol) => C::Refuse(Refusal::NotOpen),
        (S::Opened, Verb::Use) | (S::Opened | S::Closing, Verb::Protocol) => C::Go,
        (S::Closing | S::Closed, Verb::Open | Verb::Use) | (S::Closed, Verb::Protocol) => gone,
        (S::Faulted, Verb::Open | Verb::Use | Verb::Protocol) => C::Refuse(Refusal::Faulted),
    }
}
