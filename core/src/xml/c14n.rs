//! Exclusive XML Canonicalization 1.0 (<http://www.w3.org/2001/10/xml-exc-c14n#>), streamed.
//!
//! The canonical form is never built. What is already canonical in the message, which in practice is nearly all of it,
//! goes to the sink as slices of the message that are as long as they can be.

use core::cmp::Ordering;

use heapless::Vec;
use memchr::{memchr, memchr3};

use super::chars::{is_special_in_attribute, reference};
use super::error::{Error, ErrorKind, Quota};
use super::limits::{ATTRIBUTES, BINDINGS};
use super::namespaces::name_of;
use super::reader::{Kind, Reader, Start};
use super::span::{Span, between};
use super::tag::Row;
use super::text::Text;

/// Where the canonical octets go: a digest, a MAC, a buffer.
pub trait Sink {
    /// Takes the next octets.
    fn write(&mut self, bytes: &[u8]);
}

/// One variant of the exclusive canonical form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exclusive<'p> {
    /// Keep comments (the `#WithComments` algorithm).
    pub comments: bool,
    /// The value of `InclusiveNamespaces/@PrefixList` as it is written: prefixes separated by white space, `#default`
    /// for the default namespace. Empty for none.
    pub inclusive: &'p [u8],
}

impl Exclusive<'_> {
    /// Streams the canonical form of one element with everything in it into `sink`.
    ///
    /// `reader` has just returned `start`; it is read through the element's end tag. `visit` is called at each start
    /// tag, `start` itself first, and may look at the attributes. Gives the range of the element in the message.
    ///
    /// # Errors
    /// As [`Reader::next`], `NotAtStart` when `start` is not the last token, and whatever `visit` returns. What has
    /// gone into `sink` is then of no use.
    pub fn element<'a, S: Sink + ?Sized>(
        &self,
        reader: &mut Reader<'a>,
        start: &Start<'a>,
        sink: &mut S,
        visit: &mut dyn FnMut(&Reader<'a>, &Start<'a>) -> Result<(), Error>,
    ) -> Result<Span, Error> {
        if !reader.at_start || reader.open.last().is_none_or(|open| open.start() != start.span.start) {
            return Err(Error::new(ErrorKind::NotAtStart, reader.position()));
        }
        let apex = reader.depth();
        let mut run = Run { buf: reader.buf, held: Span::default(), sink };
        let mut shown: Vec<Shown, BINDINGS> = Vec::new();
        visit(reader, start)?;
        self.start(reader, true, &mut shown, &mut run)?;
        loop {
            match reader.advance()? {
                Kind::Start => {
                    if let Some(open) = reader.open.last() {
                        visit(reader, &reader.start_of(open))?;
                    }
                    self.start(reader, false, &mut shown, &mut run)?;
                }
                Kind::End => {
                    run.end(reader.last, reader.ended.qname());
                    let depth = reader.depth();
                    while shown.last().is_some_and(|shown| shown.depth > depth) {
                        shown.pop();
                    }
                    if depth < apex {
                        run.flush();
                        return Ok(Span::new(start.span.start, reader.last.end));
                    }
                }
                Kind::Text => run.text(&reader.text_run()),
                Kind::Comment if self.comments => run.comment(reader.last, reader.returns),
                Kind::Comment => {}
                // The apex is open until its end tag, so the reader reports a missing one itself.
                Kind::Eof => return Err(Error::new(ErrorKind::UnexpectedEnd, reader.position())),
            }
        }
    }

    fn start<'a, S: Sink + ?Sized>(
        &self,
        reader: &Reader<'a>,
        apex: bool,
        shown: &mut Vec<Shown, BINDINGS>,
        run: &mut Run<'a, '_, S>,
    ) -> Result<(), Error> {
        let Some(open) = reader.open.last() else {
            return Err(Error::new(ErrorKind::NotAtStart, reader.position()));
        };
        let known = shown.len();
        // Visibly utilized prefixes: the element's, and those of its attributes.
        show(reader, open.prefix().of(run.buf), open.uri, shown)?;
        for row in reader.rows.iter().filter(|row| row.uri != Span::default()) {
            show(reader, row.prefix(run.buf), row.uri, shown)?;
        }
        if !self.inclusive.is_empty() {
            self.show_listed(reader, apex, shown)?;
        }

        let Span { start: from, end: to } = reader.last;
        run.verbatim(Span::new(from, open.qname().end));
        if let Some(new) = shown.get_mut(known..)
            && !new.is_empty()
        {
            new.sort_unstable_by(|a, b| a.prefix.of(run.buf).cmp(b.prefix.of(run.buf)));
            for shown in new.iter() {
                run.namespace(shown);
            }
        }
        run.attributes(&reader.rows);
        if reader.pending_end {
            run.literal(b">");
        } else {
            run.verbatim(Span::new(to.saturating_sub(1), to));
        }
        Ok(())
    }

    /// Prefixes of the list are treated as inclusive canonicalization does: shown wherever they are in scope. Below
    /// the apex that can only make a difference where they are declared anew.
    fn show_listed(&self, reader: &Reader<'_>, apex: bool, shown: &mut Vec<Shown, BINDINGS>) -> Result<(), Error> {
        let listed = self.inclusive.split(|&byte| byte.is_ascii_whitespace()).filter(|token| !token.is_empty());
        let prefixes = listed.map(|token| if token == b"#default" { &[] } else { token });
        if apex {
            for prefix in prefixes {
                if let Some(uri) = reader.scope.uri(reader.buf, prefix) {
                    show(reader, prefix, uri, shown)?;
                }
            }
        } else {
            for binding in reader.scope.declared_at(reader.depth()) {
                let prefix = binding.prefix.of(reader.buf);
                if prefixes.clone().any(|listed| listed == prefix) {
                    show(reader, prefix, binding.uri, shown)?;
                }
            }
        }
        Ok(())
    }
}

/// A namespace declaration that the output has in an element that is open.
#[derive(Clone, Copy, Debug)]
struct Shown {
    prefix: Span,
    uri: Span,
    depth: u16,
}

/// Adds a declaration for the innermost element, unless the output has the same one already in force.
#[inline]
fn show(reader: &Reader<'_>, prefix: &[u8], uri: Span, shown: &mut Vec<Shown, BINDINGS>) -> Result<(), Error> {
    let buf = reader.buf;
    let in_force = match shown.iter().rev().find(|shown| shown.prefix.of(buf) == prefix) {
        // Mostly it is the very same declaration.
        Some(shown) => shown.uri == uri || shown.uri.of(buf) == name_of(buf, uri),
        // The prefix xml is never declared; "no default namespace" is what holds at first.
        None => uri.is_empty() || prefix == b"xml",
    };
    if in_force {
        return Ok(());
    }
    // Without a declaration in scope it can only be the default namespace that is shown as absent.
    let (prefix, uri) = match reader.scope.find(buf, prefix) {
        Some(binding) => (binding.prefix, binding.uri),
        None => (Span::default(), Span::default()),
    };
    let limit = BINDINGS as u32;
    // Each one shown belongs to a declaration of its own in the table of bindings, which is as long.
    shown.push(Shown { prefix, uri, depth: reader.depth() }).map_err(|_| {
        let kind = ErrorKind::OverLimit { quota: Quota::Namespaces, limit, found: limit.saturating_add(1) };
        Error::new(kind, reader.position())
    })
}

/// Gathers slices of the message that lie next to each other before they go to the sink.
struct Run<'a, 's, S: ?Sized> {
    buf: &'a [u8],
    held: Span,
    sink: &'s mut S,
}

impl<S: Sink + ?Sized> Run<'_, '_, S> {
    fn flush(&mut self) {
        if !self.held.is_empty() {
            self.sink.write(self.held.of(self.buf));
            self.held = Span::default();
        }
    }

    /// This part of the message as it is.
    #[inline]
    fn verbatim(&mut self, span: Span) {
        if span.is_empty() {
        } else if span.start == self.held.end && !self.held.is_empty() {
            self.held.end = span.end;
        } else {
            self.flush();
            self.held = span;
        }
    }

    /// Bytes that are not in the message.
    fn literal(&mut self, bytes: &[u8]) {
        self.flush();
        self.sink.write(bytes);
    }

    fn namespace(&mut self, shown: &Shown) {
        let Shown { prefix, uri, .. } = *shown;
        let head: &[u8] = if prefix.is_empty() { b" xmlns" } else { b" xmlns:" };
        let head_len = if prefix.is_empty() { 6 } else { 7 };
        let from = prefix.start.saturating_sub(head_len);
        let head_as_is = prefix.start >= head_len && Span::new(from, prefix.start).of(self.buf) == head;
        if head_as_is && self.is_plainly_quoted(prefix.end, uri) && memchr(b'"', uri.of(self.buf)).is_none() {
            return self.verbatim(Span::new(from, uri.end.saturating_add(1)));
        }
        self.literal(head);
        self.verbatim(prefix);
        self.literal(b"=\"");
        // Names with references are refused by the reader; only a quote within the other quotes is left to escape.
        let mut rest = uri;
        while let Some(at) = memchr(b'"', rest.of(self.buf)) {
            let quote = rest.start.saturating_add(between(0, at).len());
            self.verbatim(Span::new(rest.start, quote));
            self.literal(b"&quot;");
            rest.start = quote.saturating_add(1);
        }
        self.verbatim(rest);
        self.literal(b"\"");
    }

    /// Whether `value` is written directly behind a name that ends at `name_end`, as `="value"`.
    fn is_plainly_quoted(&self, name_end: u32, value: Span) -> bool {
        value.start == name_end.saturating_add(2) && Span::new(name_end, value.start).of(self.buf) == b"=\""
    }

    fn attributes(&mut self, rows: &Vec<Row, ATTRIBUTES>) {
        if rows.is_empty() {
            return;
        }
        let buf = self.buf;
        let order = |a: &Row, b: &Row| -> Ordering {
            // No namespace sorts first, being the empty name.
            name_of(buf, a.uri).cmp(name_of(buf, b.uri)).then_with(|| a.local(buf).cmp(b.local(buf)))
        };
        if rows.is_sorted_by(|a, b| order(a, b).is_le()) {
            for row in rows {
                self.attribute(row);
            }
        } else {
            let mut sorted = rows.clone();
            sorted.sort_unstable_by(order);
            for row in &sorted {
                self.attribute(row);
            }
        }
    }

    fn attribute(&mut self, row: &Row) {
        let Span { start: from, end: to } = row.qname();
        let space = from.saturating_sub(1);
        if Span::new(space, from).of(self.buf) == b" " {
            self.verbatim(Span::new(space, to));
        } else {
            self.literal(b" ");
            self.verbatim(row.qname());
        }
        if self.is_plainly_quoted(to, row.value) {
            self.verbatim(Span::new(to, row.value.start));
            self.value(row.value);
            self.verbatim(Span::new(row.value.end, row.value.end.saturating_add(1)));
        } else {
            self.literal(b"=\"");
            self.value(row.value);
            self.literal(b"\"");
        }
    }

    /// The inside of an attribute value: normalised, then escaped (Canonical XML 1.0 section 2.3).
    fn value(&mut self, mut rest: Span) {
        while let Some(at) = rest.of(self.buf).iter().position(|&byte| is_special_in_attribute(byte)) {
            let from = rest.start.saturating_add(between(0, at).len());
            self.verbatim(Span::new(rest.start, from));
            rest.start = from;
            let bytes = rest.of(self.buf);
            let len = match bytes {
                [b'&', ..] => self.reference(rest, true),
                [b'"', ..] => {
                    self.literal(b"&quot;");
                    1
                }
                [b'\r', b'\n', ..] => {
                    self.literal(b" ");
                    2
                }
                [b'\t' | b'\n' | b'\r', ..] => {
                    self.literal(b" ");
                    1
                }
                _ => {
                    self.verbatim(Span::new(from, from.saturating_add(1)));
                    1
                }
            };
            rest.start = from.saturating_add(len);
        }
        self.verbatim(rest);
    }

    #[inline]
    fn text(&mut self, text: &Text<'_>) {
        let mut rest = text.span();
        if text.is_cdata() {
            return self.cdata(rest);
        }
        if !(text.references || text.returns || text.greater) {
            return self.verbatim(rest);
        }
        while let Some(at) = memchr3(b'&', b'\r', b'>', rest.of(self.buf)) {
            let from = rest.start.saturating_add(between(0, at).len());
            self.verbatim(Span::new(rest.start, from));
            rest.start = from;
            let len = match rest.of(self.buf) {
                [b'&', ..] => self.reference(rest, false),
                [b'>', ..] => {
                    self.literal(b"&gt;");
                    1
                }
                other => self.line_end(other, from),
            };
            rest.start = from.saturating_add(len);
        }
        self.verbatim(rest);
    }

    /// A CDATA section becomes the text that it stands for.
    fn cdata(&mut self, mut rest: Span) {
        let special = |byte: u8| matches!(byte, b'&' | b'<' | b'>' | b'\r');
        while let Some(at) = rest.of(self.buf).iter().position(|&byte| special(byte)) {
            let from = rest.start.saturating_add(between(0, at).len());
            self.verbatim(Span::new(rest.start, from));
            rest.start = from;
            let escaped: &[u8] = match rest.of(self.buf) {
                [b'&', ..] => b"&amp;",
                [b'<', ..] => b"&lt;",
                [b'>', ..] => b"&gt;",
                other => {
                    let len = self.line_end(other, from);
                    rest.start = from.saturating_add(len);
                    continue;
                }
            };
            self.literal(escaped);
            rest.start = from.saturating_add(1);
        }
        self.verbatim(rest);
    }

    fn comment(&mut self, mut rest: Span, returns: bool) {
        if returns {
            while let Some(at) = memchr(b'\r', rest.of(self.buf)) {
                let from = rest.start.saturating_add(between(0, at).len());
                self.verbatim(Span::new(rest.start, from));
                let len = self.line_end(Span::new(from, rest.end).of(self.buf), from);
                rest.start = from.saturating_add(len);
            }
        }
        self.verbatim(rest);
    }

    /// A carriage return at `from` with what follows: CR LF and CR alone both mean LF. Gives the length that is done.
    fn line_end(&mut self, bytes: &[u8], from: u32) -> u32 {
        if let [b'\r', b'\n', ..] = bytes {
            // The line feed that is there serves.
            self.verbatim(Span::new(from.saturating_add(1), from.saturating_add(2)));
            2
        } else {
            self.literal(b"\n");
            1
        }
    }

    /// A reference at the head of `rest`: as it is, where that is the canonical way to write it. Gives its length.
    fn reference(&mut self, rest: Span, attribute: bool) -> u32 {
        // The tokenizer has checked it; if not, its `&` goes out escaped.
        let (c, len) = reference(rest.of(self.buf)).unwrap_or(('&', 1));
        let len = between(0, len).len();
        let written = Span::new(rest.start, rest.start.saturating_add(len));
        let canonical: &str = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '\r' => "&#xD;",
            '>' if !attribute => "&gt;",
            '"' if attribute => "&quot;",
            '\t' if attribute => "&#x9;",
            '\n' if attribute => "&#xA;",
            other => {
                self.literal(other.encode_utf8(&mut [0; 4]).as_bytes());
                return len;
            }
        };
        if written.of(self.buf) == canonical.as_bytes() {
            self.verbatim(written);
        } else {
            self.literal(canonical.as_bytes());
        }
        len
    }

    #[inline]
    fn end(&mut self, tag: Span, qname: Span) {
        // `</name>` as it is, unless there is a space in it or the element was written `<name/>`.
        if tag.len() == qname.len().saturating_add(3) {
            return self.verbatim(tag);
        }
        self.literal(b"</");
        self.verbatim(qname);
        self.literal(b">");
    }
}
