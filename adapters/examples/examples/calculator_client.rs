//! A client of WCF's sample `ICalculatorSession`: opens a session, calculates in it, closes it.
//!
//! The session is secure (each message is signed and encrypted, the user proves itself by name and password) and reliable (what is
//! lost is sent again, what comes twice runs once). `calculator_server` or `event_loop_service` has to run, or WCF's sample behind
//! the same binding:
//!
//! ```sh
//! cargo run -p soap-session-examples --example calculator_client -- http://127.0.0.1:8000/calculator
//! cargo run -p soap-session-examples --example calculator_client -- http://127.0.0.1:8000/calculator --smol
//! ```
//!
//! Everything but `main` is the same on tokio and on smol: the runtime is a type.

use soap_session_driver::{
    Binding, Certificate, Client, ClientCredentialType, ClientOptions, CredentialStore, Runtime, SecurityMode,
    UserCredential,
};
use soap_session_smol::Smol;
use soap_session_tokio::Tokio;
use std::error::Error;

const NAMESPACE: &str = "http://Microsoft.ServiceModel.Samples";
/// The tests' certificate of the service: messages are encrypted for it, so that the client has to know it beforehand.
const SERVICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../credentials/tests/keys/service.cert.pem");

async fn calculate<R: Runtime + Default>(url: &str) -> Result<(), Box<dyn Error>> {
    let binding = Binding::ws2007_http()
        .with_security(SecurityMode::Message, ClientCredentialType::UserName)?
        .with_reliable_session(true)?;
    let credentials = CredentialStore::new().with_service(Certificate::from_file(SERVICE)?)?;
    let user = UserCredential::new("ada", "secret").ok_or("a name or a password is too long")?;
    let options = ClientOptions::new(binding).with_credentials(credentials).with_user(user);

    let client = Client::<R>::connect(url, options).await?;
    println!("session {}", client.session_id().unwrap_or_default());
    for (operation, n) in [("AddTo", 100), ("SubtractFrom", 50), ("MultiplyBy", 17), ("DivideBy", 10)] {
        // One-way: it returns when the service has the message, not when it has run.
        let body = format!("<{operation} xmlns=\"{NAMESPACE}\"><n>{n}</n></{operation}>");
        client.notify(&format!("{NAMESPACE}/ICalculatorSession/{operation}"), body).await?;
    }
    let action = format!("{NAMESPACE}/ICalculatorSession/Equals");
    let reply = client.call(&action, format!("<Equals xmlns=\"{NAMESPACE}\"/>")).await?;
    println!("(0 + 100 - 50) * 17 / 10 = {}", reply.text("EqualsResult").ok_or("a reply without a result")?);
    // Not closing is not fatal, but the service keeps the session, and its permit, for ten minutes.
    client.close().await?;
    println!("closed");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = arguments.first().map_or("http://127.0.0.1:8000/calculator", String::as_str);
    if arguments.iter().any(|argument| argument == "--smol") {
        smol::block_on(calculate::<Smol>(url))
    } else {
        tokio::runtime::Runtime::new()?.block_on(calculate::<Tokio>(url))
    }
}
