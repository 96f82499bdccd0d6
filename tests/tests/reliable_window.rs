//! The greatest transfer window: 4096 messages under way at once, on a duplex session whose wire turns their order round.

use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{
    ClientAddresses, Heard, MAX_TRANSFER_WINDOW, ReliableSessionId, ReliableSettings, SessionPhase, Shape, Told,
    TransmissionSettings,
};
use soap_session_core::secure::NoCredentials;
use soap_session_core::session::{ClientAction, ServiceAction, ServiceHeard, SessionClient, SessionService};
use soap_session_core::soap::SoapVersion;
use soap_session_core::time::Instant;
use soap_session_core::xml::Limits;
use soap_session_tests::session_pair::Letter;
use std::thread;

const WINDOW: usize = MAX_TRANSFER_WINDOW as usize;
const MESSAGES: usize = 3 * WINDOW;

type Client = SessionClient<Letter, Chance, WINDOW, { WINDOW + 1 }, 2, 2>;
type Service = SessionService<Letter, 1, WINDOW, { WINDOW + 1 }, 1, 2, 2>;

/// Everything that the client wants to send now.
fn client_says(client: &mut Client, now: Instant) -> Vec<Vec<u8>> {
    let (mut said, mut out) = (Vec::new(), vec![0; 4096]);
    loop {
        match client.poll(now, &NoCredentials, &mut out) {
            ClientAction::Transmit { message, .. } => said.push(message.to_vec()),
            ClientAction::Told(Told::Ended(error)) => panic!("{error}"),
            ClientAction::Told(_) => {}
            ClientAction::Grow(grow) => out = vec![0; grow.needed],
            ClientAction::Failed(failure) => panic!("{failure}"),
            ClientAction::Wait(_) => return said,
        }
    }
}

fn service_says(service: &mut Service, now: Instant) -> Vec<Vec<u8>> {
    let (mut said, mut out) = (Vec::new(), vec![0; 4096]);
    loop {
        match service.poll(now, &mut out).expect("the service can write") {
            ServiceAction::Transmit { message, .. } => said.push(message.to_vec()),
            ServiceAction::Told(id, Told::EndOfMessages) => service.close(now, id).expect("an open session"),
            ServiceAction::Grow(grow) => out = vec![0; grow.needed],
            ServiceAction::Wait(_) => return said,
            _ => {}
        }
    }
}

fn four_thousand_under_way() {
    // The window is open from the beginning, and the wire reorders what lies in it: WCF opens it from 1.
    let settings = ReliableSettings {
        max_transfer_window_size: MAX_TRANSFER_WINDOW,
        transmission: TransmissionSettings { initial_window: MAX_TRANSFER_WINDOW, ..TransmissionSettings::default() },
        ..ReliableSettings::default()
    };
    let addresses = ClientAddresses::new("net.tcp://localhost/calc", None).expect("short");
    let (soap, limits) = (SoapVersion::Soap12, Limits::default());
    let chance = |seed: u8| Chance::new(&[seed; 32]);
    let mut client =
        Box::new(Client::plain(settings.clone(), soap, Shape::Duplex, addresses, limits.clone(), chance(1)));
    let mut service = Box::new(Service::plain(settings, soap, Shape::Duplex, limits, chance(2)));
    let mut now = Instant::from_millis(1000);
    client.open(now).expect("not opened yet");
    let (mut said, mut taken, mut most, mut closing) = (0, 0, 0, false);
    for _ in 0..1000 {
        while said < MESSAGES && client.send(now, Letter::one_way("urn:n/Say", "<n xmlns=\"urn:n\"/>")).is_ok() {
            said += 1;
        }
        let mut messages = client_says(&mut client, now);
        most = most.max(messages.len());
        messages.reverse();
        for mut message in messages {
            let heard = service.receive(now, Exchange(1), &NoCredentials, &mut message).expect("room");
            if let ServiceHeard::Session { heard, .. } = heard {
                assert!(!matches!(heard, Heard::NoRoom | Heard::Refused(_)), "{heard:?}");
            }
        }
        service.accept();
        while let Some(number) = service.take(now, ReliableSessionId(1)) {
            taken += 1;
            assert_eq!(number, taken, "in order");
        }
        for mut message in service_says(&mut service, now) {
            let _ = client.receive(now, None, &NoCredentials, &mut message);
        }
        if said == MESSAGES && !closing && taken == MESSAGES as u64 {
            closing = true;
            client.close(now).expect("an open session");
        }
        if client.phase() == SessionPhase::Closed {
            break;
        }
        now = Instant::from_millis(now.as_millis() + 10);
    }
    assert_eq!((taken, client.phase(), client.error()), (MESSAGES as u64, SessionPhase::Closed, None));
    assert_eq!((most, client.retransmissions()), (WINDOW, 0));
}

#[test]
fn the_greatest_window() {
    // Machines of this size do not belong on the stack of a test's thread.
    let big = thread::Builder::new().stack_size(256 << 20).spawn(four_thousand_under_way).expect("a thread");
    big.join().expect("no panic");
}
