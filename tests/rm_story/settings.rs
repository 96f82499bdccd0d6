//! What both ends of a story were configured with.

use crate::story::Config;
use soap_session_core::reliable::RmVersion;
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::time::Duration;

/// What carried the envelopes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Transport {
    /// Answers come back over the exchange of their request.
    Http,
    /// Both ends post; the answers of HTTP are empty.
    DuplexHttp,
    /// net.tcp with the session kept over reconnections.
    Tcp,
}

/// What protected them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Protection {
    /// Nothing.
    None,
    /// A secure conversation, whose bootstrap had an anonymous client.
    Anonymous,
    /// ... a user name.
    UserName,
    /// ... a client certificate.
    Certificate,
}

/// How many calls of one session a service runs at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Concurrency {
    /// One.
    Single,
    /// Any number.
    Multiple,
}

/// One end's configuration. What a story does not say is WCF's default.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Version of WS-ReliableMessaging.
    pub version: RmVersion,
    /// Version of SOAP.
    pub soap: SoapVersion,
    /// Version of WS-Addressing.
    pub addressing: AddressingVersion,
    /// What carried the envelopes.
    pub transport: Transport,
    /// Whether the encoding was WCF's binary one.
    pub binary: bool,
    /// What protected them.
    pub protection: Protection,
    /// `Ordered`.
    pub ordered: bool,
    /// `MaxTransferWindowSize`.
    pub window: u32,
    /// `MaxRetryCount`.
    pub retries: u32,
    /// `InactivityTimeout`.
    pub inactivity: Duration,
    /// `AcknowledgementInterval`.
    pub acknowledgement: Duration,
    /// `FlowControlEnabled`.
    pub flow_control: bool,
    /// `MaxPendingChannels`.
    pub pending: u32,
    /// `MaxConcurrentSessions`, if the story limits them.
    pub sessions: Option<u32>,
    /// `ConcurrencyMode`, if the story says it. (The test service's own is not told.)
    pub concurrency: Option<Concurrency>,
    /// `OpenTimeout`.
    pub open: Duration,
    /// `CloseTimeout`.
    pub close: Duration,
    /// `SendTimeout`.
    pub send: Duration,
    /// `ReceiveTimeout`.
    pub receive: Duration,
}

/// Every key that a story of reliable messaging uses: `cb` and `webproxy` are the recorder's own ports; `srenew` and `sroll` are
/// renewal intervals of the secure conversation below; `inst` and `instances` are the service host's.
const KEYS: [&str; 24] = [
    "b",
    "cb",
    "close",
    "conc",
    "enc",
    "inact",
    "inst",
    "instances",
    "mv",
    "open",
    "ordered",
    "pend",
    "recv",
    "retry",
    "rm",
    "sec",
    "send",
    "sessions",
    "srenew",
    "sroll",
    "tr",
    "ver",
    "webproxy",
    "win",
];

impl Settings {
    /// Reads one end's line.
    ///
    /// # Panics
    /// On words that no story uses.
    pub fn of(config: &Config) -> Self {
        for key in config.keys() {
            assert!(KEYS.contains(&key), "{key} means nothing here");
        }
        let number = |key: &str| config.get(key).map(|value| value.parse::<u32>().expect("a number"));
        let seconds = |key: &str, default: u64| config.seconds(key).unwrap_or_else(|| Duration::from_secs(default));
        let binding = config.binding();
        let kind = config.get("b");
        Self {
            version: match config.get("rm") {
                Some("11") => RmVersion::V11,
                Some("10") => RmVersion::February2005,
                None if kind == Some("dual") => RmVersion::February2005,
                other => panic!("rm={other:?}"),
            },
            soap: binding.soap,
            addressing: binding.addressing,
            transport: match (kind, config.get("tr")) {
                (Some("dual"), None) => Transport::DuplexHttp,
                (Some("custom") | None, Some("tcp")) => Transport::Tcp,
                (Some("ws") | None, None) => Transport::Http,
                other => panic!("{other:?}"),
            },
            binary: config.get("enc") == Some("binary"),
            protection: match config.get("sec") {
                None => Protection::None,
                Some("sc") => Protection::Anonymous,
                Some("user") => Protection::UserName,
                Some("cert") => Protection::Certificate,
                Some(other) => panic!("sec={other}"),
            },
            ordered: number("ordered") != Some(0),
            window: number("win").unwrap_or(8),
            retries: number("retry").unwrap_or(8),
            inactivity: seconds("inact", 600),
            acknowledgement: Duration::from_millis(200),
            flow_control: true,
            pending: number("pend").unwrap_or(4),
            sessions: number("sessions"),
            concurrency: config.get("conc").map(|mode| match mode {
                "Single" => Concurrency::Single,
                "Multiple" => Concurrency::Multiple,
                other => panic!("conc={other}"),
            }),
            open: seconds("open", 60),
            close: seconds("close", 60),
            send: seconds("send", 60),
            receive: seconds("recv", 600),
        }
    }
}
