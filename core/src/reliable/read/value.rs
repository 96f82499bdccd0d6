//! The values inside elements: numbers, durations, texts.

use super::error::RmProblem;
use crate::time::Duration;
use crate::xml::Text;

/// Room for values that are not meant as they are written: text with references in it.
///
/// No WCF message needs any; an address with `&amp;` in its query does.
#[derive(Debug)]
pub struct Scratch<'a>(&'a mut [u8]);

impl<'a> Scratch<'a> {
    /// Uses these bytes.
    pub fn new(room: &'a mut [u8]) -> Self {
        Self(room)
    }

    /// The characters of `text` as they are meant.
    pub(super) fn text(&mut self, text: &Text<'a>) -> Result<&'a [u8], RmProblem> {
        if let Some(plain) = text.plain() {
            return Ok(plain);
        }
        let room = core::mem::take(&mut self.0);
        let lacking = |needed, have| RmProblem::Scratch { offset: text.span().start, needed, have };
        let have = room.len();
        let len = match text.decode(room) {
            Ok(decoded) => decoded.len(),
            Err(grow) => {
                self.0 = room;
                return Err(lacking(grow.needed, grow.have));
            }
        };
        let (head, rest) = room.split_at_mut_checked(len).ok_or_else(|| lacking(len, have))?;
        self.0 = rest;
        Ok(head)
    }
}

/// Longest number or duration, in bytes, that is read where it is written with references.
const LONGEST: usize = 64;

/// The characters of a short value as they are meant.
fn meant<'t>(text: &Text<'t>, room: &'t mut [u8; LONGEST]) -> Option<&'t [u8]> {
    text.plain().or_else(|| text.decode(room).ok())
}

/// A number as .NET reads a 64-bit one: digits, perhaps with a plus sign and white space around, at most 2^63 - 1.
pub(super) fn number(text: &Text<'_>) -> Option<u64> {
    let mut room = [0; LONGEST];
    let text = meant(text, &mut room)?.trim_ascii();
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for digit in digits {
        let digit = char::from(*digit).to_digit(10)?;
        value = value.checked_mul(10)?.checked_add(digit.into())?;
    }
    u64::try_from(value).ok()
}

/// A duration of XML Schema, with years of 365 days and months of 30 as .NET counts them. Negative ones are refused.
pub(super) fn duration(text: &Text<'_>) -> Option<Duration> {
    const SECOND: u64 = 1000;
    const DATE: [(u8, u64); 3] = [(b'Y', 365 * 86400 * SECOND), (b'M', 30 * 86400 * SECOND), (b'D', 86400 * SECOND)];
    const TIME: [(u8, u64); 3] = [(b'H', 3600 * SECOND), (b'M', 60 * SECOND), (b'S', SECOND)];
    let mut room = [0; LONGEST];
    let mut rest = meant(text, &mut room)?.trim_ascii().strip_prefix(b"P")?;
    let mut units = DATE.iter();
    let (mut millis, mut in_time) = (0_u64, false);
    // A `T` with nothing behind it is wrong, and so is nothing at all.
    let mut complete = false;
    while let Some(&first) = rest.first() {
        if first == b'T' {
            if core::mem::replace(&mut in_time, true) {
                return None;
            }
            units = TIME.iter();
            complete = false;
            rest = rest.get(1..)?;
            continue;
        }
        let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, tail) = rest.split_at_checked(len)?;
        let (fraction, tail) = match tail.strip_prefix(b".") {
            Some(tail) if tail.first().is_some_and(u8::is_ascii_digit) => {
                tail.split_at_checked(tail.iter().take_while(|byte| byte.is_ascii_digit()).count())?
            }
            Some(_) => return None,
            None => (&[][..], tail),
        };
        let (&unit, tail) = tail.split_first()?;
        let (_, worth) = units.find(|(letter, _)| *letter == unit)?;
        if digits.is_empty() || (!fraction.is_empty() && unit != b'S') {
            return None;
        }
        let whole = decimal(digits)?.checked_mul(*worth)?;
        let part = [100, 10, 1].iter().zip(fraction).fold(0_u64, |sum, (worth, digit)| {
            sum.saturating_add(u64::from(digit.saturating_sub(b'0')).saturating_mul(*worth))
        });
        millis = millis.checked_add(whole)?.checked_add(part)?;
        complete = true;
        rest = tail;
    }
    complete.then(|| Duration::from_millis(millis))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit.checked_sub(b'0')?)))
}
