//! Our acceptor in the place of every recorded service: fed what it was fed, when it was, it answers as it answered.

mod table;

use soap_session_tests::rm_replay::{Report, Verdict, gsoap_service, gsoap_stories, replay_service};
use soap_session_tests::rm_story::{RmStory, rm_stories};
use std::collections::BTreeMap;
use table::TABLE;

#[test]
fn the_service_does_what_the_recorded_one_did() {
    let table: BTreeMap<&str, Verdict> = TABLE.into_iter().collect();
    assert_eq!(table.len(), TABLE.len(), "a story is listed twice");
    let mut wrong = Vec::new();
    let mut counts = BTreeMap::<&str, u32>::new();
    let mut total = Report::default();
    let names = [rm_stories().unwrap(), gsoap_stories()].concat();
    for name in &names {
        let Some(verdict) = table.get(name.as_str()) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        *counts.entry(verdict.word()).or_default() += 1;
        let report = match verdict {
            Verdict::Unplayed(_) => Report::default(),
            _ if name.starts_with("gsoap/") => gsoap_service(name),
            _ => replay_service(&RmStory::open(name)),
        };
        println!("{name:56} {:9} {report}  {}", verdict.word(), verdict.reasons().join("; "));
        wrong.extend(verdict.unexplained(&report).into_iter().map(|line| format!("{name}: {line}")));
        total.add(report);
    }
    println!("{counts:?}: {total}");
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(names.len(), table.len(), "the table lists a story that is not there");
}
