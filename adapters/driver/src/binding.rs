//! Bindings: what a client and a service have to agree on, put together as WCF's bindings are.

use soap_session_core::crypto::AlgorithmSuite;
use soap_session_core::lifetime::Timeouts;
use soap_session_core::reliable::{ReliableSettings, RmVersion};
use soap_session_core::secure::{self, Bootstrap};
use soap_session_core::service::BindingShapes;
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::xml::Limits;
use std::fmt;
use std::time::Duration;

/// How messages are protected. WCF's `SecurityMode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SecurityMode {
    /// Not at all, or by HTTPS alone, which the address says.
    #[default]
    None,
    /// Each message is signed and encrypted.
    Message,
    /// HTTPS protects messages, and each carries the client's credential.
    TransportWithMessageCredential,
}

/// How a client proves itself. WCF's `MessageCredentialType`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientCredentialType {
    /// Not at all: it stays anonymous.
    #[default]
    None,
    /// By a name and a password.
    UserName,
    /// By a certificate.
    Certificate,
}

/// What protects messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Security {
    None,
    /// A secure conversation, or, without a session, each message by itself.
    Message {
        binding: Box<secure::Binding>,
        session: bool,
    },
}

/// How a client and a service speak: versions, security, reliable messaging, timeouts.
///
/// It begins as one of WCF's bindings with its defaults, and without security, for WCF's own default is Windows credentials:
///
/// ```
/// use soap_session_driver::{Binding, ClientCredentialType, SecurityMode};
/// let binding = Binding::ws2007_http()
///     .with_security(SecurityMode::Message, ClientCredentialType::UserName)?
///     .with_reliable_session(true)?;
/// # Ok::<(), soap_session_driver::BindingError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    name: &'static str,
    soap: SoapVersion,
    addressing: Option<AddressingVersion>,
    /// Which generation of WS-*: that of WCF's wsHttpBinding, or of its ws2007HttpBinding.
    modern: bool,
    pub(crate) security: Security,
    pub(crate) reliable: Option<ReliableSettings>,
    /// Open, close, send and receive timeouts. WCF: 1 minute, 1 minute, 1 minute, 10 minutes.
    pub timeouts: Timeouts,
    /// Reader quotas, and the greatest message that is received. WCF: 65 536 bytes.
    pub limits: Limits,
}

/// What cannot be put together, in WCF's terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BindingError {
    /// A mode of security and a credential that no binding has together.
    Credential {
        /// The binding.
        binding: &'static str,
        /// The mode.
        mode: SecurityMode,
        /// The credential.
        credential: ClientCredentialType,
    },
    /// `BasicHttpBinding` has neither secure nor reliable sessions.
    NoSessions {
        /// The binding.
        binding: &'static str,
    },
    /// Reliable messaging over message security needs a secure session. WCF refuses it too.
    ReliableWithoutSession,
    /// There is no security whose session or suite could be chosen.
    NoSecurity,
}

impl fmt::Display for BindingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential { binding, mode, credential } => {
                write!(f, "{binding} with security mode {mode:?} cannot have the client credential {credential:?}")
            }
            Self::NoSessions { binding } => {
                write!(
                    f,
                    "{binding} has no sessions, neither secure nor reliable: use wsHttpBinding or ws2007HttpBinding"
                )
            }
            Self::ReliableWithoutSession => f.write_str(
                "a reliable session with message credentials needs a secure session: turn establishSecurityContext on",
            ),
            Self::NoSecurity => f.write_str("there is no message security: choose a security mode first"),
        }
    }
}

impl std::error::Error for BindingError {}

impl Binding {
    fn new(name: &'static str, soap: SoapVersion, addressing: Option<AddressingVersion>, modern: bool) -> Self {
        let (timeouts, limits) = (Timeouts::default(), Limits::default());
        Self { name, soap, addressing, modern, security: Security::None, reliable: None, timeouts, limits }
    }

    /// `BasicHttpBinding`: SOAP 1.1 without WS-Addressing, and without sessions. Messages may be [protected](Self::with_security)
    /// by certificates, or carry a user name or a certificate over HTTPS.
    ///
    /// No signature covers SOAPAction, by which the service chooses the operation, as WCF's does: see
    /// [`secure::Binding::basic_http`] for what that leaves to whoever stands in between where there is no HTTPS.
    pub fn basic_http() -> Self {
        Self::new("BasicHttpBinding", SoapVersion::Soap11, None, false)
    }

    /// `WSHttpBinding`: SOAP 1.2, WS-Addressing 1.0, WS-* of February 2005.
    pub fn ws_http() -> Self {
        Self::new("WSHttpBinding", SoapVersion::Soap12, Some(AddressingVersion::Wsa10), false)
    }

    /// `WS2007HttpBinding`: SOAP 1.2, WS-Addressing 1.0, WS-SecureConversation 1.3, WS-ReliableMessaging 1.1.
    pub fn ws2007_http() -> Self {
        Self { name: "WS2007HttpBinding", modern: true, ..Self::ws_http() }
    }

    /// `CustomBinding`: these versions, this protection, and sessions as told.
    pub fn custom(soap: SoapVersion, addressing: Option<AddressingVersion>) -> Self {
        Self::new("CustomBinding", soap, addressing, false)
    }

    /// With messages protected so, in a secure session (`establishSecurityContext`). `negotiateServiceCredential` is off: the
    /// client has to know the service's certificate. Without WS-Addressing there is no session, each message is protected by
    /// itself, and [`SecurityMode::Message`] is by certificates only, as in WCF.
    ///
    /// # Errors
    /// [`BindingError::Credential`].
    pub fn with_security(mut self, mode: SecurityMode, credential: ClientCredentialType) -> Result<Self, BindingError> {
        use ClientCredentialType as Client;
        let addressed = self.addressing.is_some();
        let bootstrap = match (mode, credential) {
            (SecurityMode::None, Client::None) => {
                self.security = Security::None;
                return Ok(self);
            }
            (SecurityMode::Message, Client::Certificate) if !addressed => Bootstrap::MutualCertificate10,
            (SecurityMode::Message, Client::None) if addressed => Bootstrap::AnonymousForCertificate,
            (SecurityMode::Message, Client::UserName) if addressed => Bootstrap::UserNameForCertificate,
            (SecurityMode::Message, Client::Certificate) => Bootstrap::MutualCertificate,
            (SecurityMode::TransportWithMessageCredential, Client::UserName) => Bootstrap::UserNameOverTransport,
            (SecurityMode::TransportWithMessageCredential, Client::Certificate) => Bootstrap::CertificateOverTransport,
            (SecurityMode::Message, Client::None | Client::UserName)
            | (SecurityMode::TransportWithMessageCredential, Client::None)
            | (SecurityMode::None, Client::UserName | Client::Certificate) => {
                return Err(BindingError::Credential { binding: self.name, mode, credential });
            }
        };
        let binding = match (self.addressing, self.modern) {
            (None, _) => secure::Binding::basic_http(bootstrap),
            (Some(addressing), true) => secure::Binding { addressing, ..secure::Binding::ws2007_http(bootstrap) },
            (Some(addressing), false) => secure::Binding { addressing, ..secure::Binding::ws_http(bootstrap) },
        };
        let binding = Box::new(secure::Binding { soap: self.soap, ..binding });
        self.security = Security::Message { binding, session: addressed };
        Ok(self)
    }

    /// With messages protected as a custom binding says; `session`: in a secure conversation, or each message by itself. The
    /// versions of SOAP and WS-Addressing are that binding's, the limits are this one's. A conversation has WS-Addressing in any
    /// case.
    #[must_use]
    pub fn with_custom_security(mut self, binding: secure::Binding, session: bool) -> Self {
        (self.soap, self.addressing) = (binding.soap, (session || binding.addressed).then_some(binding.addressing));
        self.security = Security::Message { binding: Box::new(binding), session };
        self
    }

    /// With this version of SOAP: a custom binding that is like this one otherwise.
    #[must_use]
    pub fn with_soap(mut self, soap: SoapVersion) -> Self {
        if self.soap != soap {
            (self.name, self.soap) = ("CustomBinding", soap);
        }
        if let Security::Message { binding, .. } = &mut self.security {
            binding.soap = soap;
        }
        self
    }

    /// Each message protected by itself (`establishSecurityContext` off). A server takes at most 262 144 such messages in a quarter
    /// of an hour (WCF: 900 000), since it knows copies by the originals' signatures; over HTTPS there is no such limit.
    ///
    /// # Errors
    /// [`BindingError::NoSecurity`], [`BindingError::ReliableWithoutSession`].
    pub fn without_secure_session(mut self) -> Result<Self, BindingError> {
        if self.reliable.is_some() {
            return Err(BindingError::ReliableWithoutSession);
        }
        match &mut self.security {
            Security::Message { session, .. } => *session = false,
            Security::None => return Err(BindingError::NoSecurity),
        }
        Ok(self)
    }

    /// With this algorithm suite. WCF's default is Basic256.
    ///
    /// # Errors
    /// [`BindingError::NoSecurity`].
    pub fn with_algorithm_suite(mut self, suite: AlgorithmSuite) -> Result<Self, BindingError> {
        match &mut self.security {
            Security::Message { binding, .. } => binding.suite = suite,
            Security::None => return Err(BindingError::NoSecurity),
        }
        Ok(self)
    }

    /// With a reliable session (`reliableSession`), whose messages are delivered in order or as they come.
    ///
    /// # Errors
    /// [`BindingError::NoSessions`], [`BindingError::ReliableWithoutSession`].
    pub fn with_reliable_session(self, ordered: bool) -> Result<Self, BindingError> {
        let version = if self.modern { RmVersion::V11 } else { RmVersion::February2005 };
        self.with_reliable_settings(ReliableSettings { version, ordered, ..ReliableSettings::default() })
    }

    /// With a reliable session as a custom binding says. WS-Addressing and the timeouts are this binding's.
    ///
    /// # Errors
    /// [`BindingError::NoSessions`], [`BindingError::ReliableWithoutSession`].
    pub fn with_reliable_settings(mut self, settings: ReliableSettings) -> Result<Self, BindingError> {
        let Some(addressing) = self.addressing else { return Err(BindingError::NoSessions { binding: self.name }) };
        if matches!(self.security, Security::Message { session: false, .. }) {
            return Err(BindingError::ReliableWithoutSession);
        }
        self.reliable = Some(ReliableSettings { addressing, ..settings });
        Ok(self)
    }

    /// The settings of the reliable session, where there is one, to be changed.
    pub const fn reliable_settings(&mut self) -> Option<&mut ReliableSettings> {
        self.reliable.as_mut()
    }

    /// The security, where there is any, to be changed.
    pub fn security_binding(&mut self) -> Option<&mut secure::Binding> {
        match &mut self.security {
            Security::Message { binding, .. } => Some(binding),
            Security::None => None,
        }
    }

    /// WCF's name for it.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The version of SOAP.
    pub const fn soap(&self) -> SoapVersion {
        self.soap
    }

    /// The version of WS-Addressing, if its headers are there at all.
    pub const fn addressing(&self) -> Option<AddressingVersion> {
        self.addressing
    }

    /// Has the other side to be reached by HTTPS? Messages are not protected otherwise.
    pub fn needs_https(&self) -> bool {
        matches!(&self.security, Security::Message { binding, .. } if binding.bootstrap.over_transport())
    }

    /// Has the client to prove itself by a name and a password?
    pub fn needs_user(&self) -> bool {
        matches!(&self.security, Security::Message { binding, .. } if binding.bootstrap.user_name())
    }

    /// Do tokens carry their conversation, so that the service keeps none?
    pub(crate) fn is_stateless(&self) -> bool {
        matches!(&self.security, Security::Message { binding, session: true } if !binding.require_cancellation)
    }

    /// Does the service sign its answers with its certificate (WSS 1.0)?
    pub(crate) fn signs_answers(&self) -> bool {
        matches!(&self.security, Security::Message { binding, .. } if binding.bootstrap.asymmetric())
    }

    /// Is a copy of a message known by the message alone, since there is neither a session nor a protected transport?
    pub(crate) fn detects_replays_alone(&self) -> bool {
        let Security::Message { binding, session } = &self.security else { return false };
        let alone = !session || (self.is_stateless() && self.reliable.is_none());
        alone && !binding.bootstrap.over_transport()
    }

    /// Has the service sessions?
    pub(crate) fn is_sessionful(&self) -> bool {
        let secure = matches!(&self.security, Security::Message { session: true, .. });
        self.reliable.is_some() || (secure && !self.is_stateless())
    }

    /// With tokens that carry their conversation (`requireSecurityContextCancellation` off): any server with the same
    /// [`StateEncoder`](secure::StateEncoder) takes them, also after a restart. A service then sees no session, unless there is a
    /// reliable one.
    ///
    /// # Errors
    /// [`BindingError::NoSecurity`].
    pub fn with_stateless_tokens(mut self) -> Result<Self, BindingError> {
        match &mut self.security {
            Security::Message { binding, session: true } => binding.require_cancellation = false,
            Security::Message { session: false, .. } | Security::None => return Err(BindingError::NoSecurity),
        }
        Ok(self)
    }

    /// The channels that it can build, for a contract to choose from.
    pub fn shapes(&self) -> BindingShapes<'static> {
        match (&self.reliable, &self.security) {
            (Some(_), _) => BindingShapes::reliable_session(self.name),
            (None, Security::Message { binding, session: true }) if binding.require_cancellation => {
                BindingShapes::secure_session(self.name)
            }
            (None, Security::Message { .. } | Security::None) => BindingShapes::datagram(self.name),
        }
    }

    /// The settings of the reliable session, with this binding's timeouts.
    pub(crate) fn timed(&self, settings: &ReliableSettings) -> ReliableSettings {
        let Timeouts { open, close, send, receive: _ } = self.timeouts;
        // WCF's `Infinite`.
        let [open_timeout, close_timeout, send_timeout] = [open, close, send].map(|most| most.unwrap_or(Duration::MAX));
        ReliableSettings { open_timeout, close_timeout, send_timeout, ..settings.clone() }
    }

    /// The binding of the security, with this one's limits.
    pub(crate) fn limited(&self, binding: &secure::Binding) -> secure::Binding {
        secure::Binding { limits: self.limits.clone(), ..binding.clone() }
    }
}
