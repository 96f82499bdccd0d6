//! HTTPS, with and without clients' certificates.

use std::path::PathBuf;
use std::time::Duration;

use futures_lite::AsyncWriteExt;
use rustls::CertificateError;
use soap_session_driver::Runtime;
use soap_session_driver::http::{ContentHeaders, HttpClient, HttpError, HttpReply, HttpResponse, Limits};
use soap_session_driver::tls::{Authorities, ClientCertificates, ClientTls, Identity, ServerTls, TlsError};

use crate::world::{Running, canned, read_all, text};

fn key(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/keys").join(name)
}

fn trust(names: &[&str]) -> Authorities {
    Authorities::from_files(names.iter().map(|name| key(name))).unwrap()
}

fn identity(name: &str) -> Identity {
    Identity::from_pem_files(key(&format!("{name}.cert.pem")), key(&format!("{name}.key.pem"))).unwrap()
}

fn client_tls(trusted: &[&str], name: Option<&str>) -> ClientTls {
    ClientTls::new(&trust(trusted), name.map(identity).as_ref()).unwrap()
}

fn server_tls(name: &str) -> ServerTls {
    ServerTls::new(&identity(name), &ClientCertificates::NotAsked).unwrap()
}

const AUTHORITY: &str = "tls/authority.cert.pem";

async fn say<R: Runtime>(client: &HttpClient<R>) -> Result<HttpReply, HttpError> {
    client.exchange(&ContentHeaders::soap12(), "<s/>", 1000).await
}

pub(crate) async fn a_message_goes_protected<R: Runtime>(runtime: R) {
    // An RSA key in two forms, one of an elliptic curve, and PKCS#12.
    let pkcs1 = Identity::from_pem_files(key("tls/server.cert.pem"), key("tls/server.pkcs1.key.pem")).unwrap();
    let pkcs12 = Identity::from_pkcs12_file(key("tls/server.pfx"), "correct").unwrap();
    for (identity, trusted) in [
        (identity("tls/server"), AUTHORITY),
        (pkcs1, AUTHORITY),
        (pkcs12, AUTHORITY),
        (identity("tls/stranger"), "tls/stranger.cert.pem"),
    ] {
        let tls = ServerTls::new(&identity, &ClientCertificates::NotAsked).unwrap();
        let server = Running::start(&runtime, Limits::default(), Some(tls), |request| async move {
            assert!(request.tls && request.client_certificate.is_none());
            HttpResponse::reply(request.content_type, format!("{} {:?}", request.connection, request.body))
        })
        .await;
        let client = server.https(client_tls(&[trusted], None));
        for _ in 0..2 {
            assert_eq!(text(&say(&client).await.unwrap().body), "1 b\"<s/>\"");
        }
        // More than one record, both ways.
        let long = "a".repeat(60_000);
        let reply = client.exchange(&ContentHeaders::soap12(), long, 100_000).await.unwrap();
        assert_eq!(reply.body.len(), 60_005);
        server.stop().await;
    }
}

pub(crate) async fn who_is_trusted<R: Runtime>(runtime: R) {
    for (name, server, trusted, expected) in [
        ("issued by whom we trust", "tls/server", AUTHORITY, None),
        ("named itself", "tls/server", "tls/server.cert.pem", None),
        ("signs itself, and was named", "tls/stranger", "tls/stranger.cert.pem", None),
        ("an authority's, and was named", "service", "service.cert.pem", None),
        ("signs itself", "tls/stranger", AUTHORITY, Some("UnknownIssuer")),
        ("an authority's", "service", AUTHORITY, Some("Untrusted")),
        ("another host's", "tls/elsewhere", AUTHORITY, Some("NotValidForName")),
        ("another host's, though named", "tls/elsewhere", "tls/elsewhere.cert.pem", Some("NotValidForName")),
        ("expired", "tls/expired", AUTHORITY, Some("Expired")),
        ("expired, though named", "tls/expired", "tls/expired.cert.pem", Some("Expired")),
    ] {
        let server = Running::echo(&runtime, Limits::default(), Some(server_tls(server))).await;
        let got = say(&server.https(client_tls(&[trusted], None))).await;
        match (expected, got) {
            (None, got) => assert!(got.is_ok(), "{name}: {got:?}"),
            (Some("UnknownIssuer"), Err(HttpError::Tls(TlsError::Certificate(CertificateError::UnknownIssuer))))
            | (Some("Expired"), Err(HttpError::Tls(TlsError::Certificate(CertificateError::ExpiredContext { .. }))))
            | (
                Some("NotValidForName"),
                Err(HttpError::Tls(TlsError::Certificate(CertificateError::NotValidForNameContext { .. }))),
            )
            | (Some("Untrusted"), Err(HttpError::Tls(TlsError::Certificate(_)))) => (),
            (expected, got) => panic!("{name}: {got:?} instead of {expected:?}"),
        }
        // A client that went in the middle of the handshake harms nobody.
        let ordinary = Running::echo(&runtime, Limits::default(), None).await;
        ordinary.still_serves(name).await;
    }
    assert!(matches!(ClientTls::new(&Authorities::default(), None), Err(TlsError::NobodyTrusted)));
    let nobody = ClientCertificates::Required(Authorities::default());
    assert!(matches!(ServerTls::new(&identity("tls/server"), &nobody), Err(TlsError::NobodyTrusted)));
}

pub(crate) async fn clients_with_certificates<R: Runtime>(runtime: R) {
    let authority = || trust(&[AUTHORITY, "client.cert.pem"]);
    for (clients, client, expected) in [
        (ClientCertificates::NotAsked, None, Ok("none")),
        (ClientCertificates::NotAsked, Some("tls/client"), Ok("none")),
        (ClientCertificates::Optional(authority()), None, Ok("none")),
        (ClientCertificates::Optional(authority()), Some("tls/client"), Ok("tls/client")),
        (ClientCertificates::Optional(authority()), Some("client"), Ok("client")),
        (ClientCertificates::Required(authority()), Some("tls/client"), Ok("tls/client")),
        (ClientCertificates::Required(authority()), Some("client"), Ok("client")),
        (
            ClientCertificates::Required(authority()),
            None,
            Err("no protected connection: the other side wants a certificate, and none was given"),
        ),
        (
            ClientCertificates::Required(authority()),
            Some("tls/stranger"),
            Err("no protected connection: the other side has refused: UnknownCA"),
        ),
        (
            ClientCertificates::Optional(authority()),
            Some("tls/stranger"),
            Err("no protected connection: the other side has refused: UnknownCA"),
        ),
    ] {
        let what = format!("{clients:?} {client:?}");
        let tls = ServerTls::new(&identity("tls/server"), &clients).unwrap();
        let names = ["tls/client", "client"].map(|name| (name, identity(name).chain().next().unwrap().to_vec()));
        let server = Running::start(&runtime, Limits::default(), Some(tls), move |request| {
            let shown = request.client_certificate;
            let name = names.iter().find(|(_, der)| shown.as_ref().is_some_and(|shown| shown == der));
            let name = if shown.is_none() { "none" } else { name.map_or("other", |name| name.0) };
            std::future::ready(HttpResponse::reply("text/xml", name))
        })
        .await;
        let got = say(&server.https(client_tls(&[AUTHORITY], client))).await;
        let got = got.map(|reply| text(&reply.body).to_owned()).map_err(|error| error.to_string());
        assert_eq!(got.as_deref().map_err(String::as_str), expected, "{what}");
    }
}

pub(crate) async fn the_wrong_protocol<R: Runtime>(runtime: R) {
    // TLS to a plain port.
    let plain = Running::echo(&runtime, Limits::default(), None).await;
    let refused = say(&plain.https(client_tls(&[AUTHORITY], None))).await;
    assert!(matches!(refused, Err(HttpError::Tls(TlsError::NotTls))), "{refused:?}");
    plain.still_serves("TLS").await;

    // Plain HTTP to a TLS port, by our client and as it looks.
    let server = Running::echo(&runtime, Limits::default(), Some(server_tls("tls/server"))).await;
    let reply = say(&server.client()).await.unwrap();
    assert_eq!((reply.status, text(&reply.body)), (400, "This port speaks HTTPS only."));
    let answer = server.raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nThis port speaks HTTPS only."), "{answer}");
    // Something that begins as TLS does and is not.
    let alert = server.raw(b"\x16\x03\x01\x00\x04\x02\x00\x00\x00").await;
    assert_eq!(alert, "\x15\x03\x03\x00\x02\x02\x32", "fatal: decode_error");
    let client = server.https(client_tls(&[AUTHORITY], None));
    assert!(say(&client).await.is_ok());

    // A server that closes, and one that talks first.
    for (answer, tls) in [(&b""[..], false), (b"SSH-2.0-OpenSSH\r\n", true)] {
        // Any handshake has an octet 0 in it.
        let canned = canned(&runtime, 1, b"\0", answer).await;
        let url = format!("{canned:?}");
        let port = url.split(':').filter_map(|part| part.split('"').next()?.parse::<u16>().ok()).next().unwrap();
        let url = format!("https://localhost:{port}/");
        let client = HttpClient::new(runtime.clone(), &url, Some(client_tls(&[AUTHORITY], None))).unwrap();
        let refused = say(&client).await;
        match refused {
            Err(HttpError::Tls(TlsError::NotTls)) if tls => (),
            Err(HttpError::Tls(TlsError::Socket(_))) => (),
            other => panic!("{answer:?}: {other:?}"),
        }
    }
}

pub(crate) async fn slow_handshakes<R: Runtime>(runtime: R) {
    let limits = Limits { head: Duration::from_millis(500), drain: Duration::from_millis(100), ..Limits::default() };
    let server = Running::echo(&runtime, limits, Some(server_tls("tls/server"))).await;
    for begin in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = server.connect().await;
        stream.write_all(begin).await.unwrap();
        assert_eq!(read_all(stream).await, "", "{begin:?}");
        assert!(say(&server.https(client_tls(&[AUTHORITY], None))).await.is_ok());
    }
    // A server that stops waits for no handshake.
    let _silent = server.connect().await;
    server.stop().await;
}
