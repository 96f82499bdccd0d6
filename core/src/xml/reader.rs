//! The pull tokenizer's public face: tokens, and the verbs for reading typical SOAP content.

use heapless::Vec;
use memchr::{memchr, memchr3};

use super::chars::{check, is_space, reference};
use super::error::{Error, ErrorKind, Quota};
use super::limits::{ATTRIBUTES, DEPTH, Limits};
use super::namespaces::{Scope, name_of};
use super::span::{Span, between, offset};
use super::tag::{Open, Row};
use super::text::{Place, Text};

/// An expanded name: namespace name and local part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name<'a> {
    /// The namespace name; empty for "no namespace".
    pub namespace: &'a [u8],
    /// The local part.
    pub local: &'a [u8],
}

impl Name<'_> {
    /// Whether this is the name `local` in `namespace`.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.local == local.as_bytes() && self.namespace == namespace.as_bytes()
    }
}

/// A start tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start<'a> {
    /// The element's expanded name.
    pub name: Name<'a>,
    /// Its prefix as it is written; empty for none.
    pub prefix: &'a [u8],
    /// The start tag, from `<` to `>`.
    pub span: Span,
    /// Written as `<x/>`. An [`End`] with an empty span follows all the same.
    pub empty: bool,
}

/// An end tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End<'a> {
    /// The element's expanded name.
    pub name: Name<'a>,
    /// Its prefix as it is written; empty for none.
    pub prefix: &'a [u8],
    /// The end tag, from `<` to `>`; empty, where the element ends, after `<x/>`.
    pub span: Span,
    /// Where the qualified name is written in the start tag.
    pub(super) qname: Span,
}

/// An attribute that is no namespace declaration.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// The expanded name; without a prefix the namespace is empty.
    pub name: Name<'a>,
    /// The prefix as it is written; empty for none.
    pub prefix: &'a [u8],
    /// The value.
    pub value: Text<'a>,
}

/// What [`Reader::next`] gives.
#[derive(Clone, Copy, Debug)]
pub enum Token<'a> {
    /// A start tag.
    Start(Start<'a>),
    /// An end tag.
    End(End<'a>),
    /// A run of text, or one CDATA section.
    Text(Text<'a>),
    /// A comment, delimiters included.
    Comment(Span),
    /// The end, with every element closed. Asking again gives it again.
    Eof,
}

/// What kind of token was read last; the rest of it is in the reader. A whole [`Token`] costs more to hand on than the
/// tokenizer needs to read a short tag, so that skipping and canonicalization do without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// `last` is the tag, the innermost of `open` the element.
    Start,
    /// `last` is the tag, `ended` the element.
    End,
    /// `last` is the text as it is written.
    Text,
    /// `last` is the comment.
    Comment,
    Eof,
}

/// A bounded pull tokenizer over bytes in memory.
///
/// It takes well-formed XML 1.0 with namespaces, in UTF-8, without document type and processing instructions. After an
/// error it gives the same error for ever.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// The whole message: what spans refer to.
    pub(super) buf: &'a [u8],
    /// `buf` up to the end of the range that is read.
    pub(super) src: &'a [u8],
    pub(super) pos: usize,
    pub(super) limits: Limits,
    pub(super) scope: Scope,
    pub(super) open: Vec<Open, DEPTH>,
    pub(super) rows: Vec<Row, ATTRIBUTES>,
    /// Content of an element rather than a document.
    fragment: bool,
    pub(super) root_seen: bool,
    /// There is a carriage return somewhere in the range.
    pub(super) returns: bool,
    pub(super) pending_end: bool,
    pub(super) at_start: bool,
    /// Where the last token is.
    pub(super) last: Span,
    /// The element that the last end tag has closed.
    pub(super) ended: Open,
    /// Where the last text stands, and what is in it.
    place: Place,
    references: bool,
    greater: bool,
    failed: Option<Error>,
}

impl<'a> Reader<'a> {
    /// Reads `buf` as one whole document. After the root only white space and comments may follow.
    ///
    /// # Errors
    /// `buf` is longer than `limits.message`, is not UTF-8, has forbidden characters, or a bad XML declaration.
    pub fn document(buf: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let mut reader = Self::over(buf, Span::new(0, offset(buf.len())), Scope::EMPTY, limits, false)?;
        reader.prolog()?;
        Ok(reader)
    }

    /// Reads the bytes of `range` as content: any number of elements, text and comments. `scope` gives the inherited
    /// namespace bindings. Offsets stay those of `buf`; depth counts from 0.
    ///
    /// # Errors
    /// `range` does not lie in `buf`, is longer than `limits.message`, is not UTF-8, or has forbidden characters.
    #[inline]
    pub fn resume(buf: &'a [u8], range: Span, scope: &Scope, limits: &Limits) -> Result<Self, Error> {
        Self::over(buf, range, scope.inherited(), limits, true)
    }

    #[inline(always)]
    fn over(buf: &'a [u8], range: Span, scope: Scope, limits: &Limits, fragment: bool) -> Result<Self, Error> {
        let limits = limits.held();
        // A span cannot count further than u32; such a buffer is over every limit.
        let found = if fragment { range.len() } else { offset(buf.len()) };
        if found > limits.message || buf.len() >= u32::MAX as usize {
            let kind = ErrorKind::OverLimit { quota: Quota::Message, limit: limits.message, found };
            return Err(Error::new(kind, range.start));
        }
        let Some(bytes) = buf.get(range.range()) else {
            return Err(Error::new(ErrorKind::UnexpectedEnd, offset(buf.len())));
        };
        let pos = range.start as usize;
        let returns = check(bytes, pos)?;
        Ok(Self {
            buf,
            src: buf.get(..range.end as usize).unwrap_or(&[]),
            pos,
            limits,
            scope,
            open: Vec::new(),
            rows: Vec::new(),
            fragment,
            root_seen: false,
            returns,
            pending_end: false,
            at_start: false,
            last: Span::default(),
            ended: Open::default(),
            place: Place::Content,
            references: false,
            greater: false,
            failed: None,
        })
    }

    /// The next token.
    ///
    /// # Errors
    /// The input is not well-formed, not allowed in SOAP, or over a limit.
    #[allow(clippy::should_implement_trait, reason = "a fallible cursor with an explicit last token, no Iterator")]
    #[inline]
    pub fn next(&mut self) -> Result<Token<'a>, Error> {
        Ok(match self.advance()? {
            Kind::Start => match self.open.last() {
                Some(open) => Token::Start(self.start_of(open)),
                None => Token::Eof,
            },
            Kind::End => Token::End(self.end()),
            Kind::Text => Token::Text(self.text_run()),
            Kind::Comment => Token::Comment(self.last),
            Kind::Eof => Token::Eof,
        })
    }

    /// As [`Reader::next`], without putting the token together.
    #[inline]
    pub(super) fn advance(&mut self) -> Result<Kind, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.step().inspect_err(|&error| self.failed = Some(error))
    }

    /// The start tag just read, which is that of `open`.
    #[inline]
    pub(super) fn start_of(&self, open: &Open) -> Start<'a> {
        let (name, prefix) = open.name(self.buf);
        Start { name, prefix, span: self.last, empty: self.pending_end }
    }

    #[inline]
    fn end(&self) -> End<'a> {
        let (name, prefix) = self.ended.name(self.buf);
        End { name, prefix, span: self.last, qname: self.ended.qname() }
    }

    /// The text just read.
    #[inline]
    pub(super) fn text_run(&self) -> Text<'a> {
        Text {
            raw: self.last.of(self.buf),
            start: self.last.start,
            place: self.place,
            references: self.references,
            returns: self.returns,
            greater: self.greater,
        }
    }

    /// The bindings that hold where the reader stands: after a start tag, inside that element.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// How many elements are open: after a start tag that element counts, after its end tag no more.
    pub fn depth(&self) -> u16 {
        u16::try_from(self.open.len()).unwrap_or(u16::MAX)
    }

    /// Offset behind the last token.
    pub fn position(&self) -> u32 {
        offset(self.pos)
    }

    /// The bytes that offsets refer to.
    pub fn buffer(&self) -> &'a [u8] {
        self.buf
    }

    /// The value of the attribute of that name of the last start tag. The empty namespace asks for an attribute
    /// without prefix.
    pub fn attribute(&self, namespace: &str, local: &str) -> Option<Text<'a>> {
        let row = self.rows.iter().find(|row| {
            row.local(self.buf) == local.as_bytes() && name_of(self.buf, row.uri) == namespace.as_bytes()
        })?;
        Some(self.value(row))
    }

    /// The attributes of the last start tag in the order in which they are written, namespace declarations left out.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> {
        self.rows.iter().map(|row| Attribute {
            name: Name { namespace: name_of(self.buf, row.uri), local: row.local(self.buf) },
            prefix: row.prefix(self.buf),
            value: self.value(row),
        })
    }

    pub(super) fn value(&self, row: &Row) -> Text<'a> {
        Text {
            raw: row.value.of(self.buf),
            start: row.value.start,
            place: Place::Attribute,
            references: row.references,
            returns: self.returns,
            greater: false,
        }
    }

    /// Directly after a start tag: passes over the element up to and with its end tag, and gives the range of the
    /// whole element. What is passed over is checked like everything else.
    ///
    /// # Errors
    /// As [`Reader::next`]; `NotAtStart` when the last token was no start tag.
    pub fn skip(&mut self) -> Result<Span, Error> {
        let start = self.expect_start()?;
        let depth = self.depth();
        loop {
            if self.advance()? == Kind::End && self.depth() < depth {
                return Ok(Span::new(start, self.last.end));
            }
        }
    }

    /// As [`Reader::skip`], showing `visit` every start tag inside the element. A failure of `visit` ends the pass; the
    /// reader then stands inside.
    ///
    /// # Errors
    /// As [`Reader::skip`], and those of `visit`.
    pub fn visit<E: From<Error>>(
        &mut self,
        mut visit: impl FnMut(&Self, &Start<'a>) -> Result<(), E>,
    ) -> Result<Span, E> {
        let start = self.expect_start()?;
        let depth = self.depth();
        loop {
            match self.advance()? {
                Kind::Start => {
                    if let Some(inner) = self.open.last().map(|open| self.start_of(open)) {
                        visit(self, &inner)?;
                    }
                }
                Kind::End if self.depth() < depth => return Ok(Span::new(start, self.last.end)),
                Kind::End | Kind::Text | Kind::Comment => {}
                // Unreachable while the element is open; said all the same.
                Kind::Eof => return Err(Error::new(ErrorKind::UnexpectedEnd, self.position()).into()),
            }
        }
    }

    /// Directly after a start tag: the element's text, up to and with its end tag, of at most
    /// `Limits::string_content` bytes as written. The text is one run, or one CDATA section, or nothing.
    ///
    /// # Errors
    /// As [`Reader::next`]; `ElementInText` for child elements; `SplitText` for comments, or text and CDATA mixed;
    /// `OverLimit`; `NotAtStart` when the last token was no start tag.
    pub fn text(&mut self) -> Result<Text<'a>, Error> {
        self.text_within(self.limits.string_content)
    }

    /// As [`Reader::text`], with a limit in bytes of its own: WCF reads base64 content piecewise, beyond
    /// `maxStringContentLength`.
    ///
    /// # Errors
    /// As [`Reader::text`].
    pub fn text_within(&mut self, bytes: u32) -> Result<Text<'a>, Error> {
        self.expect_start()?;
        let at = self.position();
        match self.advance()? {
            Kind::Text => {}
            Kind::End => return Ok(Text::empty(at)),
            Kind::Start => return self.refuse(ErrorKind::ElementInText, self.last.start),
            Kind::Comment => return self.refuse(ErrorKind::SplitText, self.last.start),
            Kind::Eof => return self.refuse(ErrorKind::UnexpectedEnd, at),
        }
        let text = self.text_run();
        let found = text.span().len();
        if found > bytes {
            return self.refuse(ErrorKind::OverLimit { quota: Quota::String, limit: bytes, found }, at);
        }
        match self.advance()? {
            Kind::End => Ok(text),
            Kind::Start => self.refuse(ErrorKind::ElementInText, self.last.start),
            Kind::Text | Kind::Comment => self.refuse(ErrorKind::SplitText, text.span().end),
            Kind::Eof => self.refuse(ErrorKind::UnexpectedEnd, at),
        }
    }

    /// The next child element, past white space and comments. `None` at the parent's end tag, which is consumed, or at
    /// the end of the input.
    ///
    /// # Errors
    /// As [`Reader::next`]; `TextBetweenElements` for text that is not blank.
    pub fn next_element(&mut self) -> Result<Option<Start<'a>>, Error> {
        loop {
            match self.advance()? {
                Kind::Start => return Ok(self.open.last().map(|open| self.start_of(open))),
                Kind::End | Kind::Eof => return Ok(None),
                Kind::Comment => {}
                Kind::Text if self.text_run().is_blank() => {}
                Kind::Text => return self.refuse(ErrorKind::TextBetweenElements, self.last.start),
            }
        }
    }

    fn expect_start(&self) -> Result<u32, Error> {
        match self.open.last() {
            Some(open) if self.at_start => Ok(open.start()),
            Some(_) | None => match self.failed {
                Some(error) => Err(error),
                None => Err(Error::new(ErrorKind::NotAtStart, self.position())),
            },
        }
    }

    /// A refusal by what was expected here rather than by the grammar; it ends the reader likewise.
    fn refuse<T>(&mut self, kind: ErrorKind, at: u32) -> Result<T, Error> {
        let error = Error::new(kind, at);
        self.failed = Some(error);
        Err(error)
    }

    fn step(&mut self) -> Result<Kind, Error> {
        self.at_start = false;
        if self.pending_end {
            self.pending_end = false;
            let at = self.position();
            return self.close(Span::new(at, at));
        }
        let outside = !self.fragment && self.open.is_empty();
        if outside {
            self.pos = self.past_space(self.pos);
        }
        match self.src.get(self.pos..) {
            Some([b'<', b'/', ..]) => self.end_tag(),
            Some([b'<', b'!', rest @ ..]) => self.declaration(rest),
            Some([b'<', b'?', ..]) => self.fail(ErrorKind::ProcessingInstruction, self.pos),
            Some([b'<', ..]) if outside && self.root_seen => self.fail(ErrorKind::SecondRoot, self.pos),
            Some([b'<', ..]) => self.start_tag(),
            Some([_, ..]) if outside => self.fail(ErrorKind::TextOutsideRoot, self.pos),
            Some([_, ..]) => self.run(),
            Some([]) | None if !self.open.is_empty() => self.fail(ErrorKind::UnexpectedEnd, self.pos),
            Some([]) | None if outside && !self.root_seen => self.fail(ErrorKind::NoRoot, self.pos),
            Some([]) | None => Ok(Kind::Eof),
        }
    }

    /// Text up to the next tag, comment or CDATA section.
    fn run(&mut self) -> Result<Kind, Error> {
        let start = self.pos;
        let mut at = start;
        let (mut references, mut greater) = (false, false);
        loop {
            let rest = self.src.get(at..).unwrap_or(&[]);
            let Some(found) = memchr3(b'<', b'&', b'>', rest) else {
                at = self.src.len();
                break;
            };
            at = at.saturating_add(found);
            match self.src.get(at..) {
                Some(rest @ [b'&', ..]) => {
                    let (_, len) = reference(rest).map_err(|kind| Error::new(kind, offset(at)))?;
                    references = true;
                    at = at.saturating_add(len);
                }
                Some([b'>', ..]) => {
                    if self.src.get(start..at).is_some_and(|run| run.ends_with(b"]]")) {
                        return self.fail(ErrorKind::CdataEndInText, at);
                    }
                    greater = true;
                    at = at.saturating_add(1);
                }
                Some(_) | None => break,
            }
        }
        self.pos = at;
        self.last = between(start, at);
        (self.place, self.references, self.greater) = (Place::Content, references, greater);
        Ok(Kind::Text)
    }

    /// Behind `<!`: a comment or a CDATA section.
    fn declaration(&mut self, rest: &[u8]) -> Result<Kind, Error> {
        let start = self.pos;
        if let Some(inside) = rest.strip_prefix(b"--") {
            let mut len = 0_usize;
            loop {
                let rest = inside.get(len..).unwrap_or(&[]);
                let Some(dash) = memchr(b'-', rest) else {
                    return self.fail(ErrorKind::UnexpectedEnd, self.src.len());
                };
                match rest.get(dash..) {
                    Some([_, b'-', b'>', ..]) => {
                        len = len.saturating_add(dash);
                        break;
                    }
                    Some([_, b'-', ..]) => {
                        let at = start.saturating_add(4).saturating_add(len).saturating_add(dash);
                        return self.fail(ErrorKind::DashesInComment, at);
                    }
                    Some(_) | None => len = len.saturating_add(dash).saturating_add(1),
                }
            }
            // `<!--`, the inside, `-->`.
            self.pos = start.saturating_add(len).saturating_add(7);
            self.last = between(start, self.pos);
            return Ok(Kind::Comment);
        }
        if let Some(inside) = rest.strip_prefix(b"[CDATA[") {
            if !self.fragment && self.open.is_empty() {
                return self.fail(ErrorKind::TextOutsideRoot, start);
            }
            let mut greater = false;
            for close in memchr::memchr_iter(b'>', inside) {
                if let Some(raw) = inside.get(..close).and_then(|head| head.strip_suffix(b"]]")) {
                    let head = start.saturating_add(9);
                    self.pos = head.saturating_add(close).saturating_add(1);
                    self.last = between(head, head.saturating_add(raw.len()));
                    (self.place, self.references, self.greater) = (Place::Cdata, false, greater);
                    return Ok(Kind::Text);
                }
                greater = true;
            }
            return self.fail(ErrorKind::UnexpectedEnd, self.src.len());
        }
        match rest {
            [b'D', ..] => self.fail(ErrorKind::DocumentType, start),
            [byte, ..] => self.fail(ErrorKind::UnexpectedByte(*byte), start.saturating_add(2)),
            [] => self.fail(ErrorKind::UnexpectedEnd, self.src.len()),
        }
    }

    /// Byte order mark and XML declaration.
    fn prolog(&mut self) -> Result<(), Error> {
        if self.src.starts_with(b"\xEF\xBB\xBF") {
            self.pos = 3;
        }
        let Some(rest) = self.src.get(self.pos..).and_then(|rest| rest.strip_prefix(b"<?xml")) else { return Ok(()) };
        if !rest.first().is_some_and(|&byte| is_space(byte)) {
            return self.fail(ErrorKind::ProcessingInstruction, self.pos);
        }
        let at = self.pos;
        let bad = || Error::new(ErrorKind::Declaration, offset(at));
        let Some(close) = memchr(b'>', rest) else { return Err(bad()) };
        let inside = rest.get(..close).and_then(|inside| inside.strip_suffix(b"?")).ok_or_else(bad)?;
        let rest = pseudo(inside, b"version").filter(|(value, _)| *value == b"1.0").ok_or_else(bad)?.1;
        let rest = match pseudo(rest, b"encoding") {
            Some((value, rest)) if value.eq_ignore_ascii_case(b"utf-8") => rest,
            Some(_) => return Err(bad()),
            None => rest,
        };
        let rest = match pseudo(rest, b"standalone") {
            Some((b"yes" | b"no", rest)) => rest,
            Some(_) => return Err(bad()),
            None => rest,
        };
        if rest.iter().any(|&byte| !is_space(byte)) {
            return Err(bad());
        }
        // `<?xml`, the inside with its `?`, `>`.
        self.pos = at.saturating_add(close).saturating_add(6);
        Ok(())
    }

    pub(super) fn past_space(&self, at: usize) -> usize {
        let rest = self.src.get(at..).unwrap_or(&[]);
        at.saturating_add(rest.iter().take_while(|&&byte| is_space(byte)).count())
    }

    pub(super) fn fail<T>(&self, kind: ErrorKind, at: usize) -> Result<T, Error> {
        Err(Error::new(kind, offset(at)))
    }
}

/// White space, `name = "value"`: the value and what follows.
fn pseudo<'a>(bytes: &'a [u8], name: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let trimmed = bytes.trim_ascii_start();
    if trimmed.len() == bytes.len() {
        return None;
    }
    let rest = trimmed.strip_prefix(name)?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (&quote, rest) = rest.split_first()?;
    if !matches!(quote, b'"' | b'\'') {
        return None;
    }
    let (value, rest) = rest.split_at_checked(memchr(quote, rest)?)?;
    Some((value, rest.get(1..)?))
}
