//! One-shot message security as applications see it: a client's channel against a service's endpoint and its host, under every
//! bootstrap.

use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::{CommunicationState as State, Timeouts};
use soap_session_core::secure::{
    Binding, Bootstrap, Encryption, Misuse, NoCredentials, OneShotClient, OneShotService, OneShotSettings, Refusal,
    UserCredential,
};
use soap_session_core::service::{DispatchFault, HostSettings};
use soap_session_core::session::{
    Answered, CallId, CallRefused, ChannelAction, ChannelError, ChannelEvent, LayerAction, OneShotLayer, OperationUse,
    Owner, ServiceLayer,
};
use soap_session_core::soap::fault::KnownFault;
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::throttle::Throttle;
use soap_session_core::time::{Deadline, Duration, Instant};
use soap_session_tests::actors::Said;
use soap_session_tests::channel_world::recorded;
use soap_session_tests::endpoint_world::{Channel, EndpointWorld, OPERATIONS, WITH_CATCH_ALL, holds, said};
use soap_session_tests::pair::MIDNIGHT;

type Layer = OneShotLayer<Said, Chance, 4, 64>;
type World = EndpointWorld<Layer>;

const TO: &str = "http://localhost/calc";
const ECHO: &str = "urn:t/Echo";
const BODY: &str = "<Echo xmlns=\"urn:t\">a secret</Echo>";

fn client(binding: &Binding, timeouts: Timeouts) -> Channel {
    let user = UserCredential::new("alice", "wonder");
    let client = OneShotClient::new(binding.clone(), TO, user, MIDNIGHT, Chance::new(&[1; 32]));
    Channel::over_one_shot(client.expect("a client"), timeouts)
}

fn contract(action: &[u8]) -> Option<Encryption> {
    (!action.ends_with(b"Unknown")).then_some(Encryption::Required)
}

fn layer(binding: &Binding) -> Layer {
    let settings = OneShotSettings { contract, ..OneShotSettings::default() };
    Layer::new(OneShotService::new(binding.clone(), settings, MIDNIGHT, Chance::new(&[2; 32])))
}

fn world(binding: &Binding) -> World {
    World::new(client(binding, Timeouts::default()), layer(binding), OPERATIONS)
}

fn bindings() -> Vec<Binding> {
    let mut list = Vec::new();
    for bootstrap in Bootstrap::ALL {
        list.push(Binding::ws_http(bootstrap));
        list.push(Binding::basic_http(bootstrap));
        for soap in [SoapVersion::Soap11, SoapVersion::Soap12] {
            for addressing in [AddressingVersion::August2004, AddressingVersion::Wsa10] {
                list.push(Binding { soap, addressing, bootstrap, ..Binding::default() });
            }
        }
    }
    list
}

fn any() -> Binding {
    Binding::ws_http(Bootstrap::MutualCertificate)
}

#[test]
fn a_call_is_answered_under_every_bootstrap() {
    for binding in bindings() {
        let mut world = world(&binding);
        for _ in 0..2 {
            assert_eq!(world.done(ECHO, BODY), (format!("reply {BODY}"), 200), "{binding:?}");
        }
        assert_eq!(world.seen[0], "channel Opened");
        assert_eq!((world.state(), world.client.session_id(), world.client.to()), (State::Opened, None, TO.as_bytes()));
        assert_eq!(world.endpoint.session_id(Owner::Datagram), None);
        assert_eq!((world.client.calls(), world.client.timers().count(), world.host.calls()), (0, 0, 0));
    }
}

#[test]
fn what_is_said_is_encrypted_unless_the_transport_does_that() {
    for bootstrap in Bootstrap::ALL {
        let mut world = world(&Binding::ws_http(bootstrap));
        for action in [ECHO, "urn:t/Declared", "urn:t/Fail"] {
            let (_, sent) = world.call(action, BODY);
            let answers = world.serve(sent[0].0, &sent[0].2);
            let clear = [holds(&sent[0].2, "a secret"), holds(&answers[0].2, "Response\"") && action == ECHO];
            assert_eq!(clear[0], bootstrap.over_transport());
            let clear = ["a secret", "as declared", "internal error"].iter().any(|text| holds(&answers[0].2, text));
            assert_eq!(clear, bootstrap.over_transport(), "{action} under {bootstrap:?}");
            world.hear(sent[0].0, &answers[0].2);
        }
    }
}

#[test]
fn a_fault_is_only_the_calls() {
    for binding in bindings() {
        let mut world = world(&binding);
        let declared = "THREW System.ServiceModel.FaultException: \"as declared\"";
        assert_eq!(world.done("urn:t/Declared", BODY), (declared.to_owned(), 500), "{binding:?}");
        let (said, status) = world.done("urn:t/Fail", BODY);
        assert!(said.starts_with("THREW System.ServiceModel.FaultException: \"The server was unable"), "{said}");
        assert_eq!((status, world.state(), world.client.error()), (500, State::Opened, None));
        assert_eq!(world.done(ECHO, BODY), (format!("reply {BODY}"), 200));
        assert_eq!(world.host.calls(), 0);
    }
}

#[test]
fn the_dispatchers_faults_are_sealed_as_replies() {
    for binding in bindings() {
        let mut world = world(&binding);
        let (said, status) = world.done("urn:t/Missing", BODY);
        assert!(said.starts_with("THREW System.ServiceModel.ActionNotSupportedException"), "{said} {binding:?}");
        assert_eq!((status, &world.refused[..]), (500, &[DispatchFault::ActionNotSupported][..]));
        assert_eq!(world.done(ECHO, BODY).1, 200);
    }
}

#[test]
fn a_service_that_is_too_busy_says_so() {
    let settings = HostSettings { refuse_when_busy: true, ..HostSettings::default() };
    let mut world = World::with(client(&any(), Timeouts::default()), layer(&any()), OPERATIONS, settings, 1);
    world.answers = false;
    let (_, first) = world.call(ECHO, BODY);
    assert_eq!(world.serve(first[0].0, &first[0].2), []);
    let (said, status) = world.done(ECHO, BODY);
    assert!(said.contains("MaxConcurrentCalls"), "{said}");
    assert_eq!((status, &world.refused[..]), (500, &[DispatchFault::ServerTooBusy(Throttle::Calls)][..]));
    world.finish();
    let answers = world.service_sends();
    assert_eq!(world.hear(first[0].0, &answers[0].2), format!("reply {BODY}"));
}

#[test]
fn what_no_other_operation_has_is_the_catch_alls() {
    let mut world = World::new(client(&any(), Timeouts::default()), layer(&any()), WITH_CATCH_ALL);
    for action in ["urn:other/Whatever", ECHO] {
        assert_eq!(world.done(action, BODY), (format!("reply {BODY}"), 200));
    }
    assert_eq!(world.ran, ["urn:other/Whatever", ECHO]);
}

#[test]
fn a_one_way_message_is_accepted_whatever_becomes_of_it() {
    for binding in bindings() {
        let mut world = world(&binding);
        assert_eq!(world.done("urn:t/Tell", BODY), ("ok".to_owned(), 202), "{binding:?}");
        assert_eq!(world.ran, ["urn:t/Tell"]);
        assert!(world.events.contains(&ChannelEvent::CallDone(CallId(1), Ok(Answered::Accepted))));
        // The service takes it for two-way, or does not know it.
        for action in [ECHO, "urn:t/Missing", "urn:t/Fail"].into_iter().filter(|_| binding.addressed) {
            let message = Said { two_way: false, ..said(action, BODY) };
            let called = world.client.call(world.now, OperationUse::one_way("Any"), message);
            called.map_err(|(_, refused)| refused).expect("it is legal");
            let sent = world.client_sends();
            let answers = world.serve(sent[0].0, &sent[0].2);
            assert_eq!(answers, [(sent[0].0, 202, Vec::new())], "{action}");
            assert_eq!(world.hear(sent[0].0, &[]), "ok");
        }
        assert_eq!(world.host.calls(), 0);
    }
}

#[test]
fn a_one_way_operation_is_accepted_before_it_has_run() {
    let mut world = world(&any());
    world.answers = false;
    assert_eq!(world.done("urn:t/Tell", BODY), ("ok".to_owned(), 202));
    assert_eq!(world.host.calls(), 1);
    world.finish();
    assert_eq!((world.service_sends(), world.host.calls()), (vec![], 0));
}

#[test]
fn a_reply_that_was_due_and_is_empty_is_none() {
    let mut world = world(&any());
    let (_, sent) = world.call(ECHO, BODY);
    let said = world.hear(sent[0].0, &[]);
    // Recorded: tcp-receive-timeout-5s.
    assert!(
        said.starts_with("THREW System.ServiceModel.CommunicationException: \"The server did not provide"),
        "{said}"
    );
    assert_eq!(world.state(), State::Opened);
}

// What security refuses.

/// As recorded: the unsecured fault takes the channel with it, though there is no session.
#[test]
fn an_unsecured_fault_faults_the_channel() {
    for (story, ahead) in [("oneshot-client-clock-plus-600s", true), ("oneshot-client-clock-minus-600s", false)] {
        for bootstrap in Bootstrap::ALL {
            let mut world = world(&Binding::ws_http(bootstrap));
            let mut wall = MIDNIGHT;
            wall.unix_ms_at_zero = if ahead { wall.unix_ms_at_zero - 600_000 } else { wall.unix_ms_at_zero + 600_000 };
            world.endpoint.layer_mut().service_mut().set_wall(wall);
            let (said, status) = world.done(ECHO, BODY);
            let theirs = recorded(story, "Echo");
            assert!(theirs.starts_with(&said), "we say {said}\n{story} says {theirs}");
            assert!(theirs.ends_with("state Faulted"));
            assert_eq!((status, world.state(), &world.refused[..]), (500, State::Faulted, &[][..]));
            // In the order of the story.
            assert_eq!(world.seen[1..], ["channel Faulted".to_owned(), said]);
            let refusal = &world.told[0];
            match ahead {
                true => assert!(matches!(refusal, Refusal::FromTheFuture { .. }), "{refusal}"),
                false => assert!(matches!(refusal, Refusal::Stale { .. } | Refusal::Expired { .. }), "{refusal}"),
            }
            let Some(ChannelError::UnsecuredFault(fault)) = world.client.error() else { panic!("a fault") };
            assert_eq!((fault.known, fault.secured), (Some(KnownFault::InvalidSecurity), false));
            let refused = world.client.call(world.now, OperationUse::new("Echo"), said_again()).expect_err("faulted").1;
            assert!(matches!(refused, CallRefused::State(_)));
            world.client.abort();
            assert_eq!(world.client_sends(), []);
            assert_eq!(world.seen.last().map(String::as_str), Some("channel Closed"));
        }
    }
}

fn said_again() -> Said {
    said(ECHO, BODY)
}

#[test]
fn an_action_that_security_does_not_know_is_refused_before_the_dispatcher_sees_it() {
    // Recorded: sc-wrong-action, whose text it is.
    let mut world = world(&any());
    let (_, sent) = world.call("urn:t/Unknown", BODY);
    let answers = world.serve(sent[0].0, &sent[0].2);
    assert!(holds(&answers[0].2, "because the action 'urn:t/Unknown' is invalid or unrecognized."));
    assert_eq!((answers[0].1, &world.told[..]), (500, &[Refusal::UnknownAction][..]));
    world.hear(sent[0].0, &answers[0].2);
    assert_eq!(world.state(), State::Faulted);
    assert!(world.ran.is_empty() && world.refused.is_empty());
}

#[test]
fn the_calls_under_way_end_with_the_channel_and_those_that_wait_are_not_sent() {
    let mut world = world(&any());
    let (_, first) = world.call("urn:t/Unknown", BODY);
    let (second, _) = world.call(ECHO, BODY);
    let waits = world.client.call(world.now, OperationUse::new("Echo"), said_again());
    let waits = waits.map_err(|(_, refused)| refused).expect("it is legal");
    // What waits is handed over when the channel is asked, and not sent yet.
    let answers = world.serve(first[0].0, &first[0].2);
    let _ = world.hear(first[0].0, &answers[0].2);
    assert_eq!(world.client_sends(), []);
    for call in [second, waits] {
        let ended = world.events.iter().find_map(|event| match event {
            ChannelEvent::CallDone(of, Err(error)) if *of == call => Some(error),
            _ => None,
        });
        assert!(matches!(ended, Some(ChannelError::UnsecuredFault(_))), "{ended:?}");
    }
    assert_eq!(world.client.calls(), 0);
}

#[test]
fn a_close_under_way_is_not_disturbed_by_an_unsecured_fault() {
    let mut world = world(&any());
    let (_, sent) = world.call("urn:t/Unknown", BODY);
    world.client.close(world.now).expect("it is open");
    assert_eq!((world.client_sends(), world.state()), (vec![], State::Closing));
    let answers = world.serve(sent[0].0, &sent[0].2);
    let said = world.hear(sent[0].0, &answers[0].2);
    assert!(said.starts_with("THREW System.ServiceModel.Security.MessageSecurityException"), "{said}");
    assert_eq!(world.client_sends(), []);
    assert_eq!(world.state(), State::Closed);
    assert_eq!(world.events.last(), Some(&ChannelEvent::CloseDone(Ok(()))));
}

#[test]
fn a_copy_and_a_forgery_run_nothing() {
    for bootstrap in Bootstrap::ALL {
        let mut world = world(&Binding::ws_http(bootstrap));
        let (_, sent) = world.call(ECHO, BODY);
        let (exchange, _, request) = &sent[0];
        assert_eq!(world.serve(*exchange, request)[0].1, 200);
        // The transport keeps copies and forgeries of what it protects away itself.
        if !bootstrap.over_transport() {
            assert_eq!(world.serve(Exchange(100), request)[0].1, 500);
            assert_eq!(world.told, [Refusal::Replay]);
            let forged = String::from_utf8(request.clone()).expect("UTF-8").replace(ECHO, "urn:t/Fail");
            assert_eq!(world.serve(Exchange(101), forged.as_bytes())[0].1, 500);
        }
        assert_eq!((&world.ran[..], world.host.calls()), (&[ECHO.to_owned()][..], 0));
    }
}

#[test]
fn a_reply_that_is_refused_is_only_the_calls() {
    for bootstrap in Bootstrap::ALL {
        let mut world = world(&Binding::ws_http(bootstrap));
        let (_, sent) = world.call(ECHO, BODY);
        let answers = world.serve(sent[0].0, &sent[0].2);
        let mut reply = answers[0].2.clone();
        let at = reply.windows(14).position(|window| window == b"Z</u:Created><").expect("a timestamp");
        reply[at - 1] ^= 1;
        let said = world.hear(sent[0].0, &reply);
        if !bootstrap.over_transport() {
            assert!(said.starts_with("THREW System.ServiceModel.Security.MessageSecurityException"), "{said}");
        }
        assert_eq!(world.state(), State::Opened);
        assert_eq!(world.done(ECHO, BODY).1, 200);
    }
}

#[test]
fn the_reply_to_another_call_is_not_its_own() {
    for bootstrap in Bootstrap::ALL {
        let mut world = world(&Binding::ws_http(bootstrap));
        let (_, first) = world.call(ECHO, BODY);
        let (_, second) = world.call(ECHO, "<other/>");
        let answers = world.serve(first[0].0, &first[0].2);
        let said = world.hear(second[0].0, &answers[0].2);
        assert!(said.starts_with("THREW "), "{said}");
        assert_eq!(world.hear(first[0].0, &answers[0].2), format!("reply {BODY}"));
        assert_eq!(world.state(), State::Opened);
    }
}

#[test]
fn what_is_no_soap_is_a_bad_request() {
    let mut world = world(&any());
    for garbage in [&b""[..], b"<a/>", b"hello"] {
        let answers = world.serve(Exchange(7), garbage);
        assert_eq!(answers, [(Exchange(7), 400, Vec::new())], "{}", String::from_utf8_lossy(garbage));
    }
    assert_eq!(world.told.len(), 3);
    assert_eq!(world.done(ECHO, BODY).1, 200);
}

// Without WS-Addressing.

/// What Microsoft's documentation tells of a client that writes WS-Addressing to a service of BasicHttpBinding.
#[test]
fn an_action_header_is_not_understood_where_there_is_no_addressing() {
    for bootstrap in [Bootstrap::UserNameOverTransport, Bootstrap::CertificateOverTransport] {
        let mut world = world(&Binding::basic_http(bootstrap));
        let (_, sent) = world.call(ECHO, BODY);
        world.soap_action = ECHO.to_owned();
        let text = String::from_utf8(sent[0].2.clone()).expect("UTF-8");
        let wsa = "http://www.w3.org/2005/08/addressing";
        let header = |marked: &str| {
            text.replace(
                "</s:Header>",
                &format!("<a:Action{marked} xmlns:a=\"{wsa}\">urn:t/Fail</a:Action></s:Header>"),
            )
        };
        let answers = world.serve(sent[0].0, header(" s:mustUnderstand=\"1\"").as_bytes());
        assert_eq!((answers[0].1, &world.refused[..]), (500, &[DispatchFault::MustUnderstand][..]));
        assert!(holds(&answers[0].2, &format!("The header 'Action' from the namespace '{wsa}' was not understood")));
        assert!(world.ran.is_empty());
        let answers = world.serve(sent[0].0, header("").as_bytes());
        assert_eq!((answers[0].1, &world.ran[..]), (200, &[ECHO.to_owned()][..]), "it says nothing");
    }
}

/// A limit of this binding, in WCF as here: no signature covers SOAPAction.
#[test]
fn the_operation_is_chosen_by_soapaction_alone() {
    let mut world = world(&Binding::basic_http(Bootstrap::MutualCertificate10));
    let (_, sent) = world.call(ECHO, BODY);
    world.soap_action = "urn:t/Declared".to_owned();
    let answers = world.serve(sent[0].0, &sent[0].2);
    assert_eq!((answers[0].1, &world.ran[..]), (500, &["urn:t/Declared".to_owned()][..]));
}

// Room.

#[test]
fn so_many_exchanges_wait_and_no_more() {
    let mut world = world(&any());
    world.answers = false;
    let mut requests = Vec::new();
    for _ in 0..4 {
        let (_, sent) = world.call(ECHO, BODY);
        assert_eq!(world.serve(sent[0].0, &sent[0].2), []);
        requests.extend(sent);
    }
    let refused =
        world.client.call(world.now, OperationUse::new("Echo"), said_again()).expect_err("there is no room").1;
    assert_eq!(refused, CallRefused::TooManyCalls { limit: 4 });
    // Somebody else's, who knows no limit.
    let mut other = EndpointWorld::new(client(&any(), Timeouts::default()), layer(&any()), OPERATIONS);
    let (_, sent) = other.call(ECHO, "<other/>");
    let mut message = sent[0].2.clone();
    let before = world.endpoint.clone();
    let heard = world.endpoint.receive(world.now, Exchange(9), &world.paper, &mut message);
    assert_eq!(heard, Err(Misuse::TooManyCalls { limit: 4 }));
    assert_eq!((&world.endpoint, &message), (&before, &sent[0].2), "not even read");
    world.finish();
    let answers = world.service_sends();
    assert_eq!(answers.len(), 4);
    for ((exchange, status, answer), (of, _, _)) in answers.iter().zip(&requests) {
        assert_eq!((exchange, *status), (of, 200));
        assert_eq!(world.hear(*exchange, answer), format!("reply {BODY}"));
    }
    // And now there is room for it: it was not seen before.
    assert_eq!(world.serve(Exchange(9), &sent[0].2), []);
    assert_eq!(world.told, []);
}

#[test]
fn too_little_room_changes_nothing() {
    for bootstrap in Bootstrap::ALL {
        let binding = Binding::ws_http(bootstrap);
        let mut world = world(&binding);
        world.client.open(world.now).expect("it was just made");
        assert_eq!(world.client_sends(), []);
        world.client.call(world.now, OperationUse::new("Echo"), said_again()).map_err(|_| ()).expect("it is legal");
        // It is handed over, and that is a change.
        let ChannelAction::Grow(first) = world.client.poll(world.now, &world.paper, &mut []) else { panic!("no room") };
        let before = world.client.clone();
        for room in [1, 9, 100, first.needed - 1] {
            let mut out = vec![0; room];
            let grow = match world.client.poll(world.now, &world.paper, &mut out) {
                ChannelAction::Grow(grow) => grow,
                other => panic!("{other:?}"),
            };
            assert_eq!((grow.needed, grow.have), (first.needed, room));
            assert_eq!(world.client, before);
        }
        let mut out = vec![0; first.needed];
        let ChannelAction::Transmit { exchange: Some(exchange), action, message } =
            world.client.poll(world.now, &world.paper, &mut out)
        else {
            panic!("it has room")
        };
        assert_eq!(action, ECHO.as_bytes());
        let mut message = message.to_vec();
        world.endpoint.receive(world.now, exchange, &world.paper, &mut message).expect("room");
        let layer = world.endpoint.layer_mut();
        let kept = layer.accept().and_then(|owner| layer.take(Instant::default(), owner)).expect("a message");
        layer.reply(Instant::default(), kept, Said { two_way: false, ..said_again() }).expect("it waits");
        let before = world.endpoint.clone();
        let Ok(LayerAction::Grow(grow)) = world.endpoint.poll(world.now, &world.paper, &mut [0; 20]) else {
            panic!("no room")
        };
        assert_eq!(world.endpoint, before);
        let mut out = vec![0; grow.needed];
        let answer = world.endpoint.poll(world.now, &world.paper, &mut out);
        assert!(matches!(answer, Ok(LayerAction::Answer { status: 200, .. })), "{answer:?}");
    }
}

#[test]
fn what_cannot_be_sealed_ends_its_call_alone() {
    for bootstrap in Bootstrap::ALL {
        let mut world = world(&Binding::ws_http(bootstrap));
        let (_, sent) = world.call(ECHO, "<not<xml");
        if bootstrap.over_transport() {
            // It is neither signed nor encrypted, and not looked at.
            continue;
        }
        assert_eq!(sent, []);
        let ended = world.events.iter().rev().find(|event| matches!(event, ChannelEvent::CallDone(..)));
        assert!(matches!(ended, Some(ChannelEvent::CallDone(_, Err(ChannelError::Unsendable)))), "{ended:?}");
        assert_eq!((world.state(), world.client.calls()), (State::Opened, 0));
        assert_eq!(world.done(ECHO, BODY).1, 200);
        // And the same of a reply.
        let (_, sent) = world.call(ECHO, BODY);
        let mut message = sent[0].2.clone();
        world.endpoint.receive(world.now, sent[0].0, &world.paper, &mut message).expect("room");
        let layer = world.endpoint.layer_mut();
        let kept = layer.take(Instant::default(), Owner::Datagram).expect("a message");
        layer.reply(Instant::default(), kept, said(ECHO, "<not<xml")).expect("it waits");
        world.service_tries().expect_err("it is not well-formed");
        assert_eq!(world.service_sends(), [(sent[0].0, 0, Vec::new())], "the exchange is dropped");
    }
}

#[test]
fn a_service_without_its_certificate_cannot_sign_an_answer() {
    let binding = Binding { bootstrap: Bootstrap::MutualCertificate10, ..Binding::default() };
    let mut world = world(&binding);
    let (_, sent) = world.call(ECHO, BODY);
    let mut message = sent[0].2.clone();
    world.endpoint.receive(world.now, sent[0].0, &world.paper, &mut message).expect("room");
    let layer = world.endpoint.layer_mut();
    let kept = layer.accept().and_then(|owner| layer.take(Instant::default(), owner)).expect("a message");
    layer.reply(Instant::default(), kept, said_again()).expect("it waits");
    let mut out = vec![0; 32_768];
    world.endpoint.poll(world.now, &NoCredentials, &mut out).expect_err("there is no certificate");
    assert_eq!(world.service_sends(), [(sent[0].0, 0, Vec::new())]);
}

// What gets lost, and what takes too long.

#[test]
fn a_lost_exchange_is_only_the_calls() {
    let mut world = world(&any());
    let (_, sent) = world.call(ECHO, BODY);
    world.client.exchange_failed(world.now, sent[0].0);
    assert_eq!(world.client_sends(), []);
    let said = world.seen.last().expect("an outcome").replace("localhost/calc", "127.0.0.1:37502/probe");
    assert_eq!(said, recorded("sc-lost-request", "AddTo").split(" <- ").next().expect("a text"));
    assert_eq!((world.state(), world.client.error(), world.client.calls()), (State::Opened, None, 0));
    // Nobody waits for it any more.
    world.client.exchange_failed(world.now, sent[0].0);
    let answers = world.serve(sent[0].0, &sent[0].2);
    assert_eq!(world.hear(sent[0].0, &answers[0].2), "");
    assert_eq!(world.done(ECHO, BODY).1, 200);
}

#[test]
fn a_request_whose_client_has_gone_runs_all_the_same() {
    let mut world = world(&any());
    world.answers = false;
    let (_, sent) = world.call(ECHO, BODY);
    assert_eq!(world.serve(sent[0].0, &sent[0].2), []);
    world.endpoint.exchange_failed(sent[0].0);
    world.finish();
    assert_eq!((world.service_sends(), &world.ran[..], world.host.calls()), (vec![], &[ECHO.to_owned()][..], 0));
}

#[test]
fn a_call_that_takes_too_long_has_timed_out_and_the_channel_stays_open() {
    let timeouts = Timeouts { send: Some(Duration::from_secs(3)), ..Timeouts::default() };
    let mut world = World::new(client(&any(), timeouts), layer(&any()), OPERATIONS);
    world.answers = false;
    let (_, sent) = world.call(ECHO, BODY);
    assert_eq!(world.serve(sent[0].0, &sent[0].2), []);
    let due = Deadline::At(world.now.after(Duration::from_secs(3)));
    assert!(world.client.timers().any(|timer| timer.due == due));
    world.pass(Duration::from_secs(3));
    assert_eq!(world.client_sends(), []);
    let said = world.seen.last().expect("an outcome").clone();
    assert!(said.starts_with("THREW System.TimeoutException"), "{said}");
    assert_eq!((world.state(), world.client.error()), (State::Opened, None));
    world.finish();
    let answers = world.service_sends();
    assert_eq!(world.hear(sent[0].0, &answers[0].2), "", "the late reply is dropped");
    world.answers = true;
    assert_eq!(world.done(ECHO, BODY).1, 200);
}

#[test]
fn a_close_waits_for_the_calls_under_way() {
    let mut world = world(&any());
    let (_, sent) = world.call(ECHO, BODY);
    world.client.close(world.now).expect("it is open");
    assert_eq!((world.client_sends(), world.state()), (vec![], State::Closing));
    let answers = world.serve(sent[0].0, &sent[0].2);
    assert_eq!(world.hear(sent[0].0, &answers[0].2), format!("reply {BODY}"));
    assert_eq!((world.client_sends(), world.state()), (vec![], State::Closed));
}

#[test]
fn calls_that_were_given_up_take_no_room() {
    let timeouts = Timeouts { send: Some(Duration::from_secs(3)), ..Timeouts::default() };
    let mut world = World::new(client(&any(), timeouts), layer(&any()), OPERATIONS);
    for round in 0..18 {
        let (_, sent) = world.call(ECHO, BODY);
        match round % 3 {
            0 => world.client.exchange_failed(world.now, sent[0].0),
            1 => world.pass(Duration::from_secs(3)),
            _ => drop(world.hear(sent[0].0, &[])),
        }
        assert_eq!((world.client_sends(), world.client.calls()), (vec![], 0));
    }
    assert_eq!(world.done(ECHO, BODY), (format!("reply {BODY}"), 200));
    // A client that goes away leaves nothing behind at the service either.
    world.answers = false;
    for _ in 0..9 {
        let (_, sent) = world.call(ECHO, BODY);
        assert_eq!(world.serve(sent[0].0, &sent[0].2), []);
        world.endpoint.exchange_failed(sent[0].0);
        world.client.exchange_failed(world.now, sent[0].0);
        world.finish();
    }
    assert_eq!((world.service_sends(), world.host.calls()), (vec![], 0));
}
