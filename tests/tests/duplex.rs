//! Secure conversations over channels on which messages go both ways: answers are known by what they relate to, say whom
//! they are for, and either side cancels. The recordings are `rm10-sc-tcp-text` (net.tcp) and `dual-message-cert` (dual HTTP),
//! which `dual_stories.rs` plays whole.

use soap_session_core::secure::{
    AcceptorAction, AcceptorSettings, Binding, Encryption, Exchange, Heard, Incoming, InitiatorPhase,
    InitiatorSettings, Misuse, Received, Refusal, SessionId, SessionMessage,
};
use soap_session_core::soap::HeaderBlock;
use soap_session_tests::dom::Node;
use soap_session_tests::pair::{Note, Pair};
use soap_session_tests::wire::{header, tree};
use soap_session_tests::{Direction, Recording};

const CALLBACK: &str = "http://client.test:21003/cb/4cbc41d1-0ca7-4474-8219-84a16cedddda";
const ANONYMOUS: &str = "http://www.w3.org/2005/08/addressing/anonymous";

fn pair(duplex: bool) -> Pair {
    let settings = AcceptorSettings { duplex, ..AcceptorSettings::default() };
    Pair::new(&Binding::default(), InitiatorSettings::default(), settings, 1)
}

/// The header blocks' names, in order.
fn blocks(tree: &Node) -> Vec<String> {
    tree.child("Header").expect("a header").children.iter().map(|block| block.local.clone()).collect()
}

fn address(tree: &Node) -> String {
    tree.path(&["Header", "ReplyTo", "Address"]).map(|node| node.text.clone()).unwrap_or_default()
}

/// Opens the conversation; what was sent each way.
fn opened(pair: &mut Pair) -> (Node, Node) {
    pair.client.open().unwrap();
    let (exchange, mut request) = pair.client_sends().unwrap();
    let sent = Node::parse(&request);
    assert!(matches!(pair.service_hears(Exchange(70), &mut request), Ok(Incoming::Issued(_))));
    let (_, _, mut answer) = pair.service_sends().unwrap();
    let answered = Node::parse(&answer);
    assert_eq!(pair.client.trust_exchange_related_to(&request), None);
    assert_eq!(pair.client.trust_exchange_related_to(&answer), Some(exchange));
    let received = pair.client.receive(pair.now, exchange, &pair.paper, &mut answer);
    assert_eq!(received, Ok(Received::Established));
    assert_eq!(pair.client.trust_exchange_related_to(&answer), None, "it is over");
    (sent, answered)
}

#[test]
fn over_dual_http_answers_go_to_the_clients_own_address() {
    let recording = Recording::open("wcf-stories/dual-message-cert").unwrap();
    let recorded = |number, way| tree(recording.message(number, way).expect("a message"));
    let mut pair = pair(false);
    pair.client.set_reply_to(CALLBACK).unwrap();
    let (sent, answered) = opened(&mut pair);
    let (request, answer) = (recorded(1, Direction::ClientToServer), recorded(3, Direction::ServerToClient));
    assert_eq!((blocks(&sent), address(&sent)), (blocks(&request), CALLBACK.to_owned()));
    assert_eq!((blocks(&answered), header(&answered, "To")), (blocks(&answer), CALLBACK.to_owned()));
    assert_eq!(header(&answer, "To"), CALLBACK);
    pair.client.close().unwrap();
    let (_, cancel) = pair.client_sends().unwrap();
    let (cancel, request) = (Node::parse(&cancel), recorded(47, Direction::ClientToServer));
    assert_eq!((blocks(&cancel), address(&cancel)), (blocks(&request), address(&request)));
    assert_eq!(pair.client.set_reply_to(&"a".repeat(257)), Err(Misuse::AddressTooLong));
}

#[test]
fn over_net_tcp_answers_say_to_whom_though_that_is_anonymous() {
    let recording = Recording::open("wcf-stories/rm10-sc-tcp-text").unwrap();
    let answer = tree(recording.message(8, Direction::ServerToClient).expect("a message"));
    let (_, answered) = opened(&mut pair(true));
    assert_eq!((blocks(&answered), header(&answered, "To")), (blocks(&answer), ANONYMOUS.to_owned()));
    // Over an ordinary exchange they do not.
    let (_, answered) = opened(&mut pair(false));
    assert_eq!(blocks(&answered), ["Action", "RelatesTo", "Security"]);
}

/// The service cancels as well: its own message, of the layer above's making.
fn service_cancels(pair: &mut Pair, session: SessionId) -> Vec<u8> {
    service_cancels_other(pair, session, |body| body)
}

fn service_cancels_other(pair: &mut Pair, session: SessionId, edit: impl Fn(String) -> String) -> Vec<u8> {
    let mut body = vec![0; 2048];
    let len = pair.service.write_cancel(session, &mut body).unwrap();
    let body = edit(String::from_utf8_lossy(&body[..len]).into_owned());
    let action = b"http://schemas.xmlsoap.org/ws/2005/02/trust/RST/SCT/Cancel";
    let headers =
        [HeaderBlock::Action(action), HeaderBlock::MessageId(b"urn:9"), HeaderBlock::To(ANONYMOUS.as_bytes())];
    let message = SessionMessage { headers: &headers, body: body.as_bytes(), encrypt_body: false };
    let mut out = vec![0; 16_384];
    let len = pair.service.seal_message(pair.now, session, &message, &mut out).unwrap();
    out.truncate(len);
    out
}

fn client_hears(pair: &mut Pair, message: &mut [u8]) -> Heard {
    pair.client.open_message(pair.now, &pair.paper, |_| Encryption::Required, message).expect("it holds")
}

#[test]
fn when_both_sides_cancel_neither_answers() {
    for service_first in [false, true] {
        let mut pair = pair(true);
        opened(&mut pair);
        let session = SessionId(1);
        let mut theirs = service_cancels(&mut pair, session);
        if service_first {
            // The service said that it sends nothing more; the client may.
            assert_eq!(client_hears(&mut pair, &mut theirs), Heard::Cancelled);
            assert_eq!(pair.client.phase(), InitiatorPhase::Opened);
        }
        pair.client.close().unwrap();
        let (_, mut ours) = pair.client_sends().unwrap();
        if !service_first {
            assert_eq!(pair.client.phase(), InitiatorPhase::Closing);
            assert_eq!(client_hears(&mut pair, &mut theirs), Heard::Cancelled);
        }
        assert_eq!(pair.client.phase(), InitiatorPhase::Closed);
        assert!(pair.client_sends().is_none());
        let contract = |_: &[u8]| Some(Encryption::Required);
        let incoming = pair.service.open_message(pair.now, Exchange(71), &pair.paper, contract, &mut ours);
        assert_eq!(incoming, Ok(Incoming::Cancelled(session)));
        pair.service.abort(session).unwrap();
        assert!(matches!(pair.service.poll(pair.now, &mut []), Ok(AcceptorAction::Drop(Exchange(71)))));
        assert_eq!(pair.service.sessions(), 0);
    }
}

#[test]
fn the_services_cancellation_is_told_though_the_client_has_not_sent_its_own() {
    let mut pair = pair(true);
    opened(&mut pair);
    let mut theirs = service_cancels(&mut pair, SessionId(1));
    // Told to close, but not asked yet: the client still says so.
    pair.client.close().unwrap();
    assert_eq!(client_hears(&mut pair, &mut theirs), Heard::Cancelled);
    assert_eq!(pair.client.phase(), InitiatorPhase::Closing);
    assert!(pair.client_sends().is_some());
    assert_eq!(pair.client.phase(), InitiatorPhase::Closed);
}

#[test]
fn requests_of_the_application_want_their_answers_there_too() {
    let mut pair = pair(false);
    pair.client.set_reply_to(CALLBACK).unwrap();
    opened(&mut pair);
    pair.client.call(Note::request("urn:say", "<x/>")).unwrap();
    let (_, request) = pair.client_sends().unwrap();
    assert_eq!(address(&Node::parse(&request)), CALLBACK);
}

#[test]
fn a_cancellation_of_another_session_is_refused() {
    let mut pair = pair(true);
    opened(&mut pair);
    let theirs = service_cancels_other(&mut pair, SessionId(1), |body| body.replacen("urn:uuid:", "urn:uuix:", 1));
    let before = pair.client.clone();
    let heard = pair.client.open_message(pair.now, &pair.paper, |_| Encryption::Required, &mut theirs.clone());
    assert_eq!(heard, Err(Refusal::TokenMismatch));
    assert!(pair.client == before);
}
