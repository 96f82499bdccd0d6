//! A service with a state for each session, in one line.

use super::service::{ANY, Answer, Call, Service, SessionId};
use soap_session_core::service::{Contract, SessionMode};
use std::fmt;
use std::future::Future;
use std::sync::Arc;

const CONTRACT: Contract<'static> =
    Contract { name: "AnySession", session_mode: SessionMode::Required, callbacks: false, operations: ANY };

/// A service of two functions, which takes every action: [`session_fn`] makes it.
pub struct SessionFn<N, F> {
    instance: N,
    call: F,
}

/// A service that has a state for each session: `instance` makes it when the session's first call comes, and `call` is given it
/// with every call of that session. Only a binding that makes sessions can carry it.
///
/// ```
/// use soap_session_driver::{Answer, Call, session_fn};
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::sync::Arc;
/// let counter = session_fn(AtomicU32::default, |count: Arc<AtomicU32>, call: Call| async move {
///     let count = count.fetch_add(1, Ordering::SeqCst) + 1;
///     Answer::reply(format!("{}Response", call.action), format!("<Count xmlns=\"urn:counter\">{count}</Count>"))
/// });
/// # let _ = counter;
/// ```
pub const fn session_fn<I, N, F, A>(instance: N, call: F) -> SessionFn<N, F>
where
    I: Send + Sync + 'static,
    N: Fn() -> I + Send + Sync + 'static,
    F: Fn(Arc<I>, Call) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    SessionFn { instance, call }
}

impl<I, N, F, A> Service for SessionFn<N, F>
where
    I: Send + Sync + 'static,
    N: Fn() -> I + Send + Sync + 'static,
    F: Fn(Arc<I>, Call) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    type Instance = Arc<I>;

    fn contract(&self) -> &Contract<'_> {
        &CONTRACT
    }

    fn instance(&self, _: Option<&SessionId>) -> Arc<I> {
        Arc::new((self.instance)())
    }

    fn call(&self, instance: &Arc<I>, call: Call) -> impl Future<Output = Answer> + Send {
        (self.call)(Arc::clone(instance), call)
    }
}

impl<N, F> fmt::Debug for SessionFn<N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionFn")
    }
}
