//! What it costs to find the shard of a message, and to let one in and out, among one, a thousand and a million sessions.
//!
//! The sessions are there by their names and in the books: every message names another one of them, so that what memory
//! costs is in the figures.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use soap_session_core::chance::{Chance, Entropy, ShardKey, Uuid};
use soap_session_core::door::{
    Census, Door, DoorSettings, NameSlot, Opening, Opens, Outcome, Route, Router, ShardBooks,
};
use soap_session_core::reliable::{Identifier, ReliableSettings, Shape};
use soap_session_core::secure::{Binding, Bootstrap};
use soap_session_core::xml::Limits;
use soap_session_tests::session_pair::{Letter, SessionPair};
use std::hint::black_box;
use std::time::Instant;

/// Sessions, and the shards that have them.
const SIZES: [(usize, u32); 6] =
    [(1, 1), (1000, 4), (1000, 64), (1_000_000, 16), (1_000_000, 1024), (1_000_000, 65_536)];
const BATCH: usize = 1000;
const ROUNDS: usize = 201;

type Books = Door<Vec<ShardBooks>, Vec<NameSlot>>;

/// A request in an open session, secured or not, and where the identifier stands in it.
fn message(binding: Option<&Binding>) -> (Vec<u8>, Vec<usize>) {
    let mut pair = SessionPair::new(Shape::RequestReply, &ReliableSettings::default(), binding, 3);
    let mark = Router::new(ShardKey::new([9; 32]), 1, Limits::default()).mark(0);
    pair.service.set_shard(mark.expect("a shard"));
    pair.open();
    pair.send(Letter::request("urn:n/Ask", "<n xmlns=\"urn:n\">1</n>")).expect("an open session");
    pair.run();
    let (_, bytes) = pair.wire.iter().rfind(|(client, _)| *client).expect("a request");
    let text = String::from_utf8_lossy(bytes);
    let around = if binding.is_some() { "SecurityContextToken" } else { "Sequence" };
    let start = text.find(around).expect("a name");
    let name = start + text[start..].find("urn:uuid:").expect("an identifier");
    let identifier = text[name..name + 45].to_owned();
    (bytes.clone(), text.match_indices(&identifier).map(|(at, _)| at).collect())
}

struct Size {
    sessions: usize,
    router: Router,
    door: Books,
    names: Vec<[u8; 45]>,
    openings: Vec<Opening>,
    /// One ring through all of it.
    memory: Vec<u128>,
    next: usize,
}

impl Size {
    fn new(sessions: usize, shards: u32) -> Self {
        let router = Router::new(ShardKey::new([9; 32]), shards, Limits::default());
        // Room for a few more than there are.
        let seats_per_shard = u16::try_from(sessions.div_ceil(shards as usize) + 2).expect("few enough in each");
        let settings = DoorSettings { seats_per_shard, ..DoorSettings::default() };
        let (books, slots) = (vec![ShardBooks::default(); shards as usize], vec![NameSlot::default(); 2 * sessions]);
        let mut door = Door::new(router.clone(), settings, books, slots).expect("a book a shard");
        let mut chance = Chance::new(&[4; 32]);
        let mut names = Vec::with_capacity(sessions);
        for n in 0..sessions {
            let shard = u16::try_from(n % shards as usize).expect("a shard");
            let identifier = Identifier::of(Uuid::marked(&mut chance, router.mark(shard).as_ref()));
            names.push(identifier.as_bytes().try_into().expect("45 bytes"));
            door.bind(n as u64, shard);
        }
        for shard in 0..shards {
            let tokens = (sessions / shards as usize) as u16 + u16::from((shard as usize) < sessions % shards as usize);
            door.tell(shard as u16, Census { tokens, ..Census::default() });
        }
        // In no order that a cache could learn.
        for n in (1..names.len()).rev() {
            let mut random = [0; 8];
            chance.fill(&mut random);
            names.swap(n, (u64::from_le_bytes(random) % (n as u64 + 1)) as usize);
        }
        let opening = |n| {
            let rst = format!(
                "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' \
                 xmlns:a='http://www.w3.org/2005/08/addressing'><s:Header>\
                 <a:Action>http://schemas.xmlsoap.org/ws/2005/02/trust/RST/SCT</a:Action>\
                 <a:MessageID>urn:{n}</a:MessageID></s:Header><s:Body/></s:Envelope>"
            );
            match router.route(rst.as_bytes()) {
                Route::New(opening) => opening,
                other => panic!("it opens: {other:?}"),
            }
        };
        let openings = (0..100_000).map(opening).collect();
        let mut order: Vec<usize> = (0..2 * sessions).collect();
        for n in (1..order.len()).rev() {
            let mut random = [0; 8];
            chance.fill(&mut random);
            order.swap(n, (u64::from_le_bytes(random) % (n as u64 + 1)) as usize);
        }
        let mut memory = vec![0; order.len()];
        for (n, at) in order.iter().enumerate() {
            memory[*at] = order[(n + 1) % order.len()] as u128;
        }
        Self { sessions, router, door, names, openings, memory, next: 0 }
    }

    /// One read of a place that the last read names, in memory as large as the door's names: what memory alone costs.
    fn reads(&self) -> f64 {
        let start = Instant::now();
        let mut at = self.next % self.memory.len();
        for _ in 0..BATCH {
            at = self.memory[at] as usize;
        }
        black_box(at);
        start.elapsed().as_nanos() as f64 / BATCH as f64
    }

    /// Nanoseconds an operation.
    fn routes(&mut self, message: &mut [u8], places: &[usize]) -> f64 {
        let start = Instant::now();
        for _ in 0..BATCH {
            self.next = (self.next + 1) % self.names.len();
            for at in places {
                message[*at..*at + 45].copy_from_slice(&self.names[self.next]);
            }
            let Route::Shard { shard, .. } = self.router.route(black_box(message)) else { panic!("a shard") };
            // The shard's lock would be looked up by now; its books stand for it.
            black_box(self.door.shard(shard));
        }
        start.elapsed().as_nanos() as f64 / BATCH as f64
    }

    fn admits(&mut self) -> f64 {
        let start = Instant::now();
        for _ in 0..BATCH {
            self.next = (self.next + 1) % self.openings.len();
            let kept = self.door.place(black_box(&self.openings[self.next])).expect("room");
            let shard = kept.shard();
            let before = self.door.shard(shard).expect("a shard").census();
            let opened = Census { tokens: before.tokens + 1, pending_tokens: 1, ..before };
            self.door.settle(kept, Outcome::Opened, opened);
            self.door.tell(shard, Census { pending_tokens: 0, ..opened });
            self.door.tell(shard, before);
        }
        start.elapsed().as_nanos() as f64 / BATCH as f64
    }

    fn recalls(&mut self) -> f64 {
        let start = Instant::now();
        for _ in 0..BATCH {
            // A stride that visits them all, far apart.
            self.next = (self.next + 7_919_993) % self.sessions;
            black_box(self.door.bound(self.next as u64));
        }
        start.elapsed().as_nanos() as f64 / BATCH as f64
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let rounds = if test { 1 } else { ROUNDS };
    let (mut secured, secured_at) = message(Some(&Binding::ws2007_http(Bootstrap::AnonymousForCertificate)));
    let (mut plain, plain_at) = message(None);
    let sizes = SIZES.iter().filter(|(sessions, _)| !test || *sessions <= 1000);
    let mut sizes: Vec<Size> = sizes.map(|(sessions, shards)| Size::new(*sessions, *shards)).collect();
    let mut spent: Vec<[Vec<f64>; 5]> = vec![Default::default(); sizes.len()];
    for round in 0..rounds + rounds / 10 {
        // The sizes take turns, so that what the machine does besides hits all.
        for (size, spent) in sizes.iter_mut().zip(&mut spent) {
            size.next = round * BATCH;
            let times = [
                size.routes(&mut secured, &secured_at),
                size.routes(&mut plain, &plain_at),
                size.admits(),
                size.recalls(),
                size.reads(),
            ];
            if round >= rounds / 10 {
                spent.iter_mut().zip(times).for_each(|(spent, time)| spent.push(time));
            }
        }
    }
    println!("medians of {rounds} batches of {BATCH}, in nanoseconds; beside them the ratio to one session\n");
    println!("a secured message of {} bytes, a reliable one of {}\n", secured.len(), plain.len());
    println!(
        "| sessions | shards | route, secured | | route, reliable | | open, use, end | | name or connection | | one read of memory | | door, bytes |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut first: Option<[f64; 5]> = None;
    for (size, spent) in sizes.iter().zip(spent) {
        let medians = spent.map(median);
        let one = *first.get_or_insert(medians);
        print!("| {} | {} |", size.sessions, size.router.shards());
        for (value, one) in medians.iter().zip(one) {
            print!(" {value:.0} | **{:.2}** |", value / one);
        }
        let books = size.router.shards() as usize * size_of::<ShardBooks>();
        println!(" {} |", size_of::<Books>() + books + 2 * size.sessions * size_of::<NameSlot>());
        assert_eq!(size.door.taken(), size.sessions as u64, "everything that came has gone");
        assert_eq!(size.door.pending(Opens::Token), 0);
    }
}
