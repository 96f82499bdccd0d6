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
    /// Messages with a body, but without a `Security` header: unsecured faults.
    pub unsecured: usize,
    /// Messages whose decrypted form is kept.
    pub decrypted: usize,
}

/// The names of a family's recordings, such as `wcf/sc-anon`, in order.
///
/// # Errors
/// The folder cannot be read.
pub fn directories(family: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(vectors_root().join(family))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(format!("{family}/{}", entry.file_name().to_string_lossy()));
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
