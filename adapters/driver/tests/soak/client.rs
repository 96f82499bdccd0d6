//! The client of the soak: all its sessions.

use super::server::number;
use super::world::{client_store, eventually, sleep, sockets, tasks};
use super::{Plan, binding, say};
use soap_session_core::secure::UserCredential;
use soap_session_driver::{Client, ClientOptions, Observer, Passed, Runtime, Way};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Tally {
    opened: AtomicU64,
    reopened: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    wrong: AtomicU64,
    unclean: AtomicU64,
    sent: AtomicU64,
    slowest: AtomicU64,
    /// Sessions that came to their ends.
    ended: AtomicU64,
    /// No more calls.
    enough: AtomicBool,
}

impl Observer for Tally {
    fn passed(&self, passed: &Passed<'_>) {
        if passed.way == Way::Sent {
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::SeqCst);
}

/// A session that is open. Tokens are not sent again: an opening that lost one is begun anew.
async fn open<R: Runtime + Default>(plan: &Plan, tally: &Arc<Tally>) -> Client<R> {
    let options = ClientOptions::new(binding())
        .with_credentials(client_store())
        .with_user(UserCredential::new("ada", "secret").unwrap())
        .with_observer(Arc::<Tally>::clone(tally));
    let url = format!("http://{}/count", plan.to);
    loop {
        match Client::<R>::connect(&url, options.clone()).await {
            Ok(client) => return client,
            Err(error) => {
                if tally.reopened.fetch_add(1, Ordering::SeqCst) < 3 {
                    eprintln!("an opening: {error}");
                }
            }
        }
    }
}

async fn session<R: Runtime + Default>(plan: Arc<Plan>, tally: Arc<Tally>, id: u64) {
    let runtime = R::default();
    let client = open::<R>(&plan, &tally).await;
    add(&tally.opened);
    let mut n = 0;
    while !tally.enough.load(Ordering::SeqCst) {
        // When it only stands there, one call makes the service know it.
        if !plan.idle || n == 0 {
            n += 1;
            let filler = "some text that is as long as a message's may well be ".repeat(4);
            let body =
                format!("<Count xmlns=\"urn:soak\"><client>{id}</client><n>{n}</n><text>{filler}</text></Count>");
            let begun = Instant::now();
            match client.call("urn:soak/Count", body).await {
                Ok(reply) => {
                    add(&tally.answered);
                    if number(&reply.body, "client") != Some(id) || number(&reply.body, "n") != Some(n) {
                        add(&tally.wrong);
                    }
                }
                Err(error) => {
                    if tally.failed.fetch_add(1, Ordering::SeqCst) < 10 {
                        eprintln!("session {id}, call {n}: {error}");
                    }
                    break;
                }
            }
            let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
            tally.slowest.fetch_max(took, Ordering::SeqCst);
        }
        sleep(&runtime, Duration::from_millis(plan.pause)).await;
    }
    if let Err(error) = client.close().await
        && tally.unclean.fetch_add(1, Ordering::SeqCst) < 3
    {
        eprintln!("session {id}, closing: {error}");
    }
    client.finished().await;
    add(&tally.ended);
}

pub(super) async fn clients<R: Runtime + Default>(plan: Plan) {
    let runtime = R::default();
    let before = sockets();
    let tally = Arc::new(Tally::default());
    let plan = Arc::new(plan);
    let sessions = u64::from(plan.sessions);
    let begun = Instant::now();
    for id in 1..=sessions {
        runtime.spawn(session::<R>(Arc::clone(&plan), Arc::clone(&tally), id));
    }
    let at_most = Duration::from_secs(300);
    eventually(&runtime, at_most, || tally.opened.load(Ordering::SeqCst) == sessions).await;
    say("open", begun.elapsed().as_millis());
    sleep(&runtime, Duration::from_secs(plan.seconds)).await;
    tally.enough.store(true, Ordering::SeqCst);
    eventually(&runtime, at_most, || tally.ended.load(Ordering::SeqCst) == sessions).await;
    eventually(&runtime, Duration::from_secs(2), || tasks() == 0 && sockets() <= before).await;
    let answered = tally.answered.load(Ordering::SeqCst);
    for (name, count) in [
        ("opened", &tally.opened),
        ("reopened", &tally.reopened),
        ("answered", &tally.answered),
        ("failed", &tally.failed),
        ("wrong", &tally.wrong),
        ("unclean", &tally.unclean),
        ("sent", &tally.sent),
        ("slowest", &tally.slowest),
    ] {
        say(name, count.load(Ordering::SeqCst));
    }
    say("again", tally.sent.load(Ordering::SeqCst).saturating_sub(answered));
    say("tasks", tasks());
    say("sockets", sockets().zip(before).map_or(0, |(now, before)| now.saturating_sub(before)));
    say("done", true);
}
