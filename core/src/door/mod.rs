//! Many conversations: to which of a service's shards a message belongs, and whether there is room for one that opens.
//!
//! A shard is a machine of the rooms below, a [`SessionService`] or an [`Acceptor`], alone or under a
//! [`ServiceEndpoint`](crate::session::ServiceEndpoint), with a fixed number of sessions, a lock and a deadline of its own. The shards know nothing of each other. What they share is here, in two parts:
//!
//! * [`Router`] reads the head of a message and says whose it is. It keeps nothing and changes nothing, so that every thread
//!   has a copy: a message of a session that is open takes no lock but its shard's. Identifiers that a shard has made carry
//!   their shard ([`ShardMark`]), so that nothing is looked up, however many sessions there are.
//! * [`Door`] keeps the books of what is pending in the whole service, and says in which shard a conversation may open. Its
//!   lock is taken when something opens, or when a shard's [`Census`] has changed: for some nanoseconds, never while a
//!   message is verified.
//!
//! # Limits
//!
//! Room is reserved *before* a shard looks into a message that opens something, and given back if it did not: however many
//! shards verify at the same time, what is pending never passes a limit. When there is no room, the shard is told
//! ([`Acceptor::set_full`]), and answers as it does when its own limit is reached.
//!
//! | table | capacity | who owns it | what goes first | when it is full |
//! |---|---|---|---|---|
//! | tokens issued and unused, or used and not accepted | [`DoorSettings::max_pending_sessions`] | the door's books | swept by the shard after two to four minutes | ServerTooBusy, under the bootstrap's key |
//! | sequences not yet accepted | [`DoorSettings::max_pending_channels`] | the door's books | nothing: the application accepts | CreateSequenceRefused, ConnectionLimitReached |
//! | sessions without a permit yet, where nobody waits for one | what the host has free: [`Door::admit_within`] | the door's books | nothing | as the first two |
//! | negotiations under way | [`DoorSettings::max_negotiations`] | the door's books | the shard's | the shard's |
//! | conversations | seats per shard, times shards | the shards | nothing: who is inside stays | as the first two |
//! | names of clients, connections | the lent [`NameSlot`]s | the door | the one not used for longest, of its set of eight | nothing: see [`Door::recall`] |
//!
//! Nothing here grows: the books are one [`ShardBooks`] a shard and the names one [`NameSlot`] each, in storage that the
//! caller lends: an array, a slice or a box.
//!
//! # A server with a lock for each shard
//!
//! ```
//! use soap_session_core::chance::{Chance, ShardKey};
//! use soap_session_core::door::{Census, Door, DoorSettings, Entry, NameSlot, Outcome, Route, Router, ShardBooks};
//! use soap_session_core::exchange::{Exchange, Outgoing};
//! use soap_session_core::secure::{AcceptorSettings, Binding, Credentials, Misuse};
//! use soap_session_core::session::{ServiceHeard, SessionService};
//! use soap_session_core::reliable::{ReliableSettings, Shape};
//! use soap_session_core::time::{Instant, Wall};
//! use soap_session_core::xml::Limits;
//! use std::sync::Mutex;
//! # #[derive(Clone, PartialEq, Eq, Debug)]
//! # struct Note(Vec<u8>);
//! # impl Outgoing for Note {
//! #     fn action(&self) -> &[u8] { b"urn:note" }
//! #     fn body(&self) -> &[u8] { &self.0 }
//! # }
//!
//! type Machine = SessionService<Note, 4, 8, 9, 4, 4, 64>;
//!
//! struct Server {
//!     router: Router,
//!     door: Mutex<Door<Vec<ShardBooks>, Vec<NameSlot>>>,
//!     /// Each with what the door was last told of it.
//!     shards: Vec<Mutex<(Machine, Census)>>,
//! }
//!
//! impl Server {
//!     fn new(shards: u32, secret: [u8; 32]) -> Self {
//!         let router = Router::new(ShardKey::new(secret), shards, Limits::default());
//!         let settings = DoorSettings { seats_per_shard: 4, ..DoorSettings::default() };
//!         let books = vec![ShardBooks::default(); shards as usize];
//!         let names = vec![NameSlot::default(); 2 * 4 * shards as usize];
//!         let machines = (0..shards as u16).map(|shard| {
//!             let (binding, security, wall) = (Binding::default(), AcceptorSettings::default(), Wall::default());
//!             // In earnest, every machine has seeds of its own from the operating system.
//!             let chance = |salt| Chance::new(&[salt ^ shard as u8; 32]);
//!             let reliable = ReliableSettings::default();
//!             let mut machine =
//!                 Machine::secure(reliable, Shape::RequestReply, binding, security, wall, chance(1), chance(2));
//!             machine.set_shard(router.mark(shard).unwrap());
//!             let census = Census::from(&machine);
//!             Mutex::new((machine, census))
//!         });
//!         let shards = machines.collect();
//!         Self { door: Mutex::new(Door::new(router.clone(), settings, books, names).unwrap()), router, shards }
//!     }
//!
//!     /// A message came. Which shard to ask for the answer, and what it was.
//!     fn hears<C: Credentials>(
//!         &self,
//!         now: Instant,
//!         from: Exchange,
//!         credentials: &C,
//!         message: &mut [u8],
//!     ) -> Result<(u16, ServiceHeard), Misuse> {
//!         let entry = match self.router.route(message) {
//!             // The common case: no lock but the shard's.
//!             Route::Shard { shard, opens: None } => Entry::at(shard),
//!             // The door's lock is given back before the shard's is taken.
//!             route => self.door.lock().unwrap().admit(route, None),
//!         };
//!         let mut shard = self.shards[usize::from(entry.shard)].lock().unwrap();
//!         let (machine, told) = &mut *shard;
//!         machine.set_full(entry.full);
//!         let heard = machine.receive(now, from, credentials, message);
//!         let census = Census::from(&*machine);
//!         if let Some(reservation) = entry.reservation {
//!             let opened = matches!(
//!                 heard,
//!                 Ok(ServiceHeard::Conversation(_) | ServiceHeard::Session { session: Some(_), .. })
//!             );
//!             let outcome = if opened { Outcome::Opened } else { Outcome::Refused };
//!             // Always the shard's lock first, then the door's.
//!             self.door.lock().unwrap().settle(reservation, outcome, census);
//!         } else if census != *told {
//!             self.door.lock().unwrap().tell(entry.shard, census);
//!         }
//!         *told = census;
//!         Ok((entry.shard, heard?))
//!     }
//! }
//! # let server = Server::new(4, [7; 32]);
//! # let none = soap_session_core::secure::NoCredentials;
//! # assert!(server.hears(Instant::from_millis(0), Exchange(1), &none, &mut b"<a/>".to_vec()).is_ok());
//! ```
//!
//! The same last four lines belong behind every other verb that can change a census: `accept`, `close`, `abort`, and `poll`,
//! which sweeps. Each shard is polled at its own deadline.
//!
//! [`Acceptor`]: crate::secure::Acceptor
//! [`Acceptor::set_full`]: crate::secure::Acceptor::set_full
//! [`SessionService`]: crate::session::SessionService
//! [`ShardMark`]: crate::chance::ShardMark

mod admission;
mod books;
mod names;
mod router;
mod survey;

pub use admission::{Entry, Full, Outcome, Refused, Reservation};
pub use books::{Census, Door, DoorSettings, Misfit, ShardBooks};
pub use names::{NameSlot, WAYS};
pub use router::{MAX_SHARDS, Opening, Route, Router, Stranger, Why};

use core::fmt;

/// What a message opens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Opens {
    /// A secure conversation: RST/SCT.
    Token,
    /// A reliable session: CreateSequence.
    Sequence,
    /// A negotiation of credentials: RST/Issue of SPNEGO and TLSNEGO.
    Negotiation,
}

impl Opens {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Token, Self::Sequence, Self::Negotiation];
}

impl fmt::Display for Opens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "secure conversations",
            Self::Sequence => "reliable sessions",
            Self::Negotiation => "negotiations",
        })
    }
}

/// A number for each of the things that open.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Each<T> {
    tokens: T,
    sequences: T,
    negotiations: T,
}

impl<T: Copy> Each<T> {
    const fn of(&self, what: Opens) -> T {
        match what {
            Opens::Token => self.tokens,
            Opens::Sequence => self.sequences,
            Opens::Negotiation => self.negotiations,
        }
    }

    const fn of_mut(&mut self, what: Opens) -> &mut T {
        match what {
            Opens::Token => &mut self.tokens,
            Opens::Sequence => &mut self.sequences,
            Opens::Negotiation => &mut self.negotiations,
        }
    }
}
