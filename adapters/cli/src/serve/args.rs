//! The command line of `soap-session serve`.

use crate::options::{BindingArgs, BindingName, CredentialName, IdentityFiles, SecurityName, Users, duration};
use crate::trouble::Trouble;
use clap::{Args, ValueEnum};
use soap_session_core::service::{ConcurrencyMode, InstanceContextMode};
use soap_session_credentials::{Certificate, CredentialStore, KeyRing, LoadError};
use soap_session_tokio::ServerOptions;
use soap_session_tokio::tls::{Authorities, ClientCertificates, ServerTls};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What cookies are bound to, if nothing else is said.
const RING_NAME: &str = "soap-session serve";

/// What is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ServiceName {
    /// WCF's samples: ICalculator, and ICalculatorSession where the binding has sessions
    Calculator,
    /// Answers XResponse with the content of X's first element as XResult, whatever X is
    Echo,
}

/// How long an instance of the service lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum InstanceName {
    /// As long as its session
    PerSession,
    /// For one call
    PerCall,
    /// As long as the host
    Single,
}

/// How many calls run in one instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ConcurrencyName {
    /// One after the other
    Single,
    /// As many as there are
    Multiple,
}

const AFTER_HELP: &str = "\
Times are seconds, or numbers with ms, s, m or h behind them, such as 500ms, 90 or 10m.

On Ctrl-C or SIGTERM no new session is taken, and those that are open get --close-timeout to be
closed by their clients. Told a second time, it ends at once.

Examples:
  soap-session serve --listen 127.0.0.1:8000 --service calculator --reliable
  soap-session serve --listen 127.0.0.1:8000 --service echo --metrics 127.0.0.1:9100 -v
  soap-session serve --listen 0.0.0.0:8443 --service echo \\
    --tls --pkcs12 host.pfx --pkcs12-password-file pass \\
    --security transport-with-message-credential --credential username --users users.txt
  soap-session serve --listen 0.0.0.0:8000 --upstream http://localhost:8080/ \\
    --reliable --security message --cert host.pem --key host.key.pem

Exit codes:
    0  stopped when it was told to
    2  the options are wrong, or do not go together; nothing was served
    6  anything else, such as an address that is in use
  130  told twice to stop, by Ctrl-C at last: sessions were not waited for
  143  the same by SIGTERM";

/// Serves: WCF's calculator, an echo, or the way to an ordinary SOAP service, until it is interrupted
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ServeArgs {
    /// Address to listen on, such as 127.0.0.1:8000; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub listen: SocketAddr,
    /// What to serve
    #[arg(long, value_enum, required_unless_present = "upstream")]
    pub service: Option<ServiceName>,
    /// Be a gateway: end secure and reliable sessions here, and forward what they say as plain SOAP of the same version to this
    /// address. The session's id goes along in the HTTP header Soap-Session-Id
    #[arg(long, value_name = "URL", conflicts_with = "service")]
    pub upstream: Option<String>,
    /// With an https address as --upstream: who is trusted to certify it
    #[arg(long, value_name = "PEM", requires = "upstream")]
    pub upstream_ca: Option<PathBuf>,
    /// With --upstream: time for its answers
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub upstream_timeout: Duration,
    /// Write every message as it was received and sent to this folder, for `inspect`: the newest
    /// 10 000, in 256 MiB at most
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,
    /// Serve the numbers that Prometheus reads at http://ADDRESS/metrics; port 0 lets the system choose. The page is not protected
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub metrics: Option<SocketAddr>,
    /// How messages are spoken and protected
    #[command(flatten)]
    pub binding: BindingArgs,
    /// The service's certificate; those of its issuers may follow it
    #[arg(long, value_name = "PEM", requires = "key", help_heading = "Credentials")]
    pub cert: Option<PathBuf>,
    /// The service's private key, unencrypted
    #[arg(long, value_name = "PEM", requires = "cert", help_heading = "Credentials")]
    pub key: Option<PathBuf>,
    /// The service's certificate and key in one file, PKCS#12 (.pfx, .p12)
    #[arg(
        long,
        value_name = "FILE",
        requires = "pkcs12_password_file",
        conflicts_with = "cert",
        help_heading = "Credentials"
    )]
    pub pkcs12: Option<PathBuf>,
    /// File whose first line is the password of that file
    #[arg(long, value_name = "FILE", requires = "pkcs12", help_heading = "Credentials")]
    pub pkcs12_password_file: Option<PathBuf>,
    /// Speak HTTPS, with the same certificate
    #[arg(long, help_heading = "Credentials")]
    pub tls: bool,
    /// File of those who may log in, a line name:password each. It is plain text: let nobody else read it
    #[arg(long, value_name = "FILE", help_heading = "Credentials")]
    pub users: Option<PathBuf>,
    /// Clients' certificates, or authorities that issued them, that are believed
    #[arg(long, value_name = "PEM", help_heading = "Credentials")]
    pub trust: Vec<PathBuf>,
    /// Keys of stateless tokens (`soap-session ring`): sessions outlive this process, and may go on at another that has the same file
    #[arg(long, value_name = "FILE", help_heading = "Credentials")]
    pub cookie_ring: Option<PathBuf>,
    /// How long an instance of the service lives
    #[arg(long, value_enum, value_name = "MODE", default_value = "per-session", help_heading = "Host")]
    pub instance_mode: InstanceName,
    /// How many calls run in one instance. A gateway's default is multiple, otherwise single
    #[arg(long, value_enum, value_name = "MODE", help_heading = "Host")]
    pub concurrency_mode: Option<ConcurrencyName>,
    /// maxConcurrentCalls; 16 for each processor unless said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Host")]
    pub max_concurrent_calls: Option<u32>,
    /// maxConcurrentSessions; 100 for each processor unless said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Host")]
    pub max_concurrent_sessions: Option<u32>,
    /// maxConcurrentInstances; calls and sessions together unless said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Host")]
    pub max_concurrent_instances: Option<u32>,
    /// Tell clients at once that the server is too busy, instead of letting them wait
    #[arg(long, help_heading = "Host")]
    pub refuse_when_busy: bool,
    /// Give a session up in which nothing was called for so long
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m", help_heading = "Host")]
    pub receive_timeout: Duration,
    /// How long open sessions get to be closed by their clients when this is stopped
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s", help_heading = "Host")]
    pub close_timeout: Duration,
}

/// A socket address, or a host's name with a port.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().map_err(|error| format!("give HOST:PORT, such as 127.0.0.1:8000 ({error})"))?;
    found.into_iter().next().ok_or_else(|| "this host has no address".to_owned())
}

fn loaded<T>(loaded: Result<T, LoadError>, option: &str) -> Result<T, Trouble> {
    loaded.map_err(|error| Trouble::usage(error).about(option))
}

impl ServeArgs {
    /// Are there sessions by which a service may keep state?
    pub(super) fn has_sessions(&self) -> bool {
        let BindingArgs { binding, security, no_secure_session, reliable, cookies, .. } = self.binding;
        let cookies = cookies || self.cookie_ring.is_some();
        let conversation = security != SecurityName::None && binding != BindingName::BasicHttp;
        reliable || (conversation && !no_secure_session && !cookies)
    }

    /// Are bodies encrypted?
    pub(super) fn protects(&self) -> bool {
        self.binding.security == SecurityName::Message
    }

    /// The options of the server.
    ///
    /// # Errors
    /// Something is missing, too much, or cannot be read.
    pub fn options(&self) -> Result<ServerOptions, Trouble> {
        let mut args = self.binding.clone();
        args.cookies |= self.cookie_ring.is_some();
        let mut binding = args.binding()?;
        if args.cookies && self.cookie_ring.is_none() {
            return Err(Trouble::usage("--cookies need the keys that seal them: say --cookie-ring FILE"));
        }
        self.fitting()?;
        (binding.timeouts.receive, binding.timeouts.close) = (Some(self.receive_timeout), Some(self.close_timeout));
        let mut options = ServerOptions::new(binding).with_credentials(self.store()?);
        if self.tls {
            options = options.with_tls(self.server_tls()?);
        }
        options.host.instances = match self.instance_mode {
            InstanceName::PerSession => InstanceContextMode::PerSession,
            InstanceName::PerCall => InstanceContextMode::PerCall,
            InstanceName::Single => InstanceContextMode::Single,
        };
        options.host.concurrency = match (self.concurrency_mode, &self.upstream) {
            (Some(ConcurrencyName::Multiple), _) | (None, Some(_)) => ConcurrencyMode::Multiple,
            (Some(ConcurrencyName::Single), _) | (None, None) => ConcurrencyMode::Single,
        };
        options.host.refuse_when_busy = self.refuse_when_busy;
        let throttle = &mut options.throttle;
        throttle.max_concurrent_calls = self.max_concurrent_calls.unwrap_or(throttle.max_concurrent_calls);
        throttle.max_concurrent_sessions = self.max_concurrent_sessions.unwrap_or(throttle.max_concurrent_sessions);
        throttle.max_concurrent_instances = self.max_concurrent_instances.or(throttle.max_concurrent_instances);
        options.close = self.close_timeout;
        Ok(options)
    }

    fn store(&self) -> Result<CredentialStore, Trouble> {
        let mut store = CredentialStore::new();
        if self.protects()
            && let Some(identity) = self.identity().load()?
        {
            let keyed = identity.certificate().and_then(|it| store.with_key(it, identity.private_key()?));
            store = loaded(keyed, "the service's certificate")?;
            // WSS 1.0: the same certificate signs the answers.
            let own = identity.certificate().and_then(|it| store.with_own(it, identity.private_key()?));
            store = loaded(own, "the service's certificate")?;
        }
        if let Some(file) = &self.users {
            let users = Users::read(file)?;
            store = store.with_user_check(move |name, password| users.check(name, password));
        }
        for der in loaded(Authorities::from_files(&self.trust), "--trust")?.iter() {
            store = loaded(store.with_authority(der), "--trust")?;
            store = store.with_trusted(loaded(Certificate::from_der(der), "--trust")?);
        }
        if let Some(file) = &self.cookie_ring {
            let ring = KeyRing::open_or_create(file, RING_NAME);
            store =
                store.with_state_encoder(Arc::new(ring.map_err(|error| Trouble::usage(error).about("--cookie-ring"))?));
        }
        Ok(store)
    }

    fn identity(&self) -> IdentityFiles<'_> {
        IdentityFiles {
            certificate: ("--cert", self.cert.as_deref()),
            key: ("--key", self.key.as_deref()),
            pkcs12: ("--pkcs12", self.pkcs12.as_deref()),
            password: self.pkcs12_password_file.as_deref(),
        }
    }

    fn server_tls(&self) -> Result<ServerTls, Trouble> {
        let needed = || Trouble::usage(format_args!("--tls needs {}", self.identity().names()));
        let identity = self.identity().load()?.ok_or_else(needed)?;
        let clients = match (self.binding.security, self.trust.is_empty()) {
            (SecurityName::None, false) => {
                ClientCertificates::Required(loaded(Authorities::from_files(&self.trust), "--trust")?)
            }
            _ => ClientCertificates::NotAsked,
        };
        ServerTls::new(&identity, &clients).map_err(|error| Trouble::usage(error).about("--tls"))
    }

    /// Is everything there that is needed, and nothing that would be left unused?
    fn fitting(&self) -> Result<(), Trouble> {
        let tell = |text: &str| Err(Trouble::usage(text));
        let BindingArgs { security, credential, .. } = self.binding;
        let identity = self.identity();
        if security == SecurityName::Message && !identity.is_named() {
            return tell(&format!("--security message needs {}", identity.names()));
        }
        if security == SecurityName::TransportWithMessageCredential && !self.tls {
            return tell(&format!(
                "transport-with-message-credential leaves the protection of messages to HTTPS: say --tls, with {}",
                identity.names()
            ));
        }
        if self.tls && !identity.is_named() {
            return tell(&format!("--tls needs {}", identity.names()));
        }
        if identity.is_named() && !self.tls && security != SecurityName::Message {
            return tell("the certificate would not be used: say --tls, or --security message");
        }
        match (credential, &self.users) {
            (CredentialName::Username, None) => return tell("--credential username needs --users FILE"),
            (CredentialName::None | CredentialName::Certificate, Some(_)) => {
                return tell("--users would not be asked: say --credential username");
            }
            _ => {}
        }
        match (credential, self.trust.is_empty()) {
            (CredentialName::Certificate, true) => tell("--credential certificate needs --trust PEM: whom to believe"),
            (CredentialName::None | CredentialName::Username, false)
                if !(self.tls && security == SecurityName::None) =>
            {
                tell("--trust would not be asked: say --credential certificate, or --tls alone")
            }
            _ => Ok(()),
        }
    }
}
