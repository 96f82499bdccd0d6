//! The client's side as an application sees it: a WCF proxy's channel, over any of four stacks.
//!
//! ```text
//!   open() or the first call(..)   poll -> Transmit(..), Event(Opened)
//!   call(operation, message)       poll -> Transmit(..)     receive(..) -> Reply, Fault, Failed, Held
//!   close()                        poll -> Transmit(..), Event(Closed), Event(CloseDone(..))
//! ```
//!
//! What the stacks do on the wire is theirs. The channel adds what a proxy adds: its [state](CommunicationState), timeouts of the
//! binding with one deadline for all layers, the contract's rules of initiating and terminating operations, and what each failure
//! means for a call and for the channel.
//!
//! | what happens | the call is told | the channel |
//! |---|---|---|
//! | a declared fault, `ActionNotSupported`, `SessionTerminated` | the fault | stays Opened |
//! | `InternalServiceFault`, in a session | the fault | Faulted at once |
//! | `InternalServiceFault`, without a session | the fault | stays Opened |
//! | `BadContextToken`, `InvalidSecurity` and the like, without security | the failure | Faulted |
//! | any fault without security, where each message is protected by itself | the failure | Faulted |
//! | `RenewNeeded` | the failure | stays Opened, the next call renews |
//! | the exchange is lost, without reliable messaging | the failure | stays Opened |
//! | the renewal of the key is lost, without reliable messaging | the failure | stays Opened, the next call renews |
//! | the send timeout, without reliable messaging | TimedOut | stays Opened; what still comes is dropped |
//! | the send timeout of a call that opens the channel | TimedOut | Faulted |
//! | the send timeout, under reliable messaging | TimedOut | Faulted, and the other side is told |
//! | a fault of reliable messaging | the failure | Faulted |

mod drive;
mod error;
mod hear;
mod one_shot;
mod plain;
mod stack;
mod types;

pub use error::{CallRefused, ChannelError, TimedOutAt, WcfText, fault_exception};
pub use plain::PlainClient;
pub use types::{Answered, CallId, ChannelAction, ChannelEvent, ChannelHeard, CloseBegun, OperationUse};

use super::SessionClient;
use crate::chance::{Chance, Entropy};
use crate::crypto::{Backend, RustCrypto};
use crate::exchange::Outgoing;
use crate::lifetime::{Closing, CommunicationState, Lifetime, Refused, Timeouts, Timer, TimerEffect, TimerName, Verb};
use crate::secure::{Initiator, OneShotClient};
use crate::time::{Deadline, Duration, Instant};
use heapless::Vec;
use one_shot::OneShotCalls;
use stack::{Handle, Stack};

/// A call that is not over, or whose end was not told.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Call<P> {
    id: CallId,
    operation: OperationUse,
    allotted: Option<Duration>,
    until: Deadline,
    /// The message, until the stack has it.
    message: Option<P>,
    handle: Option<Handle>,
    /// A terminating call: how it was answered, while the channel closes.
    held: Option<Answered>,
    outcome: Option<Result<Answered, ChannelError>>,
}

impl<P> Call<P> {
    /// Does the application wait for what comes of it on the wire?
    const fn is_pending(&self) -> bool {
        self.outcome.is_none() && self.held.is_none()
    }
}

/// How far a graceful close has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Handshake {
    /// There is none.
    None,
    /// It waits for the calls that are under way.
    Waits,
    /// It has begun.
    Begun,
}

/// What the application has been told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct ToldStates {
    opened: bool,
    faulted: bool,
    closed: bool,
}

/// The client's channel.
///
/// `CALLS` bounds the calls under way. The other parameters are those of [`Initiator`], [`OneShotClient`] and [`SessionClient`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientChannel<
    P,
    E = Chance,
    const CALLS: usize = 8,
    const REPLAY: usize = 256,
    const WINDOW: usize = 8,
    const RANGES: usize = 9,
    const EXCHANGES: usize = 16,
    B = RustCrypto,
> {
    stack: Stack<P, E, CALLS, REPLAY, WINDOW, RANGES, EXCHANGES, B>,
    life: Lifetime<ChannelError>,
    calls: Vec<Call<P>, CALLS>,
    next_call: u64,
    /// The terminating operation that was called.
    terminated: Option<&'static str>,
    /// Was it opened by the application, and not by a call?
    explicit: bool,
    /// How long the open or the close under way was allowed to take.
    allotted: Option<Duration>,
    was_opened: bool,
    handshake: Handshake,
    close_failure: Option<ChannelError>,
    told: ToldStates,
    /// Is the end of an open or a close owed?
    owes_open: bool,
    owes_close: bool,
}

const fn left(allowance: Option<Duration>) -> Duration {
    match allowance {
        Some(left) => left,
        None => Duration::MAX,
    }
}

impl<
    P: Outgoing,
    E: Entropy + Clone,
    const CALLS: usize,
    const REPLAY: usize,
    const WINDOW: usize,
    const RANGES: usize,
    const EXCHANGES: usize,
    B: Backend,
> ClientChannel<P, E, CALLS, REPLAY, WINDOW, RANGES, EXCHANGES, B>
{
    const fn new(stack: Stack<P, E, CALLS, REPLAY, WINDOW, RANGES, EXCHANGES, B>, timeouts: Timeouts) -> Self {
        Self {
            stack,
            life: Lifetime::new(timeouts),
            calls: Vec::new(),
            next_call: 1,
            terminated: None,
            explicit: false,
            allotted: None,
            was_opened: false,
            handshake: Handshake::None,
            close_failure: None,
            told: ToldStates { opened: false, faulted: false, closed: false },
            owes_open: false,
            owes_close: false,
        }
    }

    /// A channel without a session.
    pub const fn plain(client: PlainClient<P, E, CALLS>, timeouts: Timeouts) -> Self {
        Self::new(Stack::Plain(client), timeouts)
    }

    /// A channel without a session, whose messages the bootstrap itself protects: `establishSecurityContext` is off.
    pub const fn over_one_shot(client: OneShotClient<E, CALLS, REPLAY, B>, timeouts: Timeouts) -> Self {
        Self::new(Stack::OneShot(OneShotCalls::new(client)), timeouts)
    }

    /// A channel over a secure conversation, which was just made.
    pub const fn over_secure(conversation: Initiator<P, E, CALLS, REPLAY, B>, timeouts: Timeouts) -> Self {
        Self::new(Stack::Secure(conversation), timeouts)
    }

    /// A channel over a reliable session, which was just made, with a secure conversation below it or without one. Its messages
    /// go in exchanges. Its own open, close and send timeouts are not used: the channel's are.
    pub const fn over_reliable(
        session: SessionClient<P, E, WINDOW, RANGES, EXCHANGES, REPLAY, B>,
        timeouts: Timeouts,
    ) -> Self {
        Self::new(Stack::Reliable(session), timeouts)
    }

    /// The state.
    pub const fn state(&self) -> CommunicationState {
        self.life.state()
    }

    /// The session's id: the token's `urn:uuid:...` with a secure conversation alone, the sequence's identifier with a reliable
    /// session. `None` before it is open, and without a session.
    pub fn session_id(&self) -> Option<&[u8]> {
        self.stack.session_id()
    }

    /// What made the channel fault first; kept after it was closed.
    pub const fn error(&self) -> Option<&ChannelError> {
        self.life.first_fault()
    }

    /// The service's address.
    pub fn to(&self) -> &[u8] {
        self.stack.to()
    }

    /// How many messages were sent again so far; none without a reliable session.
    pub fn retransmissions(&self) -> u64 {
        self.stack.retransmissions()
    }

    /// How many calls are not over, or were not told to be.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Every timer that is running: the channel's, those of calls, and those of the layers below.
    pub fn timers(&self) -> impl Iterator<Item = Timer> + '_ {
        let opening = self.life.state() == CommunicationState::Opening;
        let calls = self.calls.iter().filter(|call| call.is_pending()).filter_map(move |call| {
            let opener = opening && !self.explicit && call.until == self.life.deadline();
            let fatal = opener || (self.stack.is_reliable() && call.handle.is_some());
            let effect = if fatal { TimerEffect::FailsCallAndFaults } else { TimerEffect::FailsCall };
            Timer::running(TimerName::SendTimeout { call: call.id.0 }, call.until, effect)
        });
        // Nothing is sent any more that a key would have to be renewed for.
        let over = self.life.state() == CommunicationState::Closed;
        let lasting =
            move |timer: &Timer| !over || !matches!(timer.name, TimerName::KeyRenewal | TimerName::KeyRollover);
        self.life.timer().into_iter().chain(calls).chain(self.stack.timers().filter(lasting))
    }

    /// Opens, within the open timeout. [`ChannelEvent::OpenDone`] tells how it ended.
    ///
    /// # Errors
    /// [`Refused`] unless it was just made. Nothing has changed.
    pub fn open(&mut self, now: Instant) -> Result<(), Refused<ChannelError>> {
        self.life.open(now)?;
        (self.explicit, self.owes_open) = (true, true);
        self.allotted = self.life.timeouts().open;
        self.stack.open(now, left(self.life.remaining(now)));
        Ok(())
    }

    /// Calls an operation. The first call opens the channel, and its send timeout covers that too.
    ///
    /// # Errors
    /// The message comes back with [`CallRefused`]. Nothing has changed, and nothing goes over the wire.
    pub fn call(&mut self, now: Instant, operation: OperationUse, message: P) -> Result<CallId, (P, CallRefused)> {
        if let Err(refused) = self.may_call(operation) {
            return Err((message, refused));
        }
        let allotted = self.life.timeouts().send;
        let until = Deadline::within(now, allotted);
        if self.life.state() == CommunicationState::Created && self.life.open_until(until).is_ok() {
            self.allotted = allotted;
            self.stack.open(now, left(allotted));
        }
        let id = CallId(self.next_call);
        self.next_call = self.next_call.wrapping_add(1);
        let message = Some(message);
        let call = Call { id, operation, allotted, until, message, handle: None, held: None, outcome: None };
        // Room was seen above.
        let _ = self.calls.push(call);
        Ok(id)
    }

    /// In the order of WCF's checks.
    fn may_call(&self, operation: OperationUse) -> Result<(), CallRefused> {
        let state = self.life.state();
        if state == CommunicationState::Created && !operation.is_initiating {
            return Err(CallRefused::NotInitiating { operation: operation.name });
        }
        if let Some(operation) = self.terminated {
            return Err(CallRefused::Terminated { operation });
        }
        match state {
            CommunicationState::Created => {}
            CommunicationState::Opening if !self.explicit => {}
            CommunicationState::Opening
            | CommunicationState::Opened
            | CommunicationState::Closing
            | CommunicationState::Closed
            | CommunicationState::Faulted => self.life.check(Verb::Use).map_err(CallRefused::State)?,
        }
        if self.calls.is_full() {
            return Err(CallRefused::TooManyCalls { limit: CALLS });
        }
        Ok(())
    }

    /// Closes, within the close timeout: calls under way are waited for, then the session is ended. A channel that is not open is
    /// given up, and so is one that has faulted.
    ///
    /// # Errors
    /// [`Refused`] with what made the channel fault; it is closed all the same.
    pub fn close(&mut self, now: Instant) -> Result<CloseBegun, Refused<ChannelError>> {
        let allotted = self.life.timeouts().close;
        match self.life.close(now) {
            Closing::Graceful(_) => {
                self.handshake = Handshake::Waits;
                (self.allotted, self.owes_close) = (allotted, true);
                Ok(CloseBegun::UnderWay)
            }
            Closing::Abort => {
                self.given_up();
                Ok(CloseBegun::Nothing)
            }
            Closing::AbortAndReport(refused) => {
                self.given_up();
                Err(refused)
            }
            Closing::Nothing => Ok(CloseBegun::Nothing),
        }
    }

    /// Gives up. Over a secure conversation alone nothing is sent; a reliable session tells the other side by a
    /// SequenceTerminated fault and cancels its conversation: go on asking [`poll`](Self::poll) for that.
    pub fn abort(&mut self) {
        if self.life.abort() {
            self.given_up();
        }
    }

    fn given_up(&mut self) {
        self.handshake = Handshake::None;
        self.close_failure = Some(ChannelError::Aborted);
        self.stack.abort();
        self.settle(&ChannelError::Aborted);
    }

    /// Every call that is not over ends so.
    fn settle(&mut self, error: &ChannelError) {
        for call in &mut self.calls {
            call.message = None;
            if call.outcome.is_none() {
                call.outcome = Some(Err(error.clone()));
            }
        }
    }

    /// `false` if it was closing, closed or faulted already.
    fn fault(&mut self, error: ChannelError) -> bool {
        let error = error.kept();
        let faulted = self.life.fault(error.clone());
        if faulted {
            self.handshake = Handshake::None;
            self.settle(&error);
        }
        faulted
    }

    /// A close is over: in good order, or by giving up.
    fn close_ended(&mut self, failure: Option<ChannelError>) {
        let failure = failure.map(ChannelError::kept);
        match failure {
            None => self.life.closed(),
            Some(_) => {
                self.life.abort();
                self.stack.abort();
            }
        }
        self.handshake = Handshake::None;
        for call in &mut self.calls {
            if call.outcome.is_none() {
                call.outcome = Some(match (&failure, call.held) {
                    (None, Some(answered)) => Ok(answered),
                    (None, None) => Err(ChannelError::Aborted),
                    (Some(error), _) => Err(error.clone()),
                });
            }
        }
        self.close_failure = failure;
    }
}
