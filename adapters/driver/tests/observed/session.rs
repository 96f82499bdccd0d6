//! A whole secured session, watched in every way at once.

use crate::capture::Capture;
use crate::log::Scratch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use soap_session_cli::inspect::{Evidence, Inspector, MessageReport, Verdict, messages};
use soap_session_core::crypto::{RustCrypto, SecretKey, p_sha1};
use soap_session_core::secure::{InitiatorSettings, UserCredential};
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_driver::prometheus::Endpoint;
use soap_session_driver::{
    Answer, Binding, Call, CallError, ClientCredentialType, ClientOptions, Fault, LogLimits, MessageLog, SecurityMode,
    ServerOptions, service_fn,
};
use soap_session_smol::{Client, Server, Smol};
use std::fs;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tracing::Level;

const USER: &str = "ada-of-the-test";
const PASSWORD: &str = "correct-horse-1848";
const WRONG: &str = "incorrect-pony-1849";
const BODY: &str = "what-was-said-is-nobodys-business";
const REASON: &str = "a-reason-is-a-body-too";
const DETAIL: &str = "details-are-bodies";

fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../credentials/tests/keys").join(name)
}

fn service_key() -> PrivateKey {
    PrivateKey::from_file(key_file("service.key.pem")).unwrap()
}

fn certificate() -> Certificate {
    Certificate::from_file(key_file("service.cert.pem")).unwrap()
}

async fn echo(call: Call) -> Answer {
    match call.action.as_str() {
        "urn:fail" => {
            Fault::sender("urn:faults", "Wrong", REASON).with_detail(format!("<d xmlns=\"urn:d\">{DETAIL}</d>")).into()
        }
        "urn:slow" => {
            smol::Timer::after(Duration::from_millis(100)).await;
            Answer::reply("urn:slowResponse", call.body)
        }
        action => Answer::reply(format!("{action}Response"), call.body),
    }
}

fn binding() -> Binding {
    let mut binding = Binding::ws2007_http()
        .with_security(SecurityMode::Message, ClientCredentialType::UserName)
        .unwrap()
        .with_reliable_session(true)
        .unwrap();
    let patience = Some(Duration::from_secs(20));
    (binding.timeouts.open, binding.timeouts.close, binding.timeouts.send) = (patience, patience, patience);
    binding
}

fn server_options() -> ServerOptions {
    let store = CredentialStore::new()
        .with_key(certificate(), service_key())
        .unwrap()
        .with_user_check(|name, password| name == USER && password == PASSWORD);
    ServerOptions::new(binding()).with_credentials(store)
}

fn client_options(password: &str) -> ClientOptions {
    let store = CredentialStore::new().with_service(certificate()).unwrap();
    ClientOptions::new(binding()).with_credentials(store).with_user(UserCredential::new(USER, password).unwrap())
}

/// Serves while `client` runs.
async fn served<F: Future<Output = ()>>(options: ServerOptions, client: impl FnOnce(SocketAddr) -> F) {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), options, service_fn(echo)).await.unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = futures_channel::oneshot::channel::<()>();
    let serving = smol::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    client(address).await;
    drop(stop);
    serving.await;
}

/// What a plain HTTP client gets.
fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn head(request: &str) -> String {
    format!("{request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn inspected(folder: &Scratch, evidence: Evidence) -> Vec<MessageReport> {
    let mut inspector = Inspector::new(evidence, None).unwrap();
    messages(folder.as_ref()).unwrap().iter().map(|file| inspector.inspect(file).unwrap()).collect()
}

/// What stands in the first `BinarySecret` of the first file whose name ends so and that holds `element`.
fn secret_in(folder: &Scratch, end: &str, element: &str) -> Vec<u8> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().filter(|file| file.to_str().unwrap().ends_with(end)).map(|file| fs::read(file).unwrap());
    let text =
        texts.map(|text| String::from_utf8_lossy(&text).into_owned()).find(|text| text.contains(element)).unwrap();
    let (_, secret) = text.split_once("BinarySecret").unwrap();
    let (_, secret) = secret.split_once('>').unwrap();
    STANDARD.decode(secret.split_once('<').unwrap().0).unwrap()
}

/// Octets as they might be printed.
fn prints(octets: &[u8]) -> [String; 4] {
    let lower: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let decimal: Vec<String> = octets.iter().take(6).map(ToString::to_string).collect();
    [STANDARD.encode(octets), lower.to_uppercase(), lower, decimal.join(", ")]
}

#[test]
fn a_secured_session_is_told_of_and_its_secrets_are_not() {
    let capture = Capture::install();
    let (at_server, at_client) = (Scratch::new("at-server"), Scratch::new("at-client"));
    smol::block_on(async {
        let metrics = Endpoint::bind(Smol, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let metrics_address = metrics.local_addr().unwrap();
        let (stop, stopped) = futures_channel::oneshot::channel::<()>();
        let metrics = smol::spawn(metrics.serve(async {
            let _ = stopped.await;
        }));
        in_good_order(&at_server, &at_client).await;
        refused().await;
        again_and_waiting().await;
        renewed().await;
        let page = smol::unblock(move || http(metrics_address, &head("GET /metrics"))).await;
        counted(&page);
        let other = smol::unblock(move || http(metrics_address, &head("POST /metrics"))).await;
        assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
        drop(stop);
        metrics.await;
    });

    // Both sides wrote the same session, and whoever has the service's key can verify every word of it.
    let [server, client] = [&at_server, &at_client].map(|folder| {
        let reports = inspected(folder, Evidence { keys: vec![service_key()], ..Evidence::default() });
        for report in &reports {
            assert!(report.is_empty || report.verdict == Verdict::Verified, "{report:#?}");
        }
        reports.into_iter().filter(|report| !report.is_empty).count()
    });
    assert_eq!(server, client);
    assert!(server >= 14, "a token, a sequence, 4 calls, the end of both, and the answers: {server}");

    // The key of the session, from what each side logged that the other had said.
    let asked = secret_in(&at_server, "c2s.plain.xml", "RequestSecurityToken");
    let issued = secret_in(&at_client, "s2c.plain.xml", "RequestSecurityTokenResponse");
    let mut key = [0; 32];
    p_sha1::<RustCrypto>(&asked, &[], &issued, 0, &mut key);
    let secrets = vec![SecretKey::new(&key).unwrap()];
    let reports = inspected(&at_client, Evidence { secrets, ..Evidence::default() });
    let verified = reports.iter().filter(|report| report.verdict == Verdict::Verified).count();
    assert_eq!(verified, client - 2, "all but the token's request and its answer: it is the key");

    told(&capture);
    let [key, asked, issued] = [&key[..], &asked, &issued].map(prints);
    let texts = [USER, PASSWORD, WRONG, BODY, REASON, DETAIL].map(ToOwned::to_owned);
    let lines = capture.lines();
    assert!(lines.len() > 100, "{}", lines.len());
    for secret in key.iter().chain(&asked).chain(&issued).chain(&texts) {
        assert!(secret.len() > 8);
        let leak = lines.iter().find(|line| line.text.contains(secret.as_str()));
        assert!(leak.is_none(), "{secret} is told in {leak:?}");
    }
}

/// A session from its first word to its last, logged by both sides.
async fn in_good_order(at_server: &Scratch, at_client: &Scratch) {
    let log = |folder: &Scratch| Arc::new(MessageLog::new(folder, LogLimits::default()).unwrap().with_opened());
    let (server_log, client_log) = (log(at_server), log(at_client));
    let options = client_options(PASSWORD).with_observer(client_log.clone());
    served(server_options().with_observer(server_log.clone()), |address| async move {
        let client = Client::connect(&format!("http://{address}/echo"), options).await.unwrap();
        let body = format!("<Echo xmlns=\"urn:echo\">{BODY}</Echo>");
        for _ in 0..2 {
            assert_eq!(client.call("urn:echo", body.clone()).await.unwrap().body, body);
        }
        client.notify("urn:note", body.clone()).await.unwrap();
        let failed = client.call("urn:fail", body).await.unwrap_err();
        assert!(matches!(&failed, CallError::Fault(fault) if fault.reason == REASON), "{failed}");
        client.close().await.unwrap();
        client.finished().await;
    })
    .await;
    for report in [server_log.finish(), client_log.finish()] {
        assert_eq!(report.lost, 0, "{report}");
    }
}

/// A wrong password, a request that is no SOAP, and a client that gives up.
async fn refused() {
    served(server_options(), |address| async move {
        let url = format!("http://{address}/echo?key={BODY}");
        Client::connect(&url, client_options(WRONG)).await.unwrap_err();
        let answer = smol::unblock(move || http(address, &head("GET /echo"))).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        let client = Client::connect(&url, client_options(PASSWORD)).await.unwrap();
        client.call("urn:echo", "<Echo xmlns=\"urn:echo\"/>").await.unwrap();
        client.abort();
        client.finished().await;
    })
    .await;
}

/// A message that comes twice, and a call that has to wait for its permit.
async fn again_and_waiting() {
    let folder = Scratch::new("again");
    let log = Arc::new(MessageLog::new(&folder, LogLimits::default()).unwrap());
    let binding = Binding::ws_http().with_reliable_session(true).unwrap();
    let mut options = ServerOptions::new(binding.clone());
    options.throttle.max_concurrent_calls = 1;
    served(options, |address| async move {
        let url = format!("http://{address}/echo");
        let client =
            Client::connect(&url, ClientOptions::new(binding.clone()).with_observer(log.clone())).await.unwrap();
        client.call("urn:echo", "<Echo xmlns=\"urn:echo\"/>").await.unwrap();
        log.finish();
        let message = fs::read_to_string(log.folder().join("00000003-c2s.xml")).unwrap();
        assert!(message.contains("urn:echo"), "{message}");
        let head = "POST /echo HTTP/1.1\r\nContent-Type: application/soap+xml; charset=utf-8";
        let again = format!(
            "{head}\r\nContent-Length: {}\r\nConnection: close\r\nHost: localhost\r\n\r\n{message}",
            message.len()
        );
        let answer = smol::unblock(move || http(address, &again)).await;
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        let other = Client::connect(&url, ClientOptions::new(binding)).await.unwrap();
        let slow = |client: Client| async move { client.call("urn:slow", "<Slow xmlns=\"urn:echo\"/>").await.unwrap() };
        futures_lite::future::zip(slow(client.clone()), slow(other.clone())).await;
        for client in [client, other] {
            client.close().await.unwrap();
            client.finished().await;
        }
    })
    .await;
}

/// A key that is old after a moment.
async fn renewed() {
    let mut spoken = Binding::ws_http().with_security(SecurityMode::Message, ClientCredentialType::None).unwrap();
    spoken.timeouts = binding().timeouts;
    let store = || CredentialStore::new().with_key(certificate(), service_key()).unwrap();
    let settings =
        InitiatorSettings { key_renewal_interval: Duration::from_millis(200), ..InitiatorSettings::default() };
    let client = CredentialStore::new().with_service(certificate()).unwrap();
    let options = ClientOptions::new(spoken.clone()).with_credentials(client).with_security_settings(settings);
    served(ServerOptions::new(spoken).with_credentials(store()), |address| async move {
        let client = Client::connect(&format!("http://{address}/echo"), options).await.unwrap();
        client.call("urn:echo", "<Echo xmlns=\"urn:echo\"/>").await.unwrap();
        smol::Timer::after(Duration::from_millis(300)).await;
        client.call("urn:echo", "<Echo xmlns=\"urn:echo\"/>").await.unwrap();
        client.close().await.unwrap();
        client.finished().await;
    })
    .await;
}

fn told(capture: &Capture) {
    let one = |name: &str, level: Level, has: &[&str]| {
        let events = capture.events(name);
        let found = events.iter().any(|line| line.level == level && has.iter().all(|word| line.text.contains(word)));
        assert!(found, "{name} at {level} with {has:?}: {events:#?}");
    };
    for name in ["session opened", "session bound", "session closed"] {
        one(name, Level::INFO, &["session=\"urn:uuid:"]);
    }
    one("call answered", Level::DEBUG, &["outcome=\"reply\""]);
    one("call answered", Level::DEBUG, &["outcome=\"accepted\""]);
    one("call begun", Level::DEBUG, &["action=\"urn:note\""]);
    one("fault received", Level::INFO, &["code=Sender", "secured=true"]);
    one("fault sent", Level::INFO, &["status=500"]);
    one("session aborted", Level::WARN, &["the application gave it up"]);
    one("session broken", Level::WARN, &["kind=\"reliable\"", "SequenceTerminated"]);
    one("fault received", Level::INFO, &["known=Some(SequenceTerminated)"]);
    one("duplicate", Level::DEBUG, &["session=\"urn:uuid:"]);
    one(
        "throttle",
        Level::WARN,
        &["MaxConcurrentCalls", "a limit is reached", "Raise MaxConcurrentCalls, or let operations return sooner"],
    );
    one("key renewed", Level::INFO, &["session=\"urn:uuid:"]);
    one("waits", Level::DEBUG, &["session=\"urn:uuid:", "1 in use, 1 waiting"]);
    one("open failed", Level::WARN, &[]);
    // Outside one uniform fault, inside the exact reason.
    let reason = ["the user name or the password is wrong", "kind=\"credential\"", "fault=\"InvalidSecurityToken\""];
    one("message refused", Level::WARN, &reason);
    one("HTTP request refused", Level::WARN, &["kind=\"http_method\"", "status=405"]);
    one("server serves", Level::INFO, &["address=\"127.0.0.1:"]);
    one("server stops", Level::INFO, &["sessions=0"]);
    one("span channel", Level::INFO, &["/echo\""]);
    one("span session", Level::INFO, &["kind=\"reliable\""]);
    one("span call", Level::INFO, &["action=\"urn:echo\""]);
}

fn counted(page: &str) {
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    assert!(page.contains("content-type: text/plain; version=0.0.4"), "{page}");
    for line in [
        "soap_session_sessions_opened_total{role=\"server\"} 5",
        "soap_session_sessions_opened_total{role=\"client\"} 5",
        "soap_session_sessions_open{role=\"server\"} 0",
        "soap_session_sessions_open{role=\"client\"} 0",
        "soap_session_sessions_ended_total{role=\"client\",how=\"closed\"} 4",
        "soap_session_sessions_ended_total{role=\"client\",how=\"aborted\"} 1",
        "soap_session_calls_total{role=\"server\",outcome=\"reply\"} 8",
        "soap_session_calls_total{role=\"server\",outcome=\"fault\"} 1",
        "soap_session_calls_total{role=\"client\",outcome=\"accepted\"} 1",
        "soap_session_calls_under_way{role=\"server\"} 0",
        "soap_session_call_duration_seconds_count{role=\"client\"} 10",
        "soap_session_refusals_total{kind=\"credential\"} 1",
        "soap_session_refusals_total{kind=\"http_method\"} 1",
        "soap_session_renewals_total{role=\"client\"} 1",
        "soap_session_renewals_total{role=\"server\"} 1",
        "soap_session_throttle_waits_total{throttle=\"MaxConcurrentCalls\"} 1",
        "soap_session_throttle_used{throttle=\"MaxConcurrentSessions\"} 0",
        "# TYPE soap_session_call_duration_seconds histogram",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    // One at least: on a busy machine the calls that wait are sent again.
    assert!(page.lines().any(|found| found.starts_with("soap_session_duplicates_total ")), "{page}");
    assert!(!page.contains(BODY) && !page.contains(PASSWORD));
}
