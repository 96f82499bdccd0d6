//! Whose certificates a store accepts. The certificates were made with `openssl`; all of them are for the key `client`.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use soap_session_credentials::{
    AsymmetricSignature, Certificate, CertificateProblem, CertificateReference, CertificateValidation, CredentialError,
    CredentialStore, Credentials, KeyTransport, LoadProblem, PrivateKey,
};

/// 2027-01-15, inside every certificate's validity: 2026-11-21 11:03:22 to 2036-11-18 11:03:22 UTC for the issued ones.
const NOW: u64 = 1_800_000_000;
const BEGINS: u64 = 1_795_259_002;
const ENDS: u64 = 2_110_619_002;
/// 48F6F9B97BC08C2108E51697CE08D8D6D12918A8 in hexadecimal.
const SERIAL: &str = "416555072894084674345644940231863062112428955816";

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_file(file(&format!("{name}.cert.pem"))).unwrap()
}

fn key() -> PrivateKey {
    PrivateKey::from_file(file("client.key.pem")).unwrap()
}

fn clock(seconds: u64) -> impl Fn() -> SystemTime {
    move || SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A store with these authorities, intermediates and peers.
fn store(mode: CertificateValidation, authorities: &[&str], intermediates: &[&str], peers: &[&str]) -> CredentialStore {
    let mut store = CredentialStore::new().with_validation(mode).with_clock(clock(NOW));
    for name in authorities {
        store = store.with_authority(certificate(name).der()).unwrap();
    }
    for name in intermediates {
        store = store.with_intermediate(certificate(name).der());
    }
    for name in peers {
        store = store.with_trusted(certificate(name));
    }
    store
}

/// Is a signature with this certificate believed?
fn ask(store: &CredentialStore, name: &str) -> Result<(), CredentialError> {
    let (digest, mut signature) = ([0x5A; 32], [0; 256]);
    key().sign(AsymmetricSignature::RsaSha256, &digest, &mut signature).unwrap();
    let shown = certificate(name);
    store.verify_signature(CertificateReference::Der(shown.der()), AsymmetricSignature::RsaSha256, &digest, &signature)
}

fn refused(name: &str, problem: CertificateProblem) -> Result<(), CredentialError> {
    Err(CredentialError::Certificate { thumbprint: certificate(name).thumbprint(), problem })
}

#[test]
fn a_chain_ends_at_an_authority_that_was_added() {
    use CertificateProblem::{NotTrusted, WrongUsage};
    for mode in [|| CertificateValidation::ChainTrust, || CertificateValidation::PeerOrChainTrust] {
        let chain = store(mode(), &["authority"], &[], &[]);
        assert_eq!(ask(&chain, "issued"), Ok(()));
        assert_eq!(ask(&chain, "nameless"), Ok(()), "without usage extensions everything is allowed");
        assert_eq!(ask(&chain, "issued-below"), refused("issued-below", NotTrusted));
        assert_eq!(ask(&chain, "client"), refused("client", NotTrusted));
        assert_eq!(ask(&chain, "server-only"), refused("server-only", WrongUsage));
        assert_eq!(ask(&chain, "encipher-only"), refused("encipher-only", WrongUsage));
        let longer = store(mode(), &["authority"], &["intermediate"], &[]);
        assert_eq!(ask(&longer, "issued-below"), Ok(()));
        // What stands between is not trusted by itself.
        let headless = store(mode(), &["other-authority"], &["intermediate", "authority"], &[]);
        assert_eq!(ask(&headless, "issued-below"), refused("issued-below", NotTrusted));
        assert_eq!(ask(&headless, "issued"), refused("issued", NotTrusted));
        // The recorded clients' certificate signs itself.
        let own = store(mode(), &["client"], &[], &[]);
        assert_eq!(ask(&own, "client"), Ok(()));
    }
}

#[test]
fn peer_trust_takes_what_was_added_and_nothing_it_issued() {
    use CertificateProblem::{NotTrusted, WrongUsage};
    let peers = store(CertificateValidation::PeerTrust, &["authority"], &[], &["client", "server-only"]);
    assert_eq!(ask(&peers, "client"), Ok(()));
    assert_eq!(ask(&peers, "issued"), refused("issued", NotTrusted));
    assert_eq!(ask(&peers, "server-only"), refused("server-only", WrongUsage));
    let chain = store(CertificateValidation::ChainTrust, &["authority"], &[], &["client"]);
    assert_eq!(ask(&chain, "client"), refused("client", NotTrusted));
    assert_eq!(ask(&CredentialStore::new().with_clock(clock(NOW)), "issued"), refused("issued", NotTrusted));
}

#[test]
fn a_certificate_is_good_from_its_first_second_to_its_last() {
    use CertificateProblem::{Expired, NotYetValid};
    let modes: [fn() -> CertificateValidation; 3] =
        [|| CertificateValidation::ChainTrust, || CertificateValidation::PeerTrust, CertificateValidation::default];
    for mode in modes {
        for (now, expected) in [
            (BEGINS - 1, refused("issued", NotYetValid)),
            (BEGINS, Ok(())),
            (ENDS, Ok(())),
            (ENDS + 1, refused("issued", Expired)),
        ] {
            let store = store(mode(), &["authority"], &[], &["issued"]).with_clock(clock(now));
            assert_eq!(ask(&store, "issued"), expected, "{now}");
        }
    }
}

#[test]
fn no_validation_still_wants_the_key() {
    let anyone = store(CertificateValidation::None, &[], &[], &[]).with_clock(clock(ENDS + 1));
    for name in ["client", "issued", "server-only", "encipher-only"] {
        assert_eq!(ask(&anyone, name), Ok(()));
    }
    assert_eq!(ask(&anyone, "service"), Err(CredentialError::BadSignature), "of another key");
    let der = CertificateReference::Der(b"no certificate");
    let asked = anyone.verify_signature(der, AsymmetricSignature::RsaSha256, &[0; 32], &[0; 256]);
    assert_eq!(asked, Err(CredentialError::NotTrusted));
}

#[test]
fn a_function_may_decide() {
    let wanted = certificate("server-only").thumbprint();
    let check = move |shown: &Certificate| {
        if shown.thumbprint() == wanted { Ok(()) } else { Err(CertificateProblem::NotTrusted) }
    };
    let custom = store(CertificateValidation::Custom(Box::new(check)), &["authority"], &[], &["client"]);
    assert_eq!(ask(&custom, "server-only"), Ok(()));
    assert_eq!(ask(&custom, "client"), refused("client", CertificateProblem::NotTrusted));
}

#[test]
fn reasons_name_the_certificate() {
    let error = ask(&CredentialStore::new().with_clock(clock(NOW)), "client").unwrap_err().to_string();
    let thumbprint: String = certificate("client").thumbprint().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(error.contains(&thumbprint) && error.contains("not trusted"), "{error}");
}

/// SHA-1 and SHA-256, against what another implementation verifies: aws-lc verifies what was signed here, and openssl's
/// signatures are verified in the test beside this one.
#[test]
fn a_key_signs_for_its_certificate() {
    let own = CredentialStore::new().with_own(certificate("client"), key()).unwrap();
    let told = own.own_certificate().unwrap();
    assert_eq!((told.der, told.signature_len), (certificate("client").der(), 256));
    for (algorithm, len) in [(AsymmetricSignature::RsaSha1, 20), (AsymmetricSignature::RsaSha256, 32)] {
        let digest = vec![7; len];
        let mut signature = [0; 512];
        assert_eq!(own.sign(algorithm, &digest, &mut signature), Ok(256));
        certificate("client").verify(algorithm, &digest, &signature[..256]).unwrap();
        key().verify(algorithm, &digest, &signature[..256]).unwrap();
        let room = own.sign(algorithm, &digest, &mut signature[..255]);
        assert_eq!(room, Err(CredentialError::Room { needed: 256 }));
        assert_eq!(own.sign(algorithm, &digest[1..], &mut signature), Err(CredentialError::Unsupported));
    }
    let nobody = CredentialStore::new();
    assert_eq!(nobody.own_certificate(), Err(CredentialError::NoCertificate));
    assert_eq!(nobody.sign(AsymmetricSignature::RsaSha1, &[0; 20], &mut [0; 512]), Err(CredentialError::NoCertificate));
    let service = PrivateKey::from_file(file("service.key.pem")).unwrap();
    let mixed = CredentialStore::new().with_own(certificate("client"), service).unwrap_err();
    assert_eq!(mixed.problem(), LoadProblem::KeyOfAnotherCertificate);
}

/// Numbers from `openssl x509 -issuer -serial`, the serial number in decimal by another tool.
#[test]
fn a_certificate_without_an_identifier_is_named_by_its_issuer_and_number() {
    let store = CredentialStore::new().with_service(certificate("nameless")).unwrap();
    let CertificateReference::IssuerSerial { issuer, serial } = store.service_name().unwrap() else { panic!("a name") };
    assert_eq!(issuer, b"CN=Test authority");
    assert_eq!(serial, SERIAL.as_bytes());
    assert!(certificate("nameless").is_named_by(CertificateReference::IssuerSerial { issuer, serial }));
    let service = CredentialStore::new().with_service(certificate("service")).unwrap();
    assert!(matches!(service.service_name(), Ok(CertificateReference::SubjectKeyIdentifier(_))));
}

#[test]
fn a_key_is_wrapped_for_whoever_signed_a_request() {
    let service = CredentialStore::new();
    let client = CredentialStore::new().with_own(certificate("client"), key()).unwrap();
    let (mut wrapped, mut identifier, mut out) = ([0; 512], [0; 1024], [0; 64]);
    let der = certificate("client");
    for transport in [KeyTransport::RsaOaepMgf1p, KeyTransport::Rsa15] {
        let len = service.wrap_key_for(der.der(), transport, &[9; 24], &mut wrapped).unwrap();
        let named = service.certificate_name(der.der(), &mut identifier).unwrap();
        assert!(matches!(named, CertificateReference::SubjectKeyIdentifier(_)));
        assert_eq!(client.unwrap_key(named, transport, &wrapped[..len], &mut out), Ok(24));
        assert_eq!(out[..24], [9; 24]);
    }
    // Without a SubjectKeyIdentifier it is named by issuer and serial number, as openssl prints them.
    let nameless = certificate("nameless");
    assert!(matches!(service.certificate_name(nameless.der(), &mut [0; 8]), Err(CredentialError::Room { .. })));
    let named = service.certificate_name(nameless.der(), &mut identifier).unwrap();
    assert!(matches!(named, CertificateReference::IssuerSerial { .. }), "{named:?}");
    assert!(nameless.is_named_by(named) && !der.is_named_by(named));
    assert_eq!(service.certificate_name(b"none", &mut identifier), Err(CredentialError::Unsupported));
    assert_eq!(
        service.wrap_key_for(b"no certificate", KeyTransport::Rsa15, &[9; 24], &mut wrapped),
        Err(CredentialError::Unsupported)
    );
}

/// Only the service's own certificate signs its answers, whoever else is trusted.
#[test]
fn a_service_signs_with_its_own_certificate() {
    let client =
        CredentialStore::new().with_service(certificate("client")).unwrap().with_trusted(certificate("issued"));
    let (digest, mut signature) = ([0x5A; 20], [0; 256]);
    key().sign(AsymmetricSignature::RsaSha1, &digest, &mut signature).unwrap();
    let ask = |name: &str| {
        let shown = certificate(name);
        let signer = CertificateReference::Der(shown.der());
        client.verify_service_signature(signer, AsymmetricSignature::RsaSha1, &digest, &signature)
    };
    assert_eq!(ask("client"), Ok(()));
    assert_eq!(ask("issued"), Err(CredentialError::NotTrusted));
    assert_eq!(
        CredentialStore::new().verify_service_signature(
            CertificateReference::Der(b""),
            AsymmetricSignature::RsaSha1,
            &digest,
            &signature
        ),
        Err(CredentialError::Unsupported)
    );
}
