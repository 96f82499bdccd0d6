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

pub use narrative::Narrative;
pub use world::play;
