//! The service's certificate as a client validates it, when it is given and whenever it is used. Certificates were made with
//! `openssl ca`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use soap_session_credentials::{
    AsymmetricSignature, Certificate, CertificateProblem, CertificateReference, CertificateValidation, CredentialError,
    CredentialStore, Credentials, KeyTransport, LoadProblem, PrivateKey, ServiceIdentity,
};

/// 2027-01-15.
const NOW: u64 = 1_800_000_000;
/// 2026-11-21T11:00:00Z: the first second of every certificate.
const BEGINS: u64 = 1_795_258_800;
/// 2027-01-31T00:00:00Z: the last second of `service-2027`.
const ENDS: u64 = 1_801_353_600;

const NAME: ServiceIdentity<'_> = ServiceIdentity::Dns("calc.example");

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_file(file(&format!("authority/{name}.cert.pem"))).unwrap()
}

/// A client that trusts the authority, by a clock that can be set.
fn client(clock: &Arc<AtomicU64>) -> CredentialStore {
    let clock = clock.clone();
    let store = CredentialStore::new().with_authority(certificate("authority").der()).unwrap();
    store.with_clock(move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst)))
}

fn at(now: u64) -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(now))
}

fn given(name: &str, identity: ServiceIdentity<'_>, now: u64) -> Result<(), LoadProblem> {
    let chain = CertificateValidation::ChainTrust;
    let given = client(&at(now)).with_service_validated(certificate(name), identity, chain);
    given.map(|_| ()).map_err(|error| error.problem())
}

fn wrap(store: &CredentialStore) -> Result<usize, CredentialError> {
    store.wrap_key(KeyTransport::RsaOaepMgf1p, &[7; 32], &mut [0; 512])
}

#[test]
fn a_chain_a_usage_and_a_name_are_asked_for() {
    use CertificateProblem::{Expired, NotTrusted, NotYetValid, WrongIdentity, WrongUsage};
    let not = |problem| Err(LoadProblem::NotAccepted(problem));
    assert_eq!(given("service", NAME, NOW), Ok(()));
    assert_eq!(given("service-wrap-only", NAME, NOW), Ok(()));
    assert_eq!(given("service-sign-only", NAME, NOW), not(WrongUsage));
    assert_eq!(given("service-client-only", NAME, NOW), not(WrongUsage));
    assert_eq!(given("good", ServiceIdentity::Any, NOW), not(WrongUsage));
    assert_eq!(given("service", NAME, BEGINS - 1), not(NotYetValid));
    assert_eq!(given("service", NAME, BEGINS), Ok(()));
    assert_eq!(given("service-2027", NAME, ENDS), Ok(()));
    assert_eq!(given("service-2027", NAME, ENDS + 1), not(Expired));
    assert_eq!(given("service", ServiceIdentity::Dns("calc.example.org"), NOW), not(WrongIdentity));
    let strangers = CredentialStore::new().with_clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
    let error = strangers.with_service_validated(certificate("service"), NAME, CertificateValidation::ChainTrust);
    assert_eq!(error.unwrap_err().problem(), LoadProblem::NotAccepted(NotTrusted));
    assert_eq!(
        LoadProblem::NotAccepted(WrongIdentity),
        client(&at(NOW))
            .with_service_validated(
                certificate("service"),
                ServiceIdentity::Dns("x"),
                CertificateValidation::ChainTrust
            )
            .unwrap_err()
            .problem()
    );
}

/// As .NET reads the DNS claims of a certificate: the alternative names, and the common name only if there are none of these.
#[test]
fn a_name_is_an_alternative_name_or_else_the_common_name() {
    let is = |name, identity| given(name, identity, NOW).is_ok();
    for name in ["calc.example", "CALC.example", "other.example"] {
        assert!(is("service", ServiceIdentity::Dns(name)), "{name}");
    }
    // Its address is no DNS name, and a wildcard is not one either.
    for name in ["ignored.example", "127.0.0.1", "*.example", "example", "", "calc.example."] {
        assert!(!is("service", ServiceIdentity::Dns(name)), "{name}");
    }
    assert!(is("service-unnamed", NAME) && !is("service-unnamed", ServiceIdentity::Dns("other.example")));
    for subject in ["CN=ignored.example, O=\"Calculators, Inc.\"", "O=Calculators\\, Inc.,CN=Ignored.Example"] {
        assert!(is("service", ServiceIdentity::Subject(subject)), "{subject}");
    }
    for subject in ["CN=ignored.example", "CN=calc.example", "ignored.example", ""] {
        assert!(!is("service", ServiceIdentity::Subject(subject)), "{subject}");
    }
    assert!(is("service", ServiceIdentity::Any));
}

#[test]
fn it_expires_while_it_is_in_use() {
    let clock = at(NOW);
    let chain = CertificateValidation::ChainTrust;
    let store = client(&clock).with_service_validated(certificate("service-2027"), NAME, chain).unwrap();
    assert_eq!(wrap(&store), Ok(256));
    clock.store(ENDS + 1, Ordering::SeqCst);
    let (thumbprint, problem) = (certificate("service-2027").thumbprint(), CertificateProblem::Expired);
    let expired = CredentialError::Certificate { thumbprint, problem };
    assert_eq!(wrap(&store), Err(expired));
    // Nor are its answers believed any more.
    let shown = certificate("service-2027");
    let signer = CertificateReference::Der(shown.der());
    assert_eq!(
        store.verify_service_signature(signer, AsymmetricSignature::RsaSha256, &[0; 32], &[0; 256]),
        Err(expired)
    );
    // Giving it was trusting it, with the other verb.
    let trusting = client(&clock).with_service(certificate("service-2027")).unwrap();
    assert_eq!(wrap(&trusting), Ok(256));
}

#[test]
fn a_certificate_that_was_taken_back_is_not_given() {
    let list = fs::read(file("authority/authority.crl")).unwrap();
    let listed = || client(&at(NOW)).with_revocation_list(&list).unwrap();
    let give = |name| listed().with_service_validated(certificate(name), NAME, CertificateValidation::ChainTrust);
    assert!(give("service").is_ok());
    let revoked = give("service-taken-back").unwrap_err();
    assert_eq!(revoked.problem(), LoadProblem::NotAccepted(CertificateProblem::Revoked));
    assert!(revoked.to_string().starts_with("the service's certificate is revoked"), "{revoked}");
}

#[test]
fn a_peer_is_trusted_alone_and_nobody_is_asked_about_it() {
    let peer = || client(&at(NOW)).with_trusted(certificate("service"));
    let give = |store: CredentialStore, name, identity, mode| {
        store.with_service_validated(certificate(name), identity, mode).map(|_| ()).map_err(|error| error.problem())
    };
    let not = |problem| Err(LoadProblem::NotAccepted(problem));
    use CertificateProblem::{NotTrusted, WrongIdentity};
    assert_eq!(give(peer(), "service", NAME, CertificateValidation::PeerTrust), Ok(()));
    assert_eq!(give(peer(), "service-unnamed", NAME, CertificateValidation::PeerTrust), not(NotTrusted));
    assert_eq!(give(peer(), "service-unnamed", NAME, CertificateValidation::PeerOrChainTrust), Ok(()));
    // No validation, and still the right name.
    let nobody = || CredentialStore::new();
    assert_eq!(give(nobody(), "service-client-only", NAME, CertificateValidation::None), Ok(()));
    let elsewhere = ServiceIdentity::Dns("elsewhere");
    assert_eq!(give(nobody(), "service", elsewhere, CertificateValidation::None), not(WrongIdentity));
    let check = |shown: &Certificate| {
        if shown.authenticates_clients() { Ok(()) } else { Err(CertificateProblem::WrongUsage) }
    };
    let custom = || CertificateValidation::Custom(Box::new(check));
    assert_eq!(give(nobody(), "service-client-only", NAME, custom()), Ok(()));
    assert_eq!(give(nobody(), "service", NAME, custom()), not(CertificateProblem::WrongUsage));
}

/// Under WSS 1.0 the service signs too.
#[test]
fn a_certificate_for_wrapping_alone_does_not_sign_answers() {
    let key = PrivateKey::from_file(file("keys/service.key.pem")).unwrap();
    let (digest, mut signature) = ([0x5A; 32], [0; 256]);
    key.sign(AsymmetricSignature::RsaSha256, &digest, &mut signature).unwrap();
    let ask = |name: &str| {
        let chain = CertificateValidation::ChainTrust;
        let store = client(&at(NOW)).with_service_validated(certificate(name), NAME, chain).unwrap();
        let shown = certificate(name);
        let signer = CertificateReference::Der(shown.der());
        store.verify_service_signature(signer, AsymmetricSignature::RsaSha256, &digest, &signature)
    };
    assert_eq!(ask("service"), Ok(()));
    let (thumbprint, problem) = (certificate("service-wrap-only").thumbprint(), CertificateProblem::WrongUsage);
    assert_eq!(ask("service-wrap-only"), Err(CredentialError::Certificate { thumbprint, problem }));
}
