//! The four timeouts of a binding.

use crate::time::Duration;

/// How long something may take; `None` is WCF's `Infinite` (`TimeSpan.MaxValue`).
pub type Allowance = Option<Duration>;

/// The timeouts of a binding. The defaults are WCF's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// How long opening may take, all layers together. WCF: 1 minute.
    pub open: Allowance,
    /// How long closing may take, all layers together; and after how long a service gives up a session whose terminating
    /// operation was called. WCF: 1 minute.
    pub close: Allowance,
    /// How long a call may take, from the request to the reply; for a call that opens the channel that includes the opening.
    /// WCF: 1 minute.
    pub send: Allowance,
    /// How long a service keeps a session in which nothing happens. WCF: 10 minutes.
    pub receive: Allowance,
}

impl Default for Timeouts {
    fn default() -> Self {
        const MINUTE: Allowance = Some(Duration::from_secs(60));
        Self { open: MINUTE, close: MINUTE, send: MINUTE, receive: Some(Duration::from_secs(600)) }
    }
}
