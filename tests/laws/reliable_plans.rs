//! Random worlds for the laws of reliable sessions.

use proptest::prelude::*;
use soap_session_core::reliable::{RmVersion, Shape};
use soap_session_tests::reliable_world::{Plan, Weather};

/// So many cases, or what `PROPTEST_CASES` says.
pub(super) fn scene(cases: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases)
}

fn weather(loss: u64) -> impl Strategy<Value = Weather> {
    (0..=loss, 0..=loss, 0u64..=30, 0u64..=50, 1u64..400, prop_oneof![Just(0u64), 1u64..800]).prop_map(
        |(loss_out, loss_back, duplication, hanging, latency, jitter)| Weather {
            latency,
            jitter,
            loss_out,
            loss_back,
            duplication,
            hanging,
            night: None,
        },
    )
}

pub(super) fn shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![Just(Shape::OneWay), Just(Shape::RequestReply), Just(Shape::Duplex)]
}

/// Worlds with at most this loss, in hundred messages of each direction.
pub(super) fn plans(loss: u64) -> impl Strategy<Value = Plan> {
    let settings = (any::<bool>(), any::<bool>(), prop_oneof![Just(1u16), Just(2), Just(8), Just(64)], any::<bool>());
    let applications = (0usize..40, 0u64..400, 0u64..2000, prop_oneof![Just(0u64), 1u64..1500], 0u64..60);
    (any::<u64>(), shapes(), any::<bool>(), weather(loss), settings, applications).prop_map(
        |(seed, shape, newer, weather, (ordered, flow, window, fast), (says, pause, think, dwell, one_way))| {
            let version = if newer { RmVersion::V11 } else { RmVersion::February2005 };
            let mut plan = Plan { weather, pause, think, dwell, one_way, ..Plan::new(seed, shape, version) };
            plan.client_says = says;
            plan.service_says = if shape == Shape::Duplex { says / 2 } else { 0 };
            plan.settings.ordered = ordered;
            plan.settings.flow_control = flow;
            plan.settings.max_transfer_window_size = window;
            if fast { plan.fast() } else { plan }
        },
    )
}
