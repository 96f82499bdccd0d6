//! X.509 certificates, RSA keys and users for soap-session.
//!
//! [`CredentialStore`] answers what the core asks of its [`Credentials`]: unwrap the key that a client made for the
//! service's certificate, wrap one for it, verify a client's endorsing signature, check a user. RSA is done by aws-lc;
//! nothing here is asynchronous, and nothing is remembered between calls.
//!
//! [`Identity`] is a certificate with its key as files bring it, PEM or PKCS#12; [`Authorities`] are whom TLS trusts.
//!
//! [`KeyRing`] seals the cookies of tokens that carry their conversation's state.

mod authorities;
mod certificate;
mod error;
mod identity;
mod key_ring;
mod name;
mod private_key;
mod service_identity;
mod signing;
mod store;
mod validation;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

pub use authorities::Authorities;
pub use certificate::{Certificate, MAX_KEY_BITS, MIN_SIGNING_KEY_BITS, MIN_TRANSPORT_KEY_BITS};
pub use error::{LoadError, LoadProblem};
pub use identity::Identity;
pub use key_ring::{KeyFacts, KeyRing, MAX_KEYS, RingError, RingProblem, Rotation};
pub use private_key::PrivateKey;
pub use service_identity::ServiceIdentity;
pub use soap_session_core::crypto::{AsymmetricSignature, KeyTransport};
pub use soap_session_core::secure::{
    CertificateProblem, CertificateReference, CredentialError, Credentials, OwnCertificate, StateEncoder, StateError,
};
pub use store::{CredentialStore, UserCheck};
pub use validation::{CertificateCheck, CertificateValidation};

/// Most bytes of a certificate or key file.
pub const MAX_FILE: u64 = 1 << 20;

/// 32 bytes of the operating system's randomness: the seed of one machine.
///
/// # Errors
/// The operating system gives none.
pub fn random_seed() -> Result<[u8; 32], LoadError> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| LoadProblem::NoRandomness)?;
    Ok(seed)
}

/// Reads a whole small file into memory that is wiped afterwards.
fn read_file(file: &Path) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    let problem = |error: io::Error| LoadError::from(LoadProblem::Read(error.kind())).in_file(file);
    let opened = File::open(file).map_err(problem)?;
    let length = opened.metadata().map_err(problem)?.len();
    if length > MAX_FILE {
        return Err(LoadError::from(LoadProblem::TooLong).in_file(file));
    }
    read_whole(opened, MAX_FILE).map_err(problem)
}

/// Reads at most `limit` bytes of a file into memory that is wiped afterwards.
fn read_whole(opened: File, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let length = opened.metadata()?.len().min(limit);
    // Enough at once: a vector that grows leaves unwiped copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0).saturating_add(1)));
    opened.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
