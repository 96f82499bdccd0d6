//! The program in operation: what it tells, what it counts, the files it is given, and how it is stopped.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod common;

use common::{ECHO, ECHOED, Served, begin, end, file, folder, key, run, run_in, signal, waited, words};
use soap_session_core::soap::SoapVersion;
use soap_session_tokio::http::{ContentHeaders, HttpClient, HttpError, HttpReply};
use soap_session_tokio::tls::{Authorities, ClientTls};
use soap_session_tokio::{PlainEnvelope, Tokio};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const RELIABLE: &str = "--binding ws-http --reliable";

fn serve(more: &str) -> Served {
    Served::start(&words(&format!("serve --listen 127.0.0.1:0 --service echo --max-concurrent-calls 8 {more}")))
}

fn calling(port: &str, more: &str) -> Vec<String> {
    words(&format!("call http://127.0.0.1:{port}/ --timeout 20 --body - --action urn:e/Echo {more}"))
}

/// Posts plain SOAP 1.2, as an ordinary client does.
fn post(url: &str, tls: Option<ClientTls>) -> Result<HttpReply, HttpError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = HttpClient::new(Tokio, url, tls)?;
        let headers = ContentHeaders::without_addressing(SoapVersion::Soap12, "urn:e/Echo");
        client.exchange(&headers, PlainEnvelope::write(SoapVersion::Soap12, ECHO.as_bytes()), 65_536).await
    })
}

fn is_echo(reply: &HttpReply) -> bool {
    String::from_utf8_lossy(&reply.body).contains(ECHOED)
}

#[test]
fn what_sessions_do_is_told_on_the_standard_error_if_it_is_asked_for() {
    let silent = serve(&format!("{RELIABLE} --close-timeout 1"));
    let served = serve(&format!("{RELIABLE} --close-timeout 1 -v"));
    for served in [&silent, &served] {
        let ran = run(&calling(served.port(), RELIABLE), ECHO);
        assert_eq!((ran.code, ran.out, ran.err.as_str()), (0, format!("{ECHOED}\n"), ""));
        served.says(" is over.");
    }
    let bound = served.tells("session bound");
    assert!(bound.contains(" INFO session{session=\"urn:uuid:") && bound.contains("kind=\"reliable\"}"), "{bound}");
    served.tells("session closed");
    let [said, told] = served.written();
    assert!(!said.iter().any(|line| line.contains("INFO") || line.contains("soap_session")), "{said:#?}");
    assert!(told.iter().all(|line| !line.contains("DEBUG")), "{told:#?}");
    assert_eq!(silent.written()[1], [""; 0], "nothing is wrong, and nothing is told");

    // Calls are told by one more, and whoever reads replies reads nothing else.
    let ran = run(&calling(served.port(), &format!("{RELIABLE} -vv")), ECHO);
    assert!(ran.code == 0 && ran.out == format!("{ECHOED}\n") && ran.err.contains("DEBUG"), "{ran:?}");
    assert!(ran.err.contains("call answered") && ran.err.contains("channel{"), "{}", ran.err);
}

#[test]
fn events_are_json_if_that_is_asked_for_and_the_environment_says_which() {
    let variables = [("RUST_LOG", "soap_session=debug")];
    let arguments = words(&format!("serve --listen 127.0.0.1:0 --service echo {RELIABLE} --log-format json"));
    let served = Served::start_in(&arguments, &variables);
    assert_eq!(run(&calling(served.port(), RELIABLE), ECHO).code, 0);
    served.tells("session closed");
    let told = served.written()[1].clone();
    let events: Vec<serde_json::Value> = told.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let begun = events.iter().find(|event| event["message"] == "call begun").unwrap();
    assert_eq!((begun["level"].as_str(), begun["target"].as_str()), (Some("DEBUG"), Some("soap_session")));
    assert_eq!(begun["action"], "urn:e/Echo");
    let span = &begun["span"];
    assert_eq!((span["name"].as_str(), span["action"].as_str()), (Some("call"), Some("urn:e/Echo")));
    assert!(span["session"].as_str().unwrap().starts_with("urn:uuid:"), "{begun}");

    // -v says it again, and is heard.
    let ran = run_in(&calling(served.port(), &format!("{RELIABLE} -v")), ECHO, &[("RUST_LOG", "off")]);
    assert!(ran.code == 0 && ran.err.contains("session opened"), "{ran:?}");
    let ran = run_in(&calling(served.port(), RELIABLE), ECHO, &[("RUST_LOG", "soap_session=loud")]);
    assert!(ran.code == 2 && ran.out.is_empty() && ran.err.starts_with("RUST_LOG: "), "{ran:?}");
}

#[test]
fn no_secret_and_no_body_is_ever_told() {
    let folder = folder("secrets");
    // All that this program tells; and all that its libraries tell, too, which is not heard where -v is given.
    for (how, more, variables) in [("flag", "-vvv", &[][..]), ("variable", "", &[("RUST_LOG", "trace")][..])] {
        no_secret_is_told(&folder.join(how), more, variables);
    }
}

fn no_secret_is_told(folder: &Path, more: &str, variables: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    let (password, wrong) = ("open-sesame-81", "close-sesame-18");
    let binding = format!("--binding ws2007-http --security message --credential username --reliable {more}");
    let arguments = format!(
        "serve --listen 127.0.0.1:0 --service echo {binding} --close-timeout 1 --pkcs12 {} --pkcs12-password-file {} --users {}",
        key("tls/server.pfx"),
        file(folder, "pass", "correct\n"),
        file(folder, "users", &format!("ada:{password}\n")),
    );
    let served = Served::start_in(&words(&arguments), variables);
    let body = "<Echo xmlns=\"urn:e\"><text>the-body-of-it</text></Echo>";
    let mut heard = String::new();
    for (password, code) in [(password, 0), (wrong, 5)] {
        let arguments = format!(
            "{binding} --service-cert {} --username ada --password-file {}",
            key("tls/server.cert.pem"),
            file(folder, "password", password)
        );
        let ran = run_in(&calling(served.port(), &arguments), body, variables);
        assert!(ran.code == code && ran.err.contains("channel{"), "{ran:?}");
        heard += &ran.err;
    }
    served.tells("message refused");
    let [said, told] = served.written();
    heard += &[said, told].concat().join("\n");
    assert!(heard.contains("session bound") && heard.contains("call begun"), "there is much to be told: {heard}");
    let private = fs::read_to_string(key("tls/server.key.pem")).unwrap();
    let lines = private.lines().filter(|line| line.len() > 40);
    for secret in [password, wrong, "the-body-of-it", "\"correct\""].into_iter().chain(lines) {
        assert!(!heard.contains(secret), "«{secret}» was told");
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

/// Where the page is.
fn metrics(served: &Served) -> String {
    let line = served.says("Metrics at http://");
    line.split("//").nth(1).unwrap().trim_end_matches("/metrics.").to_owned()
}

#[test]
fn the_numbers_are_served_to_prometheus() {
    let served = serve(&format!("{RELIABLE} --metrics 127.0.0.1:0"));
    let connect = Served::start(&words(&format!(
        "connect --listen 127.0.0.1:0 --to http://{}/ {RELIABLE} --metrics 127.0.0.1:0",
        served.address
    )));
    for _ in 0..3 {
        assert!(is_echo(&post(&format!("http://{}/", connect.address), None).unwrap()));
    }
    for (served, role) in [(&served, "server"), (&connect, "client")] {
        let page = get(&metrics(served), "/metrics");
        assert!(page.starts_with("HTTP/1.1 200 OK"), "{page}");
        for line in [
            format!("soap_session_calls_total{{role=\"{role}\",outcome=\"reply\"}} 3"),
            format!("soap_session_sessions_open{{role=\"{role}\"}} 1"),
            "# TYPE soap_session_call_duration_seconds histogram".to_owned(),
        ] {
            assert!(page.lines().any(|told| told == line), "{line} is not in\n{page}");
        }
        assert!(get(&metrics(served), "/").starts_with("HTTP/1.1 404"));
    }
    // An address that is taken, or is none.
    let taken = metrics(&served);
    for (command, more) in [("serve", "--service echo"), ("connect", "--to http://127.0.0.1:9/")] {
        let started = |address: &str| {
            run(&words(&format!("{command} --listen 127.0.0.1:0 {more} {RELIABLE} --metrics {address}")), "")
        };
        let ran = started(&taken);
        assert!(ran.code == 6 && ran.out.is_empty(), "{ran:?}");
        assert!(ran.err.contains(&format!("--metrics {taken}: cannot bind the address for metrics")), "{}", ran.err);
        let ran = started("nowhere");
        assert!(ran.code == 2 && ran.err.contains("HOST:PORT"), "{ran:?}");
    }
}

/// A file of a password in a folder of its own.
fn secret(folder: &Path, password: &str) -> String {
    file(folder, &format!("{password}.txt"), &format!("{password}\n"))
}

#[test]
fn a_service_shows_a_certificate_from_a_pkcs12_file() {
    let folder = folder("pkcs12");
    let (pfx, correct, wrong) = (key("tls/server.pfx"), secret(&folder, "correct"), secret(&folder, "wrong"));
    let message = "--binding ws2007-http --security message";
    let served = serve(&format!("{message} --pkcs12 {pfx} --pkcs12-password-file {correct}"));
    let to_it = format!("{message} --service-cert {}", key("tls/server.cert.pem"));
    assert_eq!(run(&calling(served.port(), &to_it), ECHO).out, format!("{ECHOED}\n"));
    // The key of an elliptic curve is good for HTTPS.
    for (pfx, password, authority) in [
        (&pfx, &correct, "tls/authority.cert.pem"),
        (&key("tls/client.no-password.pfx"), &file(&folder, "none", ""), ""),
    ] {
        let served = serve(&format!("--binding basic-http --tls --pkcs12 {pfx} --pkcs12-password-file {password}"));
        if !authority.is_empty() {
            let call = format!(
                "call https://localhost:{}/ --ca {} --binding basic-http --action urn:e/Echo --body -",
                served.port(),
                key(authority)
            );
            let ran = run(&words(&call), ECHO);
            assert_eq!((ran.code, ran.out), (0, format!("{ECHOED}\n")), "{}", ran.err);
        }
    }
    for (arguments, told) in [
        (
            format!("{message} --pkcs12 {pfx} --pkcs12-password-file {wrong}"),
            "--pkcs12: ".to_owned() + &pfx + ": the password does not open",
        ),
        (
            format!("{message} --pkcs12 {pfx} --pkcs12-password-file /nowhere"),
            "--pkcs12-password-file: /nowhere".to_owned(),
        ),
        (format!("{message} --pkcs12 {pfx}"), "--pkcs12-password-file".to_owned()),
        (
            format!("{message} --pkcs12 {} --pkcs12-password-file {correct}", key("tls/server.cert.pem")),
            "not a PKCS#12 file, or a damaged one; PEM files are given by --cert and --key".to_owned(),
        ),
        (
            format!("{message} --pkcs12 {} --pkcs12-password-file {correct}", key("tls/certificate-only.pfx")),
            "has no private key in it".to_owned(),
        ),
        (
            format!(
                "{message} --pkcs12 {} --pkcs12-password-file {}",
                key("tls/client.no-password.pfx"),
                file(&folder, "empty", "")
            ),
            "the key is not an RSA key".to_owned(),
        ),
        (format!("{message} --cert {pfx} --key {pfx}"), "a PKCS#12 file is given by --pkcs12".to_owned()),
        (
            format!("{message} --cert {} --key {pfx} --pkcs12 {pfx}", key("tls/server.cert.pem")),
            "cannot be used with".to_owned(),
        ),
        (
            format!("{RELIABLE} --tls"),
            "--tls needs --cert and --key, or --pkcs12 and --pkcs12-password-file".to_owned(),
        ),
        (
            format!("{RELIABLE} --pkcs12 {pfx} --pkcs12-password-file {correct}"),
            "the certificate would not be used".to_owned(),
        ),
    ] {
        let ran = run(&words(&format!("serve --listen 127.0.0.1:0 --service echo {arguments}")), "");
        assert!(
            ran.code == 2 && ran.out.is_empty() && ran.err.contains(&told),
            "{arguments}: {ran:?}, expected «{told}»"
        );
    }
    // A client's, as before.
    let client = format!("{message} --credential certificate --service-cert {}", key("tls/server.cert.pem"));
    for (password, told) in [(&wrong, "the password does not open"), (&correct, "")] {
        let arguments = format!("{client} --pkcs12 {pfx} --pkcs12-password-file {password}");
        let ran = run(&calling("9", &arguments), ECHO);
        let code = if told.is_empty() { 3 } else { 2 };
        assert!(ran.code == code && ran.err.contains(told), "{ran:?}");
    }
}

#[test]
fn a_gateway_s_plain_side_speaks_https() {
    let folder = folder("plain-https");
    let served = serve(RELIABLE);
    let correct = secret(&folder, "correct");
    let start =
        |tls: &str| words(&format!("connect --listen 127.0.0.1:0 --to http://{}/ {RELIABLE} {tls}", served.address));
    let trusted = Authorities::from_files([key("tls/authority.cert.pem")]).unwrap();
    for tls in [
        format!("--tls-cert {} --tls-key {}", key("tls/server.cert.pem"), key("tls/server.key.pem")),
        format!("--tls-pkcs12 {} --tls-pkcs12-password-file {correct}", key("tls/server.pfx")),
    ] {
        let connect = Served::start(&start(&tls));
        connect.says("Listening on https://127.0.0.1:");
        let reply =
            post(&format!("https://localhost:{}/", connect.port()), Some(ClientTls::new(&trusted, None).unwrap()));
        assert!(is_echo(&reply.unwrap()));
        // Who speaks HTTP is told so, in HTTP.
        let plain = post(&format!("http://{}/", connect.address), None);
        assert!(
            matches!(plain, Ok(HttpReply { status: 400, .. }) | Err(HttpError::NotSoap { status: 400, .. })),
            "{plain:?}"
        );
    }
    for (tls, told) in [
        (format!("--tls-cert {}", key("tls/server.cert.pem")), "--tls-key"),
        (
            format!("--tls-cert {} --tls-key {}", key("tls/server.cert.pem"), key("tls/elsewhere.key.pem")),
            "--tls-cert and --tls-key: ",
        ),
        (
            format!("--tls-pkcs12 {} --tls-pkcs12-password-file {}", key("tls/server.pfx"), secret(&folder, "wrong")),
            "the password does not open",
        ),
    ] {
        let ran = run(&start(&tls), "");
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(told), "{tls}: {ran:?}");
    }
}

#[test]
fn whoever_interrupts_a_call_leaves_no_session_behind() {
    for (name, code, how) in [("INT", 130, "interrupted"), ("TERM", 143, "told to end")] {
        let served = serve(RELIABLE);
        let calls =
            begin(&calling(served.port(), &format!("{RELIABLE} --repeat 1000000 --concurrency 2 --quiet")), ECHO);
        served.says("begins.");
        thread::sleep(Duration::from_millis(300));
        signal(&calls, name);
        let ran = end(calls);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.out.is_empty() && ran.err.contains(&format!("call: {how}; the session was closed.")), "{ran:?}");
        assert!(ran.err.contains(" answered, 0 faults, 0 failed; "), "{ran:?}");
        // Otherwise it would be for ten minutes.
        served.says("is over.");
    }
    // Nobody answers: there is no session yet.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let calls = begin(&calling(&silent.local_addr().unwrap().port().to_string(), RELIABLE), ECHO);
    let (_stream, _) = silent.accept().unwrap();
    signal(&calls, "INT");
    let ran = end(calls);
    assert!(ran.code == 130 && ran.err.contains("call: interrupted; there was no session yet."), "{ran:?}");
}

/// Passes everything on to this address, but holds the first that has these words until it is told to go on. Its own address, what
/// tells that it is there, and what lets it go.
fn holding(to: &str, words: &'static str) -> (SocketAddr, Receiver<()>, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (to, (tell, there), (let_go, wait)) = (to.to_owned(), channel(), channel());
    let wait = Arc::new(Mutex::new(wait));
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut service) = (client.unwrap(), TcpStream::connect(&to).unwrap());
            let (mut back, mut answers) = (client.try_clone().unwrap(), service.try_clone().unwrap());
            let (tell, wait) = (tell.clone(), Arc::clone(&wait));
            thread::spawn(move || io::copy(&mut answers, &mut back));
            thread::spawn(move || {
                let mut part = [0; 65_536];
                while let Ok(length @ 1..) = client.read(&mut part) {
                    if String::from_utf8_lossy(&part[..length]).contains(words) {
                        let _ = tell.send(());
                        // Later ones do not wait: nobody is there then who could let them go.
                        let _ = wait.lock().unwrap().recv();
                    }
                    if service.write_all(&part[..length]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, there, let_go)
}

#[test]
fn a_session_that_is_being_closed_is_waited_for_when_it_is_interrupted() {
    let served = serve(RELIABLE);
    let (address, there, let_go) = holding(&served.address, "TerminateSequence");
    let calls = begin(&calling(&address.port().to_string(), RELIABLE), ECHO);
    there.recv_timeout(Duration::from_secs(30)).unwrap();
    signal(&calls, "INT");
    thread::sleep(Duration::from_millis(300));
    drop(let_go);
    let ran = end(calls);
    assert_eq!((ran.code, ran.out), (130, format!("{ECHOED}\n")), "{}", ran.err);
    assert!(ran.err.contains("call: interrupted; the session was closed."), "{}", ran.err);
}

#[test]
fn whoever_does_not_read_replies_can_interrupt_all_the_same() {
    let served = serve(RELIABLE);
    let long = format!("<Echo xmlns=\"urn:e\"><text>{}</text></Echo>", "x".repeat(40_000));
    let more = format!("{RELIABLE} --repeat 1000 --concurrency 8");
    let mut calls = begin(&calling(served.port(), &more), &long);
    served.says("begins.");
    // More than a pipe holds.
    thread::sleep(Duration::from_secs(1));
    let told = Instant::now();
    signal(&calls, "INT");
    assert_eq!(waited(&mut calls).code(), Some(130));
    assert!(told.elapsed() < Duration::from_secs(4), "{:?}", told.elapsed());
    let ran = end(calls);
    assert!(ran.err.contains("call: interrupted; the session was closed."), "{}", ran.err);
    assert!(ran.err.contains(" answered, 0 faults, 0 failed; "), "{}", ran.err);
}

#[test]
fn a_service_stops_when_it_is_told_to_and_at_once_when_it_is_told_again() {
    // A connection that never says anything holds nobody up: requests that have begun would get 10 s.
    let mut served = serve(RELIABLE);
    let _silent = TcpStream::connect(&served.address).unwrap();
    thread::sleep(Duration::from_millis(200));
    let told = Instant::now();
    served.signal("TERM");
    assert_eq!(served.ended(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(8), "{:?}", told.elapsed());
    served.says("Stopping: 0 sessions are open");

    // Sessions that are not closed are aborted in the end.
    let mut served = serve(&format!("{RELIABLE} --close-timeout 1"));
    let calls = begin(&calling(served.port(), &format!("{RELIABLE} --repeat 1000000 --quiet")), ECHO);
    served.says("begins.");
    let told = Instant::now();
    served.signal("TERM");
    assert_eq!(served.ended(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(15), "{:?}", told.elapsed());
    served.says("Stopping: 1 sessions are open, and get 1 s to be closed.");
    served.says("is over.");
    served.says("Stopped.");
    served.tells("sessions aborted");
    assert_ne!(end(calls).code, 0);

    // Whoever has no patience has the last word.
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let mut served = serve(&format!("{RELIABLE} --close-timeout 60"));
        let mut calls =
            begin(&calling(served.port(), &format!("{RELIABLE} --repeat 1000000 --quiet --timeout 2")), ECHO);
        served.says("begins.");
        let told = Instant::now();
        served.signal(name);
        served.says("Stopping: 1 sessions are open, and get 60 s to be closed.");
        served.signal(name);
        assert_eq!(served.ended(), Some(code));
        assert!(told.elapsed() < Duration::from_secs(15), "{:?}", told.elapsed());
        served.says("Stopped at once.");
        calls.kill().unwrap();
        calls.wait().unwrap();
    }
}

#[test]
fn a_gateway_closes_its_sessions_before_it_ends() {
    let served = serve(RELIABLE);
    let start = || {
        let connect = Served::start(&words(&format!(
            "connect --listen 127.0.0.1:0 --to http://{}/ {RELIABLE} --close-timeout 2",
            served.address
        )));
        assert!(is_echo(&post(&format!("http://{}/", connect.address), None).unwrap()));
        connect
    };
    let mut connect = start();
    connect.signal("TERM");
    assert_eq!(connect.ended(), Some(0));
    connect.says(" is closed.");
    connect.says("Stopped.");
    served.says("is over.");
    // Where the service is gone it does not take for ever.
    let mut connect = start();
    served.kill();
    let told = Instant::now();
    connect.signal("TERM");
    assert_eq!(connect.ended(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(15), "{:?}", told.elapsed());
    connect.says(" was not closed");
}

#[test]
fn a_gateway_waits_for_sessions_that_it_was_closing_already() {
    let served = serve(RELIABLE);
    let (address, there, let_go) = holding(&served.address, "TerminateSequence");
    let mut connect = Served::start(&words(&format!(
        "connect --listen 127.0.0.1:0 --to http://{address}/ {RELIABLE} --session-per-connection --session-idle 200ms"
    )));
    assert!(is_echo(&post(&format!("http://{}/", connect.address), None).unwrap()));
    there.recv_timeout(Duration::from_secs(30)).unwrap();
    connect.signal("TERM");
    connect.says("Stopping");
    thread::sleep(Duration::from_millis(300));
    drop(let_go);
    assert_eq!(connect.ended(), Some(0));
    connect.says(" is closed.");
    connect.says("Stopped.");
    served.says("is over.");
}
