//! Whole sessions as bytes, plain and over a secure conversation: said is heard exactly once, whatever the wire does.

use proptest::prelude::*;
use soap_session_core::reliable::{ReliableSettings, RmVersion, Shape, Told};
use soap_session_core::secure::{Binding, Bootstrap};
use soap_session_core::time::Duration;
use soap_session_tests::session_pair::{Fate, Letter, SessionPair};

/// How bad the wire is, in hundredths.
#[derive(Clone, Copy, Debug)]
struct Weather {
    loss: u32,
    hangs: u32,
    copies: u32,
    late: u64,
    seed: u64,
}

impl Weather {
    /// What becomes of the next message. Nothing hangs for ever but in exchanges, which the sender's timers leave behind.
    fn fate(self, n: usize) -> Fate {
        let mut noise = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ self.seed;
        let mut draw = |below: u64| {
            noise ^= noise >> 29;
            noise = noise.wrapping_mul(0xBF58_476D_1CE4_E5B9);
            noise ^= noise >> 32;
            noise % below
        };
        let (fate, first, second) = (draw(100) as u32, draw(self.late + 1), draw(self.late + 1));
        if fate < self.loss {
            Fate::Lost
        } else if fate < self.loss + self.hangs {
            Fate::Hangs
        } else if fate < self.loss + self.hangs + self.copies {
            // The copy comes behind: the fault that a replay is answered with is not for the genuine one.
            Fate::Twice(first, first + second)
        } else {
            Fate::Late(first)
        }
    }
}

fn weather() -> impl Strategy<Value = Weather> {
    (0..=40u32, 0..=10u32, 0..=20u32, prop_oneof![Just(0u64), 1..=2000u64], any::<u64>())
        .prop_map(|(loss, hangs, copies, late, seed)| Weather { loss, hangs, copies, late, seed })
}

fn letter(shape: Shape, n: usize) -> Letter {
    let body = format!("<n xmlns=\"urn:n\">{n}</n>");
    if shape == Shape::OneWay { Letter::one_way("urn:n/Say", &body) } else { Letter::request("urn:n/Ask", &body) }
}

/// A patient session through this weather.
fn session(shape: Shape, version: RmVersion, ordered: bool, secured: bool, weather: Weather) {
    const COUNT: usize = 12;
    // On a connection the fault that a replay is answered with ends the conversation, as WCF's does.
    let copies = if secured && shape == Shape::Duplex { 0 } else { weather.copies };
    let weather = Weather { copies, ..weather };
    // WCF's timeouts double without a limit, and what was measured meanwhile makes the next ones longer still: no time is too
    // long, so that nothing is given up for it. A client that hears and says nothing for longer than its key lives could not
    // even open what comes: it asks every hour, as WCF's asks every five minutes, and renews its key when it does.
    let patient = Duration::from_secs(1_000_000_000_000);
    let hour = Some(Duration::from_secs(3600));
    let settings = ReliableSettings {
        version,
        ordered,
        max_retry_count: 1000,
        send_timeout: patient,
        close_timeout: patient,
        inactivity_timeout: patient,
        idle_poll_interval: hour,
        keep_alive_interval: hour,
        ..ReliableSettings::default()
    };
    let binding = secured.then(|| Binding::ws2007_http(Bootstrap::UserNameForCertificate));
    let mut pair = SessionPair::new(shape, &settings, binding.as_ref(), weather.seed as u8);
    pair.open();
    prop_assert_told(&pair);
    // Of twelve messages in a row at most five are lost: timeouts double each time that message or answer is, and years would go
    // by, an hour a turn.
    let mut history = 0u32;
    pair.fate = Box::new(move |_, n| {
        let enough = (history & 0xFFF).count_ones() >= 5;
        let fate = if enough { Fate::Late(n as u64 % (weather.late + 1)) } else { weather.fate(n) };
        history = history << 1 | u32::from(matches!(fate, Fate::Lost | Fate::Hangs));
        fate
    });
    let mut said = 0;
    let replies = if shape == Shape::OneWay { 0 } else { COUNT };
    for _ in 0..20_000 {
        while said < COUNT && pair.send(letter(shape, said)).is_ok() {
            said += 1;
        }
        if pair.run_until(1, |pair| pair.taken.len() >= COUNT && pair.replies.len() >= replies) {
            break;
        }
    }
    let wanted: Vec<String> = (0..COUNT).map(|n| format!("<n xmlns=\"urn:n\">{n}</n>")).collect();
    let mut taken: Vec<String> = pair.taken.iter().map(|kept| kept.body.clone()).collect();
    let mut answered: Vec<String> = pair.replies.iter().map(|(_, kept)| kept.body.clone()).collect();
    let numeric = |text: &String| text.bytes().filter(u8::is_ascii_digit).fold(0, |n, d| n * 10 + u32::from(d - b'0'));
    if !ordered {
        taken.sort_by_key(numeric);
    }
    answered.sort_by_key(numeric);
    assert_eq!(taken, wanted, "what the service's application took: {}", pair.story());
    assert_eq!(answered, &wanted[..replies], "what the client's application got back: {}", pair.story());
    // Fair weather again: it ends in good order.
    pair.fate = Box::new(|_, _| Fate::Arrives);
    assert!(pair.close(), "{:?} {:?}, {} sessions", pair.client.phase(), pair.client.error(), pair.service.sessions());
    assert!(pair.closed_well(), "{:?}", pair.client.error());
    let ends = |told: &[Told<Letter>]| told.iter().filter(|told| matches!(told, Told::Closed | Told::Ended(_))).count();
    assert_eq!((ends(&pair.client_told), ends(&pair.service_told)), (1, 1), "ends are told once");
}

fn prop_assert_told(pair: &SessionPair) {
    assert_eq!(pair.client_told, [Told::Opened]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn said_is_heard_exactly_once(
        shape in prop_oneof![Just(Shape::OneWay), Just(Shape::RequestReply), Just(Shape::Duplex)],
        version in prop_oneof![Just(RmVersion::February2005), Just(RmVersion::V11)],
        ordered: bool,
        secured: bool,
        weather in weather(),
    ) {
        session(shape, version, ordered, secured, weather);
    }
}
