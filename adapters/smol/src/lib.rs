//! Sockets, clock and tasks for soap-session, on smol.

mod runtime;

pub use runtime::Smol;
