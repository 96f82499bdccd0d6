//! What carries a server's bytes and time. It asks the endpoints and the host, and does what they say.
//!
//! Locks are taken in this order: a shard's, the host's, the door's. No lock is held while a service runs.

use super::heap::Heap;
use super::layer::Heard;
use super::service::{Answer, Call, Service, SessionId};
use super::shard::{Due, Held, Shard, State};
use super::telemetry::{self, RunningCall, ThrottleGauges};
use crate::Runtime;
use crate::body::{marked_block, standalone};
use crate::clock::Clock;
use crate::group::Group;
use crate::http::{HttpRequest, HttpResponse};
use crate::letter::Letter;
use crate::observe::{Seen, Watched, Way};
use bytes::{Bytes, BytesMut};
use event_listener::{Event, EventListener};
use futures_channel::oneshot;
use futures_lite::future::or;
use soap_session_core::door::{Census, Door, Entry, NameSlot, Outcome, Route, Router, ShardBooks};
use soap_session_core::exchange::Exchange;
use soap_session_core::secure::{Credentials, Misuse};
use soap_session_core::service::{
    AbortReason, CATCH_ALL, CallId, Called, Dispatch, DispatchFault, HostAction, HostRefused, InstanceId, Listener,
    ServiceHost,
};
use soap_session_core::session::{
    CallAnswer, Delivered, Disposed, Kept, LayerAction, LayerHeard, Order, Owner, ServiceLayer,
};
use soap_session_core::soap::SoapVersion;
use soap_session_core::soap::fault::QName;
use soap_session_core::throttle::{Pressure, Throttle};
use soap_session_core::time::{Deadline, Instant};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tracing::Instrument;

/// An instance of the service, once its first call has made it.
type Instance<S> = Arc<OnceLock<<S as Service>::Instance>>;

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

/// What became of a request at first.
enum TakenIn {
    /// Its answer will come, from this shard.
    Taken(u16, oneshot::Receiver<HttpResponse>),
    /// There is no room; nothing has changed. To be tried again then.
    Later(u16, EventListener),
    /// It seems to have overtaken another one; nothing has changed. To be tried again when one has been taken in, and soon
    /// anyway.
    Early(EventListener),
    Refused(HttpResponse),
}

impl TakenIn {
    /// Where it is, or waits.
    const fn shard(&self) -> Option<u16> {
        match self {
            Self::Taken(shard, _) | Self::Later(shard, _) => Some(*shard),
            Self::Early(_) | Self::Refused(_) => None,
        }
    }
}

/// What is to run in a task of its own. It begins when no lock is held: a runtime that is being shut down drops it at once, and
/// what then drops takes locks.
enum Job<R: Runtime, S: Service> {
    Run(UnderWay<R, S>, Instance<S>, Call),
    /// Its message is gone, and the host is told so.
    Fail(UnderWay<R, S>),
    Dispose(Instance<S>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R: Runtime, S: Service> Shared<R, S> {
    pub(super) fn now(&self) -> Instant {
        self.clock.now(&self.runtime)
    }

    /// Answers a POST.
    pub(super) async fn exchange(self: Arc<Self>, request: HttpRequest) -> HttpResponse {
        let exchange = Exchange(self.next_exchange.fetch_add(1, Ordering::Relaxed));
        telemetry::request_received(exchange, &request);
        let mut seen = self.observer.passed(Way::Received, None, &request.body, exchange);
        let HttpRequest { action, body, .. } = request;
        // It is decrypted where it lies.
        let mut message = body.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
        let (mut waited_at, mut late) = (None, None);
        let response = loop {
            let waits = !self.reorder_wait.is_zero() && late.is_none_or(|late| self.runtime.now() < late);
            let taken = self.take_in(exchange, action.as_deref(), &mut message, &mut seen, waits);
            if let Some(room) = waited_at.take().filter(|waited_at| taken.shard() != Some(*waited_at)) {
                // The room that it was woken for is for the next.
                self.shards[usize::from(room)].state().room.notify_additional(1);
            }
            match taken {
                TakenIn::Taken(shard, answered) => {
                    let _gone = Gone { shared: &self, shard, exchange };
                    break answered.await.ok();
                }
                // As in the queue of a listener: its client waits.
                TakenIn::Later(shard, room) => {
                    room.await;
                    waited_at = Some(shard);
                }
                TakenIn::Early(taken) => {
                    let late = *late.get_or_insert_with(|| self.runtime.now() + self.reorder_wait);
                    or(taken, self.runtime.sleep_until(late)).await;
                }
                TakenIn::Refused(response) => break Some(response),
            }
        };
        // The exchange is abandoned: HTTP has to say something, and knows no better word.
        let response = response.unwrap_or_else(|| said(500, "the service gave this exchange up"));
        telemetry::request_answered(exchange, &response);
        self.observer.passed(Way::Sent, Some(response.status), &response.body, exchange);
        response
    }

    fn take_in(
        self: &Arc<Self>,
        exchange: Exchange,
        action: Option<&str>,
        message: &mut BytesMut,
        seen: &mut Option<Seen>,
        waits: bool,
    ) -> TakenIn {
        let entry = self.entry(exchange, message);
        let number = entry.shard;
        let answered = {
            let shard = &self.shards[usize::from(number)];
            let mut state = shard.state();
            if waits && entry.reservation.is_none() && state.endpoint.layer().comes_early(message) {
                return TakenIn::Early(state.taken.listen());
            }
            let full = entry.full.or_else(|| self.stopping.load(Ordering::SeqCst).then_some(0));
            state.endpoint.layer_mut().set_full(full);
            if self.refuse_when_busy {
                // The door has judged, for all shards: the layer would count its own.
                state.endpoint.layer_mut().set_room(None);
            }
            let heard = state.endpoint.receive(self.now(), exchange, &*self.credentials, message);
            let census = state.endpoint.layer().census();
            // Those that wait will be answered, and make room.
            let later = matches!(&heard, Err(Misuse::TooManyCalls { .. })) && !state.waiting.is_empty();
            if !later {
                state.telemetry.heard(exchange, &heard, state.endpoint.layer(), [state.census, census]);
            }
            if let (Some(reservation), Some(door)) = (entry.reservation, self.door()) {
                let outcome = match &heard {
                    Ok(LayerHeard::Other(heard)) => heard.outcome(),
                    Ok(LayerHeard::Message(_)) | Err(_) => Outcome::Refused,
                };
                lock(door).settle(reservation, outcome, census);
                state.census = census;
            }
            if later {
                return TakenIn::Later(number, state.room.listen());
            }
            let message = std::mem::take(message).freeze();
            if let Some(seen) = seen.as_mut().filter(|_| opens(&heard)) {
                seen.opened(&message);
            }
            match heard {
                Ok(LayerHeard::Message(Delivered { kept, message: place, two_way })) => {
                    let told = String::from_utf8_lossy(place.action.of(&message)).into_owned();
                    let action = if told.is_empty() { action.unwrap_or_default().to_owned() } else { told };
                    let body = standalone(&message, place.body, &place.body_scope);
                    // Services see bodies, and understand no header.
                    let block = marked_block(&place, &message);
                    state.kept.insert(kept, Held { action, body, two_way, block });
                    state.taken.notify(usize::MAX);
                }
                Ok(LayerHeard::Other(_)) => {}
                Err(misuse) => return TakenIn::Refused(said(503, misuse.to_string())),
            }
            let (tell, answered) = oneshot::channel();
            state.waiting.insert(exchange, tell);
            answered
        };
        self.observer.opened(seen.take());
        self.run(number);
        TakenIn::Taken(number, answered)
    }

    fn door(&self) -> Option<&Mutex<Door<Vec<ShardBooks>, Vec<NameSlot>>>> {
        self.gate.as_ref().and_then(|gate| gate.door.as_ref())
    }

    /// Where a message belongs.
    fn entry(&self, exchange: Exchange, message: &[u8]) -> Entry {
        let Some(gate) = &self.gate else {
            let shards = u32::try_from(self.shards.len()).unwrap_or(1);
            return Entry::at(u16::try_from(exchange.0 % shards).unwrap_or(0));
        };
        match (gate.router.route(message), &gate.door) {
            (Route::Shard { shard, opens: None }, _) => Entry::at(shard),
            (route, Some(door)) if self.refuse_when_busy => {
                // Both locks at once: what was accepted is no longer pending by then, and no permit is counted twice.
                let host = lock(&self.host);
                let pressure = host.host.pressure(Throttle::Sessions, self.now());
                lock(door).admit_within(route, None, pressure.limit.saturating_sub(pressure.used))
            }
            (route, Some(door)) => lock(door).admit(route, None),
            (Route::Shard { shard, .. }, None) => Entry::at(shard),
            (Route::New(opening), None) => Entry::at(opening.home()),
            (Route::Unknown(stranger), None) => Entry::at(stranger.home()),
        }
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

    /// What a message calls. The catch-all operation is answered if its message asks for it.
    fn called(&self, held: &Held) -> Option<Called> {
        let contract = self.service.contract();
        let called = contract.called(held.action.as_bytes())?;
        let any = contract
            .operations
            .get(usize::from(called.operation))
            .is_some_and(|operation| operation.action == CATCH_ALL);
        Some(if any { Called { two_way: held.two_way, ..called } } else { called })
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

    fn dispatch(
        self: &Arc<Self>,
        number: u16,
        state: &mut State,
        host: &mut HostState<S>,
        dispatch: Dispatch<Kept>,
    ) -> Job<R, S> {
        let Dispatch { call, instance, called, message: kept, .. } = dispatch;
        let instance = Arc::clone(host.instances.entry(instance).or_default());
        // Told when it was bound, if the service sees sessions.
        let session = state.sessions.get(&kept.owner).cloned().flatten();
        let held = state.kept.get(&kept);
        let told = state.telemetry.called(kept, called.two_way, held.map(|held| &*held.action));
        let under_way = UnderWay { shared: Arc::clone(self), number, call, kept, answered: false, told };
        match state.kept.remove(&kept) {
            Some(Held { action, body, .. }) => {
                let call = Call { session, operation: called.operation, action, body, two_way: called.two_way };
                Job::Run(under_way, instance, call)
            }
            // It is gone with its session.
            None => Job::Fail(under_way),
        }
    }

    fn begin(self: &Arc<Self>, job: Job<R, S>) {
        match job {
            Job::Run(mut under_way, instance, request) => {
                let span = under_way.told.span();
                let run = async move {
                    let service = &under_way.shared.service;
                    let made = instance.get_or_init(|| service.instance(request.session.as_ref()));
                    let answer = service.call(made, request).await;
                    under_way.answer(answer);
                };
                self.calls.spawn(&self.runtime, |_| run.instrument(span));
            }
            Job::Fail(under_way) => self.calls.spawn(&self.runtime, |_| async move { drop(under_way) }),
            // The service hears of it in a task, without locks.
            Job::Dispose(instance) => {
                let shared = Arc::clone(self);
                self.calls.spawn(&self.runtime, |_| async move {
                    if let Some(instance) = instance.get() {
                        shared.service.disposed(instance);
                    }
                });
            }
        }
    }

    fn answered(self: &Arc<Self>, number: u16, call: CallId, kept: Kept, answer: Answer) {
        let Some(shard) = self.shards.get(usize::from(number)) else { return };
        let disposed = {
            let mut guard = shard.state();
            let state = &mut *guard;
            let answer = match answer {
                Answer::Reply { action, body } => CallAnswer::Reply(Letter::reply(action, body, false)),
                Answer::RawFault { action, body } => CallAnswer::Reply(Letter::reply(action, body, true)),
                Answer::Fault(fault) => {
                    let (action, body) = fault.write(&state.endpoint.layer().wording());
                    CallAnswer::Reply(Letter::reply(action, body, true))
                }
                Answer::Nothing => CallAnswer::Nothing,
                Answer::Unhandled => CallAnswer::Unhandled,
            };
            let mut guard = lock(&self.host);
            let host = &mut *guard;
            let gone = state.endpoint.answered(self.now(), &mut host.host, call, kept, answer);
            gone.ok().and_then(|Disposed(instance)| disposed(host, instance))
        };
        disposed.into_iter().for_each(|job| self.begin(job));
        self.run(number);
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

    fn exchange_ended(self: &Arc<Self>, number: u16, exchange: Exchange) {
        let Some(shard) = self.shards.get(usize::from(number)) else { return };
        {
            let mut state = shard.state();
            if state.no_longer_waits(exchange).is_none() {
                return;
            }
            state.endpoint.exchange_failed(exchange);
        }
        telemetry::given_up(exchange);
        self.run(number);
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

/// Was it opened whole?
const fn opens<E>(heard: &Result<LayerHeard<Heard>, E>) -> bool {
    match heard {
        Ok(LayerHeard::Message(_)) => true,
        Ok(LayerHeard::Other(heard)) => !heard.refused(),
        Err(_) => false,
    }
}

/// Lets go of an instance.
fn disposed<R: Runtime, S: Service>(host: &mut HostState<S>, instance: Option<InstanceId>) -> Option<Job<R, S>> {
    host.instances.remove(&instance?).map(Job::Dispose)
}

/// An answer that is no SOAP.
fn said(status: u16, text: impl Into<Bytes>) -> HttpResponse {
    HttpResponse { status, content_type: Some("text/plain; charset=utf-8".to_owned()), body: text.into() }
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

/// Tells the endpoint when an exchange ends before its answer: its client went away.
struct Gone<'s, R: Runtime, S: Service> {
    shared: &'s Arc<Shared<R, S>>,
    shard: u16,
    exchange: Exchange,
}

impl<R: Runtime, S: Service> Drop for Gone<'_, R, S> {
    fn drop(&mut self) {
        self.shared.exchange_ended(self.shard, self.exchange);
    }
}

/// A call that runs. If it is dropped without an answer, by a panic or at the end of everything, it has failed.
struct UnderWay<R: Runtime, S: Service> {
    shared: Arc<Shared<R, S>>,
    number: u16,
    call: CallId,
    kept: Kept,
    answered: bool,
    told: RunningCall,
}

impl<R: Runtime, S: Service> UnderWay<R, S> {
    fn answer(&mut self, answer: Answer) {
        self.answered = true;
        self.told.answered(&answer);
        self.shared.answered(self.number, self.call, self.kept, answer);
    }
}

impl<R: Runtime, S: Service> Drop for UnderWay<R, S> {
    fn drop(&mut self) {
        if !self.answered {
            self.answer(Answer::Unhandled);
        }
    }
}
