//! A malicious insider: signs what they like, with the keys of a recorded session.
//!
//! Digests and MAC are made anew over a message that was edited as text. Canonicalization is the core's, which is held to
//! libxml2 elsewhere; nothing else of the core's sealing is used.

use soap_session_core::base64;
use soap_session_core::crypto::{
    Backend, BlockCipher, CipherAlgorithm, DigestAlgorithm, Hasher, Mac, MacAlgorithm, RustCrypto, p_sha1,
};
use soap_session_core::soap::names;
use soap_session_core::xml::{Exclusive, Limits, Reader, Sink, Token};

use crate::opening::between;

struct Octets(Vec<u8>);

impl Sink for Octets {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// The canonical form of the first element that `wanted` chooses, by its name and Id.
fn canonical(text: &str, wanted: impl Fn(&[u8], &[u8]) -> bool) -> Option<Vec<u8>> {
    let mut reader = Reader::document(text.as_bytes(), &Limits::MAX).unwrap();
    loop {
        match reader.next().unwrap() {
            Token::Start(start) => {
                let id = reader.attribute(names::WSU, "Id").or_else(|| reader.attribute("", "Id"));
                if wanted(start.name.local, id.map_or(b"", |id| id.raw())) {
                    let mut octets = Octets(Vec::new());
                    let method = Exclusive::default();
                    method.element(&mut reader, &start, &mut octets, &mut |_, _| Ok(())).unwrap();
                    return Some(octets.0);
                }
            }
            Token::Eof => return None,
            Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
        }
    }
}

/// Base64 of `octets`.
///
/// # Panics
/// Never.
#[must_use]
pub fn to_base64(octets: &[u8]) -> String {
    let mut out = vec![0; base64::encoded_len(octets.len())];
    let len = base64::encode(octets, &mut out).unwrap();
    String::from_utf8_lossy(&out[..len]).into_owned()
}

fn reference(text: &str, id: &str) -> String {
    let mut hasher = <RustCrypto as Backend>::Hasher::new(DigestAlgorithm::Sha1);
    hasher.update(&canonical(text, |_, found| found == id.as_bytes()).unwrap_or_default());
    let transform = "http://www.w3.org/2001/10/xml-exc-c14n#";
    format!(
        "<Reference URI=\"#{id}\"><Transforms><Transform Algorithm=\"{transform}\"/></Transforms>\
         <DigestMethod Algorithm=\"http://www.w3.org/2000/09/xmldsig#sha1\"/><DigestValue>{}</DigestValue></Reference>",
        to_base64(hasher.finish().as_bytes())
    )
}

/// The Ids that the signature of `text` refers to.
#[must_use]
pub fn references(text: &str) -> Vec<String> {
    let info = between(text, "<SignedInfo>", "</SignedInfo>");
    info.split("<Reference URI=\"#").skip(1).map(|rest| rest.split('"').next().unwrap_or("").to_owned()).collect()
}

/// Signs `ids` with HMAC-SHA1 and `key`: new digests and a new value in the signature that `text` has.
#[must_use]
pub fn sign(text: &str, ids: &[impl AsRef<str>], key: &[u8]) -> String {
    let old = text.find("<Reference URI=\"#").unwrap()..text.find("</SignedInfo>").unwrap();
    let new: String = ids.iter().map(|id| reference(text, id.as_ref())).collect();
    remac(&text.replacen(&text[old], &new, 1), key)
}

/// A new signature value over the `SignedInfo` that `text` has.
#[must_use]
pub fn remac(text: &str, key: &[u8]) -> String {
    let mut mac = <RustCrypto as Backend>::Mac::new(MacAlgorithm::HmacSha1, key);
    mac.update(&canonical(text, |name, _| name == b"SignedInfo").unwrap());
    let value = between(text, "<SignatureValue>", "</SignatureValue>");
    text.replacen(value, &to_base64(mac.finish().as_bytes()), 1)
}

/// Signs again what `text` has signed, after an edit.
#[must_use]
pub fn resign(text: &str, key: &[u8]) -> String {
    sign(text, &references(text), key)
}

/// Adds a second signature that endorses the first, made with `key` and naming it by `key_info`.
///
/// # Panics
/// If `text` has no signature.
#[must_use]
pub fn endorse(text: &str, key: &[u8], key_info: &str) -> String {
    let named = text.replacen("<Signature ", "<Signature Id=\"_primary\" ", 1);
    let info = between(&named, "<SignedInfo>", "<Reference ");
    let reference = reference(&named, "_primary");
    let second = format!(
        "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo Id=\"_info\">{info}{reference}</SignedInfo>\
         <SignatureValue>*</SignatureValue><KeyInfo>{key_info}</KeyInfo></Signature>"
    );
    let text = named.replacen("</Signature>", &format!("</Signature>{second}"), 1);
    let mut mac = <RustCrypto as Backend>::Mac::new(MacAlgorithm::HmacSha1, key);
    mac.update(&canonical(&text, |_, id| id == b"_info").unwrap());
    text.replacen(">*<", &format!(">{}<", to_base64(mac.finish().as_bytes())), 1)
}

/// The key that a `DerivedKeyToken` with this nonce and no label derives.
#[must_use]
pub fn derive(secret: &[u8], nonce: &[u8], len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    p_sha1::<RustCrypto>(secret, b"WS-SecureConversationWS-SecureConversation", nonce, 0, &mut out);
    out
}

/// AES-256-CBC of `blocks`, whole blocks with their padding, behind a fixed IV.
///
/// # Panics
/// If `blocks` are none or the key is not 32 bytes.
#[must_use]
pub fn encrypt(blocks: &[u8], key: &[u8]) -> Vec<u8> {
    let cipher = <RustCrypto as Backend>::Cipher::new(CipherAlgorithm::Aes256Cbc, key).unwrap();
    let mut data = blocks.to_vec();
    assert!(cipher.encrypt_cbc(&[0xA5; 16], &mut data));
    [&[0xA5; 16], &data[..]].concat()
}

/// `plain` with PKCS#7 padding to whole AES blocks.
#[must_use]
pub fn padded(plain: &[u8]) -> Vec<u8> {
    let count = 16 - plain.len() % 16;
    [plain, &vec![u8::try_from(count).unwrap_or(16); count]].concat()
}
