//! `soap-session call`: calls an operation of a service, once or many times.

mod body;
mod tally;

use crate::options::{BindingArgs, ClientArgs};
use crate::trouble::{EXIT_CODES, Exit, Trouble};
use bytes::Bytes;
use clap::Args;
use soap_session_core::lifetime::CommunicationState;
use soap_session_tokio::{CallError, Client, Fault, Observer};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tally::Tally;

/// Calls an operation of a service, as a WCF client would: opens a session, calls, prints the replies, closes.
///
/// The content of each reply's body goes to the standard output, a line each; everything else goes to the standard error.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct CallArgs {
    /// Address of the service, http or https
    #[arg(value_name = "URL")]
    pub url: String,
    /// Action of the operation, such as `http://Microsoft.ServiceModel.Samples/ICalculator/Add`
    #[arg(long, value_name = "URI")]
    pub action: String,
    /// File with the content of the body, one XML element; - is the standard input
    #[arg(long, value_name = "FILE|-")]
    pub body: PathBuf,
    /// Call so many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Have so many calls under way at a time, in the one session
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub concurrency: u32,
    /// Go on after a call that failed, as long as the session lasts. After a fault it goes on in any case
    #[arg(long)]
    pub keep_going: bool,
    /// The operation is one-way: do not wait for a reply
    #[arg(long)]
    pub one_way: bool,
    /// Write every message as it was sent and received to this folder, for `inspect`
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,
    /// Do not print replies
    #[arg(long, short)]
    pub quiet: bool,
    /// How messages are spoken and protected
    #[command(flatten)]
    pub binding: BindingArgs,
    /// Who calls
    #[command(flatten)]
    pub client: ClientArgs,
}

impl CallArgs {
    /// Does it. What went wrong is told on the standard error.
    pub fn run(&self) -> Exit {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let done = runtime.map_err(Trouble::other).and_then(|runtime| runtime.block_on(self.calls()));
        done.unwrap_or_else(|trouble| {
            let _ = writeln!(io::stderr(), "call: {trouble}");
            trouble.exit
        })
    }

    async fn calls(&self) -> Result<Exit, Trouble> {
        let (_, mut options) = self.client.options(&self.url, &self.binding)?;
        let body = body::read(&self.body)?;
        let log = crate::options::log(self.log.as_deref())?;
        if let Some(log) = &log {
            options = options.with_observer(Arc::clone(log) as Arc<dyn Observer>);
        }
        let client = Client::new(&self.url, options)?;
        let interrupted = tokio::signal::ctrl_c();
        let exit = tokio::select! {
            done = self.session(&client, body) => done?,
            _ = interrupted => {
                client.abort();
                client.finished().await;
                return Err(Trouble::other("interrupted"));
            }
        };
        if let Some(log) = &log {
            let _ = writeln!(io::stderr(), "call: {}", log.finish());
        }
        Ok(exit)
    }

    async fn session(&self, client: &Client, body: Bytes) -> Result<Exit, Trouble> {
        client.open().await.map_err(|failed| Trouble::from(soap_session_tokio::NewError::Open(failed)))?;
        if self.repeat > 1
            && let Some(id) = client.session_id()
        {
            let _ = writeln!(io::stderr(), "call: session {id}");
        }
        let tally = Arc::new(Tally::new(self.repeat, self.repeat > 1 && io::stderr().is_terminal()));
        let next = Arc::new(AtomicU32::new(0));
        let began = Instant::now();
        let callers: Vec<_> = (0..self.concurrency.min(self.repeat))
            .map(|_| {
                let (job, client, body) = (self.clone(), client.clone(), body.clone());
                let (tally, next) = (Arc::clone(&tally), Arc::clone(&next));
                tokio::spawn(async move {
                    while next.fetch_add(1, Ordering::Relaxed) < job.repeat && job.one(&client, &body, &tally).await {}
                })
            })
            .collect();
        for caller in callers {
            caller.await.map_err(Trouble::other)?;
        }
        let elapsed = began.elapsed();
        let closed = client.close().await;
        let closing = tokio::time::timeout(self.client.timeout + Duration::from_secs(1), client.finished());
        let _ = closing.await;
        tally.finish();
        if self.repeat > 1 {
            let _ = writeln!(io::stderr(), "call: {}", tally.summary(elapsed));
        }
        if tally.exit() == Exit::Done {
            closed.map_err(|error| {
                Trouble::from(error).about("every call was answered, but the session was not closed")
            })?;
        }
        Ok(tally.exit())
    }

    /// One call. `false`: there is no point in another.
    async fn one(&self, client: &Client, body: &Bytes, tally: &Tally) -> bool {
        let began = Instant::now();
        let called = if self.one_way {
            client.notify(&self.action, body.clone()).await.map(|()| None)
        } else {
            client.call(&self.action, body.clone()).await.map(Some)
        };
        let took = began.elapsed();
        match called {
            Ok(reply) => {
                tally.answered(took);
                if let Some(reply) = reply.filter(|_| !self.quiet) {
                    return tally.hidden(|| print(&reply.body));
                }
                true
            }
            Err(CallError::Fault(fault)) => {
                tally.fault(took);
                tally.hidden(|| {
                    let _ = write!(io::stderr(), "call: {}", told(&fault));
                });
                matches!(client.state(), CommunicationState::Opened | CommunicationState::Created)
            }
            Err(error) => {
                let trouble = Trouble::from(error);
                if tally.failed(trouble.exit) {
                    tally.hidden(|| {
                        let _ = writeln!(io::stderr(), "call: {trouble}");
                    });
                }
                self.keep_going && matches!(client.state(), CommunicationState::Opened | CommunicationState::Created)
            }
        }
    }
}

/// `false`: whoever reads has seen enough.
fn print(body: &[u8]) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(body).and_then(|()| out.write_all(b"\n")).is_ok()
}

fn told(fault: &Fault) -> String {
    let mut told = format!("the service answered with a fault: {fault}\n");
    if let Some((namespace, name)) = &fault.subcode {
        told += &format!("  subcode {{{namespace}}}{name}\n");
    }
    if !fault.detail.is_empty() {
        told += &format!("  detail  {}\n", String::from_utf8_lossy(&fault.detail));
    }
    told
}
