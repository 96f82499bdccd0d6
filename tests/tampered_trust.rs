//! Requests that our own client would never send: sealed with keys that the test knows, asking for what it should not have.

use crate::pair::{Paper, Service};
use soap_session_core::chance::{Chance, Uuid};
use soap_session_core::crypto::{RustCrypto, SecretKey};
use soap_session_core::secure::trust::{ContextReference, RequestedKey, write_cancel, write_issue, write_renew};
use soap_session_core::secure::{
    Binding, Credentials, EndorsingToken, Exchange, Id, Incoming, KeyEntropyMode, Keyring, MessageKeys, OpenContext,
    OutgoingMessage, Policy, Protection, ProtectionOrder, SessionId, SigningToken, Timestamp, UniqueIds, UsernameToken,
    open, seal,
};
use soap_session_core::soap::{HeaderBlock, RequestType, names};
use soap_session_core::time::{Duration, Instant, Wall};
use soap_session_core::xml::{Limits, Writer};

/// A session's token, and the key behind it.
#[derive(Clone, Debug)]
pub struct Held {
    /// `urn:uuid:...`.
    pub identifier: Vec<u8>,
    /// The session key.
    pub key: SecretKey,
}

impl Held {
    /// The token's name.
    pub fn reference(&self) -> ContextReference<'_> {
        ContextReference { identifier: &self.identifier, instance: None }
    }
}

/// Makes requests.
pub struct Forger {
    /// No derived keys, and the client's entropy is the key: what is sent is what is known.
    pub binding: Binding,
    /// Name and password for the bootstrap.
    pub user: Option<(&'static str, &'static str)>,
    wall: Wall,
    chance: Chance,
    ids: UniqueIds,
    next: u32,
    wrapped: SecretKey,
}

impl Forger {
    /// The binding under which requests can be forged.
    pub fn binding(base: Binding) -> Binding {
        Binding { derived_keys: false, entropy: KeyEntropyMode::Client, ..base }
    }

    /// A forger against a service with `binding`, made by [`Forger::binding`].
    pub fn new(binding: Binding, wall: Wall) -> Self {
        let mut chance = Chance::new(&[0xF0; 32]);
        let ids = UniqueIds::new(Uuid::random(&mut chance), 1);
        Self { binding, user: None, wall, chance, ids, next: 1000, wrapped: SecretKey::default() }
    }

    /// Opens a session whose key is `fill`, 32 times.
    ///
    /// # Panics
    /// If the service does not issue a token.
    pub fn session(&mut self, service: &mut Service, now: Instant, fill: u8) -> (SessionId, Held) {
        let key = SecretKey::new(&[fill; 32]).expect("32 bytes");
        let request = self.issue(now, &RequestedKey { entropy_id: b"e", entropy: Some(key.as_bytes()), bits: 256 });
        let (incoming, status, _) = self.ask(service, now, request);
        let Incoming::Issued(id) = incoming else { panic!("{incoming:?}") };
        assert_eq!(status, Some(200));
        (id, Held { identifier: service.identifier(id).expect("it is there").to_vec(), key })
    }

    /// RST/SCT for `key`.
    pub fn issue(&mut self, now: Instant, key: &RequestedKey<'_>) -> Vec<u8> {
        let body = body(|w| write_issue(w, self.binding.version.trust(), key));
        self.bootstrap(now, RequestType::Issue, &body, None)
    }

    /// RST/SCT/Renew of `target`, endorsed with `endorser`.
    pub fn renew(&mut self, now: Instant, target: &Held, endorser: &Held) -> Vec<u8> {
        let key = RequestedKey { entropy_id: b"e", entropy: Some(&[9; 32]), bits: 256 };
        let body = body(|w| write_renew(w, self.binding.version.trust(), &key, target.reference()));
        self.bootstrap(now, RequestType::Renew, &body, Some(endorser))
    }

    /// RST/SCT/Cancel of `target`, under `signer`.
    pub fn cancel(&mut self, now: Instant, target: &Held, signer: &Held) -> Vec<u8> {
        let body = body(|w| write_cancel(w, self.binding.version.trust(), target.reference()));
        let element = self.element(signer);
        let protection = Protection {
            order: self.binding.order,
            token: SigningToken::SecurityContext { element: &element, id: b"held" },
            ..self.protection(now, MessageKeys::Underived(&signer.key))
        };
        self.seal(RequestType::Cancel, &body, false, &protection)
    }

    /// A message of `held`'s session, with these header blocks.
    pub fn message(&mut self, now: Instant, held: &Held, headers: &[HeaderBlock<'_>], encrypt_body: bool) -> Vec<u8> {
        let element = self.element(held);
        let protection = Protection {
            order: self.binding.order,
            token: SigningToken::SecurityContext { element: &element, id: b"held" },
            ..self.protection(now, MessageKeys::Underived(&held.key))
        };
        self.seal_whole(headers, b"<x xmlns=\"urn:x\"/>", encrypt_body, &protection)
    }

    fn bootstrap(&mut self, now: Instant, request: RequestType, body: &[u8], endorser: Option<&Held>) -> Vec<u8> {
        let len = self.binding.suite.default_key_bits() as usize / 8;
        let key = SecretKey::new(&vec![0x42; len]).expect("a suite's key");
        let mut wrapped = vec![0; 256];
        Paper::default().wrap_key(self.binding.suite.key_transport(), key.as_bytes(), &mut wrapped).expect("room");
        let element = endorser.map(|held| self.element(held)).unwrap_or_default();
        let protection = Protection {
            token: SigningToken::NewEncryptedKey {
                id: Id::Unique(self.ids.next_id()),
                thumbprint: &[7; 20],
                wrapped: &wrapped,
            },
            username: self.user.map(|(name, password)| UsernameToken {
                id: Id::Unique(self.ids.next_id()),
                name,
                password,
            }),
            certificate: None,
            endorsing: endorser.map(|held| EndorsingToken {
                element: &element,
                id: b"held",
                derived: None,
                secret: &held.key,
            }),
            ..self.protection(now, MessageKeys::Underived(&key))
        };
        let message = self.seal(request, body, true, &protection);
        self.wrapped = key;
        message
    }

    /// Sends `request`; returns what the service made of it, and the answer's status and text, decrypted where it was
    /// encrypted: `secured: ` comes before the text then. No status means no answer yet.
    ///
    /// # Panics
    /// If the answer does not hold.
    pub fn ask(
        &mut self,
        service: &mut Service,
        now: Instant,
        mut request: Vec<u8>,
    ) -> (Incoming, Option<u16>, String) {
        let exchange = Exchange(self.next);
        self.next += 1;
        let paper = Paper { password: "wonder".into(), ..Paper::default() };
        let incoming = service.receive(now, exchange, &paper, &mut request).expect("room for an exchange");
        let Some((status, mut answer)) = answer_of(service, now, exchange) else {
            return (incoming, None, String::new());
        };
        let clear = String::from_utf8_lossy(&answer).into_owned();
        if !clear.contains("Security ") {
            return (incoming, Some(status), clear);
        }
        let policy = Policy::inspection();
        let context =
            OpenContext { policy: &policy, limits: &Limits::MAX, keyring: &*self, credentials: &paper, now: None };
        let opened = open::<RustCrypto, _, _>(&mut answer, &context).expect("the answer holds");
        (incoming, Some(status), format!("secured: {}", String::from_utf8_lossy(opened.body.of(&answer))))
    }

    fn element(&self, held: &Held) -> Vec<u8> {
        let (sc, wsu) = (self.binding.version.namespace(), names::WSU);
        let identifier = String::from_utf8_lossy(&held.identifier);
        format!(
            "<c:SecurityContextToken u:Id=\"held\" xmlns:c=\"{sc}\" xmlns:u=\"{wsu}\"><c:Identifier>{identifier}\
             </c:Identifier></c:SecurityContextToken>"
        )
        .into_bytes()
    }

    fn protection<'k>(&mut self, now: Instant, keys: MessageKeys<'k>) -> Protection<'k> {
        let created = self.wall.at(now);
        Protection {
            suite: self.binding.suite,
            version: self.binding.version,
            order: ProtectionOrder::default(),
            bsp: self.binding.bsp,
            timestamp: Timestamp {
                id: Id::Unique(self.ids.next_id()),
                created,
                expires: created.after(Duration::from_secs(300)),
            },
            token: SigningToken::ExternalContext { identifier: b"", instance: None },
            keys,
            username: None,
            certificate: None,
            endorsing: None,
            confirmations: &[],
        }
    }

    fn seal(&mut self, request: RequestType, body: &[u8], encrypt_body: bool, protection: &Protection<'_>) -> Vec<u8> {
        self.next += 1;
        let id = format!("urn:uuid:00000000-0000-4000-8000-{:012}", self.next);
        let headers = [
            HeaderBlock::Action(self.binding.version.trust().request_action(request).as_bytes()),
            HeaderBlock::MessageId(id.as_bytes()),
            HeaderBlock::ReplyTo(self.binding.addressing.anonymous().as_bytes()),
            HeaderBlock::To(b"http://localhost/calc"),
        ];
        self.seal_whole(&headers, body, encrypt_body, protection)
    }

    fn seal_whole(
        &mut self,
        headers: &[HeaderBlock<'_>],
        body: &[u8],
        encrypt_body: bool,
        protection: &Protection<'_>,
    ) -> Vec<u8> {
        let (soap, addressing) = (self.binding.soap, self.binding.addressing);
        let message = OutgoingMessage { soap, addressing, headers, body, encrypt_body };
        let mut out = vec![0; 32_768];
        let sealed = seal::<RustCrypto>(&message, protection, &Limits::MAX, &mut self.chance, &mut out);
        out.truncate(sealed.expect("it can be sealed").len);
        out
    }
}

/// The answer of one exchange, if it has one; others are thrown away.
///
/// # Panics
/// If the service cannot seal.
pub fn answer_of(service: &mut Service, now: Instant, exchange: Exchange) -> Option<(u16, Vec<u8>)> {
    use soap_session_core::secure::AcceptorAction as Action;
    let mut out = vec![0; 32_768];
    loop {
        match service.poll(now, &mut out).expect("it can be sealed") {
            Action::Answer { exchange: of, status, message } if of == exchange => {
                return Some((status, message.to_vec()));
            }
            Action::Answer { .. } | Action::Drop(_) | Action::Swept(_) => {}
            Action::Grow(grow) => out = vec![0; grow.needed],
            Action::Wait(_) => return None,
        }
    }
}

fn body(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = vec![0; 4096];
    let mut w = Writer::new(&mut out);
    write(&mut w);
    let len = w.finish().expect("room");
    out.truncate(len);
    out
}

impl Keyring for Forger {
    fn security_context(&self, _: &[u8], _: Option<&[u8]>) -> Option<SecretKey> {
        None
    }
    fn encrypted_key(&self, _: &[u8; 20]) -> Option<SecretKey> {
        Some(self.wrapped.clone())
    }
    fn decoy(&self, _: &[u8; 20]) -> SecretKey {
        SecretKey::default()
    }
}
