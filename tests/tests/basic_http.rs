//! basicHttpBinding with message credentials: SOAP 1.1 without WS-Addressing. What its messages look like, in which orders they are
//! read, and what must be refused. Nothing of it is recorded; what it should be is Microsoft's documentation and source, and WSS4J
//! judges the messages themselves (`interop/wss4j.sh`).

use sha1::{Digest, Sha1};
use soap_session_core::base64;
use soap_session_core::chance::{Chance, Uuid};
use soap_session_core::secure::{
    Binding, Bootstrap, CredentialError, Credentials, Element, Exchange, Failure, Layout, OneShotClient,
    OneShotIncoming, OneShotService, OneShotSettings, Opened, Owed, ProtectionOrder, Received, Refusal, UniqueIds,
    UserCredential, WireFault,
};
use soap_session_core::soap::fault::KnownFault;
use soap_session_core::time::{Duration, Instant};
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_tests::opening::{between, swap};
use soap_session_tests::pair::{MIDNIGHT, Note, Paper};
use soap_session_tests::vectors_root;
use std::time::SystemTime;

type Client = OneShotClient<Chance, 4, 64>;
type Service = OneShotService<Chance, 64>;

const NOW: Instant = Instant::from_millis(1000);
const ALL: [Bootstrap; 3] =
    [Bootstrap::MutualCertificate10, Bootstrap::UserNameOverTransport, Bootstrap::CertificateOverTransport];
const BODY: &str = "<Add xmlns=\"urn:calc\"><n>1</n></Add>";
const ENVELOPE: &str = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
    xmlns:u=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\"><s:Header>\
    <o:Security s:mustUnderstand=\"1\" \
    xmlns:o=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\"><u:Timestamp u:Id=\"";

fn certificate(name: &str) -> Certificate {
    Certificate::from_file(vectors_root().join("keys").join(format!("{name}.cert.pem"))).unwrap()
}

fn key(name: &str) -> PrivateKey {
    PrivateKey::from_file(vectors_root().join("keys").join(format!("{name}.key.pem"))).unwrap()
}

fn holder(own: &str) -> CredentialStore {
    let store = CredentialStore::new().with_service(certificate("service")).unwrap();
    store.with_own(certificate(own), key(own)).unwrap()
}

fn host() -> CredentialStore {
    let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_262_400);
    let store = CredentialStore::new().with_key(certificate("service"), key("service")).unwrap();
    let store = store.with_own(certificate("service"), key("service")).unwrap();
    let store = store.with_user_check(|name, password| (name, password) == ("alice", "wonder"));
    store.with_trusted(certificate("client")).with_clock(move || noon)
}

/// Signatures in clear, so that they can be moved about.
fn clear(bootstrap: Bootstrap) -> Binding {
    Binding { order: ProtectionOrder::SignBeforeEncrypt, ..Binding::basic_http(bootstrap) }
}

fn client(binding: &Binding) -> Client {
    let user = UserCredential::new("alice", "wonder");
    let mut client =
        Client::new(binding.clone(), "http://localhost/calc", user, MIDNIGHT, Chance::new(&[7; 32])).unwrap();
    client.continue_user_ids(UniqueIds::new(Uuid([0xAB; 16]), 1));
    client
}

fn service(binding: &Binding) -> Service {
    Service::new(binding.clone(), OneShotSettings::default(), MIDNIGHT, Chance::new(&[8; 32]))
}

fn note() -> Note {
    Note::request("urn:calc/Add", BODY)
}

fn request_by(client: &mut Client, credentials: &impl Credentials) -> (Exchange, String) {
    let mut out = vec![0; 16_384];
    let (exchange, len) = client.seal_request(NOW, credentials, &note(), &mut out).unwrap();
    (exchange, String::from_utf8(out[..len].to_vec()).unwrap())
}

fn request(binding: &Binding) -> String {
    request_by(&mut client(binding), &holder("client")).1
}

fn reply(service: &mut Service, owed: &Owed) -> String {
    let reply = Note::request("urn:calc/AddResponse", "<AddResponse xmlns=\"urn:calc\"/>");
    let mut out = vec![0; 16_384];
    let (len, status) = service.seal_reply(NOW, &host(), owed, &reply, &mut out).unwrap();
    assert_eq!(status, 200);
    String::from_utf8(out[..len].to_vec()).unwrap()
}

fn taken(service: &mut Service, text: &str) -> Result<(Opened, Owed), Refusal> {
    let mut bytes = text.as_bytes().to_vec();
    match service.open_request(NOW, &host(), &mut bytes) {
        OneShotIncoming::Request { opened, owed } => {
            assert_eq!(opened.body.of(&bytes), BODY.as_bytes());
            Ok((opened, owed))
        }
        OneShotIncoming::Refused { refusal, owed } => {
            let mut out = vec![0; 4096];
            let (len, status) = service.write_answer(&owed, &mut out).unwrap();
            // One fault for all that is wrong with the message; a login that fails is told, as by WCF.
            let (code, said) = match refusal.wire() {
                WireFault::InvalidSecurity => {
                    ("InvalidSecurity", "An error occurred when verifying security for the message.")
                }
                _ => ("InvalidSecurityToken", "An error occurred when processing the security tokens in the message."),
            };
            let fault = format!(
                "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><faultcode \
                 xmlns:a=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\">a:{code}\
                 </faultcode><faultstring xml:lang=\"en-US\">{said}</faultstring></s:Fault></s:Body></s:Envelope>"
            );
            assert_eq!((std::str::from_utf8(&out[..len]).unwrap(), status), (fault.as_str(), 500), "{refusal}");
            Err(refusal)
        }
    }
}

fn accepted(service: &mut Service, text: &str) {
    let _ = taken(service, text).unwrap_or_else(|refusal| panic!("{refusal}: {text}"));
}

fn refused(binding: &Binding, text: &str) -> Refusal {
    taken(&mut service(binding), text).map(|_| ()).unwrap_err()
}

// What the messages are.

#[test]
fn no_message_has_a_header_but_that_of_security() {
    for bootstrap in ALL {
        let binding = Binding::basic_http(bootstrap);
        let (mut sender, mut service) = (client(&binding), service(&binding));
        let (exchange, text) = request_by(&mut sender, &holder("client"));
        let (opened, owed) = taken(&mut service, &text).unwrap();
        assert_eq!((opened.addressing_version, opened.headers.len(), opened.must_understand), (None, 0, None));
        assert!(owed.reply());
        let answer = reply(&mut service, &owed);
        for message in [&text, &answer] {
            assert!(message.starts_with(ENVELOPE), "{message}");
            assert!(message.contains("</o:Security></s:Header><s:Body"), "{message}");
            assert!(!message.contains("addressing") && !message.contains("urn:calc/"), "{message}");
            assert!(!message.contains("SignatureConfirmation") && !message.contains("DerivedKeyToken"));
        }
        let heard = sender.open_reply(NOW, exchange, &holder("client"), &mut answer.into_bytes());
        assert!(matches!(heard, Ok(Received::Reply(_))), "{heard:?}");
    }
}

/// As Microsoft's documentation of UserNameOverTransport shows it.
#[test]
fn a_user_name_is_a_timestamp_and_a_token() {
    let text = request(&Binding::basic_http(Bootstrap::UserNameOverTransport));
    assert_eq!(
        text,
        format!(
            "{ENVELOPE}_0\"><u:Created>2026-11-21T00:00:01.000Z</u:Created><u:Expires>2026-11-21T00:05:01.000Z</u:Expires>\
             </u:Timestamp><o:UsernameToken u:Id=\"uuid-abababab-abab-abab-abab-abababababab-1\"><o:Username>alice\
             </o:Username><o:Password Type=\"http://docs.oasis-open.org/wss/2004/01/\
             oasis-200401-wss-username-token-profile-1.0#PasswordText\">wonder</o:Password></o:UsernameToken></o:Security>\
             </s:Header><s:Body>{BODY}</s:Body></s:Envelope>"
        )
    );
}

/// There is no address that a certificate could sign.
#[test]
fn a_certificate_over_transport_signs_the_timestamp_alone() {
    let text = request(&Binding::basic_http(Bootstrap::CertificateOverTransport));
    let info = between(&text, "<SignedInfo>", "</SignedInfo>");
    assert_eq!(info.matches("<Reference ").count(), 1);
    let stamp = "<u:Timestamp xmlns:u=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\" \
                 u:Id=\"_0\"><u:Created>2026-11-21T00:00:01.000Z</u:Created><u:Expires>2026-11-21T00:05:01.000Z</u:Expires>\
                 </u:Timestamp>";
    let mut encoded = [0; 28];
    base64::encode(&Sha1::digest(stamp.as_bytes()), &mut encoded).unwrap();
    let digest = std::str::from_utf8(&encoded).unwrap();
    assert!(info.contains("<Reference URI=\"#_0\">") && info.contains(&format!(">{digest}</DigestValue>")));
}

#[test]
fn certificates_sign_the_body_and_the_timestamp() {
    let text = request(&clear(Bootstrap::MutualCertificate10));
    let security = between(&text, "<o:Security", "</o:Security>");
    let order =
        ["<u:Timestamp", "<o:BinarySecurityToken ", "<e:EncryptedKey ", "<e:ReferenceList>", "<Signature xmlns="];
    let places: Vec<usize> = order.iter().map(|part| security.find(part).expect(part)).collect();
    assert!(places.is_sorted(), "{places:?}");
    let info = between(security, "<SignedInfo>", "</SignedInfo>");
    assert_eq!(info.matches("<Reference ").count(), 2, "{info}");
    // Which certificate the key is wrapped for is told by what WSS 1.0 knows.
    assert!(between(security, "<e:EncryptedKey ", "</e:EncryptedKey>").contains("#X509SubjectKeyIdentifier\""));
    assert!(!text.contains(BODY));
    // By default the signature is encrypted.
    assert!(!request(&Binding::basic_http(Bootstrap::MutualCertificate10)).contains("<Signature "));
}

// Layout.

/// The children of the security header.
fn children(text: &str) -> Vec<String> {
    let security = between(text, "secext-1.0.xsd\">", "</o:Security>");
    let (mut pieces, mut rest) = (Vec::new(), security);
    while !rest.is_empty() {
        let name = rest[1..].split([' ', '>']).next().unwrap();
        let end = format!("</{name}>");
        let (piece, after) = rest.split_at(rest.find(&end).unwrap() + end.len());
        pieces.push(piece.to_owned());
        rest = after;
    }
    pieces
}

fn orders(pieces: &[String]) -> Vec<Vec<String>> {
    if pieces.is_empty() {
        return vec![Vec::new()];
    }
    let first = |index: usize| {
        let mut others = pieces.to_vec();
        let one = others.remove(index);
        orders(&others).into_iter().map(move |tail| [vec![one.clone()], tail].concat()).collect::<Vec<_>>()
    };
    (0..pieces.len()).flat_map(first).collect()
}

/// Lax, as basicHttpBinding is, reads every order; Strict, as others are, the order of what uses what.
#[test]
fn the_security_header_may_have_any_order() {
    let (mut lax, mut strict) = (0, 0);
    for bootstrap in ALL {
        for order in [ProtectionOrder::default(), ProtectionOrder::SignBeforeEncrypt] {
            let binding = Binding { order, ..Binding::basic_http(bootstrap) };
            let text = request(&binding);
            let pieces = children(&text);
            for order in orders(&pieces) {
                let moved = swap(&text, &pieces.concat(), &order.concat());
                accepted(&mut service(&binding), &moved);
                lax += 1;
                let binding = Binding { layout: Layout::Strict, ..binding.clone() };
                strict += usize::from(taken(&mut service(&binding), &moved).is_ok());
            }
        }
    }
    // Four children of the one, two and three of the others, each twice.
    assert_eq!(lax, 2 * (24 + 2 + 6));
    assert!(strict < lax, "{strict}");
}

#[test]
fn a_list_beside_the_key_is_read_wherever_it_stands() {
    let binding = clear(Bootstrap::MutualCertificate10);
    let text = request(&binding);
    let list =
        format!("<e:ReferenceList>{}</e:ReferenceList>", between(&text, "<e:ReferenceList>", "</e:ReferenceList>"));
    let outside =
        list.replacen("<e:ReferenceList>", "<e:ReferenceList xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\">", 1);
    // Who is outside of the key says by which key.
    let start = between(&text, "<s:Body", "<e:CipherData>");
    let named = start.strip_suffix("</e:EncryptionMethod>").unwrap_or(start);
    let info = "<KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><o:SecurityTokenReference \
                xmlns:o=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\"><o:Reference \
                URI=\"#_0\"/></o:SecurityTokenReference></KeyInfo>";
    let pieces = children(&swap(&swap(&text, &list, ""), named, &format!("{named}{info}")));
    let bare = swap(&swap(&text, &list, ""), named, &format!("{named}{info}"));
    for order in orders(&[&pieces[..], &[outside]].concat()) {
        let moved = swap(&bare, &pieces.concat(), &order.concat());
        accepted(&mut service(&binding), &moved);
    }
}

// What WS-Addressing would say.

/// Microsoft's documentation: a client that writes WS-Addressing to a BasicHttpBinding service is told that `Action` was not
/// understood; what need not be understood is passed over, signed or not.
#[test]
fn headers_of_addressing_are_strangers_headers() {
    for bootstrap in ALL {
        for version in ["http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing"] {
            let text = request(&clear(bootstrap));
            let header = |marked: &str| {
                format!(
                    "<a:Action xmlns:a=\"{version}\"{marked}>urn:other</a:Action><a:Action xmlns:a=\"{version}\">urn:x</a:Action>\
                     <a:MessageID xmlns:a=\"{version}\">urn:1</a:MessageID><o:Security "
                )
            };
            let unmarked = swap(&text, "<o:Security ", &header(""));
            let (opened, owed) = taken(&mut service(&clear(bootstrap)), &unmarked).unwrap();
            assert_eq!((opened.must_understand, opened.addressing_version), (None, None));
            assert!(opened.addressing.action.is_empty() && opened.addressing.message_id.is_empty());
            let answer = reply(&mut service(&clear(bootstrap)), &owed);
            assert!(!answer.contains("urn:1") && !answer.contains("addressing"), "{answer}");
            let marked = swap(&text, "<o:Security ", &header(" s:mustUnderstand=\"1\""));
            let (opened, _) = taken(&mut service(&clear(bootstrap)), &marked).unwrap();
            assert!(opened.must_understand.is_some(), "to be answered by MustUnderstand");
        }
    }
}

/// And where the binding has WS-Addressing, a message without it is refused.
#[test]
fn a_binding_with_addressing_refuses_what_has_none() {
    for bootstrap in ALL {
        let binding = clear(bootstrap);
        let addressed = Binding { addressed: true, ..binding.clone() };
        let text = request(&binding);
        let OneShotIncoming::Refused { refusal, .. } =
            service(&addressed).open_request(NOW, &host(), &mut text.into_bytes())
        else {
            panic!("taken")
        };
        assert_eq!(
            refusal,
            if bootstrap == Bootstrap::CertificateOverTransport {
                Refusal::NotSigned(Element::To)
            } else {
                Refusal::Missing(Element::Action)
            }
        );
    }
}

// What must be refused.

#[test]
fn what_was_changed_is_refused() {
    let binding = clear(Bootstrap::MutualCertificate10);
    let text = request(&binding);
    let flip = |value: &str| {
        let other = if value.starts_with('A') { "B" } else { "A" };
        swap(&text, value, &format!("{other}{}", &value[1..]))
    };
    let body = between(&text, "<s:Body", "</s:Body>");
    let ciphertext = between(body, "<e:CipherValue>", "<");
    assert_eq!(refused(&binding, &flip(ciphertext)).wire(), WireFault::InvalidSecurity);
    let digest = Refusal::Digest { element: Element::Timestamp };
    assert_eq!(refused(&binding, &swap(&text, ":05:01.000Z", ":05:02.000Z")), digest);
    let bad = Refusal::Credential(CredentialError::BadSignature);
    assert_eq!(refused(&binding, &flip(between(&text, "<SignatureValue>", "<"))), bad);
    let wrapped = between(between(&text, "<e:EncryptedKey ", "</e:EncryptedKey>"), "<e:CipherValue>", "<").to_owned();
    assert_eq!(refused(&binding, &flip(&wrapped)).wire(), WireFault::InvalidSecurity);
    // A body in clear.
    let plain = swap(&text, body.split_once('>').unwrap().1, BODY);
    assert_eq!(refused(&binding, &plain), Refusal::NotEncrypted(Element::Body));
    // Over TLS: what is signed there.
    let over = Binding::basic_http(Bootstrap::CertificateOverTransport);
    let text = request(&over);
    assert_eq!(refused(&over, &swap(&text, ":05:01.000Z", ":05:02.000Z")), digest);
}

/// Whichever octet is another: it is refused, or what was signed is what was said.
#[test]
fn no_octet_can_be_changed_to_any_effect() {
    for order in [ProtectionOrder::default(), ProtectionOrder::SignBeforeEncrypt, ProtectionOrder::EncryptBeforeSign] {
        let binding = Binding { order, ..Binding::basic_http(Bootstrap::MutualCertificate10) };
        let paper = Paper::default();
        let text = request_by(&mut client(&binding), &paper).1.into_bytes();
        let mut original = None;
        let mut judged = |text: &[u8]| {
            let mut bytes = text.to_vec();
            match service(&binding).open_request(NOW, &paper, &mut bytes) {
                OneShotIncoming::Request { opened, .. } => {
                    assert_eq!(opened.coverage.signed, [Element::Body, Element::Timestamp]);
                    let heard = (opened.body.of(&bytes).to_vec(), opened.created, opened.expires);
                    assert_eq!(original.get_or_insert_with(|| heard.clone()), &heard);
                    true
                }
                OneShotIncoming::Refused { .. } => false,
            }
        };
        assert!(judged(&text));
        let mut taken = 0;
        for place in 0..text.len() {
            for other in [1, 0x20] {
                let mut changed = text.clone();
                changed[place] ^= other;
                taken += usize::from(judged(&changed));
            }
        }
        // What a key of paper is padded with, most of all; names of attributes that nobody reads, and what names the key's owner.
        assert!(taken * 8 < text.len() * 2, "{taken} of {}", text.len() * 2);
    }
}

#[test]
fn what_is_missing_or_twice_is_refused() {
    for bootstrap in ALL {
        let binding = clear(bootstrap);
        let text = request(&binding);
        let pieces = children(&text);
        assert_eq!(
            refused(&binding, &swap(&text, &pieces[0], "")),
            Refusal::Missing(Element::Timestamp),
            "{bootstrap:?}"
        );
        for piece in &pieces {
            let without = refused(&binding, &swap(&text, piece, ""));
            assert_eq!(without.wire(), WireFault::InvalidSecurity, "{piece}: {without}");
            let twice = refused(&binding, &swap(&text, piece, &piece.repeat(2)));
            assert_eq!(twice.wire(), WireFault::InvalidSecurity, "{piece}: {twice}");
        }
        let security = format!("<o:Security{}</o:Security>", between(&text, "<o:Security", "</o:Security>"));
        // Ids are found twice first.
        let twice = refused(&binding, &swap(&text, &security, &security.repeat(2)));
        assert!(matches!(twice, Refusal::Repeated(Element::Security) | Refusal::DuplicateId { .. }), "{twice}");
        let empty = "<o:Security xmlns:o=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\"/>";
        let second = swap(&text, "</s:Header>", &format!("{empty}</s:Header>"));
        assert_eq!(refused(&binding, &second), Refusal::Repeated(Element::Security));
        // Not protected at all.
        assert_eq!(refused(&binding, &swap(&text, &security, "")), Refusal::Missing(Element::Security));
        let plain = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{BODY}</s:Body></s:Envelope>"
        );
        assert_eq!(refused(&binding, &plain), Refusal::Missing(Element::Security));
    }
}

#[test]
fn what_is_old_or_was_seen_is_refused() {
    for bootstrap in ALL {
        let binding = Binding::basic_http(bootstrap);
        let text = request(&binding);
        let mut service = service(&binding);
        accepted(&mut service, &text);
        match taken(&mut service, &text) {
            // TLS keeps copies away by itself; WCF remembers nothing of such messages.
            Ok(_) => assert!(bootstrap.over_transport()),
            Err(refusal) => assert_eq!((refusal, bootstrap.over_transport()), (Refusal::Replay, false)),
        }
        for (shift, late) in [(601_000, true), (-300_000, false)] {
            let mut wall = MIDNIGHT;
            wall.unix_ms_at_zero += shift;
            service.set_wall(wall);
            let refusal = taken(&mut service, &request(&binding)).map(|_| ()).unwrap_err();
            match late {
                true => assert!(matches!(refusal, Refusal::Stale { .. } | Refusal::Expired { .. }), "{refusal}"),
                false => assert!(matches!(refusal, Refusal::FromTheFuture { .. }), "{refusal}"),
            }
        }
    }
}

#[test]
fn who_is_not_known_is_refused() {
    for bootstrap in [Bootstrap::MutualCertificate10, Bootstrap::CertificateOverTransport] {
        let binding = Binding::basic_http(bootstrap);
        // The service's own certificate is not one of the clients that it trusts.
        let (_, text) = request_by(&mut client(&binding), &holder("service"));
        let refusal = refused(&binding, &text);
        assert!(matches!(refusal, Refusal::Credential(_)), "{refusal}");
    }
    let binding = Binding::basic_http(Bootstrap::UserNameOverTransport);
    let wrong = swap(&request(&binding), ">wonder<", ">guess<");
    assert_eq!(refused(&binding, &wrong), Refusal::Credential(CredentialError::BadPassword));
}

#[test]
fn the_message_of_another_of_its_modes_is_refused() {
    for (ours, theirs) in ALL.into_iter().flat_map(|ours| ALL.map(|theirs| (ours, theirs))) {
        let judged = taken(&mut service(&Binding::basic_http(ours)), &request(&Binding::basic_http(theirs)));
        assert_eq!(judged.is_ok(), ours == theirs, "{ours:?} {theirs:?}");
    }
}

// Answers.

/// `allowSerializedSigningTokenOnReply`, which WCF turns on for this binding: the service's certificate may stand in its answer.
#[test]
fn an_answer_may_carry_the_services_certificate() {
    let binding =
        Binding { order: ProtectionOrder::SignBeforeEncrypt, ..Binding::basic_http(Bootstrap::MutualCertificate10) };
    let (mut sender, mut service) = (client(&binding), service(&binding));
    let (exchange, text) = request_by(&mut sender, &holder("client"));
    let (_, owed) = taken(&mut service, &text).unwrap();
    let answer = reply(&mut service, &owed);
    let signature = format!("<Signature xmlns={}</Signature>", between(&answer, "<Signature xmlns=", "</Signature>"));
    let named = between(&signature, "<o:SecurityTokenReference>", "</o:SecurityTokenReference>");
    let mut encoded = vec![0; 4096];
    let der = certificate("service").der().to_vec();
    let len = base64::encode(&der, &mut encoded).unwrap();
    let token = format!(
        "<o:BinarySecurityToken u:Id=\"own\" ValueType=\"http://docs.oasis-open.org/wss/2004/01/\
         oasis-200401-wss-x509-token-profile-1.0#X509v3\">{}</o:BinarySecurityToken>",
        std::str::from_utf8(&encoded[..len]).unwrap()
    );
    let carried = swap(&signature, named, "<o:Reference URI=\"#own\"/>");
    for both in [format!("{token}{carried}"), format!("{carried}{token}")] {
        let answer = swap(&answer, &signature, &both);
        let heard = sender.clone().open_reply(NOW, exchange, &holder("client"), &mut answer.into_bytes());
        assert!(matches!(heard, Ok(Received::Reply(_))), "{heard:?}");
    }
}

#[test]
fn an_answer_that_is_not_protected_is_refused() {
    for bootstrap in ALL {
        let binding = clear(bootstrap);
        let (mut sender, mut service) = (client(&binding), service(&binding));
        let (exchange, text) = request_by(&mut sender, &holder("client"));
        let (_, owed) = taken(&mut service, &text).unwrap();
        let answer = reply(&mut service, &owed);
        let hear =
            |text: &str| sender.clone().open_reply(NOW, exchange, &holder("client"), &mut text.as_bytes().to_vec());
        let security = format!("<o:Security{}</o:Security>", between(&answer, "<o:Security", "</o:Security>"));
        assert_eq!(hear(&swap(&answer, &security, "")), Err(Refusal::Missing(Element::Security)));
        assert_eq!(hear(&swap(&answer, &children(&answer)[0], "")), Err(Refusal::Missing(Element::Timestamp)));
        assert!(matches!(hear(&answer), Ok(Received::Reply(_))));
        // A fault without protection is told as one.
        let fault = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><faultcode \
                     xmlns:a=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\">\
                     a:InvalidSecurity</faultcode><faultstring>no</faultstring></s:Fault></s:Body></s:Envelope>";
        let Ok(Received::Failed(Failure::Fault(seen))) = hear(fault) else { panic!("{bootstrap:?}") };
        assert_eq!((seen.known, seen.secured), (Some(KnownFault::InvalidSecurity), false));
    }
}

/// No RelatesTo: the answer is that of the exchange that it comes by, as in WCF. A copy of one that was heard is known by its
/// signature.
#[test]
fn an_answer_belongs_to_its_exchange() {
    for bootstrap in ALL {
        let binding = Binding::basic_http(bootstrap);
        let (mut sender, mut service) = (client(&binding), service(&binding));
        let (first, text) = request_by(&mut sender, &holder("client"));
        let (second, _) = request_by(&mut sender, &holder("client"));
        let (_, owed) = taken(&mut service, &text).unwrap();
        let answer = reply(&mut service, &owed).into_bytes();
        let heard = sender.open_reply(NOW, first, &holder("client"), &mut answer.clone());
        assert!(matches!(heard, Ok(Received::Reply(_))), "{heard:?}");
        let copy = sender.open_reply(NOW, second, &holder("client"), &mut answer.clone());
        match copy {
            Ok(Received::Reply(_)) => assert!(bootstrap.over_transport()),
            other => assert_eq!(other, Err(Refusal::Replay)),
        }
    }
}
