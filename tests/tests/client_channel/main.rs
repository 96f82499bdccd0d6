//! A client's channel against our own services: what a WCF proxy's application sees. Exceptions and texts are those of the
//! recorded stories.

mod contract;
mod ends;
mod faults;
mod laws;
mod opening;
mod plain;
mod send_timeouts;

use soap_session_core::lifetime::Timeouts;
use soap_session_core::time::Duration;
use soap_session_tests::channel_world::{Over, START, World, recorded};

fn opened(over: Over) -> World {
    let mut world = World::new(over, Timeouts::default());
    assert_eq!(world.done(START, 1), "Start -> reply", "{over:?}");
    world.seen.clear();
    world.wire.clear();
    world
}

fn send_timeout(over: Over, seconds: u64) -> World {
    let send = Some(Duration::from_secs(seconds));
    let mut world = World::new(over, Timeouts { send, ..Timeouts::default() });
    world.done(START, 1);
    world.seen.clear();
    world.wire.clear();
    world
}

/// Does what we say begin as the recording does, the time that was allotted left out?
#[track_caller]
fn as_recorded(said: &str, story: &str, what: &str) {
    let recorded = recorded(story, what);
    let (_, said) = said.split_once(" -> ").expect("what came of it");
    let (said, recorded) = (said.trim_end_matches('"'), recorded.as_str());
    let without_time = |text: &str| {
        let Some((before, behind)) = text.split_once(" 00:") else { return text.to_owned() };
        format!("{before} {}", behind.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':' || ".".contains(c)))
    };
    assert!(without_time(recorded).starts_with(&without_time(said)), "we say {said}\n{story} says {recorded}");
}
