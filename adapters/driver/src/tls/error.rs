//! Why there is no protected connection.

use std::error::Error;
use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// Why there is no protected connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// No authority was named, so that nobody could ever be trusted.
    NobodyTrusted,
    /// A certificate that was named cannot be an authority's.
    BadAuthority,
    /// The private key is of a kind that TLS does not use.
    BadKey,
    /// The host of the address is neither a name nor an address that a certificate can have.
    BadName,
    /// The other side does not speak TLS: it may speak plain HTTP.
    NotTls,
    /// The other side's certificate is not accepted.
    Certificate(CertificateError),
    /// The other side has refused, and says why.
    Refused(AlertDescription),
    /// The connection failed during the handshake.
    Socket(io::Error),
    /// Anything else that rustls has against it.
    Failed(rustls::Error),
}

impl TlsError {
    pub(crate) fn from_io(error: io::Error) -> Self {
        Self::inside(&error).unwrap_or(Self::Socket(error))
    }

    /// What TLS has to say in an error of a socket, if it has.
    pub(crate) fn inside(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<rustls::Error>().cloned().map(Self::from)
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            rustls::Error::InvalidCertificate(problem) => Self::Certificate(problem),
            rustls::Error::AlertReceived(alert) => Self::Refused(alert),
            other => Self::Failed(other),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodyTrusted => f.write_str("no authority was named, so that nobody is trusted"),
            Self::BadAuthority => f.write_str("a certificate that was named cannot be an authority's"),
            Self::BadKey => f.write_str("the private key is of a kind that TLS does not use"),
            Self::BadName => f.write_str("the host of the address is no name that a certificate can have"),
            Self::NotTls => f.write_str("the other side does not speak TLS; is the address one of plain HTTP?"),
            Self::Certificate(problem) => write!(f, "the other side's certificate is not accepted: {problem}"),
            Self::Refused(AlertDescription::CertificateRequired) => {
                f.write_str("the other side wants a certificate, and none was given")
            }
            Self::Refused(alert) => write!(f, "the other side has refused: {alert:?}"),
            Self::Socket(error) => write!(f, "the connection failed during the handshake: {error}"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Socket(error) => Some(error),
            Self::Failed(error) => Some(error),
            Self::Certificate(_)
            | Self::NobodyTrusted
            | Self::BadAuthority
            | Self::BadKey
            | Self::BadName
            | Self::NotTls
            | Self::Refused(_) => None,
        }
    }
}
