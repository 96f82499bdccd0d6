//! Signatures with a private key: RSA, PKCS#1 v1.5.
//!
//! aws-lc does both; `aws-lc-rs` wraps signing with SHA-256 only, [`soap_session_rsa_sha1`] the other.

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use zeroize::Zeroizing;

use crate::error::LoadProblem;
use soap_session_core::crypto::AsymmetricSignature;
use soap_session_core::secure::CredentialError;

/// A private key in the two forms in which it signs.
pub(crate) struct SigningKey {
    pair: KeyPair,
    /// PKCS#8, as the other wants it.
    pkcs8: Zeroizing<Vec<u8>>,
}

impl SigningKey {
    /// Reads PKCS#8.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, LoadProblem> {
        Ok(Self {
            pair: KeyPair::from_pkcs8(der).map_err(|_| LoadProblem::BadPrivateKey)?,
            pkcs8: Zeroizing::new(der.to_vec()),
        })
    }

    /// Signs `digest` and returns the signature's length, in bytes: the modulus'.
    pub(crate) fn sign(
        &self,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        let needed = self.pair.public_modulus_len();
        let out = out.get_mut(..needed).ok_or(CredentialError::Room { needed })?;
        match algorithm {
            AsymmetricSignature::RsaSha256 => {
                let digest = Digest::import_less_safe(digest, &SHA256).map_err(|_| CredentialError::Unsupported)?;
                self.pair.sign_digest(&RSA_PKCS1_SHA256, &digest, out).map_err(|_| CredentialError::Unsupported)?;
            }
            AsymmetricSignature::RsaSha1 => {
                let digest = digest.try_into().map_err(|_| CredentialError::Unsupported)?;
                let made = soap_session_rsa_sha1::sign(&self.pkcs8, digest, out);
                return made.filter(|len| *len == needed).ok_or(CredentialError::Unsupported);
            }
        }
        Ok(needed)
    }
}
