//! Permits for calls, sessions and instances: who has one, who waits for one, and why. WCF: `serviceThrottling`.
//!
//! A [`FlowThrottle`] gives permits up to a limit, and has who comes after that wait, first come, first served. A permit
//! that is given back goes to the first who waits. [`ServiceThrottle`] has the three throttles of a service.
//!
//! Nothing here waits in silence, as it does with WCF: each answer that is not a permit carries a [`Pressure`], which says
//! which limit it was, who holds the oldest permit and for how long. And nothing here looks at the clock by itself: as with
//! WCF, who waits does so until a permit is free, or until the room above withdraws it.
//!
//! Holders are numbers that the room above chooses.
//!
//! ```
//! use soap_session_core::store::Fixed;
//! use soap_session_core::throttle::{Asked, FlowThrottle, Released, Throttle};
//! use soap_session_core::time::Instant;
//!
//! let at = Instant::from_millis;
//! // One call at a time, and room for three to wait.
//! let mut calls = FlowThrottle::new(Throttle::Calls, 1, Fixed::<4>)?;
//! let Asked::Granted(first) = calls.ask(at(0), 7) else { panic!("the only permit is free") };
//! let Asked::Waits { key, pressure, .. } = calls.ask(at(2500), 8) else { panic!("it is taken") };
//! assert_eq!(
//!     pressure.to_string(),
//!     "MaxConcurrentCalls is 1: 1 in use, 1 waiting, room for 2 more; number 7 has held its permit for 2500 ms, the \
//!      longest of all. Raise MaxConcurrentCalls, or let operations return sooner",
//! );
//! let Released::Handed(granted) = calls.release(at(3000), first) else { panic!("somebody waits") };
//! assert_eq!((granted.key, granted.holder), (key, 8));
//! # Ok::<(), soap_session_core::throttle::ThrottleError>(())
//! ```

mod answers;
mod flow;
mod line;
mod pressure;
mod service;
mod settings;

pub use answers::{Asked, Granted, PermitKey, PermitState, Released, ThrottleEvent};
pub use flow::FlowThrottle;
pub use pressure::{Oldest, Pressure, Throttle};
pub use service::ServiceThrottle;
pub use settings::{MAX_STATEFUL_NEGOTIATIONS, NO_LIMIT, ThrottleError, ThrottleSettings};
