//! The clock that the machines are told the time by.

use soap_session_core::time::{Deadline, Duration, Instant, Wall};
use std::time::{SystemTime, UNIX_EPOCH};

/// A monotonic clock whose zero is when it was made, and the calendar time of that moment.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: tokio::time::Instant,
    wall: Wall,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Wall { unix_ms_at_zero: i64::try_from(unix.as_millis()).unwrap_or(i64::MAX) };
        Self { zero: tokio::time::Instant::now(), wall }
    }

    /// Now.
    pub fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.zero.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The calendar time at the clock's zero.
    pub const fn wall(&self) -> Wall {
        self.wall
    }

    /// Waits until a machine wants to be asked.
    pub(crate) async fn wait(&self, deadline: Deadline) {
        match deadline {
            Deadline::At(at) => tokio::time::sleep_until(self.zero + Duration::from_millis(at.as_millis())).await,
            Deadline::Never => std::future::pending().await,
        }
    }
}
