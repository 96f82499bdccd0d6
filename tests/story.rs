//! A recorded conversation as two machines would live it: who said what, when, with which randomness.

use crate::actors::{Recorded, client_store, written};
use crate::dom::Node;
use crate::wire::{context_of, created, decode, id_of, nonce, security, tree, unique_id, wrapped};
use crate::{Direction, Message, Recording, Secrets, Verdict, VerdictRow, vectors_root, verdicts};
use sha1::{Digest, Sha1};
use soap_session_core::chance::Uuid;
use soap_session_core::crypto::{AlgorithmSuite, SecretKey};
use soap_session_core::secure::{Binding, Bootstrap, ProtectionOrder, SecurityState, Ticks, UniqueIds};
use soap_session_core::soap::{AddressingVersion, ScVersion, SoapVersion};
use soap_session_core::time::{Duration, UnixMillis};
use std::collections::HashMap;
use std::fs;

/// The recordings beside the stories that are played: they hold secure conversations, with their configuration in the stories' words. (Their
/// folders have no `config.txt`; the names are explained in `vectors/README.md`.)
pub const CASES: [(&str, &str); 21] = [
    ("wcf/sc-anon", "sec=sc"),
    ("wcf/sc-anon-basic128", "sec=sc,suite=Basic128"),
    ("wcf/sc-anon-calc", "sec=sc"),
    ("wcf/sc-anon-nocancel", "sec=sc,cancel=0"),
    ("wcf/sc-anon-nodk", "sec=sc,dk=0"),
    ("wcf/sc-anon-v13", "sec=sc,ver=13"),
    ("wcf/sc-anon-v13-calc", "sec=sc,ver=13"),
    ("wcf/sc-mutual", "sec=cert"),
    ("wcf/sc-mutual-calc", "sec=cert"),
    ("wcf/sc-mutual-v13", "sec=cert,ver=13"),
    ("wcf/sc-user", "sec=user"),
    ("wcf/ws-msg-cert-ctx-noneg", "b=ws,sec=cert"),
    ("wcf/ws-msg-none-ctx-noneg", "b=ws,sec=sc"),
    ("wcf/ws-msg-none-ctx-noneg-calc", "b=ws,sec=sc"),
    ("wcf/ws-msg-user-ctx-noneg", "b=ws,sec=user"),
    ("wcf/ws2007-none", "b=ws,ver=13,sec=sc"),
    ("wcf/ws2007-none-rm", "b=ws,ver=13,sec=sc,rm=11"),
    ("wcf/ws2007-username-rm", "b=ws,ver=13,sec=user,rm=11"),
    ("wcf/rm-sc-anon", "sec=sc,rm=10"),
    ("wcf/ws-rmsec-cert", "b=ws,sec=cert,rm=10"),
    ("wcf/ws2007-certificate", "b=ws,ver=13,sec=cert"),
];

/// The recordings of one-shot message security: no session, every message under the bootstrap itself.
pub const ONE_SHOT: [(&str, &str); 15] = [
    ("wcf/anon-cert", "sec=oneshot"),
    ("wcf/anon-cert-Basic128", "sec=oneshot,suite=Basic128"),
    ("wcf/anon-cert-Basic128Rsa15", "sec=oneshot,suite=Basic128Rsa15"),
    ("wcf/anon-cert-Basic192", "sec=oneshot,suite=Basic192"),
    ("wcf/anon-cert-Basic256", "sec=oneshot"),
    ("wcf/anon-cert-Basic256Rsa15", "sec=oneshot,suite=Basic256Rsa15"),
    ("wcf/anon-cert-Basic256Sha256", "sec=oneshot,suite=Basic256Sha256"),
    ("wcf/anon-cert-ebs", "sec=oneshot,order=ebs"),
    ("wcf/anon-cert-nodk", "sec=oneshot,dk=0"),
    ("wcf/anon-cert-sbe", "sec=oneshot,order=sbe"),
    ("wcf/mutual-cert", "sec=cert"),
    ("wcf/user-cert", "sec=user"),
    ("wcf/ws-msg-cert-noctx-noneg", "b=ws,sec=cert"),
    ("wcf/ws-msg-none-noctx-noneg", "b=ws,sec=oneshot"),
    ("wcf/ws-msg-user-noctx-noneg", "b=ws,sec=user"),
];

/// One recording, taken apart.
pub struct Story {
    /// Folder under `vectors/`.
    pub name: String,
    /// Its messages.
    pub recording: Recording,
    /// Its keys.
    pub secrets: Secrets,
    /// The service's configuration.
    pub server: Config,
    /// The client's configuration.
    pub client: Config,
    /// Every client message, in the order in which the client side of the wire shows them.
    pub turns: Vec<Turn>,
}

/// A client message and what became of it.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Its number.
    pub number: u32,
    /// When the server received it (milliseconds of its wall clock since 1970).
    pub received_at: i64,
    /// What the server did.
    pub verdict: Verdict,
    /// The answer's number.
    pub reply: Option<u32>,
    /// The answer's HTTP status; net.tcp has none.
    pub status: Option<u16>,
}

/// `key=value` pairs of a `config.txt`.
#[derive(Clone, Debug, Default)]
pub struct Config(HashMap<String, String>);

impl Config {
    pub(crate) fn parse(text: &str) -> Self {
        let pair = |item: &str| {
            let (key, value) = item.split_once('=').unwrap_or((item, ""));
            (key.to_owned(), value.to_owned())
        };
        Self(text.split(',').map(pair).collect())
    }

    /// The keys that are set. A line without a pair has none.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|key| !key.is_empty())
    }

    /// The same without these keys.
    #[must_use]
    pub fn without(&self, keys: &[&str]) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(key, _)| !keys.contains(&key.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        )
    }

    /// A value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A value in seconds.
    pub fn seconds(&self, key: &str) -> Option<Duration> {
        Some(Duration::from_secs(self.get(key)?.parse().expect("seconds")))
    }

    /// The binding.
    ///
    /// # Panics
    /// On words that no configuration uses.
    pub fn binding(&self) -> Binding {
        let plain = Binding::default();
        let (soap, addressing) = match self.get("mv") {
            None => (plain.soap, plain.addressing),
            Some("soap11a04") => (SoapVersion::Soap11, AddressingVersion::August2004),
            Some("soap11a10") => (SoapVersion::Soap11, AddressingVersion::Wsa10),
            Some("soap12a04") => (SoapVersion::Soap12, AddressingVersion::August2004),
            Some(other) => panic!("mv={other}"),
        };
        Binding {
            soap,
            addressing,
            version: if self.get("ver") == Some("13") { ScVersion::V13 } else { ScVersion::February2005 },
            suite: self.get("suite").map_or(plain.suite, |name| AlgorithmSuite::from_name(name).expect("a suite")),
            order: match self.get("order") {
                None => plain.order,
                Some("sbe") => ProtectionOrder::SignBeforeEncrypt,
                Some("ebs") => ProtectionOrder::EncryptBeforeSign,
                Some(other) => panic!("order={other}"),
            },
            bsp: self.get("b") == Some("ws"),
            derived_keys: self.get("dk").is_none(),
            require_cancellation: self.get("cancel") != Some("0"),
            bootstrap: match self.get("sec") {
                Some("user") => Bootstrap::UserNameForCertificate,
                Some("cert") => Bootstrap::MutualCertificate,
                _ => Bootstrap::AnonymousForCertificate,
            },
            ..plain
        }
    }

    /// Does WS-ReliableMessaging run over the conversation?
    pub fn reliable(&self) -> bool {
        self.get("rm").is_some()
    }
}

impl Story {
    /// Opens a story, or one of [`CASES`].
    ///
    /// # Panics
    /// If the recording is not what `vectors/README.md` says.
    pub fn open(name: &str) -> Self {
        let recording = Recording::open(name).expect("a recording");
        let secrets = recording.secrets().expect("keys");
        let (server, client) = configs(name);
        let rows = verdicts().expect("verdicts");
        let story = name.strip_prefix("wcf-stories/");
        let turns = match story {
            Some(story) => rows.iter().filter(|row| row.story == story).map(turn).collect(),
            None => recording.requests().map(|m| plain_turn(&recording, m)).collect(),
        };
        Self { name: name.to_owned(), recording, secrets, server, client, turns }
    }

    /// A client's message.
    ///
    /// # Panics
    /// If there is none.
    pub fn request(&self, number: u32) -> &Message {
        self.recording.message(number, Direction::ClientToServer).expect("a request")
    }

    /// A service's message.
    ///
    /// # Panics
    /// If there is none.
    pub fn reply(&self, number: u32) -> &Message {
        self.recording.message(number, Direction::ServerToClient).expect("a reply")
    }

    /// The nonces of the derived keys that one side repeats under one key of a session, and the number of the first's Id:
    /// from the first message that shows both.
    pub fn session_nonces(
        &self,
        way: Direction,
        context: &(String, Option<String>),
    ) -> (Vec<Vec<u8>>, Option<UniqueIds>) {
        let mut best = (Vec::new(), None);
        for message in self.recording.messages.iter().filter(|m| m.direction == way && m.plain.is_some()) {
            let tree = tree(message);
            if context_of(&tree).as_ref() != Some(context) {
                continue;
            }
            let own = |node: &&&Node| node.local == "DerivedKeyToken" && id_of(node).starts_with("uuid-");
            let tokens: Vec<&Node> = security(&tree).children.iter().collect();
            let tokens: Vec<&&Node> = tokens.iter().filter(own).collect();
            if tokens.len() > best.0.len() {
                let first = tokens.first().and_then(|token| unique_id(&id_of(token)));
                best = (tokens.iter().map(|token| nonce(token)).collect(), first);
            }
        }
        best
    }

    /// Keys that open both sides' messages.
    ///
    /// # Panics
    /// If the recording's keys are not keys.
    pub fn keyring(&self) -> Recorded {
        let client = self.client.binding().bootstrap.client_certificate();
        let mut recorded = Recorded { client: client.then(client_store), ..Recorded::default() };
        for (_, context) in self.secrets.issued() {
            let name = (context.identifier.clone().into_bytes(), context.instance.clone().map(String::into_bytes));
            recorded.contexts.insert(name, SecretKey::new(&context.key).expect("a key"));
        }
        for message in self.recording.requests() {
            let Some(key) = self.secrets.of(&message.file).and_then(|keys| keys.encrypted_key.clone()) else {
                continue;
            };
            let octets = wrapped(&tree(message)).expect("an EncryptedKey");
            recorded.hashes.insert(Sha1::digest(&octets).into(), SecretKey::new(&key).expect("a key"));
            recorded.wrapped.push((octets, key));
        }
        recorded.cookies = self.cookies();
        let by_thumbprint = |node: &&Node| {
            node.local == "KeyIdentifier" && node.attribute("ValueType").is_some_and(|kind| kind.contains("Thumbprint"))
        };
        let first = self.recording.requests().next().map(tree);
        if let Some(text) = first.as_ref().and_then(|tree| tree.all().into_iter().find(by_thumbprint)) {
            recorded.thumbprint = decode(&text.text).try_into().unwrap_or_default();
        }
        recorded
    }
}

impl Story {
    /// The cookies of the tokens that were issued. The encoder of one story only scrambles: there the state is WCF's own.
    /// Elsewhere it is made up of what the answer beside it says.
    fn cookies(&self) -> Vec<(Vec<u8>, SecurityState)> {
        let mut cookies = Vec::new();
        for message in self.recording.replies().filter(|m| m.plain.is_some()) {
            let tree = tree(message);
            let all = tree.all();
            let find = |local: &str| all.iter().find(|node| node.local == local);
            let Some(cookie) = find("Cookie").map(|node| decode(&node.text)) else { continue };
            let issued = self.secrets.of(&message.file).and_then(|keys| keys.issued.clone()).expect("a token's key");
            let moment = |local: &str| {
                let text = &find("Lifetime").and_then(|life| life.child(local)).expect("a lifetime").text;
                Ticks::from(UnixMillis::parse(text.as_bytes()).expect("a time"))
            };
            let mut state = SecurityState {
                id: id_of(find("SecurityContextToken").expect("a token")).as_str().try_into().expect("an Id"),
                context: Uuid::parse(issued.identifier.as_bytes()).expect("a GUID"),
                key: SecretKey::new(&issued.key).expect("a key"),
                generation: None,
                effective: moment("Created"),
                expires: moment("Expires"),
                key_effective: moment("Created"),
                key_expires: moment("Expires"),
                user: Default::default(),
            };
            if self.server.get("fixedenc").is_some() {
                // story.md: XOR with byte (0x5a + 7 i).
                let plain = cookie.iter().enumerate().map(|(at, byte)| byte ^ (0x5A_usize.wrapping_add(7 * at) as u8));
                let plain: Vec<u8> = plain.collect();
                let theirs = SecurityState::read(&plain).expect("WCF's state");
                assert_eq!(written(&theirs), plain, "written again as WCF wrote it");
                // Beside what the answer says it has only finer times.
                assert_eq!(theirs.effective.millis(), state.effective.millis());
                state = SecurityState {
                    effective: theirs.effective,
                    expires: theirs.expires,
                    key_effective: theirs.key_effective,
                    key_expires: theirs.key_expires,
                    ..state
                };
                assert_eq!(theirs, state);
            }
            cookies.push((cookie, state));
        }
        cookies
    }
}

fn configs(name: &str) -> (Config, Config) {
    if let Some((_, config)) = CASES.iter().chain(&ONE_SHOT).find(|(case, _)| *case == name) {
        return (Config::parse(config), Config::parse(config));
    }
    recorded_configs(name)
}

/// The server's and the client's line of a story's `config.txt`.
///
/// # Panics
/// If there is none.
pub fn recorded_configs(name: &str) -> (Config, Config) {
    let text = fs::read_to_string(vectors_root().join(name).join("config.txt")).expect("config.txt");
    let line = |side: &str| {
        let prefix = format!("{side} spec ");
        Config::parse(text.lines().find_map(|line| line.strip_prefix(&prefix)).expect("a line for each side"))
    };
    (line("server"), line("client"))
}

fn turn(row: &VerdictRow) -> Turn {
    let number = |file: &str| file.split('-').next().and_then(|n| n.parse().ok()).expect("a number");
    Turn {
        number: number(&row.request),
        received_at: i64::try_from(row.received_at_unix_ms).expect("a time"),
        verdict: row.verdict,
        reply: row.reply.as_deref().map(number),
        status: row.status,
    }
}

/// A recording without times: every message was accepted, and answered by the next one.
fn plain_turn(recording: &Recording, message: &Message) -> Turn {
    let reply = recording.message(message.number + 1, Direction::ServerToClient);
    Turn {
        number: message.number,
        received_at: created(&tree(message)).expect("a time"),
        verdict: Verdict::Accepted,
        reply: reply.map(|m| m.number),
        status: reply.and_then(|m| m.head.as_ref()?.status()),
    }
}
