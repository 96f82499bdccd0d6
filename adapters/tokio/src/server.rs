//! A service with secure conversations over HTTP.

use crate::clock::Clock;
use crate::http::{HttpRequest, HttpResponse, HttpServer, Limits};
use crate::trace::{Passed, Trace, Way};
use soap_session_core::chance::Chance;
use soap_session_core::secure::{
    Acceptor, AcceptorAction, AcceptorSettings, Binding, Credentials, Exchange, Incoming, Outgoing, SessionId,
};
use soap_session_core::time::{Deadline, Instant};
use soap_session_core::xml::Span;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::ToSocketAddrs;
use tokio::sync::{Notify, oneshot};

/// A verified request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Its session.
    pub session: SessionId,
    /// The action.
    pub action: String,
    /// The body's content.
    pub body: Vec<u8>,
    /// Does it expect a reply?
    pub two_way: bool,
}

/// A reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// The action.
    pub action: String,
    /// The body's content: XML that declares the prefixes it uses.
    pub body: Vec<u8>,
    /// Is it a fault? HTTP says 500 then.
    pub fault: bool,
}

impl Outgoing for Response {
    fn action(&self) -> &[u8] {
        self.action.as_bytes()
    }
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn is_fault(&self) -> bool {
        self.fault
    }
}

/// The application behind a [`SecureServer`].
pub trait Service: Send + Sync + 'static {
    /// Answers a request. What a one-way request returns is not sent.
    fn call(&self, call: Call) -> impl Future<Output = Response> + Send;

    /// A session is over: cancelled by its client, or swept.
    fn closed(&self, session: SessionId) {
        let _ = session;
    }
}

/// Sessions, exchanges and remembered signatures of one server.
type Machine = Acceptor<Response, Chance, 64, 64, 4096>;

/// A service endpoint on one address.
pub struct SecureServer<C, S> {
    http: HttpServer,
    shared: Arc<Shared<C, S>>,
}

struct Shared<C, S> {
    books: Mutex<Books>,
    credentials: C,
    service: S,
    clock: Clock,
    content_type: &'static str,
    next_exchange: AtomicU32,
    /// Something changed that may bring the next deadline nearer.
    changed: Notify,
    trace: Option<Trace>,
}

struct Books {
    machine: Box<Machine>,
    buffer: Vec<u8>,
    /// Who waits for the answer of an exchange.
    waiting: HashMap<Exchange, oneshot::Sender<HttpResponse>>,
}

impl<C, S> fmt::Debug for SecureServer<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureServer").field("http", &self.http).finish_non_exhaustive()
    }
}

impl<C: Credentials + Send + Sync + 'static, S: Service> SecureServer<C, S> {
    /// A service on `address`. `seed` is 32 bytes of the operating system's randomness, used nowhere else.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn bind(
        address: impl ToSocketAddrs,
        binding: Binding,
        settings: AcceptorSettings,
        credentials: C,
        service: S,
        seed: &[u8; 32],
    ) -> io::Result<Self> {
        let limits = Limits { body: binding.limits.message as usize, ..Limits::default() };
        let http = HttpServer::bind(address).await?.with_limits(limits);
        let clock = Clock::start();
        let content_type = binding.soap.content_type();
        let machine = Box::new(Machine::new(binding, settings, clock.wall(), Chance::new(seed)));
        let books = Mutex::new(Books { machine, buffer: vec![0; 16 * 1024], waiting: HashMap::new() });
        let shared = Shared {
            books,
            credentials,
            service,
            clock,
            content_type,
            next_exchange: AtomicU32::new(1),
            changed: Notify::new(),
            trace: None,
        };
        Ok(Self { http, shared: Arc::new(shared) })
    }

    /// Tells `trace` of every message that passes. Call it before [`serve`](Self::serve).
    #[must_use]
    pub fn with_trace(mut self, trace: Trace) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.trace = Some(trace);
        }
        self
    }

    /// The address.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// Serves until `shutdown` ends.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let timer = Arc::clone(&self.shared);
        let ticking = async move { timer.tick().await };
        let shared = self.shared;
        let serving = self.http.serve(
            move |request| {
                let shared = Arc::clone(&shared);
                async move { shared.exchange(request).await }
            },
            shutdown,
        );
        tokio::select! {
            () = serving => {}
            () = ticking => {}
        }
    }
}

impl<C: Credentials + Send + Sync + 'static, S: Service> Shared<C, S> {
    fn books(&self) -> MutexGuard<'_, Books> {
        // The machine changes nothing half: what a panicking task left is whole.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(self: Arc<Self>, request: HttpRequest) -> HttpResponse {
        let exchange = Exchange(self.next_exchange.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        let call = {
            let mut books = self.books();
            let mut message = request.body.to_vec();
            let now = self.clock.now();
            let incoming = books.machine.receive(now, exchange, &self.credentials, &mut message);
            // Refused: as many exchanges as there may be are open already.
            let Ok(incoming) = incoming else { return empty(503) };
            books.waiting.insert(exchange, answer);
            self.told(&incoming, &message, &request.body);
            let call = self.judged(incoming, &message, &mut books);
            self.pump(&mut books, now);
            call
        };
        self.changed.notify_one();
        let _gone = Gone { shared: Arc::clone(&self), exchange };
        if let Some(call) = call {
            // A task of its own: what the application has begun does not end because its client went away, and a one-way
            // message is accepted before it is worked on.
            let shared = Arc::clone(&self);
            tokio::spawn(async move { shared.work(exchange, call).await });
        }
        answered.await.unwrap_or_else(|_| empty(500))
    }

    async fn work(&self, exchange: Exchange, call: Call) {
        let two_way = call.two_way;
        let response = self.service.call(call).await;
        if two_way {
            let mut books = self.books();
            // Refused when the session was aborted or the client left meanwhile: then nobody waits.
            let _ = books.machine.reply(exchange, response);
            self.pump(&mut books, self.clock.now());
        }
    }

    /// What the application has to do with a request.
    fn judged(&self, incoming: Incoming, message: &[u8], books: &mut Books) -> Option<Call> {
        match incoming {
            Incoming::Request { session, two_way, opened } => Some(Call {
                session,
                action: text(opened.addressing.action, message),
                body: opened.body.of(message).to_vec(),
                two_way,
            }),
            Incoming::Cancelled(session) => {
                self.service.closed(session);
                let _ = books.machine.close(session);
                None
            }
            Incoming::Issued(_) | Incoming::Renewed(_) | Incoming::Refused(_) => None,
        }
    }

    fn told(&self, incoming: &Incoming, opened: &[u8], wire: &[u8]) {
        let Some(trace) = &self.trace else { return };
        let action = match incoming {
            Incoming::Request { opened: request, .. } => text(request.addressing.action, opened),
            Incoming::Issued(_) => "RST/SCT".to_owned(),
            Incoming::Renewed(_) => "RST/SCT/Renew".to_owned(),
            Incoming::Cancelled(_) => "RST/SCT/Cancel".to_owned(),
            Incoming::Refused(refusal) => refusal.to_string(),
        };
        let verified = Some(!matches!(incoming, Incoming::Refused(_)));
        trace(Passed { way: Way::Request, status: None, message: wire, verified, action: &action });
    }

    /// Carries out what the machine wants. Returns when it wants to be asked again.
    fn pump(&self, books: &mut Books, now: Instant) -> Deadline {
        loop {
            let Books { machine, buffer, waiting } = books;
            let grow = match machine.poll(now, buffer) {
                Ok(AcceptorAction::Answer { exchange, status, message }) => {
                    if let Some(trace) = &self.trace {
                        let status = Some(status);
                        trace(Passed { way: Way::Answer, status, message, verified: None, action: "" });
                    }
                    let content_type = (!message.is_empty()).then(|| self.content_type.to_owned());
                    let body = message.to_vec().into();
                    if let Some(answer) = waiting.remove(&exchange) {
                        let _ = answer.send(HttpResponse { status, content_type, body });
                    }
                    0
                }
                Ok(AcceptorAction::Drop(exchange)) => {
                    waiting.remove(&exchange);
                    0
                }
                Ok(AcceptorAction::Swept(session)) => {
                    self.service.closed(session);
                    0
                }
                Ok(AcceptorAction::Grow(grow)) => grow.needed,
                Ok(AcceptorAction::Wait(deadline)) => return deadline,
                // The application's reply could not be sealed; the machine drops its exchange next.
                Err(_) => 0,
            };
            if grow > buffer.len() {
                buffer.resize(grow, 0);
            }
        }
    }

    /// Asks the machine when its deadline comes.
    async fn tick(&self) {
        loop {
            let deadline = {
                let mut books = self.books();
                self.pump(&mut books, self.clock.now())
            };
            match deadline {
                Deadline::Never => self.changed.notified().await,
                Deadline::At(at) => {
                    tokio::select! {
                        () = self.changed.notified() => {}
                        () = tokio::time::sleep_until(self.clock.runtime(at)) => {}
                    }
                }
            }
        }
    }
}

/// Tells the machine when an exchange ends before its answer: its client went away.
struct Gone<C: Credentials + Send + Sync + 'static, S: Service> {
    shared: Arc<Shared<C, S>>,
    exchange: Exchange,
}

impl<C: Credentials + Send + Sync + 'static, S: Service> Drop for Gone<C, S> {
    fn drop(&mut self) {
        let mut books = self.shared.books();
        if books.waiting.remove(&self.exchange).is_some() {
            books.machine.exchange_failed(self.exchange);
        }
    }
}

fn empty(status: u16) -> HttpResponse {
    HttpResponse { status, content_type: None, body: Vec::new().into() }
}

fn text(span: Span, message: &[u8]) -> String {
    String::from_utf8_lossy(span.of(message)).into_owned()
}
