//! What must be refused where certificates, passwords and suites are at stake, message by message and as the beginning of a
//! conversation, each with the fault that the peer gets. The rows that stand elsewhere:
//!
//! | row | where |
//! |---|---|
//! | another's key, by its thumbprint | `certificate_attacks` |
//! | endorsing signature stripped, swapped, moved | `certificate_attacks`, `over_transport`, `certified_conversation` |
//! | SignatureConfirmation missing, wrong, or not asked for | `certificate_attacks`, `replies` |
//! | cookie with a flipped bit, of another service, under a retired key | `cookies` |
//! | password digest over a protected transport; wrong password | `over_transport`; `certificate_attacks`, `acceptor_stories` |
//! | padding probes on RSA 1.5 | `certificate_attacks`, `rsa15_work` |
//! | downgrade of the suite of single messages | `certificate_attacks` |

use soap_session_core::base64;
use soap_session_core::chance::{Chance, Uuid};
use soap_session_core::crypto::{AlgorithmSuite, KeyTransport, RustCrypto, SecretKey};
use soap_session_core::secure::{
    Acceptor, AcceptorAction, AcceptorSettings, Binding, Bootstrap, CertificateProblem, CertificateReference,
    CredentialError, Credentials, Element, Exchange, Failure, FaultSeen, Id, Incoming, Initiator, InitiatorAction,
    InitiatorPhase, InitiatorSettings, Keyring, MessageKeys, OneShotClient, OneShotIncoming, OneShotService,
    OneShotSettings, OpenContext, OutgoingMessage, Policy, Protection, ProtectionOrder, Received, Refusal,
    SigningToken, Timestamp, UniqueIds, UserCredential, WireFault, open, seal,
};
use soap_session_core::soap::HeaderBlock;
use soap_session_core::soap::fault::KnownFault;
use soap_session_core::time::{Duration, Instant};
use soap_session_core::xml::Limits;
use soap_session_credentials::{Certificate, CertificateValidation, CredentialStore, PrivateKey, ServiceIdentity};
use soap_session_tests::opening::{between, from_base64, swap};
use soap_session_tests::pair::{MIDNIGHT, Note, Pair, Paper};
use soap_session_tests::{forge, vectors_root};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

type Client = Initiator<Note, Chance, 4, 64>;
type Service = Acceptor<Note, Chance, 8, 8, 64>;

const NOW: Instant = Instant::from_millis(1000);
/// 2027-01-15, by which certificates are judged.
const VALID: u64 = 1_800_000_000;
const CERTIFIED: [Bootstrap; 3] =
    [Bootstrap::MutualCertificate, Bootstrap::MutualCertificate10, Bootstrap::CertificateOverTransport];

/// Certificates made with `openssl`; see `adapters/credentials/tests/data/README.md`.
fn made(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../adapters/credentials/tests").join(file)
}

fn issued(name: &str) -> Certificate {
    Certificate::from_file(made(&format!("{name}.cert.pem"))).unwrap()
}

fn recorded(name: &str) -> (Certificate, PrivateKey) {
    let at = |ending: &str| vectors_root().join("keys").join(format!("{name}.{ending}.pem"));
    (Certificate::from_file(at("cert")).unwrap(), PrivateKey::from_file(at("key")).unwrap())
}

/// A client with this certificate, which is for the key `client`.
fn holder(name: &str) -> CredentialStore {
    let (_, key) = recorded("client");
    let store = CredentialStore::new().with_service(recorded("service").0).unwrap();
    store.with_own(issued(name), key).unwrap()
}

fn host() -> CredentialStore {
    let (certificate, key) = recorded("service");
    let store = CredentialStore::new().with_key(certificate.clone(), key).unwrap();
    store.with_own(certificate, recorded("service").1).unwrap()
}

fn by(clock: u64) -> impl Fn() -> SystemTime {
    move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock)
}

/// What came of a message that is to be refused: the reason inside, the fault's text, and what the client makes of it.
struct Refused {
    refusal: Refusal,
    fault: String,
    heard: FaultSeen,
}

fn alone(binding: &Binding, holder: &impl Credentials, host: &impl Credentials) -> Result<(), Refused> {
    let user = UserCredential::new("alice", "wonder");
    let to = "http://localhost/calc";
    let client = OneShotClient::<_, 8, 64>::new(binding.clone(), to, user, MIDNIGHT, Chance::new(&[1; 32]));
    let (mut client, mut out) = (client.unwrap(), vec![0; 32_768]);
    let note = Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>");
    let (exchange, len) = client.seal_request(NOW, holder, &note, &mut out).unwrap();
    let mut service =
        OneShotService::<_, 64>::new(binding.clone(), OneShotSettings::default(), MIDNIGHT, Chance::new(&[9; 32]));
    match service.open_request(NOW, host, &mut out[..len]) {
        OneShotIncoming::Request { .. } => Ok(()),
        OneShotIncoming::Refused { refusal, owed } => {
            let (len, status) = service.write_answer(&owed, &mut out).unwrap();
            assert_eq!(status, 500);
            let fault = String::from_utf8(out[..len].to_vec()).unwrap();
            let heard = client.open_reply(NOW, exchange, holder, &mut out[..len]);
            let Ok(Received::Failed(Failure::Fault(heard))) = heard else { panic!("{heard:?}") };
            Err(Refused { refusal, fault, heard })
        }
    }
}

fn opener(binding: &Binding) -> Client {
    let user = UserCredential::new("alice", "wonder");
    let (settings, to) = (InitiatorSettings::default(), "http://localhost/calc");
    let mut client = Client::new(binding.clone(), settings, to, user, MIDNIGHT, Chance::new(&[1; 32])).unwrap();
    client.open().unwrap();
    client
}

fn token_request(client: &mut Client, holder: &impl Credentials) -> (Exchange, Vec<u8>) {
    let mut out = vec![0; 32_768];
    match client.poll(NOW, holder, &mut out).unwrap() {
        InitiatorAction::Transmit { exchange, message, .. } => (exchange, message.to_vec()),
        other => panic!("{other:?}"),
    }
}

fn conversation(binding: &Binding, holder: &impl Credentials, host: &impl Credentials) -> Result<(), Refused> {
    let mut client = opener(binding);
    let (exchange, request) = token_request(&mut client, holder);
    judged(binding, &mut client, exchange, request, holder, host)
}

/// What a service makes of a token request, and its client of the answer.
fn judged(
    binding: &Binding,
    client: &mut Client,
    exchange: Exchange,
    mut request: Vec<u8>,
    holder: &impl Credentials,
    host: &impl Credentials,
) -> Result<(), Refused> {
    let mut service = Service::new(binding.clone(), AcceptorSettings::default(), MIDNIGHT, Chance::new(&[9; 32]));
    let incoming = service.receive(NOW, exchange, host, &mut request).unwrap();
    let Incoming::Refused(refusal) = incoming else { return Ok(()) };
    assert_eq!(service.sessions(), 0, "{refusal}: nothing is kept");
    let mut out = vec![0; 32_768];
    let AcceptorAction::Answer { status: 500, message, .. } = service.poll(NOW, &mut out).unwrap() else {
        panic!("no fault for {refusal}")
    };
    let mut answer = message.to_vec();
    let fault = String::from_utf8(answer.clone()).unwrap();
    let heard = client.receive(NOW, exchange, holder, &mut answer);
    let Ok(Received::Failed(Failure::Fault(heard))) = heard else { panic!("{heard:?}") };
    assert_eq!(client.phase(), InitiatorPhase::Faulted);
    Err(Refused { refusal, fault, heard })
}

#[test]
fn a_certificate_that_is_not_accepted() {
    use CertificateProblem::{Expired, NotTrusted, NotYetValid, RevocationUnknown, Revoked, WrongUsage};
    let chain = |authority: &str| host().with_authority(issued(authority).der()).unwrap();
    let list = |name: &str| fs::read(made(&format!("authority/{name}.crl"))).unwrap();
    let listed = |name: &str| chain("authority/authority").with_revocation_list(&list(name)).unwrap();
    let (own, other) = ("authority/authority", "keys/authority");
    let rows: [(&str, CredentialStore, u64, Option<CertificateProblem>); 9] = [
        ("authority/good", chain(own), VALID, None),
        // 2026-11-21T11:00:00Z and 2036-11-18T11:00:00Z are its first and its last second.
        ("authority/good", chain(own), 1_795_258_799, Some(NotYetValid)),
        ("authority/good", chain(own), 2_110_618_801, Some(Expired)),
        ("authority/good", chain(other), VALID, Some(NotTrusted)),
        ("authority/good", host(), VALID, Some(NotTrusted)),
        ("keys/server-only", chain(other), VALID, Some(WrongUsage)),
        ("keys/encipher-only", chain(other), VALID, Some(WrongUsage)),
        ("authority/taken-back", listed("authority"), VALID, Some(Revoked)),
        // The list was good until 2028.
        ("authority/good", listed("authority"), 1_830_297_600, Some(RevocationUnknown)),
    ];
    for (name, host, clock, problem) in rows {
        let (holder, host) = (holder(name), host.with_clock(by(clock)));
        let (thumbprint, wanted) = (issued(name).thumbprint(), problem);
        for bootstrap in CERTIFIED {
            let binding = Binding::ws_http(bootstrap);
            for outcome in [alone(&binding, &holder, &host), conversation(&binding, &holder, &host)] {
                let what = format!("{name}, {bootstrap:?}, {wanted:?}");
                let Some(problem) = wanted else {
                    assert!(outcome.is_ok(), "{what}");
                    continue;
                };
                let Err(Refused { refusal, fault, heard }) = outcome else { panic!("{what}: taken") };
                let error = CredentialError::Certificate { thumbprint, problem };
                assert_eq!(refusal, Refusal::Credential(error), "{what}");
                assert_eq!((heard.known, heard.secured), (Some(KnownFault::InvalidSecurityToken), false), "{what}");
                // Outside nobody learns which it was.
                assert!(fault.contains("InvalidSecurityToken<"), "{what}: {fault}");
                for word in ["expired", "revoked", "trust", "usage", "ertificate"] {
                    assert!(
                        !fault.replace("schemas.xmlsoap.org/ws/2005/02/trust", "").contains(word),
                        "{what}: {fault}"
                    );
                }
            }
        }
    }
}

/// The client's side of the same rows: the service's certificate is not what it has to be any more.
#[test]
fn a_services_certificate_that_has_expired_is_not_wrapped_for() {
    let clock = Arc::new(AtomicU64::new(VALID));
    let now = clock.clone();
    let authority = issued("authority/authority");
    let store = CredentialStore::new().with_authority(authority.der()).unwrap();
    let store = store.with_clock(move || SystemTime::UNIX_EPOCH + Duration::from_secs(now.load(Ordering::SeqCst)));
    let (name, chain) = (ServiceIdentity::Dns("calc.example"), CertificateValidation::ChainTrust);
    let certificate = issued("authority/service-2027");
    let store = store.with_service_validated(certificate.clone(), name, chain).unwrap();
    let mut client = opener(&Binding::default());
    let _ = token_request(&mut client.clone(), &store);
    // 2027-01-31T00:00:00Z is its last second.
    clock.store(1_801_353_601, Ordering::SeqCst);
    let (thumbprint, problem) = (certificate.thumbprint(), CertificateProblem::Expired);
    let failed = client.poll(NOW, &store, &mut vec![0; 32_768]).map(|_| ());
    assert_eq!(failed, Err(Failure::Credential(CredentialError::Certificate { thumbprint, problem })));
    assert_eq!(client.phase(), InitiatorPhase::Faulted);
}

#[test]
fn a_downgraded_suite_opens_no_conversation() {
    let (holder, host) =
        (holder("authority/good"), host().with_authority(issued("authority/authority").der()).unwrap());
    let host = host.with_clock(by(VALID));
    for ours in [AlgorithmSuite::Basic256, AlgorithmSuite::Basic256Sha256] {
        for theirs in AlgorithmSuite::ALL.into_iter().filter(|theirs| *theirs != ours) {
            for bootstrap in
                [Bootstrap::AnonymousForCertificate, Bootstrap::MutualCertificate, Bootstrap::MutualCertificate10]
            {
                let what = format!("{ours:?}, {theirs:?}, {bootstrap:?}");
                let theirs = Binding { suite: theirs, ..Binding::ws_http(bootstrap) };
                let mut client = opener(&theirs);
                let (exchange, request) = token_request(&mut client, &holder);
                let ours = Binding { suite: ours, ..Binding::ws_http(bootstrap) };
                let judged = judged(&ours, &mut client, exchange, request, &holder, &host);
                let Err(Refused { refusal, fault, heard }) = judged else { panic!("{what}: taken") };
                assert_eq!(refusal.wire(), WireFault::InvalidSecurity, "{what}: {refusal}");
                assert_eq!((heard.known, heard.secured), (Some(KnownFault::InvalidSecurity), false), "{what}");
                assert!(fault.contains("InvalidSecurity<"), "{what}: {fault}");
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

/// The key that a client of paper wrapped in `text`.
fn wrapped(text: &str) -> SecretKey {
    let octets = from_base64(between(text, "<e:CipherValue>", "<"));
    let mut key = [0; 64];
    let reference = CertificateReference::Der(b"");
    let len = Paper::default().unwrap_key(reference, KeyTransport::RsaOaepMgf1p, &octets, &mut key).unwrap();
    SecretKey::new(&key[..len]).unwrap()
}

/// RSTRs that confirm nothing, too little, too much, or something else than the token request's signatures.
#[test]
fn a_token_comes_with_the_confirmation_of_its_request() {
    for bootstrap in [Bootstrap::AnonymousForCertificate, Bootstrap::MutualCertificate] {
        let binding = Binding { derived_keys: false, ..Binding::ws_http(bootstrap) };
        let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 1);
        pair.client.open().unwrap();
        let (exchange, request) = pair.client_sends().unwrap();
        let text = String::from_utf8(request.clone()).unwrap();
        let known = Known(wrapped(&text));
        let policy = Policy::inspection();
        let context =
            OpenContext { policy: &policy, limits: &Limits::MAX, keyring: &known, credentials: &pair.paper, now: None };
        let mut bytes = request.clone();
        let opened = open::<RustCrypto, _, _>(&mut bytes, &context).unwrap();
        let mut own = [0; 28];
        base64::encode(opened.signature.as_bytes(), &mut own).unwrap();
        let endorsing = opened.endorsements.first().map(|endorsement| endorsement.value.of(&bytes));
        let mut wrong = [0; 28];
        base64::encode(&[1; 20], &mut wrong).unwrap();
        let both: Vec<&[u8]> = [Some(own.as_slice()), endorsing].into_iter().flatten().collect();
        let mut forged: Vec<Vec<&[u8]>> = vec![vec![], vec![&wrong], [both.clone(), vec![&wrong]].concat()];
        if endorsing.is_some() {
            forged.extend([vec![both[0]], vec![both[1]], vec![both[0], both[0]]]);
        }
        let sha1 = <sha1::Sha1 as sha1::Digest>::digest(from_base64(between(&text, "<e:CipherValue>", "<"))).into();
        let answer = |values: &[&[u8]]| {
            let mut chance = Chance::new(&[3; 32]);
            let id = UniqueIds::new(Uuid::random(&mut chance), 1).next_id();
            let created = MIDNIGHT.at(pair.now);
            let protection = Protection {
                suite: binding.suite,
                version: binding.version,
                order: ProtectionOrder::default(),
                bsp: binding.bsp,
                timestamp: Timestamp { id: Id::Unique(id), created, expires: created.after(Duration::from_secs(300)) },
                token: SigningToken::EncryptedKeySha1(&sha1),
                keys: MessageKeys::Underived(&known.0),
                username: None,
                certificate: None,
                endorsing: None,
                confirmations: values,
            };
            let action = b"http://schemas.xmlsoap.org/ws/2005/02/trust/RSTR/SCT";
            let relates_to = opened.addressing.message_id.of(&bytes);
            let headers = [HeaderBlock::Action(action), HeaderBlock::RelatesTo(relates_to)];
            let (soap, addressing) = (binding.soap, binding.addressing);
            let message = OutgoingMessage { soap, addressing, headers: &headers, body: b"<x/>", encrypt_body: true };
            let mut out = vec![0; 32_768];
            let sealed = seal::<RustCrypto>(&message, &protection, &Limits::MAX, &mut chance, &mut out).unwrap();
            out.truncate(sealed.len);
            out
        };
        for values in &forged {
            let mut client = pair.client.clone();
            let heard = client.receive(pair.now, exchange, &pair.paper, &mut answer(values));
            let refused = Failure::Refused(Refusal::Confirmation);
            assert_eq!(heard, Ok(Received::Failed(refused)), "{bootstrap:?} {}", values.len());
            assert_eq!(client.phase(), InitiatorPhase::Faulted);
        }
        // With the right ones it is only the body that is none.
        let mut client = pair.client.clone();
        let heard = client.receive(pair.now, exchange, &pair.paper, &mut answer(&both));
        assert!(matches!(heard, Ok(Received::Failed(Failure::Trust(_)))), "{heard:?}");
    }
}

/// Inside the encryption: the token says that the password is a digest, and everything is signed again.
#[test]
fn a_password_digest_is_refused_where_the_token_is_encrypted() {
    let order = ProtectionOrder::SignBeforeEncrypt;
    let binding = Binding { derived_keys: false, order, ..Binding::ws_http(Bootstrap::UserNameForCertificate) };
    let paper = Paper { password: "wonder".into(), ..Paper::default() };
    let user = UserCredential::new("alice", "wonder");
    let to = "http://localhost/calc";
    let client = OneShotClient::<_, 8, 64>::new(binding.clone(), to, user, MIDNIGHT, Chance::new(&[1; 32]));
    let mut out = vec![0; 32_768];
    let note = Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>");
    let (_, len) = client.unwrap().seal_request(NOW, &paper, &note, &mut out).unwrap();
    let text = String::from_utf8(out[..len].to_vec()).unwrap();
    let key = wrapped(&text);
    // As it is in clear, which is what is signed.
    let (policy, known) = (Policy::inspection(), Known(key.clone()));
    let context =
        OpenContext { policy: &policy, limits: &Limits::MAX, keyring: &known, credentials: &paper, now: None };
    let mut clear = text.clone().into_bytes();
    open::<RustCrypto, _, _>(&mut clear, &context).unwrap();
    let clear = String::from_utf8(clear).unwrap();
    let token = |clear: &str| {
        let inside = between(clear, "<o:UsernameToken", "</o:UsernameToken>");
        format!("<o:UsernameToken{inside}</o:UsernameToken>")
    };
    let judge = |kind: &str| {
        let changed = swap(&clear, "#PasswordText", kind);
        let signed = forge::resign(&changed, key.as_bytes());
        let signature = |text: &str| between(text, "<SignedInfo>", "</SignatureValue>").to_owned();
        let data = between(&text, "<e:EncryptedData", "</e:EncryptedData>");
        let value = between(data, "<e:CipherValue>", "<");
        let sealed = forge::to_base64(&forge::encrypt(&forge::padded(token(&changed).as_bytes()), key.as_bytes()));
        let forged = swap(&swap(&text, &signature(&text), &signature(&signed)), value, &sealed);
        let mut service =
            OneShotService::<_, 64>::new(binding.clone(), OneShotSettings::default(), MIDNIGHT, Chance::new(&[9; 32]));
        match service.open_request(NOW, &paper, &mut forged.into_bytes()) {
            OneShotIncoming::Request { .. } => None,
            OneShotIncoming::Refused { refusal, owed } => {
                let mut out = vec![0; 4096];
                let (len, _) = service.write_answer(&owed, &mut out).unwrap();
                Some((refusal, String::from_utf8(out[..len].to_vec()).unwrap()))
            }
        }
    };
    assert!(judge("#PasswordText").is_none(), "forging itself works");
    let (refusal, fault) = judge("#PasswordDigest").unwrap();
    assert!(matches!(refusal, Refusal::Malformed { element: Element::UsernameToken, .. }), "{refusal}");
    assert!(fault.contains("InvalidSecurity<"), "{fault}");
}

/// Stripped from a token request: what the signatures are encrypted in, or the signature itself over a protected transport.
#[test]
fn a_token_request_without_its_endorsing_signature() {
    let (holder, host) =
        (holder("authority/good"), host().with_authority(issued("authority/authority").der()).unwrap());
    let host = host.with_clock(by(VALID));
    for bootstrap in [Bootstrap::MutualCertificate, Bootstrap::CertificateOverTransport] {
        let binding = Binding::ws_http(bootstrap);
        let mut client = opener(&binding);
        let (exchange, request) = token_request(&mut client, &holder);
        let text = String::from_utf8(request).unwrap();
        let stripped = if bootstrap.over_transport() {
            let signature = between(&text, "<Signature xmlns", "</Signature>");
            swap(&text, &format!("<Signature xmlns{signature}</Signature>"), "")
        } else {
            // The primary signature stands first, the endorsing one second.
            let header = text.split_once("</o:Security>").unwrap().0;
            let (_, second) = header.rsplit_once("<e:EncryptedData").unwrap();
            let id = between(second, "Id=\"", "\"");
            let listed = swap(&text, &format!("<e:EncryptedData{second}"), "");
            swap(&listed, &format!("<e:DataReference URI=\"#{id}\"/>"), "")
        };
        let judged = judged(&binding, &mut client, exchange, stripped.into_bytes(), &holder, &host);
        let Err(Refused { refusal, fault, heard }) = judged else { panic!("{bootstrap:?}: taken") };
        assert_eq!(refusal, Refusal::Missing(Element::EndorsingSignature), "{bootstrap:?}");
        assert_eq!((heard.known, heard.secured), (Some(KnownFault::InvalidSecurity), false));
        assert!(fault.contains("InvalidSecurity<"), "{fault}");
    }
}
