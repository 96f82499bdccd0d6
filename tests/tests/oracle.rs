//! What the peer is told must not depend on what changed ciphertext decrypts to: not to XML, to other XML, to bad padding,
//! or to something that only the digest tells apart. One answer for all is what keeps CBC from being read by asking
//! (Jager and Somorovsky, "How To Break XML Encryption", 2011).

use soap_session_core::secure::{AcceptorSettings, Binding, Incoming, InitiatorSettings, ProtectionOrder, WireFault};
use soap_session_tests::pair::{Note, Pair};
use std::collections::BTreeSet;

const MARK: &str = "<e:CipherValue>";

/// Where the last CipherValue, the body's, stands.
fn body_cipher(message: &[u8]) -> std::ops::Range<usize> {
    let text = std::str::from_utf8(message).unwrap();
    let start = text.rfind(MARK).unwrap() + MARK.len();
    start..start + text[start..].find('<').unwrap()
}

#[test]
fn every_change_of_the_bodys_ciphertext_gets_the_same_answer() {
    for order in [
        ProtectionOrder::SignBeforeEncryptAndEncryptSignature,
        ProtectionOrder::SignBeforeEncrypt,
        ProtectionOrder::EncryptBeforeSign,
    ] {
        let binding = Binding { order, ..Binding::default() };
        let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 3);
        pair.client.open().unwrap();
        pair.client.call(Note::request("urn:x/Say", "<Say xmlns=\"urn:x\"><a b=\"c\">text</a></Say>")).unwrap();
        let (exchange, mut issue) = pair.client_sends().unwrap();
        pair.service_hears(exchange, &mut issue).unwrap();
        let (exchange, _, mut token) = pair.service_sends().unwrap();
        pair.client.receive(pair.now, exchange, &pair.paper, &mut token).unwrap();
        let (exchange, message) = pair.client_sends().unwrap();
        let mut answers = BTreeSet::new();

        for at in body_cipher(&message) {
            for new in [b'A', b'Q', b'z', b'/'] {
                if message[at] == new || message[at] == b'=' {
                    continue;
                }
                let mut changed = message.clone();
                changed[at] = new;
                let incoming = pair.service_hears(exchange, &mut changed).unwrap();
                let Incoming::Refused(refusal) = incoming else { panic!("taken with byte {at} changed: {incoming:?}") };
                assert_eq!(refusal.wire(), WireFault::InvalidSecurity, "{refusal}");
                let (_, status, answer) = pair.service_sends().unwrap();
                answers.insert((status, answer));
            }
        }
        assert_eq!(answers.len(), 1, "{order:?}: the peer can tell changes apart");
        assert_eq!(answers.first().unwrap().0, 500);
        // The message itself is still good: nothing of it was remembered.
        let mut untouched = message.clone();
        assert!(matches!(pair.service_hears(exchange, &mut untouched), Ok(Incoming::Request { .. })));
    }
}
