//! What clients call things, and which shard has it: a table of fixed size that forgets what was not used for longest.

/// How many slots make a set: a name can stand in one set only, and takes the place of the set's least recently used.
pub const WAYS: usize = 8;

/// Room for one name.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct NameSlot {
    name: u64,
    /// When it was last used, by the table's own count. It may wrap: a name that is 2^32 uses old looks new once.
    used: u32,
    shard: u16,
    taken: bool,
}

/// The table, in lent slots; none at all is allowed, and forgets everything at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Names<N> {
    slots: N,
    uses: u32,
}

impl<N: AsRef<[NameSlot]> + AsMut<[NameSlot]>> Names<N> {
    pub(super) fn new(mut slots: N) -> Self {
        slots.as_mut().fill(NameSlot::default());
        Self { slots, uses: 0 }
    }

    /// How many names there are. It counts them.
    pub(super) fn len(&self) -> usize {
        self.slots.as_ref().iter().filter(|slot| slot.taken).count()
    }

    /// The shard of a name, which counts as a use.
    pub(super) fn find(&mut self, name: u64) -> Option<u16> {
        let now = self.tick();
        let slot = self.set(name).iter_mut().find(|slot| slot.taken && slot.name == name)?;
        slot.used = now;
        Some(slot.shard)
    }

    /// Remembers a name.
    pub(super) fn put(&mut self, name: u64, shard: u16) {
        let now = self.tick();
        let age = |slot: &NameSlot| {
            if slot.taken && slot.name != name { now.wrapping_sub(slot.used) } else { u32::MAX }
        };
        let set = self.set(name);
        let known = set.iter().position(|slot| slot.taken && slot.name == name);
        let oldest = || set.iter().enumerate().max_by_key(|(_, slot)| age(slot)).map(|(index, _)| index);
        if let Some(index) = known.or_else(oldest)
            && let Some(slot) = set.get_mut(index)
        {
            *slot = NameSlot { name, used: now, shard, taken: true };
        }
    }

    pub(super) fn remove(&mut self, name: u64) -> bool {
        let slot = self.set(name).iter_mut().find(|slot| slot.taken && slot.name == name);
        slot.map(|slot| *slot = NameSlot::default()).is_some()
    }

    const fn tick(&mut self) -> u32 {
        self.uses = self.uses.wrapping_add(1);
        self.uses
    }

    /// The slots where a name may stand.
    fn set(&mut self, name: u64) -> &mut [NameSlot] {
        let slots = self.slots.as_mut();
        let sets = slots.len().div_ceil(WAYS) as u64;
        // The lower half of the hash, scaled: less than `sets`.
        let set = (name & 0xFFFF_FFFF).saturating_mul(sets).wrapping_shr(32);
        let start = usize::try_from(set).unwrap_or(0).saturating_mul(WAYS);
        let end = start.saturating_add(WAYS).min(slots.len());
        slots.get_mut(start..end).unwrap_or_default()
    }
}
