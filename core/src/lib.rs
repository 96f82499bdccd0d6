//! Secure, reliable SOAP sessions as a pure state machine.
#![no_std]

pub mod base64;
pub mod chance;
pub mod crypto;
pub mod secure;
pub mod soap;
pub mod time;
pub mod xml;
