//! This project's half of the conversations with xmlsec1 and WSS4J about single messages; `xmlsec.sh` and `wss4j.sh` hold them together.
//!
//! `seal DIRECTORY` writes messages for the other to decrypt and verify, one folder each: `message.xml`, the `body.xml` that
//! went in, and `secrets.tsv` (the key of each token; nothing that was derived from it). `open DIRECTORY` opens the
//! messages that the other signed and encrypted, under a policy that allows exactly the suite and order they were made with.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use soap_session_core::chance::{Chance, Entropy, Uuid};
use soap_session_core::crypto::{AlgorithmSuite, RustCrypto, SecretKey, SuiteSet, p_sha1};
use soap_session_core::secure::{
    DerivedKey, Encryption, EndorsingToken, Id, Keyring, MessageKeys, NoCredentials, OpenContext, OutgoingMessage,
    Policy, Protection, ProtectionOrder, SigningToken, Timestamp, UniqueIds, UsernameToken, open, seal,
};
use soap_session_core::soap::{AddressingVersion, HeaderBlock, ScVersion, SoapVersion};
use soap_session_core::time::{Duration, UnixMillis};
use soap_session_core::xml::Limits;
use soap_session_tests::from_hex;

type Outcome<T> = Result<T, Box<dyn Error>>;

const LABEL: &[u8] = b"WS-SecureConversationWS-SecureConversation";
const NOW: UnixMillis = UnixMillis(1_795_228_812_769);
const SUITES: [AlgorithmSuite; 8] = [
    AlgorithmSuite::Basic128,
    AlgorithmSuite::Basic192,
    AlgorithmSuite::Basic256,
    AlgorithmSuite::TripleDes,
    AlgorithmSuite::Basic128Sha256,
    AlgorithmSuite::Basic192Sha256,
    AlgorithmSuite::Basic256Sha256,
    AlgorithmSuite::TripleDesSha256,
];
/// Text, attributes and namespaces whose canonical form differs from how they are written.
const BODIES: [&str; 4] = [
    "<Echo xmlns=\"urn:probe\"><text>sid?</text></Echo>",
    "<p:Echo xmlns:q=\"urn:unused\" xmlns:p=\"urn:probe\" z='1' b='it&apos;s &quot;so&quot;' a=\"2\"><p:text/></p:Echo>",
    "<Echo xmlns=\"urn:probe\" ><!-- gone -->\r\n<text>a &gt; b &#13; <![CDATA[<c> & d]]> w\u{f6}rld \u{1d11e}</text >\n</Echo>",
    "<a:L xmlns:a=\"urn:list\"><a:i n=\"1\">1</a:i><i xmlns=\"urn:other\">2</i><i>3</i></a:L>",
];

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["seal", directory] => seal_all(Path::new(directory)),
        ["open", directory] => open_all(Path::new(directory)),
        _ => Err("usage: xmlsec (seal | open) DIRECTORY".into()),
    }
}

/// What one sealed message shows.
#[derive(Clone, Copy)]
struct Sample {
    suite: AlgorithmSuite,
    version: ScVersion,
    order: ProtectionOrder,
    encrypt_body: bool,
    keys: Keys,
    soap: SoapVersion,
    addressing: AddressingVersion,
    /// From the service: the token is named and not sent, and two signature values are confirmed.
    reply: bool,
    /// With a user's password, and a second token that endorses.
    supporting: bool,
}

#[derive(Clone, Copy)]
enum Keys {
    PerSession,
    PerMessage,
    Underived,
}

fn samples() -> Vec<(String, Sample)> {
    use ProtectionOrder::{EncryptBeforeSign, SignBeforeEncrypt, SignBeforeEncryptAndEncryptSignature};
    let mut samples = Vec::new();
    for suite in SUITES {
        for version in ScVersion::ALL {
            let usual = Sample {
                suite,
                version,
                order: SignBeforeEncryptAndEncryptSignature,
                encrypt_body: true,
                keys: Keys::PerSession,
                soap: SoapVersion::Soap12,
                addressing: AddressingVersion::Wsa10,
                reply: false,
                supporting: false,
            };
            let mut add = |what: &str, sample: Sample| {
                let name = format!("{}-{}-{what}", suite.name(), version.prefix());
                samples.push((name, sample));
            };
            add("encrypt-signature", usual);
            add("clear-signature", Sample { order: SignBeforeEncrypt, ..usual });
            add("encrypt-before-sign", Sample { order: EncryptBeforeSign, keys: Keys::PerMessage, ..usual });
            add("clear-body", Sample { encrypt_body: false, ..usual });
            add("reply", Sample { reply: true, keys: Keys::PerMessage, ..usual });
            add("supporting", Sample { supporting: true, ..usual });
        }
    }
    let (suite, version) = (AlgorithmSuite::Basic256, ScVersion::V13);
    let (_, usual) = samples.first().cloned().unwrap_or_else(|| unreachable!("there are suites"));
    let usual = Sample { suite, version, ..usual };
    samples.push(("underived".to_owned(), Sample { keys: Keys::Underived, ..usual }));
    let (soap, addressing) = (SoapVersion::Soap11, AddressingVersion::August2004);
    samples.push(("soap11".to_owned(), Sample { soap, addressing, ..usual }));
    samples
}

/// A token's key, and the keys derived from it.
struct Token {
    identifier: String,
    id: String,
    element: String,
    secret: SecretKey,
}

impl Token {
    fn fresh(version: ScVersion, chance: &mut Chance) -> Outcome<Self> {
        let identifier = format!("urn:uuid:{}", uuid(chance));
        let id = format!("uuid-{}-1", uuid(chance));
        let (prefix, namespace) = (version.prefix(), version.namespace());
        let element = format!(
            "<{prefix}:SecurityContextToken u:Id=\"{id}\" xmlns:{prefix}=\"{namespace}\">\
             <{prefix}:Identifier>{identifier}</{prefix}:Identifier></{prefix}:SecurityContextToken>"
        );
        let mut secret = SecretKey::zeroed(32).ok_or("a key of 32 bytes")?;
        chance.fill(secret.as_mut_bytes());
        Ok(Self { identifier, id, element, secret })
    }

    fn derive(&self, len: usize, chance: &mut Chance) -> Outcome<([u8; 16], SecretKey)> {
        let mut nonce = [0; 16];
        chance.fill(&mut nonce);
        let mut key = SecretKey::zeroed(len).ok_or("a key that long")?;
        p_sha1::<RustCrypto>(self.secret.as_bytes(), LABEL, &nonce, 0, key.as_mut_bytes());
        Ok((nonce, key))
    }
}

fn uuid(chance: &mut Chance) -> String {
    let mut text = [0; Uuid::TEXT_LEN];
    Uuid::random(chance).write(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn seal_all(directory: &Path) -> Outcome<()> {
    for (number, (name, sample)) in samples().into_iter().enumerate() {
        let body = BODIES.get(number % BODIES.len()).ok_or("a body")?;
        let mut seed = [0; 32];
        seed.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        let (message, secrets) =
            seal_one(&sample, body, &mut Chance::new(&seed)).map_err(|e| format!("{name}: {e}"))?;
        let folder = directory.join(&name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("message.xml"), message)?;
        fs::write(folder.join("body.xml"), body)?;
        fs::write(folder.join("secrets.tsv"), secrets)?;
    }
    Ok(())
}

fn seal_one(sample: &Sample, body: &str, chance: &mut Chance) -> Outcome<(Vec<u8>, String)> {
    let Sample { suite, version, .. } = *sample;
    let token = Token::fresh(version, chance)?;
    let endorser = Token::fresh(version, chance)?;
    let (signing_nonce, signing) = token.derive(suite.signature_key_len(), chance)?;
    let (encryption_nonce, encryption) = token.derive(suite.encryption_key_len(), chance)?;
    let (endorsing_nonce, endorsing) = endorser.derive(suite.signature_key_len(), chance)?;
    let signing = DerivedKey { nonce: &signing_nonce, secret: &signing };
    let encryption = DerivedKey { nonce: &encryption_nonce, secret: &encryption };
    let mut ids = UniqueIds::new(Uuid::random(chance), 1);
    let mut id = || Id::Unique(ids.next_id());
    let related = format!("urn:uuid:{}", uuid(chance));
    let headers = [
        HeaderBlock::Action(b"urn:probe/Echo/Echo"),
        HeaderBlock::RelatesTo(related.as_bytes()),
        HeaderBlock::ReplyTo(sample.addressing.anonymous().as_bytes()),
        HeaderBlock::To(b"http://localhost/probe?a=1&b=<2>"),
    ];
    let message = OutgoingMessage {
        soap: sample.soap,
        addressing: sample.addressing,
        headers: &headers,
        body: body.as_bytes(),
        encrypt_body: sample.encrypt_body,
    };
    let confirmations: &[&[u8]] = &[b"AAECAwQFBgcICQoLDA0ODxAREhM=", b"ExIREA8ODQwLCgkIBwYFBAMCAQA="];
    let protection = Protection {
        suite,
        version,
        order: sample.order,
        bsp: version == ScVersion::V13,
        timestamp: Timestamp { id: id(), created: NOW, expires: NOW.after(Duration::from_secs(300)) },
        token: if sample.reply {
            SigningToken::ExternalContext { identifier: token.identifier.as_bytes(), instance: None }
        } else {
            SigningToken::SecurityContext { element: token.element.as_bytes(), id: token.id.as_bytes() }
        },
        keys: match sample.keys {
            Keys::PerMessage => MessageKeys::PerMessage { signing, encryption },
            Keys::PerSession => MessageKeys::PerSession { signing_id: id(), signing, encryption_id: id(), encryption },
            Keys::Underived => MessageKeys::Underived(&token.secret),
        },
        username: sample.supporting.then(|| UsernameToken { id: id(), name: "ann & bob", password: "<secret>" }),
        certificate: None,
        endorsing: sample.supporting.then_some(EndorsingToken {
            element: endorser.element.as_bytes(),
            id: endorser.id.as_bytes(),
            derived: Some(DerivedKey { nonce: &endorsing_nonce, secret: &endorsing }),
            secret: &endorser.secret,
        }),
        confirmations: if sample.reply { confirmations } else { &[] },
    };
    let mut out = vec![0; 32768];
    let sealed = seal::<RustCrypto>(&message, &protection, &Limits::default(), chance, &mut out)?;
    out.truncate(sealed.len);
    let mut secrets = String::new();
    for token in [token, endorser] {
        write!(secrets, "{}\t", token.identifier)?;
        token.secret.as_bytes().iter().try_for_each(|byte| write!(secrets, "{byte:02x}"))?;
        secrets.push('\n');
    }
    Ok((out, secrets))
}

/// The secrets of `secrets.tsv`.
struct Secrets(BTreeMap<Vec<u8>, SecretKey>);

impl Secrets {
    fn read(path: PathBuf) -> Outcome<Self> {
        let mut secrets = BTreeMap::new();
        for line in fs::read_to_string(path)?.lines() {
            let (identifier, hex) = line.split_once('\t').ok_or("identifier and key")?;
            let key = from_hex(hex).and_then(|octets| SecretKey::new(&octets)).ok_or("a key in hexadecimal")?;
            secrets.insert(identifier.as_bytes().to_vec(), key);
        }
        Ok(Self(secrets))
    }
}

impl Keyring for Secrets {
    fn security_context(&self, identifier: &[u8], instance: Option<&[u8]>) -> Option<SecretKey> {
        if instance.is_some() { None } else { self.0.get(identifier).cloned() }
    }

    fn encrypted_key(&self, _: &[u8; 20]) -> Option<SecretKey> {
        None
    }

    fn decoy(&self, _: &[u8; 20]) -> SecretKey {
        SecretKey::default()
    }
}

fn open_all(directory: &Path) -> Outcome<()> {
    let manifest = fs::read_to_string(directory.join("manifest.tsv"))?;
    for line in manifest.lines() {
        open_one(directory, line).map_err(|error| format!("{line}: {error}"))?;
    }
    println!("{} messages made elsewhere were opened, and as many forgeries refused", manifest.lines().count());
    Ok(())
}

fn open_one(directory: &Path, line: &str) -> Outcome<()> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, suite, version, order, body] = fields.as_slice() else { return Err("five fields".into()) };
    let suite = AlgorithmSuite::from_name(suite).ok_or("a suite")?;
    let version = ScVersion::ALL.into_iter().find(|known| known.prefix() == *version).ok_or("a version")?;
    let order = match *order {
        "encrypt-signature" => ProtectionOrder::SignBeforeEncryptAndEncryptSignature,
        "clear-signature" => ProtectionOrder::SignBeforeEncrypt,
        "encrypt-before-sign" => ProtectionOrder::EncryptBeforeSign,
        _ => return Err("an order".into()),
    };
    let body = match *body {
        "encrypted" => Encryption::Required,
        "clear" => Encryption::None,
        _ => return Err("encrypted or clear".into()),
    };
    let folder = directory.join(name);
    let secrets = Secrets::read(folder.join("secrets.tsv"))?;
    let policy = Policy { body, ..Policy::session(SuiteSet::only(suite), version, order) };
    let limits = Limits::default();
    let credentials = NoCredentials;
    let context =
        OpenContext { policy: &policy, limits: &limits, keyring: &secrets, credentials: &credentials, now: Some(NOW) };
    let message = fs::read(folder.join("message.xml"))?;
    let mut opened_bytes = message.clone();
    let opened = open::<RustCrypto, _, _>(&mut opened_bytes, &context)?;
    let expected = fs::read(folder.join("body.xml"))?;
    if opened.body.of(&opened_bytes) != expected {
        let got = String::from_utf8_lossy(opened.body.of(&opened_bytes)).into_owned();
        return Err(format!("the body is {got}").into());
    }
    if opened.coverage.signed.len() < 6 {
        return Err(format!("only {} parts are signed", opened.coverage.signed.len()).into());
    }
    // The same message with another key, and with another recipient, must be refused.
    let strangers = Secrets(secrets.0.keys().map(|known| (known.clone(), SecretKey::default())).collect());
    let stranger = OpenContext { keyring: &strangers, ..context };
    if open::<RustCrypto, _, _>(&mut message.clone(), &stranger).is_ok() {
        return Err("opened with the wrong key".into());
    }
    let context =
        OpenContext { policy: &policy, limits: &limits, keyring: &secrets, credentials: &credentials, now: Some(NOW) };
    let forged = String::from_utf8(message)?.replace("http://localhost/probe", "http://localhost/prove");
    if open::<RustCrypto, _, _>(&mut forged.into_bytes(), &context).is_ok() {
        return Err("a forged recipient was believed".into());
    }
    Ok(())
}
