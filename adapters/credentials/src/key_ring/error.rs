//! What can be wrong with a key ring's file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::MAX_KEYS;

/// A key ring that cannot be used or changed, and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingError {
    file: PathBuf,
    problem: RingProblem,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingProblem {
    /// An operation of the file system failed.
    Io {
        /// What was tried.
        doing: &'static str,
        /// What came of it.
        kind: io::ErrorKind,
    },
    /// Others than the owner may read or write the file.
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
    /// A line is not what it should be.
    Damaged {
        /// Its number, from 1.
        line: usize,
    },
    /// Two keys have the same number.
    Repeated {
        /// The number.
        number: u64,
    },
    /// There are [`MAX_KEYS`] keys, all of which still open cookies.
    TooManyKeys,
    /// No key has this number.
    NoSuchKey {
        /// The number.
        number: u64,
    },
    /// The only key cannot be removed.
    LastKey,
    /// The service has to have a name, or its cookies would be anybody's.
    NoService,
    /// The operating system gave no randomness.
    NoRandomness,
}

impl RingProblem {
    pub(super) fn of(self, file: &Path) -> RingError {
        RingError { file: file.to_path_buf(), problem: self }
    }
}

impl RingError {
    /// The ring's file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What is wrong with it.
    pub fn problem(&self) -> RingProblem {
        self.problem
    }
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        match self.problem {
            RingProblem::Io { doing, kind } => write!(f, "cannot {doing}: {kind}"),
            RingProblem::Exposed { mode } => {
                write!(f, "others than its owner may read or write it (mode {mode:04o}): chmod 600, then rotate")
            }
            RingProblem::Damaged { line } => write!(f, "line {line} is not one of a key ring"),
            RingProblem::Repeated { number } => write!(f, "the key {number:016x} is there twice"),
            RingProblem::TooManyKeys => {
                write!(f, "{MAX_KEYS} keys still open cookies: wait for one to end, or remove one")
            }
            RingProblem::NoSuchKey { number } => write!(f, "there is no key {number:016x}"),
            RingProblem::LastKey => f.write_str("the only key cannot be removed: rotate first"),
            RingProblem::NoService => f.write_str("the service needs a name to bind its cookies to"),
            RingProblem::NoRandomness => f.write_str("the operating system gave no randomness"),
        }
    }
}

impl std::error::Error for RingError {}
