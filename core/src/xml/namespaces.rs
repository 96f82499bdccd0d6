//! Which prefix means which namespace.

use heapless::Vec;

use super::error::{Error, ErrorKind, Quota};
use super::limits::BINDINGS;
use super::span::Span;

/// The namespace that the prefix `xml` is always bound to.
pub const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of namespace declarations themselves; nothing may be bound to it.
pub const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// Stands for [`XML_NAMESPACE`] among spans of namespace names, because that one need not be in the message.
pub(super) const XML_SPAN: Span = Span::new(u32::MAX, u32::MAX);

/// The bytes of a namespace name; empty for "no namespace".
#[inline]
pub(super) fn name_of(buf: &[u8], uri: Span) -> &[u8] {
    if uri == XML_SPAN { XML_NAMESPACE.as_bytes() } else { uri.of(buf) }
}

/// One namespace declaration: where its prefix and its value are written, and in which open element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Binding {
    pub(super) prefix: Span,
    pub(super) uri: Span,
    pub(super) depth: u16,
}

/// Namespace bindings as byte ranges of the message.
///
/// Plain data without a lifetime: it can be kept while the message is changed in place, as long as the declarations
/// themselves are left alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    bindings: Vec<Binding, BINDINGS>,
}

impl Scope {
    /// No binding but that of `xml`.
    pub const EMPTY: Self = Self { bindings: Vec::new() };

    /// The namespace name that `prefix` is bound to. The empty prefix asks for the default namespace, which is the
    /// empty name where none is declared; any other prefix gives `None` where it is not declared.
    pub fn resolve<'a>(&self, buf: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
        self.uri(buf, prefix).map(|uri| name_of(buf, uri))
    }

    /// The prefixes that are declared, each with its namespace name as it is written; the default namespace has the empty one.
    /// That of `xml` is not among them, nor one that is undeclared again.
    pub fn in_scope<'a>(&'a self, buf: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.bindings.iter().filter_map(move |binding| {
            let (prefix, uri) = (binding.prefix.of(buf), binding.uri.of(buf));
            let counts = self.find(buf, prefix) == Some(binding);
            (counts && !uri.is_empty()).then_some((prefix, uri))
        })
    }

    /// Does the open element at `depth`, which is the innermost one, declare this prefix itself?
    pub fn is_declared_at(&self, buf: &[u8], prefix: &[u8], depth: u16) -> bool {
        self.declared_at(depth).any(|binding| binding.prefix.of(buf) == prefix)
    }

    /// As `resolve`, but where the name is written.
    pub(super) fn uri(&self, buf: &[u8], prefix: &[u8]) -> Option<Span> {
        match self.find(buf, prefix) {
            Some(binding) => Some(binding.uri),
            None if prefix.is_empty() => Some(Span::default()),
            None if prefix == b"xml" => Some(XML_SPAN),
            None => None,
        }
    }

    /// The declaration of `prefix` that counts: the innermost one.
    pub(super) fn find(&self, buf: &[u8], prefix: &[u8]) -> Option<&Binding> {
        // Most names have no prefix, and lengths are at hand.
        let same = |binding: &&Binding| {
            binding.prefix.len() as usize == prefix.len() && (prefix.is_empty() || binding.prefix.of(buf) == prefix)
        };
        self.bindings.iter().rev().find(same)
    }

    /// The declarations made by the open element at `depth`, which is the innermost one.
    pub(super) fn declared_at(&self, depth: u16) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().rev().take_while(move |binding| binding.depth == depth)
    }

    /// Adds a declaration, after the checks of Namespaces in XML section 3.
    pub(super) fn declare(&mut self, buf: &[u8], binding: Binding) -> Result<(), Error> {
        let fail = |kind| Err(Error::new(kind, binding.prefix.start));
        let (prefix, uri) = (binding.prefix.of(buf), binding.uri.of(buf));
        let is_xml = prefix == b"xml";
        if prefix == b"xmlns"
            || uri == XMLNS_NAMESPACE.as_bytes()
            || is_xml != (uri == XML_NAMESPACE.as_bytes())
            || (uri.is_empty() && !prefix.is_empty())
        {
            return fail(ErrorKind::NamespaceDeclaration);
        }
        if uri.iter().any(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r')) {
            return Err(Error::new(ErrorKind::EscapedNamespace, binding.uri.start));
        }
        if self.declared_at(binding.depth).any(|other| other.prefix.of(buf) == prefix) {
            return fail(ErrorKind::DuplicateAttribute);
        }
        if self.bindings.push(binding).is_err() {
            let limit = BINDINGS as u32;
            return fail(ErrorKind::OverLimit { quota: Quota::Namespaces, limit, found: limit.saturating_add(1) });
        }
        Ok(())
    }

    /// Forgets what elements deeper than `depth` have declared.
    pub(super) fn leave(&mut self, depth: u16) {
        while self.bindings.last().is_some_and(|binding| binding.depth > depth) {
            self.bindings.pop();
        }
    }

    /// The same bindings, as inherited by a reader that starts at depth 0.
    pub(super) fn inherited(&self) -> Self {
        let mut scope = self.clone();
        for binding in &mut scope.bindings {
            binding.depth = 0;
        }
        scope
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::EMPTY
    }
}
