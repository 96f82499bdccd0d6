//! Signature wrapping: an attacker without keys rearranges what was signed. Whatever stands where the receiver looks must
//! be what the signature covers.

use soap_session_core::crypto::AlgorithmSuite::Basic256;
use soap_session_core::secure::{Element, Encryption, ProtectionOrder, Refusal};
use soap_session_tests::assert_refused;
use soap_session_tests::opening::{Case, Kind, between, swap};

/// The element that starts with `open` and ends with `close`, tags and all.
fn element<'a>(text: &'a str, open: &str, close: &str) -> &'a str {
    let start = text.find(open).unwrap();
    let end = start + text[start..].find(close).unwrap() + close.len();
    &text[start..end]
}

fn body(text: &str) -> &str {
    element(text, "<s:Body", "</s:Body>")
}

fn wrapped(element: &str) -> String {
    format!("<w:Wrapper xmlns:w=\"urn:w\">{element}</w:Wrapper>")
}

/// Adds header blocks in front of the others.
fn with_header(text: &str, block: &str) -> String {
    swap(text, "<s:Header>", &format!("<s:Header>{block}"))
}

const EVIL: &str = "<s:Body u:Id=\"_9\"><evil xmlns=\"urn:evil\"/></s:Body>";

#[test]
fn signed_body_in_a_header_and_another_in_its_place() {
    for case in [Case::cancel(), Case::request()] {
        let signed = body(&case.text);
        let moved = with_header(&swap(&case.text, signed, EVIL), &wrapped(signed));
        if case.policy.body == Encryption::Required {
            assert_refused!(case.open(&moved), Refusal::NotEncrypted(Element::Body));
        } else {
            assert_refused!(case.open(&moved), Refusal::DanglingReference { .. });
        }
        // With the Id of the signed one, a signature could mean either.
        let twin = moved.replace("_9", "_0");
        assert_refused!(case.open(&twin), Refusal::DuplicateId { .. });
        // Directly in the header, as a block of its own: what the reference finds is not the body.
        let block = with_header(&swap(&case.text, signed, EVIL), signed);
        if case.policy.body == Encryption::Required {
            assert_refused!(case.open(&block), Refusal::NotEncrypted(Element::Body));
        } else {
            assert_refused!(case.open(&block), Refusal::NotSigned(Element::Body));
        }
    }
}

#[test]
fn body_in_the_header_and_none_outside() {
    let case = Case::cancel();
    let signed = body(&case.text);
    let moved = with_header(&swap(&case.text, signed, ""), signed);
    assert_refused!(case.open(moved), Refusal::Missing(Element::Body));
}

#[test]
fn signed_body_wrapped_in_the_new_body() {
    let case = Case::cancel();
    let signed = body(&case.text);
    let moved = swap(&case.text, signed, &format!("<s:Body u:Id=\"_9\">{signed}</s:Body>"));
    assert_refused!(case.open(moved), Refusal::DanglingReference { .. });
    let twin = swap(&case.text, signed, &format!("<s:Body u:Id=\"_0\">{signed}</s:Body>"));
    assert_refused!(case.open(twin), Refusal::DuplicateId { .. });
}

#[test]
fn second_body() {
    for case in [Case::cancel(), Case::request()] {
        let signed = body(&case.text);
        for pair in [format!("{signed}{EVIL}"), format!("{EVIL}{signed}")] {
            let answer = case.open(swap(&case.text, signed, &pair));
            assert_refused!(answer, Refusal::Repeated(Element::Body));
        }
        let twin = swap(&case.text, signed, &format!("{signed}{signed}"));
        assert_refused!(case.open(twin), Refusal::Repeated(Element::Body));
    }
}

#[test]
fn ciphertext_in_a_new_body_beside_evil() {
    let case = Case::request();
    let data = between(&case.text, "<s:Body u:Id=\"_0\">", "</s:Body>");
    let beside = swap(&case.text, data, &format!("{data}<evil xmlns=\"urn:evil\"/>"));
    assert_refused!(case.open(beside), Refusal::NotEncrypted(Element::Body));
    // Old ciphertext under an unsigned body: the signed one is gone.
    let moved = with_header(&swap(&case.text, "<s:Body u:Id=\"_0\">", "<s:Body>"), "<s:Body u:Id=\"_0\"></s:Body>");
    assert_refused!(case.open(moved), Refusal::Digest { element: Element::HeaderBlock });
}

#[test]
fn one_id_twice() {
    let case = Case::request();
    let text = &case.text;
    let copies = [
        with_header(text, "<x:H xmlns:x=\"urn:x\" u:Id=\"_2\"/>"),
        with_header(text, "<x:H xmlns:x=\"urn:x\"><x:Deep u:Id=\"_5\"/></x:H>"),
        // A bare Id counts where XML Signature or XML Encryption define it.
        with_header(text, "<x:Object xmlns:x=\"http://www.w3.org/2000/09/xmldsig#\" Id=\"_3\"/>"),
        swap(text, "<e:EncryptedData Id=\"_6\"", "<e:EncryptedData Id=\"_4\""),
        swap(text, "<e:EncryptedData Id=\"_1\"", "<e:EncryptedData Id=\"_2\""),
        swap(text, "</e:EncryptedData></s:Body>", "</e:EncryptedData><x u:Id=\"_2\"/></s:Body>"),
        text.replace("uuid-3f0ab3c5-a0ac-45e5-87e9-8afe06b273fb-9\"", "_2\""),
        text.replacen(
            "uuid-3f0ab3c5-a0ac-45e5-87e9-8afe06b273fb-8\"",
            "uuid-3f0ab3c5-a0ac-45e5-87e9-8afe06b273fb-7\"",
            1,
        ),
    ];
    for copy in copies {
        assert_refused!(case.open(copy), Refusal::DuplicateId { .. });
    }
}

#[test]
fn signed_header_wrapped_and_an_unsigned_one_in_its_place() {
    let request = Case::request();
    let reply = Case::cancel_reply();
    let headers = [
        (&request, "<a:Action", "</a:Action>", "<a:Action>urn:evil</a:Action>"),
        (&request, "<a:MessageID", "</a:MessageID>", "<a:MessageID>urn:evil</a:MessageID>"),
        (&request, "<a:To", "</a:To>", "<a:To>http://evil.example/</a:To>"),
        (&request, "<a:ReplyTo", "</a:ReplyTo>", "<a:ReplyTo><a:Address>http://evil.example/</a:Address></a:ReplyTo>"),
        (&reply, "<a:RelatesTo", "</a:RelatesTo>", "<a:RelatesTo>urn:evil</a:RelatesTo>"),
        (&reply, "<a:Action", "</a:Action>", "<a:Action>urn:evil</a:Action>"),
    ];
    for (case, open, close, evil) in headers {
        let signed = element(&case.text, open, close);
        let hidden = with_header(&swap(&case.text, signed, evil), &wrapped(signed));
        assert_refused!(case.open(&hidden), Refusal::DanglingReference { .. });
        // wsu:Id against Id: a name that other readers would follow is none here.
        let id = between(signed, "u:Id=\"", "\"");
        for attribute in ["Id", "xml:id", "ID"] {
            let bare = evil.replacen(">", &format!(" {attribute}=\"{id}\">"), 1);
            let hidden = with_header(&swap(&case.text, signed, &bare), &wrapped(signed));
            assert_refused!(case.open(&hidden), Refusal::DanglingReference { .. });
        }
        // The same Id: ambiguous. No wrapper at all: a reference to nothing, and a header that nothing signs.
        let named = evil.replacen(">", &format!(" u:Id=\"{id}\">"), 1);
        let twin = with_header(&swap(&case.text, signed, &named), &wrapped(signed));
        assert_refused!(case.open(&twin), Refusal::DuplicateId { .. });
        assert_refused!(case.open(swap(&case.text, signed, &named)), Refusal::Digest { .. });
        assert_refused!(case.open(swap(&case.text, signed, evil)), Refusal::DanglingReference { .. });
        assert_refused!(case.open(swap(&case.text, signed, "")), Refusal::DanglingReference { .. });
        // Both at top level, in either order and of either addressing version.
        let old = evil.replace("<a:", "<b:").replace("</a:", "</b:");
        let old = old.replacen(">", " xmlns:b=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\">", 1);
        for second in [evil, old.as_str()] {
            for both in [format!("{signed}{second}"), format!("{second}{signed}")] {
                let answer = case.open(swap(&case.text, signed, &both));
                assert_refused!(answer, Refusal::Repeated(_));
            }
        }
    }
}

#[test]
fn unsigned_headers_that_would_be_obeyed() {
    let case = Case::request();
    let reliable = "http://schemas.xmlsoap.org/ws/2005/02/rm";
    let added = [
        ("<a:FaultTo><a:Address>http://evil.example/</a:Address></a:FaultTo>".to_owned(), Element::FaultTo),
        ("<a:From><a:Address>http://evil.example/</a:Address></a:From>".to_owned(), Element::From),
        ("<a:RelatesTo>urn:evil</a:RelatesTo>".to_owned(), Element::RelatesTo),
        (format!("<r:AckRequested xmlns:r=\"{reliable}\"/>"), Element::ReliableMessagingHeader),
    ];
    for (block, element) in added {
        let answer = case.open(with_header(&case.text, &block));
        assert_refused!(answer, Refusal::NotSigned(found) if found == element);
    }
}

#[test]
fn attribute_taken_from_a_signed_header() {
    let case = Case::request();
    let action = element(&case.text, "<a:Action", "</a:Action>");
    let optional = swap(&case.text, action, &action.replace(" s:mustUnderstand=\"1\"", ""));
    assert_refused!(case.open(optional), Refusal::Digest { element: Element::Action });
    let other_role = swap(&case.text, action, &action.replace("<a:Action", "<a:Action s:role=\"urn:other\""));
    assert_refused!(case.open(other_role), Refusal::Digest { element: Element::Action });
}

#[test]
fn timestamp_moved_or_doubled() {
    let case = Case::request();
    let stamp = element(&case.text, "<u:Timestamp", "</u:Timestamp>");
    let id = between(stamp, "u:Id=\"", "\"");
    let fresh = stamp.replace("2026-11-21T02:4", "2026-11-21T02:5");
    let unnamed = fresh.replace(&format!(" u:Id=\"{id}\""), "");
    let renamed = fresh.replace(id, "_9");
    for (evil, hidden) in [(&unnamed, true), (&renamed, true), (&unnamed, false), (&renamed, false)] {
        let replaced = swap(&case.text, stamp, evil);
        let text = if hidden { with_header(&replaced, &wrapped(stamp)) } else { replaced };
        assert_refused!(case.open(text), Refusal::DanglingReference { .. });
    }
    for both in [format!("{stamp}{renamed}"), format!("{unnamed}{stamp}")] {
        assert_refused!(case.open(swap(&case.text, stamp, &both)), Refusal::Repeated(Element::Timestamp));
    }
    let twin = swap(&case.text, stamp, &format!("{stamp}{fresh}"));
    assert_refused!(case.open(twin), Refusal::DuplicateId { .. });
    assert_refused!(case.open(swap(&case.text, stamp, "")), Refusal::Missing(Element::Timestamp));
}

#[test]
fn second_security_header_or_one_for_another_role() {
    let case = Case::request();
    let security = element(&case.text, "<o:Security s", "</o:Security>");
    let empty =
        "<o:Security xmlns:o=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\"/>";
    for both in [format!("{security}{empty}"), format!("{empty}{security}")] {
        assert_refused!(case.open(swap(&case.text, security, &both)), Refusal::Repeated(Element::Security));
    }
    let other = security.replacen("<o:Security", "<o:Security s:role=\"urn:other\"", 1);
    assert_refused!(case.open(swap(&case.text, security, &other)), Refusal::Missing(Element::Security));
    let both = format!("{other}{empty}");
    assert_refused!(case.open(swap(&case.text, security, &both)), Refusal::Missing(Element::Timestamp));
    assert_refused!(case.open(swap(&case.text, security, "")), Refusal::Missing(Element::Security));
    let wrapper = wrapped(security);
    assert_refused!(case.open(swap(&case.text, security, &wrapper)), Refusal::Missing(Element::Security));
    // SOAP 1.1 calls the role actor.
    let old = Case::new("wcf-stories/sc-soap11a04", "03-c2s.xml", Kind::Message, Basic256, ProtectionOrder::default());
    let other = old.text.replacen("<o:Security", "<o:Security s:actor=\"urn:other\"", 1);
    assert_refused!(old.open(other), Refusal::Missing(Element::Security));
}

#[test]
fn references_reordered_removed_or_doubled() {
    let case = Case::cancel();
    let references: Vec<String> = between(&case.text, "<Reference ", "</SignedInfo>")
        .split("<Reference ")
        .map(|rest| format!("<Reference {rest}"))
        .collect();
    let all = references.concat();
    for index in 0..references.len() {
        let mut fewer = references.clone();
        fewer.remove(index);
        let mut turned = references.clone();
        turned.rotate_left(index + 1);
        let mut more = references.clone();
        more.push(references[index].clone());
        for changed in [fewer, turned, more].iter().filter(|changed| **changed != references) {
            let answer = case.open(swap(&case.text, &all, &changed.concat()));
            assert_refused!(answer, Refusal::SignatureValue(Element::Signature));
        }
    }
}

#[test]
fn extra_ciphertext() {
    let case = Case::request();
    let data = element(&case.text, "<e:EncryptedData Id=\"_6\"", "</e:EncryptedData>");
    let copy = data.replacen("_6", "_9", 1);
    let unlisted = swap(&case.text, data, &format!("{data}{copy}"));
    assert_refused!(case.open(&unlisted), Refusal::Unlisted { .. });
    // Reference lists are not signed, so an attacker may list it; but a signature that endorses nothing is refused.
    let six = "<e:DataReference URI=\"#_6\"/>";
    let listed = swap(&unlisted, six, &format!("{six}<e:DataReference URI=\"#_9\"/>"));
    assert_refused!(case.open(&listed), Refusal::Malformed { element: Element::EndorsingSignature, .. });
    // As a header block it is nothing that a list may name.
    let block = with_header(&case.text, &copy.replace("xmlns:e=", "xmlns:o=\"urn:o\" xmlns:e="));
    let listed = swap(&block, six, &format!("{six}<e:DataReference URI=\"#_9\"/>"));
    assert_refused!(case.open(&listed), Refusal::DanglingReference { .. });
    // The body's ciphertext in the security header is no token.
    let content = between(&case.text, "<s:Body u:Id=\"_0\">", "</s:Body>");
    let token = content.replacen("_1", "_9", 1).replace("xmlenc#Content", "xmlenc#Element");
    let swapped = swap(&case.text, data, &format!("{data}{token}"));
    let listed = swap(&swapped, six, &format!("{six}<e:DataReference URI=\"#_9\"/>"));
    assert_refused!(case.open(&listed), Refusal::Undecryptable(Element::EncryptedData));
}

#[test]
fn lists_that_leave_out_or_name_nothing() {
    let case = Case::request();
    let (one, six) = ("<e:DataReference URI=\"#_1\"/>", "<e:DataReference URI=\"#_6\"/>");
    assert_refused!(case.open(swap(&case.text, one, "")), Refusal::NotEncrypted(Element::Body));
    assert_refused!(case.open(swap(&case.text, six, "")), Refusal::Unlisted { .. });
    let nothing = swap(&case.text, six, &format!("{six}<e:DataReference URI=\"#_2\"/>"));
    assert_refused!(case.open(nothing), Refusal::DanglingReference { .. });
    let data = element(&case.text, "<e:EncryptedData Id=\"_6\"", "</e:EncryptedData>");
    let unsigned = swap(&swap(&case.text, data, ""), six, "");
    assert_refused!(case.open(unsigned), Refusal::Missing(Element::Signature));
    let list = element(&case.text, "<e:ReferenceList", "</e:ReferenceList>");
    let late = swap(&swap(&case.text, list, ""), data, &format!("{data}{list}"));
    assert_refused!(case.open(late), Refusal::Layout { element: Element::EncryptedData, .. });
}

#[test]
fn ciphertexts_of_two_messages_of_one_session() {
    let case = Case::request();
    let other = Case::new("wcf/sc-anon", "05-c2s.xml", Kind::Message, Basic256, ProtectionOrder::default());
    let values = |text: &str| -> Vec<String> {
        text.split("<e:CipherValue>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
    };
    let (own, foreign) = (values(&case.text), values(&other.text));
    assert_refused!(case.open(swap(&case.text, &own[1], &foreign[1])), Refusal::Digest { element: Element::Body });
    assert_refused!(case.open(swap(&case.text, &own[0], &foreign[0])), Refusal::Digest { .. });
    let both = swap(&swap(&case.text, &own[0], &foreign[0]), &own[1], &foreign[1]);
    assert_refused!(case.open(both), Refusal::Digest { element } if element != Element::Body);
    // Within one message: the signature is no body, the body no signature.
    let crossed = case.text.replace(&own[0], "*").replace(&own[1], &own[0]).replace('*', &own[1]);
    assert_refused!(case.open(crossed), Refusal::Undecryptable(Element::EncryptedData));
}

#[test]
fn another_order_or_encryption_than_agreed() {
    let clear = "wcf-stories/sc-sign-before-encrypt";
    let mut case = Case::new(clear, "03-c2s.xml", Kind::Message, Basic256, ProtectionOrder::SignBeforeEncrypt);
    case.open(&case.text).unwrap();
    for order in [ProtectionOrder::default(), ProtectionOrder::EncryptBeforeSign] {
        case.policy.order = Some(order);
        assert_refused!(case.open(&case.text), Refusal::Order { element: Element::Signature });
    }
    let mut case = Case::request();
    case.policy.body = Encryption::None;
    assert_refused!(case.open(&case.text), Refusal::Encrypted(Element::Body));
    let mut case = Case::cancel();
    case.policy.body = Encryption::Required;
    assert_refused!(case.open(&case.text), Refusal::NotEncrypted(Element::Body));
}
