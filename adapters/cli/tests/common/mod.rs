//! The program, as processes.
#![allow(dead_code, clippy::unwrap_used, reason = "a test may stop, and uses what it needs")]

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const ECHO: &str = "<Echo xmlns=\"urn:e\"><text>a &amp; b</text></Echo>";
pub(crate) const ECHOED: &str = "<EchoResponse xmlns=\"urn:e\"><EchoResult>a &amp; b</EchoResult></EchoResponse>";

/// A file of keys and certificates of the tests.
pub(crate) fn key(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/keys").join(name);
    path.to_str().unwrap().to_owned()
}

/// A folder of its own for a test.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn file(folder: &Path, name: &str, content: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, content).unwrap();
    file.to_str().unwrap().to_owned()
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What a process writes, line by line.
type Lines = Arc<Mutex<Vec<String>>>;

/// A process that serves until it is dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: String,
    said: Lines,
    /// On its standard error.
    told: Lines,
}

fn collect(lines: impl Iterator<Item = io::Result<String>> + Send + 'static) -> Lines {
    let collected = Lines::default();
    let note = Arc::clone(&collected);
    thread::spawn(move || lines.map_while(Result::ok).for_each(|line| note.lock().unwrap().push(line)));
    collected
}

/// Waits for a line with these words.
fn awaited(lines: &Lines, words: &str) -> String {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let found = lines.lock().unwrap().iter().find(|line| line.contains(words)).cloned();
        if let Some(found) = found {
            return found;
        }
        assert!(Instant::now() < until, "«{words}» is not among {:#?}", lines.lock().unwrap());
        thread::sleep(Duration::from_millis(20));
    }
}

impl Served {
    pub(crate) fn start(arguments: &[String]) -> Self {
        Self::start_in(arguments, &[])
    }

    /// With these variables of its environment.
    pub(crate) fn start_in(arguments: &[String], variables: &[(&str, &str)]) -> Self {
        let mut child = program(variables)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = collect(BufReader::new(child.stderr.take().unwrap()).lines());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().map(Result::unwrap).unwrap_or_default();
        let address = first.split_whitespace().nth(2).unwrap_or_default();
        let address = address.rsplit("//").next().unwrap().trim_end_matches('/').to_owned();
        assert!(first.starts_with("Listening on "), "{arguments:?}: {first} {told:?}");
        Self { child, address, said: collect([Ok(first)].into_iter().chain(lines)), told }
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap()
    }

    /// Waits until it has said this. The line.
    pub(crate) fn says(&self, words: &str) -> String {
        awaited(&self.said, words)
    }

    /// Waits until it has told this on its standard error. The line.
    pub(crate) fn tells(&self, words: &str) -> String {
        awaited(&self.told, words)
    }

    /// What it has written until now, on either.
    pub(crate) fn written(&self) -> [Vec<String>; 2] {
        [self.said.lock().unwrap().clone(), self.told.lock().unwrap().clone()]
    }

    /// SIGKILL on Unix: it has no time for anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop as Ctrl-C does. Its exit code.
    pub(crate) fn interrupt(&mut self) -> Option<i32> {
        self.signal("INT");
        self.ended()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until it has ended. Its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        waited(&mut self.child).code()
    }
}

/// Waits until it has ended, which does not take for ever.
pub(crate) fn waited(child: &mut Child) -> ExitStatus {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            panic!("it has not ended");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// The program, that hears nothing of how the tests are run.
fn program(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soap-session"));
    command.env_remove("RUST_LOG").envs(variables.iter().copied());
    command
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a run of the program brought.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn begin(arguments: &[String], input: &str) -> Child {
    begin_in(arguments, input, &[])
}

pub(crate) fn begin_in(arguments: &[String], input: &str, variables: &[(&str, &str)]) -> Child {
    let mut child = program(variables)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have refused its options, and never read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child
}

pub(crate) fn end(child: Child) -> Ran {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
}

pub(crate) fn run(arguments: &[String], input: &str) -> Ran {
    end(begin(arguments, input))
}

pub(crate) fn run_in(arguments: &[String], input: &str, variables: &[(&str, &str)]) -> Ran {
    end(begin_in(arguments, input, variables))
}
