//! Tables of a capacity that the caller chooses, and an arena: a table whose entries are found by keys that do not lie.
//!
//! A machine that is generic over a [`Store`] has its tables inside itself with [`Fixed`], and on the heap with a store that
//! an adapter brings. Either way a table is made once, at its full size, and never grows.

use core::fmt;
use core::num::NonZeroU32;

/// Where tables live, and how many places each of them has.
///
/// A store is a description, not the memory: it is cheap to clone, and makes as many tables as it is asked for.
pub trait Store: Clone + Eq + fmt::Debug {
    /// A table of `T`. Its length never changes.
    type Of<T>: AsRef<[T]> + AsMut<[T]>;

    /// Makes a table: as long as this store says, filled by one call of `make` for each place, in order.
    fn make<T>(&self, make: impl FnMut() -> T) -> Self::Of<T>;
}

/// Tables of `N` places, inside the machine that has them: no allocator is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fixed<const N: usize>;

impl<const N: usize> Store for Fixed<N> {
    type Of<T> = [T; N];

    fn make<T>(&self, mut make: impl FnMut() -> T) -> [T; N] {
        core::array::from_fn(|_| make())
    }
}

/// The name of an entry of an [`Arena`]: its place, and which tenant of that place.
///
/// When an entry is removed its key goes stale: it finds nothing, whoever moves in. That holds until one place has had
/// 2^32 - 1 further tenants.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    index: u32,
    generation: NonZeroU32,
}

impl Key {
    /// The place, below the arena's capacity. Two entries never have the same at one time.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which tenant of the place, from 1 on.
    pub const fn generation(self) -> u32 {
        self.generation.get()
    }

    /// The key as a number, for whoever keeps keys of several arenas in one place. Never 0.
    pub const fn to_bits(self) -> u64 {
        (self.generation.get() as u64) << 32 | self.index as u64
    }

    /// The key that [`to_bits`](Self::to_bits) made this number of; `None` if it was none.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match NonZeroU32::new((bits >> 32) as u32) {
            Some(generation) => Some(Self { index: bits as u32, generation }),
            None => None,
        }
    }
}

/// One place: who lives there or, if nobody does, which place is the next that is free.
#[derive(Clone, PartialEq, Eq)]
struct Slot<T> {
    generation: NonZeroU32,
    tenant: Tenant<T>,
}

#[derive(Clone, PartialEq, Eq)]
enum Tenant<T> {
    Free { next: u32 },
    Taken(T),
}

impl<T> Slot<T> {
    /// A place where nobody has lived. The link is set when the table is there.
    const fn new() -> Self {
        Self { generation: NonZeroU32::MIN, tenant: Tenant::Free { next: u32::MAX } }
    }
}

/// A table of `T` in a store, whose entries are found by [`Key`]. Inserting and removing take the same time whatever the
/// capacity: the places that are free are linked to a list.
///
/// An arena is equal to another if the same moves led to the same state, free places included: what a refusal must not touch.
pub struct Arena<T, S: Store> {
    store: S,
    slots: S::Of<Slot<T>>,
    /// The first free place; beyond the table if there is none.
    free: u32,
    len: u32,
}

impl<T, S: Store> Arena<T, S> {
    /// An empty arena with as many places as `store` says, at most 2^32 - 1.
    pub fn new(store: S) -> Self {
        let mut slots = store.make(Slot::new);
        // The last place links to the one behind the end, where none is found.
        for (slot, next) in slots.as_mut().iter_mut().zip(1..u32::MAX) {
            slot.tenant = Tenant::Free { next };
        }
        Self { store, slots, free: 0, len: 0 }
    }

    /// How many entries there are.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Is there no entry?
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Is there no room for one more?
    pub fn is_full(&self) -> bool {
        self.len >= self.capacity()
    }

    /// How many entries there may be: the length that the store was made with.
    pub fn capacity(&self) -> u32 {
        u32::try_from(self.slots.as_ref().len()).unwrap_or(u32::MAX)
    }

    /// Gives `value` a place. `None` if there is none: nothing has changed, and the value is dropped.
    pub fn insert(&mut self, value: T) -> Option<Key> {
        self.insert_with(|_| value)
    }

    /// As [`insert`](Self::insert), for a value that knows its key. It is not made if there is no room.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Option<Key> {
        let index = self.free;
        let len = self.len.checked_add(1)?;
        let slot = place_mut(&mut self.slots, index)?;
        let Tenant::Free { next } = slot.tenant else { return None };
        let key = Key { index, generation: slot.generation };
        slot.tenant = Tenant::Taken(make(key));
        (self.free, self.len) = (next, len);
        Some(key)
    }

    /// The entry that `key` names; `None` if it has been removed.
    pub fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.as_ref().get(usize::try_from(key.index).ok()?)?;
        match &slot.tenant {
            Tenant::Taken(value) if slot.generation == key.generation => Some(value),
            Tenant::Taken(_) | Tenant::Free { .. } => None,
        }
    }

    /// The entry that `key` names, to be changed; `None` if it has been removed.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = place_mut(&mut self.slots, key.index)?;
        match &mut slot.tenant {
            Tenant::Taken(value) if slot.generation == key.generation => Some(value),
            Tenant::Taken(_) | Tenant::Free { .. } => None,
        }
    }

    /// Is there an entry of this name?
    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// Takes out the entry that `key` names, and the key is stale; `None` if it was already.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let free = self.free;
        let slot = place_mut(&mut self.slots, key.index)?;
        slot.generation = slot.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let tenant = core::mem::replace(&mut slot.tenant, Tenant::Free { next: free });
        self.free = key.index;
        self.len = self.len.saturating_sub(1);
        match tenant {
            Tenant::Taken(value) => Some(value),
            Tenant::Free { .. } => None,
        }
    }

    /// Every entry, in the order of places. Looks at each place, taken or free.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.as_ref().iter().zip(0..u32::MAX).filter_map(|(slot, index)| match &slot.tenant {
            Tenant::Taken(value) => Some((Key { index, generation: slot.generation }, value)),
            Tenant::Free { .. } => None,
        })
    }
}

/// Free-standing, so that the other fields of the arena stay within reach.
fn place_mut<T>(slots: &mut impl AsMut<[Slot<T>]>, index: u32) -> Option<&mut Slot<T>> {
    slots.as_mut().get_mut(usize::try_from(index).ok()?)
}

// Derived, these would ask for `S::Of<Slot<T>>: Clone` and the like, which nobody outside can write down. By hand they ask
// `T` alone, so that a machine with arenas can derive.

impl<T: Clone, S: Store> Clone for Arena<T, S> {
    fn clone(&self) -> Self {
        let mut slots = self.slots.as_ref().iter().cloned();
        let slots = self.store.make(|| slots.next().unwrap_or_else(Slot::new));
        Self { store: self.store.clone(), slots, free: self.free, len: self.len }
    }
}

impl<T: PartialEq, S: Store> PartialEq for Arena<T, S> {
    fn eq(&self, other: &Self) -> bool {
        (self.free, self.len) == (other.free, other.len) && self.slots.as_ref() == other.slots.as_ref()
    }
}

impl<T: Eq, S: Store> Eq for Arena<T, S> {}

impl<T: fmt::Debug, S: Store> fmt::Debug for Arena<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, value)| (key.to_bits(), value))).finish()
    }
}

impl<T, S: Store + Default> Default for Arena<T, S> {
    fn default() -> Self {
        Self::new(S::default())
    }
}

#[cfg(test)]
mod tests {
    use super::{Arena, Fixed, Key, Store};

    /// What a machine with tables writes: derived, and without a word about the tables.
    #[derive(Clone, PartialEq, Eq, Debug)]
    struct Machine<S: Store> {
        table: Arena<char, S>,
        told: bool,
    }

    #[test]
    fn a_machine_with_an_arena_derives() {
        let mut machine = Machine { table: Arena::new(Fixed::<2>), told: false };
        let before = machine.clone();
        let key = machine.table.insert('a');
        assert_ne!(machine, before);
        assert_eq!(machine.clone(), machine);
        assert_eq!(key.and_then(|key| machine.table.get_mut(key)).copied(), Some('a'));
    }

    #[test]
    fn a_stale_key_finds_no_new_tenant() {
        let mut arena = Arena::<_, Fixed<2>>::default();
        let (old, other) = (arena.insert('a'), arena.insert('b'));
        assert_eq!(old.and_then(|old| arena.remove(old)), Some('a'));
        let new = arena.insert('c');
        assert_eq!(old.map(Key::index), new.map(Key::index));
        assert_ne!(old, new);
        assert_eq!(old.and_then(|old| arena.get(old)), None);
        assert_eq!(old.and_then(|old| arena.remove(old)), None);
        assert_eq!(new.and_then(|new| arena.get(new)), Some(&'c'));
        assert_eq!(other.and_then(|other| arena.get(other)), Some(&'b'));
    }

    #[test]
    fn a_full_arena_refuses_and_has_not_changed() {
        let mut arena = Arena::<_, Fixed<3>>::default();
        for value in 0..3 {
            assert!(arena.insert(value).is_some());
        }
        let before = arena.clone();
        assert_eq!(arena.insert(9), None);
        assert_eq!(arena, before);
        assert_eq!((arena.len(), arena.capacity(), arena.is_full()), (3, 3, true));
        assert!(Arena::<u8, Fixed<0>>::default().insert(1).is_none());
    }

    #[test]
    fn keys_survive_being_numbers() {
        let mut arena = Arena::<_, Fixed<4>>::default();
        for value in 0..4 {
            let key = arena.insert(value);
            assert_eq!(key.map(Key::to_bits).and_then(Key::from_bits), key);
        }
        assert_eq!(Key::from_bits(7), None);
        assert!(arena.iter().map(|(_, value)| *value).eq(0..4));
    }
}
