//! The primitives behind a small trait, so that a faster one (a TLS library's, a chip's) can be plugged in.

use super::algorithm::{CipherAlgorithm, DigestAlgorithm, MacAlgorithm};
use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A digest or MAC value. Wiped when dropped and never printed: derived keys are made of it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DigestOutput {
    octets: [u8; 32],
    len: u8,
}

impl DigestOutput {
    /// A value of at most 32 bytes; what is beyond is not kept.
    pub fn new(octets: &[u8]) -> Self {
        let mut output = Self { octets: [0; 32], len: u8::try_from(octets.len().min(32)).unwrap_or(32) };
        for (to, from) in output.octets.iter_mut().zip(octets) {
            *to = *from;
        }
        output
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Is it this value? In constant time; another length is another value.
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        self.as_bytes().ct_eq(other).into()
    }
}

impl fmt::Debug for DigestOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DigestOutput({} bytes)", self.len)
    }
}

/// A digest that is being made.
pub trait Hasher: Sized {
    /// Starts.
    fn new(algorithm: DigestAlgorithm) -> Self;
    /// Takes bytes in.
    fn update(&mut self, bytes: &[u8]);
    /// Ends.
    fn finish(self) -> DigestOutput;
}

/// A MAC that is being made. A clone of a keyed one saves the work on the key.
pub trait Mac: Clone + Sized {
    /// Starts, with a key of any length.
    fn new(algorithm: MacAlgorithm, key: &[u8]) -> Self;
    /// Takes bytes in.
    fn update(&mut self, bytes: &[u8]);
    /// Ends.
    fn finish(self) -> DigestOutput;
}

/// A block cipher with its key, in CBC mode.
pub trait BlockCipher: Sized {
    /// `None` if the key has not the algorithm's length.
    fn new(algorithm: CipherAlgorithm, key: &[u8]) -> Option<Self>;
    /// Encrypts whole blocks in place; `false` if `iv` is not one block or `data` not whole blocks.
    fn encrypt_cbc(&self, iv: &[u8], data: &mut [u8]) -> bool;
    /// Decrypts whole blocks in place; `false` if `iv` is not one block or `data` not whole blocks.
    fn decrypt_cbc(&self, iv: &[u8], data: &mut [u8]) -> bool;
}

/// A set of primitives.
pub trait Backend {
    /// Digests.
    type Hasher: Hasher;
    /// MACs.
    type Mac: Mac;
    /// Ciphers.
    type Cipher: BlockCipher;
}
