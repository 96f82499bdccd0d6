//! WS-ReliableMessaging on the wire: every recorded message is read, and what it says is written again, byte for byte.

mod facts;
mod frames;

use facts::{facts_of_arrival, facts_of_tree};
use frames::{Owned, frame};
use soap_session_core::reliable::{Arrival, Blocks, Parts, RmAction, RmAnswer, RmBody, RmProblem, RmVersion, Versions};
use soap_session_core::soap::fault::write_fault_envelope;
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::xml::{Limits, Reader, Scope, Span, Writer};
use soap_session_tests::dom::Node;
use soap_session_tests::{Message, Recording, directories};
use std::collections::BTreeMap;

/// The versions that a message is written in; `None` if nothing in it is WS-ReliableMessaging's.
fn versions(bytes: &[u8]) -> Option<Versions> {
    let text = String::from_utf8_lossy(bytes);
    let reliable = RmVersion::ALL.into_iter().find(|version| {
        let ns = version.namespace();
        text.contains(&format!("\"{ns}\"")) || text.contains(&format!(">{ns}/"))
    })?;
    let has = |namespace: &str| text.contains(&format!("\"{namespace}\""));
    let soap = [SoapVersion::Soap11, SoapVersion::Soap12].into_iter().find(|v| has(v.namespace()))?;
    let addressing =
        [AddressingVersion::August2004, AddressingVersion::Wsa10].into_iter().find(|v| has(v.namespace()))?;
    Some(Versions { soap, addressing, reliable })
}

fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every message of these families, with its recording's name.
fn messages(families: &[&str]) -> impl Iterator<Item = (String, Message)> {
    let names: Vec<String> = families.iter().flat_map(|family| directories(family).unwrap()).collect();
    names.into_iter().flat_map(|name| {
        // What went over net.tcp in binary is no text; such a story may hold no message at all.
        let messages = Recording::open(&name).map(|recording| recording.messages).unwrap_or_default();
        messages.into_iter().map(move |message| (format!("{name}/{}", message.file), message))
    })
}

fn kind(arrival: &Arrival<'_>) -> String {
    match (arrival.action, arrival.body) {
        (_, RmBody::Fault(fault)) => format!("fault {:?}", fault.kind),
        (Some(action), _) => format!("{action:?}"),
        (None, _) => "application".to_owned(),
    }
}

#[test]
fn plain_messages_are_written_as_they_were_recorded() {
    let mut counts = BTreeMap::<(RmVersion, String), usize>::new();
    for (name, message) in messages(&["wcf", "wcf-stories"]) {
        let bytes = &message.bytes;
        if message.is_secured() || !bytes.starts_with(b"<") {
            continue;
        }
        let Some(versions) = versions(bytes) else { continue };
        let mut scratch = [0; 2048];
        let (arrival, Parts { body, must_understand, .. }) =
            Arrival::read_envelope(bytes, versions, &Limits::default(), &mut scratch)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(must_understand, None, "{name}");
        assert_eq!(facts_of_arrival(&arrival), facts_of_tree(&Node::parse(bytes), versions), "{name}");
        let owned = Owned::new(&arrival);
        let frame = frame(bytes, &arrival, body, &owned, None);
        let mut out = vec![0; bytes.len()];
        let short = frame.write_envelope(versions, "", &mut out[..bytes.len() - 1]).unwrap_err();
        assert_eq!(short.needed, bytes.len(), "{name}");
        let len = frame.write_envelope(versions, "", &mut out).unwrap_or_else(|grow| panic!("{name}: {grow}"));
        assert_eq!(string(&out[..len]), string(bytes), "{name}");
        *counts.entry((versions.reliable, kind(&arrival))).or_default() += 1;
    }
    for ((version, kind), count) in &counts {
        println!("{count:5} {version:?} {kind}");
    }
    let all: usize = counts.values().sum();
    println!("{all:5} plain messages");
    assert!(all >= 1483, "only {all}");
}

/// The places that WS-Security would tell of a message that it has opened.
fn opened(bytes: &[u8]) -> (Vec<Span>, Scope, Span, Scope) {
    let mut reader = Reader::document(bytes, &Limits::MAX).unwrap();
    reader.next_element().unwrap().unwrap();
    let outer = reader.scope().clone();
    reader.next_element().unwrap().unwrap();
    let scope = reader.scope().clone();
    let mut headers = Vec::new();
    while let Some(block) = reader.next_element().unwrap() {
        let span = reader.skip().unwrap();
        if block.name.local != b"Security" {
            headers.push(span);
        }
    }
    let body = Node::parse(bytes).child("Body").unwrap().inner;
    (headers, scope, body, outer)
}

/// Without the `Identity` that a WCF service with a certificate adds to its endpoint references. It says nothing to
/// WS-ReliableMessaging, and is not written here.
fn without_identity(xml: &str) -> String {
    let Some((before, rest)) = xml.split_once("<Identity ") else { return xml.to_owned() };
    format!("{before}{}", rest.split_once("</Identity>").unwrap().1)
}

/// Without the Ids by which a signature names the parts.
fn without_ids(xml: &str) -> String {
    let mut parts = xml.split(" u:Id=\"");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once('"').unwrap().1);
    }
    out
}

#[test]
fn secured_messages_are_rendered_as_they_were_recorded() {
    let mut counts = BTreeMap::<(RmVersion, String, bool), usize>::new();
    for (name, message) in messages(&["wcf", "wcf-stories"]) {
        let Some(bytes) = message.plain.as_ref().filter(|_| message.is_secured()) else { continue };
        let Some(versions) = versions(bytes) else { continue };
        let (headers, header_scope, body, body_scope) = opened(bytes);
        let blocks =
            Blocks { headers: headers.iter().copied(), header_scope: &header_scope, body, body_scope: &body_scope };
        let mut scratch = [0; 2048];
        let (arrival, must_understand) =
            Arrival::read_blocks(bytes, blocks, versions, &Limits::default(), &mut scratch)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(must_understand, None, "{name}");
        let tree = Node::parse(bytes);
        assert_eq!(facts_of_arrival(&arrival), facts_of_tree(&tree, versions), "{name}");
        let reference = tree.path(&["Body", "CreateSequence", "SecurityTokenReference"]);
        assert!(reference.is_some() == matches!(arrival.body, RmBody::CreateSequence { .. }), "{name}");
        let owned = Owned::new(&arrival);
        let frame = frame(bytes, &arrival, body, &owned, reference.map(|node| node.span.of(bytes)));
        let encrypted = tree_has_encrypted_body(&message.bytes);
        let mut scratch = vec![0; 8192];
        frame
            .render(versions, "", &mut scratch, |rendered| {
                assert_eq!(string(rendered.action), string(arrival.action_uri), "{name}");
                assert_eq!(rendered.encrypt_body, encrypted, "{name}");
                assert_eq!(string(rendered.body), without_identity(&string(body.of(bytes))), "{name}");
                assert_eq!(rendered.headers.len(), headers.len(), "{name}");
                for (block, span) in rendered.headers.iter().zip(&headers) {
                    let mut out = vec![0; 4096];
                    let mut w = Writer::new(&mut out);
                    block.write(&mut w, None);
                    let len = w.finish().unwrap();
                    assert_eq!(string(&out[..len]), without_identity(&without_ids(&string(span.of(bytes)))), "{name}");
                }
            })
            .unwrap();
        *counts.entry((versions.reliable, kind(&arrival), encrypted)).or_default() += 1;
    }
    for ((version, kind, encrypted), count) in &counts {
        println!("{count:5} {version:?} {kind}{}", if *encrypted { ", encrypted" } else { "" });
    }
    let all: usize = counts.values().sum();
    println!("{all:5} secured messages");
    assert!(all >= 403, "only {all}");
}

fn tree_has_encrypted_body(bytes: &[u8]) -> bool {
    let tree = Node::parse(bytes);
    tree.path(&["Body", "EncryptedData"]).is_some()
}

#[test]
fn gsoap_is_understood() {
    let mut nameless = 0;
    let mut counts = BTreeMap::<(RmVersion, String), usize>::new();
    for (name, message) in messages(&["gsoap"]) {
        if !name.contains("-rm1") || message.bytes.is_empty() {
            continue;
        }
        let reliable = if name.contains("-rm10") { RmVersion::February2005 } else { RmVersion::V11 };
        let Some(found) = versions(&message.bytes) else { panic!("{name}") };
        let versions = Versions { reliable, ..found };
        let mut scratch = [0; 2048];
        let arrival = match Arrival::read_envelope(&message.bytes, versions, &Limits::default(), &mut scratch) {
            Ok((arrival, _)) => arrival,
            // Where nothing was offered, gSOAP answers with the end of a sequence without a name. WCF cannot read it.
            Err(error) if name.contains("nooffer") && matches!(error.problem, RmProblem::Identifier { .. }) => {
                assert!(string(&message.bytes).contains("<wsrm:TerminateSequence><wsrm:Identifier/>"), "{name}");
                nameless += 1;
                continue;
            }
            Err(error) => panic!("{name}: {error}\n{}", string(&message.bytes)),
        };
        assert_eq!(facts_of_arrival(&arrival), facts_of_tree(&Node::parse(&message.bytes), versions), "{name}");
        *counts.entry((versions.reliable, kind(&arrival))).or_default() += 1;
    }
    for ((version, kind), count) in &counts {
        println!("{count:5} {version:?} {kind}");
    }
    let all: usize = counts.values().sum();
    println!("{all:5} messages of gSOAP, {nameless} without a name");
    assert_eq!(nameless, 1);
    assert!(all >= 153, "only {all}");
}

#[test]
fn a_client_of_the_other_version_gets_the_recorded_fault() {
    for (story, reliable, answer) in [
        ("rm10-server-rm11-client", RmVersion::February2005, RmAnswer::ActionNotSupported),
        ("rm11-server-rm10-client", RmVersion::V11, RmAnswer::WsrmRequired),
    ] {
        let recording = Recording::open(&format!("wcf-stories/{story}")).unwrap();
        let request = recording.requests().next().unwrap();
        let reply = recording.replies().next().unwrap();
        let versions = Versions { reliable, ..Versions::default() };
        let error = Arrival::read_envelope(&request.bytes, versions, &Limits::default(), &mut []).unwrap_err();
        assert_eq!(error.answer, answer);
        let action = error.action.of(&request.bytes);
        assert_eq!(reliable.from_action(action), None::<RmAction>);
        let fault = error.fault(versions, action).unwrap().in_language("");
        let mut out = vec![0; 4096];
        let mut w = Writer::new(&mut out);
        let id = Some(error.message_id.of(&request.bytes));
        write_fault_envelope(&mut w, versions.soap, versions.addressing, id, &fault);
        let len = w.finish().unwrap();
        assert_eq!(string(&out[..len]), string(&reply.bytes), "{story}");
    }
}
