//! What a layer above a secure conversation hands down and gets back, message by message.
//!
//! A machine's own face, with calls and exchanges, fits an application that says something and waits for the answer. A layer
//! that keeps books of its own, as WS-ReliableMessaging does, decides itself when a message goes and which exchange carries
//! it. It has messages sealed and opened one at a time, and leaves only the trust exchanges to the machine.

use super::conversation::{FaultSeen, Misuse};
use super::opened::Opened;
use super::protection::SealError;
use crate::soap::HeaderBlock;
use crate::xml::Grow;
use core::fmt;

/// A message of a session, whole but for its security header.
#[derive(Clone, Copy, Debug)]
pub struct SessionMessage<'m> {
    /// Every header block, in the order of the wire. All of them are signed.
    pub headers: &'m [HeaderBlock<'m>],
    /// The body's content. It may use the prefixes that the header blocks share, and declares all others.
    pub body: &'m [u8],
    /// Is the body encrypted? If not, the signature stays in clear too.
    pub encrypt_body: bool,
}

/// Why a message was not sealed. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsealed {
    /// The buffer is too small; says by how much.
    Room(Grow),
    /// The client's key is due for renewal, or being renewed: the message has to wait. See
    /// [`Initiator::renew`](super::Initiator::renew).
    RenewalDue,
    /// Not in this state, or no such session.
    Misuse(Misuse),
    /// The message itself is at fault: it would be so for ever.
    Unsendable(SealError),
}

impl fmt::Display for Unsealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(grow) => write!(f, "{grow}"),
            Self::RenewalDue => f.write_str("the key has to be renewed before the next message"),
            Self::Misuse(misuse) => write!(f, "{misuse}"),
            Self::Unsendable(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for Unsealed {}

impl From<SealError> for Unsealed {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Grow(grow) => Self::Room(grow),
            SealError::Xml(_)
            | SealError::TooMany
            | SealError::KeyLength
            | SealError::NotOwed
            | SealError::Credential(_) => Self::Unsendable(error),
        }
    }
}

impl From<Grow> for Unsealed {
    fn from(grow: Grow) -> Self {
        Self::Room(grow)
    }
}

impl From<Misuse> for Unsealed {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}

/// What a client's layer above heard from the service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A message of the session. It may be a fault of the application or of the layer above.
    Message(Opened),
    /// A fault of the secure conversation. What it means for the conversation, [`Initiator::phase`] and
    /// [`Initiator::needs_renewal`] tell; what it meant for a message that was under way, the layer above has to know.
    ///
    /// [`Initiator::phase`]: super::Initiator::phase
    /// [`Initiator::needs_renewal`]: super::Initiator::needs_renewal
    Fault(FaultSeen),
    /// The service cancels the token: it sends nothing more. It does so where messages go both ways (net.tcp, dual HTTP).
    Cancelled,
}
