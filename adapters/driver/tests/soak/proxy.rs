//! The way between: an HTTP proxy that loses exchanges and cuts connections.

use super::world::{LOCAL, sleep};
use super::{Plan, let_go, say};
use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use soap_session_driver::Runtime;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Connections live at most so long, in milliseconds.
const LONGEST: u64 = 30_000;
/// One answer of so many is torn.
const TORN: u64 = 200;

#[derive(Default)]
struct Tally {
    requests: AtomicU64,
    answers: AtomicU64,
    torn: AtomicU64,
    cut: AtomicU64,
    /// Where the chance stands.
    chance: AtomicU64,
}

impl Tally {
    /// A number below this one. (SplitMix64.)
    fn below(&self, limit: u64) -> u64 {
        let mut z = self.chance.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::SeqCst);
}

/// One message of HTTP, whole. The two sides of the soak always tell the length.
async fn message(stream: &mut (impl futures_lite::AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let mut room = vec![0; 8192];
    loop {
        if let Some(head) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(octets.get(..head).unwrap_or_default()).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if octets.len() >= head + 4 + length {
                return Ok(octets);
            }
        }
        let read = stream.read(&mut room).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        octets.extend_from_slice(room.get(..read).unwrap_or_default());
    }
}

async fn connection<R: Runtime>(
    runtime: &R,
    mut client: R::Stream,
    to: &str,
    drop: u64,
    tally: &Tally,
) -> io::Result<()> {
    let (host, port) = to.rsplit_once(':').unwrap();
    let mut server = runtime.connect(host, port.parse().unwrap()).await?;
    loop {
        let request = message(&mut client).await?;
        let chance = tally.below(200);
        if chance < drop {
            add(&tally.requests);
            return Ok(());
        }
        server.write_all(&request).await?;
        let answer = message(&mut server).await?;
        if chance < 2 * drop {
            add(&tally.answers);
            return Ok(());
        }
        if drop > 0 && tally.below(TORN) == 0 {
            add(&tally.torn);
            return client.write_all(answer.get(..answer.len() / 2).unwrap_or_default()).await;
        }
        client.write_all(&answer).await?;
    }
}

pub(super) async fn proxy<R: Runtime + Default>(plan: &Plan) {
    let runtime = R::default();
    let listener = runtime.listen(LOCAL).await.unwrap();
    say("listening", runtime.local_addr(&listener).unwrap());
    let tally = Arc::new(Tally { chance: AtomicU64::new(plan.seed), ..Tally::default() });
    let take = async {
        loop {
            let Ok((client, _)) = runtime.accept(&listener).await else { continue };
            let (to, drop, tally) = (plan.to.clone(), u64::from(plan.drop), Arc::clone(&tally));
            let in_task = runtime.clone();
            runtime.spawn(async move {
                let whole = async { std::mem::drop(connection(&in_task, client, &to, drop, &tally).await) };
                let cut = async {
                    if drop == 0 {
                        return std::future::pending().await;
                    }
                    sleep(&in_task, Duration::from_millis(1 + tally.below(LONGEST))).await;
                    add(&tally.cut);
                };
                or(whole, cut).await;
            });
        }
    };
    or(let_go(), take).await;
    for (name, count) in
        [("requests", &tally.requests), ("answers", &tally.answers), ("torn", &tally.torn), ("cut", &tally.cut)]
    {
        say(name, count.load(Ordering::SeqCst));
    }
    say("done", true);
}
