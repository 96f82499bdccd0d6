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
    Timestamp,
};
use super::seal::seal;
use super::session_keys::KeyPair;
use super::{CredentialError, Credentials, ProtectionOrder, Refusal, SessionMessage};
use crate::chance::Entropy;
use crate::crypto::{AsymmetricSignature, Backend};
use crate::time::UnixMillis;
use crate::xml::Limits;

/// The key of one request, wrapped for the service's certificate, and what is derived from it.
pub(super) struct RequestKey {
    pub(super) wrapped: Wrapped,
    id: Id,
    pair: KeyPair,
}

impl RequestKey {
    /// Draws the key, then the nonces of the two derived keys; these are drawn even where no keys are derived.
    pub(super) fn fresh<B: Backend, C: Credentials + ?Sized>(
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

    pub(super) fn token(&self) -> SigningToken<'_> {
        SigningToken::NewEncryptedKey {
            id: self.id,
            thumbprint: &self.wrapped.thumbprint,
            wrapped: self.wrapped.octets(),
        }
    }

    pub(super) fn keys(&self, derived: bool) -> MessageKeys<'_> {
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
        if !binding.bootstrap.client_certificate() {
            return Ok(None);
        }
        let certificate = self.0.own_certificate().map_err(Failure::Credential)?;
        Ok(Some(EndorsingCertificate { id: Id::Unique(ids.next_id()), certificate, signer: self }))
    }
}

/// Seals the answer to a request under the bootstrap, with the request's key. Returns its length.
pub(super) fn seal_answer<B: Backend>(
    binding: &Binding,
    order: ProtectionOrder,
    key: &BootstrapKey,
    message: &SessionMessage<'_>,
    wall: UnixMillis,
    ids: &mut UniqueIds,
    entropy: &mut dyn Entropy,
    out: &mut [u8],
) -> Result<usize, SealError> {
    let pair = KeyPair::fresh::<B>(&key.key, binding.suite, entropy);
    let keys = if binding.derived_keys { pair.per_message() } else { MessageKeys::Underived(&key.key) };
    let mut texts = ConfirmedTexts::new();
    let confirmations = texts.write(&key.confirmations).ok_or(SealError::TooMany)?;
    let expires = wall.after(binding.clock.timestamp_validity);
    let protection = Protection {
        suite: binding.suite,
        version: binding.version,
        order,
        bsp: binding.bsp,
        timestamp: Timestamp { id: Id::Unique(ids.next_id()), created: wall, expires },
        token: SigningToken::EncryptedKeySha1(&key.sha1),
        keys,
        username: None,
        certificate: None,
        endorsing: None,
        confirmations: &confirmations,
    };
    let SessionMessage { headers, body, encrypt_body } = *message;
    let (soap, addressing) = (binding.soap, binding.addressing);
    let message = OutgoingMessage { soap, addressing, headers, body, encrypt_body };
    Ok(seal::<B>(&message, &protection, &Limits::MAX, entropy, out)?.len)
}

/// The key of a bootstrap request, and what its answer has to confirm.
pub(super) fn bootstrap_key(message: &[u8], opened: &Opened, bootstrap: Bootstrap) -> Result<BootstrapKey, Refusal> {
    let ProtectionToken::EncryptedKey { sha1, key } = &opened.token else { return Err(Refusal::TokenMismatch) };
    let confirms = bootstrap.confirms_signatures();
    let confirmations = if confirms { ToConfirm::of(message, opened)? } else { ToConfirm::default() };
    Ok(BootstrapKey { sha1: *sha1, key: key.clone(), confirmations })
}
