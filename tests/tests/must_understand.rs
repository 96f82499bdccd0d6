//! Header blocks that must be understood and are not: what the dispatcher answers.

use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::{CommunicationState as State, Timeouts};
use soap_session_core::secure::{
    Acceptor, AcceptorSettings, Binding, Bootstrap, Initiator, InitiatorSettings, OneShotClient, OneShotService,
    OneShotSettings, UserCredential,
};
use soap_session_core::service::DispatchFault;
use soap_session_core::session::{ClientChannel, OneShotLayer, PlainClient, PlainLayer, SecureLayer, ServiceLayer};
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::xml::Limits;
use soap_session_tests::actors::Said;
use soap_session_tests::dom::Node;
use soap_session_tests::endpoint_world::{Channel, EndpointWorld, OPERATIONS, holds};
use soap_session_tests::pair::MIDNIGHT;

const TO: &str = "http://localhost/calc";
const ECHO: &str = "urn:t/Echo";
const BODY: &str = "<Echo xmlns=\"urn:t\">a secret</Echo>";

/// As WCF says it: the text is quoted, with another header, in "Common WWSAPI errors: addressing version mismatch" (2009).
const REASON: &str = "The header 'Strange' from the namespace 'urn:strange' was not understood by the recipient of this message, \
                      causing the message to not be processed.  This error typically indicates that the sender of this message \
                      has enabled a communication protocol that the receiver cannot process.  Please ensure that the \
                      configuration of the client's binding is consistent with the service's binding. ";

type Plain = PlainLayer<Said, 4>;
type OneShot = OneShotLayer<Said, Chance, 4, 64>;
type Secure = SecureLayer<Said, Chance, 4, 4, 64>;

fn plain(soap: SoapVersion, addressing: Option<AddressingVersion>) -> EndpointWorld<Plain> {
    let limits = Limits::default();
    let client = PlainClient::new(soap, addressing, TO, limits.clone(), Chance::new(&[1; 32])).expect("an address");
    let client = ClientChannel::plain(client, Timeouts::default());
    EndpointWorld::new(client, Plain::new(soap, addressing, limits), OPERATIONS)
}

fn one_shot(binding: &Binding) -> EndpointWorld<OneShot> {
    let user = UserCredential::new("alice", "wonder");
    let client = OneShotClient::new(binding.clone(), TO, user, MIDNIGHT, Chance::new(&[1; 32])).expect("a client");
    let client: Channel = ClientChannel::over_one_shot(client, Timeouts::default());
    let service = OneShotService::new(binding.clone(), OneShotSettings::default(), MIDNIGHT, Chance::new(&[2; 32]));
    EndpointWorld::new(client, OneShot::new(service), OPERATIONS)
}

fn secure() -> EndpointWorld<Secure> {
    let binding = Binding::default();
    let (settings, chance) = (InitiatorSettings::default(), Chance::new(&[1; 32]));
    let client = Initiator::new(binding.clone(), settings, TO, None, MIDNIGHT, chance).expect("a client");
    let client = ClientChannel::over_secure(client, Timeouts::default());
    let service = Acceptor::new(binding, AcceptorSettings::default(), MIDNIGHT, Chance::new(&[2; 32]));
    EndpointWorld::new(client, Secure::new(service), OPERATIONS)
}

/// The message with a header block in front of all others.
fn with(message: &[u8], block: &str) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).expect("UTF-8");
    let text = if text.contains("<s:Header>") {
        text.replacen("<s:Header>", &format!("<s:Header>{block}"), 1)
    } else {
        text.replacen("<s:Body", &format!("<s:Header>{block}</s:Header><s:Body"), 1)
    };
    text.into_bytes()
}

/// Calls with such a block. What the client's application sees, the status, the answer.
fn call<L: ServiceLayer<Said>>(world: &mut EndpointWorld<L>, action: &str, block: &str) -> (String, u16, Vec<u8>) {
    let (_, sent) = world.call(action, BODY);
    let (exchange, soap_action, request) = &sent[0];
    world.soap_action.clone_from(soap_action);
    let answers = world.serve(*exchange, &with(request, block));
    let [(_, status, answer)] = &answers[..] else { panic!("{} answers", answers.len()) };
    (world.hear(*exchange, answer), *status, answer.clone())
}

const STRANGE: &str = "<x:Strange s:mustUnderstand=\"1\" xmlns:x=\"urn:strange\">what <i/> is this</x:Strange>";

#[test]
fn it_is_answered_as_wcf_does_without_security() {
    for soap in [SoapVersion::Soap11, SoapVersion::Soap12] {
        for addressing in [None, Some(AddressingVersion::August2004), Some(AddressingVersion::Wsa10)] {
            let mut world = plain(soap, addressing);
            let (said, status, answer) = call(&mut world, ECHO, STRANGE);
            assert_eq!(said, format!("THREW System.ServiceModel.FaultException: \"{REASON}\""));
            assert_eq!((status, &world.refused[..]), (500, &[DispatchFault::MustUnderstand][..]));
            let tree = Node::parse(&answer);
            let code = match soap {
                SoapVersion::Soap11 => tree.path(&["Body", "Fault", "faultcode"]),
                SoapVersion::Soap12 => tree.path(&["Body", "Fault", "Code", "Value"]),
            };
            assert_eq!(code.expect("a code").text, "s:MustUnderstand");
            if let Some(addressing) = addressing {
                let action = &tree.path(&["Header", "Action"]).expect("an action").text;
                assert_eq!(
                    *action,
                    match addressing {
                        AddressingVersion::August2004 => "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault",
                        AddressingVersion::Wsa10 => "http://www.w3.org/2005/08/addressing/soap/fault",
                    }
                );
            }
            // Nothing ran, nothing is held, and the next call is as any other.
            assert_eq!((world.ran.len(), world.host.calls(), world.host.instances()), (0, 0, 0));
            assert_eq!(world.done(ECHO, BODY), (format!("reply {BODY}"), 200));
            assert_eq!(world.state(), State::Opened);
        }
    }
}

#[test]
fn it_is_named_wherever_its_prefix_is_declared() {
    let mut world = plain(SoapVersion::Soap12, Some(AddressingVersion::Wsa10));
    for (envelope, header, block) in [
        (" xmlns:x=\"urn:strange\"", "", "<x:Strange s:mustUnderstand=\"true\"/>"),
        ("", " xmlns:x=\"urn:strange\"", "<x:Strange s:mustUnderstand=\"1\"/>"),
        ("", "", "<Strange xmlns=\"urn:strange\" s:mustUnderstand=\"1\"/>"),
        (
            " xmlns:x=\"urn:other\"",
            " xmlns:x=\"urn:strange\"",
            "<o:Other xmlns:o=\"urn:o\"/><x:Strange s:mustUnderstand=\"1\"/>",
        ),
    ] {
        let (_, sent) = world.call(ECHO, BODY);
        let request = String::from_utf8(with(&sent[0].2, block)).expect("UTF-8");
        let request = request.replacen("><s:Header>", &format!("{envelope}><s:Header{header}>"), 1);
        let answers = world.serve(sent[0].0, request.as_bytes());
        let said = world.hear(sent[0].0, &answers[0].2);
        assert_eq!(said, format!("THREW System.ServiceModel.FaultException: \"{REASON}\""), "{request}");
    }
}

#[test]
fn who_need_not_understand_it_is_not_disturbed() {
    let mut world = plain(SoapVersion::Soap12, Some(AddressingVersion::Wsa10));
    for block in [
        "<x:Strange xmlns:x=\"urn:strange\"/>",
        "<x:Strange s:mustUnderstand=\"0\" xmlns:x=\"urn:strange\"/>",
        "<x:Strange s:mustUnderstand=\"1\" s:role=\"urn:somebody-else\" xmlns:x=\"urn:strange\"/>",
    ] {
        assert_eq!(call(&mut world, ECHO, block).1, 200, "{block}");
    }
}

#[test]
fn an_unknown_action_comes_first() {
    let mut world = plain(SoapVersion::Soap12, Some(AddressingVersion::Wsa10));
    let (said, ..) = call(&mut world, "urn:t/Missing", STRANGE);
    assert!(said.starts_with("THREW System.ServiceModel.ActionNotSupportedException"), "{said}");
}

#[test]
fn a_one_way_message_gets_nothing_but_202() {
    for addressing in [None, Some(AddressingVersion::Wsa10)] {
        let mut world = plain(SoapVersion::Soap12, addressing);
        assert_eq!(call(&mut world, "urn:t/Tell", STRANGE), ("ok".to_owned(), 202, Vec::new()));
        assert_eq!((&world.refused[..], world.ran.len()), (&[DispatchFault::MustUnderstand][..], 0));
    }
    let mut world = one_shot(&Binding::ws_http(Bootstrap::UserNameOverTransport));
    assert_eq!(call(&mut world, "urn:t/Tell", STRANGE), ("ok".to_owned(), 202, Vec::new()));
}

#[test]
fn under_security_the_answer_is_sealed() {
    for bootstrap in Bootstrap::ALL {
        let mut world = one_shot(&Binding::ws_http(bootstrap));
        let (said, status, answer) = call(&mut world, ECHO, STRANGE);
        assert_eq!(said, format!("THREW System.ServiceModel.FaultException: \"{REASON}\""), "{bootstrap:?}");
        assert_eq!((status, world.state()), (500, State::Opened));
        assert_eq!(holds(&answer, "Strange"), bootstrap.over_transport());
        assert_eq!(world.done(ECHO, BODY).1, 200);
        assert_eq!(world.ran.len(), 1);
    }
}

#[test]
fn a_secure_conversation_goes_on() {
    let mut world = secure();
    // The token first.
    let (_, sent) = world.call(ECHO, BODY);
    let answers = world.serve(sent[0].0, &sent[0].2);
    world.hear(sent[0].0, &answers[0].2);
    let sent = world.client_sends();
    let answers = world.serve(sent[0].0, &with(&sent[0].2, STRANGE));
    let said = world.hear(sent[0].0, &answers[0].2);
    assert_eq!(said, format!("THREW System.ServiceModel.FaultException: \"{REASON}\""));
    assert!(!holds(&answers[0].2, "Strange"));
    assert_eq!((world.state(), world.ran.len()), (State::Opened, 0));
    assert_eq!(world.done(ECHO, BODY), (format!("reply {BODY}"), 200));
    assert_eq!(world.refused, [DispatchFault::MustUnderstand]);
}

#[test]
fn a_block_that_cannot_be_named_is_refused_without_its_name() {
    // Whoever keeps no names answers all the same, in SOAP's own words.
    let mut world = plain(SoapVersion::Soap12, Some(AddressingVersion::Wsa10));
    let (_, sent) = world.call(ECHO, BODY);
    let mut message = with(&sent[0].2, STRANGE);
    let (now, from) = (world.now, Exchange(sent[0].0.0));
    let heard = world.endpoint.receive(now, from, &world.paper, &mut message).expect("room");
    let soap_session_core::session::LayerHeard::Message(delivered) = heard else { panic!("a message") };
    world.endpoint.refuse(now, delivered.kept, ECHO.as_bytes(), DispatchFault::MustUnderstand);
    let mut out = vec![0; 4096];
    let Ok(soap_session_core::session::LayerAction::Answer { status: 500, message, .. }) =
        world.endpoint.poll(now, &world.paper, &mut out)
    else {
        panic!("a fault")
    };
    assert!(holds(message, "One or more mandatory SOAP header blocks not understood"));
}
