//! One-shot message security between our own two sides: every binding, and what must be refused.

use soap_session_core::chance::Chance;
use soap_session_core::crypto::AlgorithmSuite;
use soap_session_core::secure::{
    Binding, Bootstrap, Exchange, Failure, OneShotClient, OneShotIncoming, OneShotService, OneShotSettings, Owed,
    ProtectionOrder, ProtectionToken, Received, Refusal, SealError, UserCredential,
};
use soap_session_core::soap::fault::KnownFault;
use soap_session_core::soap::{AddressingVersion, ScVersion, SoapVersion};
use soap_session_core::time::{Duration, Instant};
use soap_session_tests::pair::{MIDNIGHT, Note, Paper};

type Client = OneShotClient<Chance, 4, 64>;
type Service = OneShotService<Chance, 64>;

const NOW: Instant = Instant::from_millis(1000);

fn bindings() -> Vec<Binding> {
    let mut list = Vec::new();
    for bootstrap in Bootstrap::ALL {
        for suite in AlgorithmSuite::ALL {
            for derived_keys in [true, false] {
                list.push(Binding { suite, bootstrap, derived_keys, ..Binding::default() });
                list.push(Binding { suite, derived_keys, ..Binding::basic_http(bootstrap) });
            }
        }
        for order in [ProtectionOrder::SignBeforeEncrypt, ProtectionOrder::EncryptBeforeSign] {
            list.push(Binding { order, bootstrap, ..Binding::ws_http(bootstrap) });
            list.push(Binding { order, derived_keys: false, ..Binding::ws_http(bootstrap) });
        }
        for version in ScVersion::ALL {
            list.push(Binding { version, ..Binding::ws_http(bootstrap) });
        }
        for soap in [SoapVersion::Soap11, SoapVersion::Soap12] {
            for addressing in [AddressingVersion::August2004, AddressingVersion::Wsa10] {
                list.push(Binding { soap, addressing, bootstrap, ..Binding::default() });
            }
        }
    }
    list
}

struct Sides {
    client: Client,
    service: Service,
    paper: Paper,
    now: Instant,
}

impl Sides {
    fn new(binding: &Binding) -> Self {
        let user = UserCredential::new("alice", "wonder");
        Self {
            client: Client::new(binding.clone(), "http://localhost/calc", user, MIDNIGHT, Chance::new(&[1; 32]))
                .unwrap(),
            service: Service::new(binding.clone(), OneShotSettings::default(), MIDNIGHT, Chance::new(&[2; 32])),
            paper: Paper { password: "wonder".into(), ..Paper::default() },
            now: NOW,
        }
    }

    fn request(&mut self, note: &Note) -> (Exchange, Vec<u8>) {
        let mut out = vec![0; 32_768];
        let (exchange, len) = self.client.seal_request(self.now, &self.paper, note, &mut out).unwrap();
        out.truncate(len);
        (exchange, out)
    }

    fn take(&mut self, message: &[u8]) -> OneShotIncoming {
        self.service.open_request(self.now, &self.paper, &mut message.to_vec())
    }

    fn owed(&mut self, message: &[u8]) -> Owed {
        match self.take(message) {
            OneShotIncoming::Request { owed, .. } => owed,
            OneShotIncoming::Refused { refusal, .. } => panic!("{refusal}"),
        }
    }

    fn reply(&mut self, owed: &Owed) -> Vec<u8> {
        let mut out = vec![0; 32_768];
        let reply = Note::request("urn:calc/AddResponse", "<AddResponse xmlns=\"urn:calc\"/>");
        let (len, status) = self.service.seal_reply(self.now, &self.paper, owed, &reply, &mut out).unwrap();
        assert_eq!(status, 200);
        out.truncate(len);
        out
    }

    fn hear(&mut self, exchange: Exchange, message: &[u8]) -> Result<Received, Refusal> {
        self.client.open_reply(self.now, exchange, &self.paper, &mut message.to_vec())
    }
}

fn note() -> Note {
    Note::request("urn:calc/Add", "<Add xmlns=\"urn:calc\"><n>1</n></Add>")
}

#[test]
fn a_call_is_made_in_every_binding() {
    for binding in bindings() {
        let mut sides = Sides::new(&binding);
        for _ in 0..2 {
            let (exchange, request) = sides.request(&note());
            let mut bytes = request.clone();
            let incoming = sides.service.open_request(NOW, &sides.paper, &mut bytes);
            let OneShotIncoming::Request { opened, owed } = incoming else { panic!("{incoming:?} {binding:?}") };
            assert_eq!(opened.body.of(&bytes), note().body.as_bytes());
            let named = opened.user.map(|user| user.name.of(&bytes).to_vec());
            assert_eq!(named.is_some(), binding.bootstrap.user_name());
            let signed = matches!(opened.token, ProtectionToken::Certificate { .. });
            assert_eq!(signed, binding.bootstrap.asymmetric());
            let endorsed = opened.endorsing_certificate().is_some();
            assert_eq!(endorsed || signed, binding.bootstrap.client_certificate());
            let reply = sides.reply(&owed);
            let heard = sides.hear(exchange, &reply);
            assert!(matches!(heard, Ok(Received::Reply(_))), "{heard:?} {binding:?}");
        }
        assert_eq!(sides.client.waiting(), 0);
    }
}

#[test]
fn too_little_room_changes_nothing() {
    let mut sides = Sides::new(&Binding::ws_http(Bootstrap::MutualCertificate));
    let before = sides.client.clone();
    let refused = sides.client.seal_request(NOW, &sides.paper, &note(), &mut [0; 100]);
    assert!(matches!(refused, Err(Failure::Room(grow)) if grow.needed > 100), "{refused:?}");
    assert_eq!(sides.client, before);
    let (_, request) = sides.request(&note());
    let owed = sides.owed(&request);
    let reply = Note::request("urn:calc/AddResponse", "<x/>");
    let refused = sides.service.seal_reply(NOW, &sides.paper, &owed, &reply, &mut [0; 100]);
    assert!(matches!(refused, Err(SealError::Grow(_))), "{refused:?}");
}

#[test]
fn so_many_requests_wait_and_no_more() {
    let mut sides = Sides::new(&Binding::default());
    for _ in 0..4 {
        let _ = sides.request(&note());
    }
    let refused = sides.client.seal_request(NOW, &sides.paper, &note(), &mut [0; 32_768]);
    assert_eq!(refused, Err(Failure::TooManyCalls { limit: 4 }));
    assert_eq!(sides.client.exchange_failed(Exchange(2)), Some(Failure::NoAnswer));
    assert_eq!(sides.client.exchange_failed(Exchange(2)), None);
    let _ = sides.request(&note());
}

#[test]
fn a_one_way_message_is_accepted_without_a_reply() {
    let mut sides = Sides::new(&Binding::default());
    let (exchange, request) = sides.request(&Note { two_way: false, ..note() });
    let owed = sides.owed(&request);
    assert!(!owed.reply());
    let mut out = [0; 1024];
    assert_eq!(sides.service.write_answer(&owed, &mut out), Ok((0, 202)));
    assert_eq!(sides.service.seal_reply(NOW, &sides.paper, &owed, &note(), &mut out), Err(SealError::NotOwed));
    assert!(matches!(sides.hear(exchange, &[]), Ok(Received::Accepted)));
}

/// The reply to another request of the same client is not this one's: its key and its confirmations are others.
#[test]
fn a_reply_belongs_to_one_request() {
    for bootstrap in Bootstrap::ALL {
        let mut sides = Sides::new(&Binding { bootstrap, ..Binding::default() });
        let (first, request) = sides.request(&note());
        let owed = sides.owed(&request);
        let (second, _) = sides.request(&note());
        let reply = sides.reply(&owed);
        let wrong = sides.hear(second, &reply);
        if bootstrap.over_transport() || bootstrap.asymmetric() {
            assert_eq!(wrong, Ok(Received::Failed(Failure::Unexpected)), "its RelatesTo is another");
        } else {
            assert_eq!(wrong, Err(Refusal::UnknownEncryptedKey));
        }
        assert!(matches!(sides.hear(first, &reply), Ok(Received::Reply(_))));
        assert!(matches!(sides.hear(first, &reply), Ok(Received::Failed(Failure::Unexpected))));
    }
}

#[test]
fn a_replayed_a_stale_and_a_future_request_are_refused() {
    for bootstrap in Bootstrap::ALL {
        let mut sides = Sides::new(&Binding { bootstrap, ..Binding::default() });
        let (_, request) = sides.request(&note());
        let _ = sides.owed(&request);
        let again = sides.take(&request);
        if bootstrap.over_transport() {
            // The transport's own business.
            assert!(matches!(again, OneShotIncoming::Request { .. }));
        } else {
            assert!(matches!(again, OneShotIncoming::Refused { refusal: Refusal::Replay, .. }));
        }
        let (exchange, request) = sides.request(&note());
        for (at, late) in [(NOW.after(Duration::from_secs(600)), true), (NOW, false)] {
            sides.now = at;
            if !late {
                let mut slow = MIDNIGHT;
                slow.unix_ms_at_zero -= 300_000;
                sides.service.set_wall(slow);
            }
            let incoming = sides.take(&request);
            let OneShotIncoming::Refused { refusal, owed } = incoming else { panic!("{incoming:?}") };
            match late {
                true => assert!(matches!(refusal, Refusal::Stale { .. } | Refusal::Expired { .. }), "{refusal}"),
                false => assert!(matches!(refusal, Refusal::FromTheFuture { .. }), "{refusal}"),
            }
            let mut out = vec![0; 4096];
            let (len, status) = sides.service.write_answer(&owed, &mut out).unwrap();
            assert_eq!(status, 500);
            if !late {
                let heard = sides.hear(exchange, &out[..len]);
                let Ok(Received::Failed(Failure::Fault(fault))) = heard else { panic!("{heard:?}") };
                assert_eq!((fault.known, fault.secured), (Some(KnownFault::InvalidSecurity), false));
            }
        }
    }
}
