//! Why a trust element cannot be taken.

use core::fmt;

use super::KEY_SIZE_BITS;
use crate::xml;

/// What is wrong with a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Problem {
    /// There is nothing.
    Empty,
    /// It is written with references or line ends, which identifiers here may not be.
    Escaped,
    /// It is not a decimal number, or does not fit 32 bits.
    NotANumber,
    /// It is none of the URIs that this version defines.
    UnknownUri,
    /// Its EncodingType is not base64.
    Encoding,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::Escaped => "is written with references or line ends; write it plainly",
            Self::NotANumber => "is not a decimal number of 32 bits",
            Self::UnknownUri => "is not a URI that this version of the specification defines",
            Self::Encoding => "is not encoded in base64",
        })
    }
}

/// What is wrong with a trust element. All of these blame its sender; a server answers InvalidRequest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TrustError {
    /// The bytes are not XML that is taken here.
    Xml(xml::Error),
    /// A child that must be there is not.
    Missing {
        /// Local name of the element that lacks it.
        parent: &'static str,
        /// What it lacks.
        element: &'static str,
    },
    /// A child that may stand once stands twice.
    Duplicate {
        /// Local name of the child.
        element: &'static str,
        /// Byte offset of the second one.
        offset: u32,
    },
    /// Another element was due here.
    Unexpected {
        /// Local name of the element in which it stands.
        parent: &'static str,
        /// What was due: a local name, or "nothing more".
        expected: &'static str,
        /// Byte offset of the element that stands there instead.
        offset: u32,
    },
    /// A value that cannot be taken.
    Value {
        /// The element or attribute that holds it.
        element: &'static str,
        /// What is wrong with it.
        problem: Problem,
        /// Byte offset of the value.
        offset: u32,
    },
    /// A KeySize outside [`KEY_SIZE_BITS`], or not a multiple of 8.
    KeySize {
        /// What was asked for.
        bits: u32,
        /// Byte offset of the value.
        offset: u32,
    },
}

impl From<xml::Error> for TrustError {
    fn from(error: xml::Error) -> Self {
        Self::Xml(error)
    }
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xml(error) => error.fmt(f),
            Self::Missing { parent, element } => write!(f, "{parent} lacks {element}"),
            Self::Duplicate { element, offset } => write!(f, "{element} stands a second time at byte {offset}"),
            Self::Unexpected { parent, expected, offset } => {
                write!(f, "in {parent}, {expected} was due at byte {offset}")
            }
            Self::Value { element, problem, offset } => write!(f, "{element} at byte {offset} {problem}"),
            Self::KeySize { bits, offset } => write!(
                f,
                "KeySize {bits} at byte {offset} is not a multiple of 8 from {} to {} bits",
                KEY_SIZE_BITS.start(),
                KEY_SIZE_BITS.end()
            ),
        }
    }
}

impl core::error::Error for TrustError {}
