//! One X.509 certificate, read once.

use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use aws_lc_rs::digest::{Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RsaParameters,
    UnparsedPublicKey,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};
use x509_cert::der::{Decode, Encode, oid::ObjectIdentifier};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, SubjectAltName, SubjectKeyIdentifier};

use crate::error::{LoadError, LoadProblem};
use crate::name::{Name, bytes_to_decimal, decimal_to_bytes};
use crate::read_file;
use soap_session_core::crypto::AsymmetricSignature;
use soap_session_core::secure::{CertificateReference, CredentialError};

/// Fewest bits of an RSA key that signs. WCF's suites allow 1024 (`IsAsymmetricKeyLengthSupported`).
pub const MIN_SIGNING_KEY_BITS: u32 = 1024;
/// Fewest bits of an RSA key that wraps or unwraps. WCF allows 1024; the cryptographic library refuses less than 2048
/// here and is right to.
pub const MIN_TRANSPORT_KEY_BITS: u32 = 2048;
/// Most bits of any RSA key: what WCF's suites allow.
pub const MAX_KEY_BITS: u32 = 4096;

const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// An X.509 certificate with an RSA key of [`MIN_SIGNING_KEY_BITS`] to [`MAX_KEY_BITS`] bits.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    thumbprint: [u8; 20],
    subject_key_identifier: Option<Vec<u8>>,
    subject: Option<Name>,
    /// Of the subject's alternative names.
    dns_names: Vec<String>,
    issuer: Option<Name>,
    /// As .NET writes it: the parts are apart by a comma and a space.
    issuer_text: String,
    serial: Vec<u8>,
    /// Decimal.
    serial_text: String,
    not_before: SystemTime,
    not_after: SystemTime,
    key_bits: u32,
    subject_public_key_info: Vec<u8>,
    signs: bool,
    enciphers: bool,
    authenticates_clients: bool,
    authenticates_servers: bool,
}

impl Certificate {
    /// Reads one DER certificate.
    ///
    /// # Errors
    /// [`LoadProblem::BadCertificate`], [`LoadProblem::NotRsa`], [`LoadProblem::KeyTooSmall`] or
    /// [`LoadProblem::KeyTooLarge`].
    pub fn from_der(der: &[u8]) -> Result<Self, LoadError> {
        let parsed = x509_cert::Certificate::from_der(der).map_err(|_| LoadProblem::BadCertificate)?;
        let body = parsed.tbs_certificate();
        let key = body.subject_public_key_info();
        if key.algorithm.oid != RSA_ENCRYPTION {
            return Err(LoadProblem::NotRsa.into());
        }
        let public_key = key.subject_public_key.as_bytes().ok_or(LoadProblem::BadCertificate)?;
        let key_bits = RsaParameters::public_modulus_len(public_key).map_err(|_| LoadProblem::BadCertificate)?;
        check_bits(key_bits, MIN_SIGNING_KEY_BITS)?;
        let subject_key_identifier = body
            .get_extension::<SubjectKeyIdentifier>()
            .map_err(|_| LoadProblem::BadCertificate)?
            .map(|(_, identifier)| identifier.0.as_bytes().to_vec());
        let serial = body.serial_number().as_bytes();
        let significant: Vec<u8> = serial.iter().skip_while(|byte| **byte == 0).copied().collect();
        let mut issuer_parts: Vec<String> = body.issuer().iter_rdn().map(ToString::to_string).collect();
        issuer_parts.reverse();
        // What an extension does not exclude is allowed.
        let usage = body.get_extension::<KeyUsage>().map_err(|_| LoadProblem::BadCertificate)?;
        let usage = usage.map(|(_, usage)| usage);
        let signs = usage.is_none_or(|usage| usage.digital_signature() || usage.non_repudiation());
        let enciphers = usage.is_none_or(|usage| usage.key_encipherment());
        let extended = body.get_extension::<ExtendedKeyUsage>().map_err(|_| LoadProblem::BadCertificate)?;
        let authenticates = |part: ObjectIdentifier| {
            extended.as_ref().is_none_or(|(_, usage)| usage.0.iter().any(|usage| [part, ANY_USAGE].contains(usage)))
        };
        let (authenticates_clients, authenticates_servers) = (authenticates(CLIENT_AUTH), authenticates(SERVER_AUTH));
        let alternatives = body.get_extension::<SubjectAltName>().map_err(|_| LoadProblem::BadCertificate)?;
        let dns_names = alternatives.iter().flat_map(|(_, names)| &names.0).filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.to_string()),
            _ => None,
        });
        let dns_names = dns_names.collect();
        Ok(Self {
            der: der.to_vec(),
            thumbprint: thumbprint(der),
            subject_key_identifier,
            // A name that cannot be read back only means that nobody can refer to the certificate by it.
            subject: Name::parse(body.subject().to_string().as_bytes()),
            dns_names,
            issuer: Name::parse(body.issuer().to_string().as_bytes()),
            issuer_text: issuer_parts.join(", "),
            serial_text: bytes_to_decimal(&significant),
            serial: significant,
            not_before: body.validity().not_before.to_system_time(),
            not_after: body.validity().not_after.to_system_time(),
            key_bits,
            signs,
            enciphers,
            authenticates_clients,
            authenticates_servers,
            subject_public_key_info: key.to_der().map_err(|_| LoadProblem::BadCertificate)?,
        })
    }

    /// Reads the first `CERTIFICATE` section of a PEM text.
    ///
    /// # Errors
    /// As [`Certificate::from_der`], and [`LoadProblem::BadPem`] or [`LoadProblem::NoCertificate`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, LoadError> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|error| match error {
            pem::Error::NoItemsFound => LoadProblem::NoCertificate,
            _ => LoadProblem::BadPem,
        })?;
        Self::from_der(&der)
    }

    /// Reads a file that holds a certificate, as PEM or DER.
    ///
    /// # Errors
    /// As [`Certificate::from_pem`], and [`LoadProblem::Read`] or [`LoadProblem::TooLong`]; all name the file.
    pub fn from_file(file: impl AsRef<Path>) -> Result<Self, LoadError> {
        let file = file.as_ref();
        let bytes = read_file(file)?;
        // DER starts with a SEQUENCE of two length bytes, a PEM text never does.
        let loaded = if bytes.starts_with(&[0x30, 0x82]) { Self::from_der(&bytes) } else { Self::from_pem(&bytes) };
        loaded.map_err(|error| error.in_file(file))
    }

    /// The certificate as it was given.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-1 over the DER bytes: how WCF messages name it.
    pub fn thumbprint(&self) -> [u8; 20] {
        self.thumbprint
    }

    /// The subject key identifier extension, if there is one. As in .NET it is never computed from the key.
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.subject_key_identifier.as_deref()
    }

    /// How messages name it that do not carry it: by its SubjectKeyIdentifier or, without one, by issuer and serial number.
    pub(crate) fn name(&self) -> CertificateReference<'_> {
        match self.subject_key_identifier() {
            Some(identifier) => CertificateReference::SubjectKeyIdentifier(identifier),
            None => CertificateReference::IssuerSerial {
                issuer: self.issuer_text.as_bytes(),
                serial: self.serial_text.as_bytes(),
            },
        }
    }

    /// Bits of the RSA modulus.
    pub fn key_bits(&self) -> u32 {
        self.key_bits
    }

    /// Does the validity period include this time?
    pub fn is_valid_at(&self, time: SystemTime) -> bool {
        self.not_before <= time && time <= self.not_after
    }

    /// The validity period's first second.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The validity period's last second.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Does its key usage allow signatures of messages? Without the extension everything is allowed.
    pub fn signs(&self) -> bool {
        self.signs
    }

    /// Does its extended key usage allow it to a client? Without the extension everything is allowed.
    pub fn authenticates_clients(&self) -> bool {
        self.authenticates_clients
    }

    /// Does its key usage allow to wrap keys for it? Without the extension everything is allowed.
    pub fn enciphers(&self) -> bool {
        self.enciphers
    }

    /// Does its extended key usage allow it to a server? Without the extension everything is allowed.
    pub fn authenticates_servers(&self) -> bool {
        self.authenticates_servers
    }

    /// The DNS names of its subject: the alternative names of that kind or, if there are none, the common name.
    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        let common = self.subject.as_ref().and_then(Name::common_name).filter(|_| self.dns_names.is_empty());
        self.dns_names.iter().map(String::as_str).chain(common)
    }

    pub(crate) fn has_subject(&self, name: &str) -> bool {
        let wanted = Name::parse(name.as_bytes());
        self.subject.as_ref().zip(wanted.as_ref()).is_some_and(|(own, wanted)| own.matches(wanted))
    }

    /// Does a message that says this mean this certificate?
    pub fn is_named_by(&self, reference: CertificateReference<'_>) -> bool {
        match reference {
            CertificateReference::ThumbprintSha1(thumbprint) => self.thumbprint == thumbprint,
            CertificateReference::SubjectKeyIdentifier(identifier) => self.subject_key_identifier() == Some(identifier),
            CertificateReference::IssuerSerial { issuer, serial } => {
                decimal_to_bytes(serial).is_some_and(|serial| serial == self.serial)
                    && self
                        .issuer
                        .as_ref()
                        .is_some_and(|own| Name::parse(issuer).is_some_and(|name| own.matches(&name)))
            }
            // All of it, not its SHA-1: somebody may own two certificates with one thumbprint.
            CertificateReference::Der(der) => self.der == der,
        }
    }

    /// Did the holder of this certificate sign `digest`, with RSA PKCS#1 v1.5? Nothing is said about whether it is trusted.
    ///
    /// # Errors
    /// [`CredentialError::BadSignature`], also when `digest` has not the algorithm's length.
    pub fn verify(
        &self,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError> {
        verify(&self.subject_public_key_info, algorithm, digest, signature)
    }

    /// The public key as DER `SubjectPublicKeyInfo`.
    pub(crate) fn subject_public_key_info(&self) -> &[u8] {
        &self.subject_public_key_info
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(")?;
        for byte in self.thumbprint {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ", {} bits)", self.key_bits)
    }
}

/// SHA-1 is broken as a signature; here it is only a name.
fn thumbprint(der: &[u8]) -> [u8; 20] {
    let mut thumbprint = [0; 20];
    thumbprint.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref());
    thumbprint
}

pub(crate) fn check_bits(bits: u32, minimum: u32) -> Result<(), LoadProblem> {
    if bits < minimum {
        return Err(LoadProblem::KeyTooSmall { bits, minimum });
    }
    if bits > MAX_KEY_BITS {
        return Err(LoadProblem::KeyTooLarge { bits, maximum: MAX_KEY_BITS });
    }
    Ok(())
}

/// Did the holder of the key in `public` (`SubjectPublicKeyInfo`, DER) sign `digest`?
pub(crate) fn verify(
    public: &[u8],
    algorithm: AsymmetricSignature,
    digest: &[u8],
    signature: &[u8],
) -> Result<(), CredentialError> {
    let (parameters, hash): (&'static RsaParameters, _) = match algorithm {
        AsymmetricSignature::RsaSha1 => (&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, &SHA1_FOR_LEGACY_USE_ONLY),
        AsymmetricSignature::RsaSha256 => (&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, &SHA256),
    };
    let digest = Digest::import_less_safe(digest, hash).map_err(|_| CredentialError::BadSignature)?;
    UnparsedPublicKey::new(parameters, public)
        .verify_digest(&digest, signature)
        .map_err(|_| CredentialError::BadSignature)
}
