//! Sockets, clock and tasks for soap-session, on Tokio.
//!
//! [`SecureClient`] and [`SecureServer`] drive the core's machines: they carry bytes
//! between sockets and a machine, tell it the time, and wait as long as it says. They decide nothing: what is sent, when, and
//! what it means is the core's.
//! [`http`] carries SOAP messages over HTTP/1.1 `POST` and knows no session.

mod client;
mod clock;
pub mod http;
mod message;
mod server;
mod serving;
mod trace;

pub use client::{ClientError, SecureClient};
pub use clock::Clock;
pub use message::{Call, Reply, Response, Service};
pub use server::SecureServer;
pub use trace::{Passed, Trace, Way};
