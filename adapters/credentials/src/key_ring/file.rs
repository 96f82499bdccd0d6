//! A key ring's file: read with care, replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Key, Loaded, RingError, RingProblem, text};

/// Most bytes of a ring's file: of its keys and as much again for comments.
const MAX_FILE: u64 = 32 * 1024;

/// What tells one version of the file from the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    modified: Option<SystemTime>,
    len: u64,
    /// Device and inode: a file that was replaced is another one.
    identity: (u64, u64),
}

impl Seen {
    fn of(metadata: &fs::Metadata) -> Self {
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt as _;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let identity = (0, 0);
        Self { modified: metadata.modified().ok(), len: metadata.len(), identity }
    }
}

fn failed(doing: &'static str, file: &Path) -> impl FnOnce(io::Error) -> RingError {
    move |error| RingProblem::Io { doing, kind: error.kind() }.of(file)
}

pub(super) fn seen(file: &Path) -> Result<Seen, RingError> {
    Ok(Seen::of(&fs::metadata(file).map_err(failed("read it", file))?))
}

pub(super) fn load(file: &Path) -> Result<Loaded, RingError> {
    let opened = File::open(file).map_err(failed("read it", file))?;
    let metadata = opened.metadata().map_err(failed("read it", file))?;
    private(&metadata).map_err(|problem| problem.of(file))?;
    if metadata.len() > MAX_FILE {
        return Err(RingProblem::Io { doing: "read it", kind: io::ErrorKind::FileTooLarge }.of(file));
    }
    let bytes = crate::read_whole(opened, MAX_FILE).map_err(failed("read it", file))?;
    let keys = text::parse(&bytes).map_err(|problem| problem.of(file))?;
    Ok(Loaded { keys, seen: Some(Seen::of(&metadata)), trouble: None })
}

#[cfg(unix)]
fn private(metadata: &fs::Metadata) -> Result<(), RingProblem> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(RingProblem::Exposed { mode }) }
}

#[cfg(not(unix))]
fn private(_: &fs::Metadata) -> Result<(), RingProblem> {
    Ok(())
}

/// The file beside the ring's with another ending.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Waits until nobody else changes the ring. The lock ends with the file that comes back.
pub(super) fn lock(file: &Path) -> Result<File, RingError> {
    let lock = own(OpenOptions::new().write(true).create(true).truncate(false)).open(beside(file, ".lock"));
    let lock = lock.map_err(failed("make its lock", file))?;
    lock.lock().map_err(failed("lock it", file))?;
    Ok(lock)
}

/// Puts a new file in the place of the old one: whoever reads gets the one or the other, and after a crash too.
pub(super) fn replace(file: &Path, keys: &[Key]) -> Result<(), RingError> {
    let new = beside(file, ".new");
    // Nobody else writes it while we hold the lock: what is there was left by a crash.
    let written = write(&new, keys).and_then(|()| fs::rename(&new, file)).and_then(|()| settle(file));
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        failed("replace it", file)(error)
    })
}

fn write(new: &Path, keys: &[Key]) -> io::Result<()> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = own(OpenOptions::new().write(true).create_new(true)).open(new)?;
    out.write_all(text::write(keys).as_bytes())?;
    out.sync_all()
}

#[cfg(unix)]
fn own(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn own(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// The new name is on the disk too.
#[cfg(unix)]
fn settle(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn settle(_: &Path) -> io::Result<()> {
    Ok(())
}
