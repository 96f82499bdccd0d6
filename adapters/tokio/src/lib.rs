//! Sockets, clock and tasks for soap-session, on Tokio.
//!
//! [`SecureClient`] and [`SecureServer`], [`ReliableClient`] and [`ReliableServer`] drive the core's machines: they carry bytes
//! between sockets and a machine, tell it the time, and wait as long as it says. They decide nothing: what is sent, when, and
//! what it means is the core's.
//! [`http`] carries SOAP messages over HTTP/1.1 `POST` and knows no session.

mod client;
mod clock;
pub mod http;
mod message;
mod reliable_client;
mod reliable_driver;
mod reliable_error;
mod reliable_server;
mod runtime;
mod server;
mod serving;
mod trace;

pub use client::{ClientError, SecureClient};
pub use clock::Clock;
pub use message::{Call, Reply, Response, Service};
pub use reliable_client::ReliableClient;
pub use reliable_error::ReliableError;
pub use reliable_server::ReliableServer;
pub use runtime::Tokio;
pub use server::SecureServer;
pub use trace::{Passed, Trace, Way};
