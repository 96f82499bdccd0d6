//! The client's side of one reliable session over HTTP, over a secure conversation or without one.

use crate::message::{Reply, Request};
use crate::reliable_driver::{Machine, Shared, Wire};
use crate::reliable_error::ReliableError;
use crate::serving::two_chances;
use crate::trace::Trace;
use soap_session_core::chance::Chance;
use soap_session_core::reliable::{ClientAddresses, ReliableSettings, SendRefused, SessionPhase, Shape};
use soap_session_core::secure::{Binding, Credentials, InitiatorSettings, Misuse, NoCredentials, UserCredential};
use soap_session_core::session::SessionClient;
use soap_session_core::soap::SoapVersion;
use soap_session_core::xml::Limits;
use std::fmt;
use std::sync::Arc;
use tokio::sync::oneshot;

/// One reliable session with a service: its messages arrive exactly once and in order, or the session ends by an error.
///
/// Calls may overlap: as many are under way as the transfer window has room for, and others wait. An exchange without an answer
/// within the send timeout counts as lost. Dropped without [`close`](Self::close), it is [aborted](Self::abort).
pub struct ReliableClient<C: Credentials + Send + Sync + 'static> {
    shared: Arc<Shared<C>>,
    shape: Shape,
}

impl<C: Credentials + Send + Sync + 'static> fmt::Debug for ReliableClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReliableClient").field("phase", &self.phase()).finish_non_exhaustive()
    }
}

impl ReliableClient<NoCredentials> {
    /// A client of the service at `url`, without security. `seed` is 32 bytes of the operating system's randomness, used nowhere
    /// else.
    ///
    /// # Errors
    /// A URL that is not `http://`, or longer than 256 bytes; [`Shape::Duplex`], which needs more than exchanges.
    pub fn plain(
        url: &str,
        shape: Shape,
        settings: ReliableSettings,
        soap: SoapVersion,
        limits: Limits,
        seed: &[u8; 32],
    ) -> Result<Self, ReliableError> {
        let (addresses, wire) = (addresses(url)?, Wire::new(url, soap, limits.message, settings.send_timeout)?);
        let machine = SessionClient::plain(settings, soap, shape, addresses, limits, Chance::new(seed));
        Self::of(machine, wire, shape, NoCredentials)
    }
}

impl<C: Credentials + Send + Sync + 'static> ReliableClient<C> {
    /// A client of the service at `url`, whose session is bound to a secure conversation. Versions of SOAP and WS-Addressing are
    /// the binding's. `seed` is 32 bytes of the operating system's randomness, used nowhere else.
    ///
    /// # Errors
    /// As [`plain`](ReliableClient::plain), and a bootstrap that wants a user and has none.
    #[allow(clippy::too_many_arguments, reason = "each is of another trade, and given once")]
    pub fn secure(
        url: &str,
        shape: Shape,
        settings: ReliableSettings,
        binding: Binding,
        conversation: InitiatorSettings,
        credentials: C,
        user: Option<UserCredential>,
        seed: &[u8; 32],
    ) -> Result<Self, ReliableError> {
        let (addresses, wire) =
            (addresses(url)?, Wire::new(url, binding.soap, binding.limits.message, settings.send_timeout)?);
        let [first, second] = two_chances(seed);
        let wall = wire.clock.wall();
        let machine =
            SessionClient::secure(settings, shape, addresses, binding, conversation, user, wall, first, second)?;
        Self::of(machine, wire, shape, credentials)
    }

    fn of(machine: Machine, wire: Wire, shape: Shape, credentials: C) -> Result<Self, ReliableError> {
        if shape == Shape::Duplex {
            return Err(ReliableError::Duplex);
        }
        Ok(Self { shared: Arc::new(Shared::new(Box::new(machine), wire, credentials)), shape })
    }

    /// Tells `trace` of every message that passes.
    #[must_use]
    pub fn with_trace(self, trace: Trace) -> Self {
        self.shared.books().trace = Some(trace);
        self
    }

    /// The session's state.
    pub fn phase(&self) -> SessionPhase {
        self.shared.books().machine.phase()
    }

    /// The session's identifier, once it is open: WCF's session id.
    pub fn identifier(&self) -> Option<String> {
        let books = self.shared.books();
        books.machine.identifier().map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned())
    }

    /// How many messages were sent again so far.
    pub fn retransmissions(&self) -> u64 {
        self.shared.books().machine.retransmissions()
    }

    /// Opens the session: first the conversation, if there is one.
    ///
    /// # Errors
    /// [`ReliableError::Refused`] unless it was just made; otherwise why there is no session.
    pub async fn open(&self) -> Result<(), ReliableError> {
        self.shared.books().machine.open(self.shared.wire.clock.now())?;
        // A task of its own: it goes on while nobody waits for anything.
        tokio::spawn(Arc::clone(&self.shared).drive());
        self.shared
            .until(|books| match books.machine.phase() {
                SessionPhase::Created | SessionPhase::Opening => None,
                SessionPhase::Opened | SessionPhase::Closing => Some(Ok(())),
                SessionPhase::Closed | SessionPhase::Faulted => Some(books.verdict()),
            })
            .await
    }

    /// Calls an operation and waits for its reply. If the future is dropped, the message is still delivered once it had room.
    ///
    /// # Errors
    /// Why there is no reply; [`ReliableError::NoReply`] at once if the session is [`Shape::OneWay`].
    pub async fn call(&self, action: &str, body: &[u8]) -> Result<Reply, ReliableError> {
        if self.shape == Shape::OneWay {
            return Err(ReliableError::NoReply);
        }
        self.deliver(action, body, true).await?.ok_or(ReliableError::NoReply)
    }

    /// Sends a one-way message and waits until the service has it. If the future is dropped, the message is still delivered once
    /// it had room.
    ///
    /// # Errors
    /// Why it is not known to have arrived.
    pub async fn notify(&self, action: &str, body: &[u8]) -> Result<(), ReliableError> {
        self.deliver(action, body, false).await.map(|_| ())
    }

    async fn deliver(&self, action: &str, body: &[u8], two_way: bool) -> Result<Option<Reply>, ReliableError> {
        let request = Request { action: action.to_owned(), body: body.to_vec(), two_way };
        let answered = self.hand_over(request).await?;
        // The driver answers every message before it ends.
        answered.await.unwrap_or_else(|_| Err(self.shared.books().failure()))
    }

    /// Hands a message over as soon as there is a place for it.
    async fn hand_over(
        &self,
        mut request: Request,
    ) -> Result<oneshot::Receiver<Result<Option<Reply>, ReliableError>>, ReliableError> {
        // Whoever came first is first to get a place.
        let _turn = self.shared.turn.lock().await;
        let mut changes = self.shared.changes();
        loop {
            let sent = self.shared.books().send(self.shared.wire.clock.now(), request);
            match sent {
                Ok(answered) => {
                    self.shared.wake.notify_one();
                    return Ok(answered);
                }
                Err((back, SendRefused::Full { .. })) => request = back,
                Err((_, SendRefused::Phase(SessionPhase::Closed | SessionPhase::Faulted))) => {
                    return Err(self.shared.books().failure());
                }
                Err((_, refused)) => return Err(refused.into()),
            }
            // Told by the driver, which lives as long as the session.
            let _ = changes.changed().await;
        }
    }

    /// Closes: what was handed over is still delivered, the sequence is ended, the conversation cancelled.
    ///
    /// # Errors
    /// Why the session did not end in good order. It is over all the same, also if only the conversation's end was not confirmed.
    pub async fn close(&self) -> Result<(), ReliableError> {
        let closed = self.shared.books().machine.close(self.shared.wire.clock.now());
        if let Err(SendRefused::Phase(SessionPhase::Faulted)) = closed {
            return Err(self.shared.books().failure());
        }
        closed?;
        self.shared.wake.notify_one();
        self.shared.until(|books| books.machine.is_over().then(|| books.verdict())).await
    }

    /// Gives up at once: messages not acknowledged are forgotten, and their callers told so. The service is told in the background.
    pub fn abort(&self) {
        self.shared.books().machine.abort();
        self.shared.wake.notify_one();
    }
}

impl<C: Credentials + Send + Sync + 'static> Drop for ReliableClient<C> {
    fn drop(&mut self) {
        if !self.phase().is_over() {
            self.abort();
        }
    }
}

fn addresses(url: &str) -> Result<ClientAddresses, ReliableError> {
    Ok(ClientAddresses::new(url, None).ok_or(Misuse::AddressTooLong)?)
}
