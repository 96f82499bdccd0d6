//! Reliable sessions: said is heard exactly once, and in order if that was agreed, whatever the weather.

use super::reliable_plans::{plans, scene};
use proptest::prelude::*;
use soap_session_core::reliable::Shape;
use soap_session_tests::reliable_world::{Plan, World};

/// Everything that was said has been heard; both sides have ended in good order.
pub(super) fn complete(world: &World) {
    let plan = &world.plan;
    assert_eq!(world.client_end(), Some(None), "the client's end: {:?}", world.client_told);
    assert_eq!(world.service_end(), Some(None), "the service's end: {:?}", world.service_told);
    let sorted = |texts: &[String]| {
        let mut texts = texts.to_vec();
        if !plan.settings.ordered {
            texts.sort();
        }
        texts
    };
    assert_eq!(world.said.len(), plan.client_says);
    assert_eq!(sorted(&world.heard), sorted(&world.said));
    assert_eq!(sorted(&world.client_heard), sorted(&world.service_said));
    assert_eq!(world.service_said.len(), plan.service_says);
    if plan.shape == Shape::RequestReply {
        for (ticket, text) in &world.tickets {
            let replies = world.replies.get(ticket).map_or(0, Vec::len);
            let accepted = world.accepted.get(ticket).copied().unwrap_or_default();
            assert_eq!(replies + accepted as usize, 1, "{text}");
            if let Some(replies) = world.replies.get(ticket) {
                assert_eq!(replies[0], format!("re:{text}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scene(256)))]

    #[test]
    fn said_is_heard_exactly_once(plan in plans(40)) {
        let mut plan = Plan::patient(plan);
        // The news that a client has room again is told once. Lost, a service that never asks waits for ever, as WCF's does.
        plan.settings.flow_control &= plan.shape != Shape::Duplex;
        let mut world = World::new(plan);
        world.run();
        complete(&world);
    }
}
