//! One client and one acceptor of reliable sessions in simulated time, with weather between them: one seed, one world.
//!
//! Nothing is written or read: a `Frame` becomes a [`Letter`], and that an `Arrival` at the other side.

mod applications;
mod goodput;
mod letter;
mod network;
mod plan;
mod world;

pub use goodput::{Flow, bound, goodput};
pub use letter::{Ack, Body, Letter, Payload};
pub use plan::{Dice, Plan, Weather};
pub use world::{Acceptor, Client, World};
