//! Two machines and simulated time: a client and a service that exchange messages through memory.

use soap_session_core::chance::{Chance, Entropy};
use soap_session_core::crypto::{AsymmetricSignature, KeyTransport};
use soap_session_core::secure::{
    Acceptor, AcceptorAction, AcceptorSettings, Binding, CertificateReference, CredentialError, Credentials, Exchange,
    Failure, FaultSeen, Incoming, Initiator, InitiatorAction, InitiatorSettings, Misuse, Outgoing, OwnCertificate,
    Received, StateEncoder, StateError, UserCredential,
};
use soap_session_core::time::{Deadline, Duration, Instant, UnixMillis, Wall};

/// Certificates without RSA: the key travels in clear inside a block of the usual size. For machines, not for secrets.
#[derive(Clone, Debug, Default)]
pub struct Paper {
    /// What the service takes for a password; empty takes every one.
    pub password: String,
    /// Whose certificate the client has.
    pub holder: u8,
}

const BLOCK: usize = 256;
/// Certificates of paper, by their holders.
const HOLDERS: [&[u8]; 2] = [b"the certificate of one", b"the certificate of another"];

impl Credentials for Paper {
    fn unwrap_key(
        &self,
        _: CertificateReference<'_>,
        _: KeyTransport,
        wrapped: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        let len = usize::from(*wrapped.first().ok_or(CredentialError::WrongKey)?);
        let key = wrapped.get(1..=len).filter(|_| wrapped.len() == BLOCK).ok_or(CredentialError::WrongKey)?;
        out.get_mut(..len).ok_or(CredentialError::WrongKey)?.copy_from_slice(key);
        Ok(len)
    }
    fn wrap_key(&self, _: KeyTransport, key: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        let out = out.get_mut(..BLOCK).ok_or(CredentialError::Room { needed: BLOCK })?;
        out.fill(0x5A);
        out[0] = u8::try_from(key.len()).map_err(|_| CredentialError::Unsupported)?;
        out[1..=key.len()].copy_from_slice(key);
        Ok(BLOCK)
    }
    fn service_thumbprint(&self) -> Result<[u8; 20], CredentialError> {
        Ok([7; 20])
    }
    fn service_name(&self) -> Result<CertificateReference<'_>, CredentialError> {
        Ok(CertificateReference::SubjectKeyIdentifier(HOLDERS[0]))
    }
    fn wrap_key_for(
        &self,
        _: &[u8],
        transport: KeyTransport,
        key: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CredentialError> {
        self.wrap_key(transport, key, out)
    }
    fn certificate_name<'o>(
        &self,
        certificate: &[u8],
        out: &'o mut [u8],
    ) -> Result<CertificateReference<'o>, CredentialError> {
        out[..certificate.len()].copy_from_slice(certificate);
        Ok(CertificateReference::SubjectKeyIdentifier(&out[..certificate.len()]))
    }
    fn verify_service_signature(
        &self,
        signer: CertificateReference<'_>,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError> {
        match signer {
            CertificateReference::SubjectKeyIdentifier(der) => {
                self.verify_signature(CertificateReference::Der(der), algorithm, digest, signature)
            }
            _ => Err(CredentialError::NotTrusted),
        }
    }
    fn own_certificate(&self) -> Result<OwnCertificate<'_>, CredentialError> {
        let der = HOLDERS.get(usize::from(self.holder)).expect("a holder");
        Ok(OwnCertificate { der, signature_len: BLOCK, name: CertificateReference::SubjectKeyIdentifier(der) })
    }
    fn sign(&self, _: AsymmetricSignature, digest: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        let out = out.get_mut(..BLOCK).ok_or(CredentialError::Room { needed: BLOCK })?;
        out.fill(self.holder);
        out[1..=digest.len()].copy_from_slice(digest);
        Ok(BLOCK)
    }
    fn verify_signature(
        &self,
        signer: CertificateReference<'_>,
        algorithm: AsymmetricSignature,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), CredentialError> {
        let CertificateReference::Der(der) = signer else { return Err(CredentialError::NotTrusted) };
        let holder = HOLDERS.iter().position(|known| *known == der).ok_or(CredentialError::NotTrusted)?;
        let mut made = [0; BLOCK];
        let holder = u8::try_from(holder).expect("a few");
        let len = Self { holder, ..Self::default() }.sign(algorithm, digest, &mut made)?;
        if made[..len] == *signature { Ok(()) } else { Err(CredentialError::BadSignature) }
    }
    fn check_user(&self, _: &str, password: &str) -> Result<(), CredentialError> {
        if self.password.is_empty() || password == self.password { Ok(()) } else { Err(CredentialError::BadPassword) }
    }
    fn state_encoder(&self) -> Option<&dyn StateEncoder> {
        Some(self)
    }
}

/// Cookies in clear: the state itself.
impl StateEncoder for Paper {
    fn seal(&self, _: UnixMillis, state: &[u8], out: &mut [u8]) -> Result<usize, StateError> {
        out.get_mut(..state.len()).ok_or(StateError::Room { needed: state.len() })?.copy_from_slice(state);
        Ok(state.len())
    }
    fn open(&self, now: UnixMillis, cookie: &[u8], out: &mut [u8]) -> Result<usize, StateError> {
        self.seal(now, cookie, out)
    }
}

/// A message of the application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// Action.
    pub action: String,
    /// Body content.
    pub body: String,
    /// Expects a reply?
    pub two_way: bool,
}

impl Note {
    /// A request that expects a reply.
    pub fn request(action: &str, body: &str) -> Self {
        Self { action: action.into(), body: body.into(), two_way: true }
    }
}

impl Outgoing for Note {
    fn action(&self) -> &[u8] {
        self.action.as_bytes()
    }
    fn body(&self) -> &[u8] {
        self.body.as_bytes()
    }
    fn two_way(&self) -> bool {
        self.two_way
    }
}

/// The client's machine of the tests.
pub type Client<E = Chance> = Initiator<Note, E, 4, 64>;
/// The service's machine of the tests.
pub type Service<E = Chance> = Acceptor<Note, E, 8, 8, 64>;

/// 2026-11-21T00:00:00Z.
pub const MIDNIGHT: Wall = Wall { unix_ms_at_zero: 1_795_219_200_000 };

/// A client and a service, and the time between them.
pub struct Pair<C = Chance, S = Chance> {
    /// The client.
    pub client: Client<C>,
    /// The service.
    pub service: Service<S>,
    /// Certificates and passwords.
    pub paper: Paper,
    /// Now.
    pub now: Instant,
    /// What each side said and heard, a line a message.
    pub log: Vec<String>,
}

impl Pair {
    /// Two machines with one binding, seeded.
    ///
    /// # Panics
    /// If the binding needs more than these tests give.
    pub fn new(binding: &Binding, client: InitiatorSettings, service: AcceptorSettings, seed: u8) -> Self {
        let user = UserCredential::new("alice", "wonder");
        let client =
            Client::new(binding.clone(), client, "http://localhost/calc", user, MIDNIGHT, Chance::new(&[seed; 32]));
        let service = Service::new(binding.clone(), service, MIDNIGHT, Chance::new(&[!seed; 32]));
        let paper = Paper { password: "wonder".into(), ..Paper::default() };
        Self { client: client.expect("a client"), service, paper, now: Instant::from_millis(1000), log: Vec::new() }
    }
}

impl<C: Entropy + Clone, S: Entropy + Clone> Pair<C, S> {
    /// Lets time pass.
    pub fn wait(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    /// The client's next message, if it has one.
    ///
    /// # Panics
    /// If the client fails.
    pub fn client_sends(&mut self) -> Option<(Exchange, Vec<u8>)> {
        let mut out = vec![0; 16];
        loop {
            match self.client.poll(self.now, &self.paper, &mut out).expect("the client can send") {
                InitiatorAction::Transmit { exchange, message, .. } => return Some((exchange, message.to_vec())),
                InitiatorAction::Grow(grow) => out = vec![0; grow.needed],
                InitiatorAction::Wait => return None,
            }
        }
    }

    /// Hands a message to the service.
    ///
    /// # Errors
    /// As the service's.
    pub fn service_hears(&mut self, exchange: Exchange, message: &mut [u8]) -> Result<Incoming, Misuse> {
        self.service.receive(self.now, exchange, &self.paper, message)
    }

    /// The service's next answer: exchange, status, message.
    ///
    /// # Panics
    /// If the service cannot seal it.
    pub fn service_sends(&mut self) -> Option<(Exchange, u16, Vec<u8>)> {
        let mut out = vec![0; 16];
        loop {
            match self.service.poll(self.now, &mut out).expect("the service can answer") {
                AcceptorAction::Answer { exchange, status, message } => {
                    return Some((exchange, status, message.to_vec()));
                }
                AcceptorAction::Drop(_) | AcceptorAction::Swept(_) => {}
                AcceptorAction::Grow(grow) => out = vec![0; grow.needed],
                AcceptorAction::Wait(_) => return None,
            }
        }
    }

    /// Hands the service's next answer to the client: a fault, with HTTP's 500, that fails the exchange.
    ///
    /// # Panics
    /// If the answer is anything else.
    pub fn client_hears_fault(&mut self, exchange: Exchange) -> FaultSeen {
        let (_, status, mut answer) = self.service_sends().expect("an answer");
        assert_eq!(status, 500);
        match self.client.receive(self.now, exchange, &self.paper, &mut answer) {
            Ok(Received::Failed(Failure::Fault(fault))) => fault,
            other => panic!("not a fault: {other:?}"),
        }
    }

    /// When the service wants to be asked again.
    ///
    /// # Panics
    /// If it has something to say first.
    pub fn service_waits(&mut self) -> Deadline {
        match self.service.poll(self.now, &mut []).expect("nothing to seal") {
            AcceptorAction::Wait(deadline) => deadline,
            other => panic!("not waiting: {other:?}"),
        }
    }

    /// Runs until both are silent. The service echoes bodies and confirms cancellations; what the client hears comes back.
    ///
    /// # Panics
    /// If a message that is in order is refused by a machine's caller rules.
    pub fn run(&mut self) -> Vec<(Received, Vec<u8>)> {
        let mut heard = Vec::new();
        while let Some((exchange, mut message)) = self.client_sends() {
            let incoming = self.service_hears(exchange, &mut message).expect("room for an exchange");
            self.log.push(format!("{incoming:?}").chars().take(40).collect());
            match incoming {
                Incoming::Request { two_way: true, opened, .. } => {
                    let text =
                        |span: soap_session_core::xml::Span| String::from_utf8_lossy(span.of(&message)).into_owned();
                    let reply =
                        Note::request(&format!("{}Response", text(opened.addressing.action)), &text(opened.body));
                    self.service.reply(exchange, reply).expect("the request waits");
                }
                Incoming::Cancelled(session) => self.service.close(session).expect("the session is there"),
                _ => {}
            }
            while let Some((exchange, _, mut answer)) = self.service_sends() {
                match self.client.receive(self.now, exchange, &self.paper, &mut answer) {
                    Ok(received) => heard.push((received, answer)),
                    Err(refusal) => panic!("the client refuses: {refusal}"),
                }
            }
        }
        heard
    }
}
