//! The tokens that a client holds: the current one, and the one before it for as long as replies may still use it.

use super::binding::{Binding, InitiatorSettings};
use super::conversation::Failure;
use super::emit::UniqueIds;
use super::keyring::Keyring;
use super::session_keys::SessionKeys;
use super::tokens::sha1;
use super::trust::{
    Base64, ContextReference, RequestSecurityTokenResponse, SecurityContextToken, TrustError, read_sct, write_sct,
};
use super::{CredentialError, Credentials};
use crate::chance::Entropy;
use crate::crypto::{AlgorithmSuite, Backend, SecretKey};
use crate::soap::names;
use crate::time::{Duration, Instant, UnixMillis};
use crate::xml::{Limits, Reader, Writer};
use heapless::Vec;

/// Longest `SecurityContextToken` element that a client keeps, in bytes. WCF's are about 250; a stateless service's, with
/// its cookie, about 1000.
const LONGEST_ELEMENT: usize = 2048;
/// Longest identifier, instance or Id, in bytes.
const LONGEST_NAME: usize = 128;

type NameText = Vec<u8, LONGEST_NAME>;

/// One generation of the conversation's token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ClientToken {
    element: Vec<u8, LONGEST_ELEMENT>,
    id: NameText,
    identifier: NameText,
    instance: NameText,
    key: SecretKey,
    /// In cookie mode keys are derived for each message.
    keys: Option<SessionKeys>,
    valid_from: UnixMillis,
    valid_to: UnixMillis,
}

impl ClientToken {
    /// The token of an RSTR, with the derived keys that this side will use under it.
    pub(super) fn new<B: Backend>(
        response: &RequestSecurityTokenResponse<'_>,
        message: &[u8],
        key: SecretKey,
        binding: &Binding,
        ids: &mut UniqueIds,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, Failure> {
        let token = response.token.ok_or(Failure::Unexpected)?;
        if token.version != binding.version {
            return Err(Failure::Unexpected);
        }
        if response.token_type.is_some_and(|kind| !kind.eq(binding.version.sct_token_type())) {
            return Err(Failure::Unexpected);
        }
        let text = |bytes: &[u8]| NameText::from_slice(bytes).map_err(|_| Failure::Unexpected);
        let moment = |text: Option<crate::xml::Text<'_>>| text.map(|text| UnixMillis::parse(text.trim().raw()));
        let lifetime = response.lifetime.as_ref();
        let valid_from = moment(lifetime.and_then(|l| l.created)).unwrap_or(Some(UnixMillis::MIN));
        let valid_to = moment(lifetime.and_then(|l| l.expires)).unwrap_or(Some(UnixMillis::MAX));
        let per_session = !binding.cookie_mode();
        let keys = per_session.then(|| SessionKeys::fresh::<B>(&key, binding.suite, ids, entropy));
        Ok(Self {
            element: element(&token, message, &binding.limits)?,
            id: text(token.id.ok_or(Failure::Unexpected)?)?,
            identifier: text(token.context.identifier)?,
            instance: text(token.context.instance.unwrap_or(&[]))?,
            key,
            keys,
            valid_from: valid_from.ok_or(Failure::Unexpected)?,
            valid_to: valid_to.ok_or(Failure::Unexpected)?,
        })
    }

    pub(super) fn element(&self) -> &[u8] {
        &self.element
    }

    pub(super) fn id(&self) -> &[u8] {
        &self.id
    }

    pub(super) fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    pub(super) fn instance(&self) -> Option<&[u8]> {
        Some(self.instance.as_slice()).filter(|instance| !instance.is_empty())
    }

    pub(super) fn reference(&self) -> ContextReference<'_> {
        ContextReference { identifier: &self.identifier, instance: self.instance() }
    }

    pub(super) const fn key(&self) -> &SecretKey {
        &self.key
    }

    /// The derived keys that are repeated in every message.
    pub(super) const fn keys(&self) -> Option<&SessionKeys> {
        self.keys.as_ref()
    }

    pub(super) fn renewal_due(&self, wall: UnixMillis, settings: &InitiatorSettings) -> bool {
        wall >= self.renewal_at(settings)
    }

    /// WCF's rule: at 60 % of the lifetime, or after the renewal interval, whichever comes first. The interval is not for
    /// tokens with cookies.
    pub(super) fn renewal_at(&self, settings: &InitiatorSettings) -> UnixMillis {
        let life = self.valid_to.0.saturating_sub(self.valid_from.0);
        let percent = i64::from(settings.renewal_threshold_percent);
        // Divided first, so that a lifetime without end does not overflow.
        let share = (life / 100).saturating_mul(percent).saturating_add((life % 100).saturating_mul(percent) / 100);
        let threshold = UnixMillis(self.valid_from.0.saturating_add(share));
        let interval = self.keys.is_some().then(|| self.valid_from.after(settings.key_renewal_interval));
        interval.map_or(threshold, |interval| interval.min(threshold))
    }
}

/// The token's element as messages are to carry it: as it came, as WCF has it; but written anew where it leans on declarations around it
/// that messages do not have. They have `u`.
fn element(
    token: &SecurityContextToken<'_>,
    message: &[u8],
    limits: &Limits,
) -> Result<Vec<u8, LONGEST_ELEMENT>, Failure> {
    let verbatim = token.span.of(message);
    if stands_alone(verbatim, token, limits) {
        return Vec::from_slice(verbatim).map_err(|_| Failure::Unexpected);
    }
    let id = token.id.ok_or(Failure::Unexpected)?;
    let mut element = Vec::new();
    element.resize(LONGEST_ELEMENT, 0).map_err(|_| Failure::Unexpected)?;
    let mut writer = Writer::new(&mut element);
    write_sct(&mut writer, token.version, id, token.context, token.cookie.map(|cookie| Base64::Text(cookie.raw())));
    let len = writer.finish().map_err(|_| Failure::Unexpected)?;
    element.truncate(len);
    Ok(element)
}

/// Does it say the same where only `u` is declared?
fn stands_alone(verbatim: &[u8], token: &SecurityContextToken<'_>, limits: &Limits) -> bool {
    let mut document = [0; LONGEST_ELEMENT + 128];
    let mut writer = Writer::new(&mut document);
    for part in [b"<e xmlns:u=\"", names::WSU.as_bytes(), b"\">", verbatim, b"</e>"] {
        writer.put(part);
    }
    let Some(document) = writer.finish().ok().and_then(|len| document.get(..len)) else { return false };
    let read = || -> Result<bool, TrustError> {
        let mut reader = Reader::document(document, limits)?;
        reader.next_element()?;
        let Some(start) = reader.next_element()? else { return Ok(false) };
        let again = read_sct(&mut reader, &start)?;
        // What is in it, and in no other namespace, was read of the same octets.
        Ok(again.version == token.version && again.id == token.id && again.cookie.is_some() == token.cookie.is_some())
    };
    read().unwrap_or(false)
}

/// The tokens of one conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct ClientTokens {
    current: Option<ClientToken>,
    /// The token before the last renewal, and when that was.
    previous: Option<(ClientToken, Instant)>,
}

impl ClientTokens {
    pub(super) const fn current(&self) -> Option<&ClientToken> {
        self.current.as_ref()
    }

    /// Makes `token` the one that is used; the one before is still accepted for the rollover interval.
    pub(super) fn replace(&mut self, token: ClientToken, now: Instant) {
        self.previous = self.current.take().map(|old| (old, now));
        self.current = Some(token);
    }

    pub(super) fn forget_old(&mut self, now: Instant, rollover: Duration) {
        if self.previous.as_ref().is_some_and(|(_, since)| now >= since.after(rollover)) {
            self.previous = None;
        }
    }

    /// When the token before the last renewal was replaced, while it is kept.
    pub(super) fn replaced_at(&self) -> Option<Instant> {
        self.previous.as_ref().map(|(_, since)| *since)
    }

    pub(super) const fn keyring<'t>(&'t self, wrapped: Option<&'t Wrapped>) -> ClientKeyring<'t> {
        ClientKeyring { tokens: self, wrapped }
    }
}

/// What a client's replies may be protected with.
pub(super) struct ClientKeyring<'t> {
    tokens: &'t ClientTokens,
    wrapped: Option<&'t Wrapped>,
}

impl Keyring for ClientKeyring<'_> {
    fn security_context(&self, identifier: &[u8], instance: Option<&[u8]>) -> Option<SecretKey> {
        let previous = self.tokens.previous.as_ref().map(|(token, _)| token);
        self.tokens
            .current
            .iter()
            .chain(previous)
            .find(|token| token.identifier() == identifier && token.instance() == instance)
            .map(|token| token.key.clone())
    }

    fn encrypted_key(&self, hash: &[u8; 20]) -> Option<SecretKey> {
        self.wrapped.filter(|wrapped| wrapped.sha1 == *hash).map(|wrapped| wrapped.key.clone())
    }

    fn decoy(&self, _: &[u8; 20]) -> SecretKey {
        // Nobody wraps keys for a client; without a private key there is nothing that a decoy would hide.
        SecretKey::default()
    }
}

/// A key that the client made and wrapped for the service's certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wrapped {
    pub(super) key: SecretKey,
    pub(super) thumbprint: [u8; 20],
    octets: Vec<u8, 512>,
    sha1: [u8; 20],
}

impl Wrapped {
    pub(super) fn fresh<B: Backend, C: Credentials + ?Sized>(
        len: usize,
        suite: AlgorithmSuite,
        credentials: &C,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, Failure> {
        let unsupported = Failure::Credential(CredentialError::Unsupported);
        let mut key = SecretKey::zeroed(len).ok_or_else(|| unsupported.clone())?;
        entropy.fill(key.as_mut_bytes());
        let thumbprint = credentials.service_thumbprint().map_err(Failure::Credential)?;
        let mut octets = Vec::new();
        octets.resize(octets.capacity(), 0).map_err(|_| unsupported.clone())?;
        let transport = suite.key_transport();
        let len = credentials.wrap_key(transport, key.as_bytes(), &mut octets).map_err(Failure::Credential)?;
        octets.truncate(len);
        let sha1 = sha1::<B>(&octets);
        Ok(Self { key, thumbprint, octets, sha1 })
    }

    pub(super) const fn sha1(&self) -> &[u8; 20] {
        &self.sha1
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    extern crate std;

    use super::*;
    use crate::secure::trust::read_response;
    use std::string::String;

    const BARE: &str = "<sc:SecurityContextToken u:Id=\"i\" \
        xmlns:sc=\"http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512\"><sc:Identifier>urn:a</sc:Identifier>\
        </sc:SecurityContextToken>";

    fn kept(declared: &str, token: &str) -> String {
        let document = std::format!(
            "<e {declared}><t:RequestSecurityTokenResponse xmlns:t=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512\">\
             <t:RequestedSecurityToken>{token}</t:RequestedSecurityToken></t:RequestSecurityTokenResponse></e>"
        );
        let limits = Limits::default();
        let mut reader = Reader::document(document.as_bytes(), &limits).unwrap();
        reader.next_element().unwrap().unwrap();
        let start = reader.next_element().unwrap().unwrap();
        let token = read_response(&mut reader, &start).unwrap().token.unwrap();
        let element = element(&token, document.as_bytes(), &limits).unwrap();
        String::from_utf8(element.to_vec()).unwrap()
    }

    #[test]
    fn a_token_is_kept_as_it_came_and_written_anew_where_it_leans_on_what_stood_around_it() {
        let (wsu, sc) = (names::WSU, "http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512");
        // WCF's way: the declaration of `u` is the envelope's.
        assert_eq!(kept(&std::format!("xmlns:u=\"{wsu}\""), BARE), BARE);
        // All of it is its own, in whatever order and by whatever names.
        let own = std::format!(
            "<SecurityContextToken xmlns=\"{sc}\" w:Id=\"i\"  xmlns:w=\"{wsu}\" ><Identifier>urn:a</Identifier></SecurityContextToken>"
        );
        assert_eq!(kept("", &own), own);
        // WSS4J's names.
        let leaning =
            "<wsc:SecurityContextToken wsu:Id=\"i\"><wsc:Identifier>urn:a</wsc:Identifier></wsc:SecurityContextToken>";
        assert_eq!(kept(&std::format!("xmlns:wsu=\"{wsu}\" xmlns:wsc=\"{sc}\""), leaning), BARE);
        // Without a prefix it would be in no namespace.
        let plain = "<SecurityContextToken wsu:Id=\"i\"><Identifier>urn:a</Identifier></SecurityContextToken>";
        assert_eq!(kept(&std::format!("xmlns:wsu=\"{wsu}\" xmlns=\"{sc}\""), plain), BARE);
        // `u` is something else there than in our messages.
        let other = "<u:SecurityContextToken wsu:Id=\"i\"><u:Identifier>urn:a</u:Identifier></u:SecurityContextToken>";
        assert_eq!(kept(&std::format!("xmlns:wsu=\"{wsu}\" xmlns:u=\"{sc}\""), other), BARE);
    }
}
