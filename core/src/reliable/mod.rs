//! WS-ReliableMessaging, February 2005 and 1.1, as WCF speaks it: both roles, one-way, request-reply and duplex.

mod arrival;
mod frame;
mod identifier;
mod ranges;
mod version;

pub use arrival::{
    AcknowledgementHeader, Arrival, IncompleteSequenceBehavior, Offer, RmBody, RmFaultKind, RmFaultSeen, SequenceHeader,
};
pub use frame::{Acknowledgement, FaultReason, Frame, FrameAction, FrameBody, HeaderOrder, RmFault, SequencePlace};
pub use identifier::{Identifier, LONGEST_IDENTIFIER};
pub use ranges::{MAX_MESSAGE_NUMBER, MAX_RANGES, Range, Ranges};
pub use version::{NETRM, RmAction, RmVersion};
