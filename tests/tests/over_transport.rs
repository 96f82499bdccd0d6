//! Messages that the transport protects: what they look like, and what must be refused.

use sha1::{Digest, Sha1};
use soap_session_core::base64;
use soap_session_core::chance::{Chance, Uuid};
use soap_session_core::crypto::RustCrypto;
use soap_session_core::secure::{
    Binding, Bootstrap, Exchange, OneShotClient, OneShotIncoming, OneShotService, OneShotSettings, Received, Refusal,
    UniqueIds, UserCredential,
};
use soap_session_core::secure::{CertificateUse, CredentialError, Element, OpenContext, Policy, ProtectionToken, open};
use soap_session_core::soap::ScVersion;
use soap_session_core::time::Instant;
use soap_session_core::xml::Limits;
use soap_session_tests::actors::client_store;
use soap_session_tests::opening::{RecordedKeys, between, swap};
use soap_session_tests::pair::{MIDNIGHT, Note};
use soap_session_tests::story::Story;

type Client = OneShotClient<Chance, 4, 64>;
type Service = OneShotService<Chance, 64>;

const NOW: Instant = Instant::from_millis(1000);
const IDS: [u8; 16] = [0xAB; 16];

fn binding(bootstrap: Bootstrap) -> Binding {
    Binding::ws_http(bootstrap)
}

fn request(bootstrap: Bootstrap) -> (Client, Exchange, String) {
    let user = UserCredential::new("alice", "wonder");
    let mut client =
        Client::new(binding(bootstrap), "http://localhost/calc", user, MIDNIGHT, Chance::new(&[7; 32])).unwrap();
    client.continue_user_ids(UniqueIds::new(Uuid(IDS), 1));
    let mut out = vec![0; 16_384];
    let note = Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>");
    let (exchange, len) = client.seal_request(NOW, &*client_store(), &note, &mut out).unwrap();
    (client, exchange, String::from_utf8(out[..len].to_vec()).unwrap())
}

/// What a service says of `text`.
fn judge(bootstrap: Bootstrap, text: &str) -> Result<(), Refusal> {
    let mut service = Service::new(binding(bootstrap), OneShotSettings::default(), MIDNIGHT, Chance::new(&[8; 32]));
    let store = client_store();
    match service.open_request(NOW, &*store, &mut text.as_bytes().to_vec()) {
        OneShotIncoming::Request { opened, .. } => {
            assert_eq!(opened.token, ProtectionToken::Transport);
            Ok(())
        }
        OneShotIncoming::Refused { refusal, .. } => Err(refusal),
    }
}

/// As Microsoft's documentation of UserNameOverTransport shows it: the token stands in clear, the timestamp's Id is `_0`.
#[test]
fn a_user_name_over_transport_is_a_timestamp_and_a_token() {
    let (_, _, text) = request(Bootstrap::UserNameOverTransport);
    let security = between(&text, "<o:Security", "</o:Security>");
    let id = "uuid-abababab-abab-abab-abab-abababababab-1";
    assert_eq!(
        security,
        format!(
            " s:mustUnderstand=\"1\" xmlns:o=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\">\
             <u:Timestamp u:Id=\"_0\"><u:Created>2026-11-21T00:00:01.000Z</u:Created><u:Expires>2026-11-21T00:05:01.000Z\
             </u:Expires></u:Timestamp><o:UsernameToken u:Id=\"{id}\"><o:Username>alice</o:Username>\
             <o:Password Type=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText\">\
             wonder</o:Password></o:UsernameToken>"
        )
    );
    assert!(text.ends_with("<s:Body><Add xmlns=\"urn:calc\"/></s:Body></s:Envelope>"), "{text}");
    assert_eq!(text.matches("u:Id").count(), 2);
}

#[test]
fn a_certificate_over_transport_signs_the_timestamp_and_the_address() {
    let (_, _, text) = request(Bootstrap::CertificateOverTransport);
    let security = between(&text, "<o:Security", "</o:Security>");
    let order =
        ["<u:Timestamp u:Id=\"_0\">", "<o:BinarySecurityToken ", "<Signature xmlns=", "URI=\"#_0\"", "URI=\"#_1\""];
    let places: Vec<usize> = order.iter().map(|part| security.find(part).expect(part)).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(security.matches("<Reference ").count(), 2);
    assert!(text.contains("<a:To s:mustUnderstand=\"1\" u:Id=\"_1\">http://localhost/calc</a:To>"));
    // The digests, over what exclusive canonicalization makes of the two elements.
    let wsu = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
    let stamp = format!(
        "<u:Timestamp xmlns:u=\"{wsu}\" u:Id=\"_0\"><u:Created>2026-11-21T00:00:01.000Z</u:Created><u:Expires>\
         2026-11-21T00:05:01.000Z</u:Expires></u:Timestamp>"
    );
    let to = format!(
        "<a:To xmlns:a=\"http://www.w3.org/2005/08/addressing\" xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:u=\"{wsu}\" u:Id=\"_1\" s:mustUnderstand=\"1\">http://localhost/calc</a:To>"
    );
    for canonical in [stamp, to] {
        let mut encoded = [0; 28];
        base64::encode(&Sha1::digest(canonical.as_bytes()), &mut encoded).unwrap();
        let digest = std::str::from_utf8(&encoded).unwrap();
        assert!(security.contains(&format!("<DigestValue>{digest}</DigestValue>")), "{canonical}");
    }
    judge(Bootstrap::CertificateOverTransport, &text).unwrap();
}

#[test]
fn an_answer_is_a_timestamp() {
    for bootstrap in [Bootstrap::UserNameOverTransport, Bootstrap::CertificateOverTransport] {
        let (mut client, exchange, text) = request(bootstrap);
        let mut service = Service::new(binding(bootstrap), OneShotSettings::default(), MIDNIGHT, Chance::new(&[8; 32]));
        let keys = Story::open("wcf/mutual-cert").keyring();
        let incoming = service.open_request(NOW, &keys, &mut text.into_bytes());
        let OneShotIncoming::Request { opened: _, owed } = incoming else { panic!("{incoming:?}") };
        let mut out = vec![0; 4096];
        let reply = Note::request("urn:calc/AddResponse", "<AddResponse xmlns=\"urn:calc\"/>");
        let (len, _) = service.seal_reply(NOW, &keys, &owed, &reply, &mut out).unwrap();
        let answer = String::from_utf8(out[..len].to_vec()).unwrap();
        let security = between(&answer, "<o:Security", "</o:Security>");
        assert!(security.contains("<u:Timestamp u:Id=\"_0\">"), "{security}");
        assert_eq!(security.matches("Id=").count(), 1, "{security}");
        // Without its timestamp it is nothing.
        let bare = swap(&answer, between(&answer, "secext-1.0.xsd\">", "</o:Security>"), "");
        let mut again = client.clone();
        let refused = again.open_reply(NOW, exchange, &keys, &mut bare.into_bytes());
        assert_eq!(refused, Err(Refusal::Missing(Element::Timestamp)));
        let heard = client.open_reply(NOW, exchange, &keys, &mut answer.into_bytes());
        assert!(matches!(heard, Ok(Received::Reply(_))), "{heard:?}");
    }
}

#[test]
fn what_is_not_signed_as_it_must_be_is_refused() {
    let by = Bootstrap::CertificateOverTransport;
    let (_, _, text) = request(by);
    let signature = format!("<Signature xmlns{}</Signature>", between(&text, "<Signature xmlns", "</Signature>"));
    let token = format!(
        "<o:BinarySecurityToken{}</o:BinarySecurityToken>",
        between(&text, "<o:BinarySecurityToken", "</o:Bin")
    );
    let reference = |uri: &str| {
        let start = format!("<Reference URI=\"#{uri}\">");
        format!("{start}{}</Reference>", between(&text, &start, "</Reference>"))
    };
    let value = between(&text, "<SignatureValue>", "<").to_owned();
    let refused = |text: &str| judge(by, text).unwrap_err();
    assert_eq!(refused(&swap(&text, &signature, "")), Refusal::Missing(Element::EndorsingSignature));
    let digest = |element| Refusal::Digest { element };
    assert_eq!(refused(&swap(&text, ":05:01.000Z", ":05:02.000Z")), digest(Element::Timestamp));
    assert_eq!(refused(&swap(&text, "localhost/calc</a:To>", "elsewhere/calc</a:To>")), digest(Element::To));
    // What the signature says must be what was signed.
    let bad = Refusal::Credential(CredentialError::BadSignature);
    assert_eq!(refused(&swap(&text, &reference("_1"), "")), bad);
    assert_eq!(refused(&swap(&text, &reference("_0"), "")), bad);
    let flipped = value.strip_prefix('A').map_or_else(|| format!("A{}", &value[1..]), |rest| format!("B{rest}"));
    assert_eq!(refused(&swap(&text, &value, &flipped)), bad);
    // Without the certificate the reference to it leads nowhere.
    assert!(matches!(refused(&swap(&text, &token, "")), Refusal::DanglingReference { .. }));
    assert!(matches!(
        refused(&swap(&text, &format!("{token}{signature}"), &format!("{signature}{token}"))),
        Refusal::Layout { .. }
    ));
    // Two of one kind.
    assert!(matches!(refused(&swap(&text, &signature, &format!("{signature}{signature}"))), Refusal::TooMany { .. }));
    // An Id that stands twice could mean either element.
    let twin = "<a:Twin u:Id=\"_1\">x</a:Twin><o:Security ";
    assert!(matches!(refused(&swap(&text, "<o:Security ", twin)), Refusal::DuplicateId { .. }));
    // Another binding's message.
    assert!(matches!(judge(Bootstrap::UserNameOverTransport, &text), Err(Refusal::WrongToken { .. })));
    let (_, _, user) = request(Bootstrap::UserNameOverTransport);
    let alone = judge(by, &user).unwrap_err();
    assert_eq!(alone, Refusal::Missing(Element::EndorsingSignature));
}

#[test]
fn a_message_that_is_protected_otherwise_is_refused() {
    let (_, _, text) = request(Bootstrap::UserNameOverTransport);
    let data = "<e:EncryptedData xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\"/>";
    let encrypted = swap(&text, "<Add xmlns=\"urn:calc\"/>", data);
    assert_eq!(judge(Bootstrap::UserNameOverTransport, &encrypted), Err(Refusal::Encrypted(Element::Body)));
    for (element, name) in [
        (Element::EncryptedData, "EncryptedData"),
        (Element::EncryptedKey, "EncryptedKey"),
        (Element::ReferenceList, "ReferenceList"),
    ] {
        let extra = format!("<e:{name} xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\"/></o:Security>");
        let refused = judge(Bootstrap::UserNameOverTransport, &swap(&text, "</o:Security>", &extra));
        assert!(matches!(refused, Err(Refusal::WrongToken { element: of, .. }) if of == element), "{refused:?}");
    }
    // And what was made for a protected transport is not believed without one.
    let (_, _, text) = request(Bootstrap::CertificateOverTransport);
    let refused = judge(Bootstrap::MutualCertificate, &text);
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn a_user_has_to_be_named_once_with_a_password_in_clear() {
    let by = Bootstrap::UserNameOverTransport;
    let (_, _, text) = request(by);
    let token =
        format!("<o:UsernameToken{}</o:UsernameToken>", between(&text, "<o:UsernameToken", "</o:UsernameToken>"));
    assert_eq!(judge(by, &swap(&text, &token, "")), Err(Refusal::Missing(Element::UsernameToken)));
    let twice = swap(&text, &token, &format!("{token}{}", token.replace("ab-1\"", "ab-2\"")));
    assert_eq!(judge(by, &twice), Err(Refusal::Repeated(Element::UsernameToken)));
    let digest = swap(&text, "#PasswordText", "#PasswordDigest");
    assert!(matches!(judge(by, &digest), Err(Refusal::Malformed { element: Element::UsernameToken, .. })));
    assert_eq!(judge(by, &text), Err(Refusal::Credential(CredentialError::Unsupported)), "nobody is known here");
}

/// An inspector sees who endorsed.
#[test]
fn an_inspector_names_the_certificate() {
    let (_, _, text) = request(Bootstrap::CertificateOverTransport);
    let policy = Policy {
        transport: true,
        certificate: CertificateUse::Tolerated,
        version: Some(ScVersion::V13),
        ..Policy::inspection()
    };
    let keys = RecordedKeys::default();
    let context = OpenContext {
        policy: &policy,
        limits: &Limits::default(),
        keyring: &keys,
        credentials: &*client_store(),
        now: None,
    };
    let opened = open::<RustCrypto, _, _>(&mut text.into_bytes(), &context).unwrap();
    assert!(opened.endorsing_certificate().is_some());
    assert_eq!(opened.coverage.signed, [Element::Timestamp, Element::To]);
}
