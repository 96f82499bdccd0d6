//! SOAP 1.1 and 1.2, WS-Addressing 2004/08 and 1.0: names, versions, addressing headers, faults.
//!
//! Nothing here knows about time, keys or sessions, and nothing is kept between messages.

pub mod names;
mod version;

pub use version::{AddressingVersion, RequestType, ScVersion, SoapVersion, TrustVersion};
