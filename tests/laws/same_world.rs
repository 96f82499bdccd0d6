//! Same moves, same world: nothing but time, chance's seed and what it was told moves a machine.

use super::moves::{bindings, moves};
use super::world::World;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn same_moves_same_world(binding in bindings(), moves in moves(), seed: u8) {
        let (mut one, mut two) = (World::new(&binding, seed), World::new(&binding, seed));
        for step in moves {
            let _ = one.step(step);
            let _ = two.step(step);
        }
        prop_assert_eq!(&one.log, &two.log);
        prop_assert!(one.clients == two.clients && one.service == two.service);
        prop_assert_eq!(&one.delivered, &two.delivered);
    }
}
