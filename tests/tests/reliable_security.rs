//! A reliable session over a secure conversation: what is bound to what, what is encrypted, and what a stranger gets.

use soap_session_core::chance::Chance;
use soap_session_core::exchange::{Exchange, Outgoing};
use soap_session_core::reliable::{
    ClientAddresses, Frame, FrameAction, FrameBody, HeaderOrder, Heard, Identifier, IncompleteSequenceBehavior,
    ReliableSettings, Rendered, RmAction, RmFaultKind, RmVersion, SequencePlace, SessionError, SessionPhase, Shape,
    Told, Versions,
};
use soap_session_core::secure::{
    AcceptorSettings, Binding, Bootstrap, Failure, Initiator, InitiatorAction, InitiatorSettings, Received,
    SessionMessage, UserCredential,
};
use soap_session_core::session::{ClientAction, ClientHeard, ServiceAction, ServiceHeard, SessionService};
use soap_session_core::soap::fault::KnownFault;
use soap_session_core::soap::{AddressingVersion, FaultCode, SoapVersion};
use soap_session_core::time::{Duration, Instant};
use soap_session_tests::pair::{MIDNIGHT, Note, Paper};
use soap_session_tests::session_pair::{Client, Letter, SessionPair};

fn versions(version: RmVersion) -> Versions {
    Versions { soap: SoapVersion::Soap12, addressing: AddressingVersion::Wsa10, reliable: version }
}

fn binding() -> Binding {
    Binding::ws2007_http(Bootstrap::AnonymousForCertificate)
}

fn settings(version: RmVersion) -> ReliableSettings {
    ReliableSettings { version, inactivity_timeout: Duration::from_secs(86_400), ..ReliableSettings::default() }
}

fn text(message: &[u8]) -> String {
    String::from_utf8_lossy(message).into_owned()
}

fn opened(shape: Shape, version: RmVersion) -> SessionPair {
    let mut pair = SessionPair::new(shape, &settings(version), Some(&binding()), 3);
    pair.open();
    assert_eq!(pair.client_told, [Told::Opened]);
    pair.send(Letter::request("urn:n/Ask", "<n xmlns=\"urn:secret\">1</n>")).expect("an open session");
    pair.run();
    pair
}

/// Another client of the same service, with a conversation of its own and no scruples.
struct Stranger {
    machine: Initiator<Note, Chance, 1, 64>,
    paper: Paper,
    next: u32,
}

impl Stranger {
    fn meet(pair: &mut SessionPair) -> Self {
        let machine = Initiator::new(
            binding(),
            InitiatorSettings::default(),
            "http://localhost/calc",
            UserCredential::new("mallory", "wonder"),
            MIDNIGHT,
            Chance::new(&[0xEE; 32]),
        );
        let mut stranger = Self { machine: machine.expect("a client"), paper: Paper::default(), next: 1000 };
        stranger.machine.open().expect("not opened yet");
        let mut out = vec![0; 32_768];
        let polled = stranger.machine.poll(pair.now, &stranger.paper, &mut out).expect("a request");
        let InitiatorAction::Transmit { exchange, message, .. } = polled else { panic!("no request: {polled:?}") };
        let mut request = message.to_vec();
        let heard = pair.service.receive(pair.now, Exchange(999), &stranger.paper, &mut request).expect("room");
        assert!(matches!(heard, ServiceHeard::Conversation(_)), "{heard:?}");
        let (_, _, mut answer) = answer(pair);
        let received = stranger.machine.receive(pair.now, exchange, &stranger.paper, &mut answer).expect("a token");
        assert_eq!(received, Received::Established);
        stranger
    }

    /// Sends this frame under its own token; what the service made of it.
    fn says(&mut self, pair: &mut SessionPair, version: RmVersion, frame: &Frame<'_>) -> ServiceHeard {
        let mut out = vec![0; 32_768];
        let machine = &mut self.machine;
        let seal = |rendered: Rendered<'_>| {
            let Rendered { headers, body, encrypt_body, .. } = rendered;
            machine.seal_message(pair.now, &SessionMessage { headers, body, encrypt_body }, &mut out)
        };
        let sealed = frame.render(versions(version), "en-US", &mut [0; 2048], seal).expect("room").expect("sealed");
        self.next += 1;
        out.truncate(sealed);
        pair.service.receive(pair.now, Exchange(self.next), &self.paper, &mut out).expect("room")
    }

    /// The service's answer, opened.
    fn hears(&mut self, pair: &mut SessionPair) -> (u16, String) {
        let (_, status, mut answer) = answer(pair);
        let optional = |_: &[u8]| soap_session_core::secure::Encryption::Optional;
        let heard =
            self.machine.open_message(pair.now, &self.paper, optional, &mut answer).expect("under its own token");
        (status, format!("{} {}", matches!(heard, soap_session_core::secure::Heard::Message(_)), text(&answer)))
    }
}

fn answer(pair: &mut SessionPair) -> (Exchange, u16, Vec<u8>) {
    let mut out = vec![0; 32_768];
    match pair.service.poll(pair.now, &mut out).expect("the service can write") {
        ServiceAction::Answer { exchange, status, message } => (exchange, status, message.to_vec()),
        other => panic!("no answer: {other:?}"),
    }
}

fn frame<'a>(action: RmAction, body: FrameBody<'a>) -> Frame<'a> {
    Frame {
        action: FrameAction::Rm(action),
        message_id: Some(soap_session_core::chance::Uuid([7; 16])),
        relates_to: None,
        reply_to: None,
        to: Some(b"http://localhost/calc"),
        sequence: None,
        acknowledgement: None,
        ack_requested: None,
        not_understood: None,
        uses_sequence_str: false,
        order: HeaderOrder::AcknowledgementFirst,
        body,
    }
}

fn offered() -> Identifier {
    Identifier::new(b"urn:uuid:11111111-0000-4000-8000-000000000000").expect("an identifier")
}

fn create<'a>(version: RmVersion, offer: &'a Identifier, token_reference: Option<&'a [u8]>) -> Frame<'a> {
    let body = FrameBody::CreateSequence {
        acks_to: AddressingVersion::Wsa10.anonymous().as_bytes(),
        offer: Some((offer, IncompleteSequenceBehavior::DiscardFollowingFirstGap)),
        token_reference,
    };
    Frame { uses_sequence_str: version == RmVersion::V11, ..frame(RmAction::CreateSequence, body) }
}

#[test]
fn a_sequence_belongs_to_its_token() {
    for version in RmVersion::ALL {
        let mut pair = opened(Shape::RequestReply, version);
        let mut stranger = Stranger::meet(&mut pair);
        let identifier = pair.client.identifier().expect("a sequence").clone();
        let id = session(&pair);
        let before = format!("{:?}", pair.service.session(id).expect("it is there"));
        let sequence = Some(SequencePlace { identifier: &identifier, number: 2, last: false });
        let body = FrameBody::Payload(b"<n xmlns=\"urn:secret\">2</n>");
        let frames = [
            Frame { sequence, action: FrameAction::Application(b"urn:n/Ask"), ..frame(RmAction::AckRequested, body) },
            Frame { ack_requested: Some(&identifier), ..frame(RmAction::AckRequested, FrameBody::Empty) },
            frame(RmAction::TerminateSequence, FrameBody::TerminateSequence { identifier: &identifier, last: None }),
        ];
        for frame in &frames {
            let heard = stranger.says(&mut pair, version, frame);
            let error = SessionError::Remote { kind: Some(RmFaultKind::UnknownSequence), code: FaultCode::Sender };
            assert_eq!(heard, ServiceHeard::Session { session: None, heard: Heard::Refused(error), message: None });
            let (status, answer) = stranger.hears(&mut pair);
            assert_eq!(status, 500);
            assert!(answer.starts_with("true") && answer.contains("UnknownSequence"), "{answer}");
        }
        assert_eq!(format!("{:?}", pair.service.session(id).expect("it is there")), before, "no trace is left");
        assert!(pair.close() && pair.closed_well());
    }
}

fn session(_: &SessionPair) -> soap_session_core::reliable::ReliableSessionId {
    soap_session_core::reliable::ReliableSessionId(1)
}

#[test]
fn a_create_sequence_names_the_token_that_protects_it() {
    for version in RmVersion::ALL {
        let mut pair = opened(Shape::RequestReply, version);
        let mut stranger = Stranger::meet(&mut pair);
        let mut own = [0; 512];
        let len = stranger.machine.write_token_reference(&mut own).expect("a token");
        let own = text(&own[..len]);
        let name = text(stranger.machine.identifier().expect("a conversation"));
        let other = own.replace(&name, "urn:uuid:00000000-0000-4000-8000-000000000000");
        let offer = offered();
        for (reference, granted) in [(None, false), (Some(other.as_bytes()), false), (Some(own.as_bytes()), true)] {
            let heard = stranger.says(&mut pair, version, &create(version, &offer, reference));
            assert_eq!(matches!(heard, ServiceHeard::Session { session: Some(_), .. }), granted, "{heard:?}");
            let (status, answer) = stranger.hears(&mut pair);
            assert_eq!(status, if granted { 200 } else { 500 });
            assert_eq!(answer.contains("CreateSequenceRefused"), !granted, "{answer}");
        }
    }
}

#[test]
fn the_protocol_is_signed_and_the_application_encrypted() {
    for shape in [Shape::RequestReply, Shape::Duplex] {
        for version in RmVersion::ALL {
            let mut pair = opened(shape, version);
            assert!(pair.close() && pair.closed_well());
            let named = |name: &str| pair.wire.iter().filter(|(_, bytes)| text(bytes).contains(name)).count();
            assert_eq!(named("urn:secret"), 0, "no body of the application in clear");
            let clear: &[&str] = match version {
                RmVersion::February2005 => &["Offer><", "Accept><", "TerminateSequence>"],
                RmVersion::V11 => &["Offer><", "Accept><", "CloseSequence>", "TerminateSequence>"],
            };
            for name in clear {
                assert!(named(name) > 0, "{name} in clear");
            }
            for (_, bytes) in pair.wire.iter().filter(|(_, bytes)| !bytes.is_empty()) {
                assert!(text(bytes).contains("<o:Security s:mustUnderstand=\"1\""), "every message is secured");
            }
            let reference =
                pair.wire.iter().filter(|(_, bytes)| text(bytes).contains("Offer><o:SecurityTokenReference")).count();
            assert_eq!(reference, 1, "the CreateSequence names the token");
            let str_header = pair.wire.iter().filter(|(_, bytes)| text(bytes).contains("UsesSequenceSTR")).count();
            assert_eq!(str_header, usize::from(version == RmVersion::V11));
        }
    }
}

#[test]
fn the_key_is_renewed_between_two_messages() {
    let mut pair = opened(Shape::RequestReply, RmVersion::V11);
    // WCF's client renews after ten hours.
    pair.now = pair.now.after(Duration::from_secs(11 * 3600));
    pair.send(Letter::request("urn:n/Ask", "<n xmlns=\"urn:secret\">2</n>")).expect("an open session");
    pair.run();
    assert_eq!((pair.taken.len(), pair.replies.len()), (2, 2));
    let renewals = pair.wire.iter().filter(|(_, bytes)| text(bytes).contains("/RST/SCT/Renew<")).count();
    assert_eq!(renewals, 1);
    assert!(pair.close() && pair.closed_well());
}

#[test]
fn giving_up_tells_the_service_and_cancels_the_token() {
    for version in RmVersion::ALL {
        let mut pair = opened(Shape::RequestReply, version);
        let before = pair.wire.len();
        pair.client.abort();
        assert!(pair.run_until(20, |pair| pair.client.is_over() && pair.service.conversations() == 0));
        let said: Vec<String> =
            pair.wire[before..].iter().filter(|(client, _)| *client).map(|(_, bytes)| text(bytes)).collect();
        assert_eq!(said.len(), 2, "a fault and a cancellation");
        assert!(said[1].contains("/RST/SCT/Cancel<"));
        let told = Told::Ended(SessionError::Remote {
            kind: Some(RmFaultKind::SequenceTerminated),
            code: FaultCode::Receiver,
        });
        assert!(pair.service_told.contains(&told), "{:?}", pair.service_told);
        assert_eq!(pair.client.phase(), SessionPhase::Closed);
        assert_eq!(pair.client.error(), Some(SessionError::Aborted));
    }
}

#[test]
fn a_message_that_cannot_be_written_ends_the_session_with_the_reason() {
    let mut pair = opened(Shape::RequestReply, RmVersion::V11);
    let broken = Letter::request("urn:n/Ask", "<n xmlns=\"urn:secret\">");
    assert!(!broken.body().is_empty());
    pair.send(broken).expect("nobody has looked into it yet");
    let mut out = vec![0; 32_768];
    let paper = Paper::default();
    let failed = pair.client.poll(pair.now, &paper, &mut out);
    assert!(matches!(failed, ClientAction::Failed(_)), "{failed:?}");
    assert_eq!(pair.client.error(), Some(SessionError::Unsendable));
    assert!(pair.run_until(20, |pair| pair.client.is_over()));
}

/// As in WCF, where the end of the conversation is no error to a session of which everything has come, and the answer to Cancel is
/// written when the service's channel closes.
#[test]
fn what_has_arrived_is_taken_before_the_cancellation_is_confirmed() {
    for version in RmVersion::ALL {
        let mut pair = SessionPair::new(Shape::OneWay, &settings(version), Some(&binding()), 3);
        pair.open();
        pair.busy = true;
        let said: Vec<String> = (0..3).map(|n| format!("<n xmlns=\"urn:secret\">{n}</n>")).collect();
        for body in &said {
            pair.send(Letter::one_way("urn:n/Tell", body)).expect("room");
        }
        pair.run();
        pair.client.close(pair.now).expect("an open session");
        pair.run();
        let cancels =
            |pair: &SessionPair| pair.wire.iter().filter(|(_, b)| text(b).contains("/RST/SCT/Cancel<")).count();
        assert_eq!(cancels(&pair), 1, "the client has said its last");
        assert!(!pair.client.is_over() && pair.taken.is_empty(), "{}", pair.story());
        assert_eq!((pair.service.sessions(), pair.service.conversations()), (1, 1));
        pair.busy = false;
        pair.run();
        assert_eq!(pair.taken.iter().map(|kept| &kept.body).collect::<Vec<_>>(), said.iter().collect::<Vec<_>>());
        assert!(pair.client.is_over() && pair.closed_well(), "{}", pair.story());
        assert_eq!((pair.service.sessions(), pair.service.conversations()), (0, 0));
        assert_eq!(pair.service_told.last(), Some(&Told::Closed));
        assert_eq!(cancels(&pair), 1);
    }
}

/// The answer to a cancellation is lost while it waits: nothing is left of the conversation all the same.
#[test]
fn a_cancellation_that_nobody_waits_for_leaves_nothing() {
    let mut pair = SessionPair::new(Shape::OneWay, &settings(RmVersion::V11), Some(&binding()), 3);
    pair.open();
    pair.busy = true;
    pair.send(Letter::one_way("urn:n/Tell", "<n xmlns=\"urn:secret\">1</n>")).expect("room");
    pair.run();
    pair.client.close(pair.now).expect("an open session");
    pair.run();
    for exchange in 0..32 {
        pair.service.exchange_failed(Exchange(exchange));
    }
    pair.busy = false;
    pair.run();
    assert_eq!((pair.taken.len(), pair.service.sessions(), pair.service.conversations()), (1, 0, 0));
}

#[test]
fn a_cancellation_before_everything_has_arrived_breaks_the_session() {
    for version in RmVersion::ALL {
        let mut pair = opened(Shape::RequestReply, version);
        let mut stranger = Stranger::meet(&mut pair);
        let mut own = [0; 512];
        let len = stranger.machine.write_token_reference(&mut own).expect("a token");
        let offer = offered();
        let heard = stranger.says(&mut pair, version, &create(version, &offer, Some(&own[..len])));
        assert!(matches!(heard, ServiceHeard::Session { session: Some(_), .. }), "{heard:?}");
        stranger.hears(&mut pair);
        assert!(pair.service.accept().is_some());
        assert_eq!((pair.service.sessions(), pair.service.conversations()), (2, 2));
        stranger.machine.close().expect("an open conversation");
        let mut out = vec![0; 32_768];
        let polled = stranger.machine.poll(pair.now, &stranger.paper, &mut out).expect("a cancellation");
        let InitiatorAction::Transmit { message, .. } = polled else { panic!("no request: {polled:?}") };
        let mut request = message.to_vec();
        pair.service.receive(pair.now, Exchange(2000), &stranger.paper, &mut request).expect("room");
        pair.run();
        assert_eq!(pair.service_told.last(), Some(&Told::Ended(SessionError::Lower)));
        assert_eq!(
            (pair.service.sessions(), pair.service.conversations()),
            (1, 1),
            "the other one has nothing to do with it"
        );
        assert!(pair.close() && pair.closed_well());
    }
}

/// A service that is busy, and clients that close meanwhile.
struct Crowd {
    service: SessionService<Letter, 8, 8, 9, 16, 4>,
    clients: Vec<Client>,
    paper: Paper,
}

impl Crowd {
    const NOW: Instant = Instant::from_millis(1000);

    fn join(&mut self) -> usize {
        let addresses = ClientAddresses::new("http://localhost/calc", None).expect("an address");
        let seed = u8::try_from(self.clients.len()).expect("few");
        let chance = |salt: u8| Chance::new(&[seed ^ salt; 32]);
        let client = Client::secure(
            settings(RmVersion::V11),
            Shape::OneWay,
            addresses,
            binding(),
            InitiatorSettings::default(),
            None,
            MIDNIGHT,
            chance(0x10),
            chance(0x20),
        );
        let mut client = client.expect("a client");
        client.open(Self::NOW).expect("not opened yet");
        self.clients.push(client);
        self.run();
        while self.service.accept().is_some() {}
        self.clients.len() - 1
    }

    /// Everything that can be done now. The application takes nothing.
    fn run(&mut self) {
        let mut out = vec![0; 32_768];
        loop {
            let mut idle = true;
            for (number, client) in (0..).zip(&mut self.clients) {
                match client.poll(Self::NOW, &self.paper, &mut out) {
                    ClientAction::Transmit { exchange: Some(exchange), message, .. } => {
                        let mut message = message.to_vec();
                        let from = Exchange(number * 1000 + exchange.0);
                        self.service.receive(Self::NOW, from, &self.paper, &mut message).expect("room for an exchange");
                    }
                    ClientAction::Wait(_) => continue,
                    _ => {}
                }
                idle = false;
            }
            match self.service.poll(Self::NOW, &mut out).expect("the service can write") {
                ServiceAction::Answer { exchange, message, .. } => {
                    let mut message = message.to_vec();
                    let client = &mut self.clients[(exchange.0 / 1000) as usize];
                    client.receive(Self::NOW, Some(Exchange(exchange.0 % 1000)), &self.paper, &mut message);
                }
                ServiceAction::Wait(_) if idle => return,
                _ => {}
            }
        }
    }
}

/// Clients that wait for a busy service to close take no more than half the exchanges: the rest are others'.
#[test]
fn cancellations_that_wait_leave_room_for_others() {
    let (security, chance) = (AcceptorSettings::default(), |seed| Chance::new(&[seed; 32]));
    let service = SessionService::secure(
        settings(RmVersion::V11),
        Shape::OneWay,
        binding(),
        security,
        MIDNIGHT,
        chance(0x30),
        chance(0x40),
    );
    let mut crowd = Crowd { service, clients: Vec::new(), paper: Paper::default() };
    let mut closing = Vec::new();
    for joined in 1..=6 {
        let client = crowd.join();
        let said = Letter::one_way("urn:n/Tell", "<n xmlns=\"urn:secret\">1</n>");
        crowd.clients[client].send(Crowd::NOW, said).expect("room");
        crowd.run();
        crowd.clients[client].close(Crowd::NOW).expect("an open session");
        crowd.run();
        closing.push(client);
        let over: Vec<bool> = closing.iter().map(|client| crowd.clients[*client].is_over()).collect();
        let expected: Vec<bool> = (1..=joined).map(|nth| nth + 2 <= joined).collect();
        assert_eq!(over, expected, "two wait, and those who came first do not");
        assert_eq!(crowd.service.sessions(), joined, "none of them has lost what the application has not taken yet");
    }
}

/// The end of a conversation overtakes a copy of a message that was under way: what the service says of that copy is no news.
#[test]
fn a_fault_for_a_late_copy_does_not_decide_how_the_close_ends() {
    const FAULT: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">http://www.w3.org/2005/08/addressing/soap/fault</a:Action></s:Header><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:c="http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512">c:BadContextToken</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">gone</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>"#;
    for closing in [false, true] {
        let mut pair = SessionPair::new(Shape::OneWay, &settings(RmVersion::V11), Some(&binding()), 3);
        pair.open();
        pair.busy = true;
        pair.send(Letter::one_way("urn:n/Tell", "<n xmlns=\"urn:secret\">1</n>")).expect("room");
        pair.run();
        if closing {
            pair.client.close(pair.now).expect("an open session");
            pair.run();
        }
        let mut fault = FAULT.as_bytes().to_vec();
        let heard = pair.client.receive(pair.now, Some(Exchange(5)), &Paper::default(), &mut fault);
        let ClientHeard::Failed(Failure::Fault(seen)) = heard else { panic!("{heard:?}") };
        assert_eq!(seen.known, Some(KnownFault::BadContextToken));
        pair.busy = false;
        pair.run();
        assert!(pair.client.is_over());
        assert_eq!(pair.closed_well(), closing, "{}", pair.story());
    }
}
