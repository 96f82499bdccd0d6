//! Clients and servers under strain: on both runtimes, one script for both.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod calls;
mod ends;
mod hostile;
mod kill;
mod limits;
mod stand;
mod world;

world::on_both! {
    calls:
        more_calls_than_there_is_room_for
        dropped_calls
        dropped_opens_and_closes
        a_slow_service
        a_full_window;
    ends:
        sessions_are_waited_for
        sessions_are_not_waited_for_for_ever
        a_server_that_is_dropped
        clients_that_are_ill_treated;
    hostile:
        hostile_messages
        a_slow_reader;
    kill:
        a_server_is_killed;
    limits:
        sessions_wait_for_their_turn
        too_busy
        connections;
}
