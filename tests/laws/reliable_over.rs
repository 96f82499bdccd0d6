//! Reliable sessions: same moves, same world; waits are honest; the end is told once, whatever ends the session; then silence.

use super::reliable_once::complete;
use super::reliable_plans::{plans, scene};
use proptest::prelude::*;
use soap_session_core::reliable::{Shape, Told};
use soap_session_core::time::{Deadline, Duration};
use soap_session_tests::reliable_world::{Plan, Weather, World};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scene(48)))]

    #[test]
    fn same_plan_same_world(plan in plans(40)) {
        let (mut one, mut two) = (World::new(plan.clone()), World::new(plan));
        for world in [&mut one, &mut two] {
            world.run();
        }
        prop_assert!(one == two);
    }

    /// Nothing is said before the deadline that was told, something happens at it, asking twice changes nothing.
    #[test]
    fn waits_of_reliable_sessions_are_honest(plan in plans(40)) {
        let mut world = World::new(plan);
        world.watched = true;
        world.run();
    }

    /// In fair weather every session ends at once and in good order; then nobody wants anything.
    #[test]
    fn fair_weather_falls_silent(plan in plans(0)) {
        let weather = Weather { latency: plan.weather.latency, ..Weather::FAIR };
        let mut plan = Plan { weather, dwell: 0, think: 0, ..plan };
        plan.settings.flow_control = false;
        let mut world = World::new(plan);
        world.watched = true;
        world.run_until(1_000_000);
        complete(&world);
        prop_assert_eq!(world.client.next(world.now), None);
        prop_assert_eq!(world.acceptor.next(world.now), None);
        prop_assert_eq!(world.deadline(), Deadline::Never);
        prop_assert!(world.acceptor.is_empty());
    }

    /// Night falls, retries are exhausted: both sides end, are told so once, and what was heard is what was said, once, in
    /// order and without a gap.
    #[test]
    fn exhausted_retries_end_both_sides(plan in plans(40), night in 1000u64..20_000, retries in 1u32..9) {
        let mut plan = plan;
        plan.weather.night = Some(night);
        plan.settings.max_retry_count = retries;
        let (shape, ordered) = (plan.shape, plan.settings.ordered);
        let mut world = World::new(plan);
        world.run();
        prop_assert!(world.client_end().is_some(), "the client has no end");
        prop_assert!(world.session.is_none() || world.service_end().is_some(), "the service has no end");
        prop_assert_eq!(world.deadline(), Deadline::Never);
        prop_assert!(world.client_told.iter().filter(|told| matches!(told, Told::Opened)).count() <= 1);
        for (heard, said) in [(&world.heard, &world.said), (&world.client_heard, &world.service_said)] {
            let mut sent: Vec<_> = said.iter().filter(|text| !world.returned.contains(text)).collect();
            let mut heard: Vec<_> = heard.iter().collect();
            if !ordered {
                prop_assert!(heard.iter().all(|text| sent.contains(text)));
                heard.sort();
                let all = heard.len();
                heard.dedup();
                prop_assert_eq!(all, heard.len());
            } else {
                sent.truncate(heard.len());
                prop_assert_eq!(heard, sent);
            }
        }
        if shape == Shape::RequestReply {
            prop_assert!(world.replies.keys().all(|ticket| world.tickets.contains_key(ticket)));
        }
    }

    /// A clock that jumps ahead and back is survived: nothing is delivered twice or out of order.
    #[test]
    fn any_clock_is_survived(plan in plans(20), jumps in prop::collection::vec((0u64..5_000, 0u64..2_000_000), 1..8)) {
        let ordered = plan.settings.ordered;
        let mut world = World::new(plan);
        for (after, jump) in jumps {
            let until = world.now.as_millis() + after;
            world.run_until(until);
            for at in [world.now.after(Duration::from_millis(jump)), world.now, soap_session_core::time::Instant::from_millis(0)] {
                let mut world = world.clone();
                world.jump(at);
            }
        }
        world.run();
        if ordered {
            prop_assert!(world.heard.iter().zip(&world.said).all(|(heard, said)| heard == said) || !world.returned.is_empty());
        }
    }
}
