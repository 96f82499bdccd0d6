//! The state table of a communication object: every state and every call is a test with a name, and the table that the
//! documentation shows is the one that the code has.

use soap_session_core::lifetime::CommunicationState::{
    Closed, Closing as InClosing, Created, Faulted, Opened, Opening,
};
use soap_session_core::lifetime::{
    Closing, CommunicationState, Course, Lifetime, LifetimeEvent, Refusal, Refused, Timeouts, TimerEffect, TimerName,
    Verb, course,
};
use soap_session_core::time::{Deadline, Duration, Instant};
use std::collections::BTreeSet;

type Life = Lifetime<&'static str>;

const START: Instant = Instant::from_millis(1000);
const MINUTE: Deadline = Deadline::At(Instant::from_millis(61_000));

/// A channel in this state, by the way that leads there.
fn at(state: CommunicationState) -> Life {
    let mut life = Life::new(Timeouts::default());
    if state == Created {
        return life;
    }
    life.open(START).expect("it was just made");
    if state == Opening {
        return life;
    }
    life.opened();
    match state {
        Faulted => assert!(life.fault("first")),
        InClosing => assert_eq!(life.close(START), Closing::Graceful(MINUTE)),
        Closed => {
            assert_eq!(life.close(START), Closing::Graceful(MINUTE));
            life.closed();
        }
        Created | Opening | Opened => {}
    }
    assert_eq!(life.state(), state);
    life
}

/// Given up while it was open, and never closed.
fn aborted() -> Life {
    let mut life = at(Opened);
    assert!(life.abort());
    life
}

fn refused(refusal: Refusal) -> Result<(), Refused<&'static str>> {
    let first = (refusal == Refusal::Faulted).then_some("first");
    Err(Refused { refusal, first })
}

/// The call is refused, and leaves no trace.
fn no_trace(life: Life, refusal: Refusal, call: impl FnOnce(&mut Life) -> Result<(), Refused<&'static str>>) {
    let mut after = life;
    assert_eq!(call(&mut after), refused(refusal));
    assert_eq!(after, life);
}

/// Nothing happens, and that is no error.
fn nothing(life: Life, call: impl FnOnce(&mut Life)) {
    let mut after = life;
    call(&mut after);
    assert_eq!((after.state(), after.first_fault()), (life.state(), life.first_fault()));
}

mod created {
    use super::*;

    #[test]
    fn open_begins_to_open() {
        let mut life = at(Created);
        assert_eq!(life.open(START), Ok(()));
        assert_eq!((life.state(), life.deadline()), (Opening, MINUTE));
        life.opened();
        assert_eq!((life.state(), life.deadline()), (Opened, Deadline::Never));
    }

    #[test]
    fn an_open_that_fails_faults_and_says_so() {
        let mut life = at(Created);
        assert_eq!(life.open(START), Ok(()));
        assert!(life.fault("no such host"));
        assert_eq!((life.state(), life.first_fault()), (Faulted, Some(&"no such host")));
    }

    #[test]
    fn close_is_an_abort_without_an_error() {
        let mut life = at(Created);
        assert_eq!(life.close(START), Closing::Abort);
        assert_eq!((life.state(), life.is_aborted()), (Closed, true));
    }

    #[test]
    fn abort_closes() {
        let mut life = at(Created);
        assert!(life.abort());
        assert_eq!(life.state(), Closed);
    }

    #[test]
    fn fault_faults() {
        let mut life = at(Created);
        assert!(life.fault("why"));
        assert_eq!(life.state(), Faulted);
    }

    #[test]
    fn use_is_refused_as_not_open() {
        no_trace(at(Created), Refusal::NotOpen, |life| life.check(Verb::Use));
        no_trace(at(Created), Refusal::NotOpen, |life| life.check(Verb::Protocol));
    }
}

mod opening {
    use super::*;

    #[test]
    fn open_is_refused() {
        no_trace(at(Opening), Refusal::AlreadyOpen, |life| life.open(START));
    }

    #[test]
    fn close_is_an_abort() {
        let mut life = at(Opening);
        assert_eq!(life.close(START), Closing::Abort);
        assert_eq!((life.state(), life.is_aborted()), (Closed, true));
    }

    #[test]
    fn abort_closes_and_the_open_that_waits_learns_that_it_was_aborted() {
        let mut life = at(Opening);
        assert!(life.abort());
        assert_eq!(life.state(), Closed);
        assert_eq!(life.check(Verb::Use), refused(Refusal::Aborted));
    }

    #[test]
    fn fault_faults_and_the_open_that_waits_learns_why() {
        let mut life = at(Opening);
        assert!(life.fault("first"));
        assert_eq!(life.state(), Faulted);
        assert_eq!(life.check(Verb::Use), refused(Refusal::Faulted));
    }

    #[test]
    fn use_is_refused_as_not_open() {
        no_trace(at(Opening), Refusal::NotOpen, |life| life.check(Verb::Use));
        no_trace(at(Opening), Refusal::NotOpen, |life| life.check(Verb::Protocol));
    }
}

mod opened {
    use super::*;

    #[test]
    fn open_is_refused() {
        no_trace(at(Opened), Refusal::AlreadyOpen, |life| life.open(START));
    }

    #[test]
    fn close_is_graceful() {
        let mut life = at(Opened);
        assert_eq!(life.close(START), Closing::Graceful(MINUTE));
        assert_eq!(life.state(), InClosing);
        life.closed();
        assert_eq!((life.state(), life.is_aborted()), (Closed, false));
    }

    #[test]
    fn a_close_that_fails_ends_as_an_abort() {
        let mut life = at(Opened);
        assert_eq!(life.close(START), Closing::Graceful(MINUTE));
        assert!(life.abort());
        assert_eq!((life.state(), life.is_aborted()), (Closed, true));
        assert_eq!(life.check(Verb::Use), refused(Refusal::Disposed), "it was closed, though it failed");
    }

    #[test]
    fn abort_closes() {
        assert_eq!(aborted().state(), Closed);
    }

    #[test]
    fn fault_faults() {
        let mut life = at(Opened);
        assert!(life.fault("why"));
        assert_eq!(life.state(), Faulted);
    }

    #[test]
    fn use_is_allowed() {
        assert_eq!(at(Opened).check(Verb::Use), Ok(()));
        assert_eq!(at(Opened).check(Verb::Protocol), Ok(()));
    }
}

mod closing {
    use super::*;

    #[test]
    fn open_is_refused_as_disposed() {
        no_trace(at(InClosing), Refusal::Disposed, |life| life.open(START));
    }

    #[test]
    fn close_does_nothing_and_keeps_the_first_deadline() {
        let mut life = at(InClosing);
        assert_eq!(life.close(START.after(Duration::from_secs(5))), Closing::Nothing);
        assert_eq!((life.state(), life.deadline()), (InClosing, MINUTE));
    }

    #[test]
    fn abort_interrupts() {
        let mut life = at(InClosing);
        assert!(life.abort());
        assert_eq!((life.state(), life.is_aborted()), (Closed, true));
    }

    #[test]
    fn fault_is_ignored() {
        nothing(at(InClosing), |life| assert!(!life.fault("late")));
    }

    #[test]
    fn use_is_refused_as_disposed_but_the_handshake_goes_on() {
        no_trace(at(InClosing), Refusal::Disposed, |life| life.check(Verb::Use));
        assert_eq!(at(InClosing).check(Verb::Protocol), Ok(()));
    }
}

mod closed {
    use super::*;

    #[test]
    fn open_is_refused_as_disposed() {
        no_trace(at(Closed), Refusal::Disposed, |life| life.open(START));
    }

    #[test]
    fn close_does_nothing() {
        nothing(at(Closed), |life| assert_eq!(life.close(START), Closing::Nothing));
        nothing(aborted(), |life| assert_eq!(life.close(START), Closing::Nothing));
    }

    #[test]
    fn abort_does_nothing() {
        nothing(at(Closed), |life| assert!(!life.abort()));
    }

    #[test]
    fn fault_is_ignored() {
        nothing(at(Closed), |life| assert!(!life.fault("late")));
    }

    #[test]
    fn use_is_refused_as_disposed() {
        no_trace(at(Closed), Refusal::Disposed, |life| life.check(Verb::Use));
        no_trace(at(Closed), Refusal::Disposed, |life| life.check(Verb::Protocol));
    }

    #[test]
    fn use_after_an_abort_alone_is_refused_as_aborted() {
        no_trace(aborted(), Refusal::Aborted, |life| life.check(Verb::Use));
        no_trace(aborted(), Refusal::Aborted, |life| life.open(START));
    }
}

mod faulted {
    use super::*;

    #[test]
    fn open_is_refused_as_faulted() {
        no_trace(at(Faulted), Refusal::Faulted, |life| life.open(START));
    }

    #[test]
    fn close_aborts_and_reports_the_original_fault() {
        let mut life = at(Faulted);
        let report = Refused { refusal: Refusal::Faulted, first: Some("first") };
        assert_eq!(life.close(START), Closing::AbortAndReport(report));
        assert_eq!((life.state(), life.first_fault()), (Closed, Some(&"first")));
        assert_eq!(life.close(START), Closing::Nothing, "it is told once");
    }

    #[test]
    fn abort_closes() {
        let mut life = at(Faulted);
        assert!(life.abort());
        assert_eq!(life.state(), Closed);
    }

    #[test]
    fn fault_is_ignored_and_the_first_one_stays() {
        nothing(at(Faulted), |life| assert!(!life.fault("second")));
    }

    #[test]
    fn use_is_refused_as_faulted() {
        no_trace(at(Faulted), Refusal::Faulted, |life| life.check(Verb::Use));
        no_trace(at(Faulted), Refusal::Faulted, |life| life.check(Verb::Protocol));
    }
}

#[test]
fn what_wcf_says_is_said() {
    // Recorded: rm10-faults and 44 other stories.
    assert_eq!(
        at(Faulted).check(Verb::Use).unwrap_err().to_string(),
        "The communication object, System.ServiceModel.Channels.ServiceChannel, cannot be used for communication because it \
         is in the Faulted state. It faulted because: first"
    );
    assert_eq!(
        aborted().check(Verb::Use).unwrap_err().to_string(),
        "The communication object, System.ServiceModel.Channels.ServiceChannel, cannot be used for communication because it \
         has been Aborted."
    );
    for (refusal, exception) in [
        (Refusal::NotOpen, "System.InvalidOperationException"),
        (Refusal::AlreadyOpen, "System.InvalidOperationException"),
        (Refusal::Disposed, "System.ObjectDisposedException"),
        (Refusal::Aborted, "System.ServiceModel.CommunicationObjectAbortedException"),
        (Refusal::Faulted, "System.ServiceModel.CommunicationObjectFaultedException"),
    ] {
        assert_eq!(refusal.wcf_exception(), exception);
    }
}

#[test]
fn an_open_and_a_close_have_one_deadline_each_and_a_timer_that_says_what_it_does() {
    let mut life = Life::new(Timeouts { close: None, ..Timeouts::default() });
    assert_eq!(life.timer(), None);
    life.open(START).expect("just made");
    let later = START.after(Duration::from_secs(20));
    assert_eq!(life.remaining(later), Some(Duration::from_secs(40)));
    let timer = life.timer().expect("it runs");
    assert_eq!((timer.name, timer.due, timer.effect), (TimerName::OpenTimeout, MINUTE, TimerEffect::Faults));
    assert_eq!(timer.to_string(), "OpenTimeout: faults the session at 61000 ms");
    assert_eq!(life.overdue(Instant::from_millis(60_999)), None);
    assert_eq!(life.overdue(Instant::from_millis(61_000)), Some(TimerName::OpenTimeout));
    life.opened();
    assert_eq!((life.timer(), life.overdue(Instant::from_millis(u64::MAX))), (None, None));
    assert_eq!(life.close(later), Closing::Graceful(Deadline::Never), "Infinite");
    assert_eq!((life.timer(), life.remaining(later)), (None, None));
}

fn words(line: &str) -> String {
    line.trim().trim_start_matches("///").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The chart behind `owner` in `file`, one space between words.
fn documented(file: &str, before: bool, owner: &str) -> Vec<String> {
    let path = format!("{}/../core/src/lifetime/{file}", env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(path).expect("the source is beside the tests");
    let (head, tail) = source.split_once(owner).expect("its owner is there");
    let block = if before {
        head.rsplit_once("```text\n").expect("its chart").1
    } else {
        tail.split_once("```text\n").expect("its chart").1
    };
    let (block, _) = block.split_once("/// ```").expect("its chart ends");
    block.lines().map(words).filter(|line| !line.is_empty()).collect()
}

fn chart<E: std::fmt::Debug + Copy>(events: &[E], cell: impl Fn(CommunicationState, E) -> String) -> Vec<String> {
    let names: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
    let mut lines = vec![format!("| {}", names.join(" "))];
    for state in CommunicationState::ALL {
        let cells: Vec<String> = events.iter().map(|&event| cell(state, event)).collect();
        lines.push(format!("{state:?} | {}", cells.join(" ")));
    }
    lines
}

#[test]
fn the_chart_of_states_is_the_documented_one() {
    let chart = chart(&LifetimeEvent::ALL, |state, event| {
        state.next(event).map_or_else(|| "-".to_owned(), |next| format!("{next:?}"))
    });
    assert_eq!(chart, documented("phase.rs", false, "impl CommunicationState {"));
}

#[test]
fn the_table_of_calls_is_the_documented_one() {
    for (close_called, gone) in [(true, Refusal::Disposed), (false, Refusal::Aborted)] {
        let chart = chart(&Verb::ALL, |state, verb| match course(state, verb, close_called) {
            Course::Refuse(refusal) if refusal == gone => "gone".to_owned(),
            Course::Refuse(refusal) => format!("{refusal:?}"),
            other => format!("{other:?}"),
        });
        assert_eq!(chart, documented("course.rs", true, "pub const fn course("));
    }
}

#[test]
fn every_state_can_be_reached_and_closed_is_the_end() {
    let (mut seen, mut todo) = (BTreeSet::new(), vec![Created]);
    while let Some(state) = todo.pop() {
        if seen.insert(state) {
            todo.extend(LifetimeEvent::ALL.iter().filter_map(|&event| state.next(event)));
        }
    }
    assert_eq!(seen, CommunicationState::ALL.into_iter().collect());
    for event in LifetimeEvent::ALL {
        assert!([None, Some(Closed)].contains(&Closed.next(event)));
    }
}
