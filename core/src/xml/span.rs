//! Byte ranges of a message.

use core::ops::Range;

/// A half-open byte range in a message buffer.
///
/// Plain data: it stays meaningful while the buffer is changed in place, which a borrowed slice would forbid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` up to, not including, `end`.
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// The bytes of `buf` in this range; empty when the range does not lie in `buf`.
    #[inline]
    pub fn of(self, buf: &[u8]) -> &[u8] {
        buf.get(self.range()).unwrap_or(&[])
    }

    /// As [`Span::of`], to change the bytes in place.
    pub fn of_mut(self, buf: &mut [u8]) -> &mut [u8] {
        buf.get_mut(self.range()).unwrap_or(&mut [])
    }

    /// Number of bytes; 0 when the range is turned round.
    pub const fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it holds no byte.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether `other` lies wholly inside.
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The same range for indexing.
    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// An offset as it is kept in spans. Readers refuse messages that are longer than `u32` can count.
pub(super) fn offset(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// The span between two positions.
pub(super) fn between(start: usize, end: usize) -> Span {
    Span::new(offset(start), offset(end))
}
