//! `soap-session demo --loss`: a reliable secure session with a counter service, on a way that loses messages.

use super::way::{Toll, Way};
use super::{action_of, certificate_and_stores, numbers, text_of, user};
use soap_session_core::reliable::{ReliableSettings, RmVersion};
use soap_session_tokio::{
    Answer, Binding, Call, Client, ClientCredentialType, ClientOptions, Observer, Passed, SecurityMode, Server,
    ServerOptions, Way as Bound, service_fn,
};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const NAMESPACE: &str = "urn:counter";
const RELIABLE: &str = "http://docs.oasis-open.org/ws-rx/wsrm/200702";
const ACTION: &str = "urn:counter/Count";
const CALLERS: u32 = 4;
const CALLS: u32 = 10;
const MESSAGES: u32 = CALLERS * CALLS;

const AFTER_HELP: &str = "\
It listens on a loopback address that the system chooses, and needs nothing else.

Examples:
  soap-session demo
  soap-session demo --loss 20 --seed 7

Exit codes:
  0  each message was delivered exactly once
  1  it was not, or something failed
  2  the options are wrong";

/// What is to be shown.
#[derive(Clone, Copy, Default, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct LossArgs {
    /// Lose so many of a hundred HTTP requests, and as many answers: a reliable session delivers all the same
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=90))]
    pub(crate) loss: u8,
    /// What is lost depends on this number
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Send again when WCF would: only the oldest message, after a timeout that doubles without a limit
    #[arg(long)]
    wcf: bool,
}

/// A counter: a message that ran twice would count twice.
#[derive(Default)]
struct Counter {
    /// How often each call of each caller ran, and in which order they came.
    ran: Mutex<Vec<(i64, i64)>>,
}

impl Counter {
    fn ran(&self) -> Vec<(i64, i64)> {
        self.ran.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts a call. A message that ran twice would count twice.
async fn count(counter: Arc<Counter>, call: Call) -> Answer {
    let count = {
        let mut ran = counter.ran.lock().unwrap_or_else(PoisonError::into_inner);
        ran.extend(numbers(&call.body, NAMESPACE, ["caller", "n"]).map(|[caller, n]| (caller, n)));
        ran.len()
    };
    let body = format!("<CountResponse xmlns=\"{NAMESPACE}\"><count>{count}</count></CountResponse>");
    Answer::reply(format!("{ACTION}Response"), body)
}

/// The application's messages that the client sent: those that were sent again have their numbers again.
#[derive(Default)]
struct Sent {
    passed: Mutex<(u32, BTreeSet<u64>)>,
}

impl Sent {
    fn transmissions(&self) -> u32 {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn retransmissions(&self) -> u32 {
        let passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.0.saturating_sub(u32::try_from(passed.1.len()).unwrap_or(u32::MAX))
    }
}

impl Observer for Sent {
    fn passed(&self, passed: &Passed<'_>) {
        if passed.way == Bound::Sent && action_of(passed.message).as_deref() == Some(ACTION) {
            let mut sent = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            sent.0 += 1;
            sent.1.extend(number_of(passed.message));
        }
    }
}

/// The messages that reached the service when it had run them. In order the nth message is the nth that runs.
struct Known(Arc<Counter>, AtomicU32);

impl Observer for Known {
    fn passed(&self, passed: &Passed<'_>) {
        if passed.way == Bound::Received && action_of(passed.message).as_deref() == Some(ACTION) {
            let known = number_of(passed.message).is_some_and(|number| number <= self.0.ran().len() as u64);
            self.1.fetch_add(u32::from(known), Ordering::Relaxed);
        }
    }
}

/// The number of a message of a reliable session: it is signed, and not encrypted.
fn number_of(message: &[u8]) -> Option<u64> {
    text_of(message, RELIABLE, "MessageNumber")?.parse().ok()
}

/// Calls again and again, one call after the other. The answers, until one failed.
async fn caller(client: Client, caller: u32, note: impl Fn(String)) -> (Vec<i64>, Option<String>) {
    let mut answers = Vec::new();
    for n in 1..=CALLS {
        let body = format!("<Count xmlns=\"{NAMESPACE}\"><caller>{caller}</caller><n>{n}</n></Count>");
        match client.call(ACTION, body).await {
            Ok(reply) => match numbers(&reply.body, NAMESPACE, ["count"]) {
                Some([count]) => answers.push(count),
                None => return (answers, Some("an answer is no count".to_owned())),
            },
            Err(error) => return (answers, Some(error.to_string())),
        }
    }
    note(format!("caller {caller} has its {CALLS} answers"));
    (answers, None)
}

/// Runs the demonstration.
///
/// # Errors
/// What went wrong: also that a message was not delivered exactly once.
pub(super) async fn session(args: LossArgs) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let note = move |line: String| tell!("{:>8.3} s  {line}", began.elapsed().as_secs_f64());
    let (counter, sent) = (Arc::new(Counter::default()), Arc::<Sent>::default());
    let known = Arc::new(Known(Arc::clone(&counter), AtomicU32::new(0)));
    // WCF's caller gives up after a minute, and its message after eight retries.
    let patience = Duration::from_secs(600);
    let mut settings = ReliableSettings {
        version: RmVersion::V11,
        // A demonstration does not stand still for 10 s when the end of the sequence is lost.
        requestor_interval: Duration::from_secs(1),
        send_timeout: patience,
        close_timeout: patience,
        max_retry_count: 32,
        ..ReliableSettings::default()
    };
    if !args.wcf {
        settings.transmission.fast_retransmission = Some(1);
    }
    let mut binding = Binding::ws2007_http()
        .with_security(SecurityMode::Message, ClientCredentialType::UserName)?
        .with_reliable_settings(settings)?;
    (binding.timeouts.send, binding.timeouts.close) = (Some(patience), Some(patience));
    let (client_side, service_side) = certificate_and_stores()?;
    let options = ServerOptions::new(binding.clone())
        .with_credentials(service_side)
        .with_observer(Arc::clone(&known) as Arc<dyn Observer>);
    let counting = Arc::clone(&counter);
    let service = service_fn(move |call| count(Arc::clone(&counting), call));
    let server = Server::bind("127.0.0.1:0".parse()?, options, service).await?;
    let way = Way::new(args.seed, note);
    let url = format!("http://{}/counter", way.lead_to(server.local_addr()?).await?);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async move {
        let _ = stopped.await;
    }));
    let suite = binding.security_binding().map(|security| security.suite.name()).unwrap_or_default();
    tell!(
        "A counter service at {url}: WS-ReliableMessaging 1.1 over WS-SecureConversation 1.3, {suite}, user name for certificate."
    );
    let options = ClientOptions::new(binding)
        .with_credentials(client_side)
        .with_user(user()?)
        .with_observer(Arc::clone(&sent) as Arc<dyn Observer>);
    let client = Client::connect(&url, options).await?;
    note(format!("open: {}", client.session_id().unwrap_or_default()));
    way.gets_bad(args.loss);
    note(format!("from here on {} % of the requests and {0} % of the answers are lost, seed {}", args.loss, args.seed));
    note(format!("{CALLERS} callers call {CALLS} times each"));
    let callers: Vec<_> = (1..=CALLERS).map(|number| tokio::spawn(caller(client.clone(), number, note))).collect();
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    for caller in callers {
        let (counts, failure) = caller.await?;
        answers.push(counts);
        failures.extend(failure.filter(|failure| !failures.contains(failure)));
    }
    match client.close().await {
        Ok(()) => note("closed: the sequence is ended, the conversation cancelled".to_owned()),
        Err(error) if failures.is_empty() => failures.push(error.to_string()),
        // Whoever called has said it already.
        Err(_) => {}
    }
    client.finished().await;
    let elapsed = began.elapsed();
    let _ = stop.send(());
    serving.await?;

    let (ran, replies, toll) = (counter.ran(), answers.iter().map(Vec::len).sum::<usize>(), way.toll());
    tell!("");
    tell!("messages         {MESSAGES:>4}  of the application, from {CALLERS} callers");
    tell!("transmissions    {:>4}  of these messages", sent.transmissions());
    tell!("retransmissions  {:>4}  among them", sent.retransmissions());
    tell!("duplicates       {:>4}  that the service knew, and did not run again", known.1.load(Ordering::Relaxed));
    tell!("runs             {:>4}  by the service's own count", ran.len());
    tell!("replies          {replies:>4}  that callers got");
    let Toll { exchanges, requests_lost, answers_lost } = toll;
    tell!("exchanges        {exchanges:>4}  of HTTP; {requests_lost} requests and {answers_lost} answers were lost");
    tell!("elapsed          {:>4.1}  s", elapsed.as_secs_f64());
    failures.extend(verify(&ran, &answers));
    if failures.is_empty() {
        tell!("demo: ok, {MESSAGES} messages delivered exactly once, {} % of both ways lost", args.loss);
        return Ok(());
    }
    Err(format!("demo: not delivered exactly once: {}", failures.join("; ")).into())
}

/// What speaks against "exactly once": by the service's own count, and by the answers of each caller.
fn verify(ran: &[(i64, i64)], answers: &[Vec<i64>]) -> Vec<String> {
    let mut against = Vec::new();
    let mut times: BTreeMap<(i64, i64), u32> = BTreeMap::new();
    for run in ran {
        *times.entry(*run).or_default() += 1;
    }
    let mut missing = 0;
    for caller in 1..=i64::from(CALLERS) {
        for n in 1..=i64::from(CALLS) {
            match times.remove(&(caller, n)) {
                Some(1) => {}
                Some(times) => against.push(format!("call {n} of caller {caller} ran {times} times")),
                None => missing += 1,
            }
        }
        let order = ran.iter().filter(|(of, _)| *of == caller).map(|(_, n)| n);
        if !order.is_sorted() {
            against.push(format!("the calls of caller {caller} ran out of order"));
        }
    }
    if missing > 0 {
        against.push(format!("{missing} calls never ran"));
    }
    if answers.iter().any(|counts| !counts.is_sorted()) {
        against.push("a caller got its answers out of order".to_owned());
    }
    let counts: BTreeSet<i64> = answers.iter().flatten().copied().collect();
    if !counts.into_iter().eq(1..=i64::from(MESSAGES)) {
        against.push(format!("the answers are not the counts from 1 to {MESSAGES}, each once"));
    }
    against
}
