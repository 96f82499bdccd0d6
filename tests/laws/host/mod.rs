//! A service host loses no permit and makes none up, runs every message once or says why not, and gives everything back,
//! whatever comes and goes in whatever order, in time or late, under names that are stale.
//!
//! A naive model counts beside it: who is open, what was taken, what runs, in which instance.

mod heard;
mod model;

use model::World;
use proptest::prelude::*;
use soap_session_core::service::{Called, ConcurrencyMode, HostSettings, InstanceContextMode, LISTENERS, Outcome};
use soap_session_core::time::Duration;

type Index = prop::sample::Index;

#[derive(Clone, Copy, Debug)]
pub(super) enum Move {
    /// Seconds go by.
    Pass(u8),
    Accept {
        listener: u8,
        permit: bool,
        session: bool,
    },
    /// Of all channels and calls that ever were, those that are gone included.
    Take(Index, Option<Called>),
    Return(Index, Outcome),
    CallOut(Index),
    ComeBack(Index),
    Ended(Index),
    Closed(Index),
    CloseAll,
    Poll,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let kinds = prop_oneof![8 => Just((true, true)), 1 => Just((true, false)), 2 => Just((false, false))];
    let accept = (0..3u8, kinds);
    let called = (any::<bool>(), prop::bool::weighted(0.7), prop::bool::weighted(0.15));
    let called = called.prop_map(|(two_way, is_initiating, is_terminating)| Called {
        operation: 0,
        two_way,
        is_initiating,
        is_terminating,
    });
    let outcome = prop_oneof![5 => Just(Outcome::Handled), 1 => Just(Outcome::Unhandled)];
    let one = prop_oneof![
        4 => (0..20u8).prop_map(Move::Pass),
        8 => accept.prop_map(|(listener, (permit, session))| Move::Accept { listener, permit, session }),
        1 => Just(Move::Accept { listener: LISTENERS as u8, permit: true, session: true }),
        16 => (any::<Index>(), prop::option::weighted(0.95, called)).prop_map(|(of, called)| Move::Take(of, called)),
        10 => (any::<Index>(), outcome).prop_map(|(of, outcome)| Move::Return(of, outcome)),
        5 => any::<Index>().prop_map(Move::CallOut),
        5 => any::<Index>().prop_map(Move::ComeBack),
        2 => any::<Index>().prop_map(Move::Ended),
        4 => any::<Index>().prop_map(Move::Closed),
        8 => Just(Move::Poll),
    ];
    // Now and then the host is closed on the way.
    let end = prop_oneof![3 => Just(Vec::new()), 1 => Just(vec![Move::CloseAll])];
    (prop::collection::vec(one.clone(), 0..120), end, prop::collection::vec(one, 0..40))
        .prop_map(|(start, end, rest)| [start, end, rest].concat())
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) settings: HostSettings,
    /// Calls, sessions, instances.
    pub(super) limits: [u32; 3],
    /// Channels, calls, instances, and permits beyond the largest limit.
    pub(super) tables: [usize; 4],
    /// Is everything carried out at once?
    pub(super) eager: bool,
}

fn setups() -> impl Strategy<Value = Setup> {
    use ConcurrencyMode::{Multiple, Reentrant, Single};
    let instances = prop::sample::select(vec![
        InstanceContextMode::PerSession,
        InstanceContextMode::PerCall,
        InstanceContextMode::Single,
    ]);
    let timeout = || prop::option::weighted(0.8, (1..60u64).prop_map(Duration::from_secs));
    let settings = (instances, prop::sample::select(vec![Single, Reentrant, Multiple]), timeout(), timeout());
    let settings = (settings, prop::bool::weighted(0.2)).prop_map(|(settings, refuse_when_busy)| {
        let (instances, concurrency, receive_timeout, close_timeout) = settings;
        HostSettings { instances, concurrency, receive_timeout, close_timeout, refuse_when_busy }
    });
    let room = || prop_oneof![1 => 0..3usize, 4 => Just(20usize)];
    (settings, [1..=5u32, 1..=5, 1..=5], [1..=8usize, 1..=6, 1..=6], room(), prop::bool::weighted(0.7)).prop_map(
        |(settings, limits, [channels, calls, instances], permits, eager)| Setup {
            settings,
            limits,
            tables: [channels, calls, instances, permits],
            eager,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_host_keeps_its_books(setup in setups(), moves in moves()) {
        let mut world = World::new(setup);
        for step in moves {
            world.make(step);
            if setup.eager {
                world.drain();
            }
        }
        world.end();
    }
}
