//! Whatever is wrong with a key that was wrapped by RSA 1.5, the service answers the same after the same work. Work is counted
//! here, in octets that went through the primitives; `benches/rsa15_probe.rs` measures it.

use soap_session_core::crypto::{
    Backend, BlockCipher, CipherAlgorithm, DigestAlgorithm, DigestOutput, Hasher, Mac, MacAlgorithm, RustCipher,
    RustHasher, RustMac,
};
use soap_session_core::secure::WireFault;
use soap_session_credentials::KeyTransport;
use soap_session_tests::rsa15::{Target, bindings, probes, service_key};
use std::cell::Cell;

thread_local! {
    /// Octets that were hashed, authenticated and decrypted.
    static WORK: Cell<[usize; 3]> = const { Cell::new([0; 3]) };
}

fn count(kind: usize, octets: usize) {
    let mut work = WORK.get();
    work[kind] += octets;
    WORK.set(work);
}

struct CountingHasher(RustHasher);

impl Hasher for CountingHasher {
    fn new(algorithm: DigestAlgorithm) -> Self {
        Self(Hasher::new(algorithm))
    }
    fn update(&mut self, bytes: &[u8]) {
        count(0, bytes.len());
        self.0.update(bytes);
    }
    fn finish(self) -> DigestOutput {
        self.0.finish()
    }
}

#[derive(Clone)]
struct CountingMac(RustMac);

impl Mac for CountingMac {
    fn new(algorithm: MacAlgorithm, key: &[u8]) -> Self {
        Self(Mac::new(algorithm, key))
    }
    fn update(&mut self, bytes: &[u8]) {
        count(1, bytes.len());
        self.0.update(bytes);
    }
    fn finish(self) -> DigestOutput {
        self.0.finish()
    }
}

struct CountingCipher(RustCipher);

impl BlockCipher for CountingCipher {
    fn new(algorithm: CipherAlgorithm, key: &[u8]) -> Option<Self> {
        BlockCipher::new(algorithm, key).map(Self)
    }
    fn encrypt_cbc(&self, iv: &[u8], data: &mut [u8]) -> bool {
        self.0.encrypt_cbc(iv, data)
    }
    fn decrypt_cbc(&self, iv: &[u8], data: &mut [u8]) -> bool {
        count(2, data.len());
        self.0.decrypt_cbc(iv, data)
    }
}

struct Counting;

impl Backend for Counting {
    type Hasher = CountingHasher;
    type Mac = CountingMac;
    type Cipher = CountingCipher;
}

#[test]
fn every_probe_gets_the_same_answer_after_the_same_work() {
    for (name, binding) in bindings() {
        let mut target = Target::<Counting>::new(&binding, 4096);
        let mut first = None;
        for probe in probes() {
            let mut message = target.with(&probe.octets);
            WORK.set([0; 3]);
            let (refusal, fault) = target.ask(&mut message);
            let work = WORK.get();
            println!("{name}: {}: {work:?} {refusal}", probe.what);
            assert_eq!(refusal.wire(), WireFault::InvalidSecurity, "{name}: {}: {refusal}", probe.what);
            let (known, told) = first.get_or_insert_with(|| (work, fault.clone()));
            assert_eq!(*told, fault, "{name}: {}", probe.what);
            // One that is shorter, as all can see, is hashed that much shorter.
            let shorter = 256 - probe.octets.len();
            assert_eq!(*known, [work[0] + shorter, work[1], work[2]], "{name}: {}: {refusal}", probe.what);
            assert!(work[2] > 0, "{name}: {}: it was tried", probe.what);
        }
    }
}

/// Whoever holds the key cannot be told either: every block that is not a key gives another one, the same every time.
#[test]
fn a_block_that_is_no_key_gives_a_key_of_its_own() {
    let key = service_key();
    let mut seen = Vec::new();
    for probe in probes().into_iter().filter(|probe| !probe.what.contains("too short")) {
        let unwrap = || {
            let mut out = [0; 64];
            key.unwrap(KeyTransport::Rsa15, &probe.octets, &mut out).map(|len| out[..len].to_vec())
        };
        let good = probe.what.strip_prefix("a good key of ").map(|rest| rest[..2].parse::<usize>().unwrap());
        let unwrapped = unwrap().unwrap();
        assert_eq!(unwrapped.len(), good.unwrap_or(32), "{}", probe.what);
        assert_eq!(unwrap(), Ok(unwrapped.clone()));
        assert!(!seen.contains(&unwrapped), "{}", probe.what);
        seen.push(unwrapped);
    }
}
