//! `soap-session demo`: one secure conversation with a calculator service over loopback HTTP.

mod lossy;
mod way;

pub(crate) use lossy::LossArgs;
use soap_session_core::secure::{AcceptorSettings, Binding, Bootstrap, InitiatorSettings, SessionId};
use soap_session_core::xml::{Limits, Reader, Token};
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_tokio::{Call, Passed, Response, SecureClient, SecureServer, Service, Trace, Way};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

/// A certificate and key for this demonstration only: they are public, and protect nothing.
const CERTIFICATE: &[u8] = include_bytes!("../demo/service.cert.pem");
const KEY: &[u8] = include_bytes!("../demo/service.key.pem");

const NAMESPACE: &str = "urn:calculator";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";

/// What passed: counted and printed as it passes.
#[derive(Default)]
struct Journal {
    messages: u32,
    verified: u32,
    in_clear: u32,
}

impl Journal {
    /// A message that its receiver has judged.
    fn judged(&mut self, passed: &Passed<'_>) {
        let Some(verified) = passed.verified else { return };
        self.messages += 1;
        self.verified += u32::from(verified);
        let wire = String::from_utf8_lossy(passed.message);
        self.in_clear += u32::from(wire.contains(NAMESPACE) && wire.contains("<a>"));
        let (from, to) = match passed.way {
            Way::Request => ("client ", "service"),
            Way::Answer => ("service", "client "),
        };
        let action = action_of(passed.message).unwrap_or_else(|| passed.action.to_owned());
        let status = passed.status.map(|status| format!("  HTTP {status}")).unwrap_or_default();
        let verdict = if verified { "verified" } else { "NOT VERIFIED" };
        println!(
            "{:>2}  {from} -> {to}  {:>5} bytes  {verdict}  {action}{status}",
            self.messages,
            passed.message.len()
        );
    }
}

/// The action of a message on the wire: signed, never encrypted.
fn action_of(message: &[u8]) -> Option<String> {
    let mut reader = Reader::document(message, &Limits::MAX).ok()?;
    loop {
        match reader.next().ok()? {
            Token::Start(start) if start.name.is(ADDRESSING, "Action") => {
                return Some(String::from_utf8_lossy(reader.text().ok()?.raw()).into_owned());
            }
            Token::Start(_) | Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
            Token::Eof => return None,
        }
    }
}

/// A calculator that remembers nothing: the session is the secure conversation's.
struct Calculator;

impl Service for Calculator {
    async fn call(&self, call: Call) -> Response {
        let operation = call.action.rsplit('/').next().unwrap_or_default().to_owned();
        let result = numbers(&call.body, NAMESPACE, ["a", "b"]).and_then(|[a, b]| match operation.as_str() {
            "Add" => a.checked_add(b),
            "Subtract" => a.checked_sub(b),
            "Multiply" => a.checked_mul(b),
            "Divide" => a.checked_div(b),
            _ => None,
        });
        match result {
            Some(value) => Response {
                action: format!("{}Response", call.action),
                body: format!(
                    "<{operation}Response xmlns=\"{NAMESPACE}\"><{operation}Result>{value}</{operation}Result></{operation}Response>"
                )
                .into_bytes(),
                fault: false,
            },
            None => Response {
                action: "http://www.w3.org/2005/08/addressing/soap/fault".to_owned(),
                body: b"<Fault xmlns=\"http://www.w3.org/2003/05/soap-envelope\"><Code><Value>Sender</Value></Code><Reason>\
                        <Text xml:lang=\"en-US\">this cannot be calculated</Text></Reason></Fault>"
                    .to_vec(),
                fault: true,
            },
        }
    }

    fn closed(&self, session: SessionId) {
        println!("    the service closes session {}", session.0);
    }
}

/// The numbers in the elements of these names, one after the other.
fn numbers<const N: usize>(body: &[u8], namespace: &str, names: [&str; N]) -> Option<[i64; N]> {
    let mut reader = Reader::document(body, &Limits::default()).ok()?;
    reader.next_element().ok()??;
    let mut numbers = [0; N];
    for (number, name) in numbers.iter_mut().zip(names) {
        reader.next_element().ok()?.filter(|start| start.name.is(namespace, name))?;
        *number = std::str::from_utf8(reader.text().ok()?.plain()?).ok()?.parse().ok()?;
    }
    Some(numbers)
}

/// What the client knows of the service, and what the service knows of itself and of its user.
fn certificate_and_stores() -> Result<(CredentialStore, CredentialStore), Box<dyn Error>> {
    let certificate = Certificate::from_pem(CERTIFICATE)?;
    let service_side = CredentialStore::new()
        .with_key(certificate.clone(), PrivateKey::from_pem(KEY)?)?
        .with_user_check(|name, password| name == "alice" && password == "wonderland");
    Ok((CredentialStore::new().with_service(certificate)?, service_side))
}

/// 32 bytes of the operating system's randomness.
fn seed() -> Result<[u8; 32], Box<dyn Error>> {
    Ok(soap_session_credentials::random_seed()?)
}

/// Runs the demonstration.
///
/// # Errors
/// What went wrong.
pub(crate) fn run(args: LossArgs) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match args.loss {
            0 => conversation().await,
            _ => lossy::session(args).await,
        }
    })
}

async fn conversation() -> Result<(), Box<dyn Error>> {
    let journal = Arc::new(Mutex::new(Journal::default()));
    let note = Arc::clone(&journal);
    let trace: Trace = Arc::new(move |passed: Passed<'_>| {
        note.lock().unwrap_or_else(PoisonError::into_inner).judged(&passed);
    });
    let binding = Binding::ws2007_http(Bootstrap::UserNameForCertificate);
    let (client_side, service_side) = certificate_and_stores()?;
    let server = SecureServer::bind(
        "127.0.0.1:0",
        binding.clone(),
        AcceptorSettings::default(),
        service_side,
        Calculator,
        &seed()?,
    )
    .await?;
    let server = server.with_trace(Arc::clone(&trace));
    let url = format!("http://{}/calculator", server.local_addr()?);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async move {
        let _ = stopped.await;
    }));

    println!(
        "A calculator service at {url}: WS-SecureConversation 1.3, {}, user name for certificate.",
        binding.suite.name()
    );
    let user = soap_session_core::secure::UserCredential::new("alice", "wonderland");
    let mut client =
        SecureClient::new(&url, binding, InitiatorSettings::default(), client_side, user, &seed()?)?.with_trace(trace);
    client.open().await?;
    println!("    open: {}", client.identifier().unwrap_or_default());
    for (operation, a, b, wanted) in
        [("Add", 19, 23, 42), ("Subtract", 50, 8, 42), ("Multiply", 6, 7, 42), ("Divide", 84, 2, 42)]
    {
        let body = format!("<{operation} xmlns=\"{NAMESPACE}\"><a>{a}</a><b>{b}</b></{operation}>");
        let reply = client.call(&format!("{NAMESPACE}/{operation}"), body.as_bytes()).await?;
        let reply = String::from_utf8_lossy(&reply.body).into_owned();
        println!("    {operation}({a}, {b}): {reply}");
        if !reply.contains(&format!(">{wanted}<")) {
            return Err(format!("{operation}({a}, {b}) was to be {wanted}: {reply}").into());
        }
    }
    let refused = client
        .call(
            &format!("{NAMESPACE}/Divide"),
            format!("<Divide xmlns=\"{NAMESPACE}\"><a>1</a><b>0</b></Divide>").as_bytes(),
        )
        .await?;
    println!("    Divide(1, 0): HTTP {}, a fault that leaves the session open", refused.status);
    client.close().await?;
    let _ = stop.send(());
    serving.await?;

    let journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
    if journal.verified != journal.messages || journal.in_clear > 0 {
        return Err(format!(
            "{} of {} messages verified, {} bodies in clear",
            journal.verified, journal.messages, journal.in_clear
        )
        .into());
    }
    println!("demo: ok, {} messages, {} verified", journal.messages, journal.verified);
    Ok(())
}
