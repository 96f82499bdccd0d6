//! What an application is to a server.

use crate::body::text_of;
use crate::fault::Fault;
use bytes::Bytes;
use soap_session_core::service::{CATCH_ALL, Contract, Operation};
use std::future::Future;
use std::sync::Arc;

/// The session of a call, as the service sees it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub Arc<str>);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request, verified if there is security.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Its session; none where the binding makes none, or the contract does not want any.
    pub session: Option<SessionId>,
    /// The number of the operation in the contract.
    pub operation: u16,
    /// The action.
    pub action: String,
    /// The content of the body: XML that declares the prefixes it uses.
    pub body: Bytes,
    /// Does its client wait for a reply?
    pub two_way: bool,
}

impl Call {
    /// The last part of the action: with WCF's default actions, the name of the operation.
    pub fn name(&self) -> &str {
        self.action.rsplit('/').next().unwrap_or_default()
    }

    /// The text of the first element of this local name in the body. `None`: there is none, or it holds elements.
    pub fn text(&self, local: &str) -> Option<String> {
        text_of(&self.body, local)
    }
}

/// What a service answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A reply: its action, and the content of its body, which declares the prefixes it uses.
    Reply {
        /// The action.
        action: Bytes,
        /// The content of the body.
        body: Bytes,
    },
    /// A fault that the operation declares: the session goes on.
    Fault(Fault),
    /// A fault as somebody else wrote it, in the version of SOAP that is spoken here.
    RawFault {
        /// The action.
        action: Bytes,
        /// The `Fault` element.
        body: Bytes,
    },
    /// Nothing: for a one-way operation. A two-way one is answered by HTTP's 202.
    Nothing,
    /// It failed in a way that it does not declare: the client gets WCF's InternalServiceFault, and its session is closed. A
    /// panic does the same.
    Unhandled,
}

impl Answer {
    /// A reply.
    pub fn reply(action: impl Into<Bytes>, body: impl Into<Bytes>) -> Self {
        Self::Reply { action: action.into(), body: body.into() }
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A service: what it can do, and how it is done. The server decides when, and in which instance.
pub trait Service: Send + Sync + 'static {
    /// What lives as long as an instance context: with WCF's defaults, a session. Calls of one instance run one after the other
    /// unless the host's [`ConcurrencyMode`](soap_session_core::service::ConcurrencyMode) says otherwise.
    type Instance: Send + Sync + 'static;

    /// What can be called.
    fn contract(&self) -> &Contract<'_>;

    /// A new instance; `session` is that of its first call.
    fn instance(&self, session: Option<&SessionId>) -> Self::Instance;

    /// Runs an operation. What a one-way operation answers is not sent.
    fn call(&self, instance: &Self::Instance, call: Call) -> impl Future<Output = Answer> + Send;

    /// An instance is let go: its session is over, or its call.
    fn disposed(&self, instance: &Self::Instance) {
        let _ = instance;
    }
}

/// A service that is a function, and takes every action: [`service_fn`] makes it.
#[derive(Debug)]
pub struct ServiceFn<F>(F);

/// WCF's catch-all operation, which takes what no other takes.
pub(super) const ANY: &[Operation<'static>] = &[Operation::new("Any", CATCH_ALL)];
const ANY_CONTRACT: Contract<'static> = Contract {
    name: "Any",
    session_mode: soap_session_core::service::SessionMode::Allowed,
    callbacks: false,
    operations: ANY,
};

/// A service of one function without state: it is called for every action.
///
/// ```
/// use soap_session_driver::{Answer, service_fn};
/// let echo = service_fn(|call| async move { Answer::reply(format!("{}Response", call.action), call.body) });
/// # let _ = echo;
/// ```
pub const fn service_fn<F, A>(call: F) -> ServiceFn<F>
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    ServiceFn(call)
}

impl<F, A> Service for ServiceFn<F>
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    type Instance = ();

    fn contract(&self) -> &Contract<'_> {
        &ANY_CONTRACT
    }

    fn instance(&self, _: Option<&SessionId>) {}

    fn call(&self, (): &(), call: Call) -> impl Future<Output = Answer> + Send {
        (self.0)(call)
    }
}
