//! The pair of gateways in front of a plain SOAP service: its clients cannot tell that there is anything between.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod common;

use common::{Served, file, folder, key, words};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What came of a POST.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Http {
    head: String,
    body: String,
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Http> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Http { head, body: String::from_utf8(body).unwrap() })
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(is, _)| is.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// A version of SOAP, spelled by hand.
#[derive(Clone, Copy)]
struct Soap {
    version: &'static str,
    namespace: &'static str,
    media: &'static str,
}

const SOAP11: Soap =
    Soap { version: "1.1", namespace: "http://schemas.xmlsoap.org/soap/envelope/", media: "text/xml; charset=utf-8" };
const SOAP12: Soap = Soap {
    version: "1.2",
    namespace: "http://www.w3.org/2003/05/soap-envelope",
    media: "application/soap+xml; charset=utf-8",
};

impl Soap {
    fn envelope(self, body: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<env:Envelope xmlns:env=\"{}\" xmlns:around=\"urn:around\">\n  \
             <env:Header><h xmlns=\"urn:h\"/></env:Header><env:Body>{body}</env:Body></env:Envelope>",
            self.namespace
        )
    }

    fn fault(self) -> String {
        let fault = if self.version == "1.1" {
            "<env:Fault><faultcode xmlns:q=\"urn:faults\">q:Broke</faultcode><faultstring xml:lang=\"de\">es ist \u{fc} &lt;kaputt&gt;</faultstring>\
             <detail><around:d a='1'><x/> </around:d></detail></env:Fault>"
        } else {
            "<env:Fault><env:Code><env:Value>env:Receiver</env:Value><env:Subcode><env:Value xmlns:q=\"urn:faults\">q:Broke</env:Value>\
             </env:Subcode></env:Code><env:Reason><env:Text xml:lang=\"de\">es ist \u{fc} &lt;kaputt&gt;</env:Text></env:Reason>\
             <env:Detail><around:d a='1'><x/> </around:d></env:Detail></env:Fault>"
        };
        self.envelope(fault)
    }
}

/// An ordinary SOAP service, which knows nothing of WS-anything. Its address, and the heads of the requests it got.
fn plain_service(soap: Soap) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&heads);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, seen) = (stream.unwrap(), Arc::clone(&seen));
            thread::spawn(move || {
                let mut out = stream.try_clone().unwrap();
                let mut stream = BufReader::new(stream);
                while let Some(request) = read(&mut stream) {
                    seen.lock().unwrap().push(request.head.clone());
                    let answer = respond(soap, &request);
                    out.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    (address, heads)
}

fn respond(soap: Soap, request: &Http) -> String {
    let body = request.body.split(":Body>").nth(1).unwrap_or_default();
    let body = body.rsplit_once("</").map_or("", |(body, _)| body);
    let (status, answer) = if request.head.contains("urn:t/Fail") {
        ("500 Internal Server Error", soap.fault())
    } else if request.head.contains("urn:t/Note") || request.body.contains(">urn:t/Note") {
        return "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned();
    } else if request.head.contains("urn:t/Gone") {
        return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_owned();
    } else {
        // As this service writes it: a prefix that is declared around it.
        ("200 OK", soap.envelope(&format!("<around:Answer>{body}</around:Answer>")))
    };
    format!("HTTP/1.1 {status}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{answer}", soap.media, answer.len())
}

/// Posts, as an ordinary SOAP client does.
fn post(to: &str, soap: Soap, action: &str, body: &str) -> Http {
    let message = soap.envelope(body);
    let mut head =
        format!("POST / HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {}\r\n", message.len());
    if soap.version == "1.1" {
        write!(head, "Content-Type: {}\r\nSOAPAction: \"{action}\"\r\n\r\n", soap.media).unwrap();
    } else {
        write!(head, "Content-Type: {}; action=\"{action}\"\r\n\r\n", soap.media).unwrap();
    }
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(message.as_bytes()).unwrap();
    read(&mut BufReader::new(stream)).unwrap()
}

fn status(answer: &Http) -> &str {
    answer.head.split_whitespace().nth(1).unwrap()
}

/// The content of the body, whatever its envelope's prefix is.
fn body(answer: &Http) -> &str {
    let (_, rest) = answer.body.split_once(":Body>").unwrap_or(("", ""));
    rest.rsplit_once(":Body>").and_then(|(body, _)| body.rsplit_once("</")).map_or("", |(body, _)| body)
}

/// `connect` and `serve --upstream`, with a secure reliable session between them.
struct Pair {
    connect: Served,
    serve: Served,
    heads: Arc<Mutex<Vec<String>>>,
}

fn pair(test: &str, soap: Soap, reliable: &str, more: &str) -> Pair {
    let folder = folder(&format!("{test}-{}{reliable}", soap.version));
    let (upstream, heads) = plain_service(soap);
    let binding =
        format!("--binding ws2007-http --soap {} --security message --credential username {reliable}", soap.version);
    let serve = Served::start(&words(&format!(
        "serve --listen 127.0.0.1:0 --upstream http://{upstream}/ {binding} --cert {} --key {} --users {} --close-timeout 1 --max-concurrent-calls 64",
        key("service.cert.pem"),
        key("service.key.pem"),
        file(&folder, "users", "ada:secret\n"),
    )));
    let connect = Served::start(&words(&format!(
        "connect --listen 127.0.0.1:0 --to http://{}/ {binding} --service-cert {} --username ada --password-file {} {more}",
        serve.address,
        key("service.cert.pem"),
        file(&folder, "password", "secret\n"),
    )));
    Pair { connect, serve, heads }
}

/// The same with messages that are protected one by one, without WS-Addressing.
fn basic_pair() -> Pair {
    let (upstream, heads) = plain_service(SOAP11);
    let binding = "--binding basic-http --security message --credential certificate";
    let serve = Served::start(&words(&format!(
        "serve --listen 127.0.0.1:0 --upstream http://{upstream}/ {binding} --cert {} --key {} --trust {}",
        key("service.cert.pem"),
        key("service.key.pem"),
        key("client.cert.pem"),
    )));
    let connect = Served::start(&words(&format!(
        "connect --listen 127.0.0.1:0 --to http://{}/ {binding} --service-cert {} --client-cert {} --client-key {}",
        serve.address,
        key("service.cert.pem"),
        key("client.cert.pem"),
        key("client.key.pem"),
    )));
    Pair { connect, serve, heads }
}

/// The words of a fault, by its names in either version.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map_or("", |(found, _)| found)
}

#[test]
fn replies_faults_and_one_way_calls_come_through() {
    let secured = [(SOAP11, ""), (SOAP11, "--reliable"), (SOAP12, ""), (SOAP12, "--reliable")];
    let secured = secured.map(|(soap, reliable)| (soap, Some(reliable)));
    for (soap, reliable) in secured.into_iter().chain([(SOAP11, None)]) {
        let pair = reliable.map_or_else(basic_pair, |reliable| pair("transparent", soap, reliable, ""));
        let to = pair.connect.address.as_str();
        let ask = "<Ask xmlns=\"urn:t\"><n>1</n> &amp; \u{fc}</Ask>";
        let reply = post(to, soap, "urn:t/Ask", ask);
        assert_eq!(status(&reply), "200", "{reply:?}");
        assert!(header(&reply.head, "content-type").unwrap().starts_with(soap.media.split(';').next().unwrap()));
        assert_eq!(body(&reply), format!("<around:Answer xmlns:around=\"urn:around\">{ask}</around:Answer>"));

        let fault = post(to, soap, "urn:t/Fail", ask);
        assert_eq!(status(&fault), "500", "{fault:?}");
        let text = &fault.body;
        // The code and what is behind it, as names whose prefix is declared.
        let prefix = between(text, "=\"urn:faults\"", ":Broke");
        assert!(!prefix.is_empty() && text.contains(":Broke<"), "{text}");
        if soap.version == "1.2" {
            assert!(text.contains("Receiver</"), "{text}");
        }
        assert!(text.contains("es ist \u{fc} &lt;kaputt&gt;</"), "{text}");
        assert!(text.contains("<around:d xmlns:around=\"urn:around\" a='1'><x/> </around:d></"), "{text}");

        // Nothing but 202 comes back, though nobody was told that it is one-way.
        let note = post(to, soap, "urn:t/Note", "<Note xmlns=\"urn:t\"/>");
        assert_eq!((status(&note), note.body.as_str()), ("202", ""));
        // A service that is not there is a fault of its own kind, and the session goes on.
        let gone = post(to, soap, "urn:t/Gone", ask);
        assert!(status(&gone) == "500" && gone.body.contains("behind the gateway did not answer"), "{gone:?}");
        let reply = post(to, soap, "urn:t/Ask", ask);
        assert_eq!(status(&reply), "200", "{reply:?}");

        let heads = pair.heads.lock().unwrap();
        let ids: Vec<&str> = heads.iter().map(|head| header(head, "soap-session-id").unwrap_or_default()).collect();
        let named = ids[0].starts_with("urn:uuid:") == reliable.is_some();
        assert!(named && ids.iter().all(|id| *id == ids[0]), "one session for all, or none: {ids:?}");
        let told = heads.iter().all(|head| head.contains("\"urn:t/"));
        assert!(told, "the action goes along: {heads:?}");
        pair.serve.says("Fault for urn:t/Fail");
    }
}

/// Where WS-Addressing tells that a reply is due, 202 is none.
#[test]
fn an_empty_answer_to_a_call_that_wants_a_reply_is_no_success() {
    let (upstream, _) = plain_service(SOAP12);
    let connect = Served::start(&words(&format!(
        "connect --listen 127.0.0.1:0 --to http://{upstream}/ --binding ws-http --security none --one-way urn:t/Note/Told"
    )));
    let lost = post(&connect.address, SOAP12, "urn:t/Note", "<Note xmlns=\"urn:t\"/>");
    assert!(status(&lost) == "500" && lost.body.contains("the answer is empty"), "{lost:?}");
    let told = post(&connect.address, SOAP12, "urn:t/Note/Told", "<Note xmlns=\"urn:t\"/>");
    assert_eq!((status(&told), told.body.as_str()), ("202", ""));
}

#[test]
fn a_hundred_clients_at_once_each_get_their_own_answers() {
    for soap in [SOAP11, SOAP12] {
        let pair = pair("crowd", soap, "--reliable", "");
        let to = pair.connect.address.clone();
        let clients: Vec<_> = (0..100)
            .map(|client| {
                let to = to.clone();
                thread::spawn(move || {
                    for n in 0..3 {
                        let ask = format!("<Ask xmlns=\"urn:t\">{client}.{n}</Ask>");
                        let reply = post(&to, soap, "urn:t/Ask", &ask);
                        assert_eq!(status(&reply), "200", "{reply:?}");
                        assert!(body(&reply).contains(&ask), "{ask}: {reply:?}");
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        assert_eq!(pair.heads.lock().unwrap().len(), 300, "each request once");
    }
}

#[test]
fn a_lost_session_is_a_fault_and_the_next_call_has_a_new_one() {
    let Pair { connect, serve, heads } = pair("lost", SOAP12, "", "--timeout 5");
    let ask = "<Ask xmlns=\"urn:t\"/>";
    assert_eq!(status(&post(&connect.address, SOAP12, "urn:t/Ask", ask)), "200");
    serve.kill();
    let lost = post(&connect.address, SOAP12, "urn:t/Ask", ask);
    assert!(status(&lost) == "500" && lost.body.contains("Receiver"), "{lost:?}");
    assert_eq!(heads.lock().unwrap().len(), 1, "nothing is sent twice");
    connect.says("was lost");
}

#[test]
fn advice_on_this_program_is_not_for_its_callers() {
    // Bound, and let go: nobody listens.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let connect = Served::start(&words(&format!(
        "connect --listen 127.0.0.1:0 --to http://{nobody}/ --binding ws-http --reliable --timeout 1"
    )));
    let none = post(&connect.address, SOAP12, "urn:t/Ask", "<Ask xmlns=\"urn:t\"/>");
    assert!(none.body.contains("There is no session with the service: cannot be opened"), "{none:?}");
    assert!(!none.body.contains("Is the service running") && !none.body.contains("--timeout"), "{none:?}");
    connect.says("Is the service running there?");
}

#[test]
fn a_header_that_must_be_understood_is_not_left_out_silently() {
    let pair = pair("header", SOAP12, "", "--session-per-connection --session-idle 500ms");
    let soap = Soap { namespace: "http://www.w3.org/2003/05/soap-envelope\" xmlns:m=\"urn:m", ..SOAP12 };
    let message =
        soap.envelope("<Ask xmlns=\"urn:t\"/>").replace("<h xmlns=\"urn:h\"/>", "<m:Pay env:mustUnderstand=\"1\"/>");
    let mut stream = TcpStream::connect(&pair.connect.address).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {}; action=\"urn:t/Ask\"\r\nContent-Length: {}\r\n\r\n",
        SOAP12.media,
        message.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(message.as_bytes()).unwrap();
    let answer = read(&mut BufReader::new(stream)).unwrap();
    assert!(status(&answer) == "500" && answer.body.contains("MustUnderstand"), "{answer:?}");
    // Two connections, two sessions, and both end when nobody uses them.
    for _ in 0..2 {
        assert_eq!(status(&post(&pair.connect.address, SOAP12, "urn:t/Ask", "<Ask xmlns=\"urn:t\"/>")), "200");
    }
    let heads = pair.heads.lock().unwrap();
    assert_ne!(header(&heads[0], "soap-session-id"), header(&heads[1], "soap-session-id"));
    pair.connect.says("is closed.");
}
