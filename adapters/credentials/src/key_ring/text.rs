//! The text of a key ring's file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use soap_session_core::time::UnixMillis;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Key, KeyFacts, MAX_KEYS, RingProblem};

const TITLE: &str = "soap-session key ring 1";
const LEGEND: &str = "# number, created, seals from, opens until, key: whoever has this file can read and make cookies";

/// The keys of a file.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Key>, RingProblem> {
    let text = str::from_utf8(text).map_err(|_| RingProblem::Damaged { line: 1 })?;
    let mut lines = text.lines().zip(1..);
    if lines.next().is_none_or(|(title, _)| title != TITLE) {
        return Err(RingProblem::Damaged { line: 1 });
    }
    let mut keys: Vec<Key> = Vec::new();
    for (text, line) in lines.filter(|(text, _)| !text.is_empty() && !text.starts_with('#')) {
        let key = key(text).ok_or(RingProblem::Damaged { line })?;
        let number = key.facts.number;
        if keys.iter().any(|other| other.facts.number == number) {
            return Err(RingProblem::Repeated { number });
        }
        if keys.len() >= MAX_KEYS {
            return Err(RingProblem::TooManyKeys);
        }
        keys.push(key);
    }
    Ok(keys)
}

fn key(line: &str) -> Option<Key> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [number, created, seals_from, opens_until, secret] = fields[..] else { return None };
    if number.len() != 16 || !number.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit)) {
        return None;
    }
    let moment = |text: &str| UnixMillis::parse(text.as_bytes());
    let facts = KeyFacts {
        number: u64::from_str_radix(number, 16).ok()?,
        created: moment(created)?,
        seals_from: moment(seals_from)?,
        opens_until: if opens_until == "-" { None } else { Some(moment(opens_until)?) },
    };
    let mut octets = Zeroizing::new([0; 33]);
    if STANDARD.decode_slice(secret, octets.as_mut_slice()) != Ok(32) {
        return None;
    }
    let mut own = Zeroizing::new([0; 32]);
    own.copy_from_slice(&octets[..32]);
    Key::new(facts, own).ok()
}

/// The text for a file. It is wiped when it is dropped.
pub(super) fn write(keys: &[Key]) -> Zeroizing<String> {
    // Enough at once: a string that grows leaves unwiped copies behind.
    let room = (keys.len() + 2) * 160;
    let mut text = Zeroizing::new(String::with_capacity(room));
    text.push_str(TITLE);
    text.push('\n');
    text.push_str(LEGEND);
    text.push('\n');
    for Key { facts, secret, .. } in keys {
        text.push_str(&format!("{:016x}", facts.number));
        for moment in [Some(facts.created), Some(facts.seals_from), facts.opens_until] {
            text.push(' ');
            match moment {
                Some(moment) => text.push_str(&String::from_utf8_lossy(&moment.text())),
                None => text.push('-'),
            }
        }
        text.push(' ');
        let mut octets = [0; 44];
        if STANDARD.encode_slice(secret.as_slice(), &mut octets) == Ok(44) {
            text.push_str(str::from_utf8(&octets).unwrap_or_default());
        }
        octets.zeroize();
        text.push('\n');
    }
    debug_assert!(text.len() <= room);
    text
}
