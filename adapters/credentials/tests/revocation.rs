//! Certificates that were taken back. Certificates and lists were made with `openssl ca`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use soap_session_credentials::{
    AsymmetricSignature, Certificate, CertificateProblem, CertificateReference, CertificateValidation, CredentialError,
    CredentialStore, Credentials, LoadProblem, PrivateKey,
};

/// 2027-01-15.
const NOW: u64 = 1_800_000_000;
/// 2028-01-01T00:00:00Z, the `nextUpdate` of all lists but `next`, which is good until 2029-01-01.
const NEXT: u64 = 1_830_297_600;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_file(file(&format!("authority/{name}.cert.pem"))).unwrap()
}

fn store(mode: CertificateValidation, lists: &[&str], now: u64) -> CredentialStore {
    let mut store = CredentialStore::new().with_validation(mode);
    store = store.with_authority(certificate("authority").der()).unwrap();
    store = store.with_intermediate(certificate("below").der());
    for list in lists {
        store = store.with_revocation_list(&fs::read(file(&format!("authority/{list}.crl"))).unwrap()).unwrap();
    }
    store.with_clock(move || SystemTime::UNIX_EPOCH + Duration::from_secs(now))
}

/// Is a signature with this certificate believed?
fn ask(store: &CredentialStore, name: &str) -> Result<(), CredentialError> {
    let key = PrivateKey::from_file(file("keys/client.key.pem")).unwrap();
    let (digest, mut signature) = ([0x5A; 32], [0; 256]);
    key.sign(AsymmetricSignature::RsaSha256, &digest, &mut signature).unwrap();
    let shown = certificate(name);
    store.verify_signature(CertificateReference::Der(shown.der()), AsymmetricSignature::RsaSha256, &digest, &signature)
}

fn refused(name: &str, problem: CertificateProblem) -> Result<(), CredentialError> {
    Err(CredentialError::Certificate { thumbprint: certificate(name).thumbprint(), problem })
}

#[test]
fn what_a_list_names_is_refused_where_a_chain_is_asked_for() {
    for mode in [|| CertificateValidation::ChainTrust, || CertificateValidation::PeerOrChainTrust] {
        let unlisted = store(mode(), &[], NOW);
        assert_eq!(ask(&unlisted, "taken-back"), Ok(()), "nobody has said so");
        assert_eq!(ask(&store(mode(), &["empty"], NOW), "taken-back"), Ok(()));
        let listed = store(mode(), &["authority"], NOW);
        assert_eq!(ask(&listed, "good"), Ok(()));
        assert_eq!(ask(&listed, "taken-back"), refused("taken-back", CertificateProblem::Revoked));
        // The authority below has no list: nobody is asked.
        assert_eq!(ask(&listed, "under-below"), Ok(()));
        // It was taken back itself, and with it what it issued.
        let below = store(mode(), &["below-taken-back"], NOW);
        assert_eq!(ask(&below, "under-below"), refused("under-below", CertificateProblem::Revoked));
        assert_eq!(ask(&below, "good"), Ok(()));
    }
}

#[test]
fn who_added_a_peer_knows() {
    for mode in [|| CertificateValidation::PeerTrust, || CertificateValidation::PeerOrChainTrust] {
        let peer = store(mode(), &["authority"], NOW).with_trusted(certificate("taken-back"));
        assert_eq!(ask(&peer, "taken-back"), Ok(()));
    }
    let anyone = store(CertificateValidation::None, &["authority"], NOW);
    assert_eq!(ask(&anyone, "taken-back"), Ok(()));
}

#[test]
fn a_list_is_good_until_its_next_update_and_the_last_one_added_counts() {
    let chain = |lists: &[&str], now| store(CertificateValidation::ChainTrust, lists, now);
    let unknown = || refused("good", CertificateProblem::RevocationUnknown);
    assert_eq!(ask(&chain(&["authority"], NEXT - 1), "good"), Ok(()));
    assert_eq!(ask(&chain(&["authority"], NEXT), "good"), unknown());
    assert_eq!(ask(&chain(&["authority", "next"], NEXT), "good"), Ok(()));
    assert_eq!(
        ask(&chain(&["authority", "next"], NEXT), "taken-back"),
        refused("taken-back", CertificateProblem::Revoked)
    );
    assert_eq!(ask(&chain(&["next", "authority"], NEXT), "good"), unknown());
    assert_eq!(
        ask(&chain(&["empty", "authority"], NOW), "taken-back"),
        refused("taken-back", CertificateProblem::Revoked)
    );
}

#[test]
fn a_list_that_the_authority_did_not_sign_tells_nothing() {
    let forged = store(CertificateValidation::ChainTrust, &["forged"], NOW);
    assert_eq!(ask(&forged, "good"), refused("good", CertificateProblem::RevocationUnknown));
    let error = ask(&forged, "good").unwrap_err().to_string();
    assert!(error.contains("list has expired or does not verify"), "{error}");
    for der in [&b""[..], b"no list", &fs::read(file("authority/authority.cert.pem")).unwrap()] {
        let error = CredentialStore::new().with_revocation_list(der).unwrap_err();
        assert_eq!(error.problem(), LoadProblem::BadRevocationList);
    }
}

#[test]
fn the_reason_names_certificate_and_cause() {
    let listed = store(CertificateValidation::ChainTrust, &["authority"], NOW);
    let error = ask(&listed, "taken-back").unwrap_err().to_string();
    let thumbprint: String = certificate("taken-back").thumbprint().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(error.contains(&thumbprint) && error.contains("is revoked"), "{error}");
}
