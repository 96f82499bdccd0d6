//! README's section for embedders says what is so: its verbs are those of the examples, and its examples are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the workspace").to_path_buf()
}

fn examples() -> PathBuf {
    root().join("adapters/examples/examples")
}

fn section() -> String {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let (_, rest) = readme.split_once("\n## Embed\n").expect("the section");
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// What stands in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_examples_of_the_table_are_those_that_there_are() {
    let section = section();
    let (_, table) = section.split_once("--example` | shows |").expect("the table of examples");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let listed: BTreeSet<String> =
        rows.flat_map(|row| quoted(row.split('|').nth(1).unwrap_or_default())).map(str::to_owned).collect();
    let there = fs::read_dir(examples()).expect("the examples").map(|entry| {
        let path = entry.expect("an entry").path();
        path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    });
    assert_eq!(listed, there.collect());
}

#[test]
fn the_verbs_of_the_steps_are_called_by_the_event_loops() {
    let section = section();
    let (_, steps) = section.split_once("1. Tell").expect("the steps");
    let steps = steps.split("\n\n").next().unwrap_or_default();
    let verbs: Vec<&str> = quoted(steps).collect();
    assert_eq!(verbs.last(), Some(&"Wait"), "{verbs:?}");
    let loops: String = ["event_loop_client.rs", "event_loop_service.rs"]
        .iter()
        .map(|file| fs::read_to_string(examples().join(file)).expect("an example"))
        .collect();
    for verb in verbs {
        assert!(loops.contains(&format!("{verb}(")), "no event loop says `{verb}`");
    }
}
