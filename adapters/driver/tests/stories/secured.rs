//! Protected messages: what of them can be compared, and who is believed.
//!
//! The keys of a play are its own, so ciphertexts, digests and signatures are not the recorded ones. A play's messages are opened by an
//! inspector that has the service's private key; then everything is compared that does not come from keys, chance and clocks: the
//! message on the wire but for those values, octet for octet, the opened body, and what was signed and encrypted how.

use soap_session_cli::inspect::{Evidence, Inspector, MessageFile, MessageReport, Verdict, Way};
use soap_session_core::secure::{StateEncoder, StateError};
use soap_session_core::time::UnixMillis;
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_tests::Direction;
use soap_session_tests::vectors_root;
use std::sync::Arc;

/// What is seen of a message.
#[derive(Clone, Default, Debug)]
pub(crate) struct Seen {
    /// All of it that has to be the same, but for identifiers and the address.
    pub(crate) text: String,
    /// The body's content, opened.
    pub(crate) body: Vec<u8>,
    /// Why a receiver would refuse it.
    pub(crate) flaw: Option<String>,
}

/// Sees the messages of a conversation, in the order in which they were sent.
pub(crate) struct Eyes(Inspector);

fn certificate(of: &str) -> Certificate {
    Certificate::from_file(vectors_root().join(format!("keys/{of}.cert.pem"))).unwrap()
}

fn key(of: &str) -> PrivateKey {
    PrivateKey::from_file(vectors_root().join(format!("keys/{of}.key.pem"))).unwrap()
}

impl Eyes {
    pub(crate) fn open() -> Self {
        let evidence = Evidence { keys: vec![key("service")], ..Evidence::default() };
        Self(Inspector::new(evidence, None).unwrap())
    }

    pub(crate) fn see(&mut self, way: Direction, wire: &[u8]) -> Seen {
        let way = match way {
            Direction::ClientToServer => Way::ClientToServer,
            Direction::ServerToClient => Way::ServerToClient,
        };
        let file = MessageFile { number: 0, way, name: String::new(), path: std::path::PathBuf::new() };
        let report = self.0.inspect_octets(&file, wire.to_vec());
        let text = String::from_utf8_lossy(wire).into_owned();
        let (text, flaw) = match &report.verdict {
            Verdict::Plain => (text, None),
            Verdict::Verified => (sight(&text, &report), None),
            Verdict::Transport => (text, Some("only a transport protects it".to_owned())),
            Verdict::Failed(why) => (text, Some(why.clone())),
        };
        Seen { text, body: report.body, flaw }
    }
}

/// Is there a security header?
pub(crate) fn is_secured(wire: &[u8]) -> bool {
    String::from_utf8_lossy(wire).contains("<o:Security ")
}

fn sight(wire: &str, report: &MessageReport) -> String {
    let MessageReport { signed, encrypted, suites, order, user, endorser, body, .. } = report;
    let body = String::from_utf8_lossy(body);
    let facts = format!("signed {signed:?}, encrypted {encrypted:?}, {suites:?}, {order:?}, {user:?}, {endorser:?}");
    format!("{}\nopened: {}\n{facts}", mask(wire), mask(&body))
}

/// The text without what comes from keys, chance and clocks. Of two times the distance stays.
fn mask(text: &str) -> String {
    let mut masked = String::new();
    let mut created = None;
    for (index, piece) in text.split('<').enumerate() {
        let Some((tag, content)) = piece.split_once('>').filter(|_| index > 0) else {
            masked.push_str(if index > 0 { "<" } else { "" });
            masked.push_str(piece);
            continue;
        };
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        let local = name.rsplit(':').next().unwrap_or_default();
        let time = UnixMillis::parse(content.as_bytes());
        masked.push('<');
        match (local, tag.split_once(" Value=\"")) {
            // It repeats a signature.
            ("SignatureConfirmation", Some((before, value))) => {
                masked.push_str(before);
                masked.push_str(value.split_once('"').map_or("", |(_, after)| after));
            }
            _ => masked.push_str(tag),
        }
        masked.push('>');
        match local {
            "CipherValue" | "DigestValue" | "SignatureValue" | "Nonce" | "BinarySecret" | "Cookie" => {}
            "KeyIdentifier" if tag.contains("#EncryptedKeySHA1") => {}
            "Created" if time.is_some() => created = time,
            "Expires" if time.is_some() && created.is_some() => {
                let of = |time: Option<UnixMillis>| time.map_or(0, |time| time.0);
                masked.push_str(&format!("{} ms later", of(time) - of(created)));
            }
            _ => masked.push_str(content),
        }
    }
    masked
}

/// A recorded message in clear as it would be without security.
pub(crate) fn bare(clear: &str) -> String {
    let mut text = clear.to_owned();
    if let (Some(from), Some(to)) = (text.find("<o:Security "), text.find("</o:Security>")) {
        text.replace_range(from..to + "</o:Security>".len(), "");
    }
    const ID: &str = " u:Id=\"_";
    while let Some(from) = text.find(ID) {
        let length = text[from + ID.len()..].find('"').unwrap() + 1;
        text.replace_range(from..from + ID.len() + length, "");
    }
    text
}

/// The message as the proxy of one story changed it: another operation is to run.
pub(crate) fn tampered(wire: &str) -> String {
    let changed = wire.replacen("/AddTo</a:Action>", "/Finish</a:Action>", 1);
    assert_ne!(wire, changed);
    changed
}

/// What the service's side believes, and proves itself by.
pub(crate) fn service_store() -> CredentialStore {
    CredentialStore::new()
        .with_key(certificate("service"), key("service"))
        .unwrap()
        .with_user_check(|name, password| (name, password) == ("alice", "wonder"))
        .with_state_encoder(Arc::new(Scrambler))
}

/// What the client's side believes.
pub(crate) fn client_store() -> CredentialStore {
    CredentialStore::new().with_service(certificate("service")).unwrap()
}

/// An encoder that only scrambles, as that of one story: every process of a service can open what another sealed.
struct Scrambler;

fn scramble(octets: &[u8], out: &mut [u8]) -> Option<usize> {
    for (at, (to, from)) in out.get_mut(..octets.len())?.iter_mut().zip(octets).enumerate() {
        *to = from ^ 0x5A_u8.wrapping_add((7 * at) as u8);
    }
    Some(octets.len())
}

impl StateEncoder for Scrambler {
    fn seal(&self, _: UnixMillis, state: &[u8], out: &mut [u8]) -> Result<usize, StateError> {
        scramble(state, out).ok_or(StateError::Unavailable)
    }

    fn open(&self, _: UnixMillis, cookie: &[u8], out: &mut [u8]) -> Result<usize, StateError> {
        scramble(cookie, out).ok_or(StateError::NotACookie)
    }
}
