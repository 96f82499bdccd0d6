//! The user of the application.

use crate::crypto::SecretKey;

pub use crate::exchange::{Exchange, Outgoing};
use core::fmt;
use heapless::String;

/// A name and a password, kept for the bootstrap of issue and renewal.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCredential {
    pub(super) name: String<128>,
    pub(super) password: SecretKey,
}

impl UserCredential {
    /// `None` if the name is longer than 128 or the password longer than 64 bytes.
    pub fn new(name: &str, password: &str) -> Option<Self> {
        Some(Self { name: String::try_from(name).ok()?, password: SecretKey::new(password.as_bytes())? })
    }
}

impl fmt::Debug for UserCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCredential").field("name", &self.name).finish_non_exhaustive()
    }
}
