//! A server that runs, and clients of it.

use crate::world::{LOCAL, client_store, eventually, run, service_store, tasks};
use async_channel::{Receiver, Sender};
use soap_session_core::lifetime::Timeouts;
use soap_session_core::secure::UserCredential;
use soap_session_driver::{
    Answer, Binding, Call, Client, ClientCredentialType, ClientOptions, Runtime, SecurityMode, Server, ServerOptions,
    Service, Watch, service_fn,
};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) fn plain() -> Binding {
    patient(Binding::ws_http())
}

pub(crate) fn reliable() -> Binding {
    patient(Binding::ws2007_http().with_reliable_session(true).unwrap())
}

pub(crate) fn unordered() -> Binding {
    patient(Binding::ws2007_http().with_reliable_session(false).unwrap())
}

pub(crate) fn secure() -> Binding {
    patient(Binding::ws_http().with_security(SecurityMode::Message, ClientCredentialType::UserName).unwrap())
}

pub(crate) fn secure_reliable() -> Binding {
    patient(secure().with_reliable_session(true).unwrap())
}

/// A minute is too long for a test, whatever goes wrong.
fn patient(mut binding: Binding) -> Binding {
    let ten = Some(Duration::from_secs(10));
    binding.timeouts = Timeouts { open: ten, close: ten, send: ten, ..binding.timeouts };
    binding
}

pub(crate) struct Stand<R: Runtime, S: Service> {
    pub(crate) runtime: R,
    pub(crate) address: SocketAddr,
    pub(crate) watch: Watch<R, S>,
    binding: Binding,
    stop: Sender<()>,
    stopped: Receiver<()>,
}

impl<R: Runtime + Default, S: Service> Stand<R, S> {
    pub(crate) async fn start(options: ServerOptions, binding: &Binding, service: S) -> Self {
        let runtime = R::default();
        let server = Server::<R, S>::bind(LOCAL, options.with_credentials(service_store()), service).await.unwrap();
        let (address, watch) = (server.local_addr().unwrap(), server.watch());
        let (stop, asked) = async_channel::bounded::<()>(1);
        let stopped = run(&runtime, async move {
            server
                .serve(async {
                    let _ = asked.recv().await;
                })
                .await;
        });
        Self { runtime, address, watch, binding: binding.clone(), stop, stopped }
    }

    pub(crate) async fn of(binding: &Binding, service: S) -> Self {
        Self::start(ServerOptions::new(binding.clone()), binding, service).await
    }

    pub(crate) fn options(&self) -> ClientOptions {
        client_options(&self.binding)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/service", self.address)
    }

    pub(crate) async fn client(&self) -> Client<R> {
        Client::<R>::connect(&self.url(), self.options()).await.unwrap()
    }

    pub(crate) fn stop(&self) {
        let _ = self.stop.try_send(());
    }

    pub(crate) async fn stopped(&self) {
        self.stopped.recv().await.unwrap();
    }

    /// Stops, and sees that nothing of server and clients runs on, though the server can still be asked.
    pub(crate) async fn end(self) {
        self.stop();
        self.stopped().await;
        assert_eq!(self.watch.sessions(), 0);
        no_task_is_left(&self.runtime).await;
    }
}

pub(crate) async fn no_task_is_left<R: Runtime>(runtime: &R) {
    let gone = eventually(runtime, Duration::from_secs(5), || tasks() == 0).await;
    assert!(gone, "{} tasks are left", tasks());
}

pub(crate) fn client_options(binding: &Binding) -> ClientOptions {
    let options = ClientOptions::new(binding.clone()).with_credentials(client_store());
    if binding.needs_user() { options.with_user(UserCredential::new("ada", "secret").unwrap()) } else { options }
}

/// How calls stand in a service.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) ran: AtomicUsize,
    pub(crate) running: AtomicUsize,
    pub(crate) most: AtomicUsize,
}

/// A call that runs.
struct Inside(Arc<Seen>);

impl Inside {
    fn enter(seen: &Arc<Seen>) -> Self {
        seen.ran.fetch_add(1, Ordering::SeqCst);
        let running = seen.running.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(running, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An echo that answers `urn:gated` only once the gate is closed for good: drop the sender.
pub(crate) fn gated(seen: &Arc<Seen>) -> (Sender<()>, impl Service<Instance = ()>) {
    let (gate, behind) = async_channel::bounded::<()>(1);
    let seen = Arc::clone(seen);
    let service = service_fn(move |call: Call| {
        let (inside, behind) = (Inside::enter(&seen), behind.clone());
        async move {
            if call.action == "urn:gated" {
                let _ = behind.recv().await;
            }
            drop(inside);
            Answer::reply(format!("{}Response", call.action), call.body)
        }
    });
    (gate, service)
}

pub(crate) fn body(text: impl std::fmt::Display) -> String {
    format!("<Echo xmlns=\"urn:echo\">{text}</Echo>")
}

/// Nothing may take longer than half a minute.
pub(crate) async fn soon<R: Runtime, T>(runtime: &R, what: &str, work: impl Future<Output = T>) -> T {
    let late = async {
        crate::world::sleep(runtime, Duration::from_secs(30)).await;
        panic!("takes too long: {what}");
    };
    futures_lite::future::or(work, late).await
}
