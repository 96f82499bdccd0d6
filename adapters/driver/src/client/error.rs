//! Why a client's verbs fail.

use crate::BindingError;
use crate::fault::Fault;
use crate::http::HttpError;
use soap_session_core::lifetime::Refused;
use soap_session_core::secure::Misuse;
use soap_session_core::session::{CallRefused, ChannelError};
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
    /// The text of the fault that it is about, where there was one.
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

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        match &self.transport {
            Some(transport) => write!(f, "; {transport}"),
            None => Ok(()),
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
            Self::Failed(failed) => write!(f, "{failed}"),
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
            Self::Failed(failed) => write!(f, "{failed}"),
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
