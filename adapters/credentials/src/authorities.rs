//! Whom a TLS connection trusts.

use std::path::Path;
use std::time::SystemTime;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};
use x509_cert::der::Decode as _;

use crate::{LoadError, LoadProblem, read_file};

/// Certificates that are trusted: authorities that issue others, or the very ones that peers have.
///
/// Nobody is trusted who was not added. What the system trusts is not looked for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Authorities {
    certificates: Vec<Vec<u8>>,
}

impl Authorities {
    /// Reads files that hold certificates, as PEM (any number) or DER (one).
    ///
    /// # Errors
    /// [`LoadError`]; it names the file.
    pub fn from_files<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Result<Self, LoadError> {
        let mut authorities = Self::default();
        for file in files {
            let file = file.as_ref();
            let bytes = read_file(file)?;
            authorities.certificates.extend(certificates(&bytes).map_err(|error| error.in_file(file))?);
        }
        Ok(authorities)
    }

    /// Reads certificates, as PEM (any number) or DER (one).
    ///
    /// # Errors
    /// [`LoadProblem::BadPem`], [`LoadProblem::NoCertificate`] or [`LoadProblem::BadCertificate`].
    pub fn from_pem(bytes: &[u8]) -> Result<Self, LoadError> {
        Ok(Self { certificates: certificates(bytes)? })
    }

    /// The certificates, as DER.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().map(Vec::as_slice)
    }

    /// Nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// Was this very certificate added, whatever it is, and is it valid at `now`?
    pub fn include(&self, certificate: &[u8], now: SystemTime) -> bool {
        self.certificates.iter().any(|added| added == certificate)
            && x509_cert::Certificate::from_der(certificate).is_ok_and(|parsed| {
                let validity = parsed.tbs_certificate().validity();
                (validity.not_before.to_system_time()..=validity.not_after.to_system_time()).contains(&now)
            })
    }
}

impl std::fmt::Debug for Authorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authorities({})", self.certificates.len())
    }
}

/// All certificates of a PEM text, or the one that is DER. At least one.
pub(crate) fn certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, LoadError> {
    let found = if bytes.starts_with(&[0x30]) {
        vec![bytes.to_vec()]
    } else {
        let items = CertificateDer::pem_slice_iter(bytes).map(|item| item.map(|der| der.to_vec()));
        items.collect::<Result<Vec<_>, pem::Error>>().map_err(|_| LoadProblem::BadPem)?
    };
    if found.is_empty() {
        return Err(LoadProblem::NoCertificate.into());
    }
    if found.iter().any(|der| x509_cert::Certificate::from_der(der).is_err()) {
        return Err(LoadProblem::BadCertificate.into());
    }
    Ok(found)
}
