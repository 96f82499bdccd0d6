//! The messages of a folder, in the order of the wire.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Which way a message went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    /// Towards the service.
    ClientToServer,
    /// Towards the client.
    ServerToClient,
    /// The file's name does not tell.
    Unknown,
}

impl Way {
    /// The tag of file names; `?` where it is not known.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::ClientToServer => "c2s",
            Self::ServerToClient => "s2c",
            Self::Unknown => "?",
        }
    }
}

/// One message to inspect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageFile {
    /// As the file's name tells it, or counted from 1.
    pub number: u32,
    /// Which way it went.
    pub way: Way,
    /// The file's name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Why a folder cannot be inspected.
#[derive(Debug)]
pub enum FolderError {
    /// It cannot be read.
    Read(PathBuf, io::Error),
    /// There is no message in it.
    Empty(PathBuf),
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(folder, error) => {
                write!(f, "{}: {error}; give a folder that holds recorded messages", folder.display())
            }
            Self::Empty(folder) => write!(
                f,
                "{}: no messages here; they are files named NN-c2s.xml and NN-s2c.xml, or any other *.xml",
                folder.display()
            ),
        }
    }
}

impl std::error::Error for FolderError {}

/// The messages of `folder`: `NN-c2s.xml` and `NN-s2c.xml` by number, the request first; where there is none, every
/// `*.xml` by name. `NN-c2s.rewritten.xml` takes the place of its original: it is what the receiver got.
///
/// # Errors
/// The folder cannot be read, or holds no message.
pub fn messages(folder: &Path) -> Result<Vec<MessageFile>, FolderError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| FolderError::Read(folder.to_owned(), error))? {
        let entry = entry.map_err(|error| FolderError::Read(folder.to_owned(), error))?;
        // A name that is not UTF-8 is no message's.
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    let mut found: Vec<MessageFile> = names.iter().filter_map(|name| numbered(folder, name, &names)).collect();
    found.sort_by_key(|message| (message.number, message.way));
    if found.is_empty() {
        let other = [".plain.xml", ".decoded.xml", ".rewritten.xml"];
        let wire = |name: &&String| name.ends_with(".xml") && !other.iter().any(|end| name.ends_with(end));
        found = (1..)
            .zip(names.iter().filter(wire))
            .map(|(number, name)| MessageFile {
                number,
                way: Way::Unknown,
                name: name.clone(),
                path: folder.join(name),
            })
            .collect();
    }
    if found.is_empty() { Err(FolderError::Empty(folder.to_owned())) } else { Ok(found) }
}

fn numbered(folder: &Path, name: &str, names: &[String]) -> Option<MessageFile> {
    let stem = name.strip_suffix(".xml")?;
    let (number, tag) = stem.split_once('-')?;
    let way = match tag {
        "c2s" => Way::ClientToServer,
        "s2c" => Way::ServerToClient,
        _ => return None,
    };
    let number = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())??;
    let rewritten = format!("{stem}.rewritten.xml");
    let name = if names.contains(&rewritten) { rewritten } else { name.to_owned() };
    Some(MessageFile { number, way, path: folder.join(&name), name })
}
