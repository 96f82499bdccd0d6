//! What a service host decides, as WCF's `ServiceHost` does: contracts against bindings, instances, concurrency, permits.
//!
//! Decisions only: no message is read or written here, and nothing is known of security or reliable messaging.

mod contract;
mod host;
mod list;
mod modes;
mod notices;
mod poll;
mod pump;
mod shapes;

pub use contract::{
    BindingShapes, CATCH_ALL, ChosenChannel, Contract, ContractError, Operation, Requirement, SessionMode,
};
pub use host::{
    AbortReason, CallId, ChannelId, Dispatch, Gone, HostAction, HostRefused, HostTables, InstanceId, LISTENERS,
    Listener, Outcome, Request, ServiceHost,
};
pub use modes::{ConcurrencyMode, HostSettings, InstanceContextMode};
pub use shapes::{ChannelKind, ChannelShape, Shapes};

use crate::throttle::Throttle;

/// What a host has to know of the operation that a message calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Called {
    /// Its number in the contract.
    pub operation: u16,
    /// Is it answered?
    pub two_way: bool,
    /// May it be the first of a session?
    pub is_initiating: bool,
    /// Does it end the session?
    pub is_terminating: bool,
}

impl Contract<'_> {
    /// What a message with this action calls.
    pub fn called(&self, action: &[u8]) -> Option<Called> {
        let (number, operation) = self.operation(action)?;
        let Operation { two_way, is_initiating, is_terminating, .. } = *operation;
        Some(Called { operation: u16::try_from(number).ok()?, two_way, is_initiating, is_terminating })
    }
}

/// Why the dispatcher answers a message itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DispatchFault {
    /// The contract has no such operation, or it may not be the first of a session.
    ActionNotSupported,
    /// The contract has no such operation, on a session in use, which is closed then. The same fault, but under the action of
    /// ordinary ones: WCF answers it not where it looks for an endpoint but where it looks for an operation.
    UnhandledAction,
    /// A terminating operation has been called before.
    SessionTerminated,
    /// A permit would have to be waited for, and nobody waits here.
    ServerTooBusy(Throttle),
    /// The operation failed in a way that it does not declare.
    InternalServiceFault,
    /// A header block that must be understood is not.
    MustUnderstand,
}
