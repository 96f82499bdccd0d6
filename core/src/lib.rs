//! Secure SOAP sessions as Microsoft's WCF speaks them, as a pure state machine: bytes and time in, actions out.
//!
//! Nothing here opens a socket, reads a clock, draws randomness or allocates. A driver owns those and carries bytes:
//!
//! * **Tell** a machine what happened: [`Initiator::call`], [`Initiator::receive`], [`Acceptor::reply`], ...
//! * **Ask** it what to do: [`Initiator::poll`] and [`Acceptor::poll`], until they say `Wait`.
//! * **Read** what it knows: phases, identifiers, counts.
//!
//! A refusal changes nothing. What does not fit is said before anything changes (`Grow`), and asking again with more room
//! gives the same answer. Messages are decrypted in the buffer that is lent, and what is handed on are places in it.
//!
//! Time comes with every question and with every message received: a timestamp is judged by when its message came.
//!
//! ```
//! use soap_session_core::chance::Chance;
//! use soap_session_core::secure::{
//!     Binding, Credentials, Failure, Initiator, InitiatorAction, InitiatorSettings, Outgoing, Received,
//! };
//! use soap_session_core::time::{Instant, Wall};
//!
//! /// Whatever the application sends: the machine reads it once, when it seals.
//! struct Add(&'static [u8]);
//!
//! impl Outgoing for Add {
//!     fn action(&self) -> &[u8] {
//!         b"urn:calculator/Add"
//!     }
//!     fn body(&self) -> &[u8] {
//!         self.0
//!     }
//! }
//!
//! /// One turn of a client's loop. `post` carries a message over HTTP and writes the answer into the second buffer.
//! fn turn(
//!     client: &mut Initiator<Add>,
//!     now: Instant,
//!     credentials: &impl Credentials,
//!     out: &mut [u8],
//!     answer: &mut [u8],
//!     post: impl FnOnce(&[u8], &mut [u8]) -> Option<usize>,
//! ) -> Result<Option<Received>, Failure> {
//!     match client.poll(now, credentials, out)? {
//!         InitiatorAction::Wait => Ok(None),
//!         InitiatorAction::Grow(grow) => panic!("{grow}"),
//!         InitiatorAction::Transmit { exchange, message, .. } => match post(message, answer) {
//!             Some(len) => {
//!                 let received = client.receive(now, exchange, credentials, &mut answer[..len]);
//!                 received.map(Some).map_err(Failure::Refused)
//!             }
//!             None => Ok(client.exchange_failed(exchange).map(Received::Failed)),
//!         },
//!     }
//! }
//!
//! let (binding, settings) = (Binding::default(), InitiatorSettings::default());
//! // The seed comes from the operating system, the wall clock from the driver.
//! let (seed, wall) = ([0x5A; 32], Wall { unix_ms_at_zero: 1_795_219_200_000 });
//! let mut client: Initiator<Add> =
//!     Initiator::new(binding, settings, "http://localhost/calculator", None, wall, Chance::new(&seed))?;
//! client.open()?;
//! client.call(Add(b"<Add xmlns=\"urn:calculator\"><a>1</a><b>2</b></Add>")).map_err(|(_, misuse)| misuse)?;
//! # Ok::<(), soap_session_core::secure::Misuse>(())
//! ```
//!
//! # Rooms
//!
//! [`xml`] reads, canonicalizes and writes; [`soap`] knows envelopes, addressing and faults; [`crypto`] has the algorithm
//! suites and a trait behind which other primitives fit; [`secure`] is WS-SecureConversation, [`reliable`] is
//! WS-ReliableMessaging, and [`session`] puts the two together. [`secure::open`] and [`secure::seal`] work on single
//! messages, for who needs no session. [`throttle`] limits calls, sessions and instances, in tables that a [`store`] makes;
//! [`lifetime`] knows which call is legal in which state of a channel. [`service`] decides what a service host runs, and when;
//! [`session::ServiceEndpoint`] and [`session::ClientChannel`] are the two sides as applications see them, and the [`door`]
//! spreads the sessions of a service over as many endpoints as it has cores.
//!
//! # Memory
//!
//! Tables are inside the machines, their capacities are const parameters, or in a [`store`] of the caller's, as large as it says
//! when they are made. None grows. Opening and sealing use the stack only.
//!
//! [`Initiator::call`]: secure::Initiator::call
//! [`Initiator::receive`]: secure::Initiator::receive
//! [`Initiator::poll`]: secure::Initiator::poll
//! [`Acceptor::reply`]: secure::Acceptor::reply
//! [`Acceptor::poll`]: secure::Acceptor::poll
#![no_std]

pub mod base64;
pub mod chance;
pub mod crypto;
pub mod door;
pub mod exchange;
pub mod lifetime;
pub mod reliable;
pub mod secure;
pub mod service;
pub mod session;
pub mod soap;
pub mod store;
pub mod throttle;
pub mod time;
pub mod xml;
