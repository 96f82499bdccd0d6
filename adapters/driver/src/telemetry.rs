//! What clients and servers tell of themselves: events for [`tracing`], numbers for [`metrics`]. Whoever wants them installs a
//! subscriber or a recorder; without one they cost next to nothing.
//!
//! Bodies, headers, keys, passwords and user names are never told, nor the text of a fault, which is a body too: only actions,
//! ids, addresses without their query, sizes, statuses and reasons of this library's own. A fault on the wire says less than
//! is known here, on purpose: what a peer's message was refused for stands in the event, and nowhere else.
//!
//! # Spans
//!
//! | span | level | fields | lasts |
//! |---|---|---|---|
//! | `channel` | INFO | `to`, `session` once it is open | as long as the client |
//! | `session` | INFO | `session`, `kind` (`secure`, `reliable`) | from a session's first message to its end, at the server |
//! | `call` | INFO | `session`, `call`, `action` | while a service's operation runs: its own events stand in it |
//!
//! # Events
//!
//! Their target is `soap_session`. `session` is the session's id: the token's or the sequence's identifier; empty where there is none,
//! or none yet. `exchange` counts exchanges, `call` a client's calls; a server's `call` is the message's number in its sequence, or else
//! that of its exchange.
//!
//! | event | level | who | fields |
//! |---|---|---|---|
//! | `session opened` | INFO | both | `session`; at a server, which has only made it: `kind` and its number `owner` |
//! | `session bound` | INFO | server | `session`: its first message was taken |
//! | `session ending` | DEBUG | server | `session`: its client sends no more |
//! | `session closed` | INFO | both | `session` |
//! | `session aborted` | WARN | both | `session`, `reason` |
//! | `session broken` | WARN | both | `session`, `reason`, `wcf` (WCF's exception, at a client) |
//! | `session swept` | INFO | server | `owner`: issued, and never used |
//! | `open failed`, `close failed` | WARN | client | `session`, `reason` |
//! | `conversation told` | DEBUG | server | `owner`, `issued`: a token under a reliable session was issued, or else renewed or cancelled |
//! | `key renewed` | INFO | both | `session`; a client tells when it asks for it |
//! | `call begun` | DEBUG | both | `session`, `call`, `action` |
//! | `call answered` | DEBUG | both | `session`, `call`, `outcome`, `ms` |
//! | `call failed` | WARN | client | `session`, `call`, `reason`, `ms` |
//! | `fault received` | INFO | both | `session`, `code`, `known`; `call`, `secured` at a client |
//! | `fault sent` | INFO | server | `exchange`, `bytes`, `status` |
//! | `message refused` | WARN | server | `exchange`, `kind`, `reason` (exact), `fault` (what its sender is told) |
//! | `call refused` | WARN | server | `session`, `action`, `fault`: answered by the dispatcher |
//! | `no room` | WARN | server | `exchange`, `reason` |
//! | `duplicate` | DEBUG | server | `exchange`, `session` |
//! | `sent again` | DEBUG | client | `session`, `messages` |
//! | `waits` | DEBUG | server | `session`, `throttle`, `pressure` (in words) |
//! | `throttle` | WARN when a limit is reached or somebody is refused, INFO when it has eased, DEBUG otherwise | server | `throttle`, `pressure` |
//! | `exchange sent`, `exchange answered` | DEBUG | client | `session`, `exchange`, `action`; `status`, `bytes` |
//! | `exchange lost` | WARN | client | `session`, `exchange`, `reason` |
//! | `request received`, `request answered` | DEBUG | server | `exchange`, `peer`, `action`, `bytes`; `status`, `bytes` |
//! | `exchange given up` | DEBUG | server | `exchange`: its client went away |
//! | `HTTP request refused` | WARN | server | `kind`, `status` |
//! | `server serves`, `server stops`, `server stopped` | INFO | server | `address`; `sessions` |
//! | `sessions aborted` | WARN | server | `sessions`: not closed by their clients in time |
//! | `message log loses` | WARN | log | `lost`, `reason`: once for each time it begins |
//!
//! # Metrics
//!
//! | metric | kind | unit | labels |
//! |---|---|---|---|
//! | `soap_session_sessions_open` | gauge | sessions | `role` |
//! | `soap_session_sessions_opened_total` | counter | sessions | `role` |
//! | `soap_session_sessions_ended_total` | counter | sessions | `role`, `how`: `closed`, `aborted`, `broken` |
//! | `soap_session_calls_under_way` | gauge | calls | `role` |
//! | `soap_session_calls_total` | counter | calls | `role`, `outcome`: `reply`, `accepted`, `fault`, `failed` |
//! | `soap_session_call_duration_seconds` | histogram | seconds | `role` |
//! | `soap_session_exchanges_total` | counter | exchanges | `role`, `status`: `200`, `202`, `400`, `500`, `503`, `other`, `none` |
//! | `soap_session_sent_bytes_total` | counter | bytes of envelopes | `role` |
//! | `soap_session_received_bytes_total` | counter | bytes of envelopes | `role` |
//! | `soap_session_throttle_limit` | gauge | permits | `throttle` |
//! | `soap_session_throttle_used` | gauge | permits | `throttle` |
//! | `soap_session_throttle_waiting` | gauge | who waits | `throttle` |
//! | `soap_session_throttle_waits_total` | counter | who had to wait | `throttle` |
//! | `soap_session_refusals_total` | counter | messages | `kind`, see below |
//! | `soap_session_duplicates_total` | counter | messages | |
//! | `soap_session_retransmissions_total` | counter | messages, of clients | |
//! | `soap_session_renewals_total` | counter | keys | `role` |
//! | `soap_session_log_lost_total` | counter | messages | |
//!
//! `role`: `client`, `server`. `throttle`: `MaxConcurrentCalls`, `MaxConcurrentSessions`, `MaxConcurrentInstances`. A server's
//! session is open from its first message on; a client's channel without a session counts as none. Several clients or servers of a
//! process are added up. Gauges go up and down: install the recorder first.
//!
//! `kind` of refusals: `not_soap`, `malformed`, `algorithm`, `unknown_token`, `credential`, `protection`, `time`, `replay`,
//! `full`, `key_expired`, `unknown_action`, `trust_request`, `reliable_messaging`, `no_room`, `other`, by the layers;
//! `action_not_supported`, `session_terminated`, `server_too_busy`, `internal_service_fault`, `must_understand`, by the dispatcher;
//! `http_path`, `http_method`, `http_content_type`, `http_encoding`, `http_too_large`, `http_body`, `http_time`, `http_head`,
//! `http_tls`, `http_handler`, by HTTP.
//!
//! What the machines do not tell is not counted: duplicates that a client receives, renewals under a reliable session at a server.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::time::Instant;
use tracing::warn;

/// The target of every event and span.
pub(crate) const TARGET: &str = "soap_session";

pub(crate) const SESSIONS_OPEN: &str = "soap_session_sessions_open";
pub(crate) const SESSIONS_OPENED: &str = "soap_session_sessions_opened_total";
pub(crate) const SESSIONS_ENDED: &str = "soap_session_sessions_ended_total";
pub(crate) const CALLS_UNDER_WAY: &str = "soap_session_calls_under_way";
pub(crate) const CALLS: &str = "soap_session_calls_total";
pub(crate) const CALL_DURATION: &str = "soap_session_call_duration_seconds";
pub(crate) const EXCHANGES: &str = "soap_session_exchanges_total";
pub(crate) const SENT: &str = "soap_session_sent_bytes_total";
pub(crate) const RECEIVED: &str = "soap_session_received_bytes_total";
pub(crate) const THROTTLE_LIMIT: &str = "soap_session_throttle_limit";
pub(crate) const THROTTLE_USED: &str = "soap_session_throttle_used";
pub(crate) const THROTTLE_WAITING: &str = "soap_session_throttle_waiting";
pub(crate) const THROTTLE_WAITS: &str = "soap_session_throttle_waits_total";
pub(crate) const REFUSALS: &str = "soap_session_refusals_total";
pub(crate) const DUPLICATES: &str = "soap_session_duplicates_total";
pub(crate) const RETRANSMISSIONS: &str = "soap_session_retransmissions_total";
pub(crate) const RENEWALS: &str = "soap_session_renewals_total";
pub(crate) const LOG_LOST: &str = "soap_session_log_lost_total";

/// Tells the installed recorder units and meanings of the [metrics](self#metrics).
pub fn describe() {
    describe_gauge!(SESSIONS_OPEN, Unit::Count, "Sessions that are open");
    describe_counter!(SESSIONS_OPENED, Unit::Count, "Sessions that were opened");
    describe_counter!(SESSIONS_ENDED, Unit::Count, "Sessions that ended: closed, aborted or broken");
    describe_gauge!(CALLS_UNDER_WAY, Unit::Count, "Calls that are not answered yet");
    describe_counter!(CALLS, Unit::Count, "Calls that ended, by how");
    describe_histogram!(CALL_DURATION, Unit::Seconds, "How long calls took");
    describe_counter!(EXCHANGES, Unit::Count, "HTTP exchanges that ended, by status");
    describe_counter!(SENT, Unit::Bytes, "Bytes of the envelopes that were sent");
    describe_counter!(RECEIVED, Unit::Bytes, "Bytes of the envelopes that were received");
    describe_gauge!(THROTTLE_LIMIT, Unit::Count, "Permits that a throttle has");
    describe_gauge!(THROTTLE_USED, Unit::Count, "Permits that are held");
    describe_gauge!(THROTTLE_WAITING, Unit::Count, "Who waits for a permit");
    describe_counter!(THROTTLE_WAITS, Unit::Count, "Who had to wait for a permit");
    describe_counter!(REFUSALS, Unit::Count, "Messages and requests that were refused, by why");
    describe_counter!(DUPLICATES, Unit::Count, "Messages that were received again");
    describe_counter!(RETRANSMISSIONS, Unit::Count, "Messages that clients sent again");
    describe_counter!(RENEWALS, Unit::Count, "Session keys that were renewed");
    describe_counter!(LOG_LOST, Unit::Count, "Messages that a message log could not keep");
}

#[derive(Clone, Copy)]
pub(crate) enum Role {
    Client,
    Server,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// A session that counts as open, until it is dropped.
pub(crate) struct OpenSession(Role);

impl OpenSession {
    pub(crate) fn new(role: Role) -> Self {
        counter!(SESSIONS_OPENED, "role" => role.name()).increment(1);
        gauge!(SESSIONS_OPEN, "role" => role.name()).increment(1);
        Self(role)
    }

    pub(crate) fn ended(self, how: &'static str) {
        counter!(SESSIONS_ENDED, "role" => self.0.name(), "how" => how).increment(1);
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        gauge!(SESSIONS_OPEN, "role" => self.0.name()).decrement(1);
    }
}

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Reply,
    /// A one-way message, or no reply.
    Accepted,
    Fault,
    Failed,
}

impl Outcome {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Accepted => "accepted",
            Self::Fault => "fault",
            Self::Failed => "failed",
        }
    }
}

/// A call that counts as under way, until it is dropped: then, if nobody said how it ended, it failed.
pub(crate) struct CallUnderWay {
    role: Role,
    begun: Instant,
    outcome: Outcome,
}

impl CallUnderWay {
    pub(crate) fn new(role: Role) -> Self {
        gauge!(CALLS_UNDER_WAY, "role" => role.name()).increment(1);
        Self { role, begun: Instant::now(), outcome: Outcome::Failed }
    }

    pub(crate) const fn ended(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for CallUnderWay {
    fn drop(&mut self) {
        let role = self.role.name();
        gauge!(CALLS_UNDER_WAY, "role" => role).decrement(1);
        counter!(CALLS, "role" => role, "outcome" => self.outcome.name()).increment(1);
        histogram!(CALL_DURATION, "role" => role).record(self.begun.elapsed().as_secs_f64());
    }
}

/// An exchange ended.
pub(crate) fn exchanged(role: Role, status: Option<u16>) {
    let status = match status {
        Some(200) => "200",
        Some(202) => "202",
        Some(400) => "400",
        Some(500) => "500",
        Some(503) => "503",
        Some(_) => "other",
        None => "none",
    };
    counter!(EXCHANGES, "role" => role.name(), "status" => status).increment(1);
}

pub(crate) fn sent(role: Role, bytes: usize) {
    counter!(SENT, "role" => role.name()).increment(bytes as u64);
}

pub(crate) fn received(role: Role, bytes: usize) {
    counter!(RECEIVED, "role" => role.name()).increment(bytes as u64);
}

/// HTTP refused a request: before the machines, or before there was one.
pub(crate) fn http_refused(kind: &'static str, status: u16) {
    counter!(REFUSALS, "kind" => kind).increment(1);
    warn!(target: TARGET, parent: None, kind, status, "HTTP request refused");
}
