//! Time comes in from outside: a monotonic instant with every question, and a calendar anchor given once.

pub use core::time::Duration;

/// Milliseconds since the driver's own zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(u64);

impl Instant {
    /// So many milliseconds after the driver's zero.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the driver's zero.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// `duration` later; the end of time if that is beyond it.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long it is since `earlier`; nothing if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// When a machine next wants to be asked. `Never` sorts last, so that `min` finds the earliest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Deadline {
    /// At this instant.
    At(Instant),
    /// Not before something is told.
    Never,
}

impl Deadline {
    /// When what begins at `now` and may take so long has to be done; `None` is without end.
    pub fn within(now: Instant, allowance: Option<Duration>) -> Self {
        allowance.map_or(Self::Never, |allowance| Self::At(now.after(allowance)))
    }

    /// What is left at `now`; `None` is without end.
    pub const fn remaining(self, now: Instant) -> Option<Duration> {
        match self {
            Self::At(at) => Some(at.since(now)),
            Self::Never => None,
        }
    }

    /// Has it come?
    pub fn due(self, now: Instant) -> bool {
        self <= Self::At(now)
    }
}

/// The calendar anchor: the time of day at the driver's zero. Given again when the system's clock is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wall {
    /// Milliseconds from 1970-01-01T00:00:00Z to the driver's zero.
    pub unix_ms_at_zero: i64,
}

impl Wall {
    /// The calendar time at `now`.
    pub fn at(self, now: Instant) -> UnixMillis {
        UnixMillis(self.unix_ms_at_zero.saturating_add(i64::try_from(now.0).unwrap_or(i64::MAX)))
    }
}

/// Calendar time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UnixMillis(pub i64);

const DAY: i64 = 86_400_000;

impl UnixMillis {
    /// 0001-01-01T00:00:00.000Z.
    pub const MIN: Self = Self(-62_135_596_800_000);
    /// 9999-12-31T23:59:59.999Z, which WCF reads as "never".
    pub const MAX: Self = Self(253_402_300_799_999);

    /// `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The text that WCF writes: `yyyy-MM-ddTHH:mm:ss.fffZ`. Times outside the years 1 to 9999 become the nearest inside.
    #[allow(clippy::arithmetic_side_effects, reason = "clamped to years 1 to 9999; every divisor is a constant")]
    pub fn text(self) -> [u8; 24] {
        let millis = self.0.clamp(Self::MIN.0, Self::MAX.0);
        let (year, month, day) = civil(millis.div_euclid(DAY));
        let within = millis.rem_euclid(DAY);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let fields = [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, within / 3_600_000),
            (14, 2, within / 60_000 % 60),
            (17, 2, within / 1000 % 60),
            (20, 3, within % 1000),
        ];
        for (start, width, mut value) in fields {
            for place in text.iter_mut().skip(start).take(width).rev() {
                *place = b'0' + (value % 10) as u8;
                value /= 10;
            }
        }
        text
    }

    /// Reads `yyyy-MM-ddTHH:mm:ss`, 0 to 7 digits of a fraction, and `Z`, as WCF's reader does. Digits beyond the
    /// milliseconds are dropped. Dates that the calendar does not have are refused.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (moment, rest) = text.split_at_checked(19)?;
        let fraction = rest.strip_suffix(b"Z")?;
        let shape = b"dddd-dd-ddTdd:dd:dd";
        let fits = moment.iter().zip(shape).all(|(byte, kind)| match kind {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        });
        if !fits {
            return None;
        }
        let number = |start: usize, end: usize| -> Option<i64> {
            moment
                .get(start..end)?
                .iter()
                .try_fold(0i64, |value, digit| value.checked_mul(10)?.checked_add(i64::from(digit.checked_sub(b'0')?)))
        };
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if hour > 23 || minute > 59 || second > 59 || year == 0 {
            return None;
        }
        let millis = match fraction {
            [] => 0,
            [b'.', digits @ ..] if (1..=7).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) => {
                digits.iter().chain(b"00").take(3).try_fold(0i64, |value, digit| {
                    value.checked_mul(10)?.checked_add(i64::from(digit.checked_sub(b'0')?))
                })?
            }
            _ => return None,
        };
        let days = days(year, month, day)?;
        let seconds = hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
        Some(Self(days.checked_mul(DAY)?.checked_add(seconds.checked_mul(1000)?)?.checked_add(millis)?))
    }
}

/// Year, month, day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
#[allow(clippy::arithmetic_side_effects, reason = "days of the years 1 to 9999; every divisor is a constant")]
fn civil(days: i64) -> (i64, i64, i64) {
    // Years are counted from March, so that the leap day is the last of its year; 400 years have 146 097 days.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day counted from 1970-01-01; `None` if the calendar does not have it.
#[allow(clippy::arithmetic_side_effects, reason = "four-digit years, two-digit months and days; constant divisors")]
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year_from_march = if month <= 2 { year - 1 } else { year };
    let era = year_from_march.div_euclid(400);
    let year_of_era = year_from_march.rem_euclid(400);
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468;
    // A day that the month does not have comes back as another one.
    (civil(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test may stop"
    )]
    use super::*;

    // Made with Python's datetime.
    const KNOWN: [(&str, i64); 8] = [
        ("1970-01-01T00:00:00.000Z", 0),
        ("2026-11-21T02:40:11.673Z", 1_795_228_811_673),
        ("2000-02-29T23:59:59.999Z", 951_868_799_999),
        ("1900-03-01T00:00:00.000Z", -2_203_891_200_000),
        ("1600-02-29T12:00:00.500Z", -11_670_955_199_500),
        ("2100-12-31T23:59:59.001Z", 4_133_980_799_001),
        ("0001-01-01T00:00:00.000Z", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ];

    #[test]
    fn known_moments_both_ways() {
        for (text, millis) in KNOWN {
            assert_eq!(UnixMillis::parse(text.as_bytes()), Some(UnixMillis(millis)), "{text}");
            assert_eq!(&UnixMillis(millis).text(), text.as_bytes());
        }
    }

    #[test]
    fn every_day_of_ten_thousand_years_survives() {
        let mut day = UnixMillis::MIN.0;
        while day <= UnixMillis::MAX.0 {
            assert_eq!(UnixMillis::parse(&UnixMillis(day).text()), Some(UnixMillis(day)));
            day += DAY;
        }
    }

    #[test]
    fn fractions_and_flaws() {
        let base = UnixMillis::parse(b"2026-11-21T02:40:11Z").unwrap();
        for (text, extra) in
            [("2026-11-21T02:40:11.1Z", 100), ("2026-11-21T02:40:11.1234567Z", 123), ("2026-11-21T02:40:11.009Z", 9)]
        {
            assert_eq!(UnixMillis::parse(text.as_bytes()), Some(UnixMillis(base.0 + extra)));
        }
        for bad in [
            "",
            "Z",
            "2026-11-21",
            "2026-11-21T02:40:11",
            "2026-11-21T02:40:11.Z",
            "2026-11-21T02:40:11.12345678Z",
            "2026-11-21T24:00:00Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-21T02:60:11Z",
            "2026-11-21T02:40:60Z",
            "2026-11-21T02:40:11+01:00",
            "0000-01-01T00:00:00Z",
            "+026-11-21T02:40:11Z",
            "2026-11-21T02:40:11.1 Z",
            "2026-11-21 02:40:11Z",
        ] {
            assert_eq!(UnixMillis::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn never_sorts_last() {
        let soon = Deadline::At(Instant::from_millis(5));
        assert_eq!(soon.min(Deadline::Never), soon);
        assert!(soon.due(Instant::from_millis(5)) && !soon.due(Instant::from_millis(4)));
        assert!(!Deadline::Never.due(Instant::from_millis(u64::MAX)));
    }
}
