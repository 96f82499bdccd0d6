//! Secure conversations between our own two machines, in simulated time.

use soap_session_core::crypto::AlgorithmSuite;
use soap_session_core::secure::{
    AcceptorSettings, Binding, Bootstrap, InitiatorPhase, InitiatorSettings, KeyEntropyMode, ProtectionOrder, Received,
};
use soap_session_core::soap::{AddressingVersion, ScVersion, SoapVersion};
use soap_session_tests::pair::{Note, Pair};
use std::time::Duration;

fn bindings() -> Vec<Binding> {
    let mut list = Vec::new();
    for bootstrap in Bootstrap::ALL {
        list.push(Binding::ws_http(bootstrap));
        list.push(Binding::ws2007_http(bootstrap));
        for suite in AlgorithmSuite::ALL {
            list.push(Binding { suite, bootstrap, ..Binding::default() });
        }
        for order in [ProtectionOrder::SignBeforeEncrypt, ProtectionOrder::EncryptBeforeSign] {
            list.push(Binding { order, bootstrap, ..Binding::default() });
        }
        for entropy in [KeyEntropyMode::Client, KeyEntropyMode::Server] {
            for version in ScVersion::ALL {
                list.push(Binding { entropy, version, bootstrap, ..Binding::default() });
            }
        }
        for soap in [SoapVersion::Soap11, SoapVersion::Soap12] {
            for addressing in [AddressingVersion::August2004, AddressingVersion::Wsa10] {
                list.push(Binding { soap, addressing, bootstrap, ..Binding::default() });
            }
        }
        list.push(Binding { derived_keys: false, bootstrap, ..Binding::default() });
    }
    list
}

#[test]
fn a_conversation_opens_talks_renews_and_closes_in_every_binding() {
    for (index, binding) in bindings().into_iter().enumerate() {
        let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), index as u8);
        pair.client.open().unwrap();
        pair.client.call(Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"><n>1</n></Add>")).unwrap();
        let heard = pair.run();
        assert_eq!(heard.len(), 2, "{binding:?}");
        assert!(matches!(heard[0].0, Received::Established), "{:?} {binding:?}", heard[0].0);
        let (Received::Reply(reply), bytes) = &heard[1] else { panic!("{:?} {binding:?}", heard[1].0) };
        assert_eq!(reply.body.of(bytes), b"<Add xmlns=\"urn:calc\"><n>1</n></Add>");
        assert_eq!(reply.addressing.action.of(bytes), b"urn:calc/AddResponse");
        // 60 % of 15 hours: the next call is preceded by a renewal.
        pair.wait(Duration::from_secs(9 * 3600));
        pair.client.call(Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"/>")).unwrap();
        let heard = pair.run();
        assert_eq!(heard.len(), 2, "{binding:?} {:?}", pair.log);
        assert!(matches!(heard[0].0, Received::Renewed), "{:?} {binding:?}", heard[0].0);
        assert!(matches!(heard[1].0, Received::Reply(_)), "{:?} {binding:?}", heard[1].0);
        assert!(pair.client.instance().is_some());
        pair.client.close().unwrap();
        let heard = pair.run();
        assert!(matches!(heard[..], [(Received::Closed, _)]), "{heard:?}");
        assert_eq!(pair.client.phase(), InitiatorPhase::Closed);
        assert_eq!(pair.service.sessions(), 0);
    }
}
