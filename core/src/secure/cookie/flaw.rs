//! What can be wrong with a cookie.

use core::fmt;

/// A part of a conversation's state, by the name of its element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the variants are the element names of WCF's serializer")]
pub enum StateField {
    Version,
    Id,
    ContextId,
    Key,
    KeyGeneration,
    EffectiveTime,
    ExpiryTime,
    KeyEffectiveTime,
    KeyExpiryTime,
    Identities,
    ClaimSets,
    IsCookieMode,
}

impl fmt::Display for StateField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a state that was opened cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StateFlaw {
    /// Not the binary XML of a state: cut short, a record of another kind, or bytes behind its end.
    Malformed {
        /// Byte offset in the state.
        offset: u16,
    },
    /// A part that must be there is not.
    Missing(StateField),
    /// A part is there twice.
    Repeated(StateField),
    /// A part has a value that it cannot have, or one that is too long.
    Value(StateField),
}

impl fmt::Display for StateFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { offset } => write!(f, "the state in the cookie is malformed at byte {offset}"),
            Self::Missing(field) => write!(f, "the state in the cookie has no {field}"),
            Self::Repeated(field) => write!(f, "the state in the cookie has more than one {field}"),
            Self::Value(field) => write!(f, "the state in the cookie has a {field} that it cannot have"),
        }
    }
}

/// Why a state was not sealed, or a cookie not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StateError {
    /// There is no encoder: cookie mode was not configured with one.
    NoEncoder,
    /// No key to seal with: none is there, or none is in its time.
    NoCurrentKey,
    /// The cookie is shorter than the least that a cookie of this encoder is, or of another format.
    NotACookie,
    /// No key of this number is on the ring: retired and removed, or never there.
    UnknownKey {
        /// The number that the cookie names.
        key: u64,
    },
    /// The key is on the ring still, but past its time.
    RetiredKey {
        /// The number that the cookie names.
        key: u64,
    },
    /// The cookie was changed on its way, or was sealed for another service.
    NotGenuine {
        /// The number of the key that it names.
        key: u64,
    },
    /// The result is longer than there is room.
    Room {
        /// Bytes needed.
        needed: usize,
    },
    /// The encoder could not do its work: randomness, a file, a device.
    Unavailable,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEncoder => f.write_str("cookie mode needs a state encoder, and the credentials have none"),
            Self::NoCurrentKey => f.write_str("there is no key to seal cookies with: rotate the key ring"),
            Self::NotACookie => f.write_str("this is not a cookie of the configured encoder"),
            Self::UnknownKey { key } => write!(f, "the cookie's key {key:016x} is not on the key ring"),
            Self::RetiredKey { key } => write!(f, "the cookie's key {key:016x} is retired"),
            Self::NotGenuine { key } => {
                write!(f, "the cookie was changed, or is another service's (key {key:016x})")
            }
            Self::Room { needed } => write!(f, "the cookie or its state needs a buffer of {needed} bytes"),
            Self::Unavailable => f.write_str("the state encoder is not available"),
        }
    }
}

impl core::error::Error for StateError {}

/// Why a message's cookie did not do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CookieFlaw {
    /// It is not base64, or longer than [`MAX_COOKIE`](super::MAX_COOKIE).
    Unreadable,
    /// The encoder refused it.
    Encoder(StateError),
    /// What was inside is not a state.
    State(StateFlaw),
    /// What was inside is the state of another token than the one around it.
    Mismatch(StateField),
    /// Its key is not one for the algorithm suite.
    KeyLength {
        /// Its length in bytes.
        len: u8,
    },
    /// It is good only from a later time on: by so many milliseconds beyond the clock skew.
    NotYetValid {
        /// Milliseconds beyond the skew.
        by_ms: u64,
    },
    /// Its time was over so many milliseconds ago.
    Expired {
        /// Milliseconds.
        by_ms: u64,
    },
}

impl fmt::Display for CookieFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("the cookie is not base64, or too long"),
            Self::Encoder(error) => write!(f, "{error}"),
            Self::State(flaw) => write!(f, "{flaw}"),
            Self::Mismatch(field) => write!(f, "the cookie is another token's: its {field} differs"),
            Self::KeyLength { len } => write!(f, "the cookie's key has {len} bytes, which the suite does not accept"),
            Self::NotYetValid { by_ms } => {
                write!(f, "the cookie is good only {by_ms} ms after the clock skew's end: compare the servers' clocks")
            }
            Self::Expired { by_ms } => write!(f, "the cookie's time was over {by_ms} ms ago"),
        }
    }
}

impl core::error::Error for CookieFlaw {}
