//! What is told of sessions: events, metrics, the message log; and what never is.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod capture;
mod log;
mod session;
