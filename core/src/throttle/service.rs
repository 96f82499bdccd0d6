//! The three limits of a service.

use super::answers::{Asked, PermitKey, PermitState, Released};
use super::flow::FlowThrottle;
use super::pressure::{Pressure, Throttle};
use super::settings::{ThrottleError, ThrottleSettings};
use crate::store::Store;
use crate::time::Instant;

/// The permits of a service: one throttle for all its endpoints, whose limits stay as they are. WCF: `ServiceThrottle`.
///
/// When to ask is up to the room above. With WCF, a session permit is taken for a session that was accepted, before it is
/// opened, and given back when it is closed, faulted or aborted; a call permit is taken for each message before it is
/// dispatched, and given back when its operation is complete; an instance permit is taken after that, if the message needs
/// a new instance, and given back with the instance. The first message of a session thus holds one of each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceThrottle<S: Store> {
    calls: FlowThrottle<S>,
    sessions: FlowThrottle<S>,
    instances: FlowThrottle<S>,
}

impl<S: Store> ServiceThrottle<S> {
    /// No permit is in use. `store` says where each throttle has its permits, and how many may hold or wait.
    ///
    /// # Errors
    /// [`ThrottleError`], of the first limit that is 0, too large, or does not fit its store.
    pub fn new(settings: &ThrottleSettings, mut store: impl FnMut(Throttle) -> S) -> Result<Self, ThrottleError> {
        settings.validate()?;
        let mut flow = |throttle| FlowThrottle::new(throttle, settings.limit(throttle), store(throttle));
        Ok(Self {
            calls: flow(Throttle::Calls)?,
            sessions: flow(Throttle::Sessions)?,
            instances: flow(Throttle::Instances)?,
        })
    }

    /// One of the three.
    pub const fn of(&self, throttle: Throttle) -> &FlowThrottle<S> {
        match throttle {
            Throttle::Calls => &self.calls,
            Throttle::Sessions => &self.sessions,
            Throttle::Instances => &self.instances,
        }
    }

    const fn of_mut(&mut self, throttle: Throttle) -> &mut FlowThrottle<S> {
        match throttle {
            Throttle::Calls => &mut self.calls,
            Throttle::Sessions => &mut self.sessions,
            Throttle::Instances => &mut self.instances,
        }
    }

    /// Asks for a permit: [`FlowThrottle::ask`].
    pub fn ask(&mut self, now: Instant, throttle: Throttle, holder: u64) -> Asked {
        self.of_mut(throttle).ask(now, holder)
    }

    /// Gives back a permit that is held: [`FlowThrottle::release`].
    pub fn release(&mut self, now: Instant, key: PermitKey) -> Released {
        self.of_mut(key.throttle()).release(now, key)
    }

    /// Gives back a permit that is held or waited for: [`FlowThrottle::withdraw`].
    pub fn withdraw(&mut self, now: Instant, key: PermitKey) -> Released {
        self.of_mut(key.throttle()).withdraw(now, key)
    }

    /// The permit of that name; `None` if it was given back.
    pub fn state(&self, key: PermitKey) -> Option<PermitState> {
        self.of(key.throttle()).state(key)
    }

    /// How things stand with one limit.
    pub fn pressure(&self, now: Instant, throttle: Throttle) -> Pressure {
        self.of(throttle).pressure(now)
    }
}
