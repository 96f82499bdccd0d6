//! The states of a reliable session and of its two sequences. The tables are total: every pair of state and event either
//! leads somewhere or is a refusal that changes nothing. A test walks all pairs and compares them with the charts below.

/// The session, as the application sees it (WCF: `CommunicationState` of the channel).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SessionPhase {
    /// Made, not opened.
    Created,
    /// CreateSequence is wanted or under way. A service's session waits here to be accepted.
    Opening,
    /// Messages go both ways.
    Opened,
    /// The sequences are being ended.
    Closing,
    /// Over, in good order or given up.
    Closed,
    /// Over, by a fault.
    Faulted,
}

/// What happens to the session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SessionEvent {
    /// The application opens; a client asked for a sequence.
    Open,
    /// The sequence is there; the service's application accepted.
    Created,
    /// The application closes.
    Close,
    /// Both sequences are over.
    Ended,
    /// The application gives up.
    Abort,
    /// The session cannot go on.
    Fault,
}

impl SessionPhase {
    /// All states, in chart order.
    pub const ALL: [Self; 6] = [Self::Created, Self::Opening, Self::Opened, Self::Closing, Self::Closed, Self::Faulted];

    /// The state after `event`; `None` refuses it.
    ///
    /// ```text
    ///         | Open     Created  Close    Ended    Abort    Fault
    /// Created | Opening  -        Closed   -        Closed   Faulted
    /// Opening | -        Opened   Closing  -        Closed   Faulted
    /// Opened  | -        -        Closing  -        Closed   Faulted
    /// Closing | -        -        Closing  Closed   Closed   Faulted
    /// Closed  | -        -        Closed   -        Closed   -
    /// Faulted | -        -        -        -        Closed   -
    /// ```
    pub const fn next(self, event: SessionEvent) -> Option<Self> {
        use SessionEvent as E;
        match (self, event) {
            (Self::Created, E::Open) => Some(Self::Opening),
            (Self::Opening, E::Created) => Some(Self::Opened),
            (Self::Created | Self::Closed, E::Close) | (Self::Closing, E::Ended) | (_, E::Abort) => Some(Self::Closed),
            (Self::Opening | Self::Opened | Self::Closing, E::Close) => Some(Self::Closing),
            (Self::Created | Self::Opening | Self::Opened | Self::Closing, E::Fault) => Some(Self::Faulted),
            (Self::Opening | Self::Opened | Self::Closing | Self::Closed | Self::Faulted, E::Open)
            | (Self::Created | Self::Opened | Self::Closing | Self::Closed | Self::Faulted, E::Created)
            | (Self::Faulted, E::Close | E::Fault)
            | (Self::Created | Self::Opening | Self::Opened | Self::Closed | Self::Faulted, E::Ended)
            | (Self::Closed, E::Fault) => None,
        }
    }

    /// Is it over?
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Faulted)
    }
}

impl SessionEvent {
    /// All events, in chart order.
    pub const ALL: [Self; 6] = [Self::Open, Self::Created, Self::Close, Self::Ended, Self::Abort, Self::Fault];
}

/// The sequence that this side sends (WS-ReliableMessaging's RM Source).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SourcePhase {
    /// Messages may be added.
    Open,
    /// No more are added; waits until all are acknowledged. February 2005 sends its LastMessage here.
    Draining,
    /// CloseSequence is wanted or under way (1.1).
    Closing,
    /// TerminateSequence is wanted or under way.
    Terminating,
    /// Over.
    Ended,
}

/// What happens to the sequence that this side sends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SourceEvent {
    /// The application closes.
    Close,
    /// The last message was acknowledged, under February 2005.
    Drained10,
    /// The last message was acknowledged, under 1.1.
    Drained11,
    /// CloseSequenceResponse.
    CloseAnswered,
    /// TerminateSequence was answered, or was sent where no answer follows.
    TerminateAnswered,
    /// The session failed or was given up.
    Fail,
}

impl SourcePhase {
    /// All states, in chart order.
    pub const ALL: [Self; 5] = [Self::Open, Self::Draining, Self::Closing, Self::Terminating, Self::Ended];

    /// The state after `event`; `None` refuses it.
    ///
    /// ```text
    ///             | Close     Drained10   Drained11  CloseAnswered TerminateAnswered Fail
    /// Open        | Draining  -           -          -             -                 Ended
    /// Draining    | -         Terminating Closing    -             -                 Ended
    /// Closing     | -         -           -          Terminating   -                 Ended
    /// Terminating | -         -           -          -             Ended             Ended
    /// Ended       | -         -           -          -             -                 Ended
    /// ```
    pub const fn next(self, event: SourceEvent) -> Option<Self> {
        use SourceEvent as E;
        match (self, event) {
            (Self::Open, E::Close) => Some(Self::Draining),
            (Self::Draining, E::Drained10) | (Self::Closing, E::CloseAnswered) => Some(Self::Terminating),
            (Self::Draining, E::Drained11) => Some(Self::Closing),
            (Self::Terminating, E::TerminateAnswered) | (_, E::Fail) => Some(Self::Ended),
            (Self::Draining | Self::Closing | Self::Terminating | Self::Ended, E::Close)
            | (Self::Open | Self::Closing | Self::Terminating | Self::Ended, E::Drained10 | E::Drained11)
            | (Self::Open | Self::Draining | Self::Terminating | Self::Ended, E::CloseAnswered)
            | (Self::Open | Self::Draining | Self::Closing | Self::Ended, E::TerminateAnswered) => None,
        }
    }
}

impl SourceEvent {
    /// All events, in chart order.
    pub const ALL: [Self; 6] =
        [Self::Close, Self::Drained10, Self::Drained11, Self::CloseAnswered, Self::TerminateAnswered, Self::Fail];
}

/// The sequence that this side receives (WS-ReliableMessaging's RM Destination).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DestinationPhase {
    /// Messages are taken.
    Open,
    /// The last number is known; some may be missing.
    LastKnown,
    /// Everything up to the last number has arrived.
    Complete,
    /// Over.
    Ended,
}

/// What happens to the sequence that this side receives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DestinationEvent {
    /// LastMessage (February 2005) or CloseSequence (1.1) told the last number.
    Last,
    /// Everything up to it has arrived.
    AllReceived,
    /// TerminateSequence. Before `Complete` it comes too early.
    Terminate,
    /// The session failed or was given up.
    Fail,
}

impl DestinationPhase {
    /// All states, in chart order.
    pub const ALL: [Self; 4] = [Self::Open, Self::LastKnown, Self::Complete, Self::Ended];

    /// The state after `event`; `None` refuses it.
    ///
    /// ```text
    ///           | Last      AllReceived Terminate Fail
    /// Open      | LastKnown -           Ended     Ended
    /// LastKnown | LastKnown Complete    Ended     Ended
    /// Complete  | Complete  Complete    Ended     Ended
    /// Ended     | -         -           Ended     Ended
    /// ```
    pub const fn next(self, event: DestinationEvent) -> Option<Self> {
        use DestinationEvent as E;
        match (self, event) {
            (Self::Open | Self::LastKnown, E::Last) => Some(Self::LastKnown),
            (Self::LastKnown | Self::Complete, E::AllReceived) | (Self::Complete, E::Last) => Some(Self::Complete),
            (_, E::Terminate | E::Fail) => Some(Self::Ended),
            (Self::Ended, E::Last) | (Self::Open | Self::Ended, E::AllReceived) => None,
        }
    }
}

impl DestinationEvent {
    /// All events, in chart order.
    pub const ALL: [Self; 4] = [Self::Last, Self::AllReceived, Self::Terminate, Self::Fail];
}
