//! WS-SecureConversation, WS-Security and WS-Trust: tokens, keys, and messages sealed and opened.
//!
//! Two layers live here. [`seal`] and [`open`] protect and verify one message; they keep nothing. The session machines
//! [`Initiator`] and [`Acceptor`] keep the books of secure conversations: they issue, renew and cancel
//! `SecurityContextToken`s and say which keys a message may use.
//!
//! The machines have two faces. An application hands over calls and gets replies, or gets requests and hands over replies. A
//! layer with books of its own has each message [sealed](Initiator::seal_message) and [opened](Initiator::open_message) when
//! it likes, and leaves only the tokens to the machine.

mod acceptor;
mod acceptor_certified;
mod acceptor_cookie;
mod acceptor_messages;
mod acceptor_poll;
mod acceptor_view;
mod answer;
mod binding;
mod bootstrap;
mod certified;
mod client_token;
mod confirmation;
mod context_name;
mod conversation;
mod cookie;
mod credentials;
mod decrypt;
mod derived_key_token;
mod emit;
mod exchange;
mod initiator;
mod initiator_messages;
mod initiator_poll;
mod initiator_receive;
mod initiator_view;
mod keyring;
mod numbers;
mod one_shot_client;
mod one_shot_service;
mod open;
mod open_transport;
mod opened;
mod peek;
mod phase;
mod policy;
mod protection;
mod reference_list;
mod refusal;
mod renewed;
mod replay;
mod scan;
mod seal;
mod server_session;
mod session_keys;
mod session_message;
mod sign;
mod signature;
mod tokens;
mod transport;
pub mod trust;
mod username;
mod verify;

pub use acceptor::{Acceptor, Incoming};
pub use acceptor_poll::AcceptorAction;
pub use binding::{AcceptorSettings, Binding, Bootstrap, InitiatorSettings, KeyEntropyMode};
pub use context_name::ContextName;
pub use conversation::{Failure, FaultSeen, Misuse};
pub use cookie::{
    CookieFlaw, MAX_COOKIE, MAX_STATE, SecurityState, StateEncoder, StateError, StateField, StateFlaw, Ticks,
};
pub use credentials::{
    CertificateProblem, CertificateReference, CredentialError, Credentials, NoCredentials, OwnCertificate,
};
pub use emit::{Id, UniqueId, UniqueIds};
pub use exchange::{Exchange, Outgoing, UserCredential};
pub use initiator::Initiator;
pub use initiator_poll::InitiatorAction;
pub use initiator_receive::Received;
pub use keyring::Keyring;
pub use one_shot_client::OneShotClient;
pub use one_shot_service::{OneShotIncoming, OneShotService, OneShotSettings, Owed};
pub use open::open;
pub use opened::{AddressingValues, Coverage, Endorsement, Endorser, OpenContext, Opened, ProtectionToken, User};
pub(crate) use peek::{for_us, next_context};
pub use phase::{AcceptorEvent, AcceptorPhase, InitiatorEvent, InitiatorPhase};
pub use policy::{
    AddressingUse, CertificateUse, ClockRules, Confirmations, Encryption, Layout, Policy, ProtectionOrder, Signer,
};
pub use protection::{
    CertificateSigner, DerivedKey, EndorsingCertificate, EndorsingToken, MessageKeys, OutgoingMessage, Protection,
    SealError, Sealed, SigningToken, Timestamp, UsernameToken,
};
pub use refusal::{AlgorithmSlot, Element, Refusal, WireFault};
pub use replay::ReplayTable;
pub use seal::seal;
pub use server_session::SessionId;
pub use session_message::{Heard, SessionMessage, Unsealed};

/// The value of a symmetric signature: an HMAC, 20 or 32 bytes.
///
/// It is public (it travels, or is echoed in a `SignatureConfirmation`), so it compares and sorts as plain bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SignatureValue {
    octets: [u8; 32],
    len: u8,
}

impl SignatureValue {
    /// No signature: the transport protects the message.
    pub const NONE: Self = Self { octets: [0; 32], len: 0 };

    /// `None` if `octets` is not as long as an HMAC of one of the suites.
    pub fn new(octets: &[u8]) -> Option<Self> {
        let mut value = Self { octets: [0; 32], len: u8::try_from(octets.len()).ok()? };
        if !matches!(octets.len(), 20 | 32) {
            return None;
        }
        for (to, from) in value.octets.iter_mut().zip(octets) {
            *to = *from;
        }
        Some(value)
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or(&[])
    }
}
