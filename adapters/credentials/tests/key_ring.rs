//! The key ring: what it opens, what it refuses, and its file under many hands.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use soap_session_core::secure::{MAX_COOKIE, MAX_STATE, StateEncoder, StateError};
use soap_session_core::time::UnixMillis;
use soap_session_credentials::{KeyRing, MAX_KEYS, RingProblem, Rotation};

const SERVICE: &str = "http://localhost/calc";
const STATE: &[u8] = b"the state of a conversation";
const HOUR: Duration = Duration::from_secs(3600);

/// A file that is not there, in a folder of its own.
fn place(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("key-ring-{test}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder.join("cookies.ring")
}

fn unix(time: SystemTime) -> UnixMillis {
    UnixMillis(i64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap())
}

fn seal(ring: &KeyRing, now: UnixMillis) -> Vec<u8> {
    let mut out = [0; MAX_COOKIE];
    let len = ring.seal(now, STATE, &mut out).unwrap();
    out[..len].to_vec()
}

fn open(ring: &KeyRing, now: UnixMillis, cookie: &[u8]) -> Result<Vec<u8>, StateError> {
    let mut out = [0; MAX_STATE];
    let len = ring.open(now, cookie, &mut out)?;
    Ok(out[..len].to_vec())
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn put(file: &Path, text: &str) {
    let _ = fs::remove_file(file);
    fs::write(file, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

const GOOD: &str = "soap-session key ring 1
# made by hand
0123456789abcdef 2026-11-21T10:00:00Z 2026-11-21T10:00:00Z - AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=
";

/// Sealed by Python's `cryptography`, with AES-256-GCM and the format as the documentation tells it.
#[test]
fn a_cookie_made_elsewhere_is_opened() {
    let file = place("elsewhere");
    put(&file, GOOD);
    let ring = KeyRing::open(&file, SERVICE).unwrap();
    let now = UnixMillis::parse(b"2026-11-21T12:00:00Z").unwrap();
    let cookie = octets(
        "010123456789abcdef000102030405060708090a0b055864b7bba9007f6a0bdd2744f9d7ee46f9cbf00cec1b08a42713177e0f7eafa8cd51b35d7f41d75360ec",
    );
    assert_eq!(open(&ring, now, &cookie).unwrap(), STATE);
    let facts = ring.keys()[0];
    assert_eq!((facts.number, facts.opens_until), (0x0123_4567_89AB_CDEF, None));
    assert_eq!(&facts.seals_from.text(), b"2026-11-21T10:00:00.000Z");
    assert!(!format!("{ring:?}").contains("AQID"));
}

#[test]
fn whatever_is_changed_cut_off_or_meant_for_another_is_refused() {
    let file = place("changed");
    let ring = KeyRing::open_or_create(&file, SERVICE).unwrap();
    let now = unix(SystemTime::now());
    let number = ring.keys()[0].number;
    let cookie = seal(&ring, now);
    assert_ne!(cookie, seal(&ring, now));
    assert!(!cookie.windows(5).any(|run| run == b"state"));
    assert_eq!(open(&ring, now, &cookie).unwrap(), STATE);
    for at in 0..cookie.len() {
        for bit in 0..8 {
            let mut changed = cookie.clone();
            changed[at] ^= 1 << bit;
            let wanted = match at {
                0 => StateError::NotACookie,
                1..9 => {
                    let named = u64::from_be_bytes(changed[1..9].try_into().unwrap());
                    StateError::UnknownKey { key: named }
                }
                _ => StateError::NotGenuine { key: number },
            };
            assert_eq!(open(&ring, now, &changed), Err(wanted), "byte {at}, bit {bit}");
        }
    }
    for len in 0..cookie.len() {
        let wanted = if len < 37 { StateError::NotACookie } else { StateError::NotGenuine { key: number } };
        assert_eq!(open(&ring, now, &cookie[..len]), Err(wanted), "{len}");
    }
    let other = KeyRing::open(&file, "http://localhost/other").unwrap();
    assert_eq!(open(&other, now, &cookie), Err(StateError::NotGenuine { key: number }));
    let mut short = [0; 8];
    assert_eq!(ring.open(now, &cookie, &mut short), Err(StateError::Room { needed: STATE.len() }));
    assert_eq!(short, [0; 8]);
    assert_eq!(ring.seal(now, STATE, &mut short), Err(StateError::Room { needed: STATE.len() + 37 }));
}

#[test]
fn older_keys_open_until_their_end_and_the_newest_seals() {
    let file = place("rotated");
    let ring = KeyRing::open_or_create(&file, SERVICE).unwrap();
    let start = SystemTime::now();
    let first = ring.keys()[0].number;
    let old = seal(&ring, unix(start));
    let rotation = Rotation { keep: HOUR, lead: Duration::from_secs(60) };
    let later = start + Duration::from_secs(5);
    let second = ring.rotate_at(later, rotation).unwrap();
    let turn = later + Duration::from_secs(60);
    // Not yet its time.
    assert_eq!(seal(&ring, unix(turn - Duration::from_millis(1)))[1..9], first.to_be_bytes());
    let new = seal(&ring, unix(turn));
    assert_eq!(new[1..9], second.to_be_bytes());
    for (after, good) in [(HOUR, true), (HOUR + Duration::from_millis(1), false)] {
        let now = unix(turn + after);
        assert_eq!(open(&ring, now, &new).unwrap(), STATE);
        let wanted = if good { Ok(STATE.to_vec()) } else { Err(StateError::RetiredKey { key: first }) };
        assert_eq!(open(&ring, now, &old), wanted);
    }
    // The next rotation removes it.
    let third = ring.rotate_at(turn + HOUR + HOUR, rotation).unwrap();
    assert_eq!(ring.keys().iter().map(|key| key.number).collect::<Vec<_>>(), [second, third]);
    assert_eq!(open(&ring, unix(turn + HOUR), &old), Err(StateError::UnknownKey { key: first }));
    // What a process that was started again reads is what this one has.
    assert_eq!(KeyRing::open(&file, SERVICE).unwrap().keys(), ring.keys());
}

#[test]
fn a_rotation_elsewhere_is_taken_up_while_running() {
    let file = place("elsewhere-rotated");
    let (one, two) = (KeyRing::open_or_create(&file, SERVICE).unwrap(), KeyRing::open(&file, SERVICE).unwrap());
    let start = SystemTime::now();
    let now = unix(start);
    let old = seal(&two, now);
    let second = one.rotate_at(start, Rotation::default()).unwrap();
    // A key that is not known makes it look at once; one that is known, within a second.
    let new = seal(&one, now.after(Duration::from_millis(2)));
    assert_eq!(new[1..9], second.to_be_bytes());
    assert_eq!(open(&two, now, &new).unwrap(), STATE);
    assert_eq!(open(&two, now, &old).unwrap(), STATE);
    one.remove(u64::from_be_bytes(old[1..9].try_into().unwrap())).unwrap();
    assert_eq!(open(&two, now, &old).unwrap(), STATE);
    let gone = open(&two, now.after(Duration::from_secs(1)), &old);
    assert!(matches!(gone, Err(StateError::UnknownKey { .. })), "{gone:?}");
    assert_eq!(one.remove(second).unwrap_err().problem(), RingProblem::LastKey);
    assert_eq!(one.remove(1).unwrap_err().problem(), RingProblem::NoSuchKey { number: 1 });
}

#[test]
fn a_ring_under_many_hands_loses_no_key_and_refuses_no_cookie() {
    let file = place("hands");
    let first = Arc::new(KeyRing::open_or_create(&file, SERVICE).unwrap());
    let (done, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let now = unix(SystemTime::now() + HOUR);
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (done, opened, file, sealer) = (done.clone(), opened.clone(), file.clone(), first.clone());
            std::thread::spawn(move || {
                let own = KeyRing::open(&file, SERVICE).unwrap();
                while !done.load(Ordering::SeqCst) {
                    let cookie = seal(&sealer, now);
                    assert_eq!(open(&own, now, &cookie).unwrap(), STATE);
                    assert_eq!(own.trouble(), None);
                    opened.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (file, shared) = (file.clone(), first.clone());
            std::thread::spawn(move || {
                let own = KeyRing::open(&file, SERVICE).unwrap();
                let mut made = Vec::new();
                for _ in 0..4 {
                    made.push(own.rotate(Rotation::default()).unwrap());
                    made.push(shared.rotate(Rotation::default()).unwrap());
                }
                made
            })
        })
        .collect();
    let made: Vec<u64> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    while opened.load(Ordering::SeqCst) < 100 {
        std::thread::yield_now();
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.join().unwrap();
    }
    let last = KeyRing::open(&file, SERVICE).unwrap();
    let numbers: Vec<u64> = last.keys().iter().map(|key| key.number).collect();
    assert_eq!(numbers.len(), 33);
    assert!(made.iter().all(|number| numbers.contains(number)));
    // One key has no end: the last one.
    assert_eq!(last.keys().iter().filter(|key| key.opens_until.is_none()).count(), 1);
    let folder: Vec<_> =
        fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(folder.len(), 2, "the ring and its lock: {folder:?}");
}

#[test]
fn a_ring_has_room_for_so_many_keys() {
    let file = place("room");
    let ring = KeyRing::open_or_create(&file, SERVICE).unwrap();
    for _ in 1..MAX_KEYS {
        ring.rotate(Rotation::default()).unwrap();
    }
    assert_eq!(ring.rotate(Rotation::default()).unwrap_err().problem(), RingProblem::TooManyKeys);
    assert_eq!(KeyRing::open(&file, SERVICE).unwrap().keys().len(), MAX_KEYS);
    ring.rotate_at(SystemTime::now() + 24 * HOUR, Rotation::default()).unwrap();
    assert_eq!(ring.keys().len(), 2);
}

#[test]
fn a_file_that_is_not_a_ring_is_refused_with_its_line() {
    let file = place("damaged");
    let problem = |text: &str| {
        put(&file, text);
        KeyRing::open(&file, SERVICE).map(|_| ()).unwrap_err().problem()
    };
    assert_eq!(problem(""), RingProblem::Damaged { line: 1 });
    assert_eq!(problem(&GOOD.replace("ring 1", "ring 2")), RingProblem::Damaged { line: 1 });
    for (from, to) in [
        ("0123456789abcdef", "0123456789abcde"),
        ("0123456789abcdef", "+123456789abcdef"),
        ("- AQ", "AQ"),
        ("10:00:00Z 2026", "10:00:00Z  2026"),
        ("10:00:00Z 2026", "25:00:00Z 2026"),
        ("HyA=", "Hw=="),
        ("HyA=", "HyAh"),
        ("HyA=", "HyA"),
    ] {
        assert_eq!(problem(&GOOD.replacen(from, to, 1)), RingProblem::Damaged { line: 3 }, "{from} {to}");
    }
    let twice = format!("{GOOD}{}", GOOD.lines().last().unwrap());
    assert_eq!(problem(&twice), RingProblem::Repeated { number: 0x0123_4567_89AB_CDEF });
    // Without a key it is a ring, and seals nothing.
    put(&file, "soap-session key ring 1\n");
    let ring = KeyRing::open(&file, SERVICE).unwrap();
    assert_eq!(ring.seal(UnixMillis(0), STATE, &mut [0; MAX_COOKIE]), Err(StateError::NoCurrentKey));
    let error = KeyRing::open(file.with_extension("not"), SERVICE).unwrap_err();
    assert!(error.to_string().ends_with("cannot read it: entity not found"), "{error}");
    assert_eq!(KeyRing::open(&file, "").unwrap_err().problem(), RingProblem::NoService);
}

#[test]
fn a_file_that_was_damaged_while_running_does_not_stop_the_service() {
    let file = place("trouble");
    let ring = KeyRing::open_or_create(&file, SERVICE).unwrap();
    let now = unix(SystemTime::now());
    let cookie = seal(&ring, now);
    put(&file, "nonsense");
    let later = now.after(Duration::from_secs(2));
    assert_eq!(open(&ring, later, &cookie).unwrap(), STATE);
    assert_eq!(ring.trouble().unwrap().problem(), RingProblem::Damaged { line: 1 });
    assert_eq!(ring.rotate(Rotation::default()).unwrap_err().problem(), RingProblem::Damaged { line: 1 });
    assert_eq!(open(&ring, later, &seal(&ring, later)).unwrap(), STATE);
}

#[cfg(unix)]
#[test]
fn a_ring_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = place("mode");
    let ring = KeyRing::open_or_create(&file, SERVICE).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    ring.rotate(Rotation::default()).unwrap();
    assert_eq!(mode(&file), 0o600);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let error = KeyRing::open(&file, SERVICE).unwrap_err();
    assert_eq!(error.problem(), RingProblem::Exposed { mode: 0o640 });
    assert!(error.to_string().ends_with("(mode 0640): chmod 600, then rotate"), "{error}");
}
