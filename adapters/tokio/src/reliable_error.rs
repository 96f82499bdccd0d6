//! Why a reliable session, or one of its messages, failed.

use crate::http::HttpError;
use soap_session_core::reliable::{SendRefused, SessionError};
use soap_session_core::secure::{Failure, Misuse};
use std::fmt;
use std::sync::Arc;

/// Why a reliable session could not be made, opened or closed, or a message was not delivered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReliableError {
    /// The session's state does not allow it.
    Refused(SendRefused),
    /// The session ended. Whether the service had a message that was under way is not known.
    Ended {
        /// Why.
        error: SessionError,
        /// How the last exchange went that got no answer, if one did not: a hint, since each by itself is only a loss.
        exchange: Option<Arc<HttpError>>,
    },
    /// The secure conversation under the session failed, and the session with it.
    Conversation {
        /// Why.
        failure: Failure,
        /// The text of the fault's reason, if it was a fault.
        reason: String,
    },
    /// The message waited for room longer than the send timeout. It was not sent; the session goes on.
    TimedOut,
    /// The message arrived, and the service answers it by nothing.
    NoReply,
    /// A duplex session needs more than HTTP exchanges.
    Duplex,
    /// The binding or the address does not allow it.
    Misuse(Misuse),
    /// The address is none of HTTP.
    Http(Arc<HttpError>),
}

impl fmt::Display for ReliableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => write!(f, "{refused}"),
            Self::Ended { error, exchange: None } => write!(f, "{error}"),
            Self::Ended { error, exchange: Some(exchange) } => write!(f, "{error}; the last lost exchange: {exchange}"),
            Self::Conversation { failure, reason } if reason.is_empty() => write!(f, "{failure}"),
            Self::Conversation { failure, reason } => write!(f, "{failure}: {reason}"),
            Self::TimedOut => f.write_str("the message waited for room longer than the send timeout, and was not sent"),
            Self::NoReply => f.write_str("the message arrived, and the service gave no reply to it"),
            Self::Duplex => f.write_str("a duplex session needs more than HTTP exchanges: use another shape"),
            Self::Misuse(misuse) => write!(f, "{misuse}"),
            Self::Http(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ReliableError {}

impl From<SendRefused> for ReliableError {
    fn from(refused: SendRefused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Misuse> for ReliableError {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}

impl From<HttpError> for ReliableError {
    fn from(error: HttpError) -> Self {
        Self::Http(Arc::new(error))
    }
}
