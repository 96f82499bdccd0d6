//! How both ends of a story were configured, in the driver's words; and the two runtimes.

use crate::client_peer::{initiator_settings, user};
use crate::secured::{client_store, service_store};
use crate::service_peer::acceptor_settings;
use crate::tale::Tale;
use soap_session_core::lifetime::Timeouts;
use soap_session_core::service::{ConcurrencyMode, HostSettings, InstanceContextMode};
use soap_session_core::session::OperationUse;
use soap_session_core::time::Duration;
use soap_session_driver::{Binding, ClientOptions, Runtime, ServerOptions};
use soap_session_smol::Smol;
use soap_session_tests::host_replay::{self, contract};
use soap_session_tests::rm_replay::settings;
use soap_session_tests::rm_story::Settings;
use soap_session_tests::story::Config;
use soap_session_tokio::Tokio;
use std::sync::OnceLock;

/// A runtime, and how a thread that is not its own uses it.
pub(crate) trait Home: Runtime + Default {
    /// Does something where the runtime can be used.
    fn at_home<T>(work: impl FnOnce() -> T) -> T;
}

impl Home for Tokio {
    fn at_home<T>(work: impl FnOnce() -> T) -> T {
        static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
        let runtime = RUNTIME.get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
        });
        let _guard = runtime.enter();
        work()
    }
}

impl Home for Smol {
    fn at_home<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
}

/// The settings that are the service host's, not the binding's.
const HOSTS: [&str; 5] = ["calls", "sessions", "instances", "inst", "conc"];

/// The binding of one end.
pub(crate) fn binding(config: &Config) -> Binding {
    let security = config.get("sec").is_some().then(|| config.binding());
    let secured = |binding: Binding| match &security {
        Some(security) => binding.with_custom_security(security.clone(), config.get("sec") != Some("oneshot")),
        None => binding,
    };
    let mut binding = match (config.get("b"), config.get("rm")) {
        (Some("basic"), None) => Binding::basic_http(),
        (Some("ws"), None) => secured(Binding::ws_http()),
        (None, None) => secured(Binding::custom(config.binding().soap, Some(config.binding().addressing))),
        (None, Some(_)) => {
            let of = Settings::of(&config.without(&HOSTS));
            let binding = secured(Binding::custom(of.soap, Some(of.addressing)));
            binding.with_reliable_settings(settings(&of)).unwrap()
        }
        other => panic!("{other:?}"),
    };
    let seconds = |key: &str, standard: u64| Some(config.seconds(key).unwrap_or_else(|| Duration::from_secs(standard)));
    binding.timeouts = Timeouts {
        open: seconds("open", 60),
        close: seconds("close", 60),
        send: seconds("send", 60),
        receive: seconds("recv", 600),
    };
    binding
}

/// The options of the service.
pub(crate) fn options(config: &Config) -> ServerOptions {
    let number = |key: &str| config.get(key).map(|value| value.parse::<u32>().unwrap());
    let mut options = ServerOptions::new(binding(config)).with_credentials(service_store());
    options.security = acceptor_settings(config);
    // As WCF: who comes too early is told at once.
    options.reorder_wait = Duration::ZERO;
    options.host = HostSettings {
        instances: match config.get("inst") {
            None | Some("PerSession") => InstanceContextMode::PerSession,
            Some("PerCall") => InstanceContextMode::PerCall,
            Some(_) => InstanceContextMode::Single,
        },
        concurrency: match config.get("conc") {
            Some("Multiple") => ConcurrencyMode::Multiple,
            _ => ConcurrencyMode::Single,
        },
        ..options.host
    };
    options.throttle.max_concurrent_calls = number("calls").unwrap_or(options.throttle.max_concurrent_calls);
    // No story has more; tables for hundreds take time to be made.
    options.throttle.max_concurrent_sessions = number("sessions").unwrap_or(20);
    options.throttle.max_concurrent_instances = number("instances");
    options
}

/// A story's client whose calls have another time than the others', in seconds.
const OWN_TIMEOUTS: [(&str, &str, u64); 1] = [("throttle-sessions-10-sc", "S12", 30)];

/// The options of a story's client.
pub(crate) fn client_options(tale: &Tale, name: &str) -> ClientOptions {
    let config = &tale.client;
    let mut binding = binding(config);
    if let Some((.., own)) = OWN_TIMEOUTS.iter().find(|(story, client, _)| (*story, *client) == (&tale.name, name)) {
        let own = Some(Duration::from_secs(*own));
        binding.timeouts = Timeouts { open: own, send: own, ..binding.timeouts };
    }
    let options = ClientOptions::new(binding).with_credentials(client_store());
    options.with_security_settings(initiator_settings(config)).with_user(user(config).unwrap())
}

/// What a client's contract says of an operation; `knows`: that it may not be the first, or is the last.
pub(crate) fn operation_use(of: &str, name: &str, knows: bool) -> OperationUse {
    let Some(operation) = contract(of).operations.iter().find(|operation| operation.name == name) else {
        return OperationUse::new("Missing");
    };
    host_replay::operation_use(operation, knows)
}
