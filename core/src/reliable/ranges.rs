//! Which message numbers have arrived.

use heapless::Vec;

/// The greatest message number (both versions): 2^63 - 1.
pub const MAX_MESSAGE_NUMBER: u64 = i64::MAX as u64;

/// Most ranges that a destination keeps, and that an acknowledgement may hold. WCF: `MaxSequenceRanges`.
pub const MAX_RANGES: usize = 128;

/// Numbers from `lower` to `upper`, both included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Range {
    /// The first.
    pub lower: u64,
    /// The last, not below the first.
    pub upper: u64,
}

impl Range {
    /// How many numbers.
    pub const fn count(self) -> u64 {
        self.upper.saturating_sub(self.lower).saturating_add(1)
    }
}

/// A set of message numbers, as ranges in ascending order that neither overlap nor touch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ranges<const N: usize>(Vec<Range, N>);

impl<const N: usize> Default for Ranges<N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<const N: usize> Ranges<N> {
    /// No number.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The ranges, ascending.
    pub fn as_slice(&self) -> &[Range] {
        &self.0
    }

    /// Is there no number?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum: u64, range| sum.saturating_add(range.count()))
    }

    /// The greatest number.
    pub fn last(&self) -> Option<u64> {
        self.0.last().map(|range| range.upper)
    }

    /// Is `number` one of them?
    pub fn contains(&self, number: u64) -> bool {
        let at = self.0.partition_point(|range| range.upper < number);
        self.0.get(at).is_some_and(|range| range.lower <= number)
    }

    /// Are they exactly the numbers from 1 to `last`? With `last` 0: none.
    pub fn is_complete(&self, last: u64) -> bool {
        match self.as_slice() {
            [] => last == 0,
            [only] => only.lower == 1 && only.upper == last,
            _ => false,
        }
    }

    /// The last number of an unbroken row from 1; 0 if 1 is not there.
    pub fn contiguous(&self) -> u64 {
        self.0.first().filter(|range| range.lower == 1).map_or(0, |range| range.upper)
    }

    /// Could `number` be added?
    pub fn has_room_for(&self, number: u64) -> bool {
        !self.0.is_full() || self.contains(number) || self.touching(number)
    }

    fn touching(&self, number: u64) -> bool {
        self.0
            .iter()
            .any(|range| range.lower.checked_sub(1) == Some(number) || range.upper.checked_add(1) == Some(number))
    }

    /// Adds `number`. `false`, and nothing changed, if that takes one range more than there is room for.
    pub fn insert(&mut self, number: u64) -> bool {
        let at = self.0.partition_point(|range| range.upper < number);
        if self.0.get(at).is_some_and(|range| range.lower <= number) {
            return true;
        }
        let before = at.checked_sub(1).and_then(|at| self.0.get(at)).map(|range| range.upper);
        let joins_before = before.is_some() && before == number.checked_sub(1);
        let joins_after = self.0.get(at).is_some_and(|range| number.checked_add(1) == Some(range.lower));
        match (joins_before, joins_after) {
            (true, true) => {
                let next = self.0.remove(at);
                if let Some(range) = at.checked_sub(1).and_then(|at| self.0.get_mut(at)) {
                    range.upper = next.upper;
                }
                true
            }
            (true, false) => {
                if let Some(range) = at.checked_sub(1).and_then(|at| self.0.get_mut(at)) {
                    range.upper = number;
                }
                true
            }
            (false, true) => {
                if let Some(range) = self.0.get_mut(at) {
                    range.lower = number;
                }
                true
            }
            (false, false) => self.0.insert(at, Range { lower: number, upper: number }).is_ok(),
        }
    }

    /// Adds the numbers of a range that a peer named, in any order and overlapping, as WCF merges them. `false`, and
    /// nothing changed, if there is no room.
    pub fn merge(&mut self, range: Range) -> bool {
        let from = self.0.partition_point(|have| have.upper.saturating_add(1) < range.lower);
        let mut until = from;
        let mut merged = range;
        while let Some(have) = self.0.get(until).filter(|have| have.lower <= range.upper.saturating_add(1)) {
            merged = Range { lower: merged.lower.min(have.lower), upper: merged.upper.max(have.upper) };
            until = until.saturating_add(1);
        }
        if from == until {
            return self.0.insert(from, merged).is_ok();
        }
        for _ in from.saturating_add(1)..until {
            let _ = self.0.remove(from);
        }
        if let Some(place) = self.0.get_mut(from) {
            *place = merged;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers of the test's own")]

    use super::*;

    fn of(pairs: &[(u64, u64)]) -> Ranges<4> {
        let mut ranges = Ranges::new();
        assert!(pairs.iter().all(|&(lower, upper)| ranges.merge(Range { lower, upper })));
        ranges
    }

    #[test]
    fn any_order_gives_the_same_set() {
        // Every permutation of five numbers, against a plain set.
        let orders = permutations();
        for order in orders {
            let mut ranges = Ranges::<4>::new();
            for number in order {
                assert!(ranges.insert(number));
                assert!(ranges.insert(number) && ranges.contains(number));
            }
            assert_eq!(ranges, of(&[(1, 2), (4, 4), (6, 7)]));
            assert_eq!((ranges.count(), ranges.last(), ranges.contiguous()), (5, Some(7), 2));
        }
    }

    /// Heap's algorithm over 1, 2, 4, 6, 7.
    fn permutations() -> impl Iterator<Item = [u64; 5]> {
        (0..120_usize).map(|mut code| {
            let mut order = [1, 2, 4, 6, 7];
            for at in 0..5 {
                let left = 5 - at;
                order.swap(at, at + code % left);
                code /= left;
            }
            order
        })
    }

    #[test]
    fn overlapping_ranges_are_merged() {
        assert_eq!(of(&[(5, 9), (1, 2), (3, 4)]), of(&[(1, 9)]));
        assert_eq!(of(&[(1, 3), (2, 8), (10, 12), (7, 10)]), of(&[(1, 12)]));
        assert!(of(&[(1, 9)]).is_complete(9) && !of(&[(2, 9)]).is_complete(9) && of(&[]).is_complete(0));
    }

    #[test]
    fn a_range_too_many_changes_nothing() {
        let mut ranges = of(&[(1, 1), (3, 3), (5, 5), (7, 7)]);
        let before = ranges.clone();
        assert!(!ranges.has_room_for(9) && !ranges.insert(9) && !ranges.merge(Range { lower: 9, upper: 11 }));
        assert_eq!(ranges, before);
        assert!(ranges.has_room_for(4) && ranges.insert(4));
        assert!(ranges.insert(9));
    }

    #[test]
    fn the_last_number_is_the_last() {
        let mut ranges = Ranges::<2>::new();
        assert!(ranges.insert(MAX_MESSAGE_NUMBER) && ranges.insert(MAX_MESSAGE_NUMBER - 1));
        assert!(ranges.merge(Range { lower: u64::MAX, upper: u64::MAX }));
        assert!(ranges.merge(Range { lower: 1, upper: u64::MAX }));
        assert_eq!(ranges.as_slice(), [Range { lower: 1, upper: u64::MAX }]);
    }
}
