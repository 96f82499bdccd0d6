//! Why an exchange brought no answer.

use std::error::Error;
use std::fmt;
use std::io;

use http_body_util::LengthLimitError;

use super::EncodingProblem;
use crate::tls::TlsError;

/// Why an exchange brought no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum HttpError {
    /// The address is not of the form `http://host[:port]/path` or `https://host[:port]/path`, or has a user name in it.
    BadUrl,
    /// The address says `https`, and whom to trust was not said.
    TlsNotConfigured,
    /// The content type or the action has characters that a header must not have.
    BadHeader,
    /// The server cannot be reached. Nothing was sent.
    Connect(io::Error),
    /// There is no protected connection: the server is not whom we trust, or does not trust us.
    Tls(TlsError),
    /// The connection ended before the whole answer was here. The server may or may not have got the request.
    ClosedEarly,
    /// The answer's body is longer than allowed.
    BodyTooLarge {
        /// Most octets allowed.
        limit: usize,
        /// The length that the answer's head announced, if that was too much.
        announced: Option<u64>,
    },
    /// The answer is compressed, and cannot be opened.
    Encoding(EncodingProblem),
    /// The answer is not HTTP/1.1.
    Protocol(hyper::Error),
    /// The answer is no SOAP message: from a proxy, a login page, or a server that refuses without a fault.
    NotSoap {
        /// HTTP status code.
        status: u16,
        /// `Content-Type`.
        content_type: Option<String>,
        /// What it said in plain words: the beginning of a text body, where a redirection points, or which login is asked for.
        said: Option<String>,
    },
}

impl HttpError {
    pub(super) fn from_body(error: Box<dyn Error + Send + Sync>, limit: usize) -> Self {
        if error.is::<LengthLimitError>() {
            return Self::BodyTooLarge { limit, announced: None };
        }
        // Nothing else than the two can come out of a limited body.
        error.downcast::<hyper::Error>().map_or(Self::ClosedEarly, |error| Self::from_hyper(*error))
    }

    pub(super) fn from_hyper(error: hyper::Error) -> Self {
        let sources = std::iter::successors(error.source(), |error| (*error).source());
        let socket = sources.filter_map(|source| source.downcast_ref::<io::Error>()).next();
        if let Some(tls) = socket.and_then(TlsError::inside) {
            return Self::Tls(tls);
        }
        if socket.is_some() || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            Self::ClosedEarly
        } else {
            Self::Protocol(error)
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadUrl => {
                f.write_str("the address is not of the form http://host[:port]/path or https://host[:port]/path")
            }
            Self::TlsNotConfigured => f.write_str("the address says https: name the authorities that are trusted"),
            Self::BadHeader => {
                f.write_str("the content type or action has characters that an HTTP header must not have")
            }
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Tls(error) => write!(f, "no protected connection: {error}"),
            Self::ClosedEarly => f.write_str("the connection ended before the whole answer was received"),
            Self::BodyTooLarge { limit, announced: Some(length) } => {
                write!(f, "the answer has {length} octets, more than the {limit} allowed")
            }
            Self::BodyTooLarge { limit, announced: None } => {
                write!(f, "the answer is longer than the {limit} octets allowed")
            }
            Self::Encoding(problem) => write!(f, "the answer cannot be opened: {problem}"),
            Self::Protocol(error) => write!(f, "the answer is not HTTP/1.1: {error}"),
            Self::NotSoap { status, content_type, said } => {
                write!(f, "the answer is no SOAP message: HTTP status {status}, ")?;
                match content_type {
                    Some(content_type) => write!(f, "content type '{content_type}'")?,
                    None => f.write_str("no content type")?,
                }
                said.as_ref().map_or(Ok(()), |said| write!(f, ": {said}"))
            }
        }
    }
}

impl Error for HttpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::Protocol(error) => Some(error),
            Self::BadUrl
            | Self::TlsNotConfigured
            | Self::BadHeader
            | Self::ClosedEarly
            | Self::BodyTooLarge { .. }
            | Self::Encoding(_)
            | Self::NotSoap { .. } => None,
        }
    }
}
