//! Telling apart the faults that mean something to a session.

use super::super::{AddressingVersion, ScVersion, TrustVersion, names};
use super::FaultView;

/// A fault of security, addressing or dispatching, whichever version of its namespace it was written in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum KnownFault {
    /// The token is unknown or expired: the session is over.
    BadContextToken,
    /// The key has to be renewed before the next message: the session goes on.
    RenewNeeded,
    /// The server ended the session (never sent by WCF 4, understood by its client).
    SecuritySessionAborted,
    /// A credential was not believed.
    FailedAuthentication,
    /// A token could not be processed.
    InvalidSecurityToken,
    /// Verification failed in any other way.
    InvalidSecurity,
    /// A RequestSecurityToken could not be served.
    InvalidRequest,
    /// Too many pending sessions or negotiations: try again later.
    ServerTooBusy,
    /// Any other subcode of the WS-Security, WS-Trust, WS-SecureConversation or WCF security namespaces.
    OtherSecurity,
    /// The listener is closing.
    EndpointUnavailable,
    /// No operation for the action.
    ActionNotSupported,
    /// No endpoint for the address.
    DestinationUnreachable,
    /// Any other subcode of the WS-Addressing namespaces.
    OtherAddressing,
    /// A call after a terminating operation.
    SessionTerminated,
    /// An operation failed in a way that it did not declare.
    InternalServiceFault,
    /// Any other subcode of WCF's dispatcher.
    OtherDispatcher,
}

impl KnownFault {
    /// Whether WCF's client, on receiving it unsecured, takes it as the end of a secure session.
    pub const fn is_security(self) -> bool {
        match self {
            Self::BadContextToken
            | Self::RenewNeeded
            | Self::SecuritySessionAborted
            | Self::FailedAuthentication
            | Self::InvalidSecurityToken
            | Self::InvalidSecurity
            | Self::InvalidRequest
            | Self::ServerTooBusy
            | Self::OtherSecurity => true,
            Self::EndpointUnavailable
            | Self::ActionNotSupported
            | Self::DestinationUnreachable
            | Self::OtherAddressing
            | Self::SessionTerminated
            | Self::InternalServiceFault
            | Self::OtherDispatcher => false,
        }
    }
}

impl FaultView<'_> {
    /// What it is, judged by its subcode alone; reasons are translated and prove nothing.
    pub fn known(&self) -> Option<KnownFault> {
        let name = self.subcode?;
        let security = name.namespace == names::WSSE.as_bytes()
            || name.namespace == names::DNSE.as_bytes()
            || ScVersion::from_namespace(name.namespace).is_some()
            || TrustVersion::from_namespace(name.namespace).is_some();
        if security {
            return Some(match name.local {
                b"BadContextToken" => KnownFault::BadContextToken,
                b"RenewNeeded" => KnownFault::RenewNeeded,
                b"SecuritySessionAborted" => KnownFault::SecuritySessionAborted,
                b"FailedAuthentication" => KnownFault::FailedAuthentication,
                b"InvalidSecurityToken" => KnownFault::InvalidSecurityToken,
                b"InvalidSecurity" => KnownFault::InvalidSecurity,
                b"InvalidRequest" => KnownFault::InvalidRequest,
                b"ServerTooBusy" => KnownFault::ServerTooBusy,
                _ => KnownFault::OtherSecurity,
            });
        }
        // Without WS-Addressing the codes are the same, in a namespace of WCF's own.
        let addressing = AddressingVersion::from_namespace(name.namespace).is_some();
        if addressing || name.namespace == names::WSA_NONE.as_bytes() {
            return Some(match name.local {
                b"EndpointUnavailable" => KnownFault::EndpointUnavailable,
                b"ActionNotSupported" => KnownFault::ActionNotSupported,
                b"DestinationUnreachable" => KnownFault::DestinationUnreachable,
                _ => KnownFault::OtherAddressing,
            });
        }
        (name.namespace == names::DISPATCHER.as_bytes()).then_some(match name.local {
            b"SessionTerminated" => KnownFault::SessionTerminated,
            b"InternalServiceFault" => KnownFault::InternalServiceFault,
            _ => KnownFault::OtherDispatcher,
        })
    }
}
