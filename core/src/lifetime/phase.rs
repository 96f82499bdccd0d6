//! The states of a communication object. The table is total: every pair of state and event either leads somewhere or is a
//! refusal that changes nothing. A test walks all pairs and compares them with the chart below.

/// The state of a channel or session (WCF: `CommunicationState`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CommunicationState {
    /// Made, not opened.
    Created,
    /// Opening: the layers below are being opened.
    Opening,
    /// In use.
    Opened,
    /// Closing, gracefully, or for the moment that giving up takes.
    Closing,
    /// Over.
    Closed,
    /// It cannot be used any more, and waits to be closed or aborted.
    Faulted,
}

/// What happens to a channel or session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LifetimeEvent {
    /// It begins to open.
    Open,
    /// All its layers are open.
    Opened,
    /// It begins to close.
    Close,
    /// All its layers are closed.
    Closed,
    /// It is given up.
    Abort,
    /// Something happened after which it cannot go on.
    Fault,
}

impl CommunicationState {
    /// All states, in chart order.
    pub const ALL: [Self; 6] = [Self::Created, Self::Opening, Self::Opened, Self::Closing, Self::Closed, Self::Faulted];

    /// The state after `event`; `None` refuses it, or ignores it: see [`course`](super::course).
    ///
    /// ```text
    ///         | Open    Opened  Close   Closed  Abort   Fault
    /// Created | Opening -       Closing -       Closing Faulted
    /// Opening | -       Opened  Closing -       Closing Faulted
    /// Opened  | -       -       Closing -       Closing Faulted
    /// Closing | -       -       Closing Closed  Closing -
    /// Closed  | -       -       Closed  -       Closed  -
    /// Faulted | -       -       Closing -       Closing -
    /// ```
    pub const fn next(self, event: LifetimeEvent) -> Option<Self> {
        use LifetimeEvent as E;
        match (self, event) {
            (Self::Created, E::Open) => Some(Self::Opening),
            (Self::Opening, E::Opened) => Some(Self::Opened),
            (Self::Created | Self::Opening | Self::Opened | Self::Closing | Self::Faulted, E::Close | E::Abort) => {
                Some(Self::Closing)
            }
            (Self::Closing, E::Closed) | (Self::Closed, E::Close | E::Abort) => Some(Self::Closed),
            (Self::Created | Self::Opening | Self::Opened, E::Fault) => Some(Self::Faulted),
            (Self::Opening | Self::Opened | Self::Closing | Self::Closed | Self::Faulted, E::Open)
            | (Self::Created | Self::Opened | Self::Closing | Self::Closed | Self::Faulted, E::Opened)
            | (Self::Created | Self::Opening | Self::Opened | Self::Closed | Self::Faulted, E::Closed)
            | (Self::Closing | Self::Closed | Self::Faulted, E::Fault) => None,
        }
    }
}

impl LifetimeEvent {
    /// All events, in chart order.
    pub const ALL: [Self; 6] = [Self::Open, Self::Opened, Self::Close, Self::Closed, Self::Abort, Self::Fault];
}
