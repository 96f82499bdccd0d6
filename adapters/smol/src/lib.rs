//! soap-session on smol: clients and services with secure, reliable SOAP sessions as WCF speaks them.
//!
//! This package brings sockets, clock and tasks ([`Smol`]); everything else is [`soap_session_driver`]'s, which is the same on every
//! runtime, and is named here too.

mod runtime;

pub use runtime::Smol;
pub use soap_session_driver::*;

/// A client of a service: see [`soap_session_driver::Client`].
pub type Client = soap_session_driver::Client<Smol>;

/// A server of the service `S`: see [`soap_session_driver::Server`].
pub type Server<S> = soap_session_driver::Server<Smol, S>;

/// How a server stands: see [`soap_session_driver::Watch`].
pub type Watch<S> = soap_session_driver::Watch<Smol, S>;
