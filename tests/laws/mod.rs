//! The laws. Each is a property over cases that proptest draws and, when it finds a counter-example, shrinks and saves.
//!
//! `MUTANTS.md` shows that they bite.

mod any_bytes;
mod arena;
mod door;
mod frames;
mod heads;
mod host;
mod moves;
mod no_trace;
mod once;
mod open;
mod over;
mod reliable_any;
mod reliable_once;
mod reliable_over;
mod reliable_plans;
mod room;
mod same_world;
mod sessions;
mod throttle;
mod wait;
mod world;
