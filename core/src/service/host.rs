//! The service host: which channel is accepted, which message runs next, in which instance, and what waits for what.
//!
//! ```text
//!   accept(..)   a permit for the session         poll -> Bound, Waits
//!   take(..)     a permit for the call, the operation, a permit for an instance, the instance's turn
//!                                                 poll -> Dispatch, Refuse, Waits
//!   returned(..) the turn, the instance and the permits go to who waits
//!   ended(..)    the client sends no more         poll -> Close
//!   closed(..)   the channel is gone: so are its permits
//! ```
//!
//! Each channel has a pump that holds at most one message. While that message waits, the channel's next one is not taken:
//! that is how WCF lets a session wait, and why what waits needs no room of its own. In the same way a listener does not
//! accept while a session that it accepted waits for its permit.
//!
//! The order in which a message asks is WCF's: terminated channel, call, operation, instance, turn.

use super::list::{Links, List};
use super::modes::{ConcurrencyMode, HostSettings};
use super::notices::Notices;
use super::{Called, DispatchFault};
use crate::store::{Arena, Key, Store};
use crate::throttle::{
    Asked, Granted, PermitKey, Pressure, Released, ServiceThrottle, Throttle, ThrottleError, ThrottleEvent,
    ThrottleSettings,
};
use crate::time::{Deadline, Instant};
use heapless::Vec;

/// How many listeners one host may have: one for each endpoint's address and binding.
pub const LISTENERS: usize = 8;

/// A channel of the service: a session, or the one channel of a listener without sessions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChannelId(pub(super) Key);

/// A call under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub(super) Key);

/// An instance of the service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InstanceId(pub(super) Key);

impl ChannelId {
    /// The channel that holds a permit, by the number that the throttle knows.
    pub const fn of_holder(holder: u64) -> Option<Self> {
        match Key::from_bits(holder) {
            Some(key) => Some(Self(key)),
            None => None,
        }
    }
}

/// One of a host's listeners, below [`LISTENERS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Listener(pub u8);

/// A message that a channel's pump takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request<M> {
    /// The caller's name for it.
    pub message: M,
    /// What it calls; `None` for an action that is not in the contract.
    pub called: Option<Called>,
    /// Is every header block understood that must be? If not, it is refused once it is its turn to run.
    pub understood: bool,
}

/// Why a channel ends without its client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AbortReason {
    /// No message came for the receive timeout.
    Idle,
    /// The client did not close within the close timeout, after a terminating operation.
    NotClosed,
}

/// How an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// With a reply, with a fault that it declares, or without either.
    Handled,
    /// In a way that it does not declare: the client gets InternalServiceFault, and its session is closed.
    Unhandled,
}

/// What the host wants to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "an action that is not carried out is lost"]
pub enum HostAction<M> {
    /// A channel's first message suits the contract: from now on it is the application's.
    Bound(ChannelId),
    /// Run this call.
    Dispatch(Dispatch<M>),
    /// Answer with this fault, and do not run it.
    Refuse {
        /// Its channel.
        channel: ChannelId,
        /// The message.
        message: M,
        /// Does it wait for an answer?
        two_way: bool,
        /// Why.
        fault: DispatchFault,
    },
    /// A call that had called out has its turn again.
    Resume(CallId),
    /// Close this channel in good order, and say when it is [closed](ServiceHost::closed).
    Close(ChannelId),
    /// Abort this channel, and say when it is [closed](ServiceHost::closed).
    Abort(ChannelId, AbortReason),
    /// This channel, or its message, has to wait for a permit: told once for each.
    Waits(ChannelId, Pressure),
    /// A limit was reached, has eased, or somebody was refused for it.
    Throttle(ThrottleEvent),
    /// Nothing to do before this time, or before something is told. The last of a drain.
    Wait(Deadline),
}

/// A call to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dispatch<M> {
    /// Its name, for [`ServiceHost::returned`].
    pub call: CallId,
    /// Its channel.
    pub channel: ChannelId,
    /// The instance to run it in.
    pub instance: InstanceId,
    /// Is that instance to be made first?
    pub new_instance: bool,
    /// What it calls.
    pub called: Called,
    /// The message.
    pub message: M,
}

/// Why the host refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostRefused {
    /// There is no such channel or call (any more).
    Unknown,
    /// Another session that this listener accepted waits for its permit, or there is no room for one more.
    NotAccepting,
    /// The channel waits for its permit, is about to end, or holds a message already.
    PumpStopped,
    /// Sessions would have to wait, and the settings say that nobody waits.
    Busy(Pressure),
    /// The contract has no such action, and whoever protects messages has refused it: see
    /// [`ServiceEndpoint::looked`](crate::session::ServiceEndpoint::looked).
    UnknownAction,
    /// More listeners than [`LISTENERS`].
    Listener,
}

/// What went with a channel, or with a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gone<M> {
    /// The message that the pump held.
    pub message: Option<M>,
    /// The instance that is let go.
    pub instance: Option<InstanceId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    /// Without a session: no permit is needed.
    Free,
    Waits(PermitKey),
    Has(PermitKey),
}

/// Where the message stands that a pump holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    WaitsCall(PermitKey),
    WaitsInstance { call: PermitKey, instance: PermitKey },
    WaitsTurn { call: PermitKey, instance: Key },
    Ready { call: PermitKey, instance: Key },
    Refused { call: Option<PermitKey>, fault: DispatchFault },
}

impl Stage {
    pub(super) const fn throttle(self) -> Option<Throttle> {
        match self {
            Self::WaitsCall(_) => Some(Throttle::Calls),
            Self::WaitsInstance { .. } => Some(Throttle::Instances),
            Self::WaitsTurn { .. } | Self::Ready { .. } | Self::Refused { .. } => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    Close,
    Abort(AbortReason),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Channel<M> {
    pub(super) listener: Listener,
    pub(super) owner: u64,
    /// Does the service see a session?
    pub(super) session: bool,
    pub(super) admission: Admission,
    pub(super) pump: Option<(Request<M>, Stage)>,
    pub(super) bound: bool,
    pub(super) instance: Option<Key>,
    pub(super) calls: u32,
    /// When it was admitted, or its last message was taken.
    pub(super) active: Instant,
    /// A terminating operation was called.
    pub(super) terminated: bool,
    /// When its reply was given.
    pub(super) terminated_at: Instant,
    /// The client sends no more.
    pub(super) ended: bool,
    pub(super) ending: Option<Ending>,
    pub(super) told_ending: bool,
    pub(super) told_bound: bool,
    /// The throttle that this channel, or the message in its pump, was last told to wait for.
    pub(super) told_waits: Option<Throttle>,
    pub(super) attention: Links,
    pub(super) idle: Links,
    pub(super) terminating: Links,
    pub(super) turn: Links,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Instance {
    pub(super) permit: PermitKey,
    /// A call was dispatched to it, so that the application knows it.
    pub(super) made: bool,
    /// Does it end with its call?
    pub(super) per_call: bool,
    /// Does it end with its last call, as its channel is gone?
    pub(super) gone: bool,
    /// Calls that were given it, and messages that wait for their turn.
    pub(super) users: u32,
    /// Somebody has the turn.
    pub(super) busy: bool,
    /// Channels whose message waits for the turn.
    pub(super) turns: List,
    /// Calls that called out, and want the turn back.
    pub(super) back: List,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Call {
    pub(super) channel: Key,
    pub(super) permit: PermitKey,
    pub(super) instance: Key,
    pub(super) terminating: bool,
    /// It has the turn of its instance.
    pub(super) has_turn: bool,
    pub(super) back: Links,
    pub(super) resumed: Links,
}

/// The tables of a host, and how large each is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostTables<S> {
    /// Channels: sessions that are accepted, and one for each listener without sessions.
    pub channels: S,
    /// Calls under way. A throttle that lets more run is held to this.
    pub calls: S,
    /// Instances. A throttle that allows more is held to this.
    pub instances: S,
    /// Permits of each throttle, held and waited for: as many as the largest limit, and the channels.
    pub permits: S,
}

/// Decides for one service host, for all its listeners. `M` is the caller's name for a message that it keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceHost<M, S: Store> {
    pub(super) settings: HostSettings,
    pub(super) throttle: ServiceThrottle<S>,
    pub(super) channels: Arena<Channel<M>, S>,
    pub(super) calls: Arena<Call, S>,
    pub(super) instances: Arena<Instance, S>,
    /// The one instance of [`InstanceContextMode::Single`](super::InstanceContextMode::Single).
    pub(super) single: Option<Key>,
    /// The session of each listener that waits for its permit.
    pub(super) stuck: Vec<Option<Key>, LISTENERS>,
    pub(super) notices: Notices,
    pub(super) attention: List,
    pub(super) resumed: List,
    /// Channels with a permit, by their last message: the first is idle longest.
    pub(super) idle: List,
    pub(super) terminating: List,
}

pub(super) fn attention<M>(channel: &mut Channel<M>) -> &mut Links {
    &mut channel.attention
}

fn idle<M>(channel: &mut Channel<M>) -> &mut Links {
    &mut channel.idle
}

fn terminating<M>(channel: &mut Channel<M>) -> &mut Links {
    &mut channel.terminating
}

pub(super) fn turn<M>(channel: &mut Channel<M>) -> &mut Links {
    &mut channel.turn
}

pub(super) fn back(call: &mut Call) -> &mut Links {
    &mut call.back
}

pub(super) fn resumed(call: &mut Call) -> &mut Links {
    &mut call.resumed
}

impl<M, S: Store> ServiceHost<M, S> {
    /// A host without channels. Limits that are larger than the tables of calls and instances are held to these.
    ///
    /// # Errors
    /// [`ThrottleError`]: a limit that is 0, or larger than the table of permits.
    pub fn new(
        settings: HostSettings,
        throttle: ThrottleSettings,
        tables: HostTables<S>,
    ) -> Result<Self, ThrottleError> {
        let HostTables { channels, calls, instances, permits } = tables;
        let (channels, calls) = (Arena::new(channels), Arena::<Call, S>::new(calls));
        let instances = Arena::<Instance, S>::new(instances);
        let throttle = ThrottleSettings {
            max_concurrent_calls: throttle.max_concurrent_calls.min(calls.capacity()),
            max_concurrent_sessions: throttle.max_concurrent_sessions,
            max_concurrent_instances: Some(throttle.limit(Throttle::Instances).min(instances.capacity())),
        };
        let mut stuck = Vec::new();
        while stuck.push(None).is_ok() {}
        Ok(Self {
            settings,
            throttle: ServiceThrottle::new(&throttle, |_| permits.clone())?,
            channels,
            calls,
            instances,
            single: None,
            stuck,
            notices: Notices::default(),
            attention: List::default(),
            resumed: List::default(),
            idle: List::default(),
            terminating: List::default(),
        })
    }

    /// The settings.
    pub const fn settings(&self) -> &HostSettings {
        &self.settings
    }

    /// How a throttle stands.
    pub fn pressure(&self, throttle: Throttle, now: Instant) -> Pressure {
        self.throttle.pressure(now, throttle)
    }

    /// How many channels there are, those that wait for their permit included.
    pub fn channels(&self) -> u32 {
        self.channels.len()
    }

    /// How many calls are under way.
    pub fn calls(&self) -> u32 {
        self.calls.len()
    }

    /// How many instances there are.
    pub fn instances(&self) -> u32 {
        self.instances.len()
    }

    /// The caller's name for a channel, as it was given to [`accept`](Self::accept).
    pub fn owner(&self, channel: ChannelId) -> Option<u64> {
        self.channels.get(channel.0).map(|channel| channel.owner)
    }

    /// Would a session that is accepted now have to wait?
    pub fn session_would_wait(&self, now: Instant) -> bool {
        let pressure = self.throttle.pressure(now, Throttle::Sessions);
        pressure.used >= pressure.limit
    }

    /// May this listener accept a session now?
    pub fn may_accept(&self, listener: Listener) -> bool {
        !self.channels.is_full() && matches!(self.stuck.get(usize::from(listener.0)), Some(None))
    }

    /// Accepts a session, or opens the channel of a listener without sessions. `owner` is the caller's name for it;
    /// `permit` says whether the binding makes sessions, each of which needs a permit; `session` whether the service sees them.
    ///
    /// # Errors
    /// [`HostRefused::NotAccepting`], [`HostRefused::Busy`], [`HostRefused::Listener`]. Nothing has changed.
    pub fn accept(
        &mut self,
        now: Instant,
        listener: Listener,
        owner: u64,
        permit: bool,
        session: bool,
    ) -> Result<ChannelId, HostRefused> {
        if usize::from(listener.0) >= LISTENERS {
            return Err(HostRefused::Listener);
        }
        if !self.may_accept(listener) {
            return Err(HostRefused::NotAccepting);
        }
        if permit {
            // Seen before anything changes: to insert and to remove would leave a trace.
            let pressure = self.throttle.pressure(now, Throttle::Sessions);
            if self.settings.refuse_when_busy && pressure.used >= pressure.limit {
                return Err(HostRefused::Busy(pressure));
            }
            if pressure.used.saturating_add(pressure.waiting) >= pressure.capacity {
                return Err(HostRefused::NotAccepting);
            }
        }
        let channel = Channel {
            listener,
            owner,
            session,
            admission: Admission::Free,
            pump: None,
            bound: false,
            instance: None,
            calls: 0,
            active: now,
            terminated: false,
            terminated_at: now,
            ended: false,
            ending: None,
            told_ending: false,
            told_bound: false,
            told_waits: None,
            attention: Links::default(),
            idle: Links::default(),
            terminating: Links::default(),
            turn: Links::default(),
        };
        let key = self.channels.insert(channel).ok_or(HostRefused::NotAccepting)?;
        if !permit {
            return Ok(ChannelId(key));
        }
        match self.ask(now, Throttle::Sessions, key) {
            Asked::Granted(permit) => self.admit(now, key, permit),
            Asked::Waits { key: permit, .. } => {
                self.change(key, |channel| channel.admission = Admission::Waits(permit));
                if let Some(stuck) = self.stuck.get_mut(usize::from(listener.0)) {
                    *stuck = Some(key);
                }
                self.attend(key);
            }
            Asked::Full(_) => {
                self.channels.remove(key);
                return Err(HostRefused::NotAccepting);
            }
        }
        Ok(ChannelId(key))
    }

    /// Has this channel its permit?
    pub fn is_open(&self, channel: ChannelId) -> bool {
        let channel = self.channels.get(channel.0);
        channel.is_some_and(|channel| !matches!(channel.admission, Admission::Waits(_)))
    }

    /// May the next message of this channel be taken? Not while one waits in its pump and, on a session with
    /// [`ConcurrencyMode::Single`], not while one runs.
    pub fn may_take(&self, channel: ChannelId) -> bool {
        self.channels.get(channel.0).is_some_and(|channel| {
            let stopped = channel.pump.is_some() || channel.ended || channel.ending.is_some();
            // One call after the other: until one has returned WCF does not even receive the next of its session, which
            // holds no permit then, and waits below, as the acknowledgements of a reliable session tell.
            let one_by_one = channel.session && self.settings.concurrency == ConcurrencyMode::Single;
            let busy = one_by_one && channel.calls != 0;
            !stopped && !busy && !matches!(channel.admission, Admission::Waits(_))
        })
    }

    /// The client of this channel sends no more, and all that it sent was taken: it is closed once nothing of it runs.
    ///
    /// # Errors
    /// [`HostRefused::Unknown`].
    pub fn ended(&mut self, channel: ChannelId) -> Result<(), HostRefused> {
        let known = self.channels.get_mut(channel.0).ok_or(HostRefused::Unknown)?;
        known.ended = true;
        self.close_if_done(channel.0);
        Ok(())
    }

    /// Closes every session in good order: once the calls that were received have returned; no more are taken. Those that wait
    /// for their permit are given up.
    pub fn close_all(&mut self) {
        while let Some(key) = self.idle.first() {
            self.idle.remove(&mut self.channels, key, idle);
            self.change(key, |channel| channel.ended = true);
            self.close_if_done(key);
        }
        // They stay in the way of their listener until they are closed.
        for listener in 0..LISTENERS {
            if let Some(key) = self.stuck.get(listener).copied().flatten() {
                self.end(key, Ending::Close);
            }
        }
    }

    /// The channel is gone: closed, aborted or broken. Its permits go to who waits for them.
    ///
    /// # Errors
    /// [`HostRefused::Unknown`].
    pub fn closed(&mut self, now: Instant, channel: ChannelId) -> Result<Gone<M>, HostRefused> {
        let key = channel.0;
        if !self.channels.contains(key) {
            return Err(HostRefused::Unknown);
        }
        self.attention.remove(&mut self.channels, key, attention);
        self.idle.remove(&mut self.channels, key, idle);
        self.terminating.remove(&mut self.channels, key, terminating);
        let message = self.empty_pump(now, key);
        let Some(channel) = self.channels.remove(key) else { return Err(HostRefused::Unknown) };
        match channel.admission {
            Admission::Free => {}
            Admission::Waits(permit) => {
                if let Some(stuck) = self.stuck.get_mut(usize::from(channel.listener.0)) {
                    *stuck = None;
                }
                self.let_go(now, permit);
            }
            Admission::Has(permit) => self.let_go(now, permit),
        }
        let instance = channel.instance.and_then(|instance| {
            if let Some(known) = self.instances.get_mut(instance) {
                known.gone = true;
            }
            self.dispose_if_unused(now, instance)
        });
        Ok(Gone { message, instance })
    }

    /// Takes the message out of a pump that has not given it to the application yet, and what it holds with it.
    fn empty_pump(&mut self, now: Instant, key: Key) -> Option<M> {
        let (request, stage) = self.channels.get_mut(key)?.pump.take()?;
        match stage {
            Stage::WaitsCall(call) => self.let_go(now, call),
            Stage::WaitsInstance { call, instance } => {
                self.let_go(now, instance);
                self.let_go(now, call);
            }
            Stage::WaitsTurn { call, instance } => {
                if let Some(known) = self.instances.get_mut(instance) {
                    known.turns.remove(&mut self.channels, key, turn);
                    known.users = known.users.saturating_sub(1);
                }
                self.let_go(now, call);
            }
            Stage::Ready { call, instance, .. } => {
                if let Some(known) = self.instances.get_mut(instance) {
                    known.users = known.users.saturating_sub(1);
                }
                self.pass_turn(instance);
                let _ = self.dispose_if_unused(now, instance);
                self.let_go(now, call);
            }
            Stage::Refused { call, .. } => {
                if let Some(call) = call {
                    self.let_go(now, call);
                }
            }
        }
        Some(request.message)
    }

    /// Asks for a permit in the name of a channel. Where nobody waits, there is no room for who would have to.
    pub(super) fn ask(&mut self, now: Instant, throttle: Throttle, key: Key) -> Asked {
        let nobody_waits = self.settings.refuse_when_busy.then(|| self.throttle.pressure(now, throttle));
        let asked = match nobody_waits.filter(|pressure| pressure.used >= pressure.limit) {
            Some(pressure) => Asked::Full(pressure),
            None => self.throttle.ask(now, throttle, key.to_bits()),
        };
        for event in asked.events() {
            self.notices.note(event);
        }
        asked
    }

    /// Gives a permit back, or leaves the queue for it; who has waited longest gets it.
    pub(super) fn let_go(&mut self, now: Instant, permit: PermitKey) {
        let mut released = self.throttle.withdraw(now, permit);
        loop {
            if let Some(event) = released.event() {
                self.notices.note(event);
            }
            let Released::Handed(Granted { key, holder }) = released else { return };
            match Key::from_bits(holder).filter(|channel| self.channels.contains(*channel)) {
                Some(channel) => return self.granted(now, channel, key),
                // Whoever it was is gone: the next one.
                None => released = self.throttle.withdraw(now, key),
            }
        }
    }

    fn granted(&mut self, now: Instant, channel: Key, permit: PermitKey) {
        match permit.throttle() {
            Throttle::Sessions => self.admit(now, channel, permit),
            Throttle::Calls => self.has_call(now, channel, permit),
            Throttle::Instances => self.has_instance_permit(channel, permit),
        }
    }

    fn admit(&mut self, now: Instant, key: Key, permit: PermitKey) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        (channel.admission, channel.active) = (Admission::Has(permit), now);
        // Who is about to end is not idle: it would be due for ever.
        let ending = channel.ending.is_some();
        let listener = usize::from(channel.listener.0);
        if let Some(stuck) = self.stuck.get_mut(listener).filter(|stuck| **stuck == Some(key)) {
            *stuck = None;
        }
        if !ending {
            self.idle.push(&mut self.channels, key, idle);
        }
    }

    /// Something came in on this channel.
    pub(super) fn touch(&mut self, now: Instant, key: Key) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        channel.active = now;
        if channel.idle.linked() {
            // All have one timeout: who was active last is due last.
            self.idle.remove(&mut self.channels, key, idle);
            self.idle.push(&mut self.channels, key, idle);
        }
    }

    pub(super) fn change(&mut self, key: Key, change: impl FnOnce(&mut Channel<M>)) {
        if let Some(channel) = self.channels.get_mut(key) {
            change(channel);
        }
    }

    /// The next poll looks at this channel.
    pub(super) fn attend(&mut self, key: Key) {
        self.attention.push(&mut self.channels, key, attention);
    }

    /// A call has its turn again.
    pub(super) fn resume(&mut self, call: Key) {
        self.resumed.push(&mut self.calls, call, resumed);
    }

    /// The reply of a terminating operation was given: the client has the close timeout to close.
    pub(super) fn await_close(&mut self, now: Instant, key: Key) {
        let Some(channel) = self.channels.get_mut(key).filter(|channel| channel.ending.is_none()) else { return };
        channel.terminated_at = now;
        if self.settings.close_timeout.is_some() {
            self.terminating.push(&mut self.channels, key, terminating);
        }
    }

    /// This channel is to end. The first word stands.
    pub(super) fn end(&mut self, key: Key, ending: Ending) {
        // Whatever comes of it, its timers are off: poll would see them due again and again.
        self.idle.remove(&mut self.channels, key, idle);
        self.terminating.remove(&mut self.channels, key, terminating);
        let Some(channel) = self.channels.get_mut(key).filter(|channel| channel.ending.is_none()) else { return };
        channel.ending = Some(ending);
        self.attend(key);
    }

    pub(super) fn close_if_done(&mut self, key: Key) {
        let done = |channel: &Channel<M>| channel.ended && channel.calls == 0 && channel.pump.is_none();
        if self.channels.get(key).is_some_and(done) {
            self.end(key, Ending::Close);
        }
    }

    pub(super) fn not_resumed(&mut self, call: Key) {
        self.resumed.remove(&mut self.calls, call, resumed);
    }
}
