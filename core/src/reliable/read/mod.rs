//! Messages, read: what their headers and bodies say to WS-ReliableMessaging.
//!
//! The rules are WCF's, as far as they are known: what it refuses is refused, and with the answer that it gives.

mod body;
mod envelope;
mod error;
mod header;
mod sequence;
mod value;

pub use envelope::{Blocks, Parts};
pub use error::{RmAnswer, RmProblem, RmReadError};
pub use header::{RmReader, SequenceFaultHeader};
pub use sequence::{Place, peek_sequence};
pub use value::Scratch;
