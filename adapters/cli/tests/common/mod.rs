//! The program, as processes.
#![allow(dead_code, clippy::unwrap_used, reason = "a test may stop, and uses what it needs")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
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

/// A process that serves until it is dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Served {
    pub(crate) fn start(arguments: &[String]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_soap-session"));
        let mut child = command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().map(Result::unwrap).unwrap_or_default();
        let address = first.split_whitespace().nth(2).unwrap_or_default();
        let address = address.rsplit("//").next().unwrap().trim_end_matches('/').to_owned();
        assert!(first.starts_with("Listening on "), "{arguments:?}: {first}");
        let said = Arc::new(Mutex::new(vec![first]));
        let note = Arc::clone(&said);
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| note.lock().unwrap().push(line)));
        Self { child, address, said }
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap()
    }

    /// Waits until it has said this.
    pub(crate) fn says(&self, words: &str) {
        let until = Instant::now() + Duration::from_secs(30);
        while !self.said.lock().unwrap().iter().any(|line| line.contains(words)) {
            assert!(Instant::now() < until, "«{words}» is not among {:#?}", self.said.lock().unwrap());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL on Unix: it has no time for anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop as Ctrl-C does. Its exit code.
    pub(crate) fn interrupt(&mut self) -> Option<i32> {
        let interrupted = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(interrupted.success());
        self.child.wait().unwrap().code()
    }
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_soap-session"));
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
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
