//! Limits of reliable sessions, to the number.

use soap_session_core::reliable::{RmVersion, SessionError, Shape};
use soap_session_tests::reliable_world::{Plan, World};

#[test]
fn a_message_is_sent_again_as_often_as_allowed_and_no_more() {
    for limit in [1, 2, 8] {
        let mut plan = Plan::new(1, Shape::OneWay, RmVersion::V11);
        (plan.client_says, plan.settings.max_retry_count) = (1, limit);
        // The session opens at 1040, and everything after is lost.
        plan.weather.night = Some(1040);
        plan.settings.close_timeout *= 100;
        let mut world = World::new(plan);
        world.run();
        assert_eq!(world.client_end(), Some(Some(SessionError::RetriesExhausted { number: 1, limit })));
        assert_eq!(world.client.retransmissions(), u64::from(limit));
    }
}
