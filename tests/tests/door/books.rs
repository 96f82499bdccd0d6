//! What the books say, one fact a test.

use super::{CREATE, RST, door, envelope, opening, router};
use soap_session_core::door::{
    Census, Door, DoorSettings, Entry, Full, Misfit, NameSlot, Opens, Outcome, Refused, Route, ShardBooks, WAYS, Why,
};

fn tokens(tokens: u16, pending_tokens: u16) -> Census {
    Census { tokens, pending_tokens, ..Census::default() }
}

fn sequences(sequences: u16, pending_sequences: u16) -> Census {
    Census { sequences, pending_sequences, ..Census::default() }
}

fn plain() -> DoorSettings {
    DoorSettings { seat: Opens::Sequence, max_pending_channels: 100, ..DoorSettings::default() }
}

#[test]
fn the_limits_are_wcfs() {
    let settings = DoorSettings::default();
    assert_eq!(Opens::ALL.map(|opens| settings.limit(opens)), [128, 4, 128]);
}

#[test]
fn books_and_shards_are_as_many() {
    let misfit = Door::new(router(4), DoorSettings::default(), [ShardBooks::default(); 3], [] as [NameSlot; 0]);
    assert_eq!(misfit, Err(Misfit { shards: 4, books: 3 }));
    assert_eq!((router(0).shards(), router(1 << 20).shards()), (1, 65_536), "held to what an identifier can tell");
    assert!(router(4).mark(3).is_some() && router(4).mark(4).is_none());
}

#[test]
fn storage_is_lent_as_an_array_a_slice_or_a_box() {
    let (mut books, mut names) = ([ShardBooks::default(); 4], [NameSlot::default(); 3]);
    assert_eq!(Door::new(router(4), plain(), books, names).map(|door| door.seats()), Ok(64));
    assert!(Door::new(router(4), plain(), &mut books[..], &mut names[..]).is_ok());
    assert!(Door::new(router(4), plain(), Box::<[ShardBooks]>::from(books), Box::<[NameSlot]>::from([])).is_ok());
}

#[test]
fn room_that_is_kept_counts_before_anything_is_verified() {
    let mut door = door(4, DoorSettings { max_pending_sessions: 2, ..DoorSettings::default() });
    let kept: Vec<_> = (0..2).map(|n| door.place(&opening(RST, &format!("urn:{n}"), "")).expect("room")).collect();
    assert_eq!((door.pending(Opens::Token), door.reserved(Opens::Token), door.taken()), (2, 2, 2));
    let refused = door.place(&opening(RST, "urn:2", "")).expect_err("two are under way");
    assert_eq!(refused.full, Full::Pending { opens: Opens::Token, pending: 2, limit: 2 });
    assert_eq!(
        refused.to_string(),
        "2 secure conversations are pending where 2 may be (max_pending_sessions): try again later"
    );
    let [first, second] = <[_; 2]>::try_from(kept).expect("two");
    let shard = first.shard();
    door.settle(first, Outcome::Opened, tokens(1, 1));
    assert_eq!((door.pending(Opens::Token), door.reserved(Opens::Token)), (2, 1));
    door.settle(second, Outcome::Refused, Census::default());
    // Both may have gone to one shard, whose last census counts.
    door.tell(shard, tokens(1, 1));
    assert_eq!((door.pending(Opens::Token), door.taken()), (1, 1));
    door.tell(shard, tokens(1, 0));
    assert_eq!((door.pending(Opens::Token), door.taken()), (0, 1), "used: no longer pending, still there");
    door.tell(shard, tokens(0, 0));
    assert_eq!((door.taken(), door.shards_with_room()), (0, 4));
}

/// Of four permits, whoever has a token has one, used or not, and a sequence under way has its token's.
#[test]
fn where_nobody_waits_as_many_open_as_there_are_permits() {
    let mut door = door(1, DoorSettings::default());
    let open = |door: &mut super::Books, n: u32, free| {
        let entry = door.admit_within(Route::New(opening(RST, &format!("urn:{n}"), "")), None, free);
        assert_eq!(entry.full, entry.refused.map(|refused| refused.limit()));
        entry.reservation.ok_or_else(|| entry.refused.map(|refused| refused.full))
    };
    let full = |free, claimed| Err(Some(Full::Permits { free, claimed }));
    let kept: Vec<_> = (0..4).map(|n| open(&mut door, n, 4).expect("a permit is free")).collect();
    assert_eq!(open(&mut door, 4, 4), full(4, 4), "four are under way");
    for (kept, n) in kept.into_iter().zip(1..) {
        door.settle(kept, Outcome::Opened, tokens(n, n));
    }
    assert_eq!(open(&mut door, 5, 4), full(4, 4), "four are issued, and not used");
    let create = Route::Shard { shard: 0, opens: Some(Opens::Sequence) };
    let first = door.admit_within(create, None, 4).reservation.expect("it has its token's permit");
    assert_eq!(open(&mut door, 6, 4), full(4, 4), "one permit for both");
    let used = Census { pending_sequences: 1, sequences: 1, ..tokens(4, 3) };
    door.settle(first, Outcome::Opened, used);
    assert_eq!(open(&mut door, 7, 4), full(4, 4), "not accepted yet");
    // The host has given it a permit, and has one less.
    door.tell(0, Census { pending_sequences: 0, ..used });
    assert_eq!(open(&mut door, 8, 3), full(3, 3));
    let refused = Refused { shard: 0, full: Full::Permits { free: 3, claimed: 3 } };
    assert_eq!(
        (refused.limit(), refused.to_string().as_str()),
        (3, "3 more sessions may begin, and 3 are about to (MaxConcurrentSessions, refuse_when_busy): try again later")
    );
    let negotiation = opening("http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue", "urn:10", "");
    let negotiation = door.admit_within(Route::New(negotiation), None, 0);
    assert!(negotiation.reservation.is_some(), "it is no session");
    assert!(open(&mut door, 9, 4).is_ok(), "one was closed");
}

#[test]
fn a_refused_opening_leaves_no_trace_but_whose_turn_it_is() {
    let mut door = door(1, DoorSettings { seats_per_shard: 1, ..DoorSettings::default() });
    let kept = door.place(&opening(RST, "urn:0", "")).expect("room");
    let before = (*door.shard(0).expect("a shard"), door.pending(Opens::Token), door.taken(), door.shards_with_room());
    let refused = door.place(&opening(RST, "urn:1", "")).expect_err("the only seat is taken");
    assert_eq!((refused.full, refused.limit()), (Full::Seats { seats: 1 }, 1));
    let after = (*door.shard(0).expect("a shard"), door.pending(Opens::Token), door.taken(), door.shards_with_room());
    assert_eq!(before, after);
    door.settle(kept, Outcome::Refused, Census::default());
    assert!(door.place(&opening(RST, "urn:1", "")).is_ok(), "given back");
}

#[test]
fn nothing_opens_that_was_not_placed() {
    let entry = Entry::at(3);
    assert_eq!((entry.shard, entry.full, entry.reservation), (3, Some(0), None));
    let mut door = door(4, DoorSettings { max_pending_channels: 1, ..DoorSettings::default() });
    let route = || Route::Shard { shard: 2, opens: Some(Opens::Sequence) };
    let entry = door.admit(route(), None);
    assert_eq!((entry.shard, entry.full, entry.refused), (2, None, None));
    assert!(entry.reservation.is_some());
    let refused = Refused { shard: 2, full: Full::Pending { opens: Opens::Sequence, pending: 1, limit: 1 } };
    assert_eq!(door.admit(route(), None), Entry { shard: 2, full: Some(1), reservation: None, refused: Some(refused) });
    assert_eq!(door.taken(), 0, "a sequence under a token takes no seat");
}

#[test]
fn negotiations_have_a_limit_of_their_own() {
    let mut door = door(4, DoorSettings { max_negotiations: 1, seats_per_shard: 1, ..DoorSettings::default() });
    let issue = opening("http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue", "urn:0", "");
    assert_eq!(issue.opens, Opens::Negotiation);
    let kept = door.place(&issue).expect("room");
    assert_eq!((kept.opens(), kept.shard(), door.taken()), (Opens::Negotiation, issue.home(), 0));
    let full = door.place(&issue).expect_err("one is under way").full;
    assert_eq!(full, Full::Pending { opens: Opens::Negotiation, pending: 1, limit: 1 });
    door.settle(kept, Outcome::Opened, Census { negotiations: 1, ..Census::default() });
    assert_eq!(door.pending(Opens::Negotiation), 1);
}

#[test]
fn every_shard_fills_and_the_loads_stay_near() {
    let mut door = door(8, DoorSettings { max_pending_sessions: 1000, ..DoorSettings::default() });
    for n in 0..8 * 16 {
        let kept = door.place(&opening(RST, &format!("urn:{n}"), "")).expect("room");
        let (shard, load) = (kept.shard(), door.shard(kept.shard()).expect("a shard").census().tokens + 1);
        door.settle(kept, Outcome::Opened, tokens(load, load));
        let loads: Vec<u16> = (0..8).map(|shard| door.shard(shard).expect("a shard").census().tokens).collect();
        let (least, most) = (loads.iter().min().expect("eight"), loads.iter().max().expect("eight"));
        assert!(most - least <= 9, "{loads:?}, {shard} last");
    }
    assert_eq!((door.taken(), door.shards_with_room()), (128, 0));
    assert!(door.place(&opening(RST, "urn:x", "")).is_err());
}

#[test]
fn one_name_for_all_does_not_fill_one_shard() {
    // Who opens with one MessageID only would choose the shard, if not the number of it.
    let mut door = door(8, DoorSettings::default());
    let mut opened = 0;
    for _ in 0..64 {
        match door.place(&opening(RST, "urn:same", "")) {
            Ok(kept) => {
                opened += 1;
                door.settle(kept, Outcome::Opened, tokens(opened, opened));
            }
            Err(Refused { full, .. }) => assert_eq!(full, Full::Repeated { taken: 5 }),
        }
    }
    assert_eq!(opened, 5, "a quarter of the seats, and one");
    assert!(door.place(&opening(RST, "urn:other", "")).is_ok());
}

fn create(message_id: &str, offer: &str) -> soap_session_core::door::Opening {
    let body = format!(
        "<r:CreateSequence><r:AcksTo><a:Address>urn:a</a:Address></r:AcksTo>\
         <r:Offer><r:Identifier>{offer}</r:Identifier></r:Offer></r:CreateSequence>"
    );
    opening(CREATE, message_id, &body)
}

#[test]
fn a_create_sequence_that_comes_again_goes_where_it_went() {
    let mut door = door(4, plain());
    let first = create("urn:1", "urn:offer");
    assert_eq!(first.home(), create("urn:2", "urn:offer").home(), "its name is what it offers");
    // Its home is full: it goes elsewhere.
    door.tell(first.home(), sequences(16, 0));
    let kept = door.place(&first).expect("room");
    let shard = kept.shard();
    assert_ne!(shard, first.home());
    door.settle(kept, Outcome::Opened, sequences(1, 1));
    door.tell(first.home(), sequences(0, 0));
    let again = door.place(&first).expect("room");
    assert_eq!(again.shard(), shard);
    door.settle(again, Outcome::Opened, sequences(1, 1));
    // Full or not: the shard answers what it has answered before.
    door.tell(shard, sequences(16, 1));
    assert_eq!(door.place(&first), Err(Refused { shard, full: Full::Shard { seats: 16 } }));
}

#[test]
fn what_a_client_made_is_found_by_its_name_or_by_its_connection() {
    let mut door = door(4, plain());
    let first = create("urn:1", "urn:offer");
    door.tell(first.home(), sequences(16, 0));
    let kept = door.place(&first).expect("room");
    let shard = kept.shard();
    door.settle(kept, Outcome::Opened, sequences(1, 1));
    let acknowledges = |identifier: &str| {
        let header =
            format!("<r:SequenceAcknowledgement><r:Identifier>{identifier}</r:Identifier></r:SequenceAcknowledgement>");
        let Route::Unknown(stranger) = router(4).route(&envelope(&header, "")) else { panic!("the client made it") };
        assert_eq!(stranger.why, Why::NamedByClient);
        stranger
    };
    let (known, other) = (acknowledges("urn:offer"), acknowledges("urn:other"));
    assert_eq!((known.home(), door.recall(&known, None)), (first.home(), Some(shard)));
    assert_eq!(door.recall(&other, Some(77)), None);
    door.bind(77, 3);
    assert_eq!((door.recall(&other, Some(77)), door.bound(77), door.bound(78)), (Some(3), Some(3), None));
    assert_eq!(door.admit(Route::Unknown(other), Some(77)).shard, 3);
    assert_eq!(door.admit(Route::Unknown(other), Some(78)).shard, other.home());
    assert!(door.unbind(77) && !door.unbind(77));
    assert_eq!(door.recall(&other, Some(77)), None);
}

#[test]
fn the_table_of_names_forgets_the_one_not_used_for_longest() {
    let books = vec![ShardBooks::default(); 4];
    let mut door = Door::new(router(4), plain(), books, [NameSlot::default(); WAYS]).expect("a book a shard");
    (0..WAYS as u64).for_each(|connection| door.bind(connection, 1));
    assert_eq!((door.names(), door.bound(0)), (WAYS, Some(1)), "the oldest was just used");
    door.bind(100, 2);
    assert_eq!((door.names(), door.bound(0), door.bound(1), door.bound(100)), (WAYS, Some(1), None, Some(2)));
    door.bind(100, 3);
    assert_eq!((door.names(), door.bound(100), door.bound(2)), (WAYS, Some(3), Some(1)), "bound anew, in its place");
}

#[test]
fn without_a_table_nothing_is_remembered_and_nothing_breaks() {
    let books = vec![ShardBooks::default(); 4];
    let mut door = Door::new(router(4), plain(), books, [] as [NameSlot; 0]).expect("a book a shard");
    let kept = door.place(&create("urn:1", "urn:offer")).expect("room");
    assert_eq!(kept.shard(), create("urn:1", "urn:offer").home());
    door.settle(kept, Outcome::Opened, sequences(1, 1));
    door.bind(1, 1);
    assert_eq!((door.names(), door.bound(1)), (0, None));
}
