//! Who the client is, and whom it trusts.

use super::{BindingArgs, CredentialName, IdentityFiles, SecurityName, password};
use crate::trouble::Trouble;
use clap::Args;
use soap_session_core::secure::UserCredential;
use soap_session_credentials::{Certificate, CredentialStore, LoadError};
use soap_session_tokio::tls::{Authorities, ClientTls};
use soap_session_tokio::{Binding, ClientOptions};
use std::path::PathBuf;
use std::time::Duration;

/// Of the side that calls.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Client")]
pub struct ClientArgs {
    /// Name of the user
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub username: Option<String>,
    /// File whose first line is the user's password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The service's certificate: messages are encrypted for it, and it has to prove that it has its key
    #[arg(long, value_name = "PEM")]
    pub service_cert: Option<PathBuf>,
    /// The client's certificate; those of its issuers may follow it
    #[arg(long, value_name = "PEM", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// The client's private key, unencrypted
    #[arg(long, value_name = "PEM", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// The client's certificate and key in one file, PKCS#12 (.pfx, .p12)
    #[arg(long, value_name = "FILE", requires = "pkcs12_password_file", conflicts_with = "client_cert")]
    pub pkcs12: Option<PathBuf>,
    /// File whose first line is the password of that file
    #[arg(long, value_name = "FILE", requires = "pkcs12")]
    pub pkcs12_password_file: Option<PathBuf>,
    /// Who is trusted to certify HTTPS servers, or such a server's own certificate. On Debian
    /// /etc/ssl/certs/ca-certificates.crt has the usual authorities
    #[arg(long, value_name = "PEM")]
    pub ca: Option<PathBuf>,
    /// The address that messages are meant for, where it is not the one that is connected to (ClientViaBehavior)
    #[arg(long, value_name = "URI")]
    pub service_address: Option<String>,
    /// Time for opening, for each call, and for closing, such as 30 or 500ms
    #[arg(long, value_name = "TIME", value_parser = super::duration, default_value = "60s", overrides_with = "timeout")]
    pub timeout: Duration,
}

fn loaded<T>(loaded: Result<T, LoadError>, option: &str) -> Result<T, Trouble> {
    loaded.map_err(|error| Trouble::usage(error).about(option))
}

impl ClientArgs {
    /// The options of a client of the service at `url`.
    ///
    /// # Errors
    /// Something is missing, too much, or cannot be read.
    pub fn options(&self, url: &str, args: &BindingArgs) -> Result<(Binding, ClientOptions), Trouble> {
        let mut binding = args.binding()?;
        BindingArgs::patient(&mut binding, self.timeout);
        let identity = self.identity().load()?;
        self.fitting(url, args, &binding, identity.is_some())?;
        let mut store = CredentialStore::new();
        if let Some(file) = &self.service_cert {
            store = loaded(Certificate::from_file(file).and_then(|it| store.with_service(it)), "--service-cert")?;
        }
        if let Some(identity) = identity.as_ref().filter(|_| args.credential == CredentialName::Certificate) {
            let own = identity.certificate().and_then(|it| store.with_own(it, identity.private_key()?));
            store = loaded(own, "the client's certificate")?;
        }
        let mut options = ClientOptions::new(binding.clone()).with_credentials(store);
        if let (Some(name), Some(file)) = (&self.username, &self.password_file) {
            let user = UserCredential::new(name, &password(file)?);
            let user = user.ok_or_else(|| Trouble::usage("a name has at most 128 bytes, and a password 64"))?;
            options = options.with_user(user);
        }
        if let Some(file) = &self.ca {
            let trusted = loaded(Authorities::from_files([file]), "--ca")?;
            let shown = identity.as_ref().filter(|_| args.security == SecurityName::None);
            let tls = ClientTls::new(&trusted, shown).map_err(|error| Trouble::usage(error).about("--ca"))?;
            options = options.with_tls(tls);
        }
        if let Some(address) = &self.service_address {
            options = options.with_service_address(address);
        }
        Ok((binding, options))
    }

    fn identity(&self) -> IdentityFiles<'_> {
        IdentityFiles {
            certificate: ("--client-cert", self.client_cert.as_deref()),
            key: ("--client-key", self.client_key.as_deref()),
            pkcs12: ("--pkcs12", self.pkcs12.as_deref()),
            password: self.pkcs12_password_file.as_deref(),
        }
    }

    /// Is everything there that is needed, and nothing that would be left unused?
    fn fitting(&self, url: &str, args: &BindingArgs, binding: &Binding, identity: bool) -> Result<(), Trouble> {
        let tell = |text: &str| Err(Trouble::usage(text));
        let https = url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
        if binding.needs_https() && !https {
            return tell(
                "transport-with-message-credential leaves the protection of messages to HTTPS, and the address begins with http: \
                 use an https address",
            );
        }
        if https && self.ca.is_none() {
            return tell("the address says https: name who is trusted with --ca");
        }
        if self.ca.is_some() && !https {
            return tell("--ca is for https addresses");
        }
        match (args.credential, &self.username) {
            (CredentialName::Username, None) => {
                return tell("--credential username needs --username and --password-file");
            }
            (CredentialName::None | CredentialName::Certificate, Some(_)) => {
                return tell("--username would not be sent: say --credential username");
            }
            _ => {}
        }
        match (args.credential, identity) {
            (CredentialName::Certificate, false) => {
                return tell(&format!("--credential certificate needs {}", self.identity().names()));
            }
            (CredentialName::None | CredentialName::Username, true)
                if !(https && args.security == SecurityName::None) =>
            {
                return tell("the client's certificate would not be used: say --credential certificate");
            }
            _ => {}
        }
        match (args.security, &self.service_cert) {
            (SecurityName::Message, None) => {
                tell("--security message needs --service-cert, the certificate of the service: it is not negotiated")
            }
            (SecurityName::None | SecurityName::TransportWithMessageCredential, Some(_)) => {
                tell("--service-cert is for --security message; an HTTPS server is trusted by --ca")
            }
            _ => Ok(()),
        }
    }
}
