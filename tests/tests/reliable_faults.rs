//! Faults of WS-ReliableMessaging as they are written: those that no recording has, too. Their shape is the
//! specification's, and WCF's where that is known.

use soap_session_core::reliable::{
    Acknowledgement, Arrival, FaultReason, Frame, FrameAction, FrameBody, HeaderOrder, Identifier, Range, RmBody,
    RmFault, RmFaultKind, RmVersion, Versions, reasons,
};
use soap_session_core::soap::{AddressingVersion, FaultCode, SoapVersion};
use soap_session_core::xml::Limits;

const KINDS: [RmFaultKind; 10] = [
    RmFaultKind::SequenceTerminated,
    RmFaultKind::UnknownSequence,
    RmFaultKind::InvalidAcknowledgement,
    RmFaultKind::MessageNumberRollover,
    RmFaultKind::LastMessageNumberExceeded,
    RmFaultKind::SequenceClosed,
    RmFaultKind::CreateSequenceRefused,
    RmFaultKind::ConnectionLimitReached,
    RmFaultKind::WsrmRequired,
    RmFaultKind::EndpointUnavailable,
];

const ID: &[u8] = b"urn:seq&1";

fn frame<'f>(kind: RmFaultKind, ack: Option<Acknowledgement<'f>>, header: Option<Acknowledgement<'f>>) -> Frame<'f> {
    let code = match kind {
        RmFaultKind::ConnectionLimitReached => FaultCode::Receiver,
        _ => FaultCode::Sender,
    };
    let fault = RmFault { kind, code, identifier: ID, reason: FaultReason::Text(reasons::UNKNOWN) };
    Frame {
        action: FrameAction::Fault,
        message_id: None,
        relates_to: Some(b"urn:m"),
        reply_to: None,
        to: None,
        sequence: None,
        acknowledgement: header,
        ack_requested: None,
        not_understood: None,
        uses_sequence_str: false,
        order: HeaderOrder::AcknowledgementFirst,
        body: FrameBody::Fault(fault, ack),
    }
}

fn written(frame: &Frame<'_>, versions: Versions) -> String {
    let mut out = vec![0; 8192];
    let len = frame.write_envelope(versions, "", &mut out).unwrap();
    String::from_utf8(out[..len].to_vec()).unwrap()
}

fn all_versions() -> impl Iterator<Item = Versions> {
    RmVersion::ALL.into_iter().flat_map(|reliable| {
        [SoapVersion::Soap11, SoapVersion::Soap12].into_iter().flat_map(move |soap| {
            [AddressingVersion::August2004, AddressingVersion::Wsa10].into_iter().map(move |addressing| Versions {
                soap,
                addressing,
                reliable,
            })
        })
    })
}

#[test]
fn what_is_written_is_read() {
    let identifier = Identifier::new(ID).unwrap();
    let ranges = [Range { lower: 1, upper: 3 }, Range { lower: 5, upper: 5 }];
    let ack = Acknowledgement { identifier: &identifier, ranges: &ranges, is_final: true, buffer_remaining: Some(1) };
    let mut count = 0;
    for versions in all_versions() {
        for kind in KINDS {
            let only_feb = kind == RmFaultKind::LastMessageNumberExceeded;
            let only_v11 = matches!(kind, RmFaultKind::SequenceClosed | RmFaultKind::WsrmRequired);
            if (only_feb && versions.reliable == RmVersion::V11) || (only_v11 && versions.reliable != RmVersion::V11) {
                continue;
            }
            for header in [None, Some(ack)] {
                let message = written(&frame(kind, Some(ack), header), versions);
                let mut scratch = [0; 256];
                let (arrival, _) =
                    Arrival::read_envelope(message.as_bytes(), versions, &Limits::default(), &mut scratch)
                        .unwrap_or_else(|error| panic!("{kind:?}: {error}\n{message}"));
                let RmBody::Fault(seen) = arrival.body else { panic!("{message}") };
                let told = match (kind, versions.soap) {
                    // SOAP 1.1 has one code, and WCF puts the outer one there.
                    (RmFaultKind::ConnectionLimitReached, SoapVersion::Soap11) => RmFaultKind::CreateSequenceRefused,
                    (kind, _) => kind,
                };
                assert_eq!(seen.kind, Some(told), "{message}");
                assert_eq!(seen.identifier, kind.has_sequence().then_some(ID), "{message}");
                assert_eq!(seen.reason, reasons::UNKNOWN.as_bytes());
                assert_eq!(arrival.acknowledgement.is_some(), header.is_some());
                assert_eq!(seen.code == FaultCode::Other, versions.soap == SoapVersion::Soap11 && !kind.has_sequence());
                count += 1;
            }
        }
    }
    assert_eq!(count, 2 * 4 * (8 + 9));
}

#[test]
fn the_shapes_that_no_recording_has() {
    let identifier = Identifier::new(ID).unwrap();
    let ranges = [Range { lower: 1, upper: 3 }];
    let ack = Acknowledgement { identifier: &identifier, ranges: &ranges, is_final: false, buffer_remaining: None };
    let feb = Versions::default();
    let v11 = Versions { reliable: RmVersion::V11, ..feb };
    let soap11 = |versions| Versions { soap: SoapVersion::Soap11, ..versions };
    let (ns, ns11) = (RmVersion::February2005.namespace(), RmVersion::V11.namespace());
    for (versions, kind, header, expected) in [
        (
            feb,
            RmFaultKind::InvalidAcknowledgement,
            None,
            format!(
                "<s:Detail><SequenceAcknowledgement xmlns=\"{ns}\"><Identifier>urn:seq&amp;1</Identifier>\
             <AcknowledgementRange Lower=\"1\" Upper=\"3\"/></SequenceAcknowledgement></s:Detail>"
            ),
        ),
        (
            v11,
            RmFaultKind::InvalidAcknowledgement,
            Some(ack),
            "<s:Detail><r:SequenceAcknowledgement><r:Identifier>\
             urn:seq&amp;1</r:Identifier><r:AcknowledgementRange Lower=\"1\" Upper=\"3\"/></r:SequenceAcknowledgement>\
             </s:Detail>"
                .to_owned(),
        ),
        (
            feb,
            RmFaultKind::MessageNumberRollover,
            None,
            format!("<s:Detail><r:Identifier xmlns:r=\"{ns}\">urn:seq&amp;1</r:Identifier></s:Detail>"),
        ),
        (
            v11,
            RmFaultKind::MessageNumberRollover,
            None,
            format!(
                "<s:Detail><r:Identifier xmlns:r=\"{ns11}\">urn:seq&amp;1</r:Identifier><r:MaxMessageNumber \
             xmlns:r=\"{ns11}\">9223372036854775807</r:MaxMessageNumber></s:Detail>"
            ),
        ),
        (
            v11,
            RmFaultKind::SequenceClosed,
            Some(ack),
            "<s:Detail><r:Identifier>urn:seq&amp;1</r:Identifier></s:Detail>".to_owned(),
        ),
        (
            soap11(feb),
            RmFaultKind::UnknownSequence,
            None,
            "</a:Action><r:SequenceFault><r:FaultCode>r:UnknownSequence</r:FaultCode><r:Identifier>urn:seq&amp;1\
             </r:Identifier></r:SequenceFault><a:RelatesTo>urn:m</a:RelatesTo></s:Header><s:Body><s:Fault>\
             <faultcode>s:Client</faultcode><faultstring>"
                .to_owned(),
        ),
        (
            soap11(v11),
            RmFaultKind::UnknownSequence,
            None,
            "<r:SequenceFault><r:FaultCode>r:UnknownSequence</r:FaultCode><r:Detail><r:Identifier>urn:seq&amp;1\
             </r:Identifier></r:Detail></r:SequenceFault>"
                .to_owned(),
        ),
        (
            soap11(feb),
            RmFaultKind::CreateSequenceRefused,
            None,
            format!("<faultcode xmlns:a=\"{ns}\">a:CreateSequenceRefused</faultcode>"),
        ),
        (
            soap11(feb),
            RmFaultKind::EndpointUnavailable,
            None,
            "<faultcode>a:EndpointUnavailable</faultcode>".to_owned(),
        ),
    ] {
        let message = written(&frame(kind, Some(ack), header), versions);
        assert!(message.contains(&expected), "{kind:?}\n{message}\n{expected}");
        assert!(!message.contains("<detail"), "{message}");
    }
    // Only addressing's fault leaves 1.1's own action.
    let action = |kind| frame(kind, None, None).action_uri(v11);
    assert_eq!(action(RmFaultKind::SequenceTerminated), format!("{ns11}/fault").as_bytes());
    assert_eq!(action(RmFaultKind::EndpointUnavailable), b"http://www.w3.org/2005/08/addressing/soap/fault");
}

#[test]
fn a_fault_to_be_encrypted_declares_what_it_needs() {
    let identifier = Identifier::new(ID).unwrap();
    let ack = Acknowledgement { identifier: &identifier, ranges: &[], is_final: false, buffer_remaining: None };
    let feb = Versions::default();
    let mut scratch = [0; 2048];
    let body = |versions: Versions, scratch: &mut [u8]| {
        let render = frame(RmFaultKind::SequenceTerminated, None, Some(ack));
        let render = render.render(versions, "en-US", scratch, |rendered| {
            (String::from_utf8(rendered.body.to_vec()).unwrap(), rendered.encrypt_body)
        });
        render.unwrap()
    };
    // The envelope declares r for its acknowledgement, but what is encrypted stands alone.
    let (text, encrypted) = body(feb, &mut scratch);
    assert!(encrypted && text.starts_with("<Fault xmlns=\"http://www.w3.org/2003/05/soap-envelope\">"), "{text}");
    assert!(text.contains("<Detail><r:Identifier xmlns:r=\"http://schemas.xmlsoap.org/ws/2005/02/rm\">"), "{text}");
    let (text, encrypted) = body(Versions { reliable: RmVersion::V11, ..feb }, &mut scratch);
    assert!(!encrypted && text.contains("<s:Detail><r:Identifier>urn:seq&amp;1</r:Identifier></s:Detail>"), "{text}");
    let frame = frame(RmFaultKind::SequenceTerminated, None, None);
    let grow = frame.render(feb, "", &mut [0; 10], |_| ()).unwrap_err();
    assert!(grow.needed > 300 && frame.render(feb, "", &mut scratch[..grow.needed], |_| ()).is_ok());
}
