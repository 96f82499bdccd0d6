//! Identities and authorities from the files that people have. The files were made by openssl.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use soap_session_credentials::{Authorities, Identity, LoadError, LoadProblem};

fn key(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/keys/tls").join(name)
}

fn pem(certificate: &str, private: &str) -> Result<Identity, LoadError> {
    Identity::from_pem_files(key(certificate), key(private))
}

#[test]
fn one_key_in_every_form() {
    let usual = pem("server.cert.pem", "server.key.pem").unwrap();
    assert_eq!(usual.chain().count(), 1);
    let certificate = usual.certificate().unwrap();
    let private = usual.private_key().unwrap();
    for (name, other) in [
        ("PKCS#1", pem("server.cert.pem", "server.pkcs1.key.pem").unwrap()),
        ("PKCS#12", Identity::from_pkcs12_file(key("server.pfx"), "correct").unwrap()),
        ("PKCS#12 of old", Identity::from_pkcs12_file(key("server.legacy.pfx"), "correct").unwrap()),
    ] {
        assert_eq!(other.certificate().unwrap().der(), certificate.der(), "{name}");
        assert_eq!(other.chain().next(), usual.chain().next(), "{name}");
        // What one key signs, the other verifies: it is the same.
        let mut signature = [0; 512];
        let algorithm = soap_session_credentials::AsymmetricSignature::RsaSha256;
        let length = other.private_key().unwrap().sign(algorithm, &[7; 32], &mut signature).unwrap();
        private.verify(algorithm, &[7; 32], &signature[..length]).unwrap();
        assert!(!format!("{other:?}").contains("key: ["), "{other:?}");
    }
    // The file has the authority's certificate as well.
    let chain = Identity::from_pkcs12_file(key("server.pfx"), "correct").unwrap();
    let authority = Authorities::from_files([key("authority.cert.pem")]).unwrap();
    assert!(chain.chain().skip(1).eq(authority.iter()));

    // Keys of elliptic curves are for TLS only.
    for private in ["client.key.pem", "client.sec1.key.pem"] {
        let curve = pem("client.cert.pem", private).unwrap();
        assert_eq!(curve.certificate().unwrap_err().problem(), LoadProblem::NotRsa, "{private}");
        assert!(curve.private_key().is_err(), "{private}");
    }
    assert!(Identity::from_pkcs12_file(key("client.no-password.pfx"), "").is_ok());
    // Certificates may stand in one file with others behind them, and with the key.
    let text = |name| std::fs::read(key(name)).unwrap();
    let all = [text("server.cert.pem"), text("authority.cert.pem"), text("server.key.pem")].concat();
    assert_eq!(Identity::from_pem(&all, &all).unwrap().chain().count(), 2);
}

#[test]
fn what_is_wrong_is_said_and_the_file_named() {
    let pfx = |name: &str, password: &str| Identity::from_pkcs12_file(key(name), password);
    for (file, loaded, text) in [
        ("missing.pem", pem("missing.pem", "server.key.pem"), "cannot be read: entity not found"),
        ("missing.pem", pem("server.cert.pem", "missing.pem"), "cannot be read: entity not found"),
        ("server.key.pem", pem("server.key.pem", "server.key.pem"), "no CERTIFICATE section found"),
        (
            "authority.cert.pem",
            pem("server.cert.pem", "authority.cert.pem"),
            "no unencrypted PRIVATE KEY or RSA PRIVATE KEY section found; decrypt the key first",
        ),
        (
            "server.encrypted.key.pem",
            pem("server.cert.pem", "server.encrypted.key.pem"),
            "no unencrypted PRIVATE KEY or RSA PRIVATE KEY section found; decrypt the key first",
        ),
        (
            "elsewhere.key.pem",
            pem("server.cert.pem", "elsewhere.key.pem"),
            "the private key does not belong to the certificate it was given with",
        ),
        (
            "client.key.pem",
            pem("server.cert.pem", "client.key.pem"),
            "the private key does not belong to the certificate it was given with",
        ),
        (
            "server.pfx",
            pfx("server.pfx", "wrong"),
            "the password does not open the PKCS#12 file, or the file is damaged",
        ),
        (
            "server.legacy.pfx",
            pfx("server.legacy.pfx", ""),
            "the password does not open the PKCS#12 file, or the file is damaged",
        ),
        (
            "certificate-only.pfx",
            pfx("certificate-only.pfx", "correct"),
            "the PKCS#12 file has no private key in it; export the certificate with its key",
        ),
        ("server.cert.pem", pfx("server.cert.pem", "correct"), "not a PKCS#12 file, or a damaged one"),
    ] {
        let error = loaded.unwrap_err();
        assert_eq!(error.to_string(), format!("{}: {text}", key(file).display()));
    }
    let bytes = std::fs::read(key("server.pfx")).unwrap();
    for cut in [0, 1, 100, bytes.len() - 1] {
        assert!(Identity::from_pkcs12(&bytes[..cut], "correct").is_err(), "{cut}");
    }
    assert!(Authorities::from_files([key("server.key.pem")]).is_err());
    assert!(Authorities::from_pem(b"\x30\x03abc").is_err());
}

#[test]
fn who_was_named_is_known_while_the_certificate_is_valid() {
    let named = Authorities::from_files([key("stranger.cert.pem"), key("expired.cert.pem")]).unwrap();
    let identity = |name: &str| pem(&format!("{name}.cert.pem"), &format!("{name}.key.pem")).unwrap();
    let (stranger, server) = (identity("stranger"), identity("server"));
    // 2030: within the hundred years of the one, and beyond the one second of the other.
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000);
    assert!(named.include(stranger.chain().next().unwrap(), then));
    assert!(!named.include(stranger.chain().next().unwrap(), SystemTime::UNIX_EPOCH));
    assert!(!named.include(server.chain().next().unwrap(), then));
    assert!(!named.include(identity("expired").chain().next().unwrap(), then));
}
