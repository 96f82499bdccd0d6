//! What both sides of a secure conversation have to agree on, and each side's own settings, with WCF's defaults.

use super::emit::{Id, UniqueIds};
use super::protection::Timestamp;
use super::{
    AddressingUse, CertificateUse, ClockRules, Confirmations, Encryption, Layout, Policy, ProtectionOrder, Signer,
};
use crate::crypto::{AlgorithmSuite, SuiteSet};
use crate::soap::{AddressingVersion, ScVersion, SoapVersion};
use crate::time::UnixMillis;
use crate::xml::Limits;
use core::time::Duration;

/// How a client proves itself, and how the first key is made, before there is a `SecurityContextToken`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Bootstrap {
    /// The client wraps a key for the service's certificate and stays anonymous (`AnonymousForCertificate`).
    #[default]
    AnonymousForCertificate,
    /// As above, with a user name and password inside (`UserNameForCertificate`).
    UserNameForCertificate,
    /// As the first, and a client's certificate endorses the message with a second signature (`MutualCertificate`, WSS 1.1).
    MutualCertificate,
    /// Either side signs with its certificate and encrypts for the other's (`MutualCertificate`, WSS 1.0). WCF's own bindings
    /// that use it have no session; a custom binding may, and then the conversation itself has a symmetric key as always.
    MutualCertificate10,
    /// The transport protects messages; the client signs each message's timestamp and address with its certificate
    /// (`CertificateOverTransport`).
    CertificateOverTransport,
    /// The transport protects messages; each carries a user name and password (`UserNameOverTransport`).
    UserNameOverTransport,
}

impl Bootstrap {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AnonymousForCertificate,
        Self::UserNameForCertificate,
        Self::MutualCertificate,
        Self::MutualCertificate10,
        Self::CertificateOverTransport,
        Self::UserNameOverTransport,
    ];

    /// `RequireSignatureConfirmation` of the authentication mode (reference: WCF AuthenticationMode table).
    pub const fn confirms_signatures(self) -> bool {
        matches!(self, Self::AnonymousForCertificate | Self::MutualCertificate)
    }

    /// Does the client prove itself with a certificate?
    pub const fn client_certificate(self) -> bool {
        matches!(self, Self::MutualCertificate | Self::MutualCertificate10 | Self::CertificateOverTransport)
    }

    /// Do certificates make the primary signatures (WSS 1.0)?
    pub const fn asymmetric(self) -> bool {
        matches!(self, Self::MutualCertificate10)
    }

    /// Does the client prove itself with a user name and a password?
    pub const fn user_name(self) -> bool {
        matches!(self, Self::UserNameForCertificate | Self::UserNameOverTransport)
    }

    /// Does the transport protect the messages? It must then be TLS; nothing here can see whether it is.
    pub const fn over_transport(self) -> bool {
        matches!(self, Self::CertificateOverTransport | Self::UserNameOverTransport)
    }
}

/// Who contributes to a session's key (`SecurityKeyEntropyMode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyEntropyMode {
    /// Both sides: the key is P_SHA1 over both entropies. WCF's default.
    #[default]
    Combined,
    /// The client's entropy is the key.
    Client,
    /// The service makes the key and sends it.
    Server,
}

/// What both sides agree on: the security binding element.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// Envelope version.
    pub soap: SoapVersion,
    /// WS-Addressing version.
    pub addressing: AddressingVersion,
    /// Are its headers there at all? Off (`AddressingVersion.None`, as over basicHttpBinding) with messages that are protected
    /// one by one only: what a secure conversation says of itself stands in these headers, and it always has them.
    pub addressed: bool,
    /// WS-SecureConversation and WS-Trust version.
    pub version: ScVersion,
    /// Algorithm suite. WCF: Basic256.
    pub suite: AlgorithmSuite,
    /// Protection order.
    pub order: ProtectionOrder,
    /// Layout of received security headers.
    pub layout: Layout,
    /// Write what the Basic Security Profile wants (the system-provided HTTP bindings do, a custom binding does not).
    pub bsp: bool,
    /// `RequireDerivedKeys`.
    pub derived_keys: bool,
    /// Bootstrap of the conversation.
    pub bootstrap: Bootstrap,
    /// `requireSecurityContextCancellation`. Off is cookie mode: the token carries the conversation's state, sealed, the
    /// service keeps none of it, nothing is cancelled, and a token is renewed by issuing another. Any process can answer whose
    /// [`StateEncoder`](super::StateEncoder) opens the cookie. A copy of a message is refused as a replay by the process that
    /// took the message only, not by its siblings, nor after a restart: so it is with WCF.
    pub require_cancellation: bool,
    /// Who contributes to the key.
    pub entropy: KeyEntropyMode,
    /// Clock skew and message age.
    pub clock: ClockRules,
    /// Reader quotas and the greatest message.
    pub limits: Limits,
}

impl Default for Binding {
    /// A custom binding's secure conversation: SOAP 1.2, WS-Addressing 1.0, February 2005, Basic256.
    fn default() -> Self {
        Self {
            soap: SoapVersion::Soap12,
            addressing: AddressingVersion::Wsa10,
            addressed: true,
            version: ScVersion::February2005,
            suite: AlgorithmSuite::Basic256,
            order: ProtectionOrder::SignBeforeEncryptAndEncryptSignature,
            layout: Layout::Strict,
            bsp: false,
            derived_keys: true,
            bootstrap: Bootstrap::AnonymousForCertificate,
            require_cancellation: true,
            entropy: KeyEntropyMode::Combined,
            clock: ClockRules::default(),
            limits: Limits::default(),
        }
    }
}

impl Binding {
    /// wsHttpBinding with `negotiateServiceCredential` off: February 2005, BSP.
    pub fn ws_http(bootstrap: Bootstrap) -> Self {
        Self { bsp: true, bootstrap, ..Self::default() }
    }

    /// ws2007HttpBinding with `negotiateServiceCredential` off: version 1.3, BSP.
    pub fn ws2007_http(bootstrap: Bootstrap) -> Self {
        Self { version: ScVersion::V13, ..Self::ws_http(bootstrap) }
    }

    /// basicHttpBinding: SOAP 1.1 without WS-Addressing, WSS 1.0, February 2005, BSP, layout Lax, no derived keys. It has no
    /// secure conversation, so it is for [`OneShotClient`](super::OneShotClient) and [`OneShotService`](super::OneShotService).
    /// WCF has it with [`Bootstrap::MutualCertificate10`] (security mode Message), and with
    /// [`Bootstrap::UserNameOverTransport`] and [`Bootstrap::CertificateOverTransport`] (TransportWithMessageCredential).
    ///
    /// Without WS-Addressing no signature covers what these headers would say. A service learns the operation from HTTP's
    /// SOAPAction alone, as WCF's does: in mode Message whoever stands in between can have a request that is otherwise intact run
    /// as another operation, which is then given a body that was not meant for it. Nor does a request name its service: whoever may
    /// read it, and so the service that it was for, can encrypt it for any other service that trusts this client. Nor does an answer
    /// name its request: an answer of the same service to the same client, which no request has had yet, is taken for that of the
    /// exchange that it comes by.
    ///
    /// Over HTTPS nobody stands in between. But under [`Bootstrap::CertificateOverTransport`] the client's certificate signs the
    /// timestamp alone: until that is stale, a service that has had one request can send requests of its own in the client's name
    /// to any other service that trusts the client. Use it with services that you trust.
    pub fn basic_http(bootstrap: Bootstrap) -> Self {
        Self {
            soap: SoapVersion::Soap11,
            addressed: false,
            layout: Layout::Lax,
            bsp: true,
            derived_keys: false,
            bootstrap,
            ..Self::default()
        }
    }

    /// The version of WS-Addressing of messages that are protected one by one, if they have its headers.
    pub(crate) fn one_shot_addressing(&self) -> Option<AddressingVersion> {
        self.addressed.then_some(self.addressing)
    }

    /// Does the token carry the conversation's state?
    pub(super) const fn cookie_mode(&self) -> bool {
        !self.require_cancellation
    }

    /// Length of the session key in bytes: the suite's default.
    pub(super) fn key_len(&self) -> usize {
        (self.suite.default_key_bits() / 8) as usize
    }

    /// What a session's message to the service has to be like. Over a protected transport only those are endorsed.
    pub(super) fn session_policy(&self, body: Encryption) -> Policy {
        Policy {
            layout: self.layout,
            body,
            clock: self.clock,
            underived_keys: !self.derived_keys,
            transport: self.bootstrap.over_transport(),
            endorsement: self.bootstrap.over_transport(),
            ..Policy::session(SuiteSet::only(self.suite), self.version, self.order)
        }
    }

    /// What a session's message from the service has to be like, `policy` being that of messages to it.
    pub(super) fn answering(&self, policy: Policy) -> Policy {
        Policy { endorsement: false, ..policy }
    }

    /// The timestamp of a message that is sent at `created`.
    pub(super) fn timestamp(&self, created: UnixMillis, ids: &mut UniqueIds) -> Timestamp {
        // WCF's transport security numbers it within the message.
        let id = if self.bootstrap.over_transport() { Id::Local(0) } else { Id::Unique(ids.next_id()) };
        Timestamp { id, created, expires: created.after(self.clock.timestamp_validity) }
    }

    /// What a cancellation or its answer has to be like: in clear, and the key need not be derived.
    pub(super) fn cancel_policy(&self) -> Policy {
        Policy { underived_keys: true, ..self.session_policy(Encryption::None) }
    }

    /// What a bootstrap request or its answer has to be like.
    ///
    /// The bootstrap of a secure conversation keeps the default order whatever the session's is, as WCF's recordings show.
    pub(super) fn bootstrap_policy(&self, answer: bool, renew: bool) -> Policy {
        let confirmations = match (answer, self.bootstrap.confirms_signatures()) {
            (true, true) => Confirmations::Required,
            _ => Confirmations::Refused,
        };
        Policy {
            order: Some(ProtectionOrder::default()),
            confirmations,
            username: !answer && self.bootstrap.user_name(),
            endorsement: renew && !answer,
            signer: match (self.bootstrap.asymmetric(), answer) {
                (false, _) => Signer::Symmetric,
                (true, false) => Signer::Client,
                (true, true) => Signer::Service,
            },
            underived_keys: self.bootstrap.asymmetric() || !self.derived_keys,
            certificate: if self.bootstrap.client_certificate() && !self.bootstrap.asymmetric() && !answer {
                CertificateUse::Required
            } else {
                CertificateUse::Refused
            },
            ..self.session_policy(Encryption::Required)
        }
    }

    /// What a request or an answer of one-shot security has to be like: the bootstrap protects the application's messages.
    pub(super) fn one_shot_policy(&self, answer: bool, body: Encryption) -> Policy {
        let addressing = if self.addressed { AddressingUse::Required } else { AddressingUse::Unknown };
        Policy { order: Some(self.order), body, addressing, ..self.bootstrap_policy(answer, false) }
    }
}

/// A client's own settings (`LocalClientSecuritySettings`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitiatorSettings {
    /// Renew after this long at the latest. WCF: 10 hours. Not in cookie mode, where the lifetime alone decides.
    pub key_renewal_interval: Duration,
    /// Accept the old key for this long after a renewal. WCF: 5 minutes.
    pub key_rollover_interval: Duration,
    /// Renew when this much of the key's lifetime is over (`cookieRenewalThresholdPercentage`). WCF: 60 percent.
    pub renewal_threshold_percent: u8,
    /// May the token be renewed? If not, the session faults when it would have to be. In cookie mode it always may.
    pub can_renew: bool,
}

impl Default for InitiatorSettings {
    fn default() -> Self {
        Self {
            key_renewal_interval: Duration::from_secs(10 * 3600),
            key_rollover_interval: Duration::from_secs(300),
            renewal_threshold_percent: 60,
            can_renew: true,
        }
    }
}

/// A service's own settings (`LocalServiceSecuritySettings`).
#[derive(Clone, Debug)]
pub struct AcceptorSettings {
    /// Lifetime of a session key. WCF: 15 hours.
    pub key_renewal_interval: Duration,
    /// Accept the old key for this long after the new one was first used. WCF: 5 minutes.
    pub key_rollover_interval: Duration,
    /// How often issued but unused tokens are swept; each survives one to two sweeps. WCF: 2 minutes.
    pub inactivity_timeout: Duration,
    /// Most issued but unused tokens. WCF: 128. In cookie mode nothing is kept of a token that was issued.
    pub max_pending_sessions: u16,
    /// Cookie mode: lifetime of a token. WCF: 10 hours.
    pub issued_cookie_lifetime: Duration,
    /// Cookie mode: most tokens whose state is kept so that their cookies need not be opened again (`maxCachedCookies`). WCF:
    /// 1000. The table of sessions bounds it too. When it is full, those go whose time is over, and if there are none, the
    /// fifth of the table that expires first.
    pub max_cached_cookies: u16,
    /// May tokens be renewed?
    pub can_renew: bool,
    /// Do messages go both ways on one channel, as over net.tcp? Then every secured answer says To, even to the anonymous
    /// address, as WCF's duplex sessions do.
    pub duplex: bool,
    /// `xml:lang` of fault reasons. WCF writes its culture; the invariant culture is the empty string.
    pub language: &'static str,
    /// How a request's body must be protected, by its action; `None` is an action that the contract does not have, which a
    /// secure session answers with `InvalidSecurity`. A layer above that opens messages one by one says so itself.
    pub contract: fn(action: &[u8]) -> Option<Encryption>,
}

impl PartialEq for AcceptorSettings {
    fn eq(&self, other: &Self) -> bool {
        // Every field by name, so that a new one cannot be left out.
        let Self {
            key_renewal_interval,
            key_rollover_interval,
            inactivity_timeout,
            max_pending_sessions,
            issued_cookie_lifetime,
            max_cached_cookies,
            can_renew,
            duplex,
            language,
            contract,
        } = self;
        *key_renewal_interval == other.key_renewal_interval
            && *key_rollover_interval == other.key_rollover_interval
            && *inactivity_timeout == other.inactivity_timeout
            && *max_pending_sessions == other.max_pending_sessions
            && *issued_cookie_lifetime == other.issued_cookie_lifetime
            && *max_cached_cookies == other.max_cached_cookies
            && *can_renew == other.can_renew
            && *duplex == other.duplex
            && *language == other.language
            && core::ptr::fn_addr_eq(*contract, other.contract)
    }
}

impl Eq for AcceptorSettings {}

impl Default for AcceptorSettings {
    fn default() -> Self {
        Self {
            key_renewal_interval: Duration::from_secs(15 * 3600),
            key_rollover_interval: Duration::from_secs(300),
            inactivity_timeout: Duration::from_secs(120),
            max_pending_sessions: 128,
            issued_cookie_lifetime: Duration::from_secs(10 * 3600),
            max_cached_cookies: 1000,
            can_renew: true,
            duplex: false,
            language: "en-US",
            contract: |_| Some(Encryption::Required),
        }
    }
}
