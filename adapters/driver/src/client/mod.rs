//! A client of a service: WCF's proxy and its channel.

mod drive;
mod error;
mod make;
mod telemetry;

pub use error::{CallError, CloseError, Failed, NewError, Transport};
pub use make::ClientOptions;

use crate::Runtime;
use crate::body::text_of;
use crate::letter::Letter;
use bytes::Bytes;
use drive::{Shared, Waiter};
use futures_channel::oneshot;
use futures_lite::future::or;
use soap_session_core::lifetime::{CommunicationState, Timer};
use soap_session_core::session::{CallRefused, CloseBegun, OperationUse};
use soap_session_core::time::Deadline;
use std::fmt;
use std::sync::Arc;

/// A reply, verified if there is security.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The action; empty without WS-Addressing.
    pub action: String,
    /// The content of the body: XML that declares the prefixes it uses.
    pub body: Bytes,
}

impl Reply {
    /// The text of the first element of this local name in the body. `None`: there is none, or it holds elements.
    pub fn text(&self, local: &str) -> Option<String> {
        text_of(&self.body, local)
    }
}

/// A client of one service address: one channel, and so one session. Clones are the same client.
///
/// ```no_run
/// # async fn example<R: soap_session_driver::Runtime + Default>() -> Result<(), Box<dyn std::error::Error>> {
/// use soap_session_driver::{Binding, Client, ClientOptions};
/// let binding = Binding::ws_http().with_reliable_session(true)?;
/// let client = Client::<R>::connect("http://localhost:8000/calculator", ClientOptions::new(binding)).await?;
/// let reply = client.call("urn:calculator/Add", "<Add xmlns=\"urn:calculator\"><n1>1</n1><n2>2</n2></Add>").await?;
/// println!("{}", String::from_utf8_lossy(&reply.body));
/// client.close().await?;
/// # Ok(()) }
/// ```
///
/// # Dropped futures
///
/// A call whose future is dropped is under way all the same: WCF knows no other. Its reply is thrown away, and its time is still
/// its send timeout: the session goes on, or faults, exactly as if somebody waited. When the last clone of a client is dropped
/// its channel is aborted.
pub struct Client<R: Runtime> {
    handle: Arc<Handle<R>>,
}

/// The application's hold on a client: the channel is given up with the last one.
struct Handle<R: Runtime>(Arc<Shared<R>>);

impl<R: Runtime> Drop for Handle<R> {
    fn drop(&mut self) {
        self.0.tell(|state, _| state.abort());
    }
}

impl<R: Runtime> Clone for Client<R> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
    }
}

impl<R: Runtime + Default> Client<R> {
    /// A client of the service at `url`, and its session opened.
    ///
    /// # Errors
    /// [`NewError`]: it cannot be made, or not be opened.
    pub async fn connect(url: &str, options: ClientOptions) -> Result<Self, NewError> {
        let client = Self::new(url, options)?;
        client.open().await.map_err(NewError::Open)?;
        Ok(client)
    }

    /// A client of the service at `url`. Nothing is sent before [`open`](Self::open) or the first call.
    ///
    /// It must be made where its runtime runs.
    ///
    /// # Errors
    /// [`NewError`]: it cannot be made so.
    pub fn new(url: &str, options: ClientOptions) -> Result<Self, NewError> {
        let shared = make::make(R::default(), url, options)?;
        let runtime = shared.runtime.clone();
        runtime.spawn(drive::keep_time(Arc::clone(&shared)));
        Ok(Self { handle: Arc::new(Handle(shared)) })
    }
}

impl<R: Runtime> Client<R> {
    fn shared(&self) -> &Arc<Shared<R>> {
        &self.handle.0
    }

    /// Opens, within the open timeout. Without it the first call opens, within its own.
    ///
    /// # Errors
    /// What made it fail; the channel has faulted.
    pub async fn open(&self) -> Result<(), Failed> {
        let opened = self.shared().tell(|state, now| {
            let (tell, opened) = oneshot::channel();
            state.channel.open(now).map(|()| {
                state.opening.push(tell);
                opened
            })
        });
        match opened {
            Ok(opened) => opened.await.unwrap_or_else(|_| Err(Failed::gone())),
            Err(refused) => Err(Failed::refused(refused)),
        }
    }

    /// Calls a two-way operation with WCF's defaults, and waits for its reply.
    ///
    /// # Errors
    /// [`CallError`]: a fault of the service, or why there is no reply.
    pub async fn call(&self, action: &str, body: impl Into<Bytes>) -> Result<Reply, CallError> {
        let reply = self.invoke(OperationUse::new("call"), action, body).await?;
        // A two-way call ends with a reply or an error.
        reply.ok_or_else(|| CallError::Failed(Failed::gone()))
    }

    /// Calls a one-way operation, and waits until its message was taken.
    ///
    /// # Errors
    /// [`CallError`]: why it was not.
    pub async fn notify(&self, action: &str, body: impl Into<Bytes>) -> Result<(), CallError> {
        self.invoke(OperationUse::one_way("notify"), action, body).await.map(drop)
    }

    /// Calls an operation as its contract says: two-way or one-way, initiating, terminating. A one-way operation has no reply.
    ///
    /// While as many calls are under way as there may be it waits for one of them to end, within the send timeout.
    ///
    /// # Errors
    /// [`CallError`]: a fault of the service, or why there is no reply.
    pub async fn invoke(
        &self,
        operation: OperationUse,
        action: &str,
        body: impl Into<Bytes>,
    ) -> Result<Option<Reply>, CallError> {
        let shared = self.shared();
        let mut letter = Letter::request(Bytes::copy_from_slice(action.as_bytes()), body.into(), operation.two_way);
        let until = Deadline::within(shared.now(), shared.timeouts.send);
        let answered = loop {
            let room = shared.room.listen();
            let begun = shared.tell(|state, now| -> Result<_, Box<(Letter, CallRefused)>> {
                let (tell, answered) = oneshot::channel();
                let call = state.channel.call(now, operation, letter).map_err(Box::new)?;
                let under_way = state.telemetry.called(call, action);
                state.calls.insert(call, Waiter::new(tell, under_way));
                Ok(answered)
            });
            match begun {
                Ok(answered) => break answered,
                Err(refused) => {
                    let (back, refused) = *refused;
                    if !matches!(refused, CallRefused::TooManyCalls { .. }) {
                        return Err(CallError::Refused(refused));
                    }
                    letter = back;
                    let waited = async {
                        room.await;
                        true
                    };
                    let late = async {
                        shared.clock.wait(&shared.runtime, until).await;
                        false
                    };
                    if !or(waited, late).await {
                        return Err(CallError::Refused(refused));
                    }
                }
            }
        };
        answered.await.unwrap_or_else(|_| Err(CallError::Failed(Failed::gone())))
    }

    /// Closes, within the close timeout: calls under way are waited for, then the session is ended.
    ///
    /// # Errors
    /// [`CloseError`]: the handshake failed, or the channel had faulted before. It is closed all the same.
    pub async fn close(&self) -> Result<(), CloseError> {
        let begun = self.shared().tell(|state, now| {
            let begun = state.channel.close(now)?;
            Ok(match begun {
                CloseBegun::UnderWay => {
                    let (tell, closed) = oneshot::channel();
                    state.closing.push(tell);
                    Some(closed)
                }
                CloseBegun::Nothing => None,
            })
        });
        match begun {
            Ok(Some(closed)) => closed.await.unwrap_or_else(|_| Err(Failed::gone())).map_err(CloseError::Failed),
            Ok(None) => Ok(()),
            Err(refused) => Err(CloseError::Refused(refused)),
        }
    }

    /// Gives up. Over a secure conversation alone nothing is sent; a reliable session tells the other side.
    pub fn abort(&self) {
        self.shared().tell(|state, _| state.abort());
    }

    /// The state of the channel.
    pub fn state(&self) -> CommunicationState {
        self.shared().read(|state| state.channel.state())
    }

    /// What made the channel fault first; kept after it was closed.
    pub fn error(&self) -> Option<Failed> {
        self.shared().read(|state| state.channel.error().cloned().map(|error| state.failed(error)))
    }

    /// Every timer that is running, by name: when it is due, in milliseconds of [`now`](Self::now), and what it then does.
    pub fn timers(&self) -> Vec<Timer> {
        self.shared().read(|state| state.channel.timers().collect())
    }

    /// The time that [`timers`](Self::timers) are due by: since this client was made.
    pub fn now(&self) -> soap_session_core::time::Instant {
        self.shared().now()
    }

    /// The session's id: the token's `urn:uuid:...`, or the sequence's identifier with a reliable session. `None` before it is
    /// open, and without a session.
    pub fn session_id(&self) -> Option<String> {
        self.shared().read(|state| state.channel.session_id().map(|id| String::from_utf8_lossy(id).into_owned()))
    }

    /// How many calls are under way.
    pub fn calls(&self) -> usize {
        self.shared().read(|state| state.channel.calls())
    }

    /// How many messages a reliable session has sent again so far: each was lost, or came before its turn, or was thought to.
    pub fn retransmissions(&self) -> u64 {
        self.shared().read(|state| state.channel.retransmissions())
    }

    /// Waits until nothing of this client runs any more: its channel is closed or aborted, and what had to be said is said.
    pub async fn finished(&self) {
        loop {
            let over = self.shared().over.listen();
            if self.shared().read(|state| state.over) {
                return;
            }
            over.await;
        }
    }
}

impl<R: Runtime> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &self.state()).field("session_id", &self.session_id()).finish()
    }
}
