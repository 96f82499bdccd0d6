//! What a service and a client must refuse where certificates prove who speaks.

use soap_session_core::base64;
use soap_session_core::chance::{Chance, Uuid};
use soap_session_core::crypto::{AlgorithmSuite, KeyTransport, RustCrypto, SecretKey};
use soap_session_core::secure::{
    AcceptorSettings, Binding, Bootstrap, CertificateProblem, CertificateReference, CredentialError, Credentials,
    Element, Exchange, Failure, Id, Incoming, InitiatorSettings, Keyring, MessageKeys, OneShotClient, OneShotIncoming,
    OneShotService, OneShotSettings, OpenContext, OutgoingMessage, Policy, Protection, ProtectionOrder,
    ProtectionToken, Received, Refusal, SigningToken, Timestamp, UniqueIds, UserCredential, WireFault, open, seal,
};
use soap_session_core::soap::HeaderBlock;
use soap_session_core::time::{Duration, Instant};
use soap_session_core::xml::Limits;
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_tests::opening::{between, swap};
use soap_session_tests::pair::{MIDNIGHT, Note, Pair, Paper};
use soap_session_tests::vectors_root;
use std::time::SystemTime;

type Client = OneShotClient<Chance, 8, 64>;
type Service = OneShotService<Chance, 64>;

const NOW: Instant = Instant::from_millis(1000);

/// Signatures in clear, so that they can be moved about.
fn clear(bootstrap: Bootstrap) -> Binding {
    Binding { order: ProtectionOrder::SignBeforeEncrypt, ..Binding::ws_http(bootstrap) }
}

fn client(binding: &Binding, seed: u8) -> Client {
    let user = UserCredential::new("alice", "wonder");
    Client::new(binding.clone(), "http://localhost/calc", user, MIDNIGHT, Chance::new(&[seed; 32])).unwrap()
}

fn request(client: &mut Client, credentials: &impl Credentials) -> (Exchange, String) {
    let mut out = vec![0; 32_768];
    let note = Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>");
    let (exchange, len) = client.seal_request(NOW, credentials, &note, &mut out).unwrap();
    (exchange, String::from_utf8(out[..len].to_vec()).unwrap())
}

/// Why a fresh service refuses `text`, and the fault that its sender gets.
fn refusal(binding: &Binding, credentials: &impl Credentials, text: &str) -> Result<(), (Refusal, String)> {
    let mut service = Service::new(binding.clone(), OneShotSettings::default(), MIDNIGHT, Chance::new(&[9; 32]));
    match service.open_request(NOW, credentials, &mut text.as_bytes().to_vec()) {
        OneShotIncoming::Request { .. } => Ok(()),
        OneShotIncoming::Refused { refusal, owed } => {
            let mut out = vec![0; 4096];
            let (len, status) = service.write_answer(&owed, &mut out).unwrap();
            assert_eq!(status, 500);
            Err((refusal, String::from_utf8(out[..len].to_vec()).unwrap()))
        }
    }
}

/// The endorsing signature, the token before it, and the primary signature.
fn pieces(text: &str) -> [String; 3] {
    let token =
        format!("<o:BinarySecurityToken{}</o:BinarySecurityToken>", between(text, "<o:BinarySecurityToken", "</o:Bin"));
    let primary = format!("<Signature Id={}</Signature>", between(text, "<Signature Id=", "</Signature>"));
    let endorsing = format!("<Signature xmlns={}</Signature>", between(text, "<Signature xmlns=", "</Signature>"));
    [endorsing, token, primary]
}

#[test]
fn an_endorsing_signature_cannot_be_taken_away_or_exchanged() {
    let binding = clear(Bootstrap::MutualCertificate);
    let (one, other) = (Paper::default(), Paper { holder: 1, ..Paper::default() });
    let mut sender = client(&binding, 1);
    let (_, text) = request(&mut sender, &one);
    let (_, second) = request(&mut sender, &one);
    let (_, foreign) = request(&mut sender, &other);
    let [endorsing, token, primary] = pieces(&text);
    assert_eq!(refusal(&binding, &one, &text), Ok(()));
    let told = |text: &str| {
        let (refusal, fault) = refusal(&binding, &one, text).unwrap_err();
        assert_eq!(refusal.wire(), WireFault::InvalidSecurity, "{refusal}");
        assert!(fault.contains("InvalidSecurity<"), "{fault}");
        refusal
    };
    // Stripped, with and without its token.
    let missing = Refusal::Missing(Element::EndorsingSignature);
    assert_eq!(told(&swap(&text, &endorsing, "")), missing);
    assert_eq!(told(&swap(&swap(&text, &endorsing, ""), &token, "")), missing);
    // That of another message, of the same sender and of another.
    for donor in [&second, &foreign] {
        let [their_signature, their_token, _] = pieces(donor);
        let swapped = swap(&swap(&text, &endorsing, &their_signature), &token, &their_token);
        assert_eq!(told(&swapped), Refusal::Digest { element: Element::Signature });
    }
    // Another's certificate under the same signature.
    let (der, their_der) = (der_of(&text), der_of(&foreign));
    let bad = Refusal::Credential(CredentialError::BadSignature);
    assert_eq!(told(&swap(&text, &der, &their_der)), bad);
    // A signature that was changed.
    let value = between(&endorsing, "<SignatureValue>", "<");
    assert_eq!(told(&swap(&text, value, &format!("B{}", &value[1..]))), bad);
    // Over something else than the primary signature.
    let stamp = between(&text, "<u:Timestamp u:Id=\"", "\"");
    let own = between(&primary, "Id=\"", "\"");
    let elsewhere = endorsing.replace(&format!("\"#{own}\""), &format!("\"#{stamp}\""));
    assert!(matches!(told(&swap(&text, &endorsing, &elsewhere)), Refusal::DanglingReference { .. }));
    // Out of order, twice, and of another kind.
    let moved = swap(&swap(&text, &token, ""), &endorsing, &format!("{endorsing}{token}"));
    assert!(matches!(told(&moved), Refusal::Layout { .. }));
    let twice = swap(&text, &endorsing, &format!("{endorsing}{endorsing}"));
    assert!(matches!(told(&twice), Refusal::TooMany { element: Element::EndorsingSignature, limit: 1 }));
    let kind = token.replace("#X509v3", "#X509PKIPathv1");
    assert!(matches!(
        told(&swap(&text, &token, &kind)),
        Refusal::WrongToken { element: Element::BinarySecurityToken, .. }
    ));
    // The endorsing signature in the place of the primary one.
    let first = swap(&swap(&text, &primary, ""), &endorsing, &format!("{endorsing}{primary}"));
    assert!(matches!(told(&first), Refusal::WrongToken { element: Element::Signature, .. }));
}

fn der_of(text: &str) -> String {
    between(between(text, "<o:BinarySecurityToken", "/o:Bin"), ">", "<").to_owned()
}

#[test]
fn a_binding_takes_no_more_and_no_less_proof_than_it_asks_for() {
    let paper = Paper { password: "wonder".into(), ..Paper::default() };
    for ours in Bootstrap::ALL {
        for theirs in Bootstrap::ALL {
            let (_, text) = request(&mut client(&Binding::ws_http(theirs), 1), &paper);
            let judged = refusal(&Binding::ws_http(ours), &paper, &text);
            // A user or nothing more than asked is told apart by nobody but the user name validator.
            let more = ours == Bootstrap::AnonymousForCertificate && theirs == Bootstrap::UserNameForCertificate;
            assert_eq!(judged.is_ok(), ours == theirs || more, "{ours:?} and {theirs:?}: {judged:?}");
        }
    }
}

#[test]
fn another_suite_is_refused_whichever_it_is() {
    let paper = Paper::default();
    for ours in AlgorithmSuite::ALL {
        for theirs in AlgorithmSuite::ALL {
            for bootstrap in [Bootstrap::MutualCertificate, Bootstrap::MutualCertificate10] {
                let theirs = Binding { suite: theirs, ..Binding::ws_http(bootstrap) };
                let (_, text) = request(&mut client(&theirs, 1), &paper);
                let judged = refusal(&Binding { suite: ours, ..Binding::ws_http(bootstrap) }, &paper, &text);
                if ours == theirs.suite {
                    assert_eq!(judged, Ok(()));
                } else {
                    let (refusal, _) = judged.unwrap_err();
                    let because = matches!(refusal, Refusal::Algorithm { .. } | Refusal::DerivedKeyBounds { .. });
                    assert!(because, "{ours:?} and {:?}: {refusal}", theirs.suite);
                    assert_eq!(refusal.wire(), WireFault::InvalidSecurity);
                }
            }
        }
    }
}

/// The keys of one request, as whoever made it knows them.
struct Known(SecretKey);

impl Keyring for Known {
    fn security_context(&self, _: &[u8], _: Option<&[u8]>) -> Option<SecretKey> {
        None
    }
    fn encrypted_key(&self, _: &[u8; 20]) -> Option<SecretKey> {
        Some(self.0.clone())
    }
    fn decoy(&self, _: &[u8; 20]) -> SecretKey {
        SecretKey::default()
    }
}

/// A reply that confirms `values`, under the key of `text`.
fn confirming(binding: &Binding, text: &str, values: &[&[u8]]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let paper = Paper { password: "wonder".into(), ..Paper::default() };
    let policy = Policy::inspection();
    let known = Known(SecretKey::new(&[0; 32]).unwrap());
    let wrapped = soap_session_tests::opening::from_base64(between(text, "<e:CipherValue>", "<"));
    let mut key = [0; 64];
    let len = paper.unwrap_key(CertificateReference::Der(b""), KeyTransport::RsaOaepMgf1p, &wrapped, &mut key).unwrap();
    let known = Known(SecretKey::new(&key[..len]).unwrap_or(known.0));
    let context =
        OpenContext { policy: &policy, limits: &Limits::MAX, keyring: &known, credentials: &paper, now: None };
    let opened = open::<RustCrypto, _, _>(&mut bytes, &context).unwrap();
    let ProtectionToken::EncryptedKey { sha1, key } = &opened.token else { panic!("{:?}", opened.token) };
    let mut chance = Chance::new(&[3; 32]);
    let id = UniqueIds::new(Uuid::random(&mut chance), 1).next_id();
    let created = MIDNIGHT.at(NOW);
    let protection = Protection {
        suite: binding.suite,
        version: binding.version,
        order: binding.order,
        bsp: binding.bsp,
        timestamp: Timestamp { id: Id::Unique(id), created, expires: created.after(Duration::from_secs(300)) },
        token: SigningToken::EncryptedKeySha1(sha1),
        keys: MessageKeys::Underived(key),
        username: None,
        certificate: None,
        endorsing: None,
        confirmations: values,
    };
    let headers =
        [HeaderBlock::Action(b"urn:calc/AddResponse"), HeaderBlock::RelatesTo(opened.addressing.message_id.of(&bytes))];
    let (soap, addressing) = (binding.soap, binding.addressing);
    let message = OutgoingMessage { soap, addressing, headers: &headers, body: b"<x/>", encrypt_body: true };
    let mut out = vec![0; 32_768];
    let sealed = seal::<RustCrypto>(&message, &protection, &Limits::MAX, &mut chance, &mut out).unwrap();
    out.truncate(sealed.len);
    out
}

#[test]
fn a_reply_confirms_every_signature_of_its_request_and_no_other() {
    let paper = Paper::default();
    let binding = Binding { derived_keys: false, ..clear(Bootstrap::MutualCertificate) };
    let mut sender = client(&binding, 1);
    let (exchange, text) = request(&mut sender, &paper);
    let [endorsing, _, primary] = pieces(&text);
    let own = between(&primary, "<SignatureValue>", "<").as_bytes();
    let certified = between(&endorsing, "<SignatureValue>", "<").as_bytes();
    let mut wrong = [0u8; 28];
    base64::encode(&[1; 20], &mut wrong).unwrap();
    let hear = |values: &[&[u8]]| {
        let mut reply = confirming(&binding, &text, values);
        sender.clone().open_reply(NOW, exchange, &paper, &mut reply)
    };
    let values: [&[&[u8]]; 7] = [
        &[],
        &[own],
        &[certified],
        &[own, own],
        &[wrong.as_slice(), certified],
        &[own, wrong.as_slice()],
        &[own, certified, wrong.as_slice()],
    ];
    for values in values {
        assert_eq!(hear(values), Err(Refusal::Confirmation), "{values:?}");
    }
    assert!(matches!(hear(&[own, certified]), Ok(Received::Reply(_))));
    assert!(matches!(hear(&[certified, own]), Ok(Received::Reply(_))), "their order means nothing");
    // Where none is asked for, one is a reason to refuse.
    let binding = Binding { derived_keys: false, ..clear(Bootstrap::UserNameForCertificate) };
    let mut sender = client(&binding, 1);
    let (exchange, text) = request(&mut sender, &paper);
    let mut reply = confirming(&binding, &text, &[wrong.as_slice()]);
    assert_eq!(sender.clone().open_reply(NOW, exchange, &paper, &mut reply), Err(Refusal::Confirmation));
    let mut reply = confirming(&binding, &text, &[]);
    assert!(matches!(sender.open_reply(NOW, exchange, &paper, &mut reply), Ok(Received::Reply(_))));
}

#[test]
fn only_the_sessions_own_certificate_may_renew() {
    for bootstrap in [Bootstrap::MutualCertificate, Bootstrap::MutualCertificate10, Bootstrap::CertificateOverTransport]
    {
        for (renewer, renewed) in [(0, true), (1, false)] {
            let binding = Binding::ws2007_http(bootstrap);
            let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
            pair.client.open().unwrap();
            assert!(matches!(pair.run()[..], [(Received::Established, _)]));
            pair.wait(Duration::from_secs(9 * 3600));
            pair.paper.holder = renewer;
            pair.client.call(Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>")).unwrap();
            let (exchange, mut message) = pair.client_sends().unwrap();
            let incoming = pair.service_hears(exchange, &mut message).unwrap();
            if renewed {
                assert!(matches!(incoming, Incoming::Renewed(_)), "{incoming:?}");
            } else {
                assert_eq!(incoming, Incoming::Refused(Refusal::InvalidTrustRequest));
            }
        }
    }
}

fn at(name: &str, ending: &str) -> std::path::PathBuf {
    vectors_root().join("keys").join(format!("{name}.{ending}.pem"))
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_file(at(name, "cert")).unwrap()
}

/// A real client and a real service.
fn stores(now: u64) -> (CredentialStore, CredentialStore) {
    let key = |name: &str| PrivateKey::from_file(at(name, "key")).unwrap();
    let clock = move || SystemTime::UNIX_EPOCH + Duration::from_secs(now);
    let client = CredentialStore::new().with_service(certificate("service")).unwrap();
    let client = client.with_own(certificate("client"), key("client")).unwrap();
    let service = CredentialStore::new().with_key(certificate("service"), key("service")).unwrap();
    let service = service.with_own(certificate("service"), key("service")).unwrap();
    (client, service.with_trusted(certificate("client")).with_clock(clock))
}

/// 2027-01-15.
const VALID: u64 = 1_800_000_000;

#[test]
fn real_certificates_do_in_every_binding_and_suite() {
    let (holder, host) = stores(VALID);
    for bootstrap in Bootstrap::ALL.into_iter().filter(|bootstrap| !bootstrap.user_name()) {
        for suite in AlgorithmSuite::ALL {
            let binding = Binding { suite, ..Binding::ws_http(bootstrap) };
            let mut sender = client(&binding, 1);
            let (exchange, text) = request(&mut sender, &holder);
            let mut service =
                Service::new(binding.clone(), OneShotSettings::default(), MIDNIGHT, Chance::new(&[9; 32]));
            let incoming = service.open_request(NOW, &host, &mut text.into_bytes());
            let OneShotIncoming::Request { owed, .. } = incoming else { panic!("{incoming:?} {binding:?}") };
            let mut out = vec![0; 32_768];
            let reply = Note::request("urn:calc/AddResponse", "<x/>");
            let (len, _) = service.seal_reply(NOW, &host, &owed, &reply, &mut out).unwrap();
            let heard = sender.open_reply(NOW, exchange, &holder, &mut out[..len]);
            assert!(matches!(heard, Ok(Received::Reply(_))), "{heard:?} {binding:?}");
        }
    }
}

#[test]
fn a_certificate_that_is_not_accepted_is_told_from_a_forged_message() {
    let thumbprint = certificate("client").thumbprint();
    for bootstrap in [Bootstrap::MutualCertificate, Bootstrap::MutualCertificate10, Bootstrap::CertificateOverTransport]
    {
        let binding = Binding::ws_http(bootstrap);
        let (holder, _) = stores(VALID);
        let (_, text) = request(&mut client(&binding, 1), &holder);
        for (host, problem) in [
            (stores(1_795_225_298).1, CertificateProblem::NotYetValid),
            (stores(2_110_585_300).1, CertificateProblem::Expired),
        ] {
            let (refusal, fault) = refusal(&binding, &host, &text).unwrap_err();
            assert_eq!(refusal, Refusal::Credential(CredentialError::Certificate { thumbprint, problem }));
            assert_eq!(refusal.wire(), WireFault::InvalidSecurityToken);
            assert!(fault.contains("InvalidSecurityToken<") && !fault.contains("expired"), "{fault}");
        }
        let key = PrivateKey::from_file(at("service", "key")).unwrap();
        let stranger = CredentialStore::new().with_key(certificate("service"), key).unwrap();
        let (refusal, _) = refusal(&binding, &stranger, &text).unwrap_err();
        let problem = CertificateProblem::NotTrusted;
        assert_eq!(refusal, Refusal::Credential(CredentialError::Certificate { thumbprint, problem }));
        assert!(refusal.to_string().contains("is not trusted"), "{refusal}");
    }
}

#[test]
fn a_key_for_another_certificate_is_refused_like_a_forged_signature() {
    let (holder, host) = stores(VALID);
    let binding = Binding::ws_http(Bootstrap::MutualCertificate);
    let (_, text) = request(&mut client(&binding, 1), &holder);
    let named = between(&text, "#Base64Binary\">", "<");
    let mut other = [0; 28];
    base64::encode(&[0xEE; 20], &mut other).unwrap();
    let elsewhere = swap(&text, named, std::str::from_utf8(&other).unwrap());
    let (unknown, fault) = refusal(&binding, &host, &elsewhere).unwrap_err();
    assert_eq!(unknown, Refusal::Credential(CredentialError::UnknownThumbprint([0xEE; 20])));
    assert!(unknown.to_string().contains(&"ee".repeat(20)), "{unknown}");
    // The same request with a signature that does not hold gets the same fault but for its MessageID.
    let (_, forged) = refusal(&binding, &host, &swap(&text, "<c:Length>24<", "<c:Length>25<")).unwrap_err();
    assert_eq!(fault, forged);
}

/// Whatever the padding of an RSA 1.5 key, the sender hears the same.
#[test]
fn probes_of_the_padding_learn_nothing() {
    let (holder, host) = stores(VALID);
    for bootstrap in [Bootstrap::AnonymousForCertificate, Bootstrap::MutualCertificate, Bootstrap::MutualCertificate10]
    {
        for order in [ProtectionOrder::default(), ProtectionOrder::SignBeforeEncrypt] {
            let binding = Binding { suite: AlgorithmSuite::Basic256Rsa15, order, ..Binding::ws_http(bootstrap) };
            let (_, text) = request(&mut client(&binding, 1), &holder);
            assert_eq!(refusal(&binding, &host, &text), Ok(()));
            let value = between(&text, "<e:CipherValue>", "<");
            let wrap = |key: &[u8]| {
                let mut out = [0; 512];
                let len = holder.wrap_key(KeyTransport::Rsa15, key, &mut out).unwrap();
                out[..len].to_vec()
            };
            let probes = [
                ("a good key of another length", wrap(&[1; 16])),
                ("a good key that is not the one", wrap(&[1; 32])),
                ("good padding around no key", wrap(&[1; 33])),
                ("good padding around nothing", wrap(&[])),
                ("OAEP", {
                    let mut out = [0; 512];
                    let len = holder.wrap_key(KeyTransport::RsaOaepMgf1p, &[1; 32], &mut out).unwrap();
                    out[..len].to_vec()
                }),
                ("zeros", vec![0; 256]),
                ("a number that is hardly padding", vec![0x5A; 256]),
                ("too short", vec![0x5A; 255]),
            ];
            let mut faults = Vec::new();
            for (what, octets) in probes {
                let mut encoded = vec![0; 1024];
                let len = base64::encode(&octets, &mut encoded).unwrap();
                let probe = swap(&text, value, std::str::from_utf8(&encoded[..len]).unwrap());
                let (refusal, fault) = refusal(&binding, &host, &probe).unwrap_err();
                assert_eq!(refusal.wire(), WireFault::InvalidSecurity, "{what}: {refusal}");
                faults.push(fault);
            }
            assert!(faults.windows(2).all(|pair| pair[0] == pair[1]), "{bootstrap:?} {order:?}");
        }
    }
}

/// Under WSS 1.0 a key that anybody can make does not stand in for a certificate.
#[test]
fn an_anonymous_message_is_not_a_signed_one() {
    let (holder, host) = stores(VALID);
    let binding = Binding::ws_http(Bootstrap::MutualCertificate10);
    for derived_keys in [true, false] {
        let theirs = Binding { derived_keys, ..Binding::ws_http(Bootstrap::AnonymousForCertificate) };
        let (_, text) = request(&mut client(&theirs, 1), &holder);
        let (refusal, _) = refusal(&binding, &host, &text).unwrap_err();
        assert!(matches!(refusal, Refusal::WrongToken { element: Element::Signature, .. }), "{refusal}");
    }
}

/// Under WSS 1.0 a client takes the answers of its service only.
#[test]
fn another_service_cannot_answer() {
    let (holder, host) = stores(VALID);
    let binding = Binding::ws_http(Bootstrap::MutualCertificate10);
    let mut sender = client(&binding, 1);
    let (exchange, text) = request(&mut sender, &holder);
    let mut service = Service::new(binding, OneShotSettings::default(), MIDNIGHT, Chance::new(&[9; 32]));
    let incoming = service.open_request(NOW, &host, &mut text.into_bytes());
    let OneShotIncoming::Request { owed, .. } = incoming else { panic!("{incoming:?}") };
    // Whoever is in the middle has the client's certificate, and a key of their own.
    let middle = stores(VALID).0;
    let mut out = vec![0; 32_768];
    let (len, _) = service.seal_reply(NOW, &middle, &owed, &Note::request("urn:x", "<x/>"), &mut out).unwrap();
    let heard = sender.open_reply(NOW, exchange, &holder, &mut out[..len]);
    assert_eq!(heard, Err(Refusal::Credential(CredentialError::NotTrusted)));
}

#[test]
fn a_wrong_password_is_told_as_wcf_tells_it() {
    let paper = Paper { password: "another".into(), ..Paper::default() };
    for bootstrap in [Bootstrap::UserNameForCertificate, Bootstrap::UserNameOverTransport] {
        let binding = Binding::ws_http(bootstrap);
        let mut sender = client(&binding, 1);
        let (exchange, text) = request(&mut sender, &paper);
        let (refusal, fault) = refusal(&binding, &paper, &text).unwrap_err();
        assert_eq!(refusal, Refusal::Credential(CredentialError::BadPassword));
        assert!(fault.contains("InvalidSecurityToken<"), "{fault}");
        let heard = sender.open_reply(NOW, exchange, &paper, &mut fault.into_bytes());
        assert!(matches!(heard, Ok(Received::Failed(Failure::Fault(_)))), "{heard:?}");
    }
}

/// An inspector with either side's credentials opens what that side gets, without being told who has to sign.
#[test]
fn an_inspector_needs_not_be_told_who_signs() {
    let (holder, host) = stores(VALID);
    let binding = Binding::ws_http(Bootstrap::MutualCertificate10);
    let mut sender = client(&binding, 1);
    let (_, text) = request(&mut sender, &holder);
    let mut service = Service::new(binding, OneShotSettings::default(), MIDNIGHT, Chance::new(&[9; 32]));
    let OneShotIncoming::Request { owed, .. } = service.open_request(NOW, &host, &mut text.clone().into_bytes()) else {
        panic!("refused")
    };
    let mut out = vec![0; 32_768];
    let (len, _) = service.seal_reply(NOW, &host, &owed, &Note::request("urn:x", "<x/>"), &mut out).unwrap();
    let reply = String::from_utf8(out[..len].to_vec()).unwrap();
    // As the recordings show such messages: the request carries the certificate, the reply names it; the key's Id is `_0`
    // and holds the list of what it encrypts.
    for (text, tokens) in [(&text, 1), (&reply, 0)] {
        assert_eq!(text.matches("<o:BinarySecurityToken").count(), tokens);
        let key = between(text, "<e:EncryptedKey Id=\"_0\"", "</e:EncryptedKey>");
        assert!(
            key.contains("#X509SubjectKeyIdentifier\"") && key.contains("<e:ReferenceList><e:DataReference"),
            "{key}"
        );
        assert!(!text.contains("SignatureConfirmation") && !text.contains("DerivedKeyToken"));
    }
    let policy = Policy::inspection();
    let known = Known(SecretKey::default());
    for (text, credentials) in [(text, &host), (reply, &holder)] {
        let nothing = Nothing(&known);
        let context = OpenContext { policy: &policy, limits: &Limits::MAX, keyring: &nothing, credentials, now: None };
        let opened = open::<RustCrypto, _, _>(&mut text.into_bytes(), &context).unwrap();
        assert!(matches!(opened.token, ProtectionToken::Certificate { .. }));
        assert_eq!(opened.coverage.encrypted, [Element::Signature, Element::Body]);
    }
}

/// A keyring without keys.
struct Nothing<'k>(&'k Known);

impl Keyring for Nothing<'_> {
    fn security_context(&self, _: &[u8], _: Option<&[u8]>) -> Option<SecretKey> {
        None
    }
    fn encrypted_key(&self, _: &[u8; 20]) -> Option<SecretKey> {
        None
    }
    fn decoy(&self, sha1: &[u8; 20]) -> SecretKey {
        self.0.decoy(sha1)
    }
}
