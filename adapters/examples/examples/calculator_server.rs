//! A service with sessions: WCF's sample `ICalculatorSession`, where every client has a calculator of its own.
//!
//! It speaks `WS2007HttpBinding` with message security, users and a reliable session: each message is signed and encrypted, the
//! client proves itself by name and password (`ada`, `secret`), and each call runs exactly once, in order. `calculator_client` and
//! `event_loop_client` call it; so can a WCF client.
//!
//! ```sh
//! cargo run -p soap-session-examples --example calculator_server -- 127.0.0.1:8000
//! cargo run -p soap-session-examples --example calculator_server -- 127.0.0.1:8000 --smol
//! ```
//!
//! Everything but `main` is the same on tokio and on smol: the runtime is a type.

use soap_session_driver::{
    Answer, Binding, Call, Certificate, ClientCredentialType, CredentialStore, Fault, PrivateKey, Runtime,
    SecurityMode, Server, ServerOptions, session_fn,
};
use soap_session_smol::Smol;
use soap_session_tokio::Tokio;
use std::error::Error;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

const NAMESPACE: &str = "http://Microsoft.ServiceModel.Samples";
/// The tests' certificate. Yours comes from whoever issues yours.
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../credentials/tests/keys");

/// One call. The state that it works on is its session's, and calls of one session come one after the other.
async fn calculate(result: Arc<Mutex<f64>>, call: Call) -> Answer {
    let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
    let n = call.text("n").and_then(|n| n.parse::<f64>().ok());
    match (call.name(), n) {
        ("Clear", None) => *result = 0.0,
        ("AddTo", Some(n)) => *result += n,
        ("SubtractFrom", Some(n)) => *result -= n,
        ("MultiplyBy", Some(n)) => *result *= n,
        ("DivideBy", Some(n)) => *result /= n,
        ("Equals", None) => {
            let body =
                format!("<EqualsResponse xmlns=\"{NAMESPACE}\"><EqualsResult>{result}</EqualsResult></EqualsResponse>");
            return Answer::reply(format!("{}Response", call.action), body);
        }
        _ => return Fault::sender(NAMESPACE, "Unclear", "no such operation, or not a number").into(),
    }
    // The others are one-way.
    Answer::Nothing
}

/// Serves until `stop`.
async fn serve<R: Runtime + Default>(address: &str, stop: impl Future<Output = ()>) -> Result<(), Box<dyn Error>> {
    let credentials = CredentialStore::new()
        .with_key(
            Certificate::from_file(format!("{KEYS}/service.cert.pem"))?,
            PrivateKey::from_file(format!("{KEYS}/service.key.pem"))?,
        )?
        .with_user_check(|name, password| name == "ada" && password == "secret");
    let binding = Binding::ws2007_http()
        .with_security(SecurityMode::Message, ClientCredentialType::UserName)?
        .with_reliable_session(true)?;
    let options = ServerOptions::new(binding).with_credentials(credentials);
    let calculator = session_fn(Mutex::<f64>::default, calculate);
    let server = Server::<R, _>::bind(address.parse()?, options, calculator).await?;
    println!("serving http://{}/calculator until Enter is pressed", server.local_addr()?);
    // Nobody new is let in then, and who is in gets ten seconds to finish.
    server.serve(stop).await;
    println!("served");
    Ok(())
}

/// Ready when Enter is pressed, as in WCF's samples; on every runtime.
fn enter() -> impl Future<Output = ()> {
    let (tell, pressed) = futures_channel::oneshot::channel();
    std::thread::spawn(move || tell.send(std::io::stdin().read_line(&mut String::new())));
    async {
        let _ = pressed.await;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let address = arguments.first().map_or("127.0.0.1:8000", String::as_str);
    if arguments.iter().any(|argument| argument == "--smol") {
        smol::block_on(serve::<Smol>(address, enter()))
    } else {
        tokio::runtime::Runtime::new()?.block_on(serve::<Tokio>(address, enter()))
    }
}
