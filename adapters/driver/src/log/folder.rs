//! The files of a log, and which of them go first.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// Digits that a number is written with, at least: with fewer, a file is none of ours.
const DIGITS: usize = 8;

/// An envelope's place in the order of the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Name {
    pub(super) number: u32,
    pub(super) to_service: bool,
}

impl Name {
    fn file(self, kind: &str) -> String {
        let way = if self.to_service { "c2s" } else { "s2c" };
        format!("{:0DIGITS$}-{way}{kind}.xml", self.number)
    }

    /// The number of a file of a log.
    fn number_in(file: &str) -> Option<u32> {
        let (number, rest) = file.split_once('-')?;
        let ours = matches!(rest, "c2s.xml" | "s2c.xml" | "c2s.plain.xml" | "s2c.plain.xml");
        let digits = number.len() >= DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
        (ours && digits).then(|| number.parse().ok())?
    }
}

/// A folder with so many files and bytes at most.
pub(super) struct Folder {
    path: PathBuf,
    most_files: usize,
    most_bytes: u64,
    /// The oldest first.
    files: VecDeque<(String, u64)>,
    bytes: u64,
    next: u32,
}

impl Folder {
    pub(super) fn open(path: PathBuf, most_files: usize, most_bytes: u64) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(&path)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && let Some(number) = Name::number_in(&name)
            {
                found.push((number, name, entry.metadata()?.len()));
            }
        }
        found.sort();
        let next = found.last().map_or(1, |(number, ..)| number.saturating_add(1));
        let bytes = found.iter().map(|(.., len)| len).sum();
        let files = found.into_iter().map(|(_, name, len)| (name, len)).collect();
        let mut folder = Self { path, most_files, most_bytes, files, bytes, next };
        folder.make_room(0, 0);
        Ok(folder)
    }

    /// The first number that is free.
    pub(super) const fn next(&self) -> u32 {
        self.next
    }

    /// Until `files` more fit, of so many bytes.
    fn make_room(&mut self, files: usize, bytes: u64) {
        while self.files.len().saturating_add(files) > self.most_files
            || self.bytes.saturating_add(bytes) > self.most_bytes
        {
            let Some((name, len)) = self.files.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(len);
            // Somebody else may have been faster. What cannot be removed is counted no more.
            let _ = fs::remove_file(self.path.join(name));
        }
    }

    pub(super) fn write(&mut self, name: Name, kind: &str, message: &[u8]) -> io::Result<()> {
        let len = message.len() as u64;
        if len > self.most_bytes {
            return Err(io::Error::other(format!("it has {len} bytes, and all may have {}", self.most_bytes)));
        }
        self.make_room(1, len);
        let file = name.file(kind);
        let mut options = OpenOptions::new();
        // Never over what is there, and through no link.
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut opened = options.open(self.path.join(&file))?;
        // It is there even if it cannot be written to its end.
        self.files.push_back((file, len));
        self.bytes = self.bytes.saturating_add(len);
        opened.write_all(message)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop")]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_log_are_ours() {
        assert_eq!(Name { number: 7, to_service: true }.file(".plain"), "00000007-c2s.plain.xml");
        for (file, number) in [
            ("00000007-c2s.xml", Some(7)),
            ("4294967295-s2c.plain.xml", Some(u32::MAX)),
            ("01-c2s.xml", None),
            ("00000007-c2s.rewritten.xml", None),
            ("0000000x-c2s.xml", None),
            ("99999999999-c2s.xml", None),
        ] {
            assert_eq!(Name::number_in(file), number, "{file}");
        }
    }
}
