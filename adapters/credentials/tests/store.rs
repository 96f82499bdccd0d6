//! The store against recorded WCF messages and against openssl.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use soap_session_credentials::{
    AsymmetricSignature, Certificate, CertificateProblem, CertificateReference, CredentialError, CredentialStore,
    Credentials, KeyTransport, LoadProblem, PrivateKey,
};

/// 2027-01-15, inside every test certificate's validity.
const NOW: u64 = 1_800_000_000;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_file(file(&format!("keys/{name}.cert.pem"))).unwrap()
}

fn key(name: &str) -> PrivateKey {
    PrivateKey::from_file(file(&format!("keys/{name}.key.pem"))).unwrap()
}

fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

fn service() -> CredentialStore {
    CredentialStore::new().with_key(certificate("service"), key("service")).unwrap()
}

fn trusting(name: &str) -> CredentialStore {
    CredentialStore::new().with_trusted(certificate(name)).with_clock(clock)
}

struct Data(serde_json::Value);

impl Data {
    fn read(name: &str) -> Self {
        Self(serde_json::from_slice(&std::fs::read(file(&format!("data/{name}.json"))).unwrap()).unwrap())
    }

    fn base64(&self, field: &str) -> Vec<u8> {
        STANDARD.decode(self.0[field].as_str().unwrap()).unwrap()
    }

    fn hex(&self, field: &str) -> Vec<u8> {
        let text = self.0[field].as_str().unwrap();
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }
}

#[test]
fn unwraps_what_wcf_wrapped() {
    for (case, transport) in [
        ("anon-cert-Basic256", KeyTransport::RsaOaepMgf1p),
        ("anon-cert-Basic256Rsa15", KeyTransport::Rsa15),
        ("anon-cert-Basic128Rsa15", KeyTransport::Rsa15),
    ] {
        let recorded = Data::read(case);
        let (thumbprint, wrapped, expected) =
            (recorded.base64("thumbprint"), recorded.base64("wrapped"), recorded.hex("key"));
        let mut out = [0; 64];
        let named = CertificateReference::ThumbprintSha1(&thumbprint);
        let length = service().unwrap_key(named, transport, &wrapped, &mut out).unwrap();
        assert_eq!(out[..length], expected, "{case}");
        assert!(out[length..].iter().all(|byte| *byte == 0), "{case}");

        let mut small = vec![0; expected.len() - 1];
        let refused = service().unwrap_key(named, transport, &wrapped, &mut small);
        assert_eq!(refused, Err(CredentialError::Room { needed: expected.len() }), "{case}");
        assert!(small.iter().all(|byte| *byte == 0), "{case}");
    }
}

#[test]
fn a_certificate_is_found_by_every_kind_of_reference() {
    let wrapped = Data::read("openssl").base64("oaep_of_alphabet_to_x");
    let der = certificate("service").der().to_vec();
    // Numbers from `openssl x509 -text`.
    let identifier = [
        0x06, 0xA0, 0xEA, 0x23, 0x61, 0xAE, 0x2E, 0x99, 0xCB, 0xA0, 0x83, 0xF0, 0x30, 0xC8, 0xE8, 0xC9, 0x65, 0x5A,
        0xAC, 0x48,
    ];
    let serial = b"93569544330807128983735272942316611616404524649";
    let store = service();
    let unwrap = |named: CertificateReference<'_>| {
        let mut out = [0; 32];
        let length = store.unwrap_key(named, KeyTransport::RsaOaepMgf1p, &wrapped, &mut out)?;
        Ok::<_, CredentialError>(out[..length].to_vec())
    };
    for named in [
        CertificateReference::ThumbprintSha1(&certificate("service").thumbprint()),
        CertificateReference::SubjectKeyIdentifier(&identifier),
        CertificateReference::IssuerSerial { issuer: b"CN=localhost", serial },
        CertificateReference::Der(&der),
    ] {
        assert_eq!(unwrap(named).unwrap(), b"abcdefghijklmnopqrstuvwx");
    }
    for named in [
        CertificateReference::ThumbprintSha1(&certificate("client").thumbprint()),
        CertificateReference::ThumbprintSha1(b""),
        CertificateReference::SubjectKeyIdentifier(b""),
        CertificateReference::IssuerSerial { issuer: b"CN=localhost", serial: b"1" },
        CertificateReference::IssuerSerial { issuer: b"CN=elsewhere", serial },
        CertificateReference::Der(&der[1..]),
    ] {
        assert_eq!(unwrap(named), Err(CredentialError::UnknownCertificate));
    }
}

#[test]
fn an_issuer_with_several_parts_is_found_as_dotnet_writes_it() {
    let short = certificate("short1024");
    // `X500DistinguishedName.Name` form; the serial is 0x123456789ABCDEF0.
    for issuer in [&b"CN=short, O=\"Foo, Inc.\", S=Hesse, C=DE"[..], b"CN=short,O=Foo\\, Inc.,ST=Hesse,C=DE"] {
        assert!(short.is_named_by(CertificateReference::IssuerSerial { issuer, serial: b"1311768467463790320" }));
    }
}

#[test]
fn the_right_key_among_several_is_used() {
    let store = CredentialStore::new().with_key(certificate("client"), key("client")).unwrap();
    let store = store.with_key(certificate("service"), key("service")).unwrap();
    let wrapped = Data::read("openssl").base64("oaep_of_alphabet_to_x");
    let mut out = [0; 32];
    let mut unwrap = |name: &str| {
        let thumbprint = certificate(name).thumbprint();
        store.unwrap_key(
            CertificateReference::ThumbprintSha1(&thumbprint),
            KeyTransport::RsaOaepMgf1p,
            &wrapped,
            &mut out,
        )
    };
    assert_eq!(unwrap("service"), Ok(24));
    assert_eq!(unwrap("client"), Err(CredentialError::WrongKey));
}

#[test]
fn what_the_client_wraps_the_service_unwraps() {
    let client = CredentialStore::new().with_service(certificate("service")).unwrap();
    let thumbprint = client.service_thumbprint().unwrap();
    let secret = [7; 32];
    for transport in [KeyTransport::RsaOaepMgf1p, KeyTransport::Rsa15] {
        let mut wrapped = [0; 300];
        assert_eq!(client.wrap_key(transport, &secret, &mut wrapped), Ok(256));
        let named = CertificateReference::ThumbprintSha1(&thumbprint);
        let mut out = [0; 32];
        assert_eq!(service().unwrap_key(named, transport, &wrapped[..256], &mut out), Ok(32));
        assert_eq!(out, secret);
        // Neither shorter nor longer than the modulus.
        for damaged in [&wrapped[..255], &wrapped[..257], &[]] {
            assert_eq!(service().unwrap_key(named, transport, damaged, &mut out), Err(CredentialError::WrongKey));
        }
        let mut small = [0; 255];
        assert_eq!(client.wrap_key(transport, &secret, &mut small), Err(CredentialError::Room { needed: 256 }));
        assert_eq!(client.wrap_key(transport, &[0; 250], &mut wrapped), Err(CredentialError::Unsupported));
    }
}

#[test]
fn a_damaged_oaep_key_is_refused_and_a_damaged_pkcs1_key_does_not_tell() {
    let store = service();
    let thumbprint = certificate("service").thumbprint();
    let named = CertificateReference::ThumbprintSha1(&thumbprint);
    let mut oaep = Data::read("anon-cert-Basic256").base64("wrapped");
    oaep[100] ^= 1;
    let mut out = [0; 64];
    assert_eq!(store.unwrap_key(named, KeyTransport::RsaOaepMgf1p, &oaep, &mut out), Err(CredentialError::WrongKey));

    let mut padding = Data::read("anon-cert-Basic256Rsa15").base64("wrapped");
    padding[100] ^= 1;
    let odd_length = Data::read("openssl").base64("rsa15_of_20_bytes");
    for wrapped in [&padding, &odd_length] {
        let mut again = [0; 64];
        assert_eq!(store.unwrap_key(named, KeyTransport::Rsa15, wrapped, &mut out), Ok(32));
        assert_eq!(store.unwrap_key(named, KeyTransport::Rsa15, wrapped, &mut again), Ok(32));
        assert_eq!(out, again, "asking twice must not tell either");
        assert!(!out.starts_with(b"0123456789"));
        // Another process would make up another key: it is a secret, not a function of the message.
        assert_eq!(service().unwrap_key(named, KeyTransport::Rsa15, wrapped, &mut again), Ok(32));
        assert_ne!(out, again);
    }
}

#[test]
fn verifies_what_wcf_signed() {
    let recorded = Data::read("mutual-cert");
    let (digest, signature) = (recorded.hex("digest"), recorded.base64("signature"));
    let store = trusting("client");
    let client = certificate("client");
    let signer = CertificateReference::Der(client.der());
    let sha1 = AsymmetricSignature::RsaSha1;
    assert_eq!(store.verify_signature(signer, sha1, &digest, &signature), Ok(()));

    let mut other = digest.clone();
    other[0] ^= 1;
    for (digest, signature) in [(&other[..], &signature[..]), (&digest[1..], &signature), (&digest, &signature[1..])] {
        let refused = store.verify_signature(signer, sha1, digest, signature);
        assert_eq!(refused, Err(CredentialError::BadSignature));
    }
    let wrong_algorithm = store.verify_signature(signer, AsymmetricSignature::RsaSha256, &digest, &signature);
    assert_eq!(wrong_algorithm, Err(CredentialError::BadSignature));
}

#[test]
fn verifies_what_openssl_signed_with_a_short_key() {
    let made = Data::read("openssl");
    let store = trusting("short1024");
    let thumbprint = certificate("short1024").thumbprint();
    let signer = CertificateReference::ThumbprintSha1(&thumbprint);
    for (algorithm, hash) in [(AsymmetricSignature::RsaSha1, "sha1"), (AsymmetricSignature::RsaSha256, "sha256")] {
        let (digest, signature) = (made.hex(&format!("{hash}_digest")), made.base64(&format!("{hash}_signature")));
        assert_eq!(store.verify_signature(signer, algorithm, &digest, &signature), Ok(()));
    }
}

#[test]
fn only_a_valid_and_known_certificate_is_trusted() {
    let recorded = Data::read("mutual-cert");
    let (digest, signature) = (recorded.hex("digest"), recorded.base64("signature"));
    let client = certificate("client");
    let by_value = CertificateReference::Der(client.der());
    let ask = |store: &CredentialStore, signer| {
        store.verify_signature(signer, AsymmetricSignature::RsaSha1, &digest, &signature)
    };
    let nobody = trusting("service");
    let refused =
        |problem| Err(CredentialError::Certificate { thumbprint: certificate("client").thumbprint(), problem });
    assert_eq!(ask(&nobody, by_value), refused(CertificateProblem::NotTrusted));
    let by_name = CertificateReference::ThumbprintSha1(&client.thumbprint());
    assert_eq!(ask(&nobody, by_name), Err(CredentialError::UnknownCertificate));
    // Valid from 2026-11-21 01:41:39 to 2036-11-18 01:41:39 UTC.
    for (time, expected) in [
        (1_795_225_298, refused(CertificateProblem::NotYetValid)),
        (1_795_225_299, Ok(())),
        (2_110_585_299, Ok(())),
        (2_110_585_300, refused(CertificateProblem::Expired)),
    ] {
        let store = trusting("client").with_clock(move || SystemTime::UNIX_EPOCH + Duration::from_secs(time));
        assert_eq!(ask(&store, by_value), expected, "{time}");
    }
}

#[test]
fn an_empty_store_does_nothing() {
    let store = CredentialStore::new();
    let mut out = [0; 512];
    assert_eq!(store.wrap_key(KeyTransport::Rsa15, &[0; 32], &mut out), Err(CredentialError::Unsupported));
    assert_eq!(store.service_thumbprint(), Err(CredentialError::Unsupported));
    assert_eq!(store.check_user("ada", "secret"), Err(CredentialError::Unsupported));
}

#[test]
fn users_are_asked_of_the_check() {
    let store = CredentialStore::new().with_user_check(|name, password| (name, password) == ("ada", "secret"));
    assert_eq!(store.check_user("ada", "secret"), Ok(()));
    assert_eq!(store.check_user("ada", "Secret"), Err(CredentialError::BadPassword));
}

#[test]
fn a_key_loads_from_pkcs1_and_from_der() {
    for name in ["service", "service.pkcs1"] {
        let pem = std::fs::read_to_string(file(&format!("keys/{name}.key.pem"))).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let from_der = PrivateKey::from_der(&STANDARD.decode(body).unwrap()).unwrap();
        for key in [from_der, key(name)] {
            let store = CredentialStore::new().with_key(certificate("service"), key).unwrap();
            let wrapped = Data::read("openssl").base64("oaep_of_alphabet_to_x");
            let thumbprint = certificate("service").thumbprint();
            let named = CertificateReference::ThumbprintSha1(&thumbprint);
            let mut out = [0; 24];
            assert_eq!(store.unwrap_key(named, KeyTransport::RsaOaepMgf1p, &wrapped, &mut out), Ok(24));
        }
    }
}

#[test]
fn what_cannot_be_loaded_says_which_file_and_why() {
    let load_certificate = |name: &str| Certificate::from_file(file(name)).map(|_| ()).unwrap_err();
    let load_key = |name: &str| PrivateKey::from_file(file(name)).map(|_| ()).unwrap_err();
    for (error, name, problem) in [
        (load_certificate("keys/absent"), "absent", LoadProblem::Read(std::io::ErrorKind::NotFound)),
        (load_certificate("keys/service.key.pem"), "service.key.pem", LoadProblem::NoCertificate),
        (load_certificate("keys/ec.cert.pem"), "ec.cert.pem", LoadProblem::NotRsa),
        (
            load_certificate("keys/long8192.cert.pem"),
            "long8192.cert.pem",
            LoadProblem::KeyTooLarge { bits: 8192, maximum: 4096 },
        ),
        (load_key("keys/service.cert.pem"), "service.cert.pem", LoadProblem::NoPrivateKey),
        (load_key("keys/service.encrypted.key.pem"), "service.encrypted.key.pem", LoadProblem::NoPrivateKey),
        (load_key("keys/ec.key.pem"), "ec.key.pem", LoadProblem::BadPrivateKey),
        (load_key("keys/short1024.key.pem"), "short1024.key.pem", LoadProblem::KeyTooSmall { bits: 0, minimum: 2048 }),
    ] {
        assert_eq!(error.problem(), problem, "{name}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let damaged = b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    assert_eq!(Certificate::from_pem(damaged).unwrap_err().problem(), LoadProblem::BadPem);
    let der = certificate("service").der().to_vec();
    for length in 0..der.len() {
        assert!(Certificate::from_der(&der[..length]).is_err());
    }
    let foreign = CredentialStore::new().with_key(certificate("client"), key("service"));
    assert_eq!(foreign.unwrap_err().problem(), LoadProblem::KeyOfAnotherCertificate);
    let short = CredentialStore::new().with_service(certificate("short1024"));
    assert_eq!(short.unwrap_err().problem(), LoadProblem::KeyTooSmall { bits: 1024, minimum: 2048 });
}

#[test]
fn nothing_secret_is_printed() {
    let text = format!("{:?}", service().with_user_check(|_, _| false));
    assert_eq!(
        text,
        "CredentialStore { keys: [(Certificate(de2ca27e80621216f21b7fb3213519c4b6b0b9d1, 2048 bits), \
         PrivateKey(256 bytes))], own: None, service: None, validation: PeerOrChainTrust, trusted: [], authorities: 0, checks_users: true }"
    );
}
