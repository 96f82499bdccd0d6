//! Seeing what passes.

use soap_session_core::exchange::Exchange;

/// Which way an envelope went, from where it was seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Way {
    /// It was sent.
    Sent,
    /// It was received.
    Received,
}

/// An envelope that passed, as it was on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passed<'m> {
    /// Which way.
    pub way: Way,
    /// HTTP status of an answer.
    pub status: Option<u16>,
    /// The envelope; empty for an answer without one.
    pub message: &'m [u8],
    /// The exchange that it belongs to.
    pub exchange: Exchange,
}

/// Sees every envelope that passes. It is called from the task that carries the message, without any lock: it must not block.
pub trait Observer: Send + Sync {
    /// An envelope passed.
    fn passed(&self, passed: &Passed<'_>);
}
