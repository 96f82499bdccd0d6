//! One RSA private key.

use std::fmt;
use std::path::Path;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::{self, PemObject};
use zeroize::{Zeroize, Zeroizing};

use crate::certificate::{MIN_TRANSPORT_KEY_BITS, check_bits};
use crate::error::{LoadError, LoadProblem};
use crate::read_file;
use crate::signing::SigningKey;
use soap_session_core::crypto::{AsymmetricSignature, KeyTransport};
use soap_session_core::secure::CredentialError;

/// Bytes of the longest RSA modulus: 4096 bits.
const MAX_MODULUS: usize = 512;
/// Bytes of the key that stands in for one that PKCS#1 v1.5 could not unwrap.
const STAND_IN: usize = 32;

/// An RSA private key of [`MIN_TRANSPORT_KEY_BITS`] to [`crate::MAX_KEY_BITS`] bits that unwraps keys and signs. The library that
/// holds it wipes it when it is dropped; nothing here prints it.
pub struct PrivateKey {
    public: Vec<u8>,
    size: usize,
    oaep: OaepPrivateDecryptingKey,
    pkcs1: Pkcs1PrivateDecryptingKey,
    signing: SigningKey,
    stand_in: hmac::Key,
}

impl PrivateKey {
    /// Reads an unencrypted key in PKCS#8 or PKCS#1 DER form. The caller wipes `der`.
    ///
    /// # Errors
    /// [`LoadProblem::BadPrivateKey`], [`LoadProblem::KeyTooSmall`], [`LoadProblem::KeyTooLarge`] or
    /// [`LoadProblem::NoRandomness`].
    pub fn from_der(der: &[u8]) -> Result<Self, LoadError> {
        let key = match PrivateDecryptingKey::from_pkcs8(der) {
            Ok(key) => key,
            Err(_) => Self::from_pkcs1(der)?,
        };
        let bits = u32::try_from(key.key_size_bits()).unwrap_or(u32::MAX);
        check_bits(bits, MIN_TRANSPORT_KEY_BITS)?;
        let pkcs8: Pkcs8V1Der<'_> = key.as_der().map_err(|_| LoadProblem::BadPrivateKey)?;
        let signing = SigningKey::from_pkcs8(pkcs8.as_ref())?;
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(|_| LoadProblem::BadPrivateKey)?;
        Ok(Self {
            public: public.as_ref().to_vec(),
            size: key.key_size_bytes(),
            oaep: OaepPrivateDecryptingKey::new(key.clone()).map_err(|_| LoadProblem::BadPrivateKey)?,
            pkcs1: Pkcs1PrivateDecryptingKey::new(key).map_err(|_| LoadProblem::BadPrivateKey)?,
            signing,
            stand_in: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
                .map_err(|_| LoadProblem::NoRandomness)?,
        })
    }

    /// The library decrypts with PKCS#8 keys only, but a signing key reads both forms and writes PKCS#8.
    fn from_pkcs1(der: &[u8]) -> Result<PrivateDecryptingKey, LoadProblem> {
        let reason = |error: aws_lc_rs::error::KeyRejected| match error.description_() {
            "TooSmall" => LoadProblem::KeyTooSmall { bits: 0, minimum: MIN_TRANSPORT_KEY_BITS },
            "TooLarge" => LoadProblem::KeyTooLarge { bits: 0, maximum: crate::MAX_KEY_BITS },
            _ => LoadProblem::BadPrivateKey,
        };
        let pair = KeyPair::from_der(der).or_else(|_| KeyPair::from_pkcs8(der)).map_err(reason)?;
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| LoadProblem::BadPrivateKey)?;
        PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref()).map_err(reason)
    }

    /// Reads the first `PRIVATE KEY` or `RSA PRIVATE KEY` section of a PEM text. The caller wipes `pem`.
    ///
    /// # Errors
    /// As [`PrivateKey::from_der`], and [`LoadProblem::BadPem`], [`LoadProblem::NoPrivateKey`] or
    /// [`LoadProblem::NotRsa`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, LoadError> {
        let mut der = PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
            pem::Error::NoItemsFound => LoadProblem::NoPrivateKey,
            _ => LoadProblem::BadPem,
        })?;
        let loaded = match &der {
            PrivateKeyDer::Sec1(_) => Err(LoadProblem::NotRsa.into()),
            _ => Self::from_der(der.secret_der()),
        };
        der.zeroize();
        loaded
    }

    /// Reads a file that holds a private key, as PEM or DER.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pem`], and [`LoadProblem::Read`] or [`LoadProblem::TooLong`]; all name the file.
    pub fn from_file(file: impl AsRef<Path>) -> Result<Self, LoadError> {
        let file = file.as_ref();
        let bytes = read_file(file)?;
        let loaded = if bytes.starts_with(&[0x30, 0x82]) { Self::from_der(&bytes) } else { Self::from_pem(&bytes) };
        loaded.map_err(|error| error.in_file(file))
    }

    /// The public half as DER `SubjectPublicKeyInfo`.
    pub(crate) fn subject_public_key_info(&self) -> &[u8] {
        &self.public
    }

    /// Signs `digest` with RSA PKCS#1 v1.5 into `out` and returns the signature's length, in bytes.
    ///
    /// # Errors
    /// [`CredentialError::Room`] when `out` is too small, [`CredentialError::Unsupported`] when `digest` has not the
    /// algorithm's length.
    pub fn sign(
        &self,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        self.signing.sign(algorithm, digest, out)
    }

    /// Did the holder of this key sign `digest`?
    ///
    /// # Errors
    /// [`CredentialError::BadSignature`].
    pub fn verify(
        &self,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError> {
        crate::certificate::verify(&self.public, algorithm, digest, signature)
    }

    /// Length of the modulus and of every signature, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Unwraps `wrapped` into `out` and returns the key's length, in bytes.
    ///
    /// With PKCS#1 v1.5, whoever learns whether the padding was right can decrypt by asking often (Bleichenbacher). So a
    /// key that does not unwrap to 16, 24 or 32 bytes, the lengths of WCF's suites, is replaced by one that only we can
    /// compute: the message then fails at its signature, like one that used a wrong key.
    ///
    /// # Errors
    /// [`CredentialError::WrongKey`] when the octets do not unwrap, [`CredentialError::Room`] when `out` is too small.
    pub fn unwrap(&self, transport: KeyTransport, wrapped: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        if wrapped.len() != self.size {
            return Err(CredentialError::WrongKey);
        }
        // The library wants room for a whole modulus.
        let mut buffer = Zeroizing::new([0; MAX_MODULUS]);
        let key: &[u8] = match transport {
            KeyTransport::RsaOaepMgf1p => self
                .oaep
                .decrypt(&OAEP_SHA1_MGF1SHA1, wrapped, &mut *buffer, None)
                .map_err(|_| CredentialError::WrongKey)?,
            KeyTransport::Rsa15 => {
                let stand_in = hmac::sign(&self.stand_in, wrapped);
                match self.pkcs1.decrypt(wrapped, &mut *buffer).map(|key| key.len()) {
                    Ok(length @ (16 | 24 | 32)) => buffer.get(..length).ok_or(CredentialError::WrongKey)?,
                    _ => {
                        let room = buffer.first_chunk_mut::<STAND_IN>().ok_or(CredentialError::WrongKey)?;
                        room.copy_from_slice(stand_in.as_ref());
                        room
                    }
                }
            }
        };
        let room = out.get_mut(..key.len()).ok_or(CredentialError::Room { needed: key.len() })?;
        room.copy_from_slice(key);
        Ok(key.len())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({} bytes)", self.size)
    }
}
