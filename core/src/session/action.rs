//! What a session asks its driver to do.

use crate::exchange::Exchange;
use crate::reliable::{ReliableSessionId, Told};
use crate::secure::{Failure, SessionId};
use crate::time::Deadline;
use crate::xml::Grow;

/// What a client wants to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "an action that is not carried out is lost"]
pub enum ClientAction<'o, P> {
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
    Told(Told<P>),
    /// The secure conversation failed, and the session with it; why.
    Failed(Failure),
    /// The buffer is too small; nothing has changed.
    Grow(Grow),
    /// Nothing to do before this time, or before something is told. The last of a drain.
    Wait(Deadline),
}

/// What a service wants to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "an action that is not carried out is lost"]
pub enum ServiceAction<'o, P> {
    /// Answer an exchange, and forget it.
    Answer {
        /// The exchange.
        exchange: Exchange,
        /// HTTP status: 200, 202 without a message, 400, or 500 for every fault.
        status: u16,
        /// The message; empty for 202 and 400.
        message: &'o [u8],
    },
    /// Send these bytes to the client of a duplex session.
    Transmit {
        /// The connection that the client was last heard on.
        connection: Exchange,
        /// The session, if the message is one's.
        session: Option<ReliableSessionId>,
        /// The message.
        message: &'o [u8],
    },
    /// End an exchange without an answer.
    Drop(Exchange),
    /// Tell the application of a session.
    Told(ReliableSessionId, Told<P>),
    /// A secure conversation that was issued and never used has been swept.
    Swept(SessionId),
    /// The buffer is too small; nothing has changed.
    Grow(Grow),
    /// Nothing to do before this time, or before something is told. The last of a drain.
    Wait(Deadline),
}
