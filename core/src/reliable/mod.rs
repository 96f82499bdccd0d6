//! WS-ReliableMessaging, February 2005 and 1.1, as WCF speaks it: both roles, one-way, request-reply and duplex.
//!
//! A [`Client`] has one session; a [`ReliableAcceptor`] has the sessions of one endpoint, each a [`Service`]. Both say what they
//! want in three steps, so that lack of room changes nothing:
//!
//! ```text
//!   next(now) -> want      frame(want) -> Frame, to be written or sealed      sent(now, want) -> the exchange it opens
//! ```
//!
//! and take in what has arrived as an [`Arrival`], read from a plain message or from one that was opened and verified.
//! [`session`](crate::session) does all that, with security or without; who has an envelope of his own can do it here.
//!
//! # Messages stay with the caller
//!
//! [`Heard::Message`] names the number under which the caller keeps a message; `take` names the next one that the
//! application may have. In between it counts against the transfer window, and is acknowledged. A message for which there
//! is no room ([`Heard::NoRoom`]) was never here: it is not acknowledged, and comes again.
//!
//! # The three shapes
//!
//! | [`Shape`] | a message goes | its acknowledgement comes | WCF |
//! |---|---|---|---|
//! | `OneWay` | in an HTTP exchange | in the exchange's answer | output and input channel |
//! | `RequestReply` | in an HTTP exchange | with the reply, which is the exchange's answer | request and reply channel |
//! | `Duplex` | on the connection, or to the other side's address | with any message, or by itself after the acknowledgement interval | duplex channel |
//!
//! # States
//!
//! [`SessionPhase`], [`SourcePhase`] and [`DestinationPhase`] have the charts.

mod acceptor;
mod arrival;
mod client;
mod client_frames;
mod client_hear;
mod client_timers;
mod common;
mod destination;
mod duplex;
mod estimate;
mod faults;
mod frame;
mod identifier;
mod idle;
mod name;
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
mod table;
mod version;
mod view;
mod write;

pub use acceptor::{AcceptorWant, Admission, ReliableAcceptor};
pub use arrival::{
    AcknowledgementHeader, Arrival, IncompleteSequenceBehavior, Offer, RmBody, RmFaultKind, RmFaultSeen, SequenceHeader,
};
pub use client::{Client, ClientAddresses, ClientWant, LONGEST_ADDRESS};
pub use client_timers::ReliableTimers;
pub use common::{Heard, Shape, Told};
pub use frame::{Acknowledgement, FaultReason, Frame, FrameAction, FrameBody, HeaderOrder, RmFault, SequencePlace};
pub use identifier::{Identifier, LONGEST_IDENTIFIER};
pub use phase::{DestinationEvent, DestinationPhase, SessionEvent, SessionPhase, SourceEvent, SourcePhase};
pub use ranges::{MAX_MESSAGE_NUMBER, MAX_RANGES, Range, Ranges};
pub use read::{
    Blocks, Parts, Place, RmAnswer, RmProblem, RmReadError, RmReader, Scratch, SequenceFaultHeader, peek_sequence,
};
pub use reason::{SendRefused, SessionError, Unwritten, Violation};
pub use service::{ReliableSessionId, Service, ServiceWant};
pub use settings::{MAX_TRANSFER_WINDOW, ReliableSettings, TransmissionSettings};
pub use source::Ticket;
pub use version::{NETRM, RmAction, RmVersion, Versions};
pub use view::SessionView;
pub use write::Rendered;
