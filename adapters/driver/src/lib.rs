//! What the adapters of soap-session share: clients and servers that drive the core's machines, over any asynchronous runtime.
//!
//! A [`Runtime`] brings sockets, a clock and tasks, and nothing else. The packages `soap-session-tokio` and `soap-session-smol` bring one
//! each, and give these types their names; there is nothing here that knows either.
//!
//! [`http`] carries SOAP messages over HTTP/1.1 `POST` and knows no session; [`tls`] is what makes HTTPS of it.

mod group;
pub mod http;
mod runtime;
mod stream;
mod timing;
pub mod tls;

pub use runtime::Runtime;
