//! A small tree over a message, for tests that take recordings apart. Built with the core's own reader, whose work is
//! judged elsewhere by libxml2.

use soap_session_core::xml::{Limits, Reader, Span, Token};

/// An element.
#[derive(Clone, Debug)]
pub struct Node {
    /// Namespace name.
    pub namespace: String,
    /// Local name.
    pub local: String,
    /// Prefix, empty for none.
    pub prefix: String,
    /// Attributes without namespace declarations: local name and value.
    pub attributes: Vec<(String, String)>,
    /// Child elements.
    pub children: Vec<Self>,
    /// Text directly inside, decoded.
    pub text: String,
    /// Start tag to end tag.
    pub span: Span,
    /// Between the tags.
    pub inner: Span,
}

impl Node {
    /// The tree of a whole document.
    ///
    /// # Panics
    /// If the document is not well-formed: a recording always is.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut reader = Reader::document(bytes, &Limits::MAX).expect("a recording is well-formed");
        let mut open: Vec<Self> = Vec::new();
        loop {
            match reader.next().expect("a recording is well-formed") {
                Token::Start(start) => open.push(Self {
                    namespace: string(start.name.namespace),
                    local: string(start.name.local),
                    prefix: string(start.prefix),
                    attributes: reader.attributes().map(|a| (string(a.name.local), decoded(&a.value))).collect(),
                    children: Vec::new(),
                    text: String::new(),
                    span: start.span,
                    inner: Span::new(start.span.end, start.span.end),
                }),
                Token::Text(text) => {
                    if let Some(node) = open.last_mut() {
                        node.text.push_str(&decoded(&text));
                    }
                }
                Token::End(end) => {
                    let mut node = open.pop().expect("balanced");
                    if !end.span.is_empty() {
                        node.inner.end = end.span.start;
                    }
                    node.span.end = end.span.end;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(node),
                        None => return node,
                    }
                }
                Token::Comment(_) => {}
                Token::Eof => panic!("no root element"),
            }
        }
    }

    /// The first child with this local name.
    pub fn child(&self, local: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.local == local)
    }

    /// The descendant at the end of this path of local names.
    pub fn path(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, local| node.child(local))
    }

    /// Every element of the tree, this one first.
    pub fn all(&self) -> Vec<&Self> {
        let mut list = vec![self];
        list.extend(self.children.iter().flat_map(Self::all));
        list
    }

    /// An attribute's value.
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == local).map(|(_, value)| value.as_str())
    }
}

fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn decoded(text: &soap_session_core::xml::Text<'_>) -> String {
    let mut out = vec![0; text.raw().len()];
    string(text.decode(&mut out).expect("decoding never grows"))
}
