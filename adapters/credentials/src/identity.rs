//! A certificate with its key, from the files that people have.

use std::fmt;
use std::path::Path;

use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _,
};
use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as Pkcs12Error;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use x509_cert::der::Decode as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::authorities::certificates;
use crate::{Certificate, LoadError, LoadProblem, PrivateKey, read_file};

/// Who we are: a certificate, those between it and an authority, and its private key. For TLS the key may be of RSA or of an
/// elliptic curve; messages want RSA.
///
/// The key is wiped when this is dropped, and never printed.
pub struct Identity {
    /// DER, our own first.
    chain: Vec<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    Pkcs1,
    Pkcs8,
    Sec1,
}

impl Identity {
    /// Reads PEM or DER files: one with our certificate first and those that issued it behind, one with an unencrypted key in PKCS#8,
    /// PKCS#1 or SEC 1 form. A PEM file that holds both may be given twice.
    ///
    /// # Errors
    /// [`LoadError`]; it names the file.
    pub fn from_pem_files(certificates: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, LoadError> {
        let (certificate_file, key_file) = (certificates.as_ref(), key.as_ref());
        let chain = read_file(certificate_file)
            .and_then(|bytes| self::certificates(&bytes).map_err(|error| error.in_file(certificate_file)))?;
        let bytes = read_file(key_file)?;
        Self::of_chain(chain, &bytes).map_err(|error| error.in_file(key_file))
    }

    /// As [`from_pem_files`](Self::from_pem_files), of what is in the files. The caller wipes `key`.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, LoadError> {
        Self::of_chain(self::certificates(certificates)?, key)
    }

    /// Reads a PKCS#12 file (`.pfx`, `.p12`) with one private key and its certificate.
    ///
    /// # Errors
    /// [`LoadError`]; it names the file.
    pub fn from_pkcs12_file(file: impl AsRef<Path>, password: &str) -> Result<Self, LoadError> {
        let file = file.as_ref();
        let bytes = read_file(file)?;
        Self::from_pkcs12(&bytes, password).map_err(|error| error.in_file(file))
    }

    /// As [`from_pkcs12_file`](Self::from_pkcs12_file), of what is in the file.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn from_pkcs12(bytes: &[u8], password: &str) -> Result<Self, LoadError> {
        // The library keeps copies of the key that it does not wipe; they are gone when this returns, but were there.
        let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| pkcs12_problem(&error))?;
        let key = match archive.keys.as_slice() {
            [one] => Zeroizing::new(one.key.as_der().to_vec()),
            [] => return Err(LoadProblem::NoKeyInPkcs12.into()),
            _ => return Err(LoadProblem::SeveralKeysInPkcs12.into()),
        };
        let public = public_key(&key)?;
        // Nothing but the key itself says reliably which of the certificates is ours.
        let mut chain: Vec<Vec<u8>> = archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect();
        let own = chain.iter().position(|der| certified_key(der).is_ok_and(|key| key == public));
        match own {
            Some(own) => chain.swap(0, own),
            None if chain.is_empty() => return Err(LoadProblem::NoCertificate.into()),
            None => return Err(LoadProblem::KeyOfAnotherCertificate.into()),
        }
        Ok(Self { chain, key, form: Form::Pkcs8 })
    }

    fn of_chain(chain: Vec<Vec<u8>>, key: &[u8]) -> Result<Self, LoadError> {
        // DER starts with a SEQUENCE, a PEM text never does.
        let mut der = if key.starts_with(&[0x30]) {
            PrivateKeyDer::try_from(key.to_vec()).map_err(|_| LoadProblem::BadPrivateKey)?
        } else {
            PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
                pem::Error::NoItemsFound => LoadProblem::NoPrivateKey,
                _ => LoadProblem::BadPem,
            })?
        };
        let form = match &der {
            PrivateKeyDer::Pkcs1(_) => Form::Pkcs1,
            PrivateKeyDer::Sec1(_) => Form::Sec1,
            _ => Form::Pkcs8,
        };
        let key = Zeroizing::new(der.secret_der().to_vec());
        der.zeroize();
        let own = chain.first().ok_or(LoadProblem::NoCertificate)?;
        if public_key(&key)? != certified_key(own)? {
            return Err(LoadProblem::KeyOfAnotherCertificate.into());
        }
        Ok(Self { chain, key, form })
    }

    /// Our certificate, for messages.
    ///
    /// # Errors
    /// As [`Certificate::from_der`]: [`LoadProblem::NotRsa`] for one that is good for TLS only.
    pub fn certificate(&self) -> Result<Certificate, LoadError> {
        Certificate::from_der(self.chain.first().ok_or(LoadProblem::NoCertificate)?)
    }

    /// Our key, for messages.
    ///
    /// # Errors
    /// As [`PrivateKey::from_der`], and [`LoadProblem::NotRsa`] for one that is good for TLS only.
    pub fn private_key(&self) -> Result<PrivateKey, LoadError> {
        match self.form {
            Form::Sec1 => Err(LoadProblem::NotRsa.into()),
            Form::Pkcs8 | Form::Pkcs1 => PrivateKey::from_der(&self.key),
        }
    }

    /// The certificates as DER, our own first.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.chain.iter().map(Vec::as_slice)
    }

    /// The key, for a TLS library. Nobody but such a library has to see it.
    pub fn key_der(&self) -> PrivateKeyDer<'_> {
        match self.form {
            Form::Pkcs1 => PrivatePkcs1KeyDer::from(self.key.as_slice()).into(),
            Form::Pkcs8 => PrivatePkcs8KeyDer::from(self.key.as_slice()).into(),
            Form::Sec1 => PrivateSec1KeyDer::from(self.key.as_slice()).into(),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

/// The public half of a private key, as a certificate's `subjectPublicKey` has it.
fn public_key(key: &[u8]) -> Result<Vec<u8>, LoadProblem> {
    for curve in [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING, &ECDSA_P521_SHA512_ASN1_SIGNING] {
        if let Ok(pair) = EcdsaKeyPair::from_private_key_der(curve, key) {
            return Ok(pair.public_key().as_ref().to_vec());
        }
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8(key) {
        return Ok(pair.public_key().as_ref().to_vec());
    }
    let pair = rsa::KeyPair::from_pkcs8(key).or_else(|_| rsa::KeyPair::from_der(key));
    let pair = pair.map_err(|_| LoadProblem::BadPrivateKey)?;
    Ok(pair.public_key().as_ref().to_vec())
}

fn certified_key(certificate: &[u8]) -> Result<Vec<u8>, LoadProblem> {
    let parsed = x509_cert::Certificate::from_der(certificate).map_err(|_| LoadProblem::BadCertificate)?;
    let key = parsed.tbs_certificate().subject_public_key_info().subject_public_key.as_bytes();
    Ok(key.ok_or(LoadProblem::BadCertificate)?.to_vec())
}

/// A wrong password shows in the file's checksum, or in padding that is none where the file has no checksum.
fn pkcs12_problem(error: &Pkcs12Error) -> LoadProblem {
    match error {
        Pkcs12Error::MacError(_) | Pkcs12Error::UnpadError | Pkcs12Error::Pkcs5Error(_) => LoadProblem::WrongPassword,
        Pkcs12Error::UnsupportedEncryptionScheme
        | Pkcs12Error::UnsupportedMacAlgorithm
        | Pkcs12Error::UnsupportedContentType
        | Pkcs12Error::UnsupportedCertificateType => LoadProblem::UnsupportedPkcs12,
        _ => LoadProblem::BadPkcs12,
    }
}
