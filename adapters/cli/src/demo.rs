//! `soap-session demo`: one secure conversation with a calculator service over loopback HTTP.

/// A line on the standard output. Whoever reads may have seen enough.
macro_rules! tell {
    ($($line:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stdout().lock(), format_args!("{}\n", format_args!($($line)*)));
    }};
}

mod lossy;
mod way;

pub(crate) use lossy::LossArgs;
use soap_session_cli::inspect::{Evidence, Inspector, MessageFile, Verdict, Way as Direction};
use soap_session_core::secure::UserCredential;
use soap_session_core::service::{CATCH_ALL, Contract, Operation, SessionMode};
use soap_session_core::xml::{Limits, Reader, Token};
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_tokio::{
    Answer, Binding, Call, CallError, Client, ClientCredentialType, ClientOptions, Fault, Observer, Passed,
    SecurityMode, Server, ServerOptions, Service, SessionId, Way as Bound,
};
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A certificate and key for this demonstration only: they are public, and protect nothing.
const CERTIFICATE: &[u8] = include_bytes!("../demo/service.cert.pem");
const KEY: &[u8] = include_bytes!("../demo/service.key.pem");

const NAMESPACE: &str = "urn:calculator";
const USER: &str = "alice";
const PASSWORD: &str = "wonderland";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";

/// What passed: opened as its receiver opens it, counted and printed as it passes.
struct Journal {
    inspector: Inspector,
    messages: u32,
    verified: u32,
    in_clear: u32,
}

impl Journal {
    /// A journal that is given the service's key, as `inspect` is.
    fn new() -> Result<Self, Box<dyn Error>> {
        let evidence = Evidence {
            keys: vec![PrivateKey::from_pem(KEY)?],
            users: vec![(USER.to_owned(), PASSWORD.to_owned())],
            ..Evidence::default()
        };
        Ok(Self { inspector: Inspector::new(evidence, None)?, messages: 0, verified: 0, in_clear: 0 })
    }

    fn passed(&mut self, passed: &Passed<'_>) {
        self.messages += 1;
        let (way, ends) = match passed.way {
            Bound::Sent => (Direction::ClientToServer, "client  -> service"),
            Bound::Received => (Direction::ServerToClient, "service -> client "),
        };
        let file = MessageFile { number: self.messages, way, name: String::new(), path: PathBuf::new() };
        let report = self.inspector.inspect_octets(&file, passed.message.to_vec());
        let verified = report.verdict == Verdict::Verified;
        self.verified += u32::from(verified);
        let wire = String::from_utf8_lossy(passed.message);
        self.in_clear += u32::from(wire.contains(NAMESPACE) && wire.contains("<a>"));
        let status = passed.status.map(|status| format!("  HTTP {status}")).unwrap_or_default();
        let verdict = if verified { "verified" } else { "NOT VERIFIED" };
        let action = report.action.unwrap_or_default();
        tell!("{:>2}  {ends}  {:>5} bytes  {verdict}  {action}{status}", self.messages, passed.message.len());
    }
}

/// The journal, as the client's observer.
struct Witness(Mutex<Journal>);

impl Observer for Witness {
    fn passed(&self, passed: &Passed<'_>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).passed(passed);
    }
}

/// The action of a message on the wire: signed, never encrypted.
fn action_of(message: &[u8]) -> Option<String> {
    text_of(message, ADDRESSING, "Action")
}

/// The text of the first element of this name.
fn text_of(message: &[u8], namespace: &str, name: &str) -> Option<String> {
    let mut reader = Reader::document(message, &Limits::MAX).ok()?;
    loop {
        match reader.next().ok()? {
            Token::Start(start) if start.name.is(namespace, name) => {
                return Some(String::from_utf8_lossy(reader.text().ok()?.raw()).into_owned());
            }
            Token::Start(_) | Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
            Token::Eof => return None,
        }
    }
}

const CONTRACT: Contract<'static> = Contract {
    name: "Calculator",
    session_mode: SessionMode::Required,
    callbacks: false,
    operations: &[Operation::new("Calculate", CATCH_ALL)],
};

/// A calculator that remembers nothing but its session's name.
struct Calculator;

impl Service for Calculator {
    type Instance = Option<SessionId>;

    fn contract(&self) -> &Contract<'_> {
        &CONTRACT
    }

    fn instance(&self, session: Option<&SessionId>) -> Option<SessionId> {
        session.cloned()
    }

    async fn call(&self, _: &Option<SessionId>, call: Call) -> Answer {
        let operation = call.action.rsplit('/').next().unwrap_or_default();
        let result = numbers(&call.body, NAMESPACE, ["a", "b"]).and_then(|[a, b]| match operation {
            "Add" => a.checked_add(b),
            "Subtract" => a.checked_sub(b),
            "Multiply" => a.checked_mul(b),
            "Divide" => a.checked_div(b),
            _ => None,
        });
        match result {
            Some(value) => Answer::reply(
                format!("{}Response", call.action),
                format!(
                    "<{operation}Response xmlns=\"{NAMESPACE}\"><{operation}Result>{value}</{operation}Result></{operation}Response>"
                ),
            ),
            None => Fault::sender(NAMESPACE, "NotANumber", "this cannot be calculated").into(),
        }
    }

    fn disposed(&self, session: &Option<SessionId>) {
        if let Some(session) = session {
            tell!("    the service lets session {session} go");
        }
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
        .with_user_check(|name, password| name == USER && password == PASSWORD);
    Ok((CredentialStore::new().with_service(certificate)?, service_side))
}

/// Whom the service knows.
fn user() -> Result<UserCredential, Box<dyn Error>> {
    UserCredential::new(USER, PASSWORD).ok_or_else(|| "the name or the password is too long".into())
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
    let witness = Arc::new(Witness(Mutex::new(Journal::new()?)));
    let mut binding = Binding::ws2007_http().with_security(SecurityMode::Message, ClientCredentialType::UserName)?;
    let (client_side, service_side) = certificate_and_stores()?;
    let options = ServerOptions::new(binding.clone()).with_credentials(service_side);
    let server = Server::bind("127.0.0.1:0".parse()?, options, Calculator).await?;
    let url = format!("http://{}/calculator", server.local_addr()?);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async move {
        let _ = stopped.await;
    }));

    let suite = binding.security_binding().map(|security| security.suite.name()).unwrap_or_default();
    tell!("A calculator service at {url}: WS-SecureConversation 1.3, {suite}, user name for certificate.");
    let options =
        ClientOptions::new(binding).with_credentials(client_side).with_user(user()?).with_observer(witness.clone());
    let client = Client::connect(&url, options).await?;
    tell!("    open: {}", client.session_id().unwrap_or_default());
    for (operation, a, b, wanted) in
        [("Add", 19, 23, 42), ("Subtract", 50, 8, 42), ("Multiply", 6, 7, 42), ("Divide", 84, 2, 42)]
    {
        let body = format!("<{operation} xmlns=\"{NAMESPACE}\"><a>{a}</a><b>{b}</b></{operation}>");
        let reply = client.call(&format!("{NAMESPACE}/{operation}"), body).await?;
        let reply = String::from_utf8_lossy(&reply.body).into_owned();
        tell!("    {operation}({a}, {b}): {reply}");
        if !reply.contains(&format!(">{wanted}<")) {
            return Err(format!("{operation}({a}, {b}) was to be {wanted}: {reply}").into());
        }
    }
    let body = format!("<Divide xmlns=\"{NAMESPACE}\"><a>1</a><b>0</b></Divide>");
    match client.call(&format!("{NAMESPACE}/Divide"), body).await {
        Err(CallError::Fault(fault)) => tell!("    Divide(1, 0): {fault}; a fault that leaves the session open"),
        Err(other) => return Err(other.into()),
        Ok(reply) => {
            return Err(format!("Divide(1, 0) was to fail: {}", String::from_utf8_lossy(&reply.body)).into());
        }
    }
    client.close().await?;
    client.finished().await;
    let _ = stop.send(());
    serving.await?;

    let journal = witness.0.lock().unwrap_or_else(PoisonError::into_inner);
    if journal.verified != journal.messages || journal.in_clear > 0 {
        return Err(format!(
            "{} of {} messages verified, {} bodies in clear",
            journal.verified, journal.messages, journal.in_clear
        )
        .into());
    }
    tell!("demo: ok, {} messages, {} verified", journal.messages, journal.verified);
    Ok(())
}
