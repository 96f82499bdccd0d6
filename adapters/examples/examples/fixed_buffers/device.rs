//! A client and a service without an allocator: a meter that reports to a hub. Copy it into a program that is `no_std`.
//!
//! Nothing here is a `Vec`, a `String` or a `Box`, and nothing comes from `std` or `alloc`: tables are in the machines, as large as
//! their types say, and messages are written to, opened in and read from two buffers. `main.rs` beside this file counts what is
//! allocated; `tests/bare` links this very file into a program that has no allocator at all.
//!
//! The session is secure (WS-SecureConversation) and reliable. The key is agreed on under a protected transport, where a name and a
//! password prove who the client is, so that there is no RSA; for certificates a secure element would stand behind `Credentials`.
//! The wire is the two buffers: client and service share a loop here, where you have one of them and a modem. It loses every third
//! request. Time is what the machines ask to wait for: where it is set, you sleep.

use core::fmt::{self, Write};
use core::str;
use soap_session_core::chance::Chance;
use soap_session_core::exchange::{Exchange, Outgoing};
use soap_session_core::lifetime::{CommunicationState, Timeouts};
use soap_session_core::reliable::{ClientAddresses, ReliableSettings, RmVersion, Shape};
use soap_session_core::secure::{
    AcceptorSettings, Binding, Bootstrap, CredentialError, Credentials, InitiatorSettings, UserCredential,
};
use soap_session_core::service::{
    BindingShapes, Called, Contract, HostSettings, HostTables, Listener, Operation, ServiceHost, SessionMode,
};
use soap_session_core::session::{
    CallAnswer, ChannelAction, ChannelEvent, ChannelHeard, ClientChannel, FaultReply, Kept, LayerAction, LayerHeard,
    OperationUse, Order, ReliableLayer, ServiceEndpoint, SessionClient, SessionService,
};
use soap_session_core::store::Fixed;
use soap_session_core::throttle::ThrottleSettings;
use soap_session_core::time::{Deadline, Instant, Wall};
use soap_session_core::xml::{Limits, Reader, Scope, Span};

const ADDRESS: &str = "https://hub.example/meters";
const OPERATIONS: &[Operation<'static>] =
    &[Operation::new("Report", "urn:meter/Report").one_way(), Operation::new("Total", "urn:meter/Total")];
const CONTRACT: Contract<'static> =
    Contract { name: "IMeters", session_mode: SessionMode::Required, callbacks: false, operations: OPERATIONS };

/// 2 calls under way, 16 signatures against replays, a window of 4 messages, 8 exchanges.
type Client = ClientChannel<Letter, Chance, 2, 16, 4, 5, 8>;
/// 2 sessions, a window of 4 messages, 5 ranges, 4 requests, 8 exchanges, 64 signatures against replays.
type Hub = ServiceEndpoint<Letter, ReliableLayer<Letter, 2, 4, 5, 4, 8, 64>, Tables>;
/// Channels, calls, instances and permits: 4 of each.
type Tables = Fixed<4>;

/// A text of a bounded length.
struct Text<const N: usize> {
    octets: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    fn new(text: fmt::Arguments<'_>) -> Self {
        let mut new = Self { octets: [0; N], len: 0 };
        // What does not fit is left out whole: nothing here is as long as that.
        let _ = new.write_fmt(text);
        new
    }

    fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }
}

impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.octets.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// A message of either side's application.
struct Letter {
    action: Text<128>,
    body: Text<1024>,
    two_way: bool,
    fault: bool,
}

impl Letter {
    fn new(action: &str, body: fmt::Arguments<'_>, two_way: bool) -> Self {
        Self { action: Text::new(format_args!("{action}")), body: Text::new(body), two_way, fault: false }
    }
}

impl Outgoing for Letter {
    fn action(&self) -> &[u8] {
        self.action.as_bytes()
    }
    fn body(&self) -> &[u8] {
        self.body.as_bytes()
    }
    fn two_way(&self) -> bool {
        self.two_way
    }
    fn is_fault(&self) -> bool {
        self.fault
    }
}

impl FaultReply for Letter {
    fn fault(action: &str, body: &[u8], _: Kept) -> Self {
        let body = str::from_utf8(body).unwrap_or_default();
        Self { fault: true, ..Self::new(action, format_args!("{body}"), false) }
    }
}

/// The one user.
struct Users;

impl Credentials for Users {
    fn check_user(&self, name: &str, password: &str) -> Result<(), CredentialError> {
        if name == "meter" && password == "secret" { Ok(()) } else { Err(CredentialError::BadPassword) }
    }
}

/// How a session went.
pub(crate) struct Outcome {
    /// What the hub answered at last: the sum of all reports.
    pub(crate) total: u32,
    /// How many requests were sent.
    pub(crate) sent: u32,
    /// How many of them were lost.
    pub(crate) lost: u32,
}

/// What the hub keeps of a message until its turn.
#[derive(Clone, Copy)]
struct Held {
    kept: Kept,
    called: Option<Called>,
    /// There is no header block that must be understood and is not.
    understood: bool,
    value: u32,
}

struct World {
    client: Client,
    hub: Hub,
    host: ServiceHost<Kept, Tables>,
    now: Instant,
    /// The wire, either way.
    request: [u8; 8192],
    answer: [u8; 8192],
    held: [Option<Held>; 8],
    sum: u32,
    outcome: Outcome,
}

/// The number in the only element of a body.
fn number(message: &[u8], body: Span, scope: &Scope) -> Option<u32> {
    let mut reader = Reader::resume(message, body, scope, &Limits::default()).ok()?;
    reader.next_element().ok()??;
    str::from_utf8(reader.text().ok()?.raw()).ok()?.parse().ok()
}

impl World {
    fn new(seed: u8) -> Option<Self> {
        // On a device: from its source of randomness and from its clock.
        let chance = |trade| Chance::new(&[seed ^ trade; 32]);
        let wall = Wall { unix_ms_at_zero: 1_795_219_200_000 };
        let settings = ReliableSettings { version: RmVersion::V11, max_transfer_window_size: 4, ..Default::default() };
        let binding = Binding::ws2007_http(Bootstrap::UserNameOverTransport);
        let (addresses, user) = (ClientAddresses::new(ADDRESS, None)?, UserCredential::new("meter", "secret"));
        let (shape, security) = (Shape::RequestReply, InitiatorSettings::default());
        let session = SessionClient::secure(
            settings.clone(),
            shape,
            addresses,
            binding.clone(),
            security,
            user,
            wall,
            chance(1),
            chance(2),
        );
        let sessions =
            SessionService::secure(settings, shape, binding, AcceptorSettings::default(), wall, chance(3), chance(4));
        let chosen = CONTRACT.over(&BindingShapes::reliable_session("WS2007HttpBinding")).ok()?;
        let limits =
            ThrottleSettings { max_concurrent_calls: 2, max_concurrent_sessions: 2, max_concurrent_instances: None };
        let tables = HostTables { channels: Fixed, calls: Fixed, instances: Fixed, permits: Fixed };
        Some(Self {
            client: Client::over_reliable(session.ok()?, Timeouts::default()),
            hub: Hub::new(ReliableLayer::new(sessions), 0, Listener(0), chosen, Fixed),
            host: ServiceHost::new(HostSettings::default(), limits, tables).ok()?,
            now: Instant::from_millis(0),
            request: [0; 8192],
            answer: [0; 8192],
            held: [None; 8],
            sum: 0,
            outcome: Outcome { total: 0, sent: 0, lost: 0 },
        })
    }

    /// Does what the client wants, until it waits.
    fn client_turn(&mut self) -> Option<Deadline> {
        loop {
            match self.client.poll(self.now, &Users, &mut self.request) {
                ChannelAction::Transmit { exchange, message, .. } => {
                    let (exchange, len) = (exchange?, message.len());
                    self.outcome.sent += 1;
                    if self.outcome.sent.is_multiple_of(3) {
                        self.outcome.lost += 1;
                        self.client.exchange_failed(self.now, exchange);
                    } else {
                        self.arrive(exchange, len)?;
                        self.hub_turn()?;
                    }
                }
                ChannelAction::Event(
                    ChannelEvent::Faulted(_) | ChannelEvent::CallDone(_, Err(_)) | ChannelEvent::CloseDone(Err(_)),
                ) => return None,
                ChannelAction::Event(_) => {}
                // The buffers are as large as the largest message.
                ChannelAction::Grow(_) => return None,
                ChannelAction::Wait(deadline) => return Some(deadline),
            }
        }
    }

    /// The hub hears a request, which is decrypted where it lies, and keeps what it says.
    fn arrive(&mut self, exchange: Exchange, len: usize) -> Option<()> {
        let message = self.request.get_mut(..len)?;
        if let LayerHeard::Message(delivered) = self.hub.receive(self.now, exchange, &Users, message).ok()? {
            let place = delivered.message;
            let called = CONTRACT.called(place.action.of(message));
            let value = number(message, place.body, &place.body_scope).unwrap_or(0);
            let held = Held { kept: delivered.kept, called, understood: place.must_understand.is_none(), value };
            // Two sessions with a window of 4 each: there is room.
            *self.held.iter_mut().find(|room| room.is_none())? = Some(held);
        }
        Some(())
    }

    /// Does what the hub and its host want, until both wait.
    fn hub_turn(&mut self) -> Option<()> {
        loop {
            match self.hub.poll(self.now, &Users, &mut self.answer).ok()? {
                LayerAction::Answer { exchange, message, .. } => {
                    let len = message.len();
                    let message = self.answer.get_mut(..len)?;
                    let heard = self.client.receive(self.now, Some(exchange), &Users, message);
                    if let ChannelHeard::Reply { message: place, .. } = heard {
                        self.outcome.total = number(message, place.body, &place.body_scope)?;
                    }
                    continue;
                }
                LayerAction::Drop(exchange) => {
                    self.client.exchange_failed(self.now, exchange);
                    continue;
                }
                LayerAction::Grow(_) => return None,
                LayerAction::Transmit { .. } | LayerAction::Ended(_) | LayerAction::Gone(..) => {}
                LayerAction::Swept(_) | LayerAction::Wait(_) => {}
            }
            match self.hub.order(self.now, &mut self.host) {
                Order::Look(kept) => {
                    let held = *self.held.iter().flatten().find(|held| held.kept == kept)?;
                    if held.understood {
                        self.hub.looked(self.now, &mut self.host, kept, held.called).ok()?;
                    } else {
                        self.hub.not_understood(self.now, &mut self.host, kept, held.called).ok()?;
                    }
                }
                Order::Run(run) => {
                    let held = self.take(run.message)?;
                    let answer = if run.called.operation == 0 {
                        self.sum += held.value;
                        CallAnswer::Nothing
                    } else {
                        let body = format_args!("<Total xmlns=\"urn:meter\">{}</Total>", self.sum);
                        CallAnswer::Reply(Letter::new("urn:meter/TotalResponse", body, false))
                    };
                    self.hub.answered(self.now, &mut self.host, run.call, run.message, answer).ok()?;
                }
                Order::Refused(kept, fault) => {
                    self.take(kept)?;
                    self.hub.refuse(self.now, kept, b"", fault);
                }
                Order::Gone(owner, ..) => {
                    let of_it = |held: &&mut Option<Held>| held.is_some_and(|held| held.kept.owner == owner);
                    self.held.iter_mut().filter(of_it).for_each(|held| *held = None);
                }
                Order::Wait(until) if until > Deadline::At(self.now) => return Some(()),
                Order::Bound(..) | Order::Resume(_) | Order::Ending(..) | Order::Waits { .. } => {}
                Order::Throttle(_) | Order::Wait(_) => {}
            }
        }
    }

    fn take(&mut self, kept: Kept) -> Option<Held> {
        self.held.iter_mut().find(|held| held.is_some_and(|held| held.kept == kept))?.take()
    }
}

/// Opens a session, reports 1, 2, ... `reports`, asks for the total, and closes. `None`: something failed.
pub(crate) fn session(seed: u8, reports: u32) -> Option<Outcome> {
    let mut world = World::new(seed)?;
    let mut said = 0;
    loop {
        let deadline = world.client_turn()?;
        let state = world.client.state();
        if state == CommunicationState::Closed {
            return Some(world.outcome);
        }
        if world.client.calls() == 0 && matches!(state, CommunicationState::Created | CommunicationState::Opened) {
            said += 1;
            if said <= reports {
                let body = format_args!("<Report xmlns=\"urn:meter\">{said}</Report>");
                let letter = Letter::new("urn:meter/Report", body, false);
                world.client.call(world.now, OperationUse::one_way("Report"), letter).ok()?;
            } else if said == reports + 1 {
                let letter = Letter::new("urn:meter/Total", format_args!("<Total xmlns=\"urn:meter\"/>"), true);
                world.client.call(world.now, OperationUse::new("Total"), letter).ok()?;
            } else {
                world.client.close(world.now).ok()?;
            }
        } else if let Deadline::At(at) = deadline {
            world.now = world.now.max(at);
        } else {
            return None;
        }
    }
}
