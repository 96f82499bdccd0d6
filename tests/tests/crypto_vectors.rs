//! Every key that the recordings tell is derived again: combined keys from both entropies, derived keys from their nonces.

use soap_session_core::base64;
use soap_session_core::crypto::{RustCrypto, p_sha1};
use soap_session_tests::{Recording, secured};
use std::collections::BTreeSet;

const LABEL: &[u8] = b"WS-SecureConversationWS-SecureConversation";

fn derive(secret: &[u8], label: &[u8], seed: &[u8], offset: usize, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    p_sha1::<RustCrypto>(secret, label, seed, offset, &mut out);
    out
}

#[test]
fn every_recorded_key_is_derived_again() {
    let (mut recordings, mut combined, mut derived) = (0, 0, 0);
    let mut lengths = BTreeSet::new();
    for family in ["wcf", "wcf-stories"] {
        for name in secured(family).unwrap() {
            let Ok(secrets) = Recording::open(&name).unwrap().secrets() else { continue };
            for (file, context) in secrets.issued() {
                let key = derive(&context.client_entropy, &[], &context.server_entropy, 0, context.key.len());
                assert_eq!(key, context.key, "{name}/{file}: the token's key");
                combined += 1;
            }
            // Which of the recording's secrets a token was derived from is the message's to say; that it was from one of
            // them cannot be chance.
            let wrapped = secrets.iter().filter_map(|(_, keys)| keys.encrypted_key.as_deref());
            let roots: BTreeSet<&[u8]> = secrets.issued().map(|(_, c)| c.key.as_slice()).chain(wrapped).collect();
            let before = derived;
            for (file, keys) in secrets.iter() {
                for token in &keys.derived {
                    let mut nonce = [0; 128];
                    let len = base64::decode(token.nonce.as_bytes(), &mut nonce).unwrap();
                    let found = roots
                        .iter()
                        .any(|root| derive(root, LABEL, &nonce[..len], token.offset, token.length) == token.key);
                    assert!(found, "{name}/{file}: {}", token.id);
                    lengths.insert(token.length);
                    derived += 1;
                }
            }
            recordings += usize::from(derived > before);
        }
    }
    println!("{recordings} recordings, {combined} combined keys, {derived} derived keys of {lengths:?} bytes");
    assert!(recordings >= 20 && combined >= 20 && derived >= 500, "{recordings}, {combined}, {derived}");
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [16, 24, 32], "every length that a suite asks for");
}
