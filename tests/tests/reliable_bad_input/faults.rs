//! Faults.

use super::{FEB, V11, read, wish};
use soap_session_core::reliable::{RmFaultKind, RmVersion, Versions};
use soap_session_core::soap::{FaultCode, SoapVersion};

#[test]
fn faults() {
    let fault = |code: &str, subcode: &str, detail: &str| {
        format!(
            "<s:Fault><s:Code><s:Value>s:{code}</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>\
             <s:Reason><s:Text xml:lang='en'>why</s:Text></s:Reason>{detail}</s:Fault>"
        )
    };
    let detail = "<s:Detail><r:Identifier>urn:1</r:Identifier></s:Detail>";
    let of = |code, kind: Option<RmFaultKind>, id: Option<&str>| format!("{code:?} {kind:?} {id:?}");
    let (sender, receiver, id) = (FaultCode::Sender, FaultCode::Receiver, Some("urn:1"));
    let terminated = Some(RmFaultKind::SequenceTerminated);
    for (versions, code, subcode, detail, expected) in [
        (FEB, "Sender", "r:SequenceTerminated", detail, of(sender, terminated, id)),
        (V11, "Receiver", "r:SequenceTerminated", detail, of(receiver, terminated, id)),
        (FEB, "Sender", "r:SequenceTerminated", "", of(sender, terminated, None)),
        (FEB, "Sender", "r:UnknownSequence", detail, of(sender, Some(RmFaultKind::UnknownSequence), id)),
        (FEB, "Sender", "r:UnknownSequence", "", of(sender, Some(RmFaultKind::UnknownSequence), None)),
        // Whatever else names a sequence is its end, as WCF has it.
        (FEB, "Receiver", "r:UnknownSequence", detail, of(receiver, terminated, id)),
        (FEB, "Sender", "r:SequenceClosed", detail, of(sender, terminated, id)),
        (V11, "Sender", "r:SequenceClosed", detail, of(sender, Some(RmFaultKind::SequenceClosed), id)),
        (V11, "Sender", "r:LastMessageNumberExceeded", detail, of(sender, terminated, id)),
        (
            FEB,
            "Sender",
            "r:LastMessageNumberExceeded",
            detail,
            of(sender, Some(RmFaultKind::LastMessageNumberExceeded), id),
        ),
        (FEB, "Sender", "r:Whatever", detail, of(sender, terminated, id)),
        (FEB, "Sender", "r:Whatever", "", of(sender, None, None)),
        (FEB, "Sender", "x:SequenceTerminated", detail, of(sender, None, id)),
        (FEB, "Sender", "r:MessageNumberRollover", detail, of(sender, Some(RmFaultKind::MessageNumberRollover), id)),
        (
            FEB,
            "Sender",
            "r:InvalidAcknowledgement",
            "<s:Detail><r:SequenceAcknowledgement><r:Identifier>urn:1</r:Identifier>\
             <r:AcknowledgementRange Lower='1' Upper='2'/></r:SequenceAcknowledgement></s:Detail>",
            of(sender, Some(RmFaultKind::InvalidAcknowledgement), id),
        ),
        (FEB, "Sender", "r:CreateSequenceRefused", "", of(sender, Some(RmFaultKind::CreateSequenceRefused), None)),
        (V11, "Sender", "r:WsrmRequired", "", of(sender, Some(RmFaultKind::WsrmRequired), None)),
        (FEB, "Receiver", "a:EndpointUnavailable", "", of(receiver, Some(RmFaultKind::EndpointUnavailable), None)),
    ] {
        let found = read(versions, "<a:Action>urn:f</a:Action>", &fault(code, subcode, detail));
        assert_eq!(found, expected, "{subcode} {detail}");
    }
    // What is wrong around a fault is never answered.
    let body = fault("Sender", "r:SequenceTerminated", detail);
    let twice = wish("urn:1").repeat(2);
    assert_eq!(read(FEB, &format!("<a:Action>urn:f</a:Action>{twice}"), &body), "Duplicate -> Nothing");
    assert_eq!(read(FEB, &twice, &body), "Duplicate -> Nothing");
    assert_eq!(read(FEB, "<a:Action>urn:f</a:Action>", "<s:Fault/>"), "Soap -> Nothing");
    // With a place in the sequence it is the application's.
    let sequence = "<r:Sequence><r:Identifier>urn:1</r:Identifier><r:MessageNumber>1</r:MessageNumber></r:Sequence>";
    assert_eq!(read(FEB, &format!("<a:Action>urn:f</a:Action>{sequence}"), &body), "seq urn:1 1");
}

#[test]
fn faults_of_soap_11_have_a_header() {
    let body = "<s:Fault><faultcode>s:Client</faultcode><faultstring>why</faultstring></s:Fault>";
    let at = |reliable, header: &str| {
        let versions = Versions { soap: SoapVersion::Soap11, reliable, ..FEB };
        read(versions, &format!("<a:Action>urn:f</a:Action><r:SequenceFault>{header}</r:SequenceFault>"), body)
    };
    let code = "<r:FaultCode>r:UnknownSequence</r:FaultCode>";
    let id = "<r:Identifier>urn:1</r:Identifier>";
    let unknown = r#"Sender Some(UnknownSequence) Some("urn:1")"#;
    let (feb, v11) = (RmVersion::February2005, RmVersion::V11);
    assert_eq!(at(feb, &format!("{code}{id}")), unknown);
    assert_eq!(at(feb, &format!("{code}<x:y/>{id}")), unknown);
    assert_eq!(at(v11, &format!("{code}<r:Detail>{id}</r:Detail>")), unknown);
    assert_eq!(at(feb, code), "Sender Some(UnknownSequence) None");
    assert_eq!(at(feb, &format!("<r:FaultCode>x:UnknownSequence</r:FaultCode>{id}")), "Sender None None");
    assert_eq!(at(feb, "<r:FaultCode>q:UnknownSequence</r:FaultCode>"), "Soap -> Nothing");
    assert_eq!(at(feb, id), "Missing -> Nothing");
    let versions = Versions { soap: SoapVersion::Soap11, ..FEB };
    let refused = "<s:Fault><faultcode>r:CreateSequenceRefused</faultcode><faultstring>why</faultstring></s:Fault>";
    let found = read(versions, "<a:Action>urn:f</a:Action>", refused);
    assert_eq!(found, "Other Some(CreateSequenceRefused) None");
}
