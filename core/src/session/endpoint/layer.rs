//! What a service endpoint stands on: plain messages, one-shot security, secure conversations, or reliable sessions. The endpoint
//! sees them alike.

use super::super::heard::Message;
use crate::exchange::{Exchange, Outgoing};
use crate::lifetime::Timer;
use crate::reliable::{ReliableSessionId, SessionError};
use crate::secure::{Credentials, SessionId, Unsealed};
use crate::service::AbortReason;
use crate::soap::fault::{FaultForm, QName};
use crate::soap::{AddressingVersion, SoapVersion};
use crate::time::{Deadline, Instant};
use crate::xml::Grow;

/// A message that the endpoint can make itself, where the dispatcher and not the application answers.
pub trait FaultReply: Outgoing {
    /// The fault with this action and body. [`Outgoing::is_fault`] of it is true. `request` is the caller's name of what it
    /// answers: on a duplex session [`Outgoing::relates_to`] must name that message.
    fn fault(action: &str, body: &[u8], request: Kept) -> Self;

    /// As [`fault`](Self::fault), of a header block that was not understood and that SOAP 1.2 names in a header:
    /// [`Outgoing::not_understood`] of it is `block`. Whoever does not keep that answers without the header, which SOAP allows.
    fn must_understand(action: &str, body: &[u8], request: Kept, block: QName<'_>) -> Self
    where
        Self: Sized,
    {
        let _ = block;
        Self::fault(action, body, request)
    }
}

/// A session of the layer below, or the one channel of a layer without sessions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Owner {
    /// Messages without a session.
    Datagram,
    /// A secure conversation.
    Secure(SessionId),
    /// A reliable session.
    Reliable(ReliableSessionId),
}

impl Owner {
    /// As a number, together with the number of the endpoint.
    pub(super) const fn to_bits(self, endpoint: u16) -> u64 {
        let (kind, id) = match self {
            Self::Datagram => (0, 0),
            Self::Secure(SessionId(id)) => (1, id),
            Self::Reliable(ReliableSessionId(id)) => (2, id),
        };
        (endpoint as u64) << 48 | kind << 32 | id as u64
    }

    /// The owner that is meant by this number, and the endpoint.
    #[allow(clippy::cast_possible_truncation, reason = "the parts are what is wanted")]
    pub const fn of_bits(bits: u64) -> (u16, Option<Self>) {
        let owner = match (bits >> 32) as u16 {
            0 => Some(Self::Datagram),
            1 => Some(Self::Secure(SessionId(bits as u32))),
            2 => Some(Self::Reliable(ReliableSessionId(bits as u32))),
            _ => None,
        };
        ((bits >> 48) as u16, owner)
    }
}

/// The name of a message that the caller keeps until it is asked for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Kept {
    /// Its session.
    pub owner: Owner,
    /// Its number in the sequence; without reliable messaging that of its exchange.
    pub number: u64,
}

impl Kept {
    pub(super) fn exchange(self) -> Exchange {
        Exchange(u32::try_from(self.number).unwrap_or(u32::MAX))
    }
}

/// A message of the application that was received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivered {
    /// Under which name to keep it.
    pub kept: Kept,
    /// Where its parts stand.
    pub message: Message,
    /// Does it wait for a reply?
    pub two_way: bool,
}

/// Why a session is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GoneBecause {
    /// Closed in good order.
    Closed,
    /// The service aborted it.
    Aborted(AbortReason),
    /// It broke.
    Broken(SessionError),
}

/// What a layer wants to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "an action that is not carried out is lost"]
pub enum LayerAction<'o> {
    /// Answer an exchange, and forget it.
    Answer {
        /// The exchange.
        exchange: Exchange,
        /// HTTP status: 200, 202 without a message, 400, or 500 for every fault.
        status: u16,
        /// The message; empty for 202 and 400.
        message: &'o [u8],
    },
    /// Send these bytes to the client of a duplex session.
    Transmit {
        /// The connection that the client was last heard on.
        connection: Exchange,
        /// The message.
        message: &'o [u8],
    },
    /// End an exchange without an answer.
    Drop(Exchange),
    /// The client of this session sends no more.
    Ended(Owner),
    /// This session is gone.
    Gone(Owner, GoneBecause),
    /// A secure conversation that was issued and never used has been swept.
    Swept(SessionId),
    /// The buffer is too small; nothing has changed.
    Grow(Grow),
    /// Nothing to do before this time, or before something is told. The last of a drain.
    Wait(Deadline),
}

/// What came of a received message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LayerHeard<H> {
    /// A message for the application: keep it.
    Message(Delivered),
    /// Anything else.
    Other(H),
}

/// How the dispatcher's own faults are written here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wording {
    /// SOAP's version.
    pub soap: SoapVersion,
    /// The version of WS-Addressing.
    pub addressing: AddressingVersion,
    /// In clear, or to be encrypted.
    pub form: FaultForm,
    /// `xml:lang` of their reasons.
    pub language: &'static str,
    /// Have messages the headers of WS-Addressing at all?
    pub addressed: bool,
}

/// What a service endpoint stands on.
pub trait ServiceLayer<P: Outgoing> {
    /// What it tells of messages that are not the application's.
    type Heard;
    /// Why it takes no message at all now.
    type Refused;

    /// Does it make sessions, each of which needs a permit?
    fn sessionful(&self) -> bool;
    /// How many more sessions may be opened, where nobody shall wait for a permit: beyond them, who wants to open one is refused
    /// on the wire. `None`: whoever comes.
    fn set_room(&mut self, room: Option<u32>);
    /// How faults are written.
    fn wording(&self) -> Wording;
    /// Takes a message in; it is decrypted in place.
    ///
    /// # Errors
    /// There is no room. Nothing has changed.
    fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        from: Exchange,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<LayerHeard<Self::Heard>, Self::Refused>;
    /// Asks what to do at `now`. `credentials`: with a client's own certificate alone to protect it, an answer is signed with
    /// the service's.
    ///
    /// # Errors
    /// A reply of the application is not well-formed, or there is no certificate for it; its exchange or session has ended.
    fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        out: &'o mut [u8],
    ) -> Result<LayerAction<'o>, Unsealed>;
    /// The next session that waits to be accepted, oldest first.
    fn accept(&mut self) -> Option<Owner>;
    /// The next message of a session that was accepted.
    fn take(&mut self, now: Instant, owner: Owner) -> Option<Kept>;
    /// Gives the reply to a message.
    ///
    /// # Errors
    /// It comes back if nothing waits for it any more.
    fn reply(&mut self, now: Instant, kept: Kept, reply: P) -> Result<(), P>;
    /// A two-way message gets no reply.
    fn finish(&mut self, kept: Kept);
    /// Refuses a two-way message for its action, which the contract has not, in this layer's own way: nobody above has to do with
    /// it then. `false`: it has none, and the dispatcher refuses.
    fn refuse_action(&mut self, _: Kept) -> bool {
        false
    }
    /// Closes a session in good order.
    fn close(&mut self, now: Instant, owner: Owner);
    /// Gives a session up.
    fn abort(&mut self, owner: Owner, reason: AbortReason);
    /// The exchange is gone: its client went away.
    fn exchange_failed(&mut self, exchange: Exchange);
    /// The timers of a session that are running in this layer; `tell` hears of each.
    fn timers(&self, owner: Owner, tell: &mut dyn FnMut(Timer));
    /// WCF's session id, as the application sees it.
    fn session_id(&self, owner: Owner) -> Option<&[u8]>;
}
