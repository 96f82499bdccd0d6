//! A table of verdicts, and every story played against it.

use super::{Report, Verdict, gsoap_stories};
use crate::rm_story::{RmStory, rm_stories};
use std::collections::BTreeMap;

/// Plays every story, those of gSOAP by their names, and compares what came of it with the table.
///
/// # Panics
/// If a verdict does not hold, or the table and the stories do not list the same.
pub fn judge(table: &[(&'static str, Verdict)], replay: fn(&RmStory) -> Report, gsoap: fn(&str) -> Report) {
    let verdicts: BTreeMap<&str, Verdict> = table.iter().copied().collect();
    assert_eq!(verdicts.len(), table.len(), "a story is listed twice");
    let mut wrong = Vec::new();
    let mut counts = BTreeMap::<&str, u32>::new();
    let mut total = Report::default();
    let names = [rm_stories().unwrap(), gsoap_stories()].concat();
    for name in &names {
        let Some(verdict) = verdicts.get(name.as_str()) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        *counts.entry(verdict.word()).or_default() += 1;
        let report = match verdict {
            Verdict::Unplayed(_) => Report::default(),
            _ if name.starts_with("gsoap/") => gsoap(name),
            _ => replay(&RmStory::open(name)),
        };
        println!("{name:56} {:9} {report}  {}", verdict.word(), verdict.reasons().join("; "));
        wrong.extend(verdict.unexplained(&report).into_iter().map(|line| format!("{name}: {line}")));
        total.add(report);
    }
    println!("{counts:?}: {total}");
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(names.len(), verdicts.len(), "the table lists a story that is not there");
}
