#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at a surprise")]

extern crate std;

use std::string::String;
use std::vec;

use super::*;
use crate::soap::SoapVersion;
use crate::xml::{Limits, Reader, Token, Writer};

fn written(write: impl Fn(&mut Writer<'_>)) -> String {
    let mut out = vec![0; 4096];
    let mut writer = Writer::new(&mut out);
    write(&mut writer);
    let len = writer.finish().unwrap();
    String::from_utf8(out[..len].to_vec()).unwrap()
}

fn body(version: SoapVersion, form: FaultForm, fault: &Fault<'_>) -> String {
    written(|writer| write_fault_body(writer, version, form, fault))
}

fn with_view<T>(xml: &str, look: impl Fn(&FaultView<'_>) -> T) -> T {
    let mut reader = Reader::document(xml.as_bytes(), &Limits::default()).unwrap();
    loop {
        match reader.next().unwrap() {
            Token::Start(start) if start.name.local == b"Fault" => {
                let view = read_fault(&mut reader, &start).unwrap();
                while !matches!(reader.next().unwrap(), Token::Eof) {}
                return look(&view);
            }
            Token::Eof => panic!("no Fault"),
            Token::Start(_) | Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
        }
    }
}

// The expected strings are bodies and envelopes recorded from WCF. xml:lang="" is that host's invariant culture.

const NO_SESSION: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">http://www.w3.org/2005/08/addressing/soap/fault</a:Action><a:RelatesTo>urn:uuid:2bcd01f2-4e45-4ee4-9693-1d436a5c1915</a:RelatesTo></s:Header><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:a="http://schemas.xmlsoap.org/ws/2005/02/sc">a:BadContextToken</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="">The message could not be processed. This is most likely because the action 'urn:cap/Calc/Start' is incorrect or because the message contains an invalid or expired security context token or because there is a mismatch between bindings. The security context token would be invalid if the service aborted the channel due to inactivity. To prevent the service from aborting idle sessions prematurely increase the Receive timeout on the service endpoint's binding.</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>"#;
const WRONG_ACTION: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">http://www.w3.org/2005/08/addressing/soap/fault</a:Action><a:RelatesTo>urn:uuid:bafded41-739e-45d6-bd27-43f5a5c90f7b</a:RelatesTo></s:Header><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:a="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">a:InvalidSecurity</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="">The message could not be processed because the action 'urn:cap/Calc/NoSuchOperation' is invalid or unrecognized.</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>"#;
const BAD_PASSWORD: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">http://www.w3.org/2005/08/addressing/soap/fault</a:Action><a:RelatesTo>urn:uuid:aab20eb5-4942-48ad-88ae-d8ae4192099e</a:RelatesTo></s:Header><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:a="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">a:InvalidSecurityToken</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="">An error occurred when processing the security tokens in the message.</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>"#;
const NOT_SUPPORTED: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">http://www.w3.org/2005/08/addressing/fault</a:Action><a:RelatesTo>urn:uuid:42c360ff-68ab-4b11-985b-91088e78efc2</a:RelatesTo></s:Header><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:ActionNotSupported</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="">The message with Action 'urn:cap/Echo/NoSuchOperation' cannot be processed at the receiver, due to a ContractFilter mismatch at the EndpointDispatcher. This may be because of either a contract mismatch (mismatched Actions between sender and receiver) or a binding/security mismatch between the sender and the receiver.  Check that sender and receiver have the same contract and the same binding (including security requirements, e.g. Message, Transport, None).</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>"#;
const BAD_CONTEXT: &str = r#"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:a="http://schemas.xmlsoap.org/ws/2005/02/sc">a:BadContextToken</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="">The security context token is expired or is not valid. The message was not processed.</s:Text></s:Reason></s:Fault>"#;
const RENEW_NEEDED: &str = r#"<Fault xmlns="http://www.w3.org/2003/05/soap-envelope"><Code><Value>Sender</Value><Subcode><Value xmlns:a="http://schemas.xmlsoap.org/ws/2005/02/sc">a:RenewNeeded</Value></Subcode></Code><Reason><Text xml:lang="">The SecurityContextSecurityToken's key needs to be renewed.</Text></Reason></Fault>"#;
const PENDING: &str = r#"<Fault xmlns="http://www.w3.org/2003/05/soap-envelope"><Code><Value>Receiver</Value><Subcode><Value xmlns:a="http://schemas.microsoft.com/ws/2006/05/security">a:ServerTooBusy</Value></Subcode></Code><Reason><Text xml:lang="">There are too many pending secure conversations on the server. Please retry later.</Text></Reason></Fault>"#;
const INTERNAL: &str = r#"<Fault xmlns="http://www.w3.org/2003/05/soap-envelope"><Code><Value>Receiver</Value><Subcode><Value xmlns:a="http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher">a:InternalServiceFault</Value></Subcode></Code><Reason><Text xml:lang="">The server was unable to process the request due to an internal error.  For more information about the error, either turn on IncludeExceptionDetailInFaults (either from ServiceBehaviorAttribute or from the &lt;serviceDebug&gt; configuration behavior) on the server in order to send the exception information back to the client, or turn on tracing as per the Microsoft .NET Framework SDK documentation and inspect the server trace logs.</Text></Reason></Fault>"#;
const INTERNAL_11: &str = r#"<s:Fault><faultcode xmlns:a="http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher">a:InternalServiceFault</faultcode><faultstring>The server was unable to process the request due to an internal error.  For more information about the error, either turn on IncludeExceptionDetailInFaults (either from ServiceBehaviorAttribute or from the &lt;serviceDebug&gt; configuration behavior) on the server in order to send the exception information back to the client, or turn on tracing as per the Microsoft .NET Framework SDK documentation and inspect the server trace logs.</faultstring></s:Fault>"#;
const UNHANDLED_ACTION: &str = r#"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:ActionNotSupported</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="">The message with Action 'urn:cap/Calc/NoSuchOperation' cannot be processed at the receiver, due to a ContractFilter mismatch at the EndpointDispatcher. This may be because of either a contract mismatch (mismatched Actions between sender and receiver) or a binding/security mismatch between the sender and the receiver.  Check that sender and receiver have the same contract and the same binding (including security requirements, e.g. Message, Transport, None).</s:Text></s:Reason><s:Detail><string xmlns="http://schemas.microsoft.com/2003/10/Serialization/">urn:cap/Calc/NoSuchOperation</string></s:Detail></s:Fault>"#;
const TERMINATED: &str = r#"<Fault xmlns="http://www.w3.org/2003/05/soap-envelope"><Code><Value>Sender</Value><Subcode><Value xmlns:a="http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher">a:SessionTerminated</Value></Subcode></Code><Reason><Text xml:lang="">An operation marked as IsTerminating has already been invoked on this channel, causing the channel's connection to terminate.  No more operations may be invoked on this channel.  Please re-create the channel to continue communication.</Text></Reason></Fault>"#;
const CALC_REFUSED_11: &str = r#"<Fault xmlns="http://schemas.xmlsoap.org/soap/envelope/"><faultcode xmlns="" xmlns:a="urn:cap:codes">a:CalcRefused</faultcode><faultstring xmlns="">calc refused</faultstring><detail xmlns=""><CalcError xmlns="urn:cap" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><Code>7</Code><Text>bad number</Text></CalcError></detail></Fault>"#;
const REFUSED: &str = r#"<s:Fault xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value xmlns:a="http://schemas.xmlsoap.org/ws/2005/02/rm">a:CreateSequenceRefused</s:Value><s:Subcode><s:Value xmlns:a="http://schemas.microsoft.com/ws/2006/05/rm">a:ConnectionLimitReached</s:Value></s:Subcode></s:Subcode></s:Code><s:Reason><s:Text xml:lang="">The request to create a reliable session has been refused by the RM Destination. Server 'http://127.0.0.1:21641/probe' is too busy to process this request. Try again later. The channel could not be opened.</s:Text></s:Reason></s:Fault>"#;

#[test]
fn unsecured_envelopes_are_wcfs() {
    let wsa = AddressingVersion::Wsa10;
    let cases = [
        (
            NO_SESSION,
            Fault::no_session(ScVersion::February2005, b"urn:cap/Calc/Start"),
            "2bcd01f2-4e45-4ee4-9693-1d436a5c1915",
        ),
        (
            WRONG_ACTION,
            Fault::unrecognized_action(b"urn:cap/Calc/NoSuchOperation"),
            "bafded41-739e-45d6-bd27-43f5a5c90f7b",
        ),
        (BAD_PASSWORD, Fault::invalid_security_token(), "aab20eb5-4942-48ad-88ae-d8ae4192099e"),
        (
            NOT_SUPPORTED,
            Fault::action_not_supported(wsa, b"urn:cap/Echo/NoSuchOperation"),
            "42c360ff-68ab-4b11-985b-91088e78efc2",
        ),
    ];
    for (expected, fault, id) in cases {
        let id = std::format!("urn:uuid:{id}");
        let envelope = written(|writer| {
            write_fault_envelope(writer, SoapVersion::Soap12, wsa, Some(id.as_bytes()), &fault.in_language(""));
        });
        assert_eq!(envelope, expected);
    }
}

#[test]
fn bodies_are_wcfs() {
    use FaultForm::{Clear, Encrypted};
    let wsa = AddressingVersion::Wsa10;
    let feb = ScVersion::February2005;
    let detail = br#"<CalcError xmlns="urn:cap" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><Code>7</Code><Text>bad number</Text></CalcError>"#;
    let refused = Fault::new(
        FaultCode::Sender,
        "urn:cap:codes",
        "CalcRefused",
        Reason::plain("calc refused"),
        FaultAction::Default,
    );
    for (expected, version, form, fault) in [
        (BAD_CONTEXT, SoapVersion::Soap12, Clear(wsa), Fault::bad_context_token(feb)),
        (RENEW_NEEDED, SoapVersion::Soap12, Encrypted, Fault::renew_needed(feb)),
        (PENDING, SoapVersion::Soap12, Encrypted, Fault::too_many_pending_sessions()),
        (INTERNAL, SoapVersion::Soap12, Encrypted, Fault::internal_service_fault()),
        (INTERNAL_11, SoapVersion::Soap11, Clear(wsa), Fault::internal_service_fault()),
        (TERMINATED, SoapVersion::Soap12, Encrypted, Fault::session_terminated()),
        (CALC_REFUSED_11, SoapVersion::Soap11, Encrypted, refused.with_detail(detail)),
    ] {
        assert_eq!(body(version, form, &fault.in_language("")), expected);
    }
}

#[test]
fn an_unknown_action_on_a_session_in_use_is_refused_as_by_wcf() {
    let wsa = AddressingVersion::Wsa10;
    let action = b"urn:cap/Calc/NoSuchOperation";
    let fault = Fault::unhandled_action(wsa, action).in_language("");
    let detail = SerializedString(action);
    let body = written(|writer| {
        write_fault_body_with(writer, SoapVersion::Soap12, FaultForm::Clear(wsa), &fault, Some(&detail));
    });
    assert_eq!(body, UNHANDLED_ACTION);
    // Where no session is, it is another action.
    assert_eq!(fault.action_uri(wsa), "http://www.w3.org/2005/08/addressing/soap/fault");
    let refused = Fault::action_not_supported(wsa, action);
    assert_eq!(refused.action_uri(wsa), "http://www.w3.org/2005/08/addressing/fault");
}

#[test]
fn actions_are_wcfs() {
    let wsa = AddressingVersion::Wsa10;
    let renew = Fault::renew_needed(ScVersion::February2005);
    assert_eq!(renew.action_uri(wsa), "http://schemas.microsoft.com/ws/2006/05/security/SecureConversationFault");
    assert_eq!(
        Fault::session_terminated().action_uri(wsa),
        "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher/fault"
    );
    assert_eq!(
        Fault::invalid_security().action_uri(AddressingVersion::August2004),
        "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault"
    );
}

#[test]
fn recorded_faults_are_recognised() {
    for (xml, code, known) in [
        (NO_SESSION, FaultCode::Sender, Some(KnownFault::BadContextToken)),
        (WRONG_ACTION, FaultCode::Sender, Some(KnownFault::InvalidSecurity)),
        (BAD_PASSWORD, FaultCode::Sender, Some(KnownFault::InvalidSecurityToken)),
        (NOT_SUPPORTED, FaultCode::Sender, Some(KnownFault::ActionNotSupported)),
        (RENEW_NEEDED, FaultCode::Sender, Some(KnownFault::RenewNeeded)),
        (PENDING, FaultCode::Receiver, Some(KnownFault::ServerTooBusy)),
        (INTERNAL, FaultCode::Receiver, Some(KnownFault::InternalServiceFault)),
        (TERMINATED, FaultCode::Sender, Some(KnownFault::SessionTerminated)),
        (CALC_REFUSED_11, FaultCode::Other, None),
        (REFUSED, FaultCode::Receiver, None),
    ] {
        with_view(xml, |view| {
            assert_eq!(view.code, code);
            assert_eq!(view.known(), known);
            assert!(view.subcode.is_some());
        });
    }
    with_view(CALC_REFUSED_11, |view| {
        assert_eq!(view.version, SoapVersion::Soap11);
        assert!(view.subcode.unwrap().is("urn:cap:codes", "CalcRefused"));
        assert!(view.reason.unwrap().eq("calc refused"));
        let detail = view.detail.unwrap().of(CALC_REFUSED_11.as_bytes());
        assert!(detail.starts_with(b"<detail") && detail.ends_with(b"</detail>"));
    });
    with_view(REFUSED, |view| {
        assert!(view.subcode.unwrap().is("http://schemas.xmlsoap.org/ws/2005/02/rm", "CreateSequenceRefused"));
        assert!(view.nested.unwrap().is("http://schemas.microsoft.com/ws/2006/05/rm", "ConnectionLimitReached"));
    });
}

#[test]
fn what_is_written_is_read_again() {
    let wsa = AddressingVersion::August2004;
    let header = QName { namespace: "urn:x", local: "Strange" };
    for fault in [
        Fault::must_understand(header),
        Fault::invalid_addressing_header(AddressingVersion::Wsa10, true),
        Fault::addressing_header_required(wsa),
        Fault::destination_unreachable(wsa, b"http://x?a&b"),
        Fault::closing(wsa),
        Fault::invalid_request(),
        Fault::too_many_negotiations(),
    ] {
        for version in [SoapVersion::Soap11, SoapVersion::Soap12] {
            let envelope = written(|writer| write_fault_envelope(writer, version, wsa, Some(b"uuid:<1>"), &fault));
            with_view(&envelope, |view| {
                assert_eq!(view.version, version);
                match (fault.subcode, version) {
                    (Some(name), _) => assert!(view.subcode.unwrap().is(name.namespace, name.local)),
                    (None, _) => assert_eq!(view.code, fault.code),
                }
                if version == SoapVersion::Soap12 {
                    assert_eq!(view.code, fault.code);
                    assert_eq!(view.nested.is_some(), fault.nested.is_some());
                }
                let (between, second) = fault.reason.second.unwrap_or(("", &[]));
                let [value, second] = [fault.reason.value, second].map(String::from_utf8_lossy);
                let text = std::format!("{}{value}{between}{second}{}", fault.reason.before, fault.reason.after);
                assert!(view.reason.unwrap().eq(&text));
            });
            let encrypted = body(version, FaultForm::Encrypted, &fault);
            with_view(&encrypted, |view| assert_eq!(view.subcode.is_some(), fault.subcode.is_some()));
        }
    }
}

#[test]
fn faults_that_are_none_are_refused() {
    for xml in [
        r#"<Fault xmlns="urn:other"/>"#,
        r#"<Fault xmlns="http://www.w3.org/2003/05/soap-envelope"/>"#,
        r#"<Fault xmlns="http://www.w3.org/2003/05/soap-envelope"><Code/></Fault>"#,
        r#"<Fault xmlns="http://www.w3.org/2003/05/soap-envelope"><Code><Value>q:Sender</Value></Code></Fault>"#,
        r#"<Fault xmlns="http://www.w3.org/2003/05/soap-envelope"><Code><Value>Sender</Value></Code></Fault>"#,
        r#"<Fault xmlns="http://schemas.xmlsoap.org/soap/envelope/"><faultcode xmlns="">a</faultcode><faultcode xmlns="">a</faultcode></Fault>"#,
        r#"<Fault xmlns="http://schemas.xmlsoap.org/soap/envelope/"><faultstring xmlns="">a</faultstring></Fault>"#,
    ] {
        let mut reader = Reader::document(xml.as_bytes(), &Limits::default()).unwrap();
        let Token::Start(start) = reader.next().unwrap() else { panic!("no start tag") };
        assert!(read_fault(&mut reader, &start).is_err(), "{xml}");
    }
}
