//! RequestSecurityToken for security contexts: Issue, Renew, Cancel.

use super::reference::finish;
use super::secret::write_binary_secret;
use super::{
    BinarySecret, ContextReference, Problem, ReferenceStyle, ReferenceTo, SecretKind, SecurityTokenReference,
    TrustError, key_size, once, put, read_binary_secret, read_reference, simple, write_reference,
};
use crate::soap::{RequestType, TrustVersion};
use crate::xml::{Reader, Start, Text, Writer};

/// A RequestSecurityToken that was read.
#[derive(Clone, Copy, Debug)]
pub struct RequestSecurityToken<'a> {
    /// The version whose namespace it is in.
    pub version: TrustVersion,
    /// `@Context`, which correlates the legs of a negotiation.
    pub context: Option<Text<'a>>,
    /// `TokenType`. WCF's server takes an absent one as a SecurityContextToken.
    pub token_type: Option<Text<'a>>,
    /// `RequestType`. WCF's server takes an absent one as what the action says, except for Renew.
    pub request_type: Option<RequestType>,
    /// The requestor's entropy.
    pub entropy: Option<BinarySecret<'a>>,
    /// `KeySize` in bits.
    pub key_size: Option<u32>,
    /// `RenewTarget`.
    pub renew_target: Option<SecurityTokenReference<'a>>,
    /// `CancelTarget`.
    pub cancel_target: Option<SecurityTokenReference<'a>>,
}

const RST: &str = "RequestSecurityToken";

/// Reads a RequestSecurityToken. Children that it does not know are passed over, as in WCF; those it knows may come in
/// any order, once each.
///
/// # Errors
/// `start` is no RequestSecurityToken, a known child stands twice or holds what it must not, or the XML is not
/// well-formed.
pub fn read_request<'a>(reader: &mut Reader<'a>, start: &Start<'a>) -> Result<RequestSecurityToken<'a>, TrustError> {
    let version = TrustVersion::from_namespace(start.name.namespace)
        .filter(|_| start.name.local == RST.as_bytes())
        .ok_or(TrustError::Unexpected { parent: "Body", expected: RST, offset: start.span.start })?;
    let mut request = RequestSecurityToken {
        version,
        context: reader.attribute("", "Context"),
        token_type: None,
        request_type: None,
        entropy: None,
        key_size: None,
        renew_target: None,
        cancel_target: None,
    };
    while let Some(child) = reader.next_element()? {
        if child.name.namespace != version.namespace().as_bytes() {
            reader.skip()?;
            continue;
        }
        let offset = child.span.start;
        match child.name.local {
            b"TokenType" => once(&mut request.token_type, "TokenType", offset, reader.text()?.trim())?,
            b"RequestType" => {
                once(&mut request.request_type, "RequestType", offset, request_type(reader, version)?)?;
            }
            b"Entropy" => once(&mut request.entropy, "Entropy", offset, entropy(reader)?)?,
            b"KeySize" => once(&mut request.key_size, "KeySize", offset, key_size(reader)?)?,
            b"RenewTarget" => {
                let target = reference(reader, "RenewTarget")?;
                once(&mut request.renew_target, "RenewTarget", offset, target)?;
            }
            b"CancelTarget" => {
                let target = reference(reader, "CancelTarget")?;
                once(&mut request.cancel_target, "CancelTarget", offset, target)?;
            }
            _ => {
                reader.skip()?;
            }
        }
    }
    Ok(request)
}

fn request_type(reader: &mut Reader<'_>, version: TrustVersion) -> Result<RequestType, TrustError> {
    let text = reader.text()?.trim();
    let offset = text.span().start;
    [RequestType::Issue, RequestType::Renew, RequestType::Cancel]
        .into_iter()
        .find(|request| text.eq(version.request_type(*request)))
        .ok_or(TrustError::Value { element: "RequestType", problem: Problem::UnknownUri, offset })
}

/// The one BinarySecret of `Entropy`.
pub(super) fn entropy<'a>(reader: &mut Reader<'a>) -> Result<BinarySecret<'a>, TrustError> {
    let parent = "Entropy";
    let start = reader.next_element()?.ok_or(TrustError::Missing { parent, element: "BinarySecret" })?;
    let secret = read_binary_secret(reader, &start, parent)?;
    finish(reader, parent)?;
    Ok(secret)
}

/// The one SecurityTokenReference of `parent`.
pub(super) fn reference<'a>(
    reader: &mut Reader<'a>,
    parent: &'static str,
) -> Result<SecurityTokenReference<'a>, TrustError> {
    let start = reader.next_element()?.ok_or(TrustError::Missing { parent, element: "SecurityTokenReference" })?;
    let reference = read_reference(reader, &start)?;
    finish(reader, parent)?;
    Ok(reference)
}

/// The key that a request asks for.
#[derive(Clone, Copy)]
pub struct RequestedKey<'a> {
    /// wsu:Id of the BinarySecret.
    pub entropy_id: &'a [u8],
    /// The requestor's entropy; WCF makes it as long as the key. `None`: the server makes the key alone.
    pub entropy: Option<&'a [u8]>,
    /// The key's length in bits.
    pub bits: u32,
}

impl core::fmt::Debug for RequestedKey<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RequestedKey").field("bits", &self.bits).finish_non_exhaustive()
    }
}

/// Writes the body of a request for a new SecurityContextToken.
pub fn write_issue(writer: &mut Writer<'_>, version: TrustVersion, key: &RequestedKey<'_>) {
    open(writer, version);
    asked(writer, version, RequestType::Issue, key);
    close(writer, version);
}

/// Writes the body of a request for a new key of `target`, the context's current one.
pub fn write_renew(
    writer: &mut Writer<'_>,
    version: TrustVersion,
    key: &RequestedKey<'_>,
    target: ContextReference<'_>,
) {
    open(writer, version);
    asked(writer, version, RequestType::Renew, key);
    target_of(writer, version, "RenewTarget", target);
    close(writer, version);
}

/// Writes the body of a request to end the context of `target`.
pub fn write_cancel(writer: &mut Writer<'_>, version: TrustVersion, target: ContextReference<'_>) {
    open(writer, version);
    simple(writer, version.prefix(), "RequestType", version.request_type(RequestType::Cancel));
    target_of(writer, version, "CancelTarget", target);
    close(writer, version);
}

fn open(writer: &mut Writer<'_>, version: TrustVersion) {
    let prefix = version.prefix();
    put(writer, &["<", prefix, ":RequestSecurityToken xmlns:", prefix, "=\"", version.namespace(), "\">"]);
}

fn close(writer: &mut Writer<'_>, version: TrustVersion) {
    put(writer, &["</", version.prefix(), ":RequestSecurityToken>"]);
}

fn asked(writer: &mut Writer<'_>, version: TrustVersion, request: RequestType, key: &RequestedKey<'_>) {
    let prefix = version.prefix();
    simple(writer, prefix, "TokenType", version.conversation().sct_token_type());
    simple(writer, prefix, "RequestType", version.request_type(request));
    if let Some(octets) = key.entropy {
        put(writer, &["<", prefix, ":Entropy>"]);
        write_binary_secret(writer, version, SecretKind::Nonce, key.entropy_id, true, octets);
        put(writer, &["</", prefix, ":Entropy>"]);
    }
    put(writer, &["<", prefix, ":KeySize>"]);
    writer.number(u64::from(key.bits));
    put(writer, &["</", prefix, ":KeySize>"]);
}

fn target_of(writer: &mut Writer<'_>, version: TrustVersion, element: &str, context: ContextReference<'_>) {
    let prefix = version.prefix();
    put(writer, &["<", prefix, ":", element, ">"]);
    let to = ReferenceTo::Sct { version: version.conversation(), context };
    write_reference(writer, ReferenceStyle::body(false), &to);
    put(writer, &["</", prefix, ":", element, ">"]);
}
