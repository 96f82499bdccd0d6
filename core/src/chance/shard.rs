//! Identifiers that tell who has the key which shard made them, and that tell nobody else anything.
//!
//! A service that is divided into shards has to find, for every message, the shard that keeps the session which the message
//! names. Where the service made the name, the name can say so itself: then nothing has to be looked up, and nothing grows
//! with the number of sessions.
//!
//! ```text
//! octets  0 ........... 9 | 10 11 | 12 .. 15      of a version-4 UUID
//!         random (74 bits) | shard | check         shard masked, check made, by a keyed hash of the random octets
//! ```
//!
//! Who has no key cannot tell such an identifier from a random one, cannot read the shard, and cannot make an identifier for
//! a shard: of 2^32 tries one passes.

use super::{Entropy, Uuid};
use crate::crypto::{Backend, Mac, MacAlgorithm, RustCrypto};
use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The secret of one process, by which its identifiers tell their shard. From the operating system's randomness.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ShardKey([u8; 32]);

/// What is hashed: the same octets mean different things.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Hashed {
    /// The identifier of a token or a sequence.
    Identifier,
    /// A `MessageID`.
    MessageId,
    /// The number of a connection.
    Connection,
}

/// What the random octets of an identifier give: a mask for the shard, and the two numbers of its check.
struct Pad {
    mask: [u8; 2],
    factor: u64,
    term: u64,
}

impl Pad {
    /// Strongly universal (multiply-shift): one pair of shard and check says nothing of the check of another shard.
    fn check(&self, shard: u16) -> [u8; 4] {
        let sum = self.factor.wrapping_mul(u64::from(shard)).wrapping_add(self.term);
        let [a, b, c, d, ..] = sum.to_be_bytes();
        [a, b, c, d]
    }
}

impl ShardKey {
    /// The key of this secret.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The shard that made this identifier; `None` if none did with this key.
    pub fn shard_of(&self, identifier: &Uuid) -> Option<u16> {
        let [rest @ .., high, low, a, b, c, d] = identifier.0;
        let pad = self.pad(&rest);
        let [m, n] = pad.mask;
        let shard = u16::from_be_bytes([high ^ m, low ^ n]);
        bool::from(pad.check(shard).ct_eq(&[a, b, c, d])).then_some(shard)
    }

    /// A number for these octets that nobody can foresee without the key.
    pub fn hash(&self, what: Hashed, octets: &[u8]) -> u64 {
        let domain = match what {
            Hashed::Identifier => 1,
            Hashed::MessageId => 2,
            Hashed::Connection => 3,
        };
        let [a, b, c, d, e, f, g, h, ..] = self.digest(domain, octets);
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    fn mark(&self, shard: u16, Uuid(mut octets): Uuid) -> Uuid {
        let [rest @ .., high, low, a, b, c, d] = &mut octets;
        let pad = self.pad(rest);
        let ([m, n], [x, y]) = (pad.mask, shard.to_be_bytes());
        (*high, *low) = (m ^ x, n ^ y);
        [*a, *b, *c, *d] = pad.check(shard);
        Uuid(octets)
    }

    fn pad(&self, rest: &[u8; 10]) -> Pad {
        let [m, n, a, b, c, d, e, f, g, h, i, j, k, l, o, p, q, r, ..] = self.digest(0, rest);
        Pad {
            mask: [m, n],
            factor: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            term: u64::from_be_bytes([i, j, k, l, o, p, q, r]),
        }
    }

    fn digest(&self, domain: u8, octets: &[u8]) -> [u8; 32] {
        let mut mac = <RustCrypto as Backend>::Mac::new(MacAlgorithm::HmacSha256, &self.0);
        mac.update(&[domain]);
        mac.update(octets);
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(mac.finish().as_bytes()) {
            *to = *from;
        }
        out
    }
}

/// In constant time: who knew the key could aim at a shard.
impl PartialEq for ShardKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for ShardKey {}

impl fmt::Debug for ShardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShardKey(..)")
    }
}

/// The mark that one shard puts into the identifiers that it makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardMark {
    shard: u16,
    key: ShardKey,
}

impl ShardMark {
    /// The mark of this shard.
    pub const fn new(shard: u16, key: ShardKey) -> Self {
        Self { shard, key }
    }

    /// Whose it is.
    pub const fn shard(&self) -> u16 {
        self.shard
    }
}

impl Uuid {
    /// A random one, with a mark if there is one. It takes the same from `entropy` either way.
    pub fn marked<E: Entropy + ?Sized>(entropy: &mut E, mark: Option<&ShardMark>) -> Self {
        let random = Self::random(entropy);
        mark.map_or(random, |mark| mark.key.mark(mark.shard, random))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]
    extern crate std;
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn an_identifier_tells_its_shard_to_the_key_and_to_no_other() {
        let (key, other) = (ShardKey::new([3; 32]), ShardKey::new([4; 32]));
        let mut chance = Chance::new(&[1; 32]);
        for shard in [0, 1, 255, 256, 65_535] {
            let mark = ShardMark::new(shard, key.clone());
            for _ in 0..100 {
                let mut twin = chance.clone();
                let (marked, plain) = (Uuid::marked(&mut chance, Some(&mark)), Uuid::marked(&mut twin, None));
                assert_eq!((key.shard_of(&marked), key.shard_of(&plain)), (Some(shard), None));
                assert_eq!(other.shard_of(&marked), None);
                assert!(chance == twin && marked.0[..10] == plain.0[..10], "the same is taken from the entropy");
                assert_eq!((marked.0[6] >> 4, marked.0[8] >> 6), (4, 2), "version 4");
            }
        }
        assert_eq!(std::format!("{:?}", ShardMark::new(7, key)), "ShardMark { shard: 7, key: ShardKey(..) }");
    }

    #[test]
    fn a_changed_identifier_is_nobodys() {
        let key = ShardKey::new([3; 32]);
        let marked = Uuid::marked(&mut Chance::new(&[2; 32]), Some(&ShardMark::new(5, key.clone())));
        for bit in 0..128 {
            let mut changed = marked;
            changed.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.shard_of(&changed), None, "bit {bit}");
        }
    }

    // From Python: hmac.new(bytes([3] * 32), bytes([domain]) + octets, 'sha256').
    #[test]
    fn hashes_are_hmacs_of_their_kind() {
        let key = ShardKey::new([3; 32]);
        let hashes = [Hashed::Identifier, Hashed::MessageId, Hashed::Connection].map(|what| key.hash(what, b"urn:x"));
        assert_eq!(hashes, [0x91c3_e797_0e80_51b8, 0x982f_eff1_1a38_551f, 0xf049_cf84_a8af_d020]);
    }
}
