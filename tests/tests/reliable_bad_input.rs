//! What a peer may write and what not: headers and bodies of WS-ReliableMessaging, each with what WCF does.
//!
//! Expected outcomes are those of WCF's reader. An outcome is either what was read, or the problem and WCF's answer.

use soap_session_core::reliable::{Arrival, MAX_MESSAGE_NUMBER, RmBody, RmFaultKind, RmReadError, RmVersion, Versions};
use soap_session_core::soap::{AddressingVersion, FaultCode, SoapVersion};
use soap_session_core::xml::Limits;
use std::fmt::Write as _;

const FEB: Versions =
    Versions { soap: SoapVersion::Soap12, addressing: AddressingVersion::Wsa10, reliable: RmVersion::February2005 };
const V11: Versions = Versions { reliable: RmVersion::V11, ..FEB };
const BOTH: &[Versions] = &[FEB, V11];

/// A message with these header blocks and this body, in which every namespace of use is declared.
fn envelope(versions: Versions, headers: &str, body: &str) -> Vec<u8> {
    let (s, a, r) = (versions.soap.namespace(), versions.addressing.namespace(), versions.reliable.namespace());
    format!(
        "<s:Envelope xmlns:s='{s}' xmlns:a='{a}' xmlns:r='{r}' xmlns:n='http://schemas.microsoft.com/ws/2006/05/rm' \
         xmlns:o='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd' xmlns:x='urn:x'>\
         <s:Header>{headers}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
    .into_bytes()
}

fn outcome(result: &Result<(Arrival<'_>, bool), RmReadError>) -> String {
    match result {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let problem = format!("{:?}", error.problem);
            let problem = problem.split([' ', '{', '(']).next().unwrap_or_default();
            let answer = format!("{:?}", error.answer);
            format!("{problem} -> {}", answer.split('(').next().unwrap_or_default())
        }
        Ok((arrival, strange)) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let mut out = String::new();
            if let Some(s) = arrival.sequence {
                write!(out, "seq {} {}{} ", text(s.identifier), s.number, if s.last { " last" } else { "" }).unwrap();
            }
            if let Some(ack) = &arrival.acknowledgement {
                write!(out, "ack {} [", text(ack.identifier)).unwrap();
                for range in ack.ranges.as_slice() {
                    write!(out, "{}-{},", range.lower, range.upper).unwrap();
                }
                write!(out, "]{}", if ack.is_final { " final" } else { "" }).unwrap();
                if let Some(remaining) = ack.buffer_remaining {
                    write!(out, " buffer {remaining}").unwrap();
                }
                out.push(' ');
            }
            if let Some(wish) = arrival.ack_requested {
                write!(out, "wish {} ", text(wish)).unwrap();
            }
            for (there, name) in [(arrival.uses_sequence_str, "STR "), (arrival.uses_sequence_ssl, "SSL ")] {
                out.push_str(if there { name } else { "" });
            }
            if *strange {
                out.push_str("not understood ");
            }
            match arrival.body {
                RmBody::None => {}
                RmBody::CreateSequence { acks_to, expires, offer, token } => {
                    let offer = offer.map(|o| (text(o.identifier), o.endpoint.map(text), o.expires));
                    write!(out, "create {} {:?} {offer:?} {:?}", text(acks_to), expires.map(text), token.map(text))
                        .unwrap();
                }
                RmBody::CreateSequenceResponse { identifier, accept_acks_to } => {
                    write!(out, "created {} {:?}", text(identifier), accept_acks_to.map(text)).unwrap();
                }
                RmBody::CloseSequence { identifier, last } | RmBody::TerminateSequence { identifier, last } => {
                    write!(out, "end {} {last:?}", text(identifier)).unwrap();
                }
                RmBody::CloseSequenceResponse { identifier } | RmBody::TerminateSequenceResponse { identifier } => {
                    write!(out, "ended {}", text(identifier)).unwrap();
                }
                RmBody::Fault(fault) => {
                    write!(out, "{:?} {:?} {:?}", fault.code, fault.kind, fault.identifier.map(text)).unwrap();
                }
            }
            out.trim_end().to_owned()
        }
    }
}

fn read(versions: Versions, headers: &str, body: &str) -> String {
    let message = envelope(versions, headers, body);
    let mut scratch = [0; 256];
    let result = Arrival::read_envelope(&message, versions, &Limits::default(), &mut scratch);
    outcome(&result.map(|(arrival, parts)| (arrival, parts.must_understand.is_some())))
}

/// Rows of versions, header blocks and what comes of them in an application's message.
fn check_headers(rows: &[(&[Versions], &str, &str)]) {
    for (versions, headers, expected) in rows {
        for versions in *versions {
            let found = read(*versions, &format!("<a:Action>urn:x</a:Action>{headers}"), "<x:y/>");
            assert_eq!(&found, expected, "{:?} {headers}", versions.reliable);
        }
    }
}

#[test]
fn sequence() {
    const ID: &str = "<r:Identifier>urn:1</r:Identifier>";
    let number = |number: &str| format!("<r:Sequence>{ID}<r:MessageNumber>{number}</r:MessageNumber></r:Sequence>");
    let wrong = "Number -> Nothing";
    let max = format!("seq urn:1 {MAX_MESSAGE_NUMBER}");
    for (value, expected) in [
        ("1", "seq urn:1 1"),
        (" 7\n", "seq urn:1 7"),
        ("0012", "seq urn:1 12"),
        // .NET reads a sign.
        ("+5", "seq urn:1 5"),
        ("9223372036854775807", max.as_str()),
        ("9223372036854775808", wrong),
        ("18446744073709551616", wrong),
        ("99999999999999999999999999999999", wrong),
        ("0", wrong),
        ("-1", wrong),
        ("-0", wrong),
        ("+", wrong),
        ("", wrong),
        (" ", wrong),
        ("1.0", wrong),
        ("1e3", wrong),
        ("0x10", wrong),
        ("1 2", wrong),
        ("++1", wrong),
        ("\u{0661}", wrong),
        ("1&#48;", "seq urn:1 10"),
        ("<x:y/>", "Soap -> Nothing"),
    ] {
        check_headers(&[(BOTH, &number(value), expected)]);
    }
    let whole = |inside: &str| format!("<r:Sequence s:mustUnderstand='1'>{inside}</r:Sequence>");
    const ONE: &str = "<r:MessageNumber>1</r:MessageNumber>";
    check_headers(&[
        (&[FEB], &whole(&format!("{ID}{ONE}<r:LastMessage/>")), "seq urn:1 1 last"),
        (&[FEB], &whole(&format!("{ID}{ONE}<r:LastMessage> </r:LastMessage>")), "seq urn:1 1 last"),
        (&[FEB], &whole(&format!("{ID}{ONE}<r:LastMessage>x</r:LastMessage>")), "Value -> Nothing"),
        // 1.1 has none: it is passed over like any extension. So is one behind an extension.
        (&[V11], &whole(&format!("{ID}{ONE}<r:LastMessage/>")), "seq urn:1 1"),
        (&[FEB], &whole(&format!("{ID}{ONE}<x:y/><r:LastMessage/>")), "seq urn:1 1"),
        (BOTH, &whole(&format!("{ID}{ONE}<x:y><r:Identifier/></x:y>")), "seq urn:1 1"),
        (BOTH, &whole(&format!("{ONE}{ID}")), "Missing -> Nothing"),
        (BOTH, &whole(&format!("<x:y/>{ID}{ONE}")), "Missing -> Nothing"),
        (BOTH, &whole(ID), "Missing -> Nothing"),
        (BOTH, &whole(""), "Missing -> Nothing"),
        (BOTH, &whole(&format!("text{ID}{ONE}")), "Soap -> Nothing"),
        (BOTH, &whole(&format!("<r:Identifier/>{ONE}")), "Identifier -> Nothing"),
        (BOTH, &whole(&format!("<r:Identifier>\n urn:1 </r:Identifier>{ONE}")), "seq urn:1 1"),
        (BOTH, &whole(&format!("<r:Identifier>urn:&#49;&amp;2</r:Identifier>{ONE}")), "seq urn:1&2 1"),
        (BOTH, &whole(&format!("<r:Identifier>urn<!-- -->:1</r:Identifier>{ONE}")), "Soap -> Nothing"),
        (BOTH, &format!("{0}{0}", whole(&format!("{ID}{ONE}"))), "Duplicate -> MustUnderstand"),
        // Not for us: then nothing is left of reliable messaging.
        (&[FEB], &format!("<r:Sequence s:role='urn:other'>{ID}{ONE}</r:Sequence>"), STRANGER),
        (&[V11], &format!("<r:Sequence s:role='urn:other'>{ID}{ONE}</r:Sequence>"), STRANGER_11),
    ]);
    for (role, mine) in [
        ("", true),
        ("http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver", true),
        ("http://www.w3.org/2003/05/soap-envelope/role/next", true),
        ("http://www.w3.org/2003/05/soap-envelope/role/none", false),
    ] {
        let block = format!("<r:Sequence s:role='{role}'>{ID}{ONE}</r:Sequence>{}", wish("urn:2"));
        check_headers(&[(BOTH, &block, if mine { "seq urn:1 1 wish urn:2" } else { "wish urn:2" })]);
    }
}

/// What comes of a message without any sign of WS-ReliableMessaging.
const STRANGER: &str = "NotReliable -> ActionNotSupported";
const STRANGER_11: &str = "NotReliable -> WsrmRequired";

fn wish(identifier: &str) -> String {
    format!("<r:AckRequested><r:Identifier>{identifier}</r:Identifier></r:AckRequested>")
}

fn ack(inside: &str) -> String {
    format!("<r:SequenceAcknowledgement><r:Identifier>urn:1</r:Identifier>{inside}</r:SequenceAcknowledgement>")
}

fn range(lower: impl std::fmt::Display, upper: impl std::fmt::Display) -> String {
    format!("<r:AcknowledgementRange Lower='{lower}' Upper='{upper}'/>")
}

#[test]
fn acknowledgement_ranges() {
    let wrong = "Range -> Nothing";
    let max = MAX_MESSAGE_NUMBER;
    for (ranges, feb, v11) in [
        (range(1, 1), "ack urn:1 [1-1,]", "ack urn:1 [1-1,]"),
        (range(" 1", "+2 "), "ack urn:1 [1-2,]", "ack urn:1 [1-2,]"),
        (range(0, 0), "ack urn:1 []", wrong),
        (range(0, 0) + &range(1, 2), "ack urn:1 [1-2,]", wrong),
        (range(0, 1), wrong, wrong),
        (range(2, 1), wrong, wrong),
        (range(-1, 1), wrong, wrong),
        (range(1, ""), wrong, wrong),
        (range(1, "x"), wrong, wrong),
        (range(1, max), "ack urn:1 [1-9223372036854775807,]", "ack urn:1 [1-9223372036854775807,]"),
        (range(1, max + 1), wrong, wrong),
        (range(max, max) + &range(1, 1), "ack urn:1 [1-1,9223372036854775807-9223372036854775807,]", ""),
        ("<r:AcknowledgementRange Lower='1'/>".to_owned(), wrong, wrong),
        ("<r:AcknowledgementRange Upper='1'/>".to_owned(), wrong, wrong),
        ("<r:AcknowledgementRange r:Lower='1' r:Upper='1'/>".to_owned(), wrong, wrong),
        ("<r:AcknowledgementRange Upper='3' Lower='1'></r:AcknowledgementRange>".to_owned(), "ack urn:1 [1-3,]", ""),
        ("<r:AcknowledgementRange Upper='3' Lower='1'>x</r:AcknowledgementRange>".to_owned(), "Value -> Nothing", ""),
        (
            "<r:AcknowledgementRange Upper='3' Lower='1'><x:y/></r:AcknowledgementRange>".to_owned(),
            "Soap -> Nothing",
            "",
        ),
        // In any order, overlapping and touching.
        (range(5, 9) + &range(1, 2) + &range(3, 4), "ack urn:1 [1-9,]", ""),
        (range(1, 5) + &range(3, 8) + &range(1, 5), "ack urn:1 [1-8,]", ""),
        (range(1, 1) + &range(3, 3), "ack urn:1 [1-1,3-3,]", ""),
    ] {
        check_headers(&[(&[FEB], &ack(&ranges), feb)]);
        check_headers(&[(&[V11], &ack(&ranges), if v11.is_empty() { feb } else { v11 })]);
    }
    let many = |count: u64| (0..count).map(|n| range(2 * n + 1, 2 * n + 1)).collect::<String>();
    let most = (0..128).map(|n| format!("{0}-{0},", 2 * n + 1)).collect::<String>();
    check_headers(&[
        (BOTH, &ack(&many(128)), &format!("ack urn:1 [{most}]")),
        (BOTH, &ack(&many(129)), "TooManyRanges -> Nothing"),
        (BOTH, &ack(&(many(128) + &range(1, 255))), "ack urn:1 [1-255,]"),
        (BOTH, &ack(&(1..=129).map(|n| range(n, n)).collect::<String>()), "ack urn:1 [1-129,]"),
    ]);
}

#[test]
fn the_rest_of_an_acknowledgement() {
    let (one, misplaced, missing) = (range(1, 1), "Misplaced -> Nothing", "Missing -> Nothing");
    let buffer = |value: &str| format!("<n:BufferRemaining>{value}</n:BufferRemaining>");
    let nack = |value: &str| format!("<r:Nack>{value}</r:Nack>");
    let number = "Number -> Nothing";
    for (inside, feb, v11) in [
        (String::new(), missing, missing),
        ("<x:y/>".to_owned(), missing, missing),
        (buffer("1"), missing, missing),
        ("<r:None/>".to_owned(), missing, "ack urn:1 []"),
        ("<r:None/><r:Final/>".to_owned(), missing, "ack urn:1 [] final"),
        ("<r:None/><r:None/>".to_owned(), missing, misplaced),
        ("<r:None>x</r:None>".to_owned(), missing, "Value -> Nothing"),
        (format!("<r:None/>{one}"), missing, misplaced),
        // February 2005 knows neither None nor Final: they are extensions, and no range may follow one.
        (format!("{one}<r:None/>"), "ack urn:1 [1-1,]", misplaced),
        (format!("{one}<r:Final/>"), "ack urn:1 [1-1,]", "ack urn:1 [1-1,] final"),
        (format!("{one}<r:Final/>{one}"), misplaced, misplaced),
        (format!("{one}<r:Final/><r:Final/>"), "ack urn:1 [1-1,]", misplaced),
        // gSOAP's order.
        (format!("<r:Final/>{one}"), missing, "ack urn:1 [1-1,] final"),
        ("<r:Final/><r:None/>".to_owned(), missing, "ack urn:1 [] final"),
        ("<r:Final/>".to_owned(), missing, missing),
        (format!("<r:Final/><x:y/>{one}"), missing, missing),
        (format!("{one}<x:y/>{one}"), misplaced, misplaced),
        (format!("{one}<x:y/><r:Final/>"), "ack urn:1 [1-1,]", misplaced),
        (format!("{one}<x:y/><r:None/>"), "ack urn:1 [1-1,]", misplaced),
        (format!("{one}<x:y/>{}", buffer("3")), "ack urn:1 [1-1,] buffer 3", ""),
        (format!("{one}{}<x:y/>", buffer("3")), "ack urn:1 [1-1,] buffer 3", ""),
        (format!("{one}{}{one}", buffer("3")), misplaced, ""),
        (format!("{one}{}{}", buffer("3"), buffer("3")), misplaced, ""),
        (format!("{one}{}", buffer("0")), "ack urn:1 [1-1,] buffer 0", ""),
        (format!("{one}{}", buffer("4097")), "ack urn:1 [1-1,] buffer 4097", ""),
        (format!("{one}{}", buffer("2147483647")), "ack urn:1 [1-1,] buffer 2147483647", ""),
        (format!("{one}{}", buffer("2147483648")), number, ""),
        (format!("{one}{}", buffer("-1")), number, ""),
        (format!("{one}{}", buffer("")), number, ""),
        // The same name in another namespace is an extension.
        (format!("{one}<r:BufferRemaining>x</r:BufferRemaining>"), "ack urn:1 [1-1,]", ""),
        // Nack is read, and of no consequence.
        (nack("1"), "ack urn:1 []", ""),
        (nack("0") + &nack("7"), "ack urn:1 []", ""),
        (nack("x"), number, ""),
        (nack("1") + &buffer("2"), "ack urn:1 [] buffer 2", ""),
        (nack("1") + &one, misplaced, ""),
        (one.clone() + &nack("1"), misplaced, ""),
        (nack("1") + "<x:y/>" + &nack("1"), misplaced, ""),
    ] {
        check_headers(&[(&[FEB], &ack(&inside), feb)]);
        check_headers(&[(&[V11], &ack(&inside), if v11.is_empty() { feb } else { v11 })]);
    }
    check_headers(&[
        (BOTH, &format!("{0}{0}", ack(&one)), "Duplicate -> MustUnderstand"),
        (BOTH, "<r:SequenceAcknowledgement/>", missing),
        (BOTH, &format!("<r:SequenceAcknowledgement>{one}</r:SequenceAcknowledgement>"), missing),
    ]);
}

#[test]
fn the_wish_for_an_acknowledgement_and_other_blocks() {
    let with = |inside: &str| format!("<r:AckRequested><r:Identifier>urn:1</r:Identifier>{inside}</r:AckRequested>");
    let sequence = "<r:Sequence><r:Identifier>urn:1</r:Identifier><r:MessageNumber>1</r:MessageNumber></r:Sequence>";
    check_headers(&[
        (BOTH, &with(""), "wish urn:1"),
        (BOTH, &with("<x:y/>"), "wish urn:1"),
        (BOTH, &with("<r:MessageNumber>0</r:MessageNumber>"), "wish urn:1"),
        (&[FEB], &with("<r:MessageNumber>x</r:MessageNumber>"), "Number -> Nothing"),
        (&[V11], &with("<r:MessageNumber>x</r:MessageNumber>"), "wish urn:1"),
        (BOTH, "<r:AckRequested/>", "Missing -> Nothing"),
        (BOTH, &(with("") + &with("")), "Duplicate -> MustUnderstand"),
        // All three, in any order.
        (BOTH, &(with("") + sequence + &ack(&range(1, 1))), "seq urn:1 1 ack urn:1 [1-1,] wish urn:1"),
        (BOTH, &(ack(&range(1, 1)) + &with("") + sequence), "seq urn:1 1 ack urn:1 [1-1,] wish urn:1"),
        // These belong to CreateSequence.
        (BOTH, &format!("{sequence}<r:UsesSequenceSTR/>"), "seq urn:1 1"),
        (BOTH, &format!("{sequence}<r:UsesSequenceSTR s:mustUnderstand='true'/>"), "seq urn:1 1 not understood"),
        (BOTH, &format!("{sequence}<r:Other s:mustUnderstand='1'/>"), "seq urn:1 1 not understood"),
        (BOTH, &format!("{sequence}<r:Other s:mustUnderstand='0'/>"), "seq urn:1 1"),
        (BOTH, &format!("{sequence}<x:y s:mustUnderstand='1'/>"), "seq urn:1 1 not understood"),
        (BOTH, &format!("{sequence}<x:y s:mustUnderstand='1' s:role='urn:z'/>"), "seq urn:1 1"),
        (BOTH, &format!("{sequence}<a:Action>twice</a:Action>"), "Soap -> InvalidAddressingHeader"),
        // SOAP 1.2 has none.
        (BOTH, &format!("{sequence}<r:SequenceFault/>"), "seq urn:1 1"),
        (&[FEB], "", STRANGER),
        (&[V11], "", STRANGER_11),
    ]);
    let no_action = |versions| (read(versions, "", "<x:y/>"), read(versions, sequence, "<x:y/>"));
    assert_eq!(no_action(FEB), ("NoHeader -> AddressingHeaderRequired".to_owned(), "seq urn:1 1".to_owned()));
    assert_eq!(no_action(V11), (STRANGER_11.to_owned(), "seq urn:1 1".to_owned()));
    let crowd = "<x:y/>".repeat(31);
    check_headers(&[(BOTH, &format!("{}{}", with(""), &crowd[6..]), "wish urn:1")]);
    check_headers(&[(BOTH, &format!("{}{crowd}", with("")), "TooManyHeaders -> Nothing")]);
}

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
    assert!(long(96).starts_with("create urn:back None Some"));
    assert_eq!(long(97), identifier);
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
