//! The house's only randomness: a generator seeded by the caller, and the unique Ids made from it.

use crate::crypto::{Backend, Mac, MacAlgorithm, RustCrypto};
use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

mod shard;

pub use shard::{Hashed, ShardKey, ShardMark};

/// Where nonces, IVs and keys come from. Tests replay recorded ones through it.
pub trait Entropy {
    /// Fills `out`.
    fn fill(&mut self, out: &mut [u8]);
}

/// HMAC_DRBG with SHA-256 (NIST SP 800-90A, 10.1.2), without reseeding: one seed, one world.
///
/// The seed must come from the operating system's randomness, 32 bytes for every machine.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Chance {
    key: [u8; 32],
    value: [u8; 32],
}

/// Most bytes of one request (SP 800-90A, table 2: 2^19 bits). A longer fill is several requests.
const REQUEST: usize = 65_536;

impl Chance {
    /// A generator from a seed: SP 800-90A instantiation with `seed` as entropy input, nonce and personalization empty.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self::instantiate(seed)
    }

    fn instantiate(material: &[u8]) -> Self {
        let mut chance = Self { key: [0; 32], value: [1; 32] };
        chance.update(material);
        chance
    }

    fn hmac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = <RustCrypto as Backend>::Mac::new(MacAlgorithm::HmacSha256, &self.key);
        for part in parts {
            mac.update(part);
        }
        let mut out = [0u8; 32];
        for (to, from) in out.iter_mut().zip(mac.finish().as_bytes()) {
            *to = *from;
        }
        out
    }

    /// HMAC_DRBG_Update.
    fn update(&mut self, material: &[u8]) {
        for round in [0u8, 1] {
            self.key = self.hmac(&[&self.value, &[round], material]);
            self.value = self.hmac(&[&self.value]);
            if material.is_empty() {
                return;
            }
        }
    }
}

impl Entropy for Chance {
    fn fill(&mut self, out: &mut [u8]) {
        for request in out.chunks_mut(REQUEST) {
            for chunk in request.chunks_mut(32) {
                self.value = self.hmac(&[&self.value]);
                for (to, from) in chunk.iter_mut().zip(self.value) {
                    *to = from;
                }
            }
            self.update(&[]);
        }
    }
}

/// In constant time: who knew the state would know every key to come.
impl PartialEq for Chance {
    fn eq(&self, other: &Self) -> bool {
        (self.key.ct_eq(&other.key) & self.value.ct_eq(&other.value)).into()
    }
}

impl Eq for Chance {}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chance(..)")
    }
}

/// A GUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// Length of its text.
    pub const TEXT_LEN: usize = 36;

    /// A random one (RFC 9562, version 4), like .NET's `Guid.NewGuid`.
    pub fn random<E: Entropy + ?Sized>(entropy: &mut E) -> Self {
        let mut octets = [0u8; 16];
        entropy.fill(&mut octets);
        let [.., g, _, i, _, _, _, _, _, _, _] = &mut octets;
        *g = (*g & 0x0F) | 0x40;
        *i = (*i & 0x3F) | 0x80;
        Self(octets)
    }

    /// Its text: lower-case, 8-4-4-4-12.
    pub fn write(&self, out: &mut [u8; Self::TEXT_LEN]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut out = out.iter_mut();
        let mut put = |byte: u8| {
            if let Some(to) = out.next() {
                *to = byte;
            }
        };
        for (index, octet) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                put(b'-');
            }
            for nibble in [octet.wrapping_shr(4), octet & 0x0F] {
                put(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
            }
        }
    }

    /// Reads 8-4-4-4-12, any case, with or without `urn:uuid:` in front.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.strip_prefix(b"urn:uuid:").unwrap_or(text);
        if text.len() != Self::TEXT_LEN {
            return None;
        }
        let mut digits = text.iter().enumerate().filter_map(|(index, byte)| {
            let dash = matches!(index, 8 | 13 | 18 | 23);
            match (dash, *byte) {
                (true, b'-') => None,
                (true, _) => Some(None),
                (false, byte) => Some(char::from(byte).to_digit(16)),
            }
        });
        let mut octets = [0u8; 16];
        for octet in &mut octets {
            let high = u8::try_from(digits.next()??).ok()?;
            let low = u8::try_from(digits.next()??).ok()?;
            *octet = high.wrapping_shl(4) | low;
        }
        digits.next().is_none().then_some(Self(octets))
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test may stop"
    )]
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    // NIST CAVS 14.3 drbgvectors_no_reseed, HMAC_DRBG SHA-256, no personalization, COUNT 0: entropy input and nonce are
    // the seed material; the second of two 1024-bit outputs is compared.
    #[test]
    fn nist_hmac_drbg_sha256() {
        let material =
            hex("ca851911349384bffe89de1cbdc46e6831e44d34a4fb935ee285dd14b71a7488659ba96c601dc69fc902940805ec0ca8");
        let mut chance = Chance::instantiate(&material);
        let mut out = [0u8; 128];
        chance.fill(&mut out);
        chance.fill(&mut out);
        let wanted = hex(
            "e528e9abf2dece54d47c7e75e5fe302149f817ea9fb4bee6f4199697d04d5b89d54fbb978a15b5c443c9ec21036d2460b6f73ebad0dc2aba6e624abf07745bc1\
             07694bb7547bb0995f70de25d6b29e2d3011bb19d27676c07162c8b5ccde0668961df86803482cb37ed6d5c0bb8d50cf1f50d476aa0458bdaba806f48be9dcb8",
        );
        assert_eq!(out.as_slice(), wanted);
    }

    // From an implementation in Python, with the seed alone as entropy input. 100 000 bytes are two requests.
    #[test]
    fn one_seed_is_one_world() {
        use crate::crypto::{DigestAlgorithm, Hasher, RustHasher};
        let seed: [u8; 32] = core::array::from_fn(|i| i as u8);
        let mut chance = Chance::new(&seed);
        let mut out = [0u8; 116];
        chance.fill(&mut out[..16]);
        chance.fill(&mut out[16..]);
        let wanted = hex(concat!(
            "3226437dd9f98b17591aad731383303268ddf0df052af113ad632143c8039de47a598a6186f18fd474eac12f1dece4759b0c76f7",
            "64a0c32674382782839e9eb9034635810453e798e92f3b19ab8921db96fdf73fa0c53357a729a6c7253941949938b1eccbd32e89",
            "6835b9cd347553241b908069"
        ));
        assert_eq!(out.as_slice(), wanted);
        let before = chance.clone();
        let mut long = std::vec![0u8; 100_000];
        chance.fill(&mut long);
        let mut hasher = RustHasher::new(DigestAlgorithm::Sha256);
        hasher.update(&long);
        assert!(hasher.finish().ct_eq(&hex("ec923ba8d470ae2307c674f1aac2d05d00a4c4dcebfba8058091787d8d3b5c0f")));
        assert!(chance != before && before == before.clone());
        assert_eq!(std::format!("{chance:?}"), "Chance(..)");
    }

    #[test]
    fn a_uuid_is_version_4_and_survives_its_text() {
        let mut chance = Chance::new(&[7; 32]);
        for _ in 0..100 {
            let uuid = Uuid::random(&mut chance);
            let mut text = [0u8; 36];
            uuid.write(&mut text);
            assert_eq!(text[14], b'4');
            assert!(b"89ab".contains(&text[19]));
            assert_eq!(Uuid::parse(&text), Some(uuid));
        }
        let known = Uuid::parse(b"urn:uuid:00112233-4455-6677-8899-AABBCCDDEEFF").unwrap();
        assert_eq!(known.0.to_vec(), hex("00112233445566778899aabbccddeeff"));
        for bad in [
            "",
            "urn:uuid:",
            "00112233-4455-6677-8899-aabbccddeef",
            "00112233x4455-6677-8899-aabbccddeeff",
            "0011223g-4455-6677-8899-aabbccddeeff",
        ] {
            assert_eq!(Uuid::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
