//! What whoever watches the service has not been told yet: of each throttle and kind the newest.

use crate::throttle::{Pressure, ThrottleEvent};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct OfThrottle {
    reached: Option<Pressure>,
    refused: Option<Pressure>,
    eased: Option<Pressure>,
}

/// Events that wait to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Notices {
    throttles: [OfThrottle; 3],
}

impl Notices {
    /// Keeps an event. That somebody waits is told with the channel that does.
    pub(super) fn note(&mut self, event: ThrottleEvent) {
        let Some(of) = self.throttles.get_mut(event.pressure().throttle as usize) else { return };
        match event {
            ThrottleEvent::LimitReached(pressure) => of.reached = Some(pressure),
            ThrottleEvent::Refused(pressure) => of.refused = Some(pressure),
            ThrottleEvent::AtSeventyPercent(pressure) => of.eased = Some(pressure),
            ThrottleEvent::Waits(_) => {}
        }
    }

    /// The next event, which is not told again.
    pub(super) fn next(&mut self) -> Option<ThrottleEvent> {
        self.throttles.iter_mut().find_map(|of| {
            let reached = of.reached.take().map(ThrottleEvent::LimitReached);
            let refused = || of.refused.take().map(ThrottleEvent::Refused);
            reached.or_else(refused).or_else(|| of.eased.take().map(ThrottleEvent::AtSeventyPercent))
        })
    }
}
