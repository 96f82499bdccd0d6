//! The books of the service: what every shard holds, and what is kept for messages under way.

use super::names::{NameSlot, Names};
use super::router::Router;
use super::{Each, Full, Opens, Refused};
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::exchange::Outgoing;
use crate::reliable::ReliableAcceptor;
use crate::secure::Acceptor;
use crate::session::SessionService;
use core::fmt;

/// What the whole service may hold. The defaults are WCF's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DoorSettings {
    /// Tokens that are issued and unused, or used and not yet accepted. WCF: `LocalServiceSecuritySettings.MaxPendingSessions`, 128.
    pub max_pending_sessions: u16,
    /// Reliable sessions that are not yet accepted. WCF: `ReliableSessionBindingElement.MaxPendingChannels`, 4.
    pub max_pending_channels: u16,
    /// Negotiations under way. WCF: `LocalServiceSecuritySettings.MaxStatefulNegotiations`, 128.
    pub max_negotiations: u16,
    /// Conversations in one shard: the capacity of its machine's tables.
    pub seats_per_shard: u16,
    /// What takes a seat: [`Opens::Token`] where the sessions are secure, [`Opens::Sequence`] where they are not.
    pub seat: Opens,
}

impl Default for DoorSettings {
    fn default() -> Self {
        Self {
            max_pending_sessions: 128,
            max_pending_channels: 4,
            max_negotiations: 128,
            seats_per_shard: 16,
            seat: Opens::Token,
        }
    }
}

impl DoorSettings {
    /// How many may be pending.
    pub const fn limit(&self, opens: Opens) -> u16 {
        match opens {
            Opens::Token => self.max_pending_sessions,
            Opens::Sequence => self.max_pending_channels,
            Opens::Negotiation => self.max_negotiations,
        }
    }
}

/// How a shard stands, as its machine counts. The machine is right: the door only adds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Census {
    /// Secure conversations.
    pub tokens: u16,
    /// Those of them that are issued and unused, or used and not yet accepted.
    pub pending_tokens: u16,
    /// Reliable sessions.
    pub sequences: u16,
    /// Those of them that wait to be accepted.
    pub pending_sequences: u16,
    /// Negotiations under way.
    pub negotiations: u16,
}

impl Census {
    const fn pending(&self, opens: Opens) -> u16 {
        match opens {
            Opens::Token => self.pending_tokens,
            Opens::Sequence => self.pending_sequences,
            Opens::Negotiation => self.negotiations,
        }
    }

    const fn all(&self, opens: Opens) -> u16 {
        match opens {
            Opens::Token => self.tokens,
            Opens::Sequence => self.sequences,
            Opens::Negotiation => self.negotiations,
        }
    }
}

fn count(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

impl<
    P,
    const S: usize,
    const W: usize,
    const R: usize,
    const Q: usize,
    const X: usize,
    const Y: usize,
    B,
    const Z: usize,
> From<&SessionService<P, S, W, R, Q, X, Y, B, Z>> for Census
where
    P: Outgoing,
    B: Backend,
{
    fn from(shard: &SessionService<P, S, W, R, Q, X, Y, B, Z>) -> Self {
        Self {
            tokens: count(shard.conversations()),
            pending_tokens: count(shard.pending_conversations()),
            sequences: count(shard.sessions()),
            pending_sequences: count(shard.pending_sessions()),
            negotiations: 0,
        }
    }
}

impl<P, E, const S: usize, const X: usize, const Y: usize, B> From<&Acceptor<P, E, S, X, Y, B>> for Census
where
    P: Outgoing,
    E: Entropy + Clone,
    B: Backend,
{
    fn from(shard: &Acceptor<P, E, S, X, Y, B>) -> Self {
        let pending = shard.pending_sessions().saturating_add(shard.queued());
        let (tokens, pending_tokens) = (count(shard.sessions()), count(pending));
        Self { tokens, pending_tokens, ..Self::default() }
    }
}

impl<P, const S: usize, const W: usize, const R: usize, const Q: usize, const X: usize>
    From<&ReliableAcceptor<P, S, W, R, Q, X>> for Census
where
    P: Outgoing,
{
    fn from(shard: &ReliableAcceptor<P, S, W, R, Q, X>) -> Self {
        let (sequences, pending_sequences) = (count(shard.len()), count(shard.pending()));
        Self { sequences, pending_sequences, ..Self::default() }
    }
}

/// The books of one shard.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ShardBooks {
    pub(super) census: Census,
    pub(super) reserved: Each<u16>,
    /// Its neighbours in the ring of shards with room.
    next: u16,
    previous: u16,
    /// Is it in the ring?
    listed: bool,
}

impl ShardBooks {
    /// As it was last told.
    pub const fn census(&self) -> Census {
        self.census
    }

    /// For how many messages under way room is kept.
    pub const fn reserved(&self, opens: Opens) -> u16 {
        self.reserved.of(opens)
    }

    /// Is a seat free?
    pub const fn has_room(&self) -> bool {
        self.listed
    }

    /// Seats that are taken or kept.
    fn load(&self, seat: Opens) -> u32 {
        u32::from(self.census.all(seat)).saturating_add(u32::from(self.reserved.of(seat)))
    }
}

/// The lent storage does not fit the number of shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misfit {
    /// Shards of the router.
    pub shards: u32,
    /// [`ShardBooks`] that were lent.
    pub books: usize,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} shards need as many books, not {}", self.shards, self.books)
    }
}

impl core::error::Error for Misfit {}

/// The door of a service: its books, in storage that is lent, and what it remembers of names. See the [module](super).
///
/// Every verb takes a time that does not depend on how many sessions and shards there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Door<S, N> {
    router: Router,
    settings: DoorSettings,
    books: S,
    pub(super) names: Names<N>,
    /// Sums over the books.
    pending: Each<u32>,
    reserved: Each<u32>,
    taken: u64,
    /// The ring of shards with room: whose turn it is, and how many there are.
    turn: u16,
    listed: u32,
}

impl<S, N> Door<S, N>
where
    S: AsRef<[ShardBooks]> + AsMut<[ShardBooks]>,
    N: AsRef<[NameSlot]> + AsMut<[NameSlot]>,
{
    /// The door of a service whose shards are empty. `books`: one for each shard of the router. `names`: as many as are to be
    /// remembered, perhaps none; two a seat are enough for everything. What stands in the storage is overwritten.
    ///
    /// # Errors
    /// [`Misfit`]: not as many books as shards.
    pub fn new(router: Router, settings: DoorSettings, mut books: S, names: N) -> Result<Self, Misfit> {
        let (shards, lent) = (router.shards(), books.as_ref().len());
        if u32::try_from(lent) != Ok(shards) {
            return Err(Misfit { shards, books: lent });
        }
        books.as_mut().fill(ShardBooks::default());
        let names = Names::new(names);
        let (pending, reserved) = (Each::default(), Each::default());
        let mut door = Self { router, settings, books, names, pending, reserved, taken: 0, turn: 0, listed: 0 };
        if door.settings.seats_per_shard > 0 {
            for shard in (0..=u16::MAX).take(lent) {
                door.link(shard);
            }
        }
        Ok(door)
    }

    /// The router, to be copied for every thread.
    pub const fn router(&self) -> &Router {
        &self.router
    }

    /// What was set.
    pub const fn settings(&self) -> &DoorSettings {
        &self.settings
    }

    /// How many of these are pending, in the whole service; room that is kept counts.
    pub const fn pending(&self, opens: Opens) -> u32 {
        self.pending.of(opens).saturating_add(self.reserved.of(opens))
    }

    /// For how many messages under way room is kept.
    pub const fn reserved(&self, opens: Opens) -> u32 {
        self.reserved.of(opens)
    }

    /// Seats that are taken or kept, in the whole service.
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// How many seats there are.
    pub fn seats(&self) -> u64 {
        u64::from(self.router.shards()).saturating_mul(u64::from(self.settings.seats_per_shard))
    }

    /// How many shards have a free seat.
    pub const fn shards_with_room(&self) -> u32 {
        self.listed
    }

    /// The books of a shard.
    pub fn shard(&self, shard: u16) -> Option<&ShardBooks> {
        self.books.as_ref().get(usize::from(shard))
    }

    /// How many names are remembered. It counts them.
    pub fn names(&self) -> usize {
        self.names.len()
    }

    /// The only way in which books change: sums and ring follow.
    pub(super) fn change(&mut self, shard: u16, change: impl FnOnce(&mut ShardBooks)) {
        let seat = self.settings.seat;
        let Some(books) = self.at(shard) else { return };
        let before = *books;
        change(books);
        let after = *books;
        for opens in Opens::ALL {
            let (from, to) = (before.census.pending(opens), after.census.pending(opens));
            moved(self.pending.of_mut(opens), from, to);
            moved(self.reserved.of_mut(opens), before.reserved.of(opens), after.reserved.of(opens));
        }
        let (from, to) = (before.load(seat), after.load(seat));
        self.taken = self.taken.saturating_sub(u64::from(from)).saturating_add(u64::from(to));
        match (before.listed, to < u32::from(self.settings.seats_per_shard)) {
            (false, true) => self.link(shard),
            (true, false) => self.unlink(shard),
            (false, false) | (true, true) => {}
        }
    }

    /// A shard with a free seat: `wanted`, unless it is full or [crowded](Self::is_crowded).
    pub(super) fn seat_near(&mut self, wanted: u16) -> Result<u16, Refused> {
        if self.listed == 0 {
            return Err(Refused { shard: wanted, full: Full::Seats { seats: self.seats() } });
        }
        let turn = self.turn;
        let next = self.shard(turn).map_or(turn, |books| books.next);
        let has_room = self.shard(wanted).is_some_and(ShardBooks::has_room);
        let chosen = if has_room && !self.is_crowded(wanted) {
            wanted
        } else if self.load(next) < self.load(turn) {
            next
        } else {
            turn
        };
        self.turn = next;
        Ok(chosen)
    }

    /// Is it fuller, by more than a quarter of the seats, than one of the two shards with room whose turn it is?
    pub(super) fn is_crowded(&self, shard: u16) -> bool {
        let next = self.shard(self.turn).map_or(self.turn, |books| books.next);
        let slack = u32::from(self.settings.seats_per_shard.wrapping_shr(2).max(1));
        self.listed > 0 && self.load(shard) > self.load(self.turn).min(self.load(next)).saturating_add(slack)
    }

    pub(super) fn load(&self, shard: u16) -> u32 {
        self.shard(shard).map_or(u32::MAX, |books| books.load(self.settings.seat))
    }

    fn at(&mut self, shard: u16) -> Option<&mut ShardBooks> {
        self.books.as_mut().get_mut(usize::from(shard))
    }

    /// Puts a shard at the end of the ring: behind all whose turn comes.
    fn link(&mut self, shard: u16) {
        let first = if self.listed == 0 { shard } else { self.turn };
        let last = self.shard(first).filter(|_| self.listed > 0).map_or(shard, |books| books.previous);
        if let Some(books) = self.at(shard) {
            (books.next, books.previous, books.listed) = (first, last, true);
        }
        if let Some(books) = self.at(last) {
            books.next = shard;
        }
        if let Some(books) = self.at(first) {
            books.previous = shard;
        }
        self.turn = first;
        self.listed = self.listed.saturating_add(1);
    }

    fn unlink(&mut self, shard: u16) {
        let Some(books) = self.at(shard) else { return };
        let (next, previous) = (books.next, books.previous);
        books.listed = false;
        if let Some(books) = self.at(previous) {
            books.next = next;
        }
        if let Some(books) = self.at(next) {
            books.previous = previous;
        }
        if self.turn == shard {
            self.turn = next;
        }
        self.listed = self.listed.saturating_sub(1);
    }
}

fn moved(sum: &mut u32, from: u16, to: u16) {
    *sum = sum.saturating_sub(u32::from(from)).saturating_add(u32::from(to));
}
