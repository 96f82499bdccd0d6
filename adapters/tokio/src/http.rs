//! SOAP over HTTP/1.1: one `POST`, one answer.
//!
//! A SOAP message travels in the body; the status says how it went: 200 for a reply, 500 for any fault (secured ones
//! too), 202 with nothing in it for "taken, no answer". What the message says is none of this module's business.

mod client;
mod server;

pub use client::{HttpClient, HttpError, HttpReply};
pub use server::{HttpRequest, HttpResponse, HttpServer, Limits};

use soap_session_core::soap::SoapVersion;

/// Media type of SOAP 1.2, as WCF writes it when WS-Addressing is on: without an `action` parameter.
pub const SOAP12: &str = "application/soap+xml; charset=utf-8";
/// Media type of SOAP 1.1, which has its action in a header of its own.
pub const SOAP11: &str = "text/xml; charset=utf-8";

/// The headers that describe a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHeaders {
    /// `Content-Type`.
    pub content_type: String,
    /// `SOAPAction`, without its quotes; SOAP 1.1 only.
    pub soap_action: Option<String>,
}

impl ContentHeaders {
    /// A SOAP 1.2 message with WS-Addressing.
    pub fn soap12() -> Self {
        Self { content_type: SOAP12.to_owned(), soap_action: None }
    }

    /// A SOAP 1.1 message with this action.
    pub fn soap11(action: impl Into<String>) -> Self {
        Self { content_type: SOAP11.to_owned(), soap_action: Some(action.into()) }
    }

    /// A message with this action in this version.
    pub fn of(version: SoapVersion, action: impl Into<String>) -> Self {
        match version {
            SoapVersion::Soap11 => Self::soap11(action),
            SoapVersion::Soap12 => Self::soap12(),
        }
    }
}

/// Is this a SOAP text message in UTF-8? A missing charset counts as UTF-8.
fn is_soap(content_type: &str) -> bool {
    let mut quoted = false;
    let mut fields = content_type.split(|character| {
        quoted ^= character == '"';
        character == ';' && !quoted
    });
    let media_type = fields.next().unwrap_or_default().trim();
    let known = ["application/soap+xml", "text/xml"].iter().any(|soap| media_type.eq_ignore_ascii_case(soap));
    known
        && fields.filter_map(|field| field.split_once('=')).all(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

#[cfg(test)]
mod tests {
    use super::is_soap;

    #[test]
    fn content_types() {
        for soap in [
            super::SOAP11,
            super::SOAP12,
            "text/xml",
            "Text/XML;charset=\"UTF-8\"",
            "application/soap+xml ; action=\"urn:a;charset=latin1\"; charset=utf-8",
        ] {
            assert!(is_soap(soap), "{soap}");
        }
        for other in
            ["", ";", "text/plain", "text/xmlish", "text/xml; charset=utf-16", "application/soap+msbin1", "text/html"]
        {
            assert!(!is_soap(other), "{other}");
        }
    }
}
