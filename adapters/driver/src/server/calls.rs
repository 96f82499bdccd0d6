//! How calls run: in a task of their own each, with a guard that answers for them if they do not.

use super::drive::{HostState, Shared, lock};
use super::service::{Answer, Call, Service};
use super::shard::{Held, State};
use super::telemetry::RunningCall;
use crate::Runtime;
use crate::letter::Letter;
use soap_session_core::service::{CATCH_ALL, CallId, Called, Dispatch, InstanceId};
use soap_session_core::session::{CallAnswer, Disposed, Kept, ServiceLayer};
use std::sync::{Arc, OnceLock};
use tracing::Instrument;

/// An instance of the service, once its first call has made it.
pub(super) type Instance<S> = Arc<OnceLock<<S as Service>::Instance>>;

/// What is to run in a task of its own. It begins when no lock is held: a runtime that is being shut down drops it at once, and
/// what then drops takes locks.
pub(super) enum Job<R: Runtime, S: Service> {
    Run(UnderWay<R, S>, Instance<S>, Call),
    /// Its message is gone, and the host is told so.
    Fail(UnderWay<R, S>),
    Dispose(Instance<S>),
}

impl<R: Runtime, S: Service> Shared<R, S> {
    /// What a message calls. The catch-all operation is answered if its message asks for it.
    pub(super) fn called(&self, held: &Held) -> Option<Called> {
        let contract = self.service.contract();
        let called = contract.called(held.action.as_bytes())?;
        let any = contract
            .operations
            .get(usize::from(called.operation))
            .is_some_and(|operation| operation.action == CATCH_ALL);
        Some(if any { Called { two_way: held.two_way, ..called } } else { called })
    }

    pub(super) fn dispatch(
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

    pub(super) fn begin(self: &Arc<Self>, job: Job<R, S>) {
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
}

/// Lets go of an instance.
pub(super) fn disposed<R: Runtime, S: Service>(
    host: &mut HostState<S>,
    instance: Option<InstanceId>,
) -> Option<Job<R, S>> {
    host.instances.remove(&instance?).map(Job::Dispose)
}

/// A call that runs. If it is dropped without an answer, by a panic or at the end of everything, it has failed.
pub(super) struct UnderWay<R: Runtime, S: Service> {
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
