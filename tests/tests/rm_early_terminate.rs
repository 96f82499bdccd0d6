//! A TerminateSequence of 1.1 that comes before every message has: it is answered, and only then is the session broken.

use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{
    AcceptorWant, FrameBody, Heard, ReliableAcceptor, RmAction, RmBody, SessionError, SessionPhase, Shape, Violation,
};
use soap_session_core::time::Instant;
use soap_session_tests::Direction;
use soap_session_tests::rm_replay::{Message, Names, arrival, settings};
use soap_session_tests::rm_story::RmStory;

type Acceptor = ReliableAcceptor<Message>;

fn drain(acceptor: &mut Acceptor, now: Instant) -> Vec<String> {
    let mut said = Vec::new();
    while let Some(want) = acceptor.next(now) {
        let frame = acceptor.frame(want).expect("a message");
        said.push(match frame.body {
            FrameBody::TerminateSequenceResponse(_) => {
                assert!(frame.acknowledgement.is_some_and(|ack| ack.is_final && ack.ranges.len() == 1));
                "TerminateSequenceResponse".to_owned()
            }
            FrameBody::Fault(fault, _) => format!("{:?}", fault.kind),
            FrameBody::CreateSequenceResponse { .. } => "CreateSequenceResponse".to_owned(),
            other => format!("{other:?}"),
        });
        acceptor.sent(now, want);
        let AcceptorWant::Session(..) = want else { panic!("a refusal") };
    }
    said
}

/// A duplex session that has one message; then this many are said to have been sent.
fn terminated(last: u64) -> (Vec<String>, SessionPhase, Option<SessionError>) {
    let story = RmStory::open("wcf-stories/rm11-tcp-plain");
    let mut names = Names::default();
    let mut acceptor = Acceptor::new(settings(&story.server), Shape::Duplex, Chance::new(&[3; 32]));
    let now = Instant::from_millis(0);
    let mut id = None;
    for (_, event) in story.arrivals(Direction::ClientToServer) {
        let Some(envelope) = event.reliable() else { continue };
        let mut arrival = arrival(envelope, story.server.version, &mut names);
        // The recorded names of our sequence are those that ours has.
        let own = id.and_then(|id| acceptor.session(id)?.identifier().map(<[u8]>::to_vec));
        let own = own.map(|own| &*own.leak());
        if let (Some(sequence), Some(own)) = (&mut arrival.sequence, own) {
            sequence.identifier = own;
            arrival.ack_requested = arrival.ack_requested.and(Some(own));
        }
        let ends = arrival.sequence.is_some_and(|sequence| sequence.number > 1);
        if ends && let Some(identifier) = own {
            arrival.sequence = None;
            arrival.acknowledgement = None;
            arrival.ack_requested = None;
            arrival.action = Some(RmAction::TerminateSequence);
            arrival.body = RmBody::TerminateSequence { identifier, last: Some(last) };
        }
        if arrival.acknowledgement.is_some() {
            continue;
        }
        let admission = acceptor.hear(now, Exchange(1), None, &arrival);
        id = id.or(admission.session);
        acceptor.accept();
        let said = drain(&mut acceptor, now);
        if ends {
            assert!(matches!(admission.heard, Heard::Refused(_)), "{:?}", admission.heard);
            while acceptor.told(now).is_some() {}
            let session = acceptor.session(id.unwrap()).unwrap();
            assert!(session.is_spent());
            return (said, session.phase(), session.error());
        }
    }
    panic!("it does not end");
}

#[test]
fn too_early_is_answered_and_breaks_the_session() {
    let (said, phase, error) = terminated(4);
    assert_eq!(said, ["TerminateSequenceResponse"]);
    assert_eq!((phase, error), (SessionPhase::Faulted, Some(SessionError::Violation(Violation::EarlyTerminate))));
}

#[test]
fn a_last_number_that_was_passed_is_a_fault() {
    let (said, phase, error) = terminated(0);
    assert_eq!(said, ["SequenceTerminated"]);
    assert_eq!((phase, error), (SessionPhase::Faulted, Some(SessionError::Violation(Violation::LastNumberTooSmall))));
}
