//! The program itself: its exit status, and what it prints.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::path::Path;
use std::process::{Command, Output};

fn inspect(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_soap-session"))
        .arg("inspect")
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors"))
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const KEY: [&str; 2] = ["--key", "keys/service.key.pem"];

#[test]
fn a_sound_conversation() {
    let run = inspect(&[KEY[0], KEY[1], "wcf/sc-anon-calc"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let out = text(&run.stdout);
    assert_eq!(out.lines().count(), 27);
    assert_eq!(out.lines().last(), Some("inspect: 26 messages, 26 verified, 0 plain, 0 failed"));
    assert!(run.stderr.is_empty());
}

#[test]
fn a_message_that_fails() {
    let run = inspect(&[KEY[0], KEY[1], "--json", "--bodies", "wcf-stories/sc-tampered-request"]);
    assert_eq!(run.status.code(), Some(1));
    let lines: Vec<serde_json::Value> =
        text(&run.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 7);
    let failed = lines.get(4).unwrap();
    assert_eq!((failed["number"].as_u64(), failed["verdict"].as_str()), (Some(5), Some("FAILED")));
    assert_eq!((failed["body"].as_str(), failed["signed"].as_array().map(Vec::len)), (Some(""), Some(0)));
    let summary = &lines.last().unwrap()["summary"];
    assert_eq!((summary["messages"].as_u64(), summary["failed"].as_u64()), (Some(6), Some(1)));
}

#[test]
fn nothing_to_inspect() {
    for (arguments, advice) in [
        (&["keys"][..], "files named NN-c2s.xml"),
        (&["there-is-no-such-folder"], "give a folder"),
        (&[], "<DIR>"),
        (&["--key", "keys/service.cert.pem", "wcf/sc-anon"], "keys/service.cert.pem"),
        (&["--secret", "abc", "wcf/sc-anon"], "pairs of hexadecimal digits"),
        (&["--secret", "", "wcf/sc-anon"], "pairs of hexadecimal digits"),
        (&["--secret", "+1", "wcf/sc-anon"], "pairs of hexadecimal digits"),
        (&["--user", "alice", "wcf/sc-anon"], "colon"),
        (&["--now", "yesterday", "wcf/sc-anon"], "2026-11-21T03:23:50Z"),
    ] {
        let run = inspect(arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(text(&run.stderr).contains(advice), "{arguments:?}: {}", text(&run.stderr));
        assert!(run.stdout.is_empty());
    }
}
