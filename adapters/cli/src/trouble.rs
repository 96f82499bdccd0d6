//! How a job ends: exit codes that scripts can use, and words that people can.

use soap_session_core::reliable::SessionError;
use soap_session_core::secure::Failure;
use soap_session_core::session::{CallRefused, ChannelError};
use soap_session_core::soap::fault::KnownFault;
use soap_session_tokio::http::HttpError;
use soap_session_tokio::{BindingError, CallError, Client, CloseError, Failed, NewError, ServeError, Transport};
use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;
use tokio::runtime::Builder;

/// The exit code of a process that Ctrl-C has ended, as shells say it.
const INTERRUPTED: u8 = 130;
/// The same of the system's request to end.
const TERMINATED: u8 = 143;

/// Where nobody seems to be.
const LOOK: &str = "Look at host, port and path, and at what stands between";
/// How long the last message of a session that is aborted may take.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a job ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Exit {
    /// 0: every call was answered.
    Done,
    /// 1: a SOAP fault.
    Fault,
    /// 2: the options are wrong.
    Usage,
    /// 3: not reached, not opened, or lost.
    Unreachable,
    /// 4: too late.
    TimedOut,
    /// 5: security.
    Security,
    /// 6: anything else.
    Other,
    /// 130: by Ctrl-C.
    Interrupted,
    /// 143: by the system's request to end.
    Terminated,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Fault => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::TimedOut => 4,
            Self::Security => 5,
            Self::Other => 6,
            Self::Interrupted => INTERRUPTED,
            Self::Terminated => TERMINATED,
        }
    }

    /// What may be done about it.
    const fn advice(self) -> &'static str {
        match self {
            Self::Done | Self::Fault | Self::Usage | Self::Other | Self::Interrupted | Self::Terminated => "",
            Self::Unreachable => {
                "Is the service running there? Look at host, port and path, and at what stands between"
            }
            Self::TimedOut => "Give it more time with --timeout, or look at what the service is doing",
            Self::Security => {
                "Compare on both sides: binding, security and credential, the service's certificate, name and password or the \
                 client's certificate, the algorithm suite, and the clocks (five minutes are tolerated). After a restart of the \
                 service old sessions are not known: call again"
            }
        }
    }
}

/// Why a job could not be done.
#[derive(Debug)]
pub struct Trouble {
    /// The kind.
    pub exit: Exit,
    text: String,
    /// What may be done about it, as the error says.
    own: &'static str,
    /// What may be done about it with this program, if neither of them says it.
    advice: &'static str,
}

impl Trouble {
    /// Options that are wrong, and what would be right.
    pub fn usage(text: impl fmt::Display) -> Self {
        Self::of(Exit::Usage, &text)
    }

    /// Anything without a code of its own.
    pub fn other(text: impl fmt::Display) -> Self {
        Self::of(Exit::Other, &text)
    }

    /// With what it is about in front.
    #[must_use]
    pub fn about(self, what: impl fmt::Display) -> Self {
        Self { text: format!("{what}: {}", self.text), ..self }
    }

    /// It was told to stop.
    pub(crate) fn stopped(exit: Exit, text: impl fmt::Display) -> Self {
        Self::of(exit, &text)
    }

    fn of(exit: Exit, error: &dyn fmt::Display) -> Self {
        Self { exit, text: error.to_string(), own: "", advice: exit.advice() }
    }

    /// What has happened, without advice: that is for whoever runs this program.
    pub(crate) fn fact(&self) -> &str {
        self.text.trim_end_matches('.')
    }

    /// With the advice that is nearer to the matter: the error's own, but for time, which an option gives, and for an address at
    /// which nobody is.
    fn of_failed(exit: Exit, error: &dyn fmt::Display, failed: &Failed) -> Self {
        let Self { mut text, advice, .. } = Self::of(exit, error);
        let own = failed.advice();
        if let Some(fact) = text.strip_suffix(own).and_then(|text| text.strip_suffix("; ")) {
            text.truncate(fact.len());
        }
        let (own, advice) = match (exit, &failed.error) {
            // It asks whether the service is there.
            (Exit::Unreachable, ChannelError::NoAnswer) => ("", LOOK),
            (Exit::Unreachable, _) if failed.transport.as_ref().is_some_and(nobody_there) => ("", advice),
            (
                Exit::TimedOut,
                ChannelError::TimedOut { .. }
                | ChannelError::Reliable(SessionError::OpenTimeout { .. } | SessionError::CloseTimeout { .. }),
            ) => ("", advice),
            _ if !own.is_empty() => (own, ""),
            // It is there, and has said why it does not.
            (Exit::Unreachable, _) if !failed.reason.is_empty() => ("", ""),
            _ => ("", advice),
        };
        Self { exit, text, own, advice }
    }
}

/// Runs a job on Tokio, to its end. What went wrong is told on the standard error.
pub(crate) fn run(command: &str, job: impl Future<Output = Result<Exit, Trouble>>) -> Exit {
    let done = Builder::new_multi_thread().enable_all().build().map_err(Trouble::other).and_then(|runtime| {
        let done = runtime.block_on(job);
        // Dropped, it would wait for threads that may take as long as they like: to look up a name, to write where nobody reads.
        runtime.shutdown_background();
        done
    });
    done.unwrap_or_else(|trouble| {
        let _ = writeln!(io::stderr(), "{command}: {trouble}");
        trouble.exit
    })
}

/// Aborts a client whose time is over. What tells the other side that its session has ended gets a moment to be sent.
pub(crate) async fn give_up(client: &Client) {
    client.abort();
    let _ = tokio::time::timeout(LAST_WORDS, client.finished()).await;
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.fact())?;
        if !self.own.is_empty() {
            write!(f, "; {}", self.own)?;
        }
        f.write_str(".")?;
        match self.advice {
            "" => Ok(()),
            advice => write!(f, " {advice}."),
        }
    }
}

impl std::error::Error for Trouble {}

/// What kind of failure this is; `opening`: there was no session yet.
pub fn exit_of(failed: &Failed, opening: bool) -> Exit {
    let told = match &failed.error {
        ChannelError::TimedOut { .. }
        | ChannelError::Reliable(
            SessionError::ReplyTimeout { .. }
            | SessionError::OpenTimeout { .. }
            | SessionError::CloseTimeout { .. }
            | SessionError::Inactive { .. },
        ) => Exit::TimedOut,
        ChannelError::Reliable(SessionError::RetriesExhausted { .. }) | ChannelError::NoAnswer => Exit::Unreachable,
        ChannelError::Conversation(failure) | ChannelError::Lower(failure) => match failure {
            Failure::Fault(fault) => match fault.known {
                Some(KnownFault::ServerTooBusy | KnownFault::EndpointUnavailable) => Exit::Unreachable,
                Some(known) if known.is_security() => Exit::Security,
                // A service that knows nothing of security, or of this kind of it.
                _ if opening => Exit::Security,
                _ => Exit::Fault,
            },
            Failure::NoAnswer | Failure::CloseUnconfirmed => Exit::Unreachable,
            _ => Exit::Security,
        },
        ChannelError::NotRead(_) | ChannelError::UnsecuredFault(_) => Exit::Security,
        ChannelError::Fault(_) => Exit::Fault,
        _ => Exit::Other,
    };
    match (&failed.transport, told) {
        (Some(Transport::Failed(http)), Exit::Unreachable) if answers(http) => Exit::Other,
        (Some(Transport::Failed(http)), Exit::TimedOut | Exit::Unreachable | Exit::Other) => match &**http {
            HttpError::Tls(_) => Exit::Security,
            // Tried until the time was over, and never reached.
            HttpError::Connect(_) if opening => Exit::Unreachable,
            _ => told,
        },
        (Some(Transport::TimedOut), Exit::Unreachable) => Exit::TimedOut,
        (_, Exit::Other) if opening => Exit::Unreachable,
        _ => told,
    }
}

/// There is no connection.
fn nobody_there(transport: &Transport) -> bool {
    matches!(transport, Transport::Failed(http) if matches!(**http, HttpError::Connect(_)))
}

/// Somebody is there, and answers what is of no use: no SOAP, or too much of it.
const fn answers(http: &HttpError) -> bool {
    match http {
        // A proxy that does not reach the service; or there is none at this path.
        HttpError::NotSoap { status, .. } => !matches!(*status, 404 | 502..=504),
        HttpError::BodyTooLarge { .. } | HttpError::Encoding(_) | HttpError::Protocol(_) => true,
        _ => false,
    }
}

impl From<Failed> for Trouble {
    fn from(failed: Failed) -> Self {
        Self::of_failed(exit_of(&failed, false), &failed, &failed)
    }
}

impl From<NewError> for Trouble {
    fn from(error: NewError) -> Self {
        match &error {
            NewError::Open(failed) => Self::of_failed(exit_of(failed, true), &error, failed),
            NewError::Random(_) | NewError::Memory(_) => Self::other(error),
            _ => Self::usage(error),
        }
    }
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        let exit = match &error {
            CallError::Fault(_) => Exit::Fault,
            CallError::Failed(failed) => return Self::of_failed(exit_of(failed, false), &error, failed),
            CallError::Refused(CallRefused::State(refused)) => match &refused.first {
                Some(first) => {
                    let failed = Failed { error: first.clone(), reason: String::new(), transport: None };
                    return Self::of_failed(exit_of(&failed, false), &error, &failed);
                }
                None => Exit::Other,
            },
            CallError::Refused(CallRefused::TooManyCalls { .. }) => Exit::TimedOut,
            _ => Exit::Other,
        };
        Self::of(exit, &error)
    }
}

impl From<CloseError> for Trouble {
    fn from(error: CloseError) -> Self {
        match &error {
            CloseError::Failed(failed) => Self::of_failed(exit_of(failed, false), &error, failed),
            _ => Self::other(error),
        }
    }
}

impl From<BindingError> for Trouble {
    fn from(error: BindingError) -> Self {
        Self::usage(error)
    }
}

impl From<ServeError> for Trouble {
    fn from(error: ServeError) -> Self {
        match &error {
            ServeError::Bind(_) => Self::of(Exit::Other, &error),
            ServeError::Random(_) => Self::other(error),
            _ => Self::usage(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use soap_session_core::reliable::RmFaultKind;
    use soap_session_core::session::TimedOutAt;
    use soap_session_core::soap::FaultCode;
    use std::sync::Arc;

    #[test]
    fn advice_is_given_once() {
        let failed = |error| Failed { error, reason: String::new(), transport: None };
        let late = failed(ChannelError::TimedOut { at: TimedOutAt::Reply, allotted: Duration::from_secs(2) });
        let lost = failed(ChannelError::Lower(Failure::NoAnswer));
        for (failed, advice) in [(late, "Give it more time with --timeout"), (lost, "open another one")] {
            let own = failed.advice();
            let text = Trouble::from(failed).to_string();
            assert!(text.contains(advice), "{text}");
            assert_eq!(text.contains(own), own.contains(advice), "{text}");
            assert!(!text.contains("Is the service running"), "{text}");
        }
    }

    #[test]
    fn advice_is_what_helps() {
        let timeout = Duration::from_secs(2);
        let refused = || Arc::new(HttpError::Connect(io::ErrorKind::ConnectionRefused.into()));
        let unreached = || Some(Transport::Failed(refused()));
        let reliable = ChannelError::Reliable;
        let limit = SessionError::Remote { kind: Some(RmFaultKind::ConnectionLimitReached), code: FaultCode::Receiver };
        for (error, reason, transport, has, has_not) in [
            // Nobody listens: what the session says of its time is of no use.
            (
                reliable(SessionError::OpenTimeout { timeout }),
                "",
                unreached(),
                "Is the service running there?",
                "try again",
            ),
            (ChannelError::NoAnswer, "", unreached(), "Look at host", "Is the service running there?"),
            (reliable(SessionError::OpenTimeout { timeout }), "", None, "--timeout", "try again"),
            // That time is not --timeout's; and more of it does not help where the session is over.
            (reliable(SessionError::Inactive { timeout }), "", None, "open another one", "--timeout"),
            (reliable(SessionError::ReplyTimeout { number: 1, timeout }), "", None, "open another one", "--timeout"),
            (reliable(limit), "It is too busy. Try again later.", None, "Try again later", "Is the service"),
            (reliable(limit), "", None, "try again later.", "Is the service"),
        ] {
            let trouble = Trouble::from(NewError::Open(Failed { error, reason: reason.to_owned(), transport }));
            let text = trouble.to_string();
            assert!(text.contains(has) && !text.contains(has_not), "{text}");
            assert!(text.to_lowercase().matches("again later").count() < 2, "{text}");
            assert!(trouble.fact().len() < text.len() && !trouble.fact().contains("open another one"), "{text}");
        }
    }
}
