//! Character classes of XML 1.0 (fifth edition), and the one pass that checks a whole buffer.

use super::error::{Error, ErrorKind};
use super::span::offset;

const NAME_START: u8 = 1;
const NAME: u8 = 2;
const SPACE: u8 = 4;
const ATTRIBUTE_SPECIAL: u8 = 8;
const TEXT_SPECIAL: u8 = 16;

/// Classes of every byte. Bytes of multi-byte characters count as name characters here and are looked at more closely
/// only in the rare name that has any. The colon is none: it divides a qualified name.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte: u8 = 0;
    // An array filled in a const: the compiler evaluates the indexing, nothing can go wrong at run time.
    #[allow(clippy::indexing_slicing, reason = "const evaluation; a u8 always indexes 256 entries")]
    loop {
        let mut class = 0;
        if matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xFF) {
            class |= NAME_START | NAME;
        }
        if matches!(byte, b'0'..=b'9' | b'-' | b'.') {
            class |= NAME;
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            class |= SPACE;
        }
        if byte < 0x20 || matches!(byte, b'&' | b'<' | b'>' | b'"') {
            class |= ATTRIBUTE_SPECIAL;
        }
        if byte < 0x20 && !matches!(byte, b'\t' | b'\n') || matches!(byte, b'&' | b'<' | b'>') {
            class |= TEXT_SPECIAL;
        }
        table[byte as usize] = class;
        match byte.checked_add(1) {
            Some(next) => byte = next,
            None => return table,
        }
    }
}

#[inline]
fn class(byte: u8) -> u8 {
    CLASS.get(usize::from(byte)).copied().unwrap_or(0)
}

/// White space (XML 1.0 production 3).
#[inline]
pub(super) fn is_space(byte: u8) -> bool {
    class(byte) & SPACE != 0
}

#[inline]
pub(super) fn is_name_start(byte: u8) -> bool {
    class(byte) & NAME_START != 0
}

#[inline]
pub(super) fn is_name(byte: u8) -> bool {
    class(byte) & NAME != 0
}

/// Bytes that cannot go as they are into, or come as they are out of, a quoted attribute value.
#[inline]
pub(super) fn is_special_in_attribute(byte: u8) -> bool {
    class(byte) & ATTRIBUTE_SPECIAL != 0
}

/// Bytes that a writer cannot put into text as they are.
#[inline]
pub(super) fn is_special_in_text(byte: u8) -> bool {
    class(byte) & TEXT_SPECIAL != 0
}

/// Whether a part of a qualified name that has multi-byte characters keeps to productions 4 and 4a. The ASCII ones
/// have been checked by class.
pub(super) fn is_wide_name(name: &[u8]) -> bool {
    let Ok(name) = core::str::from_utf8(name) else { return false };
    name.chars().enumerate().all(|(at, c)| c.is_ascii() || is_wide_start(c) || (at > 0 && is_wide_inner(c)))
}

fn is_wide_start(c: char) -> bool {
    matches!(c,
        '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}'
        | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

fn is_wide_inner(c: char) -> bool {
    matches!(c, '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Char (production 2).
fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The character that the reference at the head of `bytes` (at its `&`) stands for, and the reference's length.
pub(super) fn reference(bytes: &[u8]) -> Result<(char, usize), ErrorKind> {
    const NAMED: [(&[u8], char); 5] =
        [(b"&amp;", '&'), (b"&lt;", '<'), (b"&gt;", '>'), (b"&quot;", '"'), (b"&apos;", '\'')];
    for (written, c) in NAMED {
        if bytes.starts_with(written) {
            return Ok((c, written.len()));
        }
    }
    let (digits, radix, head) = if let Some(rest) = bytes.strip_prefix(b"&#x") {
        (rest, 16, 3_usize)
    } else if let Some(rest) = bytes.strip_prefix(b"&#") {
        (rest, 10, 2)
    } else {
        return Err(ErrorKind::Reference);
    };
    let mut value: u32 = 0;
    for (at, &byte) in digits.iter().enumerate() {
        if byte == b';' && at > 0 {
            let c = char::from_u32(value).filter(|&c| is_char(c)).ok_or(ErrorKind::ForbiddenCharacter)?;
            return Ok((c, head.saturating_add(at).saturating_add(1)));
        }
        let digit = char::from(byte).to_digit(radix).ok_or(ErrorKind::Reference)?;
        value = value.saturating_mul(radix).saturating_add(digit);
    }
    Err(ErrorKind::Reference)
}

/// Checks that `bytes`, which begin at offset `start` of the message, are UTF-8 and only hold characters that XML
/// allows. Tells whether there is any carriage return, so that line ends need no second look where there is none.
pub(super) fn check(bytes: &[u8], start: usize) -> Result<bool, Error> {
    let fail = |kind, at: usize| Error::new(kind, offset(start.saturating_add(at)));
    let mut seen = Seen::default();
    let (blocks, tail) = bytes.as_chunks::<64>();
    for block in blocks {
        // Whole blocks without an early exit, so that the compiler can use vector registers. As signed numbers, the bytes
        // of multi-byte characters lie below the space like control characters: most blocks have neither.
        let plain = block.iter().fold(true, |plain, &byte| plain & (byte.cast_signed() >= 0x20));
        if !plain {
            seen.look(block);
        }
    }
    seen.look(tail);
    if seen.wide != 0
        && let Err(error) = core::str::from_utf8(bytes)
    {
        return Err(fail(ErrorKind::NotUtf8, error.valid_up_to()));
    }
    if seen.control != 0 {
        let at = bytes.iter().position(|&byte| byte < 0x20 && !is_space(byte)).unwrap_or(0);
        return Err(fail(ErrorKind::ForbiddenCharacter, at));
    }
    if seen.ef != 0 {
        // U+FFFE and U+FFFF are the only others that UTF-8 can write and XML forbids: EF BF BE, EF BF BF.
        for at in memchr::memchr_iter(0xEF, bytes) {
            if let Some([_, 0xBF, 0xBE | 0xBF]) = bytes.get(at..at.saturating_add(3)) {
                return Err(fail(ErrorKind::ForbiddenCharacter, at));
            }
        }
    }
    Ok(seen.carriage_return != 0)
}

/// What one look at every byte has met.
#[derive(Default)]
struct Seen {
    /// Bytes of multi-byte characters.
    wide: u8,
    control: u8,
    carriage_return: u8,
    ef: u8,
}

impl Seen {
    #[inline]
    fn look(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.wide |= byte & 0x80;
            self.control |=
                u8::from(byte < 0x20) & u8::from(byte != b'\t') & u8::from(byte != b'\n') & u8::from(byte != b'\r');
            self.carriage_return |= u8::from(byte == b'\r');
            self.ef |= u8::from(byte == 0xEF);
        }
    }
}
