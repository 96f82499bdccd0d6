//! What came of the calls.

use crate::trouble::Exit;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Latencies kept; of more, each further one takes the place of one that was kept.
const KEPT: usize = 1 << 20;

#[derive(Default)]
struct Counts {
    answered: u32,
    faults: u32,
    failed: u32,
    /// In microseconds.
    latencies: Vec<u32>,
    began: Option<Instant>,
    /// How long calling took, once it is over.
    took: Option<Duration>,
    first: Option<Exit>,
}

/// Counts calls, and shows how far they are.
pub(super) struct Tally {
    counts: Mutex<Counts>,
    bar: ProgressBar,
    shown: bool,
    stopped: AtomicBool,
}

impl Tally {
    pub(super) fn new(calls: u32, shown: bool) -> Self {
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(u64::from(calls)), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} calls, {per_sec}, {eta} left {msg}") {
            bar.set_style(style);
        }
        Self { counts: Mutex::default(), bar, shown, stopped: AtomicBool::new(false) }
    }

    /// The first call is made now.
    pub(super) fn begin(&self) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).began = Some(Instant::now());
    }

    /// The last call is over.
    pub(super) fn end(&self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.took = counts.began.map(|began| began.elapsed());
    }

    /// For how long calls were made, or have been until now. `None`: none was.
    pub(super) fn elapsed(&self) -> Option<Duration> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.took.or_else(|| counts.began.map(|began| began.elapsed()))
    }

    fn count<T>(&self, count: impl FnOnce(&mut Counts) -> T) -> T {
        let counted = count(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        self.bar.inc(1);
        counted
    }

    pub(super) fn answered(&self, took: Duration) {
        self.count(|counts| {
            counts.answered += 1;
            counts.took(took);
        });
    }

    pub(super) fn fault(&self, took: Duration) {
        self.count(|counts| {
            counts.faults += 1;
            counts.first.get_or_insert(Exit::Fault);
            counts.took(took);
        });
    }

    /// Was it the first failure?
    pub(super) fn failed(&self, exit: Exit) -> bool {
        self.count(|counts| {
            counts.failed += 1;
            counts.first.get_or_insert(exit);
            counts.failed == 1
        })
    }

    /// Calling is over before its time: calls that fail now do so for that.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(super) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Does something while the bar is not in the way. Whoever counts waits for it, if there is a bar.
    pub(super) fn hidden<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.shown { self.bar.suspend(work) } else { work() }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    pub(super) fn exit(&self) -> Exit {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).first.unwrap_or(Exit::Done)
    }

    pub(super) fn summary(&self, elapsed: Duration) -> String {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.latencies.sort_unstable();
        let Counts { answered, faults, failed, latencies, .. } = &*counts;
        let done = f64::from(answered + faults);
        let rate = done / elapsed.as_secs_f64().max(0.000_001);
        let calls = answered + faults + failed;
        let mut text =
            format!("{calls} calls: {answered} answered, {faults} faults, {failed} failed; {rate:.1} calls/s");
        if let (Some(half), Some(most)) = (percentile(latencies, 50), percentile(latencies, 99)) {
            text += &format!("; latency p50 {half:.1} ms, p99 {most:.1} ms");
        }
        text
    }
}

impl Counts {
    fn took(&mut self, took: Duration) {
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let number = (self.answered + self.faults) as usize;
        if self.latencies.len() < KEPT {
            self.latencies.push(took);
        } else if let Some(place) = self.latencies.get_mut(number % KEPT) {
            *place = took;
        }
    }
}

/// Of sorted microseconds, in milliseconds: the smallest that so many of a hundred do not exceed.
fn percentile(sorted: &[u32], percent: usize) -> Option<f64> {
    let place = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(place).map(|took| f64::from(*took) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::{Exit, Tally, percentile};
    use std::time::Duration;

    #[test]
    fn percentiles_by_nearest_rank() {
        let hundred: Vec<u32> = (1..=100).map(|n| n * 1000).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 99)), (Some(50.0), Some(99.0)));
        assert_eq!(
            (percentile(&[7000], 50), percentile(&[7000], 99), percentile(&[], 50)),
            (Some(7.0), Some(7.0), None)
        );
    }

    #[test]
    fn the_first_that_went_wrong_decides() {
        let tally = Tally::new(4, false);
        tally.answered(Duration::from_millis(10));
        assert_eq!(tally.exit(), Exit::Done);
        tally.fault(Duration::from_millis(20));
        assert!(tally.failed(Exit::TimedOut));
        assert!(!tally.failed(Exit::Unreachable));
        assert_eq!(tally.exit(), Exit::Fault);
        let summary = tally.summary(Duration::from_secs(1));
        let expected = "4 calls: 1 answered, 1 faults, 2 failed; 2.0 calls/s; latency p50 10.0 ms, p99 20.0 ms";
        assert_eq!(summary, expected);
    }
}
