//! Every example, run as the process that it is: what it says, and that it ends well. Cargo has built them before this.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::env::consts::EXE_SUFFIX;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long one example may take, unoptimized and on a machine that does something else as well.
const PATIENCE: Duration = Duration::from_secs(60);

/// An example that runs. It is killed if the test ends first.
struct Running {
    name: String,
    child: Child,
    lines: Receiver<String>,
    until: Instant,
    said: Vec<String>,
}

impl Running {
    fn start(name: &str, arguments: &[&str]) -> Self {
        // target/debug/deps/run-... and target/debug/examples/NAME
        let own = std::env::current_exe().unwrap();
        let folder = own.parent().and_then(|deps| deps.parent()).unwrap().join("examples");
        let program = folder.join(format!("{name}{EXE_SUFFIX}"));
        assert!(
            program.exists(),
            "{} is not built: cargo build -p soap-session-examples --examples",
            program.display()
        );
        let mut command = Command::new(program);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { name: name.to_owned(), child, lines, until: Instant::now() + PATIENCE, said: Vec::new() }
    }

    /// The next line; `None` at the end.
    fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(self.until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                self.said.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} is not over after {PATIENCE:?}: {:#?}", self.name, self.said),
        }
    }

    /// The address that it serves, once it does.
    fn address(&mut self) -> String {
        let line = self.line().unwrap_or_else(|| panic!("{} ends at once", self.name));
        line.split(' ').find(|word| word.starts_with("http://")).unwrap().to_owned()
    }

    /// Presses Enter, and waits for the end. What it said.
    fn ended(mut self) -> String {
        drop(self.child.stdin.take());
        while self.line().is_some() {}
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{}: {status}: {:#?}", self.name, self.said);
        self.said.join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each client calls this service.
fn called_by_each_client(service: &str, arguments: &[&str]) -> String {
    let mut service = Running::start(service, arguments);
    let url = service.address();
    for client in [&["calculator_client"][..], &["calculator_client", "--smol"], &["event_loop_client"]] {
        let mut arguments = vec![url.as_str()];
        arguments.extend(&client[1..]);
        let said = Running::start(client[0], &arguments).ended();
        assert!(said.contains("(0 + 100 - 50) * 17 / 10 = 85\nclosed"), "{client:?} said {said}");
    }
    service.ended()
}

#[test]
fn calculator_on_tokio() {
    let said = called_by_each_client("calculator_server", &["127.0.0.1:0"]);
    assert!(said.ends_with("served"), "{said}");
}

#[test]
fn calculator_on_smol() {
    let said = called_by_each_client("calculator_server", &["127.0.0.1:0", "--smol"]);
    assert!(said.ends_with("served"), "{said}");
}

#[test]
fn event_loops() {
    let said = called_by_each_client("event_loop_service", &["127.0.0.1:0", "3"]);
    assert_eq!(said.matches("session gone: Closed").count(), 3, "{said}");
}

#[test]
fn throttled_service() {
    let said = Running::start("throttled_service", &[]).ended();
    let waits = "the third waits: MaxConcurrentSessions is 2: 2 in use, 1 waiting";
    let order = [waits, "the first closes", "the third has been answered", "ServerTooBusyException"];
    let mut rest = said.as_str();
    for line in order {
        rest = rest.split_once(line).unwrap_or_else(|| panic!("no `{line}` in its place in {said}")).1;
    }
}

#[test]
fn fixed_buffers() {
    let said = Running::start("fixed_buffers", &[]).ended();
    assert!(said.starts_with("the hub's total is 5050: ") && said.ends_with("\n0 allocations"), "{said}");
}

#[test]
fn simulated_time() {
    let said = Running::start("simulated_time", &[]).ended();
    assert!(said.contains("every deposit booked once, in order"), "{said}");
    assert!(said.contains("without, calling again: seed"), "the property finds nothing: {said}");
}

/// The examples that there are, by their files.
#[test]
fn every_example_has_its_test_and_its_line() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(here.join(file)).unwrap();
    let (tests, table) = (read("tests/run.rs"), read("src/lib.rs"));
    for entry in std::fs::read_dir(here.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(tests.contains(&format!("\"{name}\"")), "{name} is not run");
        assert!(table.contains(&format!("| `{name}` |")), "{name} is not in the table of src/lib.rs");
        let source = if path.is_dir() { path.join("main.rs") } else { path };
        let source = std::fs::read_to_string(source).unwrap();
        let command = format!("//! cargo run -p soap-session-examples --example {name}");
        assert!(source.starts_with("//! ") && source.contains(&command), "{name} does not say how to run it");
    }
}
