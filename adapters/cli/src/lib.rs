//! What the `soap-session` program does, for tests and other programs to call.

pub mod call;
pub mod connect;
pub mod inspect;
pub mod logging;
mod metrics;
pub mod options;
pub mod ring;
pub mod serve;
mod signals;
pub mod trouble;
