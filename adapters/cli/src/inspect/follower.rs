//! What a conversation's opened messages tell of the keys of those that follow.

use soap_session_core::base64;
use soap_session_core::crypto::{RustCrypto, SecretKey, p_sha1};
use soap_session_core::secure::trust::{BinarySecret, ProofToken, read_request, read_response};
use soap_session_core::secure::{Opened, ProtectionToken};
use soap_session_core::soap::TrustVersion;
use soap_session_core::xml::{Limits, Reader};
use std::collections::HashMap;

/// The name of a conversation's key: identifier and instance.
type Name = (Vec<u8>, Option<Vec<u8>>);

/// What a client put into the key that it asked for.
#[derive(Clone)]
struct Asked {
    entropy: Option<SecretKey>,
    bits: Option<u32>,
}

/// The keys of one conversation, as its messages tell them.
pub(super) struct Follower {
    contexts: HashMap<Name, SecretKey>,
    wrapped: HashMap<[u8; 20], SecretKey>,
    /// By the MessageID of the request.
    asked: HashMap<Vec<u8>, Asked>,
    decoy: SecretKey,
}

impl Follower {
    pub(super) fn new(decoy: SecretKey) -> Self {
        Self { contexts: HashMap::new(), wrapped: HashMap::new(), asked: HashMap::new(), decoy }
    }

    pub(super) fn context(&self, identifier: &[u8], instance: Option<&[u8]>) -> Option<SecretKey> {
        self.contexts.get(&(identifier.to_vec(), instance.map(<[u8]>::to_vec))).cloned()
    }

    pub(super) fn wrapped(&self, sha1: &[u8; 20]) -> Option<SecretKey> {
        self.wrapped.get(sha1).cloned()
    }

    pub(super) fn decoy(&self) -> SecretKey {
        self.decoy.clone()
    }

    /// Learns from a message that was verified. Says what it could not make use of.
    pub(super) fn follow(&mut self, message: &[u8], opened: &Opened, limits: &Limits) -> Option<String> {
        if let ProtectionToken::EncryptedKey { sha1, key } = &opened.token {
            self.wrapped.insert(*sha1, key.clone());
        }
        // A body that is not XML of its own (text only) is no trust message.
        let mut reader = Reader::resume(message, opened.body, &opened.body_scope, limits).ok()?;
        let start = reader.next_element().ok()??;
        TrustVersion::from_namespace(start.name.namespace)?;
        if start.name.local == b"RequestSecurityToken" {
            let request = match read_request(&mut reader, &start) {
                Ok(request) => request,
                Err(error) => return Some(format!("its RequestSecurityToken cannot be followed: {error}")),
            };
            let asked = Asked { entropy: request.entropy.as_ref().and_then(octets), bits: request.key_size };
            self.asked.insert(opened.addressing.message_id.of(message).to_vec(), asked);
            return None;
        }
        let response = match read_response(&mut reader, &start) {
            Ok(response) => response,
            Err(error) => return Some(format!("its RequestSecurityTokenResponse cannot be followed: {error}")),
        };
        // The answer to a Cancel issues nothing.
        let token = response.token?;
        let asked = self.asked.get(opened.addressing.relates_to.of(message));
        let own = asked.and_then(|asked| asked.entropy.as_ref());
        let bits = response.key_size.or_else(|| asked.and_then(|asked| asked.bits));
        let key = match (response.proof, response.entropy.as_ref().and_then(octets)) {
            (Some(ProofToken::ComputedPsha1), Some(issuer)) => own.and_then(|own| {
                let len = bits.map_or(own.len(), |bits| usize::try_from(bits / 8).unwrap_or(usize::MAX));
                let mut key = SecretKey::zeroed(len)?;
                p_sha1::<RustCrypto>(own.as_bytes(), &[], issuer.as_bytes(), 0, key.as_mut_bytes());
                Some(key)
            }),
            (Some(ProofToken::Key(secret)), _) => octets(&secret),
            (None, None) => own.cloned(),
            (Some(ProofToken::ComputedPsha1), None) | (None, Some(_)) => None,
        };
        let Some(key) = key else {
            return Some("the key of the token that it issues is not known: its request was not verified".to_owned());
        };
        let name = (token.context.identifier.to_vec(), token.context.instance.map(<[u8]>::to_vec));
        self.contexts.insert(name, key);
        None
    }
}

/// The octets of a `BinarySecret`; nothing if they are not base64 or longer than any key.
fn octets(secret: &BinarySecret<'_>) -> Option<SecretKey> {
    let mut key = SecretKey::zeroed(SecretKey::MAX)?;
    let len = base64::decode(secret.text.raw(), key.as_mut_bytes()).ok()?;
    SecretKey::new(key.as_bytes().get(..len)?)
}
