//! A service with secure conversations over HTTP.

use crate::clock::Clock;
use crate::http::{HttpRequest, HttpResponse, HttpServer, Limits};
use crate::message::{Call, Response, Service, text};
use crate::serving::{self, Desk, Endpoint, Waiting};
use crate::trace::{Passed, Trace};
use soap_session_core::chance::Chance;
use soap_session_core::secure::{Acceptor, AcceptorAction, AcceptorSettings, Binding, Credentials, Exchange, Incoming};
use soap_session_core::time::{Deadline, Instant};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::ToSocketAddrs;
use tokio::sync::oneshot;

/// Sessions, exchanges and remembered signatures of one server.
type Machine = Acceptor<Response, Chance, 64, 64, 4096>;

/// A service endpoint on one address.
pub struct SecureServer<C, S> {
    http: HttpServer,
    shared: Arc<Shared<C, S>>,
}

struct Shared<C, S> {
    desk: Desk,
    books: Mutex<Books>,
    credentials: C,
    service: S,
}

struct Books {
    machine: Box<Machine>,
    buffer: Vec<u8>,
    waiting: Waiting,
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
        let books = Mutex::new(Books { machine, buffer: vec![0; 16 * 1024], waiting: Waiting::new(content_type) });
        Ok(Self { http, shared: Arc::new(Shared { desk: Desk::new(clock), books, credentials, service }) })
    }

    /// Tells `trace` of every message that passes. Call it before [`serve`](Self::serve).
    #[must_use]
    pub fn with_trace(self, trace: Trace) -> Self {
        self.shared.books().waiting.trace = Some(trace);
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
        serving::serve(self.http, self.shared, shutdown).await;
    }
}

impl<C: Credentials + Send + Sync + 'static, S: Service> Endpoint for Shared<C, S> {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn take_in(self: &Arc<Self>, exchange: Exchange, request: &HttpRequest) -> Option<oneshot::Receiver<HttpResponse>> {
        let mut books = self.books();
        let mut message = request.body.to_vec();
        let now = self.desk.clock.now();
        let incoming = books.machine.receive(now, exchange, &self.credentials, &mut message).ok()?;
        let answered = books.waiting.begin(exchange);
        told(books.waiting.trace.as_ref(), &incoming, &message, &request.body);
        let call = self.judged(incoming, &message, &mut books);
        self.carry_out(&mut books, now);
        if let Some(call) = call {
            // A task of its own: what the application has begun does not end because its client went away, and a one-way
            // message is accepted before it is worked on.
            let shared = Arc::clone(self);
            tokio::spawn(async move { shared.work(exchange, call).await });
        }
        Some(answered)
    }

    fn ended(&self, exchange: Exchange) {
        let mut books = self.books();
        if books.waiting.end(exchange) {
            books.machine.exchange_failed(exchange);
        }
    }

    fn pump(self: &Arc<Self>) -> Deadline {
        self.carry_out(&mut self.books(), self.desk.clock.now())
    }
}

impl<C: Credentials + Send + Sync + 'static, S: Service> Shared<C, S> {
    fn books(&self) -> MutexGuard<'_, Books> {
        // The machine changes nothing half: what a panicking task left is whole.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(&self, exchange: Exchange, call: Call) {
        let two_way = call.two_way;
        let response = self.service.call(call).await;
        if two_way {
            let mut books = self.books();
            // Refused when the session was aborted or the client left meanwhile: then nobody waits.
            let _ = books.machine.reply(exchange, response);
            self.carry_out(&mut books, self.desk.clock.now());
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

    /// Carries out what the machine wants. Returns when it wants to be asked again.
    fn carry_out(&self, books: &mut Books, now: Instant) -> Deadline {
        let Books { machine, buffer, waiting } = books;
        loop {
            match machine.poll(now, buffer) {
                Ok(AcceptorAction::Answer { exchange, status, message }) => waiting.answer(exchange, status, message),
                Ok(AcceptorAction::Drop(exchange)) => {
                    waiting.end(exchange);
                }
                Ok(AcceptorAction::Swept(session)) => self.service.closed(session),
                Ok(AcceptorAction::Grow(grow)) => buffer.resize(grow.needed, 0),
                Ok(AcceptorAction::Wait(deadline)) => return deadline,
                // The application's reply could not be sealed; the machine drops its exchange next.
                Err(_) => {}
            }
        }
    }
}

fn told(trace: Option<&Trace>, incoming: &Incoming, opened: &[u8], wire: &[u8]) {
    let Some(trace) = trace else { return };
    let action = match incoming {
        Incoming::Request { opened: request, .. } => text(request.addressing.action, opened),
        Incoming::Issued(_) => "RST/SCT".to_owned(),
        Incoming::Renewed(_) => "RST/SCT/Renew".to_owned(),
        Incoming::Cancelled(_) => "RST/SCT/Cancel".to_owned(),
        Incoming::Refused(refusal) => refusal.to_string(),
    };
    let verified = Some(!matches!(incoming, Incoming::Refused(_)));
    trace(Passed { verified, ..Passed::request(wire, &action) });
}
