//! The default state encoder: AES-256-GCM under a ring of keys in a file.
//!
//! The newest key whose time has come seals, older ones still open. A cookie names its key and is good for one service only:
//! the service's name is authenticated with it. Several processes may share the file, on one machine or through a file system
//! that has locks; whoever rotates replaces it as a whole, and the others take the new one up within a second.
//!
//! A cookie is a byte 1, the key's number (8 bytes, highest first), a nonce of 12 bytes, the ciphertext, a tag of 16 bytes.
//! Beside the state are authenticated: `soap-session cookie` and a zero byte, the cookie's first nine bytes, the service's name.

mod error;
mod file;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use soap_session_core::secure::{StateEncoder, StateError};
use soap_session_core::time::UnixMillis;
use zeroize::Zeroizing;

pub use error::{RingError, RingProblem};
use file::Seen;

/// Most keys on one ring.
pub const MAX_KEYS: usize = 64;

const VERSION: u8 = 1;
const TAG: usize = 16;
/// Version, number of the key, nonce.
const HEAD: usize = 1 + 8 + NONCE_LEN;
/// Milliseconds after which a change of the file is looked for.
const LOOK_AGAIN: i64 = 1000;

/// How a ring is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// For how long the key before still opens cookies, from when the new one seals. At least `issued_cookie_lifetime`: a
    /// cookie whose key is gone is refused though its own time is not over. Default: 10 hours, as WCF's tokens live, and 10
    /// minutes.
    pub keep: Duration,
    /// The new key seals only after so long. Give it when the file is copied from machine to machine: as long as that takes,
    /// or some server gets cookies under a key that it does not have. Default: none.
    pub lead: Duration,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { keep: Duration::from_secs(10 * 3600 + 600), lead: Duration::ZERO }
    }
}

/// What is known of a key, but for the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// Its number: chance, and named in every cookie.
    pub number: u64,
    /// When it was made.
    pub created: UnixMillis,
    /// When it begins to seal.
    pub seals_from: UnixMillis,
    /// Until when it opens; `None` while no later key has followed.
    pub opens_until: Option<UnixMillis>,
}

struct Key {
    facts: KeyFacts,
    secret: Zeroizing<[u8; 32]>,
    cipher: LessSafeKey,
}

impl Key {
    fn new(facts: KeyFacts, secret: Zeroizing<[u8; 32]>) -> Result<Self, RingProblem> {
        let unbound = UnboundKey::new(&AES_256_GCM, secret.as_slice()).map_err(|_| RingProblem::NoRandomness)?;
        Ok(Self { facts, secret, cipher: LessSafeKey::new(unbound) })
    }

    /// A new one.
    fn fresh(created: UnixMillis, seals_from: UnixMillis) -> Result<Self, RingProblem> {
        let mut secret = Zeroizing::new([0; 32]);
        let mut number = [0; 8];
        aws_lc_rs::rand::fill(secret.as_mut_slice()).map_err(|_| RingProblem::NoRandomness)?;
        aws_lc_rs::rand::fill(&mut number).map_err(|_| RingProblem::NoRandomness)?;
        let number = u64::from_be_bytes(number);
        Self::new(KeyFacts { number, created, seals_from, opens_until: None }, secret)
    }
}

#[derive(Default)]
struct Loaded {
    keys: Vec<Key>,
    seen: Option<Seen>,
    trouble: Option<RingError>,
}

impl Loaded {
    /// The key that seals at `now`: of those whose time has come the one that came last.
    fn current(&self, now: UnixMillis) -> Option<&Key> {
        self.keys.iter().filter(|key| key.facts.seals_from <= now).max_by_key(|key| key.facts.seals_from)
    }

    fn find(&self, number: u64) -> Option<&Key> {
        self.keys.iter().find(|key| key.facts.number == number)
    }
}

/// A ring of keys in a file, for the cookies of one service.
///
/// ```no_run
/// use std::sync::Arc;
/// use soap_session_credentials::{CredentialStore, KeyRing, Rotation};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ring = Arc::new(KeyRing::open_or_create("cookies.ring", "http://localhost/calc")?);
/// let store = CredentialStore::new().with_state_encoder(ring.clone());
/// // Whenever it pleases, in this process or in another one:
/// ring.rotate(Rotation::default())?;
/// # Ok(())
/// # }
/// ```
///
/// Nonces are random: rotate before a key has sealed 2^32 cookies, once a week at the latest.
pub struct KeyRing {
    file: PathBuf,
    service: String,
    loaded: RwLock<Loaded>,
    looked: AtomicI64,
}

impl KeyRing {
    /// A ring that exists. `service` is the name that the service's cookies are bound to, its address for one: every process
    /// that is to take the same cookies gives the same.
    ///
    /// # Errors
    /// [`RingProblem`]: the file cannot be read, may be read by others, or is damaged.
    pub fn open(file: impl AsRef<Path>, service: &str) -> Result<Self, RingError> {
        let file = file.as_ref().to_path_buf();
        if service.is_empty() {
            return Err(RingProblem::NoService.of(&file));
        }
        let loaded = file::load(&file)?;
        Ok(Self { file, service: service.to_owned(), loaded: RwLock::new(loaded), looked: AtomicI64::new(i64::MIN) })
    }

    /// As [`open`](Self::open); makes the file, with one key, if there is none. Two processes may try at once.
    ///
    /// # Errors
    /// As [`open`](Self::open), and that the file cannot be made.
    pub fn open_or_create(file: impl AsRef<Path>, service: &str) -> Result<Self, RingError> {
        let path = file.as_ref();
        if !path.exists() {
            let _lock = file::lock(path)?;
            // Somebody else may have made it meanwhile.
            if !path.exists() {
                let now = wall(SystemTime::now());
                file::replace(path, &[Key::fresh(now, now).map_err(|problem| problem.of(path))?])?;
            }
        }
        Self::open(path, service)
    }

    /// Adds a key, which seals from now on, or after [`Rotation::lead`], and sets an end to the one before. Keys whose end has
    /// come are removed. The file is replaced as a whole. Returns the new key's number.
    ///
    /// # Errors
    /// [`RingProblem`]; the file is as it was.
    pub fn rotate(&self, rotation: Rotation) -> Result<u64, RingError> {
        self.rotate_at(SystemTime::now(), rotation)
    }

    /// As [`rotate`](Self::rotate), at this time of day.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub fn rotate_at(&self, now: SystemTime, rotation: Rotation) -> Result<u64, RingError> {
        let now = wall(now);
        self.change(|keys| {
            keys.retain(|key| key.facts.opens_until.is_none_or(|end| end >= now));
            if keys.len() >= MAX_KEYS {
                return Err(RingProblem::TooManyKeys);
            }
            // Never earlier than a key that is already waiting for its time.
            let latest = keys.iter().map(|key| key.facts.seals_from).max().unwrap_or(now);
            let next = Key::fresh(now, now.after(rotation.lead).max(UnixMillis(latest.0.saturating_add(1))))?;
            let end = next.facts.seals_from.after(rotation.keep);
            for key in keys.iter_mut().filter(|key| key.facts.opens_until.is_none()) {
                key.facts.opens_until = Some(end);
            }
            let number = next.facts.number;
            keys.push(next);
            Ok(number)
        })
    }

    /// Removes a key at once: the cookies under it are refused from now on, and within a second by every process that shares
    /// the file, but for tokens whose state is cached.
    ///
    /// # Errors
    /// [`RingProblem::NoSuchKey`], and [`RingProblem::LastKey`] for the only one: rotate first.
    pub fn remove(&self, number: u64) -> Result<(), RingError> {
        self.change(|keys| {
            let at = keys.iter().position(|key| key.facts.number == number).ok_or(RingProblem::NoSuchKey { number })?;
            if keys.len() == 1 {
                return Err(RingProblem::LastKey);
            }
            keys.remove(at);
            Ok(())
        })
    }

    /// What is known of the keys, in the order in which they were made.
    pub fn keys(&self) -> Vec<KeyFacts> {
        self.read().keys.iter().map(|key| key.facts).collect()
    }

    /// Takes the file up as it is now. Not needed: a change is seen within a second of its first use.
    ///
    /// # Errors
    /// [`RingProblem`]; the keys stay as they were.
    pub fn reload(&self) -> Result<(), RingError> {
        let loaded = file::load(&self.file)?;
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// Why the file could not be taken up when it was last looked at; the keys from before are used meanwhile.
    pub fn trouble(&self) -> Option<RingError> {
        self.read().trouble.clone()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Loaded> {
        // Replaced as a whole, and changed in no other way.
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, how: impl FnOnce(&mut Vec<Key>) -> Result<T, RingProblem>) -> Result<T, RingError> {
        let _lock = file::lock(&self.file)?;
        let mut keys = file::load(&self.file)?.keys;
        let done = how(&mut keys).map_err(|problem| problem.of(&self.file))?;
        file::replace(&self.file, &keys)?;
        self.reload()?;
        Ok(done)
    }

    /// Looks whether the file is another one by now.
    fn look(&self, now: UnixMillis, at_once: bool) {
        let before = self.looked.load(Ordering::Relaxed);
        if !at_once && now.0.saturating_sub(before).saturating_abs() < LOOK_AGAIN {
            return;
        }
        self.looked.store(now.0, Ordering::Relaxed);
        let seen = file::seen(&self.file);
        if seen.as_ref().ok() == self.read().seen.as_ref() {
            return;
        }
        if let Err(error) = seen.and_then(|_| self.reload()) {
            self.loaded.write().unwrap_or_else(PoisonError::into_inner).trouble = Some(error);
        }
    }

    /// What is authenticated beside the state: the format, the key's number, the service.
    fn bound(&self, head: &[u8]) -> Aad<Vec<u8>> {
        Aad::from([b"soap-session cookie\0", head, self.service.as_bytes()].concat())
    }
}

impl StateEncoder for KeyRing {
    fn seal(&self, now: UnixMillis, state: &[u8], out: &mut [u8]) -> Result<usize, StateError> {
        self.look(now, false);
        let loaded = self.read();
        let key = loaded.current(now).ok_or(StateError::NoCurrentKey)?;
        let needed = state.len().saturating_add(HEAD + TAG);
        let out = out.get_mut(..needed).ok_or(StateError::Room { needed })?;
        let (head, rest) = out.split_at_mut(HEAD);
        let (plain, tag_out) = rest.split_at_mut(state.len());
        let (named, nonce) = head.split_at_mut(9);
        named[0] = VERSION;
        named[1..].copy_from_slice(&key.facts.number.to_be_bytes());
        aws_lc_rs::rand::fill(nonce).map_err(|_| StateError::Unavailable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| StateError::Unavailable)?;
        plain.copy_from_slice(state);
        let tag = key.cipher.seal_in_place_separate_tag(nonce, self.bound(named), plain);
        let tag = tag.map_err(|_| {
            plain.fill(0);
            StateError::Unavailable
        })?;
        tag_out.copy_from_slice(tag.as_ref());
        Ok(needed)
    }

    fn open(&self, now: UnixMillis, cookie: &[u8], out: &mut [u8]) -> Result<usize, StateError> {
        let (head, sealed) = cookie.split_at_checked(HEAD).ok_or(StateError::NotACookie)?;
        let (named, nonce) = head.split_at(9);
        let (number, len) = match (named, sealed.len().checked_sub(TAG)) {
            ([VERSION, number @ ..], Some(len)) => {
                (u64::from_be_bytes(number.try_into().map_err(|_| StateError::NotACookie)?), len)
            }
            _ => return Err(StateError::NotACookie),
        };
        self.look(now, false);
        if self.read().find(number).is_none() {
            // Made by another process a moment ago?
            self.look(now, true);
        }
        let loaded = self.read();
        let key = loaded.find(number).ok_or(StateError::UnknownKey { key: number })?;
        if key.facts.opens_until.is_some_and(|end| now > end) {
            return Err(StateError::RetiredKey { key: number });
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| StateError::NotACookie)?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        let not_genuine = StateError::NotGenuine { key: number };
        key.cipher.open_in_place(nonce, self.bound(named), &mut plain).map_err(|_| not_genuine)?;
        let state = &plain[..len];
        out.get_mut(..len).ok_or(StateError::Room { needed: len })?.copy_from_slice(state);
        Ok(len)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("file", &self.file)
            .field("service", &self.service)
            .field("keys", &self.keys())
            .finish()
    }
}

fn wall(time: SystemTime) -> UnixMillis {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
