//! Messages without a session, as the recordings have them.

use crate::opened;
use soap_session_core::chance::Chance;
use soap_session_core::lifetime::{CommunicationState as State, Timeouts};
use soap_session_core::secure::NoCredentials;
use soap_session_core::session::{
    ChannelAction, ChannelEvent, ChannelHeard, ClientChannel, OperationUse, PlainClient, fault_exception,
};
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::time::Instant;
use soap_session_core::xml::Limits;
use soap_session_tests::channel_world::{ADD_TO, Channel, Over, START, Sheet};

/// Recorded: ws-none-faults 01, 02, 04, 06.
const WS: [&str; 4] = [
    r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">urn:cap/Echo/Echo</a:Action><a:MessageID>urn:uuid:9402e5ab-614f-42da-8b66-ea4446774771</a:MessageID><a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo><a:To s:mustUnderstand="1">http://127.0.0.1:26882/probe</a:To></s:Header><s:Body><Echo xmlns="urn:cap"><text>a</text></Echo></s:Body></s:Envelope>"#,
    r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">urn:cap/Echo/EchoResponse</a:Action><a:RelatesTo>urn:uuid:9402e5ab-614f-42da-8b66-ea4446774771</a:RelatesTo></s:Header><s:Body><EchoResponse xmlns="urn:cap"><EchoResult>a</EchoResult></EchoResponse></s:Body></s:Envelope>"#,
    r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher/fault</a:Action><a:RelatesTo>urn:uuid:e0b4acaf-8681-4672-92a9-11b1191097f1</a:RelatesTo></s:Header><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value xmlns:a="http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher">a:InternalServiceFault</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="">The server was unable to process the request due to an internal error.  For more information about the error, either turn on IncludeExceptionDetailInFaults (either from ServiceBehaviorAttribute or from the &lt;serviceDebug&gt; configuration behavior) on the server in order to send the exception information back to the client, or turn on tracing as per the Microsoft .NET Framework SDK documentation and inspect the server trace logs.</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>"#,
    r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">urn:cap/Echo/DetailCalcErrorFault</a:Action><a:RelatesTo>urn:uuid:22951fa9-f7da-4c15-9650-c18dec737ff7</a:RelatesTo></s:Header><s:Body><s:Fault><s:Code><s:Value xmlns:a="urn:cap:codes">a:CalcRefused</s:Value></s:Code><s:Reason><s:Text xml:lang="">calc refused</s:Text></s:Reason><s:Detail><CalcError xmlns="urn:cap" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><Code>7</Code><Text>bad number</Text></CalcError></s:Detail></s:Fault></s:Body></s:Envelope>"#,
];
/// Recorded: basic-faults 01, 02, 04, 06.
const BASIC: [&str; 4] = [
    r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><Echo xmlns="urn:cap"><text>a</text></Echo></s:Body></s:Envelope>"#,
    r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><EchoResponse xmlns="urn:cap"><EchoResult>a</EchoResult></EchoResponse></s:Body></s:Envelope>"#,
    r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode xmlns:a="http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher">a:InternalServiceFault</faultcode><faultstring>The server was unable to process the request due to an internal error.  For more information about the error, either turn on IncludeExceptionDetailInFaults (either from ServiceBehaviorAttribute or from the &lt;serviceDebug&gt; configuration behavior) on the server in order to send the exception information back to the client, or turn on tracing as per the Microsoft .NET Framework SDK documentation and inspect the server trace logs.</faultstring></s:Fault></s:Body></s:Envelope>"#,
    r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode xmlns:a="urn:cap:codes">a:CalcRefused</faultcode><faultstring>calc refused</faultstring><detail><CalcError xmlns="urn:cap" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><Code>7</Code><Text>bad number</Text></CalcError></detail></s:Fault></s:Body></s:Envelope>"#,
];

fn first_message(soap: SoapVersion, addressing: Option<AddressingVersion>, to: &str, two_way: bool) -> String {
    let client = PlainClient::new(soap, addressing, to, Limits::default(), Chance::new(&[1; 32])).expect("an address");
    let mut channel: Channel = ClientChannel::plain(client, Timeouts::default());
    let body = "<Echo xmlns=\"urn:cap\"><text>a</text></Echo>".to_owned();
    let sheet = Sheet { action: "urn:cap/Echo/Echo".into(), body, two_way, fault: false };
    let operation = OperationUse { two_way, ..START };
    let now = Instant::from_millis(0);
    channel.call(now, operation, sheet).map_err(|(_, refused)| refused).expect("it opens");
    let mut out = [0; 2048];
    assert!(matches!(channel.poll(now, &NoCredentials, &mut out), ChannelAction::Event(ChannelEvent::Opened)));
    let ChannelAction::Transmit { action, message, .. } = channel.poll(now, &NoCredentials, &mut out) else {
        panic!("it sends")
    };
    assert_eq!(action, b"urn:cap/Echo/Echo");
    String::from_utf8(message.to_vec()).expect("UTF-8")
}

/// What stands in an element.
fn inside<'t>(text: &'t str, element: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{element}>"))?;
    rest.split_once('<').map(|(inside, _)| inside)
}

#[test]
fn messages_are_those_of_ws_http_binding_without_security() {
    let to = inside(WS[0], "a:To s:mustUnderstand=\"1\"").expect("To");
    let ours = first_message(SoapVersion::Soap12, Some(AddressingVersion::Wsa10), to, true);
    let (own, theirs) = (inside(&ours, "a:MessageID").expect("an id"), inside(WS[0], "a:MessageID").expect("an id"));
    assert_eq!(ours, WS[0].replace(theirs, own));
    let one_way = first_message(SoapVersion::Soap12, Some(AddressingVersion::Wsa10), to, false);
    assert!(!one_way.contains("MessageID") && !one_way.contains("ReplyTo"));
}

#[test]
fn messages_are_those_of_basic_http_binding() {
    let ours = first_message(SoapVersion::Soap11, None, "http://localhost/", true);
    assert_eq!(ours, BASIC[0]);
}

#[test]
fn answers_are_read_as_the_recordings_have_them() {
    for (messages, soap, addressing) in
        [(WS, SoapVersion::Soap12, Some(AddressingVersion::Wsa10)), (BASIC, SoapVersion::Soap11, None)]
    {
        for (index, answer) in messages.into_iter().enumerate().skip(1) {
            let limits = Limits::default();
            let client = PlainClient::new(soap, addressing, "http://localhost/", limits, Chance::new(&[1; 32]));
            let mut channel: Channel = ClientChannel::plain(client.expect("an address"), Timeouts::default());
            let sheet = Sheet { action: "urn:a".into(), body: "<a/>".into(), two_way: true, fault: false };
            let now = Instant::from_millis(0);
            channel.call(now, START, sheet).map_err(|(_, refused)| refused).expect("it opens");
            let mut out = [0; 2048];
            let _ = channel.poll(now, &NoCredentials, &mut out);
            let ChannelAction::Transmit { exchange, message, .. } = channel.poll(now, &NoCredentials, &mut out) else {
                panic!("it sends")
            };
            let mut answer = answer.to_owned();
            let request = String::from_utf8_lossy(message);
            if let (Some(own), Some(theirs)) = (inside(&request, "a:MessageID"), inside(&answer, "a:RelatesTo")) {
                answer = answer.replace(theirs, own);
            }
            let mut bytes = answer.into_bytes();
            match (index, channel.receive(now, exchange, &NoCredentials, &mut bytes)) {
                (1, ChannelHeard::Reply { message, .. }) => {
                    assert!(message.body.of(&bytes).starts_with(b"<EchoResponse "));
                }
                (2 | 3, ChannelHeard::Fault { fault, .. }) => {
                    assert_eq!(fault_exception(fault.known), "System.ServiceModel.FaultException");
                    assert!(!fault.reason.is_empty());
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(channel.state(), State::Opened);
        }
    }
}

#[test]
fn an_empty_answer_where_a_reply_is_due_is_none() {
    let mut world = opened(Over::Plain);
    // The service takes it for one-way.
    world.call_as(ADD_TO, "Notify", 1).expect("it is open");
    world.run();
    // Recorded: tcp-receive-timeout-5s.
    assert_eq!(
        world.seen.last().expect("an outcome"),
        "AddTo -> THREW System.ServiceModel.CommunicationException: \"The server did not provide a meaningful reply; this \
         might be caused by a contract mismatch, a premature session shutdown or an internal server error.\""
    );
    assert_eq!(world.state(), State::Opened);
}
