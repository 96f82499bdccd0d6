//! Why a call, an open or a close failed, as a client's application hears it.

use crate::lifetime::{Refusal, Refused};
use crate::reliable::reasons::TimeSpan;
use crate::reliable::{RmFaultKind, SessionError};
use crate::secure::{Failure, FaultSeen};
use crate::soap::fault::KnownFault;
use crate::soap::{FaultCode, SoapError};
use crate::time::Duration;
use crate::xml::Span;
use core::fmt;

use super::super::NotRead;

/// What was under way when the time was over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TimedOutAt {
    /// The reliable session was being created.
    Open,
    /// The secure conversation's token had been asked for.
    Token,
    /// The reply had not come.
    Reply,
    /// The other side had not acknowledged everything, LastMessage included, when closing had to be done (February 2005).
    LastMessage,
    /// The reliable session's closing handshake was not answered.
    Close,
    /// The cancellation of the secure conversation was not answered.
    Cancel,
}

/// Why a call, an open or a close failed, or why the channel faulted.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ChannelError {
    /// Its time is over.
    TimedOut {
        /// What was under way.
        at: TimedOutAt,
        /// How long it was allowed to take.
        allotted: Duration,
    },
    /// The exchange ended without an answer: the connection was lost, or refused.
    NoAnswer,
    /// The answer is empty where a reply was due.
    EmptyAnswer,
    /// The answer is not one to this request.
    Unrelated,
    /// The answer cannot be read.
    NotRead(NotRead),
    /// The answer is no SOAP message.
    NotSoap(SoapError),
    /// The secure conversation, or the protection of this one message.
    Conversation(Failure),
    /// The secure conversation under a reliable session.
    Lower(Failure),
    /// The reliable session.
    Reliable(SessionError),
    /// The operation failed at the service in a way that it did not declare, and took the session with it.
    Fault(FaultSeen),
    /// A fault that nothing protects, where every message has to be protected by itself: whoever sent it, the channel has faulted.
    UnsecuredFault(FaultSeen),
    /// The message to send is not well-formed, or does not fit.
    Unsendable,
    /// The application aborted the channel, or closed it before it was open.
    Aborted,
}

impl ChannelError {
    pub(super) fn conversation(failure: Failure) -> Self {
        if failure == Failure::NoAnswer { Self::NoAnswer } else { Self::Conversation(failure) }
    }

    /// The same without places in a message that is gone.
    pub(super) fn kept(self) -> Self {
        let mut error = self;
        if let Self::Conversation(Failure::Fault(fault))
        | Self::Lower(Failure::Fault(fault))
        | Self::Fault(fault)
        | Self::UnsecuredFault(fault) = &mut error
        {
            fault.reason = Span::default();
        }
        error
    }

    /// The exception that WCF's client throws.
    pub fn wcf_exception(&self) -> &'static str {
        const COMMUNICATION: &str = "System.ServiceModel.CommunicationException";
        const PROTOCOL: &str = "System.ServiceModel.ProtocolException";
        const SECURITY: &str = "System.ServiceModel.Security.MessageSecurityException";
        const TOO_BUSY: &str = "System.ServiceModel.ServerTooBusyException";
        match self {
            Self::TimedOut { .. }
            | Self::Reliable(
                SessionError::ReplyTimeout { .. }
                | SessionError::OpenTimeout { .. }
                | SessionError::CloseTimeout { .. },
            ) => "System.TimeoutException",
            Self::NoAnswer | Self::EmptyAnswer | Self::Lower(_) => COMMUNICATION,
            Self::Unrelated | Self::NotSoap(_) | Self::NotRead(NotRead::Unreadable(_)) => PROTOCOL,
            Self::NotRead(NotRead::Refused(_)) | Self::UnsecuredFault(_) => SECURITY,
            Self::Conversation(Failure::Fault(fault)) => match fault.known {
                Some(KnownFault::ServerTooBusy) => TOO_BUSY,
                Some(known) if known.is_security() => SECURITY,
                known => fault_exception(known),
            },
            Self::Conversation(Failure::NoAnswer | Failure::CloseUnconfirmed) => COMMUNICATION,
            Self::Conversation(_) => SECURITY,
            Self::Reliable(SessionError::Remote { kind: Some(RmFaultKind::ConnectionLimitReached), .. }) => TOO_BUSY,
            Self::Reliable(SessionError::Remote { kind: Some(RmFaultKind::ActionNotSupported), .. }) => {
                fault_exception(Some(KnownFault::ActionNotSupported))
            }
            Self::Reliable(SessionError::Remote { kind: Some(RmFaultKind::UnknownSequence), .. }) => COMMUNICATION,
            Self::Reliable(SessionError::Remote { code: FaultCode::Sender, .. } | SessionError::Violation(_)) => {
                PROTOCOL
            }
            Self::Reliable(SessionError::Aborted) | Self::Aborted => Refusal::Aborted.wcf_exception(),
            Self::Reliable(_) | Self::Unsendable => COMMUNICATION,
            Self::Fault(fault) => fault_exception(fault.known),
        }
    }

    /// What WCF's client says, where that is recorded; `to` is the service's address. Otherwise what this says of itself.
    pub const fn wcf_text<'e>(&'e self, to: &'e [u8]) -> WcfText<'e> {
        WcfText { error: self, to }
    }
}

/// The exception that WCF's client makes of a fault that a service answered a call with. A fault that the contract declares is a
/// `FaultException` of its detail's type.
pub const fn fault_exception(known: Option<KnownFault>) -> &'static str {
    match known {
        Some(KnownFault::ActionNotSupported) => "System.ServiceModel.ActionNotSupportedException",
        Some(KnownFault::SessionTerminated) => "System.ServiceModel.ChannelTerminatedException",
        Some(KnownFault::DestinationUnreachable) => "System.ServiceModel.EndpointNotFoundException",
        Some(KnownFault::ServerTooBusy) => "System.ServiceModel.ServerTooBusyException",
        Some(
            KnownFault::BadContextToken
            | KnownFault::RenewNeeded
            | KnownFault::SecuritySessionAborted
            | KnownFault::FailedAuthentication
            | KnownFault::InvalidSecurityToken
            | KnownFault::InvalidSecurity
            | KnownFault::InvalidRequest
            | KnownFault::OtherSecurity
            | KnownFault::EndpointUnavailable
            | KnownFault::OtherAddressing
            | KnownFault::InternalServiceFault
            | KnownFault::OtherDispatcher,
        )
        | None => "System.ServiceModel.FaultException",
    }
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { at, allotted } => {
                let what = match at {
                    TimedOutAt::Open => "no reliable session was created",
                    TimedOutAt::Token => "no security token was issued",
                    TimedOutAt::Reply => "no reply came",
                    TimedOutAt::LastMessage => "the service did not acknowledge everything before the close",
                    TimedOutAt::Close => "the service did not answer the close",
                    TimedOutAt::Cancel => "the service did not confirm that the conversation is cancelled",
                };
                write!(f, "{what} within {} ms", allotted.as_millis())
            }
            Self::NoAnswer => f.write_str("the exchange ended without an answer: is the service there?"),
            Self::EmptyAnswer => {
                f.write_str("the answer is empty, and a reply was due: is the operation one-way there?")
            }
            Self::Unrelated => f.write_str("the answer relates to another request"),
            Self::NotSoap(error) => write!(f, "{error}"),
            Self::NotRead(why) => write!(f, "the answer cannot be read: {why}"),
            Self::Conversation(failure) => write!(f, "{failure}"),
            Self::Lower(failure) => write!(f, "the conversation under the reliable session failed: {failure}"),
            Self::Reliable(error) => write!(f, "{error}"),
            Self::Fault(fault) => match fault.known {
                Some(known) => write!(f, "the service answered with the fault {known:?}"),
                None => write!(f, "the service answered with a fault that blames the {:?}", fault.code),
            },
            Self::UnsecuredFault(fault) => match fault.known {
                Some(known) => write!(f, "the answer is the fault {known:?}, and nothing protects it"),
                None => write!(f, "the answer is a fault that blames the {:?}, and nothing protects it", fault.code),
            },
            Self::Unsendable => f.write_str("the message cannot be written: is its body well-formed?"),
            Self::Aborted => f.write_str("the channel was aborted"),
        }
    }
}

impl core::error::Error for ChannelError {}

/// An error in the words of WCF's client.
#[derive(Clone, Copy, Debug)]
pub struct WcfText<'e> {
    error: &'e ChannelError,
    to: &'e [u8],
}

impl WcfText<'_> {
    fn timed_out(f: &mut fmt::Formatter<'_>, before: &str, allotted: Duration, after: &str) -> fmt::Result {
        let span = TimeSpan::new(allotted);
        write!(f, "{before}{}{after}", span.as_bytes().escape_ascii())
    }
}

const INCREASE: &str = ". Increase the timeout value passed to the call to Request or increase the SendTimeout value on the \
                        Binding. The time allotted to this operation may have been a portion of a longer timeout.";
const UNSECURED: &str = "An unsecured or incorrectly secured fault was received from the other party. See the inner \
                         FaultException for the fault code and detail.";
const PORTION: &str = ". The time allotted to this operation may have been a portion of a longer timeout.";

impl fmt::Display for WcfText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.to.escape_ascii();
        match self.error {
            ChannelError::TimedOut { at, allotted } => match at {
                TimedOutAt::Open => {
                    Self::timed_out(f, "The request channel timed out attempting to send after ", *allotted, INCREASE)
                }
                TimedOutAt::Token | TimedOutAt::Reply | TimedOutAt::Cancel => Self::timed_out(
                    f,
                    "The request channel timed out while waiting for a reply after ",
                    *allotted,
                    INCREASE,
                ),
                TimedOutAt::LastMessage => Self::timed_out(
                    f,
                    "The operation did not complete within the allotted timeout of ",
                    *allotted,
                    PORTION,
                ),
                TimedOutAt::Close => Self::timed_out(
                    f,
                    "The close operation did not complete within the allotted timeout of ",
                    *allotted,
                    PORTION,
                ),
            },
            ChannelError::NoAnswer | ChannelError::Conversation(Failure::CloseUnconfirmed) => write!(
                f,
                "An error occurred while receiving the HTTP response to {to}. This could be due to the service endpoint \
                 binding not using the HTTP protocol. This could also be due to an HTTP request context being aborted by the \
                 server (possibly due to the service shutting down). See server logs for more details."
            ),
            ChannelError::EmptyAnswer => f.write_str(
                "The server did not provide a meaningful reply; this might be caused by a contract mismatch, a premature \
                 session shutdown or an internal server error.",
            ),
            ChannelError::Lower(_) | ChannelError::Reliable(SessionError::Lower) => f.write_str(
                "The underlying secure session has faulted before the reliable session fully completed. The reliable \
                 session was faulted.",
            ),
            ChannelError::Conversation(Failure::Fault(fault)) => match fault.known {
                Some(KnownFault::ServerTooBusy) => write!(
                    f,
                    "Server '{to}' sent back a fault indicating it is too busy to process the request. Please retry later. \
                     Please see the inner exception for fault details."
                ),
                Some(known) if known.is_security() => f.write_str(if fault.secured {
                    "The receiver sent back a security session fault message. Retry the request."
                } else {
                    UNSECURED
                }),
                _ => write!(f, "{}", self.error),
            },
            ChannelError::UnsecuredFault(_) => f.write_str(UNSECURED),
            ChannelError::Reliable(SessionError::Inactive { timeout }) => {
                Self::timed_out(f, "The inactivity timeout of (", *timeout, ") has been exceeded.")
            }
            ChannelError::Reliable(SessionError::RetriesExhausted { .. }) => f.write_str(
                "The maximum retry count has been exceeded with no response from the remote endpoint. The reliable session \
                 was faulted. This is often an indication that the remote endpoint is no longer available.",
            ),
            ChannelError::Reliable(SessionError::ReplyTimeout { timeout, .. }) => Self::timed_out(
                f,
                "The request channel timed out while waiting for a reply after ",
                *timeout,
                INCREASE,
            ),
            ChannelError::Reliable(SessionError::Remote { kind: Some(RmFaultKind::UnknownSequence), .. }) => f.write_str(
                "The remote endpoint no longer recognizes this sequence. This is most likely due to an abort on the remote \
                 endpoint. The value of wsrm:Identifier is not a known Sequence identifier. The reliable session was \
                 faulted.",
            ),
            ChannelError::Reliable(SessionError::Remote { kind: Some(RmFaultKind::ConnectionLimitReached), .. }) => write!(
                f,
                "The request to create a reliable session has been refused by the RM Destination. Server '{to}' is too busy \
                 to process this request. Try again later. The channel could not be opened."
            ),
            ChannelError::Reliable(SessionError::Remote { kind: Some(RmFaultKind::SequenceTerminated), .. }) => {
                f.write_str("The sequence has been terminated by the remote endpoint. The reliable session was faulted.")
            }
            ChannelError::Aborted | ChannelError::Reliable(SessionError::Aborted) => write!(f, "{}", Refusal::Aborted),
            ChannelError::Unrelated
            | ChannelError::NotSoap(_)
            | ChannelError::NotRead(_)
            | ChannelError::Conversation(_)
            | ChannelError::Reliable(_)
            | ChannelError::Fault(_)
            | ChannelError::Unsendable => write!(f, "{}", self.error),
        }
    }
}

/// Why a call was refused. Nothing has changed, and nothing goes over the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CallRefused {
    /// It would be the first, and its operation does not initiate a session.
    NotInitiating {
        /// The operation.
        operation: &'static str,
    },
    /// A terminating operation was called before.
    Terminated {
        /// The terminating operation.
        operation: &'static str,
    },
    /// Not in this state.
    State(Refused<ChannelError>),
    /// So many calls are under way already.
    TooManyCalls {
        /// The limit, chosen at construction.
        limit: usize,
    },
}

impl CallRefused {
    /// The exception that WCF throws.
    pub const fn wcf_exception(&self) -> &'static str {
        match self {
            Self::NotInitiating { .. } | Self::Terminated { .. } | Self::TooManyCalls { .. } => {
                "System.InvalidOperationException"
            }
            Self::State(refused) => refused.refusal.wcf_exception(),
        }
    }
}

impl fmt::Display for CallRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInitiating { operation } => write!(
                f,
                "The operation '{operation}' cannot be the first operation to be called because IsInitiating is false."
            ),
            Self::Terminated { operation } => write!(
                f,
                "This channel cannot send any more messages because IsTerminating operation '{operation}' has already been \
                 called."
            ),
            Self::State(refused) => write!(f, "{refused}"),
            Self::TooManyCalls { limit } => {
                write!(f, "{limit} calls are under way, as many as there may be: wait for one")
            }
        }
    }
}

impl core::error::Error for CallRefused {}
