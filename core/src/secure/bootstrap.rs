//! Messages under the bootstrap: what a client makes afresh for a request, and how a service seals the answer.

use super::answer::BootstrapKey;
use super::binding::{Binding, Bootstrap};
use super::client_token::Wrapped;
use super::confirmation::{ConfirmedTexts, ToConfirm};
use super::conversation::Failure;
use super::emit::{Id, UniqueIds};
use super::opened::{Opened, ProtectionToken};
use super::protection::{
    CertificateSigner, EndorsingCertificate, MessageKeys, OutgoingMessage, Protection, SealError, SigningToken,
};
use super::seal::seal;
use super::session_keys::KeyPair;
use super::{CredentialError, Credentials, ProtectionOrder, Refusal, SessionMessage};
use crate::chance::Entropy;
use crate::crypto::{AsymmetricSignature, Backend, SecretKey};
use crate::time::UnixMillis;
use crate::xml::Limits;
use heapless::Vec;

/// The key of one request, wrapped for the service's certificate, and what is derived from it.
pub(super) struct RequestKey {
    wrapped: Wrapped,
    id: Id,
    pair: KeyPair,
}

/// What protects one request.
pub(super) enum RequestProtection {
    /// A key for it alone, which the answer is protected with too.
    Key(RequestKey),
    /// The client's certificate; the key that encrypts is wrapped for the service's (WSS 1.0).
    Certificate(Wrapped),
    /// The transport.
    Transport,
}

impl RequestProtection {
    /// Draws the key, where there is one.
    pub(super) fn fresh<B: Backend, C: Credentials + ?Sized>(
        binding: &Binding,
        credentials: &C,
        ids: &mut UniqueIds,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, Failure> {
        if binding.bootstrap.over_transport() {
            return Ok(Self::Transport);
        }
        if binding.bootstrap.asymmetric() {
            let wrapped = Wrapped::fresh::<B, C>(binding.key_len(), binding.suite, credentials, entropy)?;
            return Ok(Self::Certificate(wrapped));
        }
        Ok(Self::Key(RequestKey::fresh::<B, C>(binding, credentials, ids, entropy)?))
    }

    /// The token, and the keys that it stands for.
    pub(super) fn token<'k, C: Credentials + ?Sized>(
        &'k self,
        binding: &Binding,
        signs: &'k Signs<'k, C>,
        token_ids: &mut UniqueIds,
    ) -> Result<(SigningToken<'k>, MessageKeys<'k>), Failure> {
        Ok(match self {
            Self::Key(key) => (key.token(), key.keys(binding.derived_keys)),
            Self::Certificate(wrapped) => {
                let signer = signs.certificate(token_ids)?;
                let recipient = signs.0.service_name().map_err(Failure::Credential)?;
                let token = SigningToken::Certificate { signer, attached: true, recipient, wrapped: wrapped.octets() };
                (token, MessageKeys::Underived(&wrapped.key))
            }
            Self::Transport => (SigningToken::Transport, MessageKeys::None),
        })
    }

    /// The key that the answer will be protected with.
    pub(super) fn wrapped(self) -> Option<Wrapped> {
        match self {
            Self::Key(key) => Some(key.wrapped),
            Self::Certificate(_) | Self::Transport => None,
        }
    }
}

impl RequestKey {
    /// Draws the key, then the nonces of the two derived keys; these are drawn even where no keys are derived.
    fn fresh<B: Backend, C: Credentials + ?Sized>(
        binding: &Binding,
        credentials: &C,
        ids: &mut UniqueIds,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, Failure> {
        let wrapped = Wrapped::fresh::<B, C>(binding.key_len(), binding.suite, credentials, entropy)?;
        let id = Id::Unique(ids.next_id());
        let pair = KeyPair::fresh::<B>(&wrapped.key, binding.suite, entropy);
        Ok(Self { wrapped, id, pair })
    }

    fn token(&self) -> SigningToken<'_> {
        SigningToken::NewEncryptedKey {
            id: self.id,
            thumbprint: &self.wrapped.thumbprint,
            wrapped: self.wrapped.octets(),
        }
    }

    fn keys(&self, derived: bool) -> MessageKeys<'_> {
        if derived { self.pair.per_message() } else { MessageKeys::Underived(&self.wrapped.key) }
    }
}

/// Credentials in the part of a certificate's key.
pub(super) struct Signs<'c, C: ?Sized>(pub(super) &'c C);

impl<C: Credentials + ?Sized> CertificateSigner for Signs<'_, C> {
    fn sign(&self, algorithm: AsymmetricSignature, digest: &[u8], out: &mut [u8]) -> Result<usize, CredentialError> {
        self.0.sign(algorithm, digest, out)
    }
}

impl<C: Credentials + ?Sized> Signs<'_, C> {
    /// The certificate that endorses requests of `binding`, if one does.
    pub(super) fn endorsing(
        &self,
        binding: &Binding,
        ids: &mut UniqueIds,
    ) -> Result<Option<EndorsingCertificate<'_>>, Failure> {
        if !binding.bootstrap.client_certificate() || binding.bootstrap.asymmetric() {
            return Ok(None);
        }
        self.certificate(ids).map(Some)
    }

    fn certificate(&self, ids: &mut UniqueIds) -> Result<EndorsingCertificate<'_>, Failure> {
        let certificate = self.0.own_certificate().map_err(Failure::Credential)?;
        Ok(EndorsingCertificate { id: Id::Unique(ids.next_id()), certificate, signer: self })
    }
}

/// An answer that is to be sealed.
pub(super) struct Answering<'a> {
    pub(super) binding: &'a Binding,
    pub(super) order: ProtectionOrder,
    pub(super) wall: UnixMillis,
    pub(super) message: SessionMessage<'a>,
}

/// Seals the answer to a request under the bootstrap, with the request's key. Returns its length.
pub(super) fn seal_answer<B: Backend>(
    answer: &Answering<'_>,
    key: &BootstrapKey,
    ids: &mut UniqueIds,
    entropy: &mut dyn Entropy,
    out: &mut [u8],
) -> Result<usize, SealError> {
    let Answering { binding, order, wall, message } = *answer;
    let mut texts = ConfirmedTexts::new();
    let mut confirmations = Vec::new();
    let pair;
    let (token, keys) = match key {
        BootstrapKey::Wrapped { sha1, key, confirmations: kept } => {
            pair = KeyPair::fresh::<B>(key, binding.suite, entropy);
            confirmations = texts.write(kept).ok_or(SealError::TooMany)?;
            let keys = if binding.derived_keys { pair.per_message() } else { MessageKeys::Underived(key) };
            (SigningToken::EncryptedKeySha1(sha1), keys)
        }
        BootstrapKey::Transport => (SigningToken::Transport, MessageKeys::None),
        // That takes a certificate: see `seal_certified_answer`.
        BootstrapKey::Certificate(_) => return Err(SealError::NotOwed),
    };
    let protection = Protection {
        suite: binding.suite,
        version: binding.version,
        order,
        bsp: binding.bsp,
        timestamp: binding.timestamp(wall, ids),
        token,
        keys,
        username: None,
        certificate: None,
        endorsing: None,
        confirmations: &confirmations,
    };
    let SessionMessage { headers, body, encrypt_body } = message;
    let (soap, addressing) = (binding.soap, binding.addressing);
    let message = OutgoingMessage { soap, addressing, headers, body, encrypt_body };
    Ok(seal::<B>(&message, &protection, &Limits::MAX, entropy, out)?.len)
}

/// The key of a bootstrap request, and what its answer has to confirm.
pub(super) fn bootstrap_key(message: &[u8], opened: &Opened, bootstrap: Bootstrap) -> Result<BootstrapKey, Refusal> {
    match &opened.token {
        ProtectionToken::EncryptedKey { sha1, key } => {
            let confirms = bootstrap.confirms_signatures();
            let confirmations = if confirms { ToConfirm::of(message, opened)? } else { ToConfirm::default() };
            Ok(BootstrapKey::Wrapped { sha1: *sha1, key: key.clone(), confirmations })
        }
        ProtectionToken::Transport => Ok(BootstrapKey::Transport),
        ProtectionToken::Certificate { text, .. } => Ok(BootstrapKey::Certificate(*text)),
        ProtectionToken::SecurityContext(_) => Err(Refusal::TokenMismatch),
    }
}

/// Seals the answer to a request that the holder of `recipient` (DER) signed: with the service's certificate, for the client's.
pub(super) fn seal_certified_answer<B: Backend, C: Credentials + ?Sized>(
    answer: &Answering<'_>,
    credentials: &C,
    recipient: &[u8],
    ids: &mut UniqueIds,
    entropy: &mut dyn Entropy,
    out: &mut [u8],
) -> Result<usize, SealError> {
    let Answering { binding, order, wall, message } = *answer;
    let mut key = SecretKey::zeroed(binding.key_len()).ok_or(SealError::KeyLength)?;
    entropy.fill(key.as_mut_bytes());
    let (mut wrapped, mut name) = ([0u8; 512], [0u8; 1024]);
    let transport = binding.suite.key_transport();
    let len = credentials.wrap_key_for(recipient, transport, key.as_bytes(), &mut wrapped);
    let wrapped = wrapped.get(..len.map_err(SealError::Credential)?).ok_or(SealError::KeyLength)?;
    let name = credentials.certificate_name(recipient, &mut name).map_err(SealError::Credential)?;
    let signs = Signs(credentials);
    let certificate = credentials.own_certificate().map_err(SealError::Credential)?;
    let timestamp = binding.timestamp(wall, ids);
    // The certificate is named, not sent: its Id is not written.
    let signer = EndorsingCertificate { id: Id::Local(0), certificate, signer: &signs };
    let token = SigningToken::Certificate { signer, attached: false, recipient: name, wrapped };
    let protection = Protection {
        suite: binding.suite,
        version: binding.version,
        order,
        bsp: binding.bsp,
        timestamp,
        token,
        keys: MessageKeys::Underived(&key),
        username: None,
        certificate: None,
        endorsing: None,
        confirmations: &[],
    };
    let SessionMessage { headers, body, encrypt_body } = message;
    let (soap, addressing) = (binding.soap, binding.addressing);
    let message = OutgoingMessage { soap, addressing, headers, body, encrypt_body };
    Ok(seal::<B>(&message, &protection, &Limits::MAX, entropy, out)?.len)
}
