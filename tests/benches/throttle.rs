//! What a permit costs, whatever the number of those that are held: ask and give back, in nanoseconds, and the ratio to one.
//!
//! *Last*: the permit that was granted last is given back. *Any*: one drawn at random, which is not in the processor's cache
//! when there are a million. What grows there is the way to the memory and not the work: beside it stands what no table with
//! a line through it can leave out, *memory*, which is to find an entry at random and to write to it and to two others that
//! it names, in a table as large. (Where permits are handed on, those of *last* come from far, too: from the front of the
//! line.)
#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use soap_session_core::store::Fixed;
use soap_session_core::throttle::{Asked, FlowThrottle, PermitKey, Released, Throttle};
use soap_session_core::time;
use soap_session_tests::heap_store::Heap;
use std::hint::black_box;
use std::time::Instant;

const SIZES: [u32; 3] = [1, 1000, 1_000_000];
const ROUNDS: usize = 25;
const STEPS: usize = 200_000;

/// What lies in a table beside a permit's own links, so that an entry is as large as a permit.
type Entry = ([u32; 2], [u64; 5]);

/// Entries that name two others each, and names for them.
struct Memory {
    entries: Vec<Entry>,
    names: Vec<u32>,
}

impl Memory {
    fn new(len: usize, seed: &mut u64) -> Self {
        let mut any = || draw(seed, len) as u32;
        Self { entries: (0..len).map(|_| ([any(), any()], [0; 5])).collect(), names: (0..len).map(|_| any()).collect() }
    }

    fn touch(&mut self, place: usize) {
        let name = self.names[place];
        let entry = &mut self.entries[name as usize];
        entry.1[0] += 1;
        for neighbour in entry.0 {
            self.entries[neighbour as usize].1[1] += 1;
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

/// `held` permits are in use, and one is free or, with `waiters`, as many wait as hold one. The medians of nanoseconds for
/// one permit that is asked for and one that is given back: last, any; and memory.
fn costs(held: u32, waiters: bool) -> [f64; 3] {
    let (limit, capacity) = if waiters { (held, 2 * held as usize + 1) } else { (held + 1, held as usize + 1) };
    let mut throttle = FlowThrottle::new(Throttle::Calls, limit, Heap(capacity)).expect("it fits");
    let now = time::Instant::default();
    let mut keys: Vec<PermitKey> = (0..held).filter_map(|holder| throttle.ask(now, holder.into()).key()).collect();
    if waiters {
        for holder in 0..held {
            assert!(matches!(throttle.ask(now, holder.into()), Asked::Waits { .. }));
        }
    }
    let mut step = |place: usize| {
        let asked = throttle.ask(black_box(now), 1);
        let given: PermitKey = keys[place];
        keys[place] = match (throttle.release(now, given), asked) {
            // Somebody waited, and has it now; who asked waits at the end.
            (Released::Handed(granted), _) => granted.key,
            (Released::Freed { .. }, Asked::Granted(key)) => key,
            other => panic!("{other:?}"),
        };
    };
    let mut seed = 1;
    let mut memory = Memory::new(capacity, &mut seed);
    let mut any = || -> Vec<usize> { (0..STEPS).map(|_| draw(&mut seed, held as usize)).collect() };
    let mut times = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        let spent =
            [timed(&[0; STEPS], &mut step), timed(&any(), &mut step), timed(&any(), |place| memory.touch(place))];
        // The first warms up.
        if round > 0 {
            times.iter_mut().zip(spent).for_each(|(times, spent)| times.push(spent));
        }
    }
    times.map(median)
}

/// Nanoseconds for each of these places.
fn timed(places: &[usize], mut step: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    places.iter().for_each(|&place| step(place));
    start.elapsed().as_nanos() as f64 / places.len() as f64
}

fn main() {
    if std::env::args().any(|argument| matches!(argument.as_str(), "--test" | "--list")) {
        return;
    }
    println!("ask and give back, in nanoseconds: medians of {ROUNDS} rounds; ratios to one permit\n");
    println!("| in use | waiting | last | ratio | any | ratio | memory | ratio |");
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    for waiters in [false, true] {
        let mut one = None;
        for held in SIZES {
            let costs = costs(held, waiters);
            let [last, any, memory] = costs;
            let [last_one, any_one, memory_one] = *one.get_or_insert(costs);
            println!(
                "| {held} | {} | {last:.1} | {:.2} | {any:.1} | {:.2} | {memory:.1} | {:.2} |",
                if waiters { held } else { 0 },
                last / last_one,
                any / any_one,
                memory / memory_one,
            );
        }
    }
    let permit = (size_of::<FlowThrottle<Fixed<1001>>>() - size_of::<FlowThrottle<Fixed<1>>>()) / 1000;
    println!("\na permit takes {permit} bytes");
}
