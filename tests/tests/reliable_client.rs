//! A client of a reliable session, and a hand that answers it as it likes.

use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{
    Acknowledgement, ClientAddresses, Frame, FrameAction, FrameBody, HeaderOrder, Heard, Identifier,
    IncompleteSequenceBehavior, Range, ReliableSettings, RmAction, RmVersion, SequencePlace, SessionError,
    SessionPhase, Shape, Told, TransmissionSettings, Versions, Violation,
};
use soap_session_core::secure::{Binding, Bootstrap, NoCredentials};
use soap_session_core::session::{ClientAction, ClientHeard, SessionClient};
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::time::{Deadline, Duration, Instant};
use soap_session_core::xml::Limits;
use soap_session_tests::pair::Paper;
use soap_session_tests::session_pair::{Fate, Letter, SessionPair};

/// A client with room for `EXCHANGES` open exchanges, whose other side is written by hand.
struct Hand<const EXCHANGES: usize> {
    client: SessionClient<Letter, Chance, 8, 9, EXCHANGES>,
    versions: Versions,
    now: Instant,
    sequence: Identifier,
    offer: Identifier,
}

fn plain(action: RmAction) -> Frame<'static> {
    Frame {
        action: FrameAction::Rm(action),
        message_id: None,
        relates_to: None,
        reply_to: None,
        to: None,
        sequence: None,
        acknowledgement: None,
        ack_requested: None,
        not_understood: None,
        uses_sequence_str: false,
        order: HeaderOrder::SequenceFirst,
        body: FrameBody::Empty,
    }
}

fn value(message: &[u8], element: &str) -> String {
    let text = String::from_utf8_lossy(message).into_owned();
    let start = text.find(&format!("{element}>")).expect("the element") + element.len() + 1;
    text[start..start + text[start..].find("</").expect("its end")].to_owned()
}

impl<const EXCHANGES: usize> Hand<EXCHANGES> {
    fn opened(settings: ReliableSettings) -> Self {
        let versions =
            Versions { soap: SoapVersion::Soap12, addressing: AddressingVersion::Wsa10, reliable: settings.version };
        let addresses = ClientAddresses::new("http://localhost/calc", None).expect("short");
        let (shape, limits, chance) = (Shape::RequestReply, Limits::default(), Chance::new(&[3; 32]));
        let client = SessionClient::plain(settings, SoapVersion::Soap12, shape, addresses, limits, chance);
        let sequence = Identifier::new(b"urn:uuid:5e000000-0000-4000-8000-000000000000").expect("short");
        let mut hand = Self { client, versions, now: Instant::from_millis(1000), offer: sequence.clone(), sequence };
        hand.client.open(hand.now).expect("not opened yet");
        let (exchange, create) = hand.says().expect("a CreateSequence");
        hand.offer = Identifier::new(value(&create, "<Offer><Identifier").as_bytes()).expect("short");
        let relates_to = value(&create, "<a:MessageID");
        let identifier = hand.sequence.clone();
        let answer = Frame {
            relates_to: Some(relates_to.as_bytes()),
            body: FrameBody::CreateSequenceResponse {
                identifier: &identifier,
                expires: None,
                behavior: IncompleteSequenceBehavior::DiscardFollowingFirstGap,
                accept_acks_to: Some(b"http://localhost/calc"),
            },
            ..plain(RmAction::CreateSequenceResponse)
        };
        hand.hears(exchange, &answer);
        assert_eq!(hand.client.phase(), SessionPhase::Opened);
        hand
    }

    /// The client's next message.
    fn says(&mut self) -> Option<(Exchange, Vec<u8>)> {
        let mut out = vec![0; 16_384];
        loop {
            match self.client.poll(self.now, &NoCredentials, &mut out) {
                ClientAction::Transmit { exchange: Some(exchange), message, .. } => {
                    return Some((exchange, message.to_vec()));
                }
                ClientAction::Told(_) => {}
                ClientAction::Wait(_) => return None,
                other => panic!("{other:?}"),
            }
        }
    }

    fn deadline(&mut self) -> Deadline {
        match self.client.poll(self.now, &NoCredentials, &mut [0; 16_384]) {
            ClientAction::Wait(deadline) => deadline,
            other => panic!("not waiting: {other:?}"),
        }
    }

    /// The next moment at which the client wants to be asked.
    fn passes(&mut self) {
        let Deadline::At(at) = self.deadline() else { panic!("the client waits for ever") };
        assert!(at > self.now, "a deadline that is over");
        self.now = at;
    }

    fn hears(&mut self, exchange: Exchange, frame: &Frame<'_>) -> ClientHeard {
        let mut bytes = vec![0; 16_384];
        let len = frame.write_envelope(self.versions, "en-US", &mut bytes).expect("room");
        self.client.receive(self.now, Some(exchange), &NoCredentials, &mut bytes[..len])
    }

    fn acks(&self, upper: u64, is_final: bool) -> Frame<'static> {
        let ranges: &'static [Range] = Box::leak(Box::new([Range { lower: 1, upper }]));
        let identifier: &'static Identifier = Box::leak(Box::new(self.sequence.clone()));
        let acknowledgement = Some(Acknowledgement { identifier, ranges, is_final, buffer_remaining: Some(8) });
        Frame { acknowledgement, ..plain(RmAction::SequenceAcknowledgement) }
    }

    fn reply(&self, number: u64, upper: u64) -> Frame<'static> {
        let identifier: &'static Identifier = Box::leak(Box::new(self.offer.clone()));
        Frame {
            action: FrameAction::Application(b"urn:n/AskResponse"),
            sequence: Some(SequencePlace { identifier, number, last: false }),
            body: FrameBody::Payload(b"<n xmlns=\"urn:n\"/>"),
            ..self.acks(upper, false)
        }
    }

    fn asks(&mut self) -> (Exchange, Vec<u8>) {
        let letter = Letter::request("urn:n/Ask", "<n xmlns=\"urn:n\"/>");
        self.client.send(self.now, letter).expect("an open session");
        self.says().expect("the request")
    }
}

fn v11() -> ReliableSettings {
    ReliableSettings { version: RmVersion::V11, ..ReliableSettings::default() }
}

#[test]
fn an_answer_that_comes_late_may_be_final() {
    let mut hand = Hand::<8>::opened(v11());
    let (hung, _) = hand.asks();
    hand.passes();
    let (again, _) = hand.says().expect("the request again");
    let reply = hand.reply(1, 1);
    assert!(matches!(hand.hears(again, &reply), ClientHeard::Session(Heard::Reply { .. }, _)));
    hand.client.close(hand.now).expect("an open session");
    let (_, close) = hand.says().expect("a CloseSequence");
    assert!(String::from_utf8_lossy(&close).contains("CloseSequence>"));
    // The service has closed the sequence when it answers the copy that hung.
    let late = hand.acks(1, true);
    assert!(matches!(hand.hears(hung, &late), ClientHeard::Session(Heard::Duplicate | Heard::Protocol, None)));
    assert_eq!(hand.client.phase(), SessionPhase::Closing);
}

#[test]
fn a_final_acknowledgement_that_nobody_asked_for_ends_the_session() {
    let mut hand = Hand::<8>::opened(v11());
    let (exchange, _) = hand.asks();
    let early = hand.acks(1, true);
    let error = SessionError::Violation(Violation::FinalAcknowledgementUnasked);
    assert_eq!(hand.hears(exchange, &early), ClientHeard::Session(Heard::Refused(error), None));
    let (_, fault) = hand.says().expect("the service is told");
    assert!(String::from_utf8_lossy(&fault).contains("SequenceTerminated"));
}

#[test]
fn a_reply_without_an_acknowledgement_ends_the_session() {
    let mut hand = Hand::<8>::opened(v11());
    let (exchange, _) = hand.asks();
    let bare = Frame { acknowledgement: None, ..hand.reply(1, 1) };
    let error = SessionError::Violation(Violation::ReplyWithoutAcknowledgement);
    assert_eq!(hand.hears(exchange, &bare), ClientHeard::Session(Heard::Refused(error), None));
}

/// gSOAP answers TerminateSequence once, and by an empty 202 when it comes again because that answer was lost.
#[test]
fn a_session_whose_end_is_answered_by_nothing_twice_has_ended() {
    let mut hand = Hand::<8>::opened(v11());
    let (exchange, _) = hand.asks();
    let reply = hand.reply(1, 1);
    hand.hears(exchange, &reply);
    hand.client.close(hand.now).expect("an open session");
    let (exchange, close) = hand.says().expect("a CloseSequence");
    let relates_to = value(&close, "<a:MessageID");
    let identifier: &'static Identifier = Box::leak(Box::new(hand.sequence.clone()));
    let closed = Frame {
        action: FrameAction::Rm(RmAction::CloseSequenceResponse),
        relates_to: Some(relates_to.as_bytes()),
        body: FrameBody::CloseSequenceResponse(identifier),
        ..hand.acks(1, true)
    };
    assert_eq!(hand.hears(exchange, &closed), ClientHeard::Session(Heard::Protocol, None));
    let (lost, terminate) = hand.says().expect("a TerminateSequence");
    assert!(String::from_utf8_lossy(&terminate).contains("TerminateSequence>"));
    hand.client.exchange_failed(hand.now, lost);
    for phase in [SessionPhase::Closing, SessionPhase::Closed] {
        hand.passes();
        let (again, repeated) = hand.says().expect("the same again");
        assert_eq!(repeated, terminate);
        hand.client.receive(hand.now, Some(again), &NoCredentials, &mut []);
        hand.says();
        assert_eq!(hand.client.phase(), phase);
    }
    // Long before the minute that closing may take.
    assert!(hand.now < Instant::from_millis(25_000), "{:?}", hand.now);
}

#[test]
fn another_requests_answer_does_not_complete_this_one() {
    let mut hand = Hand::<8>::opened(v11());
    let (first, _) = hand.asks();
    let one = hand.reply(1, 1);
    hand.hears(first, &one);
    let (second, _) = hand.asks();
    let (third, _) = hand.asks();
    // The answer of the third acknowledges the second too: its reply is still to come.
    let acknowledged = hand.reply(2, 3);
    assert!(matches!(hand.hears(third, &acknowledged), ClientHeard::Session(Heard::Reply { .. }, _)));
    hand.passes();
    let (again, repeated) = hand.says().expect("the second again");
    assert_eq!(value(&repeated, "MessageNumber"), "2");
    let _ = second;
    let two = hand.reply(3, 3);
    assert!(matches!(hand.hears(again, &two), ClientHeard::Session(Heard::Reply { .. }, _)));
}

#[test]
fn an_answer_that_does_not_acknowledge_its_request_completes_nothing() {
    let mut hand = Hand::<8>::opened(v11());
    let (first, _) = hand.asks();
    let one = hand.reply(1, 1);
    hand.hears(first, &one);
    let (second, _) = hand.asks();
    let stale = hand.reply(2, 1);
    assert_eq!(hand.hears(second, &stale), ClientHeard::Session(Heard::Protocol, None));
    hand.passes();
    let (again, _) = hand.says().expect("the second again");
    // The number of the reply that was not taken is free.
    let two = hand.reply(2, 2);
    assert!(matches!(hand.hears(again, &two), ClientHeard::Session(Heard::Reply { .. }, _)));
}

#[test]
fn without_a_free_exchange_nothing_is_polled() {
    let settings = ReliableSettings { max_retry_count: 1000, ..v11() };
    let mut hand = Hand::<2>::opened(ReliableSettings { send_timeout: Duration::from_secs(86_400), ..settings });
    let (first, _) = hand.asks();
    let one = hand.reply(1, 1);
    hand.hears(first, &one);
    // Both exchanges hang. Every deadline lies ahead, and a retransmission takes the place of its own exchange.
    hand.asks();
    hand.asks();
    for _ in 0..6 {
        hand.passes();
        while hand.says().is_some() {}
    }
}

#[test]
fn what_is_heard_puts_the_question_off() {
    let settings = ReliableSettings { inactivity_timeout: Duration::from_secs(10), ..v11() };
    let mut hand = Hand::<8>::opened(settings);
    let (exchange, _) = hand.asks();
    hand.now = hand.now.after(Duration::from_millis(300));
    let reply = hand.reply(1, 1);
    hand.hears(exchange, &reply);
    let heard = hand.now;
    hand.passes();
    assert_eq!(hand.now, heard.after(Duration::from_secs(5)), "half the inactivity timeout after the reply");
    let (_, poll) = hand.says().expect("a question");
    assert!(String::from_utf8_lossy(&poll).contains("AckRequested>"));
}

/// A session over real bytes whose client may send again before the timeout.
fn eager(fast: bool) -> SessionPair {
    let fast_retransmission = fast.then_some(1);
    let settings = ReliableSettings {
        transmission: TransmissionSettings { fast_retransmission, ..TransmissionSettings::default() },
        ..v11()
    };
    let mut pair = SessionPair::new(Shape::RequestReply, &settings, None, 11);
    pair.open();
    for _ in 0..4 {
        pair.send(Letter::request("urn:n/Ask", "<n xmlns=\"urn:n\"/>")).expect("room");
        pair.run();
    }
    assert_eq!(pair.replies.len(), 4);
    pair
}

/// The next message fares like this, and those behind it arrive.
fn at_first(fate: Fate) -> Box<dyn FnMut(bool, usize) -> Fate> {
    let mut next = Some(fate);
    Box::new(move |_, _| next.take().unwrap_or(Fate::Arrives))
}

#[test]
fn an_exchange_that_failed_is_repeated_at_once_if_that_is_wanted() {
    for fast in [true, false] {
        let mut pair = eager(fast);
        let began = pair.now;
        pair.fate = at_first(Fate::Lost);
        pair.send(Letter::request("urn:n/Ask", "<n xmlns=\"urn:n\"/>")).expect("room");
        pair.run();
        assert_eq!((pair.replies.len(), pair.now), (if fast { 5 } else { 4 }, began));
        assert!(pair.run_until(5, |pair| pair.replies.len() == 5));
        assert_eq!(pair.now > began, !fast, "WCF waits for the timeout");
    }
}

#[test]
fn what_came_before_its_turn_goes_again_when_the_turn_has_come() {
    for fast in [true, false] {
        let mut pair = eager(fast);
        let began = pair.now;
        pair.fate = at_first(Fate::Hangs);
        // The first hangs; the service takes the others only behind it.
        for _ in 0..3 {
            pair.send(Letter::request("urn:n/Ask", "<n xmlns=\"urn:n\"/>")).expect("room");
        }
        pair.run();
        assert_eq!(pair.replies.len(), if fast { 7 } else { 4 }, "fast: {fast}");
        assert!(pair.run_until(9, |pair| pair.replies.len() == 7));
        assert_eq!(pair.now > began, !fast, "WCF waits for the timeout");
    }
}

#[test]
fn what_was_refused_and_then_arrived_does_not_go_again() {
    let transmission =
        TransmissionSettings { fast_retransmission: Some(3), initial_window: 4, ..TransmissionSettings::default() };
    let mut hand = Hand::<8>::opened(ReliableSettings { transmission, ..v11() });
    let (first, _) = hand.asks();
    let one = hand.reply(1, 1);
    hand.hears(first, &one);
    hand.asks();
    hand.asks();
    let (hung, fourth) = hand.asks();
    assert_eq!(value(&fourth, "MessageNumber"), "4");
    hand.passes();
    let mut again = Vec::new();
    while let Some((exchange, message)) = hand.says() {
        again.push((value(&message, "MessageNumber"), exchange));
    }
    assert_eq!(again.iter().map(|(number, _)| number.as_str()).collect::<Vec<_>>(), ["2", "3", "4"]);
    // The copy of the fourth comes before its turn, but its first attempt, long on its way, has arrived after all.
    let accepted = hand.client.receive(hand.now, Some(again[2].1), &NoCredentials, &mut []);
    assert_eq!(accepted, ClientHeard::Session(Heard::Protocol, None));
    let ranges = [Range { lower: 1, upper: 1 }, Range { lower: 4, upper: 4 }];
    let mut answer = hand.reply(2, 1);
    answer.acknowledgement.as_mut().expect("a reply acknowledges").ranges = &ranges;
    assert!(matches!(hand.hears(hung, &answer), ClientHeard::Session(Heard::Reply { .. }, _)));
    let ranges = [Range { lower: 1, upper: 2 }, Range { lower: 4, upper: 4 }];
    let mut answer = hand.reply(3, 2);
    answer.acknowledgement.as_mut().expect("a reply acknowledges").ranges = &ranges;
    assert!(matches!(hand.hears(again[0].1, &answer), ClientHeard::Session(Heard::Reply { .. }, _)));
    while let Some((_, message)) = hand.says() {
        assert_ne!(value(&message, "MessageNumber"), "4");
    }
    // Nor does it stand in the way of what follows.
    let (_, fifth) = hand.asks();
    assert_eq!(value(&fifth, "MessageNumber"), "5");
}

#[test]
fn the_conversation_is_cancelled_after_the_last_message_has_arrived() {
    let binding = Binding::ws2007_http(Bootstrap::AnonymousForCertificate);
    let mut pair = SessionPair::new(Shape::RequestReply, &v11(), Some(&binding), 12);
    pair.open();
    assert_eq!(pair.client_told, [Told::Opened]);
    pair.client.abort();
    let (mut out, paper) = (vec![0; 32_768], Paper { password: "wonder".into(), ..Paper::default() });
    let mut next = |pair: &mut SessionPair| loop {
        match pair.client.poll(pair.now, &paper, &mut out) {
            ClientAction::Transmit { exchange: Some(exchange), action, .. } => {
                return Some((exchange, String::from_utf8_lossy(action).into_owned()));
            }
            ClientAction::Told(_) => {}
            ClientAction::Wait(_) => return None,
            other => panic!("{other:?}"),
        }
    };
    let (fault, action) = next(&mut pair).expect("a fault");
    assert!(action.ends_with("/fault"), "{action}");
    assert_eq!(next(&mut pair), None, "the fault is under way");
    let _ = pair.client.exchange_failed(pair.now, fault);
    let (_, action) = next(&mut pair).expect("a cancellation");
    assert!(action.ends_with("/RST/SCT/Cancel"), "{action}");
}
