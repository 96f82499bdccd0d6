//! RSA signatures with SHA-1 (PKCS#1 v1.5), made by aws-lc.
//!
//! WCF's default suites sign with RSA and SHA-1. aws-lc can, but `aws-lc-rs` wraps only its verification; what is left of the
//! wrapping is this one function. It stands in a package of its own because it is the only unsafe code of the workspace.

use aws_lc_sys::{
    CBS, CBS_init, EVP_PKEY_free, EVP_PKEY_get0_RSA, EVP_parse_private_key, NID_sha1, RSA_sign, RSA_size,
};
use std::ffi::c_uint;
use std::mem::MaybeUninit;
use std::ptr;

/// Length of a SHA-1 digest, in bytes.
pub const DIGEST: usize = 20;

/// Signs `digest` with the RSA key in `pkcs8` (an unencrypted PKCS#8 `PrivateKeyInfo`, DER) and returns the signature's
/// length, in bytes: that of the modulus.
///
/// `None` if `pkcs8` holds no RSA key, if `out` is shorter than the modulus, or if the library fails.
#[allow(unsafe_code, reason = "aws-lc is C")]
pub fn sign(pkcs8: &[u8], digest: &[u8; DIGEST], out: &mut [u8]) -> Option<usize> {
    let mut reader = MaybeUninit::<CBS>::uninit();
    // SAFETY: `CBS_init` fills `reader` in; `pkcs8` lives to the end of this function, beyond the last use of `reader`.
    // `EVP_parse_private_key` only reads through it, and returns null or a key of which we are the only owner.
    let key = unsafe {
        CBS_init(reader.as_mut_ptr(), pkcs8.as_ptr(), pkcs8.len());
        EVP_parse_private_key(reader.as_mut_ptr())
    };
    if key.is_null() {
        return None;
    }
    // SAFETY: `key` is a key. What comes back is null, if it is not an RSA key, or lives as long as `key`.
    let rsa = unsafe { EVP_PKEY_get0_RSA(key) };
    let mut written: c_uint = 0;
    // SAFETY: `rsa` is a key that is not null, and `key`, which owns it, is freed only below. `RSA_sign` reads `digest.len()`
    // bytes of `digest` and writes at most `RSA_size(rsa)` bytes to `out`, which is seen to have room for them.
    let signed = !rsa.is_null()
        && unsafe {
            usize::try_from(RSA_size(rsa)).is_ok_and(|size| size <= out.len())
                && RSA_sign(NID_sha1, digest.as_ptr(), digest.len(), out.as_mut_ptr(), ptr::from_mut(&mut written), rsa)
                    == 1
        };
    // SAFETY: `key` came from `EVP_parse_private_key`, is freed once, and nothing uses it or `rsa` after this.
    unsafe { EVP_PKEY_free(key) };
    if signed { usize::try_from(written).ok() } else { None }
}
