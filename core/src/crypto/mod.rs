//! Algorithm suites, keys, and the primitives behind a trait.

mod algorithm;
mod backend;
mod key;
mod padding;
mod psha1;
mod rust_crypto;
mod suite;
#[cfg(test)]
mod tests;

pub use algorithm::{AsymmetricSignature, CipherAlgorithm, DigestAlgorithm, KeyTransport, MacAlgorithm};
pub use backend::{Backend, BlockCipher, DigestOutput, Hasher, Mac};
pub use key::SecretKey;
pub(crate) use key::ShortKey;
pub use padding::{Unpadded, pad, unpad};
pub use psha1::p_sha1;
pub use rust_crypto::{RustCipher, RustCrypto, RustHasher, RustMac};
pub use suite::{AlgorithmSuite, SuiteSet};
