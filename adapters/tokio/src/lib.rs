//! soap-session on Tokio: clients and services with secure, reliable SOAP sessions as WCF speaks them.
//!
//! This package brings sockets, clock and tasks ([`Tokio`]); everything else is [`soap_session_driver`]'s, which is the same on every
//! runtime, and is named here too.

mod runtime;

pub use runtime::Tokio;
pub use soap_session_driver::*;

/// A client of a service: see [`soap_session_driver::Client`].
pub type Client = soap_session_driver::Client<Tokio>;

/// A server of the service `S`: see [`soap_session_driver::Server`].
pub type Server<S> = soap_session_driver::Server<Tokio, S>;

/// How a server stands: see [`soap_session_driver::Watch`].
pub type Watch<S> = soap_session_driver::Watch<Tokio, S>;
