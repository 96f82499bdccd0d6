//! Sessions that are idle take no room among the busy ones, and when there is none nothing is lost: messages wait at their
//! clients, ends wait for room.

mod bench;
mod crowd;
mod no_room;
mod rest;
