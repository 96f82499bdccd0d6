//! SOAP over HTTP/1.1: one `POST`, one answer.
//!
//! A SOAP message travels in the body; the status says how it went: 200 for a reply, 500 for any fault (secured ones
//! too), 202 with nothing in it for "taken, no answer". What the message says is none of this module's business.

mod client;
mod encoding;
mod error;
mod media;
mod refusal;
mod request;
mod server;
mod turn;

pub use client::{HttpClient, HttpReply};
pub use encoding::EncodingProblem;
pub use error::HttpError;
pub use media::ContentHeaders;
pub use request::{HttpRequest, HttpResponse, Limits};
pub use server::HttpServer;
pub(crate) use turn::{Row, Taken, Turn};

/// Media type of SOAP 1.2, as WCF writes it when WS-Addressing is on: without an `action` parameter.
pub const SOAP12: &str = "application/soap+xml; charset=utf-8";
/// Media type of SOAP 1.1, which has its action in a header of its own.
pub const SOAP11: &str = "text/xml; charset=utf-8";
/// Most octets of a request's or an answer's head.
pub const MAX_HEAD: usize = 64 * 1024;
