//! Messages of the application, and the application itself.

use soap_session_core::exchange::Outgoing;
use soap_session_core::secure::SessionId;
use soap_session_core::xml::Span;
use std::future::Future;

/// A request on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) action: String,
    pub(crate) body: Vec<u8>,
    pub(crate) two_way: bool,
}

impl Outgoing for Request {
    fn action(&self) -> &[u8] {
        self.action.as_bytes()
    }
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn two_way(&self) -> bool {
        self.two_way
    }
}

/// A verified reply. It may be a fault of the application, in its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// HTTP status: 500 for a fault.
    pub status: u16,
    /// The action.
    pub action: String,
    /// The body's content.
    pub body: Vec<u8>,
}

/// A request that the service took; verified, if there is security. `Id` is what its kind of session is named by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call<Id = SessionId> {
    /// Its session.
    pub session: Id,
    /// The action.
    pub action: String,
    /// The body's content.
    pub body: Vec<u8>,
    /// Does it expect a reply?
    pub two_way: bool,
}

/// A reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// The action.
    pub action: String,
    /// The body's content: XML that declares the prefixes it uses.
    pub body: Vec<u8>,
    /// Is it a fault? HTTP says 500 then.
    pub fault: bool,
}

impl Outgoing for Response {
    fn action(&self) -> &[u8] {
        self.action.as_bytes()
    }
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn is_fault(&self) -> bool {
        self.fault
    }
}

/// The application behind a server whose sessions are named by `Id`.
pub trait Service<Id = SessionId>: Send + Sync + 'static {
    /// Answers a request. What a one-way request returns is not sent.
    fn call(&self, call: Call<Id>) -> impl Future<Output = Response> + Send;

    /// A session is over: ended by its client, or by time, or by a fault.
    fn closed(&self, session: Id) {
        let _ = session;
    }
}

/// What stands there, as text.
pub(crate) fn text(span: Span, message: &[u8]) -> String {
    String::from_utf8_lossy(span.of(message)).into_owned()
}
