//! One limit: who holds a permit, and who waits for one.

use super::answers::{Asked, Granted, PermitKey, PermitState, Released};
use super::line::{Line, Permit};
use super::pressure::{Oldest, Pressure, Throttle};
use super::settings::{ThrottleError, check};
use crate::store::{Arena, Key, Store};
use crate::time::Instant;

/// Permits up to a limit, first come, first served. WCF: `FlowThrottle`.
///
/// The store's capacity bounds those that hold a permit and those that wait for one together, so that it is the limit and
/// the number that may wait. As large as the limit, it lets nobody wait: who comes too late is refused at once.
///
/// Each operation takes the same time, however many hold or wait. Nobody waits while a permit is free.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowThrottle<S: Store> {
    throttle: Throttle,
    limit: u32,
    permits: Arena<Permit, S>,
    /// In the order in which they were granted.
    holders: Line,
    /// In the order in which they were asked for.
    waiters: Line,
    /// Somebody has had to wait since fewer than 70 % were in use.
    warned: bool,
}

impl<S: Store> FlowThrottle<S> {
    /// No permit is in use yet.
    ///
    /// # Errors
    /// [`ThrottleError`], if the limit is 0 or does not fit the store.
    pub fn new(throttle: Throttle, limit: u32, store: S) -> Result<Self, ThrottleError> {
        let permits = Arena::new(store);
        check(throttle, limit, Some(permits.capacity()))?;
        Ok(Self { throttle, limit, permits, holders: Line::default(), waiters: Line::default(), warned: false })
    }

    /// Asks for a permit. `holder` says to the room above who it is for; it may ask more than once.
    pub fn ask(&mut self, now: Instant, holder: u64) -> Asked {
        let held = self.holders.len < self.limit;
        let permit = Permit { holder, since: now, held, before: None, behind: None };
        let Some(key) = self.permits.insert(permit) else { return Asked::Full(self.pressure(now)) };
        if held {
            self.holders.join(&mut self.permits, key);
            return Asked::Granted(self.name(key));
        }
        self.waiters.join(&mut self.permits, key);
        let limit_reached = !core::mem::replace(&mut self.warned, true);
        Asked::Waits { key: self.name(key), pressure: self.pressure(now), limit_reached }
    }

    /// Gives back a permit that is held. It goes to the first who waits, if anybody does.
    pub fn release(&mut self, now: Instant, key: PermitKey) -> Released {
        match self.state(key) {
            Some(PermitState { held: true, .. }) => self.give_back(now, key.key),
            Some(PermitState { held: false, .. }) | None => Released::Unknown,
        }
    }

    /// As [`release`](Self::release) for whoever may still be waiting: because of a fault, an abort or a timeout.
    ///
    /// WCF withdraws nothing. There, a client that gave up keeps its turn, and its permit is spent on nobody.
    pub fn withdraw(&mut self, now: Instant, key: PermitKey) -> Released {
        match self.state(key) {
            Some(PermitState { held: true, .. }) => self.give_back(now, key.key),
            Some(PermitState { held: false, .. }) => {
                self.waiters.leave(&mut self.permits, key.key);
                self.permits.remove(key.key);
                Released::Left
            }
            None => Released::Unknown,
        }
    }

    /// The permit of that name; `None` if it was given back.
    pub fn state(&self, key: PermitKey) -> Option<PermitState> {
        let permit = self.permits.get(key.key).filter(|_| key.throttle == self.throttle)?;
        Some(PermitState { holder: permit.holder, held: permit.held, since: permit.since })
    }

    /// How things stand.
    pub fn pressure(&self, now: Instant) -> Pressure {
        let oldest = self.holders.first.and_then(|first| self.permits.get(first));
        Pressure {
            throttle: self.throttle,
            limit: self.limit,
            used: self.holders.len,
            waiting: self.waiters.len,
            capacity: self.permits.capacity(),
            oldest: oldest.map(|permit| Oldest { holder: permit.holder, held: now.since(permit.since) }),
        }
    }

    /// Those that hold a permit, in the order in which they were granted.
    pub fn holders(&self) -> impl Iterator<Item = (PermitKey, PermitState)> {
        self.walk(&self.holders)
    }

    /// Those that wait, in the order in which they will have a permit.
    pub fn waiters(&self) -> impl Iterator<Item = (PermitKey, PermitState)> {
        self.walk(&self.waiters)
    }

    fn give_back(&mut self, now: Instant, key: Key) -> Released {
        self.holders.leave(&mut self.permits, key);
        self.permits.remove(key);
        if let Some(granted) = self.hand_on(now) {
            return Released::Handed(granted);
        }
        let eased = self.holders.len < seventy_percent(self.limit);
        let told = eased && core::mem::take(&mut self.warned);
        Released::Freed { at_seventy_percent: told.then(|| self.pressure(now)) }
    }

    /// Moves the first who waits to those that hold.
    fn hand_on(&mut self, now: Instant) -> Option<Granted> {
        let key = self.waiters.first?;
        self.waiters.leave(&mut self.permits, key);
        self.holders.join(&mut self.permits, key);
        let permit = self.permits.get_mut(key)?;
        (permit.held, permit.since) = (true, now);
        let holder = permit.holder;
        Some(Granted { key: self.name(key), holder })
    }

    fn walk(&self, line: &Line) -> impl Iterator<Item = (PermitKey, PermitState)> {
        let mut next = line.first;
        core::iter::from_fn(move || {
            let key = next?;
            next = self.permits.get(key)?.behind;
            let name = self.name(key);
            Some((name, self.state(name)?))
        })
    }

    const fn name(&self, key: Key) -> PermitKey {
        PermitKey { throttle: self.throttle, key }
    }
}

/// Below so many in use a limit that was reached is told to be so no more. WCF's own computation: rounded down, and in
/// doubles, which makes 62 of 90 where integers make 63. Of 1 it makes 0, which nothing is below; WCF never tells it again
/// then, but an idle service is below 70 % of any limit.
fn seventy_percent(limit: u32) -> u32 {
    ((0.7 * f64::from(limit)) as u32).max(1)
}
