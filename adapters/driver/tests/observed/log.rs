//! The message log: what it keeps, and what goes.

use soap_session_core::exchange::Exchange;
use soap_session_driver::{LogLimits, MessageLog, Observer, Passed, Way};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder that is gone afterwards.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("soap-session-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The names of all files, and their bytes together.
fn files(folder: &Scratch) -> (Vec<String>, u64) {
    let entries: Vec<fs::DirEntry> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    let bytes = entries.iter().map(|entry| entry.metadata().unwrap().len()).sum();
    let mut names: Vec<String> = entries.iter().map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    (names, bytes)
}

fn pass(log: &MessageLog, number: u64, status: Option<u16>, message: &[u8]) {
    let (way, exchange) = (Way::Received, Exchange(1));
    log.passed(&Passed { number, way, status, message, exchange });
}

#[test]
fn the_oldest_files_go_first() {
    let folder = Scratch::new("rolling");
    let limits = LogLimits { files: 3, bytes: 50, ..LogLimits::default() };
    let log = MessageLog::new(&folder, limits).unwrap();
    for number in 0..5 {
        pass(&log, number, (number % 2 == 1).then_some(200), b"<ten/>....");
    }
    assert_eq!(log.finish().written, 5);
    assert_eq!(files(&folder).0, ["00000003-c2s.xml", "00000004-s2c.xml", "00000005-c2s.xml"]);
    // 35 bytes leave room for one of ten.
    pass(&log, 5, None, &[b' '; 35]);
    log.finish();
    assert_eq!(files(&folder), (vec!["00000005-c2s.xml".to_owned(), "00000006-c2s.xml".to_owned()], 45));
    // What is longer than everything may be is lost, and takes nothing with it.
    pass(&log, 6, None, &[b' '; 51]);
    let report = log.finish();
    assert_eq!((report.written, report.lost), (6, 1));
    assert_eq!(files(&folder).0.len(), 2);
    drop(log);

    // Another's file stays; the numbers go on.
    fs::write(folder.as_ref().join("01-c2s.xml"), "<recorded/>").unwrap();
    let log = MessageLog::new(&folder, LogLimits { files: 2, ..limits }).unwrap();
    pass(&log, 7, Some(202), b"");
    log.finish();
    assert_eq!(files(&folder).0, ["00000006-c2s.xml", "00000007-s2c.xml", "01-c2s.xml"]);
}

#[test]
fn what_comes_too_fast_is_counted_and_not_waited_for() {
    let folder = Scratch::new("flood");
    let log = MessageLog::new(&folder, LogLimits { queue: 4, queue_bytes: 100, ..LogLimits::default() }).unwrap();
    // Never: more than may wait at a time.
    pass(&log, 0, None, &[b' '; 101]);
    assert_eq!(log.finish().lost, 1);
    for number in 1..=2000 {
        pass(&log, number, None, &[b' '; 30]);
    }
    let report = log.finish();
    assert_eq!(report.written + report.lost, 2001);
    assert_eq!(u64::try_from(files(&folder).0.len()).unwrap(), report.written);
    assert!(report.lost > 1, "a file is not written as fast as memory is copied: {report}");
}

#[test]
fn opened_envelopes_lie_beside_theirs() {
    let folder = Scratch::new("opened");
    let log = MessageLog::new(&folder, LogLimits::default()).unwrap().with_opened();
    assert!(log.wants_opened());
    pass(&log, 10, None, b"<sealed/>");
    pass(&log, 11, Some(200), b"<other/>");
    let (way, exchange) = (Way::Received, Exchange(1));
    log.opened(&Passed { number: 10, way, status: None, message: b"<opened/>", exchange });
    log.finish();
    assert_eq!(files(&folder).0, ["00000001-c2s.plain.xml", "00000001-c2s.xml", "00000002-s2c.xml"]);
    assert_eq!(fs::read(folder.as_ref().join("00000001-c2s.plain.xml")).unwrap(), b"<opened/>");
    #[cfg(unix)]
    for name in files(&folder).0 {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(folder.as_ref().join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
