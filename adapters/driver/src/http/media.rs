//! Which message is inside: `Content-Type` and `SOAPAction`.

use soap_session_core::soap::SoapVersion;

use super::{SOAP11, SOAP12};

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

    /// A message whose action only HTTP tells, for there is no WS-Addressing.
    pub fn without_addressing(version: SoapVersion, action: &str) -> Self {
        match version {
            SoapVersion::Soap11 => Self::soap11(action),
            SoapVersion::Soap12 => Self { content_type: format!("{SOAP12}; action=\"{action}\""), soap_action: None },
        }
    }

    /// A message with this action in this version.
    pub fn of(version: SoapVersion, action: impl Into<String>) -> Self {
        match version {
            SoapVersion::Soap11 => Self::soap11(action),
            SoapVersion::Soap12 => Self::soap12(),
        }
    }
}

/// The media type of this version, as WCF writes it.
pub(super) fn media_type(version: SoapVersion) -> &'static str {
    match version {
        SoapVersion::Soap11 => SOAP11,
        SoapVersion::Soap12 => SOAP12,
    }
}

/// What a `Content-Type` says of a SOAP text message in UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) version: SoapVersion,
    /// The `action` parameter of SOAP 1.2.
    pub(super) action: Option<String>,
}

impl Media {
    /// Nothing if this is no SOAP text in UTF-8. A missing charset counts as UTF-8.
    pub(super) fn read(content_type: &str) -> Option<Self> {
        let mut quoted = false;
        let mut fields = content_type.split(|character| {
            quoted ^= character == '"';
            character == ';' && !quoted
        });
        let name = fields.next()?.trim();
        let version = if name.eq_ignore_ascii_case("application/soap+xml") {
            SoapVersion::Soap12
        } else if name.eq_ignore_ascii_case("text/xml") {
            SoapVersion::Soap11
        } else {
            return None;
        };
        let mut action = None;
        for (name, value) in fields.filter_map(|field| field.split_once('=')) {
            let (name, value) = (name.trim(), unquoted(value));
            if name.eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
                return None;
            }
            if name.eq_ignore_ascii_case("action") && version == SoapVersion::Soap12 {
                action = Some(value.to_owned());
            }
        }
        Some(Self { version, action })
    }
}

/// The text without its quotes. Backslashes stay: no URI has any.
pub(super) fn unquoted(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::{Media, SOAP11, SOAP12};
    use soap_session_core::soap::SoapVersion::{Soap11, Soap12};

    #[test]
    fn content_types() {
        for (soap, version, action) in [
            (SOAP11, Soap11, None),
            (SOAP12, Soap12, None),
            ("text/xml", Soap11, None),
            ("Text/XML;charset=\"UTF-8\"", Soap11, None),
            ("text/xml; action=\"urn:a\"", Soap11, None),
            (
                "application/soap+xml ; action=\"urn:a;charset=latin1\"; charset=utf-8",
                Soap12,
                Some("urn:a;charset=latin1"),
            ),
            ("application/soap+xml;charset=utf-8;Action=urn:a", Soap12, Some("urn:a")),
        ] {
            assert_eq!(Media::read(soap), Some(Media { version, action: action.map(str::to_owned) }), "{soap}");
        }
        for other in
            ["", ";", "text/plain", "text/xmlish", "text/xml; charset=utf-16", "application/soap+msbin1", "text/html"]
        {
            assert_eq!(Media::read(other), None, "{other}");
        }
    }
}
