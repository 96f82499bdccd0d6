//! What a server tells whoever watches it, in plain words.

use bytes::Bytes;
use soap_session_core::service::Contract;
use soap_session_core::soap::SoapVersion;
use soap_session_core::xml::Limits;
use soap_session_tokio::{Answer, Call, MessageLog, Observer, Passed, PlainEnvelope, Service, SessionId, Way};
use std::fmt;
use std::io::{self, Write as _};
use std::sync::Arc;

/// A line on the standard output. Where nobody reads, nobody is told.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// With one full stop at the end.
fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

/// A service whose sessions and faults are told.
pub(super) struct Told<S> {
    service: S,
    sessions: bool,
    faults: bool,
}

impl<S> Told<S> {
    /// `sessions`: an instance is a session. `faults`: nobody else can read them.
    pub(super) const fn new(service: S, sessions: bool, faults: bool) -> Self {
        Self { service, sessions, faults }
    }
}

impl<S: Service> Service for Told<S> {
    type Instance = (S::Instance, Option<SessionId>);

    fn contract(&self) -> &Contract<'_> {
        self.service.contract()
    }

    fn instance(&self, session: Option<&SessionId>) -> Self::Instance {
        let told = session.filter(|_| self.sessions);
        if let Some(session) = told {
            say(format_args!("Session {session} begins."));
        }
        (self.service.instance(session), told.cloned())
    }

    async fn call(&self, (instance, _): &Self::Instance, call: Call) -> Answer {
        let action = if self.faults { call.action.clone() } else { String::new() };
        let answer = self.service.call(instance, call).await;
        match &answer {
            Answer::Fault(fault) if self.faults => {
                say(format_args!("Fault for {action}: {}", sentence(&fault.to_string())))
            }
            Answer::RawFault { .. } if self.faults => say(format_args!("Fault for {action}, as it was received.")),
            Answer::Unhandled => say(format_args!("The operation for {action} failed.")),
            _ => {}
        }
        answer
    }

    fn disposed(&self, (instance, session): &Self::Instance) {
        self.service.disposed(instance);
        if let Some(session) = session {
            say(format_args!("Session {session} is over."));
        }
    }
}

/// Tells faults that pass in clear, those of refused messages among them, and keeps the log.
pub(super) struct Faults {
    pub(super) soap: SoapVersion,
    pub(super) log: Option<Arc<MessageLog>>,
}

impl Observer for Faults {
    fn passed(&self, passed: &Passed<'_>) {
        if let Some(log) = &self.log {
            log.passed(passed);
        }
        if passed.way != Way::Sent || passed.status.is_none_or(|status| status < 400) {
            return;
        }
        let message = Bytes::copy_from_slice(passed.message);
        match PlainEnvelope::read(&message, self.soap, &Limits::MAX) {
            Ok(PlainEnvelope { fault: Some(fault), .. }) => {
                say(format_args!("Answered with a fault: {}", sentence(&fault.to_string())))
            }
            // Under protection; or the service said it.
            Ok(_) => {}
            Err(_) => {
                let text = String::from_utf8_lossy(passed.message).chars().take(200).collect::<String>();
                say(format_args!("Answered with HTTP {}: {}", passed.status.unwrap_or_default(), text.escape_debug()));
            }
        }
    }
}
