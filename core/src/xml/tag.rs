//! The tokenizer's start and end tags.

use memchr::memchr3;

use super::chars::{is_name, is_name_start, is_space, is_wide_name, reference};
use super::error::{Error, ErrorKind, Quota};
use super::namespaces::{Binding, name_of};
use super::reader::{Kind, Name, Reader};
use super::span::{Span, between, offset};

/// An element that is open.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Open {
    qname: QName,
    /// Where the name of its namespace is written.
    pub(super) uri: Span,
}

impl Open {
    /// Where its start tag begins: directly before its name.
    pub(super) fn start(&self) -> u32 {
        self.qname.span.start.saturating_sub(1)
    }

    pub(super) fn qname(&self) -> Span {
        self.qname.span
    }

    pub(super) fn prefix(&self) -> Span {
        self.qname.prefix()
    }

    /// Its expanded name, and its prefix.
    #[inline]
    pub(super) fn name<'a>(&self, buf: &'a [u8]) -> (Name<'a>, &'a [u8]) {
        let name = Name { namespace: name_of(buf, self.uri), local: self.qname.local().of(buf) };
        (name, self.qname.prefix().of(buf))
    }
}

/// An attribute of the last start tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    qname: QName,
    pub(super) uri: Span,
    pub(super) value: Span,
    pub(super) references: bool,
}

impl Row {
    pub(super) fn local<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        self.qname.local().of(buf)
    }

    pub(super) fn prefix<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        self.qname.prefix().of(buf)
    }

    pub(super) fn qname(&self) -> Span {
        self.qname.span
    }
}

/// Where a qualified name is written, and how long its prefix is.
#[derive(Clone, Copy, Default, Debug)]
struct QName {
    span: Span,
    prefix: u32,
}

impl QName {
    fn prefix(self) -> Span {
        Span::new(self.span.start, self.span.start.saturating_add(self.prefix))
    }

    fn local(self) -> Span {
        let skip = if self.prefix == 0 { 0 } else { self.prefix.saturating_add(1) };
        Span::new(self.span.start.saturating_add(skip), self.span.end)
    }
}

impl Reader<'_> {
    /// At the `<` of a start tag.
    pub(super) fn start_tag(&mut self) -> Result<Kind, Error> {
        let start = self.pos;
        let depth = self.depth().saturating_add(1);
        if depth > self.limits.depth {
            return self.over_limit(Quota::Depth, self.limits.depth.into(), depth.into(), start);
        }
        let qname = self.qname(start.saturating_add(1))?;
        self.rows.clear();
        let mut at = qname.span.end as usize;
        let empty = loop {
            let next = self.past_space(at);
            match self.src.get(next..) {
                Some([b'>', ..]) => {
                    at = next.saturating_add(1);
                    break false;
                }
                Some([b'/', b'>', ..]) => {
                    at = next.saturating_add(2);
                    break true;
                }
                Some([b'/']) | Some([]) | None => return self.fail(ErrorKind::UnexpectedEnd, self.src.len()),
                Some([byte, ..]) if next == at || *byte == b'/' => {
                    return self.fail(ErrorKind::UnexpectedByte(*byte), next);
                }
                Some(_) => at = self.attribute_at(next, depth)?,
            }
            self.bound_tag(start, at)?;
        };
        self.bound_tag(start, at)?;
        self.pos = at;
        let uri = self.resolve_names(qname)?;
        if self.open.push(Open { qname, uri }).is_err() {
            return self.over_limit(Quota::Depth, self.limits.depth.into(), depth.into(), start);
        }
        self.root_seen = true;
        self.pending_end = empty;
        self.at_start = true;
        self.last = between(start, at);
        Ok(Kind::Start)
    }

    /// At the `<` of an end tag.
    pub(super) fn end_tag(&mut self) -> Result<Kind, Error> {
        let start = self.pos;
        let Some(open) = self.open.last() else { return self.fail(ErrorKind::MismatchedEnd, start) };
        let named = start.saturating_add(2);
        let rest = self.src.get(named..).unwrap_or(&[]);
        if !rest.starts_with(open.qname.span.of(self.buf)) {
            return self.fail(ErrorKind::MismatchedEnd, start);
        }
        let at = self.past_space(named.saturating_add(open.qname.span.len() as usize));
        match self.src.get(at) {
            Some(b'>') => {}
            Some(_) => return self.fail(ErrorKind::MismatchedEnd, start),
            None => return self.fail(ErrorKind::UnexpectedEnd, at),
        }
        self.pos = at.saturating_add(1);
        self.close(between(start, self.pos))
    }

    /// Leaves the innermost element, whose end tag is at `span`.
    pub(super) fn close(&mut self, span: Span) -> Result<Kind, Error> {
        let Some(open) = self.open.pop() else {
            return Err(Error::new(ErrorKind::MismatchedEnd, span.start));
        };
        self.scope.leave(self.depth());
        self.ended = open;
        self.last = span;
        Ok(Kind::End)
    }

    /// Reads the attribute whose name begins at `at`; gives the offset behind its closing quote.
    fn attribute_at(&mut self, at: usize, depth: u16) -> Result<usize, Error> {
        let qname = self.qname(at)?;
        let equals = self.past_space(qname.span.end as usize);
        match self.src.get(equals) {
            Some(b'=') => {}
            Some(&byte) => return self.fail(ErrorKind::UnexpectedByte(byte), equals),
            None => return self.fail(ErrorKind::UnexpectedEnd, equals),
        }
        let open = self.past_space(equals.saturating_add(1));
        let quote = match self.src.get(open) {
            Some(&quote @ (b'"' | b'\'')) => quote,
            Some(&byte) => return self.fail(ErrorKind::UnexpectedByte(byte), open),
            None => return self.fail(ErrorKind::UnexpectedEnd, open),
        };
        let start = open.saturating_add(1);
        let mut end = start;
        let mut references = false;
        loop {
            let rest = self.src.get(end..).unwrap_or(&[]);
            let Some(found) = memchr3(quote, b'<', b'&', rest) else {
                return self.fail(ErrorKind::UnexpectedEnd, self.src.len());
            };
            end = end.saturating_add(found);
            match self.src.get(end..) {
                Some([b'<', ..]) => return self.fail(ErrorKind::LessThanInAttribute, end),
                Some(rest @ [b'&', ..]) => {
                    let (_, len) = reference(rest).map_err(|kind| Error::new(kind, offset(end)))?;
                    references = true;
                    end = end.saturating_add(len);
                }
                Some(_) | None => break,
            }
        }
        let value = between(start, end);
        if value.len() > self.limits.string_content {
            return self.over_limit(Quota::String, self.limits.string_content, value.len(), start);
        }
        let (prefix, local) = (qname.prefix(), qname.local());
        if prefix.is_empty() && local.of(self.buf) == b"xmlns" {
            let prefix = Span::new(qname.span.end, qname.span.end);
            self.scope.declare(self.buf, Binding { prefix, uri: value, depth })?;
        } else if prefix.of(self.buf) == b"xmlns" {
            self.scope.declare(self.buf, Binding { prefix: local, uri: value, depth })?;
        } else {
            let limit = self.limits.attributes;
            let row = Row { qname, uri: Span::default(), value, references };
            if self.rows.len() >= usize::from(limit) || self.rows.push(row).is_err() {
                return self.over_limit(Quota::Attributes, limit.into(), u32::from(limit).saturating_add(1), at);
            }
        }
        Ok(end.saturating_add(1))
    }

    /// Once every declaration of the tag is known: the element's and the attributes' namespaces, and that no expanded
    /// name comes twice.
    #[inline]
    fn resolve_names(&mut self, element: QName) -> Result<Span, Error> {
        let Self { buf, scope, rows, .. } = self;
        let unbound = |name: QName| Error::new(ErrorKind::UnboundPrefix, name.span.start);
        for row in rows.iter_mut() {
            if row.qname.prefix != 0 {
                row.uri = scope.uri(buf, row.qname.prefix().of(buf)).ok_or_else(|| unbound(row.qname))?;
            }
        }
        for (at, row) in rows.iter().enumerate() {
            let local = row.local(buf);
            let twice = rows.iter().take(at).any(|other| {
                other.local(buf) == local && (other.uri == row.uri || name_of(buf, other.uri) == name_of(buf, row.uri))
            });
            if twice {
                return Err(Error::new(ErrorKind::DuplicateAttribute, row.qname.span.start));
            }
        }
        scope.uri(buf, element.prefix().of(buf)).ok_or_else(|| unbound(element))
    }

    #[inline]
    fn qname(&self, start: usize) -> Result<QName, Error> {
        let rest = self.src.get(start..).unwrap_or(&[]);
        let (mut len, mut colon, mut wide) = (0_usize, None, false);
        for &byte in rest {
            if is_name(byte) {
                wide |= byte >= 0x80;
            } else if byte == b':' && colon.is_none() {
                colon = Some(len);
            } else {
                break;
            }
            len = len.saturating_add(1);
        }
        let name = rest.get(..len).unwrap_or(&[]);
        let (prefix, local) = match colon {
            Some(at) => (name.get(..at), name.get(at.saturating_add(1)..).unwrap_or(&[])),
            None => (None, name),
        };
        let starts = |part: &[u8]| part.first().is_some_and(|&byte| is_name_start(byte));
        let sound = |part: &[u8]| starts(part) && (!wide || is_wide_name(part));
        let ended = match rest.get(len) {
            Some(b':') => return self.fail(ErrorKind::Name, start),
            Some(_) => false,
            None => true,
        };
        if len == 0 && ended {
            return self.fail(ErrorKind::UnexpectedEnd, start);
        }
        if !sound(local) || !prefix.is_none_or(sound) {
            return match rest.first() {
                Some(&byte) if len == 0 && !is_space(byte) => self.fail(ErrorKind::UnexpectedByte(byte), start),
                Some(_) | None => self.fail(ErrorKind::Name, start),
            };
        }
        let span = between(start, start.saturating_add(len));
        if span.len() > self.limits.name_table_chars {
            return self.over_limit(Quota::Name, self.limits.name_table_chars, span.len(), start);
        }
        Ok(QName { span, prefix: offset(colon.unwrap_or(0)) })
    }

    fn bound_tag(&self, start: usize, end: usize) -> Result<(), Error> {
        let found = between(start, end).len();
        if found > self.limits.bytes_per_read {
            return self.over_limit(Quota::StartTag, self.limits.bytes_per_read, found, start);
        }
        Ok(())
    }

    fn over_limit<T>(&self, quota: Quota, limit: u32, found: u32, at: usize) -> Result<T, Error> {
        self.fail(ErrorKind::OverLimit { quota, limit, found }, at)
    }
}
