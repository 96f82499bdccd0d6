//! Clients and services of these tests, and the ring that they share.

use soap_session_core::chance::Chance;
use soap_session_core::crypto::{AsymmetricSignature, KeyTransport};
use soap_session_core::secure::{
    Acceptor, AcceptorAction, AcceptorSettings, Binding, CertificateReference, CredentialError, Credentials,
    Encryption, Exchange, Incoming, Initiator, InitiatorAction, InitiatorSettings, OwnCertificate, Received, Refusal,
    StateEncoder, StateError, UserCredential,
};
use soap_session_core::time::{Instant, UnixMillis};
use soap_session_credentials::KeyRing;
use soap_session_tests::pair::{MIDNIGHT, Note, Paper};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) type Encoder = Arc<dyn StateEncoder + Send + Sync>;

pub(crate) fn cookie_mode() -> Binding {
    Binding { require_cancellation: false, ..Binding::default() }
}

pub(crate) fn file(test: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cookies-{test}-{}.ring", std::process::id()))
}

/// A line of a ring's file: times are those of the tests' calendar.
pub(crate) fn key(number: u8, opens_until: &str) -> String {
    let from = format!("2026-11-20T{number:02}:00:00Z");
    let secret = ["AQID", "BAUG"][usize::from(number) % 2].repeat(10);
    format!("00000000000000{number:02x} {from} {from} {opens_until} {secret}AQI=\n")
}

/// A ring of these keys, for this service.
pub(crate) fn ring_of(test: &str, service: &str, keys: &[String]) -> Arc<KeyRing> {
    let file = file(test);
    let _ = fs::remove_file(&file);
    fs::write(&file, format!("soap-session key ring 1\n{}", keys.concat())).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    Arc::new(KeyRing::open(&file, service).unwrap())
}

/// A ring with one key.
pub(crate) fn ring(test: &str, service: &str) -> Encoder {
    ring_of(test, service, &[key(1, "-")])
}

/// The tests' certificates, and an encoder that is counted.
pub(crate) struct Keys {
    paper: Paper,
    encoder: Option<Encoder>,
    opened: AtomicUsize,
}

impl Credentials for Keys {
    fn unwrap_key(
        &self,
        recipient: CertificateReference<'_>,
        transport: KeyTransport,
        wrapped: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        self.paper.unwrap_key(recipient, transport, wrapped, out)
    }
    fn check_user(&self, name: &str, password: &str) -> Result<(), CredentialError> {
        self.paper.check_user(name, password)
    }
    fn wrap_key_for(
        &self,
        recipient: &[u8],
        transport: KeyTransport,
        key: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        self.paper.wrap_key_for(recipient, transport, key, out)
    }
    fn certificate_name<'o>(
        &self,
        certificate: &[u8],
        out: &'o mut [u8],
    ) -> Result<CertificateReference<'o>, CredentialError> {
        self.paper.certificate_name(certificate, out)
    }
    fn own_certificate(&self) -> Result<OwnCertificate<'_>, CredentialError> {
        self.paper.own_certificate()
    }
    fn sign(&self, by: AsymmetricSignature, digest: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        self.paper.sign(by, digest, out)
    }
    fn verify_signature(
        &self,
        signer: CertificateReference<'_>,
        by: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError> {
        self.paper.verify_signature(signer, by, digest, signature)
    }
    fn state_encoder(&self) -> Option<&dyn StateEncoder> {
        self.encoder.is_some().then_some(self)
    }
}

impl StateEncoder for Keys {
    fn seal(&self, now: UnixMillis, state: &[u8], out: &mut [u8]) -> Result<usize, StateError> {
        self.encoder.as_ref().unwrap().seal(now, state, out)
    }
    fn open(&self, now: UnixMillis, cookie: &[u8], out: &mut [u8]) -> Result<usize, StateError> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        self.encoder.as_ref().unwrap().open(now, cookie, out)
    }
}

/// A service.
pub(crate) struct Host {
    pub(crate) machine: Acceptor<Note, Chance, 8, 8, 64>,
    keys: Keys,
    next: u32,
    /// What it answered.
    pub(crate) said: Vec<Vec<u8>>,
}

impl Host {
    pub(crate) fn new(binding: &Binding, settings: AcceptorSettings, encoder: Option<Encoder>, seed: u8) -> Self {
        let machine = Acceptor::new(binding.clone(), settings, MIDNIGHT, Chance::new(&[!seed; 32]));
        let paper = Paper { password: "wonder".into(), ..Paper::default() };
        let keys = Keys { paper, encoder, opened: AtomicUsize::new(0) };
        Self { machine, keys, next: 1, said: Vec::new() }
    }

    /// How many cookies its encoder was given.
    pub(crate) fn opened(&self) -> usize {
        self.keys.opened.load(Ordering::SeqCst)
    }

    /// Takes a message in and leaves it unanswered.
    pub(crate) fn takes(&mut self, now: Instant, message: &[u8]) -> (Exchange, Incoming) {
        let exchange = Exchange(self.next);
        self.next += 1;
        let incoming = self.machine.receive(now, exchange, &self.keys, &mut message.to_vec()).expect("room");
        (exchange, incoming)
    }

    /// Opens a message for a layer above.
    pub(crate) fn opens(
        &mut self,
        now: Instant,
        exchange: Exchange,
        contract: impl Fn(&[u8]) -> Option<Encryption>,
        message: &mut [u8],
    ) -> Incoming {
        self.machine.open_message(now, exchange, &self.keys, contract, message).expect("room")
    }

    /// Takes a message in and echoes it. Returns what it was, and the answer's status and bytes.
    pub(crate) fn hears(&mut self, now: Instant, message: &[u8]) -> (Incoming, u16, Vec<u8>) {
        let (exchange, incoming) = self.takes(now, message);
        if let Incoming::Request { two_way: true, .. } = incoming {
            self.machine.reply(exchange, Note::request("urn:calc/AddResponse", "<AddResponse/>")).unwrap();
        }
        let (status, answer) = self.answers(now).expect("an answer");
        (incoming, status, answer)
    }

    /// Its next answer.
    pub(crate) fn answers(&mut self, now: Instant) -> Option<(u16, Vec<u8>)> {
        let mut out = vec![0; 16];
        loop {
            match self.machine.poll(now, &mut out).expect("it can be sealed") {
                AcceptorAction::Answer { status, message, .. } => {
                    self.said.push(message.to_vec());
                    return Some((status, message.to_vec()));
                }
                AcceptorAction::Drop(_) | AcceptorAction::Swept(_) => {}
                AcceptorAction::Grow(grow) => out = vec![0; grow.needed],
                AcceptorAction::Wait(_) => return None,
            }
        }
    }
}

/// A client.
pub(crate) struct Caller {
    pub(crate) machine: Initiator<Note, Chance, 4, 64>,
    paper: Paper,
    /// What it sent.
    pub(crate) sent: Vec<Vec<u8>>,
}

impl Caller {
    pub(crate) fn new(binding: &Binding) -> Self {
        Self::seeded(binding, InitiatorSettings::default(), 1)
    }

    pub(crate) fn seeded(binding: &Binding, settings: InitiatorSettings, seed: u8) -> Self {
        let user = UserCredential::new("alice", "wonder");
        let to = "http://localhost/calc";
        let machine = Initiator::new(binding.clone(), settings, to, user, MIDNIGHT, Chance::new(&[seed; 32]));
        let mut machine = machine.expect("a client");
        machine.open().unwrap();
        Self { machine, paper: Paper { password: "wonder".into(), ..Paper::default() }, sent: Vec::new() }
    }

    /// Its next message.
    pub(crate) fn sends(&mut self, now: Instant) -> Option<(Exchange, Vec<u8>)> {
        let mut out = vec![0; 16];
        loop {
            match self.machine.poll(now, &self.paper, &mut out).expect("the client can send") {
                InitiatorAction::Transmit { exchange, message, .. } => {
                    self.sent.push(message.to_vec());
                    return Some((exchange, message.to_vec()));
                }
                InitiatorAction::Grow(grow) => out = vec![0; grow.needed],
                InitiatorAction::Wait => return None,
            }
        }
    }

    pub(crate) fn hears(&mut self, now: Instant, exchange: Exchange, answer: &[u8]) -> Result<Received, Refusal> {
        self.machine.receive(now, exchange, &self.paper, &mut answer.to_vec())
    }

    /// Hands over a request.
    pub(crate) fn asks(&mut self) {
        self.machine.call(Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>")).expect("it may call");
    }

    /// Calls, with whatever has to go before; what it heard comes back.
    pub(crate) fn call(&mut self, now: Instant, host: &mut Host) -> Vec<Result<Received, Refusal>> {
        self.asks();
        let mut heard = Vec::new();
        while let Some((exchange, message)) = self.sends(now) {
            let (_, _, answer) = host.hears(now, &message);
            heard.push(self.hears(now, exchange, &answer));
        }
        heard
    }

    /// A request under its token, as bytes. It is not answered.
    pub(crate) fn request(&mut self, now: Instant) -> Vec<u8> {
        self.asks();
        let (exchange, message) = self.sends(now).expect("a request");
        self.machine.exchange_failed(exchange);
        message
    }
}
