//! Algorithms and tokens that a message may not use: each is refused by name, before any key is tried.

use soap_session_core::crypto::AlgorithmSuite::Basic256;
use soap_session_core::secure::{AlgorithmSlot, Element, ProtectionOrder, Refusal, WireFault};
use soap_session_tests::assert_refused;
use soap_session_tests::forge::{remac, to_base64};
use soap_session_tests::opening::{Case, Kind, between, swap};

const BOUNDS: &str = "<c:Offset>0</c:Offset><c:Length>24</c:Length>";

/// The Cancel with something else in place of its derived key's offset and length.
fn derived(case: &Case, children: &str) -> String {
    swap(&case.text, BOUNDS, children)
}

#[test]
fn signature_algorithms() {
    let case = Case::cancel();
    let key = &case.derived[0];
    let exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
    let dsig = "http://www.w3.org/2000/09/xmldsig#";
    let others = [
        (
            "CanonicalizationMethod",
            exclusive,
            "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
            AlgorithmSlot::Canonicalization,
        ),
        (
            "CanonicalizationMethod",
            exclusive,
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
            AlgorithmSlot::Canonicalization,
        ),
        ("Transform", exclusive, "http://www.w3.org/2001/10/xml-exc-c14n#WithComments", AlgorithmSlot::Transform),
        ("Transform", exclusive, "http://www.w3.org/2000/09/xmldsig#enveloped-signature", AlgorithmSlot::Transform),
        ("Transform", exclusive, "http://www.w3.org/TR/1999/REC-xslt-19991116", AlgorithmSlot::Transform),
        (
            "DigestMethod",
            "http://www.w3.org/2000/09/xmldsig#sha1",
            "http://www.w3.org/2001/04/xmlenc#sha256",
            AlgorithmSlot::Digest,
        ),
        (
            "DigestMethod",
            "http://www.w3.org/2000/09/xmldsig#sha1",
            "http://www.w3.org/2001/04/xmldsig-more#md5",
            AlgorithmSlot::Digest,
        ),
        (
            "SignatureMethod",
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            AlgorithmSlot::Signature,
        ),
        (
            "SignatureMethod",
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-md5",
            AlgorithmSlot::Signature,
        ),
        ("SignatureMethod", "http://www.w3.org/2000/09/xmldsig#hmac-sha1", "", AlgorithmSlot::Signature),
    ];
    for (element, from, to, slot) in others {
        let text = case.text.replacen(
            &format!("<{element} Algorithm=\"{from}\""),
            &format!("<{element} Algorithm=\"{to}\""),
            1,
        );
        assert_ne!(text, case.text);
        assert_refused!(case.open(remac(&text, key)), Refusal::Algorithm { slot: found, .. } if found == slot);
    }
    // A signature that only a certificate can make, where a session's key has to.
    let rsa = swap(&case.text, &format!("{dsig}hmac-sha1"), &format!("{dsig}rsa-sha1"));
    assert_refused!(case.open(rsa), Refusal::WrongToken { element: Element::Signature, .. });
    // A MAC cut short (CVE-2009-0217), a second transform, a parameter of the digest.
    let method = format!("<SignatureMethod Algorithm=\"{dsig}hmac-sha1\"/>");
    let cut = method.replace("/>", "><HMACOutputLength>8</HMACOutputLength></SignatureMethod>");
    let text = remac(&swap(&case.text, &method, &cut), key);
    assert_refused!(case.open(text), Refusal::Algorithm { slot: AlgorithmSlot::Signature, .. });
    let text = case.text.replacen("</Transforms>", &format!("<Transform Algorithm=\"{exclusive}\"/></Transforms>"), 1);
    assert_refused!(case.open(remac(&text, key)), Refusal::Algorithm { slot: AlgorithmSlot::Transform, .. });
    let digest = format!("<DigestMethod Algorithm=\"{dsig}sha1\"/>");
    let text = case.text.replacen(&digest, &digest.replace("/>", "><x/></DigestMethod>"), 1);
    assert_refused!(case.open(remac(&text, key)), Refusal::Algorithm { slot: AlgorithmSlot::Digest, .. });
}

#[test]
fn encryption_algorithms() {
    let case = Case::request();
    for to in [
        "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
        "http://www.w3.org/2001/04/xmlenc#tripledes-cbc",
        "http://www.w3.org/2009/xmlenc11#aes256-gcm",
        "",
    ] {
        let text = case.text.replace("http://www.w3.org/2001/04/xmlenc#aes256-cbc", to);
        assert_refused!(case.open(text), Refusal::Algorithm { slot: AlgorithmSlot::Encryption, .. });
    }
    let order = ProtectionOrder::default();
    let case = Case::new("wcf/sc-anon", "01-c2s.xml", Kind::Message, Basic256, order);
    let key_transport = AlgorithmSlot::KeyTransport;
    let oaep = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
    for to in [
        "http://www.w3.org/2001/04/xmlenc#rsa-1_5",
        "http://www.w3.org/2009/xmlenc11#rsa-oaep",
        "http://www.w3.org/2001/04/xmlenc#kw-aes256",
    ] {
        let answer = case.open(swap(&case.text, oaep, to));
        assert_refused!(answer, Refusal::Algorithm { slot, .. } if slot == key_transport);
    }
    let method = between(&case.text, &format!("{oaep}\""), "</e:EncryptionMethod>");
    let sha256 = method.replace("http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmlenc#sha256");
    assert_ne!(sha256, method);
    let answer = case.open(swap(&case.text, method, &sha256));
    assert_refused!(answer, Refusal::Algorithm { slot, .. } if slot == key_transport);
}

#[test]
fn wrapped_key_that_is_not_ours_looks_like_a_wrong_signature() {
    let case = Case::new("wcf/sc-anon", "01-c2s.xml", Kind::Message, Basic256, ProtectionOrder::default());
    let key = case.text.split_once("<e:EncryptedKey").unwrap().1;
    let value = between(key, "<e:CipherValue>", "<");
    for other in [to_base64(&[0x11; 256]), to_base64(&[0; 256]), to_base64(&[0x77; 16]), String::new()] {
        let refusal = case.open(swap(&case.text, value, &other)).unwrap_err();
        assert_eq!(refusal.wire(), WireFault::InvalidSecurity, "{refusal}");
    }
}

#[test]
fn derived_key_offsets_and_lengths() {
    let case = Case::cancel();
    let offset = |text: &str| derived(&case, &format!("<c:Offset>{text}</c:Offset><c:Length>24</c:Length>"));
    for value in [65, 1 << 31, 1 << 32, 1 << 63, u64::MAX] {
        let answer = case.open(offset(&value.to_string()));
        assert_refused!(answer, Refusal::DerivedKeyBounds { child: "Offset", value: found, limit: 64 } if found == value);
    }
    for text in ["99999999999999999999", "00000000000000000000", "-1", "+1", "0x10", "1.0", "", "\u{661}"] {
        let answer = case.open(offset(text));
        assert_refused!(answer, Refusal::DerivedKeyBounds { child: "Offset", value: u64::MAX, limit: 64 });
    }
    // 64 is allowed, and another key.
    assert_refused!(case.open(offset("64")), Refusal::SignatureValue(Element::Signature));
    let length = |text: &str| derived(&case, &format!("<c:Offset>0</c:Offset><c:Length>{text}</c:Length>"));
    for value in [0, 33, 1 << 31, 1 << 63, (1 << 63) - 1] {
        let answer = case.open(length(&value.to_string()));
        assert_refused!(answer, Refusal::DerivedKeyBounds { child: "Length", value: found, limit: 32 } if found == value);
    }
    let answer = case.open(length(&u64::MAX.to_string()));
    assert_refused!(answer, Refusal::DerivedKeyBounds { child: "Length", value: u64::MAX, .. });
    // Shorter than the suite signs with: a key that could be guessed.
    for value in [1, 16, 23] {
        let answer = case.open(length(&value.to_string()));
        assert_refused!(answer, Refusal::DerivedKeyBounds { child: "Length", value: found, limit: 24 } if found == value);
    }
    for value in [25, 32] {
        assert_refused!(case.open(length(&value.to_string())), Refusal::SignatureValue(Element::Signature));
    }
}

#[test]
fn derived_key_generations() {
    let case = Case::cancel();
    let generation =
        |text: &str| derived(&case, &format!("<c:Generation>{text}</c:Generation><c:Length>24</c:Length>"));
    // Generation 0 of 24 bytes is offset 0.
    case.open(generation("0")).unwrap();
    for value in [1, 2] {
        assert_refused!(case.open(generation(&value.to_string())), Refusal::SignatureValue(Element::Signature));
    }
    // From 3 on, generation x length is over 64; then it is over 64 bits.
    for value in [3, 1 << 31, 1 << 60, 1 << 63] {
        let answer = case.open(generation(&value.to_string()));
        assert_refused!(answer, Refusal::DerivedKeyBounds { child: "Generation", value: found, limit: 2 } if found == value);
    }
    let both = derived(&case, &format!("<c:Generation>0</c:Generation>{BOUNDS}"));
    assert_refused!(case.open(both), Refusal::DerivedKeyBounds { child: "Generation", value: 0, limit: 0 });
}

#[test]
fn derived_key_nonces_and_labels() {
    let case = Case::cancel();
    let nonce = format!("<c:Nonce>{}</c:Nonce>", between(&case.text, "<c:Nonce>", "<"));
    let malformed = |text: String| {
        assert_refused!(case.open(text), Refusal::Malformed { element: Element::DerivedKeyToken, .. });
    };
    malformed(swap(&case.text, &nonce, ""));
    malformed(swap(&case.text, &nonce, &format!("{nonce}{nonce}")));
    malformed(derived(&case, &format!("<c:Properties/>{BOUNDS}")));
    let properties = derived(&case, &format!("<c:Properties><c:Nonce>AAAA</c:Nonce></c:Properties>{BOUNDS}"));
    assert_refused!(case.open(properties), Refusal::Unreadable(_));
    malformed(derived(&case, &format!("{BOUNDS}<x:Other xmlns:x=\"urn:x\"/>")));
    malformed(derived(&case, &format!("{BOUNDS}<c:Length>24</c:Length>")));
    let with =
        |octets: &[u8]| case.open(swap(&case.text, &nonce, &format!("<c:Nonce>{}</c:Nonce>", to_base64(octets))));
    assert_refused!(with(&[7; 128]), Refusal::SignatureValue(Element::Signature));
    assert_refused!(with(&[7; 129]), Refusal::DerivedKeyBounds { child: "Nonce", limit: 128, .. });
    assert_refused!(with(&[7; 4000]), Refusal::DerivedKeyBounds { child: "Nonce", limit: 128, .. });
    assert_refused!(with(&[]), Refusal::DerivedKeyBounds { child: "Nonce", value: 0, limit: 128 });
    let garbage = case.open(swap(&case.text, &nonce, "<c:Nonce>not base64!</c:Nonce>"));
    assert_refused!(garbage, Refusal::DerivedKeyBounds { child: "Nonce", .. });
    let label = |len| case.open(derived(&case, &format!("{BOUNDS}<c:Label>{}</c:Label>", "x".repeat(len))));
    assert_refused!(label(128), Refusal::SignatureValue(Element::Signature));
    assert_refused!(label(129), Refusal::DerivedKeyBounds { child: "Label", value: 129, limit: 128 });
    // The label that a missing one stands for.
    let default = "WS-SecureConversation".repeat(2);
    case.open(derived(&case, &format!("{BOUNDS}<c:Label>{default}</c:Label>"))).unwrap();
}

#[test]
fn derived_key_algorithms_and_sources() {
    let case = Case::cancel();
    let tag = "<c:DerivedKeyToken ";
    let p_sha1 = "http://schemas.xmlsoap.org/ws/2005/02/sc/dk/p_sha1";
    case.open(swap(&case.text, tag, &format!("{tag}Algorithm=\"{p_sha1}\" "))).unwrap();
    for other in [
        "http://schemas.xmlsoap.org/ws/2005/02/sc/dk/p_sha256",
        "http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512/dk/p_sha1",
        "",
    ] {
        let answer = case.open(swap(&case.text, tag, &format!("{tag}Algorithm=\"{other}\" ")));
        assert_refused!(answer, Refusal::Algorithm { slot: AlgorithmSlot::KeyDerivation, .. });
    }
    let token = format!("{tag}{}</c:DerivedKeyToken>", between(&case.text, tag, "</c:DerivedKeyToken>"));
    let (id, source) = (between(&token, "u:Id=\"", "\""), between(&token, "URI=\"#", "\""));
    // Derived from a derived key, from itself, from nothing, from something that is no token.
    let second = token.replace(id, "_8").replace(source, id);
    let both = swap(&case.text, &token, &format!("{token}{second}"));
    assert_refused!(case.open(both), Refusal::DanglingReference { .. });
    for other in [id, "_9", "_1"] {
        let answer = case.open(swap(&case.text, &token, &token.replace(source, other)));
        assert_refused!(answer, Refusal::DanglingReference { .. });
    }
    // Before its source, under the Strict layout.
    let early =
        swap(&swap(&case.text, &token, ""), "<c:SecurityContextToken ", &format!("{token}<c:SecurityContextToken "));
    assert_refused!(case.open(early), Refusal::Layout { element: Element::DerivedKeyToken, .. });
    // Six are allowed, as WCF allows 2 x (2 + supporting tokens).
    let many = |count: usize| {
        let more: String = (1..count).map(|n| token.replace(id, &format!("dk{n}"))).collect();
        case.open(swap(&case.text, &token, &format!("{token}{more}")))
    };
    many(6).unwrap();
    assert_refused!(many(7), Refusal::TooMany { element: Element::DerivedKeyToken, limit: 6 });
    assert_refused!(many(19), Refusal::TooMany { element: Element::DerivedKeyToken, limit: 6 });
}

#[test]
fn unknown_or_foreign_tokens() {
    let case = Case::cancel();
    let context = between(&case.text, "<c:Identifier>", "<").to_owned();
    let element = format!("<c:Identifier>{context}</c:Identifier>");
    let unknown = [
        element.replace("urn:uuid:aa", "urn:uuid:ab"),
        format!("{element}<c:Instance>urn:uuid:00000000-0000-0000-0000-000000000000</c:Instance>"),
        element.replace("urn:uuid:", "URN:UUID:"),
    ];
    for other in unknown {
        let refusal = case.open(swap(&case.text, &element, &other)).unwrap_err();
        assert_eq!(refusal, Refusal::UnknownSecurityContext);
        assert_eq!(refusal.wire(), WireFault::BadContextToken);
    }
    let malformed = [
        String::new(),
        format!("{element}{element}"),
        element.replace(&context, ""),
        element.replace(&context, &"x".repeat(129)),
    ];
    for other in malformed {
        let answer = case.open(swap(&case.text, &element, &other));
        assert_refused!(answer, Refusal::Malformed { element: Element::SecurityContextToken, .. });
    }
    // The other version's elements, under the same names.
    let other = case.text.replace(
        "xmlns:c=\"http://schemas.xmlsoap.org/ws/2005/02/sc\"",
        "xmlns:c=\"http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512\"",
    );
    assert_refused!(case.open(other), Refusal::WrongToken { element: Element::SecurityContextToken, .. });
}
