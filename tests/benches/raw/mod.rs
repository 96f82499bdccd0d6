//! The primitives alone, on the octets of one message.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::{Block, BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::{Digest as _, Sha1};
use soap_session_core::crypto::{RustCrypto, SecretKey, p_sha1};
use soap_session_core::xml::{Exclusive, Limits, Reader, Sink, Token};

const BLOCK: usize = 16;

/// What there is to do for one message.
pub(crate) struct Raw {
    /// Canonical forms of the signed parts.
    parts: Vec<Vec<u8>>,
    signed_info: Vec<u8>,
    /// Body and signature, as they are encrypted.
    plain: [Vec<u8>; 2],
    /// Both as they travel: base64 of IV and ciphertext.
    cipher: [Vec<u8>; 2],
    secret: SecretKey,
    signing: SecretKey,
    encryption: SecretKey,
    octets: Vec<u8>,
    text: Vec<u8>,
}

struct Octets(Vec<u8>);

impl Sink for Octets {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

impl Raw {
    /// From a message on the wire and the same message opened.
    pub(crate) fn of(
        wire: &[u8],
        opened: &[u8],
        body: &[u8],
        secret: &SecretKey,
        signing: &SecretKey,
        encryption: &SecretKey,
    ) -> Self {
        let mut parts = Vec::new();
        let mut signed_info = Vec::new();
        let mut signature = Vec::new();
        let mut reader = Reader::document(opened, &Limits::MAX).expect("a document");
        loop {
            match reader.next().expect("a token") {
                Token::Start(start) => {
                    let local = start.name.local;
                    let signed = ["Action", "MessageID", "ReplyTo", "To", "Timestamp", "Body"];
                    if local == b"Signature" {
                        let mut inside = reader.clone();
                        let end = inside.skip().expect("an element");
                        signature = end.of(opened).to_vec();
                    }
                    if signed.iter().any(|name| name.as_bytes() == local) || local == b"SignedInfo" {
                        let mut canonical = Octets(Vec::new());
                        let form = Exclusive::default();
                        form.element(&mut reader, &start, &mut canonical, &mut |_, _| Ok(())).expect("canonical form");
                        if local == b"SignedInfo" {
                            signed_info = canonical.0;
                        } else {
                            parts.push(canonical.0);
                        }
                    }
                }
                Token::Eof => break,
                Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
            }
        }
        assert_eq!(parts.len(), 6);
        let wire = std::str::from_utf8(wire).expect("text");
        let mut values = wire.split("<e:CipherValue>").skip(1).filter_map(|rest| rest.split('<').next());
        // The signature stands in the header, before the body.
        let (of_signature, of_body) = (values.next().expect("signature"), values.next().expect("body"));
        let cipher = [of_body.as_bytes().to_vec(), of_signature.as_bytes().to_vec()];
        let plain = [body.to_vec(), signature];
        let room = plain.iter().map(|plain| plain.len() + 2 * BLOCK).max().unwrap_or(0);
        let mut raw = Self {
            parts,
            signed_info,
            plain,
            cipher,
            secret: secret.clone(),
            signing: signing.clone(),
            encryption: encryption.clone(),
            octets: vec![0; room],
            text: vec![0; room * 4 / 3 + 8],
        };
        raw.agrees();
        raw
    }

    /// That it is the message's own work: the ciphertexts decrypt to the plain texts, and the lengths are the same back.
    fn agrees(&mut self) {
        for index in 0..2 {
            let len = self.decrypt(index);
            let plain = &self.plain[index];
            assert_eq!(&self.octets[BLOCK..][..plain.len()], plain.as_slice());
            assert!(len > plain.len() && len <= plain.len() + BLOCK);
            assert_eq!(self.encrypt(index), self.cipher[index].len());
        }
    }

    fn digests(&self) {
        let mut text = [0; 28];
        for part in &self.parts {
            STANDARD.encode_slice(Sha1::digest(part), &mut text).expect("28 characters");
            black_box(&text);
        }
        let mut mac = Hmac::<Sha1>::new_from_slice(self.signing.as_bytes()).expect("any length");
        mac.update(&self.signed_info);
        STANDARD.encode_slice(mac.finalize().into_bytes(), &mut text).expect("28 characters");
        black_box(&text);
    }

    fn encrypt(&mut self, index: usize) -> usize {
        let plain = &self.plain[index];
        let len = plain.len() + BLOCK - plain.len() % BLOCK;
        self.octets[BLOCK..][..plain.len()].copy_from_slice(plain);
        self.octets[BLOCK + plain.len()..BLOCK + len].fill((len - plain.len()) as u8);
        let iv = [6; BLOCK];
        self.octets[..BLOCK].copy_from_slice(&iv);
        let mut cipher =
            cbc::Encryptor::<aes::Aes256>::new_from_slices(self.encryption.as_bytes(), &iv).expect("a key");
        let (blocks, _) = Block::<aes::Aes256>::slice_as_chunks_mut(&mut self.octets[BLOCK..BLOCK + len]);
        cipher.encrypt_blocks(blocks);
        STANDARD.encode_slice(&self.octets[..BLOCK + len], &mut self.text).expect("room")
    }

    fn decrypt(&mut self, index: usize) -> usize {
        let len = STANDARD.decode_slice(&self.cipher[index], &mut self.octets).expect("base64");
        let (iv, data) = self.octets[..len].split_at_mut(BLOCK);
        let mut cipher = cbc::Decryptor::<aes::Aes256>::new_from_slices(self.encryption.as_bytes(), iv).expect("a key");
        let (blocks, _) = Block::<aes::Aes256>::slice_as_chunks_mut(data);
        cipher.decrypt_blocks(blocks);
        len - BLOCK
    }

    /// A sender's share.
    pub(crate) fn seal(&mut self) {
        self.digests();
        for index in 0..2 {
            self.encrypt(index);
            black_box(&self.text);
        }
    }

    /// A receiver's share.
    pub(crate) fn open(&mut self) {
        for (nonce, len) in [([1; 16], 24), ([2; 16], 32)] {
            let mut key = [0; 32];
            p_sha1::<RustCrypto>(self.secret.as_bytes(), super::LABEL, &nonce, 0, &mut key[..len]);
            black_box(&key);
        }
        for index in 0..2 {
            self.decrypt(index);
            black_box(&self.octets);
        }
        self.digests();
    }
}
