//! The binding, as WCF's configuration names it.

use crate::trouble::Trouble;
use clap::{Args, ValueEnum};
use soap_session_core::crypto::AlgorithmSuite;
use soap_session_core::soap::SoapVersion;
use soap_session_tokio::{Binding, ClientCredentialType, SecurityMode};
use std::time::Duration;

/// WCF's bindings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ValueEnum)]
pub enum BindingName {
    /// SOAP 1.2, WS-Addressing 1.0, WS-* of February 2005 (WSHttpBinding)
    WsHttp,
    /// SOAP 1.2, WS-Addressing 1.0, WS-SecureConversation 1.3, WS-ReliableMessaging 1.1 (WS2007HttpBinding)
    #[value(name = "ws2007-http")]
    Ws2007Http,
    /// SOAP 1.1 without WS-Addressing (BasicHttpBinding): no sessions. With --security message, by certificates only
    BasicHttp,
}

/// How messages are protected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ValueEnum)]
pub enum SecurityName {
    /// Not at all, or by HTTPS alone
    None,
    /// Each message is signed and encrypted
    Message,
    /// By HTTPS, and each message carries the client's credential
    TransportWithMessageCredential,
}

/// How a client proves itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ValueEnum)]
pub enum CredentialName {
    /// Not at all
    None,
    /// By a name and a password
    Username,
    /// By a certificate
    Certificate,
}

/// The version of SOAP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ValueEnum)]
pub enum SoapName {
    /// SOAP 1.1
    #[value(name = "1.1")]
    Soap11,
    /// SOAP 1.2
    #[value(name = "1.2")]
    Soap12,
}

/// Both sides have to agree on these.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Binding (the same on both sides)")]
pub struct BindingArgs {
    /// WCF's binding
    #[arg(long, value_enum, default_value = "ws-http")]
    pub binding: BindingName,
    /// How messages are protected
    #[arg(long, value_enum, default_value = "none", value_name = "MODE")]
    pub security: SecurityName,
    /// How the client proves itself
    #[arg(long, value_enum, default_value = "none", value_name = "KIND")]
    pub credential: CredentialName,
    /// Protect each message by itself (establishSecurityContext="false")
    #[arg(long)]
    pub no_secure_session: bool,
    /// A reliable session: every message once (reliableSession)
    #[arg(long)]
    pub reliable: bool,
    /// With --reliable: hand messages over as they come (ordered="false")
    #[arg(long, requires = "reliable")]
    pub unordered: bool,
    /// With --reliable: after how long without a word the session is given up; 10m unless said
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "reliable")]
    pub inactivity_timeout: Option<Duration>,
    /// Algorithms, by WCF's names: Basic256, Basic192, Basic128, TripleDes, each alone or followed by Rsa15, Sha256 or Sha256Rsa15;
    /// Basic256 unless said
    #[arg(long, value_name = "NAME", value_parser = suite)]
    pub algorithm_suite: Option<AlgorithmSuite>,
    /// Another version of SOAP than the binding's, as a custom binding may have; the binding's unless said
    #[arg(long, value_enum, value_name = "VERSION")]
    pub soap: Option<SoapName>,
    /// Tokens that carry their state in a cookie (requireSecurityContextCancellation="false"). `serve --cookie-ring` implies it
    #[arg(long)]
    pub cookies: bool,
    /// Most bytes of a message that is received (maxReceivedMessageSize)
    #[arg(long, value_name = "BYTES", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1024..))]
    pub max_message: u32,
}

/// The names of all suites.
fn suites() -> impl Iterator<Item = (&'static str, AlgorithmSuite)> {
    AlgorithmSuite::ALL.into_iter().map(|suite| (suite.name(), suite))
}

/// The number of a version.
pub(crate) const fn version(soap: SoapVersion) -> &'static str {
    match soap {
        SoapVersion::Soap11 => "1.1",
        SoapVersion::Soap12 => "1.2",
    }
}

fn suite(text: &str) -> Result<AlgorithmSuite, String> {
    let found = suites().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, suite)| suite);
    found.ok_or_else(|| format!("give one of {}", suites().map(|(name, _)| name).collect::<Vec<_>>().join(", ")))
}

/// A number of seconds, or a number with ms, s, m or h behind it.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "give seconds, or a number with ms, s, m or h behind it, such as 500ms, 90 or 10m".to_owned();
    let split = text.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())?;
    // A zero would be over before it began; more than a month is a slip.
    if time < Duration::from_millis(1) || time > Duration::from_secs(31 * 86_400) { Err(wrong()) } else { Ok(time) }
}

impl BindingArgs {
    /// The binding. What cannot be put together is refused with what could.
    ///
    /// # Errors
    /// [`Exit::Usage`](crate::trouble::Exit::Usage).
    pub fn binding(&self) -> Result<Binding, Trouble> {
        let mut binding = match self.binding {
            BindingName::WsHttp => Binding::ws_http(),
            BindingName::Ws2007Http => Binding::ws2007_http(),
            BindingName::BasicHttp => self.basic()?,
        };
        let mode = match self.security {
            SecurityName::None => SecurityMode::None,
            SecurityName::Message => SecurityMode::Message,
            SecurityName::TransportWithMessageCredential => SecurityMode::TransportWithMessageCredential,
        };
        let credential = match self.credential {
            CredentialName::None => ClientCredentialType::None,
            CredentialName::Username => ClientCredentialType::UserName,
            CredentialName::Certificate => ClientCredentialType::Certificate,
        };
        binding = match (self.security, self.credential) {
            (SecurityName::None, CredentialName::Username | CredentialName::Certificate) => {
                return Err(Trouble::usage(
                    "--credential needs messages that carry it: say --security message, or transport-with-message-credential",
                ));
            }
            (SecurityName::TransportWithMessageCredential, CredentialName::None) => {
                return Err(Trouble::usage(
                    "--security transport-with-message-credential needs a credential: say --credential username or certificate. \
                     For HTTPS alone say --security none and an https address",
                ));
            }
            _ => binding.with_security(mode, credential)?,
        };
        if let Some(soap) = self.soap {
            binding = binding.with_soap(match soap {
                SoapName::Soap11 => SoapVersion::Soap11,
                SoapName::Soap12 => SoapVersion::Soap12,
            });
        }
        if let Some(suite) = self.algorithm_suite {
            binding =
                binding.with_algorithm_suite(suite).map_err(|error| Trouble::from(error).about("--algorithm-suite"))?;
        }
        if self.no_secure_session {
            binding =
                binding.without_secure_session().map_err(|error| Trouble::from(error).about("--no-secure-session"))?;
        }
        if self.cookies {
            self.cookies(&mut binding)?;
        }
        if self.reliable {
            binding = binding
                .with_reliable_session(!self.unordered)
                .map_err(|error| Trouble::from(error).about("--reliable"))?;
        }
        if let (Some(settings), Some(timeout)) = (binding.reliable_settings(), self.inactivity_timeout) {
            settings.inactivity_timeout = timeout;
        }
        binding.limits.message = self.max_message;
        Ok(binding)
    }

    /// The same for a client, with so much time for each thing that the service has to do.
    ///
    /// Messages of one session go over several connections, and may overtake each other; WCF's ordered services then refuse all
    /// but the next. They are sent again at once, and not when WCF's clock would have it (400 ms at least).
    pub(crate) fn patient(binding: &mut Binding, patience: Duration) {
        let timeouts = &mut binding.timeouts;
        (timeouts.open, timeouts.close, timeouts.send) = (Some(patience), Some(patience), Some(patience));
        if let Some(settings) = binding.reliable_settings() {
            settings.transmission.fast_retransmission = Some(1);
            (settings.open_timeout, settings.close_timeout, settings.send_timeout) = (patience, patience, patience);
        }
    }

    fn basic(&self) -> Result<Binding, Trouble> {
        if self.security == SecurityName::Message && self.credential != CredentialName::Certificate {
            return Err(Trouble::usage(
                "basic-http has messages protected by certificates only: say --credential certificate, or --security \
                 transport-with-message-credential for a user name",
            ));
        }
        if self.cookies {
            return Err(Trouble::usage(
                "--cookies are of secure sessions, and basic-http has none: say --binding ws-http",
            ));
        }
        if self.reliable {
            return Err(Trouble::usage("basic-http has no reliable sessions: say --binding ws-http or ws2007-http"));
        }
        if self.soap == Some(SoapName::Soap12) {
            return Err(Trouble::usage("basic-http is SOAP 1.1: say --binding ws-http for SOAP 1.2"));
        }
        Ok(Binding::basic_http())
    }

    fn cookies(&self, binding: &mut Binding) -> Result<(), Trouble> {
        if self.no_secure_session {
            return Err(Trouble::usage("--cookies are of secure sessions: leave --no-secure-session out"));
        }
        if self.reliable {
            return Err(Trouble::usage(
                "--cookies make messages without sessions, and --reliable needs sessions: say one of them",
            ));
        }
        match binding.security_binding() {
            Some(security) => security.require_cancellation = false,
            None => return Err(Trouble::usage("--cookies are of secure sessions: say --security first")),
        }
        Ok(())
    }
}
