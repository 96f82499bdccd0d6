//! The client's side of one secure conversation over HTTP.

use crate::clock::Clock;
use crate::http::{ContentHeaders, HttpClient, HttpError};
use crate::message::{Reply, Request, text};
use crate::trace::{Passed, Trace, Way};
use soap_session_core::chance::Chance;
use soap_session_core::secure::{
    Binding, Credentials, Exchange, Failure, FaultSeen, Initiator, InitiatorAction, InitiatorPhase, InitiatorSettings,
    Misuse, Received, Refusal, UserCredential,
};
use soap_session_core::soap::SoapVersion;
use std::fmt;

/// Why a call, or opening or closing, failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The conversation's state does not allow it.
    Misuse(Misuse),
    /// The core says why.
    Failed(Failure),
    /// The peer's fault, with its reason's text.
    Fault(FaultSeen, String),
    /// The reply was refused.
    Refused(Refusal),
    /// The HTTP exchange failed.
    Http(HttpError),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(error) => write!(f, "{error}"),
            Self::Failed(failure) => write!(f, "{failure}"),
            Self::Fault(fault, reason) => write!(f, "{}: {reason}", Failure::Fault(*fault)),
            Self::Refused(refusal) => write!(f, "the reply was refused: {refusal}"),
            Self::Http(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<Misuse> for ClientError {
    fn from(error: Misuse) -> Self {
        Self::Misuse(error)
    }
}

/// One secure conversation with a service, opened by its first call or by [`open`](Self::open).
pub struct SecureClient<C> {
    machine: Box<Initiator<Request>>,
    http: HttpClient,
    credentials: C,
    clock: Clock,
    soap: SoapVersion,
    largest: usize,
    buffer: Vec<u8>,
    trace: Option<Trace>,
}

impl<C> fmt::Debug for SecureClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureClient").field("phase", &self.machine.phase()).finish_non_exhaustive()
    }
}

impl<C: Credentials> SecureClient<C> {
    /// A client of the service at `url`. `seed` is 32 bytes of the operating system's randomness, used nowhere else.
    ///
    /// # Errors
    /// A URL that is not `http://`, or longer than 256 bytes; a bootstrap that wants a user and has none.
    pub fn new(
        url: &str,
        binding: Binding,
        settings: InitiatorSettings,
        credentials: C,
        user: Option<UserCredential>,
        seed: &[u8; 32],
    ) -> Result<Self, ClientError> {
        let clock = Clock::start();
        let http = HttpClient::new(url).map_err(ClientError::Http)?;
        let (soap, largest) = (binding.soap, binding.limits.message as usize);
        let machine = Initiator::new(binding, settings, url, user, clock.wall(), Chance::new(seed))?;
        let machine = Box::new(machine);
        Ok(Self { machine, http, credentials, clock, soap, largest, buffer: vec![0; 16 * 1024], trace: None })
    }

    /// Tells `trace` of every message that passes.
    #[must_use]
    pub fn with_trace(mut self, trace: Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// The conversation's state.
    pub fn phase(&self) -> InitiatorPhase {
        self.machine.phase()
    }

    /// The conversation's identifier, once it is open.
    pub fn identifier(&self) -> Option<String> {
        self.machine.identifier().map(|id| String::from_utf8_lossy(id).into_owned())
    }

    /// Opens the conversation.
    ///
    /// # Errors
    /// Why it could not be opened.
    pub async fn open(&mut self) -> Result<(), ClientError> {
        self.machine.open()?;
        self.drive(None).await.map(|_| ())
    }

    /// Calls an operation and waits for its reply. Opens the conversation first if need be.
    ///
    /// # Errors
    /// Why there is no reply. The conversation may still be open: see [`phase`](Self::phase).
    pub async fn call(&mut self, action: &str, body: &[u8]) -> Result<Reply, ClientError> {
        let reply = self.send(action, body, true).await?;
        reply.ok_or(ClientError::Failed(Failure::NoAnswer))
    }

    /// Sends a one-way message.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn notify(&mut self, action: &str, body: &[u8]) -> Result<(), ClientError> {
        self.send(action, body, false).await.map(|_| ())
    }

    async fn send(&mut self, action: &str, body: &[u8], two_way: bool) -> Result<Option<Reply>, ClientError> {
        if self.machine.phase() == InitiatorPhase::Created {
            self.machine.open()?;
        }
        let request = Request { action: action.to_owned(), body: body.to_vec(), two_way };
        let exchange = self.machine.call(request).map_err(|(_, misuse)| misuse)?;
        self.drive(Some(exchange)).await
    }

    /// Cancels the conversation.
    ///
    /// # Errors
    /// Why the service did not confirm. The conversation is closed all the same.
    pub async fn close(&mut self) -> Result<(), ClientError> {
        self.machine.close()?;
        self.drive(None).await.map(|_| ())
    }

    /// Carries messages until the machine has nothing to send. Returns the reply to `wanted`.
    async fn drive(&mut self, wanted: Option<Exchange>) -> Result<Option<Reply>, ClientError> {
        let mut reply = None;
        loop {
            let now = self.clock.now();
            let action = self.machine.poll(now, &self.credentials, &mut self.buffer).map_err(ClientError::Failed)?;
            let (exchange, action, message) = match action {
                InitiatorAction::Wait => return Ok(reply),
                InitiatorAction::Grow(grow) => {
                    self.buffer.resize(grow.needed, 0);
                    continue;
                }
                InitiatorAction::Transmit { exchange, action, message } => {
                    (exchange, String::from_utf8_lossy(action).into_owned(), message.to_vec())
                }
            };
            if let Some(trace) = &self.trace {
                trace(Passed::request(&message, &action));
            }
            let headers = ContentHeaders::of(self.soap, action);
            let answer = match self.http.exchange(&headers, message, self.largest).await {
                Ok(answer) => answer,
                Err(error) => {
                    self.machine.exchange_failed(exchange);
                    return Err(ClientError::Http(error));
                }
            };
            let heard = self.hear(exchange, answer.status, &answer.body)?;
            if Some(exchange) == wanted {
                reply = heard;
            }
        }
    }

    fn hear(&mut self, exchange: Exchange, status: u16, body: &[u8]) -> Result<Option<Reply>, ClientError> {
        let mut opened = body.to_vec();
        let received = self.machine.receive(self.clock.now(), exchange, &self.credentials, &mut opened);
        let action = match &received {
            Ok(Received::Reply(reply)) => text(reply.addressing.action, &opened),
            Ok(other) => format!("{other:?}").split(['(', ' ']).next().unwrap_or_default().to_owned(),
            Err(refusal) => refusal.to_string(),
        };
        if let Some(trace) = &self.trace {
            let verified = Some(verified(&received));
            let status = Some(status);
            trace(Passed { way: Way::Answer, status, message: body, verified, repeated: false, action: &action });
        }
        match received {
            Ok(Received::Reply(reply)) => Ok(Some(Reply { status, action, body: reply.body.of(&opened).to_vec() })),
            Ok(Received::Established | Received::Renewed | Received::Closed | Received::Accepted) => Ok(None),
            Ok(Received::Failed(Failure::Fault(fault))) => Err(ClientError::Fault(fault, text(fault.reason, &opened))),
            Ok(Received::Failed(failure)) => Err(ClientError::Failed(failure)),
            Err(refusal) => Err(ClientError::Refused(refusal)),
        }
    }
}

/// Was this answer verified? An empty 202 has nothing to verify.
const fn verified(received: &Result<Received, Refusal>) -> bool {
    match received {
        Ok(Received::Established | Received::Renewed | Received::Closed | Received::Reply(_)) => true,
        Ok(Received::Failed(Failure::Fault(fault))) => fault.secured,
        Ok(Received::Accepted | Received::Failed(_)) | Err(_) => false,
    }
}
