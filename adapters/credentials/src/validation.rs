//! Whose certificates are accepted: WCF's `X509CertificateValidationMode`, and revocation.

use std::fmt;
use std::time::{Duration, SystemTime};

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    ALL_VERIFICATION_ALGS, CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};

use crate::certificate::Certificate;
use crate::error::{LoadError, LoadProblem};
use soap_session_core::secure::{CertificateProblem, CredentialError};

/// Decides about a certificate that has signed a message.
pub type CertificateCheck = dyn Fn(&Certificate) -> Result<(), CertificateProblem> + Send + Sync;

/// How a peer's certificate is validated (`X509CertificateValidationMode`).
#[derive(Default)]
pub enum CertificateValidation {
    /// An authority that was added has issued it, directly or through intermediates that were added, and no revocation list
    /// that was added names it or one of these.
    ChainTrust,
    /// It was added itself. Revocation lists do not matter: who adds it knows.
    PeerTrust,
    /// Either. The default: nobody is trusted who was not added. (WCF's default is ChainTrust with the machine's
    /// authorities, which are not looked for here.)
    #[default]
    PeerOrChainTrust,
    /// Any certificate will do, at any time: whoever has its key is who it says.
    None,
    /// A function decides. Nothing else is checked.
    Custom(Box<CertificateCheck>),
}

impl fmt::Debug for CertificateValidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChainTrust => "ChainTrust",
            Self::PeerTrust => "PeerTrust",
            Self::PeerOrChainTrust => "PeerOrChainTrust",
            Self::None => "None",
            Self::Custom(_) => "Custom",
        })
    }
}

/// The certificates that were added, and how others are judged by them.
#[derive(Default)]
pub(crate) struct Trust {
    pub(crate) mode: CertificateValidation,
    pub(crate) peers: Vec<Certificate>,
    anchors: Vec<TrustAnchor<'static>>,
    /// The DER of the authorities: a certificate that signs itself is its own authority.
    authorities: Vec<Vec<u8>>,
    intermediates: Vec<CertificateDer<'static>>,
    /// The newest first.
    revoked: Vec<CertRevocationList<'static>>,
}

/// What a certificate is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A client signs with it.
    Client,
    /// Keys are wrapped for it.
    Service,
}

impl Trust {
    pub(crate) fn add_authority(&mut self, der: &[u8]) -> Result<(), LoadError> {
        let der = CertificateDer::from(der);
        let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|_| LoadProblem::BadCertificate)?;
        self.anchors.push(anchor.to_owned());
        self.authorities.push(der.to_vec());
        Ok(())
    }

    pub(crate) fn add_intermediate(&mut self, der: &[u8]) {
        self.intermediates.push(CertificateDer::from(der.to_vec()));
    }

    pub(crate) fn add_revocation_list(&mut self, der: &[u8]) -> Result<(), LoadError> {
        let list = OwnedCertRevocationList::from_der(der).map_err(|_| LoadProblem::BadRevocationList)?;
        // The first list that speaks for an authority is believed: the one that was added last.
        self.revoked.insert(0, list.into());
        Ok(())
    }

    /// How many authorities are trusted.
    pub(crate) fn authorities(&self) -> usize {
        self.authorities.len()
    }

    /// Is this certificate accepted at `now`?
    pub(crate) fn judge(
        &self,
        mode: &CertificateValidation,
        part: Part,
        certificate: &Certificate,
        now: SystemTime,
    ) -> Result<(), CredentialError> {
        let refused = |problem| CredentialError::Certificate { thumbprint: certificate.thumbprint(), problem };
        let peer = || {
            if self.peers.iter().any(|peer| peer.der() == certificate.der()) {
                Ok(())
            } else {
                Err(CertificateProblem::NotTrusted)
            }
        };
        let judged = match mode {
            CertificateValidation::None => return Ok(()),
            CertificateValidation::Custom(check) => return check(certificate).map_err(refused),
            CertificateValidation::PeerTrust => peer(),
            CertificateValidation::ChainTrust => self.chain(part, certificate, now),
            CertificateValidation::PeerOrChainTrust => peer().or_else(|_| self.chain(part, certificate, now)),
        };
        // Trust first: of a stranger's certificate nothing else matters.
        judged.and_then(|()| validity(certificate, now)).and_then(|()| usage(part, certificate)).map_err(refused)
    }

    fn chain(&self, part: Part, certificate: &Certificate, now: SystemTime) -> Result<(), CertificateProblem> {
        if self.authorities.iter().any(|authority| authority == certificate.der()) {
            return Ok(());
        }
        // Before 1970 nothing was valid.
        let time = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO));
        let der = CertificateDer::from(certificate.der());
        let leaf = EndEntityCert::try_from(&der).map_err(|_| CertificateProblem::NotTrusted)?;
        // An authority without a list is believed, as there were none; one whose list is out of date is not.
        let lists: Vec<&CertRevocationList<'_>> = self.revoked.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            let options = options.with_status_policy(UnknownStatusPolicy::Allow);
            options.with_expiration_policy(ExpirationPolicy::Enforce).build()
        });
        let usage = match part {
            Part::Client => KeyUsage::client_auth(),
            Part::Service => KeyUsage::server_auth(),
        };
        leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &self.anchors, &self.intermediates, time, usage, revocation, None)
            .map(|_| ())
            .map_err(|error| match error {
                webpki::Error::CertExpired { .. } => CertificateProblem::Expired,
                webpki::Error::CertNotValidYet { .. } => CertificateProblem::NotYetValid,
                webpki::Error::RequiredEkuNotFoundContext(_) => CertificateProblem::WrongUsage,
                webpki::Error::CertRevoked => CertificateProblem::Revoked,
                webpki::Error::CrlExpired { .. }
                | webpki::Error::UnknownRevocationStatus
                | webpki::Error::IssuerNotCrlSigner
                | webpki::Error::InvalidCrlSignatureForPublicKey => CertificateProblem::RevocationUnknown,
                _ => CertificateProblem::NotTrusted,
            })
    }
}

fn validity(certificate: &Certificate, now: SystemTime) -> Result<(), CertificateProblem> {
    if now < certificate.not_before() {
        Err(CertificateProblem::NotYetValid)
    } else if now > certificate.not_after() {
        Err(CertificateProblem::Expired)
    } else {
        Ok(())
    }
}

fn usage(part: Part, certificate: &Certificate) -> Result<(), CertificateProblem> {
    let meant = match part {
        Part::Client => certificate.signs() && certificate.authenticates_clients(),
        Part::Service => certificate.enciphers() && certificate.authenticates_servers(),
    };
    if meant { Ok(()) } else { Err(CertificateProblem::WrongUsage) }
}
