//! Permits in a line: joined at the end, left anywhere, in constant time.

use crate::store::{Arena, Key, Store};
use crate::time::Instant;

/// A permit, held or waited for, and its neighbours in the line it stands in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Permit {
    pub(super) holder: u64,
    /// When it was granted, or asked for if it is waited for.
    pub(super) since: Instant,
    pub(super) held: bool,
    pub(super) before: Option<Key>,
    pub(super) behind: Option<Key>,
}

/// A doubly linked list through the permits of an arena. A permit stands in one line at most.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Line {
    pub(super) first: Option<Key>,
    last: Option<Key>,
    pub(super) len: u32,
}

impl Line {
    /// Puts a permit that stands in no line at the end of this one.
    pub(super) fn join<S: Store>(&mut self, permits: &mut Arena<Permit, S>, key: Key) {
        let Some(permit) = permits.get_mut(key) else { return };
        (permit.before, permit.behind) = (self.last, None);
        match self.last.and_then(|last| permits.get_mut(last)) {
            Some(last) => last.behind = Some(key),
            None => self.first = Some(key),
        }
        self.last = Some(key);
        self.len = self.len.saturating_add(1);
    }

    /// Takes a permit that stands in this line out of it.
    pub(super) fn leave<S: Store>(&mut self, permits: &mut Arena<Permit, S>, key: Key) {
        let Some(permit) = permits.get_mut(key) else { return };
        let (before, behind) = (permit.before.take(), permit.behind.take());
        match before.and_then(|before| permits.get_mut(before)) {
            Some(neighbour) => neighbour.behind = behind,
            None => self.first = behind,
        }
        match behind.and_then(|behind| permits.get_mut(behind)) {
            Some(neighbour) => neighbour.before = before,
            None => self.last = before,
        }
        self.len = self.len.saturating_sub(1);
    }
}
