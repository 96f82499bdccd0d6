//! The demonstration: what it prints, and its exit status.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> (Output, Vec<String>) {
    let run = Command::new(env!("CARGO_BIN_EXE_soap-session")).arg("demo").args(arguments).output().unwrap();
    let lines = String::from_utf8(run.stdout.clone()).unwrap().lines().map(str::to_owned).collect();
    (run, lines)
}

#[test]
fn without_loss_it_is_one_secure_conversation() {
    for arguments in [&[][..], &["--loss", "0"]] {
        let (run, lines) = demo(arguments);
        assert_eq!(run.status.code(), Some(0), "{run:?}");
        assert_eq!(lines.last().unwrap(), "demo: ok, 14 messages, 14 verified");
    }
}

#[test]
fn on_a_way_that_loses_each_message_is_delivered_once() {
    let (run, lines) = demo(&["--loss", "20", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    let number = |name: &str| -> u32 {
        let line = lines.iter().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    assert_eq!((number("messages"), number("runs"), number("replies")), (40, 40, 40));
    assert_eq!(number("transmissions"), 40 + number("retransmissions"));
    assert!(number("retransmissions") > 0 && number("duplicates") > 0, "{lines:#?}");
    assert!(number("duplicates") <= number("retransmissions"));
    assert!(lines.iter().any(|line| line.contains("is lost")));
    assert_eq!(lines.last().unwrap(), "demo: ok, 40 messages delivered exactly once, 20 % of both ways lost");
}

#[test]
fn more_loss_than_there_may_be_is_refused() {
    assert_eq!(demo(&["--loss", "91"]).0.status.code(), Some(2));
}
