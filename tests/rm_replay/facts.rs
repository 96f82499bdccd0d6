//! What a message says to reliable messaging, of ours and of the recorded ones in the same words.

use super::arrival::fault_kind;
use super::names::Names;
use crate::rm_story::{Acknowledgement, Body, End, Envelope};
use soap_session_core::chance::Uuid;
use soap_session_core::reliable::{
    Acknowledgement as OurAcknowledgement, Frame, FrameAction, FrameBody, HeaderOrder, IncompleteSequenceBehavior,
    RmAction, RmFaultKind, RmVersion,
};
use soap_session_core::soap::AddressingVersion;

/// A fact's value.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Value {
    /// Compared as it is.
    Text(String),
    /// An identifier that one side made up.
    Id(String),
}

/// A message's facts, each with its name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts(Vec<(&'static str, Value)>);

impl Facts {
    fn text(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, Value::Text(value.into())));
    }

    fn id(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, Value::Id(value.into())));
    }

    fn ids(&mut self, name: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.id(name, value);
        }
    }

    fn texts(&mut self, name: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// What differs: the fact's name, ours, theirs.
    pub fn differences(&self, recorded: &Self, names: &mut Names) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut all: Vec<&'static str> = self.0.iter().map(|(name, _)| *name).collect();
        all.extend(recorded.0.iter().map(|(name, _)| *name).filter(|name| self.get(name).is_none()));
        for name in all {
            match (self.get(name), recorded.get(name)) {
                (Some(Value::Id(ours)), Some(Value::Id(theirs))) if names.same(ours, theirs) => {}
                (ours, theirs) if ours == theirs => {}
                (ours, theirs) => {
                    let word = |value: Option<&Value>| match value {
                        Some(Value::Text(text) | Value::Id(text)) => text.clone(),
                        None => "nothing".to_owned(),
                    };
                    wrong.push(format!("{name}: {} instead of {}", word(ours), word(theirs)));
                }
            }
        }
        wrong
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The facts of a recorded envelope.
    pub fn recorded(envelope: &Envelope) -> Self {
        let mut facts = Self::default();
        facts.text("Action", &envelope.action);
        facts.ids("MessageID", envelope.message_id.as_deref());
        facts.ids("RelatesTo", envelope.relates_to.as_deref());
        facts.texts("ReplyTo", envelope.reply_to.as_deref());
        facts.texts("To", envelope.to.as_deref());
        if let Some(sequence) = &envelope.sequence {
            facts.id("Sequence", &sequence.id);
            facts.text("MessageNumber", format!("{}{}", sequence.number, if sequence.last { " last" } else { "" }));
        }
        for ack in &envelope.acknowledgements {
            facts.id("SequenceAcknowledgement", &ack.id);
            facts.text("ranges", recorded_ranges(ack));
            facts.texts("BufferRemaining", ack.buffer.map(|room| room.to_string()));
        }
        facts.ids("AckRequested", envelope.ack_requested.as_deref());
        let rm = ["Sequence", "SequenceAcknowledgement", "AckRequested", "UsesSequenceSTR", "Action"];
        let order = envelope.headers.iter().map(|header| header.local.as_str()).filter(|name| rm.contains(name));
        facts.text("headers", order.collect::<Vec<_>>().join(" "));
        facts.recorded_body(envelope);
        facts
    }

    fn recorded_body(&mut self, envelope: &Envelope) {
        let last_message = envelope.verb() == "LastMessage";
        let end = |facts: &mut Self, body: &'static str, end: &End| {
            facts.text("body", body);
            facts.id("Identifier", &end.id);
            facts.texts("LastMsgNumber", end.last.map(|last| last.to_string()));
        };
        match &envelope.body {
            _ if envelope.sequence.is_some() && !last_message => self.text("body", "the application's"),
            Body::Empty => self.text("body", "empty"),
            Body::Other { .. } => self.text("body", "the application's"),
            Body::CreateSequence { acks_to, expires: _, offer, token_reference } => {
                self.text("body", "CreateSequence");
                self.text("AcksTo", acks_to);
                self.texts("token", token_reference.then_some("named"));
                if let Some(offer) = offer {
                    self.id("Offer", &offer.id);
                    self.texts("Endpoint", offer.endpoint.as_deref());
                    self.texts("behavior", offer.incomplete.as_deref());
                }
            }
            Body::CreateSequenceResponse { id, expires, incomplete, accept_acks_to } => {
                self.text("body", "CreateSequenceResponse");
                self.id("Identifier", id);
                self.texts("Expires", expires.as_deref());
                self.texts("behavior", incomplete.as_deref());
                self.texts("Accept", accept_acks_to.as_deref());
            }
            Body::CloseSequence(of) => end(self, "CloseSequence", of),
            Body::CloseSequenceResponse(of) => end(self, "CloseSequenceResponse", of),
            Body::TerminateSequence(of) => end(self, "TerminateSequence", of),
            Body::TerminateSequenceResponse(of) => end(self, "TerminateSequenceResponse", of),
            Body::Fault(fault) => {
                let (kind, code) = fault_kind(fault);
                self.text(
                    "body",
                    kind.map_or_else(|| "fault of others".to_owned(), |kind| format!("{kind:?} {code:?}")),
                );
                self.ids("Identifier", fault.identifier.as_deref());
            }
        }
    }

    /// The facts of a message that our machine wants to write.
    pub fn ours(frame: &Frame<'_>, version: RmVersion, addressing: AddressingVersion) -> Self {
        let mut facts = Self::default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        facts.text(
            "Action",
            match frame.action {
                FrameAction::Rm(action) => version.action(action).to_owned(),
                FrameAction::Application(action) => text(action),
                FrameAction::Fault => fault_action(&frame.body, version, addressing).to_owned(),
            },
        );
        facts.ids("MessageID", frame.message_id.map(urn));
        facts.ids("RelatesTo", frame.relates_to.map(text));
        facts.texts("ReplyTo", frame.reply_to.map(text));
        facts.texts("To", frame.to.map(text));
        if let Some(sequence) = &frame.sequence {
            facts.id("Sequence", text(sequence.identifier.as_bytes()));
            facts.text("MessageNumber", format!("{}{}", sequence.number, if sequence.last { " last" } else { "" }));
        }
        if let Some(ack) = &frame.acknowledgement {
            facts.id("SequenceAcknowledgement", text(ack.identifier.as_bytes()));
            facts.text("ranges", our_ranges(ack, version));
            facts.texts("BufferRemaining", ack.buffer_remaining.map(|room| room.to_string()));
        }
        facts.ids("AckRequested", frame.ack_requested.map(|id| text(id.as_bytes())));
        let there = [
            frame.acknowledgement.is_some().then_some("SequenceAcknowledgement"),
            frame.ack_requested.is_some().then_some("AckRequested"),
            frame.sequence.is_some().then_some("Sequence"),
            frame.uses_sequence_str.then_some("UsesSequenceSTR"),
        ];
        let [ack, ask, sequence, uses] = there;
        let order = match frame.order {
            HeaderOrder::AcknowledgementFirst => [ack, ask, sequence],
            HeaderOrder::SequenceFirst => [sequence, ack, ask],
        };
        let order: Vec<&str> = order.into_iter().chain([uses, Some("Action")]).flatten().collect();
        facts.text("headers", order.join(" "));
        facts.our_body(frame, version);
        facts
    }

    fn our_body(&mut self, frame: &Frame<'_>, version: RmVersion) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let v11 = version == RmVersion::V11;
        match frame.body {
            FrameBody::Empty => self.text("body", "empty"),
            FrameBody::Payload(_) => self.text("body", "the application's"),
            FrameBody::CreateSequence { acks_to, offer, token_reference } => {
                self.text("body", "CreateSequence");
                self.text("AcksTo", text(acks_to));
                self.texts("token", token_reference.map(|_| "named"));
                if let Some((id, incomplete)) = offer {
                    self.id("Offer", text(id.as_bytes()));
                    self.texts("Endpoint", v11.then(|| text(acks_to)));
                    self.texts("behavior", v11.then(|| behavior(incomplete)));
                }
            }
            FrameBody::CreateSequenceResponse { identifier, expires, behavior: incomplete, accept_acks_to } => {
                self.text("body", "CreateSequenceResponse");
                self.id("Identifier", text(identifier.as_bytes()));
                self.texts("Expires", expires.map(text));
                self.texts("behavior", v11.then(|| behavior(incomplete)));
                self.texts("Accept", accept_acks_to.map(text));
            }
            FrameBody::CloseSequence { identifier, last } | FrameBody::TerminateSequence { identifier, last } => {
                let close = matches!(frame.body, FrameBody::CloseSequence { .. });
                self.text("body", if close { "CloseSequence" } else { "TerminateSequence" });
                self.id("Identifier", text(identifier.as_bytes()));
                self.texts("LastMsgNumber", last.map(|last| last.to_string()));
            }
            FrameBody::CloseSequenceResponse(identifier) => {
                self.text("body", "CloseSequenceResponse");
                self.id("Identifier", text(identifier.as_bytes()));
            }
            FrameBody::TerminateSequenceResponse(identifier) => {
                self.text("body", "TerminateSequenceResponse");
                self.id("Identifier", text(identifier.as_bytes()));
            }
            FrameBody::Fault(fault, _) => {
                self.text("body", format!("{:?} {:?}", fault.kind, fault.code));
                self.ids("Identifier", Some(text(fault.identifier)).filter(|id| !id.is_empty()));
            }
        }
    }
}

fn urn(uuid: Uuid) -> String {
    let mut text = [0; Uuid::TEXT_LEN];
    uuid.write(&mut text);
    format!("urn:uuid:{}", String::from_utf8_lossy(&text))
}

fn fault_action(body: &FrameBody<'_>, version: RmVersion, addressing: AddressingVersion) -> &'static str {
    match body {
        FrameBody::Fault(fault, _) => match fault.kind {
            RmFaultKind::EndpointUnavailable
            | RmFaultKind::ActionNotSupported
            | RmFaultKind::AddressingHeaderRequired => addressing.fault_action(),
            _ => version.fault_action(addressing),
        },
        _ => version.action(RmAction::Fault),
    }
}

fn behavior(incomplete: IncompleteSequenceBehavior) -> &'static str {
    match incomplete {
        IncompleteSequenceBehavior::DiscardEntireSequence => "DiscardEntireSequence",
        IncompleteSequenceBehavior::DiscardFollowingFirstGap => "DiscardFollowingFirstGap",
        IncompleteSequenceBehavior::NoDiscard => "NoDiscard",
    }
}

fn words(ranges: impl Iterator<Item = (u64, u64)>, none: bool, last: bool) -> String {
    let mut words: Vec<String> = ranges.map(|(lower, upper)| format!("{lower}-{upper}")).collect();
    words.extend(none.then(|| "None".to_owned()));
    words.extend(last.then(|| "Final".to_owned()));
    words.join(" ")
}

fn recorded_ranges(ack: &Acknowledgement) -> String {
    words(ack.ranges.iter().copied(), ack.none, ack.last)
}

fn our_ranges(ack: &OurAcknowledgement<'_>, version: RmVersion) -> String {
    let ranges = ack.ranges.iter().map(|range| (range.lower, range.upper));
    match (ack.ranges.is_empty(), version) {
        (true, RmVersion::February2005) => words([(0, 0)].into_iter(), false, ack.is_final),
        (empty, _) => words(ranges, empty, ack.is_final),
    }
}
