//! The version of WS-ReliableMessaging, and the actions of its messages.

use crate::soap::{AddressingVersion, SoapVersion};

/// Namespace of WCF's extensions (`netrm:BufferRemaining`, `ConnectionLimitReached`), the same in both versions.
pub const NETRM: &str = "http://schemas.microsoft.com/ws/2006/05/rm";

/// The version of WS-ReliableMessaging. It is configured, never guessed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum RmVersion {
    /// February 2005 ("1.0"): WCF's default, wsHttpBinding, wsDualHttpBinding, netTcpBinding.
    #[default]
    February2005,
    /// WS-ReliableMessaging 1.1: ws2007HttpBinding.
    V11,
}

/// The versions that a conversation is spoken in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Versions {
    /// The envelope's.
    pub soap: SoapVersion,
    /// The addressing headers'.
    pub addressing: AddressingVersion,
    /// WS-ReliableMessaging's.
    pub reliable: RmVersion,
}

/// What a message is to WS-ReliableMessaging, by its action.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RmAction {
    /// Asks for a sequence.
    CreateSequence,
    /// Grants one.
    CreateSequenceResponse,
    /// Carries nothing but an acknowledgement.
    SequenceAcknowledgement,
    /// Carries nothing but the wish for one.
    AckRequested,
    /// The empty last message of a sequence; February 2005 only.
    LastMessage,
    /// Announces the last number; 1.1 only.
    CloseSequence,
    /// Answers it; 1.1 only.
    CloseSequenceResponse,
    /// Ends the sequence.
    TerminateSequence,
    /// Answers it; 1.1 only.
    TerminateSequenceResponse,
    /// A fault of 1.1. Faults of February 2005 travel under WS-Addressing's default fault action.
    Fault,
}

impl RmVersion {
    /// Both versions.
    pub const ALL: [Self; 2] = [Self::February2005, Self::V11];

    /// The namespace of headers, bodies and fault codes.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::February2005 => "http://schemas.xmlsoap.org/ws/2005/02/rm",
            Self::V11 => "http://docs.oasis-open.org/ws-rx/wsrm/200702",
        }
    }

    /// The version whose namespace this is.
    pub fn from_namespace(namespace: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.namespace().as_bytes() == namespace)
    }

    /// The action URI of a message. For what February 2005 does not have, the URI that it would have.
    pub const fn action(self, action: RmAction) -> &'static str {
        match (self, action) {
            (Self::February2005, RmAction::CreateSequence) => "http://schemas.xmlsoap.org/ws/2005/02/rm/CreateSequence",
            (Self::February2005, RmAction::CreateSequenceResponse) => {
                "http://schemas.xmlsoap.org/ws/2005/02/rm/CreateSequenceResponse"
            }
            (Self::February2005, RmAction::SequenceAcknowledgement) => {
                "http://schemas.xmlsoap.org/ws/2005/02/rm/SequenceAcknowledgement"
            }
            (Self::February2005, RmAction::AckRequested) => "http://schemas.xmlsoap.org/ws/2005/02/rm/AckRequested",
            (Self::February2005, RmAction::LastMessage) => "http://schemas.xmlsoap.org/ws/2005/02/rm/LastMessage",
            (Self::February2005, RmAction::CloseSequence) => "http://schemas.xmlsoap.org/ws/2005/02/rm/CloseSequence",
            (Self::February2005, RmAction::CloseSequenceResponse) => {
                "http://schemas.xmlsoap.org/ws/2005/02/rm/CloseSequenceResponse"
            }
            (Self::February2005, RmAction::TerminateSequence) => {
                "http://schemas.xmlsoap.org/ws/2005/02/rm/TerminateSequence"
            }
            (Self::February2005, RmAction::TerminateSequenceResponse) => {
                "http://schemas.xmlsoap.org/ws/2005/02/rm/TerminateSequenceResponse"
            }
            (Self::February2005, RmAction::Fault) => "http://schemas.xmlsoap.org/ws/2005/02/rm/fault",
            (Self::V11, RmAction::CreateSequence) => "http://docs.oasis-open.org/ws-rx/wsrm/200702/CreateSequence",
            (Self::V11, RmAction::CreateSequenceResponse) => {
                "http://docs.oasis-open.org/ws-rx/wsrm/200702/CreateSequenceResponse"
            }
            (Self::V11, RmAction::SequenceAcknowledgement) => {
                "http://docs.oasis-open.org/ws-rx/wsrm/200702/SequenceAcknowledgement"
            }
            (Self::V11, RmAction::AckRequested) => "http://docs.oasis-open.org/ws-rx/wsrm/200702/AckRequested",
            (Self::V11, RmAction::LastMessage) => "http://docs.oasis-open.org/ws-rx/wsrm/200702/LastMessage",
            (Self::V11, RmAction::CloseSequence) => "http://docs.oasis-open.org/ws-rx/wsrm/200702/CloseSequence",
            (Self::V11, RmAction::CloseSequenceResponse) => {
                "http://docs.oasis-open.org/ws-rx/wsrm/200702/CloseSequenceResponse"
            }
            (Self::V11, RmAction::TerminateSequence) => {
                "http://docs.oasis-open.org/ws-rx/wsrm/200702/TerminateSequence"
            }
            (Self::V11, RmAction::TerminateSequenceResponse) => {
                "http://docs.oasis-open.org/ws-rx/wsrm/200702/TerminateSequenceResponse"
            }
            (Self::V11, RmAction::Fault) => "http://docs.oasis-open.org/ws-rx/wsrm/200702/fault",
        }
    }

    /// Does this version have such a message?
    pub const fn has(self, action: RmAction) -> bool {
        match action {
            RmAction::CreateSequence
            | RmAction::CreateSequenceResponse
            | RmAction::SequenceAcknowledgement
            | RmAction::AckRequested
            | RmAction::TerminateSequence => true,
            RmAction::LastMessage => matches!(self, Self::February2005),
            RmAction::CloseSequence
            | RmAction::CloseSequenceResponse
            | RmAction::TerminateSequenceResponse
            | RmAction::Fault => matches!(self, Self::V11),
        }
    }

    /// The message of this version that has this action URI; `None` for the application's.
    pub fn from_action(self, uri: &[u8]) -> Option<RmAction> {
        let local = uri.strip_prefix(self.namespace().as_bytes())?;
        RmAction::ALL
            .into_iter()
            .filter(|action| self.has(*action))
            .find(|action| self.action(*action).as_bytes().strip_prefix(self.namespace().as_bytes()) == Some(local))
    }

    /// The action of this version's faults.
    pub const fn fault_action(self, addressing: AddressingVersion) -> &'static str {
        match self {
            Self::February2005 => addressing.default_fault_action(),
            Self::V11 => self.action(RmAction::Fault),
        }
    }
}

impl RmAction {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::CreateSequence,
        Self::CreateSequenceResponse,
        Self::SequenceAcknowledgement,
        Self::AckRequested,
        Self::LastMessage,
        Self::CloseSequence,
        Self::CloseSequenceResponse,
        Self::TerminateSequence,
        Self::TerminateSequenceResponse,
        Self::Fault,
    ];
}
