//! Session messages sealed and opened one by one, for a layer above with books of its own. That they are WCF's, byte for
//! byte, the stories show; here is what the machines refuse, and that a refusal leaves no trace.

use soap_session_core::crypto::AlgorithmSuite;
use soap_session_core::secure::{
    AcceptorSettings, Binding, Element, Encryption, Exchange, Failure, FaultSeen, Heard, Incoming, InitiatorPhase,
    InitiatorSettings, Misuse, Opened, ProtectionOrder, Received, Refusal, SessionId, SessionMessage, Unsealed,
};
use soap_session_core::soap::HeaderBlock;
use soap_session_core::soap::fault::KnownFault;
use soap_session_tests::forge;
use soap_session_tests::opening::{Case, Kind, between};
use soap_session_tests::pair::{MIDNIGHT, Note, Pair};
use soap_session_tests::tampered_trust::{Forger, Held, answer_of};
use soap_session_tests::{Recording, directories};
use std::time::Duration;

const TO: HeaderBlock<'_> = HeaderBlock::To(b"http://localhost/calc");
const SAY: SessionMessage<'_> = message(&[HeaderBlock::Action(b"urn:say"), TO], true);
const RM: &str = "http://schemas.xmlsoap.org/ws/2005/02/rm";
const SEQUENCE: HeaderBlock<'_> = HeaderBlock::Other {
    prefix: "r",
    namespace: RM,
    local: "Sequence",
    must_understand: true,
    content: b"<r:Identifier>urn:s</r:Identifier><r:MessageNumber>1</r:MessageNumber>",
};

const fn message<'m>(headers: &'m [HeaderBlock<'m>], encrypt_body: bool) -> SessionMessage<'m> {
    SessionMessage { headers, body: b"<x xmlns=\"urn:x\"/>", encrypt_body }
}

/// A pair with an open conversation, without a call.
fn opened(client: &Binding, service: &Binding, settings: AcceptorSettings) -> Pair {
    let mut pair = Pair::new(service, InitiatorSettings::default(), settings.clone(), 1);
    pair.client = Pair::new(client, InitiatorSettings::default(), settings, 1).client;
    pair.client.open().unwrap();
    assert!(matches!(pair.run()[..], [(Received::Established, _)]));
    pair
}

fn ordinary() -> Pair {
    opened(&Binding::default(), &Binding::default(), AcceptorSettings::default())
}

fn client_seals(pair: &mut Pair, message: &SessionMessage<'_>) -> Vec<u8> {
    let mut out = vec![0; 16_384];
    let len = pair.client.seal_message(pair.now, message, &mut out).expect("it can be sealed");
    out.truncate(len);
    out
}

fn service_seals(pair: &mut Pair, session: SessionId, message: &SessionMessage<'_>) -> Vec<u8> {
    let mut out = vec![0; 16_384];
    let len = pair.service.seal_message(pair.now, session, message, &mut out).expect("it can be sealed");
    out.truncate(len);
    out
}

fn service_opens(pair: &mut Pair, number: u32, body: Option<Encryption>, message: &[u8]) -> Incoming {
    let mut bytes = message.to_vec();
    pair.service.open_message(pair.now, Exchange(number), &pair.paper, |_| body, &mut bytes).expect("room")
}

fn client_opens(pair: &mut Pair, body: Encryption, message: &[u8]) -> Result<Heard, Refusal> {
    pair.client.open_message(pair.now, &pair.paper, |_| body, &mut message.to_vec())
}

fn refused(incoming: Incoming) -> Refusal {
    match incoming {
        Incoming::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// The session of a message that the service took.
fn taken(incoming: Incoming) -> (SessionId, Opened) {
    match incoming {
        Incoming::Request { session, opened, .. } => (session, opened),
        other => panic!("not taken: {other:?}"),
    }
}

/// The session, after a first message from the client.
fn used(pair: &mut Pair) -> SessionId {
    let message = client_seals(pair, &SAY);
    taken(service_opens(pair, 50, Some(Encryption::Required), &message)).0
}

fn fault(heard: Result<Heard, Refusal>) -> FaultSeen {
    match heard {
        Ok(Heard::Fault(fault)) => fault,
        other => panic!("not a fault: {other:?}"),
    }
}

#[test]
fn an_exchange_with_a_message_is_the_layers_and_one_with_a_token_request_the_machines() {
    let mut pair = ordinary();
    let two_way = [HeaderBlock::Action(b"urn:say"), HeaderBlock::MessageId(b"urn:1"), TO];
    // More than the service has room for exchanges.
    for number in 100..120 {
        let sealed = client_seals(&mut pair, &message(&two_way, true));
        let (_, opened) = taken(service_opens(&mut pair, number, Some(Encryption::Required), &sealed));
        assert_eq!(opened.addressing.message_id.len(), 5);
        // There is nothing to answer.
        pair.service_waits();
    }
    let unasked = pair.service.reply(Exchange(100), Note::request("urn:a", "<a/>"));
    assert_eq!(unasked.unwrap_err().1, Misuse::Unknown);
    // Another client's token request is answered as ever.
    let mut other = Pair::new(&Binding::default(), InitiatorSettings::default(), AcceptorSettings::default(), 9).client;
    other.open().unwrap();
    std::mem::swap(&mut pair.client, &mut other);
    let (_, request) = pair.client_sends().unwrap();
    assert!(matches!(service_opens(&mut pair, 200, None, &request), Incoming::Issued(_)));
    assert!(matches!(answer_of(&mut pair.service, pair.now, Exchange(200)), Some((200, _))));
}

#[test]
fn too_little_room_leaves_no_trace() {
    let mut pair = ordinary();
    let session = used(&mut pair);
    let (client, service) = (pair.client.clone(), pair.service.clone());
    let whole = client_seals(&mut pair, &SAY);
    let after = pair.client.clone();
    for room in [0, 1, 300, whole.len() - 1] {
        pair.client = client.clone();
        let Err(Unsealed::Room(grow)) = pair.client.seal_message(pair.now, &SAY, &mut vec![0; room]) else {
            panic!("no word of room with {room} bytes");
        };
        assert!(pair.client == client && grow.needed >= whole.len() && grow.have == room);
        let mut out = vec![0; grow.needed];
        let len = pair.client.seal_message(pair.now, &SAY, &mut out).unwrap();
        assert!(out[..len] == whole && pair.client == after);
    }
    let Err(Unsealed::Room(grow)) = pair.service.seal_message(pair.now, session, &SAY, &mut [0; 300]) else {
        panic!("no word of room");
    };
    assert!(pair.service == service);
    assert!(pair.service.seal_message(pair.now, session, &SAY, &mut vec![0; grow.needed]).is_ok());
    assert!(matches!(pair.client.write_token_reference(&mut [0; 20]), Err(Unsealed::Room(_))));
}

#[test]
fn a_message_that_cannot_be_sealed_leaves_no_trace() {
    let mut pair = ordinary();
    let session = used(&mut pair);
    let (client, service) = (pair.client.clone(), pair.service.clone());
    let broken = SessionMessage { body: b"<x>", ..SAY };
    let mut out = vec![0; 16_384];
    assert!(matches!(pair.client.seal_message(pair.now, &broken, &mut out), Err(Unsealed::Unsendable(_))));
    assert!(matches!(pair.service.seal_message(pair.now, session, &broken, &mut out), Err(Unsealed::Unsendable(_))));
    let nobody = pair.service.seal_message(pair.now, SessionId(77), &SAY, &mut out);
    assert_eq!(nobody, Err(Unsealed::Misuse(Misuse::Unknown)));
    assert!(pair.client == client && pair.service == service);
}

#[test]
fn nothing_is_sealed_before_there_is_a_token_or_after_its_end() {
    let mut pair = Pair::new(&Binding::default(), InitiatorSettings::default(), AcceptorSettings::default(), 1);
    let mut out = vec![0; 16_384];
    let mut seal = |pair: &mut Pair| pair.client.seal_message(pair.now, &SAY, &mut out);
    let misuse = |phase| Err(Unsealed::Misuse(Misuse::Phase(phase)));
    assert_eq!(seal(&mut pair), misuse(InitiatorPhase::Created));
    pair.client.open().unwrap();
    assert_eq!(seal(&mut pair), misuse(InitiatorPhase::Issuing));
    assert_eq!(client_opens(&mut pair, Encryption::Optional, b"<x/>"), Err(Refusal::UnknownSecurityContext));
    assert_eq!(pair.client.write_token_reference(&mut []), misuse(InitiatorPhase::Issuing));
    assert_eq!(pair.client.renew(), Err(Misuse::Phase(InitiatorPhase::Issuing)));
    pair.run();
    assert!(seal(&mut pair).is_ok());
    pair.client.close().unwrap();
    assert_eq!(seal(&mut pair), misuse(InitiatorPhase::Closing));
    pair.run();
    assert_eq!(seal(&mut pair), misuse(InitiatorPhase::Closed));
}

#[test]
fn a_refused_message_leaves_no_trace() {
    let mut pair = ordinary();
    let session = used(&mut pair);
    for clear in [false, true] {
        let headers = [SEQUENCE, HeaderBlock::Action(b"urn:say"), TO];
        let said = message(&headers, !clear);
        let (request, reply) = (client_seals(&mut pair, &said), service_seals(&mut pair, session, &said));
        let (client, service) = (pair.client.clone(), pair.service.clone());
        let flipped = |bytes: &[u8]| {
            let mut text = String::from_utf8(bytes.to_vec()).unwrap();
            text = text.replacen("urn:say", "urn:sax", 1);
            text.into_bytes()
        };
        let digest = Refusal::Digest { element: Element::Action };
        assert_eq!(client_opens(&mut pair, Encryption::Optional, &flipped(&reply)), Err(digest));
        assert!(pair.client == client);
        assert_eq!(refused(service_opens(&mut pair, 1, Some(Encryption::Optional), &flipped(&request))), digest);
        // All that is new is the fault that the exchange is owed.
        assert!(matches!(answer_of(&mut pair.service, pair.now, Exchange(1)), Some((500, _))));
        assert!(pair.service == service);
        // The message itself is still good, once.
        assert!(matches!(client_opens(&mut pair, Encryption::Optional, &reply), Ok(Heard::Message(_))));
        assert_eq!(client_opens(&mut pair, Encryption::Optional, &reply), Err(Refusal::Replay));
        let (_, opened) = taken(service_opens(&mut pair, 2, Some(Encryption::Optional), &request));
        assert_eq!(opened.must_understand, None, "what reliable messaging understands");
        assert_eq!(opened.headers.first().map(|(kind, _)| *kind), Some(Element::ReliableMessagingHeader));
        assert_eq!(refused(service_opens(&mut pair, 3, Some(Encryption::Optional), &request)), Refusal::Replay);
        assert!(answer_of(&mut pair.service, pair.now, Exchange(3)).is_some());
    }
}

/// What the service and the client say of a body that is `encrypted`, where it should be as `wanted`.
fn judged(wanted: Encryption, encrypted: bool) -> [Option<Refusal>; 2] {
    let mut pair = ordinary();
    let session = used(&mut pair);
    let said = message(SAY.headers, encrypted);
    let (request, reply) = (client_seals(&mut pair, &said), service_seals(&mut pair, session, &said));
    let at_service = match service_opens(&mut pair, 1, Some(wanted), &request) {
        Incoming::Refused(refusal) => Some(refusal),
        incoming => taken(incoming).1.must_understand.map(|_| Refusal::NotSoap),
    };
    [at_service, client_opens(&mut pair, wanted, &reply).err()]
}

#[test]
fn the_layer_says_which_bodies_are_encrypted() {
    let clear = Some(Refusal::NotEncrypted(Element::Body));
    assert_eq!(judged(Encryption::Required, true), [None, None]);
    assert_eq!(judged(Encryption::Required, false), [clear, clear]);
    assert_eq!(judged(Encryption::Optional, true), [None, None]);
    assert_eq!(judged(Encryption::Optional, false), [None, None]);
    assert_eq!(judged(Encryption::None, true), [Some(Refusal::Encrypted(Element::Body)); 2]);
    assert_eq!(judged(Encryption::None, false), [None, None]);
    let mut pair = ordinary();
    let message = client_seals(&mut pair, &SAY);
    assert_eq!(refused(service_opens(&mut pair, 1, None, &message)), Refusal::UnknownAction);
    assert!(matches!(answer_of(&mut pair.service, pair.now, Exchange(1)), Some((500, _))));
}

#[test]
fn the_layer_is_asked_about_the_action_as_it_is_meant() {
    let mut pair = ordinary();
    let said = message(&[HeaderBlock::Action(b"urn:say?a&b"), TO], true);
    let mut sealed = client_seals(&mut pair, &said);
    assert!(String::from_utf8_lossy(&sealed).contains("urn:say?a&amp;b"));
    let contract = |action: &[u8]| (action == b"urn:say?a&b").then_some(Encryption::Required);
    let incoming = pair.service.open_message(pair.now, Exchange(1), &pair.paper, contract, &mut sealed).unwrap();
    let (session, _) = taken(incoming);
    let mut reply = service_seals(&mut pair, session, &said);
    let body = |action: &[u8]| if action == b"urn:say?a&b" { Encryption::Required } else { Encryption::None };
    assert!(matches!(pair.client.open_message(pair.now, &pair.paper, body, &mut reply), Ok(Heard::Message(_))));
}

#[test]
fn who_does_not_insist_on_ciphertext_does_not_insist_on_an_encrypted_signature() {
    // WCF's receiver expects SignBeforeEncrypt of such a message, and takes an encrypted signature as well.
    let sender = Binding { order: ProtectionOrder::SignBeforeEncrypt, ..Binding::default() };
    let mut pair = opened(&sender, &Binding::default(), AcceptorSettings::default());
    let order = Refusal::Order { element: Element::Signature };
    for (wanted, refusal) in [(Encryption::Required, Some(order)), (Encryption::Optional, None)] {
        let sealed = client_seals(&mut pair, &SAY);
        let seen = match service_opens(&mut pair, 1, Some(wanted), &sealed) {
            Incoming::Refused(refusal) => Some(refusal),
            incoming => {
                taken(incoming);
                None
            }
        };
        assert_eq!(seen, refusal);
    }
}

#[test]
fn a_message_under_another_sessions_key_is_refused() {
    let binding = Forger::binding(Binding::default());
    let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
    let mut forger = Forger::new(binding, MIDNIGHT);
    let (first, own) = forger.session(&mut pair.service, pair.now, 1);
    let (second, other) = forger.session(&mut pair.service, pair.now, 2);
    let headers = [HeaderBlock::Action(b"urn:say"), TO];
    let mixed = Held { key: other.key.clone(), ..own.clone() };
    for encrypted in [true, false] {
        let wanted = if encrypted { Encryption::Required } else { Encryption::None };
        let sealed = forger.message(pair.now, &mixed, &headers, encrypted);
        let refusal = refused(service_opens(&mut pair, 1, Some(wanted), &sealed));
        assert_eq!(refusal.wire(), soap_session_core::secure::WireFault::InvalidSecurity, "{refusal}");
        assert!(answer_of(&mut pair.service, pair.now, Exchange(1)).is_some());
        for (held, session) in [(&own, first), (&other, second)] {
            let sealed = forger.message(pair.now, held, &headers, encrypted);
            assert_eq!(taken(service_opens(&mut pair, 1, Some(wanted), &sealed)).0, session);
        }
    }
    // A client takes nothing of another's session.
    let (mut one, mut two) = (ordinary(), ordinary());
    let mut out = vec![0; 16_384];
    two.client = Pair::new(&Binding::default(), InitiatorSettings::default(), AcceptorSettings::default(), 7).client;
    two.client.open().unwrap();
    two.run();
    used(&mut two);
    let len = two.service.seal_message(two.now, SessionId(2), &SAY, &mut out).unwrap();
    assert_eq!(client_opens(&mut one, Encryption::Required, &out[..len]), Err(Refusal::UnknownSecurityContext));
    assert!(matches!(client_opens(&mut two, Encryption::Required, &out[..len]), Ok(Heard::Message(_))));
}

#[test]
fn an_unsigned_header_of_reliable_messaging_is_refused() {
    let binding = Forger::binding(Binding::default());
    let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
    let mut forger = Forger::new(binding, MIDNIGHT);
    let (_, held) = forger.session(&mut pair.service, pair.now, 1);
    let sealed = forger.message(pair.now, &held, &[SEQUENCE, HeaderBlock::Action(b"urn:say"), TO], false);
    let text = String::from_utf8(sealed).unwrap();
    let mut ids = forge::references(&text);
    let sequence = between(between(&text, "<r:Sequence ", ">"), "u:Id=\"", "\"").to_owned();
    ids.retain(|id| *id != sequence);
    let forged = forge::sign(&text, &ids, held.key.as_bytes());
    let refusal = refused(service_opens(&mut pair, 1, Some(Encryption::None), forged.as_bytes()));
    assert_eq!(refusal, Refusal::NotSigned(Element::ReliableMessagingHeader));
    taken(service_opens(&mut pair, 1, Some(Encryption::None), text.as_bytes()));
}

#[test]
fn every_recorded_header_of_reliable_messaging_has_to_be_signed() {
    let mut seen = std::collections::BTreeSet::new();
    let stories = directories("wcf-stories").unwrap().into_iter().filter(|name| name.contains("/rm1"));
    let plain = ["wcf/rm-sc-anon", "wcf/ws2007-none-rm", "wcf/ws2007-username-rm"].map(str::to_owned);
    for name in stories.chain(plain) {
        for message in Recording::open(&name).unwrap().messages.iter().filter(|m| m.is_secured()) {
            let text = String::from_utf8_lossy(&message.bytes).into_owned();
            // Only what is in clear can be signed again.
            if text.contains("CipherValue") {
                continue;
            }
            let (suite, order) = (AlgorithmSuite::Basic256, ProtectionOrder::default());
            let case = Case::new(&name, &message.file, Kind::Clear, suite, order);
            let kept = case.open(&text).expect("it holds as it is");
            assert_eq!(kept.must_understand, None);
            for local in ["Sequence", "SequenceAcknowledgement", "AckRequested", "UsesSequenceSTR"] {
                let Some((_, tag)) = text.split_once(&format!("<r:{local} ")) else { continue };
                let id = between(tag, "u:Id=\"", "\"").to_owned();
                let mut ids = forge::references(&text);
                ids.retain(|other| *other != id);
                let forged = forge::sign(&text, &ids, &case.derived[0]);
                let refusal = case.open(&forged).unwrap_err();
                assert_eq!(refusal, Refusal::NotSigned(Element::ReliableMessagingHeader), "{name} {}", message.file);
                seen.insert(local);
            }
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn a_message_waits_for_the_renewal_that_is_due() {
    let mut pair = ordinary();
    pair.wait(Duration::from_secs(9 * 3600 - 1));
    assert!(!pair.client.needs_renewal(pair.now));
    client_seals(&mut pair, &SAY);
    pair.wait(Duration::from_secs(1));
    assert!(pair.client.needs_renewal(pair.now));
    let before = pair.client.clone();
    let mut out = vec![0; 16_384];
    assert_eq!(pair.client.seal_message(pair.now, &SAY, &mut out), Err(Unsealed::RenewalDue));
    assert!(pair.client == before);
    // It is not begun unasked.
    assert!(pair.client_sends().is_none());
    pair.client.renew().unwrap();
    assert!(!pair.client.needs_renewal(pair.now));
    assert_eq!(pair.client.renew(), Err(Misuse::Phase(InitiatorPhase::Renewing)));
    assert_eq!(pair.client.seal_message(pair.now, &SAY, &mut out), Err(Unsealed::RenewalDue));
    assert!(matches!(pair.run()[..], [(Received::Renewed, _)]));
    let session = used(&mut pair);
    // The instance is the key's, not the session's.
    let len = pair.client.write_token_reference(&mut out).unwrap();
    let reference = String::from_utf8_lossy(&out[..len]).into_owned();
    let identifier = String::from_utf8_lossy(pair.service.identifier(session).unwrap()).into_owned();
    assert!(reference.contains(&format!("URI=\"{identifier}\" c:Instance=\"urn:uuid:")), "{reference}");
}

#[test]
fn without_renewing_the_conversation_ends_where_it_would_be_due() {
    let settings = InitiatorSettings { can_renew: false, ..InitiatorSettings::default() };
    let mut pair = Pair::new(&Binding::default(), settings, AcceptorSettings::default(), 1);
    pair.client.open().unwrap();
    pair.run();
    pair.wait(Duration::from_secs(10 * 3600));
    assert!(pair.client.needs_renewal(pair.now));
    pair.client.renew().unwrap();
    let failure = pair.client.poll(pair.now, &pair.paper, &mut []).unwrap_err();
    assert_eq!((failure, pair.client.phase()), (Failure::KeyExpired, InitiatorPhase::Faulted));
}

#[test]
fn a_message_under_an_expired_key_is_answered_with_renew_needed() {
    let service = AcceptorSettings { key_renewal_interval: Duration::from_secs(1000), ..AcceptorSettings::default() };
    let late = InitiatorSettings { renewal_threshold_percent: 100, ..InitiatorSettings::default() };
    let mut pair = Pair::new(&Binding::default(), late, service, 1);
    pair.client.open().unwrap();
    pair.run();
    pair.wait(Duration::from_secs(999));
    let message = client_seals(&mut pair, &SAY);
    let behind = pair.now;
    pair.wait(Duration::from_secs(1));
    assert_eq!(refused(service_opens(&mut pair, 1, Some(Encryption::Required), &message)), Refusal::KeyExpired);
    let (_, answer) = answer_of(&mut pair.service, pair.now, Exchange(1)).unwrap();
    // The client's clock is behind: it did not know.
    pair.now = behind;
    assert!(!pair.client.needs_renewal(pair.now));
    let needed = fault(client_opens(&mut pair, Encryption::Required, &answer));
    assert_eq!((needed.known, needed.secured), (Some(KnownFault::RenewNeeded), true));
    assert!(pair.client.needs_renewal(pair.now) && pair.client.phase() == InitiatorPhase::Opened);
    pair.client.renew().unwrap();
    assert!(matches!(pair.run()[..], [(Received::Renewed, _)]));
    used(&mut pair);
}

/// A fault in a message of the session.
fn secured_fault(namespace: &str, name: &str, action: &str) -> (InitiatorPhase, Result<Heard, Refusal>) {
    let mut pair = ordinary();
    let session = used(&mut pair);
    let body = format!(
        "<Fault xmlns=\"http://www.w3.org/2003/05/soap-envelope\"><Code><Value>Sender</Value><Subcode>\
         <Value xmlns:a=\"{namespace}\">a:{name}</Value></Subcode></Code><Reason><Text xml:lang=\"\">so</Text></Reason></Fault>"
    );
    let headers = [HeaderBlock::Action(action.as_bytes()), HeaderBlock::RelatesTo(b"urn:1")];
    let said = SessionMessage { headers: &headers, body: body.as_bytes(), encrypt_body: true };
    let message = service_seals(&mut pair, session, &said);
    let heard = client_opens(&mut pair, Encryption::Required, &message);
    (pair.client.phase(), heard)
}

#[test]
fn an_aborted_session_is_over_and_a_failed_operation_is_the_layers_to_judge() {
    use soap_session_core::soap::names::{DISPATCHER_FAULT_ACTION, SECURE_CONVERSATION_FAULT_ACTION};
    let security = "http://schemas.microsoft.com/ws/2006/05/security";
    let (phase, heard) = secured_fault(security, "SecuritySessionAborted", SECURE_CONVERSATION_FAULT_ACTION);
    assert_eq!((phase, fault(heard).known), (InitiatorPhase::Faulted, Some(KnownFault::SecuritySessionAborted)));
    let dispatcher = "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher";
    let (phase, heard) = secured_fault(dispatcher, "InternalServiceFault", DISPATCHER_FAULT_ACTION);
    assert!(phase == InitiatorPhase::Opened && matches!(heard, Ok(Heard::Message(_))), "{heard:?}");
}

#[test]
fn an_unsecured_fault_of_security_ends_the_conversation() {
    let mut pair = ordinary();
    let session = used(&mut pair);
    pair.service.abort(session).unwrap();
    let message = client_seals(&mut pair, &SAY);
    let refusal = refused(service_opens(&mut pair, 1, Some(Encryption::Required), &message));
    assert_eq!(refusal, Refusal::UnknownSecurityContext);
    let (status, answer) = answer_of(&mut pair.service, pair.now, Exchange(1)).unwrap();
    let seen = fault(client_opens(&mut pair, Encryption::Required, &answer));
    assert_eq!((status, seen.known, seen.secured), (500, Some(KnownFault::BadContextToken), false));
    assert_eq!(pair.client.phase(), InitiatorPhase::Faulted);
}
