//! What a server answers to what is no SOAP request: a status, and a line of plain text that says why.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::ext::ReasonPhrase;
use hyper::header::{ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use soap_session_core::soap::SoapVersion;

use super::encoding::{ACCEPTED, EncodingProblem};
use super::media::media_type;
use super::{MAX_HEAD, SOAP11, SOAP12};
use crate::telemetry::http_refused;

/// Media type of a refusal.
const TEXT: &str = "text/plain; charset=utf-8";

/// Why a request does not get to the handler.
pub(super) enum Refusal {
    Path {
        served: String,
    },
    Method,
    /// `None`: no content type, or two.
    ContentType {
        got: Option<String>,
        expected: Option<SoapVersion>,
    },
    Encoding(EncodingProblem),
    TooLarge {
        limit: usize,
        announced: Option<u64>,
    },
    /// The connection broke, or the chunks are no chunks.
    BadBody,
    BodyTime(Duration),
    HeadTime(Duration),
    /// By hyper, before there was a request.
    Head {
        status: u16,
    },
    NotTls,
    /// The handler's status or content type is none that HTTP knows.
    Handler,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Path { .. } => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType { .. } | Self::Encoding(EncodingProblem::Unknown) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } | Self::Encoding(EncodingProblem::TooLong { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encoding(EncodingProblem::CutShort | EncodingProblem::Damaged) | Self::BadBody | Self::NotTls => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyTime(_) | Self::HeadTime(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Head { status } => StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Handler => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// For the metrics.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Path { .. } => "http_path",
            Self::Method => "http_method",
            Self::ContentType { .. } => "http_content_type",
            Self::Encoding(_) => "http_encoding",
            Self::TooLarge { .. } => "http_too_large",
            Self::BadBody => "http_body",
            Self::BodyTime(_) | Self::HeadTime(_) => "http_time",
            Self::Head { .. } => "http_head",
            Self::NotTls => "http_tls",
            Self::Handler => "http_handler",
        }
    }

    fn told(&self) {
        http_refused(self.kind(), self.status().as_u16());
    }

    fn text(&self) -> String {
        match self {
            Self::Path { served } => format!("There is no service here; it is at '{served}'."),
            Self::Method => "SOAP messages are sent by POST.".to_owned(),
            Self::ContentType { got: None, .. } => "One Content-Type is needed.".to_owned(),
            // WCF's words.
            Self::ContentType { got: Some(got), expected: Some(expected) } => format!(
                "Cannot process the message because the content type '{got}' was not the expected type '{}'.",
                media_type(*expected)
            ),
            Self::ContentType { got: Some(got), expected: None } => format!(
                "Cannot process the message because the content type '{got}' was not one of the expected types '{SOAP11}' and '{SOAP12}'."
            ),
            Self::Encoding(problem) => format!("Cannot read the message: {problem}."),
            Self::TooLarge { limit, announced: Some(length) } => {
                format!("The message has {length} octets; at most {limit} are taken.")
            }
            Self::TooLarge { limit, announced: None } => {
                format!("The message is longer than the {limit} octets taken.")
            }
            Self::BadBody => "The message is cut short, or not chunked as it should be.".to_owned(),
            Self::BodyTime(limit) => format!("The message was not here within {} ms.", limit.as_millis()),
            Self::HeadTime(limit) => format!("The head of the request was not here within {} ms.", limit.as_millis()),
            Self::Head { status: 431 } => format!("The head of the request is longer than {MAX_HEAD} octets."),
            Self::Head { .. } => "This is not HTTP/1.1.".to_owned(),
            Self::NotTls => "This port speaks HTTPS only.".to_owned(),
            Self::Handler => "The service answered what HTTP cannot say.".to_owned(),
        }
    }

    /// A header that says what would be taken.
    fn advice(&self) -> Option<(HeaderName, &'static str)> {
        match self {
            Self::Method => Some((ALLOW, "POST")),
            Self::Encoding(EncodingProblem::Unknown) => Some((ACCEPT_ENCODING, ACCEPTED)),
            _ => None,
        }
    }

    /// The answer to a request.
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        self.told();
        let text = self.text();
        // Where WCF says it, and where WCF's clients read it.
        let reason = match self {
            Self::ContentType { got: Some(_), expected: Some(_) } => ReasonPhrase::try_from(text.clone()).ok(),
            _ => None,
        };
        let mut response = Response::new(Full::new(text.into()));
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
        if let Some((name, value)) = self.advice() {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        if matches!(self, Self::TooLarge { .. } | Self::BadBody | Self::BodyTime(_)) {
            // The rest of the message is not read. Unless it is told, a client may send its next one just before it learns of that.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(reason) = reason {
            response.extensions_mut().insert(reason);
        }
        response
    }

    /// The answer where there is no request: all octets, and the connection ends after them.
    pub(super) fn octets(&self) -> Vec<u8> {
        self.told();
        let (status, text) = (self.status(), self.text());
        format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {TEXT}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            status.as_u16(),
            status.canonical_reason().unwrap_or_default(),
            text.len()
        )
        .into_bytes()
    }
}
