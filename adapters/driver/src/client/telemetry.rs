//! What a client tells.

use super::{CallError, Reply, Transport};
use crate::http::HttpError;
use crate::telemetry::{
    CallUnderWay, OpenSession, Outcome, RENEWALS, RETRANSMISSIONS, Role, TARGET, exchanged, received, sent,
};
use metrics::counter;
use soap_session_core::exchange::Exchange;
use soap_session_core::secure::FaultSeen;
use soap_session_core::session::{CallId, ChannelEvent};
use soap_session_core::soap::{RequestType, TrustVersion};
use std::fmt;
use tracing::{Span, debug, field, info, info_span, warn};

/// A client's channel, as it is told of.
pub(super) struct ChannelTelemetry {
    span: Span,
    session: Option<Box<str>>,
    open: Option<OpenSession>,
    /// The application gives up: what closes then is aborted.
    giving_up: bool,
    resent: u64,
}

impl ChannelTelemetry {
    pub(super) fn new(url: &str) -> Self {
        let to = url.split(['?', '#']).next().unwrap_or_default();
        let span = info_span!(target: TARGET, parent: None, "channel", to, session = field::Empty);
        Self { span, session: None, open: None, giving_up: false, resent: 0 }
    }

    fn session(&self) -> &str {
        self.session.as_deref().unwrap_or_default()
    }

    pub(super) const fn giving_up(&mut self) {
        self.giving_up = true;
    }

    /// Something happened to the channel whose session's id this is.
    pub(super) fn told(&mut self, event: &ChannelEvent, id: Option<&[u8]>) {
        if let (None, Some(id)) = (&self.session, id) {
            let id = String::from_utf8_lossy(id);
            self.span.record("session", &*id);
            self.session = Some(id.into());
        }
        let (span, session) = (&self.span, self.session.as_deref().unwrap_or_default());
        match event {
            ChannelEvent::Opened => {
                self.open = self.session.is_some().then(|| OpenSession::new(Role::Client));
                info!(target: TARGET, parent: span, session, "session opened");
            }
            ChannelEvent::Faulted(error) => {
                warn!(target: TARGET, parent: span, session, reason = %error, wcf = error.wcf_exception(), "session broken");
                self.ended("broken");
            }
            ChannelEvent::Closed if self.giving_up => {
                if self.ended("aborted") {
                    let reason = "the application gave it up";
                    warn!(target: TARGET, parent: &self.span, session = self.session(), reason, "session aborted");
                }
            }
            ChannelEvent::Closed => {
                info!(target: TARGET, parent: span, session, "session closed");
                self.ended("closed");
            }
            ChannelEvent::OpenDone(Err(error)) => {
                warn!(target: TARGET, parent: span, session, reason = %error, "open failed");
            }
            ChannelEvent::CloseDone(Err(error)) => {
                warn!(target: TARGET, parent: span, session, reason = %error, "close failed");
            }
            // What becomes of calls is told where it is known in full.
            ChannelEvent::OpenDone(Ok(())) | ChannelEvent::CloseDone(Ok(())) | ChannelEvent::CallDone(..) | _ => {}
        }
    }

    fn ended(&mut self, how: &'static str) -> bool {
        self.open.take().map(|open| open.ended(how)).is_some()
    }

    pub(super) fn called(&self, call: CallId, action: &str) -> CallUnderWay {
        debug!(target: TARGET, parent: &self.span, session = self.session(), %call, action, "call begun");
        CallUnderWay::new(Role::Client)
    }

    pub(super) fn answered(
        &self,
        call: CallId,
        mut under_way: CallUnderWay,
        answer: &Result<Option<Reply>, CallError>,
    ) {
        let (session, ms) = (self.session(), under_way.millis());
        let outcome = match answer {
            Ok(Some(_)) => Outcome::Reply,
            Ok(None) => Outcome::Accepted,
            Err(CallError::Fault(_)) => Outcome::Fault,
            Err(CallError::Failed(failed)) => {
                // Not what else is known of it: the text of a fault is a body.
                warn!(target: TARGET, parent: &self.span, session, %call, reason = %failed.error, ms, "call failed");
                Outcome::Failed
            }
            Err(CallError::Refused(refused)) => {
                warn!(target: TARGET, parent: &self.span, session, %call, reason = %refused, ms, "call failed");
                Outcome::Failed
            }
        };
        if outcome != Outcome::Failed {
            debug!(target: TARGET, parent: &self.span, session, %call, outcome = outcome.name(), ms, "call answered");
        }
        under_way.ended(outcome);
    }

    pub(super) fn fault(&self, call: CallId, fault: &FaultSeen) {
        let FaultSeen { code, known, secured, .. } = fault;
        let session = self.session();
        info!(target: TARGET, parent: &self.span, session, %call, ?code, ?known, secured, "fault received");
    }

    pub(super) fn sent(&self, exchange: Exchange, action: &[u8], bytes: usize) {
        let session = self.session();
        sent(Role::Client, bytes);
        if TrustVersion::ALL.iter().any(|trust| trust.request_action(RequestType::Renew).as_bytes() == action) {
            counter!(RENEWALS, "role" => "client").increment(1);
            info!(target: TARGET, parent: &self.span, session, "key renewed");
        }
        let action = &*String::from_utf8_lossy(action);
        debug!(target: TARGET, parent: &self.span, session, exchange = exchange.0, action, bytes, "exchange sent");
    }

    /// So many messages were sent again since the channel was made.
    pub(super) fn resent(&mut self, resent: u64) {
        let messages = resent.saturating_sub(self.resent);
        if messages > 0 {
            self.resent = resent;
            counter!(RETRANSMISSIONS).increment(messages);
            debug!(target: TARGET, parent: &self.span, session = self.session(), messages, "sent again");
        }
    }

    pub(super) fn received(&self, exchange: Exchange, status: u16, bytes: usize) {
        exchanged(Role::Client, Some(status));
        received(Role::Client, bytes);
        let (session, exchange) = (self.session(), exchange.0);
        debug!(target: TARGET, parent: &self.span, session, exchange, status, bytes, "exchange answered");
    }

    /// There is no answer, or none that is SOAP.
    pub(super) fn lost(&self, exchange: Exchange, transport: &Transport) {
        // An answer that is no SOAP was counted by its status.
        if !matches!(transport, Transport::Failed(error) if matches!(**error, HttpError::NotSoap { .. })) {
            exchanged(Role::Client, None);
        }
        let (session, exchange, reason) = (self.session(), exchange.0, Reason(transport));
        warn!(target: TARGET, parent: &self.span, session, exchange, %reason, "exchange lost");
    }
}

/// Why there is no answer, without what the answer said.
struct Reason<'t>(&'t Transport);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Transport::Failed(error) => match &**error {
                HttpError::NotSoap { status, .. } => write!(f, "the answer is no SOAP message: HTTP status {status}"),
                error => write!(f, "{error}"),
            },
            Transport::TimedOut => write!(f, "{}", self.0),
        }
    }
}
