//! Base64 as XML Signature, XML Encryption and WS-Security carry it, in place where it is large.
//!
//! The `base64` crate does the work, a chunk at a time through a buffer on the stack, so that text can become octets, and
//! octets text, in the message that holds them.

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;

/// Octets of one chunk: a multiple of 3, small enough for any stack.
const OCTETS: usize = 3072;
/// Characters of one chunk.
const CHARACTERS: usize = 4096;

/// Not base64: a character that is none, or a length or padding that cannot be; or more than the buffer holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Invalid;

impl core::fmt::Display for Invalid {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not base64, or more than fits")
    }
}

impl core::error::Error for Invalid {}

/// How many characters `len` octets become.
pub const fn encoded_len(len: usize) -> usize {
    len.div_ceil(3).saturating_mul(4)
}

/// Encodes `src` into `out`. Returns how many characters that are; `None` if `out` is too short.
pub fn encode(src: &[u8], out: &mut [u8]) -> Option<usize> {
    STANDARD.encode_slice(src, out).ok()
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Decodes `src`, which may hold XML white space, into `out`. Returns the number of octets.
///
/// # Errors
/// [`Invalid`].
pub fn decode(src: &[u8], out: &mut [u8]) -> Result<usize, Invalid> {
    if !src.iter().any(|byte| is_space(*byte)) {
        return decode_exact(src, out);
    }
    let mut length = 0usize;
    let mut ended = false;
    let mut clean = [0u8; 64];
    let mut held = 0usize;
    let mut flush = |group: &[u8]| -> Result<(), Invalid> {
        if group.is_empty() {
            return Ok(());
        }
        // Padding ends the text: nothing may follow it.
        if ended {
            return Err(Invalid);
        }
        ended = group.last() == Some(&b'=');
        let rest = out.get_mut(length..).ok_or(Invalid)?;
        length = length.saturating_add(decode_exact(group, rest)?);
        Ok(())
    };
    for byte in src.iter().filter(|byte| !is_space(**byte)) {
        *clean.get_mut(held).ok_or(Invalid)? = *byte;
        held = held.saturating_add(1);
        if held == clean.len() {
            flush(&clean)?;
            held = 0;
        }
    }
    flush(clean.get(..held).ok_or(Invalid)?)?;
    Ok(length)
}

/// Decodes without white space; `out` needs no slack beyond the octets.
fn decode_exact(src: &[u8], out: &mut [u8]) -> Result<usize, Invalid> {
    match STANDARD.decode_slice(src, out) {
        Ok(len) => Ok(len),
        Err(::base64::DecodeSliceError::DecodeError(_)) => Err(Invalid),
        // The crate wants room for the padding too: a short tail goes through a buffer that has it.
        Err(::base64::DecodeSliceError::OutputSliceTooSmall) => {
            let mut buffer = [0u8; OCTETS];
            let mut length = 0usize;
            let mut chunks = src.chunks(CHARACTERS).peekable();
            while let Some(chunk) = chunks.next() {
                // Only the last chunk may be padded.
                if chunks.peek().is_some() && chunk.last() == Some(&b'=') {
                    return Err(Invalid);
                }
                let len = STANDARD.decode_slice(chunk, &mut buffer).map_err(|_| Invalid)?;
                let end = length.checked_add(len).ok_or(Invalid)?;
                let to = out.get_mut(length..end).ok_or(Invalid)?;
                to.copy_from_slice(buffer.get(..len).ok_or(Invalid)?);
                length = end;
            }
            Ok(length)
        }
    }
}

/// Decodes `buf` in place, XML white space and all. Returns the number of octets; they stand at the start of `buf`.
///
/// # Errors
/// [`Invalid`]; `buf` may have been decoded in part.
pub fn decode_in_place(buf: &mut [u8]) -> Result<usize, Invalid> {
    let characters = compact(buf);
    let mut read = 0usize;
    let mut written = 0usize;
    let mut buffer = [0u8; OCTETS];
    while read < characters {
        let next = read.saturating_add(CHARACTERS).min(characters);
        let chunk = buf.get(read..next).ok_or(Invalid)?;
        // Only the last chunk may be padded.
        if next < characters && chunk.last() == Some(&b'=') {
            return Err(Invalid);
        }
        let len = STANDARD.decode_slice(chunk, &mut buffer).map_err(|_| Invalid)?;
        let end = written.checked_add(len).ok_or(Invalid)?;
        buf.get_mut(written..end).ok_or(Invalid)?.copy_from_slice(buffer.get(..len).ok_or(Invalid)?);
        read = next;
        written = end;
    }
    Ok(written)
}

/// Moves the characters that are not white space to the start of `buf`. Returns how many they are.
fn compact(buf: &mut [u8]) -> usize {
    // WCF writes none: one quick look, and done.
    let Some(first) = first_space(buf) else { return buf.len() };
    let mut written = first;
    for read in first..buf.len() {
        let byte = buf.get(read).copied().unwrap_or(b' ');
        if !is_space(byte) {
            if let Some(to) = buf.get_mut(written) {
                *to = byte;
            }
            written = written.saturating_add(1);
        }
    }
    written
}

fn first_space(buf: &[u8]) -> Option<usize> {
    // White space is the only thing below '+' that base64 text may hold; blocks without any are passed at once.
    let mut at = 0usize;
    for block in buf.chunks(64) {
        if block.iter().fold(false, |found, byte| found | (*byte <= b' ')) {
            return block.iter().position(|byte| is_space(*byte)).map(|index| at.saturating_add(index));
        }
        at = at.saturating_add(block.len());
    }
    None
}

/// Encodes `buf[..len]` in place; the text fills `buf` from its start. Returns its length; `None` if `buf` is too short.
///
/// Chunks go from the last to the first, so that no octet is overwritten before it is read.
pub fn encode_in_place(buf: &mut [u8], len: usize) -> Option<usize> {
    let total = encoded_len(len);
    if buf.len() < total || len > buf.len() {
        return None;
    }
    let mut end = len;
    let mut buffer = [0u8; OCTETS];
    while end > 0 {
        // Chunks start at multiples of the chunk, so that only the last one is short.
        let start = end.saturating_sub(1).checked_div(OCTETS)?.checked_mul(OCTETS)?;
        let chunk = buf.get(start..end)?;
        let octets = buffer.get_mut(..chunk.len())?;
        octets.copy_from_slice(chunk);
        let to = start.checked_div(3)?.checked_mul(4)?;
        STANDARD.encode_slice(&*octets, buf.get_mut(to..)?).ok()?;
        end = start;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test may stop"
    )]
    extern crate std;
    use super::*;
    use std::{vec, vec::Vec};

    // RFC 4648, section 10.
    const RFC: [(&str, &str); 7] = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ];

    #[test]
    fn rfc_4648_vectors() {
        for (plain, text) in RFC {
            let mut out = [0u8; 16];
            let len = encode(plain.as_bytes(), &mut out).unwrap();
            assert_eq!(&out[..len], text.as_bytes());
            // Exactly as much room as there are octets.
            let mut exact = vec![0u8; plain.len()];
            assert_eq!(decode(text.as_bytes(), &mut exact), Ok(plain.len()));
            assert_eq!(exact, plain.as_bytes());
            let mut place = [0u8; 16];
            place[..plain.len()].copy_from_slice(plain.as_bytes());
            assert_eq!(encode_in_place(&mut place, plain.len()), Some(text.len()));
            assert_eq!(&place[..text.len()], text.as_bytes());
            assert_eq!(decode_in_place(&mut place[..text.len()]), Ok(plain.len()));
            assert_eq!(&place[..plain.len()], plain.as_bytes());
        }
    }

    #[test]
    fn in_place_equals_out_of_place_around_every_chunk_boundary() {
        for len in (0..8).chain(3060..3090).chain(6140..6150).chain([9216, 12_288, 65_536]) {
            let octets: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251) as u8).collect();
            let mut text = vec![0u8; encoded_len(len)];
            assert_eq!(encode(&octets, &mut text), Some(text.len()));
            let mut place = octets.clone();
            place.resize(text.len(), 0xEE);
            assert_eq!(encode_in_place(&mut place, len), Some(text.len()));
            assert!(place == text, "encoding {len} bytes in place");
            assert_eq!(decode_in_place(&mut place), Ok(len));
            assert!(place[..len] == octets, "decoding {len} bytes in place");
        }
    }

    #[test]
    fn white_space_is_passed_over_and_the_rest_refused() {
        let mut out = [0u8; 256];
        assert_eq!(decode(b" Zm9v\r\n\tYmFy ", &mut out), Ok(6));
        assert_eq!(&out[..6], b"foobar");
        let mut wrapped = *b"Zm9v\n YmF\ty\r\n";
        assert_eq!(decode_in_place(&mut wrapped), Ok(6));
        assert_eq!(&wrapped[..6], b"foobar");
        for bad in ["Zg", "Zg=", "Zg==Zg==", "Z g==Zm9v", "Zm9v!", "=", "Zg=a", "Zm 9v\u{a0}"] {
            assert_eq!(decode(bad.as_bytes(), &mut out), Err(Invalid), "{bad}");
            assert_eq!(decode_in_place(&mut bad.as_bytes().to_vec()), Err(Invalid), "{bad}");
        }
        assert_eq!(decode(b"Zm9v", &mut [0; 2]), Err(Invalid));
        assert_eq!(encode(b"foo", &mut [0; 3]), None);
        assert_eq!(encode_in_place(&mut [0; 3], 3), None);
    }
    #[test]
    fn padding_ends_the_text_wherever_a_chunk_ends() {
        for (len, after) in [(3070, "Zm9v"), (3071, "Zm9v"), (6142, "Zg=="), (6143, "Zm8=")] {
            let mut text = vec![0u8; encoded_len(len)];
            encode(&vec![7; len], &mut text).unwrap();
            text.extend_from_slice(after.as_bytes());
            // As much room as the octets of both parts would take, and more.
            for room in len..len + 8 {
                assert_eq!(decode(&text, &mut vec![0; room]), Err(Invalid), "{len} then {after}, room {room}");
            }
            assert_eq!(decode_in_place(&mut text), Err(Invalid), "{len} then {after}");
        }
    }
}
