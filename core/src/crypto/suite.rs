//! WCF's sixteen algorithm suites, and the allow-list that narrows as a message shows what it was made with.

use super::algorithm::{AsymmetricSignature, CipherAlgorithm, DigestAlgorithm, KeyTransport, MacAlgorithm};

/// An algorithm suite (`SecurityAlgorithmSuite`). Keys are always derived with P_SHA1, C14N is always exclusive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[allow(missing_docs, reason = "the variants are WCF's names; each is what its name says")]
pub enum AlgorithmSuite {
    #[default]
    Basic256,
    Basic192,
    Basic128,
    TripleDes,
    Basic256Rsa15,
    Basic192Rsa15,
    Basic128Rsa15,
    TripleDesRsa15,
    Basic256Sha256,
    Basic192Sha256,
    Basic128Sha256,
    TripleDesSha256,
    Basic256Sha256Rsa15,
    Basic192Sha256Rsa15,
    Basic128Sha256Rsa15,
    TripleDesSha256Rsa15,
}

/// The four ciphers that the suites are named after.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    Basic256,
    Basic192,
    Basic128,
    TripleDes,
}

impl AlgorithmSuite {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Basic256,
        Self::Basic192,
        Self::Basic128,
        Self::TripleDes,
        Self::Basic256Rsa15,
        Self::Basic192Rsa15,
        Self::Basic128Rsa15,
        Self::TripleDesRsa15,
        Self::Basic256Sha256,
        Self::Basic192Sha256,
        Self::Basic128Sha256,
        Self::TripleDesSha256,
        Self::Basic256Sha256Rsa15,
        Self::Basic192Sha256Rsa15,
        Self::Basic128Sha256Rsa15,
        Self::TripleDesSha256Rsa15,
    ];

    const fn base(self) -> Base {
        match self {
            Self::Basic256 | Self::Basic256Rsa15 | Self::Basic256Sha256 | Self::Basic256Sha256Rsa15 => Base::Basic256,
            Self::Basic192 | Self::Basic192Rsa15 | Self::Basic192Sha256 | Self::Basic192Sha256Rsa15 => Base::Basic192,
            Self::Basic128 | Self::Basic128Rsa15 | Self::Basic128Sha256 | Self::Basic128Sha256Rsa15 => Base::Basic128,
            Self::TripleDes | Self::TripleDesRsa15 | Self::TripleDesSha256 | Self::TripleDesSha256Rsa15 => {
                Base::TripleDes
            }
        }
    }

    const fn sha256(self) -> bool {
        matches!(
            self,
            Self::Basic256Sha256
                | Self::Basic192Sha256
                | Self::Basic128Sha256
                | Self::TripleDesSha256
                | Self::Basic256Sha256Rsa15
                | Self::Basic192Sha256Rsa15
                | Self::Basic128Sha256Rsa15
                | Self::TripleDesSha256Rsa15
        )
    }

    const fn rsa15(self) -> bool {
        matches!(
            self,
            Self::Basic256Rsa15
                | Self::Basic192Rsa15
                | Self::Basic128Rsa15
                | Self::TripleDesRsa15
                | Self::Basic256Sha256Rsa15
                | Self::Basic192Sha256Rsa15
                | Self::Basic128Sha256Rsa15
                | Self::TripleDesSha256Rsa15
        )
    }

    /// Digest of signature references.
    pub const fn digest(self) -> DigestAlgorithm {
        if self.sha256() { DigestAlgorithm::Sha256 } else { DigestAlgorithm::Sha1 }
    }

    /// Symmetric signature.
    pub const fn signature(self) -> MacAlgorithm {
        if self.sha256() { MacAlgorithm::HmacSha256 } else { MacAlgorithm::HmacSha1 }
    }

    /// Signature with a certificate.
    pub const fn asymmetric_signature(self) -> AsymmetricSignature {
        if self.sha256() { AsymmetricSignature::RsaSha256 } else { AsymmetricSignature::RsaSha1 }
    }

    /// Encryption of data.
    pub const fn encryption(self) -> CipherAlgorithm {
        match self.base() {
            Base::Basic256 => CipherAlgorithm::Aes256Cbc,
            Base::Basic192 => CipherAlgorithm::Aes192Cbc,
            Base::Basic128 => CipherAlgorithm::Aes128Cbc,
            Base::TripleDes => CipherAlgorithm::TripleDesCbc,
        }
    }

    /// Encryption of a key for a certificate.
    pub const fn key_transport(self) -> KeyTransport {
        if self.rsa15() { KeyTransport::Rsa15 } else { KeyTransport::RsaOaepMgf1p }
    }

    /// Length of a derived encryption key, in bytes.
    pub const fn encryption_key_len(self) -> usize {
        self.encryption().key_len()
    }

    /// Length of a derived signature key, in bytes: 24 even for Basic256.
    pub const fn signature_key_len(self) -> usize {
        match self.base() {
            Base::Basic128 => 16,
            Base::Basic256 | Base::Basic192 | Base::TripleDes => 24,
        }
    }

    /// Length of a session key that the suite asks for, in bits.
    pub const fn default_key_bits(self) -> u32 {
        match self.base() {
            Base::Basic256 => 256,
            Base::Basic192 | Base::TripleDes => 192,
            Base::Basic128 => 128,
        }
    }

    /// Is a symmetric key of so many bits accepted?
    pub const fn accepts_key_bits(self, bits: u32) -> bool {
        let least = self.default_key_bits();
        bits >= least && bits <= 256
    }

    /// WCF's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Basic256 => "Basic256",
            Self::Basic192 => "Basic192",
            Self::Basic128 => "Basic128",
            Self::TripleDes => "TripleDes",
            Self::Basic256Rsa15 => "Basic256Rsa15",
            Self::Basic192Rsa15 => "Basic192Rsa15",
            Self::Basic128Rsa15 => "Basic128Rsa15",
            Self::TripleDesRsa15 => "TripleDesRsa15",
            Self::Basic256Sha256 => "Basic256Sha256",
            Self::Basic192Sha256 => "Basic192Sha256",
            Self::Basic128Sha256 => "Basic128Sha256",
            Self::TripleDesSha256 => "TripleDesSha256",
            Self::Basic256Sha256Rsa15 => "Basic256Sha256Rsa15",
            Self::Basic192Sha256Rsa15 => "Basic192Sha256Rsa15",
            Self::Basic128Sha256Rsa15 => "Basic128Sha256Rsa15",
            Self::TripleDesSha256Rsa15 => "TripleDesSha256Rsa15",
        }
    }

    /// The suite with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }
}

/// A set of suites: an allow-list. A receiver starts with what it accepts and narrows it by each algorithm it meets; an
/// empty set means that the message is of no suite allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SuiteSet(u16);

impl SuiteSet {
    /// Every suite.
    pub const ALL: Self = Self(u16::MAX);

    /// One suite.
    pub const fn only(suite: AlgorithmSuite) -> Self {
        Self(1u16.wrapping_shl(suite as u32))
    }

    /// Is `suite` in the set?
    pub const fn contains(self, suite: AlgorithmSuite) -> bool {
        self.0 & Self::only(suite).0 != 0
    }

    /// Is nothing left?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The suites in the set.
    pub fn iter(self) -> impl Iterator<Item = AlgorithmSuite> {
        AlgorithmSuite::ALL.into_iter().filter(move |suite| self.contains(*suite))
    }

    /// The first suite in the set.
    pub fn first(self) -> Option<AlgorithmSuite> {
        self.iter().next()
    }

    fn narrow(self, keep: impl Fn(AlgorithmSuite) -> bool) -> Self {
        Self(self.iter().filter(|suite| keep(*suite)).fold(0, |bits, suite| bits | Self::only(suite).0))
    }

    /// Those with this digest.
    #[must_use]
    pub fn narrow_digest(self, digest: DigestAlgorithm) -> Self {
        self.narrow(|suite| suite.digest() == digest)
    }

    /// Those with this symmetric signature.
    #[must_use]
    pub fn narrow_mac(self, mac: MacAlgorithm) -> Self {
        self.narrow(|suite| suite.signature() == mac)
    }

    /// Those with this signature of a certificate.
    #[must_use]
    pub fn narrow_asymmetric(self, signature: AsymmetricSignature) -> Self {
        self.narrow(|suite| suite.asymmetric_signature() == signature)
    }

    /// Those with this encryption.
    #[must_use]
    pub fn narrow_cipher(self, cipher: CipherAlgorithm) -> Self {
        self.narrow(|suite| suite.encryption() == cipher)
    }

    /// Those with this key transport.
    #[must_use]
    pub fn narrow_transport(self, transport: KeyTransport) -> Self {
        self.narrow(|suite| suite.key_transport() == transport)
    }
}
