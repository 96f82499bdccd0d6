//! `soap-session call`: calls an operation of a service, once or many times.

mod body;
mod tally;

use crate::options::{BindingArgs, ClientArgs};
use crate::signals::{Signals, Stop};
use crate::trouble::{Exit, Trouble, give_up, run};
use bytes::Bytes;
use clap::Args;
use soap_session_core::lifetime::CommunicationState;
use soap_session_tokio::{CallError, Client, CloseError, Fault, Observer};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tally::Tally;
use tokio::task::JoinSet;
use tracing::level_filters::LevelFilter;

/// How long a session gets to be closed after Ctrl-C.
const FAREWELL: Duration = Duration::from_secs(5);

type Closed = Result<(), CloseError>;

const AFTER_HELP: &str = "\
Times are seconds, or numbers with ms, s, m or h behind them, such as 500ms, 90 or 10m.

With --repeat the last line on the standard error tells how many calls there were, what came of
them, how many in a second, and how long they took; on a terminal a bar shows how far they are.

Ctrl-C stops calling and closes the session, for which it has 5 s; once more, and it is aborted.

Examples:
  echo '<Echo xmlns=\"urn:e\"><text>a</text></Echo>' |
    soap-session call http://127.0.0.1:8000/ --action urn:e/Echo --body - --reliable
  soap-session call https://host:8443/ --ca authority.pem --action urn:e/Echo --body echo.xml \\
    --security transport-with-message-credential \\
    --credential username --username ada --password-file pass
  soap-session call http://127.0.0.1:8000/ --action urn:e/Echo --body echo.xml \\
    --repeat 1000 --concurrency 8 --quiet

Exit codes:
    0  every call was answered
    1  the service answered with a SOAP fault
    2  the options are wrong, or do not go together; nothing was sent
    3  the service cannot be reached, or no session be opened; or the connection was lost
    4  it took too long
    5  security: a certificate, a password, a signature, a clock; or the token is not known any more
    6  anything else
  130  interrupted by Ctrl-C
  143  the same by SIGTERM
130 and 143 go before all others; of several others the first that happened counts.";

/// Calls an operation of a service, as a WCF client would: opens a session, calls, prints the replies, closes.
///
/// The content of each reply's body goes to the standard output, a line each; everything else goes to the standard error.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
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
    /// Write every message as it was sent and received to this folder, for `inspect`: the newest
    /// 10 000, in 256 MiB at most
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
        run("call", self.calls())
    }

    async fn calls(&self) -> Result<Exit, Trouble> {
        let (_, mut options) = self.client.options(&self.url, &self.binding)?;
        let body = body::read(&self.body)?;
        let log = crate::options::log(self.log.as_deref())?;
        if let Some(log) = &log {
            options = options.with_observer(Arc::clone(log) as Arc<dyn Observer>);
        }
        let client = Client::new(&self.url, options)?;
        let mut signals = Signals::listen()?;
        let shown = self.repeat > 1 && io::stderr().is_terminal() && LevelFilter::current() < LevelFilter::INFO;
        let tally = Arc::new(Tally::new(self.repeat, shown));
        let mut session = Box::pin(self.session(&client, body, &tally));
        let ended = tokio::select! {
            done = &mut session => done,
            stop = signals.next() => {
                tally.stop();
                Err(leave(&client, session, stop, &mut signals).await)
            }
        };
        tally.finish();
        if self.repeat > 1
            && let Some(elapsed) = tally.elapsed()
        {
            let _ = writeln!(io::stderr(), "call: {}", tally.summary(elapsed));
        }
        if let Some(log) = &log {
            let _ = writeln!(io::stderr(), "call: {}", log.finish());
        }
        let closed = ended?;
        if tally.exit() == Exit::Done {
            closed.map_err(|error| {
                Trouble::from(error).about("every call was answered, but the session was not closed")
            })?;
        }
        Ok(tally.exit())
    }

    /// Opens, calls and closes. How the closing went.
    async fn session(&self, client: &Client, body: Bytes, tally: &Arc<Tally>) -> Result<Closed, Trouble> {
        client.open().await.map_err(|failed| Trouble::from(soap_session_tokio::NewError::Open(failed)))?;
        if self.repeat > 1
            && let Some(id) = client.session_id()
        {
            let _ = writeln!(io::stderr(), "call: session {id}");
        }
        tally.begin();
        let next = Arc::new(AtomicU32::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..self.concurrency.min(self.repeat) {
            let (job, client, body) = (self.clone(), client.clone(), body.clone());
            let (tally, next) = (Arc::clone(tally), Arc::clone(&next));
            callers.spawn(async move {
                while next.fetch_add(1, Ordering::Relaxed) < job.repeat && job.one(&client, &body, &tally).await {}
            });
        }
        while let Some(called) = callers.join_next().await {
            called.map_err(Trouble::other)?;
        }
        tally.end();
        let closed = client.close().await;
        let closing = tokio::time::timeout(self.client.timeout + Duration::from_secs(1), client.finished());
        let _ = closing.await;
        Ok(closed)
    }

    /// One call. `false`: there is no point in another.
    async fn one(&self, client: &Client, body: &Bytes, tally: &Arc<Tally>) -> bool {
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
                    // Whoever reads may take their time, and nothing else has to wait for that.
                    let tally = Arc::clone(tally);
                    let printing = tokio::task::spawn_blocking(move || print(&reply.body, &tally));
                    return printing.await.unwrap_or(false);
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
            Err(_) if tally.stopped() => false,
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

/// Ends the session when it is told to stop: closes it, if that does not take long and nobody is more impatient.
async fn leave(
    client: &Client,
    session: Pin<Box<impl Future<Output = Result<Closed, Trouble>>>>,
    stop: Stop,
    signals: &mut Signals,
) -> Trouble {
    let closing = async {
        match client.state() {
            CommunicationState::Created | CommunicationState::Opening => "there was no session yet",
            CommunicationState::Opened => {
                // Whoever still calls goes with it.
                drop(session);
                let closed = client.close().await;
                client.finished().await;
                told_closed(&closed)
            }
            // The calls are over, and this is what it does.
            CommunicationState::Closing | CommunicationState::Closed => {
                session.await.map_or(NOT_CLOSED, |closed| told_closed(&closed))
            }
            CommunicationState::Faulted => FAILED,
        }
    };
    let told = tokio::select! {
        closed = tokio::time::timeout(FAREWELL, closing) => closed.unwrap_or(NOT_CLOSED),
        _ = signals.next() => "the session was aborted",
    };
    give_up(client).await;
    let exit = stop.exit();
    let how = if exit == Exit::Interrupted { "interrupted" } else { "told to end" };
    Trouble::stopped(exit, format_args!("{how}; {told}"))
}

const NOT_CLOSED: &str = "the session could not be closed";
const FAILED: &str = "the session had failed";

const fn told_closed(closed: &Closed) -> &'static str {
    match closed {
        Ok(()) => "the session was closed",
        Err(CloseError::Refused(_)) => FAILED,
        Err(_) => NOT_CLOSED,
    }
}

/// `false`: whoever reads has seen enough.
fn print(body: &[u8], tally: &Tally) -> bool {
    let print = || {
        let mut out = io::stdout().lock();
        out.write_all(body).and_then(|()| out.write_all(b"\n")).is_ok()
    };
    // The bar is on a terminal. It must not wait for whoever reads elsewhere.
    if io::stdout().is_terminal() { tally.hidden(print) } else { print() }
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
