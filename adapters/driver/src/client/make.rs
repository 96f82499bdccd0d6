//! How a client is put together.

use super::drive::{Channel, Shared};
use super::error::NewError;
use super::telemetry::ChannelTelemetry;
use crate::binding::{Binding, Security};
use crate::clock::Clock;
use crate::http::HttpClient;
use crate::large_stack;
use crate::observe::{Observer, Watched};
use crate::tls::ClientTls;
use crate::{Runtime, seeds};
use soap_session_core::chance::Chance;
use soap_session_core::reliable::{ClientAddresses, Shape};
use soap_session_core::secure::{
    Credentials, Initiator, InitiatorSettings, Misuse, NoCredentials, OneShotClient, UserCredential,
};
use soap_session_core::session::{PlainClient, SessionClient};
use soap_session_core::time::Wall;
use std::fmt;
use std::sync::Arc;

/// Most messages in a client's transfer window.
pub(super) const WINDOW: usize = 64;

/// How a client speaks, and what it proves itself by.
#[derive(Clone)]
pub struct ClientOptions {
    pub(super) binding: Binding,
    pub(super) credentials: Arc<dyn Credentials + Send + Sync>,
    pub(super) user: Option<UserCredential>,
    pub(super) tls: Option<ClientTls>,
    pub(super) service: Option<String>,
    pub(super) settings: InitiatorSettings,
    pub(super) one_way: bool,
    pub(super) observer: Option<Arc<dyn Observer>>,
}

impl ClientOptions {
    /// A client of a service that speaks this binding.
    pub fn new(binding: Binding) -> Self {
        Self {
            binding,
            credentials: Arc::new(NoCredentials),
            user: None,
            tls: None,
            service: None,
            settings: InitiatorSettings::default(),
            one_way: false,
            observer: None,
        }
    }

    /// With these certificates: the service's, and the client's own if it has one.
    #[must_use]
    pub fn with_credentials(mut self, credentials: impl Credentials + Send + Sync + 'static) -> Self {
        self.credentials = Arc::new(credentials);
        self
    }

    /// With this name and password.
    #[must_use]
    pub fn with_user(mut self, user: UserCredential) -> Self {
        self.user = Some(user);
        self
    }

    /// With this trust in the certificates of HTTPS servers, and a certificate of its own if it has one.
    #[must_use]
    pub fn with_tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// With an address of the service, for `To`, that is not the one that is connected to (WCF: `ClientViaBehavior`).
    #[must_use]
    pub fn with_service_address(mut self, address: impl Into<String>) -> Self {
        self.service = Some(address.into());
        self
    }

    /// With these intervals of key renewal (`LocalClientSecuritySettings`).
    #[must_use]
    pub const fn with_security_settings(mut self, settings: InitiatorSettings) -> Self {
        self.settings = settings;
        self
    }

    /// For a contract whose operations are all one-way: WCF then makes a reliable session that has no sequence for replies.
    #[must_use]
    pub const fn one_way_contract(mut self) -> Self {
        self.one_way = true;
        self
    }

    /// With somebody who sees every envelope that passes.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { binding, user, service, one_way, .. } = self;
        let mut shown = f.debug_struct("ClientOptions");
        shown.field("binding", binding).field("user", user).field("service", service).field("one_way", one_way);
        shown.finish_non_exhaustive()
    }
}

/// The client, whose clock begins now.
pub(super) fn make<R: Runtime>(runtime: R, url: &str, options: ClientOptions) -> Result<Arc<Shared<R>>, NewError> {
    let ClientOptions { binding, credentials, user, tls, service, settings, one_way, observer } = options;
    if binding.needs_https() && !url.starts_with("https:") {
        return Err(NewError::NeedsHttps);
    }
    if binding.needs_user() && user.is_none() {
        return Err(NewError::Misuse(Misuse::NoUser));
    }
    let http = HttpClient::new(runtime.clone(), url, tls)?;
    let clock = Clock::start(&runtime);
    let to = service.as_deref().unwrap_or(url);
    let [first, second] = seeds().map_err(NewError::Random)?.map(|seed| Chance::new(&seed));
    let spoken = binding.clone();
    let (wall, entropy) = (clock.wall(), [first, second]);
    let channel = large_stack::run(move || channel(&binding, to, settings, user, one_way, wall, entropy));
    let channel = channel.map_err(NewError::Memory)??;
    let watched = (Watched(observer), ChannelTelemetry::new(url));
    Ok(Shared::new(runtime, clock, http, channel, credentials, &spoken, watched))
}

fn channel(
    binding: &Binding,
    to: &str,
    settings: InitiatorSettings,
    user: Option<UserCredential>,
    one_way: bool,
    wall: Wall,
    [first, second]: [Chance; 2],
) -> Result<Box<Channel>, NewError> {
    let (soap, timeouts) = (binding.soap(), binding.timeouts);
    Ok(match (&binding.reliable, &binding.security) {
        (None, Security::None) => {
            let plain = PlainClient::new(soap, binding.addressing(), to, binding.limits.clone(), first)?;
            Box::new(Channel::plain(plain, timeouts))
        }
        (None, Security::Message { binding: security, session: true }) => {
            let security = binding.limited(security);
            let initiator = Initiator::new(security, settings, to, user, wall, first)?;
            Box::new(Channel::over_secure(initiator, timeouts))
        }
        (None, Security::Message { binding: security, session: false }) => {
            let client = OneShotClient::new(binding.limited(security), to, user, wall, first)?;
            Box::new(Channel::over_one_shot(client, timeouts))
        }
        (Some(reliable), security) => {
            let window = u64::from(reliable.max_transfer_window_size);
            if window > WINDOW as u64 {
                let setting = "max_transfer_window_size";
                return Err(NewError::Limit { setting, asked: window, limit: WINDOW as u64 });
            }
            let addresses = ClientAddresses::new(to, None).ok_or(Misuse::AddressTooLong)?;
            let shape = if one_way { Shape::OneWay } else { Shape::RequestReply };
            let (reliable, limits) = (binding.timed(reliable), binding.limits.clone());
            let session = match security {
                Security::None => SessionClient::plain(reliable, soap, shape, addresses, limits, first),
                Security::Message { binding: security, .. } => {
                    let security = binding.limited(security);
                    SessionClient::secure(reliable, shape, addresses, security, settings, user, wall, first, second)?
                }
            };
            Box::new(Channel::over_reliable(session, timeouts))
        }
    })
}
