//! How long things live: the states of a communication object, which call is legal in which of them, and every timer in one
//! place.
//!
//! [`CommunicationState`] has the chart of the states, [`course`] the table of what a call does in each. [`Lifetime`] keeps both
//! for one channel or session: its state, its first fault, and the one deadline that an open or a close shares with all layers
//! below it. What the layers are, this room does not know.
//!
//! ```
//! use soap_session_core::lifetime::{Closing, CommunicationState, Lifetime, Timeouts};
//! use soap_session_core::time::Instant;
//!
//! let now = Instant::from_millis(0);
//! let mut channel: Lifetime<&str> = Lifetime::new(Timeouts::default());
//! channel.open(now)?;
//! channel.opened();
//! channel.fault("the key expired");
//! // Closing does not hide what happened first, and ends in any case.
//! let Closing::AbortAndReport(refused) = channel.close(now) else { panic!("it is faulted") };
//! assert_eq!(refused.first, Some("the key expired"));
//! assert_eq!(channel.state(), CommunicationState::Closed);
//! # Ok::<(), soap_session_core::lifetime::Refused<&str>>(())
//! ```

mod course;
mod keeper;
mod phase;
mod timeouts;
mod timer;

pub use course::{Course, Refusal, Refused, Verb, course};
pub use keeper::{Closing, Lifetime};
pub use phase::{CommunicationState, LifetimeEvent};
pub use timeouts::{Allowance, Timeouts};
pub use timer::{Timer, TimerEffect, TimerName};
