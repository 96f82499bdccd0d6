//! A service with reliable sessions over HTTP, over secure conversations or without.

use crate::clock::Clock;
use crate::http::{HttpRequest, HttpResponse, HttpServer, Limits as HttpLimits};
use crate::message::{Call, Response, Service, text};
use crate::reliable_error::ReliableError;
use crate::serving::{self, Desk, Endpoint, Waiting, two_chances};
use crate::trace::{Passed, Trace};
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{Heard, ReliableSessionId, ReliableSettings, Shape, Told};
use soap_session_core::secure::{AcceptorSettings, Binding, Credentials, NoCredentials};
use soap_session_core::session::{Message, ServiceAction, ServiceHeard, SessionService};
use soap_session_core::soap::SoapVersion;
use soap_session_core::time::{Deadline, Duration};
use soap_session_core::xml::Limits;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::ToSocketAddrs;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

/// Sessions of one server, and for each: messages in its window, ranges, requests whose replies are not acknowledged, open
/// exchanges; signatures remembered.
type Machine = SessionService<Response, 32, 8, 9, 16, 16, 4096>;
type SessionCall = Call<ReliableSessionId>;

/// A service endpoint on one address.
///
/// The messages of a session are worked on one after the other (WCF: `ConcurrencyMode.Single`), those of several sessions at
/// once. While one is worked on, the next wait in the session's window, and their client when that is full.
pub struct ReliableServer<C, S> {
    http: HttpServer,
    shared: Arc<Shared<C, S>>,
    /// How long sessions get to end once the server is told to stop.
    drain: Duration,
}

struct Shared<C, S> {
    desk: Desk,
    books: Mutex<Books>,
    credentials: C,
    service: S,
    secured: bool,
    /// The machine was asked: look whether what is waited for is so.
    asked: watch::Sender<()>,
}

struct Books {
    machine: Box<Machine>,
    buffer: Vec<u8>,
    waiting: Waiting,
    sessions: HashMap<ReliableSessionId, Inbox>,
}

/// Where a session's messages wait until they are taken.
#[derive(Default)]
struct Inbox {
    kept: HashMap<u64, SessionCall>,
    /// The application works on a message.
    busy: bool,
    /// The client sends no more: close when the application is done.
    ending: bool,
}

impl<C, S> fmt::Debug for ReliableServer<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReliableServer").field("http", &self.http).finish_non_exhaustive()
    }
}

impl<S: Service<ReliableSessionId>> ReliableServer<NoCredentials, S> {
    /// A service on `address` without security. `seed` is 32 bytes of the operating system's randomness, used nowhere else.
    ///
    /// # Errors
    /// The address cannot be bound; [`Shape::Duplex`], which needs more than exchanges.
    pub async fn bind_plain(
        address: impl ToSocketAddrs,
        shape: Shape,
        settings: ReliableSettings,
        soap: SoapVersion,
        limits: Limits,
        service: S,
        seed: &[u8; 32],
    ) -> io::Result<Self> {
        let largest = limits.message;
        let machine = on_a_stack_of_its_own(|| Machine::plain(settings, soap, shape, limits, Chance::new(seed)))?;
        Self::of(address, shape, machine, (soap, largest, None), NoCredentials, service).await
    }
}

impl<C: Credentials + Send + Sync + 'static, S: Service<ReliableSessionId>> ReliableServer<C, S> {
    /// A service on `address` whose sessions are bound to secure conversations. Versions of SOAP and WS-Addressing are the
    /// binding's. `seed` is 32 bytes of the operating system's randomness, used nowhere else.
    ///
    /// # Errors
    /// As [`bind_plain`](ReliableServer::bind_plain).
    #[allow(clippy::too_many_arguments, reason = "each is of another trade, and given once")]
    pub async fn bind(
        address: impl ToSocketAddrs,
        shape: Shape,
        settings: ReliableSettings,
        binding: Binding,
        conversations: AcceptorSettings,
        credentials: C,
        service: S,
        seed: &[u8; 32],
    ) -> io::Result<Self> {
        let clock = Clock::start();
        let (soap, largest) = (binding.soap, binding.limits.message);
        let [first, second] = two_chances(seed);
        let wall = clock.wall();
        let machine =
            on_a_stack_of_its_own(|| Machine::secure(settings, shape, binding, conversations, wall, first, second))?;
        Self::of(address, shape, machine, (soap, largest, Some(clock)), credentials, service).await
    }

    async fn of(
        address: impl ToSocketAddrs,
        shape: Shape,
        machine: Box<Machine>,
        (soap, largest, clock): (SoapVersion, u32, Option<Clock>),
        credentials: C,
        service: S,
    ) -> io::Result<Self> {
        if shape == Shape::Duplex {
            return Err(io::Error::new(io::ErrorKind::Unsupported, ReliableError::Duplex));
        }
        let secured = clock.is_some();
        let limits = HttpLimits { body: largest as usize, ..HttpLimits::default() };
        let drain = limits.drain;
        let http = HttpServer::bind(address).await?.with_limits(limits);
        let waiting = Waiting::new(soap.content_type());
        let books = Mutex::new(Books { machine, buffer: vec![0; 16 * 1024], waiting, sessions: HashMap::new() });
        let (desk, asked) = (Desk::new(clock.unwrap_or_else(Clock::start)), watch::Sender::new(()));
        Ok(Self { http, shared: Arc::new(Shared { desk, books, credentials, service, secured, asked }), drain })
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

    /// Serves until `shutdown` ends. Then new sessions are refused, those that there are may end within 10 seconds (WCF: the close
    /// timeout of a service host), and the rest is aborted.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let (ending, drain) = (Arc::clone(&self.shared), self.drain);
        let wound_up = async move {
            shutdown.await;
            ending.wind_up(drain).await;
        };
        serving::serve(self.http, self.shared, wound_up).await;
    }
}

impl<C: Credentials + Send + Sync + 'static, S: Service<ReliableSessionId>> Endpoint for Shared<C, S> {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn take_in(self: &Arc<Self>, exchange: Exchange, request: &HttpRequest) -> Option<oneshot::Receiver<HttpResponse>> {
        let mut books = self.books();
        let mut message = request.body.to_vec();
        let heard = books.machine.receive(self.desk.clock.now(), exchange, &self.credentials, &mut message).ok()?;
        let answered = books.waiting.begin(exchange);
        self.told(books.waiting.trace.as_ref(), &heard, &message, &request.body);
        while let Some(session) = books.machine.accept() {
            books.sessions.entry(session).or_default();
        }
        if let ServiceHeard::Session { session: Some(id), heard: Heard::Message { number }, message: Some(place) } =
            heard
            && let Some(session) = books.sessions.get_mut(&id)
        {
            session.kept.insert(number, call(id, &place, &message));
            self.go_on(&mut books, id);
        }
        self.carry_out(&mut books);
        Some(answered)
    }

    fn ended(&self, exchange: Exchange) {
        let mut books = self.books();
        if books.waiting.end(exchange) {
            books.machine.exchange_failed(exchange);
        }
    }

    fn pump(self: &Arc<Self>) -> Deadline {
        self.carry_out(&mut self.books())
    }
}

impl<C: Credentials + Send + Sync + 'static, S: Service<ReliableSessionId>> Shared<C, S> {
    fn books(&self) -> MutexGuard<'_, Books> {
        // The machine changes nothing half: what a panicking task left is whole.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the application the session's next message, unless it works on one; closes the session after its last.
    fn go_on(self: &Arc<Self>, books: &mut Books, id: ReliableSessionId) {
        let now = self.desk.clock.now();
        let Books { machine, sessions, .. } = books;
        let Some(session) = sessions.get_mut(&id).filter(|session| !session.busy) else { return };
        if let Some(number) = machine.take(now, id)
            && let Some(call) = session.kept.remove(&number)
        {
            session.busy = true;
            let shared = Arc::clone(self);
            // A task of its own: what the application has begun does not end because its client went away.
            tokio::spawn(async move { shared.work(id, number, call).await });
        } else if session.ending {
            session.ending = false;
            // Refused if it is over already.
            let _ = machine.close(now, id);
        }
    }

    async fn work(self: Arc<Self>, id: ReliableSessionId, number: u64, call: SessionCall) {
        let two_way = call.two_way;
        let mut working = Working { shared: Arc::clone(&self), id, done: false };
        let response = self.service.call(call).await;
        working.done = true;
        let mut books = self.books();
        if two_way {
            // Refused if the session ended meanwhile: then nobody waits.
            let _ = books.machine.reply(id, number, response);
        }
        drop(books);
        drop(working);
    }

    /// Takes no more sessions, waits until there is none, and aborts what is left after `drain`.
    async fn wind_up(self: Arc<Self>, drain: Duration) {
        self.books().machine.stop();
        let mut asked = self.asked.subscribe();
        let empty = async {
            while self.books().machine.sessions() > 0 {
                // The sender lives as long as what it is part of.
                let _ = asked.changed().await;
            }
        };
        let _ = timeout(drain, empty).await;
        let mut books = self.books();
        let left: Vec<ReliableSessionId> = books.sessions.keys().copied().collect();
        for id in left {
            let _ = books.machine.abort(id);
        }
        self.carry_out(&mut books);
    }

    fn told(&self, trace: Option<&Trace>, heard: &ServiceHeard, opened: &[u8], wire: &[u8]) {
        let Some(trace) = trace else { return };
        let action = match heard {
            ServiceHeard::Session { message: Some(place), .. } => text(place.action, opened),
            ServiceHeard::Session { heard, message: None, .. } => format!("{heard:?}"),
            ServiceHeard::Conversation(_) => "RST/SCT".to_owned(),
            ServiceHeard::NotRead(why) => why.to_string(),
        };
        let verified = Some(self.secured && !matches!(heard, ServiceHeard::NotRead(_)));
        let repeated = matches!(heard, ServiceHeard::Session { heard: Heard::Duplicate, .. });
        trace(Passed { verified, repeated, ..Passed::request(wire, &action) });
    }

    /// Carries out what the machine wants. Returns when it wants to be asked again.
    fn carry_out(self: &Arc<Self>, books: &mut Books) -> Deadline {
        let deadline = loop {
            let now = self.desk.clock.now();
            let Books { machine, buffer, waiting, sessions } = books;
            match machine.poll(now, buffer) {
                Ok(ServiceAction::Answer { exchange, status, message }) => waiting.answer(exchange, status, message),
                Ok(ServiceAction::Drop(exchange)) => {
                    waiting.end(exchange);
                }
                Ok(ServiceAction::Told(id, Told::EndOfMessages)) => {
                    if let Some(session) = sessions.get_mut(&id) {
                        session.ending = true;
                    }
                    self.go_on(books, id);
                }
                Ok(ServiceAction::Told(id, Told::Closed | Told::Ended(_))) => {
                    sessions.remove(&id);
                    self.service.closed(id);
                }
                Ok(ServiceAction::Grow(grow)) => buffer.resize(grow.needed, 0),
                Ok(ServiceAction::Wait(deadline)) => break deadline,
                // What a duplex session would say; and nothing that anyone here waits for.
                Ok(
                    ServiceAction::Transmit { .. }
                    | ServiceAction::Swept(_)
                    | ServiceAction::Told(_, Told::Opened | Told::TimedOut(..)),
                ) => {}
                // The application's reply could not be written; the machine ends its session next.
                Err(_) => {}
            }
        };
        self.asked.send_replace(());
        deadline
    }
}

/// The application works on a message of this session. If it panics, the session is aborted: its client gets no reply, and the
/// messages behind it must not be heard without it.
struct Working<C: Credentials + Send + Sync + 'static, S: Service<ReliableSessionId>> {
    shared: Arc<Shared<C, S>>,
    id: ReliableSessionId,
    done: bool,
}

impl<C: Credentials + Send + Sync + 'static, S: Service<ReliableSessionId>> Drop for Working<C, S> {
    fn drop(&mut self) {
        let mut books = self.shared.books();
        if let Some(session) = books.sessions.get_mut(&self.id) {
            session.busy = false;
        }
        if !self.done {
            let _ = books.machine.abort(self.id);
        }
        self.shared.go_on(&mut books, self.id);
        self.shared.carry_out(&mut books);
        self.shared.desk.changed.notify_one();
    }
}

/// What the application is to do.
fn call(session: ReliableSessionId, place: &Message, message: &[u8]) -> SessionCall {
    Call {
        session,
        action: text(place.action, message),
        body: place.body.of(message).to_vec(),
        two_way: !place.message_id.of(message).is_empty(),
    }
}

/// Makes a machine. Its tables are half a megabyte, and what makes it holds some copies before it stands on the heap: more than the
/// stack of a runtime's thread may have left.
fn on_a_stack_of_its_own(make: impl FnOnce() -> Machine + Send) -> io::Result<Box<Machine>> {
    const STACK: usize = 16 * 1024 * 1024;
    std::thread::scope(|scope| {
        let maker = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || Box::new(make()))?;
        maker.join().map_err(|_| io::Error::other("the machine could not be made"))
    })
}
