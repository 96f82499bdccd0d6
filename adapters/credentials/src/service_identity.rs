//! Who a service has to be.

use crate::certificate::Certificate;

/// What a service's certificate has to say of whose it is: WCF's `EndpointIdentity`. Without it whoever has *some* certificate
/// of a trusted authority could stand in for the service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceIdentity<'n> {
    /// A DNS name (`DnsEndpointIdentity`): one of the certificate's alternative names or, if it has none of that kind, its
    /// common name. Case does not matter. There are no wildcards, as there are none in WCF's message security.
    Dns(&'n str),
    /// The subject's distinguished name, such as `CN=calc, O=Example`, in any usual notation.
    Subject(&'n str),
    /// Anybody whom the validation accepts: right where it accepts one certificate only, as PeerTrust may.
    Any,
}

impl ServiceIdentity<'_> {
    pub(crate) fn is_of(self, certificate: &Certificate) -> bool {
        match self {
            Self::Dns(name) => certificate.dns_names().any(|known| known.eq_ignore_ascii_case(name)),
            Self::Subject(name) => certificate.has_subject(name),
            Self::Any => true,
        }
    }
}
