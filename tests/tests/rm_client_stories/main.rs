//! Our client in the place of every recorded one: fed what it was fed, when it was, it sends what it sent, when it did.

mod table;

use soap_session_tests::rm_replay::{gsoap_client, judge, replay_client};

#[test]
fn the_client_does_what_the_recorded_one_did() {
    judge(&table::TABLE, replay_client, gsoap_client);
}
