//! Why a client's verbs fail.

use crate::BindingError;
use crate::fault::Fault;
use crate::http::HttpError;
use soap_session_core::lifetime::Refused;
use soap_session_core::reliable::{RmFaultKind, SessionError};
use soap_session_core::secure::{Failure, FaultSeen, Misuse};
use soap_session_core::session::{CallRefused, ChannelError};
use soap_session_core::soap::fault::KnownFault;
use soap_session_credentials::LoadError;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// How the last exchange that brought nothing usable went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Transport {
    /// There was no answer, or none that is SOAP.
    Failed(Arc<HttpError>),
    /// There was none within the send timeout.
    TimedOut,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "{error}"),
            Self::TimedOut => f.write_str("the exchange had no answer within the send timeout"),
        }
    }
}

/// Why a channel could not go on, or a call not be answered.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What the channel says; WCF's exception and text for it are told by it.
    pub error: ChannelError,
    /// The text of the fault that it is about, where there was one. If nothing protected it, anybody may have written it.
    pub reason: String,
    /// What the transport said last, where that is why.
    pub transport: Option<Transport>,
}

impl Failed {
    /// Nobody is there any more who could answer.
    pub(crate) const fn gone() -> Self {
        Self { error: ChannelError::Aborted, reason: String::new(), transport: None }
    }

    pub(crate) fn refused(refused: Refused<ChannelError>) -> Self {
        Self {
            error: refused.first.unwrap_or(ChannelError::Aborted),
            reason: refused.refusal.to_string(),
            transport: None,
        }
    }
}

impl Failed {
    /// What may be done about it, in a few words. Empty where the error or its reason says that itself.
    pub fn advice(&self) -> &'static str {
        match about(&self.error) {
            // WCF's two ways to say it.
            LATER if ["ry again later", "etry later"].iter().any(|told| self.reason.contains(told)) => "",
            advice => advice,
        }
    }
}

const fn about(error: &ChannelError) -> &'static str {
    match error {
        ChannelError::Conversation(Failure::Fault(FaultSeen { known: Some(known), .. }))
        | ChannelError::Lower(Failure::Fault(FaultSeen { known: Some(known), .. }))
        | ChannelError::UnsecuredFault(FaultSeen { known: Some(known), .. })
        | ChannelError::Fault(FaultSeen { known: Some(known), .. }) => about_fault(*known),
        ChannelError::Reliable(error) => about_session(error),
        ChannelError::TimedOut { .. } => "try again, or allow more time",
        ChannelError::Lower(_) => NEW_SESSION,
        ChannelError::Unrelated | ChannelError::NotSoap(_) | ChannelError::NotRead(_) => COMPARE,
        ChannelError::Conversation(_)
        | ChannelError::UnsecuredFault(_)
        | ChannelError::Fault(_)
        | ChannelError::NoAnswer
        | ChannelError::EmptyAnswer
        | ChannelError::Unsendable
        | ChannelError::Aborted
        | _ => "",
    }
}

const NEW_SESSION: &str = "this session is over: open another one";
const COMPARE: &str = "compare the bindings of both sides";
const LATER: &str = "try again later";

const fn about_fault(known: KnownFault) -> &'static str {
    match known {
        KnownFault::FailedAuthentication | KnownFault::InvalidSecurityToken => {
            "check the name and password, or the client's certificate"
        }
        KnownFault::InvalidSecurity => "compare the bindings, the service's certificate and the clocks of both sides",
        KnownFault::ServerTooBusy | KnownFault::EndpointUnavailable => LATER,
        KnownFault::BadContextToken
        | KnownFault::SecuritySessionAborted
        | KnownFault::SessionTerminated
        | KnownFault::InternalServiceFault => NEW_SESSION,
        KnownFault::RenewNeeded => "call again",
        KnownFault::InvalidRequest | KnownFault::OtherSecurity => COMPARE,
        KnownFault::ActionNotSupported => "compare the action with the service's contract, and the bindings",
        KnownFault::DestinationUnreachable => "check the service's address",
        KnownFault::OtherAddressing | KnownFault::OtherDispatcher | _ => "",
    }
}

const fn about_session(error: &SessionError) -> &'static str {
    match error {
        SessionError::Remote { kind: Some(kind), .. } => match kind {
            RmFaultKind::ConnectionLimitReached
            | RmFaultKind::CreateSequenceRefused
            | RmFaultKind::EndpointUnavailable => LATER,
            RmFaultKind::WsrmRequired | RmFaultKind::ActionNotSupported | RmFaultKind::AddressingHeaderRequired => {
                COMPARE
            }
            RmFaultKind::SequenceTerminated
            | RmFaultKind::UnknownSequence
            | RmFaultKind::InvalidAcknowledgement
            | RmFaultKind::MessageNumberRollover
            | RmFaultKind::LastMessageNumberExceeded
            | RmFaultKind::SequenceClosed => NEW_SESSION,
        },
        SessionError::Remote { kind: None, .. } => COMPARE,
        SessionError::OpenTimeout { .. } | SessionError::CloseTimeout { .. } => "try again, or allow more time",
        SessionError::ReplyTimeout { .. } => "this session is over: open another one, and allow calls more time",
        SessionError::Violation(_)
        | SessionError::Inactive { .. }
        | SessionError::RetriesExhausted { .. }
        | SessionError::Unsendable
        | SessionError::Lower
        | SessionError::StoppedListening
        | SessionError::UnansweredRequests => NEW_SESSION,
        // Its own words say it, or the caller has wanted it so.
        SessionError::Rollover | SessionError::Unwritten(_) | SessionError::Aborted | _ => "",
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        if let Some(transport) = &self.transport {
            write!(f, "; {transport}")?;
        }
        match self.advice() {
            "" => Ok(()),
            advice => write!(f, "; {advice}"),
        }
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// Why a call has no reply.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallError {
    /// It was not begun: nothing was sent, and nothing has changed.
    Refused(CallRefused),
    /// The service answered with a fault.
    Fault(Fault),
    /// It failed.
    Failed(Failed),
}

impl CallError {
    /// The exception that WCF's client throws.
    pub fn wcf_exception(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.wcf_exception(),
            Self::Fault(fault) => soap_session_core::session::fault_exception(fault.known),
            Self::Failed(failed) => failed.error.wcf_exception(),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => write!(f, "{refused}"),
            Self::Fault(fault) => write!(f, "the service answered with a fault: {fault}"),
            Self::Failed(failed) => write!(f, "the call failed: {failed}"),
        }
    }
}

impl Error for CallError {}

/// Why a close was not in good order. The channel is closed all the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CloseError {
    /// The channel had faulted before; with what made it so.
    Refused(Refused<ChannelError>),
    /// The handshake failed.
    Failed(Failed),
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => write!(f, "{refused}"),
            Self::Failed(failed) => write!(f, "not closed in good order: {failed}"),
        }
    }
}

impl Error for CloseError {}

/// Why a client cannot be made, or not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum NewError {
    /// The address, or TLS.
    Http(HttpError),
    /// What the machine refuses: no user where one is needed, an address that is too long.
    Misuse(Misuse),
    /// The binding cannot be.
    Binding(BindingError),
    /// The binding wants HTTPS, and the address is plain: messages would not be protected.
    NeedsHttps,
    /// A setting is beyond what this adapter's tables hold.
    Limit {
        /// Which.
        setting: &'static str,
        /// What was asked for.
        asked: u64,
        /// The greatest.
        limit: u64,
    },
    /// The system gives no randomness.
    Random(LoadError),
    /// The system gives no memory for its tables.
    Memory(io::Error),
    /// It was made, and could not be opened.
    Open(Failed),
}

impl fmt::Display for NewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => write!(f, "{error}"),
            Self::Misuse(misuse) => write!(f, "{misuse}"),
            Self::Binding(error) => write!(f, "{error}"),
            Self::NeedsHttps => f.write_str(
                "this binding leaves the protection of messages to HTTPS, and the address begins with http: use https",
            ),
            Self::Limit { setting, asked, limit } => {
                write!(f, "{setting} is {asked}, and this adapter has room for {limit}")
            }
            Self::Random(error) => write!(f, "{error}"),
            Self::Memory(error) => write!(f, "{error}"),
            Self::Open(failed) => write!(f, "cannot be opened: {failed}"),
        }
    }
}

impl Error for NewError {}

impl From<HttpError> for NewError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<Misuse> for NewError {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}

impl From<BindingError> for NewError {
    fn from(error: BindingError) -> Self {
        Self::Binding(error)
    }
}
