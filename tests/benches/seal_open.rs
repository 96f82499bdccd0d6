//! What sealing and opening a session's message costs, and how that compares with the bare primitives.
//!
//! The session is in its steady state: WCF's default order (sign, encrypt body and signature), Basic256, the keys of
//! `MessageKeys::PerSession`. Criterion measures each side; then `ratio` prints a table from interleaved rounds of one
//! process, so that a busy or slow machine slows both sides alike.
//!
//! "Raw" is only what no implementation can leave out, over exactly the octets of the message at hand:
//! - to seal: SHA-1 of each signed part's canonical form, HMAC-SHA1 of the canonical SignedInfo, AES-256's key schedule, a
//!   copy of body and signature, their encryption in CBC mode, base64 of both with their IVs, of digests and of the value;
//! - to open: P_SHA1 of the two derived keys (24 and 32 octets), base64 back to octets, key schedule, decryption, the same
//!   digests and HMAC.
//!
//! Not in it: drawing two IVs, writing, reading, checking and canonicalizing XML, finding keys, all policy.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use soap_session_core::chance::{Chance, Uuid};
use soap_session_core::crypto::{AlgorithmSuite, RustCrypto, SecretKey, SuiteSet, p_sha1};
use soap_session_core::secure::{
    DerivedKey, Id, Keyring, MessageKeys, NoCredentials, OpenContext, Opened, OutgoingMessage, Policy, Protection,
    ProtectionOrder, Sealed, SigningToken, Timestamp, UniqueIds, open, seal,
};
use soap_session_core::soap::{AddressingVersion, HeaderBlock, ScVersion, SoapVersion};
use soap_session_core::time::UnixMillis;
use soap_session_core::xml::Limits;

mod raw;
use raw::Raw;

const SIZES: [usize; 4] = [256, 1024, 64 * 1024, 1024 * 1024];
const SHAPES: [Shape; 2] = [Shape::Text, Shape::List];
const SUITE: AlgorithmSuite = AlgorithmSuite::Basic256;
const IDENTIFIER: &[u8] = b"urn:uuid:aa66382a-7e7d-495c-a597-aeeddde758c2";
const ELEMENT: &[u8] = b"<c:SecurityContextToken u:Id=\"uuid-de4fb1d8-5a1e-4158-9b5d-cf01a25a72a0-4\" \
    xmlns:c=\"http://schemas.xmlsoap.org/ws/2005/02/sc\">\
    <c:Identifier>urn:uuid:aa66382a-7e7d-495c-a597-aeeddde758c2</c:Identifier></c:SecurityContextToken>";
const ELEMENT_ID: &[u8] = b"uuid-de4fb1d8-5a1e-4158-9b5d-cf01a25a72a0-4";
const LABEL: &[u8] = b"WS-SecureConversationWS-SecureConversation";
const SIGNING_NONCE: [u8; 16] = [1; 16];
const ENCRYPTION_NONCE: [u8; 16] = [2; 16];
const NOW: UnixMillis = UnixMillis(1_795_228_812_769);

/// What a body is made of.
#[derive(Clone, Copy)]
enum Shape {
    /// One run of text.
    Text,
    /// As many elements as fit: the worst that canonicalization meets.
    List,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::List => "list",
        }
    }

    /// A body of `size` bytes, or a few fewer.
    fn body(self, size: usize) -> Vec<u8> {
        let (head, item, tail) = match self {
            Self::Text => ("<Echo xmlns=\"urn:probe\"><text>", "x", "</text></Echo>"),
            Self::List => ("<List xmlns=\"urn:probe\">", "<item>17</item>", "</List>"),
        };
        let count = size.saturating_sub(head.len() + tail.len()) / item.len();
        [head, &item.repeat(count), tail].concat().into_bytes()
    }
}

struct Session {
    secret: SecretKey,
    signing: SecretKey,
    encryption: SecretKey,
    limits: Limits,
    policy: Policy,
}

impl Keyring for Session {
    fn security_context(&self, identifier: &[u8], _: Option<&[u8]>) -> Option<SecretKey> {
        (identifier == IDENTIFIER).then(|| self.secret.clone())
    }

    fn encrypted_key(&self, _: &[u8; 20]) -> Option<SecretKey> {
        None
    }

    fn decoy(&self, _: &[u8; 20]) -> SecretKey {
        SecretKey::default()
    }
}

fn derived(secret: &SecretKey, nonce: &[u8], len: usize) -> SecretKey {
    let mut key = SecretKey::zeroed(len).expect("short");
    p_sha1::<RustCrypto>(secret.as_bytes(), LABEL, nonce, 0, key.as_mut_bytes());
    key
}

impl Session {
    fn new() -> Self {
        let secret = SecretKey::new(&[7; 32]).expect("short");
        let signing = derived(&secret, &SIGNING_NONCE, SUITE.signature_key_len());
        let encryption = derived(&secret, &ENCRYPTION_NONCE, SUITE.encryption_key_len());
        let policy = Policy::session(SuiteSet::only(SUITE), ScVersion::February2005, ProtectionOrder::default());
        Self { secret, signing, encryption, limits: Limits::MAX, policy }
    }

    fn seal(&self, body: &[u8], chance: &mut Chance, out: &mut [u8]) -> Sealed {
        let headers = [
            HeaderBlock::Action(b"urn:probe/Echo/Echo"),
            HeaderBlock::MessageId(b"urn:uuid:66d9ec97-a4ac-4ee2-bfb3-fac20dec708a"),
            HeaderBlock::ReplyTo(b"http://www.w3.org/2005/08/addressing/anonymous"),
            HeaderBlock::To(b"http://localhost:30057/probe"),
        ];
        let message = OutgoingMessage {
            soap: SoapVersion::Soap12,
            addressing: AddressingVersion::Wsa10,
            headers: &headers,
            body,
            encrypt_body: true,
        };
        let mut ids = UniqueIds::new(Uuid([9; 16]), 7);
        let mut id = || Id::Unique(ids.next_id());
        let protection = Protection {
            suite: SUITE,
            version: ScVersion::February2005,
            order: ProtectionOrder::default(),
            bsp: false,
            timestamp: Timestamp { id: id(), created: NOW, expires: NOW.after(Duration::from_secs(300)) },
            token: SigningToken::SecurityContext { element: ELEMENT, id: ELEMENT_ID },
            keys: MessageKeys::PerSession {
                signing_id: id(),
                signing: DerivedKey { nonce: &SIGNING_NONCE, secret: &self.signing },
                encryption_id: id(),
                encryption: DerivedKey { nonce: &ENCRYPTION_NONCE, secret: &self.encryption },
            },
            username: None,
            certificate: None,
            endorsing: None,
            confirmations: &[],
        };
        seal::<RustCrypto>(&message, &protection, &self.limits, chance, out).expect("seals")
    }

    fn open(&self, message: &mut [u8]) -> Opened {
        let context = OpenContext {
            policy: &self.policy,
            limits: &self.limits,
            keyring: self,
            credentials: &NoCredentials,
            now: Some(NOW),
        };
        open::<RustCrypto, _, _>(message, &context).expect("opens")
    }
}

/// One message, and everything to make and open it again and again.
struct Case {
    session: Session,
    body: Vec<u8>,
    wire: Vec<u8>,
    raw: Raw,
}

impl Case {
    fn new(shape: Shape, size: usize) -> Self {
        let session = Session::new();
        let body = shape.body(size);
        let mut wire = vec![0; size * 2 + 16384];
        let sealed = session.seal(&body, &mut Chance::new(&[3; 32]), &mut wire);
        wire.truncate(sealed.len);
        let mut opened = wire.clone();
        let view = session.open(&mut opened);
        assert_eq!(view.body.of(&opened), body);
        let raw = Raw::of(&wire, &opened, &body, &session.secret, &session.signing, &session.encryption);
        Self { session, body, wire, raw }
    }
}

fn criterion(c: &mut Criterion) {
    for shape in SHAPES {
        for size in SIZES {
            let mut case = Case::new(shape, size);
            let mut chance = Chance::new(&[4; 32]);
            let mut out = vec![0; case.wire.len()];
            let mut group = c.benchmark_group(shape.name());
            group.throughput(Throughput::Bytes(case.body.len() as u64));
            group.bench_function(BenchmarkId::new("seal", size), |b| {
                b.iter(|| case.session.seal(&case.body, &mut chance, &mut out));
            });
            group.bench_function(BenchmarkId::new("seal-raw", size), |b| b.iter(|| case.raw.seal()));
            group.bench_function(BenchmarkId::new("open", size), |b| {
                let (session, wire) = (&case.session, &case.wire);
                b.iter_batched_ref(|| wire.clone(), |message| session.open(message), BatchSize::LargeInput);
            });
            group.bench_function(BenchmarkId::new("open-raw", size), |b| b.iter(|| case.raw.open()));
            group.finish();
        }
    }
}

/// Times one run of `work`, in nanoseconds.
fn time<T>(work: impl FnOnce() -> T) -> u64 {
    let start = Instant::now();
    black_box(work());
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn median(mut values: Vec<u64>) -> f64 {
    values.sort_unstable();
    values.get(values.len() / 2).map_or(0.0, |value| *value as f64)
}

/// Medians over rounds in which the four take turns.
fn ratio(shape: Shape, size: usize) {
    let mut case = Case::new(shape, size);
    let mut chance = Chance::new(&[5; 32]);
    let mut out = vec![0; case.wire.len()];
    let mut message = case.wire.clone();
    let rounds = if size > 100_000 { 200 } else { 2000 };
    let mut times: [Vec<u64>; 4] = Default::default();
    for round in 0..rounds + rounds / 10 {
        let spent = [
            time(|| case.raw.seal()),
            time(|| case.session.seal(&case.body, &mut chance, &mut out)),
            time(|| case.raw.open()),
            {
                message.copy_from_slice(&case.wire);
                time(|| case.session.open(&mut message))
            },
        ];
        // The first rounds warm caches and the processor up.
        if round >= rounds / 10 {
            times.iter_mut().zip(spent).for_each(|(times, spent)| times.push(spent));
        }
    }
    let [raw_seal, seal, raw_open, open] = times.map(|times| median(times) / 1000.0);
    println!(
        "| {} | {size} | {raw_seal:.1} | {seal:.1} | **{:.2}** | {raw_open:.1} | {open:.1} | **{:.2}** |",
        shape.name(),
        seal / raw_seal,
        open / raw_open,
    );
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench -p soap-session-tests -- ratio` prints the table alone.
    if !arguments.iter().any(|argument| argument == "ratio") {
        criterion(&mut c);
        c.final_summary();
    }
    if arguments.iter().any(|argument| matches!(argument.as_str(), "--test" | "--list" | "--profile-time")) {
        return;
    }
    println!("\nratio: medians of interleaved rounds, in microseconds\n");
    println!("| body | bytes | raw seal | seal | ratio | raw open | open | ratio |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for shape in SHAPES {
        for size in SIZES {
            ratio(shape, size);
        }
    }
}
