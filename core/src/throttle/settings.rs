//! The limits. The defaults are WCF's, of either generation.

use super::pressure::Throttle;
use core::fmt;

/// What WCF means by no limit: `Int32.MaxValue`. It is also the greatest that can be set.
pub const NO_LIMIT: u32 = i32::MAX as u32;

/// How many negotiations may be under way at a time. WCF: `maxStatefulNegotiations`.
pub const MAX_STATEFUL_NEGOTIATIONS: u32 = 128;

/// The limits of a service. WCF: `ServiceThrottlingBehavior`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThrottleSettings {
    /// Messages that may be worked on at a time, 1 to [`NO_LIMIT`].
    pub max_concurrent_calls: u32,
    /// Sessions that may be open at a time, 1 to [`NO_LIMIT`].
    pub max_concurrent_sessions: u32,
    /// Service instances that there may be at a time, 1 to [`NO_LIMIT`]. `None`, as WCF: as many as calls and sessions
    /// together, so that this limit is never the first to be reached.
    pub max_concurrent_instances: Option<u32>,
}

impl ThrottleSettings {
    /// .NET 3.0 and 3.5: 16 calls, 10 sessions, 26 instances.
    pub const fn wcf3() -> Self {
        Self { max_concurrent_calls: 16, max_concurrent_sessions: 10, max_concurrent_instances: None }
    }

    /// .NET 4.0 and later, when the service's configuration has `serviceThrottling`: for each processor 16 calls and 100
    /// sessions, so that 116 instances. No processor counts as one.
    pub const fn wcf4(processors: u32) -> Self {
        Self {
            max_concurrent_calls: times(16, processors),
            max_concurrent_sessions: times(100, processors),
            max_concurrent_instances: None,
        }
    }

    /// .NET 4.0 and later, when it has not: as [`wcf4`](Self::wcf4), without a limit to instances.
    pub const fn wcf4_without_behavior(processors: u32) -> Self {
        Self { max_concurrent_instances: Some(NO_LIMIT), ..Self::wcf4(processors) }
    }

    /// The endpoint that issues tokens has limits of its own: as many calls and sessions as negotiations.
    /// WCF: [`MAX_STATEFUL_NEGOTIATIONS`].
    pub const fn negotiation(max_stateful_negotiations: u32) -> Self {
        Self {
            max_concurrent_calls: max_stateful_negotiations,
            max_concurrent_sessions: max_stateful_negotiations,
            max_concurrent_instances: Some(NO_LIMIT),
        }
    }

    /// The value of a limit.
    pub const fn limit(&self, throttle: Throttle) -> u32 {
        match (throttle, self.max_concurrent_instances) {
            (Throttle::Calls, _) => self.max_concurrent_calls,
            (Throttle::Sessions, _) => self.max_concurrent_sessions,
            (Throttle::Instances, Some(limit)) => limit,
            (Throttle::Instances, None) => {
                let sum = self.max_concurrent_calls.saturating_add(self.max_concurrent_sessions);
                if sum > NO_LIMIT { NO_LIMIT } else { sum }
            }
        }
    }

    /// Is each limit one that can be set?
    ///
    /// # Errors
    /// [`ThrottleError::NotPositive`], [`ThrottleError::TooLarge`].
    pub fn validate(&self) -> Result<(), ThrottleError> {
        Throttle::ALL.into_iter().try_for_each(|throttle| check(throttle, self.limit(throttle), None))
    }
}

const fn times(each: u32, processors: u32) -> u32 {
    let product = if processors == 0 { each } else { each.saturating_mul(processors) };
    if product > NO_LIMIT { NO_LIMIT } else { product }
}

/// A limit that cannot be set. The caller is to blame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ThrottleError {
    /// It is 0. WCF: InvalidOperationException.
    NotPositive {
        /// Which.
        throttle: Throttle,
    },
    /// It is greater than [`NO_LIMIT`].
    TooLarge {
        /// Which.
        throttle: Throttle,
        /// Its value.
        limit: u32,
    },
    /// The table of permits is smaller than the limit, so that the limit would never be reached.
    Capacity {
        /// Which.
        throttle: Throttle,
        /// Its value.
        limit: u32,
        /// The room in the table.
        capacity: u32,
    },
}

/// Can this limit be set, and with that table? Without a limit any table will do.
pub(super) fn check(throttle: Throttle, limit: u32, capacity: Option<u32>) -> Result<(), ThrottleError> {
    if limit == 0 {
        return Err(ThrottleError::NotPositive { throttle });
    }
    if limit > NO_LIMIT {
        return Err(ThrottleError::TooLarge { throttle, limit });
    }
    match capacity {
        Some(capacity) if limit != NO_LIMIT && limit > capacity => {
            Err(ThrottleError::Capacity { throttle, limit, capacity })
        }
        Some(_) | None => Ok(()),
    }
}

impl fmt::Display for ThrottleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The text of WCF, after the name.
            Self::NotPositive { throttle } => {
                write!(f, "{throttle}: Throttle limit must be greater than zero. To disable, set to Int32.MaxValue.")
            }
            Self::TooLarge { throttle, limit } => {
                write!(f, "{throttle} is {limit}, and the greatest is {NO_LIMIT}, which disables it")
            }
            Self::Capacity { throttle, limit, capacity } => write!(
                f,
                "{throttle} is {limit}, and the table has room for {capacity} permits: give it that room and some for those \
                 that wait, or lower the limit"
            ),
        }
    }
}

impl core::error::Error for ThrottleError {}
