//! What a service owes to the exchanges that are open.

use super::confirmation::ToConfirm;
use super::conversation::UrnUuid;
use super::emit::UniqueId;
use super::exchange::Exchange;
use super::peek::LONGEST_URI;
use super::server_session::SessionId;
use crate::crypto::SecretKey;
use crate::soap::{Fault, ScVersion};
use crate::time::UnixMillis;
use crate::xml::Span;
use heapless::Vec;

/// The request's bootstrap: what its answer is protected with.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is no heap to put the larger one on")]
pub(super) enum BootstrapKey {
    /// The key that the client wrapped for the service's certificate.
    Wrapped {
        sha1: [u8; 20],
        key: SecretKey,
        /// What the answer confirms, where the bootstrap confirms signatures.
        confirmations: ToConfirm,
    },
    /// The client's certificate, base64 of its DER in the request: only who has it at hand can seal the answer (WSS 1.0).
    Certificate(Span),
    /// None: the transport protects the answer.
    Transport,
}

/// A token that was made, on its way to the client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NewToken {
    pub(super) identifier: UrnUuid,
    pub(super) instance: Option<UrnUuid>,
    pub(super) token_id: UniqueId,
    pub(super) secret_id: UniqueId,
    /// The service's entropy, or the key itself where the service makes it.
    pub(super) share: SecretKey,
    pub(super) created: UnixMillis,
    pub(super) expires: UnixMillis,
}

/// A fault inside the bootstrap's protection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BootstrapFault {
    ServerTooBusy,
    InvalidRequest,
}

/// A fault without protection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PlainFault {
    NoSession,
    BadContextToken,
    InvalidSecurity,
    InvalidSecurityToken,
    UnrecognizedAction,
}

impl PlainFault {
    pub(super) const fn fault<'a>(self, version: ScVersion, action: &'a [u8], language: &'a str) -> Fault<'a> {
        let fault = match self {
            Self::NoSession => Fault::no_session(version, action),
            // WCF says it in this namespace in either version: the code path does not know the binding's.
            Self::BadContextToken => Fault::bad_context_token(ScVersion::February2005),
            Self::InvalidSecurity => Fault::invalid_security(),
            Self::InvalidSecurityToken => Fault::invalid_security_token(),
            Self::UnrecognizedAction => Fault::unrecognized_action(action),
        };
        fault.in_language(language)
    }
}

/// What an exchange gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer<P> {
    /// The application owes it a reply.
    Application(SessionId),
    /// The application's reply.
    Reply(SessionId, P),
    /// RSTR/SCT or RSTR/SCT/Renew.
    Token { renewed: bool, key: BootstrapKey, token: NewToken },
    /// A fault under the bootstrap.
    BootstrapFault(BootstrapKey, BootstrapFault),
    /// One of the two above, sealed with the service's certificate already: it lies in the pool.
    Certified,
    /// A cancellation that waits for the service to close.
    CancelHeld(SessionId),
    /// RSTR/SCT/Cancel.
    Cancelled(SessionId),
    /// RenewNeeded, under the session.
    RenewNeeded(SessionId),
    /// A fault without protection.
    Fault(PlainFault),
    /// There is no room now: 503, no body.
    NoRoom,
    /// A one-way message was taken: 202.
    Accepted,
    /// Not SOAP: 400, no body.
    BadRequest,
    /// The session was aborted: the exchange gets nothing.
    Abort,
}

/// An exchange that is open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OpenExchange<P> {
    pub(super) exchange: Exchange,
    pub(super) message_id: Vec<u8, LONGEST_URI>,
    pub(super) action: Vec<u8, LONGEST_URI>,
    /// Empty is anonymous.
    pub(super) reply_to: Vec<u8, LONGEST_URI>,
    pub(super) answer: Answer<P>,
}

impl<P> OpenExchange<P> {
    /// The certificate of the client that the answer has to be sealed for, where that is not done yet.
    pub(super) const fn recipient(&self) -> Option<Span> {
        match &self.answer {
            Answer::Token { key: BootstrapKey::Certificate(text), .. }
            | Answer::BootstrapFault(BootstrapKey::Certificate(text), _) => Some(*text),
            Answer::Token { .. }
            | Answer::BootstrapFault(..)
            | Answer::Certified
            | Answer::Application(_)
            | Answer::Reply(..)
            | Answer::CancelHeld(_)
            | Answer::Cancelled(_)
            | Answer::RenewNeeded(_)
            | Answer::Fault(_)
            | Answer::NoRoom
            | Answer::Accepted
            | Answer::BadRequest
            | Answer::Abort => None,
        }
    }

    /// Is there something to send?
    pub(super) const fn ready(&self) -> bool {
        !matches!(self.answer, Answer::Application(_) | Answer::CancelHeld(_))
    }

    /// The session whose application owes the reply.
    pub(super) const fn application(&self) -> Option<SessionId> {
        if let Answer::Application(session) = self.answer { Some(session) } else { None }
    }

    /// The session that it belongs to.
    pub(super) const fn session(&self) -> Option<SessionId> {
        match &self.answer {
            Answer::Application(id)
            | Answer::Reply(id, _)
            | Answer::CancelHeld(id)
            | Answer::Cancelled(id)
            | Answer::RenewNeeded(id) => Some(*id),
            Answer::Token { .. }
            | Answer::BootstrapFault(..)
            | Answer::Certified
            | Answer::Fault(_)
            | Answer::NoRoom
            | Answer::Accepted
            | Answer::BadRequest
            | Answer::Abort => None,
        }
    }
}
