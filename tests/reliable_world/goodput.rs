//! How many messages a second one sender brings through: simulated, so that every run gives the same.

use super::plan::{Plan, Weather};
use super::world::World;
use soap_session_core::reliable::{RmVersion, Shape};

/// What is measured.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Flow {
    /// One-way or duplex.
    pub shape: Shape,
    /// The transfer window, at most 64.
    pub window: u16,
    /// Percentage of lost messages, in each direction.
    pub loss: u64,
    /// The round trip, in milliseconds.
    pub round_trip: u64,
    /// With fast retransmission?
    pub fast: bool,
}

/// Messages a second of this flow, for so many messages from one that always has something to say.
pub fn goodput(flow: Flow, messages: usize) -> f64 {
    let mut plan = Plan::new(7, flow.shape, RmVersion::February2005).patient();
    if flow.fast {
        plan = plan.fast();
    }
    plan.settings.max_transfer_window_size = flow.window;
    plan.settings.flow_control = false;
    let latency = flow.round_trip.div_ceil(2);
    plan.weather = Weather { latency, ..Weather::FAIR };
    (plan.client_says, plan.service_says, plan.pause) = (messages, 0, 0);
    let mut world = World::new(plan);
    // Opening is not measured, and gives the first estimate of the round trip: it has fair weather.
    let opened = 1000 + 2 * latency;
    world.run_until(opened);
    (world.plan.weather.loss_out, world.plan.weather.loss_back) = (flow.loss, flow.loss);
    world.run();
    assert_eq!(world.heard.len(), messages);
    let millis = world.heard_at.as_millis().saturating_sub(opened).max(1);
    messages as f64 * 1000.0 / millis as f64
}

/// The most that any sender could bring through: a window each round trip, less what is lost on the way.
pub fn bound(flow: Flow) -> f64 {
    let round_trip = 2 * flow.round_trip.div_ceil(2);
    f64::from(flow.window) * 1000.0 / round_trip as f64 * (100 - flow.loss) as f64 / 100.0
}
