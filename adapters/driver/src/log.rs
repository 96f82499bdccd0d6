//! A folder of the envelopes that passed, which `soap-session inspect` reads.

mod folder;

use crate::observe::{Observer, Passed};
use crate::telemetry::{LOG_LOST, TARGET};
use bytes::Bytes;
use folder::{Folder, Name};
use metrics::counter;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tracing::warn;

/// How much a [`MessageLog`] keeps. The oldest files go first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogLimits {
    /// Most files. Default 10 000. At least 1.
    pub files: usize,
    /// Most bytes of all files. Default 256 MiB. An envelope that is longer is lost.
    pub bytes: u64,
    /// Most envelopes that wait to be written. Default 1024.
    pub queue: usize,
    /// Most bytes of those. Default 16 MiB.
    pub queue_bytes: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { files: 10_000, bytes: 256 << 20, queue: 1024, queue_bytes: 16 << 20 }
    }
}

/// What has become of the envelopes that a [`MessageLog`] was shown.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LogReport {
    /// Written. Some of them may have gone since, see [`LogLimits`].
    pub written: u64,
    /// Lost: too many waited, or the system would not write.
    pub lost: u64,
}

impl fmt::Display for LogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, lost } = self;
        write!(f, "{written} envelopes written")?;
        if *lost > 0 {
            write!(f, ", {lost} lost: the folder could not be written, or not as fast as they came")?;
        }
        Ok(())
    }
}

/// Writes every envelope, as it was on the wire, to a file of its own: `00000001-c2s.xml` towards the service, `00000002-s2c.xml`
/// away from it, in the order in which they passed; a file for an answer without an envelope is empty. `soap-session inspect` reads
/// the folder. Several clients and servers may share one log.
///
/// Nothing waits for the disk: a thread writes, and what comes too fast for it is lost. A lost envelope leaves a gap in the numbers, is
/// counted, and told of ([`telemetry`](crate::telemetry)).
///
/// Where nothing is encrypted the files hold what the application said, and with [`with_opened`](Self::with_opened) they do in any
/// case. On Unix only their owner may read them.
///
/// ```no_run
/// use soap_session_driver::{Binding, ClientOptions, LogLimits, MessageLog};
/// use std::sync::Arc;
/// let log = Arc::new(MessageLog::new("messages", LogLimits::default())?);
/// let options = ClientOptions::new(Binding::ws_http()).with_observer(log.clone());
/// // ... when everything is over:
/// println!("{}", log.finish());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct MessageLog {
    folder: PathBuf,
    opened: bool,
    limits: LogLimits,
    next: AtomicU32,
    shared: Arc<Shared>,
    /// To the thread that writes, which ends with it.
    queue: SyncSender<Job>,
    finishing: Mutex<()>,
}

/// What the tasks and the thread know of each other.
#[derive(Default)]
struct Shared {
    queued_bytes: AtomicUsize,
    written: AtomicU64,
    lost: AtomicU64,
    /// The last one was lost, and that was told.
    losing: AtomicBool,
}

enum Job {
    Wire {
        passed: u64,
        name: Name,
        message: Bytes,
    },
    Opened {
        passed: u64,
        message: Bytes,
    },
    /// Everything before has been written.
    Finish(SyncSender<()>),
}

impl MessageLog {
    /// A log in this folder, which is made if it is not there. Files of an earlier log in it count, and go first; the numbers go on from
    /// theirs. Nothing else in it is touched.
    ///
    /// # Errors
    /// The folder can be neither read nor made, or there is no thread to be had.
    pub fn new(folder: impl AsRef<Path>, limits: LogLimits) -> io::Result<Self> {
        let path = folder.as_ref().to_owned();
        let folder = Folder::open(path.clone(), limits.files.max(1), limits.bytes)?;
        let next = AtomicU32::new(folder.next());
        let (queue, jobs) = mpsc::sync_channel(limits.queue.max(1));
        let shared = Arc::new(Shared::default());
        let writer = Writer { folder, shared: Arc::clone(&shared), recent: VecDeque::new() };
        thread::Builder::new().name("soap-session log".to_owned()).spawn(move || writer.run(&jobs))?;
        let finishing = Mutex::new(());
        Ok(Self { folder: path, opened: false, limits, next, shared, queue, finishing })
    }

    /// Beside each envelope that was received, what it says once it is decrypted: `00000001-c2s.plain.xml`.
    ///
    /// **Everything that the envelopes keep secret then lies open in the folder**, passwords and the keys of sessions included: who
    /// reads it can read, and forge, whatever else those sessions say. It is for finding mistakes, with data that may be seen.
    #[must_use]
    pub const fn with_opened(mut self) -> Self {
        self.opened = true;
        self
    }

    /// Where it writes.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What has become of the envelopes so far.
    pub fn report(&self) -> LogReport {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        LogReport { written: count(&self.shared.written), lost: count(&self.shared.lost) }
    }

    /// Waits until everything that has passed is written. It blocks: call it when everything else is over. Without it, what still
    /// waits when the process ends is lost.
    pub fn finish(&self) -> LogReport {
        let _one = self.finishing.lock().unwrap_or_else(PoisonError::into_inner);
        let (tell, finished) = mpsc::sync_channel(1);
        // The thread lives as long as this does.
        if self.queue.send(Job::Finish(tell)).is_ok() {
            let _ = finished.recv();
        }
        self.report()
    }

    /// Hands a job to the thread, or loses it.
    fn queue(&self, bytes: usize, job: impl FnOnce() -> Job) {
        let queued = &self.shared.queued_bytes;
        if queued.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes) > self.limits.queue_bytes {
            queued.fetch_sub(bytes, Ordering::SeqCst);
            return self.shared.lose(&"too many bytes wait to be written");
        }
        match self.queue.try_send(job()) {
            Ok(()) => self.shared.losing.store(false, Ordering::SeqCst),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                queued.fetch_sub(bytes, Ordering::SeqCst);
                self.shared.lose(&"too many envelopes wait to be written");
            }
        }
    }
}

impl Shared {
    fn lose(&self, reason: &dyn fmt::Display) {
        let lost = self.lost.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        counter!(LOG_LOST).increment(1);
        if !self.losing.swap(true, Ordering::SeqCst) {
            warn!(target: TARGET, parent: None, lost, %reason, "message log loses");
        }
    }
}

impl Observer for MessageLog {
    fn passed(&self, passed: &Passed<'_>) {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let name = Name { number, to_service: passed.status.is_none() };
        let (passed, message) = (passed.number, passed.message);
        self.queue(message.len(), || Job::Wire { passed, name, message: Bytes::copy_from_slice(message) });
    }

    fn wants_opened(&self) -> bool {
        self.opened
    }

    fn opened(&self, opened: &Passed<'_>) {
        let (passed, message) = (opened.number, opened.message);
        self.queue(message.len(), || Job::Opened { passed, message: Bytes::copy_from_slice(message) });
    }
}

impl fmt::Debug for MessageLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, opened, limits, .. } = self;
        let mut shown = f.debug_struct("MessageLog");
        shown.field("folder", folder).field("opened", opened).field("limits", limits).finish_non_exhaustive()
    }
}

/// Envelopes whose names are remembered until they are opened, which is at once.
const RECENT: usize = 4096;

/// The thread that writes.
struct Writer {
    folder: Folder,
    shared: Arc<Shared>,
    recent: VecDeque<(u64, Name)>,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Wire { passed, name, message } => {
                    if self.recent.len() >= RECENT {
                        self.recent.pop_front();
                    }
                    self.recent.push_back((passed, name));
                    self.write(name, "", &message);
                }
                Job::Opened { passed, message } => {
                    let found = self.recent.iter().rev().find(|(number, _)| *number == passed);
                    match found.map(|(_, name)| *name) {
                        Some(name) => self.write(name, ".plain", &message),
                        // Its envelope was lost, too.
                        None => self.done(&message, Some(&"its envelope was lost")),
                    }
                }
                Job::Finish(tell) => drop(tell.send(())),
            }
        }
    }

    fn write(&mut self, name: Name, kind: &'static str, message: &Bytes) {
        let written = self.folder.write(name, kind, message);
        self.done(message, written.as_ref().err().map(|error| error as &dyn fmt::Display));
    }

    fn done(&self, message: &Bytes, problem: Option<&dyn fmt::Display>) {
        self.shared.queued_bytes.fetch_sub(message.len(), Ordering::SeqCst);
        match problem {
            None => drop(self.shared.written.fetch_add(1, Ordering::SeqCst)),
            Some(reason) => self.shared.lose(reason),
        }
    }
}
