//! One side of a recorded story played by our machine: the other side's recorded messages are fed at their recorded times,
//! and what the machine sends is compared with what the recorded side sent, fact by fact and instant by instant.
//!
//! ```text
//! recorded Envelope -> arrival()  -> reliable::Arrival -> machine -> reliable::Frame -> Facts
//!          |                                                                              ||  Names: ours = theirs
//!          +-----------------------------------------------------------------------> Facts
//! ```
//!
//! Identifiers and MessageIDs are random: one of ours stands for one of theirs from its first use on.

mod answers;
mod arrival;
mod client;
mod facts;
mod gsoap;
mod host;
mod names;
mod plan;
mod report;
mod service;
mod table;

pub use arrival::arrival;
pub use client::replay_client;
pub use facts::Facts;
pub use gsoap::{gsoap_client, gsoap_service, gsoap_stories};
pub use names::Names;
pub use report::{Message, Report, Verdict, settings, tolerance};
pub use service::replay_service;
pub use table::judge;
