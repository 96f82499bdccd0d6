//! Our acceptor in the place of the recorded service: fed what the service was fed, when it was, with the service's
//! randomness, it answers as the service answered.

mod play;
mod table;

use play::{Ids, Play};
use soap_session_tests::secured;
use soap_session_tests::story::Story;
use std::collections::BTreeMap;
use table::Expected::{self, Later};
use table::TABLE;

#[test]
fn the_acceptor_answers_as_recorded() {
    let names = [secured("wcf").unwrap(), secured("wcf-stories").unwrap()].concat();
    let table: BTreeMap<&str, Expected> = TABLE.into_iter().collect();
    assert_eq!(table.len(), TABLE.len(), "a story is listed twice");
    let mut totals: BTreeMap<&str, u32> = BTreeMap::new();
    let mut sum = (0, 0);
    let mut wrong = Vec::new();
    for name in &names {
        let Some(expected) = table.get(name.as_str()) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        if let Later(why) = expected {
            println!("later  {name}: {why}");
            *totals.entry("later").or_default() += 1;
            continue;
        }
        *totals.entry("same").or_default() += 1;
        let story = Story::open(name);
        let mut tally = Play::new(&story, Ids::OfTokens).run();
        let again = Play::new(&story, Ids::OfKeys).run();
        tally.wrong.extend(again.wrong);
        tally.byte_for_byte.extend(again.byte_for_byte);
        let (answers, equal) = (tally.answers.len(), tally.byte_for_byte.len());
        println!("same  {name}: {answers} answers, {equal} byte for byte");
        if answers != equal {
            wrong.push(format!("{name}: only {equal} of {answers} answers are the recorded bytes"));
        }
        wrong.extend(tally.wrong);
        sum.0 += answers;
        sum.1 += equal;
    }
    println!("{totals:?} stories; {} answers, {} byte for byte", sum.0, sum.1);
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(names.len(), table.len(), "the table lists a story that is not there");
}
