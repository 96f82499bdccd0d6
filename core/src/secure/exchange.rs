//! What both machines and their drivers speak of: exchanges, the application's messages, and its user.

use crate::crypto::SecretKey;
use core::fmt;
use heapless::String;

/// A request that the application hands over. It stays the caller's: the core reads it once, when it seals.
pub trait Outgoing {
    /// The action URI.
    fn action(&self) -> &[u8];
    /// The body's content: XML that declares the prefixes it uses.
    fn body(&self) -> &[u8];
    /// Does it expect a reply? A one-way message has no MessageID and no ReplyTo.
    fn two_way(&self) -> bool {
        true
    }
    /// Is it a SOAP fault? HTTP carries faults with status 500.
    fn is_fault(&self) -> bool {
        false
    }
}

/// The number of one HTTP exchange (request and answer), unique for the life of a machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Exchange(pub u32);

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
