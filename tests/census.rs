//! How many messages there are, so that a test over the recordings cannot pass by finding none.

use std::{fs, io};

use crate::recording::{Recording, vectors_root};

/// The folders of `vectors/` that hold recordings.
pub const FAMILIES: [&str; 4] = ["gsoap", "wcf", "wcf-stories", "wss4j"];

/// What one recording holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Census {
    /// Its name under `vectors/`.
    pub name: String,
    /// Messages of any kind, empty bodies included.
    pub messages: usize,
    /// Messages with a `Security` header.
    pub secured: usize,
    /// Messages with a body, but without a `Security` header: in a secured recording, the unsecured faults.
    pub unsecured: usize,
    /// Messages whose decrypted form is kept.
    pub decrypted: usize,
}

/// The names of a family's recordings, such as `wcf/sc-anon`, in order: those that keep envelopes as they were sent. (The
/// stories over net.tcp in binary keep only their text form.)
///
/// # Errors
/// The folder cannot be read.
pub fn directories(family: &str) -> io::Result<Vec<String>> {
    folders(family, |file| file.strip_suffix(".xml").is_some_and(|stem| !stem.contains('.')))
}

/// Those of [`directories`] that are secured: the secrets stand beside the messages.
///
/// # Errors
/// The folder cannot be read.
pub fn secured(family: &str) -> io::Result<Vec<String>> {
    folders(family, |file| file == "keys.json" || file == "SECRETS.txt")
}

/// The folders of a family that hold a file like this.
pub(crate) fn folders(family: &str, wanted: fn(&str) -> bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(vectors_root().join(family))? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(entry.path())? {
            if wanted(&file?.file_name().to_string_lossy()) {
                names.push(format!("{family}/{}", entry.file_name().to_string_lossy()));
                break;
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Counts every recording of every family.
///
/// # Errors
/// A recording cannot be opened.
pub fn census() -> io::Result<Vec<Census>> {
    let mut out = Vec::new();
    for family in FAMILIES {
        for name in directories(family)? {
            let recording = Recording::open(&name)?;
            let of = |test: fn(&crate::Message) -> bool| recording.messages.iter().filter(|m| test(m)).count();
            out.push(Census {
                messages: recording.messages.len(),
                secured: of(|m| m.is_secured()),
                unsecured: of(|m| !m.bytes.is_empty() && !m.is_secured()),
                decrypted: of(|m| m.plain.is_some()),
                name,
            });
        }
    }
    Ok(out)
}
