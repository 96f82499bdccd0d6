//! `serve` and `call` as an operator sees them: WCF's calculator, what is told, and what becomes of a service that is killed or full.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod common;

use common::{ECHO, ECHOED, Served, begin, end, file, folder, key, run, words};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

const SAMPLES: &str = "http://Microsoft.ServiceModel.Samples";

fn serve(more: &str) -> Served {
    Served::start(&words(&format!("serve --listen 127.0.0.1:0 --close-timeout 1 --max-concurrent-calls 8 {more}")))
}

fn call(port: &str, action: &str, body: &str, more: &str) -> common::Ran {
    run(&words(&format!("call http://127.0.0.1:{port}/ --timeout 20 --body - --action {action} {more}")), body)
}

fn calculate(served: &Served, operation: &str, numbers: &str, more: &str) -> common::Ran {
    let body = format!("<{operation} xmlns=\"{SAMPLES}\">{numbers}</{operation}>");
    call(served.port(), &format!("{SAMPLES}/ICalculator/{operation}"), &body, more)
}

#[test]
fn the_calculator_of_wcf_s_samples() {
    for binding in ["--binding basic-http", "--binding ws-http", "--binding ws2007-http --reliable"] {
        let served = serve(&format!("--service calculator {binding}"));
        // The numbers of the sample's client, and what it prints.
        for (operation, a, b, result) in [
            ("Add", "100", "15.99", "115.99"),
            ("Subtract", "145", "76.54", "68.46"),
            ("Multiply", "9", "81.25", "731.25"),
            ("Divide", "22", "7", "3.142857142857143"),
            ("Divide", "1", "0", "INF"),
        ] {
            let ran = calculate(&served, operation, &format!("<n1>{a}</n1><n2>{b}</n2>"), binding);
            let expected = format!(
                "<{operation}Response xmlns=\"{SAMPLES}\"><{operation}Result>{result}</{operation}Result></{operation}Response>\n"
            );
            assert_eq!((ran.code, ran.out), (0, expected), "{binding}: {}", ran.err);
        }
        let ran = calculate(&served, "Add", "<n1>one</n1>", binding);
        assert!(ran.code == 1 && ran.out.is_empty() && ran.err.contains("is no number"), "{ran:?}");
        served.says("Answered with a fault");
    }
}

#[test]
fn sessions_keep_their_results_and_are_told() {
    let binding = "--binding ws-http --reliable";
    let served = serve(&format!("--service calculator {binding}"));
    let session = |operation: &str| format!("{SAMPLES}/ICalculatorSession/{operation}");
    let add = format!("<AddTo xmlns=\"{SAMPLES}\"><n>1</n></AddTo>");
    // One session, and so one result; a program that is run again has a session of its own, which begins at 0.
    let ran = call(served.port(), &session("AddTo"), &add, &format!("{binding} --one-way --repeat 5"));
    assert!(ran.code == 0 && ran.err.contains("5 calls: 5 answered, 0 faults, 0 failed"), "{ran:?}");
    let ran = call(served.port(), &session("Result"), &format!("<Result xmlns=\"{SAMPLES}\"/>"), binding);
    assert!(ran.code == 0 && ran.out.contains("<ResultResult>0</ResultResult>"), "{ran:?}");
    served.says("Session urn:uuid:");
    served.says(" is over.");
    // Without a session the contract is not there.
    let served = serve("--service calculator --binding basic-http");
    let ran = call(served.port(), &session("AddTo"), &add, "--binding basic-http");
    assert!(ran.code == 1 && ran.err.contains("ContractFilter mismatch"), "{ran:?}");
}

#[test]
fn calls_many_times_at_once_and_logs_what_passes() {
    let log = folder("log").join("messages");
    let log = log.to_str().unwrap();
    let served = serve("--service echo --binding ws2007-http --reliable");
    let more = format!("--binding ws2007-http --reliable --repeat 40 --concurrency 8 --log {log}");
    let ran = call(served.port(), "urn:e/Echo", ECHO, &more);
    assert_eq!((ran.code, ran.out.lines().count()), (0, 40), "{}", ran.err);
    assert!(ran.out.lines().all(|line| line == ECHOED));
    assert!(ran.err.contains("latency p50 "), "{}", ran.err);
    let inspected = run(&words(&format!("inspect {log}")), "");
    assert!(inspected.code == 0 && inspected.out.contains(" 0 failed"), "{inspected:?}");
}

#[test]
fn a_service_that_is_killed_ends_the_call_in_time_and_can_be_called_anew() {
    let folder = folder("killed");
    let (cert, secret) = (key("service.cert.pem"), key("service.key.pem"));
    for reliable in ["", "--reliable"] {
        let binding = format!("--binding ws2007-http --security message {reliable}");
        let how = format!("--service echo {binding} --cert {cert} --key {secret}");
        let served = serve(&how);
        let port = served.port().to_owned();
        let calls = format!(
            "call http://127.0.0.1:{port}/ --action urn:e/Echo --body {} --service-cert {cert} {binding} --timeout 4 --repeat 1000000 --quiet",
            file(&folder, "echo.xml", ECHO)
        );
        let calling = begin(&words(&calls), "");
        served.says("begins.");
        thread::sleep(Duration::from_millis(500));
        served.kill();
        let killed = Instant::now();
        let ran = end(calling);
        let took = killed.elapsed();
        assert!(matches!(ran.code, 3 | 4), "{ran:?}");
        // A call's time, and that of the close behind it.
        assert!(took < Duration::from_secs(15), "{took:?}: {ran:?}");
        assert!(ran.err.contains("1 failed"), "{ran:?}");
        println!("{reliable}: exit code {} after {took:?}: {}", ran.code, ran.err);
        let served = Served::start(&words(&format!("serve --listen 127.0.0.1:{port} --close-timeout 1 {how}")));
        let again = call(served.port(), "urn:e/Echo", ECHO, &format!("{binding} --service-cert {cert}"));
        assert_eq!((again.code, again.out), (0, format!("{ECHOED}\n")), "{}", again.err);
    }
}

fn stop(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn who_is_one_too_many_waits_or_is_told() {
    let binding = "--binding ws-http --reliable";
    let body = file(&folder("busy"), "echo.xml", ECHO);
    let long = |port: &str| {
        let call = format!(
            "call http://127.0.0.1:{port}/ --action urn:e/Echo --body {body} {binding} --repeat 1000000 --quiet"
        );
        begin(&words(&call), "")
    };
    let served = serve(&format!("--service echo {binding} --max-concurrent-sessions 1"));
    let first = long(served.port());
    served.says("begins.");
    let ran = call(served.port(), "urn:e/Echo", ECHO, &format!("{binding} --timeout 2"));
    assert!(ran.code == 4, "{ran:?}");
    served.says("Throttle: MaxConcurrentSessions is 1: 1 in use, 1 waiting");
    stop(first);
    let served = serve(&format!("--service echo {binding} --max-concurrent-sessions 1 --refuse-when-busy"));
    let second = long(served.port());
    served.says("begins.");
    let ran = call(served.port(), "urn:e/Echo", ECHO, binding);
    assert!(ran.code == 3 || ran.code == 1, "{ran:?}");
    stop(second);
}

#[test]
fn stateless_tokens_and_their_keys() {
    let folder = folder("ring");
    let ring = folder.join("cookies.ring");
    let (cert, secret, ring) = (key("service.cert.pem"), key("service.key.pem"), ring.to_str().unwrap());
    let binding = "--binding ws-http --security message";
    let served = serve(&format!("--service echo {binding} --cert {cert} --key {secret} --cookie-ring {ring}"));
    let ran = call(served.port(), "urn:e/Echo", ECHO, &format!("{binding} --service-cert {cert} --cookies --repeat 3"));
    assert_eq!((ran.code, ran.out), (0, format!("{ECHOED}\n").repeat(3)), "{}", ran.err);
    assert_eq!(run(&words(&format!("ring {ring}")), "").code, 0);
}

#[test]
fn an_interrupt_lets_sessions_end() {
    let mut served = serve("--service echo --binding ws-http");
    assert_eq!(call(served.port(), "urn:e/Echo", ECHO, "--binding ws-http").code, 0);
    assert_eq!(served.interrupt(), Some(0));
    served.says("Stopping: 0 sessions are open");
    served.says("Stopped.");
}

#[test]
fn each_failure_has_its_exit_code_and_words() {
    let served = serve("--service echo --binding ws-http");
    let port = served.port();
    let (cert, password) = (key("service.cert.pem"), file(&folder("codes"), "password", "secret\n"));
    let told = |code: i32, port: &str, body: &str, more: &str, words: &str| {
        let ran = call(port, "urn:e/Echo", body, more);
        assert!(
            ran.code == code && ran.err.contains(words) && ran.out.is_empty(),
            "{more}: {ran:?}, expected {code} «{words}»"
        );
    };
    told(3, "9", ECHO, "--binding ws-http", "is the service there?; cannot connect: ");
    told(6, port, ECHO, "--binding basic-http", "HTTP status 415");
    // It speaks without security: it does not take the token request.
    told(5, port, ECHO, &format!("--security message --service-cert {cert}"), "Compare on both sides");
    told(2, port, "<a>", "--binding ws-http", "it is no XML element");
    told(2, port, ECHO, "--security message", "needs --service-cert");
    told(2, port, ECHO, "--security message --service-cert /nowhere.pem", "/nowhere.pem");
    told(2, port, ECHO, &format!("--username ada --password-file {password}"), "say --credential username");
    told(2, port, ECHO, &format!("--service-cert {cert}"), "--service-cert is for --security message");
    told(2, port, ECHO, "--unordered", "--reliable");
    told(2, port, ECHO, "--cookies", "say --security first");
    told(2, port, ECHO, "--ca /nowhere.pem", "--ca is for https addresses");
    for (arguments, words_told) in [
        ("serve --listen nowhere --service echo", "HOST:PORT"),
        ("serve --listen 127.0.0.1:0", "--service"),
        ("serve --listen 127.0.0.1:0 --service echo --security message", "needs --cert and --key"),
        ("serve --listen 127.0.0.1:0 --upstream ftp://x", "--upstream: the address is not of the form"),
        ("serve --listen 127.0.0.1:0 --upstream https://x", "--upstream-ca"),
        ("serve --listen 127.0.0.1:0 --service echo --security message --cookies --cert a --key b", "--cookie-ring"),
    ] {
        let ran = run(&words(arguments), "");
        assert!(ran.code == 2 && ran.err.contains(words_told), "{arguments}: {ran:?}");
    }
}
