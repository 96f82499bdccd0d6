//! HTTPS: whom we trust, and who we are.
//!
//! TLS 1.2 and 1.3 by rustls and aws-lc. Nobody is trusted but who was named: authorities by their certificates, or a peer by its very
//! own one, as WCF's `PeerTrust` does; that one may sign itself.

mod error;
mod trust;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ServerConfig};
pub use soap_session_credentials::{Authorities, Identity};

pub use error::TlsError;

/// The first octet of what a TLS client says.
const HANDSHAKE: u8 = 0x16;

/// The client's side of HTTPS: whom it trusts, and who it is.
#[derive(Clone)]
pub struct ClientTls {
    connector: TlsConnector,
}

/// The server's side of HTTPS: who it is, and which clients it asks for a certificate.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
}

/// Which clients a server asks for a certificate.
#[derive(Clone, Debug, Default)]
pub enum ClientCertificates {
    /// None. The default.
    #[default]
    NotAsked,
    /// Who has none is let in. One that nobody trusted has issued is refused.
    Optional(Authorities),
    /// Who has none is refused.
    Required(Authorities),
}

impl ClientTls {
    /// Trusts the servers that `trusted` names, and shows them `identity` if they ask.
    ///
    /// # Errors
    /// [`TlsError::NobodyTrusted`], [`TlsError::BadAuthority`] or [`TlsError::BadKey`].
    pub fn new(trusted: &Authorities, identity: Option<&Identity>) -> Result<Self, TlsError> {
        let provider = provider();
        let verifier = trust::servers(trusted, &provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Failed)?
            // As strict as what it replaces, save that who was named needs nobody to vouch for him.
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(certified(identity)?)),
            None => builder.with_no_client_auth(),
        };
        Ok(Self { connector: Arc::new(config).into() })
    }

    /// Protects a connection to this host.
    pub(crate) async fn connect<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::BadName)?;
        self.connector.connect(name, stream).await.map(TlsStream::Client).map_err(TlsError::from_io)
    }
}

impl ServerTls {
    /// Shows `identity` to clients, and asks them for a certificate or not.
    ///
    /// # Errors
    /// [`TlsError::NobodyTrusted`], [`TlsError::BadAuthority`] or [`TlsError::BadKey`].
    pub fn new(identity: &Identity, clients: &ClientCertificates) -> Result<Self, TlsError> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Failed)?;
        let builder = match clients {
            ClientCertificates::NotAsked => builder.with_no_client_auth(),
            ClientCertificates::Optional(trusted) => {
                builder.with_client_cert_verifier(trust::clients(trusted, false, &provider)?)
            }
            ClientCertificates::Required(trusted) => {
                builder.with_client_cert_verifier(trust::clients(trusted, true, &provider)?)
            }
        };
        let config = builder.with_cert_resolver(Arc::new(certified(identity)?));
        Ok(Self { acceptor: Arc::new(config).into() })
    }

    /// Is this how a TLS client begins? (Plain HTTP begins with a letter.)
    pub(crate) fn is_hello(&self, first: u8) -> bool {
        first == HANDSHAKE
    }

    /// Protects a connection, or gives it back when the client has been told why not.
    pub(crate) async fn accept<S>(&self, stream: S) -> Result<TlsStream<S>, S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let accepted = self.acceptor.accept(stream).into_fallible().await;
        accepted.map(TlsStream::Server).map_err(|(_, stream)| stream)
    }
}

/// The certificate that the other side has shown, as DER.
pub(crate) fn peer_certificate<S>(stream: &TlsStream<S>) -> Option<Bytes> {
    let shown = stream.get_ref().1.peer_certificates()?.first()?;
    Some(Bytes::copy_from_slice(shown))
}

/// Said here, not left to what the process has installed: there may be several.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certified(identity: &Identity) -> Result<SingleCertAndKey, TlsError> {
    let key = aws_lc_rs::sign::any_supported_type(&identity.key_der()).map_err(|_| TlsError::BadKey)?;
    let chain = identity.chain().map(|der| CertificateDer::from(der.to_vec())).collect();
    Ok(CertifiedKey::new(chain, key).into())
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}
