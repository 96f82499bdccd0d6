//! Our initiator in the place of the recorded clients: told what their applications told them, with their randomness, it
//! sends what they sent; fed what they were fed, it ends where they ended.

mod play;
mod table;

use play::{Play, clients};
use soap_session_tests::secured;
use soap_session_tests::story::Story;
use soap_session_tests::wire::{header, tree};
use std::collections::BTreeMap;
use table::{Expected, Row, TABLE};

/// What a request meets with if the story says nothing else: the answer that was recorded.
fn ordinary(story: &Story, number: u32) -> &'static str {
    let turn = story.turns.iter().find(|turn| turn.number == number).expect("a request");
    let Some(reply) = turn.reply.map(|number| story.reply(number)) else { return "no answer" };
    if reply.bytes.is_empty() {
        return "accepted";
    }
    let action = header(&tree(reply), "Action");
    if action.ends_with("/RSTR/SCT") {
        "established"
    } else if action.ends_with("/RSTR/SCT/Renew") {
        "renewed"
    } else if action.ends_with("/RSTR/SCT/Cancel") {
        "closed"
    } else {
        "reply"
    }
}

#[test]
fn the_initiator_lives_through_the_recorded_stories() {
    let names = [secured("wcf").unwrap(), secured("wcf-stories").unwrap()].concat();
    let table: BTreeMap<&str, Row> = TABLE.into_iter().map(|row| (row.0, row)).collect();
    assert_eq!(table.len(), TABLE.len(), "a story is listed twice");
    let mut totals: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut sent, mut equal, mut wrong) = (0, 0, Vec::new());
    for name in &names {
        let Some((_, expected, exceptions, phases)) = table.get(name.as_str()) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        if let Expected::Later(why) = expected {
            println!("later  {name}: {why}");
            *totals.entry("later").or_default() += 1;
            continue;
        }
        *totals.entry("same").or_default() += 1;
        let story = Story::open(name);
        let mut ends = Vec::new();
        let (mut here, mut here_equal) = (0, 0);
        for turns in clients(&story) {
            let tally = Play::new(&story, &turns).run();
            for turn in &turns {
                let outcome = tally.outcomes.get(&turn.number).map_or("nothing", String::as_str);
                let exception = exceptions.iter().find(|(number, _)| *number == turn.number);
                let told = exception.map_or_else(|| ordinary(&story, turn.number), |(_, told)| *told);
                if outcome != told {
                    wrong.push(format!("{name} {:02}: {outcome}, and the story tells: {told}", turn.number));
                }
            }
            here += tally.sent;
            here_equal += tally.byte_for_byte;
            wrong.extend(tally.wrong);
            ends.extend(tally.phases);
        }
        println!("same  {name}: {here} requests, {here_equal} byte for byte; {ends:?}");
        if ends != *phases {
            wrong.push(format!("{name}: {ends:?} instead of {phases:?}"));
        }
        if here != here_equal {
            wrong.push(format!("{name}: {here_equal} of {here} requests are the recorded bytes"));
        }
        sent += here;
        equal += here_equal;
    }
    println!("{totals:?} stories; {sent} requests, {equal} byte for byte");
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(names.len(), table.len(), "the table lists a story that is not there");
}
