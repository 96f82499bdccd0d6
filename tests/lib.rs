//! What the tests share: the recorded conversations under `vectors/`, and the keys that open them.
//!
//! Nothing here knows how this project secures a message: it reads files. Expected values come from the recordings.

pub mod actors;
mod census;
pub mod channel_world;
pub mod dom;
pub mod endpoint_world;
pub mod footprint;
pub mod forge;
pub mod heap_store;
pub mod host_replay;
pub mod opening;
pub mod pair;
mod recording;
pub mod reliable_world;
pub mod rm_replay;
pub mod rm_story;
pub mod rsa15;
pub mod script;
mod secrets;
pub mod session_pair;
pub mod story;
pub mod tampered_trust;
mod verdicts;
pub mod wire;

pub use census::{Census, FAMILIES, census, directories, secured};
pub use recording::{Direction, Head, Message, Recording, StartLine, vectors_root};
pub use secrets::{DerivedKey, MessageKeys, Secrets, SecurityContext, from_hex};
pub use verdicts::{Verdict, VerdictRow, verdicts};
