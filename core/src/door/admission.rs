//! Who may open, and where.

use super::books::{Census, Door, ShardBooks};
use super::names::NameSlot;
use super::router::{Name, Opening, Route, Stranger};
use super::{Opens, Why};
use crate::chance::Hashed;
use core::fmt;

/// Room that is kept for a message that opens something, until it is [settled](Door::settle). Who drops it instead keeps the
/// room for nobody, for ever.
#[derive(PartialEq, Eq, Debug)]
#[must_use = "room that is not settled is lost"]
pub struct Reservation {
    shard: u16,
    opens: Opens,
    /// What the client calls it; nothing for what is found by its token.
    name: Option<u64>,
}

impl Reservation {
    /// Where.
    pub const fn shard(&self) -> u16 {
        self.shard
    }

    /// What for.
    pub const fn opens(&self) -> Opens {
        self.opens
    }
}

/// What became of a message for which room was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The shard opened something, or had opened it before.
    Opened,
    /// It did not.
    Refused,
}

/// Which limit is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// So many are pending in the whole service, room that is kept included.
    Pending {
        /// What.
        opens: Opens,
        /// How many.
        pending: u32,
        /// How many may be.
        limit: u16,
    },
    /// Every shard is full.
    Seats {
        /// How many seats there are in all.
        seats: u64,
    },
    /// The only shard where it could open is full.
    Shard {
        /// How many seats it has.
        seats: u16,
    },
    /// The host would let so many sessions begin, and as many have a claim to that already.
    Permits {
        /// How many it would let begin.
        free: u32,
        /// How many have opened in any shard and have no permit yet, those included that room is kept for.
        claimed: u32,
    },
    /// Something has opened under the same MessageID before, in a shard that is fuller than others.
    Repeated {
        /// Seats that are taken there.
        taken: u32,
    },
}

/// There is no room. The message still goes to a shard: that answers, as when its own limit is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The shard that answers.
    pub shard: u16,
    /// Why.
    pub full: Full,
}

impl Refused {
    /// The limit that is reached: for [`Acceptor::set_full`](crate::secure::Acceptor::set_full).
    pub fn limit(&self) -> u16 {
        match self.full {
            Full::Pending { limit, .. } => limit,
            Full::Seats { seats } => u16::try_from(seats).unwrap_or(u16::MAX),
            Full::Shard { seats } => seats,
            Full::Permits { free, .. } => u16::try_from(free).unwrap_or(u16::MAX),
            Full::Repeated { taken } => u16::try_from(taken).unwrap_or(u16::MAX),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.full {
            Full::Pending { opens, pending, limit } => {
                let setting = match opens {
                    Opens::Token => "max_pending_sessions",
                    Opens::Sequence => "max_pending_channels",
                    Opens::Negotiation => "max_negotiations",
                };
                write!(f, "{pending} {opens} are pending where {limit} may be ({setting}): try again later")
            }
            Full::Seats { seats } => {
                write!(f, "all {seats} seats of all shards are taken: close sessions, or add shards")
            }
            Full::Shard { seats } => write!(f, "all {seats} seats of shard {} are taken (seats_per_shard)", self.shard),
            Full::Permits { free, claimed } => write!(
                f,
                "{free} more sessions may begin, and {claimed} are about to (MaxConcurrentSessions, refuse_when_busy): try again later"
            ),
            Full::Repeated { taken } => write!(
                f,
                "its MessageID has opened something in shard {} before, where {taken} seats are taken: use another one",
                self.shard
            ),
        }
    }
}

impl core::error::Error for Refused {}

/// Where a message goes, and what its shard has to be told before it hears it.
#[derive(PartialEq, Eq, Debug)]
#[must_use = "room that is not settled is lost"]
pub struct Entry {
    /// The shard.
    pub shard: u16,
    /// For [`SessionService::set_full`](crate::session::SessionService::set_full), before the shard hears the message.
    pub full: Option<u16>,
    /// Room that is kept for it, to be settled after the shard has heard it.
    pub reservation: Option<Reservation>,
    /// Why there is none, if it opens something: for the log.
    pub refused: Option<Refused>,
}

impl Entry {
    /// A message that opens nothing. If it does after all, the shard refuses: nothing opens without a reservation.
    pub const fn at(shard: u16) -> Self {
        Self { shard, full: Some(0), reservation: None, refused: None }
    }

    fn of(room: Result<Reservation, Refused>) -> Self {
        match room {
            Ok(reservation) => {
                Self { shard: reservation.shard, full: None, reservation: Some(reservation), refused: None }
            }
            Err(refused) => {
                let full = Some(refused.limit());
                Self { shard: refused.shard, full, reservation: None, refused: Some(refused) }
            }
        }
    }
}

impl<S, N> Door<S, N>
where
    S: AsRef<[ShardBooks]> + AsMut<[ShardBooks]>,
    N: AsRef<[NameSlot]> + AsMut<[NameSlot]>,
{
    /// What the [router](super::Router) could not do alone. `connection`: the driver's number of the connection by which the
    /// message came, where a connection means anything (duplex).
    pub fn admit(&mut self, route: Route, connection: Option<u64>) -> Entry {
        self.admit_within(route, connection, u32::MAX)
    }

    /// As [`admit`](Self::admit), where nobody shall wait for a permit of the host's: `free` is how many sessions more it would let
    /// begin now. Whatever opens has a claim to one of these, in any shard, until it is accepted or gone; beyond them nothing opens.
    ///
    /// So exactly as many sessions open as there are permits, if `free` is read, and the [census](Self::tell) of a shard whose
    /// sessions were accepted is told, under the host's lock.
    pub fn admit_within(&mut self, route: Route, connection: Option<u64>, free: u32) -> Entry {
        match route {
            Route::Shard { shard, opens: None } => Entry::at(shard),
            Route::Shard { shard, opens: Some(opens) } => Entry::of(self.reserve_within(shard, opens, free)),
            Route::New(opening) => Entry::of(self.place_within(&opening, free)),
            Route::Unknown(stranger) => {
                Entry::at(self.recall(&stranger, connection).unwrap_or_else(|| stranger.home()))
            }
        }
    }

    /// Finds a shard for what opens, and keeps room there and in the books of the service.
    ///
    /// What has opened before under the client's name for it goes where it is: a CreateSequence that comes again is answered
    /// again, and a replayed RST is found out. All else goes to its [home](Opening::home), or, where that has no room or is
    /// fuller than others by a quarter of the seats, to the less full one of the two shards with room whose turn it is. So
    /// nobody can crowd one shard by a name.
    ///
    /// # Errors
    /// [`Refused`]: no room. Nothing has changed, but whose turn it is.
    pub fn place(&mut self, opening: &Opening) -> Result<Reservation, Refused> {
        self.place_within(opening, u32::MAX)
    }

    fn place_within(&mut self, opening: &Opening, free: u32) -> Result<Reservation, Refused> {
        let Opening { opens, name: Name { hash, home } } = *opening;
        let known = self.names.find(hash);
        let shard = match known {
            // The same sequence again: wherever else it went, it would become another one.
            Some(shard) if opens == Opens::Sequence => shard,
            _ if opens != self.settings().seat => home,
            // A replay is refused before anybody looks for room; another request would crowd this shard by its name.
            Some(shard) if self.is_crowded(shard) => {
                return Err(Refused { shard, full: Full::Repeated { taken: self.load(shard) } });
            }
            Some(shard) => shard,
            None => self.seat_near(home)?,
        };
        let mut reservation = self.reserve_within(shard, opens, free)?;
        reservation.name = Some(hash);
        Ok(reservation)
    }

    /// Keeps room in this shard: for a sequence under a token that is there.
    ///
    /// # Errors
    /// [`Refused`]: no room. Nothing has changed.
    pub fn reserve(&mut self, shard: u16, opens: Opens) -> Result<Reservation, Refused> {
        self.reserve_within(shard, opens, u32::MAX)
    }

    fn reserve_within(&mut self, shard: u16, opens: Opens, free: u32) -> Result<Reservation, Refused> {
        let limit = self.settings().limit(opens);
        let pending = self.pending(opens);
        if pending >= u32::from(limit) {
            return Err(Refused { shard, full: Full::Pending { opens, pending, limit } });
        }
        let seats = self.settings().seats_per_shard;
        if opens == self.settings().seat && !self.shard(shard).is_some_and(ShardBooks::has_room) {
            return Err(Refused { shard, full: Full::Shard { seats } });
        }
        let claimed = self.claimed(opens);
        // A negotiation is no session, and becomes none without a token.
        if opens != Opens::Negotiation && claimed >= free {
            return Err(Refused { shard, full: Full::Permits { free, claimed } });
        }
        self.change(shard, |books| {
            let reserved = books.reserved.of_mut(opens);
            *reserved = reserved.saturating_add(1);
        });
        Ok(Reservation { shard, opens, name: None })
    }

    /// How many come before this in the line for permits.
    const fn claimed(&self, opens: Opens) -> u32 {
        let sequences = self.pending(Opens::Sequence);
        match opens {
            // Who has a token has a claim to a session before those who have none. A sequence under way has its token's.
            Opens::Token => {
                let accepted_next = sequences.saturating_sub(self.reserved(Opens::Sequence));
                self.pending(Opens::Token).saturating_add(accepted_next)
            }
            // Of those who have tokens the first to come is the first to have a sequence, whichever token was issued first.
            Opens::Sequence => sequences,
            Opens::Negotiation => 0,
        }
    }

    /// The shard has heard the message that room was kept for; `census`: how it stands now. Call it before anything else
    /// can happen to the shard.
    pub fn settle(&mut self, reservation: Reservation, outcome: Outcome, census: Census) {
        let Reservation { shard, opens, name } = reservation;
        self.change(shard, |books| {
            let reserved = books.reserved.of_mut(opens);
            *reserved = reserved.saturating_sub(1);
            books.census = census;
        });
        if let (Outcome::Opened, Some(name)) = (outcome, name) {
            self.names.put(name, shard);
        }
    }

    /// A shard stands so now: something was used, accepted, swept or closed.
    pub fn tell(&mut self, shard: u16, census: Census) {
        self.change(shard, |books| books.census = census);
    }

    /// Where a message belongs that names nothing that was made here: to the shard that knows what its client calls it, or to
    /// the one that its connection is [bound](Self::bind) to. `None`: nobody remembers; any shard may answer, as it answers
    /// what it does not know, and the stranger's [home](Stranger::home) is always the same one.
    ///
    /// The table forgets the name that was not used for longest, of eight that stand together. Nobody can choose which: the
    /// places are hashes under the router's key. With two slots a seat, a name that is in use is practically never forgotten.
    pub fn recall(&mut self, stranger: &Stranger, connection: Option<u64>) -> Option<u16> {
        let named = match stranger.why {
            Why::ForeignToken | Why::ForeignSequence | Why::NamedByClient => self.names.find(stranger.name.hash),
            Why::NotXml(_) | Why::NotSoap | Why::NamesNothing => None,
        };
        named.or_else(|| self.bound(connection?))
    }

    /// What comes by this connection and says nothing better belongs to this shard.
    pub fn bind(&mut self, connection: u64, shard: u16) {
        let name = self.connection(connection);
        self.names.put(name, shard);
    }

    /// The connection is gone. `false` if it was not bound, or is forgotten.
    pub fn unbind(&mut self, connection: u64) -> bool {
        let name = self.connection(connection);
        self.names.remove(name)
    }

    /// The shard of a connection, which counts as a use.
    pub fn bound(&mut self, connection: u64) -> Option<u16> {
        let name = self.connection(connection);
        self.names.find(name)
    }

    fn connection(&self, number: u64) -> u64 {
        self.router().name(Hashed::Connection, &number.to_be_bytes()).hash
    }
}
