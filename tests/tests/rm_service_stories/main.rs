//! Our acceptor in the place of every recorded service: fed what it was fed, when it was, it answers as it answered.

mod table;

use soap_session_tests::rm_replay::{gsoap_service, judge, replay_service};

#[test]
fn the_service_does_what_the_recorded_one_did() {
    judge(&table::TABLE, replay_service, gsoap_service);
}
