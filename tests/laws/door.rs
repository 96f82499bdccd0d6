//! The door's books are right whatever happens, in whatever order: never negative, never beyond a limit, and all is back when
//! everything is over.

use proptest::prelude::*;
use soap_session_core::chance::ShardKey;
use soap_session_core::door::{
    Census, Door, DoorSettings, Full, NameSlot, Opening, Opens, Outcome, Reservation, Route, Router, ShardBooks,
};
use soap_session_core::xml::Limits;
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug)]
enum Move {
    /// A token is asked for, under this name.
    Token(u8),
    /// A sequence under a token of this shard.
    Sequence(u8),
    /// The oldest, or another, of what is under way is verified, or is not.
    Verified(u8, bool),
    /// The first unused token of a shard is used; the first sequence that waits is accepted.
    Used(u8),
    Accepted(u8),
    /// Unused ones are swept; one in use ends.
    Swept(u8),
    Ended(u8),
    Connected(u8, u8),
    Gone(u8),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let a_move = prop_oneof![
        6 => any::<u8>().prop_map(Move::Token),
        2 => any::<u8>().prop_map(Move::Sequence),
        6 => (any::<u8>(), prop::bool::weighted(0.8)).prop_map(|(which, good)| Move::Verified(which, good)),
        2 => any::<u8>().prop_map(Move::Used),
        2 => any::<u8>().prop_map(Move::Accepted),
        1 => any::<u8>().prop_map(Move::Swept),
        2 => any::<u8>().prop_map(Move::Ended),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(connection, shard)| Move::Connected(connection, shard)),
        1 => any::<u8>().prop_map(Move::Gone),
    ];
    prop::collection::vec(a_move, 1..200)
}

fn opening(router: &Router, name: u8) -> Opening {
    let message = format!(
        "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:a='http://www.w3.org/2005/08/addressing'>\
         <s:Header><a:Action>http://schemas.xmlsoap.org/ws/2005/02/trust/RST/SCT</a:Action>\
         <a:MessageID>urn:{name}</a:MessageID></s:Header><s:Body/></s:Envelope>"
    );
    match router.route(message.as_bytes()) {
        Route::New(opening) => opening,
        other => panic!("it opens: {other:?}"),
    }
}

/// The door, the shards as they are, and what is under way between the two.
struct Model {
    door: Door<Vec<ShardBooks>, Vec<NameSlot>>,
    settings: DoorSettings,
    slots: usize,
    shards: Vec<Census>,
    /// With the name under which it opens, if it has one.
    under_way: Vec<(Reservation, Option<u8>)>,
    /// Names under which something has opened.
    opened: BTreeSet<u8>,
}

impl Model {
    fn shard(&self, any: u8) -> usize {
        usize::from(any) % self.shards.len()
    }

    fn kept(&self, shard: Option<usize>, opens: Opens) -> u32 {
        let is = |(kept, _): &&(Reservation, Option<u8>)| {
            kept.opens() == opens && shard.is_none_or(|shard| usize::from(kept.shard()) == shard)
        };
        self.under_way.iter().filter(is).count() as u32
    }

    fn load(&self, shard: usize) -> u32 {
        u32::from(self.shards[shard].tokens) + self.kept(Some(shard), Opens::Token)
    }

    fn free(&self, shard: usize) -> bool {
        self.load(shard) < u32::from(self.settings.seats_per_shard)
    }

    fn step(&mut self, step: Move) -> Result<(), TestCaseError> {
        let told = match step {
            Move::Token(name) => {
                let opening = opening(self.door.router(), name);
                let known = self.opened.contains(&name);
                let pending = self.pending(Opens::Token);
                match self.door.place(&opening) {
                    Ok(kept) => {
                        prop_assert!(pending < u32::from(self.settings.max_pending_sessions));
                        prop_assert!(self.free(usize::from(kept.shard())), "placed where nothing is free");
                        self.under_way.push((kept, Some(name)));
                    }
                    Err(refused) => match refused.full {
                        Full::Pending { pending: said, limit, .. } => {
                            prop_assert_eq!((said, limit), (pending, self.settings.max_pending_sessions));
                            prop_assert!(pending >= u32::from(limit));
                        }
                        Full::Seats { .. } => {
                            prop_assert!((0..self.shards.len()).all(|shard| !self.free(shard)), "a seat is free");
                        }
                        // Its name is known, and is in one that is full, or fuller than others.
                        Full::Shard { .. } => prop_assert!(known && !self.free(usize::from(refused.shard))),
                        Full::Permits { .. } => prop_assert!(false, "nobody said how many permits there are"),
                        Full::Repeated { taken } => {
                            let least = (0..self.shards.len()).map(|shard| self.load(shard)).min();
                            prop_assert!(
                                known && least < Some(taken) && taken == self.load(usize::from(refused.shard))
                            );
                        }
                    },
                }
                return Ok(());
            }
            Move::Sequence(shard) => {
                let (shard, pending) = (self.shard(shard), self.pending(Opens::Sequence));
                let kept = self.door.reserve(shard as u16, Opens::Sequence);
                prop_assert_eq!(kept.is_ok(), pending < u32::from(self.settings.max_pending_channels));
                self.under_way.extend(kept.map(|kept| (kept, None)));
                return Ok(());
            }
            Move::Verified(which, good) => {
                if self.under_way.is_empty() {
                    return Ok(());
                }
                let (kept, name) = self.under_way.swap_remove(usize::from(which) % self.under_way.len());
                self.opened.extend(name.filter(|_| good));
                let census = &mut self.shards[usize::from(kept.shard())];
                match (kept.opens(), good) {
                    (Opens::Token, true) => {
                        census.tokens += 1;
                        census.pending_tokens += 1;
                    }
                    (Opens::Sequence, true) => {
                        census.sequences += 1;
                        census.pending_sequences += 1;
                    }
                    (_, _) => {}
                }
                let (shard, census) = (kept.shard(), *census);
                self.door.settle(kept, if good { Outcome::Opened } else { Outcome::Refused }, census);
                shard
            }
            Move::Used(shard) => {
                let shard = self.shard(shard);
                self.shards[shard].pending_tokens = self.shards[shard].pending_tokens.saturating_sub(1);
                shard as u16
            }
            Move::Accepted(shard) => {
                let shard = self.shard(shard);
                self.shards[shard].pending_sequences = self.shards[shard].pending_sequences.saturating_sub(1);
                shard as u16
            }
            Move::Swept(shard) => {
                let shard = self.shard(shard);
                self.shards[shard].tokens -= self.shards[shard].pending_tokens;
                self.shards[shard].pending_tokens = 0;
                shard as u16
            }
            Move::Ended(shard) => {
                let shard = self.shard(shard);
                let census = &mut self.shards[shard];
                census.tokens -= u16::from(census.tokens > census.pending_tokens);
                census.sequences -= u16::from(census.sequences > census.pending_sequences);
                shard as u16
            }
            Move::Connected(connection, shard) => {
                let shard = self.shard(shard) as u16;
                self.door.bind(connection.into(), shard);
                // A door without a table remembers nobody.
                prop_assert_eq!(self.door.bound(connection.into()), (self.slots > 0).then_some(shard));
                return Ok(());
            }
            Move::Gone(connection) => {
                let known = self.door.bound(connection.into()).is_some();
                prop_assert_eq!(self.door.unbind(connection.into()), known);
                prop_assert_eq!(self.door.bound(connection.into()), None);
                return Ok(());
            }
        };
        self.door.tell(told, self.shards[usize::from(told)]);
        Ok(())
    }

    fn pending(&self, opens: Opens) -> u32 {
        let of = |census: &Census| match opens {
            Opens::Token => census.pending_tokens,
            Opens::Sequence => census.pending_sequences,
            Opens::Negotiation => census.negotiations,
        };
        self.shards.iter().map(|census| u32::from(of(census))).sum::<u32>() + self.kept(None, opens)
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for opens in Opens::ALL {
            prop_assert_eq!(self.door.pending(opens), self.pending(opens));
            prop_assert_eq!(self.door.reserved(opens), self.kept(None, opens));
            prop_assert!(self.door.pending(opens) <= u32::from(self.settings.limit(opens)), "{} beyond", opens);
        }
        let mut taken = 0;
        for (shard, census) in self.shards.iter().enumerate() {
            let books = self.door.shard(shard as u16).expect("a shard");
            let load = self.load(shard);
            prop_assert_eq!(
                (books.census(), u32::from(books.reserved(Opens::Token)) + u32::from(census.tokens)),
                (*census, load)
            );
            prop_assert!(load <= u32::from(self.settings.seats_per_shard), "shard {} has {} inside", shard, load);
            prop_assert_eq!(books.has_room(), self.free(shard));
            taken += u64::from(load);
        }
        let free = (0..self.shards.len()).filter(|shard| self.free(*shard)).count();
        prop_assert_eq!((self.door.taken(), self.door.shards_with_room()), (taken, free as u32));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_books_are_right_whatever_happens(
        moves in moves(),
        shards in 1_u32..6,
        seats_per_shard in 0_u16..6,
        max_pending_sessions in 0_u16..12,
        names in prop_oneof![Just(0_usize), 1_usize..40],
    ) {
        let router = Router::new(ShardKey::new([1; 32]), shards, Limits::default());
        let settings =
            DoorSettings { seats_per_shard, max_pending_sessions, max_pending_channels: 4, ..DoorSettings::default() };
        let books = vec![ShardBooks::default(); shards as usize];
        let door = Door::new(router, settings.clone(), books, vec![NameSlot::default(); names]).expect("a book a shard");
        let shards = vec![Census::default(); shards as usize];
        let mut model = Model { door, settings, slots: names, shards, under_way: Vec::new(), opened: BTreeSet::new() };
        model.check()?;
        for step in moves {
            model.step(step)?;
            model.check()?;
        }
        prop_assert!(model.door.names() <= names);
        // Everything ends.
        while !model.under_way.is_empty() {
            model.step(Move::Verified(0, false))?;
        }
        for shard in 0..model.shards.len() {
            model.shards[shard] = Census::default();
            model.door.tell(shard as u16, Census::default());
        }
        model.check()?;
        prop_assert_eq!(Opens::ALL.map(|opens| model.door.pending(opens)), [0; 3]);
        prop_assert_eq!((model.door.taken(), u64::from(model.door.shards_with_room())), (0, if seats_per_shard == 0 { 0 } else { model.shards.len() as u64 }));
    }
}
