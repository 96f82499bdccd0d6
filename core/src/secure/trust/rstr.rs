//! RequestSecurityTokenResponse for security contexts: Issue, Renew, Cancel.

use super::reference::finish;
use super::rst::{entropy, reference};
use super::secret::write_binary_secret;
use super::{
    Base64, BinarySecret, ContextReference, LocalToken, Problem, ReferenceStyle, ReferenceTo, SecretKind,
    SecurityContextToken, SecurityTokenReference, TrustError, key_size, once, put, read_binary_secret, read_sct,
    simple, write_reference, write_sct,
};
use crate::soap::{TrustVersion, names};
use crate::xml::{Reader, Start, Text, Writer};

/// A RequestSecurityTokenResponse that was read.
#[derive(Clone, Copy, Debug)]
pub struct RequestSecurityTokenResponse<'a> {
    /// The version whose namespace it is in.
    pub version: TrustVersion,
    /// `@Context`, which correlates the legs of a negotiation.
    pub context: Option<Text<'a>>,
    /// `TokenType`.
    pub token_type: Option<Text<'a>>,
    /// The issued or renewed token.
    pub token: Option<SecurityContextToken<'a>>,
    /// How to refer to the token in a message that holds it.
    pub attached: Option<SecurityTokenReference<'a>>,
    /// How to refer to the token in a message that does not.
    pub unattached: Option<SecurityTokenReference<'a>>,
    /// How to come by the key. Absent: it is the requestor's entropy.
    pub proof: Option<ProofToken<'a>>,
    /// The issuer's entropy.
    pub entropy: Option<BinarySecret<'a>>,
    /// How long the key may be used.
    pub lifetime: Option<Lifetime<'a>>,
    /// The key's length in bits.
    pub key_size: Option<u32>,
    /// `RequestedTokenCancelled` is there.
    pub cancelled: bool,
}

/// How the requestor comes by the key.
#[derive(Clone, Copy, Debug)]
pub enum ProofToken<'a> {
    /// P_SHA1 over the requestor's and the issuer's entropy.
    ComputedPsha1,
    /// The issuer made it.
    Key(BinarySecret<'a>),
}

/// The moments between which a key may be used, `yyyy-MM-ddTHH:mm:ss.fffZ`.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime<'a> {
    /// `Created`.
    pub created: Option<Text<'a>>,
    /// `Expires`. Absent: never.
    pub expires: Option<Text<'a>>,
}

const RSTR: &str = "RequestSecurityTokenResponse";
const RSTRC: &str = "RequestSecurityTokenResponseCollection";

/// Reads a RequestSecurityTokenResponse, or a collection of exactly one, which is what WS-Trust 1.3 answers with.
/// Children that it does not know are passed over; those it knows may come in any order, once each.
///
/// # Errors
/// `start` is neither; the collection holds none or several; a known child stands twice or holds what it must not; or
/// the XML is not well-formed.
pub fn read_response<'a>(
    reader: &mut Reader<'a>,
    start: &Start<'a>,
) -> Result<RequestSecurityTokenResponse<'a>, TrustError> {
    let unexpected = TrustError::Unexpected { parent: "Body", expected: RSTR, offset: start.span.start };
    let version = TrustVersion::from_namespace(start.name.namespace).ok_or(unexpected)?;
    if start.name.local == RSTR.as_bytes() {
        return one(reader, version);
    }
    if start.name.local != RSTRC.as_bytes() {
        return Err(unexpected);
    }
    let child = reader.next_element()?.ok_or(TrustError::Missing { parent: RSTRC, element: RSTR })?;
    if !child.name.is(version.namespace(), RSTR) {
        return Err(TrustError::Unexpected { parent: RSTRC, expected: RSTR, offset: child.span.start });
    }
    let response = one(reader, version)?;
    finish(reader, RSTRC)?;
    Ok(response)
}

fn one<'a>(reader: &mut Reader<'a>, version: TrustVersion) -> Result<RequestSecurityTokenResponse<'a>, TrustError> {
    let mut response = RequestSecurityTokenResponse {
        version,
        context: reader.attribute("", "Context"),
        token_type: None,
        token: None,
        attached: None,
        unattached: None,
        proof: None,
        entropy: None,
        lifetime: None,
        key_size: None,
        cancelled: false,
    };
    while let Some(child) = reader.next_element()? {
        if child.name.namespace != version.namespace().as_bytes() {
            reader.skip()?;
            continue;
        }
        let offset = child.span.start;
        match child.name.local {
            b"TokenType" => once(&mut response.token_type, "TokenType", offset, reader.text()?.trim())?,
            b"RequestedSecurityToken" => {
                once(&mut response.token, "RequestedSecurityToken", offset, token(reader)?)?;
            }
            b"RequestedAttachedReference" => {
                let attached = reference(reader, "RequestedAttachedReference")?;
                once(&mut response.attached, "RequestedAttachedReference", offset, attached)?;
            }
            b"RequestedUnattachedReference" => {
                let unattached = reference(reader, "RequestedUnattachedReference")?;
                once(&mut response.unattached, "RequestedUnattachedReference", offset, unattached)?;
            }
            b"RequestedProofToken" => {
                once(&mut response.proof, "RequestedProofToken", offset, proof(reader, version)?)?;
            }
            b"Entropy" => once(&mut response.entropy, "Entropy", offset, entropy(reader)?)?,
            b"Lifetime" => once(&mut response.lifetime, "Lifetime", offset, lifetime(reader)?)?,
            b"KeySize" => once(&mut response.key_size, "KeySize", offset, key_size(reader)?)?,
            b"RequestedTokenCancelled" => {
                finish(reader, "RequestedTokenCancelled")?;
                if response.cancelled {
                    return Err(TrustError::Duplicate { element: "RequestedTokenCancelled", offset });
                }
                response.cancelled = true;
            }
            _ => {
                reader.skip()?;
            }
        }
    }
    Ok(response)
}

fn token<'a>(reader: &mut Reader<'a>) -> Result<SecurityContextToken<'a>, TrustError> {
    let parent = "RequestedSecurityToken";
    let start = reader.next_element()?.ok_or(TrustError::Missing { parent, element: "SecurityContextToken" })?;
    let token = read_sct(reader, &start)?;
    finish(reader, parent)?;
    Ok(token)
}

fn proof<'a>(reader: &mut Reader<'a>, version: TrustVersion) -> Result<ProofToken<'a>, TrustError> {
    let parent = "RequestedProofToken";
    let start = reader.next_element()?.ok_or(TrustError::Missing { parent, element: "ComputedKey or BinarySecret" })?;
    let proof = if start.name.is(version.namespace(), "ComputedKey") {
        let text = reader.text()?.trim();
        if !text.eq(version.computed_key_psha1()) {
            let offset = text.span().start;
            return Err(TrustError::Value { element: "ComputedKey", problem: Problem::UnknownUri, offset });
        }
        ProofToken::ComputedPsha1
    } else {
        ProofToken::Key(read_binary_secret(reader, &start, parent)?)
    };
    finish(reader, parent)?;
    Ok(proof)
}

fn lifetime<'a>(reader: &mut Reader<'a>) -> Result<Lifetime<'a>, TrustError> {
    let mut lifetime = Lifetime { created: None, expires: None };
    while let Some(child) = reader.next_element()? {
        let offset = child.span.start;
        if child.name.is(names::WSU, "Created") {
            once(&mut lifetime.created, "Created", offset, reader.text()?.trim())?;
        } else if child.name.is(names::WSU, "Expires") {
            once(&mut lifetime.expires, "Expires", offset, reader.text()?.trim())?;
        } else {
            return Err(TrustError::Unexpected { parent: "Lifetime", expected: "Created or Expires", offset });
        }
    }
    Ok(lifetime)
}

/// How the answer gives the key. Debug shows no octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ResponseKey<'a> {
    /// Both sides compute it: the issuer's entropy.
    Combined(&'a [u8]),
    /// The issuer made it: the key.
    Issuer(&'a [u8]),
    /// It is the requestor's entropy: nothing to tell.
    Requestor,
}

impl core::fmt::Debug for ResponseKey<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Combined(_) => "Combined",
            Self::Issuer(_) => "Issuer",
            Self::Requestor => "Requestor",
        })
    }
}

/// What an answer to Issue or Renew tells.
#[derive(Clone, Copy, Debug)]
pub struct IssuedToken<'a> {
    /// wsu:Id of the SecurityContextToken.
    pub token_id: &'a [u8],
    /// The context, and the key's Instance if it is renewed.
    pub context: ContextReference<'a>,
    /// A stateless server's state.
    pub cookie: Option<Base64<'a>>,
    /// How the key is made.
    pub key: ResponseKey<'a>,
    /// wsu:Id of the BinarySecret, if there is one.
    pub secret_id: &'a [u8],
    /// From when the key may be used, `yyyy-MM-ddTHH:mm:ss.fffZ`.
    pub created: &'a [u8],
    /// Until when.
    pub expires: &'a [u8],
    /// The key's length in bits.
    pub bits: u32,
    /// With the attributes of the Basic Security Profile.
    pub bsp: bool,
}

/// Writes the body of an answer to Issue or Renew.
pub fn write_response(writer: &mut Writer<'_>, version: TrustVersion, issued: &IssuedToken<'_>) {
    let prefix = version.prefix();
    let conversation = version.conversation();
    let style = ReferenceStyle::body(issued.bsp);
    open(writer, version, true);
    simple(writer, prefix, "TokenType", conversation.sct_token_type());

    put(writer, &["<", prefix, ":RequestedSecurityToken>"]);
    write_sct(writer, conversation, issued.token_id, issued.context, issued.cookie);
    put(writer, &["</", prefix, ":RequestedSecurityToken><", prefix, ":RequestedAttachedReference>"]);
    let attached = ReferenceTo::Local { id: issued.token_id, token: LocalToken::Sct(conversation) };
    write_reference(writer, style, &attached);
    put(writer, &["</", prefix, ":RequestedAttachedReference><", prefix, ":RequestedUnattachedReference>"]);
    write_reference(writer, style, &ReferenceTo::Sct { version: conversation, context: issued.context });
    put(writer, &["</", prefix, ":RequestedUnattachedReference>"]);

    match issued.key {
        ResponseKey::Combined(entropy) => {
            put(writer, &["<", prefix, ":RequestedProofToken>"]);
            simple(writer, prefix, "ComputedKey", version.computed_key_psha1());
            put(writer, &["</", prefix, ":RequestedProofToken><", prefix, ":Entropy>"]);
            write_binary_secret(writer, version, SecretKind::Nonce, issued.secret_id, false, entropy);
            put(writer, &["</", prefix, ":Entropy>"]);
        }
        ResponseKey::Issuer(key) => {
            put(writer, &["<", prefix, ":RequestedProofToken>"]);
            write_binary_secret(writer, version, SecretKind::SymmetricKey, issued.secret_id, false, key);
            put(writer, &["</", prefix, ":RequestedProofToken>"]);
        }
        ResponseKey::Requestor => {}
    }

    put(writer, &["<", prefix, ":Lifetime><u:Created>"]);
    writer.text(issued.created);
    writer.put_str("</u:Created><u:Expires>");
    writer.text(issued.expires);
    put(writer, &["</u:Expires></", prefix, ":Lifetime><", prefix, ":KeySize>"]);
    writer.number(u64::from(issued.bits));
    put(writer, &["</", prefix, ":KeySize>"]);
    close(writer, version);
}

/// Writes the body of an answer to Cancel.
pub fn write_cancelled(writer: &mut Writer<'_>, version: TrustVersion) {
    open(writer, version, false);
    simple(writer, version.prefix(), "RequestedTokenCancelled", "");
    close(writer, version);
}

/// The start tags, with `u` declared where Ids and moments need it.
fn open(writer: &mut Writer<'_>, version: TrustVersion, wsu: bool) {
    let prefix = version.prefix();
    if version.collects_responses() {
        put(writer, &["<", prefix, ":", RSTRC, " xmlns:", prefix, "=\"", version.namespace(), "\">"]);
        put(writer, &["<", prefix, ":", RSTR]);
    } else {
        put(writer, &["<", prefix, ":", RSTR, " xmlns:", prefix, "=\"", version.namespace(), "\""]);
    }
    if wsu {
        put(writer, &[" xmlns:u=\"", names::WSU, "\""]);
    }
    writer.put_str(">");
}

fn close(writer: &mut Writer<'_>, version: TrustVersion) {
    put(writer, &["</", version.prefix(), ":", RSTR, ">"]);
    if version.collects_responses() {
        put(writer, &["</", version.prefix(), ":", RSTRC, ">"]);
    }
}
