//! WS-ReliableMessaging, February 2005 and 1.1, as WCF speaks it: both roles, one-way, request-reply and duplex.

mod acceptor;
mod arrival;
mod client;
mod client_frames;
mod client_hear;
mod common;
mod destination;
mod duplex;
mod estimate;
mod faults;
mod frame;
mod identifier;
mod outbound;
mod phase;
mod ranges;
mod read;
mod reason;
pub mod reasons;
mod requestor;
mod service;
mod service_frames;
mod service_hear;
mod settings;
mod source;
mod version;
mod write;

pub use acceptor::{AcceptorWant, Admission, ReliableAcceptor};
pub use arrival::{
    AcknowledgementHeader, Arrival, IncompleteSequenceBehavior, Offer, RmBody, RmFaultKind, RmFaultSeen, SequenceHeader,
};
pub use client::{Client, ClientAddresses, ClientWant, LONGEST_ADDRESS};
pub use common::{Heard, Shape, Told};
pub use frame::{Acknowledgement, FaultReason, Frame, FrameAction, FrameBody, HeaderOrder, RmFault, SequencePlace};
pub use identifier::{Identifier, LONGEST_IDENTIFIER};
pub use phase::{DestinationEvent, DestinationPhase, SessionEvent, SessionPhase, SourceEvent, SourcePhase};
pub use ranges::{MAX_MESSAGE_NUMBER, MAX_RANGES, Range, Ranges};
pub use read::{Blocks, Parts, RmAnswer, RmProblem, RmReadError, RmReader, Scratch, SequenceFaultHeader};
pub use reason::{SendRefused, SessionError, Violation};
pub use service::{ReliableSessionId, Service, ServiceWant};
pub use settings::{MAX_TRANSFER_WINDOW, ReliableSettings, TransmissionSettings};
pub use source::Ticket;
pub use version::{NETRM, RmAction, RmVersion, Versions};
pub use write::Rendered;
