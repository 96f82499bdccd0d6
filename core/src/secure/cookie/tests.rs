#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may stop")]

extern crate std;

use super::*;
use std::vec::Vec;

/// The state in the cookie of `vectors/wcf-stories/sc-cookie-server-restarted`, whose encoder only scrambles.
const RECORDED: &str = "42004202834206992b757569642d65393765386136352d613562312d346538662d623665352d3538353035623464313430312d34\
4204adae9a17a2436a214695cff02907fe4dbd42089e1e7c7ad303c96a14247cdd5ef5c06e5b2e488b85c01b62496bb8b2ef7069049f02f661\
420e8fa0de82557e47df0842108fa0ee2e27d247df0842148fa0de82557e47df0842168fa0ee2e27d247df0801";

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().map(|digit| char::from(digit).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn written(state: &SecurityState) -> Vec<u8> {
    let mut out = [0; MAX_STATE];
    let len = state.write(&mut out).unwrap();
    out[..len].to_vec()
}

#[test]
fn the_recorded_state_is_read_and_written_again() {
    let recorded = octets(RECORDED);
    let state = SecurityState::read(&recorded).unwrap();
    assert_eq!(state.id.as_str(), "uuid-e97e8a65-a5b1-4e8f-b6e5-58505b4d1401-4");
    assert_eq!(state.context, Uuid::parse(b"a2179aae-6a43-4621-95cf-f02907fe4dbd").unwrap());
    // `keys.json`, and the RSTR's Lifetime.
    let key = octets("7c7ad303c96a14247cdd5ef5c06e5b2e488b85c01b62496bb8b2ef706904f661");
    assert_eq!(state.key.as_bytes(), key);
    assert_eq!(&state.effective.millis().text(), b"2026-11-21T03:20:03.599Z");
    assert_eq!(&state.expires.millis().text(), b"2026-11-21T13:20:03.599Z");
    assert_eq!((state.key_effective, state.key_expires), (state.effective, state.expires));
    assert_eq!((state.generation, state.user.as_str()), (None, ""));
    assert_eq!(written(&state), recorded);
}

#[test]
fn ticks_and_milliseconds() {
    // Python: (datetime(2026, 11, 21, 3, 20, 3, 599000) - datetime(1, 1, 1)) in units of 100 ns.
    let at = UnixMillis::parse(b"2026-11-21T03:20:03.599Z").unwrap();
    assert_eq!(Ticks::from(at), Ticks(639_308_280_035_990_000));
    assert_eq!(Ticks(639_308_280_035_999_999).millis(), at);
    assert_eq!(Ticks::from(UnixMillis::MIN), Ticks::MIN);
    assert_eq!(Ticks::MAX.millis(), UnixMillis::MAX);
    assert_eq!(Ticks::from(UnixMillis(i64::MAX)).millis(), UnixMillis::MAX);
}

#[test]
fn a_user_comes_back_and_nothing_is_longer_than_the_limit() {
    let mut state = SecurityState::read(&octets(RECORDED)).unwrap();
    for user in ["ada", "", "\u{e4}\u{20ac}"] {
        state.user = String::try_from(user).unwrap();
        assert_eq!(SecurityState::read(&written(&state)).unwrap(), state);
    }
    state.user = String::try_from(std::string::String::from("x").repeat(128).as_str()).unwrap();
    state.id = String::try_from(std::string::String::from("y").repeat(128).as_str()).unwrap();
    state.key = SecretKey::new(&[7; SecretKey::MAX]).unwrap();
    state.generation = Some(Uuid([9; 16]));
    let longest = written(&state);
    assert_eq!(SecurityState::read(&longest).unwrap(), state);
    std::println!("the longest state has {} bytes", longest.len());
    let mut out = [0; MAX_STATE];
    let short = state.write(&mut out[..longest.len() - 1]).unwrap_err();
    assert_eq!(short.needed, longest.len());
}

/// The identities and claims of somebody who logged in with a name, spelled out record by record.
#[test]
fn the_user_is_written_as_identity_and_claim() {
    let mut state = SecurityState::read(&octets(RECORDED)).unwrap();
    state.user = String::try_from("ada").unwrap();
    let right = "http://schemas.xmlsoap.org/ws/2005/05/identity/right/identity";
    let mut wanted = octets(RECORDED);
    wanted.pop();
    wanted.extend([0x42, 0x1E, 0x42, 0x20, 0x42, 0x30, 0x99, 3, b'a', b'd', b'a', 0x01, 0x01]);
    wanted.extend([0x42, 0x1A, 0x42, 0x1C, 0x42, 0x22, 0x42, 0x2A, 0xA9, 0x01]);
    wanted.extend([0x42, 0x18, 0x42, 0x3A, 0x06, 0x34, 0x98, right.len() as u8]);
    wanted.extend(right.bytes());
    wanted.extend([0x99, 3, b'a', b'd', b'a', 0x01, 0x01, 0x01, 0x01]);
    assert_eq!(written(&state), wanted);
}

#[test]
fn whatever_is_cut_off_or_repeated_or_left_out_is_refused() {
    let recorded = octets(RECORDED);
    for len in 0..recorded.len() {
        assert!(SecurityState::read(&recorded[..len]).is_err(), "{len}");
    }
    let longer = [recorded.as_slice(), &[0x01]].concat();
    assert!(matches!(SecurityState::read(&longer), Err(StateFlaw::Malformed { .. })));
    let inside = |extra: &[u8]| [&recorded[..recorded.len() - 1], extra, &[0x01]].concat();
    let read = |bytes: &[u8]| SecurityState::read(bytes);
    assert_eq!(read(&inside(&[0x42, 0x02, 0x83])), Err(StateFlaw::Repeated(StateField::Version)));
    // ServiceContractId is in the dictionary and in no state; names that are spelled out are in neither.
    assert!(matches!(read(&inside(&[0x42, 0x0C, 0x83])), Err(StateFlaw::Malformed { .. })));
    assert!(matches!(read(&inside(&[0x40, 1, b'a', 0x01])), Err(StateFlaw::Malformed { .. })));
    let without = |from: usize, to: usize| [&recorded[..from], &recorded[to..]].concat();
    assert_eq!(read(&without(2, 5)), Err(StateFlaw::Missing(StateField::Version)));
    assert_eq!(read(&without(5, 52)), Err(StateFlaw::Missing(StateField::Id)));
    assert_eq!(read(&without(52, 71)), Err(StateFlaw::Missing(StateField::ContextId)));
    assert_eq!(read(&without(71, 109)), Err(StateFlaw::Missing(StateField::Key)));
    let mut two = recorded.clone();
    two.splice(4..5, [0x89, 2]);
    assert_eq!(read(&two), Err(StateFlaw::Value(StateField::Version)));
}

#[test]
fn claims_of_other_kinds_are_passed_over() {
    let recorded = octets(RECORDED);
    let inside = |extra: &[u8]| [&recorded[..recorded.len() - 1], extra, &[0x01]].concat();
    // A Windows identity with two attributes, and a claim set of an element with prefixes, lists and numbers.
    let windows: &[u8] = &[
        0x42, 0x1E, 0x42, 0x20, 0x42, 0x4A, 0x06, 0x52, 0x9E, 2, 1, 2, 0x06, 0x32, 0x98, 1, b'N', 0x99, 2, b'm', b'e',
        0x01, 0x01,
    ];
    let claims: &[u8] = &[
        0x42, 0x1A, 0x41, 1, b'p', 1, b'a', 0x09, 1, b'p', 1, b'u', 0x0B, 1, b'q', 4, 0x5E, 1, b'b', 0x26, 1, b'c',
        0x86, 0xA4, 0x88, 5, 0xA6, 0x01, 0x01, 0x01,
    ];
    let state = SecurityState::read(&inside(&[windows, claims].concat())).unwrap();
    assert_eq!(state.user.as_str(), "me");
}

#[test]
fn any_flipped_byte_is_survived() {
    let mut state = SecurityState::read(&octets(RECORDED)).unwrap();
    state.user = String::try_from("ada").unwrap();
    let good = written(&state);
    for at in 0..good.len() {
        for value in 0..=255 {
            let mut bytes = good.clone();
            bytes[at] = value;
            if let Ok(read) = SecurityState::read(&bytes) {
                assert!(written(&read).len() <= MAX_STATE);
            }
        }
    }
}
