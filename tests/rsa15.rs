//! Probes of a service that unwraps keys with RSA 1.5: what an attacker sends who learns from the answers, or from the time that
//! they take, whether the padding was right (Bleichenbacher, 1998).

use crate::opening::{between, swap};
use crate::pair::{MIDNIGHT, Note};
use crate::{from_hex, vectors_root};
use soap_session_core::base64;
use soap_session_core::chance::Chance;
use soap_session_core::crypto::{AlgorithmSuite, Backend};
use soap_session_core::secure::{
    Binding, Bootstrap, OneShotClient, OneShotIncoming, OneShotService, OneShotSettings, ProtectionOrder, Refusal,
};
use soap_session_core::time::{Duration, Instant};
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

/// When everything happens.
pub const NOW: Instant = Instant::from_millis(1000);

/// One line of `vectors/rsa15/probes.tsv`.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What it is.
    pub what: String,
    /// Can anybody tell without the private key that it is no wrapped key?
    pub public: bool,
    /// What is sent.
    pub octets: Vec<u8>,
}

/// All of them; the first is a good key, and not the message's.
///
/// # Panics
/// If the file is not what `vectors/README.md` says.
#[must_use]
pub fn probes() -> Vec<Probe> {
    let text = fs::read_to_string(vectors_root().join("rsa15/probes.tsv")).expect("the probes");
    let probe = |line: &str| {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().expect("three cells");
        Probe { what: cell().to_owned(), public: cell() == "public", octets: from_hex(cell()).expect("octets") }
    };
    text.lines().skip(1).map(probe).collect()
}

fn at(name: &str, ending: &str) -> PathBuf {
    vectors_root().join("keys").join(format!("{name}.{ending}.pem"))
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_file(at(name, "cert")).expect("a certificate")
}

/// The service's private key.
///
/// # Panics
/// If the vectors lack it.
#[must_use]
pub fn service_key() -> PrivateKey {
    PrivateKey::from_file(at("service", "key")).expect("a key")
}

/// The bindings that are probed: keys derived and not, keys of 32 and of 16 octets, and the signature in clear or not.
#[must_use]
pub fn bindings() -> Vec<(&'static str, Binding)> {
    let binding = |bootstrap, suite| Binding { suite, ..Binding::ws_http(bootstrap) };
    let anonymous = |suite| binding(Bootstrap::AnonymousForCertificate, suite);
    let (long, short) = (AlgorithmSuite::Basic256Rsa15, AlgorithmSuite::Basic128Rsa15);
    let clear = ProtectionOrder::SignBeforeEncrypt;
    vec![
        ("Basic256Rsa15, derived", anonymous(long)),
        ("Basic128Rsa15, derived", anonymous(short)),
        ("Basic256Rsa15, as it is", Binding { derived_keys: false, ..anonymous(long) }),
        ("Basic128Rsa15, as it is", Binding { derived_keys: false, ..anonymous(short) }),
        (
            "Basic128Rsa15, as it is, signature in clear",
            Binding { derived_keys: false, order: clear, ..anonymous(short) },
        ),
        ("Basic128Rsa15, WSS 1.0", binding(Bootstrap::MutualCertificate10, short)),
        ("TripleDesRsa15, WSS 1.0", binding(Bootstrap::MutualCertificate10, AlgorithmSuite::TripleDesRsa15)),
    ]
}

/// A service, and an attacker who has seen one request to it and may ask as often as they like.
pub struct Target<B> {
    service: OneShotService<Chance, 64, B>,
    store: CredentialStore,
    /// The request.
    pub text: String,
    value: String,
}

impl<B: Backend> Target<B> {
    /// With a request whose body has `body` bytes.
    ///
    /// # Panics
    /// If the request cannot be made.
    #[must_use]
    pub fn new(binding: &Binding, body: usize) -> Self {
        let key = |name: &str| PrivateKey::from_file(at(name, "key")).expect("a key");
        let holder = CredentialStore::new().with_service(certificate("service")).expect("a certificate");
        let holder = holder.with_own(certificate("client"), key("client")).expect("they belong together");
        let store = CredentialStore::new().with_key(certificate("service"), service_key());
        // 2027-01-15.
        let clock = || SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let store = store.expect("they belong together").with_trusted(certificate("client")).with_clock(clock);
        let (to, chance) = ("http://localhost/calc", Chance::new(&[1; 32]));
        let client = OneShotClient::<_, 8, 64>::new(binding.clone(), to, None, MIDNIGHT, chance);
        let note = Note::request("urn:calc/Add", &format!("<Add xmlns=\"urn:calc\">{}</Add>", "x".repeat(body)));
        let mut out = vec![0; 2 * body + 32_768];
        let (_, len) = client.expect("a client").seal_request(NOW, &holder, &note, &mut out).expect("a request");
        out.truncate(len);
        let text = String::from_utf8(out).expect("XML");
        let value = between(&text, "<e:CipherValue>", "<").to_owned();
        let service = OneShotService::new(binding.clone(), OneShotSettings::default(), MIDNIGHT, Chance::new(&[9; 32]));
        Self { service, store, text, value }
    }

    /// The request with these octets in the place of its wrapped key.
    ///
    /// # Panics
    /// If they are longer than any key.
    #[must_use]
    pub fn with(&self, octets: &[u8]) -> Vec<u8> {
        let mut encoded = [0; 1024];
        let len = base64::encode(octets, &mut encoded).expect("room");
        swap(&self.text, &self.value, std::str::from_utf8(&encoded[..len]).expect("base64")).into_bytes()
    }

    /// Asks with a message, which is decrypted in place. Returns the reason that stays inside, and the fault.
    ///
    /// # Panics
    /// If the message is taken.
    pub fn ask(&mut self, message: &mut [u8]) -> (Refusal, Vec<u8>) {
        match self.service.open_request(NOW, &self.store, message) {
            OneShotIncoming::Refused { refusal, owed } => {
                let mut out = vec![0; 4096];
                let (len, _) = self.service.write_answer(&owed, &mut out).expect("a fault");
                out.truncate(len);
                (refusal, out)
            }
            OneShotIncoming::Request { .. } => panic!("the message is taken"),
        }
    }
}
