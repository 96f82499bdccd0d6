//! One room above WS-SecureConversation and WS-ReliableMessaging: it puts them together into sessions, secured or not.
//!
//! It has no protocol of its own. A secure conversation is opened before the reliable session and cancelled after it; what
//! the reliable machines want to say is sealed, and what they hear was verified; the sequence is bound to the conversation's
//! token.

mod action;
mod channel;
mod client;
mod client_view;
mod endpoint;
mod heard;
mod service;

pub use action::{ClientAction, ServiceAction};
pub use channel::{
    Answered, CallId, CallRefused, ChannelAction, ChannelError, ChannelEvent, ChannelHeard, ClientChannel, CloseBegun,
    OperationUse, PlainClient, TimedOutAt, WcfText, fault_exception,
};
pub use client::SessionClient;
pub use endpoint::{
    CallAnswer, Delivered, Disposed, FaultReply, GoneBecause, Kept, LayerAction, LayerHeard, OneShotLayer, Order,
    Owner, PlainLayer, ReliableLayer, SecureLayer, ServiceEndpoint, ServiceLayer, Wording,
};
pub use heard::{ClientHeard, Message, NotRead, ServiceHeard};
pub use service::SessionService;

use crate::exchange::Outgoing;
use crate::reliable::{RmAction, Versions};
use crate::secure::Encryption;
use core::convert::Infallible;

/// Room for the body of a message of the protocol, and for values with references in a received one.
const SCRATCH: usize = 2048;

/// The calls that the conversation's own face would carry: none, all messages are the reliable session's.
#[derive(Clone, PartialEq, Eq, Debug)]
struct NoCalls(Infallible);

impl Outgoing for NoCalls {
    fn action(&self) -> &[u8] {
        match self.0 {}
    }
    fn body(&self) -> &[u8] {
        match self.0 {}
    }
}

/// How the body of a message must be protected: messages of the protocol go in clear, as they are only signed, and all
/// others are encrypted.
fn encryption(versions: Versions, action: &[u8]) -> Encryption {
    match versions.reliable.from_action(action) {
        Some(
            RmAction::CreateSequence
            | RmAction::CreateSequenceResponse
            | RmAction::SequenceAcknowledgement
            | RmAction::AckRequested
            | RmAction::LastMessage
            | RmAction::CloseSequence
            | RmAction::CloseSequenceResponse
            | RmAction::TerminateSequence
            | RmAction::TerminateSequenceResponse
            | RmAction::Fault,
        ) => Encryption::Optional,
        None => Encryption::Required,
    }
}
