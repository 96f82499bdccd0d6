//! P_SHA1, the key derivation of every suite (TLS 1.0's, with the label in front of the seed).

use super::algorithm::MacAlgorithm;
use super::backend::{Backend, DigestOutput, Mac};

/// Fills `out` with the bytes of P_SHA1 that start at `offset`; the seed is `label`, then `seed`.
///
/// `secret` is expanded once; each 20 bytes of output cost two HMACs, and each 20 bytes skipped one: bound an offset that
/// a peer chose.
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
    let mut rest = out;
    while !rest.is_empty() {
        if let Some(beyond) = skip.checked_sub(MacAlgorithm::HmacSha1.len()) {
            // Nothing of this block is wanted: one HMAC takes it to the next.
            skip = beyond;
        } else {
            let block = authenticate([a.as_bytes(), label, seed]);
            let wanted = block.as_bytes().get(skip..).unwrap_or(&[]);
            let (now, later) = rest.split_at_mut(wanted.len().min(rest.len()));
            for (to, from) in now.iter_mut().zip(wanted) {
                *to = *from;
            }
            skip = 0;
            rest = later;
        }
        if !rest.is_empty() {
            a = authenticate([a.as_bytes(), &[], &[]]);
        }
    }
}
