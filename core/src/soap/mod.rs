//! SOAP 1.1 and 1.2, WS-Addressing 2004/08 and 1.0: names, versions, addressing headers, faults.
//!
//! Nothing here knows about time, keys or sessions, and nothing is kept between messages.

mod addressing;
mod error;
pub mod fault;
mod header;
pub mod names;
mod plain;
mod version;

pub use addressing::Addressing;
pub use error::SoapError;
pub use fault::{Fault, FaultCode, FaultView};
pub use header::{Content, HeaderBlock};
pub use plain::{PlainMessage, write_plain};
pub use version::{AddressingVersion, RequestType, ScVersion, SoapVersion, TrustVersion};
