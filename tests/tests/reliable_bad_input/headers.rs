//! Header blocks.

use super::{BOTH, FEB, STRANGER, STRANGER_11, V11, check_headers, read, wish};
use soap_session_core::reliable::MAX_MESSAGE_NUMBER;

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
