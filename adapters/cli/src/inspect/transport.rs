//! Which messages the transport has to have protected: it is to be seen from what their security header does not have.

use soap_session_core::soap::{SoapVersion, names};
use soap_session_core::xml::{Limits, Reader, Start};

/// What the security header of a message shows.
#[derive(Default)]
struct Shown {
    timestamp: bool,
    /// A token that has to have signed something.
    proof: bool,
    signatures: usize,
    /// The Ids that these refer to, without the `#`.
    signed: Vec<Vec<u8>>,
    other: bool,
}

/// Can only the transport have protected this message? It can where there is a timestamp, nothing is encrypted and no signature
/// covers the body; what signs signs the timestamp, and a token that could have signed has. `None` if it cannot be read.
pub(super) fn protects(wire: &[u8], limits: &Limits) -> Option<bool> {
    let mut reader = Reader::document(wire, limits).ok()?;
    let envelope = reader.next_element().ok()??;
    let soap = SoapVersion::from_namespace(envelope.name.namespace)?;
    reader.next_element().ok()?.filter(|start| start.name.is(soap.namespace(), "Header"))?;
    let mut shown = None;
    while let Some(block) = reader.next_element().ok()? {
        if block.name.is(names::WSSE, "Security") && shown.is_none() {
            shown = Some(security(&mut reader)?);
        } else {
            reader.skip().ok()?;
        }
    }
    let Shown { timestamp, proof, signatures, signed, other } = shown?;
    reader.next_element().ok()?.filter(|start| start.name.is(soap.namespace(), "Body"))?;
    let body = reader.attribute(names::WSU, "Id").map(|id| id.raw().to_vec());
    let first = reader.next_element().ok()?;
    let encrypted = first.is_some_and(|start| start.name.is(names::XENC, "EncryptedData"));
    let body_signed = body.is_some_and(|id| signed.contains(&id));
    Some(timestamp && !other && !encrypted && !body_signed && (!proof || signatures > 0))
}

fn security(reader: &mut Reader<'_>) -> Option<Shown> {
    let mut shown = Shown::default();
    while let Some(child) = reader.next_element().ok()? {
        let is = |namespace: &str, local: &str| child.name.is(namespace, local);
        if is(names::DSIG, "Signature") {
            shown.signatures += 1;
            references(reader, &mut shown.signed)?;
            continue;
        }
        let timestamp = is(names::WSU, "Timestamp");
        let proof = child.name.local == b"SecurityContextToken" || is(names::WSSE, "BinarySecurityToken");
        shown.timestamp |= timestamp;
        shown.proof |= proof;
        shown.other |= !(timestamp || proof || is(names::WSSE, "UsernameToken"));
        reader.skip().ok()?;
    }
    Some(shown)
}

/// What a signature refers to.
fn references(reader: &mut Reader<'_>, signed: &mut Vec<Vec<u8>>) -> Option<()> {
    let info = reader.next_element().ok()??;
    let is_info = |start: &Start<'_>| start.name.is(names::DSIG, "SignedInfo");
    if !is_info(&info) {
        return None;
    }
    while let Some(child) = reader.next_element().ok()? {
        if child.name.is(names::DSIG, "Reference")
            && let Some(id) = reader.attribute("", "URI").and_then(|uri| uri.raw().strip_prefix(b"#"))
        {
            signed.push(id.to_vec());
        }
        reader.skip().ok()?;
    }
    while reader.next_element().ok()?.is_some() {
        reader.skip().ok()?;
    }
    Some(())
}
