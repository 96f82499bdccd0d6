//! The state of a conversation, written as a cookie holds it and read again.

use crate::{Failure, NOW};
use soap_session_core::chance::Uuid;
use soap_session_core::crypto::SecretKey;
use soap_session_core::secure::{MAX_STATE, SecurityState, Ticks};
use soap_session_core::time::Duration;

pub(crate) fn round_trip() -> Result<(), Failure> {
    let (effective, expires) = (Ticks::from(NOW), Ticks::from(NOW.after(Duration::from_secs(36_000))));
    let state = SecurityState {
        id: "uuid-7a1c9b5e-0f57-4c0e-8a53-1f4e5f1f2b30-1".try_into().or(Err(Failure::Cookie))?,
        context: Uuid([7; 16]),
        key: SecretKey::new(&[42; 32]).ok_or(Failure::Key)?,
        generation: None,
        effective,
        expires,
        key_effective: effective,
        key_expires: expires,
        user: "ada".try_into().or(Err(Failure::Cookie))?,
    };
    let mut out = [0; MAX_STATE];
    let len = state.write(&mut out).or(Err(Failure::Cookie))?;
    let written = out.get(..len).ok_or(Failure::Cookie)?;
    if SecurityState::read(written).as_ref() != Ok(&state) || SecurityState::read(&written[1..]).is_ok() {
        return Err(Failure::Cookie);
    }
    Ok(())
}
