//! How much a peer may make us read.

/// Bounds for one [`Reader`](super::Reader). The defaults are the WCF reader quotas of a binding that sets none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Elements open at once, the innermost included. WCF `maxDepth`, 32.
    pub depth: u16,
    /// Bytes, as written, of one attribute value or of one text read with [`Reader::text`](super::Reader::text).
    /// WCF `maxStringContentLength`, 8192. Text that is only passed over or canonicalized is bounded by `message`.
    pub string_content: u32,
    /// Octets that one base64 content may decode to. WCF `maxArrayLength`, 16384. The reader does not decode; callers
    /// apply it.
    pub array_length: u32,
    /// Bytes of one start tag. WCF `maxBytesPerRead`, 4096.
    pub bytes_per_read: u32,
    /// Bytes of one qualified name. WCF `maxNameTableCharCount`, 16384, bounds the sum of all distinct names because
    /// WCF keeps them in a table; we keep none, so only the length of each single name is held to it.
    pub name_table_chars: u32,
    /// Attributes of one element, namespace declarations not counted. Our own cap, 64.
    pub attributes: u16,
    /// Bytes of a whole message. WCF `maxReceivedMessageSize`, 65536.
    pub message: u32,
}

/// Rows of the table of open elements.
pub(super) const DEPTH: usize = 128;
/// Rows of the table of attributes of one start tag.
pub(super) const ATTRIBUTES: usize = 64;
/// Rows of the table of namespace declarations in scope, shadowed ones included.
pub(super) const BINDINGS: usize = 64;

impl Limits {
    /// Everything that the fixed tables can hold.
    pub const MAX: Self = Self {
        depth: DEPTH as u16,
        string_content: u32::MAX,
        array_length: u32::MAX,
        bytes_per_read: u32::MAX,
        name_table_chars: u32::MAX,
        attributes: ATTRIBUTES as u16,
        message: u32::MAX,
    };

    /// The same limits, cut down to what the tables can hold.
    pub(super) fn held(&self) -> Self {
        Self { depth: self.depth.min(Self::MAX.depth), attributes: self.attributes.min(Self::MAX.attributes), ..*self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 32,
            string_content: 8192,
            array_length: 16384,
            bytes_per_read: 4096,
            name_table_chars: 16384,
            attributes: 64,
            message: 65536,
        }
    }
}
