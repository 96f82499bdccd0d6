//! The stories of lifetimes, throttles and sessions, played by our client and our service in simulated time and compared with what
//! was recorded: what applications saw, the states of channels, what the service ran and when, faults and their texts.
//!
//! ```text
//! timeline.txt, messages -> Narrative::recorded()          what each client's application did -> play() -> Narrative
//! ```
//!
//! Times are not compared: those of the recordings hold the compilation of the code. What order they impose is.

mod application;
mod narrative;
mod recorded_client;
mod recorded_service;
mod tcp;
mod world;

pub use application::{contract, operation_use};
pub use narrative::Narrative;
pub use world::{Deed, Scene, play};

/// The stories that are played, by the patterns of their names.
///
/// # Panics
/// The folder cannot be read.
pub fn stories() -> Vec<String> {
    let whole = ["throttle-", "session-", "sc-pending-"];
    let part = ["-receive-timeout-", "-send-timeout-", "-abort"];
    let end = ["-terminating", "-non-initiating-first", "-unhandled-exception", "-faults"];
    let folder = std::fs::read_dir(crate::vectors_root().join("wcf-stories")).expect("stories");
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| {
            whole.iter().any(|whole| name.starts_with(whole))
                || part.iter().any(|part| name.contains(part))
                || end.iter().any(|end| name.ends_with(end))
        })
        .collect();
    names.sort();
    names
}
