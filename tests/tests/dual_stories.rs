//! wsDualHttpBinding with message security: `dual-message-cert`, both roles. Either side posts to the other's address, and every
//! HTTP answer is an empty 202, so that no exchange has its answer: what belongs together says so by what it relates to. Told
//! what the recorded sides were told, with their randomness, either machine writes what they wrote, byte for byte.

use soap_session_core::secure::{
    Acceptor, AcceptorAction, AcceptorSettings, Binding, Encryption, Exchange, Heard, Incoming, Initiator,
    InitiatorAction, InitiatorPhase, InitiatorSettings, Received, SessionId, SessionMessage, UniqueIds,
};
use soap_session_core::time::{Instant, Wall};
use soap_session_tests::actors::{Recorded, Said};
use soap_session_tests::dom::Node;
use soap_session_tests::script::Script;
use soap_session_tests::story::Story;
use soap_session_tests::wire::{
    body, created, header, header_blocks, is_rm, ivs, lifetime_created, message_nonces, tree, unique_id, urn,
};
use soap_session_tests::{Direction, Message};

type Client = Initiator<Said, Script, 16, 256>;
type Service = Acceptor<Said, Script, 16, 16, 256>;

const STORY: &str = "wcf-stories/dual-message-cert";
const ZERO: Wall = Wall { unix_ms_at_zero: 0 };

/// wsDualHttpBinding writes what the Basic Security Profile wants, as the other bindings of its family.
fn binding(story: &Story) -> Binding {
    Binding { bsp: true, ..story.server.binding() }
}

/// The messages that are more than HTTP's acceptance, in the order of the wire.
fn envelopes(story: &Story) -> impl Iterator<Item = (&Message, String)> {
    let said = story.recording.messages.iter().filter(|message| !message.bytes.is_empty());
    said.map(|message| (message, header(&tree(message), "Action")))
}

fn at(message: &Message) -> Instant {
    let created = created(&tree(message)).expect("a time stamp");
    Instant::from_millis(u64::try_from(created).expect("after 1970"))
}

fn ids(node: Option<&Node>) -> Option<UniqueIds> {
    node.and_then(|node| unique_id(node.attribute("Id")?))
}

fn stamp(tree: &Node) -> Option<UniqueIds> {
    ids(tree.path(&["Header", "Security", "Timestamp"]))
}

/// The first element of this name, wherever it stands.
fn named<'t>(tree: &'t Node, local: &str) -> Option<&'t Node> {
    tree.all().into_iter().find(|node| node.local == local)
}

/// What the reliable messaging above hands down: header blocks, the body, and whether that goes encrypted.
fn handed<T>(message: &Message, seal: impl FnOnce(&SessionMessage<'_>) -> T) -> T {
    let (tree, body) = (tree(message), body(message));
    let headers = header_blocks(&tree, message.plain.as_ref().expect("a message in clear"));
    let encrypt_body = Node::parse(&message.bytes).path(&["Body", "EncryptedData"]).is_some();
    seal(&SessionMessage { headers: &headers, body: &body, encrypt_body })
}

/// WS-ReliableMessaging's own messages go in clear, all others encrypted.
fn contract(action: &[u8]) -> Option<Encryption> {
    Some(if is_rm(&String::from_utf8_lossy(action)) { Encryption::None } else { Encryption::Required })
}

#[track_caller]
fn same(ours: &[u8], message: &Message) {
    assert!(ours == message.bytes, "{}:\nours   {}\ntheirs {}", message.file, text(ours), text(&message.bytes));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The identifiers and the nonces of the session's token, as the recording issued it.
fn issued(story: &Story, way: Direction) -> (String, Vec<u8>, Vec<Vec<u8>>, Option<UniqueIds>) {
    let keys = story.secrets.of("03-s2c.xml").and_then(|keys| keys.issued.clone()).expect("a token");
    let (nonces, ids) = story.session_nonces(way, &(keys.identifier.clone(), None));
    (keys.identifier, keys.server_entropy, nonces, ids)
}

#[test]
fn the_service_writes_what_the_recorded_one_wrote() {
    let story = Story::open(STORY);
    let (keys, suite) = (story.keyring(), binding(&story).suite);
    let mut written = 0;
    // WCF numbers the answer's time stamp between the token and the derived keys, which we number in one go: the Ids are those
    // of the token the first time, and those of the keys the second.
    for of_keys in [false, true] {
        let script = Script::default();
        let settings = AcceptorSettings { language: "", contract, ..AcceptorSettings::default() };
        let mut service = Service::new(binding(&story), settings, ZERO, script.clone());
        let (session, mut out) = (SessionId(1), vec![0; 32_768]);
        for (message, action) in envelopes(&story) {
            let (now, tree) = (at(message), tree(message));
            let is = |ending: &str| action.ends_with(ending);
            if message.direction == Direction::ClientToServer {
                let mut now = now;
                if is("/RST/SCT") {
                    let (identifier, entropy, nonces, first) = issued(&story, Direction::ServerToClient);
                    script.say([vec![urn(&identifier), entropy], nonces].concat());
                    let reply = soap_session_tests::wire::tree(story.reply(3));
                    let of_keys = first.filter(|_| of_keys).map(|mut ids| {
                        let keys = ids.next_id();
                        UniqueIds::new(keys.prefix, keys.number - 2)
                    });
                    service.continue_ids(of_keys.or_else(|| ids(named(&reply, "SecurityContextToken"))).expect("Ids"));
                    let made = lifetime_created(&reply).expect("a lifetime");
                    now = Instant::from_millis(u64::try_from(made).expect("after 1970"));
                }
                let mut bytes = message.received().to_vec();
                let heard = service.open_message(now, Exchange(message.number), &keys, contract, &mut bytes);
                match heard.expect("room") {
                    Incoming::Issued(id) => assert!(is("/RST/SCT") && id == session),
                    Incoming::Cancelled(id) => {
                        // Both have cancelled: neither answers.
                        assert!(is("/RST/SCT/Cancel") && id == session);
                        service.abort(session).expect("the session is there until then");
                        let last = service.poll(now, &mut out).expect("nothing to seal");
                        assert!(matches!(last, AcceptorAction::Drop(Exchange(47))), "{last:?}");
                    }
                    Incoming::Request { opened, .. } => assert_eq!(opened.body.of(&bytes), body(message)),
                    other => panic!("{}: {other:?}", message.file),
                }
                continue;
            }
            let answer = is("/RSTR/SCT");
            let nonces = if answer { message_nonces(&tree) } else { Vec::new() };
            script.say([nonces, ivs(message, suite)].concat());
            if let Some(ids) = stamp(&tree).filter(|_| !(answer && of_keys)) {
                service.continue_ids(ids);
            }
            let len = if answer {
                let action = service.poll(now, &mut out).expect("it can be sealed");
                let AcceptorAction::Answer { exchange: Exchange(1), message, .. } = action else {
                    panic!("{action:?}")
                };
                message.len()
            } else {
                if is("/RST/SCT/Cancel") {
                    let len = service.write_cancel(session, &mut out).expect("the session is there");
                    assert_eq!(out[..len], body(message));
                }
                handed(message, |handed| service.seal_message(now, session, handed, &mut out).expect("sealing"))
            };
            if answer != of_keys {
                same(&out[..len], message);
                assert_eq!(script.left(), 0, "{}", message.file);
                written += 1;
            }
        }
        assert_eq!(service.sessions(), 0);
    }
    assert_eq!(written, 11, "all that the service wrote");
}

/// The client's randomness for a token request, or for a message under the session.
fn whisper(story: &Story, message: &Message, script: &Script, client: &mut Client) {
    let (tree, suite) = (tree(message), binding(story).suite);
    let keys = story.secrets.of(&message.file).cloned().unwrap_or_default();
    let trust = keys.encrypted_key.is_some();
    let mut pieces = keys.binary_secrets;
    pieces.extend(keys.encrypted_key);
    if trust {
        pieces.extend(message_nonces(&tree));
    }
    if trust || header(&tree, "Action").ends_with("/RST/SCT/Cancel") {
        pieces.push(urn(&header(&tree, "MessageID")));
    }
    pieces.extend(ivs(message, suite));
    script.say(pieces);
    let first = ids(named(&tree, "BinarySecret").filter(|_| trust)).or_else(|| stamp(&tree));
    client.continue_ids(first.expect("Ids"));
    if let Some(ids) = ids(tree.path(&["Header", "Security", "BinarySecurityToken"])) {
        client.continue_user_ids(ids);
    }
}

/// What the client's machine sends when it is asked.
fn polled(client: &mut Client, now: Instant, keys: &Recorded) -> (Exchange, Vec<u8>) {
    let mut out = vec![0; 32_768];
    match client.poll(now, keys, &mut out).expect("it can be sealed") {
        InitiatorAction::Transmit { exchange, message, .. } => (exchange, message.to_vec()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_client_writes_what_the_recorded_one_wrote() {
    let story = Story::open(STORY);
    let (keys, script) = (story.keyring(), Script::default());
    let request = tree(story.request(1));
    let settings = InitiatorSettings::default();
    let client = Client::new(binding(&story), settings, &header(&request, "To"), None, ZERO, script.clone());
    let mut client = client.expect("a client");
    let address = &request.path(&["Header", "ReplyTo", "Address"]).expect("an address").text;
    client.set_reply_to(address).expect("it fits");
    client.open().expect("it is new");
    let (mut out, mut written, mut trust) = (vec![0; 32_768], 0, Exchange(0));
    for (message, action) in envelopes(&story) {
        let now = at(message);
        let is = |ending: &str| action.ends_with(ending);
        if message.direction == Direction::ServerToClient {
            let mut bytes = message.received().to_vec();
            if is("/RSTR/SCT") {
                let (identifier, _, nonces, first) = issued(&story, Direction::ClientToServer);
                script.say(nonces);
                client.continue_ids(first.expect("Ids"));
                // It comes in an exchange of its own, and says what it relates to.
                assert_eq!(client.trust_exchange_related_to(&bytes), Some(trust));
                assert_eq!(client.receive(now, trust, &keys, &mut bytes), Ok(Received::Established));
                assert_eq!(client.identifier(), Some(identifier.as_bytes()));
                continue;
            }
            let heard = client.open_message(now, &keys, |action| contract(action).expect("any"), &mut bytes);
            match heard.expect("it holds") {
                Heard::Cancelled => assert!(is("/RST/SCT/Cancel")),
                Heard::Message(opened) => assert_eq!(opened.body.of(&bytes), body(message)),
                Heard::Fault(fault) => panic!("{}: {fault:?}", message.file),
            }
            continue;
        }
        whisper(&story, message, &script, &mut client);
        if is("/RST/SCT") || is("/RST/SCT/Cancel") {
            if is("/Cancel") {
                client.close().expect("it is open");
            }
            let (exchange, ours) = polled(&mut client, now, &keys);
            trust = exchange;
            same(&ours, message);
        } else {
            let len = handed(message, |handed| client.seal_message(now, handed, &mut out).expect("sealing"));
            same(&out[..len], message);
        }
        assert_eq!(script.left(), 0, "{}", message.file);
        written += 1;
    }
    assert_eq!(written, 13, "all that the client wrote");
    // The service had cancelled: no answer is waited for.
    assert_eq!(client.phase(), InitiatorPhase::Closed);
}
