//! `soap-session demo --loss`: a reliable secure session with a counter service, on a way that loses messages.

use super::way::{Toll, Way};
use super::{certificate_and_stores, numbers, seed};
use soap_session_core::reliable::{ReliableSessionId, ReliableSettings, RmVersion, Shape};
use soap_session_core::secure::{AcceptorSettings, Binding, Bootstrap, InitiatorSettings, UserCredential};
use soap_session_credentials::CredentialStore;
use soap_session_tokio::{Call, Passed, ReliableClient, ReliableServer, Response, Service, Trace};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const NAMESPACE: &str = "urn:counter";
const ACTION: &str = "urn:counter/Count";
const CALLERS: u32 = 4;
const CALLS: u32 = 10;
const MESSAGES: u32 = CALLERS * CALLS;

/// What is to be shown.
#[derive(Clone, Copy, Default, clap::Args)]
pub(crate) struct LossArgs {
    /// Lose so many of a hundred HTTP requests, and as many answers: a reliable session delivers all the same
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=90))]
    pub(crate) loss: u8,
    /// What is lost depends on this number
    #[arg(long, default_value_t = 1)]
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

/// The service is given away; what it counted is looked at afterwards.
struct Behind(Arc<Counter>);

impl Service<ReliableSessionId> for Behind {
    async fn call(&self, call: Call<ReliableSessionId>) -> Response {
        let count = {
            let mut ran = self.0.ran.lock().unwrap_or_else(PoisonError::into_inner);
            ran.extend(numbers(&call.body, NAMESPACE, ["caller", "n"]).map(|[caller, n]| (caller, n)));
            ran.len()
        };
        let body = format!("<CountResponse xmlns=\"{NAMESPACE}\"><count>{count}</count></CountResponse>").into_bytes();
        Response { action: format!("{ACTION}Response"), body, fault: false }
    }
}

/// What passed, counted as it passes.
#[derive(Default)]
struct Tally {
    transmissions: AtomicU32,
    duplicates: AtomicU32,
}

impl Tally {
    fn client(self: &Arc<Self>) -> Trace {
        let tally = Arc::clone(self);
        Arc::new(move |passed: Passed<'_>| {
            let goes_out = passed.verified.is_none() && passed.action == ACTION;
            tally.transmissions.fetch_add(u32::from(goes_out), Ordering::Relaxed);
        })
    }

    fn service(self: &Arc<Self>) -> Trace {
        let tally = Arc::clone(self);
        Arc::new(move |passed: Passed<'_>| {
            tally.duplicates.fetch_add(u32::from(passed.repeated), Ordering::Relaxed);
        })
    }
}

type Client = ReliableClient<CredentialStore>;

/// Calls again and again, one call after the other. The answers, until one failed.
async fn caller(client: Arc<Client>, caller: u32, note: impl Fn(String)) -> (Vec<i64>, Option<String>) {
    let mut answers = Vec::new();
    for n in 1..=CALLS {
        let body = format!("<Count xmlns=\"{NAMESPACE}\"><caller>{caller}</caller><n>{n}</n></Count>");
        match client.call(ACTION, body.as_bytes()).await {
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
    let note = move |line: String| println!("{:>8.3} s  {line}", began.elapsed().as_secs_f64());
    let (counter, tally) = (Arc::new(Counter::default()), Arc::new(Tally::default()));
    let mut settings = ReliableSettings {
        version: RmVersion::V11,
        // A demonstration does not stand still for 10 s when the end of the sequence is lost.
        requestor_interval: Duration::from_secs(1),
        // WCF's caller gives up after a minute, and its message after eight retries.
        send_timeout: Duration::from_secs(600),
        close_timeout: Duration::from_secs(600),
        max_retry_count: 32,
        ..ReliableSettings::default()
    };
    if !args.wcf {
        settings.transmission.fast_retransmission = Some(1);
    }
    let binding = Binding::ws2007_http(Bootstrap::UserNameForCertificate);
    let (client_side, service_side) = certificate_and_stores()?;
    let server = ReliableServer::bind(
        "127.0.0.1:0",
        Shape::RequestReply,
        settings.clone(),
        binding.clone(),
        AcceptorSettings::default(),
        service_side,
        Behind(Arc::clone(&counter)),
        &seed()?,
    )
    .await?
    .with_trace(tally.service());
    let way = Way::new(args.seed, note);
    let url = format!("http://{}/counter", way.lead_to(server.local_addr()?).await?);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async move {
        let _ = stopped.await;
    }));
    println!(
        "A counter service at {url}: WS-ReliableMessaging 1.1 over WS-SecureConversation 1.3, {}, user name for certificate.",
        binding.suite.name()
    );
    let client = Arc::new(
        ReliableClient::secure(
            &url,
            Shape::RequestReply,
            settings,
            binding,
            InitiatorSettings::default(),
            client_side,
            UserCredential::new("alice", "wonderland"),
            &seed()?,
        )?
        .with_trace(tally.client()),
    );
    client.open().await?;
    note(format!("open: {}", client.identifier().unwrap_or_default()));
    way.gets_bad(args.loss);
    note(format!("from here on {} % of the requests and {0} % of the answers are lost, seed {}", args.loss, args.seed));
    note(format!("{CALLERS} callers call {CALLS} times each"));
    let callers: Vec<_> = (1..=CALLERS).map(|number| tokio::spawn(caller(Arc::clone(&client), number, note))).collect();
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
    let elapsed = began.elapsed();
    let _ = stop.send(());
    serving.await?;

    let (ran, replies, toll) = (counter.ran(), answers.iter().map(Vec::len).sum::<usize>(), way.toll());
    println!();
    println!("messages         {MESSAGES:>4}  of the application, from {CALLERS} callers");
    println!("transmissions    {:>4}  of these messages", tally.transmissions.load(Ordering::Relaxed));
    println!("retransmissions  {:>4}  among them", client.retransmissions());
    println!(
        "duplicates       {:>4}  that the service knew, and did not run again",
        tally.duplicates.load(Ordering::Relaxed)
    );
    println!("runs             {:>4}  by the service's own count", ran.len());
    println!("replies          {replies:>4}  that callers got");
    let Toll { exchanges, requests_lost, answers_lost } = toll;
    println!("exchanges        {exchanges:>4}  of HTTP; {requests_lost} requests and {answers_lost} answers were lost");
    println!("elapsed          {:>4.1}  s", elapsed.as_secs_f64());
    failures.extend(verify(&ran, &answers));
    if failures.is_empty() {
        println!("demo: ok, {MESSAGES} messages delivered exactly once, {} % of both ways lost", args.loss);
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
