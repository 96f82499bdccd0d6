//! A server that is killed while it has sessions, and another one that stands in its place.

use crate::stand::{body, client_options, no_task_is_left, reliable, secure, secure_reliable, soon};
use crate::world::{service_store, sleep};
use soap_session_core::lifetime::CommunicationState;
use soap_session_core::reliable::{RmFaultKind, SessionError};
use soap_session_core::secure::Failure;
use soap_session_core::session::ChannelError;
use soap_session_core::soap::fault::KnownFault;
use soap_session_driver::{Answer, Binding, CallError, Client, Runtime, Server, ServerOptions, service_fn};
use soap_session_smol::Smol;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const NAME: &str = "kill::the_server_that_is_killed";

fn binding(name: &str) -> Binding {
    let mut binding = match name {
        "secure" => secure(),
        "reliable" => reliable(),
        _ => secure_reliable(),
    };
    binding.timeouts.send = Some(Duration::from_secs(3));
    binding
}

/// Not a test: [`a_server_is_killed`] runs it in a process of its own.
#[test]
#[ignore = "the process that another test kills"]
fn the_server_that_is_killed() {
    let Ok(address) = std::env::var("KILL_ADDRESS") else { return };
    let binding = binding(&std::env::var("KILL_BINDING").unwrap());
    let echo = service_fn(|call| async move { Answer::reply(format!("{}Response", call.action), call.body) });
    smol::block_on(async move {
        let options = ServerOptions::new(binding).with_credentials(service_store());
        let server = Server::<Smol, _>::bind(address.parse().unwrap(), options, echo).await.unwrap();
        println!("\nlistening {}", server.local_addr().unwrap());
        server.serve(std::future::pending()).await;
    });
}

struct Process(Child);

impl Process {
    fn start(address: SocketAddr, binding: &str) -> (Self, SocketAddr) {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--ignored", "--nocapture"])
            .env("KILL_ADDRESS", address.to_string())
            .env("KILL_BINDING", binding)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("listening ")?.parse().ok());
        // What it says at last, it says to nobody.
        std::thread::spawn(move || lines.for_each(drop));
        (Self(process), address.unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) async fn a_server_is_killed<R: Runtime + Default>() {
    for name in ["secure", "reliable", "secure-reliable"] {
        killed_and_another::<R>(name).await;
        killed_for_good::<R>(name).await;
    }
}

/// Another server takes its place, and knows nothing of its sessions.
async fn killed_and_another<R: Runtime + Default>(name: &str) {
    let runtime = R::default();
    let (server, address) = Process::start("127.0.0.1:0".parse().unwrap(), name);
    let url = format!("http://{address}/");
    let client = Client::<R>::connect(&url, client_options(&binding(name))).await.unwrap();
    client.call("urn:echo", body(1)).await.unwrap();
    drop(server);
    let (_server, _) = Process::start(address, name);
    let failed = soon(&runtime, "a call", client.call("urn:echo", body(2))).await.unwrap_err();
    println!("{name}, another server: {failed} [{}]", failed.wcf_exception());
    let CallError::Failed(failed) = failed else { panic!("{failed}") };
    let documented = match (name, &failed.error) {
        ("reliable", ChannelError::Reliable(SessionError::Remote { kind: Some(RmFaultKind::UnknownSequence), .. })) => {
            true
        }
        (_, ChannelError::Conversation(Failure::Fault(fault)) | ChannelError::Lower(Failure::Fault(fault))) => {
            name != "reliable" && fault.known == Some(KnownFault::BadContextToken)
        }
        _ => false,
    };
    assert!(documented, "{:?}", failed.error);
    assert_eq!(client.state(), CommunicationState::Faulted);
    client.close().await.unwrap_err();
    let anew = Client::<R>::connect(&url, client_options(&binding(name))).await.unwrap();
    anew.call("urn:echo", body(3)).await.unwrap();
    anew.close().await.unwrap();
    drop((client, anew));
    no_task_is_left(&runtime).await;
}

/// Nothing takes its place for longer than a call may take.
async fn killed_for_good<R: Runtime + Default>(name: &str) {
    let runtime = R::default();
    let (server, address) = Process::start("127.0.0.1:0".parse().unwrap(), name);
    let url = format!("http://{address}/");
    let client = Client::<R>::connect(&url, client_options(&binding(name))).await.unwrap();
    client.call("urn:echo", body(1)).await.unwrap();
    drop(server);
    let begun = runtime.now();
    let failed = soon(&runtime, "a call", client.call("urn:echo", body(2))).await.unwrap_err();
    let took = runtime.now() - begun;
    println!("{name}, no server: {failed} [{}] after {took:?}", failed.wcf_exception());
    let CallError::Failed(failed) = failed else { panic!("{failed}") };
    if name == "secure" {
        // The exchange is lost and nothing is sent again, but the session may still be there.
        assert!(matches!(failed.error, ChannelError::NoAnswer), "{:?}", failed.error);
        assert_eq!(client.state(), CommunicationState::Opened);
        assert!(took < Duration::from_secs(1), "{took:?}");
    } else {
        assert!(matches!(failed.error, ChannelError::TimedOut { .. }), "{:?}", failed.error);
        assert_eq!(client.state(), CommunicationState::Faulted);
        assert!(took >= Duration::from_millis(2990) && took < Duration::from_secs(4), "{took:?}");
    }
    client.abort();
    drop(client);
    sleep(&runtime, Duration::from_millis(1)).await;
    no_task_is_left(&runtime).await;
}
