//! How things stand with a limit, in numbers and in words.

use crate::time::Duration;
use core::fmt;

/// Which of a service's three limits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Throttle {
    /// Messages that are being worked on. WCF: `MaxConcurrentCalls`.
    Calls,
    /// Sessions that were accepted and are not closed. WCF: `MaxConcurrentSessions`.
    Sessions,
    /// Service instances. WCF: `MaxConcurrentInstances`.
    Instances,
}

impl Throttle {
    /// All three, in WCF's order.
    pub const ALL: [Self; 3] = [Self::Calls, Self::Sessions, Self::Instances];

    /// The name of the limit, as WCF has it.
    pub const fn limit_name(self) -> &'static str {
        match self {
            Self::Calls => "MaxConcurrentCalls",
            Self::Sessions => "MaxConcurrentSessions",
            Self::Instances => "MaxConcurrentInstances",
        }
    }

    /// What makes room, other than a higher limit.
    const fn remedy(self) -> &'static str {
        match self {
            Self::Calls => "let operations return sooner",
            Self::Sessions => "have clients close the sessions that they no longer use",
            Self::Instances => "end instances sooner: InstanceContextMode PerCall, or sessions that are closed",
        }
    }
}

impl fmt::Display for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.limit_name())
    }
}

/// Who has held its permit the longest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Oldest {
    /// The number that it asked with.
    pub holder: u64,
    /// Since it was granted.
    pub held: Duration,
}

/// How things stand with a limit. What it says in words names the limit and what to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pressure {
    /// Which limit.
    pub throttle: Throttle,
    /// Its value.
    pub limit: u32,
    /// How many permits are held; never more than `limit`.
    pub used: u32,
    /// How many wait for one.
    pub waiting: u32,
    /// How many there may be of both together: the capacity of the table, chosen by the caller.
    pub capacity: u32,
    /// Who has held its permit the longest; `None` if nobody holds one.
    pub oldest: Option<Oldest>,
}

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { throttle, limit, used, waiting, capacity, oldest } = self;
        let room = capacity.saturating_sub(used.saturating_add(*waiting));
        write!(f, "{throttle} is {limit}: {used} in use, {waiting} waiting, room for {room} more")?;
        if let Some(Oldest { holder, held }) = oldest {
            write!(f, "; number {holder} has held its permit for {} ms, the longest of all", held.as_millis())?;
        }
        // Below the limit there is nothing to do, or it is the table that is too small.
        if used >= limit {
            write!(f, ". Raise {throttle}, or {}", throttle.remedy())?;
        } else if room == 0 {
            f.write_str(". Make the table of permits larger")?;
        }
        Ok(())
    }
}
