//! What machines and their drivers speak of: exchanges, and the application's messages.

use crate::soap::fault::QName;

/// A message that the application hands over. It stays the caller's: the core reads it when it writes it to the wire.
pub trait Outgoing {
    /// The action URI.
    fn action(&self) -> &[u8];
    /// The body's content: XML that declares the prefixes it uses.
    fn body(&self) -> &[u8];
    /// Does it expect a reply? A one-way message has no MessageID and no ReplyTo.
    fn two_way(&self) -> bool {
        true
    }
    /// The `MessageID` of the request that this answers, where messages are not answers of an exchange: on a duplex session.
    fn relates_to(&self) -> Option<&[u8]> {
        None
    }
    /// Is it a SOAP fault? HTTP carries faults with status 500.
    fn is_fault(&self) -> bool {
        false
    }
    /// The header block that such a fault is about, to be named in SOAP 1.2's `NotUnderstood` header. Never of one that is encrypted.
    fn not_understood(&self) -> Option<QName<'_>> {
        None
    }
}

/// The number of one HTTP exchange (request and answer), unique for the life of a machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Exchange(pub u32);
