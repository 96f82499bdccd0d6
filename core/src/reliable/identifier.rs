//! Sequence identifiers.

use crate::chance::Uuid;
use core::fmt;
use heapless::Vec;

/// The longest identifier, in bytes. WCF's have 45; longer ones are refused with CreateSequenceRefused.
pub const LONGEST_IDENTIFIER: usize = 128;

/// A sequence's identifier: a URI, compared byte for byte.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Identifier(Vec<u8, LONGEST_IDENTIFIER, u8>);

impl Identifier {
    /// The identifier of these bytes; `None` if they are empty or more than [`LONGEST_IDENTIFIER`].
    pub fn new(uri: &[u8]) -> Option<Self> {
        if uri.is_empty() { None } else { Vec::from_slice(uri).ok().map(Self) }
    }

    /// `urn:uuid:...`, as WCF makes them.
    pub fn of(uuid: Uuid) -> Self {
        let mut text = [0; Uuid::TEXT_LEN];
        uuid.write(&mut text);
        let mut uri = Vec::new();
        // 45 bytes fit.
        let _ = uri.extend_from_slice(b"urn:uuid:");
        let _ = uri.extend_from_slice(&text);
        Self(uri)
    }

    /// The URI.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Is this the URI?
    pub fn is(&self, uri: &[u8]) -> bool {
        self.0 == uri
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}
