//! Why a certificate or a key could not be loaded.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use soap_session_core::secure::CertificateProblem;

/// A certificate or key that cannot be used, and the file it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    file: Option<PathBuf>,
    problem: LoadProblem,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadProblem {
    /// The file cannot be read.
    Read(io::ErrorKind),
    /// The file is longer than [`crate::MAX_FILE`] bytes.
    TooLong,
    /// The PEM armour is broken: a line that is no base64, or a section without an end.
    BadPem,
    /// There is no `CERTIFICATE` section.
    NoCertificate,
    /// There is no `PRIVATE KEY` or `RSA PRIVATE KEY` section. An encrypted key does not count: decrypt it first.
    NoPrivateKey,
    /// The bytes are not an X.509 certificate that RFC 5280 allows.
    BadCertificate,
    /// The bytes are not an RSA private key in PKCS#8 or PKCS#1 form.
    BadPrivateKey,
    /// The key is not an RSA key.
    NotRsa,
    /// The RSA modulus is shorter than this use allows.
    KeyTooSmall {
        /// Bits of the modulus; 0 if not known.
        bits: u32,
        /// Fewest bits allowed.
        minimum: u32,
    },
    /// The RSA modulus is longer than allowed.
    KeyTooLarge {
        /// Bits of the modulus; 0 if not known.
        bits: u32,
        /// Most bits allowed.
        maximum: u32,
    },
    /// The private key does not belong to the certificate beside it.
    KeyOfAnotherCertificate,
    /// The password does not open the PKCS#12 file, or the file was changed since it was written.
    WrongPassword,
    /// The bytes are not a PKCS#12 file.
    BadPkcs12,
    /// The PKCS#12 file is encrypted or authenticated in a way that is not supported.
    UnsupportedPkcs12,
    /// The PKCS#12 file has no private key in it.
    NoKeyInPkcs12,
    /// The PKCS#12 file has more than one private key in it.
    SeveralKeysInPkcs12,
    /// The bytes are not a certificate revocation list (DER) that RFC 5280 allows, or one for some reasons or changes only.
    BadRevocationList,
    /// The service's certificate is not accepted.
    NotAccepted(CertificateProblem),
    /// The operating system gave no randomness.
    NoRandomness,
}

impl LoadError {
    pub(crate) fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_path_buf());
        self
    }

    /// The file it came from, if it came from one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// What is wrong with it.
    pub fn problem(&self) -> LoadProblem {
        self.problem
    }
}

impl From<LoadProblem> for LoadError {
    fn from(problem: LoadProblem) -> Self {
        Self { file: None, problem }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        match self.problem {
            LoadProblem::Read(kind) => write!(f, "cannot be read: {kind}"),
            LoadProblem::TooLong => write!(f, "longer than {} bytes: not a certificate or key file", crate::MAX_FILE),
            LoadProblem::BadPem => f.write_str("the PEM text is damaged"),
            LoadProblem::NoCertificate => f.write_str("no CERTIFICATE section found"),
            LoadProblem::NoPrivateKey => {
                f.write_str("no unencrypted PRIVATE KEY or RSA PRIVATE KEY section found; decrypt the key first")
            }
            LoadProblem::BadCertificate => f.write_str("not an X.509 certificate that RFC 5280 allows"),
            LoadProblem::BadPrivateKey => f.write_str("not an RSA private key in PKCS#8 or PKCS#1 form"),
            LoadProblem::NotRsa => f.write_str("the key is not an RSA key; only RSA is supported"),
            LoadProblem::KeyTooSmall { bits: 0, minimum } => {
                write!(f, "the RSA key is too short; at least {minimum} bits are needed here")
            }
            LoadProblem::KeyTooSmall { bits, minimum } => {
                write!(f, "the RSA key has {bits} bits; at least {minimum} are needed here")
            }
            LoadProblem::KeyTooLarge { bits: 0, maximum } => {
                write!(f, "the RSA key is too long; at most {maximum} bits are allowed")
            }
            LoadProblem::KeyTooLarge { bits, maximum } => {
                write!(f, "the RSA key has {bits} bits; at most {maximum} are allowed")
            }
            LoadProblem::KeyOfAnotherCertificate => {
                f.write_str("the private key does not belong to the certificate it was given with")
            }
            LoadProblem::WrongPassword => {
                f.write_str("the password does not open the PKCS#12 file, or the file is damaged")
            }
            LoadProblem::BadPkcs12 => f.write_str("not a PKCS#12 file, or a damaged one"),
            LoadProblem::UnsupportedPkcs12 => f.write_str(
                "the PKCS#12 file is protected in a way that is not supported; export it again with AES-256 or Triple-DES",
            ),
            LoadProblem::NoKeyInPkcs12 => {
                f.write_str("the PKCS#12 file has no private key in it; export the certificate with its key")
            }
            LoadProblem::SeveralKeysInPkcs12 => {
                f.write_str("the PKCS#12 file has more than one private key in it; export the one that is meant")
            }
            LoadProblem::BadRevocationList => {
                f.write_str("not a certificate revocation list that RFC 5280 allows; whole lists in DER are read")
            }
            LoadProblem::NotAccepted(problem) => write!(f, "the service's certificate {problem}"),
            LoadProblem::NoRandomness => f.write_str("the operating system gave no randomness"),
        }
    }
}

impl std::error::Error for LoadError {}
