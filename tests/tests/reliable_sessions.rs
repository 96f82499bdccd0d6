//! Whole reliable sessions, as bytes, in fair weather and foul: every shape, both versions, plain and secured.

use soap_session_core::reliable::{ReliableSettings, RmVersion, Shape, Told};
use soap_session_core::secure::{Binding, Bootstrap};
use soap_session_core::time::Duration;
use soap_session_tests::session_pair::{Fate, Letter, SessionPair};

const SHAPES: [Shape; 3] = [Shape::OneWay, Shape::RequestReply, Shape::Duplex];

fn bindings() -> [Option<Binding>; 3] {
    [
        None,
        Some(Binding::ws_http(Bootstrap::AnonymousForCertificate)),
        Some(Binding::ws2007_http(Bootstrap::UserNameForCertificate)),
    ]
}

fn all(mut run: impl FnMut(Shape, &ReliableSettings, Option<&Binding>)) {
    for shape in SHAPES {
        for version in RmVersion::ALL {
            for binding in &bindings() {
                // Timeouts double at every loss: nothing gives up before they have found a gap.
                let patient = Duration::from_secs(86_400);
                let settings = ReliableSettings {
                    version,
                    max_retry_count: 100,
                    send_timeout: patient,
                    close_timeout: patient,
                    inactivity_timeout: patient,
                    ..ReliableSettings::default()
                };
                run(shape, &settings, binding.as_ref());
            }
        }
    }
}

fn letter(shape: Shape, n: u32) -> Letter {
    let body = format!("<n xmlns=\"urn:n\">{n}</n>");
    if shape == Shape::OneWay { Letter::one_way("urn:n/Say", &body) } else { Letter::request("urn:n/Ask", &body) }
}

fn talk(pair: &mut SessionPair, shape: Shape, count: u32) {
    for n in 0..count {
        while pair.send(letter(shape, n)).is_err() {
            pair.run_until(1, |_| false);
        }
        pair.run();
    }
    let replies = if shape == Shape::OneWay { 0 } else { count as usize };
    assert!(
        pair.run_until(3000, |pair| pair.taken.len() == count as usize && pair.replies.len() == replies),
        "{} taken, {} replies; client {:?} {:?}; told {:?} {:?}; {:?}; held {:?}",
        pair.taken.len(),
        pair.replies.len(),
        pair.client.phase(),
        pair.client.error(),
        pair.client_told,
        pair.service_told,
        pair.now,
        pair.held.keys(),
    );
}

fn in_order(pair: &SessionPair, count: u32) {
    let bodies: Vec<_> = pair.taken.iter().map(|kept| kept.body.clone()).collect();
    let wanted: Vec<_> = (0..count).map(|n| format!("<n xmlns=\"urn:n\">{n}</n>")).collect();
    assert_eq!(bodies, wanted);
}

#[test]
fn fair_weather() {
    all(|shape, settings, binding| {
        let mut pair = SessionPair::new(shape, settings, binding, 7);
        pair.open();
        assert_eq!(pair.client_told, [Told::Opened], "{shape:?} {:?} {}", settings.version, binding.is_some());
        talk(&mut pair, shape, 20);
        in_order(&pair, 20);
        assert_eq!(pair.client.retransmissions(), 0);
        assert!(
            pair.close(),
            "{shape:?} {:?} {}: {:?} {:?} {}",
            settings.version,
            binding.is_some(),
            pair.client.phase(),
            pair.client.error(),
            pair.service.sessions()
        );
        assert!(pair.closed_well(), "{shape:?}: {:?}", pair.client.error());
    });
}

#[test]
fn a_third_of_the_messages_is_lost() {
    all(|shape, settings, binding| {
        let mut pair = SessionPair::new(shape, settings, binding, 9);
        pair.open();
        // Without a period: one that fits the protocol's own could lose the same message for ever.
        pair.fate = Box::new(|_, n| {
            let noise = (n as u32).wrapping_mul(2_654_435_761).rotate_left(15).wrapping_mul(2_246_822_519);
            if noise >> 16 < 65_536 / 3 { Fate::Lost } else { Fate::Arrives }
        });
        talk(&mut pair, shape, 20);
        in_order(&pair, 20);
        assert!(pair.client.retransmissions() > 0);
        pair.fate = Box::new(|_, _| Fate::Arrives);
        assert!(pair.close(), "{shape:?} {:?} {}", settings.version, binding.is_some());
        assert!(pair.closed_well(), "{shape:?}: {:?}", pair.client.error());
    });
}
