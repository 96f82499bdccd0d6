//! What may happen in a world of two clients, one service and the network between them.

use proptest::prelude::*;
use soap_session_core::secure::{Binding, Bootstrap, KeyEntropyMode};

/// One thing that happens. Numbers choose among what there is, modulo how many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    /// A client opens.
    Open(u8),
    /// A client calls; one-way if `false`.
    Call(u8, bool),
    /// A client is asked what it wants.
    Poll(u8),
    /// A request arrives.
    Deliver(u8),
    /// The application replies to a request.
    Reply(u8),
    /// The service is asked what it wants.
    Answer,
    /// An answer arrives.
    Return(u8),
    /// A request is lost: its client hears so.
    LoseRequest(u8),
    /// An answer is lost: its client hears so.
    LoseAnswer(u8),
    /// A connection is lost while the service owes an answer: both hear so.
    Cut(u8),
    /// A copy of an earlier request arrives.
    Again(u8),
    /// A byte of a request under way changes.
    SpoilRequest(u8, u16, u8),
    /// A byte of an answer under way changes.
    SpoilAnswer(u8, u16, u8),
    /// Two answers under way change places.
    Swap(u8),
    /// Time passes, in seconds.
    Wait(u32),
    /// A client closes.
    Close(u8),
    /// A client gives up.
    Abort(u8),
    /// The service closes the sessions whose clients cancelled.
    ServiceClose,
    /// The service gives a session up.
    ServiceAbort(u8),
    /// A calendar clock is set: client 0, client 1 or the service, to so many minutes off. Two clocks are never further
    /// apart than the skew.
    Clock(u8, i8),
    /// Everything goes well until nothing is left to do.
    Run,
}

pub(crate) fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => any::<u8>().prop_map(Move::Open),
        12 => (any::<u8>(), prop::bool::weighted(0.8)).prop_map(|(c, two_way)| Move::Call(c, two_way)),
        12 => any::<u8>().prop_map(Move::Poll),
        9 => any::<u8>().prop_map(Move::Deliver),
        4 => any::<u8>().prop_map(Move::Reply),
        9 => Just(Move::Answer),
        6 => any::<u8>().prop_map(Move::Return),
        1 => any::<u8>().prop_map(Move::LoseRequest),
        1 => any::<u8>().prop_map(Move::LoseAnswer),
        1 => any::<u8>().prop_map(Move::Cut),
        2 => any::<u8>().prop_map(Move::Again),
        1 => (any::<u8>(), any::<u16>(), 1u8..).prop_map(|(i, at, by)| Move::SpoilRequest(i, at, by)),
        1 => (any::<u8>(), any::<u16>(), 1u8..).prop_map(|(i, at, by)| Move::SpoilAnswer(i, at, by)),
        3 => prop_oneof![1u32..10, 100u32..320, 3600u32..40_000].prop_map(Move::Wait),
        2 => any::<u8>().prop_map(Move::Swap),
        1 => any::<u8>().prop_map(Move::Close),
        1 => (0u8..40).prop_map(Move::Abort),
        1 => Just(Move::ServiceClose),
        1 => any::<u8>().prop_map(Move::ServiceAbort),
        1 => (0u8..3, -2i8..=2).prop_map(|(who, minutes)| Move::Clock(who, minutes)),
        5 => Just(Move::Run),
    ];
    // A world where nobody opens is a dull one; most begin with two clients that talk already.
    let talking = [Move::Open(0), Move::Open(1), Move::Run, Move::Call(0, true), Move::Call(1, true), Move::Run];
    (prop::collection::vec(one, 1..60), prop::bool::weighted(0.8)).prop_map(move |(moves, talk)| {
        let prelude = if talk { &talking[..] } else { &talking[..1] };
        prelude.iter().copied().chain(moves).collect()
    })
}

pub(crate) fn bindings() -> impl Strategy<Value = Binding> {
    prop_oneof![
        Just(Binding::default()),
        Just(Binding::ws2007_http(Bootstrap::UserNameForCertificate)),
        Just(Binding::ws_http(Bootstrap::MutualCertificate)),
        Just(Binding::ws2007_http(Bootstrap::CertificateOverTransport)),
        Just(Binding::ws_http(Bootstrap::UserNameOverTransport)),
        Just(Binding { derived_keys: false, entropy: KeyEntropyMode::Client, ..Binding::default() }),
        Just(Binding { entropy: KeyEntropyMode::Server, ..Binding::ws_http(Bootstrap::AnonymousForCertificate) }),
        Just(Binding { require_cancellation: false, ..Binding::default() }),
        Just(Binding { require_cancellation: false, ..Binding::ws2007_http(Bootstrap::UserNameForCertificate) }),
    ]
}
