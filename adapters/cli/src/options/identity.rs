//! A certificate with its key, from the files that were named.

use super::password;
use crate::trouble::Trouble;
use soap_session_credentials::LoadProblem;
use soap_session_tokio::tls::Identity;
use std::path::Path;

/// The options that name the files, and what they name: of PEM, or of PKCS#12.
pub(crate) struct IdentityFiles<'a> {
    pub(crate) certificate: (&'static str, Option<&'a Path>),
    pub(crate) key: (&'static str, Option<&'a Path>),
    pub(crate) pkcs12: (&'static str, Option<&'a Path>),
    pub(crate) password: Option<&'a Path>,
}

impl IdentityFiles<'_> {
    /// The options, to be told.
    pub(crate) fn names(&self) -> String {
        format!("{} and {}, or {} and {}-password-file", self.certificate.0, self.key.0, self.pkcs12.0, self.pkcs12.0)
    }

    /// Was any named?
    pub(crate) const fn is_named(&self) -> bool {
        self.certificate.1.is_some() || self.pkcs12.1.is_some()
    }

    /// Reads them. `None`: none was named.
    pub(crate) fn load(&self) -> Result<Option<Identity>, Trouble> {
        let Self { certificate: (certificate, first), key: (key, second), pkcs12: (pkcs12, third), .. } = *self;
        let (loaded, option) = match (first, second, third, self.password) {
            (Some(first), Some(second), ..) => {
                (Identity::from_pem_files(first, second), format!("{certificate} and {key}"))
            }
            (_, _, Some(file), Some(secret)) => {
                let password = password(secret).map_err(|error| error.about(format_args!("{pkcs12}-password-file")))?;
                (Identity::from_pkcs12_file(file, &password), pkcs12.to_owned())
            }
            _ => return Ok(None),
        };
        loaded.map(Some).map_err(|error| {
            let hint = match error.problem() {
                LoadProblem::BadPkcs12 => format!("; PEM files are given by {certificate} and {key}"),
                LoadProblem::BadCertificate | LoadProblem::NoCertificate | LoadProblem::BadPrivateKey
                    if third.is_none() =>
                {
                    format!("; a PKCS#12 file is given by {pkcs12}")
                }
                _ => String::new(),
            };
            Trouble::usage(format_args!("{error}{hint}")).about(option)
        })
    }
}
