//! The HTTP layer over loopback: our two ends against each other, and each against raw bytes. One script, on both runtimes.
#![allow(clippy::unwrap_used)]

mod answers;
mod exchanges;
mod hostile;
mod https;
mod stopping;
mod world;

/// Runs each test on both runtimes.
macro_rules! on_both {
    ($($module:ident: $($test:ident)*;)*) => {
        mod tokio {
            $(mod $module { $(
                #[test]
                fn $test() {
                    let runtime = crate::world::Counted::new(soap_session_tokio::Tokio);
                    let engine = ::tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                    engine.block_on(crate::world::whole(&runtime, crate::$module::$test(runtime.clone())));
                }
            )* })*
        }

        mod smol {
            $(mod $module { $(
                #[test]
                fn $test() {
                    let runtime = crate::world::Counted::new(soap_session_smol::Smol);
                    futures_lite::future::block_on(crate::world::whole(&runtime, crate::$module::$test(runtime.clone())));
                }
            )* })*
        }
    };
}

on_both! {
    exchanges:
        a_message_goes_and_its_answer_comes
        statuses_pass_through_and_an_empty_answer_has_no_type
        connections_are_reused_and_overlapping_exchanges_have_their_own
        a_connection_that_the_server_ends_is_not_used_again
        what_is_allowed_though_unusual
        no_more_connections_are_served_than_allowed
        giving_an_exchange_up_is_seen_by_the_server
        what_cannot_be_sent_is_refused;
    hostile:
        hostile_requests
        slow_requests
        pipelined_requests
        clients_that_go_away
        clients_that_do_not_read
        who_is_refused_may_finish_what_he_says;
    answers:
        hostile_answers
        answers_that_are_no_soap;
    https:
        a_message_goes_protected
        who_is_trusted
        clients_with_certificates
        the_wrong_protocol
        slow_handshakes;
    stopping:
        stopping_finishes_open_exchanges
        stopping_does_not_wait_for_ever
        a_server_that_is_dropped_ends_everything;
}
