//! One recorded conversation: its messages in the order of the wire.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::secrets::Secrets;

/// The folder `tests/vectors` of this repository.
pub fn vectors_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// Which way a message went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// From the client to the service.
    ClientToServer,
    /// From the service to the client.
    ServerToClient,
}

impl Direction {
    /// The tag that file names and `times.tsv` carry.
    pub fn tag(self) -> &'static str {
        match self {
            Self::ClientToServer => "c2s",
            Self::ServerToClient => "s2c",
        }
    }

    fn of_tag(tag: &str) -> Option<Self> {
        match tag {
            "c2s" => Some(Self::ClientToServer),
            "s2c" => Some(Self::ServerToClient),
            _ => None,
        }
    }
}

/// The first line of an HTTP head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StartLine {
    /// A request, with its method and target.
    Request {
        /// `POST` in every recording.
        method: String,
        /// The path.
        target: String,
    },
    /// An answer, with its status.
    Status(u16),
}

/// The HTTP head that went with a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// Request or status line.
    pub start: StartLine,
    /// Names in lower case, values trimmed, in order.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Reads a head; `None` if its first line is not one of HTTP/1.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut first = lines.next()?.split_whitespace();
        let (a, b) = (first.next()?, first.next()?);
        let start = if a.starts_with("HTTP/") {
            StartLine::Status(b.parse().ok()?)
        } else {
            StartLine::Request { method: a.to_owned(), target: b.to_owned() }
        };
        let fields = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self { start, fields })
    }

    /// The first field of this name; give it in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// `Content-Type`, if there is one (a 202 has none).
    pub fn content_type(&self) -> Option<&str> {
        self.field("content-type")
    }

    /// The status of an answer.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Status(status) => Some(status),
            StartLine::Request { .. } => None,
        }
    }
}

/// One message of a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Its number on the wire. Numbers rise, but frames of net.tcp that carry no envelope leave gaps.
    pub number: u32,
    /// Which way it went. (WSS4J files that stand alone count as [`Direction::ClientToServer`].)
    pub direction: Direction,
    /// The file's name, by which `keys.json` knows it.
    pub file: String,
    /// The body as its sender wrote it. Empty for a 202.
    pub bytes: Vec<u8>,
    /// The body as the other end got it, where the proxy changed it.
    pub rewritten: Option<Vec<u8>>,
    /// The HTTP head; net.tcp has none.
    pub head: Option<Head>,
    /// The decrypted envelope, over whose bytes the signatures verify.
    pub plain: Option<Vec<u8>>,
    /// Milliseconds since the story began, where a story tells times.
    pub time_ms: Option<u64>,
    /// The connection's name in `times.tsv`: a digit, or `3d` for a copy that the proxy made, or `cb1` for a callback.
    pub connection: Option<String>,
    /// What the proxy did to it, in the words of `times.tsv`; empty if nothing.
    pub proxy: String,
}

impl Message {
    /// What the receiver got: [`Self::rewritten`] if the proxy changed it, else [`Self::bytes`].
    pub fn received(&self) -> &[u8] {
        self.rewritten.as_deref().unwrap_or(&self.bytes)
    }

    /// Whether the body carries a `Security` header of WS-Security 1.0, found by its start tag.
    pub fn is_secured(&self) -> bool {
        let text = String::from_utf8_lossy(&self.bytes);
        text.split('<').any(|tag| {
            let name = tag.split([' ', '>', '/', '\t', '\r', '\n']).next().unwrap_or_default();
            name.rsplit(':').next() == Some("Security") && !tag.starts_with('/')
        })
    }
}

/// One folder of `vectors/`.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Its name under `vectors/`, such as `wcf/sc-anon`.
    pub name: String,
    /// The messages, by number.
    pub messages: Vec<Message>,
    folder: PathBuf,
}

impl Recording {
    /// Opens a folder by its name under `vectors/`.
    ///
    /// # Errors
    /// The folder or one of its files cannot be read, or a file's name or head is not what `vectors/README.md` says.
    pub fn open(name: &str) -> io::Result<Self> {
        let folder = vectors_root().join(name);
        let times = times(&folder)?;
        let mut names: Vec<String> = fs::read_dir(&folder)?
            .map(|e| Ok(e?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()?;
        names.sort();
        let mut messages = Vec::new();
        for file in names.iter().filter(|n| n.ends_with(".xml")) {
            let stem = file.trim_end_matches(".xml");
            if stem.contains('.') {
                continue; // `.plain` and `.rewritten` belong to a message
            }
            let (number, direction) = match stem.split_once('-') {
                Some((n, tag)) if n.bytes().all(|b| b.is_ascii_digit()) => (
                    n.parse().map_err(|e| bad(file, e))?,
                    Direction::of_tag(tag).ok_or_else(|| bad(file, "which way?"))?,
                ),
                // WSS4J: `signenc-1024.xml` stands alone; the number is the size of its payload.
                Some((_, size)) => (size.parse().map_err(|e| bad(file, e))?, Direction::ClientToServer),
                None => return Err(bad(file, "no number")),
            };
            let head = optional(&folder.join(format!("{stem}.head")))?
                .or(optional(&folder.join(format!("{stem}.http.txt")))?)
                .map(|raw| Head::parse(&String::from_utf8_lossy(&raw)).ok_or_else(|| bad(file, "head")))
                .transpose()?;
            let (time_ms, connection, proxy) = match times.get(stem) {
                Some((ms, connection, proxy)) => (Some(*ms), Some(connection.clone()), proxy.clone()),
                None => (None, None, String::new()),
            };
            messages.push(Message {
                number,
                direction,
                bytes: fs::read(folder.join(file))?,
                rewritten: optional(&folder.join(format!("{stem}.rewritten.xml")))?,
                plain: optional(&folder.join(format!("{stem}.plain.xml")))?,
                file: file.clone(),
                head,
                time_ms,
                connection,
                proxy,
            });
        }
        messages.sort_by(|a, b| (a.number, a.direction, &a.file).cmp(&(b.number, b.direction, &b.file)));
        if messages.is_empty() {
            return Err(bad(name, "holds no message"));
        }
        Ok(Self { name: name.to_owned(), messages, folder })
    }

    /// The message of this number and way.
    pub fn message(&self, number: u32, direction: Direction) -> Option<&Message> {
        self.messages.iter().find(|m| m.number == number && m.direction == direction)
    }

    /// What the client sent, in order.
    pub fn requests(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|m| m.direction == Direction::ClientToServer)
    }

    /// What the service sent, in order.
    pub fn replies(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|m| m.direction == Direction::ServerToClient)
    }

    /// The secrets of a WCF case, from its `keys.json`.
    ///
    /// # Errors
    /// There is no such file, or it is not what `vectors/README.md` says.
    pub fn secrets(&self) -> io::Result<Secrets> {
        Secrets::parse(&fs::read(self.folder.join("keys.json"))?).map_err(|e| bad(&self.name, e))
    }
}

fn bad(file: &str, why: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{file}: {why}"))
}

fn optional(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

type Times = BTreeMap<String, (u64, String, String)>;

/// `times.tsv`: NN, way, connection, ms, status, action, proxy. Only stories have one.
fn times(folder: &Path) -> io::Result<Times> {
    let Some(raw) = optional(&folder.join("times.tsv"))? else { return Ok(Times::new()) };
    let text = String::from_utf8_lossy(&raw);
    let mut times = Times::new();
    for line in text.lines().skip(1) {
        let mut cells = line.split('\t');
        let (Some(number), Some(tag), Some(connection), Some(ms)) =
            (cells.next(), cells.next(), cells.next(), cells.next())
        else {
            return Err(bad("times.tsv", line));
        };
        let ms = ms.parse().map_err(|e| bad("times.tsv", e))?;
        let proxy = cells.nth(2).unwrap_or_default();
        times.insert(format!("{number}-{tag}"), (ms, connection.to_owned(), proxy.to_owned()));
    }
    Ok(times)
}
