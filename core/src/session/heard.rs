//! What came of a received message.

use crate::reliable::{Arrival, Heard, ReliableSessionId, RmReadError};
use crate::secure::{Failure, Opened, Refusal, SessionId};
use crate::soap::fault::QName;
use crate::xml::{Limits, Reader, Scope, Span};
use core::fmt;

/// Where a message of the application stands in the buffer that was lent. A value that is written with references in it
/// (`&amp;`) stands nowhere as it is meant: its place is empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The action URI.
    pub action: Span,
    /// `MessageID`; empty if there is none: a one-way message.
    pub message_id: Span,
    /// `RelatesTo`; empty if there is none.
    pub relates_to: Span,
    /// The content of the body.
    pub body: Span,
    /// Namespace bindings around it.
    pub body_scope: Scope,
    /// The first header block that must be understood and that is not understood here. Whether the application understands
    /// it, only the application knows: who does not, answers `MustUnderstand` (SOAP 1.2, 5.4.8), as
    /// [`ServiceEndpoint::not_understood`](super::ServiceEndpoint::not_understood) does.
    pub must_understand: Option<Span>,
}

impl Message {
    /// The name of the block that [must be understood](Self::must_understand), in `bytes`, where this message stands as it was
    /// received. `None` if there is none, or if it is not to be found there.
    pub fn not_understood<'b>(&self, bytes: &'b [u8]) -> Option<QName<'b>> {
        let block = self.must_understand?;
        // Not further than the block. What was decrypted left comments and markup behind: it reads as XML.
        let until = bytes.get(..block.end as usize)?;
        // It was read within the limits before.
        let mut reader = Reader::document(until, &Limits::MAX).ok()?;
        let (_envelope, _header) = (reader.next_element().ok()??, reader.next_element().ok()??);
        while let Some(start) = reader.next_element().ok()? {
            if start.span.start == block.start {
                let text = |octets: &'b [u8]| core::str::from_utf8(octets).ok();
                return Some(QName { namespace: text(start.name.namespace)?, local: text(start.name.local)? });
            }
            reader.skip().ok()?;
        }
        None
    }
}

/// Why a message was not read. Nothing has changed, but that its exchange is over.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NotRead {
    /// Security refused it.
    Refused(Refusal),
    /// It is no message of WS-ReliableMessaging.
    Unreadable(RmReadError),
}

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::Unreadable(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for NotRead {}

/// What a client heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientHeard {
    /// Something of the secure conversation, in good order.
    Conversation,
    /// Something of the reliable session; the message, if it holds one for the application.
    Session(Heard, Option<Message>),
    /// The secure conversation's failure, of one message or for good: see the phases.
    Failed(Failure),
    /// It was not read; the exchange counts as failed.
    NotRead(NotRead),
}

/// What a service heard. Whatever it was, its exchange is answered through `poll`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServiceHeard {
    /// A token was issued, renewed or cancelled.
    Conversation(SessionId),
    /// Something of a reliable session; the message, if it holds one for the application.
    Session {
        /// The session; `None` for a message of no session, which is refused.
        session: Option<ReliableSessionId>,
        /// What it was.
        heard: Heard,
        /// The message: to be kept under its number until it is taken.
        message: Option<Message>,
    },
    /// It was not read; the client gets a fault, or nothing.
    NotRead(NotRead),
}

/// The message that was opened.
pub(super) fn message_in(opened: &Opened) -> Message {
    let values = opened.addressing;
    Message {
        action: values.action,
        message_id: values.message_id,
        relates_to: values.relates_to,
        body: opened.body,
        body_scope: opened.body_scope.clone(),
        must_understand: opened.must_understand,
    }
}

/// Where `part` stands in `message`; nothing for a part that does not lie in it.
pub(super) fn span_of(message: &[u8], part: Option<&[u8]>) -> Span {
    let Some(part) = part else { return Span::default() };
    let start = (part.as_ptr() as usize).wrapping_sub(message.as_ptr() as usize);
    match (u32::try_from(start), start.checked_add(part.len()).map(u32::try_from)) {
        (Ok(start), Some(Ok(end))) if end as usize <= message.len() => Span::new(start, end),
        _ => Span::default(),
    }
}

/// The message of an arrival.
pub(super) fn message_of(
    bytes: &[u8],
    arrival: &Arrival<'_>,
    body: Span,
    body_scope: Scope,
    must_understand: Option<Span>,
) -> Message {
    Message {
        action: span_of(bytes, Some(arrival.action_uri)),
        message_id: span_of(bytes, arrival.message_id),
        relates_to: span_of(bytes, arrival.relates_to),
        body,
        body_scope,
        must_understand,
    }
}
