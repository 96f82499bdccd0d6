//! A secure conversation that begins with certificates alone (MutualCertificate of WSS 1.0): the service's answers to token
//! requests are signed with its certificate and encrypted for the client's.

use soap_session_core::chance::Chance;
use soap_session_core::crypto::AlgorithmSuite;
use soap_session_core::secure::{
    Acceptor, AcceptorAction, AcceptorSettings, Binding, Bootstrap, CertificateProblem, CredentialError, Credentials,
    Element, Exchange, Failure, Incoming, Initiator, InitiatorAction, InitiatorPhase, InitiatorSettings, NoCredentials,
    Received, Refusal, WireFault,
};
use soap_session_core::time::{Duration, Instant};
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_tests::opening::{between, swap};
use soap_session_tests::pair::{MIDNIGHT, Note, Pair};
use soap_session_tests::vectors_root;
use std::path::PathBuf;
use std::time::SystemTime;

type Client = Initiator<Note, Chance, 4, 64>;
type Service = Acceptor<Note, Chance, 8, 8, 64>;

const NOW: Instant = Instant::from_millis(1000);

fn binding() -> Binding {
    Binding::ws_http(Bootstrap::MutualCertificate10)
}

fn at(name: &str, ending: &str) -> PathBuf {
    vectors_root().join("keys").join(format!("{name}.{ending}.pem"))
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_file(at(name, "cert")).unwrap()
}

/// A client, and a service that has the certificate of `signer`.
fn stores(signer: &str) -> (CredentialStore, CredentialStore) {
    let key = |name: &str| PrivateKey::from_file(at(name, "key")).unwrap();
    let client = CredentialStore::new().with_service(certificate("service")).unwrap();
    let client = client.with_own(certificate("client"), key("client")).unwrap();
    let service = CredentialStore::new().with_key(certificate("service"), key("service")).unwrap();
    let service = service.with_own(certificate(signer), key(signer)).unwrap().with_trusted(certificate("client"));
    // 2027-01-15.
    (client, service.with_clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)))
}

fn client(binding: &Binding, seed: u8) -> Client {
    let settings = InitiatorSettings::default();
    let machine =
        Client::new(binding.clone(), settings, "http://localhost/calc", None, MIDNIGHT, Chance::new(&[seed; 32]));
    let mut machine = machine.unwrap();
    machine.open().unwrap();
    machine
}

fn service(binding: &Binding) -> Service {
    Service::new(binding.clone(), AcceptorSettings::default(), MIDNIGHT, Chance::new(&[9; 32]))
}

fn sends(client: &mut Client, store: &CredentialStore) -> (Exchange, Vec<u8>) {
    let mut out = vec![0; 32_768];
    match client.poll(NOW, store, &mut out).unwrap() {
        InitiatorAction::Transmit { exchange, message, .. } => (exchange, message.to_vec()),
        other => panic!("{other:?}"),
    }
}

fn answers(service: &mut Service) -> Option<(Exchange, u16, Vec<u8>)> {
    let mut out = vec![0; 32_768];
    match service.poll(NOW, &mut out).unwrap() {
        AcceptorAction::Answer { exchange, status, message } => Some((exchange, status, message.to_vec())),
        _ => None,
    }
}

#[test]
fn real_certificates_open_a_conversation_in_every_suite() {
    let (holder, host) = stores("service");
    for suite in AlgorithmSuite::ALL {
        let binding = Binding { suite, ..binding() };
        let (mut client, mut service) = (client(&binding, 1), service(&binding));
        let (exchange, mut request) = sends(&mut client, &holder);
        let incoming = service.receive(NOW, exchange, &host, &mut request).unwrap();
        assert!(matches!(incoming, Incoming::Issued(_)), "{incoming:?} {suite:?}");
        let (_, status, mut answer) = answers(&mut service).unwrap();
        assert_eq!(status, 200);
        let heard = client.receive(NOW, exchange, &holder, &mut answer).unwrap();
        assert_eq!(heard, Received::Established, "{suite:?}");
        // The conversation's messages need no certificate any more.
        client.call(Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>")).unwrap();
        let (exchange, mut request) = sends(&mut client, &holder);
        let incoming = service.receive(NOW, exchange, &NoCredentials, &mut request).unwrap();
        assert!(matches!(incoming, Incoming::Request { .. }), "{incoming:?}");
    }
}

/// As the recordings show single messages under this bootstrap: the request carries the client's certificate, the answer names
/// the service's, and the key's Id is `_0` and holds the list of what it encrypts.
#[test]
fn the_token_request_and_its_answer_look_like_single_messages() {
    let (holder, host) = stores("service");
    let (mut client, mut service) = (client(&binding(), 1), service(&binding()));
    let (exchange, request) = sends(&mut client, &holder);
    service.receive(NOW, exchange, &host, &mut request.clone()).unwrap();
    let (_, _, answer) = answers(&mut service).unwrap();
    for (message, tokens) in [(request, 1), (answer, 0)] {
        let text = String::from_utf8(message).unwrap();
        assert_eq!(text.matches("<o:BinarySecurityToken").count(), tokens);
        let key = between(&text, "<e:EncryptedKey Id=\"_0\"", "</e:EncryptedKey>");
        assert!(key.contains("#X509SubjectKeyIdentifier\"") && key.contains("<e:DataReference"), "{key}");
        for absent in ["DerivedKeyToken", "SignatureConfirmation", "RequestSecurityToken", "BinarySecret"] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
    }
}

/// The pool holds two answers; who asks meanwhile is told to come again, and nothing is kept of it.
#[test]
fn two_answers_may_be_on_their_way() {
    let (holder, host) = stores("service");
    let mut service = service(&binding());
    let mut clients: Vec<(Client, Exchange)> = Vec::new();
    let take = |service: &mut Service, number: u32| {
        let mut client = client(&binding(), number as u8);
        let (own, mut request) = sends(&mut client, &holder);
        let incoming = service.receive(NOW, Exchange(number), &host, &mut request).unwrap();
        (client, own, incoming)
    };
    for number in 1..=2 {
        let (client, own, incoming) = take(&mut service, number);
        assert!(matches!(incoming, Incoming::Issued(_)), "{incoming:?}");
        clients.push((client, own));
    }
    let (_, _, incoming) = take(&mut service, 3);
    assert_eq!(incoming, Incoming::Refused(Refusal::TooManySessions { limit: 2 }));
    assert_eq!(service.sessions(), 2);
    let mut statuses = Vec::new();
    while let Some((exchange, status, mut answer)) = answers(&mut service) {
        statuses.push(status);
        if let Some((client, own)) = clients.get_mut(exchange.0 as usize - 1) {
            assert_eq!(client.receive(NOW, *own, &holder, &mut answer), Ok(Received::Established));
        } else {
            assert!(answer.is_empty());
        }
    }
    assert_eq!(statuses, [200, 200, 503]);
    // Whoever hangs up frees a place as well.
    for number in 4..=9 {
        let (_, _, incoming) = take(&mut service, number);
        assert!(matches!(incoming, Incoming::Issued(_)), "{incoming:?}");
        service.exchange_failed(Exchange(number));
    }
    assert_eq!(answers(&mut service), None);
}

#[test]
fn too_little_room_changes_nothing() {
    let (holder, host) = stores("service");
    let (mut client, mut service) = (client(&binding(), 1), service(&binding()));
    let (exchange, mut request) = sends(&mut client, &holder);
    service.receive(NOW, exchange, &host, &mut request).unwrap();
    let before = service.clone();
    let AcceptorAction::Grow(grow) = service.poll(NOW, &mut [0; 100]).unwrap() else { panic!("it does not fit") };
    assert_eq!(service, before);
    let (_, _, answer) = answers(&mut service).unwrap();
    assert_eq!(grow.needed, answer.len());
}

/// The longest names that a request may have, escaped, still fit.
#[test]
fn long_names_fit() {
    let (holder, host) = stores("service");
    let (mut client, mut service) = (client(&binding(), 1), service(&binding()));
    client.set_reply_to(&"&".repeat(256)).unwrap();
    let (exchange, mut request) = sends(&mut client, &holder);
    let incoming = service.receive(NOW, exchange, &host, &mut request).unwrap();
    assert!(matches!(incoming, Incoming::Issued(_)), "{incoming:?}");
    let (_, _, mut answer) = answers(&mut service).unwrap();
    assert_eq!(client.receive(NOW, exchange, &holder, &mut answer), Ok(Received::Established));
}

#[test]
fn a_service_without_a_certificate_issues_nothing() {
    let (holder, _) = stores("service");
    let key = PrivateKey::from_file(at("service", "key")).unwrap();
    let host =
        CredentialStore::new().with_key(certificate("service"), key).unwrap().with_trusted(certificate("client"));
    let host = host.with_clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let (mut client, mut service) = (client(&binding(), 1), service(&binding()));
    let (exchange, mut request) = sends(&mut client, &holder);
    let incoming = service.receive(NOW, exchange, &host, &mut request).unwrap();
    assert_eq!(incoming, Incoming::Refused(Refusal::Credential(CredentialError::NoCertificate)));
    assert_eq!(service.sessions(), 0, "a session that nobody can be told of is none");
    let (_, status, answer) = answers(&mut service).unwrap();
    assert_eq!(status, 500);
    assert!(String::from_utf8(answer).unwrap().contains("InvalidSecurity<"));
}

/// Whoever stands in the middle has the client's certificate, and a key of their own.
#[test]
fn another_service_cannot_answer() {
    let (holder, _) = stores("service");
    let (_, middle) = stores("client");
    let (mut client, mut service) = (client(&binding(), 1), service(&binding()));
    let (exchange, mut request) = sends(&mut client, &holder);
    service.receive(NOW, exchange, &middle, &mut request).unwrap();
    let (_, _, mut answer) = answers(&mut service).unwrap();
    let heard = client.receive(NOW, exchange, &holder, &mut answer);
    let refused = Failure::Refused(Refusal::Credential(CredentialError::NotTrusted));
    assert_eq!(heard, Ok(Received::Failed(refused)));
    assert_eq!(client.phase(), InitiatorPhase::Faulted);
}

#[test]
fn a_token_request_that_is_not_signed_as_it_must_be_is_refused() {
    let (holder, host) = stores("service");
    let (_, request) = sends(&mut client(&binding(), 1), &holder);
    let text = String::from_utf8(request).unwrap();
    let refused = |text: &str, host: &CredentialStore| {
        let mut service = service(&binding());
        let incoming = service.receive(NOW, Exchange(1), host, &mut text.as_bytes().to_vec()).unwrap();
        let Incoming::Refused(refusal) = incoming else { panic!("taken: {incoming:?}") };
        assert_eq!(service.sessions(), 0);
        let (_, status, answer) = answers(&mut service).unwrap();
        assert_eq!(status, 500);
        let answer = String::from_utf8(answer).unwrap();
        let unsecured = if refusal.wire() == WireFault::InvalidSecurity { "InvalidSecurity<" } else { "Token<" };
        assert!(answer.contains(unsecured) && !answer.contains("EncryptedData"), "{answer}");
        refusal
    };
    // Under the anonymous bootstrap, which anybody can use.
    for bootstrap in [Bootstrap::AnonymousForCertificate, Bootstrap::MutualCertificate] {
        let (_, theirs) = sends(&mut client(&Binding::ws_http(bootstrap), 1), &holder);
        let refusal = refused(&String::from_utf8(theirs).unwrap(), &host);
        assert!(matches!(refusal, Refusal::WrongToken { element: Element::Signature, .. }), "{refusal}");
    }
    // A certificate that nobody trusts, and one that is not what the signature was made with.
    let key = PrivateKey::from_file(at("service", "key")).unwrap();
    let stranger = CredentialStore::new().with_key(certificate("service"), key).unwrap();
    let (thumbprint, problem) = (certificate("client").thumbprint(), CertificateProblem::NotTrusted);
    assert_eq!(refused(&text, &stranger), Refusal::Credential(CredentialError::Certificate { thumbprint, problem }));
    let host = host.with_trusted(certificate("service"));
    let mut other = vec![0; 8192];
    let len = soap_session_core::base64::encode(certificate("service").der(), &mut other).unwrap();
    let der = between(between(&text, "<o:BinarySecurityToken", "/o:Bin"), ">", "<");
    let swapped = swap(&text, der, std::str::from_utf8(&other[..len]).unwrap());
    assert!(matches!(refused(&swapped, &host), Refusal::Credential(_)));
    // The primary signature is gone with its ciphertext.
    let sealed =
        format!("<e:EncryptedData{}</e:EncryptedData>", between(&text, "<e:EncryptedData", "</e:EncryptedData>"));
    let bare = refused(&swap(&text, &sealed, ""), &host);
    assert_eq!(bare.wire(), WireFault::InvalidSecurity, "{bare}");
}

/// A renewal is signed by the same certificate, and endorsed by the conversation's key.
#[test]
fn a_renewal_without_its_endorsement_is_refused() {
    let binding = Binding { require_cancellation: true, ..binding() };
    let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
    pair.client.open().unwrap();
    pair.run();
    pair.wait(Duration::from_secs(9 * 3600));
    pair.client.call(Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>")).unwrap();
    let (exchange, mut message) = pair.client_sends().unwrap();
    let text = String::from_utf8(message.clone()).unwrap();
    let sealed: Vec<&str> = text.split("<e:EncryptedData").collect();
    assert_eq!(sealed.len(), 4, "two signatures and the body");
    let endorsing = format!("<e:EncryptedData{}", sealed[2].split_once("</o:Security>").unwrap().0);
    let stripped = swap(&text, &endorsing, "");
    let incoming = pair.service_hears(Exchange(77), &mut stripped.into_bytes()).unwrap();
    let Incoming::Refused(refusal) = incoming else { panic!("{incoming:?}") };
    assert_eq!(refusal.wire(), WireFault::InvalidSecurity, "{refusal}");
    let incoming = pair.service_hears(exchange, &mut message).unwrap();
    assert!(matches!(incoming, Incoming::Renewed(_)), "{incoming:?}");
}

#[test]
fn cookie_mode_begins_so_too() {
    let (holder, _) = stores("service");
    let binding = Binding { require_cancellation: false, ..binding() };
    let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
    pair.client.open().unwrap();
    pair.client.call(Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>")).unwrap();
    let heard = pair.run();
    assert!(matches!(heard[..], [(Received::Established, _), (Received::Reply(_), _)]), "{heard:?}");
    assert!(holder.own_certificate().is_ok());
}
