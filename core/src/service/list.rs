//! Lists that run through the entries of an arena: in and out in constant time, and never full.

use crate::store::{Arena, Key, Store};

/// An entry's place in one list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Links {
    linked: bool,
    before: Option<Key>,
    behind: Option<Key>,
}

impl Links {
    /// Is the entry in the list?
    pub(super) const fn linked(self) -> bool {
        self.linked
    }
}

/// A list of entries, first in, first out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct List {
    first: Option<Key>,
    last: Option<Key>,
}

impl List {
    pub(super) const fn first(self) -> Option<Key> {
        self.first
    }

    /// Puts an entry at the end, unless it is in the list already.
    pub(super) fn push<T, S: Store>(&mut self, arena: &mut Arena<T, S>, key: Key, links: fn(&mut T) -> &mut Links) {
        let Some(own) = arena.get_mut(key).map(links).filter(|own| !own.linked) else { return };
        *own = Links { linked: true, before: self.last, behind: None };
        match self.last.and_then(|last| arena.get_mut(last)) {
            Some(last) => links(last).behind = Some(key),
            None => self.first = Some(key),
        }
        self.last = Some(key);
    }

    /// Takes an entry out, if it is in the list.
    pub(super) fn remove<T, S: Store>(&mut self, arena: &mut Arena<T, S>, key: Key, links: fn(&mut T) -> &mut Links) {
        let Some(own) = arena.get_mut(key).map(links).filter(|own| own.linked) else { return };
        let Links { before, behind, .. } = core::mem::take(own);
        match before.and_then(|before| arena.get_mut(before)) {
            Some(before) => links(before).behind = behind,
            None => self.first = behind,
        }
        match behind.and_then(|behind| arena.get_mut(behind)) {
            Some(behind) => links(behind).before = before,
            None => self.last = before,
        }
    }

    /// Takes the first entry out.
    pub(super) fn pop<T, S: Store>(&mut self, arena: &mut Arena<T, S>, links: fn(&mut T) -> &mut Links) -> Option<Key> {
        let first = self.first?;
        self.remove(arena, first, links);
        Some(first)
    }
}
