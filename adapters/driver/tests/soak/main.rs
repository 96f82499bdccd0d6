//! A soak: many secure reliable sessions at once, on a way that loses exchanges and cuts connections.
//!
//! ```text
//! cargo test --release -p soap-session-driver --test soak -- --runtime tokio --sessions 1000 --seconds 60 --drop 5
//! ```
//!
//! Without arguments it is short, and runs on both runtimes. Three processes of this one program: a server, a proxy that loses
//! `--drop` of a hundred exchanges (half of them the request, half the answer; the connection goes with them), tears one answer of
//! 200 in two, and cuts connections at random; and a client with all the sessions. This process starts them and looks at them from
//! outside. It fails if a call was lost, ran twice or came out of turn, if a session broke, if memory grows after the first sixth
//! of the time, or if a task or a socket is left at the end.
//!
//! Not WCF's defaults, as a soak shall not wait for them: lost CreateSequences are sent again after half a second and not after
//! ten, the first round trip is taken for half a second and not for two, messages are sent again up to 32 times and not 8. The
//! tables are made large enough for the sessions.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod client;
mod proxy;
mod server;
#[path = "../endurance/world.rs"]
mod world;

use soap_session_core::lifetime::Timeouts;
use soap_session_driver::{Binding, ClientCredentialType, Runtime, SecurityMode};
use std::collections::HashMap;
use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use world::{Counted, resident};

/// What is asked for.
#[derive(Clone, Debug)]
struct Plan {
    runtime: String,
    sessions: u32,
    seconds: u64,
    /// Of a hundred exchanges.
    drop: u32,
    /// Between two calls of a session, in milliseconds.
    pause: u64,
    /// Sessions that only stand there.
    idle: bool,
    seed: u64,
    role: String,
    /// Where to go.
    to: String,
}

impl Plan {
    fn read(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut plan = Self {
            runtime: "both".to_owned(),
            sessions: 40,
            seconds: 5,
            drop: 5,
            pause: 100,
            idle: false,
            seed: 1,
            role: String::new(),
            to: String::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap();
            match argument.as_str() {
                "--runtime" => plan.runtime = value(),
                "--sessions" => plan.sessions = value().parse().unwrap(),
                "--seconds" => plan.seconds = value().parse().unwrap(),
                "--drop" => plan.drop = value().parse().unwrap(),
                "--pause" => plan.pause = value().parse().unwrap(),
                "--idle" => plan.idle = true,
                "--seed" => plan.seed = value().parse().unwrap(),
                "--role" => plan.role = value(),
                "--to" => plan.to = value(),
                // What cargo gives every test.
                _ => {}
            }
        }
        plan
    }

    fn arguments(&self, role: &str, to: &str) -> Vec<String> {
        let mut arguments: Vec<String> = [
            ("--runtime", self.runtime.clone()),
            ("--sessions", self.sessions.to_string()),
            ("--seconds", self.seconds.to_string()),
            ("--drop", self.drop.to_string()),
            ("--pause", self.pause.to_string()),
            ("--seed", self.seed.to_string()),
            ("--role", role.to_owned()),
            ("--to", to.to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
        arguments.extend(self.idle.then(|| "--idle".to_owned()));
        arguments
    }

    /// From when on memory shall not grow.
    fn warm(&self) -> Duration {
        Duration::from_secs(self.seconds) / 6
    }
}

fn binding() -> Binding {
    let binding = Binding::ws2007_http().with_security(SecurityMode::Message, ClientCredentialType::UserName).unwrap();
    let mut binding = binding.with_reliable_session(true).unwrap();
    let (short, long) = (Some(Duration::from_secs(30)), Some(Duration::from_secs(120)));
    binding.timeouts = Timeouts { open: short, close: short, send: long, ..binding.timeouts };
    let settings = binding.reliable_settings().unwrap();
    settings.requestor_interval = Duration::from_millis(500);
    settings.max_retry_count = 32;
    settings.max_pending_channels = 4096;
    settings.transmission.unknown_round_trip = Duration::from_millis(500);
    binding
}

fn main() -> ExitCode {
    let plan = Plan::read(std::env::args().skip(1));
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    match (plan.role.as_str(), plan.runtime.as_str()) {
        ("", "both") => {
            let runs = ["tokio", "smol"].map(|runtime| soak(&Plan { runtime: runtime.to_owned(), ..plan.clone() }));
            if runs == [true, true] { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        ("", _) => {
            if soak(&plan) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        (_, "tokio") => {
            let engine = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            engine.block_on(part::<Counted<soap_session_tokio::Tokio>>(plan));
            ExitCode::SUCCESS
        }
        (_, _) => {
            smol::block_on(part::<Counted<soap_session_smol::Smol>>(plan));
            ExitCode::SUCCESS
        }
    }
}

async fn part<R: Runtime + Default>(plan: Plan) {
    match plan.role.as_str() {
        "server" => server::serve::<R>(&plan).await,
        "proxy" => proxy::proxy::<R>(&plan).await,
        _ => client::clients::<R>(plan).await,
    }
}

/// Says a line to the process that started this one.
fn say(name: &str, value: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{name}={value}");
    let _ = out.flush();
}

/// Ready when the process that started this one lets go of its standard input.
fn let_go() -> impl Future<Output = ()> {
    let (tell, told) = futures_channel::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(tell);
    });
    async move {
        let _ = told.await;
    }
}

/// A process of this program, and what it says.
struct Part {
    process: Child,
    /// Held until it shall stop.
    held: Option<ChildStdin>,
    lines: Receiver<(String, String)>,
    said: HashMap<String, String>,
}

impl Part {
    fn start(plan: &Plan, role: &str, to: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(plan.arguments(role, to))
            .env("SMOL_THREADS", "2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some((name, value)) = line.split_once('=') {
                    let _ = tell.send((name.to_owned(), value.to_owned()));
                }
            }
        });
        let held = process.stdin.take();
        Self { process, held, lines, said: HashMap::new() }
    }

    /// Waits until it has said this.
    fn wait(&mut self, name: &str, at_most: Duration) -> Option<String> {
        let late = std::time::Instant::now() + at_most;
        while !self.said.contains_key(name) {
            let left = late.checked_duration_since(std::time::Instant::now())?;
            let (name, value) = self.lines.recv_timeout(left).ok()?;
            self.said.insert(name, value);
        }
        self.said.get(name).cloned()
    }

    fn number(&self, name: &str) -> u64 {
        self.said.get(name).and_then(|value| value.parse().ok()).unwrap_or(u64::MAX)
    }

    /// Processor time in seconds.
    fn time(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        let behind_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 =
            behind_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        ticks as f64 / 100.0
    }

    fn resident(&self) -> Option<u64> {
        resident(self.process.id())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs one soak, shows how it went, and says whether it kept every promise.
fn soak(plan: &Plan) -> bool {
    const START: Duration = Duration::from_secs(60);
    let long = Duration::from_secs(600);
    let mut server = Part::start(plan, "server", "");
    let address = server.wait("listening", START).unwrap();
    let mut proxy = Part::start(plan, "proxy", &address);
    let address = proxy.wait("listening", START).unwrap();
    let mut client = Part::start(plan, "client", &address);
    client.wait("open", long).unwrap();
    std::thread::sleep(plan.warm());
    let warm = [server.resident(), client.resident()];
    let before = [&server, &proxy, &client].map(Part::time);
    std::thread::sleep(Duration::from_secs(plan.seconds).saturating_sub(plan.warm()));
    let end = [server.resident(), client.resident()];
    let after = [&server, &proxy, &client].map(Part::time);
    let finished = client.wait("done", long).is_some();
    drop(server.held.take());
    let stopped = server.wait("done", long).is_some();
    drop(proxy.held.take());
    proxy.wait("done", long);

    let share = |part: usize| (after[part] - before[part]) / (plan.seconds as f64 * 5.0 / 6.0) * 100.0;
    let mib = |kib: Option<u64>| kib.map_or_else(|| "?".to_owned(), |kib| format!("{:.1} MiB", kib as f64 / 1024.0));
    println!("soak on {}: {} sessions, {} s, {} % dropped", plan.runtime, plan.sessions, plan.seconds, plan.drop);
    for (what, shown) in [
        ("sessions opened", format!("{} in {} ms", client.number("opened"), client.number("open"))),
        ("opens tried again", client.number("reopened").to_string()),
        ("calls answered", client.number("answered").to_string()),
        ("calls a second", format!("{:.0}", client.number("answered") as f64 / plan.seconds as f64)),
        ("calls that ran", server.number("ran").to_string()),
        ("slowest call", format!("{} ms", client.number("slowest"))),
        ("messages sent by the client", client.number("sent").to_string()),
        ("sent beyond one for a call", client.number("again").to_string()),
        ("requests dropped", proxy.number("requests").to_string()),
        ("answers dropped", proxy.number("answers").to_string()),
        ("answers torn", proxy.number("torn").to_string()),
        ("connections cut", proxy.number("cut").to_string()),
        ("closes without the last word", client.number("unclean").to_string()),
        ("server: memory when warm, at the end", format!("{}, {}", mib(warm[0]), mib(end[0]))),
        ("client: memory when warm, at the end", format!("{}, {}", mib(warm[1]), mib(end[1]))),
        ("processor: server, proxy, client", format!("{:.1} %, {:.1} %, {:.1} %", share(0), share(1), share(2))),
    ] {
        println!("  {what:<38}{shown}");
    }
    let flat = |part: usize| match (warm[part], end[part]) {
        // An allocator does not give everything back at once; tables that remember signatures fill up.
        (Some(warm), Some(end)) => end <= warm + warm / 10 + 16 * 1024,
        _ => true,
    };
    let answered = client.number("answered");
    let mut kept = true;
    for (promise, holds) in [
        ("client and server came to their ends", finished && stopped),
        ("every session was opened", client.number("opened") == u64::from(plan.sessions)),
        ("no call failed", client.number("failed") == 0),
        ("every answer was that of its call", client.number("wrong") == 0),
        ("nothing was lost, nothing ran twice", server.number("ran") == answered),
        ("every message came in its turn, in its session", server.number("astray") == 0),
        ("every instance was let go", server.number("instances") == server.number("disposed")),
        ("no session is left", server.number("sessions") == 0),
        ("the server's memory is flat", flat(0)),
        ("the client's memory is flat", flat(1)),
        ("no task is left", client.number("tasks") == 0 && server.number("tasks") == 0),
        ("no socket is left", client.number("sockets") == 0 && server.number("sockets") == 0),
    ] {
        println!("  {} {promise}", if holds { "kept  " } else { "BROKEN" });
        kept &= holds;
    }
    kept
}
