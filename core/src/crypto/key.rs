//! Secret octets: wiped when dropped, never printed, compared in constant time.

use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Up to [`MAX`](SecretKey::MAX) bytes of secret.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey {
    octets: [u8; Self::MAX],
    len: u8,
}

impl SecretKey {
    /// The longest secret, in bytes: twice the longest key of any suite.
    pub const MAX: usize = 64;

    /// A copy of `octets`; `None` if they are more than [`MAX`](Self::MAX).
    pub fn new(octets: &[u8]) -> Option<Self> {
        let mut key = Self::zeroed(octets.len())?;
        key.as_mut_bytes().copy_from_slice(octets);
        Some(key)
    }

    /// `len` zero bytes, to be filled; `None` if `len` is more than [`MAX`](Self::MAX).
    pub fn zeroed(len: usize) -> Option<Self> {
        if len > Self::MAX {
            return None;
        }
        Some(Self { octets: [0; Self::MAX], len: u8::try_from(len).ok()? })
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.len()).unwrap_or(&[])
    }

    /// The octets, to be filled.
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        let len = self.len();
        self.octets.get_mut(..len).unwrap_or(&mut [])
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Is there no octet?
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Default for SecretKey {
    fn default() -> Self {
        Self { octets: [0; Self::MAX], len: 0 }
    }
}

/// Up to `N` bytes of secret, for tables: no longer than what it keeps. It is made a [`SecretKey`] to be used.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct ShortKey<const N: usize> {
    octets: [u8; N],
    len: u8,
}

impl<const N: usize> ShortKey<N> {
    /// A copy of `key`; what is beyond `N` bytes is not kept.
    pub(crate) fn of(key: &SecretKey) -> Self {
        let mut octets = [0; N];
        for (to, from) in octets.iter_mut().zip(key.as_bytes()) {
            *to = *from;
        }
        Self { octets, len: u8::try_from(key.len().min(N)).unwrap_or(u8::MAX) }
    }

    /// The key.
    pub(crate) fn secret(&self) -> SecretKey {
        self.octets.get(..usize::from(self.len)).and_then(SecretKey::new).unwrap_or_default()
    }
}

impl<const N: usize> PartialEq for ShortKey<N> {
    fn eq(&self, other: &Self) -> bool {
        (self.octets.ct_eq(&other.octets) & self.len.ct_eq(&other.len)).into()
    }
}

impl<const N: usize> Eq for ShortKey<N> {}

impl<const N: usize> fmt::Debug for ShortKey<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShortKey({} bytes)", self.len)
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        // Lengths are public: they follow from the suite.
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({} bytes)", self.len)
    }
}
