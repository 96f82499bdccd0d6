//! How a service lives: its instances, how many calls run in one, its timeouts.

use crate::time::Duration;

/// How long an instance of the service lives. WCF's `InstanceContextMode`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum InstanceContextMode {
    /// One for each session, until the session's channel is gone; without a session, one for each call. WCF's default.
    #[default]
    PerSession,
    /// One for each call.
    PerCall,
    /// One, for as long as the host lives.
    Single,
}

/// How many calls run in one instance at a time. WCF's `ConcurrencyMode`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ConcurrencyMode {
    /// One; others wait in order. WCF's default.
    #[default]
    Single,
    /// One; another may run while it calls out ([`ServiceHost::calls_out`](super::ServiceHost::calls_out)).
    Reentrant,
    /// Any number.
    Multiple,
}

/// How a service is hosted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HostSettings {
    /// How long instances live.
    pub instances: InstanceContextMode,
    /// How many calls run in one.
    pub concurrency: ConcurrencyMode,
    /// A session without a message for this long is aborted (WCF's `receiveTimeout`: 10 min). `None`: never.
    pub receive_timeout: Option<Duration>,
    /// How long a session may stay after the reply of a terminating operation until it is aborted (WCF's `closeTimeout`: 1 min).
    pub close_timeout: Option<Duration>,
    /// Are clients told at once that the server is too busy, instead of waiting for a permit? WCF lets them wait.
    pub refuse_when_busy: bool,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            instances: InstanceContextMode::PerSession,
            concurrency: ConcurrencyMode::Single,
            receive_timeout: Some(Duration::from_secs(600)),
            close_timeout: Some(Duration::from_secs(60)),
            refuse_when_busy: false,
        }
    }
}
