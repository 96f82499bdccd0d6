//! What carries a server's bytes and time. It asks the endpoints and the host, and does what they say.
//!
//! Locks are taken in this order: a shard's, the host's, the door's. No lock is held while a service runs.

use super::calls::{Instance, Job, disposed};
use super::heap::Heap;
use super::service::{Service, SessionId};
use super::shard::{Due, Shard, State};
use super::telemetry::{self, ThrottleGauges};
use crate::Runtime;
use crate::clock::Clock;
use crate::group::Group;
use crate::http::HttpResponse;
use crate::observe::Watched;
use bytes::Bytes;
use event_listener::Event;
use futures_lite::future::or;
use soap_session_core::door::{Census, Door, NameSlot, Router, ShardBooks};
use soap_session_core::secure::Credentials;
use soap_session_core::service::{
    AbortReason, Dispatch, DispatchFault, HostAction, HostRefused, InstanceId, Listener, ServiceHost,
};
use soap_session_core::session::{Disposed, Kept, LayerAction, Order, Owner, ServiceLayer};
use soap_session_core::soap::SoapVersion;
use soap_session_core::soap::fault::QName;
use soap_session_core::throttle::{Pressure, Throttle};
use soap_session_core::time::{Deadline, Instant};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) struct HostState<S: Service> {
    pub(super) host: ServiceHost<Kept, Heap>,
    pub(super) instances: HashMap<InstanceId, Instance<S>>,
    pub(super) gauges: ThrottleGauges,
    /// Sessions may wait, in any shard, for the host to accept one again.
    pub(super) held_up: bool,
}

impl<S: Service> HostState<S> {
    /// Can a session be accepted that could not be before? It is told once.
    fn accepts_again(&mut self, now: Instant) -> bool {
        let accepts = self.host.may_accept(Listener(0))
            && !(self.host.settings().refuse_when_busy && self.host.session_would_wait(now));
        let again = accepts && self.held_up;
        self.held_up = !accepts;
        again
    }
}

pub(super) struct Gate {
    pub(super) router: Router,
    /// None where nothing that opens takes a seat: each message goes where its token's name leads, so that a copy of it finds the
    /// shard that knows it.
    pub(super) door: Option<Mutex<Door<Vec<ShardBooks>, Vec<NameSlot>>>>,
}

/// A server, as its tasks share it.
pub(super) struct Shared<R: Runtime, S: Service> {
    pub(super) runtime: R,
    pub(super) clock: Clock,
    pub(super) service: S,
    pub(super) credentials: Arc<dyn Credentials + Send + Sync>,
    pub(super) soap: SoapVersion,
    pub(super) shards: Vec<Shard>,
    /// Where there are sessions.
    pub(super) gate: Option<Gate>,
    pub(super) host: Mutex<HostState<S>>,
    pub(super) host_due: Due,
    pub(super) next_exchange: AtomicU32,
    /// A deadline came nearer.
    pub(super) changed: Event,
    /// Are secure conversations cancelled by their clients?
    pub(super) cancels: bool,
    /// While the server stops: something was done, and a session may be gone.
    pub(super) gone: Event,
    pub(super) stopping: AtomicBool,
    pub(super) refuse_when_busy: bool,
    pub(super) reorder_wait: Duration,
    /// Calls that run.
    pub(super) calls: Group,
    pub(super) observer: Watched,
}

/// What the host wants of a shard that is not locked now.
type Errand = (u16, Option<HostAction<Kept>>);

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R: Runtime, S: Service> Shared<R, S> {
    pub(super) fn now(&self) -> Instant {
        self.clock.now(&self.runtime)
    }

    pub(super) fn door(&self) -> Option<&Mutex<Door<Vec<ShardBooks>, Vec<NameSlot>>>> {
        self.gate.as_ref().and_then(|gate| gate.door.as_ref())
    }

    /// Carries out what a shard wants, and what the host then wants of others.
    pub(super) fn run(self: &Arc<Self>, shard: u16) {
        let mut errands: VecDeque<Errand> = VecDeque::from([(shard, None)]);
        let mut jobs = Vec::new();
        while let Some((shard, action)) = errands.pop_front() {
            self.run_one(shard, action, &mut errands, &mut jobs);
            jobs.drain(..).for_each(|job| self.begin(job));
        }
    }

    fn run_one(
        self: &Arc<Self>,
        number: u16,
        mut action: Option<HostAction<Kept>>,
        errands: &mut VecDeque<Errand>,
        jobs: &mut Vec<Job<R, S>>,
    ) {
        let Some(shard) = self.shards.get(usize::from(number)) else { return };
        let mut guard = shard.state();
        let state = &mut *guard;
        loop {
            let mut progress = false;
            // First what there is to send: the answer of a call tells what its client has room for, and the message behind it takes
            // room until it is taken, below.
            let deadline = self.send(state, &mut progress);
            let mut guard = lock(&self.host);
            let host = &mut *guard;
            let now = self.now();
            if let Some(action) = action.take()
                && let Some(order) = state.endpoint.carry_out(&host.host, action)
            {
                progress = true;
                self.obey(number, state, host, order, jobs);
            }
            // Whose permit came back is nothing that the host tells shards of, and the next of this one may take its place at once.
            let mut others = false;
            while let Some(order) = state.endpoint.offer(now, &mut host.host) {
                progress = true;
                others |= host.accepts_again(now);
                self.obey(number, state, host, order, jobs);
            }
            if self.refuse_when_busy {
                // Who was accepted has a permit now instead of a claim to one: nobody sees it without either, or with both.
                self.tell_census(number, state);
            }
            loop {
                let wanted = host.host.poll(now);
                if let HostAction::Wait(until) = wanted {
                    self.sooner(&self.host_due, until);
                    break;
                }
                progress = true;
                match shard_of(&host.host, &wanted) {
                    Some(other) if other != number => errands.push_back((other, Some(wanted))),
                    Some(_) | None => {
                        if let Some(order) = state.endpoint.carry_out(&host.host, wanted) {
                            self.obey(number, state, host, order, jobs);
                        }
                    }
                }
            }
            host.gauges.tell(&host.host, now);
            others |= host.accepts_again(now);
            if others {
                let others = (0..).take(self.shards.len()).filter(|other| *other != number);
                errands.extend(others.map(|other| (other, None)));
                progress = true;
            }
            progress |= state.endpoint.stirred();
            if !progress {
                self.sooner(shard.deadline(), deadline);
                break;
            }
        }
        self.tell_census(number, state);
        if self.stopping.load(Ordering::SeqCst) {
            self.gone.notify(usize::MAX);
        }
    }

    /// Sends what the endpoint has to send. Returns when it wants to be asked again.
    fn send(&self, state: &mut State, progress: &mut bool) -> Deadline {
        let now = self.now();
        loop {
            let State { endpoint, out, .. } = state;
            match endpoint.poll(now, &*self.credentials, out) {
                Ok(LayerAction::Answer { exchange, status, message }) => {
                    *progress = true;
                    let content_type = (!message.is_empty()).then(|| self.soap.content_type().to_owned());
                    let response = HttpResponse { status, content_type, body: Bytes::copy_from_slice(message) };
                    if let Some(tell) = state.no_longer_waits(exchange) {
                        // Its client may have gone.
                        let _ = tell.send(response);
                    }
                }
                // HTTP has no connection of the client's own.
                Ok(LayerAction::Transmit { .. }) => *progress = true,
                Ok(LayerAction::Drop(exchange)) => {
                    *progress = true;
                    state.no_longer_waits(exchange);
                }
                // The order that follows says what they mean.
                Ok(action @ (LayerAction::Ended(_) | LayerAction::Gone(..) | LayerAction::Swept(_))) => {
                    *progress = true;
                    state.telemetry.layer(&action);
                }
                Ok(LayerAction::Grow(grow)) => out.resize(grow.needed.max(2 * out.len()), 0),
                Ok(LayerAction::Wait(deadline)) => return deadline,
                // A reply of the application's that cannot be written: its exchange or session has ended, and says so.
                Err(_) => *progress = true,
            }
        }
    }

    fn obey(
        self: &Arc<Self>,
        number: u16,
        state: &mut State,
        host: &mut HostState<S>,
        order: Order,
        jobs: &mut Vec<Job<R, S>>,
    ) {
        let now = self.now();
        match order {
            Order::Look(kept) => {
                let held = state.kept.get(&kept);
                let called = held.and_then(|held| self.called(held));
                let looked = if held.is_some_and(|held| held.block.is_some()) {
                    state.endpoint.not_understood(now, &mut host.host, kept, called)
                } else {
                    state.endpoint.looked(now, &mut host.host, kept, called)
                };
                if let Err(refused) = looked {
                    let held = state.kept.remove(&kept);
                    if let (HostRefused::UnknownAction, Some(held)) = (refused, held) {
                        let fault = DispatchFault::ActionNotSupported;
                        state.telemetry.refused(kept.owner, state.endpoint.layer(), &held.action, fault);
                    }
                }
            }
            Order::Run(dispatch) => jobs.push(self.dispatch(number, state, host, dispatch)),
            Order::Refused(kept, fault) => self.refuse(now, state, kept, fault),
            Order::Bound(_, owner) => {
                let id = state.endpoint.session_id(owner).map(|id| SessionId(String::from_utf8_lossy(id).into()));
                state.sessions.insert(owner, id);
                state.telemetry.bound(owner, state.endpoint.layer());
            }
            Order::Gone(owner, because, Disposed(instance)) => {
                state.sessions.remove(&owner);
                state.telemetry.gone(owner, because);
                state.kept.retain(|kept, _| kept.owner != owner);
                jobs.extend(disposed(host, instance));
            }
            Order::Waits { owner, pressure, .. } => state.telemetry.waits(owner, state.endpoint.layer(), pressure),
            Order::Throttle(event) => telemetry::throttle(event),
            Order::Ending(..) | Order::Resume(_) | Order::Wait(_) => {}
        }
    }

    fn refuse(&self, now: Instant, state: &mut State, kept: Kept, fault: DispatchFault) {
        let Some(held) = state.kept.remove(&kept) else { return };
        state.telemetry.refused(kept.owner, state.endpoint.layer(), &held.action, fault);
        match (fault, &held.block) {
            (DispatchFault::MustUnderstand, Some((namespace, local))) if !local.is_empty() => {
                state.endpoint.refuse_block(now, kept, QName { namespace, local });
            }
            _ => state.endpoint.refuse(now, kept, held.action.as_bytes(), fault),
        }
    }

    fn tell_census(&self, number: u16, state: &mut State) {
        let census: Census = state.endpoint.layer().census();
        if let Some(door) = self.door()
            && census != state.census
        {
            lock(door).tell(number, census);
            state.census = census;
        }
    }

    /// Keeps a deadline, and wakes who waits for the nearest if it is nearer.
    fn sooner(&self, due: &Due, deadline: Deadline) {
        let before = due.get();
        due.set(deadline);
        if deadline < before {
            self.changed.notify(1);
        }
    }

    /// Asks whoever wants to be asked, when it does. It never ends.
    pub(super) async fn keep_time(self: Arc<Self>) {
        loop {
            let changed = self.changed.listen();
            let now = self.now();
            let host = self.host_due.get();
            for (number, shard) in (0..).zip(&self.shards) {
                if shard.deadline().get().due(now) || (number == 0 && host.due(now)) {
                    self.run(number);
                }
            }
            let deadlines = self.shards.iter().map(|shard| shard.deadline().get());
            let next = deadlines.min().unwrap_or(Deadline::Never).min(self.host_due.get());
            or(changed, self.clock.wait(&self.runtime, next)).await;
        }
    }

    /// Takes no new sessions from now on, and waits for those that there are.
    pub(super) async fn wind_up(self: &Arc<Self>) {
        self.stopping.store(true, Ordering::SeqCst);
        self.shards.iter().for_each(|shard| shard.state().endpoint.layer_mut().stop());
        loop {
            let gone = self.gone.listen();
            // The end of a reliable session is not the last word: its conversation is cancelled after it.
            let used = |shard: &Shard| self.cancels && shard.state().endpoint.layer().conversations() != 0;
            if self.sessions() == 0 && !self.shards.iter().any(used) {
                return;
            }
            gone.await;
        }
    }

    /// Aborts every session that is left, whether its first message came or not.
    pub(super) fn abort_all(self: &Arc<Self>) {
        let mut aborted = HashSet::new();
        // Whoever waited for a permit gets one when others are aborted: until nobody comes any more.
        loop {
            let before = aborted.len();
            for (number, shard) in (0..).zip(&self.shards) {
                {
                    let mut state = shard.state();
                    let owners: Vec<Owner> =
                        state.endpoint.owners().filter(|owner| *owner != Owner::Datagram).collect();
                    for owner in owners.into_iter().filter(|owner| aborted.insert((number, *owner))) {
                        state.endpoint.layer_mut().abort(owner, AbortReason::NotClosed);
                    }
                }
                self.run(number);
            }
            if aborted.len() == before {
                return;
            }
        }
    }

    pub(super) fn pressure(&self, throttle: Throttle) -> Pressure {
        lock(&self.host).host.pressure(throttle, self.now())
    }

    /// How many sessions there are whose first message has been taken.
    pub(super) fn sessions(&self) -> usize {
        let sessions =
            |shard: &Shard| shard.state().sessions.keys().filter(|owner| !matches!(owner, Owner::Datagram)).count();
        self.shards.iter().map(sessions).sum()
    }
}

/// The shard that an action of the host's is for; `None` for one that is for nobody in particular.
fn shard_of(host: &ServiceHost<Kept, Heap>, action: &HostAction<Kept>) -> Option<u16> {
    let channel = match action {
        HostAction::Bound(channel)
        | HostAction::Refuse { channel, .. }
        | HostAction::Close(channel)
        | HostAction::Abort(channel, _)
        | HostAction::Waits(channel, _)
        | HostAction::Dispatch(Dispatch { channel, .. }) => *channel,
        HostAction::Resume(_) | HostAction::Throttle(_) | HostAction::Wait(_) => return None,
    };
    host.owner(channel).map(|bits| Owner::of_bits(bits).0)
}
