//! P_SHA1, the key derivation of every suite (TLS 1.0's, with the label in front of the seed).

use super::algorithm::MacAlgorithm;
use super::backend::{Backend, DigestOutput, Mac};

/// Fills `out` with the bytes of P_SHA1 that start at `offset`; the seed is `label`, then `seed`.
///
/// `secret` is expanded once; each 20 bytes of output cost two HMACs.
pub fn p_sha1<B: Backend>(secret: &[u8], label: &[u8], seed: &[u8], offset: usize, out: &mut [u8]) {
    let keyed = B::Mac::new(MacAlgorithm::HmacSha1, secret);
    let authenticate = |parts: [&[u8]; 3]| -> DigestOutput {
        let mut mac = keyed.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finish()
    };
    let mut a = authenticate([label, seed, &[]]);
    let mut skip = offset;
    let mut out = out.iter_mut();
    loop {
        let block = authenticate([a.as_bytes(), label, seed]);
        for byte in block.as_bytes() {
            if skip > 0 {
                skip = skip.saturating_sub(1);
                continue;
            }
            match out.next() {
                Some(to) => *to = *byte,
                None => return,
            }
        }
        a = authenticate([a.as_bytes(), &[], &[]]);
    }
}
