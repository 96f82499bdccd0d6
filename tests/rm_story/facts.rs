//! What one envelope says to reliable messaging.

use crate::dom::Node;
use crate::wire::context_of;
use soap_session_core::reliable::RmVersion;
use soap_session_core::xml::Span;

const FEBRUARY_2005: &str = "http://schemas.xmlsoap.org/ws/2005/02/rm";
const V11: &str = "http://docs.oasis-open.org/ws-rx/wsrm/200702";

/// An envelope in clear.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The version whose namespace its headers or its body use; `None` if nothing in it belongs to reliable messaging.
    pub version: Option<RmVersion>,
    /// The header's elements in order.
    pub headers: Vec<HeaderName>,
    /// `Action`.
    pub action: String,
    /// `MessageID`.
    pub message_id: Option<String>,
    /// `RelatesTo`.
    pub relates_to: Option<String>,
    /// The address of `ReplyTo`.
    pub reply_to: Option<String>,
    /// `To`.
    pub to: Option<String>,
    /// `Sequence`.
    pub sequence: Option<Sequence>,
    /// `SequenceAcknowledgement`, as many as there are.
    pub acknowledgements: Vec<Acknowledgement>,
    /// The identifier in `AckRequested`.
    pub ack_requested: Option<String>,
    /// Is there a `UsesSequenceSTR`?
    pub uses_sequence_str: bool,
    /// The secure conversation that protects it, or that it issues, renews or cancels: its identifier.
    pub conversation: Option<String>,
    /// The body.
    pub body: Body,
    /// The envelope's bytes, in clear.
    pub bytes: Vec<u8>,
    body_span: Span,
}

/// An element of the header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderName {
    /// Namespace name.
    pub namespace: String,
    /// Local name.
    pub local: String,
    /// Must it be understood?
    pub must_understand: bool,
}

/// A `Sequence` header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sequence {
    /// `Identifier`.
    pub id: String,
    /// `MessageNumber`.
    pub number: u64,
    /// Is there a `LastMessage`?
    pub last: bool,
}

/// A `SequenceAcknowledgement` header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acknowledgement {
    /// `Identifier`.
    pub id: String,
    /// Every `AcknowledgementRange`: lower and upper number.
    pub ranges: Vec<(u64, u64)>,
    /// Is there a `None`?
    pub none: bool,
    /// Is there a `Final`?
    pub last: bool,
    /// `BufferRemaining`.
    pub buffer: Option<u32>,
}

/// What a body is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// A sequence is asked for.
    CreateSequence {
        /// Where acknowledgements are wanted.
        acks_to: String,
        /// `Expires`, in its text.
        expires: Option<String>,
        /// A sequence for the other way.
        offer: Option<Offer>,
        /// Is there a `SecurityTokenReference`?
        token_reference: bool,
    },
    /// A sequence is granted.
    CreateSequenceResponse {
        /// The sequence.
        id: String,
        /// `Expires`, in its text.
        expires: Option<String>,
        /// `IncompleteSequenceBehavior`.
        incomplete: Option<String>,
        /// `AcksTo` of an accepted offer.
        accept_acks_to: Option<String>,
    },
    /// No more messages follow.
    CloseSequence(End),
    /// Answers that.
    CloseSequenceResponse(End),
    /// The sequence is over.
    TerminateSequence(End),
    /// Answers that.
    TerminateSequenceResponse(End),
    /// A fault, whoever sent it.
    Fault(Fault),
    /// Anything else.
    Other {
        /// The first element's local name.
        element: String,
        /// The texts of its elements, in order.
        texts: Vec<String>,
    },
}

/// The offer in a `CreateSequence`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// The offered sequence.
    pub id: String,
    /// The address of its `Endpoint`.
    pub endpoint: Option<String>,
    /// `Expires`, in its text.
    pub expires: Option<String>,
    /// `IncompleteSequenceBehavior`.
    pub incomplete: Option<String>,
}

/// What closes or terminates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// The sequence.
    pub id: String,
    /// `LastMsgNumber`.
    pub last: Option<u64>,
}

/// A fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The codes from the outermost to the innermost; of SOAP 1.1, `faultcode` alone.
    pub codes: Vec<Code>,
    /// The reason's first text.
    pub reason: String,
    /// The code in a `SequenceFault` header, as SOAP 1.1 has it.
    pub sequence_fault: Option<Code>,
    /// The local name of the detail's first element.
    pub detail: Option<String>,
    /// The `Identifier` in the detail, or in that of the `SequenceFault` header.
    pub identifier: Option<String>,
}

/// A qualified name in a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Code {
    /// As it is written, such as `a:UnknownSequence`.
    pub text: String,
    /// The namespace of its prefix.
    pub namespace: String,
    /// Its local name.
    pub local: String,
}

impl Envelope {
    /// Reads an envelope that is in clear.
    ///
    /// # Panics
    /// If it is not well-formed, or a number in it is none.
    pub fn read(bytes: &[u8]) -> Self {
        let tree = Node::parse(bytes);
        let none = Vec::new();
        let headers = tree.child("Header").map_or(&none, |header| &header.children);
        let text = |local: &str| headers.iter().find(|node| node.local == local).map(|node| node.text.clone());
        let rm =
            |local: &'static str| headers.iter().filter(move |node| node.local == local && version(node).is_some());
        let body = tree.child("Body").expect("a body");
        let version = headers.iter().chain(&body.children).find_map(version);
        Self {
            version,
            headers: headers.iter().map(header_name).collect(),
            action: text("Action").unwrap_or_default(),
            message_id: text("MessageID"),
            relates_to: text("RelatesTo"),
            reply_to: headers.iter().find(|node| node.local == "ReplyTo").and_then(|node| value(node, "Address")),
            to: text("To"),
            sequence: rm("Sequence").next().map(|node| Sequence {
                id: identifier(node),
                number: number(node, "MessageNumber").expect("a number"),
                last: node.child("LastMessage").is_some(),
            }),
            acknowledgements: rm("SequenceAcknowledgement").map(acknowledgement).collect(),
            ack_requested: rm("AckRequested").next().map(identifier),
            uses_sequence_str: rm("UsesSequenceSTR").next().is_some(),
            conversation: conversation(&tree),
            body: read_body(bytes, &tree, body, rm("SequenceFault").next()),
            bytes: bytes.to_vec(),
            body_span: body.inner,
        }
    }

    /// What stands between the tags of `Body`.
    pub fn body_bytes(&self) -> &[u8] {
        self.body_span.of(&self.bytes)
    }

    /// The last segment of the action: `CreateSequence`, `AddTo`, ...
    pub fn verb(&self) -> &str {
        self.action.rsplit('/').next().unwrap_or_default()
    }

    /// Does it belong to the secure conversation below?
    pub fn is_trust(&self) -> bool {
        self.action.contains("/trust/") || self.action.contains("/ws-trust/")
    }

    /// The fault, if the body is one.
    pub fn fault(&self) -> Option<&Fault> {
        match &self.body {
            Body::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    /// Every sequence that it names: headers first, then the body.
    pub fn sequences(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.sequence.iter().map(|s| s.id.as_str()).collect();
        ids.extend(self.acknowledgements.iter().map(|ack| ack.id.as_str()));
        ids.extend(self.ack_requested.as_deref());
        match &self.body {
            Body::CreateSequence { offer, .. } => ids.extend(offer.iter().map(|offer| offer.id.as_str())),
            Body::CreateSequenceResponse { id, .. } => ids.push(id),
            Body::CloseSequence(end)
            | Body::CloseSequenceResponse(end)
            | Body::TerminateSequence(end)
            | Body::TerminateSequenceResponse(end) => ids.push(&end.id),
            Body::Fault(fault) => ids.extend(fault.identifier.as_deref()),
            Body::Empty | Body::Other { .. } => {}
        }
        ids
    }
}

fn conversation(tree: &Node) -> Option<String> {
    let issued = || {
        let token = tree.child("Body")?.all().into_iter().find(|node| node.local == "SecurityContextToken")?;
        value(token, "Identifier")
    };
    context_of(tree).map(|(identifier, _)| identifier).or_else(issued)
}

fn version(node: &Node) -> Option<RmVersion> {
    match node.namespace.as_str() {
        FEBRUARY_2005 => Some(RmVersion::February2005),
        V11 => Some(RmVersion::V11),
        _ => None,
    }
}

fn header_name(node: &Node) -> HeaderName {
    HeaderName {
        namespace: node.namespace.clone(),
        local: node.local.clone(),
        must_understand: matches!(node.attribute("mustUnderstand"), Some("1" | "true")),
    }
}

fn value(node: &Node, local: &str) -> Option<String> {
    node.child(local).map(|child| child.text.clone())
}

fn number(node: &Node, local: &str) -> Option<u64> {
    node.child(local).map(|child| child.text.parse().expect("a number"))
}

fn identifier(node: &Node) -> String {
    value(node, "Identifier").expect("an identifier")
}

fn address(node: &Node) -> String {
    value(node, "Address").expect("an address")
}

fn acknowledgement(node: &Node) -> Acknowledgement {
    let bound = |range: &Node, local| range.attribute(local).expect("a bound").parse().expect("a number");
    let ranges = node.children.iter().filter(|child| child.local == "AcknowledgementRange");
    Acknowledgement {
        id: identifier(node),
        ranges: ranges.map(|range| (bound(range, "Lower"), bound(range, "Upper"))).collect(),
        none: node.child("None").is_some(),
        last: node.child("Final").is_some(),
        buffer: node.child("BufferRemaining").map(|child| child.text.parse().expect("a number")),
    }
}

fn read_body(bytes: &[u8], tree: &Node, body: &Node, sequence_fault: Option<&Node>) -> Body {
    let Some(first) = body.children.first() else { return Body::Empty };
    let end = || End { id: identifier(first), last: number(first, "LastMsgNumber") };
    match first.local.as_str() {
        "Fault" => Body::Fault(fault(bytes, tree, first, sequence_fault)),
        _ if version(first).is_none() => Body::Other {
            element: first.local.clone(),
            texts: first.all().into_iter().map(|node| node.text.clone()).filter(|text| !text.is_empty()).collect(),
        },
        "CreateSequence" => Body::CreateSequence {
            acks_to: address(first.child("AcksTo").expect("AcksTo")),
            expires: value(first, "Expires"),
            offer: first.child("Offer").map(|offer| Offer {
                id: identifier(offer),
                endpoint: offer.child("Endpoint").map(address),
                expires: value(offer, "Expires"),
                incomplete: value(offer, "IncompleteSequenceBehavior"),
            }),
            token_reference: first.child("SecurityTokenReference").is_some(),
        },
        "CreateSequenceResponse" => Body::CreateSequenceResponse {
            id: identifier(first),
            expires: value(first, "Expires"),
            incomplete: value(first, "IncompleteSequenceBehavior"),
            accept_acks_to: first.path(&["Accept", "AcksTo"]).map(address),
        },
        "CloseSequence" => Body::CloseSequence(end()),
        "CloseSequenceResponse" => Body::CloseSequenceResponse(end()),
        "TerminateSequence" => Body::TerminateSequence(end()),
        "TerminateSequenceResponse" => Body::TerminateSequenceResponse(end()),
        other => panic!("{other} in a body"),
    }
}

fn fault(bytes: &[u8], tree: &Node, fault: &Node, sequence_fault: Option<&Node>) -> Fault {
    let code = |node: &Node| qualified(bytes, tree, node);
    let mut codes: Vec<Code> = fault.child("faultcode").map(code).into_iter().collect();
    let mut level = fault.child("Code");
    while let Some(node) = level {
        codes.extend(node.child("Value").map(code));
        level = node.child("Subcode");
    }
    let detail = fault.child("Detail").or_else(|| fault.child("detail"));
    let names = [detail, sequence_fault];
    let identifiers = names.into_iter().flatten().flat_map(Node::all).find(|node| node.local == "Identifier");
    Fault {
        codes,
        reason: fault.path(&["Reason", "Text"]).or_else(|| fault.child("faultstring")).expect("a reason").text.clone(),
        sequence_fault: sequence_fault.and_then(|node| node.child("FaultCode")).map(code),
        detail: detail.and_then(|node| node.children.first()).map(|node| node.local.clone()),
        identifier: identifiers.map(|node| node.text.clone()),
    }
}

/// The qualified name that is an element's text: its prefix is declared by the nearest element around it.
fn qualified(bytes: &[u8], tree: &Node, node: &Node) -> Code {
    let (prefix, local) = node.text.split_once(':').unwrap_or(("", &node.text));
    let declaration = if prefix.is_empty() { "xmlns=\"".to_owned() } else { format!("xmlns:{prefix}=\"") };
    let around = |outer: &&Node| outer.span.start <= node.span.start && outer.span.end >= node.span.end;
    let declared = |outer: &Node| {
        let tag = Span::new(outer.span.start, outer.inner.start);
        let tag = String::from_utf8_lossy(tag.of(bytes)).into_owned();
        Some(tag.split_once(&declaration)?.1.split('"').next()?.to_owned())
    };
    let namespace = tree.all().into_iter().filter(around).filter_map(declared).next_back().unwrap_or_default();
    Code { text: node.text.clone(), namespace, local: local.to_owned() }
}
