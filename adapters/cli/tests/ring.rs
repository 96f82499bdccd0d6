//! `soap-session ring`: what it prints, what it changes, and its exit status.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn ring(file: &Path, arguments: &[&str]) -> (Output, Vec<Vec<String>>) {
    let run = Command::new(env!("CARGO_BIN_EXE_soap-session")).arg("ring").arg(file).args(arguments).output().unwrap();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    let lines = String::from_utf8(run.stdout.clone()).unwrap().lines().skip(1).map(words).collect();
    (run, lines)
}

fn place(test: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}.ring", std::process::id()));
    let _ = std::fs::remove_file(&file);
    file
}

#[test]
fn a_ring_is_made_rotated_and_thinned() {
    let file = place("rotated");
    let (run, lines) = ring(&file, &["--create"]);
    assert_eq!((run.status.code(), lines.len()), (Some(0), 1), "{run:?}");
    let first = lines[0][0].clone();
    assert_eq!(lines[0][2..], ["-", "seals", "and", "opens"]);
    // Made already.
    assert_eq!(ring(&file, &["--create"]).1, lines);
    let (_, lines) = ring(&file, &["--rotate", "--keep", "11h"]);
    assert_eq!((lines[0][0].as_str(), &lines[0][3..]), (first.as_str(), &["opens".to_owned()][..]));
    assert_eq!(lines[1][2..], ["-", "seals", "and", "opens"]);
    let (_, lines) = ring(&file, &["--rotate", "--lead", "30m"]);
    let does: Vec<String> = lines.iter().map(|line| line[3..].join(" ")).collect();
    assert_eq!(does, ["opens", "seals and opens", "opens, and waits to seal"]);
    let (run, lines) = ring(&file, &["--remove", &first]);
    assert_eq!((run.status.code(), lines.len()), (Some(0), 2));
    assert!(lines.iter().all(|line| line[0] != first));
    // No key is printed.
    let text = std::fs::read_to_string(&file).unwrap();
    let secret = text.lines().last().unwrap().split(' ').next_back().unwrap();
    assert!(!String::from_utf8(run.stdout).unwrap().contains(secret));
}

#[test]
fn what_cannot_be_done_is_told() {
    let file = place("told");
    let told = |arguments: &[&str], status: i32, words: &str| {
        let (run, _) = ring(&file, arguments);
        let error = String::from_utf8(run.stderr).unwrap();
        assert!(run.status.code() == Some(status) && error.contains(words), "{error}");
    };
    told(&[], 1, "cannot read it: entity not found");
    told(&["--keep", "11h"], 2, "--rotate");
    told(&["--rotate", "--keep", "11 hours"], 2, "such as 90s or 11h");
    told(&["--remove", "12"], 2, "16 hexadecimal digits");
    ring(&file, &["--create"]);
    told(&["--remove", "0123456789abcdef"], 1, "there is no key 0123456789abcdef");
}
