//! Whose a message is: messages of our machines, and the recorded ones.

use super::{envelope, router};
use soap_session_core::chance::{Chance, Uuid};
use soap_session_core::door::{Census, Opens, Route, Why};
use soap_session_core::reliable::{Identifier, ReliableSettings, RmVersion, Shape};
use soap_session_core::secure::{AcceptorSettings, Binding, Bootstrap, InitiatorSettings};
use soap_session_core::time::Duration;
use soap_session_tests::dom::Node;
use soap_session_tests::pair::{Note, Pair};
use soap_session_tests::session_pair::{Letter, SessionPair};
use soap_session_tests::{Direction, FAMILIES, Recording, directories};

const OURS: u16 = 2;

fn bindings() -> [Option<Binding>; 3] {
    [
        None,
        Some(Binding::ws_http(Bootstrap::UserNameForCertificate)),
        Some(Binding::ws2007_http(Bootstrap::AnonymousForCertificate)),
    ]
}

fn kind(route: &Route) -> &'static str {
    match route {
        Route::Shard { shard: OURS, opens: None } => "ours",
        Route::Shard { shard: OURS, opens: Some(Opens::Sequence) } => "ours, a sequence",
        Route::New(opening) if opening.opens == Opens::Token => "token",
        Route::New(opening) if opening.opens == Opens::Sequence => "sequence",
        Route::Unknown(stranger) if stranger.why == Why::NamedByClient => "client's",
        _ => "lost",
    }
}

#[test]
fn every_message_of_a_reliable_session_comes_to_the_shard_that_has_it() {
    let router = router(4);
    let mut by_name = 0;
    for shape in [Shape::OneWay, Shape::RequestReply, Shape::Duplex] {
        for version in RmVersion::ALL {
            for binding in &bindings() {
                let settings = ReliableSettings { version, ..ReliableSettings::default() };
                let mut pair = SessionPair::new(shape, &settings, binding.as_ref(), 9);
                pair.service.set_shard(router.mark(OURS).expect("a shard"));
                pair.open();
                for n in 0..5 {
                    let body = format!("<n xmlns=\"urn:n\">{n}</n>");
                    let letter = match shape {
                        Shape::OneWay => Letter::one_way("urn:n/Say", &body),
                        Shape::RequestReply | Shape::Duplex => Letter::request("urn:n/Ask", &body),
                    };
                    pair.send(letter).expect("an open session");
                    pair.run();
                    pair.now = pair.now.after(Duration::from_secs(1));
                    pair.run();
                }
                if binding.is_some() {
                    // Long enough for the key to be renewed: a RST/SCT/Renew names its token, too.
                    assert_eq!(Census::from(&pair.service).tokens, 1);
                }
                assert_eq!(Census::from(&pair.service).sequences, 1);
                assert!(pair.close() && pair.closed_well(), "{}", pair.story());
                assert_eq!(Census::from(&pair.service), Census::default());
                let said: Vec<_> = pair.wire.iter().filter(|(client, bytes)| *client && !bytes.is_empty()).collect();
                let routes: Vec<_> = said.iter().map(|(_, bytes)| router.route(bytes)).collect();
                let kinds: Vec<_> = routes.iter().map(kind).collect();
                let opens: &[&str] = if binding.is_some() { &["token", "ours, a sequence"] } else { &["sequence"] };
                assert_eq!(&kinds[..opens.len()], opens, "{shape:?} {version:?}");
                for ((route, kind), (_, bytes)) in routes.iter().zip(&kinds).zip(&said).skip(opens.len()) {
                    let text = String::from_utf8_lossy(bytes);
                    match *kind {
                        "ours" => {}
                        // An acknowledgement and nothing else, without security: only the client's name is in it.
                        "client's" if binding.is_none() && shape != Shape::OneWay => {
                            by_name += 1;
                            let (Route::New(opening), Route::Unknown(stranger)) = (&routes[0], route) else {
                                panic!("{route:?}")
                            };
                            assert_eq!(opening.home(), stranger.home(), "{text}");
                        }
                        _ => panic!("{shape:?} {version:?}: {route:?} for {text}"),
                    }
                }
            }
        }
    }
    assert!(by_name > 0, "no message was named by the client alone");
}

#[test]
fn a_renewal_and_a_cancellation_come_to_the_shard_of_their_token() {
    let router = router(4);
    for binding in bindings().into_iter().flatten() {
        let mut pair = Pair::new(&binding, InitiatorSettings::default(), AcceptorSettings::default(), 4);
        pair.service.set_shard(router.mark(OURS).expect("a shard"));
        pair.client.open().expect("not opened yet");
        let mut seen = Vec::new();
        // The messages are taken from copies of the client before it sends them in earnest.
        let mut look = |pair: &Pair| {
            let mut client = pair.client.clone();
            let mut out = vec![0; 65_536];
            if let Ok(soap_session_core::secure::InitiatorAction::Transmit { message, .. }) =
                client.poll(pair.now, &pair.paper, &mut out)
            {
                seen.push((String::from_utf8_lossy(message).into_owned(), router.route(message)));
            }
        };
        look(&pair);
        pair.run();
        for hours in [0, 11] {
            pair.wait(Duration::from_secs(hours * 3600));
            pair.client.call(Note::request("urn:calc/Add", "<n/>")).expect("an open session");
            look(&pair);
            pair.run();
        }
        pair.client.close().expect("an open session");
        look(&pair);
        pair.run();
        assert_eq!(Census::from(&pair.service), Census::default());
        for (action, wanted) in
            seen.iter().zip(["token", "ours", "ours", "ours"]).map(|((text, route), wanted)| (text, (route, wanted)))
        {
            assert_eq!(kind(wanted.0), wanted.1, "{action}");
        }
        let actions: Vec<bool> = ["/RST/SCT<", "urn:calc/Add<", "/RST/SCT/Renew<", "/RST/SCT/Cancel<"]
            .iter()
            .zip(&seen)
            .map(|(action, (text, _))| text.contains(action))
            .collect();
        assert_eq!(actions, [true; 4]);
    }
}

#[test]
fn identifiers_without_a_shard_are_as_before() {
    for binding in bindings() {
        let run = |shard: Option<u16>| {
            let mut pair = SessionPair::new(Shape::RequestReply, &ReliableSettings::default(), binding.as_ref(), 9);
            if let Some(shard) = shard {
                pair.service.set_shard(router(4).mark(shard).expect("a shard"));
            }
            pair.open();
            assert!(pair.close());
            pair.wire
        };
        let (without, with) = (run(None), run(Some(1)));
        // The same entropy is taken: only the last twelve digits of the service's identifiers differ.
        assert_eq!(without.len(), with.len());
        assert!(without != with);
        let lengths = |wire: &[(bool, Vec<u8>)]| wire.iter().map(|(_, bytes)| bytes.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&without), lengths(&with));
    }
}

/// The identifier that a message from a client names and the service has made, taken from its tree: that of the token; else
/// that of the sequence that the message belongs to, asks about, ends, or is a fault about.
fn named(root: &Node) -> Option<String> {
    let is_rm = |node: &Node| {
        node.namespace == "http://schemas.xmlsoap.org/ws/2005/02/rm"
            || node.namespace == "http://docs.oasis-open.org/ws-rx/wsrm/200702"
    };
    let identifier = |node: &Node| {
        let all = node.all();
        all.into_iter().find(|node| is_rm(node) && node.local == "Identifier").map(|node| node.text.trim().to_owned())
    };
    let header = root.child("Header")?;
    for child in header.child("Security").iter().flat_map(|security| &security.children) {
        let found = match child.local.as_str() {
            "SecurityContextToken" => child.child("Identifier").map(|node| node.text.trim().to_owned()),
            "DerivedKeyToken" => child
                .path(&["SecurityTokenReference", "Reference"])
                .and_then(|node| node.attribute("URI"))
                .filter(|uri| !uri.starts_with('#'))
                .map(str::to_owned),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    let belongs = header.children.iter().filter(|node| is_rm(node));
    let first =
        |names: &[&str]| belongs.clone().find(|node| names.contains(&node.local.as_str())).and_then(&identifier);
    first(&["Sequence", "AckRequested"]).or_else(|| first(&["SequenceFault"])).or_else(|| {
        let body = root.child("Body")?.children.first()?;
        let ends = is_rm(body) && ["CloseSequence", "TerminateSequence"].contains(&body.local.as_str());
        if ends || body.local == "Fault" { identifier(body) } else { None }
    })
}

#[test]
fn in_every_recorded_message_the_identifier_is_found() {
    let router = router(4);
    let mut chance = Chance::new(&[8; 32]);
    let [mut messages, mut found, mut opening, mut strange, mut sequences] = [0; 5];
    for family in FAMILIES {
        for name in directories(family).expect("the vectors") {
            let recording = Recording::open(&name).expect("a recording");
            for message in &recording.messages {
                // Whatever it is, it is survived.
                let route = router.route(message.received());
                assert!(!matches!(route, Route::Shard { .. }), "no shard of ours has made it");
                if message.direction != Direction::ClientToServer || message.bytes.is_empty() {
                    continue;
                }
                messages += 1;
                let root = Node::parse(&message.bytes);
                let action = root.path(&["Header", "Action"]).map_or("", |node| node.text.trim());
                let opens = if action.ends_with("/RST/SCT") {
                    Some(Opens::Token)
                } else if action.ends_with("/CreateSequence") {
                    Some(Opens::Sequence)
                } else {
                    None
                };
                let Some(identifier) = named(&root) else {
                    match (router.route(&message.bytes), opens) {
                        (Route::New(new), Some(opens)) => {
                            assert_eq!(new.opens, opens, "{name} {}", message.file);
                            opening += 1;
                        }
                        (Route::Unknown(_), None) => strange += 1,
                        other => panic!("{name} {}: {other:?}", message.file),
                    }
                    continue;
                };
                // As if one of our shards had made it: nothing is verified here.
                let shard = u16::try_from(found % 4).expect("four");
                let ours = Identifier::of(Uuid::marked(&mut chance, router.mark(shard).as_ref()));
                let text = String::from_utf8(message.bytes.clone()).expect("text");
                let text = text.replace(&identifier, std::str::from_utf8(ours.as_bytes()).expect("text"));
                let route = router.route(text.as_bytes());
                assert_eq!(route, Route::Shard { shard, opens }, "{name} {}: {identifier}", message.file);
                found += 1;
                sequences += usize::from(opens.is_some());
            }
        }
    }
    println!(
        "{messages} messages: {found} named, {opening} opening, {strange} neither, {sequences} sequences under a token"
    );
    assert!(messages > 1500 && found > 1000 && opening > 200 && strange > 20 && sequences > 10);
}

#[test]
fn heads_of_every_kind_are_survived() {
    let router = router(4);
    let route = |bytes: &[u8]| match router.route(bytes) {
        Route::Unknown(stranger) => stranger.why,
        other => panic!("{other:?}"),
    };
    assert!(matches!(route(b""), Why::NotXml(_)));
    assert!(matches!(route(b"\xFF\xFE"), Why::NotXml(_)));
    assert_eq!(route(b"<a/>"), Why::NotSoap);
    assert_eq!(route(&envelope("", "")), Why::NamesNothing);
    assert_eq!(route(b"<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'/>"), Why::NamesNothing);
    let sequence = |identifier: &str| format!("<r:Sequence><r:Identifier>{identifier}</r:Identifier></r:Sequence>");
    assert_eq!(route(&envelope(&sequence("urn:uuid:x"), "")), Why::ForeignSequence);
    assert_eq!(route(&envelope(&sequence(&"x".repeat(4000)), "")), Why::ForeignSequence);
    assert_eq!(route(&envelope(&sequence(&"&#x41;".repeat(1000)), "")), Why::ForeignSequence);
    assert_eq!(route(&envelope(&sequence(""), "")), Why::ForeignSequence);
    let sct = "<o:Security xmlns:o='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd'>\
               <c:SecurityContextToken xmlns:c='http://schemas.xmlsoap.org/ws/2005/02/sc'>\
               <c:Identifier>urn:x</c:Identifier></c:SecurityContextToken></o:Security>";
    assert_eq!(route(&envelope(sct, "")), Why::ForeignToken);
}

/// What verification passes over tells nothing of where a message belongs: else a copy of it could be led anywhere.
#[test]
fn a_token_for_another_role_leads_nowhere() {
    let router = router(4);
    let mark = router.mark(OURS).expect("a shard");
    let ours = Identifier::of(Uuid::marked(&mut Chance::new(&[1; 32]), Some(&mark)));
    let ours = std::str::from_utf8(ours.as_bytes()).expect("text");
    let token = |ns: &str, name: &str| {
        format!(
            "<c:SecurityContextToken xmlns:c='{ns}'><c:Identifier>{name}</c:Identifier></c:SecurityContextToken>\
             <c:DerivedKeyToken xmlns:c='{ns}'><o:SecurityTokenReference><o:Reference URI='{name}' \
             ValueType='http://schemas.xmlsoap.org/ws/2005/02/sc/sct'/></o:SecurityTokenReference></c:DerivedKeyToken>"
        )
    };
    let security = |role: &str, tokens: &str| {
        format!(
            "<o:Security xmlns:o='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd'{role}>\
             {tokens}</o:Security>"
        )
    };
    const SC: &str = "http://schemas.xmlsoap.org/ws/2005/02/sc";
    let real = token(SC, ours);
    let too_long = token(SC, &"x".repeat(200));
    let decoys = [
        security(" s:role='urn:other'", &token(SC, "urn:x")) + &security("", &real),
        security("", &(token("urn:none", "urn:x") + &real)),
        security("", &(too_long + &real)),
    ];
    for headers in decoys {
        assert_eq!(router.route(&envelope(&headers, "")), Route::Shard { shard: OURS, opens: None }, "{headers}");
    }
    // The role of a SOAP 1.1 header means nothing here, and an attribute without a namespace is not SOAP's.
    for role in [" xmlns:t='http://schemas.xmlsoap.org/soap/envelope/' t:actor='urn:other'", " role='urn:other'"] {
        let headers = security(role, &token(SC, "urn:x")) + &security("", &real);
        let Route::Unknown(stranger) = router.route(&envelope(&headers, "")) else { panic!("{role}") };
        assert_eq!(stranger.why, Why::ForeignToken);
    }
}

#[test]
fn an_identifier_may_be_written_as_xml_allows() {
    let router = router(4);
    let mark = router.mark(OURS).expect("a shard");
    let ours = Identifier::of(Uuid::marked(&mut Chance::new(&[1; 32]), Some(&mark)));
    let plain = std::str::from_utf8(ours.as_bytes()).expect("text");
    let escaped: String = plain.bytes().map(|byte| format!("&#{byte};")).collect::<Vec<_>>().concat();
    for written in [plain.to_owned(), format!("\n  {plain} "), format!("<![CDATA[{plain}]]>"), escaped] {
        let header = format!("<r:AckRequested><r:Identifier>{written}</r:Identifier></r:AckRequested>");
        let route = router.route(&envelope(&header, ""));
        assert_eq!(route, Route::Shard { shard: OURS, opens: None }, "{written}");
    }
    assert_eq!(router.shard_of(plain.as_bytes()), Some(OURS));
    // A key of three shards fewer knows no such shard.
    assert_eq!(super::router(2).shard_of(plain.as_bytes()), None);
}

#[test]
fn no_more_than_the_head_is_read() {
    let router = router(4);
    let mark = router.mark(OURS).expect("a shard");
    let ours = Identifier::of(Uuid::marked(&mut Chance::new(&[1; 32]), Some(&mark)));
    let sequence =
        format!("<r:Sequence><r:Identifier>{}</r:Identifier></r:Sequence>", String::from_utf8_lossy(ours.as_bytes()));
    // Behind 65 536 bytes nothing is looked at, wherever that cuts a character.
    for pad in [65_533, 65_534, 65_535, 65_536] {
        let body = "é".repeat(40_000);
        let mut long = envelope(&sequence, &format!("<x>{}{body}", "x".repeat(pad % 4)));
        assert_eq!(router.route(&long), Route::Shard { shard: OURS, opens: None });
        long.extend_from_slice(b"\xFF");
        assert_eq!(router.route(&long), Route::Shard { shard: OURS, opens: None });
    }
    let late = envelope(&format!("<x>{}</x>{sequence}", "x".repeat(70_000)), "");
    assert!(matches!(router.route(&late), Route::Unknown(_)));
}
