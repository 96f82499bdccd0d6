//! What a peer may do wrong in a reliable session, the fault that it gets for it, and what becomes of the session.

use soap_session_core::chance::{Chance, Uuid};
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{
    Acknowledgement, Frame, FrameAction, FrameBody, HeaderOrder, Identifier, IncompleteSequenceBehavior, Range,
    ReliableSessionId, ReliableSettings, RmAction, RmVersion, SequencePlace, SessionPhase, Shape, Versions,
};
use soap_session_core::secure::NoCredentials;
use soap_session_core::session::{ServiceAction, SessionService};
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::time::{Duration, Instant};
use soap_session_core::xml::Limits;
use soap_session_tests::session_pair::Letter;

const ADDRESS: &[u8] = b"http://localhost/calc";
const CLIENT: &[u8] = b"http://client/callback";

/// A service, and a hand that writes whatever it likes.
struct Bench {
    service: SessionService<Letter, 4, 8, 9, 16, 16>,
    versions: Versions,
    shape: Shape,
    now: Instant,
    next: u32,
    sequence: Identifier,
    offer: Identifier,
}

fn plain(action: FrameAction<'static>) -> Frame<'static> {
    Frame {
        action,
        message_id: Some(Uuid([9; 16])),
        relates_to: None,
        reply_to: None,
        to: Some(ADDRESS),
        sequence: None,
        acknowledgement: None,
        ack_requested: None,
        not_understood: None,
        uses_sequence_str: false,
        order: HeaderOrder::AcknowledgementFirst,
        body: FrameBody::Empty,
    }
}

fn rm(action: RmAction) -> Frame<'static> {
    plain(FrameAction::Rm(action))
}

fn anonymous() -> &'static [u8] {
    AddressingVersion::Wsa10.anonymous().as_bytes()
}

impl Bench {
    fn new(shape: Shape, settings: ReliableSettings) -> Self {
        let versions =
            Versions { soap: SoapVersion::Soap12, addressing: AddressingVersion::Wsa10, reliable: settings.version };
        let service =
            SessionService::plain(settings, SoapVersion::Soap12, shape, Limits::default(), Chance::new(&[1; 32]));
        let offer = Identifier::new(b"urn:uuid:0ffe0000-0000-4000-8000-000000000000").expect("short");
        let now = Instant::from_millis(1000);
        Self { service, versions, shape, now, next: 0, sequence: offer.clone(), offer }
    }

    /// A service whose first session is open and accepted.
    fn opened(shape: Shape, version: RmVersion) -> Self {
        let mut bench = Self::new(shape, ReliableSettings { version, ..ReliableSettings::default() });
        let answer = bench.says(&bench.create(shape != Shape::OneWay));
        let identifier = between(&answer, "Identifier>", "</").expect("a sequence");
        bench.sequence = Identifier::new(identifier.as_bytes()).expect("short");
        assert_eq!(bench.service.accept(), Some(ReliableSessionId(1)));
        assert_eq!(bench.hears(), "");
        bench
    }

    fn local(&self) -> &'static [u8] {
        if self.shape == Shape::Duplex { CLIENT } else { anonymous() }
    }

    fn create(&self, offers: bool) -> Frame<'static> {
        let offer: &'static Identifier = Box::leak(Box::new(self.offer.clone()));
        Frame {
            reply_to: (self.shape == Shape::Duplex).then_some(CLIENT),
            body: FrameBody::CreateSequence {
                acks_to: self.local(),
                offer: offers.then_some((offer, IncompleteSequenceBehavior::DiscardFollowingFirstGap)),
                token_reference: None,
            },
            ..rm(RmAction::CreateSequence)
        }
    }

    /// What is said, and everything that the service says to it, one text after the other.
    fn says(&mut self, frame: &Frame<'_>) -> String {
        let bytes = self.write(frame);
        self.says_bytes(bytes)
    }

    fn write(&self, frame: &Frame<'_>) -> Vec<u8> {
        let mut bytes = vec![0; 65_536];
        let len = frame.write_envelope(self.versions, "en-US", &mut bytes).expect("room");
        bytes.truncate(len);
        bytes
    }

    fn says_bytes(&mut self, bytes: Vec<u8>) -> String {
        self.posts(bytes);
        self.hears()
    }

    fn posts(&mut self, mut bytes: Vec<u8>) {
        self.next += 1;
        let from = if self.shape == Shape::Duplex { 1 } else { self.next };
        self.service.receive(self.now, Exchange(from), &NoCredentials, &mut bytes).expect("room");
    }

    fn hears(&mut self) -> String {
        let (mut said, mut out) = (String::new(), vec![0; 65_536]);
        loop {
            match self.service.poll(self.now, &mut out).expect("the service can write") {
                ServiceAction::Answer { status, message, .. } => {
                    said += &format!("{status} {}\n", String::from_utf8_lossy(message));
                }
                ServiceAction::Transmit { message, .. } => said += &format!("{}\n", String::from_utf8_lossy(message)),
                ServiceAction::Drop(_) => said += "drop\n",
                ServiceAction::Wait(_) => return said,
                ServiceAction::Told(..) | ServiceAction::Swept(_) => {}
                ServiceAction::Grow(grow) => out = vec![0; grow.needed],
            }
        }
    }

    /// A message of the application.
    fn message(&self, number: u64) -> Frame<'_> {
        Frame {
            sequence: Some(SequencePlace { identifier: &self.sequence, number, last: false }),
            reply_to: Some(self.local()),
            body: FrameBody::Payload(b"<n xmlns=\"urn:n\"/>"),
            ..plain(FrameAction::Application(b"urn:n/Ask"))
        }
    }

    fn last_message(&self, number: u64) -> Frame<'_> {
        Frame {
            sequence: Some(SequencePlace { identifier: &self.sequence, number, last: true }),
            message_id: None,
            ..rm(RmAction::LastMessage)
        }
    }

    fn acks<'a>(&'a self, ranges: &'a [Range], is_final: bool) -> Option<Acknowledgement<'a>> {
        Some(Acknowledgement { identifier: &self.offer, ranges, is_final, buffer_remaining: None })
    }

    fn close(&self, last: Option<u64>) -> Frame<'_> {
        Frame {
            reply_to: (self.shape == Shape::Duplex).then_some(CLIENT),
            body: FrameBody::CloseSequence { identifier: &self.sequence, last },
            acknowledgement: self.acks(&[], true).filter(|_| self.shape == Shape::RequestReply),
            ..rm(RmAction::CloseSequence)
        }
    }

    fn terminate(&self, last: Option<u64>) -> Frame<'_> {
        Frame {
            reply_to: (self.shape == Shape::Duplex && self.versions.reliable == RmVersion::V11).then_some(CLIENT),
            body: FrameBody::TerminateSequence { identifier: &self.sequence, last },
            acknowledgement: None,
            ..rm(RmAction::TerminateSequence)
        }
    }

    fn phase(&self) -> Option<SessionPhase> {
        self.service.phase(ReliableSessionId(1))
    }

    /// The session goes on: an honest message is taken.
    fn lives(&mut self, number: u64) {
        assert_eq!(self.phase(), Some(SessionPhase::Opened));
        let bytes = self.write(&self.message(number));
        self.says_bytes(bytes);
        assert_eq!(self.service.take(self.now, ReliableSessionId(1)), Some(number));
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    Some(&text[start..start + text[start..].find(after)?])
}

/// The subcode of the fault in this answer, and whom it blames.
fn fault(answer: &str) -> (String, String) {
    let code = between(answer, "<s:Code><s:Value>s:", "</").unwrap_or("none").to_owned();
    let subcode = between(answer, "<s:Subcode><s:Value", "</").unwrap_or("none");
    (code, subcode.rsplit(':').next().unwrap_or_default().to_owned())
}

fn is(answer: &str, code: &str, subcode: &str) {
    assert_eq!(fault(answer), (code.to_owned(), subcode.to_owned()), "{answer}");
    if !answer.starts_with('<') {
        assert!(answer.contains("500 <s:Envelope"), "{answer}");
    }
}

const ALL: [(Shape, RmVersion); 6] = [
    (Shape::OneWay, RmVersion::February2005),
    (Shape::OneWay, RmVersion::V11),
    (Shape::RequestReply, RmVersion::February2005),
    (Shape::RequestReply, RmVersion::V11),
    (Shape::Duplex, RmVersion::February2005),
    (Shape::Duplex, RmVersion::V11),
];

#[test]
fn a_sequence_that_nobody_has() {
    for (shape, version) in ALL {
        let mut bench = Bench::opened(shape, version);
        let own = bench.sequence.clone();
        bench.sequence = Identifier::new(b"urn:uuid:deadbeef-0000-4000-8000-000000000000").expect("short");
        let bytes = bench.write(&bench.message(1));
        let answer = bench.says_bytes(bytes);
        is(&answer, "Sender", "UnknownSequence");
        assert!(answer.contains("urn:uuid:deadbeef-0000-4000-8000-000000000000</"), "the detail names it: {answer}");
        bench.sequence = own;
        bench.lives(1);
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_sent() {
    for (shape, version) in ALL.into_iter().filter(|(shape, _)| *shape != Shape::OneWay) {
        for ranges in [vec![(1, 1)], vec![(i64::MAX as u64, i64::MAX as u64)], vec![(1, 2), (7, 9)]] {
            let mut bench = Bench::opened(shape, version);
            let ranges: Vec<Range> = ranges.into_iter().map(|(lower, upper)| Range { lower, upper }).collect();
            let bytes = bench.write(&Frame { acknowledgement: bench.acks(&ranges, false), ..bench.message(1) });
            let answer = bench.says_bytes(bytes);
            is(&answer, "Sender", "InvalidAcknowledgement");
            let detail = between(&answer, "<s:Detail>", "</s:Detail>").expect("a detail");
            assert!(detail.contains("SequenceAcknowledgement"), "{detail}");
            for Range { lower, upper } in ranges {
                assert!(detail.contains(&format!("Lower=\"{lower}\" Upper=\"{upper}\"")), "{detail}");
            }
            assert!(detail.contains("0ffe0000"), "it names the sequence that the service sends: {detail}");
            assert_eq!(bench.phase(), None, "the session is over and forgotten");
            let again =
                bench.says(&Frame { ack_requested: Some(&bench.sequence.clone()), ..rm(RmAction::AckRequested) });
            is(&again, "Sender", "UnknownSequence");
        }
    }
}

#[test]
fn a_message_behind_the_last_one() {
    for (shape, version) in ALL {
        let mut bench = Bench::opened(shape, version);
        match version {
            RmVersion::February2005 => {
                let bytes = bench.write(&bench.last_message(1));
                bench.says_bytes(bytes);
            }
            RmVersion::V11 => {
                let bytes = bench.write(&bench.close(None));
                bench.says_bytes(bytes);
            }
        }
        let bytes = bench.write(&bench.message(2));
        let answer = bench.says_bytes(bytes);
        match version {
            RmVersion::February2005 => {
                is(&answer, "Sender", "LastMessageNumberExceeded");
                assert_eq!(bench.phase(), None);
            }
            // The sequence survives, and the fault says what has arrived.
            RmVersion::V11 => {
                is(&answer, "Sender", "SequenceClosed");
                assert!(answer.contains("<r:Final/>"), "{answer}");
                assert_eq!(bench.phase(), Some(SessionPhase::Opened));
            }
        }
    }
}

#[test]
fn a_terminate_sequence_that_comes_too_early() {
    for (shape, version) in ALL {
        let mut bench = Bench::opened(shape, version);
        let frames = [
            bench.write(&bench.message(2)),
            bench.write(&bench.terminate(Some(2).filter(|_| version == RmVersion::V11))),
        ];
        for bytes in frames {
            bench.posts(bytes);
        }
        let answer = bench.hears();
        match (version, shape) {
            // 1.1 answers, and is over all the same.
            (RmVersion::V11, Shape::OneWay | Shape::Duplex) => {
                assert!(answer.contains("TerminateSequenceResponse"), "{shape:?}: {answer}");
            }
            // A reply session says that its own sequence is over.
            (RmVersion::V11, Shape::RequestReply) => {
                assert!(answer.contains("200 ") && answer.contains("TerminateSequence>"), "{answer}");
            }
            (RmVersion::February2005, _) => is(&answer, "Sender", "SequenceTerminated"),
        }
        assert_eq!(bench.phase(), None, "{shape:?} {version:?}: the session is over");
    }
}

#[test]
fn the_sequence_of_the_other_direction_is_not_the_senders_to_end() {
    let mut bench = Bench::opened(Shape::Duplex, RmVersion::V11);
    let other = bench.offer.clone();
    let frame = Frame {
        reply_to: Some(CLIENT),
        body: FrameBody::CloseSequence { identifier: &other, last: None },
        ..rm(RmAction::CloseSequence)
    };
    is(&bench.says(&frame), "Sender", "SequenceTerminated");
    assert_eq!(bench.phase(), None);
}

#[test]
fn a_reply_to_that_is_not_the_sessions() {
    for (shape, version) in ALL.into_iter().filter(|(_, version)| *version == RmVersion::V11) {
        let mut bench = Bench::opened(shape, version);
        let bytes = bench.write(&Frame { reply_to: Some(b"http://elsewhere/"), ..bench.close(None) });
        is(&bench.says_bytes(bytes), "Sender", "SequenceTerminated");
    }
}

#[test]
fn requests_for_a_sequence_that_are_refused() {
    let new = |shape, version| Bench::new(shape, ReliableSettings { version, ..ReliableSettings::default() });
    for version in RmVersion::ALL {
        for shape in [Shape::RequestReply, Shape::Duplex] {
            let mut bench = new(shape, version);
            is(&bench.says(&bench.create(false)), "Sender", "CreateSequenceRefused");
            let offers = bench.says(&Frame { message_id: None, ..bench.create(true) });
            assert!(offers.contains("MessageAddressingHeaderRequired"), "{offers}");
            // Nobody said that there is a secure conversation, and there is none.
            if version == RmVersion::V11 {
                let frame = Frame { uses_sequence_str: true, ..bench.create(true) };
                is(&bench.says(&frame), "Sender", "CreateSequenceRefused");
            }
            assert_eq!(bench.service.sessions(), 0);
        }
    }
    let mut one_way = new(Shape::OneWay, RmVersion::February2005);
    is(&one_way.says(&one_way.create(true)), "Sender", "CreateSequenceRefused");
    // 1.1 may leave the offer aside.
    let mut one_way = new(Shape::OneWay, RmVersion::V11);
    let answer = one_way.says(&one_way.create(true));
    assert!(answer.starts_with("200 ") && !answer.contains("Accept>"), "{answer}");
}

#[test]
fn too_many_sequences_wait_to_be_accepted() {
    let settings = ReliableSettings { max_pending_channels: 2, ..ReliableSettings::default() };
    let mut bench = Bench::new(Shape::RequestReply, settings);
    let create = |bench: &mut Bench, n: u8| {
        bench.offer = Identifier::of(Uuid([n; 16]));
        bench.says(&Frame { message_id: Some(Uuid([n; 16])), ..bench.create(true) })
    };
    for n in 1..=2 {
        assert!(create(&mut bench, n).starts_with("200 "));
    }
    let refused = create(&mut bench, 3);
    is(&refused, "Receiver", "CreateSequenceRefused");
    assert!(refused.contains("ConnectionLimitReached") && refused.contains("http://localhost/calc"), "{refused}");
    // The same request as before gets the same answer, however many wait.
    assert_eq!(create(&mut bench, 2), create(&mut bench, 2));
    assert_eq!(bench.service.accept(), Some(ReliableSessionId(1)));
    assert!(create(&mut bench, 4).starts_with("200 "));
    bench.service.stop();
    assert!(bench.service.accept().is_some());
    let stopped = create(&mut bench, 5);
    is(&stopped, "Sender", "EndpointUnavailable");
}

#[test]
fn the_greatest_number_is_a_number() {
    let mut bench = Bench::new(Shape::OneWay, ReliableSettings { ordered: false, ..ReliableSettings::default() });
    let answer = bench.says(&bench.create(false));
    bench.sequence =
        Identifier::new(between(&answer, "Identifier>", "</").expect("a sequence").as_bytes()).expect("short");
    bench.service.accept();
    let greatest = i64::MAX as u64;
    for number in [greatest, 1, greatest - 1] {
        let bytes = bench.write(&bench.message(number));
        let answer = bench.says_bytes(bytes);
        assert!(answer.contains("SequenceAcknowledgement>"), "{answer}");
        assert_eq!(bench.service.take(bench.now, ReliableSessionId(1)), Some(number));
    }
    let acks = bench.says(&Frame { ack_requested: Some(&bench.sequence.clone()), ..rm(RmAction::AckRequested) });
    let (before, last) = (greatest - 1, greatest);
    assert!(
        acks.contains(&format!("Lower=\"1\" Upper=\"1\"/><r:AcknowledgementRange Lower=\"{before}\" Upper=\"{last}\""))
    );
}

#[test]
fn garbage_leaves_no_trace() {
    let mut bench = Bench::opened(Shape::RequestReply, RmVersion::V11);
    let state = |bench: &Bench| format!("{:?}", bench.service.session(ReliableSessionId(1)).expect("it is there"));
    let before = state(&bench);
    for garbage in ["", "x", "<a/>", "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"/>"] {
        let answer = bench.says_bytes(garbage.as_bytes().to_vec());
        assert!(answer.starts_with("400 ") || answer.starts_with("500 "), "{garbage:?}: {answer}");
    }
    assert_eq!(state(&bench), before);
    bench.now = bench.now.after(Duration::from_secs(1));
    bench.lives(1);
}
