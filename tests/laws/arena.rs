//! An arena keeps what is put into it under a name that no other entry ever has, and not a place more than it was made with.

use proptest::prelude::*;
use soap_session_core::store::{Arena, Key};
use soap_session_tests::heap_store::Heap;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Move {
    Insert(u8),
    Change(prop::sample::Index, u8),
    Remove(prop::sample::Index),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => any::<u8>().prop_map(Move::Insert),
        1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(which, value)| Move::Change(which, value)),
        2 => any::<prop::sample::Index>().prop_map(Move::Remove),
    ];
    prop::collection::vec(one, 0..200)
}

proptest! {
    #[test]
    fn an_arena_is_a_map_of_names_that_are_used_once(capacity in 0..8usize, moves in moves()) {
        let mut arena = Arena::new(Heap(capacity));
        let (mut model, mut names) = (BTreeMap::<Key, u8>::new(), Vec::<Key>::new());
        for step in moves {
            let before = arena.clone();
            prop_assert_eq!(&before, &arena);
            match step {
                Move::Insert(value) => match arena.insert(value) {
                    Some(key) => {
                        prop_assert!(!names.contains(&key), "{:?} had another", key);
                        names.push(key);
                        model.insert(key, value);
                    }
                    None => {
                        prop_assert_eq!(model.len(), capacity);
                        prop_assert_eq!(&arena, &before);
                    }
                },
                Move::Change(which, value) if !names.is_empty() => {
                    let key = which.get(&names);
                    let (real, wanted) = (arena.get_mut(*key), model.get_mut(key));
                    prop_assert_eq!(&real, &wanted);
                    if let (Some(real), Some(wanted)) = (real, wanted) {
                        (*real, *wanted) = (value, value);
                    }
                }
                Move::Remove(which) if !names.is_empty() => {
                    let key = which.get(&names);
                    prop_assert_eq!(arena.remove(*key), model.remove(key));
                }
                Move::Change(..) | Move::Remove(_) => {}
            }
            prop_assert_eq!((arena.len() as usize, arena.capacity() as usize), (model.len(), capacity));
            prop_assert_eq!(arena.is_full(), model.len() == capacity);
            prop_assert_eq!(arena.iter().map(|(key, value)| (key, *value)).collect::<BTreeMap<_, _>>(), model.clone());
            for key in &names {
                prop_assert_eq!(arena.get(*key), model.get(key));
                prop_assert_eq!(Key::from_bits(key.to_bits()), Some(*key));
            }
        }
    }
}
