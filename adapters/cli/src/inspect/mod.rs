//! `soap-session inspect`: who protected the messages of a recorded conversation, with what, and whether it holds.
//!
//! Each message is opened as its receiver would open it. What an opened message says of keys is remembered, so that the
//! messages that follow open too: see [`Inspector`].

mod args;
mod folder;
mod follower;
mod report;
mod transport;
mod witness;

pub use args::InspectArgs;
pub use folder::{FolderError, MessageFile, Way, messages};
pub use report::{MessageReport, Summary, Verdict};
pub use witness::Evidence;

use self::follower::Follower;
use self::witness::Witness;
use soap_session_core::crypto::{RustCrypto, SecretKey};
use soap_session_core::secure::{Element, OpenContext, Opened, Policy, Refusal, open};
use soap_session_core::soap::SoapVersion;
use soap_session_core::time::UnixMillis;
use soap_session_core::xml::{Limits, Reader};
use soap_session_credentials::{LoadError, random_seed};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};

/// Bytes of the longest message that is inspected: 16 MiB.
pub const LONGEST_MESSAGE: u32 = 16 << 20;

/// One conversation under inspection. Show it the messages in the order of the wire.
///
/// It remembers the `EncryptedKey`s that it could unwrap, the client's entropy of each RST, and the key of each
/// `SecurityContextToken` that an RSTR issues or renews; and every signature, because a receiver refuses a copy.
pub struct Inspector {
    evidence: Evidence,
    follower: Follower,
    seen: BTreeSet<(Way, Vec<u8>)>,
    policy: Policy,
    /// Of messages that only the transport can have protected.
    transport: Policy,
    limits: Limits,
    now: Option<UnixMillis>,
}

impl Inspector {
    /// Starts with what the inspector was given. `now` judges the messages' age; without it each message is judged by
    /// its own `Created`.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn new(evidence: Evidence, now: Option<UnixMillis>) -> Result<Self, LoadError> {
        let decoy = SecretKey::new(&random_seed()?).unwrap_or_default();
        Ok(Self {
            evidence,
            follower: Follower::new(decoy),
            seen: BTreeSet::new(),
            policy: Policy::inspection(),
            transport: Policy { transport: true, ..Policy::inspection() },
            limits: Limits { message: LONGEST_MESSAGE, ..Limits::MAX },
            now,
        })
    }

    /// Inspects the next message.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn inspect(&mut self, file: &MessageFile) -> io::Result<MessageReport> {
        let mut wire = Vec::new();
        // One byte more than allowed, so that the limit is told as such.
        File::open(&file.path)?.take(u64::from(LONGEST_MESSAGE) + 1).read_to_end(&mut wire)?;
        Ok(self.inspect_octets(file, wire))
    }

    /// Inspects the next message, which is not read from its file.
    pub fn inspect_octets(&mut self, file: &MessageFile, wire: Vec<u8>) -> MessageReport {
        let report = MessageReport::new(file, self.action(&wire));
        if wire.is_empty() { report.empty() } else { self.judge(file.way, wire, report) }
    }

    fn judge(&mut self, way: Way, wire: Vec<u8>, mut report: MessageReport) -> MessageReport {
        let (message, opened) = match self.open(&wire) {
            Ok(opened) => opened,
            Err(Failure { refusal: Refusal::Missing(Element::Security), .. }) => {
                report.body = self.plain_body(&wire).unwrap_or_default();
                return report;
            }
            Err(failure) => return report.failed(failure.reason(self.evidence.keys.len())),
        };
        let signature = opened.signature.as_bytes();
        // Copies of what the transport protects are the transport's business.
        let copy = !signature.is_empty() && !self.seen.insert((way, signature.to_vec()));
        if copy && !opened.addressing.message_id.is_empty() {
            return report.failed(Refusal::Replay.to_string());
        }
        report.note = self.follower.follow(&message, &opened, &self.limits);
        if copy {
            // Without a MessageID, and with times in seconds, two honest messages can be one and the same.
            report.note = Some("the same as an earlier message; nothing in it says whether it is a replay".to_owned());
        }
        report.verified(&message, &opened)
    }

    /// Opens a copy of `wire`: with each private key and each secret that was given, as long as the message asks for one.
    fn open(&self, wire: &[u8]) -> Result<(Vec<u8>, Opened), Failure> {
        let over_transport = transport::protects(wire, &self.limits).unwrap_or(false);
        let policy = if over_transport { &self.transport } else { &self.policy };
        let mut told: Option<Failure> = None;
        for key in 0..self.evidence.keys.len().max(1) {
            let mut tried_key = false;
            for secret in 0..self.evidence.secrets.len().max(1) {
                let witness = Witness::new(&self.evidence, &self.follower, key, secret);
                let context = OpenContext {
                    policy,
                    limits: &self.limits,
                    keyring: &witness,
                    credentials: &witness,
                    now: self.now,
                };
                let mut message = wire.to_vec();
                match open::<RustCrypto, _, _>(&mut message, &context) {
                    Ok(opened) => return Ok((message, opened)),
                    // That one key does not unwrap says less than what is wrong once another does.
                    Err(refusal) if told.is_none_or(|told| told.wrong_key) => {
                        told = Some(Failure { refusal, wrong_key: witness.wrong_key() });
                    }
                    Err(_) => {}
                }
                tried_key |= witness.tried_key();
                if !witness.tried_secret() {
                    break;
                }
            }
            if !tried_key {
                break;
            }
        }
        Err(told.unwrap_or(Failure { refusal: Refusal::NotSoap, wrong_key: false }))
    }

    /// The `Action` that a message claims, verified or not; nothing if it has none or cannot be read.
    fn action(&self, wire: &[u8]) -> Option<String> {
        let mut reader = Reader::document(wire, &self.limits).ok()?;
        let envelope = reader.next_element().ok()??;
        let soap = SoapVersion::from_namespace(envelope.name.namespace)?;
        reader.next_element().ok()?.filter(|start| start.name.is(soap.namespace(), "Header"))?;
        while let Some(block) = reader.next_element().ok()? {
            if block.name.local == b"Action" {
                let text = reader.text().ok()?.trim();
                let mut room = vec![0; text.raw().len()];
                return Some(String::from_utf8_lossy(text.decode(&mut room).ok()?).into_owned());
            }
            reader.skip().ok()?;
        }
        None
    }

    /// The content of the body of a message without security.
    fn plain_body(&self, wire: &[u8]) -> Option<Vec<u8>> {
        let mut reader = Reader::document(wire, &self.limits).ok()?;
        let envelope = reader.next_element().ok()??;
        let soap = SoapVersion::from_namespace(envelope.name.namespace)?;
        while let Some(part) = reader.next_element().ok()? {
            let content = part.span.end;
            let whole = reader.skip().ok()?;
            if part.name.is(soap.namespace(), "Body") {
                let end_tag = whole.of(wire).iter().rposition(|byte| *byte == b'<')?;
                let end = usize::try_from(whole.start).ok()?.checked_add(end_tag)?;
                return wire.get(usize::try_from(content).ok()?..end).map(<[u8]>::to_vec);
            }
        }
        None
    }
}

/// Why a message did not open.
#[derive(Clone, Copy)]
struct Failure {
    refusal: Refusal,
    /// Its `EncryptedKey` could not be unwrapped: the refusal is what the core makes of the decoy.
    wrong_key: bool,
}

impl Failure {
    fn reason(self, keys: usize) -> String {
        match (self.wrong_key, keys) {
            (false, _) => self.refusal.to_string(),
            (true, 0) => "its EncryptedKey needs the private key of the receiver: give it with --key".to_owned(),
            (true, _) => "no private key that was given unwraps its EncryptedKey".to_owned(),
        }
    }
}
