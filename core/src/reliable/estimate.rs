//! The estimate of the round trip, from which the retransmission timeout follows.

use super::settings::TransmissionSettings;
use crate::time::Duration;

/// Times are kept in 1/128 ms, as WCF keeps them, so that the roundings are the same.
const PER_MILLI_SHIFT: u32 = 7;
/// Far from any overflow: some 36 million years.
const MOST: i64 = i64::MAX >> 8;

/// Mean and mean deviation of the round trip, and the timeout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Estimate {
    mean: i64,
    deviation: i64,
    timeout: i64,
    least: i64,
    gain_shift: u32,
    deviations: i64,
}

/// What is kept of an estimate while its session is idle: mean, mean deviation, timeout. The rest are settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct IdleEstimate([i64; 3]);

impl Estimate {
    pub(super) const fn rest(self) -> IdleEstimate {
        IdleEstimate([self.mean, self.deviation, self.timeout])
    }

    pub(super) fn resume(
        IdleEstimate([mean, deviation, timeout]): IdleEstimate,
        settings: &TransmissionSettings,
    ) -> Self {
        Self { mean, deviation, timeout, ..Self::new(Duration::ZERO, settings) }
    }

    /// From the round trip of the CreateSequence.
    pub(super) fn new(round_trip: Duration, settings: &TransmissionSettings) -> Self {
        let mean = units(round_trip);
        let mut estimate = Self {
            mean,
            deviation: mean >> 1,
            timeout: 0,
            least: units(settings.minimum_timeout),
            gain_shift: u32::from(settings.gain_shift).min(62),
            deviations: 1_i64.checked_shl(settings.deviations_shift.into()).unwrap_or(MOST),
        };
        estimate.renew();
        estimate
    }

    /// A message was acknowledged so long after it was last sent. A doubled timeout is forgotten.
    pub(super) fn measured(&mut self, round_trip: Duration) {
        let error = units(round_trip).saturating_sub(self.mean);
        let change = error.saturating_abs().saturating_sub(self.deviation) >> self.gain_shift;
        self.deviation = self.deviation.saturating_add(change).min(MOST);
        self.mean = self.mean.saturating_add(error >> self.gain_shift).min(MOST);
        self.renew();
    }

    /// Something arrived that cannot be measured. A doubled timeout is forgotten.
    pub(super) fn answered(&mut self) {
        self.renew();
    }

    /// The timeout passed: it doubles, without a limit.
    pub(super) fn expired(&mut self) {
        self.timeout = self.timeout.saturating_mul(2).min(MOST);
    }

    pub(super) const fn timeout(self) -> Duration {
        Duration::from_millis(self.timeout.unsigned_abs() >> PER_MILLI_SHIFT)
    }

    fn renew(&mut self) {
        let spread = self.deviation.saturating_mul(self.deviations);
        self.timeout = self.mean.saturating_add(spread.max(self.least)).min(MOST);
    }
}

fn units(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(MOST).min(MOST >> PER_MILLI_SHIFT).saturating_mul(1 << PER_MILLI_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference: with a first round trip of M, the first timeout after one quick acknowledgement is 3.125 M, and
    /// 3.17 M after the next (C A14).
    #[test]
    fn follows_the_recorded_rule() {
        let first = Duration::from_secs(8);
        let mut estimate = Estimate::new(first, &TransmissionSettings::default());
        assert_eq!(estimate.timeout(), Duration::from_secs(24));
        estimate.measured(Duration::ZERO);
        assert_eq!(estimate.timeout(), Duration::from_secs(25));
        estimate.expired();
        estimate.expired();
        assert_eq!(estimate.timeout(), Duration::from_secs(100));
        estimate.measured(Duration::ZERO);
        let thousandths = estimate.timeout().as_millis() * 1000 / first.as_millis();
        assert!((3165..3175).contains(&thousandths), "{thousandths}");
    }

    #[test]
    fn short_trips_keep_the_least_wait() {
        let estimate = Estimate::new(Duration::from_millis(10), &TransmissionSettings::default());
        assert_eq!(estimate.timeout(), Duration::from_millis(410));
        let mut endless = Estimate::new(Duration::MAX, &TransmissionSettings::default());
        for _ in 0..100 {
            endless.expired();
            endless.measured(Duration::MAX);
        }
        assert!(endless.timeout() > Duration::from_secs(1 << 30));
    }
}
