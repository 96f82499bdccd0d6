//! What both plays share: the clock against the script's times, and what is found wrong.

use crate::clock::Time;
use crate::names::Names;
use crate::tale::Tale;
use soap_session_driver::{Observer, Passed, Way};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long the story waits, by the real clock, for what must come at once.
const AT_ONCE: Duration = Duration::from_secs(4);

/// Messages that passed our side.
#[derive(Default)]
pub(crate) struct Counts {
    sent: AtomicUsize,
    received: AtomicUsize,
}

impl Observer for Counts {
    fn passed(&self, passed: &Passed<'_>) {
        let count = if passed.way == Way::Sent { &self.sent } else { &self.received };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

impl Counts {
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    pub(crate) fn received(&self) -> usize {
        self.received.load(Ordering::SeqCst)
    }
}

/// How much the recorded client's clock was ahead of the service's, in milliseconds. Only the story's name tells.
pub(crate) fn skew(tale: &Tale) -> i64 {
    let told = tale.name.split_once("client-clock-").and_then(|(_, clock)| clock.strip_suffix('s')?.split_once('-'));
    told.map_or(0, |(way, seconds)| {
        let ms = seconds.parse::<i64>().unwrap() * 1000;
        if way == "minus" { -ms } else { ms }
    })
}

/// The stage of one story.
pub(crate) struct Stage<'t> {
    pub(crate) tale: &'t Tale,
    pub(crate) time: Arc<Time>,
    pub(crate) names: Names,
    pub(crate) counts: Arc<Counts>,
    /// Recorded times are so much later than the clock's.
    offset: i64,
    /// Messages that were compared.
    pub(crate) compared: usize,
    /// Whatever differs.
    pub(crate) wrong: Vec<String>,
}

impl<'t> Stage<'t> {
    pub(crate) fn new(tale: &'t Tale) -> Self {
        let names = Names::default();
        let (time, counts) = (Time::begin(), Arc::default());
        Self { tale, time, names, counts, offset: 0, compared: 0, wrong: Vec::new() }
    }

    pub(crate) fn wrong(&mut self, what: impl AsRef<str>) {
        self.wrong.push(format!("at {}: {}", self.time.now(), what.as_ref()));
    }

    /// The clock's time for a recorded one.
    pub(crate) fn target(&self, recorded: u64) -> u64 {
        u64::try_from(i64::try_from(recorded).unwrap() - self.offset).unwrap_or(0)
    }

    /// This recorded time is now.
    pub(crate) fn is_now(&mut self, recorded: u64) {
        self.offset = i64::try_from(recorded).unwrap() - i64::try_from(self.time.now()).unwrap();
    }

    /// Waits, by the real clock, until something holds that needs no time of the story's. Does it?
    pub(crate) fn soon(&self, holds: impl Fn() -> bool) -> bool {
        let begun = Instant::now();
        while !holds() {
            if begun.elapsed() > AT_ONCE {
                return false;
            }
            sleep(Duration::from_micros(300));
        }
        true
    }

    /// Waits until nothing of ours goes on. `under_way`: is something on a socket?
    pub(crate) fn settle(&self, under_way: &dyn Fn() -> bool) {
        let begun = Instant::now();
        let mut quiet = 0;
        while quiet < 3 && begun.elapsed() < AT_ONCE {
            quiet = if self.time.is_idle() && !under_way() { quiet + 1 } else { 0 };
            sleep(Duration::from_micros(300));
        }
    }

    /// Puts the clock forward to a recorded time: from one who waits for it to the next.
    pub(crate) fn advance(&self, recorded: u64, under_way: &dyn Fn() -> bool) {
        let target = self.target(recorded);
        self.settle(under_way);
        while let Some(next) = self.time.next().filter(|next| *next <= target) {
            self.time.put(next);
            self.settle(under_way);
        }
        self.time.put(target);
    }

    /// Puts the clock forward until something holds, at most by the slack and a tenth of the way too far. Does it hold?
    pub(crate) fn until(
        &mut self,
        recorded: u64,
        slack: u64,
        under_way: &dyn Fn() -> bool,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) -> bool {
        let target = self.target(recorded);
        let limit = target + slack + target.saturating_sub(self.time.now()) / 10;
        loop {
            self.settle(under_way);
            if holds(self) {
                return true;
            }
            match self.time.next().filter(|next| *next <= limit) {
                Some(next) => self.time.put(next),
                None if self.time.now() < target => self.time.put(target),
                None => return false,
            }
        }
    }
}
