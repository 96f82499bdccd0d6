//! The recorded stories of reliable messaging can be taken apart, and say in their envelopes what their tables tell.

use soap_session_core::reliable::RmVersion;
use soap_session_tests::rm_story::{
    Body, ClientEnd, Connection, Content, Envelope, ExchangeEnd, Line, Protection, Proxy, RmStory, Shape, Start, State,
    Transport, UNTIMED, rm_stories,
};
use soap_session_tests::{Direction, Recording, directories};
use std::collections::{BTreeMap, BTreeSet};

fn stories() -> Vec<RmStory> {
    rm_stories().unwrap().iter().map(|name| RmStory::open(name)).collect()
}

/// An envelope in the words of `times.tsv`.
fn told(envelope: &Envelope) -> String {
    let short = [
        ("http://schemas.xmlsoap.org/ws/2005/02/", "wsx0502:"),
        ("http://docs.oasis-open.org/ws-rx/wsrm/200702", "wsrm11:"),
    ];
    let mut words =
        vec![short.iter().fold(envelope.action.clone(), |action, (long, short)| action.replace(long, short))];
    if let Some(sequence) = &envelope.sequence {
        words.push(format!("msg={}", sequence.number));
        words.extend(sequence.last.then(|| "LastMessage".to_owned()));
    }
    if let Body::CloseSequence(end) | Body::TerminateSequence(end) = &envelope.body {
        words.extend(end.last.map(|last| format!("LastMsgNumber={last}")));
    }
    words.extend(envelope.ack_requested.is_some().then(|| "AckRequested".to_owned()));
    for ack in &envelope.acknowledgements {
        let ranges: Vec<String> = ack.ranges.iter().map(|(lower, upper)| format!("{lower}-{upper}")).collect();
        let marks = [(ack.last, "+Final"), (ack.none, "+None")];
        let marks: String = marks.iter().filter(|(there, _)| *there).map(|(_, mark)| *mark).collect();
        words.push(format!("ack[{}]{marks}", ranges.join(",")));
        words.extend(ack.buffer.map(|buffer| format!("buf={buffer}")));
    }
    words.join(" ")
}

#[test]
fn what_the_tables_tell_is_in_the_envelopes() {
    let mut wrong = Vec::new();
    let (mut envelopes, mut faults, mut others) = (0, 0, 0);
    for story in stories() {
        for event in story.events.iter().filter(|event| !event.told.is_empty()) {
            let place = format!("{} {:02}", story.name, event.number);
            let Some(envelope) = event.envelope() else {
                // An empty answer, or a frame.
                assert!(event.told == "(empty)" || event.start == Start::Frame, "{place}: {}", event.told);
                others += 1;
                continue;
            };
            envelopes += 1;
            // Of a frame, its size comes first.
            let table = match event.told.strip_prefix("SizedEnvelope ") {
                Some(rest) => rest.splitn(3, ' ').nth(2).unwrap_or_default(),
                None => &event.told,
            };
            let (table, fault) = table.split_once(" FAULT ").map_or((table, None), |(rest, fault)| (rest, Some(fault)));
            if told(envelope) != table {
                wrong.push(format!("{place}: {} instead of {table}", told(envelope)));
            }
            if let Some(fault) = fault {
                faults += 1;
                let said = envelope.fault().unwrap_or_else(|| panic!("{place}: no fault"));
                let codes: Vec<&str> = said.codes.iter().map(|code| code.text.as_str()).collect();
                let reason = said.reason.split_whitespace().collect::<Vec<_>>().join(" ");
                let words = format!("{} '{reason}'", codes.join("/"));
                if fault.replace("&lt;", "<").replace("&gt;", ">") != words {
                    wrong.push(format!("{place}: {words} instead of {fault}"));
                }
                assert!(said.codes.iter().all(|code| !code.namespace.is_empty()), "{place}: {said:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!((envelopes, faults, others), (2208, 73, 356));
}

#[test]
fn every_exchange_is_paired() {
    let mut ends = BTreeMap::<&str, u32>::new();
    for story in stories() {
        let mut answers = BTreeSet::new();
        for exchange in &story.exchanges {
            let place = format!("{} {:02}", story.name, exchange.request);
            let request = story.event(exchange.request).unwrap();
            if let Some(answer) = exchange.answer {
                assert!(answers.insert(answer), "{place}: {answer:02} answers twice");
                assert!(story.event(answer).unwrap().ms >= request.ms, "{place}");
            }
            let kind = match exchange.end {
                ExchangeEnd::Answered(at) => {
                    assert!(at >= request.ms && exchange.answer.is_some(), "{place}");
                    "answered"
                }
                ExchangeEnd::Closed(_) => "closed",
                ExchangeEnd::Refused(..) => "refused",
                ExchangeEnd::Hung => "hung",
                ExchangeEnd::Unanswered => "unanswered",
            };
            *ends.entry(kind).or_default() += 1;
        }
        let statuses = story.events.iter().filter(|event| matches!(event.start, Start::Status(_)));
        assert_eq!(statuses.count(), answers.len(), "{}: an answer to nothing", story.name);
    }
    let expected = [("answered", 1024), ("closed", 90), ("hung", 56), ("refused", 2)];
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn every_message_belongs_to_a_session() {
    for story in stories() {
        let name = &story.name;
        let mut owned: Vec<u32> = story.sessions.iter().flat_map(|session| session.events.clone()).collect();
        owned.sort_unstable();
        let messages: Vec<u32> = story
            .events
            .iter()
            .filter(|event| !matches!(event.content, Content::Frame(_)))
            .map(|event| event.number)
            .collect();
        assert_eq!(owned, messages, "{name}");
        let accepted = story.moments.iter().filter_map(|moment| match &moment.line {
            // A service that sees no session does not tell its name.
            Line::Accepted { session, .. } if session != "(null)" => Some(session.as_str()),
            _ => None,
        });
        for accepted in accepted {
            assert!(story.sessions.iter().any(|s| s.granted.as_deref() == Some(accepted)), "{name}: {accepted}");
        }
        if !story.moments.is_empty() {
            let clients = story.calls().filter(|(_, call)| call.operation == "make").count();
            assert_eq!(story.sessions.len(), clients, "{name}");
        }
        for session in &story.sessions {
            for envelope in session.events.iter().filter_map(|n| story.event(*n)?.reliable()) {
                if let Some(version) = envelope.version {
                    let known = [story.client.version, story.server.version];
                    assert!(known.contains(&version), "{name}: {}", envelope.action);
                }
            }
        }
    }
}

/// One row: story, shape, version, protection, envelopes and sequenced messages of either side, sessions, how it ended.
fn row(story: &RmStory) -> String {
    let messages = |way: Direction| {
        let of: Vec<&Envelope> = story
            .events
            .iter()
            .filter(|event| event.way == way && event.is_genuine())
            .filter_map(|e| e.envelope())
            .collect();
        let numbers: BTreeSet<(&str, u64)> =
            of.iter().filter_map(|e| e.sequence.as_ref()).map(|s| (s.id.as_str(), s.number)).collect();
        format!("{}/{}", of.len(), numbers.len())
    };
    let clients: Vec<String> = story.client_ends().iter().map(|(client, end)| format!("{client} {end:?}")).collect();
    let names = |states: &[State]| states.iter().map(|state| format!("{state:?}")).collect::<Vec<_>>().join(" ");
    let servers: Vec<String> = story.server_states().iter().map(|states| names(states)).collect();
    format!(
        "| {} | {:?} | {} | {} | {} | {} | {} | {} | {} |",
        story.name,
        story.shape(),
        if story.client.version == RmVersion::V11 { "1.1" } else { "1.0" },
        if story.client.protection == Protection::None { "" } else { "secured" },
        messages(Direction::ClientToServer),
        messages(Direction::ServerToClient),
        story.sessions.len(),
        clients.join("; "),
        servers.join("; "),
    )
}

#[test]
fn the_stories_are_counted() {
    let stories = stories();
    println!(
        "| story | shape | RM | | client: envelopes/numbers | server: envelopes/numbers | sessions | client | server |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut shapes = BTreeMap::<(Shape, bool), u32>::new();
    let mut ends = BTreeMap::<ClientEnd, u32>::new();
    for story in &stories {
        println!("{}", row(story));
        let secured = story.client.protection != Protection::None;
        *shapes.entry((story.shape(), secured)).or_default() += 1;
        for end in story.client_ends().into_values() {
            *ends.entry(end).or_default() += 1;
        }
        assert_eq!(story.shape() == Shape::Tcp, story.events.iter().any(|event| event.start == Start::Frame));
        assert_eq!(story.client.transport, story.server.transport);
        let calls_back = story.events.iter().any(|event| matches!(event.connection, Connection::Callback(_)));
        let timed = UNTIMED.iter().all(|(name, _)| *name != story.name);
        assert_eq!(calls_back, story.client.transport == Transport::DuplexHttp && timed, "{}", story.name);
        assert_eq!(story.moments.is_empty(), !timed);
        for event in &story.events {
            assert!(event.delivered.is_none_or(|at| at >= event.ms));
            if event.proxy == Proxy::Delay {
                assert!(event.delivered > Some(event.ms + 2900), "{} {:02}", story.name, event.number);
            }
        }
    }
    let expected = [
        ((Shape::RequestReply, false), 112),
        ((Shape::RequestReply, true), 25),
        ((Shape::DuplexHttp, false), 3),
        ((Shape::DuplexHttp, true), 1),
        ((Shape::Tcp, false), 23),
        ((Shape::Tcp, true), 1),
    ];
    let expected_ends =
        [(ClientEnd::Closed, 109), (ClientEnd::Aborted, 8), (ClientEnd::CloseFailed, 4), (ClientEnd::Faulted, 49)];
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), expected_ends);
    assert_eq!(shapes.into_iter().collect::<Vec<_>>(), expected);
}

/// gSOAP's envelopes can be read the same way; its header and prefixes are others.
#[test]
fn reliable_envelopes_of_another_peer_are_read() {
    let mut kinds = BTreeMap::<String, u32>::new();
    for name in directories("gsoap").unwrap().into_iter().filter(|name| name.contains("/gsoap-rm")) {
        for message in Recording::open(&name).unwrap().messages.iter().filter(|message| !message.bytes.is_empty()) {
            let envelope = Envelope::read(&message.bytes);
            let version = if name.contains("rm11") { RmVersion::V11 } else { RmVersion::February2005 };
            assert_eq!(envelope.version, Some(version), "{name}/{}", message.file);
            *kinds.entry(envelope.verb().to_owned()).or_default() += 1;
        }
    }
    let expected = [
        ("CloseSequence", 5),
        ("CloseSequenceResponse", 5),
        ("CreateSequence", 11),
        ("CreateSequenceResponse", 11),
        ("LastMessage", 6),
        ("TerminateSequence", 17),
        ("TerminateSequenceResponse", 5),
        ("echo", 53),
        ("echoResponse", 41),
    ];
    assert_eq!(kinds, expected.map(|(verb, count)| (verb.to_owned(), count)).into());
}

/// The order of the headers of reliable messaging. They come before `Action`; answers over HTTP put `Sequence` before the
/// acknowledgement, everything else behind it.
#[test]
fn headers_have_one_order_for_each_pattern() {
    let rm = ["Sequence", "SequenceAcknowledgement", "AckRequested", "UsesSequenceSTR", "Action"];
    let mut orders = BTreeMap::<(Shape, &str), BTreeSet<String>>::new();
    for story in stories() {
        for event in &story.events {
            let Some(envelope) = event.reliable() else { continue };
            let names = envelope.headers.iter().map(|header| header.local.as_str()).filter(|name| rm.contains(name));
            let names: Vec<&str> = names.collect();
            if names.len() > 2 {
                orders.entry((story.shape(), event.way.tag())).or_default().insert(names.join(" "));
            }
        }
    }
    const ACK_FIRST: &str = "SequenceAcknowledgement Sequence Action";
    const ASKS: &str = "AckRequested Sequence Action";
    const ALL: &str = "SequenceAcknowledgement AckRequested Sequence Action";
    let expected: [((Shape, &str), &[&str]); 6] = [
        ((Shape::RequestReply, "c2s"), &["SequenceAcknowledgement AckRequested Action", ACK_FIRST]),
        ((Shape::RequestReply, "s2c"), &["Sequence SequenceAcknowledgement Action"]),
        ((Shape::DuplexHttp, "c2s"), &[ASKS, ACK_FIRST]),
        ((Shape::DuplexHttp, "s2c"), &[ASKS, ALL, ACK_FIRST]),
        ((Shape::Tcp, "c2s"), &[ASKS, ACK_FIRST]),
        ((Shape::Tcp, "s2c"), &[ALL, ACK_FIRST]),
    ];
    let expected = expected.map(|(key, orders)| (key, orders.iter().map(|order| (*order).to_owned()).collect()));
    assert_eq!(orders, expected.into());
}
