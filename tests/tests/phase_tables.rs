//! Every state and every event: the tables are walked, and compared with the charts that the documentation shows.

use soap_session_core::reliable::{
    DestinationEvent, DestinationPhase, SessionEvent, SessionPhase, SourceEvent, SourcePhase,
};
use soap_session_core::secure::{AcceptorEvent, AcceptorPhase, InitiatorEvent, InitiatorPhase};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// The table as a chart: events across, states down, `-` for a refusal.
fn chart<S: Debug + Copy, E: Debug + Copy>(states: &[S], events: &[E], next: fn(S, E) -> Option<S>) -> Vec<String> {
    let line = |head: &str, cells: Vec<String>| format!("{head} | {}", cells.join(" ")).trim().to_owned();
    let mut lines = vec![line("", events.iter().map(|event| format!("{event:?}")).collect())];
    for &state in states {
        let cell = |&event: &E| next(state, event).map_or_else(|| "-".to_owned(), |next| format!("{next:?}"));
        lines.push(line(&format!("{state:?}"), events.iter().map(cell).collect()));
    }
    lines
}

/// The chart in the documentation of `next` of `owner`, in the room `room`, one space between words.
fn documented(room: &str, owner: &str) -> Vec<String> {
    let path = format!("{}/../core/src/{room}/phase.rs", env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(path).expect("the source is beside the tests");
    let (_, block) = source.split_once(&format!("impl {owner} {{")).expect("the phase is there");
    let (_, block) = block.split_once("```text\n").expect("its chart is there");
    let (block, _) = block.split_once("/// ```").expect("its chart ends");
    let words = |line: &str| line.trim().trim_start_matches("///").split_whitespace().collect::<Vec<_>>().join(" ");
    block.lines().map(words).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_clients_table_is_the_documented_one() {
    let chart = chart(&InitiatorPhase::ALL, &InitiatorEvent::ALL, InitiatorPhase::next);
    println!("{}", chart.join("\n"));
    assert_eq!(chart, documented("secure", "InitiatorPhase"));
}

#[test]
fn the_services_table_is_the_documented_one() {
    let chart = chart(&AcceptorPhase::ALL, &AcceptorEvent::ALL, AcceptorPhase::next);
    println!("{}", chart.join("\n"));
    assert_eq!(chart, documented("secure", "AcceptorPhase"));
}

#[test]
fn the_reliable_sessions_table_is_the_documented_one() {
    let chart = chart(&SessionPhase::ALL, &SessionEvent::ALL, SessionPhase::next);
    println!("{}", chart.join("\n"));
    assert_eq!(chart, documented("reliable", "SessionPhase"));
}

#[test]
fn the_sources_table_is_the_documented_one() {
    let chart = chart(&SourcePhase::ALL, &SourceEvent::ALL, SourcePhase::next);
    println!("{}", chart.join("\n"));
    assert_eq!(chart, documented("reliable", "SourcePhase"));
}

#[test]
fn the_destinations_table_is_the_documented_one() {
    let chart = chart(&DestinationPhase::ALL, &DestinationEvent::ALL, DestinationPhase::next);
    println!("{}", chart.join("\n"));
    assert_eq!(chart, documented("reliable", "DestinationPhase"));
}

#[test]
fn the_lists_are_complete_and_every_state_can_be_reached() {
    fn reached<S: Copy + Ord, E: Copy>(start: S, events: &[E], next: fn(S, E) -> Option<S>) -> BTreeSet<S> {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![start]);
        while let Some(state) = todo.pop() {
            if seen.insert(state) {
                todo.extend(events.iter().filter_map(|&event| next(state, event)));
            }
        }
        seen
    }
    let client = reached(InitiatorPhase::Created, &InitiatorEvent::ALL, InitiatorPhase::next);
    assert_eq!(client, InitiatorPhase::ALL.into_iter().collect());
    let service = reached(AcceptorPhase::Pending, &AcceptorEvent::ALL, AcceptorPhase::next);
    assert_eq!(service, AcceptorPhase::ALL.into_iter().collect());
    let session = reached(SessionPhase::Created, &SessionEvent::ALL, SessionPhase::next);
    assert_eq!(session, SessionPhase::ALL.into_iter().collect());
    let source = reached(SourcePhase::Open, &SourceEvent::ALL, SourcePhase::next);
    assert_eq!(source, SourcePhase::ALL.into_iter().collect());
    let destination = reached(DestinationPhase::Open, &DestinationEvent::ALL, DestinationPhase::next);
    assert_eq!(destination, DestinationPhase::ALL.into_iter().collect());
}

#[test]
fn what_is_over_stays_over() {
    for event in InitiatorEvent::ALL {
        let over = [None, Some(InitiatorPhase::Closed)];
        assert!(
            over.contains(&InitiatorPhase::Closed.next(event)) && over.contains(&InitiatorPhase::Faulted.next(event))
        );
    }
    for event in AcceptorEvent::ALL {
        assert!([None, Some(AcceptorPhase::Closed)].contains(&AcceptorPhase::Closed.next(event)));
    }
    for event in SessionEvent::ALL {
        let over = [None, Some(SessionPhase::Closed)];
        assert!(over.contains(&SessionPhase::Closed.next(event)) && over.contains(&SessionPhase::Faulted.next(event)));
    }
    for event in SourceEvent::ALL {
        assert!([None, Some(SourcePhase::Ended)].contains(&SourcePhase::Ended.next(event)));
    }
    for event in DestinationEvent::ALL {
        assert!([None, Some(DestinationPhase::Ended)].contains(&DestinationPhase::Ended.next(event)));
    }
}
