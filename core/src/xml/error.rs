//! Why some bytes are not XML that we take.

use core::fmt;

/// What is wrong, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Byte offset in the message at which it was noticed.
    pub offset: u32,
}

impl Error {
    /// `kind`, noticed at byte `offset`.
    pub const fn new(kind: ErrorKind, offset: u32) -> Self {
        Self { kind, offset }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.offset)
    }
}

impl core::error::Error for Error {}

/// A bound of [`Limits`](super::Limits), or of the fixed tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quota {
    /// `Limits::message`.
    Message,
    /// `Limits::depth`.
    Depth,
    /// `Limits::string_content`, or the limit given to `Reader::text_within`.
    String,
    /// `Limits::bytes_per_read`.
    StartTag,
    /// `Limits::name_table_chars`.
    Name,
    /// `Limits::attributes`.
    Attributes,
    /// Namespace declarations in scope, 64; not configurable.
    Namespaces,
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message => "message size in bytes (maxReceivedMessageSize)",
            Self::Depth => "element depth (maxDepth)",
            Self::String => "string content in bytes (maxStringContentLength)",
            Self::StartTag => "start tag in bytes (maxBytesPerRead)",
            Self::Name => "name in bytes (maxNameTableCharCount)",
            Self::Attributes => "attributes of one element",
            Self::Namespaces => "namespace declarations in scope",
        })
    }
}

/// The kinds of faults. All but `NotAtStart` are the sender's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A limit is passed: at least `found` where `limit` is allowed.
    OverLimit {
        /// Which limit.
        quota: Quota,
        /// How much is allowed.
        limit: u32,
        /// How much there is at least.
        found: u32,
    },
    /// The bytes are not UTF-8.
    NotUtf8,
    /// A character that XML 1.0 production 2 (Char) leaves out.
    ForbiddenCharacter,
    /// The input ends inside a token, or before every element is closed.
    UnexpectedEnd,
    /// A byte that cannot stand here.
    UnexpectedByte(u8),
    /// The XML declaration is not `version="1.0"` with, at most, `encoding="utf-8"` and `standalone`.
    Declaration,
    /// A document type declaration, which SOAP forbids.
    DocumentType,
    /// A processing instruction, which SOAP forbids.
    ProcessingInstruction,
    /// An element or attribute name that is not a qualified name (Namespaces in XML, production 7).
    Name,
    /// A reference to an entity that is not predefined, or one without its semicolon.
    Reference,
    /// `<` in an attribute value.
    LessThanInAttribute,
    /// `]]>` in text.
    CdataEndInText,
    /// `--` in a comment.
    DashesInComment,
    /// An end tag that does not belong to the element that is open.
    MismatchedEnd,
    /// Two attributes with one expanded name.
    DuplicateAttribute,
    /// A prefix that is not bound.
    UnboundPrefix,
    /// A declaration that Namespaces in XML forbids: an empty name for a prefix, or a wrong use of `xml` or `xmlns`.
    NamespaceDeclaration,
    /// A namespace name written with references, tabs or line ends: allowed by XML, refused here, because names are
    /// compared and canonicalized as they are written.
    EscapedNamespace,
    /// Text, a reference or a CDATA section outside the root element.
    TextOutsideRoot,
    /// A second root element.
    SecondRoot,
    /// No root element.
    NoRoot,
    /// An element where only text may be.
    ElementInText,
    /// Text broken by a comment or by a CDATA section. Refused because readers that take only the first piece see
    /// another value than the one that was signed.
    SplitText,
    /// Text where only elements may be.
    TextBetweenElements,
    /// The caller asked for an element's content without standing behind its start tag.
    NotAtStart,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverLimit { quota, limit, found } => {
                let off = found.saturating_sub(*limit);
                write!(f, "{quota}: {found} or more, {off} over the limit of {limit}")
            }
            Self::UnexpectedByte(byte) => write!(f, "byte {byte:#04x} cannot stand here"),
            Self::NotUtf8 => f.write_str("not UTF-8"),
            Self::ForbiddenCharacter => f.write_str("a character that XML 1.0 forbids"),
            Self::UnexpectedEnd => f.write_str("the input ends before the document does"),
            Self::Declaration => f.write_str("only an XML declaration of version 1.0, encoding utf-8, is taken"),
            Self::DocumentType => f.write_str("SOAP forbids a document type declaration"),
            Self::ProcessingInstruction => f.write_str("SOAP forbids processing instructions"),
            Self::Name => f.write_str("not a qualified name"),
            Self::Reference => f.write_str("a reference to an unknown entity, or one without a semicolon"),
            Self::LessThanInAttribute => f.write_str("'<' in an attribute value must be written '&lt;'"),
            Self::CdataEndInText => f.write_str("']]>' in text must be written ']]&gt;'"),
            Self::DashesInComment => f.write_str("'--' inside a comment"),
            Self::MismatchedEnd => f.write_str("the end tag does not match the open element"),
            Self::DuplicateAttribute => f.write_str("an attribute given twice"),
            Self::UnboundPrefix => f.write_str("a namespace prefix that is not declared"),
            Self::NamespaceDeclaration => f.write_str("a forbidden namespace declaration"),
            Self::EscapedNamespace => {
                f.write_str("a namespace name with references or line ends; write it without them")
            }
            Self::TextOutsideRoot => f.write_str("text outside the root element"),
            Self::SecondRoot => f.write_str("a second root element"),
            Self::NoRoot => f.write_str("no root element"),
            Self::ElementInText => f.write_str("an element where only text may be"),
            Self::SplitText => f.write_str("text broken by a comment or a CDATA section"),
            Self::TextBetweenElements => f.write_str("text where only elements may be"),
            Self::NotAtStart => f.write_str("the reader does not stand behind a start tag"),
        }
    }
}
