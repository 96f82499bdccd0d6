//! Decryption in place: plain text takes the place of its `EncryptedData`, with comments around it.

use super::open::Opening;
use super::scan::{Child, MAX_CHILDREN, child_kind, walk};
use super::tokens::{Root, Sources, key_info};
use super::{AlgorithmSlot, Credentials, Element, Keyring, Layout, Policy, ProtectionOrder, Refusal};
use crate::base64;
use crate::crypto::{Backend, BlockCipher, CipherAlgorithm, unpad};
use crate::soap::names;
use crate::xml::{Limits, Reader, Scope, Span, Token, fill_comment};

impl Opening {
    /// Decrypts every listed `EncryptedData` of the security header, and learns what it was.
    pub(super) fn decrypt_children<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        message: &mut [u8],
        policy: &Policy,
        sources: &Sources<'_, K, C>,
    ) -> Result<(), Refusal> {
        for index in 0..self.map.children.len().min(MAX_CHILDREN) {
            let Some(child) = self.map.children.get(index).copied() else { break };
            if child.kind != Element::EncryptedData {
                continue;
            }
            let offset = child.span.start;
            let list = self.listed.position_of(message, child.id).ok_or(Refusal::Unlisted { offset })?;
            if policy.layout == Layout::Strict
                && policy.order != Some(ProtectionOrder::EncryptBeforeSign)
                && list > offset
            {
                return Err(Refusal::Layout { element: Element::EncryptedData, offset });
            }
            let scope = self.map.security_scope.clone();
            let plain = self.decrypt::<B, K, C>(message, child.span, &scope, names::XENC_ELEMENT, policy, sources)?;
            let opened = self.decrypted_child(message, plain, child)?;
            if let Some(slot) = self.map.children.get_mut(index) {
                *slot = opened;
            }
            let _ = self.coverage.encrypted.push(opened.kind);
        }
        Ok(())
    }

    /// The one element that a decrypted child of the security header must be.
    fn decrypted_child(&mut self, buf: &[u8], plain: Span, child: Child) -> Result<Child, Refusal> {
        let broken = Refusal::Undecryptable(Element::EncryptedData);
        let mut reader = Reader::resume(buf, plain, &self.map.security_scope, &self.wire).map_err(|_| broken)?;
        let start = reader.next_element().map_err(|_| broken)?.ok_or(broken)?;
        let kind = child_kind(&start);
        let id = self.map.ids.note(buf, &reader, &start)?;
        let span = walk(buf, &mut reader, &mut self.map.ids)?;
        let alone = matches!(reader.next(), Ok(Token::Eof));
        // Only what may be encrypted: a token or signature, never another layer of encryption, a key or a list.
        let usable = matches!(kind, Element::Signature | Element::UsernameToken | Element::SignatureConfirmation);
        if !alone || !usable {
            return Err(broken);
        }
        let id = if id.is_empty() { child.id } else { id };
        Ok(Child { kind, span, id, signed: child.signed, was_encrypted: true })
    }

    pub(super) fn decrypt_body<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        message: &mut [u8],
        policy: &Policy,
        sources: &Sources<'_, K, C>,
    ) -> Result<Span, Refusal> {
        let Some(span) = self.map.body.encrypted else { return Ok(self.map.body.content) };
        let scope = self.map.envelope_scope.clone();
        let _ = self.coverage.encrypted.push(Element::Body);
        self.decrypt::<B, K, C>(message, span, &scope, names::XENC_CONTENT, policy, sources)
    }

    /// Replaces the `EncryptedData` at `span` by its plain text and comments. Returns where the plain text stands.
    fn decrypt<B: Backend, K: Keyring + ?Sized, C: Credentials + ?Sized>(
        &mut self,
        message: &mut [u8],
        span: Span,
        scope: &Scope,
        wanted_type: &str,
        policy: &Policy,
        sources: &Sources<'_, K, C>,
    ) -> Result<Span, Refusal> {
        let bad = Refusal::Malformed { element: Element::EncryptedData, offset: span.start };
        let broken = Refusal::Undecryptable(Element::EncryptedData);
        let buf: &[u8] = message;
        let mut reader = Reader::resume(buf, span, scope, &self.wire)?;
        reader.next_element()?.ok_or(bad)?;
        let id = reader.attribute("", "Id").map(|text| text.span()).unwrap_or_default();
        let listed = self.listed.position_of(buf, id).unwrap_or(0);
        if !reader.attribute("", "Type").is_some_and(|kind| kind.eq(wanted_type)) {
            return Err(bad);
        }
        let method = reader.next_element()?.filter(|s| s.name.is(names::XENC, "EncryptionMethod")).ok_or(bad)?;
        let refused = Refusal::Algorithm { slot: AlgorithmSlot::Encryption, offset: method.span.start };
        let uri = reader.attribute("", "Algorithm").and_then(|uri| uri.plain());
        let algorithm = uri.and_then(CipherAlgorithm::from_uri).ok_or(refused)?;
        self.suites = self.suites.narrow_cipher(algorithm);
        if self.suites.is_empty() || reader.next_element()?.is_some() {
            return Err(refused);
        }
        let mut next = reader.next_element()?.ok_or(bad)?;
        let key = if next.name.is(names::DSIG, "KeyInfo") {
            let reference = key_info(&mut reader, &next)?;
            next = reader.next_element()?.ok_or(bad)?;
            self.keys.resolve(buf, &reference, span.start, sources)?
        } else {
            self.keys
                .listing(listed)
                .or_else(|| self.keys.unnamed(sources))
                .or_else(|| self.keys.implied())
                .ok_or(Refusal::DanglingReference { offset: span.start })?
        };
        if !next.name.is(names::XENC, "CipherData") {
            return Err(bad);
        }
        reader.next_element()?.filter(|s| s.name.is(names::XENC, "CipherValue")).ok_or(bad)?;
        let value = reader.text()?.span();
        if reader.next_element()?.is_some() || reader.next_element()?.is_some() {
            return Err(bad);
        }
        let key = self.keys.get(key).ok_or(bad)?;
        let secret = key.secret.as_ref().ok_or(bad)?;
        if policy.layout == Layout::Strict && key.at > span.start {
            return Err(Refusal::Layout { element: Element::EncryptedData, offset: span.start });
        }
        if !key.derived && !policy.underived_keys {
            return Err(Refusal::KeyNotDerived { element: Element::EncryptedData });
        }
        // A key that no token brings has no root to compare.
        if key.root != Root::Unnamed {
            match self.encryption_root {
                Some(root) if root != key.root => return Err(Refusal::TokenMismatch),
                _ => self.encryption_root = Some(key.root),
            }
        }
        let cipher = B::Cipher::new(algorithm, secret.as_bytes()).ok_or(bad)?;
        let range = value.start as usize..value.end as usize;
        let octets = message.get_mut(range).ok_or(bad)?;
        let len = base64::decode_in_place(octets).map_err(|_| bad)?;
        let octets = octets.get_mut(..len).ok_or(bad)?;
        let block = algorithm.block_len();
        let (iv, data) = octets.split_at_mut_checked(block).ok_or(broken)?;
        if data.is_empty() || !cipher.decrypt_cbc(iv, data) {
            return Err(broken);
        }
        let unpadded = unpad(block, data);
        if !bool::from(unpadded.valid) {
            self.undecryptable = Some(Element::EncryptedData);
        }
        let start = value.start.saturating_add(block as u32);
        let plain = Span::new(start, start.saturating_add(unpadded.len as u32));
        let filled = fill_comment(message, Span::new(span.start, plain.start))
            && fill_comment(message, Span::new(plain.end, span.end));
        if filled { Ok(plain) } else { Err(bad) }
    }

    /// EncryptBeforeSign: the digest was over the ciphertext, so the plain text is looked at here.
    pub(super) fn check_plain_body(&self, buf: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let mut reader = Reader::resume(buf, self.map.body.content, &self.map.envelope_scope, limits)?;
        loop {
            match reader.next()? {
                Token::Start(start) => self.map.ids.check(buf, &reader, &start)?,
                Token::Eof => return Ok(()),
                Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
            }
        }
    }
}
