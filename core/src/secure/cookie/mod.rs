//! Cookie mode: the state of a conversation, which the service hands to its client instead of keeping it.
//!
//! WCF calls it a token without `requireSecurityContextCancellation`. The token that is issued carries a `dnse:Cookie`, the
//! client repeats it in every message, and a service that does not know the token reads everything it needs out of it: any
//! process that can open the cookie can answer. [`SecurityState`] is what stands inside, in WCF's own binary XML, and a
//! [`StateEncoder`] protects it on its way (`SecurityStateEncoder` in WCF).

mod flaw;
mod read;
mod records;
mod write;

#[cfg(test)]
mod tests;

pub use flaw::{CookieFlaw, StateError, StateField, StateFlaw};

use crate::chance::Uuid;
use crate::crypto::SecretKey;
use crate::time::UnixMillis;
use heapless::String;

/// Longest state, in bytes: before it is sealed. WCF's for an anonymous client is 154.
pub const MAX_STATE: usize = 640;
/// Longest cookie, in bytes: after it was sealed, before it is written in base64.
pub const MAX_COOKIE: usize = 1024;

/// Protects the state of conversations on its way to their clients and back: nobody else may read it, and nobody may change
/// it unnoticed. The default encoder lives with the credentials; a vault or an HSM can take its place.
///
/// Both methods are called while a message is worked on, so they must not wait.
pub trait StateEncoder {
    /// Seals `state` into `out`, which is [`MAX_COOKIE`] bytes long. Returns the cookie's length in bytes.
    ///
    /// # Errors
    /// [`StateError`]: no token is issued then, and the client is told that the service is too busy.
    fn seal(&self, now: UnixMillis, state: &[u8], out: &mut [u8]) -> Result<usize, StateError>;

    /// Opens a cookie into `out`, which is [`MAX_STATE`] bytes long. Returns the state's length in bytes. Nothing of a
    /// cookie may be handed out before all of it was found genuine.
    ///
    /// # Errors
    /// [`StateError`]: the message is refused, and the client is told nothing of the reason.
    fn open(&self, now: UnixMillis, cookie: &[u8], out: &mut [u8]) -> Result<usize, StateError>;
}

/// A moment as .NET counts: 100 ns since 0001-01-01T00:00:00Z. A cookie has finer times than the `Lifetime` beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticks(pub i64);

/// Ticks of a millisecond.
const PER_MILLI: i64 = 10_000;

impl Ticks {
    /// 0001-01-01T00:00:00Z: what is meant by an `EffectiveTime` that is not there.
    pub const MIN: Self = Self(0);
    /// The last tick of the year 9999: what is meant by an `ExpiryTime` that is not there.
    pub const MAX: Self = Self(3_155_378_975_999_999_999);

    /// The millisecond that it lies in.
    pub fn millis(self) -> UnixMillis {
        UnixMillis(self.0.div_euclid(PER_MILLI).saturating_add(UnixMillis::MIN.0))
    }
}

impl From<UnixMillis> for Ticks {
    /// Times outside the years 1 to 9999 become the nearest inside.
    fn from(at: UnixMillis) -> Self {
        let at = at.0.clamp(UnixMillis::MIN.0, UnixMillis::MAX.0);
        Self(at.saturating_sub(UnixMillis::MIN.0).saturating_mul(PER_MILLI))
    }
}

/// What a cookie says of its conversation (WCF's serialized `SecurityContextSecurityToken`, version 1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecurityState {
    /// `Id`: the `wsu:Id` that the token was issued with.
    pub id: String<128>,
    /// `ContextId`: the GUID of the token's `Identifier`.
    pub context: Uuid,
    /// `Key`: the conversation's key.
    pub key: SecretKey,
    /// `KeyGeneration`: the GUID of the token's `Instance`. Tokens in cookie mode have none: they are not renewed.
    pub generation: Option<Uuid>,
    /// `EffectiveTime`: the token is good from here on.
    pub effective: Ticks,
    /// `ExpiryTime`: the token is good until here.
    pub expires: Ticks,
    /// `KeyEffectiveTime`.
    pub key_effective: Ticks,
    /// `KeyExpiryTime`.
    pub key_expires: Ticks,
    /// The name of the first of `Identities`; empty for an anonymous client.
    pub user: String<128>,
}

/// WCF's private dictionary for this document: indices into it, doubled on the wire.
mod name {
    pub(super) const TOKEN: u32 = 0;
    pub(super) const VERSION: u32 = 1;
    pub(super) const CONTEXT_ID: u32 = 2;
    pub(super) const ID: u32 = 3;
    pub(super) const KEY: u32 = 4;
    pub(super) const IS_COOKIE_MODE: u32 = 5;
    pub(super) const EFFECTIVE_TIME: u32 = 7;
    pub(super) const EXPIRY_TIME: u32 = 8;
    pub(super) const KEY_GENERATION: u32 = 9;
    pub(super) const KEY_EFFECTIVE_TIME: u32 = 10;
    pub(super) const KEY_EXPIRY_TIME: u32 = 11;
    pub(super) const CLAIM: u32 = 12;
    pub(super) const CLAIM_SETS: u32 = 13;
    pub(super) const CLAIM_SET: u32 = 14;
    pub(super) const IDENTITIES: u32 = 15;
    pub(super) const PRIMARY_IDENTITY: u32 = 16;
    pub(super) const PRIMARY_ISSUER: u32 = 17;
    pub(super) const ANONYMOUS_CLAIM_SET: u32 = 21;
    pub(super) const GENERIC_IDENTITY: u32 = 24;
    pub(super) const RIGHT: u32 = 26;
    pub(super) const NAME_CLAIM: u32 = 29;
    pub(super) const WINDOWS_SID_IDENTITY: u32 = 37;
}

/// .NET writes a GUID's first three fields with the lowest byte first.
const fn swapped(guid: [u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = guid;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}
