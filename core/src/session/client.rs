//! The client's side of a reliable session, over a secure conversation or without one.

use super::action::ClientAction;
use super::heard::{ClientHeard, Message, NotRead, message_of};
use super::{NoCalls, SCRATCH, encryption};
use crate::chance::{Chance, Entropy, Uuid};
use crate::crypto::{Backend, RustCrypto};
use crate::exchange::{Exchange, Outgoing};
use crate::reliable::{
    Arrival, Blocks, Client, ClientAddresses, ClientWant, Heard, Identifier, Range, ReliableSettings, Rendered,
    SendRefused, SessionError, SessionPhase, Shape, Ticket, Versions,
};
use crate::secure::{
    self, Binding, Credentials, Element, Failure, Initiator, InitiatorAction, InitiatorPhase, InitiatorSettings,
    Misuse, Opened, Received, SessionMessage, Unsealed, UserCredential,
};
use crate::soap::SoapVersion;
use crate::time::{Deadline, Duration, Instant, Wall};
use crate::xml::{Grow, Limits, Span};

/// Which layer an exchange belongs to: the lowest bit of its number.
const TRUST: u32 = 0;
const RELIABLE: u32 = 1;

const fn outer(exchange: Exchange, layer: u32) -> Exchange {
    Exchange(exchange.0.wrapping_shl(1) | layer)
}

const fn inner(exchange: Exchange) -> (Exchange, u32) {
    (Exchange(exchange.0.wrapping_shr(1)), exchange.0 & 1)
}

/// The client's side of a reliable session, over a secure conversation or without one.
///
/// ```text
///   open()    conversation: RST/SCT, then CreateSequence
///   send(..)  sealed under the conversation's key, which is renewed when it is due
///   close()   LastMessage or CloseSequence, TerminateSequence, then the conversation's Cancel
/// ```
///
/// `REPLAY` (a power of two) is the number of signatures of secured messages that are remembered; the others are those of
/// [`Client`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionClient<
    P,
    E = Chance,
    const WINDOW: usize = 8,
    const RANGES: usize = 9,
    const EXCHANGES: usize = 16,
    const REPLAY: usize = 256,
    B = RustCrypto,
> {
    pub(super) security: Option<Initiator<NoCalls, E, 1, REPLAY, B>>,
    pub(super) reliable: Client<P, E, WINDOW, RANGES, EXCHANGES>,
    pub(super) versions: Versions,
    pub(super) limits: Limits,
    language: &'static str,
}

impl<P, E, const WINDOW: usize, const RANGES: usize, const EXCHANGES: usize, const REPLAY: usize, B>
    SessionClient<P, E, WINDOW, RANGES, EXCHANGES, REPLAY, B>
where
    P: Outgoing,
    E: Entropy + Clone,
    B: Backend,
{
    /// A client without security.
    pub fn plain(
        settings: ReliableSettings,
        soap: SoapVersion,
        shape: Shape,
        addresses: ClientAddresses,
        limits: Limits,
        entropy: E,
    ) -> Self {
        let versions = Versions { soap, addressing: settings.addressing, reliable: settings.version };
        let reliable = Client::new(settings, shape, addresses, entropy);
        Self { security: None, reliable, versions, limits, language: "en-US" }
    }

    /// A client whose session is bound to a secure conversation. Versions of SOAP and WS-Addressing are the binding's.
    ///
    /// # Errors
    /// As [`Initiator::new`].
    #[allow(clippy::too_many_arguments, reason = "each is of another trade, and given once")]
    pub fn secure(
        mut settings: ReliableSettings,
        shape: Shape,
        addresses: ClientAddresses,
        binding: Binding,
        security: InitiatorSettings,
        user: Option<UserCredential>,
        wall: Wall,
        entropy: E,
        reliable_entropy: E,
    ) -> Result<Self, Misuse> {
        settings.addressing = binding.addressing;
        let to = core::str::from_utf8(&addresses.to).map_err(|_| Misuse::AddressTooLong)?;
        let limits = binding.limits.clone();
        let soap = binding.soap;
        let mut initiator = Initiator::new(binding, security, to, user, wall, entropy)?;
        // Who can be addressed has the answers to token requests sent there too.
        if let Some(local) = &addresses.local {
            initiator.set_reply_to(core::str::from_utf8(local).map_err(|_| Misuse::AddressTooLong)?)?;
        }
        let mut client = Self::plain(settings, soap, shape, addresses, limits, reliable_entropy);
        client.security = Some(initiator);
        Ok(client)
    }

    /// Opens the session: first the conversation, if there is one, then the sequence.
    ///
    /// # Errors
    /// [`SendRefused::Phase`] unless it was just made.
    pub fn open(&mut self, now: Instant) -> Result<(), SendRefused> {
        match &mut self.security {
            None => self.reliable.open(now),
            Some(security) => security.open().map_err(|_| SendRefused::Phase(self.reliable.phase())),
        }
    }

    /// Hands over a message: see [`Client::send`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn send(&mut self, now: Instant, message: P) -> Result<Ticket, (P, SendRefused)> {
        self.reliable.send(now, message)
    }

    /// Closes: what was handed over is still delivered, the sequence is ended, the conversation cancelled.
    ///
    /// # Errors
    /// [`SendRefused::Phase`] after a fault.
    pub fn close(&mut self, now: Instant) -> Result<(), SendRefused> {
        self.reliable.close(now)
    }

    /// Gives up. The other side is told by a fault, and the conversation is cancelled.
    pub fn abort(&mut self) {
        self.reliable.abort();
    }

    /// An exchange ended without an answer: connection lost, timed out, or an empty error.
    pub fn exchange_failed(&mut self, now: Instant, exchange: Exchange) -> Option<Failure> {
        match (inner(exchange), &mut self.security) {
            ((exchange, TRUST), Some(security)) => {
                let renewing = security.phase() == InitiatorPhase::Renewing;
                let failure = security.exchange_failed(exchange);
                self.follow_failure(now, renewing);
                failure
            }
            ((exchange, _), _) => {
                self.reliable.exchange_failed(now, exchange);
                None
            }
        }
    }

    /// The calendar clock was set: where it stands now at the driver's zero.
    pub const fn set_wall(&mut self, wall: Wall) {
        if let Some(security) = &mut self.security {
            security.set_wall(wall);
        }
    }

    /// The reliable session's state.
    pub const fn phase(&self) -> SessionPhase {
        self.reliable.phase()
    }

    /// The secure conversation's state, if there is one.
    pub fn conversation(&self) -> Option<InitiatorPhase> {
        self.security.as_ref().map(Initiator::phase)
    }

    /// Is everything over: the session, and the conversation under it?
    pub fn is_over(&self) -> bool {
        let conversation = self.conversation();
        let open = matches!(
            conversation,
            Some(InitiatorPhase::Issuing | InitiatorPhase::Opened | InitiatorPhase::Renewing | InitiatorPhase::Closing)
        );
        self.reliable.phase().is_over() && !open
    }

    /// Why the session ended, if not in good order.
    pub const fn error(&self) -> Option<SessionError> {
        self.reliable.error()
    }

    /// WCF's session id: the identifier of the sequence that the client sends.
    pub fn identifier(&self) -> Option<&Identifier> {
        self.reliable.identifier()
    }

    /// Numbers received so far, as ranges.
    pub fn received(&self) -> &[Range] {
        self.reliable.received()
    }

    /// The `MessageID` of a message that was handed over and that is not acknowledged yet, nor given up.
    pub fn message_id(&self, ticket: Ticket) -> Option<Uuid> {
        self.reliable.message_id(ticket)
    }

    /// How many messages were sent again so far.
    pub fn retransmissions(&self) -> u64 {
        self.reliable.retransmissions()
    }

    /// The retransmission timeout now.
    pub fn retransmission_timeout(&self) -> Option<Duration> {
        self.reliable.retransmission_timeout()
    }

    /// The next message for the application (duplex), by its number.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        self.reliable.take(now)
    }

    /// Asks what to do at `now`, until it says [`ClientAction::Wait`].
    pub fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        out: &'o mut [u8],
    ) -> ClientAction<'o, P> {
        if let Some(told) = self.reliable.told(now) {
            return ClientAction::Told(told);
        }
        let want = self.reliable.next(now);
        self.drive_conversation(now, want.is_some());
        if self.conversation_wants() {
            return self.poll_conversation(now, want.is_some(), credentials, out);
        }
        match want {
            Some(want) if self.can_seal() => self.transmit(now, want, out),
            Some(_) => ClientAction::Wait(self.reliable.unsent_deadline()),
            None => ClientAction::Wait(self.reliable.deadline()),
        }
    }

    /// Renews the conversation's key before a message, and cancels the conversation when the session is over.
    fn drive_conversation(&mut self, now: Instant, wants: bool) {
        // Exchanges may overtake each other: the conversation stays until the last message of the session has arrived.
        let over = self.reliable.phase().is_over() && !wants && !self.reliable.takes_leave();
        let Some(security) = &mut self.security else { return };
        match security.phase() {
            InitiatorPhase::Opened if wants && security.needs_renewal(now) => {
                let _ = security.renew();
            }
            InitiatorPhase::Created | InitiatorPhase::Issuing | InitiatorPhase::Opened | InitiatorPhase::Renewing
                if over =>
            {
                let _ = security.close();
            }
            InitiatorPhase::Created
            | InitiatorPhase::Issuing
            | InitiatorPhase::Opened
            | InitiatorPhase::Renewing
            | InitiatorPhase::Closing
            | InitiatorPhase::Closed
            | InitiatorPhase::Faulted => {}
        }
    }

    fn conversation_wants(&self) -> bool {
        matches!(
            self.conversation(),
            Some(InitiatorPhase::Issuing | InitiatorPhase::Renewing | InitiatorPhase::Closing)
        )
    }

    fn can_seal(&self) -> bool {
        matches!(self.conversation(), None | Some(InitiatorPhase::Opened))
    }

    fn poll_conversation<'o, C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        wants: bool,
        credentials: &C,
        out: &'o mut [u8],
    ) -> ClientAction<'o, P> {
        // What is wanted by now waits for the conversation.
        let wait = if wants { self.reliable.unsent_deadline() } else { self.reliable.deadline() };
        let Some(security) = &mut self.security else { return ClientAction::Wait(wait) };
        match security.poll(now, credentials, out) {
            Ok(InitiatorAction::Transmit { exchange, action, message }) => {
                ClientAction::Transmit { exchange: Some(outer(exchange, TRUST)), action, message }
            }
            Ok(InitiatorAction::Grow(grow)) => ClientAction::Grow(grow),
            Ok(InitiatorAction::Wait) => ClientAction::Wait(wait),
            Err(failure) => {
                self.follow_conversation();
                ClientAction::Failed(failure)
            }
        }
    }

    /// Writes the message for `want`, sealed if there is a conversation. Only when it is written, anything changes.
    fn transmit<'o>(&mut self, now: Instant, want: ClientWant, out: &'o mut [u8]) -> ClientAction<'o, P> {
        let versions = self.versions;
        // Unreachable from outside: nothing comes between `next`, which names only what is there, and this. Should it be reached
        // all the same, the application hears of it: the same want would come first for ever.
        let Some(frame) = self.reliable.frame(want) else {
            self.reliable.unwritten(want);
            return self.reliable.told(now).map_or(ClientAction::Wait(Deadline::At(now)), ClientAction::Told);
        };
        // The action is kept behind the message: what it is borrowed from changes when the message goes.
        let have = out.len();
        let uri = frame.action_uri(versions);
        let kept = uri.len();
        let (out, action) = out.split_at_mut(have.saturating_sub(kept));
        let written = match &mut self.security {
            None => frame.write_envelope(versions, self.language, out).map_err(Unsealed::Room),
            Some(security) => {
                let mut scratch = [0; SCRATCH];
                let seal = |rendered: Rendered<'_>| {
                    let Rendered { headers, body, encrypt_body, .. } = rendered;
                    security.seal_message(now, &SessionMessage { headers, body, encrypt_body }, out)
                };
                frame.render(versions, self.language, &mut scratch, seal).map_err(Unsealed::Room).flatten()
            }
        };
        match written {
            Ok(len) if action.len() == kept => {
                action.copy_from_slice(uri);
                let exchange = self.reliable.sent(now, want).map(|exchange| outer(exchange, RELIABLE));
                ClientAction::Transmit { exchange, action, message: out.get(..len).unwrap_or(&[]) }
            }
            Ok(len) => ClientAction::Grow(Grow { needed: len.saturating_add(kept), have }),
            Err(Unsealed::Room(grow)) => ClientAction::Grow(Grow { needed: grow.needed.saturating_add(kept), have }),
            // Seen before sealing; the next poll renews.
            Err(Unsealed::RenewalDue) => ClientAction::Wait(Deadline::At(now)),
            Err(Unsealed::Misuse(_)) => {
                self.reliable.lower_failed();
                ClientAction::Wait(Deadline::At(now))
            }
            Err(Unsealed::Unsendable(error)) => {
                // Its number is taken: the sequence cannot go on without it.
                self.reliable.unsendable(want);
                ClientAction::Failed(Failure::Unsendable(error))
            }
        }
    }

    /// A trust request has failed. A renewal takes the message that waited for it along: it counts as sent and lost, as with
    /// WCF, whose sending fails, and when its time has come again, so has that of another renewal.
    fn follow_failure(&mut self, now: Instant, renewing: bool) {
        self.follow_conversation();
        if !renewing || self.conversation() != Some(InitiatorPhase::Opened) {
            return;
        }
        if let Some(want) = self.reliable.next(now)
            && let Some(exchange) = self.reliable.sent(now, want)
        {
            self.reliable.exchange_failed(now, exchange);
        }
    }

    /// The reliable session cannot outlive its conversation.
    fn follow_conversation(&mut self) {
        if matches!(self.conversation(), Some(InitiatorPhase::Faulted | InitiatorPhase::Closed)) {
            self.reliable.lower_failed();
        }
    }

    /// Takes in what came; it is decrypted in place. `exchange`: whose answer it is; `None` on a connection. An empty message
    /// is HTTP's 202.
    pub fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        exchange: Option<Exchange>,
        credentials: &C,
        message: &mut [u8],
    ) -> ClientHeard {
        let related = match exchange.map(inner) {
            Some((exchange, TRUST)) => Some(exchange),
            Some(_) => None,
            // On a connection, an answer to a trust request is known by what it relates to.
            None => self.security.as_ref().and_then(|security| security.trust_exchange_related_to(message)),
        };
        if let (Some(trust), Some(security)) = (related, &mut self.security) {
            let renewing = security.phase() == InitiatorPhase::Renewing;
            let received = security.receive(now, trust, credentials, message);
            return self.hear_conversation(now, renewing, received);
        }
        let exchange = exchange.map(|exchange| inner(exchange).0);
        if message.is_empty() {
            return ClientHeard::Session(self.reliable.hear(now, exchange, None), None);
        }
        let mut scratch = [0; SCRATCH];
        let (versions, limits) = (self.versions, self.limits.clone());
        let Some(security) = &mut self.security else {
            return match Arrival::read_envelope(message, versions, &limits, &mut scratch) {
                Ok((arrival, parts)) => {
                    let place = message_of(message, &arrival, parts.body, parts.body_scope, parts.must_understand);
                    self.hear(now, exchange, &arrival, place)
                }
                Err(error) => self.not_read(now, exchange, NotRead::Unreadable(error)),
            };
        };
        let heard = security.open_message(now, credentials, |action| encryption(versions, action), message);
        match heard {
            Ok(secure::Heard::Message(opened)) => {
                let blocks = blocks_of(&opened);
                match Arrival::read_blocks(message, blocks, versions, &limits, &mut scratch) {
                    Ok((arrival, must_understand)) => {
                        let scope = opened.body_scope.clone();
                        let place = message_of(message, &arrival, opened.body, scope, must_understand);
                        self.hear(now, exchange, &arrival, place)
                    }
                    Err(error) => self.not_read(now, exchange, NotRead::Unreadable(error)),
                }
            }
            Ok(secure::Heard::Fault(fault)) => {
                // The message was not taken; it goes out again, under a new key if need be, or the session is over.
                self.lost(now, exchange);
                self.follow_conversation();
                ClientHeard::Failed(Failure::Fault(fault))
            }
            Ok(secure::Heard::Cancelled) => {
                self.follow_conversation();
                ClientHeard::Conversation
            }
            Err(refusal) => self.not_read(now, exchange, NotRead::Refused(refusal)),
        }
    }

    fn hear_conversation(
        &mut self,
        now: Instant,
        renewing: bool,
        received: Result<Received, secure::Refusal>,
    ) -> ClientHeard {
        match received {
            Ok(Received::Established) => {
                let mut reference = [0; 512];
                let written = self.security.as_ref().map(|security| security.write_token_reference(&mut reference));
                let bound = match written {
                    Some(Ok(len)) => reference.get(..len).is_some_and(|reference| self.reliable.bind(reference)),
                    Some(Err(_)) | None => false,
                };
                if !bound || self.reliable.open(now).is_err() {
                    self.reliable.lower_failed();
                }
                ClientHeard::Conversation
            }
            Ok(Received::Renewed | Received::Closed | Received::Accepted | Received::Reply(_)) => {
                ClientHeard::Conversation
            }
            Ok(Received::Failed(failure)) => {
                self.follow_failure(now, renewing);
                ClientHeard::Failed(failure)
            }
            Err(refusal) => {
                self.follow_conversation();
                ClientHeard::NotRead(NotRead::Refused(refusal))
            }
        }
    }

    fn hear(&mut self, now: Instant, exchange: Option<Exchange>, arrival: &Arrival<'_>, place: Message) -> ClientHeard {
        let heard = self.reliable.hear(now, exchange, Some(arrival));
        let message = match heard {
            Heard::Message { .. } | Heard::Reply { .. } => Some(place),
            Heard::Accepted { .. } | Heard::Protocol | Heard::Duplicate | Heard::NoRoom | Heard::Refused(_) => None,
        };
        ClientHeard::Session(heard, message)
    }

    fn not_read(&mut self, now: Instant, exchange: Option<Exchange>, why: NotRead) -> ClientHeard {
        self.lost(now, exchange);
        ClientHeard::NotRead(why)
    }

    fn lost(&mut self, now: Instant, exchange: Option<Exchange>) {
        if let Some(exchange) = exchange {
            self.reliable.exchange_failed(now, exchange);
        }
    }
}

/// The parts of a message that was opened.
pub(super) fn blocks_of(opened: &Opened) -> Blocks<'_, impl Iterator<Item = Span>> {
    let headers = opened.headers.iter().filter(|(element, _)| *element != Element::Security).map(|(_, span)| *span);
    Blocks { headers, header_scope: &opened.header_scope, body: opened.body, body_scope: &opened.body_scope }
}
