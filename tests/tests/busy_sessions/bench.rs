//! A service that can be busy with one session, and letters to it.

use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{
    AcceptorWant, Heard, ReliableAcceptor, ReliableSessionId, RmAction, RmFaultKind, RmVersion, ServiceWant, Shape,
    Told,
};
use soap_session_core::soap::FaultCode;
use soap_session_core::time::Instant;
use soap_session_tests::reliable_world::{Body, Letter, Payload, Plan};

pub(super) type Acceptor = ReliableAcceptor<Payload, 16, 8, 9, 16, 16, 1>;

pub(super) const ANONYMOUS: &[u8] = b"http://www.w3.org/2005/08/addressing/anonymous";

pub(super) struct Bench {
    pub(super) acceptor: Acceptor,
    pub(super) now: Instant,
    exchange: u32,
}

/// What came out for one exchange or connection: the letter, or nothing.
pub(super) type Said = (Exchange, Option<Letter>);

impl Bench {
    /// A service of 1.1.
    pub(super) fn new(shape: Shape) -> Self {
        let settings = Plan::new(0, shape, RmVersion::V11).settings;
        let acceptor = Acceptor::new(settings, shape, Chance::new(&[5; 32]));
        Self { acceptor, now: Instant::from_millis(1000), exchange: 0 }
    }

    pub(super) fn hears(&mut self, letter: &Letter) -> (Exchange, Heard, Option<ReliableSessionId>) {
        self.exchange += 1;
        let exchange = Exchange(self.exchange);
        let admission = self.acceptor.hear(self.now, exchange, None, &letter.arrival());
        (exchange, admission.heard, admission.session)
    }

    /// Everything that it wants to send.
    pub(super) fn says(&mut self) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some(want) = self.acceptor.next(self.now) {
            let letter = self.acceptor.frame(want).map(|frame| Letter::of(&frame));
            let to = match want {
                AcceptorWant::Session(_, ServiceWant::Answer(exchange) | ServiceWant::Empty(exchange)) => exchange,
                AcceptorWant::Session(..) | AcceptorWant::Refusal(_) => self.acceptor.connection_of(want),
            };
            self.acceptor.sent(self.now, want);
            said.push((to, letter));
        }
        said
    }

    pub(super) fn told(&mut self) -> Vec<(ReliableSessionId, Told<Payload>)> {
        std::iter::from_fn(|| self.acceptor.told(self.now)).collect()
    }

    /// A session that was created and accepted, and the identifier of the sequence that it receives.
    pub(super) fn opened(&mut self, offer: &[u8]) -> (ReliableSessionId, Vec<u8>) {
        let (_, heard, id) = self.hears(&create(offer, b"http://service/"));
        assert_eq!(heard, Heard::Protocol);
        let said = self.says();
        let [(_, Some(Letter { body: Body::Created(identifier, _), .. }))] = &said[..] else { panic!("{said:?}") };
        let id = id.expect("a session");
        assert_eq!(self.acceptor.accept(), Some(id));
        assert_eq!(self.told(), [(id, Told::Opened)]);
        (id, identifier.clone())
    }

    /// Makes a session busy: a message waits for the application.
    pub(super) fn busy(&mut self, sequence: &[u8], number: u64) -> Exchange {
        let (exchange, heard, _) = self.hears(&request(sequence, number));
        assert_eq!(heard, Heard::Message { number });
        assert_eq!((self.acceptor.busy(), self.says()), (1, vec![]));
        exchange
    }
}

pub(super) fn create(offer: &[u8], to: &[u8]) -> Letter {
    Letter {
        action: Some(RmAction::CreateSequence),
        message_id: Some([b"urn:m:", offer].concat()),
        to: Some(to.to_vec()),
        reply_to: Some(ANONYMOUS.to_vec()),
        body: Body::Create(ANONYMOUS.to_vec(), (!offer.is_empty()).then(|| offer.to_vec())),
        ..Letter::blank()
    }
}

pub(super) fn request(sequence: &[u8], number: u64) -> Letter {
    Letter {
        message_id: Some(format!("urn:m:{number}").into_bytes()),
        reply_to: Some(ANONYMOUS.to_vec()),
        sequence: Some((sequence.to_vec(), number, false)),
        text: b"hello".to_vec(),
        ..Letter::blank()
    }
}

pub(super) fn fault(sequence: &[u8]) -> Letter {
    let body = Body::Fault(FaultCode::Sender, Some(RmFaultKind::SequenceTerminated), Some(sequence.to_vec()));
    Letter { action: Some(RmAction::Fault), body, ..Letter::blank() }
}
