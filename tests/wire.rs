//! What recorded messages say, for whoever plays them again: times, randomness, Ids.

use crate::Message;
use crate::dom::Node;
use soap_session_core::base64;
use soap_session_core::chance::Uuid;
use soap_session_core::crypto::AlgorithmSuite;
use soap_session_core::secure::UniqueIds;
use soap_session_core::soap::{AddressingVersion, HeaderBlock};
use soap_session_core::time::UnixMillis;

/// The tree of a message in clear.
pub fn tree(message: &Message) -> Node {
    Node::parse(message.plain.as_deref().unwrap_or(&message.bytes))
}

pub(crate) fn security(tree: &Node) -> &Node {
    tree.path(&["Header", "Security"]).expect("a security header")
}

pub(crate) fn id_of(node: &Node) -> String {
    node.attribute("Id").unwrap_or_default().to_owned()
}

/// A header's text; empty if there is none.
pub fn header(tree: &Node, local: &str) -> String {
    tree.path(&["Header", local]).map(|node| node.text.clone()).unwrap_or_default()
}

/// The header blocks of a message in clear but for `Security`, in order, as whoever sends them again hands them over.
///
/// # Panics
/// If a `ReplyTo` has no address.
pub fn header_blocks<'a>(tree: &'a Node, plain: &'a [u8]) -> Vec<HeaderBlock<'a>> {
    let blocks = tree.child("Header").map(|header| header.children.as_slice()).unwrap_or_default();
    let block = |h: &'a Node| {
        let text = h.text.as_bytes();
        let addressing = AddressingVersion::from_namespace(h.namespace.as_bytes()).is_some();
        match (addressing, h.local.as_str()) {
            (true, "Action") => HeaderBlock::Action(text),
            (true, "MessageID") => HeaderBlock::MessageId(text),
            (true, "RelatesTo") => HeaderBlock::RelatesTo(text),
            (true, "To") => HeaderBlock::To(text),
            (true, "ReplyTo") if h.children.len() == 1 => {
                HeaderBlock::ReplyTo(h.child("Address").expect("Address").text.as_bytes())
            }
            _ => HeaderBlock::Other {
                prefix: &h.prefix,
                namespace: &h.namespace,
                local: &h.local,
                must_understand: h.attribute("mustUnderstand").is_some(),
                content: h.inner.of(plain),
            },
        }
    };
    blocks.iter().filter(|h| h.local != "Security").map(block).collect()
}

/// The body's content.
///
/// # Panics
/// If the message was not opened.
pub fn body(message: &Message) -> Vec<u8> {
    let bytes = message.plain.as_ref().unwrap_or(&message.bytes);
    let tree = Node::parse(bytes);
    tree.child("Body").expect("a body").inner.of(bytes).to_vec()
}

/// `Created` of the security header's timestamp.
pub fn created(tree: &Node) -> Option<i64> {
    let text = &tree.path(&["Header", "Security", "Timestamp", "Created"])?.text;
    UnixMillis::parse(text.as_bytes()).map(|at| at.0)
}

/// `Created` of the issued token's lifetime.
pub fn lifetime_created(tree: &Node) -> Option<i64> {
    let life = tree.all().into_iter().find(|node| node.local == "Lifetime")?;
    UnixMillis::parse(life.child("Created")?.text.as_bytes()).map(|at| at.0)
}

/// Identifier and instance of the conversation that protects (or is renewed by) a message.
pub fn context_of(tree: &Node) -> Option<(String, Option<String>)> {
    let security = tree.path(&["Header", "Security"])?;
    let text = |node: &Node, local: &str| node.child(local).map(|n| n.text.clone());
    if let Some(token) = security.child("SecurityContextToken") {
        return Some((text(token, "Identifier")?, text(token, "Instance")));
    }
    let named = |node: &Node| {
        let reference = node.child("Reference")?;
        let uri = reference.attribute("URI").filter(|uri| uri.starts_with("urn:uuid:"))?;
        Some((uri.to_owned(), reference.attribute("Instance").map(str::to_owned)))
    };
    let derived = security.child("DerivedKeyToken").and_then(|token| token.child("SecurityTokenReference"));
    let direct = security.path(&["Signature", "KeyInfo", "SecurityTokenReference"]);
    derived.or(direct).and_then(named)
}

/// The nonces of the keys that a message derives for itself (`_n`), in order.
pub fn message_nonces(tree: &Node) -> Vec<Vec<u8>> {
    let own = security(tree).children.iter().filter(|c| c.local == "DerivedKeyToken" && id_of(c).starts_with('_'));
    own.map(nonce).collect()
}

pub(crate) fn nonce(token: &Node) -> Vec<u8> {
    decode(&token.child("Nonce").expect("a nonce").text)
}

/// The initialization vectors of a message, in the order in which a sender draws them: that of the Ids.
pub fn ivs(message: &Message, suite: AlgorithmSuite) -> Vec<Vec<u8>> {
    let block = if suite.name().starts_with("Triple") { 8 } else { 16 };
    let wire = Node::parse(&message.bytes);
    let mut list: Vec<(u32, Vec<u8>)> = Vec::new();
    for data in wire.all().into_iter().filter(|node| node.local == "EncryptedData") {
        let number = id_of(data).trim_start_matches('_').parse().expect("a local Id");
        let octets = decode(&data.path(&["CipherData", "CipherValue"]).expect("ciphertext").text);
        list.push((number, octets.get(..block).expect("a block").to_vec()));
    }
    list.sort();
    list.into_iter().map(|(_, iv)| iv).collect()
}

/// The octets of a message's `EncryptedKey`.
pub fn wrapped(tree: &Node) -> Option<Vec<u8>> {
    let key = security(tree).child("EncryptedKey")?;
    Some(decode(&key.path(&["CipherData", "CipherValue"])?.text))
}

/// `uuid-<guid>-<n>` as the row of Ids that begins there.
pub fn unique_id(text: &str) -> Option<UniqueIds> {
    let (guid, number) = text.strip_prefix("uuid-")?.rsplit_once('-')?;
    Some(UniqueIds::new(Uuid::parse(guid.as_bytes())?, number.parse().ok()?))
}

/// The octets of a `urn:uuid:`.
///
/// # Panics
/// If it is none.
pub fn urn(text: &str) -> Vec<u8> {
    let guid = text.strip_prefix("urn:uuid:").expect("urn:uuid:");
    Uuid::parse(guid.as_bytes()).expect("a guid").0.to_vec()
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    let mut octets = vec![0; text.len()];
    let len = base64::decode(text.as_bytes(), &mut octets).expect("recorded base64");
    octets.truncate(len);
    octets
}

/// The message with everything that hangs on Ids taken out: `uuid-` Ids become their order of appearance, digests, signature
/// values and ciphertexts become empty.
pub fn without_ids(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let mut out = String::new();
    let mut seen: Vec<String> = Vec::new();
    for (index, part) in text.split("uuid-").enumerate() {
        if index == 0 {
            out.push_str(part);
            continue;
        }
        let len = part.find(['"', '<']).unwrap_or(part.len());
        let (id, rest) = part.split_at(len);
        let number = seen.iter().position(|s| s == id).unwrap_or_else(|| {
            seen.push(id.to_owned());
            seen.len() - 1
        });
        out.push_str(&format!("uuid-{number}{rest}"));
    }
    for name in ["DigestValue>", "SignatureValue>", "e:CipherValue>"] {
        let mut parts = out.split(name).map(str::to_owned).collect::<Vec<_>>();
        for part in parts.iter_mut().skip(1).step_by(2) {
            *part = part.get(part.rfind('<').unwrap_or(0)..).unwrap_or_default().to_owned();
        }
        out = parts.join(name);
    }
    out
}

/// Is this an action of WS-ReliableMessaging?
pub fn is_rm(action: &str) -> bool {
    action.contains("/2005/02/rm/") || action.contains("/ws-rx/wsrm/200702/")
}
