//! A machine that has nothing to write for what it wants says so and ends. No message makes it come to that, so that these tests
//! claim it.

use soap_session_core::chance::Chance;
use soap_session_core::reliable::{
    Client, ClientAddresses, ClientWant, ReliableSettings, SendRefused, ServiceWant, SessionError, SessionPhase, Shape,
    Told, Unwritten,
};
use soap_session_core::time::Instant;
use soap_session_tests::session_pair::Letter;

#[test]
fn what_cannot_be_written_ends_the_clients_session_and_is_named() {
    let now = Instant::from_millis(1000);
    let addresses = ClientAddresses::new("http://localhost/calc", None).unwrap();
    let mut client =
        Client::<Letter>::new(ReliableSettings::default(), Shape::RequestReply, addresses, Chance::new(&[1; 32]));
    client.open(now).unwrap();
    let want = ClientWant::Message(7);
    assert!(client.frame(want).is_none(), "there is no such message");
    client.unwritten(want);
    let error = SessionError::Unwritten(Unwritten::Client(want));
    assert_eq!(client.told(now), Some(Told::Ended(error)));
    assert_eq!((client.told(now), client.next(now)), (None, None), "told once, and nothing more is wanted");
    assert!(error.to_string().contains("Message(7)"), "{error}");
    let refused = client.send(now, Letter::one_way("urn:n/Say", "<n/>")).unwrap_err().1;
    assert_eq!(refused, SendRefused::Phase(SessionPhase::Faulted));
}

#[test]
fn the_services_error_names_the_want_too() {
    let want = ServiceWant::Acknowledge;
    let error = SessionError::Unwritten(Unwritten::Service(want));
    assert!(error.to_string().contains("Acknowledge"), "{error}");
}
