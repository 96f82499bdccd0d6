//! Writing into the caller's buffer.

use core::fmt;

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;

use super::chars::{is_special_in_attribute, is_special_in_text};
use super::span::Span;

/// The caller's buffer is too small. Nothing else is wrong: lend a larger one and ask again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grow {
    /// Bytes that are needed in all.
    pub needed: usize,
    /// Bytes that were lent.
    pub have: usize,
}

impl fmt::Display for Grow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the buffer has {} bytes, {} are needed", self.have, self.needed)
    }
}

impl core::error::Error for Grow {}

/// Writes into a lent buffer and keeps counting when it is full, so that one run tells exactly how much is lacking.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut [u8],
    /// Bytes at the head of `out` that are written without a gap.
    done: usize,
    /// Bytes that there would be with endless room.
    position: usize,
}

/// The shortest comment: `<!---->`.
const COMMENT: usize = 7;

impl<'o> Writer<'o> {
    /// Writes from the beginning of `out`.
    pub fn new(out: &'o mut [u8]) -> Self {
        Self { out, done: 0, position: 0 }
    }

    /// These bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room(bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    /// This string as it is.
    pub fn put_str(&mut self, text: &str) {
        self.put(text.as_bytes());
    }

    /// Text between tags, UTF-8: `&`, `<`, `>` by name and, as WCF's text writer does, control characters but tab and
    /// line feed by number. Control characters that XML forbids make a document that every reader refuses.
    pub fn text(&mut self, bytes: &[u8]) {
        self.escaped(bytes, is_special_in_text);
    }

    /// The inside of a double-quoted attribute value: as [`Writer::text`], and the quote, tab and line feed too.
    pub fn attribute_value(&mut self, bytes: &[u8]) {
        self.escaped(bytes, is_special_in_attribute);
    }

    fn escaped(&mut self, mut bytes: &[u8], special: fn(u8) -> bool) {
        while let Some(at) = bytes.iter().position(|&byte| special(byte)) {
            let (run, rest) = bytes.split_at_checked(at).unwrap_or((bytes, &[]));
            self.put(run);
            let Some((&byte, rest)) = rest.split_first() else { return };
            match byte {
                b'&' => self.put(b"&amp;"),
                b'<' => self.put(b"&lt;"),
                b'>' => self.put(b"&gt;"),
                b'"' => self.put(b"&quot;"),
                control => {
                    const HEX: &[u8; 16] = b"0123456789ABCDEF";
                    let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
                    self.put(b"&#x");
                    if control > 0x0F {
                        self.put(&[digit(control >> 4)]);
                    }
                    self.put(&[digit(control & 0x0F), b';']);
                }
            }
            bytes = rest;
        }
        self.put(bytes);
    }

    /// A number in decimal digits.
    pub fn number(&mut self, mut value: u64) {
        let mut digits = [b'0'; 20];
        let mut len = 0_usize;
        for slot in digits.iter_mut().rev() {
            let digit = u8::try_from(value.wrapping_rem(10)).unwrap_or(0);
            *slot = b'0'.saturating_add(digit);
            value = value.wrapping_div(10);
            len = len.saturating_add(1);
            if value == 0 {
                break;
            }
        }
        self.put(digits.get(digits.len().saturating_sub(len)..).unwrap_or(&[]));
    }

    /// Octets in base64 with padding, in one line (RFC 4648 section 4).
    pub fn base64(&mut self, octets: &[u8]) {
        let len = octets.len().div_ceil(3).saturating_mul(4);
        if let Some(room) = self.room(len) {
            // Cannot fail: the room has exactly the encoded length.
            let _ = STANDARD.encode_slice(octets, room);
        }
    }

    /// A comment of exactly `len` bytes, spaces inside; nothing for 0. No comment is shorter than 7 bytes: less is
    /// raised to that, which [`Writer::position`] shows.
    pub fn filler(&mut self, len: usize) {
        if len == 0 {
            return;
        }
        if let Some(room) = self.room(len.max(COMMENT)) {
            comment(room);
        }
    }

    /// Bytes so far, whether they fitted or not.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Whether everything so far has fitted.
    pub fn fits(&self) -> bool {
        self.position <= self.out.len()
    }

    /// The part that has fitted, to be changed in place (a digest or a signature filled in later).
    pub fn written(&mut self) -> &mut [u8] {
        self.out.get_mut(..self.done).unwrap_or(&mut [])
    }

    /// How many bytes are written.
    ///
    /// # Errors
    /// Not everything fitted; the error tells how much room the same run needs.
    pub fn finish(self) -> Result<usize, Grow> {
        if self.fits() { Ok(self.position) } else { Err(Grow { needed: self.position, have: self.out.len() }) }
    }

    /// Counts `len` bytes, and lends the place for them if they fit.
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        let start = self.position;
        let end = start.saturating_add(len);
        self.position = end;
        let room = self.out.get_mut(start..end)?;
        self.done = end;
        Some(room)
    }
}

/// Fills `buf[span]` with one comment of exactly that length, or leaves it alone where it is empty. `false`, and
/// nothing changed, when the length is 1 to 6, too short for a comment, or `span` does not lie in `buf`.
pub fn fill_comment(buf: &mut [u8], span: Span) -> bool {
    if span.is_empty() {
        return true;
    }
    match buf.get_mut(span.range()) {
        Some(room) if room.len() >= COMMENT => {
            comment(room);
            true
        }
        Some(_) | None => false,
    }
}

/// One comment over the whole of `room`, which has at least 7 bytes.
fn comment(room: &mut [u8]) {
    room.fill(b' ');
    if let Some(head) = room.first_chunk_mut::<4>() {
        *head = *b"<!--";
    }
    if let Some(tail) = room.last_chunk_mut::<3>() {
        *tail = *b"-->";
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn tells_exactly_what_is_lacking() {
        let write = |out: &mut [u8]| {
            let mut writer = Writer::new(out);
            writer.put_str("<a b=\"");
            writer.attribute_value(b"x\"&\n>");
            writer.put_str("\">");
            writer.text(b"1 < 2 > \"0\"\r\n\t&\x1f");
            writer.number(0);
            writer.number(u64::MAX);
            writer.base64(b"any carnal pleas");
            writer.filler(9);
            writer.put_str("</a>");
            writer.finish()
        };
        let expected: &[u8] = b"<a b=\"x&quot;&amp;&#xA;&gt;\">1 &lt; 2 &gt; \"0\"&#xD;\n\t&amp;&#x1F;0\
            18446744073709551615YW55IGNhcm5hbCBwbGVhcw==<!--  --></a>";
        let mut out = [0; 256];
        let len = write(&mut out).unwrap();
        assert_eq!(core::str::from_utf8(&out[..len]), core::str::from_utf8(expected));
        for have in 0..len {
            assert_eq!(write(&mut out[..have]), Err(Grow { needed: len, have }));
        }
        assert_eq!(write(&mut out[..len]), Ok(len));
    }

    #[test]
    fn what_fitted_has_no_gap() {
        let mut out = [b'?'; 4];
        let mut writer = Writer::new(&mut out);
        writer.put(b"ab");
        writer.put(b"cde");
        writer.put(b"f");
        assert!(!writer.fits());
        assert_eq!(writer.position(), 6);
        assert_eq!(writer.written(), b"ab");
    }

    #[test]
    fn comments_of_any_length() {
        for len in 0..20_u32 {
            let mut buf = *b"xxxxxxxxxxxxxxxxxxxxxxxx";
            let done = fill_comment(&mut buf, Span::new(2, 2 + len));
            assert_eq!(done, len == 0 || len >= 7);
            assert_eq!(&buf[..2], b"xx");
            assert!(buf[2 + len as usize..].iter().all(|&b| b == b'x'));
            if len >= 7 {
                assert!(buf[2..].starts_with(b"<!--") && buf[..2 + len as usize].ends_with(b"-->"));
            }
        }
        assert!(!fill_comment(&mut [0; 8], Span::new(4, 12)));
    }
}
