//! `keys.json`: what a recording's messages were secured with.

use std::collections::BTreeMap;

use serde_json::Value;

/// Every secret of one recording, by the name of the message's file.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    messages: BTreeMap<String, MessageKeys>,
}

/// The secrets found in one message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageKeys {
    /// The octets that `EncryptedKey` wraps, if the message carries one.
    pub encrypted_key: Option<Vec<u8>>,
    /// The octets of each `BinarySecret`: a side's entropy.
    pub binary_secrets: Vec<Vec<u8>>,
    /// The token this answer issues.
    pub issued: Option<SecurityContext>,
    /// The key of every `DerivedKeyToken`, in document order.
    pub derived: Vec<DerivedKey>,
}

/// A SecurityContextToken and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecurityContext {
    /// `Identifier`.
    pub identifier: String,
    /// `Instance`: names the key's generation. Absent before the first renewal.
    pub instance: Option<String>,
    /// The key, P_SHA1 over both entropies.
    pub key: Vec<u8>,
    /// What the client put into the key.
    pub client_entropy: Vec<u8>,
    /// What the service put into the key.
    pub server_entropy: Vec<u8>,
}

/// A DerivedKeyToken and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DerivedKey {
    /// `u:Id`.
    pub id: String,
    /// `Offset` in octets; 0 if the message leaves it out.
    pub offset: usize,
    /// `Length` in octets; 32 if the message leaves it out.
    pub length: usize,
    /// `Nonce`, base64 as in the message.
    pub nonce: String,
    /// The derived octets.
    pub key: Vec<u8>,
}

impl Secrets {
    /// Reads a `keys.json`.
    ///
    /// # Errors
    /// Says which entry is not of the expected shape.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let root: Value = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let root = root.as_object().ok_or("not an object")?;
        let mut messages = BTreeMap::new();
        for (file, value) in root {
            messages.insert(file.clone(), keys(value).ok_or_else(|| format!("keys.json: {file}"))?);
        }
        Ok(Self { messages })
    }

    /// The secrets of one message, by its file's name.
    pub fn of(&self, file: &str) -> Option<&MessageKeys> {
        self.messages.get(file)
    }

    /// Every message that has an entry, in order of file names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &MessageKeys)> {
        self.messages.iter().map(|(file, keys)| (file.as_str(), keys))
    }

    /// The tokens issued in this recording, in the order they were issued: after a renewal, one more of the same `Identifier`.
    pub fn issued(&self) -> impl Iterator<Item = (&str, &SecurityContext)> {
        self.iter().filter_map(|(file, keys)| Some((file, keys.issued.as_ref()?)))
    }

    /// The token of this `Identifier` and `Instance`.
    pub fn context(&self, identifier: &str, instance: Option<&str>) -> Option<&SecurityContext> {
        self.issued().map(|(_, c)| c).find(|c| c.identifier == identifier && c.instance.as_deref() == instance)
    }
}

fn keys(value: &Value) -> Option<MessageKeys> {
    let mut out = MessageKeys::default();
    for (name, value) in value.as_object()? {
        match name.as_str() {
            "encrypted_key" => out.encrypted_key = Some(hex(value)?),
            "binary_secret" => out.binary_secrets = value.as_array()?.iter().map(hex).collect::<Option<_>>()?,
            "derived" => out.derived = value.as_array()?.iter().map(derived).collect::<Option<_>>()?,
            "sct" => {
                out.issued = Some(SecurityContext {
                    identifier: value.get("id")?.as_str()?.to_owned(),
                    instance: value.get("instance").and_then(Value::as_str).map(str::to_owned),
                    key: hex(value.get("key")?)?,
                    client_entropy: hex(value.get("client_entropy")?)?,
                    server_entropy: hex(value.get("server_entropy")?)?,
                });
            }
            _ => return None,
        }
    }
    Some(out)
}

fn derived(value: &Value) -> Option<DerivedKey> {
    let number = |name| usize::try_from(value.get(name)?.as_u64()?).ok();
    Some(DerivedKey {
        id: value.get("id")?.as_str()?.to_owned(),
        offset: number("offset")?,
        length: number("length")?,
        nonce: value.get("nonce")?.as_str()?.to_owned(),
        key: hex(value.get("key")?)?,
    })
}

fn hex(value: &Value) -> Option<Vec<u8>> {
    from_hex(value.as_str()?)
}

/// Octets from hexadecimal digits; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|p| p.iter().fold(0, |n, d| n << 4 | d)).collect())
}
