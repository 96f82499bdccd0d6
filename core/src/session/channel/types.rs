//! What an application and a client's channel speak of.

use super::super::Message;
use super::error::ChannelError;
use crate::exchange::Exchange;
use crate::secure::FaultSeen;
use crate::time::Deadline;
use crate::xml::Grow;
use core::fmt;

/// A call of one channel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What the contract says of the operation that is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OperationUse {
    /// Its name.
    pub name: &'static str,
    /// May it be the first of a session? WCF: `IsInitiating`, true by default.
    pub is_initiating: bool,
    /// Does it end the session? WCF: `IsTerminating`, false by default.
    pub is_terminating: bool,
    /// Has it a reply? It must be what the message says of itself.
    pub two_way: bool,
}

impl OperationUse {
    /// An operation with a reply and WCF's defaults.
    pub const fn new(name: &'static str) -> Self {
        Self { name, is_initiating: true, is_terminating: false, two_way: true }
    }

    /// An operation without a reply.
    pub const fn one_way(name: &'static str) -> Self {
        Self { two_way: false, ..Self::new(name) }
    }

    /// The same, with `IsTerminating`.
    #[must_use]
    pub const fn terminating(self) -> Self {
        Self { is_terminating: true, ..self }
    }

    /// The same, without `IsInitiating`.
    #[must_use]
    pub const fn not_initiating(self) -> Self {
        Self { is_initiating: false, ..self }
    }
}

/// How a call ended well.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Answered {
    /// A one-way message was taken.
    Accepted,
    /// The reply that was [held](ChannelHeard::Held) may be given to the application.
    Reply,
}

/// What [`close`](super::ClientChannel::close) has begun.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CloseBegun {
    /// The handshake: [`ChannelEvent::CloseDone`] tells how it ended.
    UnderWay,
    /// There is nothing to do, or the close that is under way goes on.
    Nothing,
}

/// Something that the application should know. Each is told once.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ChannelEvent {
    /// The channel is open.
    Opened,
    /// The channel has faulted: it cannot be used any more, and should be closed or aborted.
    Faulted(ChannelError),
    /// The channel is closed.
    Closed,
    /// How the [`open`](super::ClientChannel::open) that the application asked for ended.
    OpenDone(Result<(), ChannelError>),
    /// How a call ended that was not answered in [`receive`](super::ClientChannel::receive).
    CallDone(CallId, Result<Answered, ChannelError>),
    /// How the [`close`](super::ClientChannel::close) that the application asked for ended.
    CloseDone(Result<(), ChannelError>),
}

/// What a channel wants to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "an action that is not carried out is lost"]
pub enum ChannelAction<'o> {
    /// Send these bytes.
    Transmit {
        /// The exchange to open, whose answer is told with its number; `None` sends on the connection, and nothing answers.
        exchange: Option<Exchange>,
        /// The action, for SOAP 1.1's `SOAPAction` header.
        action: &'o [u8],
        /// The message.
        message: &'o [u8],
    },
    /// Tell the application.
    Event(ChannelEvent),
    /// The buffer is too small; nothing has changed.
    Grow(Grow),
    /// Nothing to do before this time, or before something is told. The last of a drain.
    Wait(Deadline),
}

/// What a channel heard. Places are in the buffer that was lent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChannelHeard {
    /// The reply to a call, which is over.
    Reply {
        /// The call.
        call: CallId,
        /// The reply.
        message: Message,
    },
    /// The reply to a terminating operation. Keep it: the call is over when the channel is closed, which
    /// [`ChannelEvent::CallDone`] tells.
    Held {
        /// The call.
        call: CallId,
        /// The reply.
        message: Message,
    },
    /// The service answered a call with a fault. The call is over.
    Fault {
        /// The call.
        call: CallId,
        /// The fault.
        fault: FaultSeen,
        /// The message that it came in, where that was verified or needs no verification.
        message: Option<Message>,
    },
    /// A call failed, and is over.
    Failed {
        /// The call.
        call: CallId,
        /// Why.
        error: ChannelError,
    },
    /// Nothing of a call: the protocol's own, or too late. What it has changed, events tell.
    Protocol,
}
