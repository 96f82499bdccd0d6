//! The laws. Each is a property over cases that proptest draws and, when it finds a counter-example, shrinks and saves.

mod heads;
mod open;
