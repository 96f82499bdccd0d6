//! The clock that the machines are told the time by.

use crate::Runtime;
use soap_session_core::time::{Deadline, Duration, Instant, Wall};
use std::future::pending;
use std::time::UNIX_EPOCH;

/// A runtime's clock, counted from when this was made, and the calendar time of that moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    zero: std::time::Instant,
    wall: Wall,
}

impl Clock {
    pub(crate) fn start<R: Runtime>(runtime: &R) -> Self {
        let unix = runtime.calendar().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Wall { unix_ms_at_zero: i64::try_from(unix.as_millis()).unwrap_or(i64::MAX) };
        Self { zero: runtime.now(), wall }
    }

    pub(crate) fn now<R: Runtime>(&self, runtime: &R) -> Instant {
        let elapsed = runtime.now().saturating_duration_since(self.zero);
        Instant::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) const fn wall(&self) -> Wall {
        self.wall
    }

    /// Waits until a machine wants to be asked.
    pub(crate) async fn wait<R: Runtime>(&self, runtime: &R, deadline: Deadline) {
        // What is too far away for the clock never comes.
        let until = match deadline {
            Deadline::At(at) => self.zero.checked_add(Duration::from_millis(at.as_millis())),
            Deadline::Never => None,
        };
        match until {
            Some(until) => runtime.sleep_until(until).await,
            None => pending().await,
        }
    }
}
