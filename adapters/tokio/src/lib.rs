//! Sockets, clock and tasks for soap-session, on Tokio.
//!
//! [`http`] carries SOAP messages over HTTP/1.1 `POST`. It decides nothing: it neither retries nor counts, and knows no
//! session.

pub mod http;
