//! Writing a state, byte for byte as WCF's serializer writes it.

use super::{SecurityState, name, swapped};
use crate::chance::Uuid;
use crate::xml::{Grow, Writer};

/// The right by which a claim says who somebody is; the other right, to possess something, goes without saying.
const IDENTITY: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/right/identity";

const END: u8 = 0x01;
const ATTRIBUTE: u8 = 0x06;
const ELEMENT: u8 = 0x42;

impl SecurityState {
    /// Writes the state into `out`. Returns its length in bytes, at most [`MAX_STATE`](super::MAX_STATE). Wipe it after use:
    /// it holds the key.
    ///
    /// # Errors
    /// `out` is too short.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, Grow> {
        let mut w = Writer::new(out);
        start(&mut w, name::TOKEN);
        // WCF's only version of this document.
        start(&mut w, name::VERSION);
        integer(&mut w, 1);
        start(&mut w, name::ID);
        characters(&mut w, &self.id, true);
        start(&mut w, name::CONTEXT_ID);
        unique_id(&mut w, self.context);
        start(&mut w, name::KEY);
        octets(&mut w, self.key.as_bytes());
        if let Some(generation) = self.generation {
            start(&mut w, name::KEY_GENERATION);
            unique_id(&mut w, generation);
        }
        for (part, ticks) in [
            (name::EFFECTIVE_TIME, self.effective),
            (name::EXPIRY_TIME, self.expires),
            (name::KEY_EFFECTIVE_TIME, self.key_effective),
            (name::KEY_EXPIRY_TIME, self.key_expires),
        ] {
            start(&mut w, part);
            integer(&mut w, ticks.0);
        }
        if !self.user.is_empty() {
            user(&mut w, &self.user);
        }
        w.put(&[END]);
        w.finish()
    }
}

/// The identity and the claim of somebody who logged in with a name, as WCF's user-name validators make them.
fn user(w: &mut Writer<'_>, name: &str) {
    for part in [name::IDENTITIES, name::PRIMARY_IDENTITY, name::GENERIC_IDENTITY] {
        start(w, part);
    }
    characters(w, name, true);
    w.put(&[END, END]);
    for part in [name::CLAIM_SETS, name::CLAIM_SET, name::PRIMARY_ISSUER, name::ANONYMOUS_CLAIM_SET] {
        start(w, part);
    }
    // An empty string for the set that everybody knows, then the end of its wrapper.
    characters(w, "", true);
    w.put(&[END]);
    start(w, name::CLAIM);
    start(w, name::NAME_CLAIM);
    w.put(&[ATTRIBUTE]);
    dictionary(w, name::RIGHT);
    characters(w, IDENTITY, false);
    characters(w, name, true);
    w.put(&[END, END, END]);
}

fn start(w: &mut Writer<'_>, name: u32) {
    w.put(&[ELEMENT]);
    dictionary(w, name);
}

/// Names of this dictionary need one byte.
fn dictionary(w: &mut Writer<'_>, name: u32) {
    w.put(&[u8::try_from(name.wrapping_shl(1)).unwrap_or(u8::MAX)]);
}

/// A number in the shortest record that holds it, and the element's end.
fn integer(w: &mut Writer<'_>, number: i64) {
    if number == 0 {
        w.put(&[0x81]);
    } else if number == 1 {
        w.put(&[0x83]);
    } else if let Ok(number) = i8::try_from(number) {
        w.put(&[0x89]);
        w.put(&number.to_le_bytes());
    } else if let Ok(number) = i16::try_from(number) {
        w.put(&[0x8B]);
        w.put(&number.to_le_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        w.put(&[0x8D]);
        w.put(&number.to_le_bytes());
    } else {
        w.put(&[0x8F]);
        w.put(&number.to_le_bytes());
    }
}

fn characters(w: &mut Writer<'_>, text: &str, ends: bool) {
    let end = u8::from(ends);
    match u8::try_from(text.len()) {
        Ok(0) => w.put(&[0xA8 | end]),
        Ok(len) => w.put(&[0x98 | end, len]),
        // No text of a state is that long.
        Err(_) => {}
    }
    w.put(text.as_bytes());
}

fn unique_id(w: &mut Writer<'_>, id: Uuid) {
    w.put(&[0xAD]);
    w.put(&swapped(id.0));
}

/// Octets in whole groups of base64, three bytes each, then what is left: WCF's writer keeps the rest back until the end.
fn octets(w: &mut Writer<'_>, octets: &[u8]) {
    let left = octets.len() % 3;
    let (groups, rest) = octets.split_at_checked(octets.len().saturating_sub(left)).unwrap_or((octets, &[]));
    let mut run = |kind: u8, octets: &[u8]| {
        w.put(&[kind, u8::try_from(octets.len()).unwrap_or(u8::MAX)]);
        w.put(octets);
    };
    if rest.is_empty() {
        run(0x9F, groups);
    } else {
        if !groups.is_empty() {
            run(0x9E, groups);
        }
        run(0x9F, rest);
    }
}
