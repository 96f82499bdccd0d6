//! Why a header or a fault cannot be taken.

use core::fmt;

use crate::xml;

/// What is wrong with an addressing header or a fault. All of these blame the sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SoapError {
    /// The bytes are not XML that is taken here.
    Xml(xml::Error),
    /// A header block or element that must be there is not.
    Missing {
        /// Its local name.
        element: &'static str,
    },
    /// A header block or element that may stand once stands twice.
    Duplicate {
        /// Its local name.
        element: &'static str,
        /// Byte offset of the second one.
        offset: u32,
    },
    /// Another element was due here.
    Unexpected {
        /// The local name that was due.
        expected: &'static str,
        /// Byte offset of the element that stands there instead.
        offset: u32,
    },
    /// A qualified name in text with an undeclared prefix.
    UnboundQName {
        /// The local name of the element that holds it.
        element: &'static str,
        /// Byte offset of the text.
        offset: u32,
    },
}

impl From<xml::Error> for SoapError {
    fn from(error: xml::Error) -> Self {
        Self::Xml(error)
    }
}

impl fmt::Display for SoapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xml(error) => error.fmt(f),
            Self::Missing { element } => write!(f, "{element} is missing; WS-Addressing or SOAP requires it"),
            Self::Duplicate { element, offset } => write!(f, "{element} stands a second time at byte {offset}"),
            Self::Unexpected { expected, offset } => write!(f, "{expected} was due at byte {offset}"),
            Self::UnboundQName { element, offset } => {
                write!(f, "{element} holds a name at byte {offset} whose prefix is not declared")
            }
        }
    }
}

impl core::error::Error for SoapError {}
