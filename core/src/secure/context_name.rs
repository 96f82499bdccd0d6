//! The name of one key of a secure conversation.

use super::trust::ContextReference;
use heapless::Vec;

/// Longest `Identifier` or `Instance` of a token, in bytes. WCF writes `urn:uuid:` and a GUID, 45 bytes.
const MAX_URI: usize = 128;

/// The name of one key of a secure conversation: the context's identifier, and the instance of a renewed key.
///
/// Owned, because the element that a message names it in may be ciphertext's, which decryption writes over.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ContextName {
    identifier: Vec<u8, MAX_URI>,
    instance: Vec<u8, MAX_URI>,
}

impl ContextName {
    pub(super) fn new(context: ContextReference<'_>) -> Option<Self> {
        Some(Self {
            identifier: Vec::from_slice(context.identifier).ok()?,
            instance: Vec::from_slice(context.instance.unwrap_or(&[])).ok()?,
        })
    }

    /// `Identifier`, usually `urn:uuid:...`.
    pub fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// `Instance`; the first key of a conversation has none.
    pub fn instance(&self) -> Option<&[u8]> {
        Some(self.instance.as_slice()).filter(|instance| !instance.is_empty())
    }
}
