//! `call` against `serve` in every combination of their options: those that a binding of WCF has work, and the others are refused, each
//! with words that say why.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod common;

use common::{ECHO, ECHOED, Served, file, folder, key, run, words};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[derive(Clone, Copy, Debug)]
struct Row {
    binding: &'static str,
    security: &'static str,
    credential: &'static str,
    session: bool,
    /// Reliable, and whether in order.
    reliable: Option<bool>,
}

fn table() -> Vec<Row> {
    let mut rows = Vec::new();
    for binding in ["ws-http", "ws2007-http", "basic-http"] {
        for security in ["none", "message", "transport-with-message-credential"] {
            for credential in ["none", "username", "certificate"] {
                for session in [true, false] {
                    for reliable in [None, Some(true), Some(false)] {
                        rows.push(Row { binding, security, credential, session, reliable });
                    }
                }
            }
        }
    }
    rows
}

impl Row {
    /// Why no binding of WCF is like that, by words that the refusal has to have.
    fn impossible(self) -> Option<&'static str> {
        let Self { binding, security, credential, session, reliable } = self;
        match (binding, security, credential) {
            // WCF: BasicHttpMessageSecurity takes BasicHttpMessageCredentialType.Certificate only, unless over HTTPS.
            ("basic-http", "message", "none" | "username") => {
                Some("basic-http has messages protected by certificates only")
            }
            // ReliableSession is WSHttpBinding's.
            ("basic-http", _, _) if reliable.is_some() => Some("basic-http has no reliable sessions"),
            // Nothing could carry the credential: clientCredentialType is of the message.
            (_, "none", "username" | "certificate") => Some("--credential needs messages that carry it"),
            // WCF: BasicHttpSecurity and WSHttpSecurity refuse MessageCredentialType.None with TransportWithMessageCredential.
            (_, "transport-with-message-credential", "none") => Some("needs a credential"),
            // establishSecurityContext is an attribute of message security.
            (_, "none", _) if !session => Some("choose a security mode first"),
            // WCF: "To use secure conversation with reliable messaging" establishSecurityContext must be on.
            _ if !session && reliable.is_some() => Some("needs a secure session"),
            _ => None,
        }
    }

    fn https(self) -> bool {
        self.security == "transport-with-message-credential"
    }

    /// What both sides are told.
    fn options(self) -> Vec<String> {
        let Self { binding, security, credential, session, reliable } = self;
        let mut options = words(&format!("--binding {binding} --security {security} --credential {credential}"));
        if !session {
            options.push("--no-secure-session".to_owned());
        }
        match reliable {
            Some(true) => options.push("--reliable".to_owned()),
            Some(false) => options.extend(words("--reliable --unordered")),
            None => {}
        }
        options
    }

    fn serve(self, folder: &Path) -> Vec<String> {
        let mut arguments =
            words("serve --listen 127.0.0.1:0 --service echo --max-concurrent-sessions 8 --close-timeout 1");
        arguments.extend(self.options());
        match self.security {
            "message" => arguments
                .extend(["--cert", &key("service.cert.pem"), "--key", &key("service.key.pem")].map(str::to_owned)),
            "transport-with-message-credential" => arguments.extend(
                ["--tls", "--cert", &key("tls/server.cert.pem"), "--key", &key("tls/server.key.pem")]
                    .map(str::to_owned),
            ),
            _ => {}
        }
        match self.credential {
            "username" => arguments.extend(["--users".to_owned(), path(folder, "users")]),
            "certificate" => arguments.extend(["--trust".to_owned(), key("client.cert.pem")]),
            _ => {}
        }
        arguments
    }

    fn call(self, folder: &Path, port: &str, one_way: bool) -> Vec<String> {
        let scheme = if self.https() { "https" } else { "http" };
        let mut arguments =
            words(&format!("call {scheme}://localhost:{port}/ --action urn:e/Echo --body - --timeout 20"));
        arguments.extend(self.options());
        match self.security {
            "message" => arguments.extend(["--service-cert".to_owned(), key("service.cert.pem")]),
            "transport-with-message-credential" => arguments.extend(["--ca".to_owned(), key("tls/authority.cert.pem")]),
            _ => {}
        }
        match self.credential {
            "username" => {
                let password = path(folder, "password");
                arguments.extend(["--username", "ada", "--password-file", &password].map(str::to_owned));
            }
            "certificate" => {
                arguments.extend(
                    ["--client-cert", &key("client.cert.pem"), "--client-key", &key("client.key.pem")]
                        .map(str::to_owned),
                );
            }
            _ => {}
        }
        if one_way {
            arguments.push("--one-way".to_owned());
        }
        arguments
    }

    fn works(self, folder: &Path) {
        let served = Served::start(&self.serve(folder));
        for one_way in [false, true] {
            let ran = run(&self.call(folder, served.port(), one_way), ECHO);
            let expected = if one_way { String::new() } else { format!("{ECHOED}\n") };
            assert_eq!(
                (ran.code, ran.out.as_str(), ran.err.as_str()),
                (0, expected.as_str(), ""),
                "{self:?} one-way: {one_way}"
            );
        }
    }

    fn is_refused(self, folder: &Path, why: &str) {
        for arguments in [self.serve(folder), self.call(folder, "9", false)] {
            let ran = run(&arguments, ECHO);
            assert!(
                ran.code == 2 && ran.err.contains(why) && ran.out.is_empty(),
                "{arguments:?}: {ran:?}, expected «{why}»"
            );
        }
    }
}

/// A folder with the names and passwords of a test.
fn secrets(test: &str) -> PathBuf {
    let folder = folder(test);
    file(&folder, "users", "ada:secret\n");
    file(&folder, "password", "secret\n");
    folder
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

/// Several at a time: they are processes, and wait for each other.
fn each(rows: &[Row], work: impl Fn(Row) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::SeqCst)) {
                    work(*row);
                }
            });
        }
    });
}

#[test]
fn what_wcf_has_works() {
    let folder = secrets("works");
    let rows: Vec<Row> = table().into_iter().filter(|row| row.impossible().is_none()).collect();
    each(&rows, |row| row.works(&folder));
    // 3 without security, 12 with messages that are protected, 8 over HTTPS, for each of two bindings; of the third, 1, 1 and 2, the
    // latter also where it is said that there is no secure session, which it never has.
    assert_eq!(rows.len(), 2 * (3 + 12 + 8) + 1 + 2 + 4);
    println!("{} combinations, each with a reply and one-way", rows.len());
}

#[test]
fn what_wcf_has_not_is_refused() {
    let folder = secrets("refused");
    let rows: Vec<Row> = table().into_iter().filter(|row| row.impossible().is_some()).collect();
    let reasons = Mutex::new(BTreeMap::new());
    each(&rows, |row| {
        let why = row.impossible().unwrap();
        row.is_refused(&folder, why);
        *reasons.lock().unwrap().entry(why).or_insert(0) += 1;
    });
    let reasons = reasons.into_inner().unwrap();
    println!("{} combinations refused: {reasons:#?}", rows.len());
    assert_eq!((rows.len(), reasons.len()), (162 - 53, 6));
}

/// Each by itself: names, and what they say of the service and the client.
#[test]
fn every_algorithm_suite() {
    const SUITES: [&str; 16] = [
        "Basic256",
        "Basic192",
        "Basic128",
        "TripleDes",
        "Basic256Rsa15",
        "Basic192Rsa15",
        "Basic128Rsa15",
        "TripleDesRsa15",
        "Basic256Sha256",
        "Basic192Sha256",
        "Basic128Sha256",
        "TripleDesSha256",
        "Basic256Sha256Rsa15",
        "Basic192Sha256Rsa15",
        "Basic128Sha256Rsa15",
        "TripleDesSha256Rsa15",
    ];
    let folder = secrets("suites");
    let (binding, security, credential) = ("ws2007-http", "message", "certificate");
    let row = Row { binding, security, credential, session: true, reliable: None };
    for suite in SUITES {
        let chosen = ["--algorithm-suite".to_owned(), suite.to_owned()];
        let served = Served::start(&[&row.serve(&folder)[..], &chosen].concat());
        let ran = run(&[&row.call(&folder, served.port(), false)[..], &chosen].concat(), ECHO);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, &*format!("{ECHOED}\n"), ""), "{suite}");
    }
    let ran = run(&[&row.call(&folder, "9", false)[..], &words("--algorithm-suite Basic512")].concat(), ECHO);
    assert!(ran.code == 2 && SUITES.iter().all(|suite| ran.err.contains(suite)), "{ran:?}");
}
