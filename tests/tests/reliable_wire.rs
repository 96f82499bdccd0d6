//! WS-ReliableMessaging on the wire: every recorded message is read, and what it says is written again, byte for byte.

use soap_session_core::chance::Uuid;
use soap_session_core::reliable::{
    Acknowledgement, Arrival, Blocks, Frame, FrameAction, FrameBody, HeaderOrder, Identifier,
    IncompleteSequenceBehavior, Parts, RmAction, RmBody, RmFault, RmProblem, RmVersion, SequencePlace, Versions,
};
use soap_session_core::reliable::{FaultReason, RmAnswer};
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

/// Everything that a frame borrows.
struct Owned {
    identifiers: BTreeMap<Vec<u8>, Identifier>,
}

impl Owned {
    fn new(arrival: &Arrival<'_>) -> Self {
        let mut all: Vec<&[u8]> = Vec::new();
        all.extend(arrival.sequence.map(|sequence| sequence.identifier));
        all.extend(arrival.acknowledgement.as_ref().map(|ack| ack.identifier));
        all.extend(arrival.ack_requested);
        match arrival.body {
            RmBody::CreateSequence { offer, .. } => all.extend(offer.map(|offer| offer.identifier)),
            RmBody::CreateSequenceResponse { identifier, .. }
            | RmBody::CloseSequence { identifier, .. }
            | RmBody::CloseSequenceResponse { identifier }
            | RmBody::TerminateSequence { identifier, .. }
            | RmBody::TerminateSequenceResponse { identifier } => all.push(identifier),
            RmBody::None | RmBody::Fault(_) => {}
        }
        Self { identifiers: all.into_iter().map(|id| (id.to_vec(), Identifier::new(id).unwrap())).collect() }
    }

    fn get(&self, identifier: &[u8]) -> &Identifier {
        &self.identifiers[identifier]
    }
}

/// The frame with the facts of `arrival`. What an arrival does not tell (the order of headers, what of an ordered
/// sequence an initiator may discard, the reference to a token) is taken from the message.
fn frame<'f>(
    message: &'f [u8],
    arrival: &'f Arrival<'f>,
    body: Span,
    owned: &'f Owned,
    token_reference: Option<&'f [u8]>,
) -> Frame<'f> {
    let text = std::str::from_utf8(message).unwrap();
    let behavior = if text.contains(">NoDiscard<") {
        IncompleteSequenceBehavior::NoDiscard
    } else {
        IncompleteSequenceBehavior::DiscardFollowingFirstGap
    };
    let at = |tag: &str| text.find(tag).unwrap_or(usize::MAX);
    let order = if at("<r:Sequence ") < at("<r:SequenceAcknowledgement") && at("<r:SequenceAck") != usize::MAX {
        HeaderOrder::SequenceFirst
    } else {
        HeaderOrder::AcknowledgementFirst
    };
    let known_fault = matches!(arrival.body, RmBody::Fault(fault) if fault.kind.is_some());
    let frame_body = match arrival.body {
        RmBody::None if body.is_empty() => FrameBody::Empty,
        RmBody::None => FrameBody::Payload(body.of(message)),
        RmBody::CreateSequence { acks_to, offer, .. } => FrameBody::CreateSequence {
            acks_to,
            offer: offer.map(|offer| (owned.get(offer.identifier), behavior)),
            token_reference,
        },
        RmBody::CreateSequenceResponse { identifier, accept_acks_to } => FrameBody::CreateSequenceResponse {
            identifier: owned.get(identifier),
            expires: None,
            behavior,
            accept_acks_to,
        },
        RmBody::CloseSequence { identifier, last } => {
            FrameBody::CloseSequence { identifier: owned.get(identifier), last }
        }
        RmBody::CloseSequenceResponse { identifier } => FrameBody::CloseSequenceResponse(owned.get(identifier)),
        RmBody::TerminateSequence { identifier, last } => {
            FrameBody::TerminateSequence { identifier: owned.get(identifier), last }
        }
        RmBody::TerminateSequenceResponse { identifier } => FrameBody::TerminateSequenceResponse(owned.get(identifier)),
        RmBody::Fault(fault) => match fault.kind {
            Some(kind) => FrameBody::Fault(
                RmFault {
                    kind,
                    code: fault.code,
                    identifier: fault.identifier.unwrap_or_default(),
                    reason: FaultReason::Text(std::str::from_utf8(fault.reason).unwrap()),
                },
                None,
            ),
            None => FrameBody::Payload(body.of(message)),
        },
    };
    let action = match arrival.action {
        _ if known_fault => FrameAction::Fault,
        Some(action) => FrameAction::Rm(action),
        None => FrameAction::Application(arrival.action_uri),
    };
    let urn = |id: &[u8]| Uuid::parse(id.strip_prefix(b"urn:uuid:").unwrap()).unwrap();
    Frame {
        action,
        message_id: arrival.message_id.map(urn),
        relates_to: arrival.relates_to,
        reply_to: arrival.reply_to,
        to: arrival.to,
        sequence: arrival.sequence.map(|s| SequencePlace {
            identifier: owned.get(s.identifier),
            number: s.number,
            last: s.last,
        }),
        acknowledgement: arrival.acknowledgement.as_ref().map(|ack| Acknowledgement {
            identifier: owned.get(ack.identifier),
            ranges: ack.ranges.as_slice(),
            is_final: ack.is_final,
            buffer_remaining: ack.buffer_remaining,
        }),
        ack_requested: arrival.ack_requested.map(|id| owned.get(id)),
        uses_sequence_str: arrival.uses_sequence_str,
        order,
        body: frame_body,
    }
}

fn text(node: Option<&Node>) -> Option<String> {
    node.map(|node| node.text.trim().to_owned())
}

/// What the tree of a message says, in one line; and what the arrival says, in the same words.
fn facts_of_tree(tree: &Node, versions: Versions) -> String {
    let header = |namespace: &str, local: &str| {
        let blocks = tree.child("Header").into_iter().flat_map(|header| &header.children);
        blocks.into_iter().find(|block| block.namespace == namespace && block.local == local)
    };
    let addressing = |local: &str| header(versions.addressing.namespace(), local);
    let rm = |local: &str| header(versions.reliable.namespace(), local);
    let reads_rm = !text(addressing("Action")).unwrap_or_default().contains("/CreateSequence");
    let rm = |local: &str| rm(local).filter(|_| reads_rm || local.starts_with("Uses"));
    let sequence = rm("Sequence")
        .map(|s| (text(s.child("Identifier")), text(s.child("MessageNumber")), s.child("LastMessage").is_some()));
    let ack = rm("SequenceAcknowledgement").map(|ack| {
        let ranges = ack.children.iter().filter(|c| c.local == "AcknowledgementRange");
        let ranges =
            ranges.map(|r| (r.attribute("Lower").unwrap().to_owned(), r.attribute("Upper").unwrap().to_owned()));
        let ranges: Vec<_> = ranges.filter(|(_, upper)| upper != "0").collect();
        (text(ack.child("Identifier")), ranges, ack.child("Final").is_some(), text(ack.child("BufferRemaining")))
    });
    let wish = rm("AckRequested").map(|wish| text(wish.child("Identifier")));
    let body = tree.child("Body").and_then(|body| body.children.first());
    let body = match body {
        Some(body) if body.namespace == versions.reliable.namespace() => {
            let direct = text(body.child("Identifier"));
            let offered = text(body.path(&["Offer", "Identifier"]));
            let acks_to = text(body.path(&["AcksTo", "Address"]).or(body.path(&["Accept", "AcksTo", "Address"])));
            let last = text(body.child("LastMsgNumber"));
            let token = body.path(&["SecurityTokenReference", "Reference"]).and_then(|r| r.attribute("URI"));
            format!("{} {direct:?} {offered:?} {acks_to:?} {last:?} {token:?}", body.local)
        }
        Some(body) if body.local == "Fault" && sequence.is_none() => {
            let detail =
                body.child("Detail").or(body.child("detail")).and_then(|detail| text(detail.child("Identifier")));
            let reason = body.path(&["Reason", "Text"]).or(body.child("faultstring")).map(|reason| reason.text.clone());
            format!("Fault {detail:?} {reason:?}")
        }
        Some(_) | None => String::new(),
    };
    format!(
        "{:?} {:?} {:?} {:?} {:?} {sequence:?} {ack:?} {wish:?} {} {} {body}",
        text(addressing("Action")),
        text(addressing("MessageID")),
        text(addressing("RelatesTo")),
        text(addressing("To")),
        text(addressing("ReplyTo").and_then(|to| to.child("Address"))),
        rm("UsesSequenceSTR").is_some(),
        rm("UsesSequenceSSL").is_some(),
    )
}

fn facts_of_arrival(arrival: &Arrival<'_>) -> String {
    let some = |bytes: Option<&[u8]>| bytes.map(string);
    let sequence = arrival.sequence.map(|s| (Some(string(s.identifier)), Some(s.number.to_string()), s.last));
    let ack = arrival.acknowledgement.as_ref().map(|ack| {
        let ranges = ack.ranges.as_slice().iter().map(|r| (r.lower.to_string(), r.upper.to_string()));
        let remaining = ack.buffer_remaining.map(|remaining| remaining.to_string());
        (Some(string(ack.identifier)), ranges.collect::<Vec<_>>(), ack.is_final, remaining)
    });
    let wish = arrival.ack_requested.map(|id| Some(string(id)));
    let line = |name: &str, direct: Option<&[u8]>, offered: Option<&[u8]>, acks_to, last: Option<u64>, token| {
        let last = last.map(|last| last.to_string());
        format!("{name} {:?} {:?} {:?} {last:?} {:?}", some(direct), some(offered), some(acks_to), some(token))
    };
    let body = match arrival.body {
        RmBody::None => String::new(),
        RmBody::CreateSequence { acks_to, offer, token, .. } => {
            line("CreateSequence", None, offer.map(|offer| offer.identifier), Some(acks_to), None, token)
        }
        RmBody::CreateSequenceResponse { identifier, accept_acks_to } => {
            line("CreateSequenceResponse", Some(identifier), None, accept_acks_to, None, None)
        }
        RmBody::CloseSequence { identifier, last } => line("CloseSequence", Some(identifier), None, None, last, None),
        RmBody::CloseSequenceResponse { identifier } => {
            line("CloseSequenceResponse", Some(identifier), None, None, None, None)
        }
        RmBody::TerminateSequence { identifier, last } => {
            line("TerminateSequence", Some(identifier), None, None, last, None)
        }
        RmBody::TerminateSequenceResponse { identifier } => {
            line("TerminateSequenceResponse", Some(identifier), None, None, None, None)
        }
        RmBody::Fault(fault) => format!("Fault {:?} {:?}", some(fault.identifier), Some(string(fault.reason))),
    };
    format!(
        "{:?} {:?} {:?} {:?} {:?} {sequence:?} {ack:?} {wish:?} {} {} {body}",
        Some(string(arrival.action_uri)),
        some(arrival.message_id),
        some(arrival.relates_to),
        some(arrival.to),
        some(arrival.reply_to),
        arrival.uses_sequence_str,
        arrival.uses_sequence_ssl,
    )
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
