//! What the `soap-session` program does, for tests and other programs to call.

pub mod inspect;
pub mod ring;
