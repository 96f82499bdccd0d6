//! The header blocks of an outgoing message, as WCF writes them.

use super::AddressingVersion;
use super::fault::QName;
use crate::xml::Writer;
use core::fmt;

/// XML that is written where it goes, without a buffer in between.
pub trait Content: fmt::Debug {
    /// Writes it: well-formed, and the same each time.
    fn write(&self, w: &mut Writer<'_>);
}

impl Content for &[u8] {
    fn write(&self, w: &mut Writer<'_>) {
        w.put(self);
    }
}

/// One header block. Values are text: they are escaped when written.
#[derive(Clone, Copy, Debug)]
pub enum HeaderBlock<'a> {
    /// `Action`, must be understood.
    Action(&'a [u8]),
    /// `MessageID`.
    MessageId(&'a [u8]),
    /// `RelatesTo`.
    RelatesTo(&'a [u8]),
    /// `ReplyTo` with this address.
    ReplyTo(&'a [u8]),
    /// `FaultTo` with this address.
    FaultTo(&'a [u8]),
    /// `From` with this address.
    From(&'a [u8]),
    /// `To`, must be understood.
    To(&'a [u8]),
    /// SOAP 1.2's `NotUnderstood`, of a block with this name, where WCF puts it: behind `Action`.
    NotUnderstood(QName<'a>),
    /// Any other block: WS-ReliableMessaging's, or the application's.
    Other {
        /// Prefix, declared on the envelope.
        prefix: &'a str,
        /// Namespace of the prefix.
        namespace: &'a str,
        /// Local name.
        local: &'a str,
        /// Must the receiver understand it?
        must_understand: bool,
        /// Content: XML, not escaped.
        content: &'a [u8],
    },
    /// As `Other`, with content that writes itself and is not empty.
    Written {
        /// Prefix, declared on the envelope.
        prefix: &'a str,
        /// Namespace of the prefix.
        namespace: &'a str,
        /// Local name.
        local: &'a str,
        /// Must the receiver understand it?
        must_understand: bool,
        /// The content.
        content: &'a dyn Content,
    },
}

impl<'a> HeaderBlock<'a> {
    /// The prefix that the envelope declares for this block, and its namespace.
    pub const fn shared_prefix(&self, version: AddressingVersion) -> Option<(&'a str, &'a str)> {
        match self {
            Self::Action(_)
            | Self::MessageId(_)
            | Self::RelatesTo(_)
            | Self::ReplyTo(_)
            | Self::FaultTo(_)
            | Self::From(_)
            | Self::To(_) => Some(("a", version.namespace())),
            Self::NotUnderstood(_) => None,
            Self::Other { prefix, namespace, .. } | Self::Written { prefix, namespace, .. } => {
                Some((prefix, namespace))
            }
        }
    }

    /// Writes the block; `id` is the `n` of its `u:Id="_n"`, where it is signed.
    ///
    /// Attribute order is WCF's: `mustUnderstand`, then `Id`.
    pub fn write(&self, w: &mut Writer<'_>, id: Option<u16>) {
        let (prefix, local, must_understand) = match self {
            Self::Action(_) => ("a", "Action", true),
            Self::MessageId(_) => ("a", "MessageID", false),
            Self::RelatesTo(_) => ("a", "RelatesTo", false),
            Self::ReplyTo(_) => ("a", "ReplyTo", false),
            Self::FaultTo(_) => ("a", "FaultTo", false),
            Self::From(_) => ("a", "From", false),
            Self::To(_) => ("a", "To", true),
            Self::NotUnderstood(_) => ("s", "NotUnderstood", false),
            Self::Other { prefix, local, must_understand, .. }
            | Self::Written { prefix, local, must_understand, .. } => (*prefix, *local, *must_understand),
        };
        let name = |w: &mut Writer<'_>| {
            w.put_str(prefix);
            w.put(b":");
            w.put_str(local);
        };
        w.put(b"<");
        name(w);
        if must_understand {
            w.put(b" s:mustUnderstand=\"1\"");
        }
        if let Some(id) = id {
            w.put(b" u:Id=\"_");
            w.number(u64::from(id));
            w.put(b"\"");
        }
        match self {
            Self::NotUnderstood(block) => {
                // The prefix is what .NET's writer makes up for the first namespace without one, at this depth.
                w.put(b" qname=\"d3p1:");
                w.attribute_value(block.local.as_bytes());
                w.put(b"\" xmlns:d3p1=\"");
                w.attribute_value(block.namespace.as_bytes());
                w.put(b"\"/>");
                return;
            }
            Self::Other { content: [], .. } => {
                w.put(b"/>");
                return;
            }
            Self::Other { content, .. } => {
                w.put(b">");
                w.put(content);
            }
            Self::Written { content, .. } => {
                w.put(b">");
                content.write(w);
            }
            Self::Action(text) | Self::MessageId(text) | Self::RelatesTo(text) | Self::To(text) => {
                w.put(b">");
                w.text(text);
            }
            Self::ReplyTo(address) | Self::FaultTo(address) | Self::From(address) => {
                w.put(b"><a:Address>");
                w.text(address);
                w.put(b"</a:Address>");
            }
        }
        w.put(b"</");
        name(w);
        w.put(b">");
    }
}
