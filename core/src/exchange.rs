//! What machines and their drivers speak of: exchanges, and the application's messages.

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
}

/// The number of one HTTP exchange (request and answer), unique for the life of a machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Exchange(pub u32);
