//! What was found, as lines and as JSON.

use super::{MessageFile, Way};
use serde_json::{Value, json};
use soap_session_core::secure::{Element, Endorser, Opened, ProtectionOrder, ProtectionToken};
use std::fmt::Write as _;
use std::io::{self, Write};

/// How a message was judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Every signature holds, and everything that is encrypted opens.
    Verified,
    /// Every signature holds, and none is over the body: only the transport can have protected that.
    Transport,
    /// There is no security header: nothing protects it.
    Plain,
    /// A receiver would refuse it, for this reason.
    Failed(String),
}

impl Verdict {
    const fn word(&self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Transport => "transport",
            Self::Plain => "plain",
            Self::Failed(_) => "FAILED",
        }
    }
}

/// The token that protected a message.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Context { identifier: String, instance: Option<String> },
    Wrapped { sha1: String },
    Certificate { sha256: String },
    Transport,
}

/// What was found in one message. The parts that only a verified message has are empty otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageReport {
    /// As in the file's name, or counted from 1.
    pub number: u32,
    /// The file's name.
    pub file: String,
    /// Which way it went.
    pub way: Way,
    /// `Action` as the message claims it; of a failed message it is not to be believed.
    pub action: Option<String>,
    /// How it was judged.
    pub verdict: Verdict,
    /// There is not a byte in it: an HTTP 202.
    pub is_empty: bool,
    /// Parts under the primary signature, in the order of its references.
    pub signed: Vec<&'static str>,
    /// Parts that were encrypted.
    pub encrypted: Vec<&'static str>,
    /// The algorithm suites that the message can have been made with: it seldom shows every algorithm of one.
    pub suites: Vec<&'static str>,
    /// The protection order that it shows.
    pub order: Option<&'static str>,
    /// The user that it names.
    pub user: Option<String>,
    /// Who endorsed it with a second signature: `certificate`, or a conversation's identifier.
    pub endorser: Option<String>,
    /// The body's content, opened.
    pub body: Vec<u8>,
    /// What the inspector could not make use of, though the message is verified.
    pub note: Option<String>,
    token: Option<Token>,
}

impl MessageReport {
    pub(super) fn new(file: &MessageFile, action: Option<String>) -> Self {
        Self {
            number: file.number,
            file: file.name.clone(),
            way: file.way,
            action,
            verdict: Verdict::Plain,
            is_empty: false,
            signed: Vec::new(),
            encrypted: Vec::new(),
            suites: Vec::new(),
            order: None,
            user: None,
            endorser: None,
            body: Vec::new(),
            note: None,
            token: None,
        }
    }

    pub(super) fn empty(self) -> Self {
        Self { is_empty: true, ..self }
    }

    pub(super) fn failed(self, reason: String) -> Self {
        Self { verdict: Verdict::Failed(reason), ..self }
    }

    pub(super) fn verified(self, message: &[u8], opened: &Opened) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let names = |parts: &[Element]| parts.iter().map(|part| part.name()).collect();
        let token = match &opened.token {
            ProtectionToken::SecurityContext(name) => {
                Token::Context { identifier: text(name.identifier()), instance: name.instance().map(text) }
            }
            ProtectionToken::EncryptedKey { sha1, .. } => Token::Wrapped { sha1: hex(sha1) },
            ProtectionToken::Certificate { sha256, .. } => Token::Certificate { sha256: hex(sha256) },
            ProtectionToken::Transport => Token::Transport,
        };
        let order = match opened.order {
            ProtectionOrder::SignBeforeEncrypt => "SignBeforeEncrypt",
            ProtectionOrder::SignBeforeEncryptAndEncryptSignature => "SignBeforeEncryptAndEncryptSignature",
            ProtectionOrder::EncryptBeforeSign => "EncryptBeforeSign",
        };
        let endorser = opened.endorsements.iter().map(|endorsement| match &endorsement.by {
            Endorser::Certificate { .. } => "certificate".to_owned(),
            Endorser::SecurityContext(name) => text(name.identifier()),
        });
        let endorser = endorser.reduce(|both, next| format!("{both}, {next}"));
        let over_transport = token == Token::Transport;
        Self {
            verdict: if over_transport { Verdict::Transport } else { Verdict::Verified },
            signed: names(&opened.coverage.signed),
            encrypted: names(&opened.coverage.encrypted),
            suites: opened.suites.iter().map(|suite| suite.name()).collect(),
            order: Some(order).filter(|_| !over_transport),
            user: opened.user.map(|user| text(user.name.of(message))),
            endorser,
            body: opened.body.of(message).to_vec(),
            token: Some(token),
            ..self
        }
    }

    /// Writes the line, and with `bodies` the opened body after it, indented, its bytes as they are.
    ///
    /// # Errors
    /// As `out`.
    pub fn write_text(&self, out: &mut dyn Write, bodies: bool) -> io::Result<()> {
        let action = match &self.action {
            _ if self.is_empty => "(empty)".to_owned(),
            Some(action) => printable(action),
            None => "-".to_owned(),
        };
        write!(out, "{:02} {} {action}  {}", self.number, self.way.tag(), self.verdict.word())?;
        if let Verdict::Failed(reason) = &self.verdict {
            write!(out, ": {reason}")?;
        }
        for (what, parts) in [("signed", &self.signed), ("encrypted", &self.encrypted)] {
            if !parts.is_empty() {
                // A space parts one from the next, so none may stand inside a name.
                let parts: Vec<String> = parts.iter().map(|part| part.replace(' ', "-")).collect();
                write!(out, "  {what}: {}", parts.join(" "))?;
            }
        }
        if let Some(user) = &self.user {
            write!(out, "  user: {}", printable(user))?;
        }
        if let Some(endorser) = &self.endorser {
            write!(out, "  endorsed by: {}", printable(endorser))?;
        }
        if let Some(note) = &self.note {
            write!(out, "  note: {note}")?;
        }
        writeln!(out)?;
        if bodies && !self.body.is_empty() {
            for line in self.body.split(|byte| *byte == b'\n') {
                out.write_all(b"    ")?;
                out.write_all(line)?;
                out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// One JSON object.
    pub fn json(&self, bodies: bool) -> Value {
        let reason = if let Verdict::Failed(reason) = &self.verdict { Some(reason) } else { None };
        let token = self.token.as_ref().map(|token| match token {
            Token::Context { identifier, instance } => {
                json!({ "kind": "SecurityContextToken", "identifier": identifier, "instance": instance })
            }
            Token::Wrapped { sha1 } => json!({ "kind": "EncryptedKey", "sha1": sha1 }),
            Token::Certificate { sha256 } => json!({ "kind": "X509", "sha256": sha256 }),
            Token::Transport => json!({ "kind": "Transport" }),
        });
        let mut object = json!({
            "number": self.number,
            "file": self.file,
            "direction": self.way.tag(),
            "action": self.action,
            "verdict": self.verdict.word(),
            "reason": reason,
            "empty": self.is_empty,
            "signed": self.signed,
            "encrypted": self.encrypted,
            "suite": self.suites,
            "order": self.order,
            "token": token,
            "user": self.user,
            "endorser": self.endorser,
            "note": self.note,
        });
        if let (true, Some(members)) = (bodies, object.as_object_mut()) {
            members.insert("body".to_owned(), String::from_utf8_lossy(&self.body).into());
        }
        object
    }
}

/// How many messages were judged how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// All of them, the empty ones included.
    pub messages: usize,
    /// Verified.
    pub verified: usize,
    /// Left to the transport: what is signed holds, and that is not the body.
    pub transport: usize,
    /// Without protection.
    pub plain: usize,
    /// Refused.
    pub failed: usize,
}

impl Summary {
    /// Counts one more.
    pub fn count(&mut self, report: &MessageReport) {
        self.messages += 1;
        match report.verdict {
            Verdict::Verified => self.verified += 1,
            Verdict::Transport => self.transport += 1,
            Verdict::Plain => self.plain += 1,
            Verdict::Failed(_) => self.failed += 1,
        }
    }

    /// The last line.
    pub fn text(&self) -> String {
        let Self { messages, verified, transport, plain, failed } = self;
        let left = if *transport > 0 { format!("{transport} left to the transport, ") } else { String::new() };
        format!("inspect: {messages} messages, {verified} verified, {left}{plain} plain, {failed} failed")
    }

    /// The last JSON object.
    pub fn json(&self) -> Value {
        json!({ "summary": {
            "messages": self.messages, "verified": self.verified, "transport": self.transport, "plain": self.plain,
            "failed": self.failed,
        }})
    }
}

/// A terminal obeys control characters, and this text is a stranger's.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // A String takes everything.
        let _ = write!(text, "{octet:02x}");
        text
    })
}
