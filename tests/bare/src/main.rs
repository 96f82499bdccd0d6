//! Seals a session's request and opens it again, with no allocator, no standard library and no C runtime to lean on.
//!
//! Exit status 0 if the body comes out as it went in; any other says which step failed.
#![no_std]
#![no_main]

mod cookie;
/// The example that is to be copied into programs like this one.
#[path = "../../../adapters/examples/examples/fixed_buffers/device.rs"]
mod device;
mod door;
mod reliable;
mod runtime;

use soap_session_core::chance::{Chance, Entropy, Uuid};
use soap_session_core::crypto::{AlgorithmSuite, RustCrypto, SecretKey, SuiteSet, p_sha1};
use soap_session_core::secure::{
    DerivedKey, Id, Keyring, MessageKeys, NoCredentials, OpenContext, OutgoingMessage, Policy, Protection,
    ProtectionOrder, Refusal, SigningToken, Timestamp, UniqueIds, open, seal,
};
use soap_session_core::soap::{AddressingVersion, HeaderBlock, ScVersion, SoapVersion};
use soap_session_core::time::{Duration, UnixMillis};
use soap_session_core::xml::Limits;

const IDENTIFIER: &[u8] = b"urn:uuid:3c5a4a7e-7f4e-4d5c-9d55-3d6c0b3a1f10";
const ELEMENT: &[u8] = b"<c:SecurityContextToken u:Id=\"uuid-7a1c9b5e-0f57-4c0e-8a53-1f4e5f1f2b30-1\" \
    xmlns:c=\"http://schemas.xmlsoap.org/ws/2005/02/sc\">\
    <c:Identifier>urn:uuid:3c5a4a7e-7f4e-4d5c-9d55-3d6c0b3a1f10</c:Identifier></c:SecurityContextToken>";
const ELEMENT_ID: &[u8] = b"uuid-7a1c9b5e-0f57-4c0e-8a53-1f4e5f1f2b30-1";
const LABEL: &[u8] = b"WS-SecureConversationWS-SecureConversation";
const BODY: &[u8] = b"<Echo xmlns=\"urn:probe\"><text>no heap &amp; no libc</text></Echo>";
const NOW: UnixMillis = UnixMillis(1_795_228_812_769);

/// The one session that the receiver knows.
struct OneSession(SecretKey);

impl Keyring for OneSession {
    fn security_context(&self, identifier: &[u8], instance: Option<&[u8]>) -> Option<SecretKey> {
        (identifier == IDENTIFIER && instance.is_none()).then(|| self.0.clone())
    }

    fn encrypted_key(&self, _: &[u8; 20]) -> Option<SecretKey> {
        None
    }

    fn decoy(&self, _: &[u8; 20]) -> SecretKey {
        SecretKey::default()
    }
}

/// Which step failed: the exit status.
#[repr(u8)]
enum Failure {
    Key = 1,
    Seal = 2,
    InClear = 3,
    Open = 4,
    Body = 5,
    Signature = 6,
    Forgery = 7,
    Session = 8,
    Lost = 9,
    Door = 10,
    Cookie = 11,
    Device = 12,
}

fn derived(session: &SecretKey, nonce: &[u8; 16], len: usize) -> Result<SecretKey, Failure> {
    let mut secret = SecretKey::zeroed(len).ok_or(Failure::Key)?;
    p_sha1::<RustCrypto>(session.as_bytes(), LABEL, nonce, 0, secret.as_mut_bytes());
    Ok(secret)
}

fn round_trip() -> Result<(), Failure> {
    let mut chance = Chance::new(&[42; 32]);
    let suite = AlgorithmSuite::Basic256;
    let mut session = SecretKey::zeroed(32).ok_or(Failure::Key)?;
    chance.fill(session.as_mut_bytes());
    let (mut signing_nonce, mut encryption_nonce) = ([0; 16], [0; 16]);
    chance.fill(&mut signing_nonce);
    chance.fill(&mut encryption_nonce);
    let signing = derived(&session, &signing_nonce, suite.signature_key_len())?;
    let encryption = derived(&session, &encryption_nonce, suite.encryption_key_len())?;
    let mut ids = UniqueIds::new(Uuid::random(&mut chance), 1);

    let headers = [
        HeaderBlock::Action(b"urn:probe/Echo/Echo"),
        HeaderBlock::MessageId(b"urn:uuid:66d9ec97-a4ac-4ee2-bfb3-fac20dec708a"),
        HeaderBlock::ReplyTo(b"http://www.w3.org/2005/08/addressing/anonymous"),
        HeaderBlock::To(b"http://localhost/probe"),
    ];
    let message = OutgoingMessage {
        soap: SoapVersion::Soap12,
        addressing: AddressingVersion::Wsa10,
        headers: &headers,
        body: BODY,
        encrypt_body: true,
    };
    let timestamp =
        Timestamp { id: Id::Unique(ids.next_id()), created: NOW, expires: NOW.after(Duration::from_secs(300)) };
    let protection = Protection {
        suite,
        version: ScVersion::February2005,
        order: ProtectionOrder::default(),
        bsp: false,
        timestamp,
        token: SigningToken::SecurityContext { element: ELEMENT, id: ELEMENT_ID },
        keys: MessageKeys::PerSession {
            signing_id: Id::Unique(ids.next_id()),
            signing: DerivedKey { nonce: &signing_nonce, secret: &signing },
            encryption_id: Id::Unique(ids.next_id()),
            encryption: DerivedKey { nonce: &encryption_nonce, secret: &encryption },
        },
        username: None,
        certificate: None,
        endorsing: None,
        confirmations: &[],
    };
    let mut wire = [0u8; 16384];
    let limits = Limits::default();
    let sealed = seal::<RustCrypto>(&message, &protection, &limits, &mut chance, &mut wire).or(Err(Failure::Seal))?;
    let wire = wire.get_mut(..sealed.len).ok_or(Failure::Seal)?;
    if wire.windows(BODY.len()).any(|window| window == BODY) {
        return Err(Failure::InClear);
    }

    let policy = Policy::session(SuiteSet::only(suite), protection.version, protection.order);
    let keyring = OneSession(session);
    let now = NOW.after(Duration::from_secs(1));
    let context = OpenContext {
        policy: &policy,
        limits: &limits,
        keyring: &keyring,
        credentials: &NoCredentials,
        now: Some(now),
    };
    // The proof that opening verifies: the same message with one character of its timestamp changed.
    let mut forged = [0u8; 16384];
    let forged = forged.get_mut(..wire.len()).ok_or(Failure::Forgery)?;
    forged.copy_from_slice(wire);
    let at = forged.windows(10).position(|window| window == b"<u:Expires").ok_or(Failure::Forgery)?;
    // The year of `Expires`, from 2026 to 2027.
    *forged.get_mut(at + 14).filter(|digit| **digit == b'6').ok_or(Failure::Forgery)? = b'7';
    if !matches!(open::<RustCrypto, _, _>(forged, &context), Err(Refusal::Digest { .. })) {
        return Err(Failure::Forgery);
    }

    let opened = open::<RustCrypto, _, _>(wire, &context).or(Err(Failure::Open))?;
    if opened.body.of(wire) != BODY {
        return Err(Failure::Body);
    }
    if opened.signature != sealed.signature {
        return Err(Failure::Signature);
    }
    Ok(())
}

/// A client's channel and a service's endpoint with its host: every report arrives once, though requests are lost.
fn channel() -> Result<(), Failure> {
    let outcome = device::session(42, 20).ok_or(Failure::Device)?;
    if outcome.total == 210 && outcome.lost > 0 && outcome.sent > outcome.lost { Ok(()) } else { Err(Failure::Device) }
}

/// What the entry point calls. The result is the exit status.
fn run() -> u8 {
    let sessions = round_trip().and_then(|()| reliable::session()).and_then(|()| channel());
    match sessions.and_then(|()| door::admission()).and_then(|()| cookie::round_trip()) {
        Ok(()) => 0,
        Err(failure) => failure as u8,
    }
}
