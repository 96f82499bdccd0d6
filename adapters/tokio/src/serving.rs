//! What the servers share: exchanges that wait for their answers, and the clock by which the machine is asked.

use crate::clock::Clock;
use crate::http::{HttpRequest, HttpResponse, HttpServer};
use crate::trace::{Passed, Trace, Way};
use soap_session_core::chance::{Chance, Entropy};
use soap_session_core::exchange::Exchange;
use soap_session_core::time::Deadline;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{Notify, oneshot};

/// Who waits for the answer of an exchange.
pub(crate) struct Waiting {
    answers: HashMap<Exchange, oneshot::Sender<HttpResponse>>,
    content_type: &'static str,
    pub(crate) trace: Option<Trace>,
}

impl Waiting {
    pub(crate) fn new(content_type: &'static str) -> Self {
        Self { answers: HashMap::new(), content_type, trace: None }
    }

    pub(crate) fn begin(&mut self, exchange: Exchange) -> oneshot::Receiver<HttpResponse> {
        let (answer, answered) = oneshot::channel();
        self.answers.insert(exchange, answer);
        answered
    }

    pub(crate) fn answer(&mut self, exchange: Exchange, status: u16, message: &[u8]) {
        if let Some(trace) = &self.trace {
            let status = Some(status);
            trace(Passed { way: Way::Answer, status, message, verified: None, repeated: false, action: "" });
        }
        let content_type = (!message.is_empty()).then(|| self.content_type.to_owned());
        if let Some(answer) = self.answers.remove(&exchange) {
            let _ = answer.send(HttpResponse { status, content_type, body: message.to_vec().into() });
        }
    }

    /// Nothing answers it any more. Did someone wait?
    pub(crate) fn end(&mut self, exchange: Exchange) -> bool {
        self.answers.remove(&exchange).is_some()
    }
}

/// What an endpoint needs besides its books.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) clock: Clock,
    next_exchange: AtomicU32,
    /// Something changed that may bring the next deadline nearer.
    pub(crate) changed: Notify,
}

impl Desk {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, next_exchange: AtomicU32::new(1), changed: Notify::new() }
    }
}

/// A machine behind a lock, and how it is told of exchanges and the time.
pub(crate) trait Endpoint: Send + Sync + 'static {
    fn desk(&self) -> &Desk;

    /// Takes a request in. `None`: as many exchanges as there may be are open already.
    fn take_in(self: &Arc<Self>, exchange: Exchange, request: &HttpRequest) -> Option<oneshot::Receiver<HttpResponse>>;

    /// An exchange ended; if nothing has answered it, its client went away.
    fn ended(&self, exchange: Exchange);

    /// Carries out what the machine wants. Returns when it wants to be asked again.
    fn pump(self: &Arc<Self>) -> Deadline;
}

/// Serves until `shutdown` ends.
pub(crate) async fn serve<E: Endpoint>(http: HttpServer, endpoint: Arc<E>, shutdown: impl Future<Output = ()>) {
    let timer = Arc::clone(&endpoint);
    let serving = http.serve(move |request| exchange(Arc::clone(&endpoint), request), shutdown);
    tokio::select! {
        () = serving => {}
        () = tick(&timer) => {}
    }
}

async fn exchange<E: Endpoint>(endpoint: Arc<E>, request: HttpRequest) -> HttpResponse {
    let exchange = Exchange(endpoint.desk().next_exchange.fetch_add(1, Ordering::Relaxed));
    let Some(answered) = endpoint.take_in(exchange, &request) else { return empty(503) };
    endpoint.desk().changed.notify_one();
    let _gone = Gone { endpoint, exchange };
    answered.await.unwrap_or_else(|_| empty(500))
}

/// Asks the machine when its deadline comes.
async fn tick<E: Endpoint>(endpoint: &Arc<E>) {
    loop {
        let deadline = endpoint.pump();
        let desk = endpoint.desk();
        tokio::select! {
            () = desk.changed.notified() => {}
            () = desk.clock.wait(deadline) => {}
        }
    }
}

/// Tells the machine when an exchange ends before its answer: its client went away.
struct Gone<E: Endpoint> {
    endpoint: Arc<E>,
    exchange: Exchange,
}

impl<E: Endpoint> Drop for Gone<E> {
    fn drop(&mut self) {
        self.endpoint.ended(self.exchange);
    }
}

fn empty(status: u16) -> HttpResponse {
    HttpResponse { status, content_type: None, body: Vec::new().into() }
}

/// Randomness for two trades from one seed.
pub(crate) fn two_chances(seed: &[u8; 32]) -> [Chance; 2] {
    let mut first = Chance::new(seed);
    let mut other = [0; 32];
    first.fill(&mut other);
    [first, Chance::new(&other)]
}
