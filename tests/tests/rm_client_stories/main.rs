//! Our client in the place of every recorded one: fed what it was fed, when it was, it sends what it sent, when it did.

mod table;

use soap_session_tests::rm_replay::{Verdict, replay_client};
use soap_session_tests::rm_story::{RmStory, rm_stories};
use std::collections::BTreeMap;
use table::TABLE;

#[test]
fn the_client_does_what_the_recorded_one_did() {
    let deviations: BTreeMap<&str, Verdict> = TABLE.into_iter().collect();
    let mut wrong = Vec::new();
    for name in rm_stories().unwrap() {
        let story = RmStory::open(&name);
        let report = replay_client(&story);
        let verdict = deviations.get(name.as_str()).copied().unwrap_or(Verdict::Same);
        println!("{name:55} {report}  {verdict:?}");
        for line in &report.wrong {
            println!("        {line}");
        }
        wrong.extend(report.wrong);
    }
    assert!(wrong.is_empty(), "{} wrong", wrong.len());
}
