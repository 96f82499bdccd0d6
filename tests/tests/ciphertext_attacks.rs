//! Ciphertext under attack: nothing that decryption meets may tell the sender more than that the security is invalid, and
//! nothing decrypted may reach beyond the place of its ciphertext.

use std::collections::BTreeMap;

use soap_session_core::secure::{Element, Encryption, ProtectionOrder, Refusal, WireFault};
use soap_session_core::xml::{Error, ErrorKind, Quota};
use soap_session_tests::assert_refused;
use soap_session_tests::forge::{derive, encrypt, endorse, padded, resign, to_base64};
use soap_session_tests::opening::{Case, between, from_base64, swap};

const CONTENT: &str = "http://www.w3.org/2001/04/xmlenc#Content";

/// The Cancel of a session, as an insider makes an encrypted message of it: signed in clear, then its body encrypted.
struct Insider {
    case: Case,
    /// The token of the encryption key, taken from a request of the same session, and the list of what it encrypts.
    token: String,
    list: &'static str,
    key: Vec<u8>,
}

impl Insider {
    fn new(order: ProtectionOrder) -> Self {
        let request = Case::request();
        let mut case = Case::cancel();
        case.policy.body = Encryption::Required;
        case.policy.order = Some(order);
        let tokens: Vec<&str> = request.text.split_inclusive("</c:DerivedKeyToken>").collect();
        let list = "<e:ReferenceList xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\"><e:DataReference URI=\"#_E\"/></e:ReferenceList>";
        Self { case, token: tokens[1].to_owned(), list, key: request.derived[1].clone() }
    }

    fn data(&self, octets: &[u8], kind: &str) -> String {
        let id = between(&self.token, "u:Id=\"", "\"");
        format!(
            "<e:EncryptedData Id=\"_E\" Type=\"{kind}\" xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\"><e:EncryptionMethod \
             Algorithm=\"http://www.w3.org/2001/04/xmlenc#aes256-cbc\"/><KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\">\
             <o:SecurityTokenReference xmlns:o=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\">\
             <o:Reference URI=\"#{id}\"/></o:SecurityTokenReference></KeyInfo><e:CipherData><e:CipherValue>{}</e:CipherValue>\
             </e:CipherData></e:EncryptedData>",
            to_base64(octets)
        )
    }

    fn content(text: &str) -> &str {
        between(text, "<s:Body u:Id=\"_0\">", "</s:Body>")
    }

    /// Signs `plain` as the body's content, and puts these octets in its place.
    fn message(&self, plain: &str, octets: &[u8]) -> String {
        let text = swap(&self.case.text, Self::content(&self.case.text), plain);
        let signed = resign(&text, &self.case.derived[0]);
        self.encrypted(&signed, octets, CONTENT)
    }

    fn encrypted(&self, signed: &str, octets: &[u8], kind: &str) -> String {
        let body = format!("<s:Body u:Id=\"_0\">{}</s:Body>", Self::content(signed));
        let data = format!("<s:Body u:Id=\"_0\">{}</s:Body>", self.data(octets, kind));
        let text = swap(signed, &body, &data);
        swap(&text, "<Signature ", &format!("{}{}<Signature ", self.token, self.list))
    }

    /// As [`message`](Self::message), properly encrypted.
    fn sealed(&self, plain: &str) -> String {
        self.message(plain, &encrypt(&padded(plain.as_bytes()), &self.key))
    }
}

#[test]
fn no_change_to_ciphertext_is_told_apart_outside() {
    let case = Case::request();
    let mut told = BTreeMap::<String, usize>::new();
    for value in case.text.split("<e:CipherValue>").skip(1).map(|rest| rest.split('<').next().unwrap()) {
        let octets = from_base64(value);
        for at in 0..octets.len() {
            for bit in [0x01, 0x40, 0x80] {
                let mut changed = octets.clone();
                changed[at] ^= bit;
                let refusal = case.open(swap(&case.text, value, &to_base64(&changed))).unwrap_err();
                assert_eq!(refusal.wire(), WireFault::InvalidSecurity, "octet {at}: {refusal}");
                let name = format!("{refusal:?}");
                *told.entry(name.split([' ', '(', '{']).next().unwrap().to_owned()).or_default() += 1;
            }
        }
        for len in 0..octets.len() {
            let refusal = case.open(swap(&case.text, value, &to_base64(&octets[..len]))).unwrap_err();
            assert_eq!(refusal.wire(), WireFault::InvalidSecurity, "{len} octets: {refusal}");
        }
    }
    println!("refusals by their inner reasons: {told:?}");
}

#[test]
fn plain_text_that_is_no_content() {
    let insider = Insider::new(ProtectionOrder::SignBeforeEncrypt);
    let heard = insider.case.open(insider.sealed("<fine/>")).unwrap();
    assert_eq!(heard.body, b"<fine/>");
    let broken: [&[u8]; 12] = [
        b"\xff\xfe not utf-8",
        b"\x01",
        b"<a>",
        b"</a>",
        b"<a></b>",
        b"<a",
        b"<!--",
        b"<![CDATA[",
        b"<a x=\"",
        b"<?pi?>",
        b"<p:a/>",
        b"<!DOCTYPE a>",
    ];
    for plain in broken {
        let answer = insider.case.open(insider.message("<fine/>", &encrypt(&padded(plain), &insider.key)));
        assert_refused!(answer, Refusal::Unreadable(_));
    }
    // Content that closes the body and opens another: the first is not the whole place.
    for plain in ["</s:Body><s:Body>", "</s:Body><s:Body u:Id=\"_0\">", "<fine/></s:Body></s:Envelope><!-- "] {
        let octets = encrypt(&padded(plain.as_bytes()), &insider.key);
        insider.case.open(insider.message("<fine/>", &octets)).unwrap_err();
        let refusal = insider.case.open(insider.message("", &octets)).unwrap_err();
        assert_eq!(refusal.wire(), WireFault::InvalidSecurity, "{plain}: {refusal}");
    }
}

#[test]
fn plain_text_under_encrypt_before_sign() {
    let insider = Insider::new(ProtectionOrder::EncryptBeforeSign);
    let after = |octets: &[u8]| {
        let text = insider.encrypted(&insider.case.text, octets, CONTENT);
        let late = swap(&swap(&text, insider.list, ""), "</Signature>", &format!("</Signature>{}", insider.list));
        resign(&late, &insider.case.derived[0])
    };
    let sealed = |plain: &[u8]| after(&encrypt(&padded(plain), &insider.key));
    assert_eq!(insider.case.open(sealed(b"<fine/>")).unwrap().body, b"<fine/>");
    for plain in [&b"\xff"[..], b"<a>", b"</s:Body><s:Body>", b"<!--"] {
        assert_refused!(insider.case.open(sealed(plain)), Refusal::Unreadable(_));
    }
    assert_refused!(insider.case.open(sealed(b"<a u:Id=\"_2\"/>")), Refusal::DuplicateId { .. });
    for last in [0, 17, 255] {
        let blocks = [&[b' '; 15][..], &[last]].concat();
        let answer = insider.case.open(after(&encrypt(&blocks, &insider.key)));
        assert_refused!(answer, Refusal::Undecryptable(Element::EncryptedData));
    }
}

#[test]
fn plain_text_that_brings_ids() {
    let insider = Insider::new(ProtectionOrder::SignBeforeEncrypt);
    for id in ["_0", "_2", "_E", "uuid-3f0ab3c5-a0ac-45e5-87e9-8afe06b273fb-34"] {
        let answer = insider.case.open(insider.sealed(&format!("<a><b u:Id=\"{id}\"/></a>")));
        if id == "_E" {
            // Its ciphertext is gone, so the Id is free again; and a reference list is no signature.
            answer.unwrap();
        } else {
            assert_refused!(answer, Refusal::DuplicateId { .. } | Refusal::Digest { .. });
        }
    }
    // Encryption within encryption is the application's business: it is not looked into.
    let nested = insider.data(&[0; 32], CONTENT).replace("_E", "_F");
    assert_eq!(insider.case.open(insider.sealed(&nested)).unwrap().body, nested.as_bytes());
}

#[test]
fn ciphertext_of_no_length_or_no_padding() {
    let insider = Insider::new(ProtectionOrder::SignBeforeEncrypt);
    for len in [0, 1, 15, 16, 17, 31, 33] {
        let answer = insider.case.open(insider.message("", &vec![0x42; len]));
        assert_refused!(answer, Refusal::Undecryptable(Element::EncryptedData));
    }
    for last in [0, 17, 32, 255] {
        let blocks = [&[b' '; 15][..], &[last]].concat();
        let answer = insider.case.open(insider.message("", &encrypt(&blocks, &insider.key)));
        assert_refused!(answer, Refusal::Undecryptable(Element::EncryptedData));
    }
    // One block of nothing but padding, in the way of ISO 10126: empty content.
    let answer = insider.case.open(insider.message("", &encrypt(b"anything at all\x10", &insider.key)));
    assert_eq!(answer.unwrap().body, b"");
}

#[test]
fn ciphertext_of_another_type_or_key() {
    let insider = Insider::new(ProtectionOrder::SignBeforeEncrypt);
    let octets = encrypt(&padded(b"<fine/>"), &insider.key);
    for kind in ["http://www.w3.org/2001/04/xmlenc#Element", "", "urn:other"] {
        let text = insider.encrypted(&insider.case.text, &octets, kind);
        assert_refused!(insider.case.open(text), Refusal::Malformed { element: Element::EncryptedData, .. });
    }
    // The session's key itself, by name and without one.
    let text = insider.message("<fine/>", &encrypt(&padded(b"<fine/>"), &insider.case.session_key));
    let data = insider.data(&[], CONTENT);
    let info = format!("<KeyInfo{}</KeyInfo>", between(&data, "<KeyInfo", "</KeyInfo>"));
    let token = between(&insider.case.text, "<c:SecurityContextToken u:Id=\"", "\"");
    let raw = info.replace(between(&info, "URI=\"#", "\""), token);
    for other in [raw.as_str(), ""] {
        let answer = insider.case.open(swap(&text, &info, other));
        assert_refused!(answer, Refusal::KeyNotDerived { element: Element::EncryptedData });
    }
}

/// A second session of the same client, its token, and a key derived from it.
fn second_session(case: &mut Case, id: &str, len: usize) -> (String, Vec<u8>) {
    let secret = [0x33; 32];
    case.keys.know("urn:second", &secret);
    let sc = "xmlns:c=\"http://schemas.xmlsoap.org/ws/2005/02/sc\"";
    let tokens = format!(
        "<c:SecurityContextToken u:Id=\"_sct\" {sc}><c:Identifier>urn:second</c:Identifier></c:SecurityContextToken>\
         <c:DerivedKeyToken u:Id=\"{id}\" {sc}><o:SecurityTokenReference><o:Reference URI=\"#_sct\"/></o:SecurityTokenReference>\
         <c:Offset>0</c:Offset><c:Length>{len}</c:Length><c:Nonce>{}</c:Nonce></c:DerivedKeyToken>",
        to_base64(&[9; 16])
    );
    (tokens, derive(&secret, &[9; 16], len))
}

#[test]
fn encrypted_for_one_session_and_signed_for_another() {
    let mut insider = Insider::new(ProtectionOrder::SignBeforeEncrypt);
    let (tokens, key) = second_session(&mut insider.case, "_dk", 32);
    insider.token = tokens.replacen("u:Id=\"_sct\"", "u:Id=\"_dk\"", 1).replacen("u:Id=\"_dk\"", "u:Id=\"_sct\"", 1);
    let octets = encrypt(&padded(b"<fine/>"), &key);
    let named = |text: &str| {
        text.replace(
            "URI=\"#_sct\"/></o:SecurityTokenReference></KeyInfo><e:Cipher",
            "URI=\"#_dk\"/></o:SecurityTokenReference></KeyInfo><e:Cipher",
        )
    };
    let text = named(&insider.message("<fine/>", &octets));
    assert_refused!(insider.case.open(&text), Refusal::TokenMismatch);
    // The same where the signature is over the ciphertext.
    insider.case.policy.order = Some(ProtectionOrder::EncryptBeforeSign);
    let late = swap(&swap(&text, insider.list, ""), "</Signature>", &format!("</Signature>{}", insider.list));
    assert_refused!(insider.case.open(resign(&late, &insider.case.derived[0])), Refusal::TokenMismatch);
}

#[test]
fn endorsement_with_a_key_that_could_be_guessed() {
    let info = |id: &str| format!("<o:SecurityTokenReference><o:Reference URI=\"#{id}\"/></o:SecurityTokenReference>");
    for len in [1, 16, 23, 24, 32] {
        let mut case = Case::cancel();
        case.policy.endorsement = true;
        let (tokens, key) = second_session(&mut case, "_dk", len);
        let text = swap(&case.text, "<Signature ", &format!("{tokens}<Signature "));
        let answer = case.open(endorse(&text, &key, &info("_dk")));
        if len < 24 {
            // One octet would be guessed in 256 messages, and another's session renewed.
            let short = len as u64;
            assert_refused!(answer, Refusal::DerivedKeyBounds { child: "Length", value, limit: 24 } if value == short);
        } else {
            answer.unwrap();
        }
        let answer = case.open(endorse(&text, &[0x33; 32], &info("_sct")));
        assert_refused!(answer, Refusal::KeyNotDerived { element: Element::EndorsingSignature });
        let wrong = case.open(endorse(&text, &[1; 24], &info("_dk")));
        wrong.unwrap_err();
    }
    let mut case = Case::cancel();
    case.policy.endorsement = true;
    assert_refused!(case.open(&case.text), Refusal::Missing(Element::EndorsingSignature));
}

#[test]
fn depth_of_encrypted_content() {
    let insider = Insider::new(ProtectionOrder::SignBeforeEncrypt);
    let nested = |depth: usize| format!("{}{}", "<d>".repeat(depth), "</d>".repeat(depth));
    // Depth counts from the body, which is the first level.
    insider.case.open(insider.sealed(&nested(31))).unwrap();
    let kind = ErrorKind::OverLimit { quota: Quota::Depth, limit: 32, found: 33 };
    let octets = encrypt(&padded(nested(32).as_bytes()), &insider.key);
    let answer = insider.case.open(insider.message("", &octets));
    assert_refused!(answer, Refusal::Unreadable(Error { kind: found, .. }) if found == kind);
}
