//! The records of .NET binary XML, as far as a serialized security context has them ([MC-NBFX], 2.2).

use super::StateFlaw;

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Record<'a> {
    /// An element; its attributes and declarations were passed over. `None`: its name is not from the dictionary.
    Start(Option<u32>),
    /// A text.
    Text {
        value: Value<'a>,
        /// Does the element end with it?
        ends: bool,
    },
    /// The element ends.
    End,
}

/// What a text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value<'a> {
    Integer(i64),
    Characters(&'a [u8]),
    Octets(&'a [u8]),
    /// As .NET writes its bytes.
    UniqueId([u8; 16]),
    /// Of a kind that nothing here is written in.
    Other,
}

/// Reads one record after the other.
#[derive(Clone, Debug)]
pub(super) struct Records<'a> {
    rest: &'a [u8],
    whole: usize,
}

impl<'a> Records<'a> {
    pub(super) const fn new(state: &'a [u8]) -> Self {
        Self { rest: state, whole: state.len() }
    }

    pub(super) const fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// "Not what it should be, about here".
    pub(super) fn malformed(&self) -> StateFlaw {
        let offset = self.whole.saturating_sub(self.rest.len());
        StateFlaw::Malformed { offset: u16::try_from(offset).unwrap_or(u16::MAX) }
    }

    pub(super) fn next(&mut self) -> Result<Record<'a>, StateFlaw> {
        let kind = self.byte()?;
        let name = match kind {
            0x01 => return Ok(Record::End),
            0x40 => self.string().map(|()| None)?,
            0x41 => self.string().and_then(|()| self.string()).map(|()| None)?,
            0x42 | 0x44..=0x5D => Some(self.dictionary()?),
            0x43 => self.string().and_then(|()| self.dictionary()).map(Some)?,
            0x5E..=0x77 => self.string().map(|()| None)?,
            0x80.. => {
                let value = self.text(kind & 0xFE)?;
                return Ok(Record::Text { value, ends: kind & 1 == 1 });
            }
            // Comments and arrays, which the serializer does not write; attributes where none can be.
            _ => return Err(self.malformed()),
        };
        self.attributes()?;
        Ok(Record::Start(name))
    }

    /// Passes over the rest of the element that was started.
    pub(super) fn skip(&mut self) -> Result<(), StateFlaw> {
        // As deep as the input is long at most: a counter, no recursion.
        let mut depth = 1usize;
        while depth > 0 {
            match self.next()? {
                Record::Start(_) => depth = depth.saturating_add(1),
                Record::End | Record::Text { ends: true, .. } => depth = depth.saturating_sub(1),
                Record::Text { ends: false, .. } => {}
            }
        }
        Ok(())
    }

    fn attributes(&mut self) -> Result<(), StateFlaw> {
        while let Some(kind @ 0x04..=0x3F) = self.rest.first().copied() {
            self.byte()?;
            match kind {
                0x04 => self.string()?,
                0x05 => self.string().and_then(|()| self.string())?,
                0x07 => self.string().and_then(|()| self.dictionary()).map(|_| ())?,
                0x08 => {
                    self.string()?;
                    continue;
                }
                0x09 => {
                    self.string()?;
                    self.string()?;
                    continue;
                }
                0x0A => {
                    self.dictionary()?;
                    continue;
                }
                0x0B => {
                    self.string()?;
                    self.dictionary()?;
                    continue;
                }
                0x26..=0x3F => self.string()?,
                // 0x06, and the prefixed ones from 0x0C on.
                _ => self.dictionary().map(|_| ())?,
            }
            let value = self.byte()?;
            if value < 0x80 || value & 1 == 1 {
                return Err(self.malformed());
            }
            self.text(value)?;
        }
        Ok(())
    }

    fn text(&mut self, kind: u8) -> Result<Value<'a>, StateFlaw> {
        Ok(match kind {
            0x80 => Value::Integer(0),
            0x82 => Value::Integer(1),
            0x84 | 0x86 | 0xA4 | 0xA6 => Value::Other,
            0x88 => Value::Integer(i64::from(i8::from_le_bytes(self.array()?))),
            0x8A => Value::Integer(i64::from(i16::from_le_bytes(self.array()?))),
            0x8C => Value::Integer(i64::from(i32::from_le_bytes(self.array()?))),
            0x8E => Value::Integer(i64::from_le_bytes(self.array()?)),
            0x90 => self.take(4).map(|_| Value::Other)?,
            0x92 | 0x96 | 0xAE | 0xB2 => self.take(8).map(|_| Value::Other)?,
            0x94 | 0xB0 => self.take(16).map(|_| Value::Other)?,
            0x98 => Value::Characters(self.counted(1)?),
            0x9A => Value::Characters(self.counted(2)?),
            0x9C => Value::Characters(self.counted(4)?),
            0x9E => Value::Octets(self.counted(1)?),
            0xA0 => Value::Octets(self.counted(2)?),
            0xA2 => Value::Octets(self.counted(4)?),
            0xA8 => Value::Characters(&[]),
            0xAA => self.dictionary().map(|_| Value::Other)?,
            0xAC => Value::UniqueId(self.array()?),
            0xB4 => self.take(1).map(|_| Value::Other)?,
            0xB6 => self.counted(1).map(|_| Value::Other)?,
            0xB8 => self.counted(2).map(|_| Value::Other)?,
            0xBA => self.counted(4).map(|_| Value::Other)?,
            0xBC => {
                self.byte()?;
                self.dictionary().map(|_| Value::Other)?
            }
            _ => return Err(self.malformed()),
        })
    }

    fn byte(&mut self) -> Result<u8, StateFlaw> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| self.malformed())?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], StateFlaw> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.malformed())?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StateFlaw> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.malformed())?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A run of bytes with a length before it of `width` bytes, lowest first.
    fn counted(&mut self, width: usize) -> Result<&'a [u8], StateFlaw> {
        let digits = self.take(width)?;
        let len = digits.iter().rev().fold(0usize, |len, digit| len.wrapping_shl(8) | usize::from(*digit));
        self.take(len)
    }

    /// A string of which only the length matters.
    fn string(&mut self) -> Result<(), StateFlaw> {
        let len = self.number()?;
        self.take(usize::try_from(len).unwrap_or(usize::MAX)).map(|_| ())
    }

    /// A name of the dictionary, by its index: on the wire it is doubled. Odd numbers are of a session's dictionary, which
    /// this document has not.
    fn dictionary(&mut self) -> Result<u32, StateFlaw> {
        let number = self.number()?;
        if number & 1 == 1 { Err(self.malformed()) } else { Ok(number.wrapping_shr(1)) }
    }

    /// `MultiByteInt31`: seven bits a byte, lowest first, at most five bytes.
    fn number(&mut self) -> Result<u32, StateFlaw> {
        let mut value = 0u32;
        for shift in [0u32, 7, 14, 21, 28] {
            let byte = self.byte()?;
            if shift == 28 && byte > 0x07 {
                return Err(self.malformed());
            }
            value |= u32::from(byte & 0x7F).wrapping_shl(shift);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.malformed())
    }
}
