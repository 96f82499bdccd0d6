//! The life of a secure conversation, one table for each role.
//!
//! The tables are total: every pair of state and event either leads somewhere or is a refusal that changes nothing. A test
//! walks all pairs and compares them with the charts below.

/// States of the client's side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum InitiatorPhase {
    /// Made, not opened.
    Created,
    /// RST/SCT is wanted or under way.
    Issuing,
    /// The token is there; calls may go out.
    Opened,
    /// RST/SCT/Renew is wanted or under way; calls wait.
    Renewing,
    /// RST/SCT/Cancel is wanted or under way.
    Closing,
    /// Over, in good order.
    Closed,
    /// Over, by a fault.
    Faulted,
}

/// What happens to the client's side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum InitiatorEvent {
    /// The application opens.
    Open,
    /// The service issued or renewed the token.
    Token,
    /// The key has to be renewed before the next call.
    RenewDue,
    /// The renewal came to nothing: the next call tries again.
    RenewalFailed,
    /// The application closes.
    Close,
    /// The service confirmed the cancellation, or it can no longer be had.
    Cancelled,
    /// The application gives up: nothing is sent.
    Abort,
    /// Something happened after which the session cannot go on.
    Fault,
}

impl InitiatorPhase {
    /// All states, in chart order.
    pub const ALL: [Self; 7] =
        [Self::Created, Self::Issuing, Self::Opened, Self::Renewing, Self::Closing, Self::Closed, Self::Faulted];

    /// The state after `event`; `None` refuses it.
    ///
    /// ```text
    ///          | Open     Token    RenewDue  RenewalFailed Close    Cancelled Abort   Fault
    /// Created  | Issuing  -        -         -             Closed   -         Closed  Faulted
    /// Issuing  | -        Opened   -         -             Closed   -         Closed  Faulted
    /// Opened   | -        -        Renewing  -             Closing  -         Closed  Faulted
    /// Renewing | -        Opened   -         Opened        Closing  -         Closed  Faulted
    /// Closing  | -        -        -         -             Closing  Closed    Closed  Closed
    /// Closed   | -        -        -         -             Closed   -         Closed  -
    /// Faulted  | -        -        -         -             -        -         Closed  -
    /// ```
    pub const fn next(self, event: InitiatorEvent) -> Option<Self> {
        use InitiatorEvent as E;
        match (self, event) {
            (Self::Created, E::Open) => Some(Self::Issuing),
            (Self::Issuing | Self::Renewing, E::Token) => Some(Self::Opened),
            (Self::Opened, E::RenewDue) => Some(Self::Renewing),
            (Self::Renewing, E::RenewalFailed) => Some(Self::Opened),
            (Self::Created | Self::Issuing | Self::Closed, E::Close) => Some(Self::Closed),
            (Self::Opened | Self::Renewing | Self::Closing, E::Close) => Some(Self::Closing),
            (Self::Closing, E::Cancelled | E::Fault) => Some(Self::Closed),
            (_, E::Abort) => Some(Self::Closed),
            (Self::Created | Self::Issuing | Self::Opened | Self::Renewing, E::Fault) => Some(Self::Faulted),
            (Self::Issuing | Self::Opened | Self::Renewing | Self::Closing | Self::Closed | Self::Faulted, E::Open)
            | (Self::Created | Self::Opened | Self::Closing | Self::Closed | Self::Faulted, E::Token)
            | (
                Self::Created | Self::Issuing | Self::Renewing | Self::Closing | Self::Closed | Self::Faulted,
                E::RenewDue,
            )
            | (
                Self::Created | Self::Issuing | Self::Opened | Self::Closing | Self::Closed | Self::Faulted,
                E::RenewalFailed,
            )
            | (Self::Faulted, E::Close)
            | (
                Self::Created | Self::Issuing | Self::Opened | Self::Renewing | Self::Closed | Self::Faulted,
                E::Cancelled,
            )
            | (Self::Closed | Self::Faulted, E::Fault) => None,
        }
    }
}

impl InitiatorEvent {
    /// All events, in chart order.
    pub const ALL: [Self; 8] = [
        Self::Open,
        Self::Token,
        Self::RenewDue,
        Self::RenewalFailed,
        Self::Close,
        Self::Cancelled,
        Self::Abort,
        Self::Fault,
    ];
}

/// States of one session on the service's side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AcceptorPhase {
    /// Issued, not used yet: counted as pending, swept when it stays so.
    Pending,
    /// Issued, not used, and one sweep old: the next sweep removes it.
    Aging,
    /// In use.
    Active,
    /// The client cancelled; its request waits for the service to close.
    Closing,
    /// Gone: its token is unknown from here on.
    Closed,
}

/// What happens to a session on the service's side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AcceptorEvent {
    /// A message under the session's token was verified.
    Message,
    /// The sweep of pending sessions came by.
    Sweep,
    /// The client cancelled.
    Cancel,
    /// The service closes or aborts.
    Close,
}

impl AcceptorPhase {
    /// All states, in chart order.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Aging, Self::Active, Self::Closing, Self::Closed];

    /// The state after `event`; `None` refuses it.
    ///
    /// ```text
    ///         | Message  Sweep    Cancel   Close
    /// Pending | Active   Aging    Closing  Closed
    /// Aging   | Active   Closed   Closing  Closed
    /// Active  | Active   Active   Closing  Closed
    /// Closing | -        Closing  Closing  Closed
    /// Closed  | -        Closed   -        Closed
    /// ```
    pub const fn next(self, event: AcceptorEvent) -> Option<Self> {
        use AcceptorEvent as E;
        match (self, event) {
            (Self::Pending | Self::Aging | Self::Active, E::Message) => Some(Self::Active),
            (Self::Pending, E::Sweep) => Some(Self::Aging),
            (Self::Aging | Self::Closed, E::Sweep) => Some(Self::Closed),
            (Self::Active, E::Sweep) => Some(Self::Active),
            (Self::Closing, E::Sweep) => Some(Self::Closing),
            (Self::Pending | Self::Aging | Self::Active | Self::Closing, E::Cancel) => Some(Self::Closing),
            (Self::Pending | Self::Aging | Self::Active | Self::Closing | Self::Closed, E::Close) => Some(Self::Closed),
            (Self::Closing | Self::Closed, E::Message) | (Self::Closed, E::Cancel) => None,
        }
    }
}

impl AcceptorEvent {
    /// All events, in chart order.
    pub const ALL: [Self; 4] = [Self::Message, Self::Sweep, Self::Cancel, Self::Close];
}
