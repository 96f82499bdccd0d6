//! The default backend: RustCrypto's portable primitives, which use the processor's AES and SHA instructions.

use super::algorithm::{CipherAlgorithm, DigestAlgorithm, MacAlgorithm};
use super::backend::{Backend, BlockCipher, DigestOutput, Hasher, Mac};
use cbc::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit,
};
use core::fmt;
use hmac::{Hmac, Mac as _};
use sha1::Digest as _;
use zeroize::Zeroize;

/// RustCrypto: `sha1`, `sha2`, `hmac`, `aes`, `des`, `cbc`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RustCrypto;

impl Backend for RustCrypto {
    type Hasher = RustHasher;
    type Mac = RustMac;
    type Cipher = RustCipher;
}

/// A digest of [`RustCrypto`].
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants are the algorithms")]
pub enum RustHasher {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl Hasher for RustHasher {
    fn new(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            DigestAlgorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> DigestOutput {
        match self {
            Self::Sha1(hasher) => DigestOutput::new(&hasher.finalize()),
            Self::Sha256(hasher) => DigestOutput::new(&hasher.finalize()),
        }
    }
}

/// A MAC of [`RustCrypto`].
#[derive(Clone)]
#[allow(missing_docs, reason = "the variants are the algorithms")]
pub enum RustMac {
    HmacSha1(Hmac<sha1::Sha1>),
    HmacSha256(Hmac<sha2::Sha256>),
}

impl fmt::Debug for RustMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RustMac(..)")
    }
}

impl Mac for RustMac {
    fn new(algorithm: MacAlgorithm, key: &[u8]) -> Self {
        // RFC 2104: a key longer than the hash's block, 64 bytes in both, is hashed first. The block is filled here
        // because a whole block is the one form of key that cannot be refused.
        let hashed;
        let mut short = key;
        if key.len() > 64 {
            let mut hasher = RustHasher::new(match algorithm {
                MacAlgorithm::HmacSha1 => DigestAlgorithm::Sha1,
                MacAlgorithm::HmacSha256 => DigestAlgorithm::Sha256,
            });
            Hasher::update(&mut hasher, key);
            hashed = hasher.finish();
            short = hashed.as_bytes();
        }
        let mut block = Array([0u8; 64]);
        for (to, from) in block.iter_mut().zip(short) {
            *to = *from;
        }
        let mac = match algorithm {
            MacAlgorithm::HmacSha1 => Self::HmacSha1(Hmac::new(&block)),
            MacAlgorithm::HmacSha256 => Self::HmacSha256(Hmac::new(&block)),
        };
        block.as_mut_slice().zeroize();
        mac
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::HmacSha1(mac) => mac.update(bytes),
            Self::HmacSha256(mac) => mac.update(bytes),
        }
    }

    fn finish(self) -> DigestOutput {
        match self {
            Self::HmacSha1(mac) => DigestOutput::new(&mac.finalize().into_bytes()),
            Self::HmacSha256(mac) => DigestOutput::new(&mac.finalize().into_bytes()),
        }
    }
}

/// A block cipher of [`RustCrypto`]. The expanded key is wiped when dropped.
#[allow(missing_docs, reason = "the variants are the algorithms")]
#[allow(clippy::large_enum_variant, reason = "lives on the stack for one message")]
pub enum RustCipher {
    Aes128(aes::Aes128),
    Aes192(aes::Aes192),
    Aes256(aes::Aes256),
    TripleDes(des::TdesEde3),
}

impl fmt::Debug for RustCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RustCipher(..)")
    }
}

impl BlockCipher for RustCipher {
    fn new(algorithm: CipherAlgorithm, key: &[u8]) -> Option<Self> {
        Some(match algorithm {
            CipherAlgorithm::Aes128Cbc => Self::Aes128(aes::Aes128::new_from_slice(key).ok()?),
            CipherAlgorithm::Aes192Cbc => Self::Aes192(aes::Aes192::new_from_slice(key).ok()?),
            CipherAlgorithm::Aes256Cbc => Self::Aes256(aes::Aes256::new_from_slice(key).ok()?),
            CipherAlgorithm::TripleDesCbc => Self::TripleDes(des::TdesEde3::new_from_slice(key).ok()?),
        })
    }

    fn encrypt_cbc(&self, iv: &[u8], data: &mut [u8]) -> bool {
        match self {
            Self::Aes128(cipher) => encrypt(cipher, iv, data),
            Self::Aes192(cipher) => encrypt(cipher, iv, data),
            Self::Aes256(cipher) => encrypt(cipher, iv, data),
            Self::TripleDes(cipher) => encrypt(cipher, iv, data),
        }
    }

    fn decrypt_cbc(&self, iv: &[u8], data: &mut [u8]) -> bool {
        match self {
            Self::Aes128(cipher) => decrypt(cipher, iv, data),
            Self::Aes192(cipher) => decrypt(cipher, iv, data),
            Self::Aes256(cipher) => decrypt(cipher, iv, data),
            Self::TripleDes(cipher) => decrypt(cipher, iv, data),
        }
    }
}

fn encrypt<C: BlockCipherEncrypt>(cipher: &C, iv: &[u8], data: &mut [u8]) -> bool {
    let Ok(iv) = <&Array<u8, C::BlockSize>>::try_from(iv) else { return false };
    let (blocks, rest) = Array::slice_as_chunks_mut(data);
    if !rest.is_empty() {
        return false;
    }
    cbc::Encryptor::inner_iv_init(cipher, iv).encrypt_blocks(blocks);
    true
}

fn decrypt<C: BlockCipherDecrypt>(cipher: &C, iv: &[u8], data: &mut [u8]) -> bool {
    let Ok(iv) = <&Array<u8, C::BlockSize>>::try_from(iv) else { return false };
    let (blocks, rest) = Array::slice_as_chunks_mut(data);
    if !rest.is_empty() {
        return false;
    }
    // All blocks at once: the mode hands the cipher as many as it can decrypt side by side.
    cbc::Decryptor::inner_iv_init(cipher, iv).decrypt_blocks(blocks);
    true
}
