//! Opening a secured message: decrypt in place, verify by element identity, hand on what was verified.
//!
//! The order is: find everything, learn the keys, decrypt what a reference list names, verify the primary signature and
//! every digest in it, verify endorsing signatures, and only then judge what had to be covered. Decrypted text takes the
//! place of its `EncryptedData`, with comments around it where the ciphertext was longer; canonicalization drops them, so
//! that the message stays one well-formed document and no byte moves.

use super::opened::{AddressingValues, Coverage, Endorsement, OpenContext, Opened, ProtectionToken, User};
use super::reference_list::Listed;
use super::scan::{Child, Map, scan};
use super::tokens::{Keys, Root, Sources, enter};
use super::verify::Primary;
use super::{
    AddressingUse, Confirmations, Credentials, Element, Encryption, Keyring, Layout, Policy, ProtectionOrder, Refusal,
    SignatureValue,
};
use crate::crypto::{Backend, SuiteSet};
use crate::soap::{Addressing, names};
use crate::time::UnixMillis;
use crate::xml::{self, Limits, Reader, Span};
use heapless::Vec;

/// Decrypts `message` in place and verifies it.
///
/// # Errors
/// A [`Refusal`] with the exact reason. The bytes may have been decrypted in part: a refused message is not to be read.
pub fn open<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
    message: &mut [u8],
    context: &OpenContext<'_, K, C>,
) -> Result<Opened, Refusal> {
    // Ciphertext is one long run of text: it is bounded by the message, the quotas are for what the application reads.
    let wire = Limits { string_content: context.limits.message, ..context.limits.clone() };
    let map = scan(message, &wire, context.policy.addressing != AddressingUse::Unknown)?;
    if map.security.is_none() {
        return Err(Refusal::Missing(Element::Security));
    }
    let mut opening = Opening {
        suites: context.policy.suites,
        map,
        keys: Keys::default(),
        listed: Listed::default(),
        encryption_root: None,
        undecryptable: None,
        wire,
        coverage: Coverage::default(),
    };
    // The envelope was XML. Whatever is not from here on came out of ciphertext or stands in the security header, and must
    // not be told apart from a signature that does not hold: no decryption oracle.
    opening.run::<B, K, C>(message, context).map_err(|refusal| {
        // Under a decoy nothing decrypts; the reason is that there was no key.
        let unreadable = matches!(refusal, Refusal::Xml(_) | Refusal::Undecryptable(_));
        if let Some(reason) = opening.keys.unwrapping().filter(|_| unreadable) {
            return reason;
        }
        if let Refusal::Xml(error) = refusal { Refusal::Unreadable(error) } else { refusal }
    })
}

pub(super) struct Opening {
    pub(super) map: Map,
    pub(super) keys: Keys,
    pub(super) listed: Listed,
    pub(super) suites: SuiteSet,
    /// The token that everything encrypted used.
    pub(super) encryption_root: Option<Root>,
    /// Ciphertext with bad padding. Told only after the signature was judged, so that the two look alike in time too.
    pub(super) undecryptable: Option<Element>,
    pub(super) wire: Limits,
    pub(super) coverage: Coverage,
}

/// What was verified of a message.
pub(super) struct Verified {
    pub(super) body: Span,
    pub(super) token: ProtectionToken,
    pub(super) order: ProtectionOrder,
    pub(super) created: Option<UnixMillis>,
    pub(super) expires: Option<UnixMillis>,
    pub(super) signature: SignatureValue,
    pub(super) endorsements: Vec<Endorsement, 2>,
    pub(super) user: Option<User>,
    pub(super) confirmations: Vec<Span, 4>,
}

impl Opening {
    fn run<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        message: &mut [u8],
        context: &OpenContext<'_, K, C>,
    ) -> Result<Opened, Refusal> {
        let policy = context.policy;
        if policy.transport {
            return self.run_over_transport::<B, K, C>(message, context);
        }
        let (created, expires) = self.timestamp(message, context)?;
        self.reference_lists(message)?;
        let wire = self.wire.clone();
        let sources = Sources {
            keyring: context.keyring,
            credentials: context.credentials,
            version: policy.version,
            underived_keys: policy.underived_keys,
            limits: &wire,
        };
        self.keys.collect::<B, K, C>(message, &self.map, &mut self.suites, &sources, &mut self.listed)?;
        self.strict_tokens(policy)?;
        let order = self.order(policy)?;
        let body_id = self.map.body.data_id;
        let body_encrypted = self.map.body.encrypted.is_some() && self.listed.position_of(message, body_id).is_some();
        match policy.body {
            Encryption::Required if !body_encrypted => return Err(Refusal::NotEncrypted(Element::Body)),
            Encryption::None if self.map.body.encrypted.is_some() => return Err(Refusal::Encrypted(Element::Body)),
            Encryption::Required | Encryption::None | Encryption::Optional => {}
        }
        let known = |id: Span| {
            let id = id.of(message);
            let child = |c: &Child| c.kind == Element::EncryptedData && c.id.of(message) == id;
            (!body_id.is_empty() && body_id.of(message) == id) || self.map.children.iter().any(child)
        };
        if let Some(offset) = self.listed.dangling(known) {
            return Err(Refusal::DanglingReference { offset });
        }
        let plain_first = order == ProtectionOrder::EncryptBeforeSign;
        let mut body = self.map.body.content;
        if !plain_first {
            self.decrypt_children::<B, K, C>(message, policy, &sources)?;
            if body_encrypted {
                body = self.decrypt_body::<B, K, C>(message, policy, &sources)?;
            }
        }
        let primary = self.primary::<B, K, C>(message, context, &sources, order, body_encrypted)?;
        if plain_first {
            self.decrypt_children::<B, K, C>(message, policy, &sources)?;
            if body_encrypted {
                body = self.decrypt_body::<B, K, C>(message, policy, &sources)?;
                self.check_plain_body(message, context.limits)?;
            }
            // In this order the signature was judged before it was known what encrypted.
            let certified = primary.certificate.is_some();
            if self.encryption_root.is_some_and(|root| root != primary.root && !certified) {
                return Err(Refusal::TokenMismatch);
            }
        }
        if let Some(element) = self.undecryptable {
            return Err(Refusal::Undecryptable(element));
        }
        let endorsements = self.endorsements::<B, K, C>(message, context, &sources, &primary)?;
        self.covered(policy)?;
        let confirmations = self.confirmations(message, policy)?;
        let user = self.user(message, context)?;
        self.age(context, created, expires)?;
        let token = self.token(&primary)?;
        let signature = primary.value;
        self.opened(
            message,
            Verified { body, token, order, created, expires, signature, endorsements, user, confirmations },
        )
    }

    /// All that is handed on.
    pub(super) fn opened(&mut self, message: &[u8], verified: Verified) -> Result<Opened, Refusal> {
        let Verified { body, token, order, created, expires, signature, endorsements, user, confirmations } = verified;
        let must_understand =
            self.map.headers.iter().find(|h| h.must_understand && h.kind == Element::HeaderBlock).map(|h| h.span);
        Ok(Opened {
            soap: self.map.soap,
            addressing_version: self.map.addressing,
            addressing: self.addressing(message)?,
            body,
            body_scope: self.map.envelope_scope.clone(),
            header_scope: self.map.header_scope.clone(),
            headers: self.map.headers.iter().map(|h| (h.kind, h.span)).collect(),
            must_understand,
            token,
            suites: self.suites,
            order,
            created,
            expires,
            signature,
            endorsements,
            user,
            confirmations,
            coverage: core::mem::take(&mut self.coverage),
        })
    }

    /// Reads the timestamp; its age is judged after the signature.
    pub(super) fn timestamp<K: ?Sized, C: ?Sized>(
        &self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
    ) -> Result<(Option<UnixMillis>, Option<UnixMillis>), Refusal> {
        let mut stamps = self.map.children.iter().filter(|c| c.kind == Element::Timestamp);
        let stamp = stamps.next();
        if stamps.next().is_some() {
            return Err(Refusal::Repeated(Element::Timestamp));
        }
        let Some(stamp) = stamp else {
            return if context.policy.timestamp { Err(Refusal::Missing(Element::Timestamp)) } else { Ok((None, None)) };
        };
        let misplaced = match context.policy.layout {
            Layout::LaxTimestampFirst => self.map.children.first().is_some_and(|c| c.span != stamp.span),
            Layout::LaxTimestampLast => self.map.children.last().is_some_and(|c| c.span != stamp.span),
            Layout::Strict | Layout::Lax => false,
        };
        if misplaced {
            return Err(Refusal::Layout { element: Element::Timestamp, offset: stamp.span.start });
        }
        let bad = Refusal::Malformed { element: Element::Timestamp, offset: stamp.span.start };
        let (mut reader, _) = enter(buf, stamp.span, &self.map, &self.wire)?;
        reader.next_element()?.filter(|s| s.name.is(names::WSU, "Created")).ok_or(bad)?;
        let created = UnixMillis::parse(reader.text()?.trim().raw()).ok_or(bad)?;
        let mut expires = None;
        if let Some(start) = reader.next_element()? {
            if !start.name.is(names::WSU, "Expires") {
                return Err(bad);
            }
            expires = Some(UnixMillis::parse(reader.text()?.trim().raw()).ok_or(bad)?);
        }
        // Created must come before Expires (WCF refuses the contrary whatever the clock says).
        if reader.next_element()?.is_some() || expires.is_some_and(|end| end <= created) {
            return Err(bad);
        }
        Ok((Some(created), expires))
    }

    fn reference_lists(&mut self, buf: &[u8]) -> Result<(), Refusal> {
        for child in self.map.children.iter().filter(|c| c.kind == Element::ReferenceList) {
            let (mut reader, _) = enter(buf, child.span, &self.map, &self.wire)?;
            self.listed.read(&mut reader, child.span.start)?;
        }
        Ok(())
    }

    /// Strict layout: a token stands before what uses it.
    fn strict_tokens(&self, policy: &Policy) -> Result<(), Refusal> {
        if policy.layout != Layout::Strict {
            return Ok(());
        }
        for child in self.map.children.iter().filter(|c| c.kind == Element::DerivedKeyToken) {
            if self.keys.source_position(child.span.start).is_some_and(|at| at > child.span.start) {
                return Err(Refusal::Layout { element: Element::DerivedKeyToken, offset: child.span.start });
            }
        }
        Ok(())
    }

    /// The protection order that the message shows, checked against the one agreed.
    fn order(&self, policy: &Policy) -> Result<ProtectionOrder, Refusal> {
        let clear_signature = self.map.children.iter().find(|c| c.kind == Element::Signature).map(|c| c.span.start);
        let list = self.map.children.iter().find(|c| c.kind == Element::ReferenceList).map(|c| c.span.start);
        let shown = match (clear_signature, list) {
            (Some(signature), Some(list)) if signature < list => ProtectionOrder::EncryptBeforeSign,
            (Some(_), _) => ProtectionOrder::SignBeforeEncrypt,
            (None, _) => ProtectionOrder::SignBeforeEncryptAndEncryptSignature,
        };
        let Some(agreed) = policy.order else { return Ok(shown) };
        // With nothing encrypted all three orders look like SignBeforeEncrypt: WCF's downgrade rule.
        let nothing = self.map.body.encrypted.is_none() && self.listed.is_empty();
        if agreed == shown || (nothing && shown == ProtectionOrder::SignBeforeEncrypt) {
            return Ok(agreed);
        }
        // A receiver that does not insist on an encrypted body does not insist on an encrypted signature either.
        let relaxed = policy.body == Encryption::Optional && agreed == ProtectionOrder::default();
        if relaxed && shown == ProtectionOrder::SignBeforeEncrypt {
            return Ok(shown);
        }
        // Lax layouts may put the list anywhere, so that the position tells nothing about the order.
        let lax = policy.layout != Layout::Strict && clear_signature.is_some();
        if lax && agreed != ProtectionOrder::SignBeforeEncryptAndEncryptSignature {
            return Ok(agreed);
        }
        Err(Refusal::Order { element: Element::Signature })
    }

    /// Everything that must be signed is, and nothing encrypted went unlisted.
    fn covered(&self, policy: &Policy) -> Result<(), Refusal> {
        if !self.map.body.signed {
            return Err(Refusal::NotSigned(Element::Body));
        }
        for header in &self.map.headers {
            if header.kind != Element::HeaderBlock && !header.signed {
                return Err(Refusal::NotSigned(header.kind));
            }
        }
        self.addressed(policy)?;
        for child in &self.map.children {
            let must =
                matches!(child.kind, Element::Timestamp | Element::SignatureConfirmation | Element::UsernameToken);
            if must && !child.signed {
                return Err(Refusal::NotSigned(child.kind));
            }
        }
        Ok(())
    }

    /// There is an `Action`, where there has to be one.
    pub(super) fn addressed(&self, policy: &Policy) -> Result<(), Refusal> {
        let named = || self.map.headers.iter().any(|h| h.kind == Element::Action);
        if policy.addressing == AddressingUse::Required && !named() {
            return Err(Refusal::Missing(Element::Action));
        }
        Ok(())
    }

    fn confirmations(&self, buf: &[u8], policy: &Policy) -> Result<Vec<Span, 4>, Refusal> {
        let mut values = Vec::new();
        for child in self.map.children.iter().filter(|c| c.kind == Element::SignatureConfirmation) {
            if policy.confirmations == Confirmations::Refused {
                return Err(Refusal::Confirmation);
            }
            let (reader, _) = enter(buf, child.span, &self.map, &self.wire)?;
            let value = reader.attribute("", "Value").ok_or(Refusal::Confirmation)?;
            values
                .push(value.span())
                .map_err(|_| Refusal::TooMany { element: Element::SignatureConfirmation, limit: 4 })?;
        }
        if policy.confirmations == Confirmations::Required && values.is_empty() {
            return Err(Refusal::Confirmation);
        }
        Ok(values)
    }

    pub(super) fn user<K: ?Sized, C: Credentials + ?Sized>(
        &self,
        buf: &[u8],
        context: &OpenContext<'_, K, C>,
    ) -> Result<Option<User>, Refusal> {
        let mut tokens = self.map.children.iter().filter(|c| c.kind == Element::UsernameToken);
        let Some(child) = tokens.next() else {
            return if context.policy.username { Err(Refusal::Missing(Element::UsernameToken)) } else { Ok(None) };
        };
        if tokens.next().is_some() {
            return Err(Refusal::Repeated(Element::UsernameToken));
        }
        if !child.was_encrypted && !context.policy.transport {
            return Err(Refusal::NotEncrypted(Element::UsernameToken));
        }
        super::username::check(buf, child.span, &self.map.security_scope, &self.wire, context.credentials).map(Some)
    }

    /// Timestamp rules of WCF: Expires > now - skew, Created < now + skew, Created > now - (window + skew).
    pub(super) fn age<K: ?Sized, C: ?Sized>(
        &self,
        context: &OpenContext<'_, K, C>,
        created: Option<UnixMillis>,
        expires: Option<UnixMillis>,
    ) -> Result<(), Refusal> {
        let Some(created) = created else { return Ok(()) };
        let now = context.now.unwrap_or(created);
        let skew = i64::try_from(context.policy.clock.max_clock_skew.as_millis()).unwrap_or(i64::MAX);
        let window = i64::try_from(context.policy.clock.replay_window.as_millis()).unwrap_or(i64::MAX);
        let ahead = created.0.saturating_sub(now.0.saturating_add(skew));
        if ahead >= 0 {
            return Err(Refusal::FromTheFuture { by_ms: ahead.unsigned_abs() });
        }
        let behind = now.0.saturating_sub(skew).saturating_sub(window).saturating_sub(created.0);
        if behind >= 0 {
            return Err(Refusal::Stale { by_ms: behind.unsigned_abs() });
        }
        let past = expires.map(|end| now.0.saturating_sub(skew).saturating_sub(end.0));
        match past {
            Some(past) if past >= 0 => Err(Refusal::Expired { by_ms: past.unsigned_abs() }),
            _ => Ok(()),
        }
    }

    fn token(&self, primary: &Primary) -> Result<ProtectionToken, Refusal> {
        match primary.root {
            Root::Context(index) => {
                Ok(ProtectionToken::SecurityContext(self.keys.context(index).cloned().unwrap_or_default()))
            }
            Root::Wrapped(sha1) => {
                let key = primary.secret.clone().ok_or(Refusal::TokenMismatch)?;
                Ok(ProtectionToken::EncryptedKey { sha1, key })
            }
            Root::Certificate(text) => match primary.certificate {
                Some(sha256) => Ok(ProtectionToken::Certificate { text, sha256 }),
                None => Err(Refusal::TokenMismatch),
            },
            Root::Unnamed => Err(Refusal::TokenMismatch),
        }
    }

    /// The text of each addressing header. Values with a comment or a reference inside are refused by the reader.
    fn addressing(&self, buf: &[u8]) -> Result<AddressingValues, Refusal> {
        let Some(version) = self.map.addressing else { return Ok(AddressingValues::default()) };
        let mut found = Addressing::new(version);
        for header in self.map.headers.iter().filter(|h| h.kind != Element::HeaderBlock) {
            let mut reader = Reader::resume(buf, header.span, &self.map.header_scope, &self.wire)?;
            let malformed = Refusal::Malformed { element: header.kind, offset: header.span.start };
            let start = reader.next_element()?.ok_or(malformed)?;
            found.read(&mut reader, &start).map_err(|_| malformed)?;
        }
        let span = |text: Option<xml::Text<'_>>| text.map(|text| text.span()).unwrap_or_default();
        Ok(AddressingValues {
            action: span(found.action().ok()),
            message_id: span(found.message_id),
            relates_to: span(found.relates_to),
            to: span(found.to),
            reply_to: span(found.reply_to),
        })
    }
}
