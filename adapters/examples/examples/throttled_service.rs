//! Who waits for a session's permit, who is refused, and what the service says about it.
//!
//! `MaxConcurrentSessions` is 2 here (WCF: 10 with .NET 3, a hundred for each processor since .NET 4), and three clients come. A
//! session holds its permit from its first message until it is closed, used or not: clients that do not close are why services
//! "hang". What then happens to the third is the service's choice:
//!
//! * It **waits**, as in WCF. Its session opens, since that takes no permit, and its first call hangs until a permit is given back
//!   or its own send timeout is over. It cannot see why, but the service can: it says who waits, for what, and who holds it.
//! * It is **refused** at once (`refuse_when_busy`), by a fault that WCF's clients throw as `ServerTooBusyException`.
//!
//! ```sh
//! cargo run -p soap-session-examples --example throttled_service
//! ```

use smol::Timer;
use soap_session_core::service::{Contract, Operation, SessionMode};
use soap_session_core::throttle::Throttle;
use soap_session_smol::{
    Answer, Binding, Call, Client, ClientOptions, NewError, Server, ServerOptions, Service, SessionId, Timeouts,
};
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const OPERATIONS: &[Operation<'static>] = &[Operation::new("Count", "urn:counter/Count")];

/// Counts the calls of a session. The long form of a service: a contract, and a type whose values are the instances.
struct Counter;

impl Service for Counter {
    type Instance = AtomicU32;

    fn contract(&self) -> &Contract<'_> {
        const CONTRACT: Contract<'static> = Contract {
            name: "ICounter",
            session_mode: SessionMode::Required,
            callbacks: false,
            operations: OPERATIONS,
        };
        &CONTRACT
    }

    fn instance(&self, _: Option<&SessionId>) -> AtomicU32 {
        AtomicU32::new(0)
    }

    async fn call(&self, count: &AtomicU32, call: Call) -> Answer {
        let count = count.fetch_add(1, Ordering::SeqCst) + 1;
        let body = format!("<CountResponse xmlns=\"urn:counter\"><CountResult>{count}</CountResult></CountResponse>");
        Answer::reply(format!("{}Response", call.action), body)
    }

    fn disposed(&self, count: &AtomicU32) {
        println!("  an instance is let go after {} calls", count.load(Ordering::SeqCst));
    }
}

/// Opens a session, and calls in it once. The session stays open.
async fn visit(url: String, binding: Binding) -> Result<Client, Box<dyn Error + Send + Sync>> {
    let client = Client::connect(&url, ClientOptions::new(binding)).await?;
    client.call("urn:counter/Count", "<Count xmlns=\"urn:counter\"/>").await?;
    Ok(client)
}

async fn three_clients(refuse_when_busy: bool) -> Result<(), Box<dyn Error + Send + Sync>> {
    let patience = Some(Duration::from_secs(20));
    let mut binding = Binding::ws_http().with_reliable_session(true)?;
    binding.timeouts = Timeouts { open: patience, close: patience, send: patience, receive: patience };
    let mut options = ServerOptions::new(binding.clone());
    options.throttle.max_concurrent_sessions = 2;
    options.host.refuse_when_busy = refuse_when_busy;
    let server = Server::bind("127.0.0.1:0".parse()?, options, Counter).await?;
    let (url, watch) = (format!("http://{}/counter", server.local_addr()?), server.watch());
    let (stop, stopped) = futures_channel::oneshot::channel::<()>();
    let serving = smol::spawn(server.serve(async {
        let _ = stopped.await;
    }));

    let first = visit(url.clone(), binding.clone()).await?;
    let second = visit(url.clone(), binding.clone()).await?;
    println!("  two sessions are open, and use nothing but their permits");
    let third = smol::spawn(visit(url, binding));
    if refuse_when_busy {
        match third.await {
            Err(refused) => match refused.downcast_ref() {
                Some(NewError::Open(failed)) => {
                    println!("  the third is refused: {}: {failed}", failed.error.wcf_exception())
                }
                _ => return Err(refused),
            },
            Ok(_) => return Err("the third was let in".into()),
        }
    } else {
        while watch.pressure(Throttle::Sessions).waiting == 0 {
            Timer::after(Duration::from_millis(10)).await;
        }
        println!("  the third waits: {}", watch.pressure(Throttle::Sessions));
        first.close().await?;
        println!("  the first closes");
        third.await?.close().await?;
        println!("  the third has been answered, and closes");
    }
    second.close().await?;
    first.close().await?;
    drop(stop);
    serving.await;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    smol::block_on(async {
        println!("who finds the service busy, waits:");
        three_clients(false).await?;
        println!("who finds the service busy, is told:");
        three_clients(true).await
    })
}
