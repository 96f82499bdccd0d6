//! Telling an observer which messages pass.

/// Which way a message went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From the client to the service.
    Request,
    /// From the service to the client.
    Answer,
}

/// A message that passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passed<'m> {
    /// Which way.
    pub way: Way,
    /// HTTP status of an answer.
    pub status: Option<u16>,
    /// The message as it was on the wire; empty for a 202.
    pub message: &'m [u8],
    /// Did the receiver verify it? `None` on the side that sent it.
    pub verified: Option<bool>,
    /// Does the receiver know it as one that was here before, on a reliable session? It is answered again, and not heard again.
    pub repeated: bool,
    /// The verified action, where the receiver verified one.
    pub action: &'m str,
}

impl<'m> Passed<'m> {
    /// A request, as its sender knows it.
    pub(crate) const fn request(message: &'m [u8], action: &'m str) -> Self {
        Self { way: Way::Request, status: None, message, verified: None, repeated: false, action }
    }
}

/// An observer. It is called from the task that drives the machine: it must not block.
pub type Trace = std::sync::Arc<dyn Fn(Passed<'_>) + Send + Sync>;
