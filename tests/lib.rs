//! What the tests share: the recorded conversations under `vectors/`, and the keys that open them.
//!
//! Nothing here knows how this project secures a message: it reads files. Expected values come from the recordings.

mod census;
pub mod dom;
pub mod forge;
pub mod opening;
pub mod pair;
mod recording;
mod secrets;
pub mod tampered_trust;
mod verdicts;

pub use census::{Census, FAMILIES, census, directories};
pub use recording::{Direction, Head, Message, Recording, StartLine, vectors_root};
pub use secrets::{DerivedKey, MessageKeys, Secrets, SecurityContext, from_hex};
pub use verdicts::{Verdict, VerdictRow, verdicts};
