//! The local Ids of an outgoing message, in the order in which WCF hands them out.

use super::ProtectionOrder;
use super::emit::Id;
use super::protection::{MessageKeys, OutgoingMessage, Protection, SigningToken};
use super::seal::{MAX_BLOCKS, MAX_CONFIRMATIONS};

/// The local Ids of one message, in the order in which WCF hands them out.
pub(super) struct Numbers {
    pub(super) next: u16,
    pub(super) signing: Id,
    pub(super) encryption: Id,
    pub(super) signature: u16,
    pub(super) confirmations: [u16; MAX_CONFIRMATIONS],
    pub(super) body: u16,
    pub(super) body_data: u16,
    pub(super) headers: [u16; MAX_BLOCKS],
    pub(super) endorsing: u16,
    pub(super) signature_data: u16,
    pub(super) extra_data: [u16; MAX_CONFIRMATIONS],
    pub(super) certificate_data: u16,
    pub(super) endorsing_data: u16,
}

impl Numbers {
    fn take(&mut self) -> u16 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }

    pub(super) fn assign(message: &OutgoingMessage<'_>, p: &Protection<'_>, sealed_signature: bool) -> Self {
        let zero = Id::Local(0);
        let mut n = Self {
            next: 0,
            signing: zero,
            encryption: zero,
            signature: 0,
            confirmations: [0; MAX_CONFIRMATIONS],
            body: 0,
            body_data: 0,
            headers: [0; MAX_BLOCKS],
            endorsing: 0,
            signature_data: 0,
            extra_data: [0; MAX_CONFIRMATIONS],
            certificate_data: 0,
            endorsing_data: 0,
        };
        if matches!(p.token, SigningToken::Certificate { .. }) {
            // The EncryptedKey's: WCF makes it first.
            n.take();
        }
        let encrypt_first = p.order == ProtectionOrder::EncryptBeforeSign;
        let per_message = matches!(p.keys, MessageKeys::PerMessage { .. });
        if let MessageKeys::PerSession { signing_id, encryption_id, .. } = p.keys {
            (n.signing, n.encryption) = (signing_id, encryption_id);
        }
        if per_message && encrypt_first && message.encrypt_body {
            n.encryption = Id::Local(n.take());
        }
        if per_message {
            n.signing = Id::Local(n.take());
        }
        if p.endorsed() {
            n.signature = n.take();
        }
        for index in 0..p.confirmations.len().min(n.confirmations.len()) {
            let number = n.take();
            if let Some(slot) = n.confirmations.get_mut(index) {
                *slot = number;
            }
        }
        if per_message && !encrypt_first && message.encrypt_body {
            n.encryption = Id::Local(n.take());
        }
        if encrypt_first && message.encrypt_body {
            n.body_data = n.take();
            n.body = n.take();
        } else {
            n.body = n.take();
            if message.encrypt_body {
                n.body_data = n.take();
            }
        }
        for index in 0..message.headers.len().min(MAX_BLOCKS) {
            let number = n.take();
            if let Some(slot) = n.headers.get_mut(index) {
                *slot = number;
            }
        }
        if p.endorsing.is_some_and(|e| e.derived.is_some()) {
            n.endorsing = n.take();
        }
        if sealed_signature {
            n.signature_data = n.take();
        }
        for index in 0..encrypted_extras(message, p, sealed_signature) {
            let number = n.take();
            if let Some(slot) = n.extra_data.get_mut(index) {
                *slot = number;
            }
        }
        if sealed_signature && p.certificate.is_some() {
            n.certificate_data = n.take();
        }
        if sealed_signature && p.endorsing.is_some() {
            n.endorsing_data = n.take();
        }
        n
    }
}

/// How many user tokens and confirmations are encrypted: a password always is, a confirmation if its signature was.
pub(super) fn encrypted_extras(message: &OutgoingMessage<'_>, p: &Protection<'_>, sealed_signature: bool) -> usize {
    let confirmations = if sealed_signature { p.confirmations.len() } else { 0 };
    let users = usize::from(p.username.is_some() && message.encrypt_body);
    confirmations.saturating_add(users).min(MAX_CONFIRMATIONS)
}
