//! What a throttle answers, and the events in it.

use super::pressure::{Pressure, Throttle};
use crate::store::Key;
use crate::time::Instant;
use core::fmt;

/// The name of a permit, held or waited for, from being asked for until it is given back. Stale after that: it can be given
/// back a second time, and nothing happens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PermitKey {
    pub(super) throttle: Throttle,
    pub(super) key: Key,
}

impl PermitKey {
    /// Which throttle it is of. No other knows it.
    pub const fn throttle(self) -> Throttle {
        self.throttle
    }
}

/// The answer to whoever asks for a permit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a permit that is not given back is lost"]
pub enum Asked {
    /// It has one.
    Granted(PermitKey),
    /// It has to wait. It will be told by [`Released::Handed`], in answer to somebody else.
    Waits {
        /// The permit that it will have.
        key: PermitKey,
        /// How things stand, this one included among those that wait.
        pressure: Pressure,
        /// Is it the first to wait since it was last [`AtSeventyPercent`](ThrottleEvent::AtSeventyPercent)?
        limit_reached: bool,
    },
    /// Nor is there room to wait. Nothing has changed. On the wire that is ServerTooBusy.
    Full(Pressure),
}

impl Asked {
    /// The permit, held or waited for.
    pub const fn key(self) -> Option<PermitKey> {
        match self {
            Self::Granted(key) | Self::Waits { key, .. } => Some(key),
            Self::Full(_) => None,
        }
    }

    /// What to tell whoever watches the service: nothing for a permit, and at most two events.
    pub fn events(self) -> impl Iterator<Item = ThrottleEvent> {
        let (first, second) = match self {
            Self::Granted(_) => (None, None),
            Self::Waits { pressure, limit_reached, .. } => {
                (limit_reached.then_some(ThrottleEvent::LimitReached(pressure)), Some(ThrottleEvent::Waits(pressure)))
            }
            Self::Full(pressure) => (None, Some(ThrottleEvent::Refused(pressure))),
        };
        first.into_iter().chain(second)
    }
}

/// Whose turn has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Granted {
    /// The permit, under the name that [`Asked::Waits`] gave it.
    pub key: PermitKey,
    /// Who asked for it.
    pub holder: u64,
}

/// What came of a permit that was given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "whoever waited has to be told that it has a permit now"]
pub enum Released {
    /// It went to the first who waits, and as many are in use as before.
    Handed(Granted),
    /// Nobody waits: one more is free.
    Freed {
        /// How things stand, if the limit had been reached and now fewer than 70 % of it are in use: told once.
        at_seventy_percent: Option<Pressure>,
    },
    /// Whoever waited does not any more. No permit was given back.
    Left,
    /// The throttle does not know this permit, or not as one that is held: nothing has changed.
    Unknown,
}

impl Released {
    /// Whose turn has come.
    pub const fn granted(self) -> Option<Granted> {
        match self {
            Self::Handed(granted) => Some(granted),
            Self::Freed { .. } | Self::Left | Self::Unknown => None,
        }
    }

    /// What to tell whoever watches the service.
    pub fn event(self) -> Option<ThrottleEvent> {
        match self {
            Self::Freed { at_seventy_percent } => at_seventy_percent.map(ThrottleEvent::AtSeventyPercent),
            Self::Handed(_) | Self::Left | Self::Unknown => None,
        }
    }
}

/// A permit, as long as it is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PermitState {
    /// Who asked for it.
    pub holder: u64,
    /// Is it held, or waited for?
    pub held: bool,
    /// Since when.
    pub since: Instant,
}

/// What whoever watches a service wants to know of its limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThrottleEvent {
    /// Somebody has to wait, for the first time since it was last [`AtSeventyPercent`](Self::AtSeventyPercent).
    /// WCF: `MessageThrottleExceeded`.
    LimitReached(Pressure),
    /// Somebody has to wait. Told for each, after [`LimitReached`](Self::LimitReached); WCF is silent.
    Waits(Pressure),
    /// Somebody was refused: there is no room to wait either. WCF has no end to those who wait.
    Refused(Pressure),
    /// The limit had been reached, and now fewer than 70 % of it are in use. WCF: `MessageThrottleAtSeventyPercent`.
    AtSeventyPercent(Pressure),
}

impl ThrottleEvent {
    /// How things stand.
    pub const fn pressure(self) -> Pressure {
        match self {
            Self::LimitReached(pressure)
            | Self::Waits(pressure)
            | Self::Refused(pressure)
            | Self::AtSeventyPercent(pressure) => pressure,
        }
    }
}

impl fmt::Display for ThrottleEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LimitReached(_) => "a limit is reached: ",
            Self::Waits(_) => "one more waits: ",
            Self::Refused(_) => "one was refused: ",
            Self::AtSeventyPercent(_) => "a limit that was reached is at 70 % or less: ",
        })?;
        self.pressure().fmt(f)
    }
}
