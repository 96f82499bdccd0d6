//! What the adapters of soap-session share: clients and servers that drive the core's machines, over any asynchronous runtime.
//!
//! A [`Runtime`] brings sockets, a clock and tasks, and nothing else. The packages `soap-session-tokio` and `soap-session-smol` bring one
//! each, and give these types their names; there is nothing here that knows either.
//!
//! [`Client`] and [`Server`] speak a [`Binding`], put together as WCF's are. [`http`] carries SOAP messages over HTTP/1.1 `POST` and
//! knows no session; [`tls`] is what makes HTTPS of it.

mod binding;
mod body;
mod client;
mod clock;
mod fault;
mod group;
pub mod http;
mod large_stack;
mod letter;
mod log;
mod observe;
mod plain;
#[cfg(feature = "prometheus")]
pub mod prometheus;
mod runtime;
mod server;
mod stream;
pub mod telemetry;
mod timing;
pub mod tls;

pub use binding::{Binding, BindingError, ClientCredentialType, SecurityMode};
pub use client::{CallError, Client, ClientOptions, CloseError, Failed, NewError, Reply, Transport};
pub use fault::Fault;
pub use log::{LogLimits, LogReport, MessageLog};
pub use observe::{Observer, Passed, Way};
pub use plain::PlainEnvelope;
pub use runtime::Runtime;
pub use server::{
    Answer, Call, ServeError, Server, ServerOptions, Service, ServiceFn, SessionFn, SessionId, Watch, service_fn,
    session_fn,
};
// What every application names besides.
pub use soap_session_core::lifetime::Timeouts;
pub use soap_session_core::secure::UserCredential;
pub use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};

use soap_session_credentials::{LoadError, random_seed};

/// Randomness for the two trades of a machine.
fn seeds() -> Result<[[u8; 32]; 2], LoadError> {
    Ok([random_seed()?, random_seed()?])
}
