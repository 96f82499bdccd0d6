//! What a client makes for one request under the bootstrap: the wrapped key, the keys derived from it, the certificate.

use super::binding::Binding;
use super::client_token::Wrapped;
use super::conversation::Failure;
use super::emit::{Id, UniqueIds};
use super::protection::{CertificateSigner, EndorsingCertificate, MessageKeys, SigningToken};
use super::session_keys::KeyPair;
use super::{CredentialError, Credentials};
use crate::chance::Entropy;
use crate::crypto::{AsymmetricSignature, Backend};

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
