//! Reliable sessions: any arrival in any state is survived, delivers nothing that was not sent, and leaves strangers' messages
//! without a trace.

use super::reliable_plans::{plans, scene};
use proptest::prelude::*;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{
    Heard, MAX_MESSAGE_NUMBER, Range, RmAction, RmFaultKind, SessionError, Shape, Violation,
};
use soap_session_core::soap::FaultCode;
use soap_session_tests::reliable_world::{Ack, Body, Dice, Letter, Plan, World};

/// A number that is likely to hurt.
fn number(dice: &mut Dice) -> u64 {
    match dice.upto(6) {
        0 => u64::MAX - dice.upto(2),
        1 => MAX_MESSAGE_NUMBER - dice.upto(2),
        2 => dice.next(),
        3 => 0,
        _ => dice.upto(20),
    }
}

fn some<T>(dice: &mut Dice, make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
    dice.percent(40).then(|| make(dice))
}

/// Any letter about sequences with these identifiers.
fn letter(dice: &mut Dice, known: &[Vec<u8>]) -> Letter {
    let name = |dice: &mut Dice| match dice.upto(known.len() as u64) {
        0 => b"urn:stranger".to_vec(),
        index => known[index as usize - 1].clone(),
    };
    let actions = RmAction::ALL;
    let kinds = [
        RmFaultKind::SequenceTerminated,
        RmFaultKind::UnknownSequence,
        RmFaultKind::InvalidAcknowledgement,
        RmFaultKind::SequenceClosed,
        RmFaultKind::CreateSequenceRefused,
        RmFaultKind::ActionNotSupported,
    ];
    let body = match dice.upto(14) {
        0 => Body::Create(b"urn:a".to_vec(), some(dice, name)),
        1 => Body::Created(name(dice), some(dice, |_| b"urn:service".to_vec())),
        2 => Body::Close(name(dice), some(dice, number)),
        3 => Body::Closed(name(dice)),
        4 => Body::Terminate(name(dice), some(dice, number)),
        5 => Body::Terminated(name(dice)),
        6 => {
            let kind = some(dice, |dice| kinds[dice.upto(5) as usize]);
            Body::Fault(FaultCode::Sender, kind, some(dice, name))
        }
        _ => Body::None,
    };
    Letter {
        action: some(dice, |dice| actions[dice.upto(9) as usize]),
        message_id: some(dice, name),
        relates_to: some(dice, name),
        to: None,
        reply_to: some(dice, |_| b"urn:a".to_vec()),
        sequence: some(dice, |dice| (name(dice), number(dice), dice.percent(20))),
        ack: some(dice, |dice| Ack {
            identifier: name(dice),
            ranges: (0..dice.upto(4))
                .map(|_| (number(dice), number(dice)))
                .map(|(one, two)| Range { lower: one.min(two), upper: one.max(two) })
                .collect(),
            is_final: dice.percent(20),
            room: some(dice, |dice| dice.upto(u64::from(u32::MAX)) as u32),
        }),
        ack_requested: some(dice, name),
        body,
        text: b"forged".to_vec(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scene(96)))]

    #[test]
    fn any_arrival_is_survived(plan in plans(30), at in 1000u64..6000, count in 1usize..40) {
        let mut dice = Dice(plan.seed ^ 0x5EED);
        let mut world = World::new(plan);
        world.run_until(at);
        let sessions = world.identifiers();
        for _ in 0..count {
            let forged = letter(&mut dice, &sessions);
            let strangers = letter(&mut dice, &[]);
            // To the service, and to the client: by no exchange, or by one of the first that it opened.
            world.forge(&forged, None);
            world.forge(&forged, Some(Exchange(dice.upto(20) as u32)));
            world.forge(&strangers, None);
            world.pump();
        }
        world.run();
        prop_assert!(world.client_end().is_some() || world.session.is_none());
        // What the application heard without a forged number is what was said.
        let heard = world.heard.iter().filter(|text| *text != "forged").count();
        let mut different: Vec<_> = world.heard.iter().filter(|text| *text != "forged").collect();
        different.sort();
        different.dedup();
        prop_assert_eq!(different.len(), heard, "heard twice");
    }

    /// A message that names nothing of this session changes nothing but what refuses it.
    #[test]
    fn a_stranger_leaves_no_trace(plan in plans(30), at in 1000u64..6000) {
        let mut dice = Dice(plan.seed ^ 0x5EED);
        let mut world = World::new(plan);
        world.run_until(at);
        for _ in 0..20 {
            let mut stranger = letter(&mut dice, &[]);
            stranger.sequence.get_or_insert_with(|| (b"urn:stranger".to_vec(), 1, false));
            if matches!(stranger.body, Body::Create(..)) {
                stranger.body = Body::None;
            }
            let before = world.acceptor.clone();
            let _ = world.acceptor.hear(world.now, Exchange(900_000), None, &stranger.arrival());
            prop_assert!(world.acceptor.sessions().eq(before.sessions()), "{:?}", stranger);
            if world.client.offered().is_some() && !world.client.phase().is_over() {
                let before = world.client.clone();
                let heard = world.client.hear(world.now, None, Some(&stranger.arrival()));
                let alone = world.plan.shape == Shape::Duplex;
                prop_assert!(matches!(heard, Heard::Refused(_)) == alone, "{:?}", heard);
                prop_assert!(before == world.client, "{:?}", stranger);
            }
        }
    }

    /// An acknowledgement of what was never sent ends the session, and the fault says so.
    #[test]
    fn impossible_acknowledgements_end_the_session(plan in plans(0), at in 3000u64..6000, beyond in 1u64..=u64::MAX) {
        let mut world = World::new(Plan { shape: Shape::Duplex, client_says: 30, service_says: 30, ..plan });
        world.run_until(at);
        if world.client.identifier().is_some() && !world.client.phase().is_over() {
            let upper = beyond.saturating_add(1000);
            let ack = Ack {
                identifier: world.client.identifier().expect("it is open").as_bytes().to_vec(),
                ranges: vec![Range { lower: 1, upper }],
                is_final: false,
                room: None,
            };
            let liar = Letter { ack: Some(ack), action: Some(RmAction::SequenceAcknowledgement), ..Letter::blank() };
            let heard = world.client.hear(world.now, None, Some(&liar.arrival()));
            let error = SessionError::Violation(Violation::AcknowledgedNeverSent);
            prop_assert_eq!(heard, Heard::Refused(error));
            let want = world.client.next(world.now).expect("a fault is wanted");
            let fault = Letter::of(&world.client.frame(want).expect("it can be written"));
            prop_assert!(matches!(fault.body, Body::Fault(FaultCode::Sender, Some(RmFaultKind::InvalidAcknowledgement), _)));
            world.run();
            prop_assert_eq!(world.client_end(), Some(Some(error)));
            prop_assert!(world.service_end().is_some());
        }
    }
}
