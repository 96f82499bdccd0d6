//! Recorded WCF servers against our client, and recorded WCF clients against our server, over real sockets and on both runtimes.
//!
//! A peer of blocking sockets plays the recorded side: its octets are the recorded ones, save that identifiers and the address of this
//! play stand where the recorded ones stood. What ours sends is compared octet for octet in the same way. Time does not pass by
//! itself: the script puts the clock forward, from one timer to the next.
//!
//! Where messages are protected, the peer says what the recorded one said under the keys of the play, and is as suspicious as ours: see
//! [`secured`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop")]

mod application;
mod calls;
mod client;
mod client_peer;
mod clock;
mod names;
mod peer;
mod secured;
mod server;
mod service_peer;
mod setting;
mod stage;
mod table;
mod tale;

use setting::Home;
use soap_session_smol::Smol;
use soap_session_tokio::Tokio;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use table::{TABLE, Verdict};
use tale::Tale;

type Play = fn(&Tale) -> (usize, Vec<String>);

/// Plays all stories of one role, and judges them by their verdicts. The environment's `STORY`, if it is set, is a part of the names
/// of those that are played.
fn judge<B: Home>(play: Play, verdict: fn(&(&'static str, Verdict, Verdict)) -> Verdict) {
    let only = std::env::var("STORY").ok();
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(row) = TABLE.get(next.fetch_add(1, Ordering::SeqCst)) {
            let (name, verdict) = (row.0, verdict(row));
            if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
                continue;
            }
            let Some(differs) = verdict.played() else { continue };
            let begun = std::time::Instant::now();
            let told = catch_unwind(AssertUnwindSafe(|| B::at_home(|| play(&Tale::open(name)))));
            let (compared, wrong) = told.unwrap_or_else(|_| (0, vec!["it panicked".to_owned()]));
            let unexplained: Vec<String> =
                wrong.iter().filter(|line| !differs.iter().any(|(part, _)| line.contains(part))).cloned().collect();
            let idle = differs.iter().filter(|(part, _)| !wrong.iter().any(|line| line.contains(part)));
            let idle = idle.map(|(part, _)| format!("nothing differs in {part:?}"));
            let wrong: Vec<String> = unexplained.into_iter().chain(idle).collect();
            println!("{name:44} {compared:3} messages, {:5} ms, {} wrong", begun.elapsed().as_millis(), wrong.len());
            results.lock().unwrap().push((name, compared, wrong));
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            thread::Builder::new().stack_size(16 << 20).spawn_scoped(scope, work).unwrap();
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort();
    let compared: usize = results.iter().map(|(_, compared, _)| compared).sum();
    println!("{} stories, {compared} messages", results.len());
    let wrong: Vec<String> =
        results.iter().flat_map(|(name, _, wrong)| wrong.iter().map(move |line| format!("{name}: {line}"))).collect();
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn clients_on_tokio() {
    judge::<Tokio>(client::play::<Tokio>, |row| row.1);
}

#[test]
fn clients_on_smol() {
    judge::<Smol>(client::play::<Smol>, |row| row.1);
}

#[test]
fn servers_on_tokio() {
    judge::<Tokio>(server::play::<Tokio>, |row| row.2);
}

#[test]
fn servers_on_smol() {
    judge::<Smol>(server::play::<Smol>, |row| row.2);
}

/// Every story is in the table, played or with the reason why not.
#[test]
fn census() {
    let mut stories: Vec<String> = std::fs::read_dir(soap_session_tests::vectors_root().join("wcf-stories"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    stories.sort();
    let listed: Vec<&str> = TABLE.iter().map(|row| row.0).collect();
    assert_eq!(listed, stories);
    for (of, column) in [("clients", 1), ("servers", 2)] {
        let verdicts = TABLE.iter().map(|row| if column == 1 { row.1 } else { row.2 });
        let played = verdicts.filter(|verdict| verdict.played().is_some()).count();
        println!("{of}: {played} of {} stories are played", TABLE.len());
    }
}
