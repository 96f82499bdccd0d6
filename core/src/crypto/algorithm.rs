//! The algorithms of the suites, and the URIs by which messages name them.

macro_rules! uris {
    ($name:ident { $($variant:ident => $uri:literal),+ $(,)? }) => {
        impl $name {
            /// The URI that messages name it by.
            pub const fn uri(self) -> &'static str {
                match self { $(Self::$variant => $uri),+ }
            }

            /// The algorithm that this URI names; `None` if it is none of WCF's.
            pub fn from_uri(uri: &[u8]) -> Option<Self> {
                [$(Self::$variant),+].into_iter().find(|algorithm| algorithm.uri().as_bytes() == uri)
            }
        }
    };
}

/// A digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestAlgorithm {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

uris!(DigestAlgorithm {
    Sha1 => "http://www.w3.org/2000/09/xmldsig#sha1",
    Sha256 => "http://www.w3.org/2001/04/xmlenc#sha256",
});

impl DigestAlgorithm {
    /// Length of its value, in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a length in bytes, not a collection")]
    pub const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// A message authentication code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MacAlgorithm {
    /// HMAC with SHA-1.
    HmacSha1,
    /// HMAC with SHA-256.
    HmacSha256,
}

uris!(MacAlgorithm {
    HmacSha1 => "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
    HmacSha256 => "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
});

impl MacAlgorithm {
    /// Length of its value, in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a length in bytes, not a collection")]
    pub const fn len(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
        }
    }
}

/// A block cipher in CBC mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CipherAlgorithm {
    /// AES with 128 bits.
    Aes128Cbc,
    /// AES with 192 bits.
    Aes192Cbc,
    /// AES with 256 bits.
    Aes256Cbc,
    /// Triple DES with three keys.
    TripleDesCbc,
}

uris!(CipherAlgorithm {
    Aes128Cbc => "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
    Aes192Cbc => "http://www.w3.org/2001/04/xmlenc#aes192-cbc",
    Aes256Cbc => "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
    TripleDesCbc => "http://www.w3.org/2001/04/xmlenc#tripledes-cbc",
});

impl CipherAlgorithm {
    /// Length of its key, in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Cbc => 16,
            Self::Aes192Cbc | Self::TripleDesCbc => 24,
            Self::Aes256Cbc => 32,
        }
    }

    /// Length of its blocks and of its IV, in bytes.
    pub const fn block_len(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc => 16,
            Self::TripleDesCbc => 8,
        }
    }
}

/// Encryption of a key for a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyTransport {
    /// RSA-OAEP with MGF1 and SHA-1.
    RsaOaepMgf1p,
    /// RSA with PKCS#1 v1.5 padding.
    Rsa15,
}

uris!(KeyTransport {
    RsaOaepMgf1p => "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
    Rsa15 => "http://www.w3.org/2001/04/xmlenc#rsa-1_5",
});

/// A signature made with a certificate's key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AsymmetricSignature {
    /// RSA PKCS#1 v1.5 with SHA-1.
    RsaSha1,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RsaSha256,
}

uris!(AsymmetricSignature {
    RsaSha1 => "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
});

impl AsymmetricSignature {
    /// The digest that is signed.
    pub const fn digest(self) -> DigestAlgorithm {
        match self {
            Self::RsaSha1 => DigestAlgorithm::Sha1,
            Self::RsaSha256 => DigestAlgorithm::Sha256,
        }
    }
}
