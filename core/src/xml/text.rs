//! Character data as it is written, and as it is meant.

use memchr::{memchr, memchr2};

use super::chars::{is_space, is_special_in_attribute, reference};
use super::span::{Span, offset};
use super::writer::Grow;

/// Where the characters stand, which decides what is special in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Between tags.
    Content,
    /// In a CDATA section.
    Cdata,
    /// In an attribute value.
    Attribute,
}

/// A run of character data: text between tags, the inside of a CDATA section, or an attribute value.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    pub(super) raw: &'a [u8],
    pub(super) start: u32,
    pub(super) place: Place,
    /// There are references in it.
    pub(super) references: bool,
    /// There may be line ends that are written with a carriage return.
    pub(super) returns: bool,
    /// There is a `>` in it, which the canonical form escapes.
    pub(super) greater: bool,
}

impl<'a> Text<'a> {
    /// No characters, at `position`.
    pub(super) fn empty(position: u32) -> Self {
        Self { raw: &[], start: position, place: Place::Content, references: false, returns: false, greater: false }
    }

    /// Where the characters are written; for a CDATA section without its delimiters, for an attribute without quotes.
    pub fn span(&self) -> Span {
        Span::new(self.start, self.start.saturating_add(offset(self.raw.len())))
    }

    /// The bytes as they are written.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether it is the inside of a CDATA section.
    pub fn is_cdata(&self) -> bool {
        self.place == Place::Cdata
    }

    /// The bytes as they are meant, where those are the bytes as they are written: no references, no line ends to
    /// normalise. `None` means that [`Text::decode`] or [`Text::pieces`] is needed.
    pub fn plain(&self) -> Option<&'a [u8]> {
        if self.references {
            return None;
        }
        match self.place {
            Place::Content | Place::Cdata if !self.returns || memchr(b'\r', self.raw).is_none() => Some(self.raw),
            Place::Attribute if !self.raw.iter().any(|byte| matches!(byte, b'\t' | b'\n' | b'\r')) => Some(self.raw),
            Place::Content | Place::Cdata | Place::Attribute => None,
        }
    }

    /// The characters as they are meant, piece by piece, without a buffer.
    pub fn pieces(&self) -> Pieces<'a> {
        Pieces { rest: self.raw, place: self.place }
    }

    /// The characters as they are meant, written into `out`. Never longer than [`Text::raw`].
    ///
    /// # Errors
    /// `out` is too small; the error tells how many bytes are needed.
    pub fn decode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], Grow> {
        let have = out.len();
        let mut needed: usize = 0;
        let mut utf8 = [0; 4];
        for piece in self.pieces() {
            let bytes = piece.bytes(&mut utf8);
            let end = needed.saturating_add(bytes.len());
            if let Some(room) = out.get_mut(needed..end) {
                room.copy_from_slice(bytes);
            }
            needed = end;
        }
        out.get(..needed).ok_or(Grow { needed, have })
    }

    /// Whether the characters, as they are meant, are those of `other`.
    #[allow(clippy::should_implement_trait, reason = "compares meaning with a str; Text itself has no equality")]
    pub fn eq(&self, other: &str) -> bool {
        if let Some(plain) = self.plain() {
            return plain == other.as_bytes();
        }
        let mut rest = other.as_bytes();
        let mut utf8 = [0; 4];
        for piece in self.pieces() {
            match rest.strip_prefix(piece.bytes(&mut utf8)) {
                Some(tail) => rest = tail,
                None => return false,
            }
        }
        rest.is_empty()
    }

    /// Whether there is nothing but white space as it is written. A reference to a space is not blank.
    pub fn is_blank(&self) -> bool {
        self.raw.iter().all(|&byte| is_space(byte))
    }

    /// Without the white space around it, which `xs:QName`, `xs:anyURI`, numbers and base64 ignore.
    #[must_use]
    pub fn trim(&self) -> Self {
        let head = self.raw.iter().take_while(|&&byte| is_space(byte)).count();
        let raw = self.raw.get(head..).unwrap_or(&[]);
        let tail = raw.iter().rev().take_while(|&&byte| is_space(byte)).count();
        let raw = raw.get(..raw.len().saturating_sub(tail)).unwrap_or(&[]);
        Self { raw, start: self.start.saturating_add(offset(head)), ..*self }
    }
}

/// A part of a [`Text`] as it is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// These bytes as they are written.
    Raw(&'a [u8]),
    /// What a reference or a normalised line end stands for.
    Char(char),
}

impl<'a> Piece<'a> {
    /// The bytes of this piece; `utf8` lends room for a character.
    pub fn bytes<'b>(&self, utf8: &'b mut [u8; 4]) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Raw(raw) => raw,
            Self::Char(c) => c.encode_utf8(utf8).as_bytes(),
        }
    }
}

/// The pieces of a [`Text`], made by [`Text::pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: &'a [u8],
    place: Place,
}

impl<'a> Pieces<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        head
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let special = match self.place {
            Place::Content => memchr2(b'&', b'\r', self.rest),
            Place::Cdata => memchr(b'\r', self.rest),
            // A few too many (`>` and the other quote) stop here; they come out as they are.
            Place::Attribute => self.rest.iter().position(|&byte| is_special_in_attribute(byte)),
        };
        match special {
            None if self.rest.is_empty() => return None,
            None => return Some(Piece::Raw(self.take(self.rest.len()))),
            Some(0) => {}
            Some(len) => return Some(Piece::Raw(self.take(len))),
        }
        let attribute = self.place == Place::Attribute;
        match self.rest {
            [b'&', ..] => match reference(self.rest) {
                Ok((c, len)) => {
                    self.take(len);
                    return Some(Piece::Char(c));
                }
                // The tokenizer has checked every reference.
                Err(_) => return Some(Piece::Raw(self.take(1))),
            },
            [b'\r', b'\n', ..] => self.take(2),
            [b'\r' | b'\n' | b'\t', ..] => self.take(1),
            _ => return Some(Piece::Raw(self.take(1))),
        };
        Some(Piece::Char(if attribute { ' ' } else { '\n' }))
    }
}
