//! What a session costs a service host, whatever the number of those that are open: accept, take a message, dispatch it,
//! return, close; in nanoseconds, and the ratio to one.
//!
//! *Last*: a session is opened and closed while the others stay. *Any*: one of the others, drawn at random, is closed and
//! another takes its place, so that the channel, its permit and its instance are not in the processor's cache when there are
//! a million. What grows there is the way to the memory and not the work: beside it stands what no table with lists through it
//! can leave out, *memory*, which is to find an entry at random and to write to it and to two others that it names, in three
//! tables as large.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use soap_session_core::service::{
    Called, ChannelId, HostAction, HostSettings, HostTables, Listener, Outcome, Request, ServiceHost,
};
use soap_session_core::throttle::ThrottleSettings;
use soap_session_core::time;
use soap_session_tests::heap_store::Heap;
use std::hint::black_box;
use std::time::Instant;

const SIZES: [u32; 3] = [1, 1000, 1_000_000];
const ROUNDS: usize = 15;
const STEPS: usize = 50_000;

const CALLED: Called = Called { operation: 0, two_way: true, is_initiating: true, is_terminating: false };

/// As large as a channel, a permit and an instance are together with their links, more or less.
type Entry = ([u32; 2], [u64; 20]);

struct Memory {
    tables: [Vec<Entry>; 3],
    names: Vec<u32>,
}

impl Memory {
    fn new(len: usize, seed: &mut u64) -> Self {
        let mut any = || draw(seed, len) as u32;
        let mut table = || (0..len).map(|_| ([any(), any()], [0; 20])).collect();
        let tables = [table(), table(), table()];
        Self { tables, names: (0..len).map(|_| any()).collect() }
    }

    fn touch(&mut self, place: usize) {
        let name = self.names[place];
        for table in &mut self.tables {
            let entry = &mut table[name as usize];
            entry.1[0] += 1;
            for neighbour in entry.0 {
                table[neighbour as usize].1[1] += 1;
            }
        }
        self.names[place] = black_box(name);
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A place among `len`, other than by chance of the system: the same every time.
fn draw(seed: &mut u64, len: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*seed >> 33) as usize) % len
}

/// Nanoseconds for each of these places.
fn timed(places: &[usize], mut step: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    places.iter().for_each(|&place| step(place));
    start.elapsed().as_nanos() as f64 / places.len() as f64
}

/// A session that is open, and whose first call has returned.
fn open(host: &mut ServiceHost<u64, Heap>, now: time::Instant, owner: u64) -> ChannelId {
    let channel = host.accept(now, Listener(0), owner, true, true).expect("there is room");
    host.take(now, channel, Request { message: owner, called: Some(CALLED), understood: true })
        .expect("its pump is empty");
    loop {
        match host.poll(now) {
            HostAction::Dispatch(dispatch) => {
                assert_eq!(dispatch.message, owner);
                let _ = host.returned(now, dispatch.call, Outcome::Handled).expect("it is under way");
            }
            HostAction::Wait(_) => return channel,
            HostAction::Bound(bound) => assert_eq!(bound, channel),
            other => panic!("{other:?}"),
        }
    }
}

fn close(host: &mut ServiceHost<u64, Heap>, now: time::Instant, channel: ChannelId) {
    host.closed(now, channel).expect("it is open").instance.expect("it had one");
}

/// `open_sessions` stay open. The medians of nanoseconds: last, any, memory.
fn costs(open_sessions: u32) -> [f64; 3] {
    let room = open_sessions as usize + 1;
    let limits = ThrottleSettings {
        max_concurrent_calls: 16,
        max_concurrent_sessions: open_sessions + 1,
        max_concurrent_instances: Some(open_sessions + 1),
    };
    let tables =
        HostTables { channels: Heap(room), calls: Heap(16), instances: Heap(room), permits: Heap(room.max(16)) };
    let mut host = ServiceHost::new(HostSettings::default(), limits, tables).expect("limits that fit");
    let now = time::Instant::default();
    let mut sessions: Vec<ChannelId> = (0..open_sessions.into()).map(|owner| open(&mut host, now, owner)).collect();
    let mut seed = 1;
    let mut memory = Memory::new(room, &mut seed);
    let mut any = || -> Vec<usize> { (0..STEPS).map(|_| draw(&mut seed, open_sessions as usize)).collect() };
    let mut times = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        let spent = [
            timed(&[0; STEPS], |_| {
                let channel = open(&mut host, black_box(now), 7);
                close(&mut host, now, channel);
            }),
            timed(&any(), |place| {
                close(&mut host, black_box(now), sessions[place]);
                sessions[place] = open(&mut host, now, 7);
            }),
            timed(&any(), |place| memory.touch(place)),
        ];
        // The first warms up.
        if round > 0 {
            times.iter_mut().zip(spent).for_each(|(times, spent)| times.push(spent));
        }
    }
    times.map(median)
}

fn main() {
    if std::env::args().any(|argument| matches!(argument.as_str(), "--test" | "--list")) {
        return;
    }
    println!(
        "accept, take, dispatch, return, close, in nanoseconds: medians of {ROUNDS} rounds; ratios to one session\n"
    );
    println!("| open | last | ratio | any | ratio | memory | ratio |");
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    let mut one = None;
    for sessions in SIZES {
        let costs = costs(sessions);
        let [last, any, memory] = costs;
        let [last_one, any_one, memory_one] = *one.get_or_insert(costs);
        println!(
            "| {sessions} | {last:.1} | {:.2} | {any:.1} | {:.2} | {memory:.1} | {:.2} |",
            last / last_one,
            any / any_one,
            memory / memory_one,
        );
    }
    // The tables of permits are counted apart, by the bench of the throttle.
    let of = |tables: usize| tables as f64 / 1000.0;
    let fixed = size_of::<ServiceHost<u64, soap_session_core::store::Fixed<1001>>>()
        - size_of::<ServiceHost<u64, soap_session_core::store::Fixed<1>>>();
    println!("\na place in each of the six tables takes {} bytes together", of(fixed));
}
