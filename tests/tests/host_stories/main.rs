//! Lifetimes, throttles and session modes: our client and our service live through what the recorded ones did, and see the same.

mod table;

use soap_session_tests::host_replay::{Narrative, play, stories};
use soap_session_tests::rm_replay::{Report, Verdict};
use std::collections::BTreeMap;

#[test]
fn our_two_sides_live_through_what_the_recorded_ones_did() {
    let verdicts: BTreeMap<&str, Verdict> = table::TABLE.iter().copied().collect();
    assert_eq!(verdicts.len(), table::TABLE.len(), "a story is listed twice");
    let names = stories();
    assert_eq!(names, verdicts.keys().map(ToString::to_string).collect::<Vec<_>>(), "the table lists other stories");
    let (mut wrong, mut lines, mut counts) = (Vec::new(), 0, BTreeMap::<&str, u32>::new());
    for name in &names {
        let verdict = verdicts[name.as_str()];
        *counts.entry(verdict.word()).or_default() += 1;
        let recorded = Narrative::recorded(&format!("wcf-stories/{name}"));
        let mut report = Report::default();
        if !matches!(verdict, Verdict::Unplayed(_)) {
            lines += recorded.len();
            report.wrong = play(&format!("wcf-stories/{name}")).differences(&recorded);
        }
        println!("{name:44} {:9} {:3} lines  {}", verdict.word(), recorded.len(), verdict.reasons().join("; "));
        wrong.extend(verdict.unexplained(&report).into_iter().map(|line| format!("{name}: {line}")));
    }
    println!("{counts:?}: {lines} lines compared");
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}
