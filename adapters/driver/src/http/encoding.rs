//! `Content-Encoding`: what came compressed is opened, never beyond the limit.

use std::fmt;
use std::io::{BufRead, Read};

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Encodings that can be opened, as `Accept-Encoding` lists them.
pub(super) const ACCEPTED: &str = "gzip, deflate";

/// Why a compressed body could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodingProblem {
    /// The encoding is none of `gzip`, `deflate` and `identity`, or several are stacked.
    Unknown,
    /// The compressed octets end before the end of what they hold.
    CutShort,
    /// The octets are not what the encoding says, or fail its checksum.
    Damaged,
    /// What they hold is longer than a message may be. No more than that was unpacked.
    TooLong {
        /// Most octets allowed.
        limit: usize,
    },
}

impl fmt::Display for EncodingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(f, "the content encoding is none of {ACCEPTED}"),
            Self::CutShort => f.write_str("the compressed body is cut short"),
            Self::Damaged => f.write_str("the body is not compressed as its content encoding says"),
            Self::TooLong { limit } => {
                write!(f, "the body is longer than the {limit} octets allowed once it is decompressed")
            }
        }
    }
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

impl Encoding {
    /// Reads the header's values.
    pub(super) fn read<'v>(values: impl Iterator<Item = &'v [u8]>) -> Result<Self, EncodingProblem> {
        let mut encoding = Self::Identity;
        for value in values {
            let value = value.trim_ascii();
            let next = if value.eq_ignore_ascii_case(b"gzip") || value.eq_ignore_ascii_case(b"x-gzip") {
                Self::Gzip
            } else if value.eq_ignore_ascii_case(b"deflate") {
                Self::Deflate
            } else if value.is_empty() || value.eq_ignore_ascii_case(b"identity") {
                continue;
            } else {
                return Err(EncodingProblem::Unknown);
            };
            // One within the other only serves those who want to hide something.
            if encoding != Self::Identity {
                return Err(EncodingProblem::Unknown);
            }
            encoding = next;
        }
        Ok(encoding)
    }

    /// The body as it was before it was compressed, at most `limit` octets.
    pub(super) fn open(self, body: Bytes, limit: usize) -> Result<Bytes, EncodingProblem> {
        let octets = body.as_ref();
        match self {
            Self::Identity => Ok(body),
            Self::Gzip => unpack(MultiGzDecoder::new(octets), limit).map(|(text, _)| text),
            // The name means zlib's format; some servers always wrote the bare one.
            Self::Deflate if has_zlib_header(octets) => {
                whole(unpack(ZlibDecoder::new(octets), limit)?, |rest| rest.into_inner())
            }
            Self::Deflate => whole(unpack(DeflateDecoder::new(octets), limit)?, |rest| rest.into_inner()),
        }
    }
}

fn unpack<D: Read>(mut decoder: D, limit: usize) -> Result<(Bytes, D), EncodingProblem> {
    let mut text = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match decoder.by_ref().take(most).read_to_end(&mut text) {
        Ok(_) if text.len() > limit => Err(EncodingProblem::TooLong { limit }),
        Ok(_) => Ok((text.into(), decoder)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(EncodingProblem::CutShort),
        Err(_) => Err(EncodingProblem::Damaged),
    }
}

/// Nothing may follow.
fn whole<D, B: BufRead>(opened: (Bytes, D), rest: impl Fn(D) -> B) -> Result<Bytes, EncodingProblem> {
    let (text, decoder) = opened;
    match rest(decoder).fill_buf() {
        Ok([]) => Ok(text),
        _ => Err(EncodingProblem::Damaged),
    }
}

/// RFC 1950: method 8, and the first two octets are a multiple of 31.
fn has_zlib_header(octets: &[u8]) -> bool {
    octets.first_chunk::<2>().is_some_and(|head| head[0] & 0x0f == 8 && u16::from_be_bytes(*head) % 31 == 0)
}

#[cfg(test)]
mod tests {
    use super::{EncodingProblem, unpack};

    #[test]
    fn what_is_too_long_is_not_unpacked_to_its_end() {
        // It has none.
        let refused = unpack(std::io::repeat(b'a'), 64).map(|(text, _)| text);
        assert_eq!(refused, Err(EncodingProblem::TooLong { limit: 64 }));
    }
}
