//! What a server tells.

use super::heap::Heap;
use super::layer::{Heard, Layer};
use super::service::Answer;
use crate::http::{HttpRequest, HttpResponse};
use crate::telemetry::{
    CallUnderWay, DUPLICATES, OpenSession, Outcome, REFUSALS, RENEWALS, Role, TARGET, THROTTLE_LIMIT, THROTTLE_USED,
    THROTTLE_WAITING, THROTTLE_WAITS, exchanged, received, sent,
};
use metrics::{counter, gauge};
use soap_session_core::door::Census;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{self, SessionError};
use soap_session_core::secure::{Incoming, Refusal, SessionId};
use soap_session_core::service::{AbortReason, DispatchFault, ServiceHost};
use soap_session_core::session::{
    GoneBecause, Kept, LayerAction, LayerHeard, NotRead, Owner, ServiceHeard, ServiceLayer,
};
use soap_session_core::throttle::{Pressure, Throttle, ThrottleEvent};
use soap_session_core::time::Instant;
use std::collections::HashMap;
use std::fmt::Display;
use std::net::SocketAddr;
use tracing::{Span, debug, info, info_span, warn};

/// A session that was bound.
struct Session {
    span: Span,
    id: Box<str>,
    open: OpenSession,
}

/// The sessions of one shard, as they are told of.
#[derive(Default)]
pub(super) struct ShardTelemetry {
    sessions: HashMap<Owner, Session>,
}

/// The number that a machine knows a session by, and of what it is one.
const fn named(owner: Owner) -> (&'static str, u32) {
    match owner {
        Owner::Datagram => ("none", 0),
        Owner::Secure(SessionId(number)) => ("secure", number),
        Owner::Reliable(reliable::ReliableSessionId(number)) => ("reliable", number),
    }
}

fn id_of(layer: &Layer, owner: Owner) -> Box<str> {
    layer.session_id(owner).map(String::from_utf8_lossy).unwrap_or_default().into()
}

impl ShardTelemetry {
    fn span(&self, owner: Owner) -> Option<tracing::Id> {
        self.sessions.get(&owner)?.span.id()
    }

    fn id(&self, owner: Owner) -> &str {
        self.sessions.get(&owner).map_or("", |session| &session.id)
    }

    /// What came of a message; how many there were before, and are now.
    pub(super) fn heard<E: Display>(
        &self,
        exchange: Exchange,
        heard: &Result<LayerHeard<Heard>, E>,
        layer: &Layer,
        [before, now]: [Census; 2],
    ) {
        let exchange = exchange.0;
        match heard {
            Ok(LayerHeard::Message(_)) => {}
            Ok(LayerHeard::Other(heard)) => self.other(exchange, heard, layer, [before, now]),
            Err(reason) => {
                counter!(REFUSALS, "kind" => "no_room").increment(1);
                warn!(target: TARGET, parent: None, exchange, %reason, "no room");
            }
        }
    }

    fn other(&self, exchange: u32, heard: &Heard, layer: &Layer, [before, now]: [Census; 2]) {
        match heard {
            Heard::NotSoap(error) => refused(exchange, "not_soap", error, "none"),
            Heard::OneShot(refusal) => refused(exchange, kind_of(refusal), refusal, fault_of(refusal)),
            Heard::Secure(heard) => self.conversation(exchange, heard, layer),
            Heard::Reliable(heard) => self.reliable(exchange, heard, layer, [before, now]),
        }
    }

    fn conversation(&self, exchange: u32, heard: &Incoming, layer: &Layer) {
        match heard {
            Incoming::Refused(refusal) => refused(exchange, kind_of(refusal), refusal, fault_of(refusal)),
            Incoming::Issued(id) => opened(layer, Owner::Secure(*id)),
            Incoming::Renewed(id) => {
                counter!(RENEWALS, "role" => "server").increment(1);
                let owner = Owner::Secure(*id);
                info!(target: TARGET, parent: self.span(owner), session = &*id_of(layer, owner), "key renewed");
            }
            Incoming::Cancelled(id) => self.ending(Owner::Secure(*id)),
            Incoming::Request { .. } => {}
        }
    }

    fn reliable(&self, exchange: u32, heard: &ServiceHeard, layer: &Layer, [before, now]: [Census; 2]) {
        let (session, heard) = match heard {
            ServiceHeard::NotRead(NotRead::Refused(refusal)) => {
                return refused(exchange, kind_of(refusal), refusal, fault_of(refusal));
            }
            ServiceHeard::NotRead(error) => return refused(exchange, "reliable_messaging", error, "its own"),
            ServiceHeard::Conversation(SessionId(owner)) => {
                let issued = now.tokens > before.tokens;
                debug!(target: TARGET, parent: None, owner, issued, "conversation told");
                return;
            }
            ServiceHeard::Session { session, heard, .. } => (session, heard),
        };
        let owner = session.map(Owner::Reliable);
        let span = owner.and_then(|owner| self.span(owner));
        let session = owner.map(|owner| id_of(layer, owner)).unwrap_or_default();
        match heard {
            reliable::Heard::Duplicate => {
                counter!(DUPLICATES).increment(1);
                debug!(target: TARGET, parent: span, exchange, session = &*session, "duplicate");
            }
            reliable::Heard::NoRoom => {
                counter!(REFUSALS, "kind" => "no_room").increment(1);
                let reason = "the window is full, or it came before its turn: it will come again";
                debug!(target: TARGET, parent: span, exchange, session = &*session, reason, "no room");
            }
            reliable::Heard::Refused(SessionError::Remote { kind, code }) => {
                info!(target: TARGET, parent: span, session = &*session, ?code, known = ?kind, "fault received");
            }
            reliable::Heard::Refused(error) => refused(exchange, "reliable_messaging", error, "its own"),
            reliable::Heard::Protocol if now.sequences > before.sequences => {
                owner.into_iter().for_each(|owner| opened(layer, owner));
            }
            reliable::Heard::Protocol
            | reliable::Heard::Message { .. }
            | reliable::Heard::Reply { .. }
            | reliable::Heard::Accepted { .. } => {}
        }
    }

    /// The session's first message was taken.
    pub(super) fn bound(&mut self, owner: Owner, layer: &Layer) {
        if owner == Owner::Datagram {
            return;
        }
        let (id, (kind, _)) = (id_of(layer, owner), named(owner));
        let span = info_span!(target: TARGET, parent: None, "session", session = &*id, kind);
        info!(target: TARGET, parent: &span, session = &*id, "session bound");
        self.sessions.insert(owner, Session { span, id, open: OpenSession::new(Role::Server) });
    }

    /// Its client sends no more.
    pub(super) fn ending(&self, owner: Owner) {
        debug!(target: TARGET, parent: self.span(owner), session = self.id(owner), "session ending");
    }

    pub(super) fn layer(&self, action: &LayerAction<'_>) {
        match action {
            LayerAction::Ended(owner) => self.ending(*owner),
            LayerAction::Swept(id) => info!(target: TARGET, parent: None, owner = id.0, "session swept"),
            // An order says what it means.
            LayerAction::Gone(..)
            | LayerAction::Answer { .. }
            | LayerAction::Transmit { .. }
            | LayerAction::Drop(_)
            | LayerAction::Grow(_)
            | LayerAction::Wait(_) => {}
        }
    }

    pub(super) fn gone(&mut self, owner: Owner, because: GoneBecause) {
        let (span, session) = (self.span(owner), self.id(owner));
        let (kind, number) = named(owner);
        let how = match because {
            GoneBecause::Closed => {
                info!(target: TARGET, parent: span, session, kind, owner = number, "session closed");
                "closed"
            }
            GoneBecause::Aborted(reason) => {
                let reason = match reason {
                    AbortReason::Idle => "no message came within the receive timeout",
                    AbortReason::NotClosed => "its client did not close it within the close timeout",
                };
                warn!(target: TARGET, parent: span, session, kind, owner = number, reason, "session aborted");
                "aborted"
            }
            GoneBecause::Broken(reason) => {
                warn!(target: TARGET, parent: span, session, kind, owner = number, %reason, "session broken");
                "broken"
            }
        };
        if let Some(session) = self.sessions.remove(&owner) {
            session.open.ended(how);
        }
    }

    /// It may wait before it is bound.
    pub(super) fn waits(&self, owner: Owner, layer: &Layer, pressure: Pressure) {
        let (session, throttle) = (&*id_of(layer, owner), pressure.throttle.limit_name());
        counter!(THROTTLE_WAITS, "throttle" => throttle).increment(1);
        debug!(target: TARGET, parent: self.span(owner), session, throttle, %pressure, "waits");
    }

    /// The dispatcher answers a call itself.
    pub(super) fn refused(&self, owner: Owner, layer: &Layer, action: &str, fault: DispatchFault) {
        let (kind, fault) = match fault {
            DispatchFault::ActionNotSupported | DispatchFault::UnhandledAction => {
                ("action_not_supported", "ActionNotSupported")
            }
            DispatchFault::SessionTerminated => ("session_terminated", "SessionTerminated"),
            DispatchFault::ServerTooBusy(_) => ("server_too_busy", "ServerTooBusy"),
            DispatchFault::InternalServiceFault => ("internal_service_fault", "InternalServiceFault"),
            DispatchFault::MustUnderstand => ("must_understand", "MustUnderstand"),
        };
        counter!(REFUSALS, "kind" => kind).increment(1);
        warn!(target: TARGET, parent: self.span(owner), session = &*id_of(layer, owner), action, fault, "call refused");
    }

    /// A call begins to run.
    pub(super) fn called(&self, kept: Kept, two_way: bool, action: Option<&str>) -> RunningCall {
        let Kept { owner, number: call } = kept;
        let action = action.unwrap_or_default();
        let (parent, session) = (self.span(owner), self.id(owner));
        let span = info_span!(target: TARGET, parent: parent, "call", session, call, action);
        debug!(target: TARGET, parent: &span, session, call, action, "call begun");
        RunningCall { span, session: session.into(), call, two_way, under_way: CallUnderWay::new(Role::Server) }
    }
}

/// A call that runs.
pub(super) struct RunningCall {
    span: Span,
    session: Box<str>,
    call: u64,
    two_way: bool,
    under_way: CallUnderWay,
}

impl RunningCall {
    /// Where the operation's own events belong.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    pub(super) fn answered(&mut self, answer: &Answer) {
        let outcome = match answer {
            Answer::Unhandled => Outcome::Failed,
            // Nothing of it is sent.
            _ if !self.two_way => Outcome::Accepted,
            Answer::Reply { .. } => Outcome::Reply,
            Answer::Nothing => Outcome::Accepted,
            Answer::Fault(_) | Answer::RawFault { .. } => Outcome::Fault,
        };
        self.under_way.ended(outcome);
        let Self { span, session, call, under_way, .. } = self;
        let (session, outcome, ms) = (&**session, outcome.name(), under_way.millis());
        debug!(target: TARGET, parent: &*span, session, call, outcome, ms, "call answered");
    }
}

/// A token was issued, or a sequence created.
fn opened(layer: &Layer, owner: Owner) {
    let (session, (kind, number)) = (&*id_of(layer, owner), named(owner));
    info!(target: TARGET, parent: None, session, kind, owner = number, "session opened");
}

/// What the peer is told stands in `fault`; why, nowhere else than here.
fn refused(exchange: u32, kind: &'static str, reason: &dyn Display, fault: &'static str) {
    counter!(REFUSALS, "kind" => kind).increment(1);
    warn!(target: TARGET, parent: None, exchange, kind, %reason, fault, "message refused");
}

const fn fault_of(refusal: &Refusal) -> &'static str {
    use soap_session_core::secure::WireFault;
    match (refusal, refusal.wire()) {
        (Refusal::KeyExpired, _) => "RenewNeeded",
        (Refusal::TooManySessions { .. }, _) => "ServerTooBusy",
        (Refusal::UnknownAction, _) => "ActionNotSupported",
        (_, WireFault::InvalidSecurity) => "InvalidSecurity",
        (_, WireFault::InvalidSecurityToken) => "InvalidSecurityToken",
        (_, WireFault::BadContextToken) => "BadContextToken",
        (_, WireFault::None) => "none",
    }
}

const fn kind_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Xml(_) | Refusal::NotSoap => "not_soap",
        Refusal::Unreadable(_)
        | Refusal::Missing(_)
        | Refusal::Repeated(_)
        | Refusal::Malformed { .. }
        | Refusal::TooMany { .. }
        | Refusal::DuplicateId { .. }
        | Refusal::Layout { .. }
        | Refusal::Order { .. }
        | Refusal::WrongToken { .. }
        | Refusal::DanglingReference { .. }
        | Refusal::DerivedKeyBounds { .. }
        | Refusal::KeyNotDerived { .. }
        | Refusal::Unlisted { .. }
        | Refusal::TokenMismatch => "malformed",
        Refusal::Algorithm { .. } => "algorithm",
        Refusal::UnknownSecurityContext | Refusal::Cookie(_) | Refusal::UnknownEncryptedKey => "unknown_token",
        Refusal::Credential(_) => "credential",
        Refusal::NotEncrypted(_)
        | Refusal::Encrypted(_)
        | Refusal::Undecryptable(_)
        | Refusal::Digest { .. }
        | Refusal::SignatureValue(_)
        | Refusal::NotSigned(_)
        | Refusal::Confirmation => "protection",
        Refusal::FromTheFuture { .. } | Refusal::Stale { .. } | Refusal::Expired { .. } => "time",
        Refusal::Replay => "replay",
        Refusal::ReplayTableFull { .. } | Refusal::TooManySessions { .. } => "full",
        Refusal::KeyExpired => "key_expired",
        Refusal::UnknownAction => "unknown_action",
        Refusal::InvalidTrustRequest => "trust_request",
        _ => "other",
    }
}

pub(super) fn throttle(event: ThrottleEvent) {
    let throttle = event.pressure().throttle.limit_name();
    match event {
        ThrottleEvent::LimitReached(_) | ThrottleEvent::Refused(_) => {
            warn!(target: TARGET, parent: None, throttle, pressure = %event, "throttle");
        }
        ThrottleEvent::AtSeventyPercent(_) => {
            info!(target: TARGET, parent: None, throttle, pressure = %event, "throttle");
        }
        // The host tells of each by itself.
        ThrottleEvent::Waits(_) => {
            debug!(target: TARGET, parent: None, throttle, pressure = %event, "throttle");
        }
    }
}

/// What the gauges were last told of the throttles of one server.
#[derive(Default)]
pub(super) struct ThrottleGauges([[u32; 3]; 3]);

const GAUGES: [&str; 3] = [THROTTLE_LIMIT, THROTTLE_USED, THROTTLE_WAITING];

impl ThrottleGauges {
    pub(super) fn tell(&mut self, host: &ServiceHost<Kept, Heap>, now: Instant) {
        for (throttle, told) in Throttle::ALL.into_iter().zip(&mut self.0) {
            let Pressure { limit, used, waiting, .. } = host.pressure(throttle, now);
            Self::move_to(throttle, told, [limit, used, waiting]);
        }
    }

    /// By the difference: several servers of a process are added up.
    fn move_to(throttle: Throttle, told: &mut [u32; 3], now: [u32; 3]) {
        for ((name, told), now) in GAUGES.into_iter().zip(told).zip(now) {
            if *told != now {
                gauge!(name, "throttle" => throttle.limit_name()).increment(f64::from(now) - f64::from(*told));
                *told = now;
            }
        }
    }
}

impl Drop for ThrottleGauges {
    fn drop(&mut self) {
        Throttle::ALL.into_iter().zip(&mut self.0).for_each(|(throttle, told)| Self::move_to(throttle, told, [0; 3]));
    }
}

pub(super) fn request_received(exchange: Exchange, request: &HttpRequest) {
    let HttpRequest { peer, action, body, .. } = request;
    received(Role::Server, body.len());
    let (exchange, action, bytes) = (exchange.0, action.as_deref().unwrap_or_default(), body.len());
    debug!(target: TARGET, parent: None, exchange, %peer, action, bytes, "request received");
}

pub(super) fn request_answered(exchange: Exchange, response: &HttpResponse) {
    let HttpResponse { status, content_type, body } = response;
    exchanged(Role::Server, Some(*status));
    sent(Role::Server, body.len());
    let (exchange, bytes) = (exchange.0, body.len());
    let soap = content_type.as_ref().is_some_and(|content_type| !content_type.starts_with("text/plain"));
    if *status == 500 && soap {
        info!(target: TARGET, parent: None, exchange, status, bytes, "fault sent");
    }
    debug!(target: TARGET, parent: None, exchange, status, bytes, "request answered");
}

/// The client of an exchange went away.
pub(super) fn given_up(exchange: Exchange) {
    exchanged(Role::Server, None);
    debug!(target: TARGET, parent: None, exchange = exchange.0, "exchange given up");
}

pub(super) fn serves(address: Option<SocketAddr>) {
    let address = address.map(|address| address.to_string()).unwrap_or_default();
    info!(target: TARGET, parent: None, address, "server serves");
}

pub(super) fn stops(sessions: usize) {
    info!(target: TARGET, parent: None, sessions, "server stops");
}

/// Sessions that their clients did not close in time.
pub(super) fn unclosed(sessions: usize) {
    warn!(target: TARGET, parent: None, sessions, "sessions aborted");
}

pub(super) fn stopped() {
    info!(target: TARGET, parent: None, "server stopped");
}
