//! The padding of XML Encryption's block ciphers.

use subtle::{Choice, ConstantTimeEq, ConstantTimeGreater};

/// Pads `buf[..len]` to whole blocks with PKCS#7, as WCF writes it. Returns the new length; `None` if `buf` is too short.
pub fn pad(block: usize, buf: &mut [u8], len: usize) -> Option<usize> {
    let count = block.checked_sub(len.checked_rem(block)?)?;
    let end = len.checked_add(count)?;
    buf.get_mut(len..end)?.fill(u8::try_from(count).ok()?);
    Some(end)
}

/// What is under a padding.
#[derive(Clone, Copy, Debug)]
pub struct Unpadded {
    /// Length of the plain text, in bytes. Where the padding is not valid: as if its count were one block.
    pub len: usize,
    /// Is the last byte a count from 1 to the block's length?
    pub valid: Choice,
}

/// Reads the padding of `plain`, whole blocks: the last byte counts, the others may be anything (ISO 10126, which XML
/// Encryption asks for). Neither the verdict nor the length branches on the bytes.
pub fn unpad(block: usize, plain: &[u8]) -> Unpadded {
    let last = plain.last().copied().unwrap_or(0);
    let limit = u8::try_from(block).unwrap_or(u8::MAX);
    let valid = !last.ct_eq(&0) & !last.ct_gt(&limit) & !Choice::from(u8::from(plain.is_empty()));
    let count = subtle::ConditionallySelectable::conditional_select(&limit, &last, valid);
    Unpadded { len: plain.len().saturating_sub(usize::from(count)), valid }
}
