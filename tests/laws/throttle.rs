//! Permits are never lost and never made up, and nobody passes anybody, whatever is asked, given back and withdrawn, in
//! whatever order, twice, or under a stale name.
//!
//! What a throttle does is compared, step by step, with two queues.

use proptest::prelude::*;
use soap_session_core::store::Fixed;
use soap_session_core::throttle::{
    Asked, FlowThrottle, Granted, Oldest, PermitKey, PermitState, Pressure, Released, Throttle, ThrottleEvent,
};
use soap_session_core::time::Instant;
use soap_session_tests::heap_store::Heap;
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug)]
enum Move {
    /// Milliseconds go by.
    Pass(u16),
    Ask,
    /// Of all permits that ever were, stale ones included.
    Release(prop::sample::Index),
    Withdraw(prop::sample::Index),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        1 => any::<u16>().prop_map(Move::Pass),
        6 => Just(Move::Ask),
        4 => any::<prop::sample::Index>().prop_map(Move::Release),
        2 => any::<prop::sample::Index>().prop_map(Move::Withdraw),
    ];
    prop::collection::vec(one, 0..200)
}

/// What a permit is known by outside: who has it, since when, under which name.
type Entry = (PermitKey, u64, Instant);

/// Two queues and a flag.
#[derive(Default)]
struct Model {
    limit: usize,
    capacity: usize,
    holders: VecDeque<Entry>,
    waiters: VecDeque<Entry>,
    told: bool,
}

/// 70 % of the limits 1 to 8, rounded down, but not to nothing.
const SEVENTY_PERCENT: [usize; 9] = [0, 1, 1, 2, 2, 3, 4, 4, 5];

impl Model {
    fn pressure(&self, now: Instant) -> Pressure {
        let count = |number: usize| u32::try_from(number).expect("small");
        Pressure {
            throttle: Throttle::Calls,
            limit: count(self.limit),
            used: count(self.holders.len()),
            waiting: count(self.waiters.len()),
            capacity: count(self.capacity),
            oldest: self.holders.front().map(|&(_, holder, since)| Oldest { holder, held: now.since(since) }),
        }
    }

    /// What should be the answer, and what should be told; the key is taken from the real answer.
    fn asked(&mut self, now: Instant, holder: u64, key: Option<PermitKey>) -> (Option<Asked>, Vec<ThrottleEvent>) {
        if self.holders.len() + self.waiters.len() == self.capacity {
            let pressure = self.pressure(now);
            return (Some(Asked::Full(pressure)), vec![ThrottleEvent::Refused(pressure)]);
        }
        let Some(key) = key else { return (None, Vec::new()) };
        if self.holders.len() < self.limit {
            self.holders.push_back((key, holder, now));
            return (Some(Asked::Granted(key)), Vec::new());
        }
        self.waiters.push_back((key, holder, now));
        let pressure = self.pressure(now);
        let limit_reached = !std::mem::replace(&mut self.told, true);
        let mut events = vec![ThrottleEvent::Waits(pressure)];
        if limit_reached {
            events.insert(0, ThrottleEvent::LimitReached(pressure));
        }
        (Some(Asked::Waits { key, pressure, limit_reached }), events)
    }

    fn given_back(&mut self, now: Instant, key: PermitKey, waiters_too: bool) -> Released {
        let place = |line: &VecDeque<Entry>| line.iter().position(|&(other, ..)| other == key);
        if let Some(place) = place(&self.holders) {
            self.holders.remove(place);
            if let Some((key, holder, _)) = self.waiters.pop_front() {
                self.holders.push_back((key, holder, now));
                return Released::Handed(Granted { key, holder });
            }
            let eased = self.told && self.holders.len() < SEVENTY_PERCENT[self.limit];
            self.told &= !eased;
            return Released::Freed { at_seventy_percent: eased.then(|| self.pressure(now)) };
        }
        match place(&self.waiters) {
            Some(place) if waiters_too => {
                self.waiters.remove(place);
                Released::Left
            }
            _ => Released::Unknown,
        }
    }
}

fn entries(line: impl Iterator<Item = (PermitKey, PermitState)>, held: bool) -> Vec<Entry> {
    line.map(|(key, state)| {
        assert_eq!(state.held, held);
        (key, state.holder, state.since)
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn permits_are_neither_lost_nor_made_up(limit in 1..=8usize, room in 0..6usize, moves in moves()) {
        let capacity = limit + room;
        let mut throttle = FlowThrottle::new(Throttle::Calls, limit as u32, Heap(capacity)).expect("it fits");
        let mut model = Model { limit, capacity, ..Model::default() };
        let (mut now, mut names, mut asked) = (Instant::default(), Vec::<PermitKey>::new(), 0);
        for step in moves {
            let before = throttle.clone();
            match step {
                Move::Pass(millis) => now = now.after(std::time::Duration::from_millis(millis.into())),
                Move::Ask => {
                    asked += 1;
                    let answer = throttle.ask(now, asked);
                    let (wanted, events) = model.asked(now, asked, answer.key());
                    prop_assert_eq!(Some(answer), wanted);
                    prop_assert_eq!(answer.events().collect::<Vec<_>>(), events);
                    if let Some(key) = answer.key() {
                        prop_assert!(!names.contains(&key), "{:?} is the name of another", key);
                        names.push(key);
                    } else {
                        prop_assert_eq!(&throttle, &before);
                    }
                }
                Move::Release(which) | Move::Withdraw(which) if !names.is_empty() => {
                    let key = *which.get(&names);
                    let withdraw = matches!(step, Move::Withdraw(_));
                    let answer = if withdraw { throttle.withdraw(now, key) } else { throttle.release(now, key) };
                    let wanted = model.given_back(now, key, withdraw);
                    prop_assert_eq!(answer, wanted);
                    let eased = match wanted {
                        Released::Freed { at_seventy_percent } => at_seventy_percent,
                        _ => None,
                    };
                    prop_assert_eq!(answer.event(), eased.map(ThrottleEvent::AtSeventyPercent));
                    if answer == Released::Unknown {
                        prop_assert_eq!(&throttle, &before);
                    }
                }
                Move::Release(_) | Move::Withdraw(_) => {}
            }
            let pressure = throttle.pressure(now);
            prop_assert_eq!(pressure, model.pressure(now));
            prop_assert!(pressure.used <= pressure.limit);
            prop_assert!(pressure.waiting == 0 || pressure.used == pressure.limit, "{} while one waits", pressure);
            prop_assert_eq!(entries(throttle.holders(), true), Vec::from(model.holders.clone()));
            prop_assert_eq!(entries(throttle.waiters(), false), Vec::from(model.waiters.clone()));
        }

        // Everything goes back, those that hold first: each who waits has its turn.
        for _ in 0..capacity {
            let Some((key, _)) = throttle.holders().next() else { break };
            let wanted = model.given_back(now, key, false);
            prop_assert_eq!(throttle.release(now, key), wanted);
        }
        let pressure = throttle.pressure(now);
        prop_assert_eq!((pressure.used, pressure.waiting, pressure.oldest), (0, 0, None));
        for key in names {
            prop_assert_eq!(throttle.state(key), None);
            prop_assert_eq!(throttle.withdraw(now, key), Released::Unknown);
        }
        // And it has as many permits, and as much room, as at first.
        for number in 0..capacity {
            let answer = throttle.ask(now, 0);
            prop_assert_eq!(matches!(answer, Asked::Granted(_)), number < limit, "{:?}", answer);
            prop_assert!(answer.key().is_some());
        }
        prop_assert!(matches!(throttle.ask(now, 0), Asked::Full(_)));
    }

    #[test]
    fn where_the_table_lives_makes_no_difference(moves in moves()) {
        let mut heap = FlowThrottle::new(Throttle::Calls, 3, Heap(5)).expect("it fits");
        let mut fixed = FlowThrottle::new(Throttle::Calls, 3, Fixed::<5>).expect("it fits");
        let (mut now, mut names) = (Instant::default(), Vec::new());
        for step in moves {
            match step {
                Move::Pass(millis) => now = now.after(std::time::Duration::from_millis(millis.into())),
                Move::Ask => {
                    let answer = heap.ask(now, 1);
                    prop_assert_eq!(answer, fixed.ask(now, 1));
                    names.extend(answer.key());
                }
                Move::Release(which) if !names.is_empty() => {
                    let key = *which.get(&names);
                    prop_assert_eq!(heap.release(now, key), fixed.release(now, key));
                }
                Move::Withdraw(which) if !names.is_empty() => {
                    let key = *which.get(&names);
                    prop_assert_eq!(heap.withdraw(now, key), fixed.withdraw(now, key));
                }
                Move::Release(_) | Move::Withdraw(_) => {}
            }
        }
    }
}
