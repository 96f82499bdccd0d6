//! What a message says, told by a tree and by an arrival.

use super::string;
use soap_session_core::reliable::{Arrival, RmBody, Versions};
use soap_session_tests::dom::Node;

fn text(node: Option<&Node>) -> Option<String> {
    node.map(|node| node.text.trim().to_owned())
}

/// What the tree of a message says, in one line; and what the arrival says, in the same words.
pub(crate) fn facts_of_tree(tree: &Node, versions: Versions) -> String {
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
            let acks_to =
                text(body.path(&["AcksTo", "Address"]).or_else(|| body.path(&["Accept", "AcksTo", "Address"])));
            let last = text(body.child("LastMsgNumber"));
            let token = body.path(&["SecurityTokenReference", "Reference"]).and_then(|r| r.attribute("URI"));
            format!("{} {direct:?} {offered:?} {acks_to:?} {last:?} {token:?}", body.local)
        }
        Some(body) if body.local == "Fault" && sequence.is_none() => {
            let detail = body
                .child("Detail")
                .or_else(|| body.child("detail"))
                .and_then(|detail| text(detail.child("Identifier")));
            let reason =
                body.path(&["Reason", "Text"]).or_else(|| body.child("faultstring")).map(|reason| reason.text.clone());
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

pub(crate) fn facts_of_arrival(arrival: &Arrival<'_>) -> String {
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
