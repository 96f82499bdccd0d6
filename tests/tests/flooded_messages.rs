//! Floods: every bound on what a peer may make us read is exact, through `open` as through the reader.

use soap_session_core::secure::{Element, Refusal, WireFault};
use soap_session_core::xml::{Error, ErrorKind, Limits, Quota, Reader};
use soap_session_tests::assert_refused;
use soap_session_tests::opening::{Case, swap};

fn with_header(text: &str, block: &str) -> String {
    swap(text, "<s:Header>", &format!("<s:Header>{block}"))
}

fn with_child(text: &str, child: &str) -> String {
    swap(text, "<u:Timestamp", &format!("{child}<u:Timestamp"))
}

/// Asserts that the bytes are refused as XML, over this quota. They never were a message: no fault answers them.
#[track_caller]
fn over(case: &Case, text: impl AsRef<[u8]>, quota: Quota, limit: u32, found: u32) {
    let refusal = case.open(text).unwrap_err();
    let expected = ErrorKind::OverLimit { quota, limit, found };
    assert!(matches!(refusal, Refusal::Xml(Error { kind, .. }) if kind == expected), "{refusal:?}");
    assert_eq!(refusal.wire(), WireFault::None);
}

#[test]
fn header_blocks() {
    // The messages have four beside Security.
    for case in [Case::request(), Case::cancel()] {
        let block = |count: usize| with_header(&case.text, &"<x:H xmlns:x=\"urn:x\"/>".repeat(count));
        assert_eq!(case.open(block(28)).unwrap().headers.len(), 32);
        for count in [29, 30, 500] {
            let answer = case.open(block(count));
            assert_refused!(answer, Refusal::TooMany { element: Element::HeaderBlock, limit: 32 });
        }
    }
}

#[test]
fn children_of_the_security_header() {
    let case = Case::cancel();
    let children = |count: usize| with_child(&case.text, &"<x:C xmlns:x=\"urn:x\"/>".repeat(count));
    case.open(children(20)).unwrap();
    for count in [21, 22, 500] {
        assert_refused!(case.open(children(count)), Refusal::TooMany { element: Element::Security, limit: 24 });
    }
}

#[test]
fn ids() {
    // Four headers, the body, Timestamp and two tokens have one each.
    let case = Case::cancel();
    let ids = |count: usize| -> String { (0..count).map(|n| format!("<x u:Id=\"x{n}\"/>")).collect() };
    let block = |count| with_header(&case.text, &format!("<x:H xmlns:x=\"urn:x\">{}</x:H>", ids(count)));
    let child = |count| with_child(&case.text, &format!("<x:C xmlns:x=\"urn:x\">{}</x:C>", ids(count)));
    case.open(block(88)).unwrap();
    case.open(child(88)).unwrap();
    let limit = 96;
    for text in [block(89), child(89), block(1000), child(1000)] {
        assert_refused!(case.open(text), Refusal::TooMany { element: Element::HeaderBlock, limit: found } if found == limit);
    }
}

#[test]
fn listed_data() {
    let case = Case::request();
    let item = "<e:DataReference URI=\"#_6\"/>";
    let listed = |count: usize| case.open(swap(&case.text, item, &item.repeat(count)));
    listed(15).unwrap();
    assert_refused!(listed(16), Refusal::TooMany { element: Element::ReferenceList, limit: 16 });
    assert_refused!(listed(900), Refusal::TooMany { element: Element::ReferenceList, limit: 16 });
}

#[test]
fn contexts() {
    let mut case = Case::cancel();
    let token = |n: u8| {
        format!(
            "<c:SecurityContextToken u:Id=\"t{n}\" xmlns:c=\"http://schemas.xmlsoap.org/ws/2005/02/sc\">\
             <c:Identifier>urn:{n}</c:Identifier></c:SecurityContextToken>"
        )
    };
    for n in 0..3 {
        case.keys.know(&format!("urn:{n}"), &[n; 32]);
    }
    case.open(with_child(&case.text, &token(0))).unwrap();
    let three = with_child(&case.text, &format!("{}{}", token(0), token(1)));
    assert_refused!(case.open(three), Refusal::TooMany { element: Element::SecurityContextToken, limit: 2 });
}

#[test]
fn depth() {
    // Envelope and Header, or Envelope, Header and Security, or Envelope and Body, stand above.
    let nested = |depth: usize| format!("{}{}", "<d>".repeat(depth), "</d>".repeat(depth));
    let case = Case::cancel();
    case.open(with_header(&case.text, &nested(30))).unwrap();
    case.open(with_child(&case.text, &nested(29))).unwrap();
    for text in [with_header(&case.text, &nested(31)), with_child(&case.text, &nested(30))] {
        over(&case, text, Quota::Depth, 32, 33);
    }
    over(&case, swap(&case.text, "<t:CancelTarget>", &format!("<t:CancelTarget>{}", nested(29))), Quota::Depth, 32, 33);
    over(&case, with_header(&case.text, &"<d>".repeat(10_000)), Quota::Depth, 32, 33);
    let deeper = Case { limits: Limits { depth: 33, ..Limits::default() }, ..case.clone() };
    deeper.open(with_header(&case.text, &nested(31))).unwrap();
    over(&deeper, with_header(&case.text, &nested(32)), Quota::Depth, 33, 34);
}

#[test]
fn attributes_and_namespaces() {
    let case = Case::cancel();
    let attributes = |count: usize| -> String { (0..count).map(|n| format!(" a{n}=\"\"")).collect() };
    case.open(with_header(&case.text, &format!("<h{}/>", attributes(64)))).unwrap();
    over(&case, with_header(&case.text, &format!("<h{}/>", attributes(65))), Quota::Attributes, 64, 65);
    // Three are declared on the envelope.
    let declared = |count: usize| -> String { (0..count).map(|n| format!(" xmlns:n{n}=\"urn:{n}\"")).collect() };
    case.open(with_header(&case.text, &format!("<h{}/>", declared(61)))).unwrap();
    over(&case, with_header(&case.text, &format!("<h{}/>", declared(62))), Quota::Namespaces, 64, 65);
    let nested: String = (0..62).map(|n| format!("<h xmlns:n{n}=\"urn:{n}\">")).collect();
    let roomy = Case { limits: Limits { depth: 128, ..Limits::default() }, ..case.clone() };
    over(&roomy, with_header(&case.text, &nested), Quota::Namespaces, 64, 65);
}

#[test]
fn start_tags_and_names() {
    let case = Case::cancel();
    let tag = |len: usize| format!("<h a=\"{}\"/>", "x".repeat(len - "<h a=\"\"/>".len()));
    case.open(with_header(&case.text, &tag(4096))).unwrap();
    over(&case, with_header(&case.text, &tag(4097)), Quota::StartTag, 4096, 4097);
    let limits = Limits { name_table_chars: 100, ..Limits::default() };
    let short = Case { limits, ..case.clone() };
    short.open(with_header(&case.text, &format!("<{}/>", "h".repeat(100)))).unwrap();
    over(&short, with_header(&case.text, &format!("<{}/>", "h".repeat(101))), Quota::Name, 100, 101);
}

#[test]
fn message() {
    let case = Case::cancel();
    let sized = |len: usize| {
        let mut bytes = case.text.clone().into_bytes();
        bytes.resize(len, b' ');
        bytes
    };
    case.open(sized(65_536)).unwrap();
    over(&case, sized(65_537), Quota::Message, 65_536, 65_537);
    // Whatever is in the way: nothing of a message over its size is looked at.
    over(&case, vec![0xFF; 100_000], Quota::Message, 65_536, 100_000);
    let exact = Limits { message: u32::try_from(case.text.len()).unwrap(), ..Limits::default() };
    Case { limits: exact, ..case.clone() }.open(&case.text).unwrap();
}

#[test]
fn string_content_bounds_what_is_read_and_not_what_is_passed_on() {
    let case = Case::cancel();
    let long = "x".repeat(8193);
    // Text that nobody reads is bounded by the message only: ciphertext is such text, and application data.
    case.open(with_header(&case.text, &format!("<h>{long}</h>"))).unwrap();
    let heard = case.forged(|text| swap(text, "<t:RequestType>", &format!("<t:Other>{long}</t:Other><t:RequestType>")));
    let body = heard.unwrap().body;
    // Whoever reads it, reads within the quota.
    let limits = Limits::default();
    for (len, fits) in [(8192, true), (8193, false)] {
        let text = format!("<a>{}</a>", "x".repeat(len));
        let mut reader = Reader::document(text.as_bytes(), &limits).unwrap();
        reader.next_element().unwrap().unwrap();
        let read = reader.text();
        let kind = ErrorKind::OverLimit { quota: Quota::String, limit: 8192, found: 8193 };
        assert_eq!(read.map(|text| text.raw().len()).map_err(|e| e.kind), if fits { Ok(len) } else { Err(kind) });
    }
    assert!(body.windows(long.len()).any(|window| window == long.as_bytes()));
}

#[test]
fn not_soap() {
    let case = Case::cancel();
    for text in ["<a/>", "<Envelope/>", "<s:Envelope xmlns:s=\"urn:other\"><s:Body/></s:Envelope>"] {
        let refusal = case.open(text).unwrap_err();
        assert_eq!((refusal, refusal.wire()), (Refusal::NotSoap, WireFault::None));
    }
    let soap = "xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"";
    for text in [format!("<s:Header {soap}/>"), format!("<s:Body {soap}/>")] {
        assert_eq!(case.open(text), Err(Refusal::NotSoap));
    }
    for text in [format!("<s:Envelope {soap}/>"), format!("<s:Envelope {soap}><s:Header/></s:Envelope>")] {
        assert_refused!(case.open(text), Refusal::Missing(Element::Body));
    }
    let unsecured = format!("<s:Envelope {soap}><s:Body/></s:Envelope>");
    assert_refused!(case.open(unsecured), Refusal::Missing(Element::Security));
    for text in ["", " ", "\u{feff}", "<", "<?xml version=\"1.0\"?>", "<!DOCTYPE a><a/>", "\u{0}"] {
        let refusal = case.open(text).unwrap_err();
        assert!(matches!(refusal, Refusal::Xml(_) | Refusal::NotSoap), "{text}: {refusal:?}");
        assert_eq!(refusal.wire(), WireFault::None);
    }
}
