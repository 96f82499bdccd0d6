//! Fed the recorded Ids, nonces, IVs, times and bodies, `seal` writes the recorded messages byte for byte.

use soap_session_core::base64;
use soap_session_core::chance::{Entropy, Uuid};
use soap_session_core::crypto::{
    AsymmetricSignature, CipherAlgorithm, DigestAlgorithm, KeyTransport, RustCrypto, SecretKey, SuiteSet,
};
use soap_session_core::secure::{
    CertificateSigner, CredentialError, Credentials, DerivedKey, EndorsingCertificate, EndorsingToken, Id, MessageKeys,
    OutgoingMessage, Protection, ProtectionOrder, SigningToken, Timestamp, UniqueId, UniqueIds, UsernameToken, seal,
};
use soap_session_core::soap::{AddressingVersion, ScVersion, SoapVersion};
use soap_session_core::time::UnixMillis;
use soap_session_core::xml::Limits;
use soap_session_tests::actors::client_store;
use soap_session_tests::dom::Node;
use soap_session_tests::wire::header_blocks;
use soap_session_tests::{Message, Recording, Secrets, secured};
use std::collections::BTreeMap;

/// The recorded IVs, in the order in which `seal` asks.
struct Ivs(Vec<Vec<u8>>);

impl Entropy for Ivs {
    fn fill(&mut self, out: &mut [u8]) {
        let iv = self.0.remove(0);
        out.copy_from_slice(iv.get(..out.len()).expect("a whole block"));
    }
}

fn decode(text: &str) -> Vec<u8> {
    let mut octets = vec![0; text.len()];
    let len = base64::decode(text.as_bytes(), &mut octets).expect("recorded base64");
    octets.truncate(len);
    octets
}

fn id(text: &str) -> Id {
    match text.strip_prefix('_') {
        Some(number) => Id::Local(number.parse().expect("a number")),
        None => {
            let (guid, number) = text.strip_prefix("uuid-").and_then(|t| t.rsplit_once('-')).expect("uuid-guid-n");
            let mut ids =
                UniqueIds::new(Uuid::parse(guid.as_bytes()).expect("a guid"), number.parse().expect("a number"));
            let unique: UniqueId = ids.next_id();
            Id::Unique(unique)
        }
    }
}

fn of(bytes: &[u8], span: soap_session_core::xml::Span) -> &[u8] {
    span.of(bytes)
}

/// The recorded clients' key. RSA PKCS#1 v1.5 has no chance in it: the signatures come out as recorded.
struct Signer;

impl CertificateSigner for Signer {
    fn sign(&self, algorithm: AsymmetricSignature, digest: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        client_store().sign(algorithm, digest, out)
    }
}

/// Seals what the recording holds. `None`: its keys are not known.
fn reseal(message: &Message, secrets: &Secrets) -> Option<Vec<u8>> {
    let raw = &message.bytes;
    let plain_bytes = message.plain.as_ref()?;
    let (wire, plain) = (Node::parse(raw), Node::parse(plain_bytes));
    let keys = secrets.of(&message.file)?;
    let soap = SoapVersion::from_namespace(wire.namespace.as_bytes())?;
    let header = plain.child("Header")?;
    let security = header.child("Security")?;
    let wire_security = wire.path(&["Header", "Security"])?;
    let addressing = header.children.iter().find_map(|h| AddressingVersion::from_namespace(h.namespace.as_bytes()))?;
    let headers = header_blocks(&plain, plain_bytes);
    // Everything that the recorded message encrypts, by the number of its Id.
    let mut ivs = BTreeMap::new();
    let mut ciphers = Vec::new();
    for data in wire.all().into_iter().filter(|n| n.local == "EncryptedData") {
        let number: u16 = data.attribute("Id")?.strip_prefix('_')?.parse().ok()?;
        let octets = decode(&data.path(&["CipherData", "CipherValue"])?.text);
        ivs.insert(number, octets);
        ciphers.push(CipherAlgorithm::from_uri(data.child("EncryptionMethod")?.attribute("Algorithm")?.as_bytes())?);
    }
    let body = plain.child("Body")?;
    let encrypt_body = wire.child("Body")?.child("EncryptedData").is_some();
    let signature = security.child("Signature")?;
    let digest = signature.path(&["SignedInfo", "Reference", "DigestMethod"])?.attribute("Algorithm")?;
    let mut suites = SuiteSet::ALL.narrow_digest(DigestAlgorithm::from_uri(digest.as_bytes())?);
    for cipher in ciphers {
        suites = suites.narrow_cipher(cipher);
    }
    let clear = wire_security.children.iter().position(|c| c.local == "Signature");
    let list = wire_security.children.iter().position(|c| c.local == "ReferenceList");
    let order = match (clear, list) {
        (None, _) => ProtectionOrder::SignBeforeEncryptAndEncryptSignature,
        (Some(signature), Some(list)) if signature < list => ProtectionOrder::EncryptBeforeSign,
        (Some(_), _) => ProtectionOrder::SignBeforeEncrypt,
    };
    let key_of = |token: &Node| {
        let own = token.attribute("Id")?;
        let recorded = keys.derived.iter().find(|d| d.id == own)?;
        Some((id(own), decode(&token.child("Nonce")?.text), SecretKey::new(&recorded.key)?))
    };
    // The first token belongs to the message; a SecurityContextToken after it endorses.
    let primary = |n: &&&Node| matches!(n.local.as_str(), "SecurityContextToken" | "EncryptedKey");
    let first = security.children.iter().collect::<Vec<_>>();
    let token = first.iter().find(primary).copied();
    let endorser = first.iter().filter(primary).nth(1).copied();
    let mut derived: Vec<_> = security.children.iter().filter(|c| c.local == "DerivedKeyToken").collect();
    let endorsing_key = if endorser.is_some() { key_of(derived.pop()?) } else { None };
    let version = security
        .children
        .iter()
        .chain(token)
        .find_map(|c| ScVersion::from_namespace(c.namespace.as_bytes()))
        .unwrap_or(ScVersion::February2005);
    let dummy = (Id::Local(0), vec![0; 16], SecretKey::zeroed(suites.first()?.encryption_key_len())?);
    let signing = derived.first().and_then(|t| key_of(t));
    let encryption = derived.get(1).and_then(|t| key_of(t)).unwrap_or_else(|| {
        let mut dummy = dummy.clone();
        dummy.2 = SecretKey::zeroed(suites.first().expect("a suite").encryption_key_len()).expect("short");
        dummy
    });
    let thumbprint: [u8; 20];
    let wrapped;
    let sha1: [u8; 20];
    let underived;
    let reference = match derived.first() {
        Some(token) => token.child("SecurityTokenReference")?,
        None => signature.path(&["KeyInfo", "SecurityTokenReference"])?,
    };
    let signing_token = match token {
        Some(token) if token.local == "SecurityContextToken" => SigningToken::SecurityContext {
            element: of(plain_bytes, token.span),
            id: token.attribute("Id")?.as_bytes(),
        },
        Some(token) => {
            thumbprint =
                decode(&token.path(&["KeyInfo", "SecurityTokenReference", "KeyIdentifier"])?.text).try_into().ok()?;
            wrapped = decode(&token.path(&["CipherData", "CipherValue"])?.text);
            let transport = token.child("EncryptionMethod")?.attribute("Algorithm")?;
            suites = suites.narrow_transport(KeyTransport::from_uri(transport.as_bytes())?);
            SigningToken::NewEncryptedKey { id: id(token.attribute("Id")?), thumbprint: &thumbprint, wrapped: &wrapped }
        }
        None => match reference.children.first()? {
            named if named.local == "KeyIdentifier" => {
                sha1 = decode(&named.text).try_into().ok()?;
                SigningToken::EncryptedKeySha1(&sha1)
            }
            named => SigningToken::ExternalContext {
                identifier: named.attribute("URI")?.as_bytes(),
                instance: named.attribute("Instance").map(str::as_bytes),
            },
        },
    };
    let message_keys = match &signing {
        None => {
            underived = root_key(&signing_token, message, secrets)?;
            MessageKeys::Underived(&underived)
        }
        Some((Id::Local(_), nonce, secret)) => MessageKeys::PerMessage {
            signing: DerivedKey { nonce, secret },
            encryption: DerivedKey { nonce: &encryption.1, secret: &encryption.2 },
        },
        Some((own @ Id::Unique(_), nonce, secret)) => MessageKeys::PerSession {
            signing_id: *own,
            signing: DerivedKey { nonce, secret },
            encryption_id: encryption.0,
            encryption: DerivedKey { nonce: &encryption.1, secret: &encryption.2 },
        },
    };
    let zero = SecretKey::default();
    let endorsing = match (endorser, &endorsing_key) {
        (Some(token), Some((_, nonce, secret))) => Some(EndorsingToken {
            element: of(plain_bytes, token.span),
            id: token.attribute("Id")?.as_bytes(),
            derived: Some(DerivedKey { nonce, secret }),
            secret: &zero,
        }),
        _ => None,
    };
    let client = client_store();
    let certificate = security.child("BinarySecurityToken").map(|token| EndorsingCertificate {
        id: id(token.attribute("Id").expect("Id")),
        certificate: client.own_certificate().expect("a certificate"),
        signer: &Signer,
    });
    let username = security.child("UsernameToken").map(|token| UsernameToken {
        id: id(token.attribute("Id").expect("Id")),
        name: &token.child("Username").expect("Username").text,
        password: &token.child("Password").expect("Password").text,
    });
    let values: Vec<&[u8]> = security
        .children
        .iter()
        .filter(|c| c.local == "SignatureConfirmation")
        .map(|c| c.attribute("Value").expect("Value").as_bytes())
        .collect();
    let stamp = security.child("Timestamp")?;
    let moment = |local: &str| UnixMillis::parse(stamp.child(local).expect("a time").text.as_bytes()).expect("a time");
    let text = String::from_utf8_lossy(raw);
    let protection = Protection {
        suite: suites.first()?,
        version,
        order,
        bsp: text.contains("/sc/dk\"") || text.contains("200512/dk\"") || text.contains("EncodingType"),
        timestamp: Timestamp { id: id(stamp.attribute("Id")?), created: moment("Created"), expires: moment("Expires") },
        token: signing_token,
        keys: message_keys,
        username,
        certificate,
        endorsing,
        confirmations: &values,
    };
    let outgoing =
        OutgoingMessage { soap, addressing, headers: &headers, body: of(plain_bytes, body.inner), encrypt_body };
    let mut ivs = Ivs(ivs.into_values().collect());
    let mut out = vec![0; raw.len() + 4096];
    let sealed = seal::<RustCrypto>(&outgoing, &protection, &Limits::MAX, &mut ivs, &mut out).expect("seals");
    out.truncate(sealed.len);
    Some(out)
}

fn root_key(token: &SigningToken<'_>, message: &Message, secrets: &Secrets) -> Option<SecretKey> {
    let wrapped = |file: &str| SecretKey::new(secrets.of(file)?.encrypted_key.as_ref()?);
    match token {
        SigningToken::SecurityContext { .. } | SigningToken::ExternalContext { .. } => {
            let (_, context) = secrets.issued().next()?;
            SecretKey::new(&context.key)
        }
        SigningToken::NewEncryptedKey { .. } => wrapped(&message.file),
        SigningToken::EncryptedKeySha1(_) => wrapped(&format!("{:02}-c2s.xml", message.number - 1)),
        SigningToken::Certificate { .. } | SigningToken::Transport => None,
    }
}

/// Sessions that the count below must include: both versions, all orders, the suites, BSP on and off, SOAP 1.1, renewal.
const MUST_COVER: [&str; 16] = [
    "wcf/sc-anon",
    "wcf/sc-anon-basic128",
    "wcf/sc-anon-v13",
    "wcf/sc-anon-nodk",
    "wcf/sc-anon-nocancel",
    "wcf/sc-user",
    "wcf/ws-msg-none-ctx-noneg",
    "wcf/ws2007-username-rm",
    "wcf/anon-cert-ebs",
    "wcf-stories/sc-Basic128Sha256",
    "wcf-stories/sc-v13-Basic256Sha256",
    "wcf-stories/sc-TripleDes",
    "wcf-stories/sc-encrypt-before-sign",
    "wcf-stories/sc-sign-before-encrypt",
    "wcf-stories/sc-soap11a04",
    "wcf-stories/sc-renew-needed-v13",
];

#[test]
fn recorded_messages_come_out_byte_for_byte() {
    let mut equal: BTreeMap<String, u32> = BTreeMap::new();
    let mut certified = 0;
    let mut different = Vec::new();
    for family in ["wcf", "wcf-stories"] {
        for name in secured(family).unwrap() {
            let recording = Recording::open(&name).unwrap();
            let secrets = recording.secrets().unwrap();
            for message in recording.messages.iter().filter(|m| m.is_secured()) {
                let sealed = reseal(message, &secrets).unwrap_or_else(|| panic!("{name}/{}", message.file));
                let plain = message.plain.as_ref().expect("the recorder opened every message");
                certified += u32::from(String::from_utf8_lossy(plain).contains("BinarySecurityToken"));
                if sealed == message.bytes {
                    *equal.entry(name.clone()).or_default() += 1;
                } else {
                    different.push(format!("{name}/{}: {}", message.file, first_difference(&sealed, &message.bytes)));
                }
            }
        }
    }
    let total: u32 = equal.values().sum();
    println!("{total} messages equal, {} different, {certified} endorsed by a certificate", different.len());
    assert!(certified > 20, "only {certified} messages are endorsed by a certificate");
    assert!(different.is_empty(), "{}", different.join("\n"));
    for name in MUST_COVER {
        assert!(equal.contains_key(name), "{name} was not compared");
    }
    assert!(total > 1500, "only {total} messages were compared");
}

fn first_difference(ours: &[u8], theirs: &[u8]) -> String {
    let at = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or_else(|| ours.len().min(theirs.len()));
    let show = |bytes: &[u8]| {
        String::from_utf8_lossy(&bytes[at.saturating_sub(60).min(bytes.len())..(at + 60).min(bytes.len())]).into_owned()
    };
    format!("byte {at}\n  ours   {}\n  theirs {}", show(ours), show(theirs))
}
