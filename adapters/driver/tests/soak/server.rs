//! The server of the soak: it counts what runs, for each session.

use super::world::{LOCAL, eventually, service_store, sockets, tasks};
use super::{Plan, binding, let_go, say};
use soap_session_core::service::{Contract, Operation, SessionMode};
use soap_session_driver::{Answer, Call, Runtime, Server, ServerOptions, Service, SessionId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const OPERATIONS: &[Operation<'static>] = &[Operation::new("Count", "urn:soak/Count")];
const CONTRACT: Contract<'static> =
    Contract { name: "ICount", session_mode: SessionMode::Required, callbacks: false, operations: OPERATIONS };

#[derive(Default)]
struct Tally {
    ran: AtomicU64,
    astray: AtomicU64,
    instances: AtomicU64,
    disposed: AtomicU64,
}

struct Counter(Arc<Tally>);

/// A session: whose it is, and the number of its last message.
#[derive(Default)]
struct Count {
    client: AtomicU64,
    last: AtomicU64,
}

/// The number in an element of this name.
pub(super) fn number(body: &[u8], name: &str) -> Option<u64> {
    let body = std::str::from_utf8(body).ok()?;
    let (_, behind) = body.split_once(&format!("<{name}>"))?;
    behind.split_once('<')?.0.parse().ok()
}

impl Service for Counter {
    type Instance = Count;

    fn contract(&self) -> &Contract<'_> {
        &CONTRACT
    }

    fn instance(&self, _: Option<&SessionId>) -> Count {
        self.0.instances.fetch_add(1, Ordering::SeqCst);
        Count::default()
    }

    async fn call(&self, count: &Count, call: Call) -> Answer {
        self.0.ran.fetch_add(1, Ordering::SeqCst);
        let (client, n) = (number(&call.body, "client").unwrap_or(0), number(&call.body, "n").unwrap_or(0));
        let whose = count.client.swap(client, Ordering::SeqCst);
        let last = count.last.swap(n, Ordering::SeqCst);
        if n != last + 1 || (whose != client && whose != 0) {
            self.0.astray.fetch_add(1, Ordering::SeqCst);
        }
        Answer::reply(
            "urn:soak/CountResponse",
            format!("<Counted xmlns=\"urn:soak\"><client>{client}</client><n>{n}</n></Counted>"),
        )
    }

    fn disposed(&self, _: &Count) {
        self.0.disposed.fetch_add(1, Ordering::SeqCst);
    }
}

pub(super) async fn serve<R: Runtime + Default>(plan: &Plan) {
    let tally = Arc::new(Tally::default());
    let mut options = ServerOptions::new(binding()).with_credentials(service_store());
    // Those whose opening was lost are there too, until they are swept.
    options.throttle.max_concurrent_sessions = plan.sessions * 3 / 2 + 10;
    options.security.max_pending_sessions = u16::try_from(plan.sessions + 10).unwrap();
    options.http.connections = 16_000;
    let runtime = R::default();
    let before = sockets();
    let server = Server::<R, _>::bind(LOCAL, options, Counter(Arc::clone(&tally))).await.unwrap();
    let watch = server.watch();
    say("listening", server.local_addr().unwrap());
    server.serve(let_go()).await;
    say("sessions", watch.sessions());
    let short = Duration::from_secs(2);
    eventually(&runtime, short, || tasks() == 0 && sockets() <= before).await;
    for (name, count) in
        [("ran", &tally.ran), ("astray", &tally.astray), ("instances", &tally.instances), ("disposed", &tally.disposed)]
    {
        say(name, count.load(Ordering::SeqCst));
    }
    say("tasks", tasks());
    say("sockets", sockets().zip(before).map_or(0, |(now, before)| now.saturating_sub(before)));
    say("done", true);
}
