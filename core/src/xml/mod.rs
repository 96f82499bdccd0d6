//! The XML that SOAP allows: a bounded tokenizer, exclusive canonical form and a writer, none of which allocates.
//!
//! Everything here works on bytes lent by the caller. What a peer sends can make it return a typed [`Error`] with the
//! byte offset of the fault; it cannot make it panic, recurse, or use more memory than its fixed tables.
//!
//! SOAP 1.1 section 3 and SOAP 1.2 part 1 section 5 forbid document type declarations and processing instructions, so
//! they are refused here, and with them every entity that is not one of the five predefined ones.

mod c14n;
mod chars;
mod error;
mod limits;
mod namespaces;
mod reader;
mod span;
mod tag;
mod text;
mod writer;

#[cfg(test)]
mod reader_tests;

pub use c14n::{Exclusive, Sink};
pub use error::{Error, ErrorKind, Quota};
pub use limits::Limits;
pub use namespaces::{Scope, XML_NAMESPACE, XMLNS_NAMESPACE};
pub use reader::{Attribute, End, Name, Reader, Start, Token};
pub use span::Span;
pub use text::{Piece, Pieces, Text};
pub use writer::{Grow, Writer, fill_comment};
