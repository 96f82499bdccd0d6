//! Bodies of the protocol, and whole envelopes.

use super::{BOTH, FEB, STRANGER, STRANGER_11, V11, envelope, outcome, read, wish};
use soap_session_core::reliable::{Arrival, Versions};
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::xml::Limits;

/// A protocol message of this action with these further headers.
fn protocol(versions: Versions, action: &str, headers: &str, body: &str) -> String {
    let action = format!("<a:Action>{}/{action}</a:Action>", versions.reliable.namespace());
    read(versions, &format!("{action}{headers}"), body)
}

const REQUEST: &str = "<a:MessageID>urn:m</a:MessageID><a:ReplyTo><a:Address>urn:back</a:Address></a:ReplyTo>";
const ACKS_TO: &str = "<r:AcksTo><a:Address>urn:back</a:Address></r:AcksTo>";
const REFUSED: [&str; 4] = ["Missing", "Soap", "Value", "Identifier"];

fn create(versions: Versions, inside: &str) -> String {
    protocol(versions, "CreateSequence", REQUEST, &format!("<r:CreateSequence>{inside}</r:CreateSequence>"))
}

#[test]
fn create_sequence() {
    let refused = |kind: &str| format!("{kind} -> CreateSequenceRefused");
    let offer = |inside: &str| format!("{ACKS_TO}<r:Offer><r:Identifier>urn:o</r:Identifier>{inside}</r:Offer>");
    let endpoint = "<r:Endpoint><a:Address>urn:back</a:Address></r:Endpoint>";
    let none = r#"create urn:back None None None"#;
    let offered = r#"create urn:back None Some(("urn:o", None, None)) None"#;
    let offered_11 = r#"create urn:back None Some(("urn:o", Some("urn:back"), None)) None"#;
    let behavior = |value: &str| format!("<r:IncompleteSequenceBehavior>{value}</r:IncompleteSequenceBehavior>");
    let (missing, soap, value, identifier) = {
        let [missing, soap, value, identifier] = REFUSED.map(refused);
        (missing, soap, value, identifier)
    };
    let differs = refused("EndpointDiffers");
    let expires = "<r:Expires>PT1M</r:Expires>";
    let metadata = "<r:AcksTo><a:Metadata/><a:Address>urn:back</a:Address><a:ReferenceParameters><x:y/>\
                    </a:ReferenceParameters></r:AcksTo>";
    let rows: Vec<(String, &str, &str)> = vec![
        (ACKS_TO.to_owned(), none, none),
        (metadata.to_owned(), none, none),
        (format!("{ACKS_TO}<x:y/><x:z/>"), none, none),
        (String::new(), &missing, &missing),
        ("<x:y/>".to_owned() + ACKS_TO, &missing, &missing),
        ("<r:AcksTo/>".to_owned(), &soap, &soap),
        ("<r:AcksTo><a:Address/></r:AcksTo>".to_owned(), &value, &value),
        ("<r:AcksTo><a:Address>urn:elsewhere</a:Address></r:AcksTo>".to_owned(), "differs", "differs"),
        (format!("{ACKS_TO}{expires}"), r#"create urn:back Some("PT1M") None None"#, ""),
        (format!("{ACKS_TO}<r:Expires>soon</r:Expires>"), &value, &value),
        (format!("{ACKS_TO}<r:Expires>-PT1M</r:Expires>"), &value, &value),
        (format!("{ACKS_TO}<r:Expires/>"), &value, &value),
        (format!("{ACKS_TO}<r:Offer/>"), &missing, &missing),
        (format!("{ACKS_TO}<r:Offer><r:Identifier/></r:Offer>"), &identifier, &identifier),
        (offer(""), offered, &missing),
        (offer(endpoint), offered, offered_11),
        // gSOAP's, in February 2005.
        (offer("<r:Endpoint><a:Address/></r:Endpoint>"), offered, &value),
        (offer("<r:Endpoint><a:Address>urn:other</a:Address></r:Endpoint>"), offered, &differs),
        (
            offer(&(endpoint.to_owned() + expires)),
            offered,
            r#"create urn:back None Some(("urn:o", Some("urn:back"), Some(60s))) None"#,
        ),
        (offer(expires), r#"create urn:back None Some(("urn:o", None, Some(60s))) None"#, &missing),
        (offer(&(endpoint.to_owned() + &behavior("NoDiscard"))), offered, offered_11),
        (offer(&(endpoint.to_owned() + &behavior("DiscardEntireSequence"))), offered, offered_11),
        (offer(&(endpoint.to_owned() + &behavior("DiscardFollowingFirstGap"))), offered, offered_11),
        (offer(&(endpoint.to_owned() + &behavior("discardall"))), offered, &value),
        (offer(&(endpoint.to_owned() + &behavior(""))), offered, &value),
        (offer(&(endpoint.to_owned() + "<x:y/>" + &behavior("discardall"))), offered, offered_11),
        (ACKS_TO.to_owned() + "<x:y/><r:Offer/>", none, none),
    ];
    for (inside, feb, v11) in &rows {
        let expected = |text: &str| if text == "differs" { refused("AcksToDiffers") } else { text.to_owned() };
        assert_eq!(create(FEB, inside), expected(feb), "{inside}");
        assert_eq!(create(V11, inside), expected(if v11.is_empty() { feb } else { v11 }), "1.1 {inside}");
    }
    let long = |len: usize| {
        let id = "i".repeat(len);
        create(FEB, &format!("{ACKS_TO}<r:Offer><r:Identifier>{id}</r:Identifier></r:Offer>"))
    };
    assert!(long(128).starts_with("create urn:back None Some"));
    assert_eq!(long(129), identifier);
}

#[test]
fn the_token_of_create_sequence() {
    let reference =
        |attributes: &str| format!("<o:SecurityTokenReference><o:Reference {attributes}/></o:SecurityTokenReference>");
    let sct = "ValueType='http://schemas.xmlsoap.org/ws/2005/02/sc/sct'";
    let named = r#"create urn:back None None Some("urn:t")"#;
    let unnamed = r#"create urn:back None None Some("")"#;
    for (behind, expected) in [
        (reference(&format!("URI='urn:t' {sct}")), named),
        (reference("URI='urn:t' ValueType='http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512/sct'"), named),
        (reference("URI='urn:t'"), named),
        (reference("URI='#t'"), unnamed),
        (reference("URI='urn:t' ValueType='urn:other'"), unnamed),
        (reference(sct), unnamed),
        ("<o:SecurityTokenReference/>".to_owned(), unnamed),
        ("<o:SecurityTokenReference><x:y/></o:SecurityTokenReference>".to_owned(), unnamed),
        // Anywhere among the extensions, and the first that names one.
        (format!("<x:y/>{}<x:z/>", reference("URI='urn:t'")), named),
        (reference("URI='#t'") + &reference("URI='urn:t'") + &reference("URI='urn:u'"), named),
    ] {
        for versions in BOTH {
            assert_eq!(create(*versions, &format!("{ACKS_TO}{behind}")), expected, "{behind}");
        }
    }
}

#[test]
fn around_create_sequence() {
    let body = format!("<r:CreateSequence>{ACKS_TO}</r:CreateSequence>");
    let whole = |versions, headers: &str, body: &str| protocol(versions, "CreateSequence", headers, body);
    let none = "create urn:back None None None";
    for versions in BOTH {
        let versions = *versions;
        assert_eq!(whole(versions, REQUEST, ""), "EmptyBody -> CreateSequenceRefused");
        assert_eq!(whole(versions, REQUEST, "text"), "Soap -> CreateSequenceRefused");
        assert_eq!(whole(versions, REQUEST, "<x:y/>"), "Missing -> CreateSequenceRefused");
        assert_eq!(whole(versions, REQUEST, &format!("{body}<x:y/>")), "Misplaced -> CreateSequenceRefused");
        assert_eq!(whole(versions, REQUEST, &format!("<!-- -->{body} ")), none);
        let to = "<a:ReplyTo><a:Address>urn:back</a:Address></a:ReplyTo>";
        assert_eq!(whole(versions, to, &body), "NoHeader -> AddressingHeaderRequired");
        // WCF does not look at these blocks here, not even at whether they make sense to the sequence.
        assert_eq!(whole(versions, &format!("{REQUEST}{}", wish("urn:1")), &body), none);
        let marked = "<r:Sequence s:mustUnderstand='1'><r:Identifier>urn:1</r:Identifier>\
                      <r:MessageNumber>1</r:MessageNumber></r:Sequence>";
        assert_eq!(whole(versions, &format!("{REQUEST}{marked}"), &body), format!("not understood {none}"));
    }
    let uses = "<r:UsesSequenceSTR s:mustUnderstand='1'/><r:UsesSequenceSSL/>";
    assert_eq!(whole(V11, &format!("{REQUEST}{uses}"), &body), format!("STR SSL {none}"));
    assert_eq!(whole(FEB, &format!("{REQUEST}{uses}"), &body), format!("not understood {none}"));
    let twice = "<r:UsesSequenceSTR/><r:UsesSequenceSTR/>";
    assert_eq!(whole(V11, &format!("{REQUEST}{twice}"), &body), "Duplicate -> MustUnderstand");
    let full = "<r:UsesSequenceSTR>x</r:UsesSequenceSTR>";
    assert_eq!(whole(V11, &format!("{REQUEST}{full}"), &body), "Value -> CreateSequenceRefused");
    // Without ReplyTo: anonymous in 1.0, an error in 2004/08.
    let id = "<a:MessageID>urn:m</a:MessageID>";
    for (addressing, expected) in [
        (AddressingVersion::Wsa10, "create http://www.w3.org/2005/08/addressing/anonymous None None None"),
        (AddressingVersion::August2004, "NoHeader -> AddressingHeaderRequired"),
    ] {
        let versions = Versions { addressing, ..FEB };
        let body = body.replace("urn:back", addressing.anonymous());
        assert_eq!(whole(versions, id, &body), expected);
    }
}

#[test]
fn the_other_bodies() {
    let body = |local: &str, inside: &str| format!("<r:{local}>{inside}</r:{local}>");
    let id = "<r:Identifier>urn:1</r:Identifier>";
    let related = "<a:RelatesTo>urn:m</a:RelatesTo>";
    let last = |number: &str| format!("{id}<r:LastMsgNumber>{number}</r:LastMsgNumber>");
    for (versions, local, headers, inside, expected) in [
        (V11, "CloseSequence", REQUEST, id.to_owned(), "end urn:1 None"),
        (V11, "CloseSequence", REQUEST, last("3"), "end urn:1 Some(3)"),
        (V11, "CloseSequence", REQUEST, last("0"), "Number -> Nothing"),
        (V11, "CloseSequence", REQUEST, last("9223372036854775808"), "Number -> Nothing"),
        (V11, "CloseSequence", REQUEST, format!("{id}<x:y/>"), "end urn:1 None"),
        (V11, "CloseSequence", REQUEST, String::new(), "Missing -> Nothing"),
        (V11, "CloseSequence", "", id.to_owned(), "NoHeader -> AddressingHeaderRequired"),
        (V11, "TerminateSequence", REQUEST, last("3"), "end urn:1 Some(3)"),
        (V11, "TerminateSequence", "", id.to_owned(), "NoHeader -> AddressingHeaderRequired"),
        // February 2005 asks for no answer, and has no LastMsgNumber.
        (FEB, "TerminateSequence", "", id.to_owned(), "end urn:1 None"),
        (FEB, "TerminateSequence", "", last("x"), "end urn:1 None"),
        (FEB, "TerminateSequence", "", "<r:Identifier/>".to_owned(), "Identifier -> Nothing"),
        (V11, "CloseSequenceResponse", related, id.to_owned(), "ended urn:1"),
        (V11, "CloseSequenceResponse", "", id.to_owned(), "NoHeader -> AddressingHeaderRequired"),
        (V11, "TerminateSequenceResponse", related, format!("{id}<x:y/>"), "ended urn:1"),
        (V11, "TerminateSequenceResponse", "", id.to_owned(), "NoHeader -> AddressingHeaderRequired"),
        (FEB, "CreateSequenceResponse", related, id.to_owned(), "created urn:1 None"),
        (FEB, "CreateSequenceResponse", "", id.to_owned(), "NoHeader -> AddressingHeaderRequired"),
        (FEB, "CreateSequenceResponse", related, "<r:Identifier> </r:Identifier>".to_owned(), "Identifier -> Nothing"),
        (
            V11,
            "CreateSequenceResponse",
            related,
            format!(
                "{id}<r:Expires>P1DT2H</r:Expires><r:IncompleteSequenceBehavior>NoDiscard\
                     </r:IncompleteSequenceBehavior><r:Accept>{ACKS_TO}<x:y/></r:Accept><x:z/>"
            ),
            r#"created urn:1 Some("urn:back")"#,
        ),
        (
            V11,
            "CreateSequenceResponse",
            related,
            format!("{id}<r:IncompleteSequenceBehavior>x</r:IncompleteSequenceBehavior>"),
            "Value -> Nothing",
        ),
        (FEB, "CreateSequenceResponse", related, format!("{id}<r:Accept/>"), "Missing -> Nothing"),
    ] {
        assert_eq!(protocol(versions, local, headers, &body(local, &inside)), expected, "{local} {inside}");
    }
    for versions in BOTH {
        let twice = body("TerminateSequence", id).repeat(2);
        assert_eq!(protocol(*versions, "TerminateSequence", REQUEST, &twice), "Misplaced -> Nothing");
        assert_eq!(protocol(*versions, "TerminateSequence", REQUEST, ""), "EmptyBody -> Nothing");
        // Nobody reads the body of these.
        assert_eq!(protocol(*versions, "AckRequested", &wish("urn:1"), "text<x:y/>"), "wish urn:1");
    }
    // Actions that only the other version has.
    assert_eq!(protocol(FEB, "CloseSequence", REQUEST, &body("CloseSequence", id)), STRANGER);
    assert_eq!(protocol(V11, "LastMessage", "", ""), STRANGER_11);
}

#[test]
fn durations() {
    let expires = |text: &str| {
        let offer = format!("<r:Offer><r:Identifier>urn:o</r:Identifier><r:Expires>{text}</r:Expires></r:Offer>");
        let found = create(FEB, &format!("{ACKS_TO}{offer}"));
        found.split("None, Some(").nth(1).map(|rest| rest.split(')').next().unwrap().to_owned())
    };
    for (text, expected) in [
        ("PT1M", Some("60s")),
        ("PT00H01M00S", Some("60s")),
        ("P1Y2M3DT4H5M6.789S", Some("36993906.789s")),
        (" PT0S ", Some("0ns")),
        ("PT1.5S", Some("1.5s")),
        ("PT1.23456S", Some("1.234s")),
        ("PT&#49;S", Some("1s")),
        ("P", None),
        ("PT", None),
        ("P1DT", None),
        ("PT1", None),
        ("P1S", None),
        ("PT1M1H", None),
        ("PT1M1M", None),
        ("PT1.S", None),
        ("PT.5S", None),
        ("PT1.5M", None),
        ("P1DT1HT1S", None),
        ("PT99999999999999999999S", None),
        ("P99999999999999Y", None),
        ("-PT1S", None),
        ("1M", None),
    ] {
        assert_eq!(expires(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn envelopes() {
    let message = envelope(FEB, &format!("<a:Action>urn:x</a:Action>{}", wish("urn:1&amp;2")), "<x:y/>");
    let read = |bytes: &[u8], versions, scratch: &mut [u8]| {
        let result = Arrival::read_envelope(bytes, versions, &Limits::default(), scratch);
        outcome(&result.map(|(arrival, parts)| (arrival, parts.must_understand.is_some())))
    };
    assert_eq!(read(&message, FEB, &mut [0; 7]), "wish urn:1&2");
    assert_eq!(read(&message, FEB, &mut [0; 6]), "Scratch -> Nothing");
    let soap11 = Versions { soap: SoapVersion::Soap11, ..FEB };
    assert_eq!(read(&message, soap11, &mut []), "NotSoap -> Nothing");
    assert_eq!(read(b"<x/>", FEB, &mut []), "NotSoap -> Nothing");
    assert_eq!(read(b"", FEB, &mut []), "Soap -> Nothing");
    let text = String::from_utf8(message).unwrap();
    for (from, to, expected) in [
        ("</s:Body>", "</s:Body><s:Body/>", "NotSoap -> Nothing"),
        ("</s:Header>", "</s:Header><x:y/>", "NotSoap -> Nothing"),
        ("</s:Envelope>", "</s:Envelope><x/>", "Soap -> Nothing"),
        ("</s:Envelope>", "", "Soap -> Nothing"),
        ("<s:Header>", "<s:Header>text", "Soap -> Nothing"),
        ("<x:y/>", "<x:y/>text", "wish urn:1&2"),
        ("<s:Body><x:y/></s:Body>", "<s:Body/>", "wish urn:1&2"),
    ] {
        assert!(text.contains(from));
        assert_eq!(read(text.replacen(from, to, 1).as_bytes(), FEB, &mut [0; 9]), expected, "{from} {to}");
    }
    let body = "<s:Body><x:y/></s:Body></s:Envelope>";
    let headless = text.split("<s:Header>").next().unwrap().to_owned() + body;
    assert_eq!(read(headless.as_bytes(), FEB, &mut []), "NoHeader -> AddressingHeaderRequired");
}
