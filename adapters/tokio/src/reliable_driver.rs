//! What drives a client's reliable session: it carries bytes between exchanges and the machine, and tells the time.

use crate::clock::Clock;
use crate::http::{ContentHeaders, HttpClient, HttpError, HttpReply};
use crate::message::{Reply, Request, text};
use crate::reliable_error::ReliableError;
use crate::trace::{Passed, Trace, Way};
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{Heard, SendRefused, SessionError, Ticket, Told};
use soap_session_core::secure::{Credentials, Failure};
use soap_session_core::session::{ClientAction, ClientHeard, Message, SessionClient};
use soap_session_core::soap::SoapVersion;
use soap_session_core::time::{Deadline, Duration, Instant};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Messages in the outbox, exchanges and remembered signatures of one client are the core's defaults.
pub(crate) type Machine = SessionClient<Request, Chance>;
type Delivery = Result<Option<Reply>, ReliableError>;

/// A client's machine, and who waits for what.
pub(crate) struct Books {
    pub(crate) machine: Box<Machine>,
    buffer: Vec<u8>,
    /// Who waits for what comes of a message that was handed over.
    waiting: HashMap<Ticket, oneshot::Sender<Delivery>>,
    /// How the conversation failed, with the text of its fault.
    conversation: Option<(Failure, String)>,
    /// How the last exchange went that got no answer.
    lost: Option<Arc<HttpError>>,
    pub(crate) trace: Option<Trace>,
}

/// A request that is to go out.
struct Departure {
    exchange: Exchange,
    headers: ContentHeaders,
    message: Vec<u8>,
}

/// How an exchange went.
type Arrived = (Exchange, Option<Result<HttpReply, HttpError>>);

impl Books {
    fn new(machine: Box<Machine>) -> Self {
        let buffer = vec![0; 16 * 1024];
        Self { machine, buffer, waiting: HashMap::new(), conversation: None, lost: None, trace: None }
    }

    /// Hands a message over.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        request: Request,
    ) -> Result<oneshot::Receiver<Delivery>, (Request, SendRefused)> {
        let ticket = self.machine.send(now, request)?;
        let (answer, answered) = oneshot::channel();
        self.waiting.insert(ticket, answer);
        Ok(answered)
    }

    /// How the session ended.
    pub(crate) fn verdict(&self) -> Result<(), ReliableError> {
        if let (Some((failure, reason)), None | Some(SessionError::Lower | SessionError::Unsendable)) =
            (&self.conversation, self.machine.error())
        {
            return Err(ReliableError::Conversation { failure: failure.clone(), reason: reason.clone() });
        }
        match self.machine.error() {
            Some(error) => Err(ReliableError::Ended { error, exchange: self.lost.clone() }),
            None => Ok(()),
        }
    }

    /// Why nothing can be sent any more.
    pub(crate) fn failure(&self) -> ReliableError {
        let phase = SendRefused::Phase(self.machine.phase());
        self.verdict().err().unwrap_or(ReliableError::Refused(phase))
    }

    fn answer(&mut self, ticket: Ticket, delivery: Delivery) {
        // Whoever waited may have gone.
        if let Some(answer) = self.waiting.remove(&ticket) {
            let _ = answer.send(delivery);
        }
    }

    fn told(&mut self, told: Told<Request>) {
        match told {
            Told::TimedOut(ticket, _) => self.answer(ticket, Err(ReliableError::TimedOut)),
            Told::Closed | Told::Ended(_) => {
                let failure = self.failure();
                for (_, answer) in self.waiting.drain() {
                    let _ = answer.send(Err(failure.clone()));
                }
            }
            Told::Opened | Told::EndOfMessages => {}
        }
    }

    /// A message that is acknowledged and that nothing answers has arrived.
    fn settle(&mut self) {
        if self.machine.phase().is_over() {
            return;
        }
        let arrived: Vec<Ticket> =
            self.waiting.keys().copied().filter(|ticket| self.machine.message_id(*ticket).is_none()).collect();
        for ticket in arrived {
            self.answer(ticket, Ok(None));
        }
    }

    fn failed(&mut self, failure: Failure, opened: &[u8]) {
        // Of one message only: it goes out again.
        if !self.machine.phase().is_over() {
            return;
        }
        let reason = match &failure {
            Failure::Fault(fault) => text(fault.reason, opened),
            _ => String::new(),
        };
        self.conversation = Some((failure, reason));
    }

    fn hear(&mut self, status: u16, heard: ClientHeard, opened: &[u8]) {
        match heard {
            ClientHeard::Session(Heard::Reply { ticket }, Some(message)) => {
                let (action, body) = (text(message.action, opened), message.body.of(opened).to_vec());
                self.answer(ticket, Ok(Some(Reply { status, action, body })));
            }
            ClientHeard::Session(Heard::Accepted { ticket }, _) => self.answer(ticket, Ok(None)),
            ClientHeard::Failed(failure) => self.failed(failure, opened),
            ClientHeard::Session(..) | ClientHeard::Conversation | ClientHeard::NotRead(_) => {}
        }
    }

    fn trace_answer(&self, status: u16, wire: &[u8], heard: &ClientHeard, opened: &[u8]) {
        let Some(trace) = &self.trace else { return };
        let action = match heard {
            ClientHeard::Session(_, Some(Message { action, .. })) => text(*action, opened),
            ClientHeard::Session(heard, None) => format!("{heard:?}"),
            ClientHeard::Conversation => "RSTR/SCT".to_owned(),
            ClientHeard::Failed(failure) => failure.to_string(),
            ClientHeard::NotRead(why) => why.to_string(),
        };
        let verified = match heard {
            ClientHeard::Conversation => true,
            // An empty 202 has nothing to verify.
            ClientHeard::Session(..) => self.machine.conversation().is_some() && !wire.is_empty(),
            ClientHeard::Failed(Failure::Fault(fault)) => fault.secured,
            ClientHeard::Failed(_) | ClientHeard::NotRead(_) => false,
        };
        let repeated = matches!(heard, ClientHeard::Session(Heard::Duplicate, _));
        let status = Some(status);
        trace(Passed { way: Way::Answer, status, message: wire, verified: Some(verified), repeated, action: &action });
    }
}

/// How messages reach the service.
pub(crate) struct Wire {
    http: HttpClient,
    pub(crate) clock: Clock,
    soap: SoapVersion,
    largest: usize,
    /// How long an exchange may take.
    patience: Duration,
}

impl Wire {
    pub(crate) fn new(url: &str, soap: SoapVersion, largest: u32, patience: Duration) -> Result<Self, HttpError> {
        Ok(Self { http: HttpClient::new(url)?, clock: Clock::start(), soap, largest: largest as usize, patience })
    }
}

/// What a client and its driver share.
pub(crate) struct Shared<C> {
    books: Mutex<Books>,
    pub(crate) wire: Wire,
    credentials: C,
    /// The machine was told something: ask it.
    pub(crate) wake: Notify,
    /// The machine was asked: look whether what is waited for is so.
    asked: watch::Sender<()>,
    /// Who is next to get a place in the outbox.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl<C: Credentials + Send + Sync + 'static> Shared<C> {
    pub(crate) fn new(machine: Box<Machine>, wire: Wire, credentials: C) -> Self {
        let (wake, asked) = (Notify::new(), watch::Sender::new(()));
        let turn = tokio::sync::Mutex::new(());
        Self { books: Mutex::new(Books::new(machine)), wire, credentials, wake, asked, turn }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        // The machine changes nothing half: what a panicking task left is whole.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of every time the machine was asked.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.asked.subscribe()
    }

    /// Waits until `look` finds something.
    pub(crate) async fn until<T>(&self, look: impl Fn(&Books) -> Option<T>) -> T {
        let mut changes = self.changes();
        loop {
            if let Some(found) = look(&self.books()) {
                return found;
            }
            // The sender lives as long as what it is part of.
            let _ = changes.changed().await;
        }
    }

    /// Carries messages until the session is over, and its farewell heard.
    pub(crate) async fn drive(self: Arc<Self>) {
        let mut exchanges: JoinSet<Arrived> = JoinSet::new();
        let mut farewells: JoinSet<Arrived> = JoinSet::new();
        loop {
            let (departures, deadline, over) = self.pump();
            for departure in departures {
                // What a session that is over still says must get out before the driver ends.
                let set = if over { &mut farewells } else { &mut exchanges };
                set.spawn(Arc::clone(&self).exchange(departure));
            }
            let done = over && farewells.is_empty() && self.books().machine.is_over();
            self.asked.send_replace(());
            if done {
                return;
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = self.wire.clock.wait(deadline) => {}
                Some(Ok(arrived)) = exchanges.join_next() => self.arrived(arrived),
                Some(Ok(arrived)) = farewells.join_next() => self.arrived(arrived),
            }
        }
    }

    async fn exchange(self: Arc<Self>, departure: Departure) -> Arrived {
        let Departure { exchange, headers, message } = departure;
        let answer = timeout(self.wire.patience, self.wire.http.exchange(&headers, message, self.wire.largest)).await;
        (exchange, answer.ok())
    }

    /// Carries out what the machine wants. Returns what is to go out, when the machine wants to be asked again, and whether the
    /// session is over.
    fn pump(&self) -> (Vec<Departure>, Deadline, bool) {
        let mut departures = Vec::new();
        let mut books = self.books();
        loop {
            let Books { machine, buffer, trace, .. } = &mut *books;
            match machine.poll(self.wire.clock.now(), &self.credentials, buffer) {
                ClientAction::Transmit { exchange, action, message } => {
                    let action = String::from_utf8_lossy(action);
                    if let Some(trace) = trace {
                        trace(Passed::request(message, &action));
                    }
                    // Without an exchange it would be a duplex session's.
                    let Some(exchange) = exchange else { continue };
                    let headers = ContentHeaders::of(self.wire.soap, action);
                    departures.push(Departure { exchange, headers, message: message.to_vec() });
                }
                ClientAction::Told(told) => books.told(told),
                ClientAction::Failed(failure) => books.failed(failure, &[]),
                ClientAction::Grow(grow) => buffer.resize(grow.needed, 0),
                ClientAction::Wait(deadline) => {
                    books.settle();
                    let over = books.machine.phase().is_over();
                    return (departures, deadline, over);
                }
            }
        }
    }

    fn arrived(&self, (exchange, answer): Arrived) {
        let mut books = self.books();
        let now = self.wire.clock.now();
        match answer {
            // An error without a message says nothing of the message that was sent.
            Some(Ok(HttpReply { status, body, .. })) if !body.is_empty() || (200..300).contains(&status) => {
                let mut opened = body.to_vec();
                let heard = books.machine.receive(now, Some(exchange), &self.credentials, &mut opened);
                books.trace_answer(status, &body, &heard, &opened);
                books.hear(status, heard, &opened);
            }
            lost => {
                if let Some(Err(error)) = lost {
                    books.lost = Some(Arc::new(error));
                }
                if let Some(failure) = books.machine.exchange_failed(now, exchange) {
                    books.failed(failure, &[]);
                }
            }
        }
    }
}
